"""Bregman decoding: the closest sparse distribution, its size chosen by a penalty.

The best support of each size holds the largest probabilities, and the cost is convex
in the size, after Noarov et al. (2025).
"""

from __future__ import annotations

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from sparsestat.activations._distributions import COMMON, Distributions
from sparsestat.activations._selection import FIRST, largest
from sparsestat.optim.row_blocks import grow_rows
from sparsestat.utils.dispatch import kernel
from sparsestat.utils.validation import Interval, OneOf, check_parameters

__all__ = ["bregman_decode"]

_COUNT = Interval(1, inf, closed="left", integer=True) | None
_RULES = {
    **COMMON,
    "alpha": Interval(0, 50, closed="right"),
    "penalty": Interval(0, inf, closed="left"),
    "kind": OneOf("primal", "dual"),
    "k": _COUNT,
    "max_k": _COUNT,
}
_MAX_ITER = 200
# Orders this close to one are taken for it: their powers would cost more digits.
_NEAR_ONE = 1e-6
_ROUNDING = 4e-16


def bregman_decode(
    P: ArrayLike,
    *,
    alpha: float = 1.0,
    penalty: float = 1e-3,
    kind: Literal["primal", "dual"] = "primal",
    k: int | None = None,
    max_k: int | None = None,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> tuple[np.ndarray | sparse.csr_array, int | np.ndarray]:
    r"""Closest sparse distributions, with as many entries as their closeness is worth.

    .. math:: \min_{q \in \Delta} D_\phi(q, p) + \lambda \|q\|_0
        \quad \text{(primal)}, \qquad
        \min_{q \in \Delta} D_\phi(p, q) + \lambda \|q\|_0 \quad \text{(dual)}

    with the Bregman divergence of
    :math:`\phi(x) = \sum_i x_i^\alpha / (\alpha (\alpha - 1))`, which for
    :math:`\alpha = 1` is :math:`\sum_i x_i \log x_i` and makes the primal one ordinary
    top-k sampling with a k for each row. The support holds the largest probabilities;
    since the cost is convex in its size, that is found by bisection.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    alpha : float, default=1.0
        Order of the divergence in (0, 50], above 1 for ``kind="dual"``. Primal orders
        above 1 lift the small ones of the kept probabilities, those below 1 the large
        ones.

    penalty : float, default=1e-3
        The strength :math:`\lambda \ge 0`, the price of an entry.

    kind : {"primal", "dual"}, default="primal"
        Which argument of the divergence is sought.

    k : int, default=None
        A fixed number of entries; None leaves the choice to the penalty.

    max_k : int, default=None
        An upper bound for the number of entries.

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        Sparse distributions.

    k : int, or ndarray of shape (n_rows,)
        Their numbers of entries. Probabilities of zero are never kept, so that these
        may be below the `k` asked for.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    top_k : A fixed number of entries.
    top_p : A fixed share of the probability.

    References
    ----------
    .. [1] Noarov, G., Mallick, S., Wang, T., Joshi, S., Sun, Y., Xie, Y., Yu, M. and
       Dobriban, E. (2025). Foundations of top-k decoding for language models.
       :arxiv:`2505.19371`

    Examples
    --------
    >>> from sparsestat.activations import bregman_decode
    >>> p = [0.5, 0.2, 0.15, 0.1, 0.05]
    >>> bregman_decode(p, penalty=0.15)
    (array([0.58823529, 0.23529412, 0.17647059, 0.        , 0.        ]), 3)
    >>> Q, k = bregman_decode(p, alpha=2.0, penalty=0.05)
    >>> Q, k
    (array([0.65, 0.35, 0.  , 0.  , 0.  ]), 2)
    """
    caller = "bregman_decode"
    parameters = {
        "alpha": alpha,
        "penalty": penalty,
        "kind": kind,
        "k": k,
        "max_k": max_k,
        "from_logits": from_logits,
        "temperature": temperature,
        "output": output,
    }
    check_parameters(parameters, _RULES, name=caller)
    if kind == "dual" and alpha <= 1.0:
        raise ValueError(
            f"{caller}: alpha must be above 1 for kind='dual', where leaving out a "
            f"probability costs infinitely much otherwise; got {alpha}."
        )
    if abs(alpha - 1.0) < _NEAR_ONE:
        alpha = 1.0
    given = Distributions.read(caller, P, from_logits, temperature)
    values = given.values
    width = values.shape[1]
    limit = min(width, k or width, max_k or width)
    # Without a penalty all entries stay; differences of their costs would only round.
    fixed = k is not None or penalty == 0.0

    def fill(first, data, indices, indptr):
        return _decode_rows(
            values,
            given.totals,
            float(alpha),
            kind == "dual",
            -1.0 if fixed else float(penalty),
            limit,
            first,
            data,
            indices,
            indptr,
        )

    Q, _ = grow_rows(fill, values.shape, values.dtype)
    sizes = np.diff(Q.indptr).astype(np.intp)
    return given.restore(Q, output), sizes if given.many else int(sizes[0])


@kernel
def _decode_rows(P, totals, alpha, dual, penalty, limit, first, data, indices, indptr):
    """Append decoded rows; a negative penalty keeps as many entries as allowed."""
    n_rows, width = P.shape
    buffer, where = np.empty(2 * width), np.empty(2 * width, np.int64)
    q, sums = np.empty(width), np.empty((3, width))
    for i in range(first, n_rows):
        m = limit if penalty < 0.0 else min(limit, FIRST)
        while True:
            n = largest(P[i], m, buffer, where)
            kept = 0
            while kept < n and buffer[kept] > 0.0:
                buffer[kept] /= totals[i]
                kept += 1
            x = buffer[:kept]
            if penalty < 0.0:
                size = kept
                break
            size = _best_size(x, alpha, dual, penalty, q, sums)
            if size < kept or kept < m or m == limit:
                break
            m = min(4 * m, limit)
        start = indptr[i]
        if start + size > len(data):
            return i
        _renormalise(x[:size], alpha, dual, q)
        for k in range(size):
            data[start + k], indices[start + k] = q[k], where[k]
        indptr[i + 1] = start + size
    return n_rows


@kernel
def _best_size(x, alpha, dual, penalty, q, sums):
    """Smallest size at which one more entry does not pay; all if there is none.

    Differences of a convex sequence increase, so they are bracketed by doubling, then
    bisected.
    """
    n = len(x)
    _accumulate(x, alpha, sums)
    low, high = 0, 1
    while high < n and not _is_enough(x, high, alpha, dual, penalty, q, sums):
        low, high = high, 2 * high
    if high >= n:
        if n == 1 or not _is_enough(x, n - 1, alpha, dual, penalty, q, sums):
            return n
        high = n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _is_enough(x, middle, alpha, dual, penalty, q, sums):
            high = middle
        else:
            low = middle
    return high


@kernel
def _is_enough(x, k, alpha, dual, penalty, q, sums):
    """Whether the cost of k + 1 entries is at least that of k."""
    if alpha == 1.0:
        return np.log1p(x[k] / sums[0, k - 1]) <= penalty
    gain = _cost(x, k, alpha, dual, q, sums) - _cost(x, k + 1, alpha, dual, q, sums)
    return gain <= penalty


@kernel
def _accumulate(x, alpha, sums):
    """Sums of prefixes that give costs in closed form."""
    total, lower, upper = 0.0, 0.0, 0.0
    for k in range(len(x)):
        total += x[k]
        if alpha == 1.5:
            root = np.sqrt(x[k])
            lower += root
            upper += x[k] * root
        else:
            upper += x[k] * x[k]
        sums[0, k], sums[1, k], sums[2, k] = total, lower, upper


@kernel
def _cost(x, k, alpha, dual, q, sums):
    """Divergence of the best k entries, up to what does not depend on k."""
    rest = 1.0 - sums[0, k - 1]
    if alpha == 2.0:
        return 0.5 * (rest * rest / k - sums[2, k - 1])
    if alpha == 1.5 and not dual and rest > 0.0:
        roots = sums[1, k - 1]
        nu = rest / (roots + np.sqrt(roots * roots + k * rest))
        return (nu * nu * (1.5 * roots + k * nu) - 0.5 * sums[2, k - 1]) / 0.75
    _renormalise(x[:k], alpha, dual, q)
    order = alpha - 1.0
    total = 0.0
    for i in range(k):
        if dual:
            total += q[i] ** order * (q[i] / alpha - x[i] / order)
        else:
            total += q[i] * (q[i] ** order / alpha - x[i] ** order) / order
    return total


@kernel
def _renormalise(x, alpha, dual, q):
    """The closest distribution on a support that holds x, decreasing, sum at most 1."""
    k = len(x)
    total = 0.0
    for i in range(k):
        total += x[i]
    rest = 1.0 - total
    if alpha == 1.0 or rest <= 0.0:
        for i in range(k):
            q[i] = x[i] / total
    elif alpha == 2.0:
        for i in range(k):
            q[i] = x[i] + rest / k
    elif dual:
        _renormalise_dual(x, alpha, rest, q)
    elif alpha == 1.5:
        # sqrt(q) = sqrt(x) + nu: k nu^2 + 2 nu sum(sqrt(x)) = rest
        roots = 0.0
        for i in range(k):
            roots += np.sqrt(x[i])
        nu = rest / (roots + np.sqrt(roots * roots + k * rest))
        for i in range(k):
            q[i] = (np.sqrt(x[i]) + nu) ** 2
    elif alpha > 2.0:
        _renormalise_norms(x, alpha, q)
    else:
        _renormalise_primal(x, alpha, q)


@kernel
def _renormalise_primal(x, alpha, q):
    """alpha < 2: q^(alpha - 1) = x^(alpha - 1) + nu, nu < 0 for alpha < 1.

    The sum of q is convex in the size of nu, and Newton starts where it exceeds one.
    """
    k, order = len(x), alpha - 1.0
    power = 1.0 / order
    sign = 1.0 if alpha > 1.0 else -1.0
    # There the largest entry is one, or all are at least 1 / k.
    nu = abs(np.expm1(order * np.log(x[0])))
    if alpha > 1.0:
        nu = min(nu, k**-order)
    for _ in range(_MAX_ITER):
        total, slope = 0.0, 0.0
        for i in range(k):
            base = x[i] ** order + sign * nu
            q[i] = base**power
            total += q[i]
            slope += abs(power) * q[i] / base
        before = nu
        nu = max(nu - (total - 1.0) / slope, 0.0)
        if abs(total - 1.0) <= _ROUNDING or nu == before:
            break


@kernel
def _renormalise_norms(x, alpha, q):
    """alpha > 2: q^(alpha - 1) = x^(alpha - 1) + c^(alpha - 1).

    Each q is a norm of (x, c), hence convex in c; Newton starts at c = 1 / k.
    """
    k, order = len(x), alpha - 1.0
    c = 1.0 / k
    for _ in range(_MAX_ITER):
        total, slope = 0.0, 0.0
        for i in range(k):
            larger = max(x[i], c)
            norm = (x[i] / larger) ** order + (c / larger) ** order
            q[i] = larger * norm ** (1.0 / order)
            total += q[i]
            slope += (c / q[i]) ** (order - 1.0)
        before = c
        c = max(c - (total - 1.0) / slope, 0.0)
        if abs(total - 1.0) <= _ROUNDING or c == before:
            break


@kernel
def _renormalise_dual(x, alpha, rest, q):
    """q = x + nu q^(2 - alpha), by Newton on sum(q) = 1 between safe bounds.

    For alpha > 2 the unknown is nu^(1 / (alpha - 1)), which has the scale of q.
    """
    k, power = len(x), 2.0 - alpha
    order = max(alpha - 1.0, 1.0)
    total = 0.0
    for i in range(k):
        total += x[i] ** power
    low = min(rest / k, rest / total) ** (1.0 / order)
    high = max(rest / k, rest / total) ** (1.0 / order)
    v = 0.5 * (low + high)
    for _ in range(_MAX_ITER):
        nu = v**order
        total, slope = 0.0, 0.0
        for i in range(k):
            q[i] = _dual_entry(x[i], nu, alpha)
            total += q[i]
            lever = q[i] ** power
            slope += lever / (1.0 - nu * power * lever / q[i])
        if abs(total - 1.0) <= _ROUNDING:
            break
        if total > 1.0:
            high = v
        else:
            low = v
        before = v
        v -= (total - 1.0) / (slope * order * v ** (order - 1.0))
        if not low < v < high:
            v = 0.5 * (low + high)
        if v == before:
            break


@kernel
def _dual_entry(x, nu, alpha):
    """The q above x with q - nu q^(2 - alpha) = x: a square root, or else Newton.

    That starts to the right.  For alpha > 2 the equation is multiplied by
    q^(alpha - 2); either form is convex.
    """
    if alpha == 1.5:
        return (0.5 * (nu + np.sqrt(nu * nu + 4.0 * x))) ** 2
    if alpha == 3.0:
        return 0.5 * (x + np.sqrt(x * x + 4.0 * nu))
    power, order = 2.0 - alpha, alpha - 1.0
    q = max(2.0 * x, (2.0 * nu) ** (1.0 / order))
    for _ in range(_MAX_ITER):
        lever = nu * q**power
        excess = q - lever - x
        before = q
        if alpha < 2.0:
            q -= excess / (1.0 - power * lever / q)
        else:
            q -= excess * q / (order * q + power * x)
        q = max(q, x)
        if q >= before:
            return before
    return q
