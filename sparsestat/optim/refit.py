"""Least squares on the support of a penalised solution, from the factor that it left.

A solution w with residual u has G_AA w_A = c_A - X_A.T u on its support A, so that
least squares is one solve away: w_A + G_AA^{-1} X_A.T u.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.moments import gram_block
from sparsestat.optim.problem import allows_negative, ordinary_least_squares
from sparsestat.optim.run import Run

__all__ = ["factored", "refit"]

# Steps of Newton's method on a quadratic: the second removes rounding of the first.
_STEPS = 2


def refit(run: Run, features: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Coefficients of least squares on some features, those of a run's last solution.

    Parameters
    ----------
    run : Run
        With a separable penalty; where that allows no negative coefficients, they are
        not allowed here either.
    features, coef : ndarray of shape (n_nonzero,)
        Features and their coefficients on the scale of the design, where to start.

    Returns
    -------
    coef : ndarray of shape (n_nonzero,)
        Of least norm where the features are collinear.
    """
    problem = run.problem
    if len(features) == 0:
        return coef.copy()
    solve = run.solver.normal_solver(features)
    if solve is None and run.gram is not None:
        solve = factored(run.gram[np.ix_(features, features)])
    elif solve is None:
        weight = problem.root**2
        solve = factored(gram_block(problem.design, weight, features, features))
    if solve is not None:
        found = coef.copy()
        for _ in range(_STEPS):
            u = problem.residual(features, found)
            found += solve(problem.correlations(u, features))
        if found.min() >= 0.0 or allows_negative(run.penalty, features):
            return found
    matrix = problem.matrix(features)
    negative = allows_negative(run.penalty, features)
    return ordinary_least_squares(matrix, problem.target, negative)


def factored(gram: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Solve with a Gram matrix, or None where its features are collinear."""
    smallest = PIVOT * gram.diagonal()
    lower, info = dpotrf(gram, lower=True)
    if info != 0 or (lower.diagonal() ** 2 <= smallest).any():
        return None
    return lambda q: cho_solve((lower, True), q)
