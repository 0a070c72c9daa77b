"""Mixtures of few spectra of a labelled library, at most one of each class."""

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from sparsestat.unmixing._blocks import blocks_of, is_dask, transform_chunks
from sparsestat.unmixing._members import Members, best_members
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Jobs,
    Rule,
    check_parameters,
)

__all__ = ["MESMA"]

_FLOATS = [np.float64, np.float32]
# Pixels that a thread takes at once; not a matter of n_jobs, so that bits are not.
_BLOCK = 1024


class MESMA(TransformerMixin, BaseEstimator):
    r"""Multiple endmember spectral mixture analysis, the best model of each pixel.

    .. math:: \min_{a, k} \tfrac12 \Big\| x - \sum_{c \in C} a_c e_{k_c} \Big\|^2
        \quad \text{subject to} \quad a \ge 0,\ 1^T a = 1,\ |C| \le m

    over the classes C that are in a pixel and one spectrum e of the library for each,
    so that the spectra of a material may vary over the scene. The minimum is found by
    branch and bound: least squares on the simplex of all spectra that are left bounds
    a branch, and a class with several positive ones is split. With `shade` a black
    spectrum is always there, so that classes sum to at most one.

    Parameters
    ----------
    max_members : int, default=3
        Most classes m in a pixel.

    shade : bool, default=False
        Whether the shade endmember, zero in all bands, is part of each model; its
        abundance is the last column.

    max_nodes : int, default=10000
        Branches of a pixel at most; a few suffice unless classes overlap.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_spectra, n_features)
        Library, as given to `fit`.

    classes_ : ndarray of shape (n_classes,)
        Classes of the spectra, sorted.

    labels_ : ndarray of shape (n_spectra,)
        Place in `classes_` of the class of each spectrum.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the spectra had names.

    See Also
    --------
    SUnSAL : With any number of spectra, by a convex penalty.
    FCLS : One spectrum for each material.

    References
    ----------
    Roberts, Gardner, Church, Ustin, Scheer and Green (1998),
    doi:10.1016/S0034-4257(98)00037-6, for the model.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import MESMA
    >>> library = [[1.0, 0.0, 0.0], [0.8, 0.2, 0.0], [0.0, 0.0, 1.0]]
    >>> model = MESMA().fit(library, ["soil", "soil", "tree"])
    >>> model.transform([[0.4, 0.1, 0.5]])
    array([[0.5, 0.5]])
    >>> model.members([[0.4, 0.1, 0.5]])
    array([[1, 2]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "max_members": Interval(1, inf, closed="left", integer=True),
        "shade": Boolean,
        "max_nodes": Interval(1, inf, closed="left", integer=True),
        "n_jobs": Jobs,
    }

    # Whether each pixel has its abundances whatever the others are.
    _by_pixel = True

    def __init__(self, max_members=3, *, shade=False, max_nodes=10_000, n_jobs=None):
        self.max_members = max_members
        self.shade = shade
        self.max_nodes = max_nodes
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Keep the library.

        Parameters
        ----------
        X : array-like of shape (n_spectra, n_features)
            Library, a spectrum in each row.
        y : array-like of shape (n_spectra,), default=None
            Class of each spectrum; None makes each a class of its own.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For spectra that are not finite, parameters outside their range, and
            another number of classes than spectra.
        """
        check_parameters(self, self._rules)
        X = validate_data(self, X, dtype=_FLOATS, copy=True)
        labels = np.arange(len(X)) if y is None else column_or_1d(y, warn=True)
        check_consistent_length(X, labels)
        self.components_ = X
        self.classes_, self.labels_ = np.unique(labels, return_inverse=True)
        return self

    def transform(self, X):
        """Abundances of the classes in each pixel.

        Parameters
        ----------
        X : array-like or dask array of shape (n_samples, n_features)
            Pixels, a spectrum in each row. Memory maps are read in blocks; dask
            arrays are not computed, and need chunks of rows.

        Returns
        -------
        abundances : ndarray or dask array of shape (n_samples, n_classes)
            In the precision of `X`; with `shade` it has a last column.
        """
        if is_dask(X):
            return transform_chunks(self, X)
        parts = [self._abundances(self._pixels(block)) for block in blocks_of(X)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def members(self, X):
        """The spectrum that stands for each class in each pixel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        members : ndarray of shape (n_samples, n_classes)
            Rows of `components_`; -1 where the class is not in the pixel.
        """
        best = self._best(self._pixels(X))
        members = np.full((len(best.members), len(self.classes_)), -1)
        rows, places = np.nonzero(best.members >= 0)
        chosen = best.members[rows, places]
        members[rows, self.labels_[chosen]] = chosen
        return members

    def reconstruct(self, X):
        """Pixels as their best models have them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        pixels : ndarray of shape (n_samples, n_features)
            In the precision of `X`.
        """
        X = self._pixels(X)
        return self._mixtures(self._best(X)).astype(X.dtype, copy=False)

    def optimality_gap(self, X):
        """How far the model of each pixel may be from the best.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        gap : ndarray of shape (n_samples,)
            Bound of the objective above its minimum, in units of `X` squared: zero
            but for rounding unless `max_nodes` was reached.
        """
        return self._best(self._pixels(X)).gap

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
        difference = X - self._mixtures(self._best(X))
        return -float(np.sqrt(np.mean(np.square(difference))))

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of `transform`.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str
            Classes, and "shade" if it is part of the models.
        """
        check_is_fitted(self)
        names = [str(name) for name in self.classes_]
        return np.array([*names, *(["shade"] if self.shade else [])], dtype=object)

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_) + bool(self.shade)

    def _abundances(self, X):
        """Abundances of checked pixels."""
        return self._by_class(self._best(X)).astype(X.dtype, copy=False)

    def _pixels(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=_FLOATS, reset=False)

    def _best(self, X) -> Members:
        E = self.components_.astype(np.float64, copy=False)
        blocks = [X[first : first + _BLOCK] for first in range(0, len(X), _BLOCK)]
        options = self.labels_, self.max_members, self.shade, self.max_nodes
        parts = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(best_members)(block, E, *options) for block in blocks
        )
        found = Members(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        if not found.finished.all():
            first = int(np.argmin(found.finished))
            warnings.warn(
                f"MESMA: {np.count_nonzero(~found.finished)} pixels are not solved "
                f"within max_nodes={self.max_nodes}, the first in row {first} with a "
                f"gap of {found.gap[first]:.2e}; raise max_nodes, or drop spectra "
                "that hardly differ.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return found

    def _by_class(self, best):
        n_classes = len(self.classes_)
        out = np.zeros((len(best.members), n_classes + 1))
        rows, places = np.nonzero(best.members >= 0)
        labels = self.labels_[best.members[rows, places]]
        out[rows, labels] = best.abundances[rows, places]
        out[:, -1] = best.shade
        return out if self.shade else out[:, :-1]

    def _mixtures(self, best):
        E = self.components_.astype(np.float64, copy=False)
        out = np.zeros((len(best.members), E.shape[1]))
        for members, abundances in zip(best.members.T, best.abundances.T, strict=True):
            out += abundances[:, None] * E[members]
        return out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
