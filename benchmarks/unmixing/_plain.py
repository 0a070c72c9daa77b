"""Time and residual of plain factorisations beside scikit-learn's."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.unmixing._scenes import events_of, scene

THEIRS = "NMF ({}), scikit-learn"


def _plain(settings: Settings) -> dict:
    rows = []
    for name in ("samson", "jasper_ridge"):
        events = events_of(
            settings,
            "benchmarks.unmixing._plain:measure",
            name=name,
            n_iter=5 if settings.quick else 100,
            repeat=1 if settings.quick else settings.repeat,
        )
        for e in events:
            times = [seconds(min(e["times"])), seconds(float(np.median(e["times"])))]
            rows.append([name, e["solver"], str(e["n_iter"]), *times, e["squares"]])
    table = {
        "title": "Whole fits, start included",
        "head": ["scene", "solver", "iterations", "best", "median", "half squares"],
        "rows": rows,
    }
    notes = [
        "Half squares: half the squared Frobenius norm of X - A E.",
        "Ours start from N-FINDR on the clean bands; scikit-learn's start is NNDSVDA, "
        "its tolerance zero, so that it runs all its iterations.",
    ]
    return {"kind": "tables", "tables": [table], "notes": notes}


def measure(name: str, n_iter: int, repeat: int) -> Iterator[dict]:
    """Times of each solver, and how well it fits."""
    from sklearn.decomposition import NMF

    from sparsestat.unmixing import ConstrainedNMF

    warnings.simplefilter("ignore")
    data = scene(name)
    X = np.maximum(data.X.astype(np.float64), 0.0)
    p = len(data.endmembers)
    ours = {"max_iter": max(n_iter * 4 // 10, 1), "tol": 1.0, "tol_step": 0.0}
    models = {"ConstrainedNMF": ConstrainedNMF(p, **ours)}
    for kind in ("cd", "mu"):
        options = {"solver": kind, "init": "nndsvda", "tol": 0.0}
        models[THEIRS.format(kind)] = NMF(p, max_iter=2 * n_iter, **options)
    for solver, model in models.items():
        fit = model.fit_transform if isinstance(model, NMF) else model.fit
        fit(X)  # compiles, and warms the caches
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            A = fit(X)
            times.append(time.perf_counter() - start)
        A = A if isinstance(model, NMF) else model.abundances_
        squares = 0.5 * float(np.sum((X - A @ model.components_) ** 2))
        yield {
            "event": "fit",
            "solver": solver,
            "n_iter": model.n_iter_,
            "times": times,
            "squares": f"{squares:.2f}",
        }


CASES = [Case("N.plain", "Plain factorisations: time and residual", _plain)]
