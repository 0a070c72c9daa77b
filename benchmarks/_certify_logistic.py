"""Independent certificates of logistic regression with an l1 penalty, in plain NumPy.

Like `_certify`: nothing but the data, the strengths and the coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def logistic_gaps(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> np.ndarray:
    r"""Duality gaps of logistic regression without intercept, relative to log 2.

    The probabilities of the wrong class, scaled by c, are a dual point whose objective
    is the mean of their entropies.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Design.
    y : ndarray of shape (n_samples,)
        Labels -1 and 1.
    coefs : ndarray or sparse array of shape (n_features, n_alphas)
        Solutions, a column for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.

    Returns
    -------
    ndarray of shape (n_alphas,)
        ``(P(w) - D(u)) / P(0)``; ``inf`` where `coefs` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[1.0], [-1.0]]), np.array([1.0, -1.0])
    >>> bool(logistic_gaps(X, y, np.zeros((1, 1)), np.array([0.5]))[0] < 1e-12)
    True
    """
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    coefs = coefs.astype(np.float64)
    gaps = np.full(len(alphas), np.inf)
    for k, alpha in enumerate(alphas):
        if not np.isfinite(coefs[:, k]).all():
            continue
        margin = y * (X @ coefs[:, k])
        primal = np.logaddexp(0.0, -margin).mean() + alpha * np.abs(coefs[:, k]).sum()
        wrong = np.exp(-np.logaddexp(0.0, margin))
        largest = np.abs(X.T @ (y * wrong)).max() / len(y)
        t = min(1.0, alpha / largest) * wrong
        inside = (t > 0.0) & (t < 1.0)
        t = t[inside]
        dual = -(t @ np.log(t) + (1.0 - t) @ np.log1p(-t)) / len(y)
        gaps[k] = (primal - dual) / np.log(2.0)
    return gaps


def worst_logistic_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    """Largest relative duality gap of a path, see `logistic_gaps`."""
    return float(logistic_gaps(X, y, coefs, alphas).max())
