"""Shards on a dask cluster: recomputable keys, a window of tasks, results in order."""

import itertools
import math
import time
from collections import deque
from typing import Any

import numpy as np

from sparsestat.distributed._sealed import Sealed, sealed
from sparsestat.distributed._shards import (
    About,
    LocalShards,
    Shard,
    Shards,
    _of_shard,
    gathered,
    is_dask,
    late_shards,
    loaded,
    lost_shards,
    n_targets,
    names_of,
    warn_rechunk,
)
from sparsestat.utils.threads import one_blas_thread

__all__ = ["from_collections", "from_delayed"]

# Messages above this many bytes are sent to the workers once, not with each task.
_INLINE = 1 << 20
# Tasks under way for each thread of the cluster: enough to hide latency, few enough
# that no worker holds more than a few chunks.
_AHEAD = 2
# Bytes of the data, and of the payloads, of shards that share a task, and tasks for
# each thread of the cluster: a task costs milliseconds, whatever it does.
_SHARED, _TASKS = 1 << 24, 4


class DaskShards(Shards):
    """Shards whose data the workers of a cluster compute or hold.

    Data are never scattered: a key that can be computed outlives its worker. Shards
    that one worker holds share a task, as do neighbours that are small; their payloads
    stay apart, so that the merge does not depend on it.
    """

    def __init__(self, members, about, client: Any, sealed: list | None = None):
        super().__init__(members, about)
        self._client, self._sealed, self._held = client, sealed, False
        self._placed: tuple[dict, list] | None = None

    def persist(self):
        """The same shards, kept by the workers if they have room."""
        if self._held or not self._fits():
            return self
        held = DaskShards(self._lazy(range(len(self))), self.about, self._client)
        held._members, held._held = list(self._client.persist(held._members)), True
        return held

    def without(self, lost):
        """The other shards."""
        others = super().without(lost)
        others._placed = None
        if self._sealed is not None:
            kept = [s for k, s in enumerate(self._sealed) if k not in set(lost)]
            others._sealed = kept
        return others

    def _lazy(self, group) -> list:
        """Shards as dask computes them."""
        from dask import delayed

        if self._held:
            return [self._members[k] for k in group]
        return [
            delayed(gathered, pure=False)(_as_graph(self._members[k])) for k in group
        ]

    def payloads(self, f, message, counter, max_retries, timeout):
        """What `f` returns for each shard, in order; see `map_reduce`."""
        from dask import delayed

        client, told = self._client, _Told(self._client, message)
        threads = client.nthreads()
        groups = self._together(threads)
        ahead = len(groups) if self._held else max(_AHEAD * sum(threads.values()), 2)

        def submit(group):
            if self._sealed is not None:
                members = [self._sealed[k] for k in group]
                return client.submit(
                    _apply, f, members, told.message, group, pure=False, retries=0
                )
            members = self._lazy(group)
            task = delayed(_apply, pure=False)(f, members, told.message, group)
            return client.compute(task, retries=0, optimize_graph=False)

        tasks = _Tasks(client, submit, groups, ahead, timeout, counter)
        try:
            for k in range(len(self)):
                for tries in range(max_retries + 1):
                    try:
                        payload = tasks.payload(k)
                        break
                    except (ValueError, TypeError) as error:
                        raise _of_shard(k, error) from error
                    except Exception as error:
                        if _is_gone(client):
                            raise
                        if tries == max_retries:
                            if isinstance(error, _Late):
                                raise late_shards([k], timeout) from error
                            raise lost_shards([k], tries + 1, error) from error
                        told.refresh()
                        tasks.again(k)
                yield payload
        except Exception as error:
            if _is_gone(client):
                raise lost_scheduler(error) from error
            raise
        finally:
            if not _is_gone(client):
                client.cancel(tasks.under_way, force=True)

    def _fits(self) -> bool:
        """Whether the data take less than half of the workers' memory."""
        n_rows, n_features = self.about.n_rows, self.about.n_features
        if n_rows is None or n_features is None:
            return True
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        room = sum(worker["memory_limit"] or math.inf for worker in workers)
        return 8 * sum(n_rows) * n_features <= 0.5 * room

    def _together(self, threads: dict) -> list[list[int]]:
        """Shards that share a task, in the order of their first ones."""
        if not self._held:
            return self._neighbours(sum(threads.values()))
        if self._placed is None or self._placed[0] != threads:
            groups = self._by_worker(threads)
            if groups is None:  # the first round, which computes them
                return [[k] for k in range(len(self))]
            self._placed = threads, groups
        return self._placed[1]

    def _by_worker(self, threads: dict) -> list[list[int]] | None:
        """Shards that lie together, in as many parts as their worker has threads."""
        holders = self._client.who_has(self._members)
        places = [next(iter(holders.get(m.key, ())), None) for m in self._members]
        if None in places:
            return None
        groups = []
        for worker in dict.fromkeys(places):
            own = [k for k, place in enumerate(places) if place == worker]
            n_parts = max(threads.get(worker, 1), 1)
            groups += [own[i::n_parts] for i in range(min(n_parts, len(own)))]
        return sorted(groups)

    def _neighbours(self, n_threads: int) -> list[list[int]]:
        """Runs of small shards."""
        n_rows, n_features = self.about.n_rows, self.about.n_features
        if n_rows is None or n_features is None:
            return [[k] for k in range(len(self))]
        most = max(len(self) // (_TASKS * max(n_threads, 1)), 1)
        groups, size = [], math.inf
        for k, n in enumerate(n_rows):
            size += 8 * n * n_features
            if size > _SHARED or len(groups[-1]) == most:
                groups.append([])
                size = 8 * n * n_features
            groups[-1].append(k)
        return groups


class _Late(Exception):
    """A task that took longer than its shards may."""


class _Tasks:
    """Tasks of one round: which are under way, and answers that wait for their turn."""

    def __init__(self, client, submit, groups, ahead: int, timeout, counter) -> None:
        self._client, self._submit = client, submit
        self._ahead, self._timeout, self._counter = ahead, timeout, counter
        self._waiting = deque(groups)
        self._open: dict[Any, list[int]] = {}
        self._task: dict[int, Any] = {}  # the last one with this shard
        self._answers: dict[int, Any] = {}

    @property
    def under_way(self) -> list:
        """Futures that have not been read."""
        return list(self._open)

    def payload(self, k: int):
        """The payload of a shard; raises what its function raised, or how it failed."""
        while k not in self._task or (self._waiting and len(self._open) < self._ahead):
            self._ask(self._waiting.popleft())
        while k not in self._answers:  # twice where its task had no answer for it
            self._read(self._task[k])
        answer = self._answers.pop(k)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def again(self, k: int) -> None:
        """Ask a shard once more, by itself."""
        self._counter.retries += 1
        self._ask([k])

    def _ask(self, group: list[int]) -> None:
        task = self._submit(group)
        self._open[task] = group
        self._task.update(dict.fromkeys(group, task))

    def _read(self, task) -> None:
        """Take the answers of a task, or its failure for each of its shards."""
        from dask.distributed import TimeoutError

        group = self._open.pop(task)
        limit = None if self._timeout is None else self._timeout * len(group)
        begin = time.monotonic()
        try:
            answers = task.result(timeout=limit)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit is not None:
                if time.monotonic() - begin >= limit:
                    error = _Late(str(error))
            self._client.cancel([task], force=True)
            if len(group) == 1:
                answers = [error]
            else:  # by themselves, to see whose failure it is
                answers = [None] * len(group)
                self._counter.retries += len(group)
        for k, answer in zip(group, answers, strict=True):
            if answer is None:
                self._ask([k])
            else:
                self._answers[k] = answer


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
    names = ("X", "y", "sample_weight", "extra")
    lazy = [X]
    for name, column in zip(names[1:], columns[1:], strict=True):
        lazy.append(_in_chunks(name, column, n_rows) if is_dask(column) else column)
    blocks, *others = _blocks(lazy)
    parts = [blocks]
    for name, column in zip(names[1:], others, strict=True):
        parts.append(_chunks_of(name, column, n_rows, len(blocks)))
    members = [Shard(*member) for member in zip(*parts, strict=True)]
    n_features = X.shape[1] if hasattr(X, "chunks") else len(X.columns)
    about = About(n_rows, n_features, names_of(X), n_targets(columns[1]))
    return _on_cluster(members, about, n_jobs, client, columns)


def from_delayed(members: list, n_jobs, client) -> Shards:
    """Shards from Delayed or Futures of tuples."""
    return _on_cluster(members, About(), n_jobs, client, members)


def _on_cluster(members, about: About, n_jobs, client, collections) -> Shards:
    client = client or _current_client()
    if client is None:
        return LocalShards(members, about, n_jobs)
    return DaskShards(members, about, client, sealed(members, collections))


def _as_graph(member):
    return list(member[:-1]) if isinstance(member, Shard) else member


def _apply(f, members, message, numbers) -> list:
    """On the worker: payloads of shards, or what they raised, with one BLAS thread.

    None for those that would make the answer too large.
    """
    answers, size = [], 0
    with one_blas_thread():
        for member, k in zip(members, numbers, strict=True):
            if size > _SHARED:
                answers.append(None)
                continue
            try:
                member = member.opened() if isinstance(member, Sealed) else member
                answers.append(f(loaded(member, k), message))
            except Exception as error:
                answers.append(error)
            else:
                size += _bytes(answers[-1])
    return answers


def _in_chunks(name: str, column, n_rows):
    """y or weights in chunks as those of X, where these are known."""
    if not hasattr(column, "chunks") or n_rows is None:
        return column
    if math.isnan(column.shape[0]):
        return column  # checked where they meet
    if sum(n_rows) != column.shape[0]:
        raise ValueError(
            f"{name} must have as many rows as X; got {column.shape[0]} and "
            f"{sum(n_rows)}."
        )
    if list(column.chunks[0]) != n_rows:
        column = column.rechunk({0: tuple(n_rows)})
    return column


def _blocks(columns: list) -> list:
    """Lists of chunks of rows for lazy columns; others as they are.

    Arrays that are made of the same things share one graph: optimised one by one, each
    would make them anew.
    """
    from dask.delayed import Delayed
    from dask.highlevelgraph import HighLevelGraph

    lazy = [c for c in columns if is_dask(c)]
    common = set()
    if all(hasattr(column, "chunks") for column in lazy):
        layers = [set(column.dask.layers) for column in lazy]
        common = set().union(*(a & b for a, b in itertools.combinations(layers, 2)))
    if not common:
        return [list(np.ravel(c.to_delayed())) if is_dask(c) else c for c in columns]
    merged: dict = {}
    for column in lazy:
        merged.update(column.__dask_graph__())
    name = f"shards-{lazy[0].name}"
    graph = HighLevelGraph.from_collections(name, merged, dependencies=())

    def keys(column):
        rows = column.__dask_keys__()
        return [row[0] if isinstance(row, list) else row for row in rows]

    return [
        [Delayed(k, graph, layer=name) for k in keys(c)] if is_dask(c) else c
        for c in columns
    ]


def _chunks_of(name: str, column, n_rows, n_blocks: int) -> list:
    """Parts of y or weights that go with the chunks of X."""
    if column is None:
        return [None] * n_blocks
    if isinstance(column, list):
        if len(column) != n_blocks:
            raise ValueError(
                f"{name} must have as many chunks of rows as X; got {len(column)} and "
                f"{n_blocks}."
            )
        return column
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
