"""Certified subsets by branch and bound on the perspective relaxation.

Unlike leaps and bounds, whose bound of a set is its own loss, this needs no more
samples than features, but a ridge, or a largest coefficient.  The relaxation of the
root strikes off most features for good (safe screening, Atamturk and Gomez, 2020), the
tree searches the others, most promising nodes first (Hazimeh, Mazumder and Saab, 2022).
"""

import heapq
from time import perf_counter
from typing import NamedTuple

import numpy as np

from sparsestat.optim.subset._groups import independent_inverse
from sparsestat.optim.subset._perspective import Relaxation
from sparsestat.optim.subset.problem import SubsetProblem
from sparsestat.utils.topk import top_k

__all__ = ["BranchResult", "BranchSearch", "branch_and_bound"]

# Features that the root is solved on at first, and that join at a time.
_FIRST, _JOINING = 128, 64
# Rounds of them at most.
_ROUNDS = 30
# Features whose Gram matrix the tree may need.
_TREE = 4000
# Open nodes after which the tree is searched depth first, to save memory.
_OPEN = 100_000
# Bounds that come this close to the best value prove it, as a share of it.
_SAME = 1e-8
# Coefficients in part: as in or out as this.
_INTEGRAL = 1e-6


class BranchResult(NamedTuple):
    """The best subset that was found, and how far it is proved to be best.

    Parameters
    ----------
    support : ndarray of int
        Its features, increasing.
    coef : ndarray of shape (n_targets, n_chosen)
        Their coefficients.
    objective : float
        Its objective.
    lower_bound : float
        No subset has a smaller objective.
    optimal : bool
        Whether it is proved to be best, up to a share of 1e-8.
    n_nodes : int
        Relaxations that were solved.
    n_left : int
        Features that screening at the root has left.
    """

    support: np.ndarray
    coef: np.ndarray
    objective: float
    lower_bound: float
    optimal: bool
    n_nodes: int
    n_left: int


def branch_and_bound(
    problem: SubsetProblem,
    max_size: int | None = None,
    *,
    cost: float = 0.0,
    largest: float = np.inf,
    start: list | None = None,
    locked: np.ndarray | None = None,
    max_nodes: int = 2_000_000,
    time_limit: float | None = None,
) -> BranchResult:
    r"""The best subset of least squares with a ridge, with features bounded or priced.

    .. math::
        \min_b \; v - 2 c^\top b + b^\top (G + D) b + \lambda \|b\|_0
        \quad \text{subject to} \quad \|b\|_0 \le k, \; |b_j| \le M

    Parameters
    ----------
    problem : SubsetProblem
        With D > 0 unless `largest` is finite.
    max_size : int, default=None
        k; None for any.
    cost : float, default=0.0
        :math:`\lambda`.
    largest : float, default=inf
        M, for several targets of the norm of their coefficients.
    start : list of ndarray, default=None
        Subsets that are known; the better they are, the less is searched.
    locked : ndarray of int, default=None
        Features that are in every subset.
    max_nodes : int, default=2_000_000
        Relaxations to solve at most.
    time_limit : float, default=None
        Seconds at most.

    Returns
    -------
    result : BranchResult

    Raises
    ------
    ValueError
        If neither D nor `largest` bounds the coefficients.

    References
    ----------
    Hazimeh, Mazumder and Saab (2022), doi:10.1007/s10107-021-01712-4; Atamturk and
    Gomez (2020), arXiv:2004.08773; Frangioni and Gentile (2006),
    doi:10.1007/s10107-005-0594-3.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.subset import branch_and_bound, make_problem
    >>> X = np.random.default_rng(0).standard_normal((20, 50))
    >>> y = X[:, 3] - X[:, 30]
    >>> problem = make_problem(X.T @ X / 20, X.T @ y / 20, y @ y / 20, 20, ridge=0.05)
    >>> result = branch_and_bound(problem, 2)
    >>> result.support, result.optimal
    (array([ 3, 30]), True)
    """
    usable = problem.diagonal > 0.0
    if largest == np.inf and not (problem.ridge[usable] > 0.0).all():
        raise ValueError(
            "branch_and_bound needs a finite `largest` or a ridge > 0 on every "
            f"feature; got ridges from {problem.ridge[usable].min()}."
        )
    locked = np.array([], np.int64) if locked is None else np.asarray(locked)
    p = problem.n_features
    size = p if max_size is None else int(max_size)
    search = BranchSearch(problem, size, cost, largest, locked, time_limit)
    for support in [locked, *(start or [])]:
        if len(support) <= size:
            search.offer(np.union1d(support, locked).astype(np.int64))
    search.run(max_nodes)
    return search.result()


class BranchSearch:
    """One search that can be stopped and taken up again.

    It ends at the root where that leaves more than `most_left` features.

    Attributes
    ----------
    lower, objective : float
        Bounds of the optimum.
    n_nodes : int
        Relaxations solved.
    """

    def __init__(
        self, problem, size, cost, largest, locked, time_limit, most_left=_TREE
    ):
        self.problem, self.size, self.cost, self.most = problem, size, cost, largest
        self.locked, self.most_left = locked, most_left
        self.end = np.inf if time_limit is None else perf_counter() + time_limit
        self.best, self.objective = locked, np.inf
        self.coef = np.zeros((len(problem.linear), len(locked)))
        self.n_nodes, self.lower, self.n_left = 0, 0.0, problem.n_features
        self._tried: set[bytes] = set()
        self._open, self._relaxed = None, None
        self._planted, self._count = False, 0

    @property
    def limit(self) -> float:
        """Bounds above this prove that a node holds nothing better."""
        return self.objective * (1.0 - _SAME)

    @property
    def proved(self) -> bool:
        """Whether there is nothing better."""
        return bool(self.lower >= self.limit)

    def run(self, max_nodes: int) -> None:
        """Bound the root, then branch, until so many nodes are visited in all."""
        if self._open is None:
            self._open = []
            self._plant()
        open_ = self._open
        while open_ and self.n_nodes < max_nodes and perf_counter() < self.end:
            deep = len(open_) > _OPEN
            value, _, status, bound = open_.pop() if deep else heapq.heappop(open_)
            if value < self.limit:
                self._grow(value, status, bound, deep)
            if deep and len(open_) <= _OPEN:
                heapq.heapify(open_)
        if self._planted:
            least = min((node[0] for node in open_), default=np.inf)
            self.lower = max(self.lower, min(least, self.objective))

    def _plant(self) -> None:
        """Bound the root; what is left of it is the first open node."""
        if self.size <= len(self.locked) or self.objective <= 0.0:
            self.lower = self.objective
            return
        root = self._root()
        if root is not None:
            status, self._relaxed, bound = root
            self._open.append((bound.value, 0, status, bound))
            self._planted = True

    def _grow(self, value, status, bound, deep) -> None:
        """Open the two nodes below one."""
        j = self._branch_on(status, bound)
        for inside in (1, -1):
            child = status.copy()
            child[j] = inside
            solved = self._node(self._relaxed, child, bound)
            if solved is None:
                continue
            self._count += 1
            node = (max(solved.value, value), self._count, child, solved)
            if deep:
                self._open.append(node)
            else:
                heapq.heappush(self._open, node)

    def _root(self):
        """The bound of the root, and what is left to search, if anything."""
        problem, size = self.problem, self.size
        usable = problem.diagonal > 0.0
        usable[self.locked] = True
        p = problem.n_features
        with np.errstate(divide="ignore", invalid="ignore"):
            norm = problem.diagonal + problem.ridge
            score = np.where(usable, (problem.linear**2).sum(axis=0) / norm, -1.0)
        score[self.locked] = score[self.best] = np.inf
        ids = np.sort(top_k(score, min(max(_FIRST, 4 * min(size, 64)), p)))
        ids = ids[usable[ids]]
        G = problem.gram(ids)
        b = np.zeros((len(problem.linear), len(ids)))
        b[:, np.searchsorted(ids, self.best)] = self.coef
        q_all, price = None, None
        for _ in range(_ROUNDS):
            relaxation = self._relaxation(ids, G)
            status = np.zeros(len(ids), np.int8)
            status[np.isin(ids, self.locked)] = 1
            if price is None:
                h = relaxation.gains(relaxation.c - b @ relaxation.G)
                k = min(size, len(h)) - 1
                price = max(float(np.partition(h, len(h) - 1 - k)[len(h) - 1 - k]), 0.0)
                price = max(price, 1e-6 * problem.variance / max(size, 1))
            bound = relaxation.solve(status, size, b, price, self.limit)
            self.n_nodes += 1
            b, price = bound.b, bound.price
            self._round(ids, status, bound)
            support = np.flatnonzero(b.any(axis=0))
            rows = problem.source.block(ids[support])
            q_all = problem.linear - b[:, support] @ rows
            value, gains = self._bound_of_all(relaxation, ids, b, q_all, usable)
            self.lower = max(self.lower, min(value, self.objective))
            threshold = max(price, 0.0)
            outside = np.where(usable, gains, -np.inf)
            outside[ids] = -np.inf
            joining = np.flatnonzero(outside > threshold)
            if len(joining) == 0 or self.lower >= self.limit:
                break
            if bound.value - value <= 0.02 * (self.objective - value):
                break
            joining = joining[top_k(outside[joining], min(_JOINING, len(joining)))]
            ids, G, b = self._join(ids, G, b, np.sort(joining))
        self.n_left = int(usable.sum())
        if self.lower >= self.limit:
            return None
        fixed = np.where(usable, 0, -1).astype(np.int8)
        fixed[self.locked] = 1
        self._fix(fixed, value, gains)
        left = np.flatnonzero(fixed >= 0)
        self.n_left = len(left)
        if self.n_left > self.most_left:
            return None
        relaxation = self._relaxation(left, problem.gram(left))
        start = np.zeros((len(b), len(left)))
        kept = np.isin(ids, left)
        start[:, np.searchsorted(left, ids[kept])] = b[:, kept]
        self.ids, status = left, fixed[left]
        solved = self._node(relaxation, status, bound._replace(b=start))
        if solved is None:
            self.lower = self.objective
            return None
        return status, relaxation, solved

    def _relaxation(self, ids, G) -> Relaxation:
        problem = self.problem
        D = problem.ridge[ids]
        G = G.copy()
        G[np.diag_indices_from(G)] -= D
        c = np.ascontiguousarray(problem.linear[:, ids])
        return Relaxation(G, c, problem.variance, D, self.cost, self.most)

    def _join(self, ids, G, b, joining):
        """Let features join those that the root is solved on."""
        every = np.union1d(ids, joining)
        old, new = np.searchsorted(every, ids), np.searchsorted(every, joining)
        rows = self.problem.source.block(joining, every)
        out = np.empty((len(every), len(every)))
        out[np.ix_(old, old)] = G
        out[new] = rows
        out[:, new] = rows.T
        out[new, new] += self.problem.ridge[joining]
        start = np.zeros((len(b), len(every)))
        start[:, old] = b
        return every, out, start

    def _bound_of_all(self, relaxation, ids, b, q_all, usable):
        """The bound of the root with all features, given a solution on some."""
        problem = self.problem
        everything = Relaxation(
            None, problem.linear, problem.variance, problem.ridge, self.cost, self.most
        )
        gains = everything.gains(q_all)
        status = np.where(usable, 0, -1)
        status[self.locked] = 1
        c, q = problem.linear[:, ids], q_all[:, ids]
        value = problem.variance - float((c * b).sum()) + float((q * b).sum())
        left = self.size - len(self.locked)
        return value - everything.explained(gains, status, left), gains

    def _node(self, relaxation, status, parent):
        """The bound of a node, unless that or its few choices end it; fixes features.

        Fixing changes `status` in place.
        """
        n_inside, n_free = int((status == 1).sum()), int((status == 0).sum())
        if n_inside >= self.size or n_free == 0:
            self.offer(self.ids[status == 1])
            return None
        if self.cost == 0.0 and n_inside + n_free <= self.size:
            self.offer(self.ids[status >= 0])
            return None
        self.n_nodes += 1
        bound = relaxation.solve(
            status, self.size, parent.b, max(parent.price, 1e-300), self.limit
        )
        if bound.value >= self.limit:
            return None
        self._round(self.ids, status, bound)
        if bound.value >= self.limit:
            return None
        self._fix(status, bound.value, bound.gains)
        n_inside, n_free = int((status == 1).sum()), int((status == 0).sum())
        if n_free == 0 or n_inside >= self.size:
            self.offer(self.ids[status == 1])
            return None
        return bound

    def _fix(self, status, value, gains) -> None:
        """Settle features whose other choice the bound of a node rules out."""
        free = np.flatnonzero(status == 0)
        left = self.size - int((status == 1).sum())
        worth = gains[free]
        positive = np.maximum(worth, 0.0)
        count = min(left, len(free))
        order = np.argsort(-positive, kind="stable")
        inside, outside = order[:count], order[count:]
        # In the bound with another feature in, the weakest of the largest leaves.
        weakest = positive[inside[-1]] if left <= len(free) else 0.0
        following = positive[outside[0]] if len(outside) else 0.0
        limit = self.limit
        status[free[value + weakest - worth >= limit]] = -1
        never = inside[value + positive[inside] - following >= limit]
        status[free[never]] = 1

    def _branch_on(self, status, bound) -> int:
        """The free feature that is most in part, or else is worth most."""
        free = np.flatnonzero(status == 0)
        z = bound.z[free]
        part = np.minimum(z, 1.0 - z)
        if part.max() > _INTEGRAL:
            return int(free[np.argmax(part)])
        return int(free[np.argmax(bound.gains[free])])

    def _round(self, ids, status, bound) -> None:
        """Try the features that a relaxation has in most."""
        z, n_inside = bound.z, int((status == 1).sum())
        free = np.flatnonzero((status == 0) & (z > 0.0))
        if self.cost > 0.0:
            free = free[z[free] >= 0.5]
        order = free[np.argsort(-z[free], kind="stable")][: self.size - n_inside]
        self.offer(np.sort(ids[np.concatenate([np.flatnonzero(status == 1), order])]))

    def offer(self, support: np.ndarray) -> None:
        """Keep a support if its objective is the best."""
        key = support.tobytes()
        if key in self._tried:
            return
        self._tried.add(key)
        problem = self.problem
        linear = problem.linear[:, support]
        G = problem.source.block(support, support)
        kept, H = independent_inverse(G, problem.ridge[support])
        coef = np.zeros(linear.shape)
        coef[:, kept] = linear[:, kept] @ H
        if self.most < np.inf and (coef**2).sum(axis=0).max(initial=0.0) > self.most**2:
            within = Relaxation(
                G, linear, problem.variance, problem.ridge[support], 0.0, self.most
            )
            coef = within.fit()
        value = problem.variance - float((coef * (2.0 * linear - coef @ G)).sum())
        value += float((coef**2 @ problem.ridge[support]).sum())
        value += self.cost * len(support)
        if value < self.objective:
            self.best, self.coef, self.objective = support, coef, max(value, 0.0)

    def result(self) -> BranchResult:
        """What was found."""
        optimal = self.proved
        lower = self.objective if optimal else max(self.lower, 0.0)
        return BranchResult(
            self.best, self.coef, self.objective, lower, optimal, self.n_nodes,
            self.n_left,
        )  # fmt: skip
