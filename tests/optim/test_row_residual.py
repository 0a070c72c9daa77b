"""Several tasks with more rows than samples: the residual and Newton steps on it."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.optim import (
    datafits,
    group_path,
    path,
    penalties,
    row_residual_set,
    solve,
)
from sparsestat.optim.row_residual_set import ResidualRowSet
from sparsestat.optim.run import Run

QUADRATIC = datafits.Quadratic()
P, N_TASKS = 50, 3
WEIGHTS = np.linspace(0.5, 2.0, P)
WEIGHTS[3], WEIGHTS[5] = 0.0, np.inf
PENALTIES = {
    "rows": penalties.RowL2(1.0),
    "weights": penalties.RowL2(1.0, 1.0, WEIGHTS),
    "ridge": penalties.RowL2(1.0, 0.7, WEIGHTS),
}


def make_data(n=20):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, P))
    X[:, 1:] += 0.5 * X[:, :-1]
    return X, X[:, :4] @ rng.standard_normal((4, N_TASKS)) + rng.standard_normal(
        (n, N_TASKS)
    )


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array])
def test_both_sets_find_the_same(name, storage, monkeypatch):
    X, Y = make_data()
    X = storage(np.where(np.abs(X) < 0.3, 0.0, X))
    options = {"alphas": 20, "eps": 2e-2, "tol": 1e-8, "standardize": True}
    found = {}
    for wide in (0.0, np.inf):
        monkeypatch.setattr(group_path, "_WIDE", wide)
        found[wide] = path(X, Y, QUADRATIC, PENALTIES[name], **options)
        assert found[wide].converged.all()
    first, second = found.values()
    assert np.diff(first.coefs.indptr).max() > len(Y) * N_TASKS / 2
    assert np.abs(first.objectives - second.objectives).max() <= first.gap_tol


@pytest.mark.parametrize("name", ["rows", "ridge"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_newton_step_is_that_of_the_whole_hessian(name, dtype, monkeypatch):
    monkeypatch.setattr(group_path, "_WIDE", 0.0)
    X, Y = make_data()
    run = Run(X, Y, QUADRATIC, PENALTIES[name], None, True, False, 1e-3, 100)
    alpha = 0.2 * run.alpha_max
    run.follow(np.array([run.alpha_max, 0.5 * run.alpha_max, alpha]))
    working = run.solver._set
    assert isinstance(working, ResidualRowSet)
    local = working.local(run.penalty._replace(alpha=alpha))
    w = working.w.reshape(-1, N_TASKS)
    active = np.flatnonzero(w.any(axis=1))
    columns = working._columns[active]
    hessian = np.kron(columns @ columns.T, np.eye(N_TASKS))
    rhs = working.q.reshape(-1, N_TASKS)[active].ravel()
    slope, bend = np.empty(N_TASKS), np.empty((N_TASKS, N_TASKS))
    for k, j in enumerate(active):
        penalties.block_hessian(local, w[j], j, 0, slope, bend)
        part = slice(k * N_TASKS, (k + 1) * N_TASKS)
        hessian[part, part] += bend
        rhs[part] -= slope
    exact = np.linalg.solve(hessian, rhs)
    step = working._step_of_rows(local, dtype)
    rtol = 1e-3 if dtype is np.float32 else 1e-9
    np.testing.assert_allclose(step, exact, atol=rtol * np.abs(exact).max())


@pytest.mark.parametrize("block", [1, 4, 100])
def test_a_pass_goes_row_by_row(block, monkeypatch):
    monkeypatch.setattr(group_path, "_WIDE", 0.0)
    monkeypatch.setattr(row_residual_set, "_BLOCK", block)
    X, Y = make_data()
    run = Run(X, Y, QUADRATIC, PENALTIES["rows"], None, True, False, 1e-3, 100)
    run.follow(np.array([run.alpha_max, 0.5 * run.alpha_max, 0.1 * run.alpha_max]))
    working, alpha = run.solver._set, 0.08 * run.alpha_max
    columns, r = working._columns[: working.size], working._r.copy()
    w = working.w.reshape(-1, N_TASKS).copy()
    steep = np.linalg.norm(columns @ r.T, axis=1) > alpha
    assert steep.sum() > 4
    for j in np.flatnonzero(w.any(axis=1) | steep):
        norm2, old = columns[j] @ columns[j], w[j].copy()
        z = old + r @ columns[j] / norm2
        w[j] = max(0.0, 1.0 - alpha / norm2 / np.linalg.norm(z)) * z
        r -= np.outer(w[j] - old, columns[j])
    working._correlate()
    kept_w, kept_r = np.empty((1, w.size)), np.empty((1, r.size))
    local = working.local(run.penalty._replace(alpha=alpha))
    assert working._pass(local, kept_w, kept_r)
    np.testing.assert_array_equal(kept_w[0], working.w)
    np.testing.assert_array_equal(kept_r[0], working._r.ravel())
    np.testing.assert_allclose(working.w.reshape(w.shape), w, atol=1e-12)
    np.testing.assert_allclose(working._r, r, atol=1e-12)


def test_warm_start_and_violation(monkeypatch):
    monkeypatch.setattr(group_path, "_WIDE", 0.0)
    X, Y = make_data()
    penalty = PENALTIES["weights"]._replace(alpha=0.1)
    first = solve(X, Y, QUADRATIC, penalty, tol=1e-10)
    assert first.converged
    assert first.stationarity < 1e-4
    again = solve(X, Y, QUADRATIC, penalty, coef0=first.coef.ravel(), tol=1e-10)
    assert again.n_iter == 1
    np.testing.assert_allclose(again.coef, first.coef, atol=1e-6)
    residual = Y - X @ first.coef - first.intercept
    np.testing.assert_allclose(X[:, 3] @ residual / len(X), 0.0, atol=1e-9)
    assert not first.coef[5].any()
