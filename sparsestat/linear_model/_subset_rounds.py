"""Rounds of distributed best subsets: what shards are asked, how answers are merged.

Functions of a shard are pure and return arrays about the shard's own means; merged, or
shifted to global means, they are those of all rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from sparsestat.distributed import Shard, Shards, map_reduce
from sparsestat.distributed._layout import Layout, checked, checked_moments
from sparsestat.optim.design import (
    Design,
    correlate,
    is_constant,
    make_design,
    predict,
    with_norms,
)
from sparsestat.optim.moments import gram_block
from sparsestat.optim.pooled_moments import (
    Moments,
    merge_moments,
    moments_of_rows,
    scatter_matrix,
)
from sparsestat.optim.subset import MatrixSource, SubsetProblem

__all__ = [
    "Margins",
    "Rounds",
    "ShardSource",
    "Totals",
    "about_zero",
    "block_about",
    "column_problem",
    "gram_problem",
    "margins_of",
    "merge_margins",
    "positive_counts",
    "problem_of_moments",
    "rows_of",
    "symmetric",
    "weighted_design",
]


class Totals(NamedTuple):
    """Counts and means of all rows.

    Parameters
    ----------
    n_rows, weight : float
        Rows of positive weight, and the sum of the weights.
    mean : ndarray of shape (n_features,)
    y_mean : float
        Zeros without an intercept.
    """

    n_rows: float
    weight: float
    mean: np.ndarray
    y_mean: float


class Rounds:
    """Shards with their layout, an account, and the options of every round.

    Parameters
    ----------
    shards : Shards
    layout : Layout
    fit_intercept : bool
    communication : list of dict
        Account, appended to.
    max_retries : int
    timeout : float or None
    """

    def __init__(
        self,
        shards: Shards,
        layout: Layout,
        fit_intercept: bool,
        communication: list[dict],
        max_retries: int,
        timeout: float | None,
    ) -> None:
        self.shards, self.layout, self.centred = shards, layout, fit_intercept
        self.communication = communication
        self._options = {"max_retries": max_retries, "timeout": timeout}

    def ask(
        self, f: Callable, purpose: str, merge: Callable | None = None, shards=None,
        **message,
    ) -> tuple:  # fmt: skip
        """One round with a function of (shard, message)."""
        message |= {"layout": self.layout, "centred": self.centred}
        merging = {} if merge is None else {"merge": merge}
        return map_reduce(
            f,
            self.shards if shards is None else shards,
            message,
            purpose=purpose,
            communication=self.communication,
            **self._options,
            **merging,
        )

    def margins(self, shards: Shards | None = None) -> "Margins":
        """Means, and products of each feature with itself and with y."""
        return self.ask(_margins, "margins", merge_margins, shards)

    def correlations(self, support, coef, totals: Totals, shards=None) -> np.ndarray:
        """X~.T W (y~ - X~ b) of all features, not divided by the weight."""
        found, _ = self.ask(
            _gradient,
            "gradient",
            shards=shards,
            support=support,
            coef=coef,
            mean=totals.mean,
            y_mean=totals.y_mean,
        )
        return found

    def refit(self, support, totals: Totals, ridge=None) -> tuple[np.ndarray, float]:
        """Least squares on a support by triangular factors, and the residual square.

        `ridge` is added to the diagonal of X~.T W X~, as rows of the factor.
        """
        (packed,) = self.ask(
            _triangle,
            "refit",
            _merge_triangles,
            support=support,
            mean=totals.mean[support],
            y_mean=totals.y_mean,
        )
        R = _unpacked(packed)
        s = len(support)
        if ridge is not None and (ridge > 0.0).any():
            rows = np.zeros((s, s + 1))
            rows[:, :s] = np.diag(np.sqrt(ridge))
            R = np.linalg.qr(np.vstack([R, rows]), mode="r")
        square = float(R[s, s] ** 2)
        diagonal = np.abs(R.diagonal()[:s])
        if s and diagonal.min() <= 1e-12 * diagonal.max():
            return np.linalg.lstsq(R[:s, :s], R[:s, s], rcond=1e-12)[0], square
        return solve_triangular(R[:s, :s], R[:s, s]), square

    def average(self, support, totals: Totals, informed: bool) -> np.ndarray:
        """One-shot average of the shards' own least squares on a support.

        Weighted by their rows, or `informed` by their second moments, which makes it
        the pooled fit. Shards with at most 2 s rows send moments instead and count as
        one.
        """
        total, summed, H, g, small = self.ask(
            _own_fit,
            "average",
            support=support,
            mean=totals.mean,
            y_mean=totals.y_mean,
            informed=informed,
        )
        if informed:
            return np.linalg.lstsq(H, g, rcond=1e-12)[0]
        if small > 0.0:
            summed = summed + small * np.linalg.lstsq(H, g, rcond=1e-12)[0]
        return summed / (total + small)


class Margins(NamedTuple):
    """What the diagonal and the last column of a scatter matrix tell.

    Parameters
    ----------
    counts : ndarray of shape (2,)
        Rows of positive weight, sum of weights.
    mean : ndarray of shape (n_features + 1,)
        Of the features and of y.
    diagonal : ndarray of shape (n_features + 1,)
        Sums of squares about the means.
    cross : ndarray of shape (n_features,)
        Sums of products with y about the means.
    """

    counts: Any
    mean: Any
    diagonal: Any
    cross: Any


class ShardSource:
    """Blocks of the Gram matrix from the shards, a round for each request.

    What has been asked for once is kept.

    Parameters
    ----------
    rounds : Rounds
    totals : Totals
    shards : Shards, default=None
        Some of the shards; None is all.
    f : callable, default=None
        What answers a request; None is `_block`.
    told : dict, default=None
        What else it is told.
    """

    def __init__(
        self, rounds: Rounds, totals: Totals, shards: Shards | None = None,
        f: Callable | None = None, told: dict | None = None,
    ) -> None:  # fmt: skip
        self._rounds, self._totals, self._shards = rounds, totals, shards
        self._f, self._told = f or _block, told or {}
        self._kept: dict[int, np.ndarray] = {}  # rows, NaN where not known

    def block(self, rows, cols=None):
        """Return G[rows][:, cols], all columns for None."""
        p = len(self._totals.mean)
        rows = np.asarray(rows, dtype=np.int64)
        cols = np.arange(p) if cols is None else np.asarray(cols, dtype=np.int64)
        if len(rows) == 0 or len(cols) == 0:
            return np.zeros((len(rows), len(cols)))
        for j in rows:
            if int(j) not in self._kept:
                self._kept[int(j)] = np.full(p, np.nan)
        found = np.array([self._kept[int(j)][cols] for j in rows])
        unknown = np.isnan(found)
        if unknown.any():
            lacking, wanted = unknown.any(axis=1), unknown.any(axis=0)
            self._ask(rows[lacking], cols[wanted])
            found = np.array([self._kept[int(j)][cols] for j in rows])
        return found

    def know(self, rows, block) -> None:
        """Keep G[rows], that came along with something else."""
        self._kept.update(zip(map(int, rows), block, strict=True))

    def _ask(self, rows, cols) -> None:
        square = np.array_equal(rows, cols)
        (found,) = self._rounds.ask(
            self._f,
            "square block" if square else "columns",
            shards=self._shards,
            rows=rows,
            cols=None if square else cols,
            mean=self._totals.mean,
            **self._told,
        )
        if square:
            found = symmetric(found, len(rows))
        found = found / self._totals.weight
        for j, row in zip(rows, found, strict=True):
            self._kept[int(j)][cols] = row
        for j, column in zip(cols, found.T, strict=True):
            if int(j) in self._kept:
                self._kept[int(j)][rows] = column


def gram_problem(
    rounds: Rounds,
    alpha: float,
    standardize: bool,
    shards: Shards | None = None,
    moments: Moments | None = None,
) -> tuple[SubsetProblem, Totals]:
    """The problem of the whole Gram matrix, from one round.

    Of all shards, or of some, or from moments that are there.

    Returns
    -------
    problem : SubsetProblem
    totals : Totals
    """
    if moments is None:
        moments = rounds.ask(_moments, "gram", merge_moments, shards)
    n_rows, weight = positive_counts(moments.counts)
    scatter = scatter_matrix(moments) / weight
    p = rounds.layout.n_features
    mean = moments.mean[:p] if rounds.centred else np.zeros(p)
    y_mean = float(moments.mean[p]) if rounds.centred else 0.0
    totals = Totals(n_rows, weight, mean, y_mean)
    gram = np.ascontiguousarray(scatter[:p, :p])
    problem = problem_of_moments(
        totals, MatrixSource(gram), gram.diagonal(), scatter[p, :p], scatter[p, p],
        alpha, standardize,
    )  # fmt: skip
    return problem, totals


def column_problem(
    rounds: Rounds, alpha: float, standardize: bool, shards: Shards | None = None
) -> tuple[SubsetProblem, Totals]:
    """The problem whose Gram matrix stays with shards, and is asked for by blocks.

    Of all shards, or of some.

    Returns
    -------
    problem : SubsetProblem
    totals : Totals
    """
    margins = rounds.margins(shards)
    n_rows, weight = positive_counts(margins.counts)
    p = rounds.layout.n_features
    mean = margins.mean[:p] if rounds.centred else np.zeros(p)
    y_mean = float(margins.mean[p]) if rounds.centred else 0.0
    totals = Totals(n_rows, weight, mean, y_mean)
    problem = problem_of_moments(
        totals, ShardSource(rounds, totals, shards), margins.diagonal[:p] / weight,
        margins.cross / weight, margins.diagonal[p] / weight, alpha, standardize,
    )  # fmt: skip
    return problem, totals


def problem_of_moments(
    totals, source, diagonal, linear, variance, alpha, standardize
) -> SubsetProblem:
    """The problem of given second moments; constant features are never chosen."""
    still = is_constant(totals.mean, diagonal, int(totals.n_rows))
    diagonal = np.where(still, 0.0, diagonal)
    ridge = alpha * diagonal if standardize else np.full(len(diagonal), alpha)
    return SubsetProblem(
        source,
        np.ascontiguousarray(linear)[None, :],
        diagonal,
        float(variance),
        totals.weight,
        ridge,
    )


def positive_counts(counts: np.ndarray) -> tuple[float, float]:
    """Rows and weight of all shards, of which there have to be some."""
    n_rows, weight = map(float, counts)
    if weight <= 0.0:
        raise ValueError(
            "sample_weight must not be all zero over the shards; got no row of "
            "positive weight."
        )
    return n_rows, weight


# Functions of a shard ---------------------------------------------------------------


def rows_of(
    shard: Shard, message: dict, whole: bool = True
) -> tuple[Any, np.ndarray, np.ndarray]:
    """X, y and weights of a shard, checked; slices of wider rows copied if `whole`."""
    shard = checked(shard, message["layout"], whole)
    n = shard.X.shape[0]
    weight = np.ones(n) if shard.sample_weight is None else shard.sample_weight
    return shard.X, shard.y[:, 0], weight


def _moments(shard: Shard, message: dict) -> Moments:
    found = checked_moments(shard, message["layout"], moments_of_rows)
    return found if message["centred"] else about_zero(found)


def about_zero(moments: Moments) -> Moments:
    """Moments about zero: a merge with a mean of zero adds nothing then."""
    d = len(moments.mean)
    i, j = np.triu_indices(d)
    order = i + j * (j + 1) // 2
    shift = np.empty(len(moments.scatter))
    shift[order] = moments.mean[i] * moments.mean[j]
    scatter = moments.scatter + moments.counts[1] * shift
    return Moments(moments.counts, np.zeros(d), scatter)


def _margins(shard: Shard, message: dict) -> Margins:
    return margins_of(*rows_of(shard, message), message["centred"])


def margins_of(X, y: np.ndarray, weight: np.ndarray, centred: bool) -> Margins:
    """Margins of rows, about their means or about zero."""
    p, total = X.shape[1], float(weight.sum())
    counts = np.array([np.count_nonzero(weight), total])
    if total == 0.0:
        return Margins(counts, np.zeros(p + 1), np.zeros(p + 1), np.zeros(p))
    shares = weight / total
    design = weighted_design(X, shares, centred)
    y_mean = float(shares @ y) if centred else 0.0
    rest = y - y_mean
    if centred:
        y_mean += float(shares @ rest)
        rest = y - y_mean
    squares = np.append(design.norm**2, shares @ rest**2)
    cross = correlate(design, shares * rest)
    mean = np.append(design.mean, y_mean)
    return Margins(counts, mean, total * squares, total * cross)


def merge_margins(first: Margins, second: Margins) -> Margins:
    """Of the rows of both."""
    a, b = first.counts[1], second.counts[1]
    if a == 0.0 or b == 0.0:
        return first if b == 0.0 else second
    gap = second.mean - first.mean
    factor = a * b / (a + b)
    return Margins(
        first.counts + second.counts,
        first.mean + gap * (b / (a + b)),
        first.diagonal + second.diagonal + factor * gap**2,
        first.cross + second.cross + factor * gap[:-1] * gap[-1],
    )


def weighted_design(X, shares: np.ndarray, centred: bool) -> Design:
    """Rows with weights that sum to one, and the norms of their columns."""
    design = make_design(X, sample_weight=shares, fit_intercept=centred)
    return with_norms(design, shares)


def _block(shard: Shard, message: dict) -> tuple[np.ndarray]:
    X, _, weight = rows_of(shard, message)
    return block_about(X, weight, message)


def block_about(X, weight: np.ndarray, message: dict) -> tuple[np.ndarray]:
    """sum_i w_i (x_i - m)[rows] (x_i - m)[cols].T about the global means m."""
    rows, cols = message["rows"], message["cols"]
    square = cols is None
    cols = rows if square else cols
    total = float(weight.sum())
    found = np.zeros((len(rows), len(cols)))
    if total > 0.0:
        design = make_design(
            X, sample_weight=weight / total, fit_intercept=message["centred"]
        )
        found = gram_block(design, weight, rows, cols)
        shift = design.mean - message["mean"]
        found += total * np.outer(shift[rows], shift[cols])
    return (found[np.triu_indices(len(rows))],) if square else (found,)


def symmetric(packed: np.ndarray, n: int) -> np.ndarray:
    found = np.zeros((n, n))
    found[np.triu_indices(n)] = packed
    return found + np.triu(found, 1).T


def _gradient(shard: Shard, message: dict) -> tuple[np.ndarray, np.ndarray]:
    """sum_i w_i (x_i - m) r_i about the global means, and sum_i w_i r_i^2."""
    X, y, weight = rows_of(shard, message)
    support, coef, mean = message["support"], message["coef"], message["mean"]
    total = float(weight.sum())
    if total == 0.0:
        return np.zeros(X.shape[1]), np.zeros(1)
    design = make_design(
        X, sample_weight=weight / total, fit_intercept=message["centred"]
    )
    shift = design.mean - mean
    r = y - message["y_mean"] - predict(design, support, coef) - shift[support] @ coef
    u = weight * r
    return correlate(design, u) + shift * u.sum(), np.array([u @ r])


def _triangle(shard: Shard, message: dict) -> tuple[np.ndarray]:
    """R of the QR factorisation of sqrt(w) [X_A - m, y - mean], packed."""
    X, y, weight = rows_of(shard, message)
    chosen = X[:, message["support"]]
    if hasattr(chosen, "toarray"):
        chosen = chosen.toarray()
    block = np.column_stack([chosen - message["mean"], y - message["y_mean"]])
    return (_packed(np.sqrt(weight)[:, None] * block),)


def _merge_triangles(first, second) -> tuple[np.ndarray]:
    return (_packed(np.vstack([_unpacked(first[0]), _unpacked(second[0])])),)


def _packed(matrix: np.ndarray) -> np.ndarray:
    """The triangle R of a QR factorisation, its diagonal non-negative."""
    d = matrix.shape[1]
    R = np.zeros((d, d))
    if len(matrix):
        found = np.linalg.qr(matrix.astype(np.float64), mode="r")
        R[: len(found)] = found
    R[R.diagonal() < 0.0] *= -1.0
    return R[np.triu_indices(d)]


def _unpacked(packed: np.ndarray) -> np.ndarray:
    d = int((np.sqrt(8 * len(packed) + 1) - 1) // 2)
    R = np.zeros((d, d))
    R[np.triu_indices(d)] = packed
    return R


def _own_fit(shard: Shard, message: dict) -> tuple:
    """Weight and weighted coefficients of a shard's own fit, or its moments."""
    X, y, weight = rows_of(shard, message)
    support, s = message["support"], len(message["support"])
    chosen = X[:, support]
    if hasattr(chosen, "toarray"):
        chosen = chosen.toarray()
    block = chosen - message["mean"][support]
    H = block.T @ (weight[:, None] * block)
    g = block.T @ (weight * (y - message["y_mean"]))
    total = np.array([float(weight.sum())])
    none = np.zeros(1), np.zeros(s)
    if message["informed"] or np.count_nonzero(weight) <= 2 * s:
        return *none, H, g, total
    root = np.sqrt(weight)
    own = np.linalg.lstsq(
        root[:, None] * (block - np.average(block, axis=0, weights=weight)
                         if message["centred"] else block),
        root * (y - np.average(y, weights=weight) if message["centred"] else y),
        rcond=1e-12,
    )[0]  # fmt: skip
    return total, total * own, np.zeros((s, s)), np.zeros(s), np.zeros(1)
