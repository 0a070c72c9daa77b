"""Pixel purity index."""

import warnings
from math import inf, pi
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from sparsestat.unmixing._extractor import ABUNDANCE, N_COMPONENTS, PurePixelExtractor
from sparsestat.utils.streams import exact_blocks, moments
from sparsestat.utils.validation import Interval, Jobs, RandomState, Rule

__all__ = ["PPI"]

# Directions that are multiplied, and that are held, at once.
_BLOCK, _MANY = 256, 1 << 14


class PPI(PurePixelExtractor):
    """Pixel purity index: pixels that are often extreme in random directions.

    Endmembers are the pixels counted most often, less those whose spectrum is close to
    that of one counted more often.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`. There are fewer, with a
        warning, if fewer pixels are extreme and differ.

    n_skewers : int, default=10000
        Number of random directions.

    min_angle : float, default=0.05
        Least angle between the spectra of two endmembers, in radians.

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
        Their rows among the pixels, the most counted first.

    counts_ : ndarray of shape (n_samples,)
        How often each pixel was extreme.

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
    NFINDR : By volume, usually the better choice.

    References
    ----------
    Boardman, Kruse and Green (1995), Mapping target signatures via partial unmixing
    of AVIRIS data.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import PPI
    >>> A = np.vstack([np.full((1, 3), 1 / 3), np.eye(3)])
    >>> PPI(3, random_state=0).fit(A @ np.eye(3, 8)).counts_[0]
    np.int64(0)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": N_COMPONENTS,
        "n_skewers": Interval(1, inf, closed="left", integer=True),
        "min_angle": Interval(0, pi),
        "abundance": ABUNDANCE,
        "random_state": RandomState,
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        n_components="auto",
        *,
        n_skewers=10000,
        min_angle=0.05,
        abundance="fcls",
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.n_skewers = n_skewers
        self.min_angle = min_angle
        self.abundance = abundance
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _pixels_of(self, X, n_components):
        rng = check_random_state(self.random_state)
        self.counts_ = _counts(X, self.n_skewers, rng)
        order = np.argsort(-self.counts_, kind="stable")
        candidates = order[: np.count_nonzero(self.counts_)]
        least, chosen = np.cos(self.min_angle), []
        spectra = X[candidates].astype(np.float64)
        norms = np.linalg.norm(spectra, axis=1)
        # Zeros have no angle: NaN is not below the cosine.
        spectra /= np.where(norms > 0.0, norms, np.nan)[:, None]
        for i in range(len(candidates)):
            if (spectra[chosen] @ spectra[i] < least).all():
                chosen.append(i)
            if len(chosen) == n_components:
                break
        if len(chosen) < n_components and self.n_components != "auto":
            warnings.warn(
                f"PPI: n_components={n_components} asks for more endmembers than the "
                f"{len(chosen)} pixels that are extreme and differ; raise n_skewers "
                "or lower min_angle.",
                UserWarning,
                stacklevel=4,
            )
        return candidates[chosen], None


def _counts(X: np.ndarray, n_skewers: int, rng: np.random.RandomState) -> np.ndarray:
    """How often each row is the first or last in a random direction."""
    mean = moments(X)[1]
    counts = np.zeros(len(X), dtype=np.int64)
    for first in range(0, n_skewers, _MANY):
        size = min(_MANY, n_skewers - first)
        skewers = rng.standard_normal((size, X.shape[1])).astype(np.float32)
        extremes = np.full((2, size), -np.inf, dtype=np.float32)
        rows = np.zeros((2, size), dtype=np.int64)
        for part, block in exact_blocks(X):
            pixels = (block - mean).astype(np.float32)
            for start in range(0, size, _BLOCK):
                some = slice(start, start + _BLOCK)
                scores = skewers[some] @ pixels.T
                for end, found in enumerate(
                    (scores.argmax(axis=1), scores.argmin(axis=1))
                ):
                    value = (1 - 2 * end) * scores[np.arange(len(found)), found]
                    more = value > extremes[end, some]
                    extremes[end, some][more] = value[more]
                    rows[end, some][more] = part.start + found[more]
        counts += np.bincount(rows.ravel(), minlength=len(X))
    return counts
