"""Leaps and bounds for likelihoods: a superset's maximum bounds those of its subsets.

After Furnival and Wilson (1974), with a fit at each node.  Members of a set are dropped
one at a time, those that are missed least last, with all stronger ones kept.
"""

from time import perf_counter
from typing import NamedTuple

import numpy as np

from sparsestat.optim.subset._newton import LikelihoodProblem, Point

__all__ = ["Proof", "prove"]


class Proof(NamedTuple):
    """What an exact search found.

    Parameters
    ----------
    point : Point
        The best subset.
    lower_bound : float
        No subset of that size has a smaller objective.
    optimal : bool
        Whether the search was finished.
    n_nodes : int
        Sets that were fitted.
    """

    point: Point
    lower_bound: float
    optimal: bool
    n_nodes: int


def prove(
    problem: LikelihoodProblem,
    best: Point,
    locked: np.ndarray,
    margin: float,
    max_nodes: int,
    time_limit: float | None,
) -> Proof:
    """Search all subsets of the size of a known one, as far as fits go.

    Parameters
    ----------
    problem : LikelihoodProblem
    best : Point
        A good subset.
    locked : ndarray of int
        Units that are in every subset.
    margin : float
        Subsets that are better by no more than this are not looked for.
    max_nodes : int
        Sets to fit at most.
    time_limit : float or None
        Seconds at most.

    Returns
    -------
    proof : Proof
    """
    size = len(best.units)
    end = np.inf if time_limit is None else perf_counter() + time_limit
    before = problem.n_fits
    everything = np.arange(problem.n_units)
    if problem.units is None:
        kept = problem.usable | np.isin(everything, np.union1d(best.units, locked))
        everything = everything[kept]
    if len(everything) <= size:
        return Proof(best, best.objective, True, 0)
    if max_nodes < 1:
        return Proof(best, 0.0, False, 0)
    root = problem.maximise(everything, best)
    open_ = [(root, frozenset(locked.tolist()))]
    while open_:
        point, forced = open_.pop()
        if _bound(point) >= best.objective - margin:
            continue
        if problem.n_fits - before >= max_nodes or perf_counter() > end:
            open_.append((point, forced))
            break
        children = []
        for unit, kept in _order(problem, point, forced, size):
            units = point.units[point.units != unit]
            child = problem.maximise(units, point)
            if _bound(child) >= best.objective - margin:
                continue
            if len(units) == size:
                if child.objective < best.objective - margin:
                    best = child
                continue
            children.append((child, kept))
        open_ += children
    optimal = not open_
    bounds = [_bound(point) for point, _ in open_]
    lower = best.objective if optimal else min([best.objective, *bounds])
    return Proof(best, lower, optimal, problem.n_fits - before)


def _bound(point: Point) -> float:
    """Below the minimum of the objective: twice the Newton decrement is to spare."""
    objective = 0.0 if point.separated else point.objective
    return objective - point.margin


def _order(problem, point, forced, size):
    """Units to drop, strongest first, with what is forced once they are."""
    costs = problem.improve(point).costs
    free = [k for k, unit in enumerate(point.units) if int(unit) not in forced]
    free.sort(key=lambda k: -costs[k])
    kept = set(forced)
    for k in free:
        if len(kept) > size:
            return
        yield int(point.units[k]), frozenset(kept)
        kept.add(int(point.units[k]))
