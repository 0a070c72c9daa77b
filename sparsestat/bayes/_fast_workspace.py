"""Products that the fast solver keeps, and posteriors of candidate features from them.

Only candidates have a Gram matrix, only active ones products with all features.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import get_lapack_funcs

from sparsestat.bayes._columns import Columns

__all__ = ["COLLINEAR", "Posterior", "Workspace", "energy", "powers"]

# Share of a column's energy outside the active ones below which it is one of them.
COLLINEAR = 1e-9
# What is added to a matrix, relative to its diagonal, whose factorisation failed.
_JITTER = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)


class Posterior(NamedTuple):
    """Posterior of the active candidates.

    Parameters
    ----------
    act : ndarray of shape (k,)
        Which candidates, ascending.
    root, left : ndarray of shape (k,) and (k, k)
        Roots of their variances, and the inverse of the Cholesky factor of the noise
        variance times the identity plus the Gram matrix scaled by these.
    covariance, mean : ndarray of shape (k, k) and (k, n_targets)
        Of the coefficients.
    share : ndarray of shape (k,)
        Shares of the prior variances that the data take away.
    cost : float
        log det C plus y^H C^-1 y, averaged over the targets.
    """

    act: np.ndarray
    root: np.ndarray
    left: np.ndarray
    covariance: np.ndarray
    mean: np.ndarray
    share: np.ndarray
    cost: float


class Workspace:
    """Products of a matrix that do not depend on variances, computed when needed.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets of unit power.
    n_rows : float
        Rows that these stand for.

    Attributes
    ----------
    index : ndarray of shape (n_candidates,)
        The candidates' features.
    g : ndarray of shape (n_candidates,)
        Their variances, from which the next fit starts.
    rows : ndarray of shape (n_candidates, n_samples)
        Their columns.
    gram : ndarray of shape (n_candidates, n_candidates)
        a_m^H a_i in row i.
    outside : ndarray of shape (n_features,)
        Energy outside the active ones when it was last computed.
    """

    def __init__(self, columns: Columns, Y: np.ndarray, n_rows: float) -> None:
        self.columns, self.Y, self.n_rows = columns, Y, n_rows
        self.energy, self.products = columns.energies(), columns.adjoint(Y)
        self.power, self.outside = energy(Y), self.energy.copy()
        kind, n = self.products.dtype, len(self.energy)
        self.index, self.g = np.zeros(0, dtype=np.int64), np.zeros(0)
        self.rows = np.zeros((0, len(Y)), dtype=kind)
        self.gram = np.zeros((0, 0), dtype=kind)
        self._slot = np.zeros(0, dtype=np.int64)
        self._crosses, self._n_crosses = np.zeros((n, 0), dtype=kind), 0

    def add(self, features: np.ndarray, g=0.0) -> None:
        """Make features candidates."""
        w, count = len(self.index), len(features)
        self.index = np.append(self.index, features)
        self.g = np.append(self.g, np.broadcast_to(np.float64(g), count))
        self._slot = np.append(self._slot, np.full(count, -1))
        new = self.columns.take(features).dense().T
        self.rows = np.concatenate([self.rows, new.astype(self.rows.dtype, copy=False)])
        block = self.rows.conj() @ self.rows[w:].T
        gram = np.empty((w + count, w + count), dtype=self.gram.dtype)
        gram[:w, :w], gram[w:], gram[:w, w:] = self.gram, block.T, block[:w].conj()
        self.gram = gram

    def _cross(self, act: np.ndarray) -> np.ndarray:
        """Products a_m^H a_i of all features m with candidates i, these and former."""
        new = act[self._slot[act] < 0]
        if len(new):
            first, n_now = self._n_crosses, self._n_crosses + len(new)
            n, room = self._crosses.shape
            if n_now > room:
                grown = np.empty((n, max(n_now, 2 * room)), self._crosses.dtype)
                grown[:, :first] = self._crosses[:, :first]
                self._crosses = grown
            self._crosses[:, first:n_now] = self.columns.adjoint(self.rows[new].T)
            self._slot[new] = np.arange(first, n_now)
            self._n_crosses = n_now
        return self._crosses[:, : self._n_crosses]

    def look(self, features: np.ndarray, found: Posterior, noise: float) -> np.ndarray:
        """S = a^H C^-1 a of any features."""
        cross, k = self._cross(found.act), len(found.act)
        weights = np.zeros((cross.shape[1], k), dtype=cross.dtype)
        weights[self._slot[found.act]] = (found.left * found.root).conj().T
        inside = powers(cross[features] @ weights).sum(axis=1)
        return np.maximum(self.energy[features] - inside, 0.0) / noise

    def posterior(self, g: np.ndarray, noise: float) -> Posterior:
        """Posterior at variances of the candidates, anew."""
        act = np.flatnonzero(g)
        root = np.sqrt(g[act])
        outer = np.outer(root, root)
        scaled = self.gram[np.ix_(act, act)] * outer
        B = scaled.T.copy()
        B.flat[:: len(act) + 1] += noise
        left, inverse = _factor(B)
        products = root[:, None] * self.products[self.index[act]]
        z = inverse @ products
        # The shares are the diagonal of a product: one minus a ratio would cancel.
        share = np.einsum("ij,ij->i", inverse, scaled).real
        cost = -2.0 * np.log(left.diagonal().real).sum()
        cost += (self.n_rows - len(act)) * np.log(noise)
        cost += (self.power - np.vdot(products, z).real) / (noise * z.shape[1])
        return Posterior(
            act, root, left, inverse * (noise * outer), root[:, None] * z,
            np.clip(share, 0.0, 1.0), float(cost),
        )  # fmt: skip

    def residual(self, found: Posterior) -> np.ndarray:
        """Targets minus their fit."""
        return self.Y - self.rows[found.act].T @ found.mean

    def sparsity(self, cross, energies, found: Posterior, noise: float) -> np.ndarray:
        """S = a^H C^-1 a of features with these products, a row for each active one."""
        if not len(found.act):
            return energies / noise
        inside = powers((found.left * found.root) @ cross.conj()).sum(axis=0)
        return np.maximum(energies - inside, 0.0) / noise

    def quality(self, cross, products, found: Posterior, noise: float) -> np.ndarray:
        """Q = a^H C^-1 y of features with these products."""
        return (products - cross.T @ found.mean) / noise


def _factor(B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of the Cholesky factor, and of the matrix."""
    if not len(B):
        return B, B
    potrf, trtri = get_lapack_funcs(("potrf", "trtri"), (B,))
    for jitter in _JITTER:
        B.flat[:: len(B) + 1] *= 1.0 + jitter
        lower, info = potrf(B, lower=1, clean=1)
        if not info:
            break
    left = np.ascontiguousarray(trtri(lower, lower=1)[0])
    return left, left.conj().T @ left


def powers(tensor: np.ndarray) -> np.ndarray:
    """Squared absolute values."""
    if np.iscomplexobj(tensor):
        return tensor.real**2 + tensor.imag**2
    return tensor**2


def energy(tensor: np.ndarray) -> float:
    """Sum of the squared absolute values."""
    return float(np.vdot(tensor, tensor).real)
