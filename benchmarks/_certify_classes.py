"""Independent certificates of linear classifiers with a squared penalty.

Like `_certify`: nothing but the data, the strengths and the coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks._peers import Classifiers


def class_gaps(
    X: Any, y: np.ndarray, found: Classifiers, alphas: np.ndarray
) -> np.ndarray:
    r"""Bounds of the suboptimality, relative to the objective of the null model.

    At the best intercept the objective is strongly convex in the coefficients W,

    .. math:: P(W) - P^\star \le \|\nabla P(W)\|^2 / (2 \alpha).

    Parameters
    ----------
    X : ndarray or sparse array of shape (n_samples, n_features)
        Design.
    y : ndarray of shape (n_samples,)
        Classes 0, 1, ....
    found : Classifiers
        Loss, and coefficients and intercepts for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths of half the squared norm of the coefficients.

    Returns
    -------
    ndarray of shape (n_alphas,)
        Relative bounds; ``inf`` where a coefficient is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[1.0], [-1.0]]), np.array([0.0, 1.0])
    >>> null = Classifiers("softmax", np.zeros((1, 2, 1)), np.zeros((1, 2)))
    >>> class_gaps(X, y, null, np.array([1.0])).round(2)
    array([0.36])
    """
    y = y.astype(np.int64)
    share = np.bincount(y) / len(y)
    null = -_regulariser(found.loss, share[None])[0]
    gaps = np.full(len(alphas), np.inf)
    for k, coef in enumerate(found.coefs):
        intercept = found.intercepts[k]
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            continue
        scores = X @ coef.T + intercept
        P = _map(found.loss, scores + _best_intercept(found.loss, scores, share))
        P[np.arange(len(y)), y] -= 1.0
        gradient = np.asarray(X.T @ P).T / len(y) + alphas[k] * coef
        gaps[k] = np.sum(gradient**2) / (2.0 * alphas[k]) / null
    return gaps


def worst_class_gap(X: Any, y: np.ndarray, found: Classifiers, alphas) -> float:
    """Largest relative bound of a path, see `class_gaps`."""
    return float(class_gaps(X, y, found, alphas).max())


def _best_intercept(loss: str, scores: np.ndarray, share: np.ndarray) -> np.ndarray:
    def value(b):
        Z = scores + b
        P = _map(loss, Z)
        mean = np.mean(np.sum(P * Z, axis=1) - _regulariser(loss, P)) - share @ b
        return float(mean), P.mean(axis=0) - share

    return minimize(value, np.zeros(len(share)), jac=True, options={"gtol": 1e-12}).x


def _map(loss: str, Z: np.ndarray) -> np.ndarray:
    if loss == "softmax":
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        return P / P.sum(axis=1, keepdims=True)
    ordered = -np.sort(-Z, axis=1)
    totals = np.cumsum(ordered, axis=1)
    ranks = np.arange(1, Z.shape[1] + 1)
    size = np.count_nonzero(1.0 + ranks * ordered > totals, axis=1)
    threshold = (totals[np.arange(len(Z)), size - 1] - 1.0) / size
    return np.maximum(Z - threshold[:, None], 0.0)


def _regulariser(loss: str, P: np.ndarray) -> np.ndarray:
    if loss == "sparsemax":
        return 0.5 * (np.sum(P**2, axis=1) - 1.0)
    return np.sum(P * np.log(np.where(P > 0.0, P, 1.0)), axis=1)
