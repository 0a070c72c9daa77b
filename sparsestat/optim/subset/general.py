"""Best subsets for likelihoods: splicing, exchanges and sweeps, and proofs.

As for least squares (Zhu et al., 2020; arXiv:2308.00251), with the quadratic model of
the likelihood at a fit in place of the Gram matrix.  What it promises is believed only
after a fit; and the objective of a superset bounds that of its subsets, as in leaps and
bounds.
"""

from collections.abc import Callable
from math import ceil
from time import perf_counter
from typing import NamedTuple

import numpy as np

from sparsestat.optim.subset._exchanges import Exchanges, largest_first
from sparsestat.optim.subset._newton import LikelihoodProblem, Point, maximise
from sparsestat.optim.subset._prove import prove
from sparsestat.optim.subset.path import default_max_size
from sparsestat.utils.criteria import price_of_parameters

__all__ = ["LikelihoodPath", "likelihood_path"]

# Falls of the objective below this share of that of the null model are rounding.
_SAME = 1e-11
# Exchanges of one unit that are fitted before a subset counts as the best among them.
_VERIFIED = 8
# Splices are fitted if they promise this share of what they cost.
_SPLICE_WORTH = 0.5
# Separated data whose loss is below this share of that of the null model are explained.
_EXPLAINED = 1e-3
# Units up to which "auto" tries to prove the chosen size, and the fits it spends.
_PROVABLE, _AUTO_NODES = 20, 400


class LikelihoodPath(NamedTuple):
    """Subsets of a range of sizes for a likelihood.

    Parameters
    ----------
    sizes : ndarray of shape (n_sizes,), int64
        Numbers of features, or of groups.
    points : list of Point
        The likelihood maximised on each.
    criterion : ndarray of shape (n_sizes,)
    chosen : int
        Index of its smallest value.
    lower_bounds : ndarray of shape (n_sizes,)
        No subset of that size has a smaller objective.
    optimal : ndarray of shape (n_sizes,), bool
        Whether the subset is proved to have the smallest.
    swap_gaps : ndarray of shape (n_sizes,)
        What the best of the most promising exchanges of one unit saves, as a share of
        the objective.
    n_nodes, n_iter : int
        Sets fitted by the exact search, and by the others.
    """

    sizes: np.ndarray
    points: list
    criterion: np.ndarray
    chosen: int
    lower_bounds: np.ndarray
    optimal: np.ndarray
    swap_gaps: np.ndarray
    n_nodes: int
    n_iter: int


def likelihood_path(
    problem: LikelihoodProblem,
    sizes: np.ndarray | None = None,
    *,
    max_size: int | None = None,
    criterion: str = "ebic",
    ic_coef: float = 1.0,
    locked: np.ndarray | None = None,
    solver: str = "auto",
    exchange_max: int = 5,
    n_sweeps: int = 2,
    n_restarts: int = 0,
    early_stopping: bool = True,
    max_nodes: int = 20_000,
    time_limit: float | None = None,
    max_iter: int = 100,
    start: list | None = None,
    rng: np.random.Generator | None = None,
    on_size: Callable[[int, Point], bool | None] | None = None,
) -> LikelihoodPath:
    """Best subsets of given sizes, or of sizes up to where the criterion ends them.

    Parameters
    ----------
    problem : LikelihoodProblem
    sizes : array-like of int, default=None
        Numbers of units; None are all up to `max_size`.
    max_size : int, default=None
        Largest size if `sizes` is None; None is n / (log p log log n).
    criterion : str, default="ebic"
        Which of the sizes is chosen, see `price_of_parameters`.
    ic_coef : float, default=1.0
        Factor of its price.
    locked : ndarray of int, default=None
        Units that are in every subset; sizes count them.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        As in `subset_path`; "auto" proves the chosen size of up to 20 units, within 400
        fits.
    exchange_max, n_sweeps, n_restarts : int
        As in `subset_path`.
    early_stopping : bool, default=True
        End where the criterion has not fallen for long, if `sizes` is None.
    max_nodes : int, default=20_000
        Fits of the exact search at most.
    time_limit : float, default=None
        Seconds of the exact search at most.
    max_iter : int, default=100
        Exchanges at most from one start.
    start : list of ndarray, default=None
        Sets of units to start with.
    rng : Generator, default=None
        For restarts.
    on_size : callable, default=None
        Called with each size and its point once the first sweep has reached it; ends
        the sweep by returning True.

    Returns
    -------
    path : LikelihoodPath

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117; Furnival and
    Wilson (1974), doi:10.1080/00401706.1974.10489231.
    """
    search = _Search(problem, criterion, ic_coef, locked)
    search.swap, search.exchange_max = solver != "splicing", exchange_max
    search.max_iter, search.on_size = max_iter, on_size
    search.early_stopping = early_stopping and sizes is None
    if sizes is None:
        limit = default_max_size(problem.likelihood.n_samples, problem.n_units)
        top = max(limit if max_size is None else max_size, len(search.locked))
        asked = None
    else:
        asked = np.unique(np.asarray(sizes, dtype=np.int64))
        last = int(asked[-1])
        # Sizes above lead back to better subsets.
        top = last + 2 if search.swap and last else last
    search.start(start or [], top)
    search.sweep(min(top, problem.n_units), n_sweeps if search.swap else 0)
    if n_restarts:
        search.restart(n_restarts, np.random.default_rng(0) if rng is None else rng)
    asked = search.asked(asked)
    if solver == "exact" or (solver == "auto" and problem.n_units <= _PROVABLE):
        nodes = max_nodes if solver == "exact" else min(max_nodes, _AUTO_NODES)
        search.prove(asked, solver == "exact", nodes, time_limit)
    return search.path(asked)


class _Search:
    """The best points of all sizes so far."""

    def __init__(self, problem, criterion, ic_coef, locked):
        self.problem, self.criterion, self.ic_coef = problem, criterion, ic_coef
        locked = np.array([], np.int64) if locked is None else locked
        self.locked = np.unique(np.asarray(locked, np.int64))
        self.found: dict[int, Point] = {}
        self.values: dict[int, float] = {}
        self.bounds: dict[int, float] = {}
        self.proved: set[int] = set()
        self.n_nodes = 0
        self._tables: dict[bytes, Exchanges] = {}
        self._known: dict[bytes, float] = {}
        self._settled: set[bytes] = set()
        self._swap_gaps: dict[bytes, float] = {}
        self._margin = _SAME * max(problem.null_loss, 1e-300)

    def start(self, supports, top: int) -> None:
        """Fit the locked units, and given sets."""
        for units in [self.locked, *supports]:
            units = np.union1d(self.locked, units)
            if len(units) <= max(top, len(self.locked)):
                point = self._fit(units, self.problem.null)
                if point is not None:
                    self._note(self._improved(point))

    def sweep(self, top: int, n_sweeps: int) -> None:
        """Forwards, then in pairs of sweeps while some size improves."""
        self._forward(top)
        for _ in range(n_sweeps):
            improved = self._backward()
            improved = self._again() or improved
            if not improved:
                break

    def restart(self, n_restarts: int, rng) -> None:
        """Exchange a quarter of the units at random, and descend."""
        for size in sorted(self.found):
            for _ in range(n_restarts):
                point = self.found[size]
                free = np.setdiff1d(point.units, self.locked)
                rest = np.setdiff1d(np.arange(self.problem.n_units), point.units)
                n = min(ceil(size / 4), len(free), len(rest))
                if n == 0:
                    break
                going = rng.choice(free, n, replace=False)
                coming = rng.choice(rest, n, replace=False)
                units = np.union1d(np.setdiff1d(point.units, going), coming)
                moved = self._fit(units, point)
                if moved is not None:
                    self._note(self._improved(moved))

    def prove(self, asked, every: bool, nodes: int, time_limit) -> None:
        """Search exactly: sizes one after the other, or the chosen one."""
        end = None if time_limit is None else perf_counter() + time_limit
        while True:
            left = [s for s in asked if s not in self.bounds]
            if not every:
                best = min(asked, key=self.values.get)
                left = [best] if best in left else []
            if not left:
                return
            size = left[0]
            seconds = None if end is None else max(end - perf_counter(), 0.0)
            result = prove(
                self.problem,
                self.found[size],
                self.locked,
                self._margin,
                max(nodes - self.n_nodes, 0),
                seconds,
            )
            self.n_nodes += result.n_nodes
            self.bounds[size] = result.lower_bound
            if result.optimal:
                self.proved.add(size)
            self._note(result.point)

    def asked(self, sizes) -> list[int]:
        """Those sizes that were asked for and could be reached."""
        if sizes is None:
            return sorted(self.found)
        return [int(s) for s in sizes if s in self.found] or [max(self.found)]

    def path(self, asked: list[int]) -> LikelihoodPath:
        """What was found."""
        points = [self.found[s] for s in asked]
        objective = np.array([point.objective for point in points])
        optimal = np.array([s in self.proved for s in asked])
        for k, size in enumerate(asked):
            # Nothing to choose, or all that can be.
            optimal[k] |= size in (len(self.locked), self.problem.n_units)
        bounds = np.array([max(self.bounds.get(s, 0.0), 0.0) for s in asked])
        bounds = np.where(optimal, objective, np.minimum(bounds, objective))
        values = np.array([self.values[s] for s in asked])
        gaps = [
            0.0 if o else self._gap(p) for o, p in zip(optimal, points, strict=True)
        ]
        return LikelihoodPath(
            np.array(asked, np.int64),
            points,
            values,
            int(np.argmin(values)),
            bounds,
            optimal,
            np.array(gaps),
            self.n_nodes,
            self.problem.n_fits - self.n_nodes,
        )

    def _forward(self, top: int) -> None:
        size = len(self.locked)
        stop = self._report(size)
        while size < top and not (stop or self._stops(size)):
            point = self._grown(self.found[size])
            if point is None:
                return
            size += 1
            self._note(self._improved(point))
            stop = self._report(size)

    def _backward(self) -> bool:
        improved = False
        for size in sorted(self.found)[-2::-1]:
            if size + 1 not in self.found or size < len(self.locked):
                continue
            above = self.found[size + 1]
            table = self._table(above)
            costs = np.where(np.isin(above.units, self.locked), np.inf, table.costs)
            if len(costs) == 0 or np.isinf(costs.min()):
                continue
            units = np.delete(above.units, int(np.argmin(costs)))
            point = self._fit(units, above)
            if point is not None:
                improved = self._note(self._improved(point)) or improved
        return improved

    def _again(self) -> bool:
        improved = False
        for size in sorted(self.found)[1:]:
            if size - 1 in self.found:
                point = self._grown(self.found[size - 1])
                if point is not None:
                    improved = self._note(self._improved(point)) or improved
        return improved

    def _grown(self, point: Point) -> Point | None:
        """The point with the unit that promises most."""
        table = self._table(point)
        if len(table.gains) == 0 or table.gains.max() <= 0.0:
            return None
        unit = table.outside[largest_first(table.gains)[0]]
        units, promised = np.append(point.units, unit), table.promise(unit)
        return self._fit(units, point, True, promised=promised)

    def _improved(self, point: Point) -> Point:
        """Exchange units while that lowers the objective."""
        for _ in range(self.max_iter):
            if point.units.tobytes() in self._settled:
                break
            better = self._spliced(point)
            if better is None and self.swap:
                better = self._swapped(point)
            if better is None:
                self._settled.add(point.units.tobytes())
                break
            point = better
        return point

    def _spliced(self, point: Point) -> Point | None:
        table = self._table(point)
        free = np.flatnonzero(~np.isin(point.units, self.locked))
        going = free[np.argsort(table.costs[free], kind="stable")]
        coming = largest_first(table.gains)
        coming = coming[table.gains[coming] > 0.0]
        most = min(self.exchange_max, len(going), len(coming))
        for n in range(most, 0, -1):
            cost = table.costs[going[:n]].sum()
            if table.gains[coming[:n]].sum() < _SPLICE_WORTH * cost:
                continue
            units = np.delete(point.units, going[:n])
            units = np.append(units, table.outside[coming[:n]])
            better = self._fit(units, point, limit=point.objective - self._margin)
            if better is not None:
                return better
        return None

    def _swapped(self, point: Point) -> Point | None:
        best = self._swaps(point, point.objective - self._margin)
        return best[0] if best else None

    def _swaps(self, point: Point, limit: float) -> list[Point]:
        """The first of the most promising exchanges that gets below a limit."""
        locked = np.isin(point.units, self.locked)
        table = self._table(point)
        for _, i, unit in table.best(locked, _VERIFIED):
            units = np.append(np.delete(point.units, i), unit)
            if self._is_known(units, limit):
                continue
            promised = table.promise(unit, i)
            better = self._fit(units, point, limit=limit, promised=promised)
            if better is not None:
                return [better]
        return []

    def _gap(self, point: Point) -> float:
        """What the most promising exchanges would save."""
        if self.swap and point.units.tobytes() in self._settled:
            return 0.0
        self._known.clear()
        found = self._swaps(point, point.objective - self._margin)
        return max((point.objective - p.objective for p in found), default=0.0) / max(
            point.objective, 1e-300
        )

    def _is_known(self, units, limit: float) -> bool:
        """Whether a set of units is known not to pass a limit."""
        key = np.sort(np.asarray(units, np.int64)).tobytes()
        return limit <= self._known.get(key, -np.inf)

    def _fit(
        self, units, near, force=False, limit=np.inf, promised=None
    ) -> Point | None:
        """Maximise with some units, unless it is known not to pass the limit."""
        units = np.sort(np.asarray(units, np.int64))
        key = units.tobytes()
        best = self.found.get(len(units))
        if best is not None:
            if best.units.tobytes() == key:
                return best if force or limit == np.inf else None
            if not force:
                limit = min(limit, max(limit, best.objective))
        if limit <= self._known.get(key, -np.inf):
            return None
        start = near.features, near.coef, near.intercept
        point = maximise(self.problem, units, start, limit, promised)
        value = limit if point is None else point.objective
        self._known[key] = max(value, self._known.get(key, -np.inf))
        if point is None or point.objective > limit:
            return None
        return point

    def _table(self, point: Point) -> Exchanges:
        key = point.units.tobytes()
        if key not in self._tables:
            if len(self._tables) > 64:
                self._tables.pop(next(iter(self._tables)))
            self._tables[key] = Exchanges(self.problem, point)
        return self._tables[key]

    def _note(self, point: Point) -> bool:
        size = len(point.units)
        known = self.found.get(size)
        if known is not None and point.objective >= known.objective - self._margin:
            return False
        self.found[size] = point
        self.values[size] = self._value(point)
        return True

    def _value(self, point: Point) -> float:
        problem, m = self.problem, self.problem.m
        n_intercepts = m * int(problem.fit_intercept)
        price = price_of_parameters(
            self.criterion,
            self._table(point).freedom,
            n_samples=problem.likelihood.n_samples,
            n_features=problem.n_units,
            n_intercepts=n_intercepts,
            n_chosen=len(point.units),
        )
        deviance = problem.likelihood.deviance(point.loss)
        return deviance + self.ic_coef * float(price)

    def _stops(self, size: int) -> bool:
        point = self.found[size]
        if point.separated and point.loss <= _EXPLAINED * self.problem.null_loss:
            return True
        if point.loss <= _SAME * self.problem.null_loss:
            return True
        if not self.early_stopping:
            return False
        best = min(self.values, key=self.values.get)
        return size - best >= max(5, ceil(0.25 * best))

    def _report(self, size: int) -> bool:
        """Whether the sweep is to end."""
        return self.on_size is not None and bool(self.on_size(size, self.found[size]))
