"""Much used hyperspectral scenes and libraries of spectra, from local files."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from sparsestat.datasets._data_home import get_data_home
from sparsestat.utils.validation import OneOf, check_parameters

__all__ = ["load_abundance_maps", "load_hyperspectral", "load_spectral_library"]


class _Scene(NamedTuple):
    shape: tuple[int, int, int]
    names: tuple[str, ...]
    description: str


_TRUTH = (
    "Ground truth: semi-automatic, Zhu (2017), arXiv:1708.05125. No linear method "
    "reaches it exactly."
)
_SCENES = {
    "jasper_ridge": _Scene(
        (100, 100, 198),
        ("tree", "water", "dirt", "road"),
        "Jasper Ridge, California: AVIRIS, 100 x 100 pixels, 198 of 224 bands from 412 "
        "to 2500 nm; without those that water vapour takes. The endmembers have the "
        f"scale of the scene.\n{_TRUTH}",
    ),
    "moffett": _Scene(
        (50, 50, 184),
        ("water", "soil", "vegetation"),
        "Moffett Field, California: AVIRIS, 50 x 50 pixels, 184 bands.",
    ),
    "samson": _Scene(
        (95, 95, 156),
        ("soil", "tree", "water"),
        "Samson: 95 x 95 pixels, 156 bands from 401 to 889 nm. The endmembers are "
        f"scaled to a maximum of one each: compare angles only.\n{_TRUTH}",
    ),
}
_LIBRARIES = {
    "jasper_ridge": ("bundle_jasper", (529, 198), "pixels of Jasper Ridge, labelled"),
    "samson": ("bundle_samson", (105, 156), "pixels of Samson, labelled"),
    "urban": ("bundle_urban", (651, 162), "pixels of Urban, labelled"),
    "usgs": (
        "usgs_1995_aviris",
        (498, 224),
        "minerals and others of the USGS digital spectral library splib04, as AVIRIS "
        "saw them in 1995",
    ),
}


def load_hyperspectral(
    name: Literal["jasper_ridge", "moffett", "samson"],
    *,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load a hyperspectral scene with a ground truth from a local file.

    ============ ============== ========== =====================================
    name         pixels         bands      endmembers
    ============ ============== ========== =====================================
    jasper_ridge 100 x 100      198        tree, water, dirt, road
    moffett      50 x 50        184        water, soil, vegetation
    samson       95 x 95        156        soil, tree, water
    ============ ============== ========== =====================================

    Nothing is downloaded. The file ``unmixing/<name>.npz`` in `data_home` holds the
    arrays ``cube``, ``endmembers`` and ``abundances``, images with their channels last,
    and where they are known ``scale``, by which to divide the cube, and
    ``wavelengths``. :func:`read_cube` reads scenes in other files.

    Parameters
    ----------
    name : {"jasper_ridge", "moffett", "samson"}
        Which scene.

    data_home : str or path-like, default=None
        Folder with the data; see :func:`get_data_home`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        cube : ndarray of shape (n_rows, n_cols, n_bands)
            Reflectances; float32.
        X : ndarray of shape (n_rows * n_cols, n_bands)
            Its pixels, row by row.
        endmembers : ndarray of shape (n_components, n_bands)
            Spectra of the materials.
        abundances : ndarray of shape (n_rows * n_cols, n_components)
            Shares of the materials in each pixel.
        abundance_maps : ndarray of shape (n_rows, n_cols, n_components)
            The same as images.
        names : list of str
            Names of the materials.
        wavelengths : ndarray of shape (n_bands,) or None
            In nm, where they are known.
        filename : str
            Where it came from.
        DESCR : str
            What it is.

    Raises
    ------
    FileNotFoundError
        If the file is not there; says where to put it.
    ValueError
        If `name` is unknown, or the file is not what it should be.

    See Also
    --------
    make_hyperspectral : Scenes whose truth is exact.
    read_cube : Files in other formats.

    References
    ----------
    .. [1] Zhu, F. (2017). Hyperspectral unmixing: ground truth labeling, datasets,
       benchmark performances and survey. :arxiv:`1708.05125`

    Examples
    --------
    >>> from sparsestat.datasets import load_hyperspectral
    >>> scene = load_hyperspectral("samson")  # doctest: +SKIP
    >>> scene.cube.shape, scene.names  # doctest: +SKIP
    ((95, 95, 156), ['soil', 'tree', 'water'])
    """
    check_parameters({"name": name}, {"name": OneOf(*_SCENES)}, name=_CALLER)
    scene = _SCENES[name]
    n_rows, n_cols, n_bands = scene.shape
    p = len(scene.names)
    shapes = {
        "cube": scene.shape,
        "endmembers": (p, n_bands),
        "abundances": (n_rows, n_cols, p),
    }
    path, arrays = _read(_CALLER, name, shapes, data_home)
    cube = arrays["cube"].astype(np.float32, copy=False)
    if "scale" in arrays:
        cube = cube / np.float32(arrays["scale"])
    maps = arrays["abundances"]
    return Bunch(
        cube=cube,
        X=cube.reshape(-1, n_bands),
        endmembers=arrays["endmembers"],
        abundances=maps.reshape(-1, p),
        abundance_maps=maps,
        names=list(scene.names),
        wavelengths=arrays.get("wavelengths"),
        filename=str(path),
        DESCR=scene.description,
    )


def load_spectral_library(
    name: Literal["jasper_ridge", "samson", "urban", "usgs"],
    *,
    data_home: str | os.PathLike | None = None,
) -> Bunch:
    """Load a library of spectra from a local file.

    ============ ======= ===== =================================================
    name         spectra bands what they show
    ============ ======= ===== =================================================
    jasper_ridge 529     198   pixels of the scene, of four materials
    samson       105     156   pixels of the scene, of three materials
    urban        651     162   pixels of the scene, of six materials
    usgs         498     224   minerals and others in the laboratory [1]_
    ============ ======= ===== =================================================

    Nothing is downloaded. The files ``unmixing/bundle_jasper.npz``,
    ``bundle_samson.npz``, ``bundle_urban.npz`` and ``usgs_1995_aviris.npz`` in
    `data_home` hold the arrays ``spectra`` and ``names``, and ``labels`` or
    ``wavelengths`` and ``fwhm``.

    Parameters
    ----------
    name : {"jasper_ridge", "samson", "urban", "usgs"}
        Which library.

    data_home : str or path-like, default=None
        Folder with the data; see :func:`get_data_home`.

    Returns
    -------
    library : :class:`~sklearn.utils.Bunch`
        With these attributes:

        spectra : ndarray of shape (n_spectra, n_bands)
            Reflectances; float32. Bands are in increasing order of wavelength.
        labels : ndarray of shape (n_spectra,) or None
            Material of each spectrum, an index into `names`; None where each has a
            name of its own.
        names : list of str
            Names of the materials, or of the spectra.
        wavelengths : ndarray of shape (n_bands,) or None
            In nm, where they are known.
        fwhm : ndarray of shape (n_bands,) or None
            Widths of the bands in nm, where they are known.
        filename : str
            Where it came from.
        DESCR : str
            What it is.

    Raises
    ------
    FileNotFoundError
        If the file is not there; says where to put it.
    ValueError
        If `name` is unknown, or the file is not what it should be.

    See Also
    --------
    prune_library : Leaves out what hardly differs.
    resample_spectra : To the bands of another sensor.

    References
    ----------
    .. [1] Clark, R. N. et al. (1993). The U.S. Geological Survey digital spectral
       library: version 1 (0.2 to 3.0 um). :doi:`10.3133/ofr93592`

    Examples
    --------
    >>> from sparsestat.datasets import load_spectral_library
    >>> library = load_spectral_library("usgs")  # doctest: +SKIP
    >>> library.spectra.shape, library.names[0]  # doctest: +SKIP
    ((498, 224), 'Acmite NMNH133746')
    """
    caller = "load_spectral_library"
    check_parameters({"name": name}, {"name": OneOf(*_LIBRARIES)}, name=caller)
    stem, shape, what = _LIBRARIES[name]
    path, arrays = _read(caller, stem, {"spectra": shape}, data_home)
    spectra = arrays["spectra"].astype(np.float32, copy=False)
    known = {key: arrays.get(key) for key in ("wavelengths", "fwhm")}
    if known["wavelengths"] is not None:
        # Spectrometers of one sensor overlap: their channels are not in order.
        order = np.argsort(known["wavelengths"], kind="stable")
        spectra = spectra[:, order]
        known = {k: None if v is None else v[order] for k, v in known.items()}
    return Bunch(
        spectra=spectra,
        labels=arrays.get("labels"),
        names=[str(value) for value in arrays.get("names", ())],
        **known,
        filename=str(path),
        DESCR=f"{shape[0]} spectra of {shape[1]} bands: {what}.",
    )


def load_abundance_maps(
    *, data_home: str | os.PathLike | None = None, return_pixels: bool = False
) -> np.ndarray:
    """Load the abundance maps with spatial structure of the second simulated cube.

    Nine endmembers in 100 x 100 pixels; the maps are smooth, and sum to one. Nothing is
    downloaded: the file ``unmixing/dc2_abundances.npz`` in `data_home` holds the array
    ``abundances``.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder with the data; see :func:`get_data_home`.

    return_pixels : bool, default=False
        Whether to return rows of pixels instead of images.

    Returns
    -------
    abundances : ndarray of shape (100, 100, 9) or (10000, 9)
        Shares of the endmembers; float32.

    Raises
    ------
    FileNotFoundError
        If the file is not there; says where to put it.
    ValueError
        If the file is not what it should be.

    See Also
    --------
    load_spectral_library : Spectra to mix in these shares.

    References
    ----------
    .. [1] Iordache, M.-D., Bioucas-Dias, J. M. and Plaza, A. (2012). Total variation
       spatial regularization for sparse hyperspectral unmixing.
       :doi:`10.1109/TGRS.2012.2191590`

    Examples
    --------
    >>> from sparsestat.datasets import load_abundance_maps
    >>> load_abundance_maps().shape  # doctest: +SKIP
    (100, 100, 9)
    """
    shape = (100, 100, 9)
    arrays = _read(
        "load_abundance_maps", "dc2_abundances", {"abundances": shape}, data_home
    )[1]
    maps = arrays["abundances"]
    return maps.reshape(-1, shape[2]) if return_pixels else maps


_CALLER = "load_hyperspectral"


def _read(caller, stem, shapes, data_home):
    """Path and arrays of a file, with the shapes that they must have."""
    path = Path(get_data_home(data_home), "unmixing", f"{stem}.npz")
    wanted = ", ".join(f"{key} of shape {shape}" for key, shape in shapes.items())
    if not path.is_file():
        raise FileNotFoundError(
            f"{caller}: {path} does not exist. Put it there, an npz file with "
            f"{wanted}, or name by data_home or the environment variable "
            f"SPARSESTAT_DATA the folder that holds unmixing/{path.name}."
        )
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    found = {key: arrays[key].shape if key in arrays else None for key in shapes}
    if found != shapes:
        raise ValueError(
            f"{caller}: {path} must hold {wanted}; got "
            + ", ".join(
                f"{key} of shape {value.shape}" for key, value in arrays.items()
            )
            + "."
        )
    return path, arrays
