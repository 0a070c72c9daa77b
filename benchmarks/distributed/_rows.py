"""Rows that are made on the workers of a cluster: one pass beside dask's products."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.distributed._selection import run_child

WIDTH = 200


def _rows(settings: Settings) -> dict:
    n_chunks, n_rows = (4, 2_000) if settings.quick else (160, 62_500)
    events = run_child(
        "_rows:measure", settings, n_chunks=n_chunks, n_rows=n_rows, width=WIDTH
    )
    rows = [
        [event["method"], seconds(event["time"]), f"{event['memory'] / 1e9:.2f} GB"]
        for event in events
    ]
    n = n_chunks * n_rows
    table = {
        "title": f"{n:,} x {WIDTH}, {8e-9 * n * WIDTH:.1f} GB",
        "head": ["", "time", "largest worker"],
        "rows": rows,
    }
    note = (
        f"{n_chunks} chunks drawn on two workers of one thread, anew for each method; "
        '"made only" draws them and sums the target, which the others include.'
    )
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure(n_chunks: int, n_rows: int, width: int) -> Iterator[dict]:
    """Times and largest memory of a worker."""
    import os
    import threading

    import dask
    import dask.array as da
    import psutil
    from dask.distributed import Client, LocalCluster

    from sparsestat.distributed import as_shards, condense, map_reduce
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    def make(k):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((n_rows, width))
        return np.column_stack([X, X[:, 0] + rng.standard_normal(n_rows)])

    def total(shard, message):
        return (np.array([shard.y.sum()]),)

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            memory_limit="3GiB",
        ) as cluster,
        Client(cluster) as client,
    ):
        parts = [
            da.from_delayed(dask.delayed(make)(k), (n_rows, width + 1), float)
            for k in range(n_chunks)
        ]
        Z = da.concatenate(parts)
        X, y = Z[:, :width], Z[:, width]
        condense(X[: 2 * n_rows], y[: 2 * n_rows])  # imports and compiles there
        methods = {
            "made only": lambda: map_reduce(total, as_shards(X, y)),
            "dask, X.T @ X": lambda: (X.T @ X).compute(),
            "sparsestat.distributed.condense": lambda: condense(X, y),
            "DistributedBestSubsetRegressor, one pass": lambda: (
                DistributedBestSubsetRegressor(refine=None).fit(X, y)
            ),
        }
        DistributedBestSubsetRegressor(refine=None).fit(X[:n_rows], y[:n_rows])
        pids = list(client.run(os.getpid).values())
        for name, method in methods.items():
            peak, done = [0], threading.Event()

            def watch(peak=peak, done=done):
                while not done.wait(0.1):
                    for pid in pids:
                        used = psutil.Process(pid).memory_info().rss
                        peak[0] = max(peak[0], used)

            watcher = threading.Thread(target=watch)
            watcher.start()
            start = time.perf_counter()
            method()
            elapsed = time.perf_counter() - start
            done.set()
            watcher.join()
            yield {
                "event": "fit",
                "method": name,
                "time": elapsed,
                "memory": peak[0],
            }


CASES = [Case("C", "Second moments of rows that no worker holds", _rows)]
