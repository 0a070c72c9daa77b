"""Blocks of coefficients with a variance each and a correlation within.

Coefficients x_i ~ N(0, g_i B) of blocks of one size share B, as in block sparse
Bayesian learning of Zhang and Rao (2013), doi:10.1109/TSP.2013.2241055.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
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


class White:
    """Columns whose blocks are multiplied by triangular matrices, on the way.

    Parameters
    ----------
    columns : Columns
        The matrix.
    F : dict of int to ndarray
        The triangular matrix of blocks of each size.
    runs : list of tuple
        Size, numbers and columns of the blocks of each size.
    """

    def __init__(self, columns: Columns, F: dict[int, np.ndarray], runs: list):
        self.columns, self.F, self.runs, self.shape = columns, F, runs, columns.shape
        self.dtype = np.result_type(columns.dtype, *F.values())

    def coloured(self, values: np.ndarray, adjoint: bool = False) -> np.ndarray:
        """Rows of each block, multiplied by its matrix or by the adjoint of this."""
        out = np.empty(values.shape, np.result_type(values, self.dtype))
        for size, blocks, run in self.runs:
            F = self.F[size].conj().T if adjoint else self.F[size]
            stack = values[run].reshape(len(blocks), size, -1)
            out[run] = (F @ stack).reshape(values[run].shape)
        return out

    def product(self, x: np.ndarray) -> np.ndarray:
        """Matrix times columns x."""
        return self.columns.product(self.coloured(x))

    def adjoint(self, s: np.ndarray) -> np.ndarray:
        """Conjugate transpose of the matrix times columns s."""
        return self.coloured(self.columns.adjoint(s), adjoint=True)

    def parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The matrix itself, whole blocks at a time."""
        for size, _, run in self.runs:
            for span in aligned(self.columns, size, run):
                A = self.columns.part(span).dense()
                yield span, self._times(A, self.F[size])

    @staticmethod
    def _times(A: np.ndarray, F: np.ndarray) -> np.ndarray:
        return (A.reshape(len(A), -1, len(F)) @ F).reshape(A.shape)

    def outer(self, g: np.ndarray) -> np.ndarray:
        """A G A^H for the diagonal g."""
        if self.columns.is_thin:
            return self.columns.outer(self._prior(g))
        C = np.zeros((self.shape[0], self.shape[0]), self.dtype)
        for span, A in self.parts():
            C += (A * g[span]) @ A.conj().T
        return C

    def _prior(self, g: np.ndarray) -> sparse.sparray:
        """Of the coefficients, whose blocks are whitened."""
        parts = []
        for size, blocks, run in self.runs:
            F = self.F[size]
            stack = (F * g[run].reshape(-1, 1, size)) @ F.conj().T
            at = np.arange(len(blocks) + 1)
            shape = (len(blocks) * size,) * 2
            parts.append(sparse.bsr_array((stack, at[:-1], at), shape=shape))
        return sparse.block_diag(parts, format="csr")

    def solved(
        self, lower: np.ndarray, spans: Sequence[slice] | None = None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Runs of columns of L^-1 A, whole blocks."""
        for size, _, run in self.runs:
            if spans is None:
                inside = list(aligned(self.columns, size, run))
            else:
                inside = [s for s in spans if run.start <= s.start < run.stop]
            for span, W in self.columns.solved(lower, inside):
                yield span, self._times(W, self.F[size])


def aligned(columns: Columns, size: int, run: slice) -> Iterator[slice]:
    """Runs of whole blocks of a size that make small matrices."""
    width = max(columns.width // size, 1) * size
    for start in range(run.start, run.stop, width):
        yield slice(start, min(start + width, run.stop))


def _within(left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Blocks on the diagonal of left^H right."""
    pairs = [
        half.reshape(len(half), -1, size).transpose(1, 0, 2) for half in (left, right)
    ]
    return pairs[0].conj().transpose(0, 2, 1) @ pairs[1]


class Blocks:
    """Structure of blocks, numbered by their size, the smallest first.

    Parameters
    ----------
    columns : Columns
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

    def __init__(self, columns: Columns, Y, n_rows, sets: list[np.ndarray], form: str):
        self.columns, self.Y, self.n_rows, self.form = columns, Y, n_rows, form
        lengths = np.array([len(part) for part in sets])
        self.order = np.argsort(lengths, kind="stable")
        self.sets = [sets[i] for i in self.order]
        self.lengths = lengths[self.order]
        self.r = 0.0
        self.B = {size: np.eye(size) for size in np.unique(lengths).tolist()}
        self.restrict(np.arange(len(sets)))

    def flat_start(self) -> np.ndarray:
        """Equal prior variances that explain a target of unit power."""
        energies = self.columns.energies()
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

    def prior_of(self, g: np.ndarray) -> np.ndarray:
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
        self.part, self.gram = self.columns.pick(self.features), None
        if len(self.features) < len(self.Y):
            self.gram = self.part.gram(), self.part.adjoint(self.Y)

    def roots(self) -> dict[int, np.ndarray]:
        """Lower triangular F with F F^H = B, for each size."""
        if self.form == "ar1":
            self.B = {size: ar1_matrix(self.r, size) for size in self.B}
        return {size: np.linalg.cholesky(B) for size, B in self.B.items()}

    def moments(self, g: np.ndarray, noise: float) -> Moments:
        """Posterior of whitened coefficients of the blocks that are kept."""
        white, gram = self.part, self.gram
        if self.form != "none":
            white = White(self.part, self.roots(), self.runs)
            if gram is not None:
                half = white.coloured(gram[0], adjoint=True)
                inner = white.coloured(half.conj().T, adjoint=True)
                gram = inner, white.coloured(gram[1], adjoint=True)
        self.white = white
        problem = Problem(white, self.Y, self.n_rows)
        keep = self.form != "none" and isinstance(self.columns.X, np.ndarray)
        return moments(problem, np.repeat(g, self.sizes), noise, gram, keep=keep)

    def coloured(self, values: np.ndarray) -> np.ndarray:
        """Whitened coefficients, or columns of such, as coefficients."""
        return values if self.form == "none" else self.white.coloured(values)

    def look(self, g: np.ndarray, noise: float) -> Look:
        """The cost and its slopes."""
        now = self.moments(g, noise)
        wide = np.repeat(g, self.sizes)
        self.weighted = now.mean / np.sqrt(wide)[:, None]
        self.halves = now.halves
        power = self._sums(squares(self.weighted).sum(axis=1)) / self.sizes
        share = self._sums(now.determined) / self.sizes
        rest = energy(self.Y - self.white.product(now.mean))
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
        for size, blocks, run in self.runs:
            if size == 1:
                continue
            spans = list(aligned(self.part, size, run))
            parts = [_within(*pair, size) for pair in self.halves(spans)]
            shares = np.concatenate(parts)
            means = self.weighted[run, 0].reshape(len(blocks), size)
            scaled = means / np.sqrt(step[blocks])[:, None]
            Q = scaled.T @ scaled.conj()
            F, P = self.white.F[size], None
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
        solved = (self.Y - inside.product(now.mean)) / noise
        self.restrict(zero)
        outside = White(self.part, self.roots(), self.runs)
        up, down = np.empty((2, len(self.features)))
        for span, A in outside.parts():
            cross = inside.adjoint(A)
            up[span] = squares(A.conj().T @ solved)[:, 0]
            # C^-1 = (I - A S A^H / noise) / noise with the posterior covariance S.
            taken = (cross.conj() * (covariance @ cross)).sum(axis=0).real / noise
            down[span] = (squares(A).sum(axis=0) - taken) / noise
        up, down = self._sums(up), self._sums(np.maximum(down, 0.0))
        at = int(ratio(up, down).argmax())
        return paying(int(zero[at]), up[at], down[at], float(self.sizes[at]))
