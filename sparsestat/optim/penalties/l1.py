"""The l1 norm, weighted and optionally on the non-negative orthant."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op
from sparsestat.utils.dispatch import kernel

__all__ = ["L1", "soft_threshold"]


class L1(NamedTuple):
    """Weighted l1 penalty ``alpha * sum_j v_j |w_j|``, on w >= 0 where `positive`.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x
    """

    alpha: float
    weights: Any = None
    positive: bool = False


@kernel
def soft_threshold(z, level, positive):
    """Minimiser of ``(w - z)^2 / 2 + level |w|``, on w >= 0 where `positive`."""
    if z > level:
        return z - level
    if z < -level and not positive:
        return z + level
    return 0.0


@op.value.register(L1)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    return penalty.alpha * penalty.weights[j] * abs(w)


@op.prox.register(L1)
def _(penalty, z, step, j):
    level = step * penalty.alpha * penalty.weights[j]
    return soft_threshold(z, level, penalty.positive)


@op.gauge.register(L1)
def _(penalty, g, w, j):
    size = max(g, 0.0) if penalty.positive else abs(g)
    level = penalty.alpha * penalty.weights[j]
    if penalty.weights[j] == 0.0 or size == 0.0:
        return 0.0
    return size / level


@op.conjugate.register(L1)
def _(penalty, g, j):
    size = max(g, 0.0) if penalty.positive else abs(g)
    if penalty.weights[j] == 0.0 or size <= penalty.alpha * penalty.weights[j]:
        return 0.0
    return np.inf


@op.slope.register(L1)
def _(penalty, w, j):
    return np.copysign(penalty.alpha * penalty.weights[j], w)


@op.curvature.register(L1)
def _(penalty, w, j):
    return 0.0
