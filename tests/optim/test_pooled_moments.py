"""Second moments of rows by every way to them: products, shifted blocks, columns."""

import tracemalloc

import numpy as np
import pytest

from sparsestat.optim import pooled_moments
from sparsestat.optim.pooled_moments import moments_of_rows, scatter_matrix


def direct(X, Y, weight):
    """Means and scatter in extended precision."""
    Z = np.column_stack([X, Y]).astype(np.longdouble)
    mean = weight @ Z / weight.sum()
    return mean, (Z - mean).T @ (weight[:, None] * (Z - mean))


def rows(kind):
    rng = np.random.default_rng(0)
    n = 30_000 if kind == "unlike" else 3000
    wide = rng.standard_normal((n, 9))
    X, Y = wide[:, :7], wide[:, 7:]
    if kind == "far":
        X = X + 1e5
    elif kind == "unlike":  # the first rows tell nothing of the others
        X = X.copy()
        X[:256, 2], X[256:, 2] = 0.0, 1e6 + X[256:, 2]
    elif kind == "columns":
        X = np.asfortranarray(X)
    elif kind == "every other":
        X = wide[:, ::2]
    elif kind == "float32":
        X = X.astype(np.float32)
    elif kind == "constant":
        X = X * (np.arange(7) != 3) + 0.1 * (np.arange(7) == 3)
    return X, Y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "kind",
    ["slice", "far", "unlike", "columns", "every other", "float32", "constant"],
)
def test_every_way_gives_the_moments(kind, weighted):
    X, Y = rows(kind)
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 3, len(X)).astype(float) if weighted else np.ones(len(X))
    before = X.copy()
    found = moments_of_rows(X, Y, weight)
    mean, scatter = direct(X, Y, weight)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-13, atol=1e-13)
    size = np.sqrt(np.maximum(scatter.diagonal(), 1.0)).astype(float)
    error = np.abs(scatter_matrix(found) - scatter) / np.outer(size, size)
    assert error.max() < 1e-11
    if kind == "constant":
        assert scatter_matrix(found)[3, 3] == pytest.approx(0.0, abs=1e-20)


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_slices_give_the_bits_of_their_copies(offset, uneven):
    """Arrays that travel arrive in one piece."""
    rng = np.random.default_rng(0)
    wide, weight = rng.standard_normal((3001, 40)) + offset, np.ones(3001)
    weight[0] += uneven
    wide_columns = np.asfortranarray(wide)
    for X in (
        wide[:, 1:38],
        wide[:, 3:4],
        wide[:, ::2],
        wide_columns[:3000, :30],
        wide[::2],
        wide[::-1, :5],
        np.broadcast_to(wide[0], wide.shape),
    ):
        for Y in (wide[: len(X), 38:].copy(), np.empty((len(X), 0))):
            found = moments_of_rows(X, Y, weight[: len(X)])
            copied = moments_of_rows(X.copy(order="C"), Y, weight[: len(X)])
            for one, other in zip(found, copied, strict=True):
                np.testing.assert_array_equal(one, other)


def test_which_way():
    """Products where means are small and weights even; else blocks; else columns."""
    products, blocks = pooled_moments._from_products, pooled_moments._in_one_pass
    for kind, by_products, by_blocks in (
        ("slice", True, True),
        ("far", False, True),
        ("unlike", False, False),
    ):
        X, Y = rows(kind)
        weight, counts = np.ones(len(X)), np.full(2, float(len(X)))
        assert (products(X, Y, weight, counts) is not None) == by_products
        assert (blocks(X, Y, weight, counts) is not None) == by_blocks


@pytest.mark.parametrize("uneven", [False, True])
def test_slices_of_wider_rows_are_not_copied(uneven):
    wide = np.random.default_rng(0).standard_normal((20_000, 101))
    X, Y, weight = wide[:, :100], wide[:, 100:], np.ones(20_000)
    weight[0] += uneven
    moments_of_rows(X, Y, weight)
    tracemalloc.start()
    moments_of_rows(X, Y, weight)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.3 * X.nbytes
