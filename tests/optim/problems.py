"""Data in every storage, and the independent certificate asked about a penalty."""

import numpy as np
from scipy import sparse

from sparsestat.optim.penalties import prepare, prox
from tests import naive
from tests.certificates import duality_gap

__all__ = ["STORAGES", "certified", "freeze", "make_data", "shares", "violation"]


def _with_duplicates(X):
    """CSC whose entries are stored in two parts, rows in descending order."""
    rows, cols = np.nonzero(X)
    order = np.lexsort((-np.tile(rows, 2), np.tile(cols, 2)))
    parts = np.concatenate([0.25 * X[rows, cols], 0.75 * X[rows, cols]])[order]
    indptr = np.concatenate(
        [[0], np.cumsum(2 * np.bincount(cols, minlength=X.shape[1]))]
    )
    arrays = parts, np.tile(rows, 2)[order].astype(np.int32), indptr.astype(np.int32)
    return sparse.csc_array(arrays, shape=X.shape)


def _with_explicit_zeros(X):
    X = sparse.csc_array(np.where(X == 0.0, 7.0, X))
    X.data[X.data == 7.0] = 0.0
    return X


def _with_long_indices(X):
    X = sparse.csc_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


STORAGES = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "F32": lambda X: np.asfortranarray(X, dtype=np.float32),
    "C32": lambda X: np.ascontiguousarray(X, dtype=np.float32),
    "csc": sparse.csc_array,
    "csc32": lambda X: sparse.csc_array(X.astype(np.float32)),
    "csc-long": _with_long_indices,
    "csc-duplicates": _with_duplicates,
    "csc-zeros": _with_explicit_zeros,
    "csr": sparse.csr_array,
}


def make_data(n_samples=30, n_features=12, *, density=1.0, seed=0):
    """X with correlated columns, of which `density` are not zero, and y.

    X holds multiples of 1/64, so that its sums with offsets up to 1e8, its halves and
    its float32 version are exact.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    X[:, 1:] += 0.7 * X[:, :-1]
    X = np.round(X * 64.0) / 64.0
    X *= rng.random(X.shape) < density
    coef = np.where(np.arange(n_features) % 3 == 0, 1.0, 0.0)
    coef[1::2] *= -0.5
    return X, X @ coef + 0.5 * rng.standard_normal(n_samples) + 3.0


def freeze(X):
    """The same array or sparse matrix, which nobody can write to."""
    for array in (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,):
        array.flags.writeable = False
    return X


def shares(sample_weight, n_samples):
    """Sample weights that sum to one."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    return np.asarray(sample_weight, dtype=np.float64) / np.sum(sample_weight)


def certified(X, y, coef, penalty, tol=1e-6, **options):
    """Whether the independent gap of coefficients is within the tolerance."""
    gap, null = duality_gap(
        X,
        y,
        coef,
        alpha=penalty.alpha,
        l1_ratio=getattr(penalty, "l1_ratio", 1.0),
        penalty_weights=penalty.weights,
        positive=penalty.positive,
        **options,
    )
    rounding = 1e-13 * np.mean(np.asarray(y) ** 2)
    return bool(gap <= tol * null * (1.0 + 1e-6) + rounding)


def violation(
    X, y, coef, penalty, sample_weight=None, standardize=False, fit_intercept=True
):
    """Largest distance of a coefficient from its proximal point, as a gradient."""
    share = shares(sample_weight, len(y))
    Z = naive.transformed(X, share, fit_intercept, standardize)
    w = coef * naive.moments(X, share, fit_intercept)[1] ** 0.5 if standardize else coef
    residual = y - (share @ y if fit_intercept else 0.0) - Z @ w
    penalty = prepare(penalty, len(w))
    norm2 = share @ Z**2
    moved = [
        prox(penalty, w[j] + Z[:, j] @ (share * residual) / norm2[j], 1.0 / norm2[j], j)
        for j in range(len(w))
    ]
    return np.abs((w - moved) * norm2).max()
