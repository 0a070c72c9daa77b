"""Targets in time by inverses: against dense formulas, and what they reduce to."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import (
    BlockSparseBayesianRegression,
    MultiTaskSparseBayesianRegression,
    SparseBayesianRegression,
)
from sparsestat.bayes._columns import Columns
from sparsestat.bayes._correlation import Ar1Bound, ar1_matrix, geometric_mean
from sparsestat.bayes._posterior import Problem, moments
from sparsestat.bayes._temporal import Temporal, temporal_moments
from sparsestat.datasets import make_mmv
from sparsestat.metrics import nmse

FORMS = ["ar1", "full"]


def model(temporal, **parameters):
    return MultiTaskSparseBayesianRegression(
        temporal, **{"fit_intercept": False, "allow_complex": True, **parameters}
    )


def draw(m=12, n=16, T=3, is_complex=False, seed=0):
    data = make_mmv(
        m, n, n_targets=T, n_nonzero_coefs=3, temporal_correlation=0.8, snr_db=15,
        random_state=seed,
    )  # fmt: skip
    X, Y = data.data, data.target
    if is_complex:
        other = make_mmv(
            m, n, n_targets=T, n_nonzero_coefs=3, temporal_correlation=0.8,
            snr_db=15, random_state=seed + 1,
        )  # fmt: skip
        X, Y = X + 1j * other.data, Y + 1j * other.target
    return X, Y, data.noise_variance


def dense(X, Y, g, B, noise):
    """Cost, means and covariance of vec(coefficients), targets fastest."""
    A = np.kron(X, np.eye(len(B)))
    prior = np.kron(np.diag(g), B)
    C = noise * np.eye(len(A)) + A @ prior @ A.conj().T
    gain = prior @ A.conj().T @ np.linalg.inv(C)
    y = Y.ravel()
    cost = np.linalg.slogdet(C)[1] + (y.conj() @ np.linalg.solve(C, y)).real
    return cost, (gain @ y).reshape(-1, len(B)).T, prior - gain @ A @ prior


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("temporal", FORMS)
@pytest.mark.parametrize("solver", ["mm", "em", "mackay"])
def test_results_are_those_of_the_model(temporal, solver, is_complex):
    X, Y, noise = draw(is_complex=is_complex)
    fit = model(
        temporal, solver=solver, noise_variance=noise, max_iter=5000, tol=0.01
    ).fit(X, Y)
    g, T = fit.prior_variance_, Y.shape[1]
    cost, mean, covariance = dense(X, Y, g, fit.temporal_cov_, noise)
    assert fit.stationarity_ <= 0.01
    cost += Y.size * np.log(np.pi if is_complex else 2 * np.pi)
    half = 1.0 if is_complex else 0.5
    assert fit.log_evidence_ == pytest.approx(-half * cost / T, rel=1e-9)
    np.testing.assert_allclose(fit.coef_, mean, atol=1e-8)
    whole = covariance.reshape(len(g), T, len(g), T)
    kept = np.flatnonzero(fit.active_)
    for t in range(T):
        np.testing.assert_allclose(
            fit.covariance_[t], whole[:, t][:, :, t][np.ix_(kept, kept)], atol=1e-9
        )
    std = np.sqrt(np.maximum(covariance.diagonal().real, 0)).reshape(-1, T).T
    np.testing.assert_allclose(fit.coef_std_, std, atol=1e-7)
    assert fit.temporal_cov_.diagonal().real.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(12, 8), (8, 12)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_without_correlation_they_are_independent(shape, is_complex):
    X, Y, noise = draw(*shape, is_complex=is_complex)
    g = np.random.default_rng(0).gamma(1.0, size=shape[1])
    g[1] = 0.0
    problem = Problem(X, Y, len(Y))
    one, other = (
        temporal_moments(problem, g, noise, np.ones(3)), moments(problem, g, noise)
    )  # fmt: skip
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-10)
    np.testing.assert_allclose(one.share[:, 2], other.determined, atol=1e-10)
    assert one.cost == pytest.approx(other.cost, rel=1e-10)


@pytest.mark.parametrize("temporal", FORMS)
def test_one_target_is_the_single_regression(temporal):
    X, Y, noise = draw(T=1)
    one = SparseBayesianRegression(noise_variance=noise, fit_intercept=False)
    one.fit(X, Y[:, 0])
    many = model(temporal, noise_variance=noise).fit(X, Y)
    np.testing.assert_allclose(many.coef_[0], one.coef_, atol=1e-6)
    assert many.log_evidence_ == pytest.approx(one.log_evidence_, rel=1e-6)


@pytest.mark.parametrize("temporal", FORMS)
@pytest.mark.parametrize("solver", ["mm", "em"])
def test_targets_are_blocks_of_an_expanded_matrix(temporal, solver):
    X, Y, noise = draw()
    options = {"solver": solver, "noise_variance": noise, "max_iter": 30, "tol": 1e-9}
    with pytest.warns(ConvergenceWarning):
        time = model(temporal, **options).fit(X, Y)
    blocks = BlockSparseBayesianRegression(
        3, intra=temporal, fit_intercept=False, **options
    )
    with pytest.warns(ConvergenceWarning):
        blocks.fit(np.kron(X, np.eye(3)), Y.ravel())
    np.testing.assert_allclose(time.coef_, blocks.coef_.reshape(-1, 3).T, atol=1e-7)
    np.testing.assert_allclose(time.temporal_cov_, blocks.block_corr_[0], atol=1e-6)
    assert 3 * time.log_evidence_ == pytest.approx(blocks.log_evidence_, rel=1e-8)


@pytest.mark.parametrize("is_complex", [False, True])
def test_slopes_are_those_of_the_cost(is_complex):
    X, Y, noise = draw(is_complex=is_complex)
    g = np.random.default_rng(0).gamma(1.0, size=16)
    structure = Temporal(Columns(X), Y, len(Y), "ar1", 0.4)
    structure.restrict(np.arange(16))
    look = structure.look(g, noise)

    def cost(theta):
        B = ar1_matrix(np.tanh(theta[-1]), 3)
        return dense(X, Y, np.exp(theta[:-1]), B, noise)[0]

    expected = approx_fprime(np.append(np.log(g), np.arctanh(0.4)), cost, 1e-6)
    np.testing.assert_allclose(3 * (look.share - look.power), expected[:-1], atol=1e-4)
    assert structure.slope() * 16 * 3 == pytest.approx(abs(expected[-1]), rel=1e-3)


@pytest.mark.parametrize("noise_variance", ["em", 0.05])
@pytest.mark.parametrize("temporal", FORMS)
@pytest.mark.parametrize("solver", ["mm", "em"])
@pytest.mark.parametrize("shape", [(30, 12), (12, 20)])
def test_cost_never_rises(solver, temporal, shape, noise_variance):
    X, Y, _ = draw(*shape)
    fit = model(
        temporal, solver=solver, noise_variance=noise_variance, max_iter=60, tol=1e-12,
        prune_tol=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        fit.fit(X, Y)
    costs = np.array(fit.history_["cost"])
    assert np.diff(costs).max() <= 1e-9 * np.abs(costs).max()


def test_stationarity_counts_what_was_pruned():
    X, Y, noise = draw()
    with pytest.warns(ConvergenceWarning):
        fit = model("ar1", noise_variance=noise, max_iter=1, prune_tol=0.9).fit(X, Y)
    B, zero = fit.temporal_cov_, ~fit.active_
    A = np.kron(X, np.eye(3))
    C = noise * np.eye(len(A)) + A @ np.kron(np.diag(fit.prior_variance_), B) @ A.T
    excess = []
    for j in np.flatnonzero(zero):
        part = A[:, 3 * j : 3 * j + 3]
        seen = part.T @ np.linalg.solve(C, Y.ravel())
        down = np.trace(part.T @ np.linalg.solve(C, part) @ B)
        excess.append(seen @ B @ seen / down - 1)
    assert fit.stationarity_ >= max(excess) - 1e-8
    assert max(excess) > 0


def test_pruned_variances_come_back():
    X, Y, noise = draw(20, 30)
    fit = model("ar1", noise_variance=noise, prune_tol=0.2).fit(X, Y)
    assert fit.stationarity_ <= 1e-3
    counts = np.array(fit.history_["n_active"])
    assert np.diff(counts).max() == 1 and counts[-1] < 30


def test_time_pays():
    errors, correlations = [], []
    for seed in range(3):
        data = make_mmv(
            25, 125, n_nonzero_coefs=14, temporal_correlation=0.9, random_state=seed
        )
        fits = [
            model(temporal, solver="mackay", noise_variance=data.noise_variance).fit(
                data.data, data.target
            )
            for temporal in ("none", "ar1", "full")
        ]
        errors.append([nmse(data.coef, fit.coef_) for fit in fits])
        correlations.append(fits[1].temporal_cov_[0, 1])
    none, ar1, full = np.mean(errors, axis=0)
    assert max(ar1, full) < 0.2 * none
    assert np.mean(correlations) == pytest.approx(0.87, abs=0.08)


def test_evidence_of_messages_is_exact():
    X, Y, noise = draw(30, 20)
    fit = model("ar1", solver="gamp", noise_variance=noise).fit(X, Y)
    cost = dense(X, Y, fit.prior_variance_, fit.temporal_cov_, noise)[0]
    expected = -0.5 * (cost + Y.size * np.log(2 * np.pi)) / 3
    assert fit.log_evidence_ == pytest.approx(expected, rel=1e-9)


def test_noise_policies():
    X, Y, noise = draw(40, 15)
    for policy in ("em", "cv"):
        fit = model("ar1", noise_variance=policy, max_iter=5000).fit(X, Y)
        assert noise / 6 < fit.noise_variance_ < 6 * noise


def test_full_needs_inverses():
    X, Y, _ = draw()
    with pytest.raises(ValueError, match=r"solver must be .* with temporal='full'"):
        model("full", solver="gamp").fit(X, Y)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_bound_of_a_first_order_correlation(size):
    rng = np.random.default_rng(size)
    P, Q = (F @ F.T for F in rng.standard_normal((2, size, size)))
    bound = Ar1Bound.of(Q, P, 0.7)

    def value(r):
        B = ar1_matrix(r, size)
        logs = 0.7 * np.linalg.slogdet(B)[1]
        return np.trace(P @ B) + np.trace(np.linalg.solve(B, Q)) + logs

    for r in (-0.7, 0.0, 0.3, 0.9):
        assert bound.value(r) == pytest.approx(value(r))
        slope, bend = bound.slopes(r)
        assert slope == pytest.approx((value(r + 1e-6) - value(r - 1e-6)) / 2e-6, 1e-5)
        steps = [bound.slopes(r + s)[0] for s in (1e-6, -1e-6)]
        assert bend == pytest.approx((steps[0] - steps[1]) / 2e-6, 1e-5)
        assert bound.value(bound.lower(r)) <= bound.value(r)


def test_geometric_mean_minimises():
    rng = np.random.default_rng(0)
    P, Q = (
        F @ F.conj().T for F in rng.standard_normal((2, 4, 4, 2)) @ np.array([1, 1j])
    )
    B = geometric_mean(P, Q)
    np.testing.assert_allclose(B @ P @ B, Q, atol=1e-8)  # the stationary point
    assert np.linalg.eigvalsh(B).min() > 0


@pytest.mark.parametrize("temporal", ["none", "ar1", "full"])
def test_predictions_and_draws_in_time(temporal):
    X, Y, noise = draw(20, 6)
    fit = model(temporal, noise_variance=noise).fit(X, Y)
    covariance = dense(X, Y, fit.prior_variance_, fit.temporal_cov_, noise)[2]
    mean, std = fit.predict(X[:4], return_std=True)
    _, cov = fit.predict(X[:4], return_cov=True)
    assert mean.shape == std.shape == (4, 3) and cov.shape == (4, 4, 3)
    A = np.kron(X[:4], np.eye(3))
    whole = (A @ covariance @ A.T).reshape(4, 3, 4, 3)
    for t in range(3):
        expected = whole[:, t, :, t] + noise * np.eye(4)
        np.testing.assert_allclose(cov[:, :, t], expected, atol=1e-9)
        np.testing.assert_allclose(std[:, t] ** 2, expected.diagonal(), atol=1e-9)
    draws = fit.sample_posterior(20000, random_state=0)
    assert draws.shape == (20000, 3, 6)
    rest = (draws - fit.coef_).transpose(0, 2, 1).reshape(20000, -1)
    size = np.abs(covariance).max()
    np.testing.assert_allclose(rest.T @ rest / 20000, covariance, atol=0.05 * size)
