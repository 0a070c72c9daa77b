"""Design matrices as value objects: how X is stored, centred and scaled.

The engine works with x~_ij = (x_ij - mean_j) / scale_j and never forms it: means and
scales enter through corrections of each product.  X is never copied or changed; its
memory layout (Fortran, C or compressed columns) and precision stay as they are, while
sums are accumulated in float64.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.utils.dispatch import kernel, operation

__all__ = [
    "CSC",
    "Dense",
    "column_add",
    "column_dot",
    "column_moments",
    "columns",
    "correlate",
    "make_design",
    "predict",
]

_MOMENT_ROWS = 256


class Dense(NamedTuple):
    """Dense X of shape (n_samples, n_features), C or Fortran order, float32 or 64.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    mean, scale : ndarray of shape (n_features,)
        Implicit centring and scaling, float64.
    norm : ndarray of shape (n_features,)
        Weighted root mean squares of the columns of X~; NaN while unknown.
    """

    X: Any
    mean: Any
    scale: Any
    norm: Any


class CSC(NamedTuple):
    """Sparse X of shape (n_samples, n_features) in compressed columns.

    Parameters
    ----------
    data, indices, indptr : ndarray
        As in `scipy.sparse.csc_array`.
    n_samples : int
        Number of rows.
    mean, scale : ndarray of shape (n_features,)
        Implicit centring and scaling, float64.
    norm : ndarray of shape (n_features,)
        Weighted root mean squares of the columns of X~; NaN while unknown.
    """

    data: Any
    indices: Any
    indptr: Any
    n_samples: int
    mean: Any
    scale: Any
    norm: Any


Design = Dense | CSC


@operation
def predict(design: Design, features: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """X~[:, features] @ coef, of shape (n_samples,)."""
    raise TypeError(_unknown(design))


@operation
def correlate(design: Design, v: np.ndarray, features: np.ndarray | None = None):
    """X~[:, features].T @ v, None meaning all: one pass over those columns."""
    raise TypeError(_unknown(design))


@operation
def columns(design: Design, features: np.ndarray | slice, rows: slice) -> np.ndarray:
    """X~[rows, features].T as a float64 copy of shape (len(features), n_rows).

    All features of a dense design are also taken at an array of rows.
    """
    raise TypeError(_unknown(design))


@operation
def column_moments(design: Design, sample_weight: np.ndarray | None, centred: bool):
    """Weighted means of raw X (zeros unless `centred`) and mean squares about them."""
    raise TypeError(_unknown(design))


@operation
def column_dot(design: Design, j: int, weight: np.ndarray | None, v, shift) -> float:
    """Weighted mean of (x_ij - mean_j) (v_i + shift), for v + shift of mean zero.

    Weights None are uniform.
    """
    raise TypeError(_unknown(design))


@operation
def column_add(design: Design, j: int, step: float, out: np.ndarray) -> float:
    """Add step * (x_j - mean_j) to `out`, up to a constant, which is returned."""
    raise TypeError(_unknown(design))


def _unknown(design: Any) -> str:
    return f"{type(design).__name__} is not a design: make one by make_design(X)."


def make_design(
    X,
    *,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
) -> Design:
    """Wrap X with the centring and scaling of a fit.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        float32 or float64; a sparse matrix that is not CSC is converted once.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights summing to one; None is uniform.
    fit_intercept : bool, default=True
        Centre at the weighted means.
    standardize : bool, default=False
        Scale to unit weighted variance.  Columns that are constant, up to rounding,
        keep the scale 1.

    Returns
    -------
    design : Dense or CSC

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import make_design
    >>> make_design(np.array([[1.0, 2.0], [3.0, 4.0]])).mean
    array([2., 3.])
    """
    p = X.shape[1]
    mean, scale, norm = np.zeros(p), np.ones(p), np.full(p, np.nan)
    if sparse.issparse(X):
        X = X.tocsc()
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        arrays = (_readonly(array) for array in (X.data, X.indices, X.indptr))
        design = CSC(*arrays, X.shape[0], mean, scale, norm)
    else:
        design = Dense(_readonly(np.asarray(X)), mean, scale, norm)
    if not (fit_intercept or standardize):
        return design
    mean, variance = column_moments(design, sample_weight, fit_intercept)
    variance[is_constant(mean, variance, X.shape[0])] = 0.0
    norm = np.sqrt(variance)
    if standardize:
        scale = np.where(norm > 0.0, norm, 1.0)
    return design._replace(mean=mean, scale=scale, norm=norm / scale)


def with_norms(design: Design, sample_weight: np.ndarray) -> Design:
    """The design with the norms of its columns known, at the cost of a pass."""
    if not np.isnan(design.norm).any():
        return design
    _, variance = column_moments(design, sample_weight, False)
    return design._replace(norm=np.sqrt(variance) / design.scale)


def is_constant(mean: np.ndarray, variance: np.ndarray, n_samples: int) -> np.ndarray:
    """Columns whose spread is rounding error of their mean, or zero."""
    rounding = 10.0 * np.finfo(np.float64).eps * np.abs(mean) * np.sqrt(n_samples)
    return variance <= rounding**2


def n_features(design: Design) -> int:
    return len(design.mean)


def n_samples(design: Design) -> int:
    return design.X.shape[0] if isinstance(design, Dense) else design.n_samples


def _readonly(array: np.ndarray) -> np.ndarray:
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def _shifted(design: Design, features, raw: np.ndarray, total: float) -> np.ndarray:
    """Centre and scale raw products x_j.T @ v, given sum(v)."""
    mean, scale = design.mean[features], design.scale[features]
    return (raw - mean * total) / scale


# Dense ------------------------------------------------------------------------------


@predict.register(Dense)
def _(design, features, coef):
    slopes = coef / design.scale[features]
    X = design.X
    if X.dtype == np.float64 and len(features) == X.shape[1]:
        full = np.zeros(X.shape[1])
        full[features] = slopes
        out = X @ full
    else:
        out = np.zeros(X.shape[0])
        dense_predict = _predict_rows if X.flags.c_contiguous else _predict_columns
        dense_predict(X, features, slopes, out)
    return out - design.mean[features] @ slopes


@correlate.register(Dense)
def _(design, v, features=None):
    X = design.X
    all_features = features is None
    if all_features:
        features = slice(None)
    if X.dtype == np.float64 and all_features:
        raw = X.T @ v
    else:
        chosen = np.arange(X.shape[1]) if all_features else features
        raw = np.zeros(len(chosen))
        by_rows = X.flags.c_contiguous
        (_correlate_rows if by_rows else _correlate_columns)(X, chosen, v, raw)
    return _shifted(design, features, raw, v.sum())


@columns.register(Dense)
def _(design, features, rows):
    copy = True if isinstance(features, slice) else None  # an index array copies
    block = np.array(design.X.T[features, rows], np.float64, order="C", copy=copy)
    mean, scale = design.mean[features], design.scale[features]
    if mean.any():
        block -= mean[:, None]
    if (scale != 1.0).any():
        block /= scale[:, None]
    return block


@column_moments.register(Dense)
def _(design, sample_weight, centred):
    X = design.X
    n, p = X.shape
    weight = np.full(n, 1.0 / n) if sample_weight is None else sample_weight
    mean, variance = np.zeros(p), np.zeros(p)
    if X.flags.c_contiguous:
        _moments_by_rows(X, weight, centred, mean, variance)
    else:
        _moments_by_columns(X, weight, centred, mean, variance)
    return mean, variance


@column_dot.register(Dense)
def _(design, j, weight, v, shift):
    x, mean = design.X[:, j], design.mean[j]
    total = 0.0
    if weight is None:
        for i in range(len(v)):
            total += (x[i] - mean) * v[i]
        return total / len(v)
    for i in range(len(v)):
        total += (x[i] - mean) * v[i] * weight[i]
    return total


@column_add.register(Dense)
def _(design, j, step, out):
    x, mean = design.X[:, j], design.mean[j]
    for i in range(len(out)):
        out[i] += step * (x[i] - mean)
    return 0.0


@kernel
def _predict_columns(X, features, slopes, out):
    for k in range(len(features)):
        if slopes[k] != 0.0:
            x, slope = X[:, features[k]], slopes[k]
            for i in range(len(out)):
                out[i] += slope * x[i]


@kernel
def _predict_rows(X, features, slopes, out):
    for i in range(len(out)):
        total = 0.0
        for k in range(len(features)):
            total += slopes[k] * X[i, features[k]]
        out[i] = total


@kernel
def _correlate_columns(X, features, v, out):
    for k in range(len(features)):
        x = X[:, features[k]]
        total = 0.0
        for i in range(len(v)):
            total += x[i] * v[i]
        out[k] = total


@kernel
def _correlate_rows(X, features, v, out):
    for i in range(len(v)):
        for k in range(len(features)):
            out[k] += v[i] * X[i, features[k]]


@kernel
def _moments_by_columns(X, weight, centred, mean, variance):
    for j in range(X.shape[1]):
        x = X[:, j]
        total = 0.0
        if centred:
            for i in range(len(x)):
                total += weight[i] * x[i]
        squares, rest = 0.0, 0.0
        for i in range(len(x)):
            deviation = x[i] - total
            squares += weight[i] * deviation * deviation
            rest += weight[i] * deviation
        # The second sum removes the rounding error of the first.
        mean[j] = total + rest if centred else 0.0
        variance[j] = squares - rest * rest if centred else squares


@kernel
def _moments_by_rows(X, weight, centred, mean, variance):
    """Blocks of rows that stay in cache, merged as by Chan, Golub, LeVeque (1983)."""
    n, p = X.shape
    block_mean, block_rest, block_squares = np.zeros(p), np.zeros(p), np.zeros(p)
    seen = 0.0
    for start in range(0, n, _MOMENT_ROWS):
        stop = min(start + _MOMENT_ROWS, n)
        mass = weight[start:stop].sum()
        if mass == 0.0:
            continue
        block_mean[:] = 0.0
        block_rest[:] = 0.0
        block_squares[:] = 0.0
        if centred:
            for i in range(start, stop):
                share = weight[i] / mass
                for j in range(p):
                    block_mean[j] += share * X[i, j]
        for i in range(start, stop):
            for j in range(p):
                deviation = X[i, j] - block_mean[j]
                block_rest[j] += weight[i] * deviation
                block_squares[j] += weight[i] * deviation * deviation
        for j in range(p):
            if centred:
                rest = block_rest[j] / mass
                gap = block_mean[j] + rest - mean[j]
                block_squares[j] += -rest * rest * mass
                block_squares[j] += gap * gap * mass * seen / (mass + seen)
                mean[j] += gap * mass / (mass + seen)
            variance[j] += block_squares[j]
        seen += mass


# Compressed columns -----------------------------------------------------------------


@predict.register(CSC)
def _(design, features, coef):
    slopes = coef / design.scale[features]
    out = np.zeros(design.n_samples)
    _predict_csc(design.data, design.indices, design.indptr, features, slopes, out)
    return out - design.mean[features] @ slopes


@correlate.register(CSC)
def _(design, v, features=None):
    chosen = np.arange(len(design.mean)) if features is None else features
    raw = np.empty(len(chosen))
    _correlate_csc(design.data, design.indices, design.indptr, chosen, v, raw)
    return _shifted(design, slice(None) if features is None else features, raw, v.sum())


@columns.register(CSC)
def _(design, features, rows):
    block = np.zeros((len(features), design.n_samples))
    _columns_csc(design.data, design.indices, design.indptr, features, block)
    block = block[:, rows]
    block -= design.mean[features, None]
    block /= design.scale[features, None]
    return block


@column_moments.register(CSC)
def _(design, sample_weight, centred):
    n, p = design.n_samples, len(design.mean)
    weight = np.full(n, 1.0 / n) if sample_weight is None else sample_weight
    mean, variance = np.zeros(p), np.zeros(p)
    _moments_csc(
        design.data, design.indices, design.indptr, weight, centred, mean, variance
    )
    return mean, variance


@column_dot.register(CSC)
def _(design, j, weight, v, shift):
    start, stop = design.indptr[j], design.indptr[j + 1]
    data, indices = design.data[start:stop], design.indices[start:stop]
    total = 0.0
    if weight is None:
        for k in range(len(data)):
            total += data[k] * v[indices[k]]
        return total / len(v) + shift * design.mean[j]
    for k in range(len(data)):
        total += data[k] * v[indices[k]] * weight[indices[k]]
    return total + shift * design.mean[j]


@column_add.register(CSC)
def _(design, j, step, out):
    start, stop = design.indptr[j], design.indptr[j + 1]
    data, indices = design.data[start:stop], design.indices[start:stop]
    for k in range(len(data)):
        out[indices[k]] += step * data[k]
    return -step * design.mean[j]


@kernel
def _predict_csc(data, indices, indptr, features, slopes, out):
    for f in range(len(features)):
        if slopes[f] != 0.0:
            for k in range(indptr[features[f]], indptr[features[f] + 1]):
                out[indices[k]] += slopes[f] * data[k]


@kernel
def _correlate_csc(data, indices, indptr, features, v, out):
    for f in range(len(features)):
        total = 0.0
        for k in range(indptr[features[f]], indptr[features[f] + 1]):
            total += data[k] * v[indices[k]]
        out[f] = total


@kernel
def _columns_csc(data, indices, indptr, features, block):
    for f in range(len(features)):
        for k in range(indptr[features[f]], indptr[features[f] + 1]):
            block[f, indices[k]] += data[k]


@kernel
def _moments_csc(data, indices, indptr, weight, centred, mean, variance):
    total_weight = weight.sum()
    for j in range(len(mean)):
        total, mass = 0.0, 0.0
        for k in range(indptr[j], indptr[j + 1]):
            total += weight[indices[k]] * data[k]
            mass += weight[indices[k]]
        centre = total / total_weight if centred else 0.0
        squares = 0.0
        for k in range(indptr[j], indptr[j + 1]):
            deviation = data[k] - centre
            squares += weight[indices[k]] * deviation * deviation
        # Entries not stored are zeros, at distance `centre` from the mean.
        if indptr[j + 1] - indptr[j] < len(weight):
            squares += max(total_weight - mass, 0.0) * centre * centre
        mean[j], variance[j] = centre, squares
