"""Groups of features as users write them: a size, labels, index sets or a function."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.utils.validation import (
    ArrayLike,
    Callable,
    Interval,
    ParameterError,
    Rule,
)

__all__ = [
    "FEATURE_GROUPS",
    "FeatureGroups",
    "check_feature_groups",
    "check_features",
]

# What the parameter may be; `check_feature_groups` looks closer, given the features.
FEATURE_GROUPS: Rule = (
    Interval(1, float("inf"), closed="left", integer=True) | ArrayLike | Callable
)
_FORMS = (
    "the size of neighbouring groups, a 1-D array of labels with one for each feature, "
    "a list of arrays of indices or names, or a callable that maps the names of the "
    "features to labels"
)


class FeatureGroups(NamedTuple):
    """Groups of features; a feature may belong to several where they overlap.

    Parameters
    ----------
    features : ndarray of shape (n_members,), int64
        Feature of each member; 0, 1, ..., n_features - 1 unless groups overlap, else
        group after group.
    labels : ndarray of shape (n_members,), int64
        Number of each member's group, from 0 to n_groups - 1; -1 stands for features
        without a penalty.
    names : list
        What the groups are called: their labels, or their numbers.
    """

    features: np.ndarray
    labels: np.ndarray
    names: list

    @property
    def overlap(self) -> bool:
        """Whether some feature has several groups."""
        return len(np.unique(self.features)) < len(self.features)

    def sets(self) -> list[np.ndarray]:
        """Features of each group, increasing."""
        order = np.argsort(self.labels, kind="stable")
        n_free = np.count_nonzero(self.labels < 0)
        sizes = np.bincount(self.labels[order[n_free:]], minlength=len(self.names))
        parts = np.split(self.features[order[n_free:]], np.cumsum(sizes)[:-1])
        return [np.sort(part) for part in parts]


def check_feature_groups(
    feature_groups: Any,
    n_features: int,
    feature_names: Any = None,
    overlap: str = "error",
) -> FeatureGroups:
    """Bring groups of features to one form.

    Parameters
    ----------
    feature_groups : int, array-like, list of array-likes or callable
        An int is the size of groups of neighbours, the last of which may be smaller. A
        1-D array holds a label for each feature: numbers or strings, -1, NaN or None
        for a feature without a penalty. A list of arrays of indices or names holds the
        groups themselves. A callable maps the array of names to labels.
    n_features : int
        Number of features.
    feature_names : array-like of shape (n_features,), default=None
        Names of features; for the callable None makes them x0, x1, ...
    overlap : {"error", "latent"}, default="error"
        Whether a list of arrays may name a feature twice.

    Returns
    -------
    groups : FeatureGroups
        Groups by labels are numbered in the order of the sorted labels.

    Raises
    ------
    ValueError
        For labels of wrong number or shape, indices out of range, features in no group
        and, unless allowed, in several.

    Examples
    --------
    >>> check_feature_groups(2, 5).labels
    array([0, 0, 1, 1, 2])
    >>> check_feature_groups(["b", None, "a"], 3).labels
    array([ 1, -1,  0])
    >>> check_feature_groups([[0, 1], [1, 2]], 3, overlap="latent").features
    array([0, 1, 1, 2])
    """
    if isinstance(feature_groups, int | np.integer):
        labels = np.arange(n_features) // int(feature_groups)
        names = list(range(labels[-1] + 1))
        return FeatureGroups(np.arange(n_features), labels, names)
    if callable(feature_groups):
        if feature_names is None:
            feature_names = [f"x{j}" for j in range(n_features)]
        labels = feature_groups(np.asarray(feature_names, dtype=object))
        return _from_labels(labels, n_features, "what feature_groups returns")
    if _is_list_of_sets(feature_groups):
        return _from_sets(feature_groups, n_features, feature_names, overlap)
    return _from_labels(feature_groups, n_features, "feature_groups")


def check_features(
    values: Any, name: str, n_features: int, feature_names: Any = None
) -> np.ndarray:
    """Indices of features, from indices or names.

    Parameters
    ----------
    values : array-like of int or str
        Indices, or names of columns.
    name : str
        What the error calls them.
    n_features : int
        Number of features.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features, if they have names.

    Returns
    -------
    features : ndarray of int64
        Increasing, each once.

    Raises
    ------
    ValueError
        For other things than indices or names, indices out of range and names that no
        feature has.

    Examples
    --------
    >>> check_features(["c", "a"], "always_select", 3, ["a", "b", "c"])
    array([0, 2])
    """
    array = np.asarray(values)
    if array.size == 0:
        return np.array([], np.int64)
    if array.ndim == 1 and array.dtype.kind in "OUT":
        return _named(np.asarray(values, dtype=object), name, feature_names)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be a 1-D array of indices or names of features; got "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.min() < 0 or array.max() >= n_features:
        worst = array.min() if array.min() < 0 else array.max()
        raise ValueError(
            f"{name} must hold indices in [0, {n_features}); got {int(worst)}."
        )
    return np.unique(array).astype(np.int64)


def _named(values: np.ndarray, name: str, feature_names: Any) -> np.ndarray:
    """Where the features of these names are."""
    for value in values:
        if not isinstance(value, str):
            raise ValueError(
                f"{name} must hold either indices or names of features; got {value!r} "
                f"in {values.tolist()}."
            )
    wanted = [str(value) for value in values]
    if feature_names is None:
        raise ValueError(
            f"{name} holds names of features, {wanted}, but X has none: pass a data "
            "frame whose columns are strings, or indices."
        )
    missing = sorted(set(wanted).difference(feature_names))
    if missing:
        raise ValueError(
            f"{name} must hold names of columns of X; got {missing}, which X has not."
        )
    return np.flatnonzero(np.isin(np.asarray(feature_names, dtype=object), wanted))


def _is_list_of_sets(groups: Any) -> bool:
    if not isinstance(groups, list | tuple):
        return False
    return any(np.ndim(entry) > 0 or isinstance(entry, set) for entry in groups)


def _from_labels(labels: Any, n_features: int, owner: str) -> FeatureGroups:
    array = labels.to_numpy() if hasattr(labels, "to_numpy") else np.asarray(labels)
    if isinstance(labels, list | tuple) and array.dtype.kind in "US":
        array = np.asarray(labels, dtype=object)  # keeps None apart from "None"
    if array.ndim != 1 or len(array) != n_features:
        raise ValueError(
            f"{owner} must be of shape ({n_features},), one label for each feature, or "
            f"else {_FORMS}; got shape {array.shape}."
        )
    if array.dtype.kind not in "biufUSO":
        raise ParameterError(
            f"{owner} must hold numbers or strings; got {array.dtype}."
        )
    free = np.array([_is_missing(label) for label in array])
    if free.all():
        raise ValueError(
            f"{owner} must put some feature into a group; got -1, NaN or None for all "
            f"{n_features}."
        )
    try:
        names, numbers = np.unique(array[~free], return_inverse=True)
    except TypeError:
        raise ParameterError(
            f"{owner} must hold labels that can be sorted, numbers or strings; got "
            f"{sorted({type(label).__name__ for label in array})}."
        ) from None
    members = np.full(n_features, -1, np.int64)
    members[~free] = numbers
    return FeatureGroups(np.arange(n_features), members, names.tolist())


def _is_missing(label: Any) -> bool:
    if isinstance(label, str | bytes | bool | np.bool_):
        return False
    if label is None or label == -1:
        return True
    try:
        return bool(label != label)
    except TypeError:  # the truth of pandas.NA is unknown
        return True


def _from_sets(
    sets: Any, n_features: int, feature_names: Any, overlap: str
) -> FeatureGroups:
    parts = [
        _members(part, k, n_features, feature_names) for k, part in enumerate(sets)
    ]
    features = np.concatenate(parts)
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    counts = np.bincount(features, minlength=n_features)
    if (counts == 0).any():
        missing = np.flatnonzero(counts == 0)
        raise ValueError(
            f"feature_groups must cover all {n_features} features; {len(missing)} are "
            f"in no group, feature {missing[0]} the first. An array of labels may "
            "leave features unpenalised by -1."
        )
    names = list(range(len(parts)))
    if (counts == 1).all():
        order = np.argsort(features)
        return FeatureGroups(features[order], labels[order], names)
    if overlap != "latent":
        twice = int(np.argmax(counts > 1))
        raise ValueError(
            f"feature_groups must not overlap; feature {twice} is in groups "
            f"{labels[features == twice].tolist()}. With overlap='latent' each group "
            "has a coefficient of its own for it."
        )
    return FeatureGroups(features, labels, names)


def _members(part: Any, k: int, n_features: int, feature_names: Any) -> np.ndarray:
    values = sorted(part) if isinstance(part, set) else part
    if np.size(values) == 0:
        raise ValueError(
            f"feature_groups must be {_FORMS}; group {k} of the list is empty."
        )
    owner = f"group {k} of feature_groups"
    features = check_features(values, owner, n_features, feature_names)
    if len(features) < np.size(values):
        raise ValueError(
            f"feature_groups must name a feature once in a group; group {k} repeats "
            "one."
        )
    return features
