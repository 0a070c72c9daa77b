"""What a shard tells of classes: moments of a quadratic model, sums of Newton steps.

Functions of a shard are pure; what they return is merged, in order, into what all rows
tell.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import helmert

from sparsestat.distributed import Shard
from sparsestat.linear_model._subset_rounds import (
    about_zero,
    block_about,
    margins_of,
    merge_margins,
    rows_of,
    weighted_design,
)
from sparsestat.optim.design import correlate, make_design, predict
from sparsestat.optim.pooled_moments import Moments, merge_moments, moments_of_rows

__all__ = [
    "Working",
    "class_margins",
    "contrasts_of",
    "merge_class_margins",
    "merge_working_margins",
    "merge_working_moments",
    "newton_sums",
    "unique_labels",
    "working_block",
    "working_margins",
    "working_moments",
    "working_rows",
]

# Linear predictions beyond this say no more.
_LARGEST = 30.0
# Weights of rows whose class is certain stay above this.
_CERTAIN = 1e-13
# Values of rows, models and classes that are held at a time: a few fit into a cache.
_HELD = 1 << 16


def contrasts_of(n_classes: int) -> np.ndarray:
    """From parameters of a feature to the scores of classes.

    The score of the second of two, or orthonormal contrasts of more.
    """
    return np.array([[0.0], [1.0]]) if n_classes == 2 else helmert(n_classes).T


class ClassMargins(NamedTuple):
    """Margins of the features, and the weights of the classes.

    Parameters
    ----------
    margins : Margins
    weights : ndarray of shape (n_classes,)
    """

    margins: Any
    weights: Any


def class_margins(shard: Shard, message: dict) -> ClassMargins:
    """What null models and the scales of the features need."""
    X, y, weight = rows_of(shard, message)
    found = margins_of(X, y, weight, message["centred"])
    K = len(message["layout"].classes)
    return ClassMargins(found, np.bincount(y.astype(np.intp), weight, K))


def merge_class_margins(first: ClassMargins, second: ClassMargins) -> ClassMargins:
    """Of the rows of both."""
    margins = merge_margins(first.margins, second.margins)
    return ClassMargins(margins, first.weights + second.weights)


def unique_labels(shard: Shard, message: Any) -> tuple[np.ndarray]:
    """Labels of a shard."""
    return (np.unique(np.asarray(shard.y)),)


class Working(NamedTuple):
    """Second moments with the weights of the likelihood, and its first derivatives.

    `second` is the packed scatter about the mean, or its diagonal; `shape` and
    `pearson` are packed sums over rows, of curvatures and of squares of residuals;
    `size` is that of their absolute values.
    """

    counts: Any
    mean: Any
    second: Any
    gradient: Any
    shape: Any
    pearson: Any
    weight: Any
    size: Any


def merge_working_moments(first: Working, second: Working) -> Working:
    merged = merge_moments(Moments(*first[:3]), Moments(*second[:3]))
    return Working(*merged, *_sums(first, second))


def merge_working_margins(first: Working, second: Working) -> Working:
    a, b = first.counts[1], second.counts[1]
    if a == 0.0 or b == 0.0:
        kept = first if b == 0.0 else second
        return Working(*kept[:3], *_sums(first, second))
    gap = second.mean - first.mean
    return Working(
        first.counts + second.counts,
        first.mean + gap * (b / (a + b)),
        first.second + second.second + (a * b / (a + b)) * gap**2,
        *_sums(first, second),
    )


def _sums(first: Working, second: Working) -> list:
    return [a + b for a, b in zip(first[3:], second[3:], strict=True)]


class _Rows(NamedTuple):
    """Probabilities and curvatures of rows, side by side."""

    share: Any  # (K, n)
    curvature: Any  # (m (m + 1) / 2, n), packed
    level: Any  # (n,), mean of its diagonal


def _differences(contrasts: np.ndarray) -> np.ndarray:
    """Products of differences of classes, packed, for each pair of classes."""
    K, m = contrasts.shape
    k, other = np.triu_indices(K, 1)
    gap = contrasts[k] - contrasts[other]
    a, b = np.triu_indices(m)
    return gap[:, a] * gap[:, b]


def _curvature(share: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """T.T (diag(p) - p p.T) T of each row, packed, without cancellation."""
    if share.shape[-2] == 2:
        return share[..., :1, :] * share[..., 1:, :] * differences
    k, other = np.triu_indices(share.shape[-2], 1)
    return differences.T @ (share[..., k, :] * share[..., other, :])


def _contrasts(message: dict) -> np.ndarray:
    return contrasts_of(len(message["layout"].classes))


def _shares_and_losses(scores, classes: np.ndarray, contrasts: np.ndarray) -> tuple:
    """Probabilities (..., K, n), and losses (..., n), of scores of contrasts."""
    scores = contrasts @ scores
    scores -= scores.max(axis=-2, keepdims=True)
    own = scores[..., classes, np.arange(len(classes))]
    share = np.exp(scores, out=scores)
    total = share.sum(axis=-2, keepdims=True)
    share /= total
    return share, np.log(total[..., 0, :]) - own


def _working_rows(X, classes, message: dict, mean: np.ndarray) -> _Rows:
    """Where the model of a message stands at each row."""
    contrasts, support = _contrasts(message), message["support"]
    design = make_design(X, fit_intercept=False)
    coef = message["coef"]
    z = [predict(design, support, np.ascontiguousarray(column)) for column in coef.T]
    z = np.array(z) + (message["intercept"] - mean[support] @ coef)[:, None]
    z = np.clip(z, -_LARGEST, _LARGEST)
    share, _ = _shares_and_losses(z, classes, contrasts)
    curvature = _curvature(share, _differences(contrasts))
    a, b = np.triu_indices(len(z))
    level = np.maximum(curvature[a == b].mean(axis=0), _CERTAIN)
    return _Rows(share, curvature, level)


def _working(X, y, weight, message: dict, second) -> Working:
    classes, contrasts = y.astype(np.intp), _contrasts(message)
    rows = _working_rows(X, classes, message, message["mean"])
    kept = weight * rows.level
    residual = contrasts.T @ (np.eye(len(contrasts))[:, classes] - rows.share)
    pull = weight * residual
    design = make_design(X, fit_intercept=False)
    gradient = np.array([correlate(design, values) for values in pull])
    gradient -= np.outer(pull.sum(axis=1), message["mean"])
    a, b = np.triu_indices(len(residual))
    return Working(
        *second(X, kept, message["centred"]),
        gradient,
        rows.curvature @ weight,
        (residual[a] * residual[b]) @ (weight / rows.level),
        np.array([weight.sum()]),
        np.array([np.abs(pull).sum()]),
    )


def working_moments(shard: Shard, message: dict) -> Working:
    """With the whole scatter of the features."""

    def scatter(X, kept, centred):
        found = moments_of_rows(X, np.empty((X.shape[0], 0)), kept)
        return found if centred else about_zero(found)

    return _working(*rows_of(shard, message), message, scatter)


def working_margins(shard: Shard, message: dict) -> Working:
    """With its diagonal."""
    return _working(*rows_of(shard, message), message, _squares)


def _squares(X, kept: np.ndarray, centred: bool) -> tuple:
    total = float(kept.sum())
    counts = np.array([np.count_nonzero(kept), total])
    if total == 0.0:
        return counts, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    design = weighted_design(X, kept / total, centred)
    return counts, design.mean, total * design.norm**2


class WorkingRows(NamedTuple):
    """What tells the exchanges of one feature of several models, about global means.

    Parameters
    ----------
    total, size : ndarray of shape (n_models,)
        Sums of the weights of the rows, and of the sizes of their residuals.
    sums, squares : ndarray of shape (n_models, n_features)
        Weighted sums of the features and of their squares.
    gradient : ndarray of shape (n_models, n_contrasts, n_features)
    shape, pearson : ndarray of shape (n_models, n_contrasts * (n_contrasts + 1) / 2)
        Packed sums of curvatures and of squares of residuals.
    rows : ndarray of shape (n_chosen, n_features)
        Weighted products of the features of all supports with all features.
    """

    total: Any
    size: Any
    sums: Any
    squares: Any
    gradient: Any
    shape: Any
    pearson: Any
    rows: Any


def working_rows(shard: Shard, message: dict) -> WorkingRows:
    """All models in one pass over the rows."""
    X, y, weight = rows_of(shard, message)
    models, mean, contrasts = message["models"], message["mean"], _contrasts(message)
    classes = y.astype(np.intp)
    a, b = np.triu_indices(contrasts.shape[1])
    kept, pulls, shapes, pearsons = [], [], [], []
    for support, coef, intercept in models:
        told = message | {"support": support, "coef": coef, "intercept": intercept}
        rows = _working_rows(X, classes, told, mean)
        residual = contrasts.T @ (np.eye(len(contrasts))[:, classes] - rows.share)
        kept.append(weight * rows.level)
        pulls.append(weight * residual)
        shapes.append(rows.curvature @ weight)
        pearsons.append((residual[a] * residual[b]) @ (weight / rows.level))
    kept, pulls = np.array(kept), np.array(pulls)
    supports = [support for support, *_ in models]
    sums, squares, gradient, rows = _products(X, mean, kept, pulls, supports)
    return WorkingRows(
        kept.sum(axis=1),
        np.abs(pulls).sum(axis=(1, 2)),
        sums,
        squares,
        gradient,
        np.array(shapes),
        np.array(pearsons),
        rows,
    )


def _products(X, mean, kept, pulls, supports) -> tuple:
    """Sums over rows of features about `mean`: k x, k x^2, u x, and k x_A x.

    By blocks of rows that stay in the cache; a sparse matrix is one of blocks of dense
    ones, too.
    """
    n, p = X.shape
    n_models, m = pulls.shape[:2]
    owner = np.repeat(np.arange(n_models), [len(A) for A in supports])
    chosen = np.concatenate(supports)
    left = [np.zeros((rows, p)) for rows in (n_models, n_models, n_models * m)]
    found = np.zeros((len(chosen), p))
    X = X.tocsr() if sparse.issparse(X) else X
    size = max(2 * _HELD // max(p, len(chosen), 1), 16)
    for start in range(0, n, size):
        part = slice(start, start + size)
        rows = X[part].toarray() if sparse.issparse(X) else X[part]
        rows = rows - mean
        k = kept[:, part]
        left[0] += k @ rows
        left[1] += k @ (rows * rows)
        left[2] += pulls[:, :, part].reshape(n_models * m, -1) @ rows
        found += (k[owner] * rows[:, chosen].T) @ rows
    return left[0], left[1], left[2].reshape(n_models, m, p), found


def working_block(shard: Shard, message: dict) -> tuple[np.ndarray]:
    """A block of the scatter about the means of the weighted rows."""
    X, y, weight = rows_of(shard, message)
    rows = _working_rows(X, y.astype(np.intp), message, message["model_mean"])
    return block_about(X, weight * rows.level, message)


def newton_sums(shard: Shard, message: dict) -> tuple[np.ndarray, ...]:
    """Losses, gradients and packed Hessians of models, side by side, intercepts last.

    Models share the columns of all supports, one product for their predictions and one
    for their gradients.
    """
    X, y, weight = rows_of(shard, message)
    models, contrasts = message["models"], _contrasts(message)
    K, m = contrasts.shape
    union = np.unique(np.concatenate([support for support, *_ in models]))
    columns = _columns(X, union, message["mean"])
    places = [np.append(np.searchsorted(union, s), len(union)) for s, *_ in models]
    theta = np.zeros((len(models), m, len(columns)))
    for k, (_, coef, intercept) in enumerate(models):
        theta[k][:, places[k]] = np.vstack([coef, intercept]).T
    n = len(y)
    classes, differences = y.astype(np.intp), _differences(contrasts)
    losses, gradients, hessians = [], [], []
    step = max(_HELD // (max(n, 1) * max(K, len(differences))), 1)
    for first in range(0, len(models), step):
        part = slice(first, first + step)
        z = theta[part].reshape(-1, len(columns)) @ columns
        share, loss = _shares_and_losses(z.reshape(-1, m, n), classes, contrasts)
        curvature = weight * _curvature(share, differences)
        share[:, classes, np.arange(n)] -= 1.0
        pull = weight * (contrasts.T @ share)
        g = (pull.reshape(-1, n) @ columns.T).reshape(-1, m, len(columns))
        losses.append(loss @ weight)
        for k, place in enumerate(places[part]):
            gradients.append(g[k][:, place].T.ravel())
            hessians.append(_packed_hessian(columns[place], curvature[k]))
    return tuple(map(np.concatenate, (losses, gradients, hessians)))


def _columns(X, features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Features about the means, a row each, and a row of ones."""
    columns = np.ones((len(features) + 1, X.shape[0]))
    chosen = X[:, features]
    if sparse.issparse(chosen):
        chosen = chosen.toarray()
    np.subtract(chosen.T, mean[features, None], out=columns[:-1])
    return columns


def _packed_hessian(rows: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """sum_i x_i x_i.T (x) c_i of the rows x of an array, contrasts side by side."""
    q, m = len(rows), int(np.sqrt(2 * len(curvature)))
    if m == 1:
        half = np.sqrt(curvature[0]) * rows
        return (half @ half.T).ravel()[_upper(q)]  # at half the cost
    H = np.empty((q, m, q, m))
    for c, a, b in zip(curvature, *np.triu_indices(m), strict=True):
        H[:, a, :, b] = H[:, b, :, a] = (c * rows) @ rows.T
    return H.ravel()[_upper(q * m)]


@lru_cache(maxsize=256)
def _upper(d: int) -> np.ndarray:
    """Where the upper triangle of a matrix is, row after row."""
    i, j = np.triu_indices(d)
    return i * d + j
