"""The Lasso of every feature on all others, all from one Gram matrix.

minimise (G_jj - 2 c.T w + w.T G w) / 2 + alpha |w|_1 over w with w_j = 0, c = G[:, j]:
the problem of feature j.  Its working set is solved on a block of G by face Newton
steps, and the correlations with all features certify it.
After Meinshausen and Bühlmann (2006), doi:10.1214/009053606000000281.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import scaled_gap
from sparsestat.optim.face_newton import minimise_on_gram
from sparsestat.optim.penalties import L1

__all__ = ["Node", "NodewiseLasso"]

# Ratio of the strengths by which one is approached.
_STAGE = 0.5
_ROUNDS = 200
# Rounds of adding features, and the share of the gap to solve a working set to.
_OUTER = 50
_INNER_SHARE = 0.5
_FIRST_CAPACITY = 128
_NONE = np.empty(0, np.int64)


class Node(NamedTuple):
    """What the features have in common with feature j, and what is left of it.

    Parameters
    ----------
    features, coef : ndarray of shape (n_nonzero,)
        Coefficients of x_j on the others.
    rest2 : float
        Square norm of the residual z_j.
    rest_dot : float
        Product of z_j and x_j.
    gap : float
        Duality gap, relative to the square norm of x_j.
    """

    features: np.ndarray
    coef: np.ndarray
    rest2: float
    rest_dot: float
    gap: float


class NodewiseLasso:
    """Solve for one feature after another, reusing the memory of the working set.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
        Shared by all threads, never changed.
    alpha : float
        Strength, > 0.
    tol : float
        Bound of each gap relative to |x_j|^2 / 2.
    """

    def __init__(self, gram: np.ndarray, alpha: float, tol: float) -> None:
        self._gram, self._alpha, self._tol = gram, alpha, tol
        self._inside = np.empty(len(gram), bool)
        self._size = 0
        self._allocate(min(_FIRST_CAPACITY, len(gram)))

    def solve(self, j: int) -> Node:
        """The Lasso of feature j on all others."""
        c = self._gram[j].copy()
        y2, c[j] = float(c[j]), 0.0
        self._feature = j
        self._size = self._n_active = 0
        self._inside[:] = False
        self._inside[j] = True
        top = np.abs(c).max(initial=0.0)
        if top <= self._alpha or y2 <= 0.0:
            return Node(_NONE, np.empty(0), y2, y2, 0.0)
        target, level, q = 0.5 * self._tol * y2, top, c
        while level > self._alpha:
            level = max(_STAGE * level, self._alpha)
            self._add(np.flatnonzero(np.abs(q) > level), c, q)
            q = self._solve_set(c, y2, level, target)
        gap = self._gap(c, q, y2)
        for _ in range(_OUTER):
            missing = np.flatnonzero(np.abs(q) > self._alpha * (1.0 + 1e-12))
            if gap <= target or not self._add(missing, c, q):
                break
            q = self._solve_set(c, y2, self._alpha, target)
            gap = self._gap(c, q, y2)
        nonzero = np.flatnonzero(self._w[: self._size])
        features, w = self._features[nonzero], self._w[nonzero]
        rest_dot = y2 - c[features] @ w
        rest2 = max(rest_dot - q[features] @ w, 0.0)
        return Node(features, w, rest2, rest_dot, 2.0 * gap / y2)

    def _solve_set(self, c, y2: float, alpha: float, target: float) -> np.ndarray:
        """Solve on the working set; returns the correlations of all features."""
        m = self._size
        features, w, q = self._features[:m], self._w[:m], self._q[:m]
        self._n_active, _, _ = minimise_on_gram(
            L1(alpha, self._ones[:m], False),
            _NONE,
            self._block,
            c[features],
            w,
            q,
            self._active,
            self._n_active,
            self._factor,
            self._ridge[:m],
            y2,
            _INNER_SHARE * target,
            _ROUNDS,
        )
        nonzero = np.flatnonzero(w)
        everywhere = c - w[nonzero] @ self._gram[features[nonzero]]
        everywhere[self._feature] = 0.0
        q[:] = everywhere[features]
        return everywhere

    def _gap(self, c, q, y2: float) -> float:
        """Duality gap over all features but j itself."""
        m = self._size
        features, w = self._features[:m], self._w[:m]
        fitted = c[features] @ w
        residual2 = max(y2 - fitted - q[features] @ w, 0.0)
        largest = np.abs(q).max() / self._alpha
        value_sum = self._alpha * np.abs(w).sum()
        return scaled_gap(residual2, y2 - fitted, value_sum, 0.0, largest, np.inf)

    def _add(self, features: np.ndarray, c, q) -> bool:
        """Add the features that are not yet inside; returns whether there were any."""
        new = features[~self._inside[features]]
        if len(new) == 0:
            return False
        start, stop = self._size, self._size + len(new)
        if stop > len(self._w):
            self._allocate(min(max(stop, 2 * len(self._w)), len(self._gram)))
        self._features[start:stop] = new
        rows = self._gram[new[:, None], self._features[:stop]]
        self._block[start:stop, :stop] = rows
        self._block[:start, start:stop] = rows[:, :start].T
        self._w[start:stop] = 0.0
        self._q[start:stop] = q[new]
        self._inside[new] = True
        self._size = stop
        return True

    def _allocate(self, capacity: int) -> None:
        """Room for more features; what is there is kept."""
        m = self._size
        for name in ("_block", "_factor"):
            array = np.zeros((capacity, capacity))
            if m:
                array[:m, :m] = getattr(self, name)[:m, :m]
            setattr(self, name, array)
        for name, dtype in (
            ("_features", np.int64),
            ("_active", np.int64),
            ("_w", np.float64),
            ("_q", np.float64),
            ("_ridge", np.float64),
        ):
            array = np.zeros(capacity, dtype)
            if m:
                array[:m] = getattr(self, name)[:m]
            setattr(self, name, array)
        self._ones = np.ones(capacity)
