"""The group Lasso and the sparse group Lasso."""

from math import inf
from typing import ClassVar

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.linear_model._groups import GROUPS, GroupedRegressor
from sparsestat.utils.validation import ArrayLike, Boolean, Interval, Rule

__all__ = ["GroupLasso", "SparseGroupLasso"]

_RULES: dict[str, Rule] = {
    "alpha": Interval(0, inf, closed="left"),
    **GROUPS,
    **{name: TAIL[name] for name in ("fit_intercept", "standardize", "max_iter")},
    "tol": TAIL["tol"],
    "warm_start": Boolean,
    "verbose": TAIL["verbose"],
}


class GroupLasso(GroupedRegressor, SparseLinearRegressor):
    r"""Least squares with a penalty on whole groups, certified by its duality gap.

    Minimises over w and b

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2
        + \alpha \sum_g v_g \, \|w_g\|_2, \qquad s_i = q_i / \sum_k q_k,

    with w_g the coefficients of group g, v the weights of the groups and q the sample
    weights (uniform: s_i = 1/n). The coefficients of a group are all zero or, as a
    rule, all not.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
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
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
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
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    GroupLassoCV : The strength chosen by cross-validation.
    SparseGroupLasso : Zeros within groups too.
    sklearn.linear_model.MultiTaskLasso : Groups of the same feature in several tasks.

    Notes
    -----
    A group is minimised exactly given the others, on the Gram matrix of a growing
    working set; Newton steps on the active groups finish. The duality gap over all
    groups ends a fit.

    References
    ----------
    Yuan and Lin (2006), doi:10.1111/j.1467-9868.2005.00532.x; for groups that overlap
    Jacob, Obozinski and Vert (2009), doi:10.1145/1553374.1553431.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import GroupLasso
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = GroupLasso(alpha=0.2, feature_groups=5).fit(X, y)
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    >>> len(model.feature_groups_)
    20
    """

    _rules: ClassVar[dict[str, Rule]] = _RULES

    def __init__(
        self,
        alpha=1.0,
        *,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose


class SparseGroupLasso(GroupedRegressor, SparseLinearRegressor):
    r"""Least squares with penalties on groups and on single coefficients together.

    Minimises over w and b

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2
        + \alpha \Big( \rho \sum_j v_j |w_j| + (1 - \rho) \sum_g v_g \, \|w_g\|_2 \Big),
        \qquad s_i = q_i / \sum_k q_k,

    with rho the `l1_ratio`, v_j and v_g the weights of features and groups, and q the
    sample weights. Groups are left out as a whole, and within the others coefficients.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
    l1_ratio : float, default=0.5
        The rho in [0, 1]: 0 is the group Lasso, 1 the Lasso.
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
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
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
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseGroupLassoCV : The strength chosen by cross-validation.
    GroupLasso : Groups only.
    sklearn.linear_model.Lasso : Single coefficients only.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani (2013), doi:10.1080/10618600.2012.681250.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import SparseGroupLasso
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = SparseGroupLasso(alpha=0.2, feature_groups=5).fit(X, y)
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **_RULES,
        "l1_ratio": Interval(0, 1),
        "penalty_weights": ArrayLike | None,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        feature_groups=1,
        group_weights="sqrt",
        penalty_weights=None,
        overlap="error",
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.penalty_weights = penalty_weights
        self.overlap = overlap
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
