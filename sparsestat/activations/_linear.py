"""What the estimators with linear scores and a Fenchel-Young loss share."""

from __future__ import annotations

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.activations._linear_fit import LinearFit, fit_linear, make_objective
from sparsestat.activations._maps import entmax
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    ParameterError,
    Rule,
)

__all__ = [
    "COMMON",
    "LinearFenchelYoung",
    "as_floats",
    "reachable_tol",
    "warn_unless_converged",
]

# Rules of the parameters that all of these estimators have.
COMMON: dict[str, Rule] = {
    "l1_ratio": Interval(0, 1),
    "entmax_alpha": Interval(1, 2),
    "fit_intercept": Boolean,
    "standardize": Boolean,
    "solver": OneOf("auto", "lbfgs", "newton-cg", "prox-newton"),
    "tol": Interval(0, inf, closed="neither"),
    "max_iter": Interval(1, inf, closed="left", integer=True),
}
# Relative gaps below this are out of reach of float32 coefficients.
_FLOAT32_TOL = 1e-5


class LinearFenchelYoung(BaseEstimator):
    """Base of the estimators: the fit at one strength, scores and probabilities."""

    _rules: ClassVar[dict[str, Rule]] = {}

    def _objective(self, X, targets, n_classes, sample_weight):
        return make_objective(
            X,
            targets,
            n_classes,
            sample_weight,
            self.entmax_alpha,
            self.fit_intercept,
            self.standardize,
        )

    def _fit_at(self, problem, alpha, start=None) -> LinearFit:
        """Solve at a strength."""
        if alpha * self.l1_ratio > 0.0 and self.solver in ("lbfgs", "newton-cg"):
            raise ParameterError(
                f"{type(self).__name__}: solver must be 'auto' or 'prox-newton' where "
                f"l1_ratio is not 0; got {self.solver!r} with {self.l1_ratio}."
            )
        tol = reachable_tol(self.tol, problem.dtype)
        return fit_linear(
            problem, alpha, self.l1_ratio, self.solver, tol, self.max_iter, start
        )

    def _take(self, fit: LinearFit) -> None:
        """Keep a solution with its certificate."""
        self.coef_, self.intercept_ = fit.coef, fit.intercept
        self.objective_, self.loss_ = float(fit.objective), float(fit.loss)
        self.dual_gap_, self.dual_gap_tol_ = float(fit.gap), float(fit.gap_tol)
        self.n_iter_ = int(fit.n_iter)

    def _scores(self, X) -> np.ndarray:
        """Scores of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return np.ascontiguousarray(X @ self.coef_.T + self.intercept_)

    def _probabilities(self, X, output: str = "dense"):
        return entmax(self._scores(X), self.entmax_alpha, output=output)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def as_floats(estimator, X, y):
    """X as floats and y as it is, checked together."""
    return validate_data(
        estimator,
        X,
        y,
        accept_sparse="csc",
        dtype=[np.float64, np.float32],
        multi_output=True,
    )


def reachable_tol(tol: float, dtype) -> float:
    """Relative gap that coefficients of a precision can reach."""
    return tol if dtype == np.float64 else max(tol, _FLOAT32_TOL)


def warn_unless_converged(
    name: str, alpha: float, gap: float, target: float, where: str = ""
) -> None:
    """Warn that a duality gap misses its target, and say what helps.

    The warning points at the caller of the caller's public function.
    """
    if gap <= target:
        return
    why = " (without a penalty the gap is the loss itself)" if alpha == 0.0 else ""
    warnings.warn(
        f"{name} did not reach its tolerance at alpha={alpha:.6g}{where}: the duality "
        f"gap is {gap:.3e}{why}, asked were {target:.3e}. Increase max_iter or tol, "
        "standardize the features, or penalise more.",
        ConvergenceWarning,
        stacklevel=3,
    )
