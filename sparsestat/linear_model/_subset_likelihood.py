"""Search, choice and certificates of best subsets for likelihoods."""

import warnings
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import FitProgress, fit_metadata
from sparsestat.linear_model._routing import CrossValidated
from sparsestat.linear_model._subset_model import SUBSET_RULES
from sparsestat.linear_model._subset_path import SizesMixin
from sparsestat.linear_model._subset_sizes import (
    checked_features,
    checked_sizes,
    checked_units,
    last_supports,
    path_columns,
    warn_of_end,
    with_proof,
)
from sparsestat.optim.design import make_design, with_norms
from sparsestat.optim.subset import (
    LikelihoodProblem,
    likelihood_path,
    make_likelihood_problem,
)
from sparsestat.optim.subset._units import default_max_size, make_units
from sparsestat.utils.validation import Rule

__all__ = ["LIKELIHOOD_RULES", "LikelihoodSubset", "predictions"]

LIKELIHOOD_RULES: dict[str, Rule] = {
    name: rule for name, rule in SUBSET_RULES.items() if name != "n_best"
}
# Linear predictions beyond this, of held-out samples, are all infinitely bad.
_FAR = 300.0
# Fits with larger derivatives prove nothing.
_UNFINISHED = 1e-4


class LikelihoodSubset(SizesMixin, CrossValidated, FitProgress):
    """Base of the estimators by maximum likelihood."""

    _rules: ClassVar[dict[str, Rule]] = LIKELIHOOD_RULES
    scoring: ClassVar[None] = None  # held-out deviances choose
    _path_loss: ClassVar[str] = "loss"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _likelihood(self, y, weight):
        """The likelihood of validated targets with frequency weights."""
        raise NotImplementedError

    @property
    def _has_intercept(self) -> bool:
        return bool(self.fit_intercept)

    def _weights(self, y, sample_weight) -> np.ndarray:
        """Frequency weights of the samples."""
        return np.ones(len(y)) if sample_weight is None else sample_weight

    def _fit(self, X, y, sample_weight, groups, offset):
        """Find the subsets, choose one, keep the likelihood's maximum on it."""
        X, y, sample_weight = self._validated(X, y, sample_weight, offset)
        weight = self._weights(y, sample_weight)
        options, labels = self._options(X.shape[1], float(weight.sum()))
        folds = []
        if self.cv is not None:
            folds = self._folds(X, y, weight, sample_weight, groups)
        problem = self._problem(X, y, weight, labels)
        context = self._begin(X, y, sample_weight, 1 + len(folds), sequential=False)
        top = options["max_size"]
        if options["sizes"] is not None:
            top = int(options["sizes"][-1])
        elif top is None:
            total = problem.likelihood.n_samples
            # Not more parameters than samples, where a feature has one for each class.
            most = max(int(total) // problem.m, 1)
            top = min(default_max_size(total, problem.n_units), most)
            options["max_size"] = top
        task = context.subcontext("path", task_id=0, max_subtasks=top + 1)
        task.call_on_fit_task_begin(estimator=self)

        ended = [False]

        def on_size(size, point):
            if size > top:  # sizes above only lead back to better subsets
                return False
            step = task.subcontext("size")
            step.call_on_fit_task_begin(estimator=self)
            ends = step.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=self._target(y),
                metadata=fit_metadata(sample_weight),
                reconstruction_attributes=lambda: self._attributes_of(problem, point),
            )
            ended.append(bool(ends))
            return ends

        path = likelihood_path(problem, **options, on_size=on_size)
        task.call_on_fit_task_end(estimator=self)
        chosen, deviances = path.chosen, None
        if folds:
            deviances, shares = self._held_out(X, y, labels, folds, path, context)
            chosen = int(np.argmin(deviances @ (shares / shares.sum())))
            if self.solver == "auto":
                one = {"path": "sequence", "n_restarts": 0, "resume": None}

                def again(k):
                    one.update(sizes=path.sizes[[k]], start=[path.points[k].units])
                    return likelihood_path(problem, **{**options, **one})

                path = with_proof(path, chosen, again)
                path = path._replace(n_iter=problem.n_fits - path.n_nodes)
        vars(self).pop("deviance_path_", None)
        if deviances is not None:
            self.deviance_path_ = deviances
        self._take(problem, path, X.dtype)
        self._take_size(chosen)
        if self.verbose:
            print(
                f"{type(self).__name__}: {self.n_nonzero_coefs_} of {problem.n_units}, "
                f"loss {self.loss_[chosen]:.6g}, stationarity "
                f"{self.stationarity_:.1e}, {self.n_iter_ + self.n_nodes_} fits"
            )
        self._warn()
        if not any(ended):
            warn_of_end(self, options["sizes"], path.sizes, 5)
        self._end(context, X, y, sample_weight)
        return self

    def _options(self, n_features: int, total: float) -> tuple[dict, np.ndarray | None]:
        """Options of `likelihood_path` for so many features and samples, and groups."""
        labels, n_units = checked_units(self, n_features)
        locked = checked_features(self, "always_select", n_features)
        start = checked_features(self, "init_support", n_features)
        resume = last_supports(self)
        if labels is not None:
            _, labels = np.unique(labels, return_inverse=True)
            locked, start = np.unique(labels[locked]), np.unique(labels[start])
            resume = [np.unique(labels[support]) for support in resume]
        sizes, top = checked_sizes(self, len(locked), n_units, total)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        options = {
            "sizes": sizes,
            "max_size": top,
            "criterion": self.criterion,
            "ic_coef": self.ic_coef,
            "locked": locked,
            "solver": self.solver,
            "exchange_max": self.exchange_max,
            "n_sweeps": self.n_sweeps,
            "n_restarts": self.n_restarts,
            "early_stopping": self.early_stopping,
            "path": self.path,
            "max_nodes": self.max_nodes,
            "time_limit": self.time_limit,
            "max_iter": self.max_iter,
            "start": [start] if len(start) else None,
            "resume": resume,
            "rng": np.random.default_rng(seed),
        }
        return options, labels

    def _problem(self, X, y, weight, labels) -> LikelihoodProblem:
        share = weight / weight.sum()
        design = make_design(
            X,
            sample_weight=share,
            fit_intercept=self._centres,
            standardize=True,
        )
        design = with_norms(design, share)
        ridge = np.full(X.shape[1], float(self.alpha))
        if not self.standardize:
            ridge /= design.scale**2
        units = None if labels is None else make_units(labels)
        return make_likelihood_problem(
            design,
            self._likelihood(y, weight),
            ridge,
            units,
            self._has_intercept,
            self.tol,
        )

    @property
    def _centres(self) -> bool:
        """Whether features may be centred without another model."""
        return self._has_intercept

    def _folds(self, X, y, weight, sample_weight, groups) -> list[tuple]:
        """Training and test weights of all samples, and the rows of every fold."""
        target = self._target(y)
        splitter = check_cv(self.cv, target, classifier=is_classifier(self))
        for_split, _ = self._route(sample_weight, groups)
        folds, rows = [], np.arange(len(y))
        for train, test in splitter.split(X, target, **for_split):
            inside, outside = np.zeros(len(y)), np.zeros(len(y))
            inside[rows[train]] = weight[rows[train]]
            outside[rows[test]] = weight[rows[test]]
            if not (inside.any() and outside.any()):
                raise ValueError(
                    "sample_weight must not be all zero on the training or test "
                    f"samples of a fold; got zeros on fold {len(folds)}."
                )
            self._likelihood(y, inside)  # raises where it has no finite fit
            folds.append((inside, outside))
        return folds

    def _held_out(self, X, y, labels, folds, path, context):
        """Mean deviances on held-out samples, and the weight of each fold."""

        def run(k, inside, outside):
            task = context.subcontext("fold", task_id=k, max_subtasks=0)
            task.call_on_fit_task_begin(estimator=self)
            options, _ = self._options(X.shape[1], float(inside.sum()) + 1.0)
            options.update(sizes=path.sizes, path="sequence", n_restarts=0, resume=None)
            if self.solver == "auto":
                options["solver"] = "swap"
            problem = self._problem(X, y, inside, labels)
            found = likelihood_path(problem, **options)
            losses = self._fold_losses(X, y, problem, found, inside, outside)
            at = np.searchsorted(found.sizes, path.sizes, side="right") - 1
            task.call_on_fit_task_end(estimator=self)
            return losses[np.maximum(at, 0)], outside.sum()

        with threadpool_limits(limits=1, user_api="blas"):
            results = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                delayed(run)(k, *fold) for k, fold in enumerate(folds, start=1)
            )
        losses, shares = zip(*results, strict=True)
        return np.column_stack(losses), np.array(shares)

    def _fold_losses(self, X, y, problem, found, inside, outside) -> np.ndarray:
        """Mean deviances of every solution of a path on held-out samples."""
        likelihood = self._likelihood_of_held_out(y, outside)
        rows = likelihood.rows
        return np.array(
            [
                2.0 * likelihood.value(predictions(X, problem, point, rows))
                for point in found.points
            ]
        )

    def _likelihood_of_held_out(self, y, weight):
        """The likelihood of samples that need not have a finite fit."""
        return self._likelihood(y, weight)

    def _take(self, problem, path, dtype) -> None:
        """Keep a path."""
        gradients = np.array([point.gradient for point in path.points]) / problem.scale
        finished = gradients <= max(self.tol, _UNFINISHED)
        path = path._replace(
            optimal=path.optimal & finished,
            lower_bounds=np.where(finished, path.lower_bounds, 0.0),
        )
        found = [self._on_data(problem, point) for point in path.points]
        supports = [point.features for point in path.points]
        slopes = [slope for slope, _ in found]
        self.sizes_ = path.sizes
        self.path_coef_ = path_columns(supports, slopes, len(problem.usable), dtype)
        intercepts = np.column_stack([intercept for _, intercept in found])
        self.path_intercept_ = self._shaped_path(intercepts)
        self.loss_ = np.array([point.loss for point in path.points])
        self.criterion_ = path.criterion
        self.optimal_path_, self.lower_bounds_ = path.optimal, path.lower_bounds
        self.criterion_bounds_ = _criterion_bounds(problem, path)
        self.n_nodes_, self.n_iter_ = path.n_nodes, path.n_iter
        self._objectives = np.array([point.objective for point in path.points])
        self._swap_gaps = path.swap_gaps
        self._gradients = gradients
        self._separated = np.array([point.separated for point in path.points])
        self._dtype = dtype

    def _take_size(self, k: int) -> None:
        """Take the solution of one size, and its certificates."""
        p = self.n_features_in_
        coef = self.path_coef_[:, [k]].toarray().reshape(-1, p)
        intercept = np.atleast_2d(self.path_intercept_)[:, k]
        self.support_ = np.flatnonzero(coef.any(axis=0))
        self.coef_, self.intercept_ = self._shaped(coef, intercept)
        self._certify(k)
        self.stationarity_ = float(self._gradients[k])
        self.separated_ = bool(self._separated[k])

    def _shaped(self, coef, intercept):
        """`coef_` and `intercept_` from a row for each output."""
        return coef[0].astype(self._dtype), self._dtype.type(intercept[0])

    def _shaped_path(self, intercepts):
        """`path_intercept_` from a row for each intercept."""
        return intercepts if len(intercepts) > 1 else intercepts[0]

    def _on_data(self, problem, point) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (n_outputs, n_chosen) and intercepts on the scale of X."""
        design, T = problem.design, _outputs(problem)
        slopes = point.coef / design.scale[point.features, None]
        intercept = point.intercept - design.mean[point.features] @ slopes
        return T @ slopes.T, T @ intercept

    def _attributes_of(self, problem, point) -> dict:
        """What predictions from one point of the path need."""
        slopes, intercept = self._on_data(problem, point)
        coef = np.zeros((len(slopes), len(problem.usable)))
        coef[:, point.features] = slopes
        self._dtype = getattr(self, "_dtype", np.dtype(np.float64))
        shaped = self._shaped(coef, intercept)
        return {"coef_": shaped[0], "intercept_": shaped[1]}

    def _warn(self) -> None:
        name = type(self).__name__
        if self.separated_:
            warnings.warn(
                f"{name}: the likelihood has no maximum on the chosen features, which "
                "explain some of the data without error; a ridge of 1e-6 keeps the "
                "coefficients finite. Set alpha > 0, or choose fewer features.",
                UserWarning,
                stacklevel=5,
            )
        elif self.stationarity_ > self.tol:
            warnings.warn(
                f"{name} did not reach its tolerance: the largest derivative is "
                f"{self.stationarity_:.3e} of that of a sample, asked were "
                f"{self.tol:.3e}. The features may be collinear, or tol below "
                "rounding.",
                ConvergenceWarning,
                stacklevel=5,
            )


def _outputs(problem) -> np.ndarray:
    """From parameters of a feature to its coefficients, of shape (n_outputs, m)."""
    return getattr(problem.likelihood, "contrasts", np.eye(problem.m))


def predictions(X, problem, point, rows) -> np.ndarray:
    """Linear predictions of some rows, of shape (n_rows, m)."""
    design = problem.design
    chosen = X[:, point.features][rows]
    chosen = chosen.toarray() if sparse.issparse(chosen) else chosen
    Z = (chosen.astype(np.float64) - design.mean[point.features]) / design.scale[
        point.features
    ]
    return np.clip(Z @ point.coef + point.intercept, -_FAR, _FAR)


def _criterion_bounds(problem, path) -> np.ndarray:
    """What the criterion would be at the lower bounds of the losses."""
    bounds = np.where(path.optimal, path.criterion, -np.inf)
    if problem.ridge.any():
        return bounds  # a bound of the objective bounds nothing else
    for k, point in enumerate(path.points):
        if not path.optimal[k] and path.lower_bounds[k] > 0.0:
            deviance = problem.likelihood.deviance
            change = deviance(path.lower_bounds[k]) - deviance(point.loss)
            bounds[k] = path.criterion[k] + change
    return bounds
