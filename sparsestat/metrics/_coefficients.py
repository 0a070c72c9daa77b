"""What the metrics accept as coefficients: dense or sparse, vectors or matrices."""

import numpy as np
from scipy import sparse


def check_pair(coef_true, coef_pred):
    """Return two arrays of one shape, (n_features,) or (n_targets, n_features).

    A single row or column, such as ``sparse_coef_`` or a column of ``path_coef_``,
    counts as a vector.
    """
    pair = [
        _as_array(coef, name)
        for coef, name in ((coef_true, "coef_true"), (coef_pred, "coef_pred"))
    ]
    if pair[0].shape != pair[1].shape:
        raise ValueError(
            "coef_true and coef_pred must have the same shape; "
            f"got {np.shape(coef_true)} and {np.shape(coef_pred)}."
        )
    return pair


def _as_array(coef, name):
    coef = coef.toarray() if sparse.issparse(coef) else np.asarray(coef)
    if coef.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} must hold numbers or booleans; got an array of dtype {coef.dtype}."
        )
    if coef.ndim not in (1, 2) or coef.size == 0:
        raise ValueError(
            f"{name} must have shape (n_features,) or (n_targets, n_features), "
            f"neither of them zero; got shape {coef.shape}."
        )
    if not np.isfinite(coef).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity.")
    return coef.ravel() if 1 in coef.shape else coef
