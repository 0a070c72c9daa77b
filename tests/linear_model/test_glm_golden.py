"""Generalised linear models on real data beside glmnet 4.1-6.

The values come from R, with columns scaled to mean 0 and variance 1 / n_samples of the
sum of squares ("population") and no other scaling::

    library(glmnet)
    fit <- glmnet(X, y, family = "binomial", lambda = c(.2, .1, .05),
                  standardize = FALSE, thresh = 1e-22, maxit = 1e7)   # breast cancer
    fit <- glmnet(X, y, family = "poisson", lambda = c(10, 5, 2),
                  standardize = FALSE, thresh = 1e-22, maxit = 1e7)   # diabetes
    fit <- glmnet(X, cbind(failures, successes), family = "binomial",
                  lambda = c(.1, .05, .02, .01), standardize = FALSE,
                  thresh = 1e-22, maxit = 1e7)                        # star98
    c(fit$a0[k], fit$beta[, k])                                       # k the last
"""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from sparsestat.linear_model import SparseLogisticRegression, SparsePoissonRegressor

BREAST_CANCER = (
    0.715327157388,
    {
        7: -0.289098882149,
        20: -1.284775066250,
        21: -0.322375868971,
        27: -1.103389795806,
    },
)
DIABETES = (
    4.96786775371770,
    {
        1: -0.04926385318657,
        2: 0.15013941813598,
        3: 0.08820567278424,
        4: -0.00247007127471,
        6: -0.08239036962286,
        8: 0.14043728376644,
        9: 0.00681219259740,
    },
)
STAR98 = (
    -0.2291728833095,
    {
        0: -0.3401762284058,
        1: 0.0821075358522,
        2: -0.0993364042100,
        3: -0.2530544376989,
        11: -0.0419909972658,
        16: 0.0879884401990,
    },
)


def scaled(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def check(model, golden):
    intercept, nonzero = golden
    coef = np.zeros(model.n_features_in_)
    coef[list(nonzero)] = list(nonzero.values())
    np.testing.assert_allclose(np.ravel(model.coef_), coef, atol=1e-5)
    np.testing.assert_allclose(np.ravel(model.intercept_), intercept, atol=1e-5)
    np.testing.assert_array_equal(np.flatnonzero(model.coef_), list(nonzero))


def test_breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    check(SparseLogisticRegression(0.05, tol=1e-12).fit(scaled(X), y), BREAST_CANCER)


def test_diabetes():
    X, y = load_diabetes(return_X_y=True)
    check(SparsePoissonRegressor(2.0, tol=1e-12).fit(scaled(X), y), DIABETES)


def test_star98():
    star98 = pytest.importorskip("statsmodels.datasets.star98")
    data = star98.load()
    counts, X = np.asarray(data.endog), scaled(np.asarray(data.exog))
    y = np.repeat([1, 0], len(X))
    model = SparseLogisticRegression(0.01, tol=1e-12)
    check(model.fit(np.vstack([X, X]), y, counts.T.ravel()), STAR98)
