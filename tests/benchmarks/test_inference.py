"""Benchmarks of the square-root Lasso and of intervals: their judges and tables."""

import numpy as np
import pytest

from benchmarks._case import Settings
from benchmarks._certify_sqrt import worst_sqrt_gap
from benchmarks._peers import load
from benchmarks._tables import section
from benchmarks.linear_model._generate import ar1
from benchmarks.linear_model._intervals import draw, intervals_case
from sparsestat.linear_model import SqrtLasso


@pytest.fixture(scope="module")
def problem():
    return ar1(80, 30, n_spikes=3, n_alphas=6, eps=0.1)


def test_gap_is_that_of_the_package(problem):
    for alpha in (0.3, 0.1):
        model = SqrtLasso(alpha, fit_intercept=False, standardize=False, tol=1e-3)
        model.fit(problem.X, problem.y)
        coefs, alphas = model.coef_[:, None], np.array([alpha])
        gap = worst_sqrt_gap(problem.X, problem.y, coefs, alphas)
        assert gap * model.dual_gap_tol_ / 1e-3 == pytest.approx(
            model.dual_gap_, abs=1e-12
        )


def test_gap_bounds_the_suboptimality(problem):
    X, y, alpha = problem.X, problem.y, 0.1
    best = SqrtLasso(alpha, fit_intercept=False, standardize=False, tol=1e-12)
    best.fit(X, y)
    for size in (1.0, 1e-2):
        coef = best.coef_ + size * np.random.default_rng(0).standard_normal(30)
        value = np.linalg.norm(y - X @ coef) / 80**0.5 + alpha * np.abs(coef).sum()
        gap = worst_sqrt_gap(X, y, coef[:, None], np.array([alpha]))
        assert gap * np.linalg.norm(y) / 80**0.5 >= value - best.objective_
    broken = np.full((30, 1), np.nan)
    assert worst_sqrt_gap(X, y, broken, np.array([alpha])) == np.inf


def test_our_path_meets_its_tolerance(problem):
    coefs = load("sparsestat").sqrt_path(problem, 1e-8)
    assert worst_sqrt_gap(problem.X, problem.y, coefs, problem.alphas) <= 1e-8


def test_intervals_are_counted():
    case = intervals_case("E", "intervals", 60, 20, 2)
    record = case.run(Settings(peers=("sparsestat", "sklearn"), quick=True))
    assert list(record["peers"]) == ["sparsestat"]
    found = record["peers"]["sparsestat"]
    assert found["n_draws"] == 2
    assert 0.8 < found["all"] <= 1.0
    assert found["width"] > 0.0
    text = "\n".join(section("E", {"title": "intervals", **record}))
    assert "| sparsestat |" in text
    record["peers"]["other"] = {"name": "other", "reason": "No module"}
    text = "\n".join(section("E", {"title": "intervals", **record}))
    assert "other: not installed (No module)." in text


def test_draws_are_as_described():
    X, y, coef = draw(4_000, 30, seed=1)
    assert np.count_nonzero(coef) == 5
    correlation = np.corrcoef(X.T)[np.arange(29), np.arange(1, 30)]
    np.testing.assert_allclose(correlation.mean(), 0.5, atol=0.03)
    np.testing.assert_allclose(np.std(y - X @ coef), 1.0, atol=0.05)
