"""Data, penalties and an independent certificate for tests of the engine."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from tests.naive import nonnegative_least_squares

__all__ = [
    "STORAGES",
    "Certificate",
    "certificate",
    "make_data",
    "read_only",
    "shares",
    "transformed",
]


class Certificate(NamedTuple):
    """What can be proven of a coefficient vector.

    Parameters
    ----------
    objective, gap : float
        Primal value and its distance from the best dual point that was tried.
    null : float
        Objective of the model with unpenalised features only.
    """

    objective: float
    gap: float
    null: float


def read_only(X):
    """The same array or sparse matrix, which nobody can write to."""
    arrays = (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)
    for array in arrays:
        array.flags.writeable = False
    return X


def _with_duplicates(X):
    """CSC whose entries are stored in two halves and in no order."""
    X = sparse.coo_array(X)
    halves = np.concatenate([0.25 * X.data, 0.75 * X.data])
    rows, cols = np.tile(X.row[::-1], 2), np.tile(X.col[::-1], 2)
    halves = np.concatenate([halves[: len(X.data)][::-1], halves[len(X.data) :][::-1]])
    order = np.argsort(cols, kind="stable")
    counts = np.bincount(cols, minlength=X.shape[1])
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    arrays = halves[order], rows[order].astype(np.int32), indptr
    return sparse.csc_array(arrays, shape=X.shape)


def _with_explicit_zeros(X):
    X = sparse.csc_array(X)
    X.data[::5] = 0.0
    return X


def _with_long_indices(X):
    X = sparse.csc_array(X)
    X.indices = X.indices.astype(np.int64)
    X.indptr = X.indptr.astype(np.int64)
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


def make_data(n_samples=30, n_features=12, *, density=1.0, offset=0.0, seed=0):
    """X with correlated columns, of which `density` are not zero, and y."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    X[:, 1:] += 0.7 * X[:, :-1]
    if density < 1.0:
        X *= rng.random(X.shape) < density
    X = X + offset
    coef = np.where(np.arange(n_features) % 3 == 0, 1.0, 0.0)
    coef *= 1.0 - 0.5 * (np.arange(n_features) % 2)
    y = (X - offset) @ coef + 0.5 * rng.standard_normal(n_samples) + 3.0
    return X, y


def shares(sample_weight, n_samples):
    """Sample weights that sum to one."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    return np.asarray(sample_weight, dtype=np.float64) / np.sum(sample_weight)


def transformed(X, share, fit_intercept, standardize):
    """X centred and scaled as a matrix, with its means and scales."""
    X = X.toarray() if sparse.issparse(X) else X
    X = np.asarray(X, dtype=np.longdouble)
    mean = share @ X if fit_intercept else np.zeros(X.shape[1])
    centred = X - mean
    spread = np.sqrt(share @ centred**2).astype(np.float64)
    constant = spread <= 1e-14 * np.sqrt(len(X)) * np.abs(mean)
    if fit_intercept:
        centred[:, constant] = 0.0
    scale = np.ones(X.shape[1])
    if standardize:
        scale = np.where((spread > 0.0) & ~constant, spread, 1.0)
    return (centred / scale).astype(np.float64), mean.astype(np.float64), scale


def certificate(
    X,
    y,
    coef,
    penalty,
    *,
    sample_weight=None,
    fit_intercept=True,
    standardize=False,
):
    """Duality gap of coefficients on the scale of X, in double precision.

    The residual is made feasible for the unpenalised features by projection and for the
    others by scaling.  Two duals are tried: with the quadratic part of the penalty as
    rows of the design, and with its conjugate.
    """
    n, p = X.shape
    share = shares(sample_weight, n)
    root = np.sqrt(share)
    Z, _, scale = transformed(X, share, fit_intercept, standardize)
    y = np.asarray(y, dtype=np.longdouble)
    y = (y - share @ y if fit_intercept else y).astype(np.float64)
    Z, y, w = root[:, None] * Z, root * y, coef * scale
    v = np.ones(p) if penalty.weights is None else np.asarray(penalty.weights)
    rho = getattr(penalty, "l1_ratio", 1.0)
    alpha, positive = penalty.alpha, penalty.positive
    excluded = np.isinf(v)
    assert not w[excluded].any()
    assert not (positive and (w < 0.0).any())
    if alpha == 0.0:
        v = np.where(excluded, np.inf, 0.0)
    free = v == 0.0
    level = alpha * rho * np.where(free | excluded, 1.0, v)
    ridge = alpha * (1.0 - rho) * np.where(free | excluded, 0.0, v)

    def without_free(target):
        if not free.any():
            return target
        if positive:
            return target - Z[:, free] @ nonnegative_least_squares(Z[:, free], target)
        return target - Z[:, free] @ np.linalg.lstsq(Z[:, free], target)[0]

    def size(g):
        g = np.maximum(g, 0.0) if positive else np.abs(g)
        return np.where(free | excluded, 0.0, g)

    residual = y - Z @ w
    primal = 0.5 * residual @ residual + level[~free] @ np.abs(w[~free])
    primal += 0.5 * ridge @ w**2
    u = without_free(residual)
    g = Z.T @ u
    duals = [0.0]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Augmented: rows sqrt(ridge) with target zero.
        gauges = size(g - ridge * w) / level
    reach = np.nanmax(gauges, initial=0.0)
    norm2 = u @ u + ridge @ w**2
    if norm2 > 0.0:
        t = y @ u / norm2
        if reach > 0.0:
            t = min(t, 1.0 / reach)
        duals.append(t * (y @ u) - 0.5 * t * t * norm2)
    excess = np.maximum(size(g) - level, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        conjugates = np.where(excess > 0.0, excess**2 / (2.0 * ridge), 0.0)
    duals.append(y @ u - 0.5 * u @ u - conjugates.sum())
    null = without_free(y)
    return Certificate(primal, primal - max(duals), 0.5 * null @ null)
