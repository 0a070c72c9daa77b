"""A support that grows and shrinks, with what every exchange of one unit would do.

A unit is a feature or a group of them.  For the active columns A of G the state holds
H = G_AA^{-1}, V = H G_A:, the coefficients H c_A, the correlations r = c - G_:A b of
all columns and the blocks Q_J = G_JJ - G_JA V_J of all units, each updated by one
column at a time in O(|A| p).  Dropping unit I costs b_I.T H_II^{-1} b_I, adding J gains
r_J.T Q_J^{-1} r_J, and exchanging them changes the loss by

    b_I.T H_II^{-1} b_I - u.T (Q_J + V_IJ.T H_II^{-1} V_IJ)^{-1} u,
    u = r_J + V_IJ.T H_II^{-1} b_I,

exactly, summed over targets: the residual sum of squares is a Schur complement.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = [
    "State",
    "best_swap",
    "block_gains_without",
    "costs",
    "enter_unit",
    "exchange_changes",
    "gains",
    "gains_without",
    "leave_unit",
    "make_state",
    "move_to",
]

# Changes after which everything is computed anew.
_CHANGES = 64


class State(NamedTuple):
    """A support and what follows from it; arrays are changed in place.

    Parameters
    ----------
    G : ndarray of shape (n_columns, n_columns)
        Gram matrix, columns of a unit side by side.
    c : ndarray of shape (n_targets, n_columns)
    starts, offsets : ndarray of shape (n_units + 1,), int64
        First column of each unit, and first entry of its block of Q.
    least : ndarray of shape (n_columns,)
        Pivots up to these are collinear; inf for columns that may not enter.
    locked : ndarray of shape (n_units,), bool
        Units that may not leave.
    V, H, B, r, Q : ndarray
        As above; B holds coefficients, a row for each target.
    active, place : ndarray, int64
        Active columns in the order of H, and where each column is in it, or -1.
    units, inside : ndarray
        Active units in the order of entry, and whether each unit is one.
    counts : ndarray of shape (3,), int64
        Active columns, active units, changes since all was computed anew.
    """

    G: Any
    c: Any
    starts: Any
    offsets: Any
    least: Any
    locked: Any
    V: Any
    H: Any
    B: Any
    r: Any
    Q: Any
    active: Any
    place: Any
    units: Any
    inside: Any
    counts: Any


def make_state(G, c, starts, usable, locked, capacity: int) -> State:
    """A state without active units, with room for some number of columns."""
    m, n_units = len(G), len(starts) - 1
    sizes = np.diff(starts)
    offsets = np.concatenate([[0], np.cumsum(sizes**2)]).astype(np.int64)
    diagonal = G.diagonal()
    least = np.where(usable & (diagonal > 0.0), PIVOT * diagonal, np.inf)
    state = State(
        G,
        c,
        starts,
        offsets,
        least,
        locked,
        np.zeros((capacity, m)),
        np.zeros((capacity, capacity)),
        np.zeros((len(c), capacity)),
        c.copy(),
        np.empty(offsets[-1]),
        np.zeros(capacity, np.int64),
        np.full(m, -1),
        np.zeros(n_units, np.int64),
        np.zeros(n_units, np.bool_),
        np.zeros(3, np.int64),
    )
    _reset(state)
    return state


@kernel
def move_to(state, units):
    """Make some units, an array of int64, the active ones."""
    wanted = np.zeros(len(state.inside), np.bool_)
    for k in range(len(units)):
        wanted[units[k]] = True
    for k in range(state.counts[1] - 1, -1, -1):
        if not wanted[state.units[k]]:
            leave_unit(state, state.units[k])
    for k in range(len(units)):
        if not state.inside[units[k]]:
            enter_unit(state, units[k])


@kernel
def _reset(state):
    for t in range(len(state.c)):
        for j in range(len(state.G)):
            state.r[t, j] = state.c[t, j]
    for j in range(len(state.G)):
        state.place[j] = -1
    for u in range(len(state.inside)):
        state.inside[u] = False
        start, stop = state.starts[u], state.starts[u + 1]
        at = state.offsets[u]
        for a in range(start, stop):
            for b in range(start, stop):
                state.Q[at] = state.G[a, b]
                at += 1
    state.counts[0] = 0
    state.counts[1] = 0
    state.counts[2] = 0


@kernel
def refresh(state):
    """Compute the state anew, against the rounding of many changes."""
    n = state.counts[1]
    units = state.units[:n].copy()
    _reset(state)
    for k in range(n):
        enter_unit(state, units[k])
    state.counts[2] = 0


@kernel
def enter_unit(state, u):
    """Make a unit active; columns of it that are collinear stay at zero."""
    for j in range(state.starts[u], state.starts[u + 1]):
        if state.least[j] < np.inf:
            _enter(state, j)
    n = state.counts[1]
    state.units[n] = u
    state.inside[u] = True
    state.counts[1] = n + 1
    state.counts[2] += 1


@kernel
def leave_unit(state, u):
    """Make a unit inactive."""
    for j in range(state.starts[u + 1] - 1, state.starts[u] - 1, -1):
        if state.place[j] >= 0:
            _leave(state, state.place[j])
    n = state.counts[1]
    k = 0
    while state.units[k] != u:
        k += 1
    for i in range(k, n - 1):
        state.units[i] = state.units[i + 1]
    state.inside[u] = False
    state.counts[1] = n - 1
    state.counts[2] += 1
    if state.counts[2] >= _CHANGES:
        refresh(state)


@kernel
def _enter(state, j):
    s, V, H, B = state.counts[0], state.V, state.H, state.B
    g = state.G[j].copy()
    for i in range(s):
        axpy(-state.G[j, state.active[i]], V[i], g)
    pivot = g[j]
    if pivot <= state.least[j]:
        return
    for i in range(s):
        g[state.active[i]] = 0.0
    _shift(state, g, -1.0 / pivot)
    for t in range(len(B)):
        step = state.r[t, j] / pivot
        axpy(-step, g, state.r[t])
        for i in range(s):
            B[t, i] -= V[i, j] * step
        B[t, s] = step
        state.r[t, j] = 0.0
    row = V[s]
    for k in range(len(g)):
        row[k] = g[k] / pivot
    for i in range(s):
        x = V[i, j]
        for k in range(i + 1):
            H[i, k] += x * V[k, j] / pivot
            H[k, i] = H[i, k]
        H[i, s] = H[s, i] = -x / pivot
    for i in range(s):
        axpy(-V[i, j], row, V[i])
        V[i, j] = 0.0
    H[s, s] = 1.0 / pivot
    row[j] = 1.0
    state.active[s] = j
    state.place[j] = s
    state.counts[0] = s + 1


@kernel
def _leave(state, i):
    s, V, H, B = state.counts[0], state.V, state.H, state.B
    last, scale = s - 1, H[i, i]
    g, h = V[i].copy(), H[i, :s].copy()
    for k in range(len(g)):
        g[k] /= scale
    _shift(state, g, scale)
    for t in range(len(B)):
        axpy(B[t, i], g, state.r[t])
        axpy(-B[t, i] / scale, h, B[t, :s])
    for k in range(s):
        if k != i:
            axpy(-h[k], g, V[k])
            axpy(-h[k] / scale, h, H[k, :s])
    state.place[state.active[i]] = -1
    if i != last:
        j = state.active[last]
        state.active[i] = j
        state.place[j] = i
        for k in range(len(g)):
            V[i, k] = V[last, k]
        for t in range(len(B)):
            B[t, i] = B[t, last]
        for k in range(s):
            H[i, k] = H[last, k]
        for k in range(s):
            H[k, i] = H[k, last]
        H[i, i] = H[last, last]
    state.counts[0] = last


@kernel
def _shift(state, g, x):
    """Add x g g.T to the blocks of Q."""
    Q = state.Q
    if len(Q) == len(g):
        for j in range(len(g)):
            Q[j] += x * g[j] * g[j]
        return
    for u in range(len(state.inside)):
        at, start, stop = state.offsets[u], state.starts[u], state.starts[u + 1]
        for a in range(start, stop):
            for b in range(start, stop):
                Q[at] += x * g[a] * g[b]
                at += 1


@kernel
def loss_of(state, v):
    """The loss of the active units times two: v - c_A.T b."""
    total = v
    for t in range(len(state.c)):
        for i in range(state.counts[0]):
            total -= state.c[t, state.active[i]] * state.B[t, i]
    return total


@kernel
def gains(state, out):
    """What adding each unit gains; zero for units that are active or collinear."""
    if len(state.Q) == len(state.G):
        for j in range(len(out)):
            out[j] = 0.0
        for t in range(len(state.r)):
            r = state.r[t]
            for j in range(len(out)):
                out[j] += r[j] * r[j]
        for j in range(len(out)):
            q = state.Q[j]
            out[j] = out[j] / q if q > state.least[j] else 0.0
        for i in range(state.counts[0]):
            out[state.active[i]] = 0.0
        return
    width = _widest(state)
    block, rhs = np.empty((width, width)), np.empty(width)
    for u in range(len(out)):
        out[u] = 0.0
        if not state.inside[u]:
            _copy_block(state, u, block)
            start, n = state.starts[u], state.starts[u + 1] - state.starts[u]
            _factor(block, n, state.least[start : start + n])
            for t in range(len(state.r)):
                for a in range(n):
                    rhs[a] = state.r[t, start + a]
                out[u] += _squares(block, n, rhs)


@kernel
def costs(state, out):
    """What dropping each active unit costs, in the order of `state.units`."""
    width = _widest(state)
    block, rhs = np.empty((width, width)), np.empty(width)
    rows = np.empty(width, np.int64)
    for k in range(state.counts[1]):
        n = _inverse_block(state, state.units[k], rows, block)
        out[k] = 0.0
        for t in range(len(state.B)):
            for a in range(n):
                rhs[a] = state.B[t, rows[a]]
            out[k] += _squares(block, n, rhs)


@kernel
def best_swap(state, out):
    """The exchange that lowers the loss most: out[0] is its change.

    Returns
    -------
    dropped, added : int
        Units, -1 where there is no exchange.
    """
    out[0] = np.inf
    dropped, added = -1, -1
    price = np.empty(state.counts[1])
    costs(state, price)
    gain, barred = np.empty(len(state.inside)), state.least.copy()
    for k in range(state.counts[0]):
        barred[state.active[k]] = np.inf
    for k in range(state.counts[1]):
        u = state.units[k]
        if state.locked[u]:
            continue
        if len(state.Q) == len(state.G):
            i = state.place[u]
            if i >= 0 and len(state.r) == 1 and out[0] < np.inf:
                # Most rows of the table hold nothing better: one look without division.
                scale = 1.0 / state.H[i, i]
                slope, least = state.B[0, i] * scale, price[k] - out[0]
                if not _exceeds(
                    state.r[0], state.V[i], state.Q, barred, slope, scale, least
                ):
                    continue
            gains_without(state, u, gain)
        else:
            block_gains_without(state, u, gain)
        best = 0.0
        for j in range(len(gain)):
            best = max(best, gain[j])
        if best > 0.0 and price[k] - best < out[0]:
            out[0] = price[k] - best
            dropped = u
            for j in range(len(gain)):
                if gain[j] == best:
                    added = j
                    break
    return dropped, added


@kernel
def exchange_changes(state, going, coming, out):
    """Changes of the loss where the first units of two lists change places.

    Parameters
    ----------
    state : State
    going, coming : ndarray of int64
        Active units and others, as many.
    out : ndarray of shape (n_units,)
        The change by exchanging the first one, two, ... of them.
    """
    n, m, width = 0, 0, _widest(state) * len(going)
    rows, columns = np.empty(width, np.int64), np.empty(width, np.int64)
    ends, heads = np.empty(len(going), np.int64), np.empty(len(going), np.int64)
    for k in range(len(going)):
        for j in range(state.starts[going[k]], state.starts[going[k] + 1]):
            if state.place[j] >= 0:
                rows[n] = state.place[j]
                n += 1
        for j in range(state.starts[coming[k]], state.starts[coming[k] + 1]):
            if state.least[j] < np.inf:
                columns[m] = j
                m += 1
        ends[k], heads[k] = n, m
    n_active, n_targets = state.counts[0], len(state.c)
    # H_II = L L.T; z = L^{-1} b and half = L^{-1} V of the columns that come.
    lower, z, half = np.empty((n, n)), np.empty((n_targets, n)), np.empty((n, m))
    for a in range(n):
        for b in range(n):
            lower[a, b] = state.H[rows[a], rows[b]]
    _factor(lower, n, np.zeros(n))
    for a in range(n):
        scale = 1.0 / lower[a, a] if lower[a, a] > 0.0 else 0.0
        for t in range(n_targets):
            x = state.B[t, rows[a]]
            for b in range(a):
                x -= lower[a, b] * z[t, b]
            z[t, a] = x * scale
        for j in range(m):
            x = state.V[rows[a], columns[j]]
            for b in range(a):
                x -= lower[a, b] * half[b, j]
            half[a, j] = x * scale
    Q, block = np.empty((m, m)), np.empty((m, m))
    least, rhs = np.empty(m), np.empty(m)
    for a in range(m):
        least[a] = state.least[columns[a]]
        row = state.G[columns[a]]
        for b in range(a + 1):
            x = row[columns[b]]
            for i in range(n_active):
                x -= row[state.active[i]] * state.V[i, columns[b]]
            Q[a, b] = x
    for k in range(len(going)):
        n, m = ends[k], heads[k]
        for a in range(m):
            for b in range(a + 1):
                x = Q[a, b]
                for i in range(n):
                    x += half[i, a] * half[i, b]
                block[a, b] = x
        _factor(block, m, least)
        out[k] = 0.0
        for t in range(n_targets):
            for i in range(n):
                out[k] += z[t, i] * z[t, i]
            for a in range(m):
                x = state.r[t, columns[a]]
                for i in range(n):
                    x += half[i, a] * z[t, i]
                rhs[a] = x
            out[k] -= _squares(block, m, rhs)


@kernel
def _exceeds(r, row, Q, least, slope, scale, bound):
    """Whether any (r_j + slope V_ij)^2 / (Q_j + scale V_ij^2) exceeds a bound."""
    n = 0
    for j in range(len(r)):
        x, q = r[j] + row[j] * slope, Q[j] + row[j] * row[j] * scale
        n += (q > least[j]) & (x * x > bound * q)
    return n > 0


@kernel
def gains_without(state, u, out):
    """What adding each feature gains once feature u is dropped."""
    for j in range(len(out)):
        out[j] = 0.0
    i = state.place[u]
    if i < 0:
        gains(state, out)
        return
    scale = state.H[i, i]
    row = state.V[i]
    for t in range(len(state.r)):
        r, slope = state.r[t], state.B[t, i] / scale
        for j in range(len(out)):
            x = r[j] + row[j] * slope
            out[j] += x * x
    Q, least = state.Q, state.least
    for j in range(len(out)):
        q = Q[j] + row[j] * row[j] / scale
        out[j] = out[j] / q if q > least[j] else 0.0
    for k in range(state.counts[0]):
        out[state.active[k]] = 0.0


@kernel
def block_gains_without(state, u, out):
    """What adding each unit gains once unit u is dropped."""
    width = _widest(state)
    inverse, rows = np.empty((width, width)), np.empty(width, np.int64)
    block, rhs = np.empty((width, width)), np.empty(width)
    n = _inverse_block(state, u, rows, inverse)
    m, n_targets = len(state.G), len(state.r)
    # inverse = L L.T, so that H_II^{-1} = L^{-T} L^{-1}: rows of L^{-1} V and L^{-1} b.
    half, slope = np.empty((n, m)), np.empty((n_targets, n))
    for a in range(n):
        for j in range(m):
            half[a, j] = state.V[rows[a], j]
        for t in range(n_targets):
            slope[t, a] = state.B[t, rows[a]]
        for b in range(a):
            axpy(-inverse[a, b], half[b], half[a])
            for t in range(n_targets):
                slope[t, a] -= inverse[a, b] * slope[t, b]
        for j in range(m):
            half[a, j] /= inverse[a, a]
        for t in range(n_targets):
            slope[t, a] /= inverse[a, a]
    for w in range(len(out)):
        out[w] = 0.0
        if state.inside[w]:
            continue
        _copy_block(state, w, block)
        start, size = state.starts[w], state.starts[w + 1] - state.starts[w]
        for a in range(size):
            for b in range(size):
                for i in range(n):
                    block[a, b] += half[i, start + a] * half[i, start + b]
        _factor(block, size, state.least[start : start + size])
        for t in range(n_targets):
            for a in range(size):
                rhs[a] = state.r[t, start + a]
                for i in range(n):
                    rhs[a] += half[i, start + a] * slope[t, i]
            out[w] += _squares(block, size, rhs)


@kernel
def _widest(state):
    width = 1
    for u in range(len(state.inside)):
        width = max(width, state.starts[u + 1] - state.starts[u])
    return width


@kernel
def _copy_block(state, u, block):
    at, n = state.offsets[u], state.starts[u + 1] - state.starts[u]
    for a in range(n):
        for b in range(n):
            block[a, b] = state.Q[at]
            at += 1


@kernel
def _inverse_block(state, u, rows, block):
    """Factor the block of H of the active columns of a unit; returns how many."""
    n = 0
    for j in range(state.starts[u], state.starts[u + 1]):
        if state.place[j] >= 0:
            rows[n] = state.place[j]
            n += 1
    for a in range(n):
        for b in range(n):
            block[a, b] = state.H[rows[a], rows[b]]
    _factor(block, n, np.zeros(n))
    return n


@kernel
def _factor(block, n, least):
    """Lower Cholesky factor in place; rows with a pivot too small become zero."""
    for a in range(n):
        for b in range(a):
            x = block[a, b] - dot(block[a, :b], block[b, :b])
            block[a, b] = x / block[b, b] if block[b, b] > 0.0 else 0.0
        pivot = block[a, a] - dot(block[a, :a], block[a, :a])
        block[a, a] = np.sqrt(pivot) if pivot > least[a] else 0.0


@kernel
def _squares(lower, n, rhs):
    """|L^{-1} rhs|^2, overwriting rhs; rows of zero pivot count nothing."""
    total = 0.0
    for a in range(n):
        x = rhs[a] - dot(lower[a, :a], rhs[:a])
        rhs[a] = x / lower[a, a] if lower[a, a] > 0.0 else 0.0
        total += rhs[a] * rhs[a]
    return total
