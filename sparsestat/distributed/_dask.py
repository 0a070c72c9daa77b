"""Shards on a dask cluster: recomputable keys, a window of tasks, results in order."""

import math
import time
from collections import deque
from typing import Any

import numpy as np

from sparsestat.distributed._shards import (
    About,
    LocalShards,
    Shard,
    Shards,
    _of_shard,
    is_dask,
    late_shards,
    loaded,
    lost_shards,
    n_targets,
    names_of,
    warn_rechunk,
)

__all__ = ["from_collections", "from_delayed"]

# Messages above this many bytes are sent to the workers once, not with each task.
_INLINE = 1 << 20
# Tasks under way for each thread of the cluster: enough to hide latency, few enough
# that no worker holds more than a few chunks.
_AHEAD = 2


class DaskShards(Shards):
    """Shards whose data the workers of a cluster compute or hold.

    Data are never scattered: a key that can be computed outlives its worker.
    """

    def __init__(self, members, about, client: Any, held: bool = False):
        super().__init__(members, about)
        self._client, self._held = client, held

    def persist(self):
        """The same shards, kept by the workers if they have room."""
        if self._held or not self._fits():
            return self
        members = self._client.persist(self._members)
        return DaskShards(list(members), self.about, self._client, True)

    def payloads(self, f, message, counter, max_retries, timeout):
        """What `f` returns for each shard, in order; see `map_reduce`."""
        client, pending = self._client, deque()
        told = _Told(client, message)
        threads = sum(client.nthreads().values())
        ahead = len(self) if self._held else max(_AHEAD * threads, 2)
        upcoming = iter(range(len(self)))
        try:
            for k in range(len(self)):
                while (
                    len(pending) < ahead and (new := next(upcoming, None)) is not None
                ):
                    pending.append(self._submit(f, new, told))
                future = pending.popleft()
                yield self._result(f, k, told, future, counter, max_retries, timeout)
        except Exception as error:
            if _is_gone(client):
                raise lost_scheduler(error) from error
            raise
        finally:
            if not _is_gone(client):
                client.cancel(list(pending), force=True)

    def _fits(self) -> bool:
        """Whether the data take less than half of the workers' memory."""
        n_rows, n_features = self.about.n_rows, self.about.n_features
        if n_rows is None or n_features is None:
            return True
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        room = sum(worker["memory_limit"] or math.inf for worker in workers)
        return 8 * sum(n_rows) * n_features <= 0.5 * room

    def _submit(self, f, k, told):
        from dask import delayed

        task = delayed(_apply, pure=False)(f, self._members[k], told.message, k)
        return self._client.compute(task, retries=0, optimize_graph=False)

    def _result(self, f, k, told, future, counter, max_retries, timeout):
        from dask.distributed import TimeoutError

        for tries in range(max_retries + 1):
            try:
                begin = time.monotonic()
                return future.result(timeout=timeout)
            except (ValueError, TypeError) as error:
                raise _of_shard(k, error) from error
            except Exception as error:
                if _is_gone(self._client):
                    raise
                if tries == max_retries:
                    if isinstance(error, TimeoutError) and timeout is not None:
                        if time.monotonic() - begin >= timeout:
                            raise late_shards([k], timeout) from error
                    raise lost_shards([k], tries + 1, error) from error
                counter.retries += 1
                self._client.cancel([future], force=True)
                told.refresh()
                future = self._submit(f, k, told)


class _Told:
    """A message as the tasks get it: inline, or as a key if it is large."""

    def __init__(self, client, message):
        self._client, self._given = client, message
        self.refresh()

    def refresh(self) -> None:
        if _bytes(self._given) <= _INLINE:
            self.message = self._given
        else:
            self.message = self._client.scatter(self._given, broadcast=True, hash=False)


def from_collections(columns, n_jobs, client) -> Shards:
    """Shards of dask arrays and dataframes, a chunk of rows each."""
    X = columns[0]
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions; got {X.ndim}.")
    if hasattr(X, "chunks") and X.numblocks[1] > 1:
        warn_rechunk(X.numblocks[1])
        X = X.rechunk({1: -1})
    n_rows = None
    if hasattr(X, "chunks") and not any(map(math.isnan, X.chunks[0])):
        n_rows = list(X.chunks[0])
    blocks = list(np.ravel(X.to_delayed()))
    names = ("X", "y", "sample_weight", "extra")
    parts = [blocks]
    for name, column in zip(names[1:], columns[1:], strict=True):
        parts.append(_chunks_of(name, column, n_rows, len(blocks)))
    members = [Shard(*member) for member in zip(*parts, strict=True)]
    n_features = X.shape[1] if hasattr(X, "chunks") else len(X.columns)
    about = About(n_rows, n_features, names_of(X), n_targets(columns[1]))
    return _on_cluster(members, about, n_jobs, client)


def from_delayed(members: list, n_jobs, client) -> Shards:
    """Shards from Delayed or Futures of tuples."""
    return _on_cluster(members, About(), n_jobs, client)


def _on_cluster(members, about: About, n_jobs, client) -> Shards:
    client = client or _current_client()
    if client is None:
        return LocalShards(members, about, n_jobs)
    from dask import delayed

    lazy = [delayed(_gathered, pure=False)(_as_graph(m)) for m in members]
    return DaskShards(lazy, about, client)


def _as_graph(member):
    return list(member[:-1]) if isinstance(member, Shard) else member


def _gathered(member) -> Shard:
    """On the worker: the parts of a shard, side by side."""
    return Shard(*member) if isinstance(member, tuple | list) else Shard(member)


def _apply(f, shard, message, number):
    """On the worker: the payload of a shard, with one BLAS thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return f(loaded(shard, number), message)


def _chunks_of(name: str, column, n_rows, n_blocks: int) -> list:
    """Parts of y or weights that go with the chunks of X."""
    if column is None:
        return [None] * n_blocks
    if is_dask(column):
        if hasattr(column, "chunks") and n_rows is not None:
            if sum(n_rows) != column.shape[0]:
                raise ValueError(
                    f"{name} must have as many rows as X; got {column.shape[0]} and "
                    f"{sum(n_rows)}."
                )
            if list(column.chunks[0]) != n_rows:
                column = column.rechunk({0: tuple(n_rows)})
        parts = list(np.ravel(column.to_delayed()))
        if len(parts) != n_blocks:
            raise ValueError(
                f"{name} must have as many chunks of rows as X; got {len(parts)} and "
                f"{n_blocks}."
            )
        return parts
    if n_rows is None:
        raise ValueError(
            f"{name} must be a dask collection where the rows of the chunks of X are "
            f"not known; got {type(column).__name__}."
        )
    column = np.asarray(column)
    if len(column) != sum(n_rows):
        raise ValueError(
            f"{name} must have as many rows as X; got {len(column)} and {sum(n_rows)}."
        )
    return np.split(column, np.cumsum(n_rows)[:-1])


def _current_client():
    import sys

    if "distributed" not in sys.modules:
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


def _is_gone(client) -> bool:
    return client.status not in ("running", "connecting") or client.scheduler is None


def lost_scheduler(error: BaseException):
    """The error for a cluster that does not answer any more."""
    from sparsestat.distributed._engine import ShardsLost

    return ShardsLost(
        "The connection to the scheduler is lost "
        f"({type(error).__name__}: {error}); connect a new Client and fit again."
    )


def _bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return 8
