"""Designs, Gram matrices, Cholesky updates, correlations, and the switch of solvers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sparsestat.optim import datafits, make_design, path, penalties, quadratic_path
from sparsestat.optim import solve as solve_problem
from sparsestat.optim.cholesky import append, delete, solve
from sparsestat.optim.correlations import Correlations
from sparsestat.optim.design import columns, correlate, predict
from sparsestat.optim.moments import gram_block, gram_matrix
from sparsestat.optim.penalties import L1, prepare
from sparsestat.optim.problem import least_squares
from sparsestat.optim.working_set import GramWorkingSet
from tests.certificates import duality_gap

STORAGES = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "F32": lambda X: np.asfortranarray(X.astype(np.float32)),
    "C32": lambda X: X.astype(np.float32),
    "csc": sparse.csc_array,
}


def explicit(X, weight, fit_intercept, standardize):
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)
    if fit_intercept:
        X = X - weight @ X
    if standardize:
        X = X / np.sqrt(weight @ X**2)
    return X


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_designs_act_like_explicit_matrices(
    storage, fit_intercept, standardize, offset
):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 7))
    X[rng.random(X.shape) < 0.4] = 0.0
    X = STORAGES[storage](X + offset)
    weight = rng.random(300)
    weight[:5] = 0.0
    weight /= weight.sum()
    design = make_design(
        X, sample_weight=weight, fit_intercept=fit_intercept, standardize=standardize
    )
    dense = explicit(X, weight, fit_intercept, standardize)
    some, coef, v = (
        np.array([4, 1, 5]),
        rng.standard_normal(3),
        rng.standard_normal(300),
    )
    size = 1e-9 * (1 + offset) * np.abs(dense).max()
    close = {"rtol": 1e-9, "atol": size}
    np.testing.assert_allclose(
        predict(design, some, coef), dense[:, some] @ coef, **close
    )
    np.testing.assert_allclose(correlate(design, v), dense.T @ v, **close)
    np.testing.assert_allclose(
        correlate(design, v, some), dense[:, some].T @ v, **close
    )
    np.testing.assert_allclose(
        columns(design, some, slice(10, 90)), dense[10:90, some].T, **close
    )
    gram = dense.T * weight @ dense
    close["atol"] *= np.abs(dense).max() * (1 + offset)
    np.testing.assert_allclose(gram_matrix(design, weight), gram, **close)
    np.testing.assert_allclose(
        gram_block(design, weight, some, some[:2]),
        gram[np.ix_(some, some[:2])],
        **close,
    )
    if fit_intercept or standardize:
        np.testing.assert_allclose(design.norm, np.sqrt(weight @ dense**2), rtol=1e-6)


@pytest.mark.parametrize("order", "FC")
def test_dense_gram_survives_large_offsets(order):
    X = np.asarray(np.random.default_rng(0).standard_normal((400, 5)), order=order)
    shifted = np.asarray(X + 1e8, order=order)
    weight = np.full(400, 1 / 400)
    centred = shifted - shifted.mean(axis=0)
    found = gram_matrix(make_design(shifted), weight)
    np.testing.assert_allclose(found, centred.T @ centred / 400, atol=1e-7)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
)
def test_cholesky_follows_any_sequence(moves, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((14, 10))
    A[:, 9] = A[:, 0] - 2 * A[:, 1]
    H = A.T @ A
    factor, inside = np.zeros((10, 10)), []
    for j in moves:
        n = len(inside)
        if j in inside:
            delete(factor, n, inside.index(j))
            inside.remove(j)
        else:
            added = np.zeros(1, bool)
            rows = H[[j]][:, inside].copy()
            append(factor, n, rows, H[[j]][:, [j]].copy(), added)
            independent = not {0, 1, 9} <= {*inside, j}
            assert added[0] == independent
            if added[0]:
                inside.append(j)
        n = len(inside)
        R = np.triu(factor[:n, :n])
        block = H[np.ix_(inside, inside)]
        np.testing.assert_allclose(R.T @ R, block, atol=1e-8)
        x = np.arange(1.0, n + 1)
        solve(factor, n, x)
        np.testing.assert_allclose(block @ x, np.arange(1.0, n + 1), atol=1e-5)


def test_correlations_are_exact_where_it_matters():
    rng = np.random.default_rng(0)
    n, p = 200, 300
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    penalty = prepare(L1(0.1), p)
    problem = least_squares(make_design(X), y, penalty, None, True)
    found = Correlations(problem)
    skip = np.zeros(p, bool)
    skip[:10] = True
    u = problem.target
    found.refresh(u)
    for k in range(30):
        u = u * 0.97 + 0.02 * rng.standard_normal(n) * np.linalg.norm(u) / np.sqrt(n)
        gauges = found.gauges(u, penalty, skip)
        exact = np.abs(problem.correlations(u)) / 0.1
        sure = gauges >= 1.0
        np.testing.assert_allclose(gauges[sure], exact[sure], rtol=1e-8)
        assert (exact[~sure & ~skip] <= gauges[~sure & ~skip] + 1e-9).all(), k
        assert not gauges[skip].any()
    assert found.n_passes < 31


def test_fits_near_interpolation_come_by_solved_steps(monkeypatch):
    rng = np.random.default_rng(0)
    n, p, k = 200, 2000, 100
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = 0.5 * X[:, j - 1] + 0.75**0.5 * X[:, j]
    signal = X[:, rng.choice(p, k, replace=False)] @ rng.choice([-1.0, 1.0], k)
    y = signal + rng.standard_normal(n) * np.sqrt(k / 3)
    alpha = 1e-4 * np.abs(X.T @ (y - y.mean())).max() / n
    minimise, rounds = GramWorkingSet.minimise, []

    def counted(*arguments):
        rounds.append(minimise(*arguments))
        return rounds[-1]

    monkeypatch.setattr(GramWorkingSet, "minimise", counted)
    found = solve_problem(X, y, datafits.Quadratic(), L1(alpha), tol=1e-9)
    assert found.converged
    assert max(rounds) <= 12  # 42 where steps are not solved
    assert sum(rounds) <= 60  # 78


def test_switch_from_gram_to_residual(monkeypatch):
    monkeypatch.setattr(quadratic_path, "_MOST_GRAM_FEATURES", 30)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 200))
    y = X[:, :5].sum(axis=1) + rng.standard_normal(50)
    found = path(X, y, datafits.Quadratic(), penalties.L1(1.0), alphas=10, eps=0.02)
    assert found.converged.all()
    for k, alpha in enumerate(found.alphas):
        coef = found.coefs[:, [k]].toarray().ravel()
        gap, null = duality_gap(X, y, coef, alpha=alpha)
        assert gap <= 1e-6 * null
    assert np.count_nonzero(coef) > 30


@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
@pytest.mark.parametrize("storage", STORAGES)
def test_paths_are_certified_at_every_strength(storage, l1_ratio):
    rng = np.random.default_rng(1)
    E = rng.standard_normal((60, 250))
    X = E.copy()
    for j in range(1, 250):
        X[:, j] = 0.8 * X[:, j - 1] + 0.6 * E[:, j]
    y = X[:, ::50].sum(axis=1) + 0.5 * rng.standard_normal(60)
    stored = STORAGES[storage](np.where(np.abs(X) > 0.5, X, 0.0))
    penalty = penalties.ElasticNet(1.0, l1_ratio)
    found = path(stored, y, datafits.Quadratic(), penalty, alphas=60, eps=0.01)
    for k, alpha in enumerate(found.alphas):
        coef = found.coefs[:, [k]].toarray().ravel()
        gap, null = duality_gap(stored, y, coef, alpha=alpha, l1_ratio=l1_ratio)
        assert gap <= 1e-6 * null + 1e-13


def test_early_stopping_and_interpolation():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 60)), rng.standard_normal(20)
    problem = X, y, datafits.Quadratic(), penalties.L1(1.0)
    whole = path(*problem, alphas=50, eps=1e-6)
    assert len(whole.alphas) < 50
    stopped = path(*problem, alphas=50, eps=1e-6, early_stopping=True)
    assert len(stopped.alphas) < len(whole.alphas)
    given_ = path(*problem, alphas=np.geomspace(1.0, 1e-6, 50), early_stopping=False)
    assert len(given_.alphas) == 50
