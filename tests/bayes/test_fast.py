"""Steps of the fast solver against dense formulas, and where it ends."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ARDRegression

from sparsestat.bayes import SparseBayesianRegression
from sparsestat.bayes._columns import Columns
from sparsestat.bayes._fast import _look, learn_fast
from sparsestat.bayes._fast_kernels import climb, minimise_box
from sparsestat.bayes._fast_newton import Newton, State
from sparsestat.bayes._fast_workspace import Workspace
from sparsestat.bayes._posterior import Problem, learn, moments, violation


def draw(m=20, n=12, k=3, n_targets=1, is_complex=False, seed=0, snr_db=20):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if is_complex else real

    A, X = normal(m, n), np.zeros((n, n_targets), complex if is_complex else float)
    X[rng.choice(n, k, replace=False)] = normal(k, n_targets)
    Y = A @ X
    scale = np.sqrt(np.mean(np.abs(Y) ** 2)) or 1.0
    return A, Y / scale + 10 ** (-snr_db / 20) * normal(m, n_targets)


def dense_cost(A, Y, g, noise):
    C = noise * np.eye(len(A)) + (A * g) @ A.conj().T
    quadratic = np.vdot(Y, np.linalg.solve(C, Y)).real / Y.shape[1]
    return np.linalg.slogdet(C)[1] + quadratic


def workspace(A, Y, g=None):
    work = Workspace(Columns(A), Y, len(Y))
    work.add(np.arange(A.shape[1]), 0.0 if g is None else g)
    return work


def run_climb(work, noise, max_steps, tol=0.0, coarse=0.0):
    """The kernel from a fresh posterior; what it leaves behind."""
    found, g = work.posterior(work.g, noise), work.g
    w, act, kind = len(g), found.act, work.gram.dtype
    Sigma, mean = np.zeros((w, w), kind), np.zeros((w, work.Y.shape[1]), kind)
    Sigma[np.ix_(act, act)], mean[act] = found.covariance, found.mean
    S = work.sparsity(work.gram[act], work.energy, found, noise)
    Q = np.ascontiguousarray(work.quality(work.gram[act], work.products, found, noise))
    order = np.zeros(w, dtype=np.int64)
    order[: len(act)] = act
    done = climb(
        work.gram, S, Q, Sigma, mean, g, order, len(act), noise, np.zeros(w), tol,
        coarse, max_steps,
    )  # fmt: skip
    return done, S, Q, Sigma, mean


KINDS = [(False, 1), (True, 1), (False, 3), (True, 2)]


@pytest.mark.parametrize("is_complex, n_targets", KINDS)
def test_each_step_gains_most_of_all_single_changes(is_complex, n_targets):
    A, Y = draw(n_targets=n_targets, is_complex=is_complex, snr_db=5)
    work, noise = workspace(A, Y), 0.2
    for _ in range(15):
        g = work.g.copy()
        now, best = dense_cost(A, Y, g, noise), np.zeros(len(g))
        for j in range(len(g)):
            rest = np.where(np.arange(len(g)) == j, 0.0, g)
            C = noise * np.eye(len(A)) + (A * rest) @ A.conj().T
            solved = np.linalg.solve(C, np.column_stack([A[:, j], Y]))
            s = (A[:, j].conj() @ solved[:, 0]).real
            q = np.mean(np.abs(A[:, j].conj() @ solved[:, 1:]) ** 2)
            rest[j] = max(0.0, (q - s) / s**2)
            best[j] = now - dense_cost(A, Y, rest, noise)
        done, *_ = run_climb(work, noise, 1)
        assert done == 1
        gain = now - dense_cost(A, Y, work.g, noise)
        assert gain == pytest.approx(best.max(), abs=1e-9)
        assert np.count_nonzero(work.g != g) == 1


@pytest.mark.parametrize("is_complex, n_targets", KINDS)
def test_updates_of_rank_one_are_a_fresh_posterior(is_complex, n_targets):
    A, Y = draw(n_targets=n_targets, is_complex=is_complex, snr_db=5)
    g = np.random.default_rng(1).gamma(1.0, size=12) * (np.arange(12) > 5)
    work, noise = workspace(A, Y, g), 0.2
    done, S, Q, Sigma, mean = run_climb(work, noise, 40)
    assert done > 10 and (work.g[g > 0] == 0).any() and (work.g[g == 0] > 0).any()
    C = noise * np.eye(len(A)) + (A * work.g) @ A.conj().T
    inverse = np.linalg.inv(C)
    Q_dense = A.conj().T @ inverse @ Y
    gain = work.g[:, None] * (A.conj().T @ inverse)
    np.testing.assert_allclose(mean, gain @ Y, atol=1e-11)
    np.testing.assert_allclose(Sigma, np.diag(work.g) - gain @ (A * work.g), atol=1e-11)
    np.testing.assert_allclose(Q, Q_dense, atol=1e-10)
    np.testing.assert_allclose(
        S, np.einsum("mi,mn,ni->i", A.conj(), inverse, A).real, atol=1e-10
    )


@pytest.mark.parametrize("is_complex, n_targets", KINDS)
def test_posterior_is_the_dense_one(is_complex, n_targets):
    A, Y = draw(n_targets=n_targets, is_complex=is_complex)
    g = np.random.default_rng(1).gamma(1.0, size=12)
    g[[2, 7]] = 0.0
    work = workspace(A, Y, g)
    found, kept = work.posterior(g, 0.3), np.flatnonzero(g)
    now = moments(Problem(A[:, kept], Y, len(Y)), g[kept], 0.3)
    np.testing.assert_array_equal(found.act, kept)
    np.testing.assert_allclose(found.mean, now.mean, atol=1e-12)
    np.testing.assert_allclose(found.covariance, now.covariance(), atol=1e-12)
    np.testing.assert_allclose(found.share, now.determined, atol=1e-12)
    assert found.cost == pytest.approx(dense_cost(A, Y, g, 0.3), rel=1e-12)


@pytest.mark.parametrize("fixed_noise", [True, False])
@pytest.mark.parametrize("is_complex, n_targets", KINDS)
def test_newton_has_the_derivatives_of_the_cost(is_complex, n_targets, fixed_noise):
    A, Y = draw(n_targets=n_targets, is_complex=is_complex)
    g = np.random.default_rng(1).gamma(1.0, size=12)
    g[[3, 8]] = 0.0
    newton = Newton(State(workspace(A, Y, g), 0.3, fixed_noise, 0.0))
    here, new = np.arange(10), np.array([3, 8])
    part = np.concatenate([newton.found.act, new])
    alone = newton.S / (1.0 - g * newton.S)  # as if each were absent

    def unfold(x):
        moved = np.zeros(12)
        moved[part] = x[:12]
        return np.expm1(moved + np.log1p(g * alone)) / alone, np.exp(x[12])

    def slopes(x):
        g, noise = unfold(x)
        inverse = np.linalg.inv(noise * np.eye(len(A)) + (A * g) @ A.conj().T)
        S = np.einsum("mi,mn,ni->i", A.conj(), inverse, A).real
        Q, solved = A.conj().T @ inverse @ Y, inverse @ Y
        up = (S - np.mean(np.abs(Q) ** 2, axis=1)) * (1.0 / alone + g)
        trace = np.trace(inverse).real - np.mean(np.sum(np.abs(solved) ** 2, axis=0))
        return np.append(up[part], noise * trace)

    x = np.append(np.zeros(12), np.log(0.3))
    expected = approx_fprime(x, lambda x: dense_cost(A, Y, *unfold(x)), 1e-7)
    np.testing.assert_allclose(slopes(x), expected, atol=1e-4)
    np.testing.assert_allclose(1.0 - newton.ratio[part], expected[:12], atol=1e-4)
    hessian = approx_fprime(x, slopes, 1e-6)
    found = newton._hessian(here, new)
    np.testing.assert_allclose(found[:12, :12], hessian[:12, :12], atol=1e-4)
    if not fixed_noise:
        assert newton.noise_slope == pytest.approx(expected[12], abs=1e-4)
        # That of absent features and the noise is taken to be zero.
        side = np.append(hessian[12, :10], hessian[12, 12])
        np.testing.assert_allclose(found[12, [*range(10), 12]], side, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_quadratic_model_is_minimised_in_its_box(seed):
    rng = np.random.default_rng(seed)
    F, slope = rng.standard_normal((12, 8)), 5.0 * rng.standard_normal(8)
    lower, upper = -rng.random(8), rng.random(8)
    H = F.T @ F
    x = minimise_box(H, slope, lower, upper, 1000, 1e-10)
    gradient = H @ x + slope
    np.testing.assert_allclose(np.clip(x - gradient, lower, upper), x, atol=1e-7)
    assert (x == lower).any() or (x == upper).any()
    # Without a minimum it goes to the corners, and no farther.
    assert np.isin(minimise_box(-H, slope, lower, upper, 9, 0.0), [lower, upper]).all()


@pytest.mark.parametrize("fixed_noise", [True, False])
@pytest.mark.parametrize("is_complex, n_targets", KINDS)
@pytest.mark.parametrize("shape", [(30, 80), (60, 25)])
def test_ends_where_majorisation_stays(shape, is_complex, n_targets, fixed_noise):
    A, Y = draw(*shape, 4, n_targets, is_complex)
    work = Workspace(Columns(A), Y, len(Y))
    fit = learn_fast(
        work, 0.05, fixed_noise=fixed_noise, noise_floor=1e-3, max_iter=100, tol=1e-6
    )
    found = violation(Columns(A), Y, fit.g, fit.noise)
    assert fit.worst == pytest.approx(found.worst, abs=1e-8) and fit.worst <= 1e-6
    if n_targets == 1:
        assert np.count_nonzero(fit.g) <= len(Y)
    after = learn(
        Problem(A, Y, len(Y)), fit.g, fit.noise, solver="mm", fixed_noise=fixed_noise,
        noise_floor=1e-3, prune_tol=0.0, max_iter=20, tol=1e-12, tol_step=0.0,
    )  # fmt: skip
    assert after.noise == pytest.approx(fit.noise, rel=1e-4)
    np.testing.assert_allclose(after.g, fit.g, atol=1e-3 * fit.g.max())
    costs = fit.history["cost"]
    assert fit.history["cost"][-1] == pytest.approx(
        dense_cost(A, Y, fit.g, fit.noise), rel=1e-9
    )
    assert np.diff(costs).max(initial=0.0) <= 1e-9 * np.abs(costs).max()


def test_early_stops_tell_the_true_violation():
    A, Y = draw(40, 100, 10)
    for max_iter in (1, 2, 3):
        work = Workspace(Columns(A), Y, len(Y))
        fit = learn_fast(
            work, 0.01, fixed_noise=True, noise_floor=0.0, max_iter=max_iter, tol=1e-4
        )
        expected = violation(Columns(A), Y, fit.g, fit.noise).worst
        assert fit.n_iter == max_iter
        assert fit.worst == pytest.approx(expected, rel=1e-6)
    with pytest.warns(ConvergenceWarning, match=r"stationarity_ is .* after 2"):
        SparseBayesianRegression("fast", max_iter=2, noise_variance=0.01).fit(
            A, Y[:, 0]
        )


def test_looks_at_what_is_likely_first():
    A, Y = draw(30, 60, 4)
    work = Workspace(Columns(A), Y, len(Y))
    fit = learn_fast(
        work, 0.05, fixed_noise=True, noise_floor=0.0, max_iter=100, tol=1e-3
    )
    state = State(work, 0.05, True, 0.0)
    ratio = _look(state, np.inf)
    assert (ratio[work.index] == 0.0).all()
    ratio[work.index] = Newton(state).ratio
    C = 0.05 * np.eye(30) + (A * fit.g) @ A.T
    solved = np.linalg.solve(C, np.column_stack([Y, A]))
    expected = (A.T @ solved[:, 0]) ** 2 / (A * solved[:, 1:]).sum(axis=0)
    zero = fit.g == 0
    np.testing.assert_allclose(ratio[zero], expected[zero], rtol=1e-8)


def test_few_columns_are_multiplied():
    A, Y = draw(100, 2000, 5)
    work = Workspace(Columns(A), Y, len(Y))
    learn_fast(work, 0.01, fixed_noise=True, noise_floor=0.0, max_iter=100, tol=1e-3)
    assert len(work.index) < 300 and work._n_crosses < 150


@pytest.mark.parametrize("storage", [sparse.csc_array, sparse.csr_array])
def test_sparse_matrices_are_not_expanded(storage, monkeypatch):
    A, Y = draw(60, 120, 4)
    A = np.where(np.abs(A) > 0.8, A + 2.0, 0.0)
    weight = np.random.default_rng(0).integers(0, 3, 60)
    for noise in (0.1, "auto"):
        model = SparseBayesianRegression("fast", noise_variance=noise)
        dense = model.fit(A, Y[:, 0], weight)
        expected, y, std = dense.coef_, *dense.predict(A, return_std=True)
        model.fit(storage(A), Y[:, 0], weight)
        np.testing.assert_allclose(model.coef_, expected, atol=1e-8)
        found = model.predict(storage(A), return_std=True)
        np.testing.assert_allclose(found, (y, std), atol=1e-8)

    wide = sparse.random_array(
        (200, 10_000), density=0.01, format="csc", rng=np.random.default_rng(0)
    )
    y = wide[:, [3]].toarray().ravel() + 0.01 * np.random.default_rng(1).random(200)
    expanded = storage.toarray

    def guard(self, *args, **kwargs):
        assert self.shape[1] < 1000
        return expanded(self, *args, **kwargs)

    monkeypatch.setattr(storage, "toarray", guard)
    fit = SparseBayesianRegression("fast", noise_variance=1e-5).fit(storage(wide), y)
    assert fit.active_[3] and fit.stationarity_ <= 1e-3


def test_single_precision_is_not_copied():
    A, Y = draw(300, 40, 4)
    single = A.astype(np.float32)
    for X in (single, np.asfortranarray(single)):
        fit = SparseBayesianRegression("fast", noise_variance=0.1).fit(X, Y[:, 0])
        double = SparseBayesianRegression("fast", noise_variance=0.1)
        double.fit(single.astype(float), Y[:, 0])
        assert fit.coef_.dtype == np.float32
        np.testing.assert_allclose(fit.coef_, double.coef_, atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 150), (150, 60)])
def test_evidence_is_higher_than_that_of_scikit_learn(shape):
    A, Y = draw(*shape, 8, snr_db=30)
    y = Y[:, 0]
    peer = ARDRegression(fit_intercept=False).fit(A, y)
    fit = SparseBayesianRegression(
        "fast", noise_variance=1.0 / peer.alpha_, fit_intercept=False
    ).fit(A, y)
    theirs = np.where(peer.coef_ != 0, 1 / peer.lambda_, 0.0)
    C = np.eye(len(y)) / peer.alpha_ + (A * theirs) @ A.T
    assert fit.log_evidence_ > multivariate_normal(cov=C).logpdf(y)


def test_hardly_any_noise():
    A, Y = draw(30, 60, 4, snr_db=200)
    repeated = np.column_stack([A, A, 2 * A[:, :3] - A[:, 3:6]])
    for noise in (1e-9, 1e-11, 1e-13, 1e-18):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = SparseBayesianRegression("fast", noise_variance=noise)
            fit.fit(repeated, Y[:, 0])
        assert np.isfinite(fit.coef_).all() and np.isfinite(fit.log_evidence_)
        np.testing.assert_allclose(fit.predict(repeated), Y[:, 0], atol=1e-6)
