"""Degrees of freedom of least squares with penalties on blocks of coefficients.

The divergence of the fit in y: trace of G (G + R)^-1 on the nonzero coefficients, G
being their Gram matrix and R the penalty's Hessian.  After Vaiter, Deledalle, Fadili,
Peyré and Dossal (2017), doi:10.1007/s10463-016-0563-z.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve

from sparsestat.optim.group_descent import newton_system
from sparsestat.optim.moments import gram_block
from sparsestat.optim.penalties import feature_blocks, restrict_blocks
from sparsestat.optim.problem import LeastSquares
from sparsestat.optim.solution import PathSolution
from sparsestat.optim.tasks import Tasks

__all__ = ["block_degrees_of_freedom"]


def block_degrees_of_freedom(
    problem: LeastSquares, penalty: NamedTuple, found: PathSolution
) -> np.ndarray:
    """Degrees of freedom of every solution of a path, without the intercepts.

    Parameters
    ----------
    problem : LeastSquares
    penalty : NamedTuple
        Prepared, a penalty on blocks.
    found : PathSolution

    Returns
    -------
    dof : ndarray of shape (n_alphas,)
    """
    blocks = feature_blocks(penalty, np.ones(found.coefs.shape[0], bool))
    everyone = np.arange(len(blocks.starts) - 1)
    penalty = restrict_blocks(penalty, everyone, blocks.features)
    dof = np.zeros(len(found.alphas))
    for k, alpha in enumerate(found.alphas):
        coef = found.coefs[:, [k]].toarray().ravel() * problem.design.scale
        w = coef[blocks.features]
        nonzero = np.flatnonzero(w)
        gram = _gram(problem, blocks.features[nonzero])
        hessian = gram.copy()
        local = penalty._replace(alpha=float(alpha))
        newton_system(
            local, blocks.starts, w, np.zeros(len(w)), hessian, np.empty(len(nonzero))
        )
        dof[k] = _trace_of_ratio(gram, hessian)
    return dof


def _gram(problem: LeastSquares, coefs: np.ndarray) -> np.ndarray:
    """Gram matrix of some coefficients; those of different tasks do not meet."""
    design, weight = problem.design, problem.root**2
    if not isinstance(design, Tasks):
        return gram_block(design, weight, coefs, coefs)
    features, tasks = np.divmod(coefs, design.n_tasks)
    features, places = np.unique(features, return_inverse=True)
    weight = weight[:: design.n_tasks]
    gram = gram_block(design.base, weight, features, features)
    return gram[np.ix_(places, places)] * (tasks[:, None] == tasks)


def _trace_of_ratio(gram: np.ndarray, hessian: np.ndarray) -> float:
    """Trace of gram times the inverse of hessian, which may be singular."""
    try:
        factor = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return float(np.vdot(np.linalg.pinv(hessian, hermitian=True), gram))
    return float(np.trace(cho_solve((factor, True), gram)))
