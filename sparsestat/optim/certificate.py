"""Duality gaps and stationarity of penalised least squares.

Primal  P(w) = |y - X w|^2 / 2 + sum_j pen_j(w_j), norms weighted by the samples.
Dual    D(u) = <y, u> - |u|^2 / 2 - sum_j pen*_j(x_j.T u) over all u.
After Fercoq, Gramfort, Salmon (2015), arXiv:1505.03410, and Massias et al. (2018),
arXiv:1802.07481.
"""

import numpy as np

from sparsestat.optim.penalties import conjugate, curvature, gauge, prox, value
from sparsestat.utils.dispatch import kernel

__all__ = [
    "dual_scale",
    "fill_curvatures",
    "fill_gauges",
    "penalty_sums",
    "penalty_value",
    "restricted_gap",
    "scaled_gap",
    "stationarity",
    "unpenalised_stationary",
]

# Stationarity of an unpenalised coefficient, relative to |x_j| |y|: rounding level.
_FREE_TOLERANCE = 1e-10


@kernel
def scaled_gap(residual2, y_dot, value_sum, augmented2, largest, conjugates):
    """Primal less the better of two dual points made from the residual u.

    Scaled: in the augmented design that turns the quadratic part of the penalty into
    rows, D(t) = t <y, u> - t^2 (|u|^2 + augmented2) / 2 with |t| <= 1 / largest.
    As it is: D = <y, u> - |u|^2 / 2 - conjugates, finite for strongly convex penalties.

    Parameters
    ----------
    residual2, y_dot : float
        |u|^2 and <y, u>.
    value_sum, augmented2 : float
        sum pen_j(w_j) and sum curvature_j w_j^2.
    largest : float
        Largest gauge of the correlations x_j.T u.
    conjugates : float
        sum pen*_j(x_j.T u).
    """
    primal = 0.5 * residual2 + value_sum
    norm2 = residual2 + augmented2
    t = dual_scale(norm2, y_dot, largest)
    dual = t * y_dot - 0.5 * t * t * norm2
    dual = max(dual, y_dot - 0.5 * residual2 - conjugates)
    return abs(primal - dual)  # negative by rounding only, or of no worth


@kernel
def dual_scale(norm2, y_dot, largest):
    """Factor of the residual at which its dual point is feasible and best."""
    if norm2 <= 0.0:
        return 1.0 / max(largest, 1.0)
    bound = 1.0 / largest if largest > 0.0 else np.inf
    return max(min(y_dot / norm2, bound), -bound)


@kernel
def penalty_sums(penalty, w, q):
    """sum pen_j(w_j), sum curvature_j w_j^2, largest gauge, sum pen*_j(q_j)."""
    value_sum, augmented2, largest, conjugates = 0.0, 0.0, 0.0, 0.0
    for j in range(len(w)):
        if w[j] != 0.0:
            value_sum += value(penalty, w[j], j)
            augmented2 += curvature(penalty, w[j], j) * w[j] * w[j]
        largest = max(largest, gauge(penalty, q[j], w[j], j))
        conjugates += conjugate(penalty, q[j], j)
    return value_sum, augmented2, largest, conjugates


@kernel
def penalty_value(penalty, w):
    """sum pen_j(w_j)."""
    total = 0.0
    for j in range(len(w)):
        if w[j] != 0.0:
            total += value(penalty, w[j], j)
    return total


@kernel
def restricted_gap(penalty, c, w, q, y2):
    """Duality gap on the features of a Gram matrix: q = c - G w, y2 = |y|^2."""
    fitted, explained = 0.0, 0.0
    for j in range(len(w)):
        fitted += c[j] * w[j]
        explained += q[j] * w[j]
    value_sum, augmented2, largest, conjugates = penalty_sums(penalty, w, q)
    residual2 = max(y2 - fitted - explained, 0.0)
    return scaled_gap(
        residual2, y2 - fitted, value_sum, augmented2, largest, conjugates
    )


@kernel
def fill_curvatures(penalty, out):
    """Curvature of each coefficient's penalty away from zero."""
    for j in range(len(out)):
        out[j] = curvature(penalty, 1.0, j)


@kernel
def fill_gauges(penalty, g, slack, skip, out):
    """Largest gauge of any correlation within g +- slack, for coefficients at zero.

    Features in `skip` get zero.
    """
    for j in range(len(g)):
        if skip[j]:
            out[j] = 0.0
        else:
            out[j] = max(
                gauge(penalty, g[j] + slack[j], 0.0, j),
                gauge(penalty, g[j] - slack[j], 0.0, j),
            )


@kernel
def stationarity(penalty, w, q, lipschitz):
    """Largest |w_j - prox_j(w_j + q_j / L_j)| L_j: the violated optimality condition.

    Zero exactly at stationary points, in units of a gradient.
    """
    worst = 0.0
    for j in range(len(w)):
        if lipschitz[j] > 0.0:
            step = 1.0 / lipschitz[j]
            moved = prox(penalty, w[j] + step * q[j], step, j)
            worst = max(worst, lipschitz[j] * abs(w[j] - moved))
    return worst


@kernel
def unpenalised_stationary(penalty, unpenalised, w, q, gram, y2):
    """Whether the listed coefficients, of weight zero, have zero gradient.

    Up to rounding: the dual point is feasible only then.
    """
    for j in unpenalised:
        step = 1.0 / gram[j, j]
        change = abs(w[j] - prox(penalty, w[j] + step * q[j], step, j))
        if change * np.sqrt(gram[j, j]) > _FREE_TOLERANCE * np.sqrt(y2):
            return False
    return True
