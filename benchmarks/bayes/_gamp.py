"""Message passing: families of matrices, and a large problem."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.bayes._kronecker import run_child

# Family, and the parameters over which it is swept, from mild to hard.
FAMILIES = {
    "nonzero mean": (0.01, 0.1, 0.5, 1.0),
    "columns correlated": (0.5, 0.8, 0.9, 0.95),
    "condition number": (10.0, 100.0, 1000.0, 10000.0),
    "rank / rows": (0.95, 0.9, 0.8, 0.6),
}


def matrix(family: str, strength: float, rng, m: int, n: int) -> np.ndarray:
    """A matrix of a family, scaled to columns of unit norm on average."""
    A = rng.standard_normal((m, n))
    match family:
        case "nonzero mean":
            A += strength
        case "columns correlated":
            for j in range(1, n):
                A[:, j] = strength * A[:, j - 1] + np.sqrt(1 - strength**2) * A[:, j]
        case "condition number":
            left, _, right = np.linalg.svd(A, full_matrices=False)
            A = (left * np.geomspace(1.0, 1.0 / strength, m)) @ right
        case "rank / rows":
            r = round(strength * m)
            A = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    return A * np.sqrt(n) / np.linalg.norm(A)


def draw(A: np.ndarray, rng, n_nonzero: int, snr_db: float):
    """Target, truth and noise variance."""
    m, n = A.shape
    x = np.zeros(n)
    x[rng.choice(n, n_nonzero, replace=False)] = rng.standard_normal(n_nonzero)
    signal = A @ x
    noise = float(np.mean(signal**2) * 10.0 ** (-snr_db / 10.0))
    return signal + np.sqrt(noise) * rng.standard_normal(m), x, noise


def _model(noise: float, **parameters):
    from sparsestat.bayes import SparseBayesianRegression

    return SparseBayesianRegression(
        noise_variance=noise, fit_intercept=False, **parameters
    )


def _fitted(**parameters):
    return lambda A, y, x, noise: _model(noise, **parameters).fit(A, y).coef_


def _without_a_price(A, y, x, noise):
    """Message passing as published, to its fixed point."""
    from sparsestat.bayes._columns import Columns
    from sparsestat.bayes._gamp import GampSettings, fit_gamp

    settings = GampSettings(prune=False, tol=1e-7, max_iter=5000)
    return fit_gamp(Columns(A), y[:, None], noise, settings).mean[:, 0]


def _oracle(A, y, x, noise):
    """Least squares on the true support."""
    coef = np.zeros(len(x))
    coef[x != 0.0] = np.linalg.lstsq(A[:, x != 0.0], y, rcond=None)[0]
    return coef


EXPECTATION, FIXED_POINT = "em, to convergence", "gamp, its fixed point"
METHODS = {
    EXPECTATION: _fitted(solver="em", max_iter=20000),
    FIXED_POINT: _without_a_price,
    "gamp": _fitted(solver="gamp"),
    "gamp, undamped": _fitted(solver="gamp", damping=1.0, max_iter=200),
    "oracle least squares": _oracle,
}


def _families(settings: Settings) -> dict:
    quick = settings.quick
    events = run_child(
        "_gamp:measure_families", settings,
        shape=[40, 80, 8] if quick else [125, 250, 25], n_draws=1 if quick else 5,
    )  # fmt: skip
    tables = []
    for family, strengths in FAMILIES.items():
        rows = []
        for name in METHODS:
            cells = []
            for strength in strengths:
                found = [
                    e["nmse"]
                    for e in events
                    if (e["family"], e["strength"], e["method"])
                    == (family, strength, name)
                ]
                cells.append(f"{10 * np.log10(np.median(found)):.1f} dB")
            rows.append([name, *cells])
        rows.append(["fixed point - em, draw by draw", *_apart(events, family)])
        head = ["", *(f"{strength:g}" for strength in strengths)]
        tables.append({"title": f"Error over the {family}", "head": head, "rows": rows})
    times = [
        [name, seconds(np.median([e["time"] for e in events if e["method"] == name]))]
        for name in METHODS
    ]
    tables.append({"title": "Time of a fit, median", "head": ["", ""], "rows": times})
    note = (
        "Median normalised squared error of 5 draws at 60 dB, the noise known. The "
        "fixed point of messages is that of expectation maximisation but for the "
        "approximate variances: the last row is the median of the differences of "
        "single draws. The estimator goes on from there: a coefficient that earns less "
        "than a nat of evidence is dropped, which the evidence alone does not ask for, "
        "and those left are nearly the true ones. An error of 0 dB is that of no "
        "coefficients: undamped messages have diverged."
    )
    return {"kind": "tables", "tables": tables, "notes": [note]}


def _apart(events, family: str) -> list[str]:
    """Decibels between the fixed point of messages and expectation maximisation."""
    cells = []
    for strength in FAMILIES[family]:
        levels = {
            name: 10.0
            * np.log10(
                [
                    e["nmse"]
                    for e in events
                    if (e["family"], e["strength"], e["method"])
                    == (family, strength, name)
                ]
            )
            for name in (FIXED_POINT, EXPECTATION)
        }
        apart = np.median(levels[FIXED_POINT] - levels[EXPECTATION])
        cells.append(f"{apart:+.1f} dB")
    return cells


def measure_families(shape: list[int], n_draws: int) -> Iterator[dict]:
    """Errors and times of all methods over all families."""
    from sparsestat.metrics import nmse

    warnings.simplefilter("ignore")
    m, n, k = shape
    for family, strengths in FAMILIES.items():
        for strength in strengths:
            for seed in range(n_draws):
                rng = np.random.default_rng(seed)
                A = matrix(family, strength, rng, m, n)
                y, x, noise = draw(A, rng, k, 60.0)
                for name, method in METHODS.items():
                    start = time.perf_counter()
                    coef = method(A, y, x, noise)
                    yield {
                        "event": "fit",
                        "family": family,
                        "strength": strength,
                        "method": name,
                        "nmse": nmse(x, coef),
                        "time": time.perf_counter() - start,
                    }


def _large(settings: Settings) -> dict:
    shape = [100, 400, 15] if settings.quick else [1000, 4000, 150]
    events = run_child("_gamp:measure_large", settings, shape=shape)
    rows = [
        [str(e["seed"]), f"{e['nmse']:.1e}", seconds(e["time"]), str(e["n_iter"])]
        for e in events
    ]
    middle = f"{np.median([e['nmse'] for e in events]):.1e}"
    rows.append(["median", middle, seconds(np.median([e["time"] for e in events])), ""])
    m, n, k = shape
    table = {
        "title": f"{m} samples of {n} features, {k} nonzero, 40 dB",
        "head": ["draw", "error", "time of a fit", "iterations"],
        "rows": rows,
    }
    return {"kind": "tables", "tables": [table], "notes": ["The noise is known."]}


def measure_large(shape: list[int]) -> Iterator[dict]:
    """Errors and times of five draws, after a small fit."""
    from sparsestat.metrics import nmse

    warnings.simplefilter("ignore")
    m, n, k = shape
    for seed in [-1, *range(5)]:
        rng = np.random.default_rng(abs(seed))
        size = (m, n) if seed >= 0 else (20, 40)
        A = rng.standard_normal(size) / np.sqrt(size[0])
        y, x, noise = draw(A, rng, k if seed >= 0 else 3, 40.0)
        start = time.perf_counter()
        model = _model(noise, solver="gamp").fit(A, y)
        elapsed = time.perf_counter() - start
        if seed >= 0:
            yield {
                "event": "fit",
                "seed": seed,
                "nmse": nmse(x, model.coef_),
                "time": elapsed,
                "n_iter": model.n_iter_,
            }


CASES = [
    Case("G", "Message passing on hard families of matrices", _families),
    Case("H", "Message passing on a large matrix", _large),
]
