"""Lasso and elastic net for several tasks with the strength chosen on a path."""

from typing import ClassVar

from sparsestat.linear_model._base import TAIL
from sparsestat.linear_model._path_cv import ONE_SOLVER, L1RatioCV, PathCV
from sparsestat.linear_model._tasks import MultiTaskRegressor
from sparsestat.optim.penalties import RowL2
from sparsestat.utils.validation import Rule

__all__ = ["MultiTaskElasticNetCV", "MultiTaskLassoCV"]


class MultiTaskLassoCV(MultiTaskRegressor, PathCV):
    r"""Multi-task Lasso with the strength chosen by cross-validation.

    The objective is that of :class:`MultiTaskLasso`; every solution of the path on
    all data carries its duality gap. Folds are fits with zero weights, in threads,
    without copies of X.

    Parameters
    ----------
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a feature unpenalised, inf excludes it; None is all ones.
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
    path_coef_ : csc_array of shape (n_tasks * n_features, n_alphas)
        Coefficients on all data along the path: column k holds the rows of what
        `coef_` would be at ``alphas_[k]``, one after another.
    path_intercept_ : ndarray of shape (n_tasks, n_alphas)
        Intercepts along the path.
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients at `alpha_`, in the precision of X.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (n_tasks, n_features)
        Coefficients as a sparse matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MultiTaskLasso : At a given strength.
    MultiTaskElasticNetCV : With a squared penalty too.
    sklearn.linear_model.MultiTaskLassoCV : Coordinate descent, dense data.

    References
    ----------
    Obozinski, Taskar and Jordan (2010), doi:10.1007/s11222-008-9111-x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import MultiTaskLassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 30))
    >>> Y = X[:, :2] @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((50, 3))
    >>> model = MultiTaskLassoCV(alphas=20).fit(X, Y)
    >>> model.mse_path_.shape
    (20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "penalty_weights": TAIL["penalty_weights"],
        **ONE_SOLVER,
    }

    def __init__(
        self,
        *,
        penalty_weights=None,
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
        self.penalty_weights = penalty_weights
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

    def _penalty(self, penalty_weights):
        return RowL2(1.0, 1.0, penalty_weights)


class MultiTaskElasticNetCV(MultiTaskRegressor, L1RatioCV):
    r"""Multi-task elastic net with strength and l1_ratio chosen by cross-validation.

    The objective is that of :class:`MultiTaskElasticNet`; every solution of the path on
    all data carries its duality gap. Folds are fits with zero weights, in threads,
    without copies of X.

    Parameters
    ----------
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=0.5
        Share of the penalty that is not squared, or several of them to choose from.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a feature unpenalised, inf excludes it; None is all ones.
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
        Chosen share of the penalty that is not squared.
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
    path_coef_ : csc_array of shape (n_tasks * n_features, n_alphas)
        Coefficients on all data along the path: column k holds the rows of what
        `coef_` would be at ``alphas_[k]``, one after another.
    path_intercept_ : ndarray of shape (n_tasks, n_alphas)
        Intercepts along the path.
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients at `alpha_`, in the precision of X.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (n_tasks, n_features)
        Coefficients as a sparse matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MultiTaskElasticNet : At a given strength.
    MultiTaskLassoCV : Without the squared penalty.
    sklearn.linear_model.MultiTaskElasticNetCV : Coordinate descent, dense data.

    References
    ----------
    Obozinski, Taskar and Jordan (2010), doi:10.1007/s11222-008-9111-x; Zou and Hastie
    (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import MultiTaskElasticNetCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 30))
    >>> Y = X[:, :2] @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((50, 3))
    >>> model = MultiTaskElasticNetCV(l1_ratio=[0.5, 0.9], alphas=20).fit(X, Y)
    >>> model.mse_path_.shape
    (2, 20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "l1_ratio": L1RatioCV._rules["l1_ratio"],
        "penalty_weights": TAIL["penalty_weights"],
        **ONE_SOLVER,
    }

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        penalty_weights=None,
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
        self.penalty_weights = penalty_weights
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

    def _penalty(self, penalty_weights):
        return RowL2(1.0, 1.0, penalty_weights)
