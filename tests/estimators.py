"""Every public estimator as the common tests see it: instances, data, fitted state."""

import inspect

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from sparsestat.utils.discovery import all_estimators

ESTIMATORS = [cls for _, cls in all_estimators()]


def seeded(cls, **given):
    """An estimator whose random choices are the same each time."""
    seed = {"random_state": 0} if "random_state" in parameters(cls) else {}
    return cls(**{**seed, **given})


def parameters(cls):
    """Constructor parameters by name, in order."""
    return dict(list(inspect.signature(cls).parameters.items()))


def takes_sample_weight(cls):
    """Whether `fit` knows sample weights."""
    return "sample_weight" in inspect.signature(cls.fit).parameters


def data_for(estimator, *, n_samples=40, n_features=6, dtype=np.float64):
    """Small data that suit the estimator's tags: a frame with names, and a target."""
    tags = get_tags(estimator)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    y = X[:, 0] - 2 * X[:, 1] + 0.3 * rng.standard_normal(n_samples).astype(dtype)
    if tags.input_tags.positive_only:
        X = np.abs(X)
    if tags.estimator_type == "classifier":
        y = np.where(y > 0, "yes", "no")
    elif tags.target_tags.positive_only:
        y = np.abs(y)
    if not tags.target_tags.single_output:
        y = np.column_stack([y, X[:, 2] - y])
        if tags.target_tags.positive_only:
            y = np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)
    names = [f"feature {j}" for j in range(n_features)]
    return pd.DataFrame(X, columns=names), y


def fitted_attributes(estimator):
    """Names and values of public fitted attributes, properties included."""
    names = set(vars(estimator)) | {
        name
        for name in dir(type(estimator))
        if isinstance(getattr(type(estimator), name, None), property)
    }
    return {
        name: getattr(estimator, name)
        for name in sorted(names)
        if name.endswith("_") and not name.startswith("_") and hasattr(estimator, name)
    }


def same(first, second):
    """Whether two fitted values hold the same bits."""
    if sparse.issparse(first):
        return same(first.toarray(), second.toarray())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):  # accounts of rounds, whose times are nobody's promise
        kept = first.keys() - {"seconds"}
        return first.keys() == second.keys() and all(
            same(first[key], second[key]) for key in kept
        )
    if isinstance(first, BaseEstimator):
        first, second = (
            {name: value for name, value in vars(model).items() if name.endswith("_")}
            for model in (first, second)
        )
        return same(first, second)
    return np.array_equal(first, second)
