"""The sparse group Lasso: norms of groups and of single coefficients together."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _blocks as op
from sparsestat.optim.penalties.group_l2 import exact_block, norm
from sparsestat.utils.dispatch import kernel

__all__ = ["SparseGroup"]

_PASSES = 10
_NEWTON_STEPS = 50


class SparseGroup(NamedTuple):
    """Penalty ``alpha (l1_ratio sum_j v_j |w_j| + (1 - l1_ratio) sum_g v_g |w_g|_2)``.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    l1_ratio : float
        In [0, 1]: 1 is the Lasso, 0 the group Lasso.
    groups : array-like of shape (n_features,), int
        Number of each feature's group, from 0 to n_groups - 1.
    weights : array-like of shape (n_groups,), default=None
        The v_g >= 0; None stands for the square roots of the sizes.
    feature_weights : array-like of shape (n_features,), default=None
        The v_j >= 0; None stands for ones.  Features without any price are
        unpenalised, those with an infinite one excluded.
    features : array-like of shape (n_coefs,), int, default=None
        Feature of each coefficient, where groups overlap: each has coefficients of its
        own, `groups` and `feature_weights` have an entry for each of them, and what a
        feature does is their sum; see `GroupL2`. None stands for one a feature.
    positive : bool, default=False
        Restrict the coefficients to w >= 0, where every one has a price.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani (2013), doi:10.1080/10618600.2012.681250
    """

    alpha: float
    l1_ratio: float
    groups: Any
    weights: Any = None
    feature_weights: Any = None
    features: Any = None
    positive: bool = False


@kernel
def _levels(penalty, g):
    """Strength for single coefficients, to be times v_j, and that of the norm."""
    single = penalty.alpha * penalty.l1_ratio
    shared = 1.0 - penalty.l1_ratio
    return single, penalty.alpha * shared * penalty.weights[g] if shared > 0.0 else 0.0


@kernel
def _excess(x, single, prices, positive, out):
    """Soft-threshold x by single * prices; returns the norm of what is left."""
    for i in range(len(x)):
        level = single * prices[i] if single > 0.0 else 0.0
        below = 0.0 if positive else min(x[i] + level, 0.0)
        out[i] = max(x[i] - level, 0.0) + below  # x may be `out`
    return norm(out)


@kernel
def _size(x, positive):
    """|x|, or what of it pulls a coefficient that is not negative away from zero."""
    return max(x, 0.0) if positive else abs(x)


@kernel
def _coordinate(curvature, z, level, shared, rest2, positive):
    """argmin_x curvature x^2 / 2 - z x + level |x| + shared sqrt(x^2 + rest2).

    The derivative beyond `level` is concave and increases: Newton steps from below.
    """
    push = _size(z, positive) - level
    if push <= 0.0 or (rest2 == 0.0 and push <= shared):
        return 0.0
    if rest2 == 0.0:
        return np.copysign((push - shared) / curvature, z)
    x = push / (curvature + shared / np.sqrt(rest2))
    for _ in range(_NEWTON_STEPS):
        root = np.sqrt(x * x + rest2)
        value = curvature * x + shared * x / root - push
        change = value / (curvature + shared * rest2 / root / root / root)
        x -= change
        if abs(change) <= 1e-15 * x:
            break
    return np.copysign(x, z)


@op.block_value.register(SparseGroup)
def _(penalty, w, g, start):
    single, shared = _levels(penalty, g)
    total = 0.0
    if penalty.positive:
        for i in range(len(w)):
            if w[i] < 0.0:
                return np.inf
    if single > 0.0:
        for i in range(len(w)):
            if w[i] != 0.0:
                total += single * penalty.feature_weights[start + i] * abs(w[i])
    length = norm(w)
    return total + shared * length if length > 0.0 else total


@op.block_prox.register(SparseGroup)
def _(penalty, z, step, g, start, out):
    single, shared = _levels(penalty, g)
    prices = penalty.feature_weights[start : start + len(z)]
    length = _excess(z, step * single, prices, penalty.positive, out)
    level = step * shared
    factor = 1.0 - level / length if length > level else 0.0
    for i in range(len(z)):
        out[i] *= factor


@op.block_gauge.register(SparseGroup)
def _(penalty, x, g, start):
    single, shared = _levels(penalty, g)
    prices = penalty.feature_weights[start : start + len(x)]
    if shared == 0.0:
        largest = 0.0
        for i in range(len(x)):
            size = _size(x[i], penalty.positive)
            if size > 0.0:
                largest = max(largest, size / (single * prices[i]))
        return largest
    # |(|x| - t single prices)_+| = t shared: the left side is convex and falls in t.
    t = 0.0
    for _ in range(_NEWTON_STEPS):
        total, slope = 0.0, 0.0
        for i in range(len(x)):
            level = single * prices[i] if single > 0.0 else 0.0
            over = _size(x[i], penalty.positive) - t * level
            if over > 0.0:
                total += over * over
                slope += level * over
        root = np.sqrt(total)
        if root <= t * shared:
            break
        change = (root - t * shared) / (slope / root + shared)
        t += change
        if change <= 1e-15 * t:
            break
    return t


@op.block_reach.register(SparseGroup)
def _(penalty, g, start, size):
    single, shared = _levels(penalty, g)
    least = np.inf
    for i in range(size):
        least = min(least, penalty.feature_weights[start + i])
    if single > 0.0 and size > 0:
        shared += single * least
    return 1.0 / shared


@op.block_ridge.register(SparseGroup)
def _(penalty, g):
    return 0.0


@op.block_conjugate.register(SparseGroup)
def _(penalty, x, g, start):
    single, shared = _levels(penalty, g)
    prices = penalty.feature_weights[start : start + len(x)]
    rest = np.empty(len(x))
    inside = _excess(x, single, prices, penalty.positive, rest) <= shared
    return 0.0 if inside else np.inf


@op.block_minimise.register(SparseGroup)
def _(penalty, gram, values, vectors, b, w, g, start):
    single, shared = _levels(penalty, g)
    size = len(b)
    prices = penalty.feature_weights[start : start + size]
    positive = penalty.positive
    if single == 0.0 and not positive:
        exact_block(shared, values, vectors, b, w)
        return
    step = np.empty(size)
    length = _excess(b, single, prices, positive, step)
    if length <= shared:
        for i in range(size):
            w[i] = 0.0
        return
    if norm(w) == 0.0:
        # Coordinates cannot leave zero one by one; a proximal step does.
        factor = (1.0 - shared / length) / values[size - 1]
        for i in range(size):
            w[i] = factor * step[i]
    total2, gradient = 0.0, step
    for i in range(size):
        total2 += w[i] * w[i]
        gradient[i] = b[i]
    for k in range(size):
        for i in range(size):
            gradient[i] -= gram[k, i] * w[k]
    for _ in range(_PASSES):
        moved = 0.0
        for i in range(size):
            if gram[i, i] <= 0.0:
                continue
            old = w[i]
            rest2 = 0.0
            for k in range(size):
                if k != i:
                    rest2 += w[k] * w[k]
            z = gradient[i] + gram[i, i] * old
            level = single * prices[i] if single > 0.0 else 0.0
            new = _coordinate(gram[i, i], z, level, shared, rest2, positive)
            if new != old:
                w[i] = new
                for k in range(size):
                    gradient[k] -= (new - old) * gram[i, k]
                moved = max(moved, abs(new - old) * np.sqrt(gram[i, i]))
        if moved <= 1e-12 * np.sqrt(values[size - 1]) * norm(w):
            break


@op.block_hessian.register(SparseGroup)
def _(penalty, w, g, start, slope, hessian):
    single, shared = _levels(penalty, g)
    length = norm(w)
    for i in range(len(w)):
        slope[i] = shared * w[i] / length
        if single > 0.0:
            slope[i] += np.copysign(single * penalty.feature_weights[start + i], w[i])
        for k in range(len(w)):
            hessian[i, k] = -shared * (w[i] / length) * (w[k] / length) / length
        hessian[i, i] += shared / length


@op.price_of_features.register(SparseGroup)
def _(penalty):
    ratio, prices = penalty.l1_ratio, np.zeros(len(penalty.groups))
    if ratio > 0.0:
        prices += ratio * penalty.feature_weights
    if ratio < 1.0:
        prices += (1.0 - ratio) * penalty.weights[penalty.groups]
    return np.where(np.isinf(prices), np.inf, np.where(prices == 0.0, 0.0, 1.0))
