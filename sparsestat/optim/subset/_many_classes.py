"""Subsets for classes by the hundred, whose curvature is not formed pair by pair.

Exchanges are ranked by a model in which all samples have the mean curvature d of each
class: the Hessian is diag(d), on changes that sum to zero over the classes, times the
Gram matrix of the features, so that all follows from least squares with a target for
each class.  Fits are by Newton's method with conjugate gradients, preconditioned by it.
"""

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from sparsestat.optim.design import Design
from sparsestat.optim.subset import _state
from sparsestat.optim.subset._newton import Improved, LikelihoodProblem, Point
from sparsestat.optim.subset.likelihood import MANY, Likelihood

__all__ = ["ManyClasses", "make_likelihood_problem"]

# Curvatures of classes are at least this share of the largest.
_FLATTEST = 1e-8
# Ridge that is added where a likelihood has no maximum, and the change of a prediction
# at a gradient of zero that tells of none.
_RESCUE, _RESCUED_TOL, _ENDLESS = 1e-6, 1e-13, 1e-2
_STEPS, _HALVINGS, _ARMIJO, _ROUNDING = 100, 50, 1e-4, 1e-14
# Conjugate gradients of a step at most, and their least and largest residuals relative
# to the gradient.
_PRODUCTS, _EXACT, _INEXACT = 300, 1e-5, 0.1
# What a step of the model may save is this times its promise; such steps before
# Newton's, each of which has to promise less than this share of the one before.
_DOUBTED, _CHORDS, _FASTER = 4.0, 4, 0.5
# A Newton step tells how far it is to the bottom where no prediction moves further.
_TRUSTED = 1.0
# A step that moves predictions further tells of no maximum as well; they are within the
# other bound where a ridge is to bring them back.
_LONGEST, _RECALLED = 1000.0, 30.0
_JITTER, _HOPELESS = 1e-12, 1e30
# Splices and exchanges that promise this share of what they cost are fitted, so many
# exchanges at most.
_WORTH, _VERIFIED = 0.5, 6


class _Fit(NamedTuple):
    """A fit as rows of classes; units are places among the loaded ones."""

    units: np.ndarray
    rows: np.ndarray
    theta: np.ndarray
    outcome: tuple


class ManyClasses(LikelihoodProblem):
    """A multinomial loss of many classes on a design, on units of features."""

    # Gram matrix of the features that were loaded.
    _products: np.ndarray | None = None

    def maximise(self, units, near: Point, limit=np.inf, promised=True):
        """As `optim.subset._newton.maximise`."""
        self.load(np.asarray(units, np.int64))
        self.load(near.units)
        fit = self._fitted(units, near, limit, promised)
        return None if fit is None else self._point(fit)

    def improve(
        self,
        point: Point,
        units=None,
        *,
        locked=(),
        exchange_max=0,
        swap=False,
        max_iter=0,
        margin=0.0,
        known=MappingProxyType({}),
    ) -> Improved:
        """As `optim.subset._newton.improve`."""
        there = known.get(point.units.tobytes()) if units is None else None
        if there is None:
            chosen = point.units if units is None else np.asarray(units, np.int64)
            self.load(chosen)
            self.load(point.units)
            now = self._fitted(chosen, point)
        else:
            now = there.fit
        total, settled = len(self.loaded), 0
        stays = np.zeros(total, np.bool_)
        stays[self.place[np.asarray(locked, np.int64)]] = True
        for n_iter in range(max_iter + 1):
            there = known.get(np.sort(self.loaded[now.units]).tobytes())
            if there is not None and len(there.gains) == total:
                if there.settled == total or n_iter == max_iter:
                    return there
            table = _Table(self, now, stays)
            if n_iter == max_iter:
                break
            limit = now.outcome[3] - margin
            better = self._better(table, table.splices(exchange_max), limit)
            if better is None and swap:
                better = self._better(table, table.swaps(), limit)
            if better is None:
                settled = total
                break
            now = better
        costs = table.costs[np.argsort(self.loaded[now.units])]
        point = self._point(now)
        return Improved(point, costs, table.gains, table.freedom(), settled, now)

    def predictions_without(self, around: Improved, dropped) -> list:
        """As `optim.subset._newton.predictions_without`."""
        fit, first = around.fit, int(self.fit_intercept)
        order = np.argsort(self.loaded[fit.units])[dropped]
        sizes = self.starts[fit.units + 1] - self.starts[fit.units]
        ends = first + np.cumsum(sizes)
        H = self._gram(fit.rows, fit.rows, fit.outcome[6])
        inverse = np.linalg.pinv(H, hermitian=True)
        theta = fit.theta @ self.likelihood.contrasts
        found = []
        for k in order:
            unit = np.arange(ends[k] - sizes[k], ends[k])
            block = np.linalg.solve(inverse[np.ix_(unit, unit)], theta[unit])
            step = inverse[:, unit] @ block
            found.append(around.point.z - self.model.X[fit.rows].T @ step)
        return found

    def _point(self, fit: _Fit) -> Point:
        theta = fit.theta @ self.likelihood.contrasts
        z = theta.T @ self.model.X[fit.rows]
        return self.point(self.loaded[fit.units], theta, z, fit.outcome[:6])

    def _rows(self, units) -> np.ndarray:
        """Rows of X of the intercept and of units given by their places."""
        spans = [np.arange(self.starts[u], self.starts[u + 1]) for u in units]
        first = [np.zeros(int(self.fit_intercept), np.int64)]
        return np.concatenate([*first, *spans])

    def _gram(self, rows, columns, d) -> np.ndarray:
        """Gram matrix of rows and columns of the model, with the ridge in its units."""
        X, weight = self.model.X, self.likelihood.loss.weight
        G = (X[rows] * weight) @ X[columns].T
        same = np.equal.outer(rows, columns)
        return G + same * (self.model.ridge[rows] / d.mean())[:, None]

    def whole_gram(self, d) -> np.ndarray:
        """The same of all features that were loaded."""
        X = self.model.X[1:]
        if self._products is None or len(self._products) != len(X):
            self._products = (X * self.likelihood.loss.weight) @ X.T
        G = self._products.copy()
        G[np.diag_indices(len(G))] += self.model.ridge[1:] / d.mean()
        return G

    def _fitted(self, units, near, limit=np.inf, promised=True) -> _Fit | None:
        """Fit units near a point, both loaded."""
        same = units is near.units
        places, old = self.place[units], self._rows(self.place[near.units])
        theta = self.theta(near) @ self.likelihood.contrasts.T
        rows, start = self._rows(places), None
        if promised and not same:
            _, P, U = self._evaluate(theta, self.model.X[old])
            d = self._bends(P)
            start = self._start(rows, old, theta, U, d)
        self.n_fits += not same
        fit = self._fit(
            places, rows, _moved(theta, old, rows), start, limit,
            same and near.separated,
        )  # fmt: skip
        return None if fit.outcome[0] else fit

    def _better(self, table: "_Table", trials, limit) -> _Fit | None:
        """The first of some subsets whose objective is below a limit."""
        now, floors = table.fit, self.floors
        for units in trials:
            key = np.sort(self.loaded[units]).tobytes()
            if floors.get(key, -np.inf) >= limit:
                continue
            rows = self._rows(units)
            start = self._start(rows, now.rows, now.theta, table.U, table.d)
            origin = _moved(now.theta, now.rows, rows)
            fit = self._fit(units, rows, origin, start, limit, False)
            self.n_fits += 1
            if not fit.outcome[0] and fit.outcome[3] <= limit:
                return fit
            self.remember(key, limit)
        return None

    def _start(self, rows, old, theta, U, d) -> np.ndarray:
        """Where the model around a fit has its minimum on other rows."""
        right = self.model.X[rows] @ U.T / d
        right[np.isin(rows, old)] = 0.0  # a fit is at its minimum
        right = _of_sum_zero(right, d)
        H, G = self._gram(rows, rows, d), self._gram(rows, old, d)
        return np.linalg.lstsq(H, right + G @ theta)[0]

    def _bends(self, P) -> np.ndarray:
        """Mean curvature of each class."""
        d = (P - P * P) @ self.likelihood.loss.weight
        return np.maximum(d, max(_FLATTEST * d.max(), 1e-300))

    def _evaluate(self, theta, X):
        """Loss, probabilities and minus the gradient in predictions, classes in rows.

        Parameters
        ----------
        theta : ndarray of shape (k, n_classes)
        X : ndarray of shape (k, n)
        """
        return self.likelihood.softmax(theta.T @ X)

    def _fit(self, units, rows, theta, start, limit, separated) -> _Fit:
        """Maximise from a start of the model, if there is a good one, or from theta."""
        X, weight = self.model.X[rows], self.likelihood.loss.weight
        contrasts = self.likelihood.contrasts
        free = np.flatnonzero(rows > 0)
        D = self.model.ridge[rows][:, None].copy()
        tol = self.tol
        if separated:
            D[free] += _RESCUE
            tol = min(tol, _RESCUED_TOL * self.scale)
        at = theta if start is None else start
        value, P, U = self._evaluate(at, X)
        bound = max(self.null_loss, limit if np.isfinite(limit) else 0.0)
        if start is not None and not value <= bound:
            at, start = theta, None
            value, P, U = self._evaluate(at, X)
        total = value + 0.5 * float((D * at * at).sum())
        g = X @ U.T - D * at
        given_up, last, before = False, np.inf, np.inf
        for _ in range(_CHORDS if start is not None and total > limit else 0):
            step = _Inverse(X, P, weight, D)(g)
            promise = float((g * step).sum())
            if total - _DOUBTED * promise > limit:
                given_up = True
                break
            if not (total < last and promise < _FASTER * before):
                break
            trial = at + step
            new, P_new, U_new = self._evaluate(trial, X)
            objective = new + 0.5 * float((D * trial * trial).sum())
            if not objective < total:
                break
            last, before = total, promise
            at, value, total, P, U = trial, new, objective, P_new, U_new
            g = X @ U.T - D * at
            if total <= limit:
                break
        gradient = margin = 0.0
        rounding = _ROUNDING * max(self.null_loss, total, 1e-300)
        for n_steps in range(_STEPS + 1):
            if given_up:
                break
            gradient = float(np.abs(g @ contrasts).max(initial=0.0))
            inner = _Inverse(X, P, weight, D)
            step = self._newton_step(X, P, D, g, inner)
            margin = float((g * step).sum())
            longest = np.abs(step.T @ X).max(initial=0.0)
            # What is left to fall is less certain the longer the step.
            doubt = 1.0 if longest <= _TRUSTED else _DOUBTED
            if total - doubt * margin > limit:
                given_up = True
                break
            endless = longest > (_ENDLESS if gradient <= tol else _LONGEST)
            if endless and not separated:
                separated = True
                tol = min(tol, _RESCUED_TOL * self.scale)
                D[free] += _RESCUE
                at = at * min(1.0, _RECALLED / max(np.abs(at.T @ X).max(), 1e-300))
                value, P, U = self._evaluate(at, X)
                total = value + 0.5 * float((D * at * at).sum())
                g = X @ U.T - D * at
                continue
            if gradient <= tol or n_steps == _STEPS:
                break
            length = 1.0
            for _ in range(_HALVINGS):
                trial = at + length * step
                new, P_new, U_new = self._evaluate(trial, X)
                objective = new + 0.5 * float((D * trial * trial).sum())
                if objective <= total - _ARMIJO * length * margin + rounding:
                    break
                length *= 0.5
            else:
                break
            at, value, total, P, U = trial, new, objective, P_new, U_new
            g = X @ U.T - D * at
        D = self.model.ridge[rows][:, None]
        objective = value + 0.5 * float((D * at * at).sum())
        if separated:
            objective += 0.5 * _RESCUE * float((at[free] ** 2).sum())
        outcome = given_up, separated, value, objective, gradient, margin
        return _Fit(units, rows, at, (*outcome, self._bends(P)))

    def _newton_step(self, X, P, D, g, inner) -> np.ndarray:
        """Newton's step by conjugate gradients, as exact as it is worth."""
        Pw, t = P * self.likelihood.loss.weight, np.empty_like(P)
        step, r = np.zeros_like(g), g.copy()
        z = inner(r)
        direction, rz = z.copy(), float((r * z).sum())
        size = np.sqrt(max(rz, 0.0))
        share = np.clip(size / max(np.sqrt(self.null_loss), 1e-300), _EXACT, _INEXACT)
        target = rz * share * share
        for _ in range(_PRODUCTS):
            if not rz > max(target, 1e-300):
                break
            np.matmul(direction.T, X, out=t)
            t -= np.einsum("ci,ci->i", P, t)
            t *= Pw
            product = X @ t.T + D * direction
            curve = float((direction * product).sum())
            if not curve > 1e-300:
                break
            length = rz / curve
            if not length * np.abs(direction).max() < _HOPELESS:
                break
            step += length * direction
            r -= length * product
            z = inner(r)
            new = float((r * z).sum())
            direction *= new / rz
            direction += z
            rz = new
        return step


class _Inverse:
    """The inverse of the Hessian without what couples classes, on changes of sum zero.

    Each class has a block, and a multiplier keeps the sum over the classes at zero.
    """

    def __init__(self, X, P, weight, D) -> None:
        k, n = X.shape
        pairs = (X[:, None, :] * X[None]).reshape(k * k, n)
        blocks = (((P - P * P) * weight) @ pairs.T).reshape(len(P), k, k)
        blocks += np.diag(D[:, 0])
        sizes = np.einsum("cii->ci", blocks)
        least = max(_FLATTEST**2 * sizes.max(initial=0.0), 1e-290)
        sizes += _JITTER * sizes + least
        self.inverses = np.linalg.inv(blocks)
        self.total = np.linalg.pinv(self.inverses.sum(axis=0), hermitian=True)

    def __call__(self, g) -> np.ndarray:
        steps = (self.inverses @ g.T[:, :, None])[:, :, 0]
        shift = self.total @ steps.sum(axis=0)
        return (steps - self.inverses @ shift).T


class _Table:
    """What exchanges of units promise around a fit, by the model."""

    def __init__(self, problem: ManyClasses, fit: _Fit, stays) -> None:
        self.problem, self.fit, self.stays = problem, fit, stays
        first, X = int(problem.fit_intercept), problem.model.X[1:]
        _, P, self.U = problem._evaluate(fit.theta, problem.model.X[fit.rows])
        self.d = d = problem._bends(P)
        G = problem.whole_gram(d)
        # In units in which all classes have the same curvature, and changes that sum
        # to zero are those without a part along some vector.
        root = np.sqrt(d)
        along = 1.0 / root / np.linalg.norm(1.0 / root)
        r = (X @ self.U.T) / root
        theta = fit.theta[first:] * root
        active = fit.rows[first:] - 1
        r[active] = 0.0
        r -= np.outer(r @ along, along)
        c = np.ascontiguousarray((r + G[:, active] @ theta).T)
        usable = np.ones(len(G), np.bool_)
        self.state = _state.make_state(
            G, c, problem.starts - 1, usable, stays, max(len(active), 1)
        )
        _state.move_to(self.state, fit.units)
        self.gains = np.empty(len(problem.loaded))
        _state.gains(self.state, self.gains)
        self.gains *= 0.5
        self.gains[fit.units] = 0.0
        costs = np.empty(len(fit.units))
        _state.costs(self.state, costs)
        self.costs = np.empty(len(fit.units))
        at = {int(u): k for k, u in enumerate(self.state.units[: len(costs)])}
        for k, unit in enumerate(fit.units):
            self.costs[k] = 0.5 * costs[at[int(unit)]]

    def freedom(self) -> float:
        """Degrees of freedom of the fit."""
        problem, fit, m = self.problem, self.fit, self.problem.m
        D = problem.model.ridge[fit.rows]
        if not D.any():
            return float(len(fit.rows) * m)
        X = problem.model.X[fit.rows]
        H = (X * problem.likelihood.loss.weight) @ X.T
        shares = [np.linalg.solve(d * H + np.diag(D), d * H).trace() for d in self.d]
        return float(np.mean(shares) * m)

    def splices(self, exchange_max: int) -> list:
        """Exchanges of the cheapest units for the most useful ones, most first."""
        free = np.where(self.stays[self.fit.units], np.inf, self.costs)
        going = np.argsort(free, kind="stable")[: np.isfinite(free).sum()]
        count = min(exchange_max, len(going), int((self.gains > 0.0).sum()))
        coming = np.argsort(-self.gains, kind="stable")[:count]
        trials = []
        for size in range(count, 0, -1):
            cost, gain = free[going[:size]].sum(), self.gains[coming[:size]].sum()
            if gain >= _WORTH * cost:
                trials.append(self._exchanged(going[:size], coming[:size]))
        return trials

    def swaps(self) -> list:
        """The exchanges of one unit that promise most, best first."""
        found, units = [], self.fit.units
        alone = len(self.state.Q) == len(self.state.G)
        without = _state.gains_without if alone else _state.block_gains_without
        gains = np.empty(len(self.gains))
        for k, unit in enumerate(units):
            if self.stays[unit]:
                continue
            without(self.state, unit, gains)
            gains[units] = 0.0
            for j in np.argsort(-gains, kind="stable")[:_VERIFIED]:
                gain, cost = 0.5 * gains[j], self.costs[k]
                if gain > 0.0 and gain >= _WORTH * cost:
                    change = 1.0 - gain / cost if cost > 0.0 else -gain
                    found.append((change, k, int(j)))
        found.sort()
        return [
            self._exchanged(np.array([k]), np.array([j]))
            for _, k, j in found[:_VERIFIED]
        ]

    def _exchanged(self, going, coming) -> np.ndarray:
        return np.concatenate([np.delete(self.fit.units, going), coming])


def _of_sum_zero(steps, d) -> np.ndarray:
    """Steps less those of the least curvature, so that classes sum to zero."""
    return steps - np.outer(steps.sum(axis=1) / (1.0 / d).sum(), 1.0 / d)


def _moved(theta, old, rows) -> np.ndarray:
    """Coefficients of other rows, zero where there were none."""
    moved = np.zeros((len(rows), theta.shape[1]))
    for i, row in enumerate(rows):
        at = np.flatnonzero(old == row)
        if len(at):
            moved[i] = theta[at[0]]
    return moved


def make_likelihood_problem(
    design: Design,
    likelihood: Likelihood,
    ridge: np.ndarray,
    units: list | None,
    fit_intercept: bool,
    tol: float,
) -> LikelihoodProblem:
    """A likelihood on a design, in the way for the number of its predictions.

    Above 20 of them for each sample, that is 21 classes, the curvature is not formed
    for all pairs.

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

    Returns
    -------
    problem : LikelihoodProblem

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.design import make_design, with_norms
    >>> from sparsestat.optim.subset import SoftmaxLikelihood, likelihood_path
    >>> from sparsestat.optim.subset import make_likelihood_problem
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 5))
    >>> scores = X[:, [2]] * rng.standard_normal(30) + rng.gumbel(size=(400, 30))
    >>> design = with_norms(make_design(X, fit_intercept=True, standardize=True), None)
    >>> likelihood = SoftmaxLikelihood(scores.argmax(axis=1), 30, None, np.ones(400))
    >>> problem = make_likelihood_problem(
    ...     design, likelihood, np.zeros(5), None, True, 1e-8
    ... )
    >>> likelihood_path(problem, [1], solver="swap").points[0].units
    array([2])
    """
    kind = ManyClasses if likelihood.n_columns > MANY else LikelihoodProblem
    return kind(design, likelihood, ridge, units, fit_intercept, tol)
