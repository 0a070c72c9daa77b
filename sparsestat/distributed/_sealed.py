"""Chunks of dask collections that become one task each.

What computes a chunk and nothing else goes along with the function that reduces it: the
scheduler sees one task where it saw six, and a worker holds one chunk for each thread.
"""

from collections.abc import Sequence
from pickle import PicklingError
from typing import Any

from sparsestat.distributed._shards import Shard, gathered, is_dask

__all__ = ["Sealed", "sealed"]

# Graphs of more bytes hold data, which should not travel with every round.
_LARGEST = 1 << 18


class Sealed:
    """A shard that is computed in the task that asks for it.

    Parameters
    ----------
    content : bytes
        The pickled graph, the names of its results, and the other parts.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def opened(self) -> Shard:
        """The shard in memory."""
        import dask
        from distributed.protocol.pickle import loads

        graph, keys, parts = loads(self._content)
        found = dask.get(graph, list(keys.values()))
        if parts is None:
            return gathered(found[0])
        for place, value in zip(keys, found, strict=True):
            parts[place] = value
        return Shard(*parts)


def sealed(members: Sequence, collections: Sequence) -> list[Sealed] | None:
    """Shards with the graphs of their own; None where they have results in common.

    Parameters
    ----------
    members : sequence of Shard, or of Delayed
        With lazy parts.
    collections : sequence
        What they are parts of; others than dask's are ignored.

    Returns
    -------
    shards : list of Sealed or None
        None also where tasks have been computed already, are annotated, or hold data.
    """
    from dask.core import istask
    from dask.distributed import futures_of
    from dask.sizeof import sizeof
    from dask.utils import ensure_dict
    from distributed.protocol.pickle import dumps

    lazy = [collection for collection in collections if is_dask(collection)]
    if not all(hasattr(c, "__dask_graph__") for c in lazy) or futures_of(lazy):
        return None
    if any(layer.annotations for c in lazy for layer in _layers(c.__dask_graph__())):
        return None
    owner: dict[Any, int] = {}
    found = []
    for k, member in enumerate(members):
        parts = list(member[:-1]) if isinstance(member, Shard) else [member]
        graph, keys = {}, {}
        for place, part in enumerate(parts):
            if is_dask(part):
                own = part.__dask_graph__()
                own = own.cull({part.key}) if hasattr(own, "cull") else own
                graph.update(ensure_dict(own))
                keys[place], parts[place] = part.key, None
        for key, value in graph.items():
            # What a file is known by may be in all of them, a result may not.
            common = istask(value) and owner.setdefault(key, k) != k
            if common or (not istask(value) and sizeof(value) > _LARGEST):
                return None
        parts = parts if isinstance(member, Shard) else None
        try:
            content = dumps((graph, keys, parts))
        except (TypeError, PicklingError):  # dask may know how
            return None
        if len(content) > _LARGEST:
            return None
        found.append(Sealed(content))
    return found


def _layers(graph: Any) -> list:
    return list(getattr(graph, "layers", {}).values())
