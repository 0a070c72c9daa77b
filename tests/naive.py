"""Slow and plain references: what the fast code must agree with."""

import itertools

import numpy as np

__all__ = ["nonnegative_least_squares"]


def nonnegative_least_squares(matrix, target):
    """Coefficients >= 0 of least squares, by trying every support."""
    n_features = matrix.shape[1]
    best, smallest = np.zeros(n_features), target @ target
    for size in range(1, n_features + 1):
        for support in map(list, itertools.combinations(range(n_features), size)):
            coef = np.linalg.lstsq(matrix[:, support], target)[0]
            rest = target - matrix[:, support] @ coef
            if (coef >= 0.0).all() and rest @ rest < smallest:
                best, smallest = np.zeros(n_features), rest @ rest
                best[support] = coef
    return best
