"""The logistic loss of two classes."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from sparsestat.optim.datafits import _operations as op

__all__ = ["Logistic"]


class Logistic(NamedTuple):
    """Logistic loss f(y, z) = log(1 + exp(-y z)) of labels y in {-1, 1}.

    Examples
    --------
    >>> from sparsestat.optim.datafits import Logistic, loss
    >>> round(float(loss(Logistic(), 1.0, 0.0)), 4)
    0.6931
    """


@op.loss.register(Logistic)
def _(datafit, y, z):
    margin = y * z
    return np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0.0)


@op.dual_variable.register(Logistic)
def _(datafit, y, z):
    return y * expit(-y * z)


@op.second_derivative.register(Logistic)
def _(datafit, y, z):
    share = expit(-np.abs(z))
    return share * (1.0 - share)


@op.dual_value.register(Logistic)
def _(datafit, y, u):
    t = y * u
    inside = (t >= 0.0) & (t <= 1.0)
    t = np.clip(t, 0.0, 1.0)
    return np.where(inside, -(xlogy(t, t) + xlog1py(1.0 - t, -t)), -np.inf)


@op.least_loss.register(Logistic)
def _(datafit, y):
    return np.zeros_like(y)
