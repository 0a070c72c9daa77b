"""Non-negative quadratic programmes on a Gram matrix, one for each row, exactly.

minimise   a.T G a / 2 - c.T a    over a >= 0, and sum(a) = 1 if asked for,

by a primal active-set method: the rows of a face keep their gradient at zero (or at
one common value), so a new member moves the others along one direction, until it joins
them or one of them leaves.  Every move lowers the objective, hence the method ends at
the minimiser after finitely many.  After Lawson and Hanson, Solving Least Squares
Problems (1974), chapter 23, and Bro and De Jong (1997), doi:10.1002/(SICI)1099-128X.
"""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from sparsestat.optim.gram_qp_faces import FEW, face_tables, solve_by_faces
from sparsestat.optim.inverse_factor import border, halve, remove, solve, unite
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = [
    "BLOCK",
    "EXCLUDED",
    "GramQP",
    "gram_qp",
    "simplex_gap",
    "solve_few",
    "solve_row",
]

# Rows that a thread takes at once; not a matter of n_jobs, so that bits are not either.
BLOCK = 1 << 14
# A direction whose curvature is below this share of the diagonal is flat.
_FLAT = 1e-13
# State of a coefficient that has to be zero; others are out (0), in (1), or wait (2).
EXCLUDED = 3
# Moves, as a multiple of the number of columns.
_MOVES = 10


class GramQP(NamedTuple):
    """Solutions of `gram_qp`.

    Parameters
    ----------
    coef : ndarray of shape (n_rows, n_columns)
        Minimisers.
    n_moves : ndarray of shape (n_rows,), int64
        Moves of the active-set method.
    solved : ndarray of shape (n_rows,), bool
        Whether the optimality conditions hold to the tolerance.
    """

    coef: np.ndarray
    n_moves: np.ndarray
    solved: np.ndarray


def gram_qp(
    gram: np.ndarray,
    products: np.ndarray,
    *,
    linear: float | np.ndarray = 0.0,
    sum_to_one: bool = False,
    start: np.ndarray | None = None,
    tol: float = 1e-12,
    n_jobs: int | None = None,
) -> GramQP:
    """Minimise a.T G a / 2 - c.T a over a >= 0 for many rows c.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns) or (n_rows, n_columns, n_columns)
        G, symmetric and positive semi-definite, of all rows or one for each.
    products : ndarray of shape (n_rows, n_columns)
        The rows c, linear penalties subtracted; float32 gives float32 solutions, which
        are computed in double precision all the same.
    linear : float or ndarray that broadcasts to the products, default=0.0
        Linear penalties that are still to be subtracted.
    sum_to_one : bool, default=False
        Whether every solution sums to one.
    start : ndarray of shape (n_rows, n_columns), default=None
        Coefficients whose positive entries are a guess of those of the solution.
    tol : float, default=1e-12
        Largest derivative, relative to the largest entry of a row c, along which a
        coefficient of zero may still rise.
    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Returns
    -------
    solution : GramQP

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.gram_qp import gram_qp
    >>> gram_qp(np.eye(3), np.array([[0.5, 0.2, -0.1]])).coef
    array([[0.5, 0.2, 0. ]])
    >>> gram_qp(np.eye(3), np.array([[1.2, 0.3, -0.5]]), sum_to_one=True).coef
    array([[0.95, 0.05, 0.  ]])
    """
    n_rows, p = products.shape
    scale = np.trace(gram, axis1=-2, axis2=-1) / p
    scale = np.where(scale > 0.0, scale, 1.0)[..., None]
    G = np.array(gram, dtype=np.float64, order="C") / scale[..., None]
    if sum_to_one:
        # The sum is known, so this changes the objective by a constant; it makes a
        # face of affinely independent points positive definite.
        G += 1.0
    dtype = np.float32 if products.dtype == np.float32 else np.float64
    found = GramQP(
        np.empty((n_rows, p), dtype=dtype),
        np.zeros(n_rows, dtype=np.int64),
        np.ones(n_rows, dtype=bool),
    )
    guessed, linear = start is not None, np.asarray(linear, dtype=np.float64)

    def run(first):
        rows = slice(first, first + BLOCK)
        own = _rows(linear, products, rows)
        few = G.ndim == 2 and p <= FEW
        # Few columns are contiguous, so that rows are taken many at a time.
        c = np.empty(products[rows].shape, order="F" if few else "C")
        np.subtract(products[rows], own, out=c, dtype=np.float64)
        c /= _rows(scale, products, rows)
        if sum_to_one:
            c += 1.0
        guess = start[rows] if guessed else np.zeros((1, p))
        guess = np.ascontiguousarray(guess, dtype=np.float64)
        coef = np.zeros_like(c)
        options = guess, guessed, sum_to_one, tol
        outputs = found.n_moves[rows], found.solved[rows]
        if few:
            solve_few(G, c.T, *options, face_tables(p), coef.T, *outputs)
        elif G.ndim == 3:
            _solve_each(G[rows], c, *options, coef, *outputs)
        else:
            _solve_rows(G, c, *options, coef, *outputs)
        found.coef[rows] = coef

    firsts = range(0, n_rows, BLOCK)
    if len(firsts) == 1:
        run(0)
    else:
        Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(run)(i) for i in firsts)
    return found


def _rows(values, products, rows):
    """Those rows of what has one for each row of the products, or the same for all."""
    each = values.ndim == 2 and len(values) == len(products)
    return values[rows] if each else values


def simplex_gap(gradient: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Bound of the suboptimality of points of the simplex, a row each.

    Parameters
    ----------
    gradient, coef : ndarray of shape (n_rows, n_columns)
        Gradients of convex functions at points with non-negative entries of sum one.

    Returns
    -------
    gap : ndarray of shape (n_rows,)
        gradient.T coef - min(gradient), the gap of Frank and Wolfe.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.gram_qp import simplex_gap
    >>> simplex_gap(np.array([[1.0, 3.0]]), np.array([[0.5, 0.5]]))
    array([1.])
    """
    return np.einsum("np,np->n", gradient, coef) - gradient.min(axis=1)


@kernel
def solve_few(G, C, guess, guessed, simplex, tol, tables, coef, n_moves, solved):
    """Rows of few coefficients; those that faces leave go through single moves.

    Here columns are rows of arrays, as many as the matrix has, and rows columns.
    """
    p, m = C.shape
    masks = np.zeros(m, dtype=np.int64)
    for r in range(m):
        solved[r], n_moves[r] = False, 0
        for k in range(p):
            if not guessed or guess[r, k] > 0.0:
                masks[r] |= 1 << k
    solve_by_faces(G, C, simplex, tol, masks, tables, coef, n_moves, solved)
    R = np.empty((p, p))
    face, left = np.empty(p, dtype=np.int64), np.empty(p, dtype=np.int64)
    state = np.empty(p, dtype=np.int8)
    work, c, a = np.empty((6, p)), np.empty(p), np.empty(p)
    for r in range(m):
        if not solved[r]:
            mask = masks[r] if masks[r] >= 0 else -1 - masks[r]
            for k in range(p):
                c[k], a[k] = C[k, r], 0.0
                state[k] = (mask >> k) & 1
            moves, solved[r] = solve_row(
                G, c, simplex, tol, R, face, left, state, work, a
            )
            n_moves[r] += moves
            for k in range(p):
                coef[k, r] = a[k]


@kernel
def _solve_rows(G, C, guess, guessed, simplex, tol, coef, n_moves, solved):
    p = len(G)
    R = np.empty((p, p))
    face, left = np.empty(p, dtype=np.int64), np.empty(p, dtype=np.int64)
    state = np.empty(p, dtype=np.int8)
    work = np.empty((6, p))
    for row in range(len(C)):
        a = coef[row]
        for k in range(p):
            a[k] = 0.0
            state[k] = guess[row * guessed, k] > 0.0
        n_moves[row], solved[row] = solve_row(
            G, C[row], simplex, tol, R, face, left, state, work, a
        )


@kernel
def solve_row(G, c, simplex, tol, R, face, left, state, work, a):
    """Minimise over one row of coefficients, those whose state is EXCLUDED at zero.

    States of one are a guess of the positive coefficients, and tell those of the
    solution after; a is zero before. Returns the moves, and whether they were enough.
    """
    g = work[0]
    largest = 0.0
    for k in range(len(c)):
        largest = max(largest, abs(c[k]))
    n = _factorise(G, R, face, state, work)
    n = _start_at(G, c, simplex, R, face, n, state, work, a)
    if n == 0 and simplex:
        n = _start_at_vertex(G, c, R, face, state, a)
    limit, moves, more = tol * largest, 0, 0
    for _ in range(3):
        _gradient(G, c, face, n, a, g)
        if moves > 0:
            _refine(G, simplex, R, face, n, work, a, g)
        n, more = _descend(G, simplex, limit, R, face, left, n, state, work, a, g)
        moves += more
        if more == 0:
            break
    return moves, more < _MOVES * len(c)


@kernel
def _solve_each(G, C, guess, guessed, simplex, tol, coef, n_moves, solved):
    """Rows with matrices of their own."""
    for i in range(len(C)):
        k, own = i + 1, guess[i * guessed : i * guessed + 1]
        _solve_rows(
            G[i], C[i:k], own, guessed, simplex, tol, coef[i:k], n_moves[i:k],
            solved[i:k],
        )  # fmt: skip


@kernel
def _gradient(G, c, face, n, a, g):
    """g = c - G a, the slope with which each coefficient would lower the objective."""
    for k in range(len(c)):
        g[k] = c[k]
    for i in range(n):
        axpy(-a[face[i]], G[face[i]], g)


@kernel
def _subtract(G, a, old, changed, g):
    """g -= G (a - old), over the coefficients that have changed, four at a time."""
    n = len(changed)
    for i in range(0, n - n % 4, 4):
        k0, k1, k2, k3 = changed[i], changed[i + 1], changed[i + 2], changed[i + 3]
        s0, s1, s2, s3 = (
            old[k0] - a[k0],
            old[k1] - a[k1],
            old[k2] - a[k2],
            old[k3] - a[k3],
        )
        r0, r1, r2, r3 = G[k0], G[k1], G[k2], G[k3]
        for k in range(len(g)):
            g[k] += s0 * r0[k] + s1 * r1[k] + s2 * r2[k] + s3 * r3[k]
    for i in range(n - n % 4, n):
        k0 = changed[i]
        axpy(old[k0] - a[k0], G[k0], g)


@kernel
def _join(G, R, face, n, state, x, pivot, j):
    """Border the factor by column j, of whose solution x is the first half."""
    border(R, n, x, pivot)
    face[n] = j
    state[j] = 1
    return n + 1


@kernel
def _start_at_vertex(G, c, R, face, state, a):
    best, j = np.inf, 0
    for k in range(len(c)):
        value = 0.5 * G[k, k] - c[k]
        if state[k] != EXCLUDED and value < best:
            best, j = value, k
    a[j] = 1.0
    return _join(G, R, face, 0, state, a, G[j, j], j)


@kernel
def _halve_column(G, R, face, n, j, column, x):
    """First half of the solution for column j on the face, and its pivot."""
    row = G[j]
    for i in range(n):
        column[i] = row[face[i]]
    halve(R, n, column, x)
    return G[j, j] - dot(x[:n], x[:n])


@kernel
def _factorise(G, R, face, state, work):
    """Factor the face that the state tells, less members that depend on others."""
    n, x = 0, work[1]
    for j in range(len(G)):
        if state[j] == 1:
            pivot = _halve_column(G, R, face, n, j, work[5], x)
            if pivot > _FLAT * G[j, j]:
                n = _join(G, R, face, n, state, x, pivot, j)
            else:
                state[j] = 0
    return n


@kernel
def _start_at(G, c, simplex, R, face, n, state, work, a):
    """Minimise on a face, less members that come out negative."""
    s, z = work[2], work[3]
    while n > 0:
        total, ones = 0.0, 0.0
        for i in range(n):
            s[i] = c[face[i]]
        solve(R, n, s, work[1])
        if simplex:
            for i in range(n):
                z[i] = 1.0
            solve(R, n, z, work[1])
            for i in range(n):
                total += s[i]
                ones += z[i]
            shift = (1.0 - total) / ones
            for i in range(n):
                s[i] += shift * z[i]
        positive = True
        for i in range(n):
            if s[i] <= 0.0:
                positive = False
                state[face[i]] = 0
        if positive:
            for i in range(n):
                a[face[i]] = s[i]
            return n
        n = _factorise(G, R, face, state, work)
    return n


@kernel
def _refine(G, simplex, R, face, n, work, a, g):
    """One step of refinement on the face, unless it would leave it."""
    s, z = work[2], work[3]
    total, ones = 0.0, 0.0
    for i in range(n):
        s[i] = g[face[i]]
        z[i] = 1.0
    solve(R, n, s, work[1])
    if simplex:
        solve(R, n, z, work[1])
        for i in range(n):
            total += s[i]
            ones += z[i]
        for i in range(n):
            s[i] -= total / ones * z[i]
    for i in range(n):
        if a[face[i]] + s[i] <= 0.0:
            return
    for i in range(n):
        a[face[i]] += s[i]
        axpy(-s[i], G[face[i]], g)


@kernel
def _entering(simplex, limit, face, n, state, g):
    """The free coefficient with the steepest slope, and that slope."""
    level = 0.0
    if simplex:
        for i in range(n):
            level += g[face[i]]
        level /= n
    best, j = limit, -1
    for k in range(len(g)):
        if state[k] == 0 and g[k] - level > best:
            best, j = g[k] - level, k
    return j, best


@kernel
def _descend(G, simplex, limit, R, face, left, n, state, work, a, g):
    """Let coefficients enter and leave until no slope is above the limit."""
    p = len(g)
    x, u, z, old = work[1], work[2], work[3], work[4]
    moves = 0
    while moves < _MOVES * p:
        j, slope = _entering(simplex, limit, face, n, state, g)
        if j < 0:
            break
        for i in range(n):
            old[face[i]] = a[face[i]]
        old[j], n_left, entering = 0.0, 0, True
        while entering:
            moves += 1
            pivot = _halve_column(G, R, face, n, j, work[5], x)
            unite(R, n, x, u)
            curvature, beta = pivot, 0.0
            if simplex:
                total, ones = -1.0, 0.0
                for i in range(n):
                    z[i] = 1.0
                solve(R, n, z, work[5])
                for i in range(n):
                    total += u[i]
                    ones += z[i]
                beta = total / ones
                curvature += total * beta
                for i in range(n):
                    u[i] -= beta * z[i]
            # The members move by -u for each unit of the new one.
            flat = curvature <= _FLAT * G[j, j]
            step = np.inf if flat else slope / curvature
            leaving = -1
            for i in range(n):
                if u[i] > 0.0 and a[face[i]] <= step * u[i]:
                    step, leaving = a[face[i]] / u[i], i
            if leaving < 0 and flat:
                state[j] = 2
                break
            a[j] += step
            for i in range(n):
                a[face[i]] -= step * u[i]
            slope -= step * curvature
            if leaving < 0:
                n = _join(G, R, face, n, state, x, pivot, j)
                entering = False
            else:
                gone = face[leaving]
                a[gone] = 0.0
                left[n_left] = gone
                n_left += 1
                state[gone] = 0
                remove(R, n, leaving)
                n -= 1
                for i in range(leaving, n):
                    face[i] = face[i + 1]
                if simplex and n == 0:
                    n = _join(G, R, face, n, state, x, G[j, j], j)
                    entering = False
                elif slope <= 0.0 or moves >= _MOVES * p:
                    entering = False
        if a[j] > 0.0 and state[j] == 0:
            # It stopped on the way; its face has to be made with it.
            pivot = _halve_column(G, R, face, n, j, work[5], x)
            n = _join(G, R, face, n, state, x, max(pivot, _FLAT * G[j, j]), j)
        _subtract(G, a, old, face[:n], g)
        _subtract(G, a, old, left[:n_left], g)
    for k in range(p):
        if state[k] == 2:
            state[k] = 0
    return n, moves
