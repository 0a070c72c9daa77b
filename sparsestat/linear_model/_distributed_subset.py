"""Best subsets of features from rows that are held in parts."""

import warnings
from functools import partial
from math import inf
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sparsestat.linear_model._distributed_base import (
    POSITIVE,
    SHARD_RULES,
    SIZE_RULES,
    DistributedModel,
)
from sparsestat.linear_model._distributed_scores import is_in_parts, r2_on_shards
from sparsestat.linear_model._subset_available import available_problem
from sparsestat.linear_model._subset_path import SizesMixin, criterion_bounds
from sparsestat.linear_model._subset_rounds import column_problem, gram_problem
from sparsestat.linear_model._subset_surrogate import surrogate_path
from sparsestat.optim.subset import subset_path
from sparsestat.optim.subset._units import default_max_size
from sparsestat.utils.validation import Interval, OneOf, Rule

__all__ = ["DistributedBestSubsetRegressor", "stacked"]

# Largest model among the candidates of a surrogate, unless the parameters say.
_SURROGATE_SIZE = 20


class DistributedBestSubsetRegressor(SizesMixin, RegressorMixin, DistributedModel):
    r"""Best subset of features on shards, equal to the fit on all rows.

    .. math::
        \min_{w, b} \; \sum_i s_i (y_i - x_i^\top w - b)^2
        + \alpha \sum_j \sigma_j^2 w_j^2 \quad \text{subject to} \quad \|w\|_0 \le k,
        \qquad s_i = q_i / \sum_l q_l,

    with q the sample weights, over rows that lie in several places. Rows never move;
    shards send sums, which are accounted for.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        The k, or several to choose from; None is all sizes up to `max_nonzero_coefs`.
    max_nonzero_coefs : int, default=None
        Largest k where `n_nonzero_coefs` is None; None is n / (log p log log n).
    criterion : str, default="ebic"
        Information criterion that chooses among sizes, see
        :func:`sparsestat.utils.criteria.information_criterion`.
    ic_coef : float, default=1.0
        Factor of its price of coefficients.
    algorithm : {"auto", "gram", "columns", "surrogate"}, default="auto"
        - "gram": one round with the whole second moments, p (p + 1) / 2 numbers from
          each shard; exact.
        - "columns": blocks of second moments as the search asks for them; exact, a few
          rounds.
        - "surrogate": gradients, and second moments of candidates that the largest
          shards propose; fewest numbers where p is large, nearly always the same
          support.
        - "auto": "gram" as long as it keeps to `max_bytes_per_round`, else "columns".
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        Search among subsets, see :func:`sparsestat.optim.subset.subset_path`.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where the data are
        dataframes, the names of their columns; k counts them.
    alpha : float, default=0.0
        Ridge penalty.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=True
        Whether sigma_j is the standard deviation of feature j, or 1.
    early_stopping : bool, default=True
        End the path where the criterion has not fallen for long.
    max_nodes : int, default=2_000_000
        Nodes of an exact search at most.
    time_limit : float, default=None
        Seconds of an exact search at most.
    tol : float, default=1e-9
        Share of the residual square that an exchange of one feature may still save.
    refine : {"pooled", "average", "information"} or None, default="pooled"
        How the coefficients of the chosen features are found: least squares of all
        rows by triangular factors; means of the shards' own fits, weighted by rows or
        by second moments; or None, from the second moments of the search, without a
        round.
    max_rounds : int, default=8
        Surrogates at most.
    max_bytes_per_round : int, default=67_108_864
        Bytes from each shard up to which "auto" takes "gram".
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
    missing_features : {"raise", "zero", "available"}, default="raise"
        What to do where a shard's dataframe lacks columns: an error; zeros, as for
        levels that were never seen there; or second moments of every two features from
        the shards that have both, with "gram" only. These are clipped, with a warning,
        where they are those of no data; criteria count the rows that have the rarest
        feature; and coefficients are found as by ``refine=None``.
    verbose : bool or int, default=0
        Print a line for each round.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X for plain arrays.
    intercept_ : float
        Intercept.
    support_ : ndarray of shape (n_nonzero_coefs,)
        Chosen features.
    n_nonzero_coefs_ : int
        How many.
    sizes_ : ndarray of shape (n_sizes,)
        Sizes that were looked at.
    path_coef_ : csc_array of shape (n_features, n_sizes)
        Coefficients along the path, from second moments but for the chosen size.
    path_intercept_ : ndarray of shape (n_sizes,)
        Intercepts along it.
    rss_ : ndarray of shape (n_sizes,)
        Weighted residual sums of squares.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion.
    optimal_ : bool
        Whether the chosen subset is proved to be the best of its size.
    optimal_path_ : ndarray of shape (n_sizes,), bool
        The same for each size.
    lower_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds along the path.
    criterion_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the criterion of each size; -inf for none.
    lower_bound_ : float
        No subset of the chosen size has a smaller penalised sum of squares.
    optimality_gap_ : float
        (reached - ``lower_bound_``) / reached.
    swap_gap_ : float
        Share of the sum of squares that the best exchange of one feature would save; 1
        for other sizes than the chosen one if `algorithm` is "surrogate".
    stationarity_ : float
        The same; `tol` bounds it.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_nodes_ : int
        Nodes of exact searches.
    n_iter_ : int
        Exchanges made by the search.
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
    BestSubsetRegressor : The same for rows in one place, with groups and folds.
    sparsestat.distributed.condense : Rows for every other least squares estimator.
    sklearn.linear_model.LinearRegression : Least squares with all features.

    References
    ----------
    Lan, Lin and Wang (2024), arXiv:2408.17276; Zhu, Wen, Zhu, Zhang and Wang (2020),
    doi:10.1073/pnas.2014241117; Jordan, Lee and Yang (2019),
    doi:10.1080/01621459.2018.1429274.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import DistributedBestSubsetRegressor
    >>> X, y = make_sparse_regression(
    ...     1000, 30, n_nonzero_coefs=3, random_state=0, return_X_y=True
    ... )
    >>> model = DistributedBestSubsetRegressor(n_shards=5).fit(X, y)
    >>> model.n_nonzero_coefs_, model.optimal_, model.n_rounds_
    (3, True, 2)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **SIZE_RULES,
        "algorithm": OneOf("auto", "gram", "columns", "surrogate"),
        "solver": OneOf("auto", "splicing", "swap", "exact"),
        "max_nodes": POSITIVE,
        "time_limit": Interval(0, inf, closed="neither") | None,
        "refine": OneOf("pooled", "average", "information", None),
        **SHARD_RULES,
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        algorithm="auto",
        solver="auto",
        always_select=None,
        alpha=0.0,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        max_nodes=2_000_000,
        time_limit=None,
        tol=1e-9,
        refine="pooled",
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
        self.solver = solver
        self.always_select = always_select
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.tol = tol
        self.refine = refine
        self.max_rounds = max_rounds
        self.max_bytes_per_round = max_bytes_per_round
        self.n_shards = n_shards
        self.n_jobs = n_jobs
        self.max_retries = max_retries
        self.timeout = timeout
        self.on_failure = on_failure
        self.missing_features = missing_features
        self.verbose = verbose

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : array-like, sparse matrix or dask collection
            Samples, of shape (n_samples, n_features).

        Returns
        -------
        y : ndarray or dask collection of shape (n_samples,)
            Predictions; lazy for lazy samples.
        """
        return self._linear(X, self.predict)

    def score(self, X, y=None, sample_weight=None):
        """R^2 of the predictions.

        Parameters
        ----------
        X : array-like, sparse matrix, dask collection, list of shards or Shards
            Of shape (n_samples, n_features), as in `fit`; on shards and on dask
            collections the score is made where the rows lie, in one round.
        y : array-like or dask collection of shape (n_samples,), default=None
            Target; None only where X are shards, which hold their own.
        sample_weight : array-like or dask collection, default=None
            Weights >= 0 of shape (n_samples,).

        Returns
        -------
        score : float
            1 - (residual sum of squares) / (sum of squares about the mean).
        """
        check_is_fitted(self)
        if is_in_parts(X):
            return r2_on_shards(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)

    def _search(self, shards, communication: list[dict]) -> dict:
        """Search and refit on some shards; nothing is kept on the estimator."""
        layout = self._layout(shards, communication)
        p, locked = layout.n_features, self._locked(layout)
        algorithm = self.algorithm
        fits = 4 * p * (p + 1) <= self.max_bytes_per_round
        if algorithm == "auto":
            algorithm = "gram" if fits else "columns"
        if self.missing_features == "available" and algorithm != "gram":
            raise ValueError(
                "missing_features='available' must go with algorithm='gram', whose "
                f"{4 * p * (p + 1)} bytes are within max_bytes_per_round; got "
                f"algorithm={self.algorithm!r} and {self.max_bytes_per_round} bytes."
            )
        if algorithm != "gram":
            shards = shards.persist()
        rounds = self._rounds(shards, layout, communication)
        given = rounds, float(self.alpha), bool(self.standardize)
        complete = True
        if self.missing_features == "available":
            problem, totals, complete = available_problem(*given)
        else:
            make = gram_problem if algorithm == "gram" else column_problem
            problem, totals = make(*given)
        sizes = self._sizes(p, totals.n_rows, len(locked))
        if algorithm == "surrogate":
            path, swap_gap = self._by_surrogates(
                rounds, problem, totals, sizes, locked, fits
            )
        else:
            limit = self.max_nonzero_coefs
            limit = None if limit is None else min(limit, p)
            path = self._path(problem, sizes, max_size=limit, locked=locked)
            swap_gap = path.swap_gaps[path.chosen]
        support, coef = path.supports[path.chosen], path.coefs[path.chosen][0]
        if len(support) and complete and self.refine == "pooled":
            ridge = totals.weight * problem.ridge[support]
            coef, _ = rounds.refit(support, totals, ridge)
        elif len(support) and complete and self.refine is not None:
            informed = self.refine == "information"
            coef = rounds.average(support, totals, informed)
        return {
            "algorithm": algorithm,
            "layout": layout,
            "totals": totals,
            "path": path,
            "swap_gap": float(swap_gap),
            "support": support,
            "coef": coef,
        }

    def _warn(self) -> None:
        if self.swap_gap_ > self.tol and self.solver != "splicing":
            warnings.warn(
                "DistributedBestSubsetRegressor: an exchange of one feature would save "
                f"{self.swap_gap_:.2e} of the residual square; tol is {self.tol:g}. "
                "Increase max_rounds, or use algorithm='columns'.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _path(self, problem, sizes, **options):
        options = {
            "criterion": self.criterion,
            "ic_coef": float(self.ic_coef),
            "n_intercepts": int(bool(self.fit_intercept)),
            "solver": self.solver,
            "early_stopping": bool(self.early_stopping),
            "max_nodes": self.max_nodes,
            "time_limit": self.time_limit,
            **options,
        }
        return subset_path(problem, sizes, **options)

    def _by_surrogates(self, rounds, problem, totals, sizes, locked, whole_gram):
        p = problem.n_features
        if sizes is not None:
            top = int(sizes[-1])
        elif self.max_nonzero_coefs is not None:
            top = min(self.max_nonzero_coefs, p)
        else:
            top = min(default_max_size(totals.weight, p), _SURROGATE_SIZE)
            top = max(top, len(locked))
        # Nothing is proved within candidates, so no search for proofs.
        solver = "splicing" if self.solver == "splicing" else "swap"

        def judge(candidates):
            return self._path(
                candidates, sizes, max_size=top, solver=solver, locked=locked
            )

        propose = partial(self._path, solver=solver)
        return surrogate_path(
            rounds, propose, judge, problem, totals, max(top, 1), self.max_rounds,
            self.tol, whole_gram, locked,
        )  # fmt: skip

    def _take(self, found: dict, dtype) -> None:
        """Set the fitted attributes from a search."""
        path, totals, k = found["path"], found["totals"], found["path"].chosen
        p = len(totals.mean)
        coef = np.zeros(p)
        coef[found["support"]] = found["coef"]
        self.coef_ = coef.astype(dtype)
        self.intercept_ = np.dtype(dtype).type(totals.y_mean - totals.mean @ coef)
        self.support_ = found["support"]
        self.sizes_ = path.sizes
        coefs = [coef[0] for coef in path.coefs]
        coefs[k] = found["coef"]
        self.path_coef_ = stacked(path.supports, coefs, p).astype(dtype)
        self.path_intercept_ = totals.y_mean - totals.mean @ self.path_coef_
        self.rss_ = path.rss * totals.weight
        self.criterion_ = path.criterion
        exact = found["algorithm"] != "surrogate"
        self.optimal_path_ = path.optimal & exact
        bounds = path.lower_bounds if exact else np.zeros(len(path.sizes))
        self.lower_bounds_ = totals.weight * bounds
        known = path._replace(optimal=self.optimal_path_, lower_bounds=bounds)
        self.criterion_bounds_ = criterion_bounds(known, totals.weight)
        self._objectives = totals.weight * path.losses
        # Of other sizes, exchanges with features that were no candidates are not known.
        gaps = path.swap_gaps if exact else np.ones(len(path.sizes))
        self._swap_gaps = np.array(gaps, dtype=np.float64)
        self._swap_gaps[k] = found["swap_gap"]
        self._certify(k)
        self.n_nodes_, self.n_iter_ = path.n_nodes, path.n_iter
        self.algorithm_ = found["algorithm"]


def stacked(supports: list, coefs: list, n_features: int) -> sparse.csc_array:
    """Coefficients of all sizes, a column each."""
    rows = np.concatenate(supports).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum([len(support) for support in supports])])
    shape = n_features, len(supports)
    return sparse.csc_array((np.concatenate(coefs), rows, indptr), shape=shape)
