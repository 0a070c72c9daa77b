"""Structured maps against a conic solver, optimality conditions and differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsestat.activations import (
    constrained_sparsemax,
    fusedmax,
    fusedmax_vjp,
    oscarmax,
    oscarmax_vjp,
    sparsemax,
)

MAPS = [fusedmax, oscarmax]
VJPS = {fusedmax: fusedmax_vjp, oscarmax: oscarmax_vjp}
# Here the proximal operator of absolute values errs by 0.0175.
SIGNED = np.array(
    [0.023935, 0.951823, 0.857305, -0.357215, -0.208579, -0.369169, 0.398808, -0.039245]
)
vectors = st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=1, max_size=25)


def normal(shape, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).standard_normal(shape)


def value(function, p, z, penalty):
    if function is fusedmax:
        cost = np.abs(np.diff(p)).sum()
    else:
        cost = (np.sort(p) * np.arange(len(p))).sum()
    return ((p - z) ** 2).sum() / 2 + penalty * cost


def conic(function, z, penalty):
    cvxpy = pytest.importorskip("cvxpy")
    p = cvxpy.Variable(len(z))
    if function is fusedmax:
        cost = cvxpy.norm1(cvxpy.diff(p))
    else:
        pairs = [(i, j) for j in range(len(z)) for i in range(j)]
        cost = sum(cvxpy.maximum(p[i], p[j]) for i, j in pairs)
    objective = cvxpy.sum_squares(p - z) / 2 + penalty * cost
    problem = cvxpy.Problem(cvxpy.Minimize(objective), [p >= 0, cvxpy.sum(p) == 1])
    accurate = {name: 1e-12 for name in ("tol_gap_abs", "tol_gap_rel", "tol_feas")}
    problem.solve(solver="CLARABEL", **accurate)
    return p.value


def test_golden_values():
    # Three scores less 7, 6 and 5 times the penalty, less what makes them sum to one.
    kept = SIGNED[[1, 2, 6]] - 0.05 * np.array([7, 6, 5])
    kept -= (kept.sum() - 1) / 3
    np.testing.assert_allclose(kept, [0.499178, 0.45466, 0.046163], atol=6e-7)
    expected = [0, kept[0], kept[1], 0, 0, 0, kept[2], 0]
    np.testing.assert_allclose(oscarmax(SIGNED, 0.05), expected, atol=1e-15)
    fused = fusedmax(SIGNED, 0.1)
    np.testing.assert_allclose(fused, [0, 0.5, 0.5, 0, 0, 0, 0, 0], atol=1e-15)
    assert fused[1] == fused[2]


@pytest.mark.parametrize("function", MAPS)
@pytest.mark.parametrize("penalty", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_equals_a_conic_solver(function, penalty, seed):
    z = normal(9, 0.7, seed)
    expected = conic(function, z, penalty)
    np.testing.assert_allclose(function(z, penalty), expected, atol=2e-7)


@pytest.mark.parametrize("function", MAPS)
@settings(max_examples=60, deadline=None)
@given(z=vectors, penalty=st.floats(0.0, 0.5), seed=st.integers(0, 99))
def test_no_other_point_is_better(function, z, penalty, seed):
    """On a convex problem no step towards any other feasible point pays."""
    z = np.array(z)
    p = function(z, penalty)
    best = value(function, p, z, penalty)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(), 1.0, atol=1e-14)
    others = np.random.default_rng(seed).dirichlet(np.full(len(z), 0.3), 20)
    for other in [*others, sparsemax(z), *np.eye(len(z))]:
        for step in (1e-3, 0.1, 1.0):
            moved = p + step * (other - p)
            assert value(function, moved, z, penalty) >= best - 1e-13


@pytest.mark.parametrize("function", MAPS)
def test_extreme_penalties(function):
    Z = normal((5, 12))
    np.testing.assert_allclose(function(Z, 0.0), sparsemax(Z), atol=1e-15)
    for large in (1e6, 1e300):
        np.testing.assert_allclose(function(Z, large), 1 / 12, atol=1e-15)
    np.testing.assert_array_equal(function([3.0], 1.0), [1.0])


@pytest.mark.parametrize("function", MAPS)
def test_shifts_axes_precisions_and_threads(function):
    Z = normal((6, 5, 30))
    P = function(Z, 0.05)
    np.testing.assert_allclose(function(Z + 1e3, 0.05), P, atol=1e-12)
    np.testing.assert_array_equal(function(Z, 0.05, n_jobs=3), P)
    np.testing.assert_array_equal(
        function(Z.swapaxes(1, 2), 0.05, axis=1), P.swapaxes(1, 2)
    )
    for dtype, tol in ((np.float16, 2e-3), (np.float32, 3e-7)):
        low = function(Z.astype(dtype), 0.05)
        assert low.dtype == dtype
        np.testing.assert_allclose(low, P, atol=tol)
    assert function(np.empty((0, 3)), 0.1).shape == (0, 3)


def test_reversal_and_permutation():
    Z = normal((4, 11))
    np.testing.assert_allclose(fusedmax(Z[:, ::-1]), fusedmax(Z)[:, ::-1], atol=1e-15)
    order = np.random.default_rng(0).permutation(11)
    np.testing.assert_allclose(oscarmax(Z[:, order]), oscarmax(Z)[:, order], atol=1e-15)


def test_masks_cut_the_line_and_leave_clusters_alone():
    z = np.array([0.2, 0.4, -np.inf, 0.5, 0.3, -np.inf])
    left, right = z[:2], z[3:5]
    # Far apart in one line of four they would be tied; cut, the two parts are not.
    p = fusedmax(z, 0.05)
    smooth = np.array([0.25, 0.35, 0.45, 0.35])
    np.testing.assert_allclose(p[[0, 1, 3, 4]], sparsemax(smooth), atol=1e-15)
    assert p[2] == p[5] == 0
    np.testing.assert_allclose(
        fusedmax(z, 1e20)[[0, 1, 3, 4]], [0.2, 0.2, 0.3, 0.3], atol=1e-15
    )
    kept = oscarmax(np.concatenate([left, right]), 0.05)
    np.testing.assert_allclose(oscarmax(z, 0.05)[[0, 1, 3, 4]], kept, atol=1e-15)


@pytest.mark.parametrize("function", MAPS)
def test_jacobian_by_differences(function):
    vjp = VJPS[function]
    Z, V = normal((40, 10), 0.5), normal((40, 10), seed=1)
    step, penalty = 1e-7, 0.03
    up, down = (function(Z + s * V, penalty) for s in (step, -step))
    P = function(Z, penalty)

    def kinds(P):
        """What must not change for the map to be linear between the two ends."""
        ties = P[:, :, None] == P[:, None, :]
        return np.concatenate([P > 0, ties.reshape(len(P), -1)], axis=1)

    smooth = (kinds(up) == kinds(down)).all(axis=1)
    assert smooth.sum() > 25
    product = vjp(P, V)
    slope = (up - down) / (2 * step)
    np.testing.assert_allclose(product[smooth], slope[smooth], atol=1e-6)
    # symmetric, and constants have no effect
    W = normal((40, 10), seed=2)
    np.testing.assert_allclose(
        (vjp(P, V) * W).sum(1), (vjp(P, W) * V).sum(1), atol=1e-13
    )
    np.testing.assert_allclose(vjp(P, np.ones_like(P)), 0.0, atol=1e-15)
    np.testing.assert_array_equal(vjp(P.T, V.T, axis=0, n_jobs=2).T, product)


@pytest.mark.parametrize("function", MAPS)
@pytest.mark.parametrize(
    ("Z", "options", "message"),
    [
        ([0.0, np.nan], {}, "got nan in row 0"),
        ([[0.0, 1.0], [0.0, np.inf]], {}, "got inf in row 1"),
        ([[-np.inf, -np.inf]], {}, "only -inf in row 0"),
        ([0.0, 1.0], {"penalty": -1.0}, "penalty must be"),
        ([0.0, 1.0], {"penalty": np.nan}, "penalty must be"),
    ],
)
def test_bad_input(function, Z, options, message):
    with pytest.raises(ValueError, match=rf"{function.__name__}: .*{message}"):
        function(Z, **options)


@pytest.mark.parametrize("vjp", VJPS.values())
def test_bad_input_of_products(vjp):
    with pytest.raises(ValueError, match="one shape"):
        vjp([0.5, 0.5], [1.0])
    with pytest.raises(ValueError, match="row 0"):
        vjp([0.0, 0.0], [1.0, 2.0])


@pytest.mark.parametrize("seed", range(5))
def test_bounds_against_a_conic_solver(seed):
    cvxpy = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    z, upper = rng.standard_normal(8), rng.uniform(0, 0.5, 8)
    p = cvxpy.Variable(8)
    constraints = [p >= 0, p <= upper, cvxpy.sum(p) == 1]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(p - z)), constraints).solve(
        solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
    )
    np.testing.assert_allclose(constrained_sparsemax(z, upper), p.value, atol=2e-7)


@settings(max_examples=200, deadline=None)
@given(
    z=st.lists(st.floats(-3, 3) | st.just(0.5), min_size=2, max_size=40),
    seed=st.integers(0, 1000),
)
def test_optimality_conditions_with_bounds(z, seed):
    """z - p is tau inside, at most tau at zero and at least tau at the bound."""
    rng = np.random.default_rng(seed)
    z = np.array(z)
    upper = rng.choice([0.0, 0.3, 1.0, np.inf], len(z)) + rng.random(len(z))
    upper /= min(1.0, upper.sum())
    p = constrained_sparsemax(z, upper)
    np.testing.assert_allclose(p.sum(), 1.0, atol=1e-14)
    assert (p >= 0).all() and (p <= upper).all()
    rest = z - p
    # No entry that could grow would gain more than one that could shrink would lose.
    assert rest[p < upper].max(initial=-np.inf) <= rest[p > 0].min() + 1e-13


def test_bounds_that_do_not_bind_and_those_that_decide_all():
    Z = normal((6, 9))
    np.testing.assert_allclose(
        constrained_sparsemax(Z, np.inf), sparsemax(Z), atol=1e-15
    )
    upper = np.random.default_rng(0).dirichlet(np.ones(9), 6)
    np.testing.assert_allclose(constrained_sparsemax(Z, upper), upper, atol=1e-14)
    Z[:, 0] = -np.inf
    np.testing.assert_allclose(
        constrained_sparsemax(Z, 1 / 8)[:, 1:], 1 / 8, atol=1e-15
    )
    np.testing.assert_array_equal(
        constrained_sparsemax(Z.T, upper[0][:, None] + 0.2, axis=0, n_jobs=2).T,
        constrained_sparsemax(Z, upper[0] + 0.2),
    )


@pytest.mark.parametrize(
    ("Z", "upper", "message"),
    [
        ([0.0, 1.0], 0.4, "sum to at least one over unmasked classes; got 0.8 in row"),
        ([0.0, -np.inf], 0.9, "got 0.9"),
        ([0.0, 1.0], [-0.1, 2.0], "upper must be >= 0; got -0.1"),
        ([0.0, 1.0], np.nan, "upper must be >= 0"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], "upper must broadcast"),
        ([0.0, np.nan], 1.0, "got nan"),
    ],
)
def test_bad_bounds(Z, upper, message):
    with pytest.raises(ValueError, match=message):
        constrained_sparsemax(Z, upper)


def bounded(Z, **options):
    return constrained_sparsemax(Z, 0.6, **options)


@pytest.mark.parametrize("function", [*MAPS, bounded])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
def test_out(function, dtype, axis):
    Z = normal((6, 7)).astype(dtype)
    expected = function(Z, axis=axis)
    out = np.empty_like(Z)
    assert function(Z, axis=axis, out=out) is out
    np.testing.assert_array_equal(out, expected)
    function(Z, axis=axis, out=Z)
    np.testing.assert_array_equal(Z, expected)
    with pytest.raises(ValueError, match="out must be a writeable array"):
        function(Z, axis=axis, out=np.empty((2, 2)))


@pytest.mark.parametrize("function", MAPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", ["P", "V", "new"])
def test_out_of_products(function, dtype, place):
    P = function(normal((6, 7))).astype(dtype)
    V = normal((6, 7), seed=1).astype(dtype)
    expected = VJPS[function](P, V)
    out = {"P": P, "V": V, "new": np.empty_like(P)}[place]
    assert VJPS[function](P, V, out=out) is out
    np.testing.assert_array_equal(out, expected)
