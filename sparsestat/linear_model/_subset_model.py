"""What estimators of best subsets share: from second moments to a certified fit."""

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model._base import FitProgress
from sparsestat.linear_model._routing import CrossValidated
from sparsestat.linear_model._subset_moments import SubsetMoments
from sparsestat.linear_model._subset_path import SizesMixin, criterion_bounds
from sparsestat.linear_model._subset_sizes import (
    checked_features,
    checked_sizes,
    checked_units,
    last_supports,
    path_columns,
    warn_of_end,
    with_proof,
)
from sparsestat.optim.subset import SubsetPath, subset_path
from sparsestat.utils.criteria import SUBSET_CRITERIA
from sparsestat.utils.feature_groups import FEATURE_GROUPS
from sparsestat.utils.threads import one_blas_thread
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Each,
    Interval,
    Jobs,
    OneOf,
    RandomState,
    Rule,
    Splitter,
    Verbosity,
    check_parameters,
    check_sample_weight,
)

__all__ = ["SUBSET_RULES", "SubsetModel"]

_COUNT = Interval(0, inf, closed="left", integer=True)
_POSITIVE = Interval(1, inf, closed="left", integer=True)
SUBSET_RULES: dict[str, Rule] = {
    "n_nonzero_coefs": _COUNT | Each(_COUNT) | None,
    "max_nonzero_coefs": _COUNT | None,
    "criterion": OneOf(*SUBSET_CRITERIA),
    "ic_coef": Interval(0, inf, closed="left"),
    "cv": Splitter,
    "solver": OneOf("auto", "splicing", "swap", "exact"),
    "exchange_max": _POSITIVE,
    "n_sweeps": _COUNT,
    "n_restarts": _COUNT,
    "n_best": _POSITIVE,
    "feature_groups": FEATURE_GROUPS | None,
    "always_select": ArrayLike | None,
    "alpha": Interval(0, inf, closed="left"),
    "fit_intercept": Boolean,
    "standardize": Boolean,
    "early_stopping": Boolean,
    "path": OneOf("sequence", "golden"),
    "max_nodes": _POSITIVE,
    "time_limit": Interval(0, inf, closed="neither") | None,
    "tol": Interval(0, inf, closed="neither"),
    "max_iter": _POSITIVE,
    "init_support": ArrayLike | None,
    "warm_start": Boolean,
    "random_state": RandomState,
    "n_jobs": Jobs,
    "verbose": Verbosity,
}
# Coefficients from second moments and from columns agree up to this share.
_INACCURATE = 1e-6
# Swap gains below this share of the objective are out of reach of float32.
_FLOAT32_TOL = 1e-5


class SubsetModel(SizesMixin, CrossValidated, FitProgress):
    """Base of the estimators by least squares: validation, search, certificates."""

    _rules: ClassVar[dict[str, Rule]] = SUBSET_RULES
    _multi_output: ClassVar[bool] = False
    scoring: ClassVar[None] = None  # held-out squared errors choose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Find the subsets, choose one, and fit least squares to it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; never copied unless of another type, or sparse
            and not CSC.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target, or several where the estimator takes them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, and for
            parameters or weights outside their range.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
            multi_output=self._multi_output,
            ensure_all_finite=False,
        )
        y = y.astype(np.float64, copy=False)
        given = check_sample_weight(sample_weight, X)
        total = float(len(y)) if given is None else float(given.sum())
        weight = np.full(len(y), 1.0) if given is None else given
        options = self._options(X.shape[1], total)
        options["resume"] = last_supports(self)
        folds = []
        if self.cv is not None:
            splitter = check_cv(self.cv, y)
            folds = list(splitter.split(X, y, **self._route(sample_weight, groups)[0]))
        with np.errstate(invalid="ignore", over="ignore"):
            data = SubsetMoments.of(self, X, y, weight, [train for train, _ in folds])
        if not data.finite:  # no pass over X of its own, for moments tell as well
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        context = self._begin(X, y, given, 1 + len(folds), sequential=False)
        task = context.subcontext("path", task_id=0, max_subtasks=0)
        task.call_on_fit_task_begin(estimator=self)
        path = subset_path(data.problem, **options)
        task.call_on_fit_task_end(estimator=self)
        warn_of_end(self, options["sizes"], path.sizes, 4)
        chosen, extra = path.chosen, {}
        if folds:
            errors = self._held_out(y, given, data, path, options, folds, context)
            shares = errors[1]
            extra["mse_path_"] = errors[0]
            chosen = int(np.argmin(errors[0] @ (shares / shares.sum())))
            if self.solver == "auto":
                one = {"path": "sequence", "n_restarts": 0, "resume": None}

                def again(k):
                    one.update(sizes=path.sizes[[k]], start=[path.supports[k]])
                    return subset_path(data.problem, **{**options, **one})

                path = with_proof(path, chosen, again)
        vars(self).pop("mse_path_", None)
        for name, value in extra.items():
            setattr(self, name, value)
        scale = data.design, data.target_mean, total
        self._take(path, chosen, *scale, data.refit, X.dtype)
        if self.verbose:
            print(
                f"{type(self).__name__}: {self.n_nonzero_coefs_} chosen, criterion "
                f"{self.criterion_[chosen]:.6g}, swap gap {self.swap_gap_:.1e}, "
                f"{self.n_iter_} supports, {self.n_nodes_} nodes"
            )
        self._end(context, X, y, given)
        return self

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
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
        return X @ self.coef_.T + self.intercept_

    def best_subsets(self, n_nonzero_coefs):
        """The `n_best` best subsets of a size, as far as the exact search found them.

        Parameters
        ----------
        n_nonzero_coefs : int
            One of `sizes_`.

        Returns
        -------
        subsets : list of (ndarray, float)
            Features and objective of each, best first; empty if that size was not
            searched exactly.

        Raises
        ------
        ValueError
            For a size that is not on the path.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sparsestat.linear_model import BestSubsetRegressor
        >>> model = BestSubsetRegressor(2, n_best=2)
        >>> model = model.fit(*load_diabetes(return_X_y=True))
        >>> [features.tolist() for features, _ in model.best_subsets(2)]
        [[2, 8], [2, 3]]
        """
        return list(self._subsets[self._index_of(n_nonzero_coefs)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _options(self, n_features: int, total: float) -> dict:
        """Checked options of `subset_path` for so many features and samples."""
        labels, n_units = checked_units(self, n_features)
        locked = checked_features(self, "always_select", n_features)
        start = checked_features(self, "init_support", n_features)
        n_locked = len(locked if labels is None else np.unique(labels[locked]))
        sizes, top = checked_sizes(self, n_locked, n_units, total)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return {
            "sizes": sizes,
            "max_size": top,
            "criterion": self.criterion,
            "ic_coef": self.ic_coef,
            "n_intercepts": int(self.fit_intercept),
            "labels": labels,
            "locked": locked,
            "solver": self.solver,
            "exchange_max": self.exchange_max,
            "n_sweeps": self.n_sweeps,
            "n_restarts": self.n_restarts,
            "early_stopping": self.early_stopping,
            "path": self.path,
            "n_best": self.n_best,
            "max_nodes": self.max_nodes,
            "time_limit": self.time_limit,
            "max_iter": self.max_iter,
            "start": [start] if len(start) else None,
            "rng": np.random.default_rng(seed),
        }

    def _held_out(self, y, given, data, path, options: dict, folds, context):
        """Mean squared errors on held-out samples, and the weight of each fold."""
        rows = np.arange(len(y))
        sizes = {**options, "sizes": path.sizes, "path": "sequence", "n_restarts": 0}
        sizes.update(n_best=1, resume=None)
        if self.solver == "auto":
            sizes["solver"] = "swap"
        weight = np.ones(len(y)) if given is None else given

        def run(k, train, test):
            task = context.subcontext("fold", task_id=k, max_subtasks=0)
            task.call_on_fit_task_begin(estimator=self)
            inside = np.zeros(len(y))
            inside[rows[train]] = weight[rows[train]]
            held = weight[rows[test]]
            if not (inside.any() and held.any()):
                raise ValueError(
                    "sample_weight must not be all zero on the training or test "
                    "samples of a fold."
                )
            fold = data.fold(self, inside, k - 1)
            found = subset_path(fold.problem, **sizes)
            errors = fold.errors(y, rows[test], held, found)
            at = np.searchsorted(found.sizes, path.sizes, side="right") - 1
            task.call_on_fit_task_end(estimator=self)
            return errors[np.maximum(at, 0)], held.sum()

        with one_blas_thread():
            results = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(run)(k, *fold) for k, fold in enumerate(folds, start=1)
            )
        errors, shares = zip(*results, strict=True)
        return np.column_stack(errors), np.array(shares)

    def _take(
        self, path: SubsetPath, chosen: int, design, target_mean, total, refit, dtype
    ) -> None:
        """Keep a path and the solution that is chosen of it.

        `refit` maps a support to coefficients of shape (n_targets, n_chosen) on the
        scale of the design, by least squares on its columns.
        """
        coefs, coef = list(path.coefs), refit(path.supports[chosen])
        size = np.abs(coef).max(initial=0.0)
        error = np.abs(coef - coefs[chosen]).max(initial=0.0)
        self.gram_inaccurate_ = bool(error > _INACCURATE * size)
        coefs[chosen] = coef
        if self.gram_inaccurate_:
            coefs = [refit(support) for support in path.supports]
            warnings.warn(
                f"{type(self).__name__}: second moments have lost digits, to a share "
                f"of {error / size:.0e} of the coefficients, so that nothing is proved "
                "and other features may be better. Leave out columns that are nearly "
                "dependent.",
                UserWarning,
                stacklevel=4,
            )
            nothing = np.zeros(len(path.sizes))
            path = path._replace(optimal=nothing > 0.0, lower_bounds=nothing)
        p, n_targets = len(design.mean), len(target_mean)
        pairs = list(zip(path.supports, coefs, strict=True))
        slopes = [b / design.scale[A] for A, b in pairs]
        intercepts = np.empty((n_targets, len(path.sizes)))
        for k, A in enumerate(path.supports):
            intercepts[:, k] = target_mean - slopes[k] @ design.mean[A]
        if not self.fit_intercept:
            intercepts[:] = 0.0
        self.sizes_ = path.sizes
        self.path_coef_ = path_columns(path.supports, slopes, p, dtype)
        self.path_intercept_ = intercepts if self._multi_output else intercepts[0]
        self.rss_ = total * path.rss
        self.criterion_ = path.criterion
        self.optimal_path_ = path.optimal
        self.criterion_bounds_ = criterion_bounds(path, total * n_targets)
        self.lower_bounds_ = total * path.lower_bounds
        self._subsets = [
            [(support, total * loss) for support, loss in found]
            for found in path.others
        ]
        self._objectives, self._swap_gaps = total * path.losses, path.swap_gaps
        self.n_nodes_, self.n_iter_ = path.n_nodes, path.n_iter
        self.support_ = path.supports[chosen]
        coef = np.zeros((n_targets, p))
        coef[:, self.support_] = slopes[chosen]
        self.coef_ = coef.astype(dtype)
        self.intercept_ = intercepts[:, chosen].astype(dtype)
        if not self._multi_output:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        self._certify(chosen)
        tol = self.tol if dtype == np.float64 else max(self.tol, _FLOAT32_TOL)
        if self.stationarity_ > tol and self.solver != "splicing":
            warnings.warn(
                f"{type(self).__name__} did not reach its tolerance: an exchange of "
                f"one feature would save {self.stationarity_:.3e} of the objective, "
                f"asked were {tol:.3e}. Increase max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
