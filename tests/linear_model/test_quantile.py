"""Sparse quantile regression: linear programs, vertices, equivalences, extremes."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.datasets import load_diabetes
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import mean_pinball_loss

from sparsestat.linear_model import (
    SparseQuantileRegressor,
    SparseQuantileRegressorCV,
)
from sparsestat.optim.check_loss import CheckLoss
from sparsestat.optim.weighted_quantile import weighted_quantile


def problem(n=60, p=20, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.4] = 0.0
    y = X[:, :2] @ [2.0, -1.5] + rng.standard_t(3, n) + 1.0
    return X, y, rng.integers(0, 4, n).astype(float)


def by_highs(X, y, s, quantile, prices, positive, fit_intercept):
    """Least value of the linear program with split residuals and coefficients."""
    n, p = X.shape
    free = np.ones((n, 1 if fit_intercept else 0))
    matrix = np.hstack([X, -X, np.eye(n), -np.eye(n), free])
    cost = np.concatenate(
        [prices, prices, quantile * s, (1.0 - quantile) * s, np.zeros(free.shape[1])]
    )
    bounds = [(0, None)] * p + [(0, 0 if positive else None)] * p + [(0, None)] * 2 * n
    bounds += [(None, None)] * free.shape[1]
    found = linprog(cost, A_eq=matrix, b_eq=y, bounds=bounds, method="highs")
    assert found.status == 0
    return found.fun


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array, np.float32])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_objective_is_that_of_a_linear_program(
    storage, quantile, positive, fit_intercept, weighted
):
    X, y, weight = problem()
    if storage is np.float32:
        X = X.astype(np.float32)
    prices = np.ones(20)
    prices[3], prices[5] = 0.0, 2.0
    alpha, s = 0.05, weight if weighted else np.ones(60)
    model = SparseQuantileRegressor(
        alpha,
        quantile=quantile,
        positive=positive,
        fit_intercept=fit_intercept,
        penalty_weights=prices,
    ).fit(X if storage is np.float32 else storage(X), y, weight if weighted else None)
    s = s / s.sum()
    X = X.astype(float)
    best = by_highs(X, y, s, quantile, alpha * prices, positive, fit_intercept)
    fitted = X @ model.coef_.astype(float) + model.intercept_
    value = mean_pinball_loss(y, fitted, sample_weight=s, alpha=quantile)
    value += alpha * prices @ np.abs(model.coef_.astype(float))
    assert model.objective_ == pytest.approx(value, abs=1e-6)
    assert best - 1e-9 <= model.objective_ <= best + model.dual_gap_tol_ + 1e-9
    assert model.dual_gap_ <= model.dual_gap_tol_
    if storage is not np.float32:
        exact = np.count_nonzero(np.abs(y - fitted)[s > 0] < 1e-9)
        assert exact >= np.count_nonzero(model.coef_) + fit_intercept  # a vertex
        assert model.objective_ == pytest.approx(best, abs=1e-10)


def test_wide_problem_is_that_of_scikit_learn():
    X, y, _ = problem(80, 300, seed=1)
    model = SparseQuantileRegressor(0.04, quantile=0.3).fit(X, y)
    reference = QuantileRegressor(quantile=0.3, alpha=0.04).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-8)
    assert model.intercept_ == pytest.approx(reference.intercept_, abs=1e-8)


def test_golden_value():
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), y / y.std()
    model = SparseQuantileRegressor(0.05, quantile=0.7, tol=1e-10).fit(X, y)
    assert model.objective_ == pytest.approx(0.3040852568, abs=1e-10)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 0.95])
def test_elastic_net_is_that_of_cvxpy(l1_ratio):
    import cvxpy as cp

    X, y, weight = problem(50, 30)
    model = SparseQuantileRegressor(0.1, quantile=0.3, l1_ratio=l1_ratio)
    model.fit(X, y, weight)
    w, b, s = cp.Variable(30), cp.Variable(), weight / weight.sum()
    r = y - X @ w - b
    loss = s @ cp.maximum(0.3 * r, -0.7 * r)
    size = l1_ratio * cp.norm1(w) + 0.5 * (1.0 - l1_ratio) * cp.sum_squares(w)
    best = cp.Problem(cp.Minimize(loss + 0.1 * size))
    best.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11)
    assert model.objective_ == pytest.approx(best.value, abs=1e-6)
    assert model.objective_ - model.dual_gap_ <= best.value + 1e-9
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_dual_is_bounded_by_the_loss():
    rng = np.random.default_rng(0)
    y, s = rng.standard_normal(20), rng.random(20)
    s /= s.sum()
    smooth = CheckLoss(y, s, 0.3, True)
    u, limit = smooth.feasible(s * (rng.random(20) - 0.7))
    assert u.sum() == pytest.approx(0.0, abs=1e-15)
    for scale in (0.0, 0.5 * limit, limit):
        bound = smooth.dual_value(u, scale)
        for _ in range(300):
            other = 2.0 * rng.standard_normal(20)
            assert bound <= smooth.evaluate(other)[0] + scale * u @ other + 1e-12


def test_quantiles_of_samples():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    y = X[:, 0] + rng.exponential(size=400)
    for quantile in (0.05, 0.5, 0.95):
        model = SparseQuantileRegressor(0.01, quantile=quantile).fit(X, y)
        below = np.count_nonzero(y <= model.predict(X) + 1e-9)
        above = np.count_nonzero(y >= model.predict(X) - 1e-9)
        assert below >= 400 * quantile and above >= 400 * (1.0 - quantile)


def test_scale_of_y_changes_only_the_scale():
    X, y, _ = problem()
    one = SparseQuantileRegressor(0.05).fit(X, y)
    for factor in (1e-8, 1e8):
        other = SparseQuantileRegressor(0.05).fit(X, factor * y)
        np.testing.assert_allclose(other.coef_, factor * one.coef_, rtol=1e-7)


def test_repeated_rows_are_weights():
    X, y, weight = problem()
    copies = np.repeat(np.arange(60), weight.astype(int))
    one = SparseQuantileRegressor(0.05, quantile=0.4).fit(X, y, weight)
    other = SparseQuantileRegressor(0.05, quantile=0.4).fit(X[copies], y[copies])
    assert one.objective_ == pytest.approx(other.objective_, rel=1e-9)


def test_degenerate_data_are_certified():
    X, y, _ = problem(30, 8)
    X[:, 3] = X[:, 2]
    X[:, 4] = 2.0
    X[:, 5] += 1e8
    X[:, 6] *= 1e-12
    counts = np.round(y)
    for target in (y, counts, np.full(30, 3.0), np.zeros(30), X[:, 0] + 0.0, y + 1e8):
        for alpha in (1e-4, 0.05):
            model = SparseQuantileRegressor(alpha).fit(X, target)
            assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_)
            assert model.dual_gap_ <= model.dual_gap_tol_
    single = SparseQuantileRegressor().fit(X[:2], y[:2])
    assert single.dual_gap_ <= single.dual_gap_tol_


def test_weighted_quantile():
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert weighted_quantile(values, weight, 0.5) == 1.0
    assert weighted_quantile(values, weight, 0.51) == 2.0
    assert weighted_quantile(values, weight, 0.99) == 3.0


def test_cross_validation():
    X, y, weight = problem(200, 20)
    train, test = np.arange(150), np.arange(150, 200)
    folds = [(train, test), (test, train)]
    model = SparseQuantileRegressorCV(quantile=0.7, alphas=[0.2, 0.05], cv=folds)
    model.fit(X, y, weight)
    inner = SparseQuantileRegressor(0.05, quantile=0.7)
    inner.fit(X[train], y[train], weight[train])
    expected = mean_pinball_loss(
        y[test], inner.predict(X[test]), sample_weight=weight[test], alpha=0.7
    )
    assert model.pinball_path_[1, 0] == pytest.approx(expected, rel=1e-6)
    chosen = SparseQuantileRegressorCV(alphas=10, l1_ratio=[0.5, 1.0]).fit(X, y)
    assert chosen.pinball_path_.shape == (2, 10, 5)
    assert {0, 1} <= set(np.flatnonzero(chosen.coef_))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("name", ["group", "sparse_group"])
def test_groups_reach_the_objective_of_cvxpy(name, fit_intercept, weighted):
    X, y, weight = problem(60, 24)
    quantile = 0.3 if fit_intercept else 0.8
    s = weight / weight.sum() if weighted else np.full(60, 1 / 60)
    ratio = 0.4 if name == "sparse_group" else 1.0
    options = {"l1_ratio": ratio} if name == "sparse_group" else {}
    model = SparseQuantileRegressor(
        0.02,
        quantile=quantile,
        penalty=name,
        feature_groups=4,
        group_weights=[0.0, 1.0, 2.0, 1.0, 1.0, 0.5],
        fit_intercept=fit_intercept,
        tol=1e-7,
        **options,
    ).fit(X, y, weight if weighted else None)
    w, b = cp.Variable(24), cp.Variable() if fit_intercept else 0.0
    r = y - X @ w - b
    groups = sum(
        v * cp.norm(w[4 * g : 4 * g + 4])
        for g, v in enumerate([0.0, 1.0, 2.0, 1.0, 1.0, 0.5])
    )
    price = groups
    if name == "sparse_group":
        price = 0.6 * groups + ratio * cp.norm1(w)
    loss = s @ cp.maximum(quantile * r, (quantile - 1) * r)
    least = cp.Problem(cp.Minimize(loss + 0.02 * price)).solve(solver="CLARABEL")
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert -1e-7 <= model.objective_ - least <= model.dual_gap_ + 1e-7


@pytest.mark.parametrize("storage", [sparse.csc_array, np.float32])
@pytest.mark.parametrize("name", ["group", "scad"])
def test_penalties_on_any_storage(storage, name):
    X, y, _ = problem(60, 24)
    options = {"penalty": name, "feature_groups": 4 if name == "group" else 1}
    dense = SparseQuantileRegressor(0.05, **options).fit(X, y)
    given = X.astype(np.float32) if storage is np.float32 else storage(X)
    other = SparseQuantileRegressor(0.05, **options).fit(given, y)
    np.testing.assert_allclose(other.objective_, dense.objective_, rtol=1e-4)
    np.testing.assert_allclose(other.coef_, dense.coef_, atol=5e-2)


def test_groups_that_interpolate_are_certified():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 60))
    y = X[:, :4].sum(axis=1) + rng.standard_normal(30)
    model = SparseQuantileRegressor(0.02, penalty="group", feature_groups=3)
    model.fit(X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_


def concave_slope(name, size, alpha):
    if name == "mcp":
        return np.maximum(alpha - size / 3.0, 0.0)
    return np.where(size <= alpha, alpha, np.maximum(3.7 * alpha - size, 0.0) / 2.7)


@pytest.mark.parametrize("name", ["mcp", "scad"])
@pytest.mark.parametrize("shape", [(60, 20), (40, 80)])
@pytest.mark.parametrize("alpha", [0.15, 0.05])
def test_concave_fits_minimise_their_tangent(name, shape, alpha):
    X, y, _ = problem(*shape)
    model = SparseQuantileRegressor(alpha, quantile=0.6, penalty=name).fit(X, y)
    assert model.stationarity_ <= model.stationarity_tol_
    assert not hasattr(model, "dual_gap_")
    # A stationary point minimises the convex problem with the penalty's tangent there.
    prices = concave_slope(name, np.abs(model.coef_), alpha)
    s = np.full(len(y), 1 / len(y))
    least = by_highs(X, y, s, 0.6, prices, False, True)
    r = y - model.predict(X)
    value = np.mean(np.maximum(0.6 * r, -0.4 * r)) + prices @ np.abs(model.coef_)
    np.testing.assert_allclose(value, least, rtol=1e-9)


@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_hardly_concave_is_the_l1_norm(name):
    X, y, _ = problem()
    lasso = SparseQuantileRegressor(0.05, tol=1e-9).fit(X, y)
    hardly = SparseQuantileRegressor(0.05, penalty=name, gamma=1e9).fit(X, y)
    np.testing.assert_allclose(hardly.coef_, lasso.coef_, atol=1e-6)


def test_concave_penalties_shrink_less_and_keep_signs():
    X, y, _ = problem(200, 20)
    lasso = SparseQuantileRegressor(0.1).fit(X, y)
    concave = SparseQuantileRegressor(0.1, penalty="mcp").fit(X, y)
    truth = np.array([2.0, -1.5])
    lost = np.abs(lasso.coef_[:2] - truth).sum()
    assert np.abs(concave.coef_[:2] - truth).sum() < 0.6 * lost
    signed = SparseQuantileRegressor(0.1, penalty="mcp", positive=True).fit(X, y)
    assert (signed.coef_ >= 0.0).all()
    assert signed.stationarity_ <= signed.stationarity_tol_


def test_a_violated_condition_is_seen():
    X, y, _ = problem()
    model = SparseQuantileRegressor(0.1, penalty="mcp").fit(X, y)
    (penalty,) = [model._weighted_penalty(20)]
    run = model._run(X, y, None, penalty, 1)
    assert run.stationarity_of(0.1, model.coef_) <= 1e-12
    assert run.stationarity_of(0.1, 1.1 * model.coef_) > 1e-3
    assert run.stationarity_of(0.1, np.zeros(20)) > 1e-3


@pytest.mark.parametrize(
    ("name", "criterion"),
    [("group", None), ("mcp", None), ("sparse_group", "bic"), ("scad", "bic")],
)
def test_cross_validation_takes_all_penalties(name, criterion):
    X, y, _ = problem(60, 24)
    options = {"feature_groups": 4, "alphas": 4} if "group" in name else {"alphas": 15}
    if name == "sparse_group":
        options["l1_ratio"] = 0.5
    model = SparseQuantileRegressorCV(
        penalty=name, criterion=criterion, cv=3, tol=1e-5, **options
    ).fit(X, y)
    value, target = model._certificate
    assert value <= target
    assert model.coef_[:2].any()
