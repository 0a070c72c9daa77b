"""Quantile regression with any penalty: which solver, and its certificates.

Convex separable penalties go to interior points; concave ones are bounded by their
tangents, each an l1 norm for interior points (Wu and Liu 2009); for blocks the loss is
smoothed less and less, with Newton steps, until the gap of the loss as it is closes.
"""

import numpy as np

from sparsestat.optim.check_loss import CheckLoss
from sparsestat.optim.design import Design, columns
from sparsestat.optim.newton_blocks import BlockNewtonPath
from sparsestat.optim.newton_concave import (
    ConcaveNewtonPath,
    concave_total,
    fill_slopes,
    tangent_at_zero,
    violation,
)
from sparsestat.optim.newton_path import NewtonPath
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.penalties import ElasticNet, prepare, restrict
from sparsestat.optim.quantile import QuantilePath, vertices
from sparsestat.optim.solution import PathSolution

__all__ = ["BlockQuantilePath", "CheckLoss", "ConcaveQuantilePath", "QuantileRun"]

# Residuals of interpolated samples, relative to the mean one and to the spread of y.
_EXACT, _SAME = 1e-4, 1e-9
# Bands of smoothing: each is this share of the one before, from the spread of y down.
_NARROWER, _NARROWEST = 0.2, 1e-12
# The narrowest band of the null model, whose gap nobody asks for.
_NULL_BAND = 1e-7
# Accuracy of the smoothed problem, relative to what smoothing may cost.
_SMOOTHED_SHARE = 0.2
# Tangents at one strength, accuracies of each, what a pair of residuals and dual
# variables may miss complementarity by, relative to the spread of y, and what
# violates no condition of a tangent, relative to its largest slope.
_TANGENTS = 50
_ACCURACIES = 1e-7, 1e-10, 1e-13
_COMPLEMENTARY, _EXACT_TANGENT = 1e-8, 1e-10


class BlockQuantilePath(BlockNewtonPath):
    """As `BlockNewtonPath`, on losses that are smoothed less and less."""

    def _minimise(self, penalty, target: float) -> float:
        smooth = self.smooth
        spread = smooth.spread_of_y()
        width, gap = spread, np.inf
        narrowest = (_NARROWEST if target > 0.0 else _NULL_BAND) * spread
        largest = 0.5 * max(smooth.quantile, 1.0 - smooth.quantile) ** 2
        while gap > target and width > narrowest:
            smooth.width, self._metric = width, None
            self.value, self.u = smooth.evaluate(self.z)
            inner = _SMOOTHED_SHARE * max(target, largest * width)
            super()._minimise(penalty, inner)
            smooth.width = 0.0
            self.value, _ = smooth.evaluate(self.z)
            gap, _, _ = self._certify(penalty, self.columns.products(self.u))
            width *= _NARROWER
        return gap

    def _dual_point(self, penalty) -> tuple[np.ndarray, float]:
        """As in the base, scaled back to within the bounds, many of which are met."""
        u, limit = self.smooth.feasible(self.u)
        if self._n_free == 0:
            return u, limit
        basis, moved = self._free_basis(penalty, u), u / self._root
        for _ in range(2):
            moved = moved - (basis @ moved) @ basis
        return self.smooth.feasible(moved * self._root)


class ConcaveQuantilePath(ConcaveNewtonPath):
    """As `ConcaveNewtonPath`, each tangent solved by interior points."""

    def _minimise(self, penalty, target: float) -> float:
        smooth, m = self.smooth, self.size
        concave = self._local_concave(penalty)
        slopes, worst = np.empty(m), np.inf
        if m == 0 and not smooth.fit_intercept:
            return self._certify(penalty, np.empty(0))[0]
        for _ in range(_TANGENTS):
            fill_slopes(concave, self.w, slopes)
            before = self.value + concave_total(concave, self.w)
            found = self._solve_tangent(slopes, bool(penalty.positive))
            if found is None:
                break
            beta, self.z, self.value, self.u = found
            self._w[:m], self.intercept = beta[:m], float(beta[m:].sum())
            worst = self._certify(penalty, self.columns.products(self.u))[0]
            after = self.value + concave_total(concave, self.w)
            if worst <= target or not after < before:
                break
        return worst

    def _solve_tangent(self, slopes: np.ndarray, positive: bool) -> tuple | None:
        """Minimise with an l1 norm of these prices.

        Returns
        -------
        beta, z, value, u : tuple
            Coefficients and intercept, predictions, loss and dual variables; None where
            rounding keeps these from suiting the residuals.
        """
        smooth, m = self.smooth, self.size
        size, largest = smooth.spread_of_y(), slopes.max(initial=0.0)
        last = [self.intercept] if smooth.fit_intercept else []
        beta = np.concatenate([self.w, last])
        accuracies = [share * size for share in _ACCURACIES]
        best, least = None, np.inf
        tangent = prepare(ElasticNet(1.0, 1.0, slopes, positive), m)
        problem = smooth, self.columns.X, beta, slopes, np.zeros(m), positive
        for found, u in vertices(*problem, accuracies):
            z = found[:m] @ self.columns.X + found[m:].sum()
            value, _ = smooth.evaluate(z)
            if value - u @ (smooth.y - z) > _COMPLEMENTARY * size:
                continue
            missed = violation(tangent, found[:m], self.columns.products(u))
            if missed < least:
                best, least = (found, z, value, u), missed
            if missed <= _EXACT_TANGENT * largest:
                break
        return best


class QuantileRun(NewtonRun):
    """As `NewtonRun`, with interior points, or a smoothed loss for blocks."""

    solver_class = QuantilePath

    def _make_solver(self, design: Design) -> NewtonPath:
        smooth, weight = self.loss, self.weight
        if self._kind == "block":
            return BlockQuantilePath(design, smooth, self.penalty, weight)
        if self._kind == "general":
            self._screening = tangent_at_zero(self.penalty)
            return ConcaveQuantilePath(
                design, smooth, self._screening, weight, self.penalty
            )
        return super()._make_solver(design)

    def stationarity_of(self, alpha: float, coef: np.ndarray) -> float:
        """Largest violated optimality condition at coefficients on the scale of X.

        Derivatives of the loss at interpolated samples are the ones, within their
        bounds, that suit the nonzero coefficients best.
        """
        if self.alpha_max == 0.0:
            return 0.0
        kept = np.flatnonzero(~self.problem.excluded)
        penalty = restrict(self.penalty._replace(alpha=float(alpha)), kept)
        w = coef.ravel()[kept] * self.problem.design.scale[kept]
        support = np.flatnonzero(w)
        loss, fitted = self.loss, self.fitted(coef)[self.loss.rows]
        r = loss.y - fitted - loss.best_intercept(fitted)
        n_exact = len(support) + int(loss.fit_intercept)
        exact = np.argsort(np.abs(r), kind="stable")[:n_exact]
        close = _EXACT * np.abs(r).mean() + _SAME * loss.spread_of_y()
        exact = exact[np.abs(r[exact]) <= close]
        _, u = loss.evaluate(loss.y - r)
        u[exact] = 0.0
        X = columns(self.problem.design, kept[support], slice(None))[:, loss.rows]
        rest = X @ u
        slopes = np.empty(len(support))
        fill_slopes(restrict(penalty, support), w[support], slopes)
        wanted = np.sign(w[support]) * slopes - rest
        rows = X[:, exact]
        if loss.fit_intercept:
            rows, wanted = (
                np.vstack([rows, np.ones(len(exact))]),
                np.append(wanted, -u.sum()),
            )
        low = (loss.quantile - 1.0) * loss.weight[exact]
        found = np.linalg.lstsq(rows, wanted)[0] if len(exact) else np.empty(0)
        u[exact] = np.clip(found, low, low + loss.weight[exact])
        everywhere = np.zeros(len(self.problem.root))
        everywhere[loss.rows] = u / self.problem.root[loss.rows]
        q = self.problem.correlations(everywhere)[kept]
        worst = float(violation(penalty, w, q))
        return max(worst, abs(float(u.sum()))) if loss.fit_intercept else worst

    def degrees_of_freedom(self, found: PathSolution) -> np.ndarray:
        """Numbers of interpolated samples, less one for the intercept.

        The divergence of the fit: Li, Liu and Zhu (2007),
        doi:10.1198/016214506000000979.  With an l1 penalty it is that of the nonzero
        coefficients.
        """
        if self._kind != "block" and getattr(self.penalty, "l1_ratio", 1.0) == 1.0:
            return super().degrees_of_freedom(found)
        loss, exact = self.loss, []
        for k in range(len(found.alphas)):
            fitted = self.fitted(found.coefs[:, [k]].toarray().ravel())[loss.rows]
            r = loss.y - fitted - loss.best_intercept(fitted)
            size = np.abs(r).mean() + loss.rounding
            exact.append(np.count_nonzero(np.abs(r) <= _EXACT * size))
        return np.maximum(np.array(exact) - int(loss.fit_intercept), 0)
