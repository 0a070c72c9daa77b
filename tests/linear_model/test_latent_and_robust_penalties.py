"""Overlapping groups of generalised linear models, and penalties of Huber's."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse

from sparsestat.linear_model import (
    SparseCoxRegressor,
    SparseCoxRegressorCV,
    SparseHuberRegressor,
    SparseHuberRegressorCV,
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
    SparsePoissonRegressor,
    glm_path,
)
from tests.linear_model.test_glm_penalties import MODELS, N, P, mean_loss, problem

SETS = [np.arange(start, min(start + 5, P)) for start in range(0, P - 2, 3)]
LATENT = {"penalty": "group", "feature_groups": SETS, "overlap": "latent"}


@pytest.mark.parametrize("family", ["logistic", "multinomial", "poisson", "gamma"])
def test_overlapping_groups_reach_the_objective_of_cvxpy(family):
    X, y = problem(family)
    model = MODELS[family](alpha=0.06, tol=1e-8, **LATENT).fit(X, y)
    k = 3 if family == "multinomial" else 1
    b = cp.Variable((1, k))
    parts = [cp.Variable((len(members), k)) for members in SETS]
    w = sum(np.eye(P)[:, members] @ v for members, v in zip(SETS, parts, strict=True))
    price = sum(
        np.sqrt(len(members)) * cp.norm(cp.vec(v, order="C"))
        for members, v in zip(SETS, parts, strict=True)
    )
    target = y if family == "multinomial" else y[:, None]
    best = cp.Problem(cp.Minimize(mean_loss(family, X, target, w, b) + 0.06 * price))
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.objective_ == pytest.approx(best.value, rel=1e-6)
    np.testing.assert_allclose(model.coef_.reshape(k, P), w.value.T, atol=2e-3)
    members = np.concatenate(SETS)
    latent = model.latent_coef_.reshape(k, -1)
    for row, coef in zip(latent, model.coef_.reshape(k, P), strict=True):
        np.testing.assert_allclose(np.bincount(members, row), coef, atol=1e-12)
    found = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array])
def test_overlapping_groups_of_hazards(storage):
    X, y = problem("cox")
    apart = [np.arange(start, start + 3) for start in range(0, P, 3)]
    options = {"penalty": "group", "tol": 1e-9}
    plain = SparseCoxRegressor(0.05, feature_groups=apart, **options).fit(X, y)
    # A group twice may share its coefficients in any way, at the same price.
    twice = SparseCoxRegressor(
        0.05, feature_groups=[*apart, apart[0]], overlap="latent", **options
    ).fit(storage(X), y)
    assert twice.dual_gap_ <= twice.dual_gap_tol_
    assert twice.objective_ == pytest.approx(plain.objective_, rel=1e-7)
    np.testing.assert_allclose(twice.coef_, plain.coef_, atol=1e-4)
    np.testing.assert_allclose(
        twice.baseline_hazard_, plain.baseline_hazard_, rtol=1e-3
    )


def test_overlapping_groups_along_paths_and_folds():
    X, y = problem("logistic")
    model = SparseLogisticRegressionCV(alphas=6, cv=3, **LATENT).fit(X, y)
    assert model.path_coef_.shape == (P, 6)
    k = list(model.alphas_).index(model.alpha_)
    np.testing.assert_allclose(
        model.path_coef_[:, [k]].toarray().ravel(), model.coef_[0], atol=1e-12
    )
    one = SparseLogisticRegression(model.alpha_, **LATENT).fit(X, y)
    np.testing.assert_allclose(one.coef_, model.coef_, atol=1e-2)
    assert SparseLogisticRegressionCV(alphas=6, criterion="bic", **LATENT).fit(X, y)
    _, coefs, gaps = glm_path(X.astype(np.float32), y, alphas=model.alphas_, **LATENT)
    np.testing.assert_allclose(coefs, model.path_coef_.toarray(), atol=1e-2)
    assert np.isfinite(gaps).all()
    Xc, yc = problem("cox")
    assert SparseCoxRegressorCV(alphas=4, cv=3, **LATENT).fit(Xc, yc).coef_.shape == (
        P,
    )
    warm = SparseLogisticRegression(0.05, warm_start=True, tol=1e-8, **LATENT)
    first = warm.fit(X, y).coef_.copy()
    assert warm.fit(X, y).n_iter_ == 1
    np.testing.assert_allclose(warm.coef_, first, atol=1e-5)


def test_overlap_without_a_word_is_an_error():
    X, y = problem("poisson")
    options = {**LATENT, "overlap": "error"}
    with pytest.raises(ValueError, match="feature_groups must not overlap; feature 3"):
        SparsePoissonRegressor(**options).fit(X, y)
    with pytest.raises(ValueError, match="overlap must be 'error' or 'latent'; got 1"):
        SparsePoissonRegressor(**{**options, "overlap": 1}).fit(X, y)


def outliers(seed=0):
    X, _ = problem("logistic", seed)
    rng = np.random.default_rng(seed)
    y = X[:, :4] @ np.array([1.0, -1.0, 0.5, 1.0]) + rng.standard_t(1.5, N)
    return X, y


@pytest.mark.parametrize("scale", [None, "mad", "concomitant"])
@pytest.mark.parametrize("name", ["group", "sparse_group", "latent"])
def test_robust_groups_reach_the_objective_of_cvxpy(scale, name):
    X, y = outliers()
    options = {"penalty": "group", "feature_groups": 3}
    if name == "latent":
        options = LATENT
    elif name == "sparse_group":
        options = {"penalty": name, "feature_groups": 3, "l1_ratio": 0.4}
    model = SparseHuberRegressor(0.08, scale=scale, tol=1e-8, **options).fit(X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_
    w, b = cp.Variable(P), cp.Variable()
    sets, parts = [np.arange(g, g + 3) for g in range(0, P, 3)], None
    constraints = []
    if name == "latent":
        sets, parts = SETS, [cp.Variable(len(members)) for members in SETS]
        constraints = [
            w == sum(np.eye(P)[:, m] @ v for m, v in zip(SETS, parts, strict=True))
        ]
    else:
        parts = [w[members] for members in sets]
    share = 0.6 if name == "sparse_group" else 1.0
    price = sum(np.sqrt(len(m)) * cp.norm(v) for m, v in zip(sets, parts, strict=True))
    price = share * price + (1.0 - share) * cp.norm1(w)
    r = y - X @ w - b
    if scale == "concomitant":
        # sigma / 2 + sigma rho(r / sigma) = min over o of a perspective.
        o, sigma = cp.Variable(N), cp.Variable(nonneg=True)
        loss = (
            0.5 * sigma
            + cp.quad_over_lin(r - o, sigma) / (2 * N)
            + 1.35 * cp.norm1(o) / N
        )
    else:
        threshold = 1.35 if scale is None else model.epsilon * model.scale_
        loss = cp.sum(cp.huber(r, threshold)) / (2 * N)
    best = cp.Problem(cp.Minimize(loss + 0.08 * price), constraints)
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert model.objective_ == pytest.approx(best.value, rel=1e-6)


@pytest.mark.parametrize("scale", [None, "concomitant"])
@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_robust_concave_penalties_are_stationary(scale, name):
    X, y = outliers()
    model = SparseHuberRegressor(0.1, scale=scale, penalty=name, tol=1e-7).fit(X, y)
    assert not hasattr(model, "dual_gap_")
    assert model.stationarity_ <= model.stationarity_tol_
    lasso = SparseHuberRegressor(0.1, scale=scale, tol=1e-9).fit(X, y)
    hardly = SparseHuberRegressor(
        0.1, scale=scale, penalty=name, gamma=1e9, tol=1e-9
    ).fit(X, y)
    np.testing.assert_allclose(hardly.coef_, lasso.coef_, atol=1e-5)
    # Coefficients that are large enough are not shrunk: they are refitted.
    large = np.abs(model.coef_) > (3.0 if name == "mcp" else 3.7) * 0.1
    small = (model.coef_ != 0.0) & ~large
    assert large.sum() >= 2
    if not small.any():
        refit = SparseHuberRegressor(
            0.1,
            scale=scale,
            penalty_weights=np.where(large, 0.0, np.inf),
            tol=1e-9,
        ).fit(X, y)
        np.testing.assert_allclose(model.coef_, refit.coef_, atol=1e-4)


def test_robust_groups_in_cross_validation():
    X, y = outliers()
    for options in ({"penalty": "group", "feature_groups": 3}, {"penalty": "mcp"}):
        model = SparseHuberRegressorCV(alphas=5, cv=3, **options).fit(X, y)
        assert model.mae_path_.shape == (5, 3)
        chosen = SparseHuberRegressorCV(alphas=5, criterion="bic", **options).fit(X, y)
        assert np.isfinite(chosen.criterion_).all()


def test_robust_groups_of_single_precision():
    X, y = outliers()
    model = SparseHuberRegressor(0.1, penalty="group", feature_groups=3)
    found = model.fit(X.astype(np.float32), y.astype(np.float32))
    assert found.coef_.dtype == np.float32
    assert found.dual_gap_ <= found.dual_gap_tol_
