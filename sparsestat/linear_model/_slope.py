"""SLOPE: the sorted l1 norm."""

from math import inf
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from sparsestat.linear_model._base import SparseLinearRegressor
from sparsestat.linear_model._coupled import COUPLED_TAIL, CV_TAIL, Coupled
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.penalties import SLOPE
from sparsestat.utils.validation import Boolean, Each, Interval, OneOf, Rule

__all__ = ["Slope", "SlopeCV"]

_SEQUENCE: dict[str, Rule] = {
    "lambdas": OneOf("bh", "gaussian", "oscar") | Each(Interval(0, inf, closed="left")),
    "fdr": Interval(0, 1, closed="neither"),
}


class _Sequence(Coupled):
    """Mixin: the penalty from the parameters `lambdas` and `fdr`."""

    def _validated(self, X, y, sample_weight):
        X, y, sample_weight = super()._validated(X, y, sample_weight)
        n_rows = len(y) if sample_weight is None else np.count_nonzero(sample_weight)
        self._n_rows = int(n_rows)
        return X, y, sample_weight

    def _coupled_penalty(self, n_features: int) -> SLOPE:
        lambdas = _sequence(self.lambdas, n_features, self._n_rows, self.fdr)
        return SLOPE(1.0, lambdas)


class Slope(_Sequence, SparseLinearRegressor):
    r"""Least squares with the sorted l1 norm, certified by its duality gap.

    Minimises over w and b

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2
        + \alpha \sum_k \lambda_k \, |w|_{(k)}, \qquad s_i = q_i / \sum_k q_k,

    with magnitudes in decreasing order and q the sample weights. Larger coefficients
    pay higher prices, as p-values are compared with a line in the procedure of
    Benjamini and Hochberg; coefficients of correlated features become equal in
    magnitude.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0. For noise of standard deviation s, columns of
        unit variance and the sequence "bh", s / sqrt(n_samples) controls the rate of
        false discoveries at `fdr` where columns are orthogonal.
    lambdas : {"bh", "gaussian", "oscar"} or array-like, default="bh"
        The sequence, of shape (n_features,); it must not increase. "bh": quantiles of
        the normal law at levels 1 - fdr i / (2 p), after Benjamini and Hochberg.
        "gaussian": these, enlarged for the shrinkage of earlier coefficients by n
        samples of a Gaussian design. "oscar": (p + 1 - i) / p, which groups correlated
        features.
    fdr : float, default=0.1
        Target rate of false discoveries, in (0, 1), for "bh" and "gaussian".
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model. float32
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
    lambdas_ : ndarray of shape (n_features,)
        The sequence.
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
    SlopeCV : The strength chosen by cross-validation or a criterion.
    Lasso : All lambdas equal.
    sklearn.linear_model.Lasso : In scikit-learn, which has no sorted norm.

    Notes
    -----
    Coefficients move in clusters of equal magnitude: proximal steps split them,
    coordinate descent over clusters merges them, Newton steps settle their magnitudes;
    the strong rule keeps most features out. The gap is that of all features.

    References
    ----------
    Bogdan, van den Berg, Sabatti, Su and Candes (2015), doi:10.1214/15-AOAS842; for
    the descent Larsson, Klopfenstein, Massias and Wallin (2023), arXiv:2210.14780.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import Slope
    >>> X = np.array([[1.0, 0.9], [-1.0, -1.1], [2.0, 2.1], [-2.0, -1.9]])
    >>> y = X.sum(axis=1)
    >>> Slope(alpha=0.5, lambdas=[1.5, 0.5]).fit(X, y).coef_.round(4)
    array([0.9001, 0.9001])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **_SEQUENCE,
        **COUPLED_TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        lambdas="bh",
        fdr=0.1,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.lambdas = lambdas
        self.fdr = fdr
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _take(self, run, *solution) -> None:
        super()._take(run, *solution)
        self.lambdas_ = run.penalty.lambdas


class SlopeCV(_Sequence, PathCV):
    r"""SLOPE with the strength chosen by cross-validation along a certified path.

    The objective is that of :class:`Slope`; every solution of the path on all data
    carries its duality gap.

    Parameters
    ----------
    lambdas : {"bh", "gaussian", "oscar"} or array-like, default="bh"
        The sequence, of shape (n_features,); it must not increase. "bh": quantiles of
        the normal law at levels 1 - fdr i / (2 p), after Benjamini and Hochberg.
        "gaussian": these, enlarged for the shrinkage of earlier coefficients by n
        samples of a Gaussian design. "oscar": (p + 1 - i) / p, which groups correlated
        features.
    fdr : float, default=0.1
        Target rate of false discoveries, in (0, 1), for "bh" and "gaussian".
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
        `alpha_rule`; degrees of freedom are the number of different magnitudes.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
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
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    lambdas_ : ndarray of shape (n_features,)
        The sequence.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
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
    Slope : One strength.
    sklearn.linear_model.LassoCV : All lambdas equal, in scikit-learn.

    References
    ----------
    Bogdan, van den Berg, Sabatti, Su and Candes (2015), doi:10.1214/15-AOAS842.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import SlopeCV
    >>> X, y = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> SlopeCV(alphas=20).fit(X, y).mse_path_.shape
    (20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {**_SEQUENCE, **CV_TAIL}

    def __init__(
        self,
        *,
        lambdas="bh",
        fdr=0.1,
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
        self.lambdas = lambdas
        self.fdr = fdr
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

    def _take(self, run, *solution) -> None:
        super()._take(run, *solution)
        self.lambdas_ = run.penalty.lambdas


def _sequence(lambdas, n_features: int, n_samples: int, fdr: float) -> np.ndarray:
    """The sequence that a name stands for, or the given one, checked."""
    if not isinstance(lambdas, str):
        values = np.asarray(lambdas, dtype=np.float64)
        if values.shape != (n_features,):
            raise ValueError(
                f"lambdas must have shape ({n_features},), one value a feature; got "
                f"shape {values.shape}."
            )
        return values
    rank = np.arange(1, n_features + 1)
    if lambdas == "oscar":
        return (n_features + 1 - rank) / n_features
    values = ndtri(1.0 - fdr * rank / (2.0 * n_features))
    return values if lambdas == "bh" else _for_gaussian_designs(values, n_samples)


def _for_gaussian_designs(values: np.ndarray, n_samples: int) -> np.ndarray:
    """Enlarge each lambda by the noise of those before; constant from the minimum on.

    Bogdan et al. (2015), section 3.2.2.
    """
    out, squares = values.copy(), 0.0
    for i in range(1, len(values)):
        squares += out[i - 1] ** 2
        left = n_samples - i - 1
        if left > 0:
            out[i] = values[i] * np.sqrt(1.0 + squares / left)
        if left <= 0 or out[i] > out[i - 1]:
            out[i:] = out[i - 1]
            break
    return out
