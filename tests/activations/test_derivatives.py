"""Jacobians: differences, symmetry, kernels and extreme orders."""

import numpy as np
import pytest

from sparsestat.activations import entmax, entmax_jvp, entmax_vjp

ALPHAS = [1.0, 1.05, 1.25, 1.5, 1.75, 2.0, 2.7]


def scores(n=8, width=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width))


def jacobian(p, alpha, **options):
    """Columns of J, one product each."""
    basis = np.eye(len(p))
    return entmax_jvp(np.tile(p, (len(p), 1)), basis, alpha, **options).T


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_differences(alpha, temperature):
    Z, V = scores(), scores(seed=1)
    step = 1e-6
    ends = [entmax(Z + s * V, alpha, temperature=temperature) for s in (step, -step)]
    # Away from kinks: the support is the same on both sides.
    smooth = ((ends[0] > 0) == (ends[1] > 0)).all(axis=1)
    assert smooth.sum() >= 6
    P = entmax(Z, alpha, temperature=temperature)
    J = entmax_jvp(P, V, alpha, temperature=temperature)
    slope = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(J[smooth], slope[smooth], atol=2e-7)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_jacobian_is_symmetric_positive_and_kills_constants(alpha):
    for p in entmax(scores(), alpha):
        J = jacobian(p, alpha)
        np.testing.assert_allclose(J, J.T, atol=1e-14)
        np.testing.assert_allclose(J.sum(axis=0), 0.0, atol=1e-14)
        assert np.linalg.eigvalsh(J).min() > -1e-14
        s = np.where(p > 0, np.where(p > 0, p, 1.0) ** (2 - alpha), 0.0)
        expected = np.diag(s) - np.outer(s, s) / s.sum()
        np.testing.assert_allclose(J, expected, rtol=1e-10, atol=1e-14)
        assert not J[p == 0].any()


@pytest.mark.parametrize("alpha", [4.0, 6.0, 50.0])
def test_tiny_probabilities_of_steep_maps_cost_no_digits(alpha):
    """With two classes J = s0 s1 / (s0 + s1) [[1, -1], [-1, 1]], about one here."""
    J = jacobian(np.array([1.0, 1e-30]), alpha)
    np.testing.assert_allclose(J, [[1.0, -1.0], [-1.0, 1.0]], rtol=1e-14)


def test_argmax_is_flat():
    assert not entmax_jvp([0.5, 0.5, 0.0], [1.0, 2.0, 3.0], np.inf).any()


def test_products_are_one_and_the_same():
    P, V = entmax(scores(), 1.5), scores(seed=3)
    np.testing.assert_array_equal(entmax_vjp(P, V), entmax_jvp(P, V))
    np.testing.assert_array_equal(entmax_vjp(P, V, n_jobs=2), entmax_jvp(P, V))


def test_axes_orders_and_precisions():
    Z, V = scores(), scores(seed=3)
    alphas = np.linspace(1, 2, 8)
    J = entmax_jvp(entmax(Z, alphas), V, alphas)
    for i, alpha in enumerate(alphas):
        one = entmax_jvp(entmax(Z[i], alpha), V[i], alpha)
        np.testing.assert_allclose(J[i], one, atol=1e-15)
    P = entmax(Z, alphas)
    np.testing.assert_array_equal(entmax_jvp(P.T, V.T, alphas, axis=0).T, J)
    for dtype in (np.float16, np.float32):
        low = entmax_jvp(P.astype(dtype), V.astype(dtype), alphas)
        assert low.dtype == dtype
        np.testing.assert_allclose(low, J, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("P", "V", "options", "message"),
    [
        ([[0.5, 0.5]], [[1.0, 2.0, 3.0]], {}, "one shape"),
        ([[0.5, np.nan]], [[1.0, 2.0]], {}, "P must hold probabilities; row 0"),
        ([[1.0, 0.0], [0.0, 0.0]], np.ones((2, 2)), {}, "row 1"),
        ([[1.5, -0.5]], [[1.0, 2.0]], {}, "row 0"),
        ([[0.5, 0.5]], [[1.0, 2.0]], {"alpha": [0.5]}, "alpha must be"),
        ([[0.5, 0.5]], [[1.0, 2.0]], {"temperature": -1.0}, "temperature must be"),
    ],
)
def test_bad_input(P, V, options, message):
    with pytest.raises(ValueError, match=message):
        entmax_jvp(P, V, **options)


@pytest.mark.parametrize("product", [entmax_jvp, entmax_vjp])
@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 2.7])
@pytest.mark.parametrize("place", ["P", "V", "new", "overlap"])
@pytest.mark.parametrize("axis", [0, 1])
def test_out(product, alpha, place, axis):
    P, V = entmax(scores(), alpha, axis=axis), scores(seed=1)
    options = {"axis": axis, "temperature": 0.7}
    expected = product(P, V, alpha, **options)
    out = np.empty_like(P)
    if place == "overlap":
        buffer = np.vstack([V, V[:1]])
        V, out = buffer[:-1], buffer[1:]
    elif place != "new":
        out = {"P": P, "V": V}[place]
    assert product(P, V, alpha, out=out, **options) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="out must be a writeable array"):
        product(np.ones(4), np.ones(4), alpha, out=np.empty(3))
