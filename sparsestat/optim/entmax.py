"""Softmax, sparsemax and all between and beyond, for rows of scores.

Exact solutions without sorting, after Martins and Astudillo (2016) and Peters, Niculae
and Martins (2019).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sparsestat.optim.entmax_rows import entmax_csr, entmax_rows
from sparsestat.optim.entmax_short_rows import LONGEST, entmax_short_rows
from sparsestat.optim.row_blocks import grow_rows, run_blocks

__all__ = ["apply_entmax", "sparse_entmax"]

_NOTHING = np.empty(0)
# Entries of a block of rows whose exponentials stay in the cache.
_BLOCK_SIZE = 1 << 16


def apply_entmax(
    Z: np.ndarray,
    alphas: np.ndarray,
    temperature: float,
    P: np.ndarray,
    *,
    tops: np.ndarray = _NOTHING,
    conjugates: np.ndarray = _NOTHING,
    n_jobs: int | None = None,
) -> int:
    """Write the map of read-only rows Z to P, unless empty; see `entmax_rows`.

    Returns
    -------
    bad : int
        First row without a solution; the number of rows if there is none.
    """
    n_rows, width = Z.shape
    if not n_rows:
        return 0
    order = alphas[0] if (alphas == alphas[0]).all() else np.nan

    def run(block: slice) -> int:
        mine = Z[block]
        rest = P[block], tops[block], conjugates[block]
        if order == 1.0:
            bad = _softmax_rows(mine, temperature, *rest)
        elif order in (1.5, 2.0) and width <= LONGEST:
            bad = entmax_short_rows(mine, order == 1.5, temperature, *rest)
        else:
            bad = entmax_rows(mine, alphas[block], temperature, *rest)
        return bad + block.start if bad >= 0 else n_rows

    return min(run_blocks(run, n_rows, n_jobs))


def _softmax_rows(Z, temperature, P, tops, conjugates):
    """The same as `entmax_rows` for alpha = 1, by NumPy's vectorised exponential."""
    step = max(_BLOCK_SIZE // Z.shape[1], 1)
    for start in range(0, len(Z), step):
        block = slice(start, start + step)
        z = Z[block]
        top = z.max(axis=1, keepdims=True)
        if not np.isfinite(top).all():
            return start + int(np.isfinite(top).argmin())
        p = P[block] if len(P) else np.empty_like(z)
        with np.errstate(over="ignore"):
            np.subtract(z, top, out=p)
            if temperature != 1.0:
                divisor = max(temperature, np.finfo(z.dtype).tiny)
                np.divide(p, z.dtype.type(divisor), out=p)
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True, dtype=np.float64)
        np.divide(p, total, out=p, casting="same_kind")
        if len(tops):
            tops[block] = top[:, 0]
            conjugates[block] = np.log(total[:, 0])
    return -1


def sparse_entmax(
    Z: np.ndarray, alphas: np.ndarray, temperature: float, n_jobs: int | None = None
) -> tuple[sparse.csr_array | None, int]:
    """The map of read-only rows in compressed rows, and the first row without one."""
    n_rows, width = Z.shape
    if not n_rows:
        return sparse.csr_array((0, width), dtype=Z.dtype), 0

    def run(block: slice):
        part, bad = _csr_block(Z[block], alphas[block], temperature)
        return part, bad + block.start if bad >= 0 else n_rows

    parts, bad = zip(*run_blocks(run, n_rows, n_jobs), strict=True)
    if min(bad) < n_rows:
        return None, min(bad)
    whole = parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")
    return whole, n_rows


def _csr_block(Z, alphas, temperature):
    """Rows as a csr_array and -1, or None and the first row without a solution."""

    def fill(first, data, indices, indptr):
        row, bad = entmax_csr(Z, alphas, temperature, first, data, indices, indptr)
        return row if bad < 0 else -1 - bad

    result, bad = grow_rows(fill, Z.shape, Z.dtype)
    if result is not None and alphas.max() > 2.0:
        result.sort_indices()
    return result, bad
