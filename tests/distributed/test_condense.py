"""Few rows that least squares cannot tell from all: against fits on the pooled data."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from sparsestat.distributed import condense
from sparsestat.distributed._condense import rows_of_moments
from sparsestat.linear_model import (
    ElasticNet,
    GroupLasso,
    Lasso,
    LassoCV,
    LassoIC,
    MCPRegressor,
    MultiTaskLasso,
)
from sparsestat.optim.pooled_moments import (
    merge_moments,
    moments_of_rows,
    scatter_matrix,
)
from sparsestat.utils.validation import ParameterError


def make(n, p, seed=0, offset=3.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * rng.uniform(0.5, 5.0, p) + offset
    y = X[:, 0] - 0.5 * X[:, p // 2] + rng.standard_normal(n)
    return X, y


def assert_same_fit(model, rows, X, y, sample_weight=None, atol=1e-10, **fit):
    few = model.fit(rows.X, rows.y, sample_weight=rows.sample_weight)
    coef, intercept = few.coef_.copy(), few.intercept_
    model.fit(X, y, sample_weight=sample_weight, **fit)
    np.testing.assert_allclose(coef, model.coef_, rtol=0, atol=atol)
    np.testing.assert_allclose(intercept, model.intercept_, rtol=0, atol=10 * atol)


@pytest.mark.parametrize("n_shards", [1, 3, 16, 400])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_those_of_all_rows(n_shards, weighted):
    X, y = make(400, 6)
    weight = np.random.default_rng(1).uniform(0.0, 2.0, 400) if weighted else None
    rows = condense(X, y, weight, n_shards=n_shards)
    assert rows.X.shape == (8, 6)
    Z, q = np.column_stack([X, y, np.ones(400)]), weight
    q = np.ones(400) if q is None else q
    few = np.column_stack([rows.X, rows.y, np.ones(8)])
    found = few.T @ (few * rows.sample_weight[:, None])
    np.testing.assert_allclose(found, Z.T @ (Z * q[:, None]), rtol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        Lasso(0.1, tol=1e-10),
        Lasso(0.01, tol=1e-10, precompute=True, standardize=True),
        Lasso(0.1, tol=1e-10, fit_intercept=False),
        Lasso(0.1, tol=1e-10, positive=True),
        ElasticNet(0.1, tol=1e-10),
        MCPRegressor(0.1, tol=1e-10),
        GroupLasso(0.1, feature_groups=3, tol=1e-12),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("n_shards", [1, 7])
def test_every_least_squares_fit_is_the_pooled_one(model, n_shards):
    X, y = make(700, 24)
    atol = 1e-7 if isinstance(model, GroupLasso) else 1e-10
    assert_same_fit(model, condense(X, y, n_shards=n_shards), X, y, atol=atol)


def test_weighted_fits_and_those_of_scikit_learn():
    X, y = make(300, 5)
    weight = np.random.default_rng(2).integers(0, 4, 300).astype(float)
    rows = condense(X, y, weight, n_shards=6)
    assert_same_fit(Lasso(0.1, tol=1e-10), rows, X, y, weight)
    assert_same_fit(LinearRegression(), rows, X, y, weight)


def test_several_targets():
    X, y = make(300, 5)
    Y = np.column_stack([y, X[:, 1] - y])
    rows = condense(X, Y, n_shards=4)
    assert rows.y.shape == (8, 2)
    few = MultiTaskLasso(0.1, tol=1e-13).fit(rows.X, rows.y)
    whole = MultiTaskLasso(0.1, tol=1e-13).fit(X, Y)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_shards", [1, 3, 16])
def test_cross_validation_is_the_pooled_one(n_shards):
    X, y = make(600, 20)
    rows = condense(X, y, cv=5, n_shards=n_shards)
    few = LassoCV(cv=rows.cv, tol=1e-10)
    few.fit(rows.X, rows.y, sample_weight=rows.sample_weight)
    whole = LassoCV(cv=KFold(5), tol=1e-10).fit(X, y)
    np.testing.assert_allclose(few.alphas_, whole.alphas_, rtol=1e-12)
    np.testing.assert_allclose(few.mse_path_, whole.mse_path_, rtol=1e-9)
    assert few.alpha_ == pytest.approx(whole.alpha_, rel=1e-12)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-10)


def test_folds_of_ones_own():
    X, y = make(200, 4)
    labels = np.random.default_rng(3).integers(5, 8, 200)
    rows = condense(X, y, cv=labels, n_shards=5)
    few = LassoCV(cv=rows.cv, tol=1e-10)
    few.fit(rows.X, rows.y, sample_weight=rows.sample_weight)
    held_out = [labels == k for k in (5, 6, 7)]
    folds = [(np.flatnonzero(~held), np.flatnonzero(held)) for held in held_out]
    whole = LassoCV(cv=folds, tol=1e-10).fit(X, y, sample_weight=np.ones(200))
    np.testing.assert_allclose(few.mse_path_, whole.mse_path_, rtol=1e-9)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-10)


def test_criteria_count_the_rows_they_stand_for():
    X, y = make(500, 8)
    rows = condense(X, y, n_shards=4)
    few = LassoIC("bic", noise_variance=1.0, tol=1e-10)
    few.fit(rows.X, rows.y, sample_weight=rows.sample_weight)
    whole = LassoIC("bic", noise_variance=1.0, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(few.criterion_, whole.criterion_, rtol=1e-10)
    np.testing.assert_allclose(few.coef_, whole.coef_, rtol=0, atol=1e-10)


def test_order_of_rows_and_shards_does_not_matter():
    X, y = make(500, 8)
    order = np.random.default_rng(0).permutation(500)
    first, second = condense(X, y, n_shards=9), condense(X[order], y[order], n_shards=4)
    a, b = Lasso(0.1, tol=1e-10), Lasso(0.1, tol=1e-10)
    a.fit(first.X, first.y), b.fit(second.X, second.y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=0, atol=1e-10)
    again = condense(X, y, n_shards=9, n_jobs=2)
    np.testing.assert_array_equal(again.X, first.X)
    np.testing.assert_array_equal(again.y, first.y)


@pytest.mark.parametrize("n, p", [(1, 3), (2, 3), (30, 50), (51, 50), (52, 50)])
def test_fewer_rows_than_columns_stay_as_many(n, p):
    X, y = make(n, p)
    rows = condense(X, y, n_shards=min(n, 3))
    assert rows.X.shape == (min(n, p + 2), p)
    Z, few = np.column_stack([X, y]), np.column_stack([rows.X, rows.y])
    np.testing.assert_allclose(few.mean(axis=0), Z.mean(axis=0), rtol=1e-12)
    scale = n / len(few)
    expected = (Z - Z.mean(axis=0)).T @ (Z - Z.mean(axis=0))
    found = (few - few.mean(axis=0)).T @ (few - few.mean(axis=0)) * scale
    np.testing.assert_allclose(found, expected, atol=1e-11 * expected.max() + 1e-20)


def test_constant_and_repeated_columns():
    X, y = make(100, 4)
    X = np.column_stack([X, np.full(100, 7.0), X[:, 0], np.zeros(100)])
    rows = condense(X, y, n_shards=3)
    np.testing.assert_allclose(rows.X[:, 4], 7.0, rtol=1e-15)
    np.testing.assert_array_equal(rows.X[:, 6], 0.0)
    np.testing.assert_allclose(rows.X[:, 0], rows.X[:, 5], atol=1e-12)


def test_large_means_do_no_harm():
    X, y = make(300, 5, offset=0.0)
    near, far = condense(X, y, n_shards=4), condense(X + 1e6, y, n_shards=4)
    a, b = Lasso(0.1, tol=1e-10), Lasso(0.1, tol=1e-10)
    a.fit(near.X, near.y), b.fit(far.X, far.y)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6)


@pytest.mark.parametrize("kind", ["float32", "csr", "csc", "frame", "list"])
def test_storages(kind):
    X, y = make(300, 5)
    X[np.abs(X) < 1.0] = 0.0
    given = {
        "float32": lambda: X.astype(np.float32),
        "csr": lambda: sparse.csr_array(X),
        "csc": lambda: sparse.csc_array(X),
        "frame": lambda: pd.DataFrame(X, columns=list("abcde")),
        "list": lambda: X.tolist(),
    }[kind]()
    rows = condense(given, y, n_shards=4)
    assert rows.feature_names == (list("abcde") if kind == "frame" else None)
    pooled = X.astype(np.float32).astype(float) if kind == "float32" else X
    assert_same_fit(Lasso(0.1, tol=1e-10), rows, pooled, y)


def test_account_is_one_round_with_exact_counts():
    X, y = make(100, 7)
    (row,) = condense(X, y, n_shards=4).communication
    assert row["up_floats_per_shard"] == 7 * 8 // 2 + 2 * 7 + 4
    assert row["up_bytes_total"] == 8 * 4 * row["up_floats_per_shard"]
    (folded,) = condense(X, y, cv=5, n_shards=4).communication
    assert folded["up_floats_per_shard"] == 2 * row["up_floats_per_shard"]


def test_without_targets():
    X, _ = make(100, 3)
    rows = condense(X, n_shards=3)
    assert rows.y is None
    np.testing.assert_allclose(np.cov(rows.X.T, bias=True), np.cov(X.T, bias=True))


@pytest.mark.parametrize(
    "name, wrong",
    [("cv", 1), ("cv", "five"), ("n_shards", 0), ("max_retries", -1), ("timeout", 0.0)],
)
def test_wrong_parameter_is_named(name, wrong):
    with pytest.raises(ParameterError, match=f"condense: {name} must be"):
        condense(*make(20, 2), **{name: wrong})


def test_wrong_data_are_named():
    X, y = make(20, 2)
    with pytest.raises(ValueError, match="rows of positive weight; got none"):
        condense(X, y, np.zeros(20))
    with pytest.raises(ValueError, match="Shard 0: cv must be integers"):
        condense(X, y, cv=np.linspace(0, 1, 20))
    with pytest.raises(ValueError, match="cv must be at most the 20 rows; got 21"):
        condense(X, y, cv=21)
    y[15] = np.nan
    with pytest.raises(ValueError, match="Shard 3: y must be finite"):
        condense(X, y, n_shards=4)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("weights", ["none", "ones", "uneven", "zero there", "zero"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "form",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        np.float32,
        lambda X: np.hstack([X, X])[:, :3],
        sparse.csr_array,
    ],
)
def test_not_finite_is_seen_in_the_moments(form, wrong, weights, offset):
    """Whichever way moments are made, also in rows that weigh nothing."""
    X, y = make(600, 3)
    X += offset
    X[501, 1] = wrong
    weight = {
        "none": None,
        "ones": np.ones(600),
        "uneven": np.linspace(1, 2, 600),
        "zero there": np.where(np.arange(600) == 501, 0.0, 1.0),
        "zero": np.where(np.arange(600) >= 300, 0.0, 1.0),
    }[weights]
    with pytest.raises(ValueError, match="Shard 1: X must be finite"):
        condense(form(X), y, weight, n_shards=2)


def test_moments_that_overflow_are_told():
    X, y = make(60, 3)
    with pytest.raises(ValueError, match="must have finite second moments"):
        condense(1e200 * X, y)


def test_merged_moments_with_nothing_in_them():
    X, y = make(10, 3)
    full = moments_of_rows(X, y[:, None], None)
    none = moments_of_rows(X[:0], y[:0, None], None)
    for both in (merge_moments(full, none), merge_moments(none, full)):
        np.testing.assert_array_equal(scatter_matrix(both), scatter_matrix(full))
    assert merge_moments(none, none).counts[1] == 0.0
    assert rows_of_moments(full, 3)[0].shape == (5, 3)
