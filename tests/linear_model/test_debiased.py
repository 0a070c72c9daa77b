"""DebiasedLasso: formulas, oracles, coverage, invariances, node-wise problems."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm, t
from sklearn.linear_model import LinearRegression

from sparsestat.linear_model import DebiasedLasso, Lasso, _debiased
from sparsestat.optim.nodewise import NodewiseLasso
from tests.certificates import duality_gap


def problem(n=60, p=80, seed=0, rho=0.5, n_signals=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros(p)
    coef[rng.choice(p, n_signals, replace=False)] = 1.0
    return X, X @ coef + rng.standard_normal(n) + 2.0, coef


def covered(intervals, coef):
    return (intervals[:, 0] <= coef) & (coef <= intervals[:, 1])


@pytest.mark.parametrize("dof_adjustment", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_is_what_its_formulas_say(weighted, dof_adjustment):
    X, y, _ = problem(40, 12)
    X = X * 10.0 ** (np.arange(12) % 3 - 1) + 5.0
    counts = np.arange(40) % 3 if weighted else np.ones(40, int)
    model = DebiasedLasso(dof_adjustment=dof_adjustment, tol=1e-12)
    model.fit(X, y, counts if weighted else None)
    X, y = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    n = len(y)
    scale = X.std(axis=0)
    Z, centred = (X - X.mean(axis=0)) / scale, y - y.mean()
    np.testing.assert_allclose(
        model.alpha_, model.noise_ * np.sqrt(2 * np.log(12) / n), rtol=1e-6
    )
    b = Lasso(model.alpha_, fit_intercept=False, tol=1e-13).fit(Z, centred).coef_
    np.testing.assert_allclose(model.coef_ * scale, b, atol=1e-7)
    residual, k = centred - Z @ b, np.count_nonzero(b)
    noise = np.sqrt(residual @ residual / (n - k - 1))
    np.testing.assert_allclose(model.noise_, noise, rtol=1e-6)
    left = 1 - k / n if dof_adjustment else 1.0
    for j in range(12):
        others = np.delete(Z, j, axis=1)
        node = Lasso(np.sqrt(2 * np.log(12) / n) / 2, fit_intercept=False, tol=1e-9)
        z = Z[:, j] - others @ node.fit(others, Z[:, j]).coef_
        expected = b[j] + z @ residual / (z @ Z[:, j]) / left
        error = noise * np.linalg.norm(z) / abs(z @ Z[:, j]) / np.sqrt(left)
        rounding = 1e-3  # the problems of the features are solved to 1e-4
        np.testing.assert_allclose(
            model.coef_debiased_[j] * scale[j], expected, atol=rounding
        )
        np.testing.assert_allclose(model.std_err_[j] * scale[j], error, rtol=1e-2)


def test_with_the_inverse_gram_matrix_it_is_least_squares():
    X, y, _ = problem(60, 10)
    centred = X - X.mean(axis=0)
    precision = np.linalg.inv(centred.T @ centred) * np.arange(1, 11)  # factors cancel
    model = DebiasedLasso(0.3, precision=precision).fit(X, y)
    least = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_debiased_, least.coef_, atol=1e-9)
    assert not hasattr(model, "nodewise_gap_")
    # Without a penalty the noise and the standard errors are those of least squares.
    model = DebiasedLasso(0.0, precision=precision).fit(X, y)
    squares = np.sum((y - least.predict(X)) ** 2) / (60 - 11)
    np.testing.assert_allclose(model.noise_, np.sqrt(squares))
    errors = np.sqrt(squares * np.linalg.inv(centred.T @ centred).diagonal())
    np.testing.assert_allclose(model.std_err_, errors)


def test_intervals_and_pvalues_say_the_same():
    X, y, _ = problem()
    model = DebiasedLasso(confidence_level=0.9).fit(X, y)
    beyond = ~covered(model.conf_int_, 0.0)
    np.testing.assert_array_equal(beyond, model.pvalues_ < 0.1)
    width = model.conf_int_[:, 1] - model.conf_int_[:, 0]
    np.testing.assert_allclose(width, 2 * norm.ppf(0.95) * model.std_err_)
    np.testing.assert_array_equal(model.conf_int(), model.conf_int_)
    wider = model.conf_int(0.99)
    assert (wider[:, 1] > model.conf_int_[:, 1]).all()
    # The simultaneous ones.
    intervals = model.conf_int(0.9, simultaneous=True)
    assert (intervals[:, 0] < model.conf_int_[:, 0]).all()
    beyond = ~covered(intervals, 0.0)
    np.testing.assert_array_equal(beyond, model.adjusted_pvalues_ < 0.1)
    assert (model.adjusted_pvalues_ >= model.pvalues_).all()


def test_largest_statistic_has_the_quantiles_of_its_definition():
    # Independent columns: the largest of p normal variables.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((400, 50)), rng.standard_normal(400)
    model = DebiasedLasso(n_bootstraps=4000).fit(X, y)
    width = model.conf_int(simultaneous=True)[:, 1] - model.coef_debiased_
    found = np.median(width / model.std_err_)
    expected = norm.ppf((1 + 0.95 ** (1 / 50)) / 2)
    np.testing.assert_allclose(found, expected, rtol=0.03)


@pytest.mark.slow
def test_coverage():
    # 150 x 120, neighbours correlated by 0.5, five signals of 1, noise of 1.
    everywhere, active, width, together = [], [], [], []
    for seed in range(30):
        X, y, coef = problem(150, 120, seed, n_signals=5)
        model = DebiasedLasso().fit(X, y)
        hits = covered(model.conf_int_, coef)
        everywhere.append(hits.mean())
        active.append(hits[coef != 0].mean())
        width.append(np.ptp(model.conf_int_, axis=1).mean())
        together.append(covered(model.conf_int(simultaneous=True), coef).all())
    assert 0.94 < np.mean(everywhere) < 0.97
    assert np.mean(active) > 0.90  # three standard errors of 150 intervals
    assert 0.40 < np.mean(width) < 0.45
    assert np.mean(together) > 0.85


def test_pvalues_of_pure_noise_are_uniform():
    pvalues = []
    for seed in range(4):
        X, _, _ = problem(seed=seed)
        noise = np.random.default_rng(seed).standard_normal(60)
        pvalues.append(DebiasedLasso().fit(X, noise).pvalues_)
    pvalues = np.sort(np.concatenate(pvalues))
    distance = np.abs(pvalues - np.linspace(0, 1, len(pvalues))).max()
    assert distance < 0.15


def test_degrees_of_freedom_matter_where_the_lasso_takes_many():
    # Half as many coefficients as samples: uncorrected, the statistics are too small.
    hits = {False: [], True: []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, coef = rng.standard_normal((200, 150)), np.zeros(150)
        coef[:60] = 0.5
        y = X @ coef + rng.standard_normal(200)
        for adjust, found in hits.items():
            model = DebiasedLasso(
                0.08, precision=np.eye(150), dof_adjustment=adjust
            ).fit(X, y)
            found.append(covered(model.conf_int_, coef)[:60].mean())
    assert np.mean(hits[True]) > 0.9
    assert np.mean(hits[False]) < np.mean(hits[True]) - 0.05


@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array, "float32"])
def test_storage_does_not_matter(storage):
    X, y, _ = problem()
    X[np.random.default_rng(1).random(X.shape) < 0.6] = 0.0
    dense = DebiasedLasso().fit(X, y)
    if storage == "float32":
        other = DebiasedLasso().fit(X.astype(np.float32), y)
        assert other.coef_debiased_.dtype == np.float32
        assert other.conf_int_.dtype == np.float32
    else:
        other = DebiasedLasso().fit(storage(X), y)
    for name in ("coef_debiased_", "std_err_", "conf_int_", "adjusted_pvalues_"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(dense, name), rtol=1e-3, atol=2e-3
        )


def test_units_of_the_columns_do_not_matter():
    X, y, _ = problem()
    size = 10.0 ** np.random.default_rng(1).integers(-6, 7, 80)
    first = DebiasedLasso(tol=1e-10).fit(X, y)
    second = DebiasedLasso(tol=1e-10).fit(X * size + size, 3 * y)
    np.testing.assert_allclose(second.conf_int_ * size[:, None], 3 * first.conf_int_)
    np.testing.assert_allclose(second.pvalues_, first.pvalues_)


def test_lasso_is_certified():
    X, y, _ = problem()
    weights = np.ones(80)
    weights[3], weights[9] = 0.0, np.inf
    model = DebiasedLasso(penalty_weights=weights, tol=1e-8).fit(X, y)
    gap, null = duality_gap(
        X, y, model.coef_, alpha=model.alpha_, penalty_weights=weights, standardize=True
    )
    assert gap <= 1e-8 * null + 1e-13
    assert model.coef_[9] == 0.0
    assert model.coef_debiased_[9] != 0.0


@pytest.mark.parametrize("alpha", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("shape", [(50, 90), (80, 20)], ids=["wide", "tall"])
def test_nodewise_problems_are_certified(shape, alpha):
    X, _, _ = problem(*shape, rho=0.8)
    X[:, 5], X[:, 7] = X[:, 4], X[:, 6] + 1e-3 * X[:, 8]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    gram = Z.T @ Z / len(Z)
    solver = NodewiseLasso(gram, alpha, 1e-8)
    for j in range(0, shape[1], 3):
        node = solver.solve(j)
        others = np.arange(shape[1]) != j
        coef = np.zeros(shape[1])
        coef[node.features] = node.coef
        assert coef[j] == 0.0
        gap, null = duality_gap(
            Z[:, others], Z[:, j], coef[others], alpha=alpha, fit_intercept=False
        )
        assert gap <= 1e-8 * null + 1e-12
        np.testing.assert_allclose(node.gap, gap / null, atol=1e-10)
        rest = Z[:, j] - Z @ coef
        np.testing.assert_allclose(node.rest2, np.mean(rest**2), atol=1e-10)
        np.testing.assert_allclose(node.rest_dot, np.mean(rest * Z[:, j]), atol=1e-10)


def test_without_a_gram_matrix_it_is_the_same(monkeypatch):
    X, y, _ = problem(40, 25)
    counts = np.arange(40) % 3
    expected = DebiasedLasso(tol=1e-10).fit(X, y, counts)
    monkeypatch.setattr(_debiased, "MOST_FEATURES", 10)
    monkeypatch.setattr(_debiased, "NODE_TOL", 1e-10)
    direct = DebiasedLasso(tol=1e-10).fit(X, y, counts)
    assert direct.nodewise_gap_ <= 1e-10
    np.testing.assert_allclose(direct.conf_int_, expected.conf_int_, atol=2e-3)
    np.testing.assert_allclose(direct.std_err_, expected.std_err_, rtol=1e-2)


def test_smaller_nodewise_strengths_widen_intervals():
    X, y, _ = problem()
    widths = [
        np.ptp(DebiasedLasso(alpha_nodewise=alpha).fit(X, y).conf_int_, axis=1).mean()
        for alpha in (0.4, 0.2, 0.1)
    ]
    assert widths == sorted(widths)


def test_hard_data():
    X, y, _ = problem(30, 12)
    X[:, 3], X[:, 5] = 7.0, X[:, 4]
    model = DebiasedLasso().fit(X, y)
    assert model.std_err_[3] == np.inf
    assert model.pvalues_[3] == model.adjusted_pvalues_[3] == 1.0
    np.testing.assert_array_equal(model.conf_int_[3], [-np.inf, np.inf])
    np.testing.assert_array_equal(
        model.conf_int(simultaneous=True)[3], [-np.inf, np.inf]
    )
    finite = np.isfinite(model.conf_int_).all(axis=1)
    assert finite.sum() == 11
    constant = DebiasedLasso().fit(X, np.full(30, 3.0))
    assert constant.noise_ == 0.0
    assert (constant.pvalues_ == 1.0).all()
    exact = DebiasedLasso(0.0, precision=np.eye(2)).fit(X[:, :2], X[:, 0])
    assert not np.isnan(exact.conf_int_).any()
    alone = DebiasedLasso().fit(X[:, :1], y)
    least = LinearRegression().fit(X[:, :1], y)
    np.testing.assert_allclose(alone.coef_debiased_, least.coef_)
    assert alone.alpha_ == 0.0
    few = DebiasedLasso().fit(X[:3], y[:3])
    assert not np.isnan(few.conf_int_).any()


def test_pvalue_of_one_feature_is_that_of_a_test_of_correlation():
    X, y, _ = problem(200, 1, n_signals=1)
    y = y - X[:, 0] + 0.1 * X[:, 0]
    model = DebiasedLasso().fit(X, y)
    statistic = model.coef_debiased_[0] / model.std_err_[0]
    correlation = np.corrcoef(X[:, 0], y)[0, 1]
    expected = correlation * np.sqrt(198 / (1 - correlation**2))
    np.testing.assert_allclose(statistic, expected)
    # Student's distribution is close to the normal one by now.
    np.testing.assert_allclose(
        model.pvalues_[0], 2 * t.sf(abs(expected), 198), rtol=0.1
    )


@pytest.mark.parametrize("wrong", [np.eye(3), np.full((80, 80), np.nan), [["a"]]])
def test_bad_precisions_are_refused(wrong):
    X, y, _ = problem()
    with pytest.raises(ValueError, match="precision must be finite numbers"):
        DebiasedLasso(precision=wrong).fit(X, y)


@pytest.mark.parametrize("level", [0.0, 1.0, "wide"])
def test_bad_levels_are_refused(level):
    X, y, _ = problem(20, 5)
    model = DebiasedLasso().fit(X, y)
    with pytest.raises(ValueError, match="conf_int: confidence_level must be"):
        model.conf_int(level)
