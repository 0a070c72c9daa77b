"""Best subsets of a range of sizes, one of them chosen, with certificates.

Splicing (Zhu et al., 2020), exchanges and sweeps find subsets within a universe of
screened units; columns of the Gram matrix then show whether any unit outside improves
on them, and join the universe if so.  Leaps and bounds certify what is small enough.
"""

from math import log
from time import perf_counter
from typing import NamedTuple

import numpy as np

from sparsestat.optim.subset._groups import Groups
from sparsestat.optim.subset._leaps_groups import ExactGroups
from sparsestat.optim.subset._outside import Outside
from sparsestat.optim.subset._ridge import RidgeSearch, has_ridge
from sparsestat.optim.subset._sweep import Options, Sweep
from sparsestat.optim.subset._units import default_max_size, make_units
from sparsestat.optim.subset.exact import ExactSearch
from sparsestat.optim.subset.problem import SubsetProblem, solve_moments
from sparsestat.utils.criteria import price_of_parameters
from sparsestat.utils.topk import top_k

__all__ = ["SubsetPath", "subset_path"]

# Units that are searched at first.
_UNIVERSE = 256
# The universe is everything where that is not much more.
_WHOLE = 600
# Features that join the universe for each size by exchange and by addition, and units.
_JOINING, _FEWEST_JOINING = 24, 8
# Values that are sorted as a whole.
_FEW = 1024
# Rounds of them at most.
_ROUNDS = 10
# Features up to which "auto" tries to prove all sizes, or the chosen one.
_ALL_SIZES, _ONE_SIZE = 64, 400
# Features up to which leaps and bounds are tried beside relaxations.
_LEAPS = 1000
# Nodes that "auto" spends.
_AUTO_NODES = 50_000
# Changes of loss below this share of v are rounding.
_ROUNDING = 1e-10


class SubsetPath(NamedTuple):
    """Subsets of a range of sizes.

    Parameters
    ----------
    sizes : ndarray of shape (n_sizes,), int64
        Numbers of features, or of groups.
    supports : list of ndarray
        Their features, increasing.
    coefs : list of ndarray of shape (n_targets, n_chosen)
        Their coefficients.
    rss : ndarray of shape (n_sizes,)
        Weighted mean squares of residuals, summed over targets.
    losses : ndarray of shape (n_sizes,)
        The same with the ridge: rss + sum_j D_j b_j^2.
    criterion : ndarray of shape (n_sizes,)
        Values of the criterion.
    chosen : int
        Index of its smallest value.
    lower_bounds : ndarray of shape (n_sizes,)
        No subset of that size has a smaller loss.
    optimal : ndarray of shape (n_sizes,), bool
        Whether the subset is proved to have the smallest.
    swap_gaps : ndarray of shape (n_sizes,)
        How much of the loss the best exchange of one unit would save, as a share.
    n_nodes, n_iter, n_universe : int
        Nodes of the exact search, supports visited and exchanges made, units searched.
    others : list of list of tuple
        For each size further subsets with their losses, best first, where asked for.
    """

    sizes: np.ndarray
    supports: list
    coefs: list
    rss: np.ndarray
    losses: np.ndarray
    criterion: np.ndarray
    chosen: int
    lower_bounds: np.ndarray
    optimal: np.ndarray
    swap_gaps: np.ndarray
    n_nodes: int
    n_iter: int
    n_universe: int
    others: list


def subset_path(
    problem: SubsetProblem,
    sizes: np.ndarray | None = None,
    *,
    max_size: int | None = None,
    criterion: str = "ebic",
    ic_coef: float = 1.0,
    n_intercepts: int = 1,
    labels: np.ndarray | None = None,
    locked: np.ndarray | None = None,
    solver: str = "auto",
    exchange_max: int = 5,
    n_sweeps: int = 2,
    n_restarts: int = 0,
    early_stopping: bool = True,
    path: str = "sequence",
    n_best: int = 1,
    max_nodes: int = 2_000_000,
    time_limit: float | None = None,
    max_iter: int = 100,
    start: list | None = None,
    resume: list | None = None,
    rng: np.random.Generator | None = None,
) -> SubsetPath:
    """Best subsets of given sizes, or of sizes up to where the criterion ends them.

    Parameters
    ----------
    problem : SubsetProblem
    sizes : array-like of int, default=None
        Numbers of features, or of groups; None are all up to `max_size`.
    max_size : int, default=None
        Largest size if `sizes` is None; None is n / (log p log log n).
    criterion : str, default="ebic"
        Which of the sizes is chosen, see `price_of_parameters`.
    ic_coef : float, default=1.0
        Factor of its price.
    n_intercepts : int, default=1
        Parameters besides the coefficients, per target.
    labels : ndarray of shape (n_features,), default=None
        Labels of groups, which join and leave together.
    locked : ndarray of int, default=None
        Features that are in every subset; sizes count them.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        "splicing" stops there, "swap" goes on with single exchanges and sweeps;
        "exact" and, within 50,000 nodes, "auto" prove what they can.
    exchange_max : int, default=5
        Units that splicing exchanges at a time, at most.
    n_sweeps : int, default=2
        Pairs of sweeps at most.
    n_restarts : int, default=0
        Random restarts for each size.
    early_stopping : bool, default=True
        End where the criterion has not fallen for long, if `sizes` is None.
    path : {"sequence", "golden"}, default="sequence"
        Look at all sizes, or at those of a golden section.
    n_best : int, default=1
        How many subsets of each size; more than one takes the exact search.
    max_nodes : int, default=2_000_000
        Nodes of the exact search at most; a relaxation counts as 250, of more
        than 200 features for more.
    time_limit : float, default=None
        Seconds of the exact search at most.
    max_iter : int, default=100
        Exchanges at most from one start.
    start : list of ndarray, default=None
        Supports to start with.
    resume : list of ndarray, default=None
        Supports of another path, to go on from.
    rng : Generator, default=None
        For restarts.

    Returns
    -------
    path : SubsetPath

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.subset import make_problem, subset_path
    >>> problem = make_problem(np.eye(3), np.array([0.1, 3.0, 2.0]), 14.0, 100)
    >>> path = subset_path(problem)
    >>> path.supports[path.chosen], path.optimal[path.chosen]
    (array([1, 2]), np.True_)
    """
    search = _Search(
        problem.without_rounding(), labels, locked, criterion, ic_coef, n_intercepts,
        start or [], resume or [],
    )  # fmt: skip
    search.options = Options(
        swap=solver != "splicing",
        exchange_max=exchange_max,
        n_sweeps=n_sweeps,
        n_restarts=n_restarts,
        max_iter=max_iter,
        early_stopping=early_stopping and sizes is None,
        golden=path == "golden",
        rng=rng,
    )
    search.find(sizes, max_size)
    if solver in ("auto", "exact"):
        nodes = max_nodes if solver == "exact" else min(max_nodes, _AUTO_NODES)
        search.prove(solver == "exact", nodes, time_limit, n_best)
        search.prove_one()
    return search.path()


class _Search:
    """Supports of all sizes so far, as units, with what is proved about them."""

    def __init__(
        self, problem, labels, locked, criterion, ic_coef, n_intercepts, start, resume
    ):
        self.problem = problem
        p = problem.n_features
        self.units = None if labels is None else make_units(labels)
        self.n_units = p if labels is None else len(self.units)
        self.owner = np.arange(p)
        for u, features in enumerate(self.units or []):
            self.owner[features] = u
        self.groups = None if labels is None else Groups(problem, self.units)
        locked = np.array([], np.int64) if locked is None else np.asarray(locked)
        self.locked = np.unique(self.owner[locked.astype(np.int64)])
        self.resume = [np.unique(self.owner[support]) for support in resume]
        self.start = [np.unique(self.owner[support]) for support in start]
        self.criterion_name, self.ic_coef = criterion, ic_coef
        self.n_intercepts = n_intercepts
        self.diagonal = problem.diagonal + problem.ridge
        self.found: dict[int, np.ndarray] = {}
        self.losses: dict[int, float] = {}
        self.bounds: dict[int, float] = {}
        self.proved: set[int] = set()
        self.others: dict[int, list] = {}
        self.changes: dict[int, float] = {}
        self.n_nodes = self.n_iter = 0
        self._gram = None
        self._place = np.full(p, -1)  # of features in it
        self._evaluated: dict[int, tuple] = {}
        self._width = max(p // max(self.n_units, 1), 1)  # features of a unit
        self._prices: dict[tuple, float] = {}
        self._clean: dict[int, np.ndarray] = {}
        self._has_ridge = has_ridge(problem)
        self._outsiders = self.groups or Outside(problem)

    def find(self, sizes, max_size) -> None:
        """Find good subsets of all sizes that are asked for."""
        problem, n_units = self.problem, self.n_units
        if sizes is None:
            limit = default_max_size(problem.n_samples, n_units)
            top = limit if max_size is None else max_size
            self.sizes = None
            top = max(top, len(self.locked))
        else:
            self.sizes = np.unique(np.asarray(sizes, dtype=np.int64))
            last = int(self.sizes[-1])
            top = last
            if self.options.swap and last and not self.options.golden:
                top += max(6, last // 2)  # sizes above lead back to better subsets
        top = min(top, n_units)
        universe = self._screened(top)
        known = self.start + self.resume
        for round_ in range(_ROUNDS + 1):
            sweep = self._sweep(universe, top, known)
            self.n_iter += sweep.n_iter
            self._adopt(sweep, universe)
            whole = len(universe) == n_units
            if whole:
                self.changes = {s: sweep.least_change(s) for s in self.found}
                break
            narrow = not sweep.ended and len(universe) < 4 * top
            if narrow and max(self.found) * 4 >= len(universe):
                joining = self._screened(top, 2 * len(universe))
            else:
                joining = self._outside(universe)
            inside = np.zeros(n_units, np.bool_)
            inside[universe] = True
            joining = joining[~inside[joining]]
            if len(joining) == 0 or round_ == _ROUNDS:
                break
            universe = np.concatenate([universe, joining])
            known = [self.found[s] for s in sorted(self.found)]
        self.n_universe = len(universe)

    def _screened(self, top: int, count: int | None = None) -> np.ndarray:
        """The units of largest marginal gain, increasing."""
        n_units = self.n_units
        first = max(_UNIVERSE // self._width, 1)
        most = max(first, min(4 * top, 4 * first)) if count is None else count
        if n_units <= max(most, _WHOLE // self._width):
            return np.arange(n_units)
        if self.groups is None:
            usable = self.problem.diagonal > 0.0
            with np.errstate(divide="ignore", invalid="ignore"):
                score = (self.problem.linear**2).sum(axis=0) / self.diagonal
            score = np.where(usable, score, -1.0)
        else:
            score = self.groups.scores.copy()
        score[self.locked] = np.inf
        for units in self.start + self.resume:
            score[units] = np.inf
        return np.sort(_largest(score, most))

    def _features(self, units: np.ndarray) -> np.ndarray:
        """The features of some units, unit after unit."""
        if self.units is None or len(units) == 0:
            return units
        return np.concatenate([self.units[u] for u in units])

    def _sweep(self, universe, top, known) -> Sweep:
        features = self._features(universe)
        sizes = np.ones(len(universe), np.int64)
        if self.units is not None:
            sizes = np.array([len(self.units[u]) for u in universe])
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        G = self._block(features)
        c = np.ascontiguousarray(self.problem.linear[:, features])
        place = np.full(self.n_units, -1)
        place[universe] = np.arange(len(universe))
        locked = np.zeros(len(universe), np.bool_)
        locked[place[self.locked]] = True
        usable = self.problem.diagonal[features] > 0.0
        largest = np.sort(sizes)[::-1]
        most = min(top, len(universe))
        capacity = int(
            largest[: max(most, *map(len, known), 0) if known else most].sum()
        )
        ridge = self.problem.ridge[features]

        def value(sweep, size, loss):
            state = sweep.state
            n = int(state.counts[0])
            if not self._has_ridge:
                return self._criterion(size, loss, n)
            active, b = state.active[:n], state.B[:, :n]
            D = ridge[active]
            rss = loss - float(((b**2) @ D).sum())
            freedom = n - float(D @ state.H.diagonal()[:n])
            return self._criterion(size, rss, freedom)

        sweep = Sweep(
            G, c, self.problem.variance, starts, usable, locked, max(capacity, 1),
            self.options, value,
        )  # fmt: skip
        if len(self.locked):
            known = [np.union1d(units, self.locked) for units in known]
        known = [units for units in known if len(units) <= most]
        settled = [self._settled(units) for units in known]
        sweep.start([place[units] for units in known], settled)
        sizes = self.sizes
        if sizes is None or not self.options.golden:
            sizes = np.arange(len(self.locked), most + 1)
        sweep.run(sizes[sizes <= most], {len(units) for units in self.resume})
        return sweep

    def _settled(self, units: np.ndarray) -> tuple | None:
        """Loss and best exchange of a support that no exchange improves, if known."""
        size = len(units)
        clean = np.array_equal(units, self._clean.get(size))
        return (self.losses[size], self.changes[size]) if clean else None

    def _block(self, features: np.ndarray) -> np.ndarray:
        """G + D of the features of a universe, reading only what is new."""
        if self._gram is None:
            block = self.problem.gram(features)
        else:
            old, before = self._gram
            new = features[self._place[features] < 0]
            joined, m = np.concatenate([old, new]), len(old)
            block = np.empty((len(joined), len(joined)))
            block[:m, :m] = before
            rows = self.problem.source.block(new, joined)
            block[m:] = rows
            block[:m, m:] = rows[:, :m].T
            corner = np.arange(m, len(joined))
            block[corner, corner] += self.problem.ridge[new]
            if not np.array_equal(joined, features):
                self._place[joined] = np.arange(len(joined))
                order = self._place[features]
                block = block[order[:, None], order]
        block = np.ascontiguousarray(block)
        self._place[features] = np.arange(len(features))
        self._gram = features, block
        return block

    def _criterion(self, size: int, rss: float, freedom: float) -> float:
        problem = self.problem
        n_targets = len(problem.linear)
        n = problem.n_samples * n_targets
        k = n_targets * (freedom + self.n_intercepts)
        if (k, size) not in self._prices:
            self._prices[k, size] = self.ic_coef * float(
                price_of_parameters(
                    self.criterion_name,
                    k,
                    n_samples=n,
                    n_features=self.n_units,
                    n_intercepts=n_targets * self.n_intercepts,
                    n_chosen=size,
                )
            )
        floor = max(1e-14 * problem.variance, np.finfo(np.float64).tiny)
        return n * log(max(rss, floor) / n_targets) + self._prices[k, size]

    def _adopt(self, sweep: Sweep, universe: np.ndarray) -> None:
        margin = 1e-12 * self.problem.variance
        for size, loss in sweep.losses.items():
            if loss < self.losses.get(size, np.inf) - margin:
                self.losses[size] = loss
                self.found[size] = np.sort(universe[sweep.units(size)])

    def _outside(self, universe: np.ndarray) -> np.ndarray:
        """Units outside the universe that improve on some size."""
        margin, sizes = _ROUNDING * self.problem.variance, sorted(self.found)
        if self.sizes is not None:  # the sizes above only led back to these
            sizes = [s for s in sizes if s <= self.sizes[-1]] or sizes
        losses = [self.losses[s] for s in sizes]
        steps = dict(zip(sizes, [*(-np.diff(losses)), np.inf], strict=True))
        outside = np.ones(self.n_units, np.bool_)
        outside[universe] = False
        sizes = [s for s in sizes if self._settled(self.found[s]) is None]
        joining, any_better = [np.array([], np.int64)], False
        count = max(_JOINING // self._width, _FEWEST_JOINING)
        found = self._changes_outside(sizes, [steps[s] for s in sizes])
        for size, (units, change, gain) in zip(sizes, found, strict=True):
            self.changes[size] = float(change.min(initial=np.inf))
            others = outside[units]
            better = (change < -margin) | (gain > steps[size] + margin)
            if (better & others).any():
                any_better = True
            else:
                self._clean[size] = self.found[size]
            # The next best ones come along: exchanges lead to where they help.
            for value, usable in ((-change, change < np.inf), (gain, gain > 0.0)):
                some = np.flatnonzero(usable & others)
                joining.append(units[some[_largest(value[some], count)]])
        return np.unique(np.concatenate(joining)) if any_better else joining[0]

    def prove(self, exact: bool, max_nodes, time_limit, n_best) -> None:
        """Search exactly, as far as nodes go."""
        p = self.problem.n_features
        relaxed = self._has_ridge and self.units is None
        if not exact and p > _ONE_SIZE and n_best == 1 and not relaxed:
            return
        search = self._exact_search(n_best > 1 or p <= (_LEAPS if exact else _ONE_SIZE))
        if not search.definite:
            return
        if exact or n_best > 1:
            # One size after the other, so that small ones are proved where nodes end.
            end = None if time_limit is None else perf_counter() + time_limit
            for size in self._asked():
                left = None if end is None else max(end - perf_counter(), 0.0)
                nodes = max(max_nodes - self.n_nodes, 0)
                self._prove(search, [size], nodes, left, n_best)
            return
        while True:  # a better subset of one size may let another one be chosen
            values = self._values()
            left = [s for s in self._asked() if s not in self.bounds]
            left.sort(key=values.get)
            best = min(values, key=values.get)
            if best not in self.bounds:
                self._prove(search, [best], max_nodes - self.n_nodes, time_limit, 1)
            elif left and p <= _ALL_SIZES and self.n_nodes < max_nodes:
                self._prove(search, left[:1], max_nodes - self.n_nodes, time_limit, 1)
            else:
                return

    def prove_one(self) -> None:
        """One free unit is the best if no exchange for any other one improves it."""
        size = len(self.locked) + 1
        if size in self.found and size in self.changes:
            if self._change(size) >= -_ROUNDING * self.problem.variance:
                self.proved.add(size)

    def _exact_search(self, whole: bool) -> ExactSearch | RidgeSearch | ExactGroups:
        features = np.arange(self.problem.n_features)
        if self.units is not None:
            return ExactGroups(
                self._block(features), self.problem.linear, self.problem.variance,
                self.units, self.locked,
            )  # fmt: skip
        if self._has_ridge and not whole:
            return RidgeSearch(self.problem, self.locked)
        gram = self._block(features)
        locked = np.zeros(len(features), np.bool_)
        locked[self.locked] = True
        linear, v = self.problem.linear, self.problem.variance
        leaps = ExactSearch(gram, linear, v, locked)
        if self._has_ridge:
            return RidgeSearch(self.problem, self.locked, leaps)
        return leaps

    def _prove(self, search, sizes, max_nodes, time_limit, n_best) -> None:
        start = {s: [self.found[s]] for s in sizes}
        result = search.run(
            sizes,
            start=start,
            n_best=n_best,
            max_nodes=max_nodes,
            time_limit=time_limit,
        )
        self.n_nodes += result.n_nodes
        for k, size in enumerate(result.sizes):
            size = int(size)
            self.bounds[size] = float(result.lower_bounds[k])
            found, losses = result.supports[k], result.losses[k]
            if result.optimal[k]:
                self.proved.add(size)
            margin = 1e-12 * self.problem.variance
            if len(found) and losses[0] < self.losses[size] - margin:
                self.found[size], self.losses[size] = found[0], float(losses[0])
                self.changes[size] = np.inf if size in self.proved else np.nan
            listed = [np.sort(self._features(units)) for units in found]
            self.others[size] = list(zip(listed, losses.tolist(), strict=True))

    def _asked(self) -> list[int]:
        if self.sizes is None:
            return sorted(self.found)
        asked = [int(s) for s in self.sizes if s in self.found]
        # Beyond the rank, or a perfect fit, there is nothing to add.
        return asked or [max(self.found)]

    def _solved(self, size: int):
        """Features, coefficients and degrees of freedom of the subset of a size."""
        problem = self.problem
        features = np.sort(self._features(self.found[size]))
        linear = problem.linear[:, features]
        if len(features) == 0:
            return features, linear, 0.0
        at = self._place[features]
        M = self._gram[1][at[:, None], at]
        return features, *solve_moments(M, linear, problem.ridge[features])

    def _values(self) -> dict[int, float]:
        return {size: self._evaluate(size)[2] for size in self._asked()}

    def _evaluate(self, size: int):
        """Features, coefficients, criterion and residuals of the subset of a size."""
        key, loss = self.found[size], self.losses[size]
        known = self._evaluated.get(size)
        if known is None or known[0] is not key or known[1] != loss:
            features, coef, freedom = self._solved(size)
            rss = loss
            if self._has_ridge:
                rss -= float(((coef**2) @ self.problem.ridge[features]).sum())
            rss = max(rss, 0.0)
            value = self._criterion(size, rss, freedom)
            known = self._evaluated[size] = key, loss, (features, coef, value, rss)
        return known[2]

    def path(self) -> SubsetPath:
        """What was found."""
        sizes = self._asked()
        parts = [self._evaluate(size) for size in sizes]
        losses = np.maximum([self.losses[s] for s in sizes], 0.0)
        bounds = np.array([max(self.bounds.get(s, 0.0), 0.0) for s in sizes])
        optimal = np.array([s in self.proved for s in sizes])
        for k, size in enumerate(sizes):
            # Nothing to choose, or all that can be.
            if size in (len(self.locked), self.n_units):
                optimal[k] = True
        bounds = np.where(optimal, losses, np.minimum(bounds, losses))
        values = np.array([part[2] for part in parts])
        v = self.problem.variance
        fall = np.array([-min(self._change(s), 0.0) for s in sizes])
        fall[fall <= _ROUNDING * v] = 0.0
        return SubsetPath(
            np.array(sizes, np.int64),
            [part[0] for part in parts],
            [part[1] for part in parts],
            np.array([part[3] for part in parts]),
            losses,
            values,
            int(np.argmin(values)),
            bounds,
            optimal,
            fall / np.maximum(losses, np.finfo(np.float64).tiny),
            self.n_nodes,
            self.n_iter,
            self.n_universe,
            [self.others.get(s, []) for s in sizes],
        )

    def _change(self, size: int) -> float:
        """The change of loss by the best exchange of one unit at a size."""
        change = self.changes.get(size, np.inf)
        if not np.isnan(change):
            return change
        ((_, change, _),) = self._changes_outside([size], [np.inf])
        return float(change.min(initial=np.inf))

    def _changes_outside(self, sizes: list, steps: list):
        """Units that may be of use at each size, their best exchanges and gains."""
        supports = [self.found[size] for size in sizes]
        return self._outsiders.of_supports(supports, steps, self.locked)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the largest values, largest first, ties to the lowest index."""
    if len(values) > _FEW:
        chosen = top_k(values, count)
        return chosen[np.argsort(-values[chosen], kind="stable")]
    return np.argsort(-values, kind="stable")[:count]
