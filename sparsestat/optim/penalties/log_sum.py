"""The logarithm of the coefficients: what reweighted l1 norms minimise."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op

__all__ = ["LogSum"]


class LogSum(NamedTuple):
    """Penalty ``alpha * sum_j v_j log(1 + |w_j| / epsilon)``.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    epsilon : float, default=1.0
        Size, > 0, of a coefficient that counts as large; the number of nonzero
        coefficients, up to a factor, is the limit at zero.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Candes, Wakin and Boyd (2008), doi:10.1007/s00041-008-9045-x
    """

    alpha: float
    epsilon: float = 1.0
    weights: Any = None
    positive: bool = False


@op.value.register(LogSum)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    level = penalty.alpha * penalty.weights[j]
    return level * np.log1p(abs(w) / penalty.epsilon)


@op.prox.register(LogSum)
def _(penalty, z, step, j):
    # Stationary points solve (w - size) (w + eps) + level = 0; the larger one counts.
    level = step * penalty.alpha * penalty.weights[j]
    eps, size = penalty.epsilon, abs(z)
    square = (size + eps) * (size + eps) - 4.0 * level
    if (penalty.positive and z < 0.0) or not square >= 0.0:
        return 0.0
    root = np.sqrt(square)
    if size > eps:
        w = 0.5 * (size - eps + root)
    else:
        w = 2.0 * (size * eps - level) / (eps - size + root)  # without cancellation
    if not w > 0.0:
        return 0.0
    # Against zero, whose cost is size^2 / 2.
    gain = w * (size - 0.5 * w) - level * np.log1p(w / eps)
    return np.copysign(w, z) if gain > 0.0 else 0.0


@op.slope.register(LogSum)
def _(penalty, w, j):
    level = penalty.alpha * penalty.weights[j]
    return np.copysign(level / (abs(w) + penalty.epsilon), w)


@op.curvature.register(LogSum)
def _(penalty, w, j):
    level, shifted = penalty.alpha * penalty.weights[j], abs(w) + penalty.epsilon
    return -level / (shifted * shifted)


@op.concavity.register(LogSum)
def _(penalty, j):
    if penalty.weights[j] == np.inf:
        return 0.0
    return penalty.alpha * penalty.weights[j] / penalty.epsilon**2
