"""Solvers of penalties that are not convex: stationary points, and good ones."""

import numpy as np
import pytest

from sparsestat.optim import datafits, path, solve
from sparsestat.optim.gradient import largest_eigenvalue
from sparsestat.optim.penalties import L1, MCP, SCAD, LogSum, Lq, prepare, prox, value
from sparsestat.optim.pncg import conjugate_gradient
from sparsestat.optim.run import Run
from sparsestat.optim.uag import accelerated_gradient
from tests import naive
from tests.optim.problems import STORAGES, make_data, shares, violation

SQUARES = datafits.Quadratic()
PENALTIES = [
    MCP(0.1, 3.0),
    SCAD(0.1, 3.7),
    Lq(0.05, 0.5),
    Lq(0.05, 2.0 / 3.0),
    Lq(0.05, 0.3),
    LogSum(0.1, 0.5),
]
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=str)
SOLVERS = ["face_newton", "cd", "pncg", "uag"]


def scale_of(X, y, sample_weight=None, standardize=False, fit_intercept=True):
    """Largest gradient at the null model."""
    share = shares(sample_weight, len(y))
    Z = naive.transformed(X, share, fit_intercept, standardize)
    return np.abs(Z.T @ (share * (y - (share @ y if fit_intercept else 0.0)))).max()


def objective(X, y, coef, penalty):
    penalty = prepare(penalty, X.shape[1])
    residual = y - y.mean() - (X - X.mean(axis=0)) @ coef
    terms = (value(penalty, w, j) for j, w in enumerate(coef))
    return residual @ residual / (2 * len(y)) + sum(terms)


def descend(X, y, penalty):
    """Plain coordinate descent from zero."""
    penalty = prepare(penalty, X.shape[1])
    Z = X - X.mean(axis=0)
    gram, c = Z.T @ Z / len(y), Z.T @ (y - y.mean()) / len(y)
    w = np.zeros(len(c))
    for _ in range(3000):
        before = w.copy()
        for j, size in enumerate(gram.diagonal()):
            w[j] = prox(penalty, w[j] + (c[j] - gram[j] @ w) / size, 1.0 / size, j)
        if np.abs(w - before).max() < 1e-9:
            break
    return w


# The penalty of L_q has no bound of its concavity, as "uag" needs it.
@pytest.mark.parametrize(
    "penalty, solver",
    [
        (penalty, solver)
        for penalty in PENALTIES
        for solver in SOLVERS
        if not (solver == "uag" and isinstance(penalty, Lq))
    ],
    ids=str,
)
def test_every_solver_is_certified(penalty, solver):
    X, y = make_data(40, 60, seed=1)
    found = solve(X, y, SQUARES, penalty, tol=1e-8, solver=solver)
    assert found.converged
    assert found.gap == np.inf
    assert found.stationarity <= 1e-8 * scale_of(X, y)
    assert violation(X, y, found.coef, penalty) <= 1.01e-8 * scale_of(X, y)
    assert found.objective == pytest.approx(objective(X, y, found.coef, penalty), 1e-12)
    assert 0 < np.count_nonzero(found.coef) < 40


@pytest.mark.parametrize("storage", ["F", "C", "F32", "csc", "csc-long"])
@pytest.mark.parametrize("solver", ["auto", "cd", "uag"])
def test_every_storage_is_certified(storage, solver):
    X, y = make_data(50, 20, density=0.5)
    weights = np.ones(20)
    weights[[3, 5]] = 0.0, np.inf
    options = {
        "sample_weight": np.arange(50) % 3.0,
        "standardize": True,
        "fit_intercept": storage != "C",
    }
    found = solve(
        STORAGES[storage](X),
        y,
        SQUARES,
        MCP(0.2, 3.0, weights),
        tol=1e-7,
        solver=solver,
        **options,
    )
    penalty = MCP(0.2, 3.0, weights)
    assert found.converged
    worst = violation(X, y, found.coef, penalty, **options)
    assert worst <= 1.01e-7 * scale_of(X, y, **options)
    assert found.coef[5] == 0.0
    assert found.coef[3] != 0.0


@each_penalty
@pytest.mark.parametrize("shape", [(60, 20), (30, 80)])
def test_never_above_coordinate_descent_from_the_same_start(penalty, shape):
    for seed in range(2):
        X, y = make_data(*shape, seed=seed)
        plain = objective(X, y, descend(X, y, penalty), penalty)
        start = np.zeros(shape[1])
        found = solve(X, y, SQUARES, penalty, coef0=start, tol=1e-8)
        assert found.objective <= plain * (1.0 + 1e-9)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("concave", [MCP(0.1, 1e9), SCAD(0.1, 1e9)])
def test_the_lasso_is_the_limit(concave, positive):
    X, y = make_data(40, 60)
    found = solve(X, y, SQUARES, concave._replace(positive=positive), tol=1e-9)
    lasso = solve(X, y, SQUARES, L1(0.1, None, positive), tol=1e-12)
    np.testing.assert_allclose(found.coef, lasso.coef, atol=1e-6)
    assert (found.coef >= 0.0).all() or not positive


@pytest.mark.parametrize(
    "penalty, power",
    [
        (MCP(0.1), 1.0),
        (SCAD(0.1), 1.0),
        (Lq(0.05, 0.5), 1.5),
        (Lq(0.05, 0.3), 1.7),
        (LogSum(0.1, 0.5), 2.0),
    ],
)
def test_targets_scale(penalty, power):
    X, y = make_data(40, 30)
    c = 7.0
    other = penalty._replace(alpha=penalty.alpha * c**power)
    if isinstance(penalty, LogSum):
        other = other._replace(epsilon=c * penalty.epsilon)
    first = solve(X, y, SQUARES, penalty, tol=1e-9)
    second = solve(X, c * y, SQUARES, other, tol=1e-9)
    np.testing.assert_allclose(second.coef, c * first.coef, atol=1e-6 * c)


def test_order_of_features_does_not_matter_where_the_minimum_is_unique():
    X, y = make_data(200, 20)
    order = np.random.default_rng(0).permutation(20)
    first = solve(X, y, SQUARES, MCP(0.1), tol=1e-10)
    second = solve(X[:, order], y, SQUARES, MCP(0.1), tol=1e-10)
    np.testing.assert_allclose(second.coef, first.coef[order], atol=1e-8)


@each_penalty
def test_path_begins_at_the_smallest_strength_that_leaves_zero(penalty):
    X, y = make_data(40, 60)
    found = path(X, y, SQUARES, penalty, alphas=10, eps=0.05, tol=1e-8)
    sizes = np.diff(found.coefs.indptr)
    assert sizes[0] == 0
    below = found.alphas[0] * (1.0 - 1e-6)
    single = solve(X, y, SQUARES, penalty._replace(alpha=below), tol=1e-8)
    # The first power to enter jumps, and may take others along.
    size = np.count_nonzero(single.coef)
    assert size == 1 or (size > 1 and isinstance(penalty, Lq))
    for k, alpha in enumerate(found.alphas):
        coef = found.coefs[:, [k]].toarray().ravel()
        worst = violation(X, y, coef, penalty._replace(alpha=alpha))
        assert worst <= 1.01e-8 * scale_of(X, y)


def test_whole_gram_matrix_leads_to_the_same_path():
    X, y = make_data(100, 20)
    paths = [
        path(X, y, SQUARES, MCP(1.0), alphas=20, eps=0.01, tol=1e-9, precompute=choice)
        for choice in (True, False)
    ]
    assert paths[0].converged.all()
    np.testing.assert_allclose(
        paths[0].coefs.toarray(), paths[1].coefs.toarray(), atol=1e-6
    )
    assert paths[0].n_passes < paths[1].n_passes


def test_columns_too_small_for_the_concavity():
    # There a coefficient alone has two minima, and the penalty jumps.
    X, y = make_data(60, 12)
    X[:, ::2] *= 0.1
    for penalty in (MCP(0.02, 2.0), SCAD(0.02, 2.5), LogSum(0.01, 0.1)):
        for solver in ("face_newton", "cd", "uag", "pncg"):
            found = solve(X, y, SQUARES, penalty, tol=1e-7, solver=solver)
            assert found.converged
            assert violation(X, y, found.coef, penalty) <= 1.01e-7 * scale_of(X, y)


def test_offsets_do_not_harm_the_certificate():
    X, y = make_data(80, 10)
    found = solve(X + 1e6, y, SQUARES, MCP(0.1), tol=1e-6, precompute=True)
    plain = solve(X, y, SQUARES, MCP(0.1), tol=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.coef, plain.coef, atol=1e-5)


@pytest.mark.parametrize("precompute", [True, False])
def test_duplicated_and_constant_columns(precompute):
    X, y = make_data(40, 10)
    X = np.hstack([X, X, np.ones((40, 1))])
    for penalty in PENALTIES:
        found = solve(X, y, SQUARES, penalty, tol=1e-8, precompute=precompute)
        assert found.converged
        assert found.coef[-1] == 0.0
        assert np.isfinite(found.coef).all()


def test_nothing_to_explain():
    X, y = make_data(30, 5)
    for solver in SOLVERS:
        constant = solve(X, np.full(30, 4.0), SQUARES, MCP(0.1), solver=solver)
        assert constant.converged
        assert not constant.coef.any()
        none = solve(X, y, SQUARES, MCP(1e3), solver=solver)
        assert none.converged
        assert not none.coef.any()


def test_way_down_is_what_is_asked_for():
    X, y = make_data(40, 60)
    counts = [
        solve(X, y, SQUARES, MCP(0.05), n_path=n_path).n_iter for n_path in (1, 10, 50)
    ]
    assert counts == sorted(counts)
    assert counts[2] >= 50


def test_given_start_is_kept():
    # A minimum that the path does not lead to is left alone.
    X, y = make_data(30, 80, seed=1)
    penalty = Lq(0.02, 0.3)
    plain = descend(X, y, penalty)
    again = solve(X, y, SQUARES, penalty, coef0=plain, tol=1e-8)
    np.testing.assert_allclose(again.coef, plain, atol=1e-6)


def test_penalty_without_bounded_concavity_is_refused():
    X, y = make_data(20, 5)
    with pytest.raises(TypeError, match="solver='uag' needs a penalty of bounded conc"):
        solve(X, y, SQUARES, Lq(0.1), solver="uag")
    with pytest.raises(ValueError, match=r"solver='pncg' is for .* got L1"):
        solve(X, y, SQUARES, L1(0.1), solver="pncg")


def correlated(seed, n_samples=200, n_features=500):
    """Correlation 0.7 between neighbours, ten spikes, three times the noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = 0.7 * X[:, j - 1] + np.sqrt(1.0 - 0.49) * X[:, j]
    coef = np.zeros(n_features)
    coef[rng.choice(n_features, 10, replace=False)] = rng.choice([-1.0, 1.0], 10)
    signal = X @ coef
    y = signal + signal.std() / np.sqrt(3.0) * rng.standard_normal(n_samples)
    return np.asfortranarray((X - X.mean(axis=0)) / X.std(axis=0)), y - y.mean()


def proximal_gradient(X, y, penalty, w, lipschitz, tol):
    """The plain method; returns its iterations too."""
    alpha, gamma = penalty.alpha, penalty.gamma
    for n_iter in range(1, 20001):
        z = w + X.T @ (y - X @ w) / (len(y) * lipschitz)
        size = np.abs(z)
        inner = np.sign(z) * (size - alpha / lipschitz)
        inner /= 1.0 - 1.0 / (gamma * lipschitz)
        new = np.where(size <= gamma * alpha, inner, z)
        new[size <= alpha / lipschitz] = 0.0
        if lipschitz * np.abs(new - w).max() <= tol:
            return new, n_iter
        w = new
    raise AssertionError("proximal gradients do not converge")


@pytest.mark.parametrize("method", [accelerated_gradient, conjugate_gradient])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fewer_iterations_than_proximal_gradients(method, seed):
    X, y = correlated(seed)
    run = Run(
        X, y, SQUARES, MCP(0.1, 3.0), None, False, False, 1e-6, 100,
        "pncg", "auto", n_alphas=1,
    )  # fmt: skip
    problem, penalty = run.problem, run.penalty
    lipschitz = largest_eigenvalue(problem)
    eigenvalue = np.linalg.eigvalsh(X @ X.T / len(y)).max()
    assert eigenvalue <= lipschitz <= 1.05 * eigenvalue
    start = X.T @ y / len(y)
    plain, n_plain = proximal_gradient(X, y, penalty, start, lipschitz, 1e-6)
    fast, n_fast = method(problem, penalty, start, lipschitz, 1e-6, 20000)
    assert 4 * n_fast < n_plain
    assert violation(X, y, fast, penalty, fit_intercept=False) <= 1e-5
    if method is accelerated_gradient:  # conjugate ones may take another minimum
        assert objective(X, y, fast, penalty) <= objective(X, y, plain, penalty) + 1e-6


def test_conjugate_gradients_never_go_up():
    X, y = make_data(40, 60)
    run = Run(
        X, y, SQUARES, SCAD(0.1), None, True, False, 1e-6, 100,
        "pncg", "auto", n_alphas=1,
    )  # fmt: skip
    lipschitz = largest_eigenvalue(run.problem)
    w, values = np.full(60, 0.3), []
    for _ in range(40):
        values.append(objective(X, y, w, run.penalty))
        w, _ = conjugate_gradient(run.problem, run.penalty, w, lipschitz, 0.0, 2)
    assert (np.diff(values) <= 1e-14 * values[0]).all()
    assert values[-1] < 0.1 * values[0]
