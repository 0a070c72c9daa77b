"""Proximal operators and projections of whole vectors, exact and in linear time."""

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["project_simplex"]


def project_simplex(z, total: float = 1.0) -> np.ndarray:
    r"""Euclidean projection onto a simplex.

    The minimiser over w of

    .. math:: \tfrac12 \|w - z\|^2 \quad \text{subject to} \quad
        w \ge 0, \; \textstyle\sum_i w_i = t,

    which is :math:`w_i = (z_i - \tau)_+`. The threshold is found without sorting: it
    is averaged over a set that only shrinks.

    Parameters
    ----------
    z : array-like of shape (n,)
        Point, finite.
    total : float, default=1.0
        The sum t > 0 of the projection.

    Returns
    -------
    w : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If `z` is no finite vector or `total` is not positive.

    References
    ----------
    Michelot (1986), doi:10.1007/BF00938486

    Examples
    --------
    >>> from sparsestat.optim.proximal import project_simplex
    >>> project_simplex([1.2, 0.9, 0.1, -0.3])
    array([0.65, 0.35, 0.  , 0.  ])
    """
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 1 or not len(z) or not np.isfinite(z).all():
        raise ValueError(f"z must be a finite vector of shape (n,); got {z!r}.")
    if not 0.0 < total < np.inf:
        raise ValueError(f"total must be positive and finite; got {total}.")
    x = (z - z.max()) / total
    near = x[x > -1.0]
    return np.maximum(x - simplex_threshold(near, len(near)), 0.0) * total


@kernel
def simplex_threshold(x, n):
    """The tau with sum max(x[:n] - tau, 0) = 1; moves entries of x.

    Michelot (1986), proposition 4: averages over a set that loses what lies below.
    """
    total = 0.0
    for i in range(n):
        total += x[i]
    while True:
        tau = (total - 1.0) / n
        kept, total = 0, 0.0
        for i in range(n):
            value = x[i]
            x[kept] = value
            above = value > tau
            kept += above
            total += value if above else 0.0
        if kept == n:
            return tau
        n = kept
