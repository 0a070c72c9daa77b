"""What exchanges of units promise, by the quadratic model of a likelihood at a point.

The Hessian there is the Gram matrix of a least squares problem, so that all changes
follow from Schur complements as in `_state`; with a block for each pair of units.
What is promised is believed only after a fit.
"""

import numpy as np

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset._climb import fit, hessian, room, solve, working
from sparsestat.optim.subset._loss import drag, n_drags
from sparsestat.optim.subset._state import _factor, _squares
from sparsestat.optim.vector import axpy, dot, weighted_dot
from sparsestat.utils.dispatch import kernel

__all__ = ["NO_TABLE", "attempt", "look", "promised_changes", "swaps"]

# Exchanges of one unit that are fitted before a subset counts as the best among them.
_VERIFIED = 8
# Splices are fitted if they promise this share of what they cost.
_SPLICE_WORTH = 0.5
# Share of its cost that an exchange has to regain, by how much it moves predictions.
_LEAST_WORTH, _UNCERTAIN = 0.5, 0.2
# Gains closer than this, relative to the largest, are the same.
_SAME = 1e-9
# What `look` would tell, for fits that do not ask.
NO_TABLE = (
    np.empty(0, np.int64), np.empty((0, 0)), np.empty((0, 0)), np.empty(0),
    np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty((0, 0)),
    np.empty((0, 0)),
)  # fmt: skip


@kernel
def _rows_of(M, starts, units):
    """Rows of X of the intercept and of some units, unit after unit."""
    size = M.first
    for k in range(len(units)):
        size += starts[units[k] + 1] - starts[units[k]]
    rows = np.empty(size, np.int64)
    at = 0
    if M.first:
        rows[0] = 0
        at = 1
    for k in range(len(units)):
        for x in range(starts[units[k]], starts[units[k] + 1]):
            rows[at] = x
            at += 1
    return rows


@kernel(inline="always")
def _start_of(rows, old_rows, old_theta):
    """Coefficients of some rows, zero where there is nothing to start from."""
    theta = np.zeros((len(rows), old_theta.shape[1]))
    for i in range(len(rows)):
        for k in range(len(old_rows)):
            if old_rows[k] == rows[i]:
                for a in range(theta.shape[1]):
                    theta[i, a] = old_theta[k, a]
    return theta


@kernel(inline="always")
def _quadratic(M, rows, z, u, h, aux):
    """Hessian of some rows and its product with the quadratic model's minimum."""
    k, m = len(rows), M.m
    H, b = np.empty((k * m, k * m)), np.empty(k * m)
    t, T = np.empty(z.shape), np.empty((k, n_drags(M.loss)))
    hessian(M.loss, h, aux, M.X, rows, T, H)
    Az = working(M.loss, h, aux, z, u, t)
    for i in range(k):
        for a in range(m):
            H[i * m + a, i * m + a] += M.ridge[rows[i]]
            b[i * m + a] = dot(M.X[rows[i]], t[a]) - dot(T[i], Az)
    return H, b


@kernel(inline="always")
def _looked_up(M, rows, old_rows, old_theta, old_H, h, table):
    """The same from a fit and its tables, if it is at a minimum."""
    k, m = len(rows), M.m
    r, G, T = table[3], table[7], table[8]
    begin = len(M.X) - len(T)
    H, b = np.empty((k * m, k * m)), np.zeros(k * m)
    place = np.full(k, -1)
    for i in range(k):
        for s in range(len(old_rows)):
            if old_rows[s] == rows[i]:
                place[i] = s
    for i in range(k):
        x, p = rows[i] - begin, place[i]
        for a in range(m):
            value = r[x * m + a] if p < 0 else 0.0
            for s in range(len(old_rows)):
                for c in range(m):
                    g = old_H[s * m + c, p * m + a] if p >= 0 else 0.0
                    g = G[s * m + c, x * m + a] if p < 0 else g
                    value += g * old_theta[s, c]
            b[i * m + a] = value
        for j in range(i + 1):
            y, q = rows[j] - begin, place[j]
            at = 0
            for a in range(m):
                for c in range(a, m):
                    if p >= 0 and q >= 0:
                        value = old_H[p * m + a, q * m + c]
                    elif p >= 0:
                        value = G[p * m + a, y * m + c]
                    elif q >= 0:
                        value = G[q * m + c, x * m + a]
                    else:
                        value = weighted_dot(h[at], M.X[rows[i]], M.X[rows[j]])
                        value -= dot(T[x], T[y])
                    at += 1
                    H[i * m + a, j * m + c] = H[j * m + c, i * m + a] = value
                    H[i * m + c, j * m + a] = H[j * m + a, i * m + c] = value
        for a in range(m):
            if p < 0:
                H[i * m + a, i * m + a] += M.ridge[rows[i]]
    return H, b


@kernel(inline="always")
def _tables(M, starts, begin, rows, R, u, h, aux, T):
    """Inverse Hessian of the active rows and what follows for units from one on.

    Parameters
    ----------
    M : Model
    starts : ndarray of int64, shape (n_units + 1,)
        First row of X of each unit.
    begin : int
        The first unit to look at.
    rows : ndarray of int64
        The active ones.
    R : ndarray of shape (k * m, k * m)
        Lower factor of their Hessian.
    u, h, aux : ndarray
        Of the point, see `evaluate`.
    T : ndarray of shape (k, n_drags)
        A x for the active rows x.

    Returns
    -------
    ahead : ndarray of int64
        First of the rows that are looked at, of each unit.
    inverse : ndarray of shape (k * m, k * m)
    V : ndarray of shape (k * m, n_rows * m)
        Inverse times the Hessian of the active against those rows.
    r : ndarray of shape (n_rows * m,)
        Minus the gradient of the loss.
    Q, offsets : ndarray
        Schur complements of all units and where each begins.
    least : ndarray of shape (n_rows * m,)
        Pivots up to these are collinear.
    G : ndarray of shape (k * m, n_rows * m)
        Hessian of the active against those rows, without the ridge.
    S : ndarray of shape (n_rows, n_drags)
        A x for those rows x.
    """
    L, m = M.loss, M.m
    X = M.X[starts[begin] :]
    k, n_rows, n, q = len(rows), len(X), X.shape[1], n_drags(L)
    pairs = len(h)
    ahead = np.empty(len(starts) - begin, np.int64)
    for v in range(len(ahead)):
        ahead[v] = starts[begin + v] - starts[begin]
    inverse = np.zeros((k * m, k * m))
    for i in range(k * m):
        inverse[i, i] = 1.0
        solve(R, inverse[i])
    left, S = np.empty((k * pairs + m, n)), np.empty((n_rows, q))
    for i in range(k):
        x = M.X[rows[i]]
        for at in range(pairs):
            w, out = h[at], left[i * pairs + at]
            for j in range(n):
                out[j] = w[j] * x[j]
    for a in range(m):
        out = left[k * pairs + a]
        for j in range(n):
            out[j] = u[a, j]
    product = np.dot(left, X.T)
    if q > 0:
        for x in range(n_rows):
            drag(L, aux, X[x], S[x])
        for i in range(k):
            for x in range(n_rows):
                product[i, x] -= dot(T[i], S[x])
    G, r = np.empty((k * m, n_rows * m)), np.empty(n_rows * m)
    for x in range(n_rows):
        for a in range(m):
            r[x * m + a] = product[k * pairs + a, x]
    for i in range(k):
        at = i * pairs
        for a in range(m):
            for b in range(a, m):
                for x in range(n_rows):
                    G[i * m + a, x * m + b] = G[i * m + b, x * m + a] = product[at, x]
                at += 1
    V = np.dot(inverse, G)
    offsets = np.zeros(len(ahead), np.int64)
    for v in range(len(ahead) - 1):
        width = (ahead[v + 1] - ahead[v]) * m
        offsets[v + 1] = offsets[v] + width * width
    Q, least = np.empty(offsets[len(offsets) - 1]), np.full(n_rows * m, np.inf)
    ridge = M.ridge[starts[begin] :]
    if len(Q) == n_rows and m == 1:
        _diagonals(X, ridge, h[0], S, G, V, Q, least)
    else:
        _blocks(X, ridge, m, ahead, offsets, h, S, G, V, Q, least)
    return ahead, inverse, V, r, Q, offsets, least, G, S


@kernel
def _drop_cost(M, inverse, theta, at, block, slope):
    """Half of b.T H_II^{-1} b, with the factor and L^{-1} b left in the arrays."""
    m, width = M.m, len(slope)
    for a in range(width):
        slope[a] = theta[at + a // m, a % m]
        for b in range(width):
            block[a, b] = inverse[at * m + a, at * m + b]
    _factor(block, width, np.zeros(width))
    return 0.5 * _squares(block, width, slope)


@kernel(inline="always")
def _diagonals(X, ridge, h, T, G, V, Q, least):
    for x in range(len(X)):
        value = weighted_dot(h, X[x], X[x]) - dot(T[x], T[x])
        if value > 0.0:
            least[x] = PIVOT * value
        Q[x] = value + ridge[x]
    for i in range(len(G)):
        g, v = G[i], V[i]
        for x in range(len(X)):
            Q[x] -= g[x] * v[x]


@kernel(inline="always")
def _blocks(X, ridge, m, starts, offsets, h, T, G, V, Q, least):
    for v in range(len(starts) - 1):
        width = (starts[v + 1] - starts[v]) * m
        block = Q[offsets[v] : offsets[v + 1]].reshape(width, width)
        for x in range(starts[v], starts[v + 1]):
            for y in range(starts[v], x + 1):
                at, i, k = 0, (x - starts[v]) * m, (y - starts[v]) * m
                pull = dot(T[x], T[y])
                for a in range(m):
                    for b in range(a, m):
                        value = weighted_dot(h[at], X[x], X[y]) - pull
                        block[i + a, k + b] = block[k + b, i + a] = value
                        block[i + b, k + a] = block[k + a, i + b] = value
                        at += 1
        first = starts[v] * m
        for i in range(width):
            if block[i, i] > 0.0:
                least[first + i] = PIVOT * block[i, i]
            block[i, i] += ridge[starts[v] + i // m]
        for s in range(len(G)):
            for i in range(width):
                for k in range(width):
                    block[i, k] -= G[s, first + i] * V[s, first + k]


@kernel
def _half_gains(starts, offsets, m, Q, least, half, r, out):
    """Half of u.T Q^{-1} u of all units, with Q + half.T half and its gradient r."""
    n_units = len(starts) - 1
    if len(Q) == len(r):
        for v in range(n_units):
            out[v] = Q[v]
        for i in range(len(half)):
            row = half[i]
            for v in range(n_units):
                out[v] += row[v] * row[v]
        for v in range(n_units):
            out[v] = 0.5 * r[v] * r[v] / out[v] if out[v] > least[v] else 0.0
    else:
        widest = 1
        for v in range(n_units):
            widest = max(widest, (starts[v + 1] - starts[v]) * m)
        block, rhs = np.empty((widest, widest)), np.empty(widest)
        for v in range(n_units):
            first, width = starts[v] * m, (starts[v + 1] - starts[v]) * m
            for a in range(width):
                rhs[a] = r[first + a]
                for b in range(width):
                    value = Q[offsets[v] + a * width + b]
                    for i in range(len(half)):
                        value += half[i, first + a] * half[i, first + b]
                    block[a, b] = value
            _factor(block, width, least[first : first + width])
            out[v] = 0.5 * _squares(block, width, rhs)


@kernel
def promised_changes(M, starts, begin, units, theta, table, k, out):
    """Cost of dropping an active unit, and then the gain of adding each other one.

    Parameters
    ----------
    begin : int
        The first unit of the table.
    k : int
        Position of the active unit, or -1 for none, which costs nothing.
    out : ndarray of shape (n_units - begin,)
        Set to the gains.
    """
    ahead, inverse, V, r, Q, offsets, least, _, _ = table
    m, cost = M.m, 0.0
    width, at = 0, M.first
    if k >= 0:
        for i in range(k):
            at += starts[units[i] + 1] - starts[units[i]]
        width = (starts[units[k] + 1] - starts[units[k]]) * m
    half, moved = np.empty((width, len(r))), r.copy()
    if k >= 0:
        block, slope = np.empty((width, width)), np.empty(width)
        cost = _drop_cost(M, inverse, theta, at, block, slope)
        for a in range(width):
            row, source = half[a], V[at * m + a]
            scale = 1.0 / block[a, a] if block[a, a] > 0.0 else 0.0
            for x in range(len(r)):
                row[x] = source[x]
            for b in range(a):
                axpy(-block[a, b], half[b], row)
            for x in range(len(r)):
                row[x] *= scale
            axpy(slope[a], row, moved)
    _half_gains(ahead, offsets, m, Q, least, half, moved, out)
    for i in range(len(units)):
        if units[i] >= begin:
            out[units[i] - begin] = 0.0
    return cost


@kernel(inline="always")
def _largest(gains, count):
    """Positions of the largest gains, those that agree up to rounding as they are."""
    top = 0.0
    for j in range(len(gains)):
        top = max(top, gains[j])
    left = gains.copy()
    chosen, n = np.empty(count, np.int64), 0
    while n < count:
        best, at = 0.0, -1
        for j in range(len(left)):
            if left[j] > best + _SAME * top:
                best, at = left[j], j
        if at < 0:
            break
        chosen[n] = at
        left[at] = 0.0
        n += 1
    return chosen[:n]


@kernel(inline="always")
def _smallest(costs):
    """Positions of all finite costs, smallest first."""
    left, n = costs.copy(), 0
    order = np.empty(len(costs), np.int64)
    while n < len(costs):
        at = np.argmin(left)
        if not left[at] < np.inf:
            break
        order[n] = at
        left[at] = np.inf
        n += 1
    return order[:n]


@kernel
def _exchange(units, going, coming, begin, out):
    """Set out to the units without those at some positions, and others from one on."""
    at = 0
    for k in range(len(units)):
        stays = True
        for i in range(len(going)):
            stays = stays and going[i] != k
        if stays:
            out[at] = units[k]
            at += 1
    for i in range(len(coming)):
        out[at] = begin + coming[i]
        at += 1


@kernel(inline="always")
def _splices(locked, begin, units, costs, gains, exchange_max):
    """Exchanges of the cheapest units for the most useful ones, most first."""
    free = costs.copy()
    for k in range(len(units)):
        if locked[units[k]]:
            free[k] = np.inf
    going = _smallest(free)
    coming = _largest(gains, min(exchange_max, len(going)))
    trials, n = np.empty((len(coming), len(units)), np.int64), 0
    for size in range(len(coming), 0, -1):
        cost, gain = 0.0, 0.0
        for i in range(size):
            cost += costs[going[i]]
            gain += gains[coming[i]]
        if gain >= _SPLICE_WORTH * cost:
            _exchange(units, going[:size], coming[:size], begin, trials[n])
            n += 1
    return trials[:n]


@kernel
def stiffness(M, h, aux):
    """Mean curvature in the direction of an intercept."""
    m, total = M.m, 0.0
    for a in range(m):
        for j in range(h.shape[1]):
            total += h[a * m - a * (a - 1) // 2, j]
    pull = np.empty(n_drags(M.loss))
    drag(M.loss, aux, M.X[0], pull)
    return max((total - dot(pull, pull)) / m, 1e-300)


@kernel
def attempt(
    M, starts, trials, units, theta, z, u, h, aux, old_H, table, how, separated, limit
):  # fmt: skip
    """Fit subsets of units, one after the other, until one is good enough.

    Parameters
    ----------
    M : Model
    starts : ndarray
        First row of each unit.
    trials : ndarray of int64, shape (n_trials, size)
        Units to fit.
    units, theta, z : ndarray
        A fit near them.
    u, h, aux : ndarray
        What `evaluate` tells there, unless `how` is 0.
    old_H, table : ndarray and tuple
        Its Hessian, and what `look` tells there, if `how` is 2.
    how : int
        Start from its coefficients (0), or from the minimum of the quadratic model
        around it, made anew (1) or taken from the table (2).
    separated : bool
        Whether there is known to be no maximum.
    limit : float
        The objective that is good enough.

    Returns
    -------
    which : int
        The trial that is, or -1.
    rows, theta, z, u, h, aux, T, H, R : ndarray
        Its rows and its fit, see `fit`; of the last trial if there is none.
    outcome : tuple
        Of the fit.
    """
    old_rows, m, none = _rows_of(M, starts, units), M.m, np.empty(0)
    nothing, which = np.empty((0, 0)), -1
    rows, new, R, at_z = old_rows, theta, nothing, np.empty(z.shape)
    at_T, at_H = nothing, nothing
    at_u, at_h, at_aux = room(M)
    for row in range(len(aux)):  # with thresholds to start from
        for i in range(aux.shape[1]):
            at_aux[row, i] = aux[row, i]
    found = False, separated, 0.0, 0.0, 0.0, 0.0
    for i in range(len(trials)):
        rows = _rows_of(M, starts, trials[i])
        new, k = _start_of(rows, old_rows, theta), len(rows) * m
        H, b = nothing, none
        at_T, at_H = np.empty((len(rows), n_drags(M.loss))), np.empty((k, k))
        R = np.empty((k, k))
        if how == 2:
            H, b = _looked_up(M, rows, old_rows, theta, old_H, h, table)
        elif how == 1:
            H, b = _quadratic(M, rows, z, u, h, aux)
        found = fit(
            M, rows, new, at_z, at_u, at_h, at_aux, at_T, H, b, at_H, R, separated,
            limit,
        )  # fmt: skip
        if not found[0] and found[3] <= limit:
            which = i
            break
    return which, rows, new, at_z, at_u, at_h, at_aux, at_T, at_H, R, found


@kernel
def look(
    M, starts, begin, locked, units, rows, theta, u, h, aux, T, R, exchange_max
):  # fmt: skip
    """What exchanges of units promise around a fit.

    Parameters
    ----------
    M, starts : Model, ndarray
    begin : int
        The first unit that may come.
    locked : ndarray of bool, shape (n_units,)
        Units that may not leave.
    units, rows, theta, u, h, aux, T, R : ndarray
        The fit.
    exchange_max : int
        Units that splicing exchanges at a time, at most.

    Returns
    -------
    table : tuple
        See `_tables`.
    costs : ndarray of shape (n_active,)
        What dropping each unit costs.
    gains : ndarray of shape (n_units - begin,)
        What adding each other from the first one on gains.
    freedom : float
        Degrees of freedom.
    trials : ndarray of int64, shape (n_trials, n_active)
        Subsets after exchanges of the cheapest units for the most useful ones.
    """
    m = M.m
    table = _tables(M, starts, begin, rows, R, u, h, aux, T)
    freedom, at = float(len(R)), M.first
    for i in range(len(R)):
        freedom -= M.ridge[rows[i // m]] * table[1][i, i]
    gains, costs = np.empty(len(starts) - 1 - begin), np.empty(len(units))
    for k in range(len(units)):
        size = starts[units[k] + 1] - starts[units[k]]
        block, rhs = np.empty((size * m, size * m)), np.empty(size * m)
        costs[k] = _drop_cost(M, table[1], theta, at, block, rhs)
        at += size
    promised_changes(M, starts, begin, units, theta, table, np.int64(-1), gains)
    trials = _splices(locked, begin, units, costs, gains, exchange_max)
    return table, costs, gains, freedom, trials


@kernel
def swaps(M, starts, begin, locked, units, theta, table, h, aux):
    """The subsets of one exchange that promise most, best first, a row each.

    What is promised is less certain the more an exchange moves predictions, so that
    small ones have to regain nearly all of what they cost, and large ones half.
    """
    stiff = stiffness(M, h, aux)
    changes = np.full(_VERIFIED, np.inf)
    who, which = np.empty(_VERIFIED, np.int64), np.empty(_VERIFIED, np.int64)
    gains = np.empty(len(starts) - 1 - begin)
    n = 0
    for k in range(len(units)):
        if locked[units[k]]:
            continue
        cost = promised_changes(M, starts, begin, units, theta, table, k, gains)
        moved = np.sqrt(2.0 * cost / stiff)
        worth = max(_LEAST_WORTH, 1.0 - _UNCERTAIN * moved)
        for j in range(len(gains)):
            if not gains[j] > 0.0 or gains[j] < worth * cost:
                continue
            change = 1.0 - gains[j] / cost if cost > 0.0 else -gains[j]
            if n == _VERIFIED and not change < changes[n - 1] - _SAME:
                continue
            n = min(n + 1, _VERIFIED)
            at = n - 1
            while at > 0 and change < changes[at - 1] - _SAME:
                changes[at] = changes[at - 1]
                who[at], which[at] = who[at - 1], which[at - 1]
                at -= 1
            changes[at], who[at], which[at] = change, k, j
    trials = np.empty((n, len(units)), np.int64)
    for i in range(n):
        _exchange(units, who[i : i + 1], which[i : i + 1], begin, trials[i])
    return trials
