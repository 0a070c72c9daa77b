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
# The square of such a step of Newton, the error that it leaves, is rounding.
_ALMOST = 1e-8
_ROUNDING = 1e-15
_GUESSES = 20


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
    top-k sampling with a k for each row. The support holds the largest probabilities,
    and the cost is convex in its size. That is found between bounds: from the
    Lagrangian for one size follows which entries pay at their price in any other.

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
    most = _largest_size(float(alpha), kind == "dual", 1.0 if fixed else penalty)

    def fill(first, data, indices, indptr):
        return _decode_rows(
            values,
            given.totals,
            float(alpha),
            kind == "dual",
            -1.0 if fixed else float(penalty),
            limit,
            limit if fixed else min(limit, FIRST, most),
            first,
            data,
            indices,
            indptr,
        )

    Q, _ = grow_rows(fill, values.shape, values.dtype)
    sizes = np.diff(Q.indptr).astype(np.intp)
    return given.restore(Q, output), sizes if given.many else int(sizes[0])


def _largest_size(alpha: float, dual: bool, penalty: float) -> int:
    """No support is larger: each of its entries is worth its price, and they sum to 1.

    For the dual problem the factor bounds the gain of an entry by its power.
    """
    factor = 1.0 / alpha
    if dual:
        factor *= max(1.0 / (alpha - 1.0), alpha - 1.0)
    least = min(penalty / factor, 1.0) ** (1.0 / alpha)
    return FIRST if least * FIRST < 1.0 else int(1.0 / least) + 1


@kernel
def _decode_rows(
    P, totals, alpha, dual, penalty, limit, begin, first, data, indices, indptr
):
    """Append decoded rows; a negative penalty keeps as many entries as allowed.

    Of a row the `begin` largest entries are looked at first.
    """
    n_rows, width = P.shape
    buffer, where = np.empty(2 * width), np.empty(2 * width, np.int64)
    powers, q = np.empty(width), np.empty(width)
    for i in range(first, n_rows):
        m, size = begin, 1
        while True:
            n = largest(P[i], m, buffer, where)
            kept = 0
            while kept < n and buffer[kept] > 0.0:
                buffer[kept] /= totals[i]
                kept += 1
            x = buffer[:kept]
            for k in range(kept if alpha < 2.0 and alpha != 1.0 and not dual else 0):
                powers[k] = _power(x[k], alpha - 1.0)
            if penalty < 0.0:
                size, near = kept, np.inf
                break
            size, near = _best_size(x, powers, alpha, dual, penalty, size, q)
            if size < kept or kept < m or m == limit:
                break
            m = min(4 * m, limit)
        start = indptr[i]
        if start + size > len(data):
            return i
        _renormalise(x[:size], powers, alpha, dual, near, q)
        total = 0.0
        for k in range(size):
            total += q[k]
        for k in range(size):
            data[start + k], indices[start + k] = q[k] / total, where[k]
        indptr[i + 1] = start + size
    return n_rows


@kernel
def _best_size(x, powers, alpha, dual, penalty, low, q):
    """Smallest size at which one more entry does not pay; all if there is none.

    It is known to be at least `low`.  Returns the multiplier of a near size, too.  What
    an entry takes off the Lagrangian grows with the multiplier, which falls with the
    size.  So by the multiplier of k entries, those that pay are all in the best support
    if they are fewer than k, and none else is if they are more.
    """
    n = len(x)
    if alpha == 1.0:
        total = 0.0
        for k in range(n - 1):
            total += x[k]
            if np.log1p(x[k + 1] / total) <= penalty:
                return k + 1, np.inf
        return n, np.inf
    high = n
    k, nu = _guess_size(x, powers, alpha, dual, penalty, low)
    while True:
        nu = _multiplier(x[:k], powers, alpha, dual, nu)
        paying = _count_paying(x, powers, alpha, dual, penalty, nu, low, high)
        width = high - low
        if paying >= k:
            low, high = k, paying
        else:
            low, high = paying, k
        if high - low <= 1:
            break
        # Next to the end that is near, or in the middle where that did not help.
        if 2 * (high - low) > width:
            k = max(low + 1, int(np.sqrt(low * high)))
        else:
            k = high - 1 if paying == high else low + 1
    if low < high:
        fewer, larger = _cost(x[:low], powers, alpha, dual, nu, q)
        more, nu = _cost(x[:high], powers, alpha, dual, nu, q)
        if fewer - more <= penalty:
            return low, larger
        return high, nu
    return low, nu


@kernel
def _guess_size(x, powers, alpha, dual, penalty, low):
    """A size and its multiplier, about: one step of Newton for each secant of sizes."""
    n = len(x)
    k = min(max(low, 16), n)
    nu = np.inf
    before, worse, drop = 0.0, 0.0, 2.0
    for _ in range(_GUESSES):
        nu = min(nu, _bound(x[:k], alpha, dual))
        nu, error = _step(x[:k], powers, alpha, dual, nu)
        paying = _count_paying(x, powers, alpha, dual, penalty, nu, low, n)
        place, excess = np.log(k), np.log(paying / k)
        if before > 0.0 and place != before:
            drop = max((worse - excess) / (place - before), 1.0)
        size = min(max(int(np.exp(place + excess / drop) + 0.5), low), n)
        if abs(size - k) <= 1 and abs(error) < 0.01:
            break
        before, worse, k = place, excess, size
    return k, nu


@kernel
def _count_paying(x, powers, alpha, dual, penalty, nu, low, high):
    """Number of entries that take more than the penalty off, in [low, high]."""
    while low < high:
        k = (low + high) // 2
        q = _entry(x[k], powers[k], alpha, dual, nu, 0.0, np.inf)
        if dual:
            lever = _power(q, alpha - 1.0) / (alpha - 1.0)
            pays = lever * (q / alpha + (q - x[k]) * (alpha - 2.0)) > penalty
        else:
            pays = _power(q, alpha) / alpha > penalty
        if pays:
            low = k + 1
        else:
            high = k
    return low


@kernel
def _cost(x, powers, alpha, dual, guess, q):
    """Divergence up to what does not depend on the support, and the multiplier."""
    nu = _renormalise(x, powers, alpha, dual, guess, q)
    order = alpha - 1.0
    total = 0.0
    for i in range(len(x)):
        if dual:
            total += _power(q[i], order) * (q[i] / alpha - x[i] / order)
        else:
            total += q[i] * (_power(q[i], order) / alpha - _power(x[i], order)) / order
    return total, nu


@kernel
def _renormalise(x, powers, alpha, dual, guess, q):
    """The closest distribution on a support that holds x, decreasing, sum at most 1."""
    nu = _multiplier(x, powers, alpha, dual, guess)
    last, q_last = x[0], np.inf
    for i in range(len(x)):
        q_last = _entry(x[i], powers[i], alpha, dual, nu, last, q_last)
        last, q[i] = x[i], q_last
    return nu


@kernel
def _multiplier(x, powers, alpha, dual, guess):
    """The nu at which the entries sum to one, in the unit of `_entry`.

    Their sum is convex in it, so that Newton comes down from the right.
    """
    k = len(x)
    total = 0.0
    for i in range(k):
        total += x[i]
    rest = max(1.0 - total, 0.0)
    if alpha == 1.0:
        return 1.0 / total
    if alpha == 2.0 or rest == 0.0:
        return rest / k
    if alpha == 1.5 and not dual:
        # sqrt(q) = sqrt(x) + nu: k nu^2 + 2 nu sum(sqrt(x)) = rest
        roots = 0.0
        for i in range(k):
            roots += powers[i]
        return rest / (roots + np.sqrt(roots * roots + k * rest))
    bound = _bound(x, alpha, dual)
    nu = guess if 0.0 < guess < bound else bound
    for iteration in range(_MAX_ITER):
        before = nu
        nu, error = _step(x, powers, alpha, dual, nu)
        if abs(nu - before) <= _ALMOST * before or abs(error) <= _ROUNDING:
            break
        # Only the first step may go up, and none down to zero, but for rounding.
        if nu == 0.0:
            break
        if nu > before and iteration > 0:
            return before
        nu = min(nu, bound)
    return nu


@kernel
def _bound(x, alpha, dual):
    """The least nu of two: with the largest entry one, with all at least 1 / k."""
    order = alpha - 1.0
    whole = 1.0 - x[0] if dual else np.abs(np.expm1(order * np.log(x[0])))
    if alpha < 1.0:
        return whole
    if alpha > 2.0:
        return 1.0 / len(x)
    return min(whole, len(x) ** -order)


@kernel
def _step(x, powers, alpha, dual, nu):
    """A step of Newton for the multiplier, and how far the sum was from one before."""
    if dual:
        total, slope = _sum_dual(x, alpha, nu)
    elif alpha > 2.0:
        total, slope = _sum_norms(x, alpha, nu)
    else:
        total, slope = _sum_powers(powers[: len(x)], alpha, nu)
    error = total - 1.0
    if slope > 0.0:
        return max(nu - error / slope, 0.0), error
    # So small a multiplier lifts no entry: there is no need to, or it is much larger.
    return np.inf if error < -_ROUNDING else 0.0, error


@kernel
def _entry(x, power, alpha, dual, nu, last, q_last):
    """The entry q of the solution for a probability x, where power = x^(alpha - 1).

    The last solution `q_last`, for a larger x, is where Newton sets out if finite.

    Primal, alpha = 1: q = nu x; alpha < 2: q^(alpha - 1) = x^(alpha - 1) + nu, minus
    for alpha < 1; alpha > 2: q^(alpha - 1) = x^(alpha - 1) + nu^(alpha - 1).
    Dual, alpha < 2: q = x + nu q^(2 - alpha); alpha > 2: with nu^(alpha - 1) instead.
    """
    if alpha == 1.0:
        return x * nu
    if alpha == 2.0:
        return x + nu
    if dual:
        return _dual_entry(x, alpha, nu, last, q_last)
    if alpha > 2.0:
        return _norm(x, alpha, nu)
    if alpha == 1.5:
        return (power + nu) ** 2
    return _power(power + nu if alpha > 1.0 else power - nu, 1.0 / (alpha - 1.0))


@kernel
def _sum_powers(powers, alpha, nu):
    """Sum of the entries of the primal problem for alpha < 2, and its slope in nu."""
    power = 1.0 / (alpha - 1.0)
    nu = nu if alpha > 1.0 else -nu
    total, slope = 0.0, 0.0
    for i in range(len(powers)):
        base = powers[i] + nu
        q = _power(base, power)
        total += q
        slope += q / base
    return total, slope * abs(power)


@kernel
def _sum_norms(x, alpha, nu):
    """The same for alpha > 2."""
    total, slope = 0.0, 0.0
    for i in range(len(x)):
        q = _norm(x[i], alpha, nu)
        total += q
        slope += _power(nu / q, alpha - 2.0)
    return total, slope


@kernel
def _norm(x, alpha, nu):
    order, larger = alpha - 1.0, max(x, nu)
    norm = 1.0 + _power(min(x, nu) / larger, order)
    return larger * _power(norm, 1.0 / order)


@kernel
def _sum_dual(x, alpha, nu):
    """The same for the dual problem."""
    power = 2.0 - alpha
    total, slope = 0.0, 0.0
    last, q = x[0], np.inf
    for i in range(len(x)):
        q = _dual_entry(x[i], alpha, nu, last, q)
        last = x[i]
        total += q
        # Relative to q, nu q^(1 - alpha) is the lift.
        lift = (q - x[i]) / q
        slope += q * lift / (1.0 - power * lift)
    return total, slope / nu * max(alpha - 1.0, 1.0)


@kernel
def _dual_entry(x, alpha, nu, last, q_last):
    """The q above x with q - nu q^(2 - alpha) = x: a square root, or else Newton.

    That starts to the right, or with the step from the last entry that needs no power.
    For alpha > 2 the equation has nu^(alpha - 1) and is multiplied by q^(alpha - 2);
    either form is convex.
    """
    power, order = 2.0 - alpha, alpha - 1.0
    if alpha == 1.5:
        return (0.5 * (nu + np.sqrt(nu * nu + 4.0 * x))) ** 2
    if alpha == 3.0:
        return 0.5 * (x + np.sqrt(x * x + 4.0 * nu * nu))
    if q_last < np.inf:
        drop = (last - x) * q_last
        drop /= order * q_last + power * (last if alpha < 2.0 else x)
        q = max(q_last - drop, x)
    elif alpha < 2.0:
        q = max(2.0 * x, _power(2.0 * nu, 1.0 / order))
    else:
        q = np.inf
    if alpha > 2.0:
        # Newton would come down slowly from farther away.
        q = min(q, 2.0 * max(x, nu))
    for _ in range(_MAX_ITER):
        if alpha < 2.0:
            lever = nu * _power(q, power)
            step = (q - lever - x) / (1.0 - power * lever / q)
        else:
            lever = q * _power(nu / q, order)
            step = (q - lever - x) * q / (order * q + power * x)
        q = max(q - step, x)
        if step <= _ALMOST * q:
            break
    return q


@kernel
def _power(x, exponent):
    """x^exponent, which may be off by a few units in the last place, but is fast."""
    return np.exp(exponent * np.log(x))
