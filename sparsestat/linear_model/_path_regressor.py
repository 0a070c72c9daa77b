"""What estimators share that choose a strength along a path."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state

from sparsestat.linear_model._base import SparseLinearModel, fit_metadata
from sparsestat.linear_model._noise import degrees_of_freedom, noise_variance
from sparsestat.linear_model._path import grid_size
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution
from sparsestat.utils.criteria import information_criterion

__all__ = ["PathModel", "PathRegressor", "first_minimum"]

# Values are the same up to these shares of themselves and of the largest.
_SAME = 1e-10
_ROUNDING = 64.0 * np.finfo(np.float64).eps


class PathModel(SparseLinearModel):
    """Base of the estimators that choose a strength along a path."""

    def _path(
        self, X, y, sample_weight, penalty: NamedTuple, context, **options
    ) -> tuple[Run, PathSolution]:
        """The path on all data, with the run that found it; callbacks may end it."""
        n_alphas = grid_size(self.alphas)
        run = self._run(X, y, sample_weight, penalty, n_alphas, **options)

        def on_step(k: int, step: Step) -> bool:
            task = context.subcontext("alpha")
            task.call_on_fit_task_begin(estimator=self)
            stop = task.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=self._target(y),
                metadata=fit_metadata(sample_weight),
                reconstruction_attributes=lambda: self._attributes_of(run, step),
            )
            return stop and not self._has_several

        found = self._follow(run, self._grid(run), self.eps, on_step)
        run.release()
        return run, found

    def _follow(self, run: Run, alphas, eps, on_step) -> PathSolution:
        """All solutions of a run along a grid."""
        return run.follow(alphas, eps, on_step=on_step)

    @property
    def _has_several(self) -> bool:
        """Whether there are several paths, which then all take the whole grid."""
        return False

    def _grid(self, run: Run):
        """Strengths, or how many: then the path ends where it interpolates."""
        if self._has_several and np.isscalar(self.alphas):
            return run.default_grid(int(self.alphas), self.eps)
        return self.alphas

    def _take_from_path(self, run: Run, found: PathSolution, k: int, dtype) -> None:
        """Take the solution number k of a path as the fit."""
        self.alpha_ = float(found.alphas[k])
        self.path_coef_ = self._path_coef(run.on_features(found.coefs)).astype(dtype)
        self.path_intercept_ = found.intercepts
        self.n_iter_ = int(found.n_iters.sum())
        coef = found.coefs[:, [k]].toarray().ravel()
        self._take(run, self.alpha_, coef, found.objectives[k], found.gaps[k], dtype)

    def _path_coef(self, coefs: sparse.csc_array) -> sparse.csc_array:
        """`path_coef_` from coefficients of features along a path.

        The engine has the tasks or classes of a feature next to each other; columns of
        `path_coef_` hold the rows of `coef_`, one after another.
        """
        n_features = self.n_features_in_
        if coefs.shape[0] == n_features:
            return coefs
        feature, row = np.divmod(coefs.indices, coefs.shape[0] // n_features)
        rows = row * n_features + feature
        values = coefs.data.copy()  # sorted in place
        coefs = sparse.csc_array((values, rows, coefs.indptr), shape=coefs.shape)
        coefs.sort_indices()
        return coefs

    def _attributes_of(self, run: Run, step: Step) -> dict:
        """What predictions from one solution of a path need."""
        solution = run.solution(step)
        coef = self._coef(run, solution.coef.ravel())
        return {"coef_": coef, "intercept_": solution.intercept}

    def _variance(self, X, y, sample_weight, run: Run) -> float:
        """Variance of the noise for information criteria, given or estimated."""
        if self.noise_variance is not None:
            return float(self.noise_variance)
        rng = check_random_state(self.random_state)
        variance = self._estimated_variance(X, y, sample_weight, rng)
        # Where y is interpolated there is no noise but rounding.
        least = 2.0 * run.null_objective * np.finfo(np.float64).eps
        return max(variance, least, np.finfo(np.float64).tiny)

    def _estimated_variance(self, X, y, sample_weight, rng) -> float:
        return noise_variance(X, y, sample_weight, self.fit_intercept, rng)

    def _criterion(self, name, sample_weight, run: Run, found, variance, shape):
        """Values of an information criterion along a path, degrees of freedom."""
        n, p = shape
        if sample_weight is not None:
            n = sample_weight.sum()  # weights are frequencies here
        n_tasks = getattr(run.problem.design, "n_tasks", 1)
        n_intercepts = n_tasks * int(self.fit_intercept)
        dof = degrees_of_freedom(run, found) + n_intercepts
        values = information_criterion(
            name,
            2.0 * n * found.losses,
            dof,
            n_samples=n_tasks * n,
            n_features=n_tasks * p,
            noise_variance=variance,
            fit_intercept=n_intercepts,
        )
        return values, dof


class PathRegressor(RegressorMixin, PathModel):
    """Base of the regressors among them."""


def first_minimum(values: np.ndarray) -> int:
    """Index of the smallest value, the first of those that differ by rounding alone.

    Where large coefficients are not shrunk, neighbours on a path are the same fit.
    """
    sizes = np.abs(values[np.isfinite(values)])
    rounding = _SAME * abs(values.min()) + _ROUNDING * sizes.max(initial=0.0)
    return int(np.argmax(values <= values.min() + rounding))
