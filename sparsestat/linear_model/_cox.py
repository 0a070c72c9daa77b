"""Proportional hazards with sparse coefficients."""

from functools import partial
from math import inf
from typing import ClassVar

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model._base import warn_unless_converged
from sparsestat.linear_model._newton import (
    CHOICE,
    PENALTY,
    SOLVING,
    NewtonCV,
    NewtonRegressor,
)
from sparsestat.linear_model._path import grid_size
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.metrics import concordance_index
from sparsestat.optim.cox import PartialLikelihood
from sparsestat.optim.datafits import cox
from sparsestat.utils.survival import check_survival
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    Jobs,
    OneOf,
    Rule,
    Verbosity,
    check_parameters,
    check_sample_weight,
)

__all__ = ["SparseCoxRegressor", "SparseCoxRegressorCV", "cox_path"]


class _CoxMixin:
    """Survival targets, the baseline hazard and what follows from it."""

    def predict_survival_function(self, X, times=None):
        """Predict probabilities to survive beyond some times.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        times : array-like of shape (n_times,), default=None
            Times; None is `event_times_`.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_times)
            ``exp(-H(t) exp(predict(x)))`` with H the cumulative baseline hazard.
        """
        check_is_fitted(self)
        cumulative = np.concatenate([[0.0], np.cumsum(self.baseline_hazard_)])
        if times is None:
            until = cumulative[1:]
        else:
            times = np.asarray(times, dtype=np.float64)
            if times.ndim != 1 or np.isnan(times).any():
                raise ValueError(
                    "times must be 1-D numbers without NaN; got an array of shape "
                    f"{times.shape}."
                )
            until = cumulative[np.searchsorted(self.event_times_, times, side="right")]
        with np.errstate(over="ignore", invalid="ignore"):
            hazard = until * np.exp(self.predict(X).astype(np.float64))[:, None]
        return np.exp(-np.where(until == 0.0, 0.0, hazard))

    def score(self, X, y, sample_weight=None):
        """Concordance of predicted hazards and survival times.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, 2), or structured
            Times and events, as for `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        score : float
            Share of comparable pairs in the right order, see
            :func:`~sparsestat.metrics.concordance_index`.
        """
        return concordance_index(y, self.predict(X), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    def _validated(self, X, y, sample_weight):
        """Checked parameters and data; y as two columns, time and event."""
        check_parameters(self, self._rules)
        X = validate_data(self, X, accept_sparse="csc", dtype=[np.float64, np.float32])
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        time, event = check_survival(y)
        check_consistent_length(X, time)
        return X, np.column_stack([time, event]), check_sample_weight(sample_weight, X)

    def _make_loss(self, y):
        return partial(PartialLikelihood, y[:, 0], y[:, 1] > 0.0, ties=self.ties)

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        sets = run.loss.sets
        sums = cox.denominators(sets, run.fitted(self.coef_)[sets.order])
        self.event_times_ = sets.times
        self.baseline_hazard_ = cox.baseline_hazard(sets, sums)


def cox_path(
    X,
    y,
    *,
    ties: str = "breslow",
    l1_ratio: float = 1.0,
    eps: float | None = 0.05,
    alphas=50,
    sample_weight=None,
    penalty_weights=None,
    positive: bool = False,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
):
    """Compute sparse proportional hazards along a grid of strengths, each certified.

    The objective is that of `SparseCoxRegressor`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, 2), or structured
        Times and events, as `SparseCoxRegressor` takes them.
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter.
    l1_ratio : float, default=1.0
        Share of the l1 penalty.
    eps : float, default=0.05
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the loss of the null model.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Coefficients.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    sklearn.linear_model.lasso_path : Least squares.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import cox_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> time = rng.exponential(np.exp(-X[:, 0]))
    >>> alphas, coefs, gaps = cox_path(X, time, alphas=10)
    >>> coefs.shape
    (20, 10)
    """
    model = SparseCoxRegressorCV(
        ties=ties,
        l1_ratio=l1_ratio,
        eps=eps,
        alphas=alphas,
        penalty_weights=penalty_weights,
        positive=positive,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
    )
    X, y, sample_weight = model._validated(X, y, sample_weight)
    (penalty,) = model._penalties(X.shape[1])
    run = model._run(X, y, sample_weight, penalty, grid_size(alphas))
    found = run.follow(alphas, eps)
    worst = int(found.gaps.argmax())
    warn_unless_converged(
        "cox_path", found.alphas[worst], found.gaps[worst], found.gap_tol
    )
    return found.alphas, found.coefs.toarray().astype(X.dtype), found.gaps


class SparseCoxRegressor(_CoxMixin, NewtonRegressor):
    r"""Cox's proportional hazards with an l1 or elastic-net penalty, certified.

    The hazard of a sample is :math:`h_0(t) \exp(x^\top w)`. Minimises

    .. math::
        \frac{1}{\sum_i q_i} \sum_k \Big( D_k \log \frac{\sum_{j : t_j \ge t_k} q_j
        e^{x_j^\top w}}{D_k} - \sum_{i \in E_k} q_i x_i^\top w \Big)
        + \alpha \sum_j v_j \Big( \rho |w_j| + \tfrac{1 - \rho}{2} w_j^2 \Big),

    the negative log partial likelihood less that of the saturated model: half the mean
    deviance. E_k are the events at the k-th distinct time, D_k is the sum of their
    weights, q the sample weights, v the penalty weights, :math:`\rho` is `l1_ratio`.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0.
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter. With "efron" weights enter as in R's ``coxph``.
    l1_ratio : float, default=1.0
        Share of the l1 penalty; 1 is the Lasso, 0 ridge regression.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones. They are not rescaled.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the loss of the null model. float32
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
        Minus the prediction of the mean sample, so that predictions are relative to it.
    event_times_ : ndarray of shape (n_times,)
        Distinct times of events.
    baseline_hazard_ : ndarray of shape (n_times,)
        Jumps of the cumulative hazard of the mean sample at these times, by Breslow's
        estimator, or Efron's for ``ties="efron"``.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the loss of the null model.
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
    SparseCoxRegressorCV : The strength chosen by cross-validation.
    sparsestat.metrics.concordance_index : What `score` returns.
    sklearn.linear_model.Lasso : Least squares, without censoring.

    Notes
    -----
    `y` is a structured array with a boolean field, the event, and a numeric one, the
    time (as scikit-survival has it), or has the times in column 0 and 0 or 1 for the
    event in column 1; times alone are all of events.

    Newton steps with the exact Hessian on a working set, which costs as much as that of
    independent samples: risk sets are nested, so their means are running means. The gap
    needs one pass over the sorted samples, by the entropies of the risk sets.

    References
    ----------
    Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x; Tibshirani (1997),
    doi:10.1002/(SICI)1097-0258(19970228)16:4<385::AID-SIM380>3.0.CO;2-3; Simon,
    Friedman, Hastie and Tibshirani (2011), doi:10.18637/jss.v039.i05.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseCoxRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> time = rng.exponential(np.exp(-X[:, 0]))
    >>> y = np.column_stack([np.minimum(time, 2.0), time <= 2.0])
    >>> model = SparseCoxRegressor(alpha=0.1).fit(X, y)
    >>> int(np.abs(model.coef_).argmax())
    0
    >>> model.predict_survival_function(X[:3], times=[0.5, 1.0]).shape
    (3, 2)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="neither"),
        "ties": OneOf("breslow", "efron"),
        "l1_ratio": Interval(0, 1),
        **PENALTY,
        **SOLVING,
        "warm_start": Boolean,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        alpha=0.1,
        *,
        ties="breslow",
        l1_ratio=1.0,
        penalty_weights=None,
        positive=False,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.ties = ties
        self.l1_ratio = l1_ratio
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose


class SparseCoxRegressorCV(_CoxMixin, NewtonCV):
    """Sparse proportional hazards with the strength chosen by cross-validation.

    The objective is that of :class:`SparseCoxRegressor`. The loss of a fold is the
    deviance of all samples less that of the training samples, at coefficients of the
    latter (Verweij and Van Houwelingen): risk sets stay large however small the fold.

    Parameters
    ----------
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter.
    l1_ratio : float or array-like of shape (n_l1_ratios,), default=1.0
        Share of the l1 penalty, or several of them to choose from.
    eps : float, default=0.05
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the deviance.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the loss of the null model.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    l1_ratio_ : float
        Chosen share of the l1 penalty.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        Strengths tried, decreasing.
    deviance_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Deviances per weight of the held-out samples, only if `scoring` is None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along the path.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_`.
    intercept_ : float
        Minus the prediction of the mean sample.
    event_times_ : ndarray of shape (n_times,)
        Distinct times of events.
    baseline_hazard_ : ndarray of shape (n_times,)
        Jumps of the cumulative hazard of the mean sample.
    dual_gap_ : float
        Duality gap at `coef_`.
    dual_gap_tol_ : float
        Bound that was asked for.
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
    SparseCoxRegressor : The fit at a given strength.
    sklearn.linear_model.LassoCV : Least squares, without censoring.

    References
    ----------
    Verweij and Van Houwelingen (1993), doi:10.1002/sim.4780122407; Simon, Friedman,
    Hastie and Tibshirani (2011), doi:10.18637/jss.v039.i05.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseCoxRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> time = rng.exponential(np.exp(-X[:, 0]))
    >>> y = np.column_stack([np.minimum(time, 2.0), time <= 2.0])
    >>> model = SparseCoxRegressorCV(alphas=10, alpha_rule="1se").fit(X, y)
    >>> model.deviance_path_.shape
    (10, 5)
    """

    _loss_path = "deviance_path_"
    _rules: ClassVar[dict[str, Rule]] = {
        "ties": OneOf("breslow", "efron"),
        "l1_ratio": Interval(0, 1) | Each(Interval(0, 1)),
        **CHOICE,
        **PENALTY,
        **SOLVING,
        "n_jobs": Jobs,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        *,
        ties="breslow",
        l1_ratio=1.0,
        eps=0.05,
        alphas=50,
        cv=None,
        scoring=None,
        alpha_rule="min",
        penalty_weights=None,
        positive=False,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        verbose=0,
    ):
        self.ties = ties
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _losses(self, X, y, found, fold):
        rows = np.concatenate([fold.train, fold.test])
        fitted = fitted_path(X, found, rows).astype(np.float64)
        held_out = np.ones(len(fold.test))
        if fold.test_weight is not None:
            held_out = fold.test_weight
        everyone = np.concatenate([fold.weight[fold.train], held_out])
        return (
            self._deviances(y[rows], fitted, everyone)
            - self._deviances(
                y[fold.train], fitted[: len(fold.train)], fold.weight[fold.train]
            )
        ) / held_out.sum()

    def _deviances(self, y, fitted, weight) -> np.ndarray:
        """Deviances of every column of predictions."""
        loss = self._make_loss(y)(weight)
        values = [loss.evaluate(z)[0] for z in fitted[loss.rows].T.copy()]
        return 2.0 * weight.sum() * np.array(values)
