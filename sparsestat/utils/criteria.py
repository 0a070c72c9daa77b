"""Information criteria, and that of Gaussian linear models with known noise."""

import numpy as np
from scipy.special import gammaln

__all__ = [
    "CRITERIA",
    "SUBSET_CRITERIA",
    "information_criterion",
    "price_of_parameters",
]

CRITERIA = ("aic", "aicc", "bic", "ebic")
# Those, and the ones that are common for best subsets.
SUBSET_CRITERIA = ("ebic", "gic", "bic", "aic", "aicc", "ebic_abess")


def information_criterion(
    criterion: str,
    residual_squares: np.ndarray,
    n_parameters: np.ndarray,
    *,
    n_samples: float,
    n_features: int,
    noise_variance: float,
    fit_intercept: bool | int = True,
    gamma: float = 1.0,
) -> np.ndarray:
    r"""Minus twice the log-likelihood plus the price of the parameters.

    .. math::
        n \log(2 \pi \sigma^2) + \mathrm{RSS} / \sigma^2 + c(k)

    with k the degrees of freedom and c(k) = 2 k for AIC,
    2 k + 2 k (k + 1) / (n - k - 1) for AICc, k log n for BIC, and
    k log n + 2 gamma log binomial(p, s) for EBIC, s = k less the intercept.

    Parameters
    ----------
    criterion : {"aic", "aicc", "bic", "ebic"}
        Which criterion.
    residual_squares : array-like of shape (n_models,)
        Residual sums of squares.
    n_parameters : array-like of int of shape (n_models,)
        Degrees of freedom k, the intercept among them.
    n_samples, n_features : float, int
        Size of the data, n (the sum of frequency weights) and p.
    noise_variance : float
        Variance of the noise.
    fit_intercept : bool or int, default=True
        Whether one of the parameters is an intercept, or how many are.
    gamma : float, default=1.0
        Price of the size of the model space in EBIC.

    Returns
    -------
    values : ndarray of shape (n_models,)
        Lower is better; AICc is infinite where n <= k + 1.

    References
    ----------
    Hurvich and Tsai (1989), doi:10.1093/biomet/76.2.297; Chen and Chen (2008),
    doi:10.1093/biomet/asn034; for the degrees of freedom of the Lasso Zou, Hastie and
    Tibshirani (2007), doi:10.1214/009053607000000127.

    Examples
    --------
    >>> from sparsestat.utils.criteria import information_criterion
    >>> values = information_criterion(
    ...     "bic", [10.0, 4.0], [1, 2], n_samples=10, n_features=5, noise_variance=1.0
    ... )
    >>> values.argmin()
    np.int64(1)
    """
    n = float(n_samples)
    fit = n * np.log(2.0 * np.pi * noise_variance)
    fit = fit + np.asarray(residual_squares) / noise_variance
    return fit + price_of_parameters(
        criterion,
        n_parameters,
        n_samples=n_samples,
        n_features=n_features,
        n_intercepts=int(fit_intercept),
        gamma=gamma,
    )


def price_of_parameters(
    criterion: str,
    n_parameters: np.ndarray,
    *,
    n_samples: float,
    n_features: int,
    n_intercepts: int = 1,
    gamma: float = 1.0,
    n_chosen: np.ndarray | None = None,
) -> np.ndarray:
    """What a criterion adds to minus twice the log-likelihood, c(k) above.

    Besides those above, GIC adds k log(p) log(log n), with p >= 3 and n >= 16, and
    "ebic_abess" k log n + 2 gamma s log p. Elsewhere n is at least 1.

    Parameters
    ----------
    criterion : {"aic", "aicc", "bic", "ebic", "gic", "ebic_abess"}
        Which criterion.
    n_parameters : array-like of shape (n_models,)
        Degrees of freedom k, intercepts among them.
    n_samples, n_features : float, int
        Size of the data.
    n_intercepts : int, default=1
        How many of the parameters are intercepts.
    gamma : float, default=1.0
        Price of the size of the model space in EBIC.
    n_chosen : array-like of shape (n_models,), default=None
        Features, or groups of them, that are chosen out of `n_features`; None is
        k - n_intercepts.

    Returns
    -------
    price : ndarray of shape (n_models,)

    Raises
    ------
    ValueError
        For another criterion.

    Examples
    --------
    >>> from sparsestat.utils.criteria import price_of_parameters
    >>> price_of_parameters("aic", [1, 3], n_samples=10, n_features=5)
    array([2., 6.])
    """
    k, n = np.asarray(n_parameters, dtype=np.float64), float(n_samples)
    if criterion == "aic":
        return 2.0 * k
    if criterion == "aicc":
        left = n - k - 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            correction = np.where(left > 0.0, 2.0 * k * (k + 1.0) / left, np.inf)
        return 2.0 * k + correction
    n = max(n, 1.0)  # weights may sum to less, and events be none
    if criterion == "bic":
        return k * np.log(n)
    if criterion == "gic":
        return k * np.log(max(n_features, 3)) * np.log(np.log(max(n, 16.0)))
    size = k - n_intercepts if n_chosen is None else np.asarray(n_chosen, np.float64)
    if criterion == "ebic_abess":
        return k * np.log(n) + 2.0 * gamma * size * np.log(n_features)
    if criterion == "ebic":
        models = (
            gammaln(n_features + 1.0)
            - gammaln(size + 1.0)
            - gammaln(n_features - size + 1.0)
        )
        return k * np.log(n) + 2.0 * gamma * models
    raise ValueError(f"criterion must be one of {SUBSET_CRITERIA}; got {criterion!r}.")
