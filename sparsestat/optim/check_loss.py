"""The check loss of quantile regression, exact or smoothed at its kink."""

import numpy as np
from scipy.optimize import brentq

from sparsestat.optim.weighted_quantile import weighted_quantile
from sparsestat.optim.working_columns import Metric

__all__ = ["CheckLoss"]

_ROUNDING = 1e4 * np.finfo(np.float64).eps
_TINY = 1e-300
# Share of the curvature of touching parabolas that samples outside the band have.
_FLOOR = 1e-3


class CheckLoss:
    """max(tau r, (tau - 1) r) of residuals r, with tau the quantile.

    Where `width` is not zero, max over u in [tau - 1, tau] of u r - width u^2 / 2: a
    parabola for small residuals, and the same less a constant for all others.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,)
        Weights that sum to one; samples of weight zero are left out.
    quantile : float
        In (0, 1).
    fit_intercept : bool
    """

    linear_means = False
    contraction = 0.2
    joins_late = False

    def __init__(self, y, sample_weight, quantile: float, fit_intercept: bool):
        self.rows = np.flatnonzero(sample_weight > 0.0)
        self.y, self.weight = y[self.rows], sample_weight[self.rows]
        self.quantile, self.fit_intercept = quantile, fit_intercept
        self.width = 0.0
        self.rounding = _ROUNDING * float(np.abs(y).max())

    def null_intercept(self) -> float:
        """The quantile of y."""
        return self.best_intercept(np.zeros(len(self.y)))

    def best_intercept(self, z: np.ndarray) -> float:
        """The quantile of the residuals, or where clipped residuals cancel."""
        if not self.fit_intercept:
            return 0.0
        if self.width > 0.0:
            return self._balancing_shift(z)
        return weighted_quantile(self.y - z, self.weight, self.quantile)

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus a subgradient of it."""
        r = self.y - z
        if self.width > 0.0:
            v = np.clip(r / self.width, self.quantile - 1.0, self.quantile)
            self._r, u = r, self.weight * v
            return float(u @ (r - 0.5 * self.width * v)), u
        u = self.weight * (self.quantile - (r < 0.0))
        return float(u @ r), np.where(r == 0.0, 0.0, u)

    def contains(self, u: np.ndarray) -> bool:
        """Whether u without a mean is a dual point."""
        return self.feasible(u)[1] >= 1.0

    def spread_of_y(self) -> float:
        """Mean distance of y from its median, or from zero without an intercept."""
        centre = weighted_quantile(self.y, self.weight, 0.5)
        centre = centre if self.fit_intercept else 0.0
        return float(self.weight @ np.abs(self.y - centre)) + self.rounding

    def spread(self, intercept: float) -> float:
        """The predictions that an intercept adds."""
        return intercept

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The nearest u without a mean, and the largest scale at which it is dual."""
        v = u / self.weight
        if self.fit_intercept:
            v = v - self.weight @ v
        ratio = max(v.max() / self.quantile, v.min() / (self.quantile - 1.0), 1.0)
        return self.weight * v, 1.0 / ratio

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        value = float(scale * (u @ self.y))
        if self.width > 0.0:
            value -= 0.5 * self.width * scale**2 * float(u @ (u / self.weight))
        return value

    def metric(self, safe: bool) -> Metric:
        """Hessian of the smoothed loss with the intercept minimised out.

        Samples outside the band have a little of the curvature of the parabolas that
        touch the loss there, all of which `safe` takes: its full steps descend.
        """
        slopes = np.where(self._r > 0.0, self.quantile, 1.0 - self.quantile)
        curved = np.minimum(1.0 / self.width, slopes / np.abs(self._r + _TINY))
        inside = curved >= 1.0 / self.width
        h = self.weight * np.where(inside | safe, curved, _FLOOR * curved)
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

    def _balancing_shift(self, z: np.ndarray) -> float:
        """Shift of z at which the derivatives of the smoothed loss cancel."""
        r = self.y - z
        low, high = r.min() - self.width, r.max() + self.width
        tiny = 4.0 * np.finfo(np.float64).eps
        return float(
            brentq(lambda b: self.evaluate(z + b)[1].sum(), low, high, rtol=tiny)
        )
