"""What the displays of hyperspectral scenes share: images, spectra, image shapes."""

import numpy as np

from sparsestat.plotting import _style

# Bands farther apart than this many usual distances are not joined by a line.
_GAP = 3.0


def as_image(values, image_shape, mask):
    """Rows of pixels as an image, NaN where masked."""
    from sparsestat.unmixing import pixels_to_cube

    if image_shape is None:
        if mask is None:
            raise ValueError(
                "image_shape must be (n_rows, n_cols), or mask be given; got None."
            )
        image_shape = np.shape(mask)
    return pixels_to_cube(values, image_shape, mask)


def draw_image(ax, image, image_kw, **defaults):
    """An image with square pixels and without ticks; what is NaN stays grey."""
    options = {"interpolation": "nearest", **defaults, **(image_kw or {})}
    ax.set_facecolor(_style.GREY)
    drawn = ax.imshow(image, **options)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return drawn


def positions_of(wavelengths, n_bands):
    """Where bands stand on the axis, and in which order."""
    if wavelengths is None:
        x = np.arange(n_bands, dtype=np.float64)
    else:
        x = np.asarray(wavelengths, dtype=np.float64)
    if x.shape != (n_bands,) or not np.isfinite(x).all():
        raise ValueError(
            f"wavelengths must have an entry for each of the {n_bands} bands, all "
            f"finite; got shape {x.shape}."
        )
    return x, np.argsort(x, kind="stable")


def broken(x, y):
    """A line that NaN breaks where bands are missing."""
    steps = np.diff(x)
    usual = np.median(steps) if len(steps) else 0.0
    at = np.flatnonzero(steps > _GAP * usual) + 1 if usual > 0.0 else []
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def band_axis(ax, x, wavelengths):
    """Name the axis of the bands."""
    margin = 0.01 * np.ptp(x) or 0.5
    ax.set_xlim(x.min() - margin, x.max() + margin)
    ax.set_xlabel("band" if wavelengths is None else "wavelength (nm)")


def names_of(names, n, what="endmember"):
    """Names of n things, by default numbered from one."""
    if names is None:
        return [f"{what} {k + 1}" for k in range(n)]
    names = [str(name) for name in names]
    if len(names) != n:
        raise ValueError(f"names must have {n} entries; got {len(names)}.")
    return names
