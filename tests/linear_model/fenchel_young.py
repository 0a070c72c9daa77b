"""Linear models under Fenchel-Young losses, slowly and from definitions."""

import numpy as np
import pytest

from tests.activations import naive

__all__ = ["conic_optimum", "duality_gap", "objective", "omega"]


def omega(P, order):
    """Regulariser of each row."""
    P = np.asarray(P, dtype=float)
    if order == 1.0:
        return np.where(P > 0, P * np.log(np.where(P > 0, P, 1.0)), 0.0).sum(axis=1)
    return ((P**order).sum(axis=1) - 1) / (order * (order - 1))


def shares_of(n, sample_weight):
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    return s / s.sum()


def losses(Z, Q, order):
    P = np.array([naive.entmax(z, order) for z in Z])
    value = np.einsum("ij,ij->i", P - Q, Z) - omega(P, order) + omega(Q, order)
    return value, P


def objective(X, Q, coef, intercept, *, alpha, l1_ratio=0.0, order=2.0, weight=None):
    """Objective from its formula."""
    s = shares_of(len(X), weight)
    value = s @ losses(X @ coef.T + intercept, Q, order)[0]
    ridge = 0.5 * (1 - l1_ratio) * np.sum(coef**2)
    return value + alpha * (l1_ratio * np.abs(coef).sum() + ridge)


def duality_gap(
    X, Q, coef, intercept, *, alpha, l1_ratio=0.0, order=2.0, weight=None, free=True
):
    """Objective less the dual objective at rows of probabilities made feasible.

    The dual maximises -sum s (Omega(mu) - Omega(q)) - h*(X^T S (Q - M)); with an
    intercept the mu average to the mean target.
    """
    X = np.asarray(X, dtype=float)
    s = shares_of(len(X), weight)
    P = losses(X @ coef.T + intercept, Q, order)[1]
    if free:
        target, mean = s @ Q, s @ P
        shrink = 1 - (target / mean).min()
        P = (1 - shrink) * P + target - (1 - shrink) * mean
        assert P.min() >= -1e-12
        P = np.maximum(P, 0.0)
        np.testing.assert_allclose(P.sum(axis=1), 1.0, atol=1e-12)
        np.testing.assert_allclose(s @ P, target, atol=1e-12)
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    duals = []
    for share in (1.0, None):
        U = X.T @ (s[:, None] * (Q - P))
        if share is None:
            share = min(1.0, l1 / np.abs(U).max())
        if share == 1.0 and l2 == 0.0:
            continue
        M, U = Q + share * (P - Q), share * U
        value = -s @ (omega(M, order) - omega(Q, order))
        if l2 > 0:
            value -= (np.maximum(np.abs(U) - l1, 0) ** 2).sum() / (2 * l2)
        duals.append(value)
    primal = objective(
        X,
        Q,
        coef,
        intercept,
        alpha=alpha,
        l1_ratio=l1_ratio,
        order=order,
        weight=weight,
    )
    return primal - max(duals)


def conic_optimum(X, Q, *, alpha, l1_ratio, order, weight=None):
    """Optimal value and coefficients by a conic solver.

    The conjugate of the regulariser is min_t t + sum((r (z - t))_+^(order / r)) / order
    + 1 / (order r) with r = order - 1.
    """
    cp = pytest.importorskip("cvxpy")
    n, n_classes = Q.shape
    s = shares_of(n, weight)[:, None]
    W, b = cp.Variable((X.shape[1], n_classes)), cp.Variable((1, n_classes))
    Z = X @ W + np.ones((n, 1)) @ b
    if order == 1.0:
        conjugates = cp.log_sum_exp(Z, axis=1, keepdims=True)
    else:
        t, r = cp.Variable((n, 1)), order - 1
        powers = cp.power(cp.pos(r * (Z - t @ np.ones((1, n_classes)))), order / r)
        conjugates = t + cp.sum(powers, axis=1, keepdims=True) / order + 1 / (order * r)
    linear = cp.sum(cp.multiply(Q, Z), axis=1, keepdims=True)
    loss = cp.sum(cp.multiply(s, conjugates - linear)) + s[:, 0] @ omega(Q, order)
    penalty = l1_ratio * cp.norm1(W) + (1 - l1_ratio) / 2 * cp.sum_squares(W)
    problem = cp.Problem(cp.Minimize(loss + alpha * penalty))
    return problem.solve(solver="CLARABEL"), W.value.T
