"""Neighbours that lend each other variance: pattern-coupled sparse Bayesian learning.

Prior variances C g with C = I + coupling (shift up + shift down), as He and Joseph
(2024), arXiv:2307.14719; Fang et al. (2015), arXiv:1311.2150, couple precisions.
"""

import numpy as np

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._posterior import (
    Problem,
    energy,
    moments,
    ratio,
    slopes,
    squares,
)
from sparsestat.bayes._structured import Look, Raise, paying

__all__ = ["Coupled"]


class Coupled:
    """Structure of coefficients on a line whose variances spread to neighbours.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets.
    n_rows : float
        Rows that these stand for: the sum of the weights.
    coupling : float
        Share of a variance that each neighbour takes over.
    """

    def __init__(self, columns: Columns, Y, n_rows: float, coupling: float):
        self.columns, self.Y, self.n_rows = columns, Y, n_rows
        self.coupling, self.n_features = coupling, columns.shape[1]
        self.sizes = self._reach(np.ones(self.n_features))
        self.restrict(np.arange(self.n_features))

    def _reach(self, values: np.ndarray) -> np.ndarray:
        """Sums over a feature and its neighbours."""
        out = values.copy()
        out[1:] += values[:-1]
        out[:-1] += values[1:]
        return out

    def spread(self, values: np.ndarray) -> np.ndarray:
        """C times values; C is symmetric."""
        return values + self.coupling * (self._reach(values) - values)

    def prior(self, g: np.ndarray) -> np.ndarray:
        """Prior variances of all coefficients, from those of the terms kept."""
        whole = np.zeros(self.n_features)
        whole[self.kept] = g
        return self.spread(whole)

    def restrict(self, kept: np.ndarray) -> None:
        """Keep some of the terms."""
        self.kept = kept
        mask = np.zeros(self.n_features)
        mask[kept] = 1.0
        self.features = np.flatnonzero(self._reach(mask))
        self.A, self.gram = self.columns.pick(self.features), None
        if len(self.features) < len(self.Y):
            self.gram = self.A.gram(), self.A.adjoint(self.Y)

    def look(self, g: np.ndarray, noise: float) -> Look:
        """The cost and its slopes."""
        prior = self.prior(g)[self.features]
        problem = Problem(self.A, self.Y, self.n_rows)
        now = self.now = moments(problem, prior, noise, self.gram)
        up, down = np.zeros((2, self.n_features))
        up[self.features] = squares(now.mean / prior[:, None]).mean(axis=1)
        down[self.features] = now.determined / prior
        power, share = (
            g * (self.spread(part) / self.sizes)[self.kept] for part in (up, down)
        )
        rest = energy(self.Y - self.A.product(now.mean)) / self.Y.shape[1]
        determined = float(now.determined.sum())
        return Look(now.cost, power, share, rest, determined)

    def slope(self) -> float:
        """There is no correlation."""
        return 0.0

    def learn(self, solver: str, step: np.ndarray) -> float:
        """There is no correlation to move."""
        return 1.0

    def raising(self, g: np.ndarray, noise: float) -> Raise:
        """What it would pay to raise a variance that is zero."""
        zero = g == 0.0
        if not zero.any():
            return Raise()
        up, down = slopes(self.columns, self.Y, self.spread(g), noise)
        up, down = self.spread(up), self.spread(down)
        gains = np.where(zero, ratio(up, down), 0.0)
        index = int(gains.argmax())
        return paying(index, up[index], down[index], self.sizes[index])
