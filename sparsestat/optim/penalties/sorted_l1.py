"""The sorted l1 norm, SLOPE."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import _coupled as op
from sparsestat.optim.proximal import prox_slope

__all__ = ["SLOPE"]

# Magnitudes this close, relative to the largest, are one cluster: scales of columns
# come between a fit and the coefficients that users see.
_EQUAL = 1e-10


class SLOPE(NamedTuple):
    """Sorted l1 penalty ``alpha * sum_i lambda_i |w|_(i)``, largest magnitude first.

    Coefficients of equal magnitude form clusters.  Constant lambdas are the l1 norm.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    lambdas : ndarray of shape (n_features,), default=None
        The lambda_i >= 0, not increasing, the first of them positive; None stands for
        ones.

    References
    ----------
    Bogdan, van den Berg, Sabatti, Su and Candes (2015), doi:10.1214/15-AOAS842
    """

    alpha: float
    lambdas: Any = None


@op.structure.register(SLOPE)
def _(penalty):
    return "slope"


@op.complete.register(SLOPE)
def _(penalty, n_features):
    lambdas = penalty.lambdas
    lambdas = np.ones(n_features) if lambdas is None else np.array(lambdas, float)
    if lambdas.shape != (n_features,):
        raise ValueError(
            f"lambdas must have shape ({n_features},), one value a feature; got shape "
            f"{lambdas.shape}."
        )
    if not (lambdas[0] > 0 and lambdas[-1] >= 0 and (np.diff(lambdas) <= 0).all()):
        raise ValueError(
            "lambdas must be >= 0 and not increasing, the first one positive; got "
            f"{lambdas}."
        )
    return SLOPE(float(penalty.alpha), lambdas)


@op.total.register(SLOPE)
def _(penalty, w):
    sizes = np.sort(np.abs(w))[::-1]
    return penalty.alpha * float(sizes @ penalty.lambdas[: len(w)])


@op.vector_prox.register(SLOPE)
def _(penalty, z, step):
    return prox_slope(z, step * penalty.alpha * penalty.lambdas)


@op.dual_norm.register(SLOPE)
def _(penalty, g):
    sums = np.cumsum(np.sort(np.abs(g))[::-1])
    if not sums[-1] > 0.0:
        return 0.0
    bounds = np.cumsum(penalty.alpha * penalty.lambdas[: len(g)])
    if bounds[0] == 0.0:
        return np.inf
    return float((sums / bounds).max())


@op.n_degrees.register(SLOPE)
def _(penalty, w):
    sizes = np.sort(np.abs(w[w != 0.0]))
    if len(sizes) == 0:
        return 0
    return 1 + int(np.count_nonzero(np.diff(sizes) > _EQUAL * sizes[-1]))
