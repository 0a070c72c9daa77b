"""What estimators share whose penalty is not convex: stationary points."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.linear_model._base import TAIL, SparseLinearRegressor, reachable_tol
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.run import Run
from sparsestat.utils.validation import Boolean, Interval, OneOf, Rule

__all__ = ["CHOICE", "NonConvexCV", "NonConvexRegressor", "nonconvex_tail"]

# Rules of how a cross-validated estimator without degrees of freedom chooses.
CHOICE: dict[str, Rule] = {
    name: PathCV._rules[name]
    for name in ("eps", "alphas", "cv", "scoring", "alpha_rule")
}


def nonconvex_tail(*solvers: str) -> dict[str, Rule]:
    """Rules of the parameters that all of these estimators have."""
    return {
        **TAIL,
        "solver": OneOf("auto", "face_newton", "cd", *solvers),
        "n_path": Interval(1, inf, closed="left", integer=True),
    }


class _Stationary:
    """Certify by the largest violated optimality condition in place of a gap."""

    _measure: ClassVar[str] = "the violated stationarity"

    def _run(self, X, y, sample_weight, penalty, n_alphas: int, **options) -> Run:
        options["n_path"] = self.n_path
        return super()._run(X, y, sample_weight, penalty, n_alphas, **options)

    def _certify(self, run: Run, alpha, gap, dtype) -> None:
        coef = self.coef_.astype(np.float64)
        self.stationarity_ = float(run.stationarity_of(alpha, coef))
        self.stationarity_tol_ = float(run.absolute_tol(reachable_tol(self.tol, dtype)))

    @property
    def _certificate(self) -> tuple[float, float]:
        return self.stationarity_, self.stationarity_tol_


class NonConvexRegressor(_Stationary, SparseLinearRegressor):
    """Base of the estimators at one strength."""

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "warm_start": Boolean,
    }


class NonConvexCV(_Stationary, PathCV):
    """Base of the estimators that choose a strength."""

    # Those whose degrees of freedom are known have a parameter of this name.
    criterion = None
