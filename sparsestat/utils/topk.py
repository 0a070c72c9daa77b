"""The k largest by partial selection; the lowest index comes first among equals."""

import numpy as np

__all__ = ["top_k", "top_k_mask"]


def top_k(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest values, increasing.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Real and without NaN.
    k : int
        How many; all of them where there are not more.

    Returns
    -------
    indices : ndarray of shape (min(k, n),)

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.utils.topk import top_k
    >>> top_k(np.array([1.0, 3.0, 2.0, 3.0, 2.0]), 3)
    array([1, 2, 3])
    """
    return np.flatnonzero(top_k_mask(values, k))


def top_k_mask(values: np.ndarray, k: int) -> np.ndarray:
    """Which values are among the k largest of their row.

    Parameters
    ----------
    values : ndarray of shape (..., n)
        Real and without NaN.
    k : int
        How many in each row.

    Returns
    -------
    mask : ndarray of shape (..., n), bool

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.utils.topk import top_k_mask
    >>> top_k_mask(np.array([[2.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), 1).astype(int)
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    n = values.shape[-1]
    if k <= 0:
        return np.zeros(values.shape, bool)
    if k >= n:
        return np.ones(values.shape, bool)
    least = np.partition(values, n - k, axis=-1)[..., n - k, None]
    above, equal = values > least, values == least
    wanted = k - above.sum(axis=-1, keepdims=True)
    return above | (equal & (np.cumsum(equal, axis=-1) <= wanted))
