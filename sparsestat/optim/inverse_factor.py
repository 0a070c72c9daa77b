"""The inverse of a Cholesky factor that grows and shrinks with an active set.

inv(H) = S.T @ S with S lower triangular in the leading block of a larger array.  A
solution is two products whose rows do not wait for each other, as those of triangular
solves do; errors are those of the factor, the root of the condition of H.
"""

import numpy as np

from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["border", "halve", "remove", "solve", "unite"]


@kernel
def halve(S, n, b, x):
    """x = S @ b, the first half of a solution; b.T inv(H) b is its squared norm."""
    for i in range(n):
        x[i] = dot(S[i, : i + 1], b[: i + 1])


@kernel
def unite(S, n, x, u):
    """u = S.T @ x, the second half of a solution."""
    for i in range(n):
        u[i] = 0.0
    for i in range(n):
        axpy(x[i], S[i, : i + 1], u[: i + 1])


@kernel
def solve(S, n, b, x):
    """Solve H u = b in place of b; x is work space."""
    halve(S, n, b, x)
    unite(S, n, x, b)


@kernel
def border(S, n, x, pivot):
    """Border H by a column whose first half of a solution is x.

    pivot is what the column's diagonal has above the squared norm of x.
    """
    row, root = S[n], np.sqrt(pivot)
    unite(S, n, x, row)
    for i in range(n):
        row[i] /= -root
    row[n] = 1.0 / root


@kernel
def remove(S, n, k):
    """Remove row and column k of H.

    Rotations of rows leave column k nonzero in the last one only, which goes.
    """
    for i in range(k, n - 1):
        low, high = S[i], S[i + 1]
        a, b = low[k], high[k]
        radius = np.sqrt(a * a + b * b)
        c, s = b / radius, a / radius
        low[i + 1] = 0.0
        for j in range(i + 2):
            value = low[j]
            low[j] = c * value - s * high[j]
            high[j] = s * value + c * high[j]
        for j in range(k, i + 1):
            low[j] = low[j + 1]
