"""What estimators share whose losses are solved by Newton steps on a working set."""

from math import inf
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import RegressorMixin

from sparsestat.linear_model._base import SparseLinearModel, solver_tol
from sparsestat.linear_model._path_cv import ModelCV
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.penalties import (
    ElasticNet,
    is_block,
    prepare,
    price_of_features,
)
from sparsestat.utils.criteria import CRITERIA, price_of_parameters
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Callable,
    Each,
    Interval,
    OneOf,
    Rule,
    Splitter,
)

__all__ = [
    "CHOICE",
    "PENALTY",
    "SOLVING",
    "NewtonCV",
    "NewtonModel",
    "NewtonModelCV",
    "NewtonRegressor",
    "without_saturated",
]

# Rules of the penalty, of the way to solve and of the choice of the strength.
PENALTY: dict[str, Rule] = {
    "penalty_weights": ArrayLike | None,
    "positive": Boolean,
}
SOLVING: dict[str, Rule] = {
    "standardize": Boolean,
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": Interval(0, inf, closed="neither"),
}
CHOICE: dict[str, Rule] = {
    "eps": Interval(0, 1, closed="neither") | None,
    "alphas": Interval(1, inf, closed="left", integer=True)
    | Each(Interval(0, inf, closed="neither")),
    "cv": Splitter,
    "scoring": Callable | OneOf(None) | str,
    "alpha_rule": OneOf("min", "1se") | Callable,
    "criterion": OneOf(None, *CRITERIA),
}


class NewtonModel(SparseLinearModel):
    """Base of the estimators at one strength."""

    _run_class = NewtonRun
    _free_fit = (
        "a fit without a penalty; where the best one is not unique or not finite, the "
        "one returned has a loss as near to the least as tol asks for"
    )

    def _penalty(self, penalty_weights):
        return ElasticNet(1.0, float(self.l1_ratio), penalty_weights, self.positive)

    def _solve(self, X, y, sample_weight, penalty, start):
        if penalty.alpha == 0.0:
            penalty = _without_price(penalty, X.shape[1])
        return super()._solve(X, y, sample_weight, penalty, start)

    def _make_loss(self, y) -> Any:
        """A function from weights that sum to one to the loss."""
        raise TypeError(f"{type(self).__name__} has no loss.")

    def _run(self, X, y, sample_weight, penalty, n_alphas, form_gram=None):
        return self._run_class(
            X,
            self._make_loss(y),
            penalty,
            sample_weight,
            fit_intercept=getattr(self, "fit_intercept", True),
            standardize=self.standardize,
            tol=solver_tol(self.tol, X.dtype),
            max_iter=self.max_iter,
            n_alphas=n_alphas,
        )


class NewtonModelCV(NewtonModel, ModelCV):
    """Base of the estimators that choose the strength by cross-validation."""

    def _penalty(self, penalty_weights):
        return ElasticNet(1.0, 1.0, penalty_weights, self.positive)

    @property
    def _has_several(self) -> bool:
        return not np.isscalar(self.l1_ratio)

    def _penalties(self, n_features: int) -> list[NamedTuple]:
        penalty = self._weighted_penalty(n_features)
        ratios = np.atleast_1d(self.l1_ratio)
        return [penalty._replace(l1_ratio=float(ratio)) for ratio in ratios]

    def _criteria(self, X, y, sample_weight, paths):
        n = float(len(y) if sample_weight is None else sample_weight.sum())
        return [self._criterion_along(*path, n, X.shape[1]) for path in paths], {}

    def _criterion_along(self, run: NewtonRun, found, n: float, n_features: int):
        """Values of the criterion along a path, of samples whose weights sum to n."""
        n_outputs = getattr(run.loss, "n_classes", 1)
        n_intercepts = self._n_intercepts(n_outputs)
        dof = run.degrees_of_freedom(found) + n_intercepts
        price = price_of_parameters(
            self.criterion,
            dof,
            n_samples=self._information(run, n),
            n_features=n_outputs * n_features,
            n_intercepts=n_intercepts,
        )
        return self._deviance(run, found, n, dof) + price

    def _n_intercepts(self, n_outputs: int) -> int:
        """Free intercepts: one of several classes follows from the others."""
        return max(1, n_outputs - 1) * int(self.fit_intercept)

    def _information(self, run: NewtonRun, n: float) -> float:
        """Number of observations that criteria count."""
        return n

    def _deviance(self, run: NewtonRun, found, n: float, dof: np.ndarray):
        """Minus twice the log-likelihoods along a path, up to a constant."""
        return 2.0 * n * found.losses


class NewtonRegressor(RegressorMixin, NewtonModel):
    """Base of the regressors at one strength."""


class NewtonCV(RegressorMixin, NewtonModelCV):
    """Base of the cross-validated regressors."""


def _without_price(penalty: NamedTuple, n_features: int) -> ElasticNet:
    """No penalty, on what a penalty does not exclude and with the signs it asks for."""
    given = prepare(penalty, n_features)
    if is_block(given):
        finite = np.isfinite(price_of_features(given))
        kept = np.bincount(given.features, finite, n_features) > 0.0
    else:
        kept = np.isfinite(given.weights)
    weights = np.where(kept, 0.0, inf)
    return ElasticNet(1.0, 1.0, weights, bool(getattr(given, "positive", False)))


def without_saturated(values: np.ndarray, dof: np.ndarray, n: float) -> np.ndarray:
    """Criteria with infinity for models of more than n / 2 degrees of freedom.

    Where the scale of the noise is estimated along, the likelihood of models that
    interpolate has no bound.
    """
    return np.where(dof > max(0.5 * n, dof.min()), np.inf, values)
