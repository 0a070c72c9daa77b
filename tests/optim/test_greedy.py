"""Greedy recovery: fixed points, finite steps, and other implementations."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator
from sklearn.linear_model import (
    OrthogonalMatchingPursuit,
    orthogonal_mp,
    orthogonal_mp_gram,
)

from sparsestat.optim import greedy_problem, sensing
from sparsestat.optim.batch_omp import batch_omp
from sparsestat.optim.greedy import (
    GROWING,
    SOLVERS,
    _cosamp,
    _iht,
    _niht,
    _nst,
    _nst_suboptimal,
    _sp,
    hard_threshold,
    recover,
)
from sparsestat.optim.greedy_problem import Problem, least_squares
from sparsestat.optim.sensing import make_sensing, square_norm
from sparsestat.utils.topk import top_k, top_k_mask

FINITE = ["htp", "ghtp", "nst", "adptnst"]


def draw(seed, m=64, n=160, s=8, amplitudes="gaussian", complex_=False):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    values = rng.standard_normal(s)
    if amplitudes == "flat":
        values = rng.choice([-1.0, 1.0], s)
    if complex_:
        A = A + 1j * rng.standard_normal((m, n))
        values = values * np.exp(2j * np.pi * rng.uniform(size=s))
    A /= np.linalg.norm(A, axis=0)
    x = np.zeros(n, A.dtype)
    x[rng.choice(n, s, replace=False)] = values
    return A, x


def naive_top_k(values, k):
    order = sorted(range(len(values)), key=lambda j: (-values[j], j))
    return sorted(order[:k])


@pytest.mark.parametrize("seed", range(20))
def test_top_k_breaks_ties_by_the_lowest_index(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (5, 12)).astype(float)
    for k in range(-1, 14):
        mask = top_k_mask(values, k)
        for row, kept in zip(values, mask, strict=True):
            expected = naive_top_k(row, max(k, 0))
            assert list(np.flatnonzero(kept)) == expected == list(top_k(row, k))


def test_hard_threshold_of_complex_numbers():
    x = np.array([1j, -2.0, 2j, 0.5])
    np.testing.assert_array_equal(hard_threshold(x, 1), [0, -2, 0, 0])
    np.testing.assert_array_equal(x[0], 1j)


@pytest.mark.parametrize("complex_", [False, True])
def test_iterative_thresholding_descends_to_a_fixed_point(complex_):
    for seed in range(5):
        A, x = draw(seed, s=4, complex_=complex_)
        result = recover(make_sensing(A), A @ x, 4, "iht", max_iter=20_000)
        assert result.converged
        assert result.stationarity <= 1e-10
        assert result.residual_norm < np.linalg.norm(A @ x)


@pytest.mark.parametrize("solver", ["iht", "niht"])
def test_least_squares_at_the_end_may_be_all_that_was_missing(solver):
    A, x = draw(0, s=4)
    A = A[:10]
    result = recover(make_sensing(A), A @ x, 10, solver, max_iter=20)
    assert result.n_iter == 20
    assert result.residual_norm <= 1e-8 * np.linalg.norm(A @ x)
    assert result.converged


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("method", [_iht, _niht])
def test_every_thresholded_step_descends(method, complex_):
    """A step that is exact on one support may be too long for another."""
    for seed in range(10):
        A, x = draw(seed, s=10, complex_=complex_)
        A = np.cumsum(A, axis=1)
        problem = Problem(make_sensing(A), A @ x, 10, "auto", None)
        norms = [np.linalg.norm(A @ x)]
        for _, found in zip(range(40), method(problem), strict=False):
            norms.append(np.linalg.norm(found.residual))
        assert (np.diff(norms) <= 1e-12 * norms[0]).all()
        assert norms[-1] < 0.9 * norms[0]


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "iht"])
def test_easy_signals_are_recovered(solver, complex_):
    for seed in range(5):
        A, x = draw(seed, s=6, complex_=complex_)
        size = None if solver in GROWING else 6
        result = recover(make_sensing(A), A @ x, size, solver, max_iter=3000, tol=1e-10)
        np.testing.assert_allclose(result.x, x, atol=1e-8)
        np.testing.assert_array_equal(result.support, np.flatnonzero(x))
        assert result.converged
        assert result.normal_residual <= 1e-10
        assert result.residual_norm <= 1e-9


@pytest.mark.parametrize("solver", SOLVERS)
def test_storages_agree(solver):
    A, x = draw(1)
    A[np.abs(A) < 0.1] = 0.0
    b = A @ x
    dense = recover(make_sensing(A), b, 8, solver)
    for other in (sparse.csr_array(A), sparse.csc_array(A), aslinearoperator(A)):
        found = recover(make_sensing(other), b, 8, solver, step="auto")
        if solver in ("cosamp", "sp", "omp", "niht") or not hasattr(other, "matvec"):
            np.testing.assert_allclose(found.x, dense.x, atol=1e-10)
        else:  # norms of an operator are estimated, so steps may differ a little
            assert found.residual_norm <= dense.residual_norm + 0.1


def test_estimated_norms_of_an_operator():
    A, _ = draw(0)
    exact, estimate = (make_sensing(B) for B in (A, aslinearoperator(A)))
    assert estimate.mean_square == pytest.approx(exact.mean_square, rel=0.2)
    largest = np.linalg.norm(A, 2) ** 2
    for B in (exact, estimate):
        assert 0.97 * largest <= square_norm(B) <= largest * (1.0 + 1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_omp_is_that_of_scikit_learn(seed):
    A, x = draw(seed, s=12)
    b = A @ x + 0.05 * np.random.default_rng(seed).standard_normal(len(A))
    for size in (1, 5, 20):
        found = recover(make_sensing(A), b, size, "omp")
        np.testing.assert_allclose(
            found.x, orthogonal_mp(A, b, n_nonzero_coefs=size), atol=1e-10
        )
    found = recover(make_sensing(A), b, None, "omp", noise_norm=0.3)
    theirs = OrthogonalMatchingPursuit(tol=0.3**2, fit_intercept=False).fit(A, b)
    np.testing.assert_allclose(found.x, theirs.coef_, atol=1e-10)


def test_batch_omp_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    D = rng.standard_normal((20, 12))
    D /= np.linalg.norm(D, axis=1)[:, None]
    X = rng.standard_normal((30, 12))
    gram, correlations, squares = D @ D.T, X @ D.T, (X**2).sum(axis=1)
    codes = batch_omp(gram, correlations, squares, 4)
    theirs = orthogonal_mp_gram(gram, correlations.T, n_nonzero_coefs=4).T
    np.testing.assert_allclose(codes, theirs, atol=1e-10)
    codes = batch_omp(gram, correlations, squares, 12, tol=2.0)
    rest = ((X - codes @ D) ** 2).sum(axis=1)
    assert (rest <= 2.0 + 1e-9).all()
    for x, code in zip(X, codes, strict=True):
        one = orthogonal_mp(D.T, x, tol=2.0)
        np.testing.assert_allclose(code, one, atol=1e-10)


def test_batch_omp_passes_over_atoms_that_depend_on_chosen_ones():
    rng = np.random.default_rng(1)
    D = rng.standard_normal((6, 10))
    D = np.vstack([D, D[0], D[0] + D[1]])
    X = 5.0 * D[[0]] + rng.standard_normal((1, 10))
    codes = batch_omp(D @ D.T, X @ D.T, (X**2).sum(axis=1), 8)
    assert np.count_nonzero(codes) == 6
    residual = X - codes @ D
    np.testing.assert_allclose(residual @ D.T, 0.0, atol=1e-10)


def test_null_space_tuning_in_a_tight_frame_is_htp():
    """A A^T = I makes A^+ the adjoint (oracle 13)."""
    rng = np.random.default_rng(0)
    for seed in range(10):
        Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((60, 24)))[0].T
        x = hard_threshold(rng.standard_normal(60), 5)
        first = recover(make_sensing(Q), Q @ x, 5, "nst", step=1.0)
        second = recover(make_sensing(Q), Q @ x, 5, "htp", step=1.0)
        np.testing.assert_allclose(first.x, second.x, atol=1e-10)
        assert first.n_iter == second.n_iter


def test_iterates_of_null_space_tuning_are_feasible():
    A, x = draw(3)
    problem = Problem(make_sensing(A), A @ x, 8, 1.0, None)
    for _, found in zip(range(6), _nst(problem), strict=False):
        proposed = problem.propose(found)
        np.testing.assert_allclose(A @ proposed, A @ x, atol=1e-10)


@pytest.mark.parametrize("complex_", [False, True])
def test_merging_pursuits_are_those_of_the_papers(complex_):
    """CoSaMP merges 2 s indices and prunes; subspace pursuit s, and fits again."""
    for method, factor in ((_cosamp, 2), (_sp, 1)):
        A, x = draw(5, m=40, s=9, complex_=complex_)
        b = A @ x + 0.1 * np.random.default_rng(5).standard_normal(40)
        problem, mu = Problem(make_sensing(A), b, 9, "auto", None), np.zeros_like(x)
        for _, found in zip(range(4), method(problem), strict=False):
            new = naive_top_k(np.abs(A.conj().T @ (b - A @ mu)), factor * 9)
            merged = sorted({*new, *np.flatnonzero(mu)})
            values = np.linalg.lstsq(A[:, merged], b)[0]
            kept = naive_top_k(np.abs(values), 9)
            T, mu = np.array(merged)[kept], np.zeros_like(x)
            mu[T] = values[kept]
            if method is _sp:
                mu[T] = np.linalg.lstsq(A[:, T], b)[0]
            np.testing.assert_array_equal(found.support, T)
            np.testing.assert_allclose(found.values, mu[T], atol=1e-10)


@pytest.mark.parametrize("complex_", [False, True])
def test_feedback_of_null_space_tuning_is_that_of_the_papers(complex_):
    """mu_T = x_T + F A_T^H A_{T^c} x_{T^c}, F = (A_T^H A_T)^{-1} or a multiple."""
    A, x = draw(3, complex_=complex_)
    b, pinv = A @ x, np.linalg.pinv(A)
    for method in (_nst, _nst_suboptimal):
        mu = np.zeros_like(x)
        problem = Problem(make_sensing(A), b, 8, 1.0, None)
        for _, found in zip(range(5), method(problem), strict=False):
            z = mu + pinv @ (b - A @ mu)  # x + P (mu - x), feasible
            T = naive_top_k(np.abs(z), 8)
            inside, outside = A[:, T], np.delete(A, T, axis=1)
            gram = inside.conj().T @ inside
            F = np.linalg.inv(gram)
            if method is _nst_suboptimal:
                values = np.linalg.eigvalsh(gram)
                F = 2.0 / (values[0] + values[-1])
            pushed = inside.conj().T @ (outside @ np.delete(z, T))
            mu = np.zeros_like(x)
            mu[T] = z[T] + (F @ pushed if np.ndim(F) else F * pushed)
            np.testing.assert_array_equal(found.support, T)
            np.testing.assert_allclose(found.values, mu[T], atol=1e-10)


@pytest.mark.parametrize("solver", FINITE)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_ends_at_a_fixed_point_after_finitely_many_steps(solver, noise):
    for seed in range(8):
        A, x = draw(seed, s=10)
        b = A @ x + noise * np.random.default_rng(seed).standard_normal(len(A))
        result = recover(make_sensing(A), b, 10, solver)
        assert result.converged
        assert result.stationarity <= 1e-10
        assert result.n_iter <= 40
        moved = recover(make_sensing(A), b, 10, solver, max_iter=result.n_iter + 1)
        np.testing.assert_array_equal(moved.x, result.x)


def test_adaptive_tuning_takes_about_s_steps():
    """Gaussian amplitudes: exact in s + 5 steps, 95 % of 50 draws (oracle 13)."""
    exact = 0
    for seed in range(50):
        A, x = draw(seed, m=128, n=512, s=30)
        result = recover(make_sensing(A), A @ x, None, "adptnst")
        close = np.linalg.norm(result.x - x) <= 1e-5 * np.linalg.norm(x)
        exact += close and result.n_iter <= 35
    assert exact >= 48


def test_feedback_sets_the_sizes():
    A, x = draw(0, s=12)
    result = recover(make_sensing(A), A @ x, None, "adptnst", feedback=lambda k: 2 * k)
    np.testing.assert_allclose(result.x, x, atol=1e-10)
    assert 6 <= result.n_iter <= 10
    with pytest.raises(ValueError, match="feedback must return a size >= 1; got 0"):
        recover(make_sensing(A), A @ x, None, "ghtp", feedback=lambda k: k - 1)


def test_cycles_are_left_by_shorter_steps_or_told():
    """A step far too long: supports run in a cycle."""
    told = left = 0
    for seed in range(20):
        A, x = draw(seed, s=20)
        b = A @ x + 0.2 * np.random.default_rng(seed).standard_normal(len(A))
        long = recover(make_sensing(A), b, 20, "htp", step=40.0)
        told += not long.converged
        assert long.n_iter <= 200
        auto = recover(make_sensing(A), b, 20, "htp")
        left += auto.converged
        assert auto.stationarity <= 1e-10
    assert told > 0
    assert left == 20


@pytest.mark.parametrize("solver", ["omp", "ghtp", "adptnst"])
@pytest.mark.parametrize("complex_", [False, True])
def test_images_of_columns_take_the_place_of_products(solver, complex_, monkeypatch):
    """Growing supports pass over A once for many steps, and find the same."""
    A, x = draw(0, m=80, n=200, s=24, complex_=complex_)
    b = A @ x + 0.01 * np.random.default_rng(0).standard_normal(len(A))
    passes = []

    class Counted(type(make_sensing(A))):
        def adjoint(self, R):
            passes.append(R.shape)
            return super().adjoint(R)

    found = recover(Counted(A), b, 40, solver)
    few = len(passes)
    monkeypatch.setattr(greedy_problem, "_KEPT", 0)
    direct = recover(Counted(A), b, 40, solver)
    np.testing.assert_array_equal(found.support, direct.support)
    np.testing.assert_allclose(found.x, direct.x, atol=1e-12)
    assert found.n_iter == direct.n_iter >= 40
    assert few < 0.5 * (len(passes) - few)


def test_shorter_steps_reach_the_images_too():
    """Graded supports that stay at their size may run in a cycle."""
    left = 0
    for seed in range(30):
        A, x = draw(seed, s=20)
        b = A @ x + 0.2 * np.random.default_rng(seed).standard_normal(len(A))
        problem = Problem(make_sensing(A), b, 20, "auto", None)
        before = problem.step
        assert problem.shorten() and problem.step == before / 2
        images, found = greedy_problem.Images(problem), problem.fit(np.arange(5))
        for _ in range(2):
            np.testing.assert_allclose(
                images.direction(found), A.T @ found.residual, atol=1e-12
            )
        result = recover(make_sensing(A), b, 20, "ghtp")
        left += result.converged and result.stationarity <= 1e-10
    assert left == 30


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "iht"])
def test_single_precision_is_searched_without_a_copy(solver, complex_):
    """Coefficients are least squares on the rounded columns, in double precision."""
    A, x = draw(2, s=6, complex_=complex_)
    single = A.astype(np.complex64 if complex_ else np.float32)
    exact = single.astype(A.dtype)
    for scale in (1.0, 1e-60):
        b = scale * (exact @ x)
        found = recover(make_sensing(single), b, 6, solver, max_iter=3000)
        np.testing.assert_allclose(found.x, scale * x, atol=scale * 1e-7)
        assert found.converged and found.normal_residual <= 1e-10


@pytest.mark.parametrize("complex_", [False, True])
def test_many_coefficients_by_conjugate_gradients(complex_, monkeypatch):
    A, _ = draw(0, m=150, n=60, complex_=complex_)
    b = np.random.default_rng(1).standard_normal(150)
    expected = np.linalg.lstsq(A, b)[0]
    monkeypatch.setattr(greedy_problem, "_MANY", 10)
    with monkeypatch.context() as without:
        without.delattr(greedy_problem, "cho_factor")
        np.testing.assert_allclose(least_squares(A, b), expected, atol=1e-10)
    A[:, 3] = 0.0  # least norm
    found = least_squares(A, b)
    np.testing.assert_allclose(found, np.linalg.lstsq(A, b)[0], atol=1e-10)


def test_what_is_known_of_a_matrix_is_kept(monkeypatch):
    A, x = draw(0, s=4)
    kept = make_sensing(A)
    first = recover(kept, A @ x, 4, "nst")
    monkeypatch.setattr(sensing, "_outer", None)  # no second factorisation
    second = recover(kept, A @ x, 4, "nst")
    np.testing.assert_array_equal(first.x, second.x)


def test_rank_deficient_and_tall_matrices():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((20, 12)) @ rng.standard_normal((12, 50))
    tall = rng.standard_normal((80, 15))
    for A in (wide, tall):
        x = np.zeros(A.shape[1])
        x[[2, 7]] = 1.0, -1.0
        for solver in ("nst", "adptnst", "htp"):
            result = recover(make_sensing(A), A @ x, 2, solver)
            np.testing.assert_allclose(result.x, x, atol=1e-8)


def test_nothing_to_find():
    A, _ = draw(0)
    for solver in SOLVERS:
        result = recover(make_sensing(A), np.zeros(len(A)), 5, solver)
        assert result.converged and not result.x.any() and result.n_iter == 0


def test_repeated_columns():
    A, x = draw(0, s=4)
    A = np.column_stack([A, A])
    b = A[:, : len(x)] @ x
    for solver in SOLVERS:
        result = recover(make_sensing(A), b, 8, solver)
        assert np.isfinite(result.x).all()
        assert len(result.support) <= 8
