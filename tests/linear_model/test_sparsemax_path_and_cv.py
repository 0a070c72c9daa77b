"""Paths and cross-validation of sparsemax models."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from sparsestat.activations import sparsemax
from sparsestat.linear_model import (
    LabelProportionRegressor,
    SparsemaxClassifier,
    SparsemaxClassifierCV,
    sparsemax_path,
)
from sparsestat.utils.validation import ParameterError


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def sets():
    X, Y = make_multilabel_classification(
        120, 8, n_classes=4, allow_unlabeled=False, random_state=1
    )
    return X / X.sum(axis=1, keepdims=True), Y


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_path_is_a_sequence_of_fits(iris, l1_ratio):
    X, y = iris
    alphas, coefs, intercepts, gaps = sparsemax_path(
        X, y, alphas=6, eps=1e-2, l1_ratio=l1_ratio, tol=1e-9
    )
    assert (np.diff(alphas) < 0).all()
    assert alphas[-1] == pytest.approx(alphas[0] / 100)
    assert coefs.any(axis=(0, 1))[0] == (l1_ratio == 0.0)
    assert coefs.any(axis=(0, 1))[1:].all()
    for k, alpha in enumerate(alphas):
        model = SparsemaxClassifier(alpha, l1_ratio=l1_ratio, tol=1e-9).fit(X, y)
        assert gaps[k] <= model.dual_gap_tol_
        mine = sparsemax(X @ coefs[..., k].T + intercepts[:, k])
        np.testing.assert_allclose(mine, model.predict_proba(X), atol=1e-3)


def test_path_of_sets_and_of_shares(sets):
    X, Y = sets
    grid = [0.01, 0.1]
    alphas, coefs, _, _ = sparsemax_path(X, Y, alphas=grid, l1_ratio=0.2, tol=1e-10)
    assert list(alphas) == [0.1, 0.01]
    shares = Y / Y.sum(axis=1, keepdims=True)
    other = sparsemax_path(X, shares, alphas=grid, l1_ratio=0.2, tol=1e-10)[1]
    np.testing.assert_allclose(coefs, other, atol=1e-9)
    model = LabelProportionRegressor(0.01, l1_ratio=0.2, tol=1e-10).fit(X, shares)
    np.testing.assert_allclose(coefs[..., 1], model.coef_, atol=1e-5)


def test_path_refuses_and_warns(iris):
    X, y = iris
    with pytest.raises(ParameterError, match="sparsemax_path: solver must be 'auto'"):
        sparsemax_path(X, y, solver="lbfgs")
    with pytest.raises(ParameterError, match="sparsemax_path: eps must be"):
        sparsemax_path(X, y, eps=2.0)
    with pytest.warns(ConvergenceWarning, match="sparsemax_path did not reach"):
        sparsemax_path(X, y, alphas=[1e-3], l1_ratio=0.0, solver="lbfgs", max_iter=2)


def test_choice_is_the_best_of_a_grid_search(sets):
    X, Y = sets
    folds = KFold(3, shuffle=True, random_state=5)
    alphas, scales = [1.0, 0.1, 0.01], [1.0, 2.0, 4.0]
    model = SparsemaxClassifierCV(
        alphas, support_scales=scales, cv=folds, scoring="f1_macro", tol=1e-9
    ).fit(X, Y)
    scores = np.empty((3, 3, 3))
    for f, (train, test) in enumerate(folds.split(X)):
        for a, alpha in enumerate(alphas):
            for s, scale in enumerate(scales):
                fit = SparsemaxClassifier(alpha, support_scale=scale, tol=1e-9)
                predicted = fit.fit(X[train], Y[train]).predict(X[test])
                scores[a, s, f] = f1_score(Y[test], predicted, average="macro")
    np.testing.assert_allclose(model.scores_, scores, atol=1e-12)
    best = np.unravel_index(scores.mean(axis=2).argmax(), (3, 3))
    assert model.alpha_ == alphas[best[0]]
    assert model.support_scale_ == scales[best[1]]
    refit = SparsemaxClassifier(
        model.alpha_, support_scale=model.support_scale_, tol=1e-9
    ).fit(X, Y)
    np.testing.assert_array_equal(model.coef_, refit.coef_)
    np.testing.assert_array_equal(model.predict(X), refit.predict(X))
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_numbers_of_folds_are_shuffled(iris):
    X, y = iris
    model = SparsemaxClassifierCV(3, cv=4, scoring="accuracy").fit(X, y)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    other = SparsemaxClassifierCV(3, cv=folds, scoring="accuracy").fit(X, y)
    np.testing.assert_array_equal(model.scores_, other.scores_)
    assert model.scores_.shape == (3, 1, 4)
    assert model.score(X, y) > 0.9
    again = SparsemaxClassifierCV(3, cv=4, scoring="accuracy", random_state=1)
    assert not np.array_equal(again.fit(X, y).scores_, model.scores_)


def test_l1_grid_and_sparse_data(iris):
    X, y = iris
    model = SparsemaxClassifierCV(4, l1_ratio=0.9, standardize=True, cv=3)
    dense = model.fit(X, y).coef_
    assert model.alphas_[-1] == pytest.approx(model.alphas_[0] * 1e-3)
    assert (model.scores_[0] < model.scores_[-1]).all()
    other = model.fit(sparse.csr_array(X), y).coef_
    np.testing.assert_allclose(other, dense, atol=1e-3)


def test_weights_reach_fits_and_scores(iris):
    X, y = iris
    weight = np.ones(len(y))
    weight[y == 1] = 1e-6
    model = SparsemaxClassifierCV(3, cv=3, scoring="accuracy").fit(X, y, weight)
    assert (model.scores_.max(axis=0) > 0.999).all()
    unweighted = make_scorer(lambda truth, found: float(np.mean(truth == found)))
    model = SparsemaxClassifierCV(3, cv=3, scoring=unweighted).fit(X, y)
    assert (model.scores_.mean(axis=2) < 1.0).all()


def test_missed_tolerance_in_a_fold_is_told(iris):
    model = SparsemaxClassifierCV([1e-3], cv=3, solver="lbfgs", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="did not reach") as found:
        model.fit(*iris)
    assert any("in a fold" in str(warning.message) for warning in found)


def test_groups_stay_together(iris):
    X, y = iris
    groups = np.arange(len(y)) % 10
    folds = list(GroupKFold(3).split(X, y, groups))
    by_groups = SparsemaxClassifierCV(alphas=[1.0, 0.1], cv=GroupKFold(3))
    by_folds = SparsemaxClassifierCV(alphas=[1.0, 0.1], cv=folds)
    by_groups.fit(X, y, groups=groups)
    by_folds.fit(X, y)
    np.testing.assert_array_equal(by_groups.scores_, by_folds.scores_)
    with pytest.raises(ValueError, match="groups"):
        by_groups.fit(X, y)


def test_progress_is_told(iris, capsys):
    told = []

    class Listener:
        def setup(self, estimator, context):
            told.append("setup")

        def on_fit_task_begin(self, estimator, context, **_):
            told.append(context.task_name)

        def on_fit_task_end(self, estimator, context, **_):
            return False

        def teardown(self, estimator, context):
            told.append("teardown")

    X, y = iris
    model = SparsemaxClassifierCV(alphas=[1.0, 0.1], cv=3, verbose=1)
    model.set_callbacks(Listener()).fit(X, y)
    assert told[0] == "setup"
    assert told[-1] == "teardown"
    assert told.count("fold") == 3
    assert told.count("alpha") == 6
    assert "SparsemaxClassifierCV: alpha=" in capsys.readouterr().out
