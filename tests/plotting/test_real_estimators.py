"""The displays and the estimators agree on attributes and on the rule of choice."""

import numpy as np
import pytest

from sparsestat import linear_model
from sparsestat.datasets import make_sparse_regression
from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay

plt = pytest.importorskip("matplotlib.pyplot")

DATA = make_sparse_regression(60, 30, n_nonzero_coefs=4, random_state=0)
SETTINGS = {"alphas": 20, "eps": 1e-2, "cv": 4}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("rule", ["min", "1se"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
def test_the_estimator_chooses_what_the_display_marks(rule, scoring):
    model = linear_model.LassoCV(**SETTINGS, alpha_rule=rule, scoring=scoring)
    display = CrossValidationDisplay.from_estimator(model.fit(DATA.data, DATA.target))
    marked = {"min": display.alpha_min_, "1se": display.alpha_1se_}
    assert marked[rule] == model.alpha_
    assert display.alpha_1se_ > display.alpha_min_
    counts = (model.path_coef_.toarray() != 0).sum(axis=0)
    np.testing.assert_array_equal(display.n_nonzero, counts)


@pytest.mark.parametrize("l1_ratio", [0.5, [0.1, 0.5, 0.9]])
def test_elastic_net(l1_ratio):
    model = linear_model.ElasticNetCV(**SETTINGS, l1_ratio=l1_ratio)
    model.fit(DATA.data, DATA.target)
    scores = CrossValidationDisplay.from_estimator(model)
    assert scores.alpha_min_ == model.alpha_
    path = CoefficientPathDisplay.from_estimator(model)
    np.testing.assert_array_equal(path.alphas, scores.alphas)
    assert path.alpha == model.alpha_


@pytest.mark.parametrize("name", ["LassoCV", "LassoIC"])
def test_path_explains_what_the_chosen_model_does(name):
    model = getattr(linear_model, name)().fit(DATA.data, DATA.target)
    display = CoefficientPathDisplay.from_estimator(
        model, DATA.data, DATA.target, x_axis="deviance_ratio"
    )
    chosen = int(np.abs(np.asarray(model.alphas_) - model.alpha_).argmin())
    assert display.deviance_ratio[chosen] == pytest.approx(
        model.score(DATA.data, DATA.target), abs=1e-4
    )
    assert display.deviance_ratio[0] == pytest.approx(0.0, abs=1e-9)


def test_functions_of_paths():
    alphas, coefs, *_ = linear_model.lasso_path(DATA.data, DATA.target)
    display = CoefficientPathDisplay.from_path(alphas, coefs, n_labels=3)
    assert len(display.labels_) == 3


def multi_task_data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 12))
    coefs = np.zeros((3, 12))
    coefs[:, [4, 9]] = [[3.0, 1.0], [-4.0, 0.0], [0.0, 1.0]]
    return X, X @ coefs.T + 0.1 * rng.standard_normal((50, 3))


@pytest.mark.parametrize("name", ["MultiTaskLassoCV", "MultiTaskElasticNetCV"])
def test_a_curve_of_several_tasks_is_their_norm(name):
    pd = pytest.importorskip("pandas")
    X, Y = multi_task_data()
    frame = pd.DataFrame(X, columns=[f"gene {j}" for j in range(12)])
    model = getattr(linear_model, name)(**SETTINGS).fit(frame, Y)
    display = CoefficientPathDisplay.from_estimator(model, n_labels=2, x_axis="l1_norm")
    assert [label.get_text() for label in display.labels_] == ["gene 4", "gene 9"]
    assert np.shape(display.coefs) == (12, 20)
    chosen = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    np.testing.assert_allclose(
        display.coefs[:, chosen], np.linalg.norm(model.coef_, axis=0), rtol=1e-6
    )
    np.testing.assert_allclose(
        display.lines_[0].get_ydata()[1:], display.coefs[4, 1:], rtol=1e-12
    )
    assert display.ax_.get_ylabel() == "norm over tasks"
    assert display.ax_.get_xlabel() == "sum of norms over tasks"
    assert display.count_ax_.get_xlabel() == "nonzero features"


def test_deviance_explained_of_several_tasks():
    X, Y = multi_task_data()
    model = linear_model.MultiTaskLassoCV(**SETTINGS).fit(X, Y)
    draw = CoefficientPathDisplay.from_estimator
    display = draw(model, X, Y, x_axis="deviance_ratio")
    chosen = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    residual = ((Y - model.predict(X)) ** 2).sum()
    expected = 1 - residual / ((Y - Y.mean(axis=0)) ** 2).sum()
    assert display.deviance_ratio[chosen] == pytest.approx(expected, rel=1e-6)
    assert display.deviance_ratio[0] == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match=r"y must have 3 columns.*got 1"):
        draw(model, X, Y[:, 0])


def test_a_curve_of_several_classes_is_their_norm():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 6))
    y = (X[:, [1, 2, 5]] + 0.3 * rng.standard_normal((90, 3))).argmax(axis=1)
    model = linear_model.SparseLogisticRegressionCV(alphas=8, eps=0.1, cv=3).fit(X, y)
    display = CoefficientPathDisplay.from_estimator(model, n_labels=3)
    assert {label.get_text() for label in display.labels_} == {"x1", "x2", "x5"}
    chosen = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    np.testing.assert_allclose(
        display.coefs[:, chosen], np.linalg.norm(model.coef_, axis=0), rtol=1e-6
    )
    assert display.ax_.get_ylabel() == "norm over classes"


@pytest.mark.parametrize("name", ["GroupLassoCV", "SparseGroupLassoCV"])
def test_features_of_a_group_share_a_colour(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 12))
    y = X[:, [0, 3, 6]] @ [3.0, 3.0, 2.0] + X[:, [1, 4]] @ [2.0, 1.0]
    labels = np.arange(12) % 3
    model = getattr(linear_model, name)(feature_groups=labels, **SETTINGS).fit(X, y)
    display = CoefficientPathDisplay.from_estimator(model, n_labels=5)
    shown = {line.get_label(): line.get_color() for line in display.lines_}
    assert set(shown) == {"x0", "x3", "x6", "x1", "x4"}
    assert shown["x0"] == shown["x3"] == shown["x6"] != shown["x1"] == shown["x4"]


def test_cross_validation_of_several_tasks_counts_features():
    X, Y = multi_task_data()
    model = linear_model.MultiTaskLassoCV(**SETTINGS).fit(X, Y)
    display = CrossValidationDisplay.from_estimator(model)
    used = [
        np.count_nonzero(column.reshape(3, 12).any(axis=0))
        for column in model.path_coef_.toarray().T
    ]
    np.testing.assert_array_equal(display.n_nonzero, used)
    assert display.count_ax_.get_xlabel() == "nonzero features"
    assert "2 nonzero features" in display.alpha_lines_[-1].get_label()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("SparseLogisticRegressionCV", "mean deviance"),
        ("SparseHuberRegressorCV", "mean absolute error"),
        ("SparseQuantileRegressorCV", "mean check loss"),
    ],
)
def test_losses_other_than_squares(name, label):
    y = DATA.target
    if "Logistic" in name:
        y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    model = getattr(linear_model, name)(alphas=5, cv=3).fit(DATA.data, y)
    display = CrossValidationDisplay.from_estimator(model)
    assert display.ax_.get_ylabel() == label
    assert display.alpha_min_ == model.alpha_
    used = model.coef_.reshape(-1, 30).any(axis=0).sum()
    assert display.n_nonzero[list(model.alphas_).index(model.alpha_)] == used
    path = CoefficientPathDisplay.from_estimator(model)
    chosen = list(model.alphas_).index(model.alpha_)
    coef = np.linalg.norm(model.coef_.reshape(-1, 30), axis=0)
    found = path.coefs[:, [chosen]]
    found = found.toarray() if hasattr(found, "toarray") else found
    np.testing.assert_allclose(np.abs(found).ravel(), coef, rtol=1e-6)
