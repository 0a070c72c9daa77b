"""Libraries of spectra: fewer of them, and at other wavelengths."""

from math import inf, pi

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from sklearn.utils import check_array

from sparsestat.metrics import spectral_angle
from sparsestat.utils.validation import Interval, check_parameters

__all__ = ["prune_library", "resample_spectra"]

_PRUNE = {"min_angle": Interval(0, pi)}
_FWHM = Interval(0, inf, closed="neither")
# Full width at half maximum of a normal density, in standard deviations.
_WIDTH = 2.0 * np.sqrt(2.0 * np.log(2.0))


def prune_library(spectra: ArrayLike, min_angle: float) -> np.ndarray:
    """Which spectra to keep so that all differ.

    A spectrum is kept if its angles to all kept before exceed the least one.

    Parameters
    ----------
    spectra : array-like of shape (n_spectra, n_features)
        The library, the most wanted first.

    min_angle : float
        In radians; ``np.deg2rad(4.44)`` is usual.

    Returns
    -------
    kept : ndarray of shape (n_kept,)
        Rows of the spectra that are kept, in increasing order.

    Raises
    ------
    ValueError
        If a value is not finite, or `min_angle` is not an angle.

    See Also
    --------
    sparsestat.metrics.spectral_angle : The angles.

    References
    ----------
    .. [1] Iordache, M.-D., Bioucas-Dias, J. M. and Plaza, A. (2011). Sparse unmixing of
       hyperspectral data. :doi:`10.1109/TGRS.2010.2098413`

    Examples
    --------
    >>> from sparsestat.datasets import prune_library
    >>> prune_library([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]], min_angle=0.1)
    array([0, 2])
    """
    check_parameters({"min_angle": min_angle}, _PRUNE, name="prune_library")
    spectra = check_array(spectra, dtype=np.float64, input_name="spectra")
    kept = [0]
    for i in range(1, len(spectra)):
        if spectral_angle(spectra[[i]], spectra[kept]).min() > min_angle:
            kept.append(i)
    return np.array(kept)


def resample_spectra(
    spectra: ArrayLike,
    wavelengths: ArrayLike,
    new_wavelengths: ArrayLike,
    *,
    fwhm: float | ArrayLike | None = None,
) -> np.ndarray:
    r"""What a sensor with other bands would see of spectra.

    Between their wavelengths spectra are straight lines; a new band is their mean under
    a Gaussian response around its centre :math:`\mu`, exactly:

    .. math:: \int s(\lambda) \, g(\lambda) \, d\lambda \Big/ \int g(\lambda) \,
        d\lambda, \qquad g(\lambda) = e^{-4 \log 2 \, (\lambda - \mu)^2 /
        \mathrm{fwhm}^2}

    over the wavelengths that are known.

    Parameters
    ----------
    spectra : array-like of shape (n_spectra, n_features)
        The library.

    wavelengths : array-like of shape (n_features,)
        Its wavelengths, in any order; where two are equal, the mean counts.

    new_wavelengths : array-like of shape (n_bands,)
        Centres of the new bands, in the same unit, among the given wavelengths.

    fwhm : float or array-like of shape (n_bands,), default=None
        Full widths at half maximum of the new bands, in the same unit; None for
        values on the lines.

    Returns
    -------
    resampled : ndarray of shape (n_spectra, n_bands)
        In the precision of `spectra`.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or a centre is outside.

    See Also
    --------
    scipy.interpolate.make_interp_spline : Without a response.

    References
    ----------
    .. [1] Green, R. O. et al. (1998). Imaging spectroscopy and the airborne
       visible/infrared imaging spectrometer (AVIRIS).
       :doi:`10.1016/S0034-4257(98)00064-9`

    Examples
    --------
    >>> from sparsestat.datasets import resample_spectra
    >>> resample_spectra([[0.0, 2.0, 0.0]], [400.0, 500.0, 600.0], [450.0, 500.0])
    array([[1., 2.]])
    >>> seen = resample_spectra(
    ...     [[0.0, 2.0, 0.0]], [400.0, 500.0, 600.0], [500.0], fwhm=100.0
    ... )
    >>> seen.round(3)
    array([[1.353]])
    """
    spectra = check_array(spectra, dtype=[np.float64, np.float32], input_name="spectra")
    known = _vector("wavelengths", wavelengths)
    new = _vector("new_wavelengths", new_wavelengths)
    if len(known) != spectra.shape[1]:
        raise ValueError(
            f"wavelengths must have an entry for each of the {spectra.shape[1]} bands "
            f"of spectra; got {len(known)}."
        )
    outside = (new < known.min()) | (new > known.max())
    if outside.any():
        raise ValueError(
            f"new_wavelengths must lie in [{known.min():g}, {known.max():g}], where "
            f"the spectra are known; got {new[outside][0]:g}."
        )
    nodes, place = np.unique(known, return_inverse=True)
    if fwhm is None:
        weights = _lines(nodes, new)
    else:
        width = np.asarray(fwhm, dtype=np.float64)
        if width.shape not in ((), new.shape) or not all(
            _FWHM.accepts(value) for value in width.ravel().tolist()
        ):
            raise ValueError(
                f"fwhm must be {_FWHM}, or one for each of the {len(new)} new bands; "
                f"got {fwhm!r}."
            )
        deviation = np.broadcast_to(width / _WIDTH, new.shape)
        weights = _responses(nodes, new[:, None], deviation[:, None])
    # Spectra at equal wavelengths share the weight of their node.
    weights = (weights / np.bincount(place))[:, place]
    return spectra @ weights.T.astype(spectra.dtype)


def _vector(name, values) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"{name} must be a vector of finite numbers; got shape {values.shape}."
        )
    return values


def _lines(nodes, new) -> np.ndarray:
    """Weights of linear interpolation: (n_new, n_nodes)."""
    return np.stack([np.interp(new, nodes, row) for row in np.eye(len(nodes))], axis=1)


def _responses(nodes, centres, deviations) -> np.ndarray:
    """Means of the hat function of each node under normal densities."""
    if len(nodes) == 1:
        return np.ones((len(centres), 1))
    a, b = nodes[:-1], nodes[1:]
    left, right = (a - centres) / deviations, (b - centres) / deviations
    mass = ndtr(right) - ndtr(left)
    # First moments about the centres.
    tilt = deviations * (np.exp(-(left**2) / 2) - np.exp(-(right**2) / 2))
    tilt /= np.sqrt(2.0 * np.pi)
    weights = np.zeros((len(centres), len(nodes)))
    weights[:, 1:] += ((centres - a) * mass + tilt) / (b - a)
    weights[:, :-1] += ((b - centres) * mass - tilt) / (b - a)
    return weights / weights.sum(axis=1, keepdims=True)
