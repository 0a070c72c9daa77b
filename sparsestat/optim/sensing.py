"""Sensing matrices as greedy methods see them: products, adjoints and columns.

Real or complex; dense, sparse, known by products only, or the centred and weighted
design of a regression.
"""

from typing import Any, Protocol

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from sparsestat.optim.design import Design, columns, correlate, n_samples, predict

__all__ = ["Sensing", "design_sensing", "make_sensing", "square_norm"]

# Columns of an operator that are kept, in numbers.
_KEPT = 1 << 24
_PROBES = 16


class Sensing(Protocol):
    """A of shape (m, n)."""

    shape: tuple[int, int]
    dtype: Any

    def times(self, support: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A x for x with the given values on its support."""

    def adjoint(self, r: np.ndarray) -> np.ndarray:
        """A^H r."""

    def columns(self, support: np.ndarray) -> np.ndarray:
        """A[:, support], dense."""

    def mean_square(self) -> float:
        """Mean square norm of the columns, perhaps estimated."""


class _Matrix:
    """A dense or sparse matrix."""

    def __init__(self, A):
        self.matrix, self.shape, self.dtype = A, A.shape, A.dtype

    def times(self, support, values):
        return self.columns(support) @ values

    def adjoint(self, r):
        if self.dtype.kind == "c":
            return (r.conj() @ self.matrix).conj()
        return r @ self.matrix

    def columns(self, support):
        chosen = self.matrix[:, support]
        return chosen.toarray() if sparse.issparse(chosen) else chosen

    def mean_square(self):
        values = self.matrix.data if sparse.issparse(self.matrix) else self.matrix
        return float(np.vdot(values, values).real) / max(self.shape[1], 1)


class _Operator:
    """A known by its products; its columns cost one each, and are kept."""

    def __init__(self, A: LinearOperator):
        self.operator, self.shape = A, A.shape
        self.dtype = np.dtype(A.dtype or np.float64)
        self._kept: dict[int, np.ndarray] = {}

    def times(self, support, values):
        x = np.zeros(self.shape[1], np.result_type(values, self.dtype))
        x[support] = values
        return self.operator.matvec(x)

    def adjoint(self, r):
        return self.operator.rmatvec(r)

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

    def mean_square(self):
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], (self.shape[1], _PROBES))
        probes = np.asarray(self.operator.matmat(signs.astype(self.dtype)))
        return float(np.vdot(probes, probes).real) / (_PROBES * self.shape[1])


class _OfDesign:
    """The rows of a design times the roots of their weights."""

    def __init__(self, design: Design, root: np.ndarray):
        self.design, self.root = design, root
        self.shape = n_samples(design), len(design.mean)
        self.dtype = np.dtype(np.float64)

    def times(self, support, values):
        return self.root * predict(self.design, support, values)

    def adjoint(self, r):
        return correlate(self.design, self.root * r)

    def columns(self, support):
        return (columns(self.design, support, slice(None)) * self.root).T

    def mean_square(self):
        return float((self.design.norm**2).mean())


def make_sensing(A) -> Sensing:
    """Bring a matrix or operator to the form of greedy methods; nothing is copied.

    Parameters
    ----------
    A : ndarray, sparse matrix or LinearOperator of shape (m, n)
        Real or complex. A sparse matrix that is not CSC is converted once.

    Returns
    -------
    sensing : Sensing

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.sensing import make_sensing
    >>> make_sensing(np.eye(3)).columns(np.array([1]))[:, 0]
    array([0., 1., 0.])
    """
    if isinstance(A, LinearOperator):
        return _Operator(A)
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
