"""Best subsets for logistic regression from rows that are held in parts."""

import warnings
from dataclasses import replace
from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets

from sparsestat.linear_model._distributed_base import (
    SHARD_RULES,
    SIZE_RULES,
    DistributedModel,
)
from sparsestat.linear_model._distributed_subset import stacked
from sparsestat.linear_model._logistic_rounds import (
    LogisticFit,
    fit_supports,
    unique_labels,
    working_problem,
)
from sparsestat.linear_model._subset_rounds import Totals
from sparsestat.optim.design import is_constant
from sparsestat.optim.subset import subset_path
from sparsestat.optim.subset.path import default_max_size
from sparsestat.utils.criteria import price_of_parameters
from sparsestat.utils.validation import Rule

__all__ = ["DistributedBestSubsetClassifier"]

# Largest model of a path, unless the parameters say.
_MOST = 40
# Falls of the objective below this share are rounding.
_ROUNDING = 1e-9


class DistributedBestSubsetClassifier(ClassifierMixin, DistributedModel):
    r"""Best subset of features for two classes on shards, as on all rows.

    .. math::
        \min_{w, b} \; \sum_i s_i \log(1 + e^{-y_i (x_i^\top w + b)})
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2 \quad \text{subject to} \quad
        \|w\|_0 \le k, \qquad s_i = q_i / \sum_l q_l,

    with y_i = 1 or -1 and q the sample weights, over rows that lie in several places.
    Around a model the likelihood is a weighted least squares problem, whose second
    moments propose subsets of all sizes; the likelihood itself judges them, in rounds
    of Newton's method, and the next proposals are made around the best.

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
        Proposals at most, each a round with p (p + 1) / 2 numbers from a shard.
    max_bytes_per_round : int, default=67_108_864
        Bytes from each shard in a round at most.
    n_shards : int, default=None
        Blocks that plain arrays are cut into; None is blocks of 65,536 rows.
    n_jobs : int, default=None
        Threads for shards in this process; the result does not depend on it.
    client : distributed.Client, default=None
        Cluster for dask collections; None is the current one, if any.
    max_retries : int, default=3
        How often a failing shard is tried again.
    timeout : float, default=None
        Seconds that a shard may take.
    on_failure : {"raise", "drop"}, default="raise"
        Whether to start again without shards that are lost for good.
    missing_features : {"raise", "zero"}, default="raise"
        What to do where a shard's dataframe lacks columns: an error, or zeros.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels.
    coef_ : ndarray of shape (1, n_features)
        Coefficients, in the precision of X for plain arrays.
    intercept_ : ndarray of shape (1,)
        Intercept.
    support_ : ndarray of shape (n_nonzero_coefs,)
        Chosen features.
    n_nonzero_coefs_ : int
        How many.
    sizes_ : ndarray of shape (n_sizes,)
        Sizes that were looked at.
    path_coef_ : csc_array of shape (n_features, n_sizes)
        Coefficients along the path.
    path_intercept_ : ndarray of shape (n_sizes,)
        Intercepts along it.
    loss_ : ndarray of shape (n_sizes,)
        Mean negative log-likelihoods.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion.
    stationarity_ : float
        Largest entry of the gradient on the support, features of unit deviation.
    n_iter_ : int
        Proposals made.
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
    DistributedBestSubsetRegressor : The same for least squares, with certificates.
    sklearn.linear_model.LogisticRegression : All features, or the l1 penalty.

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

    _rules: ClassVar[dict[str, Rule]] = {**SIZE_RULES, **SHARD_RULES}
    _numeric: ClassVar[bool] = False

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        alpha=1e-6,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        tol=1e-6,
        max_rounds=8,
        max_bytes_per_round=67_108_864,
        n_shards=None,
        n_jobs=None,
        client=None,
        max_retries=3,
        timeout=None,
        on_failure="raise",
        missing_features="raise",
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.tol = tol
        self.max_rounds = max_rounds
        self.max_bytes_per_round = max_bytes_per_round
        self.n_shards = n_shards
        self.n_jobs = n_jobs
        self.client = client
        self.max_retries = max_retries
        self.timeout = timeout
        self.on_failure = on_failure
        self.missing_features = missing_features

    def decision_function(self, X):
        """Log-odds of the second class: ``X @ coef_[0] + intercept_``.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection
            Samples, of shape (n_samples, n_features).

        Returns
        -------
        z : ndarray or dask collection of shape (n_samples,)
            Log-odds; lazy for lazy samples.
        """
        return self._linear(X, self.decision_function)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        shares : ndarray of shape (n_samples, 2)
            A column for each class.
        """
        z = self.decision_function(X)
        return np.exp(-np.logaddexp(0.0, np.column_stack([z, -z])))

    def predict(self, X):
        """Predict the more probable class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        z = np.asarray(self.decision_function(X))
        return self.classes_[(z > 0.0).astype(int)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _search(self, shards, communication: list[dict]) -> dict:
        """Propose around a model, judge by the likelihood, until nothing improves."""
        layout = self._layout(shards, communication)
        p = layout.n_features
        if 4 * p * (p + 1) > self.max_bytes_per_round:
            raise ValueError(
                f"max_bytes_per_round must be at least {4 * p * (p + 1)} for {p} "
                f"features; got {self.max_bytes_per_round}."
            )
        shards = shards.persist()
        rounds = self._rounds(shards, layout, communication)
        (classes,) = rounds.ask(unique_labels, "labels", _union)
        check_classification_targets(classes)
        if len(classes) != 2:
            many = "Only binary classification is supported. " * (len(classes) > 2)
            raise ValueError(
                f"{many}y must have two classes; got {len(classes)} class"
                f"{'es' * (len(classes) != 1)}: {classes[:5]}."
            )
        rounds.layout = layout = replace(layout, classes=classes)
        margins = rounds.margins()
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
        sizes = self._sizes(p, n_rows)
        fits, chosen, n_iter = self._follow(rounds, totals, sizes, ridge, scale)
        return {
            "layout": layout,
            "classes": classes,
            "totals": totals,
            "fits": fits,
            "chosen": chosen,
            "n_iter": n_iter,
        }

    def _follow(self, rounds, totals, sizes, ridge, scale):
        """The best fits of all sizes, the chosen size, and how many proposals it took.

        Proposals are made around the null model first.
        """
        p, options = len(ridge), self._path_options(totals, sizes, len(ridge))
        none = LogisticFit(np.array([], np.int64), np.empty(0), 0.0, np.inf, np.inf, 0)
        (current,) = fit_supports(rounds, [none], totals, ridge, scale, self.tol)
        best: dict[int, LogisticFit] = {}
        seen: set[bytes] = set()
        n_iter, settled = 0, False
        while not settled and n_iter < self.max_rounds:
            n_iter += 1
            problem = working_problem(rounds, current, totals, ridge)
            usable = (problem.diagonal > 0.0) & (scale > 0.0)
            problem = problem._replace(diagonal=np.where(usable, problem.diagonal, 0.0))
            path = subset_path(problem, sizes, **options)
            starts = []
            for A, coef in zip(path.supports, path.coefs, strict=True):
                if A.tobytes() not in seen:
                    seen.add(A.tobytes())
                    starts.append(_start(current, A, coef[0]))
            fits = fit_supports(rounds, starts, totals, ridge, scale, self.tol)
            improved = False
            for fit in fits:
                k = len(fit.support)
                known = best[k].objective if k in best else np.inf
                if fit.objective < known - _ROUNDING * abs(known if k in best else 0):
                    best[k], improved = fit, True
            values = {k: self._criterion_of(best[k], totals, p) for k in sorted(best)}
            chosen = min(values, key=values.get)
            same = np.array_equal(best[chosen].support, current.support)
            settled = same or not improved
            current = best[chosen]
        return {k: (best[k], values[k]) for k in values}, chosen, n_iter

    def _path_options(self, totals, sizes, p: int) -> dict:
        top = None
        if sizes is None:
            top = self.max_nonzero_coefs
            if top is None:
                top = min(default_max_size(totals.weight, p), _MOST)
            top = min(top, p)
        return {
            "max_size": top,
            "criterion": self.criterion,
            "ic_coef": float(self.ic_coef),
            "n_intercepts": int(bool(self.fit_intercept)),
            "solver": "swap",
            "early_stopping": bool(self.early_stopping),
        }

    def _criterion_of(self, fit: LogisticFit, totals, p: int) -> float:
        n_intercepts = int(bool(self.fit_intercept))
        price = price_of_parameters(
            self.criterion,
            len(fit.support) + n_intercepts,
            n_samples=totals.weight,
            n_features=p,
            n_intercepts=n_intercepts,
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
        self.path_coef_ = stacked(
            [f.support for f in fits], [f.coef for f in fits], p
        ).astype(dtype)
        at_means = np.array([f.intercept for f in fits])
        self.path_intercept_ = at_means - totals.mean @ self.path_coef_
        self.loss_ = np.array([f.loss for f in fits])
        self.criterion_ = np.array([found["fits"][k][1] for k in sizes])
        self.support_ = fit.support
        self.n_nonzero_coefs_ = len(fit.support)
        coef = np.zeros(p)
        coef[fit.support] = fit.coef
        self.coef_ = coef[None, :].astype(dtype)
        intercept = fit.intercept - totals.mean @ coef
        self.intercept_ = np.array([intercept], dtype=dtype)
        self.stationarity_ = fit.gradient
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


def _start(current: LogisticFit, support, coef) -> LogisticFit:
    """Where Newton's method begins on a support: what the quadratic model says."""
    return LogisticFit(support, coef, current.intercept, np.inf, np.inf, np.inf)


def _union(first, second) -> tuple[np.ndarray]:
    return (np.union1d(first[0], second[0]),)
