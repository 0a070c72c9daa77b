"""The multi-task penalty: Euclidean norms of a feature's coefficients in all tasks."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _blocks as op
from sparsestat.optim.penalties.group_l2 import norm

__all__ = ["RowL2"]


class RowL2(NamedTuple):
    """Penalty ``alpha * sum_j v_j (l1_ratio |w_j|_2 + (1 - l1_ratio) |w_j|_2^2 / 2)``.

    The w_j are rows of the coefficients: one row a feature, one entry a task.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    l1_ratio : float, default=1.0
        In [0, 1]: 1 is the multi-task Lasso, 0 ridge.
    weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a feature unpenalised, inf excludes it; None stands for
        ones.

    References
    ----------
    Obozinski, Taskar and Jordan (2010), doi:10.1007/s11222-008-9111-x
    """

    alpha: float
    l1_ratio: float = 1.0
    weights: Any = None


@op.block_value.register(RowL2)
def _(penalty, w, g, start):
    length, ratio = norm(w), penalty.l1_ratio
    if length == 0.0:
        return 0.0
    mixed = ratio * length + 0.5 * (1.0 - ratio) * length * length
    return penalty.alpha * penalty.weights[g] * mixed


@op.block_prox.register(RowL2)
def _(penalty, z, step, g, start, out):
    strength, length = step * penalty.alpha * penalty.weights[g], norm(z)
    factor = 0.0
    if strength < np.inf and length > strength * penalty.l1_ratio:
        factor = 1.0 - strength * penalty.l1_ratio / length
        factor /= 1.0 + strength * (1.0 - penalty.l1_ratio)
    for i in range(len(z)):
        out[i] = factor * z[i]


@op.block_gauge.register(RowL2)
def _(penalty, x, g, start):
    length = norm(x)
    level = penalty.alpha * penalty.l1_ratio * penalty.weights[g]
    return length / level if length > 0.0 else 0.0


@op.block_reach.register(RowL2)
def _(penalty, g, start, size):
    return 1.0 / (penalty.alpha * penalty.l1_ratio * penalty.weights[g])


@op.block_ridge.register(RowL2)
def _(penalty, g):
    if penalty.l1_ratio == 1.0:
        return 0.0
    return penalty.alpha * (1.0 - penalty.l1_ratio) * penalty.weights[g]


@op.block_conjugate.register(RowL2)
def _(penalty, x, g, start):
    strength = penalty.alpha * penalty.weights[g]
    excess = norm(x) - strength * penalty.l1_ratio
    if excess <= 0.0:
        return 0.0
    if penalty.l1_ratio == 1.0:
        return np.inf
    return excess * excess / (2.0 * strength * (1.0 - penalty.l1_ratio))


@op.block_hessian.register(RowL2)
def _(penalty, w, g, start, slope, hessian):
    length, strength = norm(w), penalty.alpha * penalty.weights[g]
    level, ridge = strength * penalty.l1_ratio, strength * (1.0 - penalty.l1_ratio)
    for i in range(len(w)):
        slope[i] = level * w[i] / length + ridge * w[i]
        for k in range(len(w)):
            hessian[i, k] = -level * (w[i] / length) * (w[k] / length) / length
        hessian[i, i] += level / length + ridge


@op.price_of_features.register(RowL2)
def _(penalty):
    weights = penalty.weights
    return np.where(np.isinf(weights), np.inf, np.where(weights == 0.0, 0.0, 1.0))
