"""Multinomial logistic regression: cvxpy, certificates, scikit-learn, folds."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse
from scipy.special import xlogy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sparsestat.linear_model import (
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
    glm_path,
)


def problem(n=90, p=8, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.3
    X[rng.random((n, p)) < 0.4] = 0.0
    coef = np.zeros((p, n_classes))
    coef[:3, :3] = np.diag([2.0, -2.0, 1.0])
    share = np.exp(X @ coef)
    share /= share.sum(axis=1, keepdims=True)
    y = np.array([rng.choice(n_classes, p=row) for row in share])
    return X, y, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_multinomial_objective_is_that_of_cvxpy(
    storage, positive, fit_intercept, weighted
):
    X, y, weight = problem()
    weight = weight if weighted else None
    v = np.ones(8)
    v[5], v[6] = 0.0, np.inf
    model = SparseLogisticRegression(
        0.02, l1_ratio=0.8, penalty_weights=v, positive=positive, tol=1e-9,
        fit_intercept=fit_intercept,
    ).fit(storage(X), y, weight)  # fmt: skip
    assert model.coef_.shape == (4, 8) and model.intercept_.shape == (4,)
    assert not model.coef_[:, 6].any()
    assert model.dual_gap_ <= model.dual_gap_tol_
    s = np.ones(90) if weight is None else weight
    s = s / s.sum()
    w, b = cp.Variable((8, 4)), cp.Variable((1, 4))
    z = X @ w + (np.ones((90, 1)) @ b if fit_intercept else 0.0)
    fitted = cp.sum(cp.multiply(np.eye(4)[y], z), axis=1)
    loss = s @ (cp.log_sum_exp(z, axis=1) - fitted)
    price = np.where(np.isinf(v), 0.0, v)[:, None]
    size = 0.8 * cp.sum(cp.multiply(price, cp.abs(w)))
    size += 0.1 * cp.sum(cp.multiply(price, cp.square(w)))
    rules = [w[6] == 0.0] + ([w >= 0.0] if positive else [])
    best = cp.Problem(cp.Minimize(loss + 0.02 * size), rules)
    best.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9)
    assert model.objective_ == pytest.approx(best.value, abs=1e-8)
    np.testing.assert_allclose(
        model.objective_,
        s @ -model.predict_log_proba(X)[np.arange(90), y]
        + 0.02 * (price.T * (0.8 * abs(model.coef_) + 0.1 * model.coef_**2)).sum(),
    )


def test_multinomial_gap_is_certified_independently():
    X, y, weight = problem(60, 100)
    alphas, coefs, gaps, intercepts = glm_path(
        X, y, sample_weight=weight, alphas=8, eps=0.05, return_intercepts=True
    )
    assert coefs.shape == (100, 4, 8) and intercepts.shape == (4, 8)
    s = weight / weight.sum()
    observed = np.eye(4)[y]
    share = s @ observed
    null = -share @ np.log(share)
    assert not coefs[..., 0].any() and coefs[..., 1].any()
    for k, alpha in enumerate(alphas):
        z = X @ coefs[..., k] + intercepts[:, k]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        u = observed - p
        np.testing.assert_allclose(s @ u, 0.0, atol=1e-7)
        primal = s @ -np.log((observed * p).sum(axis=1))
        primal += alpha * np.abs(coefs[..., k]).sum()
        scale = min(1.0, alpha / np.abs(X.T @ (s[:, None] * u)).max())
        mixed = observed - scale * u
        assert primal + s @ xlogy(mixed, mixed).sum(axis=1) <= 2e-6 * null
    assert (gaps <= 1e-6 * null).all()


def test_multinomial_ridge_is_that_of_scikit_learn():
    X, y, weight = problem()
    labels = np.array(["a", "b", "c", "d"])[y]
    theirs = LogisticRegression(C=1.0 / (0.1 * weight.sum()), tol=1e-10, max_iter=10000)
    theirs.fit(X, labels, weight)
    ours = SparseLogisticRegression(0.1, l1_ratio=0.0, tol=1e-12)
    ours.fit(X, labels, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5
    )
    np.testing.assert_allclose(
        ours.predict_log_proba(X), np.log(ours.predict_proba(X)), atol=1e-12
    )
    assert (ours.predict(X) == theirs.predict(X)).all()
    with pytest.raises(ValueError, match=r"offset must have shape \(90, "):
        ours.fit(X, labels, offset=np.ones(90))


def test_offsets_of_classes():
    X, y, weight = problem(90)
    n_classes = len(np.unique(y))
    offset = np.random.default_rng(3).standard_normal((90, n_classes))
    model = SparseLogisticRegression(0.03, tol=1e-9)
    model.fit(X, y, sample_weight=weight, offset=offset)
    w, b = cp.Variable((X.shape[1], n_classes)), cp.Variable((1, n_classes))
    onehot = np.eye(n_classes)[np.unique(y, return_inverse=True)[1]]
    z = X @ w + b + offset
    each = cp.log_sum_exp(z, axis=1) - cp.sum(cp.multiply(onehot, z), axis=1)
    objective = weight @ each / weight.sum() + 0.03 * cp.sum(cp.abs(w))
    best = cp.Problem(cp.Minimize(objective))
    best.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11)
    assert model.objective_ == pytest.approx(best.value, rel=1e-7)
    assert model.dual_gap_ <= model.dual_gap_tol_
    np.testing.assert_allclose(model.coef_.T, w.value, atol=1e-3)
    score = model.decision_function(X, offset=offset)
    np.testing.assert_allclose(score, model.decision_function(X) + offset)
    # Equal offsets of all classes change nothing.
    same = SparseLogisticRegression(0.03, tol=1e-9)
    same.fit(X, y, weight, offset=offset + np.arange(90.0)[:, None])
    np.testing.assert_allclose(same.coef_, model.coef_, atol=1e-4)


def test_offsets_of_classes_in_cross_validation():
    X, y, _ = problem(90)
    n_classes = len(np.unique(y))
    offset = np.random.default_rng(3).standard_normal((90, n_classes))
    train, test = np.arange(60), np.arange(60, 90)
    options = {"alphas": [0.05], "cv": [(train, test)]}
    model = SparseLogisticRegressionCV(**options).fit(X, y, offset=offset)
    fold = SparseLogisticRegression(0.05).fit(X[train], y[train], offset=offset[train])
    p = fold.predict_log_proba(X[test], offset=offset[test])
    index = np.searchsorted(fold.classes_, y[test])
    deviance = -2.0 * p[np.arange(30), index].mean()
    assert model.deviance_path_[0, 0] == pytest.approx(deviance, rel=1e-4)
    model = SparseLogisticRegressionCV(scoring="neg_log_loss", **options)
    model.fit(X, y, offset=offset)
    assert model.score_path_[0, 0] == pytest.approx(-deviance / 2.0, rel=1e-4)


def test_multinomial_cross_validation():
    X, y, weight = problem(120)
    train, test = np.arange(80), np.arange(80, 120)
    model = SparseLogisticRegressionCV(
        alphas=[0.05, 0.02], cv=[(train, test), (test, train)], tol=1e-10
    ).fit(X, y, weight)
    inner = SparseLogisticRegression(0.02, tol=1e-10)
    inner.fit(X[train], y[train], weight[train])
    expected = 2.0 * log_loss(
        y[test], inner.predict_proba(X[test]), sample_weight=weight[test]
    )
    assert model.deviance_path_[1, 0] == pytest.approx(expected, rel=1e-4)
    assert model.path_coef_.shape == (32, 2)
    k = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    column = model.path_coef_[:, [k]].toarray()
    np.testing.assert_array_equal(column.reshape(model.coef_.shape), model.coef_)
    np.testing.assert_allclose(
        model.path_intercept_[:, k], model.intercept_, rtol=1e-10
    )
    scored = SparseLogisticRegressionCV(alphas=5, scoring="accuracy").fit(X, y)
    assert scored.score_path_.shape == (5, 5)
    assert scored.score_path_.max() > 0.4


def test_extreme_scores_keep_probabilities_finite():
    X, y, _ = problem()
    model = SparseLogisticRegression(1e-4).fit(X, y)
    far = model.predict_log_proba(1e4 * X)
    assert np.isfinite(far).all()
    np.testing.assert_allclose(model.predict_proba(1e4 * X).sum(axis=1), 1.0)
