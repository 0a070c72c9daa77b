"""The adaptive Lasso: prices of the features from a first estimate."""

from math import inf
from typing import ClassVar, NamedTuple

import numpy as np

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.linear_model._initial import initial_coef, standard_deviations
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.penalties import L1
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    OneOf,
    Rule,
    check_coefficients,
)

__all__ = ["AdaptiveLasso", "AdaptiveLassoCV"]

_ADAPTIVE: dict[str, Rule] = {
    "gamma": Interval(0, inf, closed="neither"),
    "n_reweightings": Interval(1, inf, closed="left", integer=True),
    "init": OneOf("ridge", "lasso", "ols") | ArrayLike,
    "epsilon": OneOf("auto") | Interval(0, inf, closed="left"),
}
# The default of epsilon, relative to the largest coefficient.
_EPSILON = 1e-3


class _Reweighted:
    """What the two estimators share: how weights come from coefficients."""

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, self.positive)

    def _first_coef(self, X, y, sample_weight) -> np.ndarray:
        """The coefficients that the first weights are made of."""
        if isinstance(self.init, str):
            return initial_coef(self.init, X, y, sample_weight, self.fit_intercept)
        return check_coefficients(self.init, "init", X.shape[1])

    def _reweighted(self, penalty: NamedTuple, coef, X, sample_weight) -> NamedTuple:
        """The penalty with weights that coefficients on the scale of X give."""
        if self.standardize:
            coef = coef * standard_deviations(X, sample_weight, self.fit_intercept)
        weights = adaptive_weights(coef, self.gamma, self.epsilon)
        if penalty.weights is not None:
            priced = penalty.weights != 0.0
            weights = np.where(priced, weights, 0.0)
            weights[priced] *= penalty.weights[priced]
        return penalty._replace(weights=weights)


class AdaptiveLasso(_Reweighted, SparseLinearRegressor):
    r"""Lasso in which features that a first estimate trusts pay less.

    Minimises over w and b the certified objective of :class:`Lasso`,

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2 + \alpha \sum_j v_j \, |w_j|,
        \qquad v_j = u_j \, (|\tilde w_j| + \epsilon)^{-\gamma},

    with u the penalty weights and a first estimate :math:`\tilde w`. Large coefficients
    are hardly shrunk and most false ones are dropped; with a consistent first estimate
    the support is found, and estimated as well as if it had been known.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0.
    gamma : float, default=1.0
        Power of the weights, > 0.
    n_reweightings : int, default=1
        Fits, each with weights from the one before. More than one is the local linear
        approximation of a concave penalty: of ``sum log(|w| + epsilon)`` where gamma
        is 1.
    init : {"ridge", "lasso", "ols"} or array-like, default="ridge"
        First estimate: ridge regression by generalised cross-validation, the Lasso with
        the least n log(RSS) + k log(n), least squares (of least norm), all three on
        columns of unit variance, or coefficients of your own, of shape (n_features,)
        and on the scale of X.
    epsilon : "auto" or float, default="auto"
        Offset >= 0 of the sizes, so that no weight is infinite. "auto" is a thousandth
        of the largest size; with 0 a feature whose estimate is zero is excluded.
    penalty_weights : array-like of shape (n_features,), default=None
        The u_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Take sizes, and penalise coefficients, on the scale of columns of unit
        (weighted) variance; `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most for each fit.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model. float32
        data: at least 1e-5.
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
    penalty_weights_ : ndarray of shape (n_features,)
        The v_j of the last fit.
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    dual_gap_ : float
        Duality gap at `coef_` with the weights of the last fit.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of all fits.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    AdaptiveLassoCV : The strength chosen by cross-validation.
    Lasso : With weights of your own.
    sklearn.linear_model.Lasso : Without weights.

    Notes
    -----
    "ridge" and "ols" take the eigenvalues of a Gram matrix of the smaller of n_samples
    and n_features: cubic in it. "lasso" suits data that are large in both.

    References
    ----------
    Zou (2006), doi:10.1198/016214506000000735; for more reweightings Zou and Li (2008),
    doi:10.1214/009053607000000802.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import AdaptiveLasso, Lasso
    >>> X, y = make_sparse_regression(
    ...     100, 50, n_nonzero_coefs=3, snr=10.0, random_state=0, return_X_y=True
    ... )
    >>> lasso, adaptive = Lasso(alpha=0.1).fit(X, y), AdaptiveLasso(alpha=0.1).fit(X, y)
    >>> int((lasso.coef_ != 0).sum()) > int((adaptive.coef_ != 0).sum())
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **_ADAPTIVE,
        **TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        gamma=1.0,
        n_reweightings=1,
        init="ridge",
        epsilon="auto",
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
        self.gamma = gamma
        self.n_reweightings = n_reweightings
        self.init = init
        self.epsilon = epsilon
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

    def _solve(self, X, y, sample_weight, penalty, start):
        coef, n_iter = self._first_coef(X, y, sample_weight), 0
        for _ in range(self.n_reweightings):
            weighted = self._reweighted(penalty, coef, X, sample_weight)
            run, solution = super()._solve(X, y, sample_weight, weighted, start)
            start = coef = solution.coef
            n_iter += solution.n_iter
        return run, solution._replace(n_iter=n_iter)

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        self.penalty_weights_ = run.penalty.weights


class AdaptiveLassoCV(_Reweighted, PathCV):
    r"""Adaptive Lasso with the strength chosen by cross-validation.

    The objective is that of :class:`AdaptiveLasso`. Each fold makes its weights from
    its own training samples: weights that have seen the held-out ones would let too
    much through.

    Parameters
    ----------
    gamma : float, default=1.0
        Power of the weights, > 0.
    n_reweightings : int, default=1
        How often weights are made and a strength is chosen on a path with them.
    init : {"ridge", "lasso", "ols"} or array-like, default="ridge"
        First estimate; see :class:`AdaptiveLasso`. An array serves all folds.
    epsilon : "auto" or float, default="auto"
        Offset >= 0 of the sizes. "auto" is a thousandth of the largest size; with 0 a
        feature whose estimate is zero is excluded.
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
        `alpha_rule`; see :class:`LassoIC`.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    penalty_weights : array-like of shape (n_features,), default=None
        Factors of the weights: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Take sizes, and penalise coefficients, on the scale of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form Gram matrices of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See :class:`Lasso`.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    random_state : int or RandomState, default=None
        Halves of the samples, where `criterion` has to estimate the noise with
        n_samples <= n_features.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    penalty_weights_ : ndarray of shape (n_features,)
        Weights of the last path on all data.
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
        Coefficients on all data along the last path.
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
        Outer rounds of the last path on all data.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    AdaptiveLasso : At a given strength.
    sklearn.linear_model.LassoCV : Without weights.

    References
    ----------
    Zou (2006), doi:10.1198/016214506000000735.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import AdaptiveLassoCV
    >>> data = make_sparse_regression(
    ...     150, 60, n_nonzero_coefs=3, snr=20.0, random_state=0
    ... )
    >>> model = AdaptiveLassoCV(alpha_rule="1se").fit(data.data, data.target)
    >>> set(model.coef_.nonzero()[0]) == set(data.support)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {**_ADAPTIVE, **PathCV._rules}

    def __init__(
        self,
        *,
        gamma=1.0,
        n_reweightings=1,
        init="ridge",
        epsilon="auto",
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
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
        self.gamma = gamma
        self.n_reweightings = n_reweightings
        self.init = init
        self.epsilon = epsilon
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
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

    @property
    def _n_stages(self) -> int:
        return self.n_reweightings

    def _select(self, X, y, sample_weight, penalties, folds, context, first_task=0):
        (penalty,) = penalties
        weights = [sample_weight, *(fold.weight for fold in folds)]
        coefs = [self._first_coef(X, y, weight) for weight in weights]
        for stage in range(self.n_reweightings):
            whole, *of_folds = (
                self._reweighted(penalty, coef, X, weight)
                for coef, weight in zip(coefs, weights, strict=True)
            )
            folds = [
                fold._replace(penalty=own)
                for fold, own in zip(folds, of_folds, strict=True)
            ]
            first_task = stage * len(weights)
            paths, choice = super()._select(
                X, y, sample_weight, [whole], folds, context, first_task
            )
            if stage + 1 < self.n_reweightings:
                k, found = choice.alpha, paths[0][1]
                coefs = [found.coefs[:, [k]].toarray().ravel()]
                coefs += [self._coef_at(X, y, fold, found.alphas[k]) for fold in folds]
        return paths, choice

    def _coef_at(self, X, y, fold, alpha: float) -> np.ndarray:
        """Coefficients of a fold at one strength, for its next weights."""
        run = self._run(X, y, fold.weight, fold.penalty, n_alphas=1)
        return run.solution(run.step(alpha)).coef

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        self.penalty_weights_ = run.penalty.weights


def adaptive_weights(
    coef: np.ndarray, gamma: float, epsilon: float | str
) -> np.ndarray:
    """Weights (|coef_j| + epsilon)^-gamma, infinite where that is zero to the power."""
    size = np.abs(coef)
    if epsilon == "auto":
        epsilon = _EPSILON * size.max(initial=0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return (size + epsilon) ** -float(gamma)
