"""Duality gaps of group Lasso and multi-task Lasso paths, apart from the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["GROUP_SIZE", "worst_group_gap", "worst_task_gap"]

GROUP_SIZE = 10
"""Neighbouring features in a group of the benchmarks."""


def worst_group_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    r"""Largest relative duality gap of a group Lasso path, groups of `GROUP_SIZE`.

    Groups weigh the root of their size. The residual is scaled until no
    :math:`\|X_g^\top u\| / n` exceeds :math:`\alpha` times that.
    """
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    if not np.isfinite(coefs).all() or coefs.shape != (X.shape[1], len(alphas)):
        return float("inf")
    starts = np.arange(0, X.shape[1], GROUP_SIZE)
    weights = np.sqrt(np.diff([*starts, X.shape[1]]))

    def norms(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.add.reduceat(values[:, 0] ** 2, starts)) / weights

    return max(
        _gap(X, y[:, None], coef[:, None], alpha, norms, weights**2)
        for coef, alpha in zip(coefs.T, alphas, strict=True)
    )


def worst_task_gap(X: Any, Y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    """Largest relative duality gap of coefficients (n_tasks, n_features, n_alphas)."""
    coefs = np.asarray(coefs)
    if not np.isfinite(coefs).all() or coefs.shape[::2] != (Y.shape[1], len(alphas)):
        return float("inf")

    def norms(values: np.ndarray) -> np.ndarray:
        return np.linalg.norm(values, axis=1)

    return max(
        _gap(X, Y, coefs[:, :, k].T, alpha, norms, np.ones(X.shape[1]))
        for k, alpha in enumerate(alphas)
    )


def _gap(X, Y, W, alpha: float, norms, prices: np.ndarray) -> float:
    """Relative gap, for |w_g| = norms(w)_g times the root of the price."""
    n = len(Y)
    R = Y - X @ W
    primal = np.vdot(R, R) / (2 * n) + alpha * (prices @ norms(W))
    largest = norms(X.T @ R).max() / (n * alpha)
    scale = np.clip(np.vdot(Y, R) / np.vdot(R, R), -1.0 / largest, 1.0 / largest)
    dual = scale * np.vdot(Y, R) / n - scale**2 * np.vdot(R, R) / (2 * n)
    return float(primal - dual) / (np.vdot(Y, Y) / (2 * n))
