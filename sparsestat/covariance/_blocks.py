"""Log-determinant problems in blocks: connected components, in threads.

Features that no |S_jk| > L_jk connects are independent in the solution, so that each
connected component is a problem of its own.  After Mazumder and Hastie (2012),
jmlr.org/papers/v13/mazumder12a.html.
"""

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sparsestat.optim.log_det import minimise_log_det
from sparsestat.utils.threads import one_blas_thread

__all__ = ["Estimate", "solve_blocks"]

# Components are solved together while they have no more features than this.
_SMALL = 64


class Estimate(NamedTuple):
    """Solution of a whole problem.

    Attributes
    ----------
    precision, covariance : ndarray of shape (p, p)
        The matrix and its inverse.
    objective, gap : float
        Objective, and a bound of its distance to the optimum.
    labels : ndarray of shape (p,)
        Number of each feature's component.
    n_iter : int
        Newton steps, of the block that took most.
    """

    precision: np.ndarray
    covariance: np.ndarray
    objective: float
    gap: float
    labels: np.ndarray
    n_iter: int


def solve_blocks(
    covariance: np.ndarray,
    levels: np.ndarray,
    tol: float,
    max_iter: int,
    *,
    start: np.ndarray | None = None,
    violation: float | None = None,
    n_jobs: int | None = None,
) -> Estimate:
    """Minimise -log det T + <S, T> + sum_jk L_jk |T_jk|, a block at a time.

    Parameters
    ----------
    covariance, levels : ndarray of shape (p, p)
        S and L; S_jj + L_jj > 0.
    tol : float
        Bound of the duality gap for each feature.
    max_iter : int
        Newton steps at most.
    start : ndarray of shape (p, p), default=None
        Where to begin.
    violation : float, default=None
        Bound of violated optimality conditions to reach, too.
    n_jobs : int, default=None
        Threads over blocks.

    Returns
    -------
    estimate : Estimate
    """
    p = len(covariance)
    # A diagonal of ones, which numerics like; the objective moves by a constant.
    scale = np.sqrt(np.where(covariance.diagonal() > 0.0, covariance.diagonal(), 1.0))
    product = np.outer(scale, scale)
    S, L = covariance / product, levels / product
    joined = np.abs(S) > L
    np.fill_diagonal(joined, False)
    _, labels = connected_components(sparse.csr_array(joined), directed=False)
    sizes = np.bincount(labels, minlength=p)
    single = np.flatnonzero(sizes[labels] == 1)
    variances = S.diagonal() + L.diagonal()
    precision, inverse = np.zeros((p, p)), np.zeros((p, p))
    precision[single, single] = 1.0 / variances[single]
    inverse[single, single] = variances[single]
    objective = float(np.sum(np.log(variances[single]) + 1.0))
    objective += 2.0 * float(np.log(scale).sum())
    gap, n_iter = 0.0, 1

    def run(block):
        part = np.ix_(block, block)
        first = None if start is None else start[part] * product[part]
        target = tol * len(block)
        return minimise_log_det(S[part], L[part], target, max_iter, first, violation)

    blocks = _blocks(labels, sizes)
    # One BLAS thread where blocks share the work, so that bits do not depend on n_jobs.
    with one_blas_thread() if len(blocks) > 1 else nullcontext():
        found = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(run)(block) for block in blocks
        )
    for block, solution in zip(blocks, found, strict=True):
        precision[np.ix_(block, block)] = solution.precision
        inverse[np.ix_(block, block)] = solution.covariance
        objective += solution.objective
        gap += solution.gap
        n_iter = max(n_iter, solution.n_iter)
    precision /= product
    inverse *= product
    return Estimate(precision, inverse, objective, gap, labels, n_iter)


def _blocks(labels: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Features of each block, large ones first; small components share a block.

    The zeros between components are optimal, and Newton steps leave them alone.
    """
    order = np.argsort(labels, kind="stable")
    components = np.split(order, np.cumsum(sizes[sizes > 0])[:-1])
    components = [part for part in components if len(part) > 1]
    components.sort(key=len, reverse=True)
    blocks, room = [], 0
    for part in components:
        if len(part) <= room:
            blocks[-1] = np.append(blocks[-1], part)
            room -= len(part)
        else:
            blocks.append(part)
            room = _SMALL - len(part)
    return blocks
