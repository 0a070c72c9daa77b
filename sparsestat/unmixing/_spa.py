"""Successive projections: the farthest pixel, again and again."""

from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from sparsestat.unmixing._extractor import (
    ABUNDANCE,
    N_COMPONENTS,
    PurePixelExtractor,
    leading_eigenvectors,
    products,
)
from sparsestat.utils.validation import Boolean, Jobs, Rule

__all__ = ["SPA", "successive_projections"]

# Khachiyan's method for the smallest ellipsoid: rounds, and when it has come close.
_ROUNDS = 1000
_CLOSE = 1e-3
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
        if self.robust:
            X = _rounded(X, n_components)
        return successive_projections(X, n_components), None


def successive_projections(X: np.ndarray, n_components: int) -> np.ndarray:
    """Rows of the pixels that are farthest from the span of those before.

    Projections are taken off the squared norms, so that X is read once for each
    endmember and never copied.
    """
    norms = np.einsum("np,np->n", X, X, dtype=np.float64)
    basis = np.zeros((n_components, X.shape[1]))
    indices = np.empty(n_components, dtype=np.int64)
    for k in range(n_components):
        indices[k] = np.argmax(norms)
        direction = X[indices[k]].astype(np.float64)
        for _ in range(2):
            direction -= (basis[:k] @ direction) @ basis[:k]
        length = np.linalg.norm(direction)
        if length > 0.0:
            basis[k] = direction / length
        norms -= (X @ basis[k].astype(X.dtype, copy=False)).astype(np.float64) ** 2
        norms[indices[: k + 1]] = -1.0
    return indices


def _rounded(X: np.ndarray, k: int) -> np.ndarray:
    """Pixels in coordinates in which their smallest centred ellipsoid is a ball.

    Few pixels touch the ellipsoid, so it is found for a growing set of them.
    """
    exact = X.astype(np.float64, copy=False)
    coordinates = exact @ leading_eigenvectors(products(exact), k)
    factor = _factor(coordinates, np.full(len(X), 1.0 / len(X)))
    chosen = np.zeros(0, dtype=np.int64)
    while True:
        whitened = solve_triangular(factor, coordinates.T, lower=True)
        heights = np.einsum("kn,kn->n", whitened, whitened)
        outside = np.argsort(heights)[: -_ADDED - 1 : -1]
        outside = np.setdiff1d(outside[heights[outside] > k * (1.0 + _CLOSE)], chosen)
        if not len(outside):
            return np.ascontiguousarray(whitened.T)
        chosen = np.concatenate([chosen, outside])
        factor = _smallest_ellipsoid(coordinates[chosen])


def _smallest_ellipsoid(points: np.ndarray) -> np.ndarray:
    """Cholesky factor of the weighted moments that make heights at most k.

    The method of Khachiyan and Todd for the dual problem, a D-optimal design.
    """
    n, k = points.shape
    weights = np.full(n, 1.0 / n)
    for _ in range(_ROUNDS):
        factor = _factor(points, weights)
        heights = np.square(solve_triangular(factor, points.T, lower=True)).sum(axis=0)
        top = int(np.argmax(heights))
        if heights[top] <= k * (1.0 + 0.5 * _CLOSE):
            break
        step = (heights[top] / k - 1.0) / (heights[top] - 1.0)
        weights *= 1.0 - step
        weights[top] += step
    return factor


def _factor(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    moment = points.T @ (weights[:, None] * points)
    ridge = _RIDGE * np.trace(moment) + np.finfo(float).tiny
    return np.linalg.cholesky(moment + ridge * np.eye(len(moment)))
