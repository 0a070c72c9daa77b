"""Regression on few samples of a target, with samples of related tasks to be drawn.

Which of them help is learnt on the way: Wang, Chen, Jamieson and Du (2023),
arXiv:2306.02556, after Chen, Jamieson and Du (2022), arXiv:2202.00911.
"""

import warnings
from math import inf
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.low_rank import (
    LowRank,
    fit_low_rank,
    shrunken_weights,
    stack_tasks,
)
from sparsestat.optim.path import solve
from sparsestat.optim.penalties import L1
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    RandomState,
    Rule,
    Satisfies,
    check_parameters,
    check_sample_weight,
)

__all__ = ["ActiveMultiTaskRegressor"]

# Relative singular values of the weights that count as zero.
_RANK = 1e-10
# Tolerance of the epochs before the last, which only tell where to draw.
_LOOSE = 1e-3


def _are_sources(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(
        callable(source) or (isinstance(source, list | tuple) and len(source) == 2)
        for source in given
    )


class ActiveMultiTaskRegressor(RegressorMixin, BaseEstimator):
    r"""Linear regression with samples of other tasks, drawn where they help.

    The target has few samples; each of T sources gives more of them at a cost. The
    coefficients of all tasks share K directions, :math:`\theta_t = B w_t`, found from
    all N samples, the target's among them:

    .. math::
        \min_{B, W, b} \; \frac{1}{2N} \sum_{t=0}^{T} \sum_{i=1}^{n_t} \big( y_{ti}
        - x_{ti}^\top \theta_t - b_t \big)^2
        + \frac{\lambda}{2} \sum_{t=0}^{T} \| \theta_t \|^2.

    The budget is spent in epochs, each twice the one before. The first treats sources
    alike; after each, their relevances for the target 0 follow from the model so far,

    .. math::
        \nu = \operatorname{argmin}_\nu \tfrac{1}{2 K} \| W \nu - w_0 \|^2
        + \alpha \| \nu \|_1,

    and the next draws from source t in proportion to :math:`|\nu_t|`. That is the
    design under which the target's coefficients are known best, if the directions are:
    those of least l1 norm that represent :math:`w_0` (Elfving's theorem). As they are
    not, weights W that few samples tell are shrunk towards zero first, and a share of
    each epoch goes to all sources alike.

    Parameters
    ----------
    sources : list of (callable or (X, y)), default=None
        The sources. A callable maps ``(n_samples, random_state)``, a number and a
        RandomState, to X and y of that many samples; from a pair of arrays samples are
        drawn without replacement. None fits the target alone.
    n_components : int, default=1
        Number K of shared directions.
    budget : int, default=1000
        Samples to draw from all sources together.
    n_epochs : int, default=3
        Rounds of drawing.
    strategy : {"l1", "l2", "uniform"}, default="l1"
        How to draw: as above; in proportion to the squares of the :math:`\nu` of least
        l2 norm; or all sources alike.
    alpha : float, default=0.05
        Strength of the l1 penalty, in shares of that at which no source is relevant, in
        (0, 1).
    exploration : float, default=0.3
        Share of every epoch that is drawn from all sources alike, in [0, 1].
    ridge : float, default=1e-4
        The price :math:`\lambda`, in shares of the mean variance of the features.
    fit_intercept : bool, default=True
        Fit b, one for each task.
    max_iter : int, default=1000
        Steps at most in every epoch.
    tol : float, default=1e-6
        Bound of the gradient's norm, relative to the objective at coefficients of zero.
    random_state : int or RandomState, default=None
        Which samples are drawn.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the target, in the precision of X.
    intercept_ : float
        Intercept of the target.
    components_ : ndarray of shape (n_components, n_features)
        Shared directions, orthonormal, the most used first; fewer than `n_components`
        only where tasks or features are fewer.
    target_weights_ : ndarray of shape (n_components,)
        Weights of the target in them.
    source_weights_ : ndarray of shape (n_components, n_sources)
        Weights of the sources.
    source_coef_ : ndarray of shape (n_sources, n_features)
        Coefficients of the sources.
    relevance_ : ndarray of shape (n_sources,)
        The :math:`\nu` of all samples drawn.
    n_drawn_ : ndarray of shape (n_epochs, n_sources)
        Samples drawn from each source in each epoch.
    objective_ : float
        Objective of the last epoch.
    stationarity_ : float
        Norm of the gradient in an orthonormal B, with W and b at their best.
    stationarity_tol_ : float
        Bound that was asked for.
    n_iter_ : int
        Steps of all epochs.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    MultiTaskLasso : All tasks have the same samples and the same features.
    sklearn.linear_model.Ridge : The target alone.

    Notes
    -----
    The objective is not convex in the directions. With K as large as the number of
    tasks nothing is shared: it is ridge regression of each. Relevance depends on the
    sizes of the weights: a source with small coefficients tells little about its
    direction, so representing the target by it takes a large :math:`\nu_t`. "l1"
    concentrates on at most K sources, and "l2" spreads; where samples are too few to
    tell which sources are best, spreading is the safer choice.

    References
    ----------
    Wang, Chen, Jamieson and Du (2023), arXiv:2306.02556; Chen, Jamieson and Du (2022),
    arXiv:2202.00911; Elfving (1952), doi:10.1214/aoms/1177729442.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import ActiveMultiTaskRegressor
    >>> def source(coef):
    ...     def draw(n_samples, random_state):
    ...         X = random_state.standard_normal((n_samples, len(coef)))
    ...         return X, X @ coef + 0.1 * random_state.standard_normal(n_samples)
    ...     return draw
    >>> helpful, other = np.eye(20)[:2]
    >>> rng = np.random.RandomState(0)
    >>> X, y = source(2.0 * helpful)(10, rng)
    >>> model = ActiveMultiTaskRegressor(
    ...     [source(other), source(helpful)], n_components=2, budget=300, random_state=0
    ... ).fit(X, y)
    >>> model.n_drawn_.sum(axis=0).argmax()
    np.int64(1)
    >>> bool(np.linalg.norm(model.coef_ - 2.0 * helpful) < 0.2)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "sources": Satisfies(
            _are_sources, "a list of callables or pairs of arrays (X, y)"
        )
        | None,
        "n_components": Interval(1, inf, closed="left", integer=True),
        "budget": Interval(1, inf, closed="left", integer=True),
        "n_epochs": Interval(1, inf, closed="left", integer=True),
        "strategy": OneOf("l1", "l2", "uniform"),
        "alpha": Interval(0, 1, closed="neither"),
        "exploration": Interval(0, 1),
        "ridge": Interval(0, inf, closed="neither"),
        "fit_intercept": Boolean,
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="neither"),
        "random_state": RandomState,
    }

    def __init__(
        self,
        sources=None,
        n_components=1,
        *,
        budget=1000,
        n_epochs=3,
        strategy="l1",
        alpha=0.05,
        exploration=0.3,
        ridge=1e-4,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-6,
        random_state=None,
    ):
        self.sources = sources
        self.n_components = n_components
        self.budget = budget
        self.n_epochs = n_epochs
        self.strategy = strategy
        self.alpha = alpha
        self.exploration = exploration
        self.ridge = ridge
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Draw samples of the sources and fit the target.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data of the target.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the target's samples; drawn ones have weight 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range, for a budget below one
            sample for each source, and for sources that give other data than asked for.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=("csr", "csc"),
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        weight = check_sample_weight(sample_weight, X)
        if weight is not None:
            X, y, weight = X[weight > 0.0], y[weight > 0.0], weight[weight > 0.0]
        dtype, fit_intercept = X.dtype, bool(self.fit_intercept)
        target = _double(X), _double(y), weight
        rng = check_random_state(self.random_state)
        sources = [
            _Source(k, source, X.shape[1], rng)
            for k, source in enumerate(self.sources or [])
        ]
        if self.budget < len(sources):
            raise ValueError(
                f"budget must be at least the number of sources, {len(sources)}, so "
                f"that each gives a sample; got {self.budget}."
            )
        n_epochs = self.n_epochs if sources else 1
        shares = _rounded(2.0 ** np.arange(n_epochs), self.budget)
        drawn = np.zeros((n_epochs, len(sources)), dtype=np.int64)
        relevance, start, n_iter = np.zeros(len(sources)), None, 0
        for epoch in range(n_epochs):
            left = np.array([source.n_left for source in sources])
            wanted = self._proportions(relevance)
            drawn[epoch] = _allocation(wanted, int(shares[epoch]), left)
            for source, n_samples in zip(sources, drawn[epoch], strict=True):
                source.draw(int(n_samples))
            others = [source for source in sources if source.n_drawn]
            tasks = [target] + [(*source.rows(), None) for source in others]
            rows = stack_tasks(tasks, fit_intercept)
            found = fit_low_rank(
                rows,
                self.n_components,
                float(self.ridge),
                0.5 * (self.tol if epoch == n_epochs - 1 else max(self.tol, _LOOSE)),
                self.max_iter,
                start,
            )
            start, n_iter = found.components, n_iter + found.n_iter
            relevance = np.zeros(len(sources))
            if others:
                known = [source.number for source in others]
                relevance[known] = self._relevance(found, rows)
        self._take(found, rows, others, len(sources), dtype)
        self.relevance_, self.n_drawn_, self.n_iter_ = relevance, drawn, n_iter
        if self.stationarity_ > self.stationarity_tol_:
            warnings.warn(
                "ActiveMultiTaskRegressor did not reach its tolerance: the norm of "
                f"the gradient is {self.stationarity_:.3e}, asked were "
                f"{self.stationarity_tol_:.3e}. Increase max_iter, tol or ridge.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

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
        return X @ self.coef_ + self.intercept_

    def sample_allocation(self, n_samples):
        """How many of further samples to draw from each source.

        Parameters
        ----------
        n_samples : int
            Number of samples, >= 0.

        Returns
        -------
        n_drawn : ndarray of shape (n_sources,), int
            Numbers whose sum is `n_samples`, in proportion to what `relevance_` says.
        """
        check_is_fitted(self)
        rules = {"n_samples": Interval(0, inf, closed="left", integer=True)}
        check_parameters({"n_samples": n_samples}, rules, name="sample_allocation")
        return _rounded(self._proportions(self.relevance_), int(n_samples))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _proportions(self, relevance: np.ndarray) -> np.ndarray:
        """In which proportions to draw from the sources."""
        alike = np.full(len(relevance), 1.0 / max(len(relevance), 1))
        if self.strategy == "uniform" or not relevance.any():
            return alike
        share = np.abs(relevance) if self.strategy == "l1" else relevance**2
        return self.exploration * alike + (1.0 - self.exploration) * share / share.sum()

    def _relevance(self, found: LowRank, rows) -> np.ndarray:
        """Coefficients that represent the target's weights by those of the sources."""
        weights = shrunken_weights(found.components, rows)
        wanted, W = weights[:, 0], np.asfortranarray(weights[:, 1:])
        if self.strategy != "l1":
            return np.linalg.pinv(W, rcond=_RANK) @ wanted
        largest = np.abs(W.T @ wanted).max() / len(wanted)
        if largest == 0.0:
            return np.zeros(W.shape[1])
        penalty = L1(self.alpha * float(largest))
        return solve(W, wanted, Quadratic(), penalty, fit_intercept=False).coef

    def _take(self, found: LowRank, rows, others, n_sources: int, dtype) -> None:
        coefs = found.weights.T @ found.components
        self.components_ = found.components.astype(dtype)
        self.target_weights_ = found.weights[:, 0]
        self.source_weights_ = np.zeros((len(found.weights), n_sources))
        self.source_coef_ = np.zeros((n_sources, coefs.shape[1]), dtype=dtype)
        for source, weights, coef in zip(
            others, found.weights.T[1:], coefs[1:], strict=True
        ):
            self.source_weights_[:, source.number] = weights
            self.source_coef_[source.number] = coef
        self.coef_ = coefs[0].astype(dtype)
        self.intercept_ = float(rows.levels[0] - rows.means[0] @ coefs[0])
        self.objective_, self.stationarity_ = found.objective, found.stationarity
        self.stationarity_tol_ = self.tol * found.null_objective


class _Source:
    """A source, its stream of random numbers and the samples drawn so far."""

    def __init__(self, number: int, given: Any, n_features: int, rng) -> None:
        self.number, self.n_features = number, n_features
        self.rng = np.random.RandomState(rng.randint(2**31 - 1))
        self.given, self.blocks, self.n_drawn = given, [], 0
        self.n_left = inf
        if not callable(given):
            X, y = self._checked(*given)
            self.given = X, y
            self.order, self.n_left = self.rng.permutation(len(y)), len(y)

    def draw(self, n_samples: int) -> None:
        """Draw some more samples."""
        if n_samples == 0:
            return
        if callable(self.given):
            X, y = self._checked(*self._called(n_samples))
            if len(y) != n_samples:
                raise ValueError(
                    f"sources[{self.number}] must return as many samples as it is "
                    f"asked for, {n_samples}; got {len(y)}."
                )
        else:
            rows = self.order[self.n_drawn : self.n_drawn + n_samples]
            X, y = self.given[0][rows], self.given[1][rows]
            self.n_left -= n_samples
        self.blocks.append((X, y))
        self.n_drawn += n_samples

    def rows(self):
        """All samples drawn so far."""
        parts, targets = zip(*self.blocks, strict=True)
        if sparse.issparse(parts[0]):
            X = sparse.vstack(parts).tocsr()
        else:
            X = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self.blocks = [(X, np.concatenate(targets))]
        return self.blocks[0]

    def _called(self, n_samples: int):
        found = self.given(n_samples, self.rng)
        if not (isinstance(found, tuple | list) and len(found) == 2):
            raise ValueError(
                f"sources[{self.number}] must return a pair (X, y); got "
                f"{type(found).__name__}."
            )
        return found

    def _checked(self, X, y):
        try:
            X, y = check_X_y(X, y, accept_sparse="csr", dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"sources[{self.number}]: {error}") from error
        if X.shape[1] != self.n_features:
            raise ValueError(
                f"sources[{self.number}] must have {self.n_features} features, as the "
                f"target has; got {X.shape[1]}."
            )
        return X, y.astype(np.float64)


def _double(values):
    return values.astype(np.float64, copy=False)


def _rounded(wanted: np.ndarray, total: int) -> np.ndarray:
    """Integers of a given sum in some proportions, by largest remainders."""
    if len(wanted) == 0:
        return np.zeros(0, dtype=np.int64)
    exact = total * (wanted / wanted.sum())
    whole = np.floor(exact).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
    return whole


def _allocation(wanted, total: int, left: np.ndarray) -> np.ndarray:
    """Integers in some proportions, none above what is left."""
    found = np.zeros(len(wanted), dtype=np.int64)
    total = int(min(total, left.sum())) if len(left) else 0
    while (rest := total - int(found.sum())) > 0:
        free = found < left
        shares = np.where(free, wanted, 0.0)
        if not shares.any():
            shares = free.astype(np.float64)
        found = np.minimum(found + _rounded(shares, rest), left).astype(np.int64)
    return found
