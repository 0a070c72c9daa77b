"""The judge of all solvers, held against closed forms and other solvers."""

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from benchmarks._certify import (
    null_objective,
    relative_gaps,
    worst_gap,
    worst_mcp_violation,
)


@pytest.fixture
def orthogonal():
    """Orthonormal design (up to sqrt(n)) whose Lasso solution is a soft threshold."""
    rng = np.random.default_rng(0)
    n, p = 30, 8
    Q = np.linalg.qr(rng.standard_normal((n, p)))[0]
    return Q * np.sqrt(n), rng.standard_normal(n)


def soft(z, threshold):
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0.0)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.7, 0.1])
def test_closed_form_has_no_gap(orthogonal, l1_ratio):
    X, y = orthogonal
    alphas = np.array([0.5, 0.1, 0.01])
    z = X.T @ y / len(y)
    coefs = np.column_stack(
        [soft(z, a * l1_ratio) / (1.0 + a * (1.0 - l1_ratio)) for a in alphas]
    )
    gaps = relative_gaps(X, y, coefs, alphas, l1_ratio=l1_ratio)
    assert np.abs(gaps).max() < 1e-14


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_gap_bounds_the_suboptimality(orthogonal, l1_ratio):
    X, y = orthogonal
    n = len(y)
    alpha = 0.1
    z = X.T @ y / n
    exact = soft(z, alpha * l1_ratio) / (1.0 + alpha * (1.0 - l1_ratio))

    def objective(w):
        ridge = alpha * (1.0 - l1_ratio) / 2 * (w @ w)
        residual = y - X @ w
        return residual @ residual / (2 * n) + alpha * l1_ratio * abs(w).sum() + ridge

    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-1, 10.0):
        w = exact + size * rng.standard_normal(len(exact))
        excess = (objective(w) - objective(exact)) / null_objective(y)
        gap = relative_gaps(
            X, y, w[:, None], np.array([alpha]), l1_ratio=l1_ratio
        ).item()
        assert gap >= excess > 0


def test_null_model_at_alpha_max(orthogonal):
    X, y = orthogonal
    alpha_max = np.abs(X.T @ y).max() / len(y)
    null = np.zeros((X.shape[1], 1))
    assert worst_gap(X, y, null, np.array([alpha_max])) == pytest.approx(0, abs=1e-15)
    # at half of it the best scaling of y is c = 1/2: P - D = P(0) (1 - c)^2
    gap = worst_gap(X, y, null, np.array([alpha_max / 2]))
    assert gap == pytest.approx(0.25)


def test_layouts_agree():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((20, 7)).astype(np.float32)
    y = rng.standard_normal(20)
    coefs = rng.standard_normal((7, 3))
    alphas = np.array([0.3, 0.2, 0.1])
    expected = relative_gaps(X.astype(np.float64), y, coefs, alphas)
    for design in (X, np.asfortranarray(X), csc_matrix(X), csc_matrix(X, dtype=float)):
        np.testing.assert_allclose(
            relative_gaps(design, y, csc_matrix(coefs), alphas), expected, rtol=1e-12
        )


def test_intercept_is_that_of_the_centred_problem():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((25, 6)) + 5.0, rng.standard_normal(25) - 3.0
    coefs, alphas = rng.standard_normal((6, 2)) / 10, np.array([0.2, 0.1])
    centred = relative_gaps(X - X.mean(axis=0), y - y.mean(), coefs, alphas)
    np.testing.assert_allclose(
        relative_gaps(X, y, coefs, alphas, fit_intercept=True), centred, rtol=1e-10
    )


def test_own_dual_points_can_only_help(orthogonal):
    X, y = orthogonal
    alphas = np.array([0.1])
    exact = soft(X.T @ y / len(y), 0.1)
    coef = 0.999 * exact[:, None]
    plain = worst_gap(X, y, coef, alphas)
    best_dual = (y - X @ exact)[:, None]
    assert worst_gap(X, y, coef, alphas, duals=7.0 * best_dual) < plain / 5
    bad = np.full((len(y), 1), np.nan)
    assert worst_gap(X, y, coef, alphas, duals=bad) == plain


def test_unsolved_is_infinitely_far(orthogonal):
    X, y = orthogonal
    coefs = np.full((X.shape[1], 2), np.nan)
    coefs[:, 0] = 0.0
    gaps = relative_gaps(X, y, coefs, np.array([10.0, 1.0]))
    assert gaps[0] == pytest.approx(0, abs=1e-15)
    assert np.isinf(gaps[1])


def test_wrong_shape_is_named(orthogonal):
    X, y = orthogonal
    with pytest.raises(ValueError, match=r"\(3, 1\), expected .*\(8, 1\)"):
        relative_gaps(X, y, np.zeros((3, 1)), np.array([1.0]))


def test_violation_of_the_mcp_is_zero_at_its_closed_form(orthogonal):
    X, y = orthogonal
    z = X.T @ y / len(y)
    alphas = np.array([0.9, 0.3, 0.1]) * np.abs(z).max()
    firm = [np.where(abs(z) <= 3 * a, 1.5 * soft(z, a), z) for a in alphas]
    coefs = np.column_stack(firm)
    assert worst_mcp_violation(X, y, coefs, alphas) < 1e-14
    shrunk = np.column_stack([soft(z, a) for a in alphas])
    assert worst_mcp_violation(X, y, shrunk, alphas) > 0.05
    assert worst_mcp_violation(X, y, coefs * np.nan, alphas) == np.inf
