"""What runs inside a child process to time single calls on arrays.

Arrays come from seeds, so that every process has the same.  Only NumPy is needed here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks import _peers

_SHORTEST = 0.5
"""Seconds that the repetitions of a call take at least, as far as they may."""
_MOST = 50


def time_calls(
    peer: str, task: str, rows: list[list], repeat: int, time_limit: float
) -> Iterator[dict]:
    """Time all calls of a peer on every array.

    Yields ``versions`` and, for each array and call, ``timed`` with the sum of squares
    of the result, by which those of others can be compared with it.
    """
    module = _peers.load(peer)
    yield {"event": "versions", "versions": module.versions()}
    for number, (n_rows, n_classes, scale) in enumerate(rows):
        make = distributions if task == "decode" else scores
        array = make(n_rows, n_classes, scale)
        for label, call in getattr(module, task)(array).items():
            result = call()
            yield {
                "event": "timed",
                "row": number,
                "label": label,
                "seconds": repeated(call, repeat, time_limit),
                "squares": None if result is None else squares(result),
            }


def repeated(call, repeat: int, time_limit: float) -> list[float]:
    """Seconds of each call: `repeat` of them, more of quick ones, fewer of slow."""
    done: list[float] = []
    while len(done) < repeat or (sum(done) < _SHORTEST and len(done) < _MOST):
        start = time.perf_counter()
        call()
        done.append(time.perf_counter() - start)
        if sum(done) > time_limit:
            break
    return done


def squares(result) -> float:
    """Sum of squares, in float64."""
    if hasattr(result, "data") and hasattr(result, "indptr"):
        result = result.data
    result = np.asarray(result, dtype=np.float64)
    return float(np.vdot(result, result))


def scores(n_rows: int, n_classes: int, scale: float) -> np.ndarray:
    """Normal scores in float32."""
    rng = np.random.default_rng(0)
    return scale * rng.standard_normal((n_rows, n_classes), dtype=np.float32)


def distributions(n_rows: int, n_classes: int, exponent: float) -> np.ndarray:
    """Rows of Zipf's law, each in an order of its own, in float64."""
    rng = np.random.default_rng(0)
    p = np.arange(1.0, n_classes + 1.0) ** -exponent
    p /= p.sum()
    return np.array([rng.permutation(p) for _ in range(n_rows)])
