"""Groups of features: exchanges against refits, screening, and the exact search."""

from itertools import combinations

import numpy as np
import pytest

from sparsestat.optim import make_design
from sparsestat.optim.subset import make_problem, problem_of_design, subset_path
from sparsestat.optim.subset._groups import Groups, independent_inverse
from tests.optim.test_subset import Counting, loss, moments, moments_of


def random_groups(rng, p, widest):
    """Groups of 1 to `widest` features, in no order."""
    order, groups = rng.permutation(p), []
    while len(order):
        size = int(rng.integers(1, widest + 1))
        groups.append(np.sort(order[:size]))
        order = order[size:]
    return groups


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_changes_outside_are_those_of_refits(n_targets, ridge):
    rng = np.random.default_rng(n_targets)
    G, c, v = moments(rng, p=24, s=8, n_targets=n_targets)
    groups = random_groups(rng, 24, 4)
    problem = make_problem(G, c, v, 60, ridge)
    found = Groups(problem, groups)
    n_units, M = len(groups), G + ridge * np.eye(24)

    def refit(units):
        return loss(M, c, v, [j for u in units for j in groups[u]])

    np.testing.assert_allclose(
        found.scores, [v - refit([u]) for u in range(n_units)], atol=1e-10 * v
    )
    A, locked = np.array([1, 3, 5]), np.array([3])
    rows = G[np.concatenate([groups[u] for u in A])][:, found.order]
    change, gain = found.changes(A, rows, locked)
    base = refit(A)
    for u in range(n_units):
        if u in A:
            assert (change[u], gain[u]) == (np.inf, 0.0)
            continue
        assert gain[u] == pytest.approx(base - refit([*A, u]), abs=1e-10 * v)
        best = min(refit([*A[A != i], u]) for i in (1, 5)) - base
        assert change[u] == pytest.approx(best, abs=1e-10 * v)


def test_dependent_columns_are_left_out():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((30, 6))
    Z[:, 3] = Z[:, 0] - Z[:, 2]
    M = Z.T @ Z
    kept, H = independent_inverse(M, np.zeros(6))
    assert kept.tolist() == [0, 1, 2, 4, 5]
    np.testing.assert_allclose(H @ M[np.ix_(kept, kept)], np.eye(5), atol=1e-10)
    kept, H = independent_inverse(M, np.full(6, 0.5))
    np.testing.assert_allclose(H @ (M + 0.5 * np.eye(6)), np.eye(6), atol=1e-10)


@pytest.mark.parametrize("sparse", [False, True])
def test_blocks_of_a_design_are_those_of_its_gram_matrix(sparse):
    from scipy.sparse import csc_array

    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 600)) * (rng.random((20, 600)) < 0.5)
    weight = rng.random(20)
    weight /= weight.sum()
    design = make_design(csc_array(X) if sparse else X, sample_weight=weight)
    y = rng.standard_normal(20)
    problem = problem_of_design(design, y, weight, 20, 0.2)
    groups = rng.permutation(600).reshape(-1, 3)
    blocks = problem.blocks(groups)
    for group, block in zip(groups, blocks, strict=True):
        np.testing.assert_allclose(block, problem.gram(group), atol=1e-12)


def test_many_groups_read_little_and_leave_no_exchange():
    rng = np.random.default_rng(0)
    G, c, v = moments(rng, n=200, p=900, s=24, rho=0.8, snr=3.0)
    labels = np.repeat(np.arange(300), 3)
    problem = make_problem(G, c, v, 200)._replace(source=Counting(G))
    path = subset_path(problem, np.arange(9), labels=labels)
    assert problem.source.read < 0.4 * G.size
    assert path.n_universe < 150
    assert (np.diff(path.losses) <= 0.0).all()
    found = Groups(make_problem(G, c, v, 200), list(np.arange(900).reshape(-1, 3)))
    whole = subset_path(make_problem(G, c, v, 200), np.arange(9), labels=labels)
    for k, support in enumerate(path.supports):
        rows = G[support][:, found.order]
        A = np.unique(support // 3)
        change, gain = found.changes(A, rows, np.array([], np.int64))
        assert change.min() >= -1e-9 * v
        assert path.losses[k] == pytest.approx(loss(G, c, v, support), rel=1e-9)
        assert path.losses[k] == pytest.approx(whole.losses[k], rel=1e-9)
        if k + 1 < len(path.supports):
            assert path.losses[k] - gain.max() >= path.losses[k + 1] - 1e-9 * v


def test_labels_in_any_order_are_the_same_groups():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((80, 500))
    y = X[:, :8] @ np.ones(8) + rng.standard_normal(80)
    labels = np.arange(500) // 4
    shuffled = rng.permutation(500)

    def path(X, labels):
        weight = np.full(80, 1 / 80)
        design = make_design(X, sample_weight=weight)
        problem = problem_of_design(design, y - y.mean(), weight, 80)
        return subset_path(problem, np.arange(5), labels=labels)

    plain, mixed = path(X, labels), path(X[:, shuffled], labels[shuffled])
    np.testing.assert_allclose(plain.losses, mixed.losses, rtol=1e-9)
    for A, B in zip(plain.supports, mixed.supports, strict=True):
        assert A.tolist() == np.sort(shuffled[B]).tolist()


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_exact_search_of_groups_is_enumeration(seed, n_targets):
    rng = np.random.default_rng(seed)
    G, c, v = moments(rng, p=16, s=6, rho=0.8, snr=1.0, n_targets=n_targets)
    groups = random_groups(rng, 16, 4)
    n_units = len(groups)
    labels = np.empty(16, np.int64)
    for u, features in enumerate(groups):
        labels[features] = u
    locked = groups[-1][:1] if seed % 2 else None
    problem = make_problem(G, c, v, 60)
    sizes = np.arange(int(locked is not None), n_units + 1)
    path = subset_path(problem, sizes, labels=labels, locked=locked, solver="exact")
    few = subset_path(
        problem, sizes, labels=labels, locked=locked, solver="exact", max_nodes=4
    )
    several = subset_path(
        problem, sizes, labels=labels, locked=locked, solver="exact", n_best=3
    )
    assert path.optimal.all()
    for k, size in enumerate(sizes):
        losses = [
            loss(G, c, v, np.concatenate([[], *(groups[u] for u in A)]).astype(int))
            for A in combinations(range(n_units), size)
            if locked is None or n_units - 1 in A
        ]
        best = min(losses)
        assert path.losses[k] == pytest.approx(best, abs=1e-10 * v)
        assert path.lower_bounds[k] == pytest.approx(best, abs=1e-8 * v)
        assert few.lower_bounds[k] <= best * (1 + 1e-9)
        listed = [value for _, value in several.others[k]]
        np.testing.assert_allclose(listed, np.sort(losses)[:3], atol=1e-9 * v)
        for support, value in several.others[k]:
            assert value == pytest.approx(loss(G, c, v, support), abs=1e-9 * v)


def test_exact_search_of_groups_leaves_out_what_repeats():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 8))
    X[:, 1], X[:, 5] = 2.0 * X[:, 0], 0.0
    y = X[:, 0] + X[:, 6] + rng.standard_normal(50)
    G, c, v = moments_of(X, y)
    labels = np.array([0, 0, 1, 1, 2, 3, 4, 4])
    path = subset_path(make_problem(G, c, v, 50), [1, 2, 3], labels=labels)
    groups = [np.flatnonzero(labels == u) for u in range(5)]
    assert path.optimal.all()
    for size, value in zip(path.sizes, path.losses, strict=True):
        best = min(
            loss(G, c, v, np.concatenate([groups[u] for u in A]))
            for A in combinations(range(5), size)
        )
        assert value == pytest.approx(best, abs=1e-9 * v)


def test_groups_of_one_are_searched_as_features():
    for seed in range(5):
        G, c, v = moments(np.random.default_rng(seed), p=18, rho=0.9, snr=0.5)
        problem, sizes = make_problem(G, c, v, 60), np.arange(9)
        alone = subset_path(problem, sizes, solver="exact")
        grouped = subset_path(problem, sizes, labels=np.arange(18), solver="exact")
        np.testing.assert_allclose(grouped.losses, alone.losses, rtol=1e-10)
        assert grouped.optimal.all()
