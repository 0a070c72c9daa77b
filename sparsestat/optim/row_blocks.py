"""Rows in blocks: threads that share them, and sparse rows of unknown sizes."""

from __future__ import annotations

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy import sparse

__all__ = ["grow_rows", "run_blocks"]

# More blocks than threads, so that no thread waits long for another.
_BLOCKS_PER_JOB = 4


def run_blocks(function, n_rows: int, n_jobs: int | None) -> list:
    """Call ``function(block)`` for slices of the rows, in threads."""
    n_threads = min(effective_n_jobs(n_jobs), max(n_rows, 1))
    if n_threads == 1:
        return [function(slice(0, n_rows))]
    size = -(-n_rows // (_BLOCKS_PER_JOB * n_threads))
    blocks = [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]
    return Parallel(n_jobs=n_threads, require="sharedmem")(
        delayed(function)(block) for block in blocks
    )


def grow_rows(
    fill, shape: tuple[int, int], dtype: np.dtype
) -> tuple[sparse.csr_array | None, int]:
    """Sparse rows of unknown sizes, with room added until they fit.

    ``fill(first, data, indices, indptr)`` appends rows from `first` on and returns the
    row to go on with, or -1 - row where a row has no solution.  Returns the array and
    -1, or None and that row.
    """
    n_rows, width = shape
    # scipy keeps 32 bits only where all indices and sizes fit.
    kind = np.int32 if n_rows * width < 2**31 else np.int64
    room = min(n_rows * width, 16 * n_rows + 1024)
    data, indices = np.empty(room, dtype), np.empty(room, kind)
    indptr = np.zeros(n_rows + 1, np.int64)
    row = 0
    while True:
        row = fill(row, data, indices, indptr)
        if row < 0:
            return None, -1 - row
        if row == n_rows:
            break
        # A row that did not fit is done again, so room grows fast.
        more = 3 * len(data)
        data = np.concatenate([data, np.empty(more, dtype)])
        indices = np.concatenate([indices, np.empty(more, kind)])
    stop = indptr[-1]
    parts = data[:stop], indices[:stop], indptr.astype(kind)
    return sparse.csr_array(parts, shape=shape), -1
