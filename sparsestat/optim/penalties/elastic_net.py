"""The elastic net: l1 plus squared l2, both weighted."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op
from sparsestat.optim.penalties.l1 import soft_threshold

__all__ = ["ElasticNet"]


class ElasticNet(NamedTuple):
    """Penalty ``alpha * sum_j v_j (l1_ratio |w_j| + (1 - l1_ratio) w_j^2 / 2)``.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    l1_ratio : float
        In [0, 1]: 1 is the Lasso, 0 ridge.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Zou and Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x
    """

    alpha: float
    l1_ratio: float
    weights: Any = None
    positive: bool = False


@op.value.register(ElasticNet)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    rho = penalty.l1_ratio
    mixed = rho * abs(w) + 0.5 * (1.0 - rho) * w * w
    return penalty.alpha * penalty.weights[j] * mixed


@op.prox.register(ElasticNet)
def _(penalty, z, step, j):
    strength = step * penalty.alpha * penalty.weights[j]
    if strength == np.inf:
        return 0.0
    shrunk = soft_threshold(z, strength * penalty.l1_ratio, penalty.positive)
    return shrunk / (1.0 + strength * (1.0 - penalty.l1_ratio))


@op.gauge.register(ElasticNet)
def _(penalty, g, w, j):
    strength = penalty.alpha * penalty.weights[j]
    if penalty.weights[j] == 0.0 or penalty.weights[j] == np.inf:
        return 0.0
    g -= strength * (1.0 - penalty.l1_ratio) * w
    size = max(g, 0.0) if penalty.positive else abs(g)
    level = strength * penalty.l1_ratio
    if size == 0.0 or level == 0.0:
        return 0.0 if size == 0.0 else np.inf
    return size / level


@op.conjugate.register(ElasticNet)
def _(penalty, g, j):
    strength = penalty.alpha * penalty.weights[j]
    if strength == 0.0 or strength == np.inf:
        return 0.0
    size = max(g, 0.0) if penalty.positive else abs(g)
    excess = size - strength * penalty.l1_ratio
    if excess <= 0.0:
        return 0.0
    if penalty.l1_ratio == 1.0:
        return np.inf
    return excess * excess / (2.0 * strength * (1.0 - penalty.l1_ratio))


@op.slope.register(ElasticNet)
def _(penalty, w, j):
    strength = penalty.alpha * penalty.weights[j]
    rho = penalty.l1_ratio
    return strength * ((1.0 - rho) * w + np.copysign(rho, w))


@op.curvature.register(ElasticNet)
def _(penalty, w, j):
    if penalty.l1_ratio == 1.0:
        return 0.0
    return penalty.alpha * penalty.weights[j] * (1.0 - penalty.l1_ratio)
