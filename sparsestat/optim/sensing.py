"""Sensing matrices as greedy methods see them: products, adjoints and columns.

Real or complex; dense, sparse, known by products only, or the centred and weighted
design of a regression.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import get_lapack_funcs
from scipy.sparse.linalg import LinearOperator

from sparsestat.optim.design import Design, columns, correlate, n_samples, predict
from sparsestat.optim.products import correlate_many

__all__ = ["Sensing", "design_sensing", "make_sensing", "square_norm"]

# Columns of an operator that are kept, in numbers.
_KEPT = 1 << 24
_PROBES = 16
# Columns that are looked at together.
_BLOCK = 512
# Least pivot, relative to the largest diagonal, of a matrix that is solved as it is.
_CONDITION = 1e-10
_DOUBLE = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}


class Sensing(ABC):
    """A of shape (m, n), with what is known of it, which is computed once.

    Products are of double precision; those with the adjoint of a matrix in single
    precision have its relative error.
    """

    shape: tuple[int, int]
    dtype: Any

    @abstractmethod
    def times(self, support: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A x for x with the given values on its support."""

    @abstractmethod
    def adjoint(self, R: np.ndarray) -> np.ndarray:
        """A^H R, for a vector or a matrix."""

    @abstractmethod
    def columns(self, support: np.ndarray) -> np.ndarray:
        """A[:, support], dense, in double precision."""

    @cached_property
    @abstractmethod
    def mean_square(self) -> float:
        """Mean square norm of the columns, perhaps estimated."""

    @cached_property
    def pseudoinverse(self) -> tuple[Callable, int]:
        """R -> A^+ R and the rank of A, from the smaller of A A^H and A^H A."""
        wide = self.shape[0] <= self.shape[1]
        solve, rank = _inverse(_outer(self) if wide else _inner_products(self))
        if wide:
            return lambda R: self.adjoint(solve(R)), rank
        return lambda R: solve(self.adjoint(R)), rank


class _Matrix(Sensing):
    """A dense or sparse matrix."""

    def __init__(self, A):
        self.matrix, self.shape, self.dtype = A, A.shape, A.dtype
        self.double = _DOUBLE[A.dtype.kind]

    def times(self, support, values):
        if len(support) < self.shape[1] or self.dtype != self.double:
            return self.columns(support) @ values
        return self.matrix @ values

    def adjoint(self, R):
        kind = "c" if "c" in (self.dtype.kind, R.dtype.kind) else "f"
        if self.dtype == self.double:
            return (R.T.conj() @ self.matrix).conj().T
        # R is rounded rather than A copied; its size may be out of range.
        size = float(np.abs(R).max(initial=0.0)) or 1.0
        rounded = (R / size).astype(np.complex64 if kind == "c" else np.float32)
        raw = (rounded.T.conj() @ self.matrix).conj().T
        return size * raw.astype(_DOUBLE[kind])

    def columns(self, support):
        chosen = self.matrix[:, _as_slice(support)]
        chosen = chosen.toarray() if sparse.issparse(chosen) else chosen
        return chosen.astype(self.double, copy=False)

    @cached_property
    def mean_square(self):
        values = self.matrix.data if sparse.issparse(self.matrix) else self.matrix
        total = 0.0
        for part in _slices(len(values)):
            block = values[part].ravel("K")
            total += float(np.vdot(block, block).real)
        return total / max(self.shape[1], 1)


class _Operator(Sensing):
    """A known by its products; its columns cost one each, and are kept."""

    def __init__(self, A: LinearOperator):
        self.operator, self.shape = A, A.shape
        self.dtype = np.dtype(A.dtype or np.float64)
        self._kept: dict[int, np.ndarray] = {}

    def times(self, support, values):
        x = np.zeros(self.shape[1], np.result_type(values, self.dtype))
        x[support] = values
        return self.operator.matvec(x)

    def adjoint(self, R):
        if R.ndim == 1:
            return self.operator.rmatvec(R)
        return np.asarray(self.operator.rmatmat(R))

    def columns(self, support):
        new = [int(j) for j in support if int(j) not in self._kept]
        if (len(self._kept) + len(new)) * self.shape[0] > _KEPT:
            self._kept, new = {}, [int(j) for j in support]
        if new:
            unit = np.zeros((self.shape[1], len(new)), self.dtype)
            unit[new, np.arange(len(new))] = 1.0
            found = np.asarray(self.operator.matmat(unit))
            self._kept |= {j: found[:, k] for k, j in enumerate(new)}
        out = np.empty((self.shape[0], len(support)), self.dtype)
        for k, j in enumerate(support):
            out[:, k] = self._kept[int(j)]
        return out

    @cached_property
    def mean_square(self):
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], (self.shape[1], _PROBES))
        probes = np.asarray(self.operator.matmat(signs.astype(self.dtype)))
        return float(np.vdot(probes, probes).real) / (_PROBES * self.shape[1])


class _OfDesign(Sensing):
    """The rows of a design times the roots of their weights."""

    def __init__(self, design: Design, root: np.ndarray):
        self.design, self.root = design, root
        self.shape = n_samples(design), len(design.mean)
        self.dtype = np.dtype(np.float64)

    def times(self, support, values):
        return self.root * predict(self.design, support, values)

    def adjoint(self, R):
        if R.ndim == 1:
            return correlate(self.design, self.root * R)
        return correlate_many(self.design, self.root[:, None] * R)

    def columns(self, support):
        return (columns(self.design, support, slice(None)) * self.root).T

    @cached_property
    def mean_square(self):
        return float((self.design.norm**2).mean())


def make_sensing(A) -> Sensing:
    """Bring a matrix or operator to the form of greedy methods; nothing is copied.

    Parameters
    ----------
    A : ndarray, sparse matrix or LinearOperator of shape (m, n)
        Real or complex. A sparse matrix that is not CSC is converted once, numbers that
        are not of single or double precision to double.

    Returns
    -------
    sensing : Sensing
        With `shape`, `dtype` and products. The norms of the columns, the factor of
        A A^H that null-space tuning needs, and columns of an operator are computed once
        and kept, for any number of right-hand sides.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.recovery import hard_thresholding, make_sensing
    >>> A = make_sensing(np.eye(3)[:2])
    >>> [hard_thresholding(A, b, 1, solver="nst").x for b in ([1.0, 0.0], [0.0, 2.0])]
    [array([1., 0., 0.]), array([0., 2., 0.])]
    """
    if isinstance(A, LinearOperator):
        return _Operator(A)
    if A.dtype.char not in "fdFD":
        A = A.astype(_DOUBLE.get(A.dtype.kind, np.float64))
    return _Matrix(A.tocsc() if sparse.issparse(A) else A)


def design_sensing(design: Design, weight: np.ndarray) -> Sensing:
    """The sensing matrix of a regression, diag(sqrt(weight)) X~.

    Parameters
    ----------
    design : Dense or CSC
        Its norms known.
    weight : ndarray of shape (n_samples,)
        Non-negative.

    Returns
    -------
    sensing : Sensing
    """
    return _OfDesign(design, np.sqrt(weight))


def square_norm(A: Sensing, n_iter: int = 100) -> float:
    """Largest eigenvalue of A^H A, from below, by power iteration.

    Parameters
    ----------
    A : Sensing
    n_iter : int, default=100
        Steps at most; it stops once they change a thousandth.

    Returns
    -------
    value : float
    """
    n = A.shape[1]
    everything = np.arange(n)
    v = np.random.default_rng(0).standard_normal(n)
    value = 0.0
    for _ in range(n_iter):
        v = v / np.linalg.norm(v)
        v = A.adjoint(A.times(everything, v))
        last, value = value, float(np.linalg.norm(v))
        if value == 0.0 or abs(value - last) <= 1e-3 * value:
            break
    return value


def _outer(A: Sensing) -> np.ndarray:
    """A A^H, by blocks of columns."""
    total = 0.0
    for part in _slices(A.shape[1]):
        block = A.columns(np.arange(part.start, part.stop))
        total = total + block @ block.conj().T
    return total


def _inner_products(A: Sensing) -> np.ndarray:
    """A^H A, by blocks of columns."""
    blocks = [A.columns(np.arange(k.start, k.stop)) for k in _slices(A.shape[1])]
    return np.block([[left.conj().T @ right for right in blocks] for left in blocks])


def _slices(n: int) -> list[slice]:
    return [slice(k, min(k + _BLOCK, n)) for k in range(0, n, _BLOCK)]


def _as_slice(support: np.ndarray) -> slice | np.ndarray:
    """Neighbouring indices as a slice, which copies nothing."""
    n = len(support)
    together = n and support[-1] - support[0] == n - 1
    if together and (n == 1 or (np.diff(support) == 1).all()):
        return slice(int(support[0]), int(support[-1]) + 1)
    return support


def _inverse(matrix: np.ndarray) -> tuple[Callable, int]:
    """v -> matrix^+ v for a Hermitian positive semidefinite matrix, and its rank."""
    try:
        factor = cho_factor(matrix, lower=True)
        diagonal = np.abs(np.diag(factor[0])) ** 2
        if diagonal.min() > _CONDITION * matrix.diagonal().real.max():
            return _by_inverse_factor(factor[0]), len(matrix)
    except LinAlgError:
        pass
    eigenvalues, vectors = np.linalg.eigh(matrix)
    kept = eigenvalues > _CONDITION * max(eigenvalues[-1], 0.0)
    basis = vectors[:, kept]
    inverse = (basis / eigenvalues[kept]) @ basis.conj().T
    return lambda v: inverse @ v, int(kept.sum())


def _by_inverse_factor(factor: np.ndarray) -> Callable:
    """v -> L^-H L^-1 v; products of vectors are twice as fast as solutions."""
    (invert,) = get_lapack_funcs(("trtri",), (factor,))
    inverse, _ = invert(factor, lower=1)
    one, many = get_blas_funcs(("trmv", "trmm"), (inverse,))

    def solve(V):
        V = V.astype(np.result_type(V, inverse), copy=False)
        if V.dtype != inverse.dtype:  # the parts of a complex right-hand side
            return solve(V.real) + 1j * solve(V.imag)
        if V.ndim == 1:
            return one(inverse, one(inverse, V, lower=1), lower=1, trans=2)
        half = many(1.0, inverse, V, lower=1)
        return many(1.0, inverse, half, lower=1, trans_a=2)

    return solve
