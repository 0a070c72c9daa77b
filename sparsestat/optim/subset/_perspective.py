r"""The perspective relaxation of a penalised or bounded number of features.

With z_j in {0, 1} for "feature j is in", the problem

    minimise v - 2 c.T b + b.T G b + sum_j (D_j |b_j|^2 + cost z_j)
    subject to |b_j| <= most z_j, sum_j z_j <= size

has the same optimum with D_j |b_j|^2 / z_j for D_j |b_j|^2 and, with z_j in [0, 1], a
convex relaxation (Frangioni and Gentile, 2006).  Minimising over z leaves

    min over b of v - 2 c.T b + b.T G b + sum_j phi_j(|b_j|) - price size,
    phi(x) = 2 sqrt(mu D) x up to x = sqrt(mu / D), then D x^2 + mu,  mu = cost + price,

where sqrt(mu / D) <= most, and phi(x) = (D most + mu / most) x elsewhere; the price of
the number of features is a multiplier.  For any b, with q = c - G b, the dual gives

    v - b.T G b - sum over j of the `size` largest (h_j - cost)_+,
    h = |q|^2 / D up to |q| = D most, then 2 |q| most - D most^2,

as a lower bound, where features that are in count in full.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.vector import axpy
from sparsestat.utils.dispatch import kernel

__all__ = ["Bound", "Relaxation"]

# Rounds of passes over the features of a relaxation, and passes of each.
_ROUNDS, _PASSES, _INNER = 15, 10, 5
# The same where all features are in.
_FIT_PASSES = 2000
# A relaxation need not be solved better than to this share of the gap that it leaves.
_ENOUGH = 0.1
# Prices change by no more than this factor a round.
_FACTOR = 16.0


class Bound(NamedTuple):
    """What the relaxation of a node says.

    Parameters
    ----------
    value : float
        Lower bound of the objective of all choices below the node.
    b : ndarray of shape (n_targets, n_features)
        Its solution, nearly.
    z : ndarray of shape (n_features,)
        How far each feature is in.
    price : float
        Multiplier of the number of features.
    gains : ndarray of shape (n_features,)
        h_j - cost of the dual solution that gave the bound.
    """

    value: float
    b: np.ndarray
    z: np.ndarray
    price: float
    gains: np.ndarray


class Relaxation:
    """Relaxations of one problem, of which some features are in and some out.

    Parameters
    ----------
    G : ndarray of shape (n_features, n_features)
        Gram matrix without the ridge.
    c : ndarray of shape (n_targets, n_features)
    v : float
    D : ndarray of shape (n_features,)
        Ridge, positive unless `most` is finite.
    cost : float
        Of each feature.
    most : float
        Largest |b_j|, or inf.
    """

    def __init__(self, G, c, v, D, cost=0.0, most=np.inf) -> None:
        self.G, self.c, self.v, self.D = G, c, v, D
        self.cost, self.most = cost, most

    def solve(self, status, size, b, price, limit) -> Bound:
        """Bound the objective below a node.

        Parameters
        ----------
        status : ndarray of shape (n_features,), int8
            1 for features that are in, -1 for those that are out, 0 for free ones.
        size : int
            Features at most.
        b : ndarray of shape (n_targets, n_features)
            To start from.
        price : float
            To start from.
        limit : float
            Bounds above this are as good as any.

        Returns
        -------
        bound : Bound
        """
        free, inside = status == 0, status == 1
        left = size - int(inside.sum())
        b = np.where(status < 0, 0.0, b)
        priced = left < free.sum()
        price = price if priced else 0.0
        low, high = 0.0, np.inf
        best = None
        for _ in range(_ROUNDS):
            bound, above = self._solve_at(status, b, price, left)
            if best is None or bound.value > best.value:
                best = bound
            if best.value >= limit or above - best.value <= _ENOUGH * (
                limit - best.value
            ):
                break
            if not priced:
                continue
            total = float(bound.z[free].sum())
            if total > left:
                low = price
            else:
                high = price
            if low > 0.0 and high < np.inf:
                price = np.sqrt(low * high)
            else:
                ratio = (max(total, 0.1) / max(left, 0.5)) ** 2
                price *= np.clip(ratio, 1.0 / _FACTOR, _FACTOR)
        return best

    def fit(self) -> np.ndarray:
        """Coefficients with all features in, none larger than `most`."""
        b, q = np.zeros(self.c.shape), self.c.copy()
        inside = np.ones(len(self.D), np.int8)
        _descend(
            self.G, self.D, self.most, inside, 0.0, b, q, _FIT_PASSES, 1e-20 * self.v
        )
        return b

    def _solve_at(self, status, b, price, left):
        """Descend at one price; a bound, and what no bound of the node exceeds."""
        mu = self.cost + price
        support = np.flatnonzero(b.any(axis=0))
        q = self.c - b[:, support] @ self.G[support]
        scale = 1e-14 * self.v
        _descend(self.G, self.D, self.most, status, mu, b, q, _PASSES, scale)
        support = np.flatnonzero(b.any(axis=0))
        q = self.c - b[:, support] @ self.G[support]
        linear = float((self.c[:, support] * b[:, support]).sum())
        inner = float((q[:, support] * b[:, support]).sum())
        gains = self.gains(q)
        value = self.v - linear + inner - self.explained(gains, status, left)
        size = np.sqrt((b**2).sum(axis=0))
        z = self.shares(size, mu, status)
        free = status == 0
        total = float(z[free].sum())
        shrink = min(1.0, left / total) if total > 0.0 else 1.0
        above = np.inf
        if shrink == 1.0 or self.most == np.inf:
            z_fit = np.where(free, z * shrink, z)[support]
            spread = self.D[support] * size[support] ** 2
            above = self.v - linear - inner + self.cost * float((status == 1).sum())
            above += float((spread / np.maximum(z_fit, 1e-300)).sum())
            above += self.cost * shrink * total
        return Bound(value, b.copy(), z, price, gains), above

    def gains(self, q: np.ndarray) -> np.ndarray:
        """h_j - cost, from q."""
        return conjugate(np.sqrt((q**2).sum(axis=0)), self.D, self.most) - self.cost

    def explained(self, gains, status, left) -> float:
        """The sum of what is subtracted in the bound."""
        free = gains[status == 0]
        largest = np.maximum(_largest(free, left), 0.0)
        return float(gains[status == 1].sum() + largest.sum())

    def shares(self, size, mu, status) -> np.ndarray:
        """The z_j at which phi_j(size) is attained, one for features that are in."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = size * np.sqrt(self.D / mu) if mu > 0.0 else np.sign(size)
        if self.most < np.inf:
            z = np.maximum(z, size / self.most)
        return np.where(status == 1, 1.0, np.clip(z, 0.0, 1.0))


def conjugate(q, D, most):
    """h(|q|), the largest 2 q x - D x^2 over |x| <= most."""
    inner = q <= D * most if most < np.inf else np.ones(q.shape, np.bool_)
    h = np.zeros(q.shape)
    np.divide(q * q, D, out=h, where=inner & (D > 0.0))
    if most < np.inf:
        np.copyto(h, 2.0 * q * most - D * most**2, where=~inner)
    return h


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The largest values, in no order."""
    if count <= 0:
        return values[:0]
    if count >= len(values):
        return values
    return np.partition(values, len(values) - count)[len(values) - count :]


@kernel
def _descend(G, D, most, status, mu, b, q, max_passes, tol):
    """Pass over the coordinates until none moves the residual by more than `tol`.

    Between passes over all features are some over those that are not zero.
    """
    active, everything = np.empty(len(D), np.int64), np.empty(len(D), np.int64)
    n_all = 0
    for j in range(len(D)):
        if status[j] >= 0:
            everything[n_all] = j
            n_all += 1
    for _ in range(max_passes):
        if _pass(G, D, most, status, mu, b, q, everything[:n_all]) <= tol:
            break
        n_active = 0
        for k in range(n_all):
            j = everything[k]
            for t in range(len(b)):
                if b[t, j] != 0.0:
                    active[n_active] = j
                    n_active += 1
                    break
        for _ in range(_INNER):
            if _pass(G, D, most, status, mu, b, q, active[:n_active]) <= tol:
                break


@kernel
def _pass(G, D, most, status, mu, b, q, features):
    """Minimise over one feature after the other; the largest move of the residual."""
    largest, n_targets = 0.0, len(b)
    for k in range(len(features)):
        j = features[k]
        g, square = G[j, j], 0.0
        for t in range(n_targets):
            x = q[t, j] + g * b[t, j]
            square += x * x
        norm, ratio = np.sqrt(square), 0.0
        if norm > 0.0:
            ratio = _minimiser(norm, g, D[j], mu, most, status[j] == 1) / norm
        for t in range(n_targets):
            step = ratio * (q[t, j] + g * b[t, j]) - b[t, j]
            if step != 0.0:
                b[t, j] += step
                axpy(-step, G[j], q[t])
                largest = max(largest, step * step * g)
    return largest


@kernel
def _minimiser(rho, g, d, mu, most, inside):
    """The x in [0, most] with the least g x^2 - 2 rho x + phi(x)."""
    if g <= 0.0:
        return 0.0
    x = rho / (g + d)
    if not inside:
        if mu <= most * most * d:
            kink = np.sqrt(mu * d)
            if rho <= kink:
                return 0.0
            line = (rho - kink) / g
            if line * line * d <= mu:
                x = line
        else:
            x = max(rho - 0.5 * (d * most + mu / most), 0.0) / g
    return min(x, most)
