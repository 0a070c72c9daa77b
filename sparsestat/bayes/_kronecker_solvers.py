"""Prior variances of Kronecker-structured sparse Bayesian learning.

By majorisation on the sums of `Evidence`, or by the published steps on all posterior
moments; after He and Joseph (2024), arXiv:2307.14719.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from sparsestat.bayes._kronecker_evidence import Evidence, Problem, outer

__all__ = [
    "Fit",
    "Settings",
    "coupling_matrix",
    "maximise_evidence",
]

# Sweeps of each start after which half of them go on, down to a few.
_HEAT, _FINALISTS = 20, 2
# Sweeps between looks at the change of the variances.
_LOOK = 10
# Steps of pruning, relative to the largest variance.
_SHARES = (1e-3, 1e-2, 3e-2, 1e-1)
# Sweeps in which the others have to settle after each.
_SETTLE = 50
# Coupled variances of the published method stay above this share of the largest.
_COUPLED_FLOOR = 1e-5
# Least noise variance, relative to the power of the data.
_TINY_NOISE = 1e-14


class Settings(NamedTuple):
    """How to maximise the evidence.

    Parameters
    ----------
    solver : {"mm", "am", "svd"}
        Step.
    coupling : tuple of ndarray or None
        For each factor the matrix C_i of neighbours, or None for independence.
    prune_tol : tuple of float
        For each factor, share of the largest variance below which others are zero.
    noise_floor : float
        Least estimated noise variance.
    fixed_noise : bool
        Whether the noise variance is known.
    max_iter : int
        Sweeps at most.
    tol : float
        Bound of the violated stationarity.
    tol_step : float
        Relative change of the variances at which to give up.
    max_inner : int
        Passes of the alternating M-step at most.
    inner_tol : float
        Relative change of the variances that ends them.
    """

    solver: str
    coupling: tuple
    prune_tol: tuple[float, ...]
    noise_floor: float
    fixed_noise: bool
    max_iter: int
    tol: float
    tol_step: float
    max_inner: int
    inner_tol: float


class Fit(NamedTuple):
    """What was reached.

    Parameters
    ----------
    evidence : Evidence
        At the prior variances found.
    stationarity : float
        Violated stationarity there.
    n_iter : int
        Sweeps.
    history : dict of str to list
        ``cost``, ``noise`` and ``n_active`` after each sweep.
    """

    evidence: Evidence
    stationarity: float
    n_iter: int
    history: dict[str, list]


def maximise_evidence(
    problem: Problem, starts: Sequence, noise: float, settings: Settings
) -> Fit:
    """Lower the cost from given variances; see the steps for what each promises.

    Of several starts the lowest cost is kept. Many are halved time and again, after
    sweeps twice as many each time.
    """
    heats = [
        (_State(problem, start, noise, settings), _new_history(), 0) for start in starts
    ]
    sweeps = _HEAT
    while len(heats) > _FINALISTS:
        for i, (state, history, n_done) in enumerate(heats):
            left = min(sweeps, settings.max_iter - n_done)
            heats[i] = state, history, n_done + _iterate(state, history, left)[1]
        # The sort is stable: of equal costs the start that was named first goes on.
        heats.sort(key=lambda heat: heat[0].evidence.cost())
        heats = heats[: max(len(heats) // 2, _FINALISTS)]
        sweeps *= 2
    return min((_finish(*heat) for heat in heats), key=lambda fit: fit.evidence.cost())


def _new_history() -> dict[str, list]:
    return {"cost": [], "noise": [], "n_active": []}


def _finish(state: "_State", history, n_done: int) -> Fit:
    """Sweep until stationary, then prune."""
    settings = state.settings
    violation, n_iter = _iterate(state, history, settings.max_iter - n_done)
    n_iter += n_done
    if settings.solver == "mm" and violation <= settings.tol:
        for shares in _ladder(settings.prune_tol):
            rest = settings.max_iter - n_iter
            violation, more = _prune(state, history, shares, rest, violation)
            n_iter += more
    return Fit(state.evidence, violation, n_iter, history)


def _iterate(state: "_State", history, max_iter: int) -> tuple[float, int]:
    """Sweep until stationary or stuck; returns the violation and the sweeps."""
    settings = state.settings
    sweep = _STEPS[settings.solver]
    # Majorisation is fast and its steps shrink by and by: no need to look each time.
    every = _LOOK if settings.solver == "mm" else 1
    for n_iter in range(1, max_iter + 1):
        before = state.evidence.variances[:]
        maybe = sweep(state)
        if not settings.fixed_noise:
            _noise_step(state.evidence, settings.noise_floor)
        state.normalise()
        state.record(history)
        stuck = (
            n_iter % every == 0
            and _change(before, state.evidence.variances) <= settings.tol_step
        )
        if maybe <= settings.tol or stuck:
            violation = state.violation()
            if violation <= settings.tol or stuck:
                return violation, n_iter
    return state.violation(), max_iter


def coupling_matrix(n_features: int, strength: float) -> np.ndarray | None:
    """Identity plus `strength` times the neighbours on a line."""
    if strength == 0.0:
        return None
    neighbours = np.eye(n_features, k=1) + np.eye(n_features, k=-1)
    return np.eye(n_features) + strength * neighbours


class _State:
    """Free variances, and the evidence at the prior that they are coupled to."""

    def __init__(self, problem, start, noise, settings):
        self.settings = settings
        self.free = [g.copy() for g in start]
        self.masks = [np.ones(len(g), dtype=bool) for g in start]
        coupled = [self.coupled(mode, g) for mode, g in enumerate(start)]
        self.evidence = Evidence(problem, coupled, noise)
        sizes = [len(g) for g in start]
        self.share = [size / np.prod(sizes) for size in sizes]
        # A nat of evidence, in units of the cost, that a variance has to earn.
        n_snapshots = problem.target.shape[-1]
        is_complex = np.iscomplexobj(problem.target)
        self.price = (1.0 if is_complex else 2.0) / n_snapshots
        self.normalise()

    def coupled(self, mode: int, free: np.ndarray) -> np.ndarray:
        """Prior variances of a factor."""
        matrix = self.settings.coupling[mode]
        spread = free if matrix is None else matrix @ free
        return np.where(self.masks[mode], spread, 0.0)

    def slopes(self, mode: int) -> tuple[np.ndarray, np.ndarray]:
        """Those of free variances: sums over the neighbours that each reaches."""
        up, down = self.evidence.slopes(mode)
        matrix = self.settings.coupling[mode]
        if matrix is None:
            return up, down
        mask = self.masks[mode]
        return matrix.T @ (mask * up), matrix.T @ (mask * down)

    def normalise(self) -> None:
        """Unit norm for the prior of all factors but the last."""
        norms = [np.linalg.norm(g) or 1.0 for g in self.evidence.variances[:-1]]
        scales = [1.0 / norm for norm in norms] + [float(np.prod(norms))]
        self.evidence.rescale(scales)
        self.free = [g * scale for g, scale in zip(self.free, scales, strict=True)]

    def record(self, history: dict[str, list]) -> None:
        """Note where the sweep has led."""
        history["cost"].append(self.evidence.cost())
        history["noise"].append(self.evidence.noise)
        counts = [int(np.count_nonzero(g)) for g in self.evidence.variances]
        history["n_active"].append(int(np.prod(counts)))

    def keep(self):
        """What `restore` needs."""
        return self.free[:], self.masks[:], self.evidence.noise

    def restore(self, kept) -> None:
        """Go back to where `keep` was called."""
        self.free, self.masks = kept[0][:], kept[1][:]
        self.evidence.noise = kept[2]
        for mode, free in enumerate(self.free):
            self.evidence.set_variances(mode, self.coupled(mode, free))
        self.evidence.refresh()

    def drop(self, drops: list[np.ndarray]) -> None:
        """Set prior variances to zero for good."""
        self.masks = [m & ~drop for m, drop in zip(self.masks, drops, strict=True)]
        for mode, mask in enumerate(self.masks):
            if self.settings.coupling[mode] is None:
                self.free[mode] = np.where(mask, self.free[mode], 0.0)
        self.restore(self.keep())

    def violation(self) -> float:
        """Largest violated condition over what is not pruned, and the noise."""
        worst = 0.0
        for mode, free in enumerate(self.free):
            up, down = self.slopes(mode)
            worst = max(worst, self.share[mode] * _slope(free, up, down))
            zero = self.masks[mode] & (free == 0.0)
            worst = max(worst, _excess(up[zero], down[zero]))
        if self.settings.fixed_noise:
            return worst
        up, down = self.evidence.noise_slopes()
        noise = self.evidence.noise
        if noise <= self.settings.noise_floor and down > up:
            return worst
        size = self.evidence.problem.n_outside + self.evidence.weights.size
        return max(worst, float(noise * abs(up - down) / size))


def _slope(free, up, down) -> float:
    return float((free * np.abs(up - down)).max())


def _excess(up, down) -> float:
    """By how much the slope at zero points upwards, relative to its downward part."""
    return float(np.max(_ratio(up, down) - 1.0, initial=0.0))


def _ratio(up, down):
    return np.divide(up, down, out=np.zeros_like(up), where=down > 0.0)


def _change(before, after) -> float:
    """Largest relative change of the variances of a factor."""
    return max(
        float(np.linalg.norm(new - old) / (np.linalg.norm(old) or 1.0))
        for old, new in zip(before, after, strict=True)
    )


def _noise_step(evidence: Evidence, floor: float) -> None:
    """Majorised step of the noise variance: log det is concave in it too."""
    up, down = evidence.noise_slopes()
    floor = max(floor, _TINY_NOISE)
    evidence.set_noise(max(evidence.noise * np.sqrt(up / down), floor))


def _majorised_sweep(state: _State) -> float:
    """Factor by factor g <- g sqrt(up / down): the cost never rises.

    log det C is concave and so below its tangent; y^H C^-1 y is convex and bounded by
    the sum of up g_old^2 / g. Returns the largest slope seen on the way.
    """
    worst = 0.0
    for mode, free in enumerate(state.free):
        up, down = state.slopes(mode)
        worst = max(worst, state.share[mode] * _slope(free, up, down))
        state.free[mode] = free * np.sqrt(_ratio(up, down))
        state.evidence.set_variances(mode, state.coupled(mode, state.free[mode]))
    return worst


def _ladder(limits: tuple[float, ...]):
    """Shares up to the limit of each factor, the smallest first."""
    for share in _SHARES:
        if share <= max(limits):
            yield tuple(min(share, limit) for limit in limits)
    if max(limits) not in _SHARES and max(limits) > 0.0:
        yield limits


def _prune(state: _State, history, shares, max_iter: int, violation: float):
    """Drop small variances, all or those of one factor, that do not earn their keep."""
    small = [
        mask & (prior < share * prior.max())
        for mask, prior, share in zip(
            state.masks, state.evidence.variances, shares, strict=True
        )
    ]
    nothing = [np.zeros_like(drop) for drop in small]
    tries = [small]
    if sum(drop.any() for drop in small) > 1:
        tries += [
            [*nothing[:mode], drop, *nothing[mode + 1 :]]
            for mode, drop in enumerate(small)
        ]
    total = 0
    for drops in tries:
        n_drops = sum(int(drop.sum()) for drop in drops)
        if not n_drops or total >= max_iter:
            continue
        kept, before = state.keep(), state.evidence.cost()
        state.drop(drops)
        trial = {name: [] for name in history}
        reached, n_iter = _iterate(state, trial, min(_SETTLE, max_iter - total))
        allowed = before + n_drops * state.price
        if reached <= state.settings.tol and state.evidence.cost() <= allowed:
            for name, values in trial.items():
                history[name] += values
            total, violation = total + n_iter, reached
            if drops is small:
                break
        else:
            state.restore(kept)
    return violation, total


def _moments(state: _State):
    """Posterior second moments of what is not pruned, and where that is."""
    evidence = state.evidence
    active = [np.flatnonzero(g) for g in evidence.variances]
    grid = np.ix_(*active)
    prior = outer([g[kept] for g, kept in zip(evidence.variances, active, strict=True)])
    mean = evidence.mean()[grid]
    squares = (mean.real**2 + mean.imag**2).mean(axis=-1)
    return squares + prior * (1.0 - evidence.determined()[grid]), active


def _drop_small(state: _State) -> None:
    """Prune unconditionally, as published."""
    for mode, share in enumerate(state.settings.prune_tol):
        prior = state.evidence.variances[mode]
        keep = prior >= share * prior.max()
        if not keep.all():
            state.masks[mode] &= keep
            state.free[mode] = np.where(keep, state.free[mode], 0.0)
            state.evidence.set_variances(mode, np.where(keep, prior, 0.0))


def _alternating_step(state: _State) -> float:
    """Expectation maximisation with its M-step by alternation over the factors.

    The M-step is convex in log g, so that alternation solves it; without pruning and
    coupling the cost never rises. Coupled variances are fitted to the step's target
    by non-negative least squares, as published, which promises nothing.
    """
    _drop_small(state)
    settings = state.settings
    second, active = _moments(state)
    g = [v[kept] for v, kept in zip(state.evidence.variances, active, strict=True)]
    free = [v[kept] for v, kept in zip(state.free, active, strict=True)]
    for _ in range(settings.max_inner):
        before = g[:]
        for mode in range(len(g)):
            target = second
            for other in reversed(range(len(g))):
                if other != mode:
                    target = np.tensordot(target, 1.0 / g[other], (other, 0))
            target = target * (len(g[mode]) / second.size)
            matrix = settings.coupling[mode]
            if matrix is None:
                g[mode] = free[mode] = target
            else:
                matrix = matrix[np.ix_(active[mode], active[mode])]
                free[mode] = nnls(matrix, target)[0]
                g[mode] = matrix @ free[mode]
                g[mode] += _COUPLED_FLOOR * g[mode].max()
        for mode in range(len(g) - 1):
            norm = np.linalg.norm(g[mode])
            g[mode], free[mode] = g[mode] / norm, free[mode] / norm
            g[-1], free[-1] = g[-1] * norm, free[-1] * norm
        if _change(before, g) <= settings.inner_tol:
            break
    return _move(state, active, g, free)


def _svd_step(state: _State) -> float:
    """Factors of the nearest rank-one tensor, unfolding by unfolding; no promise."""
    _drop_small(state)
    second, active = _moments(state)
    g = []
    for kept in active[:-1]:
        second = second.reshape(len(kept), -1)
        # The leading left vector; of a non-negative matrix, so it has one sign.
        _, vectors = np.linalg.eigh(second @ second.T)
        g.append(np.abs(vectors[:, -1]))
        second = np.abs(g[-1] @ second)
    return _move(state, active, [*g, second.ravel()])


def _move(state: _State, active, g, free=None) -> float:
    free = free or g
    for mode, kept in enumerate(active):
        prior = np.zeros(len(state.free[mode]))
        prior[kept] = g[mode]
        state.free[mode] = np.zeros(len(prior))
        state.free[mode][kept] = free[mode]
        state.evidence.set_variances(mode, prior)
    return 0.0


_STEPS = {"mm": _majorised_sweep, "am": _alternating_step, "svd": _svd_step}
