"""The fused Lasso: total variation on a line or a graph."""

from math import inf
from typing import ClassVar

import numpy as np
from scipy import sparse

from sparsestat.linear_model._base import SparseLinearRegressor
from sparsestat.linear_model._coupled import COUPLED_TAIL, CV_TAIL, Coupled
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.optim.penalties import TotalVariation, segments
from sparsestat.utils.validation import Boolean, Interval, Rule, Satisfies

__all__ = ["FusedLasso", "FusedLassoCV"]


def _is_graph(value) -> bool:
    if sparse.issparse(value):
        return True
    if isinstance(value, list | tuple | np.ndarray):
        try:
            array = np.asarray(value)
        except ValueError:  # rows of different lengths
            return False
        return array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iu"
    return False


_STRUCTURE: dict[str, Rule] = {
    "tv_ratio": Interval(0, 1),
    "graph": Satisfies(
        _is_graph, "an integer array-like of shape (n_edges, 2), a sparse matrix"
    )
    | None,
}


class _Fused(Coupled):
    """Mixin: the penalty from `tv_ratio` and `graph`, and the segments of a fit."""

    def _coupled_penalty(self, n_features: int) -> TotalVariation:
        edges = _edges(self.graph, n_features)
        return TotalVariation(1.0, float(self.tv_ratio), edges)

    def _take(self, run, alpha, coef, *rest) -> None:
        super()._take(run, alpha, coef, *rest)
        scale = run.problem.design.scale
        self.segments_ = segments(coef * scale, run.penalty.edges)


class FusedLasso(_Fused, SparseLinearRegressor):
    r"""Least squares with total variation and l1 norm, certified by its duality gap.

    Minimises over w and b

    .. math::
        \sum_i s_i \tfrac12 (y_i - x_i^\top w - b)^2 + \alpha \Big( t
        \sum_{(j, k)} |w_k - w_j| + (1 - t) \sum_j |w_j| \Big),
        \qquad s_i = q_i / \sum_k q_k,

    over pairs (j, k) of neighbours, with q the sample weights: coefficients are
    piecewise constant, and many pieces zero. With the identity as X this denoises a
    signal, or an image.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0.
    tv_ratio : float, default=0.5
        t, in [0, 1]: 1 is total variation alone, 0 the Lasso.
    graph : array-like of shape (n_edges, 2) or sparse matrix, default=None
        Neighbours: pairs of feature indices, or an adjacency matrix of shape
        (n_features, n_features) whose nonzero entries are the edges, each counted
        once. None is the line: each feature and the next.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model. float32
        data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    segments_ : ndarray of shape (n_features,)
        Number of the segment of each feature: connected features of equal coefficient
        (after `standardize`, on that scale), from 0 in the order of their first one.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    FusedLassoCV : The strength chosen by cross-validation or a criterion.
    sparsestat.plotting.SegmentDisplay : The segments drawn.
    sklearn.linear_model.Lasso : Without neighbours.

    Notes
    -----
    On the line proximal gradient steps, exact in linear time, find the segments; on
    graphs alternating directions do. Newton steps on the segments give the digits.

    References
    ----------
    Tibshirani, Saunders, Rosset, Zhu and Knight (2005),
    doi:10.1111/j.1467-9868.2005.00490.x; Johnson (2013),
    doi:10.1080/10618600.2012.681238, for the prox.

    Examples
    --------
    >>> from scipy.sparse import eye_array
    >>> from sparsestat.linear_model import FusedLasso
    >>> signal = [0.1, -0.1, 0.0, 2.1, 1.9, 2.0]
    >>> model = FusedLasso(alpha=0.05, tv_ratio=1.0, fit_intercept=False)
    >>> model.fit(eye_array(6, format="csc"), signal).coef_.round(6)
    array([0.1, 0.1, 0.1, 1.9, 1.9, 1.9])
    >>> model.segments_
    array([0, 0, 0, 1, 1, 1])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        **_STRUCTURE,
        **COUPLED_TAIL,
        "warm_start": Boolean,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        tv_ratio=0.5,
        graph=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.tv_ratio = tv_ratio
        self.graph = graph
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose


class FusedLassoCV(_Fused, PathCV):
    r"""Fused Lasso with the strength chosen by cross-validation along a path.

    The objective is that of :class:`FusedLasso`; every solution of the path on all data
    carries its duality gap.

    Parameters
    ----------
    tv_ratio : float, default=0.5
        t, in [0, 1]: 1 is total variation alone, 0 the Lasso.
    graph : array-like of shape (n_edges, 2) or sparse matrix, default=None
        Neighbours: pairs of feature indices, or an adjacency matrix of shape
        (n_features, n_features) whose nonzero entries are the edges, each counted
        once. None is the line: each feature and the next.
    eps : float, default=None
        Length of the default grid, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=100
        Strengths, or how many on the default grid.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them.
    scoring : str or callable, default=None
        Score of the held-out samples; None is the mean squared error.
    alpha_rule : {"min", "1se"} or callable, default="min"
        Which strength: of the best mean, the largest within one standard error of it,
        or the index that a callable (alphas, mean, standard_error) of losses (negated
        scores) returns.
    criterion : {"aic", "aicc", "bic", "ebic"}, default=None
        Information criterion in place of cross-validation, and of `cv`, `scoring` and
        `alpha_rule`; degrees of freedom are the number of segments that are not zero.
    noise_variance : float, default=None
        Variance of the noise for `criterion`; None estimates it.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns of unit variance.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective of the null model.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
    random_state : int or RandomState, default=None
        Halves of the samples, where `criterion` has to estimate the noise with
        n_samples <= n_features.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    alpha_ : float
        Chosen strength.
    alphas_ : ndarray of shape (n_alphas,)
        Strengths tried, decreasing.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors, only if `scoring` and `criterion` are None.
    score_path_ : ndarray of shape (n_alphas, n_folds)
        Scores, only if `scoring` is given.
    criterion_ : ndarray of shape (n_alphas,)
        Values of the criterion, only if `criterion` is given.
    noise_variance_ : float
        Variance of the noise, only if `criterion` is given.
    path_coef_ : csc_array of shape (n_features, n_alphas)
        Coefficients on all data along the path.
    path_intercept_ : ndarray of shape (n_alphas,)
        Intercepts along the path.
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Intercept.
    segments_ : ndarray of shape (n_features,)
        Number of the segment of each feature, as in :class:`FusedLasso`.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the objective of the null model.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds of the path on all data.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    FusedLasso : One strength.
    sklearn.linear_model.LassoCV : Without neighbours.

    References
    ----------
    Tibshirani, Saunders, Rosset, Zhu and Knight (2005),
    doi:10.1111/j.1467-9868.2005.00490.x; Tibshirani and Taylor (2011),
    doi:10.1214/11-AOS878, for the degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import FusedLassoCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 12))
    >>> y = X[:, 3:6].sum(axis=1) + 0.1 * rng.standard_normal(60)
    >>> FusedLassoCV(tv_ratio=0.8, alphas=20).fit(X, y).mse_path_.shape
    (20, 5)
    """

    _rules: ClassVar[dict[str, Rule]] = {**_STRUCTURE, **CV_TAIL}

    def __init__(
        self,
        *,
        tv_ratio=0.5,
        graph=None,
        eps=None,
        alphas=100,
        cv=None,
        scoring=None,
        alpha_rule="min",
        criterion=None,
        noise_variance=None,
        fit_intercept=True,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.tv_ratio = tv_ratio
        self.graph = graph
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.alpha_rule = alpha_rule
        self.criterion = criterion
        self.noise_variance = noise_variance
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


def _edges(graph, n_features: int) -> np.ndarray | None:
    """Pairs of neighbours, or None for the line."""
    if graph is None:
        return None
    if not sparse.issparse(graph):
        edges = np.asarray(graph)
        if len(edges) and not (edges.min() >= 0 and edges.max() < n_features):
            raise ValueError(
                f"graph must name features in [0, {n_features}); got "
                f"{edges.min()} to {edges.max()}."
            )
        return edges
    if graph.shape != (n_features, n_features):
        raise ValueError(
            f"graph must have shape ({n_features}, {n_features}) as an adjacency "
            f"matrix; got {graph.shape}."
        )
    found = sparse.coo_array(graph)
    kept = found.data != 0
    pairs = np.sort(np.column_stack([found.coords[0], found.coords[1]])[kept], axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
