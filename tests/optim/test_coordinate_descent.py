"""Coordinate descent on the residual, Newton steps without a matrix, acceleration."""

import functools

import numpy as np
import pytest

from sparsestat.optim import make_design
from sparsestat.optim.coordinate_descent import (
    ResidualWorkingSet,
    coordinate_epochs,
    newton_step,
)
from sparsestat.optim.design import with_norms
from sparsestat.optim.penalties import L1, ElasticNet, curvature, prox, restrict, slope
from sparsestat.optim.problem import least_squares
from tests import naive
from tests.optim.problems import STORAGES, make_data, shares

N, P = 25, 8
WEIGHT = shares(np.arange(N) % 3, N)
PENALTIES = [
    L1(0.05, np.arange(P) / 4.0, False),
    ElasticNet(0.05, 0.5, np.arange(P) / 4.0, True),
]
settings = pytest.mark.parametrize(
    "storage, weight, penalty",
    [
        ("F", None, PENALTIES[0]),
        ("F", WEIGHT, PENALTIES[1]),
        ("csc", WEIGHT, PENALTIES[0]),
        ("csc", None, PENALTIES[1]),
    ],
)


def setting(storage, weight, penalty, n=N, p=P):
    """The problem and its explicit matrix, in the plain inner product."""
    X, y = make_data(n, p, density=0.7)
    design = make_design(STORAGES[storage](X), sample_weight=weight, standardize=True)
    share = shares(weight, n)
    design = with_norms(design, share)
    problem = least_squares(design, y, penalty, weight, True)
    Z = np.sqrt(share)[:, None] * naive.transformed(X, share, True, True)
    return problem, Z


@settings
@pytest.mark.parametrize("n_epochs", [1, 2, 5])
def test_epochs_are_those_of_plain_coordinate_descent(
    storage, weight, penalty, n_epochs
):
    problem, Z = setting(storage, weight, penalty)
    order, features = np.array([1, 4, 0, 6]), np.arange(P)
    w, residual = np.zeros(P), problem.centred.copy()
    history = np.empty((n_epochs, len(order)))
    shift = coordinate_epochs(
        problem.design, weight, penalty, features, order,
        problem.design.norm**2, w, residual, 0.0, history,
    )  # fmt: skip
    gram, c, expected = Z.T @ Z, Z.T @ problem.target, np.zeros(P)
    for epoch in range(n_epochs):
        for j in order[::-1] if epoch % 2 else order:
            z = expected[j] + (c[j] - gram[j] @ expected) / gram[j, j]
            expected[j] = prox(penalty, z, 1.0 / gram[j, j], j)
        np.testing.assert_allclose(history[epoch], expected[order], atol=1e-12)
    np.testing.assert_allclose(w, expected, atol=1e-12)
    np.testing.assert_allclose(
        problem.root * (residual + shift), problem.target - Z @ w, atol=1e-12
    )


@settings
def test_newton_step_solves_the_face(storage, weight, penalty):
    problem, Z = setting(storage, weight, penalty)
    features, w = np.array([6, 1, 3]), np.array([0.5, 1.0, 2.0])
    local = restrict(penalty, features)
    A = Z[:, features]
    residual = problem.centred - np.zeros(N)
    step = newton_step(
        problem.design, weight, local, features, problem.design.norm[features] ** 2,
        w, residual, 0.0, 0.0,
    )  # fmt: skip
    gradient = A.T @ problem.target - [slope(local, w[k], k) for k in range(3)]
    hessian = A.T @ A + np.diag([curvature(local, w[k], k) for k in range(3)])
    left = gradient - hessian @ step
    assert np.abs(left).max() <= 0.1 * np.abs(gradient).max()
    exact = np.linalg.solve(hessian, gradient)
    # Conjugate gradients shrink the error in the norm of the Hessian.
    assert (step - exact) @ hessian @ (step - exact) < 0.1 * exact @ hessian @ exact


def test_newton_step_runs_along_collinear_features():
    x = make_data(N, 1)[0]
    penalty = L1(0.05, np.array([1.0, 3.0]), False)
    design = with_norms(make_design(np.asfortranarray(np.tile(x, 2))), None)
    # The correlation 0.1 balances both penalties, 0.05 and 0.15, on average.
    residual = 0.1 * (x - x.mean())[:, 0] / design.norm[0] ** 2
    step = newton_step(
        design, None, penalty, np.arange(2), design.norm**2, np.ones(2),
        residual, 0.0, 0.0,
    )  # fmt: skip
    assert np.isfinite(step).all()
    assert step[0] > 1e6  # the cheaper one grows at the other's expense
    assert step.sum() == pytest.approx(0.0, abs=1e-6 * step[0])


@settings
def test_working_set_reaches_the_minimum(storage, weight, penalty):
    problem, Z = setting(storage, weight, penalty)
    working = ResidualWorkingSet(problem)
    free = problem.unpenalised
    working.add(free)
    rest = np.setdiff1d(np.arange(P), free)
    for new in (rest[:3], rest[3:]):
        working.add(new)
        working.minimise(penalty, 1e-13, 200)
        A = Z[:, working.features]
        assert working.gap <= 1e-13
        np.testing.assert_allclose(
            working.residual(), problem.target - A @ working.w, atol=1e-12
        )
        np.testing.assert_allclose(working.q, A.T @ working.residual(), atol=1e-12)
        assert working.violation(penalty) < 1e-6
    expected = naive.coordinate_descent(
        Z.T @ Z, Z.T @ problem.target, functools.partial(prox, penalty)
    )
    found = np.zeros(P)
    found[working.features] = working.w
    np.testing.assert_allclose(found, expected, atol=1e-6)
    value = 0.5 * np.sum((problem.target - Z @ expected) ** 2)
    value += penalty.alpha * sum(
        penalty.weights[j]
        * (
            getattr(penalty, "l1_ratio", 1.0) * abs(expected[j])
            + (1.0 - getattr(penalty, "l1_ratio", 1.0)) * expected[j] ** 2 / 2
        )
        for j in range(P)
    )
    assert working.objective(penalty) == pytest.approx(value, abs=1e-11)
    features, coef = working.support()
    warm = ResidualWorkingSet(problem)
    warm.add(free)
    warm.add(rest)
    warm.warm_start(features, coef)
    assert warm.minimise(penalty, 1e-12, 200) == 1


@settings
def test_nothing_that_matters_is_screened(storage, weight, penalty):
    penalty = penalty._replace(alpha=0.3, weights=1.0 + np.arange(40) % 3)
    problem, _ = setting(storage, weight, penalty, p=40)
    working = ResidualWorkingSet(problem)
    working.add(np.arange(40))
    kept = []
    for _ in range(60):
        working.minimise(penalty, 0.0, 1)
        kept.append(working._not_excluded_safely(penalty, problem.design.norm**2))
    assert working.gap < 1e-10
    support = set(np.flatnonzero(working.w))
    assert support
    assert all(support <= set(candidates) for candidates in kept)
    assert len(kept[-1]) < 40


def test_acceleration_never_raises_the_objective(monkeypatch):
    penalty = L1(0.01, np.ones(40), False)
    problem, _ = setting("F", None, penalty, 60, 40)
    lipschitz, everyone = problem.design.norm**2, np.arange(40)

    def started():
        working = ResidualWorkingSet(problem)
        working.add(everyone)
        working._epochs(penalty, lipschitz, everyone, 1)
        return working

    working, plain = started(), started()
    values = [working.objective(penalty)]
    for _ in range(10):
        working._accelerate(penalty, lipschitz)
        values.append(working.objective(penalty))
    assert (np.diff(values) <= 1e-14).all()
    plain._epochs(penalty, lipschitz, np.flatnonzero(plain.w), 60)
    assert values[-1] < plain.objective(penalty)
    # A combination that leads astray is not taken.
    monkeypatch.setattr(
        np.linalg, "solve", lambda A, b: 1e3 * (-1.0) ** np.arange(len(b)) + b
    )
    for _ in range(3):
        plain._accelerate(penalty, lipschitz)
        values.append(plain.objective(penalty))
    assert (np.diff(values[-3:]) <= 1e-14).all()
