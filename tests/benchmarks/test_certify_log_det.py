"""The judge of precision matrices, against closed forms."""

import numpy as np
import pytest

from benchmarks._certify_log_det import worst_log_det_gap


@pytest.fixture
def X():
    """Four samples of two features with unit variances and correlation 0.6."""
    first = np.array([1.0, 1.0, -1.0, -1.0])
    second = np.array([1.0, -1.0, 1.0, -1.0])
    return np.column_stack([first, 0.6 * first + 0.8 * second])


def precision(correlation):
    return np.linalg.inv([[1.0, correlation], [correlation, 1.0]])


def test_gap_is_zero_at_soft_thresholding(X):
    alphas = np.array([0.7, 0.5, 0.1])
    exact = [precision(c) for c in (0.0, 0.1, 0.5)]
    assert abs(worst_log_det_gap(X, exact, alphas)) < 1e-14
    assert worst_log_det_gap(X, [*exact[:2], precision(0.45)], alphas) > 1e-4


def test_gap_bounds_the_distance_to_the_optimum(X):
    def objective(T):
        fit = -np.linalg.slogdet(T)[1] + np.sum(X.T @ X / 4 * T)
        return fit + 0.1 * 2.0 * abs(T[0, 1])

    for correlation in (0.0, 0.3, 0.55, 0.7):
        T = precision(correlation)
        gap = worst_log_det_gap(X, [T], np.array([0.1]))
        assert 2.0 * gap >= objective(T) - objective(precision(0.5)) - 1e-14


def test_what_is_not_positive_definite_has_no_gap(X):
    assert worst_log_det_gap(X, [-np.eye(2)], np.array([0.1])) == np.inf
