"""A growing set of blocks of coefficients with their columns and the residual.

Where more coefficients are nonzero than there are samples, products with columns are
cheaper than rows of a Gram matrix, and Newton steps are solved in the space of the
samples: with R the penalty's Hessian, (X.T X + R)^-1 by Woodbury's identity.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv, get_lapack_funcs

from sparsestat.optim.certificate import scaled_gap
from sparsestat.optim.design import columns
from sparsestat.optim.group_descent import (
    block_sums,
    block_total,
    newton_system,
    split_newton_system,
    sweep_residual,
    tangents,
)
from sparsestat.optim.group_working_set import GroupWorkingSet
from sparsestat.optim.penalties import Blocks
from sparsestat.optim.problem import LeastSquares

__all__ = ["ResidualGroupSet"]

# Passes between two duality gaps.
_PASSES = 5
# A Newton step on n coefficients, or samples, takes as long as this share of n passes.
_PASS_SHARE = 0.18
_LEAST_BUDGET = 12
_MANY_PASSES = 200
# Halvings of a Newton step before passes have to do.
_HALVINGS = 4


class ResidualGroupSet(GroupWorkingSet):
    """As `GroupWorkingSet`, with copies of its columns in place of a Gram matrix.

    Parameters
    ----------
    problem : LeastSquares
        Without unpenalised features, these being projected out of its target.
    blocks : Blocks
        Of all features.
    basis : ndarray of shape (n_unpenalised, n_samples)
        Orthonormal rows that are projected out of every column too.
    """

    def __init__(self, problem: LeastSquares, blocks: Blocks, basis) -> None:
        self._grams = np.empty(0)
        self._target = getattr(self, "_target", problem.target)
        self._r = self._target.copy()
        super().__init__(problem, blocks, basis)

    def add(self, new: np.ndarray) -> None:
        """Add blocks at coefficient zero."""
        if len(new) == 0:
            return
        features = self._entries(self.blocks.features[self.blocks.members(new)])
        start, stop = self.size, self.size + len(features)
        if stop > len(self._w):
            self._allocate(max(stop, len(self._w) * 3 // 2))
        rows = columns(self.problem.design, features, slice(None))
        rows *= self.problem.root
        for _ in range(2 if len(self.basis) else 0):
            rows -= (rows @ self.basis.T) @ self.basis
        self._columns[start:stop] = rows
        self._features[start:stop] = features
        self._q[start:stop] = rows @ self._r.T
        self.inside[new] = True
        self.size, self._local = stop, None
        first = len(self.starts) - 1
        self.groups = np.concatenate([self.groups, new])
        sizes = np.diff(self.blocks.starts)[new]
        self.starts = np.concatenate([self.starts, self.starts[-1] + np.cumsum(sizes)])
        self._decompose(first)

    def _block_gram(self, start: int, stop: int) -> np.ndarray:
        rows = self._columns[start:stop]
        gram = rows @ rows.T
        self._grams = np.append(self._grams, gram.ravel())
        return gram

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set to a duality gap of `target`; returns the rounds taken."""
        if self.size == 0:
            self.gap = 0.0
            return 0
        local = self.local(penalty)
        self._refresh()  # against drift
        self._extrapolate(local)
        n_rounds, patient = 0, False
        while n_rounds < max_rounds:
            n_rounds += 1
            budget = self._budget()
            if patient:
                budget = max(budget, _MANY_PASSES)
            moved = self._sweep(local, target, budget)
            if self.gap <= target or not moved:
                break
            patient = not self._newton(local)
        return n_rounds

    def _budget(self) -> int:
        """Passes that take as long as a Newton step."""
        size = min(np.count_nonzero(self.w), len(self._r))
        return max(_LEAST_BUDGET, int(_PASS_SHARE * size))

    def _sweep(self, local, target: float, budget: int) -> bool:
        """Passes while they promise to reach the gap within the budget."""
        n_passes, moved = 0, True
        self.gap = self._gap(local)
        while self.gap > target and moved and n_passes < budget:
            moved = self._pass(local, _PASSES)
            n_passes += _PASSES
            self._correlate()
            last, self.gap = self.gap, self._gap(local)
            rounds_left = (budget - n_passes) / _PASSES
            if self.gap * min(self.gap / last, 1.0) ** rounds_left > target:
                break
        return moved

    def _pass(self, local: NamedTuple, n_passes: int) -> bool:
        return sweep_residual(
            local,
            self.starts,
            self._columns,
            self._grams,
            self._values,
            self._vectors,
            self._places,
            self._w,
            self._q,
            self._r,
            n_passes,
        )

    def _refresh(self) -> None:
        self._r = self._target - self._fitted(self.w)
        self._correlate()

    def _correlate(self) -> None:
        np.dot(self._columns[: self.size], self._r, out=self.q)

    def _gap(self, local) -> float:
        sums = block_sums(local, self.starts, self.w, self.q)
        r = self._r
        return scaled_gap(float(np.vdot(r, r)), float(np.vdot(self._target, r)), *sums)

    def _try(self, local, change: np.ndarray) -> bool:
        """Change the coefficients if that lowers the objective."""
        moved = self.w + change
        r = self._r - self._fitted(change)
        before, after = (
            block_total(local, self.starts, w) + 0.5 * float(np.vdot(u, u))
            for w, u in ((self.w, self._r), (moved, r))
        )
        if not after < before:
            return False
        self.w[:], self._r = moved, r
        self._correlate()
        return True

    def _newton(self, local) -> bool:
        """One Newton step on the nonzero coefficients, shortened until it descends."""
        nonzero = np.flatnonzero(self.w)
        if len(nonzero) <= len(self._r):
            step = self._step_of_coefficients(local, nonzero)
            return self._follow(local, nonzero, step)
        # The direction need not be exact; twice the work if that fails.
        return any(
            self._follow(local, nonzero, self._step_of_samples(local, nonzero, dtype))
            for dtype in (np.float32, np.float64)
        )

    def _follow(self, local, nonzero: np.ndarray, step: np.ndarray | None) -> bool:
        """Take a step, or a part of it, where the objective falls."""
        if step is None or not np.isfinite(step).all():
            return False
        kinks = self._kinks(local)[nonzero]
        w = self.w[nonzero]
        for _ in range(_HALVINGS):
            change = np.zeros(len(self.w))
            change[nonzero] = np.where(kinks & (w * (w + step) < 0.0), -w, step)
            if self._try(local, change):
                return True
            step = 0.5 * step
        return False

    def _step_of_coefficients(self, local, nonzero: np.ndarray) -> np.ndarray | None:
        rows = self._columns[nonzero]
        hessian, rhs = rows @ rows.T, np.empty(len(nonzero))
        newton_system(local, self.starts, self.w, self.q, hessian, rhs)
        _, step, info = dposv(hessian.T, rhs, lower=1, overwrite_a=1)
        return step if info == 0 else None

    def _step_of_samples(
        self, local, nonzero: np.ndarray, dtype: type
    ) -> np.ndarray | None:
        """Newton step where R is c_g (I - u u.T), u being the direction of w_g.

        Along the tangents, where R is c_g, by Woodbury's identity; what is left, one
        radius a block, by the Schur complement.
        """
        size, n_groups = len(nonzero), len(self.starts) - 1
        rhs, unit = np.empty(size), np.empty(size)
        bend, owner = np.empty(n_groups), np.empty(size, np.int64)
        n_active = split_newton_system(
            local, self.starts, self.w, self.q, rhs, unit, bend, owner
        )
        bend = bend[:n_active]
        n = len(self._r)
        rows, radii = np.empty((size, n), dtype), np.empty((n_active, n), dtype)
        potrf, potrs, trtrs = get_lapack_funcs(("potrf", "potrs", "trtrs"), (rows,))
        tangents(self._columns, nonzero, unit, bend, owner, rows, radii)
        kernel = rows.T @ rows
        kernel[np.diag_indices(n)] += 1.0
        kernel, info = potrf(kernel.T, lower=1, overwrite_a=1)
        if info != 0:
            return None
        half, _ = trtrs(kernel, radii.T, lower=1)
        schur, info = potrf((half.T @ half).T, lower=1, overwrite_a=1)
        if info != 0:
            return None
        spread = np.sqrt(1.0 / np.where(bend > 0.0, bend, np.inf))[owner]
        radial = np.bincount(owner, unit * rhs, n_active)
        tangent = spread * (rhs - unit * radial[owner])
        pull, _ = potrs(kernel, rows.T @ tangent.astype(dtype), lower=1)
        radius, _ = potrs(schur, radial.astype(dtype) - radii @ pull, lower=1)
        fitted = pull + potrs(kernel, radii.T @ radius, lower=1)[0]
        return unit * radius[owner] + spread * (tangent - rows @ fitted)

    def residual(self) -> np.ndarray:
        """Part of the target that the fit and the unpenalised features leave."""
        return self._target - self._fitted(self.w)

    def _fitted(self, w: np.ndarray) -> np.ndarray:
        nonzero = np.flatnonzero(w)
        if 2 * len(nonzero) > self.size:
            return w @ self._columns[: self.size]
        return w[nonzero] @ self._columns[nonzero]

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit, adding blocks where need be."""
        self._put(features, coef)
        self._refresh()

    @property
    def _width(self) -> tuple[int, ...]:
        """Shape of the coefficients of a column."""
        return ()

    def _allocate(self, capacity: int, gram: np.ndarray | None = None) -> None:
        """Room for more features; what is there is kept."""
        m = self.size
        for name, dtype in (
            ("_features", np.int64),
            ("_w", np.float64),
            ("_q", np.float64),
        ):
            width = () if name == "_features" else self._width
            array = np.zeros((capacity, *width), dtype)
            if m:
                array[:m] = getattr(self, name)[:m]
            setattr(self, name, array)
        kept = np.empty((capacity, len(self.problem.root)))
        if m:
            kept[:m] = self._columns[:m]
        self._columns = kept
