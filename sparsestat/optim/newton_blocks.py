"""Paths of smooth losses with penalties on blocks of coefficients.

As `newton_path`, whose quadratic models are minimised block by block on their Gram
matrix, with Newton steps on the nonzero coefficients.  Unpenalised features are
minimised out of each model.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from sparsestat.optim.group_descent import (
    block_stationarity,
    block_sums,
    block_total,
    descend,
    newton_system,
)
from sparsestat.optim.group_path import BlockCorrelations
from sparsestat.optim.newton_path import NewtonPath
from sparsestat.optim.penalties import feature_blocks, restrict_blocks

__all__ = ["BlockNewtonPath"]

# Share of the gap to which a model is solved, rounds of passes and Newton steps on it,
# passes a round, and how often a step is halved.
_MODEL_SHARE = 0.02
_ROUNDS = 50
_PASSES, _MANY_PASSES = 16, 200
_HALVINGS = 4
# Eigenvalues of unpenalised features that count as zero, relative to the largest.
_RANK = 1e-13


class BlockNewtonPath(NewtonPath):
    """See `NewtonPath`; `inside` tells of blocks."""

    _joins_late = False

    def _screen(self, penalty: NamedTuple) -> None:
        problem = self.problem
        outside = problem.excluded.copy()
        outside[problem.unpenalised] = True
        self._blocks = feature_blocks(penalty, ~outside)
        self._correlations = _Correlations(problem, self._blocks)
        self.inside = np.diff(self._blocks.starts) == 0
        self._groups = np.empty(0, np.int64)
        self._starts = np.zeros(1, np.int64)

    @property
    def _n_free(self) -> int:
        return len(self.problem.unpenalised)

    @property
    def _settled(self) -> np.ndarray:
        return self.inside

    def _cover(self, features: np.ndarray) -> None:
        place = np.full(len(self.problem.excluded), -1)
        place[self._blocks.features] = np.arange(len(self._blocks.features))
        places = place[features]
        starts = self._blocks.starts
        owners = np.searchsorted(starts, places[places >= 0], side="right") - 1
        new = np.unique(owners)
        self._add(new[~self.inside[new]])

    def _add(self, new: np.ndarray) -> None:
        if len(new) == 0:
            return
        self._append(self._blocks.features[self._blocks.members(new)])
        self.inside[new] = True
        sizes = np.diff(self._blocks.starts)[new]
        self._groups = np.concatenate([self._groups, new])
        self._starts = np.concatenate(
            [self._starts, self._starts[-1] + np.cumsum(sizes)]
        )

    def _promote(self, penalty, correlations: np.ndarray) -> None:
        """All blocks of the set are in the model."""
        start = self.n_model
        self._make_room(self.size)
        self.n_model = self.size
        if self._metric is not None and start < self.size:
            self._extend(start)

    def _penalty(self, penalty: NamedTuple) -> NamedTuple:
        if self._local is None:
            members = self.features[self._n_free :]
            self._local = restrict_blocks(penalty, self._groups, members)
        return self._local._replace(alpha=penalty.alpha)

    def _sums(self, penalty, correlations: np.ndarray) -> tuple:
        start = self._n_free
        local, w = self._penalty(penalty), self.w[start:]
        return block_sums(local, self._starts, w, correlations[start:])

    def _total(self, penalty, w: np.ndarray) -> float:
        return block_total(self._penalty(penalty), self._starts, w[self._n_free :])

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        start = self._n_free
        norms = self.columns.norms(self._root**2)
        slopes = self.columns.products(self.u)
        lipschitz = np.array(
            [np.sum(norms[start:][a:b] ** 2) for a, b in pairwise(self._starts)]
        )
        worst = block_stationarity(
            self._penalty(penalty),
            self._starts,
            self.w[start:],
            slopes[start:],
            lipschitz,
        )
        free = np.abs(slopes[:start]).max(initial=0.0)
        return max(worst, free, self._correlations.violation(penalty, self._settled))

    def _minimise_model(self, penalty, c, w, q, gap: float) -> None:
        m, k = len(w), self._n_free
        gram = self._gram[:m, :m]
        reduced, linear = gram, c
        if k:
            # Unpenalised coefficients are linear in the others at the minimum.
            inverse = np.linalg.pinv(gram[:k, :k], rcond=_RANK, hermitian=True)
            onto = inverse @ gram[:k, k:]
            reduced = gram[k:, k:] - gram[k:, :k] @ onto
            linear = c[k:] - onto.T @ c[:k]
        size = max(self.value, gap if np.isfinite(gap) else 0.0, 1e-300)
        share = _MODEL_SHARE * min(gap / size, 1.0)
        blocks = w[k:].copy()
        if len(blocks):
            y2 = 2.0 * size + float((2.0 * linear - reduced @ blocks) @ blocks)
            local = self._penalty(penalty)
            minimise_blocks(
                local, self._starts, reduced, linear, blocks, y2, size * share**2
            )
        w[k:] = blocks
        if k:
            w[:k] = inverse @ c[:k] - onto @ blocks


class _Correlations(BlockCorrelations):
    """Of blocks; see `optim.correlations.Correlations`."""

    def sums_with_others(self, sums: tuple, penalty, gauges: np.ndarray) -> tuple:
        outside = np.flatnonzero(gauges > 1.0)
        if len(outside) == 0:
            return sums
        value_sum, augmented2, most, conjugates = sums
        local, starts, features = self._outside(penalty, outside)
        zeros = np.zeros(len(features))
        others = block_sums(local, starts, zeros, self.values[features])
        most = max(most, gauges[outside].max())
        return value_sum, augmented2, most, conjugates + others[3]

    def violation(self, penalty, skip: np.ndarray) -> float:
        outside = np.flatnonzero(self.last_gauges(penalty, skip) > 1.0)
        local, starts, features = self._outside(penalty, outside)
        zeros, ones = np.zeros(len(features)), np.ones(len(outside))
        return block_stationarity(local, starts, zeros, self.values[features], ones)

    def _outside(self, penalty, which: np.ndarray) -> tuple:
        """The penalty of some blocks, where each begins, and their features."""
        features = self._members(which)
        sizes = np.diff(self._blocks.starts)[which]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return restrict_blocks(penalty, which, features), starts, features


def minimise_blocks(penalty, starts, gram, c, w, y2: float, target: float) -> None:
    """Minimise w.T G w / 2 - c.T w + sum_g pen_g(w_g) in place.

    Parameters
    ----------
    penalty : NamedTuple
        Restricted to the blocks.
    starts : ndarray of shape (n_blocks + 1,)
    gram : ndarray of shape (m, m)
    c, w : ndarray of shape (m,)
    y2 : float
        Square norm of the target, so that half of it is the loss of w = 0.
    target : float
        Duality gap at which to stop.
    """
    gram = np.ascontiguousarray(gram)
    values, vectors, places = _decompose(gram, starts)
    q, patient = c - gram @ w, False
    for _ in range(_ROUNDS):
        budget = _MANY_PASSES if patient else _PASSES
        _, gap, moved = descend(
            penalty, starts, gram, values, vectors, places, c, w, q, y2, target, budget
        )
        if gap <= target or not moved:
            return
        patient = not _newton(penalty, starts, gram, c, w, q)


def _newton(penalty, starts, gram, c, w, q) -> bool:
    """One Newton step on the nonzero coefficients, shortened until it descends."""
    nonzero = np.flatnonzero(w)
    hessian, rhs = gram[np.ix_(nonzero, nonzero)], np.empty(len(nonzero))
    newton_system(penalty, starts, w, q, hessian, rhs)
    # Symmetric: the transpose is in Fortran order, so LAPACK takes no copy.
    _, step, info = dposv(hessian.T, rhs, lower=1, overwrite_a=1)
    if info != 0 or not np.isfinite(step).all():
        return False
    kinks = np.full(len(nonzero), getattr(penalty, "positive", False))
    if (
        not kinks.any()
        and hasattr(penalty, "feature_weights")
        and penalty.l1_ratio > 0.0
    ):
        kinks = penalty.feature_weights[nonzero] > 0.0
    before = block_total(penalty, starts, w) - 0.5 * float((c + q) @ w)
    for _ in range(_HALVINGS):
        here = w[nonzero]
        moved = w.copy()
        moved[nonzero] += np.where(kinks & (here * (here + step) < 0.0), -here, step)
        residue = c - gram @ moved
        value = block_total(penalty, starts, moved) - 0.5 * float((c + residue) @ moved)
        if value < before:
            w[:], q[:] = moved, residue
            return True
        step = 0.5 * step
    return False


def _decompose(gram: np.ndarray, starts: np.ndarray) -> tuple:
    """Eigenvalues, eigenvectors one matrix after another, and where each begins."""
    pairs = [np.linalg.eigh(gram[a:b, a:b]) for a, b in pairwise(starts)]
    values = np.concatenate([np.maximum(found, 0.0) for found, _ in pairs])
    vectors = np.concatenate([basis.ravel() for _, basis in pairs])
    sizes = np.diff(starts) ** 2
    return values, vectors, np.cumsum(sizes) - sizes
