"""Proximal Newton steps for linear models with an l1 penalty, on a working set.

The curvature of each sample is a projection, so that a quadratic model of the loss is
minimised by block coordinate descent, a feature with all its classes at a time.  After
Lee, Sun and Saunders (2014), doi:10.1137/130921428.
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import CSC, Design, columns
from sparsestat.optim.fenchel_young import Objective, Point
from sparsestat.optim.newton_cg import conjugate_gradient
from sparsestat.optim.products import as_matrix
from sparsestat.utils.dispatch import kernel

__all__ = ["prox_newton"]

_SMALLEST_SET = 16
_MAX_STEPS = 60
_MAX_SWEEPS = 4
_MAX_HALVINGS = 20
# A working set is solved to this share of the worst violation outside.
_INNER = 0.1
# A quadratic model is solved to this share of the violation it started from.
_MODEL = 0.2
_FACE = 0.1
_ARMIJO = 1e-3
# Curvature that a coefficient has at least, relative to samples all curved.
_DAMPING = 1e-4


def prox_newton(
    problem: Objective, point: Point, gap_tol: float, max_iter: int
) -> tuple[Point, int]:
    """Minimise with the problem's l1 and l2 penalties.

    Parameters
    ----------
    problem : Objective
        What to minimise.
    point : Point
        Where to start.
    gap_tol : float
        Duality gap at which to stop.
    max_iter : int
        Working sets at most.

    Returns
    -------
    point : Point
        With the best intercept.
    n_iter : int
        Working sets solved.
    """
    given = problem
    if isinstance(problem.design, CSC):
        # Coordinate steps touch stored entries alone where columns are not centred.
        problem = _uncentred(given)
        point = problem.at(_move_bias(given, point.coefs, -1.0))
    n_features = len(problem.design.mean)
    n_iter = 0
    best, gap, inner = point, problem.gap(point), _INNER
    while gap > gap_tol and n_iter < max_iter:
        W, G = point.coefs[:n_features], point.gradient[:n_features]
        violation = _violations(W, G, problem.l1).max(axis=1)
        chosen = _working_set(W, violation)
        coefs, moved = _solve(problem, point, chosen, inner * violation.max())
        n_iter += 1
        point = problem.at(coefs)
        latest = problem.gap(point)
        if latest < gap:
            best, gap = point, latest
        elif not moved and inner < 1e-6:
            break
        else:
            inner *= 0.1
    if problem is not given:
        best = given.at(_move_bias(given, best.coefs, 1.0))
    return best, n_iter


def _uncentred(problem: Objective) -> Objective:
    """The same problem with an intercept of raw columns."""
    other = copy(problem)
    for name in ("target_moments", "totals", "squares"):
        vars(other).pop(name, None)
    other.design = problem.design._replace(mean=np.zeros_like(problem.design.mean))
    return other


def _move_bias(problem: Objective, coefs: np.ndarray, sign: float) -> np.ndarray:
    """Coefficients with an intercept of centred columns (sign 1) or of raw ones."""
    coefs, design = coefs.copy(), problem.design
    if problem.fit_intercept:
        means = design.mean / design.scale
        coefs[-1] += sign * (means @ coefs[: len(means)])
    return coefs


def _violations(W, G, l1):
    """Distance of minus the gradient to the subdifferential of the l1 norm."""
    at_zero = np.maximum(np.abs(G) - l1, 0.0)
    return np.where(W != 0.0, np.abs(G + l1 * np.sign(W)), at_zero)


def _working_set(W, violation):
    """Features in use and those that violate their condition most."""
    used = W.any(axis=1)
    size = max(_SMALLEST_SET, 2 * np.count_nonzero(used))
    rank = np.where(used, np.inf, violation)
    if size < len(rank):
        first = np.argpartition(-rank, size)[:size]
    else:
        first = np.arange(len(rank))
    return np.sort(first[rank[first] > 0.0])


class _Columns(NamedTuple):
    """Columns of the working set, entry by entry; those of a dense design share rows.

    Parameters
    ----------
    values, rows : ndarray
        Entries, and their rows at the place less the offset of the column.
    starts : ndarray of shape (n_chosen + 1,)
    offsets : ndarray of shape (n_chosen,)
    """

    values: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    offsets: np.ndarray


def _solve(problem, point, chosen, target):
    """Steps on the working set until no condition is violated by more.

    Coordinate descent finds which coefficients are zero; conjugate gradients on the
    others are faster where features correlate.
    """
    state = _WorkingProblem(problem, point, chosen)
    for _ in range(_MAX_STEPS):
        violation = state.violation()
        if violation <= target:
            break
        moved = state.proximal_step(violation)
        if state.violation() > target:
            moved |= state.face_step()
        if not moved:
            break
    coefs = np.zeros_like(point.coefs)
    coefs[chosen] = state.W
    if problem.fit_intercept:
        coefs[-1] = state.bias
    return coefs, state.value < point.loss + problem.penalty(point.coefs[chosen])


class _WorkingProblem:
    """The problem restricted to a working set, at coefficients that steps improve."""

    def __init__(self, problem: Objective, point: Point, chosen: np.ndarray):
        self.problem = problem
        self.block = _Block(problem.design, chosen)
        n_classes, fitted = problem.n_classes, problem.fit_intercept
        bias = point.coefs[-1].copy() if fitted else np.zeros(n_classes)
        Z = point.Z.astype(np.float64)
        P, _, _, loss = problem.probabilities(Z)
        self._move(point.coefs[chosen], bias, Z, P, loss)

    def _move(self, W, bias, Z, P, loss) -> None:
        problem = self.problem
        self.W, self.bias, self.Z, self.P = W, bias, Z, P
        self.value = loss + problem.penalty(W)
        R = problem.residual(P)
        self.G = self.block.correlate(R) + problem.l2 * W
        self.g = R.sum(axis=0) if problem.fit_intercept else np.zeros(R.shape[1])
        S, total, active = problem.curvatures(P)
        self.active = active
        rows = slice(None) if active is None else active
        self.normed = S[rows] / total[rows][:, None]
        self.weighted = S[rows] * problem.shares[rows][:, None]
        C = self.block.majoriser(self.weighted, active) + problem.l2
        c = self.weighted.sum(axis=0)
        self.C = np.maximum(C, _DAMPING * C.max(axis=1, initial=1e-12, keepdims=True))
        self.c = np.maximum(c, _DAMPING * max(c.max(initial=0.0), 1e-12))

    def violation(self) -> float:
        """Largest violated optimality condition of the working set."""
        worst = _violations(self.W, self.G, self.problem.l1).max(initial=0.0)
        return max(float(worst), float(np.abs(self.g).max()))

    def proximal_step(self, violation: float) -> bool:
        """Minimise a quadratic model roughly, then search along the way there."""
        problem, entries = self.problem, self.block.entries(self.active)
        D, d = np.zeros_like(self.W), np.zeros_like(self.g)
        V, mean = np.zeros(self.weighted.shape), np.zeros(len(self.weighted))
        coordinate_sweeps(
            entries.values, entries.rows, entries.starts, entries.offsets,
            self.weighted, self.normed, V, mean, self.W, D, self.G, self.C,
            d, self.g, self.c, problem.fit_intercept, problem.l1, problem.l2,
            _MODEL * violation, _MAX_SWEEPS,
        )  # fmt: skip
        change = self.block.predict(D) + d
        norms = np.abs(self.W + D).sum() - np.abs(self.W).sum()
        slope = float(np.vdot(self.G, D) + self.g @ d) + problem.l1 * norms
        return self._search(lambda t: (t * D, t * d, t * change, t * slope))

    def face_step(self) -> bool:
        """A Newton step for the nonzero coefficients, cut where signs would change."""
        problem, signs = self.problem, np.sign(self.W)
        face = signs != 0.0
        gradient = np.vstack([(self.G + problem.l1 * signs) * face, self.g])
        inverse = 1.0 / np.vstack([self.C, self.c])
        part = self.block.rows(self.active)
        n_chosen, free = len(self.W), problem.fit_intercept

        def product(direction):
            V = part @ direction[:n_chosen] + direction[-1]
            V -= np.einsum("ij,ij->i", self.normed, V)[:, None]
            V *= self.weighted
            rest = V.sum(axis=0) * free
            slopes = (part.T @ V + problem.l2 * direction[:n_chosen]) * face
            return np.vstack([slopes, rest])

        step = conjugate_gradient(product, gradient, inverse, _FACE)
        D, d = step[:n_chosen], step[-1]

        def along(t):
            W = self.W + t * D
            cut = np.where(W * signs > 0.0, W, 0.0) - self.W
            slope = float(np.vdot(gradient[:n_chosen], cut) + t * (self.g @ d))
            return cut, t * d, self.block.predict(cut) + t * d, slope

        return self._search(along)

    def _search(self, along) -> bool:
        """Halve a step until it descends enough; whether it then moved."""
        problem, length = self.problem, 1.0
        for _ in range(_MAX_HALVINGS):
            D, d, change, slope = along(length)
            Z, W = self.Z + change, self.W + D
            P, _, _, loss = problem.probabilities(Z)
            if (
                slope < 0.0
                and loss + problem.penalty(W) <= self.value + _ARMIJO * slope
            ):
                self._move(W, self.bias + d, Z, P, loss)
                return True
            length *= 0.5
        return False


class _Block:
    """Columns of a working set: their products and entries."""

    def __init__(self, design: Design, chosen: np.ndarray):
        if isinstance(design, CSC):
            X = as_matrix(design)[:, chosen].astype(np.float64)
            X.data /= np.repeat(design.scale[chosen], np.diff(X.indptr))
            self.matrix = X
        else:
            self.matrix = columns(design, chosen, slice(None)).T

    def predict(self, coefs):
        """Product with coefficients."""
        return self.matrix @ coefs

    def correlate(self, R):
        """Product of the transpose with residuals."""
        return self.matrix.T @ R

    def rows(self, active):
        """The samples with curvature; None: all."""
        if active is None:
            return self.matrix
        if sparse.issparse(self.matrix):
            return self.matrix.tocsr()[active].tocsc()
        return self.matrix[active]

    def majoriser(self, weighted, active):
        """Diagonal of X^T S X by class."""
        part = self.rows(active)
        squares = part.power(2) if sparse.issparse(part) else part * part
        return squares.T @ weighted

    def entries(self, active) -> _Columns:
        """What coordinate descent loops over."""
        part = self.rows(active)
        n_rows, n_chosen = part.shape
        if sparse.issparse(part):
            indices, starts = (
                part.indices.astype(np.int64),
                part.indptr.astype(np.int64),
            )
            return _Columns(part.data, indices, starts, np.zeros(n_chosen, np.int64))
        starts = np.arange(n_chosen + 1, dtype=np.int64) * n_rows
        values = np.ascontiguousarray(part.T).ravel()
        return _Columns(values, np.arange(n_rows), starts, starts[:-1].copy())


@kernel
def coordinate_sweeps(
    values, rows, starts, offsets, weighted, normed, V, mean, W, D, G, C, d, g, c,
    bias, l1, l2, target, max_sweeps,
):  # fmt: skip
    """Sweep over features until no step is longer than `target` over its curvature."""
    n_chosen, n_classes = W.shape
    gradient, step = np.empty(n_classes), np.empty(n_classes)
    for sweep in range(max_sweeps):
        largest = 0.0
        for j in range(n_chosen):
            first, stop, offset = starts[j], starts[j + 1], offsets[j]
            gradient[:] = 0.0
            for e in range(first, stop):
                i = rows[e - offset]
                _add_product(values[e], weighted[i], V[i], mean[i], gradient)
            moves = False
            for k in range(n_classes):
                now = W[j, k] + D[j, k]
                slope = G[j, k] + gradient[k] + l2 * D[j, k]
                z = now - slope / C[j, k]
                level = l1 / C[j, k]
                new = max(z - level, 0.0) + min(z + level, 0.0)
                step[k] = new - now
                moves |= step[k] != 0.0
                largest = max(largest, abs(step[k]) * C[j, k])
                D[j, k] = new - W[j, k]
            if moves:
                for e in range(first, stop):
                    i = rows[e - offset]
                    mean[i] += values[e] * _move(values[e], step, normed[i], V[i])
        if bias:
            gradient[:] = 0.0
            for i in range(len(mean)):
                _add_product(1.0, weighted[i], V[i], mean[i], gradient)
            for k in range(n_classes):
                step[k] = -(g[k] + gradient[k]) / c[k]
                d[k] += step[k]
                largest = max(largest, abs(step[k]) * c[k])
            for i in range(len(mean)):
                mean[i] += _move(1.0, step, normed[i], V[i])
        if largest <= target:
            return sweep + 1
    return max_sweeps


@kernel
def _add_product(x, weighted, v, mean, out):
    for k in range(len(out)):
        out[k] += x * weighted[k] * (v[k] - mean)


@kernel
def _move(x, step, normed, v):
    """Add x times a step to scores; returns the change of their mean over x."""
    total = 0.0
    for k in range(len(step)):
        v[k] += x * step[k]
        total += normed[k] * step[k]
    return total
