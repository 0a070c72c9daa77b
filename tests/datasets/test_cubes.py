"""Images in files of several formats."""

import sys

import numpy as np
import pytest
from scipy.io import savemat

from sparsestat.datasets import read_cube
from sparsestat.unmixing import cube_to_pixels

RNG = np.random.default_rng(0)
CUBE = RNG.random((4, 6, 9))
WAVES = np.linspace(400.0, 900.0, 9)
E = RNG.random((3, 9))
MAPS = RNG.dirichlet(np.ones(3), (4, 6))
# MATLAB's order: pixels column by column, spectra in columns.
COLUMNS = CUBE.transpose(1, 0, 2).reshape(24, 9).T
SHARES = MAPS.transpose(1, 0, 2).reshape(24, 3).T


def write_envi(path, cube, **metadata):
    envi = pytest.importorskip("spectral.io.envi")
    envi.save_image(str(path), cube, dtype=cube.dtype, metadata=metadata)


@pytest.mark.parametrize("interleave", ["bip", "bil", "bsq"])
@pytest.mark.parametrize("memmap", [False, True])
def test_envi(tmp_path, interleave, memmap):
    envi = pytest.importorskip("spectral.io.envi")
    path = tmp_path / "scene.hdr"
    metadata = {
        "wavelength": (WAVES / 1e3).tolist(),
        "wavelength units": "Micrometers",
        "fwhm": [0.01] * 9,
        "bbl": [1] * 8 + [0],
    }
    envi.save_image(
        str(path), CUBE, dtype=np.float64, interleave=interleave, metadata=metadata
    )
    for file in (path, tmp_path / "scene.img"):
        scene = read_cube(file, memmap=memmap)
        np.testing.assert_array_equal(scene.cube, CUBE)
        np.testing.assert_allclose(scene.wavelengths, WAVES)
        np.testing.assert_allclose(scene.fwhm, 10.0)
        assert scene.good_bands.tolist() == [True] * 8 + [False]
        assert isinstance(scene.cube, np.memmap) == memmap
        assert scene.scale == 1.0 and scene.endmembers is None


def test_envi_scale_and_missing_values(tmp_path):
    counts = (1e4 * CUBE).astype(np.int16)
    counts[1, 2] = -9999
    factors = {"reflectance scale factor": 10000, "data ignore value": -9999}
    write_envi(tmp_path / "scene.hdr", counts, **factors)
    scene = read_cube(str(tmp_path / "scene.hdr"))
    assert scene.cube.dtype == np.float32 and scene.scale == 10000
    assert np.isnan(scene.cube[1, 2]).all() and np.isnan(scene.cube).sum() == 9
    np.testing.assert_allclose(scene.cube[0, 0], counts[0, 0] / 1e4, rtol=1e-6)
    raw = read_cube(tmp_path / "scene.hdr", memmap=True)
    np.testing.assert_array_equal(raw.cube, counts)


def assert_whole(scene):
    np.testing.assert_allclose(scene.cube, CUBE)
    np.testing.assert_allclose(scene.endmembers, E)
    np.testing.assert_allclose(scene.abundance_maps, MAPS)


@pytest.mark.parametrize("sides", [("nRow", "nCol"), ("lines", "cols")])
@pytest.mark.parametrize("names", [("Y", "M"), ("V", "GT"), ("X", "E")])
def test_matlab_columns_of_pixels(tmp_path, sides, names):
    path = tmp_path / "scene.mat"
    arrays = {names[0]: COLUMNS, names[1]: E.T, "A": SHARES, sides[0]: 4, sides[1]: 6}
    savemat(path, arrays)
    assert_whole(read_cube(path))


def test_matlab_images_and_a_truth_of_its_own(tmp_path):
    savemat(tmp_path / "scene.mat", {"img": CUBE})
    cells = np.array(["soil", "tree", "water"], dtype=object)
    savemat(tmp_path / "end.mat", {"M": E.T, "A": SHARES, "cood": cells})
    scene = read_cube(tmp_path / "scene.mat", truth=tmp_path / "end.mat")
    assert_whole(scene)
    assert scene.names == ["soil", "tree", "water"]


def test_matlab_scale_and_given_shape(tmp_path):
    counts = (5000 * COLUMNS).astype(np.uint16)
    savemat(tmp_path / "scene.mat", {"Y": counts, "maxValue": 5000})
    with pytest.raises(ValueError, match=r"pixels of shape \(9, 24\) .* give shape"):
        read_cube(tmp_path / "scene.mat")
    scene = read_cube(tmp_path / "scene.mat", shape=(4, 6))
    np.testing.assert_allclose(scene.cube, CUBE, atol=3e-4)
    with pytest.raises(ValueError, match=r"must have 25 pixels"):
        read_cube(tmp_path / "scene.mat", shape=(5, 5))


def test_matlab_spectra_stand_in_columns_where_both_fit(tmp_path):
    square = RNG.random((3, 3, 9))
    columns = square.transpose(1, 0, 2).reshape(9, 9).T
    savemat(tmp_path / "scene.mat", {"Y": columns, "nRow": 3, "nCol": 3})
    np.testing.assert_allclose(read_cube(tmp_path / "scene.mat").cube, square)


def test_matlab_of_version_73(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        # HDF5 lists MATLAB's axes backwards.
        file["Y"], file["M"], file["A"] = COLUMNS.T, E, SHARES.T
        file["nRow"], file["nCol"] = [[4.0]], [[6.0]]
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    assert_whole(read_cube(path))
    with h5py.File(path, "r+") as file:
        del file["Y"]
        file["Y"] = CUBE.T
    assert_whole(read_cube(path))


def test_numpy(tmp_path):
    np.savez(
        tmp_path / "a.npz", cube=CUBE, endmembers=E, abundances=MAPS, wavelengths=WAVES
    )
    scene = read_cube(tmp_path / "a.npz")
    assert_whole(scene)
    np.testing.assert_array_equal(scene.wavelengths, WAVES)
    rows = {"X": CUBE.reshape(24, 9), "A": MAPS.reshape(24, 3), "E": E}
    np.savez(tmp_path / "b.npz", **rows)
    assert_whole(read_cube(tmp_path / "b.npz", shape=(4, 6)))
    np.save(tmp_path / "c.npy", CUBE)
    scene = read_cube(tmp_path / "c.npy", truth=tmp_path / "a.npz", memmap=True)
    assert_whole(scene)
    assert isinstance(scene.cube, np.memmap)


def test_xarray(tmp_path):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(
        CUBE.transpose(2, 0, 1), dims=("band", "y", "x"), coords={"band": np.arange(9)}
    )
    scene = read_cube(array)
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert scene.wavelengths is None and scene.filename is None
    np.testing.assert_array_equal(cube_to_pixels(array), CUBE.reshape(24, 9))
    array = array.assign_coords(wavelength=("band", WAVES / 1e3, {"units": "um"}))
    np.testing.assert_allclose(read_cube(array).wavelengths, WAVES)
    array.to_dataset(name="reflectance").to_netcdf(tmp_path / "a.nc", engine="scipy")
    scene = read_cube(tmp_path / "a.nc")
    np.testing.assert_allclose(scene.cube, CUBE)
    np.testing.assert_allclose(scene.wavelengths, WAVES)
    with pytest.raises(ValueError, match="names such as y, x and band; got"):
        read_cube(array.rename(band="time"))


@pytest.mark.parametrize(
    "package, file",
    [("spectral.io", "a.hdr"), ("xarray", "a.nc")],
)
def test_missing_packages_are_named(tmp_path, monkeypatch, package, file):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / file).touch()
    with pytest.raises(ImportError, match=r"sparsestat\[hyperspectral\]"):
        read_cube(tmp_path / file)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.mat does not exist"):
        read_cube(tmp_path / "nothing.mat")
    (tmp_path / "a.tif").touch()
    with pytest.raises(ValueError, match=r"must be .hdr, .mat.* got '.tif'"):
        read_cube(tmp_path / "a.tif")
    np.savez(tmp_path / "a.npz", labels=np.ones(3))
    with pytest.raises(ValueError, match=r"must hold an image .* got labels"):
        read_cube(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", cube=CUBE, wavelengths=WAVES[:4])
    with pytest.raises(ValueError, match=r"bands last.*\(4, 6, 9\): move axis 0"):
        read_cube(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", cube=CUBE, endmembers=E[:, :5])
    with pytest.raises(ValueError, match="endmembers must have the 9 bands"):
        read_cube(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", cube=CUBE, abundances=MAPS[:2])
    with pytest.raises(ValueError, match="of an image of 4 x 6 pixels"):
        read_cube(tmp_path / "d.npz")
    with pytest.raises(ValueError, match="must hold endmembers or abundances"):
        read_cube(tmp_path / "c.npz", truth=tmp_path / "a.npz")
