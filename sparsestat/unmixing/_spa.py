"""Successive projections: the farthest pixel, again and again."""

import warnings
from typing import ClassVar

import numpy as np
from scipy.linalg import solve, solve_triangular
from sklearn.exceptions import ConvergenceWarning

from sparsestat.unmixing._extractor import (
    ABUNDANCE,
    N_COMPONENTS,
    PurePixelExtractor,
    affine_coordinates,
    leading_eigenvectors,
    log_volume,
)
from sparsestat.utils.streams import moments, project
from sparsestat.utils.validation import Boolean, Jobs, Rule

__all__ = ["SPA", "products_with", "successive_projections"]

# How far, as a share, pixels may stick out of the smallest ellipsoid.
_CLOSE = 1e-6
# How near to the ball, as a share of squared norms, pixels count as on it.
_TOUCHING = 1e-4
# Newton's steps to it: how many at most, how much nearer to complementarity each aims,
# and the share of the way to the boundary it may go.
_STEPS = 100
_CENTRING = 0.1
_TO_BOUNDARY = 0.95
# Pixels that join the set of those that may touch it, at once.
_ADDED = 50
# Ridge, as a share of the trace, where pixels span less than they should.
_RIDGE = 1e-14


class SPA(PurePixelExtractor):
    """Successive projection algorithm: endmembers are the most independent pixels.

    The pixel of largest norm is an endmember; what it explains is projected out of all
    pixels, and so on. Exact for pixels without noise of which some are pure. Without
    `robust` this is also known as ATGP.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    robust : bool, default=False
        Whether to round the cloud of pixels by its smallest enclosing ellipsoid first,
        which bounds the effect of noise.

    abundance : {"fcls", "nnls", "ucls"}, default="fcls"
        What `transform` computes: least squares on the simplex, without the sum, or
        without constraints.

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

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    Warns
    -----
    ConvergenceWarning
        If the smallest ellipsoid is not found to its tolerance.

    See Also
    --------
    NFINDR : Starts here and enlarges the volume.

    References
    ----------
    Gillis and Vavasis (2014), doi:10.1109/TPAMI.2013.226; with `robust` Gillis and
    Vavasis (2015), doi:10.1137/130940670.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import SPA
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> sorted(SPA(3).fit(A @ np.eye(3, 8)).indices_.tolist())
    [1, 2, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "robust": Boolean,
        "abundance": ABUNDANCE,
        "n_jobs": Jobs,
    }

    def __init__(
        self, n_components="auto", *, robust=False, abundance="fcls", n_jobs=None
    ):
        self.n_components = n_components
        self.robust = robust
        self.abundance = abundance
        self.n_jobs = n_jobs

    def _most(self, n_features):
        return n_features

    def _pixels_of(self, X, n_components):
        if not self.robust:
            return successive_projections(X, n_components), None
        known = moments(X)
        rounded = _rounded(X, n_components, known[0])
        first = _longest_of_the_farthest(X, rounded)
        indices = successive_projections(rounded, n_components, first)
        corners = affine_coordinates(X, n_components, known)[indices]
        return indices, log_volume(corners)


def successive_projections(
    X: np.ndarray, n_components: int, first: int | None = None
) -> np.ndarray:
    """Rows of the pixels that are farthest from the span of those before.

    `first` is the row to start with, that of largest norm if not given.

    Projections are taken off the squared norms, so that X is read once for each
    endmember and never copied.
    """
    norms = np.einsum("np,np->n", X, X, dtype=np.float64)
    basis = np.zeros((n_components, X.shape[1]))
    indices = np.empty(n_components, dtype=np.int64)
    for k in range(n_components):
        indices[k] = np.argmax(norms) if k or first is None else first
        direction = X[indices[k]].astype(np.float64)
        for _ in range(2):
            direction -= (basis[:k] @ direction) @ basis[:k]
        length = np.linalg.norm(direction)
        if length > 0.0:
            basis[k] = direction / length
        norms -= products_with(X, basis[k]) ** 2
        norms[indices[: k + 1]] = -1.0
    return indices


def products_with(X, direction):
    """X @ direction; float32 pixels are multiplied as they are, in half the time."""
    if X.dtype == np.float32:
        return (X @ direction.astype(np.float32)).astype(np.float64)
    return project(X, direction[:, None])[:, 0]


def _rounded(X: np.ndarray, k: int, products: np.ndarray) -> np.ndarray:
    """Pixels in coordinates in which their smallest centred ellipsoid is a ball.

    Few pixels touch the ellipsoid, so it is found for a growing set of them.
    """
    coordinates = project(X, leading_eigenvectors(products, k))
    factor = _factor(coordinates, np.full(len(X), 1.0 / len(X)))
    chosen = np.zeros(0, dtype=np.int64)
    while True:
        whitened = solve_triangular(factor, coordinates.T, lower=True)
        heights = np.einsum("kn,kn->n", whitened, whitened)
        outside = np.flatnonzero(heights > k * (1.0 + _CLOSE))
        outside = np.setdiff1d(outside, chosen)
        if not len(outside):
            return np.ascontiguousarray(whitened.T)
        farthest = np.argsort(-heights[outside], kind="stable")[:_ADDED]
        chosen = np.concatenate([chosen, outside[farthest]])
        factor = _smallest_ellipsoid(coordinates[chosen])


def _longest_of_the_farthest(X: np.ndarray, rounded: np.ndarray) -> int:
    """Pixel of largest norm among those on the ball, which are all as far out."""
    heights = np.einsum("nk,nk->n", rounded, rounded)
    touching = np.flatnonzero(heights >= (1.0 - _TOUCHING) * heights.max())
    return int(
        touching[np.argmax(np.square(X[touching], dtype=np.float64).sum(axis=1))]
    )


def _smallest_ellipsoid(points: np.ndarray) -> np.ndarray:
    """Cholesky factor of the weighted moments that make heights at most k.

    A D-optimal design: the weights minimise k sum(w) - log det sum_i w_i x_i x_i',
    and k minus the heights are the multipliers of w >= 0. Newton's steps follow the
    central path, on which the products of weights and multipliers are equal.
    """
    n, k = points.shape
    weights = np.full(n, 1.0 / n)
    slack = np.zeros(n)
    for step in range(_STEPS + 1):
        factor = _factor(points, weights)
        directions = solve_triangular(factor, points.T, lower=True)
        heights = np.einsum("kn,kn->n", directions, directions)
        excess = heights.max() * weights.sum() / k - 1.0
        if excess <= 0.5 * _CLOSE:
            break
        if step == _STEPS:
            warnings.warn(
                "SPA: the smallest ellipsoid was not found to its tolerance; pixels "
                f"stick out by a share of {excess:.1e}, allowed are {_CLOSE:.0e}. "
                "Scale the bands, or use robust=False.",
                ConvergenceWarning,
                stacklevel=2,
            )
            break
        if step == 0:
            # Weights so large that all heights are below k: an interior point.
            scale = 2.0 * heights.max() / k
            weights *= scale
            heights /= scale
            directions /= np.sqrt(scale)
            slack = k - heights
        target = _CENTRING * (weights @ slack) / n
        curvature = np.square(directions.T @ directions)
        curvature.flat[:: n + 1] += slack / weights
        change = solve(curvature, heights - k + target / weights, assume_a="pos")
        change_slack = (target - slack * change) / weights - slack
        shrinkage = max(np.max(-change / weights), np.max(-change_slack / slack))
        length = min(1.0, _TO_BOUNDARY / max(shrinkage, _TO_BOUNDARY))
        weights += length * change
        slack += length * change_slack
    return factor / np.sqrt(weights.sum())


def _factor(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    moment = points.T @ (weights[:, None] * points)
    ridge = _RIDGE * np.trace(moment) + np.finfo(float).tiny
    return np.linalg.cholesky(moment + ridge * np.eye(len(moment)))
