"""Blocks of coefficients with a variance each and a correlation within.

Coefficients x_i ~ N(0, g_i B) of blocks of one size share B, as in block sparse
Bayesian learning of Zhang and Rao (2013), doi:10.1109/TSP.2013.2241055.
"""

import numpy as np
from scipy.linalg import solve_triangular

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._correlation import Ar1Bound, FreePrior, ar1_matrix
from sparsestat.bayes._posterior import (
    Moments,
    Problem,
    energy,
    moments,
    ratio,
    squares,
)
from sparsestat.bayes._structured import Look, Raise, paying

__all__ = ["Blocks"]


class Blocks:
    """Structure of blocks, numbered by their size, the smallest first.

    Parameters
    ----------
    A : ndarray of shape (n_samples, n_features)
        The matrix.
    Y : ndarray of shape (n_samples, 1)
        Target.
    n_rows : float
        Rows that these stand for: the sum of the weights.
    sets : list of ndarray
        Features of each block.
    form : {"none", "ar1", "full"}
        What the correlation is.
    """

    def __init__(self, A, Y, n_rows: float, sets: list[np.ndarray], form: str):
        self.A, self.Y, self.n_rows, self.form = A, Y, n_rows, form
        lengths = np.array([len(part) for part in sets])
        self.order = np.argsort(lengths, kind="stable")
        self.sets = [sets[i] for i in self.order]
        self.lengths = lengths[self.order]
        self.r = 0.0
        self.B = {size: np.eye(size) for size in np.unique(lengths).tolist()}
        self.restrict(np.arange(len(sets)))

    def flat_start(self) -> np.ndarray:
        """Equal prior variances that explain a target of unit power."""
        energies = Columns(self.A).energies()
        g = np.array([energies[part].sum() for part in self.sets])
        total = g.sum()
        return np.where(g > 0.0, self.n_rows / total if total > 0.0 else 0.0, 0.0)

    def diagonals(self) -> np.ndarray:
        """Mean of the diagonal of the matrix of each block."""
        means = {size: B.diagonal().real.mean() for size, B in self.B.items()}
        return np.array([means[size] for size in self.lengths.tolist()])

    def correlation(self, size: int) -> np.ndarray:
        """Matrix of blocks of a size, its diagonal 1 on average."""
        B = self.B[size]
        return B / B.diagonal().real.mean()

    def prior_variances(self, g: np.ndarray) -> np.ndarray:
        """Those of the coefficients of the blocks that are kept."""
        parts = [self.B[size].diagonal().real for size in self.sizes.tolist()]
        return np.repeat(g, self.sizes) * np.concatenate(parts or [[]])

    def restrict(self, kept: np.ndarray) -> None:
        """Keep some of the blocks."""
        self.kept, self.sizes = kept, self.lengths[kept]
        # Blocks of a size: which of those kept, and where their columns are.
        self.runs = []
        start = 0
        for size in np.unique(self.sizes).tolist():
            blocks = np.flatnonzero(self.sizes == size)
            stop = start + size * len(blocks)
            self.runs.append((size, blocks, slice(start, stop)))
            start = stop
        self.features = np.concatenate([self.sets[i] for i in kept] or [[]]).astype(int)
        self.part = self.A[:, self.features]

    def roots(self) -> dict[int, np.ndarray]:
        """Lower triangular F with F F^H = B, for each size."""
        if self.form == "ar1":
            self.B = {size: ar1_matrix(self.r, size) for size in self.B}
        return {size: np.linalg.cholesky(B) for size, B in self.B.items()}

    def moments(self, g: np.ndarray, noise: float) -> Moments:
        """Posterior of whitened coefficients of the blocks that are kept."""
        self.F = self.roots()
        white = self.part
        if self.form != "none":
            white = np.empty(
                self.part.shape, np.result_type(self.part, *self.F.values())
            )
            for size, blocks, run in self.runs:
                stack = self.part[:, run].reshape(-1, len(blocks), size)
                white[:, run] = (stack @ self.F[size]).reshape(len(white), -1)
        self.white = white
        problem = Problem(white, self.Y, self.n_rows)
        return moments(problem, np.repeat(g, self.sizes), noise)

    def coloured(self, values: np.ndarray) -> np.ndarray:
        """Whitened coefficients, or columns of such, as coefficients."""
        if self.form == "none":
            return values
        out = np.empty(values.shape, np.result_type(values, *self.F.values()))
        for size, blocks, run in self.runs:
            stack = values[run].reshape(len(blocks), size, -1)
            out[run] = (self.F[size] @ stack).reshape(values[run].shape)
        return out

    def look(self, g: np.ndarray, noise: float) -> Look:
        """The cost and its slopes."""
        now = self.moments(g, noise)
        wide = np.repeat(g, self.sizes)
        self.weighted = now.mean / np.sqrt(wide)[:, None]
        self.halves = now.halves
        power = self._sums(squares(self.weighted).sum(axis=1)) / self.sizes
        share = self._sums(now.determined) / self.sizes
        rest = energy(self.Y - self.white @ now.mean)
        cost = now.cost
        if self.form == "full":
            cost += sum(FreePrior.cost(B) for B in self.B.values())
        self.now = now
        return Look(cost, power, share, rest, float(now.determined.sum()))

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Of the coefficients of each block."""
        starts = np.cumsum(self.sizes) - self.sizes
        return np.add.reduceat(values, starts) if len(values) else values

    def _bounds(self, step, *, in_expectation: bool = False):
        """Size, P, Q and number of blocks; or the expected second moments for Q."""
        left, right = self.halves()
        for size, blocks, run in self.runs:
            if size == 1:
                continue
            pairs = [
                half[:, run].reshape(-1, len(blocks), size).transpose(1, 0, 2)
                for half in (left, right)
            ]
            shares = pairs[0].conj().transpose(0, 2, 1) @ pairs[1]
            means = self.weighted[run, 0].reshape(len(blocks), size)
            scaled = means / np.sqrt(step[blocks])[:, None]
            Q = scaled.T @ scaled.conj()
            F, P = self.F[size], None
            if in_expectation:
                spread = np.eye(size) - shares
                Q = Q + np.tensordot(1.0 / step[blocks], spread, 1)
            else:
                inverse = solve_triangular(F, np.eye(size), lower=True)
                P = np.tensordot(step[blocks], shares, 1)
                P = inverse.conj().T @ P @ inverse
                P = 0.5 * (P + P.conj().T)
            yield size, P, F @ Q @ F.conj().T, len(blocks)

    def slope(self) -> float:
        """Of the cost with respect to the correlation, for each coefficient."""
        if self.form == "none" or not len(self.kept):
            return 0.0
        found = list(self._bounds(np.ones(len(self.kept))))
        if not found:
            return 0.0
        if self.form == "ar1":
            bounds = [Ar1Bound.of(Q, P) for _, P, Q, _ in found]
            count = sum(size * n for size, _, _, n in found)
            return sum(bounds[1:], bounds[0]).violation(self.r, count)
        return max(FreePrior.violation(P, Q, self.B[d], n) for d, P, Q, n in found)

    def learn(self, solver: str, step: np.ndarray) -> np.ndarray | float:
        """Move the correlation; returns what the variances are multiplied by."""
        if self.form == "none":
            return 1.0
        em = solver == "em"
        used = np.where(step > 0.0, step, 1.0)
        found = list(self._bounds(used, in_expectation=em))
        if self.form == "ar1":
            bounds = [Ar1Bound.of(Q, P, n if em else 0.0) for _, P, Q, n in found]
            if bounds:
                self.r = sum(bounds[1:], bounds[0]).lower(self.r)
            return 1.0
        scales = np.ones(len(step))
        for size, P, Q, n in found:
            if em:
                B = FreePrior.expect(Q, n)
            else:
                B = FreePrior.lower(P, Q, self.B[size])
            self.B[size], scales[self.sizes == size] = FreePrior.scaled(B)
        return scales

    def raising(self, g: np.ndarray, noise: float) -> Raise:
        """What it would pay to raise a variance that is zero."""
        kept, zero = np.flatnonzero(g), np.flatnonzero(g == 0.0)
        if not len(zero):
            return Raise()
        self.restrict(kept)
        now = self.moments(g[kept], noise)
        inside, covariance = self.white, now.covariance()
        solved = (self.Y - inside @ now.mean) / noise
        self.restrict(zero)
        self.moments(np.zeros(len(zero)), noise)
        columns = Columns(self.white)
        seen, cross = columns.adjoint(solved)[:, 0], columns.adjoint(inside)
        # C^-1 = (I - A S A^H / noise) / noise with the posterior covariance S.
        down = columns.energies() / noise
        down = down - ((cross @ covariance) * cross.conj()).sum(axis=1).real / noise**2
        up, down = self._sums(squares(seen)), self._sums(np.maximum(down, 0.0))
        at = int(ratio(up, down).argmax())
        return paying(int(zero[at]), up[at], down[at], float(self.sizes[at]))
