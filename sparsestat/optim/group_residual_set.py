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

# Passes between two duality gaps, from which Anderson's extrapolation learns.
_PASSES = 4
# Ridge of its normal equations, as a share of their trace.
_RIDGE = 1e-12
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
        self._grams = np.concatenate([self._grams, self._decompose(first)])

    def _block_grams(self, rows: np.ndarray) -> np.ndarray:
        first, stop = rows[0, 0], rows[-1, -1] + 1
        if stop - first == rows.size:
            columns = self._columns[first:stop].reshape(*rows.shape, -1)
        else:
            columns = self._columns[rows]
        return columns @ columns.transpose(0, 2, 1)

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set to a duality gap of `target`; returns the rounds taken."""
        if self.size == 0:
            self.gap = 0.0
            return 0
        local = self.local(penalty)
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
            moved = self._round(local)
            n_passes += _PASSES
            self._correlate()
            last, self.gap = self.gap, self._gap(local)
            rounds_left = (budget - n_passes) / _PASSES
            if self.gap * min(self.gap / last, 1.0) ** rounds_left > target:
                break
        return moved

    def _round(self, local: NamedTuple) -> bool:
        """A few passes, and where they lead to; returns whether the last one moved."""
        ws = np.empty((_PASSES + 1, len(self.w)))
        rs = np.empty((_PASSES + 1, self._r.size))
        ws[0], rs[0] = self.w, self._r.ravel()
        moved = self._pass(local, ws[1:], rs[1:])
        if moved:
            self._extrapolate_passes(local, ws, rs)
        return moved

    def _extrapolate_passes(self, local, ws: np.ndarray, rs: np.ndarray) -> None:
        """Go where successive coefficients and residuals lead, if that is a descent.

        After Bertrand and Massias (2021), arXiv:2011.10065.
        """
        steps = np.diff(ws, axis=0)
        products = steps @ steps.T
        products[np.diag_indices(_PASSES)] += _RIDGE * np.trace(products)
        try:
            weights = np.linalg.solve(products, np.ones(_PASSES))
        except np.linalg.LinAlgError:  # steps that underflow
            return
        weights /= weights.sum()
        w, r = weights @ ws[1:], (weights @ rs[1:]).reshape(self._r.shape)
        vanished = (ws[-1] == 0.0) & (w != 0.0)
        if vanished.any():
            w[vanished] = 0.0
            r = self._target - self._fitted(w)
        if self._objective_at(local, w, r) < self._objective_at(local, self.w, self._r):
            self.w[:], self._r[:] = w, r

    def _objective_at(self, local, w: np.ndarray, r: np.ndarray) -> float:
        return block_total(local, self.starts, w) + 0.5 * float(np.vdot(r, r))

    def _pass(self, local: NamedTuple, ws: np.ndarray, rs: np.ndarray) -> bool:
        """As many passes as `ws` and `rs` have rows, which keep what each leads to."""
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
            ws,
            rs,
        )

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
        before = self._objective_at(local, self.w, self._r)
        if not self._objective_at(local, moved, r) < before:
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
        self._r = self._target - self._fitted(self.w)  # against drift
        return self._r

    def _fitted(self, w: np.ndarray) -> np.ndarray:
        nonzero = np.flatnonzero(w)
        if 2 * len(nonzero) > self.size:
            return w @ self._columns[: self.size]
        return w[nonzero] @ self._columns[nonzero]

    def start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take coefficients of an earlier fit, adding blocks where need be."""
        self._put(features, coef)
        self.residual()
        self._correlate()

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
