"""Graphs of pixels: neighbours in the spectra or in the image."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from sparsestat.unmixing._extractor import affine_coordinates

__all__ = ["Graph", "homogeneity", "image_graph", "spectral_graph"]


class Graph(NamedTuple):
    """Similarities of pixels, scaled to a mean degree of one.

    Parameters
    ----------
    similarities : csr_array of shape (n_pixels, n_pixels)
        Symmetric and non-negative.
    degrees : ndarray of shape (n_pixels, 1)
        Sums of its rows.
    bound : float
        At least the largest eigenvalue of the Laplacian, degrees less similarities.
    """

    similarities: sparse.csr_array
    degrees: np.ndarray
    bound: float

    def laplacian(self, A: np.ndarray) -> np.ndarray:
        """Product of the Laplacian with columns of pixels."""
        return self.degrees * A - self.similarities @ A


def spectral_graph(X: np.ndarray, n_components: int, n_neighbors: int) -> Graph:
    """Nearest neighbours by spectra, in the space of the leading components."""
    Z = affine_coordinates(X, n_components + 1)[:, 1:]
    n_neighbors = min(n_neighbors, len(X) - 1)
    if n_neighbors == 0:
        return _graph(sparse.csr_array((1, 1)))
    squares = kneighbors_graph(Z, n_neighbors, mode="distance").tocoo()
    heat = _heat(squares.data**2)
    near = sparse.csr_array((heat, (squares.row, squares.col)), shape=(len(X), len(X)))
    return _graph(near.maximum(near.T))


def image_graph(X: np.ndarray, shape: tuple[int, int]) -> Graph:
    """The four neighbours in the image, the more similar the closer."""
    first, second = _neighbours(shape)
    heat = _heat(np.square(X[first] - X[second]).sum(axis=1))
    pairs = np.concatenate([first, second]), np.concatenate([second, first])
    values = np.concatenate([heat, heat])
    return _graph(sparse.csr_array((values, pairs), shape=(len(X), len(X))))


def homogeneity(X: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How alike a pixel is to its neighbours in the image, from 0 to 1."""
    first, second = _neighbours(shape)
    heat = _heat(np.square(X[first] - X[second]).sum(axis=1))
    total, count = np.zeros(len(X)), np.zeros(len(X))
    for end in (first, second):
        np.add.at(total, end, heat)
        np.add.at(count, end, 1.0)
    return total / np.maximum(count, 1.0)


def _neighbours(shape):
    """Pairs of rows of pixels that are neighbours in the image."""
    rows = np.arange(shape[0] * shape[1]).reshape(shape)
    first = np.concatenate([rows[:, :-1].ravel(), rows[:-1].ravel()])
    second = np.concatenate([rows[:, 1:].ravel(), rows[1:].ravel()])
    return first, second


def _heat(squares):
    """Similarities of pairs from squared distances, by their mean."""
    mean = squares.mean() if len(squares) else 0.0
    return np.exp(-squares / mean) if mean > 0.0 else np.ones_like(squares)


def _graph(similarities) -> Graph:
    degrees = np.asarray(similarities.sum(axis=1)).ravel()
    mean = degrees.mean() or 1.0
    similarities = sparse.csr_array(similarities / mean)
    degrees = degrees / mean
    pairs = similarities.tocoo()
    bound = (degrees[pairs.row] + degrees[pairs.col]).max(initial=0.0)
    return Graph(similarities, degrees[:, None], float(bound))
