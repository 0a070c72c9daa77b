"""Strengths chosen by cross-validation, or an information criterion, along a path."""

import copy
from itertools import product
from math import inf
from numbers import Integral
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import RegressorMixin, is_classifier
from sklearn.callback import with_callbacks
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import TAIL, warn_unless_converged
from sparsestat.linear_model._path import GRID, grid_size
from sparsestat.linear_model._path_regressor import PathModel, first_minimum
from sparsestat.linear_model._routing import CrossValidated
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution
from sparsestat.utils.criteria import CRITERIA
from sparsestat.utils.validation import (
    Callable,
    Each,
    Interval,
    OneOf,
    RandomState,
    Rule,
    Splitter,
)

__all__ = ["ONE_SOLVER", "L1RatioCV", "ModelCV", "PathCV", "fitted_path"]

# Attributes of one way to choose, which another fit may leave behind.
_OF_THE_CHOICE = ("score_path_", "criterion_", "noise_variance_")


class ModelCV(CrossValidated, PathModel):
    """Cross-validation over strengths, and over penalties where there are several."""

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
    # Where the losses of held-out samples are kept.
    _loss_path: ClassVar[str] = "mse_path_"

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit the path, choose a strength, keep the solution there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; folds are weights, so X is never copied or sliced for a fit.
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
        return self._fit(X, y, sample_weight, groups)

    def _fit(self, X, y, sample_weight, groups, **data):
        """Fit the paths and choose; `data` go to `_validated`."""
        X, y, sample_weight = self._validated(X, y, sample_weight, **data)
        penalties = self._penalties(X.shape[1])
        folds = []
        if self.criterion is None:
            folds = self._folds(X, y, sample_weight, groups)
        n_tasks = self._n_stages * len(penalties) * (1 + len(folds))
        context = self._begin(X, y, sample_weight, n_tasks, sequential=False)
        paths, choice = self._select(X, y, sample_weight, penalties, folds, context)
        for name in (self._loss_path, *_OF_THE_CHOICE):
            vars(self).pop(name, None)
        for name, value in choice.attributes.items():
            setattr(self, name, value)
        run, found = paths[choice.path]
        grids = [path.alphas for _, path in paths]
        self.alphas_ = np.array(grids) if self._has_several else grids[0]
        self._take_from_path(run, found, choice.alpha, X.dtype)
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = getattr(run.penalty, "l1_ratio", 1.0)
        if self.verbose:
            passes = f"{found.n_passes:.1f} passes over X on all data"
            print(f"{self._summary(self.alpha_)}, {passes}")
        warn_unless_converged(self, self.alpha_, *self._certificate, stacklevel=5)
        if choice.missed is not None:
            missed = choice.missed
            warn_unless_converged(self, *missed, where=" in a fold", stacklevel=5)
        self._end(context, X, y, sample_weight)
        return self

    @property
    def _n_stages(self) -> int:
        """How often a fit chooses, each choice from the one before."""
        return 1

    def _select(
        self, X, y, sample_weight, penalties, folds, context, first_task: int = 0
    ) -> tuple[list[tuple[Run, PathSolution]], "_Choice"]:
        """Paths of all penalties on all data, and which solution of them to take."""
        paths, shared = [], {}
        for task_id, penalty in enumerate(penalties, start=first_task):
            task = self._begin_task(context, "path", task_id, grid_size(self.alphas))
            paths.append(self._path(X, y, sample_weight, penalty, task, **shared))
            shared = _sharing_gram(paths[0][0])
            task.call_on_fit_task_end(estimator=self)
        first_task += len(paths)
        if self.criterion is None:
            return paths, self._by_folds(X, y, paths, folds, context, first_task)
        return paths, self._by_criterion(X, y, sample_weight, paths)

    def _penalties(self, n_features: int) -> list[NamedTuple]:
        """The penalties to choose from, with alpha = 1."""
        return [self._weighted_penalty(n_features)]

    def _begin_task(self, context, name: str, task_id: int, n_alphas: int):
        task = context.subcontext(name, task_id=task_id, max_subtasks=n_alphas)
        task.call_on_fit_task_begin(estimator=self)
        return task

    def _folds(self, X, y, sample_weight, groups) -> list["_Fold"]:
        """Train and test rows of every fold, with what the scorer gets for the test."""
        target = self._target(y)
        splitter = check_cv(self.cv, target, classifier=is_classifier(self))
        for_split, for_score = self._route(sample_weight, groups)
        folds = []
        rows = np.arange(len(y))
        for train, test in splitter.split(X, target, **for_split):
            train, test = rows[train], rows[test]
            weight = np.zeros(len(y))
            weight[train] = 1.0 if sample_weight is None else sample_weight[train]
            test_weight = None if sample_weight is None else sample_weight[test]
            if not (weight.any() and (test_weight is None or test_weight.any())):
                raise ValueError(
                    "sample_weight must not be all zero on the training or test "
                    f"samples of a fold; got zeros on fold {len(folds)}."
                )
            params = {key: np.asarray(v)[test] for key, v in for_score.items()}
            folds.append(_Fold(train, test, weight, test_weight, params))
        return folds

    def _by_folds(self, X, y, paths, folds, context, first_task: int) -> "_Choice":
        """Choose by the errors or scores on held-out samples."""
        scorer = None if self.scoring is None else get_scorer(self.scoring)

        def run_task(task_id, path, fold):
            run, found = path
            task = self._begin_task(context, "fold", task_id, len(found.alphas))
            result = self._fold(X, y, run, found.alphas, fold, scorer, task)
            task.call_on_fit_task_end(estimator=self)
            return result

        tasks = enumerate(product(paths, folds), start=first_task)
        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            results = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(run_task)(task_id, *task) for task_id, task in tasks
            )
        columns, n, scores = [values for values, _ in results], len(folds), []
        for i in range(0, len(results), n):
            block = np.stack(columns[i : i + n], axis=-1)
            scores += [block] if block.ndim == 2 else list(block)
        which, k = self._choose(paths, scores, folds)
        kept = np.array(scores) if self._has_several else scores[0]
        name = self._loss_path if scorer is None else "score_path_"
        missed = max((miss for _, miss in results), key=lambda m: m[1] / (m[2] or inf))
        return _Choice(which, k, {name: kept}, missed)

    def _by_criterion(self, X, y, sample_weight, paths) -> "_Choice":
        """Choose by an information criterion."""
        values, attributes = self._criteria(X, y, sample_weight, paths)
        which = int(np.argmin([value.min() for value in values]))
        kept = np.array(values) if self._has_several else values[0]
        attributes["criterion_"] = kept
        return _Choice(which, first_minimum(values[which]), attributes)

    def _criteria(self, X, y, sample_weight, paths) -> tuple[list[np.ndarray], dict]:
        """Values of the criterion along all paths, and attributes that tell how."""
        variance = self._variance(X, y, sample_weight, paths[0][0])
        values = [
            self._criterion(self.criterion, sample_weight, *path, variance, X.shape)[0]
            for path in paths
        ]
        return values, {"noise_variance_": variance}

    def _fold(self, X, y, whole: Run, alphas, fold: "_Fold", scorer, task):
        """Errors or scores on the test rows of the path on the train rows."""
        penalty = whole.penalty if fold.penalty is None else fold.penalty
        form_gram = whole.gram_without
        run = self._run(X, y, fold.weight, penalty, len(alphas), form_gram=form_gram)

        def on_step(k, step):
            alpha = task.subcontext("alpha")
            alpha.call_on_fit_task_begin(estimator=self)
            alpha.call_on_fit_task_end(
                estimator=self,
                X=lambda: X[fold.train],
                y=lambda: self._target(y)[fold.train],
                reconstruction_attributes=lambda: self._attributes_of(run, step),
            )  # all folds need all strengths, so nothing can stop this path

        found = self._follow(run, alphas, None, on_step)
        worst = int(found.gaps.argmax())
        missed = found.alphas[worst], found.gaps[worst], found.gap_tol
        if scorer is None:
            found = found._replace(coefs=run.on_features(found.coefs))
            return self._losses(X, y, found, fold), missed
        return self._scores(X, y, run, found, fold, scorer), missed

    def _losses(self, X, y, found: PathSolution, fold: "_Fold") -> np.ndarray:
        """Losses of every solution of a path on the test rows: squared errors."""
        squares = (y[fold.test, None] - fitted_path(X, found, fold.test)) ** 2
        return np.average(squares, axis=0, weights=fold.test_weight)

    def _scores(self, X, y, run: Run, found, fold: "_Fold", scorer) -> np.ndarray:
        """Scores of every solution of a path on the test rows."""
        model = copy.copy(self)
        model.n_features_in_ = X.shape[1]
        vars(model).pop("feature_names_in_", None)  # X is an array by now
        rows, target, scores = X[fold.test], self._target(y)[fold.test], []
        for k in range(len(found.alphas)):
            model.alpha_ = float(found.alphas[k])
            model.coef_ = self._coef(run, found.coefs[:, [k]].toarray().ravel())
            model.intercept_ = found.intercepts[..., k]
            scores.append(scorer(model, rows, target, **fold.score_params))
        return np.array(scores)

    def _choose(self, paths, scores, folds) -> tuple[int, int]:
        """Numbers of the penalty and of the strength that are chosen."""
        share = np.ones(len(folds))
        if folds[0].test_weight is not None:
            share = np.array([fold.test_weight.sum() for fold in folds])
        share = share / share.sum()
        losses = scores if self.scoring is None else [-score for score in scores]
        which = int(np.argmin([(loss @ share).min() for loss in losses]))
        mean = losses[which] @ share
        error = np.zeros_like(mean)
        if len(folds) > 1:
            spread = (losses[which] - mean[:, None]) ** 2 @ share
            error = np.sqrt(spread / (len(folds) - 1))
        best = first_minimum(mean)
        if self.alpha_rule == "min":
            return which, best
        if self.alpha_rule == "1se":
            return which, int(np.argmax(mean <= mean[best] + error[best]))
        path = paths[which * len(paths) // len(scores)][1]  # of one or more scores
        k = self.alpha_rule(path.alphas, mean, error)
        if not (isinstance(k, Integral) and 0 <= k < len(mean)):
            raise ValueError(
                f"alpha_rule must return an index in [0, {len(mean)}); got {k!r}."
            )
        return which, int(k)


class PathCV(RegressorMixin, ModelCV):
    """Cross-validated regressors."""


class L1RatioCV(PathCV):
    """Cross-validation over the l1_ratio too, where several are given."""

    _rules: ClassVar[dict[str, Rule]] = {
        "l1_ratio": Interval(0, 1) | Each(Interval(0, 1)),
        **PathCV._rules,
    }

    @property
    def _has_several(self) -> bool:
        return not np.isscalar(self.l1_ratio)

    def _penalties(self, n_features: int) -> list[NamedTuple]:
        penalty = self._weighted_penalty(n_features)
        ratios = np.atleast_1d(self.l1_ratio)
        return [penalty._replace(l1_ratio=float(ratio)) for ratio in ratios]


# Rules of the estimators whose penalty leaves no choice of a solver.
_CHOICES = ("penalty_weights", "positive", "precompute", "solver")
ONE_SOLVER: dict[str, Rule] = {
    name: rule for name, rule in PathCV._rules.items() if name not in _CHOICES
}


class _Choice(NamedTuple):
    """Numbers of the chosen path and of its strength, and what tells how.

    `missed` is alpha, gap and target of the fit that missed its target by most.
    """

    path: int
    alpha: int
    attributes: dict
    missed: tuple[float, float, float] | None = None


class _Fold(NamedTuple):
    """Rows of a fold; its training rows also as weights of all rows.

    `penalty` is one that has seen the training rows alone, where there is one.
    """

    train: np.ndarray
    test: np.ndarray
    weight: np.ndarray
    test_weight: np.ndarray | None
    score_params: dict
    penalty: tuple | None = None


def _sharing_gram(run: Run) -> dict:
    """Options of further paths on the same data: one whole Gram matrix for all."""
    return {} if run.gram is None else {"form_gram": lambda *_: run.gram}


def fitted_path(X, found: PathSolution, rows: np.ndarray) -> np.ndarray:
    """Predictions of every solution of a path, of shape (n_rows, n_alphas)."""
    support = np.unique(found.coefs.indices)
    if sparse.issparse(X):
        chosen = X[rows][:, support]
    else:
        chosen = X[rows[:, None], support]
    return chosen @ found.coefs[support].toarray() + found.intercepts
