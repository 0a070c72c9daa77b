"""Columns of a design taken more than once: groups of features that overlap.

Coefficient k belongs to feature ``columns[k]``; X is read where it is, its columns are
never copied.  After Jacob, Obozinski and Vert (2009), doi:10.1145/1553374.1553431.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import (
    Design,
    columns,
    correlate,
    n_samples,
    predict,
)
from sparsestat.optim.moments import gram_block
from sparsestat.optim.tasks import Tasks

__all__ = ["Duplicates", "make_duplicates", "on_features", "rounded"]


class Duplicates(NamedTuple):
    """X~ with columns repeated.

    Parameters
    ----------
    base : Dense or CSC
        X of shape (n_samples, n_features) with its centring and scaling.
    columns : ndarray of shape (n_coefs,), int64
        Feature of each coefficient.
    n_samples : int
        Samples of the base.
    mean, scale, norm : ndarray of shape (n_coefs,)
        Those of the base, for each coefficient.
    """

    base: Any
    columns: Any
    n_samples: int
    mean: Any
    scale: Any
    norm: Any


def make_duplicates(base: Design, features: np.ndarray) -> Duplicates:
    """Take the columns `features` of a design."""
    taken = (array[features] for array in (base.mean, base.scale, base.norm))
    return Duplicates(base, features, n_samples(base), *taken)


def on_features(design: Any, coefs: Any) -> Any:
    """Coefficients of the features: sums over those that share one.

    Parameters
    ----------
    design : Design
    coefs : ndarray of shape (n_coefs,) or csc_array of shape (n_coefs, n_alphas)
        Of several tasks those of a feature are next to each other.

    Returns
    -------
    coefs : of the same kind
        With n_features in place of n_coefs; as it is unless columns are repeated.
    """
    if isinstance(design, Tasks) and isinstance(design.base, Duplicates):
        each = sparse.eye_array(design.n_tasks)
        return sparse.csc_array(sparse.kron(_sums(design.base), each)) @ coefs
    if not isinstance(design, Duplicates):
        return coefs
    return sparse.csc_array(_sums(design)) @ coefs


def rounded(design: Any, coef: np.ndarray, dtype: Any) -> np.ndarray:
    """Coefficients that, summed for each feature, are numbers of another precision."""
    if not isinstance(design, Duplicates):
        return coef.astype(dtype).astype(np.float64)
    total = _sums(design) @ coef
    rest = total.astype(dtype).astype(np.float64) - total
    # All of the difference goes to one coefficient of each feature that is not zero.
    nonzero = np.flatnonzero(coef)
    features, first = np.unique(design.columns[nonzero], return_index=True)
    coef = coef.copy()
    coef[nonzero[first]] += rest[features]
    return coef


def _sums(design: Duplicates) -> sparse.csr_array:
    n_coefs, n_features = len(design.columns), len(design.base.mean)
    entries = np.ones(n_coefs), (design.columns, np.arange(n_coefs))
    return sparse.csr_array(entries, shape=(n_features, n_coefs))


@predict.register(Duplicates)
def _(design, features, coef):
    owners, places = np.unique(design.columns[features], return_inverse=True)
    return predict(design.base, owners, np.bincount(places, coef, len(owners)))


@correlate.register(Duplicates)
def _(design, v, features=None):
    if features is None:
        return correlate(design.base, v)[design.columns]
    owners, places = np.unique(design.columns[features], return_inverse=True)
    return correlate(design.base, v, owners)[places]


@columns.register(Duplicates)
def _(design, features, rows):
    return columns(design.base, design.columns[features], rows)


@gram_block.register(Duplicates)
def _(design, weight, rows, cols):
    taken = design.columns
    return gram_block(design.base, weight, taken[rows], taken[cols])
