"""Images with a spectrum in each pixel: which axis is which."""

import numpy as np

__all__ = ["as_cube", "check_wavelengths", "image_dimensions"]

_BANDS = ("band", "bands", "wavelength", "wavelengths", "wl", "spectral", "channel")
_ROWS = ("y", "row", "rows", "line", "lines", "lat", "latitude", "northing")
_COLS = ("x", "col", "cols", "column", "columns", "sample", "samples", "lon")
_COLS += ("longitude", "easting")


def as_cube(cube: object, name: str = "cube") -> np.ndarray:
    """Return an image as an array of shape (n_rows, n_cols, n_bands).

    Parameters
    ----------
    cube : array-like of shape (n_rows, n_cols, n_bands) or xarray.DataArray
        The axes of a DataArray are found by the names of its dimensions, whatever
        their order. A dask array stays one.
    name : str, default="cube"
        The parameter's name, for the error.

    Returns
    -------
    cube : ndarray or dask array of shape (n_rows, n_cols, n_bands)
        A view where possible; masked values are NaN.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If there are not three axes, or the dimensions have unknown names.

    See Also
    --------
    sparsestat.unmixing.cube_to_pixels : Rows of pixels.

    Examples
    --------
    >>> as_cube([[[0.1, 0.2], [0.3, 0.4]]]).shape
    (1, 2, 2)
    """
    if hasattr(cube, "dims") and hasattr(cube, "coords"):
        return cube.transpose(*image_dimensions(cube, name)).data
    if np.ma.isMaskedArray(cube):
        # Else values that someone has marked as missing would be taken for data.
        kind = cube.dtype if cube.dtype.kind == "f" else np.float32
        cube = cube.astype(kind).filled(np.nan)
    if not (hasattr(cube, "map_blocks") or isinstance(cube, np.memmap)):
        given, cube = cube, np.asarray(cube)
        if cube.dtype.kind not in "buif":
            raise TypeError(
                f"{name} must be an image of real numbers; got "
                f"{type(given).__name__} of {cube.dtype}."
            )
    if cube.ndim != 3:
        raise ValueError(
            f"{name} must be an image of shape (n_rows, n_cols, n_bands); got shape "
            f"{cube.shape}."
        )
    return cube


def image_dimensions(array: object, name: str = "cube") -> tuple[str, str, str]:
    """Names of the dimensions of rows, columns and bands of a DataArray.

    Parameters
    ----------
    array : xarray.DataArray
        An image.
    name : str, default="cube"
        The parameter's name, for the error.

    Returns
    -------
    dimensions : (str, str, str)
        Its dimensions.

    Raises
    ------
    ValueError
        If there are not three axes, or the dimensions have unknown names.
    """
    if array.ndim != 3:
        raise ValueError(
            f"{name} must have three dimensions, two of the image and one of bands; "
            f"got {tuple(array.dims)}."
        )
    found = tuple(
        next((d for d in array.dims if str(d).lower() in known), None)
        for known in (_ROWS, _COLS, _BANDS)
    )
    if None in found:
        raise ValueError(
            f"{name} must have dimensions with names such as y, x and band; got "
            f"{tuple(array.dims)}."
        )
    return found


def check_wavelengths(
    wavelengths: object,
    cube_shape: tuple[int, ...],
    name: str = "cube",
    *,
    in_nm: bool = False,
) -> np.ndarray | None:
    """Return wavelengths as a vector, one for each band of an image.

    Parameters
    ----------
    wavelengths : array-like of shape (n_bands,) or None
        In any unit, unless `in_nm`.
    cube_shape : tuple of int
        Shape of the image, bands last; of pixels as well.
    name : str, default="cube"
        The parameter's name, for the error.
    in_nm : bool, default=False
        Whether they have to be in nm: none below 100 alone.

    Returns
    -------
    wavelengths : ndarray of shape (n_bands,) or None
        None if None was given.

    Raises
    ------
    ValueError
        If their number is not that of the bands; says so if another axis has it. If
        they have to be in nm and are likely micrometres.

    Examples
    --------
    >>> check_wavelengths([400.0, 500.0], (2, 9, 9))
    Traceback (most recent call last):
    ...
    ValueError: cube must have its bands last, one for each of the 2 wavelengths; got \
shape (2, 9, 9): move axis 0 to the end.
    """
    if wavelengths is None:
        return None
    values = np.asarray(wavelengths, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(
            f"wavelengths must be a vector of finite numbers; got shape {values.shape}."
        )
    if in_nm and values.max(initial=0.0) < 100.0:
        raise ValueError(
            f"wavelengths must be in nm; got at most {values.max(initial=0.0):g}, "
            "likely micrometres: multiply by 1000."
        )
    if len(values) == cube_shape[-1]:
        return values
    if len(values) in cube_shape[:-1] and len(cube_shape) == 3:
        raise ValueError(
            f"{name} must have its bands last, one for each of the {len(values)} "
            f"wavelengths; got shape {cube_shape}: move axis "
            f"{cube_shape.index(len(values))} to the end."
        )
    raise ValueError(
        f"wavelengths must have an entry for each of the {cube_shape[-1]} bands of "
        f"{name}; got {len(values)}."
    )
