"""Independent certificates of penalised Cox models, in plain NumPy.

Like `_certify`: nothing but the data, the strengths and the coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def cox_gaps(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> np.ndarray:
    r"""Duality gaps of l1-penalised Cox models, relative to the null model.

    With the softmax :math:`\pi_k` over the k-th risk set, the gradient of the loss is a
    sum of :math:`\pi_k - e_k`; scaled by c it is that sum for
    :math:`p_k = c \pi_k + (1 - c) e_k`, whose negative entropies bound the optimum.
    Ties are Breslow's.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Design.
    y : ndarray of shape (n_samples, 2)
        Times, and 1 for an event or 0 for censoring.
    coefs : ndarray or sparse array of shape (n_features, n_alphas)
        Solutions, a column for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.

    Returns
    -------
    ndarray of shape (n_alphas,)
        ``(P(w) - D(u)) / (P(0) - saturated)``; ``inf`` where `coefs` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0], [2.0, 0.0]])
    >>> bool(cox_gaps(X, y, np.zeros((1, 1)), np.array([0.6]))[0] < 1e-12)
    True
    """
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    coefs = coefs.astype(np.float64)
    order = np.argsort(y[:, 0], kind="stable")
    time, event = y[order, 0], y[order, 1] > 0
    first = np.searchsorted(time, time)  # where the risk set of each sample begins
    deaths = np.bincount(first[event], minlength=len(time))
    starts = np.flatnonzero(deaths)
    null = _bound(np.zeros(len(time)), event, first, deaths, starts, 1.0)
    gaps = np.full(len(alphas), np.inf)
    for k, alpha in enumerate(alphas):
        if not np.isfinite(coefs[:, k]).all():
            continue
        z = (X @ coefs[:, k])[order]
        weight = np.exp(z - z.max())
        at_risk = np.cumsum(weight[::-1])[::-1]
        hazard = np.cumsum(deaths / at_risk)  # of a risk set, at its first sample
        last = np.searchsorted(time, time, side="right") - 1
        u = np.zeros(len(time))
        u[order] = event - weight * hazard[last]
        scale = min(1.0, alpha * len(time) / np.abs(X.T @ u).max())
        loss = _bound(z, event, first, deaths, starts, 1.0) + u[order] @ -z
        primal = loss + alpha * len(time) * np.abs(coefs[:, k]).sum()
        dual = _bound(z, event, first, deaths, starts, scale)
        gaps[k] = (primal - dual) / null
    return gaps


def _bound(z, event, first, deaths, starts, scale: float) -> float:
    """Entropies of ``scale * softmax + (1 - scale) * events``; saturated: 0."""
    total = 0.0
    for start in starts:
        d = deaths[start]
        tied = np.zeros(len(z) - start)
        tied[event[start:] & (first[start:] == start)] = 1.0 / d
        pi = np.exp(z[start:] - z[start:].max())
        p = scale * pi / pi.sum() + (1.0 - scale) * tied
        p = p[p > 0.0]
        total -= d * (p @ np.log(p) + np.log(d))
    return total


def worst_cox_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray) -> float:
    """Largest relative duality gap of a path, see `cox_gaps`."""
    return float(cox_gaps(X, y, coefs, alphas).max())
