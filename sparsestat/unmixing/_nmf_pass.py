"""One reading of the pixels an iteration: abundances, and their products.

A block of pixels is multiplied with the endmembers, its abundances are found, and its
products with those are added while it is still in the cache.
"""

from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from sparsestat.optim.gram_qp import BLOCK, gram_qp, solve_few
from sparsestat.optim.gram_qp_faces import FEW, face_tables
from sparsestat.unmixing._functions import thin_product
from sparsestat.utils.dispatch import kernel

__all__ = ["Pass", "exact_pass"]

# Pixels of a block: with 200 bands 0.4 MB, half of a second-level cache.
_ROWS = 256
# Slopes below this share of the largest product are rounding.
_TOL = 1e-12


class Pass(NamedTuple):
    """What one reading of the pixels gives.

    Parameters
    ----------
    slopes : ndarray of shape (n_pixels, n_components)
        Gradient of the objective at the abundances given.
    largest : float
        Largest absolute product of a pixel with a weighted endmember, and what is
        added to it.
    abundances : ndarray of shape (n_pixels, n_components)
        Minimisers of the quadratic problems.
    products : ndarray of shape (n_components, n_bands)
        A.T X with those.
    """

    slopes: np.ndarray
    largest: float
    abundances: np.ndarray
    products: np.ndarray


def exact_pass(
    X: np.ndarray,
    A: np.ndarray,
    EW: np.ndarray,
    G: np.ndarray,
    shift: float,
    linear: np.ndarray,
    simplex: bool,
    n_jobs: int | None,
) -> Pass:
    """Minimise a.T G a / 2 - (EW x + shift - linear).T a over the rows a >= 0.

    Parameters
    ----------
    X : ndarray of shape (n_pixels, n_bands)
        Pixels.
    A : ndarray of shape (n_pixels, n_components)
        Abundances to start from.
    EW : ndarray of shape (n_components, n_bands)
        Endmembers times weights of the bands.
    G : ndarray of shape (n_components, n_components)
        Curvature.
    shift : float
        Added to all products.
    linear : ndarray of shape (n_pixels, n_components)
        Linear penalties.
    simplex : bool
        Whether abundances sum to one.
    n_jobs : int or None
        Threads.
    """
    p = len(G)
    if p > FEW or not X.flags.c_contiguous:
        C = thin_product(X, EW) + shift
        slopes = A @ G - C + linear
        options = {"sum_to_one": simplex, "start": A, "tol": _TOL, "n_jobs": n_jobs}
        found = gram_qp(G, C - linear, **options).coef
        return Pass(slopes, float(np.abs(C).max()), found, found.T @ X)
    scale = np.trace(G) / p or 1.0
    slopes, found = np.empty_like(A), np.empty_like(A)

    def run(first):
        rows = slice(first, first + BLOCK)
        products = np.zeros_like(EW)
        largest = _pass(
            X[rows], A[rows], EW, G, scale, shift, linear[rows], simplex, _TOL,
            face_tables(p), slopes[rows], found[rows], products,
        )  # fmt: skip
        return largest, products

    firsts = range(0, len(X), BLOCK)
    if len(firsts) == 1:
        parts = [run(0)]
    else:
        parts = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(run)(first) for first in firsts
        )
    largest = max(part[0] for part in parts)
    return Pass(slopes, largest, found, sum(part[1] for part in parts))


@kernel
def _pass(
    X, A, EW, G, scale, shift, linear, simplex, tol, tables, slopes, found, products
):
    p, n_bands = EW.shape
    scaled, added = np.empty((p, p)), 1.0 if simplex else 0.0
    for j in range(p):
        for k in range(p):
            scaled[j, k] = G[j, k] / scale + added
    n_moves, solved = np.empty(_ROWS, dtype=np.int64), np.empty(_ROWS, dtype=np.bool_)
    part, largest = np.empty((p, n_bands)), 0.0
    for first in range(0, len(X), _ROWS):
        last = min(first + _ROWS, len(X))
        m = last - first
        x, a = X[first:last], A[first:last]
        C = np.dot(EW, x.T)
        largest = max(
            largest,
            _take_slopes(
                G, C, a, linear[first:last], shift, scale, added, slopes[first:last]
            ),
        )
        coef = np.zeros((p, m))
        solve_few(
            scaled, C, a, True, simplex, tol, tables, coef, n_moves[:m], solved[:m]
        )
        _transpose(coef, found[first:last])
        np.dot(coef, x, part)
        for k in range(p):
            for j in range(n_bands):
                products[k, j] += part[k, j]
    return largest


@kernel
def _take_slopes(G, C, a, linear, shift, scale, added, slopes):
    """Gradients at the coefficients; products become those of the scaled problem."""
    p, m = C.shape
    largest = 0.0
    for r in range(m):
        for k in range(p):
            c = C[k, r] + shift
            largest = max(largest, abs(c))
            total = linear[r, k] - c
            C[k, r] = -total / scale + added
            for j in range(p):
                total += G[k, j] * a[r, j]
            slopes[r, k] = total
    return largest


@kernel
def _transpose(values, out):
    for r in range(len(out)):
        for k in range(len(values)):
            out[r, k] = values[k, r]
