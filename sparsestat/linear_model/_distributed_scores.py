"""Scores of models on shards: sums of errors, made where the rows lie, in one round."""

from typing import Any

import numpy as np

from sparsestat.distributed import Shard, Shards, as_shards, map_reduce
from sparsestat.distributed._engine import add
from sparsestat.distributed._layout import Layout, checked
from sparsestat.distributed._shards import is_dask, is_shard_list

__all__ = ["accuracy_on_shards", "is_in_parts", "r2_on_shards"]


def is_in_parts(X: Any) -> bool:
    """Whether data are a dask collection or shards rather than a matrix."""
    return is_dask(X) or is_shard_list(X) or isinstance(X, Shards)


def r2_on_shards(model, X, y, sample_weight) -> float:
    """R^2, the share of the variance that predictions explain.

    Parameters
    ----------
    model : object
        Fitted.
    X, y, sample_weight
        As in `fit`.

    Returns
    -------
    score : float
    """
    found = _asked(model, _squares, _merge_squares, X, y, sample_weight)
    total, error, _, variation = map(float, found)
    _some(total)
    if variation == 0.0:
        return float(error == 0.0)
    return 1.0 - error / variation


def accuracy_on_shards(model, X, y, sample_weight) -> float:
    """Share of the rows whose class is predicted; as `r2_on_shards`."""
    right, total = map(float, _asked(model, _right, add, X, y, sample_weight))
    _some(total)
    return right / total


def _some(total: float) -> None:
    if total <= 0.0:
        raise ValueError("There must be rows of positive weight; got none.")


def _asked(model, f, merge, X, y, sample_weight) -> tuple:
    if is_dask(X) and y is None:
        raise ValueError("y must be given along with a dask collection; got None.")
    shards = as_shards(
        X, y, sample_weight, n_shards=model.n_shards, n_jobs=model.n_jobs
    )
    names = getattr(model, "feature_names_in_", None)
    names = None if names is None else list(names)
    missing = "zero" if model.missing_features == "zero" else "raise"
    message = {
        "layout": Layout(model.n_features_in_, names, 0, missing),
        "coef": model.coef_,
        "intercept": model.intercept_,
        "classes": getattr(model, "classes_", None),
    }
    return map_reduce(
        f,
        shards,
        message,
        merge=merge,
        max_retries=model.max_retries,
        timeout=model.timeout,
    )


def _rows(shard: Shard, message: dict) -> tuple:
    """Scores, targets and weights of a shard."""
    if shard.y is None:
        raise ValueError("y must be given; got None.")
    seen = checked(shard._replace(y=None), message["layout"])
    y = np.asarray(shard.y).reshape(-1)
    n = seen.X.shape[0]
    if len(y) != n:
        raise ValueError(f"y must have as many rows as X; got {len(y)} and {n}.")
    weight = np.ones(n) if seen.sample_weight is None else seen.sample_weight
    return seen.X @ message["coef"].T + message["intercept"], y, weight


def _squares(shard: Shard, message: dict) -> tuple:
    """Weight, squares of errors, mean of the target, and squares about it."""
    z, y, weight = _rows(shard, message)
    total = float(weight.sum())
    mean = float(weight @ y) / total if total > 0.0 else 0.0
    error, variation = weight @ (y - z) ** 2, weight @ (y - mean) ** 2
    return tuple(map(np.asarray, (total, error, mean, variation)))


def _merge_squares(first: tuple, second: tuple) -> tuple:
    a, b = first[0], second[0]
    if a == 0.0 or b == 0.0:
        return first if b == 0.0 else second
    gap = second[2] - first[2]
    return (
        a + b,
        first[1] + second[1],
        first[2] + gap * (b / (a + b)),
        first[3] + second[3] + gap**2 * (a * b / (a + b)),
    )


def _right(shard: Shard, message: dict) -> tuple:
    """Weight of the rows whose class is the predicted one, and of all."""
    z, y, weight = _rows(shard, message)
    classes = message["classes"]
    places = z.argmax(axis=1) if len(classes) > 2 else (z[:, 0] > 0.0).astype(int)
    return np.asarray(weight @ (classes[places] == y)), np.asarray(weight.sum())
