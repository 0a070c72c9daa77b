"""Paths of SLOPE: clusters of equal magnitude on a growing Gram matrix.

The strong rule proposes features.  On these, proximal gradient steps split clusters and
let features in, coordinate descent over clusters merges and reorders them, and Newton
steps settle their magnitudes: with exact line search across other orders, then on the
face, where clusters that meet stay together.  The duality gap on all features
certifies.  After Larsson, Klopfenstein, Massias and Wallin (2023), arXiv:2210.14780,
for the descent, and Larsson, Bogdan and Wallin (2020), arXiv:2005.03730, for the rule.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from sparsestat.optim.certificate import dual_scale, scaled_gap
from sparsestat.optim.cluster_descent import (
    descend_clusters,
    directional_derivative,
    reduce_gram,
    subtract_rows,
)
from sparsestat.optim.penalties import dual_norm, total, vector_prox
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.working_set import GramWorkingSet

__all__ = ["SlopeSolver"]

# Share of the tolerance that the working set may use up.
_INNER_SHARE = 0.3
_INNER_ROUNDS = 200
# Ratio of strengths by which a single fit is approached, and its looser tolerance.
_STAGE = 0.5
_LOOSE = 100.0
_PASSES = 4
_POWER_STEPS = 4
_LINE_SEARCH_STEPS = 12
# Rounds after which clusters are merged one by one: more work, but it cannot stall.
_PATIENCE = 10
_ROUNDING = 1e-13
_RIDGE = 1e-10


class SlopeSolver:
    """Solve least squares with the sorted l1 norm; see `PathSolver`."""

    def __init__(self, problem: LeastSquares) -> None:
        self.problem = problem
        self.n_passes = 0.0
        self._set = _ClusterSet(problem)
        self._previous_alpha = np.nan
        self._correlations = np.zeros(len(problem.excluded))

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Scale of the tolerance, the strength that leaves zero, and the null loss."""
        self._correlate(self.problem.target)
        loss = 0.5 * self.problem.y2
        if self.problem.is_rounding(loss):
            self._correlations[:] = 0.0
        self._previous_alpha = dual_norm(
            penalty._replace(alpha=1.0), self._correlations
        )
        return loss, self._previous_alpha, loss

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._set.add(features[~self._set.inside[features]])
        self._set.warm_start(features, coef)
        self._correlate(self._set.residual())
        self._previous_alpha = np.nan

    def null_step(self) -> Step:
        """The null model, exact where it leaves nothing to explain."""
        empty = np.empty(0)
        return Step(empty.astype(np.int64), empty, 0.0, 0.0, 0.0, 1.0, 1, True, 0.0)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        lipschitz = self._set.lipschitz
        w = np.zeros(len(self._correlations))
        features, coef = self._set.support()
        w[features] = coef
        point = w + self._correlations / lipschitz
        moved = vector_prox(penalty, point, 1.0 / lipschitz)
        return float(lipschitz * np.abs(w - moved).max(initial=0.0))

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve until the duality gap over all features is at most `target`."""
        alpha, previous = penalty.alpha, self._previous_alpha
        while previous * _STAGE > alpha:
            previous *= _STAGE
            self._solve(penalty._replace(alpha=previous), _LOOSE * target, max_iter)
        return self._solve(penalty, target, max_iter)

    def _solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        working = self._set
        self._add(self._expected(penalty))
        inner = _INNER_SHARE * target
        for n_iter in range(1, max_iter + 1):
            working.minimise(penalty, inner)
            step = self._step(penalty, target, n_iter)
            if step.converged:
                break
            missing = self._missing(penalty)
            if len(missing):
                self._add(missing)
            else:
                inner *= 0.1  # what is left was lost to rounding in the Gram matrix
        self._previous_alpha = penalty.alpha
        return step

    def _add(self, features: np.ndarray) -> None:
        self._set.add(np.sort(features))
        self.n_passes += len(features) / len(self._correlations)

    def _correlate(self, u: np.ndarray) -> None:
        values = self.problem.correlations(u)
        values[self.problem.excluded] = 0.0
        self._correlations = values
        self.n_passes += 1.0

    def _expected(self, penalty: NamedTuple) -> np.ndarray:
        """Features that the strong rule keeps, and that are not in the set yet."""
        previous = self._previous_alpha
        if np.isnan(previous):
            previous = penalty.alpha
        slack = max(previous - penalty.alpha, 0.0)
        sizes, order = self._sorted()
        excess = sizes - (penalty.alpha - slack) * penalty.lambdas
        return self._leading(excess, order)

    def _missing(self, penalty: NamedTuple) -> np.ndarray:
        """Features outside the set that violate the optimality conditions."""
        sizes, order = self._sorted()
        excess = sizes - penalty.alpha * penalty.lambdas
        return self._leading(excess, order)

    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.abs(self._correlations)
        order = np.argsort(-sizes, kind="stable")
        return sizes[order], order

    def _leading(self, excess: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The features up to the last maximum of the cumulative excess."""
        sums = np.cumsum(excess)
        if sums.max(initial=-1.0) < 0.0:
            return order[:0]
        last = len(sums) - 1 - int(np.argmax(sums[::-1]))
        chosen = order[: last + 1]
        allowed = ~(self._set.inside[chosen] | self.problem.excluded[chosen])
        return chosen[allowed]

    def _step(self, penalty: NamedTuple, target: float, n_iter: int) -> Step:
        u = self._set.residual()
        self._correlate(u)
        features, coef = self._set.support()
        residual2, y_dot = float(u @ u), float(self.problem.target @ u)
        largest = dual_norm(penalty, self._correlations)
        value = total(penalty, coef)
        gap = scaled_gap(residual2, y_dot, value, 0.0, largest, np.inf)
        loss = 0.5 * residual2
        return Step(
            features,
            coef.copy(),
            loss + value,
            loss,
            gap,
            dual_scale(residual2, y_dot, largest),
            n_iter,
            gap <= target,
        )


class _ClusterSet(GramWorkingSet):
    """Working set whose coefficients move in clusters of equal magnitude."""

    lipschitz = 1.0

    def __init__(self, problem: LeastSquares) -> None:
        super().__init__(problem)
        self._vector = np.empty(0)
        self._bounded = 0

    def minimise(self, penalty: NamedTuple, target: float) -> None:
        """Solve on the set to a duality gap of `target`, or as rounding allows."""
        if self.size == 0:
            return
        self._synchronise()
        self._bound_curvature()
        lambdas = penalty.alpha * penalty.lambdas[: self.size]
        sums = np.concatenate([[0.0], np.cumsum(lambdas)])
        gram = self._gram[: self.size, : self.size]
        self._newton(lambdas, sums)  # on the face of the strength before
        for k in range(_INNER_ROUNDS):
            if k % 8 == 7:
                self._synchronise()
            if self._restricted_gap(penalty) <= target:
                return
            self._split(penalty)
            descend_clusters(gram, self.w, self.q, sums, _PASSES)
            self._newton(lambdas, sums)
            if k >= _PATIENCE:
                self._descend_face(sums)

    def local(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty itself: ranks, not features, have weights."""
        return penalty

    def _synchronise(self) -> None:
        m, support = self.size, np.flatnonzero(self.w)
        self.q[:] = self._c[:m] - self.w[support] @ self._gram[support, :m]

    def _bound_curvature(self) -> None:
        """Raise the Lipschitz constant to what power iterations find."""
        m = self.size
        if m == self._bounded:
            return
        gram = self._gram[:m, :m]
        vector = np.full(m, 1.0 / np.sqrt(m))
        vector[: len(self._vector)] = self._vector
        size = self.lipschitz if self._bounded else 0.0
        for _ in range(_POWER_STEPS):
            vector = gram @ (vector / np.linalg.norm(vector))
            size = max(size, np.linalg.norm(vector))
        self._vector, self._bounded = vector / np.linalg.norm(vector), m
        self.lipschitz = max(size, gram.diagonal().max())

    def _restricted_gap(self, penalty: NamedTuple) -> float:
        y2, fitted, rest = self.problem.y2, self.fitted(), float(self.q @ self.w)
        residual2 = max(y2 - fitted - rest, 0.0)
        largest = dual_norm(penalty, self.q)
        value = total(penalty, self.w)
        return scaled_gap(residual2, y2 - fitted, value, 0.0, largest, np.inf)

    def _split(self, penalty: NamedTuple) -> None:
        """A proximal gradient step: splits clusters, and lets features in."""
        gram = self._gram[: self.size, : self.size]
        local = penalty._replace(lambdas=penalty.lambdas[: self.size])
        while True:
            step = 1.0 / self.lipschitz
            move = vector_prox(local, self.w + step * self.q, step) - self.w
            moved = np.flatnonzero(move)
            if len(moved) == 0:
                return
            change = np.zeros(self.size)
            subtract_rows(gram, moved, move, change)
            curvature = -float(move @ change)
            if curvature <= self.lipschitz * float(move @ move) * (1.0 + _ROUNDING):
                self.w[:] += move
                self.q[:] += change
                return
            self.lipschitz *= 1.5

    def _newton(self, lambdas: np.ndarray, sums: np.ndarray) -> None:
        """Newton step for the magnitudes of the clusters, with exact line search."""
        face = self._face(sums)
        if face is None:
            return
        move = _solve(face.hessian, face.gradient, overwrite=True)
        if move is None:
            return  # left to coordinate descent
        change, pull = self._spread(face, move)
        direction = change[face.active]
        step = _line_search(
            self.w[face.active],
            direction,
            float(self.q[face.active] @ direction),
            -float(pull[face.active] @ direction),
            lambdas,
        )
        self.w[:] += step * change
        self.q[:] += step * pull

    def _descend_face(self, sums: np.ndarray) -> None:
        """Go to the minimum over all magnitudes in this order, merging what meets."""
        face = self._face(sums)
        if face is None:
            return
        level = _merge_on_the_way(face)
        _, pull = self._spread(face, level - face.level)
        # Equal to the last bit, so that clusters are found again.
        self.w[face.active] = face.sign * np.repeat(level, face.count)
        self.q[:] += pull

    def _face(self, sums: np.ndarray) -> "_Face | None":
        """The clusters as they are, largest magnitude first."""
        active = np.flatnonzero(self.w)
        if len(active) == 0:
            return None
        active = active[np.argsort(-np.abs(self.w[active]), kind="stable")]
        w = self.w[active]
        sign, size = np.sign(w), np.abs(w)
        stops = np.append(np.flatnonzero(size[1:] != size[:-1]) + 1, len(size))
        starts = np.append(0, stops[:-1])
        gradient = np.add.reduceat(sign * self.q[active], starts)
        gradient -= sums[stops] - sums[starts]
        hessian = np.zeros((len(starts), len(starts)))
        reduce_gram(self._gram, active, sign, stops, hessian)
        return _Face(active, sign, stops - starts, size[starts], gradient, hessian)

    def _spread(self, face: "_Face", move) -> tuple[np.ndarray, np.ndarray]:
        """Changes of w and of q when the magnitudes of a face move."""
        change, pull = np.zeros((2, self.size))
        change[face.active] = face.sign * np.repeat(move, face.count)
        gram = self._gram[: self.size, : self.size]
        subtract_rows(gram, face.active, change, pull)
        return change, pull


class _Face(NamedTuple):
    """Members, signs and sizes of clusters; magnitudes, gradient, half a Hessian."""

    active: np.ndarray
    sign: np.ndarray
    count: np.ndarray
    level: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def _solve(hessian: np.ndarray, right: np.ndarray, overwrite=False):
    """Solution of a positive system of which the upper half is given, or None."""
    _, found, failed = dposv(hessian.T, right, lower=True, overwrite_a=overwrite)
    return None if failed or not np.isfinite(found).all() else found


def _merge_on_the_way(face: _Face) -> np.ndarray:
    """Magnitudes at the minimum over those that keep their order.

    Newton steps end where neighbours meet, or the last cluster reaches zero; these stay
    together, or there, from then on.
    """
    level, gradient = face.level, face.gradient
    hessian = face.hessian + np.triu(face.hessian, 1).T
    # More clusters than samples: directions that cost nothing are followed to the end.
    hessian[np.diag_indices_from(hessian)] += _RIDGE * np.trace(hessian) / len(level)
    group = np.arange(len(level))  # of each cluster; -1 at zero
    while len(level):
        move = _solve(hessian, gradient)
        if move is None:
            break
        distance = level - np.append(level[1:], 0.0)
        closing = np.append(move[1:], 0.0) - move
        with np.errstate(divide="ignore", invalid="ignore"):
            meets = np.where(closing > 0.0, distance / closing, np.inf)
        k = int(np.argmin(meets))
        step = min(meets[k], 1.0)
        level = level + step * move
        if meets[k] >= 1.0:
            break
        gradient = gradient - step * (hessian @ move)
        kept = np.arange(len(level)) != k
        if k == len(level) - 1:
            group[group == k] = -1
        else:
            level[k + 1] = 0.5 * (level[k] + level[k + 1])
            gradient[k + 1] += gradient[k]
            hessian[k + 1] += hessian[k]
            hessian[:, k + 1] += hessian[:, k]
            group[group > k] -= 1
        level, gradient, hessian = level[kept], gradient[kept], hessian[kept][:, kept]
    return np.append(level, 0.0)[group]


def _line_search(w, direction, slope: float, curvature: float, lambdas) -> float:
    """Minimise along a direction in which the loss has -slope and curvature."""

    def derivative(step: float) -> float:
        rest = curvature * step - slope
        return rest + directional_derivative(w + step * direction, direction, lambdas)

    tolerance = 1e-9 * abs(slope)
    if derivative(1.0) <= tolerance:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_LINE_SEARCH_STEPS):
        middle = 0.5 * (low + high)
        if derivative(middle) <= 0.0:
            low = middle
        else:
            high = middle
    return low
