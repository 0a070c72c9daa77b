"""A likelihood on a design, its maxima on subsets, and the features loaded so far."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve

from sparsestat.optim.design import Design, columns, n_features, n_samples
from sparsestat.optim.subset._climb import Model, room
from sparsestat.optim.subset._loss import evaluate
from sparsestat.optim.subset._table import NO_TABLE, attempt, look, swaps
from sparsestat.optim.subset.likelihood import Likelihood

__all__ = ["LikelihoodProblem", "Point", "improve", "maximise", "predictions_without"]

# Subsets that did not promise enough, which are remembered.
_FLOORS = 16384
_NOTHING = np.empty((0, 0))


class Point(NamedTuple):
    """A likelihood maximised on the features of some units.

    Parameters
    ----------
    units, features : ndarray of int
        Units, increasing, and their features, unit after unit.
    coef : ndarray of shape (n_chosen, n_columns)
    intercept : ndarray of shape (n_columns,)
    loss, objective : float
        Loss, and that with the ridge.
    gradient : float
        Largest derivative of the objective by a coefficient or an intercept.
    margin : float
        By how much the objective may be above its minimum: the square of the length of
        the last Newton step in the metric of the Hessian.
    z : ndarray of shape (n_kept, n_columns)
        Linear predictions.
    separated : bool
        Whether the loss has no minimum, so that a small ridge was added.
    """

    units: Any
    features: Any
    coef: Any
    intercept: Any
    loss: float
    objective: float
    gradient: float
    margin: float
    z: Any
    separated: bool


class LikelihoodProblem:
    """A loss of the linear predictions of a design, on units of features.

    Parameters
    ----------
    design : Dense or CSC
        With features of unit deviation, or none, and known norms.
    likelihood : Likelihood
    ridge : ndarray of shape (n_features,)
        D in the penalty ``sum_j D_j |b_j|^2 / 2``.
    units : list of ndarray or None
        Features of each unit; None is a unit for each.
    fit_intercept : bool
    tol : float
        Bound of the derivatives, relative to the mean size of those of the null model's
        loss by its predictions.

    Attributes
    ----------
    model : Model
        What compiled code sees: the columns that were loaded.
    starts : ndarray of int64
        First row in them of each unit that was loaded.
    loaded : ndarray of int64
        Those units, in the order of their rows.
    place : ndarray of int64, shape (n_units,)
        Where each unit is among them, or -1.
    floors : dict
        Objectives that fits of some subsets, by the bytes of their units, did not
        promise to fall below.
    """

    def __init__(
        self,
        design: Design,
        likelihood: Likelihood,
        ridge: np.ndarray,
        units: list | None,
        fit_intercept: bool,
        tol: float,
    ) -> None:
        self.design, self.likelihood, self.ridge = design, likelihood, ridge
        self.units, self.fit_intercept = units, fit_intercept
        p, n = n_features(design), len(likelihood.rows)
        self.n_units = p if units is None else len(units)
        self.m = likelihood.n_columns
        self.usable = design.norm > 0.0
        self.n_fits = 0
        self.floors: dict[bytes, float] = {}
        self.whole = np.array_equal(likelihood.rows, np.arange(n_samples(design)))
        self.place = np.full(self.n_units, -1)
        self.loaded = np.array([], np.int64)
        self.starts = np.ones(1, np.int64)
        self._X, self._D = np.ones((1, n)), np.zeros(1)
        intercept = likelihood.start() if fit_intercept else np.zeros(self.m)
        z = np.tile(intercept, (n, 1))
        self.null_loss, u = likelihood.derivatives(z)[:2]
        size = float(np.abs(u).sum())
        self.scale = size if size > 0.0 else 1.0
        self.tol = tol * self.scale
        self._see()
        nothing, coef = np.array([], np.int64), np.empty((0, self.m))
        start = Point(
            nothing, nothing, coef, intercept, self.null_loss, self.null_loss, 0.0, 0.0,
            z, False,
        )  # fmt: skip
        self.null = self.maximise(nothing, start, promised=False)

    def features(self, units: np.ndarray) -> np.ndarray:
        """Features of some units, unit after unit."""
        if self.units is None or len(units) == 0:
            return np.asarray(units, np.int64)
        return np.concatenate([self.units[u] for u in units])

    def load(self, units: np.ndarray) -> None:
        """Make the columns of some units available; read once each."""
        missing = units[self.place[units] < 0]
        if len(missing) == 0:
            return
        new = np.unique(missing)
        features = self.features(new)
        self.place[new] = len(self.loaded) + np.arange(len(new))
        self.loaded = np.concatenate([self.loaded, new])
        sizes = np.ones(len(new), np.int64)
        if self.units is not None:
            sizes = np.array([len(self.units[u]) for u in new])
        self.starts = np.concatenate([self.starts, self.starts[-1] + np.cumsum(sizes)])
        start, stop = len(self._D), len(self._D) + len(features)
        if stop > len(self._X):
            room = np.empty((max(stop, 2 * len(self._X)), self._X.shape[1]))
            room[:start] = self._X[:start]
            self._X = room
        block = columns(self.design, features, slice(None))
        self._X[start:stop] = block if self.whole else block[:, self.likelihood.rows]
        self._D = np.concatenate([self._D, self.ridge[features]])
        self._see()

    def _see(self) -> None:
        self.model = Model(
            self.likelihood.loss,
            self._X[: len(self._D)],
            self._D,
            int(self.fit_intercept),
            self.m,
            self.null_loss,
            self.tol,
            self.scale,
        )

    def maximise(self, units, near: Point, **options) -> Point | None:
        """See `optim.subset._newton.maximise`."""
        return maximise(self, units, near, **options)

    def improve(self, point: Point, units=None, **options) -> "Improved":
        """See `optim.subset._newton.improve`."""
        return improve(self, point, units, **options)

    def predictions_without(self, around: "Improved", dropped) -> list:
        """See `optim.subset._newton.predictions_without`."""
        return predictions_without(self, around, dropped)

    def remember(self, key: bytes, floor: float) -> None:
        """Remember that some units do not promise to get below an objective."""
        self.floors[key] = floor
        while len(self.floors) > _FLOORS:
            del self.floors[next(iter(self.floors))]

    def theta(self, point: Point) -> np.ndarray:
        """Parameters of a point, those of the intercept first if there is one."""
        if not self.fit_intercept:
            return np.ascontiguousarray(point.coef)
        return np.concatenate([point.intercept[None], point.coef])

    def point(self, units: np.ndarray, theta, z, outcome) -> Point:
        """The fit of some units, in the order of their places."""
        first, m = int(self.fit_intercept), self.m
        intercept, coef = theta[0] if first else np.zeros(m), theta[first:]
        order = np.argsort(units)
        if self.units is None:
            coef = coef[order]
        elif len(units):
            sizes = np.array([len(self.units[u]) for u in units])
            at = np.cumsum(sizes) - sizes
            coef = coef[np.concatenate([at[k] + np.arange(sizes[k]) for k in order])]
        units = units[order]
        _, separated, loss, objective, gradient, margin = outcome
        return Point(
            units, self.features(units), coef, intercept, loss, objective, gradient,
            margin, z.T, separated,
        )  # fmt: skip


def maximise(
    problem: LikelihoodProblem,
    units: np.ndarray,
    near: Point,
    limit: float = np.inf,
    promised: bool = True,
) -> Point | None:
    """Maximise the likelihood on the features of some units.

    Parameters
    ----------
    problem : LikelihoodProblem
    units : ndarray of int
    near : Point
        To start from.
    limit : float, default=inf
        Give up where a Newton step does not promise to get below this objective.
    promised : bool, default=True
        Start at the minimum of the quadratic model around the point, if it is any good.

    Returns
    -------
    point : Point or None
        None where it gave up.
    """
    fit = _fitted(problem, units, near, limit, promised)
    return None if fit is None else fit.point(problem)


class Improved(NamedTuple):
    """A point that exchanges led to, and the quadratic model's changes around it.

    Parameters
    ----------
    point : Point
    costs : ndarray of shape (n_active,)
        What dropping each of its units costs.
    gains : ndarray of shape (n_loaded,)
        What adding each loaded unit gains.
    freedom : float
        Degrees of freedom.
    settled : int
        Among how many of the units that were loaded first no exchange is left.
    fit : Any
        To go on from.
    """

    point: Point
    costs: np.ndarray
    gains: np.ndarray
    freedom: float
    settled: int
    fit: Any


def improve(
    problem: LikelihoodProblem,
    point: Point,
    units: np.ndarray | None = None,
    *,
    locked: np.ndarray = (),
    exchange_max: int = 0,
    swap: bool = False,
    max_iter: int = 0,
    margin: float = 0.0,
    known: Mapping[bytes, Improved] = MappingProxyType({}),
) -> Improved:
    """Exchange units while that lowers the objective.

    Parameters
    ----------
    problem : LikelihoodProblem
    point : Point
        To start from.
    units : ndarray of int, default=None
        Start from the fit of these units, near that point.
    locked : ndarray of int
        Units that may not leave.
    exchange_max : int
        Units that splicing exchanges at a time, at most.
    swap : bool
        Whether to go on with single exchanges.
    max_iter : int
        Exchanges at most.
    margin : float
        Falls of the objective up to this are rounding.
    known : dict
        What led to some subsets before with the same options, by the bytes of their
        units: only units that were loaded since can improve those that are settled.

    Returns
    -------
    improved : Improved
    """
    there = known.get(point.units.tobytes()) if units is None else None
    if there is None:
        now = _fitted(problem, point.units if units is None else units, point)
    else:
        now = there.fit
    model, starts, total = problem.model, problem.starts, len(problem.loaded)
    stays = np.zeros(total, np.bool_)
    stays[problem.place[np.asarray(locked, np.int64)]] = True
    for n_iter in range(max_iter + 1):
        last, begin, settled, before = n_iter == max_iter, 0, 0, ()
        there = known.get(np.sort(problem.loaded[now.units]).tobytes())
        if there is not None:
            settled, before = there.settled, there.gains
            if len(before) == total and (last or settled == total):
                return there
            begin = len(before) if last else settled
            now = there.fit
        now = _with_curvature(problem, now)
        table, costs, gains, freedom, trials = look(
            model, starts, begin, stays, now.units, now.rows, now.theta, now.u, now.h,
            now.aux, now.T, now.R, exchange_max,
        )  # fmt: skip
        gains = np.concatenate([before[:begin], gains])
        if last:
            break
        limit = now.outcome[3] - margin
        better = _better(problem, now, trials, table, limit)
        if better is None and swap:
            trials = swaps(
                model, starts, begin, stays, now.units, now.theta, table, now.h, now.aux
            )
            better = _better(problem, now, trials, table, limit)
        if better is None:
            settled = total
            break
        now = better
    costs = costs[np.argsort(problem.loaded[now.units])]
    fit = now._replace(u=None, h=None, aux=None)
    return Improved(now.point(problem), costs, gains, freedom, settled, fit)


class _Fit(NamedTuple):
    """A fit as compiled code has it; units are places among the loaded ones."""

    units: np.ndarray
    rows: np.ndarray
    theta: np.ndarray
    z: np.ndarray
    u: np.ndarray | None
    h: np.ndarray | None
    aux: np.ndarray | None
    T: np.ndarray
    H: np.ndarray
    R: np.ndarray
    outcome: tuple

    def point(self, problem: LikelihoodProblem) -> Point:
        units = problem.loaded[self.units]
        return problem.point(units, self.theta, self.z, self.outcome)


def _with_curvature(problem, fit: _Fit) -> _Fit:
    """A fit with what takes as much memory as all predictions."""
    if fit.u is not None:
        return fit
    u, h, aux = room(problem.model)
    evaluate(problem.model.loss, fit.z, u, h, aux)
    return fit._replace(u=u, h=h, aux=aux)


def _fitted(problem, units, near, limit=np.inf, promised=True) -> _Fit | None:
    """Fit units near a point; units of its own from its coefficients."""
    units = np.asarray(units, np.int64)
    problem.load(units)
    problem.load(near.units)
    model = problem.model
    same = units is near.units
    z, around = np.ascontiguousarray(near.z.T), room(model)
    promised = promised and not same
    if promised:
        evaluate(model.loss, z, *around)
    places = problem.place[units]
    _, *found = attempt(
        model, problem.starts, places[None], problem.place[near.units],
        problem.theta(near), z, *around, _NOTHING, NO_TABLE, int(promised),
        same and near.separated, limit,
    )  # fmt: skip
    problem.n_fits += not same
    fit = _Fit(places, *found)
    return None if fit.outcome[0] else fit


def _better(problem, now, trials, table, limit) -> _Fit | None:
    """The first of some subsets whose objective is below a limit."""
    if len(trials) == 0:
        return None
    keys = [units.tobytes() for units in np.sort(problem.loaded[trials], axis=1)]
    new = [k for k, key in enumerate(keys) if problem.floors.get(key, -np.inf) < limit]
    if not new:
        return None
    trials = trials[new]
    which, *found = attempt(
        problem.model, problem.starts, trials, now.units, now.theta, now.z, now.u,
        now.h, now.aux, now.H, table, 2, False, limit,
    )  # fmt: skip
    problem.n_fits += len(trials) if which < 0 else which + 1
    for k in new if which < 0 else new[:which]:
        problem.remember(keys[k], limit)
    return None if which < 0 else _Fit(trials[which], *found)


def predictions_without(problem: LikelihoodProblem, around: Improved, dropped) -> list:
    """Predictions of a point that the quadratic model has without one of its units.

    Parameters
    ----------
    problem : LikelihoodProblem
    around : Improved
    dropped : ndarray of int
        Positions of units of its point.

    Returns
    -------
    predictions : list of ndarray of shape (n_kept, n_columns)
        For each of the dropped units.
    """
    fit, m, first = around.fit, problem.m, problem.model.first
    order = np.argsort(problem.loaded[fit.units])[dropped]
    sizes = problem.starts[fit.units + 1] - problem.starts[fit.units]
    ends = (first + np.cumsum(sizes)) * m
    units = [np.arange(ends[k] - sizes[k] * m, ends[k]) for k in order]
    at = np.concatenate(units)
    theta, one = fit.theta.ravel(), np.zeros((len(fit.R), len(at)))
    one[at, np.arange(len(at))] = 1.0
    steps = cho_solve((fit.R, True), one, check_finite=False)
    if len(at) == len(units):
        steps *= theta[at] / steps[at, np.arange(len(at))]
    else:
        blocks = np.split(steps, np.cumsum([len(unit) for unit in units])[:-1], axis=1)
        steps = np.column_stack([
            block @ np.linalg.solve(block[unit], theta[unit])
            for block, unit in zip(blocks, units, strict=True)
        ])  # fmt: skip
    # One product: a column for each unit and each prediction.
    moves = steps.reshape(len(fit.rows), m, len(units)).transpose(0, 2, 1)
    moved = problem.model.X[fit.rows].T @ moves.reshape(len(fit.rows), -1)
    return list(around.point.z - moved.reshape(-1, len(units), m).transpose(1, 0, 2))
