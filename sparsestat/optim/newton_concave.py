"""Paths of smooth losses with concave penalties, to stationary points.

As `newton_path`.  In the quadratic model a penalty that is concave in |w_j| is bounded
by its tangent, an l1 norm with weights of its own for each coefficient (Zou and Li
2008, doi:10.1214/009053607000000802), again and again, with Newton steps on the support
where the model is convex there; its minimum lies downhill.  Zeros are screened by
the slope of the penalty at zero.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from sparsestat.optim.face_newton import minimise_on_gram
from sparsestat.optim.newton_path import NewtonPath
from sparsestat.optim.penalties import (
    ElasticNet,
    curvature,
    has_faces,
    prepare,
    restrict,
    slope,
    value,
)
from sparsestat.utils.dispatch import kernel

__all__ = ["ConcaveNewtonPath", "tangent_at_zero"]

# Tangents on one model, and the share of the violation that they go for.
_TANGENTS = 20
_SHARE = 0.05
_GRAM_ROUNDS = 20
# A coefficient that counts as zero, and a slope there that counts as infinite.
_TINY, _STEEP = 1e-150, 1e30
_EPS = np.finfo(np.float64).eps


class ConcaveNewtonPath(NewtonPath):
    """See `NewtonPath`; in place of gaps are violations of stationarity.

    Parameters
    ----------
    concave : NamedTuple
        The penalty, prepared; `penalty` is its tangent at zero, an l1 norm, wherever
        else one is asked for.
    """

    _joins_late = False

    # Which minimum is found depends on the way, which should be a slow one.
    stage = 0.8

    def __init__(self, design, smooth, penalty, sample_weight, concave: NamedTuple):
        self._concave, self._careful = concave, False
        super().__init__(design, smooth, penalty, sample_weight)

    def null(self, penalty: NamedTuple, target: float) -> tuple[float, float]:
        found = super().null(penalty, target)
        others = ~self.problem.excluded
        others[self.problem.unpenalised] = False
        slopes = np.abs(self._correlations.values[others])
        self.scale = max(slopes.max(initial=0.0), _EPS)
        return found

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition at the last solution."""
        correlations = self.columns.products(self.smooth.feasible(self.u)[0])
        gauges = self._correlations.last_gauges(penalty, self._settled)
        return self._certify(penalty, correlations, gauges)[0]

    def _certify(self, penalty, correlations, gauges=None):
        """Violation of stationarity, at the best intercept, for the gap."""
        u, _ = self.smooth.feasible(self.u)
        if u is not self.u:
            correlations = self.columns.products(u)
        local = self._local_concave(penalty)
        worst = violation(local, self.w, correlations)
        if gauges is not None:
            outside = np.flatnonzero(gauges > 1.0)
            levels = penalty.alpha * penalty.weights[outside]
            beyond = (gauges[outside] - 1.0) * levels
            worst = max(worst, beyond.max(initial=0.0))
        objective = self.value + concave_total(local, self.w)
        return worst, objective, u

    def _local_concave(self, penalty) -> NamedTuple:
        if self._local is None:
            self._local = restrict(self._concave, self.features)
        return self._local._replace(alpha=penalty.alpha)

    def _penalty(self, penalty: NamedTuple) -> NamedTuple:
        return restrict(penalty, self.features)

    def _total(self, penalty, w: np.ndarray) -> float:
        return concave_total(restrict(self._local_concave(penalty), slice(len(w))), w)

    def _promised(self, penalty, w: np.ndarray) -> float:
        before = self._w[: len(w)]
        slopes = np.empty(len(w))
        fill_slopes(self._local_concave(penalty), before, slopes)
        kept = np.isfinite(slopes)
        return float(slopes[kept] @ (np.abs(before) - np.abs(w))[kept])

    def _newton(self, penalty, correlations, objective, gap) -> tuple[float, bool]:
        found = super()._newton(penalty, correlations, objective, gap)
        # A way over a hill may have led nowhere: the next model takes one tangent.
        self._careful = found[0] <= 0.0
        return found

    def _minimise_model(self, penalty, c, w, q, gap: float) -> None:
        m = len(w)
        concave = restrict(self._local_concave(penalty), slice(m))
        slopes = np.empty(m)
        y2 = 2.0 * max(self.value, 1e-300) + float((c + q) @ w)
        for _ in range(1 if self._careful else _TANGENTS):
            fill_slopes(concave, w, slopes)
            weights = slopes / penalty.alpha
            tangent = prepare(penalty._replace(weights=weights), m)
            self.n_active, _, _ = minimise_on_gram(
                tangent,
                np.flatnonzero(slopes == 0.0),
                self._gram,
                c,
                w,
                q,
                self._active,
                self.n_active,
                self._factor,
                self._ridge[:m],
                y2,
                _EPS * y2,
                _GRAM_ROUNDS,
                False,
            )
            if violation(concave, w, q) <= _SHARE * gap:
                break
            if not self._careful:
                _face_step(concave, self._gram[:m, :m], c, w, q)


def _face_step(concave, gram, c, w, q) -> None:
    """A Newton step on the support, where the model is convex and falls."""
    support = np.flatnonzero(w)
    if len(support) == 0:
        return
    local, here = restrict(concave, support), w[support]
    bends, slopes = np.empty(len(support)), np.empty(len(support))
    fill_curvatures_at(local, here, bends)
    fill_slopes(local, here, slopes)
    hessian = gram[np.ix_(support, support)]
    hessian[np.diag_indices(len(support))] += bends
    rhs = q[support] - np.sign(here) * slopes
    _, step, info = dposv(hessian, rhs, lower=1)
    if info != 0 or not np.isfinite(step).all() or (here * (here + step) <= 0.0).any():
        return
    before = concave_total(local, here) - 0.5 * float((c + q) @ w)
    moved = w.copy()
    moved[support] += step
    residue = c - gram @ moved
    after = concave_total(local, moved[support])
    if after - 0.5 * float((c + residue) @ moved) < before:
        w[:], q[:] = moved, residue


def tangent_at_zero(concave: NamedTuple) -> ElasticNet:
    """The l1 norm that a penalty begins like, with alpha = 1.

    Parameters
    ----------
    concave : NamedTuple
        Prepared, with weights.

    Returns
    -------
    penalty : ElasticNet

    Raises
    ------
    TypeError
        For penalties without derivatives, or infinitely steep at zero.
    """
    if not (has_faces(concave) and {"weights", "positive"} <= set(concave._fields)):
        raise TypeError(
            "penalty must have slope and curvature, and the fields weights and "
            f"positive, with losses other than least squares; got "
            f"{type(concave).__name__}."
        )
    weights = np.asarray(concave.weights)
    slopes = np.empty(len(weights))
    ends = np.full(len(weights), _TINY)
    fill_slopes(concave._replace(alpha=1.0), ends, slopes)
    if (np.isfinite(weights) & (slopes > _STEEP)).any():
        raise TypeError(
            f"penalty must have a finite slope at zero; {type(concave).__name__} has "
            "none, so that zero would be stationary whatever the loss is."
        )
    slopes[np.isinf(weights)] = np.inf
    positive = bool(getattr(concave, "positive", False))
    return prepare(ElasticNet(1.0, 1.0, slopes, positive), len(slopes))


@kernel
def fill_slopes(penalty, w, out):
    """Derivatives of the penalty in |w_j|, at zero from the right."""
    for j in range(len(w)):
        size = abs(w[j])
        out[j] = slope(penalty, size if size > 0.0 else _TINY, j)


@kernel
def fill_curvatures_at(penalty, w, out):
    """Second derivatives at nonzero coefficients."""
    for j in range(len(w)):
        out[j] = curvature(penalty, w[j], j)


@kernel
def concave_total(penalty, w):
    """sum_j pen_j(w_j)."""
    total = 0.0
    for j in range(len(w)):
        if w[j] != 0.0:
            total += value(penalty, w[j], j)
    return total


@kernel
def violation(penalty, w, q):
    """Largest distance of a correlation q_j from the penalty's derivatives at w_j."""
    worst = 0.0
    for j in range(len(w)):
        if w[j] != 0.0:
            excess = abs(q[j] - slope(penalty, w[j], j))
        elif penalty.positive:
            excess = q[j] - slope(penalty, _TINY, j)
        else:
            excess = abs(q[j]) - slope(penalty, _TINY, j)
        if excess > worst:
            worst = excess
    return worst
