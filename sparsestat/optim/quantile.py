"""Quantile regression with l1 and elastic-net penalties, by interior points.

The check loss has no curvature to smooth but bounds on its dual: on a working set, a
primal-dual interior point method with predictor and corrector (Portnoy and Koenker,
1997, doi:10.1214/ss/1030037960; Mehrotra, 1992, doi:10.1137/0802028) solves for them.
An l1 penalty is the check loss of one more observation.  At the end the interpolated
samples and the nonzero coefficients are read off, which gives a vertex, exactly.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from sparsestat.optim.newton_path import NewtonPath
from sparsestat.optim.penalties import curvature, slope

__all__ = ["QuantilePath", "vertices"]

_ITERATIONS = 100
# Share of the way to the nearest bound.
_DAMPING = 0.99995
# Accuracies at which a vertex is tried, relative to the tolerance.
_SHARES = (0.1, 1e-3, 1e-5)
_FEASIBLE = 1e-11
_BEYOND = 1e-3


class QuantilePath(NewtonPath):
    """As `NewtonPath`, with interior points in place of Newton steps."""

    def _minimise(self, penalty, target: float) -> float:
        if not self.w.any():  # at the strength where features enter, zero is as good
            gap, _, _ = self._certify(penalty, self.X @ self.u)
            if gap <= target:
                return gap
        local = self._penalty(penalty)
        m = self.size
        linear = np.array([slope(local, 0.0, j) for j in range(m)])
        ridge = np.array([curvature(local, 1.0, j) for j in range(m)])
        least = 1e-15 * self.value + 1e-3 * self.smooth.rounding + 1e-300
        accuracies = [max(share * target, least) for share in _SHARES]
        best = np.inf
        columns, beta = self.columns.X, self._beta()
        if len(beta) == 0:
            gap, _, _ = self._certify(penalty, np.empty(0))
            return gap
        problem = self.smooth, columns, beta, linear, ridge, bool(local.positive)
        for found in vertices(*problem, accuracies):
            best = min(best, self._try(penalty, *found, best))
            if best <= target:
                break
        return best

    def _beta(self) -> np.ndarray:
        """Coefficients, with the intercept last where there is one."""
        last = [self.intercept] if self.smooth.fit_intercept else []
        return np.concatenate([self.w, last])

    def _try(self, penalty, beta, u, best: float) -> float:
        """Certify coefficients and a dual point; keep them if they are the best."""
        kept = self.w.copy(), self.intercept, self.z, self.value, self.u
        m = self.size
        self.w[:] = beta[:m]
        self.intercept = float(beta[m]) if self.smooth.fit_intercept else 0.0
        self.z = self.intercept + self.columns.combine(self.w)
        self.value, _ = self.smooth.evaluate(self.z)
        self.u = u
        gap, _, _ = self._certify(penalty, self.columns.products(u))
        if not gap < best:
            self.w[:] = kept[0]
            _, self.intercept, self.z, self.value, self.u = kept
        return gap


def vertices(smooth, columns, beta, linear, ridge, positive: bool, accuracies):
    """Coefficients and dual variables of ever higher accuracy, vertices first.

    Parameters
    ----------
    smooth : CheckLoss
    columns : ndarray of shape (m, n_kept)
    beta : ndarray of shape (m,) or (m + 1,)
        Where to start, with the intercept last where there is one.
    linear, ridge : ndarray of shape (m,)
        Prices of |w_j| and of w_j^2 / 2.
    positive : bool
        Whether coefficients are not negative.
    accuracies : list of float
        Bounds of complementarity, decreasing.

    Yields
    ------
    beta, u : ndarray
    """
    m = len(linear)
    at = np.arange(m) if positive else np.flatnonzero(linear > 0.0)
    bounds = _Bounds(
        (smooth.quantile - 1.0) * smooth.weight,
        smooth.quantile * smooth.weight,
        -linear[at],
        np.where(positive, np.inf, linear[at]),
        m,
    )
    if len(beta) > m:
        columns = np.vstack([columns, np.ones(columns.shape[1])])
    ridge = np.append(ridge, np.zeros(len(beta) - m))
    point = _Point.start(columns, smooth.y, beta, bounds, at)
    for accuracy in accuracies:
        point = _follow(point, columns, smooth.y, bounds, at, ridge, accuracy)
        for candidate in (_vertex, _rounded):
            found = candidate(point, columns, smooth.y, bounds, at, ridge)
            if found is not None:
                yield found


class _Bounds(NamedTuple):
    """Bounds of the dual variables: of samples, and of penalised coefficients.

    `n_coefs` is the number of coefficients, without the intercept.
    """

    low: np.ndarray
    high: np.ndarray
    penalty_low: np.ndarray
    penalty_high: np.ndarray
    n_coefs: int

    @property
    def all_low(self) -> np.ndarray:
        return np.concatenate([self.low, self.penalty_low])

    @property
    def all_high(self) -> np.ndarray:
        return np.concatenate([self.high, self.penalty_high])


class _Point(NamedTuple):
    """Coefficients, dual variables by their distances to the bounds, residuals.

    Rows are the samples, then one with the prediction w_j and the target 0 for each
    coefficient with a penalty or a sign.  Distances are kept, as differences to the
    bounds would round.

    Parameters
    ----------
    beta : ndarray of shape (n_columns,)
    to_low, to_high : ndarray of shape (n_rows,)
        Distances, the second of 1 where there is no upper bound.
    above, below : ndarray of shape (n_rows,)
        Positive and negative parts of residuals.
    """

    beta: np.ndarray
    to_low: np.ndarray
    to_high: np.ndarray
    above: np.ndarray
    below: np.ndarray

    @classmethod
    def start(cls, columns, y, beta, bounds, at) -> "_Point":
        """Coefficients as they are, dual variables of zero: strictly inside."""
        r = _residuals(columns, y, beta, at)
        spread = 0.1 * np.abs(r).mean() + 1e-6 * np.abs(y).max() + 1e-300
        finite = np.isfinite(bounds.all_high)
        above = np.where(finite, np.maximum(r, 0.0) + spread, 0.0)
        below = np.where(finite, above - r, spread + np.maximum(-r, 0.0))
        to_high = np.where(finite, bounds.all_high, 1.0)
        to_low = -bounds.all_low
        to_low[to_low == 0.0] = 0.1 * to_high[: len(y)].mean()  # w_j >= 0, no more
        return cls(beta.astype(np.float64), to_low, to_high, above, below)

    def dual(self, bounds) -> np.ndarray:
        """Dual variables."""
        low, high = bounds.all_low, bounds.all_high
        nearer = (self.to_low <= self.to_high) | np.isinf(high)
        return np.where(nearer, low + self.to_low, high - self.to_high)


def _residuals(columns, y, beta, at) -> np.ndarray:
    """Of samples and of the rows of the coefficients `at`."""
    return np.concatenate([y - beta @ columns, -beta[at]])


def _transposed(columns, v, at) -> np.ndarray:
    """Products of the columns of all rows with v."""
    n = columns.shape[1]
    out = columns @ v[:n]
    out[at] += v[n:]
    return out


def _follow(point, columns, y, bounds, at, ridge, accuracy) -> _Point:
    """Follow the central path until complementarity is below `accuracy`."""
    finite = np.isfinite(bounds.all_high)
    n = len(y)
    n_products = len(finite) + np.count_nonzero(finite)
    for _ in range(_ITERATIONS):
        beta, to_low, to_high, above, below = point
        products = to_low @ below + to_high @ above
        a = point.dual(bounds)
        primal = _transposed(columns, a, at) - ridge * beta
        feasible = np.abs(primal).max() <= _FEASIBLE * np.abs(a).sum()
        # Past that, rounding keeps the dual variables from being feasible.
        if products <= (accuracy if feasible else _BEYOND * accuracy):
            break
        dual = _residuals(columns, y, beta, at) - above + below
        q = 1.0 / (above / to_high + below / to_low)
        scaled = columns * np.sqrt(q[:n])
        system = scaled @ scaled.T
        diagonal = system.reshape(-1)[:: len(beta) + 1]
        diagonal += ridge
        diagonal[at] += q[n:]
        newton = _Newton(point, columns, at, finite, q, dual, primal, _solver(system))
        affine = newton.direction(-to_low * below, -to_high * above)
        ahead = _moved(point, affine, *_lengths(point, affine, finite))
        left = ahead.to_low @ ahead.below + ahead.to_high @ ahead.above
        centre = (max(left, 0.0) / products) ** 3 * products / n_products
        found = newton.direction(
            centre - to_low * below - affine.to_low * affine.below,
            centre - to_high * above - affine.to_high * affine.above,
        )
        lengths = _lengths(point, found, finite)
        if ridge.any():
            lengths = min(lengths), min(lengths)
        if max(lengths) < 1e-10:
            break
        point = _moved(point, found, *lengths)
    return point


class _Newton(NamedTuple):
    """A factored Newton system of the conditions on the central path."""

    point: _Point
    columns: np.ndarray
    at: np.ndarray
    finite: np.ndarray
    q: np.ndarray
    dual: np.ndarray
    primal: np.ndarray
    solve: Callable

    def direction(self, low_target: np.ndarray, high_target: np.ndarray) -> _Point:
        """Change of the point by which products change by the targets."""
        point = self.point
        high_target = np.where(self.finite, high_target, 0.0)
        bent = self.dual - high_target / point.to_high + low_target / point.to_low
        moved = _transposed(self.columns, self.q * bent, self.at)
        beta = self.solve(moved + self.primal)
        fitted = np.concatenate([beta @ self.columns, beta[self.at]])
        a = self.q * (bent - fitted)
        below = (low_target - point.below * a) / point.to_low
        above = (high_target + point.above * a) / point.to_high
        return _Point(beta, a, np.where(self.finite, -a, 0.0), above, below)


def _moved(point: _Point, change: _Point, step: float, residual_step: float) -> _Point:
    """The point moved by two lengths."""
    return _Point(
        point.beta + residual_step * change.beta,
        point.to_low + step * change.to_low,
        point.to_high + step * change.to_high,
        point.above + residual_step * change.above,
        point.below + residual_step * change.below,
    )


def _lengths(point: _Point, change: _Point, finite) -> tuple[float, float]:
    """Steps of dual variables and of residuals that stay strictly inside."""

    def reach(value, change):
        falling = change < 0.0
        return (-value[falling] / change[falling]).min(initial=np.inf)

    step = min(
        reach(point.to_low, change.to_low),
        reach(point.to_high[finite], change.to_high[finite]),
    )
    residual_step = min(
        reach(point.below, change.below),
        reach(point.above[finite], change.above[finite]),
    )
    return min(1.0, _DAMPING * step), min(1.0, _DAMPING * residual_step)


def _solver(system: np.ndarray):
    """A function that solves with a positive semidefinite matrix, scaled first."""
    scale = 1.0 / np.sqrt(np.maximum(system.diagonal(), 1e-300))
    scaled = system * scale * scale[:, None]
    scaled.reshape(-1)[:: len(system) + 1] += 1e-14
    try:
        factor = cho_factor(scaled, lower=True)
        return lambda v: scale * cho_solve(factor, scale * v)
    except LinAlgError:
        return lambda v: scale * lstsq(scaled, scale * v)[0]


def _is_basic(point, bounds, y) -> np.ndarray:
    """Rows whose dual variables are between their bounds: residuals are zero there."""
    low, high = bounds.all_low, bounds.all_high
    infinite = np.isinf(high)
    n = len(y)
    width = np.where(infinite, np.maximum(-low, (high - low)[:n].mean()), high - low)
    slack = np.where(infinite, point.to_low, np.minimum(point.to_low, point.to_high))
    slack = slack / width
    residual = point.above + point.below
    size = np.empty(len(low))
    size[:n] = np.abs(residual[:n]).mean() + 1e-300
    # Coefficients without a price count too: those with one may all be zero.
    size[n:] = np.abs(point.beta[: bounds.n_coefs]).max(initial=0.0)
    size[n:] = np.maximum(size[n:], np.abs(residual[n:]).max(initial=0.0)) + 1e-300
    return slack > residual / size


def _rounded(point, columns, y, bounds, at, ridge):
    """The point with zeros where the dual says so."""
    beta = point.beta.copy()
    n = len(y)
    beta[at[_is_basic(point, bounds, y)[n:]]] = 0.0
    one_sided = at[np.isinf(bounds.penalty_high)]
    beta[one_sided] = np.maximum(beta[one_sided], 0.0)
    return beta, point.dual(bounds)[:n]


def _vertex(point, columns, y, bounds, at, ridge):
    """The vertex next to the point, or None where there is none."""
    if ridge.any():
        return None
    n = len(y)
    basic = _is_basic(point, bounds, y)
    exact = np.flatnonzero(basic[:n])
    moving = np.ones(len(columns), bool)
    moving[at[basic[n:]]] = False
    moving = np.flatnonzero(moving)
    if len(exact) != len(moving):
        return None
    square = columns[np.ix_(moving, exact)]
    up = point.above > point.below
    a = np.where(up, bounds.all_high, bounds.all_low)
    a[basic] = 0.0
    try:
        beta = np.zeros(len(columns))
        beta[moving] = np.linalg.solve(square.T, y[exact])
        rest = _transposed(columns, a, at)
        a[exact] = np.linalg.solve(square, -rest[moving])
    except np.linalg.LinAlgError:
        return None
    if not (np.isfinite(beta).all() and np.isfinite(a[:n]).all()):
        return None
    return beta, a[:n]
