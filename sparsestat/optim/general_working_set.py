"""A Gram matrix of features under a penalty that need not be convex.

Coordinate descent with exact scalar minimisers finds the support, in the order of the
features, so that it ends in the minimum that plain coordinate descent would reach.  A
Newton step on the support, with the penalty's own second derivative, then goes the rest
of the way at once, if it is one downhill: the Hessian has to be positive definite there
and the objective to fall.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from sparsestat.optim.certificate import stationarity
from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.penalties import curvature, prox, restrict, slope, value
from sparsestat.optim.vector import axpy
from sparsestat.optim.working_set import GramWorkingSet
from sparsestat.utils.dispatch import kernel

__all__ = ["GeneralWorkingSet", "penalty_values"]

# The support is found once this many passes have not changed it; passes at most.
_CALM, _MOST_PASSES = 3, 100
# Passes over the support before a Newton step, and coefficients for one pass more: what
# the step's factor costs.
_PASSES = 8
_PASSES_PER_FEATURE = 0.1
# Newton steps in a row; penalties that are quadratic by pieces need one or two.
_STEPS = 4
# The support is settled to this share of the violation that is asked for.
_INNER_SHARE = 0.3
# Calls after which q = c - G w is computed afresh, against drift.
_RESYNCHRONISE = 16
# Changes of the objective below this share of its size are rounding.
_ROUNDING = 1e-14


class GeneralWorkingSet(GramWorkingSet):
    """See `GramWorkingSet`; `gap` is the largest violated optimality condition."""

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set until none is violated by more than `target`."""
        self._calls += 1
        if self._calls % _RESYNCHRONISE == 0:
            support, m = np.flatnonzero(self.w), self.size
            self.q[:] = self._c[:m] - self.w[support] @ self._gram[support, :m]
        local, diagonal = self.local(penalty), self.diagonal
        order = np.argsort(self.features)
        find_support(local, self._gram, self.w, self.q, order, target)
        n_rounds = 0
        while n_rounds < max_rounds:
            n_rounds += 1
            if self.w.any():
                self._settle(local, _INNER_SHARE * target)
            self.gap = stationarity(local, self.w, self.q, diagonal)
            if self.gap <= target:
                break
            find_support(local, self._gram, self.w, self.q, order, target)
        return n_rounds

    @property
    def diagonal(self) -> np.ndarray:
        """Second derivatives of the least squares term in each coefficient."""
        return self._gram.diagonal()[: self.size].copy()

    def _settle(self, local, target: float) -> None:
        """Minimise over the nonzero coefficients: passes, then Newton steps."""
        m = self.size
        support = np.flatnonzero(self.w)
        penalty = restrict(local, support)
        gram = self._gram[np.ix_(support, support)]
        w, q = self.w[support], self.q[support]
        budget = _PASSES + int(_PASSES_PER_FEATURE * len(support))
        violation = coordinate_passes(penalty, gram, w, q, target, budget)
        for _ in range(_STEPS):
            if violation <= target or not _newton(penalty, gram, w, q):
                break
            violation = coordinate_passes(penalty, gram, w, q, target, 1)
        self.q[:] -= (w - self.w[support]) @ self._gram[support, :m]
        self.w[support] = w
        self.q[support] = q


def _newton(penalty, gram, w, q) -> bool:
    """Take a Newton step on the face in place, if it leads down; returns whether.

    Coefficients that it would take through zero end there; where that does not lower
    the objective, the step ends at the first of them.
    """
    face = np.flatnonzero(w)
    if len(face) == 0:
        return False
    whole = len(face) == len(w)
    local = penalty if whole else restrict(penalty, face)
    hessian = gram.copy() if whole else gram[np.ix_(face, face)]
    start, gradient, bend = w[face], np.empty(len(face)), np.empty(len(face))
    derivatives(local, start, gradient, bend)
    gradient = q[face] - gradient
    hessian.flat[:: len(face) + 1] += bend
    smallest = PIVOT * np.abs(hessian.diagonal())
    factor, info = dpotrf(hessian.T, lower=True, overwrite_a=True)
    if info != 0 or (factor.diagonal() ** 2 <= smallest).any():
        return False  # concave here, or singular up to rounding
    step, _ = dpotrs(factor, gradient, lower=True)
    with np.errstate(divide="ignore"):
        reach = np.where(start * (start + step) < 0.0, -start / step, 1.0)
    ends = [np.where(reach < 1.0, 0.0, start + step)]
    if reach.min() < 1.0:
        ends.append(start + reach.min() * step)
        ends[1][reach.argmin()] = 0.0
    before = penalty_values(local, start)
    for end in ends:
        change = end - start
        moved = q - change @ gram[face]
        terms = penalty_values(local, end) - before
        quadratic = -0.5 * float(change @ (q + moved)[face])
        rise = quadratic + float(terms.sum())
        rounding = _ROUNDING * (abs(quadratic) + float(np.abs(terms).sum()))
        if rise <= rounding:
            w[face], q[:] = end, moved
            return True
    return False


@kernel
def penalty_values(penalty, w):
    """The penalty of each coefficient."""
    out = np.zeros(len(w))
    for j in range(len(w)):
        if w[j] != 0.0:
            out[j] = value(penalty, w[j], j)
    return out


@kernel
def derivatives(penalty, w, first, second):
    """First and second derivatives of the penalty at nonzero coefficients."""
    for j in range(len(w)):
        first[j] = slope(penalty, w[j], j)
        second[j] = curvature(penalty, w[j], j)


@kernel
def find_support(penalty, gram, w, q, order, target):
    """Passes of coordinate descent in a given order, until the support stays."""
    m = len(w)
    calm = 0
    for _ in range(_MOST_PASSES):
        same, worst = True, 0.0
        for i in range(m):
            j = order[i]
            diagonal = gram[j, j]
            if diagonal > 0.0:
                old = w[j]
                new = prox(penalty, old + q[j] / diagonal, 1.0 / diagonal, j)
                if new != old:
                    same = same and (new != 0.0) == (old != 0.0)
                    worst = max(worst, diagonal * abs(new - old))
                    w[j] = new
                    axpy(old - new, gram[j, :m], q)
        calm = calm + 1 if same else 0
        if worst <= target or calm == _CALM:
            break


@kernel
def coordinate_passes(penalty, gram, w, q, target, n_passes):
    """Passes of coordinate descent until none moves a coefficient by much.

    That is, until no optimality condition was violated by more than `target` when its
    coefficient had its turn; returns the largest such violation of the last pass.
    """
    m = len(w)
    worst = np.inf
    for _ in range(n_passes):
        worst = 0.0
        for j in range(m):
            diagonal = gram[j, j]
            if diagonal > 0.0:
                old = w[j]
                new = prox(penalty, old + q[j] / diagonal, 1.0 / diagonal, j)
                if new != old:
                    w[j] = new
                    axpy(old - new, gram[j, :m], q)
                    worst = max(worst, diagonal * abs(new - old))
        if worst <= target:
            break
    return worst
