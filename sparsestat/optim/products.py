"""Products of a design with several coefficient vectors at once.

BLAS computes them.  With few columns it is fastest on matrices that it need not pack
first, so tall designs are multiplied by blocks of rows.
"""

import numpy as np
from scipy import sparse

from sparsestat.optim.design import CSC, Dense, Design
from sparsestat.utils.dispatch import operation

__all__ = ["as_matrix", "correlate_many", "predict_many", "take_rows"]

# Multiplications in a block of rows that BLAS does not pack; measured with OpenBLAS.
_BLOCK = 600_000
# With fewer rows in a block, packing is cheaper than calling.
_SHORTEST = 12


@operation
def predict_many(design: Design, coefs: np.ndarray) -> np.ndarray:
    """X~ @ coefs of shape (n_samples, n_columns), in the precision of X.

    Parameters
    ----------
    design : Dense or CSC
        X with its implicit centring and scaling.
    coefs : ndarray of shape (n_features, n_columns)
        Coefficients.

    Returns
    -------
    product : ndarray of shape (n_samples, n_columns)
        In C order.
    """
    raise TypeError(f"{type(design).__name__} is not a design.")


@operation
def correlate_many(design: Design, R: np.ndarray) -> np.ndarray:
    """X~.T @ R of shape (n_features, n_columns), in float64.

    Parameters
    ----------
    design : Dense or CSC
        X with its implicit centring and scaling.
    R : ndarray of shape (n_samples, n_columns)
        Residuals, say.

    Returns
    -------
    product : ndarray of shape (n_features, n_columns)
    """
    raise TypeError(f"{type(design).__name__} is not a design.")


@operation
def take_rows(design: Design, rows: np.ndarray) -> Design:
    """The design of some of the samples, a copy, with the same means and scales."""
    raise TypeError(f"{type(design).__name__} is not a design.")


def _slopes(design, coefs):
    """Coefficients of raw X, and the constant that centring takes off."""
    slopes = coefs
    if not _is_unit(design.scale):
        slopes = coefs / design.scale[:, None]
    return slopes.astype(_data(design).dtype, copy=False), design.mean @ slopes


def _data(design):
    return design.X if isinstance(design, Dense) else design.data


def _shifted(design, raw, R):
    """Centre and scale raw products, which were summed in the precision of X."""
    raw = raw.astype(np.float64, copy=False)
    if design.mean.any():
        raw -= np.outer(design.mean, R.sum(axis=0, dtype=np.float64))
    return raw if _is_unit(design.scale) else raw / design.scale[:, None]


def _is_unit(scale) -> bool:
    return bool((scale == 1.0).all())


@predict_many.register(Dense)
def _(design, coefs):
    X = design.X
    slopes, shift = _slopes(design, coefs)
    out = np.empty((X.shape[0], coefs.shape[1]), X.dtype)
    size = _BLOCK // max(slopes.size, 1)
    if X.flags.c_contiguous and size >= _SHORTEST:
        for start in range(0, len(X), size):
            block = slice(start, start + size)
            np.matmul(X[block], slopes, out=out[block])
    else:
        out[:] = (slopes.T @ X.T).T
    out -= shift.astype(X.dtype)
    return out


@correlate_many.register(Dense)
def _(design, R):
    X = design.X
    R = R.astype(X.dtype, copy=False)
    size = _BLOCK // max(X.shape[1] * R.shape[1], 1)
    if X.flags.c_contiguous and size >= 4 * len(R):
        raw = X.T @ R
    else:
        raw = (R.T @ X).T
    return _shifted(design, raw, R)


@take_rows.register(Dense)
def _(design, rows):
    return design._replace(X=design.X[rows])


@predict_many.register(CSC)
def _(design, coefs):
    slopes, shift = _slopes(design, coefs)
    out = as_matrix(design) @ slopes
    out -= shift.astype(out.dtype)
    return out


@correlate_many.register(CSC)
def _(design, R):
    raw = as_matrix(design).T @ np.ascontiguousarray(R, dtype=design.data.dtype)
    return _shifted(design, raw, R)


@take_rows.register(CSC)
def _(design, rows):
    X = as_matrix(design).tocsr()[rows].tocsc()
    return design._replace(
        data=X.data, indices=X.indices, indptr=X.indptr, n_samples=len(rows)
    )


def as_matrix(design: CSC) -> sparse.csc_array:
    """Raw X of a sparse design, without a copy."""
    shape = design.n_samples, len(design.mean)
    return sparse.csc_array((design.data, design.indices, design.indptr), shape=shape)
