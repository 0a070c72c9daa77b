"""Paths of the group Lasso and the sparse group Lasso as a function."""

from math import inf
from typing import NamedTuple

import numpy as np

from sparsestat.linear_model._base import TAIL
from sparsestat.linear_model._groups import GROUPS, group_penalty
from sparsestat.linear_model._path import GRID, checked_path
from sparsestat.utils.feature_groups import check_feature_groups
from sparsestat.utils.validation import ArrayLike, Boolean, Interval

__all__ = ["group_path"]

_RULES = {
    **GROUPS,
    **GRID,
    "l1_ratio": Interval(0, 1),
    "penalty_weights": ArrayLike | None,
    "fit_intercept": Boolean,
    "standardize": Boolean,
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": TAIL["tol"],
    "early_stopping": Boolean,
    "return_n_iter": Boolean,
}


def group_path(
    X,
    y,
    *,
    feature_groups=1,
    group_weights="sqrt",
    l1_ratio: float = 0.0,
    penalty_weights=None,
    overlap: str = "error",
    positive: bool = False,
    eps: float | None = None,
    alphas=100,
    sample_weight=None,
    fit_intercept: bool = False,
    standardize: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    early_stopping: bool = False,
    return_n_iter: bool = False,
):
    """Compute group Lasso solutions along a grid of strengths, each certified.

    The objective is that of `GroupLasso`, with `l1_ratio` that of `SparseGroupLasso`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Target.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups of the features; see `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups: 0 is unpenalised, inf excluded.
    l1_ratio : float, default=0.0
        Share of the penalty on single coefficients.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of single coefficients, where `l1_ratio` is not zero.
    overlap : {"error", "latent"}, default="error"
        Whether groups given as index arrays may share features.
    positive : bool, default=False
        Restrict the coefficients to w >= 0; all of them need a price then.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid. A default grid ends early where the
        fit interpolates y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0 of the samples.
    fit_intercept : bool, default=False
        Centre X and y implicitly; the intercepts are not returned.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    early_stopping : bool, default=False
        Stop once 99.9 % of the variance is explained or more strengths do not help.
    return_n_iter : bool, default=False
        Return the number of rounds too.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Strengths, decreasing.
    coefs : ndarray of shape (n_features, n_alphas)
        Coefficients.
    gaps : ndarray of shape (n_alphas,)
        Duality gaps.
    n_iters : ndarray of shape (n_alphas,)
        Outer rounds, only if `return_n_iter`.

    Raises
    ------
    ValueError
        For data, groups or parameters outside their range.

    See Also
    --------
    sklearn.linear_model.lasso_path : Coordinate descent, without groups.

    References
    ----------
    Yuan and Lin (2006), doi:10.1111/j.1467-9868.2005.00532.x.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import group_path
    >>> X = np.eye(3)
    >>> alphas, coefs, gaps = group_path(
    ...     X, np.array([3.0, 4.0, 1.0]), feature_groups=["a", "a", "b"],
    ...     group_weights=[1.0, 1.0], alphas=[1.0]
    ... )
    >>> coefs.round(6)
    array([[1.2],
           [1.6],
           [0. ]])
    """
    names = getattr(X, "columns", None)

    def penalty(n_features: int, several: bool, parameters: dict) -> NamedTuple:
        if several:
            raise ValueError(
                f"y must have shape (n_samples,); got shape {np.shape(y)}. For several "
                "tasks use lasso_path or enet_path."
            )
        groups = check_feature_groups(
            parameters.pop("feature_groups"),
            n_features,
            names,
            parameters.pop("overlap"),
        )
        ratio = float(parameters.pop("l1_ratio"))
        weights = parameters.pop("group_weights"), parameters.pop("penalty_weights")
        positive = parameters.pop("positive")
        return group_penalty(
            groups, weights[0], ratio, weights[1], ratio > 0.0, positive
        )

    return checked_path(
        "group_path",
        X,
        np.ravel(y) if np.shape(y)[1:] == (1,) else y,
        _RULES,
        penalty,
        feature_groups=feature_groups,
        group_weights=group_weights,
        l1_ratio=l1_ratio,
        penalty_weights=penalty_weights,
        overlap=overlap,
        positive=positive,
        eps=eps,
        alphas=alphas,
        sample_weight=sample_weight,
        fit_intercept=fit_intercept,
        standardize=standardize,
        max_iter=max_iter,
        tol=tol,
        early_stopping=early_stopping,
        return_n_iter=return_n_iter,
    )
