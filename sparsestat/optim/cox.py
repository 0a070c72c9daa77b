"""The partial likelihood of proportional hazards, as `NewtonPath` asks for it."""

import numpy as np

from sparsestat.optim.datafits import cox
from sparsestat.optim.working_columns import Metric

__all__ = ["PartialLikelihood"]


class PartialLikelihood:
    """Half the mean deviance of a Cox model, its gradient, Hessian and dual.

    Parameters
    ----------
    time : ndarray of shape (n_samples,)
        Times of event or censoring.
    event : ndarray of shape (n_samples,), bool
        Whether the time is that of an event.
    sample_weight : ndarray of shape (n_samples,)
        Weights that sum to one.
    ties : {"breslow", "efron"}
        How tied events enter.
    offset : ndarray of shape (n_samples,), default=None
        Known part of the predictions.
    """

    rounding = 64.0 * np.finfo(np.float64).eps  # of logarithms, of order one
    linear_means = False
    contraction = 0.2
    joins_late = True

    def __init__(self, time, event, sample_weight, ties: str, offset=None) -> None:
        self.sets = cox.risk_sets(time, event, sample_weight, ties)
        self.rows = self.sets.order
        self.offset = None if offset is None else offset[self.rows]

    def null_intercept(self) -> float:
        """Predictions are relative: any constant will do."""
        return 0.0

    def best_intercept(self, z: np.ndarray) -> float:
        """Predictions are relative: any constant will do."""
        return 0.0

    def spread(self, intercept: float) -> float:
        """The predictions that an intercept adds."""
        return intercept

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient."""
        z = z if self.offset is None else z + self.offset
        self._z, self._sums = z, cox.denominators(self.sets, z)
        self._hazards = cox.hazards(self.sets, z, self._sums)
        u = (self.sets.observed - self._hazards) / self.sets.total
        return cox.loss(self.sets, z, self._sums), u

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """Gradients have no mean, and are dual up to their full length."""
        return u, 1.0

    def contains(self, u: np.ndarray) -> bool:
        """Only gradients are known to be dual."""
        return False

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        value = cox.dual_value(self.sets, self._z, self._sums, scale)
        return value if self.offset is None else value - scale * float(u @ self.offset)

    def metric(self, safe: bool) -> Metric:
        """Hessian: that of independent samples less the means of all risk sets.

        The first part alone is an upper bound of it.
        """
        z, sums = self._z, self._sums
        return Metric(
            self._hazards / self.sets.total,
            cox.row_masses(self.sets) * (0.0 if safe else 1.0 / self.sets.total),
            lambda block: cox.risk_means(self.sets, z, sums, block),
            lambda change, u: 0.0,
            lambda u: u,
        )

    def baseline_hazard(self) -> np.ndarray:
        """Jumps of the cumulative hazard at the state, of a prediction of zero."""
        return cox.baseline_hazard(self.sets, self._sums)
