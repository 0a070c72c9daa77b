"""Paths of least squares with penalties on blocks of coefficients, certified.

As for separable penalties: the sequential strong rule proposes blocks, the problem is
solved on a lazily grown Gram matrix of them, and the duality gap over all blocks
certifies the solution or names what is missing.  Unpenalised features are projected out
of everything first, so that the dual point is exactly feasible for them.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import scaled_gap
from sparsestat.optim.correlations import Correlations
from sparsestat.optim.design import columns
from sparsestat.optim.group_descent import (
    block_stationarity,
    block_sums,
    fill_block_gauges,
)
from sparsestat.optim.group_residual_set import ResidualGroupSet
from sparsestat.optim.group_working_set import GroupWorkingSet, RowWorkingSet
from sparsestat.optim.penalties import Blocks, feature_blocks, restrict_blocks
from sparsestat.optim.problem import LeastSquares, ordinary_least_squares
from sparsestat.optim.quadratic_path import PathSolver, Step
from sparsestat.optim.row_residual_set import ResidualRowSet
from sparsestat.optim.tasks import Tasks

__all__ = ["BlockCorrelations", "GroupPathSolver"]

_MOST_ALPHA = 1e3
# Coefficients a sample beyond which the residual serves better than a Gram matrix, and
# the most memory for their columns.
_WIDE = 1.0
_COLUMN_BYTES = 1 << 29
_INNER_ROUNDS = 500
# Correlations below this share of |x_j| |y| are rounding of the null model's fit.
_ROUNDING = 1e-13
# Singular values of unpenalised columns below this share are none.
_RANK = 1e-12


class GroupPathSolver(PathSolver):
    """Solve least squares with a block penalty, one strength after another.

    Parameters
    ----------
    problem : LeastSquares
    penalty : NamedTuple
        Prepared; along a path only its alpha changes.
    """

    def __init__(self, problem: LeastSquares, penalty: NamedTuple) -> None:
        self._original = problem
        self._everything = self._undecided = False
        self._basis = _orthonormal(problem)
        outside = problem.excluded.copy()
        outside[problem.unpenalised] = True
        if len(problem.unpenalised):
            target = _project(self._basis, problem.target)
            problem = problem._replace(
                target=target,
                y2=float(target @ target),
                unpenalised=problem.unpenalised[:0],
            )
        self.problem = problem
        self._blocks = feature_blocks(penalty, ~outside)
        kind = RowWorkingSet if isinstance(problem.design, Tasks) else GroupWorkingSet
        self._set = kind(problem, self._blocks, self._basis)
        self._correlations = BlockCorrelations(problem, self._blocks)
        self._previous_alpha = np.nan
        self._started = False

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Fit the unpenalised features alone; see :meth:`PathSolver.null`."""
        u = self.problem.target
        self._correlations.refresh(u)
        unit = penalty._replace(alpha=1.0)
        gauges = self._correlations.last_gauges(unit, self._settled)
        alpha_max = min(gauges.max(initial=0.0), _MOST_ALPHA)
        if self._is_rounding(gauges):
            alpha_max = 0.0
        self._previous_alpha = self._alpha_max = alpha_max
        loss = 0.5 * self.problem.y2
        features, coef = self._unpenalised_fit(np.empty(0, np.int64), np.empty(0))
        self._null = Step(features, coef, loss, loss, 0.0, 1.0, 1, True, 0.0)
        return loss, alpha_max, loss

    def _is_rounding(self, gauges: np.ndarray) -> bool:
        """Whether what the null model leaves has nothing to do with any block."""
        which = int(gauges.argmax()) if len(gauges) else 0
        if len(gauges) == 0 or gauges[which] == 0.0:
            return True
        members = self._blocks.features[self._blocks.members(np.array([which]))]
        u = self.problem.target
        rows = columns(self.problem.design, members, slice(None)) * self.problem.root
        size = np.linalg.norm(self._correlations.values[members])
        return size <= _ROUNDING * np.linalg.norm(rows) * np.linalg.norm(u)

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit as the starting point."""
        self._set.start(features, coef)
        self._correlations.refresh(self._set.residual())
        self._started = True

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        gauges = self._correlations.last_gauges(penalty, self._settled)
        outside = np.flatnonzero(gauges > 1.0)
        places = self._blocks.members(outside)
        features = self._blocks.features[places]
        local = restrict_blocks(penalty, outside, features)
        sizes = np.diff(self._blocks.starts)[outside]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        beyond = block_stationarity(
            local,
            starts,
            np.zeros(len(features)),
            self._correlations.values[features],
            np.ones(len(outside)),
        )
        return max(self._set.violation(penalty), beyond)

    @property
    def _settled(self) -> np.ndarray:
        return self._set.inside

    def _add(self, missing: np.ndarray) -> None:
        working, problem = self._set, self.problem
        n, kind = len(working.problem.root), ResidualGroupSet
        size = working.size + len(self._blocks.members(missing))
        if isinstance(working, RowWorkingSet):
            size, kind = working.size + len(missing), ResidualRowSet
        on_gram = not isinstance(working, ResidualGroupSet)
        if on_gram and size > _WIDE * n and 8 * n * size <= _COLUMN_BYTES:
            self._set = kind(problem, self._blocks, self._basis)
            self._set.start(*working.support())
        self._set.add(missing[~self._set.inside[missing]])

    def _minimise(self, penalty, target: float) -> None:
        self._set.minimise(penalty, target, _INNER_ROUNDS)

    def _step(self, penalty, target, n_iter, u=None, gauges=None) -> Step:
        """Certify the current coefficients, by all blocks outside the set too."""
        working = self._set
        value_sum, augmented2, largest, conjugates = block_sums(
            working.local(penalty), working.starts, working.w, working.q
        )
        residual2, y_dot = float(u @ u), float(self.problem.target @ u)
        outside = np.flatnonzero(gauges > 1.0)
        if len(outside):
            largest = max(largest, gauges[outside].max())
            features = self._blocks.features[self._blocks.members(outside)]
            sizes = np.diff(self._blocks.starts)[outside]
            conjugates += block_sums(
                restrict_blocks(penalty, outside, features),
                np.concatenate([[0], np.cumsum(sizes)]),
                np.zeros(len(features)),
                self._correlations.values[features],
            )[3]
        gap = scaled_gap(residual2, y_dot, value_sum, augmented2, largest, conjugates)
        features, coef = self._unpenalised_fit(*working.support())
        return Step(
            features,
            coef,
            0.5 * residual2 + value_sum,
            0.5 * residual2,
            gap,
            1.0 / max(largest, 1.0),
            n_iter,
            gap <= target,
        )

    def _unpenalised_fit(self, features, coef) -> tuple[np.ndarray, np.ndarray]:
        """Join the best coefficients of the unpenalised features to the others."""
        problem = self._original
        free = problem.unpenalised
        if len(free) == 0:
            return features, coef
        residual = problem.residual(features, coef)
        free_coef = ordinary_least_squares(problem.matrix(free), residual, True)
        return np.concatenate([free, features]), np.concatenate([free_coef, coef])


class BlockCorrelations(Correlations):
    """Gauges of blocks; see `Correlations`."""

    def __init__(self, problem: LeastSquares, blocks: Blocks) -> None:
        super().__init__(problem)
        self._blocks = blocks
        n_blocks = len(blocks.starts) - 1
        self._gauges, self._slack = np.empty(n_blocks), np.zeros(n_blocks)
        # Of X_g.T e: the sum of squares bounds that of the largest singular value.
        squares = problem.design.norm[blocks.features] ** 2
        if isinstance(problem.design, Tasks):
            squares = squares / problem.design.n_tasks  # orthogonal to each other
        owner = np.repeat(np.arange(n_blocks), np.diff(blocks.starts))
        self._norms = np.sqrt(np.bincount(owner, squares, n_blocks))

    def _fill(self, penalty, skip: np.ndarray) -> None:
        features, starts = self._blocks
        fill_block_gauges(
            penalty, features, starts, self.values, self._slack, skip, self._gauges
        )

    def _members(self, which: np.ndarray) -> np.ndarray:
        return self._blocks.features[self._blocks.members(which)]


def _orthonormal(problem: LeastSquares) -> np.ndarray:
    """Orthonormal rows that span the unpenalised columns, those of one task."""
    matrix = problem.matrix(problem.unpenalised)
    if matrix.shape[1] == 0:
        return matrix.T
    _, singular, basis = np.linalg.svd(matrix.T, full_matrices=False)
    return basis[singular > _RANK * singular.max(initial=0.0)]


def _project(basis: np.ndarray, u: np.ndarray) -> np.ndarray:
    """What the rows of an orthonormal basis leave of u, twice for orthogonality."""
    parts = u.reshape(basis.shape[1], -1)
    for _ in range(2):
        parts = parts - basis.T @ (basis @ parts)
    return parts.ravel()
