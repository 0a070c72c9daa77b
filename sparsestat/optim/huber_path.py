"""Paths of Huber's loss, also where few samples are left with curvature.

Huber's loss is least squares with a shift of each sample that an l1 penalty keeps at
zero (She and Owen, 2011, doi:10.1198/jasa.2011.tm10390), and with a concomitant scale
it is the square-root Lasso of coefficients and shifts.  Where outliers are many, as
near interpolation, Newton steps in the coefficients alone meet a kink at each of them;
then the solver of least squares finds the face of both, on their Gram matrix.
"""

from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.face_newton import minimise_on_gram
from sparsestat.optim.newton_path import NewtonPath
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.penalties import _operations as op
from sparsestat.optim.penalties import restrict
from sparsestat.optim.penalties.l1 import soft_threshold

__all__ = ["HuberPath", "HuberRun"]

# Newton steps do well with this many inliers for each nonzero coefficient.
_INLIERS = 2
# Coefficients and shifts of which a Gram matrix is kept at most.
_MOST = 8192
# Share of the threshold from which on samples get a shift.
_NEAR = 0.8
_ROUNDS = 100
_GRAM_ROUNDS = 100
# Shares of the gap for least squares and for the error of the scale: at first and at
# least, and the factor where it was not enough.
_SHARE = 0.25
_LEAST_SHARE = 1e-4
_TIGHTEN = 0.1
_ROUNDING = 16.0 * np.finfo(np.float64).eps


class Shifted(NamedTuple):
    """A penalty of coefficients, with an l1 penalty of shifts among them.

    Parameters
    ----------
    coefficients : NamedTuple
        Its entries at shifts do not matter.
    level : ndarray of shape (n_items,)
        Slope of the penalty of each shift.
    is_shift : ndarray of shape (n_items,), bool
    """

    coefficients: Any
    level: Any
    is_shift: Any


class HuberPath(NewtonPath):
    """As `NewtonPath`, with shifts of samples where Newton steps meet many kinks."""

    _items: "_Items | None" = None
    _of_items: np.ndarray | None = None  # predictions of their solution

    def _minimise(self, penalty, target: float) -> float:
        n_outliers = np.count_nonzero(self._beyond(1.0))
        n_inliers = len(self.z) - n_outliers
        many = self.size + n_outliers > _MOST
        if many or n_inliers >= _INLIERS * np.count_nonzero(self.w):
            return super()._minimise(penalty, target)
        self._metric = None  # it will not be that of the state
        return self._minimise_shifted(penalty, target)

    def _beyond(self, share: float) -> np.ndarray:
        """Which residuals exceed a share of the threshold."""
        smooth = self.smooth
        return np.abs(smooth.y - self.z) > share * smooth.threshold * smooth.scale

    def _minimise_shifted(self, penalty, target: float) -> float:
        """Solve for coefficients, shifts and the scale that is theirs."""
        smooth = self.smooth
        if self._items is None:
            self._items = _Items(smooth, len(self.inside))
        items = self._items
        items.add_features(self.features, self.X)
        items.add_samples(self._beyond(_NEAR), self.features, self.X)
        if self.z is not self._of_items:
            bound = smooth.threshold * smooth.scale
            items.begin(self.features, self.w, smooth.y - self.z, bound)
        search, share = _Search(smooth.scale), _SHARE
        n_free = len(self.problem.unpenalised)
        gap = inf
        for _ in range(_ROUNDS):
            scale = search.scale
            local = items.penalty(penalty, scale, scale * smooth.threshold)
            items.minimise(local, n_free, share * target * scale)
            noise = self._take(items)
            gap, _, _ = self._certify(penalty, self.X @ self.u)
            if gap <= target or share < _LEAST_SHARE:
                break
            grown = items.add_samples(self._beyond(_NEAR), self.features, self.X)
            tolerance = 2.0 * max(share * target / self.value, _ROUNDING)
            if not (search.follow(smooth.scale_for(noise), tolerance) or grown):
                share *= _TIGHTEN
        return gap

    def _take(self, items: "_Items") -> float:
        """Move to the coefficients of the items; returns the size of the residual."""
        smooth = self.smooth
        self.w[:] = items.coef_of(self.features)
        fitted = self.w @ self.X
        centred = smooth.y - items.shifts() - fitted
        self.intercept = float(smooth.weight @ centred) if smooth.fit_intercept else 0.0
        self.z = self._of_items = fitted + self.intercept
        self.value, self.u = smooth.evaluate(self.z)
        return sqrt(smooth.weight @ (centred - self.intercept) ** 2)


class HuberRun(NewtonRun):
    """As `NewtonRun`, with shifts."""

    solver_class = HuberPath


class _Items:
    """Coefficients and shifts in order of entry, their Gram matrix and its factor.

    A shift of sample i counts times the root of its weight, so that its column is a
    unit vector, less the mean where there is an intercept.

    Parameters
    ----------
    smooth : FixedHuber or ConcomitantHuber
    n_features : int
    """

    def __init__(self, smooth, n_features: int) -> None:
        self.root = np.sqrt(smooth.weight)
        self.mean = self.root if smooth.fit_intercept else np.zeros(len(self.root))
        self.y = self.root * smooth.y
        self.y = self.y - (self.mean @ self.y) * self.mean
        self.n_active = 0
        self.feature, self.sample = np.empty(0, np.int64), np.empty(0, np.int64)
        self.is_shift = np.empty(0, bool)
        self.w, self.c, self.ridge = np.empty(0), np.empty(0), np.empty(0)
        self.active = np.empty(0, np.int64)
        self.gram = self.factor = np.empty((0, 0))
        self._has_feature = np.zeros(n_features, bool)
        self._has_shift = np.zeros(len(self.root), bool)

    def add_features(self, features: np.ndarray, X: np.ndarray) -> None:
        """Append those of the features, with columns X, that are not there yet."""
        new = np.flatnonzero(~self._has_feature[features])
        if len(new) == 0:
            return
        self._has_feature[features[new]] = True
        columns = X[new] * self.root
        self._append(features[new], np.full(len(new), -1), columns @ self.y)
        block = np.empty((len(new), self.size))
        block[:, self.is_shift] = columns[:, self.sample[self.is_shift]]
        rows = self._rows(features)
        block[:, ~self.is_shift] = (columns * self.root) @ X[rows].T
        self._fill(block)

    def add_samples(self, chosen: np.ndarray, features: np.ndarray, X) -> bool:
        """Append shifts of those of the chosen samples that have none yet."""
        new = np.flatnonzero(chosen & ~self._has_shift)
        if len(new) == 0:
            return False
        self._has_shift[new] = True
        self._append(np.full(len(new), -1), new, self.y[new])
        block = np.empty((len(new), self.size))
        everyone = self.sample[self.is_shift]
        block[:, self.is_shift] = np.equal.outer(new, everyone)
        block[:, self.is_shift] -= np.outer(self.mean[new], self.mean[everyone])
        rows = self._rows(features)  # orthogonal to the mean, if there is one
        block[:, ~self.is_shift] = (X[np.ix_(rows, new)] * self.root[new]).T
        self._fill(block)
        return True

    def begin(self, features, w, residual, threshold: float) -> None:
        """Start from coefficients, and what residuals exceed the threshold by."""
        everyone = np.zeros(len(self._has_feature))
        everyone[features] = w
        excess = self.root * (residual - np.clip(residual, -threshold, threshold))
        self.w = np.where(self.is_shift, excess[self.sample], everyone[self.feature])
        self.n_active = 0

    def penalty(self, penalty: NamedTuple, scale: float, threshold: float) -> Shifted:
        """The penalty of the items, times the scale."""
        local = restrict(penalty, np.where(self.is_shift, 0, self.feature))
        local = local._replace(alpha=penalty.alpha * scale)
        level = np.where(self.is_shift, threshold * self.root[self.sample], 0.0)
        return Shifted(local, level, self.is_shift)

    @property
    def size(self) -> int:
        """How many items there are."""
        return len(self.w)

    def minimise(self, local: Shifted, n_free: int, target: float) -> None:
        """Solve least squares with the penalty."""
        m = self.size
        q = self.c - self.gram[:m, :m] @ self.w
        self.n_active, _, _ = minimise_on_gram(
            local,
            np.arange(n_free),
            self.gram,
            self.c,
            self.w,
            q,
            self.active,
            self.n_active,
            self.factor,
            self.ridge,
            float(self.y @ self.y),
            target,
            _GRAM_ROUNDS,
            False,
        )

    def coef_of(self, features: np.ndarray) -> np.ndarray:
        """Coefficients of the features."""
        everyone = np.zeros(len(self._has_feature))
        everyone[self.feature[~self.is_shift]] = self.w[~self.is_shift]
        return everyone[features]

    def shifts(self) -> np.ndarray:
        """Shifts of all samples, in units of y."""
        out = np.zeros(len(self.root))
        out[self.sample[self.is_shift]] = self.w[self.is_shift]
        return out / self.root

    def _rows(self, features: np.ndarray) -> np.ndarray:
        """Where the features among the items are in an array of all features."""
        place = np.zeros(len(self._has_feature), np.int64)
        place[features] = np.arange(len(features))
        return place[self.feature[~self.is_shift]]

    def _append(self, feature, sample, c) -> None:
        """Append items at zero."""
        zeros = np.zeros(len(c))
        self.feature = np.append(self.feature, feature)
        self.sample = np.append(self.sample, sample)
        self.is_shift = self.feature < 0
        self.w, self.c = np.append(self.w, zeros), np.append(self.c, c)
        self.ridge = np.append(self.ridge, zeros)

    def _fill(self, block: np.ndarray) -> None:
        """Set the last rows and columns of the Gram matrix."""
        m, start = self.size, self.size - len(block)
        if m > len(self.gram):
            capacity = max(m, len(self.gram) * 3 // 2)
            for name in ("gram", "factor"):
                array = np.zeros((capacity, capacity))
                array[:start, :start] = getattr(self, name)[:start, :start]
                setattr(self, name, array)
            more = np.zeros(capacity - len(self.active), np.int64)
            self.active = np.append(self.active, more)
        self.gram[start:m, :m] = block
        self.gram[:start, start:m] = block[:, :start].T


class _Search:
    """Fixed point of a map of scales, by secants of the squares within bounds.

    On a face the squares are linear in each other; plain updates move monotonically.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._lower, self._upper = 0.0, inf
        self._last: tuple[float, float] | None = None

    def follow(self, mapped: float, tolerance: float) -> bool:
        """Take the next scale; returns whether it moved."""
        used, found = self.scale**2, mapped**2
        if abs(found - used) <= tolerance * used:
            return False
        if found > used:
            self._lower = max(self._lower, found)
        else:
            self._upper = min(self._upper, found)
        following = found
        if self._last is not None and self._last[0] != used:
            slope = (found - self._last[1]) / (used - self._last[0])
            if 0.0 < slope < 1.0:
                secant = (found - slope * used) / (1.0 - slope)
                if self._lower <= secant <= self._upper:
                    following = secant
        self._last = used, found
        self.scale = sqrt(following)
        return True


@op.value.register(Shifted)
def _(penalty, w, j):
    if penalty.is_shift[j]:
        return penalty.level[j] * abs(w)
    return op.value(penalty.coefficients, w, j)


@op.prox.register(Shifted)
def _(penalty, z, step, j):
    if penalty.is_shift[j]:
        return soft_threshold(z, step * penalty.level[j], False)
    return op.prox(penalty.coefficients, z, step, j)


@op.gauge.register(Shifted)
def _(penalty, g, w, j):
    if penalty.is_shift[j]:
        return abs(g) / penalty.level[j]
    return op.gauge(penalty.coefficients, g, w, j)


@op.conjugate.register(Shifted)
def _(penalty, g, j):
    if penalty.is_shift[j]:
        return np.inf if abs(g) > penalty.level[j] else 0.0
    return op.conjugate(penalty.coefficients, g, j)


@op.slope.register(Shifted)
def _(penalty, w, j):
    if penalty.is_shift[j]:
        return np.copysign(penalty.level[j], w)
    return op.slope(penalty.coefficients, w, j)


@op.curvature.register(Shifted)
def _(penalty, w, j):
    if penalty.is_shift[j]:
        return 0.0
    return op.curvature(penalty.coefficients, w, j)
