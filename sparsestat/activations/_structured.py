"""Sparse maps with structure: segments, clusters and upper bounds.

Each is the projection onto the simplex of a proximal operator, or a projection onto a
smaller polytope, after Niculae and Blondel (2017) and Martins and Kreutzer (2017).
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.activations._maps import complain
from sparsestat.activations._rows import Rows, to_rows
from sparsestat.optim.entmax import apply_entmax
from sparsestat.optim.proximal import denoise_line, pool_decreasing
from sparsestat.optim.row_blocks import run_blocks
from sparsestat.utils.dispatch import kernel
from sparsestat.utils.validation import Interval, Jobs, check_parameters

__all__ = [
    "constrained_sparsemax",
    "fusedmax",
    "fusedmax_vjp",
    "oscarmax",
    "oscarmax_vjp",
]

_RULES = {
    "penalty": Interval(0, inf, closed="left"),
    "axis": Interval(-inf, inf, integer=True),
    "n_jobs": Jobs,
}
# Upper bounds that sum to one up to rounding leave one point.
_SLACK = 1e-12


def fusedmax(
    Z: ArrayLike,
    penalty: float = 0.1,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Sparse probabilities that are equal over segments.

    .. math:: \operatorname{argmin}_{p \in \Delta} \tfrac12 \|p - z\|^2
        + \lambda \sum_k |p_{k+1} - p_k|

    Sparsemax of the scores denoised by total variation, which is exact. Attention over
    a text gathers on contiguous phrases.

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores. Entries of ``-inf`` are masked: they get the probability zero, and
        their neighbours are not tied across them.

    penalty : float, default=0.1
        The strength :math:`\lambda \ge 0`; 0 is sparsemax, a large one is uniform.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    P : ndarray of the shape of `Z`
        Non-negative, with sums of one. Within a segment all are equal to the last bit.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, or `penalty` is negative.

    See Also
    --------
    oscarmax : Ties classes wherever they are.
    fusedmax_vjp : Its derivative.

    References
    ----------
    .. [1] Niculae, V. and Blondel, M. (2017). A regularized framework for sparse and
       structured neural attention. :arxiv:`1705.07704`

    Examples
    --------
    >>> from sparsestat.activations import fusedmax
    >>> fusedmax([0.0, 0.9, 1.1, 0.1], penalty=0.1)
    array([0. , 0.5, 0.5, 0. ])
    """
    rows = _check("fusedmax", Z, penalty, axis, n_jobs)

    def tie(X, out):
        _fuse_rows(X, float(penalty), out)

    return _tied_map("fusedmax", rows, tie, out, n_jobs)


def oscarmax(
    Z: ArrayLike,
    penalty: float = 0.05,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Sparse probabilities that are equal over clusters.

    .. math:: \operatorname{argmin}_{p \in \Delta} \tfrac12 \|p - z\|^2
        + \lambda \sum_{j < k} \max(p_j, p_k)

    Probabilities are positive, so the penalty weighs sorted values: sparsemax of the
    isotonic regression of the sorted scores less :math:`\lambda (K - 1, \dots, 1, 0)`.
    (The proximal operator of absolute values, in its place, errs for negative scores.)

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores; entries of ``-inf`` are masked and get the probability zero.

    penalty : float, default=0.05
        The strength :math:`\lambda \ge 0`; 0 is sparsemax.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    P : ndarray of the shape of `Z`
        Non-negative, with sums of one. Within a cluster all are equal to the last bit.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, or `penalty` is negative.

    See Also
    --------
    fusedmax : Ties neighbours only.
    oscarmax_vjp : Its derivative.

    References
    ----------
    .. [1] Niculae, V. and Blondel, M. (2017). A regularized framework for sparse and
       structured neural attention. :arxiv:`1705.07704`
    .. [2] Bondell, H. D. and Reich, B. J. (2008). Simultaneous regression shrinkage,
       variable selection, and supervised clustering of predictors with OSCAR.
       :doi:`10.1111/j.1541-0420.2007.00843.x`

    Examples
    --------
    >>> from sparsestat.activations import oscarmax
    >>> oscarmax([0.9, 0.0, 0.85, -1.0], penalty=0.05)
    array([0.5, 0. , 0.5, 0. ])
    """
    rows = _check("oscarmax", Z, penalty, axis, n_jobs)

    def tie(X, out):
        order = np.argsort(-X, axis=1, kind="stable")
        _cluster_rows(X, order, float(penalty), out)

    return _tied_map("oscarmax", rows, tie, out, n_jobs)


def constrained_sparsemax(
    Z: ArrayLike,
    upper: ArrayLike,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Sparse probabilities below upper bounds.

    .. math:: \operatorname{argmin}_{p \in \Delta, \, p \le u} \|p - z\|^2,
        \qquad p_k = \min(\max(z_k - \tau, 0), u_k)

    The threshold is exact: the sum is linear between sorted breakpoints.

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores; entries of ``-inf`` are masked and get the probability zero.

    upper : float or array-like
        Bounds in [0, inf] that broadcast to the shape of `Z`. In each row those of
        unmasked classes must sum to at least one.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    P : ndarray of the shape of `Z`
        Between 0 and `upper`, with sums of one.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, if a bound is negative or NaN,
        or if those of a row sum to less than one.

    See Also
    --------
    sparsemax : Without bounds.

    References
    ----------
    .. [1] Martins, A. F. T. and Kreutzer, J. (2017). Learning what's easy: fully
       differentiable neural easy-first taggers. :doi:`10.18653/v1/D17-1036`

    Examples
    --------
    >>> from sparsestat.activations import constrained_sparsemax
    >>> constrained_sparsemax([1.2, 0.9, 0.5, -0.3], upper=0.4)
    array([0.4, 0.4, 0.2, 0. ])
    """
    caller = "constrained_sparsemax"
    rows = _check(caller, Z, 0.0, axis, n_jobs)
    upper = np.asarray(upper, dtype=np.float64)
    shape = np.shape(Z)
    try:
        upper = np.moveaxis(np.broadcast_to(upper, shape), rows.axis, -1)
    except ValueError:
        raise ValueError(
            f"{caller}: upper must broadcast to {shape}; got shape {upper.shape}."
        ) from None
    if not (upper >= 0.0).all():
        raise ValueError(
            f"{caller}: upper must be >= 0; got {upper[~(upper >= 0)][0]}."
        )
    upper = upper.reshape(rows.values.shape)
    X = _centred(caller, rows)
    upper = np.where(np.isneginf(X), 0.0, upper)
    sums = upper.sum(axis=1)
    if (sums < 1.0 - _SLACK).any():
        row = int((sums < 1.0 - _SLACK).argmax())
        raise ValueError(
            f"{caller}: upper must sum to at least one over unmasked classes; got "
            f"{sums[row]} in row {row}."
        )
    P = rows.room(caller, out, np.float64)
    run_blocks(lambda b: _constrained_rows(X[b], upper[b], P[b]), len(X), n_jobs)
    return rows.deliver(P, out)


def fusedmax_vjp(
    P: ArrayLike,
    V: ArrayLike,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Gradient in the scores of a function of fusedmax, from its gradient in `P`.

    Averages the gradient over each segment of equal probabilities and subtracts its
    mean over the support. The Jacobian is symmetric.

    Parameters
    ----------
    P : array-like of shape (..., n_classes, ...)
        Probabilities returned by :func:`fusedmax`.

    V : array-like of the same shape
        Gradients in the probabilities.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `P`, default=None
        Where to write the result, in its precision; may be `P` or `V` itself. Its
        content is undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    product : ndarray of the shape of `P`
        Gradients in the scores.

    Raises
    ------
    ValueError
        If shapes differ, or a row of `P` is NaN or has no positive entry.

    See Also
    --------
    entmax_vjp : Without segments.

    References
    ----------
    .. [1] Niculae, V. and Blondel, M. (2017). A regularized framework for sparse and
       structured neural attention. :arxiv:`1705.07704`

    Examples
    --------
    >>> from sparsestat.activations import fusedmax_vjp
    >>> fusedmax_vjp([0.0, 0.3, 0.3, 0.4], [9.0, 1.0, 3.0, 5.0])
    array([ 0., -1., -1.,  2.])
    """
    return _tied_product("fusedmax_vjp", P, V, axis, out, n_jobs, by_value=False)


def oscarmax_vjp(
    P: ArrayLike,
    V: ArrayLike,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Gradient in the scores of a function of oscarmax, from its gradient in `P`.

    Averages the gradient over each cluster of equal probabilities and subtracts its
    mean over the support. The Jacobian is symmetric.

    Parameters
    ----------
    P : array-like of shape (..., n_classes, ...)
        Probabilities returned by :func:`oscarmax`.

    V : array-like of the same shape
        Gradients in the probabilities.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `P`, default=None
        Where to write the result, in its precision; may be `P` or `V` itself. Its
        content is undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    product : ndarray of the shape of `P`
        Gradients in the scores.

    Raises
    ------
    ValueError
        If shapes differ, or a row of `P` is NaN or has no positive entry.

    See Also
    --------
    entmax_vjp : Without clusters.

    References
    ----------
    .. [1] Niculae, V. and Blondel, M. (2017). A regularized framework for sparse and
       structured neural attention. :arxiv:`1705.07704`

    Examples
    --------
    >>> from sparsestat.activations import oscarmax_vjp
    >>> oscarmax_vjp([0.3, 0.0, 0.4, 0.3], [1.0, 9.0, 5.0, 3.0])
    array([-1.,  0.,  2., -1.])
    """
    return _tied_product("oscarmax_vjp", P, V, axis, out, n_jobs, by_value=True)


def _check(caller, Z, penalty, axis, n_jobs) -> Rows:
    given = {"penalty": penalty, "axis": axis, "n_jobs": n_jobs}
    check_parameters(given, _RULES, name=caller)
    return to_rows(caller, "Z", Z, axis)


def _centred(caller: str, rows: Rows) -> np.ndarray:
    """Scores less their maximum, in float64; refuses what no map accepts."""
    Z = rows.values
    if not len(Z):
        return np.empty(Z.shape)
    top = Z.max(axis=1, keepdims=True).astype(np.float64)
    if not np.isfinite(top).all():
        # The map itself says what is wrong.
        alphas = np.full(len(Z), 2.0)
        complain(caller, Z, apply_entmax(Z, alphas, 1.0, np.empty((0, 0), Z.dtype)))
    return Z - top


def _tied_map(caller: str, rows: Rows, tie, out, n_jobs) -> np.ndarray:
    """Sparsemax of tied scores; `tie(X, out)` works on a block of rows."""
    X = _centred(caller, rows)
    tied, P = np.empty(X.shape), rows.room(caller, out, np.float64)
    run_blocks(lambda b: tie(X[b], tied[b]), len(X), n_jobs)
    tied.flags.writeable = False
    bad = apply_entmax(tied, np.full(len(X), 2.0), 1.0, P, n_jobs=n_jobs)
    complain(caller, tied, bad)
    return rows.deliver(P, out)


def _tied_product(caller, P, V, axis, out, n_jobs, *, by_value):
    rows = _check(caller, P, 0.0, axis, n_jobs)
    directions = to_rows(caller, "V", V, axis)
    if rows.shape != directions.shape:
        raise ValueError(
            f"{caller}: P and V must have one shape; got {np.shape(P)} and "
            f"{np.shape(V)}."
        )
    P = rows.values.astype(np.float64)
    V = directions.values.astype(np.float64)
    odd = ~((P >= 0.0).all(axis=1) & (P.max(axis=1, initial=0.0) > 0.0))
    if odd.any():
        raise ValueError(
            f"{caller}: P must hold probabilities; row {odd.argmax()} is negative, NaN "
            "or zero."
        )
    product = rows.room(caller, out, np.float64)

    def run(block: slice) -> None:
        if by_value:
            order = np.argsort(-P[block], axis=1, kind="stable")
        else:
            order = np.tile(np.arange(P.shape[1]), (len(P[block]), 1))
        _tied_product_rows(P[block], V[block], order, product[block])

    run_blocks(run, len(P), n_jobs)
    return rows.deliver(product, out)


@kernel
def _fuse_rows(X, penalty, out):
    """Denoise what lies between masks."""
    n_rows, width = X.shape
    weights, strengths = np.ones(width), np.empty(width)
    for i in range(n_rows):
        x, row = X[i], out[i]
        start = 0
        while start < width:
            row[start] = x[start]
            stop, total = start, 0.0
            while stop < width and x[stop] > -np.inf:
                total -= x[stop]
                stop += 1
            if stop > start:
                # No flow is larger; a smaller strength leaves more digits to x.
                strengths[start:stop] = min(penalty, 2.0 * total)
                denoise_line(
                    x[start:stop],
                    weights[start:stop],
                    strengths[start:stop],
                    row[start:stop],
                )
            start = max(stop, start + 1)


@kernel
def _cluster_rows(X, order, penalty, out):
    n_rows, width = X.shape
    z = np.empty(width)
    for i in range(n_rows):
        for k in range(width):
            z[k] = X[i, order[i, k]] - penalty * (width - 1 - k)
        pool_decreasing(z)
        for k in range(width):
            out[i, order[i, k]] = z[k]


@kernel
def _constrained_rows(X, upper, P):
    """Sweep tau down over the breakpoints x, where an entry leaves zero, and x - u."""
    n_rows, width = X.shape
    breaks = np.empty(2 * width)
    for i in range(n_rows):
        x, u = X[i], upper[i]
        for k in range(width):
            breaks[k], breaks[width + k] = x[k], x[k] - u[k]
        ordered = np.sort(breaks)
        # The largest breakpoint at which the sum is at least one.
        low, high = 0, 2 * width
        while high - low > 1:
            middle = (low + high) // 2
            if _clipped_sum(x, u, ordered[middle]) >= 1.0:
                low = middle
            else:
                high = middle
        left = ordered[low]
        right = ordered[high] if high < 2 * width else left
        # Between the two no entry changes its kind.
        free, total = 0, -1.0
        for k in range(width):
            if x[k] > left and x[k] - u[k] <= left:
                free += 1
                total += x[k]
            elif x[k] - u[k] > left:
                total += u[k]
        tau = left
        if free > 0:
            tau = min(max(total / free, left), right)
        for k in range(width):
            d = x[k] - tau
            P[i, k] = min(d, u[k]) if d > 0.0 else 0.0


@kernel
def _clipped_sum(x, u, tau):
    total = 0.0
    for k in range(len(x)):
        d = x[k] - tau
        if d > 0.0:
            total += min(d, u[k])
    return total


@kernel
def _tied_product_rows(P, V, order, out):
    """Average V over runs of equal P along the order, less the mean on the support."""
    n_rows, width = P.shape
    for i in range(n_rows):
        p, v, row = P[i], V[i], out[i]
        total, support = 0.0, 0
        start = 0
        while start < width:
            level = p[order[i, start]]
            stop, part = start, 0.0
            while stop < width and p[order[i, stop]] == level:
                part += v[order[i, stop]]
                stop += 1
            if level > 0.0:
                total += part
                support += stop - start
            for k in range(start, stop):
                row[order[i, k]] = part / (stop - start)
            start = stop
        mean = total / support
        for k in range(width):
            row[k] = row[k] - mean if p[k] > 0.0 else 0.0
