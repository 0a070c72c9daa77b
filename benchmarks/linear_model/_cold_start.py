"""Cold start: what a user waits for before and at the first fit of a process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile

from benchmarks import _peers
from benchmarks._case import Case, Settings
from benchmarks._runner import ROOT, environment

_IMPORTS = {
    "sklearn": "import sklearn",
    "sklearn.linear_model": "from sklearn.linear_model import Lasso",
    "sparsestat": "import sparsestat",
    "sparsestat.linear_model": "from sparsestat.linear_model import Lasso",
    "skglm": "from skglm import Lasso",
    "celer": "from celer import Lasso",
}
_FITS = {
    "sparsestat": "sparsestat.linear_model",
    "sklearn": "sklearn.linear_model",
    "skglm": "skglm",
    "celer": "celer",
}

_TIME_IMPORT = """
import json, time
start = time.perf_counter()
{statement}
print(json.dumps({{"import": time.perf_counter() - start}}))
"""

_TIME_FIT = """
import json, time, warnings
import numpy as np
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = np.asfortranarray(rng.standard_normal((200, 500)))
y = X[:, 0] - X[:, 1] + rng.standard_normal(200)
start = time.perf_counter()
from {module} import Lasso
imported = time.perf_counter()
Lasso(alpha=0.1).fit(X, y)
first = time.perf_counter()
Lasso(alpha=0.1).fit(X, y)
second = time.perf_counter()
print(json.dumps({{"import": imported - start, "first": first - imported,
                  "second": second - first}}))
"""


def cold_start_case(name: str, title: str) -> Case:
    """Case that times imports and first fits, each in fresh processes."""

    def run(settings: Settings) -> dict:
        repeat = 2 if settings.quick else max(5, settings.repeat)
        imports = {}
        for what, statement in _IMPORTS.items():
            if what.split(".")[0] in ("sklearn", *settings.peers):
                script = _TIME_IMPORT.format(statement=statement)
                times = [_child(script) for _ in range(repeat + 1)][1:]
                imports[what] = _medians(times)
        fits = {
            peer: {"name": _peers.load(peer).NAME, **_first_fits(module, repeat)}
            for peer, module in _FITS.items()
            if peer in settings.peers
        }
        return {"kind": "cold", "repeat": repeat, "imports": imports, "fits": fits}

    return Case(name, title, run)


def _first_fits(module: str, repeat: int) -> dict:
    """Medians with a warm disk cache and, as far as one is written, with none."""
    script = _TIME_FIT.format(module=module)
    with tempfile.TemporaryDirectory(prefix="sparsestat-bench-") as cache:
        if _child(script, cache) is None:
            return {"status": "missing"}
        warm = [_child(script, cache) for _ in range(repeat)]
    cold = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="sparsestat-bench-") as cache:
            cold.append(_child(script, cache))
    return {"status": "ok", "warm_cache": _medians(warm), "no_cache": _medians(cold)}


def _child(script: str, cache: str | None = None) -> dict | None:
    """Run a script in a fresh process; None if what it imports is absent."""
    env = environment(extra={"NUMBA_CACHE_DIR": cache} if cache else None)
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=env,
        cwd=ROOT,
    )
    if answer.returncode != 0:
        return None
    return json.loads(answer.stdout.splitlines()[-1])


def _medians(times: list[dict | None]) -> dict | None:
    """Median of each figure over processes."""
    if None in times:
        return None
    return {key: statistics.median(t[key] for t in times) for key in times[0]}
