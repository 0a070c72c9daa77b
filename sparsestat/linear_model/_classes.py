"""What linear classifiers share: classes, their weights and their probabilities."""

import numpy as np
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sparsestat.linear_model._generalized import Offsets
from sparsestat.utils.validation import (
    OneOf,
    Satisfies,
    check_offset,
    check_parameters,
    check_sample_weight,
)

__all__ = [
    "CLASS_WEIGHT",
    "ClassPredictions",
    "check_present",
    "offset_of_classes",
    "times",
]

CLASS_WEIGHT = OneOf("balanced", None) | Satisfies(
    lambda given: isinstance(given, dict), "a dict from classes to weights"
)


class ClassPredictions(ClassifierMixin, Offsets):
    """Classes, their weights and probabilities.

    Inside, y has columns: the number of the class, the class weight, and the offset of
    the second of two classes or of each of several.
    """

    def decision_function(self, X, offset=None):
        """Logarithms of the odds of the second class, or scores of all.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples[, n_classes]), default=None
            Known part of the linear predictions, as for `fit`; None is zero.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Linear predictions.
        """
        score = self._linear_prediction(X, offset)
        return score.ravel() if len(self.classes_) == 2 else score

    def predict(self, X, offset=None):
        """Predict the most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples[, n_classes]), default=None
            Known part of the linear predictions, as for `fit`; None is zero.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes, out of `classes_`.
        """
        score = self.decision_function(X, offset=offset)
        if score.ndim == 1:
            return self.classes_[(score > 0.0).astype(np.intp)]
        return self.classes_[score.argmax(axis=1)]

    def predict_proba(self, X, offset=None):
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples[, n_classes]), default=None
            Known part of the linear predictions, as for `fit`; None is zero.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        score = self.decision_function(X, offset=offset)
        if score.ndim == 1:
            return np.column_stack([expit(-score), expit(score)])
        return softmax(score, axis=1)

    def predict_log_proba(self, X, offset=None):
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples[, n_classes]), default=None
            Known part of the linear predictions, as for `fit`; None is zero.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, finite however small the probability.
        """
        score = self.decision_function(X, offset=offset)
        if score.ndim == 1:
            return -np.column_stack([np.logaddexp(0, score), np.logaddexp(0, -score)])
        return log_softmax(score, axis=1)

    def _validated(self, X, y, sample_weight, offset=None):
        """Checked parameters and data."""
        check_parameters(self, self._rules)
        X, y = validate_data(
            self, X, y, accept_sparse="csc", dtype=[np.float64, np.float32]
        )
        check_classification_targets(y)
        sample_weight = check_sample_weight(sample_weight, X)
        classes, index = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            only = classes.tolist()[0]
            raise ValueError(
                f"y must have at least two classes; got one class: {only!r}."
            )
        weights = compute_class_weight(
            self.class_weight, classes=classes, y=y, sample_weight=sample_weight
        )
        self.classes_ = classes
        columns = index, weights[index], self._checked_offset(offset, X)
        return X, np.column_stack(columns), sample_weight

    def _checked_offset(self, offset, X):
        if offset is None or len(self.classes_) == 2:
            return check_offset(offset, X)
        return offset_of_classes(offset, X, len(self.classes_))

    def _shift(self, offset, X, z):
        if z.shape[1] == 1:
            return check_offset(offset, X)[:, None]
        return offset_of_classes(offset, X, z.shape[1])

    def _offset_of(self, y):
        return y[:, 2] if y.shape[1] == 3 else y[:, 2:].copy()

    def _target(self, y):
        return self.classes_[y[:, 0].astype(np.intp)]


def offset_of_classes(offset, X, n_classes: int) -> np.ndarray:
    """Offsets of every class, checked."""
    shape = X.shape[0], n_classes
    if np.shape(offset) != shape:
        raise ValueError(
            f"offset must have shape {shape}, one for each sample and class, with more "
            f"than two classes; got {np.shape(offset)}."
        )
    columns = [check_offset(column, X) for column in np.asarray(offset).T]
    return np.column_stack(columns)


def times(sample_weight, class_weight):
    """Products of weights; None for all equal."""
    if (class_weight == 1.0).all():
        return sample_weight
    return class_weight if sample_weight is None else sample_weight * class_weight


def check_present(index: np.ndarray, weight: np.ndarray, classes: np.ndarray) -> None:
    """Raise if some class has no samples of positive weight."""
    present = np.unique(index[weight > 0.0]).astype(np.intp)
    if len(present) < len(classes):
        missing = np.setdiff1d(np.arange(len(classes)), present)[0]
        raise ValueError(
            "Every class needs samples of positive weight, in all and in the training "
            "samples of every fold, else its intercept is not finite; got none of "
            f"class {classes.tolist()[missing]!r}."
        )
