"""Phase transitions of greedy methods, their steps and their times."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

SOLVERS = ("adptnst", "nst", "htp", "cosamp", "omp")
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55)
OMP = "omp (scikit-learn)"


def run_child(settings: Settings, call: str = "measure", **kwargs) -> list[dict]:
    """Events of the measurement, or the reason there are none."""
    if "sparsestat" not in settings.peers:
        raise Skip("sparsestat was not asked for")
    events = _runner.measure(
        f"benchmarks.recovery._transition:{call}",
        kwargs,
        threads=settings.threads,
        timeout=3600,
    )
    if events and events[-1]["event"] in ("missing", "error", "timeout"):
        raise Skip(events[-1]["reason"])
    return events


def _transitions(settings: Settings) -> dict:
    ratios, shares, n, n_trials = RATIOS, SHARES, 256, 50
    if settings.quick:
        ratios, shares, n, n_trials = (0.3,), (0.1, 0.3), 64, 2
    tables, curves = [], []
    for amplitudes in ("Gaussian", "flat"):
        halves: dict[str, list] = {solver: [] for solver in SOLVERS}
        for ratio in ratios:
            events = run_child(
                settings,
                n=n,
                m=int(ratio * n),
                shares=shares,
                amplitudes=amplitudes,
                n_trials=n_trials,
            )
            rates = {
                solver: [_rate(events, solver, share) for share in shares]
                for solver in SOLVERS
            }
            rows = [
                [solver, *(f"{rate:.2f}" for rate in found)]
                for solver, found in rates.items()
            ]
            for solver, found in rates.items():
                halves[solver].append(half(shares, found))
            tables.append(
                {
                    "title": f"{amplitudes} amplitudes, m / n = {ratio}",
                    "head": ["", *(f"s / m = {share}" for share in shares)],
                    "rows": rows,
                }
            )
        curves.append(
            {
                "title": f"Half of all signals found, {amplitudes} amplitudes",
                "x": "m / n",
                "y": "s / m",
                "lines": [[solver, list(ratios), y] for solver, y in halves.items()],
            }
        )
    note = (
        f"Share of {n_trials} signals of {n} entries with a relative error below 1e-5; "
        "Gaussian matrices with unit columns. adptnst is not told s. The figure shows "
        "s / m at which half of the signals are found."
    )
    return {"kind": "tables", "tables": tables, "curves": curves, "notes": [note]}


def half(shares: Sequence[float], rates: Sequence[float]) -> float:
    """Where rates that fall pass one half, by straight lines between the shares."""
    for k, rate in enumerate(rates):
        if rate < 0.5:
            if k == 0:
                return float(shares[0])
            above, width = rates[k - 1], shares[k] - shares[k - 1]
            return float(shares[k - 1] + width * (above - 0.5) / (above - rate))
    return float(shares[-1])


def _rate(events: Sequence[dict], solver: str, share: float) -> float:
    own = [e["found"] for e in events if (e["solver"], e["share"]) == (solver, share)]
    return float(np.mean(own))


def _steps(settings: Settings) -> dict:
    n, m, n_trials = (64, 32, 2) if settings.quick else (512, 128, 50)
    shares = (0.08, 0.16, 0.23)
    rows = []
    for amplitudes in ("Gaussian", "flat"):
        events = run_child(
            settings,
            n=n,
            m=m,
            shares=shares,
            amplitudes=amplitudes,
            n_trials=n_trials,
            peers=True,
        )
        for solver in (*SOLVERS, OMP):
            row = [f"{solver}, {amplitudes}"]
            for share in shares:
                own = [
                    e
                    for e in events
                    if (e["solver"], e["share"]) == (solver, share) and e["found"]
                ]
                told = "-"
                if own:
                    steps = np.mean([e["n_iter"] for e in own])
                    middle = seconds(np.median([e["time"] for e in own]))
                    told = f"{len(own) / n_trials:.2f}, {steps:.1f} steps, {middle}"
                row.append(told)
            rows.append(row)
    table = {
        "title": f"{n} entries, {m} measurements: share found, steps, time",
        "head": ["", *(f"{max(int(share * m), 1)} nonzeros" for share in shares)],
        "rows": rows,
    }
    note = f"{n_trials} draws; steps and times of signals that are found."
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure(
    n: int, m: int, shares: Sequence[float], amplitudes: str, n_trials: int,
    peers: bool = False,
) -> Iterator[dict]:  # fmt: skip
    """Whether each solver finds each signal, its steps and its time."""
    from sklearn.linear_model import orthogonal_mp

    from sparsestat.recovery import hard_thresholding

    warnings.simplefilter("ignore")
    for share in shares:
        size = max(int(share * m), 1)
        for seed in range(n_trials):
            rng = np.random.default_rng([seed, size, m])
            A = rng.standard_normal((m, n))
            A /= np.linalg.norm(A, axis=0)
            x = np.zeros(n)
            values = rng.standard_normal(size)
            if amplitudes == "flat":
                values = np.sign(values)
            x[rng.choice(n, size, replace=False)] = values
            b = A @ x
            for solver in (*SOLVERS, *([OMP] if peers else [])):
                start = time.perf_counter()
                if solver == OMP:
                    found, n_iter = orthogonal_mp(A, b, n_nonzero_coefs=size), size
                else:
                    known = None if solver == "adptnst" else size
                    result = hard_thresholding(A, b, known, solver=solver)
                    found, n_iter = result.x, result.n_iter
                elapsed = time.perf_counter() - start
                error = np.linalg.norm(found - x) / np.linalg.norm(x)
                yield {
                    "event": "fit",
                    "solver": solver,
                    "share": share,
                    "found": bool(error < 1e-5),
                    "n_iter": n_iter,
                    "time": elapsed,
                }


def _large(settings: Settings) -> dict:
    shape = (100, 300, 8) if settings.quick else (1000, 5000, 50)
    events = run_child(
        settings, call="time_large", shape=shape, n_calls=settings.repeat
    )
    rows = [
        [
            e["solver"],
            str(e["n_iter"]),
            seconds(e["first"]),
            seconds(e["next"]),
            f"{e['next'] / events[0]['next']:.2f}",
            f"{e['error']:.0e}",
        ]
        for e in events
    ]
    m, n, size = shape
    table = {
        "title": f"{m} x {n}, {size} nonzeros of Gaussian amplitudes",
        "head": ["", "steps", "first signal", "next signals", "to htp", "error"],
        "rows": rows,
    }
    notes = [
        "Best of several calls. Next signals are measured by the same matrix, whose "
        "factor nst and adptnst keep, and whose norms the others do: "
        "hard_thresholding(make_sensing(A), b). adptnst is not told the number of "
        "nonzeros. Single: the matrix in single precision. scikit-learn: orthogonal_mp."
    ]
    return {"kind": "tables", "tables": [table], "notes": notes}


def time_large(shape: Sequence[int], n_calls: int) -> Iterator[dict]:
    """Times of one signal, and of further ones by the same matrix."""
    from sklearn.linear_model import orthogonal_mp

    from sparsestat.recovery import hard_thresholding, make_sensing

    m, n, size = shape
    rng = np.random.default_rng(0)
    A = rng.standard_normal((m, n))
    A /= np.linalg.norm(A, axis=0)
    x = np.zeros(n)
    x[rng.choice(n, size, replace=False)] = rng.standard_normal(size)
    single = A.astype(np.float32)
    runs = [("htp", A, size), ("nst", A, size), ("adptnst", A, None)]
    runs += [(solver, A, size) for solver in ("ghtp", "niht", "cosamp", "sp", "omp")]
    runs += [("htp, single", single, size), ("omp, single", single, size)]
    for label, B, known in runs:
        solver, b = label.split(",")[0], B.astype(np.float64) @ x
        first = _least(
            n_calls,
            lambda: hard_thresholding(B, b, known, solver=solver),  # noqa: B023
        )
        kept = make_sensing(B)
        hard_thresholding(kept, b, known, solver=solver)
        more = _least(
            n_calls,
            lambda: hard_thresholding(kept, b, known, solver=solver),  # noqa: B023
        )
        yield _told(label, first[0], more[0], more[1].n_iter, more[1].x - x, x)
    b = A @ x
    theirs, found = _least(n_calls, lambda: orthogonal_mp(A, b, n_nonzero_coefs=size))
    yield _told(OMP, theirs, theirs, size, found - x, x)


def _told(label, first, more, n_iter, difference, x) -> dict:
    error = float(np.linalg.norm(difference) / np.linalg.norm(x))
    told = {"solver": label, "first": first, "next": more, "n_iter": n_iter}
    return {"event": "fit", **told, "error": error}


def _least(n_calls: int, call: Callable) -> tuple[float, Any]:
    """Smallest time of several calls after one, and what is returned."""
    times, found = [], call()
    for _ in range(n_calls):
        start = time.perf_counter()
        found = call()
        times.append(time.perf_counter() - start)
    return min(times), found


CASES = [
    Case("A", "Phase transitions of greedy methods", _transitions),
    Case("B", "Steps and times", _steps),
    Case("C", "Times on a larger matrix", _large),
]
