"""Vertex component analysis."""

from math import inf
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from sparsestat.unmixing._extractor import (
    ABUNDANCE,
    N_COMPONENTS,
    PurePixelExtractor,
    affine_coordinates,
    leading_eigenvectors,
    log_volume,
)
from sparsestat.utils.streams import moments, project, real_dtype
from sparsestat.utils.validation import Boolean, Interval, Jobs, RandomState, Rule

__all__ = ["VCA", "directions_of_vca"]


class VCA(PurePixelExtractor):
    """Vertex component analysis: pixels that are extreme in random directions.

    Each direction is orthogonal to the endmembers found before. One run depends on its
    directions, so several are made and the simplex of largest volume is kept.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    snr : float, default=None
        Signal-to-noise ratio in decibels, estimated if None. Below
        ``15 + 10 log10(n_components)`` pixels are projected onto an affine subspace,
        else onto a cone.

    denoise : bool, default=True
        Whether endmembers are the pixels projected onto the signal subspace, or the
        pixels themselves.

    n_init : int, default=10
        Runs.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

    random_state : int, RandomState instance or None, default=None
        Seed of the directions.

    n_jobs : int, default=None
        Threads of `transform`, as joblib counts them.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Spectra of the endmembers.

    indices_ : ndarray of shape (n_components,)
        Their rows among the pixels.

    n_components_ : int
        Number of endmembers.

    log_volume_ : float
        Logarithm of the determinant of the endmembers in affine coordinates.

    snr_ : float
        Signal-to-noise ratio in decibels; infinite without noise.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    NFINDR : By volume.

    References
    ----------
    Nascimento and Bioucas-Dias (2005), doi:10.1109/TGRS.2005.844293.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import VCA
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> sorted(VCA(3, random_state=0).fit(A @ np.eye(3, 8)).indices_.tolist())
    [1, 2, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "snr": Interval(-inf, inf) | None,
        "denoise": Boolean,
        "n_init": Interval(1, inf, closed="left", integer=True),
        "abundance": ABUNDANCE,
        "random_state": RandomState,
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        n_components="auto",
        *,
        snr=None,
        denoise=True,
        n_init=10,
        abundance="fcls",
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.snr = snr
        self.denoise = denoise
        self.n_init = n_init
        self.abundance = abundance
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _most(self, n_features):
        return n_features

    def _extract(self, X, n_components):
        rng = check_random_state(self.random_state)
        known = moments(X)
        projected, y, usable, self.snr_ = _projections(X, known, n_components, self.snr)
        Z = affine_coordinates(X, n_components, known)
        best, volume = None, -inf
        for _ in range(self.n_init):
            found = usable[directions_of_vca(y, rng)]
            size = log_volume(Z[found])
            if best is None or size > volume:
                best, volume = found, size
        self.indices_, self.log_volume_ = best, volume
        spectra = projected(best) if self.denoise else X[best]
        self.components_ = spectra.astype(real_dtype(X.dtype))


def directions_of_vca(y: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Rows of y, shape (n_samples, k), extreme in k random directions.

    Every direction is orthogonal to the rows chosen before; a pixel is chosen once.
    """
    n, k = y.shape
    basis = np.zeros((k, k))
    basis[0, -1] = 1.0
    n_basis = 1
    indices = np.empty(k, dtype=np.int64)
    free = np.ones(n, dtype=bool)
    for i in range(k):
        direction = rng.uniform(size=k)
        for _ in range(2):
            direction -= (basis[:n_basis] @ direction) @ basis[:n_basis]
        scores = np.where(free, np.abs(y @ direction), -1.0)
        indices[i] = np.argmax(scores)
        free[indices[i]] = False
        if i == 0:
            # The first basis vector only kept the first direction off the last axis.
            n_basis = 0
        new = y[indices[i]].copy()
        for _ in range(2):
            new -= (basis[:n_basis] @ new) @ basis[:n_basis]
        length = np.linalg.norm(new)
        if length > 1e-12 * np.linalg.norm(y[indices[i]]):
            basis[n_basis] = new / length
            n_basis += 1
    return indices


def _projections(X, known, k, snr):
    """Pixels on the signal subspace and the coordinates in which to look.

    Returns a function from rows to projected pixels, coordinates of shape
    (n_usable, k), the rows that these belong to, and the signal-to-noise ratio.
    """
    n, p = X.shape
    power, mean = known
    power = power / n
    covariance = power - np.outer(mean, mean)
    k_used = min(k, p)
    basis = leading_eigenvectors(covariance, k_used)
    total = np.trace(power)
    centred = project(X, basis)
    centred -= mean @ basis
    kept = np.mean(np.square(centred).sum(axis=1)) + mean @ mean
    if snr is None:
        lost, signal = total - kept, kept - k_used / p * total
        snr = inf if lost <= 1e-14 * total else -inf
        if np.isfinite(lost) and lost > 1e-14 * total and signal > 0.0:
            snr = 10.0 * np.log10(signal / lost)
    everyone = np.arange(n)
    if snr < 15.0 + 10.0 * np.log10(k):
        affine, basis = centred[:, : k_used - 1], basis[:, : k_used - 1]
        height = np.sqrt(np.square(affine).sum(axis=1).max(initial=0.0)) or 1.0
        y = np.hstack([affine, np.full((n, 1), height)])
        return lambda rows: affine[rows] @ basis.T + mean, y, everyone, snr
    basis = leading_eigenvectors(power, k_used)
    coordinates = project(X, basis)
    centre = coordinates.mean(axis=0)
    heights = coordinates @ centre
    usable = everyone[heights > 1e-12 * np.abs(heights).max(initial=0.0)]
    if len(usable) < k:
        usable, heights = everyone, np.ones(n)
    y = coordinates[usable] / heights[usable, None]
    return lambda rows: coordinates[rows] @ basis.T, y, usable, snr
