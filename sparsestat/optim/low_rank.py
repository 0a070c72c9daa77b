"""Linear models of several tasks whose coefficients share few directions.

Minimises (1 / 2N) sum_t ||y_t - X_t B w_t||^2 + (price / 2) sum_t ||B w_t||^2.  The w_t
are minimised out exactly, in small systems (variable projection: Golub and Pereyra,
1973, doi:10.1137/0710036); what is left depends on the span of B alone, and L-BFGS
finds it.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

__all__ = [
    "LowRank",
    "TaskRows",
    "fit_low_rank",
    "projected",
    "shrunken_weights",
    "stack_tasks",
]

# Steps after which directions are made orthonormal again.
_STEPS = 100
# Deviations of y from its mean below this share of it are rounding.
_ROUNDING = 64.0 * np.finfo(np.float64).eps
_EM_STEPS, _EM_TOLERANCE = 100, 1e-6
# Degrees of freedom of the noise are at least this share of the samples.
_LEAST_SHARE = 0.1


class TaskRows(NamedTuple):
    """Samples of all tasks, one after another, centred without touching X.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    starts : ndarray of shape (n_tasks,)
        First row of each task.
    sizes : ndarray of shape (n_tasks,)
    root : ndarray of shape (n_samples,)
        Square roots of the weights of the samples.
    means : ndarray of shape (n_tasks, n_features)
        What is subtracted from the rows of a task.
    levels : ndarray of shape (n_tasks,)
        What was subtracted from its target.
    target : ndarray of shape (n_samples,)
        Centred, times the roots.
    """

    X: Any
    starts: np.ndarray
    sizes: np.ndarray
    root: np.ndarray
    means: np.ndarray
    levels: np.ndarray
    target: np.ndarray

    def each(self, values: np.ndarray) -> np.ndarray:
        """Values of the tasks, for each of their samples."""
        return np.repeat(values, self.sizes, axis=0)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the samples of each task."""
        return np.add.reduceat(values, self.starts, axis=0)

    def times(self, B: np.ndarray) -> np.ndarray:
        """Products of the centred, weighted rows with B."""
        return self.root[:, None] * (self.X @ B - self.each(self.means @ B))

    def transposed(self, R: np.ndarray) -> np.ndarray:
        """Products of the centred, weighted columns with R, over all samples."""
        weighted = self.root[:, None] * R
        return self.X.T @ weighted - self.means.T @ self.sums(weighted)


class LowRank(NamedTuple):
    """Coefficients of all tasks as a product, and how good they are.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        Orthonormal rows.
    weights : ndarray of shape (n_components, n_tasks)
    objective, null_objective : float
        The second with coefficients of zero.
    stationarity : float
        Norm of the gradient in the components.
    n_iter : int
    """

    components: np.ndarray
    weights: np.ndarray
    objective: float
    null_objective: float
    stationarity: float
    n_iter: int


def stack_tasks(tasks: list[tuple], fit_intercept: bool) -> TaskRows:
    """Samples of tasks, given as X, y and sample weights or None."""
    Xs = [X for X, _, _ in tasks]
    sizes = np.array([len(y) for _, y, _ in tasks])
    roots, means, levels, targets = [], [], [], []
    for X, y, given in tasks:
        weight = np.ones(len(y)) if given is None else given
        mean, level = np.zeros(X.shape[1]), 0.0
        if fit_intercept:
            share = weight / weight.sum()
            mean, level = X.T @ share, float(share @ y)
        rest = y - level
        if np.abs(rest).max() <= _ROUNDING * abs(level):
            rest = np.zeros(len(y))  # a constant
        roots.append(np.sqrt(weight))
        means.append(mean)
        levels.append(level)
        targets.append(roots[-1] * rest)
    stack = sparse.vstack if any(map(sparse.issparse, Xs)) else np.concatenate
    X = stack(Xs) if len(Xs) > 1 else Xs[0]
    return TaskRows(
        X.tocsr() if sparse.issparse(X) else X,
        np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        sizes,
        np.concatenate(roots),
        np.array(means),
        np.array(levels),
        np.concatenate(targets),
    )


def fit_low_rank(
    rows: TaskRows,
    n_components: int,
    ridge: float,
    tol: float,
    max_iter: int,
    start: np.ndarray | None = None,
) -> LowRank:
    """Minimise over directions and weights.

    Parameters
    ----------
    rows : TaskRows
    n_components : int
        Rank of the coefficients at most.
    ridge : float
        Price, relative to the mean variance of the features.
    tol : float
        Bound of stationarity, relative to the null objective.
    max_iter : int
        Steps at most.
    start : ndarray of shape (n_components, n_features), default=None
        Directions to start from; None are the largest singular vectors of the
        correlations.

    Returns
    -------
    found : LowRank
    """
    total = float(rows.root @ rows.root)
    null = float(rows.target @ rows.target) / (2.0 * total)
    task = np.repeat(np.arange(len(rows.sizes)), rows.sizes)
    spread = np.zeros((len(task), len(rows.sizes)))
    spread[np.arange(len(task)), task] = rows.target
    left, sizes, _ = np.linalg.svd(rows.transposed(spread), full_matrices=False)
    rank = min(n_components, len(sizes))
    B = left[:, :rank]
    if start is not None and start.shape == (rank, len(B)):
        B = start.T
    if null == 0.0 or sizes[0] == 0.0:
        weights = np.zeros((rank, len(rows.sizes)))
        return LowRank(B.T, weights, null, null, 0.0, 1)
    price = float(ridge) * _mean_variance(rows, total)
    n_iter = 0

    def evaluate(vector):
        value, gradient, _ = projected(rows, vector.reshape(B.shape), price, total)
        return value / null, gradient.ravel() / null

    while True:
        value, gradient, W = projected(rows, B, price, total)
        stationarity = float(np.linalg.norm(gradient))
        if stationarity <= tol * null or n_iter >= max_iter:
            break
        options = {
            "gtol": 0.5 * tol / np.sqrt(B.size),
            "ftol": 0.0,
            "maxiter": min(max_iter - n_iter, _STEPS),
            "maxcor": 30,
        }
        found = minimize(
            evaluate, B.ravel(), jac=True, method="L-BFGS-B", options=options
        )
        n_iter += max(found.nit, 1)
        B = np.linalg.qr(found.x.reshape(B.shape))[0]
        if found.nit <= 1:  # rounding is the limit
            value, gradient, W = projected(rows, B, price, total)
            stationarity = float(np.linalg.norm(gradient))
            break
    inner, _, _ = np.linalg.svd(W, full_matrices=True)
    inner = inner[:, :rank]
    return LowRank(
        (B @ inner).T, inner.T @ W, value, null, stationarity, max(n_iter, 1)
    )


def projected(rows: TaskRows, B: np.ndarray, price: float, total: float):
    """Objective with the best weights of all tasks, its gradient in B, the weights."""
    Z = rows.times(B)
    systems = rows.sums(Z[:, :, None] * Z[:, None, :]) / total + price * (B.T @ B)
    products = rows.sums(Z * rows.target[:, None]) / total
    W = np.linalg.solve(systems, products[:, :, None])[:, :, 0]
    each = rows.each(W)
    r = rows.target - np.einsum("nk,nk->n", Z, each)
    coefs = B @ W.T
    value = 0.5 * (float(r @ r) / total + price * float(np.vdot(coefs, coefs)))
    gradient = price * (coefs @ W) - rows.transposed(r[:, None] * each) / total
    return value, gradient, W.T


def shrunken_weights(components: np.ndarray, rows: TaskRows) -> np.ndarray:
    """Weights of tasks in known directions, shrunk by how few samples tell them.

    Means of normal weights given normal residuals, whose variances are those under
    which the weights of all tasks but the first are most likely (by expectation and
    maximisation: Dempster, Laird and Rubin, 1977).

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        Orthonormal rows.
    rows : TaskRows

    Returns
    -------
    weights : ndarray of shape (n_components, n_tasks)
    """
    k, p = components.shape
    Z = rows.times(components.T)
    grams = rows.sums(Z[:, :, None] * Z[:, None, :])
    products = rows.sums(Z * rows.target[:, None])
    total, n_tasks = float(rows.root @ rows.root), len(rows.sizes)
    W = np.linalg.pinv(grams, hermitian=True) @ products[:, :, None]
    rest = float(rows.target @ rows.target - np.vdot(W[:, :, 0], products))
    dof = total - n_tasks * (k + 1) - k * max(p - k, 0)
    noise = max(rest, 0.0) / max(dof, _LEAST_SHARE * total)
    size = float(np.mean(W[1:] ** 2)) if n_tasks > 1 else 0.0
    if not (noise > 0.0 and size > 0.0):
        return W[:, :, 0].T
    for _ in range(_EM_STEPS):
        spread = np.linalg.inv(grams + (noise / size) * np.eye(k))
        W = spread @ products[:, :, None]
        squares = np.sum(W[:, :, 0] ** 2, axis=1)
        squares += noise * np.trace(spread, axis1=1, axis2=2)
        before, size = size, float(squares[1:].mean()) / k
        if abs(size - before) <= _EM_TOLERANCE * before:
            break
    return W[:, :, 0].T


def _mean_variance(rows: TaskRows, total: float) -> float:
    """Mean of the weighted variances of the features, over the samples of all tasks."""
    squares = rows.X.multiply(rows.X) if sparse.issparse(rows.X) else rows.X**2
    weight = rows.root**2
    raw = float(weight @ np.asarray(squares.sum(axis=1)).ravel())
    shifts = float(rows.sums(weight) @ np.sum(rows.means**2, axis=1))
    return max(raw - shifts, _ROUNDING * raw) / (total * rows.X.shape[1])
