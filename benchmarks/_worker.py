"""The child process of a measurement: ``python -m benchmarks._worker``.

Reads one JSON request from standard input, ``{"call": "module:function",
"kwargs": {...}}``, runs that generator function and writes each event it yields as
a line of JSON. Whatever a solver prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import warnings
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def plain(value: Any) -> Any:
    """Return `value` with what JSON has no word for (inf, NaN) replaced by None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def pin_threads() -> None:
    """Hold thread pools that ignore the environment to the requested number."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(int(os.environ.get(THREAD_VARIABLES[0], "1")))


def main() -> None:
    """Serve one request."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    request = json.load(sys.stdin)
    module, function = request["call"].split(":")
    try:
        generate = getattr(importlib.import_module(module), function)
        pin_threads()
        for event in generate(**request["kwargs"]):
            print(json.dumps(plain(event)), file=out, flush=True)
    except ImportError as error:
        message = f"{type(error).__name__}: {error}"
        print(json.dumps({"event": "missing", "reason": message}), file=out)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        print(json.dumps({"event": "error", "reason": message}), file=out)
    out.flush()


if __name__ == "__main__":
    main()
