"""What the estimators of penalised least squares share."""

import warnings
from math import inf
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    Jobs,
    OneOf,
    Rule,
    Verbosity,
    check_parameters,
    check_sample_weight,
    check_weights,
)

__all__ = ["TAIL", "SparseLinearRegressor", "warn_unless_converged"]

# Rules of the parameters that all of these estimators have.
TAIL: dict[str, Rule] = {
    "penalty_weights": ArrayLike | None,
    "positive": Boolean,
    "fit_intercept": Boolean,
    "standardize": Boolean,
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": Interval(0, inf, closed="neither"),
    "precompute": OneOf("auto", True, False),
    "solver": OneOf("auto", "face_newton", "cd"),
    "n_jobs": Jobs,
    "verbose": Verbosity,
}
# Relative gaps below this are out of reach of float32 coefficients.
_FLOAT32_TOL = 1e-5


class SparseLinearRegressor(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Base of the estimators: validation, prediction, certificates."""

    _rules: ClassVar[dict[str, Rule]] = {}

    def predict(self, X):
        """Predict the target: X @ coef_ + intercept_.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
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
        return X @ self.coef_ + self.intercept_

    @property
    def sparse_coef_(self):
        """Coefficients as a sparse row, `csr_array` of shape (1, n_features)."""
        return sparse.csr_array(self.coef_[None, :])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _begin(self, X, y, n_subtasks: int | None = 0):
        """Tell callbacks that the fit begins; returns their context."""
        context = self._init_callback_context(
            max_subtasks=n_subtasks, sequential_subtasks=False
        )
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        return context

    def _end(self, context, X, y) -> None:
        """Tell callbacks that the fit is done."""
        context.call_on_fit_task_end(
            estimator=self,
            X=X,
            y=y,
            reconstruction_attributes=lambda: {
                "coef_": self.coef_,
                "intercept_": self.intercept_,
            },
        )

    def _penalty(self, penalty_weights: np.ndarray | None) -> NamedTuple:
        """The penalty of this estimator with alpha = 1."""
        raise TypeError(f"{type(self).__name__} has no penalty.")

    def _validated(self, X, y, sample_weight):
        """Checked parameters and data; y in float64."""
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        y = y.astype(np.float64, copy=False)
        return X, y, check_sample_weight(sample_weight, X)

    def _tolerance(self, X) -> float:
        """Relative gap that coefficients of the precision of X can reach."""
        return max(self.tol, _FLOAT32_TOL) if X.dtype == np.float32 else self.tol

    def _options(self, X) -> dict[str, Any]:
        """Keywords of the engine that come from parameters."""
        return {
            "fit_intercept": self.fit_intercept,
            "standardize": self.standardize,
            # The rest of a float32 tolerance is for rounding the coefficients.
            "tol": 0.5 * self._tolerance(X) if X.dtype == np.float32 else self.tol,
            "max_iter": self.max_iter,
            "solver": self.solver,
            "precompute": self.precompute,
        }

    def _weighted_penalty(self, n_features: int) -> NamedTuple:
        weights = check_weights(self.penalty_weights, "penalty_weights", n_features)
        return self._penalty(weights)

    def _fit_one(self, X, y, sample_weight) -> None:
        """Fit at self.alpha and store the solution with its certificate."""
        penalty = self._weighted_penalty(X.shape[1])._replace(alpha=float(self.alpha))
        if self.alpha == 0.0:
            warnings.warn(
                f"{type(self).__name__}: alpha=0 is least squares without a penalty; "
                "the solution of least norm is returned.",
                UserWarning,
                stacklevel=3,
            )
        run = Run(
            X, y, Quadratic(), penalty, sample_weight, n_alphas=1, **self._options(X)
        )
        start = getattr(self, "coef_", None) if self.warm_start else None
        if start is not None and start.shape == (X.shape[1],):
            run.start(start.astype(np.float64))
        step = run.step(self.alpha)
        solution = run.solution(step)
        self.dual_gap_tol_ = run.null_objective * self._tolerance(X)
        self.coef_, self.objective_, self.dual_gap_ = self._rounded(
            run, self.alpha, solution.coef, solution.objective, solution.gap, X.dtype
        )
        self.intercept_ = run.intercept_of(self.coef_)
        self.n_iter_ = solution.n_iter
        warn_unless_converged(self, self.alpha, self.dual_gap_, self.dual_gap_tol_)
        if self.verbose:
            print(
                f"{type(self).__name__}: alpha={self.alpha:.6g}, "
                f"{np.count_nonzero(self.coef_)} of {X.shape[1]} features, "
                f"gap {self.dual_gap_:.2e} (target {self.dual_gap_tol_:.2e}), "
                f"{self.n_iter_} rounds"
            )

    @staticmethod
    def _rounded(run, alpha, coef, objective, gap, dtype):
        """Coefficients in the precision of X, with their own objective and gap.

        The dual point stays, so the gap grows by what the objective does.
        """
        if dtype == np.float64:
            return coef, objective, gap
        rounded = coef.astype(dtype)
        value = run.objective_of(alpha, rounded.astype(np.float64))
        return rounded, value, gap + value - objective

    def _take_from_path(self, run: Run, found: PathSolution, k: int, X) -> None:
        """Take the solution number k of a path as the fit."""
        coef = found.coefs[:, [k]].toarray().ravel()
        self.alpha_ = float(found.alphas[k])
        self.dual_gap_tol_ = run.null_objective * self._tolerance(X)
        self.coef_, self.objective_, self.dual_gap_ = self._rounded(
            run, self.alpha_, coef, found.objectives[k], found.gaps[k], X.dtype
        )
        self.intercept_ = run.intercept_of(self.coef_)
        self.n_iter_ = int(found.n_iters.sum())
        self.path_coef_ = found.coefs.astype(X.dtype)
        self.path_intercept_ = found.intercepts
        warn_unless_converged(self, self.alpha_, self.dual_gap_, self.dual_gap_tol_)


def warn_unless_converged(owner, alpha: float, gap: float, target: float) -> None:
    """Warn that a duality gap misses its target, and say what helps."""
    if gap <= target:
        return
    name = owner if isinstance(owner, str) else type(owner).__name__
    warnings.warn(
        f"{name} did not reach its tolerance at alpha={alpha:.6g}: the duality gap is "
        f"{gap:.3e}, asked were {target:.3e}. Increase max_iter or tol, standardize "
        "the features, or penalise more.",
        ConvergenceWarning,
        stacklevel=4,
    )
