"""Shortcuts for many coefficients at once: as exact as one step after the other."""

import numpy as np
import pytest

from sparsestat.optim import datafits, face_newton, path, quadratic_path, solve
from sparsestat.optim.penalties import L1, ElasticNet
from tests.optim.problems import certified, make_data

SQUARES = datafits.Quadratic()


@pytest.fixture
def eager(monkeypatch):
    """Take the shortcuts even for a few coefficients."""
    monkeypatch.setattr(face_newton, "_FEW_CROSSINGS", 0)
    taken = {"_leap": 0, "move": 0}

    def counting(name):
        function = getattr(face_newton, name)

        def call(*args):
            taken[name] += 1
            return function(*args)

        monkeypatch.setattr(face_newton, name, call)

    for name in taken:
        counting(name)
    return taken


@pytest.mark.parametrize("copies", [False, True], ids=["wide", "with copies"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_many_crossings(eager, copies, l1_ratio, seed):
    X, y = make_data(30, 90, seed=seed)
    if copies:
        X[:, 60:] = X[:, :30]
    weights = 1.0 + np.arange(90) % 3
    weights[5] = 0.0
    for alpha in (0.3, 0.03, 1e-3):
        penalty = ElasticNet(alpha, l1_ratio, weights, False)
        if l1_ratio == 1.0:
            penalty = L1(alpha, weights, seed % 2 == 1)
        for precompute in (True, False):
            options = {"solver": "face_newton", "precompute": precompute}
            found = solve(X, y, SQUARES, penalty, tol=1e-10, **options)
            assert found.converged
            assert certified(X, y, found.coef, penalty, tol=1e-10)
    along = path(X, y, SQUARES, penalty, alphas=[0.3, 0.03, 1e-3], tol=1e-10)
    for k, alpha in enumerate(along.alphas):
        coef = along.coefs[:, [k]].toarray().ravel()
        assert certified(X, y, coef, penalty._replace(alpha=alpha), tol=1e-10)
    assert eager["_leap"] > 0
    assert eager["move"] > 0


@pytest.mark.parametrize("correlated", [False, True])
def test_tall_single_fits_pass_over_residuals_first(monkeypatch, correlated):
    monkeypatch.setattr(quadratic_path, "_SMALL_GRAM", 4)
    used = []
    use_residual = quadratic_path.PathSolver._use_residual

    def noting(solver, features):
        used.append(len(features))
        use_residual(solver, features)

    monkeypatch.setattr(quadratic_path.PathSolver, "_use_residual", noting)
    X, y = make_data(400, 30, seed=3)
    if correlated:  # passes alone are hopeless: the Gram matrix has to step in
        X = X @ np.diag(np.geomspace(1.0, 1e-3, 30)) + X[:, [0]]
    weights = np.ones(30)
    weights[[7, 20]] = 0.0, np.inf
    penalty = L1(1e-6, weights, False)
    found = solve(X, y, SQUARES, penalty, tol=1e-9)
    assert used == [29]
    assert found.converged
    assert certified(X, y, found.coef, penalty, tol=1e-9)
    again = solve(X, y, SQUARES, penalty, tol=1e-9, coef0=found.coef)
    assert certified(X, y, again.coef, penalty, tol=1e-9)
