"""Quantile regression with sparse coefficients."""

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.metrics import mean_pinball_loss

from sparsestat.linear_model._glm_penalty import PENALTIES, PenaltyChoice
from sparsestat.linear_model._newton import (
    CHOICE,
    SOLVING,
    NewtonCV,
    NewtonRegressor,
    without_saturated,
)
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.optim.quantile_run import CheckLoss, QuantileRun
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    Jobs,
    Rule,
    Verbosity,
)

__all__ = ["SparseQuantileRegressor", "SparseQuantileRegressorCV"]


class _QuantileMixin(PenaltyChoice):
    """The loss, and the solver that it takes."""

    _run_class = QuantileRun

    def _make_loss(self, y):
        quantile, fit_intercept = float(self.quantile), self.fit_intercept
        return lambda weight: CheckLoss(y, weight, quantile, fit_intercept)


class SparseQuantileRegressor(_QuantileMixin, NewtonRegressor):
    r"""Quantile regression with an l1 or elastic-net penalty, certified.

    Minimises over w and b

    .. math::
        \sum_i s_i \max \big( \tau r_i, (\tau - 1) r_i \big)
        + \alpha \sum_j v_j \Big( \rho |w_j| + \tfrac{1 - \rho}{2} w_j^2 \Big),
        \qquad r_i = y_i - x_i^\top w - b,

    with s the sample weights over their sum, v the penalty weights, :math:`\tau` the
    quantile and :math:`\rho` the `l1_ratio`.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, >= 0. It has no unit: it does not change when y is
        scaled.
    quantile : float, default=0.5
        Which quantile to predict, in (0, 1).
    l1_ratio : float, default=1.0
        Share of the l1 penalty; 1 is the Lasso, 0 ridge regression.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`. Or an
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
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
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
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients of the groups, one after another, only if they overlap.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseQuantileRegressorCV : The strength chosen by cross-validation.
    SparseHuberRegressor : Means, robustly.
    sklearn.linear_model.QuantileRegressor : One linear program over all features.

    Notes
    -----
    A primal-dual interior point method works on a growing set of features; for l1
    penalties the solution is a vertex, which is found exactly: it interpolates as many
    samples as there are nonzero coefficients (and an intercept). A concave penalty is
    bounded by its tangent, again an l1 norm, until the vertex stays. With groups the
    loss is smoothed in a band that becomes narrower until the gap of the loss as it
    is, not that of the smoothed one, is below its bound.

    References
    ----------
    Koenker and Bassett (1978), doi:10.2307/1913643; Belloni and Chernozhukov (2011),
    doi:10.1214/10-AOS827; Portnoy and Koenker (1997), doi:10.1214/ss/1030037960.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseQuantileRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 20))
    >>> y = X[:, 0] + rng.exponential(size=200)
    >>> model = SparseQuantileRegressor(0.05, quantile=0.9).fit(X, y)
    >>> bool(abs(np.mean(y <= model.predict(X)) - 0.9) < 0.02)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "quantile": Interval(0, 1, closed="neither"),
        "l1_ratio": Interval(0, 1),
        **PENALTIES,
        "fit_intercept": Boolean,
        **SOLVING,
        "warm_start": Boolean,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        alpha=0.1,
        *,
        quantile=0.5,
        l1_ratio=1.0,
        penalty="elasticnet",
        gamma=None,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.quantile = quantile
        self.l1_ratio = l1_ratio
        self.penalty = penalty
        self.gamma = gamma
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose


class SparseQuantileRegressorCV(_QuantileMixin, NewtonCV):
    """Sparse quantile regression with the strength chosen by cross-validation.

    The objective is that of :class:`SparseQuantileRegressor`.

    Parameters
    ----------
    quantile : float, default=0.5
        Which quantile to predict, in (0, 1).
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=1.0
        Share of the l1 penalty, or several of them to choose from.
    eps : float, default=0.01
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the check loss.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`: of the asymmetric Laplace density, among models of at most
        n / 2 degrees of freedom.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`. Or an
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
    alpha_ : float
        Chosen strength.
    l1_ratio_ : float
        Chosen share of the l1 penalty.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Strengths tried, decreasing.
    pinball_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Mean check losses, only if `scoring` and `criterion` are None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape ([n_l1_ratios,] n_alphas)
        Values of the criterion, only if `criterion` is given.
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
    stationarity_ : float
        Largest distance of a derivative of the loss from those of the penalty, in place
        of `dual_gap_`; only if the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest derivative at the null model;
        only if the penalty is concave.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, only if the penalty is on groups.
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients of the groups, one after another, only if they overlap.
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
    SparseQuantileRegressor : The fit at a given strength.
    sklearn.metrics.mean_pinball_loss : The check loss.

    References
    ----------
    Koenker and Bassett (1978), doi:10.2307/1913643; Belloni and Chernozhukov (2011),
    doi:10.1214/10-AOS827.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseQuantileRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> y = X[:, 0] + rng.exponential(size=100)
    >>> model = SparseQuantileRegressorCV(quantile=0.8, alphas=10).fit(X, y)
    >>> model.pinball_path_.shape
    (10, 5)
    """

    _loss_path = "pinball_path_"
    _rules: ClassVar[dict[str, Rule]] = {
        "quantile": Interval(0, 1, closed="neither"),
        "l1_ratio": Interval(0, 1) | Each(Interval(0, 1)),
        **CHOICE,
        **PENALTIES,
        "fit_intercept": Boolean,
        **SOLVING,
        "n_jobs": Jobs,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        *,
        quantile=0.5,
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
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        verbose=0,
    ):
        self.quantile = quantile
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
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _deviance(self, run, found, n, dof):
        least = run.loss.rounding + np.finfo(np.float64).tiny
        values = 2.0 * n * np.log(np.maximum(found.losses, least))
        return without_saturated(values, dof, n)

    def _losses(self, X, y, found, fold):
        fitted = fitted_path(X, found, fold.test)
        return mean_pinball_loss(
            np.broadcast_to(y[fold.test, None], fitted.shape),
            fitted,
            sample_weight=fold.test_weight,
            alpha=self.quantile,
            multioutput="raw_values",
        )
