"""Scenes with known mixtures."""

import numpy as np
import pytest

from sparsestat.datasets import make_hyperspectral
from sparsestat.metrics import spectral_angle
from sparsestat.utils.validation import ParameterError

MODELS = ["blocks", "dirichlet", "grf"]


@pytest.mark.parametrize("model", MODELS)
def test_pixels_are_mixtures(model):
    scene = make_hyperspectral(
        30, 20, endmembers=4, model=model, snr_db=np.inf, random_state=0
    )
    A, E = scene.abundances, scene.endmembers
    assert A.shape == (600, 4) and E.shape == (4, 224)
    np.testing.assert_allclose(scene.X, A @ E, rtol=1e-12)
    np.testing.assert_allclose(A.sum(axis=1), 1.0, rtol=1e-12)
    assert A.min() >= 0.0 and A.max() <= 0.8
    assert (A.max(axis=0) > 0.3).all()
    assert scene.cube.shape == (30, 20, 224)
    np.testing.assert_array_equal(scene.cube.reshape(-1, 224), scene.X)
    np.testing.assert_array_equal(scene.abundance_maps.reshape(-1, 4), A)
    assert scene.noise_variance.max() == 0.0 and (scene.illumination == 1.0).all()


def test_blocks_follow_the_published_protocol():
    # z = 8: 64 blocks of 8 x 8, a mean over 9 x 9, pure pixels made equal mixtures.
    pure = make_hyperspectral(max_purity=1.0, random_state=1).abundance_maps
    scene = make_hyperspectral(random_state=1)
    maps = scene.abundance_maps
    replaced = pure.max(axis=2) > 0.8
    assert 0.0 < replaced.mean() < 0.5
    np.testing.assert_array_equal(maps[replaced], 0.2)
    np.testing.assert_array_equal(maps[~replaced], pure[~replaced])
    # Windows of 81 pixels: shares are multiples of 1 / 81.
    np.testing.assert_allclose(81.0 * pure, np.round(81.0 * pure), atol=1e-9)


def test_windows_average_the_blocks():
    maps = make_hyperspectral(
        16, 16, endmembers=4, max_purity=1.0, snr_db=np.inf, random_state=0
    ).abundance_maps
    # Four blocks, a material each; pixel (7, 7) sees 5 + 4 rows and columns.
    corner = np.sort(maps[7, 7] * 81.0)
    np.testing.assert_allclose(corner, [16.0, 20.0, 20.0, 25.0])


@pytest.mark.parametrize("snr_db", [10.0, 40.0])
def test_white_noise_has_the_asked_power(snr_db):
    quiet = make_hyperspectral(snr_db=np.inf, random_state=2)
    noisy = make_hyperspectral(snr_db=snr_db, random_state=2)
    np.testing.assert_array_equal(quiet.abundances, noisy.abundances)
    noise = noisy.X - quiet.X
    ratio = 10.0 * np.log10(np.mean(quiet.X**2) / np.mean(noise**2))
    assert ratio == pytest.approx(snr_db, abs=0.05)
    assert np.ptp(noisy.noise_variance) == 0.0


def test_bands_may_have_ratios_of_their_own():
    quiet = make_hyperspectral(n_bands=40, snr_db=np.inf, random_state=3)
    ratios = np.linspace(5.0, 35.0, 40)
    ratios[7] = np.inf
    noisy = make_hyperspectral(n_bands=40, snr_db=ratios, random_state=3)
    noise = noisy.X - quiet.X
    np.testing.assert_array_equal(noise[:, 7], 0.0)
    power = np.mean(quiet.X**2, axis=0)
    good = ratios < np.inf
    found = 10.0 * np.log10(power[good] / np.mean(noise[:, good] ** 2, axis=0))
    np.testing.assert_allclose(found, ratios[good], atol=0.5)
    drawn = make_hyperspectral(n_bands=40, snr_db=(10.0, 20.0), random_state=3)
    found = 10.0 * np.log10(power / drawn.noise_variance)
    assert found.min() >= 10.0 and found.max() <= 20.0 and np.ptp(found) > 5.0


def test_bad_bands_get_their_own_power_as_noise():
    scene = make_hyperspectral(n_bad_bands=20, random_state=4)
    good = make_hyperspectral(random_state=4)
    assert len(np.unique(scene.bad_bands)) == 20
    mask = np.zeros(224, dtype=bool)
    mask[scene.bad_bands] = True
    np.testing.assert_array_equal(scene.X[:, ~mask], good.X[:, ~mask])
    power = np.mean((scene.abundances @ scene.endmembers) ** 2, axis=0)
    added = scene.noise_variance - good.noise_variance
    np.testing.assert_allclose(added[mask], power[mask])
    less = make_hyperspectral(n_bad_bands=20, bad_band_snr_db=10.0, random_state=4)
    np.testing.assert_array_equal(less.bad_bands, scene.bad_bands)
    added = less.noise_variance - good.noise_variance
    np.testing.assert_allclose(added[mask], 0.1 * power[mask])


def test_light_changes_smoothly():
    scene = make_hyperspectral(illumination=0.4, snr_db=np.inf, random_state=5)
    light = scene.illumination
    assert light.min() == pytest.approx(0.6) and light.max() == 1.0
    assert np.abs(np.diff(light, axis=0)).max() < 0.1
    np.testing.assert_allclose(
        scene.X, light.reshape(-1, 1) * (scene.abundances @ scene.endmembers)
    )


def test_drawn_spectra_are_smooth_and_apart():
    for seed in range(5):
        E = make_hyperspectral(8, 8, block_size=2, endmembers=9, random_state=seed)
        angles = np.rad2deg(spectral_angle(E.endmembers))
        assert angles[~np.eye(9, dtype=bool)].min() > 10.0
        assert E.endmembers.min() > 0.0 and E.endmembers.max() < 1.0
        assert np.abs(np.diff(E.endmembers, axis=1)).max() < 0.2


def test_given_spectra_and_seeds():
    E = np.eye(3, 6)
    scene = make_hyperspectral(endmembers=E, random_state=0)
    assert scene.wavelengths is None and scene.X.shape == (4096, 6)
    again = make_hyperspectral(endmembers=E, random_state=0)
    np.testing.assert_array_equal(scene.X, again.X)
    other = make_hyperspectral(endmembers=E, random_state=1)
    assert not np.array_equal(scene.X, other.X)
    single = make_hyperspectral(3, 3, endmembers=E[:1], max_purity=1.0)
    assert (single.abundances == 1.0).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_rows": 0}, "n_rows must be an integer"),
        ({"model": "voronoi"}, "model must be 'blocks'"),
        ({"max_purity": 0.1}, "max_purity must be at least 1 / 5"),
        ({"n_bad_bands": 300}, "n_bad_bands must be at most the number of bands, 224"),
        ({"block_size": 40}, "block_size must leave a block for each of the 5"),
        ({"snr_db": [1.0, 2.0, 3.0]}, r"snr_db must be a number.*shape \(3,\)"),
        ({"snr_db": (20.0, 10.0)}, "snr_db must be a range"),
        ({"endmembers": [[0.1, np.nan]]}, "endmembers contains NaN"),
        ({"illumination": 1.0}, "illumination must be"),
    ],
)
def test_wrong_input_is_named(options, message):
    with pytest.raises((ParameterError, ValueError), match=message):
        make_hyperspectral(**options)
