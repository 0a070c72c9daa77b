"""Constrained matrix factorisation, abundances and endmembers in turn.

Both steps lower the objective: the losses, the powers of the abundances and the
logarithm of the volume are replaced by the tangents above them, and what remains are
quadratic problems.  ``exact`` solves those of the abundances by an active-set method
and takes rows of endmembers in turn (Cichocki and Phan, 2009); ``mu`` takes the
multiplicative steps of Lee and Seung (2001).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sparsestat.optim.gram_qp import gram_qp, simplex_gap
from sparsestat.unmixing._functions import thin_product
from sparsestat.unmixing._nmf_graph import Graph
from sparsestat.unmixing._nmf_pass import Pass, exact_pass
from sparsestat.unmixing._nmf_terms import (
    Scales,
    band_loss,
    band_weights,
    endmember_coupling,
    endmember_penalty,
    powers_of,
    scales_of,
    sparsity,
    sparsity_slopes,
)
from sparsestat.utils.dispatch import kernel

__all__ = ["Factors", "Problem", "abundances_given", "factorise", "penalised"]

# Outer iterations in which scales, powers and levels follow the factors.
LEARNING = 10
# Passes over the rows of endmembers in an iteration.
_SWEEPS = 5
# Squared residuals below this share of a band's are computed from the residuals.
_CANCELLED = 1e-8
# Multiplicative steps cannot leave zero.
_FLOOR = 1e-12
# Rounds of tangents to powers when the endmembers are known.
_ROUNDS = 30


class Problem(NamedTuple):
    """What is minimised.

    Parameters
    ----------
    loss : {"frobenius", "l21", "correntropy"}
        Of the residuals of the bands.
    alpha : float
        Strength of the powers of the abundances.
    powers : float or ndarray of shape (n_pixels, 1)
        Their exponents.
    guide : str or None
        Rule that learns the exponents.
    graph : Graph or None
        Pixels whose abundances should be alike.
    alpha_graph : float
        Strength of that.
    coupling : {"dissimilarity", "volume"}
        Penalty of the endmembers.
    alpha_endmember : float
        Its strength.
    simplex : bool
        Whether abundances of a pixel sum to one.
    asc_delta : float
        Weight of that sum as one more band; zero for none.
    theta : float
        Squared width of the correntropy, in units of what the residuals suggest.
    measure : ndarray of shape (n_bands,)
        Weights of the sum of an endmember which fixes its scale.
    scale : {"purest", "initial"} or None
        Whether the sums stay those of the start, follow the purest pixels, or are
        free.
    noise : ndarray of shape (n_bands,) or None
        Squared norms of the noise of the bands, by which robust losses trust them.
    """

    loss: str
    alpha: float
    powers: float | np.ndarray
    guide: str | None
    graph: Graph | None
    alpha_graph: float
    coupling: str
    alpha_endmember: float
    simplex: bool
    asc_delta: float
    theta: float
    measure: np.ndarray
    scale: str | None
    noise: np.ndarray | None = None

    @property
    def is_tied(self) -> bool:
        """Whether the sums of endmembers are fixed: penalties would shift the scale."""
        return self.scale is not None and self.has_scale

    @property
    def has_scale(self) -> bool:
        """Whether a factor moved from abundances to endmembers alters the objective."""
        if self.simplex or self.asc_delta > 0.0:
            return False
        return max(self.alpha, self.alpha_graph, self.alpha_endmember) > 0.0


class Factors(NamedTuple):
    """Where a factorisation ended.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_bands)
        Endmembers.
    abundances : ndarray of shape (n_pixels, n_components)
        Abundances.
    weights : ndarray of shape (n_bands,)
        Weights of the bands.
    squares : ndarray of shape (n_bands,)
        Squared norms of the residuals of the bands.
    scales : Scales
        Of the loss.
    powers : float or ndarray of shape (n_pixels, 1)
        Exponents of the penalty.
    guidance : ndarray of shape (n_pixels,) or None
        Map that they were learnt from.
    objective : list of float
        After each iteration.
    stationarity : float
        Largest violation of the conditions of a stationary point.
    n_iter : int
        Iterations.
    """

    components: np.ndarray
    abundances: np.ndarray
    weights: np.ndarray
    squares: np.ndarray
    scales: Scales
    powers: float | np.ndarray
    guidance: np.ndarray | None
    objective: list
    stationarity: float
    n_iter: int


def factorise(
    X: np.ndarray,
    E: np.ndarray,
    A: np.ndarray,
    problem: Problem,
    *,
    solver: str,
    max_iter: int,
    tol: float,
    tol_step: float,
    n_jobs: int | None,
    on_step: Callable[..., bool],
) -> Factors:
    """Improve endmembers E and abundances A until they are stationary.

    `on_step` is told endmembers, abundances, objective and violation after each
    iteration, and ends the run by returning True.
    """
    norms = np.einsum("nl,nl->l", X, X)
    E, A, powers, guidance = E.copy(), A.copy(), problem.powers, None
    H, B = A.T @ A, A.T @ X
    squares = _squares(X, A, E, H, B, norms)
    scales = scales_of(squares, problem.theta, problem.noise)
    levels = E @ problem.measure
    if problem.guide is not None:
        guidance, powers = powers_of(problem.guide, A)
    penalty = _penalty(problem, A, powers)
    objective = [_objective(problem, squares, scales, A, E, penalty)]
    first, calm, n_iter = objective[0] or 1.0, 0, 0
    violation, learns = np.inf, _learns(problem)
    step_of_A = _exact_abundances if solver == "exact" else _multiplied_abundances
    step_of_E = _exact_endmembers if solver == "exact" else _multiplied_endmembers
    while True:
        weights = band_weights(problem.loss, squares, scales)
        # The step is made together with the slopes before it, which may stop it.
        step = step_of_A(problem, X, A, E, weights, powers, penalty, n_jobs)
        violation = _violation(problem, weights, E, A, step, H, B)
        settled = n_iter > LEARNING if learns else n_iter > 0
        calm = calm + 1 if _has_settled(objective, tol_step * first) else 0
        stop = n_iter > 0 and on_step(E, A, objective[-1], violation)
        if n_iter == max_iter or stop or (settled and violation <= tol and calm >= 3):
            break
        n_iter += 1
        A, B = step.abundances, step.products
        H = A.T @ A
        if problem.alpha_endmember > 0.0 or problem.is_tied:
            squares = _squares(X, A, E, H, B, norms)
            weights = band_weights(problem.loss, squares, scales)
        E = step_of_E(problem, E, H, B, weights, levels)
        if learns and n_iter <= LEARNING:
            if problem.scale == "purest" and problem.is_tied:
                factors = _sums_of_purest(A)
                E *= factors[:, None]
                A /= factors
                levels = E @ problem.measure
                H, B = A.T @ A, B / factors[:, None]
            squares = _squares(X, A, E, H, B, norms)
            scales = scales_of(squares, problem.theta, problem.noise)
            if problem.guide is not None:
                guidance, powers = powers_of(problem.guide, A)
        else:
            squares = _squares(X, A, E, H, B, norms)
        penalty = _penalty(problem, A, powers)
        objective.append(_objective(problem, squares, scales, A, E, penalty))
    return Factors(
        E, A, weights, squares, scales, powers, guidance, objective, violation, n_iter
    )


def penalised(
    E: np.ndarray, weights: np.ndarray, asc_delta: float
) -> tuple[np.ndarray, np.ndarray]:
    """Endmembers and the factors of pixels as plain least squares sees them.

    Bands are scaled by the roots of their weights; a soft sum to one is one more band.
    """
    roots = np.sqrt(weights)
    if asc_delta > 0.0:
        E = np.hstack([E, np.ones((len(E), 1))])
        roots = np.append(roots, asc_delta)
    return E * roots, roots


def abundances_given(
    X: np.ndarray,
    E: np.ndarray,
    weights: np.ndarray,
    problem: Problem,
    n_jobs: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Abundances of pixels under known endmembers, and their last linear penalties.

    Every pixel is on its own: no graph. The powers follow from the abundances without
    a penalty, and each round solves the tangent problem of the last.
    """
    EW = E * weights
    G, C = EW @ E.T, X @ EW.T
    G, C = _with_soft_sum(problem, G, C)
    options = {"sum_to_one": problem.simplex, "n_jobs": n_jobs}
    A = gram_qp(G, C, **options).coef
    linear = np.zeros_like(A)
    if problem.alpha == 0.0:
        return A, linear
    powers = problem.powers
    if problem.guide is not None:
        powers = powers_of(problem.guide, A)[1]
    elif np.isscalar(powers) and powers == 1.0:
        linear += problem.alpha
        return gram_qp(G, C - linear, start=A, **options).coef, linear
    for _ in range(_ROUNDS):
        linear = problem.alpha * sparsity_slopes(A, powers)
        before, A = A, gram_qp(G, C - linear, start=A, **options).coef
        if np.array_equal(before, A):
            break
    return A, linear


def _learns(problem):
    return (
        problem.loss != "frobenius"
        or problem.guide is not None
        or (problem.is_tied and problem.scale == "purest")
    )


def _has_settled(objective, limit):
    return len(objective) > 1 and abs(objective[-2] - objective[-1]) <= limit


def _squares(X, A, E, H, B, norms):
    """Squared residual norms of the bands, from products unless digits cancel."""
    squares = norms - 2.0 * (E * B).sum(axis=0) + (E * (H @ E)).sum(axis=0)
    lost = np.flatnonzero(squares < _CANCELLED * norms)
    if len(lost):
        residual = X[:, lost] - A @ E[:, lost]
        squares[lost] = np.einsum("nl,nl->l", residual, residual)
    return squares


def _penalty(problem, A, powers):
    """Powers of the abundances, if they are penalised."""
    return sparsity(A, powers) if problem.alpha > 0.0 else np.zeros(1)


def _objective(problem, squares, scales, A, E, penalty):
    value = band_loss(problem.loss, squares, scales)
    value += problem.alpha * float(penalty.sum())
    if problem.alpha_graph > 0.0:
        value += (
            0.5 * problem.alpha_graph * float((A * problem.graph.laplacian(A)).sum())
        )
    if problem.alpha_endmember > 0.0:
        value += problem.alpha_endmember * endmember_penalty(problem.coupling, E)
    if problem.asc_delta > 0.0:
        lack = A.sum(axis=1) - 1.0
        value += 0.5 * problem.asc_delta**2 * float(lack @ lack)
    return value


def _with_soft_sum(problem, G, C):
    square = problem.asc_delta**2
    return (G + square, C + square) if square > 0.0 else (G, C)


def _linear_of_abundances(problem, A, powers, penalty):
    """Slopes of the penalties of the abundances at A, and their curvature."""
    linear, bound = np.zeros_like(A), 0.0
    if problem.alpha > 0.0:
        linear = problem.alpha * sparsity_slopes(A, powers, penalty)
    if problem.alpha_graph > 0.0:
        bound = problem.alpha_graph * problem.graph.bound
        linear += problem.alpha_graph * problem.graph.laplacian(A)
    return linear, bound


def _exact_abundances(problem, X, A, E, weights, powers, penalty, n_jobs):
    """The minimiser of the quadratic that touches the objective at A."""
    square, EW = problem.asc_delta**2, E * weights
    linear, bound = _linear_of_abundances(problem, A, powers, penalty)
    G = EW @ E.T + square
    if bound > 0.0:
        G += bound * np.eye(len(G))
        linear -= bound * A
    return exact_pass(X, A, EW, G, square, linear, problem.simplex, n_jobs)


def _multiplied_abundances(problem, X, A, E, weights, powers, penalty, n_jobs):
    EW, square = E * weights, problem.asc_delta**2
    G, C = EW @ E.T, thin_product(X, EW)
    slopes = gradient_of_abundances(problem, A, G, C, powers)
    up = np.maximum(C, 0.0) + square
    down = A @ (G + square) + np.maximum(-C, 0.0)
    if problem.alpha > 0.0:
        down += problem.alpha * sparsity_slopes(A, powers, penalty)
    if problem.alpha_graph > 0.0:
        up += problem.alpha_graph * (problem.graph.similarities @ A)
        down += problem.alpha_graph * problem.graph.degrees * A
    A = np.maximum(A * up / np.maximum(down, _FLOOR), _FLOOR)
    return Pass(slopes, float(np.abs(C + square).max()), A, A.T @ X)


def _coupling(problem, E):
    """Coupling of the endmembers and of their neighbouring bands, with strengths."""
    if problem.alpha_endmember == 0.0:
        return np.zeros((len(E), len(E))), 0.0
    M, smooth = endmember_coupling(problem.coupling, E)
    return problem.alpha_endmember * M, problem.alpha_endmember * smooth


def _exact_endmembers(problem, E, H, B, weights, levels):
    M, smooth = _coupling(problem, E)
    E = E.copy()
    tied = problem.is_tied
    for _ in range(_SWEEPS):
        _sweep(E, H, B, weights, M, smooth, problem.measure, levels, tied)
    return E


def _multiplied_endmembers(problem, E, H, B, weights, levels):
    M, smooth = _coupling(problem, E)
    up, down = weights * np.maximum(B, 0.0), weights * (H @ E)
    if problem.alpha_endmember > 0.0:
        up += np.maximum(-M, 0.0) @ E
        down += np.maximum(M, 0.0) @ E
        curve = second_differences(E)
        up += smooth * np.maximum(4.0 * E - curve, 0.0)
        down += smooth * 4.0 * E
    E = np.maximum(E, _FLOOR)
    down = np.maximum(down, _FLOOR)
    target, curvature = E * up / down, down / E
    if problem.is_tied:
        for k in range(len(E)):
            _move_to_level(target[k], curvature[k], problem.measure, levels[k])
    return np.maximum(target, _FLOOR)


def _sums_of_purest(A):
    """Median sum of the abundances of the purest pixels of each endmember."""
    total = A.sum(axis=1)
    shares = A / np.where(total > 0.0, total, 1.0)[:, None]
    n_purest = min(len(A), max(5, len(A) // 100))
    factors = np.ones(A.shape[1])
    for k in range(A.shape[1]):
        purest = np.argpartition(-shares[:, k], n_purest - 1)[:n_purest]
        median = np.median(total[purest])
        if median > 0.0 and A[:, k].any():
            factors[k] = median
    return factors


def second_differences(E: np.ndarray) -> np.ndarray:
    """Gradient of half the squared differences from band to band."""
    difference = np.diff(E, axis=1)
    curve = np.zeros_like(E)
    curve[:, 1:] += difference
    curve[:, :-1] -= difference
    return curve


def gradient_of_abundances(problem, A, G, C, powers):
    """Gradient of the objective in A, from products with weighted endmembers."""
    G, C = _with_soft_sum(problem, G, C)
    penalty = _penalty(problem, A, powers)
    return A @ G - C + _linear_of_abundances(problem, A, powers, penalty)[0]


def gradient_of_endmembers(problem, E, H, B, weights):
    """Gradient of the objective in E."""
    gradient = weights * (H @ E - B)
    if problem.alpha_endmember > 0.0:
        M, smooth = _coupling(problem, E)
        gradient += M @ E + smooth * second_differences(E)
    return gradient


def _violation(problem, weights, E, A, step, H, B):
    """How far factors are from stationary, without units.

    The smaller of a coefficient and its slope, each relative to its largest scale;
    under a hard sum to one, the gap of Frank and Wolfe in place of the slope.
    """
    if problem.simplex:
        part = float(simplex_gap(step.slopes, A).max()) / (step.largest or 1.0)
    else:
        part = _complementarity(A, step.slopes, step.largest)
    slopes = gradient_of_endmembers(problem, E, H, B, weights)
    if problem.is_tied:
        sums = np.maximum(E @ problem.measure, np.finfo(np.float64).tiny)
        multipliers = (E * slopes).sum(axis=1) / sums
        slopes = slopes - multipliers[:, None] * problem.measure
    return max(part, _complementarity(E, slopes, np.abs(weights * B).max()))


def _complementarity(values, slopes, scale):
    largest = values.max()
    if largest == 0.0 or scale == 0.0:
        return float(max(0.0, -slopes.min() / (scale or 1.0)))
    return float(np.abs(np.minimum(values / largest, slopes / scale)).max())


@kernel
def _sweep(E, H, B, weights, M, smooth, measure, levels, tied):
    """Minimise over one row of endmembers after the other."""
    p, n_bands = E.shape
    target, curvature = np.empty(n_bands), np.empty(n_bands)
    for k in range(p):
        if H[k, k] <= 0.0:
            continue
        e = E[k]
        for j in range(n_bands):
            slope = -B[k, j]
            for i in range(p):
                slope += H[k, i] * E[i, j]
            extra = 0.0
            for i in range(p):
                extra += M[k, i] * E[i, j]
            if smooth > 0.0:
                if j > 0:
                    extra += smooth * (e[j] - e[j - 1])
                if j < n_bands - 1:
                    extra += smooth * (e[j] - e[j + 1])
            curvature[j] = weights[j] * H[k, k] + M[k, k] + 4.0 * smooth
            target[j] = e[j] - (weights[j] * slope + extra) / curvature[j]
        if tied:
            _move_to_level(target, curvature, measure, levels[k])
        for j in range(n_bands):
            e[j] = max(0.0, target[j])


@kernel
def _move_to_level(target, curvature, measure, level):
    """Move a target, the least by its curvature, until its positive part has a sum.

    The sum of max(0, target - shift * measure / curvature), weighted by the measure,
    falls and is convex in the shift: Newton's method from the left ends at the root.
    """
    shift = -np.inf
    for j in range(len(target)):
        if measure[j] > 0.0:
            bound = (target[j] - level / measure[j]) * curvature[j] / measure[j]
            shift = max(shift, bound)
    if shift == -np.inf:
        return
    for _ in range(len(target) + 2):
        total, slope = -level, 0.0
        for j in range(len(target)):
            value = target[j] - shift * measure[j] / curvature[j]
            if value > 0.0:
                total += measure[j] * value
                slope += measure[j] * measure[j] / curvature[j]
        if slope == 0.0 or total <= 1e-15 * level:
            break
        shift += total / slope
    for j in range(len(target)):
        target[j] -= shift * measure[j] / curvature[j]
