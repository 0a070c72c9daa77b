"""Penalised least squares on a Gram matrix: coordinate descent and face Newton steps.

minimise w.T G w / 2 - c.T w + sum_j pen_j(w_j) for separable penalties that are
quadratic on each face (a fixed set of nonzero coefficients with fixed signs).
Coordinate descent finds the face, Newton steps with a ratio test solve it exactly, and
one Cholesky factor of the active block follows by bordering and downdating.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.certificate import (
    penalty_value,
    restricted_gap,
    unpenalised_stationary,
)
from sparsestat.optim.cholesky import PIVOT, append, delete, solve
from sparsestat.optim.penalties import curvature, prox, restrict, slope
from sparsestat.optim.vector import axpy
from sparsestat.utils.dispatch import kernel

__all__ = ["minimise_on_gram"]

# New columns of the factor taken at once: each row of it is read once for all.
_BLOCK = 32
# Factoring n features takes as long as a pass of coordinate descent for this many.
_PASSES = 50
# Coefficients that may leave the support one by one, each with an update of the factor.
_FEW_CROSSINGS = 16
# Passes in which new coefficients may vanish again, when many are new, and rounds that
# rather take back new collinear ones than slide along each of them.
_SETTLE = 4
_TAKE_BACK = 20


def minimise_on_gram(
    penalty,
    unpenalised,
    gram,
    c,
    w,
    q,
    active,
    n_active,
    factor,
    ridge,
    y2,
    target,
    max_rounds,
    try_passes=True,
):
    """Minimise in place until the duality gap on these features is below `target`.

    Parameters
    ----------
    penalty : NamedTuple
        Restricted to the m features.
    unpenalised : ndarray of int64
        Which of them have weight zero.
    gram : ndarray of shape (capacity, capacity)
        G in its leading (m, m) block.
    c, w, q : ndarray of shape (m,)
        Linear term, coefficients and gradient q = c - G w; w and q change.
    active : ndarray of int64, shape (capacity,)
        Features in the factor, in its order; changes.
    n_active : int
        How many of them.
    factor : ndarray of shape (capacity, capacity)
        Cholesky factor of G + diag(ridge) on the active features; changes.
    ridge : ndarray of shape (m,)
        Penalty curvatures that the factor was built with; changes.
    y2 : float
        Weighted square norm of the target, so that the least squares term is
        (y2 - 2 c.T w + w.T G w) / 2.
    target : float
        Duality gap at which to stop.
    max_rounds : int
        Rounds of Newton and coordinate steps at most.
    try_passes : bool, default=True
        Where there is no factor to go on with, try coordinate descent first.

    Returns
    -------
    n_active, n_rounds : int
        There is no factor, n_active = 0, where coordinate descent was enough.
    gap : float
        Duality gap on these features.
    """
    m = len(w)
    free, skipped = np.empty(m, np.bool_), np.zeros(m, np.bool_)
    if not start_face(penalty, active, n_active, ridge, free):
        n_active = 0
    gap, n_round = np.inf, 0
    if n_active == 0 and try_passes:
        gap, solved = _descend(penalty, unpenalised, gram, c, w, q, y2, target)
        if solved:
            return 0, 1, gap
    while n_round < max_rounds:
        n_round += 1
        skipped[:] = False  # what was collinear may not be since the last drops
        new = np.flatnonzero((w != 0.0) | free)
        if len(new) - n_active > max(_BLOCK, n_active // 4):
            n_active = _refactor(gram, new, active, n_active, factor, ridge)
        n_active = border_factor(
            gram, w, free, skipped, active, n_active, factor, ridge
        )
        surplus = np.flatnonzero(skipped & (w != 0.0))  # collinear
        if len(surplus) > _FEW_CROSSINGS and n_round <= _TAKE_BACK:
            move(gram, surplus, -w[surplus], q)
            w[surplus] = 0.0
        for _ in range(np.count_nonzero(w[skipped])):
            slide(penalty, gram, w, q, free, skipped, active, n_active, factor, ridge)
            n_active, _ = newton(penalty, gram, w, q, free, active, n_active, factor, m)
            skipped[:] = False
            n_active = border_factor(
                gram, w, free, skipped, active, n_active, factor, ridge
            )
        few = max(_FEW_CROSSINGS, n_active // 50)
        n_active, done = newton(
            penalty, gram, w, q, free, active, n_active, factor, few
        )
        if not done:
            n_active = _leap(penalty, gram, w, q, free, active, n_active, factor, ridge)
            n_active, _ = newton(penalty, gram, w, q, free, active, n_active, factor, m)
        gap = restricted_gap(penalty, c, w, q, y2)
        if gap <= target and unpenalised_stationary(
            penalty, unpenalised, w, q, gram, y2
        ):
            break
        inside = np.count_nonzero(w)
        moved = coordinate_pass(penalty, gram, w, q, skipped, True)
        entered = np.count_nonzero(w) - inside
        if not moved and not coordinate_pass(penalty, gram, w, q, skipped, False):
            break
        if entered > max(_BLOCK, n_active // 8):
            # Most leave again soon, at less cost now than from the factor.
            for _ in range(_SETTLE):
                coordinate_pass(penalty, gram, w, q, skipped, False)
    return n_active, n_round, gap


def _descend(penalty, unpenalised, gram, c, w, q, y2, target) -> tuple[float, bool]:
    """Passes of coordinate descent while they promise to be cheaper than a factor.

    Where features hardly correlate a few passes do; with elastic nets there is a new
    factor to be made for every strength.
    """
    nobody = np.zeros(len(w), np.bool_)
    gap, budget = np.inf, np.count_nonzero(w) // _PASSES
    for n_left in range(budget, 0, -1):
        coordinate_pass(penalty, gram, w, q, nobody, False)
        last, gap = gap, restricted_gap(penalty, c, w, q, y2)
        if gap <= target:
            return gap, unpenalised_stationary(penalty, unpenalised, w, q, gram, y2)
        if gap * (gap / last) ** (n_left - 1) > target:
            break
    return gap, False


def _leap(penalty, gram, w, q, free, active, n_active, factor, ridge) -> int:
    """A Newton step of which all coefficients that would change sign end at zero.

    Worth a new factor where they are many; taken only if the objective falls.
    """
    support = active[:n_active].copy()
    step = np.empty(n_active)
    face_step(penalty, w, q, support, factor, step)
    before = w[support]
    after = np.where(
        free[support] | (before * (before + step) > 0.0), before + step, 0.0
    )
    left = np.flatnonzero((after == 0.0) & ~free[support])
    moved = q.copy()
    move(gram, support, after - before, moved)
    fall = 0.5 * float((after - before) @ (q + moved)[support])
    local = restrict(penalty, support)
    if not fall > penalty_value(local, after) - penalty_value(local, before):
        return n_active
    w[support], q[:] = after, moved
    return _refactor(gram, np.delete(support, left), active, n_active, factor, ridge)


def _refactor(gram, support, active, n_active, factor, ridge) -> int:
    """Factor the Gram matrix of the support anew, by LAPACK; keep the old if singular.

    Cheaper than bordering when much is new.
    """
    m = len(support)
    block = gram[np.ix_(support, support)]
    block.flat[:: m + 1] += ridge[support]
    smallest = PIVOT * block.diagonal()
    # A lower factor in Fortran order is an upper one in C order.
    lower, info = dpotrf(block.T, lower=True, overwrite_a=True, clean=False)
    if info != 0 or (lower.diagonal() ** 2 <= smallest).any():
        return n_active
    factor[:m, :m] = lower.T
    active[:m] = support
    return m


@kernel
def start_face(penalty, active, n_active, ridge, free):
    """Note which coefficients have no kink at zero, and the penalty's curvatures.

    Returns whether the factor still holds, that is, was built with these curvatures.
    """
    same = True
    for k in range(n_active):
        same = same and ridge[active[k]] == curvature(penalty, 1.0, active[k])
    for j in range(len(ridge)):
        ridge[j] = curvature(penalty, 1.0, j)
        free[j] = prox(penalty, -1e-300, 1.0, j) != 0.0
    return same


@kernel
def border_factor(gram, w, free, skipped, active, n_active, factor, ridge):
    """Bring the features that became nonzero into the factor, unless collinear."""
    m = len(w)
    inside = np.empty(m, np.bool_)
    for j in range(m):
        inside[j] = False
    for k in range(n_active):
        inside[active[k]] = True
    new = np.empty(m, np.int64)
    n_new = 0
    for j in range(m):
        if (w[j] != 0.0 or free[j]) and not inside[j] and not skipped[j]:
            new[n_new] = j
            n_new += 1
    start = 0
    while start < n_new:
        n_block = min(_BLOCK, n_new - start)
        rows = np.empty((n_block, n_active))
        block = np.empty((n_block, n_block))
        added = np.empty(n_block, np.bool_)
        for k in range(n_block):
            source = gram[new[start + k]]
            for i in range(n_active):
                rows[k, i] = source[active[i]]
            for i in range(n_block):
                block[k, i] = source[new[start + i]]
            block[k, k] += ridge[new[start + k]]
        append(factor, n_active, rows, block, added)
        for k in range(n_block):
            if added[k]:
                active[n_active] = new[start + k]
                n_active += 1
            else:
                skipped[new[start + k]] = True
        start += n_block
    return n_active


@kernel
def slide(penalty, gram, w, q, free, skipped, active, n_active, factor, ridge):
    """Move a collinear coefficient and the active ones along their common fit.

    The fit stays and the penalty falls until one of them reaches zero, so the support
    loses a coefficient.
    """
    m = len(w)
    for j in range(m):
        if not skipped[j] or w[j] == 0.0:
            continue
        step = np.empty(n_active)
        for k in range(n_active):
            step[k] = -gram[j, active[k]]
        solve(factor, n_active, step)
        # The fit does not bend along this direction, only the penalty may.
        descent, bend = q[j] - slope(penalty, w[j], j), ridge[j]
        for k in range(n_active):
            a = active[k]
            if step[k] * step[k] * gram[a, a] <= PIVOT * PIVOT * gram[j, j]:
                step[k] = 0.0  # rounding: not part of what is collinear
            bend += step[k] * step[k] * ridge[a]
            if w[a] != 0.0:
                descent += step[k] * (q[a] - slope(penalty, w[a], a))
        sign = 1.0 if descent > 0.0 else -1.0
        length, hit = np.inf, np.int64(-1)
        if bend > 0.0:
            length = abs(descent) / bend
        if not free[j] and sign * w[j] < 0.0 and abs(w[j]) <= length:
            length, hit = abs(w[j]), np.int64(j)
        for k in range(n_active):
            a = active[k]
            if not free[a] and sign * step[k] * w[a] < 0.0:
                reach = abs(w[a] / step[k])
                if reach < length:
                    length, hit = reach, np.int64(a)
        if length == np.inf:
            continue
        w[j] += sign * length
        axpy(-sign * length, gram[j, :m], q)
        for k in range(n_active):
            w[active[k]] += sign * length * step[k]
            axpy(-sign * length * step[k], gram[active[k], :m], q)
        if hit >= 0:
            w[hit] = 0.0
        return


@kernel
def face_step(penalty, w, q, support, factor, step):
    """Newton step of the coefficients in the factor."""
    for k in range(len(support)):
        j = support[k]
        step[k] = q[j]
        if w[j] != 0.0:
            step[k] -= slope(penalty, w[j], j)
    solve(factor, len(support), step)


@kernel
def move(gram, support, change, q):
    """q less what changes of coefficients add to the fit."""
    for k in range(len(support)):
        if change[k] != 0.0:
            axpy(-change[k], gram[support[k], : len(q)], q)


@kernel
def newton(penalty, gram, w, q, free, active, n_active, factor, most):
    """Newton steps on the face, dropping coefficients as they reach zero.

    Returns the number of those left, and whether the steps were taken: not where more
    than `most` would have to be dropped.
    """
    m = len(w)
    n_zero = 0
    for k in range(n_active):
        if w[active[k]] == 0.0 and not free[active[k]]:
            n_zero += 1
    if n_zero > most:
        return n_active, False
    first = True
    n_touched = n_active
    touched, start = np.empty(n_active, np.int64), np.empty(n_active)
    rhs, step = np.empty(n_active), np.empty(n_active)
    for k in range(n_active):
        j = active[k]
        touched[k], start[k] = j, w[j]
        rhs[k] = q[j]
        if w[j] != 0.0:
            rhs[k] -= slope(penalty, w[j], j)
    while True:
        theta, hit = 1.0, np.int64(-1)
        for k in range(n_active):
            step[k] = rhs[k]
            if w[active[k]] == 0.0 and not free[active[k]]:
                theta, hit = 0.0, np.int64(k)
        if hit < 0:
            solve(factor, n_active, step)
            n_hits = 0
            for k in range(n_active):
                j = active[k]
                if not free[j] and w[j] * (w[j] + step[k]) <= 0.0:
                    n_hits += 1
                    ratio = -w[j] / step[k]
                    if ratio < theta:
                        theta, hit = ratio, np.int64(k)
            if first and n_hits > most:
                return n_active, False
            first = False
            for k in range(n_active):
                w[active[k]] += theta * step[k]
            if hit < 0:
                break
        w[active[hit]] = 0.0
        delete(factor, n_active, hit)
        n_active -= 1
        for k in range(hit, n_active):
            active[k] = active[k + 1]
            rhs[k] = rhs[k + 1]
        # The residual of the Newton system shrinks along the step.
        for k in range(n_active):
            rhs[k] *= 1.0 - theta
    for k in range(n_touched):
        change = w[touched[k]] - start[k]
        if change != 0.0:
            axpy(-change, gram[touched[k], :m], q)
    return n_active, True


@kernel
def settle(penalty, gram, w, q, most):
    """Passes of coordinate descent until one changes no sign, `most` of them."""
    m = len(w)
    skipped, before = np.zeros(m, np.bool_), np.empty(m)
    for _ in range(most):
        for j in range(m):
            before[j] = w[j]
        coordinate_pass(penalty, gram, w, q, skipped, False)
        changed = False
        for j in range(m):
            changed |= (w[j] > 0.0) != (before[j] > 0.0)
            changed |= (w[j] < 0.0) != (before[j] < 0.0)
        if not changed:
            return


@kernel
def coordinate_pass(penalty, gram, w, q, skipped, only_new):
    """One pass of coordinate descent, over all or only outside the factor."""
    m = len(w)
    moved = False
    for j in range(m):
        if only_new and w[j] != 0.0 and not skipped[j]:
            continue
        diagonal = gram[j, j]
        if diagonal <= 0.0:
            continue
        old = w[j]
        new = prox(penalty, old + q[j] / diagonal, 1.0 / diagonal, j)
        if new != old:
            w[j] = new
            axpy(old - new, gram[j, :m], q)
            moved = True
    return moved
