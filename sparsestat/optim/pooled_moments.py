"""Second moments of rows that are held apart: made on each part, merged in any order.

A part gives its own mean and its own scatter about it; two parts are merged exactly,
and without cancellation, by Chan, Golub and LeVeque (1983),
doi:10.1080/00031305.1983.10483115.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.linalg.blas import dspr

from sparsestat.optim.design import correlate, make_design, with_norms
from sparsestat.optim.moments import gram_matrix

__all__ = ["Moments", "merge_moments", "moments_of_rows", "scatter_matrix"]


class Moments(NamedTuple):
    """Counts, means and scatter of the columns of Z = [X, Y].

    Parameters
    ----------
    counts : ndarray of shape (2,)
        Number of rows of positive weight, and the sum of the weights.
    mean : ndarray of shape (n_columns,)
        Weighted means.
    scatter : ndarray of shape (n_columns * (n_columns + 1) / 2,)
        sum_i w_i (z_i - mean)(z_i - mean).T, its triangle packed by columns.
    """

    counts: Any
    mean: Any
    scatter: Any


def moments_of_rows(X, Y: np.ndarray, sample_weight: np.ndarray | None) -> Moments:
    """Moments of [X, Y], accumulated in float64 from centred blocks of rows.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        May have no rows; is neither copied nor changed.
    Y : ndarray of shape (n_samples, n_targets)
        Targets; none, one or several.
    sample_weight : ndarray of shape (n_samples,) or None
        Non-negative; None is all ones.

    Returns
    -------
    moments : Moments

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.pooled_moments import moments_of_rows
    >>> X, Y = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])
    >>> moments_of_rows(X, Y, None).scatter
    array([2., 4., 8.])
    """
    n, p = X.shape
    d = p + Y.shape[1]
    if sample_weight is None:
        sample_weight = np.ones(n)
    total = float(sample_weight.sum())
    counts = np.array([np.count_nonzero(sample_weight), total])
    if total == 0.0:
        return Moments(counts, np.zeros(d), np.zeros(d * (d + 1) // 2))
    shares = sample_weight / total
    design = with_norms(make_design(X, sample_weight=shares), shares)
    means = shares @ Y
    centred = Y - means
    rest = shares @ centred
    centred -= rest  # removes the rounding error of the first sum
    scatter = np.zeros((d, d), order="F")
    scatter[:p, :p] = gram_matrix(design, shares)
    weighted = shares[:, None] * centred
    for k in range(Y.shape[1]):
        scatter[:p, p + k] = correlate(design, np.ascontiguousarray(weighted[:, k]))
    scatter[p:, p:] = centred.T @ weighted
    scatter *= total
    packed, _ = lapack.dtrttp(scatter)
    return Moments(counts, np.concatenate([design.mean, means + rest]), packed)


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Moments of the rows of both.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.pooled_moments import merge_moments, moments_of_rows
    >>> Y = np.empty((1, 0))
    >>> low, high = (moments_of_rows(np.array([[x]]), Y, None) for x in (0.0, 2.0))
    >>> merge_moments(low, high).scatter
    array([2.])
    """
    a, b = first.counts[1], second.counts[1]
    if a == 0.0 or b == 0.0:
        return first if b == 0.0 else second
    gap = second.mean - first.mean
    scatter = first.scatter + second.scatter
    if len(gap):
        scatter = dspr(len(gap), a * b / (a + b), gap, scatter, overwrite_ap=True)
    mean = first.mean + gap * (b / (a + b))
    return Moments(first.counts + second.counts, mean, scatter)


def scatter_matrix(moments: Moments) -> np.ndarray:
    """The scatter as a symmetric matrix of shape (n_columns, n_columns).

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.pooled_moments import moments_of_rows, scatter_matrix
    >>> X, Y = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])
    >>> scatter_matrix(moments_of_rows(X, Y, None))
    array([[2., 4.],
           [4., 8.]])
    """
    upper, _ = lapack.dtpttr(len(moments.mean), moments.scatter)
    return np.triu(upper) + np.triu(upper, 1).T
