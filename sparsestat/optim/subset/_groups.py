"""Groups of features: their own blocks of the Gram matrix, and exchanges of one group.

What single features have as a diagonal, groups have as blocks; from these and the rows
of a support follow, exactly, the gain of every group outside and its best exchange for
one inside, by the Schur complements of `_state`.  Groups of one size are worked on
together, entry by entry of their blocks.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset.problem import SubsetProblem
from sparsestat.utils.dispatch import kernel

__all__ = ["Groups", "independent_inverse"]


class _Alike(NamedTuple):
    """Groups of one size w."""

    units: np.ndarray  # (m,)
    at: slice  # of their columns, in the order of `Groups`
    blocks: np.ndarray  # (w, w, m)
    least: np.ndarray  # (w, m), pivots up to these are collinear


class Groups:
    """Groups of a problem, with what each of them alone explains.

    Parameters
    ----------
    problem : SubsetProblem
    units : list of ndarray
        Features of each group.

    Attributes
    ----------
    order : ndarray of shape (n_features,)
        All features; those of groups of one size w are side by side, first the first
        of each group, at last the w-th of each.
    scores : ndarray of shape (n_units,)
        Fall of the loss with one group alone.
    """

    def __init__(self, problem: SubsetProblem, units: list) -> None:
        self.problem, self.units = problem, units
        self.sizes = np.array([len(features) for features in units])
        least = np.where(
            problem.diagonal > 0.0, PIVOT * (problem.diagonal + problem.ridge), np.inf
        )
        self._alike, order, first = [], [], 0
        for size in np.unique(self.sizes):
            own = np.flatnonzero(self.sizes == size)
            features = np.array([units[u] for u in own])
            blocks = np.ascontiguousarray(problem.blocks(features).transpose(1, 2, 0))
            at = slice(first, first + features.size)
            self._alike.append(_Alike(own, at, blocks, least[features.T]))
            order.append(features.T.ravel())
            first = at.stop
        self.order = np.concatenate(order)
        self._place = np.argsort(self.order)
        self._linear = problem.linear[:, self.order]
        nothing, empty = np.array([], np.int64), np.empty((0, problem.n_features))
        self._known, self._rows = nothing, empty
        self.scores = self.changes(nothing, empty, nothing)[1]

    def of_supports(self, supports: list, steps: list, locked: np.ndarray):
        """`changes` of all groups at several supports, with rows that are read once."""
        features = [np.array([j for u in A for j in self.units[u]]) for A in supports]
        new = np.unique(np.concatenate([self._known, *features])).astype(np.int64)
        new = np.setdiff1d(new, self._known)
        if len(new):
            self._known = np.concatenate([self._known, new])
            rows = self.problem.source.block(new)[:, self.order]
            self._rows = np.concatenate([self._rows, rows])
        order = np.argsort(self._known)
        for A, some in zip(supports, features, strict=True):
            at = order[np.searchsorted(self._known[order], some)]
            yield np.arange(len(self.units)), *self.changes(A, self._rows[at], locked)

    def changes(self, A: np.ndarray, rows: np.ndarray, locked: np.ndarray):
        """The best exchange and the gain of each group, given a support.

        Parameters
        ----------
        A : ndarray of int
            Groups of the support.
        rows : ndarray of shape (n_active, n_features)
            G of their features, group after group, against all features in `order`.
        locked : ndarray of int
            Groups of the support that may not leave.

        Returns
        -------
        change : ndarray of shape (n_units,)
            Change of loss where the group replaces one of the support, at best; inf for
            groups that cannot.
        gain : ndarray of shape (n_units,)
            Fall of the loss where it joins the support.
        """
        problem, n_units = self.problem, len(self.units)
        change, gain = np.full(n_units, np.inf), np.zeros(n_units)
        features = np.array([j for u in A for j in self.units[u]], np.int64)
        owner = np.repeat(A, self.sizes[A])
        M = rows[:, self._place[features]]
        kept, H = independent_inverse(M, problem.ridge[features])
        if len(kept) < len(features):
            features, owner, rows = features[kept], owner[kept], rows[kept]
        V, b = H @ rows, problem.linear[:, features] @ H
        r = self._linear - b @ rows
        # H_II = L L.T for each group I that may leave: rows of L^{-1} V and L^{-1} b.
        half, slope, first = [V[:0]], [b.T[:0]], [0]
        for u in np.setdiff1d(A, locked):
            own = np.flatnonzero(owner == u)
            root = np.linalg.inv(np.linalg.cholesky(H[np.ix_(own, own)]))
            half.append(root @ V[own])
            slope.append(root @ b[:, own].T)
            first.append(first[-1] + len(own))
        half, slope = np.concatenate(half), np.concatenate(slope)
        first = np.array(first)
        for units, at, blocks, least in self._alike:
            best, more = np.full(len(units), np.inf), np.empty(len(units))
            x, V_at, half_at, r_at = (
                np.ascontiguousarray(a[:, at]).reshape(len(a), *least.shape)
                for a in (rows, V, half, r)
            )
            _changes(x, V_at, half_at, slope, first, blocks, r_at, least, best, more)
            change[units], gain[units] = best, more
        change[A], gain[A] = np.inf, 0.0
        return change, gain


def independent_inverse(M: np.ndarray, ridge: np.ndarray):
    """Independent columns of a Gram matrix G, and the inverse of their block of G + D.

    Columns that depend on earlier ones are left out.
    """
    M = M.copy()
    M[np.diag_indices_from(M)] += ridge
    kept = np.arange(len(M))
    if len(M) == 0:
        return kept, M
    lower, info = dpotrf(M, lower=True)
    if info != 0 or (lower.diagonal() ** 2 <= PIVOT * M.diagonal()).any():
        kept = _independent(M, PIVOT * M.diagonal())
        lower = np.linalg.cholesky(M[np.ix_(kept, kept)])
    return kept, cho_solve((lower, True), np.eye(len(kept)))


def _independent(M: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Columns whose pivots, after those of all earlier ones, are large enough."""
    kept, lower = [], np.zeros_like(M)
    for j in range(len(M)):
        n = len(kept)
        for k in range(n):
            x = M[j, kept[k]] - lower[j, :k] @ lower[kept[k], :k]
            lower[j, k] = x / lower[kept[k], k]
        pivot = M[j, j] - lower[j, :n] @ lower[j, :n]
        if pivot > least[j]:
            lower[j, n] = np.sqrt(pivot)
            kept.append(j)
    return np.array(kept, np.int64)


@kernel
def _changes(rows, V, half, slope, first, blocks, r, least, change, gain):
    """Best exchanges and gains of groups of one size.

    Arrays of groups have them last, so that all loops over them are of unit stride;
    half[first[k] : first[k + 1]] belong to the k-th group that may leave.
    """
    w, m = least.shape
    Q = blocks.copy()
    for i in range(len(rows)):
        for a in range(w):
            x = rows[i, a]
            for b in range(a + 1):
                y, q = V[i, b], Q[a, b]
                for u in range(m):
                    q[u] -= x[u] * y[u]
    L, z, total = Q.copy(), r.copy(), np.empty(m)
    _explained(L, z, least, gain)
    for k in range(len(first) - 1):
        cost = 0.0
        _copy(Q, L)
        _copy(r, z)
        for i in range(first[k], first[k + 1]):
            for a in range(w):
                x = half[i, a]
                for b in range(a + 1):
                    y, q = half[i, b], L[a, b]
                    for u in range(m):
                        q[u] += x[u] * y[u]
            for t in range(len(z)):
                step = slope[i, t]
                cost += step * step
                for a in range(w):
                    x, y = half[i, a], z[t, a]
                    for u in range(m):
                        y[u] += step * x[u]
        _explained(L, z, least, total)
        for u in range(m):
            if total[u] > 0.0:
                change[u] = min(change[u], cost - total[u])


@kernel
def _copy(source, out):
    for a in range(source.shape[0]):
        for b in range(source.shape[1]):
            x, y = source[a, b], out[a, b]
            for u in range(len(x)):
                y[u] = x[u]


@kernel
def _explained(L, z, least, total):
    """z_J.T Q_J^{-1} z_J of each group; overwrites Q with factors, and z."""
    w, m = least.shape
    for u in range(m):
        total[u] = 0.0
    for a in range(w):
        pivot = L[a, a]
        for b in range(a):
            x = L[a, b]
            for k in range(b):
                y, v = L[a, k], L[b, k]
                for u in range(m):
                    x[u] -= y[u] * v[u]
            y = L[b, b]
            for u in range(m):
                x[u] *= y[u]
                pivot[u] -= x[u] * x[u]
        for u in range(m):  # the reciprocal of the diagonal of the factor
            large = pivot[u] > least[a, u]
            pivot[u] = 1.0 / np.sqrt(pivot[u]) if large else 0.0
        for t in range(len(z)):
            x = z[t, a]
            for b in range(a):
                y, v = L[a, b], z[t, b]
                for u in range(m):
                    x[u] -= y[u] * v[u]
            for u in range(m):
                x[u] *= pivot[u]
                total[u] += x[u] * x[u]
