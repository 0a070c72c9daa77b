"""The largest entries of long rows, in order, without sorting the rows.

One pass keeps a buffer of what exceeds the smallest of the largest so far, or before
that an entry of a sample; blocks that hold nothing of the kind are skipped at the speed
of memory.
"""

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["FIRST", "largest", "prefix_rows"]

FIRST = 256
"""Entries looked at first: few rows need more."""

_BLOCK, _PART = 64, 8
_SAMPLE = 2048


@kernel
def prefix_rows(S, P, totals, count, share, first, data, indices, indptr):
    """Append renormalised prefixes of rows sorted by S, largest first.

    A prefix ends with its `count`-th entry or, where a share below one is given and no
    count, where its P reach that share of their total, but after one entry at the
    earliest; it holds no entry with P = 0.  Returns the row to go on with.
    """
    n_rows, width = S.shape
    buffer, where = np.empty(2 * width), np.empty(2 * width, np.int64)
    for i in range(first, n_rows):
        s, p = S[i], P[i]
        mass = share * totals[i]
        n = largest(s, min(count, width), buffer, where)
        size, total = 0, 0.0
        while size < n and (size == 0 or total < mass):
            total += p[where[size]]
            size += 1
        if total < mass < np.inf:
            size, total = _heaviest(s, p, mass, buffer, where)
        start = indptr[i]
        if start + size > len(data):
            return i
        kept = start
        for k in range(size):
            if p[where[k]] > 0.0:
                data[kept], indices[kept] = p[where[k]] / total, where[k]
                kept += 1
        indptr[i + 1] = kept
    return n_rows


@kernel
def _heaviest(s, p, mass, keys, where):
    """Put the shortest prefix that holds the mass in front, by quickselect.

    Returns its size and its mass; its entries are in the order of their indices.
    """
    n = 0
    for k in range(len(s)):
        keys[n], where[n] = s[k], k
        n += p[k] > 0.0
    start, stop, above = 0, n, 0.0
    border = -np.inf
    while start < stop:
        a, b, c = keys[start], keys[(start + stop) // 2], keys[stop - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        larger, equal, heavy, tied = _split(keys, where, p, start, stop, pivot)
        if above + heavy >= mass:
            stop = larger
        elif above + heavy + tied >= mass:
            border = pivot
            above += heavy
            break
        else:
            above += heavy + tied
            start = equal
    # Of equal entries the first are taken.
    size = 0
    total = above
    for k in range(len(s)):
        if p[k] > 0.0 and (s[k] > border or (s[k] == border and total < mass)):
            total += p[k] if s[k] == border else 0.0
            where[size] = k
            size += 1
    return size, total


@kernel
def _split(keys, where, p, start, stop, pivot):
    """Order as > pivot, equal, < pivot; return two borders and the first two sums."""
    larger, k, below = start, start, stop
    heavy, tied = 0.0, 0.0
    while k < below:
        if keys[k] > pivot:
            heavy += p[where[k]]
            keys[k], keys[larger] = keys[larger], keys[k]
            where[k], where[larger] = where[larger], where[k]
            larger += 1
            k += 1
        elif keys[k] < pivot:
            below -= 1
            keys[k], keys[below] = keys[below], keys[k]
            where[k], where[below] = where[below], where[k]
        else:
            tied += p[where[k]]
            k += 1
    return larger, k, heavy, tied


@kernel
def largest(s, m, buffer, where):
    """Put the m largest entries in the front of the buffer; return how many there are.

    In decreasing order, of equal ones those with the lower index first.  The buffers
    have room for twice the row.
    """
    border = _guess_border(s, m, buffer)
    n = _collect(s, m, border, buffer, where)
    if n < m and border > -np.inf:
        n = _collect(s, m, -np.inf, buffer, where)
    order = np.argsort(-buffer[:n], kind="mergesort")
    sorted_where = where[:n][order]
    buffer[:n] = buffer[:n][order]
    where[:n] = sorted_where
    return n


@kernel
def _guess_border(s, m, buffer):
    """An entry of a sample of a long row that m others almost certainly exceed."""
    rank = 2 * m * _SAMPLE // len(s) + 4
    if len(s) < 4 * _SAMPLE or rank > _SAMPLE // 8:
        return -np.inf
    step = len(s) // _SAMPLE
    for k in range(_SAMPLE):
        buffer[k] = s[k * step]
    return np.partition(buffer[:_SAMPLE], _SAMPLE - rank)[_SAMPLE - rank]


@kernel
def _collect(s, m, border, buffer, where):
    """Put the m largest of what exceeds the border in front, as they come."""
    n = 0
    for start in range(0, len(s), _BLOCK):
        block = s[start : start + _BLOCK]
        if _count_above(block, border) == 0:
            continue
        for begin in range(0, len(block), _PART):
            part = block[begin : begin + _PART]
            if _count_above(part, border) == 0:
                continue
            for i in range(len(part)):
                buffer[n], where[n] = part[i], start + begin + i
                n += part[i] > border
                if n == 2 * m:
                    n, border = _prune(buffer, where, n, m)
    return _prune(buffer, where, n, m)[0] if n > m else n


@kernel
def _count_above(z, border):
    n = 0
    for k in range(len(z)):
        n += z[k] > border
    return n


@kernel
def _prune(buffer, where, n, m):
    """Keep the m largest in their order, and return m with the smallest of them."""
    border = np.partition(buffer[:n], n - m)[n - m]
    above = 0
    for k in range(n):
        above += buffer[k] > border
    equal = m - above
    kept = 0
    for k in range(n):
        value = buffer[k]
        if value > border or (value == border and equal > 0):
            equal -= value == border
            buffer[kept], where[kept] = value, where[k]
            kept += 1
    return kept, border
