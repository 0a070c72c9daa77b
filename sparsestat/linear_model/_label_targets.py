"""Targets as distributions over classes, whichever way they are given."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

__all__ = ["Targets", "check_proportions", "encode_labels", "is_sets"]

# How far the sum of proportions may be from one.
_SLACK = 1e-6


class Targets(NamedTuple):
    """Targets and which rows of the data they belong to.

    Parameters
    ----------
    values : ndarray of int of shape (n_kept,) or (n_kept, n_classes)
        Indices of labels, or distributions.
    classes : ndarray of shape (n_classes,)
        Labels; numbers of the columns where sets of labels were given.
    kept : ndarray of int of shape (n_kept,) or None
        Rows with a label; None means all.
    given : ndarray
        Labels or a 0/1 matrix of int, of those rows.
    """

    values: np.ndarray
    classes: np.ndarray
    kept: np.ndarray | None
    given: np.ndarray

    @property
    def are_sets(self) -> bool:
        """Whether a sample may have several labels."""
        return self.values.ndim == 2


def is_sets(y) -> bool:
    """Whether targets are sets of labels, as a matrix of zeros and ones."""
    return type_of_target(y, input_name="y") == "multilabel-indicator"


def encode_labels(name: str, y) -> Targets:
    """Labels, or sets of labels from a 0/1 matrix, as targets of a fit."""
    check_classification_targets(y)
    if is_sets(y):
        return _encode_sets(name, y)
    classes, values = np.unique(column_or_1d(y, warn=True), return_inverse=True)
    if len(classes) < 2:
        only = classes.tolist()[0]
        raise ValueError(
            f"{name}: y must hold at least 2 classes; got one class, {only!r}."
        )
    return Targets(values, classes, None, classes[values])


def _encode_sets(name: str, y) -> Targets:
    labelled = (y.toarray() if sparse.issparse(y) else np.asarray(y)) != 0
    sizes = labelled.sum(axis=1)
    empty, kept = sizes == 0, None
    if empty.all():
        raise ValueError(
            f"{name}: y must have a label in some row; got {len(empty)} rows without."
        )
    if empty.any():
        warnings.warn(
            f"{name}: {np.count_nonzero(empty)} of {len(empty)} rows of y have no "
            "label; they are left out of the fit, which needs a distribution in each "
            "row.",
            UserWarning,
            stacklevel=4,
        )
        kept = np.flatnonzero(~empty)
        labelled, sizes = labelled[kept], sizes[kept]
    classes = np.arange(labelled.shape[1])
    return Targets(labelled / sizes[:, None], classes, kept, labelled.astype(np.int64))


def check_proportions(name: str, y, normalize: bool = False) -> np.ndarray:
    """Rows of proportions as float64, which sum to one."""
    Y = y.toarray() if sparse.issparse(y) else np.asarray(y)
    if Y.dtype.kind not in "biuf":
        raise ValueError(f"{name}: y must hold numbers; got {Y.dtype}.")
    Y = Y.astype(np.float64)
    if Y.ndim != 2 or Y.shape[1] < 2:
        raise ValueError(
            f"{name}: y must have shape (n_samples, n_classes), the shares of at least "
            f"2 classes; got shape {Y.shape}."
        )
    if not (Y >= 0.0).all():
        row = int((~(Y >= 0.0)).any(axis=1).argmax())
        raise ValueError(f"{name}: y must be >= 0; row {row} holds {Y[row].min()}.")
    sums = Y.sum(axis=1)
    if normalize:
        if not (sums > 0.0).all():
            row = int((~(sums > 0.0)).argmax())
            raise ValueError(
                f"{name}: every row of y must be positive somewhere; row {row} is zero."
            )
    elif not (np.abs(sums - 1.0) <= _SLACK).all():
        row = int((~(np.abs(sums - 1.0) <= _SLACK)).argmax())
        raise ValueError(
            f"{name}: every row of y must sum to one, unless normalize=True; row {row} "
            f"sums to {sums[row]}."
        )
    return Y / sums[:, None]
