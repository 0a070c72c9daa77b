"""One certified fit of a linear model under a Fenchel-Young loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import make_design
from sparsestat.optim.fenchel_young import Objective
from sparsestat.optim.newton_cg import lbfgs, newton_cg
from sparsestat.optim.proximal_newton import prox_newton

__all__ = ["LinearFit", "fit_linear", "make_objective"]

# Rounds of a solver, each to a tighter bound, and by how much.
_ROUNDS = 12
_TIGHTEN = 0.1
# Gaps below this may be rounding errors of a loss of order one.
_SMALLEST_GAP = 1e-12
# With so few coefficients a solution down to rounding errors costs next to nothing,
# and does not depend on the order of rows or on how their weights are given.
_SMALL = 500
_TO_ROUNDING = 1e-20
# From so many steps on, curvature pays whatever the scales of the features.
_PATIENCE = 800


class LinearFit(NamedTuple):
    """Coefficients on the scale of X with their certificate.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
    objective, loss : float
        With and without the penalty.
    gap, gap_tol : float
        Duality gap, and what was asked for.
    n_iter : int
    """

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    loss: float
    gap: float
    gap_tol: float
    n_iter: int


def make_objective(
    X, targets, n_classes, sample_weight, order, fit_intercept, standardize
) -> Objective:
    """The problem that data, weights and the order of the map make."""
    n_samples = X.shape[0]
    if sample_weight is None:
        shares = np.full(n_samples, 1.0 / n_samples)
    else:
        shares = sample_weight / sample_weight.sum()
    if sparse.issparse(X):
        X = sparse.csc_array(X)
    design = make_design(
        X,
        sample_weight=None if sample_weight is None else shares,
        fit_intercept=fit_intercept,
        standardize=standardize,
    )
    return Objective(design, targets, n_classes, shares, float(order), fit_intercept)


def fit_linear(
    problem: Objective,
    alpha: float,
    l1_ratio: float,
    solver: str,
    tol: float,
    max_iter: int,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> LinearFit:
    """Minimise at one strength.

    Parameters
    ----------
    problem : Objective
        Data and loss.
    alpha, l1_ratio : float
        Strength of the penalty and share of the l1 norm.
    solver : str
        Named as in the estimators.
    tol : float
        Duality gap to reach, relative to the null model's objective.
    max_iter : int
        Steps of the solver at most.
    start : tuple of ndarray, default=None
        Coefficients and intercept to start from; None is the null model.

    Returns
    -------
    fit : LinearFit
        The best that was found.
    """
    problem.set_strength(alpha, l1_ratio, tol)
    design = problem.design
    gap_tol = max(tol * problem.null_objective, _SMALLEST_GAP)
    coefs = problem.start()
    if start is not None:
        coefs[: len(design.mean)] = (start[0] * design.scale).T
        if problem.fit_intercept:
            coefs[-1] = start[1] + start[0] @ design.mean
    point = problem.at(coefs)
    if solver == "prox-newton" or (solver == "auto" and problem.l1 > 0.0):
        point, n_iter = prox_newton(problem, point, gap_tol, max_iter)
    else:
        method, target = _SMOOTH[solver], gap_tol
        if solver == "auto" and coefs.size <= _SMALL:
            method, target = newton_cg, gap_tol * _TO_ROUNDING
        point, n_iter = _certified(problem, point, method, target, gap_tol, max_iter)
    return _on_scale_of_data(problem, point, gap_tol, n_iter)


def _certified(problem, point, method, target, gap_tol, max_iter):
    """Run a solver until the duality gap, not its own bound, is small enough."""
    n_iter = 0
    for _ in range(_ROUNDS):
        point, taken = method(problem, point, target, max_iter - n_iter)
        n_iter += taken
        stuck = taken == 0 and problem.bound(point) > target
        if stuck or n_iter >= max_iter or problem.gap(point) <= gap_tol:
            break
        target = _TIGHTEN * min(target, problem.bound(point))
    return point, n_iter


def _mixed(problem, point, target, max_iter):
    """Cheap steps first, and Newton steps where those take too long."""
    point, n_iter = lbfgs(problem, point, target, min(max_iter, _PATIENCE))
    if problem.bound(point) <= target or n_iter >= max_iter:
        return point, n_iter
    point, more = newton_cg(problem, point, target, max_iter - n_iter)
    return point, n_iter + more


_SMOOTH = {"auto": _mixed, "lbfgs": lbfgs, "newton-cg": newton_cg}


def _on_scale_of_data(problem, point, gap_tol, n_iter) -> LinearFit:
    """Undo centring and scaling; in the precision of X, with what rounding costs."""
    design, n_features = problem.design, len(problem.design.mean)
    if problem.l1 == 0.0:
        # A common change of all scores matters to the penalty alone.
        coefs = point.coefs - point.coefs.mean(axis=1, keepdims=True)
        point = point._replace(coefs=coefs)
    gap = problem.gap(point)
    W = point.coefs[:n_features]
    value = problem.penalty(W) + point.loss
    coef = np.ascontiguousarray((W / design.scale[:, None]).T)
    intercept = np.zeros(problem.n_classes)
    if problem.fit_intercept:
        intercept = point.coefs[-1] - coef @ design.mean
        intercept -= intercept.mean()
    loss, dtype = point.loss, problem.dtype
    if dtype != np.float64:
        coef, intercept = coef.astype(dtype), intercept.astype(dtype)
        rounded = np.empty_like(point.coefs)
        rounded[:n_features] = (coef * design.scale).T
        if problem.fit_intercept:
            rounded[-1] = intercept + coef @ design.mean
        loss = problem.probabilities(problem.scores(rounded))[-1]
        at_rounded = loss + problem.penalty(rounded[:n_features])
        # The dual point stays, so the gap grows by what the objective does.
        gap, value = max(gap + at_rounded - value, 0.0), at_rounded
    return LinearFit(coef, intercept, value, loss, gap, gap_tol, n_iter)
