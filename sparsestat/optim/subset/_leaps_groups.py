"""Leaps and bounds over groups of features: a group is dropped by a block of its own.

The search is the one of `_leaps`, whose steps are given here for groups.  Features are
transformed within groups so that the block of H = G^{-1} of each is the identity; then
a multiple theta of the identity is the minorant, and dropping group I costs at least
theta |b_I|^2 at every node.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, eigvalsh
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset._groups import independent_inverse
from sparsestat.optim.subset._leaps import (
    border,
    bounds,
    complete,
    drop_last,
    force,
    limit_of,
    offer,
    open_bounds,
    record,
    to_last,
)
from sparsestat.optim.subset.exact import SubsetResult, search_until
from sparsestat.optim.vector import dot
from sparsestat.utils.dispatch import kernel

__all__ = ["ExactGroups", "GroupSearch"]

# Numbers that the matrices of all levels may take.
_ROOM = 200_000_000


class GroupSearch(NamedTuple):
    """A search over groups that can be stopped; arrays change in place.

    Parameters
    ----------
    G, c, v, H, at, width, b, loss, n_free, n_forced, forced, lower, half, delta
        As in :class:`~sparsestat.optim.subset._leaps.Search`, with groups for features
        where it counts or names them, and features where there are columns; H is
        symmetric.
    wanted, best, sets, counts
        As there.
    ids, place : ndarray of shape (n_levels, n_groups), int64
        The free groups, and where the columns of each start at their level.
    starts : ndarray of shape (n_groups + 1,), int64
        First feature of each group.
    ends : ndarray of shape (max_size + 2,), int64
        Number of forced features with so many forced groups.
    columns : ndarray of int64
        The forced features.
    """

    G: Any
    c: Any
    v: float
    H: Any
    at: Any
    width: Any
    b: Any
    ids: Any
    place: Any
    starts: Any
    loss: Any
    n_free: Any
    n_forced: Any
    forced: Any
    ends: Any
    columns: Any
    lower: Any
    half: Any
    delta: Any
    wanted: Any
    best: Any
    sets: Any
    counts: Any


class ExactGroups:
    """Exact search for the best groups, with a root that all sizes share.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
        A ridge included.
    linear : ndarray of shape (n_targets, n_features)
    variance : float
    units : list of ndarray
        Features of each group.
    locked : ndarray of int
        Groups that are in every subset.

    Attributes
    ----------
    definite : bool
        Whether groups are independent of each other, and few enough.
    """

    def __init__(self, gram, linear, variance, units, locked) -> None:
        self.variance, self.locked = float(variance), locked
        self.kept = [_independent(gram, features) for features in units]
        sizes = np.array([len(features) for features in self.kept])
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        free = np.sort(np.delete(sizes, locked))[::-1]
        self.widths = np.maximum(np.cumsum(np.append(0, free))[::-1], 1)
        self.definite = float((self.widths.astype(float) ** 2).sum()) <= _ROOM
        if not self.definite:
            return
        ids = np.concatenate(self.kept).astype(np.int64)
        G = np.ascontiguousarray(gram[np.ix_(ids, ids)], dtype=np.float64)
        lower, info = dpotrf(G, lower=True)
        pivots = PIVOT * G.diagonal()
        self.definite = info == 0 and bool((lower.diagonal() ** 2 > pivots).all())
        if not self.definite:
            return
        H = cho_solve((lower, True), np.eye(len(G)))
        change, inverse = np.zeros_like(H), np.zeros_like(H)
        for a, b in zip(self.starts[:-1], self.starts[1:], strict=True):
            root = np.linalg.cholesky(H[a:b, a:b])
            change[a:b, a:b], inverse[a:b, a:b] = root, np.linalg.inv(root)
        self.G = np.ascontiguousarray(change.T @ G @ change)
        self.c = np.ascontiguousarray(linear[:, ids] @ change)
        self.H = inverse @ H @ inverse.T
        self.b = self.c @ self.H
        self.theta = 1.0
        if len(H):
            last = len(H) - 1
            largest = eigvalsh(self.H, subset_by_index=[last, last])[0]
            self.theta = (1.0 - 1e-6) / largest

    def run(self, sizes, *, start=None, n_best=1, max_nodes, time_limit=None):
        """Search for the best groups of some sizes; returns a `SubsetResult`.

        Its supports, as those of `start`, are groups.
        """
        sizes = np.asarray(sizes, dtype=np.int64)
        most = int(sizes.max())
        best = np.full((most + 1, n_best), np.inf)
        sets = np.zeros((most + 1, n_best, max(most, 1)), np.int64)
        wanted = np.zeros(most + 1, np.bool_)
        wanted[sizes] = True
        for size in sizes:
            for units in (start or {}).get(int(size), [])[:1]:
                best[size, 0] = self._loss(np.sort(units))
                sets[size, 0, :size] = np.sort(units)
        search = self._root(wanted, best, sets)
        n_nodes = search_until(search, max_nodes, time_limit)
        lower = np.full(most + 1, np.inf)
        open_bounds(search, lower)
        supports, losses = [], []
        for k in sizes:
            found = np.flatnonzero(best[k] < np.inf)
            supports.append([sets[k, i, :k].copy() for i in found])
            losses.append(np.maximum(best[k, found], 0.0))
        worst = best[sizes, -1]
        return SubsetResult(
            sizes, supports, losses, np.maximum(np.minimum(worst, lower[sizes]), 0.0),
            lower[sizes] >= worst * (1.0 - 1e-9), n_nodes,
        )  # fmt: skip

    def _loss(self, units: np.ndarray) -> float:
        at = self._columns(units)
        coef = np.linalg.solve(self.G[np.ix_(at, at)], self.c[:, at].T)
        return self.variance - float((self.c[:, at].T * coef).sum())

    def _columns(self, units: np.ndarray) -> np.ndarray:
        spans = [np.arange(self.starts[u], self.starts[u + 1]) for u in units]
        return np.concatenate([np.array([], np.int64), *spans])

    def _root(self, wanted, best, sets) -> GroupSearch:
        n_groups, n_targets = len(self.kept), len(self.c)
        free = np.setdiff1d(np.arange(n_groups), self.locked)
        cost = np.array([(self.b[:, self._columns([u])] ** 2).sum() for u in free])
        free = free[np.argsort(cost, kind="stable")]
        own, n = self._columns(free), len(free)
        widths, levels = self.widths, n + 1
        sizes = np.diff(self.starts)
        room = int(np.sort(sizes)[::-1][: len(wanted) + 1].sum()) + 1
        search = GroupSearch(
            self.G,
            self.c,
            self.variance,
            np.empty(int((widths**2).sum())),
            np.concatenate([[0], np.cumsum(widths**2)[:-1]]).astype(np.int64),
            widths.astype(np.int64),
            np.empty((levels, n_targets, int(widths[0]))),
            np.zeros((levels, max(n, 1)), np.int64),
            np.zeros((levels, max(n, 1)), np.int64),
            self.starts,
            np.empty(levels),
            np.zeros(levels, np.int64),
            np.zeros(levels, np.int64),
            np.empty(n_groups, np.int64),
            np.zeros(len(wanted) + 1, np.int64),
            np.zeros(room, np.int64),
            np.zeros((room, room)),
            np.zeros((n_targets, room)),
            np.full(n_groups, self.theta),
            wanted,
            best,
            sets,
            np.zeros(2, np.int64),
        )
        m = len(own)
        search.H[: m * m] = self.H[np.ix_(own, own)].ravel()
        search.b[0, :, :m] = self.b[:, own]
        search.ids[0, :n] = free
        search.place[0, :n] = np.concatenate([[0], np.cumsum(sizes[free])[:-1]])[:n]
        search.loss[0] = self.variance - float((self.b * self.c).sum())
        search.n_free[0] = n
        for u in self.locked:
            force(search, 0, u)
        record(search, 0)
        return search


def _independent(gram: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The features of a group that are neither zero nor depend on earlier ones."""
    features = features[gram[features, features] > 0.0]
    M = gram[np.ix_(features, features)]
    return features[independent_inverse(M, np.zeros(len(M)))[0]]


@force.register(GroupSearch)
def _(search, level, u):
    a = search.n_forced[level]
    if a + 1 < len(search.ends):
        _border_group(search, a, u)
    search.forced[a] = u
    search.n_forced[level] = a + 1


@kernel
def _border_group(search, a, u):
    """Append a group to the factor of the first `a` forced ones; what it gains."""
    at, gain = search.ends[a], 0.0
    for j in range(search.starts[u], search.starts[u + 1]):
        gain += border(search, search.columns, at, j)
        search.columns[at] = j
        at += 1
    search.ends[a + 1] = at
    return gain


@complete.register(GroupSearch)
def _(search, level, least, most):
    ids, half, ends = search.ids, search.half, search.ends
    s, n = search.n_forced[level], search.n_free[level]
    loss = search.v
    for t in range(len(half)):
        loss -= dot(half[t, : ends[s]], half[t, : ends[s]])
    search.counts[1] += 1
    if least == s:
        offer(search, s, -1, loss)
    if most > s:
        for i in range(n):
            value = loss - _border_group(search, s, ids[level, i])
            if value < limit_of(search, s + 1):
                offer(search, s + 1, ids[level, i], value)


@bounds.register(GroupSearch)
def _(search, level, bound, single, order, total):
    n, n_targets = search.n_free[level], search.b.shape[1]
    for i in range(n):
        u, first = search.ids[level, i], search.place[level, i]
        w, square = search.starts[u + 1] - search.starts[u], 0.0
        for t in range(n_targets):
            for k in range(w):
                square += search.b[level, t, first + k] ** 2
        root = _root_of_block(search, level, first, w)
        single[i] = 0.0
        for t in range(n_targets):
            single[i] += _squares(root, search.b[level, t, first : first + w])
        x = square * search.delta[u]
        bound[i] = x
        k = i
        while k > 0 and bound[order[k - 1]] > x:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    total[0] = 0.0
    for k in range(n):
        total[k + 1] = total[k] + bound[order[k]]


@to_last.register(GroupSearch)
def _(search, level, i):
    last, ids, place = search.n_free[level] - 1, search.ids, search.place
    ids[level, i], ids[level, last] = ids[level, last], ids[level, i]
    place[level, i], place[level, last] = place[level, last], place[level, i]


@drop_last.register(GroupSearch)
def _(search, level, target):
    H, starts = search.H, search.starts
    n = search.n_free[level] - 1
    at, width = search.at[level], search.width[level]
    to, stride = search.at[target], search.width[target]
    u, first = search.ids[level, n], search.place[level, n]
    w = starts[u + 1] - starts[u]
    root = _root_of_block(search, level, first, w)
    source, out = _layout(search, level, target)
    m = len(source)
    half = np.empty((w, m))
    for k in range(w):
        row = at + (first + k) * width
        for a in range(m):
            half[k, a] = H[row + source[a]]
        for other in range(k):
            x = root[k, other]
            for a in range(m):
                half[k, a] -= x * half[other, a]
        for a in range(m):
            half[k, a] /= root[k, k]
    cost, slope = 0.0, np.empty(w)
    for t in range(search.b.shape[1]):
        for k in range(w):
            x = search.b[level, t, first + k]
            slope[k] = (x - dot(root[k, :k], slope[:k])) / root[k, k]
            cost += slope[k] * slope[k]
        for a in range(m):
            x = search.b[level, t, source[a]]
            for k in range(w):
                x -= slope[k] * half[k, a]
            search.b[target, t, out[a]] = x
    for a in range(m):
        row, new = at + source[a] * width, to + out[a] * stride
        for c in range(m):
            H[new + out[c]] = H[row + source[c]]
        for k in range(w):
            x = half[k, a]
            for c in range(m):
                H[new + out[c]] -= x * half[k, c]
    search.loss[target] = search.loss[level] + cost
    search.n_free[target] = n


@kernel
def _layout(search, level, target):
    """Where the columns of all free groups but the last are, and where they go.

    Both increase; at the same level they stay.
    """
    n, starts = search.n_free[level] - 1, search.starts
    owner = np.full(search.width[level], -1)
    m = 0
    for i in range(n):
        u = search.ids[level, i]
        if starts[u + 1] > starts[u]:
            owner[search.place[level, i]] = i
            m += starts[u + 1] - starts[u]
    source, out = np.empty(m, np.int64), np.empty(m, np.int64)
    a = 0
    for first in range(len(owner)):
        i = owner[first]
        if i < 0:
            continue
        u = search.ids[level, i]
        if target != level:
            search.place[target, i] = a
        for k in range(starts[u + 1] - starts[u]):
            source[a] = first + k
            out[a] = a if target != level else first + k
            a += 1
    return source, out


@kernel
def _root_of_block(search, level, first, w):
    """Lower Cholesky factor of the block of H of a group."""
    at, width = search.at[level], search.width[level]
    root = np.empty((w, w))
    for a in range(w):
        row = at + (first + a) * width + first
        for b in range(a):
            x = search.H[row + b] - dot(root[a, :b], root[b, :b])
            root[a, b] = x / root[b, b]
        root[a, a] = np.sqrt(search.H[row + a] - dot(root[a, :a], root[a, :a]))
    return root


@kernel
def _squares(root, b):
    """|L^{-1} b|^2."""
    total, x = 0.0, np.empty(len(b))
    for k in range(len(b)):
        x[k] = (b[k] - dot(root[k, :k], x[:k])) / root[k, k]
        total += x[k] * x[k]
    return total
