"""Exchanges of one feature of a model of classes on shards, promised and verified.

The quadratic model around a fit promises what exchanges save; the likelihood, maximised
on the most promising ones in the same rounds, tells what they do save.
"""

import numpy as np

from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    WorkingProblem,
    fit_supports,
    hessian_of,
    working_problem,
)
from sparsestat.linear_model._subset_rounds import Rounds, Totals
from sparsestat.optim.cholesky import PIVOT

__all__ = ["exchange", "exchange_changes", "listed_changes"]

# Exchanges that are fitted before a subset counts as the best among them.
_VERIFIED = 8
# Features from outside whose curvature is asked for where classes are several.
_LISTED = 16


def exchange(
    rounds: Rounds, fit: SoftmaxFit, working: WorkingProblem | None, totals: Totals,
    ridge: np.ndarray, scale: np.ndarray, tol: float, seen: set[bytes], most: int,
    margin: float,
) -> tuple[SoftmaxFit, float]:  # fmt: skip
    """Exchange single features while one of the most promising ways lowers the loss.

    Parameters
    ----------
    rounds : Rounds
    fit : SoftmaxFit
        Where to start.
    working : WorkingProblem or None
        Its quadratic model, if it is at hand.
    totals, ridge, scale, tol
        As in `fit_supports`.
    seen : set of bytes
        Supports that have been fitted and are no better; added to.
    most : int
        Exchanges at most.
    margin : float
        Falls of the objective up to this share of it are rounding.

    Returns
    -------
    fit : SoftmaxFit
        The last one.
    gap : float
        Zero where no exchange helps any more, else what the last one saved, as a share
        of the objective.
    """
    gap = 0.0
    for _ in range(most):
        pairs = _promising(rounds, fit, working, totals, ridge, scale)
        starts = []
        for i, j in pairs:
            A = np.append(np.delete(fit.support, i), j)
            order = np.argsort(A)
            if A[order].tobytes() in seen:
                continue
            seen.add(A[order].tobytes())
            coef = np.vstack([np.delete(fit.coef, i, axis=0), 0.0 * fit.coef[:1]])
            starts.append(
                SoftmaxFit(A[order], coef[order], fit.intercept, *[np.inf] * 3)
            )
        if not starts:
            return fit, 0.0
        bars = {len(fit.support): fit.objective}
        found = fit_supports(rounds, starts, totals, ridge, scale, tol, bars)
        best = min(found, key=lambda other: other.objective)
        fall = fit.objective - best.objective
        if not fall > margin * abs(fit.objective):
            return fit, 0.0
        gap = fall / max(fit.objective, np.finfo(np.float64).tiny)
        fit, working = best, None
    return fit, gap


def _promising(rounds, fit, working, totals, ridge, scale) -> np.ndarray:
    """Positions on the support and features for them, most promising first."""
    if len(fit.support) == 0:
        return np.empty((0, 2), np.int64)
    if working is None:
        working = working_problem(rounds, fit, totals, ridge, False)
    change = exchange_changes(working, fit.support)
    change[:, scale == 0.0] = np.inf
    m = fit.coef.shape[1]
    if m == 1:
        return _smallest(change, _VERIFIED)
    best = change.min(axis=0)
    listed = np.argsort(best, kind="stable")[:_LISTED]
    listed = np.sort(listed[np.isfinite(best[listed])])
    if len(listed) == 0:
        return np.empty((0, 2), np.int64)
    pairs = _smallest(listed_changes(rounds, fit, listed, totals, ridge), _VERIFIED)
    return np.column_stack([pairs[:, 0], listed[pairs[:, 1]]])


def _smallest(change: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(change, axis=None, kind="stable")[:count]
    order = order[np.isfinite(change.ravel()[order])]
    return np.column_stack(np.unravel_index(order, change.shape))


def exchange_changes(working: WorkingProblem, support: np.ndarray) -> np.ndarray:
    """Change of the quadratic model for each exchange, in its own units.

    Parameters
    ----------
    working : WorkingProblem
        Around a fit on the support.
    support : ndarray of int

    Returns
    -------
    change : ndarray of shape (len(support), n_features)
        Infinite where there is no exchange, or the feature depends on the others.
    """
    problem = working.problem
    rows = problem.source.block(support)
    whole = problem.diagonal + problem.ridge
    G = rows[:, support].copy()
    G[np.diag_indices_from(G)] += problem.ridge[support]
    H = np.linalg.pinv(G, rcond=1e-12, hermitian=True)
    V, b = H @ rows, problem.linear[:, support] @ H
    r = problem.linear - b @ rows
    q = whole - (rows * V).sum(axis=0)
    change = np.full(V.shape, np.inf)
    usable = problem.diagonal > 0.0
    usable[support] = False
    for i, size in enumerate(H.diagonal()):
        pivot = q + V[i] ** 2 / size
        apart = usable & (pivot > PIVOT * whole)
        gain = ((r + np.outer(b[:, i] / size, V[i])) ** 2).sum(axis=0)
        change[i, apart] = (b[:, i] @ b[:, i]) / size - gain[apart] / pivot[apart]
    return 0.5 * change


def listed_changes(
    rounds: Rounds, fit: SoftmaxFit, listed: np.ndarray, totals: Totals, ridge
) -> np.ndarray:
    """The same for some features, by the curvature of every pair of classes.

    One round asks for the Hessian of the support and the listed features.

    Returns
    -------
    change : ndarray of shape (len(fit.support), len(listed))
        Of the objective.
    """
    s, m = fit.coef.shape
    features = np.concatenate([fit.support, listed])
    theta = np.zeros((len(features) + 1, m))
    theta[:s], theta[-1] = fit.coef, fit.intercept
    g, H = hessian_of(rounds, features, theta, totals, ridge)
    b = H @ theta.ravel() - g.ravel()
    blocks = np.arange(len(theta) * m).reshape(-1, m)
    always = blocks[[-1]] if rounds.centred else blocks[:0]
    change = np.full((s, len(listed)), np.inf)
    kept = np.concatenate([blocks[:s], always]).ravel()
    present = 0.5 * (b[kept] @ np.linalg.lstsq(H[np.ix_(kept, kept)], b[kept])[0])
    for i in range(s):
        F = np.concatenate([np.delete(blocks[:s], i, axis=0), always]).ravel()
        J = blocks[s:-1].ravel()
        right = np.column_stack([H[np.ix_(F, J)], b[F]])
        solved = np.linalg.lstsq(H[np.ix_(F, F)], right)[0]
        rest = b[J] - H[np.ix_(J, F)] @ solved[:, -1]
        cost = present - 0.5 * (b[F] @ solved[:, -1])
        for k in range(len(listed)):
            own, at = J[k * m : (k + 1) * m], slice(k * m, (k + 1) * m)
            schur = H[np.ix_(own, own)] - H[np.ix_(own, F)] @ solved[:, at]
            least = PIVOT * H[own, own].max()
            values, vectors = np.linalg.eigh(schur)
            apart = values > least
            pull = (vectors.T @ rest[at])[apart]
            if apart.any():
                change[i, k] = cost - 0.5 * float((pull**2 / values[apart]).sum())
    return change
