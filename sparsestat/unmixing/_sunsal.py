"""Sparse unmixing with a library of spectra."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.unmixing._base import AbundanceEstimator
from sparsestat.unmixing._functions import (
    fcls_gap,
    lasso_gap,
    least_squares_gap,
    solve_fcls,
    solve_lasso,
    solve_nnls,
    solve_ucls,
    sunsal_gap,
    warn_constant_penalty,
)
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Jobs,
    Rule,
    check_parameters,
)

__all__ = ["SUnSAL"]

# Abundances that count as one percent of a pixel's are penalised ten times as much.
_SOFT = 1e-3


class SUnSAL(AbundanceEstimator):
    r"""Sparse unmixing: non-negative abundances of few spectra of a library.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 + \alpha\, 1^T a
        \quad \text{subject to} \quad a \ge 0

    Each pixel is solved exactly; :meth:`dual_gap` certifies it.

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the penalty, in units of the spectra squared.

    positive : bool, default=True
        Whether abundances are non-negative. Without, the penalty is that of their
        absolute values: the Lasso of each pixel on the library.

    sum_to_one : bool, default=False
        Whether abundances sum to one; `alpha` has no effect then, unless `reweight`
        is positive.

    reweight : int, default=0
        Rounds in which the penalty of each abundance a becomes
        ``alpha / (|a| + 1e-3)``, which favours few spectra; zero leaves the problem
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
    CLSUnSAL : Few spectra for all pixels together.
    SUnSALTV : With abundances that hardly differ between neighbours.
    sparsestat.linear_model.Lasso : One pixel at a time, with an intercept.

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
        "positive": Boolean,
        "sum_to_one": Boolean,
        "reweight": Interval(0, inf, closed="left", integer=True),
        "n_jobs": Jobs,
    }

    def __init__(
        self, alpha=1e-3, *, positive=True, sum_to_one=False, reweight=0, n_jobs=None
    ):
        self.alpha = alpha
        self.positive = positive
        self.sum_to_one = sum_to_one
        self.reweight = reweight
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Keep the library.

        Parameters
        ----------
        X : array-like of shape (n_components, n_features)
            Library, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For spectra that are not finite, parameters outside their range, and a sum
            of one without non-negative abundances.
        """
        check_parameters(self, self._rules)
        if self.sum_to_one and not self.positive:
            raise ValueError(
                "SUnSAL: sum_to_one=True needs positive=True; got positive=False. "
                "SumToOneLS fixes the sum of abundances of any sign."
            )
        return super().fit(X, y)

    def _abundances(self, X):
        return self._solution(X)[0]

    def _gap(self, X, abundances):
        """Gap of the last convex problem, whose penalties are those of its rounds."""
        abundances, linear = self._solution(X)
        if self.sum_to_one:
            return fcls_gap(X, self._exact, abundances, linear)
        if self.positive:
            return sunsal_gap(X, self._exact, abundances, linear)
        if self.alpha == 0.0:
            return least_squares_gap(X, self._exact, abundances)
        return lasso_gap(X, self._exact, abundances, linear)

    def _solution(self, X):
        """Abundances, and the penalties of the last round."""
        if self.sum_to_one and not self.reweight:
            warn_constant_penalty(type(self).__name__, self.alpha)
        linear = np.full((1, len(self.components_)), float(self.alpha))
        if self.alpha == 0.0 and not self.positive:
            return solve_ucls(X, self._exact), linear
        solve = solve_fcls if self.sum_to_one else solve_nnls
        solve = solve if self.positive else solve_lasso
        abundances = solve(X, self._exact, linear, self.n_jobs)
        for _ in range(self.reweight):
            linear = self.alpha / (np.abs(abundances.astype(np.float64)) + _SOFT)
            abundances = solve(X, self._exact, linear, self.n_jobs, abundances)
        return abundances, linear
