"""Methods on the same arrays, timed in turn in one process, with what each reaches."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

_MODULE = "benchmarks.unmixing"
# Quick calls are repeated for half a second, at most this often.
_SHORTEST, _MOST = 0.5, 20


class Method(NamedTuple):
    """A call and what to report of its result.

    Attributes
    ----------
    name : str
        In the table.
    call : callable
        ``call() -> result``, timed after one call to warm up.
    remarks : callable
        ``remarks(result) -> list of str``, not timed.
    once : bool
        Whether the call is too slow for a second one.
    """

    name: str
    call: Callable[[], Any]
    remarks: Callable[[Any], list[str]]
    once: bool = False


def table_case(
    name: str, title: str, job: str, head: list[str], note: str, module: str
) -> Case:
    """Case of methods that a function of this package lists.

    Parameters
    ----------
    name, title : str
        See `Case`.
    job : str
        Function of `module`, ``job(quick) -> list of Method``; FileNotFoundError skips.
    head : list of str
        Names of the remarks.
    note : str
        What the table says.
    module : str
        Where the function is.
    """

    def run(settings: Settings) -> dict:
        if "sparsestat" not in settings.peers:
            raise Skip("sparsestat was not asked for")
        events = _runner.measure(
            f"{_MODULE}._calls:measure",
            {
                "module": module,
                "job": job,
                "quick": settings.quick,
                "repeat": settings.repeat,
                "time_limit": settings.time_limit,
            },
            threads=settings.threads,
            timeout=10 * settings.time_limit,
        )
        rows, ours, versions = [], None, ""
        for event in events:
            kind = event["event"]
            if kind == "skip":
                raise Skip(event["reason"])
            if kind == "versions":
                versions = event["versions"]
            elif kind == "timed":
                best, ratio = min(event["seconds"]), ""
                if event["name"].split(",")[0] == "sparsestat":
                    ours = best
                elif ours is not None:
                    ratio = f"{best / ours:.3g}"
                rows.append(
                    [
                        event["name"],
                        seconds(best),
                        seconds(statistics.median(event["seconds"])),
                        ratio,
                        *event["remarks"],
                    ]
                )
            elif kind == "absent":
                blank = [""] * (2 + len(head))
                rows.append([event["name"], event["reason"], *blank])
            else:
                raise RuntimeError(f"{kind}: {event['reason']}")
        table = {
            "title": "Best and median of several calls after a warm-up",
            "head": ["", "best", "median", "over ours above", *head],
            "rows": rows,
        }
        return {"kind": "tables", "tables": [table], "notes": [f"{note} {versions}."]}

    return Case(name, title, run)


def measure(
    module: str, job: str, quick: bool, repeat: int, time_limit: float
) -> Iterator[dict]:
    """Time all methods of a job; one that fails is told and left out."""
    from benchmarks.unmixing._peers import versions

    yield {"event": "versions", "versions": versions()}
    try:
        methods = getattr(importlib.import_module(f"{_MODULE}.{module}"), job)(quick)
    except FileNotFoundError as error:
        yield {"event": "skip", "reason": str(error).splitlines()[0]}
        return
    for method in methods:
        try:
            start = time.perf_counter()
            result = method.call()
            first = time.perf_counter() - start
        except ImportError as error:
            reason = f"not installed ({error.name})"
            yield {"event": "absent", "name": method.name, "reason": reason}
            continue
        remarks = method.remarks(result)
        times = [first] if method.once else repeated(method.call, repeat, time_limit)
        yield {
            "event": "timed",
            "name": method.name,
            "seconds": times,
            "remarks": remarks,
        }


def repeated(call: Callable, repeat: int, time_limit: float) -> list[float]:
    """Seconds of each call: `repeat` of them, more of quick ones, fewer of slow."""
    times: list[float] = []
    while sum(times) < time_limit and (
        len(times) < repeat or (sum(times) < _SHORTEST and len(times) < _MOST)
    ):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def scene(name: str, quick: bool):
    """A scene, or a small drawn one."""
    from sparsestat.datasets import load_hyperspectral, make_hyperspectral

    if not quick:
        return load_hyperspectral(name)
    drawn = make_hyperspectral(16, 16, endmembers=4, max_purity=1.0, random_state=0)
    return drawn


def fcls_gaps(X, E, A) -> tuple[float, float]:
    """Largest gap of Frank and Wolfe over the pixels, and largest breach of a >= 0 and
    of the sum, in double precision."""
    X, E, A = (np.asarray(values, dtype=np.float64) for values in (X, E, A))
    slopes = A @ (E @ E.T) - X @ E.T
    gap = (slopes * A).sum(axis=1) - slopes.min(axis=1)
    breach = max(-A.min(), np.abs(A.sum(axis=1) - 1.0).max())
    return float(gap.max()), float(max(breach, 0.0))


def nnls_violation(X, E, A) -> float:
    """Largest rise that is left: slopes of zeros, and of what is positive."""
    X, E, A = (np.asarray(values, dtype=np.float64) for values in (X, E, A))
    slopes = X @ E.T - A @ (E @ E.T)
    return float(max(slopes.max(), np.abs(slopes * A).max()))
