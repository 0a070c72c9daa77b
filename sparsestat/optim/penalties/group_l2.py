"""The group Lasso: Euclidean norms of groups of coefficients."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _blocks as op
from sparsestat.utils.dispatch import kernel

__all__ = ["GroupL2"]

# Newton steps for the norm of a block; 13 were seen at condition 1e10.
_NEWTON_STEPS = 30


class GroupL2(NamedTuple):
    """Penalty ``alpha * sum_g v_g |w_g|_2`` over groups of features.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    groups : array-like of shape (n_features,), int
        Number of each feature's group, from 0 to n_groups - 1.
    weights : array-like of shape (n_groups,), default=None
        The v_g >= 0: 0 leaves a group unpenalised, inf excludes it; None stands for
        the square roots of the sizes.
    features : array-like of shape (n_coefs,), int, default=None
        Feature of each coefficient, where groups overlap: each has coefficients of its
        own, `groups` holds a label for each of them, and what a feature does is
        their sum (Jacob, Obozinski and Vert 2009, doi:10.1145/1553374.1553431).
        None stands for one coefficient a feature.

    References
    ----------
    Yuan and Lin (2006), doi:10.1111/j.1467-9868.2005.00532.x
    """

    alpha: float
    groups: Any
    weights: Any = None
    features: Any = None


@kernel
def norm(x):
    """Euclidean norm, without overflow."""
    largest = 0.0
    for i in range(len(x)):
        largest = max(largest, abs(x[i]))
    if largest == 0.0 or largest == np.inf:
        return largest
    total = 0.0
    for i in range(len(x)):
        total += (x[i] / largest) ** 2
    return largest * np.sqrt(total)


@kernel
def exact_block(level, values, vectors, b, w):
    """argmin_w w.T Q diag(l) Q.T w / 2 - b.T w + level |w|, level > 0.

    With u = Q.T b the norm h of the solution solves sum_i u_i^2 / (l_i h + level)^2 = 1
    unless |u| <= level.  The power -1/2 of the sum, less one, is concave and increases
    in h, so that Newton steps from below are monotone.
    """
    size = len(b)
    length = norm(b)
    if length <= level:
        for i in range(size):
            w[i] = 0.0
        return
    u = np.empty(size)
    for i in range(size):
        u[i] = 0.0
    for k in range(size):
        for i in range(size):
            u[i] += vectors[k, i] * b[k]
    h = (length - level) / values[size - 1]
    for _ in range(_NEWTON_STEPS):
        total, slope = 0.0, 0.0
        for i in range(size):
            share = u[i] / (values[i] * h + level)
            total += share * share
            slope += share * share * values[i] / (values[i] * h + level)
        change = (total - np.sqrt(total) * total) / slope
        if total <= 1.0:
            change = min(change, 0.0)
        h -= change
        if abs(change) <= 1e-15 * h:
            break
    for i in range(size):
        u[i] *= h / (values[i] * h + level)
    for k in range(size):
        total = 0.0
        for i in range(size):
            total += vectors[k, i] * u[i]
        w[k] = total


@op.block_value.register(GroupL2)
def _(penalty, w, g, start):
    length = norm(w)
    return penalty.alpha * penalty.weights[g] * length if length > 0.0 else 0.0


@op.block_prox.register(GroupL2)
def _(penalty, z, step, g, start, out):
    length, level = norm(z), step * penalty.alpha * penalty.weights[g]
    factor = 1.0 - level / length if length > level else 0.0
    for i in range(len(z)):
        out[i] = factor * z[i]


@op.block_gauge.register(GroupL2)
def _(penalty, x, g, start):
    length, level = norm(x), penalty.alpha * penalty.weights[g]
    return length / level if length > 0.0 else 0.0


@op.block_reach.register(GroupL2)
def _(penalty, g, start, size):
    return 1.0 / (penalty.alpha * penalty.weights[g])


@op.block_ridge.register(GroupL2)
def _(penalty, g):
    return 0.0


@op.block_conjugate.register(GroupL2)
def _(penalty, x, g, start):
    return 0.0 if norm(x) <= penalty.alpha * penalty.weights[g] else np.inf


@op.block_minimise.register(GroupL2)
def _(penalty, gram, values, vectors, b, w, g, start):
    exact_block(penalty.alpha * penalty.weights[g], values, vectors, b, w)


@op.block_hessian.register(GroupL2)
def _(penalty, w, g, start, slope, hessian):
    length, level = norm(w), penalty.alpha * penalty.weights[g]
    for i in range(len(w)):
        slope[i] = level * w[i] / length
        for k in range(len(w)):
            hessian[i, k] = -level * (w[i] / length) * (w[k] / length) / length
        hessian[i, i] += level / length


@op.price_of_features.register(GroupL2)
def _(penalty):
    weights = penalty.weights[penalty.groups]
    return np.where(np.isinf(weights), np.inf, np.where(weights == 0.0, 0.0, 1.0))
