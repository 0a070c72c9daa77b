"""Exchange descent at one number of units: splicing, then the best exchange of one.

Splicing exchanges several units at a time after Zhu et al. (2020), ranked by exact
costs and gains; the table of all exchanges of one unit then says when to stop.
"""

import numpy as np

from sparsestat.optim.subset._state import (
    best_swap,
    costs,
    enter_unit,
    exchange_changes,
    gains,
    leave_unit,
)
from sparsestat.utils.dispatch import kernel

__all__ = ["add_best", "descend", "drop_least"]


@kernel
def descend(state, v, exchange_max, swap, max_iter, tol, change):
    """Exchange units while that lowers the loss.

    Parameters
    ----------
    state : State
    v : float
        Loss of no units.
    exchange_max : int
        Units that splicing exchanges at most.
    swap : bool
        Whether the table of single exchanges ends the descent.
    max_iter : int
        Exchanges at most.
    tol : float
        Least fall of the loss, in units of v.
    change : ndarray of shape (1,)
        Becomes the change by the best exchange where the table ends the descent.

    Returns
    -------
    n_iter : int
        Exchanges made.
    """
    n_iter = 0
    while n_iter < max_iter:
        if _splice(state, v, exchange_max, tol):
            n_iter += 1
            continue
        if not swap:
            break
        dropped, added = best_swap(state, change)
        if dropped < 0 or change[0] > -tol * v:
            break
        leave_unit(state, dropped)
        enter_unit(state, added)
        n_iter += 1
    return n_iter


@kernel
def _splice(state, v, exchange_max, tol):
    """Exchange the cheapest active units for the most useful others, if that helps."""
    n = state.counts[1]
    price, gain = np.empty(n), np.empty(len(state.inside))
    costs(state, price)
    gains(state, gain)
    n_free = 0
    for k in range(n):
        if state.locked[state.units[k]]:
            price[k] = np.inf
        else:
            n_free += 1
    most = min(exchange_max, n_free)
    going, coming = np.empty(most, np.int64), np.empty(most, np.int64)
    n_coming = 0
    for k in range(most):
        i = np.argmin(price)
        going[k] = state.units[i]
        price[i] = np.inf
        j = np.argmax(gain)
        if gain[j] > 0.0:
            coming[n_coming] = j
            gain[j] = 0.0
            n_coming += 1
    if n_coming == 0 or most == 0:
        return False
    most = min(most, n_coming)
    change = np.empty(most)
    exchange_changes(state, going[:most], coming[:most], change)
    for size in range(most, 0, -1):
        if change[size - 1] < -tol * v:
            for i in range(size):
                leave_unit(state, going[i])
            for i in range(size):
                enter_unit(state, coming[i])
            return True
    return False


@kernel
def add_best(state):
    """Make the unit active that lowers the loss most; -1 if none does."""
    gain = np.empty(len(state.inside))
    gains(state, gain)
    j = np.argmax(gain)
    if gain[j] <= 0.0:
        return -1
    enter_unit(state, j)
    return j


@kernel
def drop_least(state):
    """Make the unit inactive that is missed least; -1 if all are locked."""
    price = np.empty(state.counts[1])
    costs(state, price)
    best, which = np.inf, -1
    for k in range(len(price)):
        if price[k] < best and not state.locked[state.units[k]]:
            best, which = price[k], state.units[k]
    if which >= 0:
        leave_unit(state, which)
    return which
