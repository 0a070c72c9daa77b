"""Second moments of features that some shards lack: each pair from shards with both.

Such a matrix need not be positive semidefinite; its eigenvalues are then clipped.
"""

import warnings
from dataclasses import replace

import numpy as np

from sparsestat.distributed import Shard
from sparsestat.distributed._condense import merge_by_key
from sparsestat.distributed._shards import names_of
from sparsestat.linear_model._subset_rounds import (
    Rounds,
    Totals,
    about_zero,
    positive_counts,
    problem_of_moments,
    rows_of,
)
from sparsestat.optim.pooled_moments import Moments, moments_of_rows, scatter_matrix
from sparsestat.optim.subset import MatrixSource, SubsetProblem

__all__ = ["available_problem"]

# Negative eigenvalues of correlations within this are rounding; others become this.
_ROUNDING = 1e-8


def available_problem(
    rounds: Rounds, alpha: float, standardize: bool
) -> tuple[SubsetProblem, Totals, bool]:
    """The problem of pairwise second moments, from one round.

    Parameters
    ----------
    rounds : Rounds
    alpha : float
    standardize : bool

    Returns
    -------
    problem : SubsetProblem
        Its criteria count the rows that have the rarest feature.
    totals : Totals
    complete : bool
        Whether no shard lacks a feature.
    """
    parts = rounds.ask(_moments_of_present, "gram", merge_by_key)
    p = rounds.layout.n_features
    counts = sum(part.counts for part in parts.values())
    n_rows, weight = positive_counts(counts)
    mean, covariance, weights = _pairwise(parts, p)
    complete = bool((weights == weight).all())
    if not complete:
        _check_pairs(weights, rounds.layout.names)
        covariance = _repaired(covariance)
    y_mean = float(mean[p])
    totals = Totals(n_rows, weight, mean[:p], y_mean)
    gram = np.ascontiguousarray(covariance[:p, :p])
    problem = problem_of_moments(
        totals, MatrixSource(gram), gram.diagonal(), covariance[p, :p],
        covariance[p, p], alpha, standardize,
    )  # fmt: skip
    return problem._replace(n_samples=float(weights.diagonal().min())), totals, complete


def _pairwise(
    parts: dict[bytes, Moments], p: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, covariances about the means of pairs, and weights of pairs."""
    kept = []
    for mask, moments in parts.items():
        present = np.append(np.flatnonzero(np.frombuffer(mask, bool)), p)
        kept.append((np.ix_(present, present), present, moments))
    total, mean = np.zeros(p + 1), np.zeros(p + 1)
    for _, present, moments in kept:
        total[present] += moments.counts[1]
        mean[present] += moments.counts[1] * moments.mean
    mean = np.divide(mean, total, where=total > 0.0, out=mean)
    weights, shift, scatter = (np.zeros((p + 1, p + 1)) for _ in range(3))
    for pairs, present, moments in kept:
        own = float(moments.counts[1])
        gap = moments.mean - mean[present]
        weights[pairs] += own
        shift[pairs] += own * gap[:, None]
        scatter[pairs] += scatter_matrix(moments) + own * np.outer(gap, gap)
    safe = np.where(weights > 0.0, weights, 1.0)
    return mean, (scatter - shift * shift.T / safe) / safe, weights


def _check_pairs(weights: np.ndarray, names: list[str]) -> None:
    lacking = np.argwhere(np.triu(weights == 0.0))
    if len(lacking):
        first, second = lacking[0]
        raise ValueError(
            "X must have every two features together in some shard; no row of positive "
            f"weight has both {names[first]!r} and {names[second]!r}."
        )


def _repaired(covariance: np.ndarray) -> np.ndarray:
    """The covariances with eigenvalues of correlations clipped, variances kept."""
    size = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    size = np.where(size > 0.0, size, 1.0)
    scale = np.outer(size, size)
    values, vectors = np.linalg.eigh(covariance / scale)
    if values[0] >= -_ROUNDING:
        return covariance
    negative = int((values < -_ROUNDING).sum())
    warnings.warn(
        "Second moments of pairs of features, from shards that have both, are those of "
        f"no data: {negative} eigenvalues of their correlations are negative, the "
        f"smallest {values[0]:.2g}. They are clipped.",
        UserWarning,
        stacklevel=5,
    )
    fixed = (vectors * np.maximum(values, _ROUNDING)) @ vectors.T
    root = np.sqrt(fixed.diagonal())
    fixed *= scale / np.outer(root, root)
    still = covariance.diagonal() <= 0.0
    fixed[still], fixed[:, still] = 0.0, 0.0
    return fixed


def _moments_of_present(shard: Shard, message: dict) -> dict[bytes, Moments]:
    """On a shard: moments of the columns that it has, by which they are."""
    layout = message["layout"]
    own, names = names_of(shard.X), layout.names
    present = np.ones(layout.n_features, bool)
    if own is not None and names is not None:
        present = np.isin(np.array(names, object), np.array(own, object))
        kept = [name for name, there in zip(names, present, strict=True) if there]
        layout = replace(layout, names=kept, n_features=len(kept), missing="raise")
    X, y, weight = rows_of(shard, message | {"layout": layout}, whole=False)
    found = moments_of_rows(X, y[:, None], weight)
    return {present.tobytes(): found if message["centred"] else about_zero(found)}
