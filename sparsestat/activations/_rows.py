"""Arrays of any shape, axis and precision as contiguous rows, and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from scipy import sparse

__all__ = ["Rows", "read_orders", "to_rows"]


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

    def room(self, caller: str, out: np.ndarray | None, dtype: object) -> np.ndarray:
        """Rows to write a result to: those of `out` where it has them, else new ones.

        Raises ValueError if `out` is not fit for a result.
        """
        fresh = self.values.shape, dtype
        if out is None:
            return np.empty(*fresh)
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
        if moved.flags.c_contiguous and out.dtype == dtype:
            return moved.reshape(self.values.shape)
        return np.empty(*fresh)

    def deliver(self, result: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        """What was written to `room` as the caller wants it."""
        if out is None:
            return self.restore(result)
        if not np.may_share_memory(result, out):
            out[...] = self.restore(result)
        return out


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


def read_orders(caller: str, alpha: object, rows: Rows) -> np.ndarray:
    """Orders of entmax, a number or one for each row, as a vector."""
    alphas = np.asarray(alpha, dtype=np.float64)
    try:
        alphas = np.broadcast_to(alphas, rows.shape[:-1])
    except ValueError:
        raise ValueError(
            f"{caller}: alpha must be a number or broadcast to shape "
            f"{rows.shape[:-1]}, one for each row; got shape {alphas.shape}."
        ) from None
    alphas = np.ascontiguousarray(alphas).reshape(-1)
    if not (alphas >= 1.0).all():
        raise ValueError(
            f"{caller}: alpha must be a real number in [1, inf]; got "
            f"{alphas[~(alphas >= 1.0)][0]}."
        )
    return alphas
