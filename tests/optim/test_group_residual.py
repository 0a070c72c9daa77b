"""More coefficients than samples: steps on the residual and in sample space."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.optim import datafits, group_path, path, penalties, solve
from sparsestat.optim.group_residual_set import ResidualGroupSet
from sparsestat.optim.run import Run
from tests.certificates import blocks_gap

QUADRATIC = datafits.Quadratic()
P, SIZE = 60, 4
GROUPS = np.arange(P) // SIZE
WEIGHTS = np.linspace(0.5, 2.0, P // SIZE)
FREE = np.where(np.arange(P // SIZE) == 3, 0.0, WEIGHTS)
FREE[5] = np.inf
PENALTIES = {
    "groups": penalties.GroupL2(1.0, GROUPS),
    "weights": penalties.GroupL2(1.0, GROUPS, FREE),
    "sparse": penalties.SparseGroup(1.0, 0.3, GROUPS, WEIGHTS),
    "uneven": penalties.GroupL2(1.0, np.sort(np.arange(P) % 7)),
    "single": penalties.GroupL2(1.0, np.arange(P)),
}


def make_data(n=20):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, P))
    X[:, 1:] += 0.5 * X[:, :-1]
    return X, X[:, :8] @ rng.standard_normal(8) + rng.standard_normal(n) + 1.0


@pytest.fixture
def by_residual(monkeypatch):
    """Every problem on the residual, from the first block on."""
    monkeypatch.setattr(group_path, "_WIDE", 0.0)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array])
def test_both_sets_find_the_same(name, storage, monkeypatch):
    X, y = make_data()
    X = storage(np.where(np.abs(X) < 0.3, 0.0, X))
    options = {"alphas": 25, "eps": 1e-2, "tol": 1e-9, "standardize": True}
    found = {}
    for wide in (0.0, np.inf):
        monkeypatch.setattr(group_path, "_WIDE", wide)
        found[wide] = path(X, y, QUADRATIC, PENALTIES[name], **options)
        assert found[wide].converged.all()
    first, second = found.values()
    assert np.diff(first.coefs.indptr).max() > len(y) or name == "single"
    tolerance = first.gap_tol + 1e-12
    assert np.abs(first.objectives - second.objectives).max() <= tolerance


@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_solution_is_certified_by_definition(alpha, by_residual):
    X, y = make_data()
    penalty = PENALTIES["weights"]._replace(alpha=alpha)
    found = solve(X, y, QUADRATIC, penalty, tol=1e-8)
    A, b = (X - X.mean(axis=0)) / np.sqrt(20), (y - y.mean()) / np.sqrt(20)
    kept = [g for g in range(P // SIZE) if 0.0 < FREE[g] < np.inf]
    gap = blocks_gap(
        A,
        b,
        found.coef,
        [np.flatnonzero(GROUPS == g) for g in kept],
        alpha * FREE[kept],
        free=np.flatnonzero(GROUPS == 3),
    )
    assert not found.coef[GROUPS == 5].any()
    assert gap <= found.gap * (1 + 1e-6) + 1e-12
    assert found.converged


@pytest.mark.parametrize("name", ["groups", "sparse", "single"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_step_in_sample_space_is_that_of_the_hessian(name, dtype, by_residual):
    X, y = make_data(n=15)
    penalty = PENALTIES[name]
    run = Run(X, y, QUADRATIC, penalty, None, True, False, 1e-3, 100, n_alphas=5)
    alpha = 0.15 * run.alpha_max
    run.follow(np.array([run.alpha_max, 0.4 * run.alpha_max, alpha]))
    working = run.solver._set
    assert isinstance(working, ResidualGroupSet)
    local = working.local(run.penalty._replace(alpha=alpha))
    nonzero = np.flatnonzero(working.w)
    exact = working._step_of_coefficients(local, nonzero)
    step = working._step_of_samples(local, nonzero, dtype)
    rtol = 1e-2 if dtype is np.float32 else 1e-6
    np.testing.assert_allclose(step, exact, rtol=rtol, atol=rtol * np.abs(exact).max())


def test_warm_start(by_residual):
    X, y = make_data()
    penalty = PENALTIES["groups"]._replace(alpha=0.05)
    first = solve(X, y, QUADRATIC, penalty, tol=1e-9)
    again = solve(X, y, QUADRATIC, penalty, coef0=first.coef, tol=1e-9)
    assert again.n_iter == 1
    np.testing.assert_allclose(again.coef, first.coef, atol=1e-6)
