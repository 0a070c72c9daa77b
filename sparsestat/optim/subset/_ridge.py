"""Proofs for problems with a ridge: relaxations, and leaps and bounds.

Leaps and bounds visits a million nodes a second, whose bounds say little where features
are many and samples few; relaxations cost a millisecond and know the ridge.
"""

from time import perf_counter

import numpy as np

from sparsestat.optim.subset.branch import BranchSearch
from sparsestat.optim.subset.exact import ExactSearch, SubsetResult
from sparsestat.optim.subset.problem import SubsetProblem

__all__ = ["RidgeSearch", "has_ridge"]

# A relaxation of up to so many features counts as so many nodes of leaps and bounds;
# one of more features for as much more as its ratio to the power 1.5.
_FEW, _WORTH = 200, 250
# Nodes must suffice for so many relaxations, else the root alone is bounded.
_RELAXATIONS = 10
# Features whose Gram matrix a tree of relaxations may need.
_TREE = 4000


def has_ridge(problem: SubsetProblem) -> bool:
    """Whether every feature that could be chosen has a ridge."""
    return bool((problem.ridge[problem.diagonal > 0.0] > 0.0).all())


class RidgeSearch:
    """Exact search for one size at a time, by the method whose root says more.

    Parameters
    ----------
    problem : SubsetProblem
        With a ridge on all features.
    locked : ndarray of int
        Features that are in every subset.
    leaps : ExactSearch, default=None
        Leaps and bounds, where the Gram matrix is known as a whole.
    """

    definite = True

    def __init__(self, problem, locked, leaps: ExactSearch | None = None) -> None:
        self.problem, self.locked, self.leaps = problem, locked, leaps

    def run(self, sizes, *, start, n_best=1, max_nodes, time_limit=None):
        """Search for the best subset of a size; returns a `SubsetResult`.

        A relaxation counts as 250 nodes, of more than 200 features for more.
        """
        if n_best > 1:
            if self.leaps is None:
                return _nothing(sizes)
            return self.leaps.run(
                sizes, start=start, n_best=n_best, max_nodes=max_nodes,
                time_limit=time_limit,
            )  # fmt: skip
        (size,) = sizes
        begun = perf_counter()
        most_left = _FEW * (max_nodes / (_RELAXATIONS * _WORTH)) ** (2.0 / 3.0)
        tree = BranchSearch(
            self.problem, int(size), 0.0, np.inf, self.locked, time_limit,
            min(most_left, _TREE),
        )  # fmt: skip
        for support in start[size]:
            tree.offer(np.asarray(support, dtype=np.int64))
        tree.run(1)
        found, nodes, lower = None, 0, tree.lower
        if not tree.proved and self.leaps is not None:
            root = self.leaps.run(sizes, start=start, max_nodes=0)
            if root.lower_bounds[0] >= lower:
                left = None
                if time_limit is not None:
                    left = max(time_limit - (perf_counter() - begun), 0.0)
                found = self.leaps.run(
                    sizes, start={size: [tree.best]}, max_nodes=max_nodes,
                    time_limit=left,
                )  # fmt: skip
                nodes = found.n_nodes
                if found.supports[0]:
                    tree.offer(found.supports[0][0])
        if not tree.proved and (found is None or not found.optimal[0]):
            worth = _WORTH * max(tree.n_left / _FEW, 1.0) ** 1.5
            tree.run(int(max(max_nodes - nodes, 0) / worth))
        lower = tree.lower
        if found is not None:
            lower = max(lower, min(float(found.lower_bounds[0]), tree.objective))
        proved = tree.proved or (found is not None and bool(found.optimal[0]))
        return SubsetResult(
            np.asarray(sizes, dtype=np.int64), [[tree.best]],
            [np.array([tree.objective])],
            np.array([tree.objective if proved else max(lower, 0.0)]),
            np.array([proved]), nodes + tree.n_nodes,
        )  # fmt: skip


def _nothing(sizes) -> SubsetResult:
    """No subsets and no bounds."""
    n = len(sizes)
    return SubsetResult(
        np.asarray(sizes, dtype=np.int64), [[] for _ in sizes], [np.array([])] * n,
        np.zeros(n), np.zeros(n, np.bool_), 0,
    )  # fmt: skip
