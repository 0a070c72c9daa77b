"""Facts about the machine that a reader needs to judge a time: no names, no paths."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def measure(quick: bool = False) -> Iterator[dict]:
    """Yield one event with the processor, its caches, and two measured speeds."""
    scale = 10 if quick else 1
    yield {
        "event": "machine",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": platform.system(),
        "python": platform.python_version(),
        "blas": _blas(),
        "triad_gb_per_s": triad_bandwidth(30_000_000 // scale),
        "dgemm_gflop_per_s": dgemm_speed(2000 // scale),
    }


def cpu_model() -> str:
    """Return the name of the processor as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def triad_bandwidth(size: int, repeat: int = 5) -> float:
    """Memory bandwidth of ``a = b + 3 c`` in GB/s, best of `repeat`.

    After McCalpin's STREAM triad; NumPy needs two passes for it, so five arrays'
    worth of traffic (two reads and one write, one read and one write) is counted.
    """
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    best = np.inf
    for _ in range(repeat):
        start = time.perf_counter()
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)
        best = min(best, time.perf_counter() - start)
    return round(5 * 8 * size / best / 1e9, 1)


def dgemm_speed(size: int, repeat: int = 3) -> float:
    """Speed of a square float64 matrix product in Gflop/s, best of `repeat`."""
    a = np.ones((size, size))
    best = np.inf
    for _ in range(repeat):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return round(2 * size**3 / best / 1e9, 1)


def _memory_gib() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return round(total / 2**30, 1)


def _blas() -> str | None:
    """Name, version and kernel of NumPy's BLAS."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return None
    np.ones((2, 2)) @ np.ones((2, 2))
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            kernel = pool.get("architecture") or ""
            return f"{pool['internal_api']} {pool['version']} {kernel}".strip()
    return None
