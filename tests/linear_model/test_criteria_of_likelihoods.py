"""Information criteria in place of folds, for all models that have a likelihood."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from sparsestat.linear_model import (
    SparseCoxRegressorCV,
    SparseGammaRegressorCV,
    SparseHuberRegressorCV,
    SparseLogisticRegressionCV,
    SparsePoissonRegressorCV,
    SparseQuantileRegressorCV,
)
from sparsestat.utils.criteria import CRITERIA, price_of_parameters
from tests.naive import partial_likelihood

MODELS = {
    "cox": SparseCoxRegressorCV,
    "gamma": SparseGammaRegressorCV,
    "huber": SparseHuberRegressorCV,
    "logistic": SparseLogisticRegressionCV,
    "poisson": SparsePoissonRegressorCV,
    "quantile": SparseQuantileRegressorCV,
}
N, P = 120, 10


def problem(name, n=N, p=P):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    z = 0.7 * X[:, 0] - 0.7 * X[:, 1] + 0.2
    y = {
        "cox": lambda: np.column_stack(
            [np.ceil(5.0 * rng.exponential(np.exp(-z))), rng.random(n) < 0.7]
        ),
        "gamma": lambda: rng.gamma(2.0, np.exp(z) / 2.0),
        "huber": lambda: 2.0 * z + rng.standard_t(3, n),
        "logistic": lambda: (rng.random(n) < 1.0 / (1.0 + np.exp(-2.0 * z))) + 0.0,
        "poisson": lambda: rng.poisson(np.exp(z)) + 0.0,
        "quantile": lambda: 2.0 * z + rng.laplace(size=n),
    }[name]()
    return X, y


def log_likelihood(name, y, z):
    """Up to a constant, with other parameters than predictions at their best."""
    if name == "cox":
        weight = np.ones(len(y))
        loss = partial_likelihood(y[:, 0], y[:, 1] > 0, weight, z, "breslow")[0]
        return -len(y) * loss
    if name == "logistic":
        return stats.bernoulli.logpmf(y, 1.0 / (1.0 + np.exp(-z))).sum()
    if name == "poisson":
        return stats.poisson.logpmf(y, np.exp(z)).sum()

    def value(log_scale):
        s = np.exp(log_scale)
        if name == "gamma":
            return stats.gamma.logpdf(y, s, scale=np.exp(z) / s).sum()
        r = np.abs(y - z) / s
        if name == "huber":
            rho = np.where(r <= 1.35, 0.5 * r**2, 1.35 * r - 0.5 * 1.35**2)
            return -(rho + np.log(s)).sum()
        return stats.laplace.logpdf(y, z, 2.0 * s).sum()

    best = minimize_scalar(lambda t: -value(t), bounds=(-5, 5), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip
    return -best.fun


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", MODELS)
def test_values_are_those_of_the_likelihood(name, criterion):
    X, y = problem(name)
    model = MODELS[name](alphas=8, eps=0.05, criterion=criterion, tol=1e-10).fit(X, y)
    assert model.criterion_.shape == (8,)
    assert model.alpha_ == model.alphas_[model.criterion_.argmin()]
    coefs = model.path_coef_.toarray()
    has_intercept = name != "cox"
    k = (coefs != 0.0).sum(axis=0) + has_intercept
    n = y[:, 1].sum() if name == "cox" else N
    price = price_of_parameters(
        criterion, k, n_samples=n, n_features=P, n_intercepts=int(has_intercept)
    )
    z = X @ coefs + np.ravel(model.path_intercept_)
    fits = -2.0 * np.array([log_likelihood(name, y, column) for column in z.T])
    found = model.criterion_ - model.criterion_[0]
    expected = fits + price - fits[0] - price[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_frequencies(name):
    X, y = problem(name)
    copies = np.random.default_rng(1).integers(0, 3, N)
    options = {"alphas": 5, "eps": 0.1, "criterion": "bic", "tol": 1e-9}
    one = MODELS[name](**options).fit(X, y, sample_weight=copies)
    rows = np.repeat(np.arange(N), copies)
    other = MODELS[name](**options).fit(X[rows], y[rows])
    np.testing.assert_allclose(one.criterion_, other.criterion_, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_signal_is_found(name):
    X, y = problem(name, 300, 40)
    model = MODELS[name](alphas=20, eps=0.05, criterion="ebic").fit(X, y)
    large = np.flatnonzero(np.abs(model.coef_.ravel()) > 0.25)
    assert set(large) == {0, 1}
    assert not hasattr(model, model._loss_path)


@pytest.mark.parametrize("name", ["logistic", "poisson", "gamma"])
def test_ridge_leaves_fewer_degrees_of_freedom(name):
    """The trace of H (H + R)^-1 from explicit Hessians."""
    X, y = problem(name)
    options = {"l1_ratio": 0.3, "alphas": 3, "eps": 0.2, "tol": 1e-10}
    one = MODELS[name](criterion="aic", **options).fit(X, y)
    other = MODELS[name](criterion="bic", **options).fit(X, y)
    dof = (other.criterion_ - one.criterion_) / (np.log(N) - 2.0)
    for k, alpha in enumerate(one.alphas_):
        w = one.path_coef_[:, [k]].toarray().ravel()
        support = np.flatnonzero(w)
        z = X @ w + np.ravel(one.path_intercept_)[k]
        if name == "logistic":
            h = np.exp(z) / (1.0 + np.exp(z)) ** 2
        else:
            h = np.exp(z) if name == "poisson" else y * np.exp(-z)
        centred = X[:, support] - h @ X[:, support] / h.sum()
        hessian = centred.T @ (h[:, None] * centred) / N
        system = hessian + 0.7 * alpha * np.eye(len(support))
        expected = 1.0 + np.trace(np.linalg.solve(system, hessian))
        assert dof[k] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["huber", "quantile", "cox"])
def test_ridge_of_other_losses_has_degrees_of_freedom(name):
    X, y = problem(name)
    options = {"l1_ratio": 0.1, "alphas": 6, "eps": 0.01}
    one = MODELS[name](criterion="aic", **options).fit(X, y)
    other = MODELS[name](criterion="bic", **options).fit(X, y)
    n = y[:, 1].sum() if name == "cox" else N
    dof = (other.criterion_ - one.criterion_) / (np.log(n) - 2.0)
    sizes = np.diff(one.path_coef_.indptr) + (name != "cox")
    assert (dof <= sizes + 1e-9).all()
    assert 0.0 <= dof[0] <= 1.0 + 1e-9
    assert 0.5 * sizes[-1] < dof[-1]


def test_models_that_interpolate_are_not_chosen():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 100)), rng.standard_normal(30)
    for name in ("huber", "quantile"):
        model = MODELS[name](alphas=10, eps=1e-3, criterion="bic").fit(X, y)
        assert np.isinf(model.criterion_[-1])
        assert np.count_nonzero(model.coef_) <= 15


def test_criterion_needs_the_scale_of_the_noise():
    X, y = problem("huber")
    with pytest.raises(ValueError, match="criterion needs scale='concomitant'"):
        SparseHuberRegressorCV(scale="mad", criterion="bic").fit(X, y)
    with pytest.raises(ValueError, match="criterion"):
        SparseHuberRegressorCV(criterion="cp").fit(X, y)
