"""Relevance vector machines against their equivalents and dense formulas."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit
from scipy.stats import multivariate_normal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from sparsestat.bayes import (
    RelevanceVectorClassifier,
    RelevanceVectorRegression,
    SparseBayesianRegression,
)
from sparsestat.bayes._kernel_basis import make_basis
from sparsestat.bayes._relevance_classifier import find_mode


def sinc(m=80, noise=0.1, seed=0):
    X = np.linspace(-10, 10, m)[:, None]
    y = np.sinc(X.ravel() / np.pi)
    return X, y, y + noise * np.random.default_rng(seed).standard_normal(m)


def moons(m=150, seed=0):
    return make_moons(m, noise=0.3, random_state=seed)


def test_it_is_sparse_bayesian_regression_on_kernels():
    X, _, y = sinc()
    K = pairwise_kernels(X, metric="rbf", gamma=0.2)
    for noise in ("em", "cv", 0.01):
        for with_intercept in (True, False):
            fit = RelevanceVectorRegression(
                gamma=0.2, noise_variance=noise, fit_intercept=with_intercept
            ).fit(X, y)
            same = SparseBayesianRegression(
                "fast", noise_variance=noise, fit_intercept=with_intercept
            ).fit(K, y)
            np.testing.assert_array_equal(fit.relevance_, np.flatnonzero(same.active_))
            np.testing.assert_allclose(fit.dual_coef_, same.coef_[same.active_])
            assert fit.log_evidence_ == pytest.approx(same.log_evidence_)
            new = np.linspace(-9, 9, 7)[:, None]
            K_new = pairwise_kernels(new, X, metric="rbf", gamma=0.2)
            for option in ({}, {"return_std": True}, {"return_cov": True}):
                pairs = fit.predict(new, **option), same.predict(K_new, **option)
                if not option:
                    pairs = [pairs[0]], [pairs[1]]
                for found, expected in zip(*pairs, strict=True):
                    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_evidence_and_deviations_are_those_of_the_model():
    X, truth, y = sinc()
    fit = RelevanceVectorRegression(gamma=0.2, fit_intercept=False).fit(X, y)
    K = pairwise_kernels(X, fit.relevance_vectors_, metric="rbf", gamma=0.2)
    C = (K * fit.prior_variance_) @ K.T + fit.noise_variance_ * np.eye(len(y))
    assert fit.log_evidence_ == pytest.approx(multivariate_normal(cov=C).logpdf(y))
    mean, std = fit.predict(X, return_std=True)
    gain = (K * fit.prior_variance_) @ K.T
    np.testing.assert_allclose(mean, gain @ np.linalg.solve(C, y), atol=1e-8)
    variance = np.diag(gain - gain @ np.linalg.solve(C, gain)) + fit.noise_variance_
    np.testing.assert_allclose(std**2, variance, rtol=1e-6)
    assert len(fit.relevance_) < 15
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.06
    assert 0.05 < np.sqrt(fit.noise_variance_) < 0.15
    draws = fit.sample_posterior(20_000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=0), fit.dual_coef_, atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), fit.dual_coef_std_, rtol=0.05)


KERNELS = ["rbf", "laplacian", "poly", "sigmoid", "linear", "cosine"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("cls", [RelevanceVectorRegression, RelevanceVectorClassifier])
def test_kernels_are_those_of_scikit_learn(cls, kernel):
    X, y = moons(60)
    options = {"gamma": 0.5, "degree": 2, "coef0": 0.5}
    fit = cls(kernel, **options).fit(X, y)
    parameters = {} if kernel in ("linear", "cosine") else {"gamma": 0.5}
    if kernel in ("poly", "sigmoid"):
        parameters["coef0"] = 0.5
    if kernel == "poly":
        parameters["degree"] = 2
    K = pairwise_kernels(X, metric=kernel, **parameters)
    given = cls("precomputed").fit(K, y)
    np.testing.assert_array_equal(fit.relevance_, given.relevance_)
    np.testing.assert_allclose(fit.predict(X), given.predict(K), atol=1e-6)
    if kernel == "rbf":
        called = cls(
            lambda a, b, width: np.exp(-width * (a - b) @ (a - b)),
            kernel_params={"width": 0.5},
        ).fit(X, y)
        np.testing.assert_array_equal(called.relevance_, fit.relevance_)
    with pytest.raises(ValueError, match=r"X must be square .*; got shape \(60, 2\)"):
        cls("precomputed").fit(X, y)


def test_scale_of_gamma_is_that_of_scikit_learn():
    X, y = moons(50)
    weight = np.random.default_rng(0).integers(0, 4, 50).astype(float)
    for kind in (np.asarray, sparse.csr_array):
        ones = make_basis(RelevanceVectorRegression(), kind(X), np.ones(50))
        assert ones.gamma == pytest.approx(1.0 / (2 * X.var()))
        copies = make_basis(RelevanceVectorRegression(), kind(X), weight)
        repeated = X.repeat(weight.astype(int), axis=0)
        assert copies.gamma == pytest.approx(1.0 / (2 * repeated.var()))
    svc = SVC(kernel="rbf").fit(X, y)
    assert svc._gamma == pytest.approx(ones.gamma)


@pytest.mark.parametrize("cls", [RelevanceVectorRegression, RelevanceVectorClassifier])
def test_weights_are_copies_and_sparse_is_dense(cls):
    X, y = moons(60)
    weight = np.random.default_rng(1).integers(0, 4, 60)
    again = X.repeat(weight, axis=0), y.repeat(weight)
    order = np.random.default_rng(2).permutation(weight.sum())
    fits = [
        cls(tol=1e-6).fit(X, y, sample_weight=weight),
        cls(tol=1e-6).fit(again[0][order], again[1][order]),
        cls(tol=1e-6).fit(sparse.csr_array(X), y, sample_weight=weight),
    ]
    name = "predict_proba" if cls is RelevanceVectorClassifier else "predict"
    expected = getattr(fits[0], name)(X)
    for fit, points in zip(fits, (X, X, sparse.csc_array(X)), strict=True):
        np.testing.assert_allclose(getattr(fit, name)(points), expected, atol=1e-6)
    assert sparse.issparse(fits[2].relevance_vectors_)


def test_mode_is_the_optimum_and_its_covariance_the_curvature():
    rng = np.random.default_rng(0)
    A, target = rng.standard_normal((30, 4)), rng.integers(0, 2, 30).astype(float)
    weight, g = rng.random(30), np.array([0.5, 2.0, 1e-3])

    def loss(x):
        f = A @ x
        likelihood = weight @ (target * f - np.logaddexp(0.0, f))
        return 0.5 * (x[:3] ** 2 / g).sum() - likelihood

    mode = find_mode(A, target, weight, g, np.zeros(4))
    expected = minimize(loss, np.zeros(4), tol=1e-12).x
    np.testing.assert_allclose(mode.x, expected, atol=1e-5)
    p = expit(A @ mode.x)
    hessian = (A.T * (weight * p * (1 - p))) @ A + np.diag([*(1 / g), 0.0])
    np.testing.assert_allclose(mode.covariance, np.linalg.inv(hessian), rtol=1e-8)
    assert mode.half_log_det == pytest.approx(-0.5 * np.linalg.slogdet(hessian)[1])


def test_classifier_is_stationary_by_dense_formulas():
    X, y = moons()
    fit = RelevanceVectorClassifier(tol=1e-5).fit(X, y)
    assert fit.stationarity_ <= 1e-5
    gamma = 1.0 / (2 * X.var())
    K = pairwise_kernels(X, metric="rbf", gamma=gamma)
    f = K[:, fit.relevance_] @ fit.dual_coef_[0] + fit.intercept_
    p = expit(f)
    # The slope of the log posterior vanishes at the mode.
    kept, w = fit.relevance_, fit.dual_coef_[0]
    slope = K[:, kept].T @ (y - p) - w / fit.prior_variance_[0]
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    assert abs((y - p).sum()) < 1e-5
    # The evidence of least squares with noise 1 / B and a flat prior of the intercept.
    B = p * (1 - p)
    z = f + (y - p) / B

    def cost(logs):
        C = np.diag(1 / B) + (K[:, kept] * np.exp(logs)) @ K[:, kept].T
        inverse = np.linalg.inv(C)
        ones = np.ones(len(y))
        flat = ones @ inverse @ ones
        centred = z - ones * (ones @ inverse @ z) / flat
        return np.linalg.slogdet(C)[1] + np.log(flat) + centred @ inverse @ centred

    slopes = approx_fprime(np.log(fit.prior_variance_[0]), cost, 1e-6)
    np.testing.assert_allclose(slopes, 0.0, atol=1e-4)
    C = np.diag(1 / B) + (K[:, kept] * fit.prior_variance_[0]) @ K[:, kept].T
    inverse = np.linalg.inv(C)
    flat = inverse.sum()
    P = inverse - np.outer(inverse.sum(axis=0), inverse.sum(axis=0)) / flat
    ratio = (K.T @ P @ z) ** 2 / np.einsum("mi,mn,ni->i", K, P, K)
    zero = np.setdiff1d(np.arange(len(y)), kept)
    assert ratio[zero].max() <= 1.0 + 1e-4


def test_probabilities_are_averages_over_the_posterior():
    X, y = moons()
    fit = RelevanceVectorClassifier().fit(X, y)
    gamma = 1.0 / (2 * X.var())
    points = np.array([[0.0, 0.0], [1.0, 0.5], [30.0, 30.0], [0.5, 0.25]])
    A = pairwise_kernels(points, fit.relevance_vectors_, metric="rbf", gamma=gamma)
    A = np.column_stack([A, np.ones(4)])
    mean = np.append(fit.dual_coef_[0], fit.intercept_)
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(mean, fit.covariances_[0], 50_000)
    p = fit.predict_proba(points)
    np.testing.assert_allclose(p[:, 1], expit(draws @ A.T).mean(axis=0), atol=0.02)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert ((p[:, 1] > 0.5) == (fit.predict(points) == 1)).all()


def test_probabilities_are_better_than_scaled_margins():
    X, y = moons(600)
    train, test = slice(0, 200), slice(200, None)
    ours = RelevanceVectorClassifier().fit(X[train], y[train])
    platt = CalibratedClassifierCV(SVC(), ensemble=False).fit(X[train], y[train])
    scores = [
        brier_score_loss(y[test], model.predict_proba(X[test])[:, 1])
        for model in (ours, platt)
    ]
    assert scores[0] < scores[1]
    margins = platt.calibrated_classifiers_[0].estimator
    assert len(ours.relevance_) < 0.2 * len(margins.support_)


def test_classes_of_any_kind():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    fit = RelevanceVectorClassifier().fit(X, names)
    assert fit.predict_proba(X).shape == fit.decision_function(X).shape == (150, 3)
    assert fit.dual_coef_.shape == fit.prior_variance_.shape
    assert fit.score(X, names) > 0.95
    assert log_loss(names, fit.predict_proba(X)) < 0.2
    # Of the first fold, whole steps would go round in circles.
    scores = cross_val_score(RelevanceVectorClassifier(), X, names)
    linear = cross_val_score(LogisticRegression(max_iter=1000), X, names)
    assert scores.mean() > linear.mean() - 0.03
    with pytest.raises(ValueError, match=r"at least 2 classes .* got one class, a\."):
        RelevanceVectorClassifier().fit(X, ["a"] * 150)


@pytest.mark.parametrize("with_intercept", [True, False])
def test_separable_classes_and_rare_ones_give_numbers(with_intercept):
    X = np.linspace(-1, 1, 41)[:, None]
    for y in (X.ravel() > 0, np.arange(41) == 7, np.arange(41) % 2 == 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = RelevanceVectorClassifier(fit_intercept=with_intercept).fit(X, y)
        p = fit.predict_proba(X)
        assert np.isfinite(p).all() and np.isfinite(fit.log_evidence_).all()
        assert np.isfinite(fit.dual_coef_).all()


def test_missed_tolerances_are_said():
    X, y = moons()
    with pytest.warns(ConvergenceWarning, match=r"stationarity_ is .* after 2 iter"):
        fit = RelevanceVectorClassifier(max_iter=2).fit(X, y)
    assert fit.stationarity_ > 1e-3
    with pytest.warns(ConvergenceWarning, match=r"Increase max_iter or tol\."):
        RelevanceVectorRegression(max_iter=1).fit(X, X[:, 0])
