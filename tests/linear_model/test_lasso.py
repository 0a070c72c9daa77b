"""Lasso and ElasticNet: certificates, oracles, equivalences, failure modes."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import lars_path

from sparsestat.linear_model import (
    ElasticNet,
    Lasso,
    LassoCV,
    LassoIC,
    enet_path,
    lasso_path,
)
from sparsestat.optim import datafits, penalties, to_cvxpy
from tests.certificates import assert_certified, duality_gap


def problem(n=40, p=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.5] = 0.0
    X[:, 1] = X[:, 0] + 0.1 * rng.standard_normal(n)
    y = X[:, :4] @ [2.0, -1.5, 1.0, -1.0] + 0.3 * rng.standard_normal(n) + 1.0
    return X, y


def mixed_weights(p):
    weights = np.ones(p)
    weights[2], weights[5], weights[7] = 0.0, np.inf, 0.5
    return weights


FORMATS = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "csc": sparse.csc_array,
    "csr": sparse.csr_matrix,
    "float32": lambda X: X.astype(np.float32),
}


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("shape", [(40, 60), (80, 20)], ids=["wide", "tall"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_certificate(storage, shape, fit_intercept, standardize, weighted):
    X, y = problem(*shape)
    X = FORMATS[storage](X)
    sample_weight = None
    if weighted:
        sample_weight = np.arange(len(y)) % 4 / 2.0
    tol = 1e-5 if storage == "float32" else 1e-8
    for weights in (None, mixed_weights(shape[1])):
        for positive in (False, True):
            options = {
                "penalty_weights": weights,
                "positive": positive,
                "fit_intercept": fit_intercept,
                "standardize": standardize,
                "tol": 1e-8,
            }
            for model in (Lasso(0.05, **options), ElasticNet(0.05, **options)):
                model.fit(X, y, sample_weight)
                assert model.coef_.dtype == X.dtype
                assert_certified(model, X, y, tol=tol, sample_weight=sample_weight)


@pytest.mark.parametrize("solver", ["face_newton", "cd"])
@pytest.mark.parametrize("precompute", [True, False, "auto"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.7, 0.1])
def test_every_solver_finds_the_same_minimum(solver, precompute, l1_ratio):
    X, y = problem()
    model = ElasticNet(
        0.02, l1_ratio=l1_ratio, solver=solver, precompute=precompute, tol=1e-10
    ).fit(X, y)
    assert_certified(model, X, y)
    reference = ElasticNet(0.02, l1_ratio=l1_ratio, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.objective_, reference.objective_, rtol=1e-9)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_agrees_with_cvxpy(positive, l1_ratio):
    X, y = problem(30, 12)
    weights, sample_weight = mixed_weights(12), np.linspace(0.5, 2.0, 30)
    penalty = penalties.ElasticNet(0.1, l1_ratio, weights, positive)
    oracle, variables = to_cvxpy(
        X, y, datafits.Quadratic(), penalty, sample_weight=sample_weight
    )
    oracle.solve(solver="CLARABEL")
    model = ElasticNet(
        0.1, l1_ratio=l1_ratio, penalty_weights=weights, positive=positive, tol=1e-10
    ).fit(X, y, sample_weight)
    np.testing.assert_allclose(model.objective_, oracle.value, rtol=1e-6)
    np.testing.assert_allclose(model.coef_, variables["coef"].value, atol=1e-4)


def standardized_diabetes():
    X, y = load_diabetes(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def test_golden_values_on_diabetes():
    # By an interior point method to 1e-11.
    X, y = standardized_diabetes()
    alphas, _, _ = lasso_path(X, y - y.mean(), alphas=3)
    np.testing.assert_allclose(alphas[0], 45.160030020462884, rtol=1e-12)
    model = Lasso(5.0, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.objective_, 1839.1437163248497, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, 152.13348416, atol=1e-8)
    expected = np.zeros(10)
    expected[[1, 2, 3, 6, 8]] = (
        -2.15540721, 24.21564462, 10.3314957, -7.02719498, 21.22925484
    )  # fmt: skip
    np.testing.assert_allclose(model.coef_, expected, atol=2e-8)
    model = ElasticNet(1.0, l1_ratio=0.5, tol=1e-12).fit(X, y)
    expected = [
        0.63782467, -5.69179719, 18.09752699, 11.40559626, -0.2409747, -2.36642703,
        -8.22176216, 5.29713479, 15.44821307, 5.05730699,
    ]  # fmt: skip
    np.testing.assert_allclose(model.coef_, expected, atol=2e-8)


def test_path_passes_through_the_knots_of_lars():
    X, y = standardized_diabetes()
    y = y - y.mean()
    knots, _, coefs = lars_path(X, y, method="lasso")
    alphas, found, _ = lasso_path(X, y, alphas=knots[:-1], tol=1e-14)
    np.testing.assert_allclose(alphas, knots[:-1])
    scale = np.abs(coefs).max()
    np.testing.assert_allclose(found, coefs[:, :-1], atol=1e-10 * scale)


def test_path_equals_single_fits_and_gaps_hold():
    X, y = problem()
    weights = mixed_weights(60)
    options = {"penalty_weights": weights, "fit_intercept": True, "tol": 1e-9}
    alphas, coefs, gaps, n_iters = enet_path(
        X, y, l1_ratio=0.8, alphas=15, eps=1e-2, return_n_iter=True, **options
    )
    assert (np.diff(alphas) < 0).all()
    assert (n_iters >= 1).all()
    for k in (0, 7, 14):
        true, null = duality_gap(
            X, y, coefs[:, k], alpha=alphas[k], l1_ratio=0.8, penalty_weights=weights
        )
        assert max(true, gaps[k]) <= 1e-9 * null + 1e-14
        single = ElasticNet(alphas[k], l1_ratio=0.8, **options).fit(X, y)
        np.testing.assert_allclose(single.coef_, coefs[:, k], atol=1e-5)


def test_float32_paths_are_certified_at_their_own_coefficients():
    X, y = problem()
    X = (X + 1e3).astype(np.float32)  # so that rounding the coefficients is felt
    alphas, coefs, gaps = lasso_path(X, y, alphas=[0.3, 0.1, 0.03])
    assert coefs.dtype == np.float32
    exact = X.astype(np.float64)
    sizes = np.abs(coefs.astype(np.float64)).sum(axis=0)
    objectives = ((y[:, None] - exact @ coefs) ** 2).mean(axis=0) / 2 + alphas * sizes
    for k in range(3):
        best = Lasso(alphas[k], fit_intercept=False, tol=1e-10).fit(exact, y)
        excess = objectives[k] - best.objective_
        assert 1e-11 < excess <= gaps[k]
        assert gaps[k] <= 1e-5 * (y @ y) / 80


def test_paths_name_themselves_in_errors():
    X, y = problem()
    for function in (lasso_path, enet_path):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: eps must be"):
            function(X, y, eps=3.0)
        with pytest.raises(ValueError, match="penalty_weights must be >= 0"):
            function(X, y, penalty_weights=np.full(60, -1.0))
        with pytest.raises(ValueError, match="sample_weight must be numbers of shape"):
            function(X, y, sample_weight=[1.0])


def test_weights_count_repetitions_and_zeros_drop():
    X, y = problem()
    counts = np.arange(len(y)) % 3
    weighted = Lasso(0.1, tol=1e-12).fit(X, y, counts)
    repeated = Lasso(0.1, tol=1e-12).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_)


def test_scaling_and_permutation():
    X, y = problem()
    model = Lasso(0.1, tol=1e-12).fit(X, y)
    scaled = Lasso(0.7, tol=1e-12).fit(X, 7 * y)
    np.testing.assert_allclose(scaled.coef_, 7 * model.coef_, atol=1e-8)
    order = np.random.default_rng(0).permutation(X.shape[1])
    permuted = Lasso(0.1, tol=1e-12).fit(X[:, order], y)
    np.testing.assert_allclose(permuted.coef_, model.coef_[order], atol=1e-8)
    size = 10.0 ** np.random.default_rng(1).integers(-3, 4, X.shape[1])
    first = Lasso(0.1, standardize=True, tol=1e-12).fit(X, y)
    second = Lasso(0.1, standardize=True, tol=1e-12).fit(X * size, y)
    np.testing.assert_allclose(first.predict(X), second.predict(X * size), atol=1e-8)


def test_largest_alpha_is_sharp():
    X, y = problem()
    top = lasso_path(X, y, alphas=2, fit_intercept=True)[0][0]
    assert not Lasso(top * (1 + 1e-12)).fit(X, y).coef_.any()
    assert np.count_nonzero(Lasso(top * (1 - 1e-4), tol=1e-12).fit(X, y).coef_) == 1


def test_alpha_zero_is_least_squares():
    X, y = problem(30, 50)
    with pytest.warns(UserWarning, match="alpha=0") as caught:
        model = Lasso(0.0, fit_intercept=False).fit(X, y)
    assert caught[0].filename == __file__
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(X) @ y, atol=1e-8)
    assert model.dual_gap_ <= model.dual_gap_tol_
    with pytest.warns(UserWarning, match="alpha=0"):
        model = Lasso(0.0, positive=True).fit(*problem(50, 10))
    assert (model.coef_ >= 0).all()
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_warm_start_continues():
    X, y = problem()
    model = Lasso(0.1, warm_start=True).fit(X, y)
    again = model.fit(X, y).coef_
    cold = Lasso(0.1).fit(X, y)
    np.testing.assert_allclose(again, cold.coef_, atol=1e-4)
    assert_certified(model.set_params(alpha=0.02).fit(X, y), X, y)


@pytest.fixture(scope="module", params=["C", "F"])
def mapped(request, tmp_path_factory):
    """A read-only file of 64 MB as an array, and a target."""
    shape, rng = (1000, 8000), np.random.default_rng(0)
    name = tmp_path_factory.mktemp("mapped") / "X"
    X = np.memmap(name, float, "w+", shape=shape, order=request.param)
    X[:] = rng.random(shape)
    y = 20 * X[:, 0] + rng.standard_normal(len(X))
    X.flush()
    return np.memmap(name, float, "r", shape=shape, order=request.param), y


@pytest.mark.parametrize(
    "model",
    [
        Lasso(0.5),
        ElasticNet(0.5, standardize=True),
        LassoCV(alphas=[0.9, 0.5], cv=3, n_jobs=2),
        LassoIC("bic", alphas=[0.9, 0.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_dense_data_are_neither_copied_nor_changed(mapped, model):
    X, y = mapped
    weight = np.linspace(1.0, 2.0, len(y))
    model.fit(X[:50], y[:50], weight[:50])  # compiles
    tracemalloc.start()
    model.fit(X, y, weight)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.3 * X.nbytes


def test_sparse_data_are_neither_copied_nor_changed(mapped):
    X = sparse.csc_array(np.where(mapped[0] < 0.2, mapped[0], 0.0))
    X.data.flags.writeable = False
    Lasso(0.1).fit(X, mapped[1])
    tracemalloc.start()
    Lasso(0.1).fit(X, mapped[1])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.3 * X.data.nbytes


@pytest.mark.parametrize(
    "spoil",
    [
        lambda X: sparse.csc_array((X.data, X.indices.astype(np.int64),
                                    X.indptr.astype(np.int64)), shape=X.shape),
        lambda X: _with_explicit_zeros(X),
        lambda X: _with_unsorted_indices(X),
        lambda X: _with_duplicates(X),
    ],
    ids=["int64", "explicit zeros", "unsorted", "duplicates"],
)  # fmt: skip
def test_odd_sparse_matrices(spoil):
    X, y = problem()
    odd = spoil(sparse.csc_array(X))
    dense = odd.toarray()
    model = Lasso(0.1, tol=1e-10).fit(odd, y)
    assert_certified(model, dense, y)


def _with_explicit_zeros(X):
    X.data[::3] = 0.0
    return X


def _with_unsorted_indices(X):
    for j in range(X.shape[1]):
        part = slice(X.indptr[j], X.indptr[j + 1])
        X.data[part], X.indices[part] = X.data[part][::-1], X.indices[part][::-1]
    X.has_sorted_indices = False
    return X


def _with_duplicates(X):
    twice = sparse.coo_array(X)
    coo = sparse.coo_array(
        (np.tile(twice.data / 2, 2), (np.tile(twice.row, 2), np.tile(twice.col, 2))),
        shape=X.shape,
    )
    order = np.argsort(coo.col, kind="stable")
    indptr = np.searchsorted(coo.col[order], np.arange(X.shape[1] + 1))
    return sparse.csc_array((coo.data[order], coo.row[order], indptr), shape=X.shape)


HARD = {
    "one feature": lambda X: X[:, :1],
    "two samples": lambda X: X[:2],
    "all zero": lambda X: np.zeros_like(X),
    "constant columns": lambda X: np.where(np.arange(60) < 5, 3.0, X),
    "duplicated columns": lambda X: X[:, np.arange(60) // 3],
    "offset": lambda X: X + 1e8,
    "tiny columns": lambda X: X * np.where(np.arange(60) < 2, 1e-12, 1.0),
}


@pytest.mark.parametrize("how", HARD)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_hard_data_are_certified(how, l1_ratio):
    X, y = problem()
    X = HARD[how](X)
    model = ElasticNet(0.01, l1_ratio=l1_ratio).fit(X, y[: len(X)])
    assert np.isfinite(model.coef_).all()
    assert model.dual_gap_ <= model.dual_gap_tol_
    if how != "two samples":
        assert_certified(model, X, y[: len(X)])


def test_hard_targets_are_certified():
    X, y = problem()
    constant = Lasso(0.1).fit(X, np.full(40, 7.0))
    assert not constant.coef_.any()
    assert constant.intercept_ == pytest.approx(7.0)
    assert constant.dual_gap_ == 0.0
    shifted = Lasso(0.1).fit(X, y + 1e8)
    assert shifted.dual_gap_ <= shifted.dual_gap_tol_
    np.testing.assert_allclose(shifted.coef_, Lasso(0.1).fit(X, y).coef_, atol=1e-3)


def test_support_as_large_as_the_sample():
    X, y = problem(20, 60)
    model = Lasso(1e-5, tol=1e-8).fit(X, y)
    assert np.count_nonzero(model.coef_) >= 19
    assert_certified(model, X, y)


@pytest.mark.parametrize("seed", range(40))
def test_random_small_problems(seed):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(2, 30), rng.integers(1, 50)
    X = rng.standard_normal((n, p))
    if p > 3:
        X[:, 1], X[:, 2] = X[:, 0], 3.0
    y = X[:, :3].sum(axis=1) + rng.choice([0.0, 1.0]) * rng.standard_normal(n)
    options = {
        "l1_ratio": rng.choice([1.0, 0.9, 0.5, 0.0]),
        "penalty_weights": rng.choice([0.0, 1.0, 2.0, np.inf], p) if p > 9 else None,
        "positive": bool(rng.random() < 0.3),
        "fit_intercept": bool(rng.random() < 0.6),
        "solver": rng.choice(["auto", "face_newton", "cd"]),
        "precompute": (True, False, "auto")[rng.integers(3)],
    }
    for alpha in (1.0, 0.1, 0.003):
        model = ElasticNet(alpha, tol=1e-8, **options).fit(X, y)
        if model.dual_gap_tol_ > 1e-20:
            assert_certified(model, X, y)


def test_missed_tolerance_warns_and_keeps_the_best():
    X, y = problem()
    hopeless = {"solver": "cd", "max_iter": 1, "tol": 1e-300}
    with pytest.warns(ConvergenceWarning, match=r"alpha=0\.001.*asked were") as caught:
        model = Lasso(1e-3, **hopeless).fit(X, y)
        lasso_path(X, y, alphas=[1e-3], **hopeless)
    assert np.isfinite(model.coef_).all()
    assert [str(w.message).split()[0] for w in caught] == [
        "Lasso",
        "lasso_path",
    ]
    # The user's line is at fault, not one of ours.
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    "X, y, weight, message",
    [
        ([[np.nan], [1.0]], [1.0, 2.0], None, "NaN"),
        ([[np.inf], [1.0]], [1.0, 2.0], None, "infinity"),
        (np.array([[1j], [1.0]]), [1.0, 2.0], None, "Complex"),
        ([[1.0], [2.0]], [1.0, np.nan], None, "NaN"),
        ([[1.0], [2.0]], [1.0, 2.0, 3.0], None, "inconsistent"),
        ([[1.0], [2.0]], [[1.0, 2.0], [3.0, 4.0]], None, "1d array"),
        ([["a"], ["b"]], [1.0, 2.0], None, "convert|numeric"),
        (np.empty((0, 2)), [], None, "0 sample"),
        ([[1.0], [2.0]], [1.0, 2.0], [-1.0, 1.0], "sample_weight must be >= 0"),
        ([[1.0], [2.0]], [1.0, 2.0], [0.0, 0.0], "sample_weight must not be all zero"),
        ([[1.0], [2.0]], [1.0, 2.0], [1.0], "sample_weight must be numbers of shape"),
    ],
)
def test_bad_data_are_refused(X, y, weight, message):
    with pytest.raises(ValueError, match=message):
        Lasso().fit(X, y, weight)


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [np.nan, 1.0], [np.inf] * 2])
def test_bad_penalty_weights_are_refused(weights):
    with pytest.raises(ValueError, match="penalty_weights"):
        Lasso(penalty_weights=weights).fit([[1.0, 2.0], [2.0, 0.0]], [1.0, 2.0])


def test_frames_pickles_and_columns():
    X, y = problem()
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(60)])
    model = Lasso(0.1).fit(frame, pd.Series(y))
    assert list(model.feature_names_in_) == list(frame.columns)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(frame), model.predict(frame))
    assert model.sparse_coef_.nnz == np.count_nonzero(model.coef_)
    with pytest.warns(DataConversionWarning):
        Lasso(0.1).fit(X, y[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lasso(0.1).fit(sparse.csr_array(X), y)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alpha", [0.003, 1e-5])
@pytest.mark.parametrize(
    "options",
    [{}, {"standardize": True}, {"fit_intercept": False}, {"positive": True}],
    ids=str,
)
def test_sparse_collinear_features_are_certified(seed, alpha, options):
    # Coordinate descent, the choice for few entries, alone does not get there.
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((90, 150)) * (rng.random((90, 150)) < 0.06)
    X[:, 10:20] = X[:, :10] * 1.001
    X[:, 20:25] = X[:, :5] + 1e-4 * (rng.random((90, 5)) < 0.05)
    y = X[:, :10].sum(axis=1) + 0.1 * rng.standard_normal(90) + 5
    model = Lasso(alpha, **options).fit(sparse.csc_array(X), y)
    assert_certified(model, X, y)


@pytest.mark.parametrize("size", [1e4, 1e5])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.9])
def test_rounding_of_the_gram_matrix_does_not_certify(size, l1_ratio):
    # Without an intercept to centre them, correlations cancel in many digits.
    X, y = problem(80, 20)
    model = ElasticNet(0.3, l1_ratio=l1_ratio, fit_intercept=False, precompute=True)
    assert_certified(model.fit(X + size, y), X + size, y)
