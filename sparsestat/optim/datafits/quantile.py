"""The check loss of quantile regression."""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.datafits import _operations as op

__all__ = ["Quantile"]


class Quantile(NamedTuple):
    """Check loss f(y, z) = max(q (y - z), (q - 1) (y - z)), least at a quantile.

    Parameters
    ----------
    quantile : float, default=0.5
        The q, in (0, 1).

    References
    ----------
    Koenker and Bassett (1978), doi:10.2307/1913643

    Examples
    --------
    >>> from sparsestat.optim.datafits import Quantile, loss
    >>> float(loss(Quantile(0.75), 2.0, 0.0)), float(loss(Quantile(0.75), -2.0, 0.0))
    (1.5, 0.5)
    """

    quantile: float = 0.5


@op.loss.register(Quantile)
def _(datafit, y, z):
    return np.maximum(datafit.quantile * (y - z), (datafit.quantile - 1.0) * (y - z))


@op.dual_variable.register(Quantile)
def _(datafit, y, z):
    """A subgradient: at a residual of zero, any number from q - 1 to q will do."""
    return np.where(y == z, 0.0, datafit.quantile - (y < z))


@op.dual_value.register(Quantile)
def _(datafit, y, u):
    inside = (u >= datafit.quantile - 1.0) & (u <= datafit.quantile)
    return np.where(inside, y * u, -np.inf)
