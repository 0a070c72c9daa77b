"""Sparse mixed models whose noise has heavy tails.

Alternates between fixed effects (a penalised least squares problem on whitened,
reweighted data), the variance components and the degrees of freedom.  The multivariate
q-Gaussian after Tsallis (1988), doi:10.1007/BF01016429; weights after Lange, Little and
Taylor (1989), doi:10.1080/01621459.1989.10478852.
"""

from math import inf
from typing import ClassVar, NamedTuple

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
    make_groups,
)
from sparsestat.linear_model._tsallis_rounds import MixedProblem, State
from sparsestat.optim.penalties import L1, MCP, SCAD
from sparsestat.utils.criteria import CRITERIA, price_of_parameters
from sparsestat.utils.validation import (
    ArrayLike,
    Each,
    Interval,
    OneOf,
    Rule,
    Satisfies,
    check_parameters,
    check_sample_weight,
    check_weights,
)

__all__ = ["TsallisMixedModel"]

_GAMMA = {"mcp": 3.0, "scad": 3.7}
# Length of the grid of a criterion, and the tolerance on it.
_SHORTEST, _COARSE = 1e-2, 1e-3


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
    alpha : float or {"aic", "aicc", "bic", "ebic"}, default=0.1
        Strength of the penalty, > 0, in units of 1 / y: the loss counts residuals in
        units of the noise. Or an information criterion that chooses it on a grid, from
        the largest gradient of the null model to a hundredth of it.
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
    n_path : int, default=10
        Strengths in which to come down from the null model; with any, a second way
        returns from a tenth of `alpha`, and the better end counts. 0 starts at the null
        model. For a criterion the size of the grid, 1 at least.
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
        The groups, sorted; those of positive weight only.
    alpha_ : float
        The strength.
    alphas_ : ndarray of shape (n_path,)
        Grid of strengths, decreasing, only if a criterion chooses.
    criterion_ : ndarray of shape (n_path,)
        Values of the criterion on the grid, only if it chooses.
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
    The objective is not convex, and has no lower bound where the noise vanishes, so
    :math:`\sigma^2` stays above a millionth of the variance of y. With strong signals
    the null model is stationary at strengths where a sparse one is far better: hence
    the two ways of `n_path`.
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
        "alpha": Interval(0, inf, closed="neither") | OneOf(*CRITERIA),
        "q": OneOf("auto") | Interval(1, 3, closed="left"),
        "random_effects": OneOf("intercept")
        | Each(
            Interval(0, inf, closed="left", integer=True)
            | Satisfies(lambda name: isinstance(name, str), "a feature name")
        ),
        "penalty": OneOf("l1", "scad", "mcp"),
        "gamma": Interval(0, inf, closed="neither") | None,
        "penalty_weights": ArrayLike | None,
        "n_path": Interval(0, inf, closed="left", integer=True),
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
        n_path=10,
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
        self.n_path = n_path
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit fixed effects, variance components and the tails of the noise.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, the same for all samples of a group: one of k equals k groups
            like it.
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
            For data, weights, groups or parameters outside their range, and for weights
            that differ within a group.
        """
        check_parameters(self, self._rules)
        for name in ("alphas_", "criterion_"):
            vars(self).pop(name, None)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        y = y.astype(np.float64, copy=False)
        weight = check_sample_weight(sample_weight, X)
        if weight is not None and not weight.all():
            kept = weight > 0.0
            X, y, weight = X[kept], y[kept], weight[kept]
            groups = None if groups is None else column_or_1d(groups)[kept]
        labels, index = _grouped(groups, X)
        # Without a group of two, random effects are noise by another name.
        known = groups is not None and len(labels) < len(y)
        columns = self._effect_columns() if known else None
        data = make_groups(index, _effects(X, columns), _shares(weight, index, labels))
        penalty = self._penalty(X.shape[1])
        problem = MixedProblem(X, y, data, penalty, self._freedom(), self.solver)
        tol, start = solver_tol(self.tol, X.dtype), problem.begin()
        alpha, n_path = self.alpha, self.n_path
        if isinstance(alpha, str):
            total = float(len(y) if weight is None else weight.sum())
            alpha, start, n_path = self._choose(problem, start, total)
        state = problem.run(float(alpha), tol, self.max_iter, n_path, start)
        w = state.w.astype(X.dtype).astype(np.float64)
        penalty = penalty._replace(alpha=float(alpha))
        state = problem.certified(state._replace(w=w), penalty)
        self.alpha_ = float(alpha)
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
            self, self.alpha_, self.stationarity_, self.stationarity_tol_, stacklevel=3
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

    def _choose(self, problem: MixedProblem, start: State, n: float):
        """The strength that a criterion takes, a state there, and no further path."""
        low, n_path = _SHORTEST * problem.largest, max(self.n_path, 1)
        down = np.geomspace(problem.largest, low, n_path)
        ways = []
        for alphas in (down, down[::-1]):  # one from the null model, and back
            states = []
            for alpha in alphas:
                start = problem.rounds(start, alpha, _COARSE, self.max_iter)
                states.append(start)
            ways.append(states)
        pairs = zip(ways[0], ways[1][::-1], strict=True)
        best = [min(pair, key=lambda state: state.objective) for pair in pairs]
        n_others = int(self.fit_intercept) + start.parts.root.shape[0] + 1
        n_others += int(self.q == "auto")
        sizes = [np.count_nonzero(s.w[int(self.fit_intercept) :]) for s in best]
        dof = np.array(sizes, dtype=float) + n_others
        price = price_of_parameters(
            self.alpha,
            dof,
            n_samples=n,
            n_features=self.n_features_in_,
            n_intercepts=n_others,
        )
        losses = np.array([state.loss for state in best])
        self.alphas_, self.criterion_ = down, 2.0 * n * losses + price
        k = int(np.argmin(self.criterion_))
        return down[k], best[k], 0

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
            return L1(1.0, weights)
        gamma = _GAMMA[self.penalty] if self.gamma is None else float(self.gamma)
        if self.penalty == "mcp":
            return MCP(1.0, gamma, weights)
        if gamma <= 2.0:
            raise ValueError(f"gamma must be > 2 for penalty='scad'; got {gamma}.")
        return SCAD(1.0, gamma, weights)

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


def _shares(weight, index, labels) -> np.ndarray:
    """Weights of groups, whose mean over the samples is one."""
    if weight is None:
        return np.ones(len(labels))
    first = np.zeros(len(labels))
    first[index] = weight
    apart = np.flatnonzero(first[index] != weight)
    if len(apart):
        group = index[apart[0]]
        raise ValueError(
            "sample_weight must be the same for all samples of a group; got "
            f"{weight[apart[0]]} and {first[group]} in group {labels[group]!r}."
        )
    return first * (len(weight) / weight.sum())


def _effects(X, columns: np.ndarray | None) -> np.ndarray:
    """Design of the random effects: an intercept and some columns of X."""
    if columns is None:
        return np.zeros((X.shape[0], 0))
    slopes = X[:, columns]
    slopes = slopes.toarray() if sparse.issparse(slopes) else slopes
    return np.column_stack([np.ones(X.shape[0]), slopes]).astype(np.float64)
