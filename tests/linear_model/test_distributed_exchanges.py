"""Exchanges of features for classes on shards: promised, verified, as on all rows."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sparsestat.distributed import as_shards
from sparsestat.distributed._layout import layout_of
from sparsestat.linear_model import (
    BestSubsetClassifier,
    DistributedBestSubsetClassifier,
)
from sparsestat.linear_model._softmax_exchanges import (
    _near,
    exchange,
    exchange_changes,
    listed_changes,
)
from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    fit_supports,
    hessian_of,
    working_problem,
)
from sparsestat.linear_model._softmax_shards import contrasts_of
from sparsestat.linear_model._subset_rounds import Rounds, Totals
from tests.linear_model.test_distributed_classifier import make_classes


def draw(seed, n=400, p=12, s=3, n_classes=2, rho=0.9):
    """Strongly correlated features about one, and few rows."""
    return make_classes(seed, n, p, s, n_classes, rho)


def cut(X, y, n_shards, seed):
    """Unequal shards."""
    rng = np.random.default_rng(seed)
    bounds = np.sort(rng.choice(np.arange(1, len(y)), n_shards - 1, replace=False))
    return list(zip(np.split(X, bounds), np.split(y, bounds), strict=True))


def fitted(X, y, support, centred=True):
    """Rounds, and the fit on a support, with all that functions of it take."""
    shards = as_shards(X, y, n_shards=5)
    layout = replace(layout_of(shards), classes=np.unique(y))
    rounds = Rounds(shards, layout, centred, [], 0, None)
    n, p = X.shape
    mean = X.mean(axis=0) if centred else np.zeros(p)
    given = Totals(n, float(n), mean, 0.0), np.full(p, 1e-3), X.std(axis=0)
    m = max(len(layout.classes) - 1, 1)
    s = len(support)
    start = SoftmaxFit(
        np.array(support), np.zeros((s, m)), np.zeros(m), np.inf, np.inf, 0.0
    )
    (fit,) = fit_supports(rounds, [start], *given, 1e-10)
    return rounds, fit, given


def model_value(g, H, theta0, free):
    """Fall of the quadratic model from theta0 to its minimum with others zero."""
    b = H @ theta0 - g
    lowest = np.linalg.solve(H[np.ix_(free, free)], b[free])
    value = 0.5 * lowest @ H[np.ix_(free, free)] @ lowest - b[free] @ lowest
    return value - (0.5 * theta0 @ H @ theta0 - b @ theta0)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_promises_are_minima_of_the_quadratic_model(n_classes, centred):
    """Both tables for two classes, that of listed features for three; by solves."""
    X, y = draw(0, p=7, n_classes=n_classes)
    rounds, fit, given = fitted(X, y, [1, 4, 5], centred)
    totals, ridge, _ = given
    m, p = fit.coef.shape[1], X.shape[1]
    theta = np.zeros((p + 1, m))
    theta[fit.support], theta[-1] = fit.coef, fit.intercept
    g, H = hessian_of(rounds, np.arange(p), theta, totals, ridge)
    blocks = np.arange((p + 1) * m).reshape(p + 1, m)
    listed = np.array([0, 2, 3, 6])
    found = listed_changes(rounds, fit, listed, totals, ridge)
    working = working_problem(rounds, fit, totals, ridge, False)
    table = exchange_changes(working, fit.support)
    assert np.isinf(table[:, fit.support]).all()
    for i in range(3):
        for k, j in enumerate(listed):
            kept = [*np.delete(fit.support, i), j] + [p] * centred
            expected = model_value(g.ravel(), H, theta.ravel(), blocks[kept].ravel())
            assert found[i, k] == pytest.approx(expected, rel=1e-7, abs=1e-12)
            if m == 1:
                assert table[i, j] == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_wrong_subset_is_mended(n_classes):
    """From noise features to a subset that no exchange of all improves."""
    X, y = draw(1, p=9, n_classes=n_classes)
    best = BestSubsetClassifier(3, alpha=1e-3, standardize=False).fit(X, y)
    wrong = np.setdiff1d(np.arange(9), best.support_)[:3]
    rounds, fit, given = fitted(X, y, wrong)
    seen = {fit.support.tobytes()}
    fits, chosen, gap = exchange(
        rounds, {3: fit}, min, None, *given, 1e-9, seen, 20, 1e-9
    )
    found = fits[3]
    assert (chosen, gap) == (3, 0.0)
    assert found.objective < fit.objective
    others = []
    for i in range(3):
        for j in np.setdiff1d(np.arange(9), found.support):
            A = np.sort([*np.delete(found.support, i), j])
            start = SoftmaxFit(A, 0.0 * fit.coef, fit.intercept, np.inf, np.inf, 0.0)
            others.append(start)
    others = fit_supports(rounds, others, *given, 1e-9)
    lowest = min(other.objective for other in others)
    assert found.objective <= lowest * (1.0 + 1e-9)


def test_one_exchange_tells_what_it_saved():
    X, y = draw(1, p=9)
    best = BestSubsetClassifier(3, alpha=1e-3, standardize=False).fit(X, y)
    wrong = np.setdiff1d(np.arange(9), best.support_)[:3]
    rounds, fit, given = fitted(X, y, wrong)
    fits, _, gap = exchange(rounds, {3: fit}, min, None, *given, 1e-9, set(), 1, 1e-9)
    found = fits[3]
    assert gap == pytest.approx((fit.objective - found.objective) / fit.objective)
    assert gap > 0.0


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_as_on_rows_in_one_place(seed, n_classes):
    """1, 3 and 16 unequal shards: support, coefficients and certificates."""
    X, y = draw(seed, n_classes=n_classes)
    whole = BestSubsetClassifier(3, solver="swap", alpha=1e-6).fit(X, y)
    for n_shards in (1, 3, 16):
        model = DistributedBestSubsetClassifier(3).fit(cut(X, y, n_shards, seed))
        np.testing.assert_array_equal(model.support_, whole.support_)
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-6)
        assert model.swap_gap_ == whole.swap_gap_ == 0.0
        assert model.stationarity_ <= model.tol


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_stationarity_is_over_the_residuals_of_the_null_model(n_classes, fit_intercept):
    """A loose tolerance leaves a gradient to measure."""
    X, y = draw(2, n_classes=n_classes)
    model = DistributedBestSubsetClassifier(
        3, alpha=0.0, tol=1.0, fit_intercept=fit_intercept, n_shards=4
    ).fit(X, y)
    T, own = contrasts_of(n_classes), np.eye(n_classes)[y]
    pull = (model.predict_proba(X) - own) @ T
    chosen = (X - X.mean(axis=0) * fit_intercept)[:, model.support_]
    chosen = chosen / np.sqrt((chosen**2).mean(axis=0))
    gradient = np.abs(chosen.T @ pull / len(y)).max()
    if fit_intercept:
        gradient = max(gradient, np.abs(pull.mean(axis=0)).max())
    null = own.mean(axis=0) if fit_intercept else np.full(n_classes, 1.0 / n_classes)
    size = np.abs((own - null) @ T).sum() / len(y)
    assert model.stationarity_ == pytest.approx(gradient / size, rel=1e-6)
    assert model.stationarity_ > 1e-8


def test_a_search_cut_short_says_so(monkeypatch):
    """The first proposal is spoilt; one exchange is allowed."""
    X, y = draw(1, p=9)
    usual = DistributedBestSubsetClassifier._by_moments

    def spoilt(*given):
        working, supports, coefs = usual(*given)
        wrong = np.setdiff1d(np.arange(9), supports[-1])[:3]
        return working, [wrong], [coefs[-1]]

    monkeypatch.setattr(
        DistributedBestSubsetClassifier, "_by_moments", staticmethod(spoilt)
    )
    model = DistributedBestSubsetClassifier(3, max_rounds=1)
    with pytest.warns(ConvergenceWarning, match="last exchange of a feature saved"):
        model.fit(X, y)
    assert model.swap_gap_ > 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = DistributedBestSubsetClassifier(3, max_rounds=9).fit(X, y)
    assert model.swap_gap_ == 0.0
    whole = BestSubsetClassifier(3, solver="swap", alpha=1e-6).fit(X, y)
    np.testing.assert_array_equal(model.support_, whole.support_)


def test_account_of_exchanges():
    """Two classes need no round for promises, three need one; then Newton rounds."""
    for n_classes in (2, 3):
        X, y = draw(0, n_classes=n_classes)
        model = DistributedBestSubsetClassifier(3, n_shards=4).fit(X, y)
        rows = [r for r in model.communication_ if r["purpose"] == "exchanges"]
        assert len(rows) == (n_classes == 3)
        if rows:
            m, q = 2, 3 + 9 + 1  # all nine others are listed, and the intercept
            assert (
                rows[0]["up_floats_per_shard"] == 1 + q * m + q * m * (q * m + 1) // 2
            )
        last = [row["purpose"] for row in model.communication_][-1]
        assert last in ("newton", "exchanges")
        assert model.bytes_total_ == sum(
            row["up_bytes_total"] + row["down_bytes_total"]
            for row in model.communication_
        )


def improvable(X, y, model):
    """Sizes of the path that an exchange of one feature improves, by trying all."""
    n, p = X.shape
    shards = as_shards(X, y)
    layout = replace(layout_of(shards), classes=model.classes_)
    rounds = Rounds(shards, layout, True, [], 0, None)
    ridge, scale = model.alpha * X.var(axis=0), X.std(axis=0)
    given = Totals(n, float(n), X.mean(axis=0), 0.0), ridge, scale
    m = contrasts_of(len(model.classes_)).shape[1]
    coefs = model.path_coef_.toarray().reshape(-1, p, len(model.sizes_))
    found = []
    for k, s in enumerate(model.sizes_):
        A = np.flatnonzero(coefs[:, :, k].any(axis=0))
        others = [
            np.sort([*np.delete(A, i), j])
            for i in range(s)
            for j in np.setdiff1d(np.arange(p), A)
        ]
        own, *fits = fit_supports(
            rounds,
            [
                SoftmaxFit(B, np.zeros((s, m)), np.zeros(m), *[np.inf] * 3)
                for B in (A, *others)
            ],
            *given,
            1e-9,
        )
        lowest = min((fit.objective for fit in fits), default=np.inf)
        if lowest < own.objective * (1.0 - 1e-8):
            found.append(int(s))
    return found


@pytest.mark.parametrize("algorithm", ["gram", "columns"])
def test_no_exchange_improves_any_size(algorithm):
    X, y = draw(2, n=200, p=10)
    options = {"criterion": "aic", "max_nonzero_coefs": 6, "n_shards": 3}
    model = DistributedBestSubsetClassifier(algorithm=algorithm, **options).fit(X, y)
    assert improvable(X, y, model) == []
    purposes = [row["purpose"] for row in model.communication_]
    assert "working rows" in purposes
    # Without room for rows, and by surrogates, only the chosen size is looked at.
    for few in ({"max_bytes_per_round": 200}, {"algorithm": "surrogate"}):
        other = DistributedBestSubsetClassifier(
            **{"algorithm": algorithm, **options, **few}
        ).fit(X, y)
        assert other.swap_gap_ == 0.0
        left = improvable(X, y, other)
        assert left and other.n_nonzero_coefs_ not in left
        purposes = [row["purpose"] for row in other.communication_]
        assert "working rows" not in purposes


def test_the_nearest_sizes_come_first():
    fits = dict.fromkeys(range(8))
    scale = np.ones(7)
    assert _near(fits, 3, scale, 10**6) == [2, 4, 1, 5, 6]
    assert _near(fits, 3, scale, 8 * 7 * 10) == [2, 4]
    assert _near(fits, 3, scale, 0) == []


def test_another_size_may_be_chosen_by_its_exchanges():
    """Proposals of one size are spoilt, so that it is chosen by exchanges only."""
    X, y = draw(1, p=9)
    best = BestSubsetClassifier([2, 3], alpha=1e-3, standardize=False).fit(X, y)
    rounds, fit, given = fitted(X, y, np.setdiff1d(np.arange(9), best.support_)[:3])
    _, two, _ = fitted(X, y, best.refit(2).support_)

    def choose(fits):
        return min(fits, key=lambda k: fits[k].objective + 1e-3 * k)

    assert choose({2: two, 3: fit}) == 2
    fits, chosen, gap = exchange(
        rounds, {2: two, 3: fit}, choose, None, *given, 1e-9, set(), 20, 1e-9, 10**6
    )
    assert (chosen, gap) == (3, 0.0)
    np.testing.assert_array_equal(fits[3].support, best.refit(3).support_)
    # Cut short, the chosen size tells what its last exchange saved.
    fits, chosen, gap = exchange(
        rounds, {2: two, 3: fit}, choose, None, *given, 1e-9, set(), 1, 1e-9, 10**6
    )
    expected = (fit.objective - fits[3].objective) / fit.objective if chosen == 3 else 0
    assert gap == pytest.approx(expected)
