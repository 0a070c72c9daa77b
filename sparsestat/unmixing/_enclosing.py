"""The smallest simplex around most pixels, by a primal-dual interior-point method.

minimise   -log |det Q| + tau sum max(0, -(Z Q.T))   subject to   1.T Q = e_1.T,

Z pixels in affine coordinates, ones first, so that A = Z Q.T are their shares in a
simplex whose corners are the columns of the inverse of Q, and -log |det Q| its volume.
With heights u >= 0 and u + A >= 0 over which tau sum(u) is paid, a pixel pulls the
facet that it is behind with a force f, 0 <= f <= tau, and

    f (u + A) = (tau - f) u = m,   I + f.T A constant in each column,

is solved for m that goes to zero. Steps are taken in the shares of the current simplex:
Q becomes (I + S) Q with 1.T S = 0. After Wright, Primal-Dual Interior-Point Methods
(1997), with absolute values of the curvatures, since the problem is not convex.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Enclosing", "enclosing_simplex"]

# Least curvature relative to the largest, share of the way to a bound that a step may
# go, and how much nearer to zero the products of each are to be.
_FLOOR, _SHARE, _NEARER = 1e-13, 0.95, 0.2
# Largest change of a share in one step.
_REACH = 0.5


class Enclosing(NamedTuple):
    """Solution of `enclosing_simplex`.

    Parameters
    ----------
    corners : ndarray of shape (n_corners, n_corners)
        Corners in affine coordinates, a row each.
    stationarity : float
        Violated optimality condition.
    n_iter : int
        Steps.
    """

    corners: np.ndarray
    stationarity: float
    n_iter: int


def enclosing_simplex(
    Z: np.ndarray, corners: np.ndarray, tau: float, *, tol: float, max_iter: int
) -> Enclosing:
    """Corners of the smallest simplex around most pixels.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_corners)
        Pixels in affine coordinates, the first of which is one.
    corners : ndarray of shape (n_corners, n_corners)
        Corners to start with.
    tau : float
        What a share below zero costs; from n_corners - 1 on none is.
    tol : float
        Largest violation of the optimality conditions, in shares of the simplex.
    max_iter : int
        Steps at most.
    """
    n, p = Z.shape
    if p == 1:
        return Enclosing(corners, 0.0, 1)
    basis = np.linalg.svd(np.ones((1, p)))[2][1:].T
    Q = np.linalg.inv(corners.T)
    A = Z @ Q.T
    u = np.maximum(-A, 0.0) + 0.1
    f = np.minimum(1.0 / n, 0.5 * tau) / (u + A + 1.0)
    best = Enclosing(corners, np.inf, 0)
    for n_iter in range(max_iter + 1):
        violated = _violation(A, f, tau, basis)
        if violated < best.stationarity:
            best = Enclosing(np.linalg.inv(Q).T, violated, n_iter)
        if violated <= tol or n_iter == max_iter:
            break
        m = _NEARER * (np.vdot(f, u + A) + np.vdot(tau - f, u)) / (2.0 * n * p)
        S, df, du = _step(A, u, f, tau, m, basis)
        dA = A @ S.T
        length = min(
            _REACH / max(np.abs(S).max(initial=0.0), _REACH),
            *(_room(x, dx) for x, dx in ((f, df), (tau - f, -df), (u, du))),
            _room(u + A, du + dA),
        )
        f += length * df
        u += length * du
        Q += length * S @ Q
        A = Z @ Q.T
        # Heights that rounding has let below a facet.
        u = np.maximum(u, np.maximum(-A, 0.0) + np.finfo(float).tiny)
    return best._replace(n_iter=n_iter)


def _violation(A, f, tau, basis):
    """Of the balance of forces at facets, and forces of pixels that are off them."""
    balance = basis.T @ (np.eye(A.shape[1]) + f.T @ A)
    off = np.vdot(f, np.maximum(A, 0.0)) + np.vdot(tau - f, np.maximum(-A, 0.0))
    return float(max(np.abs(balance).max(initial=0.0), off))


def _step(A, u, f, tau, m, basis):
    """Newton's step of the shares, of the forces and of the heights.

    A force follows its share: df = -w (dA + t), w and t from its two products.
    """
    p = A.shape[1]
    stiffness = 1.0 / (u / (tau - f) + (u + A) / f)
    target = f + stiffness * (m / f - m / (tau - f) - A)
    hessian = np.zeros((p, p, p, p))
    k, j = np.indices((p, p))
    hessian[k, j, j, k] = 1.0
    for facet in range(p):
        hessian[facet, :, facet, :] += (stiffness[:, facet] * A.T) @ A
    hessian = np.einsum("ka,kjlm,lb->ajbm", basis, hessian, basis, optimize=True)
    size = (p - 1) * p
    values, vectors = np.linalg.eigh(hessian.reshape(size, size))
    values = np.abs(values)
    values = np.maximum(values, _FLOOR * values.max(initial=0.0))
    right = (basis.T @ (np.eye(p) + target.T @ A)).ravel()
    S = basis @ (vectors @ ((vectors.T @ right) / values)).reshape(p - 1, p)
    df = target - f - stiffness * (A @ S.T)
    du = (m + df * u) / (tau - f) - u
    return S, df, du


def _room(x, dx):
    """Share of a step after which all values are still positive."""
    falling = dx < 0.0
    if not falling.any():
        return 1.0
    return min(1.0, _SHARE * float((x[falling] / -dx[falling]).min()))
