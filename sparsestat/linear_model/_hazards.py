"""What models of proportional hazards share: targets, and predictions of survival."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model._generalized import Offsets
from sparsestat.metrics import concordance_index
from sparsestat.utils.survival import check_survival
from sparsestat.utils.validation import (
    check_offset,
    check_parameters,
    check_sample_weight,
)

__all__ = ["HazardPredictions"]


class HazardPredictions(Offsets):
    """Survival targets, and predictions from a baseline hazard."""

    _offset_column = 2

    def predict(self, X, offset=None):
        """Predict logarithms of hazards, relative to that of the mean sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the logarithms; None is zero.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            ``X @ coef_ + intercept_ + offset``.
        """
        return self._linear_prediction(X, offset)

    def predict_survival_function(self, X, times=None, offset=None):
        """Predict probabilities to survive beyond some times.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        times : array-like of shape (n_times,), default=None
            Times; None is `event_times_`.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the logarithms of hazards; None is zero.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_times)
            ``exp(-H(t) exp(predict(x)))`` with H the cumulative baseline hazard.
        """
        check_is_fitted(self)
        cumulative = np.concatenate([[0.0], np.cumsum(self.baseline_hazard_)])
        if times is None:
            until = cumulative[1:]
        else:
            times = np.asarray(times, dtype=np.float64)
            if times.ndim != 1 or np.isnan(times).any():
                raise ValueError(
                    "times must be 1-D numbers without NaN; got an array of shape "
                    f"{times.shape}."
                )
            until = cumulative[np.searchsorted(self.event_times_, times, side="right")]
        with np.errstate(over="ignore", invalid="ignore"):
            hazard = until * np.exp(self.predict(X, offset).astype(np.float64))[:, None]
        return np.exp(-np.where(until == 0.0, 0.0, hazard))

    def score(self, X, y, sample_weight=None, offset=None):
        """Concordance of predicted hazards and survival times.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, 2), or structured
            Times and events, as for `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the logarithms of hazards; None is zero.

        Returns
        -------
        score : float
            Share of comparable pairs in the right order, see
            :func:`~sparsestat.metrics.concordance_index`.
        """
        risk = self.predict(X, offset=offset)
        return concordance_index(y, risk, sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    def _validated(self, X, y, sample_weight, offset=None):
        """Checked parameters and data; y as columns, time, event and offset."""
        check_parameters(self, self._rules)
        X = validate_data(self, X, accept_sparse="csc", dtype=[np.float64, np.float32])
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        time, event = check_survival(y)
        check_consistent_length(X, time)
        y = np.column_stack([time, event, check_offset(offset, X)])
        return X, y, check_sample_weight(sample_weight, X)

    def _target(self, y):
        return y[:, :2]
