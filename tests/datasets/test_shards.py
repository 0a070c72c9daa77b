"""Shards share coefficients; their distributions differ where that is asked for."""

import numpy as np
import pytest

from sparsestat.datasets import make_shards
from sparsestat.utils.validation import ParameterError


def test_truth_and_sizes():
    data = make_shards(
        1000, 30, n_shards=7, n_nonzero_coefs=4, bias=2.0, random_state=0
    )
    assert sum(len(y) for _, y in data.shards) == len(data.target) == 1000
    assert np.count_nonzero(data.coef) == 4
    sizes = np.abs(data.coef[data.coef != 0])
    assert ((sizes >= 0.5) & (sizes <= 1.0)).all()
    noise = data.target - data.data @ data.coef - 2.0
    assert abs(noise.mean()) < 0.15
    assert noise.std() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(
        data.data, np.concatenate([X for X, _ in data.shards])
    )


def test_unequal_and_given_sizes():
    data = make_shards(500, 3, n_shards=9, sizes="unequal", n_nonzero_coefs=1,
                       random_state=1)  # fmt: skip
    rows = [len(y) for _, y in data.shards]
    assert sum(rows) == 500 and min(rows) >= 1 and len(set(rows)) > 3
    data = make_shards(sizes=[3, 1, 4], n_features=2, n_nonzero_coefs=1)
    assert [len(y) for _, y in data.shards] == [3, 1, 4]


def test_heterogeneity_moves_means_and_scales():
    def spread(heterogeneity):
        data = make_shards(8000, 5, n_nonzero_coefs=1, heterogeneity=heterogeneity,
                           random_state=0)  # fmt: skip
        means = np.array([X.mean(axis=0) for X, _ in data.shards])
        scales = np.array([X.std(axis=0) for X, _ in data.shards])
        return means.std(), scales.std()

    alike, different = spread(0.0), spread(1.0)
    assert alike[0] < 0.1 and alike[1] < 0.1
    assert different[0] > 0.5 and different[1] > 0.3


def test_same_seed_same_bits():
    first, second = (make_shards(50, 4, n_nonzero_coefs=2, random_state=3)
                     for _ in range(2))  # fmt: skip
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.target, second.target)


@pytest.mark.parametrize(
    "wrong", [{"n_shards": 0}, {"heterogeneity": 2.0}, {"sizes": "some"}]
)
def test_wrong_parameter_is_named(wrong):
    with pytest.raises(ParameterError, match=f"make_shards: {next(iter(wrong))} must"):
        make_shards(**wrong)


def test_impossible_sizes_are_named():
    with pytest.raises(
        ValueError, match="n_samples must be at least n_shards=8; got 4"
    ):
        make_shards(4, 20, n_nonzero_coefs=2)
    with pytest.raises(
        ValueError, match="n_nonzero_coefs must be at most n_features=3"
    ):
        make_shards(40, 3)
