"""Sequential maximum angle convex cone."""

from typing import ClassVar

import numpy as np

from sparsestat.unmixing._extractor import ABUNDANCE, N_COMPONENTS, PurePixelExtractor
from sparsestat.unmixing._spa import products_with
from sparsestat.utils.validation import Jobs, Rule

__all__ = ["SMACC"]

# Squared norms of residuals below this share of the largest pixel's are rounding.
_ROUNDING = 1e-28


class SMACC(PurePixelExtractor):
    """Sequential maximum angle convex cone: the pixel farthest from the cone so far.

    Like :class:`SPA`, but what an endmember explains is taken off other pixels only as
    far as all abundances stay non-negative, so that residuals are those of a convex
    cone.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

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
    SPA : Without the constraint.

    References
    ----------
    Gruninger, Ratkowski and Hoke (2004), doi:10.1117/12.543794.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import SMACC
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> sorted(SMACC(3).fit(A @ np.eye(3, 8)).indices_.tolist())
    [1, 2, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "abundance": ABUNDANCE,
        "n_jobs": Jobs,
    }

    def __init__(self, n_components="auto", *, abundance="fcls", n_jobs=None):
        self.n_components = n_components
        self.abundance = abundance
        self.n_jobs = n_jobs

    def _pixels_of(self, X, n_components):
        """Residuals are X less multiples of one direction for each endmember.

        Their norms and products follow from those of X, so that an endmember takes one
        product with X and no residuals are held.
        """
        n = len(X)
        norms = np.einsum("np,np->n", X, X, dtype=np.float64)
        largest = norms.max()
        shares, taken = np.zeros((n_components, n)), np.zeros((n_components, n))
        directions = np.zeros((n_components, X.shape[1]))
        indices = np.empty(n_components, dtype=np.int64)
        for k in range(n_components):
            norms[indices[:k]] = -1.0
            new = indices[k] = np.argmax(norms)
            direction = X[new] - taken[:k, new] @ directions[:k]
            norm = float(direction @ direction)
            if norm <= _ROUNDING * largest:
                continue
            products = products_with(X, direction)
            products -= (directions[:k] @ direction) @ taken[:k]
            step = np.maximum(products / norm, 0.0)
            own = shares[:k, new].copy()
            for j in np.flatnonzero(own > 0.0):
                np.minimum(step, shares[j] / own[j], out=step)
            step[new] = 1.0
            shares[:k] -= own[:, None] * step
            shares[k] = taken[k] = step
            directions[k] = direction
            norms -= step * (2.0 * products - step * norm)
        return indices, None
