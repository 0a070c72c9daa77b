"""Best subsets for likelihoods: splicing, exchanges and sweeps, and proofs.

As for least squares (Zhu et al., 2020; arXiv:2308.00251), with the quadratic model of
the likelihood at a fit in place of the Gram matrix.  What it promises is believed only
after a fit; and the objective of a superset bounds that of its subsets, as in leaps and
bounds.
"""

from collections.abc import Callable
from math import ceil, inf
from time import perf_counter
from typing import NamedTuple

import numpy as np

from sparsestat.optim.design import n_samples
from sparsestat.optim.products import correlate_many
from sparsestat.optim.subset._golden import golden_section
from sparsestat.optim.subset._newton import (
    Improved,
    LikelihoodProblem,
    Point,
)
from sparsestat.optim.subset._prove import prove
from sparsestat.optim.subset._units import default_max_size
from sparsestat.utils.criteria import price_of_parameters
from sparsestat.utils.topk import top_k

__all__ = ["LikelihoodPath", "likelihood_path"]

# Falls of the objective below this share of that of the null model are rounding.
_SAME = 1e-11
# Separated data whose loss is below this share of that of the null model are explained.
_EXPLAINED = 1e-3
# Units up to which "auto" tries to prove the chosen size, and the fits it spends.
_PROVABLE, _AUTO_NODES = 20, 400
# Units that are searched at first; all are where that is not much more.
_UNIVERSE, _WHOLE = 256, 400
# Units that join them for each point and each of its residuals, and rounds of that.
_JOINING, _ROUNDS = 16, 3
# Active units, of the cheapest, whose replacements outside are looked for.
_CHEAPEST = 2
# Share of a cost that a unit outside seems to regain if it is to be looked at.
_PROMISING = 0.8
# Points whose surroundings are remembered, fewer where predictions take more memory.
_REMEMBERED, _FEWEST, _MEMORY = 64, 8, 2**27
# Gains that agree to so many digits are the same.
_DIGITS = 9


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
    path: str = "sequence",
    max_nodes: int = 20_000,
    time_limit: float | None = None,
    max_iter: int = 100,
    start: list | None = None,
    resume: list | None = None,
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
    path : {"sequence", "golden"}, default="sequence"
        Look at all sizes, or at those of a golden section.
    max_nodes : int, default=20_000
        Fits of the exact search at most.
    time_limit : float, default=None
        Seconds of the exact search at most.
    max_iter : int, default=100
        Exchanges at most from one start.
    start : list of ndarray, default=None
        Sets of units to start with.
    resume : list of ndarray, default=None
        Sets of another path, to go on from.
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
        above = search.swap and last and path == "sequence"
        top = last + 2 if above else last
    search.wanted = None if asked is None else asked.tolist()
    search.start((start or []) + (resume or []), top)
    search.resumed = {len(units) for units in resume or []}
    visited = np.arange(len(search.locked), min(top, problem.n_units) + 1)
    if path == "golden" and asked is not None:
        visited = asked
    search.sweep(visited, path == "golden", n_sweeps if search.swap else 0)
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
        # Sizes that go on from another path.
        self.resumed: set[int] = set()
        # Whether whoever watches has had enough; not asked yet.
        self._ended: bool | None = None
        # What is known around points, and sets from which the search set out before.
        self._around: dict[bytes, Improved] = {}
        self._known: set[bytes] = set()
        self._margin = _SAME * max(problem.null_loss, 1e-300)

    def start(self, supports, top: int) -> None:
        """Load what looks useful, fit the locked units, and given sets."""
        n_units = self.problem.n_units
        everything = np.arange(n_units)
        if n_units > _WHOLE:
            score = self._scores(self._residuals(self.problem.null)).sum(axis=1)
            count = min(max(_UNIVERSE, 4 * top), n_units)
            everything = np.argpartition(-score, count - 1)[:count]
        self.problem.load(np.union1d(everything, self.locked))
        for units in [self.locked, *supports]:
            units = np.union1d(self.locked, units)
            if len(units) <= max(top, len(self.locked)):
                self._set_out(units, self.problem.null)

    def sweep(self, sizes, golden: bool, n_sweeps: int) -> None:
        """Forwards, then in pairs of sweeps while some size or unit outside helps."""
        first = self._golden if golden else self._forward
        first(sizes)
        for _ in range(_ROUNDS):
            for _ in range(n_sweeps):
                improved = self._backward()
                improved = self._again() or improved
                if not improved:
                    break
                if golden:
                    first(sizes)
            if not self._enlarge():
                break
            if golden:
                first(sizes)

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
                self._descend(point, units)

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

    def _golden(self, sizes) -> None:
        """Look at few sizes, for as long as that lowers the criterion."""

        def value(k):
            return self.values[sizes[k]] if self._visit(int(sizes[k])) else inf

        def ends(k):
            size = int(sizes[k])
            return self._ended or size not in self.found or self._stops(size)

        if self._ended is None:
            self._ended = self._report(len(self.locked))
        golden_section(len(sizes), value, ends, self.early_stopping)

    def _visit(self, size: int) -> bool:
        """Look at a size from the nearest one; whether there is such a subset."""
        if size in self.found or self._ended:
            return size in self.found
        near = min(self.found, key=lambda known: (abs(known - size), known))
        point, problem = self.found[near], self.problem
        if len(problem.loaded) < problem.n_units:
            self._join([point], 0)
        around = self._seen(point)
        if size > near:
            coming = top_k(around.gains, size - near)
            coming = problem.loaded[coming[around.gains[coming] > 0.0]]
            units = np.union1d(point.units, coming)
        else:
            costs = np.where(np.isin(point.units, self.locked), np.inf, around.costs)
            units = np.delete(point.units, top_k(-costs, near - size))
        if len(units) == size:
            self._set_out(units, point)
            self._ended = self._report(size)
        return size in self.found

    def _forward(self, sizes) -> None:
        size, top = len(self.locked), int(sizes[-1])
        stop = self._report(size)
        while size < top and not (stop or self._stops(size)):
            partial = len(self.problem.loaded) < self.problem.n_units
            # Those that help the null model most are there already.
            if partial and size and size & (size - 1) == 0:
                self._join([self.found[size]], 0)
            known = size + 1 in self.resumed and size + 1 in self.found
            if not known and not self._grow(self.found[size]):
                return
            size += 1
            stop = self._report(size)

    def _backward(self) -> bool:
        improved = False
        for size in sorted(self.found)[-2::-1]:
            if size + 1 not in self.found or size < len(self.locked):
                continue
            above = self._seen(self.found[size + 1])
            units, costs = above.point.units, above.costs
            if len(self.locked):
                costs = np.where(np.isin(units, self.locked), np.inf, costs)
            if len(costs) == 0 or np.isinf(costs.min()):
                continue
            units = np.delete(units, int(np.argmin(costs)))
            improved = self._set_out(units, above.point) or improved
        return improved

    def _again(self) -> bool:
        improved = False
        for size in sorted(self.found)[1:]:
            if size - 1 in self.found:
                before = self.found[size].objective
                self._grow(self.found[size - 1])
                improved = self.found[size].objective < before or improved
        return improved

    def _grow(self, point: Point) -> bool:
        """Descend from a point with the unit that promises most, if there is any."""
        gains = self._seen(point).gains
        top = gains.max(initial=0.0)
        if top <= 0.0:
            return False
        unit = self.problem.loaded[np.argmax(np.round(gains / top, _DIGITS))]
        self._set_out(np.sort(np.append(point.units, unit)), point)
        return len(point.units) + 1 in self.found

    def _set_out(self, units, near: Point) -> bool:
        """Descend from some units, unless that was done; whether it helped."""
        key = units.tobytes()
        if key in self._known:
            return False
        self._known.add(key)
        best = self.found.get(len(units))
        if best is not None and best.units.tobytes() == key:
            return self._descend(best)
        return self._descend(near, units)

    def _descend(self, point: Point, units=None) -> bool:
        """Exchange units while that lowers the objective; whether it is the best."""
        found = self._improve(
            point, units, self.exchange_max, self.swap, self.max_iter, self._around
        )
        self._remember(found)
        return self._note(found.point)

    def _remember(self, found: Improved) -> None:
        self._around.pop(found.point.units.tobytes(), None)
        size = max(found.point.z.nbytes, 1)
        if len(self._around) >= min(max(_MEMORY // size, _FEWEST), _REMEMBERED):
            self._around.pop(next(iter(self._around)))
        self._around[found.point.units.tobytes()] = found

    def _improve(self, point, units, exchange_max, swap, max_iter, known) -> Improved:
        return self.problem.improve(
            point, units, locked=self.locked, exchange_max=exchange_max,
            swap=swap, max_iter=max_iter, margin=self._margin, known=known,
        )  # fmt: skip

    def _seen(self, point: Point) -> Improved:
        """What is known around a point."""
        found = self._around.get(point.units.tobytes())
        if found is None or len(found.gains) < len(self.problem.loaded):
            found = self.problem.improve(point, known=self._around)
            self._remember(found)
        return found

    def _gap(self, point: Point) -> float:
        """What the most promising exchanges would save."""
        known = self._around if self.swap else {}
        better = self._improve(point, None, 0, True, 1, known)
        fall = point.objective - better.point.objective
        return max(fall, 0.0) / max(point.objective, 1e-300)

    def _enlarge(self) -> bool:
        """Load units from outside that look useful; whether some size improved."""
        if len(self.problem.loaded) == self.problem.n_units:
            return False
        sizes = sorted(self.found if self.wanted is None else self.wanted)
        points = [self.found[s] for s in sizes if s in self.found]
        if not points or not self._join(points, _CHEAPEST):
            return False
        self._known.clear()
        improved = False
        for point in points:
            improved = self._descend(point) or improved
        return self._again() or improved

    def _join(self, points: list, n_cheapest: int) -> bool:
        """Load the units outside that seem to help some point; whether there are any.

        Their gains are taken from gradients as if they were apart from all others.
        """
        problem = self.problem
        blocks, prices = [], []
        for point in points:
            above = self.found.get(len(point.units) + 1)
            price = 0.0 if above is None else point.objective - above.objective
            around = self._seen(point)
            free = np.arange(len(point.units))
            if len(self.locked):
                free = free[~np.isin(point.units, self.locked)]
            cheapest = free[np.argsort(around.costs[free], kind="stable")][:n_cheapest]
            blocks += self._residuals(point, around, cheapest)
            prices += [price, *around.costs[cheapest]]
        score = self._scores(blocks)
        score[problem.loaded] = 0.0
        count = min(_JOINING, len(score) - 1)
        joining = [np.array([], np.int64)]
        for gains, price in zip(score.T, prices, strict=True):
            best = np.argpartition(-gains, count)[:count]
            joining.append(best[gains[best] > _PROMISING * price])
        units = np.unique(np.concatenate(joining))
        problem.load(units)
        return len(units) > 0

    def _residuals(self, point: Point, around=None, dropped=()) -> list:
        """Gradients in z, each with its curvature: of a point, and with units dropped.

        Parameters
        ----------
        point : Point
        around : Improved
            What is known around it.
        dropped : ndarray of int
            Positions of its units.
        """
        likelihood = self.problem.likelihood
        _, u, h, _ = likelihood.derivatives(point.z)
        size = max(float(h[0].sum()), 1e-300)
        blocks = [(u, size)]
        if len(dropped):
            for z in self.problem.predictions_without(around, dropped):
                blocks.append((likelihood.derivatives(z)[1], size))
        return blocks

    def _scores(self, blocks) -> np.ndarray:
        """Gains of all units, a column for each block, by gradients and norms alone."""
        problem, m = self.problem, self.problem.m
        stacked = np.concatenate([u for u, _ in blocks], axis=1)
        rows, total = problem.likelihood.rows, n_samples(problem.design)
        if not problem.whole:
            spread = np.zeros((total, stacked.shape[1]))
            spread[rows] = stacked
            stacked = spread
        r = correlate_many(problem.design, stacked)
        squares = (r.reshape(len(r), len(blocks), m) ** 2).sum(axis=2)
        norm = np.where(problem.usable, problem.design.norm, np.inf)
        squares /= 2.0 * norm[:, None] ** 2
        squares /= np.array([size for _, size in blocks])
        if problem.units is None:
            return squares
        return np.array([squares[unit].sum(axis=0) for unit in problem.units])

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
        n_nuisance = problem.likelihood.n_nuisance
        price = price_of_parameters(
            self.criterion,
            self._seen(point).freedom + n_nuisance,
            n_samples=problem.likelihood.n_samples,
            n_features=problem.n_units,
            n_intercepts=m * int(problem.fit_intercept) + n_nuisance,
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
