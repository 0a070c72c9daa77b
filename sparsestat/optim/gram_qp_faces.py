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
# Faces that a row tries.
_ROUNDS = 8
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
def solve_by_faces(G, c, simplex, tol, mask, tables, a, g):
    """Minimise over one row, from a face given by the bits of its members.

    Returns the last face, how many were exchanged, and whether a is the solution.
    """
    places, members, inverses, offsets = tables
    p = len(c)
    largest = 0.0
    for k in range(p):
        largest = max(largest, abs(c[k]))
    limit = tol * largest
    for moves in range(_ROUNDS):
        if mask == 0 and simplex:
            mask = 1 << _best_vertex(G, c)
        place = places[mask]
        if place == _NEW:
            place = _invert(G, simplex, mask, tables)
        if place == _UNSAFE:
            return mask, moves, False
        face, inverse, offset = members[place], inverses[place], offsets[place]
        n = face[p]
        for k in range(p):
            a[k] = offset[k]
        for i in range(n):
            axpy(c[face[i]], inverse[face[i]], a)
        negative = _not_positive(face, n, a)
        if negative:
            mask ^= negative
            continue
        level, error = _slopes(G, c, simplex, face, n, a, g)
        if error > 1e-3 * limit:
            for i in range(n):
                axpy(g[face[i]], inverse[face[i]], a)
            if _not_positive(face, n, a):
                return mask, moves, False
            level, error = _slopes(G, c, simplex, face, n, a, g)
        rising = 0
        for k in range(p):
            if g[k] - level > limit and not (mask >> k) & 1:
                rising |= 1 << k
        if rising == 0:
            return mask, moves, True
        mask |= rising
    return mask, _ROUNDS, False


@kernel
def _best_vertex(G, c):
    best, j = np.inf, 0
    for k in range(len(c)):
        value = 0.5 * G[k, k] - c[k]
        if value < best:
            best, j = value, k
    return j


@kernel
def _not_positive(face, n, a):
    found = 0
    for i in range(n):
        if a[face[i]] <= 0.0:
            found |= 1 << face[i]
    return found


@kernel
def _slopes(G, c, simplex, face, n, a, g):
    """g = c - G a, its level on the face, and how far it is from that."""
    for k in range(len(c)):
        g[k] = c[k]
    for i in range(n):
        axpy(-a[face[i]], G[face[i]], g)
    level, error = 0.0, 0.0
    if simplex:
        for i in range(n):
            level += g[face[i]]
        level /= n
    for i in range(n):
        error = max(error, abs(g[face[i]] - level))
    return level, error


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
