"""Hundreds of tiny problems, degenerate ones above all, each with its certificate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsestat.optim import datafits, path, solve
from sparsestat.optim.penalties import L1, ElasticNet
from tests.optim.problems import STORAGES, certified, shares

SQUARES = datafits.Quadratic()
SOLVERS = [
    {},
    {"precompute": True},
    {"solver": "face_newton", "precompute": False},
    {"solver": "cd"},
]


def few(values, **counts):
    """Weights of features: at most a few that are not one."""
    return st.dictionaries(st.integers(0, 11), st.sampled_from(values), **counts)


@st.composite
def designs(draw):
    """Small matrices, with the accidents that data have."""
    n, p = draw(st.integers(2, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    X = rng.standard_normal((n, p))
    accident = draw(
        st.sampled_from(["none", "ties", "copies", "rank", "constant", "counts"])
    )
    if accident == "ties":
        X = np.round(X)
    elif accident == "copies":
        X = X[:, rng.integers(0, p, p)]
    elif accident == "rank":
        X = X[:, : 1 + p // 4] @ rng.standard_normal((1 + p // 4, p))
    elif accident == "constant":
        X[:, rng.random(p) < 0.4] = 3.0
    elif accident == "counts":
        X = rng.poisson(0.5, X.shape).astype(float)
    noise = draw(st.sampled_from([0.0, 1.0]))
    y = X[:, :2].sum(axis=1) + noise * rng.standard_normal(n)
    return X, y + draw(st.sampled_from([0.0, 10.0]))


@st.composite
def problems(draw):
    """Data, penalty and options of a fit."""
    X, y = draw(designs())
    n, p = X.shape
    weights = np.ones(p)
    for j, weight in draw(few([0.0, 0.0, 0.5, 3.0, np.inf], max_size=4)).items():
        if j < p:
            weights[j] = weight
    positive = draw(st.booleans())
    rho = draw(st.sampled_from([1.0, 1.0, 0.9, 0.5, 0.0]))
    penalty = L1(1.0, weights, positive)
    if rho < 1.0:
        penalty = ElasticNet(1.0, rho, weights, positive)
    options = {
        "fit_intercept": draw(st.booleans()),
        "standardize": draw(st.booleans()),
        "sample_weight": None,
    }
    if draw(st.booleans()):
        options["sample_weight"] = np.maximum(np.arange(n) % 3.0, float(n < 4))
    return X, y, penalty, options


def scale_of(X, y, options):
    """Largest correlation that could be: what strengths are measured by."""
    share = shares(options["sample_weight"], len(y))
    size = 1.0 if options["standardize"] else np.sqrt(share @ X**2).max()
    return max(size * np.sqrt(share @ y**2), 1e-3)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@settings(max_examples=150)
@given(problems(), st.sampled_from([0.3, 0.03, 1e-3]), st.sampled_from("F csc".split()))
def test_single_fits(solver, problem, strength, storage):
    X, y, penalty, options = problem
    penalty = penalty._replace(alpha=strength * scale_of(X, y, options))
    stored = STORAGES[storage](X)
    found = solve(stored, y, SQUARES, penalty, **options, **solver)
    assert np.isfinite(found.coef).all()
    assert certified(X, y, found.coef, penalty, **options)
    assert found.converged


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@settings(max_examples=40)
@given(problems())
def test_paths(solver, problem):
    X, y, penalty, options = problem
    grid = scale_of(X, y, options) * np.geomspace(1.0, 1e-3, 8)
    found = path(X, y, SQUARES, penalty, alphas=grid, **options, **solver)
    for k, alpha in enumerate(grid):
        coef = found.coefs[:, [k]].toarray().ravel()
        assert certified(X, y, coef, penalty._replace(alpha=alpha), **options)
    assert found.converged.all()


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_support_as_large_as_the_sample(solver):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10, 40)), rng.standard_normal(10)
    penalty = L1(1e-4)
    found = solve(X, y, SQUARES, penalty, fit_intercept=False, tol=1e-8, **solver)
    assert np.count_nonzero(found.coef) == 10
    assert certified(X, y, found.coef, penalty, tol=1e-8, fit_intercept=False)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("positive", [False, True])
def test_unpenalised_features_that_span_all_others(solver, positive):
    rng = np.random.default_rng(1)
    X = np.outer(rng.standard_normal(9), [1.0, 2.0, 0.5, 1.0])
    y = X[:, 0] + rng.standard_normal(9)
    penalty = L1(1.0, np.array([0.0, 1.0, 1.0, 1.0]), positive)
    found = path(X, y, SQUARES, penalty, alphas=6, **solver)
    assert found.converged.all()
    slope = np.polyfit(X[:, 0], y, 1)[0]
    np.testing.assert_allclose(found.coefs.toarray()[0], slope)
    assert not found.coefs.toarray()[1:].any()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_collinear_unpenalised_features_stay_finite(solver, l1_ratio):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((25, 9))
    X[:, [1, 4, 6]] = 3.0
    y = X[:, 0] + rng.standard_normal(25) + 2.0
    weights = np.where(np.isin(np.arange(9), [1, 4, 6]), 0.0, 1.0)
    penalty = ElasticNet(0.01, l1_ratio, weights)
    found = solve(X, y, SQUARES, penalty, fit_intercept=False, tol=1e-8, **solver)
    assert np.abs(found.coef).max() < 10.0
    assert certified(X, y, found.coef, penalty, tol=1e-8, fit_intercept=False)
