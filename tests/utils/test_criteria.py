"""Information criteria against their definitions."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from sparsestat.utils.criteria import (
    CRITERIA,
    information_criterion,
    price_of_parameters,
)

N, P, VARIANCE = 20, 9, 1.7
PRICES = {
    "aic": lambda k: 2 * k,
    "aicc": lambda k: 2 * k + 2 * k * (k + 1) / (N - k - 1),
    "bic": lambda k: k * math.log(N),
    "ebic": lambda k: k * math.log(N) + 2 * math.log(math.comb(P, k - 1)),
}


def values(criterion, squares, k, **options):
    return information_criterion(
        criterion, squares, k, n_samples=N, n_features=P, **options
    )


@pytest.mark.parametrize("criterion", CRITERIA)
def test_value_is_the_likelihood_and_a_price(criterion):
    residual = np.random.default_rng(0).standard_normal((N, 4))
    k = np.array([1, 3, 6, 10])
    found = values(criterion, (residual**2).sum(axis=0), k, noise_variance=VARIANCE)
    likelihood = norm(scale=math.sqrt(VARIANCE)).logpdf(residual).sum(axis=0)
    expected = -2 * likelihood + [PRICES[criterion](int(size)) for size in k]
    np.testing.assert_allclose(found, expected)


def test_corrected_criterion_is_infinite_without_degrees_of_freedom_left():
    found = values("aicc", [1.0, 1.0, 1.0], [18, 19, 30], noise_variance=1.0)
    assert np.isfinite(found[0])
    assert np.isposinf(found[1:]).all()


def test_extended_criterion_counts_models_of_features_only():
    options = {"noise_variance": 1.0, "gamma": 0.5}
    without = values("ebic", [0.0], [2], fit_intercept=False, **options)
    bic = values("bic", [0.0], [2], noise_variance=1.0)
    np.testing.assert_allclose(without - bic, math.log(math.comb(P, 2)))
    plain = values("ebic", [0.0], [2], noise_variance=1.0, gamma=0.0)
    np.testing.assert_allclose(plain, bic)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 1000])
@pytest.mark.parametrize("p", [1, 2, 3, 400])
def test_prices_of_best_subsets(n, p):
    """GIC has p >= 3 and n >= 16, so that it is positive for all data."""
    k = np.array([1, 2])
    options = {"n_samples": n, "n_features": p}
    found = price_of_parameters("gic", k, **options)
    expected = k * math.log(max(p, 3)) * math.log(math.log(max(n, 16)))
    np.testing.assert_allclose(found, expected)
    assert (found > 0.0).all()
    found = price_of_parameters("ebic_abess", k, **options)
    np.testing.assert_allclose(found, k * math.log(n) + 2 * (k - 1) * math.log(p))
    grouped = price_of_parameters("ebic", [7], n_chosen=[1], **options)
    np.testing.assert_allclose(grouped, 7 * math.log(n) + 2 * math.log(p))


@pytest.mark.parametrize("criterion", ["bic", "ebic", "ebic_abess"])
def test_prices_never_fall_however_few_samples(criterion):
    options = {"n_features": 4, "n_intercepts": 0}
    prices = price_of_parameters(criterion, [0, 1], n_samples=0.0, **options)
    assert prices[0] == 0.0
    assert 0.0 <= prices[1] < 3.0


def test_unknown_criterion_is_named():
    with pytest.raises(ValueError, match=r"criterion must be one of .* got 'cp'"):
        values("cp", [1.0], [1], noise_variance=1.0)
