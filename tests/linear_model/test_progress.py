"""What callbacks and verbose fits tell."""

from collections import Counter

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sparsestat.linear_model import ElasticNetCV, Lasso, LassoCV, LassoIC


class Record:
    """Count the tasks that begin and end; ask to stop at one of them."""

    def __init__(self, stop_at=None):
        self.begun, self.ended, self.stop_at = Counter(), Counter(), stop_at

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context):
        self.begun[context.task_name] += 1

    def on_fit_task_end(self, estimator, context):
        self.ended[context.task_name] += 1
        return (context.task_name, context.task_id) == self.stop_at


@pytest.mark.parametrize(
    "model, expected",
    [
        (Lasso(), {"fit": 1}),
        (LassoIC(alphas=5), {"fit": 1, "alpha": 5}),
        (LassoCV(alphas=5, criterion="bic"), {"fit": 1, "path": 1, "alpha": 5}),
        (
            LassoCV(alphas=5, cv=4, n_jobs=2),
            {"fit": 1, "path": 1, "fold": 4, "alpha": 25},
        ),
        (
            ElasticNetCV(l1_ratio=[0.4, 0.8], alphas=5, cv=3),
            {"fit": 1, "path": 2, "fold": 6, "alpha": 40},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_callbacks_see_every_task(data, model, expected):
    record = Record()
    model.set_callbacks(record).fit(*data)
    assert record.begun == record.ended == expected
    assert record.torn_down


def test_callback_ends_a_path(data):
    record = Record(stop_at=("alpha", 2))
    model = LassoIC(alphas=8).set_callbacks(record).fit(*data)
    assert model.alphas_.shape == model.criterion_.shape == (3,)
    model = LassoCV(alphas=8).set_callbacks(record).fit(*data)
    assert model.mse_path_.shape == (3, 5)


def test_failed_fit_is_torn_down(data):
    record = Record()
    model = Lasso(1e-3, solver="cd", max_iter=1, tol=1e-300).set_callbacks(record)
    with pytest.raises(ConvergenceWarning):  # warnings of this kind are errors here
        model.fit(*data)
    assert record.torn_down


def test_scores_along_the_path_are_monitored(data):
    X, y = data
    monitor = ScoringMonitor(scoring="r2")
    model = LassoCV(alphas=4, cv=3).set_callbacks(monitor).fit(X, y)
    rows = monitor.get_logs().data
    assert len(rows) == 1 + 4 + 3 * 4
    path = [row["r2"] for row in rows if row["task_id_path"][:2] == (0, 0)]
    coefs, intercepts = model.path_coef_.toarray(), model.path_intercept_
    squares = ((y[:, None] - X @ coefs - intercepts) ** 2).mean(axis=0)
    np.testing.assert_allclose(path, 1 - squares / y.var(), atol=1e-12)
    root = [row["r2"] for row in rows if len(row["task_id_path"]) == 1]
    np.testing.assert_allclose(root, model.score(X, y))
    # A fold is scored on its own training samples.
    fold = [row["r2"] for row in rows if row["task_id_path"][:2] == (0, 1)]
    first = Lasso(model.alphas_[-1]).fit(X[20:], y[20:])
    np.testing.assert_allclose(fold[-1], first.score(X[20:], y[20:]), atol=1e-4)


def test_weights_reach_the_monitor(data):
    X, y = data
    weight = np.arange(60.0) + 1
    monitor = ScoringMonitor(scoring="r2")
    model = Lasso(0.1).set_callbacks(monitor).fit(X, y, weight)
    score = monitor.get_logs().data[0]["r2"]
    np.testing.assert_allclose(score, model.score(X, y, weight))


def test_search_passes_callbacks_on(data):
    record = ScoringMonitor(scoring="r2")
    model = Lasso().set_callbacks(record)
    GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(*data)
    found = record.get_logs().data
    assert record.get_logs().estimator_name == "GridSearchCV"
    assert [row["task_name"] for row in found] == ["fit"] * 5  # 2 x 2 and the refit


def test_progress_is_reported(data, capsys):
    pytest.importorskip("rich")
    LassoCV(alphas=5, cv=3).set_callbacks(ProgressBar()).fit(*data)
    assert "LassoCV" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model, told",
    [
        (Lasso(0.1), "rounds"),
        (LassoCV(alphas=5), "passes over X"),
        (LassoIC("aic"), "by aic"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_verbose_prints_one_line(data, capsys, model, told):
    model.fit(*data)
    assert capsys.readouterr().out == ""
    model.set_params(verbose=1).fit(*data)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith(f"{type(model).__name__}: alpha=")
    assert told in line
