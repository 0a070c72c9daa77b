"""Pruning and resampling of libraries."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from sparsestat.datasets import load_spectral_library, prune_library, resample_spectra
from sparsestat.metrics import spectral_angle

RNG = np.random.default_rng(0)


def test_kept_spectra_differ_and_the_others_do_not():
    spectra = RNG.random((60, 8))
    kept = prune_library(spectra, 0.5)
    assert kept[0] == 0 and (np.diff(kept) > 0).all() and 1 < len(kept) < 60
    angles = spectral_angle(spectra, spectra[kept])
    among = angles[kept]
    assert among[~np.eye(len(kept), dtype=bool)].min() > 0.5
    for i in np.setdiff1d(np.arange(60), kept):
        assert angles[i, kept < i].min() <= 0.5


def test_library_of_the_published_demo_has_240_spectra(data_folder):
    spectra = load_spectral_library("usgs", data_home=data_folder).spectra
    assert len(prune_library(spectra, np.deg2rad(4.44))) == 240


@pytest.mark.parametrize("fwhm", [3.0, 20.0, 300.0])
def test_bands_are_integrals_of_straight_lines(fwhm):
    known = np.sort(RNG.uniform(400.0, 900.0, 25))
    spectrum = RNG.random(25)
    centres = [known[0], 555.0, known[-1]]
    found = resample_spectra([spectrum], known, centres, fwhm=fwhm)[0]
    for centre, value in zip(centres, found, strict=True):

        def response(w, centre=centre):
            return np.exp(-4 * np.log(2) * (w - centre) ** 2 / fwhm**2)

        def integral(f):
            return sum(quad(f, a, b, epsabs=1e-12)[0] for a, b in pairwise(known))

        seen = integral(lambda w: response(w) * np.interp(w, known, spectrum))
        assert value == pytest.approx(seen / integral(response), rel=1e-8)


def test_narrow_bands_are_points_of_the_lines():
    known = np.linspace(400.0, 900.0, 30)
    spectra = RNG.random((3, 30))
    new = np.array([400.0, 433.3, 900.0])
    lines = resample_spectra(spectra, known, new)
    expected = [np.interp(new, known, s) for s in spectra]
    np.testing.assert_allclose(lines, expected)
    narrow = resample_spectra(spectra, known, new, fwhm=1e-6)
    np.testing.assert_allclose(narrow, lines, atol=1e-7)


def test_order_of_the_bands_does_not_matter_and_equal_ones_are_averaged():
    known = np.array([400.0, 500.0, 500.0, 600.0])
    spectra = np.array([[1.0, 2.0, 4.0, 1.0]])
    order = [2, 0, 3, 1]
    found = resample_spectra(spectra[:, order], known[order], [500.0])
    np.testing.assert_allclose(found, [[3.0]])
    constant = resample_spectra([[0.4] * 4], known, [410.0, 590.0], fwhm=[5.0, 80.0])
    np.testing.assert_allclose(constant, 0.4)
    assert resample_spectra(spectra.astype("f"), known, [450.0]).dtype == np.float32


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: prune_library([[1.0]], -1.0), "min_angle must be"),
        (lambda: prune_library([[np.nan]], 1.0), "spectra contains NaN"),
        (lambda: resample_spectra([[1.0, 2.0]], [1.0], [1.0]), "each of the 2 bands"),
        (lambda: resample_spectra([[1.0, 2.0]], [1.0, 2.0], [3.0]), r"in \[1, 2\]"),
        (lambda: resample_spectra([[1.0]], [1.0], [1.0], fwhm=0.0), "fwhm must be"),
        (lambda: resample_spectra([[1.0]], [1.0], [1.0], fwhm=[1, 2]), "fwhm must be"),
        (lambda: resample_spectra([[1.0]], [np.nan], [1.0]), "wavelengths must be a"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
