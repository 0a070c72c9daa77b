"""The smoothly clipped absolute deviation penalty."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op
from sparsestat.utils.dispatch import kernel

__all__ = ["SCAD"]


class SCAD(NamedTuple):
    """Penalty of slope ``min(a_j, max(gamma a_j - |w_j|, 0) / (gamma - 1))``.

    With ``a_j = alpha v_j``: the l1 norm up to ``a_j``, constant beyond ``gamma a_j``,
    a parabola between.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    gamma : float, default=3.7
        Where the penalty becomes constant, > 2; the l1 norm is the limit at infinity.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Fan and Li (2001), doi:10.1198/016214501753382273
    """

    alpha: float
    gamma: float = 3.7
    weights: Any = None
    positive: bool = False


@kernel
def _size_value(size, level, gamma):
    if size <= level:
        return level * size
    if size <= gamma * level:
        excess = size - level
        return level * size - excess * excess / (2.0 * (gamma - 1.0))
    return 0.5 * (gamma + 1.0) * level * level


@op.value.register(SCAD)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    return _size_value(abs(w), penalty.alpha * penalty.weights[j], penalty.gamma)


@op.prox.register(SCAD)
def _(penalty, z, step, j):
    level, size, gamma = penalty.alpha * penalty.weights[j], abs(z), penalty.gamma
    if penalty.positive and z < 0.0:
        return 0.0
    shrunk = size - step * level if size > step * level else 0.0
    if step >= gamma - 1.0:
        # More concave than the square: the l1 part or no shrinkage at all.
        loss = 0.5 * (size - shrunk) * (size - shrunk) / step
        cost = loss + _size_value(shrunk, level, gamma)
        return z if _size_value(size, level, gamma) < cost else np.copysign(shrunk, z)
    if not size > level + step * level:
        return np.copysign(shrunk, z)
    if size <= gamma * level:
        excess = (gamma - 1.0) * size - gamma * step * level
        return np.copysign(excess / (gamma - 1.0 - step), z)
    return z


@op.slope.register(SCAD)
def _(penalty, w, j):
    level, gamma = penalty.alpha * penalty.weights[j], penalty.gamma
    falling = max(gamma * level - abs(w), 0.0) / (gamma - 1.0)
    return np.copysign(min(level, falling), w)


@op.curvature.register(SCAD)
def _(penalty, w, j):
    level, size = penalty.alpha * penalty.weights[j], abs(w)
    bends = level < size and size < penalty.gamma * level
    return -1.0 / (penalty.gamma - 1.0) if bends else 0.0


@op.concavity.register(SCAD)
def _(penalty, j):
    return 1.0 / (penalty.gamma - 1.0) if penalty.weights[j] < np.inf else 0.0
