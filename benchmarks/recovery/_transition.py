"""Phase transitions of greedy methods."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

SOLVERS = ("adptnst", "nst", "htp", "cosamp", "omp")
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
OMP = "omp (scikit-learn)"


def run_child(settings: Settings, **kwargs) -> list[dict]:
    """Events of the measurement, or the reason there are none."""
    if "sparsestat" not in settings.peers:
        raise Skip("sparsestat was not asked for")
    events = _runner.measure(
        "benchmarks.recovery._transition:measure",
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
    tables = []
    for amplitudes in ("Gaussian", "flat"):
        for ratio in ratios:
            events = run_child(
                settings,
                n=n,
                m=int(ratio * n),
                shares=shares,
                amplitudes=amplitudes,
                n_trials=n_trials,
            )
            rows = [
                [solver, *(f"{_rate(events, solver, s):.2f}" for s in shares)]
                for solver in SOLVERS
            ]
            tables.append(
                {
                    "title": f"{amplitudes} amplitudes, m / n = {ratio}",
                    "head": ["", *(f"s / m = {share}" for share in shares)],
                    "rows": rows,
                }
            )
    note = (
        f"Share of {n_trials} signals of {n} entries with a relative error below 1e-5; "
        "Gaussian matrices with unit columns. adptnst is not told s."
    )
    return {"kind": "tables", "tables": tables, "notes": [note]}


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


CASES = [
    Case("A", "Phase transitions of greedy methods", _transitions),
    Case("B", "Steps and times", _steps),
]
