"""Single Lasso fits over a grid of shapes and strengths, runs interleaved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks import _peers, _problem, _runner
from benchmarks._case import GIVE_UP, Case, Settings
from benchmarks._measure import attempt, certified, geometric_mean, timed
from benchmarks._sweep import Run, closest, fastest, sweep
from benchmarks.linear_model._generate import ar1

TARGET = 1e-6
SIZES = (200, 2_000, 20_000)
LARGEST = 40_000_000
DIVISORS = (5, 20, 100)
REPEAT = 9
OURS = "sparsestat"
SLACK = (1.25, 1e-3)
"""Factor and seconds within which a cell counts as level with the fastest peer."""

_RIVALS = ("sparsestat", "sklearn", "celer", "skglm")


def single_fits_case(name: str, title: str) -> Case:
    """Case that times ``Lasso().fit`` at ``alpha_max`` over each divisor."""

    def run(settings: Settings) -> dict:
        sizes = (60, 200) if settings.quick else SIZES
        cells: list[dict] = []
        versions: dict[str, str] = {}
        absent: dict[str, str] = {}
        for n, p in [(n, p) for n in sizes for p in sizes if n * p <= LARGEST]:
            with _runner.scratch() as folder:
                problem = ar1(n, p, n_spikes=min(50, p // 4))
                alphas = problem.alphas[0] / _float_array(DIVISORS)
                problem = _problem.save(problem._replace(alphas=alphas), folder)
                events = _runner.measure(
                    "benchmarks.linear_model._single_fits:measure",
                    {
                        "peers": [p for p in _RIVALS if p in settings.peers],
                        "folder": str(folder),
                        "repeat": 3 if settings.quick else REPEAT,
                        "time_limit": settings.time_limit,
                    },
                    threads=settings.threads,
                    timeout=60 * settings.time_limit,
                )
            for event in events:
                kind = event.pop("event")
                if kind == "cell":
                    cells.append({"n_samples": n, "n_features": p, **event})
                elif kind == "versions":
                    versions.update(event["versions"])
                elif kind == "absent":
                    absent[event["peer"]] = event["reason"]
                else:
                    cells.append({"n_samples": n, "n_features": p, kind: event})
        return {
            "kind": "grid",
            "target": TARGET,
            "repeat": REPEAT,
            "versions": versions,
            "absent": absent,
            "cells": cells,
            "summary": summary(cells),
        }

    return Case(name, title, run)


def _float_array(values: Sequence[float]):
    import numpy as np

    return np.asarray(values, dtype=np.float64)


def summary(cells: Sequence[dict]) -> dict | None:
    """Ratios of our medians to the fastest peer that met the target, if both ran.

    Examples
    --------
    >>> ok = {"met": True}
    >>> cell = {"peers": {"sparsestat": {"median": 1.0, **ok},
    ...                   "sklearn": {"median": 2.0, **ok}}}
    >>> summary([cell])["geometric_mean"]
    0.5
    """
    ratios, level = [], 0
    for cell in cells:
        met = {k: v["median"] for k, v in cell.get("peers", {}).items() if v["met"]}
        ours = met.pop(OURS, None)
        if ours is None or not met:
            continue
        best = min(met.values())
        ratios.append(ours / best)
        level += ours <= SLACK[0] * best + SLACK[1]
    if not ratios:
        return None
    return {
        "cells": len(ratios),
        "geometric_mean": geometric_mean(ratios),
        "worst": max(ratios),
        "within_slack": level,
    }


def measure(
    peers: Sequence[str], folder: str, repeat: int, time_limit: float
) -> Iterator[dict]:
    """Calibrate every peer for each strength, then time all of them in turns."""
    problem = _problem.load(folder)
    present = {}
    for peer in peers:
        module = _peers.load(peer)
        choices = module.options("lasso", *problem.X.shape, problem.is_sparse)
        try:
            yield {"event": "versions", "versions": module.versions()}
            small = _problem.tiny(problem)
            for options in choices.values():
                module.lasso(small, small.alphas[-1], module.TOLERANCES[0], **options)
        except ImportError as error:
            yield {"event": "absent", "peer": peer, "reason": str(error)}
            continue
        present[peer] = (module, choices)

    for divisor, alpha in zip(DIVISORS, problem.alphas, strict=True):
        calibrated = {
            peer: _calibrate(problem, alpha, *entry, time_limit)
            for peer, entry in present.items()
        }
        # what found no solution in time is not asked again
        order = [p for p, (_, run, _) in calibrated.items() if run.gap < math.inf]
        seconds: dict[str, list[float]] = {peer: [] for peer in order}
        for _ in range(repeat):
            for peer in order:
                spent = sum(seconds[peer])
                if spent and spent > time_limit:
                    continue
                module, choices = present[peer]
                label, run, _ = calibrated[peer]
                options = choices[label]
                taken = timed(module.lasso, problem, alpha, run.tol, **options)
                seconds[peer].append(taken.seconds)
            order = order[1:] + order[:1]
        yield {
            "event": "cell",
            "divisor": divisor,
            "support": max(entry[2] for entry in calibrated.values()),
            "peers": {
                peer: {
                    "options": calibrated[peer][0],
                    "tol": calibrated[peer][1].tol,
                    "gap": calibrated[peer][1].gap,
                    "met": calibrated[peer][1].gap <= TARGET,
                    "best": min(seconds[peer]),
                    "median": statistics.median(seconds[peer]),
                    "seconds": seconds[peer],
                }
                for peer in seconds
            },
        }


def _calibrate(
    problem: _problem.Problem, alpha: float, module, choices: dict, time_limit: float
) -> tuple[str, Run, int]:
    """Label, run and support of the fastest setting that meets the target.

    Where none does, those of the most accurate one.
    """
    single = problem._replace(alphas=_float_array([alpha]))
    found: list[tuple[str, Run]] = []
    limit = time_limit
    support = 0

    def certify(coef) -> float:
        nonlocal support
        support = int((coef != 0).sum())
        return certified(single, coef[:, None])

    for label, options in choices.items():
        solve = partial(module.lasso, problem, alpha, **options)
        run = partial(attempt, solve, certify=certify, time_limit=limit)
        runs = list(sweep(run, module.TOLERANCES, [TARGET], time_limit=limit))
        found += [(label, r) for r in runs]
        best = fastest(runs, TARGET)
        if best is not None:
            limit = min(limit, max(1.0, GIVE_UP * best.seconds))
    chosen = fastest([r for _, r in found], TARGET) or closest([r for _, r in found])
    label = next(label for label, r in found if r is chosen)
    return label, chosen, support
