"""Evidence of a Kronecker-structured sparse Gaussian prior, from its factors alone.

By eigendecompositions of A_i diag(g_i) A_i^H; after He and Joseph (2024),
arXiv:2307.14719, without their expanded dictionary and covariance.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Evidence", "Problem", "mode_product", "outer", "reduce_problem"]

# Sweeps after which the rotated data are made anew from the data.
_REFRESH = 20


class Problem(NamedTuple):
    """Data in coordinates of the column spaces of the factors.

    Parameters
    ----------
    factors : tuple of ndarray
        Matrices of shapes (k_i, N_i), no taller than wide.
    target : ndarray of shape (k_1, ..., k_I, n_snapshots)
        Data.
    rest : float
        Energy of a snapshot outside the column spaces, on average.
    n_outside : int
        Dimensions of a snapshot outside of them.
    """

    factors: tuple[np.ndarray, ...]
    target: np.ndarray
    rest: float
    n_outside: int


def reduce_problem(factors: Sequence[np.ndarray], target: np.ndarray) -> Problem:
    """Rotate tall factors to square ones, and the data along with them.

    Their complement holds noise only: it enters the cost by its energy and dimension.
    """
    reduced, before = [], target.shape[:-1]
    rest, n_snapshots = 0.0, target.shape[-1]
    for mode, factor in enumerate(factors):
        if factor.shape[0] > factor.shape[1]:
            basis, factor = np.linalg.qr(factor)
            inside = mode_product(target, basis.conj().T, mode)
            # The complement itself: a difference of energies would cancel.
            outside = target - mode_product(inside, basis, mode)
            rest += _energy(outside) / n_snapshots
            target = inside
        reduced.append(np.ascontiguousarray(factor))
    n_outside = prod(before) - prod(target.shape[:-1])
    return Problem(tuple(reduced), target, rest, n_outside)


class Evidence:
    """Cost and its slopes at prior variances g_1 x ... x g_I and a noise variance.

    With A_i diag(g_i) A_i^H = U_i diag(p_i) U_i^H, D = 1 / (noise + p_1 x ... x p_I)
    and the rotated data, all sums over coefficients become sums over measurements:
    the slopes cost as much as the cost itself.

    Parameters
    ----------
    problem : Problem
        Data.
    variances : sequence of ndarray
        Prior variances g_i >= 0 of each factor.
    noise : float
        Noise variance.
    """

    def __init__(self, problem: Problem, variances: Sequence[np.ndarray], noise: float):
        self.problem = problem
        self.noise = noise
        self.variances = [np.asarray(g, dtype=np.float64) for g in variances]
        decomposed = map(_decompose, problem.factors, self.variances)
        self.values, self.vectors = map(list, zip(*decomposed, strict=True))
        self.rows = [
            factor.conj().T @ vectors
            for factor, vectors in zip(problem.factors, self.vectors, strict=True)
        ]
        self._age = 0
        self.refresh()

    def refresh(self) -> None:
        """Rotate the data anew."""
        self.rotated = self.problem.target
        for mode, vectors in enumerate(self.vectors):
            self.rotated = mode_product(self.rotated, vectors.conj().T, mode)
        self._weigh()

    def set_variances(self, mode: int, variances: np.ndarray) -> None:
        """Move to other prior variances of one factor."""
        before = self.vectors[mode]
        factor = self.problem.factors[mode]
        self.variances[mode] = variances
        self.values[mode], vectors = _decompose(factor, variances)
        self.vectors[mode] = vectors
        self.rows[mode] = factor.conj().T @ vectors
        self._age += 1
        if self._age % (_REFRESH * len(self.values)) == 0:
            self.refresh()
            return
        turn = vectors.conj().T @ before
        self.rotated = mode_product(self.rotated, turn, mode)
        self._weigh()

    def set_noise(self, noise: float) -> None:
        """Move to another noise variance."""
        self.noise = noise
        self._weigh()

    def rescale(self, scales: Sequence[float]) -> None:
        """Multiply the variances of each factor; the product of all has to be one."""
        for mode, scale in enumerate(scales):
            self.variances[mode] = self.variances[mode] * scale
            self.values[mode] = self.values[mode] * scale

    def _weigh(self) -> None:
        self.weights = 1.0 / (self.noise + outer(self.values))
        self.solved = self.weights[..., None] * self.rotated

    def cost(self) -> float:
        """log det C + mean over snapshots of y^H C^-1 y."""
        logs = -np.log(self.weights).sum()
        logs += self.problem.n_outside * np.log(self.noise)
        # The imaginary part is zero but for rounding.
        quadratic = np.vdot(self.rotated, self.solved).real / self.rotated.shape[-1]
        return float(logs + quadratic + self.problem.rest / self.noise)

    def slopes(self, mode: int) -> tuple[np.ndarray, np.ndarray]:
        """What pulls variances of a factor up and down: the slope is down - up.

        up_k and down_k are sums, over coefficients of index k in this mode and with
        the variances g_j of all other modes as weights, of |a^H C^-1 y|^2 and of
        a^H C^-1 a.
        """
        rows = self.rows[mode]
        before = outer(self.values[:mode]).reshape(-1, 1, 1)
        after = outer(self.values[mode + 1 :]).reshape(1, 1, -1)
        spread = before * after
        sizes = len(before), rows.shape[1], after.size
        down = (self.weights.reshape(sizes) * spread).sum(axis=(0, 2))
        down = _squares(rows) @ down
        scaled = self.solved.reshape(*sizes, -1) * np.sqrt(spread)[..., None]
        scaled = scaled.transpose(1, 0, 2, 3).reshape(sizes[1], -1)
        moment = scaled @ scaled.conj().T / self.rotated.shape[-1]
        up = ((rows @ moment) * rows.conj()).real.sum(axis=1)
        return np.maximum(up, 0.0), down

    def noise_slopes(self) -> tuple[float, float]:
        """The same for the noise variance."""
        up = _energy(self.solved) / self.rotated.shape[-1]
        up += self.problem.rest / self.noise**2
        down = self.weights.sum() + self.problem.n_outside / self.noise
        return up, float(down)

    def mean(self) -> np.ndarray:
        """Posterior mean, of shape (N_1, ..., N_I, n_snapshots)."""
        mean = self.solved
        scaled = [
            g[:, None] * rows for g, rows in zip(self.variances, self.rows, strict=True)
        ]
        for mode in _order(scaled):
            mean = mode_product(mean, scaled[mode], mode)
        return mean

    def determined(self) -> np.ndarray:
        """Share r of each prior variance that the data take, in [0, 1]."""
        scaled = [
            g[:, None] * _squares(rows)
            for g, rows in zip(self.variances, self.rows, strict=True)
        ]
        r = self.weights
        for mode in _order(scaled):
            r = mode_product(r, scaled[mode], mode)
        return np.clip(r, 0.0, 1.0)


def outer(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Outer product of vectors, a tensor of as many modes."""
    product = np.ones(()) if not vectors else vectors[0]
    for vector in vectors[1:]:
        product = product[..., None] * vector
    return product


def mode_product(tensor: np.ndarray, matrix: np.ndarray, mode: int) -> np.ndarray:
    """Multiply a mode of a tensor from the left by a matrix."""
    shape = tensor.shape
    product = matrix @ tensor.reshape(prod(shape[:mode]), shape[mode], -1)
    return product.reshape(*shape[:mode], len(matrix), *shape[mode + 1 :])


def _order(matrices: Sequence[np.ndarray]) -> list[int]:
    """Modes by how much their matrices enlarge, the least first."""
    return sorted(
        range(len(matrices)), key=lambda i: matrices[i].shape[0] / matrices[i].shape[1]
    )


def _decompose(factor: np.ndarray, variances: np.ndarray):
    values, vectors = np.linalg.eigh((factor * variances) @ factor.conj().T)
    return np.maximum(values, 0.0), vectors


def _squares(tensor: np.ndarray) -> np.ndarray:
    if np.iscomplexobj(tensor):
        return tensor.real**2 + tensor.imag**2
    return tensor**2


def _energy(tensor: np.ndarray) -> float:
    return float(np.vdot(tensor, tensor).real)
