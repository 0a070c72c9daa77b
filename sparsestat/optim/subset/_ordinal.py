"""Proportional odds (McCullagh, 1980), thresholds at their best for every prediction.

The likelihood of class k is sigmoid(a) sigmoid(-b) (1 - exp(b - a)) where a and b are
the thresholds above and below it, less the prediction z: only its last factor couples
thresholds, and it does not depend on z.  The curvature left in z once they are at their
best is diag(h) - C.T T^{-1} C, with T tridiagonal.
"""

import numpy as np

from sparsestat.optim.elementary import exp, log1p
from sparsestat.utils.dispatch import kernel

__all__ = ["drag_thresholds", "ordinal", "thresholds_of"]

# Newton steps, and those after which others than the last thresholds may be better.
_STEPS, _QUICK, _HALVINGS = 200, 12, 60
# Newton's decrement at which thresholds are at their best, and the longest step, as
# predictions may be far apart as well.
_BEST, _LONGEST = 1e-24, 20.0
# Steps below this share of the thresholds are rounding.
_BLIND = 1e-15
# Thresholds to start from are apart by at least this.
_NARROWEST = 1e-6
_ARMIJO, _ROUNDING = 1e-4, 1e-13


# Samples of class k are those in start[k] : start[k + 1].  With n samples and q
# thresholds, aux holds in row 0 the curvatures by thresholds above, the diagonal of D,
# where L D L.T = T, and the thresholds; in row 1 those by thresholds below, and what is
# left of L's diagonal.


@kernel
def thresholds_of(start, aux):
    """The thresholds that `ordinal` left behind."""
    n, q = start[len(start) - 1], len(start) - 2
    return aux[0, n + q : n + 2 * q]


@kernel
def ordinal(start, weight, z, u, h, aux):
    """Loss at predictions z and the best thresholds.

    Parameters
    ----------
    start : ndarray of int64, shape (n_classes + 1,)
    weight, z : ndarray of shape (n,)
    u, h : ndarray of shape (n,)
        Set to minus the gradient, and to the diagonal part of the curvature.
    aux : ndarray of shape (2, n + 2 (n_classes - 1))
        Zeros, or as left behind, to start from the thresholds in it.

    Returns
    -------
    value : float
    """
    n, q = len(z), len(start) - 2
    theta = thresholds_of(start, aux)
    g, step, old = np.empty(q), np.empty(q), np.empty(q)
    known = aux[0, n] > 0.0
    value = np.inf
    if known:
        value = _evaluate(start, weight, z, theta, u, h, aux, g)
    longest = max(_LONGEST, z.max() - z.min())
    for n_steps in range(_STEPS):
        if n_steps == (_QUICK if known else 0):
            value = _begin(start, weight, z, theta, value, old, u, h, aux, g)
        decrement, length = _newton(aux, n, g, step)
        # A class of a tiny weight ties thresholds that rounding moves.
        blind = length <= _BLIND * max(abs(theta[0]), abs(theta[q - 1]))
        if not decrement > _BEST or blind or n_steps == _STEPS - 1:
            break
        length = min(1.0, longest / length)
        for k in range(q):
            old[k] = theta[k]
        moved = False
        for _ in range(_HALVINGS):
            for k in range(q):
                theta[k] = old[k] + length * step[k]
            new = _evaluate(start, weight, z, theta, u, h, aux, g)
            allowed = value * (1.0 + _ROUNDING) - _ARMIJO * length * decrement
            if new <= allowed:
                moved = True
                break
            length *= 0.5
        if not moved:
            for k in range(q):
                theta[k] = old[k]
            value = _evaluate(start, weight, z, theta, u, h, aux, g)
            _newton(aux, n, g, step)
            break
        value = new
    return value


@kernel
def drag_thresholds(start, aux, x, out):
    """D^{-1/2} L^{-1} C x for a vector x."""
    n = len(x)
    for k in range(len(out)):
        total = 0.0
        for i in range(start[k], start[k + 1]):
            total += aux[0, i] * x[i]
        for i in range(start[k + 1], start[k + 2]):
            total += aux[1, i] * x[i]
        out[k] = total
        if k > 0:
            out[k] -= aux[1, n + k] * out[k - 1]
    for k in range(len(out)):
        out[k] /= np.sqrt(aux[0, n + k])


@kernel
def _begin(start, weight, z, theta, value, trial, u, h, aux, g):
    """The best of the thresholds at hand and two that are cheap; returns the loss."""
    for way in range(2):
        if way == 0:
            _shares(start, weight, z, trial)
        else:
            _between(start, weight, z, trial)
        found = _evaluate(start, weight, z, trial, u, h, aux, g)
        if found < value:
            value = found
            for k in range(len(theta)):
                theta[k] = trial[k]
    return _evaluate(start, weight, z, theta, u, h, aux, g)


@kernel
def _shares(start, weight, z, theta):
    """Thresholds of shares of the classes, around the mean prediction."""
    n, mean = len(z), 0.0
    for i in range(n):
        mean += z[i] / n
    below = 0.0
    for k in range(len(theta)):
        above = 0.0
        for i in range(start[k], start[k + 1]):
            below += weight[i]
        for i in range(start[k + 1], n):
            above += weight[i]
        theta[k] = mean + np.log(below / above)
        if k > 0:
            theta[k] = max(theta[k], theta[k - 1] + _NARROWEST)


@kernel
def _between(start, weight, z, theta):
    """Thresholds between the means of neighbouring classes."""
    below = 0.0
    for k in range(len(theta) + 1):
        total, mean = 0.0, 0.0
        for i in range(start[k], start[k + 1]):
            total += weight[i]
            mean += weight[i] * z[i]
        mean /= total
        if k > 0:
            theta[k - 1] = 0.5 * (below + mean)
        below = mean


@kernel
def _side(z, weight, threshold, sign, u, curve):
    """Losses of samples on one side of a threshold: above it, or below with sign -1.

    Returns
    -------
    value, slope, bend : float
        Sums of losses, of minus their derivatives by sign times z, and of curvatures.
    """
    value, slope, bend = 0.0, 0.0, 0.0
    for i in range(len(z)):
        a, w = sign * (threshold - z[i]), weight[i]
        e = exp(-abs(a))
        share = 1.0 / (1.0 + e)
        s = w * share * (e if a > 0.0 else 1.0)
        value += w * (log1p(e) - min(a, 0.0))
        u[i] -= sign * s
        curve[i] = w * e * share * share
        slope += s
        bend += curve[i]
    return value, slope, bend


@kernel
def _evaluate(start, weight, z, theta, u, h, aux, g):
    """Loss at some thresholds; its derivatives by them in g, and T in aux.

    What thresholds have in common is left off T's diagonal.
    """
    n, q = len(z), len(theta)
    for k in range(1, q):
        if not theta[k] > theta[k - 1]:
            return np.inf
    diagonal, value = aux[0, n : n + q], 0.0
    for k in range(q):
        g[k] = diagonal[k] = aux[1, n + k] = 0.0
    for i in range(n):
        u[i] = aux[0, i] = aux[1, i] = 0.0
    for k in range(q + 1):
        i, j = start[k], start[k + 1]
        for side in range(2):
            t = k - side
            if 0 <= t < q:
                found, slope, bend = _side(
                    z[i:j], weight[i:j], theta[t], 1.0 - 2.0 * side, u[i:j],
                    aux[side, i:j],
                )  # fmt: skip
                value += found
                g[t] -= (1.0 - 2.0 * side) * slope
                diagonal[t] += bend
        if 0 < k < q:
            gap = theta[k] - theta[k - 1]
            e = np.exp(-gap)
            room, mass = -np.expm1(-gap), 0.0
            for s in range(i, j):
                mass += weight[s]
            value -= mass * np.log(room)
            slope, curve = mass * e / room, mass * e / (room * room)
            g[k] -= slope
            g[k - 1] += slope
            aux[1, n + k] = -curve
    for i in range(n):
        h[i] = aux[0, i] + aux[1, i]
    return value


@kernel
def _newton(aux, n, g, step):
    """Factor T, and set Newton's step; returns its decrement and its largest entry.

    The rows of T sum to what each threshold has alone, so that what is left of a
    pivot is a sum as well, however strongly a small class ties its thresholds.
    """
    q, own = len(g), 0.0
    for k in range(q):
        step[k] = -g[k]
        tie = -aux[1, n + k + 1] if k < q - 1 else 0.0
        if k > 0:
            share = -aux[1, n + k] / aux[0, n + k - 1]
            aux[1, n + k] = -share
            step[k] += share * step[k - 1]
            own *= share
        own += aux[0, n + k]
        aux[0, n + k] = max(own + tie, 1e-300)
    longest, decrement = 1e-300, 0.0
    for k in range(q - 1, -1, -1):
        decrement += step[k] * step[k] / aux[0, n + k]
        step[k] /= aux[0, n + k]
        if k < q - 1:
            step[k] -= aux[1, n + k + 1] * step[k + 1]
        longest = max(longest, abs(step[k]))
    return decrement, longest
