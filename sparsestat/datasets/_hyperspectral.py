"""Hyperspectral images whose endmembers and abundances are known."""

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.special import softmax
from sklearn.utils import Bunch, check_array, check_random_state

from sparsestat.metrics import spectral_angle
from sparsestat.utils.validation import ArrayLike as AnyArray
from sparsestat.utils.validation import (
    Interval,
    OneOf,
    RandomState,
    check_parameters,
)

__all__ = ["make_hyperspectral"]

_COUNT = Interval(1, inf, closed="left", integer=True)
_PARAMETERS = {
    "n_rows": _COUNT,
    "n_cols": _COUNT,
    "endmembers": _COUNT | AnyArray,
    "n_bands": _COUNT,
    "model": OneOf("blocks", "dirichlet", "grf"),
    "block_size": _COUNT,
    "max_purity": Interval(0, 1, closed="right"),
    "snr_db": Interval(-inf, inf, closed="right") | AnyArray,
    "n_bad_bands": Interval(0, inf, closed="left", integer=True),
    "bad_band_snr_db": Interval(-inf, inf, closed="neither"),
    "illumination": Interval(0, 1, closed="left"),
    "random_state": RandomState,
}
# Random spectra are drawn anew until they differ by this angle from all others.
_MIN_ANGLE = np.deg2rad(10.0)
_TRIES = 500


def make_hyperspectral(
    n_rows: int = 64,
    n_cols: int = 64,
    *,
    endmembers: int | ArrayLike = 5,
    n_bands: int = 224,
    model: Literal["blocks", "dirichlet", "grf"] = "blocks",
    block_size: int = 8,
    max_purity: float = 0.8,
    snr_db: float | ArrayLike = 30.0,
    n_bad_bands: int = 0,
    bad_band_snr_db: float = 0.0,
    illumination: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Draw a hyperspectral image of known mixtures.

    .. math:: x_n = s_n E^T a_n + \varepsilon_n, \qquad
        a_n \ge 0, \quad 1^T a_n = 1, \quad
        \varepsilon_{nl} \sim N(0, \sigma_l^2)

    Parameters
    ----------
    n_rows, n_cols : int, default=64
        Size of the image in pixels.

    endmembers : int or array-like of shape (n_components, n_bands), default=5
        Spectra of the pure materials, or how many to draw: smooth reflectances with
        edges and absorptions, 10 degrees apart from each other where possible.

    n_bands : int, default=224
        Bands of drawn spectra, from 400 to 2500 nm; given ones have their own number.

    model : {"blocks", "dirichlet", "grf"}, default="blocks"
        ``"blocks"`` gives each square block of the image one material and takes the
        mean over a window that is one pixel wider [1]_; ``"dirichlet"`` draws each
        pixel on its own, uniformly over all mixtures; ``"grf"`` takes smooth Gaussian
        random fields to shares that sum to one.

    block_size : int, default=8
        Side of the blocks, of ``"grf"`` the length over which shares change. The
        published protocol has square images of the side ``block_size ** 2``.

    max_purity : float, default=0.8
        Pixels with a larger abundance get equal shares of all materials instead; 1
        keeps them.

    snr_db : float or array-like of shape (2,) or (n_bands,), default=30.0
        Mean power of the signal over the variance of the noise, in decibels, the same
        noise in all bands; ``np.inf`` for no noise. Two numbers are a range in which
        each band has a ratio of its own; one for each band says it.

    n_bad_bands : int, default=0
        How many bands at random get more noise.

    bad_band_snr_db : float, default=0.0
        Mean power of a bad band over the variance of its additional noise.

    illumination : float, default=0.0
        How much darker the darkest pixel is: factors s from 1 - `illumination` to 1
        that change smoothly over the image.

    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        cube : ndarray of shape (n_rows, n_cols, n_bands)
            The image. With noise, reflectances may be negative.
        X : ndarray of shape (n_rows * n_cols, n_bands)
            Its pixels, row by row.
        endmembers : ndarray of shape (n_components, n_bands)
            The spectra E.
        abundances : ndarray of shape (n_rows * n_cols, n_components)
            The shares A of each pixel.
        abundance_maps : ndarray of shape (n_rows, n_cols, n_components)
            The same as images.
        illumination : ndarray of shape (n_rows, n_cols)
            The factors s.
        bad_bands : ndarray of shape (n_bad_bands,)
            Indices of the bad bands, in increasing order.
        noise_variance : ndarray of shape (n_bands,)
            Variances of the noise.
        wavelengths : ndarray of shape (n_bands,) or None
            In nm; None if the spectra were given.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or two do not go together.

    See Also
    --------
    sklearn.datasets.make_blobs : Points around centres instead of between them.

    References
    ----------
    .. [1] Miao, L. and Qi, H. (2007). Endmember extraction from highly mixed data using
       minimum volume constrained nonnegative matrix factorization.
       :doi:`10.1109/TGRS.2006.888466`
    .. [2] Wang, Y., Pan, C., Xiang, S. and Zhu, F. (2015). Robust hyperspectral
       unmixing with correntropy-based metric. :arxiv:`1305.7311`

    Examples
    --------
    >>> from sparsestat.datasets import make_hyperspectral
    >>> scene = make_hyperspectral(36, 36, endmembers=3, block_size=6, random_state=0)
    >>> scene.cube.shape, scene.endmembers.shape, scene.abundances.shape
    ((36, 36, 224), (3, 224), (1296, 3))
    >>> bool(scene.abundances.max() <= 0.8)
    True
    """
    check_parameters(dict(locals()), _PARAMETERS, name="make_hyperspectral")
    seed = check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    # A stream for each part: noise leaves the mixtures as they are, and so on.
    seeds = np.random.SeedSequence(seed.tolist()).spawn(5)
    streams = [np.random.default_rng(s) for s in seeds]
    wavelengths = None
    if np.ndim(endmembers) == 0:
        wavelengths = np.linspace(400.0, 2500.0, n_bands)
        E = _spectra(endmembers, wavelengths, streams[0])
    else:
        E = check_array(endmembers, dtype=np.float64, input_name="endmembers")
    p, n_bands = E.shape
    if n_bad_bands > n_bands:
        raise ValueError(
            f"n_bad_bands must be at most the number of bands, {n_bands}; got "
            f"{n_bad_bands}."
        )
    if max_purity < 1.0 / p:
        raise ValueError(
            f"max_purity must be at least 1 / {p}, the share of equal mixtures of "
            f"{p} materials; got {max_purity}."
        )
    maps = _MODELS[model]((n_rows, n_cols), p, block_size, streams[1])
    # Shares that equal the limit up to rounding stay.
    maps[maps.max(axis=2) > max_purity * (1.0 + 1e-12)] = 1.0 / p
    light = 1.0 - illumination * _ranks(
        _smooth(streams[2], (n_rows, n_cols, 1), 2.0 * block_size)[..., 0]
    )
    A = maps.reshape(-1, p)
    X = light.reshape(-1, 1) * (A @ E)
    power = np.mean(X**2, axis=0)
    variance = _noise_variance(snr_db, power, streams[3])
    bad = np.sort(streams[4].choice(n_bands, n_bad_bands, replace=False))
    variance[bad] += power[bad] * 10.0 ** (-bad_band_snr_db / 10.0)
    if variance.any():
        X += np.sqrt(variance) * streams[3].standard_normal(X.shape)
    return Bunch(
        cube=X.reshape(n_rows, n_cols, n_bands),
        X=X,
        endmembers=E,
        abundances=A,
        abundance_maps=maps,
        illumination=light,
        bad_bands=bad,
        noise_variance=variance,
        wavelengths=wavelengths,
    )


def _blocks(shape, p, size, rng):
    """A material for each block, then the mean over a window."""
    counts = [-(-side // size) for side in shape]
    n_blocks = counts[0] * counts[1]
    if n_blocks < p:
        raise ValueError(
            f"block_size must leave a block for each of the {p} endmembers; got "
            f"{size}, which makes {n_blocks} of an image of shape {shape}."
        )
    labels = rng.integers(p, size=n_blocks)
    labels[rng.choice(n_blocks, p, replace=False)] = np.arange(p)
    pure = np.eye(p)[labels.reshape(counts)]
    pure = pure.repeat(size, axis=0).repeat(size, axis=1)[: shape[0], : shape[1]]
    mixed = uniform_filter(pure, (size + 1, size + 1, 1), mode="reflect")
    return _shares(mixed)


def _dirichlet(shape, p, size, rng):
    return rng.dirichlet(np.ones(p), shape)


def _random_fields(shape, p, size, rng):
    # Three standard deviations between fields make most pixels nearly pure.
    return softmax(3.0 * _smooth(rng, (*shape, p), float(size)), axis=2)


_MODELS = {"blocks": _blocks, "dirichlet": _dirichlet, "grf": _random_fields}


def _smooth(rng, shape, length):
    """Fields of unit variance that change over a length."""
    fields = gaussian_filter(
        rng.standard_normal(shape), (length / 2.0, length / 2.0, 0.0), mode="wrap"
    )
    fields -= fields.mean(axis=(0, 1))
    spread = fields.std(axis=(0, 1))
    return fields / np.where(spread > 0.0, spread, 1.0)


def _ranks(field):
    """Ranks of the values, from 0 to 1."""
    ranks = np.empty(field.size)
    ranks[np.argsort(field, axis=None)] = np.linspace(0.0, 1.0, field.size)
    return ranks.reshape(field.shape)


def _shares(maps):
    # A moving sum leaves rounding errors, of which some are negative.
    maps = np.where(maps < 1e-12, 0.0, maps)
    return maps / maps.sum(axis=2, keepdims=True)


def _noise_variance(snr_db, power, rng) -> np.ndarray:
    if np.ndim(snr_db) == 0:
        return np.full(len(power), power.mean() * 10.0 ** (-snr_db / 10.0))
    ratios = np.asarray(snr_db, dtype=np.float64)
    if ratios.shape not in ((2,), power.shape) or np.isnan(ratios).any():
        raise ValueError(
            f"snr_db must be a number, two for a range, or one for each of the "
            f"{len(power)} bands, none of them NaN; got an array of shape "
            f"{ratios.shape}."
        )
    if ratios.shape != power.shape:
        if not (np.isfinite(ratios).all() and ratios[0] <= ratios[1]):
            raise ValueError(
                f"snr_db must be a range from a finite low to a high; got {snr_db!r}."
            )
        ratios = rng.uniform(*ratios, len(power))
    return power * 10.0 ** (-ratios / 10.0)


def _spectra(p, wavelengths, rng) -> np.ndarray:
    """Reflectances that differ from each other by angles, as far as possible."""
    chosen = [_spectrum(wavelengths, rng)]
    while len(chosen) < p:
        best, widest = None, -1.0
        for _ in range(_TRIES):
            drawn = _spectrum(wavelengths, rng)
            angle = spectral_angle([drawn], chosen).min()
            if angle > widest:
                best, widest = drawn, angle
            if widest > _MIN_ANGLE:
                break
        chosen.append(best)
    return np.array(chosen)


def _spectrum(wavelengths, rng) -> np.ndarray:
    """A level, edges upwards or downwards, and absorptions."""
    w = wavelengths[:, None]
    at = rng.uniform(400.0, 2500.0, 3)
    width = rng.uniform(20.0, 200.0, 3)
    heights = rng.uniform(-0.25, 0.4, 3)
    level = rng.uniform(0.1, 0.5)
    spectrum = level + (heights / (1.0 + np.exp((at - w) / width))).sum(axis=1)
    at = rng.uniform(400.0, 2500.0, 5)
    width = rng.uniform(30.0, 150.0, 5)
    depths = rng.uniform(0.0, 0.5, 5)
    spectrum *= np.prod(1.0 - depths * np.exp(-0.5 * ((w - at) / width) ** 2), axis=1)
    return np.clip(spectrum, 0.02, 0.98)
