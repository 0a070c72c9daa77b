"""Levels of the entries: weights of pairs, and concave penalties made linear.

A concave penalty is majorised by its tangents at the last estimate: a weighted l1
norm.  After Fan, Feng and Wu (2009), doi:10.1214/08-AOAS215.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.general_working_set import penalty_values
from sparsestat.optim.log_det import log_det_objective
from sparsestat.optim.penalties import L1, MCP, SCAD, LogSum, prepare, slope
from sparsestat.utils.dispatch import kernel
from sparsestat.utils.validation import OneOf, Rule, Satisfies

__all__ = [
    "PENALTY",
    "Levels",
    "check_pair_weights",
    "largest_correlation",
    "largest_violation",
]

_NAMED = {
    "l1": L1(1.0),
    "mcp": MCP(1.0),
    "scad": SCAD(1.0),
    "log_sum": LogSum(1.0),
}
_OBJECTS = (L1, MCP, SCAD, LogSum)
PENALTY: Rule = OneOf(*_NAMED) | Satisfies(
    lambda given: isinstance(given, _OBJECTS),
    "an L1, MCP, SCAD or LogSum of sparsestat.optim.penalties",
)


class Levels:
    """Slopes of the penalty of every entry.

    Parameters
    ----------
    penalty : str or NamedTuple
        Its alpha and weights do not matter.
    weights : ndarray of shape (p, p)
        One for each entry, >= 0.
    scale : ndarray of shape (p,)
        Sizes are those of entries j, k times scale_j scale_k, and so are slopes.
    """

    def __init__(self, penalty, weights: np.ndarray, scale: np.ndarray) -> None:
        named = _NAMED[penalty] if isinstance(penalty, str) else penalty
        self.penalty: NamedTuple = prepare(
            named._replace(weights=weights.ravel(), positive=False), weights.size
        )
        self.weights = weights
        self.product = np.outer(scale, scale)
        self.is_convex = isinstance(named, L1)

    def at(self, alpha: float, precision: np.ndarray | None = None) -> np.ndarray:
        """Slopes for a strength at an estimate, by default at zero."""
        sizes = np.zeros(self.weights.shape)
        if precision is not None:
            sizes = np.abs(precision) * self.product
        levels = np.where(np.isinf(self.weights), np.inf, 0.0)
        if alpha > 0.0:
            fill_slopes(
                self.penalty._replace(alpha=float(alpha)),
                sizes.ravel(),
                levels.ravel(),
            )
        return levels * self.product

    def objective(self, alpha: float, covariance, precision) -> float:
        """-log det T + <S, T> and the penalty of every entry."""
        fit = log_det_objective(covariance, np.zeros_like(covariance), precision)
        penalty = self.penalty._replace(alpha=float(alpha))
        terms = penalty_values(penalty, (precision * self.product).ravel())
        return float(fit + terms.sum())

    def largest_strength(self, excess: np.ndarray) -> float:
        """Smallest alpha that bounds the given gradient of all penalised entries."""
        slopes = self.at(1.0)
        np.fill_diagonal(slopes, 0.0)
        priced = (slopes > 0.0) & np.isfinite(slopes)
        return float((np.abs(excess[priced]) / slopes[priced]).max(initial=0.0))

    @property
    def unpenalised(self) -> bool:
        """Whether entries off the diagonal have no price."""
        free = self.weights == 0.0
        return bool((free & ~np.eye(len(free), dtype=bool)).any())


def check_pair_weights(values, n_features: int) -> np.ndarray:
    """Weights of the entries as a float64 matrix; None is ones off the diagonal.

    Raises
    ------
    ValueError
        If the shape is wrong, an entry negative or NaN, the matrix not symmetric or the
        diagonal not finite.
    """
    if values is None:
        return 1.0 - np.eye(n_features)
    shape = (n_features, n_features)
    weights = np.array(values, dtype=np.float64)
    if weights.shape != shape:
        raise ValueError(
            f"penalty_weights must have shape {shape}, an entry for each pair of "
            f"features; got shape {weights.shape}."
        )
    if not (weights >= 0.0).all():
        raise ValueError(
            "penalty_weights must be >= 0 and without NaN; got "
            f"{weights[~(weights >= 0.0)][0]}."
        )
    if not np.array_equal(weights, weights.T):
        j, k = np.argwhere(weights != weights.T)[0]
        raise ValueError(
            f"penalty_weights must be symmetric; got {weights[j, k]} at ({j}, {k}) and "
            f"{weights[k, j]} at ({k}, {j})."
        )
    if np.isinf(weights.diagonal()).any():
        raise ValueError(
            "penalty_weights must be finite on the diagonal; got inf at feature "
            f"{int(np.isinf(weights.diagonal()).argmax())}."
        )
    return weights


def largest_violation(covariance, levels, precision, inverse) -> float:
    """Largest violated optimality condition, between features of unit variance."""
    product = _unit(covariance)
    excess = (covariance - inverse) / product
    finite = np.isfinite(levels)
    limit = np.where(finite, levels, 0.0) / product
    violated = np.where(
        precision != 0.0,
        np.abs(excess + limit * np.sign(precision)),
        np.abs(excess) - limit,
    )
    return float(violated.max(initial=0.0, where=finite))


def largest_correlation(covariance) -> float:
    """Largest size of a correlation of two features."""
    size = np.abs(covariance / _unit(covariance))
    np.fill_diagonal(size, 0.0)
    return float(size.max())


def _unit(covariance) -> np.ndarray:
    """What entries are divided by to belong to features of unit variance."""
    variances = covariance.diagonal()
    scale = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    return np.outer(scale, scale)


@kernel
def fill_slopes(penalty, sizes, out):
    """Slope of the penalty at each size >= 0."""
    for k in range(len(sizes)):
        out[k] = slope(penalty, sizes[k], k)
