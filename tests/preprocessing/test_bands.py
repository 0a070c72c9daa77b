"""Bad bands, scales of bands, noise fractions and continua."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from sparsestat.datasets import make_hyperspectral
from sparsestat.preprocessing import (
    MNF,
    BadBandRemover,
    BandNormalizer,
    ContinuumRemoval,
)
from sparsestat.unmixing import estimate_noise
from sparsestat.utils.validation import ParameterError


@pytest.mark.parametrize("seed", range(3))
def test_bad_bands_are_found(seed):
    scene = make_hyperspectral(32, 32, n_bad_bands=25, random_state=seed)
    remover = BadBandRemover().fit(scene.X)
    np.testing.assert_array_equal(np.flatnonzero(~remover.support_), scene.bad_bands)
    power = np.mean(scene.X**2, axis=0)
    noise = np.mean(estimate_noise(scene.X) ** 2, axis=0)
    np.testing.assert_allclose(remover.noise_variance_, noise)
    np.testing.assert_allclose(remover.snr_db_, 10 * np.log10(power / noise))
    for limit in np.quantile(remover.snr_db_, [0.05, 0.5]):
        strict = BadBandRemover(min_snr_db=limit).fit(scene.X)
        np.testing.assert_array_equal(strict.support_, remover.snr_db_ >= limit)
    kept = remover.transform(scene.X)
    np.testing.assert_array_equal(kept, scene.X[:, remover.get_support()])
    back = remover.inverse_transform(kept)
    assert back.shape == scene.X.shape and (back[:, scene.bad_bands] == 0.0).all()


def test_bands_of_water_vapour_go_if_wavelengths_are_known():
    scene = make_hyperspectral(16, 16, endmembers=3, random_state=0)
    waves = scene.wavelengths
    water = ((waves >= 1340) & (waves <= 1450)) | ((waves >= 1800) & (waves <= 1970))
    quiet = BadBandRemover(min_snr_db=-np.inf, wavelengths=waves)
    np.testing.assert_array_equal(quiet.fit(scene.X).support_, ~water)
    quiet.set_params(water_absorption=False)
    assert quiet.fit(scene.X).support_.all()
    with pytest.raises(ValueError, match="an entry for each of the 224 bands"):
        BadBandRemover(wavelengths=waves[:5]).fit(scene.X)
    with pytest.raises(ValueError, match="must be in nm; got at most"):
        BadBandRemover(wavelengths=waves / 1000.0).fit(scene.X)


def test_bad_bands_may_stay_as_nan():
    scene = make_hyperspectral(16, 16, endmembers=3, n_bad_bands=9, random_state=0)
    X = scene.X.astype(np.float32)
    before = X.copy()
    remover = BadBandRemover(fill="nan").fit(X)
    shown = remover.transform(X)
    np.testing.assert_array_equal(np.isnan(shown).all(axis=0), ~remover.support_)
    assert shown.dtype == np.float32 and len(remover.get_feature_names_out()) == 224
    np.testing.assert_array_equal(X, before)


def test_one_band_stays_and_dead_bands_go():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4))
    X[:, 2] = 0.0
    remover = BadBandRemover().fit(X)
    assert remover.support_.sum() == 1 and not remover.support_[2]
    assert remover.snr_db_[2] == -np.inf
    assert BadBandRemover().fit(np.zeros((5, 3))).support_.sum() == 1


@pytest.mark.parametrize("norm", ["rms", "max", "noise"])
def test_scales_keep_mixtures(norm):
    scene = make_hyperspectral(16, 16, endmembers=3, random_state=0)
    normalizer = BandNormalizer(norm).fit(scene.X)
    scaled = normalizer.transform(scene.X)
    np.testing.assert_allclose(normalizer.inverse_transform(scaled), scene.X)
    measure = {
        "rms": lambda X: np.sqrt(np.mean(X**2, axis=0)),
        "max": lambda X: np.abs(X).max(axis=0),
        "noise": lambda X: estimate_noise(X).std(axis=0),
    }[norm]
    np.testing.assert_allclose(
        measure(scaled), 1.0, rtol=2e-2 if norm == "noise" else 1e-9
    )
    clean = scene.abundances @ scene.endmembers
    np.testing.assert_allclose(
        normalizer.transform(clean),
        scene.abundances @ normalizer.transform(scene.endmembers),
    )
    assert (BandNormalizer(norm).fit(np.zeros((4, 2))).scale_ == 1.0).all()


def test_noise_fractions_are_sorted_and_invertible():
    scene = make_hyperspectral(32, 32, snr_db=(15.0, 40.0), random_state=1)
    mnf = MNF().fit(scene.X)
    Z = mnf.transform(scene.X)
    np.testing.assert_allclose(Z.var(axis=0), mnf.explained_variance_, rtol=1e-8)
    correlation = np.corrcoef(Z[:, :10].T)
    np.testing.assert_allclose(correlation, np.eye(10), atol=1e-8)
    np.testing.assert_allclose(mnf.inverse_transform(Z), scene.X, atol=1e-10)
    # Five endmembers span four directions; the others are noise of variance one.
    assert (mnf.explained_variance_ > 5.0).sum() == 4
    few = MNF(4).fit(scene.X)
    clean = scene.abundances @ scene.endmembers
    before = np.mean((scene.X - clean) ** 2)
    after = np.mean((few.inverse_transform(few.transform(scene.X)) - clean) ** 2)
    assert after < 0.1 * before


def test_known_noise_is_used():
    scene = make_hyperspectral(16, 16, endmembers=3, snr_db=(10, 40), random_state=2)
    noise = np.diag(scene.noise_variance)
    mnf = MNF(3, noise_covariance=noise).fit(scene.X)
    V = mnf.components_.T
    np.testing.assert_allclose(
        V.T @ np.diag(mnf.noise_variance_) @ V, np.eye(3), atol=1e-8
    )
    np.testing.assert_allclose(mnf.noise_variance_, scene.noise_variance, rtol=0.02)
    with pytest.raises(ValueError, match=r"symmetric of shape \(224, 224\)"):
        MNF(noise_covariance=np.eye(3)).fit(scene.X)
    with pytest.raises(ValueError, match="positive semidefinite"):
        MNF(noise_covariance=-noise).fit(scene.X)
    with pytest.raises(ValueError, match="at most the number of bands, 224; got 300"):
        MNF(300).fit(scene.X)


def test_noise_free_and_constant_pixels_give_numbers():
    X = np.tile([[0.1, 0.2, 0.3]], (5, 1))
    assert np.isfinite(MNF().fit_transform(X)).all()
    assert np.isfinite(ContinuumRemoval().fit_transform(X)).all()
    assert np.isfinite(BandNormalizer("noise").fit_transform(X)).all()


def test_continuum_is_the_upper_hull():
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 1.0, (20, 30))
    waves = np.sort(rng.uniform(400.0, 2500.0, 30))
    found = ContinuumRemoval(waves).fit_transform(X)
    for spectrum, removed in zip(X, found, strict=True):
        # Corners of the hull with a floor far below.
        points = np.column_stack([waves, spectrum])
        floor = np.column_stack([waves[[0, -1]], [-9.0, -9.0]])
        corners = ConvexHull(np.vstack([points, floor])).vertices
        corners = np.sort(corners[corners < 30])
        level = np.interp(waves, waves[corners], spectrum[corners])
        np.testing.assert_allclose(removed, spectrum / level)
    np.testing.assert_allclose(ContinuumRemoval(waves).fit_transform(7 * X), found)
    assert found.max() == 1.0


def test_negative_continua_are_left():
    found = ContinuumRemoval().fit_transform([[-1.0, -2.0, -1.0], [1.0, -1.0, 1.0]])
    np.testing.assert_array_equal(found, [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])
    single = ContinuumRemoval().fit_transform(np.float32([[0.3]]))
    assert single.dtype == np.float32 and single[0, 0] == 1.0
    with pytest.raises(ValueError, match="wavelengths must increase"):
        ContinuumRemoval([1.0, 1.0]).fit([[1.0, 2.0]])


@pytest.mark.parametrize(
    "estimator, message",
    [
        (BadBandRemover(min_snr_db="low"), "min_snr_db must be"),
        (BadBandRemover(fill="zero"), "fill must be 'drop' or 'nan'"),
        (BandNormalizer("l2"), "norm must be"),
        (MNF(0), "n_components must be"),
    ],
)
def test_wrong_parameters_are_named(estimator, message):
    with pytest.raises(ParameterError, match=message):
        estimator.fit(np.ones((4, 3)))
