"""Orthogonal matching pursuit of many signals on one Gram matrix.

After Rubinstein, Zibulevsky and Elad (2008): correlations are updated by the Gram
matrix, so that the signals themselves are not looked at again.
"""

import numpy as np

from sparsestat.optim.cholesky import append, solve
from sparsestat.utils.dispatch import kernel

__all__ = ["batch_omp"]


def batch_omp(
    gram: np.ndarray,
    correlations: np.ndarray,
    squares: np.ndarray,
    n_nonzero_coefs: int,
    tol: float = 0.0,
) -> np.ndarray:
    """Codes of signals x_i in atoms d_k, each the least squares fit on its atoms.

    Atoms that depend on the chosen ones are passed over.

    Parameters
    ----------
    gram : ndarray of shape (n_atoms, n_atoms)
        <d_k, d_l>, float64.
    correlations : ndarray of shape (n_signals, n_atoms)
        <x_i, d_k>.
    squares : ndarray of shape (n_signals,)
        |x_i|^2.
    n_nonzero_coefs : int
        Atoms for each signal at most.
    tol : float, default=0.0
        Square norm of the residual that is enough.

    Returns
    -------
    codes : ndarray of shape (n_signals, n_atoms)

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.batch_omp import batch_omp
    >>> x = np.array([[3.0, 1.0, 2.0]])
    >>> batch_omp(np.eye(3), x, np.array([14.0]), 2)
    array([[3., 0., 2.]])
    """
    gram = np.ascontiguousarray(gram, dtype=np.float64)
    correlations = np.ascontiguousarray(correlations, dtype=np.float64)
    codes = np.zeros(correlations.shape)
    squares = np.asarray(squares, dtype=np.float64)
    most = min(int(n_nonzero_coefs), len(gram))
    _pursue(gram, correlations, squares, most, float(tol), codes)
    return codes


@kernel
def _pursue(gram, correlations, squares, most, tol, codes):
    n_atoms = len(gram)
    R = np.zeros((most, most))
    rows, block = np.empty((1, most)), np.empty((1, 1))
    added = np.zeros(1, np.bool_)
    chosen, x = np.empty(most, np.int64), np.empty(most)
    left, barred = np.empty(n_atoms), np.empty(n_atoms, np.bool_)
    for i in range(len(correlations)):
        for j in range(n_atoms):
            left[j], barred[j] = correlations[i, j], False
        size, rest = 0, squares[i]
        while size < most and rest > tol:
            best, largest = -1, 0.0
            for j in range(n_atoms):
                if not barred[j] and abs(left[j]) > largest:
                    best, largest = j, abs(left[j])
            if best < 0:
                break
            barred[best] = True
            for k in range(size):
                rows[0, k] = gram[best, chosen[k]]
            block[0, 0] = gram[best, best]
            append(R, size, rows[:, :size], block, added)
            if not added[0]:
                continue
            chosen[size] = best
            size += 1
            for k in range(size):
                x[k] = correlations[i, chosen[k]]
            solve(R, size, x[:size])
            rest = squares[i]
            for j in range(n_atoms):
                left[j] = correlations[i, j]
            for k in range(size):
                rest -= x[k] * correlations[i, chosen[k]]
                row = gram[chosen[k]]
                for j in range(n_atoms):
                    left[j] -= x[k] * row[j]
        for k in range(size):
            codes[i, chosen[k]] = x[k]
