"""Exchanges of one feature of a model of classes on shards, promised and verified.

The quadratic model around a fit promises what exchanges save; the likelihood, maximised
on the most promising ones in the same rounds, tells what they do save.
"""

from collections.abc import Callable

import numpy as np

from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    WorkingProblem,
    fit_supports,
    hessian_of,
    working_problem,
    working_problems,
)
from sparsestat.linear_model._subset_rounds import Rounds, Totals
from sparsestat.optim.cholesky import PIVOT

__all__ = ["exchange", "exchange_changes", "listed_changes"]

# Exchanges that are fitted before a subset counts as the best among them.
_VERIFIED = 8
# Exchanges of other sizes that are fitted, if they promise anything.
_OTHERS = 2
# Features from outside whose curvature is asked for where classes are several.
_LISTED = 16


def exchange(
    rounds: Rounds, fits: dict[int, SoftmaxFit], choose: Callable,
    working: WorkingProblem | None, totals: Totals, ridge: np.ndarray,
    scale: np.ndarray, tol: float, seen: set[bytes], most: int, margin: float,
    room: int = 0, locked: np.ndarray | None = None,
) -> tuple[dict[int, SoftmaxFit], int, float]:  # fmt: skip
    """Exchange single features while one of the most promising ways lowers the loss.

    Of the chosen size the eight most promising exchanges are fitted, whatever they
    promise; of others the best two that promise anything, in the same rounds.

    Parameters
    ----------
    rounds : Rounds
    fits : dict
        The fit of each size to start from.
    choose : callable
        ``choose(fits)`` tells the size that matters most.
    working : WorkingProblem or None
        The quadratic model of its fit, if it is at hand.
    totals, ridge, scale, tol
        As in `fit_supports`.
    seen : set of bytes
        Supports that have been fitted and are no better; added to.
    most : int
        Exchanges at most.
    margin : float
        Falls of the objective up to this share of it are rounding.
    room : int, default=0
        Bytes of a shard that a look at other sizes may take; the nearest come first.
    locked : ndarray of int, default=None
        Features that stay.

    Returns
    -------
    fits : dict
        The last one of each size.
    chosen : int
        The size that matters most.
    gap : float
        Zero where no exchange helps its fit any more, else what the last one saved, as
        a share of the objective.
    """
    fits, gap, chosen = dict(fits), 0.0, choose(fits)
    locked = np.array([], np.int64) if locked is None else locked
    looked: set[tuple] = set()  # supports, and whether they were the chosen ones
    for _ in range(most):
        fit, starts = fits[chosen], []
        if _look(looked, fit, True):
            pairs = _promising(rounds, fit, working, totals, ridge, scale, locked)
            starts += _exchanged(fit, pairs, seen)
        others = [fits[k] for k in _near(fits, chosen, scale, room, len(locked))]
        others = [other for other in others if _look(looked, other, False)]
        problems = working_problems(rounds, others, totals, ridge)
        for other, problem in zip(others, problems, strict=True):
            change = exchange_changes(problem, other.support)
            change[:, scale == 0.0] = np.inf
            change[np.isin(other.support, locked)] = np.inf
            pairs = _smallest(np.where(change < 0.0, change, np.inf), _OTHERS)
            starts += _exchanged(other, pairs, seen)
        if not starts:
            return fits, chosen, 0.0
        bars = {k: known.objective for k, known in fits.items()}
        falls: dict[int, float] = {}
        for found in fit_supports(rounds, starts, totals, ridge, scale, tol, bars):
            k = len(found.support)
            fall = fits[k].objective - found.objective
            if fall > margin * abs(fits[k].objective):
                first = max(bars[k], np.finfo(np.float64).tiny)
                fits[k], falls[k] = found, (bars[k] - found.objective) / first
        chosen, working = choose(fits), None
        gap = falls.get(chosen, 0.0)
        if not falls:
            break
    return fits, chosen, gap


def _look(looked: set[tuple], fit: SoftmaxFit, chosen: bool) -> bool:
    """Whether to look at a fit, which is done once, or twice if it is chosen later."""
    key = fit.support.tobytes(), chosen
    new = key not in looked
    looked.add(key)
    return new


def _near(fits, chosen: int, scale, room: int, n_locked: int = 0) -> list[int]:
    """Other sizes, the nearest first, as many as there is room for their rows."""
    p, n_usable = len(scale), np.count_nonzero(scale)
    near, used = [], 0
    for k in sorted(fits, key=lambda k: (abs(k - chosen), k)):
        if k == chosen or not n_locked < k < n_usable:
            continue
        used += 8 * p * (k + 2)
        if used > room:
            break
        near.append(k)
    return near


def _exchanged(fit: SoftmaxFit, pairs, seen: set[bytes]) -> list[SoftmaxFit]:
    """The supports after exchanges, those that have not been fitted."""
    starts = []
    for i, j in pairs:
        A = np.append(np.delete(fit.support, i), j)
        order = np.argsort(A)
        if A[order].tobytes() in seen:
            continue
        seen.add(A[order].tobytes())
        coef = np.vstack([np.delete(fit.coef, i, axis=0), 0.0 * fit.coef[:1]])
        starts.append(SoftmaxFit(A[order], coef[order], fit.intercept, *[np.inf] * 3))
    return starts


def _promising(rounds, fit, working, totals, ridge, scale, locked) -> np.ndarray:
    """Positions on the support and features for them, most promising first."""
    stay = np.isin(fit.support, locked)
    if stay.all():
        return np.empty((0, 2), np.int64)
    if working is None:
        working = working_problem(rounds, fit, totals, ridge, False)
    change = exchange_changes(working, fit.support)
    change[:, scale == 0.0] = np.inf
    change[stay] = np.inf
    m = fit.coef.shape[1]
    if m == 1:
        return _smallest(change, _VERIFIED)
    best = change.min(axis=0)
    listed = np.argsort(best, kind="stable")[:_LISTED]
    listed = np.sort(listed[np.isfinite(best[listed])])
    if len(listed) == 0:
        return np.empty((0, 2), np.int64)
    change = listed_changes(rounds, fit, listed, totals, ridge)
    change[stay] = np.inf
    pairs = _smallest(change, _VERIFIED)
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
