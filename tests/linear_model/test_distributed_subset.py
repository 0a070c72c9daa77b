"""Distributed best subsets against the fit on all rows; accounts and failures."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sparsestat.distributed import Shard, ShardsLost, as_shards
from sparsestat.distributed._layout import layout_of
from sparsestat.linear_model import BestSubsetRegressor, DistributedBestSubsetRegressor
from sparsestat.linear_model._subset_available import available_problem
from sparsestat.linear_model._subset_rounds import (
    Rounds,
    _margins,
    column_problem,
    gram_problem,
    merge_margins,
)
from sparsestat.plotting import SubsetSizeDisplay

EXACT = ["gram", "columns"]


def make(seed, n=600, p=24, s=4, rho=0.5, sigma=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros(p)
    coef[rng.choice(p, s, replace=False)] = rng.uniform(0.5, 1, s) * rng.choice(
        [-1, 1], s
    )
    return X, X @ coef + sigma * rng.standard_normal(n) + 2.0, coef


def cut(X, y, kind, n_shards, seed=0):
    """The rows as a list of shards."""
    n = len(y)
    order = np.arange(n)
    bounds = np.linspace(0, n, n_shards + 1).astype(int)
    if kind == "heterogeneous":
        order = np.argsort(X[:, 0])  # shards that see different parts of the space
    if kind in ("unequal", "tiny") and n_shards > 1:
        rng = np.random.default_rng(seed)
        sizes = np.ones(n_shards, int)
        if kind == "unequal":
            sizes += rng.multinomial(n - n_shards, rng.dirichlet(np.ones(n_shards)))
        else:
            sizes[0] = n - 2 * (n_shards - 1)
            sizes[1:] = 2
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        bounds[-1] = n
    parts = [order[a:b] for a, b in itertools.pairwise(bounds)]
    return [(X[part], y[part]) for part in parts if len(part)]


def least_squares(X, y, support, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    A = np.column_stack([X[:, support], np.ones(len(y))])
    root = np.sqrt(weight)
    return np.linalg.lstsq(root[:, None] * A, root * y)[0]


@pytest.mark.parametrize("kind", ["equal", "unequal", "tiny", "heterogeneous"])
@pytest.mark.parametrize("seed", range(5))
def test_exact_algorithms_equal_the_pooled_fit(kind, seed):
    """Twenty data sets, on 1, 3 and 16 shards (oracle 10)."""
    X, y, _ = make(10 * seed + len(kind))
    pooled = BestSubsetRegressor().fit(X, y)
    direct = least_squares(X, y, pooled.support_)
    np.testing.assert_allclose(
        pooled.coef_[pooled.support_], direct[:-1], rtol=0, atol=1e-10
    )
    assert pooled.intercept_ == pytest.approx(direct[-1], abs=1e-10)
    for algorithm, n_shards in itertools.product(EXACT, (1, 3, 16)):
        model = DistributedBestSubsetRegressor(algorithm=algorithm)
        model.fit(cut(X, y, kind, n_shards))
        np.testing.assert_array_equal(model.support_, pooled.support_)
        np.testing.assert_allclose(model.coef_, pooled.coef_, rtol=0, atol=1e-10)
        np.testing.assert_allclose(
            model.path_coef_.toarray(), pooled.path_coef_.toarray(), rtol=0, atol=1e-8
        )
        np.testing.assert_allclose(model.rss_, pooled.rss_, rtol=1e-9)
        assert model.optimal_ == pooled.optimal_


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_other_sizes_and_table_are_those_of_rows_in_one_place(algorithm):
    X, y, _ = make(3)
    pooled = BestSubsetRegressor(max_nonzero_coefs=12, early_stopping=False).fit(X, y)
    model = DistributedBestSubsetRegressor(
        max_nonzero_coefs=12, early_stopping=False, algorithm=algorithm, n_shards=4
    ).fit(X, y)
    for size in (0, 2, model.n_nonzero_coefs_):
        found, expected = model.refit(size), pooled.refit(size)
        np.testing.assert_array_equal(found.support_, expected.support_)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-8)
        np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=1e-7)
        assert found.n_nonzero_coefs_ == size
        assert found.optimal_ == (expected.optimal_ and algorithm != "surrogate")
        known = algorithm != "surrogate" or size == model.n_nonzero_coefs_
        assert found.swap_gap_ == found.stationarity_
        assert found.swap_gap_ <= (1e-9 if known else 1.0)
    table, expected = model.to_frame(), pooled.to_frame()
    assert table["support"].tolist() == expected["support"].tolist()
    np.testing.assert_allclose(table["criterion"], expected["criterion"], rtol=1e-9)
    np.testing.assert_array_equal(table["chosen"], expected["chosen"])
    display = SubsetSizeDisplay.from_estimator(model)
    assert display.chosen == pooled.n_nonzero_coefs_
    if algorithm != "surrogate":
        np.testing.assert_allclose(
            model.criterion_bounds_, pooled.criterion_bounds_, rtol=1e-9
        )
    with pytest.raises(ValueError, match="n_nonzero_coefs must be one of sizes_"):
        model.refit(99)


def test_nearly_dependent_columns_keep_ten_digits():
    """The condition number of the chosen columns is 1e5 (section 00)."""
    X, y, _ = make(0)
    X[:, 1] = X[:, 0] + 2e-5 * X[:, 1]
    y = y + X[:, 0] + 3e4 * (X[:, 1] - X[:, 0])
    models = [
        DistributedBestSubsetRegressor(4, algorithm=algorithm, n_shards=m).fit(X, y)
        for algorithm, m in itertools.product(EXACT, (1, 16))
    ]
    chosen = X[:, models[0].support_]
    assert np.linalg.cond(chosen - chosen.mean(axis=0)) > 5e4
    scale = np.abs(models[0].coef_).max()
    for model in models[1:]:
        np.testing.assert_array_equal(model.support_, models[0].support_)
        np.testing.assert_allclose(
            model.coef_ / scale, models[0].coef_ / scale, rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_order_of_rows_and_shards(algorithm):
    X, y, _ = make(3)
    shards = cut(X, y, "unequal", 7)
    first = DistributedBestSubsetRegressor(algorithm=algorithm).fit(shards)
    again = DistributedBestSubsetRegressor(algorithm=algorithm, n_jobs=2).fit(shards)
    np.testing.assert_array_equal(again.coef_, first.coef_)
    rng = np.random.default_rng(0)
    mixed = [(a[o], b[o]) for a, b in shards[::-1] for o in [rng.permutation(len(b))]]
    other = DistributedBestSubsetRegressor(algorithm=algorithm).fit(mixed)
    np.testing.assert_array_equal(other.support_, first.support_)
    np.testing.assert_allclose(other.coef_, first.coef_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_weights_repeat_rows_and_zeros_drop_them(algorithm):
    X, y, _ = make(4, n=300)
    weight = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    weighted = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=5)
    weighted.fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(300), weight.astype(int))
    repeated = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=5)
    repeated.fit(X[rows], y[rows])
    np.testing.assert_array_equal(weighted.support_, repeated.support_)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(weighted.criterion_, repeated.criterion_, rtol=1e-9)


@pytest.mark.parametrize("algorithm", EXACT)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_ridge_and_intercept(algorithm, fit_intercept, standardize):
    X, y, _ = make(5)
    X = X * np.linspace(0.5, 2.0, X.shape[1]) + 1.0
    model = DistributedBestSubsetRegressor(
        3,
        alpha=0.1,
        algorithm=algorithm,
        fit_intercept=fit_intercept,
        standardize=standardize,
        n_shards=6,
    ).fit(X, y)
    A = X[:, model.support_]
    z = y
    if fit_intercept:
        A, z = A - A.mean(axis=0), y - y.mean()
    ridge = 0.1 * ((A**2).mean(axis=0) if standardize else np.ones(3))
    direct = np.linalg.solve(A.T @ A / len(y) + np.diag(ridge), A.T @ z / len(y))
    np.testing.assert_allclose(model.coef_[model.support_], direct, atol=1e-10)


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_offsets_cost_no_digits(algorithm):
    X, y, _ = make(6)
    near = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=4).fit(X, y)
    far = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=4)
    far.fit(X + 1e6, y)
    np.testing.assert_array_equal(near.support_, far.support_)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["csr", "csc", "float32", "frame"])
@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_storages(kind, algorithm):
    X, y, _ = make(7)
    X[np.abs(X) < 0.7] = 0.0
    given = {
        "csr": lambda: sparse.csr_array(X),
        "csc": lambda: sparse.csc_array(X),
        "float32": lambda: X.astype(np.float32),
        "frame": lambda: pd.DataFrame(X, columns=[f"x{j}" for j in range(24)]),
    }[kind]()
    model = DistributedBestSubsetRegressor(4, algorithm=algorithm, n_shards=3)
    dense = model.fit(X, y).coef_
    found = DistributedBestSubsetRegressor(4, algorithm=algorithm, n_shards=3)
    found.fit(given, y)
    atol = 1e-6 if kind == "float32" else 1e-10
    np.testing.assert_allclose(found.coef_, dense, rtol=0, atol=atol)
    assert found.coef_.dtype == (np.float32 if kind == "float32" else np.float64)


def test_account_of_the_gram_algorithm():
    X, y, _ = make(8)
    p = X.shape[1]
    model = DistributedBestSubsetRegressor(algorithm="gram", n_shards=5).fit(X, y)
    s = model.n_nonzero_coefs_
    gram, refit = model.communication_
    assert gram["up_floats_per_shard"] == p * (p + 1) // 2 + 2 * p + 4
    assert refit["up_floats_per_shard"] == (s + 1) * (s + 2) // 2
    assert refit["down_floats"] == 2 * s + 1  # features, their means, that of y
    assert model.n_rounds_ == 2
    ups = gram["up_floats_per_shard"] + refit["up_floats_per_shard"]
    downs = gram["down_floats"] + refit["down_floats"]
    assert model.bytes_total_ == 8 * 5 * (ups + downs)
    one_pass = DistributedBestSubsetRegressor(refine=None, n_shards=5).fit(X, y)
    assert one_pass.n_rounds_ == 1
    np.testing.assert_allclose(one_pass.coef_, model.coef_, rtol=0, atol=1e-10)


def test_account_of_the_other_algorithms():
    X, y, _ = make(9, p=60)
    columns = DistributedBestSubsetRegressor(algorithm="columns", n_shards=5).fit(X, y)
    margins, block, _ = columns.communication_
    assert margins["up_floats_per_shard"] == 3 * 60 + 4
    assert block["up_floats_per_shard"] == 60 * 61 // 2
    surrogate = DistributedBestSubsetRegressor(
        algorithm="surrogate", max_nonzero_coefs=6, n_shards=5
    ).fit(X, y)
    np.testing.assert_array_equal(surrogate.support_, columns.support_)
    np.testing.assert_allclose(surrogate.coef_, columns.coef_, rtol=0, atol=1e-10)
    for row in surrogate.communication_:
        if row["purpose"] == "gradient":
            assert row["up_floats_per_shard"] == 60 + 1
    # All but the leader, whose second moments travel once, send less.
    rows = surrogate.communication_
    shared = [row for row in rows if row["purpose"] != "gram"]
    assert sum(r["up_floats_per_shard"] for r in shared) < block["up_floats_per_shard"]
    assert surrogate.swap_gap_ <= 1e-9
    assert not surrogate.optimal_


def test_surrogate_finds_the_pooled_support():
    """m = 20, n_k = 200, p = 400, sigma = 1 (oracle 12): at least 95 % of the draws."""
    same = 0
    for seed in range(8):
        X, y, _ = make(seed, n=4000, p=400, s=10)
        found = [
            DistributedBestSubsetRegressor(
                criterion="gic", algorithm=algorithm, n_shards=20
            ).fit(X, y)
            for algorithm in ("columns", "surrogate")
        ]
        same += np.array_equal(found[0].support_, found[1].support_)
        gradients = [r["purpose"] for r in found[1].communication_].count("gradient")
        assert gradients <= 4
        assert 2 * found[1].bytes_total_ < found[0].bytes_total_
    assert same == 8


def test_leaders_unlike_the_others_are_told_of():
    """Features of the largest shard are nearly one, those of others apart."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 12))
    X[:500] = 0.2 * X[:500] + rng.standard_normal((500, 1))
    y = X[:, 0] - X[:, 3] + 0.5 * rng.standard_normal(1000)
    shards = [(X[:500], y[:500]), (X[500:750], y[500:750]), (X[750:], y[750:])]
    model = DistributedBestSubsetRegressor(algorithm="surrogate", max_nonzero_coefs=4)
    with pytest.warns(UserWarning, match="correlated otherwise in the largest shards"):
        model.fit(shards)
    np.testing.assert_array_equal(model.support_, [0, 3])


def test_small_leaders_are_pooled():
    """Shards of 60 rows: no leader of one shard could search 40 features."""
    X, y, _ = make(1, n=1200, p=40)
    columns = DistributedBestSubsetRegressor(algorithm="columns", n_shards=20).fit(X, y)
    surrogate = DistributedBestSubsetRegressor(algorithm="surrogate", n_shards=20)
    surrogate.fit(X, y)
    np.testing.assert_array_equal(surrogate.support_, columns.support_)


def test_averages():
    X, y, _ = make(2, n=2000)
    shards = [*cut(X, y, "unequal", 6), (X[:3] * 2, y[:3])]
    pooled, informed, average = (
        DistributedBestSubsetRegressor(4, refine=refine).fit(shards)
        for refine in ("pooled", "information", "average")
    )
    np.testing.assert_allclose(informed.coef_, pooled.coef_, rtol=0, atol=1e-10)
    assert np.abs(average.coef_ - pooled.coef_).max() > 1e-8
    assert np.linalg.norm(average.coef_ - pooled.coef_) < 0.05


def test_margins_are_those_of_all_rows():
    X, y, _ = make(0, n=50, p=5)
    shards = as_shards(X, y, n_shards=7)
    rounds = Rounds(shards, layout_of(shards), True, [], 0, None)
    whole, totals = gram_problem(rounds, 0.3, True)
    parts, same = column_problem(rounds, 0.3, True)
    np.testing.assert_allclose(parts.diagonal, whole.diagonal, rtol=1e-12)
    np.testing.assert_allclose(parts.linear, whole.linear, rtol=1e-10)
    np.testing.assert_allclose(parts.ridge, whole.ridge, rtol=1e-12)
    assert parts.variance == pytest.approx(whole.variance)
    np.testing.assert_allclose(same.mean, totals.mean)
    everything = np.arange(5)
    expected = whole.source.block(everything, everything)
    np.testing.assert_allclose(parts.source.block(everything), expected, atol=1e-12)
    before = len(rounds.communication)
    parts.source.block(everything[:2], everything[1:])
    assert len(rounds.communication) == before
    empty = _margins(
        Shard(X[:0], y[:0]),
        {"layout": rounds.layout, "centred": True},
    )
    full = rounds.margins()
    for merged in (merge_margins(full, empty), merge_margins(empty, full)):
        np.testing.assert_array_equal(merged.cross, full.cross)


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_degenerate_data(algorithm):
    X, y, _ = make(0, n=40, p=6)
    X[:, 2] = 3.0
    X[:, 4] = X[:, 0]
    X[:20, 5] = 1.0  # constant on a shard only
    model = DistributedBestSubsetRegressor(2, algorithm=algorithm, n_shards=2)
    assert 2 not in model.fit(X, y).support_
    assert np.isfinite(model.coef_).all()
    for target in (np.zeros(40), np.full(40, 5.0)):
        flat = DistributedBestSubsetRegressor(algorithm=algorithm, n_shards=3)
        flat.fit(X, target)
        assert flat.n_nonzero_coefs_ == 0
        assert flat.intercept_ == pytest.approx(target[0])
    none = DistributedBestSubsetRegressor(0, algorithm=algorithm).fit(X, y)
    assert none.intercept_ == pytest.approx(y.mean())
    for n in (2, 3):
        few = DistributedBestSubsetRegressor(algorithm=algorithm).fit(X[:n], y[:n])
        assert np.isfinite(few.coef_).all()


def test_bad_shards_are_named_and_nothing_fitted_is_lost():
    X, y, _ = make(0)
    model = DistributedBestSubsetRegressor().fit(X, y)
    before = dict(vars(model))
    spoilt = X[200:400].copy()
    spoilt[7, 3] = np.nan
    for bad, told in (
        ((spoilt, y[200:400]), "Shard 1: X must be finite"),
        ((X[200:400, :7], y[200:400]), "Shard 1: X must have 24 columns"),
        ((X[:0], y[:0]), "Shard 1: X has no rows"),
        ((X[200:400], y[200:399]), "Shard 1: y must have as many rows"),
    ):
        with pytest.raises(ValueError, match=told):
            model.fit([(X[:200], y[:200]), bad])
        assert dict(vars(model)) == before
    with pytest.raises(ValueError, match="n_nonzero_coefs must be at most 24"):
        DistributedBestSubsetRegressor(25).fit(X, y)
    with pytest.raises(ValueError, match="no row of positive weight"):
        model.fit([(X, y, np.zeros(len(y)))])


def test_frames_are_aligned_and_may_lack_columns():
    X, y, _ = make(11)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(24)])
    mixed = frame[300:].sample(frac=1, axis=1, random_state=0)
    model = DistributedBestSubsetRegressor()
    model.fit([(frame[:300], y[:300]), (mixed, y[300:])])
    whole = DistributedBestSubsetRegressor().fit(frame, y)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-10)
    assert list(model.feature_names_in_) == list(frame.columns)
    lacking = frame[300:].drop(columns="x3")
    with pytest.raises(ValueError, match=r"Shard 1: .*lacks \['x3'\]"):
        model.fit([(frame[:300], y[:300]), (lacking, y[300:])])
    zero = DistributedBestSubsetRegressor(missing_features="zero")
    zero.fit([(frame[:300], y[:300]), (lacking, y[300:])])
    filled = frame.copy()
    filled.loc[300:, "x3"] = 0.0
    expected = DistributedBestSubsetRegressor().fit(filled, y)
    np.testing.assert_allclose(zero.coef_, expected.coef_, rtol=0, atol=1e-10)


def framed(X, y, lacking):
    """Shards of 100 rows without some columns, and all rows with NaN for these."""
    whole = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    shards, filled = [], whole.copy()
    for k, start in enumerate(range(0, len(y), 100)):
        rows = slice(start, start + 100)
        without = [f"x{j}" for j in lacking.get(k, ())]
        shards.append((whole[rows].drop(columns=without), y[rows]))
        filled.loc[filled.index[rows], without] = np.nan
    return shards, filled


def test_pairs_of_features_from_the_shards_that_have_both():
    """Against the pairwise covariances of pandas."""
    X, y, _ = make(13, n=600, p=5)
    shards, filled = framed(X, y, {1: [3], 2: [3, 0], 5: [2]})
    shards = as_shards(shards)
    layout = layout_of(shards, "available")
    rounds = Rounds(shards, layout, True, [], 0, None)
    problem, totals, complete = available_problem(rounds, 0.0, True)
    assert not complete
    order = layout.names
    filled = filled[order].assign(y=y)
    there = filled.notna().to_numpy().astype(float)
    counts = there.T @ there
    expected = filled.cov().to_numpy() * (counts - 1) / counts
    gram = problem.source.block(np.arange(5))
    np.testing.assert_allclose(gram, expected[:5, :5], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(problem.linear[0], expected[5, :5], rtol=1e-10)
    assert problem.variance == pytest.approx(np.var(y))
    np.testing.assert_allclose(totals.mean, filled[order].mean(), rtol=1e-10)
    assert problem.n_samples == 400.0
    assert totals.weight == 600.0


def test_shards_that_lack_features():
    X, y, coef = make(11, n=1200)
    truth = np.flatnonzero(coef)
    lacking = {2: [truth[0], 5], 7: [truth[1]], 9: [truth[0]]}
    X = X + 3.0
    shards, _ = framed(X, y, lacking)
    model = DistributedBestSubsetRegressor(missing_features="available").fit(shards)
    names = [f"x{j}" for j in truth]
    assert sorted(model.feature_names_in_[model.support_]) == sorted(names)
    found = dict(zip(model.feature_names_in_, model.coef_, strict=True))
    np.testing.assert_allclose([found[name] for name in names], coef[truth], atol=0.15)
    assert model.intercept_ == pytest.approx(2.0 - 3.0 * coef.sum(), abs=0.4)
    # Zeros in their place say something else.
    zero = DistributedBestSubsetRegressor(missing_features="zero").fit(shards)
    shrunk = dict(zip(zero.feature_names_in_, zero.coef_, strict=True))
    worse, better = (
        sum(abs(c[f"x{j}"] - coef[j]) for j in truth) for c in (shrunk, found)
    )
    assert 2.0 * better < worse
    # Nothing is lacking: all as it is without.
    complete, _ = framed(X, y, {})
    same, usual = (
        DistributedBestSubsetRegressor(missing_features=name).fit(complete)
        for name in ("available", "raise")
    )
    np.testing.assert_array_equal(same.coef_, usual.coef_)
    np.testing.assert_allclose(same.criterion_, usual.criterion_, rtol=1e-12)
    with pytest.raises(ValueError, match="must go with algorithm='gram'"):
        model.set_params(algorithm="columns").fit(shards)


def test_pairs_that_are_no_covariances_are_clipped():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    X[:100, 1] = X[:100, 0]
    X[100:200, 2] = X[100:200, 1]
    X[200:, 0] = -X[200:, 2]
    y = X.sum(axis=1) + rng.standard_normal(300)
    shards, _ = framed(X, y, {0: [2], 1: [0], 2: [1]})
    model = DistributedBestSubsetRegressor(1, missing_features="available")
    with pytest.warns(UserWarning, match="eigenvalues of their correlations are neg"):
        model.fit(shards)
    assert np.isfinite(model.coef_).all()
    assert (model.rss_ > 0.0).all()
    apart, _ = framed(X, y, {0: [2], 1: [0, 2], 2: [1]})
    with pytest.raises(ValueError, match="no row of positive weight has both 'x0' and"):
        model.fit([apart[0], apart[1], (apart[2][0].drop(columns="x0"), apart[2][1])])


class Fragile:
    """A matrix that cannot be read."""

    shape = (100, 24)

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        raise OSError("no disk")

    def __len__(self):
        return 100


@pytest.mark.parametrize("algorithm", [*EXACT, "surrogate"])
def test_lost_shards_are_named_or_dropped(algorithm):
    X, y, _ = make(12)
    shards = [(X[k : k + 100], y[k : k + 100]) for k in range(0, 600, 100)]
    shards[2] = (Fragile(X), y[200:300])
    with pytest.raises(ShardsLost, match="Shard 2 failed 2 times"):
        DistributedBestSubsetRegressor(algorithm=algorithm, max_retries=1).fit(shards)
    model = DistributedBestSubsetRegressor(
        algorithm=algorithm, max_retries=0, on_failure="drop"
    )
    with pytest.warns(RuntimeWarning, match=r"going on without shards \[2\]"):
        model.fit(shards)
    np.testing.assert_array_equal(model.dropped_shards_, [2])
    rest = DistributedBestSubsetRegressor(algorithm=algorithm)
    rest.fit([shard for k, shard in enumerate(shards) if k != 2])
    np.testing.assert_array_equal(model.coef_, rest.coef_)
    assert model.n_rounds_ == rest.n_rounds_
