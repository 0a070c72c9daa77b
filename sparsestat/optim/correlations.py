"""Correlations of all features with a moving residual, without reading all of X.

Along a path the residual moves little, mostly within the span of earlier ones.  With an
orthonormal basis V of directions whose products X~.T V are known, a new residual
u = V a + e has correlations (X~.T V) a up to |x~_j| |e|.  Only features that this bound
cannot place below their threshold are computed; when too many are left, one pass over X
adds e to the basis.
"""

import numpy as np

from sparsestat.optim.certificate import fill_gauges, penalty_sums, stationarity
from sparsestat.optim.design import Dense
from sparsestat.optim.penalties import restrict
from sparsestat.optim.problem import LeastSquares

__all__ = ["Correlations", "select_largest"]

# A pass over X costs n products a feature; this many keep the bound much cheaper.
_MAX_DIRECTIONS = 16
# Share of the features above which one pass over X serves better.
_MOST_UNSURE = 0.2
_ROUNDING = 1e-13
# Features that may enter a small working set at once.
_SMALLEST_ADDITION = 64


class Correlations:
    """x~_j.T u of all features for residuals u, with a bound on their errors.

    Parameters
    ----------
    problem : LeastSquares
        With known norms of the columns; without, every call is a pass over X.

    Attributes
    ----------
    values : ndarray of shape (n_features,)
        Correlations with the last residual, exact where it matters.
    n_passes : float
        Passes over X so far.
    """

    def __init__(self, problem: LeastSquares) -> None:
        self._problem = problem
        n, p = len(problem.root), len(problem.excluded)
        self.values = np.zeros(p)
        self.n_passes = 0.0
        self._norms = problem.design.norm
        self._gauges = np.empty(p)
        norm = problem.design.norm
        dense = isinstance(problem.design, Dense)
        self._most = min(_MAX_DIRECTIONS, n // 8) if dense else 0
        if np.isnan(norm).any():
            self._most = 0
        self._slack = np.zeros(p)
        self._basis = np.empty((self._most, n))
        self._products = np.empty((self._most, p))
        self._size = self._next = 0

    def gauges(self, u: np.ndarray, penalty, skip: np.ndarray) -> np.ndarray:
        """Gauges of the features outside `skip`, exact where they are not below one.

        Parameters
        ----------
        u : ndarray of shape (n_samples,)
            Residual on the scale of the problem's target.
        penalty : NamedTuple
        skip : ndarray of shape (n_features,), bool
            Features of no interest; their gauge is zero.

        Returns
        -------
        gauges : ndarray of shape (n_features,)
            Valid until the next call.
        """
        if skip.all():
            self._gauges[:] = 0.0
            return self._gauges
        if self._most == 0:
            self.values[:] = self._problem.correlations(u)
            self.n_passes += 1.0
            self._slack[:] = 0.0
            self._fill(penalty, skip)
            return self._gauges
        error = self._predict(u)
        np.multiply(self._norms, error, out=self._slack)
        self._fill(penalty, skip)
        unsure = np.flatnonzero(self._gauges >= 1.0)
        if len(unsure) > _MOST_UNSURE * (len(skip) - np.count_nonzero(skip)):
            self._learn(u)
            self._slack[:] = 0.0
            self._fill(penalty, skip)
        elif len(unsure):
            members = self._members(unsure)
            self.values[members] = self._problem.correlations(u, members)
            self.n_passes += len(unsure) / len(skip)
            self._slack[unsure] = 0.0
            self._fill(penalty, skip)
        return self._gauges

    def refresh(self, u: np.ndarray) -> None:
        """Make all values exact, in one pass."""
        if self._most == 0:
            self.values[:] = self._problem.correlations(u)
            self.n_passes += 1.0
        else:
            self._predict(u)
            self._learn(u)

    def last_gauges(self, penalty, skip: np.ndarray) -> np.ndarray:
        """Gauges of the last values for another penalty, without any bound."""
        self._slack[:] = 0.0
        self._fill(penalty, skip)
        return self._gauges

    def sums_with_others(self, sums: tuple, penalty, gauges: np.ndarray) -> tuple:
        """`penalty_sums` of a working set, with the violators outside it."""
        outside = np.flatnonzero(gauges > 1.0)
        if len(outside) == 0:
            return sums
        value_sum, augmented2, most, conjugates = sums
        zeros, values = np.zeros(len(outside)), self.values[outside]
        most = max(most, gauges[outside].max())
        conjugates += penalty_sums(restrict(penalty, outside), zeros, values)[3]
        return value_sum, augmented2, most, conjugates

    def violation(self, penalty, skip: np.ndarray) -> float:
        """Largest violated optimality condition of zeros at the last values."""
        outside = np.flatnonzero(self.last_gauges(penalty, skip) > 1.0)
        zeros, ones = np.zeros(len(outside)), np.ones(len(outside))
        return stationarity(
            restrict(penalty, outside), zeros, self.values[outside], ones
        )

    def _fill(self, penalty, skip: np.ndarray) -> None:
        fill_gauges(penalty, self.values, self._slack, skip, self._gauges)

    def _members(self, which: np.ndarray) -> np.ndarray:
        """Features whose correlations make up these gauges."""
        return which

    def _predict(self, u: np.ndarray) -> float:
        """Correlations from known products; returns the norm of what they miss."""
        basis = self._basis[: self._size]
        first = basis @ u
        rest = u - first @ basis
        second = basis @ rest  # orthogonal to working precision after two rounds
        rest -= second @ basis
        np.dot(first + second, self._products[: self._size], out=self.values)
        self._rest = rest
        size = np.linalg.norm(u)
        return np.linalg.norm(rest) + _ROUNDING * size

    def _learn(self, u: np.ndarray) -> None:
        """Spend a pass over X on what the basis misses of u, and keep it."""
        size = np.linalg.norm(self._rest)
        if size == 0.0:
            return
        direction = self._rest / size
        products = self._problem.correlations(direction)
        self.n_passes += 1.0
        self.values += size * products
        self._basis[self._next] = direction
        self._products[self._next] = products
        self._size = max(self._size, self._next + 1)
        self._next = (self._next + 1) % self._most


def select_largest(which: np.ndarray, scores: np.ndarray, size: int) -> np.ndarray:
    """Features of the largest scores, where there are many beside a set's size."""
    most = max(_SMALLEST_ADDITION, size)
    if len(which) > most:
        which = np.sort(which[np.argpartition(scores[which], -most)[-most:]])
    return which
