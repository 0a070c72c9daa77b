"""Least squares with total variation on a line or a graph: the fused Lasso.

On the line by accelerated proximal gradient, whose prox is exact in linear time; on
graphs by alternating directions.  Either finds the segments; Newton steps on these give
the digits.  Certified by the duality gap: on the line with the exact dual norm, on
graphs with a flow that is repaired by a Laplacian solve.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from sparsestat.optim.admm import GraphADMM
from sparsestat.optim.certificate import dual_scale
from sparsestat.optim.design import CSC, predict
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.penalties import dual_norm, total, vector_prox
from sparsestat.optim.penalties.total_variation import components, incidence
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.proximal_gradient import ProximalGradient, largest_eigenvalue
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.segments import polish_segments, threshold_shifted

__all__ = ["FusedSolver"]

# A whole Gram matrix up to this many features, where it makes steps cheaper.
_MOST_GRAM = 4000
_FIRST_STEPS = 10
_MOST_STEPS = 200
_SHIFT = 1e-9
# What may be left of correlations that flows have to carry.
_ROUNDING = 1e-9


class FusedSolver:
    """Solve least squares with total variation; see `PathSolver`."""

    def __init__(self, problem: LeastSquares, penalty: NamedTuple) -> None:
        self.problem = problem
        self.n_passes = 0.0
        p = len(problem.design.mean)
        self._everyone = np.arange(p)
        self.edges = penalty.edges
        if penalty.edges is None:
            self.edges = np.column_stack([self._everyone[:-1], self._everyone[1:]])
        self._parts = _parts(penalty, p)
        self._free = _free_directions(problem, penalty, self._parts)
        self._c = problem.correlations(problem.target)
        self._gram = self._whole_gram()
        self._lipschitz = self._largest_curvature()
        if penalty.edges is None:
            self._method = _OnLine(self, penalty)
        else:
            self._method = _OnGraph(self, penalty)
        self._null, self._null_residual = self._fit_free()
        self._start(self._null)
        self._last_gap = np.inf

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Scale of the tolerance, the strength that leaves zero, and the null loss."""
        u = self._null_residual
        loss = 0.5 * float(u @ u)
        top = 0.0
        if not self.problem.is_rounding(loss):
            top = self._method.largest(penalty._replace(alpha=1.0), self.correlate(u))
        return loss, top, loss

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        w = np.zeros(len(self._everyone))
        w[features] = coef
        self._start(w)

    def null_step(self) -> Step:
        """The null model, exact where it leaves nothing to explain."""
        features = np.flatnonzero(self._null)
        return Step(features, self._null[features], 0.0, 0.0, 0.0, 1.0, 1, True, 0.0)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution, or a bound."""
        return self._method.violation(penalty, self._last_gap)

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve until the duality gap is at most `target`."""
        n_steps, best = 1, None
        for n_iter in range(1, max_iter + 1):
            self._method.advance(penalty, n_steps)
            for w in self._method.candidates(penalty):
                step = self._step(penalty, w, target, n_iter)
                if best is None or step.gap <= best.gap:
                    best, kept = step, w
                if step.converged:
                    break
            if best.converged:
                break
            n_steps = min(max(2 * n_steps, _FIRST_STEPS), _MOST_STEPS)
        self._last_gap = best.gap
        self._method.settle(kept)
        return best._replace(n_iter=n_iter)

    def correlate(self, u: np.ndarray) -> np.ndarray:
        """X~.T u of all features."""
        self.n_passes += 1.0
        return self.problem.correlations(u)

    def residual(self, w: np.ndarray) -> np.ndarray:
        """target - root * X~ w."""
        problem = self.problem
        return problem.target - problem.root * predict(
            problem.design, self._everyone, w
        )

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Minus the gradient of the loss."""
        if self._gram is not None:
            return self._c - self._gram @ w
        return self.correlate(self.residual(w))

    def polish(self, penalty, w: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
        """Newton steps on the segments of w; None where there are too many."""
        design, weight = self.problem.design, self.problem.root**2
        return polish_segments(
            w, self.gradient(w), labels, self.edges, penalty, design, weight,
            self._gram,
        )  # fmt: skip

    def _start(self, w: np.ndarray) -> None:
        self._method.start(w)

    def _step(self, penalty, w: np.ndarray, target: float, n_iter: int) -> Step:
        u = self.residual(w)
        value, loss = total(penalty, w), 0.5 * float(u @ u)
        for _ in range(2 if len(self._free) else 0):
            u = u - self._free.T @ (self._free @ u)
        norm2, y_dot = float(u @ u), float(self.problem.target @ u)
        largest = self._method.gauge(penalty, self.correlate(u))
        scale = dual_scale(norm2, y_dot, largest)
        gap = abs(loss + value - scale * y_dot + 0.5 * scale * scale * norm2)
        features = np.flatnonzero(w)
        return Step(
            features, w[features], loss + value, loss, gap, scale, n_iter, gap <= target
        )

    def _fit_free(self) -> tuple[np.ndarray, np.ndarray]:
        """Least squares on the directions without a price, and its residual."""
        problem = self.problem
        if len(self._free) == 0:
            return np.zeros(len(self._everyone)), problem.target.copy()
        sums = _columns_of_parts(problem, self._parts)
        w = np.linalg.lstsq(sums, problem.target)[0][self._parts]
        return w, self.residual(w)

    def _whole_gram(self) -> np.ndarray | None:
        design = self.problem.design
        n, p = len(self.problem.root), len(self._everyone)
        if isinstance(design, CSC) or p > min(2 * n, _MOST_GRAM):
            return None
        return gram_matrix(design, self.problem.root**2)

    def _largest_curvature(self) -> float:
        size = largest_eigenvalue(
            lambda v: self._c - self.gradient(v), len(self._everyone)
        )
        norms = self.problem.design.norm
        return max(size, float((norms**2).max())) or 1.0

    @property
    def lipschitz(self) -> float:
        """Largest curvature of the loss, as estimated."""
        return self._lipschitz


class _OnLine:
    """Proximal gradient steps; the dual norm is exact."""

    def __init__(self, solver: FusedSolver, penalty: NamedTuple) -> None:
        self._solver = solver
        self._descent: ProximalGradient | None = None
        self._multiple = _multiple_of_identity(solver.problem)

    def start(self, w: np.ndarray) -> None:
        solver = self._solver
        self._descent = ProximalGradient(solver.gradient, w, solver.lipschitz)

    def settle(self, w: np.ndarray) -> None:
        if w is not self._descent.w:
            self._descent.move_to(w)

    def advance(self, penalty: NamedTuple, n_steps: int) -> None:
        if self._multiple is not None and n_steps == 1 and penalty.tv_ratio < 1.0:
            self._descent.move_to(self._denoise(penalty))
        else:
            self._descent.iterate(penalty, n_steps)

    def _denoise(self, penalty: NamedTuple) -> np.ndarray:
        """The solution where X is a multiple of the identity, and centred.

        The intercept shifts the signal, and its variation's prox shifts as much.
        """
        problem, size = self._solver.problem, self._multiple
        curvature = (problem.root[0] * size) ** 2
        variation, threshold = (a / curvature for a in _strengths(penalty))
        alone = penalty._replace(alpha=variation, tv_ratio=1.0)
        signal = vector_prox(alone, problem.centred / size, 1.0)
        return threshold_shifted(signal, threshold)

    def candidates(self, penalty: NamedTuple):
        """The iterate, then what Newton steps on its segments make of it."""
        w = self._descent.w
        yield w
        labels = np.cumsum(np.r_[False, w[1:] != w[:-1]])
        polished = self._solver.polish(penalty, w, labels)
        if polished is not None:
            self._descent.move_to(polished)
            yield polished

    def gauge(self, penalty: NamedTuple, g: np.ndarray) -> float:
        return dual_norm(penalty, g)

    largest = gauge

    def violation(self, penalty: NamedTuple, gap: float) -> float:
        descent = self._descent
        step = 1.0 / descent.lipschitz
        moved = vector_prox(penalty, descent.w + step * descent.q, step)
        return float(np.abs(descent.w - moved).max(initial=0.0) / step)


class _OnGraph:
    """Alternating directions; flows bound the dual norm from above."""

    def __init__(self, solver: FusedSolver, penalty: NamedTuple) -> None:
        self._solver = solver
        self._differences = incidence(penalty, len(solver.problem.excluded))
        with_size = penalty.tv_ratio < 1.0
        self._admm = GraphADMM(solver.problem, self._differences, with_size)
        self._repair = _laplacian_solver(self._differences)
        self._sign = np.zeros(len(solver.problem.excluded))

    def start(self, w: np.ndarray) -> None:
        self._admm.start(w)

    def settle(self, w: np.ndarray) -> None:
        """The iterate goes on by itself: its dual belongs to it."""

    def advance(self, penalty: NamedTuple, n_steps: int) -> None:
        variation, size = _strengths(penalty)
        self._admm.iterate(variation, size, max(n_steps, _FIRST_STEPS))

    def candidates(self, penalty: NamedTuple):
        """Means over the segments of the iterate, polished."""
        admm, edges = self._admm, self._solver.edges
        labels = components(edges[admm.equal], len(admm.w))
        count = np.bincount(labels)
        means = np.bincount(labels, admm.w) / count
        if penalty.tv_ratio < 1.0:
            means[2 * np.bincount(labels, admm.zero) > count] = 0.0
        w = means[labels]
        polished = self._solver.polish(penalty, w, labels)
        w = w if polished is None else polished
        self._sign = np.sign(w)
        yield w

    def gauge(self, penalty: NamedTuple, g: np.ndarray) -> float:
        """Upper bound of the dual norm, from the flow of the iterate, repaired.

        First within segments, where flows are free, then everywhere.  Where
        coefficients are not zero the l1 norm leaves no choice.
        """
        variation, size = _strengths(penalty)
        if variation == 0.0:
            return _bound(np.zeros(1), g, variation, size)
        inside = self._differences[np.flatnonzero(self._admm.equal)]
        flow = self._admm.flow
        for differences, repair in (
            (inside, _laplacian_solver(inside)),
            (self._differences, self._repair),
            (self._differences, self._repair),
        ):
            rest = g - self._differences.T @ flow
            wanted = np.where(self._sign, size * self._sign, np.clip(rest, -size, size))
            change = differences @ repair(rest - wanted)
            if differences is inside:
                flow[self._admm.equal] += change
            else:
                flow = flow + change
        rest = g - self._differences.T @ flow
        if size == 0.0 and np.abs(rest).max() > _ROUNDING * np.abs(g).max():
            return np.inf
        return _bound(flow, rest, variation, size)

    def largest(self, penalty: NamedTuple, g: np.ndarray) -> float:
        """The same from scratch: the best of a few ways to share g."""
        variation, size = _strengths(penalty)
        if variation == 0.0:
            return _bound(np.zeros(1), g, variation, size)
        bounds = []
        for share in (0.0,) if size == 0.0 else (0.0, 0.1, 1.0, 10.0, np.inf):
            mu = share * size / variation
            flow = np.zeros(self._differences.shape[0])
            if np.isfinite(mu):
                flow = self._differences @ _laplacian_solver(self._differences, mu)(g)
            rest = g - self._differences.T @ flow
            bounds.append(_bound(flow, rest, variation, size))
        return min(bounds)

    def violation(self, penalty: NamedTuple, gap: float) -> float:
        # The prox-gradient step from w gains at least its square over 2 L.
        return float(np.sqrt(2.0 * self._solver.lipschitz * gap))


def _strengths(penalty: NamedTuple) -> tuple[float, float]:
    """Strengths of the variation and of the l1 norm."""
    t = penalty.tv_ratio
    return penalty.alpha * t, penalty.alpha * (1.0 - t)


def _bound(flow, rest, variation: float, size: float) -> float:
    """Dual norm of D.T flow + rest at most; without l1 norm rest is rounding."""
    parts = [0.0]
    for values, strength in ((flow, variation), (rest, size)):
        if strength > 0.0:
            parts.append(float(np.abs(values).max(initial=0.0)) / strength)
    return max(parts)


def _laplacian_solver(differences: sparse.csr_array, shift: float = 0.0):
    """Solver of (D.T D + shift) x = right; a tiny shift keeps it solvable."""
    p = differences.shape[1]
    matrix = differences.T @ differences + max(shift, _SHIFT) * sparse.eye_array(p)
    factor = splu(
        sparse.csc_matrix(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return factor.solve


def _multiple_of_identity(problem: LeastSquares) -> float | None:
    """The multiple that centred X is of the identity, for equal weights; or None."""
    design, root = problem.design, problem.root
    n = len(root)
    if not isinstance(design, CSC) or len(design.data) != n or len(design.mean) != n:
        return None
    places = np.arange(n)
    size = design.data / design.scale
    same = (root == root[0]).all() and (size == size[0]).all()
    diagonal = (design.indices == places).all() and (design.indptr[:-1] == places).all()
    centred = design.mean.all()
    return float(size[0]) if same and diagonal and centred and size[0] else None


def _parts(penalty: NamedTuple, n_features: int) -> np.ndarray:
    """Connected part of each feature."""
    if penalty.edges is None:
        return np.zeros(n_features, np.int64)
    return components(penalty.edges, n_features)


def _free_directions(problem: LeastSquares, penalty, parts: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span X~ of what the penalty does not see."""
    if penalty.tv_ratio < 1.0:
        return np.empty((0, len(problem.root)))
    basis, singular, _ = np.linalg.svd(
        _columns_of_parts(problem, parts), full_matrices=False
    )
    rounding = 1e-12 * np.abs(problem.design.norm).sum()
    kept = singular > max(1e-10 * singular.max(initial=0.0), rounding)
    return np.ascontiguousarray(basis[:, kept].T)


def _columns_of_parts(problem: LeastSquares, parts: np.ndarray) -> np.ndarray:
    """root * X~ summed over each connected part, of shape (n_samples, n_parts)."""
    everyone = np.arange(len(parts))
    columns = [
        problem.root * predict(problem.design, everyone, (parts == k).astype(float))
        for k in range(int(parts.max()) + 1)
    ]
    return np.column_stack(columns)
