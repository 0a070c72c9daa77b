"""Jacobians: differences, symmetry, kernels and extreme orders."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from sparsestat.activations import (
    entmax,
    entmax_alpha_derivative,
    entmax_jvp,
    entmax_vjp,
)

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


@pytest.mark.parametrize("alpha", [1.0005, 1.05, 1.3, 1.5, 1.75, 2.0, 2.7, 4.0])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_derivative_in_the_order(alpha, temperature):
    Z, step = scores(), 1e-5
    ends = [entmax(Z, alpha + s, temperature=temperature) for s in (step, -step)]
    smooth = ((ends[0] > 0) == (ends[1] > 0)).all(axis=1)
    assert smooth.sum() >= 6
    found = entmax_alpha_derivative(entmax(Z, alpha, temperature=temperature), alpha)
    slope = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(found[smooth], slope[smooth], atol=2e-8)
    np.testing.assert_allclose(found.sum(axis=1), 0.0, atol=1e-14)


def test_derivative_at_the_order_one_is_the_limit():
    P = entmax(scores(), 1.0)
    log_squares = np.log(P) ** 2
    expected = P / 2 * ((P * log_squares).sum(axis=1, keepdims=True) - log_squares)
    found = entmax_alpha_derivative(P, 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    near = entmax_alpha_derivative(P, 1 + 1e-9)
    np.testing.assert_allclose(near, expected, atol=1e-8)


@pytest.mark.parametrize("alpha", [1.0, 1 + 1e-6, 1.02, 1.4, 2.0, 2.001, 5.0])
def test_derivative_in_the_order_by_its_formula_in_many_digits(alpha):
    """Both branches, and probabilities of 1e-300."""
    P = np.array([[0.7, 0.2, 0.1, 0.0], [0.5, 0.5 - 1e-12, 1e-12, 1e-300]])
    found = entmax_alpha_derivative(P, alpha)
    order = max(Fraction(alpha) - 1, Fraction(1, 10**12))
    with localcontext() as context:
        context.prec = 800
        e = Decimal(order.numerator) / Decimal(order.denominator)
        for row, p in zip(found, P, strict=True):
            p = [Decimal(float(value)) for value in p if value > 0]
            s = [(value.ln() * (1 - e)).exp() for value in p]
            logs = sum(value * value.ln() for value in p)
            expected = []
            for value, lever in zip(p, s, strict=True):
                tilde = lever / sum(s) * sum(p)
                rest = value * value.ln() - lever / sum(s) * logs
                expected.append(float((value - tilde) / e**2 - rest / e))
            np.testing.assert_allclose(
                row[: len(p)], expected, rtol=1e-9, atol=1e-13 / max(order, 1) ** 2
            )


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 3.0, np.inf])
def test_derivative_in_the_order_of_one_probability_is_zero(alpha):
    P = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    np.testing.assert_array_equal(entmax_alpha_derivative(P, alpha), np.zeros((2, 3)))
    even = entmax_alpha_derivative([0.5, 0.5, 0.0], alpha)
    np.testing.assert_allclose(even, 0.0, atol=1e-16)


def test_forms_of_the_derivative_in_the_order():
    alphas = np.linspace(1, 2.5, 8)
    P = entmax(scores(), alphas)
    found = entmax_alpha_derivative(P, alphas)
    for i, alpha in enumerate(alphas):
        np.testing.assert_array_equal(entmax_alpha_derivative(P[i], alpha), found[i])
    np.testing.assert_array_equal(entmax_alpha_derivative(P, alphas, n_jobs=2), found)
    turned = entmax_alpha_derivative(P.T, alphas, axis=0)
    np.testing.assert_array_equal(turned.T, found)
    for dtype in (np.float16, np.float32):
        low = entmax_alpha_derivative(P.astype(dtype), alphas)
        assert low.dtype == dtype
        np.testing.assert_allclose(low, found, atol=50 * np.finfo(dtype).eps)
    out = P.copy()
    assert entmax_alpha_derivative(out, alphas, out=out) is out
    np.testing.assert_array_equal(out, found)
    for bad in ([[0.5, np.nan]], [[0.0, 0.0]], [[1.5, -0.5]]):
        with pytest.raises(ValueError, match="P must hold probabilities; row 0"):
            entmax_alpha_derivative(bad)
    with pytest.raises(ValueError, match="alpha must be"):
        entmax_alpha_derivative([[0.5, 0.5]], 0.5)
    with pytest.raises(ValueError, match="one for each row"):
        entmax_alpha_derivative([[0.5, 0.5]], [1.0, 2.0])
