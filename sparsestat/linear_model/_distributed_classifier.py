"""Best subsets for two or more classes from rows that are held in parts."""

import warnings
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.special import logsumexp
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from sparsestat.distributed._shards import is_dask
from sparsestat.linear_model._distributed_base import (
    SHARD_RULES,
    SIZE_RULES,
    DistributedModel,
)
from sparsestat.linear_model._distributed_scores import (
    accuracy_on_shards,
    is_in_parts,
)
from sparsestat.linear_model._softmax_exchanges import exchange
from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    fit_supports,
    leader_problem,
    null_fit,
    working_problem,
)
from sparsestat.linear_model._softmax_shards import contrasts_of, unique_labels
from sparsestat.linear_model._subset_rounds import Totals
from sparsestat.linear_model._subset_surrogate import candidate_path, leaders
from sparsestat.optim.design import is_constant
from sparsestat.optim.subset import subset_path
from sparsestat.optim.subset._units import default_max_size
from sparsestat.utils.criteria import price_of_parameters
from sparsestat.utils.validation import OneOf, Rule

__all__ = ["DistributedBestSubsetClassifier"]

# Largest model of a path, and of one by surrogates, unless the parameters say.
_MOST, _SURROGATE_SIZE = 40, 20
# Falls of the objective below this share are rounding.
_ROUNDING = 1e-9


class DistributedBestSubsetClassifier(ClassifierMixin, DistributedModel):
    r"""Best subset of features for classes on shards, as on all rows.

    .. math::
        \min_{w, b} \; \sum_i s_i \log(1 + e^{-y_i (x_i^\top w + b)})
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2 \quad \text{subject to} \quad
        \|w\|_0 \le k, \qquad s_i = q_i / \sum_l q_l,

    with y_i = 1 or -1 and q the sample weights, over rows that lie in several places.
    More than two classes have coefficients and an intercept each and the multinomial
    loss :math:`\log \sum_c e^{z_{ic}} - z_{i y_i}`; a feature is in or out for all.
    Around a model the likelihood is nearly a weighted least squares problem, whose
    second moments propose subsets of all sizes; the likelihood itself judges them, in
    rounds of Newton's method, and the next proposals are made around the best. At the
    end the eight most promising exchanges of one feature are fitted, and two for each
    other size that promise anything; the search goes on from the best of them until
    none helps.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        The k, or several to choose from; None is all sizes up to `max_nonzero_coefs`.
    max_nonzero_coefs : int, default=None
        Largest k where `n_nonzero_coefs` is None; None is n / (log p log log n), at
        most 40.
    criterion : str, default="ebic"
        Information criterion that chooses among sizes.
    ic_coef : float, default=1.0
        Factor of its price of coefficients.
    algorithm : {"auto", "gram", "columns", "surrogate"}, default="auto"
        What shards send for a proposal:

        - "gram": the whole second moments, p (p + 1) / 2 numbers.
        - "columns": blocks of them as the search asks; the same proposals.
        - "surrogate": gradients, and second moments of candidates that the largest
          shards propose; fewest numbers where p is large, nearly always the same
          support.
        - "auto": "gram" as long as it keeps to `max_bytes_per_round`, else "columns".
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where the data are
        dataframes, the names of their columns; k counts them.
    alpha : float, default=1e-6
        Ridge penalty; the default keeps coefficients of classes finite that can be
        separated.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=True
        Whether sigma_j is the standard deviation of feature j, or 1.
    early_stopping : bool, default=True
        End the path where the criterion has not fallen for long.
    tol : float, default=1e-6
        Bound of `stationarity_`.
    max_rounds : int, default=8
        Proposals at most, and exchanges at most after them.
    max_bytes_per_round : int, default=67_108_864
        Bytes from each shard up to which "auto" takes "gram", and up to which
        exchanges are looked at for other sizes than the chosen one, the nearest first;
        surrogates look at the chosen size only.
    n_shards : int, default=None
        Blocks that plain arrays are cut into; None is blocks of 65,536 rows.
    n_jobs : int, default=None
        Threads for shards in this process; the result does not depend on it.
    max_retries : int, default=3
        How often a failing shard is tried again.
    timeout : float, default=None
        Seconds that a shard may take.
    on_failure : {"raise", "drop"}, default="raise"
        Whether to start again without shards that are lost for good.
    missing_features : {"raise", "zero"}, default="raise"
        What to do where a shard's dataframe lacks columns: an error, or zeros.
    verbose : bool or int, default=0
        Print a line for each round.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; of two, coefficients are those of the second one.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the precision of X for plain arrays; of several classes they
        sum to zero.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    support_ : ndarray of shape (n_nonzero_coefs,)
        Chosen features.
    n_nonzero_coefs_ : int
        How many.
    sizes_ : ndarray of shape (n_sizes,)
        Sizes that were looked at.
    path_coef_ : csc_array of shape (n_outputs * n_features, n_sizes)
        Coefficients along the path, class after class.
    path_intercept_ : ndarray of shape (n_sizes,) or (n_classes, n_sizes)
        Intercepts along it.
    loss_ : ndarray of shape (n_sizes,)
        Mean negative log-likelihoods.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion.
    stationarity_ : float
        Largest derivative of the objective by a coefficient of a feature of unit
        deviation, relative to the mean size of the residuals of the null model.
    swap_gap_ : float
        What the best of the most promising exchanges of one feature would save, as a
        share of the objective: 0 where the likelihood, maximised after each of them,
        has not risen; else `max_rounds` ended the exchanges, and the last one saved
        as much.
    n_iter_ : int
        Proposals made.
    algorithm_ : str
        Algorithm that was used.
    communication_ : list of dict
        Account of every round, see :func:`sparsestat.distributed.map_reduce`.
    n_rounds_ : int
        Number of rounds.
    bytes_total_ : int
        Bytes sent in both directions, payloads only.
    dropped_shards_ : ndarray of int
        Shards that were lost and left out.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    DistributedBestSubsetRegressor : The same for least squares, with proofs.
    BestSubsetClassifier : Rows in one place, with groups, folds and proofs.
    sklearn.linear_model.LogisticRegression : All features, or the l1 penalty.

    Notes
    -----
    The curvature of several classes is a matrix for each row. Proposals take it for its
    trace times the mean shape of all rows, so that they need the second moments of the
    features once and not for each pair of classes. What exchanges promise is taken from
    the curvature of every pair of classes, in one round, for the sixteen features from
    outside that promise most by the mean shape; the likelihood that judges both is
    exact.

    References
    ----------
    Lan, Lin and Wang (2024), arXiv:2408.17276; Zhu, Wen, Zhu, Zhang and Wang (2020),
    doi:10.1073/pnas.2014241117.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sparsestat.linear_model import DistributedBestSubsetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = DistributedBestSubsetClassifier(3, n_shards=4).fit(X, y)
    >>> model.n_nonzero_coefs_, bool(model.score(X, y) > 0.95)
    (3, True)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **SIZE_RULES,
        "algorithm": OneOf("auto", "gram", "columns", "surrogate"),
        **SHARD_RULES,
        "missing_features": OneOf("raise", "zero"),
    }
    _numeric: ClassVar[bool] = False

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        algorithm="auto",
        always_select=None,
        alpha=1e-6,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        tol=1e-6,
        max_rounds=8,
        max_bytes_per_round=67_108_864,
        n_shards=None,
        n_jobs=None,
        max_retries=3,
        timeout=None,
        on_failure="raise",
        missing_features="raise",
        verbose=0,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.algorithm = algorithm
        self.always_select = always_select
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.tol = tol
        self.max_rounds = max_rounds
        self.max_bytes_per_round = max_bytes_per_round
        self.n_shards = n_shards
        self.n_jobs = n_jobs
        self.max_retries = max_retries
        self.timeout = timeout
        self.on_failure = on_failure
        self.missing_features = missing_features
        self.verbose = verbose

    def decision_function(self, X):
        """Log-odds of the second of two classes, or a score for each of several.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection
            Samples, of shape (n_samples, n_features).

        Returns
        -------
        z : ndarray or dask collection of shape (n_samples,) or (n_samples, n_classes)
            ``X @ coef_.T + intercept_``; lazy for lazy samples.
        """
        n_classes = self._n_classes()
        width = n_classes if n_classes > 2 else None
        z = self._linear(X, self.decision_function, width)
        return z[:, 0] if width is None and z.ndim == 2 else z

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection
            Samples, of shape (n_samples, n_features).

        Returns
        -------
        shares : ndarray or dask collection of shape (n_samples, n_classes)
            A column for each class; lazy for lazy samples.
        """
        n_classes = self._n_classes()
        if is_dask(X):
            return self._lazily(X, self.predict_proba, n_classes)
        z = self.decision_function(X)
        if n_classes == 2:
            z = np.column_stack([np.zeros_like(z), z])
        return np.exp(z - logsumexp(z, axis=1, keepdims=True))

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection
            Samples, of shape (n_samples, n_features).

        Returns
        -------
        y : ndarray or dask collection of shape (n_samples,)
            Labels; lazy for lazy samples.
        """
        n_classes = self._n_classes()
        if is_dask(X):
            return self._lazily(X, self.predict, None, self.classes_.dtype)
        z = self.decision_function(X)
        places = z.argmax(axis=1) if n_classes > 2 else (z > 0.0).astype(int)
        return self.classes_[places]

    def score(self, X, y=None, sample_weight=None):
        """Accuracy of the predicted classes.

        Parameters
        ----------
        X : array-like, sparse matrix, dask collection, list of shards or Shards
            Of shape (n_samples, n_features), as in `fit`; on shards and on dask
            collections the score is made where the rows lie, in one round.
        y : array-like or dask collection of shape (n_samples,), default=None
            Labels; None only where X are shards, which hold their own.
        sample_weight : array-like or dask collection, default=None
            Weights >= 0 of shape (n_samples,).

        Returns
        -------
        score : float
            Share of the rows, by weight.
        """
        check_is_fitted(self)
        if is_in_parts(X):
            return accuracy_on_shards(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)

    def _n_classes(self) -> int:
        check_is_fitted(self)
        return len(self.classes_)

    def _search(self, shards, communication: list[dict]) -> dict:
        """Propose around a model, judge by the likelihood, until nothing improves."""
        layout = self._layout(shards, communication)
        p, locked = layout.n_features, self._locked(layout)
        algorithm = self.algorithm
        fits = 4 * p * (p + 1) <= self.max_bytes_per_round
        if algorithm == "auto":
            algorithm = "gram" if fits else "columns"
        shards = shards.persist()
        rounds = self._rounds(shards, layout, communication)
        (classes,) = rounds.ask(unique_labels, "labels", _union)
        check_classification_targets(classes)
        if len(classes) < 2:
            raise ValueError(
                "y must have two or more classes; got "
                f"{'no class' if len(classes) == 0 else f'1 class: {classes[0]}'}."
            )
        rounds.layout = layout = replace(layout, classes=classes)
        margins, null = null_fit(rounds)
        n_rows, weight = map(float, margins.counts)
        if weight <= 0.0:
            raise ValueError("sample_weight must not be all zero; got no weight.")
        variance = margins.diagonal[:p] / weight
        centre = margins.mean[:p] if rounds.centred else np.zeros(p)
        totals = Totals(n_rows, weight, centre, 0.0)
        still = is_constant(centre, variance, int(n_rows))
        scale = np.sqrt(np.where(still, 0.0, variance))
        alpha = float(self.alpha)
        ridge = alpha * scale**2 if self.standardize else np.full(p, alpha)
        sizes = self._sizes(p, n_rows, len(locked))
        top = max(self._top(sizes, totals, p, algorithm), len(locked))
        options = self._path_options(sizes, top) | {"locked": locked}
        if algorithm == "surrogate":
            asked = leaders(rounds, max(top, 1)), fits, max(top, 1)
            propose = partial(self._by_surrogate, rounds, totals, ridge, asked, options)
        else:
            propose = partial(
                self._by_moments, rounds, totals, ridge, algorithm == "gram", options
            )
        # What a look at all sizes takes is more than all else that surrogates send.
        room = 0 if algorithm == "surrogate" else self.max_bytes_per_round
        ends = {"room": room, "locked": locked}
        found = self._follow(rounds, null, totals, ridge, scale, propose, ends)
        return {
            **found,
            "algorithm": algorithm,
            "layout": layout,
            "classes": classes,
            "totals": totals,
        }

    def _follow(self, rounds, null, totals, ridge, scale, propose, ends) -> dict:
        """The best fits of all sizes, by proposals first and then by exchanges.

        Proposals are made around the null model first.
        """
        p, current, given = len(ridge), null, (totals, ridge, scale)
        best: dict[int, SoftmaxFit] = {}

        def choose(fits):
            return min(fits, key=lambda k: (self._criterion_of(fits[k], totals, p), k))

        seen: set[bytes] = set()
        n_iter, settled, size = 0, False, 0.0
        while not settled and n_iter < self.max_rounds:
            n_iter += 1
            working, supports, coefs = propose(current, scale > 0.0)
            size = size or working.size or 1.0
            starts = []
            for A, coef in zip(supports, coefs, strict=True):
                if A.tobytes() not in seen:
                    seen.add(A.tobytes())
                    start = SoftmaxFit(A, coef, current.intercept, *[np.inf] * 3)
                    starts.append(start)
            bars = {k: fit.objective for k, fit in best.items()}
            fits = fit_supports(rounds, starts, *given, self.tol * size, bars)
            improved = False
            for fit in fits:
                k = len(fit.support)
                known = best[k].objective if k in best else np.inf
                if fit.objective < known - _ROUNDING * abs(known if k in best else 0):
                    best[k], improved = fit, True
            chosen = choose(best)
            same = np.array_equal(best[chosen].support, current.support)
            settled = same or not improved
            current = best[chosen]
        best, chosen, swap_gap = exchange(
            rounds, best, choose, working if same else None, *given, self.tol * size,
            seen, self.max_rounds, _ROUNDING, **ends,
        )  # fmt: skip
        values = {k: self._criterion_of(best[k], totals, p) for k in sorted(best)}
        return {
            "fits": {k: (best[k], values[k]) for k in values},
            "chosen": chosen,
            "n_iter": n_iter,
            "swap_gap": swap_gap,
            "size": size,
        }

    @staticmethod
    def _by_moments(rounds, totals, ridge, whole, options, fit, usable):
        """Supports and starts from second moments of all, whole or by blocks."""
        working = working_problem(rounds, fit, totals, ridge, whole)
        path = subset_path(_only(working.problem, usable), **options)
        return working, path.supports, [working.coefs_of(c) for c in path.coefs]

    def _by_surrogate(self, rounds, totals, ridge, asked, options, fit, usable):
        """The same among candidates, from second moments of the largest shards."""
        leader, whole, top = asked
        working = working_problem(rounds, fit, totals, ridge, False)
        problem = _only(working.problem, usable)
        own = leader_problem(rounds, fit, totals, working, leader, whole)

        def propose(surrogate, sizes):
            own = {"sizes": sizes, "locked": None}
            return subset_path(surrogate, **(options | own))

        def judge(candidates):
            return subset_path(candidates, **options)

        path = candidate_path(
            own, problem, propose, judge, fit.support, working.coef, working.residual,
            top, self.max_rounds, self.tol, options["locked"],
        )  # fmt: skip
        return working, path.supports, [working.coefs_of(c) for c in path.coefs]

    def _top(self, sizes, totals, p: int, algorithm: str) -> int:
        """Largest model of a path."""
        if sizes is not None:
            return int(sizes[-1])
        top = self.max_nonzero_coefs
        if top is None:
            most = _SURROGATE_SIZE if algorithm == "surrogate" else _MOST
            top = min(default_max_size(totals.weight, p), most)
        return min(top, p)

    def _path_options(self, sizes, top: int) -> dict:
        return {
            "sizes": sizes,
            "max_size": top,
            "criterion": self.criterion,
            "ic_coef": float(self.ic_coef),
            "n_intercepts": int(bool(self.fit_intercept)),
            "solver": "swap",
            "early_stopping": bool(self.early_stopping),
        }

    def _criterion_of(self, fit: SoftmaxFit, totals, p: int) -> float:
        s, m = fit.coef.shape
        n_intercepts = m * int(bool(self.fit_intercept))
        price = price_of_parameters(
            self.criterion,
            m * s + n_intercepts,
            n_samples=totals.weight,
            n_features=p,
            n_intercepts=n_intercepts,
            n_chosen=s,
        )
        return 2.0 * totals.weight * fit.loss + self.ic_coef * float(price)

    def _take(self, found: dict, dtype) -> None:
        """Set the fitted attributes from a search."""
        totals, p = found["totals"], len(found["totals"].mean)
        sizes = list(found["fits"])
        fits = [found["fits"][k][0] for k in sizes]
        fit = found["fits"][found["chosen"]][0]
        self.classes_ = found["classes"]
        self.sizes_ = np.array(sizes)
        T = contrasts_of(len(found["classes"]))
        T = T[1:] if len(T) == 2 else T  # the second of two classes
        parts = [_on_classes(f, T, totals.mean, p) for f in fits]
        coefs, intercepts = zip(*parts, strict=True)
        columns = [sparse.csc_array(coef.reshape(-1, 1)) for coef in coefs]
        self.path_coef_ = sparse.hstack(columns, format="csc").astype(dtype)
        self.path_intercept_ = np.column_stack(intercepts)
        if len(T) == 1:
            self.path_intercept_ = self.path_intercept_[0]
        self.loss_ = np.array([f.loss for f in fits])
        self.criterion_ = np.array([found["fits"][k][1] for k in sizes])
        self.support_ = fit.support
        self.n_nonzero_coefs_ = len(fit.support)
        k = sizes.index(found["chosen"])
        self.coef_, self.intercept_ = (
            coefs[k].astype(dtype),
            intercepts[k].astype(dtype),
        )
        self.algorithm_ = found["algorithm"]
        self.stationarity_ = fit.gradient / found["size"]
        self.swap_gap_ = found["swap_gap"]
        self.n_iter_ = found["n_iter"]

    def _warn(self) -> None:
        if self.stationarity_ > self.tol:
            warnings.warn(
                "DistributedBestSubsetClassifier did not reach its tolerance: the "
                f"gradient is {self.stationarity_:.2e}, asked was {self.tol:g}. The "
                "classes may be separable: increase alpha.",
                ConvergenceWarning,
                stacklevel=3,
            )
        if self.swap_gap_ > self.tol:
            warnings.warn(
                "DistributedBestSubsetClassifier: the last exchange of a feature saved "
                f"{self.swap_gap_:.2e} of the objective, and others may save more; tol "
                f"is {self.tol:g}. Increase max_rounds.",
                ConvergenceWarning,
                stacklevel=3,
            )


def _only(problem, usable: np.ndarray):
    """The problem in which other features are constant."""
    usable = usable & (problem.diagonal > 0.0)
    return problem._replace(diagonal=np.where(usable, problem.diagonal, 0.0))


def _on_classes(fit: SoftmaxFit, T: np.ndarray, mean: np.ndarray, p: int) -> tuple:
    """Coefficients (n_outputs, n_features) and intercepts of a fit."""
    coef = np.zeros((len(T), p))
    coef[:, fit.support] = T @ fit.coef.T
    return coef, T @ fit.intercept - coef @ mean


def _union(first, second) -> tuple[np.ndarray]:
    return (np.union1d(first[0], second[0]),)
