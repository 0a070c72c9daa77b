"""Pixels that do not fit into memory: memory maps and dask arrays, block by block."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

__all__ = ["ROWS", "blocks_of", "is_dask", "precision", "transform_chunks"]

# Pixels that are in memory at once.
ROWS = 2**16


def is_dask(X: object) -> bool:
    """Whether an array is one of dask, which need not be installed."""
    return hasattr(X, "map_blocks") and hasattr(X, "chunks")


def blocks_of(X):
    """Rows of a memory map that are in memory at once; other data as they are."""
    if not isinstance(X, np.memmap) or len(X) <= ROWS:
        return [X]
    return (np.asarray(X[first : first + ROWS]) for first in range(0, len(X), ROWS))


def transform_chunks(estimator, X):
    """Abundances of a dask array, which are computed when asked for."""
    check_is_fitted(estimator)
    name, n_features = type(estimator).__name__, estimator.n_features_in_
    if not estimator._by_pixel:
        raise TypeError(
            f"{name}: abundances depend on all pixels at once; give X.compute() in "
            "place of a dask array."
        )
    if X.ndim != 2 or X.shape[1] != n_features:
        raise ValueError(
            f"X has shape {X.shape}, but {name} is expecting {n_features} features as "
            "input in two dimensions."
        )
    X = X.rechunk({1: -1})
    return X.map_blocks(
        _abundances,
        estimator,
        chunks=(X.chunks[0], (estimator._n_features_out,)),
        meta=np.empty((0, 0), dtype=precision(X.dtype)),
    )


def precision(dtype) -> np.dtype:
    """That of abundances: float32 for float32 only."""
    return np.dtype(np.float32 if dtype == np.float32 else np.float64)


def _abundances(block, estimator):
    block = np.asarray(block)
    if not len(block):
        kind = precision(block.dtype)
        return np.empty((0, estimator._n_features_out), dtype=kind)
    return estimator._abundances(estimator._pixels(block))
