"""Total variation on a line or a graph, with an l1 norm: the fused Lasso."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sparsestat.optim.penalties import _coupled as op
from sparsestat.optim.proximal import prox_tv1d, prox_tv_graph
from sparsestat.optim.segments import line_gauge

__all__ = ["TotalVariation", "incidence", "segments"]

# Neighbours this close, relative to the largest coefficient, are one segment: scales of
# columns come between a fit and the coefficients that users see.
_EQUAL = 1e-10
_LARGEST = 1e300


class TotalVariation(NamedTuple):
    """Penalty ``alpha * (t * sum |w_k - w_j| + (1 - t) * sum |w_j|)``, t = tv_ratio.

    The first sum is over the edges (j, k) of a graph, by default those of a line: each
    coefficient and the next.

    Parameters
    ----------
    alpha : float
        Strength, >= 0.
    tv_ratio : float
        In [0, 1]: 1 is total variation alone, 0 the Lasso.
    edges : ndarray of shape (n_edges, 2), default=None
        Pairs of neighbours; None is the line.

    References
    ----------
    Tibshirani, Saunders, Rosset, Zhu and Knight (2005),
    doi:10.1111/j.1467-9868.2005.00490.x
    """

    alpha: float
    tv_ratio: float
    edges: Any = None


def incidence(penalty: NamedTuple, n_features: int) -> sparse.csr_array:
    """Differences over the edges as a sparse matrix of shape (n_edges, n_features)."""
    edges = penalty.edges
    if edges is None:
        first = np.arange(max(n_features - 1, 0))
        edges = np.column_stack([first, first + 1])
    rows = np.arange(len(edges))
    values = np.concatenate([-np.ones(len(edges)), np.ones(len(edges))])
    at = np.concatenate([rows, rows]), np.concatenate([edges[:, 0], edges[:, 1]])
    return sparse.csr_array((values, at), shape=(len(edges), n_features))


def segments(w: np.ndarray, edges: np.ndarray | None = None) -> np.ndarray:
    """Number of the segment of each coefficient: connected and of equal value.

    Parameters
    ----------
    w : ndarray of shape (n_features,)
    edges : ndarray of shape (n_edges, 2), default=None
        Pairs of neighbours; None is the line.

    Returns
    -------
    labels : ndarray of shape (n_features,)
        From 0, in the order of the first feature of each segment.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.penalties import segments
    >>> segments(np.array([1.0, 1.0, 0.0, 2.0]))
    array([0, 0, 1, 2])
    """
    tolerance = _EQUAL * np.abs(w).max(initial=0.0)
    if edges is None:
        return np.cumsum(np.r_[False, np.abs(np.diff(w)) > tolerance])[: len(w)]
    equal = edges[np.abs(w[edges[:, 0]] - w[edges[:, 1]]) <= tolerance]
    return components(equal, len(w))


def components(edges: np.ndarray, n_features: int) -> np.ndarray:
    """Connected components of a graph, numbered by their first member."""
    shape = n_features, n_features
    graph = sparse.csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape)
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


@op.structure.register(TotalVariation)
def _(penalty):
    return "fused"


@op.complete.register(TotalVariation)
def _(penalty, n_features):
    edges = penalty.edges
    if edges is not None:
        edges = np.array(edges)
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
            raise ValueError(
                "edges must be integers of shape (n_edges, 2); got "
                f"{edges.dtype} of shape {edges.shape}."
            )
        edges = edges.astype(np.int64)
        if len(edges) and not (edges.min() >= 0 and edges.max() < n_features):
            raise ValueError(
                f"edges must hold features in [0, {n_features}); got "
                f"{edges.min()} to {edges.max()}."
            )
        edges = edges[edges[:, 0] != edges[:, 1]]
    return TotalVariation(float(penalty.alpha), float(penalty.tv_ratio), edges)


@op.total.register(TotalVariation)
def _(penalty, w):
    if penalty.edges is None:
        variation = np.abs(np.diff(w)).sum()
    else:
        variation = np.abs(w[penalty.edges[:, 1]] - w[penalty.edges[:, 0]]).sum()
    t = penalty.tv_ratio
    return penalty.alpha * float(t * variation + (1.0 - t) * np.abs(w).sum())


@op.vector_prox.register(TotalVariation)
def _(penalty, z, step):
    level = min(step * penalty.alpha, _LARGEST)
    if penalty.edges is None:
        smooth = prox_tv1d(z, level * penalty.tv_ratio)
    else:
        smooth = prox_tv_graph(z, penalty.edges, level * penalty.tv_ratio)
    # Friedman et al. (2007), doi:10.1214/07-AOAS131: the l1 norm comes second.
    threshold = level * (1.0 - penalty.tv_ratio)
    return np.sign(smooth) * np.maximum(np.abs(smooth) - threshold, 0.0)


@op.dual_norm.register(TotalVariation)
def _(penalty, g):
    if penalty.edges is not None:
        raise TypeError("TotalVariation has a dual_norm on the line only.")
    variation = penalty.alpha * penalty.tv_ratio
    size = penalty.alpha * (1.0 - penalty.tv_ratio)
    if not np.any(g):
        return 0.0
    if variation + size == 0.0:
        return np.inf
    return line_gauge(g, variation, size)


@op.n_degrees.register(TotalVariation)
def _(penalty, w):
    labels = segments(w, penalty.edges)
    tolerance = _EQUAL * np.abs(w).max(initial=0.0)
    return len(np.unique(labels[np.abs(w) > tolerance]))
