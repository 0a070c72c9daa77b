"""Rows on the workers of a cluster: second moments beside dask's products."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.distributed._selection import run_child


def _made(settings: Settings) -> dict:
    width = 200
    n_chunks, n_rows = (4, 2_000) if settings.quick else (160, 62_500)
    events = run_child(
        "_rows:measure_made", settings, n_chunks=n_chunks, n_rows=n_rows, width=width
    )
    return _report(
        events,
        (n_chunks * n_rows, width),
        f"{n_chunks} chunks drawn on two workers of one thread, anew for each method; "
        '"made only" draws them and sums the target, which the others include.',
    )


def _held(settings: Settings) -> dict:
    width = 50 if settings.quick else 1_000
    n_shards, n_rows = (4, 2_000) if settings.quick else (16, 10_000)
    events = run_child(
        "_rows:measure_held",
        settings,
        n_shards=n_shards,
        n_rows=n_rows,
        width=width,
        repeat=settings.repeat,
    )
    return _report(
        events,
        (n_shards * n_rows, width),
        f"{n_shards} shards that two workers of one thread hold; medians of "
        f"{settings.repeat}. The local product runs in this process, on one thread, "
        "over the same blocks. dask-ml's solver stops at its tolerance, not at the "
        "solution, and takes many passes over the rows; once. The workers share the "
        "cores that the benchmark has: on a single one nothing runs beside another.",
    )


def _report(events: list[dict], shape: tuple[int, int], note: str) -> dict:
    base = next((e["time"] for e in events if e.get("base")), None)
    head = ["", "time", "largest worker"] + ["over the local product"] * bool(base)
    rows = []
    for event in events:
        row = [event["method"], seconds(event["time"])]
        row.append(f"{event['memory'] / 1e9:.2f} GB")
        rows.append(row + [f"{event['time'] / (base or 1.0):.2f}"] * bool(base))
    n, width = shape
    title = f"{n:,} x {width:,}, {8e-9 * n * width:.1f} GB"
    table = {"title": title, "head": head, "rows": rows}
    return {"kind": "tables", "tables": [table], "notes": [note]}


@contextlib.contextmanager
def _cluster(memory_limit: str):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            memory_limit=memory_limit,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _watched(method: Callable, pids: list[int]) -> tuple[float, int]:
    """Seconds, and the most memory that a worker had."""
    import psutil

    peak, done = [0], threading.Event()

    def look():
        held = [psutil.Process(pid).memory_info().rss for pid in pids]
        peak[0] = max(peak[0], *held)

    def watch():
        while not done.wait(0.1):
            look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        start = time.perf_counter()
        method()
        elapsed = time.perf_counter() - start
    finally:
        look()
        done.set()
        watcher.join()
    return elapsed, peak[0]


def _chunks(n_chunks: int, n_rows: int, width: int):
    """Rows that are drawn where they are asked for, and their targets."""
    import dask
    import dask.array as da

    @dask.delayed(pure=True, nout=2)
    def make(k):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((n_rows, width))
        return X, X[:, 0] + rng.standard_normal(n_rows)

    X, y = [], []
    for k in range(n_chunks):
        rows, target = make(k)
        X.append(da.from_delayed(rows, (n_rows, width), float))
        y.append(da.from_delayed(target, (n_rows,), float))
    return da.concatenate(X), da.concatenate(y)


def measure_made(n_chunks: int, n_rows: int, width: int) -> Iterator[dict]:
    """Times and largest memory of a worker, for rows that nobody holds."""
    from sparsestat.distributed import as_shards, condense, map_reduce
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    def total(shard, message):
        return (np.array([shard.y.sum()]),)

    model = DistributedBestSubsetRegressor(refine=None)
    with _cluster("3GiB") as client:
        X, y = _chunks(n_chunks, n_rows, width)
        condense(X[: 2 * n_rows], y[: 2 * n_rows])  # imports and compiles there
        model.fit(X[:n_rows], y[:n_rows])
        methods = {
            "made only": lambda: map_reduce(total, as_shards(X, y)),
            "dask, X.T @ X": lambda: (X.T @ X).compute(),
            "sparsestat.distributed.condense": lambda: condense(X, y),
            "DistributedBestSubsetRegressor, one pass": lambda: model.fit(X, y),
        }
        pids = list(client.run(os.getpid).values())
        for name, method in methods.items():
            elapsed, memory = _watched(method, pids)
            yield {"event": "fit", "method": name, "time": elapsed, "memory": memory}


def measure_held(n_shards: int, n_rows: int, width: int, repeat: int) -> Iterator[dict]:
    """The same for shards that the workers hold, beside a product in this process."""
    from sparsestat.distributed import as_shards, condense
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    model = DistributedBestSubsetRegressor(algorithm="gram", refine=None)
    account = []

    def fit(shards):
        model.fit(shards)
        account.append(model.communication_[0]["seconds"])

    with _cluster("6GiB") as client:
        X, y = client.persist(_chunks(n_shards, n_rows, width))
        shards = as_shards(X, y, client=client).persist()
        local = [
            np.random.default_rng(k).standard_normal((n_rows, width))
            for k in range(n_shards)
        ]

        def product():
            gram = np.zeros((width, width))
            for block in local:
                gram += block.T @ block

        methods = {
            "in this process, sum of X_k.T @ X_k": product,
            "dask, X.T @ X": lambda: (X.T @ X).compute(),
            "sparsestat.distributed.condense": lambda: condense(shards),
            'DistributedBestSubsetRegressor, "gram"': lambda: fit(shards),
        }
        pids = list(client.run(os.getpid).values())
        for k, (name, method) in enumerate(methods.items()):
            method()  # imports and compiles
            found = [_watched(method, pids) for _ in range(repeat)]
            times, memory = zip(*found, strict=True)
            yield {
                "event": "fit",
                "method": name,
                "time": float(np.median(times)),
                "memory": max(memory),
                "base": k == 0,
            }
        yield {
            "event": "fit",
            "method": "its round, without the search",
            "time": float(np.median(account[1:])),
            "memory": max(memory),
        }
        yield from _dask_ml(X, y, pids)


def _dask_ml(X, y, pids: list[int]) -> Iterator[dict]:
    """All features, by dask-ml, where it is installed."""
    try:
        from dask_ml.linear_model import LinearRegression
    except ImportError:
        return
    model = LinearRegression(solver="lbfgs", C=1e9)
    elapsed, memory = _watched(lambda: model.fit(X, y), pids)
    yield {
        "event": "fit",
        "method": "dask_ml.LinearRegression, all features",
        "time": elapsed,
        "memory": memory,
    }


CASES = [
    Case("C", "Second moments of rows that no worker holds", _made),
    Case("C.held", "Second moments of shards that workers hold", _held),
]
