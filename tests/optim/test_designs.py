"""Designs: one meaning in every storage, without touching X."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.optim import make_design
from sparsestat.optim.design import (
    CSC,
    column_add,
    column_dot,
    column_moments,
    columns,
    correlate,
    n_features,
    n_samples,
    predict,
    with_norms,
)
from sparsestat.optim.moments import (
    downdated_gram,
    gram_block,
    gram_matrix,
    moments_of_rows,
)
from sparsestat.utils.dispatch import kernel
from tests import naive
from tests.optim.problems import STORAGES, freeze, make_data, shares

N_SAMPLES, N_FEATURES = 300, 7  # more rows than one block of a dense moment
WEIGHT = shares(np.arange(N_SAMPLES) % 4, N_SAMPLES)
each_storage = pytest.mark.parametrize("storage", STORAGES)
modes = pytest.mark.parametrize(
    "fit_intercept, standardize, weight",
    [
        (True, True, WEIGHT),
        (True, False, None),
        (False, True, WEIGHT),
        (False, False, None),
    ],
)


def data(storage, fit_intercept=True, standardize=False, weight=None, offset=0.0):
    X = make_data(N_SAMPLES, N_FEATURES, density=0.6)[0] + offset
    stored = freeze(STORAGES[storage](X))
    design = make_design(
        stored,
        sample_weight=weight,
        fit_intercept=fit_intercept,
        standardize=standardize,
    )
    share = shares(weight, N_SAMPLES)
    explicit = naive.transformed(X, share, fit_intercept, standardize)
    return stored, design, explicit, share


@each_storage
@modes
def test_products(storage, fit_intercept, standardize, weight):
    stored, design, X, share = data(storage, fit_intercept, standardize, weight)
    before = stored.copy()
    rng = np.random.default_rng(1)
    v, coef = rng.standard_normal(N_SAMPLES), rng.standard_normal(N_FEATURES)
    some, everything = np.array([5, 0, 3]), np.arange(N_FEATURES)
    for features in (some, everything, some[:0]):
        np.testing.assert_allclose(
            predict(design, features, coef[features]),
            X[:, features] @ coef[features],
            atol=1e-12,
        )
        np.testing.assert_allclose(
            correlate(design, v, features), X[:, features].T @ v, atol=1e-11
        )
        np.testing.assert_allclose(
            gram_block(design, share, some, features),
            naive.gram(X, share)[np.ix_(some, features)],
            atol=1e-12,
        )
    np.testing.assert_allclose(correlate(design, v), X.T @ v, atol=1e-11)
    np.testing.assert_allclose(
        gram_matrix(design, share), naive.gram(X, share), atol=1e-12
    )
    for rows in (slice(None), slice(40, 90)):
        block = columns(design, some, rows)
        assert block.dtype == np.float64
        np.testing.assert_allclose(block, X[rows, some].T, atol=1e-13)
        block[:] = 0.0  # the caller's own
    assert (n_samples(design), n_features(design)) == (N_SAMPLES, N_FEATURES)
    assert abs(stored - before).max() == 0.0


@kernel
def dot_and_add(design, weight, v, shift, step, dots, shifts, out):
    """Column operations are made for kernels; they are called from one here."""
    for j in range(len(dots)):
        dots[j] = column_dot(design, j, weight, v, shift)
        shifts[j] = column_add(design, j, step, out[j])


@pytest.mark.parametrize(
    "storage, weight",
    [*((name, WEIGHT) for name in STORAGES), ("F", None), ("csc", None)],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_column_operations(storage, weight, compiled):
    _, design, X, share = data(storage, weight=weight)
    v, shift = np.random.default_rng(2).standard_normal(N_SAMPLES), 0.4
    v -= share @ v + shift
    dots, shifts = np.empty(N_FEATURES), np.empty(N_FEATURES)
    out = np.ones((N_FEATURES, N_SAMPLES))
    run = dot_and_add if compiled else dot_and_add.py_func
    run(design, weight, v, shift, 0.5, dots, shifts, out)
    np.testing.assert_allclose(dots, X.T @ (share * (v + shift)), atol=1e-13)
    np.testing.assert_allclose(out + shifts[:, None], 1.0 + 0.5 * X.T, atol=1e-13)


@each_storage
@modes
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments(storage, fit_intercept, standardize, weight, offset):
    stored, design, _, share = data(storage, fit_intercept, standardize, weight, offset)
    if sparse.issparse(stored):
        stored = stored.toarray()
    mean, variance = naive.moments(stored, share, fit_intercept)
    found = column_moments(design, weight, fit_intercept)
    np.testing.assert_allclose(found[0], mean, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[1], variance, rtol=1e-9)
    np.testing.assert_allclose(
        design.scale, np.sqrt(variance) if standardize else 1.0, rtol=1e-9
    )
    np.testing.assert_allclose(design.mean, mean, rtol=1e-14, atol=1e-15)
    norm = with_norms(design, share).norm
    np.testing.assert_allclose(norm, np.sqrt(variance) / design.scale, rtol=1e-9)
    assert np.isnan(design.norm).all() == (not (fit_intercept or standardize))


@pytest.mark.parametrize("storage", ["F", "C"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["uniform", "weighted"])
def test_offsets_of_1e8_cost_no_digits(storage, weight):
    _, design, X, share = data(storage, weight=weight, offset=1e8)
    mean = naive.moments(design.X, share, True)[0]
    np.testing.assert_allclose(design.mean, mean, rtol=2.3e-16)  # the last digit
    gram = naive.gram(X, share)
    np.testing.assert_allclose(design.norm**2, gram.diagonal(), rtol=1e-6)
    np.testing.assert_allclose(gram_matrix(design, share), gram, atol=1e-6)
    some = np.array([4, 2])
    np.testing.assert_allclose(
        gram_block(design, share, some, some), gram[np.ix_(some, some)], atol=1e-6
    )


@each_storage
@modes
@pytest.mark.parametrize(
    "left_out",
    [range(60, 120), range(0, N_SAMPLES, 3), range(20, N_SAMPLES), []],
    ids=["a block", "every third", "most", "none"],
)
def test_gram_of_a_fold(storage, fit_intercept, standardize, weight, left_out):
    stored, design, _, share = data(storage, fit_intercept, standardize, weight, 2.0)
    rest = share.copy()
    rest[list(left_out)] = 0.0
    rest /= rest.sum()
    fold = make_design(
        stored, sample_weight=rest, fit_intercept=fit_intercept, standardize=standardize
    )
    whole = gram_matrix(design, share)
    kept = whole.copy()
    found = downdated_gram(whole, design, share, fold, rest)
    raw = stored.toarray() if sparse.issparse(stored) else stored
    X = naive.transformed(raw, rest, fit_intercept, standardize)
    np.testing.assert_allclose(found, naive.gram(X, rest), atol=1e-12)
    np.testing.assert_array_equal(whole, kept)


@pytest.mark.parametrize("storage", ["F", "C"])
@modes
def test_moments_of_parts_add_up(storage, fit_intercept, standardize, weight):
    _, design, X, share = data(storage, fit_intercept, standardize, weight, 2.0)
    Y = np.random.default_rng(3).standard_normal((N_SAMPLES, 2))
    folds = np.arange(N_SAMPLES) % 7
    parts = [moments_of_rows(design, Y, share, np.flatnonzero(folds == k))
             for k in range(7)]  # fmt: skip
    whole = sum(parts[1:], parts[0])
    linear, squares = Y.T @ (share[:, None] * X), share @ (Y**2).sum(axis=1)
    expected = (1.0, share @ X, naive.gram(X, share), share @ Y, linear, squares)
    for found, value in zip(whole, expected, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-12)
    rest = np.where(folds == 2, 0.0, share)
    rest /= rest.sum()
    left = whole.without(parts[2], fit_intercept)
    mean, target = rest @ X, rest @ Y
    if fit_intercept:
        X, Y = X - mean, Y - target
    linear, squares = Y.T @ (rest[:, None] * X), rest @ (Y**2).sum(axis=1)
    expected = (1.0, mean, naive.gram(X, rest), target, linear, squares)
    for found, value in zip(left, expected, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["uniform", "weighted"])
def test_sparse_columns_far_from_zero_cost_no_digits(weight):
    share = shares(weight, N_SAMPLES)
    X = make_data(N_SAMPLES, N_FEATURES)[0]
    X[:, 1] += 1e6
    X[:, 4] -= 1e6
    X[::3, 2] = 0.0
    X[:5, 3] = 0.0
    X[5:, 3] += 30.0
    design = make_design(sparse.csc_array(X), sample_weight=weight)
    gram = naive.gram(naive.transformed(X, share, True, False), share)
    features = np.arange(N_FEATURES)
    for rows, cols in ((features, features), (features[:1], features), (features, [3])):
        found = gram_block(design, share, rows, np.asarray(cols))
        np.testing.assert_allclose(found, gram[np.ix_(rows, cols)], atol=1e-9)


@pytest.mark.parametrize("size", [10.0, 1e6, 1e12])
def test_gram_of_a_fold_without_the_row_that_dominates(size):
    X = make_data(N_SAMPLES, N_FEATURES)[0]
    X[7, 2] = size
    share = np.full(N_SAMPLES, 1.0 / N_SAMPLES)
    rest = share * N_SAMPLES / (N_SAMPLES - 1)
    rest[7] = 0.0
    design, fold = make_design(X), make_design(X, sample_weight=rest)
    whole = gram_matrix(design, share)
    found = downdated_gram(whole, design, share, fold, rest)
    gram = naive.gram(naive.transformed(X, rest, True, False), rest)
    np.testing.assert_allclose(found, gram, atol=1e-13)


@pytest.mark.parametrize("storage", sorted({*STORAGES} - {"csr", "csc-duplicates"}))
def test_x_is_not_copied(storage):
    stored, design, *_ = data(storage)
    kept = design.data if isinstance(design, CSC) else design.X
    original = stored.data if sparse.issparse(stored) else stored
    assert np.shares_memory(kept, original)
    assert kept.dtype == original.dtype


def test_the_callers_arrays_stay_writable():
    dense, csc = np.ones((3, 2)), sparse.csc_array(np.ones((3, 2)))
    for X in (dense, csc):
        make_design(X)
    assert dense.flags.writeable
    assert csc.data.flags.writeable
    assert csc.indices.flags.writeable


@each_storage
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e8 / 3.0])
def test_constant_columns_are_frozen(storage, offset):
    X = make_data(40, 4)[0]
    X[:, 2] = offset
    design = make_design(STORAGES[storage](X), standardize=True)
    assert design.norm[2] == 0.0
    assert design.scale[2] == 1.0
    assert (design.norm[[0, 1, 3]] > 0.0).all()


def test_other_classes_are_refused():
    for operation in (predict, correlate, columns, column_moments):
        with pytest.raises(TypeError, match="tuple is not a design"):
            operation((), None, None)
