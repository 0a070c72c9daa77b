"""Errors of estimated coefficients against the true ones."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils import check_array

from sparsestat.metrics._coefficients import check_pair
from sparsestat.utils.validation import Boolean, OneOf, check_parameters

_NORMS = {
    "l1": lambda d: np.abs(d).sum(),
    "l2": np.linalg.norm,
    "linf": lambda d: np.abs(d).max(),
}
_PARAMETERS = {"norm": OneOf(*_NORMS), "relative": Boolean}


def estimation_error(
    coef_true: ArrayLike,
    coef_pred: ArrayLike,
    *,
    norm: Literal["l2", "l1", "linf"] = "l2",
    relative: bool = False,
) -> float:
    r"""Distance between estimated and true coefficients.

    .. math:: \|\hat w - w\| \quad \text{or} \quad \|\hat w - w\| / \|w\|

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients; may be sparse. The norm of a two-dimensional array is over
        all entries.

    coef_pred : array-like of the same shape
        Estimated coefficients.

    norm : {"l2", "l1", "linf"}, default="l2"
        Euclidean norm, sum or maximum of the absolute values.

    relative : bool, default=False
        Divide by the norm of the true coefficients. When these are all zero, the
        result is 0.0 for an exact estimate and infinite otherwise.

    Returns
    -------
    error : float
        In units of the coefficients, or without unit if `relative`; lower is better.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `norm` is unknown.

    See Also
    --------
    prediction_error : Error in the metric of the design.
    sklearn.metrics.mean_squared_error : Mean instead of norm, of predictions.

    References
    ----------
    .. [1] Bickel, P. J., Ritov, Y. and Tsybakov, A. B. (2009). Simultaneous analysis of
       Lasso and Dantzig selector. :doi:`10.1214/08-AOS620`

    Examples
    --------
    >>> from sparsestat.metrics import estimation_error
    >>> estimation_error([3.0, 4.0, 0.0], [3.0, 1.0, 4.0])
    5.0
    >>> estimation_error([3.0, 4.0, 0.0], [3.0, 1.0, 4.0], relative=True)
    1.0
    >>> estimation_error([3.0, 4.0, 0.0], [3.0, 1.0, 4.0], norm="linf")
    4.0
    """
    check_parameters({"norm": norm, "relative": relative}, _PARAMETERS)
    true, pred = _as_numbers(coef_true, coef_pred)
    error = _NORMS[norm](pred - true)
    return _relative(error, _NORMS[norm](true)) if relative else float(error)


def nmse(coef_true: ArrayLike, coef_pred: ArrayLike) -> float:
    r"""Squared error of coefficients, normalised by the true ones.

    .. math:: \|\hat w - w\|^2 / \|w\|^2

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, real or complex; may be sparse.

    coef_pred : array-like of the same shape
        Estimated coefficients.

    Returns
    -------
    error : float
        Lower is better; 1 is the error of predicting zero. Where the true coefficients
        are all zero it is 0.0 for an exact estimate and infinite otherwise.

    Raises
    ------
    ValueError
        If the shapes differ or a coefficient is not finite.

    See Also
    --------
    estimation_error : The same as a distance, in several norms.
    sklearn.metrics.mean_squared_error : Mean instead of sum, not normalised.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> from sparsestat.metrics import nmse
    >>> nmse([3.0, 4.0, 0.0], [3.0, 1.0, 4.0])
    1.0
    >>> nmse([1.0j, 0.0], [0.5j, 0.0])
    0.25
    """
    true, pred = _as_numbers(coef_true, coef_pred)
    error = np.linalg.norm(pred - true) ** 2
    return _relative(error, np.linalg.norm(true) ** 2)


def prediction_error(
    coef_true: ArrayLike,
    coef_pred: ArrayLike,
    *,
    covariance: ArrayLike | Callable[[np.ndarray], np.ndarray] | None = None,
    X: ArrayLike | None = None,
    relative: bool = False,
) -> float:
    r"""Squared error of the predictions, the noise left out.

    .. math:: (\hat w - w)^\top \Sigma (\hat w - w)

    with :math:`\Sigma` the covariance of the features (the excess risk on new
    samples), or :math:`\Sigma = X^\top X / n` (the error on the given ones).

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients; may be sparse. Targets are summed.

    coef_pred : array-like of the same shape
        Estimated coefficients.

    covariance : array-like of shape (n_features, n_features) or callable, default=None
        Covariance :math:`\Sigma` of the features. A callable is given the indices of
        the features in question and returns their covariance: this is what
        :func:`~sparsestat.datasets.make_sparse_regression` offers, so that the whole
        matrix is never formed.

    X : array-like or sparse matrix of shape (n_samples, n_features), default=None
        Samples on which to take the error, given instead of `covariance`. They are
        not centred: centre them to leave an intercept out.

    relative : bool, default=False
        Divide by :math:`w^\top \Sigma w`, the error of predicting zero. When it is
        zero, the result is 0.0 for an exact prediction and infinite otherwise.

    Returns
    -------
    error : float
        In squared units of the target, or without unit if `relative`; lower is better.

    Raises
    ------
    ValueError
        If the shapes do not fit, a coefficient is not finite, or not exactly one of
        `covariance` and `X` is given.

    See Also
    --------
    estimation_error : Distance between the coefficients themselves.
    sklearn.metrics.mean_squared_error : Error against noisy targets.

    References
    ----------
    .. [1] Hastie, T., Tibshirani, R. and Tibshirani, R. (2020). Best subset, forward
       stepwise or Lasso? Analysis and recommendations based on extensive comparisons.
       :doi:`10.1214/19-STS733`

    Examples
    --------
    >>> from sparsestat.metrics import prediction_error
    >>> prediction_error([1.0, 0.0], [0.5, 0.5], covariance=[[1.0, 0.8], [0.8, 1.0]])
    0.1
    >>> prediction_error([1.0, 0.0], [0.5, 0.5], X=[[1.0, 1.0], [1.0, -1.0]])
    0.5
    """
    check_parameters({"relative": relative}, _PARAMETERS)
    if (covariance is None) == (X is None):
        given = "none" if X is None else "both"
        raise ValueError(f"Give exactly one of covariance and X; got {given}.")
    true, pred = _as_numbers(coef_true, coef_pred)
    quadratic = _quadratic_form(covariance, X, true.shape[-1])
    error = quadratic(pred - true)
    return _relative(error, quadratic(true)) if relative else error


def _as_numbers(coef_true, coef_pred):
    """Compute in double precision: booleans do not subtract, float32 loses digits."""
    return (
        coef.astype(np.result_type(coef, np.float64), copy=False)
        for coef in check_pair(coef_true, coef_pred)
    )


def _relative(error, scale):
    if scale > 0:
        return float(error / scale)
    return 0.0 if error == 0 else np.inf


def _quadratic_form(covariance, X, n_features):
    """Return the function w -> w' Sigma w, summed over targets."""
    if callable(covariance):
        return lambda coef: _covariance_form(covariance, coef)
    if X is None:
        sigma = _check_matrix(covariance, "covariance", n_features)
        if sigma.shape[0] != n_features:
            raise ValueError(f"covariance must be square; got shape {sigma.shape}.")
        return lambda coef: _covariance_form(lambda s: sigma[np.ix_(s, s)], coef)
    X = _check_matrix(X, "X", n_features)
    return lambda coef: _sample_form(X, coef)


def _check_matrix(matrix, name, n_features):
    matrix = check_array(
        matrix,
        accept_sparse=("csc", "csr"),
        dtype=(np.float64, np.float32),
        input_name=name,
    )
    if matrix.shape[1] != n_features:
        raise ValueError(
            f"{name} must have as many columns as there are coefficients, "
            f"{n_features}; got shape {matrix.shape}."
        )
    return matrix


def _covariance_form(submatrix, coef):
    coef = np.atleast_2d(coef)
    support = np.flatnonzero(coef.any(axis=0))
    w = coef[:, support].T
    return float(np.vdot(w, submatrix(support) @ w).real)


def _sample_form(X, coef):
    coef = np.atleast_2d(coef)
    if not sparse.issparse(X):
        # Products of the support's columns only: X may be large and float32.
        support = np.flatnonzero(coef.any(axis=0))
        X, coef = X[:, support], coef[:, support]
    return float((np.abs(X @ coef.T) ** 2).sum() / X.shape[0])
