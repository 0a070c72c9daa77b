"""Every penalty that is not convex against its definition, on grids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sparsestat.optim import penalties
from sparsestat.optim.general import smallest_strength
from sparsestat.optim.penalties import (
    MCP,
    SCAD,
    LogSum,
    Lq,
    concavity,
    conjugate,
    curvature,
    has_faces,
    is_block,
    kind,
    prox,
    slope,
    value,
)
from sparsestat.utils.dispatch import kernel

# Feature 0 has weight 1.5, feature 1 none, feature 2 is excluded.
WEIGHTS = np.array([1.5, 0.0, np.inf])
INSTANCES = [
    MCP(0.7, 3.0, WEIGHTS),
    MCP(0.7, 0.8, WEIGHTS, True),
    SCAD(0.7, 3.7, WEIGHTS),
    SCAD(0.7, 2.1, WEIGHTS, True),
    Lq(0.7, 0.5, WEIGHTS),
    Lq(0.7, 2.0 / 3.0, WEIGHTS, True),
    Lq(0.7, 0.3, WEIGHTS),
    Lq(0.7, 0.9, WEIGHTS),
    LogSum(0.7, 1.0, WEIGHTS),
    LogSum(0.7, 0.05, WEIGHTS, True),
]
GRID = np.linspace(-8.0, 8.0, 16001)
each = pytest.mark.parametrize("penalty", INSTANCES, ids=str)
numbers = st.floats(-6.0, 6.0, allow_subnormal=False)
steps = st.floats(0.01, 10.0)


def test_every_penalty_is_in_the_table():
    exported = (getattr(penalties, name) for name in penalties.__all__)
    classes = {cls for cls in exported if isinstance(cls, type)}
    concave = {
        cls
        for cls in classes
        if value.registered(cls) and not conjugate.registered(cls)
    }
    assert concave == {type(penalty) for penalty in INSTANCES}
    for penalty in INSTANCES:
        assert kind(penalty) == "general"
        assert has_faces(penalty)
        assert not is_block(penalty)


# The formulas of the papers.
FORMULAS = [
    (MCP(0.7, 3.0, WEIGHTS), 0.5, 1.05 * 0.5 - 0.5**2 / 6.0),
    (MCP(0.7, 3.0, WEIGHTS), 4.0, 1.05**2 * 3.0 / 2.0),
    (SCAD(0.7, 3.7, WEIGHTS), 0.5, 1.05 * 0.5),
    (SCAD(0.7, 3.7, WEIGHTS), 4.0, 1.05**2 * 4.7 / 2.0),
    (
        SCAD(0.7, 3.7, WEIGHTS),
        2.0,
        (2.0 * 3.7 * 1.05 * 2.0 - 2.0**2 - 1.05**2) / (2.0 * 2.7),
    ),
    (Lq(0.7, 0.3, WEIGHTS), 2.0, 1.05 * 2.0**0.3),
    (LogSum(0.7, 0.5, WEIGHTS), 2.0, 1.05 * np.log(5.0)),
]


@pytest.mark.parametrize("penalty, w, expected", FORMULAS)
def test_values(penalty, w, expected):
    assert value(penalty, w, 0) == pytest.approx(expected, rel=1e-14)
    assert value(penalty, -w, 0) == pytest.approx(expected, rel=1e-14)
    assert value(penalty, 0.0, 0) == value(penalty, 0.0, 2) == 0.0
    assert value(penalty, w, 1) == 0.0
    assert value(penalty, w, 2) == np.inf
    assert value(penalty._replace(positive=True), -w, 0) == np.inf


@each
@pytest.mark.parametrize("j", [0, 1, 2])
def test_prox_is_the_global_minimiser(penalty, j):
    on_grid = np.array([value(penalty, w, j) for w in GRID])
    for z in (-5.2, -2.3, -0.9, -0.4, 0.0, 0.3, 1.0, 1.6, 2.9, 4.5):
        for step in (0.05, 0.3, 1.0, 2.5, 5.0, 20.0):  # the last beyond every gamma
            found = prox(penalty, z, step, j)
            cost = (found - z) ** 2 / (2 * step) + value(penalty, found, j)
            best = ((GRID - z) ** 2 / (2 * step) + on_grid).min()
            assert cost <= best + 1e-12 + 1e-14 * abs(best), (z, step)


@each
@given(x=numbers, z=numbers, step=steps)
def test_prox_is_odd_and_monotone(penalty, x, z, step):
    p, q = prox(penalty, x, step, 0), prox(penalty, z, step, 0)
    assert (p - q) * (x - z) >= 0.0
    assert abs(p) <= abs(x)
    if not penalty.positive:
        assert prox(penalty, -x, step, 0) == -p
    elif x < 0.0:
        assert p == 0.0


@each
@given(z=numbers, step=steps)
def test_nonzero_proximal_points_are_stationary(penalty, z, step):
    w = prox(penalty, z, step, 0)
    if w != 0.0:
        rest = (z - w) / step - slope(penalty, w, 0)
        assert abs(rest) <= 1e-11 * (abs(z) / step + abs(slope(penalty, w, 0)))


@each
def test_slope_and_curvature_are_derivatives(penalty):
    for w in (0.3, 1.3, 2.9) if penalty.positive else (-1.3, 0.3, 2.9):
        h = 1e-4
        left, middle, right = (value(penalty, w + d, 0) for d in (-h, 0.0, h))
        assert slope(penalty, w, 0) == pytest.approx((right - left) / (2 * h), 1e-5)
        second = (right - 2 * middle + left) / h**2
        assert curvature(penalty, w, 0) == pytest.approx(second, rel=1e-4, abs=1e-6)
    from_zero, _ = quad(lambda t: slope(penalty, t, 0), 0.0, 1.3, points=[1.05, 0.84])
    assert value(penalty, 1.3, 0) == pytest.approx(from_zero, rel=1e-6)


@pytest.mark.parametrize("penalty", [p for p in INSTANCES if not isinstance(p, Lq)])
def test_concavity_bounds_the_curvature(penalty):
    sizes = np.geomspace(1e-8, 8.0, 2001)
    bends = np.array([-curvature(penalty, w, 0) for w in sizes])
    assert bends.max() == pytest.approx(concavity(penalty, 0), rel=1e-6)
    assert concavity(penalty, 2) == 0.0


def test_powers_have_no_bounded_concavity():
    assert not concavity.registered(Lq)
    with pytest.raises(TypeError, match="Lq has no concavity"):
        concavity(INSTANCES[4], 0)


@pytest.mark.parametrize("q", [0.5, 2.0 / 3.0])
def test_closed_forms_continue_those_of_any_power(q):
    closed, nearby = Lq(1.0, q, np.ones(1)), Lq(1.0, np.nextafter(q, 1.0), np.ones(1))
    for z in (1.51, 1.6, 2.0, 5.0, 1e3, 1e12):
        # No closer to the threshold than where the root moves by what q does.
        assert prox(closed, z, 1.0, 0) == pytest.approx(
            prox(nearby, z, 1.0, 0), rel=1e-12
        )


def test_powers_scale():
    # z -> c z goes with step -> c^(2 - q) step, over any range.
    for q in (0.3, 0.5, 2.0 / 3.0):
        penalty = Lq(1.0, q, np.ones(1))
        expected = prox(penalty, 2.0, 1.0, 0)
        assert expected > 0.0
        for c in (1e-60, 1e-8, 1e8, 1e60):
            found = prox(penalty, 2.0 * c, c ** (2.0 - q), 0)
            assert found == pytest.approx(expected * c, rel=1e-9)


CLOSED_FORMS = [
    (MCP(1.0, 3.0), lambda g, s: np.minimum(1.0, np.sqrt(3.0 / s))),
    (SCAD(1.0, 3.7), lambda g, s: np.minimum(1.0, np.sqrt(4.7 / s))),
    (LogSum(1.0, 10.0), lambda g, s: np.full(len(s), 0.1)),  # convex in each w_j
]


@pytest.mark.parametrize("penalty, limit", CLOSED_FORMS)
def test_largest_useful_strength(penalty, limit):
    rng = np.random.default_rng(0)
    gradient, weights = rng.standard_normal(50), rng.uniform(0.5, 2.0, 50)
    step = np.geomspace(0.1, 30.0, 50)
    weighted = penalty._replace(weights=weights)
    expected = (np.abs(gradient) / limit(gradient, step) / weights).max()
    found = smallest_strength(weighted, gradient, 1.0 / step)
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("q", [0.2, 0.5, 2.0 / 3.0])
def test_largest_useful_strength_of_powers(q):
    rng = np.random.default_rng(0)
    gradient, weights = rng.standard_normal(50), rng.uniform(0.5, 2.0, 50)
    lipschitz = np.geomspace(0.1, 30.0, 50)
    base = (2.0 * (1.0 - q)) ** (1.0 / (2.0 - q))
    threshold = base + q * base ** (q - 1.0)
    size = np.abs(gradient) / lipschitz / threshold
    expected = (lipschitz * size ** (2.0 - q) / weights).max()
    found = smallest_strength(Lq(1.0, q, weights), gradient, lipschitz)
    assert found == pytest.approx(expected, rel=1e-10)


@kernel
def all_compiled(penalty, z, j):
    return (
        value(penalty, abs(z), j),
        prox(penalty, z, 0.5, j),
        prox(penalty, z, 5.0, j),
        slope(penalty, z, j),
        curvature(penalty, z, j),
    )


@each
def test_compiled_meaning_is_the_python_one(penalty):
    for z in (-2.7, 0.2, 3.0):
        for j in (0, 1):
            np.testing.assert_allclose(
                all_compiled(penalty, z, j), all_compiled.py_func(penalty, z, j), 1e-13
            )
        assert all_compiled(penalty, z, 2)[1:3] == (0.0, 0.0)
