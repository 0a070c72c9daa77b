"""Blocks of coefficients: against dense formulas, reductions and recovery."""

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import BlockSparseBayesianRegression, SparseBayesianRegression
from sparsestat.bayes._blocks import Blocks
from sparsestat.bayes._columns import Columns
from sparsestat.bayes._correlation import ar1_matrix
from sparsestat.metrics import nmse

FORMS = ["none", "ar1", "full"]
# Blocks of sizes 1, 2, 3 and 4, not of neighbours.
LABELS = np.array([0, 1, 2, 2, 3, 3, 3, 1, 2, 3, 4, 5, 4, 5, 4])


def draw(m=60, size=4, n_blocks=15, n_active=2, r=0.9, snr_db=20, seed=0):
    rng = np.random.default_rng(seed)
    X, coef = rng.standard_normal((m, size * n_blocks)), np.zeros((n_blocks, size))
    root = np.linalg.cholesky(ar1_matrix(r, size))
    active = rng.choice(n_blocks, n_active, replace=False)
    coef[active] = rng.standard_normal((n_active, size)) @ root.T
    signal = X @ coef.ravel()
    noise = np.mean(signal**2) * 10 ** (-snr_db / 10)
    y = signal + np.sqrt(noise) * rng.standard_normal(m)
    return X, y, coef.ravel(), noise, np.sort(active)


def model(groups=4, **parameters):
    return BlockSparseBayesianRegression(groups, fit_intercept=False, **parameters)


def prior(fit, n_features):
    """Covariance of the coefficients."""
    G = np.zeros((n_features, n_features), complex)
    for part, g, B in zip(
        fit.feature_groups_, fit.block_variance_, fit.block_corr_, strict=True
    ):
        G[np.ix_(part, part)] = g * B
    return G if np.iscomplexobj(fit.coef_) else G.real


@pytest.mark.parametrize("intra", FORMS)
@pytest.mark.parametrize("m", [10, 40])
@pytest.mark.parametrize("is_complex", [False, True])
def test_results_are_those_of_the_model(intra, m, is_complex):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((m, 15)), rng.standard_normal(m)
    X[:, LABELS == 4] += y[:, None]
    if is_complex:
        X, y = X + 1j * rng.standard_normal(X.shape), y * (1 + 0.5j)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = model(
            LABELS, intra=intra, noise_variance=0.3, max_iter=20, allow_complex=True
        ).fit(X, y)
    G = prior(fit, 15)
    C = 0.3 * np.eye(m) + X @ G @ X.conj().T
    if is_complex:
        expected = -np.linalg.slogdet(C)[1] - (y.conj() @ np.linalg.solve(C, y)).real
        expected -= m * np.log(np.pi)
    else:
        expected = multivariate_normal(cov=C).logpdf(y)
    assert fit.log_evidence_ == pytest.approx(expected, rel=1e-9)
    gain = G @ X.conj().T @ np.linalg.inv(C)
    np.testing.assert_allclose(fit.coef_, gain @ y, atol=1e-9)
    covariance = (G - gain @ X @ G)[np.ix_(fit.active_, fit.active_)]
    np.testing.assert_allclose(fit.covariance_, covariance, atol=1e-9)
    np.testing.assert_allclose(fit.prior_variance_, G.diagonal().real, atol=1e-12)
    np.testing.assert_allclose(
        fit.coef_std_[fit.active_] ** 2, covariance.diagonal().real, atol=1e-9
    )


@pytest.mark.parametrize("solver", ["mm", "em", "mackay"])
@pytest.mark.parametrize("noise_variance", ["cv", 0.1])
def test_blocks_of_one_are_the_plain_regression(solver, noise_variance):
    X, y, _, _, _ = draw(m=30, size=1, n_blocks=14, n_active=3)
    options = {"solver": solver, "noise_variance": noise_variance, "max_iter": 30}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain = SparseBayesianRegression(**options).fit(X, y)
        fits = [
            BlockSparseBayesianRegression(1, intra=intra, **options).fit(X, y)
            for intra in FORMS
        ]
    for fit in fits:
        np.testing.assert_allclose(fit.coef_, plain.coef_, atol=1e-6)
        assert fit.log_evidence_ == pytest.approx(plain.log_evidence_, rel=1e-7)
        np.testing.assert_allclose(
            fit.block_variance_, plain.prior_variance_, atol=1e-6
        )


@pytest.mark.parametrize("noise_variance", ["em", 0.05])
@pytest.mark.parametrize("intra", FORMS)
@pytest.mark.parametrize("solver", ["mm", "em"])
@pytest.mark.parametrize("m", [10, 40])
def test_cost_never_rises(solver, intra, m, noise_variance):
    X, y, _, _, _ = draw(m, size=5, n_blocks=3)
    fit = model(
        LABELS, intra=intra, solver=solver, noise_variance=noise_variance, max_iter=50,
        tol=1e-12, prune_tol=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        fit.fit(X, y)
    costs = np.array(fit.history_["cost"])
    assert np.diff(costs).max() <= 1e-9 * np.abs(costs).max()


@pytest.mark.parametrize("intra", ["none", "ar1"])
def test_slopes_are_those_of_the_cost(intra):
    X, y, _, _, _ = draw(20, size=5, n_blocks=3)
    sets = [np.flatnonzero(LABELS == k) for k in range(6)]
    blocks = Blocks(Columns(X), y[:, None], len(y), sets, intra)
    blocks.r = r = 0.4 if intra == "ar1" else 0.0
    g = np.random.default_rng(0).gamma(1.0, size=6)
    look = blocks.look(g, 0.3)

    def cost(theta):
        C = 0.3 * np.eye(len(y))
        for part, log in zip(blocks.sets, theta, strict=False):
            B = ar1_matrix(np.tanh(theta[-1]), len(part))
            C += np.exp(log) * X[:, part] @ B @ X[:, part].T
        return np.linalg.slogdet(C)[1] + y @ np.linalg.solve(C, y)

    expected = approx_fprime(np.append(np.log(g), np.arctanh(r)), cost, 1e-6)
    slopes = blocks.lengths * (look.share - look.power)
    np.testing.assert_allclose(slopes, expected[:-1], atol=1e-4)
    if intra == "ar1":
        count = blocks.lengths[blocks.lengths > 1].sum()
        assert blocks.slope() * count == pytest.approx(abs(expected[-1]), rel=1e-3)


@pytest.mark.parametrize("intra", FORMS)
def test_every_exit_is_stationary(intra):
    X, y, _, noise, _ = draw()
    fit = model(intra=intra, noise_variance=noise, prune_tol=1e-3).fit(X, y)
    assert fit.stationarity_ <= 1e-3
    C = noise * np.eye(len(y)) + X @ prior(fit, 60) @ X.T
    solved = np.linalg.solve(C, np.column_stack([y, X]))
    for part, g, B in zip(
        fit.feature_groups_, fit.block_variance_, fit.block_corr_, strict=True
    ):
        seen = X[:, part].T @ solved[:, 0]
        up = seen @ B @ seen
        down = np.trace(X[:, part].T @ solved[:, 1 + part] @ B)
        if g > 0:
            assert abs(g * (up - down)) <= 4.1e-3
        else:
            assert up <= down * (1 + 1.1e-3)


def test_stationarity_counts_what_was_pruned():
    X, y, _, noise, _ = draw()
    with pytest.warns(ConvergenceWarning):
        fit = model(noise_variance=noise, max_iter=1, prune_tol=0.9).fit(X, y)
    assert (fit.block_variance_ == 0).any()
    assert fit.stationarity_ > 0.1


def test_correlation_pays_and_is_found():
    errors, found = [], []
    for seed in range(4):
        X, y, coef, noise, active = draw(40, 10, 12, 3, r=0.95, snr_db=10, seed=seed)
        fits = [
            model(10, intra=intra, noise_variance=noise).fit(X, y)
            for intra in ("none", "ar1")
        ]
        single = SparseBayesianRegression(noise_variance=noise, fit_intercept=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits.append(single.fit(X, y))
        errors.append([nmse(coef, fit.coef_) for fit in fits])
        found.append(fits[1].block_corr_[0][0, 1])
        assert set(active) <= set(np.flatnonzero(fits[1].block_variance_))
    none, ar1, apart = np.mean(errors, axis=0)
    assert ar1 < 0.7 * none < 0.7 * apart
    assert np.mean(found) > 0.6


def test_order_of_features_does_not_matter():
    X, y, _, noise, _ = draw()
    labels = np.arange(60) // 4
    order = np.random.default_rng(0).permutation(60)
    fits = [
        model(groups, intra="none", noise_variance=noise).fit(A, y)
        for A, groups in [(X, labels), (X[:, order], labels[order])]
    ]
    np.testing.assert_allclose(fits[1].coef_, fits[0].coef_[order], atol=1e-8)


def test_weights_are_copies():
    X, y, _, _, _ = draw(40, 3, 8)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    for policy in ("em", "cv", 0.3):
        fits = [
            model(3, noise_variance=policy, noise_floor=0.01, max_iter=30)
            for _ in range(2)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits[0].fit(X, y, sample_weight=weights)
            fits[1].fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-7)


@pytest.mark.parametrize(
    "intra, policy", [("none", "cv"), ("ar1", "em"), ("full", 0.1)]
)
def test_degenerate_data_give_numbers(intra, policy):
    X, y, _, _, _ = draw(20, 3, 2, 1)
    for A, b in [
        (np.column_stack([X, X]), y), (np.column_stack([X, 0 * X]), y), (X, 0 * y),
        (0 * X, y), (X[:1], y[:1]), (X, np.ones(20)),
    ]:  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = BlockSparseBayesianRegression(
                3, intra=intra, noise_variance=policy, max_iter=60
            )
            fit.fit(A, b)
        values = [
            fit.coef_, fit.coef_std_, fit.intercept_, fit.prior_variance_,
            fit.log_evidence_, fit.noise_variance_, fit.stationarity_,
        ]  # fmt: skip
        assert all(np.isfinite(value).all() for value in values)


def test_features_without_a_block_are_named():
    X, y, _, _, _ = draw()
    with pytest.raises(ValueError, match="feature 0 has the label -1"):
        model([-1] + [0] * 59).fit(X, y)
    with pytest.raises(ValueError, match="must not overlap"):
        model([list(range(60)), [3]]).fit(X, y)
