"""Which penalty a generalised linear model has, by name or as an object."""

from math import inf
from typing import Any, NamedTuple

import numpy as np

from sparsestat.linear_model._base import reachable_tol
from sparsestat.linear_model._groups import GROUPS, group_penalty
from sparsestat.optim.penalties import MCP, SCAD, ElasticNet, kind
from sparsestat.utils.feature_groups import check_feature_groups
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    OneOf,
    Rule,
    Satisfies,
    check_weights,
)

__all__ = ["PENALTIES", "PenaltyChoice", "measure_of"]

_CONCAVE = {"mcp": (MCP, 3.0, 0.0), "scad": (SCAD, 3.7, 2.0)}
_VIOLATION, _GAP = "the violated stationarity", "the duality gap"
_GROUPS = "group", "sparse_group"
_NAMES = "elasticnet", *_CONCAVE, *_GROUPS


def _is_penalty(given: Any) -> bool:
    if not (isinstance(given, tuple) and hasattr(given, "alpha")):
        return False
    try:
        return kind(given) in ("convex", "general", "block")
    except TypeError:
        return False


# Rules of the parameters that choose a penalty.
PENALTIES: dict[str, Rule] = {
    "penalty": OneOf(*_NAMES)
    | Satisfies(_is_penalty, "an object of `optim.penalties` on features or groups"),
    "gamma": Interval(0, inf, closed="neither") | None,
    **GROUPS,
    "penalty_weights": ArrayLike | None,
    "positive": Boolean,
}


class PenaltyChoice:
    """Mixin: `penalty` and the parameters that belong to its choices."""

    def _weighted_penalty(self, n_features: int) -> NamedTuple:
        """The penalty with alpha = 1, and with the first `l1_ratio` of several."""
        weights = check_weights(self.penalty_weights, "penalty_weights", n_features)
        if not isinstance(self.penalty, str):
            self._refuse("l1_ratio", "gamma", "penalty_weights", "positive")
            return self.penalty._replace(alpha=1.0)
        ratio = float(np.ravel(self.l1_ratio)[0])
        if self.penalty in _CONCAVE:
            self._refuse("l1_ratio")
            cls, gamma, least = _CONCAVE[self.penalty]
            gamma = gamma if self.gamma is None else float(self.gamma)
            if gamma <= least:
                raise ValueError(
                    f"gamma must be > {least:g} with penalty={self.penalty!r}; got "
                    f"{gamma}."
                )
            return cls(1.0, gamma, weights, self.positive)
        self._refuse("gamma")
        if self.penalty == "elasticnet":
            return ElasticNet(1.0, ratio, weights, self.positive)
        sparse = self.penalty == "sparse_group"
        if sparse and np.isscalar(self.l1_ratio) and ratio == 1.0:
            raise ValueError(
                "l1_ratio must be < 1 with penalty='sparse_group', else groups have no "
                "price; got 1.0."
            )
        if not sparse:
            self._refuse("l1_ratio", "penalty_weights")
        groups = self._groups(n_features)
        given = self.group_weights, ratio, weights, sparse, self.positive
        return group_penalty(groups, *given)

    def _penalties(self, n_features: int) -> list[NamedTuple]:
        """The penalties that cross-validation chooses from."""
        penalty = self._weighted_penalty(n_features)
        if np.isscalar(self.l1_ratio):
            return [penalty]
        return [penalty._replace(l1_ratio=float(ratio)) for ratio in self.l1_ratio]

    def _refuse(self, *names: str) -> None:
        """Raise if parameters are given that the penalty has no place for."""
        defaults = {"l1_ratio": 1.0, "positive": False}
        for name in names:
            given = getattr(self, name)
            default = defaults.get(name)
            if not (given is default or (np.isscalar(given) and given == default)):
                raise ValueError(
                    f"{name} must be {default} with penalty={self.penalty!r}; got "
                    f"{given!r}."
                )

    def _groups(self, n_features: int):
        names = getattr(self, "feature_names_in_", None)
        return check_feature_groups(
            self.feature_groups, n_features, names, self.overlap
        )

    def _last_coef(self) -> np.ndarray | None:
        return getattr(self, "latent_coef_", super()._last_coef())

    @property
    def _measure(self) -> str:
        return _VIOLATION if hasattr(self, "stationarity_") else _GAP

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        for name in ("feature_groups_", "latent_coef_"):
            vars(self).pop(name, None)
        if self.penalty in _GROUPS:
            groups = self._groups(self.n_features_in_)
            self.feature_groups_ = groups.sets()
            if groups.overlap:
                self.latent_coef_ = self._latent(run.rounded(coef, dtype))
        super()._take(run, alpha, coef, objective, gap, dtype)

    def _latent(self, coef: np.ndarray) -> np.ndarray:
        """`latent_coef_` from the coefficients of the engine."""
        return coef

    def _certify(self, run, alpha, gap, dtype) -> None:
        for name in ("dual_gap_", "stationarity_"):
            vars(self).pop(name, None)
            vars(self).pop(f"{name[:-1]}_tol_", None)
        if kind(run.penalty) != "general":
            super()._certify(run, alpha, gap, dtype)
            return
        coef = self._last_coef().astype(np.float64)
        self.stationarity_ = float(run.stationarity_of(alpha, coef))
        self.stationarity_tol_ = float(run.absolute_tol(reachable_tol(self.tol, dtype)))

    @property
    def _certificate(self) -> tuple[float, float]:
        if hasattr(self, "stationarity_"):
            return self.stationarity_, self.stationarity_tol_
        return self.dual_gap_, self.dual_gap_tol_


def measure_of(penalty: NamedTuple) -> str:
    """What tells how good a fit with this penalty is, in a sentence."""
    return _VIOLATION if kind(penalty) == "general" else _GAP
