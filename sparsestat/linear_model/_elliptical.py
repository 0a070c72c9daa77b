"""Likelihood of groups of samples with q-Gaussian (Student) noise and random effects.

With residuals r_i of a group of m_i samples, random effects Z_i and V_i = sigma^2 (I +
Z_i Psi Z_i'), all that is needed are r_i'r_i, Z_i'r_i and Z_i'Z_i.  After Lange, Little
and Taylor (1989), doi:10.1080/01621459.1989.10478852, and Pinheiro, Liu and Wu (2001),
doi:10.1198/10618600152628059.
"""

from math import isinf, log, pi
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

__all__ = [
    "Components",
    "Groups",
    "fit_components",
    "likelihood",
    "make_groups",
    "whiten",
]

# Degrees of freedom between Cauchy noise and what is Gaussian for all purposes.
_FREEDOM = (1.0, 200.0)
# Logarithms of the standard deviations of random effects over that of the noise.
_RATIO = (-9.0, 7.0)
# Variance of the noise at least, in shares of that of the target.
_LEAST_NOISE = 1e-6


class Components(NamedTuple):
    """What the noise and the random effects are like."""

    noise: float  # sigma^2
    root: np.ndarray  # Cholesky factor of Psi, (n_effects, n_effects)
    freedom: float  # nu; infinite: Gaussian


class Groups(NamedTuple):
    """Samples by group, with the design of their random effects."""

    index: np.ndarray  # group of each sample
    sizes: np.ndarray
    effects: np.ndarray  # Z, (n_samples, n_effects)
    moments: np.ndarray  # Z_i' Z_i, (n_groups, n_effects, n_effects)
    shares: np.ndarray  # weights of the groups, of mean one over the samples

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the samples of each group."""
        return np.bincount(self.index, values, len(self.sizes))

    def effect_sums(self, residual: np.ndarray) -> np.ndarray:
        """Z_i' r_i, (n_groups, n_effects)."""
        columns = [self.sums(column * residual) for column in self.effects.T]
        return np.reshape(columns, (len(columns), len(self.sizes))).T


def make_groups(index: np.ndarray, effects: np.ndarray, shares=None) -> Groups:
    """Groups 0, 1, ... of samples with their random effects, perhaps weighted."""
    sizes = np.bincount(index)
    n_effects = effects.shape[1]
    moments = np.zeros((len(sizes), n_effects, n_effects))
    for a in range(n_effects):
        for b in range(n_effects):
            product = effects[:, a] * effects[:, b]
            moments[:, a, b] = np.bincount(index, product, len(sizes))
    shares = np.ones(len(sizes)) if shares is None else shares
    return Groups(index, sizes, effects, moments, shares)


class Likelihood(NamedTuple):
    """Minus the log-likelihood over n_samples, and what follows from it."""

    value: float
    distances: np.ndarray  # d_i, squared Mahalanobis
    weights: np.ndarray  # (nu + m_i) / (nu + d_i)
    modes: np.ndarray  # Psi Z_i' M_i^-1 r_i, what is to be expected of the effects
    gradient: np.ndarray  # in log sigma^2, the factor and log nu


def likelihood(groups: Groups, residual: np.ndarray, parts: Components) -> Likelihood:
    """Evaluate at residuals of the fixed effects."""
    n, sizes, S = len(residual), groups.sizes, groups.moments
    C, nu = parts.root, parts.freedom
    t = groups.effect_sums(residual)
    A = np.eye(len(C)) + C.T @ S @ C
    solved = np.linalg.solve(A, (t @ C)[:, :, None])[:, :, 0]
    # M = I + Z C C' Z': Z' M^-1 r and Z' M^-1 Z, by Woodbury.
    shrunk = t - np.einsum("gab,gb->ga", S @ C, solved)
    inner = S - S @ C @ np.linalg.solve(A, C.T @ S)
    squares = groups.sums(residual * residual) - ((t @ C) * solved).sum(axis=1)
    distances = np.maximum(squares, 0.0) / parts.noise
    log_det = sizes * log(parts.noise) + np.linalg.slogdet(A)[1]
    terms, weights, slopes = _radial(distances, sizes, nu)
    shares = groups.shares
    by_psi = np.tensordot(shares, inner, 1)
    by_psi = 0.5 * (by_psi - (shrunk.T * (shares * weights) / parts.noise) @ shrunk)
    by_root = 2.0 * by_psi @ C
    np.fill_diagonal(by_root, by_root.diagonal() * C.diagonal())
    by_noise = 0.5 * float(shares @ (sizes - weights * distances))
    gradient = np.r_[by_noise, by_root[np.tril_indices(len(C))], shares @ slopes]
    value = float(shares @ (0.5 * log_det + terms)) / n
    return Likelihood(value, distances, weights, shrunk @ (C @ C.T), gradient / n)


def _radial(d, m, nu):
    """Terms of minus the log-density but for determinants, weights, slopes in log nu.

    Terms are (nu + m) / 2 log(1 + d / nu) with the constants of nu and m.
    """
    if isinf(nu):
        return 0.5 * (d + m * log(2.0 * pi)), np.ones(len(d)), np.zeros(len(d))
    half = 0.5 * (nu + m)
    growth = np.log1p(d / nu)
    constant = gammaln(0.5 * nu) - gammaln(half) + 0.5 * m * log(nu * pi)
    slope = 0.5 * (growth + digamma(0.5 * nu) - digamma(half) + m / nu)
    slope -= half * d / (nu * (nu + d))
    return half * growth + constant, 2.0 * half / (nu + d), nu * slope


def fit_components(
    groups: Groups,
    residual: np.ndarray,
    start: Components,
    scale: float,
    freedom: float | None,
) -> tuple[Components, float]:
    """Most likely components given residuals, and the largest slope that is left.

    Parameters
    ----------
    groups : Groups
    residual : ndarray of shape (n_samples,)
    start : Components
    scale : float
        Variance of the target, which bounds that of the noise.
    freedom : float or None
        Degrees of freedom; None fits them.
    """
    n_effects = len(start.root)
    diagonal = [a == b for a, b in zip(*np.tril_indices(n_effects), strict=True)]
    bounds = [(log(_LEAST_NOISE * scale), log(1e6 * scale))]
    bounds += [_RATIO if on else (-1e3, 1e3) for on in diagonal]
    if freedom is None:
        bounds.append((log(_FREEDOM[0]), log(_FREEDOM[1])))
    lower, upper = np.array(bounds).T

    def parts(theta):
        root = np.zeros((n_effects, n_effects))
        root[np.tril_indices(n_effects)] = theta[1 : 1 + len(diagonal)]
        np.fill_diagonal(root, np.exp(root.diagonal()))
        nu = freedom if freedom is not None else float(np.exp(theta[-1]))
        return Components(float(np.exp(theta[0])), root, nu)

    def evaluate(theta):
        found = likelihood(groups, residual, parts(theta))
        return found.value, found.gradient[: len(theta)]

    root = start.root.copy()
    np.fill_diagonal(root, np.log(root.diagonal()))
    theta = np.r_[log(start.noise), root[np.tril_indices(n_effects)]]
    if freedom is None:
        theta = np.append(theta, log(start.freedom))
    theta = np.clip(theta, lower, upper)
    options = {"gtol": 1e-10, "ftol": 1e-16, "maxls": 50}
    found = minimize(
        evaluate, theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    theta = _polish(evaluate, found.x, lower, upper)
    return parts(theta), _slope(evaluate(theta)[1], theta, lower, upper)


def _polish(evaluate, theta, lower, upper):
    """Newton steps on the free parameters, with differences of gradients."""
    for _ in range(5):
        value, gradient = evaluate(theta)
        free = _free(gradient, theta, lower, upper)
        if not free.any() or np.abs(gradient[free]).max() < 1e-13:
            break
        columns = np.flatnonzero(free)
        hessian = np.empty((len(columns), len(columns)))
        for k, j in enumerate(columns):
            step = np.zeros(len(theta))
            step[j] = 1e-5
            change = evaluate(theta + step)[1] - evaluate(theta - step)[1]
            hessian[k] = change[columns] / 2e-5
        curvature, axes = np.linalg.eigh(0.5 * (hessian + hessian.T))
        if curvature[0] <= 1e-10 * curvature[-1]:
            break
        moved = theta.copy()
        moved[columns] -= axes @ ((axes.T @ gradient[columns]) / curvature)
        moved = np.clip(moved, lower, upper)
        # Near the optimum values agree to rounding, and the slope decides.
        after, slopes = evaluate(moved)
        if after > value + 1e-14 * (1.0 + abs(value)) or _slope(
            slopes, moved, lower, upper
        ) >= _slope(gradient, theta, lower, upper):
            break
        theta = moved
    return theta


def _free(gradient, theta, lower, upper):
    """Parameters that are not held by a bound."""
    return ~((theta <= lower) & (gradient > 0.0) | (theta >= upper) & (gradient < 0.0))


def _slope(gradient, theta, lower, upper) -> float:
    """Largest slope that no bound explains."""
    free = _free(gradient, theta, lower, upper)
    return float(np.abs(gradient[free]).max(initial=0.0))


def whiten(groups: Groups, weights, parts: Components, X):
    """Rows sqrt(s_i tau_i / sigma^2) M_i^(-1/2) X_i, dense or sparse as X is.

    The s_i are the shares of the groups.

    M^(-1/2) = I - B H B' with B = Z C and H of the size of the effects: nothing of the
    size of a group is formed.
    """
    n_groups, n_effects = groups.moments.shape[:2]
    row = np.sqrt(groups.shares * weights / parts.noise)[groups.index]
    if n_effects:
        B = groups.effects @ parts.root
        squares, V = np.linalg.eigh(parts.root.T @ groups.moments @ parts.root)
        root = np.sqrt(1.0 + np.maximum(squares, 0.0))
        H = (V / (root * (root + 1.0))[:, None, :]) @ V.transpose(0, 2, 1)
        columns = groups.index[:, None] * n_effects + np.arange(n_effects)
        starts = np.arange(0, B.size + 1, n_effects)
        shape = (len(B), n_groups * n_effects)
        inside = sparse.csr_array((B.ravel(), columns.ravel(), starts), shape=shape)
        across = np.einsum("na,nab->nb", B, H[groups.index])
        outside = sparse.csr_array((across.ravel(), columns.ravel(), starts), shape)
        X = X - outside @ (inside.T @ X)
    if sparse.issparse(X):
        return sparse.csc_array(sparse.diags_array(row) @ X)
    return row[:, None] * X if X.ndim == 2 else row * X
