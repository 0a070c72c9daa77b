"""Newton's method with halved steps on chosen columns, compiled for all likelihoods.

Another support starts from the minimum of the quadratic model around a known point: one
step of iteratively reweighted least squares, from its predictions instead of its
coefficients, so that units may come and go.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.subset._loss import aux_width, drag, evaluate, n_drags
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["Model", "factor", "fit", "hessian", "room", "solve", "working"]

# Ridge that is added where a likelihood has no maximum.
RESCUE = 1e-6
_RESCUED_TOL = 1e-13
# Change of a prediction by a Newton step at a gradient of zero that tells of none.
_ENDLESS = 1e-2
_STEPS, _HALVINGS = 60, 50
# Change of a prediction up to which the fall that a step promises is trusted.
_TRUSTED = 1.0
# What a step by the Hessian of another point may save is this times its promise.
_DOUBTED = 2.0
# Steps by the Hessian of another point before one is formed, each of which has to
# promise this share of what the step before did at most.
_CHORDS, _FASTER = 4, 0.5
_ARMIJO = 1e-4
# Falls of a loss below this share of that of the null model are rounding.
_ROUNDING = 1e-14
# Share of the diagonal of a Hessian that is added to it against collinear features.
_JITTER = 1e-12
_HOPELESS = 1e30


class Model(NamedTuple):
    """What all fits of a search share.

    Parameters
    ----------
    loss : Loss
    X : ndarray of shape (n_rows, n)
        A row of ones, then the columns of features that were loaded.
    ridge : ndarray of shape (n_rows,)
        Penalty of each row.
    first : int
        One if there is an intercept, else zero.
    m : int
        Parameters of a feature.
    null_loss, tol, scale : float
        Loss without features, bound of derivatives, and their mean size there.
    """

    loss: Any
    X: Any
    ridge: Any
    first: int
    m: int
    null_loss: float
    tol: float
    scale: float


@kernel
def room(M):
    """Arrays for what `evaluate` tells: minus the gradient, curvature, and the rest."""
    m, n = M.m, M.X.shape[1]
    u, h = np.empty((m, n)), np.empty((m * (m + 1) // 2, n))
    return u, h, np.zeros((2, aux_width(M.loss)))


@kernel
def hessian(L, h, aux, X, rows, T, H):
    """Fill H with the Hessian of the coefficients of some rows of X, and T with A X."""
    k, n = len(rows), X.shape[1]
    m = H.shape[0] // k if k > 0 else 1
    left = np.empty(n)
    for i in range(k):
        x = X[rows[i]]
        drag(L, aux, x, T[i])
        at = 0
        for a in range(m):
            for b in range(a, m):
                w = h[at]
                for j in range(n):
                    left[j] = w[j] * x[j]
                at += 1
                for j in range(i + 1):
                    value = dot(left, X[rows[j]]) - dot(T[i], T[j])
                    H[i * m + a, j * m + b] = H[j * m + b, i * m + a] = value
                    H[i * m + b, j * m + a] = H[j * m + a, i * m + b] = value


@kernel(inline="always")
def working(L, h, aux, z, u, t):
    """Set t to W z + u, less the part of A; returns A z, of which it is."""
    m, n = z.shape
    Az = np.empty(n_drags(L))
    drag(L, aux, z[0], Az)
    at = 0
    for a in range(m):
        for j in range(n):
            t[a, j] = u[a, j]
    for a in range(m):
        for b in range(a, m):
            for j in range(n):
                t[a, j] += h[at, j] * z[b, j]
            if a != b:
                for j in range(n):
                    t[b, j] += h[at, j] * z[a, j]
            at += 1
    return Az


@kernel
def factor(H, R):
    """Lower factor of H, in its null space as if it were hardly curved."""
    k = len(H)
    top = 0.0
    for i in range(k):
        top = max(top, H[i, i])
    least, jitter, good = max(top * 2.3e-16, 1e-300), _JITTER, k == 0
    while not good and jitter < _HOPELESS:  # NaN has no factor
        good = True
        for i in range(k):
            for j in range(i):
                R[i, j] = (H[i, j] - dot(R[i, :j], R[j, :j])) / R[j, j]
            pivot = H[i, i] + jitter * max(H[i, i], least)
            pivot -= dot(R[i, :i], R[i, :i])
            if not pivot > 0.0:
                good = False
                break
            R[i, i] = np.sqrt(pivot)
        if not good:
            jitter = max(jitter * 100.0, least)


@kernel
def solve(R, b):
    """Solve with a lower factor, in place."""
    for i in range(len(b)):
        b[i] = (b[i] - dot(R[i, :i], b[:i])) / R[i, i]
    for i in range(len(b) - 1, -1, -1):
        b[i] /= R[i, i]
        axpy(-b[i], R[i, :i], b[:i])


@kernel
def _predict(X, rows, theta, z):
    for a in range(len(z)):
        for j in range(z.shape[1]):
            z[a, j] = 0.0
        for i in range(len(rows)):
            axpy(theta[i, a], X[rows[i]], z[a])


@kernel(inline="always")
def _penalty(D, theta):
    total = 0.0
    for i in range(len(D)):
        for a in range(theta.shape[1]):
            total += 0.5 * D[i] * theta[i, a] * theta[i, a]
    return total


@kernel
def fit(M, rows, theta, z, u, h, aux, T, H, b, own, R, separated, limit):
    """Maximise on some rows of X, the intercept among them.

    There is one place for each evaluation, as every one of them is compiled anew.

    Parameters
    ----------
    M : Model
    rows : ndarray of int64, shape (k,)
    theta : ndarray of shape (k, m)
        To start from, and the result.
    z : ndarray of shape (m, n)
        Set to its predictions.
    u, h, aux : ndarray
        Set to what `evaluate` tells there.
    T : ndarray of shape (k, n_drags(M.loss))
        Set to A x for those rows x.
    H, b : ndarray of shape (k * m, k * m) and (k * m,)
        A quadratic model whose minimum ``H^{-1} b`` is tried first; empty for none.
    own, R : ndarray of shape (k * m, k * m)
        Set to the Hessian of the objective, and its lower factor.
    separated : bool
        Whether it is known that there is no maximum.
    limit : float
        Give up where a Newton step does not promise to get below this objective.

    Returns
    -------
    given_up, separated : bool
        Separated: there is no maximum, so that a small ridge was added.
    value, objective, gradient, margin : float
    """
    L, X, m, n = M.loss, M.X, M.m, M.X.shape[1]
    k, near, tol = len(rows), len(b) > 0, M.tol
    D, g, flat = np.empty(k), np.empty(k * m), np.empty(k * m)
    trial, step = theta.copy(), np.zeros((k, m))
    change, at = np.empty((m, n)), np.empty((m, n))
    for i in range(k):
        D[i] = M.ridge[rows[i]]
    if near:
        factor(H, R)
        solve(R, b)
        for i in range(k):
            for a in range(m):
                trial[i, a] = b[i * m + a]
    enough = max(M.null_loss, limit if np.isfinite(limit) else 0.0)
    value = objective = gradient = margin = rounding = 0.0
    length, n_steps, n_halvings = 1.0, 0, 0
    n_chords, last, before = 0, np.inf, np.inf
    given_up = endless = stuck = False
    opening, bent = True, False
    while True:
        if opening:
            if separated and not bent:
                # The ridge hardly bends the objective: coefficients need a smaller
                # gradient.
                tol, bent = min(M.tol, _RESCUED_TOL * M.scale), True
                for i in range(k):
                    D[i] += RESCUE if rows[i] > 0 else 0.0
            if n_chords == 0:
                _predict(X, rows, trial, at)
        new = evaluate(L, at, u, h, aux)
        total = new + _penalty(D, trial)
        if stuck:
            break
        if opening and near and not separated:
            if not new <= enough:
                near, n_chords = False, 0
                for i in range(k):
                    for a in range(m):
                        trial[i, a] = theta[i, a]
                continue
            # The old Hessian tells which promises are not kept.
            for i in range(k):
                for a in range(m):
                    x = dot(X[rows[i]], u[a]) - D[i] * trial[i, a]
                    g[i * m + a] = flat[i * m + a] = x
            solve(R, flat)
            promise = dot(g, flat)
            if total - _DOUBTED * promise > limit:
                value, given_up = new, True
                break
            faster = total < last and promise < _FASTER * before
            if total > limit and faster and n_chords < _CHORDS:
                n_chords, last, before = n_chords + 1, total, promise
                for i in range(k):
                    for a in range(m):
                        trial[i, a] += flat[i * m + a]
                        axpy(flat[i * m + a], X[rows[i]], at[a])
                continue
        if opening:
            opening, n_steps, n_chords = False, 0, 0
            rounding = _ROUNDING * max(M.null_loss, total, 1e-300)
        elif not total <= objective - _ARMIJO * length * margin + rounding:
            n_halvings += 1
            length *= 0.5
            # In the end back to where the line began.
            stuck = n_halvings == _HALVINGS
            length = 0.0 if stuck else length
            _along(theta, step, z, change, length, trial, at)
            continue
        value, objective = new, total
        _along(trial, step, at, change, 0.0, theta, z)
        gradient = 0.0
        for i in range(k):
            for a in range(m):
                x = dot(X[rows[i]], u[a]) - D[i] * theta[i, a]
                g[i * m + a] = flat[i * m + a] = x
                gradient = max(gradient, abs(x))
        hessian(L, h, aux, X, rows, T, own)
        for i in range(k):
            for a in range(m):
                own[i * m + a, i * m + a] += D[i]
        factor(own, R)
        solve(R, flat)
        margin = dot(g, flat)
        for i in range(k):
            for a in range(m):
                step[i, a] = flat[i * m + a]
        _predict(X, rows, step, change)
        longest = 0.0
        for a in range(m):
            for j in range(n):
                longest = max(longest, abs(change[a, j]))
        # A Newton step tells how far it is to the bottom where it is short.
        short = longest <= _TRUSTED
        if (n_steps > 0 or near) and short and objective - margin > limit:
            given_up = True
            break
        endless = gradient <= tol and longest > _ENDLESS
        if endless and not separated:
            separated = near = opening = True
            continue
        if gradient <= tol or n_steps == _STEPS:
            break
        length, n_steps, n_halvings = 1.0, n_steps + 1, 0
        _along(theta, step, z, change, length, trial, at)
    return given_up, separated, value, value + _penalty(D, theta), gradient, margin


@kernel
def _along(theta, step, z, change, length, to_theta, to_z):
    """Set coefficients and predictions to those after a step, which may be none."""
    for i in range(theta.shape[0]):
        for a in range(theta.shape[1]):
            to_theta[i, a] = theta[i, a]
            if length > 0.0:
                to_theta[i, a] += length * step[i, a]
    for a in range(z.shape[0]):
        for j in range(z.shape[1]):
            to_z[a, j] = z[a, j]
        if length > 0.0:
            axpy(length, change[a], to_z[a])
