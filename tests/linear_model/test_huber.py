"""Sparse Huber regression: certificates, golden values, equivalences, outliers."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes

from sparsestat.linear_model import (
    Lasso,
    SparseHuberRegressor,
    SparseHuberRegressorCV,
)
from sparsestat.optim import huber_path
from sparsestat.optim.huber import ConcomitantHuber, FixedHuber, mad
from sparsestat.optim.weighted_quantile import weighted_median

SCALES = ["concomitant", "mad", None]


def problem(n=60, p=20, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.4] = 0.0
    y = X[:, :2] @ [2.0, -1.5] + 0.3 * rng.standard_t(2, n) + 1.0
    y[:3] += 30.0
    return X, y, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("epsilon", [1.05, 1.35, 5.0])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_concomitant_loss_is_the_least_over_scales(epsilon, fit_intercept):
    rng = np.random.default_rng(0)
    y, s = rng.standard_t(2, 30), rng.random(30)
    s /= s.sum()
    smooth = ConcomitantHuber(y, s, epsilon, fit_intercept)
    z = 0.3 * rng.standard_normal(30)
    value, u = smooth.evaluate(z)

    def at(scale, z=z):
        r = np.abs(y - z) / scale
        rho = np.where(r <= epsilon, 0.5 * r**2, epsilon * r - 0.5 * epsilon**2)
        return 0.5 * scale + scale * (s @ rho)

    scales = np.geomspace(1e-3, 1e2, 20001)
    assert value == pytest.approx(min(at(t) for t in scales), rel=1e-6)
    assert value == pytest.approx(at(smooth.scale), rel=1e-12)
    step = 1e-6
    for i in (0, 7, 20):
        ahead, behind = z.copy(), z.copy()
        ahead[i] += step
        behind[i] -= step
        slope = (smooth.evaluate(ahead)[0] - smooth.evaluate(behind)[0]) / (2 * step)
        assert slope == pytest.approx(-u[i], abs=1e-8)


@pytest.mark.parametrize("kind", [FixedHuber, ConcomitantHuber])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_dual_bounds_the_loss_and_is_tight(kind, fit_intercept):
    """D(c u) <= F(z') + c <u, z'> for all z', with equality at z for an own u."""
    rng = np.random.default_rng(1)
    y, s = rng.standard_normal(20), np.full(20, 0.05)
    smooth = kind(y, s, 1.2, fit_intercept)
    z = 0.1 * rng.standard_normal(20)
    if fit_intercept:
        z = z + smooth.best_intercept(z)
    value, raw = smooth.evaluate(z)
    u, limit = smooth.feasible(raw)
    assert u.sum() == pytest.approx(0.0, abs=1e-12) or not fit_intercept
    assert limit == pytest.approx(1.0, abs=1e-6)
    assert smooth.dual_value(u, 1.0) == pytest.approx(value + u @ z, abs=1e-9)
    for scale in (0.0, 0.4, 1.0):
        bound = smooth.dual_value(u, scale * limit)
        for _ in range(300):
            other = 2.0 * rng.standard_normal(20)
            reached = smooth.evaluate(other)[0] + scale * limit * (u @ other)
            assert bound <= reached + 1e-12


@pytest.mark.parametrize("kind", [FixedHuber, ConcomitantHuber])
def test_metric_is_the_hessian_or_above_it(kind):
    rng = np.random.default_rng(2)
    y, s = rng.standard_normal(40), np.full(40, 1 / 40)
    smooth = kind(y, s, 1.5, True)
    z = np.full(40, smooth.best_intercept(np.zeros(40)))
    X = rng.standard_normal((2, 40))
    smooth.evaluate(z)
    blocks = {}
    for safe in (False, True):
        metric = smooth.metric(safe)
        means = metric.means(X)
        blocks[safe] = (X * metric.diagonal) @ X.T - (means * metric.mass) @ means.T

    def profile(w):  # the intercept, and the scale inside, minimised out
        moved = z + w @ X
        return smooth.evaluate(moved + smooth.best_intercept(moved))[0]

    step = 1e-3
    for direction in np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]):
        centre, ahead, behind = (profile(t * step * direction) for t in (0, 1, -1))
        true = (ahead - 2.0 * centre + behind) / step**2
        newton = direction @ blocks[False] @ direction
        assert newton == pytest.approx(true, rel=0.15)
        assert direction @ blocks[True] @ direction >= true * (1.0 - 1e-3)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array, np.float32])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_objective_is_that_of_cvxpy(storage, scale, fit_intercept, weighted):
    X, y, weight = problem(40, 8)
    if storage is np.float32:
        X = X.astype(np.float32)
    alpha, epsilon = 0.05, 1.35
    weight = weight if weighted else None
    model = SparseHuberRegressor(
        alpha, scale=scale, fit_intercept=fit_intercept, l1_ratio=0.7
    ).fit(X if storage is np.float32 else storage(X), y, weight)
    s = np.ones(40) if weight is None else weight
    s = s / s.sum()
    w, b, t = cp.Variable(8), cp.Variable(), cp.Variable()
    r = y - X @ w - (b if fit_intercept else 0.0)
    constraints = []
    if scale == "concomitant":
        # The perspective of Huber's function: least over r = inside + outside.
        inside = cp.Variable(40)
        squares = cp.quad_over_lin(cp.multiply(np.sqrt(s), inside), t)
        loss = 0.5 * t + 0.5 * squares + epsilon * (s @ cp.abs(r - inside))
        kept = s > 0
        constraints.append(t >= 0.01 * mad(y[kept], s[kept]))
    else:
        threshold = epsilon * (mad(y[s > 0], s[s > 0]) if scale == "mad" else 1.0)
        loss = 0.5 * (s @ cp.huber(r, threshold))
    size = 0.7 * cp.norm1(w) + 0.15 * cp.sum_squares(w)
    best = cp.Problem(cp.Minimize(loss + alpha * size), constraints)
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert model.objective_ == pytest.approx(best.value, abs=3e-5 * best.value)
    assert model.objective_ - model.dual_gap_ <= best.value * (1.0 + 1e-7)
    assert model.dual_gap_ <= model.dual_gap_tol_
    if scale == "concomitant":
        assert model.scale_ == pytest.approx(float(t.value), rel=1e-2)


def test_golden_value():
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), y / y.std()
    model = SparseHuberRegressor(0.05, scale=None, tol=1e-10).fit(X, y)
    assert model.objective_ == pytest.approx(0.2955560667, abs=1e-10)


def test_without_outliers_it_is_the_lasso_and_the_square_root_lasso():
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    lasso = Lasso(5.0, tol=1e-12).fit(X, y)
    fixed = SparseHuberRegressor(5.0, epsilon=1e9, scale=None, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(fixed.coef_, lasso.coef_, atol=1e-8)
    root = SparseHuberRegressor(0.1, epsilon=1e6, tol=1e-12).fit(X, y)
    assert root.objective_ == pytest.approx(61.5184567594, abs=1e-8)
    scaled = Lasso(0.1 * root.scale_, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(root.coef_, scaled.coef_, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaling_laws(factor):
    X, y, _ = problem()
    one = SparseHuberRegressor(0.1, tol=1e-10).fit(X, y)
    other = SparseHuberRegressor(0.1, tol=1e-10).fit(X, factor * y)
    np.testing.assert_allclose(other.coef_, factor * one.coef_, atol=1e-5 * factor)
    fixed = SparseHuberRegressor(0.1, epsilon=2.0, scale=None).fit(X, y)
    moved = SparseHuberRegressor(0.1 * factor, epsilon=2.0 * factor, scale=None)
    moved.fit(X, factor * y)
    np.testing.assert_allclose(moved.coef_, factor * fixed.coef_, atol=1e-4 * factor)


def test_outliers_do_not_matter_however_large():
    X, y, _ = problem()
    coefs = []
    for size in (30.0, 1e6):
        spoiled = y.copy()
        spoiled[:3] = size
        coefs.append(SparseHuberRegressor(0.05).fit(X, spoiled).coef_)
    np.testing.assert_allclose(coefs[0], coefs[1], atol=0.1)
    assert np.abs(Lasso(0.05).fit(X, spoiled).coef_).max() > 100.0


@pytest.mark.parametrize("scale", SCALES)
def test_repeated_rows_are_weights(scale):
    X, y, weight = problem()
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    one = SparseHuberRegressor(0.05, scale=scale, tol=1e-12).fit(X, y, weight)
    other = SparseHuberRegressor(0.05, scale=scale, tol=1e-12).fit(X[copies], y[copies])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_degenerate_data_are_certified(scale):
    X, y, _ = problem(30, 8)
    X[:, 3] = X[:, 2]
    X[:, 4] = 2.0
    X[:, 5] += 1e8
    X[:, 6] *= 1e-12
    exact = X[:, 0].copy()
    for target in (y, np.full(30, 3.0), np.zeros(30), exact, y + 1e8):
        model = SparseHuberRegressor(0.01, scale=scale).fit(X, target)
        assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_)
        assert model.dual_gap_ <= model.dual_gap_tol_
    single = SparseHuberRegressor(scale=scale).fit(X[:2], y[:2])
    assert single.dual_gap_ <= single.dual_gap_tol_


def test_wrong_combinations_are_named():
    X, y, _ = problem()
    with pytest.raises(ValueError, match=r"epsilon must be > 1 .*; got 0\.5"):
        SparseHuberRegressor(epsilon=0.5).fit(X, y)
    assert SparseHuberRegressor(epsilon=0.5, scale=None).fit(X, y).scale_ == 1.0
    y = np.zeros(len(y))
    y[0] = 1.0
    with pytest.raises(ValueError, match="scale='mad' needs"):
        SparseHuberRegressor(scale="mad").fit(X, y)


def test_spread_of_y():
    values, weight = np.array([5.0, 1.0, 2.0, 9.0]), np.full(4, 0.25)
    assert weighted_median(values, weight) == 3.5
    assert weighted_median(np.array([1.0, 2.0]), np.array([0.9, 0.1])) == 1.0
    assert mad(values, weight) == pytest.approx(1.482602218505602 * 2.0)


def test_cross_validation_resists_outliers():
    X, y, weight = problem(200, 20)
    model = SparseHuberRegressorCV(alphas=15, alpha_rule="1se").fit(X, y, weight)
    assert model.mae_path_.shape == (15, 5)
    assert set(np.flatnonzero(np.abs(model.coef_) > 0.3)) == {0, 1}
    train, test = np.arange(150), np.arange(150, 200)
    folds = [(train, test), (test, train)]
    model = SparseHuberRegressorCV(alphas=[0.2, 0.05], cv=folds, tol=1e-10)
    model.fit(X, y, weight)
    inner = SparseHuberRegressor(0.05, tol=1e-10).fit(X[train], y[train], weight[train])
    errors = np.abs(y[test] - inner.predict(X[test]))
    expected = np.average(errors, weights=weight[test])
    assert model.mae_path_[1, 0] == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def always_shifted(monkeypatch):
    """Let every problem be solved by shifts of samples, no matter how few are."""
    monkeypatch.setattr(huber_path, "_INLIERS", 1e9)


@pytest.mark.parametrize("scale", ["concomitant", None])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_shifts_of_samples_lead_to_the_same_solution(
    scale, l1_ratio, positive, fit_intercept, request
):
    X, y, weight = problem()
    prices = np.ones(20)
    prices[[3, 4]] = 0.0, 2.0
    model = SparseHuberRegressor(
        0.05,
        scale=scale,
        l1_ratio=l1_ratio,
        positive=positive,
        fit_intercept=fit_intercept,
        penalty_weights=prices,
        tol=1e-9,
    )
    expected = clone(model).fit(X, y, weight)
    request.getfixturevalue("always_shifted")
    for storage in (np.asarray, sparse.csc_array):
        found = clone(model).fit(storage(X), y, weight)
        assert found.dual_gap_ <= found.dual_gap_tol_
        assert found.objective_ == pytest.approx(expected.objective_, rel=2e-9)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-3)
        assert found.scale_ == pytest.approx(expected.scale_, rel=1e-3)


@pytest.mark.parametrize("scale", ["concomitant", None])
def test_objective_near_interpolation_is_that_of_cvxpy(scale):
    X, y, _ = problem(40, 80, seed=1)
    alpha, epsilon = (0.03, 1.35) if scale else (0.01, 0.1)
    model = SparseHuberRegressor(alpha, epsilon=epsilon, scale=scale).fit(X, y)
    s = np.full(40, 1 / 40)
    w, b, t, inside = cp.Variable(80), cp.Variable(), cp.Variable(), cp.Variable(40)
    r = y - X @ w - b
    constraints, loss = [], 0.5 * (s @ cp.huber(r, epsilon))
    if scale:
        squares = cp.quad_over_lin(inside, 40 * t)
        loss = 0.5 * t + 0.5 * squares + epsilon * (s @ cp.abs(r - inside))
        constraints.append(t >= 0.01 * mad(y, s))
    best = cp.Problem(cp.Minimize(loss + alpha * cp.norm1(w)), constraints)
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    inliers = np.abs(y - model.predict(X)) < epsilon * model.scale_
    assert inliers.sum() < 2 * np.count_nonzero(model.coef_)
    assert model.objective_ == pytest.approx(best.value, rel=2e-6)
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_path_to_interpolation_is_certified():
    X, y, _ = problem(60, 150, seed=2)
    model = SparseHuberRegressorCV(alphas=15, eps=1e-3, cv=2).fit(X, y)
    run = model._run(X, y, None, model._penalties(150)[0], 15)
    found = run.follow(15, 1e-3)
    assert (found.gaps <= found.gap_tol).all()
    last = found.coefs[:, [-1]].toarray().ravel()
    residual = y - X @ last - found.intercepts[-1]
    assert np.median(np.abs(residual)) < 1e-2 * mad(y, np.full(60, 1 / 60))
