"""Certificates of groups and tasks against closed forms and our own paths."""

import numpy as np
import pytest

from benchmarks._certify_blocks import GROUP_SIZE, worst_group_gap, worst_task_gap
from benchmarks._peers import load
from benchmarks.linear_model._generate import grouped, tasks


def test_gap_of_an_orthogonal_group_is_zero_at_its_solution():
    n = GROUP_SIZE
    X, y = np.eye(n) * n**0.5, np.arange(1.0, n + 1.0)
    alpha = 0.5
    z = X.T @ y / n
    coef = z * (1.0 - alpha * n**0.5 / np.linalg.norm(z))
    assert abs(worst_group_gap(X, y, coef[:, None], np.array([alpha]))) < 1e-14
    off = worst_group_gap(X, y, 1.01 * coef[:, None], np.array([alpha]))
    assert off > 1e-6


def test_gap_of_orthogonal_tasks_is_zero_at_their_solution():
    n = 4
    X, Y = np.eye(n) * 2.0, np.arange(1.0, 13.0).reshape(n, 3)
    Z = X.T @ Y / n
    norms = np.linalg.norm(Z, axis=1, keepdims=True)
    W = Z * np.maximum(1.0 - 1.5 / norms, 0.0)
    assert abs(worst_task_gap(X, Y, W.T[:, :, None], np.array([1.5]))) < 1e-14
    assert worst_task_gap(X, Y, 0.99 * W.T[:, :, None], np.array([1.5])) > 1e-7


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_coefficients_that_are_not_finite_have_no_gap(bad):
    X, y = np.eye(GROUP_SIZE), np.ones(GROUP_SIZE)
    coefs = np.full((GROUP_SIZE, 1), bad)
    assert worst_group_gap(X, y, coefs, np.array([1.0])) == np.inf
    assert worst_task_gap(X, y[:, None], coefs.T[:, :, None], np.ones(1)) == np.inf


def test_our_paths_meet_their_tolerance():
    problem = grouped(40, 100, n_groups=2, n_alphas=8)
    coefs = load("sparsestat").group_path(problem, 1e-7)
    assert not coefs[:, 0].any()
    assert worst_group_gap(problem.X, problem.y, coefs, problem.alphas) <= 1e-7
    problem = tasks(40, 60, 3, n_rows=3, n_alphas=8)
    coefs = load("sparsestat").multi_task_path(problem, 1e-7)
    assert not coefs[:, :, 0].any()
    assert worst_task_gap(problem.X, problem.y, coefs, problem.alphas) <= 1e-7
