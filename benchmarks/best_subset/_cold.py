"""What the first fit of a process takes, beside abess."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile

from benchmarks._case import Case, Settings
from benchmarks._runner import ROOT, environment
from benchmarks._tables import seconds

_SCRIPT = """
import json, time, warnings
import numpy as np
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = np.asfortranarray(rng.standard_normal((200, 60)))
y = X[:, 0] - X[:, 1] + rng.standard_normal(200)
y = {target}
start = time.perf_counter()
from {module} import {name}
imported = time.perf_counter()
{name}().fit(X, y)
fitted = time.perf_counter()
print(json.dumps([imported - start, fitted - imported]))
"""
_FITS = [
    ("least squares", "y", "BestSubsetRegressor", "LinearRegression"),
    ("two classes", "(y > 0.0).astype(int)", "BestSubsetClassifier",
     "LogisticRegression"),
]  # fmt: skip


def _run(settings: Settings) -> dict:
    repeat = 2 if settings.quick else settings.repeat
    rows = []
    for title, target, ours, theirs in _FITS:
        script = _SCRIPT.format(
            target=target, module="sparsestat.linear_model", name=ours
        )
        with tempfile.TemporaryDirectory(prefix="sparsestat-bench-") as cache:
            compiled = _times(script, cache, 1)
            warm = _times(script, cache, repeat)
        script = _SCRIPT.format(target=target, module="abess.linear", name=theirs)
        rows.append([title, *compiled, *warm[1:], *_times(script, None, repeat)])
    head = ["", "import", "first fit, compiled", "first fit, from the cache",
            "import of abess", "its first fit"]  # fmt: skip
    table = {"title": "In fresh processes", "head": head, "rows": rows}
    note = (
        "200 x 60, defaults of both. Kernels are compiled once for a machine: one "
        "process, with an empty cache. All else are medians."
    )
    return {"kind": "tables", "tables": [table], "notes": [note]}


def _times(script: str, cache: str | None, repeat: int) -> list[str]:
    """Import and first fit, medians over processes; "absent" if it fails."""
    found = []
    for _ in range(repeat):
        answer = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env=environment(extra={"NUMBA_CACHE_DIR": cache} if cache else None),
            cwd=ROOT,
        )
        if answer.returncode != 0:
            return ["absent", "absent"]
        found.append(json.loads(answer.stdout.splitlines()[-1]))
    return [seconds(statistics.median(times)) for times in zip(*found, strict=True)]


CASE = Case("F", "Cold start", _run)
