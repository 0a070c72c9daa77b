"""Extractors for scenes without pure pixels: the smallest simplex around them."""

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sparsestat.unmixing._enclosing import enclosing_simplex
from sparsestat.unmixing._extractor import (
    ABUNDANCE,
    N_COMPONENTS,
    EndmemberExtractor,
    affine_coordinates,
)
from sparsestat.unmixing._spa import successive_projections
from sparsestat.unmixing._volume import largest_simplex
from sparsestat.utils.streams import combine, real_dtype
from sparsestat.utils.validation import Interval, Jobs, Rule

__all__ = ["MVSA", "SISAL"]

# Spread of a principal component, relative to the largest, that is rounding.
_FLAT = 1e-10


class SISAL(EndmemberExtractor):
    r"""Simplex identification by split augmented Lagrangian: most pixels are inside.

    .. math:: \min_Q \; -\log |\det Q| + \tau \sum_{nk} \max(0, -q_k^T z_n)
        \quad \text{subject to} \quad 1^T Q = e_1^T

    with pixels z in affine coordinates, whose shares :math:`Q z` in a simplex are
    non-negative inside of it. The simplex is as small as the pixels that it may not
    leave out allow, so that endmembers need not be among the pixels. The problem is not
    convex; it is solved by an interior-point method from the largest simplex among the
    pixels, blown up around all.

    Shade makes dark pixels that are no mixtures and that a simplex has to hold: on
    scenes with much of it, look for endmembers among the pixels.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    tau : float, default=1.0
        What a share below zero costs. The smaller, the more pixels are left outside,
        by noise for example: forces of at most `tau` at each facet add up to
        ``n_components - 1``. From there on none is outside.

    max_iter : int, default=500
        Steps at most.

    tol : float, default=1e-6
        Largest violation of the optimality conditions, `stationarity_`.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

    n_jobs : int, default=None
        Threads of `transform`, as joblib counts them.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Spectra of the endmembers.

    n_components_ : int
        Number of endmembers.

    log_volume_ : float
        Logarithm of the determinant of the endmembers in affine coordinates.

    stationarity_ : float
        Violated optimality condition, in shares of the simplex: zero where the forces
        of the pixels at its facets balance what makes it smaller.

    n_iter_ : int
        Steps.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    MVSA : All pixels are inside.
    NFINDR : The largest simplex of pixels.

    References
    ----------
    Bioucas-Dias (2009), doi:10.1109/WHISPERS.2009.5289072, arXiv:0904.4635, for the
    problem.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import SISAL
    >>> A = np.array([[0.8, 0.2, 0.0], [0.8, 0.0, 0.2], [0.2, 0.8, 0.0],
    ...               [0.0, 0.8, 0.2], [0.2, 0.0, 0.8], [0.0, 0.2, 0.8]])
    >>> found = SISAL(3, tau=5.0).fit(A @ np.eye(3, 8)).components_
    >>> np.abs(found[np.argsort(-found[:, 0])].round(3)[0])
    array([1., 0., 0., 0., 0., 0., 0., 0.])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "tau": Interval(0, inf, closed="neither"),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="left"),
        "abundance": ABUNDANCE,
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        n_components="auto",
        *,
        tau=1.0,
        max_iter=500,
        tol=1e-6,
        abundance="fcls",
        n_jobs=None,
    ):
        self.n_components = n_components
        self.tau = tau
        self.max_iter = max_iter
        self.tol = tol
        self.abundance = abundance
        self.n_jobs = n_jobs

    def _cost(self, n_components: int) -> float:
        return float(self.tau)

    def _extract(self, X, n_components):
        Z = affine_coordinates(X, n_components)
        spread = Z[:, 1:].std(axis=0)
        n_found = 1 + np.count_nonzero(spread > _FLAT * spread.max(initial=0.0))
        if n_found < n_components and self.n_components != "auto":
            raise ValueError(
                f"{type(self).__name__}: n_components must be at most {n_found} for "
                f"pixels that span {n_found - 1} dimensions; got {n_components}."
            )
        # Not to lose digits, coordinates are measured in their spread.
        unit = np.append(1.0, spread[: n_found - 1])
        Z = Z[:, :n_found] / unit
        pixels, _ = largest_simplex(Z, successive_projections(Z, n_found), 20)
        found = enclosing_simplex(
            Z,
            _around(Z, pixels),
            self._cost(n_found),
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if found.stationarity > self.tol:
            warnings.warn(
                f"{type(self).__name__}: stationarity is {found.stationarity:.2e} "
                f"after {found.n_iter} steps, where tol={self.tol:g} was asked for; "
                "raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )
        # Spectra are affine in the coordinates, which are uncorrelated.
        axes = np.linalg.lstsq(Z.T @ Z, combine(Z, X))[0]
        self.components_ = (found.corners @ axes).astype(real_dtype(X.dtype))
        self.log_volume_ = float(np.linalg.slogdet(found.corners * unit)[1])
        self.stationarity_ = found.stationarity
        self.n_iter_ = found.n_iter


class MVSA(SISAL):
    r"""Minimum volume simplex analysis: all pixels are inside.

    .. math:: \min_Q \; -\log |\det Q| \quad \text{subject to} \quad
        Q z_n \ge 0,\ 1^T Q = e_1^T

    with pixels z in affine coordinates. Exact without noise, even if no pixel is pure;
    one outlier moves a facet, which :class:`SISAL` prevents, of which this is the case
    ``tau=n_components``.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    max_iter : int, default=500
        Steps at most.

    tol : float, default=1e-6
        Largest violation of the optimality conditions, `stationarity_`.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

    n_jobs : int, default=None
        Threads of `transform`, as joblib counts them.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Spectra of the endmembers.

    n_components_ : int
        Number of endmembers.

    log_volume_ : float
        Logarithm of the determinant of the endmembers in affine coordinates.

    stationarity_ : float
        Violated optimality condition, in shares of the simplex.

    n_iter_ : int
        Steps.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    SISAL : Some pixels may be outside.
    MinVolumeNMF : With a volume that is paid for, and noise.

    References
    ----------
    Li and Bioucas-Dias (2008), doi:10.1109/IGARSS.2008.4779330, for the problem.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import MVSA
    >>> A = np.random.default_rng(0).dirichlet(np.ones(3), 500)
    >>> A = A[A.max(axis=1) < 0.8]
    >>> found = MVSA(3).fit(A @ np.eye(3, 8)).components_
    >>> bool(np.abs(np.sort(found, axis=0)[-1, :3] - 1.0).max() < 0.02)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        name: rule for name, rule in SISAL._rules.items() if name != "tau"
    }

    def __init__(
        self,
        n_components="auto",
        *,
        max_iter=500,
        tol=1e-6,
        abundance="fcls",
        n_jobs=None,
    ):
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.abundance = abundance
        self.n_jobs = n_jobs

    def _cost(self, n_components):
        return float(n_components)


def _around(Z: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The simplex of some pixels, blown up about its centre until all are inside."""
    corners = Z[indices]
    shares = np.linalg.solve(corners.T, Z.T)
    factor = 1.0 - len(corners) * shares.min()
    centre = corners.mean(axis=0)
    return centre + factor * (corners - centre)
