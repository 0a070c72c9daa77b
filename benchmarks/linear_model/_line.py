"""Total variation of a long line, certified by the flow of the residual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import _peers, _problem
from benchmarks._case import Case, Settings, facts, run_peer
from benchmarks._measure import attempt, time_targets
from benchmarks._problem import Problem, save
from benchmarks._runner import scratch
from benchmarks._sweep import Run, sweep

TARGETS = (1e-2, 1e-4, 1e-6)
STRENGTH = 10.0


def line_case(name: str, title: str) -> Case:
    """Case that times ``denoise_line``: steps of random heights under unit noise."""

    def run(settings: Settings) -> dict:
        with scratch() as folder:
            problem = save(_steps(2_000 if settings.quick else 100_000), folder)
            peers = {
                peer: run_peer(
                    peer,
                    "denoise_line",
                    "benchmarks.linear_model._line:measure",
                    problem,
                    TARGETS,
                    settings,
                )
                for peer in settings.peers
                if hasattr(_peers.load(peer), "denoise_line")
            }
        return {
            "kind": "path",
            "problem": facts(problem),
            "targets": list(TARGETS),
            "peers": peers,
        }

    return Case(name, title, run)


def measure(
    peer: str,
    options: dict,
    folder: str,
    targets: Sequence[float],
    repeat: int,
    time_limit: float,
    best: Sequence[float | None],
) -> Iterator[dict]:
    """Sweep the tolerance of one peer as `_measure.path` does."""
    module = _peers.load(peer)
    yield {"event": "versions", "versions": module.versions()}
    signal = _problem.load(folder).y

    def solve(tol: float, signal: np.ndarray = signal) -> np.ndarray:
        return module.denoise_line(signal, STRENGTH, tol, **options)

    solve(module.TOLERANCES[0], signal[:100])

    def run(tol: float) -> Run:
        return attempt(solve, tol, lambda w: relative_gap(signal, w), time_limit)

    runs: list[Run] = []
    for latest in sweep(run, module.TOLERANCES, targets, time_limit=time_limit):
        runs.append(latest)
        yield {"event": "run", **latest._asdict()}
    yield from time_targets(runs, targets, best, solve, repeat, time_limit)


def relative_gap(signal: np.ndarray, w: np.ndarray) -> float:
    """Duality gap over the objective of the mean.

    The dual point is the cumulative residual, cut to the strength.
    """
    w = np.asarray(w, dtype=np.float64)
    primal = ((signal - w) ** 2).sum() / 2 + STRENGTH * np.abs(np.diff(w)).sum()
    flow = np.clip(-np.cumsum(signal - w)[:-1], -STRENGTH, STRENGTH)
    rest = signal + np.diff(flow, prepend=0.0, append=0.0)
    dual = (signal @ signal - rest @ rest) / 2
    return float(primal - dual) / (((signal - signal.mean()) ** 2).sum() / 2)


def _steps(n: int) -> Problem:
    from scipy.sparse import eye_array

    rng = np.random.default_rng(0)
    signal = np.repeat(3.0 * rng.standard_normal(n // 500), 500)
    signal += rng.standard_normal(n)
    return Problem(eye_array(n, format="csc"), signal, np.array([STRENGTH / n]))
