"""Proximal operators of vectors against brute force, oracles and optimality."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparsestat.optim.proximal import prox_slope, prox_tv1d, prox_tv_graph
from sparsestat.optim.segments import line_gauge

values = st.floats(-8.0, 8.0, allow_subnormal=False)
vectors = st.integers(1, 9).flatmap(lambda n: hnp.arrays(float, n, elements=values))


def slope_objective(w, z, lambdas):
    sizes = np.sort(np.abs(w), axis=-1)[..., ::-1]
    return 0.5 * ((w - z) ** 2).sum(axis=-1) + sizes @ lambdas


def tv_objective(w, z, t, v=1.0):
    jumps = np.abs(np.diff(w, axis=-1))
    return 0.5 * (v * (w - z) ** 2).sum(axis=-1) + (t * jumps).sum(axis=-1)


def grid(n, around):
    steps = np.linspace(-0.05, 0.05, 11)
    return around + np.array(list(itertools.product(steps, repeat=n)))


@pytest.mark.parametrize("seed", range(8))
def test_slope_beats_a_grid_everywhere(seed):
    rng = np.random.default_rng(seed)
    z, lambdas = 2 * rng.standard_normal(3), np.sort(rng.exponential(size=3))[::-1]
    found = prox_slope(z, lambdas)
    best = slope_objective(found, z, lambdas)
    wide = np.array(list(itertools.product(np.linspace(-4, 4, 41), repeat=3)))
    for points in (wide, grid(3, found)):
        assert (slope_objective(points, z, lambdas) >= best - 1e-12).all()


@given(vectors, st.data())
def test_slope_is_optimal(z, data):
    drawn = data.draw(hnp.arrays(float, len(z), elements=st.floats(0.0, 3.0)))
    lambdas = np.sort(drawn)[::-1]
    w = prox_slope(z, lambdas)
    # z - w is a subgradient: in the dual ball, and it pays all of the norm.
    rest = np.sort(np.abs(z - w))[::-1]
    assert (np.cumsum(rest) <= np.cumsum(lambdas) + 1e-9).all()
    norm = np.sort(np.abs(w))[::-1] @ lambdas
    np.testing.assert_allclose((z - w) @ w, norm, atol=1e-9)
    np.testing.assert_array_equal(prox_slope(-z, lambdas), -w)


def test_slope_with_equal_lambdas_is_soft_thresholding():
    z = np.array([3.0, -0.5, 1.0, -2.0])
    expected = np.sign(z) * np.maximum(np.abs(z) - 1.0, 0.0)
    np.testing.assert_array_equal(prox_slope(z, np.ones(4)), expected)


@given(vectors, st.data())
def test_tv_is_optimal(z, data):
    n = len(z)
    strengths = data.draw(hnp.arrays(float, n - 1, elements=st.floats(0.0, 4.0)))
    weights = data.draw(hnp.arrays(float, n, elements=st.floats(0.1, 4.0)))
    w = prox_tv1d(z, strengths, weights=weights)
    # The cumulative residual is a flow within the strengths, at them where w jumps.
    flow = np.cumsum(weights * (w - z))
    assert abs(flow[-1]) < 1e-9
    assert (np.abs(flow[:-1]) <= strengths + 1e-9).all()
    jump = np.diff(w)
    far = np.abs(jump) > 1e-9
    expected = strengths[far] * np.sign(jump[far])
    np.testing.assert_allclose(flow[:-1][far], expected, atol=1e-9)


@given(vectors, st.data())
def test_prox_operators_do_not_expand(z, data):
    other = data.draw(hnp.arrays(float, len(z), elements=values))
    lambdas = np.linspace(1.0, 0.3, len(z))
    distance = np.linalg.norm(z - other) + 1e-9
    for first, second in (
        (prox_slope(z, lambdas), prox_slope(other, lambdas)),
        (prox_tv1d(z, 0.7), prox_tv1d(other, 0.7)),
    ):
        assert np.linalg.norm(first - second) <= distance


def test_integer_weights_of_tv_are_repetitions():
    z, counts = np.array([1.0, -2.0, 0.5, 3.0]), np.array([1, 3, 2, 1])
    weighted = prox_tv1d(z, 0.4, weights=counts)
    repeated = prox_tv1d(np.repeat(z, counts), 0.4)
    np.testing.assert_allclose(np.repeat(weighted, counts), repeated, atol=1e-12)


@pytest.mark.parametrize("strength", [0.0, 0.1, 3.0, 1e9])
def test_tv_of_long_signals(strength):
    rng = np.random.default_rng(0)
    z = np.repeat(rng.standard_normal(20), 500) + rng.standard_normal(10_000)
    w = prox_tv1d(z, strength)
    flow = np.cumsum(w - z)
    np.testing.assert_allclose(flow[-1], 0.0, atol=1e-8)
    assert (np.abs(flow[:-1]) <= strength * (1 + 1e-12) + 1e-9).all()
    if strength == 1e9:
        assert len(np.unique(w)) == 1
    if strength == 0.0:
        np.testing.assert_allclose(w, z, atol=1e-12)


def test_tv_on_graphs_against_cvxpy():
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(1)
    z = rng.standard_normal(16)
    at = np.arange(16).reshape(4, 4)
    down = np.column_stack([at[:-1].ravel(), at[1:].ravel()])
    right = np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()])
    edges = np.vstack([down, right])
    w = cp.Variable(16)
    cost = 0.5 * cp.sum_squares(w - z)
    cost += 0.3 * cp.norm1(w[edges[:, 1]] - w[edges[:, 0]])
    cp.Problem(cp.Minimize(cost)).solve(solver="CLARABEL")
    np.testing.assert_allclose(prox_tv_graph(z, edges, 0.3), w.value, atol=1e-5)


def test_tv_on_the_graph_of_a_line_is_that_of_the_line():
    rng = np.random.default_rng(2)
    z = np.repeat([0.0, 3.0, 1.0], 10) + 0.3 * rng.standard_normal(30)
    edges = np.column_stack([np.arange(29), np.arange(1, 30)])
    np.testing.assert_allclose(
        prox_tv_graph(z, edges, 0.8), prox_tv1d(z, 0.8), atol=1e-6
    )
    np.testing.assert_array_equal(prox_tv_graph(z, edges[:0], 0.8), z)


@given(vectors, st.sampled_from([0.0, 0.1, 2.0]), st.sampled_from([0.01, 0.5, 3.0]))
def test_dual_norm_on_the_line_is_the_worst_interval(g, variation, size):
    p, expected = len(g), 0.0
    for i, j in itertools.combinations(range(p + 1), 2):
        ends = int(i > 0) + int(j < p)
        ratio = abs(g[i:j].sum()) / (size * (j - i) + variation * ends)
        expected = max(expected, ratio)
    found = line_gauge(g, variation, size)
    assert expected * (1 - 1e-12) - 1e-12 <= found <= expected * (1 + 1e-11) + 1e-12


def test_dual_norm_of_variation_alone_is_the_largest_flow():
    g = np.array([1.0, 2.0, -5.0, 2.0])
    np.testing.assert_allclose(line_gauge(g, 0.5, 0.0), 6.0)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: prox_slope([1.0, np.nan], [1.0, 1.0]), "z must be finite"),
        (lambda: prox_slope([[1.0]], [1.0]), "z must have shape"),
        (lambda: prox_slope([1.0, 2.0], [1.0]), "lambdas must have shape"),
        (lambda: prox_slope([1.0, 2.0], [1.0, 2.0]), "must not increase"),
        (lambda: prox_slope([1.0, 2.0], [1.0, -2.0]), "lambdas must be >= 0"),
        (lambda: prox_tv1d([1.0, 2.0], [1.0, 1.0]), "strength must be a number or"),
        (lambda: prox_tv1d([1.0, 2.0], -1.0), "strength must be finite and >= 0"),
        (lambda: prox_tv1d([1.0], 1.0, weights=[0.0]), "weights must be positive"),
        (lambda: prox_tv_graph([1.0, 2.0], [[0, 2]], 1.0), r"features in \[0, 2\)"),
        (lambda: prox_tv_graph([1.0, 2.0], [[0.5, 1.0]], 1.0), "must be integers"),
        (lambda: prox_tv_graph([1.0, 2.0], [[0, 1]], -1.0), "strength must be"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_empty_vectors():
    assert prox_slope([], []).shape == prox_tv1d([], 1.0).shape == (0,)
    np.testing.assert_array_equal(prox_tv1d([2.0], 1.0), [2.0])
