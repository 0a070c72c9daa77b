"""The minimax concave penalty: an l1 norm whose price falls linearly to zero."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op

__all__ = ["MCP"]


class MCP(NamedTuple):
    """Minimax concave penalty ``sum_j int_0^|w_j| max(a_j - t / gamma, 0) dt``.

    With ``a_j = alpha v_j``: it starts like ``a_j |w_j|`` and is constant, so that
    nothing is shrunk, beyond ``gamma a_j``.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    gamma : float, default=3.0
        Reciprocal of the concavity, > 0; the l1 norm is the limit at infinity.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Zhang (2010), doi:10.1214/09-AOS729
    """

    alpha: float
    gamma: float = 3.0
    weights: Any = None
    positive: bool = False


@op.value.register(MCP)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    level, size = penalty.alpha * penalty.weights[j], abs(w)
    if size <= penalty.gamma * level:
        return level * size - size * size / (2.0 * penalty.gamma)
    return 0.5 * penalty.gamma * level * level


@op.prox.register(MCP)
def _(penalty, z, step, j):
    level, size = penalty.alpha * penalty.weights[j], abs(z)
    if penalty.positive and z < 0.0:
        return 0.0
    if step >= penalty.gamma:
        # More concave than the square: the better of zero and no shrinkage at all.
        return z if size > level * np.sqrt(penalty.gamma * step) else 0.0
    if not size > step * level:
        return 0.0
    if size <= penalty.gamma * level:
        return np.copysign((size - step * level) / (1.0 - step / penalty.gamma), z)
    return z


@op.slope.register(MCP)
def _(penalty, w, j):
    level = penalty.alpha * penalty.weights[j]
    return np.copysign(max(level - abs(w) / penalty.gamma, 0.0), w)


@op.curvature.register(MCP)
def _(penalty, w, j):
    bend = penalty.gamma * penalty.alpha * penalty.weights[j]
    return -1.0 / penalty.gamma if abs(w) < bend else 0.0


@op.concavity.register(MCP)
def _(penalty, j):
    return 1.0 / penalty.gamma if penalty.weights[j] < np.inf else 0.0
