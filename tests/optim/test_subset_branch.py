"""Branch and bound on relaxations, against convex solvers and enumeration."""

from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest

from sparsestat.linear_model import BestSubsetRegressor
from sparsestat.optim.subset import branch_and_bound, make_problem, subset_path
from sparsestat.optim.subset._perspective import Relaxation, conjugate


def wide_problem(seed, n=10, p=14, n_targets=1, ridge=0.1, common=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + common * rng.standard_normal((n, 1))
    Y = X[:, :3] @ rng.choice([-1.0, 1.0], (3, n_targets))
    Y = Y + 0.7 * rng.standard_normal(Y.shape)
    return make_problem(X.T @ X / n, Y.T @ X / n, float((Y**2).sum()) / n, n, ridge)


def objective(problem, support, cost=0.0, most=np.inf):
    """The objective of a support by a convex solver where coefficients are bounded."""
    support = list(support)
    M, linear = problem.gram(np.array(support, np.int64)), problem.linear[:, support]
    value = problem.variance + cost * len(support)
    if not support:
        return value
    coef = np.linalg.solve(M, linear.T)
    if np.sqrt((coef**2).sum(axis=1)).max() > most:
        root = np.linalg.cholesky(M).T
        b = cp.Variable(coef.shape)
        least = cp.sum_squares(root @ b) - 2 * cp.sum(cp.multiply(linear.T, b))
        inside = [cp.norm(b, axis=1) <= most]
        return value + cp.Problem(cp.Minimize(least), inside).solve("CLARABEL")
    return value - float((coef * linear.T).sum())


def enumerated(problem, size, cost=0.0, most=np.inf, exactly=True):
    """The least objective of all subsets of a size, or up to it."""
    sizes = [size] if exactly else range(size + 1)
    every = range(problem.n_features)
    return min(
        objective(problem, A, cost, most) for k in sizes for A in combinations(every, k)
    )


def relaxed(X, Y, D, cost, most, size, status):
    """The perspective relaxation as written, by a conic solver."""
    p, n_targets = X.shape[1], Y.shape[1]
    b, z = cp.Variable((p, n_targets)), cp.Variable(p)
    value = cp.sum_squares(Y - X @ b) + cost * cp.sum(z)
    rules = [z >= 0, z <= 1, cp.sum(z) <= size, z[status == 1] == 1, z[status < 0] == 0]
    for j in range(p):
        if D[j] > 0:
            value += D[j] * cp.quad_over_lin(b[j], z[j])
        if most < np.inf:
            rules.append(cp.norm(b[j]) <= most * z[j])
    if (status < 0).any():
        rules.append(b[status < 0] == 0)
    return cp.Problem(cp.Minimize(value), rules).solve("CLARABEL")


@pytest.mark.parametrize(
    "most, ridged", [(np.inf, True), (0.6, True), (0.2, True), (0.6, False)]
)
@pytest.mark.parametrize("cost, size", [(0.0, 4), (3.0, 4), (8.0, 20)])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_bound_is_the_relaxation(most, ridged, cost, size, n_targets):
    rng = np.random.default_rng(size + n_targets)
    X = rng.standard_normal((12, 20)) + 0.7 * rng.standard_normal((12, 1))
    Y = X[:, :4] @ rng.choice([-1.0, 1.0], (4, n_targets))
    Y = Y + rng.standard_normal(Y.shape)
    D = rng.uniform(0.5, 2.0, 20) * ridged
    status = np.zeros(20, np.int8)
    status[[2, 7]], status[[3, 11]] = 1, -1
    problem = Relaxation(X.T @ X, Y.T @ X, float((Y**2).sum()), D, cost, most)
    for state in (np.zeros(20, np.int8), status):
        expected = relaxed(X, Y, D, cost, most, size, state)
        start = np.zeros((n_targets, 20))
        bound = problem.solve(state, size, start, 1.0, expected * (1 + 1e-7))
        for _ in range(3):
            assert bound.value <= expected * (1 + 1e-7)
            bound = problem.solve(
                state, size, bound.b, bound.price, expected * (1 + 1e-7)
            )
        assert bound.value == pytest.approx(expected, rel=5e-5)
        loose = problem.solve(state, size, start, 1.0, 2.0 * expected)
        assert loose.value <= expected * (1 + 1e-7)


def test_conjugate_is_the_largest_value():
    x = np.linspace(0.0, 0.6, 100_001)
    for d in (0.0, 0.5, 2.0):
        for q in (0.0, 0.1, 0.3, 1.0, 5.0):
            largest = (2 * q * x - d * x**2).max()
            found = conjugate(np.array([q]), np.array([d]), 0.6)[0]
            assert found == pytest.approx(largest, abs=1e-8)


@pytest.mark.parametrize("ridge", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("common", [0.0, 2.0])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_search_is_enumeration(ridge, common, n_targets):
    problem = wide_problem(0, ridge=ridge, common=common, n_targets=n_targets)
    v = problem.variance
    for size in (0, 1, 2, 4):
        best = enumerated(problem, size)
        result = branch_and_bound(problem, size)
        assert result.optimal
        assert result.objective == pytest.approx(best, abs=1e-9 * v)
        assert result.objective == pytest.approx(
            objective(problem, result.support), abs=1e-9 * v
        )
        for max_nodes in (1, 3, 10):
            stopped = branch_and_bound(problem, size, max_nodes=max_nodes)
            assert stopped.lower_bound <= best * (1 + 1e-7)
            assert stopped.objective >= best * (1 - 1e-9)
            assert stopped.lower_bound > 0.0


@pytest.mark.parametrize("most, ridge", [(np.inf, 0.1), (0.4, 0.1), (0.4, 0.0)])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_priced_features_and_bounded_coefficients(most, ridge, n_targets):
    problem = wide_problem(1, n=7, p=6, ridge=ridge, n_targets=n_targets)
    for share in (0.02, 2.0):
        cost = share * problem.variance
        best = enumerated(problem, 6, cost, most, exactly=False)
        result = branch_and_bound(problem, cost=cost, largest=most)
        assert result.optimal
        assert result.objective == pytest.approx(best, rel=1e-7)
        norms = np.sqrt((result.coef**2).sum(axis=0))
        assert norms.max(initial=0.0) <= most * (1 + 1e-12)
        assert len(result.support) == 0 or share < 1.0


def test_locked_features_stay_and_constant_ones_never_come():
    problem = wide_problem(2, p=12)
    problem = problem._replace(diagonal=np.where(np.arange(12) == 4, 0.0, 1.0))
    problem.source.matrix[4] = problem.source.matrix[:, 4] = 0.0
    problem.linear[:, 4] = 0.0
    result = branch_and_bound(problem, 3, locked=np.array([9]))
    best = min(
        objective(problem, A)
        for A in combinations(np.delete(np.arange(12), 4), 3)
        if 9 in A
    )
    assert result.optimal
    assert 9 in result.support
    assert 4 not in result.support
    assert result.objective == pytest.approx(best, rel=1e-9)


def test_many_features_are_seen_by_the_root():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 700))
    y = X[:, 650] - X[:, 3] + X[:, 333] + 0.3 * rng.standard_normal(60)
    problem = make_problem(X.T @ X / 60, X.T @ y / 60, y @ y / 60, 60, 0.1)
    result = branch_and_bound(problem, 3)
    assert result.support.tolist() == [3, 333, 650]
    assert result.optimal
    few = branch_and_bound(problem, 3, max_nodes=1)
    assert 0.0 < few.lower_bound <= result.objective


def test_without_bound_on_coefficients_there_is_an_error():
    with pytest.raises(ValueError, match="a ridge > 0 on every feature; got"):
        branch_and_bound(wide_problem(0, ridge=0.0), 2)


def test_path_takes_the_proof():
    problem = wide_problem(3, n=12, p=16)
    path = subset_path(problem, [1, 2, 3], solver="exact")
    assert path.optimal.all()
    for size, loss, bound in zip(
        path.sizes, path.losses, path.lower_bounds, strict=True
    ):
        best = enumerated(problem, size)
        assert loss == pytest.approx(best, rel=1e-9)
        assert bound == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("solver", ["auto", "exact"])
def test_fewer_samples_than_features_are_proved_with_a_ridge(solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 500))
    y = X[:, [5, 77, 400]] @ np.array([2.0, -2.0, 1.5]) + rng.standard_normal(40)
    model = BestSubsetRegressor(3, alpha=0.1, solver=solver).fit(X, y)
    assert model.optimal_
    assert model.optimality_gap_ == 0.0
    stopped = BestSubsetRegressor(3, alpha=0.1, solver=solver, max_nodes=1).fit(X, y)
    assert 0.0 < stopped.lower_bound_ <= model.lower_bound_ * (1 + 1e-9)
    assert BestSubsetRegressor(3, solver=solver).fit(X, y).lower_bound_ == 0.0
