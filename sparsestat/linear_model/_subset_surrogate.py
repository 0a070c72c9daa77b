"""Distributed best subsets by surrogates: few numbers a round, pooled refits.

A leader's second moments stand for those of all in the search for candidates, corrected
by the gradient of all; candidates are then judged by pooled second moments, as the
surrogate itself grows without bound below where the leader has few rows.  After Jordan,
Lee and Yang (2019), Fan, Guo and Wang (2023) and Lan, Lin and Wang (2024).
"""

import warnings
from collections.abc import Callable

import numpy as np

from sparsestat.distributed import Shard, Shards
from sparsestat.linear_model._subset_rounds import (
    Rounds,
    Totals,
    column_problem,
    gram_problem,
)
from sparsestat.optim.subset import SubsetPath, SubsetProblem
from sparsestat.optim.subset._outside import outside_changes
from sparsestat.utils.topk import top_k

__all__ = ["candidate_path", "leaders", "surrogate_path"]

# Rows of the leader for each coefficient of the largest model.
_LEADER_ROWS = 20
# The surrogate has no variance of its own; losses stay positive with so many times y's.
_ROOM = 1e3
# Fits that leave no more than this share of the variance are perfect: what exchanges
# would still save is rounding.
_PERFECT = 1e-14
# First damping after a round that made things worse.
_DAMPING = 0.1
# Distance of the leader's correlations from those of all, as a share, that is told.
_FAR = 0.5
# Features that join for a size that they improve on.
_JOINING = 16


def leaders(rounds: Rounds, max_size: int) -> Shards:
    """The largest shard, or so many that they have rows enough for a search.

    Parameters
    ----------
    rounds : Rounds
    max_size : int
        Largest model.

    Returns
    -------
    shards : Shards
    """
    rows = rounds.shards.about.n_rows
    if rows is None:
        (rows,) = rounds.ask(_count, "rows", _joined)
    wanted = max_size * max(
        _LEADER_ROWS, 2.0 * np.log(max(rounds.layout.n_features, 3))
    )
    order = np.argsort(rows, kind="stable")[::-1]
    enough = int(np.searchsorted(np.cumsum(np.asarray(rows)[order]), wanted)) + 1
    others = order[enough:]
    return rounds.shards.without(others.tolist())


def candidate_path(
    own: SubsetProblem,
    whole: SubsetProblem,
    propose: Callable[[SubsetProblem, np.ndarray], SubsetPath],
    judge: Callable[[SubsetProblem], SubsetPath],
    support: np.ndarray,
    coef: np.ndarray,
    residual: np.ndarray,
    max_size: int,
    max_rounds: int,
    tol: float,
    locked: np.ndarray,
) -> SubsetPath:
    """Best subsets of a quadratic model of all, among candidates of the leader's.

    Parameters
    ----------
    own, whole : SubsetProblem
        Of the leader, and of all shards, with a source that asks them.
    propose, judge : callable
        As in `surrogate_path`.
    support, coef, residual : ndarray
        Where the model is made, and minus its gradient there.
    max_size, max_rounds, tol, locked
        As in `surrogate_path`.

    Returns
    -------
    path : SubsetPath
    """
    surrogate = _surrogate(own, whole, support, coef, residual, 0.0)
    found = propose(surrogate, np.arange(1, max_size + 1))
    pooled = _Candidates(whole)
    scores = _scores(residual, whole.diagonal, 2 * max_size)
    proposed = [support, _union(found.supports), scores, locked]
    pooled.join(np.unique(np.concatenate(proposed)))
    path, _ = _certified(judge, pooled, judge(pooled.problem), max_rounds, tol, locked)
    return path


def surrogate_path(
    rounds: Rounds,
    propose: Callable[[SubsetProblem, np.ndarray], SubsetPath],
    judge: Callable[[SubsetProblem], SubsetPath],
    problem: SubsetProblem,
    totals: Totals,
    max_size: int,
    max_rounds: int,
    tol: float,
    whole_gram: bool,
    locked: np.ndarray,
) -> tuple[SubsetPath, float]:
    """Best subsets from gradients of all and second moments of a few features.

    Parameters
    ----------
    rounds : Rounds
    propose : callable
        ``propose(problem, sizes)`` gives a path of candidates.
    judge : callable
        ``judge(problem)`` gives the path that is asked for, within candidates.
    problem, totals : SubsetProblem, Totals
        Of all shards, with a source that asks them.
    max_size : int
        Largest model among the candidates.
    max_rounds : int
        Surrogates at most.
    tol : float
        Share of the loss that an exchange of one feature may still save.
    whole_gram : bool
        Whether the leader may tell all of its second moments at once.
    locked : ndarray of int
        Features that `judge` has in every subset; they are candidates always.

    Returns
    -------
    path : SubsetPath
        Its sizes are searched within the candidates; nothing is proved.
    swap_gap : float
        Share of the loss that the best exchange saves, over all features.
    """
    leader = leaders(rounds, max_size)
    pooled = _Candidates(problem)
    if len(leader) == len(rounds.shards):
        own_problem = problem
    else:
        make = gram_problem if whole_gram else column_problem
        own_problem, _ = make(rounds, 0.0, False, leader)
    sizes = np.arange(1, max_size + 1)
    first = propose(own_problem, sizes)
    start = np.union1d(_union(first.supports), locked)
    support, coef = first.supports[first.chosen], first.coefs[first.chosen]
    best, damping = None, 0.0
    for round_ in range(max_rounds):
        found = rounds.correlations(support, coef[0], totals)
        residual = found[None, :] / totals.weight
        surrogate = _surrogate(own_problem, problem, support, coef, residual, damping)
        found = propose(surrogate, sizes)
        scores = _scores(residual, problem.diagonal, 2 * max_size)
        pooled.join(np.unique(np.concatenate([start, _union(found.supports), scores])))
        if round_ == 0 and len(leader) < len(rounds.shards):
            _warn_of(own_problem, pooled)
        path = judge(pooled.problem)
        value = path.criterion[path.chosen]
        if best is not None and value > best.criterion[best.chosen]:
            damping = max(2.0 * damping, _DAMPING)
            continue
        new = path.supports[path.chosen]
        settled = best is not None and np.array_equal(new, support)
        best, support, coef = path, new, path.coefs[path.chosen]
        if settled:
            break
    return _certified(judge, pooled, best, max_rounds, tol, locked)


def _certified(judge, pooled, path, max_rounds, tol, locked):
    """Let features join that improve the chosen subset by an exchange."""
    problem = pooled.whole
    everything = problem.diagonal + problem.ridge
    for _ in range(max_rounds):
        support, loss = path.supports[path.chosen], path.losses[path.chosen]
        if loss <= _PERFECT * problem.variance:
            return path, 0.0
        rows = problem.source.block(support)
        change, _ = outside_changes(problem, support, rows, everything, locked)
        gap = abs(min(float(change.min(initial=0.0)), 0.0)) / loss
        better = np.flatnonzero(-change > tol * loss)
        if len(better) == 0:
            break
        joining = better[top_k(-change[better], _JOINING)]
        if not pooled.join(joining):
            break
        path = judge(pooled.problem)
    return path, gap


def _warn_of(own: SubsetProblem, pooled: "_Candidates") -> None:
    """Tell where candidates are correlated otherwise in the largest shards."""
    features = pooled.features[own.diagonal[pooled.features] > 0.0]
    if len(features) < 2:
        return
    theirs, ours = (source.block(features, features) for source in (pooled, own.source))
    theirs, ours = (G / np.sqrt(np.outer(*[G.diagonal()] * 2)) for G in (theirs, ours))
    distance = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    if distance > _FAR:
        warnings.warn(
            "Candidates are correlated otherwise in the largest shards than in all: "
            f"the distance is {distance:.2g} of the correlations. Surrogates may take "
            "more rounds; algorithm='columns' does not depend on it.",
            UserWarning,
            stacklevel=6,
        )


class _Candidates:
    """The problem in which only candidates have a Gram matrix; others are constant."""

    def __init__(self, problem: SubsetProblem) -> None:
        self.whole = problem
        self.features = np.array([], np.int64)
        self._gram = np.empty((0, 0))

    def join(self, features: np.ndarray) -> bool:
        """Ask for second moments of new candidates; returns whether there are any."""
        new = np.setdiff1d(features, self.features)
        new = new[self.whole.diagonal[new] > 0.0]
        if len(new) == 0:
            return False
        source, old = self.whole.source, len(self.features)
        gram = np.empty((old + len(new),) * 2)
        self.features = np.concatenate([self.features, new])
        gram[:old, :old] = self._gram
        gram[old:] = source.block(new, self.features)
        gram[:old, old:] = gram[old:, :old].T
        self._gram = gram
        return True

    @property
    def problem(self) -> SubsetProblem:
        whole = self.whole
        inside = np.zeros(whole.n_features, bool)
        inside[self.features] = True
        return whole._replace(
            source=self,
            diagonal=np.where(inside, whole.diagonal, 0.0),
            linear=np.where(inside, whole.linear, 0.0),
        )

    def block(self, rows, cols=None):
        """Return G[rows][:, cols], zero for features that are no candidates."""
        place = np.full(self.whole.n_features, -1)
        place[self.features] = np.arange(len(self.features))
        a = place[rows]
        b = place if cols is None else place[cols]
        if len(self.features) == 0:
            return np.zeros((len(a), len(b)))
        found = self._gram[np.ix_(a, b)]
        return np.where((a >= 0)[:, None] & (b >= 0), found, 0.0)


def _surrogate(own, whole, support, coef, residual, damping) -> SubsetProblem:
    """L_1(b) - <b, grad L_1(b0) - grad L(b0)> + damping |b - b0|_D^2 / 2."""
    linear = residual.copy()
    if len(support):
        linear += coef @ own.source.block(support)
    linear[:, support] += damping * whole.diagonal[support] * coef
    ridge = whole.ridge + damping * whole.diagonal
    usable = (whole.diagonal > 0.0) & (own.diagonal > 0.0)
    return own._replace(
        linear=np.where(usable, linear, 0.0),
        diagonal=np.where(usable, own.diagonal, 0.0),
        variance=_ROOM * max(whole.variance, np.finfo(np.float64).tiny),
        ridge=ridge,
        n_samples=whole.n_samples,
    )


def _scores(residual, diagonal, count: int) -> np.ndarray:
    """Features of largest forward gain, at first order."""
    usable = diagonal > 0.0
    squares = (residual**2).sum(axis=0)
    gain = np.divide(squares, diagonal, where=usable, out=np.full_like(diagonal, -1))
    chosen = top_k(gain, count)
    return chosen[gain[chosen] > 0.0]


def _union(supports: list) -> np.ndarray:
    return np.unique(np.concatenate([np.array([], np.int64), *supports]))


def _count(shard: Shard, message: dict) -> tuple[np.ndarray]:
    return (np.array([shard.X.shape[0]]),)


def _joined(first, second) -> tuple[np.ndarray]:
    return (np.concatenate([first[0], second[0]]),)
