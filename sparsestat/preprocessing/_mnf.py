"""Minimum noise fraction: principal components in units of the noise."""

from math import inf
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sparsestat.utils.noise import noise_variance
from sparsestat.utils.streams import check_rows, moments, real_dtype
from sparsestat.utils.validation import ArrayLike, Interval, Rule, check_parameters

__all__ = ["MNF"]

_FLOATS = [np.float64, np.float32]
# Noise that is taken for granted, as a share of the mean variance of the bands.
_RIDGE = 1e-8


class MNF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Minimum noise fraction: directions in order of their signal to noise ratio.

    .. math:: z = V^T (x - \bar x), \qquad
        \Sigma V = \Sigma_\varepsilon V \Lambda, \quad V^T \Sigma_\varepsilon V = I

    with the covariances of the pixels and of the noise. In the new coordinates noise
    has the variance one in every direction.

    Parameters
    ----------
    n_components : int, default=None
        Number of directions; all by default.

    noise_covariance : array-like of shape (n_features, n_features), default=None
        Covariance of the noise, from a dark current or from differences of neighbours,
        say. By default diagonal, from what the other bands do not predict.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Directions V.

    explained_variance_ : ndarray of shape (n_components,)
        Variances in units of the noise, in decreasing order: near one there is noise
        only.

    mean_ : ndarray of shape (n_features,)
        Mean pixel.

    noise_variance_ : ndarray of shape (n_features,)
        Variance of the noise of each band.

    n_components_ : int
        Number of directions.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    sparsestat.unmixing.HySime : The subspace of the signal, without centring.
    sklearn.decomposition.PCA : Noise alike in all bands.

    References
    ----------
    Green, Berman, Switzer and Craig (1988), doi:10.1109/36.3001.

    Examples
    --------
    >>> from sparsestat.datasets import make_hyperspectral
    >>> from sparsestat.preprocessing import MNF
    >>> scene = make_hyperspectral(snr_db=(20.0, 40.0), random_state=0)
    >>> mnf = MNF(6).fit(scene.X)
    >>> (mnf.explained_variance_ > 5.0).tolist()
    [True, True, True, True, False, False]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": Interval(1, inf, closed="left", integer=True) | None,
        "noise_covariance": ArrayLike | None,
    }

    def __init__(self, n_components=None, *, noise_covariance=None):
        self.n_components = n_components
        self.noise_covariance = noise_covariance

    def fit(self, X, y=None):
        """Find the directions.

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
            For data that are not finite, more directions than bands, and a covariance
            that is none.
        """
        check_parameters(self, self._rules)
        X = check_rows(X, self)
        n, p = X.shape
        k = p if self.n_components is None else self.n_components
        if k > p:
            raise ValueError(
                f"MNF: n_components must be at most the number of bands, {p}; got {k}."
            )
        products, mean = moments(X)
        kind = real_dtype(X.dtype)
        covariance = products / n - np.outer(mean, mean)
        noise = self._noise(products, n)
        # Without any noise, directions of no variance would have infinite ratios.
        floor = _RIDGE * np.trace(covariance) / p
        noise[np.diag_indices(p)] += floor if floor > 0.0 else 1.0
        variance, V = eigh(covariance, noise)
        self.components_ = np.ascontiguousarray(V[:, ::-1][:, :k].T).astype(kind)
        self.explained_variance_ = np.maximum(variance[::-1][:k], 0.0)
        self.mean_ = mean.astype(kind)
        self.noise_variance_ = noise.diagonal().copy()
        self.n_components_ = k
        # V inverse is V' Sigma_noise: noise outside the kept directions is left out.
        self._inverse = (V[:, ::-1][:, :k].T @ noise).astype(kind)
        return self

    def transform(self, X):
        """Coordinates of pixels, in units of the noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        coordinates : ndarray of shape (n_samples, n_components)
            In the precision of `X`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return (X - self.mean_.astype(X.dtype)) @ self.components_.T.astype(X.dtype)

    def inverse_transform(self, X):
        """Pixels from their coordinates, without what was left out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Coordinates.

        Returns
        -------
        pixels : ndarray of shape (n_samples, n_features)
            Spectra.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS)
        return X @ self._inverse.astype(X.dtype) + self.mean_.astype(X.dtype)

    def _noise(self, products, n) -> np.ndarray:
        if self.noise_covariance is None:
            return np.diag(noise_variance(products, n))
        p = len(products)
        noise = check_array(
            self.noise_covariance, dtype=np.float64, input_name="noise_covariance"
        )
        if noise.shape != (p, p) or not np.allclose(noise, noise.T):
            raise ValueError(
                f"noise_covariance must be symmetric of shape {(p, p)}; got shape "
                f"{noise.shape}."
            )
        if np.linalg.eigvalsh(noise)[0] < -1e-8 * max(noise.diagonal().max(), 0.0):
            raise ValueError("noise_covariance must be positive semidefinite.")
        return noise.copy()

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
