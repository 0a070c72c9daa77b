"""Quadratic programmes on a Gram matrix against scipy, cvxpy and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from sparsestat.optim.gram_qp import BLOCK, gram_qp, simplex_gap
from sparsestat.optim.proximal import project_simplex


def spectra(seed, n_rows, n_components, n_bands):
    """Positive, strongly correlated spectra and noisy mixtures of them."""
    rng = np.random.default_rng(seed)
    E = 1.0 + rng.random((n_components, n_bands))
    X = rng.dirichlet(np.ones(n_components), n_rows) @ E
    return E, X + 0.2 * rng.standard_normal(X.shape)


def violation(G, C, A):
    """Largest breach of the optimality conditions under a >= 0."""
    gradient = A @ G - C
    return max(-gradient.min(), np.abs(A * gradient).max(), -A.min())


SHAPES = [(1, 5), (4, 20), (10, 30), (5, 2), (30, 20), (60, 100)]


@pytest.mark.parametrize("n_components, n_bands", SHAPES)
def test_non_negative_rows_are_those_of_scipy(n_components, n_bands):
    E, X = spectra(0, 50, n_components, n_bands)
    found = gram_qp(E @ E.T, X @ E.T)
    assert found.solved.all()
    for x, a in zip(X, found.coef, strict=True):
        reference, norm = nnls(E.T, x)
        assert np.linalg.norm(x - a @ E) <= norm + 1e-12
        if n_components <= n_bands:
            np.testing.assert_allclose(a, reference, atol=1e-9)


@pytest.mark.parametrize("n_components, n_bands", SHAPES)
def test_rows_of_the_simplex_have_no_gap(n_components, n_bands):
    E, X = spectra(1, 50, n_components, n_bands)
    G, C = E @ E.T, X @ E.T
    found = gram_qp(G, C, sum_to_one=True)
    assert found.solved.all()
    assert found.coef.min() >= 0.0
    np.testing.assert_allclose(found.coef.sum(axis=1), 1.0, atol=1e-14)
    gap = simplex_gap(found.coef @ G - C, found.coef)
    assert gap.max() <= 1e-11 * np.abs(C).max()


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_cvxpy_finds_no_better(sum_to_one):
    import cvxpy

    E, X = spectra(2, 5, 12, 8)
    linear = 0.3
    found = gram_qp(E @ E.T, X @ E.T - linear, sum_to_one=sum_to_one).coef
    for x, a in zip(X, found, strict=True):
        variable = cvxpy.Variable(len(E), nonneg=True)
        loss = 0.5 * cvxpy.sum_squares(x - E.T @ variable)
        problem = cvxpy.Problem(
            cvxpy.Minimize(loss + linear * cvxpy.sum(variable)),
            [cvxpy.sum(variable) == 1.0] if sum_to_one else [],
        )
        problem.solve(solver="CLARABEL")
        value = 0.5 * np.sum((x - a @ E) ** 2) + linear * a.sum()
        assert value == pytest.approx(problem.value, abs=1e-7)


@given(st.integers(0, 10**6))
def test_the_identity_projects(seed):
    rng = np.random.default_rng(seed)
    C = 3.0 * rng.standard_normal((4, 6))
    np.testing.assert_allclose(gram_qp(np.eye(6), C).coef, np.maximum(C, 0.0))
    projected = [project_simplex(c) for c in C]
    found = gram_qp(np.eye(6), C, sum_to_one=True).coef
    np.testing.assert_allclose(found, projected, atol=1e-12)


@given(st.integers(0, 10**6))
def test_any_start_ends_at_the_same_minimum(seed):
    rng = np.random.default_rng(seed)
    E, X = spectra(seed, 6, 7, 5)
    G, C = E @ E.T, X @ E.T - 0.1
    for sum_to_one in (False, True):
        start = rng.standard_normal(C.shape)
        cold = gram_qp(G, C, sum_to_one=sum_to_one).coef
        warm = gram_qp(G, C, sum_to_one=sum_to_one, start=start).coef
        value = [0.5 * np.sum((a @ G) * a, axis=1) - np.sum(C * a, axis=1)
                 for a in (cold, warm)]  # fmt: skip
        np.testing.assert_allclose(*value, atol=1e-10)


def test_a_start_at_the_solution_takes_no_move():
    E, X = spectra(3, 40, 20, 60)
    G, C = E @ E.T, X @ E.T
    first = gram_qp(G, C)
    again = gram_qp(G, C, start=first.coef)
    assert not again.n_moves.any()
    np.testing.assert_allclose(again.coef, first.coef, atol=1e-12)


def test_duplicates_and_zero_spectra():
    E, X = spectra(4, 30, 5, 12)
    E = np.vstack([E, E[1], np.zeros(12), E[0] + E[2]])
    G, C = E @ E.T, X @ E.T
    found = gram_qp(G, C)
    assert found.solved.all()
    assert violation(G, C, found.coef) <= 1e-11 * np.abs(C).max()
    plain = gram_qp(G[:5, :5], C[:, :5]).coef
    np.testing.assert_allclose(found.coef @ E, plain @ E[:5], atol=1e-9)


def test_a_penalty_moves_weight_along_a_flat_direction():
    """Of two ways to write a spectrum, the one with the smaller sum is left."""
    E = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    found = gram_qp(E @ E.T, np.array([[3.0, 3.0]]) @ E.T - 1e-3)
    np.testing.assert_allclose(found.coef[0, :2], 0.0)
    assert found.coef[0, 2] == pytest.approx((12.0 - 1e-3) / 8.0)


def test_rows_are_solved_alone_and_threads_change_no_bit():
    E, X = spectra(5, BLOCK + 50, 4, 10)
    G, C = E @ E.T, X @ E.T
    whole = gram_qp(G, C, sum_to_one=True, n_jobs=2)
    np.testing.assert_array_equal(
        whole.coef, gram_qp(G, C, sum_to_one=True, n_jobs=1).coef
    )
    np.testing.assert_array_equal(
        whole.coef[BLOCK + 3], gram_qp(G, C[[BLOCK + 3]], sum_to_one=True).coef[0]
    )


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_matrices_of_their_own(sum_to_one):
    rng = np.random.default_rng(11)
    B = rng.standard_normal((20, 6, 9))
    G, C = B @ B.transpose(0, 2, 1), rng.standard_normal((20, 6))
    found = gram_qp(G, C, sum_to_one=sum_to_one).coef
    for i in range(20):
        alone = gram_qp(G[i], C[i : i + 1], sum_to_one=sum_to_one).coef[0]
        np.testing.assert_allclose(found[i], alone, atol=1e-10)


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_rows_that_share_faces_are_those_of_each_alone(sum_to_one):
    rng = np.random.default_rng(5)
    E = rng.random((6, 40))
    faces = rng.integers(1, 2**6, 30).repeat(5)
    A = (faces[:, None] >> np.arange(6)) & 1
    A = A * rng.dirichlet(np.ones(6), len(A))
    A /= A.sum(axis=1, keepdims=True)
    C = (A @ E + 0.01 * rng.standard_normal((len(A), 40))) @ E.T
    G = E @ E.T
    together = gram_qp(G, C, sum_to_one=sum_to_one)
    assert together.solved.all()
    for row, c in zip(together.coef, C, strict=True):
        alone = gram_qp(G, c[None], sum_to_one=sum_to_one).coef[0]
        np.testing.assert_allclose(row, alone, atol=1e-12)


def test_a_row_without_a_guess_before_one_with():
    G, C = np.diag([1.0, 2.0, 3.0]), np.array([[0.1, 9.0, 0.2], [0.3, 9.0, 0.1]])
    start = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found = gram_qp(G, C, sum_to_one=True, start=start)
    np.testing.assert_array_equal(found.coef, [[0.0, 1.0, 0.0]] * 2)
    assert found.n_moves.tolist() == [0, 0]


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_more_faces_than_are_kept(sum_to_one):
    rng = np.random.default_rng(6)
    G, C = np.eye(14) + 0.02, 0.1 * rng.standard_normal((4000, 14))
    found = gram_qp(G, C, sum_to_one=sum_to_one)
    assert found.solved.all()
    assert len(np.unique(found.coef > 0.0, axis=0)) > 2048
    if sum_to_one:
        gap = simplex_gap(found.coef @ G - C, found.coef)
        assert gap.max() <= 1e-12 * np.abs(C).max()
    else:
        assert violation(G, C, found.coef) <= 1e-12 * np.abs(C).max()


def test_single_precision_products_give_single_precision_solutions():
    E, X = spectra(7, 40, 5, 20)
    C = (X @ E.T).astype(np.float32)
    found = gram_qp(E @ E.T, C, linear=0.3).coef
    exact = gram_qp(E @ E.T, C.astype(np.float64) - 0.3).coef
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, exact.astype(np.float32))
