"""Fast maximisation of the evidence: prior variances one at a time, then together.

Single variances take the step that gains most, after Tipping and Faul (2003), among
candidates whose Gram matrix is kept; Newton's method settles those that are active. All
features are looked at in between, to find further candidates and for the certificate.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.bayes._fast_kernels import climb
from sparsestat.bayes._fast_newton import Newton, State
from sparsestat.bayes._fast_workspace import COLLINEAR, Posterior, Workspace, powers

__all__ = ["FastFit", "learn_fast", "worst_violation"]

# Candidates at the start, and their growth when others would gain.
_FIRST, _GROWTH = 16, 0.5
# Steps between refreshes of the posterior, which rounding wears off.
_STEPS = 200
# Violations up to which single variances move, and rounds of these and Newton's steps.
_COARSE, _NEWTON, _ROUNDS = 0.03, 5, 1000
# Violation from which on features are looked at exactly.
_NEAR = 0.3
# Share of a former S that |Q|^2 must have for S to be computed at once.
_LIKELY = 0.7
# Noise variances from which a small one is approached, lest noise be fitted first.
_LEVELS = np.array([1e-3, 1e-5, 1e-7, 1e-9, 1e-11])
# Share of the tolerance to which candidates are settled.
_INNER = 0.9


class FastFit(NamedTuple):
    """What was reached.

    Parameters
    ----------
    g : ndarray of shape (n_features,)
        Prior variances.
    mean : ndarray of shape (n_features, n_targets)
        Posterior means.
    noise : float
        Noise variance.
    n_iter : int
        Looks at all features.
    history : dict of str to list
        ``cost``, ``noise``, ``n_active`` and ``n_steps`` of these.
    worst : float
        Largest violated condition of a local minimum of the cost.
    """

    g: np.ndarray
    mean: np.ndarray
    noise: float
    n_iter: int
    history: dict[str, list]
    worst: float


def learn_fast(
    work: Workspace,
    noise: float,
    *,
    fixed_noise: bool,
    noise_floor: float,
    max_iter: int,
    tol: float,
) -> FastFit:
    """Change variances, from those of the workspace, until none violates its condition.

    Parameters
    ----------
    work : Workspace
        Data, and the variances, which it keeps.
    noise : float
        Noise variance, or its first guess.
    fixed_noise : bool
        Whether it stays.
    noise_floor : float
        Least value of it.
    max_iter : int
        Looks at all features, at most.
    tol : float
        Bound of the violated conditions.
    """
    if fixed_noise and not len(work.g):
        for level in _LEVELS[_LEVELS > 10.0 * noise]:
            learn_fast(
                work, level, fixed_noise=True, noise_floor=level, max_iter=max_iter,
                tol=_NEAR,
            )  # fmt: skip
    state = State(work, noise, fixed_noise, noise_floor)
    history = {"cost": [], "noise": [], "n_active": [], "n_steps": []}
    worst, n = np.inf, len(work.energy)
    for _ in range(max_iter):
        goal = max(_COARSE if worst > _NEAR else 0.0, _INNER * tol)
        n_steps = _settle(state, goal) if len(work.g) else 0
        found, slope = state.found, Newton(state).worst
        ratio = np.zeros(n)
        if worst > _NEAR:
            ratio = _glance(work, found, state.noise)
            worst = max(slope, ratio.max(initial=0.0) - 1.0)
        if worst <= _NEAR:
            ratio = _look(work, found, state.noise, tol)
            worst = max(slope, ratio.max(initial=0.0) - 1.0)
        history["cost"].append(found.cost)
        history["noise"].append(state.noise)
        history["n_active"].append(len(found.act))
        history["n_steps"].append(n_steps)
        if worst <= tol:
            break
        ratio[work.index] = 0.0
        count = min(_FIRST + int(_GROWTH * len(found.act)), n)
        best = np.argpartition(-ratio, count - 1)[:count]
        best = best[np.argsort(-ratio[best], kind="stable")]
        best = best[ratio[best] > 1.0]
        if len(best):
            work.add(best)
            state.move()
    g = np.zeros(n)
    g[work.index] = work.g
    mean = np.zeros((n, work.Y.shape[1]), dtype=work.products.dtype)
    mean[work.index[found.act]] = found.mean
    if worst > _NEAR:  # by a guess, so far
        exact = _look(work, found, state.noise, np.inf).max(initial=0.0) - 1.0
        worst = max(slope, exact)
    return FastFit(g, mean, state.noise, len(history["cost"]), history, float(worst))


def worst_violation(work: Workspace, noise: float, tol: float) -> float:
    """Largest violated condition at the variances of the workspace."""
    state = State(work, noise, True, 0.0)
    slope = Newton(state).worst
    if slope > tol:
        return slope
    excess = _look(work, state.found, noise, tol).max(initial=0.0) - 1.0
    return max(slope, float(excess))


def _glance(work: Workspace, found: Posterior, noise: float) -> np.ndarray:
    """|Q|^2 / S of other features, as if orthogonal to the active ones: too low."""
    Q = work.columns.adjoint(work.residual(found))
    ratio = powers(Q).mean(axis=1) / noise
    ratio[work.index] = 0.0
    np.divide(ratio, work.energy, out=ratio, where=work.energy > 0.0)
    return ratio


def _look(work: Workspace, found: Posterior, noise: float, tol: float) -> np.ndarray:
    """|Q|^2 / S of all features; where some exceed 1 + tol, zero for less likely ones.

    S takes longest. What it was before tells where it is worth while.
    """
    cross, active = work.cross(found.act), work.index[found.act]
    quality = powers(work.quality(cross, work.products, found, noise)).mean(axis=1)
    quality[active] = 0.0
    is_likely = quality * noise > _LIKELY * work.outside
    ratio = np.zeros(len(quality))
    for part in np.flatnonzero(is_likely), np.flatnonzero(~is_likely):
        energies = work.energy[part]
        S = work.sparsity(cross[:, part], energies, found, noise)
        work.outside[part] = S * noise
        inside = S * noise <= COLLINEAR * energies
        ratio[part] = np.where(inside, 0.0, quality[part] / np.where(inside, 1.0, S))
        if ratio.max(initial=0.0) > 1.0 + tol:
            break
    return ratio


def _settle(state: State, tol: float) -> int:
    """Steps until no candidate violates its condition; how many single ones.

    Single variances move as long as they violate their conditions much; Newton's method
    takes all of them, and the noise, to the end.
    """
    n_steps, coarse = 0, max(tol, _COARSE)
    for _ in range(_ROUNDS):
        done = _steps(state, tol, coarse)
        n_steps += done
        if done == _STEPS:
            continue
        moved = False
        for _ in range(_NEWTON):
            newton = Newton(state)
            if newton.worst <= tol or not newton.improve():
                break
            moved = True
        if newton.worst <= tol:
            if not done or not moved:
                break
        elif not moved:
            if coarse == tol and not newton.step_noise():
                break
            coarse = tol
    return n_steps


def _steps(state: State, tol: float, coarse: float) -> int:
    """Steps of single variances from a fresh posterior; how many."""
    work, noise, found = state.work, state.noise, state.found
    act, g = found.act, work.g
    w, n_targets, kind = len(g), work.Y.shape[1], work.gram.dtype
    Sigma = np.zeros((w, w), dtype=kind)
    Sigma[np.ix_(act, act)] = found.covariance
    mean = np.zeros((w, n_targets), dtype=kind)
    mean[act] = found.mean
    energies = work.energy[work.index]
    S = work.sparsity(work.gram[act], energies, found, noise)
    Q = work.quality(work.gram[act], work.products[work.index], found, noise)
    S[act] = found.share / g[act]
    order = np.zeros(w, dtype=np.int64)
    order[: len(act)] = act
    done = climb(
        work.gram, S, np.ascontiguousarray(Q), Sigma, mean, g, order, len(act), noise,
        COLLINEAR / noise * energies, tol, coarse, _STEPS,
    )  # fmt: skip
    if done:
        state.move()
    return done
