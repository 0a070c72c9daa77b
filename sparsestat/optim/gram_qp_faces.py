"""Non-negative quadratic programmes with few columns: faces are inverted once.

Of 2^p faces rows meet a few hundred at most, so that a row costs two small products for
each face that it tries.  Faces are exchanged as a whole (Kim and Park (2011),
doi:10.1137/110821172), which may go round in circles: then, and where a face is nearly
dependent, the row is left to the method that cannot.
"""

import numpy as np

from sparsestat.optim.cholesky import solve, solve_transposed
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["FEW", "face_tables", "solve_by_faces"]

# Columns up to which rows need a few exchanges of whole faces.
FEW = 16
# Faces that are kept.
_CAPACITY = 1 << 11
# A member whose pivot is below this share of its diagonal makes a face dependent;
# errors of the inverse up to its square root are removed by a step of refinement.
_DEPENDENT = 1e-8
# Faces that a row tries, and rows that try one at once.
_ROUNDS, _WIDTH = 8, 128
_NEW, _UNSAFE = 0, -1


def face_tables(p: int) -> tuple[np.ndarray, ...]:
    """Room for faces of p columns, filled by `solve_by_faces` as they are met.

    The place of each face; its members and their number, and for place zero how many
    faces there are; its inverse; and what a sum of one adds to products with that.
    """
    size = min(1 << p, _CAPACITY) + 1
    return (
        np.zeros(1 << p, dtype=np.int16),
        np.zeros((size, p + 1), dtype=np.int64),
        np.empty((size, p, p)),
        np.empty((size, p)),
    )


@kernel
def solve_by_faces(G, C, simplex, tol, masks, tables, coef, n_moves, solved):
    """Minimise over the columns of C, from faces given by the bits of their members.

    Rows that have the same face try it together. Sets the last face of each, how many
    it has tried in vain, and whether its coefficients are the solution.
    """
    p, m = C.shape
    limits, places = np.zeros(m), np.empty(m, dtype=np.int64)
    left, order = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    starts = np.empty(len(tables[1]) + 1, dtype=np.int64)
    work, bits = np.empty((3 * p + 1, _WIDTH)), np.empty((2, _WIDTH), dtype=np.int64)
    for k in range(p):
        _raise_to_size(C[k], tol, limits)
    for r in range(m):
        left[r] = r
    n_left = m
    for moves in range(_ROUNDS):
        n_left = _places_of(G, C, simplex, masks, tables, left[:n_left], places)
        if n_left == 0:
            return
        n_faces = tables[1][0, 0]
        _sort(left[:n_left], places, starts[: n_faces + 2], order)
        n_left = 0
        for place in range(1, n_faces + 1):
            for first in range(starts[place], starts[place + 1], _WIDTH):
                rows = order[first : min(first + _WIDTH, starts[place + 1])]
                _try_face(
                    G, C, simplex, limits, tables[1][place], tables[2][place],
                    tables[3][place], rows, masks, coef, solved, work, bits,
                )  # fmt: skip
                for i in range(len(rows)):
                    r = rows[i]
                    n_moves[r] = moves
                    if not solved[r] and masks[r] >= 0:
                        left[n_left] = r
                        n_left += 1


@kernel
def _raise_to_size(c, tol, limits):
    for r in range(len(limits)):
        limits[r] = max(limits[r], tol * abs(c[r]))


@kernel
def _places_of(G, C, simplex, masks, tables, left, places):
    """Where the faces of the rows are kept; rows without are given up.

    Returns how many are left, which are the first then.
    """
    n_left = 0
    for i in range(len(left)):
        r = left[i]
        if masks[r] == 0 and simplex:
            masks[r] = 1 << _best_vertex(G, C, r)
        place = tables[0][masks[r]]
        if place == _NEW:
            place = _invert(G, simplex, masks[r], tables)
        if place != _UNSAFE:
            places[r] = place
            left[n_left] = r
            n_left += 1
    return n_left


@kernel
def _sort(left, places, starts, order):
    """Rows in the order of their places, and where those of each place start."""
    for i in range(len(starts)):
        starts[i] = 0
    for i in range(len(left)):
        starts[places[left[i]]] += 1
    total = 0
    for i in range(len(starts)):
        total += starts[i]
        starts[i] = total
    for i in range(len(left) - 1, -1, -1):
        place = places[left[i]]
        starts[place] -= 1
        order[starts[place]] = left[i]


@kernel
def _best_vertex(G, C, r):
    best, j = np.inf, 0
    for k in range(len(G)):
        value = 0.5 * G[k, k] - C[k, r]
        if value < best:
            best, j = value, k
    return j


@kernel
def _try_face(
    G, C, simplex, limits, face, inverse, offset, rows, masks, coef, solved, work, bits
):
    """Minimise on a face; rows for which it is not the right one get the next.

    A negative mask is that of a row which one step of refinement takes off the face.
    """
    p, m = C.shape[0], len(rows)
    n = face[p]
    c, a, g = work[:p, :m], work[p : 2 * p, :m], work[2 * p : 3 * p, :m]
    level, negative, rising = work[3 * p, :m], bits[0, :m], bits[1, :m]
    for k in range(p):
        _gather(C[k], rows, c[k])
    for i in range(n):
        _fill(offset[face[i]], a[i])
        for j in range(n):
            axpy(inverse[face[i], face[j]], c[face[j]], a[i])
    _note_not_positive(face, n, a, negative)
    _slopes(G, face, n, a, c, g)
    for i in range(n):
        for j in range(n):
            axpy(inverse[face[i], face[j]], g[face[j]], a[i])
    _slopes(G, face, n, a, c, g)
    for i in range(m):
        level[i], rising[i] = 0.0, 0
    if simplex:
        for i in range(n):
            axpy(1.0 / n, g[face[i]], level)
    mask = masks[rows[0]]
    for k in range(p):
        if not (mask >> k) & 1:
            for i in range(m):
                rising[i] |= (g[k, i] - level[i] > limits[rows[i]]) << k
    for i in range(m):
        if negative[i]:
            masks[rows[i]] = mask ^ negative[i]
        elif rising[i]:
            masks[rows[i]] = mask | rising[i]
        else:
            solved[rows[i]] = True
    _note_not_positive(face, n, a, negative)
    for i in range(m):
        if negative[i] and solved[rows[i]]:
            solved[rows[i]], masks[rows[i]] = False, -1 - mask
    for k in range(p):
        _fill(0.0, c[k])
    for i in range(n):
        _fill(0.0, c[face[i]])
        axpy(1.0, a[i], c[face[i]])
    for k in range(p):
        _scatter(c[k], rows, coef[k])


@kernel
def _gather(values, rows, out):
    for i in range(len(rows)):
        out[i] = values[rows[i]]


@kernel
def _scatter(values, rows, out):
    for i in range(len(rows)):
        out[rows[i]] = values[i]


@kernel
def _fill(value, out):
    for i in range(len(out)):
        out[i] = value


@kernel
def _note_not_positive(face, n, a, found):
    """The bits of members whose coefficients are not positive."""
    for r in range(len(found)):
        found[r] = 0
    for i in range(n):
        values = a[i]
        for r in range(len(found)):
            found[r] |= (values[r] <= 0.0) << face[i]


@kernel
def _slopes(G, face, n, a, c, g):
    """g = c - G a."""
    for k in range(len(g)):
        _fill(0.0, g[k])
        axpy(1.0, c[k], g[k])
        for i in range(n):
            axpy(-G[k, face[i]], a[i], g[k])


@kernel
def _invert(G, simplex, mask, tables):
    """Invert a face; with a sum of one, project the inverse on what keeps it.

    Returns its place, or that there is none.
    """
    places, members, inverses, offsets = tables
    p, place = len(G), members[0, 0] + 1
    if place == len(members):
        return _UNSAFE
    face, inverse, offset = members[place], inverses[place], offsets[place]
    R, x = np.empty((p, p)), np.empty(p)
    n = 0
    places[mask] = _UNSAFE
    for j in range(p):
        offset[j] = 0.0
        for k in range(p):
            inverse[j, k] = 0.0
        if (mask >> j) & 1:
            for i in range(n):
                x[i] = G[face[i], j]
            solve_transposed(R, n, x)
            pivot = G[j, j] - dot(x[:n], x[:n])
            if not pivot > _DEPENDENT * G[j, j]:
                return _UNSAFE
            for i in range(n):
                R[i, n] = x[i]
            R[n, n] = np.sqrt(pivot)
            face[n] = j
            n += 1
    face[p] = n
    ones = 0.0
    for i in range(n):
        for k in range(n):
            x[k] = 0.0
        x[i] = 1.0
        solve(R, n, x)
        for k in range(n):
            inverse[face[i], face[k]] = x[k]
            offset[face[i]] += x[k]
            ones += x[k]
    for i in range(n):
        j = face[i]
        if simplex:
            for k in range(n):
                projection = offset[j] * offset[face[k]] / ones
                inverse[j, face[k]] -= projection if n > 1 else inverse[j, j]
        else:
            offset[j] = 0.0
    for i in range(n):
        offset[face[i]] /= ones if simplex else 1.0
    members[0, 0], places[mask] = place, place
    return place
