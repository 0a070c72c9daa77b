"""Least squares with a given number of coefficients, by greedy methods."""

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.optim.design import make_design, with_norms
from sparsestat.optim.greedy import SOLVERS, recover
from sparsestat.optim.sensing import design_sensing
from sparsestat.utils.validation import (
    Boolean,
    Callable,
    Interval,
    OneOf,
    Rule,
    check_parameters,
    check_sample_weight,
)

__all__ = ["HardThresholdingRegressor"]


class HardThresholdingRegressor(RegressorMixin, BaseEstimator):
    r"""Least squares with few coefficients, found by thresholding or pursuit.

    Seeks w and b with

    .. math::
        \min_{w, b} \; \sum_i s_i (y_i - x_i^\top w - b)^2
        \quad \text{subject to} \quad \|w\|_0 \le k, \qquad s_i = q_i / \sum_l q_l,

    with q the sample weights, by methods of compressed sensing: fast, and exact where
    small sets of columns are nearly orthogonal. The result is a fixed point of the
    method, not a proven optimum.

    Parameters
    ----------
    n_nonzero_coefs : int, default=None
        The k; None is a tenth of the features, as in scikit-learn's
        OrthogonalMatchingPursuit. At most the smaller of n_samples and n_features.
    solver : str, default="htp"
        One of "htp", "fhtp", "ghtp", "iht", "niht", "cosamp", "sp", "omp", "nst",
        "nst_suboptimal" and "adptnst"; see
        :func:`~sparsestat.recovery.hard_thresholding`.
    step : float or "auto", default="auto"
        Step along the gradient, or in null-space tuning.
    tol : float, default=1e-8
        Residual, relative to y, that ends the search.
    max_iter : int, default=200
        Steps at most.
    fit_intercept : bool, default=False
        Fit b; X and y are then centred, implicitly.
    feedback : callable, default=None
        Size of the support at step k = 1, 2, ... of "ghtp" and "adptnst".

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    support_ : ndarray of shape (n_nonzero_coefs,)
        Indices of the nonzero coefficients.
    n_nonzero_coefs_ : int
        Number of nonzero coefficients.
    residual_norm_ : float
        Root of the weighted mean square of the residuals.
    stationarity_ : float
        Relative change of the coefficients by one more step of the method; 0 at its
        fixed points.
    normal_residual_ : float
        How far the coefficients are from least squares on the support: largest product
        of a chosen column with the residual, relative to the norms of both.
    n_iter_ : int
        Steps taken.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    sparsestat.recovery.hard_thresholding : The same for complex data and operators.
    sklearn.linear_model.OrthogonalMatchingPursuit : One of the methods.

    References
    ----------
    Foucart (2011), doi:10.1137/100806278; Li, Liu and Mi (2014), arXiv:1204.3700; Han,
    Li and Song (2020), arXiv:2005.06693.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import HardThresholdingRegressor
    >>> X, y = make_sparse_regression(
    ...     50, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = HardThresholdingRegressor(n_nonzero_coefs=3).fit(X, y)
    >>> model.n_nonzero_coefs_
    3
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_nonzero_coefs": Interval(1, inf, closed="left", integer=True) | None,
        "solver": OneOf(*SOLVERS),
        "step": Interval(0, inf, closed="neither") | OneOf("auto"),
        "tol": Interval(0, inf, closed="left"),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "fit_intercept": Boolean,
        "feedback": Callable | None,
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        solver="htp",
        step="auto",
        tol=1e-8,
        max_iter=200,
        fit_intercept=False,
        feedback=None,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.solver = solver
        self.step = step
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.feedback = feedback

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite or of wrong shape, for parameters outside
            their range, and for more coefficients than samples or features.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        sample_weight = check_sample_weight(sample_weight, X)
        n, p = X.shape
        size = self.n_nonzero_coefs
        if size is None:
            size = min(max(p // 10, 1), n)
        if size > min(n, p):
            raise ValueError(
                f"n_nonzero_coefs must be at most {min(n, p)}, the smaller of "
                f"n_samples and n_features; got {size}."
            )
        weight = np.ones(n) if sample_weight is None else sample_weight
        weight = weight / weight.sum()
        design = make_design(
            X, sample_weight=weight, fit_intercept=bool(self.fit_intercept)
        )
        design = with_norms(design, weight)
        y = y.astype(np.float64, copy=False)
        mean = float(weight @ y) if self.fit_intercept else 0.0
        result = recover(
            design_sensing(design, weight),
            np.sqrt(weight) * (y - mean),
            size,
            self.solver,
            step=self.step,
            tol=self.tol,
            max_iter=self.max_iter,
            feedback=self.feedback,
        )
        self.coef_ = result.x.astype(X.dtype)
        self.intercept_ = X.dtype.type(mean - design.mean @ result.x)
        self.support_ = result.support
        self.n_nonzero_coefs_ = len(result.support)
        self.residual_norm_ = result.residual_norm
        self.stationarity_ = result.stationarity
        self.normal_residual_ = result.normal_residual
        self.n_iter_ = result.n_iter
        if not result.converged:
            warnings.warn(
                f"HardThresholdingRegressor: solver={self.solver!r} came to no fixed "
                f"point in {result.n_iter} steps; stationarity_ is "
                f"{result.stationarity:.2e}. Increase max_iter, shorten step, or take "
                "another solver.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return X @ self.coef_ + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
