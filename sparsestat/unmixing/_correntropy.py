"""Abundances on the simplex that do not follow corrupted bands, by half-quadratics.

maximise   sum_l exp(-r_l^2 / (2 sigma^2))   over the simplex,

r the residuals of bands: of one pixel each, or of all pixels together. Alternates
between weights exp(-r_l^2 / (2 sigma^2)) and exact weighted least squares. After Zhu,
Halimi, Honeine, Chen and Zheng (2017), arXiv:1602.01729, for the model.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sparsestat.optim.gram_qp import BLOCK, gram_qp, simplex_gap

__all__ = ["Correntropy", "solve_correntropy"]

# Rounds in which sigma still follows the residuals; the objective falls after them.
_ROUNDS = 10


class Correntropy(NamedTuple):
    """Solution of `solve_correntropy`.

    Parameters
    ----------
    abundances : ndarray of shape (n_samples, n_components)
        In the precision of the pixels.
    weights : ndarray of shape (n_features,) or (n_samples, n_features)
        Weights of the bands, of all pixels together or of each.
    gap : ndarray of shape (n_samples,)
        What the linear model of the objective at the abundances still promises.
    """

    abundances: np.ndarray
    weights: np.ndarray
    gap: np.ndarray


def solve_correntropy(
    X: np.ndarray,
    E: np.ndarray,
    abundances: np.ndarray,
    *,
    by_pixel: bool,
    theta: float,
    max_iter: int,
    tol: float,
    n_jobs: int | None,
) -> Correntropy:
    """Abundances under weights of bands, from those of least squares.

    Parameters
    ----------
    X, E, abundances : ndarray
        Pixels, endmembers in double precision, abundances to start with.
    by_pixel : bool
        Whether each pixel has weights of its own.
    theta : float
        sigma^2 over the mean square of the residuals.
    max_iter : int
        Rounds at most.
    tol : float
        Largest gap, relative to half the largest squared norm of a pixel and the
        endmembers.
    n_jobs : int or None
        Threads.
    """
    tol = max(tol, 1e-12 if X.dtype == np.float64 else 1e-5)
    if not by_pixel:
        found = _solve(X, E, abundances, _by_band, theta, max_iter, tol, n_jobs)
    else:
        parts = [
            _solve(X[s], E, abundances[s], _by_pixel, theta, max_iter, tol, n_jobs)
            for s in (slice(i, i + BLOCK) for i in range(0, len(X), BLOCK))
        ]
        found = (np.concatenate(each) for each in zip(*parts, strict=True))
    abundances, weights, gap, missed = found
    if missed.any():
        first = int(np.argmax(missed))
        warnings.warn(
            f"FCLS: {np.count_nonzero(missed)} pixels are not stationary after "
            f"{max_iter} rounds, the first in row {first} with a gap of "
            f"{gap[first]:.2e} where tol={tol:g} asks for {tol * missed[first]:.2e}; "
            "raise transform_max_iter or tol.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return Correntropy(abundances.astype(X.dtype, copy=False), weights, gap)


def _solve(X, E, abundances, moments, theta, max_iter, tol, n_jobs):
    """Abundances, weights, gaps, and the scales of gaps that are too large, or zero."""
    a = abundances.astype(np.float64)
    centre = E.mean(axis=0)
    norms = np.einsum("nl,nl->n", X, X, dtype=np.float64)
    scale = 0.5 * np.maximum(norms, np.square(E).sum(axis=1).max())
    sigma2 = None
    for round_ in range(max_iter + 1):
        free = theta if round_ < _ROUNDS else None
        gram, products, weights, sigma2 = moments(X, E, centre, a, free, sigma2)
        slopes = np.einsum("...jk,...k->...j", gram, a) - products
        gap = np.maximum(simplex_gap(slopes, a), 0.0)
        late = gap > tol * scale
        if round_ == max_iter or (round_ >= _ROUNDS and not late.any()):
            break
        qp_tol = 1e-12 if X.dtype == np.float64 else 1e-6
        options = {"start": a, "tol": qp_tol, "n_jobs": n_jobs}
        a = gram_qp(gram, products, sum_to_one=True, **options).coef
    return a, weights, gap, late * scale


def _by_band(X, E, centre, a, theta, sigma2):
    """Moments under weights of bands that all pixels share."""
    squares = np.zeros(X.shape[1])
    for first in range(0, len(X), BLOCK):
        rows = slice(first, first + BLOCK)
        r = X[rows] - a[rows] @ E
        squares += np.einsum("nl,nl->l", r, r)
    if theta is not None:
        sigma2 = theta * squares.mean()
    weights = _weights(squares, sigma2)
    centred = E - centre
    weighted = weights * centred
    products = X @ weighted.astype(X.dtype, copy=False).T - weighted @ centre
    return weighted @ centred.T, products, weights, sigma2


def _by_pixel(X, E, centre, a, theta, sigma2):
    """Moments under weights of bands that each pixel has for its own."""
    squares = np.square(X - a @ E)
    if theta is not None:
        sigma2 = theta * squares.mean(axis=1, keepdims=True)
    weights = _weights(squares, sigma2)
    centred = E - centre
    p = len(E)
    upper = np.triu_indices(p)
    pairs = weights @ (centred[upper[0]] * centred[upper[1]]).T
    gram = np.empty((len(X), p, p))
    gram[:, upper[0], upper[1]] = pairs
    gram[:, upper[1], upper[0]] = pairs
    return gram, (weights * (X - centre)) @ centred.T, weights, sigma2


def _weights(squares, sigma2):
    return np.exp(-0.5 * squares / np.maximum(sigma2, np.finfo(float).tiny))
