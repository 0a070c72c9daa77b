"""Several targets with a common support and values that correlate in time."""

from math import inf

import numpy as np
from sklearn.utils import Bunch, check_random_state

from sparsestat.utils.validation import (
    Boolean,
    Interval,
    RandomState,
    check_parameters,
)

__all__ = ["make_mmv"]

_COUNT = Interval(1, inf, closed="left", integer=True)
_PARAMETERS = {
    "n_samples": _COUNT,
    "n_features": _COUNT,
    "n_targets": _COUNT,
    "n_nonzero_coefs": _COUNT,
    "temporal_correlation": Interval(-1, 1),
    "snr_db": Interval(-inf, inf, closed="right"),
    "random_state": RandomState,
    "return_X_y": Boolean,
}


def make_mmv(
    n_samples: int = 25,
    n_features: int = 125,
    *,
    n_targets: int = 4,
    n_nonzero_coefs: int = 12,
    temporal_correlation: float = 0.9,
    snr_db: float = 25.0,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    r"""Draw multiple measurement vectors: one support, values that change in time.

    .. math:: y_t = X w_t + \varepsilon_t, \qquad
        w_{t+1, j} = \beta \, w_{t, j} + \sqrt{1 - \beta^2} \, v_{t, j}

    with standard normal :math:`v_{t, j}` and the same nonzero coefficients at all
    times.

    Parameters
    ----------
    n_samples : int, default=25
        Number of rows of X.

    n_features : int, default=125
        Number of columns, which have unit norm.

    n_targets : int, default=4
        Number of times.

    n_nonzero_coefs : int, default=12
        Number of nonzero coefficients.

    temporal_correlation : float, default=0.9
        Correlation :math:`\beta` of a coefficient with itself one step later.

    snr_db : float, default=25.0
        Mean power of the signal over the variance of the noise, in decibels; ``np.inf``
        for no noise.

    random_state : int, RandomState instance or None, default=None
        Seed.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the whole.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        data : ndarray of shape (n_samples, n_features)
            The features.
        target : ndarray of shape (n_samples, n_targets)
            The targets.
        coef : ndarray of shape (n_targets, n_features)
            The truth.
        support : ndarray of shape (n_nonzero_coefs,)
            Indices of the nonzero coefficients, in increasing order.
        noise_variance : float
            Variance of the noise.

    (data, target) : tuple if `return_X_y`
        These two only.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or two do not go together.

    See Also
    --------
    make_sparse_regression : A single target.
    sklearn.datasets.make_sparse_coded_signal : Codes with a support each.

    References
    ----------
    .. [1] Zhang, Z. and Rao, B. D. (2011). Sparse signal recovery with temporally
       correlated source vectors using sparse Bayesian learning.
       :doi:`10.1109/JSTSP.2011.2159773`

    Examples
    --------
    >>> from sparsestat.datasets import make_mmv
    >>> dataset = make_mmv(10, 30, n_nonzero_coefs=2, random_state=0)
    >>> dataset.data.shape, dataset.target.shape, dataset.coef.shape
    ((10, 30), (10, 4), (4, 30))
    """
    check_parameters(dict(locals()), _PARAMETERS, name="make_mmv")
    if n_nonzero_coefs > n_features:
        raise ValueError(
            f"n_nonzero_coefs must be at most n_features = {n_features}; "
            f"got {n_nonzero_coefs}."
        )
    seed = check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    X /= np.linalg.norm(X, axis=0)
    support = np.sort(rng.choice(n_features, n_nonzero_coefs, replace=False))
    innovations = rng.standard_normal((n_targets, n_nonzero_coefs))
    values = innovations.copy()
    for t in range(1, n_targets):
        values[t] *= np.sqrt(1.0 - temporal_correlation**2)
        values[t] += temporal_correlation * values[t - 1]
    coef = np.zeros((n_targets, n_features))
    coef[:, support] = values
    signal = X[:, support] @ values.T
    noise_variance = float(np.mean(signal**2) * 10.0 ** (-snr_db / 10.0))
    target = signal + np.sqrt(noise_variance) * rng.standard_normal(signal.shape)
    if return_X_y:
        return X, target
    return Bunch(
        data=X,
        target=target,
        coef=coef,
        support=support,
        noise_variance=noise_variance,
    )
