"""Estimators of best subsets against golden values, equivalences and enumeration."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from sparsestat.linear_model import (
    BestSubsetRegressor,
    MultiTaskBestSubset,
    best_subset_path,
)

# Optimal residual sums of squares of the raw diabetes data, found by enumeration.
DIABETES = {
    1: (1719581.810774, [2]),
    2: (1416694.013957, [2, 8]),
    3: (1362708.693706, [2, 3, 8]),
    4: (1331431.403564, [2, 3, 4, 8]),
    5: (1287881.155395, [1, 2, 3, 6, 8]),
    6: (1271493.997290, [1, 2, 3, 4, 5, 8]),
    7: (1267807.812061, [1, 2, 3, 4, 5, 7, 8]),
    8: (1264714.579871, [1, 2, 3, 4, 5, 7, 8, 9]),
}
# With all products of two features, but for the square of the binary one.
QUADRATIC = {
    4: (1321682.6054, [2, 3, 8, 11]),
    6: (1251707.7685, [1, 2, 3, 6, 8, 11]),
    8: (1205935.8734, [1, 2, 3, 6, 8, 11, 29, 63]),
    10: (1177775.3783, [1, 2, 3, 4, 5, 6, 8, 11, 29, 61]),
}


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def quadratic(X):
    pairs = [(i, j) for i in range(10) for j in range(i, 10) if not i == j == 1]
    Z = np.column_stack([X, *(X[:, i] * X[:, j] for i, j in pairs)])
    return (Z - Z.mean(axis=0)) / Z.std(axis=0)


def wide_data(seed=0, n=60, p=12, n_targets=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.8 * rng.standard_normal((n, 1))
    coef = (
        rng.standard_normal((p, max(n_targets, 1))) * (np.arange(p) % 3 == 0)[:, None]
    )
    y = X @ coef + rng.standard_normal((n, max(n_targets, 1)))
    return X, y if n_targets else y[:, 0]


@pytest.mark.parametrize("solver", ["auto", "exact", "swap"])
def test_diabetes(diabetes, solver):
    model = BestSubsetRegressor(list(DIABETES), solver=solver).fit(*diabetes)
    for k, (rss, support) in DIABETES.items():
        model = model.refit(k)
        assert model.support_.tolist() == support
        assert model.rss_[k - 1] == pytest.approx(rss, rel=1e-11)
        assert model.optimal_ == (solver != "swap")
        residual = diabetes[1] - model.predict(diabetes[0])
        assert residual @ residual == pytest.approx(rss, rel=1e-10)


@pytest.mark.parametrize("k", [4, 6, 8, pytest.param(10, marks=pytest.mark.slow)])
def test_quadratic_diabetes(diabetes, k):
    X, y = diabetes
    model = BestSubsetRegressor(k, solver="exact").fit(quadratic(X), y)
    rss, support = QUADRATIC[k]
    assert model.optimal_
    assert model.optimality_gap_ == 0.0
    assert model.support_.tolist() == support
    assert model.rss_[0] == pytest.approx(rss, rel=1e-9)


def test_stopped_search_bounds_the_optimum(diabetes):
    X, y = diabetes
    model = BestSubsetRegressor(8, solver="exact", max_nodes=10).fit(quadratic(X), y)
    assert not model.optimal_
    assert 0.0 < model.lower_bound_ <= QUADRATIC[8][0] <= model.rss_[0] + 1e-3
    gap = 1.0 - model.lower_bound_ / model.rss_[0]
    assert model.optimality_gap_ == pytest.approx(gap)
    timed = BestSubsetRegressor(8, solver="exact", time_limit=1e-9)
    assert not timed.fit(quadratic(X), y).optimal_


def test_integer_weights_are_repeated_rows(diabetes):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = BestSubsetRegressor().fit(X, y, sample_weight=weight)
    repeated = BestSubsetRegressor().fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)
    np.testing.assert_allclose(weighted.criterion_, repeated.criterion_, rtol=1e-10)
    np.testing.assert_allclose(weighted.rss_, repeated.rss_, rtol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_sparse_is_dense(weighted, alpha):
    X, y = wide_data(p=30)
    X[np.abs(X) < 0.8] = 0.0
    weight = np.linspace(0.5, 2.0, len(y)) if weighted else None
    dense = BestSubsetRegressor(alpha=alpha).fit(X, y, weight)
    for kind in (sparse.csc_array, sparse.csr_array, sparse.coo_array):
        other = BestSubsetRegressor(alpha=alpha).fit(kind(X), y, weight)
        np.testing.assert_allclose(other.coef_, dense.coef_, atol=1e-9)
        np.testing.assert_allclose(other.rss_, dense.rss_, rtol=1e-9)


def test_invariances(diabetes):
    X, y = diabetes
    model = BestSubsetRegressor().fit(X, y)
    rows = np.random.default_rng(0).permutation(len(y))
    columns = np.random.default_rng(1).permutation(10)
    scale = np.logspace(-3, 3, 10)
    permuted = BestSubsetRegressor().fit(X[rows], y[rows])
    np.testing.assert_allclose(permuted.coef_, model.coef_, rtol=1e-9)
    permuted = BestSubsetRegressor().fit(X[:, columns], y)
    np.testing.assert_allclose(permuted.coef_, model.coef_[columns], rtol=1e-9)
    scaled = BestSubsetRegressor().fit(X * scale, y)
    np.testing.assert_allclose(scaled.coef_ * scale, model.coef_, rtol=1e-9)
    shifted = BestSubsetRegressor().fit(X + 1e6, y)
    assert shifted.support_.tolist() == model.support_.tolist()
    np.testing.assert_allclose(shifted.coef_, model.coef_, rtol=1e-6)


def test_ridge_is_that_of_augmented_rows():
    X, y = wide_data()
    model = BestSubsetRegressor(3, alpha=0.5, fit_intercept=False, solver="exact")
    model.fit(X, y)
    scale = np.sqrt((X**2).mean(axis=0))
    rows = np.vstack([X, np.diag(np.sqrt(0.5 * len(y)) * scale)])
    target = np.concatenate([y, np.zeros(12)])

    def objective(A):
        coef, *_ = np.linalg.lstsq(rows[:, A], target, rcond=None)
        return ((target - rows[:, A] @ coef) ** 2).sum(), A, coef

    value, support, coef = min(
        (objective(list(A)) for A in combinations(range(12), 3)), key=lambda x: x[0]
    )
    assert model.support_.tolist() == support
    np.testing.assert_allclose(model.coef_[support], coef, rtol=1e-9)
    assert model.lower_bound_ == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation_is_that_by_hand(diabetes, n_jobs):
    X, y = diabetes
    folds = KFold(4, shuffle=True, random_state=0)
    model = BestSubsetRegressor(cv=folds, max_nonzero_coefs=6, n_jobs=n_jobs).fit(X, y)
    errors = []
    for train, test in folds.split(X):
        fold = BestSubsetRegressor(model.sizes_, solver="swap").fit(X[train], y[train])
        fitted = X[test] @ fold.path_coef_.toarray() + fold.path_intercept_
        errors.append(((y[test, None] - fitted) ** 2).mean(axis=0))
    np.testing.assert_allclose(model.mse_path_, np.transpose(errors), rtol=1e-8)
    assert model.n_nonzero_coefs_ == model.sizes_[np.mean(errors, axis=0).argmin()]


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "splits",
    [
        KFold(4),  # all samples in turn
        [(np.r_[20:442], np.r_[:20]), (np.r_[:40, 60:442], np.r_[40:60])],
        ShuffleSplit(3, test_size=0.3, random_state=0),  # overlapping
        ShuffleSplit(2, train_size=0.3, random_state=0),  # most samples left out
    ],
    ids=["partition", "parts", "overlapping", "small"],
)
def test_folds_by_differences_are_those_by_hand(
    diabetes, splits, fit_intercept, standardize
):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    X, y = np.column_stack([X + 1.0, np.full(len(y), 3.0), np.arange(len(y)) < 25]), y
    params = {"fit_intercept": fit_intercept, "standardize": standardize, "alpha": 0.1}
    sizes = [1, 3, 6]
    model = BestSubsetRegressor(sizes, cv=splits, **params).fit(X, y, weight)
    pairs = splits if isinstance(splits, list) else splits.split(X)
    errors = []
    for train, test in pairs:
        fold = BestSubsetRegressor(sizes, solver="swap", **params)
        fold.fit(X[train], y[train], weight[train])
        fitted = X[test] @ fold.path_coef_.toarray() + fold.path_intercept_
        squares = (y[test, None] - fitted) ** 2
        errors.append(np.average(squares, axis=0, weights=weight[test]))
    np.testing.assert_allclose(model.mse_path_, np.transpose(errors), rtol=1e-8)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [1.0, 0.0])
@pytest.mark.parametrize("make", [np.asfortranarray, np.array, sparse.csc_array])
def test_data_that_are_not_finite_are_refused(value, fit_intercept, weight, make):
    """Also on rows without weight, and where standardising takes no pass."""
    X = np.random.default_rng(0).standard_normal((600, 5))
    y, X[300, 3] = X[:, 0], value
    weights = np.where(np.arange(600) // 256 == 1, weight, 1.0)
    model = BestSubsetRegressor(
        2, fit_intercept=fit_intercept, standardize=fit_intercept
    )
    with pytest.raises(ValueError, match="Input X contains"):
        model.fit(make(X), y, weights)


def test_groups_need_not_be_neighbours():
    X, y = wide_data(3)
    labels = np.repeat(np.arange(4), 3)
    order = np.random.default_rng(0).permutation(12)
    plain = BestSubsetRegressor(2, feature_groups=labels).fit(X, y)
    mixed = BestSubsetRegressor(2, feature_groups=labels[order]).fit(X[:, order], y)
    np.testing.assert_allclose(mixed.coef_, plain.coef_[order], atol=1e-10)

    def rss(groups):
        A = np.flatnonzero(np.isin(labels, groups))
        Z = np.column_stack([np.ones(len(y)), X[:, A]])
        return ((y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]) ** 2).sum()

    best = min(rss(groups) for groups in combinations(range(4), 2))
    assert plain.rss_[0] == pytest.approx(best, rel=1e-10)


def test_groups_of_one_are_features(diabetes):
    grouped = BestSubsetRegressor(feature_groups=1, solver="swap").fit(*diabetes)
    single = BestSubsetRegressor(solver="swap").fit(*diabetes)
    np.testing.assert_allclose(grouped.coef_, single.coef_, rtol=1e-10)
    np.testing.assert_allclose(grouped.criterion_, single.criterion_, rtol=1e-10)


def test_features_that_are_always_selected(diabetes):
    model = BestSubsetRegressor(always_select=[0, 7], solver="exact").fit(*diabetes)
    assert model.sizes_[0] == 2
    for k in model.sizes_:
        assert {0, 7} <= set(model.refit(k).support_)


def test_several_targets_against_enumeration():
    X, Y = wide_data(n_targets=3)
    model = MultiTaskBestSubset(3, solver="exact").fit(X, Y)

    def rss(A):
        Z = np.column_stack([np.ones(len(Y)), X[:, A]])
        return ((Y - Z @ np.linalg.lstsq(Z, Y, rcond=None)[0]) ** 2).sum()

    best = min(rss(A) for A in combinations(range(12), 3))
    assert model.rss_[0] == pytest.approx(best, rel=1e-10)
    assert ((Y - model.predict(X)) ** 2).sum() == pytest.approx(best, rel=1e-10)
    one = MultiTaskBestSubset(3).fit(X, Y[:, :1])
    same = BestSubsetRegressor(3).fit(X, Y[:, 0])
    np.testing.assert_allclose(one.coef_[0], same.coef_, rtol=1e-10)


def test_path_function_and_table(diabetes):
    path = best_subset_path(*diabetes, max_nonzero_coefs=4)
    assert path.sizes.tolist() == [0, 1, 2, 3, 4]
    assert [A.tolist() for A in path.supports[1:]] == [
        DIABETES[k][1] for k in (1, 2, 3, 4)
    ]
    model = BestSubsetRegressor(max_nonzero_coefs=4).fit(*diabetes)
    frame = model.to_frame()
    assert frame["support"].tolist() == [A.tolist() for A in path.supports]
    assert frame["chosen"].sum() == 1
    with pytest.raises(ValueError, match=r"one of sizes_, \[0, 1, 2, 3, 4\]; got 9"):
        model.refit(9)


def test_best_few_subsets_are_listed(diabetes):
    model = BestSubsetRegressor([1, 2], n_best=3).fit(*diabetes)
    assert [len(model.best_subsets(k)) for k in (1, 2)] == [3, 3]
    values = [value for _, value in model.best_subsets(2)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(DIABETES[2][0])


def test_start_and_restarts_do_no_harm():
    X, y = wide_data(1, n=50, p=40)
    plain = BestSubsetRegressor(6, solver="swap").fit(X, y)
    more = BestSubsetRegressor(
        6, solver="swap", n_restarts=5, init_support=[1, 2, 3, 4, 5, 6], random_state=0
    ).fit(X, y)
    assert more.rss_[0] <= plain.rss_[0] * (1 + 1e-12)
    assert more.stationarity_ <= 1e-9


@pytest.mark.parametrize("n", [1, 2, 3, 5, 15])
@pytest.mark.parametrize("p", [1, 4, 30])
def test_small_and_constant_data(n, p):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, p))
    for y in (rng.standard_normal(n), np.ones(n)):
        model = BestSubsetRegressor().fit(X, y)
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.criterion_).all()
    assert not model.coef_.any()


def test_repeated_and_constant_columns():
    X, y = wide_data(p=5)
    X = np.column_stack([X, X[:, 0], np.full(len(y), 3.0)])
    model = BestSubsetRegressor([1, 2, 3, 4, 5], solver="exact").fit(X, y)
    assert model.optimal_path_.all()
    for k in model.sizes_:
        assert not {5, 6} & set(model.refit(k).support_)


@pytest.mark.parametrize("sizes, last", [(5, 3), ([2, 5], 2), ([2, 3], 3)])
def test_sizes_end_at_the_rank(sizes, last):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 8))
    y = rng.standard_normal(50)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = BestSubsetRegressor(sizes).fit(X, y)
    assert model.sizes_[-1] == last
    messages = [str(w.message) for w in caught]
    assert len(messages) == (np.max(sizes) == 5)
    assert all("asks for 5, but more than" in text for text in messages)


def test_perfect_fit_ends_the_path():
    X, _ = wide_data()
    model = BestSubsetRegressor().fit(X, X[:, 2] - 2.0 * X[:, 5])
    assert model.support_.tolist() == [2, 5]
    assert model.sizes_[-1] == 2


@pytest.mark.parametrize("s, beyond", [(3, 5), (40, 10)])
def test_path_ends_a_quarter_of_its_length_after_the_best_size(s, beyond):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 100))
    y = X[:, :s].sum(axis=1) + 0.5 * rng.standard_normal(600)
    model = BestSubsetRegressor(max_nonzero_coefs=80, solver="swap").fit(X, y)
    best = model.sizes_[model.criterion_.argmin()]
    assert (
        (model.n_nonzero_coefs_, model.sizes_[-1])
        == (best, best + beyond)
        == (
            s,
            s + beyond,
        )
    )
    model.set_params(early_stopping=False).fit(X, y)
    assert (model.n_nonzero_coefs_, model.sizes_[-1]) == (s, 80)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_sparse_columns_may_be_far_from_zero(diabetes, offset):
    X, y = diabetes
    X = X / X.std(axis=0)
    Z = sparse.csc_array(X + offset)
    for size in (3, 6):
        model, centred = BestSubsetRegressor(size).fit(Z, y), BestSubsetRegressor(size)
        centred.fit(X, y)
        assert model.optimal_ and not model.gram_inaccurate_
        assert model.support_.tolist() == centred.support_.tolist()
        np.testing.assert_allclose(model.coef_, centred.coef_, rtol=1e-6, atol=1e-8)
    assert not BestSubsetRegressor(4).fit(X + offset, y).gram_inaccurate_


def test_second_moments_that_lost_digits_prove_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6))
    X[:, 1] = X[:, 0] + 1.5e-5 * X[:, 1]
    y = X[:, 0] + 1e5 * (X[:, 1] - X[:, 0]) + X[:, 2]
    with pytest.warns(UserWarning, match="nothing is proved"):
        model = BestSubsetRegressor([2, 3]).fit(X, y)
    assert model.gram_inaccurate_ and not model.optimal_
    assert model.lower_bound_ == 0.0
    assert model.criterion_bounds_[1] == -np.inf
    for size in (2, 3):  # coefficients of all sizes are those of columns
        other = model.refit(size)
        Z = np.column_stack([np.ones(80), X[:, other.support_]])
        coef = np.linalg.lstsq(Z, y, rcond=1e-14)[0][1:]
        np.testing.assert_allclose(other.coef_[other.support_], coef, rtol=1e-9)


def test_one_free_feature_is_proved_without_a_bound():
    """Every other feature has been looked at, also where a tree has no bound."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 200))
    y = X[:, 7] + rng.standard_normal(50)
    centred = X - X.mean(axis=0)
    best = np.argmax((centred.T @ y) ** 2 / (centred**2).sum(axis=0))
    model = BestSubsetRegressor([1, 2]).fit(X, y)
    assert model.refit(1).support_.tolist() == [best]
    assert model.optimal_path_.tolist() == [True, False]
    assert model.lower_bounds_[0] == pytest.approx(model.rss_[0], rel=1e-12)
    locked = BestSubsetRegressor(2, always_select=[3]).fit(X, y)
    assert locked.optimal_


def test_unmet_tolerance_is_told():
    X, y = wide_data(0, n=50, p=40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BestSubsetRegressor(8, solver="splicing").fit(X, y)
    found = 0
    for seed in range(10):
        X, y = wide_data(seed, n=60, p=50)
        X = np.cumsum(X, axis=1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = BestSubsetRegressor(
                8, solver="swap", max_iter=1, n_sweeps=0, exchange_max=1
            ).fit(X, y)
        assert bool(caught) == (model.stationarity_ > 1e-9)
        found += len(caught)
        assert all(w.category is ConvergenceWarning for w in caught)
    assert found


@pytest.mark.parametrize(
    "params, message",
    [
        ({"n_nonzero_coefs": 20}, r"n_nonzero_coefs must be in \[0, 10\].* got 20"),
        (
            {"n_nonzero_coefs": 1, "always_select": [1, 2]},
            r"n_nonzero_coefs must be in \[2, 10\].* got 1",
        ),
        ({"always_select": [10]}, r"always_select must hold .*\[0, 10\); got 10"),
        ({"init_support": [-1]}, r"init_support must hold .*\[0, 10\); got -1"),
        ({"always_select": [0.5]}, "always_select must be a 1-D array of indices"),
        ({"max_nonzero_coefs": 11}, r"max_nonzero_coefs must be in .* got 11"),
        ({"always_select": ["bmi"]}, r"names of features, \['bmi'\], but X has none"),
        ({"init_support": ["bmi", 2]}, "either indices or names .* got 2"),
    ],
)
def test_wrong_input_is_named(diabetes, params, message):
    with pytest.raises(ValueError, match=message):
        BestSubsetRegressor(**params).fit(*diabetes)


@pytest.mark.parametrize("n", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_never_worse_than_abess(n):
    linear = pytest.importorskip("abess.linear")
    for seed in range(n):
        X, y = wide_data(seed, n=80, p=30)
        peer = linear.LinearRegression(support_size=8).fit(X, y)
        A = np.flatnonzero(peer.coef_)
        Z = np.column_stack([np.ones(len(y)), X[:, A]])
        theirs = ((y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]) ** 2).sum()
        ours = BestSubsetRegressor(8, solver="swap").fit(X, y).rss_[0]
        assert ours <= theirs * (1 + 1e-9)


@pytest.mark.parametrize("kind", [BestSubsetRegressor, MultiTaskBestSubset])
def test_groups_of_samples_callbacks_and_verbosity(kind, capsys):
    seen = []

    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            seen.append(context.task_name)

    X, y = wide_data(n_targets=2 if kind is MultiTaskBestSubset else 0)
    samples = np.arange(len(y)) // 7
    model = kind([1, 2, 3], cv=GroupKFold(3), verbose=1).set_callbacks(Watch())
    model.fit(X, y, groups=samples)
    folds = list(GroupKFold(3).split(X, y, samples))
    expected = kind([1, 2, 3], cv=folds).fit(X, y)
    np.testing.assert_array_equal(model.mse_path_, expected.mse_path_)
    assert seen.count("fold") == 3
    assert seen.count("fit") == 1
    assert kind.__name__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"always_select": [5]},
        {"feature_groups": [0, 0, 1, 1, 2, 2, 4, 5]},
        {"feature_groups": [0, 0, 1, 1, 2, 3, 4, 5], "always_select": [5]},
        {"always_select": [5], "solver": "swap", "cv": 3},
    ],
)
def test_rounding_of_weighted_constants_explains_nothing(params):
    model = BestSubsetRegressor([1, 2, 3, 4, 5], solver="exact").set_params(**params)
    for seed in range(20):
        X, y = wide_data(seed, n=40, p=8)
        X[:, 5] = 3.0
        weight = np.random.default_rng(seed).integers(0, 3, len(y)).astype(float)
        model.fit(X, y, sample_weight=weight)
        coef = model.path_coef_.toarray()
        assert np.abs(coef[5]).max() <= 1e-12
        residuals = y[:, None] - X @ coef - model.path_intercept_
        np.testing.assert_allclose(weight @ residuals**2, model.rss_, rtol=1e-9)


def test_locked_features_that_change_nothing_do_not_prevent_proofs():
    X, y = wide_data(p=9)
    constant, repeated = np.full((len(y), 1), 3.0), X[:, [2]]
    wide = np.hstack([X, constant, repeated])
    sizes = np.arange(1, 8)
    plain = BestSubsetRegressor(sizes, always_select=[2], solver="exact").fit(X, y)
    for locked in ([10], [9, 2], [2, 10], [9, 10], [2, 9, 10]):
        idle = len(locked) - 1
        model = BestSubsetRegressor(sizes[:5] + idle, always_select=locked)
        model.set_params(solver="exact").fit(wide, y)
        assert model.optimal_path_.all()
        np.testing.assert_allclose(model.rss_, plain.rss_[:5], rtol=1e-9)
        residuals = y[:, None] - wide @ model.path_coef_ - model.path_intercept_
        np.testing.assert_allclose((residuals**2).sum(axis=0), model.rss_, rtol=1e-9)


def test_constant_features_that_are_always_selected_take_part_in_wide_searches():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 700))
    X[:, 5] = 1.0
    y = X[:, 0] - X[:, 600] + 0.1 * rng.standard_normal(100)
    for alpha in (0.0, 0.1):
        model = BestSubsetRegressor(3, always_select=[5], alpha=alpha, solver="swap")
        model.fit(X, y)
        assert {0, 600} <= set(model.support_) and model.coef_[5] == 0.0
        assert model.swap_gap_ <= 1e-9
