"""Losses of independent samples, as `NewtonPath` asks for them.

They are measured from the loss of a saturated model, so that they are halves of mean
deviances: never negative, and a relative accuracy is one of what is to be explained.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.datafits import (
    dual_value,
    dual_variable,
    least_loss,
    loss,
    second_derivative,
)
from sparsestat.optim.working_columns import Metric

__all__ = ["GeneralizedLinear"]

_EPS = np.finfo(np.float64).eps
# Losses below this multiple of the rounding error of its terms are zero.
_ROUNDING = 64.0 * _EPS
# Sums of generalised residuals below this multiple of that of their terms are zero.
_BALANCED = 100.0 * _EPS
# Smallest curvature of a sample, relative to the largest.
_FLOOR = 1e-8
_INTERCEPT_STEPS = 200
_LONGEST_STEP = 4.0


class GeneralizedLinear:
    """sum_i s_i (f(y_i, z_i + offset_i) - min_z f(y_i, z)) of predictions z.

    Parameters
    ----------
    datafit : NamedTuple
        From `optim.datafits`.
    y : ndarray of shape (n_samples,)
    offset : ndarray of shape (n_samples,) or None
    fit_intercept : bool
    sample_weight : ndarray of shape (n_samples,)
        Weights that sum to one; samples of weight zero are left out.
    """

    linear_means = True
    contraction = 0.1
    joins_late = True

    def __init__(
        self, datafit: NamedTuple, y, offset, fit_intercept: bool, sample_weight
    ):
        self.datafit, self.fit_intercept = datafit, fit_intercept
        self.rows = np.flatnonzero(sample_weight > 0.0)
        self.y, self.weight = y[self.rows], sample_weight[self.rows]
        self.offset = None if offset is None else offset[self.rows]
        least = least_loss(datafit, self.y)
        self._least = float(self.weight @ least)
        self._size = float(self.weight @ np.abs(self.y))
        self.rounding = _ROUNDING * (float(self.weight @ np.abs(least)) + self._size)

    def null_intercept(self) -> float:
        """Best constant prediction."""
        return self.best_intercept(np.zeros(len(self.rows)))

    def best_intercept(self, z: np.ndarray) -> float:
        """Constant to add to predictions z so that their loss is least."""
        if not self.fit_intercept:
            return 0.0
        return self._balance(self.shifted(z))[0]

    def spread(self, intercept: float) -> float:
        """The predictions that an intercept adds."""
        return intercept

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient."""
        self._z, self._point = self.shifted(z), None
        with np.errstate(over="ignore", invalid="ignore"):
            value = self.weight @ loss(self.datafit, self.y, self._z) - self._least
            u = self.weight * dual_variable(self.datafit, self.y, self._z)
        return max(float(value), 0.0) if np.isfinite(value) else np.inf, u

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The dual point of the best intercept, all of which is feasible."""
        if not self.fit_intercept or self._is_balanced(u):
            return u, 1.0
        if self._point is None:
            self._point = self._balance(self._z)[1]
        return self._point, 1.0

    def contains(self, u: np.ndarray) -> bool:
        """Whether u without a mean is a dual point."""
        return bool(np.isfinite(self.dual_value(u, 1.0)))

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        v = scale * (u / self.weight)
        value = self.weight @ dual_value(self.datafit, self.y, v) - self._least
        return float(value if self.offset is None else value - scale * u @ self.offset)

    def metric(self, safe: bool) -> Metric:
        """Hessian with the intercept minimised out; it descends with a line search."""
        h = self.weight * second_derivative(self.datafit, self.y, self._z)
        h = np.maximum(h, _FLOOR * h.max())
        if not self.fit_intercept:
            none = np.empty(0)
            return Metric(
                h, none, lambda X: np.empty((len(X), 0)), lambda *_: 0.0, lambda u: u
            )
        total = h.sum()
        share = h / total
        return Metric(
            h,
            np.array([total]),
            lambda X: (X @ share)[:, None],
            lambda change, u: float(u.sum() / total - share @ change),
            lambda u: u - share * u.sum(),
        )

    def shifted(self, z: np.ndarray) -> np.ndarray:
        """Predictions with the offset."""
        return z if self.offset is None else z + self.offset

    def _is_balanced(self, u: np.ndarray) -> bool:
        return abs(u.sum()) <= _BALANCED * (np.abs(u).sum() + self._size)

    def _balance(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Shift of z at which residuals cancel, by Newton steps, and these residuals.

        Bisects where a step leaves the interval that is known to hold the root.
        """
        b, low, high = 0.0, -np.inf, np.inf
        for _ in range(_INTERCEPT_STEPS):
            with np.errstate(over="ignore"):
                u = self.weight * dual_variable(self.datafit, self.y, z + b)
            excess = u.sum()
            if self._is_balanced(u):
                break
            low, high = (b, high) if excess > 0.0 else (low, b)
            with np.errstate(over="ignore"):
                h = self.weight @ second_derivative(self.datafit, self.y, z + b)
            step = excess / h if h > 0.0 else np.copysign(np.inf, excess)
            moved = b + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            if not low < moved < high:
                moved = 0.5 * (low + high)
            if moved == b:
                break
            b = moved
        return float(b), u
