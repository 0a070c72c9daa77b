"""What the transformers from pixels to abundances share."""

from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sparsestat.unmixing._blocks import blocks_of, is_dask, transform_chunks
from sparsestat.utils.validation import Rule, check_parameters

__all__ = ["AbundanceEstimator", "Mixer", "Unmixer"]

_FLOATS = [np.float64, np.float32]


class Mixer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of all that have abundances of `components_`."""

    _rules: ClassVar[dict[str, Rule]] = {}

    def inverse_transform(self, X):
        """Pixels from abundances: ``X @ components_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Abundances.

        Returns
        -------
        pixels : ndarray of shape (n_samples, n_features)
            Spectra of mixtures.
        """
        check_is_fitted(self)
        abundances = check_array(X, dtype=_FLOATS)
        if abundances.shape[1] != len(self.components_):
            raise ValueError(
                f"X must have a column for each of the {len(self.components_)} "
                f"endmembers; got shape {abundances.shape}."
            )
        return abundances @ self.components_.astype(abundances.dtype, copy=False)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    @property
    def _exact(self) -> np.ndarray:
        """Endmembers in double precision."""
        return self.components_.astype(np.float64, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Unmixer(Mixer):
    """Base of all that turn pixels into abundances of `components_`."""

    # Whether each pixel has its abundances whatever the others are.
    _by_pixel = True

    def transform(self, X):
        """Abundances of the endmembers in each pixel.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Pixels, a spectrum in each row. Memory maps are read in blocks; dask
            arrays are not computed, and need chunks of rows.

        Returns
        -------
        abundances : ndarray or dask array of shape (n_samples, n_components)
            In the precision of `X`.
        """
        if is_dask(X):
            return transform_chunks(self, X)
        parts = []
        for block in blocks_of(X) if self._by_pixel else [X]:
            parts.append(self._abundances(self._pixels(block)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def dual_gap(self, X):
        """How far the abundances of each pixel may be from optimal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        gap : ndarray of shape (n_samples,)
            Bounds of the objectives above their minima, in units of `X` squared.
        """
        X = self._pixels(X)
        return self._gap(X, self._abundances(X))

    def score(self, X, y=None):
        """Minus the root mean squared error of the reconstruction; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In units of `X`.
        """
        X = self._pixels(X)
        abundances = self._abundances(X)
        difference = X - abundances @ self.components_.astype(X.dtype, copy=False)
        return -float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))

    def _abundances(self, X: np.ndarray) -> np.ndarray:
        """Abundances of checked pixels."""
        raise TypeError(f"{type(self).__name__} has no abundances.")

    def _gap(self, X: np.ndarray, abundances: np.ndarray) -> np.ndarray:
        """Certificates of abundances, one for each pixel."""
        raise TypeError(f"{type(self).__name__} has no certificate.")

    def _pixels(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=_FLOATS, reset=False)


class AbundanceEstimator(Unmixer):
    """Base of the transformers whose endmembers are given: `fit` takes spectra."""

    def fit(self, X, y=None):
        """Keep the endmembers.

        Parameters
        ----------
        X : array-like of shape (n_components, n_features)
            Endmembers or a library, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For spectra that are not finite, and parameters outside their range.
        """
        check_parameters(self, self._rules)
        self.components_ = validate_data(self, X, dtype=_FLOATS, copy=True)
        return self
