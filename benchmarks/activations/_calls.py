"""Cases that time calls on the same arrays in every peer's own process."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import _peers, _runner
from benchmarks._case import Case, Settings


class Row(NamedTuple):
    """Shape and scale of the scores; for decoding the exponent of Zipf's law."""

    n_rows: int
    n_classes: int
    scale: float


def calls_case(
    name: str, title: str, task: str, rows: Sequence[Row], *, per_row: bool = False
) -> Case:
    """Case that times what each peer's function ``task`` returns.

    Parameters
    ----------
    name, title : str
        See `Case`.
    task : str
        Function of a peer, ``task(array) -> {label: call}``; absent, the peer is left
        out.
    rows : sequence of Row
        Arrays.
    per_row : bool, default=False
        Whether times are those of a row.
    """

    def run(settings: Settings) -> dict:
        shapes = [_shrink(row) for row in rows] if settings.quick else list(rows)
        peers = {
            peer: _measure(peer, task, shapes, settings)
            for peer in settings.peers
            if hasattr(_peers.load(peer), task)
        }
        if per_row:
            for peer in peers.values():
                for row in peer["rows"]:
                    n = shapes[row["row"]].n_rows
                    row.update(best=row["best"] / n, median=row["median"] / n)
        return {
            "kind": "calls",
            "rows": [row._asdict() for row in shapes],
            "per_row": per_row,
            "peers": peers,
        }

    return Case(name, title, run)


def _shrink(row: Row) -> Row:
    return row._replace(n_rows=min(row.n_rows, 20), n_classes=min(row.n_classes, 500))


def _measure(peer: str, task: str, rows: list[Row], settings: Settings) -> dict:
    """One peer: ``name, status, reason, versions, rows``."""
    module = _peers.load(peer)
    record = {"name": module.NAME, "status": "ok", "rows": []}
    try:
        interpreter = getattr(module, "interpreter", lambda: None)()
    except ImportError as error:
        return {**record, "status": "missing", "reason": str(error)}
    events = _runner.measure(
        "benchmarks._time_calls:time_calls",
        {
            "peer": peer,
            "task": task,
            "rows": [list(row) for row in rows],
            "repeat": settings.repeat,
            "time_limit": settings.time_limit,
        },
        interpreter=interpreter,
        threads=settings.threads,
        timeout=10 * settings.time_limit,
    )
    for event in events:
        kind = event.pop("event")
        if kind == "versions":
            record["versions"] = event["versions"]
        elif kind == "timed":
            times = event.pop("seconds")
            best, median = min(times), statistics.median(times)
            record["rows"].append({**event, "best": best, "median": median})
        else:
            record.update(status=kind, reason=event["reason"])
    for row in record["rows"]:
        print(f"  {row['label']}: {row['best']:.3g} s", flush=True)
    return record
