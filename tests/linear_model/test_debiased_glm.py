"""Debiased generalised linear models: oracles, coverage, invariances."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from sparsestat.linear_model import (
    DebiasedGammaRegressor,
    DebiasedLogisticRegression,
    DebiasedPoissonRegressor,
    SparseGammaRegressor,
    SparseLogisticRegression,
    SparsePoissonRegressor,
    _debiased_glm,
)
from tests.linear_model.test_debiased import covered

CLASSES = {
    "logistic": DebiasedLogisticRegression,
    "poisson": DebiasedPoissonRegressor,
    "gamma": DebiasedGammaRegressor,
}
PENALISED = {
    "logistic": SparseLogisticRegression,
    "poisson": SparsePoissonRegressor,
    "gamma": SparseGammaRegressor,
}
FAMILIES = pytest.mark.parametrize("family", list(CLASSES))


def problem(family, n=120, p=40, seed=0, size=0.6, n_signals=3):
    """Neighbours correlated by 0.5, a few equal signals."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    coef = np.zeros(p)
    coef[rng.choice(p, n_signals, replace=False)] = size
    z = X @ coef
    if family == "logistic":
        y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    elif family == "poisson":
        y = rng.poisson(np.exp(z))
    else:
        y = rng.gamma(2.0, np.exp(z) / 2.0)
    return X, y, coef


def loss_score_curvature(family, y, z):
    """Losses, minus their derivatives, expected second derivatives: written apart."""
    if family == "logistic":
        mean = 1 / (1 + np.exp(-z))
        return np.logaddexp(0, z) - y * z, y - mean, mean * (1 - mean)
    if family == "poisson":
        return np.exp(z) - y * z, y - np.exp(z), np.exp(z)
    return y * np.exp(-z) + z, y * np.exp(-z) - 1, np.ones(len(z))


@FAMILIES
@pytest.mark.parametrize("covariance", ["fisher", "sandwich"])
def test_without_penalty_it_is_greatest_likelihood_with_wald_errors(family, covariance):
    X, y, _ = problem(family, 250, 6)
    X, offset = 3 * X + 2, 0.1 * X[:, 0] ** 2
    counts = np.arange(250) % 3
    model = CLASSES[family](
        0.0, alpha_nodewise=1e-9, covariance=covariance, tol=1e-10
    ).fit(X, y, counts, offset=offset)
    A = np.column_stack([np.ones(counts.sum()), np.repeat(X, counts, axis=0)])
    y, offset = np.repeat(y, counts), np.repeat(offset, counts)

    def objective(beta):
        loss, score, _ = loss_score_curvature(family, y, A @ beta + offset)
        return loss.mean(), -A.T @ score / len(y)

    found = minimize(objective, np.zeros(7), jac=True, tol=1e-12, method="BFGS").x
    for _ in range(3):  # scoring, to rounding
        _, score, h = loss_score_curvature(family, y, A @ found + offset)
        found += np.linalg.solve((A.T * h) @ A, A.T @ score)
    _, score, h = loss_score_curvature(family, y, A @ found + offset)
    inverse = np.linalg.inv((A.T * h) @ A)
    variance = inverse
    if covariance == "sandwich":
        variance = inverse @ (A.T * score**2) @ A @ inverse
    elif family == "gamma":
        dispersion = np.sum(score**2) / (len(y) - 7)
        np.testing.assert_allclose(model.dispersion_, dispersion, rtol=1e-6)
        variance = inverse * dispersion
    np.testing.assert_allclose(model.coef_debiased_, found[1:], atol=1e-6)
    errors = np.sqrt(variance.diagonal()[1:])
    np.testing.assert_allclose(model.std_err_, errors, rtol=1e-4)
    # The same by the inverse of the information matrix.
    given = CLASSES[family](0.0, precision=inverse[1:, 1:], covariance=covariance)
    given.set_params(tol=1e-10).fit(A[:, 1:], y, offset=offset)
    np.testing.assert_allclose(given.std_err_, errors, rtol=1e-5)


@FAMILIES
def test_is_what_its_formulas_say(family):
    X, y, _ = problem(family, 100, 12)
    model = CLASSES[family](0.08, phi=0.3, tol=1e-12).fit(X, y)
    one = PENALISED[family]
    selected = one(0.08, standardize=True, tol=1e-12).fit(X, y).coef_.ravel() != 0
    weights = np.where(selected, 1.0, np.inf)
    relaxed = one(0.3 * 0.08, standardize=True, tol=1e-12, penalty_weights=weights)
    w = relaxed.fit(X, y).coef_.ravel()
    np.testing.assert_allclose(model.coef_.ravel(), w, atol=1e-6)
    z = X @ w + np.ravel(relaxed.intercept_)[0]
    _, u, h = loss_score_curvature(family, y, z)
    centred = X - np.average(X, axis=0, weights=h)
    dispersion = np.sum(u**2 / h) / (100 - selected.sum() - 1)
    for j in range(12):
        scale = np.sqrt(np.average(centred**2, axis=0, weights=h))
        Z = np.sqrt(h / h.sum())[:, None] * centred / scale
        others = np.arange(12) != j
        g = minimise_lasso(Z[:, others], Z[:, j], np.sqrt(2 * np.log(12) / 100) / 2)
        direction = centred[:, j] - centred[:, others] @ (g / scale[others]) * scale[j]
        dot = (h * direction) @ centred[:, j]
        np.testing.assert_allclose(
            model.coef_debiased_[j], w[j] + direction @ u / dot, atol=2e-3
        )
        error = np.sqrt(h @ direction**2) / abs(dot)
        if family == "gamma":
            error *= np.sqrt(dispersion)
        np.testing.assert_allclose(model.std_err_[j], error, rtol=1e-2)


def minimise_lasso(Z, target, alpha):
    """|target - Z g|^2 / 2 + alpha |g|_1 by coordinate descent."""
    g = np.zeros(Z.shape[1])
    for _ in range(500):
        for k in range(len(g)):
            rest = target - Z @ g + Z[:, k] * g[k]
            product, square = Z[:, k] @ rest, Z[:, k] @ Z[:, k]
            g[k] = np.sign(product) * max(abs(product) - alpha, 0.0) / square
    return g


@FAMILIES
def test_coverage(family):
    everywhere, active, together, width = [], [], [], []
    size = {"logistic": 1.0, "poisson": 0.4, "gamma": 0.5}[family]
    for seed in range(20):
        X, y, coef = problem(family, 200, 100, seed, size)
        model = CLASSES[family](n_bootstraps=200).fit(X, y)
        hits = covered(model.conf_int_, coef)
        everywhere.append(hits.mean())
        active.append(hits[coef != 0].mean())
        together.append(covered(model.conf_int(simultaneous=True), coef).all())
        width.append(model.std_err_.mean())
    assert 0.93 < np.mean(everywhere) < 0.97
    assert np.mean(active) >= 0.85
    assert np.mean(together) >= 0.8


def test_sandwich_holds_where_counts_vary_more_than_their_mean():
    hits = {"fisher": [], "sandwich": []}
    for seed in range(6):
        X, _, coef = problem("poisson", 300, 20, seed, 0.3)
        rng = np.random.default_rng(seed)
        y = rng.poisson(np.exp(X @ coef + 1) * rng.gamma(0.5, 2.0, size=300))
        for covariance, found in hits.items():
            model = DebiasedPoissonRegressor(covariance=covariance).fit(X, y)
            found.append(covered(model.conf_int_, coef).mean())
    assert np.mean(hits["fisher"]) < 0.7
    assert np.mean(hits["sandwich"]) > 0.88


def test_shrunk_predictions_leave_a_bias_that_the_relaxed_fit_does_not():
    errors = {0.1: [], 1.0: []}
    for seed in range(5):
        X, y, coef = problem("logistic", 300, 60, seed, 1.5)
        for phi, found in errors.items():
            model = DebiasedLogisticRegression(phi=phi).fit(X, y)
            found.append((model.coef_debiased_ - coef)[coef != 0].mean())
    assert abs(np.mean(errors[0.1])) < 0.3
    assert np.mean(errors[1.0]) < -0.3


@FAMILIES
@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array, "float32"])
def test_storage_does_not_matter(family, storage):
    X, y, _ = problem(family)
    X[np.random.default_rng(1).random(X.shape) < 0.6] = 0.0
    model = CLASSES[family](covariance="sandwich", tol=1e-8)
    dense = model.fit(X, y)
    kept = {name: getattr(dense, name) for name in ("coef_debiased_", "std_err_")}
    if storage == "float32":
        other = model.fit(X.astype(np.float32), y)
        assert other.coef_debiased_.dtype == other.conf_int_.dtype == np.float32
    else:
        other = model.fit(storage(X), y)
    for name, value in kept.items():
        np.testing.assert_allclose(getattr(other, name), value, rtol=1e-2, atol=3e-3)


@FAMILIES
def test_units_and_threads_do_not_matter(family):
    X, y, _ = problem(family)
    size = 10.0 ** np.random.default_rng(1).integers(-4, 5, 40)
    first = CLASSES[family](tol=1e-9).fit(X, y)
    second = CLASSES[family](tol=1e-9, n_jobs=2).fit(X * size + size, y)
    np.testing.assert_allclose(
        second.conf_int_ * size[:, None], first.conf_int_, rtol=1e-3, atol=1e-3
    )
    again = CLASSES[family](tol=1e-9, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(again.conf_int_, first.conf_int_)
    np.testing.assert_array_equal(again.adjusted_pvalues_, first.adjusted_pvalues_)


@FAMILIES
def test_weights_are_copies(family):
    X, y, _ = problem(family)
    counts = np.arange(120) % 3
    weighted = CLASSES[family](tol=1e-9).fit(X, y, counts)
    copied = CLASSES[family](tol=1e-9)
    copied.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.conf_int_, copied.conf_int_, atol=1e-4)


def test_without_a_gram_matrix_it_is_the_same(monkeypatch):
    X, y, _ = problem("logistic", 80, 25)
    expected = DebiasedLogisticRegression(tol=1e-9).fit(X, y)
    monkeypatch.setattr(_debiased_glm, "MOST_FEATURES", 10)
    monkeypatch.setattr(_debiased_glm, "NODE_TOL", 1e-9)
    direct = DebiasedLogisticRegression(tol=1e-9).fit(X, y)
    assert direct.nodewise_gap_ <= 1e-9
    np.testing.assert_allclose(direct.conf_int_, expected.conf_int_, atol=1e-2)


@pytest.mark.parametrize("alpha", ["bic", "ebic", "cv", 0.1])
def test_strengths(alpha):
    X, y, _ = problem("poisson")
    model = DebiasedPoissonRegressor(alpha).fit(X, y)
    assert model.alpha_ > 0.0
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert np.isfinite(model.conf_int_).all()
    if alpha == 0.1:
        assert model.alpha_ == 0.1


def test_hard_data():
    X, y, _ = problem("logistic", 40, 12)
    X[:, 3], X[:, 5] = 7.0, X[:, 4]
    model = DebiasedLogisticRegression().fit(X, y)
    assert model.std_err_[3] == np.inf
    assert model.pvalues_[3] == model.adjusted_pvalues_[3] == 1.0
    assert np.isfinite(np.delete(model.conf_int_, 3, axis=0)).all()
    # Classes that a feature separates have a finite fit all the same.
    separated = DebiasedLogisticRegression().fit(X, X[:, 0] > 0)
    assert not np.isnan(separated.conf_int_).any()
    same = DebiasedPoissonRegressor().fit(X, np.full(40, 3.0))
    np.testing.assert_array_equal(same.coef_, 0.0)
    assert not np.isnan(same.conf_int_).any()
    exact = DebiasedGammaRegressor().fit(X, np.exp(X[:, 0]))
    assert not np.isnan(exact.conf_int_).any()


def test_three_classes_are_refused_and_the_fit_before_is_kept():
    X, y, _ = problem("logistic")
    model = DebiasedLogisticRegression().fit(X, y)
    before = model.coef_debiased_
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        model.fit(X, np.arange(120) % 3)
    np.testing.assert_array_equal(model.classes_, [0, 1])
    assert model.coef_debiased_ is before
