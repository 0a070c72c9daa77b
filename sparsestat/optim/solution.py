"""What solvers return."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["PathSolution", "Solution"]


class Solution(NamedTuple):
    """Solution of one problem.

    Parameters
    ----------
    coef : ndarray of shape (n_features,)
        On the scale of the given X; (n_features, n_tasks) with several tasks, and one
        for each member of a group where groups overlap.
    intercept : float
        Or an array of shape (n_tasks,).
    dual : ndarray of shape (n_samples,)
        Residual y - X w - b, scaled into the feasible set of the dual where the
        penalty has a gauge.
    objective : float
    gap : float
        Duality gap, in units of the objective; inf where the penalty has no dual.
    stationarity : float
        Largest violation of the optimality conditions, in units of a gradient.
    n_iter : int
    converged : bool
    """

    coef: np.ndarray
    intercept: float
    dual: np.ndarray
    objective: float
    gap: float
    stationarity: float
    n_iter: int
    converged: bool


class PathSolution(NamedTuple):
    """Solutions along a grid of strengths.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Decreasing.
    coefs : csc_array of shape (n_features, n_alphas)
        With several tasks (n_features * n_tasks, n_alphas), the tasks of a feature
        next to each other, and intercepts of shape (n_tasks, n_alphas).
    intercepts, objectives, losses, gaps : ndarray of shape (n_alphas,)
        Losses are objectives without the penalty.
    gap_tol : float
        The gap that was asked for: tol times the null model's objective.
    n_iters : ndarray of shape (n_alphas,)
    n_passes : float
        Passes over X that correlations took.
    converged : ndarray of shape (n_alphas,), bool
    refit : PathSolution or None
        Least squares on the supports, where it was asked for.
    """

    alphas: np.ndarray
    coefs: sparse.csc_array
    intercepts: np.ndarray
    objectives: np.ndarray
    losses: np.ndarray
    gaps: np.ndarray
    gap_tol: float
    n_iters: np.ndarray
    n_passes: float
    converged: np.ndarray
    refit: Any = None
