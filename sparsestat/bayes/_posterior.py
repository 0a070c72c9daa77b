"""Posterior and evidence of sparse linear models, and what they are learnt by.

In the smaller of the dimensions, with shares of the prior variances computed directly:
one minus a ratio would cancel.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from sparsestat.bayes._columns import Columns

__all__ = [
    "Learnt",
    "Moments",
    "Problem",
    "Violation",
    "energy",
    "learn",
    "moments",
    "noise_step",
    "ratio",
    "slopes",
    "squares",
    "violation",
]

# Least noise variance, relative to the power of the data.
TINY_NOISE = 1e-14


class Problem(NamedTuple):
    """Data of unit power.

    Parameters
    ----------
    A : ndarray or Columns of shape (n_samples, n_features)
        Matrix, centred and weighted.
    Y : ndarray of shape (n_samples, n_targets)
        Targets, likewise.
    n_rows : float
        Rows that these stand for: the sum of the weights.
    """

    A: Any
    Y: np.ndarray
    n_rows: float


class Moments(NamedTuple):
    """Posterior at given prior variances.

    Parameters
    ----------
    mean : ndarray of shape (n_features, n_targets)
        Means.
    determined : ndarray of shape (n_features,)
        Shares of the prior variances that the data take away.
    cost : float
        log det C plus y^H C^-1 y, averaged over the targets.
    covariance : callable
        ``covariance()`` is that of the coefficients.
    halves : callable
        ``halves(spans)`` are runs of columns of L and R with
        G^(1/2) A^H C^-1 A G^(1/2) = L^H R.
    """

    mean: np.ndarray
    determined: np.ndarray
    cost: float
    covariance: Callable[[], np.ndarray]
    halves: Callable[[list[slice]], Iterator[tuple[np.ndarray, np.ndarray]]]


def moments(
    problem: Problem, g: np.ndarray, noise: float, gram=None, *, keep: bool = False
) -> Moments:
    """Posterior means, shares and cost.

    Parameters
    ----------
    problem : Problem
        Data.
    g : ndarray of shape (n_features,)
        Prior variances.
    noise : float
        Noise variance.
    gram : tuple of ndarray, optional
        A^H A and A^H Y where there are fewer features than samples.
    keep : bool, default=False
        Whether `halves` may take as much memory as the matrix, to be fast.
    """
    A, Y, n_rows = problem
    A = Columns(A) if isinstance(A, np.ndarray) else A
    m, k = A.shape
    root = np.sqrt(g)
    if k < m:
        gram, products = gram or (A.gram(), A.adjoint(Y))
        scaled = root[:, None] * gram * root
        B = scaled.copy()
        B[np.diag_indices(k)] += noise
        lower = _cholesky(B)
        z = cho_solve((lower, True), root[:, None] * products, check_finite=False)
        mean = root[:, None] * z
        inverse = solve_triangular(lower, np.eye(k), lower=True, check_finite=False)
        right = inverse @ scaled
        shares = (inverse.conj() * right).sum(axis=0).real
        rest = Y - A.product(mean)
        quadratic = energy(rest) / noise + energy(z)
        n_left = n_rows - k

        def covariance():
            half = np.sqrt(noise) * inverse * root
            return half.conj().T @ half

        def halves(spans):
            for span in spans:
                yield inverse[:, span], right[:, span]
    else:
        C = A.outer(g)
        C[np.diag_indices(m)] += noise
        lower = _cholesky(C)
        v = solve_triangular(lower, Y, lower=True, check_finite=False)
        mean, shares = np.empty((k, Y.shape[1]), np.result_type(A.dtype, Y)), g.copy()
        kept = {}
        for span, W in A.solved(lower):
            if keep:
                kept[span.start] = W
            mean[span] = g[span, None] * (W.conj().T @ v)
            shares[span] *= squares(W).sum(axis=0)
        quadratic = energy(v)
        n_left = n_rows - m

        def covariance():
            scaled = np.empty((m, k), A.dtype)
            for span, W in A.solved(lower):
                scaled[:, span] = W * g[span]
            return np.diag(g) - scaled.conj().T @ scaled

        def halves(spans):
            if kept:
                pairs = ((span, kept[span.start]) for span in spans)
            else:
                pairs = A.solved(lower, spans)
            for span, W in pairs:
                half = W * root[span]
                yield half, half

    cost = 2.0 * np.log(lower.diagonal().real).sum() + n_left * np.log(noise)
    return Moments(
        mean,
        np.clip(shares, 0.0, 1.0),
        float(cost + quadratic / Y.shape[1]),
        covariance,
        halves,
    )


def _cholesky(C: np.ndarray) -> np.ndarray:
    """Factor; of a matrix with a larger diagonal if rounding has made it indefinite."""
    for share in (0.0, 1e-15, 1e-13, 1e-11):
        C[np.diag_indices(len(C))] += share * np.abs(C.diagonal()).max(initial=0.0)
        try:
            return np.linalg.cholesky(C)
        except np.linalg.LinAlgError:
            continue
    return np.linalg.cholesky(C)


class Learnt(NamedTuple):
    """What was reached.

    Parameters
    ----------
    g : ndarray of shape (n_features,)
        Prior variances.
    noise : float
        Noise variance.
    n_iter : int
        Iterations.
    history : dict of str to list
        ``cost``, ``noise`` and ``n_active`` before each iteration's step.
    """

    g: np.ndarray
    noise: float
    n_iter: int
    history: dict[str, list]


# Prior variances from posterior power, shares and what they were.
STEPS: dict[str, Callable] = {
    "mm": lambda power, r, g: np.sqrt(power * ratio(g, r)),
    "em": lambda power, r, g: power + g * (1.0 - r),
    "mackay": lambda power, r, g: ratio(power, r),
}


def learn(
    problem: Problem,
    g: np.ndarray,
    noise: float,
    *,
    solver: str,
    fixed_noise: bool,
    noise_floor: float,
    prune_tol: float,
    max_iter: int,
    tol: float,
    tol_step: float,
) -> Learnt:
    """Iterate a step until stationary, on the variances that are not negligible.

    For "mm" and "em" the cost never rises, but for what `prune_tol` removes.
    """
    columns = problem.A
    if isinstance(columns, np.ndarray):
        columns = Columns(columns)
    g, kept, Y = g.copy(), np.flatnonzero(g), problem.Y
    history = {"cost": [], "noise": [], "n_active": []}
    part, gram = problem._replace(A=columns.pick(kept)), None
    revived = np.zeros(len(g), dtype=bool)
    for _ in range(max_iter):
        if not len(kept):
            break
        if gram is None and len(kept) < len(Y):
            gram = part.A.gram(), part.A.adjoint(Y)
        now = moments(part, g[kept], noise, gram)
        history["cost"].append(now.cost)
        history["noise"].append(noise)
        history["n_active"].append(len(kept))
        power = squares(now.mean).mean(axis=1)
        updated = STEPS[solver](power, now.determined, g[kept])
        worst = np.abs(now.determined - ratio(power, g[kept])).max()
        change = _change(g[kept], updated)
        if not fixed_noise:
            rest = energy(Y - part.A.product(now.mean)) / Y.shape[1]
            new = noise_step(solver, rest, noise, now.determined.sum(), problem.n_rows)
            new = max(new, noise_floor, TINY_NOISE)
            moved = abs(new - noise) / noise
            worst, change = max(worst, moved), max(change, moved)
        if worst <= tol:
            found = violation(columns, Y, g, noise)
            if found.excess <= tol:
                break
            # What was pruned too early comes back for good, at its best value.
            revived[found.index] = True
            g[found.index] = found.optimum
            kept = np.flatnonzero(g)
            part, gram = problem._replace(A=columns.pick(kept)), None
            continue
        g[kept] = updated
        if not fixed_noise:
            noise = new
        g[(g < prune_tol * g.max()) & ~revived] = 0.0
        if not g[kept].all():
            kept = np.flatnonzero(g)
            part, gram = problem._replace(A=columns.pick(kept)), None
        if change <= tol_step:
            break
    return Learnt(g, noise, len(history["cost"]), history)


class Violation(NamedTuple):
    """How far from a local minimum of the cost in g.

    Parameters
    ----------
    slope : float
        Largest slope with respect to the logarithm of a variance that is positive.
    excess : float
        By how much, relatively, |a^H C^-1 y|^2 exceeds a^H C^-1 a for a variance that
        is zero, at most.
    index : int or None
        The feature of this excess.
    optimum : float
        The variance that would be best for it, all others fixed.
    """

    slope: float
    excess: float
    index: int | None
    optimum: float

    @property
    def worst(self) -> float:
        """The larger of both."""
        return max(self.slope, self.excess)


def violation(
    columns: Columns, Y: np.ndarray, g: np.ndarray, noise: float
) -> Violation:
    """Conditions of a local minimum, over the positive variances and the zero ones."""
    kept, zero = np.flatnonzero(g), g == 0.0
    A = columns.pick(kept)
    now = moments(Problem(A, Y, len(Y)), g[kept], noise)
    power = squares(now.mean).mean(axis=1)
    slope = np.abs(now.determined - ratio(power, g[kept])).max(initial=0.0)
    if not zero.any():
        return Violation(float(slope), 0.0, None, 0.0)
    up, down = _slopes_of_all(columns, Y, A, now, noise)
    gains = np.where(zero, ratio(up, down), 0.0)
    index = int(gains.argmax())
    if gains[index] <= 1.0:
        return Violation(float(slope), 0.0, None, 0.0)
    optimum = (gains[index] - 1.0) / down[index]
    return Violation(float(slope), float(gains[index] - 1.0), index, float(optimum))


def slopes(
    columns: Columns, Y: np.ndarray, g: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """|a^H C^-1 y|^2, averaged over the targets, and a^H C^-1 a for all columns."""
    kept = np.flatnonzero(g)
    A = columns.pick(kept)
    now = moments(Problem(A, Y, len(Y)), g[kept], noise)
    up, down = _slopes_of_all(columns, Y, A, now, noise)
    # Without cancellation where variances are positive.
    up[kept] = squares(now.mean / g[kept, None]).mean(axis=1)
    down[kept] = now.determined / g[kept]
    return up, down


def _slopes_of_all(columns, Y, A, now, noise):
    """The same from the posterior of the columns A."""
    solved = (Y - A.product(now.mean)) / noise
    up = squares(columns.adjoint(solved)).mean(axis=1)
    down = columns.energies() / noise
    if A.shape[1]:
        # C^-1 = (I - A S A^H / noise) / noise with the posterior covariance S.
        covariance = now.covariance()
        for span in columns.spans():
            cross = A.adjoint(columns.part(span).dense())
            spread = (cross.conj() * (covariance @ cross)).sum(axis=0).real
            down[span] -= spread / noise**2
        down = np.maximum(down, 0.0)
    return up, down


def noise_step(solver, rest, noise, determined, n_rows) -> float:
    """Noise variance from squared residuals and the number of determined ones.

    Majorisation has the fixed points of expectation maximisation and longer steps.
    """
    if solver == "em":
        return (rest + noise * determined) / n_rows
    left = max(n_rows - determined, np.finfo(float).eps * n_rows)
    return float(np.sqrt(noise * rest / left))


def ratio(above, below):
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


def _change(before, after) -> float:
    size = np.linalg.norm(before)
    return float(np.linalg.norm(after - before) / size) if size > 0.0 else 0.0


def squares(tensor: np.ndarray) -> np.ndarray:
    if np.iscomplexobj(tensor):
        return tensor.real**2 + tensor.imag**2
    return tensor**2


def energy(tensor: np.ndarray) -> float:
    return float(np.vdot(tensor, tensor).real)
