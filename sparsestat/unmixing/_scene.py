"""What the estimators share that solve the pixels of a scene together."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, validate_data

from sparsestat.unmixing._base import Mixer
from sparsestat.unmixing._volume import NFINDR
from sparsestat.utils.validation import ArrayLike, Rule, check_parameters

__all__ = ["ENDMEMBERS", "SceneEstimator", "SceneSolution"]

_FLOATS = [np.float64, np.float32]
ENDMEMBERS: Rule = ArrayLike | None


class SceneSolution(NamedTuple):
    """What the pixels of a scene are made of.

    Parameters
    ----------
    abundances : ndarray of shape (n_samples, n_components)
        Abundances.
    gap : float
        Duality gap.
    n_iter : int
        Iterations.
    """

    abundances: np.ndarray
    gap: float
    n_iter: int


class SceneEstimator(Mixer):
    """Base of the estimators whose abundances depend on all pixels at once.

    They are found by `fit`, as a model of the scene: spectra are a parameter.
    """

    def fit(self, X, y=None):
        """Find the abundances of a scene.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            All pixels of the scene, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, parameters outside their range, and spectra
            without the bands of the pixels.

        Warns
        -----
        ConvergenceWarning
            If `tol` is missed.
        """
        check_parameters(self, self._rules)
        X = validate_data(self, X, dtype=_FLOATS)
        components = self._spectra(X)
        norm2 = float(np.einsum("nl,nl->", X, X, dtype=np.float64))
        tol = self.tol if X.dtype == np.float64 else max(self.tol, 1e-5)
        E = components.astype(np.float64, copy=False)
        found = self._solve(X, E, norm2, tol)
        self.components_ = components
        self.abundances_ = found.abundances.astype(X.dtype, copy=False)
        self.dual_gap_, self.n_iter_ = found.gap, found.n_iter
        asked = 0.5 * tol * norm2
        if self.dual_gap_ > asked:
            warnings.warn(
                f"{type(self).__name__}: dual_gap_ is {self.dual_gap_:.2e} after "
                f"{self.n_iter_} iterations, where tol={tol:g} asks for "
                f"{asked:.2e}; raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def fit_transform(self, X, y=None):
        """Find the abundances of a scene, and return them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            All pixels of the scene, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        abundances : ndarray of shape (n_samples, n_components)
            The same as `abundances_`.
        """
        return self.fit(X).abundances_

    def _solve(self, X, E, norm2, tol) -> SceneSolution:
        """Abundances, gap and iterations of checked pixels, in double precision."""
        raise TypeError(f"{type(self).__name__} solves nothing.")

    def _spectra(self, X) -> np.ndarray:
        if self.endmembers is None:
            return NFINDR(n_jobs=self.n_jobs).fit(X).components_
        name = type(self).__name__
        E = check_array(self.endmembers, dtype=_FLOATS, input_name="endmembers")
        if E.shape[1] != X.shape[1]:
            raise ValueError(
                f"{name}: endmembers must have the {X.shape[1]} bands of X; got shape "
                f"{E.shape}."
            )
        return E.copy()
