"""Between images and rows of pixels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.utils.cubes import as_cube

__all__ = ["cube_to_pixels", "pixels_to_cube"]


def cube_to_pixels(cube: ArrayLike, mask: ArrayLike | None = None) -> np.ndarray:
    """Pixels of an image, row by row.

    Parameters
    ----------
    cube : array-like of shape (n_rows, n_cols, n_bands) or xarray.DataArray
        Image, bands last; the dimensions of a DataArray may have any order. Values that
        a masked array hides become NaN.

    mask : array-like of bool of shape (n_rows, n_cols), default=None
        Which pixels to keep; by default all.

    Returns
    -------
    X : ndarray of shape (n_pixels, n_bands)
        Where nothing is masked a view if the memory allows.

    Raises
    ------
    TypeError
        For an array that does not hold real numbers.
    ValueError
        For an array that is no image, and a mask of another size.

    See Also
    --------
    pixels_to_cube : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import cube_to_pixels
    >>> cube_to_pixels(np.ones((4, 5, 7))).shape
    (20, 7)
    """
    cube = np.asarray(as_cube(cube))
    if mask is None:
        return cube.reshape(-1, cube.shape[2])
    return cube[_mask(mask, cube.shape[:2])]


def pixels_to_cube(
    pixels: ArrayLike,
    shape: Sequence[int],
    mask: ArrayLike | None = None,
    *,
    fill: float = np.nan,
) -> np.ndarray:
    """An image from rows of pixels.

    Parameters
    ----------
    pixels : array-like of shape (n_pixels, n_channels) or (n_pixels,)
        What each pixel shows, row by row: a spectrum, abundances, a number.

    shape : (int, int)
        Rows and columns of the image.

    mask : array-like of bool of shape (n_rows, n_cols), default=None
        Which pixels are given; by default all.

    fill : float, default=nan
        What the others show.

    Returns
    -------
    cube : ndarray of shape (n_rows, n_cols, n_channels) or (n_rows, n_cols)
        The image.

    Raises
    ------
    ValueError
        If there are not as many pixels as the image or the mask says.

    See Also
    --------
    cube_to_pixels : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import pixels_to_cube
    >>> mask = np.array([[True, False], [True, True]])
    >>> pixels_to_cube([1.0, 2.0, 3.0], (2, 2), mask)
    array([[ 1., nan],
           [ 2.,  3.]])
    """
    pixels = np.asarray(pixels)
    shape = tuple(int(side) for side in shape)
    if len(shape) != 2:
        raise ValueError(f"shape must be (n_rows, n_cols); got {shape}.")
    if mask is None:
        if pixels.ndim not in (1, 2) or len(pixels) != shape[0] * shape[1]:
            raise ValueError(
                f"pixels must have {shape[0] * shape[1]} rows for an image of shape "
                f"{shape}; got shape {pixels.shape}."
            )
        return pixels.reshape(*shape, *pixels.shape[1:])
    mask = _mask(mask, shape)
    if pixels.ndim not in (1, 2) or len(pixels) != np.count_nonzero(mask):
        raise ValueError(
            f"pixels must have {np.count_nonzero(mask)} rows, as many as the mask "
            f"keeps; got shape {pixels.shape}."
        )
    kind = np.result_type(pixels, np.min_scalar_type(fill))
    cube = np.full((*shape, *pixels.shape[1:]), fill, dtype=kind)
    cube[mask] = pixels
    return cube


def _mask(mask, shape) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.shape != tuple(shape) or mask.dtype != bool:
        raise ValueError(
            f"mask must be boolean of shape {tuple(shape)}; got {mask.dtype} of shape "
            f"{mask.shape}."
        )
    return mask
