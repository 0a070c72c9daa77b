"""Message passing against dense posteriors, smoothers and exact learning."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from sparsestat.bayes._columns import Columns, rotate_rows
from sparsestat.bayes._gamp import (
    GampSettings,
    auto_damping,
    fit_gamp,
    gamp_mean,
)
from sparsestat.datasets import make_mmv
from sparsestat.metrics import nmse

FAMILIES = ["iid", "mean", "columns", "condition", "rank"]


def matrix(family, rng, m, n):
    """Families for which undamped message passing fails, but for the first."""
    A = rng.standard_normal((m, n))
    if family == "mean":
        A += 0.5
    elif family == "columns":
        for j in range(1, n):
            A[:, j] = 0.9 * A[:, j - 1] + np.sqrt(1 - 0.81) * A[:, j]
    elif family == "condition":
        left, _, right = np.linalg.svd(A, full_matrices=False)
        A = (left * np.geomspace(1, 1e-3, m)) @ right
    elif family == "rank":
        r = int(0.9 * m)
        A = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    return A * np.sqrt(n) / np.linalg.norm(A)


def scene(family, seed=0, m=125, n=250, k=25, snr_db=60):
    rng = np.random.default_rng(seed)
    A, x = matrix(family, rng, m, n), np.zeros(n)
    x[rng.choice(n, k, replace=False)] = rng.standard_normal(k)
    signal = A @ x
    noise = np.mean(signal**2) * 10 ** (-snr_db / 10)
    return A, signal + np.sqrt(noise) * rng.standard_normal(m), x, noise


def exact_mean(A, Y, g, noise):
    C = noise * np.eye(len(A)) + (A * g) @ A.conj().T
    return g[:, None] * (A.conj().T @ np.linalg.solve(C, Y))


def exact_learning(A, y, noise, n_iter=400):
    g = np.full(A.shape[1], np.sum(y**2) / np.sum(A**2))
    for _ in range(n_iter):
        C = noise * np.eye(len(A)) + (A * g) @ A.T
        solved = np.linalg.solve(C, A)
        mean, r = g * (solved.T @ y), g * np.einsum("ij,ij->j", A, solved)
        g = mean**2 + g * (1 - r)
    return exact_mean(A, y[:, None], g, noise)[:, 0]


def error_db(found, true):
    return 10 * np.log10(np.sum((found - true) ** 2) / np.sum(true**2))


@pytest.mark.parametrize("variance", ["scalar", "vector"])
@pytest.mark.parametrize("family", FAMILIES)
def test_mean_at_fixed_variances_is_exact(family, variance):
    A, y, _, _ = scene(family, m=30, n=50, k=5)
    g = np.random.default_rng(1).gamma(0.5, size=50)
    g[3] = 0.0
    settings = GampSettings(variance=variance, max_inner=20_000)
    found = gamp_mean(Columns(A), y[:, None], g, 0.05, settings, tol=1e-13)
    expected = exact_mean(A, y[:, None], g, 0.05)
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


def test_mean_of_complex_data_is_exact():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 30)) + 1j * rng.standard_normal((20, 30))
    y = rng.standard_normal((20, 1)) + 1j * rng.standard_normal((20, 1))
    g = rng.gamma(1.0, size=30)
    settings = GampSettings(max_inner=20_000)
    found = gamp_mean(Columns(A), y, g, 0.5, settings, tol=1e-13)
    np.testing.assert_allclose(found, exact_mean(A, y, g, 0.5), atol=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.6, 0.95, -0.7])
def test_chain_of_pseudo_data_is_the_kalman_smoother(beta):
    # With X = I each coefficient is a chain of its own, seen in noise.
    rng = np.random.default_rng(0)
    n, T, noise = 6, 5, 0.4
    g = rng.gamma(1.0, size=n)
    g[2] = 0.0
    Y = rng.standard_normal((n, T))
    settings = GampSettings(correlation=beta, max_inner=5000)
    found = gamp_mean(Columns(np.eye(n)), Y, g, noise, settings, tol=1e-14)
    lags = np.abs(np.subtract.outer(np.arange(T), np.arange(T)))
    prior = np.float64(beta) ** lags
    for j in range(n):
        gain = g[j] * prior @ np.linalg.inv(g[j] * prior + noise * np.eye(T))
        np.testing.assert_allclose(found[j], gain @ Y[j], atol=1e-10)


def test_mean_of_chains_under_a_matrix_is_exact():
    rng = np.random.default_rng(1)
    A, g, T, beta, noise = (
        rng.standard_normal((8, 12)),
        rng.gamma(1.0, size=12),
        3,
        0.8,
        0.5,
    )
    Y = rng.standard_normal((8, T))
    lags = np.abs(np.subtract.outer(np.arange(T), np.arange(T)))
    prior = np.kron(np.diag(g), beta**lags)
    whole = np.kron(A, np.eye(T))
    C = whole @ prior @ whole.T + noise * np.eye(8 * T)
    expected = (prior @ whole.T @ np.linalg.solve(C, Y.ravel())).reshape(12, T)
    settings = GampSettings(correlation=beta, max_inner=20_000)
    found = gamp_mean(Columns(A), Y, g, noise, settings, tol=1e-13)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_learning_tracks_exact_learning(family):
    A, y, x, noise = scene(family)
    exact = error_db(exact_learning(A, y, noise), x)
    fit = fit_gamp(Columns(A), y[:, None], noise, GampSettings())
    assert fit.residual <= 1e-3
    assert error_db(fit.mean[:, 0], x) < exact + 1.0
    assert np.count_nonzero(fit.prior_variance) < 40
    # Coefficients that earn little are what the two do not share.
    settled = GampSettings(prune=False, tol=1e-7, max_iter=5000)
    fit = fit_gamp(Columns(A), y[:, None], noise, settled)
    assert error_db(fit.mean[:, 0], x) == pytest.approx(exact, abs=1.0)
    # As the paper does it: no rows rotated, no coefficient dropped.
    plain = GampSettings(prune=False, tol=1e-5)
    operator = Columns(aslinearoperator(A))
    fit = fit_gamp(operator, y[:, None], noise, plain._replace(max_iter=2000))
    assert error_db(fit.mean[:, 0], x) < exact + 3.0


@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
def test_rotated_rows_tell_the_same(shape):
    A, y, _, _ = scene("rank", m=shape[0], n=shape[1], k=5)
    columns, rotated, rest = rotate_rows(Columns(A), y[:, None])
    B = columns.X
    assert len(B) == np.linalg.matrix_rank(A)
    np.testing.assert_allclose(B.T @ B, A.T @ A, atol=1e-10)
    np.testing.assert_allclose(B.T @ rotated[:, 0], A.T @ y, atol=1e-10)
    assert rest + np.sum(rotated**2) == pytest.approx(np.sum(y**2))
    gram = B @ B.T
    np.testing.assert_allclose(gram, np.diag(gram.diagonal()), atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_without_damping_messages_diverge(family):
    A, y, x, noise = scene(family)
    fit = fit_gamp(Columns(A), y[:, None], noise, GampSettings(damping=1.0))
    assert fit.residual > 1.0
    assert np.isfinite(fit.mean).all()
    assert not error_db(fit.mean[:, 0], x) < -20


def test_damping_solves_its_condition():
    for m, n, ratio in [(100, 300, 0.2), (300, 100, 0.3), (50, 50, 0.9)]:
        theta = auto_damping(m, n, ratio, 1.0)
        bound = 2 * ((2 - theta) * n + theta * m) / (theta**2 * m * n)
        assert ratio * 1.1 == pytest.approx(bound)
    assert auto_damping(1000, 4000, 1e-3, 1.0) == 1.0


def test_all_storages_agree():
    A, y, _, noise = scene("iid", m=60, n=90, k=6, snr_db=30)
    A = np.where(np.abs(A) > 0.1, A, 0.0)
    mean, root = 1e-3 * np.arange(90), np.linspace(0.5, 1.5, 60)
    explicit = root[:, None] * (A - mean)
    settings = GampSettings(damping=0.5)
    expected = fit_gamp(Columns(explicit), y[:, None], noise, settings)
    for X in (A, sparse.csc_array(A), sparse.csr_array(A)):
        columns = Columns(X, mean, root)
        np.testing.assert_allclose(
            columns.energies(), np.sum(explicit**2, axis=0), rtol=1e-10
        )
        fit = fit_gamp(columns, y[:, None], noise, settings)
        np.testing.assert_allclose(fit.mean, expected.mean, atol=1e-6)


def test_operator_needs_products_only():
    A, y, x, noise = scene("iid", snr_db=40)
    fit = fit_gamp(
        Columns(aslinearoperator(A)), y[:, None], noise, GampSettings(prune=False)
    )
    exact = exact_mean(A, y[:, None], fit.prior_variance, fit.noise)
    np.testing.assert_allclose(fit.mean, exact, atol=1e-6)
    assert error_db(fit.mean[:, 0], x) < -38


def test_noise_is_learned_where_samples_abound():
    A, y, x, noise = scene("iid", m=1000, n=80, k=8, snr_db=20)
    settings = GampSettings(fixed_noise=False)
    fit = fit_gamp(Columns(A), y[:, None], 100 * noise, settings)
    assert fit.noise == pytest.approx(np.mean((y - A @ x) ** 2), rel=0.03)
    assert error_db(fit.mean[:, 0], x) < -25


def test_correlation_is_learned_and_pays():
    errors, learned = [], []
    for seed in range(6):
        data = make_mmv(25, 125, temporal_correlation=0.9, random_state=seed)
        columns, row = Columns(data.data), []
        for correlation in (None, 0.9, "auto"):
            settings = GampSettings(correlation=correlation)
            fit = fit_gamp(columns, data.target, data.noise_variance, settings)
            row.append(nmse(data.coef, fit.mean.T))
        errors.append(row)
        learned.append(fit.correlation)
    alone, known, found = np.mean(errors, axis=0)
    assert max(known, found) < 0.3 * alone
    assert np.mean(learned) == pytest.approx(0.87, abs=0.07)


def test_nothing_in_nothing_out():
    A, y, _, noise = scene("iid", m=20, n=30, k=3)
    for X, Y in [(A, 0.0 * y), (0.0 * A, y)]:
        fit = fit_gamp(Columns(X), Y[:, None], noise, GampSettings())
        assert not fit.mean.any()
        assert np.isfinite(fit.variance).all()
