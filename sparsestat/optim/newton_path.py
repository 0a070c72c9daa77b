"""Paths of smooth losses whose Hessian is not that of independent samples.

Newton steps on a working set: the Hessian there is a weighted Gram matrix less the part
of a few means (of risk sets, or of the intercept), and stays frozen while steps with it
converge fast.  It is formed of the features alone that are at their threshold or beyond
it, the first ones of the set.  Screening and certificates are those of
`quadratic_path`.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from sparsestat.optim.certificate import (
    fill_gauges,
    penalty_sums,
    penalty_value,
    stationarity,
)
from sparsestat.optim.correlations import Correlations, select_largest
from sparsestat.optim.design import Design
from sparsestat.optim.face_newton import minimise_on_gram
from sparsestat.optim.penalties import restrict
from sparsestat.optim.problem import allows_negative, least_squares
from sparsestat.optim.smooth_loss import SmoothLoss
from sparsestat.optim.tasks import Tasks
from sparsestat.optim.working_columns import Metric, columns_for, with_room

__all__ = ["NewtonPath", "NewtonStep"]

# Share of the tolerance for the working set, and of the scale for stages on the way.
_INNER_SHARE = 0.5
_LOOSE = 1e-2
_NEWTON_STEPS = 50
_GRAM_ROUNDS = 20
# The quadratic model is solved to this share of the gap at hand.
_MODEL_SHARE = 0.02
_ARMIJO = 1e-4
_HALVINGS = 40
_STRAIGHT = 0.9
# Steps that promise less than this share of the objective are rounding.
_ROUNDING = 1e-15
_SLACK = 1e-14
_MOST_IDLE = 3
# Correlation of an unpenalised feature that counts as zero, relative to |x_j| |u|.
_FREE_TOLERANCE = 1e-9
# Singular values of unpenalised features that count as zero, relative to the largest.
_RANK = 1e-12
# Ways towards the null model's dual point, back into the domain.
_SHARES = 10.0 ** np.arange(-14, 0)
_FIRST_CAPACITY = 64
# Newton runs at most where nothing is penalised.
_FREE_ROUNDS = 20
# Share of its threshold at which a feature of the set enters the quadratic model.
_NEAR = 0.99
_MOST_ALPHA = 1e3


class NewtonStep(NamedTuple):
    """Solution at one strength, on the scale of the centred and scaled features.

    Parameters
    ----------
    features, coef : ndarray of shape (n_nonzero,)
        Nonzero coefficients.
    intercept : float
        Of the centred features; an array with several classes.
    objective, loss : float
        With and without the penalty.
    gap : float
        Duality gap.
    dual : ndarray of shape (n_samples,)
        Feasible dual point.
    n_iter : int
        Outer rounds.
    converged : bool
    """

    features: np.ndarray
    coef: np.ndarray
    intercept: Any
    objective: float
    loss: float
    gap: float
    dual: np.ndarray
    n_iter: int
    converged: bool


class NewtonPath:
    """Minimise a smooth loss with a separable penalty, one strength after another.

    Parameters
    ----------
    design : Dense, CSC or, for several classes, Tasks
    smooth : SmoothLoss
    penalty : NamedTuple
        Prepared.
    sample_weight : ndarray of shape (n_samples,)
        Summing to one.
    """

    # The sequential strong rule serves steps of the strength down to this ratio.
    stage: ClassVar[float] = 0.5

    def __init__(self, design: Design, smooth: SmoothLoss, penalty, sample_weight):
        self.smooth = smooth
        n = len(sample_weight)
        targets = np.zeros((n, design.n_tasks) if isinstance(design, Tasks) else n)
        self.problem = least_squares(
            design, targets, penalty, sample_weight, fit_intercept=False
        )
        self._screen(penalty)
        self._root = self.problem.root[smooth.rows]
        self.size, self.n_model, self.n_active = 0, 0, 0
        self._metric: Metric | None = None
        self._local: Any = None
        self._anchor: np.ndarray | None = None
        self._basis_key, self._basis = b"", np.empty((0, 0))
        self.intercept = smooth.null_intercept()
        self.z = np.zeros(len(smooth.rows)) + smooth.spread(self.intercept)
        self.columns = columns_for(self.problem, smooth)
        self._allocate()
        self.value, self.u = smooth.evaluate(self.z)
        self._append(self.problem.unpenalised)
        self._make_room(self.size)
        self.n_model = self.size

    def _screen(self, penalty: NamedTuple) -> None:
        """Prepare to choose the features of the working set."""
        self._correlations = Correlations(self.problem)
        self.inside = np.zeros(len(self.problem.excluded), bool)
        self.inside[self.problem.unpenalised] = True

    @property
    def n_passes(self) -> float:
        return self._correlations.n_passes

    @property
    def is_free(self) -> bool:
        """Whether no feature has a penalty, so that the null model is the solution."""
        settled = len(self.problem.unpenalised) + self.problem.excluded.sum()
        return settled == len(self.problem.excluded)

    def null(self, penalty: NamedTuple, target: float) -> tuple[float, float]:
        """Fit intercept and unpenalised features; returns their loss and alpha_max.

        The target is that of the gap where nothing else has to be fitted.
        """
        unit = penalty._replace(alpha=1.0)
        if self.is_free:
            return self._null_of_free(unit, target)
        self._minimise(unit, 0.0)
        u, _ = self._dual_point(unit)
        self._anchor = u
        self._correlations.refresh(self._scattered(u))
        gauges = self._correlations.last_gauges(unit, self._settled)
        self._previous = self.alpha_max = min(gauges.max(initial=0.0), _MOST_ALPHA)
        self.scale = self.value
        self._null = self._step(unit, np.inf, 1, gauges=None)
        return self.value, self.alpha_max

    def null_step(self) -> NewtonStep:
        """The null model, exact where nothing is left to explain."""
        if self.is_free:
            return self._null
        return self._null._replace(gap=0.0, converged=True)

    def _null_of_free(self, unit, target: float) -> tuple[float, float]:
        """Fit features that all are free; there may be no finite best fit."""
        last, gap, n_iter = np.inf, self._minimise(unit, target), 1
        while target < gap < 0.5 * last and n_iter < _FREE_ROUNDS:
            last, gap, n_iter = gap, self._minimise(unit, target), n_iter + 1
        self._previous, self.alpha_max, self.scale = 0.0, 0.0, self.value
        self._null = self._step(unit, target, n_iter, gauges=None)
        return self.value, 0.0

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._cover(features)
        position = {j: k for k, j in enumerate(self.features)}
        at = np.array([position[j] for j in features], np.int64)
        self.w[at] = coef
        fitted = self.columns.combine(self.w)
        self.z = fitted + self.smooth.spread(self.intercept)
        self.value, self.u = self.smooth.evaluate(self.z)
        self._metric = None
        self._previous = 0.0  # no strong rule

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> NewtonStep:
        """Solve for one penalty until the duality gap is at most `target`."""
        if self.alpha_max == 0.0:
            return self.null_step()
        while self._previous * self.stage > penalty.alpha:
            stage = penalty._replace(alpha=self._previous * self.stage)
            self._add(self._strong(stage))
            self._minimise(stage, _LOOSE * self.scale)
            u, _ = self._dual_point(stage)
            self._correlations.refresh(self._scattered(u))
            self._previous = stage.alpha
        missing = self._strong(penalty)
        self._previous = penalty.alpha
        inner, last = _INNER_SHARE * target, np.inf
        for n_iter in range(1, max_iter + 1):
            self._add(missing)
            reached = self._minimise(penalty, inner)
            u, _ = self._dual_point(penalty)
            gauges = self._correlations.gauges(
                self._scattered(u), penalty, self._settled
            )
            step = self._step(penalty, target, n_iter, gauges)
            if step.converged:
                break
            missing = self._violators(gauges)
            if len(missing) == 0:
                if reached <= inner:
                    inner *= 0.1
                elif not step.gap < 0.5 * last:
                    break  # rounding is the limit
            last = step.gap
        return step

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        norms = self.columns.norms(self._root**2)
        slopes = self.columns.products(self.u)
        worst = stationarity(self._penalty(penalty), self.w, slopes, norms**2)
        return max(worst, self._correlations.violation(penalty, self._settled))

    @property
    def features(self) -> np.ndarray:
        return self._features[: self.size]

    @property
    def X(self) -> np.ndarray:
        """Columns of the set, of shape (size, n_kept), dense."""
        return self.columns.X

    @property
    def w(self) -> np.ndarray:
        return self._w[: self.size]

    @property
    def _settled(self) -> np.ndarray:
        return self.inside | self.problem.excluded

    def _penalty(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty of the working set."""
        if self._local is None:
            self._local = restrict(penalty, self.features)
        return self._local._replace(alpha=penalty.alpha)

    def _scattered(self, u: np.ndarray) -> np.ndarray:
        """u over all samples, on the scale on which weights are in the products."""
        out = np.zeros(len(self.problem.root))
        out[self.smooth.rows] = u / self._root
        return out

    def _strong(self, penalty: NamedTuple) -> np.ndarray:
        """Features that the sequential strong rule keeps."""
        gauges = self._correlations.last_gauges(penalty, self._settled)
        level = 2.0 - self._previous / penalty.alpha if self._previous > 0.0 else 1.0
        return np.flatnonzero(gauges >= max(level, 1e-12))

    @property
    def _joins_late(self) -> bool:
        return self.smooth.joins_late and self.n_model > 0

    def _violators(self, gauges: np.ndarray) -> np.ndarray:
        """Features over their threshold: the largest ones when they are many."""
        missing = np.flatnonzero(gauges > 1.0 + 1e-12)
        return select_largest(missing, gauges, self.size)

    def _cover(self, features: np.ndarray) -> None:
        """Take features into the set that are not there yet."""
        self._add(features[~self.inside[features]])

    def _add(self, new: np.ndarray) -> None:
        """Add features at coefficient zero, or what else is screened together."""
        self._append(new)
        self.inside[new] = True

    def _append(self, new: np.ndarray) -> None:
        """Append features at coefficient zero."""
        if len(new) == 0:
            return
        start, stop = self.size, self.size + len(new)
        self._features = with_room(self._features, start, stop)
        self._w = with_room(self._w, start, stop)
        self._features[start:stop] = new
        self._w[start:stop] = 0.0
        self.columns.add(new)
        self.size, self._local = stop, None

    def _promote(self, penalty, correlations: np.ndarray) -> None:
        """Take features at their threshold into the model, swapping them to its end.

        Entries of `correlations` are swapped along.
        """
        m, start = self.size, self.n_model
        gauges, skip = np.empty(m), np.zeros(m, bool)
        skip[:start] = True
        fill_gauges(self._penalty(penalty), correlations, np.zeros(m), skip, gauges)
        chosen = np.flatnonzero((gauges >= _NEAR) | (~skip & (self.w != 0.0)))
        if len(chosen) == 0:
            return
        stop = start + len(chosen)
        self._make_room(stop)
        self.n_model = stop
        # Those that stay behind move to the places that become free.
        behind = np.setdiff1d(np.arange(start, stop), chosen)
        free = chosen[chosen >= stop]
        to, source = np.concatenate([behind, free]), np.concatenate([free, behind])
        for array in (self._features, self._w, correlations):
            array[to] = array[source]
        self.columns.swap(to, source)
        self._local = None
        if self._metric is not None:
            self._extend(start)

    def _allocate(self) -> None:
        """Nothing yet: arrays grow with the set and with the model."""
        self._features = np.empty(0, np.int64)
        self._active = np.empty(0, np.int64)
        self._w, self._ridge = np.empty(0), np.empty(0)
        self._gram, self._factor = np.empty((0, 0)), np.empty((0, 0))

    def _make_room(self, wanted: int) -> None:
        """Arrays of the model for that many features."""
        capacity, m = len(self._gram), self.n_model
        if wanted <= capacity:
            return
        capacity = max(wanted, capacity * 3 // 2, _FIRST_CAPACITY)
        for name in ("_gram", "_factor"):
            array, old = np.empty((capacity, capacity)), getattr(self, name)
            array[:m, :m] = old[:m, :m]
            setattr(self, name, array)
        self._active = with_room(self._active, m, capacity)
        self._ridge = with_room(self._ridge, m, capacity)

    def _renew(self, safe: bool) -> None:
        """Take the Hessian at the current predictions, or what is never below it."""
        self._metric = self.smooth.metric(safe)
        self.columns.begin(self._metric)
        self.n_active = 0
        self._extend(0)

    def _extend(self, start: int) -> None:
        """Hessian rows of the features of the model from `start` on."""
        m = self.n_model
        block = self.columns.hessian(start, m)
        self._gram[start:m, :m] = block
        self._gram[:start, start:m] = block[:, :start].T

    def _certify(self, penalty, correlations, gauges=None):
        """Duality gap on the working set, or on all features given the others' gauges.

        Returns
        -------
        gap, objective : float
        dual : ndarray of shape (n_kept,)
        """
        u, limit = self._dual_point(penalty)
        if u is not self.u:
            correlations = self.columns.products(u)
        sums = self._sums(penalty, correlations)
        if gauges is not None:
            sums = self._correlations.sums_with_others(sums, penalty, gauges)
        value_sum, augmented2, most, conjugates = sums
        scale = min(limit, 1.0 / max(most, 1.0))
        bound = self.smooth.dual_value(u, scale) - 0.5 * scale**2 * augmented2
        if np.isfinite(conjugates):  # which are convex, and zero at zero
            other = self.smooth.dual_value(u, limit) - limit * conjugates
            bound = max(bound, other)
        objective = self.value + value_sum
        gap = (
            abs(objective - bound)
            if self._free_are_solved(penalty, u, correlations)
            else np.inf
        )
        if self.is_free and objective < gap:
            return objective, objective, 0.0 * u  # no loss is below zero
        return gap, objective, scale * u

    def _sums(self, penalty, correlations: np.ndarray) -> tuple:
        """What the gap needs of the penalty on the set; see `penalty_sums`."""
        return penalty_sums(self._penalty(penalty), self.w, correlations)

    def _total(self, penalty, w: np.ndarray) -> float:
        """Penalty of coefficients of the model."""
        return penalty_value(restrict(self._penalty(penalty), slice(len(w))), w)

    def _promised(self, penalty, w: np.ndarray) -> float:
        """Decrease of the penalty, or of what bounds it, when w becomes the model's."""
        return self._total(penalty, self._w[: len(w)]) - self._total(penalty, w)

    def _dual_point(self, penalty) -> tuple[np.ndarray, float]:
        """The dual point of the state, and the largest scale at which it is dual.

        It is moved to where unpenalised features have no correlation, and from there
        towards the null model's if it must return to the domain.
        """
        u, limit = self.smooth.feasible(self.u)
        if len(self.problem.unpenalised) == 0:
            return u, limit
        basis = self._free_basis(penalty, u)
        moved = u / self._root
        for _ in range(2):
            moved = moved - (basis @ moved) @ basis
        moved *= self._root
        if self.smooth.contains(moved):
            return moved, 1.0
        if self._anchor is not None:
            for share in _SHARES:
                mixed = moved + share * (self._anchor - moved)
                if self.smooth.contains(mixed):
                    return mixed, 1.0
        return u, limit

    def _free_basis(self, penalty, u: np.ndarray) -> np.ndarray:
        """Orthonormal rows that span unpenalised features which must not correlate."""
        n_free = len(self.problem.unpenalised)  # they come first
        needed = np.ones(n_free, bool)
        if not allows_negative(penalty, self.problem.unpenalised):
            slopes = self.columns.products(u, n_free)
            needed = (self.w[:n_free] > 0.0) | (slopes > 0.0)
        key = needed.tobytes()
        if key != self._basis_key:
            chosen = self.columns.X[:n_free][needed] * self._root
            _, singular, rows = np.linalg.svd(chosen, full_matrices=False)
            rank = singular > _RANK * singular.max(initial=0.0)
            self._basis_key, self._basis = key, rows[rank]
        return self._basis

    def _free_are_solved(self, penalty, u, correlations: np.ndarray) -> bool:
        """Whether unpenalised features have no correlation left, up to rounding."""
        n_free = len(self.problem.unpenalised)
        if n_free == 0:
            return True
        size = np.linalg.norm(u / self._root)
        norms = self.columns.norms(self._root**2, n_free)
        slopes = correlations[:n_free]
        if not allows_negative(penalty, self.problem.unpenalised):
            slopes = np.where(self.w[:n_free] > 0.0, slopes, np.maximum(slopes, 0.0))
        return bool((np.abs(slopes) <= _FREE_TOLERANCE * norms * size).all())

    def _minimise(self, penalty, target: float) -> float:
        """Newton steps on the working set; returns the gap reached there."""
        renew, safe, last, n_idle = self._metric is None, False, np.inf, 0
        for n_taken in range(_NEWTON_STEPS):
            correlations = self.columns.products(self.u)
            gap, objective, _ = self._certify(penalty, correlations)
            if gap <= target or (n_idle > _MOST_IDLE and gap > 0.5 * last):
                break
            renew = renew or gap > self.smooth.contraction * last
            renew = renew or not np.isfinite(gap)
            if renew:
                self._metric, self.n_model = None, len(self.problem.unpenalised)
            # At a new strength, most features over their threshold will be under it
            # after a step without them.
            complete = renew or n_taken > 0 or not self._joins_late
            if complete:
                self._promote(penalty, correlations)
            if renew:
                self._renew(safe)
            gain, full = self._newton(penalty, correlations, objective, gap)
            # Where the objective is flat up to rounding, the gap may still fall.
            idle = gain <= _ROUNDING * max(objective, self.value)
            if safe and not full and idle:
                break
            n_idle = n_idle + 1 if idle else 0
            renew, safe = idle or not full, not full
            last = gap if complete else np.inf
        return gap

    def _newton(self, penalty, correlations, objective, gap) -> tuple[float, bool]:
        """One Newton step with line search.

        Returns
        -------
        gain : float
            Decrease of the objective that the step promised.
        full : bool
            Whether its full length was taken.
        """
        m = self.n_model
        w = self._w[:m].copy()
        q = self.columns.products(self._metric.reduce(self.u), m)
        if m:
            c = self._gram[:m, :m] @ w + q
            self._minimise_model(penalty, c, w, q, gap)
        step = w - self._w[:m]
        change = self.columns.combine(step)
        shift = self._metric.shift(change, self.u)
        shifted = self.smooth.spread(shift)
        promised = float(correlations[:m] @ step) + float(np.sum(shifted * self.u))
        promised += self._promised(penalty, w)

        def attempt(length):
            z = self.z + length * (change + shifted)
            trial = self._w[:m] + length * step if length != 1.0 else w
            value, u = self.smooth.evaluate(z)
            return z, trial, value, u, objective - value - self._total(penalty, trial)

        length = 1.0
        for _ in range(_HALVINGS):
            found = attempt(length)
            if found[-1] >= _ARMIJO * length * promised - _SLACK * objective:
                break
            length *= 0.5
        else:
            self.smooth.evaluate(self.z)
            return 0.0, False
        # A decrease as large as its slope promised: there was no curvature on the way.
        while found[-1] > _STRAIGHT * length * promised > 0.0:
            further = attempt(2.0 * length)
            if not further[-1] > found[-1]:
                break
            length, found = 2.0 * length, further
        self.z, trial, self.value, self.u, _ = found
        self.smooth.evaluate(self.z)
        self._w[:m] = trial
        self.intercept = self.intercept + length * shift  # steps keep theirs
        return promised, length >= 1.0

    def _minimise_model(self, penalty, c, w, q, gap: float) -> None:
        """Minimise the quadratic model in place: q = c - G w, `gap` the true one."""
        m = len(w)
        size = max(self.value, gap if np.isfinite(gap) else 0.0, 1e-300)
        y2 = 2.0 * size + float((c + q) @ w)
        # The model's dual is quadratic in its distance to the optimum, ours may be
        # linear.
        share = _MODEL_SHARE * min(gap / size, 1.0)
        self.n_active, _, _ = minimise_on_gram(
            restrict(self._penalty(penalty), slice(m)),
            np.arange(len(self.problem.unpenalised)),
            self._gram,
            c,
            w,
            q,
            self._active,
            self.n_active,
            self._factor,
            self._ridge[:m],
            y2,
            size * share**2,
            _GRAM_ROUNDS,
            False,
        )

    def _step(self, penalty, target, n_iter, gauges) -> NewtonStep:
        """Certify the current coefficients."""
        correlations = self.columns.products(self.u)
        gap, objective, dual = self._certify(penalty, correlations, gauges)
        nonzero = np.flatnonzero(self.w)
        scattered = np.zeros(len(self.problem.root))
        scattered[self.smooth.rows] = dual
        return NewtonStep(
            self.features[nonzero],
            self.w[nonzero],
            self.intercept,
            objective,
            self.value,
            gap,
            scattered,
            n_iter,
            gap <= target,
        )
