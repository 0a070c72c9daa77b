"""Losses that are not smooth or not of single samples, through `solve` and `path`."""

import numpy as np
import pytest

from sparsestat.linear_model import (
    SparseCoxRegressor,
    SparseHuberRegressor,
    SparseQuantileRegressor,
)
from sparsestat.optim import path, solve, to_cvxpy
from sparsestat.optim.datafits import (
    Cox,
    Huber,
    Quadratic,
    Quantile,
    dual_value,
    dual_variable,
    loss,
)
from sparsestat.optim.penalties import L1, MCP, ElasticNet
from sparsestat.utils.dispatch import kernel

DATAFITS = [Huber(0.7), Quantile(0.3), Cox(), Cox("efron")]
SEPARABLE = DATAFITS[:2]
Y, Z = np.array([-1.5, 0.0, 2.0]), np.array([0.5, -0.3, 1.0])


def problem(datafit, n=40, p=6):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, p)) + 0.5
    y = X[:, 0] - X[:, 1] + rng.standard_t(3, n)
    if isinstance(datafit, Cox):
        y = np.column_stack([np.ceil(3.0 * np.exp(y / 2.0)), rng.random(n) < 0.7])
    return X, y, rng.integers(0, 3, n).astype(float)


@pytest.mark.parametrize("datafit", SEPARABLE, ids=str)
def test_operations_fit_each_other(datafit):
    h = 1e-6
    slope = (loss(datafit, Y, Z + h) - loss(datafit, Y, Z - h)) / (2 * h)
    np.testing.assert_allclose(dual_variable(datafit, Y, Z), -slope, atol=1e-8)
    z = np.linspace(-50.0, 50.0, 1000001)
    for y in Y:
        for u in (-0.9, -0.65, 0.0, 0.2, 0.69, 0.9):
            values = loss(datafit, y, z) + u * z
            found = dual_value(datafit, y, u)
            if np.isinf(found):
                assert values.argmin() in (0, len(z) - 1)  # falls for ever
            else:
                assert found == pytest.approx(values.min(), abs=1e-8)


@kernel
def all_compiled(datafit, y, z):
    u = dual_variable(datafit, y, z)
    return loss(datafit, y, z), u, dual_value(datafit, y, u)


@pytest.mark.parametrize("datafit", SEPARABLE, ids=str)
def test_operations_compile(datafit):
    for y, z in zip(Y, Z, strict=True):
        expected = all_compiled.py_func(datafit, y, z)
        np.testing.assert_allclose(all_compiled(datafit, y, z), expected, rtol=1e-14)


@pytest.mark.parametrize("datafit", DATAFITS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_solution_is_that_of_cvxpy(datafit, weighted, fit_intercept):
    X, y, weight = problem(datafit)
    weight = weight if weighted else None
    penalty = ElasticNet(0.05, 0.8, np.array([1.0, 0.0, 2.0, 1.0, np.inf, 1.0]))
    options = {"sample_weight": weight, "fit_intercept": fit_intercept}
    oracle, variables = to_cvxpy(X, y, datafit, penalty, **options)
    oracle.solve(solver="CLARABEL", tol_gap_abs=1e-8, tol_gap_rel=1e-8)
    found = solve(X, y, datafit, penalty, tol=1e-9, **options)
    assert found.converged and 0.0 <= found.gap < 1e-8
    assert found.objective == pytest.approx(oracle.value, abs=1e-6)
    np.testing.assert_allclose(found.coef, variables["coef"].value, atol=2e-3)
    assert found.coef[4] == 0.0
    assert ("intercept" in variables) == (fit_intercept and type(datafit) is not Cox)


@pytest.mark.parametrize("datafit", DATAFITS, ids=str)
def test_path_passes_through_the_solutions(datafit):
    X, y, weight = problem(datafit)
    found = path(X, y, datafit, L1(1.0), alphas=4, eps=0.1, sample_weight=weight)
    assert (found.gaps <= found.gap_tol).all()
    assert found.coefs[:, [0]].nnz == 0
    alone = solve(
        X, y, datafit, L1(found.alphas[2]), sample_weight=weight, coef0=np.ones(6)
    )
    assert found.objectives[2] == pytest.approx(alone.objective, abs=2 * found.gap_tol)


def test_estimators_solve_the_same_problems():
    pairs = [
        (Huber(0.7), SparseHuberRegressor(0.05, epsilon=0.7, scale=None)),
        (Quantile(0.3), SparseQuantileRegressor(0.05, quantile=0.3)),
        (Cox("efron"), SparseCoxRegressor(0.05, ties="efron")),
    ]
    for datafit, model in pairs:
        X, y, weight = problem(datafit)
        found = solve(X, y, datafit, L1(0.05), sample_weight=weight)
        np.testing.assert_array_equal(found.coef, model.fit(X, y, weight).coef_)


def test_what_has_no_solver_is_named():
    X, y, _ = problem(Huber())
    with pytest.raises(TypeError, match=r"datafit must be .* got L1"):
        solve(X, y, L1(1.0), L1(1.0))
    with pytest.raises(TypeError, match="have a dual with Huber; got MCP"):
        solve(X, y, Huber(), MCP(1.0))
    with pytest.raises(ValueError, match=r"alpha must be > 0 .* got 0\.0"):
        solve(X, y, Huber(), L1(0.0))
    assert solve(X, y, Quadratic(), L1(0.0)).converged
    for datafit, message in (
        (Huber(0.0), "threshold must be > 0; got 0"),
        (Quantile(1.0), r"quantile must be in \(0, 1\); got 1"),
        (Cox("exact"), "ties must be 'breslow' or 'efron'; got 'exact'"),
    ):
        with pytest.raises(ValueError, match=message):
            solve(X, np.abs(y), datafit, L1(1.0))
