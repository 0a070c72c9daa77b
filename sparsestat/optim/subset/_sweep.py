"""Best known supports of every size, by sweeps over sizes in both directions.

Forwards, the unit that helps most joins the solution of the size before; backwards, the
one that is missed least leaves the best solution of the size above; either is then
improved by exchanges.  So no size is worse than the one below it, nor than what its
neighbours lead to.
"""

from collections.abc import Callable
from math import ceil

import numpy as np

from sparsestat.optim.subset._descent import add_best, descend, drop_least
from sparsestat.optim.subset._state import best_swap, loss_of, make_state, move_to

__all__ = ["Options", "Sweep"]

# Losses that differ by less than this share of v are the same.
_SAME = 1e-12
# Fits that leave no more than this share of v are perfect.
_PERFECT = 1e-14


class Options:
    """How hard to search; see :func:`sparsestat.optim.subset.subset_path`."""

    def __init__(
        self, *, swap=True, exchange_max=5, n_sweeps=2, n_restarts=0, max_iter=100,
        early_stopping=True, rng=None,
    ):  # fmt: skip
        self.swap, self.exchange_max = swap, exchange_max
        self.n_sweeps, self.n_restarts = n_sweeps, n_restarts
        self.max_iter, self.early_stopping = max_iter, early_stopping
        self.rng = np.random.default_rng(0) if rng is None else rng


class Sweep:
    """Supports of sizes n_locked, ..., K within a universe of units.

    Attributes
    ----------
    losses : dict of int to float
        Best known loss of each size.
    units : dict of int to ndarray
        Its units.
    n_iter : int
        Supports visited and exchanges made.
    ended : bool
        Whether the criterion or a perfect fit ended the sweep before its last size.
    """

    def __init__(self, G, c, v, starts, usable, locked, capacity, options, criterion):
        self.v, self.options, self.criterion = v, options, criterion
        self.state = make_state(G, c, starts, usable, locked, capacity)
        self.losses: dict[int, float] = {}
        self.units: dict[int, np.ndarray] = {}
        self.values: dict[int, float] = {}
        self.n_iter, self.ended = 0, False
        self._locked = np.flatnonzero(locked)
        self._ends: dict[bytes, np.ndarray] = {}

    def start(self, supports) -> None:
        """Improve on given sets of units."""
        for units in supports:
            self._go_to(units)
            self._descend()
            self._note()

    def run(self, max_size: int) -> None:
        """Sweep over sizes up to the largest, or where the criterion ends it."""
        self._forward(max_size)
        options = self.options
        for _ in range(options.n_sweeps if options.swap else 0):
            improved = self._backward()
            improved = self._again() or improved
            if not improved:
                break
        if options.n_restarts:
            self._restart()

    def least_change(self, size: int) -> float:
        """The change of loss by the best exchange at a size."""
        self._go_to(self.units[size])
        out = np.empty(1)
        best_swap(self.state, out)
        return float(out[0])

    def stops(self, size: int) -> bool:
        """Whether nothing is to be expected above a size."""
        if self.losses[size] <= _PERFECT * self.v:
            return True
        if not self.options.early_stopping:
            return False
        best = min(self.values, key=self.values.get)
        return size - best >= max(5, ceil(0.25 * best))

    def _forward(self, max_size: int) -> None:
        size = len(self._locked)
        self._go_to(self._locked)
        self._note()
        while size < max_size:
            if self.stops(size):
                self.ended = True
                return
            if add_best(self.state) < 0:
                self.ended = True
                return
            size += 1
            self._descend()
            if not self._note():
                self._go_to(self.units[size])

    def _backward(self) -> bool:
        """Whether some size got better."""
        improved = False
        sizes = sorted(self.losses)
        self._go_to(self.units[sizes[-1]])
        for size in sizes[-2::-1]:
            if drop_least(self.state) < 0:
                break
            self._descend()
            better = self._note()
            improved = improved or better
            if not better:
                self._go_to(self.units[size])
        return improved

    def _again(self) -> bool:
        """Forwards once more over the sizes that are there."""
        improved = False
        sizes = sorted(self.losses)
        for size in sizes[1:]:
            self._go_to(self.units[size - 1])
            if add_best(self.state) < 0:
                break
            self._descend()
            improved = self._note() or improved
        return improved

    def _restart(self) -> None:
        """Exchange some units at random and descend from there."""
        n_units = len(self.state.inside)
        rng = self.options.rng
        for size in sorted(self.losses):
            free = np.setdiff1d(self.units[size], self._locked)
            rest = np.setdiff1d(np.arange(n_units), self.units[size])
            n = min(ceil(size / 4), len(free), len(rest))
            for _ in range(self.options.n_restarts if n else 0):
                going = rng.choice(free, n, replace=False)
                coming = rng.choice(rest, n, replace=False)
                kept = np.setdiff1d(self.units[size], going)
                self._go_to(np.concatenate([kept, coming]))
                self._descend()
                self._note()

    def _go_to(self, units) -> None:
        move_to(self.state, units)

    def _descend(self) -> None:
        """Exchange units while that helps; once only from the same support."""
        o, start = self.options, self._key()
        if start in self._ends:
            self._go_to(self._ends[start])
            return
        n = descend(self.state, self.v, o.exchange_max, o.swap, o.max_iter, _SAME)
        self.n_iter += n
        if n < o.max_iter:
            end = self.state.units[: self.state.counts[1]].copy()
            self._ends[start] = self._ends[self._key()] = end

    def _key(self) -> bytes:
        return np.sort(self.state.units[: self.state.counts[1]]).tobytes()

    def _note(self) -> bool:
        """Keep the support of the state if it is the best of its size."""
        state = self.state
        self.n_iter += 1
        size = int(state.counts[1])
        loss = loss_of(state, self.v)
        if loss >= self.losses.get(size, np.inf) - _SAME * self.v:
            return False
        self.losses[size] = loss
        self.units[size] = state.units[:size].copy()
        self.values[size] = self.criterion(self, size, loss)
        return True


Criterion = Callable[[Sweep, int, float], float]
