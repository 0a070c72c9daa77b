"""Independent certificates: how far a solution is from the optimum, proven.

Plain NumPy in float64, from nothing but the data, the penalty strengths and the
coefficients, so that no solver is judged by its own bookkeeping. The duality gap
of the Lasso and the elastic net follows Fercoq, Gramfort and Salmon (2015),
"Mind the duality gap: safer rules for the Lasso", ICML.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_BLOCK_BYTES = 2**26


def null_objective(y: np.ndarray, *, fit_intercept: bool = False) -> float:
    """Objective of the null model, the unit of every relative gap.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Target.
    fit_intercept : bool, default=False
        Whether the null model is the mean of `y` rather than zero.

    Returns
    -------
    float
        ``||y - b||^2 / (2 n_samples)``.

    Examples
    --------
    >>> import numpy as np
    >>> null_objective(np.array([1.0, -1.0]))
    0.5
    """
    y = np.asarray(y, dtype=np.float64)
    residual = y - y.mean() if fit_intercept else y
    return float(residual @ residual) / (2 * len(y))


def relative_gaps(
    X: Any,
    y: np.ndarray,
    coefs: Any,
    alphas: np.ndarray,
    *,
    duals: np.ndarray | None = None,
    l1_ratio: float = 1.0,
    fit_intercept: bool = False,
) -> np.ndarray:
    r"""Duality gaps of Lasso or elastic-net solutions, relative to the null model.

    The primal objective is

    .. math:: P(w) = \frac{1}{2n} \|y - Xw - b\|^2
        + \alpha \rho \|w\|_1 + \frac{\alpha (1 - \rho)}{2} \|w\|_2^2

    with the best intercept `b` for that `w`, and the dual one, at the rescaled
    residual :math:`u = c r`,

    .. math:: D(u) = \frac{1}{n} \langle y, u \rangle - \frac{1}{2n} \|u\|^2
        - \sum_j \frac{(|x_j^\top u| / n - \alpha \rho)_+^2}{2 \alpha (1 - \rho)}.

    For ``l1_ratio=1`` the last term becomes a constraint and `c` the best feasible
    factor. For ``l1_ratio<1`` the larger of this unscaled form (``c = 1``) and the
    Lasso form on the augmented design is taken. A solver that returns dual points of
    its own (celer) may have them judged too, rescaled in the same way; the better of
    both counts.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n_samples, n_features)
        Design, of any floating dtype.
    y : ndarray of shape (n_samples,)
        Target.
    coefs : ndarray or sparse array of shape (n_features, n_alphas)
        Solutions, a column for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.
    duals : ndarray of shape (n_samples, n_alphas), optional
        Further dual points, up to a factor; used when ``l1_ratio`` is 1.
    l1_ratio : float, default=1.0
        Share of the l1 norm in the penalty, :math:`\rho`.
    fit_intercept : bool, default=False
        Whether an intercept is part of the problem.

    Returns
    -------
    ndarray of shape (n_alphas,)
        ``(P(w) - D(u)) / P(0)``; ``inf`` where `coefs` is not finite.

    References
    ----------
    Fercoq, Gramfort, Salmon (2015). Mind the duality gap: safer rules for the
    Lasso. arXiv:1505.03410.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.eye(2) * 2**0.5, np.array([2.0, 0.5])
    >>> exact = np.array([[(2.0**0.5 - 1.0)], [0.0]])
    >>> bool(relative_gaps(X, y, exact, np.array([1.0]))[0] < 1e-15)
    True
    """
    y = np.asarray(y, dtype=np.float64)
    alphas = np.asarray(alphas, dtype=np.float64)
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    coefs = coefs.astype(np.float64, copy=False)
    if coefs.shape != (X.shape[1], len(alphas)):
        raise ValueError(
            f"coefs has shape {coefs.shape}, expected (n_features, n_alphas) = "
            f"{(X.shape[1], len(alphas))}"
        )
    finite = np.isfinite(coefs).all(axis=0)
    coefs = np.where(finite, coefs, 0.0)
    n = len(y)
    if fit_intercept:
        y = y - y.mean()
    residual = y[:, None] - _product(X, coefs)
    if fit_intercept:
        residual -= residual.mean(axis=0)
    loss = (residual**2).sum(axis=0) / (2 * n)
    squares = (coefs**2).sum(axis=0)
    l1, l2 = alphas * l1_ratio, alphas * (1.0 - l1_ratio)
    primal = loss + l1 * np.abs(coefs).sum(axis=0) + l2 * squares / 2

    # the elastic net is a Lasso on rows extended by sqrt(n l2) I, whose residual
    # there is -sqrt(n l2) w
    gradient = _transposed_product(X, residual) / n
    fit = y @ residual / n
    dual = _best_scaled(fit, 2 * loss + l2 * squares, gradient - l2 * coefs, l1)
    if l1_ratio < 1.0:
        excess = np.maximum(np.abs(gradient) - l1, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            penalty = np.where(l2 > 0, (excess**2).sum(axis=0) / (2 * l2), np.inf)
        dual = np.maximum(dual, fit - loss - penalty)
    elif duals is not None:
        if fit_intercept:
            duals = duals - duals.mean(axis=0)
        products = _transposed_product(X, duals) / n
        square = (duals**2).sum(axis=0) / n
        own = _best_scaled(y @ duals / n, square, products, l1)
        dual = np.fmax(dual, own)
    null = null_objective(y)
    gaps = (primal - dual) / (null if null > 0 else 1.0)
    return np.where(finite, gaps, np.inf)


def _best_scaled(
    fit: np.ndarray, square: np.ndarray, products: np.ndarray, bound: np.ndarray
) -> np.ndarray:
    """Maximise ``c fit - c^2 square / 2`` subject to ``c |products| <= bound``."""
    sup = np.abs(products).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(sup > 0, bound / sup, np.inf)
        best = np.where(square > 0, fit / square, 0.0)
    scale = np.clip(best, -limit, limit)
    return scale * fit - scale**2 * square / 2


def worst_gap(X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray, **kwargs) -> float:
    """Largest relative duality gap of a path, see `relative_gaps`."""
    return float(relative_gaps(X, y, coefs, alphas, **kwargs).max())


def worst_mcp_violation(
    X: Any, y: np.ndarray, coefs: Any, alphas: np.ndarray, *, gamma: float = 3.0
) -> float:
    r"""Largest violated optimality condition of solutions with the MCP.

    .. math:: \max_j L_j \,\bigl| w_j - \mathrm{prox}_{\Omega / L_j}\bigl(w_j
        + x_j^\top (y - X w) / (n L_j) \bigr) \bigr| \Big/ \max_j |x_j^\top y| / n,
        \qquad L_j = \|x_j\|^2 / n,

    worst over the path; zero where no single coefficient can lower the objective.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Design, with columns of mean squares above 1 / gamma.
    y : ndarray of shape (n_samples,)
        Target; there is no intercept.
    coefs : ndarray or sparse array of shape (n_features, n_alphas)
        Solutions, a column for each strength.
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty.
    gamma : float, default=3.0
        Reciprocal of its concavity.

    Returns
    -------
    float
        ``inf`` where `coefs` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.eye(2) * 2**0.5, np.array([4.0, 0.5])
    >>> exact = np.array([[2.0 * 2**0.5], [0.0]])  # not shrunk
    >>> worst_mcp_violation(X, y, exact, np.array([0.5])) < 1e-15
    True
    """
    coefs = coefs.toarray() if hasattr(coefs, "toarray") else np.asarray(coefs)
    if not np.isfinite(coefs).all():
        return np.inf
    y, n = np.asarray(y, dtype=np.float64), len(y)
    curvature = (np.asarray(X, dtype=np.float64) ** 2).sum(axis=0)[:, None] / n
    gradient = _transposed_product(X, y[:, None] - _product(X, coefs)) / n
    z = coefs + gradient / curvature
    level, size = np.asarray(alphas)[None, :], np.abs(z)
    shrunk = np.maximum(size - level / curvature, 0.0) / (1.0 - 1 / (gamma * curvature))
    best = np.where(size <= gamma * level, np.copysign(shrunk, z), z)
    scale = np.abs(_transposed_product(X, y[:, None])).max() / n
    return float((curvature * np.abs(coefs - best)).max() / scale)


def _column_blocks(X: Any) -> list[slice]:
    """Blocks of columns whose float64 copy stays small."""
    width = max(1, _BLOCK_BYTES // (8 * max(1, X.shape[0])))
    return [slice(j, j + width) for j in range(0, X.shape[1], width)]


def _product(X: Any, coefs: np.ndarray) -> np.ndarray:
    if X.dtype == np.float64:
        return X @ coefs
    out = np.zeros((X.shape[0], coefs.shape[1]))
    for block in _column_blocks(X):
        out += X[:, block].astype(np.float64) @ coefs[block]
    return out


def _transposed_product(X: Any, residual: np.ndarray) -> np.ndarray:
    if X.dtype == np.float64:
        return X.T @ residual
    blocks = [X[:, b].astype(np.float64).T @ residual for b in _column_blocks(X)]
    return np.concatenate(blocks)
