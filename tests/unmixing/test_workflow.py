"""The whole way of a scene: file, bad bands, number, unmixing, maps, file."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sparsestat.datasets import make_hyperspectral, read_cube
from sparsestat.metrics import unmixing_report
from sparsestat.plotting import AbundanceMapDisplay, EndmemberDisplay
from sparsestat.preprocessing import BadBandRemover
from sparsestat.unmixing import NFINDR, cube_to_pixels, hysime, unmix
from sparsestat.utils.model_selection import smallest_within_one_se


@pytest.mark.parametrize("interleave", ["bil", "bsq"])
def test_from_file_to_maps_and_back(tmp_path, interleave):
    envi = pytest.importorskip("spectral.io.envi")
    plt = pytest.importorskip("matplotlib.pyplot")
    scene = make_hyperspectral(
        max_purity=1.0, n_bad_bands=20, illumination=0.3, random_state=3
    )
    cube = scene.cube.astype(np.float32)
    cube[:5, :7] = -1.0
    metadata = {
        "wavelength": (scene.wavelengths / 1e3).tolist(),
        "wavelength units": "Micrometers",
        "data ignore value": -1,
    }
    envi.save_image(
        str(tmp_path / "scene.hdr"), cube, metadata=metadata, interleave=interleave
    )

    image = read_cube(tmp_path / "scene.hdr")
    np.testing.assert_allclose(image.wavelengths, scene.wavelengths, rtol=1e-6)
    measured = ~np.isnan(image.cube).any(axis=2)
    assert np.count_nonzero(~measured) == 35
    np.testing.assert_array_equal(image.cube[measured], cube[measured])

    X = cube_to_pixels(image.cube, measured)
    remover = BadBandRemover(wavelengths=image.wavelengths).fit(X)
    assert not remover.support_[scene.bad_bands].any()
    assert hysime(remover.transform(X)) == 5
    pipeline = make_pipeline(remover, NFINDR())
    search = GridSearchCV(
        pipeline, {"nfindr__n_components": range(3, 8)}, refit=smallest_within_one_se
    ).fit(X)
    assert search.best_params_ == {"nfindr__n_components": 5}

    pipeline = search.best_estimator_.set_params(nfindr__denoise=True)
    result = unmix(image.cube, extractor=pipeline)
    np.testing.assert_array_equal(result.mask, measured)
    report = unmixing_report(
        scene.endmembers[:, result.bands],
        result.endmembers,
        scene.abundance_maps[measured],
        result.abundance_maps[measured],
    )
    assert report["angle"].max() < 0.1
    assert report.loc["all", "rmse"] < 0.06
    assert np.nanmax(result.rmse) < 2.0 * np.sqrt(np.median(scene.noise_variance))

    maps = AbundanceMapDisplay(abundance_maps=result.abundance_maps).plot()
    spectra = EndmemberDisplay(
        endmembers=result.endmembers, wavelengths=image.wavelengths[result.bands]
    ).plot()
    assert len(maps.images_) == len(spectra.lines_) == 5
    maps.figure_.savefig(tmp_path / "maps.png")
    plt.close("all")

    kept = np.nan_to_num(result.abundance_maps.astype(np.float32), nan=-1.0)
    envi.save_image(
        str(tmp_path / "maps.hdr"), kept, metadata={"data ignore value": -1}
    )
    again = read_cube(tmp_path / "maps.hdr").cube
    np.testing.assert_array_equal(np.isnan(again).any(axis=2), ~measured)
    np.testing.assert_array_equal(again[measured], kept[measured])


@pytest.mark.parametrize("options", [{}, {"max_purity": 1.0}, {"illumination": 0.3}])
@pytest.mark.parametrize("seed", range(5))
def test_number_of_endmembers_is_found_as_a_user_would(seed, options):
    """Five at 30 dB, with and without pure pixels, in changing light."""
    scene = make_hyperspectral(48, 48, n_bad_bands=20, random_state=seed, **options)
    search = GridSearchCV(
        make_pipeline(BadBandRemover(), NFINDR()),
        {"nfindr__n_components": range(3, 8)},
        refit=smallest_within_one_se,
    ).fit(scene.X)
    assert search.best_params_ == {"nfindr__n_components": 5}
