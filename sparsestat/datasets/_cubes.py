"""Hyperspectral images from files: ENVI, MATLAB, NumPy, and what xarray reads."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sparsestat.utils.cubes import as_cube, check_wavelengths, image_dimensions
from sparsestat.utils.validation import Boolean, check_parameters

__all__ = ["read_cube"]

_CALLER = "read_cube"
# Names under which scenes on the web hold what belongs to them, in order of trust.
_NAMES = {
    "cube": ("cube", "Y", "V", "X", "img", "image", "data", "hsi", "paviaU", "cuprite"),
    "endmembers": ("endmembers", "M", "GT", "E", "M_true", "end"),
    "abundances": ("abundances", "A", "S", "S_GT", "abundance", "A_true"),
    "names": ("names", "cood", "materials", "endmember_names"),
    "wavelengths": ("wavelengths", "wavelength", "waves", "wl", "lambda"),
    "fwhm": ("fwhm",),
    "scale": ("scale", "maxValue"),
    "n_rows": ("nRow", "n_rows", "lines", "rows", "H"),
    "n_cols": ("nCol", "n_cols", "cols", "columns", "samples", "W"),
}
_IN_NM = {"micrometers": 1e3, "microns": 1e3, "um": 1e3, "µm": 1e3}
_ENVI = (".hdr", ".img", ".dat", ".bil", ".bip", ".bsq", ".raw", "")


def read_cube(
    source: object,
    *,
    truth: str | os.PathLike | None = None,
    shape: tuple[int, int] | None = None,
    memmap: bool = False,
) -> Bunch:
    """Read a hyperspectral image, and the ground truth that comes with it.

    ========================= ======================== ===========================
    file                      read by                  what else is found
    ========================= ======================== ===========================
    ``.hdr``, ENVI            ``spectral``             wavelengths, widths, bad
                                                       bands, scale, missing values
    ``.mat``                  SciPy; h5py from v7.3    truth, scale, wavelengths
    ``.npz``, ``.npy``        NumPy                    truth, scale, wavelengths
    ``.nc``, or a DataArray   xarray                   wavelengths
    ========================= ======================== ===========================

    MATLAB files hold pixels column by column; they are read as such. There the image
    is the array ``Y``, ``V`` or ``X``, of two axes or three, the endmembers are ``M``,
    ``GT`` or ``E`` and the abundances ``A`` or ``S``.

    Parameters
    ----------
    source : str, path-like or xarray.DataArray
        A file, or an image that xarray holds: its dimensions have names such as y, x
        and band, in any order.

    truth : str or path-like, default=None
        A file with the endmembers and abundances, where they are not with the image.

    shape : (int, int), default=None
        Rows and columns of an image whose file does not say them.

    memmap : bool, default=False
        Leave the image of an ENVI or ``.npy`` file where it is, to be read as needed.
        Values are then those of the file: divide by `scale`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes, None where nothing is known:

        cube : ndarray of shape (n_rows, n_cols, n_bands)
            The image, divided by its scale unless it is a memory map; integers become
            float32, missing values NaN.
        endmembers : ndarray of shape (n_components, n_bands)
            Spectra of the materials.
        abundance_maps : ndarray of shape (n_rows, n_cols, n_components)
            Shares of the materials.
        names : list of str
            Names of the materials.
        wavelengths : ndarray of shape (n_bands,)
            In nm if the file tells the unit or gives micrometres.
        fwhm : ndarray of shape (n_bands,)
            Widths of the bands, in nm.
        good_bands : ndarray of bool of shape (n_bands,)
            Bands that the file does not call bad.
        scale : float
            What the values of the file are divided by.
        filename : str
            Where it came from.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        Without the package that reads the format; says how to get it.
    ValueError
        If the file is of another kind, holds no image, or does not say its shape.

    See Also
    --------
    load_hyperspectral : Scenes that are much used.
    sparsestat.unmixing.cube_to_pixels : Rows of pixels.

    References
    ----------
    .. [1] Boggs, T. Spectral Python. https://www.spectralpython.net
    .. [2] Hoyer, S. and Hamman, J. (2017). xarray: N-D labeled arrays and datasets in
       Python. :doi:`10.5334/jors.148`

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> from sparsestat.datasets import read_cube
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "scene.npz")
    ...     np.savez(path, cube=np.ones((4, 5, 7)), endmembers=np.ones((2, 7)))
    ...     scene = read_cube(path)
    >>> scene.cube.shape, scene.endmembers.shape
    ((4, 5, 7), (2, 7))
    """
    check_parameters({"memmap": memmap}, {"memmap": Boolean}, name=_CALLER)
    if hasattr(source, "dims"):
        return _from_xarray(source, None)
    path = _existing(source)
    kind = path.suffix.lower()
    if kind == ".nc":
        return _from_netcdf(path)
    if kind in (".mat", ".npz"):
        return _from_arrays(path, truth, shape)
    if kind == ".npy":
        cube = np.load(path, mmap_mode="r" if memmap else None, allow_pickle=False)
        arrays = {"cube": cube}
        return _bunch(path, {**arrays, **_truth_of(truth, cube.shape[:2])}, memmap)
    if kind in _ENVI:
        return _from_envi(path, truth, memmap)
    raise ValueError(
        f"{_CALLER}: {path} must be .hdr, .mat, .npz, .npy or .nc; got {kind!r}."
    )


def _existing(source) -> Path:
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{_CALLER}: {path} does not exist.")
    return path


def _needs(package: str, what: str) -> ImportError:
    return ImportError(
        f"{_CALLER} needs {package} to read {what}: pip install "
        "'sparsestat[hyperspectral]'."
    )


def _from_envi(path, truth, memmap) -> Bunch:
    try:
        from spectral.io import envi
    except ImportError:
        raise _needs("spectral", "ENVI files") from None
    header = path if path.suffix.lower() == ".hdr" else _header_of(path)
    try:
        image = envi.open(header, None if header == path else path)
    except envi.EnviException as error:
        raise ValueError(
            f"{_CALLER}: {header} must be an ENVI header; {error}"
        ) from None
    # The package's own loading turns everything into float32.
    cube = image.open_memmap(interleave="bip", writable=False)
    if cube is None:
        raise ValueError(f"{_CALLER}: {path} must be uncompressed, with its header.")
    found = image.metadata
    arrays = {"cube": cube if memmap else np.array(cube), "scale": image.scale_factor}
    if not memmap and "data ignore value" in found:
        missing = arrays["cube"] == float(found["data ignore value"])
        if missing.any():
            arrays["cube"] = _floats(arrays["cube"])
            arrays["cube"][missing] = np.nan
    factor = _IN_NM.get(str(found.get("wavelength units", "")).lower(), 1.0)
    for key, name in (("wavelength", "wavelengths"), ("fwhm", "fwhm")):
        if key in found:
            arrays[name] = factor * np.array(found[key], dtype=np.float64)
    if "bbl" in found:
        arrays["good_bands"] = np.array(found["bbl"], dtype=np.float64) != 0.0
    return _bunch(path, {**arrays, **_truth_of(truth, cube.shape[:2])}, memmap)


def _header_of(path: Path) -> Path:
    """The header beside the data: scene.hdr or scene.img.hdr."""
    for header in (path.with_suffix(".hdr"), Path(f"{path}.hdr")):
        if header.is_file():
            return header
    raise FileNotFoundError(
        f"{_CALLER}: {path} must have its header beside it, "
        f"{path.with_suffix('.hdr').name} or {path.name}.hdr."
    )


def _from_netcdf(path) -> Bunch:
    try:
        import xarray
    except ImportError:
        raise _needs("xarray", "netCDF files") from None
    with xarray.open_dataset(path) as dataset:
        images = [array for array in dataset.data_vars.values() if array.ndim == 3]
        if len(images) != 1:
            raise ValueError(
                f"{_CALLER}: {path} must hold one image of three dimensions; got "
                f"{len(images)}. Open it with xarray and give the one."
            )
        return _from_xarray(images[0].load(), path)


def _from_xarray(array, path) -> Bunch:
    arrays = {"cube": np.asarray(as_cube(array, "source"))}
    bands = image_dimensions(array, "source")[2]
    for name in ("wavelength", "wavelengths", "wl", bands):
        # Bands that are merely counted have no wavelengths.
        coordinate = array.coords.get(name)
        if coordinate is not None and coordinate.dims == (bands,):
            unit = str(coordinate.attrs.get("units", "")).lower()
            counted = name == bands and coordinate.dtype.kind not in "f"
            if not counted:
                arrays["wavelengths"] = _IN_NM.get(unit, 1.0) * coordinate.to_numpy()
                break
    return _bunch(path, arrays, memmap=False)


def _from_arrays(path, truth, shape) -> Bunch:
    """An image among named arrays, with two axes or three."""
    found = _named(path)
    matlab = path.suffix.lower() == ".mat"
    sides = (found.pop("n_rows", None), found.pop("n_cols", None))
    if shape is None and None not in sides:
        shape = tuple(int(np.squeeze(side)) for side in sides)
    if "cube" not in found:
        raise ValueError(
            f"{_CALLER}: {path} must hold an image under one of the names "
            f"{', '.join(_NAMES['cube'])}; got {', '.join(found['all']) or 'nothing'}."
        )
    cube = found["cube"]
    if cube.ndim == 2:
        if shape is None:
            raise ValueError(
                f"{_CALLER}: {path} holds pixels of shape {cube.shape} and does not "
                "say the rows and columns of the image; give shape."
            )
        cube = _image(cube, shape, matlab, f"{path}: the image")
    arrays = {**found, "cube": cube}
    arrays = {**arrays, **_truth_of(truth, cube.shape[:2])}
    arrays = _arranged(arrays, cube.shape, matlab, path)
    return _bunch(path, arrays, memmap=False)


def _truth_of(path, shape) -> dict:
    """Endmembers and abundances of another file."""
    if path is None:
        return {}
    path = _existing(path)
    if path.suffix.lower() not in (".mat", ".npz"):
        raise ValueError(f"{_CALLER}: truth must be .mat or .npz; got {path}.")
    found = _named(path)
    kept = {
        key: found[key] for key in ("endmembers", "abundances", "names") if key in found
    }
    if not kept:
        raise ValueError(
            f"{_CALLER}: {path} must hold endmembers or abundances; got "
            f"{', '.join(found['all']) or 'nothing'}."
        )
    matlab = path.suffix.lower() == ".mat"
    return _arranged(kept, (*shape, 0), matlab, path)


def _named(path) -> dict:
    """Arrays of a file under our names."""
    arrays = _matlab(path) if path.suffix.lower() == ".mat" else _numpy(path)
    found = {"all": list(arrays)}
    for ours, names in _NAMES.items():
        for name in names:
            if name in arrays and (ours != "cube" or np.ndim(arrays[name]) > 1):
                found[ours] = arrays[name]
                break
    return found


def _numpy(path) -> Mapping:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _matlab(path) -> Mapping:
    from scipy.io import loadmat

    try:
        found = loadmat(path)
    except NotImplementedError:
        return _matlab_hdf5(path)
    except ValueError as error:
        raise ValueError(f"{_CALLER}: {path} must be a MATLAB file; {error}.") from None
    return {key: value for key, value in found.items() if not key.startswith("__")}


def _matlab_hdf5(path) -> Mapping:
    """Numbers of a file of version 7.3, whose axes HDF5 lists backwards."""
    try:
        import h5py
    except ImportError:
        raise _needs("h5py", "MATLAB files from version 7.3") from None
    with h5py.File(path) as file:
        return {
            key: value[()].T
            for key, value in file.items()
            if isinstance(value, h5py.Dataset) and value.dtype.kind in "fiu"
        }


def _image(pixels, shape, matlab, what) -> np.ndarray:
    """An image from pixels in rows or columns; MATLAB counts columns of pixels."""
    n_rows, n_cols = shape
    n = n_rows * n_cols
    if n not in pixels.shape:
        raise ValueError(
            f"{_CALLER}: {what} must have {n} pixels for a shape of {tuple(shape)}; "
            f"got an array of shape {pixels.shape}."
        )
    # MATLAB's spectra stand in columns, ours in rows: this decides where both fit.
    in_columns = pixels.shape[1] == n if matlab else pixels.shape[0] != n
    if in_columns:
        pixels = pixels.T
    if not matlab:
        return pixels.reshape(n_rows, n_cols, -1)
    image = pixels.reshape(n_cols, n_rows, -1).transpose(1, 0, 2)
    return np.ascontiguousarray(image)


def _arranged(arrays, cube_shape, matlab, path) -> dict:
    """Endmembers in rows, abundances as images."""
    arrays = dict(arrays)
    n_rows, n_cols, n_bands = cube_shape
    E, A = arrays.get("endmembers"), arrays.pop("abundances", None)
    if A is not None:
        if A.ndim == 2:
            A = _image(A, (n_rows, n_cols), matlab, f"{path}: the abundances")
        elif A.ndim == 3 and A.shape[:2] != (n_rows, n_cols):
            A = np.moveaxis(A, 0, -1)
        if A.ndim != 3 or A.shape[:2] != (n_rows, n_cols):
            raise ValueError(
                f"{_CALLER}: the abundances of {path} must be those of an image of "
                f"{n_rows} x {n_cols} pixels; got an array of shape {A.shape}."
            )
        arrays["abundance_maps"] = A
    if E is not None and E.ndim == 2:
        bands = n_bands or (E.shape[0] if matlab else E.shape[1])
        upright = E.shape[0] == bands if matlab else E.shape[1] != bands
        arrays["endmembers"] = E.T if upright else E
    return arrays


def _bunch(path, arrays, memmap) -> Bunch:
    cube = as_cube(arrays["cube"], f"{_CALLER}: the image")
    scale = float(np.squeeze(arrays.get("scale", 1.0)))
    if not memmap:
        cube = _floats(cube)
        if scale not in (0.0, 1.0):
            cube = cube / cube.dtype.type(scale)
        cube = np.ascontiguousarray(cube)
    n_bands = cube.shape[2]
    known = {
        key: None if arrays.get(key) is None else np.ravel(arrays[key])
        for key in ("wavelengths", "fwhm", "good_bands")
    }
    check_wavelengths(known["wavelengths"], cube.shape)
    E = arrays.get("endmembers")
    if E is not None and (E.ndim != 2 or E.shape[1] != n_bands):
        raise ValueError(
            f"{_CALLER}: endmembers must have the {n_bands} bands of the image; got an "
            f"array of shape {E.shape}."
        )
    names = arrays.get("names")
    return Bunch(
        cube=cube,
        endmembers=E,
        abundance_maps=arrays.get("abundance_maps"),
        names=None if names is None else _texts(names),
        **known,
        scale=scale,
        filename=None if path is None else str(path),
    )


def _texts(names) -> list[str]:
    """Strings of an array, and of MATLAB's cells, which are arrays in an array."""
    flat = np.ravel(names)
    return [str(np.squeeze(name).item()).strip() for name in flat]


def _floats(cube: np.ndarray) -> np.ndarray:
    return cube if cube.dtype.kind == "f" else cube.astype(np.float32)
