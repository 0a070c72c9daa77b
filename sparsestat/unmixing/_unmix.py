"""From an image to endmembers and abundance maps in one call."""

import copy

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_array

from sparsestat.unmixing._blocks import ROWS, is_dask, precision
from sparsestat.unmixing._cube import cube_to_pixels
from sparsestat.unmixing._extractor import N_COMPONENTS
from sparsestat.unmixing._fcls import FCLS
from sparsestat.unmixing._least_squares import NNLS, UCLS
from sparsestat.unmixing._ppi import PPI
from sparsestat.unmixing._scene import SceneEstimator
from sparsestat.unmixing._sisal import MVSA, SISAL
from sparsestat.unmixing._smacc import SMACC
from sparsestat.unmixing._spa import SPA
from sparsestat.unmixing._vca import VCA
from sparsestat.unmixing._volume import AVMAX, NFINDR
from sparsestat.utils.cubes import as_cube, check_wavelengths, image_dimensions
from sparsestat.utils.validation import ArrayLike as AnyArray
from sparsestat.utils.validation import (
    Boolean,
    Jobs,
    OneOf,
    RandomState,
    Satisfies,
    check_parameters,
)

__all__ = ["unmix"]

_EXTRACTORS = {
    "avmax": AVMAX,
    "mvsa": MVSA,
    "nfindr": NFINDR,
    "ppi": PPI,
    "sisal": SISAL,
    "smacc": SMACC,
    "spa": SPA,
    "vca": VCA,
}
_ABUNDANCES = {"fcls": FCLS, "nnls": NNLS, "ucls": UCLS}
_ESTIMATOR = Satisfies(
    lambda value: hasattr(value, "fit") and not isinstance(value, type), "an estimator"
)
_RULES = {
    "n_components": N_COMPONENTS,
    "extractor": OneOf(*_EXTRACTORS) | _ESTIMATOR,
    "abundance": OneOf(*_ABUNDANCES) | _ESTIMATOR | None,
    "normalize": Boolean,
    "mask": AnyArray | None,
    "endmembers": AnyArray | None,
    "wavelengths": AnyArray | None,
    "random_state": RandomState,
    "n_jobs": Jobs,
}


def unmix(
    cube: ArrayLike,
    n_components: int | str = "auto",
    *,
    extractor: str | BaseEstimator = "nfindr",
    abundance: str | BaseEstimator | None = "nnls",
    normalize: bool = True,
    mask: ArrayLike | None = None,
    endmembers: ArrayLike | None = None,
    wavelengths: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Unmix an image: endmembers, and a map of abundances for each.

    Pixels with a NaN or a masked value, and those that a mask leaves out, have no part
    in anything and are NaN in all maps. Images in memory maps are read in blocks, those
    of dask are not computed.

    Parameters
    ----------
    cube : array-like, dask array or xarray.DataArray of shape (n_rows, n_cols, n_bands)
        Image, bands last; the dimensions of a DataArray may have any order.

    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    extractor : str or estimator, default="nfindr"
        What finds the endmembers: ``"avmax"``, ``"mvsa"``, ``"nfindr"``, ``"ppi"``,
        ``"sisal"``, ``"smacc"``, ``"spa"``, ``"vca"``; or an
        estimator with ``components_``, alone or at the end of a pipeline, which is
        cloned and has its own number.

    abundance : {"fcls", "nnls", "ucls"}, estimator or None, default="nnls"
        What finds the abundances; None for those of the extractor itself. Endmembers
        are given to :class:`CLSUnSAL` and :class:`SUnSALTV` as their parameter.

    normalize : bool, default=True
        Whether abundances are divided by their sum, which takes the light of each
        pixel out. Where nothing is found they stay zero.

    mask : array-like of bool of shape (n_rows, n_cols), default=None
        Which pixels to unmix; by default all.

    endmembers : array-like of shape (n_components, n_bands), default=None
        Known endmembers; then nothing is extracted. Needed for dask arrays.

    wavelengths : array-like of shape (n_bands,), default=None
        Wavelengths, to be sure that the bands are the last axis.

    random_state : int, RandomState instance or None, default=None
        Seed of the extractor.

    n_jobs : int, default=None
        Threads, as joblib counts them.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        With these attributes:

        abundance_maps : array of shape (n_rows, n_cols, n_components)
            Abundances; as the image a dask array or a DataArray with its coordinates.
        endmembers : array of shape (n_components, n_kept_bands)
            Spectra, a DataArray if the image is one.
        rmse : array of shape (n_rows, n_cols)
            Root mean squared error of each pixel's reconstruction, over the bands.
        mask : array of bool of shape (n_rows, n_cols)
            Pixels that are unmixed.
        bands : ndarray of shape (n_kept_bands,)
            Indices of the bands that the selections of a pipeline kept; all otherwise.
        extractor : estimator or None
            The fitted extractor.

    Raises
    ------
    TypeError
        For what holds no real numbers.
    ValueError
        For what is no image, bands that are not last, no pixel left, values that are
        infinite, and more endmembers than pixels or bands can tell apart.

    See Also
    --------
    NFINDR : The extractor as a transformer of pixels.
    sparsestat.plotting.AbundanceMapDisplay : Draws the maps.

    References
    ----------
    .. [1] Keshava, N. and Mustard, J. F. (2002). Spectral unmixing.
       :doi:`10.1109/79.974727`

    Examples
    --------
    >>> from sparsestat.datasets import make_hyperspectral
    >>> from sparsestat.unmixing import unmix
    >>> scene = make_hyperspectral(24, 32, endmembers=3, random_state=0)
    >>> scene.cube[:4, :4] = float("nan")
    >>> result = unmix(scene.cube, 3)
    >>> result.abundance_maps.shape, int(result.mask.sum())
    ((24, 32, 3), 752)
    """
    given = {key: value for key, value in locals().items() if key != "cube"}
    check_parameters(given, _RULES, name="unmix")
    image = as_cube(cube)
    check_wavelengths(wavelengths, image.shape)
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != image.shape[:2] or mask.dtype != bool:
            raise ValueError(
                f"unmix: mask must be boolean of shape {tuple(image.shape[:2])}; got "
                f"{mask.dtype} of shape {mask.shape}."
            )
    if endmembers is None:
        if is_dask(image):
            raise ValueError(
                "unmix: endmembers must be given for a dask array; find them in a "
                "part of the image that fits into memory."
            )
        mixture = _extracted(image, mask, given)
    else:
        mixture = _known(endmembers, image.shape[2], given)
    if is_dask(image):
        maps, valid = _lazily(image, mask, mixture)
    else:
        maps, valid = _in_blocks(image, mask, mixture)
    p = len(mixture.components)
    result = Bunch(
        abundance_maps=maps[..., :p],
        endmembers=mixture.components,
        rmse=maps[..., p],
        mask=valid,
        bands=mixture.bands,
        extractor=mixture.extractor,
    )
    if hasattr(cube, "dims") and hasattr(cube, "coords"):
        return _labelled(result, cube)
    return result


class _Mixture:
    """Endmembers and what turns pixels into abundances; travels to dask's workers."""

    def __init__(self, components, before, solver, extractor, normalize, n_bands):
        self.components, self.before, self.solver = components, before, solver
        self.extractor, self.normalize = extractor, normalize
        self.bands = _kept(before, n_bands)
        # What solves the pixels of a scene together is fitted to them.
        self.fitted = not isinstance(solver, SceneEstimator)

    @property
    def by_pixel(self) -> bool:
        """Whether parts of an image may be unmixed apart."""
        return self.fitted and getattr(self.solver, "_by_pixel", True)

    def maps(self, block, valid):
        """Abundances and errors of an image: (n_rows, n_cols, n_components + 1)."""
        p, kind = len(self.components), precision(block.dtype)
        keep = _finite(block, valid)
        out = np.full((*block.shape[:2], p + 1), np.nan, dtype=kind)
        if keep.any():
            X = cube_to_pixels(block, keep)
            X = X if self.before is None else self.before.transform(X)
            solve = self.solver.transform if self.fitted else self.solver.fit_transform
            A = np.asarray(solve(X))
            if A.shape[1] != p:
                raise ValueError(
                    f"unmix: {type(self.solver).__name__} must find an abundance for "
                    f"each of the {p} endmembers; got {A.shape[1]}."
                )
            error = np.square(X - A @ self.components.astype(A.dtype, copy=False))
            out[keep, p] = np.sqrt(error.mean(axis=1))
            if self.normalize:
                total = A.sum(axis=1, keepdims=True)
                A = A / np.where(total > 0.0, total, 1.0)
            out[keep, :p] = A
        return out


def _extracted(image, mask, given) -> _Mixture:
    keep = np.ones(image.shape[:2], dtype=bool)
    for rows in _row_blocks(image.shape):
        keep[rows] = _finite(image[rows], None if mask is None else mask[rows])
    if not keep.any():
        raise ValueError(
            f"unmix: cube of shape {image.shape} has no pixel left: all are masked or "
            "NaN."
        )
    X = cube_to_pixels(image, None if keep.all() else keep)
    extractor = given["extractor"]
    if isinstance(extractor, str):
        cls = _EXTRACTORS[extractor]
        wanted = ("n_components", "random_state", "n_jobs")
        known = cls().get_params()
        extractor = cls(**{key: given[key] for key in wanted if key in known})
    else:
        extractor = clone(extractor)
    extractor.fit(X)
    last, before = extractor, None
    if isinstance(extractor, Pipeline):
        last, before = extractor[-1], extractor[:-1] if len(extractor) > 1 else None
    if not hasattr(last, "components_"):
        raise TypeError(
            f"unmix: extractor must find components_, such as NFINDR; got {last!r}."
        )
    components = last.components_
    if given["abundance"] is None:
        solver = copy.copy(last)
        given = {**given, "normalize": _unnormalised(solver) or given["normalize"]}
    else:
        solver, given = _solver(given, components)
    return _Mixture(
        components, before, solver, extractor, given["normalize"], image.shape[2]
    )


def _known(endmembers, n_bands, given) -> _Mixture:
    E = check_array(endmembers, dtype=[np.float64, np.float32], input_name="endmembers")
    if E.shape[1] != n_bands:
        raise ValueError(
            f"unmix: endmembers must have the {n_bands} bands of the image; got shape "
            f"{E.shape}."
        )
    if given["n_components"] not in ("auto", len(E)):
        raise ValueError(
            f"unmix: n_components must be 'auto' or the number of endmembers given, "
            f"{len(E)}; got {given['n_components']}."
        )
    if given["abundance"] is None:
        raise ValueError("unmix: abundance must be given with endmembers; got None.")
    solver, given = _solver(given, E)
    return _Mixture(E, None, solver, None, given["normalize"], n_bands)


def _solver(given, components):
    """An estimator of abundances as they are, and whether these are normalised."""
    solver = given["abundance"]
    if isinstance(solver, str):
        solver = _ABUNDANCES[solver]()
        if "n_jobs" in solver.get_params():
            solver.set_params(n_jobs=given["n_jobs"])
        return solver.fit(components), given
    solver = clone(solver)
    if isinstance(solver, SceneEstimator):
        return solver.set_params(endmembers=components), given
    solver.fit(components)
    return solver, {**given, "normalize": _unnormalised(solver) or given["normalize"]}


def _unnormalised(solver) -> bool:
    """Let abundances rebuild the pixels; whether they were normalised."""
    if not solver.get_params().get("normalize", False):
        return False
    solver.set_params(normalize=False)
    return True


def _kept(before, n_bands) -> np.ndarray:
    """Bands that the selections of a pipeline leave."""
    kept = np.arange(n_bands)
    for step in () if before is None else [step for _, step in before.steps]:
        if hasattr(step, "get_support") and getattr(step, "fill", "drop") == "drop":
            kept = kept[step.get_support(indices=True)]
    return kept


def _finite(block, mask) -> np.ndarray:
    """Pixels without NaN that the mask keeps."""
    if block.dtype.kind in "fc":
        # Infinite values are no gaps in the data: they are left to fail.
        keep = ~np.isnan(block).any(axis=2)
    else:
        keep = np.ones(block.shape[:2], dtype=bool)
    return keep if mask is None else keep & mask


def _row_blocks(shape):
    step = max(1, ROWS // max(1, shape[1]))
    return [slice(first, first + step) for first in range(0, shape[0], step)]


def _in_blocks(image, mask, mixture):
    p = len(mixture.components)
    blocks = _row_blocks(image.shape) if mixture.by_pixel else [slice(None)]
    maps = np.empty((*image.shape[:2], p + 1), dtype=precision(image.dtype))
    for rows in blocks:
        valid = None if mask is None else mask[rows]
        maps[rows] = mixture.maps(np.asarray(image[rows]), valid)
    return maps, ~np.isnan(maps[..., p])


def _lazily(image, mask, mixture):
    import dask.array as da

    if not mixture.by_pixel:
        raise TypeError(
            f"unmix: the abundances of {type(mixture.solver).__name__} depend on all "
            "pixels at once; give cube.compute() in place of a dask array."
        )
    image = image.rechunk({2: -1})
    p = len(mixture.components)
    kind = precision(image.dtype)
    options = {
        "chunks": (*image.chunks[:2], (p + 1,)),
        "meta": np.empty((0, 0, 0), dtype=kind),
    }
    if mask is None:
        maps = da.map_blocks(_maps_of_block, image, mixture=mixture, **options)
    else:
        known = da.from_array(mask[:, :, None], chunks=(*image.chunks[:2], (1,)))
        maps = da.map_blocks(_maps_of_block, image, known, mixture=mixture, **options)
    return maps, ~da.isnan(maps[..., p])


def _maps_of_block(block, mask=None, *, mixture):
    return mixture.maps(block, None if mask is None else mask[:, :, 0])


def _labelled(result, cube) -> Bunch:
    """Maps and endmembers with the coordinates of the image."""
    import xarray

    *image, bands = image_dimensions(cube)
    coords = {
        name: value for name, value in cube.coords.items() if bands not in value.dims
    }
    of_bands = {
        name: value[{bands: result.bands}]
        for name, value in cube.coords.items()
        if value.dims == (bands,)
    }
    labelled = {
        key: xarray.DataArray(result[key], coords, (*image, *more), name=key)
        for key, more in (("abundance_maps", ["endmember"]), ("rmse", []), ("mask", []))
    }
    labelled["endmembers"] = xarray.DataArray(
        result.endmembers,
        dims=("endmember", bands),
        coords=of_bands,
        name="endmembers",
    )
    return Bunch(**{**result, **labelled})
