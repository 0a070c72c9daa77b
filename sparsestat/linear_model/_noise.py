"""Variance of the noise of a linear model, for information criteria."""

import numpy as np
from scipy import sparse

from sparsestat.optim import path
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import L1

__all__ = ["noise_variance"]


def noise_variance(X, y, sample_weight, fit_intercept, random_state) -> float:
    """Estimate the variance of the noise.

    With more samples than parameters by the residuals of least squares, else by
    refitted cross-validation (Fan, Guo and Hao 2012,
    doi:10.1111/j.1467-9868.2011.01005.x): features chosen on one half of the samples
    are fitted by least squares on the other, both ways, and the variances averaged.

    Parameters
    ----------
    X : ndarray or csc matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        Frequencies.
    fit_intercept : bool
    random_state : numpy.random.RandomState
        Draws the halves.

    Returns
    -------
    variance : float
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    rows = np.flatnonzero(weight)
    p = X.shape[1]
    if weight.sum() > p + 1 + fit_intercept:
        return _residual_variance(X, y, weight, rows, np.arange(p), fit_intercept)
    rows = random_state.permutation(rows)
    n = len(rows)
    halves = np.sort(rows[: n // 2]), np.sort(rows[n // 2 :])
    variances = []
    for chosen_on, fitted_on in (halves, halves[::-1]):
        most = len(fitted_on) // 2
        features = _choose(X, y, weight, chosen_on, most, fit_intercept)
        variances.append(
            _residual_variance(X, y, weight, fitted_on, features, fit_intercept)
        )
    return float(np.mean(variances))


def _choose(X, y, weight, rows, most, fit_intercept) -> np.ndarray:
    """Support of the Lasso of least BIC on some rows, of at most `most` features."""
    mask = np.zeros(len(y))
    mask[rows] = weight[rows]
    found = path(
        X,
        y,
        Quadratic(),
        L1(1.0),
        alphas=50,
        eps=0.02,
        sample_weight=mask,
        fit_intercept=fit_intercept,
        tol=1e-4,
    )
    sizes = np.diff(found.coefs.indptr)
    n = mask.sum()
    fitted = X @ found.coefs + found.intercepts
    fitted = fitted.toarray() if sparse.issparse(fitted) else fitted
    squares = mask @ (y[:, None] - fitted) ** 2
    cost = n * np.log(squares / n + np.finfo(float).tiny) + sizes * np.log(n)
    cost[sizes > most] = np.inf
    k = int(cost.argmin())
    return found.coefs.indices[found.coefs.indptr[k] : found.coefs.indptr[k + 1]]


def _residual_variance(X, y, weight, rows, features, fit_intercept) -> float:
    """Variance that least squares on some rows and features leaves."""
    block = X[rows][:, features]
    block = block.toarray() if sparse.issparse(block) else np.asarray(block, float)
    if fit_intercept:
        block = np.column_stack([np.ones(len(rows)), block])
    root = np.sqrt(weight[rows])
    target = root * y[rows]
    block *= root[:, None]
    coef, _, rank, _ = np.linalg.lstsq(block, target)
    squares = float(((target - block @ coef) ** 2).sum())
    return squares / max(weight[rows].sum() - rank, 1.0)
