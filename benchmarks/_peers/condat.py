"""Condat's projection onto the simplex, one pass with a running threshold, in numba.

There is no package of it for Python; this follows algorithm 1 of Condat (2016), Fast
projection onto the simplex and the l1 ball, doi:10.1007/s10107-015-0946-6.
"""

from __future__ import annotations

from benchmarks._peers import distribution_versions

NAME = "Condat's pass"


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("numba", "numpy")


def sparsemax(Z) -> dict:
    """Into an array that is there."""
    import numpy as np

    project = _compiled()
    out = np.empty_like(Z)

    def call():
        project(Z, out)
        return out

    return {NAME: call}


def _compiled():
    import numba
    import numpy as np

    @numba.njit(error_model="numpy")
    def threshold(y, kept, waiting):
        n_kept, n_waiting = 1, 0
        kept[0] = y[0]
        rho = y[0] - 1.0
        for k in range(1, len(y)):
            value = np.float64(y[k])
            if value > rho:
                rho += (value - rho) / (n_kept + 1)
                if rho > value - 1.0:
                    kept[n_kept] = value
                    n_kept += 1
                else:
                    for j in range(n_kept):
                        waiting[n_waiting + j] = kept[j]
                    n_waiting += n_kept
                    kept[0], n_kept, rho = value, 1, value - 1.0
        for j in range(n_waiting):
            if waiting[j] > rho:
                kept[n_kept] = waiting[j]
                n_kept += 1
                rho += (waiting[j] - rho) / n_kept
        before = 0
        while before != n_kept:
            before, left = n_kept, 0
            for j in range(before):
                value = kept[j]
                if value > rho:
                    kept[left] = value
                    left += 1
                else:
                    n_kept -= 1
                    rho += (rho - value) / n_kept
        return rho

    @numba.njit(error_model="numpy")
    def subtract(y, tau, out):
        zero = y.dtype.type(0)
        for k in range(len(y)):
            out[k] = max(y[k] - tau, zero)

    @numba.njit(error_model="numpy")
    def project(Z, out):
        kept, waiting = np.empty(Z.shape[1]), np.empty(Z.shape[1])
        for i in range(len(Z)):
            tau = threshold(Z[i], kept, waiting)
            subtract(Z[i], Z.dtype.type(tau), out[i])

    return project
