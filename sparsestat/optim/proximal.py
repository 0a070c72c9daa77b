"""Proximal operators and projections of whole vectors, exact."""

import numpy as np
from scipy import sparse

from sparsestat.utils.dispatch import kernel

__all__ = ["project_simplex", "prox_slope", "prox_tv1d", "prox_tv_graph"]


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


def prox_slope(z, lambdas) -> np.ndarray:
    r"""Proximal operator of the sorted l1 norm.

    The minimiser over w of

    .. math:: \tfrac12 \|w - z\|^2 + \sum_i \lambda_i |w|_{(i)},

    magnitudes in decreasing order, by one sort and a stack of pooled blocks.

    Parameters
    ----------
    z : array-like of shape (n,)
        Point, finite.
    lambdas : array-like of shape (n,)
        Not increasing, >= 0.

    Returns
    -------
    w : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If shapes differ or lambdas are negative or increase.

    References
    ----------
    Bogdan, van den Berg, Sabatti, Su and Candes (2015), doi:10.1214/15-AOAS842,
    section 2.

    Examples
    --------
    >>> from sparsestat.optim.proximal import prox_slope
    >>> prox_slope([3.0, -2.5, 0.5], [2.0, 1.0, 1.0])
    array([ 1.25, -1.25,  0.  ])
    """
    z = _vector(z, "z")
    lambdas = _vector(lambdas, "lambdas")
    if lambdas.shape != z.shape:
        raise ValueError(
            f"lambdas must have shape {z.shape}, as z has; got {lambdas.shape}."
        )
    if len(z) and (lambdas[-1] < 0.0 or (np.diff(lambdas) > 0.0).any()):
        raise ValueError("lambdas must be >= 0 and must not increase.")
    order = np.argsort(-np.abs(z), kind="stable")
    out = np.empty(len(z))
    pool_sorted(z, order, lambdas, 1.0, out)
    return out


def prox_tv1d(z, strength, *, weights=None) -> np.ndarray:
    r"""Proximal operator of total variation on a line, also called fused Lasso signal.

    The minimiser over w of

    .. math:: \tfrac12 \sum_i v_i (w_i - z_i)^2 + \sum_i t_i |w_{i+1} - w_i|,

    exactly, by dynamic programming on the derivative of the cost of every prefix: each
    sample adds two knots and drops those that it passes, so time is linear.

    Parameters
    ----------
    z : array-like of shape (n,)
        Signal, finite.
    strength : float or array-like of shape (n - 1,)
        The t_i >= 0.
    weights : array-like of shape (n,), default=None
        The v_i > 0; None is ones.

    Returns
    -------
    w : ndarray of shape (n,)
        Piecewise constant: within a segment all values are equal to the last bit.

    Raises
    ------
    ValueError
        For wrong shapes, negative strengths or weights that are not positive.

    References
    ----------
    Johnson (2013), doi:10.1080/10618600.2012.681238

    Examples
    --------
    >>> from sparsestat.optim.proximal import prox_tv1d
    >>> prox_tv1d([0.0, 1.0, 5.0, 6.0], 1.0)
    array([1., 1., 5., 5.])
    """
    z = _vector(z, "z")
    n = len(z)
    strengths = np.asarray(strength, dtype=np.float64)
    if strengths.ndim == 0:
        strengths = np.full(max(n - 1, 0), strengths)
    if strengths.shape != (max(n - 1, 0),):
        raise ValueError(
            f"strength must be a number or have shape ({max(n - 1, 0)},); got shape "
            f"{strengths.shape}."
        )
    if not (np.isfinite(strengths) & (strengths >= 0.0)).all():
        raise ValueError(f"strength must be finite and >= 0; got {strength}.")
    weights = np.ones(n) if weights is None else _vector(weights, "weights")
    if weights.shape != z.shape or not (weights > 0.0).all():
        raise ValueError(f"weights must be positive and have shape {z.shape}.")
    out = np.empty(n)
    if n == 0:
        return out
    # About the mean, and no stronger than any flow can be, sums keep their digits.
    mean = float(weights @ z / weights.sum())
    centred = z - mean
    largest = 2.0 * float(weights @ np.abs(centred))
    denoise_line(centred, weights, np.minimum(strengths, largest), out)
    return out + mean


def prox_tv_graph(z, edges, strength, *, tol: float = 1e-10) -> np.ndarray:
    r"""Proximal operator of total variation on a graph.

    The minimiser over w of

    .. math:: \tfrac12 \sum_i (w_i - z_i)^2 + t \sum_{(i, k)} |w_k - w_i|,

    over the edges (i, k), by the certified solver of the fused Lasso.

    Parameters
    ----------
    z : array-like of shape (n,)
        Signal on the nodes, finite.
    edges : array-like of int of shape (n_edges, 2)
        Pairs of neighbours.
    strength : float
        t >= 0.
    tol : float, default=1e-10
        Bound of the duality gap, relative to the objective of the best constant on
        each connected part.

    Returns
    -------
    w : ndarray of shape (n,)

    Raises
    ------
    ValueError
        For values that are not finite, edges that name no node, negative strengths.

    References
    ----------
    Boyd et al. (2011), doi:10.1561/2200000016, for the splitting.

    Examples
    --------
    >>> from sparsestat.optim.proximal import prox_tv_graph
    >>> square = [[0, 1], [1, 2], [2, 3], [3, 0]]
    >>> prox_tv_graph([0.0, 0.0, 4.0, 4.0], square, 0.5).round(6)
    array([0.5, 0.5, 3.5, 3.5])
    """
    # The solver needs the operators of this module.
    from sparsestat.optim.datafits import Quadratic
    from sparsestat.optim.path import solve
    from sparsestat.optim.penalties import TotalVariation

    z = _vector(z, "z")
    if not (np.isfinite(strength) and strength >= 0.0):
        raise ValueError(f"strength must be finite and >= 0; got {strength}.")
    n = len(z)
    penalty = TotalVariation(strength / max(n, 1), 1.0, np.asarray(edges))
    if n == 0 or strength == 0.0 or len(penalty.edges) == 0:
        return z.copy()
    identity = sparse.eye_array(n, format="csc")
    return solve(identity, z, Quadratic(), penalty, fit_intercept=False, tol=tol).coef


def _vector(values, name: str) -> np.ndarray:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (n,); got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite.")
    return array


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


@kernel
def pool_sorted(z, order, lambdas, scale, out):
    """out = prox of sum scale * lambdas_i |w|_(i) at z, sorted by `order`."""
    n = len(z)
    sizes = np.empty(n)
    for i in range(n):
        sizes[i] = abs(z[order[i]]) - scale * lambdas[i]
    pool_decreasing(sizes)
    for i in range(n):
        size = max(sizes[i], 0.0)
        out[order[i]] = np.copysign(size, z[order[i]]) if size > 0.0 else 0.0


@kernel
def pool_decreasing(x):
    """Replace x by the closest sequence that never increases: isotonic regression.

    Best and Chakravarti (1990), doi:10.1007/BF01580873: neighbours that violate the
    order get their mean.
    """
    n = len(x)
    starts, sums, means = np.empty(n, np.int64), np.empty(n), np.empty(n)
    top = 0
    for i in range(n):
        starts[top], sums[top], means[top] = i, x[i], x[i]
        while top > 0 and means[top] >= means[top - 1]:
            sums[top - 1] += sums[top]
            top -= 1
            means[top] = sums[top] / (i + 1 - starts[top])
        top += 1
    for b in range(top):
        stop = starts[b + 1] if b + 1 < top else n
        for i in range(starts[b], stop):
            x[i] = means[b]


@kernel
def denoise_line(z, weights, strengths, out):
    """out = minimiser of sum v (w - z)^2 / 2 + sum t |w_{i+1} - w_i|.

    The derivative of the cost of the first i samples, minimised over all but the last,
    is piecewise linear in that last value w and clipped to [-t_i, t_i].  `knots` hold
    where its slope and offset change; `low` and `high` where it was clipped.
    """
    n = len(z)
    knots = np.empty(2 * n)
    slopes, offsets = np.empty(2 * n), np.empty(2 * n)
    low, high = np.empty(n), np.empty(n)
    left, right = n, n - 1  # no knots yet
    # The derivative left of all knots and right of them, before clipping.
    first_slope, first_offset = weights[0], -weights[0] * z[0]
    last_slope, last_offset = weights[0], -weights[0] * z[0]
    for i in range(n - 1):
        t = strengths[i]
        # From the left: where does the derivative reach -t?
        slope, offset = first_slope, first_offset
        while left <= right and slope * knots[left] + offset < -t:
            slope += slopes[left]
            offset += offsets[left]
            left += 1
        low[i] = (-t - offset) / slope
        left -= 1
        knots[left], slopes[left], offsets[left] = low[i], slope, offset + t
        # From the right: where does it reach t?
        slope, offset = last_slope, last_offset
        while right > left and slope * knots[right] + offset > t:
            slope -= slopes[right]
            offset -= offsets[right]
            right -= 1
        high[i] = (t - offset) / slope
        right += 1
        knots[right], slopes[right], offsets[right] = high[i], -slope, t - offset
        # Add the next sample to the clipped derivative.
        v = weights[i + 1]
        first_slope, first_offset = v, -t - v * z[i + 1]
        last_slope, last_offset = v, t - v * z[i + 1]
    slope, offset = first_slope, first_offset
    while left <= right and slope * knots[left] + offset < 0.0:
        slope += slopes[left]
        offset += offsets[left]
        left += 1
    out[n - 1] = -offset / slope
    for i in range(n - 2, -1, -1):
        out[i] = min(max(out[i + 1], low[i]), high[i])
