"""Columns of a working set, in order of entry, and their Hessian in a metric.

Dense rows serve every metric.  Sparse ones stay sparse, and several classes share the
columns of their features; both are for losses whose means are products with factors.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import CSC, columns
from sparsestat.optim.moments import is_offset
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.tasks import Tasks

__all__ = [
    "ClassColumns",
    "ClassMetric",
    "Metric",
    "SparseColumns",
    "WorkingColumns",
    "columns_for",
    "with_room",
]

_FIRST_CAPACITY = 64
# Below this density, columns are kept sparse.
_SPARSE = 0.1


class Metric(NamedTuple):
    """A Hessian in z: diag(diagonal) - sum_r mass_r mean_r mean_r.T.

    Parameters
    ----------
    diagonal : ndarray of shape (n_kept,)
    mass : ndarray of shape (n_means,)
    means : callable
        Maps columns (n_columns, n_kept) to their means (n_columns, n_means).
    shift : callable
        Maps a change of z by features and minus the gradient, both (n_kept,), to the
        change of the intercept that goes with them.
    reduce : callable
        Maps minus the gradient (n_kept,) to that with the intercept minimised out.
    """

    diagonal: Any
    mass: Any
    means: Any
    shift: Any
    reduce: Any


class ClassMetric(NamedTuple):
    """A Hessian of samples that share probabilities among classes.

    That of sample i is weight_i (diag(p_i) - p_i p_i.T), less factors factors.T.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
    probability : ndarray of shape (n_samples, n_classes)
    factors : ndarray of shape (n_samples, n_classes, n_factors)
    shift, reduce : callable
        As for `Metric`; n_kept is n_samples * n_classes.
    """

    weight: Any
    probability: Any
    factors: Any
    shift: Any
    reduce: Any


class WorkingColumns:
    """Dense columns, as rows of a matrix that grows.

    Parameters
    ----------
    problem : LeastSquares
    rows : ndarray of shape (n_kept,)
        Samples in the order of the loss.
    """

    def __init__(self, problem: LeastSquares, rows: np.ndarray) -> None:
        self.problem, self.rows = problem, rows
        self.size, self._metric = 0, None
        self._X = np.empty((_FIRST_CAPACITY, self._width))

    @property
    def _width(self) -> int:
        return len(self.rows)

    @property
    def X(self) -> np.ndarray:
        """The columns, of shape (size, n_kept)."""
        return self._X[: self.size]

    def add(self, features: np.ndarray) -> None:
        """Append columns."""
        start, stop = self.size, self.size + len(features)
        self._X = with_room(self._X, start, stop)
        block = columns(self.problem.design, features, slice(None))
        self._X[start:stop] = block[:, self.rows]
        self.size = stop

    def swap(self, to: np.ndarray, source: np.ndarray) -> None:
        """Move columns to other places."""
        self._X[to] = self._X[source]

    def products(self, u: np.ndarray, stop: int | None = None) -> np.ndarray:
        """X u for the first columns."""
        return self.X[:stop] @ u

    def combine(self, coef: np.ndarray) -> np.ndarray:
        """Sum of the first columns with these coefficients."""
        moved = np.flatnonzero(coef)
        return coef[moved] @ self._X[moved]

    def norms(self, weight: np.ndarray, stop: int | None = None) -> np.ndarray:
        """Root of weighted sums of squares of the first columns."""
        return np.linalg.norm(self.X[:stop] * np.sqrt(weight), axis=1)

    def begin(self, metric: Metric) -> None:
        """Forget the Hessian, and take another metric."""
        self._metric = metric
        self._means = np.empty((0, len(metric.mass)))

    def hessian(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop` of the Hessian, whose columns end at `stop`."""
        metric, new = self._metric, self._X[start:stop]
        self._means = with_room(self._means, start, stop)
        self._means[start:stop] = metric.means(new)
        means = self._means[:stop]
        if start == 0:  # a product with its own transpose costs half
            scaled = new * np.sqrt(metric.diagonal)
            block = scaled @ scaled.T
            scaled = means * np.sqrt(metric.mass)
            return block - scaled @ scaled.T
        block = (new * metric.diagonal) @ self._X[:stop].T
        return block - (means[start:] * metric.mass) @ means.T


class SparseColumns:
    """Sparse columns with implicit centring, as `WorkingColumns`."""

    def __init__(self, problem: LeastSquares, rows: np.ndarray) -> None:
        design = problem.design
        X = sparse.csc_array(
            (design.data, design.indices, design.indptr),
            shape=(design.n_samples, len(design.mean)),
        )
        self._source = X.T  # rows of compressed rows, a view
        self.problem, self.rows, self.size = problem, rows, 0
        self._all = len(rows) == design.n_samples
        self._X = sparse.csr_array((0, len(rows)))
        self._centre = np.empty(0)

    @property
    def X(self) -> np.ndarray:
        """The columns, of shape (size, n_kept)."""
        return self._X.toarray() - self._centre[:, None]

    def add(self, features: np.ndarray) -> None:
        """Append columns."""
        design = self.problem.design
        scale = design.scale[features]
        block = self._source[features].astype(np.float64)
        if not self._all:
            block = block[:, self.rows]
        block = block.multiply(1.0 / scale[:, None]).tocsr()
        self._X = sparse.vstack([self._X, block], format="csr")
        self._centre = np.append(self._centre, design.mean[features] / scale)
        self.size += len(features)

    def swap(self, to: np.ndarray, source: np.ndarray) -> None:
        """Move columns to other places."""
        order = np.arange(self.size)
        order[to] = source
        self._X, self._centre = self._X[order], self._centre[order]

    def products(self, u: np.ndarray, stop: int | None = None) -> np.ndarray:
        """X u for the first columns."""
        found = self._X @ u - self._centre * u.sum()
        return found[:stop]

    def combine(self, coef: np.ndarray) -> np.ndarray:
        """Sum of the first columns with these coefficients."""
        full = np.zeros(self.size)
        full[: len(coef)] = coef
        return self._X.T @ full - self._centre @ full

    def norms(self, weight: np.ndarray, stop: int | None = None) -> np.ndarray:
        """Root of weighted sums of squares of the first columns."""
        squares = self._X.multiply(self._X) @ weight
        squares += self._centre * (self._centre * weight.sum() - 2 * (self._X @ weight))
        return np.sqrt(np.maximum(squares, 0.0))[:stop]

    def begin(self, metric: Metric) -> None:
        """Forget the Hessian, and take another metric."""
        self._metric = metric

    def hessian(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop` of the Hessian, whose columns end at `stop`."""
        metric = self._metric
        h = metric.diagonal
        everyone, centre = self._X[:stop], self._centre[:stop]
        new = everyone[start:]
        scaled = new.copy()
        scaled.data = scaled.data * h[scaled.indices]
        block = (scaled @ everyone.T).toarray()
        sums = everyone @ h
        block -= np.outer(sums[start:] - centre[start:] * h.sum(), centre)
        block -= np.outer(centre[start:], sums)
        means = metric.means(_Centred(everyone, centre))
        return block - (means[start:] * metric.mass) @ means.T


class _Centred:
    """Sparse rows less a constant each, for products."""

    def __init__(self, X, centre: np.ndarray) -> None:
        self.X, self.centre = X, centre

    def __len__(self) -> int:
        return len(self.centre)

    def __matmul__(self, v: np.ndarray) -> np.ndarray:
        return self.X @ v - np.multiply.outer(self.centre, v.sum(axis=0))


class ClassColumns(WorkingColumns):
    """Columns of `Tasks`: those of their features, once for each class."""

    def __init__(self, problem: LeastSquares, rows: np.ndarray) -> None:
        super().__init__(problem, rows)
        self._class = np.empty(0, np.int64)

    @property
    def _design(self) -> Tasks:
        return self.problem.design

    @property
    def _width(self) -> int:
        return len(self.rows) // self._design.n_tasks

    @property
    def X(self) -> np.ndarray:
        """The columns, of shape (size, n_kept)."""
        n_classes = self._design.n_tasks
        out = np.zeros((self.size, self._width, n_classes))
        out[np.arange(self.size), :, self._class] = self._X[: self.size]
        return out.reshape(self.size, -1)

    def add(self, features: np.ndarray) -> None:
        """Append columns."""
        n_classes = self._design.n_tasks
        start, stop = self.size, self.size + len(features)
        self._X = with_room(self._X, start, stop)
        block = columns(self._design.base, features // n_classes, slice(None))
        self._X[start:stop] = block[:, self.rows[::n_classes] // n_classes]
        self._class = np.append(self._class, features % n_classes)
        self.size = stop

    def swap(self, to: np.ndarray, source: np.ndarray) -> None:
        """Move columns to other places."""
        super().swap(to, source)
        self._class[to] = self._class[source]

    def products(self, u: np.ndarray, stop: int | None = None) -> np.ndarray:
        """X u for the first columns."""
        each = self._X[: self.size][:stop] @ u.reshape(self._width, -1)
        return each[np.arange(len(each)), self._class[: len(each)]]

    def combine(self, coef: np.ndarray) -> np.ndarray:
        """Sum of the first columns with these coefficients."""
        moved = np.flatnonzero(coef)
        weights = np.zeros((len(moved), self._design.n_tasks))
        if len(moved):
            weights[np.arange(len(moved)), self._class[moved]] = coef[moved]
        return (self._X[moved].T @ weights).ravel()

    def norms(self, weight: np.ndarray, stop: int | None = None) -> np.ndarray:
        """Root of weighted sums of squares of the first columns."""
        each = self._X[: self.size][:stop] ** 2 @ weight.reshape(self._width, -1)
        return np.sqrt(each[np.arange(len(each)), self._class[: len(each)]])

    def begin(self, metric: ClassMetric) -> None:
        """Forget the Hessian, and take another metric."""
        self._metric = metric
        self._means = np.empty((0, metric.factors.shape[2]))

    def hessian(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop` of the Hessian, whose columns end at `stop`."""
        metric, X = self._metric, self._X
        block = np.zeros((stop - start, stop))
        self._means = with_room(self._means, start, stop)
        classes = range(self._design.n_tasks)
        members = [np.flatnonzero(self._class[:stop] == k) for k in classes]
        for k, mine in enumerate(members):
            new = mine[mine >= start]
            if len(new) == 0:
                continue
            self._means[new] = X[new] @ metric.factors[:, k]
            h = metric.weight * metric.probability[:, k]
            weighted = X[new] * h
            for other, theirs in enumerate(members):
                p = metric.probability[:, other]
                scaled = weighted * (1.0 - p) if k == other else weighted * -p
                block[np.ix_(new - start, theirs)] = scaled @ X[theirs].T
        return block - self._means[start:stop] @ self._means[:stop].T


def columns_for(problem: LeastSquares, smooth) -> Any:
    """The store that suits a design and a loss."""
    design = problem.design
    if isinstance(design, Tasks):
        return ClassColumns(problem, smooth.rows)
    if isinstance(design, CSC) and smooth.linear_means and not is_offset(design):
        if len(design.data) < _SPARSE * design.n_samples * len(design.mean):
            return SparseColumns(problem, smooth.rows)
    return WorkingColumns(problem, smooth.rows)


def with_room(array: np.ndarray, size: int, wanted: int) -> np.ndarray:
    """The array with at least `wanted` rows, of which the first `size` are kept."""
    if wanted <= len(array):
        return array
    larger = np.empty((max(wanted, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    larger[:size] = array[:size]
    return larger
