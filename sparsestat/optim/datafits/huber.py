"""Huber's loss with a fixed threshold."""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.datafits import _operations as op

__all__ = ["Huber"]


class Huber(NamedTuple):
    """Squares of small residuals, multiples of large ones.

    ``f(y, z) = r^2 / 2`` for ``|r| <= threshold``, else
    ``threshold |r| - threshold^2 / 2``, with ``r = y - z``.

    Parameters
    ----------
    threshold : float, default=1.35
        Where residuals become outliers, > 0, in units of y.

    References
    ----------
    Huber (1964), doi:10.1214/aoms/1177703732

    Examples
    --------
    >>> from sparsestat.optim.datafits import Huber, loss
    >>> float(loss(Huber(1.0), 3.0, 0.0))
    2.5
    """

    threshold: float = 1.35


@op.loss.register(Huber)
def _(datafit, y, z):
    r = y - z
    clipped = np.minimum(np.maximum(r, -datafit.threshold), datafit.threshold)
    return clipped * r - 0.5 * clipped**2


@op.dual_variable.register(Huber)
def _(datafit, y, z):
    return np.minimum(np.maximum(y - z, -datafit.threshold), datafit.threshold)


@op.dual_value.register(Huber)
def _(datafit, y, u):
    return np.where(np.abs(u) <= datafit.threshold, y * u - 0.5 * u**2, -np.inf)
