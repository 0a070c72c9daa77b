"""Cost and posterior of sparse linear models at prior variances of one's own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._kronecker_data import numbers
from sparsestat.bayes._posterior import Moments, Problem, moments
from sparsestat.utils.validation import Interval, check_parameters

__all__ = ["SparsePosterior", "sbl_cost", "sbl_posterior"]


class SparsePosterior(NamedTuple):
    """Posterior of the coefficients.

    Parameters
    ----------
    mean : ndarray of shape (n_features,) or (n_features, n_targets)
        Mean.
    variance : ndarray of shape (n_features,)
        Variances, the same for all targets.
    determined : ndarray of shape (n_features,)
        Share of each prior variance that the data take away, between 0 and 1.
    cost : float
        What :func:`sbl_cost` returns.
    covariance : ndarray of shape (n_active, n_active)
        Covariance of the coefficients whose prior variance is positive.
    """

    mean: np.ndarray
    variance: np.ndarray
    determined: np.ndarray
    cost: float
    covariance: np.ndarray


def sbl_cost(
    A: ArrayLike, y: ArrayLike, prior_variance: ArrayLike, noise_variance: float
) -> float:
    r"""Cost that sparse Bayesian learning minimises over the prior variances.

    .. math:: L(\gamma, \sigma^2) = \log \det C + y^H C^{-1} y, \qquad
        C = \sigma^2 I + A \operatorname{diag}(\gamma) A^H

    It is minus twice the log evidence of real data and minus that of complex data, but
    for constants, and takes time of the order of :math:`m k \min(m, k)` for m samples
    and k positive variances.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (n_samples, n_features)
        Matrix, real or complex. Nothing is centred.

    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Data. The cost of several targets, which share their variances, is the average.

    prior_variance : array-like of shape (n_features,)
        Prior variances of the coefficients, >= 0.

    noise_variance : float
        Variance of the noise, > 0.

    Returns
    -------
    cost : float
        The cost.

    Raises
    ------
    ValueError
        If shapes do not fit, or entries are not finite or negative.

    See Also
    --------
    sbl_posterior : Posterior of the coefficients and slopes of this cost.
    SparseBayesianRegression : Minimises it.
    sklearn.linear_model.ARDRegression : Maximises the evidence under priors on
        variances.

    References
    ----------
    .. [1] Wipf, D. P. and Rao, B. D. (2004). Sparse Bayesian learning for basis
       selection. :doi:`10.1109/TSP.2004.831016`

    Examples
    --------
    >>> from sparsestat.bayes import sbl_cost
    >>> A = [[1.0, 1.0], [0.0, 1.0]]
    >>> round(sbl_cost(A, [3.0, 0.0], [0.0, 0.0], 1.0), 4)
    9.0
    >>> round(sbl_cost(A, [3.0, 0.0], [8.0, 0.0], 1.0), 4)
    3.1972
    """
    return _moments(A, y, prior_variance, noise_variance, "sbl_cost")[0].cost


def sbl_posterior(
    A: ArrayLike, y: ArrayLike, prior_variance: ArrayLike, noise_variance: float
) -> SparsePosterior:
    r"""Posterior of a linear model with a prior variance for each coefficient.

    .. math:: y = A x + \varepsilon, \qquad x_j \sim N(0, \gamma_j), \quad
        \varepsilon \sim N(0, \sigma^2 I)

    With the mean :math:`\mu` and the shares r that the data take away of the prior
    variances, the slope of :func:`sbl_cost` with respect to :math:`\log \gamma_j` is
    :math:`r_j - |\mu_j|^2 / \gamma_j`, where :math:`|\mu_j|^2` is averaged over the
    targets.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (n_samples, n_features)
        Matrix, real or complex; noise and prior are circular for complex data. Nothing
        is centred.

    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Data.

    prior_variance : array-like of shape (n_features,)
        Prior variances of the coefficients, >= 0.

    noise_variance : float
        Variance of the noise, > 0.

    Returns
    -------
    posterior : SparsePosterior
        ``mean``, ``variance``, ``determined``, ``cost`` and ``covariance``.

    Raises
    ------
    ValueError
        If shapes do not fit, or entries are not finite or negative.

    See Also
    --------
    sbl_cost : The cost alone.
    kron_posterior : The same where the matrix is a Kronecker product.
    SparseBayesianRegression : Learns the variances.
    sklearn.linear_model.BayesianRidge : One variance for all coefficients.

    References
    ----------
    .. [1] Tipping, M. E. (2001). Sparse Bayesian learning and the relevance vector
       machine. https://jmlr.org/papers/v1/tipping01a.html

    Examples
    --------
    >>> from sparsestat.bayes import sbl_posterior
    >>> A = [[1.0, 1.0], [0.0, 1.0]]
    >>> posterior = sbl_posterior(A, [3.0, 0.0], [8.0, 0.0], 1.0)
    >>> posterior.mean.round(3), posterior.variance.round(3)
    (array([2.667, 0.   ]), array([0.889, 0.   ]))
    """
    now, kept, n_features, is_flat = _moments(
        A, y, prior_variance, noise_variance, "sbl_posterior"
    )
    mean = np.zeros((n_features, now.mean.shape[1]), dtype=now.mean.dtype)
    variance, determined = np.zeros(n_features), np.zeros(n_features)
    covariance = now.covariance()
    mean[kept], determined[kept] = now.mean, now.determined
    variance[kept] = np.maximum(covariance.diagonal().real, 0.0)
    return SparsePosterior(
        mean[:, 0] if is_flat else mean, variance, determined, now.cost, covariance
    )


def _moments(
    A, y, prior_variance, noise_variance, name: str
) -> tuple[Moments, np.ndarray, int, bool]:
    """Of the coefficients whose variance is positive; these, their number, flat y."""
    check_parameters(
        {"noise_variance": noise_variance},
        {"noise_variance": Interval(0, np.inf, closed="neither")},
        name=name,
    )
    if sparse.issparse(A):
        A = A.tocsc()
        numbers(A.data, "A", True)
    else:
        A = numbers(A, "A", True)
    if A.ndim != 2 or 0 in A.shape:
        raise ValueError(
            f"A must be a matrix with rows and columns; got shape {A.shape}."
        )
    y = numbers(y, "y", True)
    m, n = A.shape
    if y.ndim not in (1, 2) or len(y) != m or 0 in y.shape:
        raise ValueError(
            f"y must have shape ({m},) or ({m}, n_targets), one row for each of A; "
            f"got {y.shape}."
        )
    g = numbers(prior_variance, "prior_variance", True)
    if g.shape != (n,):
        raise ValueError(
            f"prior_variance must have shape ({n},), one for each column of A; got "
            f"{g.shape}."
        )
    if np.iscomplexobj(g):
        raise ValueError("prior_variance must be real; got complex numbers.")
    if g.min() < 0.0:
        raise ValueError(f"prior_variance must be >= 0; got {g.min():.3g}.")
    kept = np.flatnonzero(g)
    part = Problem(Columns(A).pick(kept), y.reshape(m, -1), m)
    now = moments(part, g[kept], float(noise_variance))
    return now, kept, n, y.ndim == 1
