"""Prior variances that several coefficients share, and correlations learnt along.

The prior covariance is a sum of terms g_i E_i. Each structure says what share of the
cost's slopes its terms have; the steps are those of independent variances.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from sparsestat.bayes._posterior import TINY_NOISE, Learnt, noise_step, ratio

__all__ = [
    "Look",
    "Raise",
    "Settings",
    "Structure",
    "learn_structured",
    "paying",
]


class Settings(NamedTuple):
    """How to learn.

    Parameters
    ----------
    solver : {"mm", "em", "mackay"}
        Step.
    fixed_noise : bool
        Whether the noise variance is known.
    noise_floor : float
        Least estimated noise variance.
    prune_tol : float
        Share of the largest variance below which others are zero.
    max_iter : int
        Iterations at most.
    tol : float
        Bound of the violated stationarity.
    tol_step : float
        Relative change of the variances at which to give up.
    """

    solver: str
    fixed_noise: bool
    noise_floor: float
    prune_tol: float
    max_iter: int
    tol: float
    tol_step: float


class Look(NamedTuple):
    """The cost and its slopes at given variances.

    Parameters
    ----------
    cost : float
        log det C plus y^H C^-1 y, averaged over the targets.
    power, share : ndarray of shape (n_terms,)
        By a slope of `share` - `power` the cost changes with the logarithm of a
        variance, for each of the coefficients that it serves.
    rest : float
        Squared residuals of a target.
    determined : float
        Number of coefficients of a target that the data determine.
    """

    cost: float
    power: np.ndarray
    share: np.ndarray
    rest: float
    determined: float


class Raise(NamedTuple):
    """What it would pay to raise a variance that is zero.

    Parameters
    ----------
    excess : float
        By how much, relatively, the slope of the quadratic form exceeds that of the
        determinant, at most.
    index : int or None
        The term of this excess.
    optimum : float
        A variance that is good for it.
    """

    excess: float = 0.0
    index: int | None = None
    optimum: float = 0.0


def paying(index: int, up: float, down: float, size: float) -> Raise:
    """Whether and how far to raise a variance at which the cost slopes by down - up.

    With a variance g the cost of `size` coefficients changes by at most
    size log(1 + g down / size) - g up / (1 + g down).
    """
    if not up > down > 0.0:
        return Raise()
    g = (up / down - 1.0) * size / down
    while size * np.log1p(g * down / size) >= g * up / (1.0 + g * down):
        g *= 0.5
        if g * down < np.finfo(float).eps:
            break
    return Raise(float(up / down - 1.0), index, float(g))


class Structure(Protocol):
    """What `learn_structured` asks for.

    ``n_rows`` is the number of rows, ``restrict`` keeps some of the terms, ``look``
    returns the cost and its slopes there, ``slope`` the one with respect to the
    correlation, for each coefficient, ``learn`` moves the correlation after a step
    of the variances and returns by what they are to be multiplied then, and ``raising``
    looks at the terms that were left out.
    """

    n_rows: float

    def restrict(self, kept: np.ndarray) -> None: ...

    def look(self, g: np.ndarray, noise: float) -> Look: ...

    def slope(self) -> float: ...

    def learn(self, solver: str, step: np.ndarray) -> np.ndarray | float: ...

    def raising(self, g: np.ndarray, noise: float) -> Raise: ...


# New over old variances, from powers and shares for each coefficient.
_STEPS: dict[str, Callable] = {
    "mm": lambda power, share: np.sqrt(ratio(power, share)),
    "em": lambda power, share: power + (1.0 - share),
    "mackay": lambda power, share: ratio(power, share),
}


def learn_structured(
    structure: Structure, g: np.ndarray, noise: float, settings: Settings
) -> Learnt:
    """Iterate a step until stationary, on the variances that are not negligible.

    For "mm" and "em" the cost never rises, but for what `prune_tol` removes.
    """
    g, kept = g.copy(), np.flatnonzero(g)
    history = {"cost": [], "noise": [], "n_active": []}
    revived = np.zeros(len(g), dtype=bool)
    structure.restrict(kept)
    for _ in range(settings.max_iter):
        if not len(kept):
            break
        now = structure.look(g[kept], noise)
        history["cost"].append(now.cost)
        history["noise"].append(noise)
        history["n_active"].append(len(kept))
        worst = np.abs(now.share - now.power).max()
        step = _STEPS[settings.solver](now.power, now.share)
        change = np.linalg.norm((step - 1.0) * g[kept]) / np.linalg.norm(g[kept])
        new = noise
        if not settings.fixed_noise:
            new = noise_step(
                settings.solver, now.rest, noise, now.determined, structure.n_rows
            )
            new = max(new, settings.noise_floor, TINY_NOISE)
            moved = abs(new - noise) / noise
            worst, change = max(worst, moved), max(change, moved)
        if worst <= settings.tol and structure.slope() <= settings.tol:
            found = structure.raising(g, noise)
            if found.excess <= settings.tol:
                break
            # What was pruned too early comes back for good.
            revived[found.index] = True
            g[found.index] = found.optimum
            kept = np.flatnonzero(g)
            structure.restrict(kept)
            continue
        g[kept] *= step * structure.learn(settings.solver, step)
        noise = new
        g[(g < settings.prune_tol * g.max()) & ~revived] = 0.0
        if not g[kept].all():
            kept = np.flatnonzero(g)
            structure.restrict(kept)
        if change <= settings.tol_step and structure.slope() <= settings.tol_step:
            break
    return Learnt(g, noise, len(history["cost"]), history)
