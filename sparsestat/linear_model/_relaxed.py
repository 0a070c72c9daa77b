"""The relaxed Lasso: selection by the Lasso, less of its shrinkage."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.linear_model._nonconvex import CHOICE
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.penalties import L1
from sparsestat.optim.refit import refit
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution
from sparsestat.utils.validation import Boolean, Each, Interval, Rule

__all__ = ["RelaxedLasso", "RelaxedLassoCV"]

_PHI = Interval(0, 1)


class RelaxedLasso(SparseLinearRegressor):
    r"""Mixture of the Lasso and of least squares on the features that it selects.

    With b the certified solution of :class:`Lasso` at alpha and
    :math:`\hat b` that of least squares on its support,

    .. math::
        w = \phi \, b + (1 - \phi) \, \hat b.

    The Lasso needs a large alpha to keep false features out and a small one not to
    shrink the true ones; here the two have parameters of their own.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the Lasso, >= 0.
    phi : float, default=0.0
        Share of the Lasso, in [0, 1]: 0 is least squares on the support, 1 the Lasso.
    penalty_weights : array-like of shape (n_features,), default=None
        The weights of the Lasso's penalty: 0 leaves a coefficient unpenalised, inf
        excludes it; None is all ones.
    positive : bool, default=False
        Restrict the coefficients of both to be >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most.
    tol : float, default=1e-6
        Bound of the Lasso's duality gap, relative to the objective of the null model.
        float32 data: at least 1e-5.
    warm_start : bool, default=False
        Start from the Lasso of the fit before.
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
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    lasso_coef_ : ndarray of shape (n_features,)
        Coefficients of the Lasso.
    dual_gap_ : float
        Duality gap of the Lasso, in units of its objective.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective of the Lasso.
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
    RelaxedLassoCV : Both parameters chosen by cross-validation.
    AdaptiveLasso : Shrinks large coefficients less within one problem.
    sklearn.linear_model.Lasso : The Lasso alone.

    Notes
    -----
    Signs of the mixture are free. Least squares takes one solve with the Cholesky
    factor that the Lasso leaves behind, and one more to remove rounding; collinear
    features get the solution of least norm.

    References
    ----------
    Meinshausen (2007), doi:10.1016/j.csda.2006.12.019; in this form Hastie, Tibshirani
    and Tibshirani (2020), doi:10.1214/19-STS733.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import RelaxedLasso
    >>> X = np.array([[-2.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [3.0, 0.0]])
    >>> y = 2 * X[:, 0] + 1
    >>> model = RelaxedLasso(alpha=1.0).fit(X, y)
    >>> model.lasso_coef_.round(3), model.coef_.round(3), round(model.intercept_, 3)
    (array([1.714, 0.   ]), array([2., 0.]), 1.0)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "phi": _PHI,
        **TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        phi=0.0,
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
        self.phi = phi
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

    def _last_coef(self):
        return getattr(self, "lasso_coef_", None)

    def _take(self, run: Run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        scale = run.problem.design.scale
        support, mixed = np.flatnonzero(coef), coef.copy()
        least = refit(run, support, coef[support] * scale[support]) / scale[support]
        mixed[support] = self.phi * coef[support] + (1.0 - self.phi) * least
        self.lasso_coef_ = self.coef_
        self.coef_ = mixed.astype(dtype)
        self.intercept_ = run.intercept_of(mixed)


class RelaxedLassoCV(PathCV):
    r"""Relaxed Lasso with both parameters chosen by cross-validation.

    See :class:`RelaxedLasso`. All phi share the paths, so that several of them cost
    hardly more than one.

    Parameters
    ----------
    phi : float or array-like of shape (n_phi,), default=(0.0, 0.25, 0.5, 0.75, 1.0)
        Shares of the Lasso to choose from, in [0, 1].
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
        Which strength, at the phi with the best mean: of the best mean, the largest
        within one standard error of it, or the index that a callable (alphas, mean,
        standard_error) of losses (negated scores) returns.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the Lasso's penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to be >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap of the Lasso, relative to the objective of the null
        model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form Gram matrices of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See :class:`Lasso`.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    phi_ : float
        Chosen share of the Lasso.
    alphas_ : ndarray of shape (n_alphas,) or (n_phi, n_alphas)
        Strengths tried, decreasing; a row for each phi where there are several.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_phi, n_alphas, n_folds)
        Mean squared errors, only if `scoring` is None.
    score_path_ : ndarray of shape (n_alphas, n_folds) or (n_phi, n_alphas, n_folds)
        Scores, only if `scoring` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients at `phi_` on all data along the path.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along it.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_` and `phi_`.
    intercept_ : float
        Intercept.
    lasso_coef_ : ndarray of shape (n_features,)
        Coefficients of the Lasso at `alpha_`.
    dual_gap_ : float
        Duality gap of the Lasso at `alpha_`.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective of the Lasso at `alpha_`.
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
    RelaxedLasso : At given parameters.
    sklearn.linear_model.LassoCV : The Lasso alone.

    References
    ----------
    Meinshausen (2007), doi:10.1016/j.csda.2006.12.019.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import RelaxedLassoCV
    >>> data = make_sparse_regression(
    ...     100, 200, n_nonzero_coefs=3, snr=20.0, random_state=0
    ... )
    >>> model = RelaxedLassoCV().fit(data.data, data.target)
    >>> set(model.coef_.nonzero()[0]) == set(data.support)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "phi": _PHI | Each(_PHI),
        **CHOICE,
        **TAIL,
    }
    # The degrees of freedom of mixtures are not known.
    criterion = None

    def __init__(
        self,
        *,
        phi=(0.0, 0.25, 0.5, 0.75, 1.0),
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        penalty_weights=None,
        positive=False,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        precompute="auto",
        solver="auto",
        n_jobs=None,
        verbose=0,
    ):
        self.phi = phi
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.precompute = precompute
        self.solver = solver
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, self.positive)

    @property
    def _has_several(self) -> bool:
        return not np.isscalar(self.phi)

    @property
    def _phis(self) -> np.ndarray:
        return np.atleast_1d(self.phi).astype(np.float64)

    def _follow(self, run: Run, alphas, eps, on_step) -> PathSolution:
        steps = []

        def refit_too(k, step):
            coef = refit(run, step.features, step.coef)
            steps.append(step._replace(coef=coef))
            return on_step(k, step)

        found = run.follow(alphas, eps, on_step=refit_too)
        return found._replace(refit=run.path_solution(found.alphas, steps))

    def _select(self, X, y, sample_weight, penalties, folds, context, first_task=0):
        paths, choice = super()._select(
            X, y, sample_weight, penalties, folds, context, first_task
        )
        attributes = {**choice.attributes, "phi_": float(self._phis[choice.path])}
        return paths * len(self._phis), choice._replace(attributes=attributes)

    def _losses(self, X, y, found: PathSolution, fold) -> np.ndarray:
        losses = super()._losses
        return np.array([losses(X, y, m, fold) for m in self._mixtures(found)])

    def _scores(self, X, y, run: Run, found: PathSolution, fold, scorer) -> np.ndarray:
        scores = super()._scores
        mixtures = self._mixtures(found)
        return np.array([scores(X, y, run, m, fold, scorer) for m in mixtures])

    def _mixtures(self, found: PathSolution) -> list[PathSolution]:
        return [_mixture(found, phi) for phi in self._phis]

    def _take_from_path(self, run: Run, found: PathSolution, k: int, dtype) -> None:
        super()._take_from_path(run, found, k, dtype)
        mixed = _mixture(found, self.phi_)
        self.path_coef_ = mixed.coefs.astype(dtype)
        self.path_intercept_ = mixed.intercepts
        self.lasso_coef_ = self.coef_
        self.coef_ = mixed.coefs[:, [k]].toarray().ravel().astype(dtype)
        self.intercept_ = float(mixed.intercepts[k])


def _mixture(found: PathSolution, phi: float) -> PathSolution:
    """A path with a share phi of the Lasso, the rest least squares."""
    coefs, least = found.coefs.copy(), found.refit
    coefs.data = phi * coefs.data + (1.0 - phi) * least.coefs.data
    intercepts = phi * found.intercepts + (1.0 - phi) * least.intercepts
    return found._replace(coefs=coefs, intercepts=intercepts)
