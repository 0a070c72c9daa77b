"""Certified best subsets of each size, by leaps and bounds on the Gram matrix.

After Furnival and Wilson (1974), with the bound of a diagonal minorant besides.
"""

import time
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, eigvalsh
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset._leaps import make_search, open_bounds, run

__all__ = ["SubsetResult", "diagonal_minorant", "exact_subset", "search_until"]

# Nodes between looks at the clock.
_NODES = 20_000


class SubsetResult(NamedTuple):
    """The best subsets of some sizes, and how far they are proved to be best.

    Parameters
    ----------
    sizes : ndarray of shape (n_sizes,), int64
        Numbers of features.
    supports : list of list of ndarray
        For each size its best subsets, best first, each increasing.
    losses : list of ndarray
        Their residual mean squares, v - c_A.T (G_AA + D)^{-1} c_A.
    lower_bounds : ndarray of shape (n_sizes,)
        No subset of a size that is not listed has a smaller loss.
    optimal : ndarray of shape (n_sizes,), bool
        Whether the search for a size is complete.
    n_nodes : int
        Nodes visited.
    """

    sizes: np.ndarray
    supports: list
    losses: list
    lower_bounds: np.ndarray
    optimal: np.ndarray
    n_nodes: int


def exact_subset(
    gram: np.ndarray,
    linear: np.ndarray,
    variance: float,
    sizes: int | np.ndarray,
    *,
    n_best: int = 1,
    start: dict[int, list] | None = None,
    locked: np.ndarray | None = None,
    max_nodes: int = 2_000_000,
    time_limit: float | None = None,
) -> SubsetResult:
    """Best subsets of given sizes: exact, or with valid bounds where it is stopped.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
        G, a ridge included; positive definite but for columns that repeat others or
        are zero.
    linear : ndarray of shape (n_features,) or (n_targets, n_features)
        c.
    variance : float
        v, the loss of no features.
    sizes : int or array-like of int
        Numbers of features, searched together.
    n_best : int, default=1
        How many subsets of each size.
    start : dict of int to list of array, default=None
        Subsets known for some sizes; the better they are, the less is searched.
    locked : ndarray of shape (n_features,), bool, default=None
        Features that are in every subset.
    max_nodes : int, default=2_000_000
        Nodes at most.
    time_limit : float, default=None
        Seconds at most.

    Returns
    -------
    result : SubsetResult
        Where the Gram matrix is singular otherwise, nothing is searched and lower
        bounds are zero.

    Raises
    ------
    ValueError
        For sizes that no subset can have.

    References
    ----------
    Furnival and Wilson (1974), doi:10.1080/00401706.1974.10489231.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.subset import exact_subset
    >>> result = exact_subset(np.eye(3), np.array([1.0, 3.0, 2.0]), 20.0, [1, 2])
    >>> [best[0].tolist() for best in result.supports], result.optimal.all()
    ([[1], [1, 2]], np.True_)
    """
    linear = np.atleast_2d(np.asarray(linear, dtype=np.float64))
    sizes = np.unique(np.atleast_1d(np.asarray(sizes, dtype=np.int64)))
    p = linear.shape[1]
    locked = np.zeros(p, np.bool_) if locked is None else locked
    if sizes.min() < locked.sum() or sizes.max() > p:
        raise ValueError(
            f"sizes must be in [{locked.sum()}, {p}], the numbers of locked and of all "
            f"features; got {sizes.tolist()}."
        )
    search = ExactSearch(gram, linear, variance, locked, merge=n_best == 1)
    return search.run(
        sizes, start=start, n_best=n_best, max_nodes=max_nodes, time_limit=time_limit
    )


class ExactSearch:
    """A root that searches for several sizes share.

    Attributes
    ----------
    definite : bool
        Whether the Gram matrix of distinct features is positive definite.
    """

    def __init__(self, gram, linear, variance, locked, *, merge: bool = True) -> None:
        self.gram, self.linear, self.variance = gram, linear, float(variance)
        self.locked = locked
        self.kept = _distinct(gram, locked) if merge else np.arange(len(gram))
        # Locked features that are not searched, as they change nothing.
        self.idle = np.setdiff1d(np.flatnonzero(locked), self.kept)
        ids = self.kept
        self.M = np.ascontiguousarray(gram[np.ix_(ids, ids)], dtype=np.float64)
        self.c = np.ascontiguousarray(linear[:, ids])
        lower, info = dpotrf(self.M, lower=True)
        smallest = PIVOT * self.M.diagonal()
        self.definite = info == 0 and bool((lower.diagonal() ** 2 > smallest).all())
        if self.definite:
            self.H = cho_solve((lower, True), np.eye(len(ids)))
            self.b = self.c @ self.H
            self.delta = diagonal_minorant(self.H)

    def run(self, sizes, *, start=None, n_best=1, max_nodes, time_limit=None):
        """Search for the best subsets of some sizes; returns a `SubsetResult`."""
        sizes = np.asarray(sizes, dtype=np.int64)
        p, kept = len(self.gram), self.kept
        searched = sizes - len(self.idle)
        max_size = int(min(searched.max(), len(kept)))
        best = np.full((max_size + 1, n_best), np.inf)
        sets = np.zeros((max_size + 1, n_best, max(max_size, 1)), np.int64)
        place = np.full(p, -1)
        place[kept] = np.arange(len(kept))
        for size, known in (start or {}).items():
            k = size - len(self.idle)
            if size in sizes and k <= max_size:
                self._take(place, known, best[k], sets[k])
        wanted = np.zeros(max_size + 1, np.bool_)
        wanted[np.minimum(searched, max_size)] = True
        bounds, n_nodes = np.full(max_size + 1, -np.inf), 0
        if self.definite:
            search = make_search(
                self.M, self.c, self.variance, self.H, self.b, self.delta, wanted,
                best, sets, self.locked[kept],
            )  # fmt: skip
            n_nodes = search_until(search, max_nodes, time_limit)
            open_bounds(search, bounds)
        parts = []
        for size, n_searched in zip(sizes, searched, strict=True):
            k = min(n_searched, max_size)
            found = np.flatnonzero(best[k] < np.inf)
            supports = [np.append(kept[sets[k, i, :k]], self.idle) for i in found]
            supports = [_padded(np.sort(support), size, p) for support in supports]
            bound = max(min(best[k, -1], bounds[k]), 0.0)
            complete = bounds[k] >= best[k, -1] * (1.0 - 1e-9)
            parts.append((supports, np.maximum(best[k, found], 0.0), bound, complete))
        supports, losses, lower_bounds, optimal = map(list, zip(*parts, strict=True))
        return SubsetResult(
            sizes, supports, losses, np.array(lower_bounds), np.array(optimal), n_nodes
        )

    def _take(self, place, known, best, sets) -> None:
        """Note known subsets of a size, with their losses."""
        rows = []
        for support in known:
            inside = np.sort(place[np.setdiff1d(support, self.idle)])
            if len(inside) and inside[0] < 0:
                continue
            block, c = self.M[np.ix_(inside, inside)], self.c[:, inside].T
            lower, info = dpotrf(block, lower=True)
            if info == 0:
                loss = self.variance - float((cho_solve((lower, True), c) * c).sum())
                rows.append((loss, inside))
        rows.sort(key=lambda row: row[0])
        for k, (loss, inside) in enumerate(rows[: len(best)]):
            best[k] = loss
            sets[k, : len(inside)] = inside


def diagonal_minorant(inverse: np.ndarray) -> np.ndarray:
    """A diagonal delta > 0 with G - diag(delta) positive semidefinite, from G^{-1}.

    The largest multiple of 1 / H_ii, up to rounding.
    """
    if len(inverse) == 0:
        return np.empty(0)
    scale = np.sqrt(inverse.diagonal())
    correlation = inverse / np.outer(scale, scale)
    last = len(inverse) - 1
    largest = eigvalsh(correlation, subset_by_index=[last, last])[0]
    return (1.0 - 1e-6) / (scale**2 * largest)


def search_until(search, max_nodes: int, time_limit: float | None) -> int:
    """Run a search up to its limits; the number of nodes visited."""
    end = None if time_limit is None else time.perf_counter() + time_limit
    while search.counts[0] >= 0 and search.counts[1] < max_nodes:
        limit = max_nodes
        if end is not None:
            if time.perf_counter() >= end:
                break
            limit = min(max_nodes, search.counts[1] + _NODES)
        run(search, limit)
    return int(search.counts[1])


def _distinct(gram: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """Features without those that are zero or repeat one that is locked or earlier."""
    order = np.argsort(~locked, kind="stable")
    gram = gram[np.ix_(order, order)]
    diagonal = gram.diagonal()
    useful = diagonal > 0.0
    for j in range(1, len(gram)):
        same = gram[j, :j] ** 2 >= (1.0 - PIVOT) * diagonal[j] * diagonal[:j]
        useful[j] &= not (same & useful[:j]).any()
    return np.sort(order[useful])


def _padded(support: np.ndarray, size: int, p: int) -> np.ndarray:
    """Fill a subset up to its size with features that change nothing."""
    if len(support) == size:
        return support
    rest = np.setdiff1d(np.arange(p), support)[: size - len(support)]
    return np.sort(np.concatenate([support, rest]))
