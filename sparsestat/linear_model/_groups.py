"""What the estimators with a penalty on groups of features share."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties import GroupL2, SparseGroup
from sparsestat.utils.feature_groups import (
    FEATURE_GROUPS,
    FeatureGroups,
    check_feature_groups,
)
from sparsestat.utils.validation import ArrayLike, Boolean, OneOf, Rule, check_weights

__all__ = ["GROUPS", "GroupedRegressor", "group_penalty"]

# Rules of the parameters that all of these estimators have.
GROUPS: dict[str, Rule] = {
    "feature_groups": FEATURE_GROUPS,
    "group_weights": OneOf("sqrt") | ArrayLike,
    "overlap": OneOf("error", "latent"),
    "positive": Boolean,
}


class GroupedRegressor:
    """Mixin: a penalty on groups, which may overlap, in place of one on features."""

    def _weighted_penalty(self, n_features: int) -> NamedTuple:
        groups = self._groups(n_features)
        l1_ratio, prices = 0.0, None
        sparse = hasattr(self, "l1_ratio")
        if sparse:
            l1_ratio = 1.0 if np.ndim(self.l1_ratio) else float(self.l1_ratio)
            prices = self.penalty_weights
        weights, positive = self.group_weights, self.positive
        return group_penalty(groups, weights, l1_ratio, prices, sparse, positive)

    def _groups(self, n_features: int) -> FeatureGroups:
        names = getattr(self, "feature_names_in_", None)
        return check_feature_groups(
            self.feature_groups, n_features, names, self.overlap
        )

    def _last_coef(self) -> np.ndarray | None:
        return getattr(self, "latent_coef_", super()._last_coef())

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        groups = self._groups(len(self.coef_))
        self.feature_groups_ = groups.sets()
        vars(self).pop("latent_coef_", None)
        if groups.overlap:
            self.latent_coef_ = run.rounded(coef, dtype)

    def _summary(self, alpha: float) -> str:
        active = sum(self.coef_[group].any() for group in self.feature_groups_)
        n_groups = len(self.feature_groups_)
        return f"{super()._summary(alpha)}, {active} of {n_groups} groups"


def group_penalty(
    groups: FeatureGroups,
    group_weights: Any,
    l1_ratio: float,
    penalty_weights: Any,
    sparse: bool,
    positive: bool = False,
) -> GroupL2 | SparseGroup:
    """The penalty of given groups with alpha = 1.

    Parameters
    ----------
    groups : FeatureGroups
    group_weights : "sqrt" or array-like of shape (n_groups,)
    l1_ratio : float
        Share of the penalty on single coefficients.
    penalty_weights : array-like of shape (n_features,) or None
        Weights of single coefficients.
    sparse : bool
        Whether single coefficients are penalised too.
    positive : bool, default=False
        Restrict the coefficients to w >= 0, none of which may be free of a price.

    Returns
    -------
    penalty : GroupL2 or SparseGroup
    """
    labels, n_groups = groups.labels, len(groups.names)
    free = labels < 0
    weights = np.sqrt(np.bincount(labels[~free], minlength=n_groups))
    if not (isinstance(group_weights, str) and group_weights == "sqrt"):
        weights = check_weights(group_weights, "group_weights", n_groups, "group")
    if free.any():
        # One more group for what is unpenalised.
        labels, weights = np.where(free, n_groups, labels), np.append(weights, 0.0)
    if not sparse and not positive:
        return GroupL2(1.0, labels, weights, groups.features)
    if not sparse:
        l1_ratio, penalty_weights = 0.0, None
    n_features = int(groups.features.max()) + 1
    prices = check_weights(penalty_weights, "penalty_weights", n_features)
    prices = np.ones(n_features) if prices is None else prices
    prices = np.where(free, 0.0, prices[groups.features])
    features = groups.features
    if positive:
        price = l1_ratio * prices + (1.0 - l1_ratio) * weights[labels]
        if (price == 0.0).any():
            raise ValueError(
                "positive must be False where features have no price: weights of zero, "
                f"or no group; got positive=True and {np.count_nonzero(price == 0.0)} "
                "features of that kind."
            )
    return SparseGroup(1.0, l1_ratio, labels, weights, prices, features, positive)
