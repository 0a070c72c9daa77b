"""Sparsemax and 1.5-entmax of many short rows, side by side.

Rows are transposed in groups, so that each instruction works on several of them.  All
take the steps of the slowest; a row that is done repeats its last step to the bit, so
that nothing depends on its neighbours.
"""

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["LONGEST", "entmax_short_rows"]

LONGEST = 64
"""Number of columns up to which this pays."""

_GROUP = 32
_MAX_ITER = 100
_ROUNDING = 4e-16


@kernel
def entmax_short_rows(Z, squared, temperature, P, tops, conjugates):
    """As `entmax_rows` with alpha = 1.5 if `squared`, else 2, for all rows."""
    n_rows, width = Z.shape
    x = np.empty((width, _GROUP))
    top, tau, conjugate = np.empty(_GROUP), np.empty(_GROUP), np.empty(_GROUP)
    total, squares = np.empty(_GROUP), np.empty(_GROUP)
    odd = np.empty(_GROUP, np.int64)
    scale = (0.5 if squared else 1.0) / temperature
    scale = min(scale, 1e300)
    for start in range(0, n_rows, _GROUP):
        m = min(_GROUP, n_rows - start)
        _gather(Z[start : start + m], x, top, odd)
        for r in range(m):
            if odd[r] > 0 or not abs(top[r]) < np.inf:
                return start + r
        for k in range(width):
            _scale(x[k], top, scale)
        if squared:
            _newton_squares(x, tau, total, squares)
        else:
            _average(x, tau, total, squares)
        if len(P):
            _scatter(x, tau, squared, P[start : start + m])
        if len(tops):
            conjugate[:] = 0.0
            for k in range(width):
                _add_conjugate(x[k], tau, squared, conjugate)
            tops[start : start + m] = top[:m]
            conjugates[start : start + m] = conjugate[:m]
    return -1


@kernel
def _gather(Z, x, top, odd):
    """Transpose; find maxima and count what is NaN or inf.  Missing rows are zero."""
    m, width = Z.shape
    x[:, m:] = 0.0
    for r in range(m):
        z = Z[r]
        for k in range(width):
            x[k, r] = z[k]
    top[:] = -np.inf
    odd[:] = 0
    for k in range(width):
        _look(x[k], top, odd)


@kernel
def _look(x, top, odd):
    for r in range(len(x)):
        top[r] = x[r] if x[r] > top[r] else top[r]
        odd[r] += not x[r] < np.inf


@kernel
def _scale(x, top, scale):
    """What is below -1 has no part in the solution, how far below does not matter."""
    for r in range(len(x)):
        value = (x[r] - top[r]) * scale
        x[r] = value if value > -2.0 else -2.0


@kernel
def _average(x, tau, total, count):
    """Michelot's averages over what is above the last one."""
    tau[:] = -1.0
    while True:
        total[:] = -1.0
        count[:] = 0.0
        for k in range(len(x)):
            _add_above(x[k], tau, total, count)
        if _raise_to_average(tau, total, count) == 0:
            return


@kernel
def _add_above(x, tau, total, count):
    for r in range(len(x)):
        total[r] += x[r] if x[r] > tau[r] else 0.0
        count[r] += 1.0 if x[r] > tau[r] else 0.0


@kernel
def _raise_to_average(tau, total, count):
    changed = 0
    for r in range(len(tau)):
        average = total[r] / count[r]
        changed += average > tau[r]
        tau[r] = average if average > tau[r] else tau[r]
    return changed


@kernel
def _newton_squares(x, tau, total, squares):
    """Newton from the left on the Euclidean norm of (x - tau)_+."""
    tau[:] = -1.0
    for _ in range(_MAX_ITER):
        total[:] = 0.0
        squares[:] = 0.0
        for k in range(len(x)):
            _add_squares(x[k], tau, total, squares)
        if _raise_by_newton(tau, total, squares) == 0:
            return


@kernel
def _add_squares(x, tau, total, squares):
    for r in range(len(x)):
        d = x[r] - tau[r]
        d = d if d > 0.0 else 0.0
        total[r] += d
        squares[r] += d * d


@kernel
def _raise_by_newton(tau, total, squares):
    changed = 0
    for r in range(len(tau)):
        root = np.sqrt(squares[r])
        step = (root - 1.0) * root / total[r]
        step = step if squares[r] > 1.0 + _ROUNDING else 0.0
        raised = tau[r] + step
        changed += raised > tau[r]
        tau[r] = raised if raised > tau[r] else tau[r]
    return changed


@kernel
def _scatter(x, tau, squared, P):
    m, width = P.shape
    for k in range(width):
        values = x[k]
        for r in range(m):
            d = values[r] - tau[r]
            d = d if d > 0.0 else 0.0
            P[r, k] = d * d if squared else d


@kernel
def _add_conjugate(x, tau, squared, conjugate):
    """Add p (z - omega(p)), z = x / (alpha - 1), omega(p) = (p^(alpha - 1) - 1) / c."""
    for r in range(len(x)):
        d = x[r] - tau[r]
        d = d if d > 0.0 else 0.0
        if squared:
            conjugate[r] += d * d * (2.0 * x[r] - (d - 1.0) / 0.75)
        else:
            conjugate[r] += d * (x[r] - 0.5 * (d - 1.0))
