"""A Cholesky factor that grows and shrinks with an active set.

H = R.T @ R with R upper triangular in the leading block of a larger array.  Rows of R
are contiguous, so that solves, bordering and deletion all stream along rows.
After Golub and Van Loan, Matrix Computations, 4th ed. (2013), section 6.5.
"""

import numpy as np

from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["append", "delete", "solve", "solve_transposed"]

# A new column whose pivot falls below this share of its diagonal is collinear.
PIVOT = 1e-10


@kernel
def append(R, n, rows, block, added):
    """Border the factor by the columns of H that `rows` and `block` hold.

    Parameters
    ----------
    R : ndarray of shape (capacity, capacity)
        Factor in its leading (n, n) block, changed in place.
    n : int
        Current size.
    rows : ndarray of shape (m, n)
        New rows of H against the old ones; overwritten.
    block : ndarray of shape (m, m)
        New rows of H against themselves.
    added : ndarray of shape (m,), bool
        Set to whether a row was added; collinear ones are not.

    Returns
    -------
    n : int
        New size.
    """
    m = len(rows)
    for i in range(n):
        row = R[i, i + 1 : n]
        for k in range(m):
            x = rows[k, i] / R[i, i]
            rows[k, i] = x
            axpy(-x, row, rows[k, i + 1 : n])
    size = n
    border = np.empty(n + m)
    for k in range(m):
        size_k = n
        for i in range(n):
            border[i] = rows[k, i]
        for earlier in range(k):
            if added[earlier]:
                x = block[k, earlier] - dot(rows[k], rows[earlier])
                for i in range(n, size_k):
                    x -= border[i] * R[i, size_k]
                border[size_k] = x / R[size_k, size_k]
                size_k += 1
        pivot = block[k, k] - dot(border[:size], border[:size])
        added[k] = pivot > PIVOT * block[k, k]
        if added[k]:
            for i in range(size):
                R[i, size] = border[i]
            R[size, size] = np.sqrt(pivot)
            size += 1
    return size


@kernel
def delete(R, n, k):
    """Delete row and column k of H: a rank-one update of the trailing block."""
    for i in range(k):
        row = R[i, k:n]
        for j in range(len(row) - 1):
            row[j] = row[j + 1]
    x = np.empty(n - k - 1)
    for j in range(len(x)):
        x[j] = R[k, k + 1 + j]
    for i in range(k, n - 1):
        pivot = R[i + 1, i + 1]
        first = x[i - k]
        radius = np.sqrt(pivot * pivot + first * first)
        c, s = pivot / radius, first / radius
        R[i, i] = radius
        target, source, rest = R[i, i + 1 : n - 1], R[i + 1, i + 2 : n], x[i - k + 1 :]
        for j in range(len(target)):
            target[j] = c * source[j] + s * rest[j]
            rest[j] = c * rest[j] - s * source[j]


@kernel
def solve(R, n, x):
    """Solve R.T @ R @ x = b in place of b."""
    solve_transposed(R, n, x)
    for i in range(n - 1, -1, -1):
        x[i] = (x[i] - dot(R[i, i + 1 : n], x[i + 1 : n])) / R[i, i]


@kernel
def solve_transposed(R, n, x):
    """Solve R.T @ x = b in place of b."""
    for i in range(n):
        x[i] /= R[i, i]
        axpy(-x[i], R[i, i + 1 : n], x[i + 1 : n])
