"""Strength and scale of supports chosen by cross-validation."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.callback import with_callbacks
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import warn_unless_converged
from sparsestat.linear_model._fenchel_young import COMMON
from sparsestat.linear_model._routing import CrossValidated
from sparsestat.linear_model._sparsemax import ClassWeight, SparseClassifier
from sparsestat.linear_model._sparsemax_path import ALPHAS, default_grid
from sparsestat.utils.validation import (
    Callable,
    Each,
    Interval,
    Jobs,
    OneOf,
    RandomState,
    Rule,
    Splitter,
    check_parameters,
)

__all__ = ["SparsemaxClassifierCV"]

_SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
# Length of the default grid with an l1 penalty, and without.
_EPS = 1e-3
_EPS_RIDGE = 1e-4
_FOLDS = 5


class SparsemaxClassifierCV(CrossValidated, SparseClassifier):
    r"""Sparsemax classifier with strength and scale chosen by cross-validation.

    The objective is that of :class:`SparsemaxClassifier`. In each fold there is one fit
    for each strength, from the strongest down, each from the one before; all scales of
    the scores are tried on it at no further cost.

    Parameters
    ----------
    alphas : int or array-like of shape (n_alphas,), default=5
        Strengths, or how many on the default grid: from 10 down to 1e-3 with squared
        norms alone, else from the smallest strength without nonzero coefficients down
        to a thousandth of it.
    support_scales : array-like, default=(1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
        Factors of the scores to choose from where y holds sets of labels. The first one
        is taken where it holds labels, whose predictions do not depend on it.
    l1_ratio : float, default=0.0
        Share of the l1 norm, in [0, 1].
    entmax_alpha : float, default=2.0
        Order of the map, in [1, 2]: 1 is multinomial logistic regression, 2 sparsemax.
    cv : int, splitter or iterable, default=None
        Folds. A number of them, 5 if None, is drawn after shuffling, since files are
        often ordered; stratified where y holds labels.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the micro-averaged F1 score, weighted.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance of the
        training samples.
    class_weight : dict or "balanced", default=None
        Weights of the classes, as in scikit-learn; not for sets of labels.
    solver : {"auto", "lbfgs", "newton-cg", "prox-newton"}, default="auto"
        See :class:`SparsemaxClassifier`.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    max_iter : int, default=1000
        Steps of the solver at most, for each fit.
    n_jobs : int, default=None
        Number of threads that share the folds. Results do not depend on it.
    random_state : int, RandomState instance or None, default=0
        Shuffles the samples where `cv` is a number.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        The chosen strength.
    support_scale_ : float
        The chosen scale.
    alphas_ : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    scores_ : ndarray of shape (n_alphas, n_scales, n_folds)
        Scores of the held-out samples; a single scale where y holds labels.
    classes_ : ndarray of shape (n_classes,)
        Labels; 0, 1, ... after a fit to sets of labels.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the fit to all data, in the precision of X.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective at `coef_`.
    loss_ : float
        Objective without the penalty.
    n_iter_ : int
        Steps taken by the fit to all data.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparsemaxClassifier : One strength.
    sklearn.linear_model.LogisticRegressionCV : All probabilities positive.

    Notes
    -----
    Ties are decided for the stronger penalty and the smaller scale.

    References
    ----------
    Martins and Astudillo (2016), arXiv:1602.02068, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sparsestat.linear_model import SparsemaxClassifierCV
    >>> X, Y = make_multilabel_classification(
    ...     n_classes=4, allow_unlabeled=False, random_state=0
    ... )
    >>> model = SparsemaxClassifierCV(standardize=True).fit(X, Y)
    >>> model.predict(X[:2])
    array([[1, 0, 1, 0],
           [1, 1, 1, 1]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alphas": ALPHAS,
        "support_scales": Each(Interval(0, np.inf, closed="neither")),
        **COMMON,
        "cv": Splitter,
        "scoring": Callable | OneOf(None) | str,
        "class_weight": ClassWeight,
        "n_jobs": Jobs,
        "random_state": RandomState,
    }

    def __init__(
        self,
        alphas=5,
        *,
        support_scales=_SCALES,
        l1_ratio=0.0,
        entmax_alpha=2.0,
        cv=None,
        scoring=None,
        fit_intercept=True,
        standardize=False,
        class_weight=None,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        n_jobs=None,
        random_state=0,
        verbose=0,
    ):
        self.alphas = alphas
        self.support_scales = support_scales
        self.l1_ratio = l1_ratio
        self.entmax_alpha = entmax_alpha
        self.cv = cv
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Choose strength and scale, then fit to all data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels; or sets of labels, as a matrix of zeros and ones. Rows without a
            label are left out, with a warning.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, for the fits, and for the scores where they take weights.
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
        scorer = get_scorer(self.scoring or "f1_micro")
        X, targets, weights = self._encoded(X, y, sample_weight)
        n_classes = len(targets.classes)
        problem = self._objective(X, targets.values, n_classes, weights)
        if np.isscalar(self.alphas):
            eps = _EPS if self.l1_ratio > 0.0 else _EPS_RIDGE
            alphas = default_grid(problem, self.l1_ratio, int(self.alphas), eps)
        else:
            alphas = np.sort(np.asarray(self.alphas, dtype=np.float64))[::-1]
        scales = np.sort(np.asarray(self.support_scales, dtype=np.float64))
        if not targets.are_sets:
            scales = np.asarray(self.support_scales, dtype=np.float64)[:1]
        if groups is not None and targets.kept is not None:
            groups = np.asarray(groups)[targets.kept]
        for_split, for_score = self._route(weights, groups)
        if self.scoring is None and weights is not None:
            for_score = {"sample_weight": weights}
        data = _Data(X, targets, weights, for_score)
        splitter = self._splitter(targets)
        folds = list(splitter.split(X, targets.given, **for_split))
        n_tasks = len(folds) + 1
        context = self._begin(X, targets.given, weights, n_tasks, sequential=False)

        def run_fold(task_id, train, test):
            task = context.subcontext("fold", task_id=task_id, max_subtasks=len(alphas))
            task.call_on_fit_task_begin(estimator=self)
            result = self._fold(data, train, test, alphas, scales, scorer, task)
            task.call_on_fit_task_end(estimator=self)
            return result

        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            results = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(run_fold)(i, *fold) for i, fold in enumerate(folds)
            )
        scores = np.stack([scores for scores, _ in results], axis=-1)
        best = np.unravel_index(scores.mean(axis=-1).argmax(), scores.shape[:2])
        task = context.subcontext("fit", task_id=len(folds))
        task.call_on_fit_task_begin(estimator=self)
        fit = self._fit_at(problem, alphas[best[0]])
        task.call_on_fit_task_end(estimator=self)
        self.alphas_, self.scores_ = alphas, scores
        self.alpha_, self.support_scale_ = (
            float(alphas[best[0]]),
            float(scales[best[1]]),
        )
        self.classes_, self._fitted_to_sets = targets.classes, targets.are_sets
        self._take(fit)
        self._report(self.alpha_)
        missed = max((m for _, m in results), key=lambda m: m[1] / m[2])
        warn_unless_converged(self, *missed, where=" in a fold")
        self._end(context, X, targets.given, weights)
        return self

    @property
    def _scale(self) -> float:
        return self.support_scale_

    def _splitter(self, targets):
        if self.cv is None or np.isscalar(self.cv):
            kind = KFold if targets.are_sets else StratifiedKFold
            return kind(
                _FOLDS if self.cv is None else int(self.cv),
                shuffle=True,
                random_state=self.random_state,
            )
        return check_cv(self.cv, targets.given, classifier=True)

    def _fold(self, data: _Data, train, test, alphas, scales, scorer, task):
        """Scores of all strengths and scales, and the worst gap with its target."""
        X, targets, weights, for_score = data
        n_classes = len(targets.classes)
        mine = None if weights is None else weights[train]
        if mine is not None and not mine.any():
            raise ValueError(
                "sample_weight must not be all zero on the training samples of a fold."
            )
        problem = self._objective(X[train], targets.values[train], n_classes, mine)
        model = _FoldModel(self.entmax_alpha)
        model.classes_, model._fitted_to_sets = targets.classes, targets.are_sets
        given, rows = targets.given[test], X[test]
        params = {key: np.asarray(v)[test] for key, v in for_score.items()}
        scores = np.empty((len(alphas), len(scales)))
        start, gaps = None, []
        for k, alpha in enumerate(alphas):
            step = task.subcontext("alpha")
            step.call_on_fit_task_begin(estimator=self)
            fit = self._fit_at(problem, alpha, start)
            step.call_on_fit_task_end(estimator=self)
            start = fit.coef.astype(np.float64), fit.intercept.astype(np.float64)
            gaps.append((alpha, fit.gap, fit.gap_tol))
            model.known = np.ascontiguousarray(rows @ fit.coef.T + fit.intercept)
            for t, scale in enumerate(scales):
                model.support_scale = scale
                scores[k, t] = scorer(model, rows, given, **params)
        return scores, max(gaps, key=lambda m: m[1] / m[2])


class _Data(NamedTuple):
    """What all folds share."""

    X: np.ndarray
    targets: NamedTuple
    weights: np.ndarray | None
    for_score: dict


class _FoldModel(SparseClassifier):
    """A classifier whose scores are known, as scorers see it."""

    def __init__(self, entmax_alpha=2.0, support_scale=1.0):
        self.entmax_alpha = entmax_alpha
        self.support_scale = support_scale

    def _scores(self, X):
        return self.known
