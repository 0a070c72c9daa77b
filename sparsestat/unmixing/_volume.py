"""Extractors that look for the simplex of largest volume among the pixels."""

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from sparsestat.unmixing._extractor import (
    ABUNDANCE,
    N_COMPONENTS,
    PurePixelExtractor,
    affine_coordinates,
    log_volume,
)
from sparsestat.unmixing._spa import successive_projections
from sparsestat.unmixing._vca import directions_of_vca
from sparsestat.utils.streams import combine, real_dtype
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Jobs,
    OneOf,
    RandomState,
    Rule,
)

__all__ = ["AVMAX", "NFINDR", "largest_simplex"]

# A swap has to gain this much, so that rounding cannot let two pixels swap forever.
_GAIN = 1e-12


class NFINDR(PurePixelExtractor):
    """N-FINDR: the pixels that span the simplex of largest volume.

    One corner after the other is replaced by the pixel that enlarges the volume most,
    until none does. The determinant is linear in a corner, so that one product with
    its cofactors tells the volume for every pixel.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    init : {"spa", "vca", "random"}, default="spa"
        Corners to start with.

    n_init : int, default=1
        Starts, of which the largest volume is kept; one for ``init="spa"``, which is
        the same each time.

    max_iter : int, default=20
        Largest number of rounds over all corners; usually two or three are enough.

    denoise : bool, default=False
        Whether endmembers are the pixels projected onto the affine subspace of the
        leading principal components, or the pixels themselves, with their noise.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

    random_state : int, RandomState instance or None, default=None
        Seed of the starts.

    n_jobs : int, default=None
        Threads of `transform`, as joblib counts them.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Spectra of the endmembers.

    indices_ : ndarray of shape (n_components,)
        Rows of the pixels that they are.

    n_components_ : int
        Number of endmembers.

    log_volume_ : float
        Logarithm of the determinant of the endmembers in affine coordinates.

    n_iter_ : int
        Rounds of the best start.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    VCA : By random directions.

    References
    ----------
    Winter (1999), doi:10.1117/12.366289.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import NFINDR
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> sorted(NFINDR(3).fit(A @ np.eye(3, 8)).indices_.tolist())
    [1, 2, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "init": OneOf("spa", "vca", "random"),
        "n_init": Interval(1, inf, closed="left", integer=True),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "denoise": Boolean,
        "abundance": ABUNDANCE,
        "random_state": RandomState,
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        n_components="auto",
        *,
        init="spa",
        n_init=1,
        max_iter=20,
        denoise=False,
        abundance="fcls",
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.denoise = denoise
        self.abundance = abundance
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _extract(self, X, n_components):
        super()._extract(X, n_components)
        if self.denoise:
            Z = affine_coordinates(X, n_components)
            # The coordinates are uncorrelated: regression on them is projection.
            spectra = np.linalg.lstsq(Z.T @ Z, combine(Z, X))[0]
            self.components_ = Z[self.indices_] @ spectra
            self.components_ = self.components_.astype(real_dtype(X.dtype))

    def _pixels_of(self, X, n_components):
        starts = [self.init] * (1 if self.init == "spa" else self.n_init)
        rng = check_random_state(self.random_state)
        best, volume, self.n_iter_ = _best_simplex(
            X, n_components, starts, self.max_iter, rng
        )
        return best, volume


class AVMAX(PurePixelExtractor):
    r"""Alternating volume maximisation over the convex hull of the pixels.

    .. math:: \max_{z_k \in \operatorname{conv} Z} \; |c_k^T z_k| - r \|c_k\|

    for one corner after the other, c its cofactors. The maximum over the hull is at a
    pixel. With `robust` a corner is pulled towards the others by the radius r of the
    noise, as in the worst case.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    robust : float, default=0.0
        Radius r of the noise, in units of the pixels: endmembers are moved inwards by
        it.

    n_init : int, default=5
        Random starts besides that of :class:`SPA`, of which the largest volume is
        kept.

    max_iter : int, default=20
        Largest number of rounds over all corners.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

    random_state : int, RandomState instance or None, default=None
        Seed of the starts.

    n_jobs : int, default=None
        Threads of `transform`, as joblib counts them.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Spectra of the endmembers.

    indices_ : ndarray of shape (n_components,)
        Rows of the pixels that they are, or are moved from.

    n_components_ : int
        Number of endmembers.

    log_volume_ : float
        Logarithm of the determinant of these pixels in affine coordinates.

    n_iter_ : int
        Rounds of the best start.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    NFINDR : The same search from one start.

    References
    ----------
    Ambikapathi, Chan, Ma and Chi (2011), doi:10.1109/TGRS.2011.2151197.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import AVMAX
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> sorted(AVMAX(3).fit(A @ np.eye(3, 8)).indices_.tolist())
    [1, 2, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "robust": Interval(0, inf, closed="left"),
        "n_init": Interval(0, inf, closed="left", integer=True),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "abundance": ABUNDANCE,
        "random_state": RandomState,
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        n_components="auto",
        *,
        robust=0.0,
        n_init=5,
        max_iter=20,
        abundance="fcls",
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.robust = robust
        self.n_init = n_init
        self.max_iter = max_iter
        self.abundance = abundance
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _extract(self, X, n_components):
        super()._extract(X, n_components)
        if self.robust > 0.0 and n_components > 1:
            self.components_ = _pulled_inwards(
                self.components_.astype(np.float64), self.robust
            ).astype(real_dtype(X.dtype))

    def _pixels_of(self, X, n_components):
        starts = ["spa"] + ["random"] * self.n_init
        rng = check_random_state(self.random_state)
        best, volume, self.n_iter_ = _best_simplex(
            X, n_components, starts, self.max_iter, rng
        )
        return best, volume


def _best_simplex(X, n_components, starts, max_iter, rng):
    """Corners of the largest volume from any start, the volume, and its rounds."""
    Z = affine_coordinates(X, n_components)
    best = None
    for init in starts:
        corners, n_iter = largest_simplex(Z, _start(X, Z, init, rng), max_iter)
        volume = log_volume(Z[corners])
        if best is None or volume > best[1]:
            best = corners, volume, n_iter
    return best


def largest_simplex(
    Z: np.ndarray, start: np.ndarray, max_iter: int
) -> tuple[np.ndarray, int]:
    """Exchange corners until no pixel enlarges the volume.

    Row k of the inverse of the corners, as a column, holds the cofactors of corner k
    over the determinant: the product with a pixel is the factor by which it would
    change the volume.
    """
    corners = np.array(start)
    n_iter, swapped = 0, True
    while swapped and n_iter < max_iter:
        n_iter, swapped = n_iter + 1, False
        for k in range(len(corners)):
            factors = np.abs(Z @ _cofactors(Z[corners], k))
            best = int(np.argmax(factors))
            if factors[best] > factors[corners[k]] * (1.0 + _GAIN):
                corners[k] = best
                swapped = True
    return corners, n_iter


def _cofactors(corners: np.ndarray, k: int) -> np.ndarray:
    """Direction normal to all corners but one: what the determinant is linear in."""
    others = np.delete(corners, k, axis=0)
    if not len(others):
        return np.ones(1)
    return np.linalg.svd(others)[2][-1]


def _start(X, Z, init, rng) -> np.ndarray:
    n_components = Z.shape[1]
    if init == "random":
        return rng.choice(len(X), n_components, replace=False)
    if init == "vca":
        return directions_of_vca(Z, rng)
    if n_components > X.shape[1]:
        return successive_projections(Z, n_components)
    return successive_projections(X, n_components)


def _pulled_inwards(corners: np.ndarray, radius: float) -> np.ndarray:
    """The simplex whose facets are a radius nearer to its centre, if it has room."""
    centre = corners.mean(axis=0)
    directions = corners - centre
    normals = np.linalg.pinv(directions)
    heights = 1.0 / np.linalg.norm(normals, axis=0)
    # Barycentric coordinates of all facets rise by the radius over the height.
    raised = radius / heights
    room = 1.0 - raised.sum()
    if room <= 0.0:
        return np.repeat(centre[None], len(corners), axis=0)
    shares = np.tile(raised, (len(corners), 1)) + room * np.eye(len(corners))
    return shares @ corners
