"""What all shards have to look like, checked where they lie."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from sparsestat.distributed._engine import map_reduce
from sparsestat.distributed._shards import Shard, Shards, names_of

__all__ = ["Layout", "checked", "checked_moments", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """Columns that every shard must have.

    Parameters
    ----------
    n_features : int
        Columns of X.
    names : list of str or None
        Their names, by which the columns of dataframes are put in order.
    n_targets : int
        Columns of y; 0 where shards have none.
    missing : {"raise", "zero", "available"}
        What to do about a named column that a dataframe lacks: an error, zeros, or
        whatever the rows that have it tell.
    classes : ndarray or None
        Labels, which become their places; None for targets that are numbers.
    """

    n_features: int
    names: list[str] | None
    n_targets: int
    missing: str = "raise"
    classes: Any = None


def layout_of(shards: Shards, missing: str = "raise", communication=None) -> Layout:
    """The layout of the first shard; a round asks where it is not known before.

    Parameters
    ----------
    shards : Shards
    missing : {"raise", "zero", "available"}, default="raise"
        But for "raise" the columns of all shards together.
    communication : list, default=None
        Account of the rounds.

    Returns
    -------
    layout : Layout
    """
    about = shards.about
    n_features, names = about.n_features, about.names
    if n_features is None or missing != "raise":
        found, width = map_reduce(
            _describe,
            shards,
            merge=_first if missing == "raise" else _all_names,
            purpose="layout",
            communication=communication,
        )
        names, n_features = list(found) or names, int(width[0])
        if names is not None:
            n_features = len(names)
    return Layout(n_features, names, about.n_targets, missing)


def checked(
    shard: Shard, layout: Layout, whole: bool = True, look: bool = True
) -> Shard:
    """The shard as plain arrays: X float and in order, y and weights float64.

    Parameters
    ----------
    shard : Shard
        As it lies.
    layout : Layout
        What it has to look like.
    whole : bool, default=True
        Whether X is to lie in one piece; else a slice of wider rows stays one.
    look : bool, default=True
        Whether to look for NaN in a dense X, which takes a pass over it.

    Returns
    -------
    shard : Shard
        Its y is of shape (n_rows, n_targets).

    Raises
    ------
    ValueError
        If columns are missing, too many or not numbers; rows do not match; weights
        are negative; anything is NaN or infinite.
    """
    X = _matrix(shard.X, layout, whole)
    n = X.shape[0]
    y = np.empty((n, 0))
    if layout.n_targets:
        if shard.y is None:
            raise ValueError("y must be given; got None.")
        y = shard.y if layout.classes is None else _places(shard.y, layout.classes)
        y = _numbers(y, "y").astype(np.float64)
        if len(y) != n:
            raise ValueError(f"y must have as many rows as X; got {len(y)} and {n}.")
        y = y.reshape(n, -1) if n else np.empty((0, layout.n_targets))
        if y.shape[1] != layout.n_targets:
            raise ValueError(
                f"y must have {layout.n_targets} columns; got {y.shape[1]}."
            )
    weight = shard.sample_weight
    if weight is not None:
        weight = _numbers(weight, "sample_weight").astype(np.float64)
        if weight.shape != (n,):
            raise ValueError(
                f"sample_weight must be numbers of shape ({n},); got shape "
                f"{weight.shape}."
            )
        if (weight < 0.0).any():
            raise ValueError("sample_weight must be >= 0; got negative weights.")
    for name, array in (("X", X), ("y", y), ("sample_weight", weight)):
        if array is X and not look and isinstance(X, np.ndarray):
            continue
        values = array.data if sparse.issparse(array) else array
        if values is not None and not _all_finite(np.asarray(values)):
            raise ValueError(f"{name} must be finite; got NaN or infinity.")
    return Shard(X, y, weight, shard.extra, shard.number)


def checked_moments(shard: Shard, layout: Layout, moments_of: Callable) -> Any:
    """Moments of a shard, which show NaN by themselves: the rows are read once.

    Parameters
    ----------
    shard : Shard
        As it lies.
    layout : Layout
        What it has to look like.
    moments_of : callable
        ``moments_of(X, y, sample_weight)`` returns :class:`Moments`, of which NaN and
        infinite values of X make some so.

    Returns
    -------
    moments : Moments
    """
    shard = checked(shard, layout, whole=False, look=False)
    weight = shard.sample_weight
    if weight is None:
        weight = np.ones(shard.X.shape[0])
    with np.errstate(over="ignore", invalid="ignore"):
        found = moments_of(shard.X, shard.y, weight)
    seen = found.counts[1] > 0.0  # rows that weigh nothing are not looked at
    if not (seen and _all_finite(found.scatter)):
        checked(shard, layout)  # says where
    if not _all_finite(found.scatter):
        raise ValueError("X and y must have finite second moments; got larger values.")
    return found


def _places(y: Any, classes: np.ndarray) -> np.ndarray:
    """Places of labels among the classes."""
    y = np.asarray(y)
    places = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = classes[places] != y
    if unknown.any():
        raise ValueError(f"y must be among {classes}; got {y[unknown][0]!r}.")
    return places


def _all_finite(values: np.ndarray) -> bool:
    """Without a copy where all are: a sum is finite only then, or overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def _matrix(X: Any, layout: Layout, whole: bool):
    if hasattr(X, "columns"):
        frame = _in_order(X, layout)
        words = [str(k) for k, kind in frame.dtypes.items() if kind.kind not in "biuf"]
        X = frame.to_numpy()
        try:
            X = _numbers(X, "X")
        except ValueError:
            raise ValueError(f"X must hold numbers; {words} hold others.") from None
    if sparse.issparse(X):
        X = X.tocsc()
    elif not isinstance(X, np.ndarray):
        X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions; got {X.ndim}.")
    if X.shape[1] != layout.n_features:
        raise ValueError(
            f"X must have {layout.n_features} columns as other shards; got "
            f"{X.shape[1]}."
        )
    X = _numbers(X, "X")
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    if not sparse.issparse(X):
        X = np.require(X, requirements="A")  # what travelled may not be aligned
        if whole and not X.flags.f_contiguous:
            X = np.ascontiguousarray(X)
    return X


def _numbers(values: Any, name: str):
    """An array, or sparse matrix, of real numbers."""
    if not sparse.issparse(values):
        values = np.asarray(values)
    if values.dtype.kind == "O":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must hold numbers; got objects.") from None
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers; got {values.dtype}.")
    return values


def _in_order(frame: Any, layout: Layout):
    """The columns of a dataframe by name."""
    names = layout.names
    if names is None or list(frame.columns) == names:
        return frame
    lacking = [name for name in names if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in names]
    if unknown or (lacking and layout.missing != "zero"):
        told = [f"lacks {lacking}"] * bool(lacking) + [f"has {unknown}"] * bool(unknown)
        raise ValueError(
            f"X must have the columns of other shards; it {' and '.join(told)}."
        )
    return frame.reindex(columns=names, fill_value=0.0)


def _describe(shard: Shard, message: None) -> tuple[np.ndarray, np.ndarray]:
    names = names_of(shard.X) or []
    return np.array(names, dtype=object), np.array([shard.X.shape[1]])


def _first(first, second):
    return first


def _all_names(first, second):
    """Names of both, those of the first in front."""
    known = set(first[0])
    new = [name for name in second[0] if name not in known]
    return np.array([*first[0], *new], dtype=object), first[1]
