"""Truncated Newton and limited-memory BFGS steps for smooth convex problems.

The problem is an object that knows its value, gradient and curvature; a solver ends
where the problem says that a bound of the suboptimality is small enough.  After Nash
(2000), doi:10.1016/S0377-0427(00)00426-X, and Liu and Nocedal (1989),
doi:10.1007/BF01589116.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize

__all__ = ["SmoothProblem", "conjugate_gradient", "lbfgs", "newton_cg"]

_MAX_CG = 500
_MAX_HALVINGS = 40
_ARMIJO = 1e-4
# A slope that is this much smaller than at the start is good where values round.
_FLAT = 0.9
_MEMORY = 6


class SmoothProblem(Protocol):
    """What the solvers ask for; points have a `value` and a `gradient`.

    `rounding` is the error of values of order one.
    """

    rounding: float

    def at(self, coefs: np.ndarray) -> Any:
        """Point with attributes `coefs`, `value` and `gradient`."""

    def hessian(self, point: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Product of the generalised Hessian at a point with a direction."""

    def inverse_diagonal(self, point: Any) -> np.ndarray:
        """Positive estimate of one over the diagonal of the Hessian."""

    def bound(self, point: Any) -> float:
        """Estimate of a duality gap, cheap to compute."""


def newton_cg(
    problem: SmoothProblem, point: Any, target: float, max_iter: int
) -> tuple[Any, int]:
    """Newton steps, each solved by preconditioned conjugate gradients as far as useful.

    Far from the solution a step is solved roughly; near to it so well that the bound
    is expected to meet its target.

    Parameters
    ----------
    problem : SmoothProblem
        What to minimise.
    point : object
        Where to start, a point of the problem.
    target : float
        Bound of the suboptimality at which to stop.
    max_iter : int
        Newton steps at most.

    Returns
    -------
    point : object
        The last point.
    n_iter : int
        Newton steps taken.
    """
    first = max(problem.bound(point), np.finfo(float).tiny)
    for n_iter in range(max_iter):
        bound = problem.bound(point)
        if bound <= target:
            return point, n_iter
        # The bound is a square of the gradient.
        rough = min(0.3, np.sqrt(bound / first))
        step = conjugate_gradient(
            problem.hessian(point),
            point.gradient,
            problem.inverse_diagonal(point),
            max(rough, 0.3 * np.sqrt(target / bound)),
        )
        latest = _search(problem, point, step)
        if latest is None:
            return point, n_iter
        stalled = latest.value >= point.value and problem.bound(latest) > 0.5 * bound
        if stalled:
            return point, n_iter + 1
        point = latest
    return point, max_iter


def lbfgs(
    problem: SmoothProblem, point: Any, target: float, max_iter: int
) -> tuple[Any, int]:
    """Limited-memory BFGS by SciPy, until the problem's bound meets its target.

    Where a problem improves what it is given (an intercept, say), steps go on there.

    Parameters
    ----------
    problem : SmoothProblem
        What to minimise.
    point : object
        Where to start, a point of the problem.
    target : float
        Bound of the suboptimality at which to stop.
    max_iter : int
        Steps at most.

    Returns
    -------
    point : object
        The best point.
    n_iter : int
        Steps taken.
    """
    start, best, lowest, n_iter = point.coefs, point, point.value, 0
    moved = 0.0
    if problem.bound(point) <= target:
        return point, 0

    def evaluate(x):
        nonlocal best, lowest, moved
        x = x.reshape(start.shape)
        latest = problem.at(x + moved) if (x != start).any() else point
        if problem.bound(latest) < problem.bound(best):
            best = latest
        if latest.value < lowest:  # not after steps that are much too long
            lowest, moved = latest.value, latest.coefs - x
        return latest.value, latest.gradient.ravel()

    def callback(_):
        nonlocal n_iter
        n_iter += 1
        if problem.bound(best) <= target:
            raise StopIteration

    settings = {"maxcor": _MEMORY, "maxiter": max_iter, "maxfun": 20 * max_iter}
    minimize(
        evaluate,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={**settings, "ftol": 0.0, "gtol": 0.0},
    )
    return best, n_iter


def conjugate_gradient(product, gradient, inverse_diagonal, tolerance):
    """Solve ``H d = -gradient`` to a relative residual in the preconditioned norm."""
    step, residual = np.zeros_like(gradient), -gradient
    scaled = inverse_diagonal * residual
    direction, square = scaled.copy(), np.vdot(residual, scaled)
    enough = tolerance**2 * square
    for _ in range(_MAX_CG):
        curved = product(direction)
        curvature = np.vdot(direction, curved)
        if not curvature > 0.0:
            # A direction without curvature: the loss is flat there, or linear.
            return step if step.any() else scaled
        length = square / curvature
        step += length * direction
        curved *= length
        residual -= curved
        np.multiply(inverse_diagonal, residual, out=scaled)
        latest = np.vdot(residual, scaled)
        if latest <= enough:
            break
        direction *= latest / square
        direction += scaled
        square = latest
    return step


def _search(problem, point, step):
    """First point along a step that descends enough; None where rounding rules."""
    slope = np.vdot(point.gradient, step)
    slack = problem.rounding * (1.0 + abs(point.value))
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        latest = problem.at(point.coefs + length * step)
        if latest.value <= point.value + _ARMIJO * length * slope:
            return latest
        end = np.vdot(latest.gradient, step)
        flat = abs(end) <= _FLAT * abs(slope) and latest.value <= point.value + slack
        if flat:
            return latest
        # Secant on the slope, kept away from both ends.
        share = slope / (slope - end) if end > slope else 0.5
        length *= min(max(share, 0.1), 0.7)
    return None
