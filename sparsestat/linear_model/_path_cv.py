"""Strengths chosen by cross-validation or an information criterion along a path."""

from itertools import product
from math import inf
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.callback import with_callbacks
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor
from sparsestat.linear_model._noise import noise_variance
from sparsestat.linear_model._path import GRID
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.run import Run
from sparsestat.utils.criteria import CRITERIA, information_criterion
from sparsestat.utils.validation import (
    Callable,
    Interval,
    OneOf,
    RandomState,
    Rule,
    Splitter,
)

__all__ = ["PathCV", "PathRegressor"]


class PathRegressor(SparseLinearRegressor):
    """Base of the estimators that choose a strength along a path."""

    def _path(self, X, y, sample_weight, l1_ratio):
        """Run of the engine on all data, and its path."""
        penalty = self._weighted_penalty(X.shape[1])
        if l1_ratio is not None:
            penalty = penalty._replace(l1_ratio=float(l1_ratio))
        alphas = self.alphas
        count = int(alphas) if np.isscalar(alphas) else len(alphas)
        run = Run(
            X, y, Quadratic(), penalty, sample_weight, n_alphas=count,
            **self._options(X),
        )  # fmt: skip
        return run, run.follow(alphas, self.eps)

    def _criterion_path(self, name, X, y, sample_weight, run, found):
        """Values of an information criterion along a path, and degrees of freedom."""
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        n = weight.sum()  # weights are frequencies here
        dof = np.diff(found.coefs.indptr) + int(self.fit_intercept)
        fitted = X @ found.coefs
        if sparse.issparse(fitted):
            fitted = fitted.toarray()
        residual = y[:, None] - fitted - found.intercepts
        squares = weight @ residual**2
        variance = self.noise_variance
        if variance is None:
            rng = check_random_state(self.random_state)
            variance = noise_variance(X, y, sample_weight, self.fit_intercept, rng)
        self.noise_variance_ = float(variance)
        values = information_criterion(
            name,
            squares,
            dof,
            n_samples=n,
            n_features=X.shape[1],
            noise_variance=max(self.noise_variance_, np.finfo(np.float64).tiny),
            fit_intercept=self.fit_intercept,
        )
        return values, dof


class PathCV(PathRegressor):
    """Cross-validation over strengths, and over l1_ratio where there is one."""

    _rules: ClassVar[dict[str, Rule]] = {
        **GRID,
        "cv": Splitter,
        "scoring": Callable | OneOf(None) | str,
        "alpha_rule": OneOf("min", "1se") | Callable,
        "criterion": OneOf(None, *CRITERIA),
        "noise_variance": Interval(0, inf, closed="neither") | None,
        **TAIL,
        "random_state": RandomState,
    }
    # Groups are for the splitter, which asks for them itself.
    __metadata_request__fit: ClassVar[dict] = {"groups": UNUSED}

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit the path, choose a strength, keep the solution there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; folds are weights, so X is never copied or sliced.
        y : array-like of shape (n_samples,)
            Target.
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
        X, y, sample_weight = self._validated(X, y, sample_weight)
        ratios = self._ratios()
        splits = []
        if self.criterion is None:
            splits = self._splits(X, y, sample_weight, groups)
        tasks = list(product(range(len(ratios)), range(len(splits))))
        context = self._begin(X, y, n_subtasks=len(tasks) + 1)
        whole = context.subcontext("path", task_id=len(tasks))
        whole.call_on_fit_task_begin(estimator=self)
        paths = [self._path(X, y, sample_weight, ratio) for ratio in ratios]
        whole.call_on_fit_task_end(estimator=self)
        if self.criterion is None:
            losses = self._cross_validate(
                X, y, sample_weight, ratios, splits, tasks, paths, context
            )
            which, k = self._choose(paths, losses)
        else:
            which, k = self._choose_by_criterion(X, y, sample_weight, paths)
        run, found = paths[which]
        self._take_from_path(run, found, k, X)
        grids = [path.alphas for _, path in paths]
        self.alphas_ = np.array(grids) if self._many_ratios() else grids[which]
        if ratios[0] is not None:
            self.l1_ratio_ = ratios[which]
        if self.verbose:
            print(
                f"{type(self).__name__}: alpha={self.alpha_:.6g}, "
                f"{np.count_nonzero(self.coef_)} of {X.shape[1]} features, "
                f"gap {self.dual_gap_:.2e} (target {self.dual_gap_tol_:.2e}), "
                f"{found.n_passes:.1f} passes over X on all data"
            )
        self._end(context, X, y)
        return self

    def get_metadata_routing(self):
        """Tell scikit-learn where sample weights and groups go.

        Returns
        -------
        routing : MetadataRouter
            To the splitter and the scorer.
        """
        router = MetadataRouter(owner=self)
        router.add_self_request(self)
        router.add(
            splitter=check_cv(self.cv),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        if self.scoring is not None:
            router.add(
                scorer=get_scorer(self.scoring),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        return router

    def _ratios(self) -> list:
        return [None]

    def _many_ratios(self) -> bool:
        return False

    def _splits(self, X, y, sample_weight, groups):
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {key: value for key, value in given.items() if value is not None}
        splitter = check_cv(self.cv)
        routed = self._routed(given)
        if routed is None:
            self._score_params = {}
            return list(splitter.split(X, y, groups))
        self._score_params = dict(routed.get("scorer", {}).get("score", {}))
        return list(splitter.split(X, y, **routed.splitter.split))

    def _routed(self, given):
        """Metadata by destination, or None where routing is switched off."""
        if not get_config()["enable_metadata_routing"]:
            return None
        return process_routing(self, "fit", **given)

    def _cross_validate(
        self, X, y, sample_weight, ratios, splits, tasks, paths, context
    ):
        """Losses of shape (n_ratios, n_alphas, n_folds), lower is better."""
        scorer = None if self.scoring is None else get_scorer(self.scoring)

        def run_task(number, which, fold):
            train, test = splits[fold]
            task = context.subcontext("fold", task_id=number)
            task.call_on_fit_task_begin(estimator=self)
            loss = self._fold(
                X, y, sample_weight, ratios[which], paths[which][1].alphas, train,
                test, scorer,
            )  # fmt: skip
            task.call_on_fit_task_end(estimator=self)
            return loss

        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            found = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(run_task)(number, which, fold)
                for number, (which, fold) in enumerate(tasks)
            )
        n_folds = len(splits)
        losses = [
            np.column_stack(found[i * n_folds : (i + 1) * n_folds])
            for i in range(len(ratios))
        ]
        kept = losses if self._many_ratios() else losses[0]
        if scorer is None:
            self.mse_path_ = np.array(kept)
        else:
            self.score_path_ = -np.array(kept)
        if sample_weight is None:
            shares = np.full(n_folds, 1.0 / n_folds)
        else:
            shares = np.array([sample_weight[test].sum() for _, test in splits])
            shares = shares / shares.sum()
        return [(loss @ shares, loss) for loss in losses]

    def _fold(self, X, y, sample_weight, ratio, alphas, train, test, scorer):
        """Losses on the test rows of the path on the train rows."""
        weight = np.zeros(len(y))
        weight[train] = 1.0 if sample_weight is None else sample_weight[train]
        penalty = self._weighted_penalty(X.shape[1])
        if ratio is not None:
            penalty = penalty._replace(l1_ratio=float(ratio))
        run = Run(
            X, y, Quadratic(), penalty, weight, n_alphas=len(alphas),
            **self._options(X),
        )  # fmt: skip
        found = run.follow(alphas)
        if scorer is not None:
            return self._scores(X, y, found, test, scorer)
        support = np.unique(found.coefs.indices)
        rows = X[test] if sparse.issparse(X) else X[np.ix_(test, support)]
        if sparse.issparse(X):
            rows = rows[:, support]
        fitted = rows @ found.coefs[support].toarray() + found.intercepts
        test_weight = None if sample_weight is None else sample_weight[test]
        return np.average((y[test, None] - fitted) ** 2, axis=0, weights=test_weight)

    def _scores(self, X, y, found, test, scorer):
        """Negated scores of every solution of a path."""
        model = clone(self)
        model.n_features_in_ = X.shape[1]
        rows, target = X[test], y[test]
        params = {
            key: np.asarray(value)[test] for key, value in self._score_params.items()
        }
        scores = []
        for k in range(len(found.alphas)):
            model.coef_ = found.coefs[:, [k]].toarray().ravel()
            model.intercept_ = found.intercepts[k]
            scores.append(-scorer(model, rows, target, **params))
        return np.array(scores)

    def _choose(self, paths, losses):
        """Number of the l1_ratio and of the strength that are chosen."""
        which = int(np.argmin([mean.min() for mean, _ in losses]))
        mean, loss = losses[which]
        error = loss.std(axis=1, ddof=1) / np.sqrt(loss.shape[1])
        best = int(mean.argmin())
        if self.alpha_rule == "min":
            return which, best
        if self.alpha_rule == "1se":
            return which, int(np.argmax(mean <= mean[best] + error[best]))
        k = self.alpha_rule(paths[which][1].alphas, mean, error)
        if not 0 <= k < len(mean):
            raise ValueError(
                f"alpha_rule must return an index in [0, {len(mean)}); got {k!r}."
            )
        return which, int(k)

    def _choose_by_criterion(self, X, y, sample_weight, paths):
        values = []
        for run, found in paths:
            value, _ = self._criterion_path(
                self.criterion, X, y, sample_weight, run, found
            )
            values.append(value)
        which = int(np.argmin([value.min() for value in values]))
        self.criterion_ = np.array(values) if self._many_ratios() else values[0]
        return which, int(values[which].argmin())
