"""Least squares with the minimax concave penalty."""

from math import inf
from typing import ClassVar

from sparsestat.linear_model._nonconvex import (
    NonConvexCV,
    NonConvexRegressor,
    nonconvex_tail,
)
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.penalties import MCP
from sparsestat.utils.validation import Interval, Rule

__all__ = ["MCPRegressor", "MCPRegressorCV"]

_TAIL = {"gamma": Interval(0, inf, closed="neither"), **nonconvex_tail("uag", "pncg")}


class MCPRegressor(NonConvexRegressor):
    r"""Least squares with the minimax concave penalty, which spares large coefficients.

    Finds a stationary point, over w and b, of

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2 + \sum_j \Omega_j(w_j),

    .. math::
        \Omega_j(w) = \int_0^{|w|} \left(\alpha v_j - t / \gamma\right)_+ dt

    so that small coefficients are shrunk as by the Lasso, and those beyond
    :math:`\gamma \alpha v_j` not at all. The s_i are the
    sample weights over their sum (uniform: 1/n), v the penalty weights.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
    gamma : float, default=3.0
        Reciprocal of the penalty's concavity, > 0: the Lasso in the limit. Solutions
        are unstable as it comes down to 1 / (variance of a column).
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    n_path : int, default=30
        Strengths in which the fit comes down from the largest useful one, each begun at
        the solution before: which minimum is found depends on it. 1 begins at zero.
    max_iter : int, default=100
        Outer rounds at most for each strength; for gradient methods hundreds of
        iterations.
    tol : float, default=1e-6
        Bound of `stationarity_`, relative to the largest gradient at the null model
        (with intercept and unpenalised features only). float32 data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before, without a path.
    precompute : {"auto", True, False}, default="auto"
        Whether to form the Gram matrix of all features first.
    solver : {"auto", "face_newton", "cd", "uag", "pncg"}, default="auto"
        Coordinate descent and Newton steps on a Gram matrix of a growing working set;
        accelerated coordinate descent on the residual; on all features, the unified
        accelerated gradient or proximal nonlinear conjugate gradients.
    n_jobs : int, default=None
        Accepted for uniformity: a single fit has no independent parts.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    stationarity_ : float
        Largest violated optimality condition at `coef_`, over all features: how far
        each coefficient is from the minimum in it alone, times the curvature of the
        loss.
    stationarity_tol_ : float
        Bound that was asked for: `tol` times the largest gradient at the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Rounds, or iterations of gradient methods, over all strengths of the path.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MCPRegressorCV : The strength chosen from the data.
    SCADRegressor : A penalty of nearly the same effect.
    Lasso : The convex penalty, with a proof of optimality.

    Notes
    -----
    A certificate of a global minimum is out of reach: `stationarity_` says that no
    single coefficient, and no direction to first order, lowers the objective.

    References
    ----------
    Zhang (2010), doi:10.1214/09-AOS729; Breheny and Huang (2011),
    doi:10.1214/10-AOAS388.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import MCPRegressor
    >>> X, y = make_sparse_regression(
    ...     50, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = MCPRegressor(alpha=0.3).fit(X, y)
    >>> bool(model.stationarity_ <= model.stationarity_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {**NonConvexRegressor._rules, **_TAIL}

    def __init__(
        self,
        alpha=1.0,
        *,
        gamma=3.0,
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        n_path=30,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        verbose=0,
    ):
        self.alpha = alpha
        self.gamma = gamma
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.n_path = n_path
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return MCP(1.0, float(self.gamma), penalty_weights, self.positive)


class MCPRegressorCV(NonConvexCV):
    r"""Minimax concave penalty with the strength chosen along a path.

    The objective is that of :class:`MCPRegressor`. Along the grid each fit starts
    from the one before; folds are fits with zero weights, in threads, without copies
    of X.

    Parameters
    ----------
    gamma : float, default=3.0
        Reciprocal of the penalty's concavity, > 0: the Lasso in the limit. Solutions
        are unstable as it comes down to 1 / (variance of a column).
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
        `alpha_rule`. Degrees of freedom are the nonzero coefficients, as for least
        squares on a support that was given: shrinkage and search are left out.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    n_path : int, default=30
        Strengths in which the fit comes down from the largest useful one, each begun at
        the solution before: which minimum is found depends on it. 1 begins at zero.
    max_iter : int, default=100
        Outer rounds at most for each strength; for gradient methods hundreds of
        iterations.
    tol : float, default=1e-6
        Bound of `stationarity_`, relative to the largest gradient at the null model
        (with intercept and unpenalised features only). float32 data: at least 1e-5.
    precompute : {"auto", True, False}, default="auto"
        Whether to form Gram matrices of all features first.
    solver : {"auto", "face_newton", "cd", "uag", "pncg"}, default="auto"
        Coordinate descent and Newton steps on a Gram matrix of a growing working set;
        accelerated coordinate descent on the residual; on all features, the unified
        accelerated gradient or proximal nonlinear conjugate gradients.
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
    stationarity_ : float
        Largest violated optimality condition at `coef_`, over all features: how far
        each coefficient is from the minimum in it alone, times the curvature of the
        loss.
    stationarity_tol_ : float
        Bound that was asked for: `tol` times the largest gradient at the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Rounds, or iterations of gradient methods, of the path on all data.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MCPRegressor : At a given strength.
    LassoCV : The convex penalty.

    References
    ----------
    Zhang (2010), doi:10.1214/09-AOS729; Breheny and Huang (2011),
    doi:10.1214/10-AOAS388.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import MCPRegressorCV
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = MCPRegressorCV(alphas=20, eps=0.05).fit(X, y)
    >>> model.mse_path_.shape
    (20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {**PathCV._rules, **_TAIL}

    def __init__(
        self,
        *,
        gamma=3.0,
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
        n_path=30,
        max_iter=100,
        tol=1e-6,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.gamma = gamma
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
        self.n_path = n_path
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return MCP(1.0, float(self.gamma), penalty_weights, self.positive)
