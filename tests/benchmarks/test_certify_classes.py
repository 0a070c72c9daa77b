"""The judge of linear classifiers, held against the package and other points."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks._certify_classes import class_gaps, worst_class_gap
from benchmarks._peers import Classifiers
from benchmarks.linear_model._generate import classes
from sparsestat.linear_model import SparsemaxClassifier

ALPHAS = np.array([0.01])


@pytest.fixture(scope="module", params=["sparsemax", "softmax"])
def loss(request):
    return request.param


@pytest.fixture(scope="module")
def problem():
    return classes(80, 10, 4)


def fit(problem, loss, tol=1e-10):
    order = 2.0 if loss == "sparsemax" else 1.0
    model = SparsemaxClassifier(0.01, entmax_alpha=order, tol=tol)
    return model.fit(problem.X, problem.y)


def found(loss, coef, intercept):
    return Classifiers(loss, coef[None], intercept[None])


def test_gap_is_small_at_the_solution(problem, loss):
    model = fit(problem, loss)
    solution = found(loss, model.coef_, model.intercept_)
    assert worst_class_gap(problem.X, problem.y, solution, ALPHAS) <= 1e-9


def test_gap_bounds_the_suboptimality(problem, loss):
    best = fit(problem, loss)
    null = best.dual_gap_tol_ / 1e-10
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1, 1.0):
        coef = best.coef_ + size * rng.standard_normal(best.coef_.shape)
        gap = class_gaps(
            problem.X, problem.y, found(loss, coef, best.intercept_), ALPHAS
        )
        move = 0.5 * 0.01 * np.sum((coef - best.coef_) ** 2)  # strong convexity
        assert gap[0] * null >= move * (1 - 1e-6)


def test_logistic_regression_of_scikit_learn_is_certified(problem):
    C = 1.0 / (0.01 * len(problem.y))
    gaps = []
    for tol in (1e-2, 1e-6):
        model = LogisticRegression(C=C, tol=tol).fit(problem.X, problem.y)
        theirs = found("softmax", model.coef_, model.intercept_)
        gaps.append(worst_class_gap(problem.X, problem.y, theirs, ALPHAS))
    assert gaps[1] <= 1e-8 < gaps[0]


def test_what_is_not_finite_is_not_solved(problem, loss):
    model = fit(problem, loss, tol=1e-3)
    broken = found(loss, model.coef_ * np.nan, model.intercept_)
    assert np.isinf(class_gaps(problem.X, problem.y, broken, ALPHAS)).all()
