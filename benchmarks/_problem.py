"""A benchmark problem: one design, one target, one grid, the same for every peer.

Problems are stored as plain ``.npy`` files, so that a peer in another virtual
environment, or in R, reads the very same bits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """Data of one benchmark problem.

    Attributes
    ----------
    X : ndarray (Fortran order) or scipy.sparse.csc_matrix, (n_samples, n_features)
        Design.
    y : ndarray of shape (n_samples,) or (n_samples, n_columns)
        Target, of the dtype of `X`, or integers for classes; times and events of a
        survival problem, or a column for each task.
    alphas : ndarray of shape (n_alphas,)
        Decreasing strengths of the penalty, float64.
    folder : str or None
        Where the problem was stored, for peers that read it themselves.
    """

    X: Any
    y: np.ndarray
    alphas: np.ndarray
    folder: str | None = None

    @property
    def is_sparse(self) -> bool:
        return not isinstance(self.X, np.ndarray)


def alpha_grid(
    X: Any, y: np.ndarray, n_alphas: int = 100, eps: float = 1e-2
) -> np.ndarray:
    """Geometric grid from ``max |X^T y| / n`` down to `eps` times that."""
    alpha_max = np.abs(X.T @ y).max() / len(y)
    return float(alpha_max) * np.geomspace(1.0, eps, n_alphas)


def save(problem: Problem, folder: Path) -> Problem:
    """Store `problem` in `folder`; returns it with `folder` filled in."""
    folder.mkdir(parents=True, exist_ok=True)
    X = problem.X
    if problem.is_sparse:
        for part in ("data", "indices", "indptr"):
            np.save(folder / f"{part}.npy", getattr(X, part))
    else:
        np.save(folder / "X.npy", np.asfortranarray(X))
    np.save(folder / "y.npy", np.asfortranarray(problem.y))
    np.save(folder / "alphas.npy", problem.alphas)
    facts = {"shape": list(X.shape), "sparse": problem.is_sparse}
    (folder / "problem.json").write_text(json.dumps(facts))
    return problem._replace(folder=str(folder))


def load(folder: str | Path) -> Problem:
    """Read the problem that `save` stored in `folder`."""
    folder = Path(folder)
    facts = json.loads((folder / "problem.json").read_text())
    if facts["sparse"]:
        from scipy.sparse import csc_matrix

        parts = [np.load(folder / f"{p}.npy") for p in ("data", "indices", "indptr")]
        X = csc_matrix(tuple(parts), shape=tuple(facts["shape"]))
    else:
        X = np.load(folder / "X.npy")
    y, alphas = np.load(folder / "y.npy"), np.load(folder / "alphas.npy")
    return Problem(X, y, alphas, str(folder))


def tiny(like: Problem) -> Problem:
    """Return a small problem of the same dtype, layout and kind, to warm up on."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 60)).astype(like.X.dtype)
    y = X[:, 0] - X[:, 1] + rng.standard_normal(40).astype(like.X.dtype)
    if like.is_sparse:
        from scipy.sparse import csc_matrix

        X = csc_matrix(np.where(np.abs(X) > 1.0, X, 0.0).astype(X.dtype))
    else:
        X = np.asfortranarray(X)
    y = y - y.mean()
    if like.y.dtype.kind == "f":
        y = y.astype(like.y.dtype)
    if like.y.ndim == 2:
        survival = np.column_stack([np.exp(-y), np.arange(40) % 3 > 0])
        return Problem(X, survival, np.array([0.2, 0.1]))
    if np.issubdtype(like.y.dtype, np.integer):
        return Problem(X, np.arange(40) % 3, np.array([0.2, 0.1]))
    if np.isin(like.y, (-1.0, 1.0)).all():
        y = np.where(y > 0.0, 1.0, -1.0).astype(like.y.dtype)
        return Problem(X, y, np.array([0.2, 0.1]))
    return Problem(X, y, alpha_grid(X, y, n_alphas=5, eps=0.1))
