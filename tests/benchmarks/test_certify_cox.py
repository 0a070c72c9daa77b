"""The judge of Cox paths, held against explicit risk sets and the package."""

import numpy as np
import pytest

from benchmarks._certify_cox import cox_gaps, worst_cox_gap
from benchmarks.linear_model._generate import cohort
from sparsestat.linear_model import SparseCoxRegressor, cox_path
from tests.naive import partial_likelihood


@pytest.fixture(scope="module")
def problem():
    found = cohort(60, 30, n_spikes=3, n_alphas=6, eps=0.1)
    found.y[:, 0] = np.ceil(10.0 * found.y[:, 0])  # with ties
    return found


def test_gap_is_that_of_the_package(problem):
    for alpha in (0.2, 0.05):
        model = SparseCoxRegressor(alpha, tol=1e-3).fit(problem.X, problem.y)
        alphas = np.array([alpha])
        gap = worst_cox_gap(problem.X, problem.y, model.coef_[:, None], alphas)
        null = model.dual_gap_tol_ / 1e-3
        assert gap * null == pytest.approx(model.dual_gap_, abs=1e-12)


def test_gap_bounds_the_suboptimality(problem):
    X, y, alpha = problem.X, problem.y, 0.05
    best = SparseCoxRegressor(alpha, tol=1e-12).fit(X, y)
    null = best.dual_gap_tol_ / 1e-12
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1, 1.0):
        coef = best.coef_ + size * rng.standard_normal(30)
        value, _, _ = partial_likelihood(
            y[:, 0], y[:, 1] > 0, np.ones(60), X @ coef, "breslow"
        )
        above = value + alpha * np.abs(coef).sum() - best.objective_
        gap = cox_gaps(X, y, coef[:, None], np.array([alpha]))[0]
        assert gap >= above / null - 1e-12


def test_grid_of_the_generator_begins_at_the_null_model():
    fresh = cohort(60, 30, n_spikes=3, n_alphas=6, eps=0.1)
    _, coefs, gaps = cox_path(fresh.X, fresh.y, alphas=fresh.alphas * 1.0000001)
    assert not coefs[:, 0].any() and coefs[:, 1].any()
    assert np.isinf(cox_gaps(fresh.X, fresh.y, coefs * np.nan, fresh.alphas)).all()
    assert gaps.max() < 1e-5
