"""The Lasso and the elastic net for several tasks with a common support."""

from math import inf
from typing import ClassVar

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.linear_model._tasks import MultiTaskRegressor
from sparsestat.optim.penalties import RowL2
from sparsestat.utils.validation import Boolean, Interval, Rule

__all__ = ["MultiTaskElasticNet", "MultiTaskLasso"]

_RULES: dict[str, Rule] = {
    "alpha": Interval(0, inf, closed="left"),
    "penalty_weights": TAIL["penalty_weights"],
    **{name: TAIL[name] for name in ("fit_intercept", "standardize", "max_iter")},
    "tol": TAIL["tol"],
    "warm_start": Boolean,
    "verbose": TAIL["verbose"],
}


class MultiTaskLasso(MultiTaskRegressor, SparseLinearRegressor):
    r"""Several regressions with a common support, certified by their duality gap.

    Minimises over W, with a row for each task, and b

    .. math::
        \sum_i s_i \tfrac12 \|y_i - W x_i - b\|^2
        + \alpha \sum_j v_j \, \|w_j\|_2, \qquad s_i = q_i / \sum_k q_k,

    with w_j the coefficients of feature j in all tasks, v the penalty weights and q the
    sample weights (uniform: s_i = 1/n, as in scikit-learn). A feature is used in all
    tasks or in none.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a feature unpenalised, inf excludes it; None is all ones.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model (with
        intercept and unpenalised features only). float32 data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients, in the precision of X.
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
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (n_tasks, n_features)
        Coefficients as a sparse matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MultiTaskLassoCV : The strength chosen by cross-validation.
    MultiTaskElasticNet : With a squared penalty too.
    sklearn.linear_model.MultiTaskLasso : Coordinate descent, dense data.

    References
    ----------
    Obozinski, Taskar and Jordan (2010), doi:10.1007/s11222-008-9111-x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import MultiTaskLasso
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 30))
    >>> Y = X[:, :2] @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((50, 3))
    >>> model = MultiTaskLasso(alpha=0.3).fit(X, Y)
    >>> model.coef_.shape, np.flatnonzero(model.coef_[0])
    ((3, 30), array([0, 1]))
    """

    _rules: ClassVar[dict[str, Rule]] = _RULES

    def __init__(
        self,
        alpha=1.0,
        *,
        penalty_weights=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return RowL2(1.0, 1.0, penalty_weights)


class MultiTaskElasticNet(MultiTaskRegressor, SparseLinearRegressor):
    r"""Several regressions with a common support and a squared penalty, certified.

    Minimises over W, with a row for each task, and b

    .. math::
        \sum_i s_i \tfrac12 \|y_i - W x_i - b\|^2 + \alpha \sum_j v_j \left(
        \rho \, \|w_j\|_2 + \tfrac{1 - \rho}{2} \|w_j\|_2^2 \right),
        \qquad s_i = q_i / \sum_k q_k,

    with w_j the coefficients of feature j in all tasks, rho the `l1_ratio`, v the
    penalty weights and q the sample weights (uniform: s_i = 1/n, as in scikit-learn).

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
    l1_ratio : float, default=0.5
        The rho in [0, 1]: 1 is the multi-task Lasso, 0 ridge regression.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a feature unpenalised, inf excludes it; None is all ones.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model (with
        intercept and unpenalised features only). float32 data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients, in the precision of X.
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
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (n_tasks, n_features)
        Coefficients as a sparse matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MultiTaskElasticNetCV : Strength and l1_ratio chosen by cross-validation.
    MultiTaskLasso : Without the squared penalty.
    sklearn.linear_model.MultiTaskElasticNet : Coordinate descent, dense data.

    References
    ----------
    Obozinski, Taskar and Jordan (2010), doi:10.1007/s11222-008-9111-x; Zou and Hastie
    (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import MultiTaskElasticNet
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((50, 30))
    >>> Y = X[:, :2] @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((50, 3))
    >>> model = MultiTaskElasticNet(alpha=0.3, l1_ratio=0.9).fit(X, Y)
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {**_RULES, "l1_ratio": Interval(0, 1)}

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        penalty_weights=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return RowL2(1.0, float(self.l1_ratio), penalty_weights)
