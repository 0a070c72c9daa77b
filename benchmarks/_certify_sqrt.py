"""Duality gaps of the square-root Lasso, apart from the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["worst_sqrt_gap"]


def worst_sqrt_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    r"""Largest gap of :math:`\|y - X w\| / \sqrt n + \alpha \|w\|_1` along a path.

    Relative to the null model. The residual r is scaled to a dual point of norm at
    most one whose correlations are at most alpha, :math:`r / \max(\|r\|, \dots)`.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n_samples, n_features)
        Design.
    y : ndarray of shape (n_samples,)
        Target.
    coefs : ndarray of shape (n_features, n_alphas)
        Solutions, a column for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths.

    Returns
    -------
    float
        ``inf`` where `coefs` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.eye(2) * 2**0.5, np.array([2.0, 0.0])
    >>> worst_sqrt_gap(X, y, np.zeros((2, 1)), np.array([1.0])) < 1e-15
    True
    """
    y, root = np.asarray(y, dtype=np.float64), np.sqrt(len(y))
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    if not np.isfinite(coefs).all() or coefs.shape != (X.shape[1], len(alphas)):
        return float("inf")
    worst, null = 0.0, np.linalg.norm(y) / root
    for coef, alpha in zip(coefs.T, alphas, strict=True):
        residual = y - X @ coef
        size = np.linalg.norm(residual) / root
        largest = np.abs(X.T @ residual).max() / len(y)
        primal = size + alpha * np.abs(coef).sum()
        dual = (y @ residual) / len(y) / max(size, largest / alpha)
        worst = max(worst, float(primal - dual))
    return worst / float(null)
