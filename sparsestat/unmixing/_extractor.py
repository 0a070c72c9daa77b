"""What the extractors of endmembers share."""

from math import inf
from typing import ClassVar

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.validation import check_is_fitted

from sparsestat.unmixing._base import Unmixer
from sparsestat.unmixing._functions import (
    fcls_gap,
    least_squares_gap,
    nnls_gap,
    solve_fcls,
    solve_nnls,
    solve_ucls,
)
from sparsestat.unmixing._subspace import signal_subspace
from sparsestat.utils.streams import (
    check_rows,
    combine,
    exact_blocks,
    moments,
    project,
    real_dtype,
)
from sparsestat.utils.validation import Interval, Jobs, OneOf, Rule, check_parameters

__all__ = [
    "ABUNDANCE",
    "N_COMPONENTS",
    "EndmemberExtractor",
    "PurePixelExtractor",
    "affine_coordinates",
    "leading_eigenvectors",
    "log_volume",
    "number_of_endmembers",
]

N_COMPONENTS: Rule = OneOf("auto") | Interval(1, inf, closed="left", integer=True)
ABUNDANCE: Rule = OneOf("fcls", "nnls", "ucls")


class EndmemberExtractor(Unmixer):
    """Base of the transformers that find endmembers among or around the pixels."""

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "abundance": ABUNDANCE,
        "n_jobs": Jobs,
    }

    def fit(self, X, y=None):
        """Find the endmembers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, a spectrum in each row. They may be a memory map: of what is
            not in double precision a block at a time is converted.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, parameters outside their range, and more
            endmembers than pixels or bands can tell apart.
        """
        check_parameters(self, self._rules)
        X = check_rows(X, self)
        n_components = self._number(X)
        self._extract(X, n_components)
        self.n_components_ = len(self.components_)
        self._span = _averaged(X, self._exact)
        return self

    def score(self, X, y=None):
        """Minus the error of bands that are held out; higher is better.

        Every other band is predicted from the rest, by least squares in the space of
        the endmembers, whose own noise the pixels of the fit have averaged out. It
        tells how many endmembers there are, since too many predict no better, even
        where a material has no pure pixel and each more corner brings constrained
        abundances closer to the pixels. Which simplex the endmembers make in their
        space it does not see.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Root mean square over pixels and bands, in units of `X`.
        """
        check_is_fitted(self)
        X = check_rows(X, self, reset=False)
        total, odd = 0.0, np.arange(X.shape[1]) % 2 == 1
        for seen in (odd, ~odd):
            predict = np.linalg.pinv(self._span[:, seen]) @ self._span[:, ~seen]
            for _, block in exact_blocks(X):
                difference = block[:, ~seen] - block[:, seen] @ predict
                total += np.square(difference).sum()
        return -float(np.sqrt(total / X.size))

    def _extract(self, X: np.ndarray, n_components: int) -> None:
        """Set `components_` and what else the method finds."""
        raise TypeError(f"{type(self).__name__} extracts nothing.")

    def _number(self, X: np.ndarray) -> int:
        most = self._most(X.shape[1])
        return number_of_endmembers(type(self).__name__, self.n_components, X, most)

    def _most(self, n_features: int) -> int:
        """Endmembers that as many bands can tell apart: corners of a simplex."""
        return n_features + 1

    def _abundances(self, X):
        if self.abundance == "fcls":
            return solve_fcls(X, self._exact, n_jobs=self.n_jobs)
        if self.abundance == "nnls":
            return solve_nnls(X, self._exact, n_jobs=self.n_jobs)
        return solve_ucls(X, self._exact)

    def _gap(self, X, abundances):
        if self.abundance == "fcls":
            return fcls_gap(X, self._exact, abundances)
        if self.abundance == "nnls":
            return nnls_gap(X, self._exact, abundances)
        return least_squares_gap(X, self._exact, abundances)


class PurePixelExtractor(EndmemberExtractor):
    """Base of the extractors whose endmembers are pixels."""

    def _extract(self, X, n_components):
        self.indices_, volume = self._pixels_of(X, n_components)
        self.components_ = X[self.indices_].astype(real_dtype(X.dtype))
        if volume is None:
            corners = affine_coordinates(X, len(self.indices_))[self.indices_]
            volume = log_volume(corners)
        self.log_volume_ = volume

    def _pixels_of(self, X, n_components) -> tuple[np.ndarray, float | None]:
        """Rows of the endmembers, and the volume if known; may set `n_iter_`."""
        raise TypeError(f"{type(self).__name__} finds no pixels.")


def _averaged(X: np.ndarray, E: np.ndarray) -> np.ndarray:
    """Endmembers whose noise the pixels average out: one step of alternation."""
    A = project(X, np.linalg.pinv(E))
    return np.linalg.pinv(A.T @ A, hermitian=True) @ combine(A, X)


def number_of_endmembers(name: str, wanted: int | str, X: np.ndarray, most: int) -> int:
    """How many endmembers, at least one; `most` is what the bands can tell apart."""
    n_samples, n_features = X.shape
    if wanted == "auto":
        found = signal_subspace(X).shape[1]
        return max(1, min(found, n_samples - 1, n_features))
    most = min(n_samples, most)
    if wanted > most:
        raise ValueError(
            f"{name}: n_components must be at most {most} for {n_samples} pixels of "
            f"{n_features} bands; got {wanted}."
        )
    return wanted


def affine_coordinates(
    X: np.ndarray,
    n_components: int,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Ones, then the leading principal components: (n_samples, n_components).

    In these coordinates the determinant of as many pixels is their simplex' volume
    times a constant. `known` are the `moments` of X, if known.
    """
    n_samples, n_features = X.shape
    k = min(n_components - 1, n_features, n_samples)
    Z = np.zeros((n_samples, n_components))
    Z[:, 0] = 1.0
    if k == 0:
        return Z
    if n_samples < n_features:
        exact = X.astype(np.float64, copy=False)
        centred = exact - exact.mean(axis=0)
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        Z[:, 1 : k + 1] = left[:, :k] * singular[:k]
        return Z
    products, centre = moments(X) if known is None else known
    basis = leading_eigenvectors(products - n_samples * np.outer(centre, centre), k)
    Z[:, 1 : k + 1] = project(X, basis)
    Z[:, 1 : k + 1] -= centre @ basis
    return Z


def leading_eigenvectors(lower: np.ndarray, k: int) -> np.ndarray:
    """The k leading eigenvectors of a matrix whose lower triangle is given."""
    p = len(lower)
    return eigh(lower, lower=True, subset_by_index=[p - k, p - 1])[1][:, ::-1]


def log_volume(corners: np.ndarray) -> float:
    """Logarithm of the determinant of corners in affine coordinates; -inf if flat."""
    return float(np.linalg.slogdet(corners)[1])
