"""Samples of sparse Gaussian graphical models."""

from __future__ import annotations

import numpy as np

from benchmarks._problem import Problem

BLOCK = 25
DEGREE = 3


def blocks(
    n_samples: int, n_features: int, *, n_alphas: int, eps: float = 0.4, seed: int = 0
) -> Problem:
    """Standardised samples, independent between blocks of 25 features.

    Within a block each feature has about three random neighbours, with partial
    covariances between 0.3 and 0.8 of random sign; the diagonal of the precision matrix
    exceeds the sum of its row by 0.3. Strengths go from the largest correlation to
    `eps` times that.

    Parameters
    ----------
    n_samples, n_features, n_alphas : int
        Sizes.
    eps : float, default=0.4
        Length of the grid.
    seed : int, default=0
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Problem
        Its target is empty.
    """
    rng = np.random.default_rng(seed)
    precision = np.zeros((n_features, n_features))
    for start in range(0, n_features, BLOCK):
        size = min(BLOCK, n_features - start)
        for j, k in rng.integers(size, size=(size * DEGREE // 2, 2)) + start:
            if j != k:
                value = rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.8)
                precision[j, k] = precision[k, j] = value
    np.fill_diagonal(precision, np.abs(precision).sum(axis=1) + 0.3)
    factor = np.linalg.cholesky(np.linalg.inv(precision))
    X = rng.standard_normal((n_samples, n_features)) @ factor.T
    X = np.asfortranarray((X - X.mean(axis=0)) / X.std(axis=0))
    size = np.abs(X.T @ X) / n_samples
    np.fill_diagonal(size, 0.0)
    alphas = size.max() * np.geomspace(1.0, eps, n_alphas)
    return Problem(X, np.zeros(n_samples), alphas)
