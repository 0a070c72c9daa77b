"""Correlations that many coefficients share: first-order autoregressive, or free.

Where C is the covariance of the data and g_i B those of blocks i of coefficients, the
cost is bounded by tr(P B) + tr(Q B^-1) up to constants, with P = sum g_i A_i^H C^-1 A_i
and Q = sum mu_i mu_i^H / g_i; expectation maximisation has N log det B + tr(S B^-1).
"""

from itertools import zip_longest
from math import copysign, log
from typing import NamedTuple

import numpy as np

__all__ = ["Ar1Bound", "FreePrior", "ar1_matrix", "geometric_mean"]

# Largest correlation of neighbours, and blocks that the prior of free ones weighs.
LIMIT, WEIGHT = 0.99, 1.0
# Newton steps at most, the last of which is small, and their halvings.
_NEWTON_STEPS, _SMALL, _HALVINGS = 3, 1e-3, 12


def ar1_matrix(r: float, size: int) -> np.ndarray:
    """The matrix of r to the power of |s - t|."""
    at = np.arange(size)
    return np.float64(r) ** np.abs(at[:, None] - at)


class Ar1Bound(NamedTuple):
    """The bound as a function of the correlation r of neighbours.

    It is a polynomial plus ``logs`` log(1 - r^2) plus (whole + inner r^2 - 2 next r) /
    (1 - r^2).

    Parameters
    ----------
    polynomial : list of float
        Coefficients, the constant first.
    logs : float
        Factor of the logarithm.
    whole, inner, beside : float
        Sums of the diagonal of the matrix that meets B^-1, of this diagonal without its
        ends, and of the diagonal above it.
    """

    polynomial: list[float]
    logs: float
    whole: float
    inner: float
    beside: float

    @classmethod
    def of(cls, Q: np.ndarray, P: np.ndarray | None = None, count: float = 0.0):
        """Bound of matrices; `count` blocks have the logarithm of a determinant."""
        size = len(Q)
        sums = [0.0]
        if P is not None:
            sums = [2.0 * P.diagonal(k).real.sum().item() for k in range(size)]
            sums[0] *= 0.5
        diagonal = Q.diagonal().real.tolist()
        whole = sum(diagonal)
        inner = whole - diagonal[0] - diagonal[-1]
        beside = Q.diagonal(1).real.sum().item()
        return cls(sums, count * (size - 1), whole, inner, beside)

    def __add__(self, other: "Ar1Bound") -> "Ar1Bound":
        pairs = zip_longest(self.polynomial, other.polynomial, fillvalue=0.0)
        rest = (a + b for a, b in zip(self[1:], other[1:], strict=True))
        return Ar1Bound([a + b for a, b in pairs], *rest)

    def value(self, r: float) -> float:
        """The bound."""
        d = 1.0 - r * r
        rational = (self.whole + self.inner * r * r - 2.0 * self.beside * r) / d
        powers = 0.0
        for coefficient in reversed(self.polynomial):
            powers = powers * r + coefficient
        return powers + self.logs * log(d) + rational

    def slopes(self, r: float) -> tuple[float, float]:
        """First and second derivatives."""
        d = 1.0 - r * r
        top = self.whole + self.inner * r * r - 2.0 * self.beside * r
        k = 2.0 * (self.inner * r - self.beside) * d + 2.0 * r * top
        slope = k / d**2 - 2.0 * r * self.logs / d
        bend = ((2.0 * self.inner * d + 2.0 * top) * d + 4.0 * r * k) / d**3
        bend -= 2.0 * self.logs * (1.0 + r * r) / d**2
        value = first = half = 0.0
        for coefficient in reversed(self.polynomial):
            half = half * r + first
            first = first * r + value
            value = value * r + coefficient
        return slope + first, bend + 2.0 * half

    def lower(self, r: float) -> float:
        """A correlation of a lower bound: a few Newton steps, each halved on need."""
        value = self.value(r)
        for _ in range(_NEWTON_STEPS):
            slope, bend = self.slopes(r)
            step = -slope / bend if bend > 0.0 else copysign(0.2, -slope)
            for _ in range(_HALVINGS):
                new = min(max(r + step, -LIMIT), LIMIT)
                lower = self.value(new)
                if lower < value:
                    break
                step *= 0.5
            else:
                return r
            r, value = new, lower
            if abs(step) < _SMALL:
                break
        return r

    def violation(self, r: float, count: float) -> float:
        """Slope for each of `count` coefficients, with respect to atanh r."""
        slope = self.slopes(r)[0]
        if abs(r) >= LIMIT and slope * r < 0.0:
            return 0.0
        return abs(slope) * (1.0 - r * r) / max(count, 1.0)


def geometric_mean(P: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """P^-1 # Q, the minimiser of tr(P B) + tr(Q B^-1) for positive definite P and Q."""
    values, vectors = np.linalg.eigh(P)
    half = (vectors * np.sqrt(values)) @ vectors.conj().T
    inverse = (vectors / np.sqrt(values)) @ vectors.conj().T
    values, vectors = np.linalg.eigh(half @ Q @ half)
    B = inverse @ (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.conj().T
    B = B @ inverse
    return 0.5 * (B + B.conj().T)


class FreePrior:
    """Prior of a free correlation: `WEIGHT` of a block whose correlation is none.

    It adds `WEIGHT` (log det B + tr B^-1 - d) to the cost, so that B cannot become
    singular where blocks are few.
    """

    @staticmethod
    def cost(B: np.ndarray) -> float:
        """What it adds, zero at the identity."""
        values = np.linalg.eigvalsh(B)
        return float(WEIGHT * (np.log(values) + 1.0 / values - 1.0).sum())

    @staticmethod
    def lower(P: np.ndarray, Q: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Minimise the bound of the cost at B, prior included."""
        one = np.eye(len(B))
        return geometric_mean(P + WEIGHT * np.linalg.inv(B), Q + WEIGHT * one)

    @staticmethod
    def expect(S: np.ndarray, count: float) -> np.ndarray:
        """Maximise the expectation, from the sum of `count` second moments."""
        return (S + WEIGHT * np.eye(len(S))) / (count + WEIGHT)

    @staticmethod
    def scaled(B: np.ndarray) -> tuple[np.ndarray, float]:
        """The multiple of B that the prior likes best, and B's trace over its."""
        scale = np.trace(np.linalg.inv(B)).real / len(B)
        return scale * B, 1.0 / scale

    @staticmethod
    def violation(P, Q, B: np.ndarray, count: float) -> float:
        """Largest slope with respect to the logarithm of B, for each of the blocks."""
        values, vectors = np.linalg.eigh(B)
        root = np.sqrt(values)
        inside = root[:, None] * (vectors.conj().T @ P @ vectors) * root
        outside = (vectors.conj().T @ Q @ vectors) / np.outer(root, root)
        slope = inside - outside + WEIGHT * np.diag(1.0 - 1.0 / values)
        return float(np.abs(np.linalg.eigvalsh(slope)).max() / max(count, 1.0))
