"""What Newton steps along a path ask of a loss."""

from typing import Any, Protocol

import numpy as np

from sparsestat.optim.working_columns import Metric

__all__ = ["SmoothLoss"]


class SmoothLoss(Protocol):
    """What `NewtonPath` asks of a loss of predictions z, which are in its own order.

    ``rows`` are the samples in that order, ``rounding`` is the loss up to which nothing
    is left to explain; a frozen Hessian is renewed when a step leaves more than
    ``contraction`` of the gap; ``linear_means`` is whether the means of its `metric`
    are products with the columns; ``joins_late`` is whether features had better wait
    for a step at a new strength before they join the model; `evaluate` sets the state
    that the other methods refer to.
    """

    rows: np.ndarray
    rounding: float
    linear_means: bool
    joins_late: bool
    contraction: float

    def null_intercept(self) -> Any:
        """Best constant prediction, or a guess that Newton steps improve."""

    def best_intercept(self, z: np.ndarray) -> Any:
        """Constant to add to predictions z so that their loss is least."""

    def spread(self, intercept: Any) -> Any:
        """What an intercept adds to predictions: itself, if there is one for all."""

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient."""

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The nearest u without a mean, and the largest scale at which it is dual."""

    def contains(self, u: np.ndarray) -> bool:
        """Whether u without a mean is a dual point."""

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u for a u of these."""

    def metric(self, safe: bool) -> Metric:
        """Hessian at the state, or a larger one with which full steps descend."""
