"""What each feature has that the others do not: directions of debiased estimators.

Directions are X~ v_j with v_j one at j and minus the coefficients of the Lasso of x_j
on the others elsewhere, after Zhang and Zhang (2014), doi:10.1111/rssb.12026; X may be
weighted by the curvatures of a loss, after van de Geer, Bühlmann, Ritov and Dezeure
(2014), doi:10.1214/14-AOS1221.
"""

from math import inf, log, sqrt
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.utils import check_random_state

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.design import Design, columns, correlate
from sparsestat.optim.nodewise import Node, NodewiseLasso
from sparsestat.optim.penalties import L1
from sparsestat.optim.run import Run
from sparsestat.optim.tasks import make_tasks

__all__ = [
    "MOST_FEATURES",
    "NODE_TOL",
    "Directions",
    "checked_matrix",
    "given_directions",
    "largest_statistics",
    "node_strength",
    "nodewise_directions",
]

# Beyond its cap of 512 MiB no Gram matrix is formed.
MOST_FEATURES = 8192
# Relative gap at least to which the problems of features are solved.
NODE_TOL = 1e-4
# Factor of the universal strength that suits the problems of single features.
_NODE_FACTOR = 0.5
# Features whose problems a thread takes at a time, whatever the number of threads.
_BLOCK = 64
# Draws of the bootstrap at a time.
_DRAWS = 250


class Directions(NamedTuple):
    """The z_j = X~ vectors_j, all at once.

    Parameters
    ----------
    vectors : csc_array or ndarray of shape (n_features, n_features)
    squares, dots : ndarray of shape (n_features,)
        |z_j|^2 and z_j.T x~_j in the weighted inner product.
    gap : float
        Largest relative duality gap.
    """

    vectors: sparse.csc_array | np.ndarray
    squares: np.ndarray
    dots: np.ndarray
    gap: float


def node_strength(n_features: int, n_samples: float) -> float:
    """Strength of the Lasso of a feature on the others, at unit variance."""
    return _NODE_FACTOR * sqrt(2.0 * log(n_features) / n_samples)


def nodewise_directions(
    X, design: Design, weight, gram, alpha: float, tol: float, estimator: Any
) -> Directions:
    """Directions by a Lasso for every feature.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    design, weight : Design, ndarray of shape (n_samples,)
        X with columns of unit variance, and weights that sum to one.
    gram : ndarray of shape (n_features, n_features) or None
        Their Gram matrix; without one each problem is a fit of its own.
    alpha, tol : float
        Strength, and bound of the relative gaps.
    estimator : object
        Has `fit_intercept`, `max_iter` and `n_jobs`.

    Returns
    -------
    directions : Directions
    """
    p = len(design.mean)

    def solve_block(features):
        if gram is None:
            return [
                _node(X, design, weight, alpha, tol, estimator, j) for j in features
            ]
        solver = NodewiseLasso(gram, alpha, tol)
        return [solver.solve(j) for j in features]

    blocks = [range(i, min(i + _BLOCK, p)) for i in range(0, p, _BLOCK)]
    found = Parallel(n_jobs=estimator.n_jobs, require="sharedmem")(
        delayed(solve_block)(block) for block in blocks
    )
    nodes = [node for block in found for node in block]
    sizes = [len(node.features) + 1 for node in nodes]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    indices = np.concatenate(
        [part for j, node in enumerate(nodes) for part in ([j], node.features)]
    )
    values = np.concatenate([part for node in nodes for part in ([1.0], -node.coef)])
    return Directions(
        sparse.csc_array((values, indices.astype(np.int64), indptr), shape=(p, p)),
        np.array([node.rest2 for node in nodes]),
        np.array([node.rest_dot for node in nodes]),
        max(node.gap for node in nodes),
    )


def given_directions(gram, design: Design, matrix: np.ndarray) -> Directions:
    """Directions from the columns of a matrix on the scale of X."""
    vectors = matrix * design.scale[:, None]
    products = gram @ vectors
    squares = np.maximum(np.einsum("ij,ij->j", vectors, products), 0.0)
    return Directions(vectors, squares, products.diagonal().copy(), 0.0)


def largest_statistics(
    design: Design, vectors, norms, noise, n_draws: int, random_state
) -> np.ndarray:
    """Sorted draws of the largest |z_j.T e| / norm_j over all features.

    The entries of e are those of `noise`, each times a standard normal number.
    """
    rng = check_random_state(random_state)
    usable = norms > 0.0
    if not usable.any() or not noise.any():
        return np.zeros(n_draws)
    largest = []
    for start in range(0, n_draws, _DRAWS):
        size = min(_DRAWS, n_draws - start)
        draws = rng.standard_normal((size, len(noise))) * noise
        products = correlate(make_tasks(design, size), draws.T.ravel())
        products = np.abs((vectors.T @ products.reshape(-1, size))[usable])
        largest.append((products / norms[usable, None]).max(axis=0))
    return np.sort(np.concatenate(largest))


def checked_matrix(values, n_features: int) -> np.ndarray:
    """`precision` as a matrix of the right shape."""
    allowed = f"precision must be finite numbers of shape {(n_features, n_features)}"
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{allowed}; got {type(values).__name__}.") from None
    if matrix.shape != (n_features, n_features):
        raise ValueError(f"{allowed}; got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{allowed}; got NaN or infinity.")
    return matrix


def _node(X, design, weight, alpha, tol, estimator, j: int) -> Node:
    """The Lasso of one feature as a fit of its own."""
    weights = np.ones(X.shape[1])
    weights[j] = inf
    column = columns(design, np.array([j]), slice(None))[0]
    own = Run(
        X,
        column,
        Quadratic(),
        L1(1.0, weights),
        weight,
        fit_intercept=estimator.fit_intercept,
        standardize=True,
        tol=tol,
        max_iter=estimator.max_iter,
        solver="auto",
        precompute=False,
        n_alphas=1,
    )
    step = own.step(alpha)
    rest = own.problem.residual(step.features, step.coef)
    null = own.null_objective
    return Node(
        step.features,
        step.coef,
        float(rest @ rest),
        float(rest @ own.problem.target),
        step.gap / null if null > 0.0 else 0.0,
    )
