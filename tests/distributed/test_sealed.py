"""Chunks as one task each: which may, and what they hold."""

import dask
import dask.array as da
import numpy as np
import pytest

from sparsestat.distributed import Shard
from sparsestat.distributed._dask import _blocks
from sparsestat.distributed._sealed import sealed


def made(n_chunks=3, n_rows=4):
    """Chunks of rows whose targets come out of the same task."""

    @dask.delayed(pure=True, nout=2)
    def make(k):
        X = np.random.default_rng(k).standard_normal((n_rows, 2))
        return X, X[:, 0]

    parts = [make(k) for k in range(n_chunks)]
    X = da.concatenate([da.from_delayed(x, (n_rows, 2), float) for x, _ in parts])
    y = da.concatenate([da.from_delayed(y, (n_rows,), float) for _, y in parts])
    return X, y


def members_of(X, y, weights=(None, None, None)):
    parts = zip(*_blocks([X, y]), weights, strict=True)
    return [Shard(x, target, weight) for x, target, weight in parts]


def test_a_sealed_chunk_is_the_chunk():
    X, y = made()
    weights = [np.full(4, float(k)) for k in range(3)]
    shards = sealed(members_of(X, y, weights), [X, y])
    for k, shard in enumerate(shards):
        found, rows = shard.opened(), slice(4 * k, 4 * k + 4)
        np.testing.assert_array_equal(found.X, X[rows].compute())
        np.testing.assert_array_equal(found.y, y[rows].compute())
        np.testing.assert_array_equal(found.sample_weight, weights[k])
        assert found.extra is None


def test_delayed_tuples_and_matrices_are_sealed():
    X = np.arange(6.0).reshape(3, 2)
    pair, alone = dask.delayed(lambda: (X, X[:, 0]))(), dask.delayed(lambda: X)()
    both, one = sealed([pair, alone], [pair, alone])
    np.testing.assert_array_equal(both.opened().y, X[:, 0])
    np.testing.assert_array_equal(one.opened().X, X)
    assert one.opened().y is None


class File:
    """Rows that are read slice by slice."""

    shape, ndim, dtype = (12, 2), 2, np.dtype(float)

    def __init__(self, handle=None):
        self.handle = handle

    def __getitem__(self, part):
        return np.arange(24.0).reshape(12, 2)[part]


def test_chunks_of_one_file_are_sealed():
    X, (_, y) = da.from_array(File(), chunks=(4, 2)), made()
    shards = sealed(members_of(X, y), [X, y])
    np.testing.assert_array_equal(shards[1].opened().X, File()[4:8])


@pytest.mark.parametrize("why", ["common", "annotated", "data", "handle"])
def test_what_is_not_sealed(why):
    X, y = made()
    if why == "common":  # every chunk needs the means of all
        X = X - X.mean(axis=0)
    elif why == "handle":  # that cannot be pickled
        X = da.from_array(File(k for k in range(2)), chunks=(4, 2), name="file")
    elif why == "annotated":
        with dask.annotate(resources={"GPU": 1}):
            X = X + 1.0
    else:
        X = da.concatenate([X[:8], da.from_array(np.ones((40_000, 2)), chunks=-1)])
        y = da.concatenate([y[:8], da.ones(40_000, chunks=-1)])
    assert sealed(members_of(X, y), [X, y]) is None
