"""The benchmark designs are what the report says they are."""

import numpy as np
import pytest

from benchmarks._problem import alpha_grid, load, save, tiny
from benchmarks.linear_model._generate import ar1, sparse_gaussian


def test_ar1_is_standardised_correlated_and_reproducible():
    problem = ar1(4000, 6, rho=0.5, n_spikes=2)
    X = problem.X
    assert X.flags.f_contiguous
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-12)
    assert problem.y.std() == pytest.approx(1.0)
    correlation = np.corrcoef(X.T)
    expected = 0.5 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(correlation, expected, atol=0.05)
    again = ar1(4000, 6, rho=0.5, n_spikes=2)
    assert np.array_equal(again.X, X)
    assert np.array_equal(again.y, problem.y)


def test_ar1_signal_to_noise():
    problem = ar1(20_000, 10, rho=0.0, n_spikes=4)
    fitted = np.linalg.lstsq(problem.X, problem.y, rcond=None)[0]
    explained = 1.0 - np.var(problem.y - problem.X @ fitted)
    # SNR 3: three quarters of the variance
    assert explained == pytest.approx(0.75, abs=0.02)
    assert np.sum(np.abs(fitted) > 0.2) == 4


def test_sparse_design():
    problem = sparse_gaussian(400, 300, density=0.02, n_spikes=5, n_alphas=7)
    assert problem.is_sparse
    assert problem.X.nnz / problem.X.shape[0] / 300 == pytest.approx(0.02, rel=0.1)
    assert problem.X.has_sorted_indices
    assert len(problem.alphas) == 7


def test_grid_spans_the_path(tmp_path):
    problem = ar1(50, 20, n_spikes=3)
    largest = np.abs(problem.X.T @ problem.y).max() / 50
    grid = alpha_grid(problem.X, problem.y, n_alphas=11, eps=0.1)
    np.testing.assert_allclose(grid[[0, -1]], [largest, 0.1 * largest])
    assert (np.diff(grid) < 0).all()


@pytest.mark.parametrize(
    "problem",
    [
        ar1(30, 10, n_spikes=2, dtype=np.float32),
        sparse_gaussian(30, 20, density=0.2, n_spikes=2),
    ],
    ids=["dense float32", "sparse"],
)
def test_stored_problems_come_back_to_the_bit(problem, tmp_path):
    save(problem, tmp_path)
    back = load(tmp_path)
    dense = problem.X.toarray() if problem.is_sparse else problem.X
    assert np.array_equal(back.X.toarray() if back.is_sparse else back.X, dense)
    assert back.X.dtype == problem.X.dtype
    assert np.array_equal(back.y, problem.y)
    assert np.array_equal(back.alphas, problem.alphas)
    small = tiny(problem)
    assert small.X.dtype == problem.X.dtype
    assert small.is_sparse == problem.is_sparse
