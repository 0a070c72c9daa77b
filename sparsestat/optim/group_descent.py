"""Penalised least squares on a Gram matrix by blocks: passes, gaps, Newton systems.

minimise w.T G w / 2 - c.T w + sum_g pen_g(w_g).  Every block is minimised exactly, or
nearly so, given the others; a block at zero costs one test of its gradient.  The exact
step of a group is that of Yang and Hastie (2024), arXiv:2405.08631.
"""

import numpy as np

from sparsestat.optim.certificate import scaled_gap
from sparsestat.optim.penalties import (
    block_conjugate,
    block_gauge,
    block_hessian,
    block_minimise,
    block_prox,
    block_reach,
    block_ridge,
    block_value,
)
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = [
    "block_stationarity",
    "block_sums",
    "block_total",
    "descend",
    "descend_rows",
    "fill_block_gauges",
    "newton_system",
    "rows_to_sweep",
    "split_newton_system",
    "sweep_block_of_rows",
    "sweep_residual",
    "tangents",
]

# Passes before their progress is judged.
_LEAST_PASSES = 4


@kernel
def descend(
    penalty, starts, gram, values, vectors, places, c, w, q, y2, target, budget
):
    """Passes over the blocks while they promise to reach the gap within the budget.

    Parameters
    ----------
    penalty : NamedTuple
        Restricted to the blocks.
    starts : ndarray of shape (n_blocks + 1,)
    gram : ndarray of shape (capacity, capacity)
        G in its leading block of size m = starts[-1].
    values, vectors, places : ndarray
        Eigenvalues of the blocks of G, their eigenvectors one matrix after another,
        and where each begins.
    c, w, q : ndarray of shape (m,)
        Linear term, coefficients, and q = c - G w; w and q change.
    y2 : float
        Square norm of the target.
    target : float
        Duality gap at which to stop.
    budget : int
        Most passes.

    Returns
    -------
    n_passes : int
    gap : float
        Duality gap on these blocks.
    moved : bool
        Whether the last pass changed anything.
    """
    m, gap, moved = len(w), np.inf, True
    largest = 0
    for g in range(len(starts) - 1):
        largest = max(largest, starts[g + 1] - starts[g])
    b_all, new_all = np.empty(largest), np.empty(largest)
    for n_passes in range(1, budget + 1):
        moved = False
        for g in range(len(starts) - 1):
            start, stop = starts[g], starts[g + 1]
            size = stop - start
            block, old = gram[start:stop, start:stop], w[start:stop]
            b, new = b_all[:size], new_all[:size]
            active = False
            for i in range(size):
                b[i], new[i] = q[start + i], old[i]
                active = active or old[i] != 0.0
            if active:
                for k in range(size):
                    axpy(old[k], block[k], b)
            elif block_gauge(penalty, b, g, start) <= 1.0:
                continue
            rotation = vectors[places[g] : places[g] + size * size]
            block_minimise(
                penalty,
                block,
                values[start:stop],
                rotation.reshape((size, size)),
                b,
                new,
                g,
                start,
            )
            for i in range(size):
                new[i], old[i] = new[i] - old[i], new[i]
                moved = moved or new[i] != 0.0
            _subtract_rows(new, gram[start:stop, :m], q)
        last, gap = gap, block_gap(penalty, starts, c, w, q, y2)
        if gap <= target or not moved:
            return n_passes, gap, moved
        if n_passes >= _LEAST_PASSES:
            if gap * (gap / last) ** (budget - n_passes) > target:
                return n_passes, gap, moved
    return budget, gap, moved


@kernel
def _subtract_rows(change, rows, q):
    """q -= change @ rows, four rows at a time."""
    size = len(change)
    k = 0
    while k + 4 <= size:
        a0, a1, a2, a3 = change[k], change[k + 1], change[k + 2], change[k + 3]
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        if a0 != 0.0 or a1 != 0.0 or a2 != 0.0 or a3 != 0.0:
            for i in range(len(q)):
                q[i] -= a0 * r0[i] + a1 * r1[i] + a2 * r2[i] + a3 * r3[i]
        k += 4
    while k < size:
        if change[k] != 0.0:
            axpy(-change[k], rows[k], q)
        k += 1


@kernel
def descend_rows(penalty, n_tasks, gram, c, w, q, y2, starts, target, budget):
    """As `descend` for rows of `n_tasks` coefficients with one Gram entry a pair.

    Parameters
    ----------
    gram : ndarray of shape (capacity, capacity)
        Of features, not of coefficients.
    c, w, q : ndarray of shape (n_rows * n_tasks,)
    """
    n_rows = len(w) // n_tasks
    gap, moved = np.inf, True
    change = np.empty(n_tasks)
    for n_passes in range(1, budget + 1):
        moved = False
        for j in range(n_rows):
            start = j * n_tasks
            curvature = gram[j, j]
            row, gradient = w[start : start + n_tasks], q[start : start + n_tasks]
            active = False
            for t in range(n_tasks):
                active = active or row[t] != 0.0
            if curvature <= 0.0:
                continue
            if not active and block_gauge(penalty, gradient, j, start) <= 1.0:
                continue
            for t in range(n_tasks):
                change[t] = row[t] + gradient[t] / curvature
            block_prox(penalty, change, 1.0 / curvature, j, start, change)
            different = False
            for t in range(n_tasks):
                change[t], row[t] = change[t] - row[t], change[t]
                different = different or change[t] != 0.0
            if not different:
                continue
            moved = True
            for i in range(n_rows):
                axpy(-gram[j, i], change, q[i * n_tasks : (i + 1) * n_tasks])
        last, gap = gap, block_gap(penalty, starts, c, w, q, y2)
        if gap <= target or not moved:
            return n_passes, gap, moved
        if n_passes >= _LEAST_PASSES:
            if gap * (gap / last) ** (budget - n_passes) > target:
                return n_passes, gap, moved
    return budget, gap, moved


@kernel
def block_gap(penalty, starts, c, w, q, y2):
    """Duality gap on these blocks: q = c - G w, y2 the square norm of the target."""
    value_sum, augmented2, largest, conjugates = block_sums(penalty, starts, w, q)
    fitted = dot(c, w)
    residual2 = max(y2 - fitted - dot(q, w), 0.0)
    return scaled_gap(
        residual2, y2 - fitted, value_sum, augmented2, largest, conjugates
    )


@kernel
def block_sums(penalty, starts, w, q):
    """sum pen_g(w_g), sum ridge_g |w_g|^2, largest gauge, sum pen*_g(q_g)."""
    value_sum, augmented2, largest, conjugates = 0.0, 0.0, 0.0, 0.0
    size = 0
    for g in range(len(starts) - 1):
        size = max(size, starts[g + 1] - starts[g])
    rest_all = np.empty(size)
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        if start == stop:
            continue
        ridge, rest = block_ridge(penalty, g), rest_all[: stop - start]
        value_sum += block_value(penalty, w[start:stop], g, start)
        for i in range(stop - start):
            rest[i] = q[start + i] - ridge * w[start + i]
            augmented2 += ridge * w[start + i] * w[start + i]
        largest = max(largest, block_gauge(penalty, rest, g, start))
        conjugates += block_conjugate(penalty, q[start:stop], g, start)
    return value_sum, augmented2, largest, conjugates


@kernel
def block_total(penalty, starts, w):
    """sum pen_g(w_g)."""
    total = 0.0
    for g in range(len(starts) - 1):
        total += block_value(penalty, w[starts[g] : starts[g + 1]], g, starts[g])
    return total


@kernel
def fill_block_gauges(penalty, features, starts, values, slack, skip, out):
    """Largest gauge of any correlations within a ball about `values`, block by block.

    `slack` are the radii; blocks in `skip`, and empty ones, get zero.
    """
    size = 0
    for g in range(len(starts) - 1):
        size = max(size, starts[g + 1] - starts[g])
    all_x = np.empty(size)
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        out[g] = 0.0
        if skip[g] or start == stop:
            continue
        x = all_x[: stop - start]
        for i in range(stop - start):
            x[i] = values[features[start + i]]
        out[g] = block_gauge(penalty, x, g, start)
        if slack[g] > 0.0:
            out[g] += slack[g] * block_reach(penalty, g, start, stop - start)


@kernel
def block_stationarity(penalty, starts, w, q, lipschitz):
    """Largest |w_g - prox_g(w_g + q_g / L_g)| L_g: the violated optimality."""
    worst = 0.0
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        if lipschitz[g] <= 0.0:
            continue
        step = 1.0 / lipschitz[g]
        moved = w[start:stop] + step * q[start:stop]
        block_prox(penalty, moved, step, g, start, moved)
        total = 0.0
        for i in range(stop - start):
            total += (moved[i] - w[start + i]) ** 2
        worst = max(worst, lipschitz[g] * np.sqrt(total))
    return worst


@kernel
def newton_system(penalty, starts, w, q, hessian, rhs):
    """Add the penalty's Hessian on the nonzero coefficients, and fill the right side.

    `hessian` holds the Gram matrix of the nonzero coefficients, in their order.
    """
    first = 0
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        size = 0
        for j in range(start, stop):
            size += w[j] != 0.0
        if size == 0:
            continue
        # A penalty sees its own block, zeros and all: then only the rest is kept.
        slope = np.empty(stop - start)
        bend = np.empty((stop - start, stop - start))
        block_hessian(penalty, w[start:stop], g, start, slope, bend)
        row = first
        for i in range(stop - start):
            if w[start + i] == 0.0:
                continue
            rhs[row] = q[start + i] - slope[i]
            column = first
            for k in range(stop - start):
                if w[start + k] != 0.0:
                    hessian[row, column] += bend[i, k]
                    column += 1
            row += 1
        first += size


@kernel
def sweep_residual(
    penalty, starts, columns, grams, values, vectors, places, w, q, r, kept_w, kept_r
):
    """Passes over the blocks that are nonzero, or too steep, on the residual.

    Parameters
    ----------
    columns : ndarray of shape (capacity, n_samples)
        Row k is the column of coefficient k.
    grams, values, vectors, places : ndarray
        Gram matrices of the blocks, their eigenvalues and eigenvectors, one matrix
        after another, and where each begins.
    w, q, r : ndarray
        Coefficients, correlations at the beginning, and residual; w and r change.
    kept_w, kept_r : ndarray
        Filled: what w and r are after each of as many passes as these have rows.

    Returns
    -------
    moved : bool
        Whether the last pass changed anything.
    """
    n_groups = len(starts) - 1
    chosen, n_chosen, largest = np.empty(n_groups, np.int64), 0, 0
    for g in range(n_groups):
        start, stop = starts[g], starts[g + 1]
        largest = max(largest, stop - start)
        active = False
        for i in range(start, stop):
            active = active or w[i] != 0.0
        if active or block_gauge(penalty, q[start:stop], g, start) > 1.0:
            chosen[n_chosen] = g
            n_chosen += 1
    b_all, new_all = np.empty(largest), np.empty(largest)
    moved = False
    for n in range(len(kept_w)):
        moved = False
        for g in chosen[:n_chosen]:
            start, stop = starts[g], starts[g + 1]
            size = stop - start
            old, b, new = w[start:stop], b_all[:size], new_all[:size]
            block = grams[places[g] : places[g] + size * size].reshape((size, size))
            for i in range(size):
                b[i], new[i] = dot(columns[start + i], r), old[i]
            for k in range(size):
                axpy(old[k], block[k], b)
            rotation = vectors[places[g] : places[g] + size * size]
            block_minimise(
                penalty,
                block,
                values[start:stop],
                rotation.reshape((size, size)),
                b,
                new,
                g,
                start,
            )
            for i in range(size):
                new[i], old[i] = new[i] - old[i], new[i]
                moved = moved or new[i] != 0.0
            _subtract_rows(new, columns[start:stop], r)
        last_w, last_r = kept_w[n], kept_r[n]
        for i in range(len(last_w)):
            last_w[i] = w[i]
        for i in range(len(last_r)):
            last_r[i] = r[i]
    return moved


@kernel
def rows_to_sweep(penalty, norms, w, q):
    """Rows of coefficients that are nonzero, or too steep.

    Parameters
    ----------
    norms : ndarray of shape (n_rows,)
        Square norms of their columns.
    w, q : ndarray of shape (n_rows, n_tasks)
        Coefficients and correlations.

    Returns
    -------
    chosen : ndarray of shape (n_rows,), bool
    """
    n_rows, n_tasks = w.shape
    chosen = np.zeros(n_rows, np.bool_)
    for j in range(n_rows):
        for t in range(n_tasks):
            chosen[j] = chosen[j] or w[j, t] != 0.0
        if not chosen[j] and norms[j] > 0.0:
            chosen[j] = block_gauge(penalty, q[j], j, j * n_tasks) > 1.0
    return chosen


@kernel
def sweep_block_of_rows(penalty, numbers, gram, w, q, change):
    """One pass over a few rows of coefficients, one for each column.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows,)
        Which rows these are.
    gram : ndarray of shape (n_rows, n_rows)
    w, q, change : ndarray of shape (n_rows, n_tasks)
        Coefficients, their correlations with the residuals, and zeros; w becomes the
        new coefficients, `change` what they change by.

    Returns
    -------
    moved : bool
        Whether anything changed.
    """
    n_rows, n_tasks = w.shape
    new = np.empty(n_tasks)
    moved = False
    for j in range(n_rows):
        row, step = w[j], 1.0 / gram[j, j]
        for t in range(n_tasks):
            new[t] = row[t] + step * q[j, t]
        block_prox(penalty, new, step, numbers[j], numbers[j] * n_tasks, new)
        different = False
        for t in range(n_tasks):
            change[j, t], row[t] = new[t] - row[t], new[t]
            different = different or change[j, t] != 0.0
        if different:
            moved = True
            for k in range(j + 1, n_rows):
                axpy(-gram[j, k], change[j], q[k])
    return moved


@kernel
def split_newton_system(penalty, starts, w, q, rhs, unit, bend, owner):
    """Right side, direction and curvature c_g of the nonzero blocks.

    The penalty's Hessian is c_g (I - u u.T) there, u being the direction of w_g in its
    nonzero coefficients.  `owner` counts the nonzero blocks, whose number is returned.
    """
    row, n_active = 0, 0
    for g in range(len(starts) - 1):
        start, stop = starts[g], starts[g + 1]
        size, length2 = 0, 0.0
        for j in range(start, stop):
            size += w[j] != 0.0
            length2 += w[j] * w[j]
        if size == 0:
            continue
        slope = np.empty(stop - start)
        hessian = np.empty((stop - start, stop - start))
        block_hessian(penalty, w[start:stop], g, start, slope, hessian)
        trace = 0.0
        for i in range(stop - start):
            if w[start + i] != 0.0:
                trace += hessian[i, i]
                rhs[row] = q[start + i] - slope[i]
                unit[row] = w[start + i] / np.sqrt(length2)
                owner[row] = n_active
                row += 1
        bend[n_active] = trace / (size - 1) if size > 1 else 0.0
        n_active += 1
    return n_active


@kernel
def tangents(columns, nonzero, unit, bend, owner, rows, radii):
    """Columns across the directions of their blocks, over the root of c_g, and along.

    Parameters
    ----------
    columns : ndarray of shape (capacity, n_samples)
    nonzero, unit, owner : ndarray of shape (size,)
    bend : ndarray of shape (n_active,)
    rows : ndarray of shape (size, n_samples)
        Filled: zero for blocks of one coefficient.
    radii : ndarray of shape (n_active, n_samples)
        Filled: the columns of w_g / |w_g|.
    """
    radii[:] = 0.0
    for k in range(len(nonzero)):
        axpy(unit[k], columns[nonzero[k]], radii[owner[k]])
    for k in range(len(nonzero)):
        factor = bend[owner[k]]
        factor = 1.0 / np.sqrt(factor) if factor > 0.0 else 0.0
        column, along, row = columns[nonzero[k]], radii[owner[k]], rows[k]
        for i in range(len(row)):
            row[i] = factor * (column[i] - unit[k] * along[i])
