"""What units outside a universe would change, from columns of the Gram matrix."""

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset.problem import SubsetProblem
from sparsestat.utils.dispatch import kernel

__all__ = ["outside_changes"]


def outside_changes(
    problem: SubsetProblem,
    A: np.ndarray,
    rows: np.ndarray,
    diagonal: np.ndarray,
    locked: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The best exchange and the gain of each feature, given a support.

    Parameters
    ----------
    problem : SubsetProblem
    A : ndarray of int
        The support.
    rows : ndarray of shape (len(A), n_features)
        G of the support against all features.
    diagonal : ndarray of shape (n_features,)
        Of G + D.
    locked : ndarray of int
        Features of the support that may not leave.

    Returns
    -------
    change : ndarray of shape (n_features,)
        Change of loss where the feature replaces one of the support, at best; inf for
        features that cannot.
    gain : ndarray of shape (n_features,)
        Fall of the loss where it joins the support.
    """
    c = problem.linear
    usable = problem.diagonal > 0.0
    usable[A] = False
    least = np.where(usable, PIVOT * diagonal, np.inf)
    change, gain = np.full(len(diagonal), np.inf), np.zeros(len(diagonal))
    if len(A) == 0:
        np.divide((c**2).sum(axis=0), diagonal, out=gain, where=usable)
        return change, gain
    M = rows[:, A].copy()
    M[np.diag_indices_from(M)] += problem.ridge[A]
    lower, info = dpotrf(M, lower=True)
    if info != 0 or (lower.diagonal() ** 2 <= PIVOT * M.diagonal()).any():
        return change, gain
    H = cho_solve((lower, True), np.eye(len(A)))
    V = H @ rows
    b = c[:, A] @ H
    r = c - b @ rows
    free = np.isin(A, locked, invert=True)
    _changes(rows, V, H.diagonal().copy(), free, b, r, diagonal, least, change, gain)
    return change, gain


@kernel
def _changes(rows, V, h, free, b, r, diagonal, least, out, gain):
    """`out` and `gain` of each feature, as documented above."""
    p = len(out)
    total, q = np.zeros(p), diagonal.copy()
    for i in range(len(h)):
        x, y = rows[i], V[i]
        for j in range(p):
            q[j] -= x[j] * y[j]
    for t in range(len(b)):
        rt = r[t]
        for j in range(p):
            total[j] += rt[j] * rt[j]
    for j in range(p):
        gain[j] = total[j] / q[j] if q[j] > least[j] else 0.0
    for i in range(len(h)):
        if not free[i]:
            continue
        row, cost, scale = V[i], 0.0, 1.0 / h[i]
        for j in range(p):
            total[j] = 0.0
        for t in range(len(b)):
            slope = b[t, i] * scale
            cost += b[t, i] * slope
            rt = r[t]
            for j in range(p):
                x = rt[j] + row[j] * slope
                total[j] += x * x
        for j in range(p):
            pivot = q[j] + row[j] * row[j] * scale
            value = cost - total[j] / pivot if pivot > least[j] else np.inf
            out[j] = min(out[j], value)
