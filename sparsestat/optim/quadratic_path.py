"""Exact paths of penalised least squares on a lazily grown Gram matrix.

For each strength: the sequential strong rule proposes features, face Newton steps solve
on the working set, and the duality gap on all features certifies the solution or names
the features that are missing.  After Tibshirani et al. (2012),
doi:10.1111/j.1467-9868.2011.01004.x, for the rule.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import (
    fill_gauges,
    penalty_sums,
    scaled_gap,
)
from sparsestat.optim.coordinate_descent import ResidualWorkingSet
from sparsestat.optim.correlations import Correlations, select_largest
from sparsestat.optim.design import Dense, columns, with_norms
from sparsestat.optim.moments import gram_matrix, is_offset
from sparsestat.optim.problem import LeastSquares, fit_unpenalised
from sparsestat.optim.working_set import GramWorkingSet

__all__ = ["PathSolver", "Step"]

_INNER_SHARE = 0.8
_INNER_ROUNDS = 500
# Share of the gap to which a working set is solved while features are missing.
_LOOSE = 0.01
# Error of sums of products, beside the norms of what they are made of.
_PRODUCT_ERROR = 8.0 * np.finfo(np.float64).eps
# Share of the tolerance that rounding in a Gram matrix may take, before residuals of X
# decide; how often they may send it back, and what has to become of the gap.
_SHARE_OF_ROUNDING = 0.1
_REFINEMENTS = 10
_ENOUGH = 0.5
# Ratios of strengths by which a single fit is approached: between passes over X, and
# between solutions on the working set.
_STAGE = 0.35
_SMALL_STEP = 0.7
# Gap of solutions on the way where as many features as samples are in use, as a share
# of the null model's loss at the largest strength.
_NEAR = 1e-3
# Samples a feature of a growing set that make it likely that few passes of coordinate
# descent find the signs.
_SPARE = 2
# A single fit takes all features at once where alpha is below this multiple of
# correlations with pure noise; or where they are few, and so is their number times the
# share of alpha in the largest one.
_WHOLE_GRAM = 4000
_NOISE = 0.25
_SMALL_GRAM = 512
_SMALL_SHARE = 17.0
# Samples a feature that make passes of coordinate descent cheaper than the Gram matrix.
_TALL = 4
# Correlations below this share of |x_j| |y| are rounding of the null model's fit.
_ROUNDING = 1e-13
# Ridge penalties never reach zero: where their paths begin, in units of the gauge.
_MOST_ALPHA = 1e3
# Rounds after which coordinate descent is stuck if a Gram matrix can help, sparse or
# dense, and entries of columns that are centred one by one for it, so that offsets do
# no harm.
_PATIENCE = 30
_PATIENCE_DENSE = 8
_FEW_ENTRIES = 1 << 22
# Cap of a Gram matrix: 512 MiB.
_MOST_GRAM_FEATURES = 8192


class Step(NamedTuple):
    """Solution at one strength, on the scale of the centred and scaled features.

    Parameters
    ----------
    features, coef : ndarray of shape (n_nonzero,)
        Nonzero coefficients.
    objective, loss : float
        With and without the penalty.
    gap : float
        Duality gap; the violated stationarity of a penalty without dual.
    shrink : float
        Factor that makes the residual feasible in the dual.
    n_iter : int
        Outer rounds.
    converged : bool
    stationarity : float or None
        Largest violated optimality condition, where the solver cannot tell it later.
    """

    features: np.ndarray
    coef: np.ndarray
    objective: float
    loss: float
    gap: float
    shrink: float
    n_iter: int
    converged: bool
    stationarity: float | None = None


class PathSolver:
    """Solve least squares with a separable penalty, one strength after another.

    Parameters
    ----------
    problem : LeastSquares
    method : {"auto", "face_newton", "cd"}
        Face Newton steps on the Gram matrix of a working set, or coordinate descent on
        the residual; "auto" is the first, or forms the whole Gram matrix where the
        first strength will need most of it.
    gram : ndarray of shape (n_features, n_features), default=None
        Whole Gram matrix: Newton steps need no pass over X then.
    """

    def __init__(
        self, problem: LeastSquares, method: str, gram: np.ndarray | None = None
    ) -> None:
        self.problem = problem
        self._undecided = method == "auto" and gram is None
        self._everything = gram is not None
        if method == "cd":
            self._set = ResidualWorkingSet(problem)
        else:
            self._set = GramWorkingSet(problem, gram)
        self._correlations = Correlations(problem)
        self._previous_alpha = np.nan
        self._started = False

    @property
    def n_passes(self) -> float:
        return self._correlations.n_passes

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Fit the unpenalised features alone, as the first step of a path.

        Returns
        -------
        scale : float
            What `tol` is relative to: the null model's objective.
        alpha_max : float
            Smallest strength at which all other coefficients are zero.
        loss : float
            Half the mean square that the null model leaves.
        """
        problem = self.problem
        coef, u = fit_unpenalised(problem, penalty)
        if len(coef):
            self._take(problem.unpenalised, coef)
        if self._everything and len(coef) == 0:
            self._correlations.values[self._set.features] = self._set.q
        else:
            self._correlations.refresh(u)
        skip = problem.excluded.copy()
        skip[problem.unpenalised] = True
        unit = penalty._replace(alpha=1.0)
        gauges = self._correlations.last_gauges(unit, skip)
        alpha_max = min(gauges.max(initial=0.0), _MOST_ALPHA)
        if self._is_rounding(np.flatnonzero(gauges)):
            alpha_max = 0.0
        self._previous_alpha = self._alpha_max = alpha_max
        loss = 0.5 * float(u @ u)
        nonzero = np.flatnonzero(coef)
        features, coef = problem.unpenalised[nonzero], coef[nonzero]
        self._null = Step(features, coef, loss, loss, 0.0, 1.0, 1, True, 0.0)
        return loss, alpha_max, loss

    def _is_rounding(self, features: np.ndarray) -> bool:
        """Whether what the null model leaves has nothing to do with these features."""
        problem = self.problem
        sizes = np.abs(self._correlations.values[features])
        if len(sizes) == 0:
            return True
        largest = features[sizes.argmax()]
        column = (
            problem.root * columns(problem.design, np.array([largest]), slice(None))[0]
        )
        least = _ROUNDING * np.sqrt(problem.y2)
        if sizes.max() > least * np.linalg.norm(column):
            return False  # nearly always: spares a pass for the norms
        design = with_norms(problem.design, problem.root**2)
        return bool((sizes <= least * design.norm[features]).all())

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._take(features, coef)
        self._correlations.refresh(self._set.residual())
        self._started = True

    def _take(self, features: np.ndarray, coef: np.ndarray) -> None:
        new = features[~self._set.inside[features]]
        self._set.add(new)
        self._set.warm_start(features, coef)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        worst = self._set.violation(penalty)
        if self._everything:
            return worst
        return max(worst, self._correlations.violation(penalty, self._settled))

    def normal_solver(self, features: np.ndarray):
        """What solves the normal equations of the last support; None if not known."""
        if isinstance(self._set, GramWorkingSet):
            return self._set.normal_solver(features)
        return None

    def null_step(self) -> Step:
        """The null model, exact where it leaves nothing to explain."""
        return self._null

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve for one penalty until the duality gap is at most `target`.

        Parameters
        ----------
        penalty : NamedTuple
            Prepared; along a path only its alpha changes.
        target : float
            Absolute duality gap, or stationarity for a penalty without dual.
        max_iter : int
            Outer rounds.

        Returns
        -------
        step : Step
        """
        if self._alpha_max == 0.0:
            return self._null
        if self._undecided:
            self._decide(penalty)
        if self._everything:
            return self._solve_on_all(penalty, target, max_iter)
        inner, last = _INNER_SHARE * target, np.inf
        far = penalty.alpha <= _SMALL_STEP * self._previous_alpha
        # Sets that are not yet complete are not worth an exact solution.
        loose = max(inner, _LOOSE * self._null.loss) if far else inner
        missing = self._approach(penalty)
        for n_iter in range(1, max_iter + 1):
            self._add(missing)
            self._minimise(penalty, loose if n_iter < max_iter else inner)
            working = self._set
            u = working.residual()
            gauges = self._correlations.gauges(u, penalty, self._settled)
            step = self._step(penalty, target, n_iter, u, gauges)
            if step.converged:
                break
            missing = self._violators(gauges)
            if len(missing) == 0 and loose == inner:
                if working.gap <= inner:
                    inner *= 0.1
                elif not step.gap < _ENOUGH * last:
                    break  # rounding, not the number of rounds, is the limit
            loose = max(inner, _LOOSE * step.gap) if len(missing) else inner
            last = step.gap
        return step

    def _solve_on_all(self, penalty, target, max_iter) -> Step:
        """Solve on the Gram matrix of all features, without X where that is certain."""
        self._descend(penalty)
        working, n_iter, last = self._set, 0, np.inf
        none = np.zeros(len(working.inside))
        for _ in range(_REFINEMENTS):
            n_iter += working.minimise(penalty, target, max_iter * _INNER_ROUNDS)
            if self._rounding(penalty) <= _SHARE_OF_ROUNDING * target:
                return self._step(penalty, target, n_iter)
            u = working.residual()
            working.q[:] = self.problem.correlations(u, working.features)
            step = self._step(penalty, target, n_iter, u, none)
            if step.converged or not step.gap < _ENOUGH * last:
                break
            last = step.gap
        return step

    def _rounding(self, penalty) -> float:
        """Bound of the error of a gap from rounding in the Gram matrix.

        A relative error of `spread` in each correlation moves gauges, which are
        subadditive and scale the dual point, and the products with coefficients.
        """
        working = self._set
        spread = working.spread
        zeros, none = np.zeros(len(spread)), np.zeros(len(spread), bool)
        gauges = np.empty(len(spread))
        fill_gauges(working.local(penalty), zeros, spread, none, gauges)
        y2, fitted = self.problem.y2, float(spread @ np.abs(working.w))
        error = _PRODUCT_ERROR * (np.sqrt(y2) + fitted)
        return error * (gauges.max(initial=0.0) * y2 + 2.0 * fitted)

    @property
    def _settled(self) -> np.ndarray:
        return self._set.inside | self.problem.excluded

    def _decide(self, penalty) -> None:
        """Take all features at once where most of them will be needed anyway.

        That is, at strengths below what noise alone would correlate.  Their Gram matrix
        costs as much as many passes of coordinate descent, which a few suffice where
        the samples are so many that features hardly correlate by chance.
        """
        self._undecided = False
        n, p = len(self.problem.root), len(self._set.inside)
        top = np.abs(self._correlations.values).argmax()
        norm = np.linalg.norm(
            self.problem.root
            * columns(self.problem.design, np.array([top]), slice(None))[0]
        )
        share = penalty.alpha / self._alpha_max
        correlation = abs(self._correlations.values[top]) / (
            norm * np.sqrt(self.problem.y2)
        )
        small = p <= min(n, _SMALL_GRAM) and share * p < _SMALL_SHARE
        dense = p <= min(n, _WHOLE_GRAM) and share * correlation * np.sqrt(n) < _NOISE
        if not (small or dense):
            return
        started = self._set.support()
        self._everything = p <= _SMALL_GRAM or n < _TALL * p
        if self._everything:
            gram = gram_matrix(self.problem.design, self.problem.root**2)
            self._set = GramWorkingSet(self.problem, gram)
        else:
            others = ~self.problem.excluded
            others[self.problem.unpenalised] = False
            self._use_residual(
                np.append(self.problem.unpenalised, np.flatnonzero(others))
            )
        if len(started[0]):
            self._set.warm_start(*started)
        if not self._everything:
            self._set.sweep(penalty)
            self._previous_alpha, self._started = penalty.alpha, True

    def _use_residual(self, features: np.ndarray) -> None:
        """Go on by coordinate descent on the residual, unpenalised features first."""
        design = with_norms(self.problem.design, self.problem.root**2)
        self.problem = self.problem._replace(design=design)
        self._set = ResidualWorkingSet(self.problem)
        self._set.add(features)

    @property
    def _most(self) -> int:
        """Features up to which a Gram matrix of the working set is worth its memory."""
        return min(_MOST_GRAM_FEATURES, max(4 * len(self.problem.root), 4096))

    @property
    def _can_form_gram(self) -> bool:
        """Whether there is a way out where coordinate descent is stuck."""
        working, problem = self._set, self.problem
        if isinstance(working, GramWorkingSet) or working.size > self._most:
            return False
        small = working.size * len(problem.root) <= _FEW_ENTRIES
        return small or not is_offset(problem.design)

    def _minimise(self, penalty, target: float) -> None:
        """Solve on the working set; where residuals do not lead there, by its Gram."""
        way_out = self._can_form_gram
        patience = _PATIENCE
        if isinstance(self.problem.design, Dense):
            patience = _PATIENCE_DENSE
        self._set.minimise(penalty, target, patience if way_out else _INNER_ROUNDS)
        if way_out and self._set.gap > target:
            working = self._set
            self._set = GramWorkingSet(self.problem)
            self._set.add(working.features)
            self._set.warm_start(*working.support())
            self._set.minimise(penalty, target, _INNER_ROUNDS)

    def _add(self, missing: np.ndarray) -> None:
        """Add features; beyond the cap of a Gram matrix, leave it for the residual."""
        working = self._set
        size = working.size + len(missing)
        if size > self._most and isinstance(working, GramWorkingSet):
            self._use_residual(working.features)
            self._set.warm_start(*working.support())
        self._set.add(missing)

    def _step(self, penalty, target, n_iter, u=None, gauges=None) -> Step:
        """Certify the current coefficients, by all features outside the set too."""
        residual2, y_dot, sums = self._sums(penalty, u, gauges)
        value_sum, _, largest, _ = sums
        gap = scaled_gap(residual2, y_dot, *sums)
        features, coef = self._set.support()
        return Step(
            features,
            coef,
            0.5 * residual2 + value_sum,
            0.5 * residual2,
            gap,
            1.0 / max(largest, 1.0),
            n_iter,
            gap <= target,
        )

    def _sums(self, penalty, u, gauges) -> tuple[float, float, tuple]:
        """|u|^2, <y, u> and `penalty_sums` over all features, for the residual u."""
        working = self._set
        sums = penalty_sums(working.local(penalty), working.w, working.q)
        if u is None:
            residual2 = self.problem.y2 - working.explained()
            return residual2, self.problem.y2 - working.fitted(), sums
        sums = self._correlations.sums_with_others(sums, penalty, gauges)
        return float(u @ u), float(self.problem.target @ u), sums

    def _approach(self, penalty) -> np.ndarray:
        """Come to a new strength; returns features that it may need.

        A short way takes the sequential strong rule.  A long one goes by stages, each
        with a pass over X for new features, without certificates.
        """
        previous, started = self._previous_alpha, self._started
        if started or penalty.alpha > _SMALL_STEP * previous:
            self._previous_alpha, self._started = penalty.alpha, False
            gauges = self._correlations.last_gauges(penalty, self._settled)
            if started:
                return self._violators(gauges)
            return np.flatnonzero(gauges >= max(2.0 - previous / penalty.alpha, 1e-12))
        while self._previous_alpha > penalty.alpha:
            stage = penalty._replace(
                alpha=max(self._previous_alpha * _STAGE, penalty.alpha)
            )
            gauges = self._correlations.last_gauges(stage, self._settled)
            self._add(self._violators(gauges))
            self._descend(stage)
            if stage.alpha > penalty.alpha:
                self._correlations.refresh(self._set.residual())
        return np.empty(0, np.int64)

    def _descend(self, penalty) -> None:
        """Lead the working set to a lower strength.

        In small steps few coefficients change sign; it is quicker to find the signs at
        once where that is easy.  Steps of coordinate descent are no better for being
        small.  More coefficients than samples are no face of a solution, and what
        follows from there goes astray: such a step is solved before the next one.
        """
        alpha = self._previous_alpha
        following = alpha > penalty.alpha and not self._started
        if isinstance(self._set, ResidualWorkingSet):
            self._set.sweep(penalty)
            following = False
        elif following and penalty.alpha <= _SMALL_STEP * alpha:
            spare = _SPARE * self._set.size <= len(self.problem.root)
            likely = self._everything or spare
            following = not (likely and self._set.settle(penalty))
        while following and alpha > penalty.alpha:
            alpha = max(alpha * _SMALL_STEP, penalty.alpha)
            if alpha > penalty.alpha:
                stage = penalty._replace(alpha=alpha)
                self._set.minimise(stage, 0.0, 2)
                if np.count_nonzero(self._set.w) >= len(self.problem.root):
                    gap = _NEAR * self._null.loss * alpha / self._alpha_max
                    self._set.minimise(stage, gap, _INNER_ROUNDS)
        self._previous_alpha, self._started = penalty.alpha, False

    def _violators(self, gauges: np.ndarray) -> np.ndarray:
        """Features over their threshold: the largest ones when they are many."""
        missing = np.flatnonzero(gauges > 1.0 + 1e-12)
        return select_largest(missing, gauges, self._set.size)
