"""Correntropy on the simplex: bad bands, stationarity, weights."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sparsestat.unmixing import FCLS, fcls
from tests.unmixing.scenes import pure_scene

BAD = [3, 20, 21, 40]


def corrupted(seed=0, n_pixels=200):
    """Pixels with bad bands, their abundances and endmembers."""
    E, A, X, _ = pure_scene(seed, n_pixels, noise=0.01)
    rng = np.random.default_rng(seed)
    X[:, BAD] += rng.standard_normal((n_pixels, len(BAD)))
    return E, A, X


def error(found, A):
    return np.sqrt(np.mean((found - A) ** 2))


@pytest.mark.parametrize("weights", ["band", "pixel"])
def test_bad_bands_do_not_matter(weights):
    E, A, X = corrupted()
    model = FCLS(loss="correntropy", weights=weights).fit(E)
    assert error(model.transform(X), A) < 0.2 * error(fcls(X, E), A)
    good = np.delete(np.arange(60), BAD)
    found = model.band_weights(X)
    assert found.shape == (X.shape if weights == "pixel" else (60,))
    assert np.median(found[..., BAD]) < 0.05
    assert np.median(found[..., good]) > 0.95


def test_bands_that_are_bad_in_one_pixel_only():
    E, A, X, _ = pure_scene(1, 200, noise=0.01)
    rng = np.random.default_rng(0)
    bad = rng.random(X.shape) < 0.05
    X[bad] += 2.0 * rng.standard_normal(bad.sum())
    model = FCLS(loss="correntropy", weights="pixel").fit(E)
    assert error(model.transform(X), A) < 0.2 * error(fcls(X, E), A)


@pytest.mark.parametrize("weights", ["band", "pixel"])
def test_the_gap_is_that_of_the_objective(weights):
    """Slopes from differences of the sum of exp(-r^2 / (2 sigma^2)), times sigma^2."""
    E, _, X = corrupted(n_pixels=5)
    model = FCLS(loss="correntropy", weights=weights).fit(E)
    A, w = model.transform(X), model.band_weights(X)
    squares = (X - A @ E) ** 2
    if weights == "band":
        squares = squares.sum(axis=0, keepdims=True)
    known = (0.0 < w) & (w < 0.99)
    ratios = np.where(known, -0.5 * squares / np.log(np.where(known, w, 0.5)), 0.0)
    sigma2 = ratios.max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.where(known, ratios, sigma2) / sigma2, 1.0, rtol=1e-6)

    def objective(a):
        r2 = (X - a @ E) ** 2
        if weights == "band":
            r2 = r2.sum(axis=0)
        return np.sum(sigma2 * (1.0 - np.exp(-0.5 * r2 / sigma2)))

    for n in range(len(X)):
        slopes = np.empty(len(E))
        for k in range(len(E)):
            step = np.zeros_like(A)
            step[n, k] = 1e-6
            slopes[k] = (objective(A + step) - objective(A - step)) / 2e-6
        gap = slopes @ A[n] - slopes.min()
        assert gap == pytest.approx(model.dual_gap(X)[n], abs=1e-5)


def test_a_wide_kernel_is_least_squares():
    E, _, X = corrupted()
    model = FCLS(loss="correntropy", theta=1e9).fit(E)
    np.testing.assert_allclose(model.transform(X), fcls(X, E), atol=1e-6)


def test_pixels_with_weights_of_their_own_do_not_know_each_other():
    E, _, X = corrupted()
    model = FCLS(loss="correntropy", weights="pixel").fit(E)
    np.testing.assert_allclose(
        model.transform(X)[:7], model.transform(X[:7]), atol=1e-12
    )


def test_single_precision_and_zero_pixels():
    E, _, X = corrupted()
    X[0] = 0.0
    for weights in ("band", "pixel"):
        model = FCLS(loss="correntropy", weights=weights).fit(E)
        found = model.transform(X.astype(np.float32))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, model.transform(X), atol=1e-2)
    assert FCLS().fit(E).band_weights(X).tolist() == [1.0] * 60


def test_too_few_rounds_are_reported():
    E, _, X = corrupted()
    with pytest.warns(ConvergenceWarning, match="after 1 rounds.*transform_max_iter"):
        FCLS(loss="correntropy", transform_max_iter=1).fit(E).transform(X)
