"""Penalties on blocks of coefficients: definitions, certificates, equivalences."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes

from sparsestat.optim import datafits, path, penalties, solve

QUADRATIC = datafits.Quadratic()
GROUPS = np.array([0, 1, 1, 0, 2, 2, 2, 1, 3, 3])
FEATURE_WEIGHTS = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.0, 1.0, 1.5, 1.0, 1.0])
PENALTIES = {
    "group": penalties.GroupL2(0.3, GROUPS),
    "weighted": penalties.GroupL2(0.3, GROUPS, [1.0, 0.4, 2.0, 1.0]),
    "sparse": penalties.SparseGroup(0.3, 0.5, GROUPS),
    "sparse-weighted": penalties.SparseGroup(
        0.3, 0.7, GROUPS, [1.0, 0.4, 2.0, 0.0], FEATURE_WEIGHTS
    ),
    "rows": penalties.RowL2(0.3),
    "rows-ridge": penalties.RowL2(0.3, 0.6, np.linspace(0.5, 2.0, 10)),
}
each_penalty = pytest.mark.parametrize("name", PENALTIES)
SIZE = 3


def one_block(name):
    """A penalty restricted to one block of three coefficients."""
    penalty = penalties.prepare(PENALTIES[name], 10)
    return penalties.restrict_blocks(penalty, np.array([1]), np.array([1, 2, 7]))


def make_data(seed=0, n=40):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 10))
    X[:, 1:] += 0.6 * X[:, :-1]
    y = X[:, [1, 2, 7]] @ [1.0, -1.0, 0.5] + 0.4 * rng.standard_normal(n) + 2.0
    return X, y


@each_penalty
def test_prox_is_the_minimiser(name):
    penalty, out = one_block(name), np.empty(SIZE)
    for z in np.random.default_rng(0).standard_normal((8, SIZE)):
        penalties.block_prox(penalty, z, 0.7, 0, 0, out)

        def objective(w, z=z):
            value = penalties.block_value(penalty, w, 0, 0)
            return (w - z) @ (w - z) / 1.4 + value

        best = objective(out)
        found = minimize(objective, z, method="Nelder-Mead", options={"xatol": 1e-9})
        assert best <= found.fun + 1e-10
        assert best <= objective(np.zeros(SIZE)) + 1e-14


@each_penalty
def test_gauge_and_reach_are_the_dual_norm(name):
    penalty = one_block(name)
    rng = np.random.default_rng(1)
    ridge = penalties.block_ridge(penalty, 0)
    reach = penalties.block_reach(penalty, 0, 0, SIZE)
    for x in rng.standard_normal((8, SIZE)):
        t = penalties.block_gauge(penalty, x, 0, 0)
        assert t <= reach * np.linalg.norm(x) * (1 + 1e-12)
        directions = rng.standard_normal((2000, SIZE))
        for w in directions:
            size = penalties.block_value(penalty, w, 0, 0) - ridge * (w @ w) / 2
            assert x @ w <= t * size + 1e-12
        # At the edge of the ball zero is still the proximal point, beyond not.
        out = np.empty(SIZE)
        penalties.block_prox(penalty, x / t * (1 - 1e-9), 1.0, 0, 0, out)
        assert not out.any()
        penalties.block_prox(penalty, x / t * 1.01, 1.0, 0, 0, out)
        assert out.any()


@each_penalty
def test_conjugate_is_the_supremum(name):
    penalty = one_block(name)
    rng = np.random.default_rng(2)
    for x in 0.4 * rng.standard_normal((8, SIZE)):
        conjugate = penalties.block_conjugate(penalty, x, 0, 0)
        t = penalties.block_gauge(penalty, x, 0, 0)
        assert (conjugate == 0.0) == (t <= 1.0)
        for w in rng.standard_normal((500, SIZE)):
            assert x @ w - penalties.block_value(penalty, w, 0, 0) <= conjugate + 1e-12


def non_negative(ratio):
    prices = FEATURE_WEIGHTS if ratio < 1.0 else None
    penalty = penalties.SparseGroup(0.3, ratio, GROUPS, None, prices, None, True)
    prepared = penalties.prepare(penalty, 10)
    return penalties.restrict_blocks(prepared, np.array([1]), np.array([1, 2, 7]))


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_non_negative_blocks_are_what_they_are_by_definition(ratio):
    penalty, out, rng = non_negative(ratio), np.empty(SIZE), np.random.default_rng(5)
    cone = np.abs(rng.standard_normal((4000, SIZE)))
    cone[::3, 0], cone[1::5, 1] = 0.0, 0.0
    values = np.array([penalties.block_value(penalty, w, 0, 0) for w in cone])
    assert penalties.block_value(penalty, np.array([1.0, -1e-9, 0.0]), 0, 0) == np.inf
    for z in rng.standard_normal((8, SIZE)):
        penalties.block_prox(penalty, z, 0.7, 0, 0, out)
        assert (out >= 0.0).all()
        best = (out - z) @ (out - z) / 1.4 + penalties.block_value(penalty, out, 0, 0)
        near = np.maximum(out + 1e-3 * rng.standard_normal((500, SIZE)), 0.0)
        for w in np.vstack([cone[:500], near]):
            value = penalties.block_value(penalty, w, 0, 0)
            assert best <= (w - z) @ (w - z) / 1.4 + value + 1e-12
        # The gauge is the support function of the part of the ball in the orthant.
        t = penalties.block_gauge(penalty, z, 0, 0)
        ratios = cone @ z / values
        assert max(ratios.max(), 0.0) <= t * (1 + 1e-12)
        assert t <= 1.1 * max(ratios.max(), 0.0) + 0.02
        conjugate = penalties.block_conjugate(penalty, z, 0, 0)
        assert (conjugate == 0.0) == (t <= 1.0)
        assert t <= penalties.block_reach(penalty, 0, 0, SIZE) * np.linalg.norm(z)
        if t > 0.0:
            penalties.block_prox(penalty, z / t * (1 - 1e-9), 1.0, 0, 0, out)
            assert not out.any()
            penalties.block_prox(penalty, z / t * 1.01, 1.0, 0, 0, out)
            assert out.any()


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_non_negative_blocks_are_minimised(ratio):
    penalty, rng = non_negative(ratio), np.random.default_rng(3)
    root = rng.standard_normal((SIZE, SIZE))
    gram = root @ root.T
    values, basis = np.linalg.eigh(gram)
    for b in 3.0 * rng.standard_normal((8, SIZE)):
        w, moved = np.zeros(SIZE), np.empty(SIZE)
        for _ in range(200):
            penalties.block_minimise(penalty, gram, values, basis, b, w, 0, 0)
        step = 0.5 / values[-1]
        penalties.block_prox(penalty, w + step * (b - gram @ w), step, 0, 0, moved)
        np.testing.assert_allclose(moved, w, atol=1e-8)


@pytest.mark.parametrize("name", ["group", "sparse", "sparse-weighted"])
@pytest.mark.parametrize("condition", [1.0, 1e10])
def test_block_is_minimised_exactly(name, condition):
    penalty = one_block(name)
    rng = np.random.default_rng(3)
    basis, _ = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))
    values = np.geomspace(1.0 / condition, 1.0, SIZE)
    gram = basis * values @ basis.T
    for b in rng.standard_normal((5, SIZE)) * 2.0:
        b = gram @ b + 0.5 * values[-1] * basis[:, -1]
        w, previous = np.zeros(SIZE), np.ones(SIZE)
        for _ in range(200):
            previous[:] = w
            penalties.block_minimise(penalty, gram, values, basis, b, w, 0, 0)
        np.testing.assert_allclose(w, previous, rtol=1e-6, atol=1e-9)
        moved = np.empty(SIZE)
        penalties.block_prox(penalty, w + b - gram @ w, 1.0, 0, 0, moved)
        np.testing.assert_allclose(moved, w, atol=1e-8)


def omega(penalty, w):
    """The penalty by its definition."""
    prepared = penalties.prepare(penalty, 10)
    ratio = getattr(prepared, "l1_ratio", 0.0)
    shared = sum(
        v * np.linalg.norm(w[GROUPS == g]) for g, v in enumerate(prepared.weights)
    )
    single = getattr(prepared, "feature_weights", np.zeros(10)) @ np.abs(w)
    return penalty.alpha * (ratio * single + (1.0 - ratio) * shared)


@pytest.mark.parametrize("name", ["group", "weighted", "sparse", "sparse-weighted"])
@pytest.mark.parametrize("storage", ["F", "csc", "F32"])
@pytest.mark.parametrize("standardize", [True, False])
def test_objective_is_the_one_of_cvxpy(name, storage, standardize):
    cp = pytest.importorskip("cvxpy")
    X, y = make_data()
    if storage == "csc":
        X[np.abs(X) < 0.5] = 0.0
    weight = np.arange(len(y)) % 3 + 0.0
    share = weight / weight.sum()
    scaled = X - share @ X
    if standardize:
        scaled = scaled / np.sqrt(share @ scaled**2)
    penalty = PENALTIES[name]._replace(alpha=0.1)
    prepared = penalties.prepare(penalty, 10)
    coef = cp.Variable(10)
    ratio = getattr(prepared, "l1_ratio", 0.0)
    size = (1.0 - ratio) * sum(
        v * cp.norm(coef[np.flatnonzero(GROUPS == g)])
        for g, v in enumerate(prepared.weights)
    )
    if ratio:
        size = size + ratio * (prepared.feature_weights @ cp.abs(coef))
    loss = cp.sum(cp.multiply(share, cp.square(y - share @ y - scaled @ coef))) / 2
    optimum = cp.Problem(cp.Minimize(loss + 0.1 * size)).solve(solver="CLARABEL")
    make = {"F": np.asfortranarray, "csc": sparse.csc_array, "F32": np.float32}
    found = solve(
        make[storage](X), y, QUADRATIC, penalty,
        sample_weight=weight, standardize=standardize, tol=1e-9,
    )  # fmt: skip
    assert found.converged
    rtol = 1e-5 if storage == "F32" else 1e-6
    np.testing.assert_allclose(found.objective, optimum, rtol=rtol)
    residual = y - X @ found.coef - found.intercept
    scale = np.sqrt(share @ (X - share @ X) ** 2) if standardize else 1.0
    objective = share @ residual**2 / 2 + omega(penalty, found.coef * scale)
    np.testing.assert_allclose(found.objective, objective, rtol=rtol)


@pytest.mark.parametrize("ratio", [None, 0.0, 0.5])
def test_golden_values(ratio):
    X, y = load_diabetes(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    groups = np.repeat([0, 1, 2], [2, 3, 5])
    penalty = penalties.GroupL2(3.0, groups)
    if ratio is not None:
        penalty = penalties.SparseGroup(3.0, ratio, groups)
    golden = 1744.4993806732 if ratio == 0.5 else 1774.9966142912
    found = solve(X, y - y.mean(), QUADRATIC, penalty, fit_intercept=False, tol=1e-10)
    np.testing.assert_allclose(found.objective, golden, rtol=1e-9)
    assert found.stationarity < 1e-3


@pytest.mark.parametrize(
    "penalty",
    [
        penalties.GroupL2(1.0, np.arange(10)),
        penalties.SparseGroup(1.0, 1.0, GROUPS),
        penalties.RowL2(1.0),
    ],
    ids=["size one", "l1_ratio one", "one task"],
)
def test_paths_that_are_those_of_the_lasso(penalty):
    X, y = make_data()
    found = path(X, y, QUADRATIC, penalty, alphas=20, tol=1e-10)
    lasso = path(X, y, QUADRATIC, penalties.L1(1.0), alphas=found.alphas, tol=1e-10)
    assert found.converged.all()
    np.testing.assert_allclose(found.objectives, lasso.objectives, rtol=1e-8)
    difference = found.coefs.toarray() - lasso.coefs.toarray()
    assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_rows_meet_their_tolerance_by_definition(ratio):
    rng = np.random.default_rng(4)
    X, _ = make_data()
    Y = X[:, :3] @ rng.standard_normal((3, 4)) + rng.standard_normal((len(X), 4)) + 1.0
    weights = np.ones(10)
    weights[5], weights[6] = 0.0, np.inf
    penalty = penalties.RowL2(0.1, ratio, weights)
    found = solve(X, Y, QUADRATIC, penalty, tol=1e-9)
    W = found.coef
    assert W.shape == (10, 4)
    assert found.intercept.shape == (4,)
    assert not W[6].any()
    residual = Y - X @ W - found.intercept
    g = X.T @ residual / len(X)
    np.testing.assert_allclose(residual.mean(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(g[5], 0.0, atol=1e-10)
    size = np.linalg.norm(W, axis=1)
    for j in set(range(10)) - {5, 6}:
        rest = g[j] - 0.1 * (1.0 - ratio) * W[j]
        if size[j] > 0.0:
            np.testing.assert_allclose(rest, 0.1 * ratio * W[j] / size[j], atol=1e-4)
        else:
            assert np.linalg.norm(rest) <= 0.1 * ratio * (1.0 + 1e-6)


@pytest.mark.parametrize(
    "penalty, message",
    [
        (penalties.GroupL2(1.0, np.zeros(9, int)), "groups must be integers of shape"),
        (penalties.GroupL2(1.0, GROUPS + 0.5), "groups must be integers of shape"),
        (penalties.GroupL2(1.0, GROUPS, [1.0]), r"weights must have shape \(4,\)"),
        (penalties.RowL2(1.0, 1.0, [1.0]), r"weights must have shape \(10,\)"),
        (
            penalties.SparseGroup(1.0, 0.5, GROUPS, None, [1.0]),
            r"feature_weights must have shape \(10,\)",
        ),
        (
            penalties.SparseGroup(1.0, 0.0, GROUPS, [0, 1, 1, 1], None, None, True),
            "positive needs a price of every coefficient",
        ),
    ],
)
def test_wrong_shapes_are_named(penalty, message):
    X, y = make_data()
    with pytest.raises(ValueError, match=message):
        solve(X, y, QUADRATIC, penalty)
