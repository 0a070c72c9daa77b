"""What the sparse linear estimators share."""

import warnings
from math import inf
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.run import Run
from sparsestat.optim.solution import Solution
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

__all__ = [
    "TAIL",
    "FitProgress",
    "SparseLinearModel",
    "SparseLinearRegressor",
    "fit_metadata",
    "reachable_tol",
    "solver_tol",
    "warn_unless_converged",
]

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


class FitProgress(CallbackSupportMixin, BaseEstimator):
    """Tells callbacks how a fit goes on."""

    def _target(self, y: np.ndarray) -> np.ndarray:
        """The target as it was given, for splitters, scorers and callbacks."""
        return y

    def _begin(self, X, y, sample_weight, n_subtasks: int = 0, sequential: bool = True):
        """Tell callbacks that the fit begins; returns their context."""
        context = self._init_callback_context(
            max_subtasks=n_subtasks, sequential_subtasks=sequential
        )
        context.call_on_fit_task_begin(
            estimator=self,
            X=X,
            y=self._target(y),
            metadata=fit_metadata(sample_weight),
        )
        return context

    def _end(self, context, X, y, sample_weight) -> None:
        """Tell callbacks that the fit is done."""
        context.call_on_fit_task_end(
            estimator=self,
            X=X,
            y=self._target(y),
            metadata=fit_metadata(sample_weight),
            reconstruction_attributes=lambda: {
                "coef_": self.coef_,
                "intercept_": self.intercept_,
            },
        )


class SparseLinearModel(FitProgress):
    """Base of the estimators: validation, fit at one strength, prediction."""

    _rules: ClassVar[dict[str, Rule]] = {}
    # What tells how good a fit is, in a sentence.
    _measure: ClassVar[str] = "the duality gap"
    # What alpha = 0 means, in a sentence.
    _free_fit: ClassVar[str] = (
        "least squares without a penalty; the solution of least norm is returned"
    )
    # Whether y has a column for each of several tasks.
    _multi_output: ClassVar[bool] = False

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; never copied unless of another type, or sparse
            and not CSC.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, and for
            parameters or weights outside their range.
        """
        return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight, **data):
        """Fit at one strength; `data` go to `_validated`."""
        X, y, sample_weight = self._validated(X, y, sample_weight, **data)
        penalty = self._weighted_penalty(X.shape[1])
        alpha = self._strength(penalty, X, sample_weight)
        if alpha == 0.0:
            warnings.warn(
                f"{type(self).__name__}: alpha=0 is {self._free_fit}.",
                UserWarning,
                stacklevel=4,
            )
        context = self._begin(X, y, sample_weight)
        penalty = penalty._replace(alpha=alpha)
        start = self._last_coef() if self.warm_start else None
        run, solution = self._solve(X, y, sample_weight, penalty, start)
        coef = solution.coef.ravel()
        self._take(run, alpha, coef, solution.objective, solution.gap, X.dtype)
        self.n_iter_ = solution.n_iter
        if self.verbose:
            print(f"{self._summary(alpha)}, {self.n_iter_} rounds")
        warn_unless_converged(self, alpha, *self._certificate, stacklevel=5)
        self._end(context, X, y, sample_weight)
        return self

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

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
        return X @ self.coef_.T + self.intercept_

    @property
    def sparse_coef_(self):
        """Coefficients as a `csr_array` with a row for each target."""
        return sparse.csr_array(np.atleast_2d(self.coef_))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _penalty(self, penalty_weights: np.ndarray | None) -> NamedTuple:
        """The penalty of this estimator with alpha = 1."""
        raise TypeError(f"{type(self).__name__} has no penalty.")

    def _strength(self, penalty: NamedTuple, X, sample_weight) -> float:
        """Strength of the penalty in a fit at one strength."""
        return float(self.alpha)

    def _weighted_penalty(self, n_features: int) -> NamedTuple:
        weights = check_weights(self.penalty_weights, "penalty_weights", n_features)
        return self._penalty(weights)

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
            multi_output=self._multi_output,
        )
        y = y.astype(np.float64, copy=False)
        return X, y, check_sample_weight(sample_weight, X)

    def _coef(self, run: Run, coef: np.ndarray) -> np.ndarray:
        """`coef_` from the coefficients of the engine."""
        return run.on_features(coef)

    def _last_coef(self) -> np.ndarray | None:
        """Coefficients of the last fit as the engine has them."""
        return getattr(self, "coef_", None)

    def _run(
        self, X, y, sample_weight, penalty: NamedTuple, n_alphas: int, **options
    ) -> Run:
        """The engine with what this estimator's parameters say."""
        return Run(
            X,
            y,
            Quadratic(),
            penalty,
            sample_weight,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            tol=solver_tol(self.tol, X.dtype),
            max_iter=self.max_iter,
            solver=getattr(self, "solver", "auto"),
            precompute=getattr(self, "precompute", "auto"),
            n_alphas=n_alphas,
            **options,
        )

    def _solve(
        self, X, y, sample_weight, penalty: NamedTuple, start: np.ndarray | None
    ) -> tuple[Run, Solution]:
        """Solve at one strength, perhaps from coefficients to start with."""
        run = self._run(X, y, sample_weight, penalty, n_alphas=1)
        if start is not None and start.shape == run.problem.excluded.shape:
            run.start(start.astype(np.float64))
        return run, run.solution(run.step(penalty.alpha))

    def _take(self, run: Run, alpha, coef, objective, gap, dtype) -> None:
        """Keep a solution, in the precision of X, with its certificate."""
        if dtype != np.float64:
            # The dual point stays, so the gap grows by what the objective does.
            coef = run.rounded(coef, dtype)
            value = run.objective_of(alpha, coef)
            objective, gap = value, gap + value - objective
        self.coef_ = self._coef(run, coef).astype(dtype, copy=False)
        self.intercept_ = run.intercept_of(coef)
        self.objective_ = float(objective)
        self._certify(run, alpha, gap, dtype)

    def _certify(self, run: Run, alpha, gap, dtype) -> None:
        """Keep what tells how good the coefficients are, and what was asked for."""
        self.dual_gap_ = float(gap)
        self.dual_gap_tol_ = run.null_objective * reachable_tol(self.tol, dtype)

    @property
    def _certificate(self) -> tuple[float, float]:
        """The certificate and its target."""
        return self.dual_gap_, self.dual_gap_tol_

    def _summary(self, alpha: float) -> str:
        value, target = self._certificate
        used = np.atleast_2d(self.coef_).any(axis=0)
        return (
            f"{type(self).__name__}: alpha={alpha:.6g}, "
            f"{np.count_nonzero(used)} of {len(used)} features, "
            f"{self._measure.split()[-1]} {value:.2e} (target {target:.2e})"
        )


class SparseLinearRegressor(RegressorMixin, SparseLinearModel):
    """Base of the regressors."""


def reachable_tol(tol: float, dtype) -> float:
    """Relative gap that coefficients of a precision can reach."""
    return tol if dtype == np.float64 else max(tol, _FLOAT32_TOL)


def solver_tol(tol: float, dtype) -> float:
    """Relative gap to solve to, with room for the rounding of coefficients."""
    return tol if dtype == np.float64 else 0.5 * reachable_tol(tol, dtype)


def warn_unless_converged(
    owner: Any,
    alpha: float,
    gap: float,
    target: float,
    where: str = "",
    stacklevel: int = 4,
    measure: str | None = None,
) -> None:
    """Warn that a certificate misses its target, and say what helps.

    The warning points at the caller of the caller's public function, or higher up.
    """
    if gap <= target:
        return
    name = owner if isinstance(owner, str) else type(owner).__name__
    if measure is None:
        measure = getattr(owner, "_measure", "the duality gap")
    warnings.warn(
        f"{name} did not reach its tolerance at alpha={alpha:.6g}{where}: "
        f"{measure} is {gap:.3e}, asked were {target:.3e}. Increase max_iter or tol, "
        "standardize the features, or penalise more.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )


def fit_metadata(sample_weight: np.ndarray | None) -> dict[str, Any] | None:
    """What callbacks are told about the samples."""
    return None if sample_weight is None else {"sample_weight": sample_weight}
