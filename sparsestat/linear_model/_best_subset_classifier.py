"""Best subsets of features for logistic regression of two and more classes."""

from typing import ClassVar

import numpy as np
from sklearn.callback import with_callbacks

from sparsestat.linear_model._classes import (
    CLASS_WEIGHT,
    ClassPredictions,
    check_present,
    times,
)
from sparsestat.linear_model._subset_likelihood import (
    LIKELIHOOD_RULES,
    LikelihoodSubset,
)
from sparsestat.optim.datafits import Logistic
from sparsestat.optim.subset import SampleLikelihood, SoftmaxLikelihood
from sparsestat.utils.validation import Rule

__all__ = ["BestSubsetClassifier"]


class BestSubsetClassifier(ClassPredictions, LikelihoodSubset):
    r"""Logistic regression on the best subset of features.

    .. math::
        \min_{w, b} \; \sum_i s_i \log \big( 1 + e^{-y_i (x_i^\top w + b)} \big)
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k, \qquad y_i \in \{-1, 1\},

    with weights :math:`s_i` that sum to one, and :math:`\sigma_j` the standard
    deviations of the features if they are standardised, else one. More than two classes
    have coefficients and an intercept each and the multinomial loss
    :math:`\log \sum_c e^{z_{ic}} - z_{i y_i}`; a feature is in or out for all of them.
    Splicing, exchanges of single features and sweeps over k in both directions follow
    the quadratic model of the likelihood, and believe it only after a fit; with few
    features a branch and bound proves the result.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n).
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`: minus twice the log-likelihood and a price,
        as for :class:`BestSubsetRegressor`.
    ic_coef : float, default=1.0
        Factor of the price.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest mean deviance on held-out samples.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        "splicing" stops after it; "swap" ends where none of the most promising
        exchanges helps; "exact" goes on with a branch and bound for every k, up to
        `max_nodes`; "auto" does so for the chosen k within 400 fits, of up to 20
        features or groups.
    exchange_max : int, default=5
        Features that splicing exchanges at a time, at most.
    n_sweeps : int, default=2
        Pairs of sweeps over k, at most.
    n_restarts : int, default=0
        Restarts for each k with a quarter of the features exchanged at random.
    feature_groups : int, array-like, list of array-likes or callable, default=None
        Groups of features that join and leave together, see :class:`GroupLasso`.
        Each counts as one, whatever its size, for what all of it explains.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where X is a data frame,
        the names of their columns; k counts them.
    alpha : float, default=0.0
        Strength of the ridge penalty.
    class_weight : dict or "balanced", default=None
        Weights of the classes; "balanced" gives all classes the same total weight.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=True
        Whether the ridge penalises coefficients of features of unit variance.
    early_stopping : bool, default=True
        End the path where the criterion has not fallen for a quarter of its length, and
        five sizes at least; only if `n_nonzero_coefs` is None.
    path : {"sequence", "golden"}, default="sequence"
        "sequence" looks at all k, one after the other; "golden" at those of a
        golden-section search for the smallest criterion, each from the nearest one that
        is known: fewer, but a criterion that falls again is missed. With `cv` as well
        it is the criterion that leads to the k among which the folds choose.
    max_nodes : int, default=20_000
        Fits of the exact search, at most.
    time_limit : float, default=None
        Seconds of the exact search, at most.
    tol : float, default=1e-8
        Bound of `stationarity_`.
    max_iter : int, default=100
        Exchanges from one start, at most.
    init_support : array-like of int or str, default=None
        Features to start from, besides all else, by indices or names.
    warm_start : bool, default=False
        Go on from the subsets of the fit before, if it had as many features.
    random_state : int, RandomState instance or None, default=None
        For restarts.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes; of two, coefficients are those of the second one.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the precision of X; of several classes they sum to zero.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    support_ : ndarray of shape (n_chosen,)
        Chosen features, increasing.
    n_nonzero_coefs_ : int
        Chosen k.
    optimal_ : bool
        Whether no subset of that size is better, which has been proved.
    lower_bound_ : float
        No subset of that size has a smaller objective.
    optimality_gap_ : float
        How far the objective may be above the optimum, as a share of it.
    swap_gap_ : float
        What the best of the most promising exchanges of one feature would save, as a
        share of the objective.
    stationarity_ : float
        Largest derivative of the objective by a coefficient of a feature of unit
        deviation, relative to the mean size of the residuals of the null model.
    separated_ : bool
        Whether the chosen features tell some samples' classes without error, so that
        the likelihood has no maximum; then a ridge of 1e-6 was added.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    loss_ : ndarray of shape (n_sizes,)
        Mean losses along it, without the ridge.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion along it.
    optimal_path_ : ndarray of shape (n_sizes,), bool
        Which of the subsets are proved to be best.
    lower_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the objective along the path.
    criterion_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the criterion of each size; -inf for none.
    path_coef_ : csc_array of shape (n_outputs * n_features, n_sizes)
        Coefficients along the path, class after class.
    path_intercept_ : ndarray of shape (n_sizes,) or (n_classes, n_sizes)
        Intercepts along it.
    deviance_path_ : ndarray of shape (n_sizes, n_folds)
        Mean deviances on held-out samples, only if `cv` is given.
    n_nodes_ : int
        Fits of the exact search.
    n_iter_ : int
        Fits of the other searches.
    sparse_coef_ : csr_array of shape (1, n_features) or (n_classes, n_features)
        Coefficients as sparse rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        For one class, and sizes that no subset can have.

    Warns
    -----
    UserWarning
        Where fewer features than asked for help, and where `separated_`.
    ConvergenceWarning
        If `stationarity_` is above `tol`.

    See Also
    --------
    BestSubsetRegressor : Least squares.
    SparseLogisticRegression : The convex relaxation.
    sklearn.linear_model.LogisticRegression : All features.

    Notes
    -----
    Sample weights are frequencies: a weight of k equals k copies of a row, for the
    criterion too.

    A branch and bound fits sets that are too large: the objective of a set bounds that
    of all its subsets, so that whole branches need not be looked at.

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117; for generalised
    linear models arXiv:2308.00251; Furnival and Wilson (1974),
    doi:10.1080/00401706.1974.10489231.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sparsestat.linear_model import BestSubsetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BestSubsetClassifier(n_nonzero_coefs=2).fit(X, y)
    >>> model.support_, round(model.score(X, y), 3)
    (array([23, 27]), 0.956)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **LIKELIHOOD_RULES,
        "class_weight": CLASS_WEIGHT,
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        cv=None,
        solver="auto",
        exchange_max=5,
        n_sweeps=2,
        n_restarts=0,
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        class_weight=None,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        path="sequence",
        max_nodes=20_000,
        time_limit=None,
        tol=1e-8,
        max_iter=100,
        init_support=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.cv = cv
        self.solver = solver
        self.exchange_max = exchange_max
        self.n_sweeps = n_sweeps
        self.n_restarts = n_restarts
        self.feature_groups = feature_groups
        self.always_select = always_select
        self.alpha = alpha
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.path = path
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.tol = tol
        self.max_iter = max_iter
        self.init_support = init_support
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, offset=None):
        """Find the subsets, choose one, and fit the model to it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; only chosen columns are ever copied.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
        offset : array-like of shape (n_samples[, n_classes]), default=None
            Known part of the linear predictions, of the second of two classes or of
            each of several; None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for one
            class, for sizes that no subset can have, and for parameters or weights
            outside their range.
        """
        return self._fit(X, y, sample_weight, groups, offset)

    def _weights(self, y, sample_weight):
        weight = times(sample_weight, y[:, 1])
        return np.ones(len(y)) if weight is None else weight

    def _likelihood(self, y, weight):
        check_present(y[:, 0], weight, self.classes_)
        return self._likelihood_of_held_out(y, weight)

    def _likelihood_of_held_out(self, y, weight):
        index, offset = y[:, 0], self._offset_of(y)
        offset = offset if offset.any() else None
        if len(self.classes_) > 2:
            return SoftmaxLikelihood(index, len(self.classes_), offset, weight)
        sign = 2.0 * index - 1.0
        return SampleLikelihood(Logistic(), sign, offset, self.fit_intercept, weight)

    def _shaped(self, coef, intercept):
        return coef.astype(self._dtype), intercept.astype(self._dtype)
