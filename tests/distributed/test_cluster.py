"""dask: the same numbers as in this process, whatever happens to the workers."""

import importlib
import os
import signal
import threading

import numpy as np
import pytest
from sklearn.base import clone

from sparsestat.distributed import ShardsLost, as_shards, condense, map_reduce
from sparsestat.linear_model import (
    DistributedBestSubsetClassifier,
    DistributedBestSubsetRegressor,
    Lasso,
    LassoCV,
)

pytest.importorskip("distributed")

import dask
import dask.array as da
import dask.dataframe as dd
import pandas as pd
from dask.distributed import Client, LocalCluster

ROWS, WIDTH = 5_000, 50


@pytest.fixture(scope="module")
def client():
    """Two worker processes on free ports, without a dashboard."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def quiet():
    """Killed workers are told of in the log only."""
    with dask.config.set({"logging.distributed": "critical"}):
        yield


def chunk(k, n_rows=ROWS, width=WIDTH):
    """Chunk k: deterministic, with the target in the last column."""
    rng = np.random.default_rng(k)
    X = rng.standard_normal((n_rows, width)) + 1.0
    y = X[:, 0] - 0.5 * X[:, 3] + rng.standard_normal(n_rows)
    return np.column_stack([X, y])


def deadly_chunk(k, marker):
    """Chunk k, whose worker is killed the first time it is asked for."""
    if not os.path.exists(marker):
        with open(marker, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk(k)


def lazy(n_chunks, make=chunk, width=WIDTH):
    parts = [
        da.from_delayed(dask.delayed(make)(k), (ROWS, width + 1), np.float64)
        for k in range(n_chunks)
    ]
    Z = da.concatenate(parts)
    return Z[:, :width], Z[:, width]


def pooled(n_chunks):
    Z = np.concatenate([chunk(k) for k in range(n_chunks)])
    return Z[:, :WIDTH], Z[:, WIDTH]


def assert_same_bits(first, second):
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.y, second.y)


def assert_same_moments(first, second):
    """Rows are not unique, as pivots of equal size may change places."""
    a, b = (np.column_stack([r.X, r.y, np.ones(len(r.X))]) for r in (first, second))
    np.testing.assert_allclose(
        a.T @ (a * first.sample_weight[:, None]),
        b.T @ (b * second.sample_weight[:, None]),
        rtol=1e-11,
        atol=1e-9,
    )


def test_killed_worker_changes_no_bit(client, tmp_path):
    marker = str(tmp_path / "killed")

    def make(k):
        return deadly_chunk(k, marker) if k == 7 else chunk(k)

    rows = condense(*lazy(20, make), cv=5)
    assert os.path.exists(marker)
    undisturbed = condense(*lazy(20), cv=5)
    here = condense(*pooled(20), cv=5, n_shards=20)
    for other in (undisturbed, here):
        assert_same_bits(rows, other)
    (account,) = rows.communication
    assert account["up_floats_per_shard"] == 50 * 51 // 2 + 2 * 50 + 4
    X, y = pooled(20)
    few, whole = Lasso(0.05, tol=1e-10), Lasso(0.05, tol=1e-10)
    few.fit(rows.X, rows.y), whole.fit(X, y)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-10)
    precomputed = Lasso(0.05, precompute=True, tol=1e-10).fit(rows.X, rows.y)
    np.testing.assert_allclose(precomputed.coef_, whole.coef_, rtol=0, atol=1e-10)
    few, whole = LassoCV(alphas=20, cv=rows.cv), LassoCV(alphas=20, cv=5)
    few.fit(rows.X, rows.y, sample_weight=rows.sample_weight)
    whole.fit(X, y)
    assert few.alpha_ == pytest.approx(whole.alpha_, rel=1e-12)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("algorithm", ["gram", "columns", "surrogate"])
def test_killed_worker_in_a_search_of_subsets(client, tmp_path, algorithm):
    marker = str(tmp_path / "killed")

    def make(k):
        return deadly_chunk(k, marker) if k == 2 else chunk(k)

    model = DistributedBestSubsetRegressor(algorithm=algorithm, max_nonzero_coefs=8)
    X, y = lazy(6, make)
    model.fit(X, y)
    assert os.path.exists(marker)
    here = DistributedBestSubsetRegressor(
        algorithm=algorithm, max_nonzero_coefs=8, n_shards=6
    ).fit(*pooled(6))
    np.testing.assert_array_equal(model.support_, [0, 3])
    np.testing.assert_array_equal(model.coef_, here.coef_)
    assert model.bytes_total_ == here.bytes_total_
    lazy_prediction = model.predict(X[:ROWS])
    np.testing.assert_allclose(
        lazy_prediction.compute(), here.predict(chunk(0)[:, :50])
    )


def test_killed_worker_in_a_search_for_classes(client, tmp_path):
    marker = str(tmp_path / "killed")

    def make(k):
        return deadly_chunk(k, marker) if k == 2 else chunk(k)

    X, y = lazy(6, make)
    model = DistributedBestSubsetClassifier(2, algorithm="columns")
    model.fit(X, da.digitize(y, [-1.0, 1.0]))
    assert os.path.exists(marker)
    X_all, y_all = pooled(6)
    here = DistributedBestSubsetClassifier(2, algorithm="columns", n_shards=6)
    here.fit(X_all, np.digitize(y_all, [-1.0, 1.0]))
    np.testing.assert_array_equal(model.support_, [0, 3])
    np.testing.assert_array_equal(model.coef_, here.coef_)
    assert model.bytes_total_ == here.bytes_total_
    for name in ("decision_function", "predict_proba", "predict"):
        found = getattr(model, name)(X[:ROWS])
        expected = getattr(here, name)(X_all[:ROWS])
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.compute(), expected)


def test_subsets_of_dataframes(client):
    Z = chunk(0, 900, 4)
    frame = dd.from_pandas(pd.DataFrame(Z, columns=list("abcdy")), npartitions=3)
    model = DistributedBestSubsetRegressor().fit(frame[list("abcd")], frame["y"])
    assert list(model.feature_names_in_) == list("abcd")
    here = DistributedBestSubsetRegressor().fit(Z[:, :4], Z[:, 4])
    np.testing.assert_allclose(model.coef_, here.coef_, rtol=0, atol=1e-10)
    found = model.predict(frame[list("abcd")]).compute()
    np.testing.assert_allclose(found, here.predict(Z[:, :4]), atol=1e-10)


def test_killed_worker_with_data_that_it_held(client, tmp_path):
    """Held chunks are computed again where they are lost."""
    shards = as_shards(*lazy(6)).persist()

    def total(shard, message):
        return (shard.X.sum(axis=0),)

    first = map_reduce(total, shards)[0]
    pid = next(iter(client.run(os.getpid).values()))
    os.kill(pid, signal.SIGKILL)
    np.testing.assert_array_equal(map_reduce(total, shards)[0], first)


def test_threads_of_this_process_without_a_client():
    X, y = lazy(3)
    here = condense(*pooled(3), n_shards=3)
    rows = condense(X, y)
    assert_same_bits(rows, here)


def test_failing_task_is_tried_again(client, tmp_path):
    marker = str(tmp_path / "failed")

    def flaky(shard, message):
        if shard.number == 1 and not os.path.exists(marker):
            with open(marker, "w"):
                pass
            raise OSError("no disk")
        return (shard.X.sum(axis=0),)

    account = []
    shards = as_shards(*lazy(3))
    found = map_reduce(flaky, shards, communication=account)
    assert account[0]["retries"] == 1
    np.testing.assert_array_equal(found[0], map_reduce(flaky, shards)[0])


def test_shard_that_fails_for_good_is_named(client):
    def broken(shard, message):
        if shard.number == 2:
            raise OSError("no disk")
        return (shard.X.sum(axis=0),)

    with pytest.raises(ShardsLost, match=r"Shard 2 failed 2 times.*no disk") as error:
        map_reduce(broken, as_shards(*lazy(4)), max_retries=1)
    assert error.value.shards == (2,)


def test_shards_that_lie_together_share_a_task(client):
    """Held shards and small neighbours: fewer tasks, the same bits, one account."""

    def moments(shard, message):
        return shard.X.T @ (shard.X * message), np.array([os.getpid()])

    shards = as_shards(*lazy(12))
    held = shards.persist()
    accounts, found = [], []
    for given in (shards, held, held, held):
        found.append(map_reduce(moments, given, 2.0, communication=accounts)[0])
    groups = held._placed[1]
    assert len(groups) <= 2
    assert sorted(k for group in groups for k in group) == list(range(12))
    assert {row["up_floats_per_shard"] for row in accounts} == {WIDTH**2 + 1}
    assert {row["up_bytes_total"] for row in accounts} == {12 * 8 * (WIDTH**2 + 1)}
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    # Neighbours of 2 MB: at least four tasks for each of two threads.
    assert [len(g) for g in as_shards(*lazy(24))._neighbours(2)] == [3] * 8
    assert [len(g) for g in as_shards(*lazy(240))._neighbours(2)] == [8] * 30


def test_failure_in_a_shared_task_is_that_of_its_shard(client, tmp_path):
    held = as_shards(*lazy(6)).persist()

    def total(shard, message):
        return (shard.X.sum(axis=0),)

    for _ in range(2):
        expected = map_reduce(total, held)[0]
    marker = str(tmp_path / "failed")

    def flaky(shard, message):
        if shard.number == 3 and not os.path.exists(marker):
            with open(marker, "w"):
                pass
            raise OSError("no disk")
        return total(shard, message)

    account = []
    np.testing.assert_array_equal(
        map_reduce(flaky, held, communication=account)[0], expected
    )
    assert account[0]["retries"] == 1

    def picky(shard, message):
        if shard.number == 4:
            raise ValueError("X must be better.")
        return total(shard, message)

    with pytest.raises(ValueError, match=r"^Shard 4: X must be better\.$"):
        map_reduce(picky, held)

    def broken(shard, message):
        if shard.number == 5:
            raise OSError("no disk")
        return total(shard, message)

    with pytest.raises(ShardsLost, match="Shard 5 failed 2 times") as error:
        map_reduce(broken, held, max_retries=1)
    rest = held.without(error.value.shards)
    assert len(rest) == 5
    here = as_shards(*pooled(6), n_shards=6).without([5])
    np.testing.assert_allclose(map_reduce(total, rest)[0], map_reduce(total, here)[0])


def test_large_payloads_of_a_shared_task_come_one_by_one(client):
    held = as_shards(*lazy(6)).persist()

    def large(shard, message):
        return (np.full(1_500_000, float(shard.number)),)

    for _ in range(2):
        found = map_reduce(large, held)[0]
        np.testing.assert_array_equal(found, np.full(1_500_000, 15.0))


def test_estimators_on_a_cluster_can_be_cloned_and_take_shards(client):
    X, y = lazy(3)
    model = clone(DistributedBestSubsetRegressor(max_nonzero_coefs=4, refine=None))
    with client.as_current():
        coef = model.fit(X, y).coef_
    shards = as_shards(X, y, client=client).persist()
    np.testing.assert_array_equal(clone(model).fit(shards).coef_, coef)
    with pytest.raises(ValueError, match="must be None where X is a list of shards"):
        model.fit(shards, y)


def test_late_shard_is_named(client):
    def slow(shard, message):
        import time

        time.sleep(6.0 if shard.number == 1 else 0.0)
        return (np.zeros(1),)

    client.run(importlib.import_module, "sparsestat.distributed")  # which takes a while
    with pytest.raises(ShardsLost, match=r"Shard 1 gave no result in 3 s"):
        map_reduce(slow, as_shards(*lazy(2)), timeout=3.0, max_retries=0)


def test_bad_shards_are_named(client):
    def spoilt(k):
        Z = chunk(k)
        if k == 2:
            Z[17, 3] = np.nan
        return Z

    with pytest.raises(ValueError, match="Shard 2: X must be finite"):
        condense(*lazy(4, spoilt))
    with pytest.raises(ValueError, match="Shard 0: X must have 49 columns as other"):
        X = da.from_delayed(dask.delayed(chunk)(0), (ROWS, 49), np.float64)
        condense(X, lazy(1)[1])


def test_what_X_and_y_have_in_common_is_computed_once(client, tmp_path):
    def counted(k):
        (tmp_path / f"{k} {os.urandom(8).hex()}").touch()
        return chunk(k)

    X, y = lazy(4, counted)
    rows = condense(X, y, X[:, 0] ** 2)
    here = pooled(4)
    assert_same_bits(rows, condense(*here, here[0][:, 0] ** 2, n_shards=4))
    assert len(list(tmp_path.iterdir())) == 4


def test_large_messages_travel_once(client):
    def shift(shard, message):
        return (shard.X[:, :2] - message["mean"][:2]).sum(axis=0), np.zeros(1)

    shards = as_shards(*lazy(3))
    mean = np.ones(200_000)
    found, _ = map_reduce(shift, shards, {"mean": mean})
    expected = sum((chunk(k)[:, :2] - 1.0).sum(axis=0) for k in range(3))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_dataframes_with_empty_partitions_and_other_orders(client):
    Z = chunk(0, 900, 4)
    frame = pd.DataFrame(Z, columns=["a", "b", "c", "d", "y"])
    frame["part"] = np.repeat([0, 1, 2], 300)
    ddf = dd.from_pandas(frame, npartitions=3)
    some = ddf[ddf["part"] != 1]
    rows = condense(some[["a", "b", "c", "d"]], some["y"])
    kept = frame[frame["part"] != 1]
    here = condense(kept[["a", "b", "c", "d"]], kept["y"])
    assert rows.feature_names == ["a", "b", "c", "d"]
    assert_same_moments(rows, here)
    folded = condense(some[["a", "b", "c", "d"]], some["y"], cv=3)
    assert [row["purpose"] for row in folded.communication] == ["rows", "moments"]
    same = condense(kept[["a", "b", "c", "d"]], kept["y"], cv=3)
    assert_same_moments(folded, same)


def test_lists_of_delayed_and_of_futures(client):
    def shard(k):
        Z = chunk(k)
        return Z[:, :WIDTH], Z[:, WIDTH]

    here = condense(*pooled(3), n_shards=3)
    for given in (
        [dask.delayed(shard)(k) for k in range(3)],
        [client.submit(shard, k) for k in range(3)],
    ):
        rows = condense(given)
        assert [row["purpose"] for row in rows.communication] == ["layout", "moments"]
        assert_same_bits(rows, here)


def test_chunks_of_targets_follow_those_of_X(client):
    X, y = lazy(3)
    here = condense(*pooled(3), n_shards=3)
    for target in (y.rechunk(4000), y.compute()):
        assert_same_moments(condense(X, target), here)
    with pytest.warns(UserWarning, match="2 chunks of columns and is rechunked"):
        assert_same_moments(condense(X.rechunk({1: 25}), y), here)
    with pytest.raises(ValueError, match="y must have as many rows as X"):
        as_shards(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight must have as many rows as X"):
        as_shards(X, y, np.ones(3))


@pytest.mark.parametrize("fitting", [False, True])
def test_lost_scheduler_is_an_error(fitting):
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    )

    def waiting(shard, message):
        import time

        time.sleep(0.2)
        return (np.zeros(1),)

    model = DistributedBestSubsetRegressor(max_retries=0).fit(*pooled(1))
    before = dict(vars(model))

    def slow_chunk(k):
        import time

        time.sleep(0.2)
        return chunk(k)

    with Client(cluster) as client:
        shards = as_shards(da.zeros((50, 2), chunks=(1, 2)), client=client)
        X, y = lazy(50, slow_chunk)
        closer = threading.Timer(0.5, cluster.close)
        closer.start()
        with pytest.raises(ShardsLost, match="connection to the scheduler is lost"):
            if fitting:
                model.fit(as_shards(X, y, client=client))
            else:
                map_reduce(waiting, shards)
        closer.join(10.0)
    assert dict(vars(model)) == before  # nothing half-fitted


def test_nothing_is_imported_before_it_is_needed():
    import subprocess
    import sys

    code = (
        "import sys, sparsestat.distributed, sparsestat.linear_model;"
        "print([m for m in ('dask', 'distributed') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_ten_million_rows_in_one_pass_and_bounded_memory():
    """10^7 x 200 from chunks made on the workers: 16 GB that nobody ever holds."""
    psutil = pytest.importorskip("psutil")
    n_chunks, n_rows, width = 160, 62_500, 200
    peak = [0]
    done = threading.Event()

    def make(k):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((n_rows, width))
        return np.column_stack([X, X[:, 0] + rng.standard_normal(n_rows)])

    def watch(pids):
        while not done.wait(0.2):
            used = [psutil.Process(pid).memory_info().rss for pid in pids]
            peak[0] = max(peak[0], *used)

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            memory_limit="2GiB",
        ) as cluster,
        Client(cluster) as client,
    ):
        Z = da.concatenate(
            [
                da.from_delayed(dask.delayed(make)(k), (n_rows, width + 1), float)
                for k in range(n_chunks)
            ]
        )
        watcher = threading.Thread(
            target=watch, args=(list(client.run(os.getpid).values()),)
        )
        watcher.start()
        try:
            rows = condense(Z[:, :width], Z[:, width])
        finally:
            done.set()
            watcher.join()
    assert rows.sample_weight.sum() == pytest.approx(1e7)
    assert len(rows.communication) == 1
    assert peak[0] < 1.5 * 2**30
    model = Lasso(0.01).fit(rows.X, rows.y)
    assert model.coef_[0] == pytest.approx(0.99, abs=2e-3)
    assert np.count_nonzero(model.coef_) == 1
