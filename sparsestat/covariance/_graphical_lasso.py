"""The graphical Lasso: sparse inverse covariance matrices."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.covariance._base import TAIL, SparsePrecision, moments, shares
from sparsestat.utils.validation import Boolean, Interval, OneOf, Rule, check_parameters

__all__ = ["GraphicalLasso"]

# Largest asymmetry of a covariance matrix, relative to its entries.
_ASYMMETRY = 1e-8


class GraphicalLasso(SparsePrecision):
    r"""Gaussian graphical model with a sparse precision matrix.

    Minimises over positive definite matrices

    .. math::
        -\log \det \Theta + \langle S, \Theta \rangle
        + \sum_{j, k} \Omega_{jk}(\Theta_{jk}),
        \qquad \Omega_{jk}(\theta) = \alpha V_{jk} |\theta|,

    S being the (weighted) empirical covariance and V the penalty weights: zeros of the
    solution are pairs of features independent given all others. A concave penalty
    may take the place of the l1 norm.

    Parameters
    ----------
    alpha : float, default=0.01
        Strength of the penalty, >= 0. With 0 the solution is the inverse of S.
    penalty : {"l1", "mcp", "scad", "log_sum"} or penalty, default="l1"
        Penalty of an entry; all but the first are concave and spare large entries. Or
        an `L1`, `MCP`, `SCAD` or `LogSum` of `sparsestat.optim.penalties`, whose alpha
        and weights do not matter.
    n_reweightings : int, default=None
        For concave penalties, how many convex problems to solve after the l1 norm's,
        each with a tangent of the penalty at the solution before. 1 with "log_sum" is
        the adaptive graphical Lasso. None goes on until the solution is stationary.
    penalty_weights : array-like of shape (n_features, n_features), default=None
        The V_jk >= 0, symmetric: 0 leaves an entry unpenalised, inf keeps it at zero.
        None is ones, but zeros on the diagonal.
    standardize : bool, default=False
        Penalise the precision matrix of features scaled to unit variance;
        `precision_` is on the scale of X all the same.
    covariance : "precomputed", default=None
        With "precomputed", X is S.
    assume_centered : bool, default=False
        Take means to be zero.
    max_iter : int, default=100
        Newton steps at most for each convex problem.
    tol : float, default=1e-6
        Bound of the duality gap, for each feature. With concave penalties, bound of
        `stationarity_`, relative to the largest correlation. float32 data: at least
        1e-5.
    warm_start : bool, default=False
        Start from the precision matrix of the fit before.
    n_jobs : int, default=None
        Threads over blocks of connected features; the result does not depend on it.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    precision_ : ndarray of shape (n_features, n_features)
        Estimated precision matrix with exact zeros, in the precision of X.
    covariance_ : ndarray of shape (n_features, n_features)
        Its inverse.
    location_ : ndarray of shape (n_features,)
        Means.
    labels_ : ndarray of shape (n_features,)
        Number of the connected component of each feature, in which the problem falls
        apart: features of different components are independent.
    dual_gap_ : float
        Duality gap at `precision_`, a bound of its distance to the optimum; only if
        the penalty is "l1".
    dual_gap_tol_ : float
        Bound that was asked for, `tol` times the number of features; only if the
        penalty is "l1".
    stationarity_ : float
        Largest violated optimality condition, for features of unit variance; only if
        the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest correlation; only if the
        penalty is concave.
    objective_ : float
        Objective at `precision_`.
    n_iter_ : int
        Newton steps, of the block that took most.
    partial_correlation_ : ndarray of shape (n_features, n_features)
        Correlations of pairs given all other features.
    sparse_precision_ : csc_array of shape (n_features, n_features)
        Precision matrix.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Warns
    -----
    ConvergenceWarning
        If the certificate misses its bound.

    See Also
    --------
    graphical_lasso_path : All strengths.
    sklearn.covariance.GraphicalLasso : The l1 penalty without weights.

    Notes
    -----
    The dual is to maximise log det W + p over :math:`|W_{jk} - S_{jk}| \le \alpha
    V_{jk}`; the gap is taken at the inverse of the precision matrix, clipped to these
    bounds. Features that no :math:`|S_{jk}| > \alpha V_{jk}` connects are independent
    in the solution, so each connected component is solved by itself.

    With a concave penalty and fewer samples than features there may be no minimum at
    all, only stationary points such as the one that is found.

    References
    ----------
    Friedman, Hastie and Tibshirani (2008), doi:10.1093/biostatistics/kxm045; Mazumder
    and Hastie (2012), https://jmlr.org/papers/v13/mazumder12a.html; Hsieh, Sustik,
    Dhillon and Ravikumar (2014), https://jmlr.org/papers/v15/hsieh14a.html; for concave
    penalties Fan, Feng and Wu (2009), doi:10.1214/08-AOAS215.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.covariance import GraphicalLasso
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 4))
    >>> X[:, 1] += X[:, 0]
    >>> model = GraphicalLasso(alpha=0.2).fit(X)
    >>> model.labels_
    array([0, 0, 1, 2]...)
    >>> bool(model.dual_gap_ <= model.dual_gap_tol_)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "covariance": OneOf("precomputed") | None,
        "warm_start": Boolean,
        **TAIL,
    }

    def __init__(
        self,
        alpha=0.01,
        *,
        penalty="l1",
        n_reweightings=None,
        penalty_weights=None,
        standardize=False,
        covariance=None,
        assume_centered=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        n_jobs=None,
        verbose=0,
    ):
        self.alpha = alpha
        self.penalty = penalty
        self.n_reweightings = n_reweightings
        self.penalty_weights = penalty_weights
        self.standardize = standardize
        self.covariance = covariance
        self.assume_centered = assume_centered
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, or the covariance matrix of shape (n_features, n_features).
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for constant
            features, for parameters or weights outside their range, and for a singular
            covariance without a penalty.
        """
        check_parameters(self, self._rules)
        X, sample_weight = self._validated(X, sample_weight)
        if self.covariance == "precomputed":
            location, covariance = np.zeros(X.shape[1]), _checked(X, sample_weight)
        else:
            weight = shares(sample_weight, X.shape[0])
            location, covariance = moments(X, weight, not self.assume_centered)
        levels = self._levels(covariance)
        if self.alpha == 0.0 and not _is_regular(covariance):
            raise ValueError(
                "alpha must be > 0 where the covariance is singular; got alpha=0 with "
                f"{X.shape[0]} samples of {X.shape[1]} features."
            )
        start = getattr(self, "precision_", None) if self.warm_start else None
        if start is not None:
            start = start.astype(float) if start.shape == covariance.shape else None
        found = self._fit_levels(covariance, levels, float(self.alpha), X.dtype, start)
        self.location_ = location.astype(X.dtype, copy=False)
        self._take(covariance, levels, float(self.alpha), found, X.dtype)
        self._report(self.alpha)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.covariance == "precomputed"
        return tags


def _checked(X, sample_weight) -> np.ndarray:
    """A covariance matrix that was given, in float64."""
    if sample_weight is not None:
        raise ValueError(
            "sample_weight must be None with covariance='precomputed', which has no "
            "samples."
        )
    S = (X.toarray() if hasattr(X, "toarray") else X).astype(np.float64)
    if S.shape[0] != S.shape[1]:
        raise ValueError(f"X must be a square covariance matrix; got shape {S.shape}.")
    if np.abs(S - S.T).max() > _ASYMMETRY * np.abs(S).max():
        raise ValueError(
            "X must be a symmetric covariance matrix; entries differ from their "
            f"transposes by up to {np.abs(S - S.T).max():.3g}."
        )
    smallest, largest = np.linalg.eigvalsh(S)[[0, -1]]
    if smallest < -_ASYMMETRY * abs(largest):
        raise ValueError(
            "X must be a positive semidefinite covariance matrix; got an eigenvalue "
            f"of {smallest:.3g}."
        )
    return 0.5 * (S + S.T)


def _is_regular(covariance: np.ndarray) -> bool:
    spread = np.sqrt(covariance.diagonal())
    if not spread.all():
        return False
    values = np.linalg.eigvalsh(covariance / np.outer(spread, spread))
    return bool(values[0] > len(values) * np.finfo(np.float64).eps * values[-1])
