"""Non-negative least squares of pixels whose coefficients vary little over an image.

minimise   |X - A E|^2 / 2 + alpha sum(A) + beta TV(A)    over A >= 0,

TV the sum over columns of A, each an image, of the absolute differences of neighbours,
or of the lengths of the gradients. The alternating direction method of multipliers: a
cosine (or Fourier) transform over the image and the eigenvectors of E E.T make the
quadratic step diagonal, so that two splits suffice, and its residual is near a feasible
dual point. Problem: Iordache, Bioucas-Dias and Plaza (2012),
doi:10.1109/TGRS.2012.2191590; step: Boyd et al. (2011), doi:10.1561/2200000016,
sections 3.4.1 and 3.4.3.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft

from sparsestat.optim.gram_qp import gram_qp

__all__ = ["Boundary", "ImageVariation", "image_variation"]

# Iterations between checks; residuals that differ more than this change the step.
_EVERY, _IMBALANCE, _FACTOR = 10, 3.0, 2.0
# Steps go this much of the way (Boyd et al., section 3.4.3).
_RELAXED = 1.7
# Violations of the dual constraints that are rounding, relative to the products.
_ROUNDING = 1e-11


class ImageVariation(NamedTuple):
    """Solution of `image_variation`.

    Parameters
    ----------
    coef : ndarray of shape (n_rows, n_columns, n_components)
        A, an image for each component.
    gap : float
        Duality gap.
    n_iter : int
        Iterations.
    """

    coef: np.ndarray
    gap: float
    n_iter: int


class Boundary(NamedTuple):
    """How neighbours are told at the border of an image.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    periodic : bool
        Whether the last pixel of a line is a neighbour of its first.
    """

    shape: tuple[int, int]
    periodic: bool

    def differences(self, A: np.ndarray) -> np.ndarray:
        """Next less this pixel down and across, of shape (2, rows, columns, ...)."""
        out = np.zeros((2, *A.shape))
        np.subtract(A[1:], A[:-1], out=out[0, :-1])
        np.subtract(A[:, 1:], A[:, :-1], out=out[1, :, :-1])
        if self.periodic:
            np.subtract(A[0], A[-1], out=out[0, -1])
            np.subtract(A[:, 0], A[:, -1], out=out[1, :, -1])
        return out

    def transposed(self, V: np.ndarray) -> np.ndarray:
        """The transposed map; without wrapping the last differences are not read."""
        out = np.zeros(V.shape[1:])
        out[1:] += V[0, :-1]
        out[:-1] -= V[0, :-1]
        out[:, 1:] += V[1, :, :-1]
        out[:, :-1] -= V[1, :, :-1]
        if self.periodic:
            out[0] += V[0, -1]
            out[-1] -= V[0, -1]
            out[:, 0] += V[1, :, -1]
            out[:, -1] -= V[1, :, -1]
        return out

    def eigenvalues(self) -> np.ndarray:
        """Of the differences' matrix of products, an image of frequencies."""
        turn = 2.0 if self.periodic else 1.0
        rows, columns = (
            2.0 - 2.0 * np.cos(turn * np.pi * np.arange(m) / m) for m in self.shape
        )
        if self.periodic:
            columns = columns[: self.shape[1] // 2 + 1]
        return rows[:, None] + columns

    def forward(self, A: np.ndarray) -> np.ndarray:
        """To frequencies."""
        if self.periodic:
            return fft.rfft2(A, axes=(0, 1), norm="ortho")
        return fft.dctn(A, axes=(0, 1), norm="ortho", overwrite_x=True)

    def backward(self, A: np.ndarray) -> np.ndarray:
        """From frequencies."""
        if self.periodic:
            return fft.irfft2(A, s=self.shape, axes=(0, 1), norm="ortho")
        return fft.idctn(A, axes=(0, 1), norm="ortho", overwrite_x=True)


def image_variation(
    gram: np.ndarray,
    products: np.ndarray,
    norm2: float,
    alpha: float,
    beta: float,
    boundary: Boundary,
    *,
    isotropic: bool,
    tol: float,
    max_iter: int,
) -> ImageVariation:
    """Minimise |X - A E|^2 / 2 + alpha sum(A) + beta TV(A) over A >= 0.

    Parameters
    ----------
    gram : ndarray of shape (n_components, n_components)
        E E.T.
    products : ndarray of shape (n_rows, n_columns, n_components)
        X E.T.
    norm2 : float
        |X|^2.
    alpha, beta : float
        Strengths of the sum and of the variation.
    boundary : Boundary
        Shape of the image, and its border.
    isotropic : bool
        Whether the variation is the length of the gradient.
    tol : float
        Largest gap, relative to |X|^2 / 2.
    max_iter : int
        Iterations at most.

    Returns
    -------
    solution : ImageVariation

    Notes
    -----
    Starts at the solution without the variation, whose multipliers are its slopes.
    """
    levels, vectors = np.linalg.eigh(gram)
    levels = np.maximum(levels, 0.0)
    frequencies = boundary.eigenvalues()[..., None]
    mu = max(np.sqrt(levels[-1] * np.mean(levels)) * 1e-3, np.finfo(float).tiny)
    flat = products.reshape(-1, len(gram))
    Z = gram_qp(gram, flat - alpha).coef.reshape(products.shape)
    U = np.minimum(products - Z @ gram, alpha) / mu
    direction = _common_direction(gram)
    V, best = boundary.differences(Z), None
    W = np.zeros_like(V)
    for n_iter in range(1, max_iter + 1):
        right = products + mu * (Z - U + boundary.transposed(V - W))
        A = boundary.forward(right @ vectors)
        A /= levels + mu * (1.0 + frequencies)
        A = boundary.backward(A) @ vectors.T
        jumps = boundary.differences(A)
        Z_old, V_old = Z, V
        U += _RELAXED * A + (1.0 - _RELAXED) * Z
        W += _RELAXED * jumps + (1.0 - _RELAXED) * V
        Z = np.maximum(U - alpha / mu, 0.0)
        V = _shrunk(W, beta / mu, isotropic)
        U -= Z
        W -= V
        if n_iter % _EVERY and n_iter != max_iter:
            continue
        primal = _objective(gram, products, norm2, alpha, beta, boundary, isotropic, Z)
        slopes = products - A @ gram
        excess = slopes - boundary.transposed(mu * W) - alpha
        dual = _dual(products, norm2, alpha, A, slopes, excess, direction)
        gap = max(primal - dual, 0.0)
        if best is None or gap < best.gap:
            best = ImageVariation(Z, gap, n_iter)
        if gap <= tol * 0.5 * norm2:
            break
        missed = np.hypot(np.linalg.norm(A - Z), np.linalg.norm(jumps - V))
        moved = mu * np.linalg.norm(Z - Z_old + boundary.transposed(V - V_old))
        missed /= max(np.hypot(np.linalg.norm(Z), np.linalg.norm(V)), 1e-300)
        moved /= max(mu * np.linalg.norm(U + boundary.transposed(W)), 1e-300)
        factor = 1.0
        if missed > _IMBALANCE * moved:
            factor = _FACTOR
        elif moved > _IMBALANCE * missed:
            factor = 1.0 / _FACTOR
        mu *= factor
        U /= factor
        W /= factor
    return best._replace(n_iter=n_iter)


def _shrunk(W, level, isotropic):
    """Values nearer to zero by a level, one for one or as gradients."""
    if not isotropic:
        return W - np.clip(W, -level, level)
    length = np.sqrt(W[0] ** 2 + W[1] ** 2)
    return W * np.maximum(1.0 - level / np.maximum(length, 1e-300), 0.0)


def _objective(gram, products, norm2, alpha, beta, boundary, isotropic, Z):
    slopes = products - Z @ gram
    residual2 = max(norm2 - np.vdot(Z, products) - np.vdot(Z, slopes), 0.0)
    jumps = boundary.differences(Z)
    if isotropic:
        variation = np.sqrt(jumps[0] ** 2 + jumps[1] ** 2).sum()
    else:
        variation = np.abs(jumps).sum()
    return 0.5 * residual2 + alpha * Z.sum() + beta * variation


def _common_direction(gram):
    """A spectrum q = z E, of least norm, with q E.T >= 1: z, q E.T and |q|^2.

    z minimises z.T G z / 2 - sum(z) over z >= 0. None where there is no such spectrum.
    """
    z = gram_qp(gram, np.ones((1, len(gram)))).coef[0]
    reach = z @ gram
    return (z, reach, float(z @ reach)) if reach.min() > 0.5 else None


def _dual(products, norm2, alpha, A, slopes, excess, direction):
    """Dual objective <r, X> - |r|^2 / 2 at a feasible point near the residual of A.

    Feasible are r whose slopes r E.T are above those of the variation by alpha at most.
    Those with an excess are scaled, or those pixels moved along the common direction.
    """
    product = norm2 - np.vdot(A, products)
    residual2 = max(product - np.vdot(A, slopes), 0.0)
    largest = excess.max()
    scale = min(product / residual2, 1.0) if residual2 > 0.0 else 1.0
    if largest > _ROUNDING * np.abs(products).max():
        scale = min(scale, alpha / (alpha + largest))
    scale = max(scale, 0.0)
    scaled = scale * product - 0.5 * scale**2 * residual2
    if direction is None:
        return scaled
    z, reach, norm = direction
    moves = np.maximum((excess / reach).max(axis=-1), 0.0)
    cost = ((products - slopes) @ z + 0.5 * norm * moves) * moves
    return max(scaled, product - 0.5 * residual2 - cost.sum())
