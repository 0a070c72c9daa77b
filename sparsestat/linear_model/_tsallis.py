"""Sparse mixed models whose noise has heavy tails.

Alternates between fixed effects (a penalised least squares problem on whitened,
reweighted data), the variance components and the degrees of freedom.  The multivariate
q-Gaussian after Tsallis (1988), doi:10.1007/BF01016429; weights after Lange, Little and
Taylor (1989), doi:10.1080/01621459.1989.10478852.
"""

from math import inf
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sparsestat.linear_model._base import (
    TAIL,
    reachable_tol,
    solver_tol,
    warn_unless_converged,
)
from sparsestat.linear_model._elliptical import (
    Components,
    Groups,
    fit_components,
    likelihood,
    make_groups,
    whiten,
)
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.path import solve
from sparsestat.optim.penalties import L1, MCP, SCAD, value
from sparsestat.optim.pncg import fill_map
from sparsestat.utils.validation import (
    ArrayLike,
    Each,
    Interval,
    OneOf,
    Rule,
    Satisfies,
    check_parameters,
    check_weights,
)

__all__ = ["TsallisMixedModel"]

_GAMMA = {"mcp": 3.0, "scad": 3.7}


class TsallisMixedModel(RegressorMixin, BaseEstimator):
    r"""Sparse linear mixed model with q-Gaussian noise, which withstands outliers.

    Samples of a group i share random effects, and a scale: with fixed effects w,
    random effects :math:`Z_i`, and
    :math:`V_i = \sigma^2 (I + Z_i \Psi Z_i^\top)`, the targets of a group are jointly
    q-Gaussian, which is Student's t with :math:`\nu` degrees of freedom. Finds a
    stationary point, over w, b, :math:`\sigma`, :math:`\Psi` and :math:`\nu`, of

    .. math::
        \frac1n \sum_i \left[ \tfrac12 \log |V_i| + \tfrac{\nu + m_i}{2}
        \log\left(1 + \tfrac{d_i}{\nu}\right) + c(\nu, m_i) \right]
        + \sum_j \Omega_j(w_j),

    .. math::
        d_i = (y_i - X_i w - b)^\top V_i^{-1} (y_i - X_i w - b)

    with the number of samples :math:`m_i` in each group and the constants c of the
    density. A group far from its prediction, or badly off as a whole, gets the weight
    :math:`(\nu + m_i) / (\nu + d_i)`.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, > 0, in units of 1 / y: the loss counts residuals in
        units of the noise.
    q : "auto" or float, default="auto"
        Entropic index of a single sample, in [1, 3): 1 is Gaussian, 2 Cauchy, and
        :math:`\nu = (3 - q) / (q - 1)`. "auto" fits it, with :math:`\nu` in [1, 200].
    random_effects : "intercept" or list of int or str, default="intercept"
        A random intercept for each group, together with random slopes of the features
        listed by index or name.
    penalty : {"l1", "scad", "mcp"}, default="l1"
        Penalty of the fixed effects.
    gamma : float, default=None
        Reciprocal of the concavity of "scad" (> 2) and "mcp" (> 0); None is 3.7 and 3.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights v_j >= 0 of the coefficients in the penalty: 0 leaves one unpenalised,
        inf excludes it; None is all ones.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    max_iter : int, default=200
        Rounds at most of weights, fixed effects and variance components.
    tol : float, default=1e-6
        Bound of `stationarity_`, relative to the largest gradient of the loss at the
        model without penalised features. float32 data: at least 1e-5.
    solver : {"auto", "pncg"}, default="auto"
        For the fixed effects: Newton steps on a working set, or proximal nonlinear
        conjugate gradients on all features ("scad" and "mcp" only).
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Fixed effects w, in the precision of X.
    intercept_ : float
        Intercept b.
    q_ : float
        Entropic index of a single sample.
    degrees_of_freedom_ : float
        The :math:`\nu` that belongs to it; infinite for Gaussian noise.
    noise_variance_ : float
        Variance :math:`\sigma^2`, of the Gaussian that the weights leave.
    variance_components_ : ndarray of shape (n_effects, n_effects)
        Covariance :math:`\sigma^2 \Psi` of the random effects, the intercept first;
        without `groups` of shape (0, 0).
    groups_ : ndarray of shape (n_groups,)
        The groups, sorted.
    random_effects_ : ndarray of shape (n_groups, n_effects)
        Most probable random effects of each.
    weights_ : ndarray of shape (n_groups,)
        Weights of the groups: those well below 1 are outliers.
    stationarity_ : float
        Largest violated optimality condition: of the fixed effects as a gradient, and
        of the components as a slope in their logarithms (and in the entries below the
        diagonal of the Cholesky factor of :math:`\Psi`) times the largest gradient at
        the null model.
    stationarity_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective at the solution, minus the log-likelihood over n_samples included.
    n_iter_ : int
        Rounds.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseHuberRegressor : Single outliers, without groups.
    SCADRegressor : Independent Gaussian noise.
    Lasso : Independent Gaussian noise and a convex objective.

    Notes
    -----
    The objective is not convex: fits start at the null model. It has no lower bound
    where the noise vanishes, so :math:`\sigma^2` stays above a millionth of the
    variance of y. With strong signals the null model can be stationary at strengths
    where a sparse one is far better: try a smaller `alpha` before you believe it.
    Whitening needs a copy of X, sparse where X is, in which the
    samples of a group share their nonzero columns.

    References
    ----------
    Tsallis (1988), doi:10.1007/BF01016429; Lange, Little and Taylor (1989),
    doi:10.1080/01621459.1989.10478852; Pinheiro, Liu and Wu (2001),
    doi:10.1198/10618600152628059.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import TsallisMixedModel
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat(np.arange(40), 5)
    >>> X = rng.standard_normal((200, 30))
    >>> y = X[:, 0] - X[:, 1] + rng.standard_normal(40)[groups]
    >>> y += 0.3 * rng.standard_t(2, 200)
    >>> model = TsallisMixedModel(alpha=0.3).fit(X, y, groups=groups)
    >>> np.flatnonzero(np.abs(model.coef_) > 0.1)
    array([0, 1])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="neither"),
        "q": OneOf("auto") | Interval(1, 3, closed="left"),
        "random_effects": OneOf("intercept")
        | Each(
            Interval(0, inf, closed="left", integer=True)
            | Satisfies(lambda name: isinstance(name, str), "a feature name")
        ),
        "penalty": OneOf("l1", "scad", "mcp"),
        "gamma": Interval(0, inf, closed="neither") | None,
        "penalty_weights": ArrayLike | None,
        "solver": OneOf("auto", "pncg"),
        **{name: TAIL[name] for name in ("fit_intercept", "max_iter", "tol")},
        "verbose": TAIL["verbose"],
    }
    _measure: ClassVar[str] = "the violated stationarity"

    def __init__(
        self,
        alpha=0.1,
        *,
        q="auto",
        random_effects="intercept",
        penalty="l1",
        gamma=None,
        penalty_weights=None,
        fit_intercept=True,
        max_iter=200,
        tol=1e-6,
        solver="auto",
        verbose=0,
    ):
        self.alpha = alpha
        self.q = q
        self.random_effects = random_effects
        self.penalty = penalty
        self.gamma = gamma
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.verbose = verbose

    def fit(self, X, y, *, groups=None):
        """Fit fixed effects, variance components and the tails of the noise.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,)
            Target.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample. None: each sample is a group of its own, without
            random effects, which is a robust Lasso.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, groups or parameters outside their range.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        y = y.astype(np.float64, copy=False)
        labels, index = _grouped(groups, X)
        # Without a group of two, random effects are noise by another name.
        known = groups is not None and len(labels) < len(y)
        columns = self._effect_columns() if known else None
        data = make_groups(index, _effects(X, columns))
        penalty = self._penalty(X.shape[1])
        problem = _Problem(X, y, data, penalty, self._freedom(), self.solver)
        state = problem.run(solver_tol(self.tol, X.dtype), self.max_iter)
        w = state.w.astype(X.dtype).astype(np.float64)
        state = problem.certified(state._replace(w=w))
        offset = int(self.fit_intercept)
        self.coef_ = w[offset:].astype(X.dtype)
        self.intercept_ = float(w[0]) if offset else 0.0
        nu, root = state.parts.freedom, state.parts.root
        self.degrees_of_freedom_ = nu
        self.q_ = 1.0 + 2.0 / (nu + 1.0)
        self.noise_variance_ = state.parts.noise
        self.variance_components_ = state.parts.noise * root @ root.T
        self.groups_ = labels
        self.random_effects_ = state.modes
        self.weights_ = state.weights
        self.objective_ = state.objective
        self.stationarity_ = state.stationarity
        self.stationarity_tol_ = reachable_tol(self.tol, X.dtype) * problem.largest
        self.n_iter_ = state.n_iter
        self._columns = columns
        if self.verbose:
            print(
                f"TsallisMixedModel: {np.count_nonzero(self.coef_)} of "
                f"{len(self.coef_)} features, q {self.q_:.3f}, stationarity "
                f"{self.stationarity_:.2e} (target {self.stationarity_tol_:.2e})"
            )
        warn_unless_converged(
            self, self.alpha, self.stationarity_, self.stationarity_tol_, stacklevel=3
        )
        return self

    def predict(self, X, *, groups=None):
        """Predict the target, with the random effects of the groups that are known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample. Random effects of groups that were not seen in `fit`,
            and of all without `groups`, are zero.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        predictions = X @ self.coef_ + self.intercept_
        if groups is None or self._columns is None:
            return predictions
        labels, index = _grouped(groups, X)
        place = np.searchsorted(self.groups_, labels)
        place = np.minimum(place, len(self.groups_) - 1)
        seen = self.groups_[place] == labels
        effects = np.where(seen[:, None], self.random_effects_[place], 0.0)
        Z = _effects(sparse.csc_array(X) if sparse.issparse(X) else X, self._columns)
        return predictions + (Z * effects[index]).sum(axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _freedom(self) -> float | None:
        if self.q == "auto":
            return None
        return inf if self.q == 1 else (3.0 - self.q) / (self.q - 1.0)

    def _penalty(self, n_features: int) -> NamedTuple:
        weights = check_weights(self.penalty_weights, "penalty_weights", n_features)
        weights = np.ones(n_features) if weights is None else weights
        if self.fit_intercept:
            weights = np.append(0.0, weights)
        if self.penalty == "l1":
            if self.solver == "pncg":
                raise ValueError(
                    "solver='pncg' is for penalty='scad' and 'mcp'; got penalty='l1'."
                )
            return L1(float(self.alpha), weights)
        gamma = _GAMMA[self.penalty] if self.gamma is None else float(self.gamma)
        if self.penalty == "mcp":
            return MCP(float(self.alpha), gamma, weights)
        if gamma <= 2.0:
            raise ValueError(f"gamma must be > 2 for penalty='scad'; got {gamma}.")
        return SCAD(float(self.alpha), gamma, weights)

    def _effect_columns(self) -> np.ndarray:
        """Columns of X with random slopes."""
        if isinstance(self.random_effects, str):
            return np.zeros(0, dtype=int)
        names = list(getattr(self, "feature_names_in_", []))
        columns = []
        for given in self.random_effects:
            if isinstance(given, str) and given not in names:
                raise ValueError(
                    f"random_effects names {given!r}, which is no feature of X; those "
                    f"are {names[:10] if names else 'without names'}."
                )
            column = names.index(given) if isinstance(given, str) else int(given)
            if column >= self.n_features_in_:
                raise ValueError(
                    f"random_effects has index {column}, but X has "
                    f"{self.n_features_in_} features."
                )
            columns.append(column)
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"random_effects must be distinct features; got {columns}."
            )
        return np.array(columns, dtype=int)


def _grouped(groups, X) -> tuple[np.ndarray, np.ndarray]:
    """Sorted labels of groups, and which one each sample belongs to."""
    if groups is None:
        everything = np.arange(X.shape[0])
        return everything, everything
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ValueError("groups contains NaN; each sample needs a group.")
    return np.unique(groups, return_inverse=True)


def _effects(X, columns: np.ndarray | None) -> np.ndarray:
    """Design of the random effects: an intercept and some columns of X."""
    if columns is None:
        return np.zeros((X.shape[0], 0))
    slopes = X[:, columns]
    slopes = slopes.toarray() if sparse.issparse(slopes) else slopes
    return np.column_stack([np.ones(X.shape[0]), slopes]).astype(np.float64)


class _State(NamedTuple):
    """A point and what follows from it."""

    w: np.ndarray  # intercept first, where there is one
    parts: Components
    weights: np.ndarray
    modes: np.ndarray
    objective: float = inf
    stationarity: float = inf
    n_iter: int = 0


class _Problem:
    """Rounds of weights, fixed effects and components, none of which raises the
    objective."""

    def __init__(
        self, X, y, groups: Groups, penalty: Any, freedom: float | None, solver: str
    ) -> None:
        if len(penalty.weights) > X.shape[1]:
            ones = np.ones((X.shape[0], 1))
            stack = sparse.hstack if sparse.issparse(X) else np.hstack
            X = stack([ones, X])
        self.X = sparse.csc_array(X, dtype=float) if sparse.issparse(X) else X
        self.y, self.groups, self.penalty = y, groups, penalty
        self.freedom, self.solver = freedom, solver
        self.scale = float(np.var(y)) or 1.0
        self.largest = 1.0

    def run(self, tol: float, max_iter: int) -> _State:
        """Until stationarity is within the tolerance, relative to the null model."""
        excluded = self.penalty.weights > 0.0
        null = self.penalty._replace(weights=np.where(excluded, inf, 0.0))
        state = self._begin(null)
        self.largest = self._largest_gradient(state, excluded)
        coef0 = None
        for n_iter in range(1, max_iter + 1):
            w = self._fixed_effects(state, self.penalty, tol, coef0)
            state = self.certified(state._replace(w=w))
            state = state._replace(n_iter=n_iter)
            coef0 = w
            if state.stationarity <= tol * self.largest:
                break
        return state

    def _begin(self, null) -> _State:
        """The model without penalised features."""
        root = 0.5 * np.eye(self.groups.moments.shape[1])
        nu = 4.0 if self.freedom is None else self.freedom
        parts = Components(0.5 * self.scale, root, nu)
        weights = np.ones(len(self.groups.sizes))
        state = _State(np.zeros(self.X.shape[1]), parts, weights, np.zeros(0))
        for _ in range(3):
            if (null.weights == 0.0).any():
                w = self._fixed_effects(state, null, 1e-3, None)
                state = state._replace(w=w)
            state = self._components(state)
        return state

    def _fixed_effects(self, state: _State, penalty, tol, coef0) -> np.ndarray:
        X = whiten(self.groups, state.weights, state.parts, self.X)
        y = whiten(self.groups, state.weights, state.parts, self.y)
        X = X if sparse.issparse(X) else np.asfortranarray(X, dtype=np.float64)
        convex = isinstance(penalty, L1)
        found = solve(
            X,
            y,
            Quadratic(),
            penalty,
            fit_intercept=False,
            coef0=None if convex else coef0,
            # A gap is of second order in what stationarity is of first.
            tol=max(0.01 * tol, 1e-12) if convex else 0.01 * tol,
            max_iter=1000 if self.solver == "pncg" else 100,
            solver="auto" if convex else self.solver,
        )
        return found.coef

    def _components(self, state: _State) -> _State:
        residual = self.y - self.X @ state.w
        parts, _ = fit_components(
            self.groups, residual, state.parts, self.scale, self.freedom
        )
        found = likelihood(self.groups, residual, parts)
        return state._replace(parts=parts, weights=found.weights, modes=found.modes)

    def certified(self, state: _State) -> _State:
        """With the objective and the largest violated condition."""
        residual = self.y - self.X @ state.w
        parts, slope = fit_components(
            self.groups, residual, state.parts, self.scale, self.freedom
        )
        found = likelihood(self.groups, residual, parts)
        X, minus_gradient = self._gradient(found.weights, parts, residual)
        curvature = float((_squares(X).sum(axis=0) / len(self.y)).max()) or 1.0
        violation = np.empty(len(state.w))
        fill_map(self.penalty, state.w, minus_gradient, curvature, violation)
        used = np.flatnonzero(state.w)
        price = sum(value(self.penalty, state.w[j], j) for j in used)
        return state._replace(
            parts=parts,
            weights=found.weights,
            modes=found.modes,
            objective=found.value + float(price),
            stationarity=max(float(np.abs(violation).max()), slope * self.largest),
        )

    def _gradient(self, weights, parts, residual):
        X = whiten(self.groups, weights, parts, self.X)
        r = whiten(self.groups, weights, parts, residual)
        return X, X.T @ r / len(r)

    def _largest_gradient(self, state: _State, penalised) -> float:
        residual = self.y - self.X @ state.w
        _, gradient = self._gradient(state.weights, state.parts, residual)
        kept = penalised & np.isfinite(self.penalty.weights)
        return float(np.abs(gradient[kept]).max(initial=0.0)) or 1.0


def _squares(X):
    return X.multiply(X) if sparse.issparse(X) else X * X
