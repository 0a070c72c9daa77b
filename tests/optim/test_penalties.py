"""Every penalty against its definition, on grids and by hypothesis."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsestat.optim import penalties, solve
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import (
    L1,
    Blocks,
    ElasticNet,
    block_value,
    conjugate,
    curvature,
    gauge,
    kind,
    prepare,
    prox,
    restrict,
    slope,
    value,
)
from sparsestat.utils.dispatch import kernel
from tests import naive

# Feature 0 has weight 1.5, feature 1 none, feature 2 is excluded.
WEIGHTS = np.array([1.5, 0.0, np.inf])
INSTANCES = [
    L1(0.7, WEIGHTS, False),
    L1(0.7, WEIGHTS, True),
    ElasticNet(0.7, 0.4, WEIGHTS, False),
    ElasticNet(0.7, 0.4, WEIGHTS, True),
    ElasticNet(0.7, 1.0, WEIGHTS, False),
    ElasticNet(0.7, 0.0, WEIGHTS, False),
]
GRID = np.linspace(-6.0, 6.0, 24001)
each = pytest.mark.parametrize("penalty", INSTANCES, ids=str)
numbers = st.floats(-4.0, 4.0, allow_subnormal=False)


def values_on_grid(penalty, j):
    return np.array([value(penalty, w, j) for w in GRID])


def test_every_penalty_is_in_the_table():
    exported = (getattr(penalties, name) for name in penalties.__all__)
    classes = {
        found
        for found in exported
        if isinstance(found, type) and not block_value.registered(found)
    }
    classes.discard(Blocks)  # penalties on blocks have a table in test_blocks.py
    classes = {cls for cls in classes if conjugate.registered(cls)}  # test_concave.py
    assert classes == {type(penalty) for penalty in INSTANCES}
    assert {kind(penalty) for penalty in INSTANCES} == {"convex"}


@each
def test_values(penalty):
    rho = getattr(penalty, "l1_ratio", 1.0)
    for w in (-1.5, 0.0, 2.0):
        expected = 0.7 * 1.5 * (rho * abs(w) + (1.0 - rho) * w**2 / 2.0)
        if penalty.positive and w < 0.0:
            expected = np.inf
        assert value(penalty, w, 0) == pytest.approx(expected)
        assert value(penalty, max(w, 0.0), 1) == 0.0
        assert value(penalty, w, 2) == (0.0 if w == 0.0 else np.inf)


@each
@pytest.mark.parametrize("j", [0, 1, 2])
def test_prox_is_the_minimiser(penalty, j):
    on_grid = values_on_grid(penalty, j)
    for z in (-2.3, -0.4, 0.0, 0.3, 1.0, 2.9):
        for step in (0.3, 1.0, 2.5):
            found = prox(penalty, z, step, j)
            cost = (found - z) ** 2 / (2 * step) + value(penalty, found, j)
            best = ((GRID - z) ** 2 / (2 * step) + on_grid).min()
            assert cost <= best + 1e-9
            assert abs(found) < 6.0


@each
@pytest.mark.parametrize("g", [-1.9, -0.5, 0.0, 0.5, 1.9])
def test_conjugate_is_the_supremum(penalty, g):
    found = conjugate(penalty, g, 0)
    brute = (g * GRID - values_on_grid(penalty, 0)).max()
    if np.isinf(found):
        assert brute > 0.5
    else:
        assert found == pytest.approx(brute, abs=1e-6)
    assert conjugate(penalty, g, 2) == 0.0


@each
def test_slope_and_curvature_are_derivatives(penalty):
    for w in (0.8, 2.0) if penalty.positive else (-1.3, 0.8):
        h = 1e-4
        left, middle, right = (value(penalty, w + d, 0) for d in (-h, 0.0, h))
        assert slope(penalty, w, 0) == pytest.approx((right - left) / (2 * h), 1e-6)
        second = (right - 2 * middle + left) / h**2
        assert curvature(penalty, w, 0) == pytest.approx(second, abs=1e-6)


@each
@given(g=numbers)
def test_gauge_below_one_means_zero_is_optimal(penalty, g):
    at_zero = gauge(penalty, g, 0.0, 0)
    if abs(g) < 1e-6:
        assert at_zero == 0.0 or at_zero > 0.0
    elif at_zero < 1.0 - 1e-9:
        assert prox(penalty, g, 1.0, 0) == 0.0
    elif at_zero > 1.0 + 1e-9:
        assert prox(penalty, g, 1.0, 0) != 0.0
    assert gauge(penalty, g, 0.0, 1) == 0.0
    assert gauge(penalty, g, 0.0, 2) == 0.0


@each
@pytest.mark.parametrize("g", [-2.0, -0.3, 0.0, 0.4, 1.7])
def test_gauge_is_that_of_the_definition(penalty, g):
    # The kink is what remains of the penalty without its quadratic part.
    bend = curvature(penalty, 1.0, 0)

    def kink(w):
        return value(penalty, w, 0) - 0.5 * bend * w**2

    for w in (0.0, 0.6) if penalty.positive else (-1.1, 0.0, 0.6):
        rest = g - bend * w
        if getattr(penalty, "l1_ratio", 1.0) == 0.0:
            expected = np.inf if rest else 0.0
        else:
            expected = naive.gauge_at_zero(kink, rest)
        assert gauge(penalty, g, w, 0) == pytest.approx(expected, rel=1e-6)


@each
@given(x=numbers, z=numbers, step=st.floats(0.01, 10.0))
def test_prox_is_firmly_nonexpansive(penalty, x, z, step):
    p, q = prox(penalty, x, step, 0), prox(penalty, z, step, 0)
    assert (p - q) ** 2 <= (p - q) * (x - z) + 1e-12
    assert abs(p) <= abs(x)
    if not penalty.positive:
        assert prox(penalty, -x, step, 0) == -p


@each
@given(z=numbers)
def test_moreau_identity(penalty, z):
    # The proximal point and its subgradient attain Fenchel's inequality.
    p = prox(penalty, z, 1.0, 0)
    total = value(penalty, p, 0) + conjugate(penalty, z - p - 0.0, 0)
    if np.isfinite(total):
        assert total == pytest.approx(p * (z - p), abs=1e-9)


@kernel
def all_compiled(penalty, z, j):
    return (
        value(penalty, abs(z), j),
        prox(penalty, z, 0.5, j),
        gauge(penalty, z, 0.1, j),
        conjugate(penalty, z, j),
        slope(penalty, abs(z), j),
        curvature(penalty, z, j),
    )


@each
def test_compiled_meaning_is_the_python_one(penalty):
    for z in (-1.7, 0.2, 3.0):
        for j in (0, 1):
            np.testing.assert_allclose(
                all_compiled(penalty, z, j), all_compiled.py_func(penalty, z, j), 1e-14
            )
        assert all_compiled(penalty, z, 2)[1:4] == (0.0, 0.0, 0.0)


def test_discovery_exports_every_file():
    assert {"L1", "ElasticNet", "value", "prox"} <= set(penalties.__all__)


def test_prepare_casts_and_checks():
    ready = prepare(L1(1), 3)
    assert isinstance(ready.alpha, float)
    np.testing.assert_array_equal(ready.weights, np.ones(3))
    np.testing.assert_array_equal(
        restrict(L1(1.0, WEIGHTS), np.array([2, 0])).weights, [np.inf, 1.5]
    )
    with pytest.raises(ValueError, match=r"weights must have shape \(3,\)"):
        prepare(L1(1.0, np.ones(2)), 3)


class Capped(NamedTuple):
    """Half the l1 norm above one: not convex, and nothing but value and prox."""

    alpha: float


@penalties.value.register(Capped)
def _(penalty, w, j):
    return penalty.alpha * min(abs(w), 1.0)


@penalties.prox.register(Capped)
def _(penalty, z, step, j):
    shrunk = max(abs(z) - step * penalty.alpha, 0.0)
    inside = min(shrunk, 1.0)
    cost = (abs(z) - inside) ** 2 / (2.0 * step) + penalty.alpha * inside
    outside = max(abs(z), 1.0)
    far = (abs(z) - outside) ** 2 / (2.0 * step) + penalty.alpha
    return np.copysign(inside if cost <= far else outside, z)


def test_a_penalty_of_ones_own():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 20))
    y = 3 * X[:, 0] - 2 * X[:, 1] + 0.1 * rng.standard_normal(50)
    assert kind(Capped(0.2)) == "general"
    found = solve(X, y, Quadratic(), Capped(0.2), tol=1e-9)
    assert found.converged
    assert found.gap == np.inf
    assert set(np.flatnonzero(found.coef)) == {0, 1}
    # Large coefficients are not shrunk, unlike those of the Lasso.
    lasso = solve(X, y, Quadratic(), L1(0.2))
    assert abs(found.coef[0] - 3) < 0.1 < abs(lasso.coef[0] - 3)
    residual = y - X @ found.coef - found.intercept
    for j in range(20):
        x = X[:, j] - X[:, j].mean()
        size = x @ x / 50
        z = found.coef[j] + x @ residual / 50 / size
        assert prox(Capped(0.2), z, 1 / size, j) == pytest.approx(
            found.coef[j], abs=1e-7
        )
    with pytest.raises(TypeError, match="not a penalty"):
        solve(X, y, Quadratic(), Quadratic())
