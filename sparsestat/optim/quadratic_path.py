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
from sparsestat.optim.penalties import restrict
from sparsestat.optim.problem import LeastSquares, fit_unpenalised
from sparsestat.optim.working_set import GramWorkingSet

__all__ = ["PathSolver", "Step"]

_INNER_SHARE = 0.3
_INNER_ROUNDS = 500
_SMALLEST_ADDITION = 64


class Step(NamedTuple):
    """Solution at one strength, on the scale of the centred and scaled features."""

    features: np.ndarray
    coef: np.ndarray
    residual: np.ndarray | None
    objective: float
    gap: float
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

    def null(self, penalty: NamedTuple) -> tuple[float, np.ndarray]:
        """Fit the unpenalised features alone.

        Returns
        -------
        objective : float
            Half the mean square that they leave.
        gauges : ndarray of shape (n_features,)
            Of all other features, for `penalty`.
        """
        problem = self.problem
        coef, u = fit_unpenalised(problem, penalty)
        if len(coef):
            self.start(problem.unpenalised, coef)
        self._correlations.refresh(u)
        skip = problem.excluded.copy()
        skip[problem.unpenalised] = True
        gauges = self._correlations.last_gauges(penalty, skip).copy()
        return 0.5 * float(u @ u), gauges

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
            Absolute duality gap.
        max_iter : int
            Outer rounds.

        Returns
        -------
        step : Step
        """
        if self._everything:
            return self._solve_everything(penalty, target, max_iter)
        working, problem = self._set, self.problem
        missing = self._propose(penalty)
        inner = _INNER_SHARE * target
        for n_iter in range(1, max_iter + 1):
            working.add(missing, self._correlations.values[missing])
            working.minimise(penalty, inner, _INNER_ROUNDS)
            u = working.residual()
            gauges = self._correlations.gauges(
                u, penalty, working.inside | problem.excluded
            )
            gap, objective = self._certify(penalty, u, gauges)
            if gap <= target:
                break
            missing = self._violators(gauges)
            if len(missing) == 0:
                if working.gap > inner:
                    break
                inner *= 0.1
        self._previous_alpha = penalty.alpha
        features, coef = working.support()
        return Step(features, coef, u, objective, gap, n_iter, gap <= target)

    def _solve_everything(self, penalty, target, max_iter) -> Step:
        working = self._set
        n_iter = working.minimise(penalty, target, max_iter * _INNER_ROUNDS)
        features, coef = working.support()
        residual2 = self.problem.y2 - working.explained()
        local = restrict(penalty, working.features)
        objective = 0.5 * residual2 + penalty_sums(local, working.w, working.q)[0]
        gap = working.gap
        return Step(features, coef, None, objective, gap, n_iter, gap <= target)

    def _certify(self, penalty, u, gauges) -> tuple[float, float]:
        working = self._set
        value_sum, augmented2, largest, conjugates = penalty_sums(
            restrict(penalty, working.features), working.w, working.q
        )
        outside = np.flatnonzero(gauges > 1.0)
        if len(outside):
            largest = max(largest, gauges[outside].max())
            conjugates += penalty_sums(
                restrict(penalty, outside),
                np.zeros(len(outside)),
                self._correlations.values[outside],
            )[3]
        residual2 = float(u @ u)
        y_dot = float(self.problem.target @ u)
        gap = scaled_gap(residual2, y_dot, value_sum, augmented2, largest, conjugates)
        return gap, 0.5 * residual2 + value_sum

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
