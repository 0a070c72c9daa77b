"""Exact paths of penalised least squares on a lazily grown Gram matrix.

For each strength: the sequential strong rule proposes features, face Newton steps solve
on the working set, and the duality gap on all features certifies the solution or names
the features that are missing.  After Tibshirani et al. (2012),
doi:10.1111/j.1467-9868.2011.01004.x, for the rule.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import penalty_sums, scaled_gap
from sparsestat.optim.coordinate_descent import ResidualWorkingSet
from sparsestat.optim.correlations import Correlations
from sparsestat.optim.design import with_norms
from sparsestat.optim.penalties import restrict
from sparsestat.optim.problem import LeastSquares, fit_unpenalised
from sparsestat.optim.working_set import GramWorkingSet

__all__ = ["PathSolver", "Step"]

_INNER_SHARE = 0.8
_INNER_ROUNDS = 500
_SMALLEST_ADDITION = 64
# Ridge penalties never reach zero: where their paths begin, in units of the gauge.
_MOST_ALPHA = 1e3
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
    stationarity : float
        Largest violated optimality condition.
    n_iter : int
        Outer rounds.
    converged : bool
    """

    features: np.ndarray
    coef: np.ndarray
    objective: float
    loss: float
    gap: float
    shrink: float
    stationarity: float
    n_iter: int
    converged: bool


class PathSolver:
    """Solve least squares with a separable penalty, one strength after another.

    Parameters
    ----------
    problem : LeastSquares
    method : {"face_newton", "whole_gram", "cd"}
        Face Newton steps on the Gram matrix of a working set or of all features (then
        no pass over X is needed later), or coordinate descent on the residual.
    """

    def __init__(self, problem: LeastSquares, method: str) -> None:
        self.problem = problem
        self._everything = method == "whole_gram"
        if method == "cd":
            self._set = ResidualWorkingSet(problem)
        else:
            self._set = GramWorkingSet(problem, self._everything)
        self._correlations = Correlations(problem)
        self._previous_alpha = None

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
            self.start(problem.unpenalised, coef)
        if self._everything and len(coef) == 0:
            self._correlations.values[self._set.features] = self._set.q
        else:
            self._correlations.refresh(u)
        skip = problem.excluded.copy()
        skip[problem.unpenalised] = True
        unit = penalty._replace(alpha=1.0)
        alpha_max = self._correlations.last_gauges(unit, skip).max(initial=0.0)
        loss = 0.5 * float(u @ u)
        return loss, min(alpha_max, _MOST_ALPHA), loss

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        new = features[~self._set.inside[features]]
        self._set.add(new, self.problem.correlations(self.problem.target, new))
        self._set.warm_start(features, coef)

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
        if self._everything:
            n_iter = self._set.minimise(penalty, target, max_iter * _INNER_ROUNDS)
            return self._step(penalty, target, n_iter)
        working, problem = self._set, self.problem
        missing = self._propose(penalty)
        inner = _INNER_SHARE * target
        for n_iter in range(1, max_iter + 1):
            self._add(missing)
            working = self._set
            working.minimise(penalty, inner, _INNER_ROUNDS)
            u = working.residual()
            gauges = self._correlations.gauges(
                u, penalty, working.inside | problem.excluded
            )
            step = self._step(penalty, target, n_iter, u, gauges)
            if step.converged:
                break
            missing = self._violators(gauges)
            if len(missing) == 0:
                if working.gap > inner:
                    break
                inner *= 0.1
        self._previous_alpha = penalty.alpha
        return step

    def _add(self, missing: np.ndarray) -> None:
        """Add features; beyond the cap of a Gram matrix, leave it for the residual."""
        working, problem = self._set, self.problem
        size = working.size + len(missing)
        most = min(_MOST_GRAM_FEATURES, 4 * len(problem.root) + _SMALLEST_ADDITION)
        if size > most and isinstance(working, GramWorkingSet):
            design = with_norms(problem.design, problem.root**2)
            self.problem = problem._replace(design=design)
            self._set = ResidualWorkingSet(self.problem)
            self._set.add(working.features, working.q)
            self._set.warm_start(*working.support())
        self._set.add(missing, self._correlations.values[missing])

    def _step(self, penalty, target, n_iter, u=None, gauges=None) -> Step:
        """Certify the current coefficients, by all features outside the set too."""
        working = self._set
        local = restrict(penalty, working.features)
        sums = penalty_sums(local, working.w, working.q)
        value_sum, augmented2, largest, conjugates = sums
        if u is None:
            residual2 = self.problem.y2 - working.explained()
            y_dot = self.problem.y2 - working.fitted()
        else:
            residual2, y_dot = float(u @ u), float(self.problem.target @ u)
            outside = np.flatnonzero(gauges > 1.0)
            if len(outside):
                largest = max(largest, gauges[outside].max())
                conjugates += penalty_sums(
                    restrict(penalty, outside),
                    np.zeros(len(outside)),
                    self._correlations.values[outside],
                )[3]
        gap = scaled_gap(residual2, y_dot, value_sum, augmented2, largest, conjugates)
        features, coef = working.support()
        return Step(
            features,
            coef,
            0.5 * residual2 + value_sum,
            0.5 * residual2,
            gap,
            1.0 / max(largest, 1.0),
            working.violation(penalty),
            n_iter,
            gap <= target,
        )

    def _propose(self, penalty) -> np.ndarray:
        """Features to consider at a new strength."""
        working, problem = self._set, self.problem
        skip = working.inside | problem.excluded
        if self._previous_alpha is None:
            gauges = self._correlations.gauges(working.residual(), penalty, skip)
            return self._violators(gauges)
        ratio = self._previous_alpha / penalty.alpha
        gauges = self._correlations.last_gauges(penalty, skip)
        return np.flatnonzero((gauges >= 2.0 - ratio) & ~skip)

    def _violators(self, gauges: np.ndarray) -> np.ndarray:
        """Features over their threshold: the largest ones when they are many."""
        missing = np.flatnonzero(gauges > 1.0 + 1e-12)
        most = max(_SMALLEST_ADDITION, self._set.size)
        if len(missing) > most:
            largest = np.argpartition(gauges[missing], -most)[-most:]
            missing = np.sort(missing[largest])
        return missing
