"""Huber's loss with a fixed or a concomitant scale, as `NewtonPath` asks for it.

A concomitant scale is one more variable, jointly convex with the predictions, after
Huber (1981), Robust Statistics, section 7.7; it is minimised out in each evaluation.
"""

import numpy as np
from scipy.optimize import brentq

from sparsestat.optim.weighted_quantile import weighted_median
from sparsestat.optim.working_columns import Metric

__all__ = ["ConcomitantHuber", "FixedHuber", "log_density", "mad"]

# Deviations of y below this share of its size are rounding error.
_ROUNDING = 1e4 * np.finfo(np.float64).eps
# Curvature of outliers, which have none, so that any Newton system can be solved.
_FLOOR = 1e-3
# The best scale falls linearly towards an exact fit, without curvature.  A scale that
# is a little stiffer than it is keeps some of that of a fixed one.
_STIFFNESS = 1.1
# The concomitant scale stays above this share of the spread of y.
_SMALLEST_SCALE = 1e-2
# The normal distribution's standard deviation over its median absolute deviation.
_NORMAL = 1.482602218505602


def mad(y: np.ndarray, weight: np.ndarray) -> float:
    """Median absolute deviation, scaled to the standard deviation of normal y."""
    return _NORMAL * weighted_median(np.abs(y - weighted_median(y, weight)), weight)


class _Huber:
    """What both forms share: residuals and their clipping, the intercept, the dual.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,)
        Weights that sum to one; samples of weight zero are left out.
    threshold : float
        Where residuals, or standardised ones, become outliers.
    fit_intercept : bool
    """

    linear_means = False
    contraction = 0.2
    joins_late = False

    def __init__(self, y, sample_weight, threshold: float, fit_intercept: bool):
        self.rows = np.flatnonzero(sample_weight > 0.0)
        self.y, self.weight = y[self.rows], sample_weight[self.rows]
        self.threshold, self.fit_intercept = threshold, fit_intercept

    def null_intercept(self) -> float:
        """A robust guess."""
        return weighted_median(self.y, self.weight) if self.fit_intercept else 0.0

    def best_intercept(self, z: np.ndarray) -> float:
        """Where clipped residuals cancel."""
        if not self.fit_intercept:
            return 0.0
        r = self.y - z
        low, high = r.min(), r.max()
        if not low < high:
            return float(low)
        excess = [self.evaluate(z + b)[1].sum() for b in (low, high)]
        if not excess[0] > 0.0 > excess[1]:
            return float(low if abs(excess[0]) <= abs(excess[1]) else high)
        tiny = 4.0 * np.finfo(np.float64).eps
        return float(
            brentq(lambda b: self.evaluate(z + b)[1].sum(), low, high, rtol=tiny)
        )

    def spread(self, intercept: float) -> float:
        """The predictions that an intercept adds."""
        return intercept

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The nearest u without a mean, and the largest scale at which it is dual."""
        if not self.fit_intercept:
            return u, self._limit(u / self.weight)
        v = u / self.weight
        v = v - self.weight @ v
        return self.weight * v, self._limit(v)

    def contains(self, u: np.ndarray) -> bool:
        """Whether u without a mean is a dual point."""
        return self._limit(u / self.weight) >= 1.0

    def _curvatures(self, safe: bool, bound: float) -> np.ndarray:
        """Weights of squared residuals: Newton's, or of the tangent parabolas."""
        if safe:
            return self.weight * bound / np.maximum(np.abs(self._r), bound)
        return self.weight * np.where(self._inside, 1.0, _FLOOR)

    def _limit(self, v: np.ndarray) -> float:
        return min(1.0, self.threshold / max(np.abs(v).max(), self.threshold))


class FixedHuber(_Huber):
    """r^2 / 2 for residuals within the threshold, linear beyond it."""

    @property
    def rounding(self) -> float:
        """Loss of deviations that are rounding error of y."""
        tiny = _ROUNDING * np.abs(self.y).max()
        return 0.5 * tiny * min(tiny, self.threshold)

    @property
    def scale(self) -> float:
        """Residuals count as they are."""
        return 1.0

    def scale_for(self, noise: float) -> float:
        """Residuals count as they are, whatever the noise."""
        return 1.0

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient."""
        r = self.y - z
        clipped = np.clip(r, -self.threshold, self.threshold)
        self._r, self._inside = r, clipped == r
        u = self.weight * clipped
        return float(u @ r - 0.5 * u @ clipped), u

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        return float(scale * (u @ self.y) - 0.5 * scale**2 * (u @ (u / self.weight)))

    def metric(self, safe: bool) -> Metric:
        """Hessian, with a little curvature for outliers, or that of a majoriser."""
        diagonal = self._curvatures(safe, self.threshold)
        if not self.fit_intercept:
            return _metric(diagonal, np.empty((len(diagonal), 0)), np.empty((0, 0)))
        return _metric(diagonal, diagonal[:, None], np.array([[diagonal.sum()]]))


class ConcomitantHuber(_Huber):
    r"""Huber's loss of standardised residuals, least over their scale.

    .. math:: \min_{\sigma \ge \sigma_{\min}} \; \frac{\sigma}{2}
        + \sigma \sum_i s_i \, \rho_\epsilon(r_i / \sigma)
    """

    def __init__(self, y, sample_weight, threshold: float, fit_intercept: bool):
        super().__init__(y, sample_weight, threshold, fit_intercept)
        spread = mad(self.y, self.weight)
        if spread == 0.0:  # half of y has one value
            centre = weighted_median(self.y, self.weight)
            spread = float(self.weight @ np.abs(self.y - centre))
        floor = _ROUNDING * np.abs(self.y).max() + np.finfo(np.float64).tiny
        self.smallest = max(_SMALLEST_SCALE * spread, floor)

    @property
    def rounding(self) -> float:
        """Loss of deviations that are rounding error of y: the smallest scale's."""
        return 2.0 * _ROUNDING * np.abs(self.y).max()

    def scale_for(self, noise: float) -> float:
        """The scale that a root mean square of clipped residuals makes best."""
        return max(noise, self.smallest)

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient; keeps the best scale."""
        r = self.y - z
        self.scale = max(_best_scale(r, self.weight, self.threshold), self.smallest)
        bound = self.threshold * self.scale
        clipped = np.clip(r, -bound, bound)
        self._r, self._inside = r, clipped == r
        u = self.weight * (clipped / self.scale)
        return float(0.5 * self.scale + u @ r - 0.5 * u @ clipped), u

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        norm2 = scale**2 * (u @ (u / self.weight))
        return float(scale * (u @ self.y) + 0.5 * self.smallest * (1.0 - norm2))

    def metric(self, safe: bool) -> Metric:
        """Hessian with the scale and the intercept minimised out.

        The majoriser is that of Huber's loss at the scale as it is.
        """
        diagonal = self._curvatures(safe, self.threshold * self.scale) / self.scale
        factors, blocks = [], []
        if self.fit_intercept:
            factors.append(diagonal)
            blocks.append(diagonal.sum())
        if self.scale > self.smallest and not safe:
            cross = np.where(self._inside, self.weight * self._r, 0.0) / self.scale**2
            factors.append(cross)
            blocks.append(_STIFFNESS * float(cross @ self._r) / self.scale)
        system = np.diag(blocks) if blocks else np.empty((0, 0))
        if len(factors) == 2:
            system[0, 1] = system[1, 0] = factors[1].sum()
        shape = len(diagonal), len(factors)
        stacked = np.column_stack(factors) if factors else np.empty(shape)
        return _metric(diagonal, stacked, system, self.fit_intercept)

    def _limit(self, v: np.ndarray) -> float:
        return min(super()._limit(v), 1.0 / max(np.sqrt(self.weight @ v**2), 1.0))


def _metric(diagonal, factors, system, has_intercept: bool = True) -> Metric:
    """Hessian less its part by eliminated variables, the intercept the first of them.

    Parameters
    ----------
    diagonal : ndarray of shape (n,)
    factors : ndarray of shape (n, n_eliminated)
        Mixed derivatives of predictions and eliminated variables.
    system : ndarray of shape (n_eliminated, n_eliminated)
        Second derivatives of these.
    has_intercept : bool, default=True
    """
    n_eliminated = len(system)
    inverse = np.linalg.pinv(system, hermitian=True)
    values, vectors = np.linalg.eigh(inverse)
    root = vectors * np.sqrt(np.maximum(values, 0.0))

    if n_eliminated == 0 or not has_intercept:
        first, own = 0.0, np.zeros(len(diagonal))
    else:
        first, own = inverse[0, 0], factors @ inverse[0]

    return Metric(
        diagonal,
        np.ones(n_eliminated),
        lambda block: block @ factors @ root,
        lambda change, u: float(first * u.sum() - own @ change),
        lambda u: u - own * u.sum(),
    )


def log_density(r: np.ndarray, weight: np.ndarray, threshold: float, least: float):
    """Least mean of log(scale) + rho(r / scale) over scales from `least` on.

    That is minus the log-likelihood of Huber's density, up to a constant.
    """
    size = np.abs(r)
    order = np.argsort(size)
    size, weight = size[order], weight[order]
    squares = np.append(0.0, np.cumsum(weight * size**2))
    beyond = threshold * np.append(np.cumsum((weight * size)[::-1])[::-1], 0.0)
    # With k inliers the derivative is zero at the root of s^2 - beyond s - squares.
    scales = 0.5 * (beyond + np.sqrt(beyond**2 + 4.0 * squares))
    inside = np.searchsorted(size, threshold * scales, side="right")
    agreeing = np.flatnonzero(inside <= np.arange(len(scales)))
    scale = max(float(scales[agreeing[0]]), least)
    clipped = np.minimum(size / scale, threshold)
    return np.log(scale) + float(weight @ (clipped * (size / scale - 0.5 * clipped)))


def _best_scale(r: np.ndarray, weight: np.ndarray, threshold: float) -> float:
    """Root of sum s min(r^2 / scale^2, threshold^2) = 1, or 0 if there is none."""
    size = np.abs(r)
    order = np.argsort(size)
    size, weight = size[order], weight[order]
    squares = np.cumsum(weight * size**2)
    rest = np.append(np.cumsum(weight[:0:-1])[::-1], 0.0)  # the last one is exact
    # At scales size / threshold the sum falls from one sample to the next.
    sums = np.full(len(size), np.inf)
    positive = size > 0.0
    sums[positive] = threshold**2 * (
        squares[positive] / size[positive] ** 2 + rest[positive]
    )
    k = int(np.argmax(sums <= 1.0)) if (sums <= 1.0).any() else len(size)
    if k == 0:
        return 0.0
    left = 1.0 - threshold**2 * rest[k - 1]
    return float(np.sqrt(squares[k - 1] / left)) if left > 0.0 else 0.0
