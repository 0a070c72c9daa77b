"""Quantiles of values with weights."""

import numpy as np

__all__ = ["weighted_median", "weighted_quantile"]

# Sums of weights that come this close to a quantile have reached it.
_ROUNDING = 1e-12


def weighted_quantile(values: np.ndarray, weight: np.ndarray, quantile: float) -> float:
    """The lowest quantile of values with weights that sum to one."""
    return _range(values, weight, quantile)[0]


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """Middle of the medians of values with weights that sum to one."""
    low, high = _range(values, weight, 0.5)
    return 0.5 * (low + high)


def _range(values, weight, quantile) -> tuple[float, float]:
    """The lowest and the highest value that is this quantile."""
    order = np.argsort(values)
    levels = [quantile - _ROUNDING, quantile + _ROUNDING]
    places = np.searchsorted(np.cumsum(weight[order]), levels)
    low, high = values[order[np.minimum(places, len(values) - 1)]]
    return float(low), float(high)
