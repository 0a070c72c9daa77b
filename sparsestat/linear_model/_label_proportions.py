"""Linear regression of distributions."""

from __future__ import annotations

from math import inf
from typing import ClassVar

import numpy as np
from scipy.special import rel_entr
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from sparsestat.linear_model._fenchel_young import (
    COMMON,
    LinearFenchelYoung,
    as_floats,
)
from sparsestat.linear_model._label_targets import check_proportions
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Rule,
    check_parameters,
    check_sample_weight,
)

__all__ = ["LabelProportionRegressor"]


class LabelProportionRegressor(RegressorMixin, LinearFenchelYoung):
    r"""Linear regression of shares that sum to one, with exact zeros.

    Minimises over W and b

    .. math::
        \sum_i s_i L_\beta(W^\top x_i + b, y_i) + \alpha \Big( \rho \|W\|_1
        + \frac{1 - \rho}{2} \|W\|_F^2 \Big), \qquad s_i = v_i / \sum_k v_k,

    with the loss of :func:`sparsestat.activations.fenchel_young_loss`, distributions
    :math:`y_i` over the classes and sample weights v. Predictions are distributions.

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the penalty, >= 0. Without a penalty the only certificate at hand is
        that no loss is negative, and solutions need not be unique.
    l1_ratio : float, default=0.0
        Share :math:`\rho` of the l1 norm, in [0, 1].
    entmax_alpha : float, default=2.0
        Order :math:`\beta` of the map, in [1, 2]: 1 is softmax, 2 sparsemax.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same. X is never copied for it.
    normalize : bool, default=False
        Divide each row of y by its sum, so that counts may be given.
    solver : {"auto", "lbfgs", "newton-cg", "prox-newton"}, default="auto"
        See :class:`SparsemaxClassifier`.
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
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients, in the precision of X.
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
    SparsemaxClassifier : The same model of labels and of sets of labels.
    sparsestat.datasets.make_label_proportions : Documents with known shares.
    sklearn.linear_model.Ridge : Regression without constraints.

    Notes
    -----
    A single column of y could mean the share of either of two classes, so y always has
    a column for each; targets of other regressors are refused. For this reason
    scikit-learn's generic checks, which pass arbitrary numbers as y, are skipped by the
    tag that scikit-learn has for such estimators.

    References
    ----------
    Martins and Astudillo (2016), arXiv:1602.02068, section 4.1.

    Examples
    --------
    >>> from sparsestat.linear_model import LabelProportionRegressor
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> y = [[1.0, 0.0, 0.0], [0.7, 0.3, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0]]
    >>> model = LabelProportionRegressor(alpha=1e-6).fit(X, y)
    >>> model.predict([[0.5], [2.5]]).round(3)
    array([[0.85, 0.15, 0.  ],
           [0.25, 0.75, 0.  ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **COMMON,
        "normalize": Boolean,
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
        normalize=False,
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
        self.normalize = normalize
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
        y : array-like of shape (n_samples, n_classes)
            A distribution in each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for rows of
            y that are no distributions, and for parameters or weights outside their
            range.
        """
        check_parameters(self, self._rules)
        X, y = as_floats(self, X, y)
        weights = check_sample_weight(sample_weight, X)
        targets = check_proportions(type(self).__name__, y, self.normalize)
        n_classes = targets.shape[1]
        problem = self._objective(X, targets, n_classes, weights)
        start, before = None, getattr(self, "coef_", None)
        if self.warm_start and np.shape(before) == (n_classes, X.shape[1]):
            start = before.astype(np.float64), self.intercept_.astype(np.float64)
        context = self._begin(X, y, weights)
        self._take(self._fit_at(problem, self.alpha, start))
        self._report(self.alpha)
        self._end(context, X, y, weights)
        return self

    def predict(self, X):
        """Predict the shares of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples, n_classes)
            Distributions, with exact zeros unless `entmax_alpha` is 1.
        """
        return self._probabilities(X)

    def score(self, X, y, sample_weight=None):
        """Share of the Jensen-Shannon divergence from the mean that is explained.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples, n_classes)
            Their distributions.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        score : float
            One less the mean divergence of the predictions from y, over that of the
            mean of y: 1 is best, 0 what a constant achieves.
        """
        P = self.predict(X)
        name = f"{type(self).__name__}.score"
        Y = check_proportions(name, y, self.normalize)
        if Y.shape != P.shape:
            raise ValueError(f"{name}: y must have shape {P.shape}; got {Y.shape}.")
        weights = check_sample_weight(sample_weight, P)
        mean = np.average(Y, axis=0, weights=weights)
        left = np.average(_jensen_shannon(Y, P), weights=weights)
        total = np.average(_jensen_shannon(Y, mean), weights=weights)
        if total == 0.0:
            return 1.0 if left == 0.0 else 0.0
        return float(1.0 - left / total)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.two_d_labels = True
        tags.target_tags.positive_only = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        # The generic checks fit arbitrary numbers, which are no distributions.
        tags._skip_test = True
        return tags


def _jensen_shannon(P, Q) -> np.ndarray:
    """Jensen-Shannon divergences of rows, in natural units."""
    M = 0.5 * (P + Q)
    return 0.5 * (rel_entr(P, M).sum(axis=1) + rel_entr(Q, M).sum(axis=1))
