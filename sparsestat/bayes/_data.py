"""What the sparse Bayesian regressions hand on: data, what was found, and folds."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.bayes._columns import Columns

__all__ = ["N_FOLDS", "Data", "Found", "Summary", "folds_of", "rows_of"]

# Folds of cross-validation.
N_FOLDS = 4


class Data(NamedTuple):
    """Data of unit power, products with the matrix, and what leads back.

    Parameters
    ----------
    columns : Columns
        The matrix, centred and weighted implicitly.
    Y : ndarray of shape (n_samples, n_targets)
        Targets, centred, weighted and divided by `scale`.
    n_rows : float
        Sum of the weights.
    weight : ndarray of shape (n_samples,)
        Weights of the rows.
    scale : float
        Root mean square of the targets.
    offset : ndarray of shape (n_targets,)
        Means of the targets.
    kept : dict
        What "fast" keeps from one fit of these data for the next, and its tolerance
        where that is another.
    """

    columns: Columns
    Y: np.ndarray
    n_rows: float
    weight: np.ndarray
    scale: float
    offset: np.ndarray
    kept: dict[str, Any]


class Found(NamedTuple):
    """Prior variances and noise of unit-power data, with the posterior means.

    Parameters
    ----------
    g, mean, variance : ndarray
        Prior variances, means, and variances where only messages know them.
    noise : float
        Noise variance.
    n_iter : int
        Iterations.
    history : dict
        Of the iterations.
    residual : float or None
        Fixed-point residual of messages.
    correlation : float
        Of subsequent targets.
    structure : object or None
        Of the prior, where it is not independent.
    violation : float or None
        Largest violated condition of a local minimum, where it is known.
    """

    g: np.ndarray
    mean: np.ndarray
    variance: np.ndarray | None
    noise: float
    n_iter: int
    history: dict[str, list]
    residual: float | None = None
    correlation: float = 0.0
    structure: Any = None
    violation: float | None = None


class Summary(NamedTuple):
    """Posterior and evidence of unit-power data.

    Parameters
    ----------
    cost : float
        log det C plus y^H C^-1 y, averaged over the targets.
    covariance : ndarray
        Of the coefficients whose prior variance is positive.
    std : ndarray
        Standard deviations of all coefficients.
    stationarity : float
        Largest violated condition of a local minimum of the cost.
    """

    cost: float
    covariance: np.ndarray
    std: np.ndarray
    stationarity: float


def folds_of(X, Y, weight) -> np.ndarray:
    """Fold of each row; equal rows share one, and rows without weight have none (-1).

    So copies of a row and its weight come to the same.
    """
    rng = np.random.default_rng(0)
    rows = X @ rng.standard_normal(X.shape[1])
    values = (Y / np.sqrt(np.where(weight > 0.0, weight, 1.0))[:, None]) @ (
        rng.standard_normal(Y.shape[1])
    )
    keys = np.column_stack([rows.real, values.real]).astype(np.float64)
    size = np.abs(keys).max(axis=0)
    keys = np.round(keys / np.where(size > 0.0, size, 1.0), 9)[weight > 0.0]
    _, number = np.unique(keys, axis=0, return_inverse=True)
    number = number.ravel()
    order = rng.permutation(number.max() + 1)
    folds = np.full(len(weight), -1)
    folds[weight > 0.0] = order[number] % N_FOLDS
    return folds


def rows_of(columns: Columns, rows: np.ndarray) -> Columns:
    root = None if columns.root is None else columns.root[rows]
    X = columns.X
    if sparse.issparse(X):
        return Columns(X.tocsr()[rows].asformat(X.format), columns.mean, root)
    return Columns(X[rows], columns.mean, root)
