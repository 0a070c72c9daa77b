"""Fast maximisation of the evidence: prior variances one at a time, then together.

Single variances take the step that gains most, after Tipping and Faul (2003), among
candidates whose Gram matrix is kept; Newton's method settles those that are active. All
features are looked at in between, to find further candidates and for the certificate.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.bayes._fast_kernels import climb
from sparsestat.bayes._fast_newton import CLOSE, Newton, State
from sparsestat.bayes._fast_workspace import COLLINEAR, Workspace, powers

__all__ = ["FastFit", "learn_fast", "worst_violation"]

# Candidates at the start, and their growth when others would gain.
_FIRST, _GROWTH = 32, 1.0
# Steps between refreshes of the posterior, which rounding wears off.
_STEPS = 200
# Violation up to which single variances move, and rounds of these and Newton
_COARSE, _ROUNDS = 1.0, 1000
# Share of the violation seen at other features to which candidates are settled.
_SHARE = 0.3
# Violation from which on features are looked at exactly.
_NEAR = 0.3
_INSIDE = 0.9
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
    for n_left in reversed(range(max_iter)):
        goal = _INNER * max(tol, min(_COARSE, _SHARE * worst) if n_left else tol)
        newton, n_steps = _settle(state, goal)
        found, ratio = state.found, np.zeros(n)
        if worst > _NEAR:
            ratio = _glance(state)
            worst = max(newton.worst, ratio.max(initial=0.0) - 1.0)
        if worst <= _NEAR or ratio.max(initial=0.0) <= 1.0:
            ratio = _look(state, tol)
            worst = max(newton.worst, ratio.max(initial=0.0) - 1.0)
        history["cost"].append(found.cost)
        history["noise"].append(state.noise)
        history["n_active"].append(len(found.act))
        history["n_steps"].append(n_steps)
        if worst <= tol:
            break
        count = min(_FIRST + int(_GROWTH * len(found.act)), n)
        best = np.argpartition(-ratio, count - 1)[:count]
        best = best[np.argsort(-ratio[best], kind="stable")]
        best = best[ratio[best] > (1.0 if worst > _NEAR else CLOSE)]
        if len(best):
            work.add(best)  # which leaves the posterior as it is
        elif newton.worst > goal:  # as near as rounding admits
            break
    g = np.zeros(n)
    g[work.index] = work.g
    mean = np.zeros((n, work.Y.shape[1]), dtype=work.products.dtype)
    mean[work.index[found.act]] = found.mean
    if worst > tol:  # by a guess, so far, and without what came in question at last
        worst = _worst(state, np.inf)
    return FastFit(g, mean, state.noise, len(history["cost"]), history, float(worst))


def worst_violation(work: Workspace, noise: float, tol: float) -> float:
    """Largest violated condition at the variances of the workspace."""
    return _worst(State(work, noise, True, 0.0), tol)


def _worst(state: State, tol: float) -> float:
    """Largest violated condition; another one above `tol` where there are several."""
    worst = Newton(state).worst
    if worst > tol:
        return worst
    return max(worst, float(_look(state, tol).max(initial=0.0)) - 1.0)


def _glance(state: State) -> np.ndarray:
    """|Q|^2 / S of other features, as if these were in general position: a guess."""
    work, found = state.work, state.found
    outside = 1.0 - min(found.share.sum() / work.n_rows, _INSIDE)
    power = powers(work.columns.adjoint(work.residual(state.found))).mean(axis=1)
    power[work.index] = 0.0
    ratio = np.zeros(len(power))
    np.divide(
        power, state.noise * outside * work.energy, out=ratio, where=work.energy > 0.0
    )
    return ratio


def _look(state: State, tol: float) -> np.ndarray:
    """|Q|^2 / S of other features; zero for less likely ones where some exceed 1 + tol.

    S takes longest. What it was before tells where it is worth while.
    """
    work, noise = state.work, state.noise
    power = powers(work.columns.adjoint(work.residual(state.found))).mean(axis=1)
    is_other = np.ones(len(power), dtype=bool)
    is_other[work.index] = False
    is_likely = power > _LIKELY * noise * work.outside
    ratio = np.zeros(len(power))
    for part in is_likely & is_other, ~is_likely & is_other:
        features = np.flatnonzero(part)
        outside = work.look(features, state.found, noise) * noise
        work.outside[features] = outside
        inside = outside <= COLLINEAR * work.energy[features]
        safe = np.where(inside, 1.0, outside * noise)
        ratio[features] = np.where(inside, 0.0, power[features] / safe)
        if ratio.max(initial=0.0) > 1.0 + tol:
            break
    return ratio


def _settle(state: State, tol: float) -> tuple[Newton, int]:
    """Steps until no candidate violates its condition; how many single ones.

    Single variances move as long as they violate their conditions much; Newton's method
    takes all of them, and the noise, to the end.
    """
    n_steps, coarse = 0, max(tol, _COARSE)
    newton = Newton(state)
    for _ in range(_ROUNDS):
        if newton.worst <= tol:
            break
        done = _steps(newton, coarse) if newton.single > coarse else 0
        n_steps += done
        if done:
            newton = Newton(state)
        elif newton.improve():
            newton, coarse = Newton(state), max(tol, _COARSE)
        elif coarse > tol:
            coarse = tol
        elif newton.step_noise():
            newton = Newton(state)
        else:
            break
    return newton, n_steps


def _steps(newton: Newton, tol: float) -> int:
    """Steps of single variances; how many."""
    state, found = newton.state, newton.found
    work, noise, act, g = state.work, state.noise, found.act, state.work.g
    w, n_targets, kind = len(g), work.Y.shape[1], work.gram.dtype
    Sigma = np.zeros((w, w), dtype=kind)
    Sigma[np.ix_(act, act)] = found.covariance
    mean = np.zeros((w, n_targets), dtype=kind)
    mean[act] = found.mean
    order = np.zeros(w, dtype=np.int64)
    order[: len(act)] = act
    floor = COLLINEAR / noise * work.energy[work.index]
    Q = np.ascontiguousarray(newton.Q)
    # The kernel keeps Q and S of what is active as they are, not as if absent.
    done = climb(
        work.gram, newton.S.copy(), Q, Sigma, mean, g, order, len(act), noise, floor,
        tol, tol, _STEPS,
    )  # fmt: skip
    if done:
        state.move()
    return done
