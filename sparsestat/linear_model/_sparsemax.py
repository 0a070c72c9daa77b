"""Linear classifiers whose probabilities are exactly zero for most classes."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.utils.class_weight import compute_sample_weight

from sparsestat.linear_model._fenchel_young import (
    COMMON,
    LinearFenchelYoung,
    as_floats,
    entmax_of_scores,
)
from sparsestat.linear_model._label_targets import encode_labels
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    ParameterError,
    Rule,
    Satisfies,
    check_parameters,
    check_sample_weight,
)

__all__ = ["ClassWeight", "SparseClassifier", "SparsemaxClassifier"]

ClassWeight = (
    OneOf("balanced", None)
    | Satisfies(lambda given: isinstance(given, Mapping) and len(given) > 0, "a dict")
)  # fmt: skip


class SparseClassifier(ClassifierMixin, LinearFenchelYoung):
    """Base of the classifiers: labels, sets of labels, and predictions."""

    def predict(self, X):
        """Predict the label of each sample, or its set of labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The most probable label; after a fit to sets of labels 1 for those of
            `predict_support`, else 0.
        """
        scores = self._scores(X)
        if self._fitted_to_sets:
            return self._support(scores).astype(np.int64)
        return self.classes_[scores.argmax(axis=1)]

    def decision_function(self, X):
        """Scores of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes that exclude each other, the score of the second less that
            of the first.
        """
        scores = self._scores(X)
        if scores.shape[1] == 2 and not self._fitted_to_sets:
            return scores[:, 1] - scores[:, 0]
        return scores

    def predict_proba(self, X):
        """Probabilities of the classes, many of them exactly zero.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to one, after a fit to sets of labels too: they are shares then.
        """
        return self._probabilities(X)

    def sparse_proba(self, X):
        """Probabilities of the classes as a sparse matrix.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : csr_array of shape (n_samples, n_classes)
            What `predict_proba` returns, without the zeros.
        """
        return self._probabilities(X, output="csr")

    def predict_support(self, X, *, output: Literal["dense", "csr"] = "dense"):
        """Predict which classes are possible, at the scale for supports.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        output : {"dense", "csr"}, default="dense"
            Form of the result.

        Returns
        -------
        support : ndarray or csr_array of shape (n_samples, n_classes)
            Whether entmax of the scaled scores is positive; true for at least one
            class of each sample.
        """
        if output not in ("dense", "csr"):
            raise ParameterError(
                f"predict_support: output must be 'dense' or 'csr'; got {output!r}."
            )
        support = self._support(self._scores(X))
        return sparse.csr_array(support) if output == "csr" else support

    @property
    def _scale(self) -> float:
        """Factor of the scores where supports are wanted."""
        return self.support_scale

    def _support(self, scores) -> np.ndarray:
        return entmax_of_scores(self._scale * scores, self.entmax_alpha) > 0.0

    def _encoded(self, X, y, sample_weight):
        """Data of samples with labels, their targets and final weights."""
        X, y = as_floats(self, X, y)
        weights = check_sample_weight(sample_weight, X)
        name = type(self).__name__
        targets = encode_labels(name, y)
        if targets.kept is not None:
            X = X[targets.kept]
            weights = None if weights is None else weights[targets.kept]
        if self.class_weight is not None:
            if targets.are_sets:
                raise ParameterError(
                    f"{name}: class_weight must be None where y holds sets of labels; "
                    f"got {self.class_weight!r}."
                )
            factors = compute_sample_weight(self.class_weight, targets.given)
            weights = factors if weights is None else factors * weights
        return X, targets, check_sample_weight(weights, X)


class SparsemaxClassifier(SparseClassifier):
    r"""Linear classification by sparsemax: probabilities with exact zeros.

    Minimises over W and b

    .. math::
        \sum_i s_i L_\beta(W^\top x_i + b, q_i) + \alpha \Big( \rho \|W\|_1
        + \frac{1 - \rho}{2} \|W\|_F^2 \Big), \qquad s_i = v_i / \sum_k v_k,

    with the loss of :func:`sparsestat.activations.fenchel_young_loss`, targets
    :math:`q_i` that put all weight on a label or share it among the labels of a set,
    and sample weights v. Unlike the logistic loss, it vanishes where the score of the
    right label leads by :math:`1 / (\beta - 1)`, so that even separable data have a
    solution of finite size without a penalty.

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the penalty, >= 0. Without a penalty the only certificate at hand is
        that no loss is negative, and solutions need not be unique.
    l1_ratio : float, default=0.0
        Share :math:`\rho` of the l1 norm, in [0, 1].
    entmax_alpha : float, default=2.0
        Order :math:`\beta` of the map, in [1, 2]: 1 is multinomial logistic regression,
        2 sparsemax. Larger orders have no bounded curvature.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same. X is never copied for it.
    support_scale : float, default=1.0
        Factor of the scores in `predict_support`, and in `predict` after a fit to sets
        of labels: the larger, the smaller the sets.
        :class:`SparsemaxClassifierCV` chooses it; 1 is rarely best.
    class_weight : dict or "balanced", default=None
        Weights of the classes, as in scikit-learn; not for sets of labels.
    solver : {"auto", "lbfgs", "newton-cg", "prox-newton"}, default="auto"
        - "lbfgs": limited-memory BFGS, for squared norms alone;
        - "newton-cg": Newton steps solved by conjugate gradients, for squared norms
          alone; for gaps near rounding error;
        - "prox-newton": proximal Newton steps on a growing working set of features,
          for every penalty;
        - "auto": "prox-newton" with an l1 penalty; else "newton-cg" for few
          coefficients, and "lbfgs" otherwise.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model (the
        intercept alone). float32 data: at least 1e-5.
    max_iter : int, default=1000
        Steps of the solver at most; of "prox-newton", working sets.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; 0, 1, ... after a fit to sets of labels.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients, in the precision of X; a row for each class, with two classes too.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    loss_ : float
        Objective without the penalty.
    n_iter_ : int
        Steps taken.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparsemaxClassifierCV : Strength and scale chosen by cross-validation.
    LabelProportionRegressor : The same model of distributions.
    sparsestat.activations.sparsemax : The map.
    sklearn.linear_model.LogisticRegression : All probabilities positive.

    Notes
    -----
    The dual variables of the certificate are distributions, one for each sample, that
    average to the mean target: probabilities, shrunk a little and topped up. Where y is
    a matrix of zeros and ones, `score` is the share of sets that are met exactly; F1
    scores of :mod:`sklearn.metrics` are less strict.

    References
    ----------
    Martins and Astudillo (2016), arXiv:1602.02068; for the losses and their duals
    Blondel, Martins and Niculae (2020), arXiv:1901.02324.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sparsestat.linear_model import SparsemaxClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SparsemaxClassifier(alpha=0.01).fit(X, y)
    >>> model.predict_proba(X[[0, 70, 100]]).round(2)
    array([[1.  , 0.  , 0.  ],
           [0.  , 0.46, 0.54],
           [0.  , 0.  , 1.  ]])
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **COMMON,
        "support_scale": Interval(0, inf, closed="neither"),
        "class_weight": ClassWeight,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1e-3,
        *,
        l1_ratio=0.0,
        entmax_alpha=2.0,
        fit_intercept=True,
        standardize=False,
        support_scale=1.0,
        class_weight=None,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.entmax_alpha = entmax_alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.support_scale = support_scale
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; never copied unless of another type, or sparse
            and not CSC.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels; or sets of labels, as a matrix of zeros and ones. Rows without a
            label are left out, with a warning.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for less
            than two classes, and for parameters or weights outside their range.
        """
        check_parameters(self, self._rules)
        X, targets, weights = self._encoded(X, y, sample_weight)
        n_classes = len(targets.classes)
        problem = self._objective(X, targets.values, n_classes, weights)
        start, before = None, getattr(self, "coef_", None)
        if self.warm_start and np.shape(before) == (n_classes, X.shape[1]):
            start = before.astype(np.float64), self.intercept_.astype(np.float64)
        context = self._begin(X, targets.given, weights)
        fit = self._fit_at(problem, self.alpha, start)
        self.classes_, self._fitted_to_sets = targets.classes, targets.are_sets
        self._take(fit)
        self._report(self.alpha)
        self._end(context, X, targets.given, weights)
        return self
