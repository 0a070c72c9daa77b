"""Units of features that join and leave together, and how many of them at most."""

from math import log

import numpy as np

__all__ = ["default_max_size", "make_units"]


def default_max_size(n_samples: float, n_units: int) -> int:
    """The largest size of a path by default: n / (log p log log n), at most 500."""
    n = max(n_samples, 16.0)
    limit = int(n_samples / (log(max(n_units, 3)) * log(log(n))))
    return max(min(n_units, int(n_samples) - 1, limit, 500), min(n_units, 1))


def make_units(labels: np.ndarray) -> list[np.ndarray]:
    """Features of each group, from a label for each feature."""
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(np.asarray(labels)[order])) + 1
    return np.split(order, edges)
