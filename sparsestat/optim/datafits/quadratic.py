"""Least squares."""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.datafits import _operations as op

__all__ = ["Quadratic"]


class Quadratic(NamedTuple):
    """Squared error f(y, z) = (y - z)^2 / 2."""


@op.loss.register(Quadratic)
def _(datafit, y, z):
    return 0.5 * (y - z) ** 2


@op.dual_variable.register(Quadratic)
def _(datafit, y, z):
    return y - z


@op.dual_value.register(Quadratic)
def _(datafit, y, u):
    return y * u - 0.5 * u**2


@op.second_derivative.register(Quadratic)
def _(datafit, y, z):
    return np.ones_like(z)


@op.least_loss.register(Quadratic)
def _(datafit, y):
    return np.zeros_like(y)
