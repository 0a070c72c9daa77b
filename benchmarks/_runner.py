"""Run a measuring function in a fresh process with pinned threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._worker import THREAD_VARIABLES

ROOT = Path(__file__).resolve().parent.parent


def environment(threads: int = 1, extra: Mapping[str, str] | None = None) -> dict:
    """Environment of a child process: pinned threads, this checkout importable."""
    env = dict(os.environ)
    env.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    env["PYTHONPATH"] = str(ROOT)
    env.update(extra or {})
    return env


def measure(
    call: str,
    kwargs: Mapping[str, Any],
    *,
    interpreter: str | None = None,
    threads: int = 1,
    timeout: float | None = None,
) -> list[dict]:
    """Run ``module:function`` in a fresh process and collect its events.

    Parameters
    ----------
    call : str
        Generator function to run, as ``"module:function"``.
    kwargs : mapping
        Its keyword arguments, as JSON can hold them.
    interpreter : str, optional
        Python to run it with; default this one.
    threads : int, default=1
        Threads of BLAS, OpenMP and numba in the child.
    timeout : float, optional
        Seconds after which the child is ended; what it reported until then counts.

    Returns
    -------
    list of dict
        The events. A last one of kind ``missing``, ``error`` or ``timeout`` says
        why there are not more.
    """
    child = subprocess.Popen(
        [interpreter or sys.executable, "-m", "benchmarks._worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(threads),
        cwd=ROOT,
        start_new_session=True,
    )
    request = json.dumps({"call": call, "kwargs": dict(kwargs)})
    timed_out = False
    try:
        out, err = child.communicate(request, timeout=timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        # its own session: a solver's helper process (R) ends with it
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    events = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
    if timed_out:
        events.append({"event": "timeout", "reason": f"ended after {timeout:g} s"})
    elif child.returncode != 0:
        last = (err.strip().splitlines() or ["no message"])[-1]
        reason = f"process ended with code {child.returncode}: {last}"
        events.append({"event": "error", "reason": reason})
    return events


@contextmanager
def scratch():
    """Temporary folder for problems, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="sparsestat-bench-") as folder:
        yield Path(folder)
