"""Penalties of which only value and prox are known: accelerated coordinate descent.

Nothing can be screened without a dual, so all features are worked on, until no
optimality condition is violated by more than the tolerance.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.coordinate_descent import ResidualWorkingSet
from sparsestat.optim.penalties import prox
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.quadratic_path import Step

__all__ = ["GeneralSolver"]

_ROUNDS = 50


class GeneralSolver:
    """Solve least squares with any separable penalty; see `PathSolver`."""

    n_passes = np.nan

    def __init__(self, problem: LeastSquares) -> None:
        self.problem = problem
        self._set = ResidualWorkingSet(problem)
        everyone = np.flatnonzero(~problem.excluded)
        self._set.add(everyone)
        self._null_gradient = problem.correlations(problem.target, everyone)

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Scale of the tolerance, the strength that leaves zero, and the null loss."""
        gradients = np.abs(self._null_gradient)
        norm2 = self.problem.design.norm[self._set.features] ** 2
        top = _smallest_strength(penalty, self._null_gradient, norm2)
        return gradients.max(initial=0.0), top, 0.5 * self.problem.y2

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._set.warm_start(features, coef)

    def null_step(self) -> Step:
        """The null model, exact where it leaves nothing to explain."""
        empty = np.empty(0)
        return Step(empty.astype(np.int64), empty, 0.0, 0.0, 0.0, 1.0, 1, True, 0.0)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        return self._set.violation(penalty)

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve until no optimality condition is violated by more than `target`."""
        working = self._set
        n_iter = working.minimise(penalty, target, max_iter * _ROUNDS)
        u = working.residual()
        loss = 0.5 * float(u @ u)
        features, coef = working.support()
        return Step(
            features,
            coef,
            working.objective(penalty),
            loss,
            working.gap,
            1.0,
            n_iter,
            working.gap <= target,
        )


def _smallest_strength(penalty: NamedTuple, q: np.ndarray, norm2: np.ndarray) -> float:
    """Bisect for the smallest alpha at which zero is a fixed point of all proxes."""

    def moves(alpha: float) -> bool:
        trial = penalty._replace(alpha=alpha)
        return any(
            prox(trial, q[j] / norm2[j], 1.0 / norm2[j], j) != 0.0
            for j in np.flatnonzero(norm2)
        )

    high = 1.0
    while moves(high) and high < 1e100:
        high *= 2.0
    low = high
    while not moves(low) and low > 1e-100:
        low *= 0.5
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if moves(middle) else (low, middle)
    return high * (1.0 + 1e-12)  # correlations are computed anew, and round elsewhere
