"""The loaders on small stand-ins, and on the data themselves where there are any."""

import numpy as np
import pytest

from sparsestat.datasets import (
    load_abundance_maps,
    load_hyperspectral,
    load_spectral_library,
)
from sparsestat.metrics import spectral_angle


def write(folder, stem, **arrays):
    path = folder / "unmixing" / f"{stem}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **arrays)


def test_scene_is_scaled_and_in_rows(tmp_path):
    rng = np.random.default_rng(0)
    cube = rng.integers(0, 5000, (100, 100, 198)).astype(np.uint16)
    maps = rng.dirichlet(np.ones(4), (100, 100)).astype(np.float32)
    write(
        tmp_path,
        "jasper_ridge",
        cube=cube,
        scale=np.float32(5000.0),
        endmembers=rng.random((4, 198), dtype=np.float32),
        abundances=maps,
        wavelengths=np.arange(198.0),
    )
    scene = load_hyperspectral("jasper_ridge", data_home=tmp_path)
    assert scene.cube.dtype == np.float32
    np.testing.assert_allclose(scene.cube, cube / 5000.0, rtol=1e-6)
    np.testing.assert_array_equal(scene.X[203], scene.cube[2, 3])
    np.testing.assert_array_equal(scene.abundances[203], maps[2, 3])
    assert scene.names == ["tree", "water", "dirt", "road"]
    assert len(scene.wavelengths) == 198


def test_bands_of_a_library_are_sorted(tmp_path):
    rng = np.random.default_rng(0)
    waves = rng.permutation(np.linspace(400.0, 2500.0, 224))
    spectra = np.tile(waves, (498, 1)).astype(np.float32)
    write(
        tmp_path,
        "usgs_1995_aviris",
        spectra=spectra,
        wavelengths=waves,
        fwhm=waves / 40,
    )
    library = load_spectral_library("usgs", data_home=tmp_path)
    assert (np.diff(library.wavelengths) > 0).all()
    assert (np.diff(library.spectra, axis=1) > 0).all()
    np.testing.assert_allclose(library.fwhm * 40, library.wavelengths)
    assert library.labels is None


def test_missing_and_other_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"load_hyperspectral: .*cube of shape"):
        load_hyperspectral("samson", data_home=tmp_path)
    write(tmp_path, "samson", cube=np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"must hold .* got cube of shape \(2, 3, 4\)"):
        load_hyperspectral("samson", data_home=tmp_path)
    with pytest.raises(ValueError, match="name must be 'jasper_ridge'"):
        load_hyperspectral("urban", data_home=tmp_path)


@pytest.mark.parametrize("name", ["jasper_ridge", "moffett", "samson"])
def test_real_scenes_belong_to_their_truth(data_folder, name):
    scene = load_hyperspectral(name, data_home=data_folder)
    n_rows, n_cols, n_bands = scene.cube.shape
    assert scene.X.shape == (n_rows * n_cols, n_bands)
    np.testing.assert_allclose(scene.abundances.sum(axis=1), 1.0, atol=1e-4)
    assert 0.0 <= scene.X.min() and scene.X.max() <= 3.4
    # The purest pixels of each material look like its spectrum.
    for k in range(len(scene.names)):
        pure = scene.X[np.argsort(-scene.abundances[:, k])[:20]].mean(axis=0)
        angles = spectral_angle([pure], scene.endmembers)[0]
        assert angles.argmin() == k and angles[k] < 0.3


@pytest.mark.parametrize(
    "name, n_labels", [("jasper_ridge", 4), ("samson", 3), ("urban", 6), ("usgs", None)]
)
def test_real_libraries(data_folder, name, n_labels):
    library = load_spectral_library(name, data_home=data_folder)
    assert np.isfinite(library.spectra).all()
    if n_labels is None:
        assert len(library.names) == len(library.spectra)
        assert (np.diff(library.wavelengths) >= 0).all()
    else:
        assert len(library.names) == len(np.unique(library.labels)) == n_labels


def test_real_maps(data_folder):
    maps = load_abundance_maps(data_home=data_folder)
    np.testing.assert_allclose(maps.sum(axis=2), 1.0, atol=1e-3)
    pixels = load_abundance_maps(data_home=data_folder, return_pixels=True)
    np.testing.assert_array_equal(pixels[507], maps[5, 7])
