"""Matrices as products: dense, sparse or operators, centred and weighted implicitly."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

__all__ = ["Columns", "rotate_rows", "spectral_norm"]

# Power iterations for the spectral norm, and probes for norms of operators.
_POWER_ITERATIONS, _PROBES = 20, 30
# Rows or columns that are converted at a time.
_BLOCK = 256
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
    """

    X: Any
    mean: np.ndarray | None = None
    root: np.ndarray | None = None

    def product(self, x: np.ndarray) -> np.ndarray:
        """Matrix times columns x."""
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
            out = _times(self.X.T, s.conj()).conj()
        if self.mean is not None:
            out = out - np.outer(self.mean.conj(), s.sum(axis=0))
        return out

    def energies(self) -> np.ndarray:
        """Squared norms of the columns; of an operator their average, from probes."""
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
        mean = self.mean
        energy = energy - 2.0 * (linear * mean.conj()).real
        return np.maximum(energy + weight.sum() * np.abs(mean) ** 2, 0.0)

    def take(self, kept: np.ndarray) -> "Columns":
        """Some of the columns, in memory of their own."""
        mean = None if self.mean is None else self.mean[kept]
        return Columns(self.X[:, kept], mean, self.root)

    def dense(self) -> np.ndarray:
        """The matrix itself, in double precision."""
        X = self.X
        whole = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        kind = np.complex128 if np.iscomplexobj(whole) else np.float64
        whole = whole.astype(kind, copy=False)
        if self.mean is not None:
            whole = whole - self.mean
        return whole if self.root is None else self.root[:, None] * whole

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


def _weighted_squares(X, weight) -> np.ndarray:
    """Weighted sums of squares of the columns, a few rows at a time."""
    energy = np.zeros(X.shape[1])
    for start in range(0, X.shape[0], _BLOCK):
        part = X[start : start + _BLOCK]
        squares = part.real.astype(np.float64) ** 2
        if np.iscomplexobj(part):
            squares += part.imag.astype(np.float64) ** 2
        energy += weight[start : start + _BLOCK] @ squares
    return energy
