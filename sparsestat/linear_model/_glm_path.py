"""Paths of generalised linear models as a function."""

from typing import Any

import numpy as np

from sparsestat.linear_model._base import reachable_tol, warn_unless_converged
from sparsestat.linear_model._gamma import SparseGammaRegressorCV
from sparsestat.linear_model._glm_penalty import measure_of
from sparsestat.linear_model._logistic import SparseLogisticRegressionCV
from sparsestat.linear_model._path import grid_size
from sparsestat.linear_model._poisson import SparsePoissonRegressorCV
from sparsestat.optim.penalties import kind
from sparsestat.utils.validation import Boolean, Interval, OneOf, check_parameters

__all__ = ["glm_path"]

_FAMILIES = {
    "logistic": SparseLogisticRegressionCV,
    "poisson": SparsePoissonRegressorCV,
    "gamma": SparseGammaRegressorCV,
}
_RULES = {
    "family": OneOf(*_FAMILIES),
    "l1_ratio": Interval(0, 1),
    "return_intercepts": Boolean,
    "return_n_iter": Boolean,
}


def glm_path(
    X,
    y,
    *,
    family: str = "logistic",
    penalty: Any = "elasticnet",
    l1_ratio: float = 1.0,
    gamma: float | None = None,
    feature_groups: Any = 1,
    group_weights: Any = "sqrt",
    overlap: str = "error",
    eps: float | None = 0.01,
    alphas=50,
    offset=None,
    sample_weight=None,
    penalty_weights=None,
    positive: bool = False,
    fit_intercept: bool = True,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    return_intercepts: bool = False,
    return_n_iter: bool = False,
):
    """Compute generalised linear models along a grid of strengths, each certified.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Target: classes, counts or amounts.
    family : {"logistic", "poisson", "gamma"}, default="logistic"
        The objective is that of `SparseLogisticRegression`, `SparsePoissonRegressor`
        or `SparseGammaRegressor`.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", "mcp", "scad", "group" or "sparse_group", or an object of
        `sparsestat.optim.penalties`; see these.
    l1_ratio : float, default=1.0
        Share of the l1 penalty.
    gamma : float, default=None
        Of "mcp" and "scad"; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups of the features; see `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
    eps : float, default=0.01
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on the default grid.
    offset : array-like of shape (n_samples,), default=None
        Known part of the linear predictions; None is zero. With more than two classes
        of shape (n_samples, n_classes).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the loss of the null model.
    return_intercepts : bool, default=False
        Return the intercepts too.
    return_n_iter : bool, default=False
        Return the number of rounds too.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Coefficients; with K > 2 classes of shape (n_features, K, n_alphas).
    gaps : ndarray of shape (n_alphas,)
        Duality gaps; violations of stationarity with concave penalties.
    intercepts : ndarray of shape (n_alphas,) or (K, n_alphas)
        Intercepts, only if `return_intercepts`.
    n_iters : ndarray of shape (n_alphas,)
        Outer rounds, only if `return_n_iter`.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    sklearn.linear_model.lasso_path : Least squares.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import glm_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> y = X[:, 0] + rng.standard_normal(100) > 0
    >>> alphas, coefs, gaps = glm_path(X, y, alphas=10)
    >>> coefs.shape
    (20, 10)
    """
    own = {
        "family": family,
        "l1_ratio": l1_ratio,
        "return_intercepts": return_intercepts,
        "return_n_iter": return_n_iter,
    }
    check_parameters(own, _RULES, name="glm_path")
    model = _FAMILIES[family](
        penalty=penalty,
        l1_ratio=l1_ratio,
        gamma=gamma,
        feature_groups=feature_groups,
        group_weights=group_weights,
        overlap=overlap,
        eps=eps,
        alphas=alphas,
        penalty_weights=penalty_weights,
        positive=positive,
        fit_intercept=fit_intercept,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
    )
    X, y, sample_weight = model._validated(X, y, sample_weight, offset)
    (chosen,) = model._penalties(X.shape[1])
    run = model._run(X, y, sample_weight, chosen, grid_size(alphas))
    found = run.follow(alphas, eps)
    latent, gaps = found.coefs.astype(X.dtype).toarray(), found.gaps
    coefs = run.on_features(found.coefs).astype(X.dtype).toarray()
    concave = kind(run.penalty) == "general"
    if X.dtype != np.float64 and concave:
        pairs = zip(found.alphas, latent.T, strict=True)
        gaps = np.array([run.stationarity_of(alpha, coef) for alpha, coef in pairs])
    elif X.dtype != np.float64:
        pairs = zip(found.alphas, latent.T, strict=True)
        rounded = [run.objective_of(alpha, coef) for alpha, coef in pairs]
        gaps = gaps + np.array(rounded) - found.objectives
    if found.intercepts.ndim == 2:
        coefs = coefs.reshape(X.shape[1], -1, len(found.alphas))
    worst = int(gaps.argmax())
    target = run.absolute_tol(reachable_tol(tol, X.dtype))
    warn_unless_converged(
        "glm_path",
        found.alphas[worst],
        gaps[worst],
        target,
        stacklevel=3,
        measure=measure_of(run.penalty),
    )
    extras = (found.intercepts,) if return_intercepts else ()
    extras += (found.n_iters,) if return_n_iter else ()
    return found.alphas, coefs, gaps, *extras
