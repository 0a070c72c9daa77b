"""Accelerated proximal gradient descent with restarts, for any penalty with a prox.

After Beck and Teboulle (2009), doi:10.1137/080716542; restarts after O'Donoghue and
Candes (2015), doi:10.1007/s10208-013-9150-3.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sparsestat.optim.penalties import vector_prox

__all__ = ["ProximalGradient", "largest_eigenvalue"]

_ROUNDING = 1e-9
_GROWTH = 1.5
_SETTLED = 1e-3


class ProximalGradient:
    """Minimise a convex quadratic and a penalty of the whole vector.

    Parameters
    ----------
    correlate : callable
        Maps w to minus the gradient of the quadratic.
    w : ndarray of shape (n_features,)
        Where to start.
    lipschitz : float
        Estimate of the largest curvature; raised where it turns out too small.

    Attributes
    ----------
    w, q : ndarray of shape (n_features,)
        Coefficients and minus the gradient there.
    """

    def __init__(
        self, correlate: Callable[[np.ndarray], np.ndarray], w: np.ndarray, lipschitz
    ) -> None:
        self._correlate = correlate
        self.lipschitz = lipschitz
        self.move_to(w)

    def move_to(self, w: np.ndarray) -> None:
        """Go on from other coefficients, without momentum."""
        self.w, self.q = w, self._correlate(w)
        self._point, self._pull, self._momentum = w, self.q, 1.0

    def iterate(self, penalty: NamedTuple, n_iter: int) -> None:
        """Take steps; stops early where nothing moves."""
        for _ in range(n_iter):
            w, q = self._step(penalty)
            moved = w - self.w
            if not moved.any():
                if self._momentum == 1.0:
                    return
                self._point, self._pull, self._momentum = self.w, self.q, 1.0
                continue
            if (self._point - w) @ moved > 0.0:
                self._momentum = 1.0
            momentum = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * self._momentum**2))
            share = (self._momentum - 1.0) / momentum
            # The gradient is affine, so that of the next point is known already.
            self._point, self._pull = w + share * moved, q + share * (q - self.q)
            self._momentum, self.w, self.q = momentum, w, q

    def _step(self, penalty: NamedTuple) -> tuple[np.ndarray, np.ndarray]:
        while True:
            step = 1.0 / self.lipschitz
            w = vector_prox(penalty, self._point + step * self._pull, step)
            q = self._correlate(w)
            move = w - self._point
            curvature, norm2 = float(move @ (self._pull - q)), float(move @ move)
            if curvature <= self.lipschitz * norm2 * (1.0 + _ROUNDING):
                return w, q
            self.lipschitz = max(_GROWTH * self.lipschitz, curvature / norm2)


def largest_eigenvalue(product: Callable, n_features: int, n_iter: int = 8) -> float:
    """Estimate the largest eigenvalue of a positive matrix from below.

    Parameters
    ----------
    product : callable
        Maps a vector to its product with the matrix.
    n_features : int
    n_iter : int, default=8

    Returns
    -------
    size : float
    """
    vector = np.random.default_rng(0).standard_normal(n_features)
    size = 0.0
    for _ in range(n_iter):
        norm = np.linalg.norm(vector)
        if norm == 0.0:
            break
        vector = product(vector / norm)
        before, size = size, max(size, float(np.linalg.norm(vector)))
        if size <= before * (1.0 + _SETTLED):
            break
    return size
