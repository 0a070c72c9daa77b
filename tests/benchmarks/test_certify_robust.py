"""The judges of Huber and quantile paths, held against cvxpy and the package."""

import numpy as np
import pytest

from benchmarks._certify_robust import THRESHOLD, huber_gap, quantile_gap
from benchmarks.linear_model._generate import heavy_tails
from sparsestat.optim import datafits, path, penalties, solve

JUDGES = {
    "huber_path": (huber_gap, datafits.Huber(THRESHOLD)),
    "quantile_path": (quantile_gap, datafits.Quantile(0.5)),
}


@pytest.mark.parametrize("task", JUDGES)
def test_gap_is_the_distance_to_the_optimum_or_more(task):
    judge, datafit = JUDGES[task]
    problem = heavy_tails(50, 30, task, n_spikes=3, n_alphas=4, eps=0.1)
    X, y, alpha = problem.X, problem.y, problem.alphas[2]
    best = solve(X, y, datafit, penalties.L1(alpha), fit_intercept=False, tol=1e-10)
    null = datafits.loss(datafit, y, 0.0).mean()
    rng = np.random.default_rng(0)
    for size in (0.0, 1e-3, 1e-1, 1.0):
        coef = best.coef + size * rng.standard_normal(30)
        value = datafits.loss(datafit, y, X @ coef).mean() + alpha * np.abs(coef).sum()
        gap = judge(X, y, coef[:, None], np.array([alpha]))
        above = (value - best.objective) / null
        assert gap >= above - 1e-9
        if size == 0.0:
            assert gap <= 1e-7


@pytest.mark.parametrize("task", JUDGES)
def test_grid_of_the_generator_begins_at_the_null_model(task):
    judge, datafit = JUDGES[task]
    problem = heavy_tails(50, 30, task, n_spikes=3, n_alphas=4, eps=0.1)
    X, y, alphas = problem.X, problem.y, problem.alphas * (1.0 + 1e-9)
    found = path(X, y, datafit, penalties.L1(1.0), alphas=alphas, fit_intercept=False)
    assert found.coefs[:, [0]].nnz == 0 < found.coefs[:, [1]].nnz
    assert judge(X, y, found.coefs, alphas) <= 1e-6
    assert judge(X, y, found.coefs * np.nan, alphas) == np.inf
