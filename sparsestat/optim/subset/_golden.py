"""Golden-section search for the best of many sizes, a few of which are looked at."""

from collections.abc import Callable
from math import inf

__all__ = ["golden_section"]

_RATIO = 0.618
# Sizes between which all are looked at.
_FEW = 3
# Rises below this size may be followed by falls.
_EARLY = 5


def golden_section(
    n: int,
    value: Callable[[int], float],
    ends: Callable[[int], bool],
    widen: bool,
) -> int:
    """Where a function of 0, ..., n - 1 is least, if it falls and then rises.

    All of the last bracket is looked at, and so are the neighbours of the least value,
    so that a function that rises and falls again leads to a local minimum at least.

    Parameters
    ----------
    n : int
    value : callable
        The function, which remembers; inf where there is nothing.
    ends : callable
        Whether nothing better is to be expected above, where `value` was called.
    widen : bool
        Look at 0, 1, 2, 4, ... first, until it rises, and then around the best.

    Returns
    -------
    best : int

    Examples
    --------
    >>> from sparsestat.optim.subset._golden import golden_section
    >>> golden_section(500, lambda k: abs(k - 70.0), lambda k: False, widen=True)
    70
    """
    seen = {}

    def at(k: int) -> float:
        seen[k] = value(k)
        return seen[k]

    low, high = 0, n - 1
    if widen:
        tried = _widened(n, at, ends)
        best = min(range(len(tried)), key=lambda i: seen[tried[i]])
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
    while high - low > _FEW:
        step = round(_RATIO * (high - low))
        left, right = high - step, low + step
        if at(left) <= at(right) or seen[right] == inf or ends(right):
            high = right
        else:
            low = left
    for k in range(low, high + 1):
        at(k)
    while True:
        best = min(seen, key=lambda k: (seen[k], k))
        around = {max(best - 1, 0)}
        if not ends(best):
            around.add(min(best + 1, n - 1))
        around -= seen.keys()
        if not around:
            return best
        for k in around:
            at(k)


def _widened(n: int, at, ends) -> list[int]:
    """Twice as far each time, until the function rises."""
    tried, least = [0], at(0)
    while tried[-1] < n - 1:
        k = min(max(2 * tried[-1], 1), n - 1)
        tried.append(k)
        found = at(k)
        if found == inf or ends(k) or (k >= _EARLY and found > least):
            break
        least = min(least, found)
    return tried
