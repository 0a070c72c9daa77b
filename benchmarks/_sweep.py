"""Find the settings at which a solver meets a certified gap.

The tolerances of different solvers mean different things, so each is given its
own: from loose to tight until the tightest target is certified, then refined
around every target, so that no solver is charged for accuracy nobody asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

STALL = 6
"""Successive tightenings without a better gap after which a sweep gives up."""


class Run(NamedTuple):
    """One timed call: the solver's tolerance, seconds taken, certified gap."""

    tol: float
    seconds: float
    gap: float


def sweep(
    run: Callable[[float], Run],
    tolerances: Iterable[float],
    targets: Sequence[float],
    *,
    time_limit: float = math.inf,
    n_refinements: int = 2,
) -> Iterator[Run]:
    """Yield runs from loose to tight, then between the last miss and the first hit.

    Parameters
    ----------
    run : callable
        Solve at a tolerance and certify.
    tolerances : iterable of float
        The solver's own tolerances, decreasing.
    targets : sequence of float
        Certified gaps to meet.
    time_limit : float, default=inf
        A run longer than this many seconds ends the sweep.
    n_refinements : int, default=2
        Bisections (geometric) of the tolerance around the tightest target; around
        the others, which are there for context, at most one.

    Yields
    ------
    Run

    Examples
    --------
    >>> exact = lambda tol: Run(tol, 1.0, 2 * tol)
    >>> [r.tol for r in sweep(exact, [0.1, 0.01, 0.001], [0.05], n_refinements=0)]
    [0.1, 0.01]
    """
    done: list[Run] = []
    since_best = 0
    for tol in tolerances:
        latest = run(tol)
        yield latest
        since_best = 0 if all(latest.gap < r.gap for r in done) else since_best + 1
        done.append(latest)
        if latest.seconds > time_limit:
            return
        if latest.gap <= min(targets):
            break
        if since_best >= STALL:
            break
    for target in targets:
        rounds = n_refinements if target == min(targets) else min(1, n_refinements)
        for _ in range(rounds):
            hits = [r.tol for r in done if r.gap <= target]
            if not hits:
                break
            loosest = max(hits)
            misses = [r.tol for r in done if r.tol > loosest]
            if not misses:
                break
            latest = run(math.sqrt(loosest * min(misses)))
            yield latest
            done.append(latest)


def fastest(runs: Iterable[Run], target: float) -> Run | None:
    """Fastest run that meets `target`, or None.

    Examples
    --------
    >>> fastest([Run(0.1, 1.0, 0.5), Run(0.01, 2.0, 0.05)], 0.1)
    Run(tol=0.01, seconds=2.0, gap=0.05)
    """
    return min(
        (r for r in runs if r.gap <= target), key=lambda r: r.seconds, default=None
    )


def closest(runs: Iterable[Run]) -> Run | None:
    """Most accurate run, or None when there is none."""
    return min(runs, key=lambda r: r.gap, default=None)
