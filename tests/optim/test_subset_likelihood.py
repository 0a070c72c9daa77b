"""Likelihoods and searches for subsets against differences, refits and enumeration."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from sparsestat.optim.datafits import Gamma, Logistic, Poisson, Quadratic
from sparsestat.optim.design import make_design, with_norms
from sparsestat.optim.subset import (
    HazardLikelihood,
    LikelihoodProblem,
    OrdinalLikelihood,
    SampleLikelihood,
    SoftmaxLikelihood,
    likelihood_path,
)
from sparsestat.optim.subset._climb import factor, hessian
from sparsestat.optim.subset._loss import n_drags
from sparsestat.optim.subset._newton import improve, maximise, predictions_without
from sparsestat.optim.subset._table import look, promised_changes
from sparsestat.optim.subset._units import make_units

WITH_INTERCEPT = ["gaussian", "logistic", "poisson", "gamma", "softmax"]
KINDS = [*WITH_INTERCEPT, "breslow", "efron", "ordinal"]


def correlated(rng, n, p, rho):
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    return X


def likelihood_of(kind, rng, z, weight, offset=None):
    """Targets drawn from linear predictions z, and their likelihood."""
    n = len(z)
    if kind == "softmax":
        scores = np.column_stack([z, -z, 0 * z]) + rng.gumbel(size=(n, 3))
        off = None if offset is None else np.column_stack([offset, 0 * z, -offset])
        return SoftmaxLikelihood(scores.argmax(axis=1), 3, off, weight)
    if kind in ("breslow", "efron"):
        time = np.ceil(4 * rng.exponential(np.exp(-z)))
        return HazardLikelihood(time, rng.random(n) < 0.8, kind, offset, weight)
    if kind == "ordinal":
        y = np.digitize(z + rng.logistic(size=n), [-1.0, 0.5, 1.0])
        y[:4] = np.arange(4)
        return OrdinalLikelihood(y, 4, offset, weight)
    mean = np.exp(np.clip(0.6 * z, -3, 3))
    datafit, y = {
        "gaussian": (Quadratic(), z + rng.standard_normal(n)),
        "logistic": (Logistic(), np.where(rng.logistic(size=n) < z, 1.0, -1.0)),
        "poisson": (Poisson(), rng.poisson(mean).astype(float)),
        "gamma": (Gamma(), mean * rng.gamma(2.0, 0.5, size=n)),
    }[kind]
    return SampleLikelihood(datafit, y, offset, True, weight)


def problem_of(kind, seed=0, n=90, p=7, rho=0.8, *, ridge=0.0, labels=None):
    rng = np.random.default_rng(seed)
    X = correlated(rng, n, p, rho)
    coef = np.zeros(p)
    coef[rng.choice(p, 3, replace=False)] = rng.choice([-1.0, 1.0], 3)
    weight = rng.integers(1, 3, n).astype(float)
    share = weight / weight.sum()
    design = make_design(X, sample_weight=share, standardize=True)
    likelihood = likelihood_of(kind, rng, X @ coef, weight)
    units = None if labels is None else make_units(np.asarray(labels))
    has_intercept = kind in WITH_INTERCEPT
    return LikelihoodProblem(
        with_norms(design, share), likelihood, np.full(p, ridge), units,
        has_intercept, 1e-9,
    )  # fmt: skip


def fit(problem, units):
    return maximise(problem, np.array(units, np.int64), problem.null)


def hessian_of(likelihood, h, aux, X):
    """Hessian of the coefficients of the rows of X."""
    H = np.empty((len(X) * likelihood.n_columns,) * 2)
    T = np.empty((len(X), n_drags(likelihood.loss)))
    hessian(likelihood.loss, h, aux, X, np.arange(len(X)), T, H)
    return H


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_differences(kind):
    rng = np.random.default_rng(3)
    n = 12
    weight = rng.integers(0, 3, n).astype(float)
    weight[:6] = 1.0
    offset = rng.standard_normal(n)
    found = likelihood_of(kind, rng, rng.standard_normal(n), weight, offset)
    shape = len(found.rows), found.n_columns
    z = 0.5 * rng.standard_normal(shape)
    _, u, h, aux = found.derivatives(z)
    slope = approx_fprime(z.ravel(), lambda v: found.value(v.reshape(shape)), 1e-7)
    np.testing.assert_allclose(-u.ravel(), slope, atol=1e-6)
    step = 1e-6 * rng.standard_normal(shape)
    change = found.derivatives(z - step)[1] - found.derivatives(z + step)[1]
    bent = hessian_of(found, h, aux, np.eye(shape[0])) @ step.ravel()
    np.testing.assert_allclose(bent, change.ravel() / 2.0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_enumeration(kind):
    problem = problem_of(kind, seed=1)
    sizes = np.arange(5)
    best = [
        min(fit(problem, A).objective for A in combinations(range(7), size))
        for size in sizes
    ]
    for solver in ("swap", "exact"):
        path = likelihood_path(problem_of(kind, seed=1), sizes, solver=solver)
        found = [point.objective for point in path.points]
        np.testing.assert_allclose(found, best, rtol=1e-9)
        assert all(point.gradient <= problem.tol for point in path.points)
        assert (path.lower_bounds <= np.array(best) * (1 + 1e-9)).all()
    assert path.optimal.all()


@pytest.mark.parametrize("max_nodes", [0, 1, 4, 12])
@pytest.mark.parametrize("kind", ["logistic", "poisson"])
def test_stopped_search_bounds_the_optimum(kind, max_nodes):
    sizes = [3]
    full = likelihood_path(problem_of(kind, seed=2, p=9), sizes, solver="exact")
    assert full.optimal[0]
    path = likelihood_path(
        problem_of(kind, seed=2, p=9), sizes, solver="exact", max_nodes=max_nodes
    )
    best = full.points[0].objective
    assert path.lower_bounds[0] <= best * (1 + 1e-12)
    assert path.n_nodes <= max_nodes + 9
    assert path.points[0].objective >= best * (1 - 1e-12)


@pytest.mark.parametrize(
    "labels, ridge", [(None, 0.0), (None, 0.1), ([0, 1, 0, 2, 1, 3, 2], 0.02)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_exchanges_are_those_of_the_quadratic_model(kind, labels, ridge):
    """Promised changes against the quadratic model solved with each set of units."""
    problem = problem_of(kind, seed=4, ridge=ridge, labels=labels)
    active = [1, 2]
    point = fit(problem, active)
    everything = np.arange(problem.n_units)
    problem.load(everything)
    m = problem.m
    first = int(problem.fit_intercept)
    features = problem.features(problem.loaded)
    row = first + np.argsort(features)
    X = problem.model.X[1 - first :]
    _, u, h, aux = problem.likelihood.derivatives(point.z)
    D = problem.model.ridge[1 - first :]
    H = hessian_of(problem.likelihood, h, aux, np.ascontiguousarray(X))
    H += np.diag(np.repeat(D, m))
    theta = np.zeros((len(X), m))
    theta[row[point.features]] = point.coef
    if first:
        theta[0] = point.intercept
    gradient = (X @ u - D[:, None] * theta).ravel()
    linear = H @ theta.ravel() + gradient

    def least(units):
        rows = np.concatenate([np.arange(first), row[problem.features(units)]])
        at = (rows.astype(int)[:, None] * m + np.arange(m)).ravel()
        if len(at) == 0:
            return 0.0
        c = linear[at]
        return -0.5 * c @ np.linalg.lstsq(H[np.ix_(at, at)], c, rcond=1e-12)[0]

    now = least(np.array(active))
    around = improve(problem, point)
    at = problem.place[point.units]
    rows = np.concatenate([np.arange(first), problem.starts[at]])
    if labels is not None:
        spans = [np.arange(problem.starts[a], problem.starts[a + 1]) for a in at]
        rows = np.concatenate([np.arange(first), *spans])
    chosen = ((rows - 1 + first)[:, None] * m + np.arange(m)).ravel()
    R = np.linalg.cholesky(H[np.ix_(chosen, chosen)])
    free = np.zeros(problem.n_units, bool)
    table, *_ = look(
        problem.model, problem.starts, 0, free, at, rows, problem.theta(point),
        np.ascontiguousarray(u.T), h, aux, around.fit.T, R, 0,
    )  # fmt: skip
    outside = np.setdiff1d(everything, active)
    for j in outside:
        gain = now - least(np.array([*active, j]))
        promised = around.gains[problem.place[j]]
        assert promised == pytest.approx(gain, rel=1e-6, abs=1e-11)
    gains = np.empty(problem.n_units)
    for i, unit in enumerate(active):
        rest = np.array([a for a in active if a != unit])
        cost = least(rest) - now
        assert around.costs[i] == pytest.approx(cost, rel=1e-6, abs=1e-11)
        found = promised_changes(
            problem.model, problem.starts, 0, at, problem.theta(point), table, i, gains
        )
        assert found == pytest.approx(cost, rel=1e-6, abs=1e-11)
        for j in outside:
            gain = least(rest) - least(np.append(rest, j))
            promised = gains[problem.place[j]]
            assert promised == pytest.approx(gain, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("labels", [None, [0, 1, 0, 2, 2, 3, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_without_a_unit(kind, labels):
    """The other coefficients move to where the quadratic model has no slope left."""
    problem = problem_of(kind, seed=4, ridge=0.05, labels=labels)
    point = fit(problem, [0, 1, 2])
    features = problem.features(point.units)
    first, m = int(problem.fit_intercept), problem.m
    lookup = dict(zip(problem.features(problem.loaded), range(1, 9), strict=False))
    rows = [*range(first), *(lookup[f] for f in features)]
    X, D = problem.model.X[rows], problem.model.ridge[rows]
    _, _, h, aux = problem.likelihood.derivatives(point.z)
    H = hessian_of(problem.likelihood, h, aux, X) + np.diag(np.repeat(D, m))
    found = predictions_without(problem, improve(problem, point), np.array([2, 0]))
    for k, z in zip([2, 0], found, strict=True):
        step = np.linalg.lstsq(X.T, z - point.z)[0]
        assert X.T @ step == pytest.approx(z - point.z, abs=1e-9)
        gone = np.isin(features, problem.features(point.units[[k]]))
        assert step[first:][gone] == pytest.approx(-point.coef[gone], abs=1e-9)
        stays = np.repeat(np.append(np.ones(first, bool), ~gone), m)
        assert (H @ step.ravel())[stays] == pytest.approx(0.0, abs=1e-9)


def test_what_is_settled_is_not_fitted_again():
    problem = problem_of("logistic", seed=3, p=12, rho=0.95)
    options = {"exchange_max": 2, "swap": True, "max_iter": 20, "margin": 1e-11}
    problem.load(np.arange(12))
    start = fit(problem, [0, 5, 9])
    first = improve(problem, start, **options)
    before = problem.n_fits
    second = improve(problem, first.point, **options)
    assert first.settled
    assert second.settled
    assert problem.n_fits == before
    key = first.point.units.tobytes()
    assert improve(problem, start, known={key: first}, **options) is first
    alone = problem_of("logistic", seed=3, p=12, rho=0.95)
    alone.load(np.arange(12))
    again = improve(alone, first.point, **options)
    assert again.settled
    assert again.point.units.tolist() == first.point.units.tolist()
    assert alone.n_fits > 1


@pytest.mark.parametrize("labels", [None, np.arange(12) % 7])
@pytest.mark.parametrize("kind", ["logistic", "softmax", "efron", "ordinal"])
def test_units_that_join_are_all_that_is_looked_at(kind, labels):
    """What is known of other units stays, and what is found is what all units give."""
    problem = problem_of(kind, seed=5, p=12, labels=labels)
    n_units = problem.n_units
    options = {"exchange_max": 2, "swap": True, "max_iter": 20, "margin": 1e-11}
    problem.load(np.array([0, 2, 3, 5]))
    first = improve(problem, fit(problem, [2, 5]), **options)
    assert first.settled == 4
    known = {first.point.units.tobytes(): first}
    problem.load(np.arange(n_units))
    seen = improve(problem, first.point, known=known)
    whole = improve(problem, first.point)
    assert seen.gains == pytest.approx(whole.gains, rel=1e-6, abs=1e-10)
    assert seen.costs == pytest.approx(whole.costs, rel=1e-6)
    assert seen.settled == 4
    found = improve(problem, first.point, known=known, **options)
    problem.floors.clear()
    again = improve(problem, first.point, **options)
    assert found.settled == again.settled == n_units
    assert found.point.units.tolist() == again.point.units.tolist()


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("sparsestat.optim.subset._newton._FLOORS", 10)
    problem = problem_of("logistic", seed=3, p=12, rho=0.95)
    path = likelihood_path(problem, np.arange(9), solver="swap")
    assert len(problem.floors) == 10
    other = problem_of("logistic", seed=3, p=12, rho=0.95)
    monkeypatch.setattr("sparsestat.optim.subset._newton._FLOORS", 10**6)
    same = likelihood_path(other, np.arange(9), solver="swap")
    assert len(other.floors) > 10
    for point, found in zip(path.points, same.points, strict=True):
        assert point.units.tolist() == found.units.tolist()


def test_gaps_of_splicing_are_those_of_exchanges():
    gaps = []
    for seed in range(4):
        problem = problem_of("logistic", seed=seed, p=12, rho=0.95)
        path = likelihood_path(problem, [2, 3, 4], solver="splicing")
        for point, gap in zip(path.points, path.swap_gaps, strict=True):
            new = problem_of("logistic", seed=seed, p=12, rho=0.95)
            new.load(problem.loaded)
            better = improve(new, point, swap=True, max_iter=1)
            fall = 1.0 - better.point.objective / point.objective
            assert gap == pytest.approx(max(fall, 0.0), abs=1e-9)
            gaps.append(gap)
    assert max(gaps) > 1e-6


def test_sizes_never_get_worse():
    for seed in range(5):
        problem = problem_of("logistic", seed=seed, p=12, rho=0.95)
        path = likelihood_path(problem, np.arange(9), solver="swap")
        objective = [point.objective for point in path.points]
        assert (np.diff(objective) <= 1e-12).all()
        single = likelihood_path(
            problem_of("logistic", seed=seed, p=12, rho=0.95), [4], solver="swap"
        )
        assert objective[4] <= single.points[0].objective * (1 + 1e-9)


def test_restarts_and_starts():
    problem = problem_of("poisson", seed=7, p=10, rho=0.95)
    best = likelihood_path(problem, [3], solver="exact").points[0]
    again = likelihood_path(
        problem_of("poisson", seed=7, p=10, rho=0.95), [3], solver="splicing",
        n_restarts=3, start=[best.units],
    )  # fmt: skip
    assert again.points[0].units.tolist() == best.units.tolist()


def test_factor_ends_where_there_is_none():
    H, R = np.array([[1.0, np.nan], [np.nan, 1.0]]), np.zeros((2, 2))
    factor(H, R)
    assert not np.allclose(R @ R.T, np.eye(2))
