"""The quadratic model of a log-determinant problem, and its minimum.

minimise <G, D> + <D, W D W> / 2 + sum_jk L_jk |T_jk + D_jk| over symmetric D that are
zero outside a free set of entries.  Coordinate descent finds the signs, as in Hsieh et
al. (2014), jmlr.org/papers/v15/hsieh14a.html; conjugate gradients on the face of these
signs do what it is slow at where W is ill-conditioned.
"""

import numpy as np

from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["QuadraticModel"]

# Passes of coordinate descent between conjugate gradients, steps of these, and rounds.
_PASSES, _STEPS, _ROUNDS = 3, 60, 8
# Products are dense, by BLAS, if the free set has more than this share of all entries.
_DENSE = 1.0 / 16.0
# Conjugate gradients solve to this share of the tolerance.
_SHARE = 0.5


class QuadraticModel:
    """Model of the objective at a point, on the entries that are free to move.

    Parameters
    ----------
    excess : ndarray of shape (p, p)
        Gradient of the smooth part, G = S - W.
    covariance : ndarray of shape (p, p)
        W, the inverse of the precision.
    precision : ndarray of shape (p, p)
        T.
    levels : ndarray of shape (p, p)
        L >= 0, finite.
    free : ndarray of shape (p, p), bool
        Which entries may move, symmetric; the diagonal among them.
    """

    def __init__(self, excess, covariance, precision, levels, free) -> None:
        # Columns of the upper triangle one after another, as the kernels like them.
        self.cols, self.rows = np.nonzero(np.tril(free))
        where = self.rows, self.cols
        self.covariance, self.precision = covariance, precision
        self.excess, self.levels = excess[where], levels[where]
        self.start = precision[where]
        off = self.rows != self.cols
        # What inner products of symmetric matrices count an entry for.
        self.count = np.where(off, 2.0, 1.0)
        variances = covariance.diagonal()
        self.diagonal = variances[self.rows] * variances[self.cols]
        self.diagonal += off * covariance[where] ** 2
        self.signed = off & (self.levels > 0.0)
        self.dense = len(self.rows) > _DENSE * covariance.size

    def minimise(self, tolerance: float) -> np.ndarray:
        """Change D whose optimality conditions are violated by `tolerance` at most.

        Where the rounds do not suffice it is more; D leads downhill all the same.
        """
        p = len(self.covariance)
        D, V = np.zeros((p, p)), np.zeros((p, p))
        for _ in range(_ROUNDS):
            worst = descend(
                self.excess, self.covariance, self.start, self.levels, self.diagonal,
                self.rows, self.cols, D, V, tolerance, _PASSES,
            )  # fmt: skip
            if worst <= tolerance:
                break
            self._settle(D, V, tolerance)
        return D

    def _settle(self, D, V, tolerance: float) -> None:
        """Minimise in place over the nonzero entries, as long as signs stay."""
        moved = D[self.rows, self.cols]
        face = np.flatnonzero(self.start + moved)
        rows, cols, count = self.rows[face], self.cols[face], self.count[face]
        levels, point = self.levels[face], self.start[face] + moved[face]
        slope = self.excess[face] + self._entries(self.covariance, V, rows, cols)
        change = self._solve(slope + levels * np.sign(point), face, tolerance)
        crossing = self.signed[face] & (point * (point + change) < 0.0)
        if crossing.any():
            # Those that would change signs end at zero; or the first of them ends all.
            stopped = np.where(crossing, -point, change)
            bend = self._sandwich(self.covariance, stopped, rows, cols)
            rise = (slope + 0.5 * bend) * stopped
            rise += levels * (np.abs(point + stopped) - np.abs(point))
            if count @ rise > 0.0:
                reach = np.full(len(face), np.inf)
                reach[crossing] = -point[crossing] / change[crossing]
                stopped = reach.min() * change
                first = reach == reach.min()
                stopped[first] = -point[first]
            change = stopped
        D[rows, cols] = D[cols, rows] = moved[face] + change
        V += self._product(self.covariance, change, rows, cols)

    def _solve(self, gradient, face, tolerance: float) -> np.ndarray:
        """Conjugate gradients for the minimum on a face, from no change."""
        rows, cols, count = self.rows[face], self.cols[face], self.count[face]
        x, residual = np.zeros(len(face)), -gradient
        direction, last = np.zeros(len(face)), 1.0
        for _ in range(_STEPS):
            if np.abs(residual).max() <= _SHARE * tolerance:
                break
            if self.dense:  # the inverse of X -> W X W, restricted to the face
                scaled = self._sandwich(self.precision, residual, rows, cols)
            else:
                scaled = residual / self.diagonal[face]
            size = float(count @ (residual * scaled))
            direction = scaled + (size / last) * direction
            image = self._sandwich(self.covariance, direction, rows, cols)
            length = size / float(count @ (direction * image))
            x += length * direction
            residual -= length * image
            last = size
        return x

    def _sandwich(self, A, x, rows, cols) -> np.ndarray:
        """Entries of A X A, for the symmetric X that has the entries x."""
        return self._entries(A, self._product(A, x, rows, cols), rows, cols)

    def _product(self, A, x, rows, cols) -> np.ndarray:
        """X A, for the symmetric X that has the entries x."""
        out = np.zeros_like(A)
        if self.dense:
            out[rows, cols] = out[cols, rows] = x
            return out @ A
        multiply(A, rows, cols, x, out)
        return out

    def _entries(self, A, product, rows, cols) -> np.ndarray:
        """Entries of A @ product."""
        if self.dense:
            return (A @ product)[rows, cols]
        out = np.empty(len(rows))
        gather(A, product, rows, cols, out)
        return out


@kernel
def descend(
    excess, covariance, start, levels, diagonal, rows, cols, D, V, tolerance, n_passes
):
    """Passes of coordinate descent over the entries, in place; V = D @ covariance.

    Returns the largest violation of an optimality condition in the last pass.  Entries
    come by columns, so that a column of V is copied once for all of its entries.
    """
    column = np.empty(len(V))
    worst = 0.0
    for _ in range(n_passes):
        worst, last = 0.0, -1
        for k in range(len(rows)):
            i, j = rows[k], cols[k]
            left, right = covariance[i], covariance[j]
            if j != last:
                column[:] = V[:, j]
                last = j
            old = start[k] + D[i, j]
            z = old - (excess[k] + dot(left, column)) / diagonal[k]
            level = levels[k] / diagonal[k]
            step = max(z - level, 0.0) + min(z + level, 0.0) - old
            if step != 0.0:
                worst = max(worst, diagonal[k] * abs(step))
                D[i, j] += step
                axpy(step, right, V[i])
                column[i] += step * right[j]
                if i != j:
                    D[j, i] += step
                    axpy(step, left, V[j])
                    column[j] += step * left[j]
        if worst <= tolerance:
            break
    return worst


@kernel
def multiply(A, rows, cols, x, out):
    """Add X A, for the symmetric X that has the entries x."""
    for k in range(len(rows)):
        i, j = rows[k], cols[k]
        axpy(x[k], A[j], out[i])
        if i != j:
            axpy(x[k], A[i], out[j])


@kernel
def gather(A, product, rows, cols, out):
    """Entries of A @ product, which come by columns."""
    column = np.empty(len(A))
    last = -1
    for k in range(len(rows)):
        i, j = rows[k], cols[k]
        if j != last:
            column[:] = product[:, j]
            last = j
        out[k] = dot(A[i], column)
