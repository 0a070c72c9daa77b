"""Likelihoods as compiled code asks for them: value, gradient and curvature in z.

The curvature in linear predictions z is W = diag(h) - A.T A, block by block where a
sample has several predictions; the rows of A come from sums over risk sets, or from
thresholds that are at their best for every z.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.datafits.cox import _average, _expect, _loss, _sum_risk_sets
from sparsestat.optim.elementary import exp, log1p
from sparsestat.optim.subset._ordinal import drag_thresholds, ordinal
from sparsestat.optim.vector import axpy
from sparsestat.utils.dispatch import kernel

__all__ = ["Loss", "aux_width", "drag", "evaluate", "n_drags", "sample_loss"]

GAUSSIAN, LOGISTIC, POISSON, GAMMA, SOFTMAX, HAZARD, ORDINAL = range(7)


class Loss(NamedTuple):
    """A mean loss of linear predictions.

    Parameters
    ----------
    kind : int
        One of the above.
    least : float
        What is subtracted: the loss of a saturated model.
    y, weight : ndarray of shape (n,)
        Targets, and weights that sum to one; weights as they are for hazards.
    offset : ndarray of shape (n_scores, n) or (0, n)
    contrasts : ndarray of shape (n_classes, m)
        Of softmax, else (1, 1).
    start, size, row : ndarray of int64
        Of risk sets, see `RiskSets`; for ordered classes the first sample of each, and
        the number of samples and thresholds; else empty.
    mass : ndarray of shape (n_times,)
    """

    kind: int
    least: float
    y: Any
    weight: Any
    offset: Any
    contrasts: Any
    start: Any
    size: Any
    row: Any
    mass: Any


def sample_loss(kind, y, weight, offset, least=0.0, contrasts=None) -> Loss:
    """Loss of independent samples."""
    nothing = np.empty(0, np.int64)
    if offset is None:
        offset = np.empty((0, len(y)))
    return Loss(
        kind,
        float(least),
        np.ascontiguousarray(y, dtype=np.float64),
        np.ascontiguousarray(weight, dtype=np.float64),
        np.ascontiguousarray(np.atleast_2d(offset), dtype=np.float64),
        np.ones((1, 1)) if contrasts is None else np.ascontiguousarray(contrasts),
        nothing,
        nothing,
        nothing,
        np.empty(0),
    )


@kernel
def n_drags(L):
    """Number of rows of A."""
    return L.row[len(L.row) - 1] if len(L.row) > 0 else 0


@kernel
def aux_width(L):
    """Columns of what `evaluate` leaves for `drag`."""
    if L.kind == ORDINAL:
        return len(L.weight) + 2 * n_drags(L)
    return len(L.weight) if L.kind == HAZARD else 0


@kernel
def evaluate(L, z, u, h, aux):
    """Loss at z of shape (m, n).

    Parameters
    ----------
    L : Loss
    z : ndarray of shape (m, n)
    u : ndarray of shape (m, n)
        Set to minus the gradient.
    h : ndarray of shape (m * (m + 1) / 2, n)
        Set to the diagonals of W, a row for each pair of predictions.
    aux : ndarray of shape (2, aux_width(L))
        Set to what `drag` needs; zeros at first.

    Returns
    -------
    value : float
        Inf where it overflows.
    """
    if L.kind == SOFTMAX:
        value = _softmax(L.y, L.weight, L.offset, L.contrasts, z, u, h)
    else:
        at = z[0]
        if len(L.offset) > 0:
            at = z[0] + L.offset[0]
        if L.kind == HAZARD:
            value = _hazard(L, at, u[0], h[0], aux)
        elif L.kind == ORDINAL:
            value = ordinal(L.start, L.weight, at, u[0], h[0], aux)
        else:
            value = _sample(L.kind, L.y, L.weight, at, u[0], h[0])
    value -= L.least
    return max(value, 0.0) if np.isfinite(value) else np.inf


@kernel
def drag(L, aux, x, out):
    """A x for a vector x."""
    if L.kind == HAZARD:
        means = np.empty((1, len(out)))
        _average(L.start, L.size, L.row, aux[0], aux[1], x.reshape(1, -1), means)
        for k in range(len(L.start)):
            d = L.row[k + 1] - L.row[k]
            root = np.sqrt(L.mass[k] / (d * L.y[0]))
            for at in range(L.row[k], L.row[k + 1]):
                out[at] = root * means[0, at]
    elif L.kind == ORDINAL:
        drag_thresholds(L.start, aux, x, out)


@kernel(inline="always")
def _sample(kind, y, weight, z, u, h):
    total = 0.0
    if kind == GAUSSIAN:
        for i in range(len(z)):
            r = y[i] - z[i]
            u[i], h[i] = weight[i] * r, weight[i]
            total += 0.5 * r * u[i]
    elif kind == LOGISTIC:
        for i in range(len(z)):
            e, w, margin = exp(-abs(z[i])), weight[i], y[i] * z[i]
            share = 1.0 / (1.0 + e)
            total += w * (log1p(e) - min(margin, 0.0))
            h[i] = w * e * share * share
            u[i] = w * y[i] * share * (1.0 if margin < 0.0 else e)
    elif kind == POISSON:
        for i in range(len(z)):
            e, w = exp(z[i]), weight[i]
            total += w * (e - y[i] * z[i])
            u[i], h[i] = w * (y[i] - e), w * e
    else:
        for i in range(len(z)):
            e, w = y[i] * exp(-z[i]), weight[i]
            total += w * (e + z[i])
            u[i], h[i] = w * (e - 1.0), w * e
    return total


@kernel(inline="always")
def _softmax(y, weight, offset, C, z, u, h):
    n_classes, m = C.shape
    n = z.shape[1]
    P, top, rest = np.zeros((n_classes, n)), np.empty(n), np.empty(n)
    others, first = np.zeros(n), np.zeros(n, np.int64)
    for c in range(n_classes):
        p = P[c]
        if len(offset) > 0:
            axpy(1.0, offset[c], p)
        for a in range(m):
            axpy(C[c, a], z[a], p)
    # Relative to the observed class, so that small losses keep their accuracy.
    for i in range(n):
        rest[i], top[i] = P[int(y[i]), i], -np.inf
    for c in range(n_classes):
        p = P[c]
        for i in range(n):
            p[i] -= rest[i]
            first[i] = c if p[i] > top[i] else first[i]
            top[i] = p[i] if p[i] > top[i] else top[i]
    for c in range(n_classes):
        p = P[c]
        for i in range(n):
            p[i] = exp(p[i] - top[i])
            others[i] += p[i] if c != first[i] else 0.0
    total = 0.0
    for i in range(n):
        total += weight[i] * (top[i] + log1p(others[i]))
        others[i] = 1.0 / (1.0 + others[i])
        rest[i] = 0.0
    for c in range(n_classes):
        p = P[c]
        for i in range(n):
            p[i] *= others[i]
            rest[i] += p[i] if c != y[i] else 0.0
    at, mean = 0, np.zeros((m, n))
    for a in range(m):
        slope, average = u[a], mean[a]
        for i in range(n):
            slope[i] = 0.0
        for c in range(n_classes):
            p, at_c = P[c], C[c, a]
            for i in range(n):
                average[i] += at_c * p[i]
                slope[i] += at_c * (rest[i] if c == y[i] else -p[i])
        for i in range(n):
            slope[i] *= weight[i]
    for a in range(m):
        for b in range(a, m):
            bend, one, other = h[at], mean[a], mean[b]
            for i in range(n):
                bend[i] = 0.0
            for c in range(n_classes):
                p, at_a, at_b = P[c], C[c, a], C[c, b]
                for i in range(n):
                    bend[i] += p[i] * (at_a - one[i]) * (at_b - other[i])
            for i in range(n):
                bend[i] *= weight[i]
            at += 1
    return total


@kernel(inline="always")
def _hazard(L, z, u, h, aux):
    n_rows = L.row[len(L.row) - 1]
    log_sum, means = np.empty(n_rows), np.empty((2, len(L.start)))
    _sum_risk_sets(
        L.weight, L.start, L.size, L.row, z, log_sum, aux[1], means[0], means[1], aux[0]
    )
    total = L.y[0]
    value = _loss(L.weight, L.start, L.size, L.mass, L.row, z, log_sum)
    for i in range(len(z)):
        h[i] = 0.0
    _expect(L.weight, L.start, L.size, L.mass, L.row, z, log_sum, h)
    for i in range(len(z)):
        h[i] /= total
        u[i] = -h[i]
    for k in range(len(L.start)):
        for i in range(L.start[k], L.start[k] + L.size[k]):
            u[i] += L.weight[i] / total
    return value / total
