"""Logistic regression with sparse coefficients."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.linear_model._classes import (
    CLASS_WEIGHT,
    ClassPredictions,
    check_present,
    times,
)
from sparsestat.linear_model._generalized import (
    GeneralizedLinearModel,
    GeneralizedLinearModelCV,
)
from sparsestat.linear_model._glm_penalty import PENALTIES
from sparsestat.linear_model._newton import CHOICE, SOLVING
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.optim.datafits import Logistic, Multinomial, loss
from sparsestat.optim.generalized_linear import GeneralizedLinear
from sparsestat.optim.multinomial import MultinomialLoss
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    Jobs,
    Rule,
    Verbosity,
)

__all__ = [
    "LikelihoodClassifier",
    "SparseLogisticRegression",
    "SparseLogisticRegressionCV",
]


class LikelihoodClassifier(ClassPredictions):
    """Penalised likelihoods of classes."""

    def _loss(self, y, weight):
        index, offset = y[:, 0], self._offset_of(y)
        check_present(index, weight, self.classes_)
        n_classes = len(self.classes_)
        if n_classes > 2:
            offset = offset if offset.any() else None
            return MultinomialLoss(index, n_classes, offset, self.fit_intercept, weight)
        return GeneralizedLinear(
            Logistic(),
            2.0 * index - 1.0,
            offset if offset.any() else None,
            self.fit_intercept,
            weight,
        )

    def _run(self, X, y, sample_weight, *arguments, **options):
        weight = times(sample_weight, y[:, 1])
        return super()._run(X, y, weight, *arguments, **options)

    def _losses(self, X, y, found, fold):
        weight = times(fold.test_weight, y[fold.test, 1])
        index, offset = y[fold.test, 0], self._offset_of(y[fold.test])
        if len(self.classes_) == 2:
            z = fitted_path(X, found, fold.test) + offset[:, None]
            losses = loss(Logistic(), 2.0 * index[:, None] - 1.0, z)
            return 2.0 * np.average(losses, axis=0, weights=weight)
        tested, shape = X[fold.test], (X.shape[1], len(self.classes_))
        shift = offset if offset.ndim == 2 else 0.0
        scores = [
            shift + tested @ found.coefs[:, [k]].toarray().reshape(shape) + intercept
            for k, intercept in enumerate(found.intercepts.T)
        ]
        losses = np.array([loss(Multinomial(), index, z) for z in scores])
        return 2.0 * np.average(losses, axis=1, weights=weight)

    def _coef(self, run, coef):
        return run.on_features(coef).reshape(self.n_features_in_, -1).T

    def _latent(self, coef):
        n_rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        return coef.reshape(-1, n_rows).T

    def _last_coef(self):
        coef = getattr(self, "latent_coef_", getattr(self, "coef_", None))
        return None if coef is None else coef.T.ravel()

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        self.intercept_ = np.atleast_1d(self.intercept_).astype(dtype)


class SparseLogisticRegression(LikelihoodClassifier, GeneralizedLinearModel):
    r"""Logistic regression with an l1 or elastic-net penalty, certified.

    Minimises over w and b

    .. math::
        \sum_i s_i \log \big( 1 + e^{-y_i (x_i^\top w + b)} \big)
        + \alpha \sum_j v_j \Big( \rho |w_j| + \tfrac{1 - \rho}{2} w_j^2 \Big),
        \qquad y_i \in \{-1, 1\},

    with s the sample weights (times the class weights) over their sum and v the penalty
    weights. More than two classes have coefficients and an intercept each, and the
    multinomial loss :math:`\log \sum_k e^{z_{ik}} - z_{i y_i}`.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, >= 0; scikit-learn's C is 1 / (n_samples * alpha).
    l1_ratio : float, default=1.0
        Share of the l1 penalty; 1 is the Lasso, 0 ridge regression.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`, with the
        coefficients of all classes in one group. Or an
        object of `sparsestat.optim.penalties`, whose alpha does not count.
    gamma : float, default=None
        Reciprocal of the concavity of "mcp", > 0, or the ratio at which the price of
        "scad" ends, > 2; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups for "group" and "sparse_group": their size, a label for each feature,
        index arrays, or a callable from names of features to labels; -1, NaN or None
        leaves a feature unpenalised. See `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups: 0 is unpenalised, inf excluded; "sqrt" are the square
        roots of the sizes.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones. They are not rescaled.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    class_weight : dict or "balanced", default=None
        Weights of the classes; "balanced" gives all classes the same total weight.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the loss of the null model. float32
        data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes; of two, coefficients are those of the second one.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the precision of X.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the loss of the null model.
    stationarity_ : float
        Largest distance of a derivative of the loss from those of the penalty, in place
        of `dual_gap_`; only if the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest derivative at the null model;
        only if the penalty is concave.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, only if the penalty is on groups.
    latent_coef_ : ndarray of shape (n_members,) or (n_classes, n_members)
        Coefficients of the groups, one after another, only if they overlap.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features) or (n_classes, n_features)
        Coefficients as sparse rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseLogisticRegressionCV : The strength chosen by cross-validation.
    sklearn.linear_model.LogisticRegression : Other solvers, without certificate.

    Notes
    -----
    Newton steps with the exact Hessian on a working set, which stays frozen while steps
    with it converge fast; the gap over all features certifies the result. Data whose
    classes can be separated are no special case.

    With several classes and ``l1_ratio=1`` coefficients may not be unique: the same
    change of a feature's coefficients for all classes may not matter to the penalty
    either.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01; for the gap
    Ndiaye, Fercoq, Gramfort and Salmon (2017), arXiv:1611.05780.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sparsestat.linear_model import SparseLogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SparseLogisticRegression(alpha=0.05, standardize=True).fit(X, y)
    >>> int((model.coef_ != 0).sum()), round(model.score(X, y), 3)
    (4, 0.958)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "l1_ratio": Interval(0, 1),
        **PENALTIES,
        "class_weight": CLASS_WEIGHT,
        "fit_intercept": Boolean,
        **SOLVING,
        "warm_start": Boolean,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        alpha=0.1,
        *,
        l1_ratio=1.0,
        penalty="elasticnet",
        gamma=None,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        penalty_weights=None,
        positive=False,
        class_weight=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.penalty = penalty
        self.gamma = gamma
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose


class SparseLogisticRegressionCV(LikelihoodClassifier, GeneralizedLinearModelCV):
    """Sparse logistic regression with the strength chosen by cross-validation.

    The objective is that of :class:`SparseLogisticRegression`; every solution of the
    path on all data carries its duality gap. Folds keep the shares of the classes, and
    are fits with zero weights, in threads, without copies of X.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=1.0
        Share of the l1 penalty, or several of them to choose from.
    eps : float, default=0.01
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them, stratified.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the deviance.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`, with the
        coefficients of all classes in one group. Or an
        object of `sparsestat.optim.penalties`, whose alpha does not count.
    gamma : float, default=None
        Reciprocal of the concavity of "mcp", > 0, or the ratio at which the price of
        "scad" ends, > 2; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups for "group" and "sparse_group": their size, a label for each feature,
        index arrays, or a callable from names of features to labels; -1, NaN or None
        leaves a feature unpenalised. See `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups: 0 is unpenalised, inf excluded; "sqrt" are the square
        roots of the sizes.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    class_weight : dict or "balanced", default=None
        Weights of the classes, in fits and in held-out deviances.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the loss of the null model.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes; of two, coefficients are those of the second one.
    alpha_ : float
        Chosen strength.
    l1_ratio_ : float
        Chosen share of the l1 penalty.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Strengths tried, decreasing.
    deviance_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Mean deviances of the held-out samples, twice their log-loss, only if `scoring`
        and `criterion` are None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape ([n_l1_ratios,] n_alphas)
        Values of the criterion, only if `criterion` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path; with more than two classes of shape
        (n_classes * n_features, n_alphas): column k holds the rows of what `coef_`
        would be at ``alphas_[k]``, one after another.
    path_intercept_ : ndarray of shape (n_alphas,) or (n_classes, n_alphas)
        Intercepts along the path.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients at `alpha_`.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`.
    dual_gap_tol_ : float
        Bound that was asked for.
    stationarity_ : float
        Largest distance of a derivative of the loss from those of the penalty, in place
        of `dual_gap_`; only if the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest derivative at the null model;
        only if the penalty is concave.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, only if the penalty is on groups.
    latent_coef_ : ndarray of shape (n_members,) or (n_classes, n_members)
        Coefficients of the groups, one after another, only if they overlap.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (1, n_features) or (n_classes, n_features)
        Coefficients as sparse rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseLogisticRegression : The fit at a given strength.
    sklearn.linear_model.LogisticRegressionCV : Other solvers.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sparsestat.linear_model import SparseLogisticRegressionCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SparseLogisticRegressionCV(
    ...     alphas=10, alpha_rule="1se", standardize=True
    ... ).fit(X, y)
    >>> model.deviance_path_.shape
    (10, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "l1_ratio": Interval(0, 1) | Each(Interval(0, 1)),
        **CHOICE,
        **PENALTIES,
        "class_weight": CLASS_WEIGHT,
        "fit_intercept": Boolean,
        **SOLVING,
        "n_jobs": Jobs,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        *,
        l1_ratio=1.0,
        eps=0.01,
        alphas=50,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        penalty="elasticnet",
        gamma=None,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        penalty_weights=None,
        positive=False,
        class_weight=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        verbose=0,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.penalty = penalty
        self.gamma = gamma
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose
