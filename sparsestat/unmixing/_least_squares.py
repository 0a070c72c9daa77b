"""Abundances by least squares, with and without constraints."""

from typing import ClassVar

import numpy as np

from sparsestat.unmixing._base import AbundanceEstimator
from sparsestat.unmixing._functions import (
    least_squares_gap,
    nnls_gap,
    solve_nnls,
    solve_ucls,
)
from sparsestat.utils.validation import Boolean, Jobs, Rule

__all__ = ["NNLS", "UCLS", "SumToOneLS"]


class UCLS(AbundanceEstimator):
    r"""Unconstrained least squares.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2

    The solution of least norm where endmembers depend on each other.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E, as given to `fit`.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the spectra had names.

    See Also
    --------
    FCLS : With abundances on the simplex.
    numpy.linalg.lstsq : The same computation.

    References
    ----------
    Keshava and Mustard (2002), doi:10.1109/79.974727.

    Examples
    --------
    >>> from sparsestat.unmixing import UCLS
    >>> UCLS().fit([[1.0, 0.0], [1.0, 1.0]]).transform([[1.0, -0.5]])
    array([[ 1.5, -0.5]])
    """

    _rules: ClassVar[dict[str, Rule]] = {}

    def _abundances(self, X):
        return solve_ucls(X, self._exact)

    def _gap(self, X, abundances):
        return least_squares_gap(X, self._exact, abundances)


class SumToOneLS(AbundanceEstimator):
    r"""Least squares under abundances that sum to one.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 \quad \text{subject to} \quad 1^T a = 1

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E, as given to `fit`.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the spectra had names.

    See Also
    --------
    FCLS : With non-negative abundances.

    References
    ----------
    Keshava and Mustard (2002), doi:10.1109/79.974727.

    Examples
    --------
    >>> from sparsestat.unmixing import SumToOneLS
    >>> SumToOneLS().fit([[1.0, 0.0], [0.0, 1.0]]).transform([[1.0, 0.5]])
    array([[0.75, 0.25]])
    """

    _rules: ClassVar[dict[str, Rule]] = {}

    def _abundances(self, X):
        last = self._exact[-1]
        solution = (X - last.astype(X.dtype)) @ np.linalg.pinv(self._exact[:-1] - last)
        rest = 1.0 - solution.sum(axis=1, keepdims=True)
        return np.hstack([solution, rest]).astype(X.dtype)

    def _gap(self, X, abundances):
        E = self._exact
        return least_squares_gap(X, E, abundances, E[:-1] - E[-1])


class NNLS(AbundanceEstimator):
    r"""Non-negative least squares.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 \quad \text{subject to} \quad a \ge 0

    Parameters
    ----------
    normalize : bool, default=False
        Divide abundances by their sum, which takes out the illumination of a pixel; a
        pixel without any keeps its zeros.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E, as given to `fit`.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the spectra had names.

    See Also
    --------
    nnls : The same as a function.
    scipy.optimize.nnls : One pixel at a time.

    References
    ----------
    Lawson and Hanson (1974), Solving Least Squares Problems.

    Examples
    --------
    >>> from sparsestat.unmixing import NNLS
    >>> NNLS().fit([[1.0, 0.0], [1.0, 1.0]]).transform([[1.0, -0.5]])
    array([[1., 0.]])
    """

    _rules: ClassVar[dict[str, Rule]] = {"normalize": Boolean, "n_jobs": Jobs}

    def __init__(self, *, normalize=False, n_jobs=None):
        self.normalize = normalize
        self.n_jobs = n_jobs

    def _abundances(self, X):
        abundances = solve_nnls(X, self._exact, n_jobs=self.n_jobs)
        return shares(abundances) if self.normalize else abundances

    def _gap(self, X, abundances):
        if self.normalize:
            abundances = solve_nnls(X, self._exact, n_jobs=self.n_jobs)
        return nnls_gap(X, self._exact, abundances)


def shares(abundances: np.ndarray) -> np.ndarray:
    """Abundances over their sum, zeros where they are all zero."""
    total = abundances.sum(axis=1, keepdims=True)
    return abundances / np.where(total > 0.0, total, 1.0)
