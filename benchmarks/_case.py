"""A benchmark case and the settings it is run with."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks import _peers, _runner
from benchmarks._problem import Problem

GIVE_UP = 2.0
"""A setting this many times slower than the peer's best so far is not pursued."""


class Skip(Exception):
    """Raised by a case that cannot run here; its text is the reason reported."""


class Settings(NamedTuple):
    """How a benchmark is run.

    Attributes
    ----------
    peers : tuple of str
        Names of the modules in ``benchmarks._peers``.
    repeat : int
        Timed calls of a setting after its sweep.
    threads : int
        Threads of every solver.
    time_limit : float
        Seconds after which a call ends the sweep that it is part of.
    quick : bool
        Whether problems shrink to a size that shows that everything runs.
    """

    peers: tuple[str, ...]
    repeat: int = 5
    threads: int = 1
    time_limit: float = 60.0
    quick: bool = False


class Case(NamedTuple):
    """A case of a family.

    Attributes
    ----------
    name : str
        Letter, with a suffix after a dot when a letter has several problems.
    title : str
        What is measured, one line.
    run : callable
        ``run(settings) -> dict``, the case's part of the report.
    """

    name: str
    title: str
    run: Callable[[Settings], dict]


def facts(problem: Problem) -> dict[str, Any]:
    """Size of a problem, for the report."""
    X = problem.X
    held = X.data.nbytes + X.indices.nbytes if problem.is_sparse else X.nbytes
    out = {
        "n_samples": X.shape[0],
        "n_features": X.shape[1],
        "n_alphas": len(problem.alphas),
        "alpha_ratio": float(problem.alphas[-1] / problem.alphas[0]),
        "dtype": str(X.dtype),
        "bytes": held,
    }
    if problem.is_sparse:
        out["nnz"] = X.nnz
    if problem.y.dtype.kind == "i":
        # Classes have a squared penalty, under which no strength makes all zero.
        out["largest_alpha"] = float(problem.alphas[0])
    return out


def run_peer(
    peer: str,
    task: str,
    call: str,
    problem: Problem,
    targets: Sequence[float],
    settings: Settings,
    **extra: Any,
) -> dict:
    """Measure one peer at every setting it has; keep the fastest for each target.

    Parameters
    ----------
    peer : str
        Module in ``benchmarks._peers``.
    task : str
        Function of that module; a peer without it is reported as such.
    call : str
        Generator to run in the child, see `_runner.measure`.
    problem : Problem
        Stored problem.
    targets : sequence of float
        Certified gaps, from loose to tight.
    settings : Settings
        How to run.
    **extra
        Further keyword arguments of `call`.

    Returns
    -------
    dict
        ``name, status, reason, versions, results, sweep, memory``.
    """
    module = _peers.load(peer)
    record: dict[str, Any] = {"name": module.NAME, "status": "ok"}
    if not hasattr(module, task):
        return {**record, "status": "missing", "reason": f"has no {task}"}
    try:
        interpreter = getattr(module, "interpreter", lambda: None)()
    except ImportError as error:
        return {**record, "status": "missing", "reason": str(error)}

    sweeps: list[dict] = []
    timings: list[dict] = []
    memory: list[dict] = []
    failures: list[dict] = []
    limit = settings.time_limit
    choices = module.options(task, *problem.X.shape, problem.is_sparse)
    for label, options in choices.items():
        events = _runner.measure(
            call,
            {
                "peer": peer,
                "options": options,
                "folder": problem.folder,
                "targets": list(targets),
                "repeat": settings.repeat,
                "time_limit": limit,
                "best": [_best(timings, target) for target in targets],
                **extra,
            },
            interpreter=interpreter,
            threads=settings.threads,
            timeout=10 * settings.time_limit,
        )
        for event in events:
            kind = event.pop("event")
            if kind == "versions":
                record["versions"] = event["versions"]
            elif kind == "memory":
                memory.append({"options": label, **event})
            elif kind == "run":
                sweeps.append({"options": label, **event})
            elif kind == "timed":
                timings.append(_row(label, event))
            else:
                failures.append({"status": kind, "options": label, **event})
        if failures and failures[-1]["status"] == "missing":
            return {**record, **failures[-1]}
        tightest = _best(timings, min(targets))
        if tightest is not None:
            limit = min(limit, max(1.0, GIVE_UP * tightest))
    if not sweeps and failures:
        record.update(status=failures[0]["status"], reason=failures[0]["reason"])
    record.update(results=best_rows(timings, sweeps, targets), sweep=sweeps)
    if record["status"] == "ok" and not record["results"]:
        record.update(status="timeout", reason="no call came back within the limit")
    for row in record["results"][-1:]:
        print(
            f"  {record['name']}: {row['best']:.3g} s at gap {row['gap']:.1e}",
            flush=True,
        )
    if memory:
        record["memory"] = memory
    if failures:
        record["failures"] = failures
    return record


def _row(label: str, event: dict) -> dict:
    """Summary of the repeated calls of one setting."""
    seconds = event["seconds"]
    best = min(range(len(seconds)), key=seconds.__getitem__)
    return {
        "target": event["target"],
        "met": True,
        "options": label,
        "tol": event["tol"],
        "gap": event["gap"],
        "best": seconds[best],
        "median": statistics.median(seconds),
        "seconds": seconds,
        "cpu_of_best": event["cpu"][best],
    }


def _best(timings: Sequence[dict], target: float) -> float | None:
    """Seconds of the fastest setting timed so far that meets `target`."""
    return min((t["best"] for t in timings if t["gap"] <= target), default=None)


def best_rows(
    timings: Sequence[dict], sweeps: Sequence[dict], targets: Sequence[float]
) -> list[dict]:
    """Fastest row for each target; where all missed, the most accurate run.

    A setting that was chosen for a tighter target may serve a looser one.
    """
    runs = [s for s in sweeps if s["gap"] is not None]
    rows = []
    for target in targets:
        hits = [t for t in timings if t["gap"] <= target]
        if hits:
            rows.append({**min(hits, key=lambda t: t["best"]), "target": target})
        elif runs:
            nearest = min(runs, key=lambda s: s["gap"])
            once = {"seconds": [nearest["seconds"]], "cpu": [None]}
            row = _row(nearest["options"], {**nearest, **once, "target": target})
            rows.append({**row, "met": False})
    return rows
