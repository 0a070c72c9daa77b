"""Best known supports of every size, by sweeps over sizes in both directions.

Forwards, the unit that helps most joins the solution of the size before; backwards, the
one that is missed least leaves the best solution of the size above; either is then
improved by exchanges.  So no size is worse than the one below it, nor than what its
neighbours lead to.  A golden section visits few sizes, each from the nearest one.  What
follows from a support is tried once.
"""

from collections.abc import Callable
from math import ceil, inf
from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.subset._descent import add_best, descend, drop_least
from sparsestat.optim.subset._golden import golden_section
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
        early_stopping=True, golden=False, rng=None,
    ):  # fmt: skip
        self.golden = golden
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
        self._valued: dict[int, float] = {}
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

    def units(self, size: int) -> np.ndarray:
        """The units of the best known support of a size."""
        return self._book.units[size, :size].copy()

    def start(self, supports, settled) -> None:
        """Improve on given sets of units.

        Parameters
        ----------
        supports : list of ndarray of int
        settled : list of tuple or None
            Loss and change by the best exchange of those that none improves.
        """
        book = self._book
        for units, known in zip(supports, settled, strict=True):
            size = len(units)
            if known is None or self._weighs:
                move_to(self.state, units)
            if known is None:
                better = _visit(self.state, book, *self._rules)
            else:
                book.losses[size], book.changes[size] = known
                book.units[size, :size] = units
                better = book.settled[size] = True
            if better and self._weighs:
                self._value(size)

    def run(self, sizes, known=frozenset()) -> None:
        """Sweep over sizes up to the largest, or where the criterion ends it.

        Parameters
        ----------
        sizes : ndarray of int
            To choose from, increasing; a golden section visits no others.
        known : set of int
            Sizes that are not grown from those below at first.
        """
        if self.options.golden:
            self._golden(sizes)
        else:
            self._forward(int(sizes[-1]), known & self.losses.keys())
        if self.options.swap:
            self._improve(sizes)
        if self.options.n_restarts:
            self._restart()

    def _improve(self, sizes) -> None:
        """Sweeps, and after each of them a look at sizes that are better now."""
        book, golden = self._book, self.options.golden
        first, n_sweeps = len(self._locked), self.options.n_sweeps
        for _ in range(n_sweeps if golden else 1):
            before = book.losses.copy()
            last = int(np.flatnonzero(before < np.inf)[-1])
            each = 1 if golden else n_sweeps
            _sweep(self.state, book, first, last, each, not golden, *self._rules)
            if not golden or (book.losses == before).all():
                break
            self._golden(sizes)

    def _golden(self, sizes) -> None:
        def value(k):
            size = int(sizes[k])
            if not self._reach(size):
                return inf
            if self._valued.get(size) != self._book.losses[size]:
                move_to(self.state, self._book.units[size, :size])
                self._value(size)
            return self.values[size]

        def ends(k):
            size = int(sizes[k])
            if self._book.losses[size] <= _PERFECT * self.v:
                return True
            return self.options.early_stopping and self.stops(size)

        golden_section(len(sizes), value, ends, self.options.early_stopping)
        self.ended = max(self.losses) < sizes[-1]

    def _reach(self, size: int) -> bool:
        """Look at a size from the nearest one; whether there is such a subset."""
        book, state = self._book, self.state
        if not self.losses:
            move_to(state, self._locked)
            _visit(state, book, *self._rules)
        if book.losses[size] < np.inf:
            return True
        near = min(self.losses, key=lambda known: (abs(known - size), known))
        move_to(state, book.units[near, :near])
        while state.counts[1] != size:
            move = add_best if state.counts[1] < size else drop_least
            if move(state) < 0:
                return False
        return _visit(state, book, *self._rules)

    def least_change(self, size: int) -> float:
        """The change of loss by the best exchange at a size; NaN if it is unknown."""
        return float(self._book.changes[size])

    def stops(self, size: int) -> bool:
        """Whether the criterion expects nothing above a size."""
        best = min(self.values, key=self.values.get)
        return size - best >= max(5, ceil(0.25 * best))

    @property
    def _weighs(self) -> bool:
        return self.options.early_stopping or self.options.golden

    def _value(self, size: int) -> None:
        loss = float(self._book.losses[size])
        self.values[size] = self.criterion(self, size, loss)
        self._valued[size] = loss

    def _forward(self, max_size: int, known) -> None:
        size, book = len(self._locked), self._book
        move_to(self.state, self._locked)
        _visit(self.state, book, *self._rules)
        if self._weighs:
            self._value(size)
        while size < max_size:
            if self._weighs and self.stops(size):
                self.ended = True
                return
            if size + 1 in known and book.losses[size] > _PERFECT * self.v:
                size += 1
                continue
            last = size + 1 if self._weighs or known else max_size
            reached = _forward(self.state, book, size, last, *self._rules)
            self.ended = reached < last
            if self.ended:
                return
            size = reached
            if self._weighs:
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
def _sweep(
    state, book, first, last, n_sweeps, fill, v, exchange_max, swap, max_iter
):  # fmt: skip
    """Pairs of sweeps, backwards and forwards, while some size gets better.

    Sizes of which nothing is known are looked at if `fill`, else left out.
    """
    for _ in range(n_sweeps):
        improved = False
        for size in range(last, first, -1):
            if book.shrunk[size] or book.losses[size] == np.inf:
                continue
            if not fill and book.losses[size - 1] == np.inf:
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
            if not fill and book.losses[size + 1] == np.inf:
                continue
            book.grown[size] = True
            move_to(state, book.units[size, :size])
            if add_best(state) < 0:
                break
            better = _visit(state, book, v, exchange_max, swap, max_iter)
            improved = improved or better
        if not improved:
            break
