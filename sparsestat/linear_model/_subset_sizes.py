"""What searches for subsets are asked for, checked, and what they found, as columns."""

import warnings
from itertools import pairwise

import numpy as np
from scipy import sparse

from sparsestat.utils.feature_groups import check_feature_groups, check_features

__all__ = [
    "checked_features",
    "checked_sizes",
    "checked_units",
    "last_supports",
    "path_columns",
    "warn_of_end",
    "with_proof",
]


def checked_units(model, n_features: int) -> tuple[np.ndarray | None, int]:
    """Labels of `feature_groups` and how many there are; features alone are groups."""
    if model.feature_groups is None:
        return None, n_features
    names = getattr(model, "feature_names_in_", None)
    groups = check_feature_groups(model.feature_groups, n_features, names)
    labels, n_units = groups.labels.copy(), len(groups.names)
    free = np.flatnonzero(labels < 0)  # features without a group are alone
    labels[free] = n_units + np.arange(len(free))
    return labels, n_units + len(free)


def checked_sizes(
    model, n_locked: int, n_units: int, total: float
) -> tuple[np.ndarray | None, int | None]:
    """`n_nonzero_coefs` as an array and `max_nonzero_coefs`, both within their limits.

    Parameters
    ----------
    model : estimator
    n_locked, n_units : int
        Units that are in every subset, and all.
    total : float
        Number of samples, or the sum of their weights.
    """
    name = type(model).__name__
    most = max(min(n_units, int(np.ceil(total)) - 1), 0)
    sizes, top = model.n_nonzero_coefs, model.max_nonzero_coefs
    if sizes is not None:
        sizes = np.unique(np.atleast_1d(sizes))
        for size in (sizes[0], sizes[-1]):
            if not n_locked <= size <= max(most, n_locked):
                raise ValueError(
                    f"{name}: n_nonzero_coefs must be in [{n_locked}, "
                    f"{max(most, n_locked)}], from the number of features in "
                    "always_select to that of all, or of samples less one; got "
                    f"{int(size)}."
                )
    if top is not None and (top < n_locked or (sizes is None and top > most)):
        raise ValueError(
            f"{name}: max_nonzero_coefs must be in [{n_locked}, {most}], from the "
            "number of features in always_select to that of all, or of samples "
            f"less one; got {top}."
        )
    return sizes, top


def checked_features(model, name: str, n_features: int) -> np.ndarray:
    """Indices of the features that a parameter holds, increasing."""
    values = getattr(model, name)
    names = getattr(model, "feature_names_in_", None)
    return check_features([] if values is None else values, name, n_features, names)


def path_columns(supports: list, slopes: list, n_features: int, dtype):
    """Coefficients along a path, a column for each subset and target after target.

    Parameters
    ----------
    supports : list of ndarray of shape (n_chosen,)
        Features of each subset, increasing.
    slopes : list of ndarray of shape (n_targets, n_chosen)
        Their coefficients.
    n_features : int
    dtype : dtype

    Returns
    -------
    columns : csc_array of shape (n_targets * n_features, n_subsets)
    """
    n_targets = len(slopes[0])
    shift = n_features * np.arange(n_targets)[:, None]
    indices = np.concatenate([(shift + A).ravel() for A in supports])
    data = np.concatenate([b.ravel() for b in slopes]).astype(dtype)
    ends = np.cumsum([0, *(b.size for b in slopes)])
    shape = (n_targets * n_features, len(supports))
    columns = sparse.csc_array((data, indices, ends), shape)
    columns.eliminate_zeros()
    return columns


def warn_of_end(model, asked, sizes, stacklevel: int) -> None:
    """Say that a path ended before the largest size that was asked for.

    Parameters
    ----------
    model : estimator
    asked : ndarray of int or None
        Sizes, increasing; None are all up to some size.
    sizes : ndarray of int
        Those of the path.
    stacklevel : int
        Of the user's call, from here.
    """
    few = model.path == "golden" and asked is not None and len(asked) > 1
    if asked is None or few or asked[-1] <= sizes[-1]:
        return
    warnings.warn(
        f"{type(model).__name__}: n_nonzero_coefs asks for {int(asked[-1])}, but more "
        f"than {int(sizes[-1])} explain nothing more, as the others depend on them or "
        "the fit is perfect; sizes_ ends there.",
        UserWarning,
        stacklevel=stacklevel,
    )


def with_proof(path, chosen: int, search):
    """A path that also proves the size that folds chose, as that of the criterion.

    Parameters
    ----------
    path : SubsetPath or LikelihoodPath
        Of `solver="auto"`, which has proved the size of the smallest criterion.
    chosen : int
        Index of the size that the folds chose.
    search : callable
        Makes a path of one size, given its index.

    Returns
    -------
    path : SubsetPath or LikelihoodPath
    """
    if path.optimal[chosen] or not path.optimal[path.chosen]:
        return path
    one = search(chosen)
    if one.sizes[0] != path.sizes[chosen]:
        return path
    fields = {
        "n_nodes": path.n_nodes + one.n_nodes,
        "n_iter": path.n_iter + one.n_iter,
    }
    for name in set(path._fields) - {"sizes", "chosen", "n_universe", *fields}:
        fields[name] = getattr(path, name).copy()
        fields[name][chosen] = getattr(one, name)[0]
    return path._replace(**fields)


def last_supports(model) -> list[np.ndarray]:
    """Supports of the path that was fitted before, for a warm start."""
    if not (model.warm_start and hasattr(model, "path_coef_")):
        return []
    p = np.atleast_2d(model.coef_).shape[1]
    if p != model.n_features_in_:
        return []
    ends = model.path_coef_.indptr
    rows = [model.path_coef_.indices[a:b] for a, b in pairwise(ends)]
    return [np.unique(features % p) for features in rows]
