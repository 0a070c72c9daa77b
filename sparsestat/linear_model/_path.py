"""Paths of the Lasso and the elastic net as functions."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_X_y

from sparsestat.linear_model._base import (
    TAIL,
    reachable_tol,
    solver_tol,
    warn_unless_converged,
)
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import L1, ElasticNet, RowL2
from sparsestat.optim.run import Run
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    Rule,
    check_parameters,
    check_sample_weight,
    check_weights,
)

__all__ = ["GRID", "checked_path", "enet_path", "grid_size", "lasso_path"]

GRID = {
    "eps": Interval(0, 1, closed="neither") | None,
    "alphas": Interval(1, inf, closed="left", integer=True)
    | Each(Interval(0, inf, closed="left")),
}
_RULES = {
    **GRID,
    **TAIL,
    "l1_ratio": Interval(0, 1),
    "early_stopping": Boolean,
    "return_n_iter": Boolean,
}


def lasso_path(
    X,
    y,
    *,
    eps: float | None = None,
    alphas=100,
    sample_weight=None,
    penalty_weights=None,
    positive: bool = False,
    fit_intercept: bool = False,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    precompute: bool | str = "auto",
    solver: str = "auto",
    early_stopping: bool = False,
    return_n_iter: bool = False,
):
    """Compute Lasso solutions along a grid of strengths, each certified.

    The objective is that of `Lasso`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Target; with several tasks the objective is that of `MultiTaskLasso`.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid. A default grid ends early where the
        fit interpolates y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=False
        Centre X and y implicitly; as in scikit-learn, the intercepts are not returned
        and off by default.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form the Gram matrix of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See `Lasso`.
    early_stopping : bool, default=False
        Stop once 99.9 % of the variance is explained or more strengths do not help.
    return_n_iter : bool, default=False
        Return the number of rounds too.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Coefficients; (n_tasks, n_features, n_alphas) with several tasks.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.
    n_iters : ndarray of shape (n_alphas,)
        Outer rounds, only if `return_n_iter`.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    sklearn.linear_model.lasso_path : Coordinate descent.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import lasso_path
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> alphas, coefs, gaps = lasso_path(X, np.array([2.0, 1.0]), alphas=[0.75, 0.25])
    >>> coefs
    array([[0.5, 1.5],
           [0. , 0.5]])
    """
    return checked_path(
        "lasso_path",
        X,
        y,
        _RULES,
        _penalty,
        alphas=alphas,
        eps=eps,
        sample_weight=sample_weight,
        penalty_weights=penalty_weights,
        positive=positive,
        fit_intercept=fit_intercept,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
        precompute=precompute,
        solver=solver,
        early_stopping=early_stopping,
        return_n_iter=return_n_iter,
    )


def enet_path(
    X,
    y,
    *,
    l1_ratio: float = 0.5,
    eps: float | None = None,
    alphas=100,
    sample_weight=None,
    penalty_weights=None,
    positive: bool = False,
    fit_intercept: bool = False,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    precompute: bool | str = "auto",
    solver: str = "auto",
    early_stopping: bool = False,
    return_n_iter: bool = False,
):
    """Compute elastic net solutions along a grid of strengths, each certified.

    The objective is that of `ElasticNet`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_tasks)
        Target; with several tasks the objective is that of `MultiTaskElasticNet`.
    l1_ratio : float, default=0.5
        Share of the l1 penalty, in [0, 1]. With 0 there is no largest useful strength;
        the default grid then begins at 1000 times the largest gradient.
    eps : float, default=None
        Length of the default grid; see `lasso_path`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=False
        Centre X and y implicitly.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    precompute : {"auto", True, False}, default="auto"
        Whether to form the Gram matrix of all features first.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        See `Lasso`.
    early_stopping : bool, default=False
        Stop once 99.9 % of the variance is explained or more strengths do not help.
    return_n_iter : bool, default=False
        Return the number of rounds too.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Coefficients; (n_tasks, n_features, n_alphas) with several tasks.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.
    n_iters : ndarray of shape (n_alphas,)
        Outer rounds, only if `return_n_iter`.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    sklearn.linear_model.enet_path : Coordinate descent.

    References
    ----------
    Zou and Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import enet_path
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> alphas, coefs, gaps = enet_path(X, np.array([2.0, 1.0]), alphas=[0.5])
    >>> coefs
    array([[1. ],
           [0.33333333]])
    """
    return checked_path(
        "enet_path",
        X,
        y,
        _RULES,
        _penalty,
        l1_ratio=l1_ratio,
        alphas=alphas,
        eps=eps,
        sample_weight=sample_weight,
        penalty_weights=penalty_weights,
        positive=positive,
        fit_intercept=fit_intercept,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
        precompute=precompute,
        solver=solver,
        early_stopping=early_stopping,
        return_n_iter=return_n_iter,
    )


def checked_path(
    name: str,
    X,
    y,
    rules: dict[str, Rule],
    make_penalty: Callable[[int, bool, dict], NamedTuple],
    *,
    sample_weight,
    **parameters,
):
    """Check the parameters of the function `name`, follow the path, check it.

    `make_penalty` gets the number of features and whether there are several tasks; it
    takes what it needs out of the parameters, the rest being for the run.
    """
    check_parameters(parameters, rules, name=name)
    return_n_iter = parameters.pop("return_n_iter")
    grid = {key: parameters.pop(key) for key in ("alphas", "eps", "early_stopping")}
    several = np.ndim(y) == 2
    X, y = check_X_y(
        X,
        y,
        accept_sparse="csc",
        dtype=[np.float64, np.float32],
        y_numeric=True,
        multi_output=several,
    )
    sample_weight = check_sample_weight(sample_weight, X)
    penalty = make_penalty(X.shape[1], several, parameters)
    tol = reachable_tol(parameters["tol"], X.dtype)
    parameters["tol"] = solver_tol(parameters["tol"], X.dtype)
    run = Run(
        X,
        y.astype(np.float64, copy=False),
        Quadratic(),
        penalty,
        sample_weight,
        n_alphas=grid_size(grid["alphas"]),
        **parameters,
    )
    found = run.follow(**grid)
    coefs, gaps = found.coefs, found.gaps
    if X.dtype != np.float64:
        columns = [run.rounded(coef, X.dtype) for coef in coefs.toarray().T]
        pairs = zip(found.alphas, columns, strict=True)
        values = [run.objective_of(alpha, coef) for alpha, coef in pairs]
        gaps = gaps + np.array(values) - found.objectives
        coefs = np.column_stack(columns)
    coefs = run.on_features(coefs).astype(X.dtype)
    coefs = coefs.toarray() if sparse.issparse(coefs) else coefs
    if several:
        coefs = coefs.reshape(X.shape[1], y.shape[1], -1).swapaxes(0, 1)
    worst = int(np.argmax(gaps))
    target = tol * run.null_objective
    warn_unless_converged(name, found.alphas[worst], gaps[worst], target)
    if return_n_iter:
        return found.alphas, coefs, gaps, found.n_iters
    return found.alphas, coefs, gaps


def grid_size(alphas) -> int:
    """How many strengths `alphas`, a number or an array of them, stands for."""
    return int(alphas) if np.isscalar(alphas) else len(alphas)


def _penalty(n_features: int, several: bool, parameters: dict) -> NamedTuple:
    """Take the penalty with alpha = 1 out of the parameters of a path."""
    weights = parameters.pop("penalty_weights")
    weights = check_weights(weights, "penalty_weights", n_features)
    positive, l1_ratio = parameters.pop("positive"), parameters.pop("l1_ratio", 1.0)
    if several and positive:
        raise ValueError("positive must be False with several tasks; got True.")
    if several:
        return RowL2(1.0, float(l1_ratio), weights)
    if l1_ratio == 1.0:
        return L1(1.0, weights, positive)
    return ElasticNet(1.0, float(l1_ratio), weights, positive)
