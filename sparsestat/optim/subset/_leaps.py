"""Depth-first search over subsets on the inverse Gram matrix.

A node is a set S of features, some of which are forced and the others free; its loss
bounds the loss of all subsets of S.  Only the free part of H = (G_SS)^{-1} is kept:
dropping i costs b_i^2 / H_ii and changes H by a rank-one term, forcing i merely strikes
its row.  After Furnival and Wilson (1974), whose bound of one dropped feature at a time
is joined by one of all: where G - diag(delta) is positive semidefinite, dropping a set
D costs at least the sum of delta_i b_i^2 over D, at every node below the root as well,
for both taking principal submatrices and taking Schur complements preserve it.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.vector import dot
from sparsestat.utils.dispatch import kernel, operation

__all__ = [
    "Search",
    "border",
    "bounds",
    "complete",
    "drop_last",
    "force",
    "limit_of",
    "live",
    "make_search",
    "offer",
    "open_bounds",
    "record",
    "run",
    "to_last",
]

# Losses that differ by less than this share are the same.
_SAME = 1e-12


class Search(NamedTuple):
    """A search that can be stopped and taken up again; arrays change in place.

    Parameters
    ----------
    G, c, v : ndarray, ndarray, float
        Gram matrix, linear terms of shape (n_targets, n_features), loss of nothing.
    H : ndarray of shape (n_entries,)
        Lower triangles of the free part of H, level after level.
    at, width : ndarray of shape (n_levels,), int64
        Where the matrix of each level starts, and the length of its rows.
    b : ndarray of shape (n_levels, n_targets, n_features)
        Coefficients of the free features.
    ids : ndarray of shape (n_levels, n_features), int64
        The free features.
    loss : ndarray of shape (n_levels,)
        Twice the loss of S.
    n_free, n_forced : ndarray of shape (n_levels,), int64
    forced : ndarray of shape (n_features,), int64
        Forced features of the current branch.
    lower, half : ndarray
        Cholesky factor L of their Gram matrix, and L^{-1} c, a row for each target.
    delta : ndarray of shape (n_features,)
    wanted : ndarray of shape (max_size + 1,), bool
        Numbers of features that are of interest.
    best : ndarray of shape (max_size + 1, n_best)
        Smallest losses, increasing.
    sets : ndarray of shape (max_size + 1, n_best, max_size), int64
        Their subsets.
    counts : ndarray of shape (2,), int64
        Current level, -1 once the search is done, and nodes visited.
    """

    G: Any
    c: Any
    v: float
    H: Any
    at: Any
    width: Any
    b: Any
    ids: Any
    loss: Any
    n_free: Any
    n_forced: Any
    forced: Any
    lower: Any
    half: Any
    delta: Any
    wanted: Any
    best: Any
    sets: Any
    counts: Any


def make_search(G, c, v, H, b, delta, wanted, best, sets, locked) -> Search:
    """A search at its root, where all features are in and `locked` ones forced."""
    n_targets, p = b.shape
    free = np.flatnonzero(~locked)
    free = free[np.argsort(delta[free] * (b[:, free] ** 2).sum(axis=0))]
    n = len(free)
    n_levels = n + 1
    widths = np.maximum(n - np.arange(n_levels), 1)
    at = np.concatenate([[0], np.cumsum(widths**2)[:-1]]).astype(np.int64)
    search = Search(
        G,
        c,
        v,
        np.empty(int((widths**2).sum())),
        at,
        widths.astype(np.int64),
        np.empty((n_levels, n_targets, max(n, 1))),
        np.empty((n_levels, max(n, 1)), np.int64),
        np.empty(n_levels),
        np.zeros(n_levels, np.int64),
        np.zeros(n_levels, np.int64),
        np.empty(p, np.int64),
        np.zeros((len(wanted) + 1, len(wanted) + 1)),
        np.zeros((n_targets, len(wanted) + 1)),
        delta,
        wanted,
        best,
        sets,
        np.zeros(2, np.int64),
    )
    search.H[: n * n] = H[np.ix_(free, free)].ravel()
    search.b[0, :, :n] = b[:, free]
    search.ids[0, :n] = free
    search.loss[0] = v - float((b * c).sum())
    search.n_free[0] = n
    for j in np.flatnonzero(locked):
        force(search, 0, j)
    record(search, 0)
    return search


@kernel
def run(search, max_nodes):
    """Go on until nothing is left, or so many nodes have been visited in all."""
    n_free, counts, ids = search.n_free, search.counts, search.ids
    n_features = len(search.delta)
    bound, single = np.empty(n_features), np.empty(n_features)
    order, total = np.empty(n_features, np.int64), np.empty(n_features + 1)
    while counts[0] >= 0 and counts[1] < max_nodes:
        level = counts[0]
        if _closed(search, level, bound, single, order, total):
            counts[0] = level - 1
            if level > 0:  # the branch above goes on with the dropped feature forced
                last = n_free[level - 1] - 1
                n_free[level - 1] = last
                force(search, level - 1, ids[level - 1, last])
            continue
        n = n_free[level]
        strongest = 0
        for i in range(1, n):
            if single[i] > single[strongest]:
                strongest = i
        to_last(search, level, strongest)
        for i in range(n - 1):
            ids[level + 1, i] = ids[level, i]
        search.n_forced[level + 1] = search.n_forced[level]
        drop_last(search, level, level + 1)
        counts[0] = level + 1
        counts[1] += 1
        record(search, level + 1)


@kernel
def _closed(search, level, bound, single, order, total):
    """Force and drop what has to be, and tell whether nothing is left to search."""
    while True:
        n, n_forced = search.n_free[level], search.n_forced[level]
        if n == 0:
            return True
        bounds(search, level, bound, single, order, total)
        least, most = live(search, level, total)
        if least > most:
            return True
        if most - n_forced <= 1:
            complete(search, level, least, most)
            return True
        dropped = False
        for i in range(n - 1, -1, -1):
            may_drop, may_stay = False, False
            for size in range(least, most + 1):
                n_drops = n_forced + n - size
                left = limit_of(search, size) - search.loss[level]
                kth = total[n_drops] - total[n_drops - 1]
                x = max(bound[i], kth) + total[n_drops - 1]
                may_drop = may_drop or max(x, single[i]) < left
                if n_drops < n:
                    x = total[n_drops]
                    if bound[i] <= kth:
                        x = total[n_drops + 1] - bound[i]
                    may_stay = may_stay or x < left
            if not may_drop or not may_stay:
                last = search.n_free[level] - 1
                to_last(search, level, i)
                bound[i], bound[last] = bound[last], bound[i]
                single[i], single[last] = single[last], single[i]
                if not may_drop:
                    force(search, level, search.ids[level, last])
                    search.n_free[level] = last
                    if search.n_forced[level] > most:
                        return True
                    continue
                drop_last(search, level, level)
                search.counts[1] += 1
                record(search, level)
                dropped = True
                break
        if not dropped and search.n_free[level] == n:
            return False


@operation
def force(search, level, j):
    """Let a feature join the forced ones."""
    raise TypeError(f"{type(search).__name__} is not a search.")


@force.register(Search)
def _(search, level, j):
    a = search.n_forced[level]
    if a < len(search.lower):
        border(search, search.forced, a, j)
    search.forced[a] = j
    search.n_forced[level] = a + 1


@operation
def complete(search, level, least, most):
    """Evaluate the forced features alone and with each of the free ones."""
    raise TypeError(f"{type(search).__name__} is not a search.")


@complete.register(Search)
def _(search, level, least, most):
    ids, half = search.ids, search.half
    s, n = search.n_forced[level], search.n_free[level]
    loss = search.v
    for t in range(len(half)):
        loss -= dot(half[t, :s], half[t, :s])
    search.counts[1] += 1
    if least == s:
        offer(search, s, -1, loss)
    if most > s:
        limit = limit_of(search, s + 1)
        for i in range(n):
            gain = border(search, search.forced, s, ids[level, i])
            if loss - gain < limit:
                offer(search, s + 1, ids[level, i], loss - gain)


@kernel
def border(search, forced, a, j):
    """Append feature j to the factor of the first `a` forced ones; what it gains."""
    row, c = search.G[j], search.c
    lower, half = search.lower, search.half
    new = lower[a, :a]
    for k in range(a):
        new[k] = (row[forced[k]] - dot(new[:k], lower[k, :k])) / lower[k, k]
    pivot = row[j] - dot(new, new)
    if pivot <= PIVOT * row[j]:
        pivot = np.inf
    lower[a, a] = np.sqrt(pivot)
    gain = 0.0
    for t in range(len(c)):
        x = (c[t, j] - dot(new, half[t, :a])) / lower[a, a]
        half[t, a] = x
        gain += x * x
    return gain


@kernel
def limit_of(search, size):
    if not search.wanted[size]:
        return -np.inf
    return search.best[size, search.best.shape[1] - 1] * (1.0 - _SAME)


@operation
def bounds(search, level, bound, single, order, total):
    """Least costs of each free feature, in order, and sums of the smallest."""
    raise TypeError(f"{type(search).__name__} is not a search.")


@bounds.register(Search)
def _(search, level, bound, single, order, total):
    n, at, width = search.n_free[level], search.at[level], search.width[level]
    for i in range(n):
        square = 0.0
        for t in range(search.b.shape[1]):
            square += search.b[level, t, i] ** 2
        single[i] = square / search.H[at + i * width + i]
        x = square * search.delta[search.ids[level, i]]
        bound[i] = x
        k = i
        while k > 0 and bound[order[k - 1]] > x:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
    total[0] = 0.0
    for k in range(n):
        total[k + 1] = total[k] + bound[order[k]]


@kernel
def live(search, level, total):
    """Smallest and largest number of features that may still be improved on."""
    n, n_forced = search.n_free[level], search.n_forced[level]
    least, most = 1, 0
    for size in range(n_forced, min(n_forced + n, len(search.wanted))):
        n_drops = n_forced + n - size
        if search.loss[level] + total[n_drops] < limit_of(search, size):
            if least > most:
                least = size
            most = size
    return least, most


@operation
def to_last(search, level, i):
    """Exchange a free feature with the last one."""
    raise TypeError(f"{type(search).__name__} is not a search.")


@to_last.register(Search)
def _(search, level, i):
    last = search.n_free[level] - 1
    if i == last:
        return
    H, at, width = search.H, search.at[level], search.width[level]
    ids, b = search.ids, search.b
    ids[level, i], ids[level, last] = ids[level, last], ids[level, i]
    for t in range(b.shape[1]):
        b[level, t, i], b[level, t, last] = b[level, t, last], b[level, t, i]
    row, end = at + i * width, at + last * width
    for k in range(i):
        H[row + k], H[end + k] = H[end + k], H[row + k]
    for k in range(i + 1, last):
        other = at + k * width + i
        H[other], H[end + k] = H[end + k], H[other]
    H[row + i], H[end + last] = H[end + last], H[row + i]


@operation
def drop_last(search, level, target):
    """Drop the last free feature; the node that is left goes to level `target`."""
    raise TypeError(f"{type(search).__name__} is not a search.")


@drop_last.register(Search)
def _(search, level, target):
    H, b = search.H, search.b
    n = search.n_free[level] - 1
    at, width = search.at[level], search.width[level]
    to, stride = search.at[target], search.width[target]
    h = H[at + n * width : at + n * width + n]
    scale = H[at + n * width + n]
    cost = 0.0
    for t in range(b.shape[1]):
        x = b[level, t, n]
        cost += x * x
        source, out = b[level, t], b[target, t]
        slope = x / scale
        for i in range(n):
            out[i] = source[i] - slope * h[i]
    for i in range(n):
        source = H[at + i * width : at + i * width + i + 1]
        out = H[to + i * stride : to + i * stride + i + 1]
        slope = h[i] / scale
        for k in range(i + 1):
            out[k] = source[k] - slope * h[k]
    search.loss[target] = search.loss[level] + cost / scale
    search.n_free[target] = n


@kernel
def record(search, level):
    """Keep the set of a level if it is among the best of its size."""
    n, n_forced = search.n_free[level], search.n_forced[level]
    size = n + n_forced
    if size < len(search.wanted) and search.loss[level] < limit_of(search, size):
        forced = search.forced
        for i in range(n):  # forced features of deeper levels are rewritten anyway
            forced[n_forced + i] = search.ids[level, i]
        offer(search, size, -1, search.loss[level])


@kernel
def offer(search, size, last, loss):
    """Keep the first of the forced features, with a last one, if that is a new best."""
    if not loss < limit_of(search, size):
        return
    best, sets, new = search.best, search.sets, np.empty(size, np.int64)
    for i in range(size):
        new[i] = search.forced[i]
    if last >= 0:
        new[size - 1] = last
    new.sort()
    k = best.shape[1] - 1
    for other in range(k + 1):
        same = best[size, other] < np.inf
        for i in range(size):
            same = same and sets[size, other, i] == new[i]
        if same:  # the search was given it
            return
    while k > 0 and best[size, k - 1] > loss:
        best[size, k] = best[size, k - 1]
        for i in range(size):
            sets[size, k, i] = sets[size, k - 1, i]
        k -= 1
    best[size, k] = loss
    for i in range(size):
        sets[size, k, i] = new[i]


@kernel
def open_bounds(search, out):
    """Least loss that sets of each size in the open part of the tree could have."""
    n_features = len(search.delta)
    bound, single = np.empty(n_features), np.empty(n_features)
    order, total = np.empty(n_features, np.int64), np.empty(n_features + 1)
    for size in range(len(out)):
        out[size] = np.inf
    for level in range(search.counts[0] + 1):
        n, n_forced = search.n_free[level], search.n_forced[level]
        bounds(search, level, bound, single, order, total)
        for size in range(n_forced, min(n_forced + n, len(out))):
            value = search.loss[level] + total[n_forced + n - size]
            out[size] = min(out[size], value)
