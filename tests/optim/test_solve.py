"""Every solver on every storage and penalty, certified; oracles and equivalences."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import xlog1py

from sparsestat.optim import (
    datafits,
    path,
    penalties,
    quadratic_path,
    solve,
    to_cvxpy,
)
from sparsestat.optim.penalties import L1, ElasticNet
from tests import naive
from tests.optim.problems import STORAGES, certified, freeze, make_data

SOLVERS = {
    "auto": {},
    "gram": {"precompute": True},
    "working set": {"solver": "face_newton", "precompute": False},
    "residual": {"solver": "cd"},
}
SQUARES = datafits.Quadratic()
WIDE, TALL = (20, 35), (40, 12)
each_solver = pytest.mark.parametrize("solver", SOLVERS)


def weights(p):
    """Of every kind: two unpenalised, two excluded."""
    found = 0.5 + np.arange(p) % 3 / 2.0
    found[[1, p - 2]], found[[0, 4]] = 0.0, np.inf
    return found


PENALTIES = {
    "l1": lambda p: L1(0.1),
    "l1+": lambda p: L1(0.05, None, True),
    "weighted l1": lambda p: L1(0.1, weights(p)),
    "weighted l1+": lambda p: L1(0.1, weights(p), True),
    "elastic net": lambda p: ElasticNet(0.1, 0.5, weights(p)),
    "elastic net+": lambda p: ElasticNet(0.1, 0.9, weights(p), True),
    "ridge": lambda p: ElasticNet(0.1, 0.0, weights(p)),
}
each_penalty = pytest.mark.parametrize("penalty", PENALTIES)


@each_solver
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [WIDE, TALL], ids=["wide", "tall"])
def test_every_storage_is_certified(solver, storage, shape):
    X, y = make_data(*shape, density=0.8)
    given = freeze(STORAGES[storage](X))
    found = solve(given, freeze(y.copy()), SQUARES, L1(0.02), **SOLVERS[solver])
    assert found.converged
    assert certified(X, y, found.coef, L1(0.02))
    assert found.coef.dtype == np.float64


@each_solver
@each_penalty
@pytest.mark.parametrize("shape", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize(
    "mode", [(True, True), (True, False), (False, True), (False, False)], ids=str
)
def test_every_penalty_is_certified(solver, penalty, shape, mode):
    X, y = make_data(*shape, seed=1)
    sample_weight = np.arange(shape[0]) % 3.0 if mode[1] else None
    options = {
        "fit_intercept": mode[0],
        "standardize": mode[1],
        "sample_weight": sample_weight,
    }
    pen = PENALTIES[penalty](shape[1])
    found = solve(X, y, SQUARES, pen, tol=1e-8, **options, **SOLVERS[solver])
    assert found.converged
    assert certified(X, y, found.coef, pen, tol=1e-8, **options)
    assert found.n_iter >= 1
    if not mode[0]:
        assert found.intercept == 0.0


@pytest.mark.parametrize("shape", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize("mode", [(True, False), (False, True)], ids=str)
@each_penalty
def test_agrees_with_cvxpy(penalty, shape, mode):
    pytest.importorskip("cvxpy")
    X, y = make_data(*shape, seed=2)
    sample_weight = 0.5 + np.arange(shape[0]) % 3 if mode[1] else None
    options = {"fit_intercept": mode[0], "sample_weight": sample_weight}
    problem = X, y, SQUARES, PENALTIES[penalty](shape[1])
    oracle, variables = to_cvxpy(*problem, **options)
    oracle.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11)
    found = solve(*problem, tol=1e-10, **options)
    assert found.objective == pytest.approx(oracle.value, rel=1e-6)
    np.testing.assert_allclose(found.coef, variables["coef"].value, atol=1e-4)
    if mode[0]:
        assert found.intercept == pytest.approx(variables["intercept"].value, abs=1e-4)
    else:
        assert "intercept" not in variables


def test_cvxpy_translates_what_it_knows():
    X, y = make_data(*TALL)
    with pytest.raises(TypeError, match="datafit must be"):
        to_cvxpy(X, y, L1(1.0), L1(1.0))
    with pytest.raises(TypeError, match="penalty must be"):
        to_cvxpy(X, y, SQUARES, SQUARES)


@each_solver
@pytest.mark.parametrize("penalty", ["l1", "l1+", "weighted l1", "elastic net+"])
@pytest.mark.parametrize("storage", ["F", "csc"])
def test_path_is_certified_and_equals_single_fits(solver, penalty, storage):
    X, y = make_data(*WIDE, density=0.8, seed=3)
    stored, pen = STORAGES[storage](X), PENALTIES[penalty](WIDE[1])
    problem = stored, y, SQUARES, pen
    options = {"tol": 1e-9, **SOLVERS[solver]}
    found = path(*problem, alphas=15, eps=1e-3, **options)
    assert found.converged.all()
    assert (np.diff(found.alphas) < 0.0).all()
    assert found.alphas[-1] == pytest.approx(1e-3 * found.alphas[0])
    for k in range(0, 15, 7):
        at_k = pen._replace(alpha=found.alphas[k])
        coef = found.coefs[:, [k]].toarray().ravel()
        assert certified(X, y, coef, at_k, tol=1e-9)
        single = solve(stored, y, SQUARES, at_k, **options)
        scale = np.abs(coef).max()
        np.testing.assert_allclose(coef, single.coef, atol=1e-3 * scale)
        bound = 2.0 * found.gap_tol
        assert found.objectives[k] == pytest.approx(single.objective, abs=bound)
        residual = y - X @ coef - found.intercepts[k]
        assert found.losses[k] == pytest.approx(0.5 * np.mean(residual**2))
        assert found.gaps[k] <= found.gap_tol


@each_solver
@pytest.mark.parametrize("penalty", ["l1", "l1+", "weighted l1", "weighted l1+"])
def test_alpha_max_is_exact(solver, penalty):
    X, y = make_data(*WIDE, seed=4)
    pen = PENALTIES[penalty](WIDE[1])
    top = path(X, y, SQUARES, pen, alphas=2, eps=0.5, **SOLVERS[solver]).alphas[0]

    def entered(alpha):
        at = pen._replace(alpha=alpha)
        coef = solve(X, y, SQUARES, at, tol=1e-12, **SOLVERS[solver]).coef
        free = () if pen.weights is None else np.flatnonzero(pen.weights == 0.0)
        return np.setdiff1d(np.flatnonzero(coef), free)

    assert len(entered(top * (1.0 + 1e-9))) == 0
    assert len(entered(top * 10.0)) == 0
    assert len(entered(top * (1.0 - 1e-3))) == 1


@each_solver
def test_null_model_of_unpenalised_features_is_least_squares(solver):
    X, y = make_data(*TALL, seed=5)
    for positive in (False, True):
        pen = L1(1e3, weights(TALL[1]), positive)
        found = solve(X, y, SQUARES, pen, **SOLVERS[solver])
        free = np.flatnonzero(pen.weights == 0.0)
        A, target = X[:, free] - X[:, free].mean(axis=0), y - y.mean()
        least = naive.nonnegative_least_squares if positive else np.linalg.lstsq
        expected = least(A, target) if positive else least(A, target)[0]
        np.testing.assert_allclose(found.coef[free], expected, atol=1e-10)
        assert np.count_nonzero(found.coef) == np.count_nonzero(expected)


@pytest.mark.parametrize("positive", [False, True])
def test_alpha_zero_is_least_squares(positive):
    X, y = make_data(30, 5, seed=6)
    pen = L1(0.0, np.array([1.0, np.inf, 2.0, 0.0, 1.0]), positive)
    found = solve(X, y, SQUARES, pen, fit_intercept=False)
    kept = [0, 2, 3, 4]
    if positive:
        expected = naive.nonnegative_least_squares(X[:, kept], y)
    else:
        expected = np.linalg.lstsq(X[:, kept], y)[0]
    np.testing.assert_allclose(found.coef[kept], expected, atol=1e-10)
    assert found.coef[1] == 0.0
    assert found.converged


@pytest.mark.parametrize("seed", [319, 590, 707])
def test_nothing_is_left_for_positive_least_squares(seed):
    # SciPy 1.17.1 answers with large coefficients here.
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((10, 3)), rng.standard_normal(10)
    rest = y - X @ naive.nonnegative_least_squares(X, y)
    found = solve(X, rest, SQUARES, L1(0.0, None, True), fit_intercept=False)
    np.testing.assert_allclose(found.coef, 0.0, atol=1e-12)
    assert found.converged


@each_solver
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaling_laws(solver, factor):
    X, y = make_data(*WIDE, seed=7)
    options = {"tol": 1e-12, **SOLVERS[solver]}
    found = solve(X, y, SQUARES, L1(0.1), **options)
    scaled = solve(X, factor * y, SQUARES, L1(factor * 0.1), **options)
    np.testing.assert_allclose(scaled.coef, factor * found.coef, atol=1e-6 * factor)
    assert scaled.gap <= 1e-12 * factor**2 * np.var(y)
    sizes = factor ** np.linspace(0.0, 1.0, WIDE[1])
    plain = solve(X, y, SQUARES, L1(0.1), standardize=True, **options)
    columns = solve(X * sizes, y, SQUARES, L1(0.1), standardize=True, **options)
    np.testing.assert_allclose(columns.coef * sizes, plain.coef, atol=1e-6)
    order = np.random.default_rng(0).permutation(WIDE[1])
    permuted = solve(np.asfortranarray(X[:, order]), y, SQUARES, L1(0.1), **options)
    np.testing.assert_allclose(permuted.coef, found.coef[order], atol=1e-6)


@each_solver
def test_samples_of_weight_zero_do_not_count(solver):
    X, y = make_data(*TALL, seed=8)
    kept = np.arange(len(y)) % 4 > 0
    spoiled = np.where(kept, y, 1e6)
    options = {"tol": 1e-12, "standardize": True, **SOLVERS[solver]}
    found = solve(X, spoiled, SQUARES, L1(0.1), sample_weight=3.0 * kept, **options)
    fewer = solve(np.asfortranarray(X[kept]), y[kept], SQUARES, L1(0.1), **options)
    np.testing.assert_allclose(found.coef, fewer.coef, atol=1e-7)
    assert found.intercept == pytest.approx(fewer.intercept)
    assert found.objective == pytest.approx(fewer.objective)


@each_solver
@pytest.mark.parametrize("penalty", ["weighted l1", "elastic net"])
def test_a_start_changes_the_work_not_the_answer(solver, penalty):
    X, y = make_data(*WIDE, seed=9)
    problem = X, y, SQUARES, PENALTIES[penalty](WIDE[1])
    options = {"tol": 1e-10, "standardize": True, **SOLVERS[solver]}
    cold = solve(*problem, **options)
    for coef0 in (cold.coef, np.zeros(WIDE[1]), np.linspace(-5.0, 5.0, WIDE[1])):
        warm = solve(*problem, coef0=coef0, **options)
        assert warm.converged
        np.testing.assert_allclose(warm.coef, cold.coef, atol=1e-4)
        assert warm.n_iter <= cold.n_iter or coef0 is not cold.coef


@each_solver
def test_no_feature_and_no_target(solver):
    X, y = make_data(*TALL)
    everything = L1(0.1, np.full(TALL[1], np.inf))
    for problem in (
        (X, y, SQUARES, everything),
        (X, np.full(len(y), 3.0), SQUARES, L1(0.1)),
        (np.zeros_like(X), y, SQUARES, L1(0.1)),
    ):
        found = solve(*problem, **SOLVERS[solver])
        assert found.converged
        assert not found.coef.any()
        assert found.gap == pytest.approx(0.0, abs=1e-14)
        assert found.intercept == pytest.approx(problem[1].mean())
        along = path(*problem, alphas=5, **SOLVERS[solver])
        assert along.converged.all()
        assert along.coefs.nnz == 0


@each_solver
def test_rounds_are_counted_and_limited(solver):
    X, y = make_data(*WIDE, seed=10)
    found = solve(X, y, SQUARES, L1(1e-3), tol=1e-30, max_iter=1, **SOLVERS[solver])
    assert not found.converged
    assert np.isfinite(found.coef).all()
    assert np.isfinite(found.gap)
    ready = solve(X, y, SQUARES, L1(1e-3), **SOLVERS[solver])
    assert found.objective == pytest.approx(ready.objective, rel=1e-3)


def test_more_rounds_of_coordinate_descent_get_further(monkeypatch):
    monkeypatch.setattr(quadratic_path, "_INNER_ROUNDS", 1)
    monkeypatch.setattr(quadratic_path, "_PATIENCE", 1)
    X, y = make_data(*WIDE, seed=10)
    problem = X, y, SQUARES, L1(1e-3)
    options = {"solver": "cd", "tol": 1e-13}
    few, more, enough = (solve(*problem, max_iter=k, **options) for k in (1, 3, 100))
    assert not few.converged
    assert enough.converged
    assert enough.gap < few.gap
    assert enough.gap <= more.gap <= few.gap


def test_grids():
    X, y = make_data(*TALL)
    problem = X, y, SQUARES, penalties.L1(1.0)
    given = path(*problem, alphas=[0.01, 1.0, 0.1])
    assert given.alphas.tolist() == [1.0, 0.1, 0.01]
    assert path(*problem).alphas[-1] == pytest.approx(1e-4 * path(*problem).alphas[0])
    seen = []
    path(*problem, alphas=3, on_step=lambda k, step: seen.append((k, step.converged)))
    assert seen == [(0, True), (1, True), (2, True)]
    assert given.n_iters.shape == given.converged.shape == (3,)
    assert given.coefs.shape == (TALL[1], 3)


class LogCosh(NamedTuple):
    """log cosh(y - z): a smooth absolute error, from outside the package."""


@datafits.loss.register(LogCosh)
def _(datafit, y, z):
    return np.logaddexp(y - z, z - y) - np.log(2.0)


@datafits.dual_variable.register(LogCosh)
def _(datafit, y, z):
    return np.tanh(y - z)


@datafits.second_derivative.register(LogCosh)
def _(datafit, y, z):
    return 1.0 / np.cosh(y - z) ** 2


@datafits.dual_value.register(LogCosh)
def _(datafit, y, u):
    return y * u - 0.5 * (xlog1py(1.0 + u, u) + xlog1py(1.0 - u, -u))


@datafits.least_loss.register(LogCosh)
def _(datafit, y):
    return np.zeros_like(y)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_datafits_of_users_are_minimised_and_certified(fit_intercept):
    cp = pytest.importorskip("cvxpy")
    X, y = make_data(*TALL)
    found = solve(X, y, LogCosh(), L1(0.05), tol=1e-9, fit_intercept=fit_intercept)
    w, b = cp.Variable(X.shape[1]), cp.Variable()
    r = y - X @ w - (b if fit_intercept else 0.0)
    loss = cp.sum(cp.logistic(2 * r) - r) / len(y) - np.log(2.0)
    best = cp.Problem(cp.Minimize(loss + 0.05 * cp.norm1(w)))
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert found.converged
    assert 0 < np.count_nonzero(found.coef) < X.shape[1]
    assert found.objective == pytest.approx(best.value, abs=1e-8)
    np.testing.assert_allclose(found.coef, w.value, atol=1e-4)


class Incomplete(NamedTuple):
    """Without a curvature."""


datafits.loss.register(Incomplete)(lambda datafit, y, z: np.abs(y - z))


def test_other_datafits_are_refused():
    X, y = make_data(*TALL)
    for other in (L1(1.0), Incomplete()):
        with pytest.raises(TypeError, match="datafit must be Quadratic"):
            solve(X, y, other, L1(1.0))
