"""Penalties from outside the package, of which only value and prox are known."""

from typing import NamedTuple

import numpy as np
import pytest

from sparsestat.optim import datafits, path, penalties, solve
from sparsestat.optim.penalties import L1, kind, prox
from tests import naive
from tests.optim.problems import STORAGES, make_data, shares, violation

SQUARES = datafits.Quadratic()


class MCP(NamedTuple):
    """The minimax concave penalty of Zhang (2010), doi:10.1214/09-AOS729."""

    alpha: float
    gamma: float = 3.0


@penalties.value.register(MCP)
def _(penalty, w, j):
    flat = penalty.gamma * penalty.alpha
    size = min(abs(w), flat)
    return penalty.alpha * size - size**2 / (2.0 * penalty.gamma)


@penalties.prox.register(MCP)
def _(penalty, z, step, j):
    if abs(z) > penalty.gamma * penalty.alpha or step >= penalty.gamma:
        # Beyond the bend, or where the penalty is more concave than the square.
        return z if z * z > step * penalty.gamma * penalty.alpha**2 else 0.0
    shrunk = max(abs(z) - step * penalty.alpha, 0.0)
    return np.copysign(shrunk / (1.0 - step / penalty.gamma), z)


class Absolute(NamedTuple):
    """The l1 norm once more, without its dual."""

    alpha: float


@penalties.value.register(Absolute)
def _(penalty, w, j):
    return penalty.alpha * abs(w)


@penalties.prox.register(Absolute)
def _(penalty, z, step, j):
    return np.copysign(max(abs(z) - step * penalty.alpha, 0.0), z)


def test_the_own_prox_is_right():
    grid = np.linspace(-5.0, 5.0, 10001)
    for z in (-2.0, 0.1, 0.9, 1.4, 4.0):
        for step in (0.5, 1.0, 2.0):
            for penalty in (MCP(0.5), Absolute(0.5)):
                found = prox(penalty, z, step, 0)

                def value(w, penalty=penalty):
                    return penalties.value(penalty, w, 0)

                expected = naive.prox(value, z, step, grid)
                assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "storage, weighted, penalty",
    [("F", False, MCP(0.1)), ("C", True, Absolute(0.1)), ("csc", True, MCP(0.1))],
)
def test_stationarity_is_certified(storage, weighted, penalty):
    X, y = make_data(40, 15, density=0.8)
    options = {
        "standardize": weighted,
        "sample_weight": np.arange(40) % 3.0 if weighted else None,
    }
    assert kind(penalty) == "general"
    found = solve(STORAGES[storage](X), y, SQUARES, penalty, tol=1e-8, **options)
    share = shares(options["sample_weight"], 40)
    Z = naive.transformed(X, share, True, weighted)
    scale = np.abs(Z.T @ (share * (y - share @ y))).max()
    assert found.converged
    assert found.gap == np.inf
    assert found.stationarity <= 1e-8 * scale * (1.0 + 1e-9)
    assert violation(X, y, found.coef, penalty, **options) <= 2e-8 * scale
    assert 0 < np.count_nonzero(found.coef) < 15


def test_without_its_dual_the_l1_norm_is_still_the_lasso():
    X, y = make_data(30, 12)
    found = path(X, y, SQUARES, Absolute(1.0), alphas=8, eps=0.01, tol=1e-10)
    lasso = path(X, y, SQUARES, L1(1.0), alphas=8, eps=0.01, tol=1e-12)
    np.testing.assert_allclose(found.alphas, lasso.alphas, rtol=1e-10)
    assert found.converged.all()
    np.testing.assert_allclose(found.coefs.toarray(), lasso.coefs.toarray(), atol=1e-6)
    np.testing.assert_allclose(found.objectives, lasso.objectives, rtol=1e-8)


def test_path_starts_where_the_first_coefficient_enters():
    X, y = make_data(30, 12)
    found = path(X, y, SQUARES, MCP(1.0, 5.0), alphas=10, eps=0.1, tol=1e-9)
    sizes = np.count_nonzero(found.coefs.toarray(), axis=0)
    assert sizes[0] == 0
    assert sizes[1] >= 1
    for k, alpha in enumerate(found.alphas):
        coef = found.coefs.toarray()[:, k]
        assert violation(X, y, coef, MCP(alpha, 5.0)) < 1e-7


def test_large_coefficients_are_not_shrunk():
    X, y = make_data(200, 6, seed=3)
    found = solve(X, y, SQUARES, MCP(0.12), tol=1e-9)
    support = np.flatnonzero(found.coef)
    assert support.tolist() == [0, 3]
    A = X[:, support] - X[:, support].mean(axis=0)
    np.testing.assert_allclose(
        found.coef[support], np.linalg.lstsq(A, y - y.mean())[0], atol=1e-6
    )


def test_constant_columns_stay_out_and_targets_may_be_constant():
    X, y = make_data(30, 5)
    X[:, 3] = 2.0
    found = solve(X, y, SQUARES, MCP(0.1))
    assert found.converged
    assert found.coef[3] == 0.0
    constant = solve(X, np.full(30, 4.0), SQUARES, MCP(0.1))
    assert constant.converged
    assert not constant.coef.any()
    assert constant.intercept == pytest.approx(4.0)


def test_what_lacks_an_operation_is_refused():
    class Half(NamedTuple):
        alpha: float

    penalties.value.register(Half)(lambda penalty, w, j: 0.0)
    X, y = make_data(10, 3)
    with pytest.raises(TypeError, match="Half is not a penalty: register"):
        solve(X, y, SQUARES, Half(1.0))
    with pytest.raises(TypeError, match="Half has no prox"):
        prox(Half(1.0), 1.0, 1.0, 0)
