"""Cross-validated Lasso at equal certified gap, over all folds and strengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from benchmarks import _peers, _problem
from benchmarks._case import Case, Settings, facts, run_peer
from benchmarks._measure import attempt, certified, time_targets, timed
from benchmarks._problem import Problem, save
from benchmarks._runner import scratch
from benchmarks._sweep import Run, sweep

TARGETS = (1e-3, 1e-4, 1e-6)


def cross_validation_case(
    name: str,
    title: str,
    make: Callable[[], Problem],
    make_small: Callable[[], Problem],
    folds: int = 5,
) -> Case:
    """Case that times a ``LassoCV`` with unshuffled folds and an intercept."""

    def run(settings: Settings) -> dict:
        with scratch() as folder:
            problem = save((make_small if settings.quick else make)(), folder)
            peers = {
                peer: run_peer(
                    peer,
                    "lasso_cv",
                    "benchmarks.linear_model._cross_validation:measure",
                    problem,
                    TARGETS,
                    settings,
                    folds=folds,
                    threads=settings.threads,
                )
                for peer in settings.peers
                if hasattr(_peers.load(peer), "lasso_cv")
            }
        return {
            "kind": "path",
            "problem": {**facts(problem), "folds": folds},
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
    folds: int,
    threads: int,
) -> Iterator[dict]:
    """Sweep the tolerance of one peer's ``LassoCV`` as `_measure.path` does.

    Cross-validation does not keep the coefficients of its folds, so these are
    certified on the peer's own path on each (centred) fold at the same tolerance;
    ``deviation`` is the largest relative difference between the errors that the
    cross-validation reported and those of the certified coefficients.
    """
    module = _peers.load(peer)
    yield {"event": "versions", "versions": module.versions()}
    problem = _problem.load(folder)
    parts = list(_folds(problem, folds))

    def solve(tol: float, problem: Problem = problem) -> np.ndarray:
        return module.lasso_cv(problem, folds, tol, threads, **options)

    solve(module.TOLERANCES[0], _problem.tiny(problem))
    module.lasso_path(_problem.tiny(problem), module.TOLERANCES[0], **options)
    deviations = {}

    def certify(errors: np.ndarray, tol: float) -> float:
        gap, expected = 0.0, []
        for training, X, y in parts:
            coefs = timed(module.lasso_path, training, tol, **options).value
            gap = max(gap, certified(training, coefs))
            residual = y[:, None] - X @ np.asarray(coefs)
            expected.append((residual**2).mean(axis=0))
        expected = np.mean(expected, axis=0)
        deviations[tol] = float(np.abs(errors / expected - 1.0).max())
        return gap

    def run(tol: float) -> Run:
        return attempt(solve, tol, partial(certify, tol=tol), time_limit)

    runs: list[Run] = []
    for latest in sweep(run, module.TOLERANCES, targets, time_limit=time_limit):
        runs.append(latest)
        event = {**latest._asdict(), "deviation": deviations.get(latest.tol)}
        yield {"event": "run", **event}
    yield from time_targets(runs, targets, best, solve, repeat, time_limit)


def _folds(problem: Problem, folds: int) -> Iterator[tuple]:
    """Training problem and held-out data of each fold, centred on the training."""
    sizes = np.full(folds, len(problem.y) // folds)
    sizes[: len(problem.y) % folds] += 1
    stops = np.cumsum(sizes)
    for start, stop in zip(stops - sizes, stops, strict=True):
        held = np.zeros(len(problem.y), dtype=bool)
        held[start:stop] = True
        X, y = problem.X[~held], problem.y[~held]
        x_mean, y_mean = X.mean(axis=0), y.mean()
        training = Problem(np.asfortranarray(X - x_mean), y - y_mean, problem.alphas)
        yield training, problem.X[held] - x_mean, problem.y[held] - y_mean
