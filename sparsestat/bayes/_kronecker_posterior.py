"""Posterior of a Kronecker-structured linear model, from its factors alone.

By an eigendecomposition of each factor; after He and Joseph (2024), arXiv:2307.14719.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.bayes._kronecker_data import (
    check_factors,
    check_target,
    check_variances,
)
from sparsestat.bayes._kronecker_evidence import (
    Evidence,
    mode_product,
    outer,
    reduce_problem,
)
from sparsestat.utils.validation import Interval, check_parameters

__all__ = ["KroneckerPosterior", "Projector", "kron_posterior"]


class KroneckerPosterior(NamedTuple):
    """Posterior of the coefficients, as tensors of shape (N_1, ..., N_I).

    Parameters
    ----------
    mean : ndarray
        Mean.
    variance : ndarray
        Variances.
    determined : ndarray
        Share of each prior variance that the data take away, between 0 and 1.
    cost : float
        log det C + y^H C^-1 y, which is minus twice the log evidence of real data and
        minus that of complex data, but for constants.
    """

    mean: np.ndarray
    variance: np.ndarray
    determined: np.ndarray
    cost: float


def kron_posterior(
    factors: Sequence[ArrayLike],
    y: ArrayLike,
    prior_variance: Sequence[ArrayLike],
    noise_variance: float,
) -> KroneckerPosterior:
    r"""Posterior of a Gaussian model whose matrix is a Kronecker product.

    .. math:: y = (A_1 \otimes \dots \otimes A_I) \, x + \varepsilon, \qquad
        x \sim N(0, \operatorname{diag}(g_1 \otimes \dots \otimes g_I)), \quad
        \varepsilon \sim N(0, \sigma^2)

    Neither the Kronecker product nor a covariance is formed.

    Parameters
    ----------
    factors : sequence of array-like of shapes (M_i, N_i)
        The matrices, real or complex.

    y : array-like of shape (M_1, ..., M_I) or (M_1 * ... * M_I,)
        Data; the last mode runs fastest.

    prior_variance : sequence of array-like of shapes (N_i,)
        Factors of the prior variances, >= 0.

    noise_variance : float
        Variance of the noise, > 0.

    Returns
    -------
    posterior : KroneckerPosterior
        ``mean``, ``variance``, ``determined`` and ``cost``.

    Raises
    ------
    ValueError
        If shapes do not fit, or entries are not finite or negative.

    See Also
    --------
    KroneckerSparseBayesian : Learns the variances.
    sklearn.linear_model.BayesianRidge : One matrix and one variance.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.bayes import kron_posterior
    >>> factors = [np.eye(2), np.ones((1, 3))]
    >>> variances = [[1.0, 1.0], [1.0, 0.0, 0.0]]
    >>> posterior = kron_posterior(factors, [1.0, 2.0], variances, 1.0)
    >>> posterior.mean
    array([[0.5, 0. , 0. ],
           [1. , 0. , 0. ]])
    """
    check_parameters(
        {"noise_variance": noise_variance},
        {"noise_variance": Interval(0, np.inf, closed="neither")},
        name="kron_posterior",
    )
    factors = check_factors(factors, "factors", allow_complex=True)
    y = check_target(y, factors, allow_complex=True)[0]
    variances = check_variances(prior_variance, factors, "prior_variance")
    evidence = Evidence(
        reduce_problem(factors, y[..., None]), variances, noise_variance
    )
    determined = evidence.determined()
    return KroneckerPosterior(
        evidence.mean()[..., 0],
        outer(variances) * (1.0 - determined),
        determined,
        evidence.cost(),
    )


class Projector(NamedTuple):
    """What predictions need of a posterior, factor by factor.

    Parameters
    ----------
    variances : list of ndarray of shapes (N_i,)
        Prior variances.
    gains : list of ndarray of shapes (N_i, k_i)
        diag(g_i) A_i^H U_i.
    weights : ndarray of shape (k_1, ..., k_I)
        Inverse variances of the rotated data.
    """

    variances: list[np.ndarray]
    gains: list[np.ndarray]
    weights: np.ndarray

    @classmethod
    def of(cls, evidence: Evidence, scale: float) -> "Projector":
        """Read them off an evidence of data divided by `scale`."""
        variances = [*evidence.variances[:-1], scale**2 * evidence.variances[-1]]
        pairs = zip(variances, evidence.rows, strict=True)
        gains = [g[:, None] * rows for g, rows in pairs]
        return cls(variances, gains, evidence.weights / scale**2)

    def predicted_variance(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Variances of the noiseless predictions at other factors."""
        pairs = zip(factors, self.variances, strict=True)
        prior = outer([(np.abs(new) ** 2) @ g for new, g in pairs])
        taken = self.weights
        for mode, (new, gain) in enumerate(zip(factors, self.gains, strict=True)):
            taken = mode_product(taken, np.abs(new @ gain) ** 2, mode)
        return np.maximum(prior - taken, 0.0)

    def deviations(self, rng, n: int, noise: float, is_complex: bool) -> np.ndarray:
        """Draw from the posterior about zero: what data of a draw leave unexplained."""
        shape = tuple(map(len, self.variances))
        normal = _complex_normal if is_complex else np.random.Generator.standard_normal
        draws = normal(rng, (n, *shape)) * np.sqrt(outer(self.variances))
        data = draws
        for mode, (g, gain) in enumerate(zip(self.variances, self.gains, strict=True)):
            rows = np.divide(
                gain, g[:, None], out=np.zeros_like(gain), where=g[:, None] > 0.0
            )
            data = mode_product(data, rows.conj().T, mode + 1)
        data = data + np.sqrt(noise) * normal(rng, data.shape)
        data = data * self.weights
        for mode, gain in enumerate(self.gains):
            data = mode_product(data, gain, mode + 1)
        return (draws - data).reshape(n, -1)


def _complex_normal(rng, shape):
    real, imaginary = (rng.standard_normal(shape) for _ in range(2))
    return (real + 1j * imaginary) / np.sqrt(2.0)
