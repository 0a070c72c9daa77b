"""Sparse inverse covariances: -log det T + <S, T> + sum_jk L_jk |T_jk| over T > 0.

Proximal Newton steps with a line search, from the diagonal along a few larger levels,
or from a start that is given.  After Hsieh, Sustik, Dhillon and Ravikumar (2014),
jmlr.org/papers/v15/hsieh14a.html; the dual is that of Banerjee, El Ghaoui and
d'Aspremont (2008), jmlr.org/papers/v9/banerjee08a.html.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from sparsestat.optim.log_det_model import QuadraticModel
from sparsestat.optim.moments import symmetrise

__all__ = ["LogDetSolution", "log_det_objective", "minimise_log_det"]

# Ratio of the levels on the way to those that are asked for, and the share of a level
# that optimality conditions may be violated by on the way.
_RATIO, _LOOSE = 0.5, 0.3
# Share of its violation to which the model of a point is solved, at most.
_FORCING = 0.1
# Share of the decrease that the model promises which a step has to reach; halvings.
_ARMIJO, _HALVINGS = 1e-3, 30
# Changes of the objective below this share of its size are rounding.
_ROUNDING = 1e-14
# Halvings of the way from a dual point to one that is known to be feasible.
_RETREATS = 6


class LogDetSolution(NamedTuple):
    """Solution of a log-determinant problem.

    Parameters
    ----------
    precision, covariance : ndarray of shape (p, p)
        T and its inverse.
    objective, gap : float
        Objective at T, and a bound of its distance to the optimum.
    n_iter : int
        Newton steps.
    converged : bool
        Whether the gap is within its target.
    """

    precision: np.ndarray
    covariance: np.ndarray
    objective: float
    gap: float
    n_iter: int
    converged: bool


def minimise_log_det(
    covariance: np.ndarray,
    levels: np.ndarray,
    target: float,
    max_iter: int,
    start: np.ndarray | None = None,
    violation: float | None = None,
) -> LogDetSolution:
    """Minimise -log det T + <S, T> + sum_jk L_jk |T_jk| over positive definite T.

    Parameters
    ----------
    covariance : ndarray of shape (p, p)
        S, positive semidefinite; best with a diagonal of ones.
    levels : ndarray of shape (p, p)
        L >= 0, symmetric; infinite ones off the diagonal exclude an entry.
    target : float
        Bound of the duality gap.
    max_iter : int
        Newton steps at most, at each of the levels on the way.
    start : ndarray of shape (p, p), default=None
        Positive definite; None begins at a diagonal.
    violation : float, default=None
        Bound of violated optimality conditions to reach, too.

    Returns
    -------
    solution : LogDetSolution

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.log_det import minimise_log_det
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> solution = minimise_log_det(S, np.array([[0, 0.2], [0.2, 0]]), 1e-12, 100)
    >>> solution.covariance.round(6)  # soft thresholding, for two features
    array([[1. , 0.3],
           [0.3, 1. ]])
    """
    problem = _Problem(covariance, levels)
    point = None
    if start is not None:
        point = problem.point(np.where(problem.excluded, 0.0, start))
    elif not levels.any():
        factor = _factor(covariance)
        point = None if factor is None else problem.point(_inverse(factor))
    n_iter = 0
    if point is None:
        point = problem.diagonal_point()
        for factor in problem.factors():
            loose = _Problem(covariance, levels, factor)
            point, _, taken = loose.descend(point, np.inf, loose.loosely, max_iter)
            n_iter += taken
        point = problem.point(point.precision)
    bound = np.inf if violation is None else violation
    point, gap, taken = problem.descend(point, target, bound, max_iter)
    return LogDetSolution(
        point.precision,
        point.covariance,
        point.objective,
        gap,
        n_iter + taken,
        bool(gap <= target),
    )


def log_det_objective(covariance, levels, precision) -> float:
    """Objective at a precision matrix; infinite if it is not positive definite."""
    factor = _factor(precision)
    if factor is None:
        return np.inf
    return -_log_det(factor) + _linear(covariance, levels, precision)


class _Point(NamedTuple):
    """A precision matrix with what follows from it."""

    precision: np.ndarray
    covariance: np.ndarray
    objective: float


class _Problem:
    """S and L; the latter finite, and multiplied by a factor >= 1."""

    def __init__(self, covariance, levels, factor: float = 1.0) -> None:
        self.S = covariance
        self.excluded = np.isinf(levels)
        variances = covariance.diagonal() + factor * levels.diagonal()
        # |S_jk - W_jk| is less in any feasible W, so that no such constraint binds.
        bound = np.abs(covariance) + np.sqrt(np.outer(variances, variances))
        self.L = np.where(self.excluded, bound, 0.0)
        self.L[~self.excluded] = factor * levels[~self.excluded]

    def factors(self) -> np.ndarray:
        """Factors > 1 of the levels on the way down from a diagonal solution."""
        penalised = self.L > 0.0
        np.fill_diagonal(penalised, False)
        largest = (np.abs(self.S[penalised]) / self.L[penalised]).max(initial=0.0)
        if largest <= 1.0:
            return np.empty(0)
        n_stages = int(np.ceil(np.log(largest) / -np.log(_RATIO)))
        return largest ** (1.0 - np.arange(1, n_stages) / n_stages)

    def point(self, precision: np.ndarray) -> _Point | None:
        """The point of a precision matrix, if that is positive definite."""
        factor = _factor(precision)
        if factor is None:
            return None
        return self._point(precision, factor)

    def diagonal_point(self) -> _Point:
        """The best diagonal precision matrix."""
        return self.point(np.diag(1.0 / (self.S.diagonal() + self.L.diagonal())))

    @property
    def loosely(self) -> float:
        """What optimality conditions may be violated by on the way."""
        return _LOOSE * float(self.L.max(initial=0.0, where=~self.excluded))

    def descend(self, point: _Point, target: float, bound: float, max_iter: int):
        """Newton steps until gap and violated conditions are within their targets.

        Returns the last point, its gap (infinite if none is asked for) and the steps.
        """
        gap, n_iter = np.inf, 0
        while True:
            excess = self.S - point.covariance
            violation = self._violation(point, excess)
            if violation <= bound and target < np.inf:
                gap = self._gap(point)
            if violation <= bound and gap <= target:
                break
            following = None
            if n_iter < max_iter:
                following = self._step(point, excess, violation)
            if following is None:
                gap = self._gap(point) if target < np.inf else gap
                break
            point, gap, n_iter = following, np.inf, n_iter + 1
        return point, gap, n_iter

    def _point(self, precision, factor) -> _Point:
        objective = -_log_det(factor) + _linear(self.S, self.L, precision)
        return _Point(precision, _inverse(factor), objective)

    def _violation(self, point, excess) -> float:
        """Largest violated optimality condition."""
        T = point.precision
        active = np.abs(excess + self.L * np.sign(T))
        return float(np.where(T != 0.0, active, np.abs(excess) - self.L).max())

    def _step(self, point: _Point, excess, violation: float) -> _Point | None:
        """The point after a Newton step; None where rounding leaves no way down."""
        T = point.precision
        free = (T != 0.0) | ((np.abs(excess) > self.L) & ~self.excluded)
        model = QuadraticModel(excess, point.covariance, T, self.L, free)
        change = model.minimise(min(_FORCING, violation) * violation)
        sizes = np.abs(T)
        promise = np.sum(excess * change) + np.sum(
            self.L * (np.abs(T + change) - sizes)
        )
        slack = _ROUNDING * (abs(point.objective) + len(T))
        length = 1.0
        for _ in range(_HALVINGS):
            precision = T + length * change
            factor = _factor(precision)
            if factor is not None:
                following = self._point(precision, factor)
                fallen = point.objective - following.objective
                if fallen >= -_ARMIJO * length * promise - slack:
                    return following
            length *= 0.5
        return None

    def _gap(self, point: _Point) -> float:
        """Objective less the dual value at a feasible point near the inverse.

        The dual is log det W + p over |W - S| <= L.
        """
        W = np.clip(point.covariance, self.S - self.L, self.S + self.L)
        safe = None
        for retreat in range(_RETREATS):
            factor = _factor(W)
            if factor is not None:
                return abs(point.objective - _log_det(factor) - len(W))
            safe = self._feasible() if safe is None else safe
            W = 0.5 * (W + safe) if retreat < _RETREATS - 2 else safe
        return np.inf

    def _feasible(self) -> np.ndarray:
        """A dual feasible point: S, drawn to its diagonal as far as is allowed."""
        off = ~np.eye(len(self.S), dtype=bool)
        size = np.abs(self.S)
        share = np.divide(self.L, size, out=np.ones_like(size), where=off & (size > 0))
        share = min(share.min(initial=1.0, where=off), 1.0)
        safe = (1.0 - share) * self.S
        np.fill_diagonal(safe, self.S.diagonal() + self.L.diagonal())
        return safe


def _linear(S, L, T) -> float:
    """<S, T> + sum_jk L_jk |T_jk|, where infinite levels meet zeros alone."""
    return float(np.sum(S * T) + np.sum(L * np.abs(T), where=T != 0.0))


def _factor(matrix: np.ndarray) -> np.ndarray | None:
    """Lower Cholesky factor; None if there is none."""
    factor, info = dpotrf(matrix.T, lower=True, clean=False)
    return factor if info == 0 and np.isfinite(factor[-1, -1]) else None


def _log_det(factor: np.ndarray) -> float:
    return 2.0 * float(np.log(factor.diagonal()).sum())


def _inverse(factor: np.ndarray) -> np.ndarray:
    """Symmetric inverse from the factor, in C order."""
    inverse, _ = dpotri(factor, lower=True)
    return symmetrise(inverse)
