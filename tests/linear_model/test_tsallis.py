"""Mixed models with heavy tails: likelihood, stationarity, limits, robustness."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import check_grad
from scipy.special import comb
from scipy.stats import multivariate_normal, multivariate_t

from sparsestat.linear_model import Lasso, TsallisMixedModel
from sparsestat.linear_model._elliptical import (
    Components,
    likelihood,
    make_groups,
    whiten,
)

PARTS = Components(1.7, np.array([[0.7, 0.0], [0.3, 0.5]]), 3.0)


def cohort(n_groups=30, size=5, p=20, seed=0, tails=2.2):
    """Groups with a random intercept, whose scales have heavy tails."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    X = rng.standard_normal((len(groups), p))
    scale = np.sqrt(tails / rng.chisquare(tails, n_groups))
    shared = rng.standard_normal(n_groups) * scale
    noise = 0.5 * rng.standard_normal(len(groups)) * scale[groups]
    return X, X[:, 0] - X[:, 1] + 0.5 * X[:, 2] + shared[groups] + noise + 2.0, groups


def small():
    rng = np.random.default_rng(0)
    groups = make_groups(np.array([0, 0, 0, 1, 1, 2]), rng.standard_normal((6, 2)))
    return groups, rng.standard_normal(6), rng.standard_normal((6, 3))


def covariance(groups, i, parts=PARTS):
    rows = groups.index == i
    B = groups.effects[rows] @ parts.root
    return rows, parts.noise * (np.eye(rows.sum()) + B @ B.T)


@pytest.mark.parametrize("freedom", [3.0, np.inf])
def test_likelihood_is_that_of_scipy(freedom):
    groups, residual, _ = small()
    parts = PARTS._replace(freedom=freedom)
    expected = 0.0
    for i in range(3):
        rows, V = covariance(groups, i)
        if np.isinf(freedom):
            law = multivariate_normal(np.zeros(rows.sum()), V)
        else:
            law = multivariate_t(np.zeros(rows.sum()), V, df=freedom)
        expected -= law.logpdf(residual[rows]) / 6
    assert likelihood(groups, residual, parts).value == pytest.approx(expected)


def test_gradient_of_the_components():
    groups, residual, _ = small()

    def at(theta):
        root = np.array([[np.exp(theta[1]), 0.0], [theta[2], np.exp(theta[3])]])
        parts = Components(np.exp(theta[0]), root, np.exp(theta[4]))
        return likelihood(groups, residual, parts)

    theta = np.array([0.3, -0.4, 0.3, -0.7, 1.1])
    error = check_grad(lambda t: at(t).value, lambda t: at(t).gradient, theta)
    assert error < 1e-6


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array])
def test_whitened_products_are_those_of_the_inverse_covariance(storage):
    groups, residual, X = small()
    found = likelihood(groups, residual, PARTS)
    white = whiten(groups, found.weights, PARTS, storage(X))
    white = white.toarray() if sparse.issparse(white) else white
    r = whiten(groups, found.weights, PARTS, residual)
    gram, product = 0.0, 0.0
    for i in range(3):
        rows, V = covariance(groups, i)
        inverse = found.weights[i] * np.linalg.inv(V)
        gram = gram + X[rows].T @ inverse @ X[rows]
        product = product + X[rows].T @ inverse @ residual[rows]
    np.testing.assert_allclose(white.T @ white, gram, atol=1e-12)
    np.testing.assert_allclose(white.T @ r, product, atol=1e-12)


def test_modes_are_the_conditional_means():
    groups, residual, _ = small()
    found = likelihood(groups, residual, PARTS)
    for i in range(3):
        rows, V = covariance(groups, i)
        Psi = PARTS.noise * PARTS.root @ PARTS.root.T
        mean = Psi @ groups.effects[rows].T @ np.linalg.solve(V, residual[rows])
        np.testing.assert_allclose(found.modes[i], mean, atol=1e-12)


def objective(model, X, y, groups, w, b):
    """Written apart from the model, for l1 and a random intercept."""
    total = 0.0
    psi = model.variance_components_[0, 0]
    for i in np.unique(groups):
        rows = groups == i
        m = rows.sum()
        V = model.noise_variance_ * np.eye(m) + psi
        law = multivariate_t(np.zeros(m), V, df=model.degrees_of_freedom_)
        total -= law.logpdf(y[rows] - X[rows] @ w - b) / len(y)
    return total + model.alpha * np.abs(w).sum()


def test_solution_is_stationary():
    X, y, groups = cohort()
    model = TsallisMixedModel(alpha=0.2).fit(X, y, groups=groups)
    assert model.stationarity_ <= model.stationarity_tol_
    w, b, step = model.coef_, model.intercept_, 1e-4
    value = objective(model, X, y, groups, w, b)
    assert model.objective_ == pytest.approx(value)
    for direction in np.vstack([np.eye(len(w)), -np.eye(len(w))]):
        moved = objective(model, X, y, groups, w + step * direction, b)
        assert moved >= value - 1e-9
    for change in (step, -step):
        assert objective(model, X, y, groups, w, b + change) >= value - 1e-9


@pytest.mark.parametrize("penalty", ["scad", "mcp"])
def test_solvers_agree(penalty):
    X, y, groups = cohort()
    fits = [
        TsallisMixedModel(alpha=0.2, penalty=penalty, solver=solver, tol=1e-7)
        for solver in ("auto", "pncg")
    ]
    first, second = (fit.fit(X, y, groups=groups) for fit in fits)
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-5)
    assert first.objective_ == pytest.approx(second.objective_, abs=1e-9)


def test_gaussian_without_groups_is_the_lasso_in_units_of_the_noise():
    X, y, _ = cohort(tails=50.0)
    model = TsallisMixedModel(alpha=0.2, q=1, tol=1e-9).fit(X, y)
    lasso = Lasso(alpha=0.2 * model.noise_variance_, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, lasso.coef_, atol=1e-6)
    assert model.noise_variance_ == pytest.approx(
        np.mean((y - model.predict(X)) ** 2), rel=1e-6
    )
    assert model.variance_components_.shape == (0, 0)
    np.testing.assert_array_equal(model.weights_, 1.0)


def test_error_is_a_fraction_of_the_lasso_under_heavy_tails():
    truth = np.zeros(20)
    truth[:3] = 1.0, -1.0, 0.5
    ours, theirs = [], []
    for seed in range(3):
        X, y, groups = cohort(n_groups=60, seed=seed)
        model = TsallisMixedModel(alpha=0.05).fit(X, y, groups=groups)
        ours.append(np.linalg.norm(model.coef_ - truth))
        theirs.append(np.linalg.norm(Lasso(alpha=0.05).fit(X, y).coef_ - truth))
    assert np.median(np.divide(ours, theirs)) < 0.5


def test_outlying_group_gets_little_weight():
    X, y, groups = cohort(tails=50.0)
    y[groups == 7] += 30.0 * np.array([1, -1, 1, -1, 1])
    model = TsallisMixedModel(alpha=0.1).fit(X, y, groups=groups)
    assert np.argmin(model.weights_) == 7
    assert model.weights_[7] < 0.1 * np.median(model.weights_)


def test_fixed_q_is_kept_and_fitted_q_is_better():
    X, y, groups = cohort()
    best = TsallisMixedModel(alpha=0.2).fit(X, y, groups=groups)
    for q in (1, 1.2, 1.9):
        model = TsallisMixedModel(alpha=0.2, q=q).fit(X, y, groups=groups)
        assert model.q_ == pytest.approx(q)
        assert model.objective_ >= best.objective_ - 1e-9


def test_order_of_samples_and_names_of_groups_do_not_matter():
    X, y, groups = cohort()
    first = TsallisMixedModel(alpha=0.2).fit(X, y, groups=groups)
    order = np.random.default_rng(1).permutation(len(y))
    names = np.array([f"clinic {i:02}" for i in groups])
    second = TsallisMixedModel(alpha=0.2).fit(X[order], y[order], groups=names[order])
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-5)
    np.testing.assert_allclose(first.weights_, second.weights_, rtol=1e-4)


def test_sparse_data():
    X, y, groups = cohort()
    X = np.where(np.abs(X) > 1.0, X, 0.0)
    dense = TsallisMixedModel(alpha=0.2).fit(X, y, groups=groups)
    found = TsallisMixedModel(alpha=0.2).fit(sparse.csr_array(X), y, groups=groups)
    np.testing.assert_allclose(found.coef_, dense.coef_, atol=1e-5)
    np.testing.assert_allclose(
        found.predict(sparse.csr_array(X), groups=groups),
        dense.predict(X, groups=groups),
        atol=1e-4,
    )


def test_random_slopes_by_index_and_by_name():
    pd = pytest.importorskip("pandas")
    X, y, groups = cohort(tails=50.0)
    slopes = np.random.default_rng(2).standard_normal(30)
    y += slopes[groups] * X[:, 4]
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(20)])
    first = TsallisMixedModel(0.2, random_effects=[4]).fit(X, y, groups=groups)
    second = TsallisMixedModel(0.2, random_effects=["x4"]).fit(frame, y, groups=groups)
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-8)
    assert first.variance_components_.shape == (2, 2)
    assert first.random_effects_.shape == (30, 2)
    assert np.corrcoef(first.random_effects_[:, 1], slopes)[0, 1] > 0.9


def test_predictions_know_the_groups_that_were_seen():
    X, y, groups = cohort(tails=50.0)
    model = TsallisMixedModel(alpha=0.1).fit(X, y, groups=groups)
    fixed, known = model.predict(X), model.predict(X, groups=groups)
    np.testing.assert_allclose(known - fixed, model.random_effects_[groups, 0])
    np.testing.assert_array_equal(model.predict(X, groups=groups + 100), fixed)
    assert np.mean((y - known) ** 2) < 0.5 * np.mean((y - fixed) ** 2)


def test_strong_penalty_leaves_nothing_and_weights_zero_and_inf_mean_what_they_say():
    X, y, groups = cohort()
    model = TsallisMixedModel(alpha=100.0).fit(X, y, groups=groups)
    assert not model.coef_.any()
    weights = np.ones(20)
    weights[0], weights[1] = 0.0, np.inf
    model = TsallisMixedModel(alpha=100.0, penalty_weights=weights)
    model.fit(X, y, groups=groups)
    assert list(np.flatnonzero(model.coef_)) == [0]
    assert model.stationarity_ <= model.stationarity_tol_


@pytest.mark.parametrize(
    "given, groups, message",
    [
        ({"q": 3.0}, None, "q"),
        ({"q": 0.5}, None, "q"),
        ({"random_effects": ["nobody"]}, np.arange(150) // 5, "'nobody'"),
        ({"random_effects": [20]}, np.arange(150) // 5, "index 20"),
        ({"random_effects": [3, 3]}, np.arange(150) // 5, "distinct"),
        ({"solver": "pncg"}, None, "solver='pncg'"),
        ({"penalty": "scad", "gamma": 1.5}, None, "gamma must be > 2"),
        ({}, np.arange(7), "inconsistent numbers of samples"),
        ({}, np.full(150, np.nan), "groups contains NaN"),
    ],
)
def test_bad_input_is_named(given, groups, message):
    X, y, _ = cohort()
    with pytest.raises(ValueError, match=message):
        TsallisMixedModel(**given).fit(X, y, groups=groups)


def test_weights_are_repeated_groups():
    X, y, groups = cohort(20)
    counts = np.arange(20) % 3
    again = np.concatenate(
        [
            np.flatnonzero(groups == g)
            for g, count in enumerate(counts)
            for _ in range(count)
        ]
    )
    names = np.repeat(np.arange(counts.sum()), 5)
    model = TsallisMixedModel(alpha=0.2, tol=1e-8)
    weighted = model.fit(X, y, counts[groups], groups=groups)
    coef, noise = weighted.coef_, weighted.noise_variance_
    objective, effects = weighted.objective_, weighted.random_effects_
    assert len(weighted.groups_) == np.count_nonzero(counts)
    model.fit(X[again], y[again], groups=names)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)
    assert model.noise_variance_ == pytest.approx(noise, rel=1e-5)
    assert model.objective_ == pytest.approx(objective, rel=1e-9)
    first = (np.cumsum(counts) - counts)[np.flatnonzero(counts)]
    np.testing.assert_allclose(model.random_effects_[first], effects, atol=1e-5)
    with pytest.raises(ValueError, match="same for all samples of a group; got"):
        model.fit(X, y, np.r_[2.0, np.ones(99)], groups=groups)


def test_two_ways_find_what_the_null_model_hides():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 15))
    y = 10.0 * X[:, 0] - 8.0 * X[:, 1] + 0.5 * rng.standard_t(3, 120)
    stuck = TsallisMixedModel(alpha=0.12, n_path=0).fit(X, y)
    found = TsallisMixedModel(alpha=0.12).fit(X, y)
    assert not stuck.coef_.any()  # stationary, and far from the best
    assert stuck.stationarity_ <= stuck.stationarity_tol_
    assert set(np.flatnonzero(found.coef_)) >= {0, 1}
    assert found.objective_ < stuck.objective_ - 0.5
    assert found.stationarity_ <= found.stationarity_tol_


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_criteria_choose_the_strength(criterion):
    X, y, groups = cohort()
    model = TsallisMixedModel(criterion, n_path=8).fit(X, y, groups=groups)
    assert model.criterion_.shape == model.alphas_.shape == (8,)
    assert model.alpha_ == model.alphas_[model.criterion_.argmin()]
    assert model.stationarity_ <= model.stationarity_tol_
    assert set(np.flatnonzero(model.coef_)) >= {0, 1, 2}
    # The likelihood, and the price of features, noise, effects, tails and intercept.
    price = {"aic": 2.0, "bic": np.log(150.0), "ebic": np.log(150.0)}[criterion]
    size = np.count_nonzero(model.coef_)
    loss = model.objective_ - model.alpha_ * np.abs(model.coef_).sum()
    expected = 2 * 150 * loss + price * (size + 4)
    if criterion == "ebic":
        expected += 2.0 * np.log(comb(20, size))
    assert model.criterion_.min() == pytest.approx(expected, abs=0.1)
    plain = TsallisMixedModel(model.alpha_).fit(X, y, groups=groups)
    assert not hasattr(plain, "criterion_")
    assert model.set_params(alpha=0.2).fit(X, y).alpha_ == 0.2
    assert not hasattr(model, "criterion_")
