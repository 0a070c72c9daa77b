"""Abundances on the simplex."""

from typing import ClassVar

from sparsestat.unmixing._base import AbundanceEstimator
from sparsestat.unmixing._functions import fcls_gap, solve_fcls
from sparsestat.utils.validation import Jobs, Rule

__all__ = ["FCLS"]


class FCLS(AbundanceEstimator):
    r"""Fully constrained least squares: abundances on the simplex.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2
        \quad \text{subject to} \quad a \ge 0,\ 1^T a = 1

    Each pixel is solved exactly; :meth:`dual_gap` certifies it.

    Parameters
    ----------
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
    fcls : The same as a function.
    NNLS : Without the sum, for scenes whose illumination varies.

    References
    ----------
    Heinz and Chang (2001), doi:10.1109/36.911111.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import FCLS
    >>> FCLS().fit(np.eye(3)).transform([[1.2, 0.3, -0.5]])
    array([[0.95, 0.05, 0.  ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {"n_jobs": Jobs}

    def __init__(self, *, n_jobs=None):
        self.n_jobs = n_jobs

    def _abundances(self, X):
        return solve_fcls(X, self._exact, n_jobs=self.n_jobs)

    def _gap(self, X, abundances):
        return fcls_gap(X, self._exact, abundances)
