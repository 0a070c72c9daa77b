"""The Lasso."""

from math import inf
from typing import ClassVar

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.optim.penalties import L1
from sparsestat.utils.validation import Boolean, Interval, Rule

__all__ = ["Lasso"]


class Lasso(SparseLinearRegressor):
    r"""Least squares with an l1 penalty, certified by its duality gap.

    Minimises over w and b

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2
        + \alpha \sum_j v_j \, |w_j|, \qquad s_i = q_i / \sum_k q_k,

    with q the sample weights (uniform: s_i = 1/n, as in scikit-learn) and v the penalty
    weights.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. With 0 the solution is the one of least squares
        with least norm.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones. They are not rescaled.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same. X is never copied for it.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model (with
        intercept and unpenalised features only). float32 data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    precompute : {"auto", True, False}, default="auto"
        Whether to form the Gram matrix of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        Newton steps on the face with the Gram matrix of a growing working set, or
        coordinate descent on the residual with conjugate gradient steps on the face.
    n_jobs : int, default=None
        Accepted for uniformity: a single fit has no independent parts, its matrix
        products use the threads of BLAS.
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
    LassoCV : The strength chosen by cross-validation.
    LassoIC : The strength chosen by an information criterion.
    sklearn.linear_model.Lasso : Coordinate descent, without penalty weights.

    Notes
    -----
    The solver climbs down from the largest strength with a nonzero coefficient,
    collects features in a working set, solves exactly on the face of the current signs
    by an updated Cholesky factor, and stops when the duality gap over all features is
    small enough.

    References
    ----------
    Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x; for the gap Fercoq,
    Gramfort and Salmon (2015), arXiv:1505.03410.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import Lasso
    >>> X, y = make_sparse_regression(
    ...     50, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = Lasso(alpha=0.3).fit(X, y)
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        verbose=0,
    ):
        self.alpha = alpha
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, self.positive)
