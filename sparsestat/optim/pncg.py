"""Proximal nonlinear conjugate gradients.

Directions are conjugated from fixed-point residuals G(w) = L (w - prox(w - grad / L)),
which vanish at stationary points; steps are searched along the orthant of w.  After
Hestenes and Stiefel (1952), doi:10.6028/jres.049.044, with G in place of a gradient.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.design import predict
from sparsestat.optim.general_working_set import penalty_values
from sparsestat.optim.penalties import prox
from sparsestat.optim.problem import LeastSquares
from sparsestat.utils.dispatch import kernel

__all__ = ["conjugate_gradient"]

# Share of the expected decrease that a step has to reach, and halvings at most.
_ARMIJO = 1e-4
_HALVINGS = 12
# Directions less downhill than this, relative to |G|^2, are given up.
_DOWNHILL = 1e-3


def conjugate_gradient(
    problem: LeastSquares,
    penalty: NamedTuple,
    w: np.ndarray,
    lipschitz: float,
    tolerance: float,
    max_iter: int,
) -> tuple[np.ndarray, int]:
    """Minimise from `w` until the fixed-point residual is within the tolerance.

    Parameters
    ----------
    problem : LeastSquares
    penalty : NamedTuple
        Only value and prox are needed.
    w : ndarray of shape (n_features,)
        Where to start.
    lipschitz : float
        Largest eigenvalue of the Gram matrix.
    tolerance : float
        In units of a gradient.
    max_iter : int
        Iterations at most.

    Returns
    -------
    w : ndarray of shape (n_features,)
    n_iter : int

    Notes
    -----
    The objective never rises: where no step along the direction lowers it, a proximal
    gradient step does.
    """
    state = _State(problem, penalty, w)
    gradient_map = np.empty(len(w))
    direction, last_map = None, None
    for n_iter in range(1, max_iter + 1):
        fill_map(penalty, state.w, state.q, lipschitz, gradient_map)
        if np.abs(gradient_map).max() <= tolerance:
            return state.w, n_iter
        support = state.w != 0.0
        direction = _conjugate(direction, last_map, gradient_map)
        last_map = gradient_map.copy()
        if not state.search(direction, gradient_map, lipschitz):
            state.move(state.w - gradient_map / lipschitz)
            direction = None
        elif (support != (state.w != 0.0)).any():
            direction = None
    return state.w, max_iter


def _conjugate(direction, last_map, gradient_map) -> np.ndarray:
    """Next direction, or minus the fixed-point residual to begin anew."""
    if direction is None:
        return -gradient_map
    change = gradient_map - last_map
    curvature = float(direction @ change)
    if curvature <= 0.0:
        return -gradient_map
    beta = max(0.0, float(gradient_map @ change) / curvature)
    found = beta * direction - gradient_map
    if float(found @ gradient_map) > -_DOWNHILL * float(gradient_map @ gradient_map):
        return -gradient_map
    return found


class _State:
    """Coefficients with what follows from them."""

    def __init__(self, problem, penalty, w) -> None:
        self.problem, self.penalty = problem, penalty
        self.move(w)

    def move(self, w: np.ndarray) -> None:
        """Go to coefficients."""
        self.w, self.u = w, self._residual(w)
        self._terms = penalty_values(self.penalty, w)
        self.q = self.problem.correlations(self.u)

    def search(self, direction, gradient_map, lipschitz) -> bool:
        """Go along a direction, within the orthant, to where the objective falls."""
        # Coefficients at zero may go where the proximal step takes them.
        signs = np.where(self.w != 0.0, np.sign(self.w), -np.sign(gradient_map))
        expected = float(direction @ gradient_map)
        image = self._image(direction)
        curvature = float(image @ image)
        length = 1.0 / lipschitz
        if curvature > 0.0:
            length = max(length, -expected / curvature)
        for _ in range(_HALVINGS):
            w = self.w + length * direction
            w[w * signs <= 0.0] = 0.0
            if self._rise(w) <= _ARMIJO * length * expected:
                self.move(w)
                return True
            length *= 0.5
        return False

    def _rise(self, w: np.ndarray) -> float:
        """Change of the objective, by differences so that rounding stays small."""
        change = self._image(w - self.w)
        loss = float(change @ (0.5 * change - self.u))
        return loss + float((penalty_values(self.penalty, w) - self._terms).sum())

    def _image(self, change: np.ndarray) -> np.ndarray:
        moved = np.flatnonzero(change)
        fitted = predict(self.problem.design, moved, change[moved])
        return self.problem.root * fitted

    def _residual(self, w: np.ndarray) -> np.ndarray:
        nonzero = np.flatnonzero(w)
        return self.problem.residual(nonzero, w[nonzero])


@kernel
def fill_map(penalty, w, q, lipschitz, out):
    """L (w - prox(w + q / L)), the fixed-point residual of proximal gradient steps."""
    step = 1.0 / lipschitz
    for j in range(len(w)):
        out[j] = lipschitz * (w[j] - prox(penalty, w[j] + step * q[j], step, j))
