"""One engine for data held in parts: map a pure function over shards, merge in order.

A round is one message to every shard and one payload back from each.  Payloads are
merged in a tree whose shape depends on the number of shards alone, so that the result
has the same bits whichever finished first, wherever it ran and however often it was
tried.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sparsestat.distributed._shards import LocalShards, Shards

__all__ = ["ShardsLost", "add", "map_reduce"]

# Payloads merged at a time, in order, before their sum goes on.
_ARITY = 8


class ShardsLost(RuntimeError):
    """A shard gave no result, however often it was asked.

    Parameters
    ----------
    message : str
        What was tried.
    shards : sequence of int, default=()
        Numbers of the shards; empty where the whole cluster is gone.

    Examples
    --------
    >>> from sparsestat.distributed import ShardsLost
    >>> ShardsLost("no answer", [2]).shards
    (2,)
    """

    def __init__(self, message: str, shards: Sequence[int] = ()):
        super().__init__(message, tuple(shards))
        self.message, self.shards = message, tuple(shards)

    def __str__(self) -> str:
        return self.message


def add(first: Sequence, second: Sequence) -> tuple:
    """Sum of two payloads, array by array; NamedTuples keep their type."""
    total = [a + b for a, b in zip(first, second, strict=True)]
    return type(first)(*total) if hasattr(first, "_fields") else tuple(total)


def map_reduce(
    f: Callable,
    shards: Shards | Sequence,
    message: Any = None,
    *,
    merge: Callable = add,
    purpose: str = "",
    communication: list[dict] | None = None,
    max_retries: int = 3,
    timeout: float | None = None,
) -> tuple:
    r"""One round: apply a function to every shard and merge what comes back.

    .. math::
        f(s_1, m) \oplus f(s_2, m) \oplus \dots \oplus f(s_K, m)

    in the order of the shards, by eights: the numbers do not depend on workers.

    Parameters
    ----------
    f : callable
        ``f(shard, message)`` returns a tuple of ndarrays. It must be pure: shards are
        tried again, or twice. On a cluster it must be importable there. A ValueError
        or TypeError tells of bad data and is raised at once, with the shard's number;
        any other exception is tried again.
    shards : Shards or sequence
        Made by :func:`as_shards`, whose members reach `f` as :class:`Shard`; or any
        sequence, whose members reach it as they are, in this process.
    message : object, default=None
        What every shard is told.
    merge : callable, default=add
        ``merge(a, b)`` of two payloads, associative up to rounding; by default their
        sum.
    purpose : str, default=""
        Name of the round in the account.
    communication : list, default=None
        Receives a dict on the round: ``round``, ``purpose``, ``up_floats_per_shard``
        (the largest payload), ``down_floats`` (of the message), ``up_bytes_total``,
        ``down_bytes_total``, ``seconds`` and ``retries``.
    max_retries : int, default=3
        How often a shard is tried again after a failure that is not the data's fault:
        a lost worker, a cancelled or late task, an error of input or output.
    timeout : float, default=None
        Seconds that a shard may take. In this process it is checked between shards.

    Returns
    -------
    payload : tuple of ndarrays
        Of all shards; of the type that `f` and `merge` return.

    Raises
    ------
    ValueError
        If `f` finds bad data, or there are no shards.
    ShardsLost
        If a shard fails more than `max_retries` times, or the scheduler is lost.
        Nothing is summed in part.

    See Also
    --------
    as_shards : Shards of arrays and dask collections.
    condense : The rows that least squares needs, from one round.

    References
    ----------
    Dean and Ghemawat (2008), doi:10.1145/1327452.1327492.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.distributed import map_reduce
    >>> def moments(x, centre):
    ...     return np.array(len(x)), np.sum((x - centre) ** 2)
    >>> n, squares = map_reduce(moments, [np.arange(3.0), np.arange(2.0)], 1.0)
    >>> int(n), float(squares)
    (5, 3.0)
    """
    if not isinstance(shards, Shards):
        shards = LocalShards(list(shards))
    if len(shards) == 0:
        raise ValueError("shards must not be empty; got none.")
    start = time.perf_counter()
    counter = _Counter()
    payloads = shards.payloads(f, message, counter, max_retries, timeout)
    total = _merged(counter.read(payloads), merge, len(shards))
    if communication is not None:
        down = _size(message)
        communication.append(
            {
                "round": len(communication),
                "purpose": purpose,
                "up_floats_per_shard": counter.largest,
                "down_floats": down,
                "up_bytes_total": 8 * counter.total,
                "down_bytes_total": 8 * down * len(shards),
                "seconds": time.perf_counter() - start,
                "retries": counter.retries,
            }
        )
    return total


class _Counter:
    """What a round has received, and how often it had to ask again."""

    def __init__(self) -> None:
        self.largest = self.total = self.retries = 0

    def read(self, payloads: Iterable) -> Iterable:
        for payload in payloads:
            size = _size(payload)
            self.largest = max(self.largest, size)
            self.total += size
            yield payload


def _size(value: Any) -> int:
    """Numbers in a payload or message; nothing else is counted."""
    if isinstance(value, np.ndarray | np.number):
        return int(value.size)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return int(isinstance(value, int | float | complex) and value is not bool(value))


def _merged(payloads: Iterable, merge: Callable, n: int) -> Any:
    """Merge as they come, eight at each level: O(log n) payloads are kept."""
    levels: list[list] = []

    def push(value, level):
        if level == len(levels):
            levels.append([])
        levels[level].append(value)
        if len(levels[level]) == _ARITY:
            push(_folded(levels[level], merge), level + 1)
            levels[level] = []

    seen = 0
    for payload in payloads:
        push(payload, 0)
        seen += 1
    assert seen == n
    carry = []
    for level in levels:
        carry = [_folded(level + carry, merge)] if level or carry else []
    return carry[0]


def _folded(values: list, merge: Callable) -> Any:
    total = values[0]
    for value in values[1:]:
        total = merge(total, value)
    return total
