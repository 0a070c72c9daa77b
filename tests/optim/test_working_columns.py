"""Columns of a working set, dense, sparse or of classes, against plain arrays."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.optim.design import make_design
from sparsestat.optim.multinomial import MultinomialLoss
from sparsestat.optim.penalties import L1, prepare
from sparsestat.optim.problem import least_squares
from sparsestat.optim.tasks import make_tasks
from sparsestat.optim.working_columns import (
    ClassColumns,
    Metric,
    SparseColumns,
    WorkingColumns,
    columns_for,
)

N, P, CLASSES = 30, 12, 3
FIRST, SECOND = np.array([7, 2, 10]), np.array([0, 4])
ORDER = np.array([0, 3, 2, 1, 4])  # two of them swapped


def make(kind, dropped=False):
    """A store with five columns, two of them swapped, and what it should hold."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) + 0.2
    X[rng.random((N, P)) < 0.8] = 0.0
    weight = rng.random(N)
    weight[:4] *= 0.0 if dropped else 1.0
    weight /= weight.sum()
    stored = sparse.csc_array(X) if kind is SparseColumns else np.asfortranarray(X)
    design = make_design(stored, sample_weight=weight, standardize=True)
    rows = np.flatnonzero(weight)
    X = ((X - design.mean) / design.scale).T
    targets, n_coefs = np.zeros(N), P
    if kind is ClassColumns:
        design, targets, n_coefs = (
            make_tasks(design, CLASSES), np.zeros((N, CLASSES)), P * CLASSES,
        )  # fmt: skip
        X = np.kron(X, np.eye(CLASSES))
        rows = (rows[:, None] * CLASSES + np.arange(CLASSES)).ravel()
    penalty = prepare(L1(1.0), n_coefs)
    store = kind(least_squares(design, targets, penalty, weight, False), rows)
    features = np.concatenate([FIRST, SECOND])[ORDER]
    store.add(FIRST)
    store.add(SECOND)
    store.swap(np.array([1, 3]), np.array([3, 1]))
    return store, X[np.ix_(features, rows)], rng, weight[weight > 0.0]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("kind", [WorkingColumns, SparseColumns, ClassColumns])
def test_products_are_those_of_the_columns(kind, dropped):
    store, X, rng, _ = make(kind, dropped)
    np.testing.assert_allclose(store.X, X, atol=1e-14)
    u, weight = rng.standard_normal(X.shape[1]), rng.random(X.shape[1])
    np.testing.assert_allclose(store.products(u), X @ u, atol=1e-13)
    np.testing.assert_allclose(store.products(u, 2), X[:2] @ u, atol=1e-13)
    np.testing.assert_allclose(
        store.norms(weight, 4), np.sqrt(X[:4] ** 2 @ weight), atol=1e-13
    )
    coef = np.array([1.0, 0.0, -2.0])
    np.testing.assert_allclose(store.combine(coef), coef @ X[:3], atol=1e-13)
    assert not store.combine(np.zeros(5)).any()


@pytest.mark.parametrize("kind", [WorkingColumns, SparseColumns])
def test_hessian_is_weighted_less_means(kind):
    store, X, rng, _ = make(kind)
    diagonal, factors = rng.random(N), rng.standard_normal((N, 2))
    mass = np.array([0.5, 2.0])
    metric = Metric(diagonal, mass, lambda X: X @ factors, None, None)
    means = X @ factors
    expected = (X * diagonal) @ X.T - (means * mass) @ means.T
    store.begin(metric)
    found = np.empty((5, 5))
    found[:3, :3] = store.hessian(0, 3)
    found[3:] = store.hessian(3, 5)
    found[:3, 3:] = found[3:, :3].T
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_hessian_of_classes_is_that_of_the_loss(fit_intercept):
    store, X, rng, weight = make(ClassColumns)
    y = rng.integers(0, CLASSES, N).astype(float)
    smooth = MultinomialLoss(y, CLASSES, None, fit_intercept, weight)
    z = 0.3 * rng.standard_normal(N * CLASSES)
    z = z + smooth.spread(smooth.best_intercept(z))

    def gradient(w):
        moved = z + w @ X
        moved = moved + smooth.spread(smooth.best_intercept(moved))
        return -X @ smooth.evaluate(moved)[1]

    smooth.evaluate(z)
    metric = smooth.metric(False)
    store.begin(metric)
    found = np.empty((5, 5))
    found[:3, :3] = store.hessian(0, 3)
    found[3:] = store.hessian(3, 5)
    found[:3, 3:] = found[3:, :3].T
    steps = 1e-5 * np.eye(5)
    expected = [(gradient(d) - gradient(-d)) / 2e-5 for d in steps]
    np.testing.assert_allclose(found, expected, atol=1e-8)
    # The intercepts move along with a step, to first order.
    u = smooth.evaluate(z)[1]
    change = 1e-5 * X[2]
    shift = metric.shift(change, u)
    true = smooth.best_intercept(z + change)
    if fit_intercept:
        np.testing.assert_allclose(shift - shift.mean(), true - true.mean(), atol=1e-9)
    else:
        assert not shift.any()


def test_store_suits_the_design():
    rng = np.random.default_rng(0)
    thin = sparse.random_array((200, 50), density=0.03, rng=rng, format="csc")
    weight = np.full(200, 1.0 / 200)

    class Smooth:
        rows, linear_means = np.arange(200), True

    def chosen(X, smooth=Smooth):
        design = make_design(X)
        penalty = prepare(L1(1.0), X.shape[1])
        problem = least_squares(design, np.zeros(200), penalty, weight, False)
        return type(columns_for(problem, smooth))

    assert chosen(thin) is SparseColumns
    assert chosen(thin.toarray()) is WorkingColumns
    dense = sparse.csc_array(rng.standard_normal((200, 50)))
    assert chosen(dense) is WorkingColumns

    class Others(Smooth):
        linear_means = False

    assert chosen(thin, Others) is WorkingColumns
