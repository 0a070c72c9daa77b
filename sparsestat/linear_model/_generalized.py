"""What generalised linear models share: offsets, deviances, and how they are fitted."""

from functools import partial, wraps
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.metrics import d2_tweedie_score
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model._glm_penalty import PenaltyChoice
from sparsestat.linear_model._newton import (
    NewtonCV,
    NewtonModel,
    NewtonModelCV,
    NewtonRegressor,
)
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.optim.datafits import least_loss, loss
from sparsestat.optim.generalized_linear import GeneralizedLinear
from sparsestat.utils.validation import check_offset

__all__ = [
    "GeneralizedLinearModel",
    "GeneralizedLinearModelCV",
    "GeneralizedLinearRegressor",
    "GeneralizedLinearRegressorCV",
    "Offsets",
    "TargetWithOffset",
]

# Linear predictions beyond this, of held-out samples, are all infinitely bad.
_FAR = 300.0


class Offsets:
    """Known parts of linear predictions; inside they are a column of y."""

    _offset_column: ClassVar[int] = 1

    def _linear_prediction(self, X, offset) -> np.ndarray:
        """Linear predictions of every sample, and class where there are several."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        z = X @ self.coef_.T + self._constant
        if offset is None:
            return z
        return z + self._shift(offset, X, z).astype(z.dtype)

    @property
    def _constant(self):
        """What all linear predictions have in common."""
        return self.intercept_

    def _shift(self, offset, X, z: np.ndarray) -> np.ndarray:
        """Checked offsets in the shape of the predictions."""
        return check_offset(offset, X)

    def _offset_of(self, y: np.ndarray) -> np.ndarray:
        """Offsets among the columns of y."""
        return y[:, self._offset_column]

    def _scores(self, X, y, run, found, fold, scorer):
        offset = self._offset_of(y[fold.test])
        if offset.any():
            scorer = _WithOffset(scorer, offset)
        return super()._scores(X, y, run, found, fold, scorer)


class TargetWithOffset(Offsets):
    """Targets of one column, checked."""

    _datafit: ClassVar[NamedTuple]

    def _validated(self, X, y, sample_weight, offset=None):
        """Checked parameters and data; y as two columns, target and offset."""
        X, y, sample_weight = super()._validated(X, y, sample_weight)
        self._check_target(y)
        return X, np.column_stack([y, check_offset(offset, X)]), sample_weight

    def _check_target(self, y: np.ndarray) -> None:
        """Raise if some y cannot be."""

    def _check_weighted(self, y: np.ndarray) -> None:
        """Raise if targets of positive weight have no finite fit."""

    def _target(self, y):
        return y[:, 0]

    def _make_loss(self, y):
        return partial(self._loss, y)

    def _loss(self, y, weight) -> GeneralizedLinear:
        target, offset = y[:, 0].copy(), y[:, 1].copy()
        self._check_weighted(target[weight > 0.0])
        return GeneralizedLinear(
            self._datafit,
            target,
            offset if offset.any() else None,
            self.fit_intercept,
            weight,
        )


class _FoldsOfDeviance:
    """Cross-validation by held-out deviances."""

    _loss_path = "deviance_path_"

    def _losses(self, X, y, found, fold):
        target, offset = y[fold.test, 0], y[fold.test, 1]
        z = fitted_path(X, found, fold.test) + offset[:, None]
        z = np.clip(z.astype(np.float64), -_FAR, _FAR)
        least = least_loss(self._datafit, target)
        losses = loss(self._datafit, target[:, None], z) - least[:, None]
        return 2.0 * np.average(losses, axis=0, weights=fold.test_weight)


class _WithOffset:
    """A scorer of predictions with a given offset."""

    def __init__(self, scorer: Any, offset: np.ndarray) -> None:
        self.scorer, self.offset = scorer, offset

    def __call__(self, model, X, y, **params):
        for name in ("predict", "predict_proba", "decision_function"):
            if hasattr(model, name) and name not in vars(model):
                setattr(model, name, self._shifted(getattr(model, name)))
        return self.scorer(model, X, y, **params)

    def _shifted(self, method):
        @wraps(method)
        def predict(X, offset=None):  # `score` hands on what it was not given
            return method(X, offset=self.offset if offset is None else offset)

        return predict


class GeneralizedLinearModel(PenaltyChoice, TargetWithOffset, NewtonModel):
    """Base of the models at one strength."""

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; never copied unless of another type, or sparse
            and not CSC.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions, such as the logarithm of an exposure;
            None is zero. With more than two classes of shape (n_samples, n_classes).

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for a target
            that the model cannot have or that has no finite fit, and for parameters or
            weights outside their range.
        """
        return self._fit(X, y, sample_weight, offset=offset)


class GeneralizedLinearModelCV(
    PenaltyChoice, _FoldsOfDeviance, TargetWithOffset, NewtonModelCV
):
    """Base of the models that choose the strength by cross-validation."""

    # Groups are for the splitter, which asks for them itself.
    __metadata_request__fit: ClassVar[dict] = {"groups": UNUSED}

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, offset=None):
        """Fit the path, choose a strength, keep the solution there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; folds are weights, so X is never copied or sliced for a fit.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, for the fits and the scores.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions; None is zero. With more than two
            classes of shape (n_samples, n_classes).

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range, and for a target
            without a finite fit, in all or in a fold.
        """
        return self._fit(X, y, sample_weight, groups, offset=offset)


class MeanPrediction:
    """Regressors with a logarithmic link."""

    _power: ClassVar[int]

    def predict(self, X, offset=None):
        """Predict means: ``exp(X @ coef_ + intercept_ + offset)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions; None is zero.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions, positive.
        """
        return np.exp(self._linear_prediction(X, offset))

    def score(self, X, y, sample_weight=None, offset=None):
        """Share of the deviance explained, D^2, of which R^2 is the square error's.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions; None is zero.

        Returns
        -------
        score : float
            1 less the ratio of the deviances of predictions and of the mean of y.
        """
        predicted = self.predict(X, offset=offset)
        return d2_tweedie_score(
            y, predicted, sample_weight=sample_weight, power=self._power
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


class GeneralizedLinearRegressor(
    MeanPrediction, GeneralizedLinearModel, NewtonRegressor
):
    """Base of the regressors at one strength."""


class GeneralizedLinearRegressorCV(MeanPrediction, GeneralizedLinearModelCV, NewtonCV):
    """Base of the cross-validated regressors."""
