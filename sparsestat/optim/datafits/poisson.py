"""The Poisson loss with logarithmic link."""

from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from sparsestat.optim.datafits import _operations as op

__all__ = ["Poisson"]


class Poisson(NamedTuple):
    """Poisson loss f(y, z) = exp(z) - y z of counts y >= 0, up to log(y!).

    Examples
    --------
    >>> from sparsestat.optim.datafits import Poisson, loss
    >>> float(loss(Poisson(), 2.0, 0.0))
    1.0
    """


@op.loss.register(Poisson)
def _(datafit, y, z):
    return np.exp(z) - y * z


@op.dual_variable.register(Poisson)
def _(datafit, y, z):
    return y - np.exp(z)


@op.second_derivative.register(Poisson)
def _(datafit, y, z):
    return np.exp(z)


@op.dual_value.register(Poisson)
def _(datafit, y, u):
    rate = y - u
    size = np.maximum(rate, 0.0)
    return np.where(rate >= 0.0, size - xlogy(size, size), -np.inf)


@op.least_loss.register(Poisson)
def _(datafit, y):
    return y - xlogy(y, y)
