"""Coordinate descent on the residual, accelerated by Anderson extrapolation.

Serves where a Gram matrix would cost more than it saves: columns with few entries, and
working sets beyond its cap.  It needs no more of a penalty than value and prox.
After Bertrand and Massias (2021), arXiv:2011.10065.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import (
    dual_scale,
    fill_curvatures,
    fill_gauges,
    penalty_sums,
    penalty_value,
    scaled_gap,
    stationarity,
)
from sparsestat.optim.design import column_add, column_dot, columns, predict
from sparsestat.optim.penalties import curvature, kind, prox, restrict, slope
from sparsestat.optim.problem import LeastSquares, ordinary_least_squares
from sparsestat.utils.dispatch import kernel

__all__ = ["ResidualWorkingSet"]

# Epochs between two extrapolations: the last five differences are combined.
_EPOCHS = 5
# Passes are fast while a round of them leaves no more than this share of the gap: a
# Newton step costs about as much.
_FAST = 0.1
# Errors of a Newton step may add this share of the gap that is asked for.
_SHARE_OF_GAP = 1.0
_MOST_GRADIENTS = 200
# Conjugate gradients stop at this share of the first gradient.
_FORCING = 0.1
# Curvature, relative to that of separate features, that counts as none, and how far a
# step goes along it: to where a coefficient reaches zero.
_FLAT = 1e-12
_FAR = 1e12


class ResidualWorkingSet:
    """Features under consideration and a residual that follows their coefficients.

    Parameters
    ----------
    problem : LeastSquares
        With known norms of the columns.

    Attributes
    ----------
    features : ndarray of shape (size,)
        Feature indices.
    w, q : ndarray of shape (size,)
        Coefficients and correlations with the residual.
    inside : ndarray of shape (n_features,), bool
        Members of the set.
    gap : float
        Duality gap on the set, or the violated stationarity of a penalty without dual.
    """

    def __init__(self, problem: LeastSquares) -> None:
        self.problem = problem
        self.inside = np.zeros(len(problem.excluded), bool)
        self.features = np.empty(0, np.int64)
        self.w, self.q = np.empty(0), np.empty(0)
        self.gap = np.inf
        weight = problem.root**2
        self._free = problem.unpenalised
        self._free_columns = None
        self._weight = None if (weight == weight[0]).all() else weight
        self._residual = problem.centred.copy()
        self._shift = 0.0
        self._slow = True

    @property
    def size(self) -> int:
        return len(self.features)

    def add(self, new: np.ndarray) -> None:
        """Add features at coefficient zero; `q` is known after the next step."""
        self.features = np.concatenate([self.features, new])
        self.w = np.concatenate([self.w, np.zeros(len(new))])
        self.q = np.concatenate([self.q, np.full(len(new), np.nan)])
        self.inside[new] = True

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set to `target` (of `gap`); returns the rounds taken."""
        local = self.local(penalty)
        lipschitz = self.problem.design.norm[self.features] ** 2
        candidates = np.arange(self.size)
        has_faces = kind(local) == "convex"
        n_rounds = 0
        while n_rounds < max_rounds:
            n_rounds += 1
            last = self.gap if n_rounds > 1 else np.inf
            if has_faces and self._slow:
                self._newton(local, lipschitz, target)
            else:
                self._accelerate(local, lipschitz)
            self._epochs(local, lipschitz, candidates, 1)
            self._certify(local, lipschitz)
            self._slow = self._slow or self.gap > _FAST * last
            if has_faces:
                candidates = self._not_excluded_safely(local, lipschitz)
            if self.gap <= target:
                break
        return n_rounds

    def sweep(self, penalty: NamedTuple) -> None:
        """Pass forward and backward over the set, without a certificate."""
        lipschitz = self.problem.design.norm[self.features] ** 2
        self._epochs(self.local(penalty), lipschitz, np.arange(self.size), 2)
        self._slow = False

    def cycle(self, penalty: NamedTuple, tolerance: float, max_passes: int) -> None:
        """Pass over the set until none moves by more than `tolerance` as a gradient."""
        local, order = self.local(penalty), np.arange(self.size)
        lipschitz = self.problem.design.norm[self.features] ** 2
        for _ in range(max_passes):
            before = self.w.copy()
            self._epochs(local, lipschitz, order, 1)
            moved = lipschitz * np.abs(self.w - before)
            if moved.max(initial=0.0) <= tolerance:
                break

    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """Features with nonzero coefficients, and these."""
        nonzero = np.flatnonzero(self.w)
        return self.features[nonzero], self.w[nonzero]

    def objective(self, penalty: NamedTuple) -> float:
        """Objective of the current coefficients."""
        return self._objective(self.local(penalty))

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition on the set."""
        lipschitz = self.problem.design.norm[self.features] ** 2
        return stationarity(self.local(penalty), self.w, self.q, lipschitz)

    def local(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty of the features in the set."""
        return restrict(penalty, self.features)

    def residual(self) -> np.ndarray:
        """target - root * X~ w."""
        return self.problem.root * (self._residual + self._shift)

    def warm_start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Set coefficients of features that are in the set."""
        position = np.empty(len(self.inside), np.int64)
        position[self.features] = np.arange(self.size)
        self.w[position[features]] = coef
        self._synchronise(self.w)

    def _epochs(self, local, lipschitz, order, n_epochs) -> np.ndarray:
        history = np.empty((n_epochs, len(order)))
        self._shift = coordinate_epochs(
            self.problem.design,
            self._weight,
            local,
            self.features,
            order,
            lipschitz,
            self.w,
            self._residual,
            self._shift,
            history,
        )
        return history

    def _accelerate(self, local, lipschitz) -> None:
        """Epochs on the support, and the best combination of them if it is better."""
        order = np.flatnonzero(self.w)
        if len(order) == 0:
            return
        history = np.vstack(
            [self.w[order], self._epochs(local, lipschitz, order, _EPOCHS)]
        )
        steps = np.diff(history, axis=0)
        products = steps @ steps.T
        products.flat[:: _EPOCHS + 1] += 1e-12 * np.trace(products) + 1e-300
        mix = np.linalg.solve(products, np.ones(_EPOCHS))
        candidate = self.w.copy()
        candidate[order] = (mix / mix.sum()) @ history[1:]
        before = self._objective(local)
        state = self.w, self._residual, self._shift
        self._synchronise(candidate)
        if not self._objective(local) < before:
            self.w, self._residual, self._shift = state

    def _newton(self, local, lipschitz, target) -> None:
        """A Newton step on the face by conjugate gradients, to where it is left.

        Coefficients that the step would take through zero stop there.  Where that
        does not lower the objective, the step ends at the first of them.
        """
        order = np.flatnonzero(self.w)
        if len(order) == 0:
            return
        design, size = self.problem.design, np.abs(self.w).sum()
        features = self.features[order]
        step = newton_step(
            design,
            self._weight,
            restrict(local, order),
            features,
            lipschitz[order],
            self.w[order],
            self._residual,
            self._shift,
            _SHARE_OF_GAP * target / size,
        )
        w = self.w[order]
        with np.errstate(divide="ignore"):
            reach = np.where(w * (w + step) < 0.0, -w / step, 1.0)
        candidate = self.w.copy()
        candidate[order] = np.where(reach < 1.0, 0.0, w + step)
        state = self.w, self._residual, self._shift
        if reach.min() < 1.0:
            before = self._objective(local)
            self._synchronise(candidate)
            if self._objective(local) <= before:
                return
            candidate = state[0].copy()
            candidate[order] = w + reach.min() * step
            candidate[order[reach.argmin()]] = 0.0
        self._synchronise(candidate)

    def _synchronise(self, w: np.ndarray) -> None:
        """Take coefficients and compute their residual afresh."""
        self.w = w
        problem = self.problem
        nonzero = np.flatnonzero(w)
        self._residual = problem.centred.copy()
        self._shift = 0.0
        if len(nonzero):
            self._residual -= predict(
                problem.design, self.features[nonzero], w[nonzero]
            )

    def _objective(self, local) -> float:
        u = self.residual()
        return 0.5 * float(u @ u) + penalty_value(local, self.w)

    def _refit_unpenalised(self, local) -> None:
        """Fit the coefficients of weight zero exactly: a dual point needs that."""
        free = len(self._free)  # they enter first, in this order
        if free == 0:
            return
        problem = self.problem
        if self._free_columns is None:
            rows = columns(problem.design, self._free, slice(None))
            self._free_columns = (rows * problem.root).T
        w = self.w.copy()
        target = self.residual() + self._free_columns @ w[:free]
        negative = prox(local, -1.0, 1.0, 0) < 0.0
        w[:free] = ordinary_least_squares(self._free_columns, target, negative)
        self._synchronise(w)

    def _not_excluded_safely(self, local, lipschitz) -> np.ndarray:
        """Features of the set that the gap-safe sphere cannot prove to be zero.

        The optimal dual point lies within sqrt(2 gap) of the scaled residual, so a
        coefficient is zero if no point of the sphere reaches its threshold.
        """
        residual2, y_dot, sums = self._sums
        _, augmented2, largest, _ = sums
        t = dual_scale(residual2 + augmented2, y_dot, largest)
        gap = scaled_gap(residual2, y_dot, *sums[:3], np.inf)
        ridge, gauges = np.empty(self.size), np.empty(self.size)
        fill_curvatures(local, ridge)
        slack = np.sqrt((lipschitz + ridge) * 2.0 * gap)
        fill_gauges(local, t * self.q, slack, np.zeros(self.size, bool), gauges)
        gauges[: len(self._free)] = np.inf
        return np.flatnonzero((gauges >= 1.0) | (self.w != 0.0))

    def _certify(self, local, lipschitz) -> None:
        self._refit_unpenalised(local)
        u = self.residual()
        problem = self.problem
        self.q = problem.correlations(u, self.features)
        if kind(local) == "general":
            self.gap = stationarity(local, self.w, self.q, lipschitz)
            return
        sums = penalty_sums(local, self.w, self.q)
        self._sums = float(u @ u), float(problem.target @ u), sums
        self.gap = scaled_gap(*self._sums[:2], *sums)


@kernel
def coordinate_epochs(
    design, weight, penalty, features, order, lipschitz, w, residual, shift, history
):
    """Passes over the features in `order`, forward and backward by turns.

    `residual` is on the scale of y and lacks the constant `shift`, through which
    centred columns act.  Row e of `history` receives the coefficients after epoch e.
    """
    for epoch in range(len(history)):
        for i in range(len(order)):
            k = order[len(order) - 1 - i] if epoch % 2 else order[i]
            if lipschitz[k] > 0.0:
                j = features[k]
                scale = design.scale[j]
                g = column_dot(design, j, weight, residual, shift) / scale
                step = 1.0 / lipschitz[k]
                old = w[k]
                new = prox(penalty, old + step * g, step, k)
                if new != old:
                    change = (new - old) / scale
                    shift += column_add(design, j, -change, residual)
                    w[k] = new
        for i in range(len(order)):
            history[epoch, i] = w[order[i]]
    return shift


@kernel
def newton_step(
    design, weight, penalty, features, norm2, w, residual, shift, tolerance
):
    """Newton step on the face of nonzero w, by preconditioned conjugate gradients.

    Stops when no gradient on the face exceeds `tolerance`.  All arrays but those of
    the design belong to the face.
    """
    m = len(features)
    x, g, d, h = np.zeros(m), np.empty(m), np.zeros(m), np.empty(m)
    ridge, inverse = np.empty(m), np.empty(m)
    preconditioner = np.empty(m)
    fitted = np.empty(len(residual))
    for k in range(m):
        j = features[k]
        inverse[k] = 1.0 / design.scale[j]
        ridge[k] = curvature(penalty, w[k], k)
        preconditioner[k] = 1.0 / (norm2[k] + ridge[k])
        dot = column_dot(design, j, weight, residual, shift)
        g[k] = dot * inverse[k] - slope(penalty, w[k], k)
        tolerance = max(tolerance, _FORCING * abs(g[k]))
    rho_old = np.inf
    for _ in range(_MOST_GRADIENTS):
        rho, largest = 0.0, 0.0
        for k in range(m):
            rho += g[k] * g[k] * preconditioner[k]
            largest = max(largest, abs(g[k]))
        if largest <= tolerance:
            break
        beta = rho / rho_old
        rho_old = rho
        offset = 0.0
        for i in range(len(fitted)):
            fitted[i] = 0.0
        for k in range(m):
            d[k] = g[k] * preconditioner[k] + beta * d[k]
            offset += column_add(design, features[k], d[k] * inverse[k], fitted)
        energy, size = 0.0, 0.0
        for k in range(m):
            size += d[k] * d[k] / preconditioner[k]
            dot = column_dot(design, features[k], weight, fitted, offset)
            h[k] = dot * inverse[k] + ridge[k] * d[k]
            energy += d[k] * h[k]
        if energy <= _FLAT * size:
            # Collinear features: along d only the penalty changes, and falls.
            for k in range(m):
                x[k] += _FAR * d[k]
            break
        length = rho / energy
        for k in range(m):
            x[k] += length * d[k]
            g[k] -= length * h[k]
    return x
