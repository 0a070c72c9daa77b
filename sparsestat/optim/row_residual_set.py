"""As `group_residual_set` for features with coefficients in several tasks.

The Hessian is P x I less one direction a feature, P being of the size of the features:
Newton steps cost no more than for one task, whatever the number of tasks.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import get_lapack_funcs

from sparsestat.optim.group_descent import (
    block_stationarity,
    rows_to_sweep,
    sweep_block_of_rows,
)
from sparsestat.optim.group_residual_set import ResidualGroupSet
from sparsestat.optim.penalties import Blocks
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.tasks import Tasks, base_features

__all__ = ["ResidualRowSet"]

# Passes before a Newton step, which take about as long.
_BUDGET = 30
# Rows whose products with the residuals are formed at once.
_BLOCK = 32


class ResidualRowSet(ResidualGroupSet):
    """Features with coefficients in several tasks, their columns and the residuals.

    Parameters
    ----------
    problem : LeastSquares
        With `Tasks` for a design; without unpenalised features.
    blocks : Blocks
        Of all coefficients, one block a feature.
    basis : ndarray of shape (n_unpenalised, n_samples)
        Orthonormal rows that are projected out of every column.
    """

    def __init__(self, problem: LeastSquares, blocks: Blocks, basis) -> None:
        design: Tasks = problem.design
        self.n_tasks = design.n_tasks
        self._tasks = problem
        root = problem.root[:: self.n_tasks]
        self._target = problem.target.reshape(-1, self.n_tasks).T.copy()
        self._norms = np.empty(0)
        base = problem._replace(
            design=design.base,
            root=root,
            target=np.zeros(len(root)),
            excluded=problem.excluded[:: self.n_tasks],
        )
        super().__init__(base, blocks, basis)
        self._r = self._target.copy()

    @property
    def w(self) -> np.ndarray:
        return self._w[: self.size].reshape(-1)

    @property
    def q(self) -> np.ndarray:
        return self._q[: self.size].reshape(-1)

    @property
    def members(self) -> np.ndarray:
        entries = self.features[:, None] * self.n_tasks + np.arange(self.n_tasks)
        return entries.ravel()

    @property
    def _n_coefs(self) -> int:
        return len(self._tasks.excluded)

    @property
    def _width(self) -> tuple[int, ...]:
        return (self.n_tasks,)

    def _entries(self, features: np.ndarray) -> np.ndarray:
        return base_features(self._tasks.design, features)

    def _decompose(self, first: int) -> np.ndarray:
        """Rows need no more than the norms of their columns."""
        rows = self._columns[len(self._norms) : self.size]
        self._norms = np.append(self._norms, np.einsum("ij,ij->i", rows, rows))
        return np.empty(0)

    def _budget(self) -> int:
        return _BUDGET

    def _pass(self, local: NamedTuple, ws: np.ndarray, rs: np.ndarray) -> bool:
        """Passes row by row, on correlations that are formed a block at a time."""
        m = self.size
        chosen = np.flatnonzero(
            rows_to_sweep(local, self._norms, self._w[:m], self._q[:m])
        )
        columns, w = self._columns[chosen], self._w[chosen]
        blocks = [slice(k, k + _BLOCK) for k in range(0, len(chosen), _BLOCK)]
        grams = [columns[block] @ columns[block].T for block in blocks]
        for kept_w, kept_r in zip(ws, rs, strict=True):
            moved = False
            for block, gram in zip(blocks, grams, strict=True):
                rows = columns[block]
                q, change = rows @ self._r.T, np.zeros((len(rows), self.n_tasks))
                if sweep_block_of_rows(local, chosen[block], gram, w[block], q, change):
                    moved = True
                    dgemm(
                        -1.0, rows.T, change.T, 1.0, self._r.T,
                        trans_b=True, overwrite_c=True,
                    )  # fmt: skip
            self._w[chosen] = w
            kept_w[:], kept_r[:] = self.w, self._r.ravel()
        return moved

    def _correlate(self) -> None:
        np.dot(self._columns[: self.size], self._r.T, out=self._q[: self.size])

    def _fitted(self, w: np.ndarray) -> np.ndarray:
        w = w.reshape(-1, self.n_tasks)
        nonzero = np.flatnonzero(w.any(axis=1))
        return w[nonzero].T @ self._columns[nonzero]

    def _newton(self, local: NamedTuple) -> bool:
        """One Newton step on the nonzero rows, shortened until it descends."""
        nonzero = np.flatnonzero(self.w)
        return any(
            self._follow(local, nonzero, self._step_of_rows(local, dtype))
            for dtype in (np.float32, np.float64)
        )

    def _step_of_rows(self, local: NamedTuple, dtype: type) -> np.ndarray | None:
        """Newton step: P = X.T X + D less c_j on the direction u_j of each row.

        With K = I + X D^-1 X.T = L L.T and B = L^-1 X D^-1 the inverse of P is
        D^-1 - B.T B, and what the directions take out is, by Woodbury's identity, the
        inverse of C^-1 - D^-1 + (B.T B) * (U U.T), entry by entry.
        """
        active = np.flatnonzero(self._w[: self.size].any(axis=1))
        w, columns = self._w[active], self._columns[active]
        length = np.linalg.norm(w, axis=1)
        strength = local.alpha * local.weights[active]
        level = strength * local.l1_ratio
        ridge = strength * (1.0 - local.l1_ratio)
        unit, bend = w / length[:, None], level / length
        if not (bend > 0.0).all():
            return None
        rhs = self._q[active] - level[:, None] * unit - ridge[:, None] * w
        diagonal = bend + ridge
        scaled = (columns / np.sqrt(diagonal)[:, None]).astype(dtype)
        potrf, potrs, trtrs = get_lapack_funcs(("potrf", "potrs", "trtrs"), (scaled,))
        kernel = scaled.T @ scaled
        kernel[np.diag_indices(len(kernel))] += 1.0
        kernel, info = potrf(kernel.T, lower=1, overwrite_a=1)
        if info != 0:
            return None
        scaled /= np.sqrt(diagonal).astype(dtype)[:, None]
        B, _ = trtrs(kernel, scaled.T, lower=1)
        taken = B.T @ B
        taken *= (unit @ unit.T).astype(dtype)
        taken[np.diag_indices(len(taken))] += 1.0 / bend - 1.0 / diagonal
        taken, info = potrf(taken.T, lower=1, overwrite_a=1)
        if info != 0:
            return None

        def solve(F: np.ndarray) -> np.ndarray:
            return F / diagonal[:, None] - B.T @ (B @ F.astype(dtype))

        step = solve(rhs)
        along = np.einsum("ij,ij->i", unit, step).astype(dtype)
        back, _ = potrs(taken, along, lower=1)
        step = step + solve(unit * back[:, None])
        return step[w != 0.0]

    def residual(self) -> np.ndarray:
        """Part of the targets that the fit and the unpenalised features leave."""
        return super().residual().T.ravel()

    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """Nonzero coefficients and their places among those of all features."""
        nonzero = np.flatnonzero(self.w)
        return self.members[nonzero], self.w[nonzero]

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition on the set."""
        return block_stationarity(
            self.local(penalty), self.starts, self.w, self.q, self._norms
        )
