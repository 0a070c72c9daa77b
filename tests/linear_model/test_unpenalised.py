"""Generalised linear models without a penalty: alpha = 0."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from sparsestat.linear_model import (
    SparseCoxRegressor,
    SparseGammaRegressor,
    SparseHuberRegressor,
    SparseLogisticRegression,
    SparsePoissonRegressor,
    SparseQuantileRegressor,
)
from tests.linear_model.test_glm_penalties import problem

MODELS = {
    "logistic": SparseLogisticRegression,
    "multinomial": SparseLogisticRegression,
    "poisson": SparsePoissonRegressor,
    "gamma": SparseGammaRegressor,
    "cox": SparseCoxRegressor,
    "huber": SparseHuberRegressor,
    "quantile": SparseQuantileRegressor,
}


def data(family):
    if family not in ("huber", "quantile"):
        return problem(family)
    X, _ = problem("logistic")
    return X, X[:, 0] + np.random.default_rng(1).standard_t(2, len(X))


def fit(model, X, y):
    with pytest.warns(UserWarning, match="alpha=0 is a fit without a penalty"):
        return model.fit(X, y)


@pytest.mark.parametrize("family", list(MODELS))
def test_it_is_the_limit_of_small_strengths(family):
    X, y = data(family)
    model = fit(MODELS[family](alpha=0, tol=1e-8), X, y)
    assert 0.0 <= model.dual_gap_ <= model.dual_gap_tol_
    near = MODELS[family](alpha=1e-9, tol=1e-8).fit(X, y)
    assert model.objective_ == pytest.approx(near.objective_, rel=1e-5)
    np.testing.assert_allclose(
        model.predict(X[:20]), near.predict(X[:20]), rtol=1e-2, atol=1e-2
    )
    free = MODELS[family](alpha=0.7, penalty_weights=np.zeros(18), tol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        free.fit(X, y)
    assert free.objective_ == pytest.approx(model.objective_, rel=1e-7)


def test_it_is_what_scikit_learn_fits():
    X, y = problem("poisson")
    model = fit(SparsePoissonRegressor(0, tol=1e-12), X, y)
    theirs = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, atol=1e-5)
    X, y = problem("logistic")
    ours = fit(SparseLogisticRegression(0, tol=1e-12), X, y)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-3)


def test_quantiles_are_those_of_the_linear_program():
    X, y = data("quantile")
    model = fit(SparseQuantileRegressor(0, quantile=0.3, tol=1e-9), X, y)
    n, p = X.shape
    cost = np.r_[np.zeros(2 * p + 2), np.full(n, 0.3), np.full(n, 0.7)] / n
    ones = np.ones((n, 1))
    A = np.hstack([X, -X, ones, -ones, np.eye(n), -np.eye(n)])
    best = linprog(cost, A_eq=A, b_eq=y, method="highs")
    assert model.objective_ == pytest.approx(best.fun, rel=1e-7)


@pytest.mark.parametrize("penalty", ["elasticnet", "mcp", "group", "sparse_group"])
def test_exclusions_and_signs_stay(penalty):
    X, y = problem("poisson")
    options, kept = {"penalty": penalty, "tol": 1e-9}, np.arange(18) >= 3
    if penalty in ("group", "sparse_group"):
        weights = np.where(np.arange(6) == 0, np.inf, 1.0)
        options.update(feature_groups=3, group_weights=weights)
        options["l1_ratio"] = 0.5 if penalty == "sparse_group" else 1.0
    else:
        options["penalty_weights"] = np.where(kept, 1.0, np.inf)
    model = fit(SparsePoissonRegressor(0, **options), X, y)
    assert not model.coef_[:3].any() and model.coef_[3:].all()
    alone = fit(SparsePoissonRegressor(0, tol=1e-9), X[:, 3:], y)
    assert model.objective_ == pytest.approx(alone.objective_, rel=1e-7)
    if "penalty_weights" in options:
        model.set_params(positive=True)
        with pytest.warns(UserWarning):
            model.fit(X, y)
        assert (model.coef_ >= 0.0).all() and model.dual_gap_ <= model.dual_gap_tol_

        def value(v):
            z = X[:, 3:] @ v[:-1] + v[-1]
            inner = np.exp(z) - y
            loss = np.mean(np.exp(z) - y * z)
            return loss, np.r_[X[:, 3:].T @ inner, inner.sum()] / len(y)

        bounds = [(0, None)] * 15 + [(None, None)]
        best = minimize(value, np.zeros(16), jac=True, bounds=bounds, tol=1e-13)
        least = np.mean(np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0.0))
        assert model.objective_ == pytest.approx(best.fun + least, abs=1e-6)


@pytest.mark.parametrize("alpha", [1e-8, 0])
@pytest.mark.parametrize("shape", ["tall", "wide", "three classes"])
def test_classes_that_can_be_separated_are_certified(alpha, shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 60 if shape == "wide" else 4))
    y = np.digitize(X[:, 0], [-0.5, 0.5]) if shape == "three classes" else X[:, 0] > 0
    model = SparseLogisticRegression(alpha)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*alpha=0 is a fit without")
        model.fit(X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert np.isfinite(model.coef_).all() and np.abs(model.coef_).max() < 1e4
    assert model.score(X, y) == 1.0
    assert np.isfinite(model.predict_log_proba(X)).all()


def test_nearly_separable_data_of_the_real_world():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = fit(SparseLogisticRegression(0, tol=1e-4), X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert np.isfinite(model.coef_).all() and model.score(X, y) > 0.98


def test_duplicated_and_constant_features_do_no_harm():
    X, y = problem("logistic")
    wide = np.column_stack([X, X[:, 0], np.ones(len(X))])
    model = fit(SparseLogisticRegression(0, tol=1e-8), wide, y)
    plain = fit(SparseLogisticRegression(0, tol=1e-8), X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.objective_ == pytest.approx(plain.objective_, rel=1e-6)
    assert model.coef_[0, -1] == 0.0
