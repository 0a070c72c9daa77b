"""Powers of the coefficients below one: penalties of infinite slope at zero."""

import math
from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _operations as op
from sparsestat.utils.dispatch import kernel

__all__ = ["Lq"]

_MOST_ITERATIONS = 50


class Lq(NamedTuple):
    """Penalty ``alpha * sum_j v_j |w_j|^q`` with 0 < q < 1.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    q : float, default=0.5
        Power in (0, 1); 1/2 and 2/3 have proximal operators in closed form.
    weights : ndarray of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it;
        None stands for ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.

    References
    ----------
    Xu, Chang, Xu and Zhang (2012), doi:10.1109/TNNLS.2012.2197412
    """

    alpha: float
    q: float = 0.5
    weights: Any = None
    positive: bool = False


@kernel
def _threshold(q):
    """Smallest z with a nonzero minimiser of (w - z)^2 / 2 + w^q."""
    base = (2.0 * (1.0 - q)) ** (1.0 / (2.0 - q))
    return base + q * base ** (q - 1.0)


@kernel
def _largest_root(k, q):
    """Largest root x of ``x - 1 + k q x^(q - 1) = 0``, for k below its threshold."""
    if k == 0.0:
        return 1.0
    if q == 0.5:
        angle = math.acos(0.25 * k * 3.0**1.5)
        return (2.0 + 2.0 * math.cos((2.0 / 3.0) * (math.pi - angle))) / 3.0
    if q == 2.0 / 3.0:
        # In t = x^(1/3) a quartic, t^4 - t + c: two quadratic factors, whose linear
        # terms +- a solve the resolvent a^6 - 4 c a^2 - 1 = 0.
        c = 2.0 * k / 3.0
        if c < 1e-12:
            return 1.0 - c - c * c / 3.0
        size = 4.0 * c / 3.0
        angle = math.acosh(max(0.5 * size**-1.5, 1.0)) / 3.0
        a = math.sqrt(2.0 * math.sqrt(size) * math.cosh(angle))
        return (0.5 * (a + math.sqrt(max(2.0 / a - a * a, 0.0)))) ** 3
    x = 1.0
    for _ in range(_MOST_ITERATIONS):  # from the right of a convex function's root
        power = k * q * x ** (q - 2.0)
        change = (x - 1.0 + power * x) / (1.0 - (1.0 - q) * power)
        x -= change
        if abs(change) <= 1e-14 * x:
            break
    return x


@op.value.register(Lq)
def _(penalty, w, j):
    if w == 0.0:
        return 0.0
    if penalty.positive and w < 0.0:
        return np.inf
    return penalty.alpha * penalty.weights[j] * abs(w) ** penalty.q


@op.prox.register(Lq)
def _(penalty, z, step, j):
    if z == 0.0 or (penalty.positive and z < 0.0):
        return 0.0
    q, level = penalty.q, step * penalty.alpha * penalty.weights[j]
    share = level ** (1.0 / (2.0 - q)) / abs(z)
    if not share * _threshold(q) < 1.0:
        return 0.0
    # In units of z: (x - 1)^2 / 2 + k x^q.
    return z * _largest_root(share ** (2.0 - q), q)


@op.slope.register(Lq)
def _(penalty, w, j):
    level = penalty.alpha * penalty.weights[j]
    return np.copysign(level * penalty.q * abs(w) ** (penalty.q - 1.0), w)


@op.curvature.register(Lq)
def _(penalty, w, j):
    q, level = penalty.q, penalty.alpha * penalty.weights[j]
    return -level * q * (1.0 - q) * abs(w) ** (q - 2.0)
