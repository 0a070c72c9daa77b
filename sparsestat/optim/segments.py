"""Segments of equal coefficients: their dual norm on a line, Newton steps on them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg.lapack import dposv

from sparsestat.optim.design import CSC, Design
from sparsestat.utils.dispatch import kernel

__all__ = ["line_gauge", "polish_segments", "threshold_shifted"]

# Newton steps on more segments would cost more than they save.
_MOST_SEGMENTS = 1500
_MOST_DROPS = 40
_RIDGE = 1e-13
_GAUGE_PASSES = 200
_ROUNDING = 1e-13


def line_gauge(g: np.ndarray, variation: float, size: float) -> float:
    """Dual norm of ``variation * sum |w_{j+1} - w_j| + size * sum |w_j|``.

    The largest, over intervals I, of ``|g(I)|`` over the value of the norm at the
    indicator of I.  A bound is large enough if there are flows z within it with
    z_{j+1} - z_j + g_j within it too; the intervals where none fit raise it to their
    ratio, and bisection helps where that is slow.  With size = 0 there is one flow; the
    sum of g must vanish then and is taken for zero.
    """
    if size == 0.0:
        return float(np.abs(np.cumsum(g)[:-1]).max(initial=0.0)) / variation
    low = bound = 0.0
    high = float(np.abs(g).max()) / size
    for _ in range(_GAUGE_PASSES):
        found = _largest_ratio(g, variation, size, bound)
        if found <= bound:
            high = min(high, bound)
        if high <= low * (1.0 + _ROUNDING):
            break
        slow = bound > 0.0 and found < 0.5 * (bound + high) < np.inf
        low = max(low, found) if found > bound else low
        bound = 0.5 * (low + high) if slow else low * (1.0 + 0.5 * _ROUNDING)
    return high


@kernel
def _largest_ratio(g, variation, size, bound):
    """Largest ratio of the intervals that break a bound, or the bound."""
    p = len(g)
    slack, cap = bound * size, bound * variation
    low = high = low_sum = high_sum = 0.0
    low_start = high_start = 0
    largest = bound
    for j in range(p):
        low -= slack + g[j]
        high += slack - g[j]
        low_sum += g[j]
        high_sum += g[j]
        last = j == p - 1
        limit = 0.0 if last else cap
        ends = 0.0 if last else variation
        if low > limit:
            norm = size * (j + 1 - low_start) + ends
            norm += variation if low_start > 0 else 0.0
            largest = max(largest, abs(low_sum) / norm)
            low, high = -2.0 * limit, 2.0 * limit  # from here on any flow may begin
        elif high < -limit:
            norm = size * (j + 1 - high_start) + ends
            norm += variation if high_start > 0 else 0.0
            largest = max(largest, abs(high_sum) / norm)
            low, high = -2.0 * limit, 2.0 * limit
        if low <= -limit:
            low, low_start, low_sum = -limit, j + 1, 0.0
        if high >= limit:
            high, high_start, high_sum = limit, j + 1, 0.0
    return largest


def threshold_shifted(t: np.ndarray, threshold: float) -> np.ndarray:
    """Soft-threshold t - b, with the shift b that leaves residuals of mean zero.

    What the threshold takes out is t - b, cut to its size: b is Huber's location, a
    root of a sum that falls piecewise linearly.

    Parameters
    ----------
    t : ndarray of shape (n,)
        Piecewise constant.
    threshold : float
        Positive.
    """
    starts = np.append(0, np.flatnonzero(t[1:] != t[:-1]) + 1)
    value, count = t[starts], np.diff(starts, append=len(t)).astype(float)
    knots = np.concatenate([value - threshold, value + threshold])
    order = np.argsort(knots)
    knots, slopes = knots[order], np.cumsum(np.concatenate([-count, count])[order])
    sums = threshold * len(t) + np.append(0.0, np.cumsum(slopes[:-1] * np.diff(knots)))
    if not sums[-1] < 0.0:  # a threshold below rounding
        return t - t.mean()
    k = int(np.argmax(sums <= 0.0))
    rest = t - (knots[k - 1] - sums[k - 1] / slopes[k - 1])
    return np.sign(rest) * np.maximum(np.abs(rest) - threshold, 0.0)


def polish_segments(
    w: np.ndarray,
    q: np.ndarray,
    labels: np.ndarray,
    edges: np.ndarray,
    penalty: NamedTuple,
    design: Design,
    weight: np.ndarray,
    gram: np.ndarray | None,
) -> np.ndarray | None:
    """Newton steps for the values of segments, until no segment wants to move.

    On the face where neighbours keep their order and values their sign the objective
    is quadratic.  Where the way to its minimum leaves the face, segments merge or stay
    at zero and the rest goes on, so the objective never increases.

    Parameters
    ----------
    w, q : ndarray of shape (n_features,)
        Coefficients, equal within segments, and correlations with their residual.
    labels : ndarray of shape (n_features,)
        Segment of each coefficient.
    edges : ndarray of shape (n_edges, 2)
    penalty : TotalVariation
    design, weight : Design, ndarray of shape (n_samples,)
    gram : ndarray of shape (n_features, n_features) or None
        Whole Gram matrix, where there is one.

    Returns
    -------
    w : ndarray of shape (n_features,) or None
        None where there are too many segments.
    """
    n_segments = int(labels.max()) + 1
    if n_segments > _MOST_SEGMENTS:
        return None
    members = np.arange(len(w))
    shape = len(w), n_segments
    summing = sparse.csr_array((np.ones(len(w)), (members, labels)), shape)
    hessian = _segment_gram(summing, design, weight, gram)
    count = np.bincount(labels).astype(float)
    value = summing.T @ w / count
    value[np.abs(value) <= np.abs(w).max() * 1e-15] = 0.0
    pull = summing.T @ q
    variation = penalty.alpha * penalty.tv_ratio
    size = penalty.alpha * (1.0 - penalty.tv_ratio)
    first, second = labels[edges[:, 0]], labels[edges[:, 1]]
    between = first != second
    first, second = first[between], second[between]
    group = np.arange(n_segments)  # which segments have merged by now
    start = value.copy()
    for _ in range(_MOST_DROPS):
        first_now, second_now = group[first], group[second]
        crossing = first_now != second_now
        tails, heads = first_now[crossing], second_now[crossing]
        free = np.unique(group)
        if size > 0.0:
            free = free[value[free] != 0.0]
        if len(free) == 0:
            break
        slope = pull.copy()
        jump = variation * np.sign(value[heads] - value[tails])
        np.subtract.at(slope, heads, jump)
        np.add.at(slope, tails, jump)
        slope[free] -= size * count[free] * np.sign(value[free])
        block = hessian[np.ix_(free, free)]
        block[np.diag_indices_from(block)] += _RIDGE * np.trace(block) / len(free)
        _, move, failed = dposv(block, slope[free])
        if failed or not np.isfinite(move).all():
            break
        direction = np.zeros(n_segments)
        direction[free] = move
        step, merged, zeroed = _ratio_test(value, direction, tails, heads, free, size)
        value += step * direction
        pull -= step * (hessian @ direction)
        if step == 1.0 and len(merged) == 0 and len(zeroed) == 0:
            break
        value[zeroed] = 0.0
        for k in merged:
            a, b = group[first[crossing][k]], group[second[crossing][k]]
            if a == b:
                continue
            keep, lose = (b, a) if size > 0.0 and value[b] == 0.0 else (a, b)
            group[group == lose] = keep
            hessian[keep] += hessian[lose]
            hessian[:, keep] += hessian[:, lose]
            hessian[lose] = hessian[:, lose] = 0.0
            pull[keep] += pull[lose]
            count[keep] += count[lose]
            pull[lose] = count[lose] = 0.0
    value = value[group]
    return value[labels] if np.isfinite(value).all() else start[labels]


def _ratio_test(value, direction, tails, heads, free, size):
    """Largest step within the face; which pairs merge and which segments reach zero."""
    gap, closing = value[heads] - value[tails], direction[tails] - direction[heads]
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = np.where(gap * closing > 0.0, gap / closing, np.inf)
        zeros = np.full(len(free), np.inf)
        if size > 0.0:
            reach = value[free] * direction[free] < 0.0
            zeros = np.where(reach, -value[free] / direction[free], np.inf)
    step = min(1.0, meets.min(initial=np.inf), zeros.min(initial=np.inf))
    near = step * (1.0 + 1e-12)
    return step, np.flatnonzero(meets <= near), free[zeros <= near]


def _segment_gram(summing, design: Design, weight, gram) -> np.ndarray:
    """Gram matrix of the columns of X~, summed over each segment."""
    if gram is not None:
        return summing.T @ (summing.T @ gram).T
    scaled = sparse.csr_array(summing.multiply(1.0 / design.scale[:, None]))
    if isinstance(design, CSC):
        parts = design.data, design.indices, design.indptr
        X = sparse.csc_array(parts, shape=(design.n_samples, len(design.mean)))
        sums = sparse.csr_array(X @ scaled)
        mean = scaled.T @ design.mean
        product = (sums.T @ sums.multiply(weight[:, None])).toarray()
        return product - np.outer(mean, mean)
    sums = (scaled.T @ design.X.T).astype(np.float64, copy=False)
    sums -= (scaled.T @ design.mean)[:, None]
    sums *= np.sqrt(weight)
    return sums @ sums.T
