"""Spectra divided by their upper hulls, which leaves the absorptions."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.utils.cubes import check_wavelengths
from sparsestat.utils.dispatch import kernel
from sparsestat.utils.validation import ArrayLike, Rule, check_parameters

__all__ = ["ContinuumRemoval"]

_FLOATS = [np.float64, np.float32]


class ContinuumRemoval(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Divides each spectrum by its continuum, the upper convex hull.

    .. math:: x_l / c_l, \qquad
        c = \min \{ c \text{ concave in the wavelength} : c \ge x \}

    What is left are absorptions, from 1 down: depths that do not depend on brightness.
    Mixtures of spectra are no longer mixtures of the results.

    Parameters
    ----------
    wavelengths : array-like of shape (n_features,), default=None
        Wavelengths, increasing; by default bands are evenly spaced.

    Attributes
    ----------
    wavelengths_ : ndarray of shape (n_features,)
        The wavelengths.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    BandNormalizer : Scales of bands, not of spectra.
    sklearn.preprocessing.Normalizer : Spectra of unit norm.

    References
    ----------
    Clark and Roush (1984), doi:10.1029/JB089iB07p06329.

    Examples
    --------
    >>> from sparsestat.preprocessing import ContinuumRemoval
    >>> ContinuumRemoval().fit_transform([[0.4, 0.3, 0.8, 0.6]])
    array([[1. , 0.5, 1. , 1. ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {"wavelengths": ArrayLike | None}

    def __init__(self, wavelengths=None):
        self.wavelengths = wavelengths

    def fit(self, X, y=None):
        """Check the wavelengths; there is nothing else to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spectra in rows.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, and wavelengths that do not increase or have
            another number.
        """
        check_parameters(self, self._rules)
        X = validate_data(self, X, dtype=_FLOATS)
        waves = check_wavelengths(self.wavelengths, X.shape, "X")
        if waves is None:
            waves = np.arange(X.shape[1], dtype=np.float64)
        if (np.diff(waves) <= 0.0).any():
            raise ValueError("ContinuumRemoval: wavelengths must increase.")
        self.wavelengths_ = waves
        return self

    def transform(self, X):
        """Divide by the continua.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spectra.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            At most 1 where the continuum is positive, and 1 where it is not.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        exact = np.ascontiguousarray(X, dtype=np.float64)
        return _without_continuum(exact, self.wavelengths_).astype(X.dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@kernel
def _without_continuum(X, waves):
    """Upper hulls by Andrew's monotone chain, a row at a time."""
    n, p = X.shape
    out = np.ones((n, p))
    hull = np.empty(p, dtype=np.int64)
    for i in range(n):
        size = 0
        for j in range(p):
            while size > 1:
                a, b = hull[size - 2], hull[size - 1]
                rise = (X[i, b] - X[i, a]) * (waves[j] - waves[a])
                if rise > (X[i, j] - X[i, a]) * (waves[b] - waves[a]):
                    break
                size -= 1
            hull[size] = j
            size += 1
        for s in range(size - 1):
            a, b = hull[s], hull[s + 1]
            slope = (X[i, b] - X[i, a]) / (waves[b] - waves[a])
            for j in range(a + 1, b):
                level = X[i, a] + slope * (waves[j] - waves[a])
                if level > 0.0:
                    out[i, j] = min(X[i, j] / level, 1.0)
    return out
