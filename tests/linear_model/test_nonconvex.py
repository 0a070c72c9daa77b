"""Estimators of penalties that are not convex."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sparsestat.linear_model import (
    Lasso,
    LogSumRegressor,
    LogSumRegressorCV,
    LqRegressor,
    LqRegressorCV,
    MCPRegressor,
    MCPRegressorCV,
    SCADRegressor,
    SCADRegressorCV,
)
from sparsestat.optim.penalties import MCP, SCAD, LogSum, Lq
from tests.optim.problems import violation

MODELS = [
    (MCPRegressor(0.2, gamma=2.5), MCP(0.2, 2.5)),
    (SCADRegressor(0.2, gamma=3.0), SCAD(0.2, 3.0)),
    (LqRegressor(0.2, q=0.4), Lq(0.2, 0.4)),
    (LogSumRegressor(0.2, epsilon=0.3), LogSum(0.2, 0.3)),
]
CROSS_VALIDATED = [MCPRegressorCV, SCADRegressorCV, LqRegressorCV, LogSumRegressorCV]
each = pytest.mark.parametrize("model, penalty", MODELS)


@each
def test_certificate_is_that_of_the_coefficients(model, penalty, data):
    X, y = data
    model.fit(X, y)
    scale = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    assert model.stationarity_tol_ == pytest.approx(1e-6 * scale)
    assert model.stationarity_ <= model.stationarity_tol_
    independent = violation(X, y, model.coef_, penalty)
    assert model.stationarity_ == pytest.approx(independent, rel=1e-3, abs=1e-12)
    assert not hasattr(model, "dual_gap_")
    assert 3 <= np.count_nonzero(model.coef_) < 30
    residual = y - model.predict(X)
    assert residual.mean() == pytest.approx(0.0, abs=1e-12)


@each
def test_sparse_and_single_precision(model, penalty, data):
    X, y = data
    expected = model.fit(X, y).coef_.copy()
    found = model.fit(sparse.csc_array(X), y).coef_
    np.testing.assert_allclose(found, expected, atol=1e-5)
    single = model.fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert single.stationarity_ <= single.stationarity_tol_
    np.testing.assert_allclose(single.coef_, expected, atol=1e-4)


@each
@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_and_signs_are_kept(model, penalty, storage, dtype, data):
    X, y = data
    X = X.astype(dtype)
    weights = np.linspace(0.5, 1.5, 30)
    weights[[4, 7]] = 0.0, np.inf
    fitted = clone(model).set_params(penalty_weights=weights, positive=True)
    fitted.fit(storage(X), y)
    assert fitted.coef_.dtype == dtype
    assert (fitted.coef_ >= 0.0).all()
    assert fitted.coef_[7] == 0.0
    penalty = penalty._replace(weights=weights, positive=True)
    worst = violation(X.astype(float), y, fitted.coef_.astype(float), penalty)
    assert worst <= 1.01 * fitted.stationarity_tol_
    assert np.count_nonzero(fitted.coef_) > 1


@each
def test_weights_repeat_rows(model, penalty, data):
    X, y = data
    counts = np.arange(60) % 4
    weighted = model.fit(X, y, sample_weight=counts).coef_.copy()
    repeated = model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).coef_
    np.testing.assert_allclose(weighted, repeated, atol=1e-5)


def test_missed_tolerance_is_told(data):
    X, y = data
    X = X + 3.0 * X[:, [0]]
    model = MCPRegressor(0.02, solver="uag", n_path=1, max_iter=1, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match="violated stationarity is .* asked"):
        model.fit(X, y)
    assert model.stationarity_ > model.stationarity_tol_


def test_large_coefficients_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 50))
    y = X[:, :3] @ [3.0, -2.0, 2.0] + rng.standard_normal(200)
    A = np.column_stack([X[:, :3], np.ones(200)])
    expected = np.linalg.lstsq(A, y)[0][:3]
    for cls in (MCPRegressor, SCADRegressor):
        model = cls(alpha=0.3).fit(X, y)
        assert np.flatnonzero(model.coef_).tolist() == [0, 1, 2]
        np.testing.assert_allclose(model.coef_[:3], expected, atol=1e-5)
    biased = Lasso(alpha=0.3).fit(X, y)
    assert (np.abs(biased.coef_[:3]) < np.abs(expected) - 0.2).all()


def test_no_penalty_is_least_squares(data):
    X, y = data
    with pytest.warns(UserWarning, match="alpha=0 is least squares"):
        model = MCPRegressor(alpha=0.0).fit(X, y)
    A = np.column_stack([X, np.ones(60)])
    np.testing.assert_allclose(model.coef_, np.linalg.lstsq(A, y)[0][:30], atol=1e-8)
    assert model.stationarity_ <= model.stationarity_tol_


def test_next_fit_starts_from_the_last():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((100, 60))
    y = X[:, :5] @ np.ones(5) + rng.standard_normal(100)
    model = MCPRegressor(0.1, warm_start=True).fit(X, y)
    first, n_iter = model.coef_.copy(), model.n_iter_
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, first, atol=1e-6)
    assert model.n_iter_ <= 3 < n_iter


@pytest.mark.parametrize("cls", CROSS_VALIDATED)
def test_cross_validation(cls, data):
    X, y = data
    model = cls(alphas=15, eps=0.02, cv=3, n_jobs=2).fit(X, y)
    assert model.mse_path_.shape == (15, 3)
    mean = model.mse_path_.mean(axis=1)
    # Where nothing is shrunk, several strengths are the same fit: the largest counts.
    assert model.alpha_ == model.alphas_[np.isclose(mean, mean.min(), 1e-9).argmax()]
    assert model.stationarity_ <= model.stationarity_tol_
    assert not hasattr(model, "dual_gap_")
    assert {0, 1, 2} <= set(np.flatnonzero(model.coef_))
    column = model.path_coef_[:, [int(np.argmax(model.alphas_ == model.alpha_))]]
    np.testing.assert_array_equal(column.toarray().ravel(), model.coef_)


@pytest.mark.parametrize("cls", [MCPRegressorCV, SCADRegressorCV])
@pytest.mark.parametrize("criterion", ["bic", "ebic"])
def test_criterion_finds_the_support(cls, criterion):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((150, 40))
    y = X[:, :3] @ [2.0, -1.0, 1.0] + rng.standard_normal(150)
    model = cls(alphas=50, criterion=criterion).fit(X, y)
    assert np.flatnonzero(model.coef_).tolist() == [0, 1, 2]
    sizes = np.diff(model.path_coef_.indptr)
    n, losses = 150, []
    for k in range(len(model.alphas_)):
        fitted = X @ model.path_coef_[:, [k]].toarray() + model.path_intercept_[k]
        losses.append(np.sum((y - fitted.ravel()) ** 2))
    if criterion == "bic":
        variance = model.noise_variance_
        by_hand = np.array(losses) / variance + np.log(n) * (sizes + 1)
        by_hand += n * np.log(2 * np.pi * variance)
        np.testing.assert_allclose(model.criterion_, by_hand, rtol=1e-10)


@pytest.mark.parametrize(
    "model, message",
    [
        (SCADRegressor(gamma=2.0), r"gamma must be a finite real number in \(2, inf\)"),
        (MCPRegressor(gamma=0.0), r"gamma must be a finite real number in \(0, inf\)"),
        (LqRegressor(q=1.0), r"q must be a real number in \(0, 1\)"),
        (LqRegressor(solver="uag"), "solver must be .*; got 'uag'"),
        (LogSumRegressor(epsilon=-1.0), "epsilon must be"),
        (MCPRegressor(n_path=0), "n_path must be"),
    ],
)
def test_wrong_shape_of_the_penalty_is_named(model, message, data):
    with pytest.raises(ValueError, match=message):
        model.fit(*data)
