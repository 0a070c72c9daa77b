"""The graphical Lasso with its strength chosen from the data."""

from itertools import islice
from numbers import Integral
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn import get_config
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from threadpoolctl import threadpool_limits

from sparsestat.covariance._base import (
    TAIL,
    SparsePrecision,
    log_likelihood,
    moments,
    second_moments,
    shares,
    solver_tol,
)
from sparsestat.covariance._path import GRID, Stop, follow, grid
from sparsestat.utils.validation import (
    Callable,
    OneOf,
    Rule,
    Splitter,
    check_parameters,
)

__all__ = ["GraphicalLassoCV"]

_CRITERIA = ("aic", "bic", "ebic")
# Price of the number of graphs in the extended criterion, as its authors recommend.
_GAMMA = 0.5
# Attributes that only one way of choosing leaves behind.
_OF_THE_CHOICE = ("score_path_", "criterion_")


class GraphicalLassoCV(SparsePrecision):
    r"""Gaussian graphical model with the strength chosen along a path.

    The objective is that of :class:`GraphicalLasso`. Each fit of a path starts from the
    one before; paths of folds run in threads.

    Parameters
    ----------
    penalty : {"l1", "mcp", "scad", "log_sum"} or penalty, default="l1"
        Penalty of an entry; see :class:`GraphicalLasso`.
    n_reweightings : int, default=None
        For concave penalties, how many convex problems to solve after the l1 norm's;
        None goes on until the solution is stationary.
    eps : float, default=0.05
        Length of the default grid, smallest over largest strength.
    alphas : int or array-like of shape (n_alphas,), default=20
        Strengths > 0, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negative
        log-likelihoods) returns.
    criterion : {"aic", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv` and
        `alpha_rule`; it counts the edges of the graph.
    penalty_weights : array-like of shape (n_features, n_features), default=None
        The V_jk >= 0, symmetric: 0 leaves an entry unpenalised, inf keeps it at zero.
        None is ones, but zeros on the diagonal.
    standardize : bool, default=False
        Penalise the precision matrix of features scaled to unit variance;
        `precision_` is on the scale of X all the same.
    assume_centered : bool, default=False
        Take means to be zero.
    max_iter : int, default=100
        Newton steps at most for each convex problem.
    tol : float, default=1e-6
        Bound of the duality gap, for each feature. With concave penalties, bound of
        `stationarity_`, relative to the largest correlation. float32 data: at least
        1e-5.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        Strengths tried, decreasing.
    score_path_ : ndarray of shape (n_alphas, n_folds)
        Mean log-likelihoods of held-out samples, only if `criterion` is None.
    criterion_ : ndarray of shape (n_alphas,)
        Values of the criterion, only if `criterion` is given.
    precision_ : ndarray of shape (n_features, n_features)
        Estimated precision matrix with exact zeros, in the precision of X.
    covariance_ : ndarray of shape (n_features, n_features)
        Its inverse.
    location_ : ndarray of shape (n_features,)
        Means.
    labels_ : ndarray of shape (n_features,)
        Number of the connected component of each feature.
    dual_gap_ : float
        Duality gap at `precision_`; only if the penalty is "l1".
    dual_gap_tol_ : float
        Bound that was asked for, `tol` times the number of features; only if the
        penalty is "l1".
    stationarity_ : float
        Largest violated optimality condition, for features of unit variance; only if
        the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest correlation; only if the
        penalty is concave.
    objective_ : float
        Objective at `precision_`.
    n_iter_ : int
        Newton steps at `alpha_`, of the block that took most.
    partial_correlation_ : ndarray of shape (n_features, n_features)
        Correlations of pairs given all other features.
    sparse_precision_ : csc_array of shape (n_features, n_features)
        Precision matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Warns
    -----
    ConvergenceWarning
        If the certificate at `alpha_`, or a duality gap in a fold, misses its bound.

    See Also
    --------
    GraphicalLasso : At a given strength.
    sklearn.covariance.GraphicalLassoCV : Cross-validation on refined grids.

    Notes
    -----
    With k edges among p features, log-likelihood l and n samples (the sum of weights)
    the criteria are -2 l + 2 k, -2 l + k log n and -2 l + k log n + 2 k log p, up to
    constants. The last finds the graph; cross-validation predicts, and keeps too many
    edges.

    References
    ----------
    Foygel and Drton (2010), arXiv:1011.6640, for the extended criterion; otherwise as
    :class:`GraphicalLasso`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.covariance import GraphicalLassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 4))
    >>> X[:, 1] += X[:, 0]
    >>> model = GraphicalLassoCV(criterion="ebic").fit(X)
    >>> np.argwhere(np.triu(model.precision_, 1)).tolist()
    [[0, 1]]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **GRID,
        "cv": Splitter,
        "alpha_rule": OneOf("min", "1se") | Callable,
        "criterion": OneOf(*_CRITERIA) | None,
        **TAIL,
    }
    # Groups are for the splitter, which asks for them itself.
    __metadata_request__fit: ClassVar[dict] = {"groups": UNUSED}

    def __init__(
        self,
        *,
        penalty="l1",
        n_reweightings=None,
        eps=0.05,
        alphas=20,
        cv=None,
        alpha_rule="min",
        criterion=None,
        penalty_weights=None,
        standardize=False,
        assume_centered=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        verbose=0,
    ):
        self.penalty = penalty
        self.n_reweightings = n_reweightings
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.penalty_weights = penalty_weights
        self.standardize = standardize
        self.assume_centered = assume_centered
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None, *, groups=None):
        """Choose a strength and fit the model there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,), default=None
            For the splitter alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, for the fits and the scores.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range.
        """
        check_parameters(self, self._rules)
        X, sample_weight = self._validated(X, sample_weight)
        weight = shares(sample_weight, X.shape[0])
        location, covariance = moments(X, weight, not self.assume_centered)
        levels = self._levels(covariance)
        options = {"tol": solver_tol(self.tol, X.dtype), "max_iter": self.max_iter}
        alphas = grid(covariance, levels, self.alphas, self.eps, **options)
        whole = follow(covariance, levels, alphas, self.n_reweightings, **options)
        if self.criterion is None:
            folds = self._folds(X, y, sample_weight, groups)
            scores = self._scores(X, folds, alphas, options)
            chosen = self._choose(alphas, scores, folds)
            attributes, stop = (
                {"score_path_": scores},
                next(islice(whole, chosen, None)),
            )
        else:
            n = float(X.shape[0] if sample_weight is None else sample_weight.sum())
            stops = list(whole)
            values = [self._value(stop, covariance, n) for stop in stops]
            chosen = int(np.argmin(values))
            attributes, stop = {"criterion_": np.array(values)}, stops[chosen]
        for name in _OF_THE_CHOICE:
            vars(self).pop(name, None)
        for name, value in attributes.items():
            setattr(self, name, value)
        self.alphas_, self.alpha_ = alphas, stop.alpha
        self.location_ = location.astype(X.dtype, copy=False)
        found = stop.estimate, stop.slopes
        self._take(covariance, levels, stop.alpha, found, X.dtype)
        self._report(stop.alpha)
        return self

    def get_metadata_routing(self):
        """Tell scikit-learn where sample weights and groups go.

        Returns
        -------
        routing : MetadataRouter
            To the splitter.
        """
        router = MetadataRouter(owner=self)
        router.add_self_request(self)
        router.add(
            splitter=check_cv(self.cv),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        return router

    def _folds(self, X, y, sample_weight, groups) -> list["_Fold"]:
        for_split = {"groups": groups}
        if get_config()["enable_metadata_routing"]:
            given = {"sample_weight": sample_weight, "groups": groups}
            given = {key: value for key, value in given.items() if value is not None}
            for_split = dict(process_routing(self, "fit", **given).splitter.split)
        rows, folds = np.arange(X.shape[0]), []
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        for train, test in check_cv(self.cv).split(X, y, **for_split):
            train, test = rows[train], rows[test]
            if not (weight[train].any() and weight[test].any()):
                raise ValueError(
                    "sample_weight must not be all zero on the training or test "
                    f"samples of a fold; got zeros on fold {len(folds)}."
                )
            folds.append(_Fold(train, test, weight))
        return folds

    def _scores(self, X, folds, alphas, options) -> np.ndarray:
        """Log-likelihoods of held-out samples, of shape (n_alphas, n_folds)."""
        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            found = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(self._score_fold)(X, fold, alphas, options) for fold in folds
            )
        gap, alpha = max((worst for _, worst in found), key=lambda miss: miss[0])
        target = options["tol"] * X.shape[1]
        if gap > target:
            self._warn(alpha, "the duality gap", gap, target, " in a fold", 4)
        return np.column_stack([scores for scores, _ in found])

    def _score_fold(self, X, fold: "_Fold", alphas, options):
        """Log-likelihoods along the path of a fold, and its largest gap with alpha."""
        train, test = X[fold.train], X[fold.test]
        weight = shares(fold.weight[fold.train], len(fold.train))
        location, covariance = moments(train, weight, not self.assume_centered)
        second = second_moments(
            test, shares(fold.weight[fold.test], len(fold.test)), location
        )
        levels = self._levels(covariance)
        path = follow(covariance, levels, alphas, self.n_reweightings, **options)
        scores, worst = [], (0.0, 0.0)
        for stop in path:
            scores.append(log_likelihood(second, stop.estimate.precision))
            worst = max(worst, (stop.estimate.gap, stop.alpha))
        return scores, worst

    def _choose(self, alphas, scores, folds) -> int:
        """Index of the strength that the scores of held-out samples choose."""
        share = np.array([fold.weight[fold.test].sum() for fold in folds])
        share = share / share.sum()
        mean = -scores @ share
        error = np.zeros_like(mean)
        if len(folds) > 1:
            spread = (scores + mean[:, None]) ** 2 @ share
            error = np.sqrt(spread / (len(folds) - 1))
        best = int(mean.argmin())
        if self.alpha_rule == "min":
            return best
        if self.alpha_rule == "1se":
            return int(np.argmax(mean <= mean[best] + error[best]))
        k = self.alpha_rule(alphas, mean, error)
        if not (isinstance(k, Integral) and 0 <= k < len(mean)):
            raise ValueError(
                f"alpha_rule must return an index in [0, {len(mean)}); got {k!r}."
            )
        return int(k)

    def _value(self, stop: Stop, covariance, n_samples: float) -> float:
        """The criterion, whose lower values are better."""
        precision = stop.estimate.precision
        p = len(precision)
        n_edges = (np.count_nonzero(precision) - p) // 2
        fit = -2.0 * n_samples * log_likelihood(covariance, precision)
        if self.criterion == "aic":
            return fit + 2.0 * n_edges
        fit += n_edges * np.log(n_samples)
        if self.criterion == "ebic":
            fit += 4.0 * _GAMMA * n_edges * np.log(p)
        return float(fit)


class _Fold(NamedTuple):
    """Rows of a fold, and the weights of all rows."""

    train: np.ndarray
    test: np.ndarray
    weight: np.ndarray
