"""Collaborative sparse unmixing: few spectra of a library for a whole scene."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.optim.collaborative import Collaborative, collaborative
from sparsestat.unmixing._base import JointAbundanceEstimator
from sparsestat.unmixing._functions import nnls_gap, solve_nnls
from sparsestat.utils.validation import Interval, Jobs, Rule

__all__ = ["CLSUnSAL"]


class CLSUnSAL(JointAbundanceEstimator):
    r"""Collaborative sparse unmixing: the same few spectra in all pixels.

    .. math:: \min_A \tfrac12 \|X - A E\|_F^2 + \alpha \sum_k \|A_k\|_2
        \quad \text{subject to} \quad A \ge 0

    with a column :math:`A_k` for each spectrum of the library, so that a spectrum is in
    the scene or in none of its pixels. The pixels that are transformed together are the
    scene.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, in units of the spectra squared. The norms grow with
        the root of the number of pixels, so alpha has to as well.

    transform_max_iter : int, default=100
        Working sets of spectra at most.

    tol : float, default=1e-6
        Largest duality gap, relative to half the squared norm of the pixels.
        float32 data: at least 1e-5.

    n_jobs : int, default=None
        Threads for ``alpha=0``, as joblib counts them; the bits do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Library E, as given to `fit`.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the spectra had names.

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
    >>> CLSUnSAL(alpha=0.2).fit(np.eye(3)).transform(X).round(2)
    array([[0.84, 0.  , 0.  ],
           [0.68, 0.  , 0.  ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "transform_max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="left"),
        "n_jobs": Jobs,
    }

    def __init__(self, alpha=0.1, *, transform_max_iter=100, tol=1e-6, n_jobs=None):
        self.alpha = alpha
        self.transform_max_iter = transform_max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def _solution(self, X):
        E = self._exact
        if self.alpha == 0.0:
            abundances = solve_nnls(X, E, n_jobs=self.n_jobs)
            return abundances, float(nnls_gap(X, E, abundances).sum())
        products = np.ascontiguousarray((X.astype(np.float64, copy=False) @ E.T).T)
        norm2 = float(np.einsum("nl,nl->", X, X, dtype=np.float64))
        found: Collaborative = collaborative(
            E @ E.T,
            products,
            norm2,
            float(self.alpha),
            tol=self._tol(X),
            max_iter=self.transform_max_iter,
        )
        self._check_gap(X, norm2, found.gap, f"{found.n_iter} working sets")
        return np.ascontiguousarray(found.coef.T), found.gap
