"""Selection of the best subset of features for least squares and likelihoods."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetCox,
    BestSubsetGLM,
    BestSubsetOrdinal,
    BestSubsetRegressor,
    MultiTaskBestSubset,
)
from sparsestat.utils.validation import OneOf, Rule, check_parameters

__all__ = ["BestSubsetSelector"]

_NAMES = (
    "n_nonzero_coefs",
    "max_nonzero_coefs",
    "criterion",
    "ic_coef",
    "cv",
    "solver",
    "feature_groups",
    "always_select",
    "alpha",
    "time_limit",
    "random_state",
    "n_jobs",
)
_LIKELIHOODS = {
    "logistic": (BestSubsetClassifier, {}),
    "ordinal": (BestSubsetOrdinal, {}),
    "poisson": (BestSubsetGLM, {"family": "poisson"}),
    "gamma": (BestSubsetGLM, {"family": "gamma"}),
    "cox": (BestSubsetCox, {}),
}
# What is told of the fit, as far as its loss has it.
_TOLD = (
    "sizes_",
    "rss_",
    "loss_",
    "criterion_",
    "optimal_",
    "lower_bound_",
    "optimality_gap_",
    "swap_gap_",
)


class BestSubsetSelector(SelectorMixin, BaseEstimator):
    r"""Keep the best subset of features for a linear model, with a certificate.

    .. math::
        \min_{w, b} \; \sum_i s_i (y_i - x_i^\top w - b)^2
        + \alpha \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k

    The subset is that of :class:`sparsestat.linear_model.BestSubsetRegressor`, or of
    :class:`sparsestat.linear_model.MultiTaskBestSubset` if y has several columns; for
    other losses than the square that of
    :class:`sparsestat.linear_model.BestSubsetClassifier`,
    :class:`sparsestat.linear_model.BestSubsetOrdinal`,
    :class:`sparsestat.linear_model.BestSubsetGLM` or
    :class:`sparsestat.linear_model.BestSubsetCox`.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
    loss : str, default="squared"
        Loss of the linear model: "squared" as above, or half the mean deviance of
        classes, "logistic"; of classes in the order of their labels or of pandas'
        categories, "ordinal"; of counts, "poisson"; of positive amounts, "gamma"; or of
        times of events, "cox".
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n).
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`.
    ic_coef : float, default=1.0
        Factor of the price in it.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest loss on held-out samples.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        How hard to search, see :class:`sparsestat.linear_model.BestSubsetRegressor`.
    feature_groups : int, array-like, list of array-likes or callable, default=None
        Groups of features that join and leave together, see
        :class:`sparsestat.linear_model.GroupLasso`.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where X is a data frame,
        the names of their columns; k counts them.
    alpha : float, default=0.0
        Strength of the ridge penalty.
    max_nodes : int, default=None
        Nodes of the exact search, at most; None is 2,000,000, or 20,000 fits where the
        loss is not the square.
    time_limit : float, default=None
        Seconds of the exact search, at most.
    random_state : int, RandomState instance or None, default=None
        For restarts.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.

    Attributes
    ----------
    estimator_ : object
        The fitted model, with coefficients, the whole path and all certificates.
    support_ : ndarray of shape (n_features,), bool
        Which features are kept.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    rss_ : ndarray of shape (n_sizes,)
        Residual sums of squares along it, summed over targets, only if `loss` is
        "squared".
    loss_ : ndarray of shape (n_sizes,)
        Mean losses along it, only if `loss` is not "squared".
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion along it.
    optimal_ : bool
        Whether no subset of that size is better, which has been proved.
    lower_bound_ : float
        No subset of that size has a smaller objective, on the scale of `estimator_`.
    optimality_gap_ : float
        How far the objective may be above the optimum, as a share of it.
    swap_gap_ : float
        What the best exchange of one feature would save, as a share of the objective,
        or the best of the most promising ones if `loss` is not "squared".
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        For sizes that no subset can have, features or groups out of range.

    See Also
    --------
    sparsestat.linear_model.BestSubsetRegressor : The regression itself.
    sklearn.feature_selection.SequentialFeatureSelector : One feature after the other.

    References
    ----------
    Furnival and Wilson (1974), doi:10.1080/00401706.1974.10489231; Zhu, Wen, Zhu,
    Zhang and Wang (2020), doi:10.1073/pnas.2014241117.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sparsestat.feature_selection import BestSubsetSelector
    >>> X, y = load_diabetes(return_X_y=True)
    >>> selector = BestSubsetSelector(n_nonzero_coefs=3).fit(X, y)
    >>> selector.get_support(indices=True), selector.transform(X).shape
    (array([2, 3, 8]), (442, 3))
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> selector = BestSubsetSelector(2, loss="logistic", solver="swap").fit(X, y)
    >>> selector.get_support(indices=True)
    array([23, 27])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **{name: BestSubsetRegressor._rules[name] for name in _NAMES},
        "loss": OneOf("squared", *_LIKELIHOODS),
        "max_nodes": BestSubsetRegressor._rules["max_nodes"] | None,
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        loss="squared",
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        cv=None,
        solver="auto",
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        max_nodes=None,
        time_limit=None,
        random_state=None,
        n_jobs=None,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.loss = loss
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.cv = cv
        self.solver = solver
        self.feature_groups = feature_groups
        self.always_select = always_select
        self.alpha = alpha
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Find the subset.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or structured
            Target, or several; classes, counts, amounts, or times and events as `loss`
            says.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for targets
            that the loss is not for, and for parameters or weights outside their range.
        """
        check_parameters(self, self._rules)
        if self.loss != "squared":
            kind, given = _LIKELIHOODS[self.loss]
        else:
            several = np.asarray(y).ndim > 1
            kind, given = MultiTaskBestSubset if several else BestSubsetRegressor, {}
        model = kind(**given, **{name: getattr(self, name) for name in _NAMES})
        if self.max_nodes is not None:
            model.max_nodes = self.max_nodes
        model.fit(X, y, sample_weight, groups=groups)
        validate_data(self, X, skip_check_array=True)  # names and number of features
        support = np.zeros(self.n_features_in_, np.bool_)
        support[model.support_] = True
        self.support_, self.estimator_ = support, model
        for name in _TOLD:
            vars(self).pop(name, None)
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        return self

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
