"""Entmax of rows, exactly and without sorting: filter, then Newton on what is left.

One pass over a row keeps the entries near its maximum, since only these can be in the
support; all else happens on them.  With x = (alpha - 1) (z - max z) and
q = 1 / (alpha - 1), p = (x - tau)_+^q and tau in [-1, 0) makes it sum to one.
"""

import numpy as np

from sparsestat.optim.proximal import simplex_threshold
from sparsestat.utils.dispatch import kernel

__all__ = [
    "entmax_csr",
    "entmax_rows",
    "jacobian_rows",
    "order_rows",
    "target_rows",
]

_MAX_ITER = 100
# Steps of Newton for the threshold of a part of a row.
_ROUGH = 2
# The sum of probabilities is known to a few units in the last place.
_ROUNDING = 4e-16
# Entries whose maximum is found before they are filtered.
_FIRST = 256
_LANES = 128
# Blocks, and parts of them, are searched only where they hold something.
_BLOCK, _PART, _FEW = 64, 16, 2
_LOWEST = np.finfo(np.float64).min
# Beyond it the product with a difference of zero would no longer be zero.
_LARGEST_SCALE = 1e300
_LARGEST_POWER = 1e150


@kernel
def entmax_rows(Z, alphas, temperature, P, tops, conjugates):
    """Write the rows of P; return the first row without a solution, or -1.

    An empty P is not written.  Where `tops` are wanted, they are the maxima of the
    rows, and `conjugates` those of the regulariser at the row less its maximum, for a
    temperature of one.
    """
    n_rows, width = Z.shape
    x, p = np.empty(width), np.empty(width)
    where, lanes = np.empty(width, np.int64), np.empty(_LANES, Z.dtype)
    for i in range(n_rows):
        alpha = alphas[i]
        size, top = _solve(Z[i], alpha, temperature, x, p, where, lanes)
        if size < 0:
            return i
        if len(P):
            out = P[i]
            for k in range(width):
                out[k] = 0.0
            for k in range(size):
                out[where[k]] = p[k]
        if len(tops):
            tops[i] = top
            scale = 1.0 if alpha == 1.0 else alpha - 1.0
            conjugates[i] = _conjugate(x[:size], p[:size], alpha, scale)
    return -1


@kernel
def entmax_csr(Z, alphas, temperature, first, data, indices, indptr):
    """Append the supports of rows from `first` on, as long as there is room.

    Returns the row to go on with and the first row without a solution, or -1.
    """
    n_rows, width = Z.shape
    x, p = np.empty(width), np.empty(width)
    where, lanes = np.empty(width, np.int64), np.empty(_LANES, Z.dtype)
    for i in range(first, n_rows):
        size, _ = _solve(Z[i], alphas[i], temperature, x, p, where, lanes)
        if size < 0:
            return i, i
        start = indptr[i]
        if start + size > len(data):
            return i, -1
        for k in range(size):
            data[start + k] = p[k]
            indices[start + k] = where[k]
        indptr[i + 1] = start + size
    return n_rows, -1


@kernel
def jacobian_rows(P, V, alphas, out):
    """Rows of (diag(s) - s s^T / sum(s)) v with s = p^(2 - alpha) on the support.

    Since J 1 = 0, v may be taken relative to the entry with the largest s, and that
    entry of the product from the sum of the others: a huge s then costs no digits.
    The result may take the place of P or of V.
    """
    n_rows, width = P.shape
    for i in range(n_rows):
        power = 2.0 - alphas[i]
        p, v, row = P[i], V[i], out[i]
        pivot = _largest_power(p, power)
        origin = np.float64(v[pivot])
        total, product = 0.0, 0.0
        for k in range(width):
            if p[k] > 0.0 and power > -np.inf:
                s = _power(np.float64(p[k]), power)
                total += s
                product += s * (v[k] - origin)
        mean = product / total if total > 0.0 else 0.0
        others = 0.0
        for k in range(width):
            value = 0.0
            if p[k] > 0.0 and power > -np.inf and k != pivot:
                value = _power(np.float64(p[k]), power) * (v[k] - origin - mean)
                others += value
            row[k] = value
        row[pivot] = -others


@kernel
def order_rows(P, alphas, out):
    """Derivatives of rows in alpha: a - s sum(a) / sum(s) with s = p^(2 - alpha)."""
    n_rows, width = P.shape
    for i in range(n_rows):
        p, row, order = P[i], out[i], alphas[i] - 1.0
        pivot = np.log(np.float64(p[_largest_power(p, 1.0 - order)]))
        total, product = 0.0, 0.0
        for k in range(width):
            if p[k] > 0.0 and order < np.inf:
                a, s = _order_terms(np.float64(p[k]), order, pivot)
                total += s
                product += a
        mean = product / total if total > 0.0 else 0.0
        for k in range(width):
            value = 0.0
            if p[k] > 0.0 and order < np.inf:
                a, s = _order_terms(np.float64(p[k]), order, pivot)
                value = a - s * mean
            row[k] = value


@kernel
def _order_terms(p, order, pivot):
    """a, to which any multiple of s may be added, and a multiple of s.

    With e = alpha - 1 and t = -e log p, a = p (1 + t) / e^2; from it s / e^2 is taken
    where this keeps it finite as e tends to zero.
    """
    log_p = np.log(p)
    t = -order * log_p
    if order > 1.0:
        return p * (1.0 + t) / (order * order), np.exp((1.0 - order) * (log_p - pivot))
    s = np.exp((1.0 - order) * log_p)
    if t > 1.0:
        return (p * (1.0 + t) - s) / (order * order), s
    if t > 0.01:
        ratio = (np.expm1(t) - t) / (t * t)
    else:
        ratio = 0.5 + t * (1 / 6 + t * (1 / 24 + t * (1 / 120 + t * (1 / 720))))
    return -p * log_p * log_p * ratio, s


@kernel
def target_rows(Z, Q, tops, alpha, out):
    """Omega(q) - <q, z - max z> of every row."""
    n_rows, width = Z.shape
    for i in range(n_rows):
        z, q = Z[i], Q[i]
        total = 0.0
        for k in range(width):
            if q[k] > 0.0:
                value = np.float64(q[k])
                total += value * (_regulariser(value, alpha) - (z[k] - tops[i]))
        out[i] = total


@kernel
def _largest_power(p, power):
    """Index of the largest p^power on the support."""
    best = 0
    for k in range(len(p)):
        if p[k] > 0.0:
            smaller, larger = p[k] < p[best], p[k] > p[best]
            if p[best] == 0.0 or (larger if power >= 0.0 else smaller):
                best = k
    return best


@kernel
def _power(p, power):
    if power == 0.0:
        return 1.0
    if power == 0.5:
        return np.sqrt(p)
    return min(p**power, _LARGEST_POWER)


@kernel
def _regulariser(p, alpha):
    """Omega(p) / p of a single probability."""
    if alpha == 2.0:
        return 0.5 * (p - 1.0)
    if alpha == 1.0:
        return np.log(p)
    if alpha == np.inf:
        return 0.0
    return np.expm1((alpha - 1.0) * np.log(p)) / (alpha * (alpha - 1.0))


@kernel
def _conjugate(x, p, alpha, scale):
    """<p, z> - Omega(p), where z = x / scale."""
    total = 0.0
    for k in range(len(x)):
        total += p[k] * (x[k] / scale - _regulariser(p[k], alpha))
    return total


@kernel
def _solve(z, alpha, temperature, x, p, where, lanes):
    """Support of a row in `where`, its x and p; returns its size and the maximum.

    The size is -1 where a row holds NaN or inf, or nothing finite.
    """
    order = 1.0 if alpha == 1.0 else alpha - 1.0
    scale = min(order / temperature, _LARGEST_SCALE)
    n, top, lowest = _near_top(z, alpha, scale, x, p, where, lanes)
    if not abs(top) < np.inf:
        return -1, top
    # Exponentials are never zero; all others are where x is below the threshold.
    start = _start(lowest, top, scale)
    size, floor = 0, -np.inf if alpha == 1.0 else start
    for k in range(n):
        value = x[k]
        if value != value:
            return -1, top
        x[size], where[size] = (value - top) * scale, where[k]
        size += x[size] > floor
    if alpha == 1.0:
        size = _softmax(x, p, where, size)
    elif alpha == np.inf:
        for k in range(size):
            p[k] = 1.0 / size
    elif alpha > 2.0:
        size = _solve_steep(x, p, where, size, order)
    else:
        for k in range(size):
            p[k] = x[k]
        shift = _threshold(p, size, alpha, start, _MAX_ITER)
        size = _probabilities(x, p, where, size, alpha, shift)
    return size, top


@kernel
def _near_top(z, alpha, scale, x, work, where, lanes):
    """Entries that may be in the support and all NaN, in x; the maximum, a lower bound.

    Both the maximum and the threshold of a part of the row only grow with it, so what
    they exclude is excluded for good.  Nor can a block raise the maximum that holds
    nothing near it, so that most of a long row is only compared with one number.
    """
    reach = np.inf if alpha == 1.0 else 1.0 / scale
    start, stop = 0, min(_FIRST, len(z))
    n, top = 0, _maximum(z[:stop], lanes)
    lowest = max(_LOWEST, top - reach)
    while start < len(z):
        border = _round_down(lowest, z)
        for begin in range(start, stop, _BLOCK):
            block = z[begin : min(begin + _BLOCK, stop)]
            hits, first = _count_from(block, border), n
            if hits > _FEW:
                for i in range(len(block)):
                    x[n], where[n] = block[i], begin + i
                    n += not block[i] < border
            elif hits > 0:
                n = _collect(block, border, begin, x, where, n)
            if hits > 0 and start > 0:
                top = _highest(x[first:n], top)
                lowest = max(lowest, top - reach)
                border = _round_down(lowest, z)
        # The threshold of what has been read, each time that this has doubled.
        if stop < len(z) and 1.0 < alpha <= 2.0 and abs(top) < np.inf:
            begin, size = _start(lowest, top, scale), 0
            for k in range(n):
                work[size] = (x[k] - top) * scale
                size += work[size] > begin
            shift = _threshold(work, size, alpha, begin, _ROUGH)
            lowest = max(lowest, top + (shift - _base(alpha)) / scale)
        start, stop = stop, min(2 * stop, len(z))
    return n, top, lowest


@kernel
def _collect(block, border, begin, x, where, n):
    """Append the few entries that are not below the border; return the new size."""
    for start in range(0, len(block), _PART):
        part = block[start : start + _PART]
        if _count_from(part, border) > 0:
            for i in range(len(part)):
                x[n], where[n] = part[i], begin + start + i
                n += not part[i] < border
    return n


@kernel
def _highest(x, top):
    for k in range(len(x)):
        top = x[k] if x[k] > top else top
    return top


@kernel
def _start(lowest, top, scale):
    """A number in units of x that is at most the threshold, whatever was rounded."""
    slack = 1e-15 * (1.0 + abs(top) * scale)
    return max((lowest - top) * scale - slack, -1.0)


@kernel
def _maximum(z, lanes):
    """Maximum of what is no NaN, many entries at a time."""
    top = -np.inf
    stop = 0
    if len(z) >= 2 * len(lanes):
        lanes[:] = z[: len(lanes)]
        stop = len(z) // len(lanes) * len(lanes)
        for start in range(0, stop, len(lanes)):
            _raise(lanes, z[start : start + len(lanes)])
        for k in range(len(lanes)):
            top = lanes[k] if lanes[k] > top else top
    for k in range(stop, len(z)):
        top = z[k] if z[k] > top else top
    return top


@kernel
def _raise(lanes, z):
    for k in range(len(lanes)):
        lanes[k] = lanes[k] if lanes[k] > z[k] else z[k]


@kernel
def _count_from(z, lowest):
    """Number of entries that are not below `lowest`; NaN are not."""
    n = 0
    for k in range(len(z)):
        n += not z[k] < lowest
    return n


@kernel
def _round_down(value, z):
    """Largest number in the precision of z that is at most `value`."""
    rounded = z.dtype.type(value)
    if np.float64(rounded) > value:
        rounded = np.nextafter(rounded, z.dtype.type(-np.inf))
    return rounded


@kernel
def _softmax(x, p, where, n):
    total = 0.0
    for k in range(n):
        total += np.exp(x[k])
    size = 0
    for k in range(n):
        x[size], where[size], p[size] = x[k], where[k], np.exp(x[k]) / total
        size += p[size] > 0.0
    return size


@kernel
def _base(alpha):
    """What is added to x - tau - 1: as alpha tends to one, d = x - tau does too."""
    return 1.0 if alpha < 1.25 else 0.0


@kernel
def _threshold(x, n, alpha, start, steps):
    """The tau, plus the base, at which the probabilities of x[:n] sum to one.

    It is known to be at least `start`, as all of x are; with few steps of Newton it is
    at least what is returned.
    """
    if alpha == 2.0:
        return simplex_threshold(x, n)
    if alpha == 1.5:
        return _newton_squares(x, n, start, steps)
    return _newton(x, n, alpha - 1.0, _base(alpha), start, steps)


@kernel
def _probabilities(x, p, where, n, alpha, shift):
    """Fill p, keep the support, return its size."""
    q, base = 1.0 / (alpha - 1.0), _base(alpha)
    size = 0
    for k in range(n):
        e = x[k] - shift
        x[size], where[size] = x[k], where[k]
        if e > -base:
            if alpha == 2.0:
                p[size] = e
            elif alpha == 1.5:
                p[size] = e * e
            else:
                p[size] = _raised(e, q, base)
            size += p[size] > 0.0
    return size


@kernel
def _newton_squares(x, n, tau, steps):
    """sum (x - tau)_+^2 = 1, by Newton on the norm, from the left.

    A norm is convex in tau, so that no step passes the solution and what is dropped
    stays dropped.
    """
    for iteration in range(steps):
        squares, total = _sums(x[:n], tau)
        root = np.sqrt(squares)
        before = tau
        tau += (root - 1.0) * root / total
        if squares <= 1.0 + _ROUNDING or tau <= before:
            break
        if iteration % 2 == 0:
            kept = 0
            for k in range(n):
                value = x[k]
                x[kept] = value
                kept += value > tau
            n = kept
    return tau


@kernel
def _sums(x, tau):
    squares, total = 0.0, 0.0
    for k in range(len(x)):
        d = x[k] - tau
        d = d if d > 0.0 else 0.0
        squares += d * d
        total += d
    return squares, total


@kernel
def _newton(x, n, order, base, start, steps):
    """The same for the norm of exponent 1 / order."""
    q = 1.0 / order
    shift = base + start
    for _ in range(steps):
        kept, total, slope = 0, 0.0, 0.0
        for k in range(n):
            e = x[k] - shift
            if e > -base:
                x[kept] = x[k]
                p = _raised(e, q, base)
                total += p
                slope += p / (base + e)
                kept += 1
        n = kept
        if total <= 1.0 + _ROUNDING:
            break
        log_norm = np.log(total) * order
        before = shift
        shift += np.expm1(log_norm) * np.exp(np.log(total) - log_norm) / slope
        if shift <= before:
            break
    return shift


@kernel
def _raised(e, q, base):
    """(base + e)^q."""
    if base > 0.0:
        return np.exp(q * np.log1p(e))
    if q == 4.0:
        return (e * e) * (e * e)
    return np.exp(q * np.log(e))


@kernel
def _solve_steep(x, p, where, n, order):
    """alpha > 2, where x^q has an infinite slope at zero.

    The support is found first: x_k is in it if the sum is below one at tau = x_k.
    Then the unknown is the smallest probability v = (x_k - tau)^q.  The others,
    ((x_j - x_k) + v^order)^q, are norms of a vector that holds v, hence convex, and
    Newton comes down to the solution.  No digit of a small probability is lost.
    """
    q = 1.0 / order
    inside, outside = 0, n
    lowest = 0.0
    while inside < outside:
        pivot = x[(inside + outside) // 2]
        above, equal = _partition(x, where, inside, outside, pivot)
        total = 0.0
        for k in range(above):
            total += (x[k] - pivot) ** q
        if total < 1.0:
            inside, lowest = equal, pivot
        else:
            outside = above
    n = inside
    v = 1.0 / n
    for _ in range(_MAX_ITER):
        power = v**order
        total, slope, flat = 0.0, 0.0, v ** (order - 1.0)
        for k in range(n):
            d = x[k] - lowest
            if d > 0.0:
                p[k] = (d + power) ** q
                slope += p[k] / (d + power) * flat
            else:
                p[k] = v
                slope += 1.0
            total += p[k]
        before = v
        v = max(v - (total - 1.0) / slope, 0.0)
        if total <= 1.0 + _ROUNDING or v >= before:
            break
    kept = 0
    for k in range(n):
        x[kept], where[kept], p[kept] = x[k], where[k], p[k]
        kept += p[k] > 0.0
    return kept


@kernel
def _partition(x, where, start, stop, pivot):
    """Order x[start:stop] as > pivot, equal, < pivot; return the two borders."""
    above, k, below = start, start, stop
    while k < below:
        if x[k] > pivot:
            x[k], x[above] = x[above], x[k]
            where[k], where[above] = where[above], where[k]
            above += 1
            k += 1
        elif x[k] < pivot:
            below -= 1
            x[k], x[below] = x[below], x[k]
            where[k], where[below] = where[below], where[k]
        else:
            k += 1
    return above, k
