"""Second moments of rows that are held apart: made on each part, merged in any order.

A part gives its own mean and its own scatter about it; two parts are merged exactly,
and without cancellation, by Chan, Golub and LeVeque (1983),
doi:10.1080/00031305.1983.10483115.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.linalg.blas import dspr, dsyrk

from sparsestat.optim.design import correlate, make_design, with_norms
from sparsestat.optim.moments import gram_matrix

__all__ = ["Moments", "merge_moments", "moments_of_rows", "scatter_matrix"]

# Rows that are shifted at a time, in bytes: they stay in the cache of a core.
_BLOCK_BYTES = 1 << 20
# Rows whose mean stands for that of all.
_FIRST_ROWS = 256
# Largest square of its error, or of a mean, over the variance: two digits are lost.
_HARMLESS_SHIFT = 100.0


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
        May have no rows, and be a slice of wider ones; is neither copied nor changed.
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
    if isinstance(X, np.ndarray) and (X.flags.c_contiguous or not X.flags.f_contiguous):
        row, entry = X.strides
        if p == 1 or entry != X.itemsize or row < p * entry:
            X = np.ascontiguousarray(X)  # BLAS takes no such slices as they are
        for method in (_from_products, _in_one_pass):
            found = method(X, Y, sample_weight, counts)
            if found is not None:
                return found
        X = np.ascontiguousarray(X)
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


def _from_products(X, Y, weight, counts) -> Moments | None:
    """Moments from X.T @ X, the fastest form, which takes slices as they are.

    None unless all rows weigh the same and no mean is large beside the deviations.
    """
    few = X[:_FIRST_ROWS]
    even = X.dtype == np.float64 and bool((weight == weight[0]).all())
    if not even or (few.mean(axis=0) ** 2 > _HARMLESS_SHIFT * few.var(axis=0)).any():
        return None
    n, p = X.shape
    y_mean = Y.mean(axis=0)
    centred = Y - y_mean
    others = np.vstack([np.ones(n), centred.T])
    products = np.zeros((len(others), p))
    scatter = np.zeros((p, p), order="F")
    # All products of a block while it is in the cache: the rows are read once.
    size = max(_BLOCK_BYTES // (8 * max(p, 1)), p, 16)
    for start in range(0, n, size):
        rows = X[start : start + size]
        scatter = dsyrk(1.0, rows.T, beta=1.0, c=scatter, overwrite_c=True)
        products += others[:, start : start + size] @ rows
    mean = products[0] / n
    squares = scatter.diagonal() - n * mean**2
    if not (n * mean**2 <= _HARMLESS_SHIFT * squares).all():
        return None
    packed = dspr(p, -n, mean, lapack.dtrttp(scatter)[0], overwrite_ap=True)
    cross = products[1:] - np.outer(centred.sum(axis=0), mean)
    own = centred.T @ centred
    for k, row in enumerate(cross):  # columns of the triangle, one after the other
        packed = np.concatenate([packed, row, own[: k + 1, k]])
    if weight[0] != 1.0:
        packed *= weight[0]
    return Moments(counts, np.append(mean, y_mean), packed)


def _in_one_pass(X, Y, weight, counts) -> Moments | None:
    """Moments by blocks of rows about the mean of the first ones.

    None where that is so far from the mean of all that digits would be lost.
    """
    n, p = X.shape
    d, total = p + Y.shape[1], counts[1]
    size = min(max(_BLOCK_BYTES // (8 * max(d, 1)), 16), n)
    block, even = np.empty((size, d)), bool((weight == weight[0]).all())
    first = np.concatenate([X[0], Y[0]]).astype(np.float64)
    few = np.column_stack([X[:_FIRST_ROWS], Y[:_FIRST_ROWS]]) - first
    shift = first + few.mean(axis=0)  # exactly the first one where all are equal
    sums, scatter = np.zeros(d), np.zeros((d, d), order="F")
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        rows = block[: part.stop - start]
        np.subtract(X[part], shift[:p], out=rows[:, :p])
        np.subtract(Y[part], shift[p:], out=rows[:, p:])
        if even:
            sums += rows.sum(axis=0)
        else:
            sums += weight[part] @ rows
            rows *= np.sqrt(weight[part])[:, None]
        scatter = dsyrk(1.0, rows.T, beta=1.0, c=scatter, overwrite_c=True)
    if even:
        sums *= weight[0]
        scatter *= weight[0]
    gap = sums / total
    scatter -= total * np.outer(gap, gap)
    if not (total * gap**2 <= _HARMLESS_SHIFT * scatter.diagonal()).all():
        return None
    return Moments(counts, shift + gap, lapack.dtrttp(scatter)[0])


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
