"""What exchanges of units promise, by the quadratic model of a likelihood at a point.

The Hessian there is the Gram matrix of a least squares problem, so that all changes
follow from Schur complements as in `_state`; with a block for each pair of units.
"""

import numpy as np

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.design import n_samples
from sparsestat.optim.products import correlate_many
from sparsestat.optim.subset._newton import (
    RESCUE,
    LikelihoodProblem,
    Point,
    curved,
    solver_of,
)

__all__ = ["Exchanges", "largest_first"]

# Units outside that are looked at with their own curvature.
_LOOKED_AT = 256
# They all are where there are no more than this.
_WHOLE = 400
# Added to blocks of several parameters, as a share of their diagonal.
_JITTER = 1e-10
# Share of its cost that an exchange has to regain, by how much it moves predictions.
_LEAST_WORTH, _UNCERTAIN = 0.5, 0.2
# Gains that agree to so many digits are the same.
_DIGITS = 9


def largest_first(gains: np.ndarray) -> np.ndarray:
    """Order of gains, largest first, those that agree up to rounding as they are."""
    top = gains.max(initial=0.0)
    if top <= 0.0:
        return np.arange(len(gains))
    return np.argsort(-np.round(gains / top, _DIGITS), kind="stable")


class Exchanges:
    """Promised changes of the objective around a point.

    Attributes
    ----------
    costs : ndarray of shape (n_active,)
        What dropping each active unit costs.
    outside : ndarray of int
        Units outside that were looked at.
    gains : ndarray of shape (n_outside,)
        What adding each of them gains.
    """

    def __init__(self, problem: LikelihoodProblem, point: Point) -> None:
        self.problem, self.point = problem, point
        m, self._first = problem.m, int(problem.fit_intercept)
        B = problem.matrix(point.features)
        u, curvature = problem.likelihood.derivatives(point.z)
        extra = RESCUE if point.separated else 0.0
        M = curved(problem, curvature, B, problem.penalty(point.features, extra))
        left = problem.likelihood.bend(curvature, B)
        self._M = M
        self._H = solver_of(M)(np.eye(len(M)))
        rows, r = self._all_features(left, u)
        self._V = self._H @ rows.reshape(len(rows), len(r) * m)
        self._rows = rows
        ones = np.ones((1, B.shape[1]))
        stiffness = problem.likelihood.squares(curvature, ones, ones)[0]
        self._stiffness = max(float(np.trace(stiffness)) / m, 1e-300)
        self._r = r
        self.freedom = m * len(B) - float(
            np.repeat(problem.penalty(point.features), m) @ self._H.diagonal()
        )
        self._places = self._own_places()
        inverses = [np.linalg.inv(self._H[np.ix_(at, at)] + 0.0) for at in self._places]
        coefs = [self._coef(at) for at in self._places]
        self._slopes = [K @ b for K, b in zip(inverses, coefs, strict=True)]
        self._inverses = inverses
        self.costs = 0.5 * np.array(
            [b @ k for b, k in zip(coefs, self._slopes, strict=True)]
        )
        self.outside = self._candidates()
        self._blocks(curvature)
        self.gains = self._gains(self._u, self._Q)

    def best(self, locked: np.ndarray, count: int):
        """The exchanges of one unit that promise most.

        What is promised is less certain the more an exchange moves predictions, so that
        small ones have to regain nearly all of what they cost, and large ones half.

        Parameters
        ----------
        locked : ndarray of shape (n_active,), bool
            Units that may not leave.
        count : int
            How many at most.

        Returns
        -------
        swaps : list of tuple
            Promised change relative to the cost, position of the active unit and the
            unit that joins, best first.
        """
        swaps = []
        for i in np.flatnonzero(~locked):
            cost = self.costs[i]
            moved = np.sqrt(2.0 * cost / self._stiffness)
            worth = max(_LEAST_WORTH, 1.0 - _UNCERTAIN * moved)
            gains = self.gains_without(i)
            good = np.flatnonzero((gains > 0.0) & (gains >= worth * cost))
            order = good[largest_first(gains[good])[:count]]
            change = 1.0 - gains[order] / cost if cost > 0.0 else -gains[order]
            swaps += [
                (float(x), int(i), int(self.outside[k]))
                for x, k in zip(change, order, strict=True)
            ]
        swaps.sort()
        return swaps[:count]

    def gains_without(self, i: int) -> np.ndarray:
        """What each outside unit gains once an active one is dropped."""
        V = self._V[self._places[i]][:, self._columns]  # (k, n_outside, w)
        V = np.where(self._padding, 0.0, V)
        if V.shape[0] == V.shape[2] == 1:
            v = V[0]
            u = self._u + v * self._slopes[i]
            return self._gains(u, self._Q + (v * v * self._inverses[i])[:, :, None])
        u = self._u + np.einsum("knw,k->nw", V, self._slopes[i])
        Q = self._Q + np.einsum("knv,kl,lnw->nvw", V, self._inverses[i], V)
        return self._gains(u, Q)

    def promise(self, unit: int, dropped: int | None = None):
        """The quadratic model's minimum with another unit, one of the active dropped.

        Parameters
        ----------
        unit : int
            That joins.
        dropped : int, default=None
            Position of the active unit that leaves.

        Returns
        -------
        start : tuple of ndarray
            Features, coefficients and intercept.
        """
        problem, point, m = self.problem, self.point, self.problem.m
        k = int(np.searchsorted(self.outside, unit))
        real = ~self._padding[k]
        columns = self._columns[k][real]
        keep = np.arange(len(self._M))
        if dropped is not None:
            keep = np.delete(keep, self._places[dropped])
        theta = point.coef.ravel()
        if self._first:
            theta = np.concatenate([point.intercept, theta])
        G = self._rows.reshape(self._V.shape)[:, columns]
        n = len(keep)
        M = np.empty((n + len(columns), n + len(columns)))
        M[:n, :n] = self._M[np.ix_(keep, keep)]
        M[:n, n:] = G[keep]
        M[n:, :n] = G[keep].T
        M[n:, n:] = self._corners[k][np.ix_(real, real)]
        linear = np.concatenate([(self._M @ theta)[keep], self._u[k][real] + theta @ G])
        found = solver_of(M)(linear).reshape(-1, m)
        intercept = found[0] if self._first else point.intercept
        chosen = keep[self._first * m :: m] // m - self._first
        features = np.concatenate([point.features[chosen], problem.features([unit])])
        return features, found[self._first :], intercept

    def _all_features(self, left, u):
        """Hessian of the active parameters against all, and the gradient of all."""
        problem, m = self.problem, self.problem.m
        n, rows = len(left), problem.likelihood.rows
        stacked = np.concatenate([left.reshape(n * m * m, len(u)), u.T])
        total = n_samples(problem.design)
        if len(rows) != total or not np.array_equal(rows, np.arange(total)):
            spread = np.zeros((len(stacked), total))
            spread[:, rows] = stacked
            stacked = spread
        products = correlate_many(problem.design, stacked.T)
        p = len(products)
        products[~problem.usable] = 0.0
        block = products[:, : n * m * m].reshape(p, n, m, m)
        return block.transpose(1, 2, 0, 3).reshape(n * m, p, m), products[
            :, n * m * m :
        ]

    def _own_places(self):
        """Rows of the Hessian of each active unit."""
        problem, m, at = self.problem, self.problem.m, self._first
        places = []
        for u in self.point.units:
            width = 1 if problem.units is None else len(problem.units[u])
            places.append(np.arange(at * m, (at + width) * m))
            at += width
        return places

    def _coef(self, at):
        m = self.problem.m
        return self.point.coef.ravel()[at - self._first * m]

    def _candidates(self):
        """Units outside; the most promising ones if there are many."""
        problem = self.problem
        outside = np.ones(problem.n_units, np.bool_)
        outside[self.point.units] = False
        if problem.units is None:
            outside &= problem.usable
        outside = np.flatnonzero(outside)
        if len(outside) <= _WHOLE or problem.units is not None:
            return outside
        p, m = len(problem.usable), problem.m
        best = (self._r**2).sum(axis=1)
        for at, slope in zip(self._places, self._slopes, strict=True):
            r = self._r + (slope @ self._V[at]).reshape(p, m)
            np.maximum(best, (r**2).sum(axis=1), out=best)
        score = best[outside] / problem.design.norm[outside] ** 2
        kept = np.argpartition(-score, _LOOKED_AT - 1)[:_LOOKED_AT]
        return outside[np.sort(kept)]

    def _blocks(self, curvature):
        """Gradients and Schur complements of the outside units, padded to one width."""
        problem, m = self.problem, self.problem.m
        units = self.outside
        if problem.units is None:
            features = units[:, None]
        else:
            widest = max((len(problem.units[u]) for u in units), default=1)
            features = np.full((len(units), widest), -1)
            for k, u in enumerate(units):
                features[k, : len(problem.units[u])] = problem.units[u]
        n, width = features.shape
        padding = np.repeat(features < 0, m, axis=1)
        columns = (features[:, :, None] * m + np.arange(m)).reshape(n, width * m)
        self._columns = np.where(padding, 0, columns)
        self._padding = padding
        self._u = np.where(padding, 0.0, self._r.ravel()[self._columns])
        w = width * m
        Q = np.zeros((n, w, w))
        squares = problem.likelihood.squares
        for k in range(width):
            for other in range(k, width):
                kept = np.flatnonzero((features[:, k] >= 0) & (features[:, other] >= 0))
                X = problem.columns(features[kept, k])
                Y = X if other == k else problem.columns(features[kept, other])
                block = squares(curvature, X, Y)
                a, b = slice(k * m, k * m + m), slice(other * m, other * m + m)
                Q[kept, a, b] = block
                Q[kept, b, a] = block.transpose(0, 2, 1)
        diagonal = Q.diagonal(axis1=1, axis2=2).copy()
        D = np.where(features < 0, 0.0, problem.ridge[np.maximum(features, 0)])
        corner = np.arange(w)
        Q[:, corner, corner] += np.repeat(D, m, axis=1)
        V = np.where(padding, 0.0, self._V[:, self._columns])
        G = np.where(padding, 0.0, self._rows.reshape(self._V.shape)[:, self._columns])
        self._corners = Q.copy()
        if w == 1:
            Q[:, 0, 0] -= (G * V).sum(axis=(0, 2))
        else:
            Q -= np.einsum("knv,knw->nvw", G, V)
        # Parameters that are not there, or do not matter, gain nothing.
        self._idle = diagonal <= 0.0
        self._least = np.where(self._idle, np.inf, PIVOT * diagonal)
        self._Q = Q

    def _gains(self, u, Q):
        """u.T Q^{-1} u / 2 of all outside units."""
        if Q.shape[1] == 1:
            q = Q[:, 0, 0]
            gains = np.zeros(len(q))
            np.divide(u[:, 0] ** 2, q, out=gains, where=q > self._least[:, 0])
            return 0.5 * gains
        w = np.arange(Q.shape[1])
        Q = Q.copy()
        Q[:, w, w] += np.where(self._idle, 1.0, _JITTER * self._least / PIVOT)
        lifted = np.maximum(Q[:, w, w], np.where(self._idle, 1.0, self._least))
        Q[:, w, w] = lifted
        found = np.linalg.solve(Q, u[:, :, None])[:, :, 0]
        gains = 0.5 * (u * found).sum(axis=1)
        return np.where(np.isfinite(gains), np.maximum(gains, 0.0), 0.0)
