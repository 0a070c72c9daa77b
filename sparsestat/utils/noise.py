"""Noise of columns that the others predict, from one inverse of their products."""

import numpy as np

__all__ = ["noise_variance", "noise_weights"]

# A ridge that keeps the inverse finite, as a share of the mean of the diagonal.
_RIDGE = 1e-6


def noise_weights(products: np.ndarray) -> np.ndarray:
    r"""Weights W for which X @ W are the residuals of each column on all others.

    .. math:: W = R^{-1} \operatorname{diag}(R^{-1})^{-1}, \qquad R = X^T X + \epsilon I

    Parameters
    ----------
    products : ndarray of shape (n_features, n_features)
        The products X'X, in double precision.

    Returns
    -------
    weights : ndarray of shape (n_features, n_features)
        Zeros if all products are zero.

    See Also
    --------
    sparsestat.unmixing.estimate_noise : The residuals.

    References
    ----------
    Bioucas-Dias and Nascimento (2008), doi:10.1109/TGRS.2008.918089.

    Examples
    --------
    >>> import numpy as np
    >>> noise_weights(np.eye(2)).round(3)
    array([[1., 0.],
           [0., 1.]])
    """
    ridge = _RIDGE * np.trace(products) / len(products)
    if not ridge > 0.0:
        return np.zeros_like(products)
    inverse = np.linalg.inv(products + ridge * np.eye(len(products)))
    return inverse / inverse.diagonal()


def noise_variance(products: np.ndarray, n_samples: int) -> np.ndarray:
    """Mean squares of the residuals of each column on all others.

    Parameters
    ----------
    products : ndarray of shape (n_features, n_features)
        The products X'X, in double precision.

    n_samples : int
        Number of rows of X.

    Returns
    -------
    variance : ndarray of shape (n_features,)
        At least 0.

    See Also
    --------
    noise_weights : The regressions.

    Examples
    --------
    >>> import numpy as np
    >>> noise_variance(np.diag([4.0, 9.0]), 1).round(3)
    array([4., 9.])
    """
    weights = noise_weights(products)
    variance = np.einsum("ij,ij->j", weights, products @ weights) / n_samples
    return np.maximum(variance, 0.0)
