"""Duality gaps of sparse inverse covariances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def worst_log_det_gap(
    X: np.ndarray, precisions: Sequence[np.ndarray], alphas: np.ndarray
) -> float:
    r"""Largest duality gap for each feature of graphical Lasso solutions.

    The gap is between :math:`-\log\det T + \langle S, T \rangle + \alpha \sum_{j \ne k}
    |T_{jk}|`, with S the second moments of X, and :math:`\log\det W + p` at the inverse
    of T, clipped to :math:`|W_{jk} - S_{jk}| \le \alpha` and to S on the diagonal.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Centred samples.
    precisions : sequence of ndarray of shape (n_features, n_features)
        Solutions; their symmetric part counts.
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.

    Returns
    -------
    float
        ``inf`` where a solution or its dual point is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 1.0], [-1.0, -1.0]])
    >>> exact = np.linalg.inv([[1.0, 0.4], [0.4, 1.0]])
    >>> worst_log_det_gap(X, [exact], np.array([0.6])) < 1e-15
    True
    """
    n, p = X.shape
    S = np.asarray(X, dtype=np.float64).T @ X / n
    worst = 0.0
    for precision, alpha in zip(precisions, alphas, strict=True):
        T = 0.5 * (precision + precision.T)
        bound = alpha * (1.0 - np.eye(p))
        try:
            primal = -_log_det(T) + np.sum(S * T) + np.sum(bound * np.abs(T))
            W = np.clip(np.linalg.inv(T), S - bound, S + bound)
            worst = max(worst, (primal - _log_det(W) - p) / p)
        except np.linalg.LinAlgError:
            return np.inf
    return worst


def _log_det(matrix: np.ndarray) -> float:
    return 2.0 * float(np.log(np.linalg.cholesky(matrix).diagonal()).sum())
