"""Compile and cache kernels ahead of time: ``python -m sparsestat.warmup [Lasso ...]``.

Useful when an image is built or before timing anything: each public estimator, or each
named one, is fitted to tiny data in every storage (Fortran order, C order, CSC) and
precision, wide and tall, so that later processes load machine code.
"""

import inspect
import itertools
import sys
import time
import warnings
from collections.abc import Collection, Iterator

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

from sparsestat.utils.discovery import all_estimators
from sparsestat.utils.validation import OneOf

__all__ = ["warm_up"]

# Parameters whose choices lead to different kernels.
_BRANCHING = ("precompute", "solver")
# A short grid and few folds call the same kernels as long ones.
_SHORT = {"alphas": 5, "cv": 2}


def warm_up(
    names: Collection[str] | None = None, *, verbose: bool = True
) -> dict[str, int]:
    """Fit estimators so that all of their kernels are compiled and cached.

    Parameters
    ----------
    names : collection of str, default=None
        Names of public estimators; None is all of them.
    verbose : bool, default=True
        Whether to print a line per estimator.

    Returns
    -------
    n_fits : dict of str to int
        How many fits each estimator took.

    Raises
    ------
    ValueError
        If a name is not that of a public estimator.

    Examples
    --------
    >>> from sparsestat.warmup import warm_up
    >>> warm_up(["LassoIC"], verbose=False)
    {'LassoIC': ...}
    """
    estimators = {n: cls for n, cls in all_estimators() if not _needs_arguments(cls)}
    names = estimators.keys() if names is None else names
    if unknown := sorted(set(names) - estimators.keys()):
        raise ValueError(
            f"names must be among {', '.join(estimators)}; got {', '.join(unknown)}."
        )
    n_fits = {}
    for name in names:
        start = time.perf_counter()
        n_fits[name] = _fit_all(estimators[name])
        if verbose:
            elapsed = time.perf_counter() - start
            print(f"{name:<24} {n_fits[name]:>4} fits {elapsed:8.2f} s", flush=True)
    return n_fits


def _fit_all(cls: type) -> int:
    n_fits = 0
    for params, (X, y, sample_weight) in itertools.product(_settings(cls), _data(cls)):
        estimator = cls(**params)
        routed = {} if sample_weight is None else {"sample_weight": sample_weight}
        if routed and "sample_weight" not in inspect.signature(cls.fit).parameters:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                estimator.fit(X, y, **routed)
            except ImportError:  # a choice that needs a package which is not there
                continue
        n_fits += 1
    return n_fits


def _settings(cls: type) -> Iterator[dict]:
    """The default and, one at a time, every choice that leads to other kernels."""
    table = getattr(cls, "_rules", {})
    short = {name: value for name, value in _SHORT.items() if name in table}
    yield short
    for name in _BRANCHING:
        if isinstance(table.get(name), OneOf):
            for option in table[name].options:
                yield {**short, name: option}


def _data(cls: type) -> Iterator[tuple]:
    tags = get_tags(cls())
    rng = np.random.default_rng(0)
    for shape, dtype in itertools.product(
        [(30, 8), (12, 20)], [np.float64, np.float32]
    ):
        X = np.asfortranarray(rng.standard_normal(shape), dtype=dtype)
        y = X[:, 0] + X[:, 1] + 0.1 * rng.standard_normal(len(X)).astype(dtype)
        if tags.input_tags.positive_only:
            X = np.abs(X)
        if tags.estimator_type == "classifier":
            y = (y > 0).astype(int)
        elif tags.target_tags.positive_only:
            y = np.abs(y)
        if not tags.target_tags.single_output:
            y = np.column_stack([y, X[:, 2]])
            if tags.target_tags.positive_only:
                y = np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)
        for sample_weight in (None, np.ones(len(X))):
            yield X, y, sample_weight
            yield np.ascontiguousarray(X), y, sample_weight
            if tags.input_tags.sparse:
                yield sparse.csc_array(X), y, sample_weight


def _needs_arguments(cls: type[BaseEstimator]) -> bool:
    parameters = inspect.signature(cls).parameters.values()
    return any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)


if __name__ == "__main__":
    warm_up(sys.argv[1:] or None)
