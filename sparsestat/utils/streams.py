"""Sums over the rows of a matrix that is never copied as a whole.

Images come as integers or in single precision, and may be memory maps that are larger
than the memory: a block of rows at a time is turned into double precision.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg.blas import dsyrk
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

__all__ = ["check_rows", "combine", "exact_blocks", "moments", "project", "real_dtype"]

_FLOATS = [np.float64, np.float32]
# Bytes of the rows that are converted at once.
_BYTES = 1 << 22


def real_dtype(dtype: np.dtype) -> np.dtype:
    """Precision of what is computed from data: single for single, else double.

    Parameters
    ----------
    dtype : dtype
        That of the data.

    Returns
    -------
    dtype : dtype
        float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> real_dtype(np.dtype(np.uint16))
    dtype('float64')
    """
    return np.dtype(np.float32 if dtype == np.float32 else np.float64)


def check_rows(
    X: object, estimator: BaseEstimator | None = None, *, reset: bool = True
) -> np.ndarray:
    """Return a matrix of finite numbers; integers are not converted.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The matrix.
    estimator : estimator, default=None
        Whose data they are: then names and numbers of features are kept or compared.
    reset : bool, default=True
        Whether `estimator` is being fitted.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float64, float32, or the integers of an array that holds such, which have no
        NaN to look for.

    Raises
    ------
    ValueError
        As scikit-learn's ``check_array``.

    Examples
    --------
    >>> import numpy as np
    >>> check_rows(np.ones((2, 3), dtype=np.uint16)).dtype
    dtype('uint16')
    """
    integers = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "ui"
    seen = X[:1] if integers else X
    if estimator is None:
        checked = check_array(seen, dtype=_FLOATS)
    else:
        checked = validate_data(estimator, seen, dtype=_FLOATS, reset=reset)
    return np.asarray(X) if integers else checked


def exact_blocks(X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows in double precision, all at once where nothing has to be converted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Of any type of numbers.

    Yields
    ------
    rows : slice
        Which rows.
    block : ndarray of shape (n_rows, n_features)
        Their values.

    Examples
    --------
    >>> import numpy as np
    >>> [block.sum() for rows, block in exact_blocks(np.ones((2, 3), dtype=np.int8))]
    [np.float64(6.0)]
    """
    step = max(1, len(X) if X.dtype == np.float64 else _BYTES // (8 * X.shape[1]))
    for first in range(0, len(X), step):
        rows = slice(first, first + step)
        yield rows, X[rows].astype(np.float64, copy=False)


def moments(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products of all pairs of columns, and the means of the columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Of any type of numbers.

    Returns
    -------
    products : ndarray of shape (n_features, n_features)
        X'X in double precision.
    mean : ndarray of shape (n_features,)
        Means.

    Examples
    --------
    >>> import numpy as np
    >>> moments(np.array([[1, 2], [3, 0]]))
    (array([[10.,  2.],
           [ 2.,  4.]]), array([2., 1.]))
    """
    n, p = X.shape
    lower, total = np.zeros((p, p), order="F"), np.zeros(p)
    for _, block in exact_blocks(X):
        if block.flags.c_contiguous:
            lower = dsyrk(1.0, block.T, beta=1.0, c=lower, lower=True, overwrite_c=True)
        else:
            lower += np.tril(block.T @ block)
        total += block.sum(axis=0)
    return lower + np.tril(lower, -1).T, total / n


def project(X: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return ``X @ directions`` in double precision.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Of any type of numbers.
    directions : ndarray of shape (n_features, n_directions)
        Directions.

    Returns
    -------
    coordinates : ndarray of shape (n_samples, n_directions)
        The product.

    Examples
    --------
    >>> import numpy as np
    >>> project(np.array([[1, 2]]), np.array([[0.5], [1.0]]))
    array([[2.5]])
    """
    out = np.empty((len(X), directions.shape[1]))
    for rows, block in exact_blocks(X):
        np.matmul(block, directions, out=out[rows])
    return out


def combine(weights: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return ``weights.T @ X`` in double precision.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_sums)
        What each row counts in each sum.
    X : ndarray of shape (n_samples, n_features)
        Of any type of numbers.

    Returns
    -------
    sums : ndarray of shape (n_sums, n_features)
        The product.

    Examples
    --------
    >>> import numpy as np
    >>> combine(np.array([[1.0], [0.5]]), np.array([[2, 4], [2, 0]]))
    array([[3., 4.]])
    """
    out = np.zeros((weights.shape[1], X.shape[1]))
    for rows, block in exact_blocks(X):
        out += weights[rows].T @ block
    return out
