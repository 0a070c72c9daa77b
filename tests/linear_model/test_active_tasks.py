"""Drawing samples of other tasks: the model, relevance, allocation, what it is for."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from sparsestat.linear_model import ActiveMultiTaskRegressor
from sparsestat.optim.low_rank import (
    fit_low_rank,
    projected,
    shrunken_weights,
    stack_tasks,
)


def make_source(coef, noise=1.0, intercept=0.0):
    def draw(n_samples, random_state):
        X = random_state.standard_normal((n_samples, len(coef)))
        y = X @ coef + intercept + noise * random_state.standard_normal(n_samples)
        return X, y

    return draw


def few_relevant(n_sources=40, p=30, seed=0):
    """Sources of which the first three span the target best, and that target."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((p, 3)))[0]
    weights = 0.5 * rng.standard_normal((3, n_sources))
    weights[:, :3] = 2.0 * np.linalg.qr(rng.standard_normal((3, 3)))[0]
    target = weights[:, :3] @ np.array([0.6, -0.5, 0.4])
    return (basis @ weights).T, basis @ target


def pools(seed=0, T=4, n=30, p=8):
    rng = np.random.default_rng(seed)
    coefs = rng.standard_normal((T, 2)) @ rng.standard_normal((2, p))
    X = rng.standard_normal((T, n, p)) + 1.0
    y = np.einsum("tnp,tp->tn", X, coefs) + 0.3 * rng.standard_normal((T, n)) + 2.0
    return X, y


def stacked(X, y, fit_intercept=True):
    return stack_tasks([(a, b, None) for a, b in zip(X, y, strict=True)], fit_intercept)


def test_as_many_components_as_tasks_are_ridge_regressions():
    X, y = pools()
    rows = stacked(X, y)
    found = fit_low_rank(rows, 8, 0.5, 1e-10, 5000)
    price = 0.5 * np.mean((X - X.mean(axis=1)[:, None]) ** 2)
    value = 0.0
    for t, coef in enumerate(found.weights.T @ found.components):
        ridge = Ridge(price * y.size).fit(X[t], y[t])
        np.testing.assert_allclose(coef, ridge.coef_, atol=1e-6)
        rest = y[t] - ridge.predict(X[t])
        value += rest @ rest / (2 * y.size) + 0.5 * price * ridge.coef_ @ ridge.coef_
    assert found.objective == pytest.approx(value, rel=1e-8)
    inner = found.components @ found.components.T
    np.testing.assert_allclose(inner, np.eye(4), atol=1e-10)


def test_no_alternating_least_squares_find_better_directions():
    X, y = pools()
    rows, price = stacked(X, y, False), 1e-3 * np.mean(X**2)
    found = fit_low_rank(rows, 2, 1e-3, 1e-9, 5000)
    best = np.inf
    for seed in range(5):
        B = np.random.default_rng(seed).standard_normal((8, 2))
        for _ in range(200):
            W = projected(rows, B, price, y.size)[2]
            system = sum(
                np.kron(x.T @ x / y.size + price * np.eye(8), np.outer(w, w))
                for x, w in zip(X, W.T, strict=True)
            )
            right = sum(
                np.outer(x.T @ target / y.size, w)
                for x, target, w in zip(X, y, W.T, strict=True)
            )
            B = np.linalg.solve(system, right.ravel()).reshape(8, 2)
        best = min(best, projected(rows, B, price, y.size)[0])
    assert found.objective == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_gradient_is_that_of_the_objective(kind):
    X, y = pools()
    rows = stacked([sparse.csr_array(a) for a in X] if kind == "sparse" else X, y)
    B = np.random.default_rng(1).standard_normal((8, 2))
    _, gradient, _ = projected(rows, B, 0.1, y.size)
    for at in [(0, 0), (3, 1), (7, 0)]:
        step = np.zeros_like(B)
        step[at] = 1e-6
        ahead, behind = (projected(rows, B + s * step, 0.1, y.size)[0] for s in (1, -1))
        assert (ahead - behind) / 2e-6 == pytest.approx(gradient[at], rel=1e-5)


def test_weights_are_shrunk_where_samples_are_few():
    rng = np.random.default_rng(0)
    tasks = []
    for t in range(60):
        X = rng.standard_normal((4 if t % 2 else 400, 2))
        w = rng.standard_normal(2)
        tasks.append((X, X @ w + rng.standard_normal(len(X)), None))
    rows = stack_tasks(tasks, False)
    shrunk = shrunken_weights(np.eye(2), rows)
    plain = projected(rows, np.eye(2), 0.0, rows.root @ rows.root)[2]
    ratio = np.sum(shrunk**2, axis=0) / np.sum(plain**2, axis=0)
    assert ratio[::2].min() > 0.95 > np.median(ratio[1::2])
    # Means of the normal prior of unit variance, to what 60 tasks tell of it.
    for t in (1, 2):
        X, y, _ = tasks[t]
        expected = np.linalg.solve(X.T @ X + np.eye(2), X.T @ y)
        np.testing.assert_allclose(shrunk[:, t], expected, atol=0.15)


def test_relevance_is_the_representation_of_least_norm():
    coefs, target = few_relevant(12)
    X, y = make_source(target)(40, np.random.RandomState(0))
    sources = [make_source(coef) for coef in coefs]
    options = {"n_components": 3, "budget": 12000, "random_state": 0}
    model = ActiveMultiTaskRegressor(sources, alpha=1e-6, **options).fit(X, y)
    W = model.components_ @ coefs.T
    wanted = model.target_weights_
    found = linprog(np.ones(24), A_eq=np.hstack([W, -W]), b_eq=wanted)
    # Shrinkage and noise leave little at so many samples.
    assert np.abs(model.relevance_).sum() == pytest.approx(found.fun, rel=0.05)
    assert set(np.flatnonzero(np.abs(model.relevance_) > 0.1)) == {0, 1, 2}
    least = ActiveMultiTaskRegressor(sources, strategy="l2", **options).fit(X, y)
    expected = np.linalg.lstsq(least.source_weights_, least.target_weights_)[0]
    np.testing.assert_allclose(least.relevance_, expected, atol=0.05)


def test_the_epochs_double_and_add_up():
    coefs, target = few_relevant(6)
    X, y = make_source(target)(20, np.random.RandomState(0))
    sources = [make_source(coef) for coef in coefs]
    model = ActiveMultiTaskRegressor(
        sources, 3, budget=701, n_epochs=3, exploration=0.5, random_state=0
    ).fit(X, y)
    assert model.n_drawn_.sum(axis=1).tolist() == [100, 200, 401]
    assert np.ptp(model.n_drawn_[0]) <= 1  # nothing known yet
    assert model.n_drawn_.min() >= 100 // 12
    further = model.sample_allocation(100)
    assert (
        further.sum() == 100 and further.argmax() == np.abs(model.relevance_).argmax()
    )
    again = ActiveMultiTaskRegressor(
        sources, 3, budget=701, n_epochs=3, exploration=0.5, random_state=0
    ).fit(X, y)
    np.testing.assert_array_equal(model.coef_, again.coef_)


def test_relevant_sources_are_drawn_and_lower_the_risk():
    coefs, target = few_relevant()
    sources = [make_source(coef, 0.5) for coef in coefs]
    risk, share = {}, {}
    for strategy in ("l1", "l2", "uniform"):
        errors, shares = [], []
        for seed in range(5):
            rng = np.random.RandomState(seed)
            X, y = make_source(target, 0.5)(40, rng)
            model = ActiveMultiTaskRegressor(
                sources, 3, budget=2000, strategy=strategy, tol=1e-4, random_state=rng
            ).fit(X, y)
            errors.append(np.sum((model.coef_ - target) ** 2))
            shares.append(model.n_drawn_[-1, :3].sum() / model.n_drawn_[-1].sum())
        risk[strategy], share[strategy] = np.mean(errors), np.mean(shares)
    alone = np.sum((ActiveMultiTaskRegressor().fit(X, y).coef_ - target) ** 2)
    assert risk["l1"] < risk["l2"] < risk["uniform"] < alone
    assert share["l1"] > share["l2"] > 2.0 * share["uniform"]


def test_pools_are_drawn_without_replacement():
    X, y = pools()
    given = list(zip(X[1:], y[1:], strict=True))
    model = ActiveMultiTaskRegressor(given, 2, budget=60, random_state=0).fit(
        X[0], y[0]
    )
    assert model.n_drawn_.sum() == 60
    assert (model.n_drawn_.sum(axis=0) <= 30).all()
    everything = ActiveMultiTaskRegressor(given, 2, budget=500).fit(X[0], y[0])
    assert everything.n_drawn_.sum(axis=0).tolist() == [30, 30, 30]
    whole = fit_low_rank(stacked(X, y), 2, 1e-4, 1e-8, 1000)
    expected = whole.components.T @ whole.weights
    np.testing.assert_allclose(everything.coef_, expected[:, 0], atol=1e-4)
    np.testing.assert_allclose(everything.source_coef_.T, expected[:, 1:], atol=1e-4)
    inside = [(sparse.csr_array(a), b) for a, b in given]
    thin = ActiveMultiTaskRegressor(inside, 2, budget=500).fit(
        sparse.csr_array(X[0]), y[0]
    )
    np.testing.assert_allclose(thin.coef_, everything.coef_, atol=1e-5)


def test_constant_targets_are_their_own_model():
    X = np.random.default_rng(0).standard_normal((10, 3))
    pool = (X, np.full(10, 3.0))
    model = ActiveMultiTaskRegressor([pool], budget=5).fit(X, np.full(10, 2.0))
    np.testing.assert_array_equal(model.coef_, 0.0)
    assert model.intercept_ == pytest.approx(2.0) and model.stationarity_ == 0.0
    np.testing.assert_array_equal(model.relevance_, 0.0)


def test_what_is_refused():
    X, y = np.ones((5, 3)) * np.arange(5)[:, None], np.arange(5.0)
    good = make_source(np.ones(3))
    cases = [
        ({"sources": [1]}, r"sources must be a list of callables or pairs"),
        (
            {"sources": [good] * 3, "budget": 2},
            r"budget must be at least .* 3, .* got 2",
        ),
        ({"sources": [make_source(np.ones(2))]}, r"sources\[0\] must have 3 features"),
        (
            {"sources": [lambda n, _: good(n + 1, _)]},
            r"sources\[0\] must return as many",
        ),
        ({"sources": [lambda n, _: 3]}, r"sources\[0\] must return a pair"),
        ({"sources": [(X * np.nan, y)]}, r"sources\[0\]: Input X contains NaN"),
        ({"strategy": "l3"}, "strategy must be 'l1', 'l2' or 'uniform'; got 'l3'"),
        ({"alpha": 1.0}, r"alpha must be a real number in \(0, 1\); got 1.0"),
    ]
    for parameters, message in cases:
        with pytest.raises(ValueError, match=message):
            ActiveMultiTaskRegressor(**parameters).fit(X, y)


def test_a_missed_tolerance_is_told():
    X, y = pools()
    with pytest.warns(ConvergenceWarning, match="norm of the gradient"):
        ActiveMultiTaskRegressor(
            [(X[1], y[1])], 2, max_iter=1, n_epochs=1, tol=1e-12
        ).fit(X[0], y[0])
