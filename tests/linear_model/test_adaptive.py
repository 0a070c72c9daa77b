"""AdaptiveLasso and AdaptiveLassoCV: weights, first estimates, folds, certificates."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import (
    AdaptiveLasso,
    AdaptiveLassoCV,
    Lasso,
    LassoCV,
    LassoIC,
)
from sparsestat.linear_model._adaptive import adaptive_weights
from sparsestat.linear_model._initial import initial_coef
from tests.certificates import duality_gap


def problem(n=60, p=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * 10.0 ** rng.integers(-1, 2, p) + 0.5
    y = X[:, :3] @ (np.array([2.0, -1.0, 1.0]) / X[:, :3].std(axis=0))
    return X, y + rng.standard_normal(n)


FORMATS = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "csc": sparse.csc_array,
    "float32": lambda X: X.astype(np.float32),
}


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("shape", [(30, 50), (60, 20)], ids=["wide", "tall"])
@pytest.mark.parametrize("weighted", [True, False])
def test_certificate(storage, shape, weighted):
    X, y = problem(*shape)
    X = FORMATS[storage](X)
    sample_weight = np.arange(len(y)) % 4 / 2.0 if weighted else None
    prices = np.ones(shape[1])
    prices[4], prices[6] = 0.0, np.inf
    tol = 1e-5 if storage == "float32" else 1e-8
    for init, given in (("ridge", None), ("lasso", prices), ("ols", prices)):
        options = {"fit_intercept": given is None, "standardize": given is not None}
        model = AdaptiveLasso(
            0.02, init=init, penalty_weights=given, n_reweightings=2, tol=1e-8,
            **options,
        ).fit(X, y, sample_weight)  # fmt: skip
        assert model.coef_.dtype == X.dtype
        gap, null = duality_gap(
            X, y, model.coef_, alpha=0.02, penalty_weights=model.penalty_weights_,
            sample_weight=sample_weight, **options,
        )  # fmt: skip
        assert gap <= tol * null + 1e-12
        np.testing.assert_allclose(model.dual_gap_tol_, tol * null, rtol=1e-6)
        if given is not None:
            assert model.penalty_weights_[4] == 0.0
            assert model.penalty_weights_[6] == np.inf
            assert model.coef_[6] == 0.0


def test_weights_are_powers_of_sizes():
    coef = np.array([2.0, -0.5, 0.0])
    np.testing.assert_allclose(adaptive_weights(coef, 2.0, 0.0), [0.25, 4.0, np.inf])
    automatic = 1 / (np.abs(coef) + 2e-3)
    np.testing.assert_allclose(adaptive_weights(coef, 1.0, "auto"), automatic)
    assert (adaptive_weights(np.zeros(2), 1.0, "auto") == np.inf).all()


def test_is_a_lasso_with_the_weights_of_its_first_estimate():
    X, y = problem()
    start = np.linspace(-1.0, 1.0, 30)
    model = AdaptiveLasso(0.1, init=start, gamma=0.5, epsilon=0.1, tol=1e-10).fit(X, y)
    weights = (np.abs(start) + 0.1) ** -0.5
    lasso = Lasso(0.1, penalty_weights=weights, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, lasso.coef_, atol=1e-8)
    # Once more, with the weights of that fit.
    again = AdaptiveLasso(
        0.1, init=start, gamma=0.5, epsilon=0.1, n_reweightings=2, tol=1e-10
    ).fit(X, y)
    weights = (np.abs(model.coef_) + 0.1) ** -0.5
    lasso = Lasso(0.1, penalty_weights=weights, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(again.coef_, lasso.coef_, atol=1e-8)
    assert again.n_iter_ > model.n_iter_


def test_reweightings_lower_the_concave_objective():
    # Each is a step of majorisation and minimisation of sum alpha log(|w| + epsilon).
    X, y = problem()
    X = X / X.std(axis=0)

    def objective(coef):
        residual = y - X @ coef
        residual -= residual.mean()
        return (residual**2).mean() / 2 + 0.1 * np.log(np.abs(coef) + 0.05).sum()

    values = [
        objective(
            AdaptiveLasso(0.1, epsilon=0.05, n_reweightings=k, tol=1e-12)
            .fit(X, y)
            .coef_
        )
        for k in range(1, 6)
    ]
    assert (np.diff(values) <= 1e-10).all()
    assert values[-1] < values[0] - 1e-6


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array])
@pytest.mark.parametrize("shape", [(60, 20), (20, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_first_estimates_are_those_of_scikit_learn(storage, shape, fit_intercept):
    X, y = problem(*shape)
    weight = np.arange(len(y)) % 3 + 0.0
    total, share = weight.sum(), weight / weight.sum()
    mean = share @ X if fit_intercept else 0.0
    scale = np.sqrt(share @ (X - mean) ** 2)
    Z = (X - mean) / scale
    ols = initial_coef("ols", storage(X), y, weight, fit_intercept)
    least = LinearRegression(fit_intercept=fit_intercept).fit(Z, y, weight)
    np.testing.assert_allclose(ols * scale, least.coef_, atol=1e-8)
    # Generalised cross-validation by its definition, over a dense grid.
    found = initial_coef("ridge", storage(X), y, weight, fit_intercept)
    root = np.sqrt(share)[:, None]
    target = root[:, 0] * (y - (share @ y if fit_intercept else 0.0))
    top = np.linalg.norm(root * Z, 2) ** 2
    best, least_score = None, np.inf
    for alpha in top * np.logspace(1, -6, 100):
        gram = (root * Z).T @ (root * Z) + alpha * np.eye(shape[1])
        hat = root * Z @ np.linalg.solve(gram, (root * Z).T)
        rss = np.sum((target - hat @ target) ** 2)
        left = total - fit_intercept - np.trace(hat)
        if rss / left**2 < least_score:
            least_score, best = rss / left**2, alpha
    ridge = Ridge(best * total, fit_intercept=fit_intercept).fit(Z, y, weight)
    np.testing.assert_allclose(found * scale, ridge.coef_, atol=1e-7)


def test_first_lasso_is_the_choice_of_its_criterion():
    X, y = problem()
    found = initial_coef("lasso", X, y, None, True)
    assert set(np.flatnonzero(found)) >= {0, 1, 2}
    assert np.count_nonzero(found) < 15
    silent = initial_coef("lasso", X, np.zeros(60), None, True)
    assert not silent.any()


def test_scales_of_columns_do_not_matter():
    X, y = problem()
    size = 10.0 ** np.random.default_rng(1).integers(-3, 4, 30)
    for options in ({"standardize": True}, {"gamma": 1.0, "epsilon": 0.0}):
        first = AdaptiveLasso(0.1, tol=1e-12, **options).fit(X, y)
        second = AdaptiveLasso(0.1, tol=1e-12, **options).fit(X * size, y)
        np.testing.assert_allclose(first.predict(X), second.predict(X * size))


def test_epsilon_zero_excludes_what_the_first_estimate_does_not_have():
    X, y = problem()
    start = np.zeros(30)
    start[:2] = 1.0
    model = AdaptiveLasso(1e-3, init=start, epsilon=0.0).fit(X, y)
    assert set(np.flatnonzero(model.coef_)) == {0, 1}
    nothing = AdaptiveLasso(1e-3, init=np.zeros(30)).fit(X, y)
    assert not nothing.coef_.any()
    assert nothing.intercept_ == pytest.approx(y.mean())
    assert nothing.dual_gap_ == 0.0


def test_folds_do_not_see_what_they_are_tested_on():
    X, y = problem()
    alphas = np.array([1.0, 0.1, 0.01])
    model = AdaptiveLassoCV(alphas=alphas, cv=3, tol=1e-10).fit(X, y)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for i, alpha in enumerate(alphas):
            fold = AdaptiveLasso(alpha, tol=1e-10).fit(X[train], y[train])
            mse = np.mean((y[test] - fold.predict(X[test])) ** 2)
            np.testing.assert_allclose(model.mse_path_[i, k], mse, rtol=1e-5)
    refit = AdaptiveLasso(model.alpha_, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, refit.coef_, atol=1e-8)
    np.testing.assert_allclose(model.penalty_weights_, refit.penalty_weights_)


def test_reweightings_in_folds_follow_the_choices():
    X, y = problem()
    alphas = np.array([0.3, 0.1, 0.03])
    once = AdaptiveLassoCV(alphas=alphas, cv=3, tol=1e-10).fit(X, y)
    twice = AdaptiveLassoCV(alphas=alphas, cv=3, n_reweightings=2, tol=1e-10).fit(X, y)
    start = once.coef_
    expected = 1 / (np.abs(start) + 1e-3 * np.abs(start).max())
    np.testing.assert_allclose(twice.penalty_weights_, expected, rtol=1e-5)
    train, test = next(iter(KFold(3).split(X)))
    first = AdaptiveLasso(once.alpha_, tol=1e-10).fit(X[train], y[train])
    second = AdaptiveLasso(alphas[1], init=first.coef_, tol=1e-10)
    second.fit(X[train], y[train])
    mse = np.mean((y[test] - second.predict(X[test])) ** 2)
    np.testing.assert_allclose(twice.mse_path_[1, 0], mse, rtol=1e-5)


def test_criterion_chooses_without_folds():
    X, y = problem()
    model = AdaptiveLassoCV(criterion="bic").fit(X, y)
    direct = LassoIC("bic", penalty_weights=model.penalty_weights_).fit(X, y)
    np.testing.assert_allclose(model.coef_, direct.coef_, atol=1e-6)
    assert not hasattr(model, "mse_path_")


def test_finds_the_support_where_the_lasso_takes_more():
    sizes = {"lasso": 0, "adaptive": 0}
    for seed in range(3):
        data = make_sparse_regression(
            150, 100, n_nonzero_coefs=4, snr=10.0, random_state=seed
        )
        lasso = LassoCV(cv=3).fit(data.data, data.target)
        adaptive = AdaptiveLassoCV(cv=3, init="lasso").fit(data.data, data.target)
        assert set(data.support) <= set(np.flatnonzero(adaptive.coef_))
        sizes["lasso"] += np.count_nonzero(lasso.coef_)
        sizes["adaptive"] += np.count_nonzero(adaptive.coef_)
    assert sizes["adaptive"] < 0.6 * sizes["lasso"]


@pytest.mark.parametrize("wrong", [np.ones(3), np.full(30, np.nan), ["a"] * 30])
def test_bad_first_estimates_are_refused(wrong):
    with pytest.raises(ValueError, match="init must be"):
        AdaptiveLasso(init=wrong).fit(*problem())
