"""Best subsets from second moments, against enumeration of all subsets."""

from itertools import combinations

import numpy as np
import pytest

from sparsestat.optim.subset import exact_subset, make_problem, subset_path
from sparsestat.optim.subset._descent import descend
from sparsestat.optim.subset._outside import Outside, outside_changes
from sparsestat.optim.subset._state import (
    best_swap,
    costs,
    enter_unit,
    exchange_changes,
    gains,
    leave_unit,
    loss_of,
    make_state,
    move_to,
)
from sparsestat.optim.subset.exact import diagonal_minorant
from sparsestat.optim.subset.problem import MatrixSource


def moments(rng, n=60, p=12, s=4, rho=0.7, snr=3.0, n_targets=1):
    """G, c and v of a regression with an AR(1) design."""
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros((p, n_targets))
    coef[rng.choice(p, min(s, p), replace=False)] = 1.0
    coef *= rng.choice([-1.0, 1.0], coef.shape)
    y = X @ coef
    y = y + rng.standard_normal(y.shape) * y.std() / np.sqrt(snr)
    return moments_of(X, y)


def moments_of(X, y, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    weight = weight / weight.sum()
    X, y = X - weight @ X, y - weight @ y
    y = y.reshape(len(y), -1)
    G = (weight[:, None] * X).T @ X
    return G, (weight[:, None] * y).T @ X, float((weight @ y**2).sum())


def loss(G, c, v, features):
    """The loss of a subset by least squares from scratch."""
    A = [j for j in features if G[j, j] > 1e-20]
    scale = np.sqrt(G[A, A])
    linear = (c[:, A] / scale).T
    correlation = G[np.ix_(A, A)] / np.outer(scale, scale)
    coef = np.linalg.lstsq(correlation, linear, rcond=1e-11)[0]
    return v - float((coef * linear).sum())


def enumerated(G, c, v, size, count=1):
    """The smallest losses of all subsets of a size."""
    losses = [loss(G, c, v, A) for A in combinations(range(len(G)), size)]
    return np.sort(losses)[:count]


@pytest.mark.parametrize("sizes", [[1] * 14, [1, 2, 3, 4, 2, 2]])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_gains_costs_and_swaps_are_those_of_refits(sizes, n_targets):
    rng = np.random.default_rng(0)
    G, c, v = moments(rng, p=14, n_targets=n_targets)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n_units = len(sizes)
    state = make_state(
        G, c, starts, np.ones(14, bool), np.zeros(n_units, bool), capacity=14
    )
    for _ in range(200):  # more than between two computations anew
        inside = np.flatnonzero(state.inside)
        if len(inside) < 4 and rng.random() < 0.6:
            enter_unit(state, rng.choice(np.flatnonzero(~state.inside)))
        elif len(inside):
            leave_unit(state, rng.choice(inside))
    move_to(state, np.array([0, 2, 4]))
    active = state.units[:3].tolist()

    def refit(units):
        return loss(G, c, v, [j for u in units for j in range(*starts[u : u + 2])])

    base = refit(active)
    assert loss_of(state, v) == pytest.approx(base, abs=1e-12 * v)
    gain, cost = np.empty(n_units), np.empty(3)
    gains(state, gain)
    costs(state, cost)
    others = [u for u in range(n_units) if u not in active]
    for u in others:
        assert gain[u] == pytest.approx(base - refit([*active, u]), abs=1e-10 * v)
    for k in range(3):
        rest = active[:k] + active[k + 1 :]
        assert cost[k] == pytest.approx(refit(rest) - base, abs=1e-10 * v)
    change = np.empty(1)
    dropped, added = best_swap(state, change)
    expected = min(
        (refit([u for u in active if u != i] + [j]) - base, i, j)
        for i in active
        for j in others
    )
    assert (dropped, added) == expected[1:]
    assert change[0] == pytest.approx(expected[0], abs=1e-10 * v)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_best_exchange_is_that_of_the_whole_table(n_targets):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        G, c, v = moments(rng, 60, 30, 5, 0.8, 1.0, n_targets)
        usable, locked = np.ones(30, bool), np.zeros(30, bool)
        usable[rng.choice(30, 4, replace=False)] = False
        state = make_state(G, c, np.arange(31), usable, locked, capacity=8)
        units = rng.choice(np.flatnonzero(usable), 6, replace=False)
        locked[units[0]] = True
        move_to(state, units)
        base, change = loss_of(state, v), np.empty(1)
        dropped, added = best_swap(state, change)
        table = {
            (i, j): loss(G, c, v, [*np.setdiff1d(units, i), j]) - base
            for i in units[1:]
            for j in np.setdiff1d(np.flatnonzero(usable), units)
        }
        assert min(table, key=table.get) == (dropped, added)
        assert change[0] == pytest.approx(table[dropped, added], abs=1e-10 * v)


@pytest.mark.parametrize("sizes", [[1] * 14, [1, 2, 3, 4, 2, 2]])
def test_exchanges_of_several_units_are_those_of_refits(sizes):
    G, c, v = moments(np.random.default_rng(1), p=14, n_targets=2)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n_units = len(sizes)
    state = make_state(
        G, c, starts, np.ones(14, bool), np.zeros(n_units, bool), capacity=14
    )
    move_to(state, np.array([0, 2, 4]))
    going, coming = np.array([4, 0, 2]), np.array([1, 5, 3])

    def refit(units):
        return loss(G, c, v, [j for u in units for j in range(*starts[u : u + 2])])

    change = np.empty(3)
    exchange_changes(state, going, coming, change)
    for k in range(3):
        after = refit([*going[k + 1 :], *coming[: k + 1]])
        assert change[k] == pytest.approx(after - refit(going), abs=1e-10 * v)


@pytest.mark.parametrize("n_targets, ridge", [(1, 0.0), (3, 0.0), (1, 0.2)])
def test_features_outside_that_are_not_judged_are_of_no_use(n_targets, ridge):
    judged = useful = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        G, c, v = moments(rng, 80, 60, 5, 0.8, 1.0, n_targets)
        problem = make_problem(G, c, v, 80, ridge * G.diagonal().mean())
        diagonal = problem.diagonal + problem.ridge
        gain = problem.linear.T**2 @ np.ones(n_targets) / diagonal
        supports = [np.sort(np.argsort(-gain)[:k]) for k in (0, 1, 3, 6)]
        supports += [np.sort(rng.choice(60, 4, replace=False))]
        steps, locked = [0.1 * v, 0.02 * v, 0.01 * v, np.inf, 0.1 * v], supports[1]
        found = Outside(problem).of_supports(supports, steps, locked)
        for A, step, (J, change, gain) in zip(supports, steps, found, strict=True):
            all_changes, all_gains = outside_changes(
                problem, A, G[A], diagonal, np.intersect1d(A, locked)
            )
            np.testing.assert_allclose(change, all_changes[J], atol=1e-12 * v)
            np.testing.assert_allclose(gain, all_gains[J], atol=1e-12 * v)
            rest = np.setdiff1d(np.arange(60), J)
            assert (all_changes[rest] >= 0.0).all()
            assert (all_gains[rest] <= step).all()
            judged += len(J)
            useful += np.sum((all_changes < 0.0) | (all_gains > step))
    assert useful <= judged < 0.9 * 10 * 5 * 60


def degenerate_problem(seed, fewest, most):
    """A random regression with weights, and perhaps repeated and constant columns."""
    rng = np.random.default_rng(seed)
    p = int(rng.integers(fewest, most + 1))
    X = rng.standard_normal((40, p))
    rho = rng.choice([0.0, 0.5, 0.95])
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    y = X[:, 0] - X[:, -1] + rng.choice([0.3, 3.0]) * rng.standard_normal(40)
    if seed % 3 == 0:
        X[:, rng.integers(p)] = X[:, 0]
    if seed % 4 == 0:
        X[:, rng.integers(p)] = 2.0
    weight = rng.integers(1, 4, 40) if seed % 2 else None
    return moments_of(X, y, weight)


def enumerated_sizes(G, c, v):
    """The smallest loss of every size, over all subsets at once.

    Columns that are zero or repeat another one fill a subset up, but explain nothing.
    """
    scale = np.sqrt(np.maximum(G.diagonal(), 1e-300))
    same = np.abs(G) > (1.0 - 1e-10) * np.outer(scale, scale)
    kept = [j for j in range(len(G)) if G[j, j] > 1e-20 and not same[j, :j].any()]
    G, c = G[np.ix_(kept, kept)], c[:, kept]
    best = [v]
    for size in range(1, len(kept) + 1):
        A = np.array(list(combinations(range(len(kept)), size)))
        linear = c[:, A].transpose(1, 2, 0)
        coef = np.linalg.solve(G[A[:, :, None], A[:, None, :]], linear)
        best.append(v - (coef * linear).sum(axis=(1, 2)).max())
    return np.array(best)[np.minimum(np.arange(len(scale) + 1), len(kept))]


def check_against_enumeration(G, c, v):
    result = exact_subset(G, c, v, np.arange(len(G) + 1))
    assert result.optimal.all()
    found = [losses[0] for losses in result.losses]
    np.testing.assert_allclose(found, enumerated_sizes(G, c, v), atol=1e-10 * v)


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_exact_is_enumeration_on_random_problems(first):
    for seed in range(first, first + 20):
        check_against_enumeration(*degenerate_problem(seed, 2, 11))


def test_exact_is_enumeration_at_18_features():
    check_against_enumeration(*degenerate_problem(12, 18, 18))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_exact_is_enumeration_on_larger_random_problems(first):
    for seed in range(first, first + 20):
        check_against_enumeration(*degenerate_problem(seed, 12, 18))


def test_enumeration_of_sizes_is_that_of_subsets():
    for seed in (0, 1, 4):
        G, c, v = degenerate_problem(seed, 4, 6)
        expected = [enumerated(G, c, v, k)[0] for k in range(len(G) + 1)]
        np.testing.assert_allclose(enumerated_sizes(G, c, v), expected, atol=1e-11 * v)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_best_few_subsets_of_each_size(n_targets):
    G, c, v = moments(np.random.default_rng(3), p=9, n_targets=n_targets)
    result = exact_subset(G, c, v, np.arange(10), n_best=4)
    for size, losses in zip(result.sizes, result.losses, strict=True):
        np.testing.assert_allclose(losses, enumerated(G, c, v, size, 4), rtol=1e-9)
    for supports in result.supports:
        assert len({tuple(A) for A in supports}) == len(supports)


@pytest.mark.parametrize("max_nodes", [1, 3, 10, 30, 100])
def test_bounds_hold_where_the_search_is_stopped(max_nodes):
    stopped = 0
    for seed in range(12):
        G, c, v = moments(np.random.default_rng(seed), p=14, rho=0.95, snr=0.5)
        sizes = np.arange(15)
        full = exact_subset(G, c, v, sizes)
        start = {s: [np.arange(s)] for s in sizes}
        result = exact_subset(G, c, v, sizes, start=start, max_nodes=max_nodes)
        for k in sizes:
            optimum = full.losses[k][0]
            assert result.lower_bounds[k] <= optimum * (1 + 1e-9)
            assert result.losses[k][0] >= optimum * (1 - 1e-9)
            if result.optimal[k]:
                assert result.losses[k][0] == pytest.approx(optimum, rel=1e-9)
        stopped += not result.optimal.all()
    assert stopped or max_nodes > 10


def test_locked_features_stay():
    G, c, v = moments(np.random.default_rng(5), p=9)
    locked = np.zeros(9, bool)
    locked[[1, 7]] = True
    result = exact_subset(G, c, v, [2, 3, 4], locked=locked)
    for size, losses in zip(result.sizes, result.losses, strict=True):
        expected = min(
            loss(G, c, v, A) for A in combinations(range(9), size) if {1, 7} <= set(A)
        )
        assert losses[0] == pytest.approx(expected, rel=1e-10)


def test_diagonal_minorant_is_one():
    for seed in range(5):
        G, _, _ = moments(np.random.default_rng(seed), p=20, rho=0.95)
        delta = diagonal_minorant(np.linalg.inv(G))
        assert (delta > 0.0).all()
        assert np.linalg.eigvalsh(G - np.diag(delta)).min() >= 0.0


def test_splicing_alone_exchanges_several_features():
    """Incoherent features: what is missed least goes, what helps most comes."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((400, 60))
        y = X[:, :8] @ np.ones(8) + 0.5 * rng.standard_normal(400)
        G, c, v = moments_of(X, y)
        starts, free = np.arange(61), np.zeros(60, bool)
        state = make_state(G, c, starts, ~free, free, capacity=20)
        move_to(state, np.array([0, 1, 2, 3, 4, 20, 30, 40]))
        assert descend(state, v, 5, False, 100, 1e-12, np.empty(1)) >= 1
        np.testing.assert_array_equal(np.sort(state.units[:8]), np.arange(8))


def test_orthogonal_design_takes_the_largest():
    c = np.random.default_rng(0).standard_normal(30)
    problem = make_problem(np.eye(30), c, c @ c + 1.0, 1000)
    path = subset_path(problem, np.arange(31))
    order = np.argsort(-np.abs(c))
    for size, support in zip(path.sizes, path.supports, strict=True):
        assert set(support) == set(order[:size])


def test_path_never_rises_and_is_what_single_sizes_are():
    for seed in range(5):
        G, c, v = moments(np.random.default_rng(seed), p=20, rho=0.9, snr=1.0)
        problem = make_problem(G, c, v, 60)
        path = subset_path(problem, np.arange(11))
        assert (np.diff(path.losses) <= 0.0).all()
        assert (path.swap_gaps <= 1e-9).all()
        for k in (2, 5, 8):
            single = subset_path(problem, [k])
            assert single.losses[0] == pytest.approx(path.losses[k], rel=1e-10)


class Counting(MatrixSource):
    """A source that counts what is read of it."""

    def __init__(self, gram):
        super().__init__(gram)
        self.read = 0

    def block(self, rows, cols=None):
        self.read += len(rows) * (len(self.matrix) if cols is None else len(cols))
        return super().block(rows, cols)


def test_wide_problems_read_little_and_leave_no_exchange():
    rng = np.random.default_rng(0)
    G, c, v = moments(rng, n=300, p=1200, s=8, rho=0.9, snr=2.0)
    whole = make_problem(G, c, v, 300)
    problem = whole._replace(source=Counting(G))
    path = subset_path(problem)
    assert problem.source.read < 0.25 * G.size
    assert path.n_universe < 600
    for k, support in enumerate(path.supports):
        state = make_state(
            G,
            c,
            np.arange(1201),
            np.ones(1200, bool),
            np.zeros(1200, bool),
            capacity=len(support) + 1,
        )
        move_to(state, support)
        change = np.empty(1)
        best_swap(state, change)
        assert change[0] >= -1e-9 * v
        if k + 1 < len(path.supports):
            gain = np.empty(1200)
            gains(state, gain)
            assert path.losses[k] - gain.max() >= path.losses[k + 1] - 1e-9 * v


@pytest.mark.parametrize("rho, snr, misses", [(0.8, 1.0, 1), (0.95, 5.0, 1)])
def test_exchanges_seldom_miss_the_optimum_and_auto_never(rho, snr, misses):
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(20):
        problem = make_problem(*moments(rng, 100, 25, 6, rho, snr), 100)
        exact = subset_path(problem, [6], solver="exact")
        assert exact.optimal[0]
        swap = subset_path(problem, [6], solver="swap")
        auto = subset_path(problem, [6])
        missed += swap.losses[0] > exact.losses[0] * (1 + 1e-9)
        assert auto.losses[0] <= exact.losses[0] * (1 + 1e-9)
    assert missed <= misses
