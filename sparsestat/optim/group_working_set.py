"""A growing set of blocks of coefficients with its Gram matrix and their fit."""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from sparsestat.optim.design import columns
from sparsestat.optim.group_descent import (
    block_stationarity,
    block_total,
    descend,
    descend_rows,
    newton_system,
)
from sparsestat.optim.penalties import Blocks, restrict_blocks
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.tasks import Tasks, base_features
from sparsestat.optim.working_set import GramWorkingSet

__all__ = ["GroupWorkingSet", "RowWorkingSet"]

# A Newton step on n coefficients takes as long as this share of n passes, plus some.
_LEAST_BUDGET = 8
_PASS_SHARE = 1.0 / 25.0
# Longest extrapolation of a path, in units of its last step.
_FARTHEST = 1.5
# Newton steps are halved this often before passes have to do.
_HALVINGS = 4
# Passes where Newton steps do not help or are not to be had.
_MANY_PASSES = 200
# Calls after which q = c - G w is computed afresh, against drift.
_RESYNCHRONISE = 16


class GroupWorkingSet(GramWorkingSet):
    """Blocks under consideration, in order of entry, and the state of their fit.

    Parameters
    ----------
    problem : LeastSquares
        Without unpenalised features, these being projected out of its target.
    blocks : Blocks
        Of all features.
    basis : ndarray of shape (n_unpenalised, n_samples)
        Orthonormal rows that are projected out of every column too.

    Attributes
    ----------
    groups : ndarray of int64
        Blocks in the set.
    starts : ndarray of shape (n_groups + 1,)
        Where each begins in `w` and `q`.
    inside : ndarray of shape (n_blocks,), bool
        Members of the set.
    gap : float
        Duality gap on the set.
    """

    def __init__(self, problem: LeastSquares, blocks: Blocks, basis) -> None:
        self.blocks, self.basis = blocks, basis
        self.groups = np.empty(0, np.int64)
        self.starts = np.zeros(1, np.int64)
        self._shadow = np.empty((0, len(basis)))
        self._values, self._vectors = np.empty(0), np.empty(0)
        self._places = np.empty(0, np.int64)
        self._alpha = self._alpha_before = np.nan
        self._before = np.empty(0)
        super().__init__(problem)
        self.inside = np.diff(blocks.starts) == 0

    @property
    def c(self) -> np.ndarray:
        """Correlations with the target."""
        return self._c[: self.size]

    def add(self, new: np.ndarray) -> None:
        """Add blocks at coefficient zero."""
        if len(new) == 0:
            return
        features = self.blocks.features[self.blocks.members(new)]
        inside, self.inside = self.inside, np.zeros(len(self.problem.excluded), bool)
        start = self.size
        super().add(self._entries(features))
        self.inside = inside
        self.inside[new] = True
        self._project_new(start)
        self.groups = np.concatenate([self.groups, new])
        sizes = np.diff(self.blocks.starts)[new]
        first = len(self.starts) - 1
        self.starts = np.concatenate([self.starts, self.starts[-1] + np.cumsum(sizes)])
        self._decompose(first)

    def _entries(self, features: np.ndarray) -> np.ndarray:
        """Features of the Gram matrix that stand for these coefficients."""
        return features

    @property
    def _n_coefs(self) -> int:
        return len(self.problem.excluded)

    def _project_new(self, start: int) -> None:
        """Take what unpenalised features explain out of new rows of the Gram matrix."""
        if len(self.basis) == 0:
            return
        stop, problem = self.size, self.problem
        new = self._features[start:stop]
        shadow = [problem.correlations(direction, new) for direction in self.basis]
        self._shadow = np.vstack([self._shadow, np.column_stack(shadow)])
        block = self._shadow[start:] @ self._shadow.T
        self._gram[start:stop, :stop] -= block
        self._gram[:start, start:stop] -= block[:, :start].T
        self._q[start:stop] += block @ self._w[:stop]

    def _decompose(self, first: int) -> np.ndarray:
        """Eigenvalues and eigenvectors of new blocks; returns their Gram matrices."""
        sizes = np.diff(self.starts[first:])
        begin, known = self.starts[first], len(self._vectors)
        squares = np.concatenate([[0], np.cumsum(sizes**2)])
        values = np.empty(sizes.sum())
        grams, vectors = np.empty(squares[-1]), np.empty(squares[-1])
        for size in np.unique(sizes):
            same = np.flatnonzero(sizes == size)
            rows = self.starts[first + same][:, None] + np.arange(size)
            blocks = self._block_grams(rows)
            found, bases = np.linalg.eigh(blocks)
            values[rows - begin] = np.maximum(found, 0.0)
            places = squares[same][:, None] + np.arange(size**2)
            grams[places] = blocks.reshape(len(same), -1)
            vectors[places] = bases.reshape(len(same), -1)
        self._values = np.concatenate([self._values, values])
        self._vectors = np.concatenate([self._vectors, vectors])
        self._places = np.concatenate([self._places, known + squares[:-1]])
        return grams

    def _block_grams(self, rows: np.ndarray) -> np.ndarray:
        """Gram matrices of blocks of one size, whose places in `w` are given."""
        return self._gram[rows[:, :, None], rows[:, None, :]]

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set to a duality gap of `target`; returns the rounds taken."""
        if self.size == 0:
            self.gap = 0.0
            return 0
        local = self.local(penalty)
        self._calls += 1
        if self._calls % _RESYNCHRONISE == 0:
            self.q[:] = self.c - self._product(self.w)
        self._extrapolate(local)
        n_rounds, patient = 0, False
        while n_rounds < max_rounds:
            n_rounds += 1
            budget = int(_LEAST_BUDGET + _PASS_SHARE * np.count_nonzero(self.w))
            if patient:
                budget = _MANY_PASSES
            _, self.gap, moved = self._descend(local, target, budget)
            if self.gap <= target or not moved:
                break
            patient = not self._newton(local)
        return n_rounds

    def settle(self, penalty: NamedTuple) -> bool:
        """Blocks have no signs to be found ahead of their values."""
        return False

    def _descend(self, local, target: float, budget: int):
        m = self.size
        return descend(
            local,
            self.starts,
            self._gram,
            self._values,
            self._vectors,
            self._places,
            self._c[:m],
            self._w[:m],
            self._q[:m],
            self.problem.y2,
            target,
            budget,
        )

    def _extrapolate(self, local) -> None:
        """Go on along the path of the last two solutions, where that is a descent."""
        if local.alpha == self._alpha:
            return
        step = (local.alpha - self._alpha) / (self._alpha - self._alpha_before)
        known = len(self._before)
        if 0.0 < step <= _FARTHEST and known:
            w, before = self.w[:known], self._before
            change = np.zeros(len(self.w))
            both = (w != 0.0) & (before != 0.0)
            change[:known] = step * np.where(both, w - before, 0.0)
            self._try(local, change)
        self._before, self._alpha_before = self.w.copy(), self._alpha
        self._alpha = local.alpha

    def _try(self, local, change: np.ndarray) -> bool:
        """Change the coefficients if that lowers the objective."""
        moved = self.w + change
        q = self.q - self._product(change)
        before = self._objective(local, self.w, self.q)
        if not self._objective(local, moved, q) < before:
            return False
        self.w[:], self.q[:] = moved, q
        return True

    def _objective(self, local, w, q) -> float:
        return block_total(local, self.starts, w) - 0.5 * float((self.c + q) @ w)

    def _product(self, change: np.ndarray) -> np.ndarray:
        """The Gram matrix times coefficients."""
        m = self.size
        return change @ self._gram[:m, :m]

    def _newton(self, local) -> bool:
        """One Newton step on the nonzero coefficients, shortened until it descends."""
        nonzero = np.flatnonzero(self.w)
        hessian = self._gram[np.ix_(nonzero, nonzero)]
        rhs = np.empty(len(nonzero))
        newton_system(local, self.starts, self.w, self.q, hessian, rhs)
        # Symmetric: the transpose is in Fortran order, so LAPACK takes no copy.
        _, step, info = dposv(hessian.T, rhs, lower=1, overwrite_a=1)
        if info != 0 or not np.isfinite(step).all():
            return False
        kinks = self._kinks(local)[nonzero]
        w = self.w[nonzero]
        for _ in range(_HALVINGS):
            move = np.where(kinks & (w * (w + step) < 0.0), -w, step)
            change = np.zeros(len(self.w))
            change[nonzero] = move
            if self._try(local, change):
                return True
            step = 0.5 * step
        return False

    def _kinks(self, local) -> np.ndarray:
        """Coefficients that a step must not take over zero, as they change there."""
        if getattr(local, "positive", False):
            return np.ones(len(self.w), bool)
        if hasattr(local, "feature_weights") and local.l1_ratio > 0.0:
            return local.feature_weights > 0.0
        return np.zeros(len(self.w), bool)

    def residual(self) -> np.ndarray:
        """Part of the target that the fit and the unpenalised features leave."""
        u = super().residual()
        for _ in range(2 if len(self.basis) else 0):
            u = u - (self.basis @ u) @ self.basis
        return u

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition on the set."""
        largest = self._values[self.starts[1:] - 1]
        return block_stationarity(
            self.local(penalty), self.starts, self.w, self.q, largest
        )

    def local(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty of the blocks in the set."""
        if self._local is None:
            self._local = restrict_blocks(penalty, self.groups, self.members)
        return self._local._replace(alpha=penalty.alpha)

    @property
    def members(self) -> np.ndarray:
        """Coefficients in the set, in the order of `w`."""
        return self.features

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit, adding blocks where need be."""
        self._put(features, coef)
        self.q[:] = self.c - self._product(self.w)

    def _put(self, features: np.ndarray, coef: np.ndarray) -> None:
        place = np.full(self._n_coefs, -1)
        place[self.blocks.features] = np.arange(len(self.blocks.features))
        penalised = place[features] >= 0
        features, coef = features[penalised], coef[penalised]
        where = np.searchsorted(self.blocks.starts, place[features], side="right") - 1
        new = np.unique(where)
        self.add(new[~self.inside[new]])
        place[self.members] = np.arange(len(self.w))
        self.w[place[features]] = coef


class RowWorkingSet(GroupWorkingSet):
    """Features with their coefficients in several tasks: one Gram entry a pair.

    As `GroupWorkingSet`, but `w` and `q` have n_tasks entries for each feature.
    """

    def __init__(self, problem: LeastSquares, blocks: Blocks, basis) -> None:
        design: Tasks = problem.design
        self.n_tasks = design.n_tasks
        self._tasks = problem
        self._row_c = self._row_w = self._row_q = np.empty(0)
        root = problem.root[:: self.n_tasks]
        nothing = np.zeros(len(root))
        base = problem._replace(
            design=design.base,
            root=root,
            target=nothing,
            centred=nothing,
            excluded=problem.excluded[:: self.n_tasks],
        )
        super().__init__(base, blocks, basis)

    @property
    def w(self) -> np.ndarray:
        return self._row_w

    @property
    def q(self) -> np.ndarray:
        return self._row_q

    @property
    def c(self) -> np.ndarray:
        return self._row_c

    @property
    def members(self) -> np.ndarray:
        entries = self.features[:, None] * self.n_tasks + np.arange(self.n_tasks)
        return entries.ravel()

    def add(self, new: np.ndarray) -> None:
        """Add features at coefficient zero in all tasks."""
        if len(new) == 0:
            return
        known = len(self._row_w)
        super().add(new)
        c = self._tasks.correlations(self._tasks.target, self.members[known:])
        self._row_c = np.concatenate([self._row_c, c])
        self._row_w = np.concatenate([self._row_w, np.zeros(len(c))])
        self._row_q = np.concatenate([self._row_q, c])
        self._row_q[known:] -= self._product(self._row_w)[known:]

    def _entries(self, features: np.ndarray) -> np.ndarray:
        return base_features(self._tasks.design, features)

    @property
    def _n_coefs(self) -> int:
        return len(self._tasks.excluded)

    def _decompose(self, first: int) -> np.ndarray:
        """Rows need no more than the diagonal of the Gram matrix."""
        return np.empty(0)

    def _descend(self, local, target: float, budget: int):
        return descend_rows(
            local,
            self.n_tasks,
            self._gram,
            self._row_c,
            self._row_w,
            self._row_q,
            self._tasks.y2,
            self.starts,
            target,
            budget,
        )

    def _product(self, change: np.ndarray) -> np.ndarray:
        m = self.size
        return (self._gram[:m, :m] @ change.reshape(m, self.n_tasks)).ravel()

    def _newton(self, local) -> bool:
        """None: the Hessian has no factor that would be worth its price."""
        return False

    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """Nonzero coefficients and their places among those of all features."""
        nonzero = np.flatnonzero(self._row_w)
        return self.members[nonzero], self._row_w[nonzero]

    def residual(self) -> np.ndarray:
        """Part of the targets that the fit and the unpenalised features leave."""
        n_tasks = self.n_tasks
        active = np.flatnonzero(self._row_w.reshape(-1, n_tasks).any(axis=1))
        w = self._row_w.reshape(-1, n_tasks)[active]
        if self._columns is not None:
            rows = self._columns[active]
        else:
            rows = columns(self.problem.design, self.features[active], slice(None))
            rows *= self.problem.root
        u = self._tasks.target.reshape(-1, n_tasks) - rows.T @ w
        for _ in range(2 if len(self.basis) else 0):
            u = u - self.basis.T @ (self.basis @ u)
        return u.ravel()

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition on the set."""
        lipschitz = self._gram.diagonal()[: self.size]
        return block_stationarity(
            self.local(penalty), self.starts, self.w, self.q, lipschitz
        )
