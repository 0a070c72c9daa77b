"""Gaps bound how far a point is from the minimum; stationarity vanishes there."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsestat.optim import datafits, solve
from sparsestat.optim.certificate import (
    dual_scale,
    fill_curvatures,
    fill_gauges,
    penalty_sums,
    penalty_value,
    restricted_gap,
    stationarity,
    unpenalised_stationary,
)
from sparsestat.optim.penalties import L1, ElasticNet, curvature, gauge, prox, value
from tests import naive
from tests.optim.problems import make_data

PENALTIES = [
    L1(0.3, np.array([1.0, 2.0, 0.5, 1.0]), False),
    L1(0.3, np.array([1.0, 2.0, 0.5, 1.0]), True),
    ElasticNet(0.3, 0.5, np.array([1.0, 2.0, 0.5, 1.0]), False),
    ElasticNet(0.3, 0.0, np.array([1.0, 2.0, 0.5, 1.0]), True),
]
each = pytest.mark.parametrize("penalty", PENALTIES, ids=str)
X, Y = make_data(9, 4)
GRAM, C, Y2 = X.T @ X / 9, X.T @ Y / 9, Y @ Y / 9
MINIMISERS = {
    str(penalty): naive.coordinate_descent(GRAM, C, functools.partial(prox, penalty))
    for penalty in PENALTIES
}


def objective(penalty, w):
    return 0.5 * np.mean((Y - X @ w) ** 2) + penalty_value(penalty, w)


def minimiser(penalty):
    return MINIMISERS[str(penalty)].copy()


@each
@given(seed=st.integers(0, 1000), share=st.floats(0.0, 1.0))
def test_gap_bounds_the_distance_to_the_minimum(penalty, seed, share):
    best = minimiser(penalty)
    start = np.random.default_rng(seed).standard_normal(4) * share
    w = best + (np.abs(start) if penalty.positive else start)
    above = objective(penalty, w) - objective(penalty, best)
    gap = restricted_gap(penalty, C, w, C - GRAM @ w, Y2)
    assert above - 1e-12 <= gap < np.inf


@each
def test_certificates_vanish_at_the_minimum_only(penalty):
    w = minimiser(penalty)
    q = C - GRAM @ w
    assert restricted_gap(penalty, C, w, q, Y2) < 1e-12
    assert stationarity(penalty, w, q, GRAM.diagonal().copy()) < 1e-12
    w[0] += 1e-3
    q = C - GRAM @ w
    assert restricted_gap(penalty, C, w, q, Y2) > 1e-9
    assert stationarity(penalty, w, q, GRAM.diagonal().copy()) > 1e-5


@each
def test_sums_over_features(penalty):
    w, q = np.array([0.0, 0.5, 0.2, 0.0]), np.array([0.5, -1.0, 0.2, 0.1])
    value_sum, augmented2, largest, _ = penalty_sums(penalty, w, q)
    assert value_sum == pytest.approx(sum(value(penalty, w[j], j) for j in range(4)))
    assert penalty_value(penalty, w) == pytest.approx(value_sum)
    curvatures = np.empty(4)
    fill_curvatures(penalty, curvatures)
    assert curvatures.tolist() == [curvature(penalty, 1.0, j) for j in range(4)]
    assert augmented2 == pytest.approx(curvatures @ w**2)
    assert largest == max(gauge(penalty, q[j], w[j], j) for j in range(4))


@each
def test_gauges_cover_the_whole_interval(penalty):
    g, slack = np.array([0.5, -0.2, 0.0, 0.3]), np.array([0.0, 0.5, 0.1, 0.2])
    skip = np.array([False, False, False, True])
    found = np.empty(4)
    fill_gauges(penalty, g, slack, skip, found)
    for j in range(3):
        inside = np.linspace(g[j] - slack[j], g[j] + slack[j], 101)
        assert found[j] == max(gauge(penalty, x, 0.0, j) for x in inside)
    assert found[3] == 0.0


def test_dual_scale_is_the_best_feasible_one():
    for norm2, y_dot, largest in [(2.0, 1.0, 0.1), (1.0, 3.0, 2.0), (1.0, -3.0, 2.0)]:
        bound = 1.0 / largest
        t = np.linspace(-bound, bound, 100001)
        best = t[np.argmax(t * y_dot - 0.5 * t**2 * norm2)]
        assert dual_scale(norm2, y_dot, largest) == pytest.approx(best, abs=1e-3)
    assert dual_scale(0.0, 0.0, 4.0) == 0.25
    assert dual_scale(2.0, 1.0, 0.0) == 0.5


def test_unpenalised_coefficients_must_be_stationary():
    penalty = L1(0.3, np.array([0.0, 1.0, 1.0, 1.0]), False)
    free = np.array([0])
    w = np.array([C[0] / GRAM[0, 0], 0.0, 0.0, 0.0])
    assert unpenalised_stationary(penalty, free, w, C - GRAM @ w, GRAM, Y2)
    w[0] += 1e-6
    assert not unpenalised_stationary(penalty, free, w, C - GRAM @ w, GRAM, Y2)
    positive = penalty._replace(positive=True)
    w[0] = 0.0  # stationary where the gradient points out of the orthant
    q = np.array([-1.0, 0.0, 0.0, 0.0])
    assert unpenalised_stationary(positive, free, w, q, GRAM, Y2)
    assert not unpenalised_stationary(positive, free, w, -q, GRAM, Y2)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("tol", [0.3, 0.1, 1e-10])
def test_dual_of_a_solution_is_feasible_and_proves_the_gap(positive, tol):
    X, y = make_data(20, 35)
    penalty = L1(0.05, 1.0 + np.arange(35) % 3, positive)
    options = {"fit_intercept": False, "tol": tol, "solver": "cd"}
    found = solve(X, y, datafits.Quadratic(), penalty, **options)
    level = penalty.alpha * penalty.weights

    def reach(u):
        g = X.T @ u / 20
        return ((g if positive else np.abs(g)) / level).max()

    residual = y - X @ found.coef
    assert reach(found.dual) <= 1.0 + 1e-12
    assert tol < 0.1 or reach(residual) > 1.0 + 1e-6  # as it is, it is not feasible
    dual = np.mean(y * found.dual) - 0.5 * np.mean(found.dual**2)
    primal = 0.5 * np.mean(residual**2) + level @ np.abs(found.coef)
    assert found.objective == pytest.approx(primal)
    assert -1e-12 <= primal - dual <= 1.5 * tol * np.mean(y**2)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("solver", ["cd", "face_newton"])
@pytest.mark.parametrize("tol", [0.1, 1e-3])
def test_unpenalised_features_are_fitted_exactly_at_any_tolerance(
    positive, solver, tol
):
    X, y = make_data(30, 12, seed=3)
    free = np.array([0, 1, 5])
    penalty = L1(0.05, np.where(np.isin(np.arange(12), free), 0.0, 1.0), positive)
    found = solve(X, y, datafits.Quadratic(), penalty, tol=tol, solver=solver)
    residual = y - X @ found.coef - found.intercept
    g = (X - X.mean(axis=0))[:, free].T @ residual / 30
    if positive:
        assert (g <= 1e-9).all()
        g = g[found.coef[free] > 0.0]
    np.testing.assert_allclose(g, 0.0, atol=1e-9)
