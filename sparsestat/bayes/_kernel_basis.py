"""Kernels centred at samples, as the basis of relevance vector machines."""

from math import inf
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import pairwise_kernels

from sparsestat.utils.validation import Callable, Interval, OneOf, Rule, Satisfies

__all__ = ["KERNEL_RULES", "Basis", "make_basis"]

KERNEL_RULES: dict[str, Rule] = {
    "kernel": OneOf(
        "rbf", "laplacian", "poly", "polynomial", "sigmoid", "linear", "cosine",
        "precomputed",
    ) | Callable,
    "gamma": OneOf("scale", "auto") | Interval(0, inf, closed="neither"),
    "degree": Interval(0, inf, closed="neither"),
    "coef0": Interval(-inf, inf, closed="neither"),
    "kernel_params": Satisfies(lambda value: isinstance(value, dict), "a dict") | None,
}  # fmt: skip


class Basis(NamedTuple):
    """Kernels at centres.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_centres)
        Of the samples.
    centres : ndarray of shape (n_centres,)
        Which samples are centres.
    gamma : float or None
        Coefficient of the kernel.
    """

    values: np.ndarray
    centres: np.ndarray
    gamma: float | None


def make_basis(model, X, weight: np.ndarray) -> Basis:
    """Kernels of samples at those that have weight, equal ones once."""
    if model.kernel == "precomputed":
        if X.shape[0] != X.shape[1]:
            raise ValueError(
                "X must be square with kernel='precomputed', the kernels of all pairs "
                f"of samples; got shape {X.shape}."
            )
        centres = np.flatnonzero(weight > 0.0)
        values = X.toarray() if sparse.issparse(X) else X
        return Basis(values[:, centres], centres, None)
    centres = _distinct(X, np.flatnonzero(weight > 0.0))
    gamma = _gamma(model.gamma, X, weight)
    return Basis(kernels(model, X, X[centres], gamma), centres, gamma)


def kernels(model, X, centres, gamma: float | None) -> np.ndarray:
    """Kernels of rows of X at centres; those that were given are those of X itself."""
    if model.kernel == "precomputed":
        return X.toarray() if sparse.issparse(X) else X
    if callable(model.kernel):
        parameters = model.kernel_params or {}
    else:
        parameters = {"gamma": gamma, "degree": model.degree, "coef0": model.coef0}
    return pairwise_kernels(
        X, centres, metric=model.kernel, filter_params=True, **parameters
    )


def _gamma(gamma, X, weight: np.ndarray) -> float:
    if gamma == "auto":
        return 1.0 / X.shape[1]
    if gamma != "scale":
        return float(gamma)
    share = weight / weight.sum() / X.shape[1]
    mean = float((X.T @ share).sum())
    squares = X.multiply(X) if sparse.issparse(X) else np.square(X, dtype=np.float64)
    variance = float((squares.T @ share).sum()) - mean**2
    return 1.0 / (X.shape[1] * variance) if variance > 1e-12 * mean**2 else 1.0


def _distinct(X, rows: np.ndarray) -> np.ndarray:
    """One of each set of equal rows, in an order that does not depend on theirs."""
    if not sparse.issparse(X):
        return rows[np.unique(X[rows], axis=0, return_index=True)[1]]
    part = sparse.csr_array(X)[rows]
    part.sum_duplicates()
    part.eliminate_zeros()
    first: dict[bytes, int] = {}
    for row, start, stop in zip(rows, part.indptr, part.indptr[1:], strict=False):
        key = part.indices[start:stop].tobytes() + part.data[start:stop].tobytes()
        first.setdefault(key, row)
    return np.array([first[key] for key in sorted(first)])
