"""Unified accelerated gradient for l1 norms with a concave, smooth correction.

Three sequences of one gradient an iteration, after Ghadimi and Lan (2016),
doi:10.1007/s10107-015-0871-8, as applied to SCAD and MCP by Yang, Asgharian and
Bhatnagar (2022), arXiv:2009.10629, with restarts where the steps begin to shrink as in
Su, Boyd and Candes (2016), arXiv:1503.01243.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.design import predict
from sparsestat.optim.penalties import concavity, slope
from sparsestat.optim.problem import LeastSquares
from sparsestat.utils.dispatch import kernel

__all__ = ["accelerated_gradient"]

# Step in units of the reciprocal Lipschitz constant.
_STEP = 0.99
# Iterations between restarts at least.
_RESTART = 10


def accelerated_gradient(
    problem: LeastSquares,
    penalty: NamedTuple,
    w: np.ndarray,
    lipschitz: float,
    tolerance: float,
    max_iter: int,
) -> tuple[np.ndarray, int]:
    """Minimise from `w` until a gradient step moves none by more than `tolerance`.

    Parameters
    ----------
    problem : LeastSquares
    penalty : NamedTuple
        With `slope` of a finite limit at zero, and `concavity`.
    w : ndarray of shape (n_features,)
        Where to start.
    lipschitz : float
        Largest eigenvalue of the Gram matrix.
    tolerance : float
        In units of a gradient.
    max_iter : int
        Iterations at most, each with a product by X and one by its transpose.

    Returns
    -------
    w : ndarray of shape (n_features,)
    n_iter : int

    Notes
    -----
    The penalty is l1 with its slopes at zero, plus a concave part of Lipschitz slope
    that joins the smooth loss.
    """
    everyone = np.arange(len(w))
    levels, bend = np.empty(len(w)), np.zeros(1)
    fill_levels(penalty, levels, bend)
    constant = max(lipschitz, bend[0])
    beta = _STEP / constant
    positive = bool(getattr(penalty, "positive", False))
    x, ag, a = w.copy(), w.copy(), 1.0
    last_middle, last_change, since = w, np.inf, 0
    gradient = np.empty(len(w))
    for n_iter in range(1, max_iter + 1):
        middle = (1.0 - a) * ag + a * x
        u = problem.root * (problem.centred - predict(problem.design, everyone, middle))
        gradient[:] = problem.correlations(u)
        fill_descent(penalty, middle, levels, gradient)
        step = beta / a
        x = _shrink(x + step * gradient, step * levels, positive)
        ag = _shrink(middle + beta * gradient, beta * levels, positive)
        if constant * np.abs(ag - middle).max() <= tolerance:
            return ag, n_iter
        change = float(np.sum((middle - last_middle) ** 2))
        since += 1
        if change < last_change and since >= _RESTART:
            x, a, since = ag.copy(), 1.0, 0
        else:
            a = 2.0 / (1.0 + np.sqrt(1.0 + 4.0 / a**2))
        last_middle, last_change = middle, change
    return ag, max_iter


def _shrink(z: np.ndarray, level: np.ndarray, positive: bool) -> np.ndarray:
    """Soft thresholding of many coefficients."""
    low = 0.0 if positive else np.minimum(z + level, 0.0)
    return np.maximum(z - level, 0.0) + low


@kernel
def fill_levels(penalty, levels, bend):
    """Slopes at zero, and the largest concavity in bend[0]."""
    for j in range(len(levels)):
        levels[j] = slope(penalty, 0.0, j)
        bend[0] = max(bend[0], concavity(penalty, j))


@kernel
def fill_descent(penalty, w, levels, q):
    """Take the slope of the concave part from the correlations q."""
    for j in range(len(w)):
        if w[j] != 0.0:
            q[j] -= slope(penalty, w[j], j) - np.copysign(levels[j], w[j])
