"""The square-root Lasso: a strength that does not depend on the noise."""

import warnings
from math import inf, sqrt
from typing import ClassVar

import numpy as np
from scipy.stats import norm

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor, solver_tol
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import L1
from sparsestat.optim.run import Run
from sparsestat.optim.square_root import SquareRootRun
from sparsestat.utils.validation import Boolean, Interval, OneOf, Rule

__all__ = ["SqrtLasso"]

# Of the pivotal strength: its margin, and the probability that noise exceeds it.
_MARGIN = 1.1
_LEVEL = 0.05


class SqrtLasso(SparseLinearRegressor):
    r"""Root of the mean squared error with an l1 penalty, and the noise along with it.

    Minimises over w and b

    .. math::
        \sqrt{\sum_i s_i (y_i - x_i^\top w - b)^2} + \alpha \sum_j v_j \, |w_j|,
        \qquad s_i = q_i / \sum_k q_k,

    with q the sample weights and v the penalty weights. The solution is that of
    :class:`Lasso` at the strength alpha * `noise_`, `noise_` being the root at the
    solution: a good alpha does not depend on the variance of the noise, so it needs no
    tuning.

    Parameters
    ----------
    alpha : "pivotal" or float, default="pivotal"
        Strength of the penalty, >= 0. "pivotal" is
        :math:`1.1 \, \Phi^{-1}(1 - 0.05 / (2 p)) / \sqrt n` for p penalised features
        and n samples: with probability 0.95 no feature of unit variance correlates that
        much with Gaussian noise.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones. They are not rescaled.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=True
        Penalise the coefficients of columns scaled to unit (weighted) variance, as the
        pivotal strength supposes; `coef_` is on the scale of X all the same.
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
        See :class:`Lasso`.
    n_jobs : int, default=None
        Accepted for uniformity: a single fit has no independent parts.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Strength used.
    noise_ : float
        Root of the mean squared residual, an estimate of the standard deviation of the
        noise that shrinkage biases upwards; at least a thousandth of that of the null
        model.
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective, those of y: a bound of its
        distance to the optimum.
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

    Warns
    -----
    UserWarning
        If the fit interpolates y, so that the residual says nothing of the noise.

    See Also
    --------
    Lasso : The square of the error instead of its root.
    sklearn.linear_model.Lasso : The same, without penalty weights.

    Notes
    -----
    Where the root falls below sigma_0, a thousandth of that of the null model, it is
    replaced by the smooth :math:`(r^2 / \sigma_0 + \sigma_0) / 2`. The dual is

    .. math::
        \max_t \; \langle y, t \rangle_s + \tfrac{\sigma_0}{2} (1 - \|t\|_s^2)
        \quad \text{with} \quad \|t\|_s \le 1, \; |x_j^\top S t| \le \alpha v_j,

    and the gap is taken at the scaled residual. With weights, n in the pivotal strength
    is their sum: they count samples there.

    References
    ----------
    Belloni, Chernozhukov and Wang (2011), doi:10.1093/biomet/asr043; for the smoothed
    root Ndiaye, Fercoq, Gramfort, Leclere and Salmon (2017),
    doi:10.1088/1742-6596/904/1/012006.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import SqrtLasso
    >>> X, y = make_sparse_regression(
    ...     100, 200, n_nonzero_coefs=3, snr=10.0, random_state=0, return_X_y=True
    ... )
    >>> model = SqrtLasso().fit(X, y)
    >>> same = SqrtLasso().fit(X, 100 * y)
    >>> bool(abs(same.noise_ / model.noise_ - 100) < 1e-3)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": OneOf("pivotal") | Interval(0, inf, closed="left"),
        **TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha="pivotal",
        *,
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=True,
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

    def _strength(self, penalty, X, sample_weight) -> float:
        if self.alpha != "pivotal":
            return float(self.alpha)
        n_samples, n_penalised = X.shape
        if penalty.weights is not None:
            weights = penalty.weights
            n_penalised = np.count_nonzero((weights > 0.0) & (weights < np.inf))
        if sample_weight is not None:
            n_samples = float(sample_weight.sum())
        return pivotal_alpha(n_samples, n_penalised)

    def _run(self, X, y, sample_weight, penalty, n_alphas: int, **options) -> Run:
        return SquareRootRun(
            X,
            y,
            Quadratic(),
            penalty,
            sample_weight,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            tol=solver_tol(self.tol, X.dtype),
            max_iter=self.max_iter,
            solver=self.solver,
            precompute=self.precompute,
            n_alphas=n_alphas,
            **options,
        )

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        self.alpha_ = alpha
        self.noise_ = run.noise_of(self.coef_.astype(np.float64))
        if self.noise_ <= run.solver.floor and self.coef_.any():
            warnings.warn(
                f"{type(self).__name__} interpolates y at alpha={alpha:.6g}: the "
                "residual says nothing of the noise. Penalise more.",
                UserWarning,
                stacklevel=5,
            )


def pivotal_alpha(n_samples: float, n_penalised: int) -> float:
    """Strength of the square-root Lasso that noise alone seldom reaches.

    Belloni, Chernozhukov and Wang (2011), doi:10.1093/biomet/asr043.
    """
    quantile = norm.isf(_LEVEL / (2.0 * max(n_penalised, 1)))
    return float(_MARGIN * quantile / sqrt(n_samples))
