"""Independent certificates of Huber and quantile paths, in plain NumPy and HiGHS.

Like `_certify`: nothing but the data, the strengths and the coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["THRESHOLD", "huber_gap", "quantile_gap"]

THRESHOLD = 1.0
"""Threshold of all Huber paths, in units of the target."""


def huber_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    r"""Largest relative duality gap of an l1-penalised Huber path.

    Clipped residuals u, scaled by c in [0, 1] until :math:`|X^\top u| / n` is at most
    :math:`\alpha`, bound the optimum by :math:`(c\, u^\top y - c^2 |u|^2 / 2) / n`.
    """
    coefs, n = _dense(coefs), len(y)
    if not np.isfinite(coefs).all() or coefs.shape != (X.shape[1], len(alphas)):
        return float("inf")
    worst = 0.0
    for coef, alpha in zip(coefs.T, alphas, strict=True):
        residual = y - X @ coef
        u = np.clip(residual, -THRESHOLD, THRESHOLD)
        primal = _huber(residual) + alpha * np.abs(coef).sum()
        scale = min(1.0, alpha * n / np.abs(X.T @ u).max())
        dual = (scale * (u @ y) - 0.5 * scale**2 * (u @ u)) / n
        worst = max(worst, float(primal - dual))
    return worst / _huber(y)


def quantile_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    """Largest relative duality gap of an l1-penalised path of medians.

    The coefficients tell no dual point, so HiGHS finds the best one, scaled until it is
    feasible beyond doubt.
    """
    coefs = _dense(coefs)
    if not np.isfinite(coefs).all() or coefs.shape != (X.shape[1], len(alphas)):
        return float("inf")
    primal = np.abs(y[:, None] - X @ coefs).mean(axis=0) / 2.0
    primal += alphas * np.abs(coefs).sum(axis=0)
    gaps = primal - _median_bounds(X, y, alphas)
    return float(gaps.max() / (np.abs(y).mean() / 2.0))


def _median_bounds(X, y, alphas) -> np.ndarray:
    """Dual values, kept for the next coefficients of the same problem."""
    key = y.tobytes() + alphas.tobytes()
    if key not in _BOUNDS:
        _BOUNDS[key] = np.array([_median_bound(X, y, alpha) for alpha in alphas])
    return _BOUNDS[key]


_BOUNDS: dict[bytes, np.ndarray] = {}


def _median_bound(X, y, alpha: float) -> float:
    """Best dual value: y.T u / n for |u_i| <= 1/2 and |X.T u| / n <= alpha."""
    from scipy.optimize import linprog

    n = len(y)
    found = linprog(
        -y,
        A_ub=np.vstack([X.T, -X.T]),
        b_ub=np.full(2 * X.shape[1], alpha * n),
        bounds=(-0.5, 0.5),
        method="highs-ipm",
    )
    u = found.x
    u = u * min(1.0, 0.5 / np.abs(u).max(), alpha * n / np.abs(X.T @ u).max())
    return float(y @ u) / n


def _huber(residual: np.ndarray) -> float:
    u = np.clip(residual, -THRESHOLD, THRESHOLD)
    return float(u @ residual - 0.5 * u @ u) / len(residual)


def _dense(coefs: Any) -> np.ndarray:
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    return coefs.astype(np.float64)
