"""The group Lasso and the sparse group Lasso with the strength chosen on a path."""

from typing import ClassVar

from sparsestat.linear_model._groups import GROUPS, GroupedRegressor
from sparsestat.linear_model._path_cv import ONE_SOLVER, L1RatioCV, PathCV
from sparsestat.utils.validation import ArrayLike, Rule

__all__ = ["GroupLassoCV", "SparseGroupLassoCV"]


class GroupLassoCV(GroupedRegressor, PathCV):
    r"""Group Lasso with the strength chosen by cross-validation along a certified path.

    The objective is that of :class:`GroupLasso`; every solution of the path on
    all data carries its duality gap. Folds are fits with zero weights, in threads,
    without copies of X.

    Parameters
    ----------
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Size of groups of neighbours, the last of which may be smaller; or a 1-D array
        with a label for each feature, numbers or strings, where -1, NaN or None leaves
        a feature unpenalised; or a list of arrays of indices or names; or a callable
        that maps the names of the features to labels.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        The v_g >= 0, in the order of `feature_groups_`: 0 leaves a group unpenalised,
        inf excludes it; "sqrt" are the square roots of the sizes.
    overlap : {"error", "latent"}, default="error"
        Whether groups given as arrays may share features. Each group then has
        coefficients of its own for all of its features, whose sums are `coef_`: the
        support is a union of groups.
    positive : bool, default=False
        Restrict the coefficients to w >= 0; all of them need a price then.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the mean squared error.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`; see :class:`LassoIC`. The degrees of freedom are the trace of the
        fit's derivative in y.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most for each strength; a few suffice.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model (with
        intercept and unpenalised features only). float32 data: at least 1e-5.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    random_state : int or RandomState, default=None
        Halves of the samples, where `criterion` has to estimate the noise with
        n_samples <= n_features.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        Strengths tried, decreasing.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors, only if `scoring` and `criterion` are None.
    score_path_ : ndarray of shape (n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape (n_alphas,)
        Values of the criterion, only if `criterion` is given.
    noise_variance_ : float
        Variance of the noise, only if `criterion` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along the path.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_`, in the precision of X.
    intercept_ : float
        Intercept.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, in the order of the sorted labels or as given.
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients that the groups have of their own, one group after another;
        only if groups overlap.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    GroupLasso : At a given strength.
    SparseGroupLassoCV : Zeros within groups too.
    sklearn.linear_model.MultiTaskLassoCV : Groups of a feature in several tasks.

    References
    ----------
    Yuan and Lin (2006), doi:10.1111/j.1467-9868.2005.00532.x; for the degrees of
    freedom Vaiter, Deledalle, Fadili, Peyré and Dossal (2017),
    doi:10.1007/s10463-016-0563-z.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import GroupLassoCV
    >>> X, y = make_sparse_regression(
    ...     60, 40, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = GroupLassoCV(feature_groups=5, alphas=20).fit(X, y)
    >>> model.mse_path_.shape
    (20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {**GROUPS, **ONE_SOLVER}

    def __init__(
        self,
        *,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        positive=False,
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.positive = positive
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


class SparseGroupLassoCV(GroupedRegressor, L1RatioCV):
    r"""Sparse group Lasso with strength and l1_ratio chosen by cross-validation.

    The objective is that of :class:`SparseGroupLasso`; every solution of the path on
    all data carries its duality gap. Folds are fits with zero weights, in threads,
    without copies of X.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=0.5
        Share of the penalty on single coefficients, or several of them to choose from.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Size of groups of neighbours, the last of which may be smaller; or a 1-D array
        with a label for each feature, numbers or strings, where -1, NaN or None leaves
        a feature unpenalised; or a list of arrays of indices or names; or a callable
        that maps the names of the features to labels.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        The v_g >= 0, in the order of `feature_groups_`: 0 leaves a group unpenalised,
        inf excludes it; "sqrt" are the square roots of the sizes.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0 of the single coefficients; None is all ones. A coefficient without
        any price, here and in its group, is unpenalised.
    overlap : {"error", "latent"}, default="error"
        Whether groups given as arrays may share features. Each group then has
        coefficients of its own for all of its features, whose sums are `coef_`: the
        support is a union of groups.
    positive : bool, default=False
        Restrict the coefficients to w >= 0; all of them need a price then.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the mean squared error.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`; see :class:`LassoIC`. The degrees of freedom are the trace of the
        fit's derivative in y.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most for each strength; a few suffice.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model (with
        intercept and unpenalised features only). float32 data: at least 1e-5.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    random_state : int or RandomState, default=None
        Halves of the samples, where `criterion` has to estimate the noise with
        n_samples <= n_features.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    l1_ratio_ : float
        Chosen share of the penalty on single coefficients.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Strengths tried, decreasing.
    mse_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Mean squared errors, only if `scoring` and `criterion` are None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape ([n_l1_ratios,] n_alphas,)
        Values of the criterion, only if `criterion` is given.
    noise_variance_ : float
        Variance of the noise, only if `criterion` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path of `l1_ratio_`.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along the path.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_`, in the precision of X.
    intercept_ : float
        Intercept.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, in the order of the sorted labels or as given.
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients that the groups have of their own, one group after another;
        only if groups overlap.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseGroupLasso : At a given strength.
    GroupLassoCV : Groups only.
    sklearn.linear_model.LassoCV : Single coefficients only.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani (2013), doi:10.1080/10618600.2012.681250.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import SparseGroupLassoCV
    >>> X, y = make_sparse_regression(
    ...     60, 40, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = SparseGroupLassoCV(
    ...     l1_ratio=[0.2, 0.8], feature_groups=5, alphas=20
    ... ).fit(X, y)
    >>> model.mse_path_.shape
    (2, 20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "l1_ratio": L1RatioCV._rules["l1_ratio"],
        **GROUPS,
        "penalty_weights": ArrayLike | None,
        **ONE_SOLVER,
    }

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        feature_groups=1,
        group_weights="sqrt",
        penalty_weights=None,
        overlap="error",
        positive=False,
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.l1_ratio = l1_ratio
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.penalty_weights = penalty_weights
        self.overlap = overlap
        self.positive = positive
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
