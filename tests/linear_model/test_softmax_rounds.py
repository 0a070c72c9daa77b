"""Sums over shards for models of classes: derivatives, null models, fits given up."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from sparsestat.distributed import Shard, as_shards
from sparsestat.distributed._layout import layout_of
from sparsestat.linear_model import _softmax_shards
from sparsestat.linear_model._softmax_exchanges import exchange_changes
from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    fit_supports,
    null_fit,
    working_problem,
    working_problems,
)
from sparsestat.linear_model._softmax_shards import contrasts_of, newton_sums
from sparsestat.linear_model._subset_rounds import Rounds, Totals, symmetric
from tests.linear_model.test_distributed_classifier import make_classes


def rounds_of(X, y, centred=True, weight=None):
    shards = as_shards(X, y, weight, n_shards=3)
    layout = replace(layout_of(shards), classes=np.unique(y))
    return Rounds(shards, layout, centred, [], 0, None)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_sums_are_derivatives_of_the_loss(n_classes, form):
    """Gradients and Hessians of three models by differences; no support for one."""
    rng = np.random.default_rng(0)
    X, y = make_classes(0, n=60, p=6, n_classes=n_classes)
    weight = rng.integers(0, 3, 60).astype(float)
    contrasts, mean = contrasts_of(n_classes), X.mean(axis=0)
    m = contrasts.shape[1]
    supports = [np.array([1, 4]), np.array([], np.int64), np.array([0, 1, 5])]
    models = [(A, rng.normal(size=(len(A), m)), rng.normal(size=m)) for A in supports]
    layout = replace(layout_of(as_shards(X, y)), classes=np.arange(n_classes))
    message = {"layout": layout, "models": models, "mean": mean}
    sums = newton_sums(Shard(form(X), y, weight), message)

    def loss(A, theta):
        scores = np.column_stack([X[:, A] - mean[A], np.ones(60)]) @ theta
        scores = scores @ contrasts.T
        top = np.log(np.exp(scores).sum(axis=1))
        return weight @ (top - scores[np.arange(60), y])

    begin, start = 0, 0
    for k, (A, coef, intercept) in enumerate(models):
        theta = np.vstack([coef, intercept])
        size, h = theta.size, 1e-4
        assert sums[0][k] == pytest.approx(loss(A, theta), rel=1e-12)

        def at(*moved, A=A, theta=theta):
            other = theta.copy().ravel()
            for place, by in moved:
                other[place] += by
            return loss(A, other.reshape(theta.shape))

        g = [(at((i, h)) - at((i, -h))) / (2 * h) for i in range(size)]
        np.testing.assert_allclose(sums[1][begin : begin + size], g, atol=1e-5)
        packed = sums[2][start : start + size * (size + 1) // 2]
        H = symmetric(packed, size)
        for i in range(size):
            for j in range(size):
                bend = (
                    at((i, h), (j, h)) - at((i, h), (j, -h))
                    - at((i, -h), (j, h)) + at((i, -h), (j, -h))
                ) / (4 * h * h)  # fmt: skip
                assert H[i, j] == pytest.approx(bend, abs=1e-4)
        begin, start = begin + size, start + len(packed)
    assert (begin, start) == (len(sums[1]), len(sums[2]))


def test_sums_do_not_depend_on_how_many_models_are_held(monkeypatch):
    X, y = make_classes(1, n=50, p=6)
    layout = replace(layout_of(as_shards(X, y)), classes=np.arange(3))
    models = [(np.array([k, k + 1]), np.ones((2, 2)), np.ones(2)) for k in range(5)]
    message = {"layout": layout, "models": models, "mean": X.mean(axis=0)}
    together = newton_sums(Shard(X, y), message)
    monkeypatch.setattr(_softmax_shards, "_HELD", 1)
    for a, b in zip(newton_sums(Shard(X, y), message), together, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_null_models_need_no_newton_steps(n_classes, centred):
    X, y = make_classes(2, n_classes=n_classes)
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    rounds = rounds_of(X, y, centred, weight)
    margins, fit = null_fit(rounds)
    assert len(rounds.communication) == 1
    total = float(margins.counts[1])
    given = Totals(len(y), total, np.zeros(12), 0.0), np.zeros(12), np.ones(12)
    start = fit._replace(intercept=0.0 * fit.intercept)
    (found,) = fit_supports(rounds, [start], *given, 1e-10)
    np.testing.assert_allclose(fit.intercept, found.intercept, atol=1e-8)
    assert fit.loss == pytest.approx(found.loss, rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_fits_that_are_given_up_would_not_have_been_the_best(n_classes):
    """All pairs of six features; the lowest of the size stays, in fewer numbers."""
    X, y = make_classes(3, n=300, p=6, n_classes=n_classes, rho=0.9)
    m = contrasts_of(n_classes).shape[1]
    supports = [np.array([i, j]) for i in range(6) for j in range(i + 1, 6)]
    starts = [SoftmaxFit(A, np.zeros((2, m)), np.zeros(m), *[np.inf] * 3)
              for A in supports]  # fmt: skip
    given = Totals(300, 300.0, X.mean(axis=0), 0.0), np.zeros(6), X.std(axis=0)
    alone = fit_supports(rounds_of(X, y), starts, *given, 1e-9)
    best = min(range(15), key=lambda k: alone[k].objective)
    others = [starts[k] if k == best else alone[k] for k in range(15)]
    for begin in (starts, others):  # the best one may start highest
        sent = []
        for bars in (None, {}):
            rounds = rounds_of(X, y)
            fits = fit_supports(rounds, begin, *given, 1e-9, bars)
            values = [fit.objective for fit in fits]
            assert np.argmin(values) == best
            assert values[best] == pytest.approx(alone[best].objective, rel=1e-12)
            sent.append(sum(row["up_bytes_total"] for row in rounds.communication))
        assert sent[1] <= sent[0] * (0.8 if begin is starts else 1.0)
    none = fit_supports(rounds, starts, *given, 1e-9, {2: 0.5 * values[best]})
    assert all(np.isinf(fit.objective) for fit in none)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_working_problems_of_several_fits_are_those_of_each(n_classes, centred, form):
    X, y = make_classes(4, n=300, p=8, n_classes=n_classes)
    X, mean = form(X), X.mean(axis=0) * centred
    m, rng = contrasts_of(n_classes).shape[1], np.random.default_rng(0)
    totals, ridge = Totals(300, 300.0, mean, 0.0), np.linspace(0.1, 0.2, 8)
    fits = [
        SoftmaxFit(np.array(A), rng.normal(size=(len(A), m)), np.ones(m), *[0.0] * 3)
        for A in ([1, 5], [0, 2, 7])
    ]
    rounds = rounds_of(X, y, centred)
    found = working_problems(rounds, fits, totals, ridge)
    assert len(rounds.communication) == 1
    floats = rounds.communication[0]["up_floats_per_shard"]
    assert floats == 8 * (5 + 2 * (m + 2)) + 2 * (2 + m * (m + 1))
    for fit, one in zip(fits, found, strict=True):
        other = working_problem(rounds, fit, totals, ridge, False)
        for name in ("root", "coef", "residual", "size"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12
            )
        for name in ("linear", "diagonal", "variance", "ridge"):
            np.testing.assert_allclose(
                getattr(one.problem, name), getattr(other.problem, name), rtol=1e-9
            )
        np.testing.assert_allclose(
            exchange_changes(one, fit.support),
            exchange_changes(other, fit.support),
            rtol=1e-7,
            atol=1e-12,
        )
