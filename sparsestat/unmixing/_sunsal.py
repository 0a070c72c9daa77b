"""Sparse unmixing with a library of spectra."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.unmixing._base import AbundanceEstimator
from sparsestat.unmixing._functions import (
    fcls_gap,
    solve_fcls,
    solve_nnls,
    sunsal_gap,
    warn_constant_penalty,
)
from sparsestat.utils.validation import Boolean, Interval, Jobs, Rule

__all__ = ["SUnSAL"]

# Abundances that count as one percent of a pixel's are penalised ten times as much.
_SOFT = 1e-3


class SUnSAL(AbundanceEstimator):
    r"""Sparse unmixing: non-negative abundances of few spectra of a library.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 + \alpha\, 1^T a
        \quad \text{subject to} \quad a \ge 0

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the penalty, in units of the spectra squared.

    sum_to_one : bool, default=False
        Whether abundances sum to one; `alpha` has no effect then, unless `reweight`
        is positive.

    reweight : int, default=0
        Rounds in which the penalty of each abundance a becomes
        ``alpha / (a + 1e-3)``, which favours few spectra; zero leaves the problem
        convex.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

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
    sunsal : The same as a function.
    sparsestat.linear_model.Lasso : Without the constraint.

    References
    ----------
    Bioucas-Dias and Figueiredo (2010), doi:10.1109/WHISPERS.2010.5594963, for the
    model; Candes, Wakin and Boyd (2008), doi:10.1007/s00041-008-9045-x, for the
    weights.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import SUnSAL
    >>> SUnSAL(alpha=0.2).fit(np.eye(3)).transform([[1.0, 0.3, 0.1]])
    array([[0.8, 0.1, 0. ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "sum_to_one": Boolean,
        "reweight": Interval(0, inf, closed="left", integer=True),
        "n_jobs": Jobs,
    }

    def __init__(self, alpha=1e-3, *, sum_to_one=False, reweight=0, n_jobs=None):
        self.alpha = alpha
        self.sum_to_one = sum_to_one
        self.reweight = reweight
        self.n_jobs = n_jobs

    def _abundances(self, X):
        return self._solution(X)[0]

    def _gap(self, X, abundances):
        """Gap of the last convex problem, whose penalties are those of its rounds."""
        abundances, linear = self._solution(X)
        if self.sum_to_one:
            return fcls_gap(X, self._exact, abundances, linear)
        return sunsal_gap(X, self._exact, abundances, linear)

    def _solution(self, X):
        """Abundances, and the penalties of the last round."""
        if self.sum_to_one and not self.reweight:
            warn_constant_penalty(type(self).__name__, self.alpha)
        solve = solve_fcls if self.sum_to_one else solve_nnls
        linear = np.full((1, len(self.components_)), float(self.alpha))
        abundances = solve(X, self._exact, linear, self.n_jobs)
        for _ in range(self.reweight):
            linear = self.alpha / (abundances.astype(np.float64) + _SOFT)
            abundances = solve(X, self._exact, linear, self.n_jobs, abundances)
        return abundances, linear
