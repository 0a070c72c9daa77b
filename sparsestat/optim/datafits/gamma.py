"""The gamma loss with logarithmic link."""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.datafits import _operations as op

__all__ = ["Gamma"]


class Gamma(NamedTuple):
    """Gamma loss f(y, z) = y exp(-z) + z of positive y.

    Examples
    --------
    >>> from sparsestat.optim.datafits import Gamma, loss
    >>> float(loss(Gamma(), 2.0, 0.0))
    2.0
    """


@op.loss.register(Gamma)
def _(datafit, y, z):
    return y * np.exp(-z) + z


@op.dual_variable.register(Gamma)
def _(datafit, y, z):
    return y * np.exp(-z) - 1.0


@op.second_derivative.register(Gamma)
def _(datafit, y, z):
    return y * np.exp(-z)


@op.dual_value.register(Gamma)
def _(datafit, y, u):
    ratio = 1.0 + u
    size = np.maximum(ratio, np.finfo(np.float64).tiny)
    inside = np.where(ratio > 0.0, ratio * (1.0 - np.log(size / y)), 0.0)
    return np.where(ratio >= 0.0, inside, -np.inf)


@op.least_loss.register(Gamma)
def _(datafit, y):
    return 1.0 + np.log(y)
