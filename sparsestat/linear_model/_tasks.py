"""What the estimators for several tasks share: coefficients of shape (n_tasks, p)."""

from typing import ClassVar

import numpy as np

from sparsestat.linear_model._noise import noise_variance
from sparsestat.linear_model._path_cv import fitted_path

__all__ = ["MultiTaskRegressor"]


class MultiTaskRegressor:
    """Mixin: a target with a column, and coefficients with a row, for each task.

    The engine has the tasks of a feature next to each other.
    """

    _multi_output: ClassVar[bool] = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _validated(self, X, y, sample_weight):
        X, y, sample_weight = super()._validated(X, y, sample_weight)
        if y.ndim == 1:
            raise ValueError(
                f"{type(self).__name__}: y must have shape (n_samples, n_tasks); got "
                f"shape {y.shape}. Lasso and ElasticNet are for one task."
            )
        return X, y, sample_weight

    def _coef(self, run, coef: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(coef.reshape(self.n_features_in_, -1).T)

    def _last_coef(self) -> np.ndarray | None:
        coef = super()._last_coef()
        fits = coef is not None and coef.shape[1] == self.n_features_in_
        return coef.T.ravel() if fits else None

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        self.intercept_ = self.intercept_.astype(dtype, copy=False)

    def _losses(self, X, y, found, fold) -> np.ndarray:
        n_tasks, total = y.shape[1], 0.0
        for task in range(n_tasks):
            one = found._replace(
                coefs=found.coefs[task::n_tasks], intercepts=found.intercepts[task]
            )
            fitted = fitted_path(X, one, fold.test)
            total += (y[fold.test, task, None] - fitted) ** 2
        return np.average(total / n_tasks, axis=0, weights=fold.test_weight)

    def _estimated_variance(self, X, y, sample_weight, rng) -> float:
        tasks = [
            noise_variance(X, task, sample_weight, self.fit_intercept, rng)
            for task in y.T
        ]
        return float(np.mean(tasks))
