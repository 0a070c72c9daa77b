"""Noise of a scene and the number of its endmembers."""

from math import inf
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.utils.noise import noise_variance, noise_weights
from sparsestat.utils.streams import check_rows, moments, real_dtype
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    Rule,
    check_parameters,
)

__all__ = [
    "HySime",
    "band_noise",
    "estimate_noise",
    "hfc",
    "hysime",
    "signal_subspace",
    "subspace_and_noise",
]

_FLOATS = [np.float64, np.float32]
_RULES = {
    "far": Interval(0, 1, closed="neither"),
    "whiten": Boolean,
    "return_basis": Boolean,
}
# Noise that is taken for granted, as a share of the mean power of the signal.
_SIGNAL_RIDGE = 1e-5


def estimate_noise(X: ArrayLike) -> np.ndarray:
    """Noise of each pixel and band: what the other bands do not predict.

    Every band is regressed on all others, with the residuals of all bands from one
    inverse of the matrix of products.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.

    Returns
    -------
    noise : ndarray of shape (n_samples, n_features)
        Residuals, in units and precision of `X`.

    Raises
    ------
    ValueError
        For data that are not finite.

    See Also
    --------
    hysime : Counts endmembers with it.

    References
    ----------
    Bioucas-Dias and Nascimento (2008), doi:10.1109/TGRS.2008.918089.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import estimate_noise
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((2000, 3)) @ rng.random((3, 50))
    >>> noise = estimate_noise(X + 0.01 * rng.standard_normal(X.shape))
    >>> round(float(noise.std()), 3)
    0.01
    """
    X = check_array(X, dtype=_FLOATS)
    # float32 pixels are multiplied in float64: the inverse needs the digits.
    return _noise(X, moments(X)[0])


def hysime(X: ArrayLike, *, return_basis: bool = False) -> int | tuple[int, np.ndarray]:
    """Dimension of the signal: where its projection error undercuts the noise.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.
    return_basis : bool, default=False
        Whether to return an orthonormal basis of the subspace as well.

    Returns
    -------
    n_components : int
        Dimension of the subspace. Real scenes come out larger than the number of
        materials, since spectra vary within each.
    basis : ndarray of shape (n_features, n_components)
        Only if `return_basis`.

    Raises
    ------
    ValueError
        For data that are not finite.

    See Also
    --------
    hfc : By a test of eigenvalues.
    HySime : Projects onto the subspace.

    References
    ----------
    Bioucas-Dias and Nascimento (2008), doi:10.1109/TGRS.2008.918089.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import hysime
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((2000, 3)) @ rng.random((3, 50))
    >>> hysime(X + 0.01 * rng.standard_normal(X.shape))
    3
    """
    check_parameters({"return_basis": return_basis}, _RULES, name="hysime")
    basis = signal_subspace(check_rows(X))
    return (basis.shape[1], basis) if return_basis else basis.shape[1]


def hfc(X: ArrayLike, far: float = 1e-4, *, whiten: bool = False) -> int:
    """Virtual dimensionality: eigenvalues that the mean spectrum lifts above noise.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.
    far : float, default=1e-4
        Probability of a false alarm of each test.
    whiten : bool, default=False
        Whether to divide bands by their noise first (the noise-whitened variant).

    Returns
    -------
    n_components : int
        Number of eigenvalues of the matrix of products that exceed those of the
        covariance by more than noise explains.

    Raises
    ------
    ValueError
        For data that are not finite, or `far` outside (0, 1).

    See Also
    --------
    hysime : By projection errors.

    References
    ----------
    Chang and Du (2004), doi:10.1109/TGRS.2003.819189.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import hfc
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((2000, 3)) @ rng.random((3, 50))
    >>> hfc(X + 0.01 * rng.standard_normal(X.shape))
    1
    """
    check_parameters({"far": far, "whiten": whiten}, _RULES, name="hfc")
    X = check_rows(X)
    products, mean = moments(X)
    if whiten:
        spread = np.sqrt(noise_variance(products, len(X)))
        spread = np.where(spread > 0.0, spread, 1.0)
        products, mean = products / np.outer(spread, spread), mean / spread
    products /= len(X)
    with_mean = np.linalg.eigvalsh(products)[::-1]
    without = np.linalg.eigvalsh(products - np.outer(mean, mean))[::-1]
    spread = np.sqrt(2.0 * (with_mean**2 + without**2) / len(X))
    return int(np.count_nonzero(with_mean - without > norm.isf(far) * spread))


class HySime(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Projection of pixels onto the subspace of their signal.

    .. math:: x \mapsto U^T x

    with the k eigenvectors U of the signal's second moments for which the error of
    leaving one out exceeds the noise that it brings.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Dimension; ``"auto"`` is what minimises the error.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal basis of the subspace.

    n_components_ : int
        Its dimension.

    noise_variance_ : ndarray of shape (n_features,)
        Variance of the noise of each band.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    hysime : The dimension alone.
    sklearn.decomposition.PCA : Without a model of the noise.

    References
    ----------
    Bioucas-Dias and Nascimento (2008), doi:10.1109/TGRS.2008.918089.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import HySime
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((2000, 3)) @ rng.random((3, 50))
    >>> X += 0.01 * rng.standard_normal(X.shape)
    >>> HySime().fit_transform(X).shape
    (2000, 3)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "n_components": OneOf("auto") | Interval(1, inf, closed="left", integer=True)
    }

    def __init__(self, n_components="auto"):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Find the subspace.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, a spectrum in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, and for more components than bands.
        """
        check_parameters(self, self._rules)
        X = check_rows(X, self)
        wanted = None if self.n_components == "auto" else self.n_components
        if wanted is not None and wanted > X.shape[1]:
            raise ValueError(
                f"n_components must be at most the number of bands, {X.shape[1]}; got "
                f"{wanted}."
            )
        basis, noise = subspace_and_noise(X, wanted)
        self.components_ = basis.T.astype(real_dtype(X.dtype))
        self.n_components_ = len(self.components_)
        self.noise_variance_ = noise
        return self

    def transform(self, X):
        """Coordinates of pixels in the subspace.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.

        Returns
        -------
        coordinates : ndarray of shape (n_samples, n_components)
            In units of `X`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return X @ self.components_.T.astype(X.dtype, copy=False)

    def inverse_transform(self, X):
        """Pixels of the subspace from their coordinates, without the noise outside.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Coordinates.

        Returns
        -------
        pixels : ndarray of shape (n_samples, n_features)
            Spectra.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS)
        return X @ self.components_.astype(X.dtype, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def signal_subspace(X: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the signal, at least one vector."""
    return subspace_and_noise(X)[0]


def band_noise(X: np.ndarray) -> np.ndarray:
    """Variance of the noise of each band, without forming the noise."""
    return noise_variance(moments(X)[0], len(X))


def _noise(X: np.ndarray, products: np.ndarray) -> np.ndarray:
    return X @ noise_weights(products).astype(X.dtype, copy=False)


def subspace_and_noise(
    X: np.ndarray, n_components: int | None = None, *, at_least: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Basis of the signal and the variances of the noise of the bands.

    Of `n_components` vectors, or as many as the signal has, but `at_least` so many.

    Moments of signal and noise are products of the moments of X, since both are
    linear in X: one pass over the pixels.
    """
    products = moments(X)[0]
    n, p = X.shape
    weights = noise_weights(products)
    if not weights.any():
        return np.eye(p)[:, : n_components or at_least], np.zeros(p)
    noise = np.einsum("ij,ij->j", weights, products @ weights) / n
    clean = np.eye(p) - weights
    signal = clean.T @ products @ clean / n
    basis = np.linalg.eigh(signal)[1][:, ::-1]
    noise_used = noise + _SIGNAL_RIDGE * np.trace(signal) / p
    cost = 2.0 * noise_used @ basis**2
    cost -= np.einsum("ij,ij->j", basis, products @ basis) / n
    order = np.argsort(cost, kind="stable")
    chosen = n_components or max(at_least, int(np.count_nonzero(cost < 0.0)))
    return basis[:, order[:chosen]], noise
