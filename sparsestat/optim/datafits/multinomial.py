"""The multinomial logistic loss of several classes."""

from typing import NamedTuple

import numpy as np
from scipy.special import xlog1py, xlogy

from sparsestat.optim.datafits import _operations as op

__all__ = ["Multinomial"]

# Sums of dual variables over the classes that count as zero.
_ROUNDING = 1e-12


class Multinomial(NamedTuple):
    """Multinomial loss f(y, z) = log(sum_k exp(z_k)) - z_y of classes y = 0, 1, ...

    Predictions have a column for each class; y may be float.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.datafits import Multinomial, loss
    >>> loss(Multinomial(), np.array([2.0]), np.zeros((1, 3))).round(4)
    array([1.0986])
    """


def _observed(y, z) -> np.ndarray:
    """One at the class of each sample, of the shape of its predictions."""
    return (np.asarray(y)[..., None] == np.arange(z.shape[-1])).astype(np.float64)


def probabilities(z) -> np.ndarray:
    """Softmax of predictions, over the last axis."""
    shares = np.exp(z - z.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


@op.loss.register(Multinomial)
def _(datafit, y, z):
    # Relative to the observed class, so that small losses keep their accuracy.
    z = z - np.take_along_axis(z, np.asarray(y, np.intp)[..., None], axis=-1)
    first = z.argmax(axis=-1)[..., None]
    top = np.take_along_axis(z, first, axis=-1)
    others = np.exp(z - top)
    np.put_along_axis(others, first, 0.0, axis=-1)
    return top[..., 0] + np.log1p(others.sum(axis=-1))


@op.dual_variable.register(Multinomial)
def _(datafit, y, z):
    u = -probabilities(z)
    own = np.asarray(y, np.intp)[..., None]
    np.put_along_axis(u, own, 0.0, axis=-1)
    # The probability of all other classes keeps its accuracy, however small.
    np.put_along_axis(u, own, -u.sum(axis=-1, keepdims=True), axis=-1)
    return u


@op.dual_value.register(Multinomial)
def _(datafit, y, u):
    p = _observed(y, u) - u
    balanced = np.abs(u.sum(axis=-1)) <= _ROUNDING
    inside = balanced & (p >= 0.0).all(axis=-1)
    p = np.maximum(p, 0.0)
    own = np.asarray(y, np.intp)[..., None]
    rest = np.minimum(np.take_along_axis(np.broadcast_to(u, p.shape), own, -1), 1.0)
    np.put_along_axis(p, own, 0.0, axis=-1)
    entropy = xlogy(p, p).sum(axis=-1) + xlog1py(1.0 - rest, -rest)[..., 0]
    return np.where(inside, -entropy, -np.inf)


@op.least_loss.register(Multinomial)
def _(datafit, y):
    return np.zeros_like(y)
