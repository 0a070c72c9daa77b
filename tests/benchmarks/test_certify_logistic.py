"""The judge of logistic paths, held against the package and other points."""

import numpy as np
import pytest

from benchmarks._certify_logistic import logistic_gaps, worst_logistic_gap
from benchmarks.linear_model._generate import labelled
from sparsestat.linear_model import SparseLogisticRegression, glm_path


@pytest.fixture(scope="module")
def problem():
    return labelled(60, 30, n_spikes=3, n_alphas=6, eps=0.1)


def test_gap_is_that_of_the_package(problem):
    for alpha in (0.1, 0.03):
        model = SparseLogisticRegression(alpha, tol=1e-3, fit_intercept=False)
        model.fit(problem.X, problem.y)
        alphas = np.array([alpha])
        gap = worst_logistic_gap(problem.X, problem.y, model.coef_.T, alphas)
        assert gap * np.log(2.0) == pytest.approx(model.dual_gap_, abs=1e-12)


def test_gap_bounds_the_suboptimality(problem):
    X, y, alpha = problem.X, problem.y, 0.03
    best = SparseLogisticRegression(alpha, tol=1e-12, fit_intercept=False).fit(X, y)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1, 1.0):
        coef = best.coef_[0] + size * rng.standard_normal(30)
        value = np.log1p(np.exp(-y * (X @ coef))).mean() + alpha * np.abs(coef).sum()
        gap = logistic_gaps(X, y, coef[:, None], np.array([alpha]))[0]
        assert gap * np.log(2.0) >= value - best.objective_ - 1e-12


def test_grid_of_the_generator_begins_at_the_null_model(problem):
    alphas, coefs, _ = glm_path(
        problem.X, problem.y, alphas=problem.alphas * 1.0000001, fit_intercept=False
    )
    assert not coefs[:, 0].any() and coefs[:, 1].any()
    assert np.isinf(logistic_gaps(problem.X, problem.y, coefs * np.nan, alphas)).all()
