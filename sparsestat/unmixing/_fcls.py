"""Abundances on the simplex."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.unmixing._base import AbundanceEstimator
from sparsestat.unmixing._correntropy import solve_correntropy
from sparsestat.unmixing._functions import fcls_gap, solve_fcls
from sparsestat.utils.validation import Interval, Jobs, OneOf, Rule

__all__ = ["FCLS"]


class FCLS(AbundanceEstimator):
    r"""Fully constrained least squares: abundances on the simplex.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2
        \quad \text{subject to} \quad a \ge 0,\ 1^T a = 1

    Each pixel is solved exactly; :meth:`dual_gap` certifies it.

    With ``loss="correntropy"``, for scenes with corrupted bands, it maximises

    .. math:: \sum_l \exp\left( -\frac{r_l^2}{2 \sigma^2} \right), \qquad
        \sigma^2 = \theta\, \frac 1 L \sum_l r_l^2,

    r the residuals of the L bands, and sigma frozen after ten rounds. A band whose
    residual is large has a small weight, ``exp(-r_l ** 2 / (2 * sigma ** 2))``. This is
    not convex: :meth:`dual_gap` is the gap of Frank and Wolfe then, which is zero at
    stationary points.

    Parameters
    ----------
    loss : {"frobenius", "correntropy"}, default="frobenius"
        Least squares, or what ignores bands that do not fit.

    weights : {"band", "pixel"}, default="band"
        Whether correntropy takes the residual of a band over all pixels that are
        transformed together, so that bands are bad for all of them, or each pixel for
        itself. A matrix of products for each pixel makes the latter slow for many
        endmembers.

    theta : float, default=1.0
        Width of the kernel of correntropy: sigma squared over the mean square of
        residuals.

    transform_max_iter : int, default=500
        Rounds of weights at most; more than ten are needed.

    tol : float, default=1e-6
        Largest gap of a pixel for correntropy, relative to half its squared norm or
        that of the largest endmember. float32 data: at least 1e-5.

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
    Heinz and Chang (2001), doi:10.1109/36.911111; Zhu, Halimi, Honeine, Chen and Zheng
    (2017), doi:10.1109/TGRS.2017.2696262, arXiv:1602.01729, for correntropy.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import FCLS
    >>> FCLS().fit(np.eye(3)).transform([[1.2, 0.3, -0.5]])
    array([[0.95, 0.05, 0.  ]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "loss": OneOf("frobenius", "correntropy"),
        "weights": OneOf("band", "pixel"),
        "theta": Interval(0, inf, closed="neither"),
        "transform_max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="left"),
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        *,
        loss="frobenius",
        weights="band",
        theta=1.0,
        transform_max_iter=500,
        tol=1e-6,
        n_jobs=None,
    ):
        self.loss = loss
        self.weights = weights
        self.theta = theta
        self.transform_max_iter = transform_max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def band_weights(self, X):
        """Weights of the bands: near zero where a band does not fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        weights : ndarray of shape (n_features,) or (n_samples, n_features)
            Between zero and one, of all pixels or, for ``weights="pixel"``, of each;
            ones for ``loss="frobenius"``.
        """
        X = self._pixels(X)
        if self.loss == "frobenius":
            return np.ones(X.shape if self.weights == "pixel" else X.shape[1])
        return self._correntropy(X).weights

    @property
    def _by_pixel(self):
        return self.loss == "frobenius" or self.weights == "pixel"

    def _abundances(self, X):
        if self.loss == "frobenius":
            return solve_fcls(X, self._exact, n_jobs=self.n_jobs)
        return self._correntropy(X).abundances

    def _gap(self, X, abundances):
        if self.loss == "frobenius":
            return fcls_gap(X, self._exact, abundances)
        return self._correntropy(X).gap

    def _correntropy(self, X):
        E = self._exact
        return solve_correntropy(
            X,
            E,
            solve_fcls(X, E, n_jobs=self.n_jobs),
            by_pixel=self.weights == "pixel",
            theta=self.theta,
            max_iter=self.transform_max_iter,
            tol=self.tol,
            n_jobs=self.n_jobs,
        )
