"""The engine in this process: order, bits, accounts, failures, errors with a name."""

import functools

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sparsestat.distributed import Shard, ShardsLost, as_shards, map_reduce
from sparsestat.distributed._layout import checked, layout_of


def products(shard, message):
    return np.array(shard.X.shape[0]), shard.X.T @ shard.y


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((997, 5)), rng.standard_normal(997)
    return X, y


@pytest.mark.parametrize("n_shards", [1, 2, 7, 8, 9, 64, 65, 997])
def test_every_row_once(data, n_shards):
    X, y = data
    shards = as_shards(X, y, n_shards=n_shards)
    assert len(shards) == n_shards
    n, total = map_reduce(products, shards)
    assert n == 997
    np.testing.assert_allclose(total, X.T @ y, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 63, 64, 65, 200, 512, 513])
def test_merges_in_order_in_a_shallow_tree(n):
    depth = {}

    def merge(a, b):
        joined = a + b
        depth[joined] = 1 + max(depth.get(a, 0), depth.get(b, 0))
        return joined

    members = [(k,) for k in range(n)]
    joined = map_reduce(lambda shard, _: shard, members, merge=merge)
    assert joined == tuple(range(n))
    assert depth.get(joined, 0) <= 7 * np.ceil(np.log(max(n, 2)) / np.log(8)) + 1


def test_same_bits_whatever_n_jobs_and_the_order_of_completion(data):
    X, y = data
    results = [
        map_reduce(products, as_shards(X, y, n_shards=41, n_jobs=n_jobs))[1]
        for n_jobs in (None, 1, 2, 4)
    ]
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_default_shards_do_not_depend_on_n_jobs():
    X = np.broadcast_to(np.zeros(1), (200_000, 3))
    for n_jobs in (1, 2):
        shards = as_shards(X, n_jobs=n_jobs)
        assert shards.about.n_rows == [65_536, 65_536, 65_536, 3_392]


def test_account_is_exact(data):
    X, y = data
    account = []
    shards = as_shards(X, y, n_shards=3)
    for purpose in ("first", "second"):
        map_reduce(
            products,
            shards,
            {"coef": np.zeros(4), "names": ["a"], "size": 2},
            purpose=purpose,
            communication=account,
        )
    assert [row["round"] for row in account] == [0, 1]
    assert [row["purpose"] for row in account] == ["first", "second"]
    for row in account:
        assert row["up_floats_per_shard"] == 6
        assert row["down_floats"] == 5
        assert row["up_bytes_total"] == 3 * 6 * 8
        assert row["down_bytes_total"] == 3 * 5 * 8
        assert row["retries"] == 0
        assert row["seconds"] >= 0.0


def test_failing_shard_is_tried_again_with_the_same_bits(data):
    X, y = data
    shards = as_shards(X, y, n_shards=4)
    expected = map_reduce(products, shards)
    failures, account = [], []

    def flaky(shard, message):
        if shard.number in (1, 3) and failures.count(shard.number) < 2:
            failures.append(shard.number)
            raise OSError("no connection")
        return products(shard, message)

    found = map_reduce(flaky, shards, communication=account)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert account[0]["retries"] == len(failures) == 4


def test_shard_that_fails_for_good_is_named(data):
    shards = as_shards(*data, n_shards=4)

    def broken(shard, message):
        if shard.number == 2:
            raise OSError("no connection")
        return products(shard, message)

    with pytest.raises(ShardsLost, match=r"Shard 2 failed 3 times.*no connection") as e:
        map_reduce(broken, shards, max_retries=2)
    assert e.value.shards == (2,)
    rest = shards.without(e.value.shards)
    assert len(rest) == 3
    assert sum(rest.about.n_rows) == map_reduce(products, rest)[0]


def test_bad_data_are_not_tried_again(data):
    calls = []

    def picky(shard, message):
        calls.append(shard.number)
        raise ValueError("X must be better.")

    with pytest.raises(ValueError, match=r"^Shard 0: X must be better\.$"):
        map_reduce(picky, as_shards(*data, n_shards=2))
    assert calls == [0]


def test_late_shards_are_named(data):
    import time

    def slow(shard, message):
        time.sleep(0.05)
        return (np.zeros(1),)

    with pytest.raises(ShardsLost, match=r"Shards 0, 1 gave no result in 0\.01 s"):
        map_reduce(slow, as_shards(*data, n_shards=2), timeout=0.01)


def test_no_shards():
    with pytest.raises(ValueError, match="shards must not be empty"):
        map_reduce(products, [])


@pytest.mark.parametrize(
    "name, given",
    [("y", np.zeros(4)), ("sample_weight", np.zeros(6)), ("extra", np.zeros(1))],
)
def test_rows_must_agree(name, given):
    with pytest.raises(ValueError, match=f"{name} must have as many rows as X; got"):
        as_shards(np.zeros((5, 2)), **{name: given})
    place = {"y": 1, "sample_weight": 2, "extra": 3}[name]
    bad = [np.zeros((5, 2)), None, None, None]
    bad[place] = given
    with pytest.raises(ValueError, match=f"Shard 1: {name} must have as many rows"):
        as_shards([(np.zeros((5, 2)), np.zeros(5)), tuple(bad)])


def test_listed_shard_without_rows_is_named():
    full, empty = np.ones((3, 2)), np.ones((0, 2))
    with pytest.raises(ValueError, match="Shard 1: X has no rows"):
        as_shards([(full, np.ones(3)), (empty, np.ones(0))])


def test_list_of_shards_holds_its_own_targets():
    with pytest.raises(ValueError, match="must be None where X is a list of shards"):
        as_shards([np.zeros((3, 2))], np.zeros(3))


def check(shards, **options):
    layout = layout_of(shards, **options)
    return map_reduce(lambda shard, _: (checked(shard, layout).X.sum(axis=0),), shards)[
        0
    ]


@pytest.mark.parametrize(
    "spoil, told",
    [
        (lambda X: X[:, :4], "X must have 5 columns as other shards; got 4"),
        (lambda X: np.where(X > 2, np.nan, X), "X must be finite; got NaN"),
        (lambda X: np.where(X > 2, -np.inf, X), "X must be finite"),
        (lambda X: X.astype(str), "X must hold real numbers"),
        (lambda X: X[:, 0], "X must have two dimensions"),
    ],
)
def test_shard_with_bad_data_is_named(data, spoil, told):
    X, y = data
    members = [(X[:300], y[:300]), (spoil(X[300:600]), y[300:600]), (X[600:], y[600:])]
    with pytest.raises(ValueError, match=f"Shard 1: {told}"):
        check(as_shards(members))


@pytest.mark.parametrize(
    "place, wrong, told",
    [
        (1, np.nan, "y must be finite"),
        (2, np.nan, "sample_weight must be finite"),
        (2, -1.0, "sample_weight must be >= 0"),
    ],
)
def test_bad_targets_and_weights_are_named(data, place, wrong, told):
    X, y = data
    members = [[X, y, np.ones(997)] for _ in range(3)]
    members[2][place] = members[2][place].copy()
    members[2][place][5] = wrong
    with pytest.raises(ValueError, match=f"Shard 2: {told}"):
        check(as_shards([tuple(member) for member in members]))


def test_large_finite_values_are_not_taken_for_infinite():
    shards = as_shards(np.full((4, 1), 1.5e308), np.zeros(4))
    layout = layout_of(shards)
    map_reduce(lambda shard, _: (checked(shard, layout).y,), shards)


def test_sparse_frames_and_float32(data):
    X, y = data
    expected = X.sum(axis=0)
    frame = pd.DataFrame(X, columns=list("abcde"))
    for given in (sparse.csr_array(X), sparse.csc_array(X), frame, X[:, :]):
        found = check(as_shards(given, y, n_shards=3))
        np.testing.assert_allclose(found, expected, atol=1e-10)
    shards = as_shards(X.astype(np.float32), y, n_shards=3)
    layout = layout_of(shards)
    types = map_reduce(
        lambda shard, _: (str(checked(shard, layout).X.dtype),),
        shards,
        merge=lambda a, b: a + b,
    )
    assert types == ("float32",) * 3


def test_columns_are_aligned_by_name(data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    members = [(frame[:500], y[:500]), (frame[500:][list("ecabd")], y[500:])]
    np.testing.assert_allclose(check(as_shards(members)), X.sum(axis=0), atol=1e-10)


def test_missing_columns(data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    members = [(frame[:500], y[:500]), (frame[500:].drop(columns="b"), y[500:])]
    with pytest.raises(ValueError, match=r"Shard 1: X must have.*lacks \['b'\]"):
        check(as_shards(members))
    with pytest.raises(ValueError, match=r"Shard 1: X must have.*has \['b'\]"):
        check(as_shards(members[::-1]))
    zeros = frame.copy()
    zeros.loc[500:, "b"] = 0.0
    for given, order in ((members, "abcde"), (members[::-1], "acdeb")):
        found = check(as_shards(given), missing="zero")
        np.testing.assert_allclose(found, zeros[list(order)].sum(), atol=1e-10)


def test_any_sequence_of_anything():
    def longest(text, message):
        return (np.array(len(text) * message),)

    (longest_,) = map_reduce(
        longest, ["a", "abc"], 2, merge=lambda a, b: (np.maximum(a[0], b[0]),)
    )
    assert longest_ == 6


def test_shards_are_views(data):
    X, y = data
    seen = map_reduce(
        lambda shard, _: (np.shares_memory(shard.X, X),),
        as_shards(X, y, n_shards=3),
        merge=lambda a, b: (a[0] and b[0],),
    )
    assert seen == (True,)


def test_named_tuples_keep_their_type():
    member = Shard(np.ones(2), np.ones(1), np.ones(1), np.ones(1), np.ones(1))
    total = map_reduce(lambda shard, _: member, [0, 1, 2])
    assert isinstance(total, Shard)
    np.testing.assert_array_equal(total.X, [3.0, 3.0])
    assert functools.reduce(lambda a, b: a + b, total.y) == 3.0
