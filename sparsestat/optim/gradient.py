"""Gradient methods for separable penalties that need not be convex.

They work on all features at once, and so cost two products with X an iteration; the
certificate is that of coordinate descent.  Where a point is stationary for the gradient
method but no minimiser in a single coefficient, a pass of coordinate descent leaves it.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from sparsestat.optim.certificate import stationarity
from sparsestat.optim.coordinate_descent import ResidualWorkingSet
from sparsestat.optim.correlations import Correlations
from sparsestat.optim.design import predict
from sparsestat.optim.general import GeneralSolver
from sparsestat.optim.general_working_set import penalty_values
from sparsestat.optim.penalties import concavity
from sparsestat.optim.pncg import conjugate_gradient
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.uag import accelerated_gradient

__all__ = ["GRADIENT_METHODS", "GradientSolver", "largest_eigenvalue"]

GRADIENT_METHODS = {"uag": accelerated_gradient, "pncg": conjugate_gradient}

# Iterations for each outer round that is allowed, and how the tolerance of the method
# falls while the certificate is not met.
_ITERATIONS = 100
_TIGHTER = 0.2
# Below this size eigenvalues are those of a small matrix.
_SMALL = 64
_SAFETY = 1.01


class GradientSolver(GeneralSolver):
    """Solve by a gradient method on all features; see `GeneralSolver`.

    Parameters
    ----------
    problem : LeastSquares
        With known norms of the columns.
    method : {"uag", "pncg"}
    n_path : int
        Strengths at least in which to come down from the largest useful one.
    """

    def __init__(self, problem: LeastSquares, method: str, n_path: int) -> None:
        self.problem = problem
        self._method, self._n_path = method, n_path
        self._correlations = Correlations(problem)
        self._started = False
        self._smallest = None
        self._lipschitz = largest_eigenvalue(problem)
        self._w = np.zeros(len(problem.excluded))
        self._sweeper: ResidualWorkingSet | None = None

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Fit the unpenalised features alone; see :meth:`GeneralSolver.null`.

        Raises
        ------
        TypeError
            If the method needs more of the penalty than it knows.
        """
        if self._method == "uag" and not concavity.registered(type(penalty)):
            raise TypeError(
                "solver='uag' needs a penalty of bounded concavity, with "
                f"optim.penalties.concavity; got {type(penalty).__name__}."
            )
        return super().null(penalty)

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._begin(features, coef)
        self._started = True

    def _begin(self, features: np.ndarray, coef: np.ndarray) -> None:
        self._w[features] = coef

    def _stage(self, penalty, target: float, max_iter: int) -> Step:
        minimise = GRADIENT_METHODS[self._method]
        left, n_iter, tolerance = max_iter * _ITERATIONS, 0, target
        lipschitz = self.problem.design.norm**2
        while True:
            self._w, taken = minimise(
                self.problem, penalty, self._w, self._lipschitz, tolerance, left
            )
            left, n_iter = left - taken, n_iter + taken
            features = np.flatnonzero(self._w)
            u = self.problem.residual(features, self._w[features])
            self._correlations.refresh(u)
            q = np.where(self.problem.excluded, 0.0, self._correlations.values)
            gap = stationarity(penalty, self._w, q, lipschitz)
            if gap <= target or left <= 0:
                break
            tolerance *= _TIGHTER
            self._sweep(penalty)
        loss = 0.5 * float(u @ u)
        coef = self._w[features]
        objective = loss + float(penalty_values(penalty, self._w).sum())
        converged = bool(gap <= target)
        return Step(features, coef, objective, loss, gap, 1.0, n_iter, converged, gap)

    def _sweep(self, penalty) -> None:
        """Pass over all features once with exact scalar minimisers."""
        if self._sweeper is None:
            self._sweeper = ResidualWorkingSet(self.problem)
            self._sweeper.add(np.flatnonzero(~self.problem.excluded))
        features = self._sweeper.features
        self._sweeper.warm_start(features, self._w[features])
        self._sweeper.sweep(penalty)
        self._w[features] = self._sweeper.w


def largest_eigenvalue(problem: LeastSquares) -> float:
    """Largest eigenvalue of X~.T S X~, slightly on the safe side."""
    design, root = problem.design, problem.root
    p = len(problem.excluded)
    everyone = np.arange(p)

    def product(w):
        image = predict(design, everyone, np.ravel(w))
        return problem.correlations(root * image)

    if p <= _SMALL:
        gram = np.column_stack([product(row) for row in np.eye(p)])
        return _SAFETY * float(np.linalg.eigvalsh(gram).max())
    operator = LinearOperator((p, p), matvec=product, dtype=np.float64)
    start = problem.design.norm + 1e-300
    found = eigsh(operator, k=1, v0=start, tol=1e-3, return_eigenvectors=False)
    return _SAFETY * float(found[0])
