"""The square-root Lasso on the path solver of least squares.

minimise |y - X w|^2 / (2 sigma) + sigma / 2 + sum_j pen_j(w_j) over w and
sigma >= floor, which above the floor is |y - X w| + sum_j pen_j(w_j).  For a given
sigma it is the Lasso at sigma times the strength; sigma is updated on the working set.
After Belloni, Chernozhukov, Wang (2011), doi:10.1093/biomet/asr043; for the floor and
the certificate Ndiaye et al. (2017), doi:10.1088/1742-6596/904/1/012006.
"""

from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import penalty_value
from sparsestat.optim.quadratic_path import PathSolver, Step
from sparsestat.optim.run import Run

__all__ = ["SquareRootRun", "SquareRootSolver", "smoothed_norm"]

# The smallest sigma, as a share of the residual that the null model leaves.
_FLOOR = 1e-3
# Updates of sigma on a working set; secants need about five.
_UPDATES = 50
# Ratio of sigmas up to which a working set is trusted.
_STAGE = 0.5
# Share of the gap that the solution for a sigma and the error of sigma may each take.
_SHARE = 0.25
# Roundings of a relative change of sigma: there is nothing to gain below.
_ROUNDING = 16.0 * np.finfo(np.float64).eps
# Factor of the share where it was not enough, and the smallest worth trying, relative
# to the tolerance.
_TIGHTEN = 0.01
_ENOUGH = 1e-2


class SquareRootRun(Run):
    """A problem of the square-root Lasso; as `Run` in all else."""

    def step(self, alpha: float) -> Step:
        """Solve for one strength."""
        penalty = self.penalty._replace(alpha=float(alpha))
        if self.problem.is_rounding(0.5 * self.null_objective**2):
            return self.solver.null_step()
        if alpha == 0.0:
            return self.solver.certified(self._unpenalised_step(penalty), self.gap_tol)
        return self.solver.solve(penalty, self.gap_tol, self.max_iter)

    def noise_of(self, coef: np.ndarray) -> float:
        """The sigma that belongs to coefficients on the scale of X."""
        return self.solver.noise_of(self._residual(coef))

    def objective_of(self, alpha: float, coef: np.ndarray) -> float:
        """Objective at coefficients on the scale of X, with their best intercept."""
        penalty = self.penalty._replace(alpha=float(alpha))
        size = penalty_value(penalty, coef * self.problem.design.scale)
        loss = smoothed_norm(np.linalg.norm(self._residual(coef)), self.solver.floor)
        return loss + size

    def explained_share(self, step: Step) -> float:
        """Share of the null model's variance that a step removes."""
        if self.null_objective == 0.0:
            return 1.0
        return 1.0 - (step.loss / self.null_objective) ** 2

    def _make_solver(self, method: str) -> "SquareRootSolver":
        return SquareRootSolver(self.problem, method, self.gram)

    def _residual(self, coef: np.ndarray) -> np.ndarray:
        scaled = coef * self.problem.design.scale
        support = np.flatnonzero(scaled)
        return self.problem.residual(support, scaled[support])


class SquareRootSolver(PathSolver):
    """Solve for one strength after another; see `PathSolver`.

    Strengths of the parent are those of the Lasso, sigma times the ones given here.

    Attributes
    ----------
    floor : float
        Smallest sigma.
    sigma : float
        The last one, with which the working set was solved.
    """

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Fit the unpenalised features alone; see `PathSolver.null`."""
        loss, alpha_max, _ = super().null(penalty)
        size = sqrt(2.0 * loss)
        self.sigma, self.floor = size, _FLOOR * size
        self._null = self._null._replace(objective=size, loss=size)
        return size, (alpha_max / size if size > 0.0 else 0.0), size

    def noise_of(self, u: np.ndarray) -> float:
        """The best sigma for a residual."""
        return max(float(np.linalg.norm(u)), self.floor)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        if self.sigma == 0.0:
            return 0.0
        return super().violation(self._quadratic(penalty)) / self.sigma

    def certified(self, step: Step, target: float) -> Step:
        """A solution of least squares without a penalty as one of this problem."""
        size = sqrt(2.0 * step.loss)
        loss = smoothed_norm(size, self.floor)
        gap = step.gap / max(size, self.floor)
        shrink = 1.0 / max(size, self.floor)
        return step._replace(
            objective=loss, loss=loss, gap=gap, shrink=shrink, converged=gap <= target
        )

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve until the duality gap is at most `target`; see `PathSolver.solve`."""
        if self._alpha_max == 0.0:
            return self._null
        quadratic = self._quadratic(penalty)
        if self._undecided:
            self._decide(quadratic)
        missing = np.empty(0, np.int64)
        if self._everything:
            self._descend(quadratic)
        else:
            missing = self._approach(quadratic)
        share, least = _SHARE, _ENOUGH * target / self._null.loss
        for n_iter in range(1, max_iter + 1):
            self._add(missing)
            settled = self._alternate(penalty, share * target)
            quadratic = self._quadratic(penalty)
            u = self._set.residual()
            gauges = self._gauges(u, quadratic)
            step = self._certify(quadratic, target, n_iter, u, gauges)
            if step.converged:
                break
            missing = self._violators(gauges)
            if settled and len(missing) == 0:
                # An error of order h in the dual point costs h here, h^2 in the Lasso.
                if share < least:
                    break  # rounding, not the number of rounds, is the limit
                share *= _TIGHTEN
        self._previous_alpha = quadratic.alpha
        return step

    def _quadratic(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty of least squares that has the same solution."""
        return penalty._replace(alpha=penalty.alpha * self.sigma)

    def _alternate(self, penalty, target: float) -> bool:
        """Solve on the working set, for the sigma that its own solution has.

        Returns whether it was found; not where it is so much smaller that other
        features may be needed on the way.

        Squares of sigma are linear in those of the Lasso's strength on a face, so that
        secants are exact there; they are kept between the bounds that plain updates,
        which move monotonically towards the solution, have shown.
        """
        tolerance = target / self._null.loss
        lower, upper, last = 0.0, inf, None
        start = self.sigma
        for _ in range(_UPDATES):
            self._minimise(self._quadratic(penalty), target * self.sigma)
            used, found = self.sigma**2, self.noise_of(self._set.residual()) ** 2
            if abs(found - used) <= 2.0 * used * max(tolerance, _ROUNDING):
                return True
            if found > used:
                lower = max(lower, found)
            else:
                upper = min(upper, found)
            following = found
            if last is not None and last[0] != used:
                slope = (found - last[1]) / (used - last[0])
                if 0.0 < slope < 1.0:
                    secant = (found - slope * used) / (1.0 - slope)
                    following = secant if lower <= secant <= upper else found
            last = used, found
            self.sigma = max(sqrt(following), self.floor)
            if self.sigma < _STAGE * start:
                return False
        return True

    def _gauges(self, u: np.ndarray, quadratic) -> np.ndarray:
        """Gauges of features outside the set; exact correlations where it has all."""
        if not self._everything:
            return self._correlations.gauges(u, quadratic, self._settled)
        working = self._set
        working.q[:] = self.problem.correlations(u, working.features)
        return np.zeros(len(working.inside))

    def _certify(self, quadratic, target, n_iter, u, gauges) -> Step:
        residual2, y_dot, sums = self._sums(quadratic, u, gauges)
        size, value_sum = sqrt(residual2), sums[0] / self.sigma
        largest = sums[2] * self.sigma
        loss = smoothed_norm(size, self.floor)
        shrink = dual_factor(size, y_dot, largest, self.floor)
        dual = shrink * y_dot + 0.5 * self.floor * (1.0 - (shrink * size) ** 2)
        gap = abs(loss + value_sum - dual)  # negative by rounding only
        features, coef = self._set.support()
        return Step(
            features, coef, loss + value_sum, loss, gap, shrink, n_iter, gap <= target
        )


def smoothed_norm(size: float, floor: float) -> float:
    """Minimum of size^2 / (2 sigma) + sigma / 2 over sigma >= floor."""
    if size >= floor:
        return size
    return 0.5 * (size**2 / floor + floor)


def dual_factor(size: float, y_dot: float, largest: float, floor: float) -> float:
    """Factor t of a residual u that maximises t <y, u> + floor (1 - t^2 |u|^2) / 2.

    Subject to t |u| <= 1 and t largest <= 1, with `largest` the gauge of u's
    correlations: the dual of the smoothed norm.
    """
    bounds = [1.0 / bound for bound in (size, largest) if bound > 0.0]
    if size > 0.0 and floor > 0.0:
        bounds.append(max(y_dot, 0.0) / (floor * size**2))
    return min(bounds, default=0.0)
