"""Data in parts: one engine, a pure function mapped over shards and merged in order."""

from sparsestat.distributed._condense import Condensed, condense
from sparsestat.distributed._engine import ShardsLost, map_reduce
from sparsestat.distributed._shards import Shard, Shards, as_shards

__all__ = [
    "Condensed",
    "Shard",
    "Shards",
    "ShardsLost",
    "as_shards",
    "condense",
    "map_reduce",
]
