"""Distributed best subsets: odd shards, failures in every round, repeated draws."""

import numpy as np
import pytest

from sparsestat.datasets import make_shards
from sparsestat.linear_model import BestSubsetRegressor, DistributedBestSubsetRegressor

ALGORITHMS = ["gram", "columns", "surrogate"]


class Flaky:
    """A matrix that cannot be read at first, and then once in three times."""

    def __init__(self, values):
        self.values, self.shape, self.asked = values, values.shape, 0

    def __array__(self, dtype=None, copy=None):
        self.asked += 1
        if self.asked % 3 == 1:
            raise OSError("no disk")
        return self.values


@pytest.mark.parametrize("n_shards", [1, 2, 7, 50])
@pytest.mark.parametrize("algorithm", ["gram", "columns"])
def test_shards_of_any_size_give_the_pooled_fit(algorithm, n_shards):
    """Shards of no row, of one, and with a constant column (oracle 10)."""
    data = make_shards(48, 8, n_shards=1, n_nonzero_coefs=2, random_state=0)
    X, y = data.data, data.target
    X[:24, 3] = 1.0  # constant in the first half
    pooled = BestSubsetRegressor().fit(X, y)
    model = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=n_shards)
    model.fit(X, y)  # 50 shards of 48 rows: some have none
    np.testing.assert_array_equal(model.support_, pooled.support_)
    np.testing.assert_allclose(model.coef_, pooled.coef_, rtol=0, atol=1e-10)
    assert model.optimal_ == pooled.optimal_
    odd = [(X[:1], y[:1]), (X[1:2], y[1:2]), (X[2:20], y[2:20]), (X[20:], y[20:])]
    listed = DistributedBestSubsetRegressor(algorithm=algorithm).fit(odd)
    np.testing.assert_array_equal(listed.support_, pooled.support_)
    np.testing.assert_allclose(listed.coef_, pooled.coef_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tasks_that_raise_at_first_give_the_same_bits(algorithm):
    data = make_shards(900, 30, n_shards=5, n_nonzero_coefs=4, random_state=1)
    smooth = DistributedBestSubsetRegressor(algorithm=algorithm, max_nonzero_coefs=8)
    smooth.fit(data.shards)
    flaky = [(Flaky(X) if k == 2 else X, y) for k, (X, y) in enumerate(data.shards)]
    model = DistributedBestSubsetRegressor(algorithm=algorithm, max_nonzero_coefs=8)
    model.fit(flaky)
    np.testing.assert_array_equal(model.coef_, smooth.coef_)
    np.testing.assert_array_equal(model.criterion_, smooth.criterion_)
    retries = sum(row["retries"] for row in model.communication_)
    assert retries == -(-flaky[2][0].asked // 3) >= 1
    assert model.bytes_total_ == smooth.bytes_total_


def test_the_criterion_never_rises_with_rounds_of_surrogates():
    """Leaders of 60 rows for 80 features, strong noise (oracle 12)."""
    for seed in range(4):
        data = make_shards(
            1800, 80, n_shards=30, noise_scale=3.0, correlation=0.8, random_state=seed
        )
        values = []
        for max_rounds in (1, 2, 3, 4):
            model = DistributedBestSubsetRegressor(
                criterion="gic", algorithm="surrogate", max_rounds=max_rounds
            ).fit(data.shards)
            values.append(model.criterion_.min())
        assert (np.diff(values) <= 1e-9 * np.abs(values[0])).all()


@pytest.mark.slow
def test_surrogates_find_the_pooled_support_in_forty_draws():
    """m = 20, n_k = 200, p = 400, sigma = 1, 4 rounds (oracle 12): 38 at least."""
    same = 0
    for seed in range(40):
        data = make_shards(4000, 400, n_shards=20, random_state=seed)
        pooled = BestSubsetRegressor(criterion="gic", solver="swap")
        pooled.fit(data.data, data.target)
        model = DistributedBestSubsetRegressor(
            criterion="gic", algorithm="surrogate", max_rounds=4
        ).fit(data.shards)
        same += np.array_equal(model.support_, pooled.support_)
    assert same >= 38


@pytest.mark.slow
def test_criteria_find_the_size_more_often_with_more_rows():
    """24 draws with p = 400, s = 10: GIC at least 3 of 4 at 4000 rows, EBIC beside."""
    found = {}
    for n in (4_000, 20_000):
        for criterion in ("gic", "ebic"):
            hits = 0
            for seed in range(24):
                data = make_shards(n, 400, n_shards=20, random_state=seed)
                model = DistributedBestSubsetRegressor(
                    criterion=criterion, refine=None, max_nonzero_coefs=40
                ).fit(data.shards)
                hits += np.array_equal(model.support_, np.flatnonzero(data.coef))
            found[criterion, n] = hits / 24
    assert found["gic", 4_000] >= 0.75
    assert found["gic", 20_000] > found["gic", 4_000]
    assert found["ebic", 20_000] >= found["ebic", 4_000] >= found["gic", 4_000]
