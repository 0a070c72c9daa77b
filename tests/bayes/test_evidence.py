"""Cost and posterior at given prior variances, against the formulas themselves."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime

from sparsestat.bayes import (
    SparseBayesianRegression,
    kron_posterior,
    sbl_cost,
    sbl_posterior,
)

SHAPES = [(8, 5), (5, 8), (6, 6)]
NOISE = 0.3


def draw(m, n, n_targets=None, *, is_complex=False, seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if is_complex else real

    y = normal(m) if n_targets is None else normal(m, n_targets)
    return normal(m, n), y, rng.gamma(1.0, size=n)


def dense(A, y, g):
    """Mean, covariance, shares and cost, from an inverse."""
    C = NOISE * np.eye(len(A)) + (A * g) @ A.conj().T
    inverse = np.linalg.inv(C)
    gain = g[:, None] * (A.conj().T @ inverse)
    Y = y.reshape(len(A), -1)
    quadratic = np.mean([(t.conj() @ inverse @ t).real for t in Y.T])
    return (
        gain @ y,
        np.diag(g) - gain @ (A * g),
        g * np.einsum("mi,mn,ni->i", A.conj(), inverse, A).real,
        np.linalg.slogdet(C)[1] + quadratic,
    )


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_targets", [None, 1, 3])
@pytest.mark.parametrize("m, n", SHAPES)
def test_posterior_and_cost_are_the_dense_ones(m, n, n_targets, is_complex):
    A, y, g = draw(m, n, n_targets, is_complex=is_complex)
    g[2] = 0.0
    mean, covariance, determined, cost = dense(A, y, g)
    found, active = sbl_posterior(A, y, g, NOISE), g > 0.0
    assert found.mean.shape == mean.shape
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(
        found.covariance, covariance[np.ix_(active, active)], atol=1e-12
    )
    np.testing.assert_allclose(found.variance, covariance.diagonal().real, atol=1e-12)
    np.testing.assert_allclose(found.determined, determined, atol=1e-12)
    assert found.cost == pytest.approx(cost, rel=1e-12)
    assert sbl_cost(A, y, g, NOISE) == found.cost
    assert isinstance(found.cost, float)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_targets", [None, 3])
@pytest.mark.parametrize("m, n", SHAPES)
def test_slopes_are_those_of_the_cost(m, n, n_targets, is_complex):
    A, y, g = draw(m, n, n_targets, is_complex=is_complex, seed=1)
    found = sbl_posterior(A, y, g, NOISE)
    power = (np.abs(found.mean.reshape(n, -1)) ** 2).mean(axis=1)
    slopes = approx_fprime(
        np.log(g), lambda logs: sbl_cost(A, y, np.exp(logs), NOISE), 1e-6
    )
    np.testing.assert_allclose(found.determined - power / g, slopes, atol=1e-4)


def test_estimators_minimise_this_cost():
    A, y, _ = draw(30, 20)
    fit = SparseBayesianRegression(fit_intercept=False, noise_variance=NOISE).fit(A, y)
    found = sbl_posterior(A, y, fit.prior_variance_, NOISE)
    np.testing.assert_allclose(found.mean, fit.coef_, atol=1e-10)
    np.testing.assert_allclose(np.sqrt(found.variance), fit.coef_std_, atol=1e-8)
    np.testing.assert_allclose(found.covariance, fit.covariance_, atol=1e-10)
    evidence = -0.5 * (found.cost + len(y) * np.log(2.0 * np.pi))
    assert fit.log_evidence_ == pytest.approx(evidence, rel=1e-10)


@pytest.mark.parametrize("m, n", SHAPES)
def test_one_factor_of_a_kronecker_product_is_the_same(m, n):
    A, y, g = draw(m, n, is_complex=True)
    found, other = sbl_posterior(A, y, g, NOISE), kron_posterior([A], y, [g], NOISE)
    for ours, theirs in zip(found[:4], other, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "dia_array"])
def test_sparse_matrices_and_single_precision_change_nothing(kind):
    A, y, g = draw(7, 9)
    A = np.where(np.abs(A) > 0.7, A, 0.0).astype(np.float32)
    expected = sbl_posterior(A.astype(np.float64), y, g, NOISE)
    for X in (A, getattr(sparse, kind)(A)):
        found = sbl_posterior(X, y, g, NOISE)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_without_prior_variance_there_is_noise_only():
    A, y, g = draw(4, 6)
    found = sbl_posterior(A, y, 0.0 * g, NOISE)
    assert not found.mean.any()
    assert not found.variance.any()
    assert found.covariance.shape == (0, 0)
    assert found.cost == pytest.approx(4 * np.log(NOISE) + y @ y / NOISE)


def test_variances_keep_their_digits_where_data_leave_little():
    A, y, g = draw(9, 3)
    found = sbl_posterior(A, y, g, 1e-14)
    least_squares = 1e-14 * np.linalg.inv(A.T @ A).diagonal()
    np.testing.assert_allclose(found.variance, least_squares, rtol=1e-8)


@pytest.mark.parametrize("function", [sbl_cost, sbl_posterior])
@pytest.mark.parametrize(
    "changed, message",
    [
        ({"A": np.ones(4)}, r"A must be a matrix .* got shape \(4,\)"),
        ({"A": np.ones((4, 0))}, r"A must be a matrix .* got shape \(4, 0\)"),
        ({"A": np.full((4, 2), np.nan)}, "A must be finite"),
        ({"A": sparse.csr_array([[np.inf, 1.0]] * 4)}, "A must be finite"),
        ({"A": [["a", "b"]] * 4}, "A must hold numbers"),
        ({"y": np.ones(3)}, r"y must have shape \(4,\) or \(4, n_targets\).*\(3,\)"),
        ({"y": np.ones((4, 0))}, r"y must have shape .* got \(4, 0\)"),
        ({"y": np.ones((4, 1, 1))}, r"y must have shape .* got \(4, 1, 1\)"),
        ({"y": [1.0, 2.0, np.inf, 0.0]}, "y must be finite"),
        ({"y": 1.0}, r"y must have shape .* got \(\)"),
        (
            {"prior_variance": np.ones(3)},
            r"prior_variance must have shape \(2,\).* got \(3,\)",
        ),
        ({"prior_variance": 1.0}, r"prior_variance must have shape \(2,\).* got \(\)"),
        ({"prior_variance": [1.0, -0.5]}, r"prior_variance must be >= 0; got -0\.5"),
        ({"prior_variance": [1.0, np.nan]}, "prior_variance must be finite"),
        ({"prior_variance": [1.0, 1j]}, "prior_variance must be real"),
        ({"noise_variance": 0.0}, r"noise_variance must be .*\(0, inf\); got 0\.0"),
        ({"noise_variance": np.nan}, "noise_variance must be"),
        ({"noise_variance": "em"}, "noise_variance must be .* got 'em'"),
    ],
)
def test_bad_input_is_named(function, changed, message):
    given = {
        "A": np.ones((4, 2)),
        "y": np.ones(4),
        "prior_variance": np.ones(2),
        "noise_variance": 1.0,
    }
    with pytest.raises(ValueError, match=message):
        function(**{**given, **changed})
