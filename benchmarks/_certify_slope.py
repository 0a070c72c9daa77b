"""Duality gaps of SLOPE paths, apart from the engine."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from benchmarks._certify import null_objective

__all__ = ["bh_lambdas", "worst_slope_gap"]


def worst_slope_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    r"""Largest relative duality gap of a SLOPE path with the lambdas of `bh_lambdas`.

    The residual is scaled until every partial sum of the sorted :math:`|X^\top u|/n`
    is at most :math:`\alpha` times that of the lambdas.
    """
    y = np.asarray(y, dtype=np.float64)
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    if not np.isfinite(coefs).all() or coefs.shape != (X.shape[1], len(alphas)):
        return float("inf")
    lambdas, n, worst = bh_lambdas(X.shape[1]), len(y), 0.0
    for coef, alpha in zip(coefs.T, alphas, strict=True):
        residual = y - X @ coef
        sizes = np.sort(np.abs(X.T @ residual))[::-1] / n
        largest = (np.cumsum(sizes) / np.cumsum(alpha * lambdas)).max()
        primal = residual @ residual / (2 * n)
        primal += alpha * np.sort(np.abs(coef))[::-1] @ lambdas
        scale = min(y @ residual / (residual @ residual), 1.0 / largest)
        dual = scale * (y @ residual) / n - scale**2 * (residual @ residual) / (2 * n)
        worst = max(worst, float(primal - dual))
    return worst / null_objective(y)


def bh_lambdas(n_features: int, fdr: float = 0.1) -> np.ndarray:
    """Quantiles of the normal law at the levels of Benjamini and Hochberg."""
    ranks = np.arange(1, n_features + 1)
    normal = NormalDist()
    return np.array([normal.inv_cdf(1 - fdr * r / (2 * n_features)) for r in ranks])
