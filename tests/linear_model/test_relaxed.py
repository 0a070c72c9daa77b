"""RelaxedLasso and RelaxedLassoCV: least squares on supports, mixtures, choices."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import nnls
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import Lasso, LassoCV, RelaxedLasso, RelaxedLassoCV
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import L1
from sparsestat.optim.refit import factored, refit
from sparsestat.optim.run import Run
from tests.certificates import duality_gap


def problem(n=60, p=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.4] = 0.0
    y = X[:, :4] @ [2.0, -1.5, 1.0, -1.0] + 0.5 * rng.standard_normal(n) + 1.0
    return X, y


FORMATS = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "csc": sparse.csc_array,
    "float32": lambda X: X.astype(np.float32),
}


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("solver", ["face_newton", "cd"])
@pytest.mark.parametrize("weighted", [True, False])
def test_is_least_squares_on_the_support_of_the_lasso(storage, solver, weighted):
    X, y = problem()
    stored = FORMATS[storage](X)
    weight = np.arange(60) % 3 + 0.0 if weighted else np.ones(60)
    prices = np.ones(40)
    prices[9], prices[0] = 0.0, np.inf
    tol = 1e-4 if storage == "float32" else 1e-9
    for options in (
        {},
        {"fit_intercept": False, "standardize": True},
        {"penalty_weights": prices, "precompute": True},
    ):
        model = RelaxedLasso(0.1, solver=solver, tol=1e-8, **options)
        model.fit(stored, y, weight if weighted else None)
        support = np.flatnonzero(model.lasso_coef_)
        assert 0 < len(support) < 30
        intercept = options.get("fit_intercept", True)
        least = LinearRegression(fit_intercept=intercept)
        least.fit(X[:, support], y, weight)
        np.testing.assert_allclose(model.coef_[support], least.coef_, atol=tol)
        np.testing.assert_allclose(model.intercept_, least.intercept_, atol=tol)
        assert np.count_nonzero(model.coef_) == len(support)
        assert model.coef_.dtype == stored.dtype
        gap, null = duality_gap(
            X, y, model.lasso_coef_, alpha=0.1, sample_weight=weight,
            **{k: v for k, v in options.items() if k != "precompute"},
        )  # fmt: skip
        assert gap <= (1e-5 if storage == "float32" else 1e-8) * null
        assert model.dual_gap_ <= model.dual_gap_tol_


def test_phi_mixes():
    X, y = problem()
    ends = [RelaxedLasso(0.1, phi=phi).fit(X, y) for phi in (0.0, 1.0)]
    lasso = Lasso(0.1).fit(X, y)
    np.testing.assert_array_equal(ends[1].coef_, lasso.coef_)
    assert ends[1].intercept_ == pytest.approx(lasso.intercept_)
    middle = RelaxedLasso(0.1, phi=0.3).fit(X, y)
    mixed = 0.3 * ends[1].coef_ + 0.7 * ends[0].coef_
    np.testing.assert_allclose(middle.coef_, mixed, atol=1e-12)
    assert middle.objective_ == pytest.approx(lasso.objective_)


def test_positive_least_squares_is_positive():
    X, y = problem()
    model = RelaxedLasso(0.02, positive=True).fit(X, y)
    support = np.flatnonzero(model.lasso_coef_)
    centred = X[:, support] - X[:, support].mean(axis=0)
    expected = nnls(centred, y - y.mean())[0]
    np.testing.assert_allclose(model.coef_[support], expected, atol=1e-9)


def test_collinear_supports_get_the_least_norm():
    X, y = problem(60, 6)
    X[:, 5] = X[:, 0]
    prices = np.zeros(6)
    prices[4] = 1.0
    model = RelaxedLasso(0.1, penalty_weights=prices).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], model.coef_[5], atol=1e-9)
    least = LinearRegression().fit(X[:, model.coef_ != 0], y)
    np.testing.assert_allclose(model.predict(X), least.predict(X[:, model.coef_ != 0]))


def test_nothing_selected_and_nothing_penalised():
    X, y = problem()
    nothing = RelaxedLasso(100.0).fit(X, y)
    assert not nothing.coef_.any()
    assert nothing.intercept_ == pytest.approx(y.mean())
    with pytest.warns(UserWarning, match="alpha=0"):
        everything = RelaxedLasso(0.0).fit(X, y)
    least = LinearRegression().fit(X, y)
    np.testing.assert_allclose(everything.coef_, least.coef_, atol=1e-8)


def test_warm_start_starts_from_the_lasso():
    X, y = problem()
    model = RelaxedLasso(0.1, warm_start=True).fit(X, y)
    again = model.fit(X, y)
    cold = RelaxedLasso(0.1).fit(X, y)
    np.testing.assert_allclose(again.coef_, cold.coef_, atol=1e-8)


def test_refit_reuses_the_factor_of_the_path(monkeypatch):
    X, y = problem()
    run = Run(
        X, y, Quadratic(), L1(1.0), None, True, False, 1e-8, 100, "face_newton", False,
        n_alphas=20,
    )  # fmt: skip

    def no_factor(*_):
        raise AssertionError("a new factor was made")

    reused = 0

    def on_step(k, step):
        nonlocal reused
        if run.solver.normal_solver(step.features) is None:
            return
        monkeypatch.setattr("sparsestat.optim.refit.factored", no_factor)
        coef = refit(run, step.features, step.coef)
        monkeypatch.undo()
        reused += len(coef) > 0
        matrix = run.problem.matrix(step.features)
        expected = np.linalg.lstsq(matrix, run.problem.target)[0]
        np.testing.assert_allclose(coef, expected, atol=1e-10)

    run.follow(20, 0.01, on_step=on_step)
    assert reused > 10


def test_factor_of_collinear_features_is_refused():
    gram = np.ones((2, 2))
    assert factored(gram) is None
    solve = factored(np.array([[2.0, 1.0], [1.0, 2.0]]))
    np.testing.assert_allclose(solve(np.array([3.0, 3.0])), [1.0, 1.0])


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error"])
def test_cross_validation_is_that_of_single_fits(scoring):
    X, y = problem()
    alphas, phis = np.array([0.3, 0.1, 0.03]), [0.0, 0.4, 1.0]
    model = RelaxedLassoCV(alphas=alphas, phi=phis, cv=3, scoring=scoring, tol=1e-10)
    model.fit(X, y)
    path = model.mse_path_ if scoring is None else -model.score_path_
    assert path.shape == (3, 3, 3)
    for f, (train, test) in enumerate(KFold(3).split(X)):
        for i, phi in enumerate(phis):
            for k, alpha in enumerate(alphas):
                fold = RelaxedLasso(alpha, phi=phi, tol=1e-10).fit(X[train], y[train])
                mse = np.mean((y[test] - fold.predict(X[test])) ** 2)
                np.testing.assert_allclose(path[i, k, f], mse, rtol=1e-6)
    means = path.mean(axis=2)
    best = np.unravel_index(means.argmin(), means.shape)
    assert (model.phi_, model.alpha_) == (phis[best[0]], alphas[best[1]])
    refit_all = RelaxedLasso(model.alpha_, phi=model.phi_, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, refit_all.coef_, atol=1e-8)
    np.testing.assert_allclose(model.lasso_coef_, refit_all.lasso_coef_, atol=1e-8)
    np.testing.assert_allclose(model.intercept_, refit_all.intercept_)
    chosen = model.path_coef_[:, [best[1]]].toarray().ravel()
    np.testing.assert_array_equal(chosen, model.coef_)
    assert model.alphas_.shape == (3, 3)


def test_phi_one_is_the_lasso():
    X, y = problem()
    ours, lasso = RelaxedLassoCV(phi=1.0, cv=3).fit(X, y), LassoCV(cv=3).fit(X, y)
    np.testing.assert_array_equal(ours.coef_, lasso.coef_)
    np.testing.assert_array_equal(ours.mse_path_, lasso.mse_path_)
    assert ours.alphas_.ndim == 1


def test_rules_choose_within_the_best_phi():
    X, y = problem()
    model = RelaxedLassoCV(cv=4, alpha_rule=lambda alphas, mean, error: 3).fit(X, y)
    row = int(np.flatnonzero(model._phis == model.phi_)[0])
    assert model.alpha_ == model.alphas_[row, 3]
    best = model.mse_path_.mean(axis=2).min(axis=1).argmin()
    assert row == best


def test_fewer_false_features_than_the_lasso_at_clear_signals():
    sizes = {"lasso": 0, "relaxed": 0}
    for seed in range(3):
        data = make_sparse_regression(
            100, 200, n_nonzero_coefs=4, snr=20.0, random_state=seed
        )
        relaxed = RelaxedLassoCV(cv=4).fit(data.data, data.target)
        assert set(data.support) <= set(np.flatnonzero(relaxed.coef_))
        sizes["relaxed"] += np.count_nonzero(relaxed.coef_)
        lasso = LassoCV(cv=4).fit(data.data, data.target)
        sizes["lasso"] += np.count_nonzero(lasso.coef_)
    assert sizes["relaxed"] < 0.5 * sizes["lasso"]


def test_displays_take_the_chosen_mixture():
    plt = pytest.importorskip("matplotlib.pyplot")
    from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay

    X, y = problem()
    model = RelaxedLassoCV(cv=4, alphas=20).fit(X, y)
    display = CrossValidationDisplay.from_estimator(model)
    assert display.alpha_min_ == model.alpha_
    path = CoefficientPathDisplay.from_estimator(model)
    assert path.alpha == model.alpha_
    plt.close("all")
