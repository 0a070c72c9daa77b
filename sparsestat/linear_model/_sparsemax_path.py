"""Solutions along a grid of strengths."""

from __future__ import annotations

from math import inf

import numpy as np
from sklearn.utils import check_X_y

from sparsestat.linear_model._base import reachable_tol, warn_unless_converged
from sparsestat.linear_model._fenchel_young import COMMON
from sparsestat.linear_model._label_targets import (
    check_proportions,
    encode_labels,
    is_sets,
)
from sparsestat.optim.fenchel_young import Objective
from sparsestat.optim.fenchel_young_fit import fit_linear, make_objective
from sparsestat.utils.validation import (
    Each,
    Interval,
    ParameterError,
    check_parameters,
    check_sample_weight,
)

__all__ = ["ALPHAS", "default_grid", "sparsemax_path"]

ALPHAS = Interval(1, inf, closed="left", integer=True) | Each(
    Interval(0, inf, closed="left")
)
_RULES = {
    **COMMON,
    "alphas": ALPHAS,
    "eps": Interval(0, 1, closed="neither"),
}
# Without an l1 penalty no strength leaves all coefficients zero, but this is close.
_LARGEST_RIDGE = 10.0


def sparsemax_path(
    X,
    y,
    *,
    alphas=50,
    eps: float = 1e-3,
    l1_ratio: float = 1.0,
    entmax_alpha: float = 2.0,
    sample_weight=None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-6,
    max_iter: int = 1000,
):
    """Compute sparsemax models along a grid of strengths, each certified.

    The objective is that of `SparsemaxClassifier`; each fit starts from the one before.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels; sets of labels, as a matrix of zeros and ones; or a distribution in each
        row.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    eps : float, default=1e-3
        Length of the default grid, smallest over largest strength.
    l1_ratio : float, default=1.0
        Share of the l1 norm in the penalty. With 0 there is no largest useful strength;
        the default grid then begins at 10.
    entmax_alpha : float, default=2.0
        Order of the map, in [1, 2].
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    solver : {"auto", "lbfgs", "newton-cg", "prox-newton"}, default="auto"
        See `SparsemaxClassifier`.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    max_iter : int, default=1000
        Steps of the solver at most, for each strength.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_classes, n_features, n_alphas)
        Coefficients.
    intercepts : ndarray of shape (n_classes, n_alphas)
        Intercepts.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    SparsemaxClassifier : The fit at one strength.
    sklearn.linear_model.lasso_path : Paths of least squares.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sparsestat.linear_model import sparsemax_path
    >>> X, y = load_iris(return_X_y=True)
    >>> alphas, coefs, intercepts, gaps = sparsemax_path(X, y, alphas=4)
    >>> coefs.shape
    (3, 4, 4)
    >>> np.count_nonzero(coefs, axis=(0, 1))[[0, -1]]
    array([0, 7])
    """
    name = "sparsemax_path"
    given = {
        "alphas": alphas,
        "eps": eps,
        "l1_ratio": l1_ratio,
        "entmax_alpha": entmax_alpha,
        "fit_intercept": fit_intercept,
        "standardize": standardize,
        "solver": solver,
        "tol": tol,
        "max_iter": max_iter,
    }
    check_parameters(given, _RULES, name=name)
    if l1_ratio > 0.0 and solver in ("lbfgs", "newton-cg"):
        raise ParameterError(
            f"{name}: solver must be 'auto' or 'prox-newton' where l1_ratio is not 0; "
            f"got {solver!r} with {l1_ratio}."
        )
    X, y = check_X_y(
        X, y, accept_sparse="csc", dtype=[np.float64, np.float32], multi_output=True
    )
    weights = check_sample_weight(sample_weight, X)
    if np.ndim(y) == 2 and not is_sets(y):
        targets = check_proportions(name, y)
        n_classes = targets.shape[1]
    else:
        encoded = encode_labels(name, y)
        targets, n_classes = encoded.values, len(encoded.classes)
        if encoded.kept is not None:
            X = X[encoded.kept]
            weights = None if weights is None else weights[encoded.kept]
    problem = make_objective(
        X, targets, n_classes, weights, entmax_alpha, fit_intercept, standardize
    )
    if np.isscalar(alphas):
        grid = default_grid(problem, l1_ratio, int(alphas), eps)
    else:
        grid = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    tol = reachable_tol(tol, problem.dtype)
    fits, start = [], None
    for alpha in grid:
        fit = fit_linear(problem, alpha, l1_ratio, solver, tol, max_iter, start)
        start = fit.coef.astype(np.float64), fit.intercept.astype(np.float64)
        fits.append(fit)
    worst = int(np.argmax([fit.gap for fit in fits]))
    worst_fit = grid[worst], fits[worst].gap, fits[worst].gap_tol
    warn_unless_converged(name, *worst_fit, stacklevel=3)
    return (
        grid,
        np.stack([fit.coef for fit in fits], axis=-1),
        np.stack([fit.intercept for fit in fits], axis=-1),
        np.array([fit.gap for fit in fits]),
    )


def default_grid(
    problem: Objective, l1_ratio: float, n_alphas: int, eps: float
) -> np.ndarray:
    """Strengths from the largest useful one down, equally spaced in the logarithm."""
    largest = _LARGEST_RIDGE
    if l1_ratio > 0.0:
        # A little more, since gradients round.
        largest = problem.largest_gradient / l1_ratio * (1.0 + 1e-12)
    if largest <= 0.0:
        return np.full(n_alphas, np.finfo(np.float64).eps)
    return largest * np.logspace(0.0, np.log10(eps), n_alphas)
