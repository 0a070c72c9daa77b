"""Whole images: masks, blocks, dask and xarray, bad input."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sparsestat.datasets import make_hyperspectral
from sparsestat.metrics import unmixing_report
from sparsestat.preprocessing import BadBandRemover
from sparsestat.unmixing import (
    FCLS,
    NFINDR,
    NNLS,
    UCLS,
    VCA,
    CLSUnSAL,
    RRLbS,
    SUnSAL,
    SUnSALTV,
    _blocks,
    _unmix,
    unmix,
)


@pytest.fixture(scope="module")
def scene():
    return make_hyperspectral(
        20, 26, endmembers=3, n_bands=50, max_purity=1.0, n_bad_bands=4, random_state=0
    )


def test_maps_are_those_of_the_estimators(scene):
    result = unmix(scene.cube, 3)
    model = NFINDR(3).fit(scene.X)
    A = NNLS().fit(model.components_).transform(scene.X)
    np.testing.assert_array_equal(result.endmembers, model.components_)
    error = np.sqrt(np.mean((scene.X - A @ model.components_) ** 2, axis=1))
    np.testing.assert_allclose(result.rmse.ravel(), error)
    A /= A.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), A)
    assert result.mask.all() and result.extractor.n_components_ == 3
    raw = unmix(scene.cube, 3, abundance="ucls", normalize=False, extractor="vca")
    assert isinstance(raw.extractor, VCA)
    expected = UCLS().fit(raw.endmembers).transform(scene.X)
    np.testing.assert_allclose(raw.abundance_maps.reshape(-1, 3), expected)


@pytest.mark.parametrize("extractor", sorted(_unmix._EXTRACTORS))
@pytest.mark.parametrize("abundance", ["fcls", "nnls"])
def test_all_extractors_find_pure_materials(scene, extractor, abundance):
    good = np.setdiff1d(np.arange(50), scene.bad_bands)
    result = unmix(
        scene.cube[:, :, good], 3, extractor=extractor, abundance=abundance,
        random_state=0,
    )  # fmt: skip
    report = unmixing_report(
        scene.endmembers[:, good], result.endmembers, scene.abundance_maps,
        result.abundance_maps,
    )  # fmt: skip
    assert report.loc["all", "angle"] < 0.15
    assert report.loc["all", "rmse"] < 0.25


def test_pixels_with_nan_have_no_part(scene):
    cube = scene.cube.copy()
    cube[2:5, 3, 7] = np.nan
    cube[9] = np.nan
    mask = np.ones((20, 26), dtype=bool)
    mask[:, :2] = False
    result = unmix(cube, 3, mask=mask)
    kept = mask & ~np.isnan(cube).any(axis=2)
    np.testing.assert_array_equal(result.mask, kept)
    np.testing.assert_array_equal(np.isnan(result.rmse), ~kept)
    np.testing.assert_array_equal(np.isnan(result.abundance_maps).any(axis=2), ~kept)
    model = NFINDR(3).fit(scene.cube[kept])
    np.testing.assert_array_equal(result.endmembers, model.components_)


@pytest.mark.parametrize("dtype", [np.float64, np.uint16])
def test_masked_values_have_no_part(scene, dtype):
    cube = np.maximum(1e4 * scene.cube, 0.0).astype(dtype)
    missing = np.zeros(cube.shape, dtype=bool)
    missing[2:5, 3, 7] = missing[9] = True
    result = unmix(np.ma.array(cube, mask=missing), 3)
    expected = unmix(cube, 3, mask=~missing.any(axis=2))
    np.testing.assert_array_equal(result.mask, expected.mask)
    np.testing.assert_allclose(result.endmembers, expected.endmembers)
    np.testing.assert_allclose(
        result.abundance_maps, expected.abundance_maps, atol=1e-5
    )


def test_pipelines_and_estimators_are_cloned(scene):
    pipeline = make_pipeline(BadBandRemover(), NFINDR(3))
    result = unmix(scene.cube, extractor=pipeline, abundance=SUnSAL(alpha=1e-3))
    good = np.setdiff1d(np.arange(50), scene.bad_bands)
    np.testing.assert_array_equal(result.bands, good)
    assert result.endmembers.shape == (3, 46)
    assert not hasattr(pipeline[-1], "components_")
    fitted = clone(pipeline).fit(scene.X)
    A = SUnSAL(alpha=1e-3).fit(fitted[-1].components_).transform(scene.X[:, good])
    A /= A.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), A)


def test_abundances_of_the_extractor_itself(scene):
    cube = np.maximum(scene.cube, 0.0)
    model = RRLbS(3, random_state=0)
    result = unmix(cube, extractor=model, abundance=None, normalize=False)
    X = cube.reshape(-1, 50)
    fitted = clone(model).fit(X)
    A = fitted.transform(X)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), A, atol=1e-12)
    error = np.sqrt(np.mean((X - A @ fitted.components_) ** 2, axis=1))
    np.testing.assert_allclose(result.rmse.ravel(), error)


def test_normalised_solvers_still_rebuild_the_pixels(scene):
    plain = unmix(scene.cube, 3)
    other = unmix(scene.cube, 3, abundance=NNLS(normalize=True), normalize=False)
    np.testing.assert_array_equal(plain.rmse, other.rmse)
    np.testing.assert_array_equal(plain.abundance_maps, other.abundance_maps)


def test_known_endmembers_are_used(scene):
    result = unmix(scene.cube, endmembers=scene.endmembers, abundance="fcls")
    expected = FCLS().fit(scene.endmembers).transform(scene.X)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), expected)
    assert result.extractor is None


def test_pixels_that_depend_on_each_other_are_solved_together(
    scene, tmp_path, monkeypatch
):
    monkeypatch.setattr(_unmix, "ROWS", 60)
    monkeypatch.setattr(_blocks, "ROWS", 60)
    np.save(tmp_path / "cube.npy", scene.cube)
    cube = np.load(tmp_path / "cube.npy", mmap_mode="r")
    solver = SUnSALTV(image_shape=(20, 26), alpha_tv=0.01)
    options = {"endmembers": scene.endmembers, "normalize": False}
    result = unmix(cube, abundance=solver, **options)
    solver.set_params(endmembers=scene.endmembers)
    whole = solver.fit_transform(scene.X)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), whole, atol=1e-9)
    joint = CLSUnSAL(scene.endmembers, alpha=0.1)
    A = joint.fit_transform(cube.reshape(-1, 50))
    np.testing.assert_allclose(A, joint.fit_transform(scene.X), atol=1e-9)
    found = unmix(scene.cube, 3, abundance=CLSUnSAL(), normalize=False)
    joint = CLSUnSAL(found.endmembers)
    np.testing.assert_array_equal(
        found.abundance_maps.reshape(-1, 3), joint.fit_transform(scene.X)
    )


def test_memory_maps_are_read_in_blocks(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(_unmix, "ROWS", 60)
    monkeypatch.setattr(_blocks, "ROWS", 60)
    counts = np.clip(1e4 * scene.cube, 0, None).astype(np.uint16)
    np.save(tmp_path / "cube.npy", counts)
    cube = np.load(tmp_path / "cube.npy", mmap_mode="r")
    E = 1e4 * scene.endmembers
    result = unmix(cube, endmembers=E)
    whole = NNLS().fit(E).transform(counts.reshape(-1, 50))
    pixels = NNLS().fit(E).transform(cube.reshape(-1, 50))
    np.testing.assert_allclose(pixels, whole, atol=1e-12)
    whole /= whole.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result.abundance_maps.reshape(-1, 3), whole, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dask_pixels_are_not_computed(scene, dtype):
    da = pytest.importorskip("dask.array")
    X = da.from_array(scene.X.astype(dtype), chunks=(100, 13))
    for model in (NNLS(), FCLS(), SUnSAL(alpha=1e-3)):
        model.fit(scene.endmembers.astype(dtype))
        A = model.transform(X)
        assert isinstance(A, da.Array) and A.shape == (520, 3) and A.dtype == dtype
        assert A.chunks[0] == X.chunks[0]
        expected = model.transform(scene.X.astype(dtype))
        np.testing.assert_allclose(A.compute(), expected, atol=1e-5)
        assert A.compute().dtype == dtype
    with pytest.raises(ValueError, match="expecting 50 features"):
        model.transform(X[:, :9])
    joint = FCLS(loss="correntropy").fit(scene.endmembers)
    with pytest.raises(TypeError, match="depend on all pixels at once"):
        joint.transform(X)


@pytest.mark.parametrize("masked", [False, True])
def test_dask_images(scene, masked):
    da = pytest.importorskip("dask.array")
    cube = scene.cube.copy()
    cube[4, 7] = np.nan
    mask = np.arange(26) > 3 if masked else None
    mask = np.tile(mask, (20, 1)) if masked else None
    lazy = da.from_array(cube, chunks=(7, 9, 50))
    result = unmix(lazy, endmembers=scene.endmembers, mask=mask)
    assert isinstance(result.abundance_maps, da.Array)
    expected = unmix(cube, endmembers=scene.endmembers, mask=mask)
    for key in ("abundance_maps", "rmse", "mask"):
        np.testing.assert_allclose(result[key].compute(), expected[key], atol=1e-12)
    with pytest.raises(ValueError, match="endmembers must be given for a dask array"):
        unmix(lazy, 3)
    for solver in (FCLS(loss="correntropy"), CLSUnSAL(), SUnSALTV()):
        name = type(solver).__name__
        with pytest.raises(TypeError, match=f"of {name} depend on all pixels"):
            unmix(lazy, endmembers=scene.endmembers, abundance=solver)


def test_data_arrays_keep_their_coordinates(scene):
    xarray = pytest.importorskip("xarray")
    da = pytest.importorskip("dask.array")
    cube = xarray.DataArray(
        scene.cube.transpose(2, 1, 0),
        dims=("band", "x", "y"),
        coords={
            "y": np.arange(20.0), "x": np.arange(26) / 2, "wavelength":
            ("band", scene.wavelengths),
        },
    )  # fmt: skip
    result = unmix(cube, extractor=make_pipeline(BadBandRemover(), NFINDR(3)))
    maps = result.abundance_maps
    assert maps.dims == ("y", "x", "endmember") and result.rmse.dims == ("y", "x")
    np.testing.assert_array_equal(maps.x, cube.x)
    plain = unmix(scene.cube, extractor=make_pipeline(BadBandRemover(), NFINDR(3)))
    np.testing.assert_allclose(maps, plain.abundance_maps)
    waves = result.endmembers.wavelength
    np.testing.assert_array_equal(waves, scene.wavelengths[plain.bands])
    lazy = unmix(cube.chunk({"x": 5}), endmembers=scene.endmembers)
    assert isinstance(lazy.abundance_maps.data, da.Array)
    assert lazy.abundance_maps.dims == ("y", "x", "endmember")


@pytest.mark.parametrize("extractor", sorted(_unmix._EXTRACTORS))
def test_constant_and_dark_images_give_numbers(extractor):
    for value in (0.0, 0.3):
        result = unmix(np.full((5, 6, 4), value), 1, extractor=extractor)
        assert np.isfinite(result.abundance_maps).all()
    automatic = unmix(np.full((5, 6, 4), 0.3))
    assert automatic.abundance_maps.shape == (5, 6, 1)
    assert (automatic.abundance_maps == 1.0).all()


def test_negative_reflectance_is_accepted(scene):
    assert (scene.cube < 0.0).any()
    assert np.isfinite(unmix(scene.cube, 3).abundance_maps).all()


@pytest.mark.parametrize(
    "cube, options, message",
    [
        (np.ones((4, 5)), {}, r"cube must be an image .* got shape \(4, 5\)"),
        (np.full((2, 3, 4), np.nan), {}, r"shape \(2, 3, 4\) has no pixel left"),
        (np.full((2, 3, 4), np.inf), {}, "infinity"),
        ("scene.hdr", {}, "cube must be an image of real numbers; got str"),
        (np.ones((2, 3, 4)) * 1j, {}, "real numbers; got ndarray of complex128"),
        (np.ones((2, 3, 4)), {"n_components": 6}, "n_components must be at most 5"),
        (np.ones((1, 3, 9)), {"n_components": 4}, "at most 3 for 3 pixels of 9 bands"),
        (np.ones((9, 3, 4)), {"wavelengths": np.arange(9.0)}, "move axis 0 to the end"),
        (np.ones((2, 3, 4)), {"wavelengths": [1.0]}, "for each of the 4 bands"),
        (np.ones((2, 3, 4)), {"mask": np.ones((3, 2), bool)}, r"of shape \(2, 3"),
        (np.ones((2, 3, 4)), {"mask": np.ones((2, 3))}, "mask must be boolean"),
        (np.ones((2, 3, 4)), {"endmembers": np.ones((2, 3))}, "the 4 bands of the"),
        (np.ones((2, 3, 4)), {"endmembers": np.ones((2, 4)), "n_components": 3},
         "'auto' or the number of endmembers given, 2; got 3"),
        (np.ones((2, 3, 4)), {"endmembers": np.ones((2, 4)), "abundance": None},
         "abundance must be given"),
        (np.ones((2, 3, 4)), {"extractor": "ica"}, "extractor must be 'avmax'"),
        (np.ones((2, 3, 4)), {"abundance": NNLS}, "abundance must be 'fcls'"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(cube, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        unmix(cube, **options)


def test_extractors_of_another_kind_are_told(scene):
    with pytest.raises(TypeError, match="extractor must find components_"):
        unmix(scene.cube, extractor=BadBandRemover())
