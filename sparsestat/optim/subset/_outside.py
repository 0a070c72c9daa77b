"""What units outside a universe would change, from columns of the Gram matrix."""

from collections.abc import Iterator

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dtrtri

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.subset.problem import SubsetProblem
from sparsestat.utils.dispatch import kernel

__all__ = ["Outside", "outside_changes"]

# Features that are judged at a time, so that all about them stays in the cache.
_FEATURES = 2048
# What is left to rounding where features are told to be useless.
_SLACK = 1e-6


class _Rows:
    """Rows that become more, with room for as many again."""

    def __init__(self, width: int) -> None:
        self.all = self._room = np.empty((0, width))

    def more(self, count: int) -> np.ndarray:
        """Add some below, which are returned for the caller to fill."""
        n = len(self.all)
        if n + count > len(self._room):
            self._room = np.empty((2 * (n + count), self.all.shape[1]))
            self._room[:n] = self.all
        self.all = self._room[: n + count]
        return self.all[n:]


class Outside:
    """What features outside would change, from rows of G that are read once.

    Parameters
    ----------
    problem : SubsetProblem
    """

    def __init__(self, problem: SubsetProblem) -> None:
        self.problem = problem
        self.diagonal = problem.diagonal + problem.ridge
        self._usable = problem.diagonal > 0.0
        self._known = np.array([], np.int64)
        self._place = np.full(problem.n_features, -1)
        self._rows = _Rows(problem.n_features)
        # L.T L is the inverse of their block of G + D; what they leave of each G_jj.
        self._root = np.empty((0, 0))
        self._left = self.diagonal.copy()
        self._dependent = False

    def of_supports(
        self, supports: list, steps: list, locked: np.ndarray
    ) -> Iterator[tuple]:
        """The best exchange and the gain of every feature that may be of use.

        Parameters
        ----------
        supports : list of ndarray of int
            Increasing.
        steps : list of float
            The gains that are worth something, at each support.
        locked : ndarray of int
            Features that may not leave.

        Yields
        ------
        features : ndarray of int
            Increasing; no other feature lowers the loss by an exchange, or gains more
            than the step.
        change, gain : ndarray
            As by `outside_changes`.
        """
        n_new = self._read(np.unique(np.concatenate([self._known[:0], *supports])))
        places = [self._place[A] for A in supports]
        rows = self._rows.all
        parts = [
            _solve(self.problem, A, _taken(rows, at, A))
            for A, at in zip(supports, places, strict=True)
        ]
        useful = self._useful(n_new, places, parts, steps, locked)
        p = self.problem.n_features
        for A, at, part, J in zip(supports, places, parts, useful, strict=True):
            if part is None:
                yield np.arange(p), np.full(p, np.inf), np.zeros(p)
                continue
            yield J, *self._exactly(A, part, _taken(rows, at, J), J, locked)

    def _read(self, features: np.ndarray) -> int:
        """Read rows of G that are not known; returns how many are new."""
        new, n = features[self._place[features] < 0], len(self._known)
        if len(new) == 0:
            return 0
        rows = self._rows.more(len(new))
        self.problem.fill_rows(new, rows)
        self._place[new] = np.arange(n, n + len(new))
        self._left[new] = -np.inf  # not judged, but always listed
        self._known = np.concatenate([self._known, new])
        if self._dependent:
            return len(new)
        M, root = rows[:, new], np.zeros((n + len(new), n + len(new)))
        M.flat[:: len(new) + 1] += self.problem.ridge[new]
        least = PIVOT * M.diagonal()
        across = rows[:, self._known[:n]] @ self._root.T
        M -= across @ across.T
        lower, info = dpotrf(M, lower=True)
        self._dependent = info != 0 or bool((lower.diagonal() ** 2 <= least).any())
        if not self._dependent:
            inverse, _ = dtrtri(lower, lower=True)
            root[:n, :n], root[n:, n:] = self._root, inverse
            root[n:, :n] = -inverse @ (across @ self._root)
            self._root = root
        return len(new)

    def _useful(self, n_new, places, parts, steps, locked) -> list[np.ndarray]:
        """Features that may be of use, for each support.

        Let q be what all known rows leave of G_jj, and r what a support leaves of c_j.
        The support alone leaves no less than q; so j gains at most r^2 / q, and lowers
        the loss in exchange for a feature that costs z^2 only if r^2 + 2 |r| |z|
        sqrt(G_jj - q) > z^2 q, which is |z| q < |r| (sqrt(G_jj - q) + sqrt(G_jj)).
        """
        known, everything = self._known, self._usable.copy()
        everything[known] = True
        if self._dependent:
            return [np.flatnonzero(everything)] * len(places)
        n_targets, p = self.problem.linear.shape
        coefs = np.zeros((len(places) * n_targets, len(known)))
        price = np.full(len(places), np.inf)
        for k, (at, part) in enumerate(zip(places, parts, strict=True)):
            if part is not None:
                H, b = part
                coefs[k * n_targets : (k + 1) * n_targets, at] = b
                cost = (b**2).sum(axis=0) / H.diagonal()
                if len(locked):
                    cost = cost[_free(known[at], locked)]
                price[k] = cost.min(initial=np.inf)
        left = np.concatenate([self._root[len(known) - n_new :], coefs])
        steps = np.maximum(np.array(steps), 0.0)
        found, counts = np.empty((len(places), p), np.int64), np.zeros_like(price, int)
        for first in range(0, p, _FEATURES):
            some = slice(first, min(first + _FEATURES, p))
            _select(
                left @ self._rows.all[:, some], n_new, self.problem.linear[:, some],
                self._left[some], self.diagonal[some], everything[some], price, steps,
                first, found, counts,
            )  # fmt: skip
        return [row[:n] for row, n in zip(found, counts, strict=True)]

    def _exactly(self, A, part, rows, J, locked):
        """`outside_changes` at some features, given what follows from the support."""
        (H, b), c = part, self.problem.linear[:, J]
        change, gain = np.full(len(J), np.inf), np.zeros(len(J))
        V, d, h = H @ rows, self.diagonal[J], H.diagonal().copy()
        least = PIVOT * d
        least[np.searchsorted(J, A)] = np.inf  # J holds all that is known
        r = c - b @ rows
        _changes(rows, V, h, _free(A, locked), b, r, d, least, change, gain)
        return change, gain


def outside_changes(
    problem: SubsetProblem,
    A: np.ndarray,
    rows: np.ndarray,
    diagonal: np.ndarray,
    locked: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The best exchange and the gain of each feature, given a support.

    Parameters
    ----------
    problem : SubsetProblem
    A : ndarray of int
        The support.
    rows : ndarray of shape (len(A), n_features)
        G of the support against all features.
    diagonal : ndarray of shape (n_features,)
        Of G + D.
    locked : ndarray of int
        Features of the support that may not leave.

    Returns
    -------
    change : ndarray of shape (n_features,)
        Change of loss where the feature replaces one of the support, at best; inf for
        features that cannot.
    gain : ndarray of shape (n_features,)
        Fall of the loss where it joins the support.
    """
    usable = problem.diagonal > 0.0
    usable[A] = False
    least = np.where(usable, PIVOT * diagonal, np.inf)
    change, gain = np.full(len(diagonal), np.inf), np.zeros(len(diagonal))
    part = _solve(problem, A, rows[:, A])
    if part is None:
        return change, gain
    H, b = part
    V, r = H @ rows, problem.linear - b @ rows
    h, free = H.diagonal().copy(), _free(A, locked)
    _changes(rows, V, h, free, b, r, diagonal, least, change, gain)
    return change, gain


def _taken(rows: np.ndarray, at: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """rows[at][:, cols], which from an array in one piece is taken fastest."""
    return rows.ravel().take(at[:, None] * rows.shape[1] + cols)


def _solve(problem: SubsetProblem, A: np.ndarray, M: np.ndarray):
    """(G + D)_AA^{-1} and the coefficients, given G_AA; None if it is singular."""
    M = M.copy()
    if len(A) == 0:
        return M, problem.linear[:, A]
    M.flat[:: len(A) + 1] += problem.ridge[A]
    lower, info = dpotrf(M, lower=True)
    if info != 0 or (lower.diagonal() ** 2 <= PIVOT * M.diagonal()).any():
        return None
    H, _ = dpotri(lower, lower=True, overwrite_c=True)
    H = H + H.T  # the upper triangle of a factor is zero
    H.flat[:: len(A) + 1] *= 0.5
    return H, problem.linear[:, A] @ H


def _free(A: np.ndarray, locked: np.ndarray) -> np.ndarray:
    """Which features of a support may leave."""
    if len(locked) == 0:
        return np.ones(len(A), np.bool_)
    return np.isin(A, locked, invert=True)


@kernel
def _select(
    products, n_new, linear, left, diagonal, usable, price, step, first, found, counts
):  # fmt: skip
    """List the features that may be of use at each support, as documented above.

    Products of rows of G with what makes new ones explain more, which is taken off
    `left`, and with the coefficients of the supports.
    """
    p, n_targets = len(left), len(linear)
    q, share, always = np.empty(p), np.empty(p), np.empty(p, np.bool_)
    squares, may = np.empty(p), np.empty(p, np.bool_)
    for i in range(n_new):
        x = products[i]
        for j in range(p):
            left[j] -= x[j] * x[j]
    for j in range(p):
        d = diagonal[j]
        q[j] = max(left[j] - _SLACK * d, 0.0) if usable[j] else np.inf
        reach = np.sqrt(max(d - q[j], 0.0)) + np.sqrt(d)
        share[j] = q[j] * q[j] / (reach * reach) if usable[j] else np.inf
        always[j] = q[j] <= 0.0
    for k in range(len(price)):
        for j in range(p):
            squares[j] = 0.0
        for t in range(n_targets):
            c, z = linear[t], products[n_new + k * n_targets + t]
            for j in range(p):
                squares[j] += (c[j] - z[j]) * (c[j] - z[j])
        least, most = price[k], step[k]
        for j in range(p):
            x = squares[j]
            may[j] = (x > least * share[j]) | (x > most * q[j]) | always[j]
        n, row = counts[k], found[k]
        for j in range(p):
            if may[j]:
                row[n] = first + j
                n += 1
        counts[k] = n


@kernel
def _changes(rows, V, h, free, b, r, diagonal, least, out, gain):
    """`out` and `gain` of each feature, as documented above."""
    p = len(out)
    total, q = np.zeros(p), diagonal.copy()
    for i in range(len(h)):
        x, y = rows[i], V[i]
        for j in range(p):
            q[j] -= x[j] * y[j]
    for t in range(len(b)):
        rt = r[t]
        for j in range(p):
            total[j] += rt[j] * rt[j]
    for j in range(p):
        gain[j] = total[j] / q[j] if q[j] > least[j] else 0.0
    for i in range(len(h)):
        if not free[i]:
            continue
        row, cost, scale = V[i], 0.0, 1.0 / h[i]
        for j in range(p):
            total[j] = 0.0
        for t in range(len(b)):
            slope = b[t, i] * scale
            cost += b[t, i] * slope
            rt = r[t]
            for j in range(p):
                x = rt[j] + row[j] * slope
                total[j] += x * x
        for j in range(p):
            pivot = q[j] + row[j] * row[j] * scale
            value = cost - total[j] / pivot if pivot > least[j] else np.inf
            out[j] = min(out[j], value)
