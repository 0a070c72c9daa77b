"""Sparse generalised linear models: certificates, golden values, equivalences."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import xlogy
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
)
from sklearn.metrics import d2_tweedie_score, log_loss
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_validate

from sparsestat.linear_model import (
    SparseGammaRegressor,
    SparseGammaRegressorCV,
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
    SparsePoissonRegressor,
    SparsePoissonRegressorCV,
    glm_path,
)
from sparsestat.optim import datafits, penalties, solve, to_cvxpy

FAMILIES = ["logistic", "poisson", "gamma"]
MODELS = {
    "logistic": SparseLogisticRegression,
    "poisson": SparsePoissonRegressor,
    "gamma": SparseGammaRegressor,
}
CV_MODELS = {
    "logistic": SparseLogisticRegressionCV,
    "poisson": SparsePoissonRegressorCV,
    "gamma": SparseGammaRegressorCV,
}
DATAFITS = {
    "logistic": datafits.Logistic(),
    "poisson": datafits.Poisson(),
    "gamma": datafits.Gamma(),
}
each_family = pytest.mark.parametrize("family", FAMILIES)


def problem(family, n=80, p=12, seed=0):
    """Half sparse data, a target with two true features, integer weights, offsets."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.3
    X[rng.random((n, p)) < 0.4] = 0.0
    offset = 0.5 * rng.standard_normal(n)
    z = X[:, 0] - X[:, 1] + offset
    if family == "logistic":
        y = np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-z)), 1.0, -1.0)
    elif family == "poisson":
        y = rng.poisson(np.exp(z)).astype(float)
    else:
        y = rng.gamma(2.0, np.exp(z) / 2.0)
    return X, y, rng.integers(0, 4, n).astype(float), offset


def losses(family, y, z):
    """Half deviances, and means of the dual: t, the mean, or the ratio to it."""
    if family == "logistic":
        return np.logaddexp(0.0, -y * z), y / (1.0 + np.exp(y * z))
    if family == "poisson":
        return np.exp(z) - y * z - y + xlogy(y, y), y - np.exp(z)
    return y * np.exp(-z) + z - 1.0 - np.log(y), y * np.exp(-z) - 1.0


def dual_losses(family, y, u):
    if family == "logistic":
        t = y * u
        assert ((t >= 0.0) & (t <= 1.0)).all()
        return -xlogy(t, t) - xlogy(1.0 - t, 1.0 - t)
    if family == "poisson":
        mean = y - u
        assert (mean >= 0.0).all()
        return mean - xlogy(mean, mean) - y + xlogy(y, y)
    ratio = 1.0 + u
    assert (ratio >= 0.0).all()
    return ratio - xlogy(ratio, ratio / y) - 1.0 - np.log(y)


def independent_gap(family, X, y, coef, alpha, weight=None, offset=0.0, ridge=0.0):
    """Gap and null loss from the definition; the intercept by bisection."""
    s = np.ones(len(y)) if weight is None else weight
    s = s / s.sum()

    def at(coef):
        z = X @ coef + offset
        b = brentq(lambda b: s @ losses(family, y, z + b)[1], -50, 50, xtol=1e-15)
        value, u = losses(family, y, z + b)
        u = u - s @ u  # what is left is rounding
        return s @ value, u

    value, u = at(coef)
    primal = value + alpha * np.abs(coef).sum() + 0.5 * ridge * coef @ coef
    size = np.abs(X.T @ (s * u) - ridge * coef).max()
    scale = min(1.0, alpha / size)
    dual = s @ dual_losses(family, y, scale * u) - 0.5 * ridge * scale**2 * coef @ coef
    if ridge > 0.0:
        excess = np.maximum(np.abs(X.T @ (s * u)) - alpha, 0.0)
        other = s @ dual_losses(family, y, u) - 0.5 * (excess @ excess) / ridge
        dual = max(dual, other)
    return primal - dual, at(np.zeros(X.shape[1]))[0]


@each_family
@pytest.mark.parametrize(
    "storage", [np.asfortranarray, np.ascontiguousarray, sparse.csc_array, np.float32]
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
def test_gap_is_certified_independently(family, storage, weighted, l1_ratio):
    X, y, weight, offset = problem(family)
    if storage is np.float32:
        X = X.astype(np.float32)
    weight = weight if weighted else None
    offset = offset if weighted else None
    alpha = 0.03
    model = MODELS[family](alpha, l1_ratio=l1_ratio)
    model.fit(X if storage is np.float32 else storage(X), y, weight, offset=offset)
    assert model.coef_.dtype == X.dtype
    coef = np.ravel(model.coef_).astype(float)
    gap, null = independent_gap(
        family,
        X.astype(float),
        y,
        coef,
        alpha * l1_ratio,
        weight,
        0.0 if offset is None else offset,
        alpha * (1.0 - l1_ratio),
    )
    tol = 1e-5 if storage is np.float32 else 1e-6
    assert gap <= tol * null + 1e-14
    assert model.dual_gap_ <= model.dual_gap_tol_ == pytest.approx(tol * null, rel=1e-6)


@each_family
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_objective_is_that_of_cvxpy(family, positive, fit_intercept):
    X, y, weight, offset = problem(family)
    v = np.linspace(0.5, 2.0, X.shape[1])
    v[[3, 8]], v[4] = 0.0, np.inf
    penalty = penalties.ElasticNet(0.03, 0.7, v, positive)
    given = {"offset": offset, "sample_weight": weight, "fit_intercept": fit_intercept}
    found = solve(X, y, DATAFITS[family], penalty, tol=1e-9, **given)
    best, variables = to_cvxpy(X, y, DATAFITS[family], penalty, **given)
    best.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert found.converged
    assert found.objective == pytest.approx(best.value, abs=1e-9)
    assert found.objective - found.gap <= best.value + 1e-9
    np.testing.assert_allclose(found.coef, variables["coef"].value, atol=1e-4)
    assert found.coef[4] == 0.0


@each_family
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_thin_columns_stay_sparse_with_the_same_result(family, fit_intercept):
    X, y, weight, offset = problem(family, 200, 60)
    X[np.random.default_rng(1).random(X.shape) < 0.9] = 0.0
    model = MODELS[family](
        0.005, fit_intercept=fit_intercept, standardize=True, tol=1e-11
    )
    one = clone(model).fit(X, y, weight, offset=offset)
    other = clone(model).fit(sparse.csc_array(X), y, weight, offset=offset)
    assert np.count_nonzero(one.coef_) > 5
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-5)
    assert one.objective_ == pytest.approx(other.objective_, rel=1e-10)


def test_extra_constraints_in_cvxpy():
    X, y, _, _ = problem("poisson")
    best, variables = to_cvxpy(X, y, datafits.Poisson(), penalties.L1(0.05))
    free = best.solve()
    constrained = cp.Problem(best.objective, [variables["coef"][0] == 0.0])
    assert constrained.solve() > free
    with pytest.raises(TypeError, match="datafit must be"):
        to_cvxpy(X, y, penalties.L1(0.05), penalties.L1(0.05))


def test_golden_value():
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = SparseLogisticRegression(0.05, tol=1e-10).fit(X, y)
    assert model.objective_ == pytest.approx(0.3301368111, abs=1e-10)
    assert set(np.flatnonzero(model.coef_)) == {7, 20, 21, 27}
    np.testing.assert_allclose(
        model.coef_[0, [7, 20, 21, 27]],
        [-0.2891, -1.28478, -0.32238, -1.10339],
        atol=1e-5,
    )
    assert model.intercept_[0] == pytest.approx(0.7153271575, abs=1e-6)
    raw = SparseLogisticRegression(0.05, tol=1e-10, standardize=True)
    raw.fit(*load_breast_cancer(return_X_y=True))
    assert raw.objective_ == pytest.approx(model.objective_, rel=1e-9)


def test_ridge_is_that_of_scikit_learn():
    X, y, weight, _ = problem("logistic")
    theirs = LogisticRegression(C=1.0 / (0.1 * weight.sum()), tol=1e-10, max_iter=10000)
    theirs.fit(X, y, weight)
    ours = SparseLogisticRegression(0.1, l1_ratio=0.0, tol=1e-12).fit(X, y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5
    )
    for family, peer in [("poisson", PoissonRegressor), ("gamma", GammaRegressor)]:
        X, y, weight, _ = problem(family)
        theirs = peer(alpha=0.1, tol=1e-10, max_iter=10000, solver="newton-cholesky")
        theirs.fit(X, y, weight)
        ours = MODELS[family](0.1, l1_ratio=0.0, tol=1e-12).fit(X, y, weight)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)
        assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-5)


@each_family
def test_null_model_beyond_the_largest_strength(family):
    X, y, weight, _ = problem(family)
    alphas, coefs, gaps, intercepts = glm_path(
        X, y, family=family, sample_weight=weight, return_intercepts=True, alphas=5
    )
    assert not coefs[:, 0].any() and coefs[:, 1].any()
    mean = np.average(y, weights=weight)
    null = np.log(mean)
    if family == "logistic":
        null = np.log((1.0 + mean) / (1.0 - mean))
    assert intercepts[0] == pytest.approx(null, abs=1e-9)
    for factor, n_nonzero in [(1.0 + 1e-9, 0), (1.0 - 1e-3, 1)]:
        model = MODELS[family](factor * alphas[0], tol=1e-10).fit(X, y, weight)
        assert np.count_nonzero(model.coef_) == n_nonzero
    z = X @ coefs + intercepts
    s = weight / weight.sum()
    null_loss = s @ losses(family, y, z[:, 0])[0]
    assert (gaps <= 1e-6 * null_loss).all()


@each_family
def test_repeated_rows_are_weights(family):
    X, y, weight, offset = problem(family)
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    model = MODELS[family](0.03, tol=1e-12, standardize=True)
    one = clone(model).fit(X, y, weight, offset=offset)
    other = clone(model).fit(X[copies], y[copies], offset=offset[copies])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-6)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=1e-6)
    assert one.objective_ == pytest.approx(other.objective_, rel=1e-10)


@each_family
def test_path_ends_where_single_fits_do(family):
    X, y, weight, offset = problem(family, 40, 100)
    alphas, coefs, gaps, n_iters = glm_path(
        X, y, family=family, sample_weight=weight, offset=offset, alphas=8, eps=0.05,
        tol=1e-10, return_n_iter=True,
    )  # fmt: skip
    assert (n_iters >= 1).all() and (gaps >= 0.0).all()
    for k in (3, 7):
        model = MODELS[family](alphas[k], tol=1e-10)
        model.fit(X, y, weight, offset=offset)
        np.testing.assert_allclose(np.ravel(model.coef_), coefs[:, k], atol=1e-4)


@each_family
def test_offsets_are_part_of_predictions(family):
    X, y, weight, offset = problem(family)
    model = MODELS[family](0.03, tol=1e-10).fit(X, y, weight, offset=offset)
    moved = clone(model).fit(X, y, weight, offset=offset + 3.0)
    np.testing.assert_allclose(moved.coef_, model.coef_, atol=1e-6)
    np.testing.assert_allclose(moved.intercept_, model.intercept_ - 3.0, atol=1e-6)
    if family == "logistic":
        score = model.decision_function(X, offset)
        np.testing.assert_allclose(score, model.decision_function(X) + offset)
        np.testing.assert_allclose(
            model.predict_proba(X, offset)[:, 1], 1.0 / (1.0 + np.exp(-score))
        )
        assert (model.predict(X, offset) == np.where(score > 0, 1.0, -1.0)).all()
    else:
        ratio = model.predict(X, offset) / model.predict(X)
        np.testing.assert_allclose(ratio, np.exp(offset))
        power = {"poisson": 1, "gamma": 2}[family]
        assert model.score(X, y, weight, offset) == pytest.approx(
            d2_tweedie_score(
                y, model.predict(X, offset), sample_weight=weight, power=power
            )
        )
    with pytest.raises(ValueError, match=r"offset must be .*\(80,\)"):
        clone(model).fit(X, y, offset=[1.0])
    with pytest.raises(ValueError, match="offset must be finite"):
        model.predict(X, np.full(80, np.nan))


def test_exposures_are_offsets_or_weights_of_rates():
    X, y, _, _ = problem("poisson")
    exposure = np.random.default_rng(1).uniform(0.5, 3.0, len(y))
    counts = SparsePoissonRegressor(0.05, tol=1e-12)
    counts.fit(X, y, offset=np.log(exposure))
    share = exposure.mean()
    rates = SparsePoissonRegressor(0.05 / share, tol=1e-12)
    rates.fit(X, y / exposure, exposure)
    np.testing.assert_allclose(counts.coef_, rates.coef_, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_scaling_laws(factor):
    X, y, _, _ = problem("gamma")
    one = SparseGammaRegressor(0.05, tol=1e-10).fit(X, y)
    other = SparseGammaRegressor(0.05, tol=1e-10).fit(X, factor * y)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)
    assert other.intercept_ - one.intercept_ == pytest.approx(np.log(factor))
    X, y, _, _ = problem("poisson")
    one = SparsePoissonRegressor(0.05, tol=1e-10).fit(X, y)
    other = SparsePoissonRegressor(0.05 * factor, tol=1e-10).fit(X, factor * y)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)
    column_scales = np.geomspace(1e-3, 1e3, X.shape[1])
    fits = [
        SparsePoissonRegressor(0.05, standardize=True, tol=1e-10).fit(data, y)
        for data in (X, X * column_scales)
    ]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_ * column_scales, atol=1e-5)


@each_family
def test_degenerate_data_are_certified(family):
    X, y, _, _ = problem(family, 40, 8)
    X[:, 3] = X[:, 2]
    X[:, 4] = 2.0
    X[:, 5] += 1e8
    X[:, 6] *= 1e-12
    for alpha in (0.1, 1e-3):
        model = MODELS[family](alpha).fit(X, y)
        assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
        assert model.dual_gap_ <= model.dual_gap_tol_
    for rows, columns in [(slice(40), slice(1)), (slice(10), slice(8))]:
        small = MODELS[family](0.01).fit(X[rows, columns], y[rows])
        assert small.dual_gap_ <= small.dual_gap_tol_
    nothing = MODELS[family](0.01).fit(np.zeros_like(X), y)
    assert not nothing.coef_.any() and nothing.dual_gap_ <= nothing.dual_gap_tol_


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_constant_target_is_the_null_model(family):
    X, _, _, _ = problem(family)
    model = MODELS[family](1e-6).fit(X, np.full(len(X), 7.0))
    assert not model.coef_.any() and model.dual_gap_ == 0.0
    assert model.intercept_ == pytest.approx(np.log(7.0))


def test_separable_classes_are_certified():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 200))
    y = X[:, 0] > 0.0
    alphas, coefs, gaps = glm_path(X, y, alphas=30, eps=1e-4)
    assert (gaps <= 1e-6 * np.log(2.0)).all()
    assert np.abs(coefs[:, -1]).sum() > 10.0
    for alpha in (alphas[-1], 1e-3 * alphas[-1]):
        model = SparseLogisticRegression(alpha).fit(X, y)
        assert model.score(X, y) == 1.0
        assert model.dual_gap_ <= model.dual_gap_tol_


def test_counts_of_millions_and_nearly_none():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 10))
    many = rng.poisson(1e6 * np.exp(X[:, 0])).astype(float)
    model = SparsePoissonRegressor(1e3).fit(X, many)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.coef_[0] == pytest.approx(1.0, abs=0.01)
    few = np.zeros(60)
    few[7] = 1.0
    model = SparsePoissonRegressor(1e-3).fit(X, few)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert np.isfinite(model.predict(X)).all()


def test_targets_outside_the_family_are_named():
    X, y, _, _ = problem("poisson")
    with pytest.raises(ValueError, match=r"y must be >= 0 .*got a value of -1\.0"):
        SparsePoissonRegressor().fit(X, y - 1.0)
    with pytest.raises(ValueError, match="y must not be all zero"):
        SparsePoissonRegressor().fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="y must not be all zero"):
        SparsePoissonRegressor().fit(X, y, (y == 0.0).astype(float))
    with pytest.raises(ValueError, match=r"y must be > 0 .*got a value of 0\.0"):
        SparseGammaRegressor().fit(X, y)
    with pytest.raises(ValueError, match="at least two classes; got one class"):
        SparseLogisticRegression().fit(X, np.ones(len(y)))
    labels = np.where(y > 0, "some", "none")
    with pytest.raises(ValueError, match="none of class 'none'"):
        SparseLogisticRegression().fit(X, labels, (y > 0).astype(float))
    with pytest.raises(ValueError, match="class_weight must be"):
        SparseLogisticRegression(class_weight=2).fit(X, labels)
    with pytest.raises(ValueError, match="family must be"):
        glm_path(X, y, family="binomial")
    folds = [(np.flatnonzero(y > 0), np.flatnonzero(y == 0))]
    with pytest.raises(ValueError, match="of every fold"):
        SparseLogisticRegressionCV(cv=folds).fit(X, labels)


def test_labels_and_probabilities():
    X, y, _, _ = problem("logistic")
    labels = np.where(y > 0, "yes", "no")
    model = SparseLogisticRegression(0.03).fit(X, labels)
    assert list(model.classes_) == ["no", "yes"]
    assert model.coef_.shape == (1, 12) and model.intercept_.shape == (1,)
    assert model.sparse_coef_.shape == (1, 12)
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(probability))
    assert (model.predict(X) == model.classes_[probability.argmax(axis=1)]).all()
    far = model.predict_log_proba(1e4 * X)
    assert np.isfinite(far).all()
    again = SparseLogisticRegression(0.03).fit(X, y > 0)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    flipped = SparseLogisticRegression(0.03, tol=1e-10).fit(X, -y)
    np.testing.assert_allclose(flipped.coef_, -model.coef_, atol=1e-3)


def test_class_weights_are_sample_weights():
    X, y, weight, _ = problem("logistic")
    given = {-1.0: 1.0, 1.0: 3.0}
    one = SparseLogisticRegression(0.03, class_weight=given, tol=1e-12)
    one.fit(X, y, weight)
    other = SparseLogisticRegression(0.03, tol=1e-12)
    other.fit(X, y, weight * np.where(y > 0, 3.0, 1.0))
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-7)
    balanced = SparseLogisticRegression(10.0, class_weight="balanced").fit(X, y)
    assert balanced.intercept_[0] == pytest.approx(0.0, abs=1e-9)


def test_warm_start_goes_on_from_the_fit_before():
    X, y, _, _ = problem("logistic", 60, 100)
    model = SparseLogisticRegression(0.02, warm_start=True).fit(X, y)
    cold = SparseLogisticRegression(0.019, tol=1e-10).fit(X, y)
    model.set_params(alpha=0.019, tol=1e-10).fit(X, y)
    assert model.objective_ == pytest.approx(cold.objective_, abs=1e-9)


@each_family
def test_cross_validation_scores_held_out_deviance(family):
    X, y, weight, offset = problem(family, 120)
    train, test = np.arange(80), np.arange(80, 120)
    folds = [(train, test), (test, train)]
    model = CV_MODELS[family](alphas=[0.1, 0.03], cv=folds, tol=1e-10)
    model.fit(X, y, weight, offset=offset)
    inner = MODELS[family](0.03, tol=1e-10)
    inner.fit(X[train], y[train], weight[train], offset=offset[train])
    z = X[test] @ np.ravel(inner.coef_) + inner.intercept_ + offset[test]
    expected = 2.0 * np.average(losses(family, y[test], z)[0], weights=weight[test])
    assert model.deviance_path_.shape == (2, 2)
    assert model.deviance_path_[1, 0] == pytest.approx(expected, rel=1e-4)
    assert model.alpha_ in model.alphas_
    scored = CV_MODELS[family](
        alphas=[0.1, 0.03],
        cv=folds,
        tol=1e-10,
        scoring="neg_log_loss" if family == "logistic" else "neg_mean_absolute_error",
    ).fit(X, y, weight, offset=offset)
    if family == "logistic":
        expected = -log_loss(
            y[test],
            inner.predict_proba(X[test], offset[test]),
            sample_weight=weight[test],
        )
    else:
        errors = np.abs(y[test] - inner.predict(X[test], offset[test]))
        expected = -np.average(errors, weights=weight[test])
    assert scored.score_path_[1, 0] == pytest.approx(expected, rel=1e-4)


def test_folds_keep_the_shares_of_the_classes():
    X, y, _, _ = problem("logistic", 100)
    order = np.argsort(y)  # plain folds would have one class
    labels = np.where(y > 0, "b", "a")[order]
    one = SparseLogisticRegressionCV(alphas=5).fit(X[order], labels)
    other = SparseLogisticRegressionCV(alphas=5, cv=StratifiedKFold())
    other.fit(X[order], labels)
    np.testing.assert_array_equal(one.deviance_path_, other.deviance_path_)
    groups = np.arange(100) % 4
    grouped = SparseLogisticRegressionCV(alphas=5, cv=GroupKFold(4))
    assert grouped.fit(X, y, groups=groups).deviance_path_.shape == (5, 4)
    several = SparseLogisticRegressionCV(l1_ratio=[0.5, 1.0], alphas=5, n_jobs=2)
    several.fit(X, y)
    assert several.deviance_path_.shape == (2, 5, 5)
    assert several.l1_ratio_ in (0.5, 1.0)
    assert several.path_coef_.shape == (12, 5)


def test_offsets_are_routed():
    X, y, _, offset = problem("poisson")
    with config_context(enable_metadata_routing=True):
        model = SparsePoissonRegressor(0.05).set_fit_request(offset=True)
        model.set_score_request(offset=True)
        result = cross_validate(model, X, y, params={"offset": offset})
        assert np.isfinite(result["test_score"]).all()
        chosen = SparsePoissonRegressorCV(alphas=5).set_fit_request(offset=True)
        assert chosen.fit(X, y, offset=offset).alpha_ > 0.0
