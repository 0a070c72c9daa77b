"""SqrtLasso: certificates, oracles, equivalences, invariances."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.datasets import load_diabetes

from sparsestat.linear_model import Lasso, SqrtLasso
from sparsestat.linear_model._square_root import pivotal_alpha
from sparsestat.optim.square_root import SquareRootSolver, dual_factor, smoothed_norm
from tests.certificates import square_root_gap


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
    "float32": lambda X: X.astype(np.float32),
}


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("shape", [(40, 60), (80, 20)], ids=["wide", "tall"])
@pytest.mark.parametrize("weighted", [True, False])
def test_certificate(storage, shape, weighted):
    X, y = problem(*shape)
    X = FORMATS[storage](X)
    sample_weight = np.arange(len(y)) % 4 / 2.0 if weighted else None
    tol = 1e-5 if storage == "float32" else 1e-8
    for weights in (None, mixed_weights(shape[1])):
        for index, alpha in enumerate(("pivotal", 0.3, 0.15)):
            options = {
                "penalty_weights": weights,
                "positive": index == 1,
                "fit_intercept": index != 2,
                "standardize": index != 1,
            }
            model = SqrtLasso(alpha, tol=1e-8, **options)
            model.fit(X, y, sample_weight)
            assert model.coef_.dtype == X.dtype
            gap, null = square_root_gap(
                X, y, model.coef_, alpha=model.alpha_, sample_weight=sample_weight,
                **options,
            )  # fmt: skip
            assert gap <= tol * null + 1e-12
            assert model.dual_gap_ <= model.dual_gap_tol_
            np.testing.assert_allclose(model.dual_gap_tol_, tol * null, rtol=1e-6)


@pytest.mark.parametrize("solver", ["face_newton", "cd"])
@pytest.mark.parametrize("precompute", [True, False, "auto"])
def test_every_solver_finds_the_same_minimum(solver, precompute):
    X, y = problem()
    model = SqrtLasso(0.15, solver=solver, precompute=precompute, tol=1e-10).fit(X, y)
    reference = SqrtLasso(0.15, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.objective_, reference.objective_, rtol=1e-9)


def test_golden_value_on_diabetes():
    # By an interior point method to 1e-11.
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()
    model = SqrtLasso(0.1, fit_intercept=False, standardize=False, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.objective_, 61.5184567594, rtol=1e-11)
    np.testing.assert_allclose(model.coef_[2], 24.14321, atol=5e-6)


@pytest.mark.parametrize("positive", [True, False])
def test_agrees_with_cvxpy(positive):
    cp = pytest.importorskip("cvxpy")
    X, y = problem(30, 12)
    share = np.linspace(0.5, 2.0, 30)
    share /= share.sum()
    weights = mixed_weights(12)
    coef, intercept = cp.Variable(12), cp.Variable()
    residual = cp.multiply(np.sqrt(share), y - X @ coef - intercept)
    size = np.where(np.isinf(weights), 0.0, weights) @ cp.abs(coef)
    constraints = [coef[5] == 0] + [coef >= 0] * positive
    oracle = cp.Problem(cp.Minimize(cp.norm(residual) + 0.1 * size), constraints)
    oracle.solve(solver="CLARABEL")
    model = SqrtLasso(
        0.1, penalty_weights=weights, positive=positive, standardize=False, tol=1e-10
    ).fit(X, y, share)
    np.testing.assert_allclose(model.objective_, oracle.value, rtol=1e-6)
    np.testing.assert_allclose(model.coef_, coef.value, atol=1e-4)


@pytest.mark.parametrize("alpha", ["pivotal", 0.1, 0.5])
def test_is_the_lasso_at_the_strength_that_its_noise_gives(alpha):
    X, y = problem(80, 30)
    model = SqrtLasso(alpha, tol=1e-12).fit(X, y)
    lasso = Lasso(model.alpha_ * model.noise_, standardize=True, tol=1e-14).fit(X, y)
    np.testing.assert_allclose(model.coef_, lasso.coef_, atol=1e-8)
    residual = y - model.predict(X)
    np.testing.assert_allclose(model.noise_, np.sqrt((residual**2).mean()))


@pytest.mark.parametrize("alpha", ["pivotal", 0.05])
def test_few_updates_of_the_noise_suffice(alpha, monkeypatch):
    # Plain alternation takes 6 and 32 on this problem.
    X, y = problem(80, 30)
    calls, plain = [], SquareRootSolver._minimise
    monkeypatch.setattr(
        SquareRootSolver,
        "_minimise",
        lambda self, *args: calls.append(0) or plain(self, *args),
    )
    SqrtLasso(alpha, tol=1e-10).fit(X, y)
    assert len(calls) <= 5


def test_units_of_y_do_not_matter():
    X, y = problem()
    model = SqrtLasso(tol=1e-10).fit(X, y)
    for size in (1e-6, 1e6):
        scaled = SqrtLasso(tol=1e-10).fit(X, size * y)
        np.testing.assert_allclose(scaled.coef_ / size, model.coef_, atol=1e-7)
        np.testing.assert_allclose(scaled.noise_ / size, model.noise_, rtol=1e-7)


def test_weights_count_repetitions_for_the_pivotal_strength_too():
    X, y = problem()
    counts = np.arange(len(y)) % 3
    weighted = SqrtLasso(tol=1e-12).fit(X, y, counts)
    repeated = SqrtLasso(tol=1e-12).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert weighted.alpha_ == repeated.alpha_
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)


def test_largest_alpha_is_sharp():
    X, y = problem()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    centred = y - y.mean()
    top = np.abs(Z.T @ centred).max() / np.sqrt(len(y)) / np.linalg.norm(centred)
    assert not SqrtLasso(top * (1 + 1e-10)).fit(X, y).coef_.any()
    assert np.count_nonzero(SqrtLasso(top * (1 - 1e-4)).fit(X, y).coef_) == 1


def test_pivotal_strength():
    expected = 1.1 * norm.ppf(1 - 0.05 / 200) / 9
    np.testing.assert_allclose(pivotal_alpha(81, 100), expected)
    X, y = problem(40, 60)
    weights = mixed_weights(60)
    model = SqrtLasso(penalty_weights=weights).fit(X, y)
    assert model.alpha_ == pivotal_alpha(40, 58)


def test_noise_alone_is_seldom_selected():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        X, noise = rng.standard_normal((60, 50)), rng.standard_normal(60)
        found += SqrtLasso().fit(X, noise).coef_.any()
    assert found <= 4


def test_interpolation_is_told_and_still_certified():
    X, y = problem(20, 80)
    with pytest.warns(UserWarning, match="interpolates y at alpha=0.001") as caught:
        model = SqrtLasso(1e-3).fit(X, y)
    assert caught[0].filename == __file__
    gap, null = square_root_gap(X, y, model.coef_, alpha=1e-3)
    assert gap <= 1e-6 * null
    np.testing.assert_allclose(model.noise_, 1e-3 * y.std())


def test_targets_without_anything_to_explain():
    X, _ = problem()
    constant = SqrtLasso().fit(X, np.full(40, 7.0))
    assert not constant.coef_.any()
    assert constant.intercept_ == pytest.approx(7.0)
    assert constant.dual_gap_ == constant.objective_ == 0.0


def test_alpha_zero_is_least_squares():
    X, y = problem(80, 20)
    with pytest.warns(UserWarning, match="alpha=0"):
        model = SqrtLasso(0.0).fit(X, y)
    design = np.column_stack([np.ones(80), X])
    np.testing.assert_allclose(model.coef_, (np.linalg.pinv(design) @ y)[1:], atol=1e-8)
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_warm_start_continues():
    X, y = problem()
    model = SqrtLasso(0.3, warm_start=True).fit(X, y)
    model.set_params(alpha=0.1).fit(X, y)
    gap, null = square_root_gap(X, y, model.coef_, alpha=0.1)
    assert gap <= 1e-6 * null


@pytest.mark.parametrize("size", [0.3, 1.0, 4.0])
def test_smoothed_norm_and_its_dual(size):
    floor = 1.0
    sigmas = np.linspace(floor, 10.0, 100_001)
    brute = (size**2 / (2 * sigmas) + sigmas / 2).min()
    np.testing.assert_allclose(smoothed_norm(size, floor), brute, rtol=1e-9)
    # The conjugate form, on a line through the residual: u = size e, y = u.
    t = np.linspace(0.0, 1.0 / size, 100_001)
    dual = t * size**2 + floor * (1 - (t * size) ** 2) / 2
    np.testing.assert_allclose(dual.max(), brute, rtol=1e-9)
    factor = dual_factor(size, size**2, 0.0, floor)
    np.testing.assert_allclose(t[dual.argmax()], factor, atol=1e-4)


@pytest.mark.filterwarnings("ignore:SqrtLasso interpolates")
@pytest.mark.parametrize("seed", range(20))
def test_random_small_problems(seed):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(3, 30), rng.integers(1, 50)
    X = rng.standard_normal((n, p))
    if p > 3:
        X[:, 1], X[:, 2] = X[:, 0], 3.0
    y = X[:, :3].sum(axis=1) + rng.standard_normal(n)
    options = {
        "penalty_weights": rng.choice([0.0, 1.0, 2.0, np.inf], p) if p > 9 else None,
        "positive": bool(rng.random() < 0.3),
        "fit_intercept": bool(rng.random() < 0.6),
        "standardize": bool(rng.random() < 0.6),
    }
    solver = rng.choice(["auto", "face_newton", "cd"])
    for alpha in (1.0, 0.3, 0.1):
        model = SqrtLasso(alpha, tol=1e-8, solver=solver, **options)
        model.fit(X, y)
        gap, null = square_root_gap(X, y, model.coef_, alpha=alpha, **options)
        assert gap <= 1e-8 * null + 1e-13
