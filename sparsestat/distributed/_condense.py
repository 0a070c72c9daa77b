"""The few rows that least squares cannot tell from all rows of all shards."""

from math import inf
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack
from sklearn.model_selection import PredefinedSplit

from sparsestat.distributed._engine import map_reduce
from sparsestat.distributed._layout import checked, checked_moments, layout_of
from sparsestat.distributed._shards import Shard, as_shards, is_dask
from sparsestat.optim.pooled_moments import (
    Moments,
    merge_moments,
    moments_of_rows,
    scatter_matrix,
)
from sparsestat.utils.validation import (
    ArrayLike,
    Interval,
    Jobs,
    Satisfies,
    check_parameters,
)

__all__ = ["Condensed", "condense", "fold_moments", "merge_by_key", "rows_of_moments"]


class Condensed(NamedTuple):
    """Rows with the moments of many more, ready for `fit`.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        At most n_features + n_targets + 1 rows, for each fold.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets; None without.
    sample_weight : ndarray of shape (n_rows,)
        Sums to the weight of the rows they stand for.
    cv : PredefinedSplit or None
        The folds, for cross-validation; None without.
    feature_names : list of str or None
        Names of the columns, where the data were dataframes.
    communication : list of dict
        Account of the rounds, see :func:`map_reduce`.
    """

    X: Any
    y: Any
    sample_weight: Any
    cv: Any
    feature_names: list[str] | None
    communication: list[dict]


def condense(
    X, y=None, sample_weight=None, *, cv=None, n_shards=None, n_jobs=None, client=None,
    max_retries=3, timeout=None,
) -> Condensed:  # fmt: skip
    r"""Reduce shards to the rows that least squares needs: as many as features.

    Rows x~_r with weights v_r such that, for all w and b,

    .. math::
        \sum_r v_r \, (\tilde y_r - \tilde x_r^\top w - b)^2
        = \sum_i q_i \, (y_i - x_i^\top w - b)^2,

    with q the sample weights. Every estimator of a penalised or constrained least
    squares problem has the same solutions on them: the Lasso, its relatives and their
    paths; with folds also cross-validation, since squared errors of held-out rows are
    kept too. One round, one pass over the data.

    Parameters
    ----------
    X : array-like, sparse matrix, dask collection, list of shards or Shards
        Of shape (n_samples, n_features); see :func:`as_shards`.
    y : array-like or dask collection of shape (n_samples,), default=None
        Targets, or (n_samples, n_targets).
    sample_weight : array-like or dask collection of shape (n_samples,), default=None
        Weights >= 0 of the rows.
    cv : int or array-like of shape (n_samples,), default=None
        Number of folds, of neighbouring rows as those of
        :class:`sklearn.model_selection.KFold`; or the number of the fold of each row,
        also as a dask array.
    n_shards : int, default=None
        Blocks of plain arrays; None is blocks of 65,536 rows.
    n_jobs : int, default=None
        Threads for shards in this process.
    client : distributed.Client, default=None
        Cluster for dask collections; None is the current one, if any.
    max_retries : int, default=3
        How often a failing shard is tried again.
    timeout : float, default=None
        Seconds that a shard may take.

    Returns
    -------
    condensed : Condensed
        With `X`, `y`, `sample_weight` and `cv` for `fit`, and the account of the round.

    Raises
    ------
    ValueError
        If a shard has other columns, NaN or negative weights, or no row has weight;
        the error names the shard.
    ShardsLost
        If a shard or the cluster fails for good.

    See Also
    --------
    map_reduce : The engine.
    sparsestat.linear_model.Lasso : One of the estimators to fit to the rows.
    sparsestat.linear_model.LassoCV : Another, with ``cv=condensed.cv``.

    Notes
    -----
    Rows come from a pivoted Cholesky factor of the scatter matrix, so relative errors
    of coefficients are about 1e-16 times the square of the condition number of X, as
    with any Gram matrix.

    References
    ----------
    Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.distributed import condense
    >>> from sparsestat.linear_model import Lasso
    >>> X, y = make_sparse_regression(2000, 20, random_state=0, return_X_y=True)
    >>> rows = condense(X, y, n_shards=4)
    >>> rows.X.shape
    (22, 20)
    >>> few, all_rows = Lasso(0.1).fit(rows.X, rows.y), Lasso(0.1).fit(X, y)
    >>> bool(np.allclose(few.coef_, all_rows.coef_, rtol=0, atol=1e-10))
    True
    """
    given = {"cv": cv, "n_shards": n_shards, "n_jobs": n_jobs}
    given |= {"max_retries": max_retries, "timeout": timeout}
    check_parameters(given, _RULES, name="condense")
    labels = None if np.isscalar(cv) else cv
    shards = as_shards(
        X, y, sample_weight, extra=labels, n_shards=n_shards, n_jobs=n_jobs,
        client=client,
    )  # fmt: skip
    communication: list[dict] = []
    options = {"max_retries": max_retries, "timeout": timeout}
    options["communication"] = communication
    layout = layout_of(shards, communication=communication)
    ends = n_folds = None
    if np.isscalar(cv):
        rows = shards.about.n_rows
        if rows is None:
            (rows,) = map_reduce(
                _count, shards, merge=_joined, purpose="rows", **options
            )
        ends, n_folds = np.cumsum(rows), int(cv)
        if ends[-1] < n_folds:
            raise ValueError(f"cv must be at most the {ends[-1]} rows; got {cv}.")
    message = {"layout": layout, "ends": ends, "n_folds": n_folds}
    parts = map_reduce(
        fold_moments,
        shards,
        message,
        merge=merge_by_key,
        purpose="moments",
        **options,
    )
    folds, blocks = sorted(parts), []
    for fold in folds:
        if parts[fold].counts[1] > 0.0:
            blocks.append(rows_of_moments(parts[fold], layout.n_features))
    if not blocks:
        raise ValueError("There must be rows of positive weight; got none.")
    X, y, weight = map(np.concatenate, zip(*blocks, strict=True))
    split = None
    if cv is not None:
        kept = [fold for fold in folds if parts[fold].counts[1] > 0.0]
        numbers = np.repeat(kept, [len(block[2]) for block in blocks])
        split = PredefinedSplit(numbers)
    if layout.n_targets <= 1:
        y = y[:, 0] if layout.n_targets else None
    return Condensed(X, y, weight, split, layout.names, communication)


def fold_moments(shard: Shard, message: dict) -> dict[int, Moments]:
    """Moments of the rows of each fold in a shard; all are fold 0 without folds."""
    layout = message["layout"]
    if message["n_folds"] is None and shard.extra is None:
        return {0: checked_moments(shard, layout, moments_of_rows)}
    shard = checked(shard, layout, whole=False)
    n = shard.X.shape[0]
    if message["n_folds"] is not None:
        labels = _neighbours(message["ends"], message["n_folds"], shard.number)
        if len(labels) != n:
            raise ValueError(f"X must have {len(labels)} rows as told; got {n}.")
    else:
        labels = np.asarray(shard.extra)
        if labels.shape != (n,) or labels.dtype.kind not in "biu":
            raise ValueError(
                f"cv must be integers of shape ({n},), one for each row; got shape "
                f"{labels.shape} of {labels.dtype}."
            )
    weight = np.ones(n) if shard.sample_weight is None else shard.sample_weight
    found = np.unique(labels)
    if len(found) < 2:
        fold = int(found[0]) if len(found) else 0
        return {fold: moments_of_rows(shard.X, shard.y, weight)}
    return {
        int(fold): moments_of_rows(*_at(labels == fold, shard.X, shard.y, weight))
        for fold in found
    }


def rows_of_moments(
    moments: Moments, n_features: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As few rows as there are columns, and one more, with given moments.

    Rows are mean + sqrt(m / W) Q R with R.T R the scatter, Q orthonormal columns
    orthogonal to the ones: the rows of an orthogonal matrix that takes the ones to a
    multiple of the last unit vector.

    Parameters
    ----------
    moments : Moments
        Of positive weight W.
    n_features : int
        How many of the columns are features.

    Returns
    -------
    X : ndarray of shape (m, n_features)
    Y : ndarray of shape (m, n_targets)
    sample_weight : ndarray of shape (m,)
        W / m for each.
    """
    d = len(moments.mean)
    n, total = moments.counts
    m = int(min(n, d + 1))
    root = _square_root(scatter_matrix(moments))[: m - 1]
    rows = np.zeros((m, d))
    rows[: m - 1] = root * np.sqrt(m / total)
    # Householder reflection that maps the last unit vector to -ones / sqrt(m).
    v = np.full(m, 1.0 / np.sqrt(m))
    v[-1] += 1.0
    rows -= np.outer(v, (2.0 / (v @ v)) * (v @ rows))
    rows -= rows.mean(axis=0)  # rounding
    rows += moments.mean
    weight = np.full(m, total / m)
    X = np.asfortranarray(rows[:, :n_features])
    return X, rows[:, n_features:], weight


def _square_root(scatter: np.ndarray) -> np.ndarray:
    """R with R.T R = scatter, its columns scaled before the pivoted factorisation."""
    size = np.sqrt(scatter.diagonal())
    safe = np.where(size > 0.0, size, 1.0)
    factor, order, rank, _ = lapack.dpstrf(scatter / np.outer(safe, safe), tol=-1.0)
    root = np.zeros_like(scatter)
    upper = np.triu(factor)
    upper[rank:] = 0.0
    root[:, order - 1] = upper
    return root * size


def _neighbours(ends: np.ndarray, n_folds: int, number: int) -> np.ndarray:
    """Folds of the rows of a shard, as KFold without shuffling makes them."""
    total = int(ends[-1])
    sizes = np.full(n_folds, total // n_folds)
    sizes[: total % n_folds] += 1
    start = ends[number - 1] if number else 0
    rows = np.arange(start, ends[number])
    return np.searchsorted(np.cumsum(sizes), rows, side="right")


def _at(chosen: np.ndarray, *arrays) -> list:
    return [array[chosen] for array in arrays]


def _count(shard: Shard, message: None) -> tuple[np.ndarray]:
    return (np.array([shard.X.shape[0]]),)


def _joined(first, second) -> tuple[np.ndarray]:
    return (np.concatenate([first[0], second[0]]),)


def merge_by_key(first: dict, second: dict) -> dict:
    """Moments under the same key are merged, others kept."""
    both = dict(first)
    for fold, moments in second.items():
        both[fold] = merge_moments(both[fold], moments) if fold in both else moments
    return both


_RULES = {
    "cv": Interval(2, inf, closed="left", integer=True)
    | ArrayLike
    | Satisfies(is_dask, "a dask array")
    | None,
    "n_shards": Interval(1, inf, closed="left", integer=True) | None,
    "n_jobs": Jobs,
    "max_retries": Interval(0, inf, closed="left", integer=True),
    "timeout": Interval(0, inf, closed="neither") | None,
}
