"""The Lasso in other bases: equivalences, certificates, choices."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import LeaveOneGroupOut

from sparsestat.linear_model import LassoCV, PreconditionedLasso
from sparsestat.optim import solve
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import L1

NAMES = ["none", "puffer", "deflate", "difference"]


def factors(n=50, p=80, seed=0):
    rng = np.random.default_rng(seed)
    X = 1.5 * rng.standard_normal((n, 2)) @ rng.standard_normal((2, p))
    X += rng.standard_normal((n, p)) + 1.0
    return X, X[:, 3:7].sum(axis=1) + 0.5 * rng.standard_normal(n)


def everything(n):
    """One fold whose training and test samples are all."""
    return [(np.arange(n), np.arange(n))]


def test_none_is_the_lasso():
    X, y = factors()
    ours = PreconditionedLasso("none", alphas=20).fit(X, y)
    lasso = LassoCV(alphas=ours.alphas_[0]).fit(X, y)
    np.testing.assert_allclose(ours.mse_path_[0], lasso.mse_path_, rtol=1e-4)
    np.testing.assert_allclose(ours.coef_, lasso.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, lasso.intercept_, atol=1e-4)


def test_puffer_is_the_lasso_of_preconditioned_data():
    X, y = factors()
    model = PreconditionedLasso("puffer", floor=1e-6, alphas=[0.3], tol=1e-10)
    model.fit(X, y)
    centred, target = X - X.mean(axis=0), y - y.mean()
    # F = (X X')^(-1/2) on the samples, but for the direction that centring takes.
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-8 * values.max()
    F = vectors[:, kept] / np.sqrt(values[kept]) @ vectors[:, kept].T
    F *= np.linalg.norm(centred) / np.linalg.norm(F @ centred)
    expected = solve(
        F @ centred, F @ target, Quadratic(), L1(0.3), fit_intercept=False, tol=1e-10
    )
    np.testing.assert_allclose(model.coef_, expected.coef, atol=1e-5)


def test_puffer_with_floor_one_is_the_lasso():
    X, y = factors()
    options = {"alphas": [0.2], "tol": 1e-10}
    first = PreconditionedLasso("puffer", floor=1.0, **options).fit(X, y)
    second = PreconditionedLasso("none", **options).fit(X, y)
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-5)


def test_deflation_is_a_lasso_with_free_factors():
    X, y = factors()
    model = PreconditionedLasso("deflate", n_directions=2, alphas=[0.1], tol=1e-10).fit(
        X, y
    )
    centred = X - X.mean(axis=0)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :2]
    rest = centred - left @ (left.T @ centred)
    price = np.linalg.norm(rest, axis=0) / np.linalg.norm(centred, axis=0)
    joint = np.hstack([centred, left])
    weights = np.r_[price, 0.0, 0.0]
    expected = solve(joint, y, Quadratic(), L1(0.1, weights), tol=1e-10)
    np.testing.assert_allclose(model.basis_coef_, expected.coef[:-2], atol=1e-5)
    fitted = joint @ expected.coef + expected.intercept
    np.testing.assert_allclose(model.predict(X), fitted, atol=1e-5)
    assert model.directions_.shape == (2, 80)
    assert PreconditionedLasso("deflate", alphas=5).fit(X, y).directions_.shape[0] == 2


def test_difference_prices_changes():
    cp = pytest.importorskip("cvxpy")
    X, y = factors(p=20)
    model = PreconditionedLasso("difference", alphas=[0.4], tol=1e-10).fit(X, y)
    w, b = cp.Variable(20), cp.Variable()
    loss = cp.sum_squares(y - X @ w - b) / (2 * len(y))
    cost = loss + 0.4 * (cp.abs(w[0]) + cp.norm1(cp.diff(w)))
    value = cp.Problem(cp.Minimize(cost)).solve(solver="CLARABEL")
    ours = ((y - model.predict(X)) ** 2).mean() / 2
    ours += 0.4 * (abs(model.coef_[0]) + np.abs(np.diff(model.coef_)).sum())
    np.testing.assert_allclose(ours, value, rtol=1e-7)
    np.testing.assert_allclose(model.objective_, value, rtol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_integer_weights_are_repetitions(name):
    X, y = factors()
    counts = np.arange(50) % 3
    again = np.repeat(np.arange(50), counts)
    model = PreconditionedLasso(name, alphas=[0.5, 0.2], tol=1e-10)
    model.set_params(cv=everything(50)).fit(X, y, counts)
    weighted, error = model.coef_, model.mse_path_
    model.set_params(cv=everything(len(again))).fit(X[again], y[again])
    np.testing.assert_allclose(weighted, model.coef_, atol=1e-5)
    np.testing.assert_allclose(error, model.mse_path_, rtol=1e-4)


def test_auto_takes_the_smallest_error():
    X, y = factors()
    model = PreconditionedLasso(alphas=10, cv=3).fit(X, y)
    errors = model.mse_path_.mean(axis=2)
    best = model.preconditioners_.index(model.preconditioner_)
    assert errors[best].min() == errors.min()
    assert model.alpha_ == model.alphas_[best, errors[best].argmin()]
    assert model.mse_path_.shape == (4, 10, 3)
    alone = PreconditionedLasso(model.preconditioner_, alphas=10, cv=3).fit(X, y)
    np.testing.assert_array_equal(alone.coef_, model.coef_)
    assert model.dual_gap_ <= model.dual_gap_tol_


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_data(name):
    X, y = factors(p=6)
    zero, collinear = np.zeros_like(X), X[:, [0]] * np.arange(1.0, 7.0)
    for design, target in ((zero, y), (collinear, y), (X, np.full(50, 3.0))):
        model = PreconditionedLasso(name, n_directions=30, alphas=5)
        model.fit(design, target)
        assert np.isfinite(model.predict(design)).all()
        assert model.dual_gap_ <= max(model.dual_gap_tol_, 1e-12)


@pytest.mark.parametrize("shape", [(50, 80), (90, 30)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_data_give_the_same(shape, fit_intercept):
    X, y = factors(*shape)
    X = np.where(np.abs(X) < 1.5, 0.0, X)
    weight = np.random.default_rng(0).integers(1, 3, len(y)).astype(float)
    for name in NAMES[:3]:
        model = PreconditionedLasso(
            name, alphas=8, cv=3, fit_intercept=fit_intercept, tol=1e-9
        )
        dense = model.fit(X, y, weight).coef_, model.mse_path_
        found = model.fit(sparse.csr_array(X), y, weight)
        np.testing.assert_allclose(found.coef_, dense[0], atol=1e-5)
        np.testing.assert_allclose(found.mse_path_, dense[1], rtol=1e-4)
        np.testing.assert_allclose(
            found.predict(sparse.csr_array(X)), found.predict(X), atol=1e-10
        )
    thin = sparse.csc_array(X)
    assert PreconditionedLasso(alphas=3).fit(thin, y).preconditioners_ == NAMES[:3]
    with pytest.raises(ValueError, match="must not be 'difference' with a sparse X"):
        PreconditionedLasso("difference").fit(thin, y)


def test_groups_reach_the_splitter_and_threads_change_nothing():
    X, y = factors()
    groups = np.arange(50) % 4
    options = {"alphas": 6, "cv": LeaveOneGroupOut()}
    model = PreconditionedLasso(**options).fit(X, y, groups=groups)
    assert model.mse_path_.shape == (4, 6, 4)
    threads = PreconditionedLasso(n_jobs=2, **options).fit(X, y, groups=groups)
    np.testing.assert_array_equal(threads.mse_path_, model.mse_path_)
    np.testing.assert_array_equal(threads.coef_, model.coef_)
    with config_context(enable_metadata_routing=True):
        routed = PreconditionedLasso(**options).fit(X, y, groups=groups)
    np.testing.assert_array_equal(routed.coef_, model.coef_)


def test_errors():
    X, y = factors()
    with pytest.raises(ValueError, match="preconditioner must be 'auto'"):
        PreconditionedLasso("svd").fit(X, y)
    with pytest.raises(ValueError, match=r"floor must be a real number in \(0, 1\]"):
        PreconditionedLasso(floor=0.0).fit(X, y)
    weight = np.r_[np.ones(40), np.zeros(10)]
    with pytest.raises(ValueError, match="no sample of weight"):
        PreconditionedLasso("none", alphas=3, cv=5).fit(X, y, weight)
