"""Collaborative sparse unmixing: few spectra of a library for a whole scene."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.optim.collaborative import Collaborative, collaborative
from sparsestat.unmixing._base import Unmixer
from sparsestat.unmixing._functions import nnls_gap, solve_nnls
from sparsestat.unmixing._scene import ENDMEMBERS, SceneEstimator, SceneSolution
from sparsestat.utils.validation import Interval, Jobs, Rule

__all__ = ["CLSUnSAL"]


class CLSUnSAL(SceneEstimator, Unmixer):
    r"""Collaborative sparse unmixing: the same few spectra in all pixels.

    .. math:: \min_A \tfrac12 \|X - A E\|_F^2 + \alpha \sum_k \|A_k\|_2
        \quad \text{subject to} \quad A \ge 0

    with a column :math:`A_k` for each spectrum of the library, so that a spectrum is in
    the scene or in none of its pixels. `fit` solves the scene. `transform` gives more
    pixels abundances of the spectra that are in it:

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2
        + \tfrac{\alpha}{2} \sum_k a_k^2 / \|A_k\|_2
        \quad \text{subject to} \quad a \ge 0

    whose solution for a pixel of the scene is that of the scene.

    Parameters
    ----------
    endmembers : array-like of shape (n_components, n_features), default=None
        Library E, a spectrum in each row; None for the endmembers that
        :class:`NFINDR` finds in the scene.

    alpha : float, default=0.1
        Strength of the penalty, in units of the spectra squared. The norms grow with
        the root of the number of pixels, so alpha has to as well.

    max_iter : int, default=100
        Working sets of spectra at most.

    tol : float, default=1e-6
        Largest duality gap, relative to half the squared norm of the pixels.
        float32 data: at least 1e-5.

    n_jobs : int, default=None
        Threads of what is solved for each pixel, as joblib counts them; the bits do not
        depend on it.

    Attributes
    ----------
    abundances_ : ndarray of shape (n_samples, n_components)
        Abundances A of the scene.

    components_ : ndarray of shape (n_components, n_features)
        Library E.

    norms_ : ndarray of shape (n_components,)
        Norm of the abundances of each spectrum; zero for those that are not in the
        scene.

    dual_gap_ : float
        Bound of the objective above its minimum, in units of `X` squared.

    n_iter_ : int
        Working sets.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    SUnSAL : Few spectra in each pixel.
    SUnSALTV : With abundances that hardly differ between neighbours.
    sparsestat.linear_model.MultiTaskLasso : Without the constraint.

    References
    ----------
    Iordache, Bioucas-Dias and Plaza (2014), doi:10.1109/TGRS.2013.2240001, for the
    model; solved by working sets here, with safe screening.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import CLSUnSAL
    >>> X = [[1.0, 0.1, 0.0], [0.8, 0.0, 0.1]]
    >>> model = CLSUnSAL(np.eye(3), alpha=0.2, tol=1e-9).fit(X)
    >>> model.abundances_.round(2)
    array([[0.84, 0.  , 0.  ],
           [0.68, 0.  , 0.  ]])
    >>> model.transform([[0.9, 0.3, 0.1]]).round(2)
    array([[0.76, 0.  , 0.  ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "endmembers": ENDMEMBERS,
        "alpha": Interval(0, inf, closed="left"),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="left"),
        "n_jobs": Jobs,
    }

    def __init__(
        self, endmembers=None, *, alpha=0.1, max_iter=100, tol=1e-6, n_jobs=None
    ):
        self.endmembers = endmembers
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

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
        super().fit(X)
        self.norms_ = np.linalg.norm(self.abundances_.astype(np.float64), axis=0)
        self._alpha = float(self.alpha)
        return self

    def _solve(self, X, E, norm2, tol):
        if self.alpha == 0.0:
            abundances = solve_nnls(X, E, n_jobs=self.n_jobs)
            return SceneSolution(abundances, float(nnls_gap(X, E, abundances).sum()), 1)
        products = np.ascontiguousarray((X.astype(np.float64, copy=False) @ E.T).T)
        found: Collaborative = collaborative(
            E @ E.T, products, norm2, float(self.alpha), tol=tol, max_iter=self.max_iter
        )
        return SceneSolution(
            np.ascontiguousarray(found.coef.T), found.gap, found.n_iter
        )

    def _present(self):
        """Spectra that are in the scene, with a band for the penalty of each."""
        if self._alpha == 0.0:
            return np.arange(len(self.components_)), self._exact, 0
        present = np.flatnonzero(self.norms_)
        penalties = np.diag(np.sqrt(self._alpha / self.norms_[present]))
        return present, np.hstack([self._exact[present], penalties]), len(present)

    def _abundances(self, X):
        present, E, more = self._present()
        abundances = np.zeros((len(X), len(self.components_)), dtype=X.dtype)
        if len(present):
            X = np.hstack([X, np.zeros((len(X), more), dtype=X.dtype)])
            abundances[:, present] = solve_nnls(X, E, n_jobs=self.n_jobs)
        return abundances

    def _gap(self, X, abundances):
        present, E, more = self._present()
        if not len(present):
            return np.zeros(len(X))
        X = np.hstack([X, np.zeros((len(X), more), dtype=X.dtype)])
        return nnls_gap(X, E, np.ascontiguousarray(abundances[:, present]))
