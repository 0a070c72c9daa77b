"""Sparse matrices: the results of dense ones, and no dense matrix on the way."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import (
    BlockSparseBayesianRegression,
    MultiTaskSparseBayesianRegression,
    SparseBayesianRegression,
)
from sparsestat.bayes import _columns as columns_module
from sparsestat.bayes._columns import Columns


def draw(m, n, density=0.05, n_targets=None, is_complex=False, seed=0):
    """A matrix far from centred, and targets of few of its columns."""
    rng = np.random.default_rng(seed)
    X = sparse.random_array((m, n), density=density, rng=rng, format="csr")
    X.data = 1.0 + rng.standard_normal(X.nnz)
    if is_complex:
        X = X * np.exp(1j)
        X.data = X.data * np.exp(2j * np.pi * rng.random(X.nnz))
    coef = np.zeros((n, n_targets or 1))
    coef[: min(n, m) // 10] = 3.0 + rng.standard_normal((min(n, m) // 10, 1))
    Y = X @ coef + 0.3 * rng.standard_normal((m, n_targets or 1)) + 2.0
    return X, Y if n_targets else Y[:, 0]


@pytest.fixture
def tiny_parts(monkeypatch):
    """Matrices of a few rows or columns at a time, and none of them small."""
    monkeypatch.setattr(columns_module, "_SMALL", 0)
    monkeypatch.setattr(columns_module, "_PART", 1)
    monkeypatch.setattr(columns_module, "_THIN", 0.0)


@pytest.fixture
def thin(monkeypatch):
    """Sparse products at any density."""
    monkeypatch.setattr(columns_module, "_SMALL", 0)
    monkeypatch.setattr(columns_module, "_THIN", 2.0)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("picks", [False, True])
@pytest.mark.parametrize("way", ["tiny_parts", "thin"])
def test_products_are_those_of_the_dense_matrix(
    storage, is_complex, picks, way, request
):
    request.getfixturevalue(way)
    X, _ = draw(40, 90, 0.2, is_complex=is_complex)
    rng = np.random.default_rng(1)
    mean, root = rng.standard_normal((2, 90)), rng.uniform(0.5, 2.0, 40)
    mean = mean[0] + 1j * mean[1] if is_complex else mean[0]
    columns = Columns(storage(X.toarray()), mean, root)
    A = root[:, None] * (X.toarray() - mean)
    if picks:
        kept = np.flatnonzero(rng.random(90) < 0.8)
        columns, A = columns.pick(kept), A[:, kept]
        assert columns.picked is not None
        columns, A = columns.pick(np.arange(3, 68)), A[:, 3:68]
    n = A.shape[1]
    g, x, s = rng.random(n), rng.standard_normal((n, 2)), rng.standard_normal((40, 3))
    same = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(columns.dense(), A, **same)
    np.testing.assert_allclose(columns.product(x), A @ x, **same)
    np.testing.assert_allclose(columns.adjoint(s), A.conj().T @ s, **same)
    np.testing.assert_allclose(columns.energies(), np.sum(np.abs(A) ** 2, 0), **same)
    C = (A * g) @ A.conj().T
    np.testing.assert_allclose(columns.outer(g), C, **same)
    np.testing.assert_allclose(columns.gram(), A.conj().T @ A, **same)
    C[np.diag_indices(40)] += 1.0
    lower = np.linalg.cholesky(C)
    solved = np.full(A.shape, np.nan, A.dtype)
    for span, W in columns.solved(lower):
        solved[:, span] = W
    np.testing.assert_allclose(solved, np.linalg.solve(lower, A), **same)


MODELS = {
    "mm": SparseBayesianRegression(noise_variance=0.1),
    "em": SparseBayesianRegression("em", noise_variance=0.1),
    "mackay": SparseBayesianRegression("mackay", noise_variance=0.1),
    "cv": SparseBayesianRegression(noise_variance="cv"),
    "coupled": SparseBayesianRegression(noise_variance=0.1, coupling=0.4),
    "blocks": BlockSparseBayesianRegression(3, intra="none", noise_variance=0.1),
    "blocks, ar1": BlockSparseBayesianRegression(3, noise_variance=0.1),
    "blocks, full": BlockSparseBayesianRegression(3, intra="full", noise_variance=0.1),
    "tasks": MultiTaskSparseBayesianRegression(noise_variance=0.1),
    "time": MultiTaskSparseBayesianRegression("ar1", noise_variance=0.1),
    "time, full": MultiTaskSparseBayesianRegression("full", noise_variance=0.1),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("m, n", [(40, 60), (90, 30)])
@pytest.mark.parametrize("way", ["tiny_parts", "thin"])
def test_sparse_matrices_give_what_dense_ones_give(name, m, n, way, request):
    model = clone(MODELS[name]).set_params(max_iter=15)
    X, y = draw(m, n, 0.3, n_targets=3 if name[0] == "t" else None)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X.toarray(), y, sample_weight=weight)
        expected = {key: getattr(model, key) for key in ("coef_", "coef_std_")}
        evidence, noise = model.log_evidence_, model.noise_variance_
        std = model.predict(X.toarray(), return_std=True)[1]
        request.getfixturevalue(way)
        model.fit(X, y, sample_weight=weight)
    for key, value in expected.items():
        np.testing.assert_allclose(getattr(model, key), value, atol=1e-8)
    assert model.log_evidence_ == pytest.approx(evidence, rel=1e-9)
    assert model.noise_variance_ == pytest.approx(noise, rel=1e-9)
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], std, atol=1e-8)


@pytest.mark.parametrize("name", [key for key in MODELS if key not in ("em", "cv")])
@pytest.mark.parametrize("m, n", [(200, 40000), (20000, 600)])
def test_no_dense_matrix_is_made(name, m, n):
    X, y = draw(m, n, 0.01, n_targets=3 if name[0] == "t" else None)
    # Such pruning leaves few covariances, which are dense.
    model = clone(MODELS[name]).set_params(max_iter=8, prune_tol=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        tracemalloc.start()
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 0.35 * 8 * m * n


def test_complex_sparse_matrices_are_checked():
    X, y = draw(30, 20, 0.3, is_complex=True)
    model = SparseBayesianRegression(noise_variance=0.1, allow_complex=True)
    expected = model.fit(X.toarray(), y).coef_
    np.testing.assert_allclose(model.fit(X.tocoo(), y).coef_, expected, atol=1e-8)
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="X"):
        model.fit(X, y)
