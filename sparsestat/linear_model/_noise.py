"""Noise variance and degrees of freedom of linear models, for information criteria."""

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpstrf

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.design import correlate, make_design, predict
from sparsestat.optim.group_freedom import block_degrees_of_freedom
from sparsestat.optim.moments import gram_block
from sparsestat.optim.path import path
from sparsestat.optim.penalties import L1, is_coupled, kind, n_degrees
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution

__all__ = ["chosen_lasso", "degrees_of_freedom", "noise_variance"]

# Columns whose squared distance from the others is below this share are dependent.
_DEPENDENT = 1e-12
# A Gram matrix of all features is not formed beyond its cap of 512 MiB.
_MOST_FEATURES = 8192


def noise_variance(X, y, sample_weight, fit_intercept, random_state) -> float:
    """Estimate the variance of the noise.

    With more samples than parameters, by the residuals of least squares; else by
    refitted cross-validation (Fan, Guo and Hao 2012,
    doi:10.1111/j.1467-9868.2011.01005.x): features chosen on one half of the samples
    are fitted by least squares on the other, both ways, and the variances averaged.

    Parameters
    ----------
    X : ndarray or csc matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        Frequencies.
    fit_intercept : bool
    random_state : numpy.random.RandomState
        Draws the halves.

    Returns
    -------
    variance : float
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    p = X.shape[1]
    if p <= _MOST_FEATURES and weight.sum() > p + 1 + fit_intercept:
        return _residual_variance(X, y, weight, np.arange(p), fit_intercept)
    rows = random_state.permutation(np.flatnonzero(weight))
    halves = []
    for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        halves.append(np.zeros(len(y)))
        halves[-1][half] = weight[half]
    if not halves[0].any():
        return 0.0
    variances = []
    for chosen_on, fitted_on in (halves, halves[::-1]):
        most = np.count_nonzero(fitted_on) // 2
        features = chosen_lasso(X, y, chosen_on, most, fit_intercept).indices
        variances.append(_residual_variance(X, y, fitted_on, features, fit_intercept))
    return float(np.mean(variances))


def degrees_of_freedom(run: Run, found: PathSolution) -> np.ndarray:
    """Degrees of freedom of every solution of a path, without the intercept.

    The size of the support for the Lasso; else the trace of G (G + R)^-1, G being the
    Gram matrix of the support and R the Hessian of the penalty there: Zou, Hastie and
    Tibshirani (2007), doi:10.1214/009053607000000127; Tibshirani and Taylor (2012),
    doi:10.1214/12-AOS1003; for penalties on blocks Vaiter et al. (2017),
    doi:10.1007/s10463-016-0563-z.  For penalties that tie coefficients the number of
    values that are free to move: Tibshirani and Taylor (2011), doi:10.1214/11-AOS878.
    """
    penalty, design = run.penalty, run.problem.design
    if is_coupled(penalty):
        coefs = (found.coefs[:, [k]].toarray() for k in range(len(found.alphas)))
        return np.array([n_degrees(penalty, w.ravel() * design.scale) for w in coefs])
    if kind(penalty) == "block":
        return block_degrees_of_freedom(run.problem, penalty, found)
    sizes = np.diff(found.coefs.indptr)
    l1_ratio = getattr(penalty, "l1_ratio", 1.0)
    if l1_ratio == 1.0:
        return sizes
    dof = sizes.astype(np.float64)
    for k, alpha in enumerate(found.alphas):
        support = found.coefs.indices[found.coefs.indptr[k] : found.coefs.indptr[k + 1]]
        gram = gram_block(design, run.problem.root**2, support, support)
        ridge = alpha * (1.0 - l1_ratio) * penalty.weights[support]
        if len(support) and alpha > 0.0:
            dof[k] = np.trace(np.linalg.solve(gram + np.diag(ridge), gram))
    return dof


def chosen_lasso(X, y, weight, most, fit_intercept, standardize=False):
    """The Lasso with the least n log(RSS) + k log(n), of k features, at most `most`.

    Unlike criteria that know the noise it works where there are many features.

    Returns
    -------
    coef : csc_array of shape (n_features, 1)
    """
    found = path(
        X,
        y,
        Quadratic(),
        L1(1.0),
        alphas=50,
        eps=0.02,
        sample_weight=weight,
        fit_intercept=fit_intercept,
        standardize=standardize,
        tol=1e-4,
    )
    sizes, n = np.diff(found.coefs.indptr), weight.sum()
    cost = n * np.log(found.losses + np.finfo(float).tiny) + sizes * np.log(n)
    cost[sizes > most] = np.inf
    return found.coefs[:, [int(cost.argmin())]]


def _residual_variance(X, y, weight, features, fit_intercept) -> float:
    """Variance that least squares on some features leaves.

    By pivoted Cholesky on their correlations, with one step of refinement.
    """
    n = weight.sum()
    share = weight / n
    design = make_design(
        X, sample_weight=share, fit_intercept=fit_intercept, standardize=True
    )
    residual = y - share @ y if fit_intercept else y
    rank = 0
    if len(features):
        gram = gram_block(design, share, features, features)
        factor, pivots, rank, _ = dpstrf(gram, tol=_DEPENDENT, lower=1)
        chosen = features[pivots[:rank] - 1]
        factor = np.asfortranarray(factor[:rank, :rank]), True
        for _ in range(2):
            gradient = correlate(design, share * residual, chosen)
            residual = residual - predict(design, chosen, cho_solve(factor, gradient))
    squares = n * float(share @ residual**2)
    return squares / max(n - rank - fit_intercept, 1.0)
