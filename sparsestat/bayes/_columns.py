"""Matrices as products: dense, sparse or operators, centred and weighted implicitly."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.sparse.linalg import LinearOperator

__all__ = ["Columns", "rotate_rows", "spectral_norm"]

# Power iterations for the spectral norm, and probes for norms of operators.
_POWER_ITERATIONS, _PROBES = 20, 30
# Rows or columns that are converted at a time.
_BLOCK = 256
# Numbers of a dense matrix that are formed whatever X is, and those of a part of it.
_SMALL, _PART = 2**17, 2**18
# Share of entries that are stored below which sparse products are the faster ones.
_THIN = 0.1
# Share of a column's energy that centring leaves of a constant one.
_ROUNDING = 8.0 * np.finfo(np.float64).eps
# Numbers that fit the cache.
_CACHED = 2**15
# Share of the largest eigenvalue below which a direction is none.
_RANK = 1e-14


class Columns(NamedTuple):
    """A matrix as products: columns may be centred and rows weighted implicitly.

    Parameters
    ----------
    X : ndarray, sparse matrix or LinearOperator of shape (n_samples, n_features)
        The matrix.
    mean : ndarray of shape (n_features,) or None
        Subtracted from the rows.
    root : ndarray of shape (n_samples,) or None
        Multiplies the rows, after that.
    picked : ndarray of int or None
        The columns that there are, where these are not all.
    """

    X: Any
    mean: np.ndarray | None = None
    root: np.ndarray | None = None
    picked: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and columns that there are."""
        m, n = self.X.shape
        return m, n if self.picked is None else len(self.picked)

    @property
    def dtype(self) -> type:
        """Of the matrix in double precision."""
        return np.complex128 if self.X.dtype.kind == "c" else np.float64

    def product(self, x: np.ndarray) -> np.ndarray:
        """Matrix times columns x."""
        if self.picked is not None:
            x = self._all(x)
        out = _times(self.X, x)
        if self.mean is not None:
            out = out - self.mean @ x
        return out if self.root is None else self.root[:, None] * out

    def adjoint(self, s: np.ndarray) -> np.ndarray:
        """Conjugate transpose of the matrix times columns s."""
        if self.root is not None:
            s = self.root[:, None] * s
        if isinstance(self.X, LinearOperator):
            out = self.X.H @ s
        else:
            out = _times_transposed(self.X, s.conj()).conj()
        if self.mean is not None:
            out = out - np.outer(self.mean.conj(), s.sum(axis=0))
        return out if self.picked is None else out[self.picked]

    def _all(self, x: np.ndarray) -> np.ndarray:
        """Rows for all columns of X, zeros for those that are not picked."""
        out = np.zeros((self.X.shape[1], *x.shape[1:]), x.dtype)
        out[self.picked] = x
        return out

    def energies(self) -> np.ndarray:
        """Squared norms of the columns; of an operator their average, from probes."""
        if self.picked is not None:
            return self._replace(picked=None).energies()[self.picked]
        n = self.X.shape[1]
        if isinstance(self.X, LinearOperator):
            rng = np.random.default_rng(0)
            probes = rng.choice([-1.0, 1.0], (n, _PROBES))
            total = np.sum(np.abs(self.product(probes)) ** 2) / _PROBES
            return np.full(n, total / n)
        weight = np.ones(self.X.shape[0]) if self.root is None else self.root**2
        if hasattr(self.X, "tocsc"):
            squares = abs(self.X).power(2)
            energy = np.asarray(squares.T @ weight, dtype=np.float64)
            linear = self.X.T @ weight if self.mean is not None else 0.0
        else:
            energy = _weighted_squares(self.X, weight)
            linear = self.X.T @ weight if self.mean is not None else 0.0
        if self.mean is None:
            return energy
        mean, rounding = self.mean, _ROUNDING * energy
        energy = energy - 2.0 * (linear * mean.conj()).real
        energy += weight.sum() * np.abs(mean) ** 2
        return np.where(energy > rounding, energy, 0.0)

    def take(self, kept: np.ndarray) -> "Columns":
        """Some of the columns, in memory of their own."""
        if self.picked is not None:
            kept = self.picked[kept]
        mean = None if self.mean is None else self.mean[kept]
        return Columns(self.X[:, kept], mean, self.root)

    def pick(self, kept: np.ndarray) -> "Columns":
        """Some of the columns, in memory of their own where that is little."""
        m, n = self.X.shape
        stored = self.X.nnz if sparse.issparse(self.X) else m * n
        if m * len(kept) <= max(_SMALL, stored // 4):
            return Columns(self.take(kept).dense())
        if 2 * len(kept) <= n:
            return self.take(kept)
        if len(kept) == n and self.picked is None and np.all(np.diff(kept) == 1):
            return self
        return self._replace(picked=kept if self.picked is None else self.picked[kept])

    def dense(self) -> np.ndarray:
        """The matrix itself, in double precision."""
        if self.picked is not None:
            return self.take(np.arange(len(self.picked))).dense()
        X = self.X
        whole = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        kind = np.complex128 if np.iscomplexobj(whole) else np.float64
        whole = whole.astype(kind, copy=False)
        if self.mean is not None:
            whole = whole - self.mean
        return whole if self.root is None else self.root[:, None] * whole

    @property
    def width(self) -> int:
        """Number of columns that make a small matrix."""
        return max(_PART // max(self.X.shape[0], 1), 32)

    def spans(self) -> Iterator[slice]:
        """Runs of neighbouring columns that make small matrices."""
        n = self.shape[1]
        for start in range(0, n, self.width):
            yield slice(start, min(start + self.width, n))

    def part(self, span: slice) -> "Columns":
        """A run of columns."""
        if self.picked is not None:
            return self.take(np.arange(span.start, span.stop))
        if span == slice(0, self.X.shape[1]):
            return self
        mean = None if self.mean is None else self.mean[span]
        return Columns(self.X[:, span], mean, self.root)

    @property
    def is_thin(self) -> bool:
        """Whether there are few entries, for which sparse products pay."""
        m, n = self.X.shape
        return sparse.issparse(self.X) and self.X.nnz < _THIN * m * n

    def outer(self, g) -> np.ndarray:
        """A G A^H for the diagonal g, of a thin matrix also for a sparse G."""
        m, _ = self.shape
        if self.is_thin:
            return self._thin_outer(g)
        C = np.zeros((m, m), self.dtype)
        for span in self.spans():
            A = self.part(span).dense()
            C += (A * g[span]) @ A.conj().T
        return C

    def _thin_outer(self, g) -> np.ndarray:
        G = g if sparse.issparse(g) else sparse.diags_array(g)
        if self.picked is not None:
            G, n = G.tocoo(), self.X.shape[1]
            at = self.picked[G.row], self.picked[G.col]
            G = sparse.csr_array((G.data, at), shape=(n, n))
        spread = self.X @ G
        C = (spread @ self.X.conj().T).toarray()
        C = C.astype(np.result_type(self.dtype, G.dtype), copy=False)
        if self.mean is not None:
            middle = (spread @ self.mean.conj())[:, None]
            C = C - middle - middle.conj().T
            C += (self.mean @ (G @ self.mean.conj())).real
        return C if self.root is None else self.root[:, None] * C * self.root

    def gram(self) -> np.ndarray:
        """A^H A."""
        n = self.shape[1]
        if self.is_thin:
            return self._thin_gram()
        G = np.empty((n, n), self.dtype)
        for span in self.spans():
            G[:, span] = self.adjoint(self.part(span).dense())
        return G

    def _thin_gram(self) -> np.ndarray:
        X, weight = self.X, None if self.root is None else self.root**2
        weighed = X if weight is None else sparse.diags_array(weight) @ X
        G = (X.conj().T @ weighed).toarray().astype(self.dtype, copy=False)
        if self.mean is not None:
            total = X.shape[0] if weight is None else weight.sum()
            sums = np.asarray(weighed.sum(axis=0)).ravel()
            cross = np.outer(sums.conj(), self.mean)
            G -= cross
            G -= cross.conj().T
            G += total * np.outer(self.mean.conj(), self.mean)
        return G if self.picked is None else G[np.ix_(self.picked, self.picked)]

    def solved(
        self, lower: np.ndarray, spans: Sequence[slice] | None = None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Runs of columns of L^-1 A, for the lower triangular L."""
        spans = self.spans() if spans is None else spans
        if not self.is_thin:
            for span in spans:
                A = self.part(span).dense()
                yield span, solve_triangular(lower, A, lower=True, check_finite=False)
            return
        one = np.eye(len(lower), dtype=lower.dtype)
        inverse = solve_triangular(lower, one, lower=True, check_finite=False)
        if self.root is not None:
            inverse *= self.root
        rows, sums = np.ascontiguousarray(inverse.T), inverse.sum(axis=1)
        for span in spans:
            part = self.part(span)
            W = part.X.T @ rows
            if part.mean is not None:
                W -= np.outer(part.mean, sums)
            yield span, W.T

    @property
    def can_take(self) -> bool:
        """Whether columns can be picked."""
        return not isinstance(self.X, LinearOperator)


def rotate_rows(columns: Columns, Y: np.ndarray) -> tuple[Columns, np.ndarray, float]:
    """Rotate the data so that the rows of the matrix are orthogonal.

    Message passing then converges with little damping whatever the matrix (Luo, Guo,
    Xi, Huang and Li 2021, arXiv:2101.09954); it takes about as long as one inverse.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets.

    Returns
    -------
    columns : Columns
        The rotated matrix, of as many rows as its rank.
    Y : ndarray of shape (rank, n_targets)
        The targets.
    rest : float
        Energy of a target outside the column space, on average.
    """
    A = columns.dense()
    if A.shape[0] > A.shape[1]:
        basis, A = np.linalg.qr(A)
        inside = basis.conj().T @ Y
        outside = Y - basis @ inside
    else:
        inside, outside = Y, np.zeros_like(Y)
    values, vectors = np.linalg.eigh(A @ A.conj().T)
    kept = values > _RANK * values[-1]
    vectors = vectors[:, kept]
    rotated = vectors.conj().T @ inside
    rest = np.linalg.norm(outside) ** 2
    rest += np.linalg.norm(inside - vectors @ rotated) ** 2
    return Columns(vectors.conj().T @ A), rotated, float(rest / Y.shape[1])


def spectral_norm(columns: Columns, kept: np.ndarray) -> float:
    """Squared spectral norm of the columns that are kept."""
    v = np.random.default_rng(0).standard_normal((len(kept), 1)) * kept[:, None]
    norm = 0.0
    for _ in range(_POWER_ITERATIONS):
        size = np.linalg.norm(v)
        if size == 0.0:
            return 0.0
        v = columns.adjoint(columns.product(v / size)) * kept[:, None]
        norm = np.linalg.norm(v)
    return float(norm)


def _times(X, x: np.ndarray) -> np.ndarray:
    """Product, without a copy of a whole X of another precision."""
    if not isinstance(X, np.ndarray) or X.dtype == x.dtype:
        return X @ x
    if X.flags.f_contiguous:  # of few rows or columns at a time, as they are stored
        out = np.zeros((X.shape[0], x.shape[1]), np.result_type(X, x))
        for start in range(0, X.shape[1], _BLOCK):
            part = slice(start, start + _BLOCK)
            out += X[:, part] @ x[part]
        return out
    parts = range(0, X.shape[0], _BLOCK)
    return np.concatenate([X[i : i + _BLOCK] @ x for i in parts])


def _times_transposed(X, x: np.ndarray) -> np.ndarray:
    """Product of the transpose, in the order of storage, which is faster."""
    if isinstance(X, np.ndarray) and X.dtype == x.dtype and X.flags.c_contiguous:
        return (x.T @ X).T
    return _times(X.T, x)


def _weighted_squares(X, weight) -> np.ndarray:
    """Weighted sums of squares of the columns, a few rows or columns at a time."""
    energy = np.zeros(X.shape[1])
    if X.flags.f_contiguous:
        for start in range(0, X.shape[1], _BLOCK):
            part = slice(start, start + _BLOCK)
            energy[part] = weight @ _squares(X[:, part])
        return energy
    size = max(1, _CACHED // X.shape[1])
    for start in range(0, len(X), size):
        part = slice(start, start + size)
        energy += weight[part] @ _squares(X[part])
    return energy


def _squares(X) -> np.ndarray:
    if np.iscomplexobj(X):
        return X.real.astype(np.float64) ** 2 + X.imag.astype(np.float64) ** 2
    return np.square(X, dtype=np.float64)
