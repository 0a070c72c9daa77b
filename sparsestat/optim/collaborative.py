"""Least squares over A >= 0 under the sum of the norms of the columns of A.

minimise   |X - A E|^2 / 2 + alpha sum_k |A_k|_2    over A >= 0,

by block coordinate descent over the columns A_k in growing working sets, with steps of
Newton's method on their norms, spheres that screen columns safely, and a duality gap.
After Iordache, Bioucas-Dias and Plaza (2014), doi:10.1109/TGRS.2013.2240001, for the
problem; Ndiaye, Fercoq, Gramfort and Salmon (2017), arXiv:1611.05780, for screening.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.gram_qp import gram_qp
from sparsestat.optim.inverse_factor import border, halve
from sparsestat.optim.vector import axpy, dot
from sparsestat.utils.dispatch import kernel

__all__ = ["Collaborative", "collaborative", "collaborative_gap"]

# Columns that join at once, at least.
_FEWEST = 10
# Sweeps between steps of Newton's method, and steps for one working set at most.
_SWEEPS, _MOST = 3, 100
# Share of the gap at which a working set is solved well enough.
_SHARE = 0.1
# Newton's step: ridge, cuts, and the factor by which a size may change.
_RIDGE, _HALVINGS, _SHRINK = 1e-10, 6, 0.05


class Collaborative(NamedTuple):
    """Solution of `collaborative`.

    Parameters
    ----------
    coef : ndarray of shape (n_columns, n_rows)
        The columns of A, a row each.
    gap : float
        Duality gap.
    n_iter : int
        Working sets.
    """

    coef: np.ndarray
    gap: float
    n_iter: int


def collaborative(
    gram: np.ndarray,
    products: np.ndarray,
    norm2: float,
    alpha: float,
    *,
    tol: float,
    max_iter: int,
) -> Collaborative:
    """Minimise |X - A E|^2 / 2 + alpha sum_k |A_k| over A >= 0.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns)
        E E.T.
    products : ndarray of shape (n_columns, n_rows)
        E X.T.
    norm2 : float
        |X|^2.
    alpha : float
        Strength of the penalty, positive.
    tol : float
        Largest gap, relative to |X|^2 / 2.
    max_iter : int
        Working sets at most.

    Returns
    -------
    solution : Collaborative
    """
    p, n = products.shape
    lengths = np.sqrt(gram.diagonal())
    coef = np.zeros((p, n))
    kept = np.flatnonzero(lengths > 0.0)
    size = _FEWEST
    for n_iter in range(1, max_iter + 1):
        used = np.flatnonzero(coef.any(axis=1))
        slopes = products - gram[:, used] @ coef[used]
        norms = _positive_norms(slopes)
        gap, scale = _gap(coef, products, slopes, norms[kept], norm2, alpha)
        if gap <= tol * 0.5 * norm2 or n_iter == max_iter:
            break
        # Columns whose slope stays below alpha for all dual points in a sphere.
        within = scale * norms + lengths * np.sqrt(2.0 * gap)
        kept = kept[within[kept] >= alpha]
        coef[np.setdiff1d(used, kept)] = 0.0
        size = max(size, 2 * len(used))
        others = np.setdiff1d(kept, used)
        joined = others[np.argsort(-norms[others], kind="stable")[: size - len(used)]]
        chosen = np.sort(np.concatenate([np.intersect1d(used, kept), joined]))
        parts = np.ascontiguousarray(gram[np.ix_(chosen, chosen)]), products[chosen]
        target = max(_SHARE * gap, 0.5 * tol * 0.5 * norm2)
        coef[chosen] = _descend(*parts, coef[chosen], norm2, alpha, target)
    return Collaborative(coef, gap, n_iter)


def collaborative_gap(
    gram: np.ndarray,
    products: np.ndarray,
    norm2: float,
    coef: np.ndarray,
    alpha: float,
) -> float:
    """Duality gap of non-negative coefficients.

    The dual point is the residual R, scaled until |(R e_k)_+| <= alpha for all k.
    """
    slopes = products - gram @ coef
    return _gap(coef, products, slopes, _positive_norms(slopes), norm2, alpha)[0]


def _gap(coef, products, slopes, norms, norm2, alpha):
    """The gap and the scale of its dual point, from slopes (X - A E) E.T."""
    explained = np.vdot(coef, products)
    product = norm2 - explained
    residual2 = max(product - np.vdot(coef, slopes), 0.0)
    largest = norms.max(initial=0.0)
    scale = 0.0
    if residual2 > 0.0:
        bound = alpha / largest if largest > 0.0 else np.inf
        scale = min(max(product / residual2, 0.0), bound)
    penalty = alpha * np.sqrt(np.einsum("kn,kn->k", coef, coef)).sum()
    dual = scale * product - 0.5 * scale**2 * residual2
    return max(0.5 * residual2 + penalty - dual, 0.0), scale


def _positive_norms(slopes):
    positive = np.maximum(slopes, 0.0)
    return np.sqrt(np.einsum("kn,kn->k", positive, positive))


def _descend(gram, products, coef, norm2, alpha, target):
    """Coefficients of a working set, until its own gap is at the target.

    Sweeps find the columns that are zero, Newton's steps the size of the others.
    """
    slopes = products - gram @ coef
    for _ in range(_MOST):
        for _ in range(_SWEEPS):
            _sweep(gram, slopes, coef, alpha)
        norms = _positive_norms(slopes)
        if _gap(coef, products, slopes, norms, norm2, alpha)[0] <= target:
            break
        used = np.flatnonzero(coef.any(axis=1))
        block = np.ascontiguousarray(gram[np.ix_(used, used)])
        found = _resized(block, products[used], coef[used], alpha)
        if found is not None:
            coef[used] = found
            slopes = products - gram[:, used] @ found
    return coef


def _resized(gram, products, coef, alpha):
    """Coefficients after a step of Newton's method on the norms of the columns.

    The objective is the minimum over sizes v > 0, and convex in them, of

        |X - A E|^2 / 2 + alpha sum_k (|A_k|^2 / v_k + v_k) / 2,

    whose minimum over A is a quadratic programme for each row: with A = sqrt(v) B one
    on D G D + alpha I, D = diag(sqrt(v)). In steps relative to v the gradient is
    alpha (v_k - |B_k|^2) / 2.
    """
    sizes = np.sqrt(np.einsum("kn,kn->k", coef, coef))
    start = coef.T
    B, value = _at_sizes(gram, products, sizes, alpha, start)
    squares = np.einsum("nk,nk->k", B, B)
    matrix = _scaled(gram, sizes, alpha)
    hessian = np.diag(alpha * squares)
    _take_inverses(matrix, B, alpha, hessian)
    hessian[np.diag_indices_from(hessian)] += _RIDGE * alpha * squares.max()
    gradient = 0.5 * alpha * (sizes - squares)
    direction = -np.linalg.solve(hessian, gradient)
    step = 1.0
    for _ in range(_HALVINGS):
        new = sizes * np.clip(1.0 + step * direction, _SHRINK, 1.0 / _SHRINK)
        B_new, value_new = _at_sizes(gram, products, new, alpha, B)
        if value_new < value:
            return np.ascontiguousarray((np.sqrt(new) * B_new).T)
        step *= 0.25
    return None


def _scaled(gram, sizes, alpha):
    root = np.sqrt(sizes)
    matrix = root[:, None] * gram * root
    matrix[np.diag_indices_from(matrix)] += alpha
    return matrix


def _at_sizes(gram, products, sizes, alpha, start):
    """Minimisers B for given sizes, and the objective less |X|^2 / 2."""
    right = (np.sqrt(sizes)[:, None] * products).T
    B = gram_qp(_scaled(gram, sizes, alpha), right, start=start).coef
    return B, 0.5 * alpha * sizes.sum() - 0.5 * np.vdot(B, right)


@kernel
def _sweep(gram, slopes, coef, alpha):
    """Minimise over one column after the other."""
    p, n = coef.shape
    step = np.empty(n)
    for k in range(p):
        curvature = gram[k, k]
        a, s = coef[k], slopes[k]
        total = 0.0
        for i in range(n):
            u = max(curvature * a[i] + s[i], 0.0)
            step[i] = u
            total += u * u
        factor = 0.0
        if total > alpha * alpha:
            factor = (1.0 - alpha / np.sqrt(total)) / curvature
        moved = False
        for i in range(n):
            u = factor * step[i]
            step[i] = u - a[i]
            moved = moved or step[i] != 0.0
            a[i] = u
        if moved:
            for j in range(p):
                g, out = gram[j, k], slopes[j]
                for i in range(n):
                    out[i] -= g * step[i]


@kernel
def _take_inverses(matrix, B, alpha, hessian):
    """hessian -= alpha^2 sum_n b_n b_n.T * inv(matrix) on the face of each row b_n."""
    n, p = B.shape
    S, part = np.empty((p, p)), np.empty((p, p))
    column, x = np.empty(p), np.empty(p)
    face = np.empty(p, dtype=np.int64)
    for i in range(n):
        m = 0
        for j in range(p):
            if B[i, j] > 0.0:
                for k in range(m):
                    column[k] = matrix[j, face[k]]
                    part[m, k] = 0.0
                part[m, m] = 0.0
                halve(S, m, column, x)
                pivot = matrix[j, j] - dot(x[:m], x[:m])
                border(S, m, x, max(pivot, alpha * 1e-8))
                face[m] = j
                m += 1
        for k in range(m):
            for j in range(k + 1):
                x[j] = alpha * B[i, face[j]] * S[k, j]
                axpy(-x[j], x[: j + 1], part[j, : j + 1])
        for j in range(m):
            for k in range(j + 1):
                hessian[face[j], face[k]] += part[j, k]
                if k < j:
                    hessian[face[k], face[j]] += part[j, k]
