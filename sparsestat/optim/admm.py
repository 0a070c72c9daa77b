"""Alternating directions for total variation on a graph, with one factorisation.

Splits |D w| and |w| from the quadratic: after Boyd et al. (2011),
doi:10.1561/2200000016, with over-relaxation and residual balancing.
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from sparsestat.optim.design import CSC
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.problem import LeastSquares

__all__ = ["GraphADMM"]

_RELAXATION = 1.7
_IMBALANCE = 5.0
_FACTOR = 3.0
# Shifts that keep singular systems solvable, relative to their diagonal.
_SHIFT = 1e-10


class GraphADMM:
    """Minimise |target - X~ w|^2 / 2 + variation |D w|_1 + size |w|_1.

    Parameters
    ----------
    problem : LeastSquares
    differences : csr_array of shape (n_edges, n_features)
        The incidence matrix D.

    Attributes
    ----------
    w : ndarray of shape (n_features,)
    flow : ndarray of shape (n_edges,)
        Dual of the variation, within its bounds.
    equal, zero : ndarray of bool
        Edges without difference, and coefficients that are zero.
    """

    def __init__(
        self, problem: LeastSquares, differences: sparse.csr_array, with_size: bool
    ) -> None:
        self._differences = differences
        self._transposed = differences.T.tocsr()
        p = differences.shape[1]
        self._laplacian = sparse.csc_array(self._transposed @ differences)
        if with_size:
            self._laplacian = self._laplacian + sparse.eye_array(p, format="csc")
        self._with_size = with_size
        self._hessian, self._mean = _hessian(problem)
        self._c = problem.correlations(problem.target)
        diagonal = self._hessian.diagonal()
        if self._mean is not None:
            diagonal = diagonal - self._mean**2
        self._shift = _SHIFT * max(float(diagonal.mean()), np.finfo(float).tiny)
        self._rho = max(float(diagonal.mean()), np.finfo(float).tiny)
        self._solve = self._factorise()
        self.w = np.zeros(p)
        self._jump, self._jump_dual = np.zeros((2, differences.shape[0]))
        self._size, self._size_dual = np.zeros((2, p))

    @property
    def flow(self) -> np.ndarray:
        return self._rho * self._jump_dual

    @property
    def equal(self) -> np.ndarray:
        return self._jump == 0.0

    @property
    def zero(self) -> np.ndarray:
        return self._size == 0.0

    def start(self, w: np.ndarray) -> None:
        """Start from coefficients; the duals stay."""
        self.w = w.copy()
        self._jump, self._size = self._differences @ w, w.copy()

    def iterate(self, variation: float, size: float, n_iter: int) -> None:
        """Take steps, then balance primal against dual residuals."""
        D, D_t, rho = self._differences, self._transposed, self._rho
        for _ in range(n_iter):
            before = self._jump, self._size
            right = self._c + rho * (D_t @ (self._jump - self._jump_dual))
            if self._with_size:
                right += rho * (self._size - self._size_dual)
            self.w = w = self._solve(right)
            jump = D @ w
            relaxed = _RELAXATION * jump + (1.0 - _RELAXATION) * self._jump
            self._jump, self._jump_dual = _shrink(
                relaxed + self._jump_dual, variation / rho
            )
            if self._with_size:
                relaxed = _RELAXATION * w + (1.0 - _RELAXATION) * self._size
                self._size, self._size_dual = _shrink(
                    relaxed + self._size_dual, size / rho
                )
        primal = np.hypot(
            np.linalg.norm(jump - self._jump), np.linalg.norm(w - self._size)
            if self._with_size else 0.0,
        )  # fmt: skip
        moved = D_t @ (self._jump - before[0]) + (self._size - before[1])
        self._balance(primal, rho * float(np.linalg.norm(moved)))

    def _balance(self, primal: float, dual: float) -> None:
        scale = np.linalg.norm(self._differences @ self.w) + np.linalg.norm(self.w)
        scale_dual = np.linalg.norm(self._transposed @ self.flow)
        primal /= max(scale, np.finfo(float).tiny)
        dual /= max(scale_dual, np.finfo(float).tiny)
        if primal > _IMBALANCE * dual:
            factor = _FACTOR
        elif dual > _IMBALANCE * primal:
            factor = 1.0 / _FACTOR
        else:
            return
        self._rho *= factor
        self._jump_dual = self._jump_dual / factor
        self._size_dual = self._size_dual / factor
        self._solve = self._factorise()

    def _factorise(self) -> Callable[[np.ndarray], np.ndarray]:
        """Solver of (Hessian + rho (D.T D + I)) w = right."""
        shift = self._shift
        if sparse.issparse(self._hessian):
            p = self._hessian.shape[0]
            matrix = self._hessian + self._rho * self._laplacian
            factor = splu(
                sparse.csc_matrix(matrix + shift * sparse.eye_array(p)),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            if self._mean is None:
                return factor.solve
            # Sherman-Morrison: centring takes mean mean.T away.
            column = factor.solve(self._mean)
            denominator = 1.0 - float(self._mean @ column)

            def solve(right: np.ndarray) -> np.ndarray:
                found = factor.solve(right)
                share = float(self._mean @ found) / denominator
                return found + share * column

            return solve
        matrix = self._hessian + self._rho * self._laplacian.toarray()
        matrix[np.diag_indices_from(matrix)] += shift
        factor = cho_factor(matrix, lower=True, overwrite_a=True)
        return lambda right: cho_solve(factor, right)


def _shrink(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Soft threshold, and what it takes away."""
    clipped = np.clip(values, -level, level)
    return values - clipped, clipped


def _hessian(problem: LeastSquares):
    """X~.T S X~, or for sparse X its uncentred part and the means to take away."""
    design, weight = problem.design, problem.root**2
    if not isinstance(design, CSC):
        return gram_matrix(design, weight), None
    parts = design.data, design.indices, design.indptr
    X = sparse.csc_array(parts, shape=(design.n_samples, len(design.mean)))
    X = sparse.csc_array(X.multiply(1.0 / design.scale[None, :]))
    mean = design.mean / design.scale
    product = sparse.csc_array(X.T @ X.multiply(weight[:, None]))
    return product, (mean if mean.any() else None)
