"""Sparse Bayesian regression against closed forms and dense formulas."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime
from scipy.sparse.linalg import aslinearoperator
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ARDRegression

from sparsestat.bayes import SparseBayesianRegression
from sparsestat.bayes._posterior import Problem, moments
from sparsestat.metrics import nmse

DENSE = ["mm", "em", "mackay"]
EXACT = [*DENSE, "fast"]


def draw(m=60, n=100, k=5, snr_db=30, seed=0, is_complex=False):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if is_complex else real

    X, coef = normal(m, n), np.zeros(n, dtype=complex if is_complex else float)
    coef[rng.choice(n, k, replace=False)] = normal(k)
    signal = X @ coef
    noise = np.mean(np.abs(signal) ** 2) * 10 ** (-snr_db / 10)
    scale = np.sqrt(noise / 2) if is_complex else np.sqrt(noise)
    return X, signal + scale * normal(m), coef, noise


def covariance(X, g, noise):
    return noise * np.eye(len(X)) + (X * g) @ X.conj().T


def model(solver="mm", **parameters):
    return SparseBayesianRegression(
        solver, **{"fit_intercept": False, "allow_complex": True, **parameters}
    )


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("m, n", [(8, 5), (5, 8), (6, 6)])
def test_moments_are_the_dense_ones_in_either_dimension(m, n, is_complex):
    X, y, _, _ = draw(m, n, 2, is_complex=is_complex)
    g = np.random.default_rng(1).gamma(1.0, size=n)
    g[2] = 0.0
    found = moments(Problem(X, y[:, None], m), g, 0.3)
    C = covariance(X, g, 0.3)
    inverse = np.linalg.inv(C)
    gain = g[:, None] * (X.conj().T @ inverse)
    np.testing.assert_allclose(found.mean[:, 0], gain @ y, atol=1e-12)
    posterior = np.diag(g) - gain @ (X * g)
    np.testing.assert_allclose(found.covariance(), posterior, atol=1e-12)
    r = g * np.einsum("mi,mn,ni->i", X.conj(), inverse, X).real
    np.testing.assert_allclose(found.determined, r, atol=1e-12)
    cost = np.linalg.slogdet(C)[1] + (y.conj() @ inverse @ y).real
    assert found.cost == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize("solver", [*EXACT, "gamp"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_evidence_and_coefficients_are_those_of_the_model(solver, is_complex):
    X, y, _, noise = draw(40, 30, is_complex=is_complex)
    fit = model(solver, noise_variance=noise, max_iter=5000).fit(X, y)
    C = covariance(X, fit.prior_variance_, noise)
    if is_complex:
        quadratic = (y.conj() @ np.linalg.solve(C, y)).real
        expected = -quadratic - np.linalg.slogdet(C)[1] - len(y) * np.log(np.pi)
    else:
        expected = multivariate_normal(cov=C).logpdf(y)
    assert fit.log_evidence_ == pytest.approx(expected, rel=1e-8)
    mean = fit.prior_variance_ * (X.conj().T @ np.linalg.solve(C, y))
    np.testing.assert_allclose(fit.coef_, mean, atol=1e-8 * np.abs(mean).max())


@pytest.mark.parametrize("solver", DENSE)
def test_stationarity_is_the_slope_of_the_cost(solver):
    X, y, _, noise = draw(20, 15, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = model(solver, noise_variance=noise, max_iter=5, prune_tol=0).fit(X, y)

    def cost(logs):
        C = covariance(X, np.exp(logs), noise)
        return np.linalg.slogdet(C)[1] + y @ np.linalg.solve(C, y)

    slopes = approx_fprime(np.log(fit.prior_variance_), cost, 1e-6)
    assert fit.stationarity_ == pytest.approx(np.abs(slopes).max(), rel=1e-3)


def test_stationarity_counts_what_was_pruned():
    X, y, _, noise = draw(20, 10, 3)
    with pytest.warns(ConvergenceWarning):
        fit = model(noise_variance=noise, max_iter=1, prune_tol=0.9).fit(X, y)
    g, zero = fit.prior_variance_, ~fit.active_
    inverse = np.linalg.inv(covariance(X, g, noise))
    up = (X.T @ inverse @ y) ** 2
    down = np.einsum("mi,mn,ni->i", X, inverse, X)
    assert zero.any()
    assert fit.stationarity_ >= (up / down - 1)[zero].max() - 1e-8


@pytest.mark.parametrize("noise_variance", ["em", 0.05])
@pytest.mark.parametrize("solver", ["mm", "em"])
@pytest.mark.parametrize("shape", [(60, 25), (30, 50)])
def test_cost_never_rises(solver, shape, noise_variance):
    X, y, _, _ = draw(*shape, snr_db=10)
    fit = model(
        solver, noise_variance=noise_variance, max_iter=60, tol=1e-12, prune_tol=0
    )
    with pytest.warns(ConvergenceWarning):
        fit.fit(X, y)
    costs = np.array(fit.history_["cost"])
    assert np.diff(costs).max() <= 1e-9 * np.abs(costs).max()


@pytest.mark.parametrize("solver", EXACT)
def test_orthonormal_columns_have_a_closed_form(solver):
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.standard_normal((30, 8)))[0]
    y, noise = rng.standard_normal(30), 0.2
    z = X.T @ y
    assert (z**2 < noise).any() and (z**2 > noise).any()
    fit = model(solver, noise_variance=noise, tol=1e-9, tol_step=0, max_iter=20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # "em" is sublinear
        fit.fit(X, y)
    slow = 1e-3 if solver == "em" else 1e-6
    np.testing.assert_allclose(
        fit.prior_variance_, np.maximum(z**2 - noise, 0), atol=slow
    )
    np.testing.assert_allclose(
        fit.coef_, np.maximum(1 - noise / z**2, 0) * z, atol=10 * slow
    )


@pytest.mark.parametrize("solver", EXACT)
def test_single_column(solver):
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal(12), 0.3
    y = 0.7 * x + 0.5 * rng.standard_normal(12)
    fit = model(solver, noise_variance=noise, tol=1e-9, tol_step=0).fit(x[:, None], y)
    s, q = x @ x / noise, x @ y / noise
    expected = max(0.0, (q**2 - s) / s**2)
    assert fit.prior_variance_[0] == pytest.approx(expected, rel=1e-6)


def test_solvers_agree_and_leave_few():
    X, y, coef, noise = draw(40, 100, 4)
    evidence = []
    for solver in (*EXACT, "gamp"):
        fit = model(solver, noise_variance=noise, max_iter=5000).fit(X, y)
        assert nmse(coef, fit.coef_) < 1e-2
        evidence.append(fit.log_evidence_)
        if solver in ("mm", "mackay", "fast"):
            assert fit.active_.sum() <= 40
            assert fit.stationarity_ <= 1e-3
    np.testing.assert_allclose(evidence[:4], evidence[0], rtol=0.01)
    assert evidence[4] == pytest.approx(evidence[0], rel=0.1)  # it drops what is idle


def test_error_and_evidence_are_better_than_those_of_scikit_learn():
    X, y, coef, _ = draw(100, 250, 20, seed=3)
    peer = ARDRegression(fit_intercept=False).fit(X, y)
    fit = model(noise_variance=1 / peer.alpha_).fit(X, y)
    theirs = np.where(peer.coef_ != 0, 1 / peer.lambda_, 0.0)
    evidence = multivariate_normal(cov=covariance(X, theirs, 1 / peer.alpha_)).logpdf(y)
    assert fit.log_evidence_ > evidence
    assert nmse(coef, model().fit(X, y).coef_) < nmse(coef, peer.coef_)


def test_intercept_and_predictive_deviations():
    X, y, _, _ = draw(50, 12, 3, snr_db=15)
    X, y = X + 3.0, y + 7.0
    fit = SparseBayesianRegression(noise_variance=0.5).fit(X, y)
    centred = SparseBayesianRegression(noise_variance=0.5, fit_intercept=False)
    centred.fit(X - X.mean(axis=0), y - y.mean())
    np.testing.assert_allclose(fit.coef_, centred.coef_, atol=1e-10)
    mean, std = fit.predict(X[:5], return_std=True)
    np.testing.assert_allclose(mean, X[:5] @ fit.coef_ + fit.intercept_)
    A, g = X - X.mean(axis=0), fit.prior_variance_
    C = covariance(A, g, 0.5)
    posterior = np.diag(g) - (A * g).T @ np.linalg.solve(C, A * g)
    expected = np.einsum("mi,ij,mj->m", A[:5], posterior, A[:5]) + 0.5
    np.testing.assert_allclose(std**2, expected, rtol=1e-8)
    np.testing.assert_allclose(
        fit.coef_std_, np.sqrt(np.maximum(np.diag(posterior), 0)), atol=1e-8
    )


@pytest.mark.parametrize("solver", ["mm", "fast"])
def test_weights_are_copies(solver):
    X, y, _, _ = draw(30, 40, 3, snr_db=10)
    weights = np.random.default_rng(0).integers(0, 4, 30)
    for noise_variance in ("em", "cv", 0.3):
        fits = [
            model(solver, noise_variance=noise_variance, noise_floor=0.01)
            for _ in range(2)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits[0].fit(X, y, sample_weight=weights)
            fits[1].fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-8)
        assert fits[0].log_evidence_ == pytest.approx(fits[1].log_evidence_)


@pytest.mark.parametrize("solver", ["mm", "fast"])
def test_noise_does_not_collapse_when_rows_are_few(solver):
    X, y, coef, noise = draw(60, 150, 8)
    fit = model(solver).fit(X, y)
    assert noise / 6 < fit.noise_variance_ < 6 * noise
    assert nmse(coef, fit.coef_) < 1e-2
    with pytest.warns(ConvergenceWarning) as caught:
        model(solver, noise_variance="em").fit(X, y)
    assert any("cannot tell the noise" in str(w.message) for w in caught)


@pytest.mark.parametrize("solver", ["mm", "fast"])
def test_residual_of_a_given_norm(solver):
    X, y, _, noise = draw(60, 40, 5, snr_db=15)
    level = np.sqrt(60 * noise)
    fit = model(solver, noise_variance="discrepancy", noise_level=level)
    fit.fit(X, y)
    assert np.linalg.norm(y - fit.predict(X)) == pytest.approx(level, rel=1e-2)
    with pytest.raises(ValueError, match=r"noise_level, .* must be given"):
        model(noise_variance="discrepancy").fit(X, y)


def test_messages_take_sparse_matrices_and_operators():
    X, y, coef, noise = draw(80, 120, 5)
    X = np.where(np.abs(X) > 0.8, X, 0.0)
    y = X @ coef + np.sqrt(noise) * np.random.default_rng(5).standard_normal(80)
    fit = model("gamp", noise_variance=noise, tol=1e-5).fit(X, y)
    assert fit.fixed_point_residual_ <= 1e-5
    assert nmse(coef, fit.coef_) < 1e-2
    for storage in (sparse.csc_array, sparse.csr_array):
        other = model("gamp", noise_variance=noise, tol=1e-5).fit(storage(X), y)
        np.testing.assert_allclose(other.coef_, fit.coef_, atol=1e-6)
        np.testing.assert_allclose(other.predict(storage(X)), fit.predict(X), atol=1e-5)
    whole = model("gamp", noise_variance=noise).fit(aslinearoperator(X), y)
    assert whole.stationarity_ is None and whole.log_evidence_ is None
    assert nmse(coef, whole.coef_) < 1e-2
    assert whole.predict(aslinearoperator(X)).shape == (80,)
    shifted = SparseBayesianRegression("gamp", noise_variance=noise)
    shifted.fit(sparse.csc_array(X), y + 5.0)
    dense = SparseBayesianRegression("gamp", noise_variance=noise).fit(X, y + 5.0)
    np.testing.assert_allclose(shifted.coef_, dense.coef_, atol=1e-4)
    assert shifted.intercept_ == pytest.approx(5.0, abs=0.2)


def test_divergence_is_said():
    X, y, _, noise = draw(125, 250, 25, snr_db=60)
    X, y = X + 0.5, y + 0.5 * y.mean()
    with pytest.warns(ConvergenceWarning, match="take damping='auto'"):
        fit = model("gamp", noise_variance=noise, damping=1.0).fit(X, y)
    assert np.isfinite(fit.coef_).all() and np.isfinite(fit.coef_std_).all()


@pytest.mark.parametrize("solver", [*EXACT, "gamp"])
@pytest.mark.parametrize("noise_variance", ["auto", 0.1])
def test_degenerate_data_give_numbers(solver, noise_variance):
    X, y, _, _ = draw(20, 6, 2)
    repeated, empty = np.column_stack([X, X]), np.column_stack([X, 0 * y])
    for A, b in [
        (repeated, y), (empty, y), (X, 0 * y), (0 * X, y), (X, 1e-100 * y),
        (X[:1], y[:1]), (X, np.ones(20)),
    ]:  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = SparseBayesianRegression(solver, noise_variance=noise_variance)
            fit.fit(A, b)
        values = [
            fit.coef_, fit.coef_std_, fit.intercept_, fit.prior_variance_,
            fit.log_evidence_, fit.noise_variance_, fit.stationarity_,
        ]  # fmt: skip
        assert all(np.isfinite(value).all() for value in values)


def test_wrong_targets_are_named():
    X, y, _, _ = draw(20, 6, 2)
    with pytest.raises(ValueError, match="Complex data not supported"):
        SparseBayesianRegression().fit(1j * X, y)
    with pytest.raises(ValueError, match=r"y must have shape \(n_samples,\)"):
        model().fit(1j * X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="one row for each of 20 rows of X; got 19"):
        model().fit(1j * X, y[1:])


def test_predictive_covariances():
    X, y, _, _ = draw(50, 12, 3, snr_db=15)
    fit = SparseBayesianRegression(noise_variance=0.5).fit(X, y)
    mean, std = fit.predict(X[:6], return_std=True)
    again, cov = fit.predict(X[:6], return_cov=True)
    np.testing.assert_array_equal(again, mean)
    np.testing.assert_allclose(np.sqrt(cov.diagonal()), std)
    A, g = X - X.mean(axis=0), fit.prior_variance_
    C = covariance(A, g, 0.5)
    posterior = np.diag(g) - (A * g).T @ np.linalg.solve(C, A * g)
    expected = A[:6] @ posterior @ A[:6].T + 0.5 * np.eye(6)
    np.testing.assert_allclose(cov, expected, atol=1e-9)
    with pytest.raises(ValueError, match="return_cov must be False where return_std"):
        fit.predict(X, return_std=True, return_cov=True)


@pytest.mark.parametrize("is_complex", [False, True])
def test_draws_have_the_moments_of_the_posterior(is_complex):
    X, y, _, noise = draw(30, 8, 4, snr_db=5, is_complex=is_complex)
    fit = model(noise_variance=noise).fit(X, y)
    draws = fit.sample_posterior(20000, random_state=0)
    assert draws.shape == (20000, 8) and draws.dtype == fit.coef_.dtype
    np.testing.assert_array_equal(draws, fit.sample_posterior(20000, random_state=0))
    size = np.abs(fit.covariance_).max()
    rest = (draws - fit.coef_)[:, fit.active_]
    np.testing.assert_allclose(rest.mean(axis=0), 0, atol=0.04 * np.sqrt(size))
    found = rest.T @ rest.conj() / 20000
    np.testing.assert_allclose(found, fit.covariance_, atol=0.05 * size)
    assert not draws[:, ~fit.active_].any()
    with pytest.raises(ValueError, match="n_samples must be"):
        fit.sample_posterior(0)


def test_operators_have_no_covariance():
    X, y, _, noise = draw(30, 8, 2)
    fit = model("gamp", noise_variance=noise).fit(aslinearoperator(X), y)
    for call in (
        lambda: fit.sample_posterior(2),
        lambda: fit.predict(X, return_std=True),
        lambda: fit.predict(X, return_cov=True),
    ):
        with pytest.raises(ValueError, match="needs a covariance"):
            call()
