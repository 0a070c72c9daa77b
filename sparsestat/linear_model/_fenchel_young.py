"""What the estimators with linear scores and a Fenchel-Young loss share."""

from __future__ import annotations

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.linear_model._base import (
    FitProgress,
    reachable_tol,
    warn_unless_converged,
)
from sparsestat.optim.entmax import apply_entmax, sparse_entmax
from sparsestat.optim.fenchel_young_fit import LinearFit, fit_linear, make_objective
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    ParameterError,
    Rule,
    Verbosity,
)

__all__ = [
    "COMMON",
    "LinearFenchelYoung",
    "as_floats",
    "entmax_of_scores",
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
    "verbose": Verbosity,
}


class LinearFenchelYoung(FitProgress):
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

    @property
    def _measure(self) -> str:
        """What tells how good the fit is, in a sentence."""
        known = self.dual_gap_ < self.objective_ or self.loss_ < self.objective_
        why = "" if known else " (without a penalty the gap is the loss itself)"
        return f"the duality gap{why}"

    def _report(self, alpha: float) -> None:
        """Print a line if asked to; warn where the certificate misses its target."""
        if self.verbose:
            used = np.count_nonzero(self.coef_.any(axis=0))
            print(
                f"{type(self).__name__}: alpha={alpha:.6g}, {used} of "
                f"{self.coef_.shape[1]} features, gap {self.dual_gap_:.2e} (target "
                f"{self.dual_gap_tol_:.2e}), {self.n_iter_} steps"
            )
        warn_unless_converged(
            self, alpha, self.dual_gap_, self.dual_gap_tol_, stacklevel=5
        )

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
        return entmax_of_scores(self._scores(X), self.entmax_alpha, output)

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


def entmax_of_scores(scores: np.ndarray, order: float, output: str = "dense"):
    """Probabilities of rows of scores, as an array or in compressed rows."""
    scores = np.ascontiguousarray(scores)
    scores.flags.writeable = False
    orders = np.full(len(scores), float(order))
    if output == "csr":
        P, bad = sparse_entmax(scores, orders, 1.0)
    else:
        P = np.zeros_like(scores)
        bad = apply_entmax(scores, orders, 1.0, P)
    if bad < len(scores):
        raise ValueError(
            f"X must have finite scores; got {scores[bad]} in row {bad}. Scale the "
            "features as they were scaled in fit."
        )
    return P
