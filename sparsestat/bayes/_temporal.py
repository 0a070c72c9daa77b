"""Targets in time: evidence of coefficients that correlate from target to target.

Rows x_j ~ N(0, g_j B) under white noise. Along the eigenvectors of B the targets are
independent, with covariances l A G A^H + s2 I that share one eigendecomposition. Zhang
and Rao (2011), doi:10.1109/JSTSP.2011.2159773, drop B there instead (T-MSBL).
"""

from typing import NamedTuple

import numpy as np

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._correlation import (
    Ar1Bound,
    FreePrior,
    ar1_matrix,
)
from sparsestat.bayes._posterior import Problem, energy, ratio, squares
from sparsestat.bayes._structured import Look, Raise, paying

__all__ = ["Temporal", "TemporalMoments", "temporal_moments"]


class TemporalMoments(NamedTuple):
    """Posterior along the eigenvectors of B.

    Parameters
    ----------
    mean : ndarray of shape (n_features, n_targets)
        Means, rotated.
    root : ndarray of shape (n_features,)
        Square roots of the prior variances.
    weight : ndarray of shape (n_features, n_targets)
        `root` times a_j^H C^-1 y.
    share : ndarray of shape (n_features, n_targets)
        g_j a_j^H C^-1 a_j.
    cost : float
        Log determinants plus quadratic forms, averaged over the targets.
    vectors : ndarray of shape (n_features, n_kept) or (n_samples, n_samples)
        Eigenvectors of G^(1/2) A^H A G^(1/2) where there are fewer features than
        samples, else of A G A^H.
    values : ndarray of shape (n_kept,)
        Their eigenvalues.
    """

    mean: np.ndarray
    root: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    cost: float
    vectors: np.ndarray
    values: np.ndarray


def temporal_moments(problem: Problem, g, noise, scales, gram=None) -> TemporalMoments:
    """Posterior of targets whose prior variances are g times `scales`.

    Parameters
    ----------
    problem : Problem
        Data, the targets rotated.
    g : ndarray of shape (n_features,)
        Prior variances.
    noise : float
        Noise variance.
    scales : ndarray of shape (n_targets,)
        Eigenvalues of B.
    gram : tuple of ndarray, optional
        A^H A and A^H Y where there are fewer features than samples.
    """
    A, Y, n_rows = problem
    A = Columns(A) if isinstance(A, np.ndarray) else A
    m, k = A.shape
    root = np.sqrt(g)
    if k < m:
        inner, products = gram or (A.gram(), A.adjoint(Y))
        values, vectors = np.linalg.eigh(root[:, None] * inner * root)
        values = np.maximum(values, 0.0)
        total = noise + values[:, None] * scales
        seen = vectors.conj().T @ (root[:, None] * products)
        weight = vectors @ (seen / total)
        share = squares(vectors) @ (values[:, None] / total)
        mean = root[:, None] * scales * weight
        quadratic = energy(Y - A.product(mean)) / noise
        quadratic += (scales * squares(weight)).sum()
    else:
        values, vectors = np.linalg.eigh(A.outer(g))
        values = np.maximum(values, 0.0)
        total = noise + values[:, None] * scales
        seen = vectors.conj().T @ Y
        weight = root[:, None] * A.adjoint(vectors @ (seen / total))
        share = np.empty((k, Y.shape[1]))
        for span in A.spans():
            share[span] = squares(A.part(span).adjoint(vectors)) @ (1.0 / total)
        share *= g[:, None]
        mean = root[:, None] * scales * weight
        quadratic = (squares(seen) / total).sum()
    T = Y.shape[1]
    cost = np.log(total).sum() / T + (n_rows - len(values)) * np.log(noise)
    return TemporalMoments(
        mean, root, weight, share, float(cost + quadratic / T), vectors, values
    )


class Temporal:
    """Structure of rows of coefficients with one correlation of their targets.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets.
    n_rows : float
        Rows that these stand for: the sum of the weights.
    form : {"ar1", "full"}
        What the correlation is.
    r : float, default=0.0
        Correlation of neighbours to start from.
    """

    def __init__(self, columns: Columns, Y, n_rows: float, form: str, r: float = 0.0):
        self.columns, self.targets, self.n_rows = columns, Y, n_rows
        self.form, self.r, self.T = form, r, Y.shape[1]
        self.B = np.eye(self.T)
        self._rotate()

    def _rotate(self) -> None:
        if self.form == "ar1":
            self.B = ar1_matrix(self.r, self.T)
        values, self.axes = np.linalg.eigh(self.B)
        self.scales = np.maximum(values, 0.0)
        # Rows are z B^(1/2)^T with B = U diag(scales) U^H.
        self.Y = self.targets @ self.axes.conj()

    def restrict(self, kept: np.ndarray) -> None:
        """Keep some of the features."""
        self.A, self.gram = self.columns.pick(kept), None
        if len(kept) < len(self.Y):
            self.gram = self.A.gram()

    def moments(self, g: np.ndarray, noise: float) -> TemporalMoments:
        """Posterior of the features that are kept."""
        problem = Problem(self.A, self.Y, self.n_rows)
        gram = None
        if self.gram is not None:
            gram = self.gram, self.A.adjoint(self.Y)
        return temporal_moments(problem, g, noise, self.scales, gram)

    def look(self, g: np.ndarray, noise: float) -> Look:
        """The cost and its slopes."""
        now = self.now = self.moments(g, noise)
        power = squares(now.weight) @ self.scales / self.T
        share = now.share @ self.scales / self.T
        rest = energy(self.Y - self.A.product(now.mean)) / self.T
        cost = now.cost
        if self.form == "full":
            cost += FreePrior.cost(self.B) / self.T
        return Look(cost, power, share, rest, float(share.sum()))

    def _bounds(self, step, *, in_expectation: bool = False):
        """P and Q after a step of the variances; or the expected second moments."""
        now = self.now
        scaled = self.scales * now.weight / np.sqrt(step)[:, None]
        Q = scaled.T @ scaled.conj()
        if in_expectation:
            spread = self.scales * (1.0 - self.scales * now.share)
            Q[np.diag_indices(self.T)] += (1.0 / step) @ np.maximum(spread, 0.0)
            P = None
        else:
            P = (self.axes * (step @ now.share)) @ self.axes.conj().T
        return P, self.axes @ Q @ self.axes.conj().T

    def slope(self) -> float:
        """Of the cost with respect to the correlation, for each coefficient."""
        if self.T == 1:
            return 0.0
        P, Q = self._bounds(np.ones(len(self.now.root)))
        n = len(self.now.root)
        if self.form == "ar1":
            return Ar1Bound.of(Q, P).violation(self.r, n * self.T)
        return FreePrior.violation(P, Q, self.B, n)

    def learn(self, solver: str, step: np.ndarray) -> float:
        """Move the correlation; returns what the variances are multiplied by."""
        if self.T == 1:
            return 1.0
        em = solver == "em"
        used = np.where(step > 0.0, step, 1.0)
        P, Q = self._bounds(used, in_expectation=em)
        scale = 1.0
        if self.form == "ar1":
            self.r = Ar1Bound.of(Q, P, len(step) if em else 0.0).lower(self.r)
        else:
            B = FreePrior.expect(Q, len(step)) if em else FreePrior.lower(P, Q, self.B)
            self.B, scale = FreePrior.scaled(B)
        self._rotate()
        return scale

    def raising(self, g: np.ndarray, noise: float) -> Raise:
        """What it would pay to raise a variance that is zero."""
        kept, zero = np.flatnonzero(g), g == 0.0
        if not zero.any():
            return Raise()
        self.restrict(kept)
        now = self.moments(g[kept], noise)
        columns = self.columns
        seen = columns.adjoint((self.Y - self.A.product(now.mean)) / noise)
        up = squares(seen) @ self.scales
        down = self._down(now, noise) @ self.scales
        index = int(np.where(zero, ratio(up, down), 0.0).argmax())
        return paying(index, up[index], down[index], self.T)

    def _down(self, now: TemporalMoments, noise: float) -> np.ndarray:
        """a^H C^-1 a of all columns, for each axis."""
        total = noise + now.values[:, None] * self.scales
        down = np.empty((self.columns.shape[1], self.T))
        if self.gram is None:
            for span in self.columns.spans():
                cross = self.columns.part(span).adjoint(now.vectors)
                down[span] = squares(cross) @ (1.0 / total)
            return down
        # C^-1 = (I - A R V diag(l / (s2 + l p)) V^H R A^H) / s2 with R the root of G.
        down[:] = self.columns.energies()[:, None] / noise
        rows = now.vectors.conj().T * now.root
        for span in self.columns.spans():
            cross = rows @ self.A.adjoint(self.columns.part(span).dense())
            down[span] -= squares(cross).T @ (self.scales / total) / noise
        return np.maximum(down, 0.0)

    def covariances(self, g: np.ndarray, noise: float) -> np.ndarray:
        """Posterior covariances along the axes, (n_targets, n_kept, n_kept)."""
        now = self.moments(g, noise)
        total = noise + now.values[:, None] * self.scales
        if self.gram is not None:
            rows = now.root[:, None] * now.vectors
            inside = noise * self.scales / total
            return np.einsum("ik,kt,jk->tij", rows, inside, rows.conj(), optimize=True)
        rows = g[:, None] * self.A.adjoint(now.vectors)
        lost = self.scales**2 / total
        out = -np.einsum("ik,kt,jk->tij", rows, lost, rows.conj(), optimize=True)
        out[:, np.arange(len(g)), np.arange(len(g))] += self.scales[:, None] * g
        return out
