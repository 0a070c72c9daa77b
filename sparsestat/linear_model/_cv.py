"""Lasso and elastic net with the strength chosen along a path."""

from sparsestat.linear_model._path_cv import L1RatioCV, PathCV
from sparsestat.optim.penalties import L1
from sparsestat.optim.penalties import ElasticNet as ElasticNetPenalty

__all__ = ["ElasticNetCV", "LassoCV"]


class LassoCV(PathCV):
    r"""Lasso with the strength chosen by cross-validation along a certified path.

    The objective is that of :class:`Lasso`; every solution of the path on all data
    carries its duality gap. Folds are fits with zero weights, in threads, without
    copies of X.

    Parameters
    ----------
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
        `alpha_rule`; see :class:`LassoIC`.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form Gram matrices of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See :class:`Lasso`.
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
        Coefficients at `alpha_`.
    intercept_ : float
        Intercept.
    dual_gap_ : float
        Duality gap at `coef_`.
    dual_gap_tol_ : float
        Bound that was asked for.
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
    LassoIC : An information criterion instead.
    sklearn.linear_model.LassoCV : Coordinate descent.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import LassoCV
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = LassoCV(alpha_rule="1se").fit(X, y)
    >>> model.mse_path_.shape[1]
    5
    """

    def __init__(
        self,
        *,
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, self.positive)


class ElasticNetCV(L1RatioCV):
    r"""Elastic net with strength and l1_ratio chosen by cross-validation.

    The objective is that of :class:`ElasticNet`; every solution of the path on all data
    carries its duality gap. Folds are fits with zero weights, in threads, without
    copies of X.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=0.5
        Share of the l1 penalty, or several of them to choose from.
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
        `alpha_rule`; see :class:`LassoIC`.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form Gram matrices of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See :class:`Lasso`.
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
        Chosen share of the l1 penalty.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Strengths tried, decreasing.
    mse_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Mean squared errors, only if `scoring` and `criterion` are None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape ([n_l1_ratios,] n_alphas)
        Values of the criterion, only if `criterion` is given.
    noise_variance_ : float
        Variance of the noise, only if `criterion` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path of `l1_ratio_`.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along the path.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_`.
    intercept_ : float
        Intercept.
    dual_gap_ : float
        Duality gap at `coef_`.
    dual_gap_tol_ : float
        Bound that was asked for.
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
    LassoCV : Without the squared penalty.
    sklearn.linear_model.ElasticNetCV : Coordinate descent.

    References
    ----------
    Zou and Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import ElasticNetCV
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = ElasticNetCV(l1_ratio=[0.5, 0.9], alphas=20).fit(X, y)
    >>> model.mse_path_.shape
    (2, 20, 5)
    """

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return ElasticNetPenalty(1.0, 1.0, penalty_weights, self.positive)
