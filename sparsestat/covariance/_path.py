"""Graphical Lasso along strengths, each begun at the one before."""

import warnings
from math import inf
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from sparsestat.covariance._base import fit_levels
from sparsestat.covariance._blocks import Estimate, solve_blocks
from sparsestat.covariance._levels import Levels, check_pair_weights
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Each,
    Interval,
    Jobs,
    check_parameters,
)

__all__ = ["GRID", "follow", "graphical_lasso_path", "grid"]

GRID = {
    "eps": Interval(0, 1, closed="neither"),
    "alphas": Interval(1, inf, closed="left", integer=True)
    | Each(Interval(0, inf, closed="neither")),
}
_RULES = {
    **GRID,
    "penalty_weights": ArrayLike | None,
    "standardize": Boolean,
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": Interval(0, inf, closed="neither"),
    "n_jobs": Jobs,
}


class Stop(NamedTuple):
    """One strength of a path: its estimate and the slopes that it belongs to."""

    alpha: float
    estimate: Estimate
    slopes: np.ndarray


def graphical_lasso_path(
    covariance,
    *,
    eps: float = 0.05,
    alphas=20,
    penalty_weights=None,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    n_jobs: int | None = None,
):
    """Compute sparse precision matrices along a grid of strengths, each certified.

    The objective is that of `GraphicalLasso` with its l1 penalty.

    Parameters
    ----------
    covariance : array-like of shape (n_features, n_features)
        Empirical covariance, positive semidefinite with a positive diagonal.
    eps : float, default=0.05
        Length of the default grid, smallest over largest strength.
    alphas : int or array-like of shape (n_alphas,), default=20
        Strengths > 0, or how many on the default grid, which begins where the
        penalised entries are all zero.
    penalty_weights : array-like of shape (n_features, n_features), default=None
        Weights of the entries: 0 is unpenalised, inf excluded. None is ones, but zeros
        on the diagonal.
    standardize : bool, default=False
        Penalise the precision matrix of features scaled to unit variance.
    max_iter : int, default=100
        Newton steps at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, for each feature.
    n_jobs : int, default=None
        Threads over blocks of connected features.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    precisions : list of csc_array of shape (n_features, n_features)
        A precision matrix for each strength.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    Warns
    -----
    ConvergenceWarning
        If a gap misses its bound.

    See Also
    --------
    sklearn.covariance.graphical_lasso : One strength.

    References
    ----------
    As for `GraphicalLasso`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.covariance import graphical_lasso_path
    >>> S = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> alphas, precisions, gaps = graphical_lasso_path(S, alphas=[0.5, 0.2])
    >>> [precision.nnz for precision in precisions]
    [2, 4]
    """
    parameters = {
        "eps": eps,
        "alphas": alphas,
        "penalty_weights": penalty_weights,
        "standardize": standardize,
        "max_iter": max_iter,
        "tol": tol,
        "n_jobs": n_jobs,
    }
    check_parameters(parameters, _RULES, name="graphical_lasso_path")
    S = check_array(covariance, dtype=np.float64)
    if S.shape[0] != S.shape[1] or not np.allclose(S, S.T, rtol=0, atol=1e-8):
        raise ValueError(f"covariance must be square and symmetric; got {S.shape}.")
    if not (S.diagonal() > 0.0).all():
        raise ValueError("covariance must have a positive diagonal.")
    scale = np.sqrt(S.diagonal()) if standardize else np.ones(len(S))
    levels = Levels("l1", check_pair_weights(penalty_weights, len(S)), scale)
    options = {"tol": tol, "max_iter": max_iter, "n_jobs": n_jobs}
    strengths = grid(S, levels, alphas, eps, **options)
    stops = list(follow(S, levels, strengths, None, **options))
    gaps = np.array([stop.estimate.gap for stop in stops])
    worst, target = int(gaps.argmax()), tol * len(S)
    if gaps[worst] > target:
        warnings.warn(
            "graphical_lasso_path did not reach its tolerance at "
            f"alpha={strengths[worst]:.6g}: the duality gap is {gaps[worst]:.3e}, "
            f"asked were {target:.3e}. Increase max_iter or tol, or penalise more.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return strengths, [sparse.csc_array(s.estimate.precision) for s in stops], gaps


def grid(covariance, levels: Levels, alphas, eps: float, **options) -> np.ndarray:
    """Strengths, decreasing: those given, or equally spaced in the logarithm."""
    if not np.isscalar(alphas):
        return np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    excess = covariance
    if levels.unpenalised:
        priced = levels.weights > 0.0
        np.fill_diagonal(priced, False)
        null = solve_blocks(covariance, np.where(priced, np.inf, 0.0), **options)
        excess = covariance - null.covariance
    largest = levels.largest_strength(excess)
    if largest <= 0.0:
        return np.full(int(alphas), np.finfo(np.float64).eps)
    return largest * np.logspace(0.0, np.log10(eps), int(alphas))


def follow(covariance, levels: Levels, alphas, n_reweightings, **options):
    """Estimates along decreasing strengths, each begun at the one before."""
    start = None
    for alpha in alphas:
        estimate, slopes = fit_levels(
            covariance,
            levels,
            alpha,
            n_reweightings=n_reweightings,
            start=start,
            **options,
        )
        start = estimate.precision
        yield Stop(float(alpha), estimate, slopes)
