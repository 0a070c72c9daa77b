"""Robust regression by Huber's loss, with sparse coefficients."""

from functools import partial
from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.linear_model._glm_penalty import PENALTIES, PenaltyChoice
from sparsestat.linear_model._newton import (
    CHOICE,
    SOLVING,
    NewtonCV,
    NewtonRegressor,
    without_saturated,
)
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.optim.huber import ConcomitantHuber, FixedHuber, log_density, mad
from sparsestat.optim.huber_path import HuberRun
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    Jobs,
    OneOf,
    Rule,
    Verbosity,
)

__all__ = ["SparseHuberRegressor", "SparseHuberRegressorCV"]


class _HuberMixin:
    """The loss, its solver, and the scale that it takes."""

    _run_class = HuberRun

    def _make_loss(self, y):
        if self.scale == "concomitant":
            if self.epsilon <= 1.0:
                raise ValueError(
                    "epsilon must be > 1 with scale='concomitant', else all samples "
                    f"are outliers at every scale; got {self.epsilon}."
                )
            kind, relative = ConcomitantHuber, False
        else:
            kind, relative = FixedHuber, self.scale == "mad"
        return partial(
            _loss, kind, relative, y, float(self.epsilon), self.fit_intercept
        )

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        run.objective_of(alpha, self._last_coef().astype(np.float64))
        self.scale_ = float(run.loss.scale)
        if self.scale == "mad":
            self.scale_ = run.loss.threshold / self.epsilon


def _loss(kind, relative, y, epsilon, fit_intercept, weight):
    """The loss, with a threshold relative to the spread of y where asked."""
    if relative:
        spread = mad(y[weight > 0.0], weight[weight > 0.0])
        if spread == 0.0:
            kept = y[weight > 0.0]
            if (kept != kept[0]).any():
                raise ValueError(
                    "scale='mad' needs a y of which less than half the weight is on "
                    "one value; got a median absolute deviation of 0. Use "
                    "scale='concomitant' or None."
                )
            spread = 1.0  # y is constant, and any threshold will do
        epsilon = epsilon * spread
    return kind(y, weight, epsilon, fit_intercept)


class SparseHuberRegressor(_HuberMixin, PenaltyChoice, NewtonRegressor):
    r"""Huber's robust regression with an l1 or elastic-net penalty, certified.

    With ``scale="concomitant"`` minimises over w, b and the scale

    .. math::
        \frac{\sigma}{2} + \sigma \sum_i s_i \, \rho_\epsilon \Big(
        \frac{y_i - x_i^\top w - b}{\sigma} \Big)
        + \alpha \sum_j v_j \Big( \rho |w_j| + \tfrac{1 - \rho}{2} w_j^2 \Big),

    .. math::
        \rho_\epsilon(r) = \tfrac12 r^2 \;\; (|r| \le \epsilon), \qquad
        \epsilon |r| - \tfrac12 \epsilon^2 \;\; \text{else};

    otherwise the loss is the sum of :math:`s_i \rho_\delta(y_i - x_i^\top w - b)` with
    a fixed threshold. s are the sample weights over their sum, v the penalty weights.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, >= 0. With a concomitant scale it has no unit: it does
        not change when y is scaled.
    epsilon : float, default=1.35
        Where residuals become outliers: in units of the scale, or in those of y with
        ``scale=None``. 1.35 has 95 % efficiency for normal noise.
    scale : {"concomitant", "mad", None}, default="concomitant"
        A scale that is fitted along, and stays above 1 % of the spread of y; the median
        absolute deviation of y times 1.4826; or 1.
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
    scale_ : float
        Scale of the residuals: fitted, or the fixed one.
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
    SparseHuberRegressorCV : The strength chosen by cross-validation.
    SparseQuantileRegressor : Medians and other quantiles.
    sklearn.linear_model.HuberRegressor : With a ridge penalty.

    Notes
    -----
    For a large epsilon the concomitant scale gives the square-root Lasso, a fixed one
    the Lasso.

    References
    ----------
    Huber (1981), Robust Statistics, section 7.7; Owen (2007), A robust hybrid of lasso
    and ridge regression, doi:10.1090/conm/443/08555.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseHuberRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> y = 3 * X[:, 0] + rng.standard_normal(100)
    >>> y[:10] += 50
    >>> model = SparseHuberRegressor(alpha=0.3).fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0])
    >>> abs(model.intercept_) < 0.5
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "epsilon": Interval(0, inf, closed="neither"),
        "scale": OneOf("concomitant", "mad", None),
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
        epsilon=1.35,
        scale="concomitant",
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
        self.epsilon = epsilon
        self.scale = scale
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


class SparseHuberRegressorCV(_HuberMixin, PenaltyChoice, NewtonCV):
    """Sparse robust regression with the strength chosen by cross-validation.

    The objective is that of :class:`SparseHuberRegressor`. Held-out samples are scored
    by absolute errors, which outliers do not dominate.

    Parameters
    ----------
    epsilon : float, default=1.35
        Where residuals become outliers.
    scale : {"concomitant", "mad", None}, default="concomitant"
        What epsilon is relative to; "mad" is taken of each fold.
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
        Score of the held-out samples; None is the mean absolute error.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`: of the density whose logarithm is Huber's loss, so with a
        concomitant scale only, among models of at most n / 2 degrees of freedom.
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
    mae_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Mean absolute errors, only if `scoring` and `criterion` are None.
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
    scale_ : float
        Scale of the residuals: fitted, or the fixed one.
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
    SparseHuberRegressor : The fit at a given strength.
    sklearn.linear_model.HuberRegressor : With a ridge penalty.

    References
    ----------
    Huber (1981), Robust Statistics, section 7.7; Owen (2007), A robust hybrid of lasso
    and ridge regression, doi:10.1090/conm/443/08555.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseHuberRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> y = 3 * X[:, 0] + rng.standard_t(1.5, 100)
    >>> model = SparseHuberRegressorCV(alphas=10, alpha_rule="1se").fit(X, y)
    >>> model.mae_path_.shape
    (10, 5)
    """

    _loss_path = "mae_path_"
    _rules: ClassVar[dict[str, Rule]] = {
        "epsilon": Interval(0, inf, closed="neither"),
        "scale": OneOf("concomitant", "mad", None),
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
        epsilon=1.35,
        scale="concomitant",
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
        self.epsilon = epsilon
        self.scale = scale
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

    def _validated(self, X, y, sample_weight):
        if self.criterion is not None and self.scale != "concomitant":
            raise ValueError(
                "criterion needs scale='concomitant', with epsilon relative to the "
                f"noise; got scale={self.scale!r}."
            )
        return super()._validated(X, y, sample_weight)

    def _deviance(self, run, found, n, dof):
        values, loss = np.empty(len(found.alphas)), run.loss
        for k in range(len(values)):
            fitted = run.fitted(found.coefs[:, [k]].toarray().ravel())[loss.rows]
            r = loss.y - fitted - loss.best_intercept(fitted)
            values[k] = log_density(r, loss.weight, loss.threshold, loss.smallest)
        return without_saturated(2.0 * n * values, dof, n)

    def _losses(self, X, y, found, fold):
        errors = np.abs(y[fold.test, None] - fitted_path(X, found, fold.test))
        return np.average(errors, axis=0, weights=fold.test_weight)
