"""What estimators on shards share: data in, rounds with an account, lost shards."""

import warnings
from math import inf
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.distributed import Shards, ShardsLost, as_shards
from sparsestat.distributed._layout import Layout, layout_of
from sparsestat.distributed._shards import is_dask
from sparsestat.linear_model._distributed_scores import is_in_parts
from sparsestat.linear_model._subset_rounds import Rounds
from sparsestat.utils.criteria import SUBSET_CRITERIA
from sparsestat.utils.feature_groups import check_features
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Each,
    Interval,
    Jobs,
    OneOf,
    Rule,
    Verbosity,
    check_parameters,
    check_sample_weight,
)

__all__ = ["COUNT", "POSITIVE", "SHARD_RULES", "SIZE_RULES", "DistributedModel"]

COUNT = Interval(0, inf, closed="left", integer=True)
POSITIVE = Interval(1, inf, closed="left", integer=True)
# Rules of the parameters that say how many coefficients.
SIZE_RULES: dict[str, Rule] = {
    "n_nonzero_coefs": COUNT | Each(COUNT) | None,
    "max_nonzero_coefs": COUNT | None,
    "criterion": OneOf(*SUBSET_CRITERIA),
    "ic_coef": Interval(0, inf, closed="left"),
    "always_select": ArrayLike | None,
    "alpha": Interval(0, inf, closed="left"),
    "fit_intercept": Boolean,
    "standardize": Boolean,
    "early_stopping": Boolean,
    "tol": Interval(0, inf, closed="neither"),
    "max_rounds": POSITIVE,
}
# And of those that say how shards are held and asked.
SHARD_RULES: dict[str, Rule] = {
    "max_bytes_per_round": POSITIVE,
    "n_shards": POSITIVE | None,
    "n_jobs": Jobs,
    "max_retries": COUNT,
    "timeout": Interval(0, inf, closed="neither") | None,
    "on_failure": OneOf("raise", "drop"),
    "missing_features": OneOf("raise", "zero", "available"),
    "verbose": Verbosity,
}


class _Told(list):
    """An account that is told while it grows."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def append(self, row: dict) -> None:
        super().append(row)
        retries = f", {row['retries']} tried again" if row["retries"] else ""
        print(
            f"[{self._name}] round {len(self)}, {row['purpose']}: "
            f"{row['up_floats_per_shard']:,} numbers from a shard in "
            f"{row['seconds']:.2f} s{retries}"
        )


class DistributedModel(BaseEstimator):
    """Base of the estimators: fit on shards, tell what was sent, predict."""

    _rules: ClassVar[dict[str, Rule]] = {}

    # Whether y has to be numbers.
    _numeric: ClassVar[bool] = True

    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, dask collection, list of shards or Shards
            Of shape (n_samples, n_features); a list holds a tuple ``(X_k, y_k)`` or
            ``(X_k, y_k, sample_weight_k)`` for each shard. Dask collections are
            computed by the current client, or by the threads of this process where
            there is none; :func:`sparsestat.distributed.as_shards` takes another one.
        y : array-like or dask collection of shape (n_samples,), default=None
            Target; None only where X are shards, which hold their own.
        sample_weight : array-like or dask collection, default=None
            Weights >= 0 of shape (n_samples,); a weight of k equals k copies.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite or do not agree, with the number of the shard,
            and for parameters outside their range.
        ShardsLost
            If a shard or the cluster fails for good.
        """
        check_parameters(self, self._rules)
        lazy = is_in_parts(X)
        dtype = np.float64
        if not lazy:
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                y_numeric=self._numeric,
            )
            sample_weight = check_sample_weight(sample_weight, X)
            dtype = X.dtype
        elif is_dask(X) and y is None:
            raise ValueError("y must be given along with a dask collection; got None.")
        shards = as_shards(
            X,
            y,
            sample_weight,
            n_shards=self.n_shards,
            n_jobs=self.n_jobs,
        )
        if not lazy and hasattr(self, "feature_names_in_"):  # X is an array by now
            names = list(self.feature_names_in_)
            shards.about = shards.about._replace(names=names)
        name = type(self).__name__
        communication = _Told(name) if self.verbose else []
        kept, dropped = np.arange(len(shards)), []
        while True:
            try:
                found = self._search(shards, communication)
                break
            except ShardsLost as error:
                lost = list(error.shards)
                if self.on_failure == "raise" or not lost or len(lost) == len(kept):
                    raise
                dropped += kept[lost].tolist()
                warnings.warn(
                    f"{name}: going on without shards {kept[lost].tolist()}. {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
                kept, shards = np.delete(kept, lost), shards.without(lost)
        if lazy:
            self._take_names(found["layout"])
        self.dropped_shards_ = np.array(dropped, dtype=np.int64)
        self.communication_ = list(communication)
        self.n_rounds_ = len(communication)
        self.bytes_total_ = sum(
            row["up_bytes_total"] + row["down_bytes_total"] for row in communication
        )
        self._take(found, dtype)
        self._warn()
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _linear(self, X, predict, width: int | None = None) -> Any:
        """``X @ coef_.T + intercept_``; lazy for lazy samples, by `predict`."""
        check_is_fitted(self)
        if is_dask(X):
            return self._lazily(X, predict, width)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return X @ self.coef_.T + self.intercept_

    @staticmethod
    def _lazily(X, predict, width: int | None = None, dtype=np.float64) -> Any:
        """What `predict` makes of the parts of a dask collection."""
        if hasattr(X, "map_partitions"):
            shape = (0,) if width is None else (0, width)
            return X.map_partitions(predict, meta=np.empty(shape, dtype))
        if width is None:
            return X.map_blocks(predict, drop_axis=1, dtype=dtype)
        return X.map_blocks(predict, chunks=(X.chunks[0], (width,)), dtype=dtype)

    def _search(self, shards: Shards, communication: list[dict]) -> dict:
        """Everything that the fitted attributes need."""
        raise TypeError(f"{type(self).__name__} searches for nothing.")

    def _take(self, found: dict, dtype) -> None:
        """Set the fitted attributes."""
        raise TypeError(f"{type(self).__name__} has no attributes.")

    def _warn(self) -> None:
        """Warn if a certificate misses its tolerance."""
        raise TypeError(f"{type(self).__name__} has no certificate.")

    def _layout(self, shards: Shards, communication: list[dict]) -> Layout:
        """The columns of all shards; a new account begins."""
        del communication[:]
        layout = layout_of(shards, self.missing_features, communication)
        if layout.n_targets == 0:
            raise ValueError(
                "Shards must hold targets, as tuples (X_k, y_k); got X_k alone."
            )
        if layout.n_targets != 1:
            raise ValueError(f"y must have one column; got {layout.n_targets}.")
        return layout

    def _rounds(self, shards, layout: Layout, communication: list[dict]) -> Rounds:
        return Rounds(
            shards,
            layout,
            bool(self.fit_intercept),
            communication,
            self.max_retries,
            self.timeout,
        )

    def _locked(self, layout: Layout) -> np.ndarray:
        """Features that are in every subset."""
        given = [] if self.always_select is None else self.always_select
        return check_features(given, "always_select", layout.n_features, layout.names)

    def _sizes(self, n_features: int, n_rows: float, n_locked: int):
        """The sizes that are asked for, checked against the data."""
        most = min(n_features, int(n_rows) - int(bool(self.fit_intercept)))
        top = self.max_nonzero_coefs
        if top is not None and top < n_locked:
            raise ValueError(
                f"max_nonzero_coefs must be at least {n_locked}, the number of "
                f"features in always_select; got {top}."
            )
        if self.n_nonzero_coefs is None:
            return None
        sizes = np.unique(np.atleast_1d(self.n_nonzero_coefs)).astype(np.int64)
        if sizes[-1] > most:
            raise ValueError(
                f"n_nonzero_coefs must be at most {most} for {n_features} features and "
                f"{int(n_rows)} rows; got {int(sizes[-1])}."
            )
        if sizes[0] < n_locked:
            raise ValueError(
                f"n_nonzero_coefs must be at least {n_locked}, the number of features "
                f"in always_select; got {int(sizes[0])}."
            )
        return sizes

    def _take_names(self, layout) -> None:
        self.n_features_in_ = layout.n_features
        vars(self).pop("feature_names_in_", None)
        if layout.names is not None:
            self.feature_names_in_ = np.array(layout.names, dtype=object)
