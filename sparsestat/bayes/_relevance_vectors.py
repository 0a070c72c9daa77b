"""Relevance vector regression: kernels at samples, few of which are kept.

After Tipping (2001), fitted as in Tipping and Faul (2003).
"""

from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.bayes._base import SAMPLING, TAIL, SparseBayesian, normal, root
from sparsestat.bayes._kernel_basis import KERNEL_RULES, kernels, make_basis
from sparsestat.utils.validation import Rule, check_parameters, check_sample_weight

__all__ = ["RelevanceVectorRegression"]

_TAIL = (
    "noise_variance", "noise_level", "noise_floor", "fit_intercept", "max_iter", "tol",
    "verbose",
)  # fmt: skip


class RelevanceVectorRegression(SparseBayesian):
    r"""Kernel regression in which few samples matter, with predictive deviations.

    Maximises the evidence of the model

    .. math:: y_i = \sum_j k(x_i, x_j) w_j + b + \varepsilon_i, \qquad
        w_j \sim N(0, g_j), \quad \varepsilon_i \sim N(0, \sigma^2)

    over the prior variances :math:`g_j \ge 0`. Most become zero; samples whose variance
    does not are the relevance vectors. The kernel need not be positive definite.

    Parameters
    ----------
    kernel : str or callable, default="rbf"
        "rbf", "laplacian", "poly", "polynomial", "sigmoid", "linear", "cosine",
        "precomputed", or a function of two rows.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of "rbf", "laplacian", "poly" and "sigmoid"; "scale" is 1 /
        (n_features * X.var()), "auto" 1 / n_features.
    degree : float, default=3
        Of "poly".
    coef0 : float, default=1
        Constant of "poly" and "sigmoid".
    kernel_params : dict, default=None
        Further arguments of a callable.
    noise_variance : {"em", "cv", "auto", "discrepancy"} or float, default="em"
        Variance of the noise (at least 1e-14 of the power of y), or how it is found:
        along with the prior ("em"), by the density of samples that were held out
        ("cv"), or such that the residual has the norm `noise_level`. Kernels narrower
        than the distance of samples can explain all noise; "cv" then helps, and "auto"
        is "em" where samples are twice as many as distinct ones, else "cv".
    noise_level : float, default=None
        Expected norm of the noise, for "discrepancy".
    noise_floor : float, default=1e-4
        Least variance that "em" may find, as a share of that of y.
    fit_intercept : bool, default=True
        Whether there is an intercept b, under a flat prior.
    max_iter : int, default=1000
        Looks at all kernels, at most.
    tol : float, default=1e-3
        Bound of `stationarity_`.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    relevance_ : ndarray of shape (n_relevance,)
        Which samples are relevance vectors.
    relevance_vectors_ : {ndarray, sparse matrix} of shape (n_relevance, n_features)
        These; not with ``kernel="precomputed"``.
    dual_coef_ : ndarray of shape (n_relevance,)
        Posterior means of their coefficients.
    dual_coef_std_ : ndarray of shape (n_relevance,)
        Posterior standard deviations.
    intercept_ : float
        Intercept.
    prior_variance_ : ndarray of shape (n_relevance,)
        Prior variances.
    covariance_ : ndarray of shape (n_relevance, n_relevance)
        Posterior covariance of the coefficients.
    noise_variance_ : float
        Variance of the noise.
    log_evidence_ : float
        Logarithm of the density of y.
    stationarity_ : float
        Largest violated condition of a local maximum of the evidence.
    history_ : dict of str to list
        ``"cost"``, ``"noise"``, ``"n_active"`` and ``"n_steps"`` at the looks at all
        kernels; targets are scaled to unit power.
    n_iter_ : int
        Looks.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        If X or y are not finite or of the wrong shape; if a parameter is outside its
        range.

    Warns
    -----
    ConvergenceWarning
        If the tolerance is missed, or the noise meets its floor.

    See Also
    --------
    RelevanceVectorClassifier : Classes instead of numbers.
    SparseBayesianRegression : The features themselves instead of kernels.
    sklearn.gaussian_process.GaussianProcessRegressor : Keeps all samples.
    sklearn.kernel_ridge.KernelRidge : The same, without deviations.

    References
    ----------
    Tipping (2001), Sparse Bayesian learning and the relevance vector machine; Tipping
    and Faul (2003), Fast marginal likelihood maximisation.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.bayes import RelevanceVectorRegression
    >>> X = np.linspace(-10, 10, 100)[:, None]
    >>> y = np.sinc(X.ravel() / np.pi)
    >>> y += 0.1 * np.random.default_rng(0).standard_normal(100)
    >>> model = RelevanceVectorRegression(gamma=0.1).fit(X, y)
    >>> len(model.relevance_) < 20
    True
    >>> mean, std = model.predict([[0.0]], return_std=True)
    >>> bool(abs(mean[0] - 1) < 3 * std[0])
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **KERNEL_RULES,
        **{name: TAIL[name] for name in _TAIL},
    }
    # What the base asks for and is no choice here.
    solver, allow_complex = "fast", False

    def __init__(
        self,
        kernel="rbf",
        *,
        gamma="scale",
        degree=3,
        coef0=1,
        kernel_params=None,
        noise_variance="em",
        noise_level=None,
        noise_floor=1e-4,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-3,
        verbose=0,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.noise_variance = noise_variance
        self.noise_level = noise_level
        self.noise_floor = noise_floor
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_samples) with ``kernel="precomputed"``.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, inverse to the variance of the noise of a row; a weight of k
            equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self, self._rules)
        X, Y, self._dtype = self._validated(X, y, multi_output=False)
        weight = check_sample_weight(sample_weight, X)
        weight = np.ones(len(Y)) if weight is None else weight
        basis = make_basis(self, X, weight)
        self._X, self._basis = X, basis
        try:
            return self._fit(basis.values, Y, weight)
        finally:
            del self._X, self._basis

    def _shape_results(self, coef, intercept, std, found) -> None:
        kept, basis = np.flatnonzero(found.g), self._basis
        order = np.argsort(basis.centres[kept])
        kept = kept[order]
        self.relevance_, self._gamma = basis.centres[kept], basis.gamma
        vars(self).pop("relevance_vectors_", None)
        if self.kernel != "precomputed":
            self.relevance_vectors_ = self._X[self.relevance_]
        self.dual_coef_, self.dual_coef_std_ = coef[0, kept], std[kept]
        self.intercept_ = coef.dtype.type(intercept[0])
        self.prior_variance_ = self.prior_variance_[kept]
        self.covariance_ = self.covariance_[np.ix_(order, order)]
        if self._mean is not None:
            self._mean = self._mean[kept]
        del self.active_

    def predict(self, X, return_std=False, return_cov=False):
        """Predict.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_fitted) with ``kernel="precomputed"``.
        return_std : bool, default=False
            Whether to return the standard deviations of new targets too, noise
            included.
        return_cov : bool, default=False
            Whether to return their covariances too; not along with `return_std`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        std : ndarray of shape (n_samples,)
            Standard deviations; only if `return_std`.
        cov : ndarray of shape (n_samples, n_samples)
            Covariances; only if `return_cov`.

        Raises
        ------
        ValueError
            If both are asked for.
        """
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32],
            reset=False,
        )  # fmt: skip
        values = values_at(self, X)
        everything = np.arange(len(self.relevance_))
        return self._predict(
            values, self.dual_coef_, everything, return_std, return_cov
        )

    def sample_posterior(self, n_samples=1, random_state=None):
        """Draw coefficients from their posterior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=None
            Seed.

        Returns
        -------
        dual_coef : ndarray of shape (n_samples, n_relevance)
            Draws of `dual_coef_`.
        """
        check_is_fitted(self)
        check_parameters(
            {"n_samples": n_samples, "random_state": random_state}, SAMPLING,
            name="sample_posterior",
        )  # fmt: skip
        rng, covariance = check_random_state(random_state), self.covariance_
        draws = normal(rng, (n_samples, len(covariance)), covariance)
        return self.dual_coef_ + (draws @ root(covariance).T).astype(covariance.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def values_at(model, X) -> np.ndarray:
    """Kernels of rows at the relevance vectors of a fitted model."""
    if model.kernel == "precomputed":
        return kernels(model, X, None, None)[:, model.relevance_]
    if not len(model.relevance_):
        return np.zeros((X.shape[0], 0), dtype=X.dtype)
    return kernels(model, X, model.relevance_vectors_, model._gamma)
