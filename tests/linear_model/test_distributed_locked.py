"""Features that are in every subset: as on rows in one place."""

import numpy as np
import pandas as pd
import pytest

from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetRegressor,
    DistributedBestSubsetClassifier,
    DistributedBestSubsetRegressor,
)
from tests.linear_model.test_distributed_classifier import make_classes

ALGORITHMS = ["gram", "columns", "surrogate"]


def draw(seed, n=500, p=12):
    rng = np.random.default_rng(seed)
    X, _ = make_classes(seed, n=n, p=p)
    return X, X[:, [1, 5, 9]] @ [1.0, -1.0, 2.0] + rng.standard_normal(n)


@pytest.mark.parametrize("sizes", [None, [3, 5], 2])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_least_squares(algorithm, sizes):
    for seed in range(4):
        X, y = draw(seed)
        options = {"n_nonzero_coefs": sizes, "always_select": [7, 0]}
        model = DistributedBestSubsetRegressor(
            algorithm=algorithm, n_shards=4, **options
        ).fit(X, y)
        whole = BestSubsetRegressor(**options).fit(X, y)
        np.testing.assert_array_equal(model.support_, whole.support_)
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-10)
        assert model.swap_gap_ <= model.tol
        path = model.path_coef_.toarray()
        assert (path[[0, 7]] != 0.0).all()
        assert model.sizes_.min() >= 2


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_classes(algorithm, n_classes):
    same = 0
    for seed in range(4):
        X, y = make_classes(seed, n=400, p=12, n_classes=n_classes, rho=0.8)
        options = {"max_nonzero_coefs": 6, "always_select": [7, 0]}
        model = DistributedBestSubsetClassifier(
            algorithm=algorithm, n_shards=4, **options
        ).fit(X, y)
        whole = BestSubsetClassifier(alpha=1e-6, solver="swap", **options).fit(X, y)
        same += np.array_equal(model.support_, whole.support_)
        path = model.path_coef_.toarray().reshape(-1, 12, len(model.sizes_))
        assert (path[:, [0, 7]] != 0.0).all()
        assert model.sizes_.min() == 2
        assert model.swap_gap_ == 0.0
    assert same >= 3


@pytest.mark.parametrize(
    "kind", [DistributedBestSubsetRegressor, DistributedBestSubsetClassifier]
)
def test_names_and_wrong_ones(kind):
    X, y = draw(0)
    y = y if kind is DistributedBestSubsetRegressor else y > 0.0
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(12)])
    shards = [(frame[:200], y[:200]), (frame[200:], y[200:])]
    named = kind(always_select=["x7", "x0"]).fit(shards)
    indexed = kind(always_select=[0, 7]).fit(shards)
    np.testing.assert_array_equal(named.support_, indexed.support_)
    assert {0, 7} <= set(named.support_)
    plain = kind(always_select=["x7"]).fit(frame, y)  # a dataframe in one place
    assert 7 in plain.support_
    for wrong, told in (
        (["x12"], "always_select"),
        ([12], r"always_select must hold indices in \[0, 12\)"),
        ("x1", "always_select must be"),
    ):
        with pytest.raises(ValueError, match=told):
            kind(always_select=wrong).fit(shards)
    with pytest.raises(ValueError, match="n_nonzero_coefs must be at least 2"):
        kind(1, always_select=[0, 7]).fit(shards)
    with pytest.raises(ValueError, match="max_nonzero_coefs must be at least 2"):
        kind(max_nonzero_coefs=1, always_select=[0, 7]).fit(shards)


def test_a_feature_that_the_largest_shard_lacks():
    """Constant in the leader, whose surrogates cannot have it."""
    X, y = draw(1, n=2000)
    X[:1500, 7] = 1.0
    cuts = [slice(0, 1500), slice(1500, 2000)]
    shards = [(X[c], y[c]) for c in cuts]
    options = {"always_select": [7], "max_nonzero_coefs": 8}
    model = DistributedBestSubsetRegressor(algorithm="surrogate", **options)
    whole = BestSubsetRegressor(**options).fit(X, y)
    np.testing.assert_array_equal(model.fit(shards).support_, whole.support_)
