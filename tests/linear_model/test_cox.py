"""Sparse proportional hazards: certificates, R, equivalences, failure modes."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from sparsestat.linear_model import (
    SparseCoxRegressor,
    SparseCoxRegressorCV,
    cox_path,
)
from sparsestat.metrics import concordance_index
from tests.naive import partial_likelihood

TIES = ["breslow", "efron"]


def cohort(n=80, p=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.4] = 0.0
    time = np.ceil(10.0 * rng.exponential(np.exp(-X[:, 0] + X[:, 1]))).clip(1, 30)
    event = rng.random(n) < 0.7
    return X, np.column_stack([time, event]), rng.integers(0, 4, n).astype(float)


def of_r():
    """The cohort of the figures below, which R was given as a table."""
    rng = np.random.default_rng(3)
    X = np.round(rng.standard_normal((60, 4)), 2)
    hazard = np.exp(-X[:, 0] + 0.5 * X[:, 1])
    time = np.ceil(4.0 * rng.exponential(hazard)).clip(1, 12)
    event = rng.random(60) < 0.7
    return X, np.column_stack([time, event]), rng.integers(1, 4, 60).astype(float)


# survival 3.5.3: f <- coxph(Surv(time, event) ~ a + b + c + d, weights = w,
# ties = ..., control = coxph.control(eps = 1e-14)); coef(f); f$loglik;
# basehaz(f, centered = FALSE)
COXPH = {
    "breslow": (
        [0.69632872369676, -0.42249298868199, -0.31160668548691, -0.00129416365519],
        [-352.573304596, -331.404389993],
        [0.112670834710, 0.212228347353, 0.338534729601, 0.503581046568],
    ),
    "efron": (
        [0.7766287911254, -0.4640561038159, -0.3170126293149, -0.0662011153232],
        [-338.486940365, -313.881238795],
        [0.124788709584, 0.227547782265, 0.364513608218, 0.550301135783],
    ),
}


@pytest.mark.parametrize("ties", TIES)
def test_unpenalised_fit_is_that_of_r(ties):
    X, y, weight = of_r()
    coef, (null, full), cumulative = COXPH[ties]
    model = SparseCoxRegressor(1.0, ties=ties, penalty_weights=np.zeros(4))
    model.fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-9)
    start = SparseCoxRegressor(1e3, ties=ties).fit(X, y, weight)
    gain = weight.sum() * (start.objective_ - model.objective_)
    assert gain == pytest.approx(full - null, abs=1e-6)
    at_zero = np.cumsum(model.baseline_hazard_) * np.exp(model.intercept_)
    np.testing.assert_allclose(at_zero[:4], cumulative, rtol=1e-8)


def test_penalised_fit_is_that_of_glmnet():
    X, y, weight = of_r()
    # glmnet 4.1-6: glmnet(X, Surv(time, event), family = "cox", weights = w,
    # lambda = 0.05, standardize = FALSE, thresh = 1e-16)
    expected = [0.541931008615, -0.333181919306, -0.178320648361, 0.0]
    model = SparseCoxRegressor(0.05, tol=1e-12).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-6)


@pytest.mark.parametrize(
    "storage", [np.asfortranarray, np.ascontiguousarray, sparse.csc_array, np.float32]
)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", TIES)
def test_certificate(storage, standardize, weighted, ties):
    """The gap recomputed from explicit risk sets: entropies of scaled distributions."""
    X, y, weight = cohort()
    alpha = 0.03
    weight = weight if weighted else None
    model = SparseCoxRegressor(alpha, ties=ties, standardize=standardize)
    model.fit(storage(X), y, weight)
    X = np.asarray(X.astype(np.float32) if storage is np.float32 else X, float)
    q = np.ones(len(X)) if weight is None else weight
    X, y, q = X[q > 0], y[q > 0], q[q > 0]
    time, event, coef = y[:, 0], y[:, 1] > 0, model.coef_.astype(float)
    scale = np.ones(X.shape[1])
    if standardize:
        mean = q @ X / q.sum()
        scale = np.sqrt(q @ (X - mean) ** 2 / q.sum())
    z = X @ coef
    value, gradient, _ = partial_likelihood(time, event, q, z, ties)
    size = alpha * np.abs(scale * coef).sum()
    c = min(1.0, alpha / np.abs(gradient @ X / scale).max())
    dual = 0.0
    for t in np.unique(time[event]):
        at_risk, tied = time >= t, (time == t) & event
        d, mass = tied.sum(), q[tied].sum()
        for level in range(d if ties == "efron" else 1):
            kept = q * np.where(tied, 1.0 - level / d, 1.0) * at_risk
            pi = kept * np.exp(z) / (kept @ np.exp(z))
            p = c * pi + (1.0 - c) * q * tied / mass
            share = mass / d if ties == "efron" else mass
            p, kept = p[at_risk], kept[at_risk]
            inside = p @ np.log(p / kept) + np.log(mass) + np.log(1.0 - level / d)
            dual -= share * inside / q.sum()
    assert model.objective_ == pytest.approx(value + size, rel=1e-6)
    assert value + size - dual <= model.dual_gap_tol_ * (1.0 + 1e-6) + 1e-14
    null, _, _ = partial_likelihood(time, event, q, 0.0 * z, ties)
    tol = 1e-5 if storage is np.float32 else 1e-6
    assert model.dual_gap_tol_ == pytest.approx(tol * null)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("positive", [False, True])
def test_objective_is_that_of_a_general_minimiser(l1_ratio, positive):
    X, y, weight = cohort(40, 6)
    alpha, prices = 0.05, np.array([1.0, 0.5, 2.0, 1.0, 0.0, np.inf])
    model = SparseCoxRegressor(
        alpha, l1_ratio=l1_ratio, penalty_weights=prices, positive=positive, tol=1e-10
    ).fit(X, y, weight)
    assert model.coef_[5] == 0.0
    kept = weight > 0
    X, y, weight, v = X[kept, :5], y[kept], weight[kept], alpha * prices[:5]

    def objective(parts):  # w = a - b with a, b >= 0
        w = parts[:5] - parts[5:]
        value, gradient, _ = partial_likelihood(
            y[:, 0], y[:, 1] > 0, weight, X @ w, "breslow"
        )
        slope = X.T @ gradient + v * (1.0 - l1_ratio) * w
        value += v @ (l1_ratio * parts.reshape(2, 5).sum(axis=0))
        value += 0.5 * (1.0 - l1_ratio) * v @ w**2
        return value, np.concatenate([slope + v * l1_ratio, -slope + v * l1_ratio])

    upper = 0.0 if positive else 50.0
    bounds = [(0.0, 50.0)] * 5 + [(0.0, upper)] * 5
    best = minimize(
        objective,
        np.zeros(10),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000},
    )
    assert model.objective_ <= best.fun + 1e-12
    assert model.objective_ == pytest.approx(best.fun, abs=1e-7)


def test_from_alpha_max_on_all_is_zero_and_below_it_one_enters():
    X, y, _ = cohort()
    path = SparseCoxRegressorCV(alphas=5, eps=0.5, cv=2).fit(X, y)
    top = path.alphas_[0]
    assert not SparseCoxRegressor(top).fit(X, y).coef_.any()
    below = SparseCoxRegressor(0.999 * top, tol=1e-10).fit(X, y)
    assert np.count_nonzero(below.coef_) == 1


def test_repeated_rows_are_weights():
    X, y, weight = cohort()
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    first = SparseCoxRegressor(0.02, tol=1e-12).fit(X, y, weight)
    second = SparseCoxRegressor(0.02, tol=1e-12).fit(X[copies], y[copies])
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-7)
    np.testing.assert_allclose(first.baseline_hazard_, second.baseline_hazard_)


@pytest.mark.parametrize("event_first", [False, True])
def test_targets_of_every_form(event_first):
    X, y, _ = cohort(40, 5)
    fields = [("time", float), ("dead", bool)]
    structured = np.empty(40, fields[::-1] if event_first else fields)
    structured["time"], structured["dead"] = y.T
    expected = SparseCoxRegressor(0.02).fit(X, y)
    found = SparseCoxRegressor(0.02).fit(X, structured)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    assert found.score(X, structured) == expected.score(X, y)
    events = np.column_stack([y[:, 0], np.ones(40)])
    np.testing.assert_array_equal(
        SparseCoxRegressor(0.02).fit(X, y[:, 0]).coef_,
        SparseCoxRegressor(0.02).fit(X, events).coef_,
    )


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda y: y * [[-1.0, 1.0]], r"Times in y must be >= 0; got -\d"),
        (lambda y: np.column_stack([y[:, 0], 2.0 * y[:, 1]]), "must be 0 or 1; got 2"),
        (lambda y: np.column_stack([y, y]), r"shape \(n_samples, 2\).* got shape"),
        (lambda y: np.zeros(len(y), [("a", int), ("b", int)]), "one boolean field"),
        (lambda y: np.where(y == y[3], np.nan, y), "NaN"),
        (lambda y: y[:-1], "inconsistent numbers of samples"),
        (lambda y: None, "requires y"),
    ],
)
def test_wrong_target_is_named(spoil, message):
    X, y, _ = cohort(40, 5)
    with pytest.raises(ValueError, match=message):
        SparseCoxRegressor().fit(X, spoil(y))


def test_only_the_order_of_times_matters_and_zero_is_a_time():
    X, y, _ = cohort()
    earlier = y - [[y[:, 0].min(), 0.0]]
    one, other = (SparseCoxRegressor(0.02).fit(X, target) for target in (y, earlier))
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert other.event_times_[0] == 0.0


def test_survival_functions():
    X, y, _ = cohort()
    model = SparseCoxRegressor(0.02).fit(X, y)
    whole = model.predict_survival_function(X)
    assert whole.shape == (len(X), len(model.event_times_))
    assert (np.diff(whole, axis=1) <= 0.0).all()
    assert ((whole >= 0.0) & (whole <= 1.0)).all()
    times = [0.0, model.event_times_[2], model.event_times_[2] + 0.5, 1e9]
    some = model.predict_survival_function(X, times)
    np.testing.assert_array_equal(some[:, 0], 1.0)
    np.testing.assert_array_equal(some[:, 1], whole[:, 2])
    np.testing.assert_array_equal(some[:, 2], whole[:, 2])
    np.testing.assert_array_equal(some[:, 3], whole[:, -1])
    with pytest.raises(ValueError, match="times must be 1-D"):
        model.predict_survival_function(X, [[1.0]])


def test_kaplan_meier_of_nobody_special():
    """Without coefficients the hazard is that of Nelson and Aalen."""
    X, y, _ = cohort()
    model = SparseCoxRegressor(1e3).fit(X, y)
    expected = [
        ((y[:, 0] == t) & (y[:, 1] > 0)).sum() / (y[:, 0] >= t).sum()
        for t in model.event_times_
    ]
    np.testing.assert_allclose(model.baseline_hazard_, expected)


@pytest.mark.parametrize("ties", TIES)
def test_degenerate_data_are_certified(ties):
    X, y, _ = cohort(30, 8)
    X[:, 3] = X[:, 2]  # duplicated
    X[:, 4] = 2.0  # constant
    X[:, 5] += 1e8
    X[:, 6] *= 1e-12
    one_event, none, all_tied = y.copy(), y.copy(), y.copy()
    one_event[1:, 1], none[:, 1], all_tied[:, 0] = 0.0, 0.0, 5.0
    for target in (y, one_event, none, all_tied):
        model = SparseCoxRegressor(0.001, ties=ties).fit(X, target)
        assert np.isfinite(model.coef_).all() and np.isfinite(model.predict(X)).all()
        assert model.dual_gap_ <= model.dual_gap_tol_
        assert model.coef_[4] == 0.0
        assert np.isfinite(model.predict_survival_function(X)).all()


def test_monotone_likelihood_at_a_tiny_strength_is_certified():
    """One feature orders all times: without the penalty there is no minimiser."""
    X = np.linspace(-1.0, 1.0, 30)[:, None]
    y = np.column_stack([np.arange(30.0, 0.0, -1.0), np.ones(30)])
    model = SparseCoxRegressor(1e-6).fit(X, y)
    assert model.coef_[0] > 50.0
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.score(X, y) == 1.0


def test_loss_of_folds_is_the_deviance_that_their_samples_add():
    X, y, weight = cohort()
    folds = [(np.arange(0, 60), np.arange(60, 80)), (np.arange(20, 80), np.arange(20))]
    model = SparseCoxRegressorCV(alphas=[0.1, 0.02], cv=folds).fit(X, y, weight)
    assert model.deviance_path_.shape == (2, 2)
    (train, test), alpha = folds[0], 0.02
    kept = weight > 0
    inner = SparseCoxRegressor(alpha).fit(X[train], y[train], weight[train])
    z = X @ inner.coef_
    total = 0.0
    for chosen, sign in ((kept, 1.0), (kept & np.isin(np.arange(80), train), -1.0)):
        q = weight[chosen]
        value = partial_likelihood(
            y[chosen, 0], y[chosen, 1] > 0, q, z[chosen], "breslow"
        )[0]
        total += sign * 2.0 * q.sum() * value
    expected = total / weight[test].sum()
    assert model.deviance_path_[1, 0] == pytest.approx(expected, rel=1e-3)


def test_cross_validation_finds_the_signal():
    X, y, _ = cohort(300, 20)
    model = SparseCoxRegressorCV(alphas=20, alpha_rule="1se", l1_ratio=[0.5, 1.0])
    model.fit(X, y)
    assert set(np.flatnonzero(np.abs(model.coef_) > 0.1)) == {0, 1}
    assert model.score(X, y) > 0.7
    scored = SparseCoxRegressorCV(alphas=5, scoring=lambda m, X, y: m.score(X, y))
    assert scored.fit(X, y).score_path_.max() > 0.7


def test_concordance_counts_pairs():
    rng = np.random.default_rng(0)
    for n in (1, 2, 30):
        time, event = rng.integers(1, 9, n).astype(float), rng.random(n) < 0.6
        risk, weight = rng.integers(0, 5, n).astype(float), rng.integers(0, 3, n) + 0.5
        good = total = 0.0
        for i in range(n):
            for j in range(n):
                outlives = time[j] > time[i] or (time[j] == time[i] and not event[j])
                if event[i] and outlives and i != j:
                    pair = weight[i] * weight[j]
                    total += pair
                    good += pair * (
                        float(risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
                    )
        found = concordance_index(
            np.column_stack([time, event]), risk, sample_weight=weight
        )
        assert found == pytest.approx(good / total if total else 0.5)


def test_concordance_is_that_of_r():
    X, y, weight = of_r()
    # survival 3.5.3: concordance(Surv(time, event) ~ a, weights = w, reverse = TRUE)
    found = concordance_index(y, X[:, 0], sample_weight=weight)
    assert found == pytest.approx(0.708438287154, abs=1e-11)


def test_concordance_refuses_risks_that_are_not_finite():
    with pytest.raises(ValueError, match="risk must be finite"):
        concordance_index([[1.0, 1], [2.0, 1]], [0.0, np.inf])


@pytest.mark.parametrize("ties", TIES)
def test_offset_is_a_feature_of_known_coefficient(ties):
    X, y, weight = cohort()
    offset = 0.7 * X[:, 0] - 0.4
    prices = np.ones(30)
    prices[0] = np.inf
    model = SparseCoxRegressor(0.03, ties=ties, penalty_weights=prices, tol=1e-9)
    model.fit(X, y, weight, offset=offset)
    z = X @ model.coef_ + offset
    time, event = y[:, 0], y[:, 1] > 0
    kept = weight > 0
    value, gradient, _ = partial_likelihood(
        time[kept], event[kept], weight[kept], z[kept], ties
    )
    size = 0.03 * np.abs(model.coef_).sum()
    assert model.objective_ == pytest.approx(value + size, rel=1e-12)
    slopes = X[kept, 1:].T @ gradient
    assert np.abs(slopes).max() <= 0.03 * (1.0 + 1e-4)
    active = model.coef_[1:] != 0.0
    np.testing.assert_allclose(slopes[active], -0.03 * np.sign(model.coef_[1:][active]),
                               atol=1e-5)  # fmt: skip
    np.testing.assert_allclose(model.predict(X, offset), model.predict(X) + offset)
    assert model.score(X, y, weight, offset) > model.score(X, y, weight)
    moved = SparseCoxRegressor(0.03, ties=ties, penalty_weights=prices, tol=1e-9)
    moved.fit(X, y, weight, offset=offset + 5.0)
    np.testing.assert_allclose(moved.coef_, model.coef_, atol=1e-6)
    np.testing.assert_allclose(
        moved.predict_survival_function(X, offset=offset + 5.0),
        model.predict_survival_function(X, offset=offset),
        atol=1e-6,
    )


def test_offsets_reach_folds_and_scorers():
    X, y, _ = cohort(200, 5)
    offset = 2.0 * X[:, 2]
    rng = np.random.default_rng(5)
    y = np.column_stack([rng.exponential(np.exp(-offset - X[:, 0])), np.ones(200)])
    options = {"alphas": [0.2, 0.05], "cv": 3}
    by_deviance = SparseCoxRegressorCV(**options).fit(X, y, offset=offset)
    without = SparseCoxRegressorCV(**options).fit(X, y)
    assert by_deviance.deviance_path_.mean() < without.deviance_path_.mean()
    assert abs(by_deviance.coef_[2]) < 0.2 < without.coef_[2]
    scored = SparseCoxRegressorCV(scoring=lambda m, X, y: m.score(X, y), **options)
    assert scored.fit(X, y, offset=offset).score_path_.min() > 0.7
    coefs = cox_path(X, y, offset=offset, alphas=[0.05])[1]
    expected = by_deviance.path_coef_[:, [1]].toarray()
    np.testing.assert_allclose(coefs, expected, atol=1e-3)
    with pytest.raises(ValueError, match="offset must be finite"):
        SparseCoxRegressor().fit(X, y, offset=np.full(200, np.nan))
