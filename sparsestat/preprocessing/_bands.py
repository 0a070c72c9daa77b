"""Bands of spectra: those to leave out, and their scales."""

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sparsestat.utils.cubes import check_wavelengths
from sparsestat.utils.noise import noise_variance
from sparsestat.utils.streams import check_rows, moments
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    OneOf,
    Rule,
    check_parameters,
)

__all__ = ["BadBandRemover", "BandNormalizer"]

_FLOATS = [np.float64, np.float32]
# Where water vapour takes the light of the sun, in nm.
_WATER = ((1340.0, 1450.0), (1800.0, 1970.0))


class BadBandRemover(SelectorMixin, BaseEstimator):
    r"""Leaves out bands that are mostly noise.

    The noise of a band is what all other bands do not predict. A band is kept if

    .. math:: 10 \log_{10} \frac{\sum_n x_{nl}^2}{\sum_n \varepsilon_{nl}^2} \ge
        \text{min\_snr\_db}

    and its wavelength is not one that water vapour absorbs. At least one band is kept.

    Parameters
    ----------
    min_snr_db : float, default=10.0
        Least ratio of power to noise, in decibels; ``-np.inf`` asks for none.

    wavelengths : array-like of shape (n_features,), default=None
        Wavelengths in nm. None if unknown.

    water_absorption : bool, default=True
        Whether to leave out 1340 to 1450 and 1800 to 1970 nm, if `wavelengths` are
        given.

    fill : {"drop", "nan"}, default="drop"
        Whether `transform` leaves bad bands out or replaces them with NaN, for plots.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        Bands that are kept.

    snr_db_ : ndarray of shape (n_features,)
        Ratios in decibels; -inf of a band of zeros.

    noise_variance_ : ndarray of shape (n_features,)
        Variance of the noise of each band.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    sparsestat.unmixing.estimate_noise : The noise of each pixel.
    sklearn.feature_selection.VarianceThreshold : By variance.

    References
    ----------
    Bioucas-Dias and Nascimento (2008), doi:10.1109/TGRS.2008.918089.

    Examples
    --------
    >>> from sparsestat.datasets import make_hyperspectral
    >>> from sparsestat.preprocessing import BadBandRemover
    >>> scene = make_hyperspectral(n_bad_bands=20, random_state=0)
    >>> remover = BadBandRemover().fit(scene.X)
    >>> remover.transform(scene.X).shape
    (4096, 204)
    >>> bool(remover.support_[scene.bad_bands].any())
    False
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "min_snr_db": Interval(-inf, inf, closed="left"),
        "wavelengths": ArrayLike | None,
        "water_absorption": Boolean,
        "fill": OneOf("drop", "nan"),
    }

    def __init__(
        self,
        min_snr_db=10.0,
        *,
        wavelengths=None,
        water_absorption=True,
        fill="drop",
    ):
        self.min_snr_db = min_snr_db
        self.wavelengths = wavelengths
        self.water_absorption = water_absorption
        self.fill = fill

    def fit(self, X, y=None):
        """Find the bad bands.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, parameters outside their range, another
            number of wavelengths, and micrometres.
        """
        check_parameters(self, self._rules)
        X = check_rows(X, self)
        in_nm = bool(self.water_absorption)
        waves = check_wavelengths(self.wavelengths, X.shape, "X", in_nm=in_nm)
        products = moments(X)[0]
        self.noise_variance_ = noise_variance(products, len(X))
        power = products.diagonal() / len(X)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(power > 0.0, power / self.noise_variance_, 0.0)
            self.snr_db_ = 10.0 * np.log10(ratio)
        good = self.snr_db_ >= self.min_snr_db
        if waves is not None and self.water_absorption:
            for low, high in _WATER:
                good &= (waves < low) | (waves > high)
        if not good.any():
            good[self.snr_db_.argmax()] = True
        self.support_ = good
        return self

    def transform(self, X):
        """Leave out the bad bands, or replace them with NaN.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        X : ndarray of shape (n_samples, n_kept) or (n_samples, n_features)
            In the precision of `X`; all bands with ``fill="nan"``.
        """
        if self.fill == "drop":
            return super().transform(X)
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False, copy=True)
        X[:, ~self.support_] = np.nan
        return X

    def get_feature_names_out(self, input_features=None):
        """Names of the bands that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of all bands; by default those of `fit`.

        Returns
        -------
        names : ndarray of str
            Those of the kept bands, of all with ``fill="nan"``.
        """
        if self.fill == "drop":
            return super().get_feature_names_out(input_features)
        return OneToOneFeatureMixin.get_feature_names_out(self, input_features)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class BandNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divides each band by its scale, so that all count alike.

    Nothing is subtracted: mixtures stay mixtures of the endmembers, scaled alike.

    Parameters
    ----------
    norm : {"rms", "max", "noise"}, default="rms"
        The root mean square, the largest absolute value, or the standard deviation of
        the noise, which the other bands do not predict.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        Scales; 1 for bands that are zero.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    MNF : Noise alike in all directions, not only in all bands.
    sklearn.preprocessing.MaxAbsScaler : The norm "max".

    References
    ----------
    Green, Berman, Switzer and Craig (1988), doi:10.1109/36.3001.

    Examples
    --------
    >>> from sparsestat.preprocessing import BandNormalizer
    >>> BandNormalizer(norm="max").fit_transform([[1.0, 20.0], [2.0, 10.0]])
    array([[0.5, 1. ],
           [1. , 0.5]])
    """

    _rules: ClassVar[dict[str, Rule]] = {"norm": OneOf("rms", "max", "noise")}

    def __init__(self, norm="rms"):
        self.norm = norm

    def fit(self, X, y=None):
        """Find the scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite.
        """
        check_parameters(self, self._rules)
        X = check_rows(X, self)
        if self.norm == "max":
            scale = np.maximum(X.max(axis=0), -X.min(axis=0).astype(np.float64))
        elif self.norm == "rms":
            scale = np.sqrt(moments(X)[0].diagonal() / len(X))
        else:
            scale = np.sqrt(noise_variance(moments(X)[0], len(X)))
        self.scale_ = np.where(scale > 0.0, scale, 1.0)
        return self

    def transform(self, X):
        """Divide by the scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, or endmembers.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the precision of `X`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return X / self.scale_.astype(X.dtype)

    def inverse_transform(self, X):
        """Multiply by the scales.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled pixels, or endmembers.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the first units.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS)
        return X * self.scale_.astype(X.dtype)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
