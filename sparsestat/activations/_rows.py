"""Arrays of any shape, axis and precision as contiguous rows, and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.lib.array_utils import normalize_axis_index
from scipy import sparse

__all__ = ["Rows", "grow_rows", "per_row", "run_blocks", "to_rows"]

# More blocks than threads, so that no thread waits long for another.
_BLOCKS_PER_JOB = 4


class Rows(NamedTuple):
    """Vectors along an axis of an array, as rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_classes)
        Read-only, C order, float32 or float64.
    shape : tuple of int
        Of the array with its axis moved to the end.
    axis : int
        Where the axis was.
    dtype : dtype
        Of the result: float16, float32 or float64.
    """

    values: np.ndarray
    shape: tuple[int, ...]
    axis: int
    dtype: np.dtype

    def restore(self, result: np.ndarray) -> np.ndarray:
        """Rows of a result in the place and the precision of the array."""
        result = result.reshape(self.shape).astype(self.dtype, copy=False)
        return np.moveaxis(result, -1, self.axis)

    def place(self, caller: str, out: np.ndarray | None) -> np.ndarray | None:
        """The rows of `out` where results can be written to it directly, else None."""
        if out is None:
            return None
        shape = list(self.shape[:-1])
        shape.insert(self.axis, self.shape[-1])
        if (
            not isinstance(out, np.ndarray)
            or out.shape != tuple(shape)
            or out.dtype != self.dtype
            or not out.flags.writeable
        ):
            given = getattr(out, "dtype", type(out).__name__), getattr(out, "shape", "")
            raise ValueError(
                f"{caller}: out must be a writeable array of {self.dtype} and shape "
                f"{tuple(shape)}; got {given[0]} {given[1]}."
            )
        moved = np.moveaxis(out, self.axis, -1)
        if moved.flags.c_contiguous and out.dtype == self.values.dtype:
            return moved.reshape(self.values.shape)
        return None


def to_rows(
    caller: str, name: str, array: object, axis: int, out: np.ndarray | None = None
) -> Rows:
    """Bring the axis of an array to the end and check the type.

    Where `out` overlaps the array other than entry by entry, the array is copied.
    """
    if sparse.issparse(array):
        raise TypeError(
            f"{caller}: {name} must be dense, since a score of zero is not an absent "
            f"one; got {type(array).__name__}."
        )
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{caller}: {name} must hold real numbers; got {array.dtype}.")
    if array.ndim == 0:
        raise ValueError(f"{caller}: {name} must have at least one axis; got {array}.")
    axis = normalize_axis_index(axis, array.ndim)
    if array.shape[axis] == 0:
        raise ValueError(
            f"{caller}: {name} must not be empty along axis {axis}; got shape "
            f"{array.shape}."
        )
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    dtype = dtype.newbyteorder("=") if dtype.itemsize <= 8 else np.dtype(np.float64)
    moved = np.moveaxis(array, axis, -1)
    working = np.float64 if dtype == np.float64 else np.float32
    values = np.ascontiguousarray(moved, dtype=working)
    if isinstance(out, np.ndarray) and np.may_share_memory(values, out):
        same = out.ctypes.data == array.ctypes.data and out.strides == array.strides
        values = values if same else values.copy()
    values = values.reshape(-1, moved.shape[-1])
    # One signature of every kernel, whether or not the array may be written to.
    values.flags.writeable = False
    return Rows(values, moved.shape, axis, dtype)


def per_row(caller: str, name: str, values: object, rows: Rows) -> np.ndarray:
    """A number, or one for each row, as a vector."""
    values = np.asarray(values, dtype=np.float64)
    try:
        spread = np.broadcast_to(values, rows.shape[:-1])
    except ValueError:
        raise ValueError(
            f"{caller}: {name} must be a number or broadcast to shape "
            f"{rows.shape[:-1]}, one for each row; got shape {values.shape}."
        ) from None
    return np.ascontiguousarray(spread).reshape(-1)


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
