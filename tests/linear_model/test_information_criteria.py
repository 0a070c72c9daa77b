"""LassoIC, criteria in place of cross-validation, and the variance of the noise."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LassoLarsIC, LinearRegression

from sparsestat.linear_model import ElasticNet, ElasticNetCV, LassoCV, LassoIC
from tests.certificates import assert_certified


def test_information_criteria_match_least_angles(data):
    X, y = data
    for criterion in ("aic", "bic"):
        lars = LassoLarsIC(criterion).fit(X, y)
        ours = LassoIC(criterion, alphas=lars.alphas_[:-1], tol=1e-13).fit(X, y)
        np.testing.assert_allclose(ours.noise_variance_, lars.noise_variance_)
        # They leave the intercept out of the degrees of freedom.
        price = 2.0 if criterion == "aic" else np.log(60)
        difference = ours.criterion_ - lars.criterion_[:-1]
        assert np.median(np.abs(difference - price)) < 1e-6


def test_stricter_criteria_choose_fewer_features(data):
    sizes = [
        np.count_nonzero(LassoIC(criterion).fit(*data).coef_)
        for criterion in ("ebic", "bic", "aic")
    ]
    assert sizes == sorted(sizes)
    by_option = LassoCV(criterion="bic").fit(*data)
    np.testing.assert_array_equal(by_option.coef_, LassoIC("bic").fit(*data).coef_)


def test_noise_of_wide_data_is_estimated():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 200))
    y = 3 * X[:, 0] - 2 * X[:, 1] + rng.standard_normal(80)
    model = LassoIC("ebic", random_state=0).fit(X, y)
    assert 0.4 < model.noise_variance_ < 2.0
    assert set(np.flatnonzero(model.coef_)) == {0, 1}
    again = LassoIC("ebic", random_state=0).fit(X, y)
    assert again.noise_variance_ == model.noise_variance_


@pytest.mark.parametrize("criterion", ["aic", "aicc", "bic", "ebic"])
def test_solution_is_certified(data, criterion):
    X, y = data
    model = LassoIC(criterion).fit(X, y)
    assert_certified(model, X, y, alpha=model.alpha_)
    best = int(model.criterion_.argmin())
    assert model.alpha_ == model.alphas_[best]
    support = np.count_nonzero(model.path_coef_.toarray(), axis=0)
    np.testing.assert_array_equal(model.degrees_of_freedom_, support + 1)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_variance_of_the_noise_is_that_of_least_squares(data, storage, fit_intercept):
    X, y = data
    X = np.where(np.abs(X) > 0.5, X, 0.0) * 10.0 ** (np.arange(30) % 5 - 2)
    X[:, 7], X[:, 9] = X[:, 8], 1e-3  # of rank 28 beside the intercept
    model = LassoIC(fit_intercept=fit_intercept, alphas=3).fit(storage(X), y)
    least = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    squares = ((y - least.predict(X)) ** 2).sum()
    np.testing.assert_allclose(model.noise_variance_, squares / (60 - 29), rtol=1e-9)


def test_offsets_do_not_hide_the_noise(data):
    X, y = data
    near = LassoIC(alphas=3).fit(X, y)
    far = LassoIC(alphas=3).fit(X + 1e7, y - 1e7)
    np.testing.assert_allclose(far.noise_variance_, near.noise_variance_, rtol=1e-6)


def test_frequencies_are_repetitions(data):
    X, y = data
    counts = 1 + np.arange(60) % 3
    weighted = LassoIC().fit(X, y, counts)
    repeated = LassoIC().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.noise_variance_, repeated.noise_variance_)
    np.testing.assert_allclose(weighted.criterion_, repeated.criterion_, rtol=1e-6)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-4)


def test_given_variance_is_used(data):
    model = LassoIC("bic", noise_variance=4.0, alphas=20).fit(*data)
    assert model.noise_variance_ == 4.0
    X, y = data
    residual = y[:, None] - X @ model.path_coef_.toarray() - model.path_intercept_
    expected = 60 * np.log(8 * np.pi) + (residual**2).sum(axis=0) / 4.0
    expected += model.degrees_of_freedom_ * np.log(60)
    np.testing.assert_allclose(model.criterion_, expected)


def test_target_without_noise_is_fitted(data):
    X, _ = data
    model = LassoIC("bic").fit(X, X[:, 2] - X[:, 4])
    assert set(np.flatnonzero(model.coef_)) == {2, 4}
    constant = LassoIC("bic").fit(X, np.full(60, 3.0))
    assert not constant.coef_.any()
    assert np.isfinite(constant.criterion_).all()


@pytest.mark.parametrize("n_samples", [2, 3, 5])
def test_few_samples(data, n_samples):
    X, y = data
    model = LassoIC("bic", random_state=0).fit(X[:n_samples], y[:n_samples])
    assert np.isfinite(model.criterion_).all()
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_ridge_takes_degrees_of_freedom_away(data):
    X, y = data
    model = ElasticNetCV(l1_ratio=0.5, criterion="aic", alphas=[0.1], standardize=True)
    model.fit(X, y)
    support = np.flatnonzero(model.coef_)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    gram = Z[:, support].T @ Z[:, support] / 60
    dof = 1 + np.trace(gram @ np.linalg.inv(gram + 0.05 * np.eye(len(support))))
    squares = ((y - model.predict(X)) ** 2).sum()
    variance = model.noise_variance_
    expected = 60 * np.log(2 * np.pi * variance) + squares / variance + 2 * dof
    np.testing.assert_allclose(model.criterion_, [expected])
    # The derivative of the fit by y, by finite differences: what dof estimates.
    change = 0.0
    for i in range(60):
        moved = np.array(y)
        moved[i] += 1e-5
        pair = [
            ElasticNet(0.1, standardize=True, tol=1e-14).fit(X, t) for t in (y, moved)
        ]
        change += np.diff([m.predict(X[[i]])[0] for m in pair])[0] / 1e-5
    np.testing.assert_allclose(change, dof, rtol=1e-3)
