"""Best known supports of every size, by sweeps over sizes in both directions.

Forwards, the unit that helps most joins the solution of the size before; backwards, the
one that is missed least leaves the best solution of the size above; either is then
improved by exchanges.  So no size is worse than the one below it, nor than what its
neighbours lead to.  What follows from a support is tried once.
"""

from collections.abc import Callable
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.subset._descent import add_best, descend, drop_least
from sparsestat.optim.subset._state import loss_of, make_state, move_to
from sparsestat.utils.dispatch import kernel

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


class _Book(NamedTuple):
    """The best known support of each size and what was tried from it.

    Parameters
    ----------
    units : ndarray of shape (n_sizes, n_sizes), int64
        Its units, size after size.
    losses, changes : ndarray of shape (n_sizes,)
        Its loss, inf where there is none, and the change by its best exchange, NaN
        while unknown.
    settled, grown, shrunk : ndarray of shape (n_sizes,), bool
        Whether exchanges end there, and whether units were added and dropped already.
    n_iter : ndarray of shape (1,), int64
        Supports visited and exchanges made.
    """

    units: Any
    losses: Any
    changes: Any
    settled: Any
    grown: Any
    shrunk: Any
    n_iter: Any


class Sweep:
    """Supports of sizes n_locked, ..., K within a universe of units.

    Attributes
    ----------
    ended : bool
        Whether the criterion or a perfect fit ended the sweep before its last size.
    """

    def __init__(self, G, c, v, starts, usable, locked, capacity, options, criterion):
        self.v, self.options, self.criterion = v, options, criterion
        self.state = make_state(G, c, starts, usable, locked, capacity)
        n = min(capacity, len(locked)) + 1
        self._book = _Book(
            np.zeros((n, n), np.int64),
            np.full(n, np.inf),
            np.full(n, np.nan),
            *np.zeros((3, n), np.bool_),
            np.zeros(1, np.int64),
        )
        self.values: dict[int, float] = {}
        self.ended = False
        self._locked = np.flatnonzero(locked)
        o = options
        self._rules = v, o.exchange_max, o.swap, o.max_iter

    @property
    def n_iter(self) -> int:
        """Supports visited and exchanges made."""
        return int(self._book.n_iter[0])

    @property
    def losses(self) -> dict[int, float]:
        """Best known loss of each size."""
        losses = self._book.losses
        return {int(s): float(losses[s]) for s in np.flatnonzero(losses < np.inf)}

    @property
    def units(self) -> dict[int, np.ndarray]:
        """Its units."""
        units = self._book.units
        return {size: units[size, :size].copy() for size in self.losses}

    def start(self, supports) -> None:
        """Improve on given sets of units."""
        for units in supports:
            move_to(self.state, units)
            if _visit(self.state, self._book, *self._rules) and self._weighs:
                self._value(len(units))

    def run(self, max_size: int) -> None:
        """Sweep over sizes up to the largest, or where the criterion ends it."""
        self._forward(max_size)
        options, book = self.options, self._book
        if options.swap:
            last = int(np.flatnonzero(book.losses < np.inf)[-1])
            first = len(self._locked)
            _sweep(self.state, book, first, last, options.n_sweeps, *self._rules)
        if options.n_restarts:
            self._restart()

    def least_change(self, size: int) -> float:
        """The change of loss by the best exchange at a size; NaN if it is unknown."""
        return float(self._book.changes[size])

    def stops(self, size: int) -> bool:
        """Whether the criterion expects nothing above a size."""
        best = min(self.values, key=self.values.get)
        return size - best >= max(5, ceil(0.25 * best))

    @property
    def _weighs(self) -> bool:
        return self.options.early_stopping

    def _value(self, size: int) -> None:
        self.values[size] = self.criterion(self, size, float(self._book.losses[size]))

    def _forward(self, max_size: int) -> None:
        size = len(self._locked)
        move_to(self.state, self._locked)
        _visit(self.state, self._book, *self._rules)
        if not self._weighs:
            last = _forward(self.state, self._book, size, max_size, *self._rules)
            self.ended = last < max_size
            return
        self._value(size)
        while size < max_size:
            if self.stops(size):
                self.ended = True
                return
            last = _forward(self.state, self._book, size, size + 1, *self._rules)
            if last == size:
                self.ended = True
                return
            size = last
            self._value(size)

    def _restart(self) -> None:
        """Exchange some units at random and descend from there."""
        n_units = len(self.state.inside)
        rng = self.options.rng
        for size in self.losses:
            own = self._book.units[size, :size].copy()
            free = np.setdiff1d(own, self._locked)
            rest = np.setdiff1d(np.arange(n_units), own)
            n = min(ceil(size / 4), len(free), len(rest))
            for _ in range(self.options.n_restarts if n else 0):
                own = self._book.units[size, :size]
                free = np.setdiff1d(own, self._locked)
                rest = np.setdiff1d(np.arange(n_units), own)
                going = rng.choice(free, n, replace=False)
                coming = rng.choice(rest, n, replace=False)
                kept = np.setdiff1d(own, going)
                move_to(self.state, np.concatenate([kept, coming]))
                _visit(self.state, self._book, *self._rules)


Criterion = Callable[[Sweep, int, float], float]


@kernel
def _visit(state, book, v, exchange_max, swap, max_iter):
    """Descend from the support of the state; whether that ends at a better one."""
    size = state.counts[1]
    book.n_iter[0] += 1
    if book.settled[size]:
        same = True
        for k in range(size):
            same = same and state.inside[book.units[size, k]]
        if same:
            return False
    change = np.full(1, np.nan)
    n = descend(state, v, exchange_max, swap, max_iter, _SAME, change)
    book.n_iter[0] += n
    loss = loss_of(state, v)
    if loss >= book.losses[size] - _SAME * v:
        return False
    book.losses[size] = loss
    book.changes[size] = change[0] if n < max_iter else np.nan
    for k in range(size):
        book.units[size, k] = state.units[k]
    book.settled[size] = n < max_iter
    book.grown[size] = book.shrunk[size] = False
    return True


@kernel
def _forward(state, book, size, last, v, exchange_max, swap, max_iter):
    """Add unit after unit; the last size that was reached."""
    while size < last and book.losses[size] > _PERFECT * v:
        move_to(state, book.units[size, :size])
        book.grown[size] = True
        if add_best(state) < 0:
            return size
        size += 1
        _visit(state, book, v, exchange_max, swap, max_iter)
    return size


@kernel
def _sweep(state, book, first, last, n_sweeps, v, exchange_max, swap, max_iter):
    """Pairs of sweeps, backwards and forwards, while some size gets better."""
    for _ in range(n_sweeps):
        improved = False
        for size in range(last, first, -1):
            if book.shrunk[size] or book.losses[size] == np.inf:
                continue
            book.shrunk[size] = True
            move_to(state, book.units[size, :size])
            if drop_least(state) < 0:
                break
            better = _visit(state, book, v, exchange_max, swap, max_iter)
            improved = improved or better
        for size in range(first, last):
            if book.grown[size] or book.losses[size] == np.inf:
                continue
            book.grown[size] = True
            move_to(state, book.units[size, :size])
            if add_best(state) < 0:
                break
            better = _visit(state, book, v, exchange_max, swap, max_iter)
            improved = improved or better
        if not improved:
            break
