"""Proportional hazards over strengths: cross-validation and plain paths."""

from typing import Any, ClassVar

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.utils.metadata_routing import UNUSED

from sparsestat.linear_model._base import warn_unless_converged
from sparsestat.linear_model._cox import CoxMixin
from sparsestat.linear_model._glm_penalty import PENALTIES, measure_of
from sparsestat.linear_model._newton import CHOICE, SOLVING, NewtonCV
from sparsestat.linear_model._path import grid_size
from sparsestat.linear_model._path_cv import fitted_path
from sparsestat.utils.validation import Each, Interval, Jobs, OneOf, Rule, Verbosity

__all__ = ["SparseCoxRegressorCV", "cox_path"]


class SparseCoxRegressorCV(CoxMixin, NewtonCV):
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
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`: of the partial likelihood, with the number of events as the
        size of the sample.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`. Or an
        object of `sparsestat.optim.penalties`, whose alpha does not count.
    gamma : float, default=None
        Reciprocal of the concavity of "mcp", > 0, or the ratio at which the price of
        "scad" ends, > 2; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups for "group" and "sparse_group": their size, a label for each feature,
        index arrays, or a callable from names of features to labels; -1, NaN or None
        leaves a feature unpenalised. See `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups: 0 is unpenalised, inf excluded; "sqrt" are the square
        roots of the sizes.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
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
        Deviances per weight of the held-out samples, only if `scoring` and `criterion`
        are None.
    score_path_ : ndarray of shape ([n_l1_ratios,] n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape ([n_l1_ratios,] n_alphas)
        Values of the criterion, only if `criterion` is given.
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
    stationarity_ : float
        Largest distance of a derivative of the loss from those of the penalty, in place
        of `dual_gap_`; only if the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest derivative at the null model;
        only if the penalty is concave.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, only if the penalty is on groups.
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients of the groups, one after another, only if they overlap.
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
    # Groups are for the splitter, which asks for them itself.
    __metadata_request__fit: ClassVar[dict] = {"groups": UNUSED}
    _rules: ClassVar[dict[str, Rule]] = {
        "ties": OneOf("breslow", "efron"),
        "l1_ratio": Interval(0, 1) | Each(Interval(0, 1)),
        **CHOICE,
        **PENALTIES,
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
        criterion=None,
        penalty="elasticnet",
        gamma=None,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
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
        self.criterion = criterion
        self.penalty = penalty
        self.gamma = gamma
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, offset=None):
        """Fit the path, choose a strength, keep the solution there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,) or (n_samples, 2), or structured
            Times and events, as described for :class:`SparseCoxRegressor`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, for the fits and the scores.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the logarithms of hazards; None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite or of wrong shape, for targets of another form,
            and for parameters or weights outside their range.
        """
        return self._fit(X, y, sample_weight, groups, offset=offset)

    def _n_intercepts(self, n_outputs):
        return 0

    def _information(self, run, n):
        sets = run.loss.sets
        return n * sets.mass.sum() / sets.total

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


def cox_path(
    X,
    y,
    *,
    ties: str = "breslow",
    penalty: Any = "elasticnet",
    l1_ratio: float = 1.0,
    gamma: float | None = None,
    feature_groups: Any = 1,
    group_weights: Any = "sqrt",
    overlap: str = "error",
    eps: float | None = 0.05,
    alphas=50,
    sample_weight=None,
    offset=None,
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
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", "mcp", "scad", "group" or "sparse_group", or an object of
        `sparsestat.optim.penalties`; see `SparseCoxRegressor`.
    l1_ratio : float, default=1.0
        Share of the l1 penalty.
    gamma : float, default=None
        Of "mcp" and "scad"; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups of the features; see `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
    eps : float, default=0.05
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    offset : array-like of shape (n_samples,), default=None
        Known parts of the logarithms of hazards; None is zero.
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
        Duality gaps; violations of stationarity with concave penalties.

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
        penalty=penalty,
        l1_ratio=l1_ratio,
        gamma=gamma,
        feature_groups=feature_groups,
        group_weights=group_weights,
        overlap=overlap,
        eps=eps,
        alphas=alphas,
        penalty_weights=penalty_weights,
        positive=positive,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
    )
    X, y, sample_weight = model._validated(X, y, sample_weight, offset)
    (chosen,) = model._penalties(X.shape[1])
    run = model._run(X, y, sample_weight, chosen, grid_size(alphas))
    found = run.follow(alphas, eps)
    worst = int(found.gaps.argmax())
    warn_unless_converged(
        "cox_path",
        found.alphas[worst],
        found.gaps[worst],
        found.gap_tol,
        measure=measure_of(run.penalty),
    )
    coefs = run.on_features(found.coefs).toarray().astype(X.dtype)
    return found.alphas, coefs, found.gaps
