"""The Lasso with the strength chosen by an information criterion."""

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.callback import with_callbacks

from sparsestat.linear_model._base import TAIL, warn_unless_converged
from sparsestat.linear_model._path import GRID, grid_size
from sparsestat.linear_model._path_regressor import PathRegressor
from sparsestat.optim.penalties import L1
from sparsestat.utils.criteria import CRITERIA
from sparsestat.utils.validation import Interval, OneOf, RandomState, Rule

__all__ = ["LassoIC"]


class LassoIC(PathRegressor):
    r"""Lasso with the strength chosen by AIC, AICc, BIC or EBIC.

    Along the certified path of :class:`Lasso` it minimises

    .. math::
        n \log(2 \pi \sigma^2) + \mathrm{RSS}(\alpha) / \sigma^2 + c(k_\alpha),

    k being the number of nonzero coefficients, plus one for the intercept: an unbiased
    estimate of the degrees of freedom of the Lasso. See
    :func:`sparsestat.utils.criteria.information_criterion` for c.

    Parameters
    ----------
    criterion : {"bic", "aic", "aicc", "ebic"}, default="bic"
        Which criterion.
    noise_variance : float, default=None
        The variance sigma^2; None estimates it by least squares if
        n_samples > n_features + 1, else by refitted cross-validation.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid.
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
        Whether to form the Gram matrix of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See :class:`Lasso`.
    n_jobs : int, default=None
        Accepted for uniformity; one path runs in one thread and BLAS.
    random_state : int or RandomState, default=None
        Halves of the samples for refitted cross-validation.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        Strengths tried, decreasing.
    criterion_ : ndarray of shape (n_alphas,)
        Values of the criterion.
    noise_variance_ : float
        Variance of the noise, given or estimated.
    degrees_of_freedom_ : ndarray of int of shape (n_alphas,)
        Degrees of freedom along the path.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients along the path.
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
        Outer rounds of the path.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    LassoCV : Cross-validation instead.
    sklearn.linear_model.LassoLarsIC : AIC and BIC on the path of least angles.

    References
    ----------
    Zou, Hastie and Tibshirani (2007), doi:10.1214/009053607000000127; Chen and Chen
    (2008), doi:10.1093/biomet/asn034.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import LassoIC
    >>> X, y = make_sparse_regression(
    ...     100, 20, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> int((LassoIC().fit(X, y).coef_ != 0).sum()) < 10
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "criterion": OneOf(*CRITERIA),
        "noise_variance": Interval(0, inf, closed="neither") | None,
        **GRID,
        **TAIL,
        "random_state": RandomState,
    }

    def __init__(
        self,
        criterion="bic",
        *,
        noise_variance=None,
        eps=None,
        alphas=100,
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
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.eps = eps
        self.alphas = alphas
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

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Fit the path and keep the solution with the least criterion.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies >= 0: the number of samples in the criterion is their sum.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range.
        """
        X, y, sample_weight = self._validated(X, y, sample_weight)
        penalty = self._weighted_penalty(X.shape[1])
        context = self._begin(X, y, sample_weight, grid_size(self.alphas))
        run, found = self._path(X, y, sample_weight, penalty, context)
        self.noise_variance_ = self._variance(X, y, sample_weight, run)
        self.criterion_, self.degrees_of_freedom_ = self._criterion(
            self.criterion, sample_weight, run, found, self.noise_variance_, X.shape
        )
        self.alphas_ = found.alphas
        self._take_from_path(run, found, int(np.argmin(self.criterion_)), X.dtype)
        if self.verbose:
            print(f"{self._summary(self.alpha_)}, by {self.criterion}")
        warn_unless_converged(self, self.alpha_, *self._certificate)
        self._end(context, X, y, sample_weight)
        return self

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, self.positive)
