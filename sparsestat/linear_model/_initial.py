"""First estimates, of which weights of a penalty are made.

Ridge regression by the eigenvalues of the smaller of the two Gram matrices, that of
features or that of samples, so that all strengths cost as much as one.  Its strength is
chosen by generalised cross-validation: Golub, Heath and Wahba (1979),
doi:10.1080/00401706.1979.10489751.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from sparsestat.linear_model._noise import chosen_lasso
from sparsestat.optim.design import (
    Design,
    columns,
    correlate,
    make_design,
    n_features,
    n_samples,
)
from sparsestat.optim.moments import gram_matrix

__all__ = ["initial_coef", "standard_deviations"]

# Strengths of ridge regression, relative to the largest eigenvalue.
_RIDGE_GRID = np.logspace(1.0, -6.0, 100)
# Columns that are multiplied at a time, in bytes.
_BLOCK_BYTES = 1 << 24


def initial_coef(
    method: str, X, y: np.ndarray, sample_weight: np.ndarray | None, fit_intercept: bool
) -> np.ndarray:
    """First estimate, on the scale of X; it does not depend on the columns' scales.

    Parameters
    ----------
    method : {"ridge", "lasso", "ols"}
    X : ndarray or csc matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        Frequencies.
    fit_intercept : bool

    Returns
    -------
    coef : ndarray of shape (n_features,)
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    if method == "lasso":
        most = max(np.count_nonzero(weight) // 2, 1)
        coef = chosen_lasso(X, y, weight, most, fit_intercept, standardize=True)
        return coef.toarray().ravel()
    total = weight.sum()
    share = weight / total
    design = make_design(
        X, sample_weight=share, fit_intercept=fit_intercept, standardize=True
    )
    centred = y - share @ y if fit_intercept else y
    ridge = _decompose(design, share, centred)
    alpha = 0.0
    if method == "ridge":
        alpha = _best_strength(ridge, total, fit_intercept)
    return _coef(design, share, ridge, alpha) / design.scale


def standard_deviations(X, sample_weight, fit_intercept: bool) -> np.ndarray:
    """Scales of the columns that `standardize` divides them by."""
    share = None if sample_weight is None else sample_weight / sample_weight.sum()
    return make_design(
        X, sample_weight=share, fit_intercept=fit_intercept, standardize=True
    ).scale


class _Ridge(NamedTuple):
    """Eigenvectors of a Gram matrix of features or of samples.

    Parameters
    ----------
    by_features : bool
        Whose Gram matrix it is.
    vectors : ndarray of shape (size, rank)
    values : ndarray of shape (rank,)
        Positive.
    fits : ndarray of shape (rank,)
        Products of y with the singular vectors in the space of the samples.
    rest : float
        Mean square of y that no coefficients explain.
    """

    by_features: bool
    vectors: np.ndarray
    values: np.ndarray
    fits: np.ndarray
    rest: float


def _decompose(design: Design, share: np.ndarray, centred: np.ndarray) -> _Ridge:
    n, p = n_samples(design), n_features(design)
    by_features = p <= n
    root = np.sqrt(share)
    if by_features:
        gram = gram_matrix(design, share)
    else:
        gram = np.zeros((n, n))
        width = max(_BLOCK_BYTES // (8 * n), 1)
        for start in range(0, p, width):
            block = np.arange(start, min(start + width, p))
            rows = columns(design, block, slice(None)) * root
            gram += rows.T @ rows
    values, vectors = eigh(gram, overwrite_a=True)
    least = max(n, p) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    kept = values > least
    values, vectors = values[kept], vectors[:, kept]
    if by_features:
        fits = vectors.T @ correlate(design, share * centred) / np.sqrt(values)
    else:
        fits = vectors.T @ (root * centred)
    rest = max(float(share @ centred**2 - fits @ fits), 0.0)
    return _Ridge(by_features, vectors, values, fits, rest)


def _best_strength(ridge: _Ridge, n_total: float, fit_intercept: bool) -> float:
    """Strength with the least GCV, (RSS / n) / (1 - dof / n)^2."""
    if len(ridge.values) == 0:
        return 1.0
    alphas = ridge.values.max() * _RIDGE_GRID
    shrinkage = alphas[:, None] / (ridge.values + alphas[:, None])
    rss = ridge.rest + shrinkage**2 @ ridge.fits**2
    left = n_total - fit_intercept - (1.0 - shrinkage).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(left > 0.0, rss / left**2, np.inf)
    return float(alphas[score.argmin()])


def _coef(design: Design, share, ridge: _Ridge, alpha: float) -> np.ndarray:
    """Coefficients on the scale of unit variance; of least norm for alpha = 0."""
    if ridge.by_features:
        size = np.sqrt(ridge.values) / (ridge.values + alpha)
        return ridge.vectors @ (size * ridge.fits)
    dual = ridge.vectors @ (ridge.fits / (ridge.values + alpha))
    return correlate(design, np.sqrt(share) * dual)
