"""Slope and FusedLasso: parameters, attributes, choices along paths."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import FusedLasso, FusedLassoCV, Lasso, Slope, SlopeCV
from sparsestat.optim.proximal import prox_tv1d

X, Y = make_sparse_regression(
    60, 30, n_nonzero_coefs=4, random_state=0, return_X_y=True
)


def test_sequences():
    p, q = 30, 0.2
    model = Slope(0.1, fdr=q).fit(X, Y)
    expected = norm.ppf(1 - q * np.arange(1, p + 1) / (2 * p))
    np.testing.assert_allclose(model.lambdas_, expected, rtol=1e-12)
    np.testing.assert_allclose(
        Slope(0.1, lambdas="oscar").fit(X, Y).lambdas_, np.arange(p, 0, -1) / p
    )
    gaussian = Slope(0.1, lambdas="gaussian", fdr=q).fit(X, Y).lambdas_
    assert gaussian[0] == expected[0]
    second = expected[1] * np.sqrt(1 + expected[0] ** 2 / (60 - 2))
    np.testing.assert_allclose(gaussian[1], min(second, expected[0]))
    assert (np.diff(gaussian) <= 0).all() and (gaussian >= expected - 1e-12).all()


def test_constant_lambdas_are_the_lasso():
    ours = Slope(0.1, lambdas=np.ones(30), tol=1e-10).fit(X, Y)
    lasso = Lasso(0.1, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, lasso.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, lasso.intercept_, atol=1e-5)


def test_no_variation_is_the_lasso():
    ours = FusedLasso(0.1, tv_ratio=0.0, tol=1e-10).fit(X, Y)
    lasso = Lasso(0.1, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, lasso.coef_, atol=1e-5)


def test_correlated_features_join_a_cluster():
    rng = np.random.default_rng(0)
    pair = rng.standard_normal((80, 1)) + 0.05 * rng.standard_normal((80, 2))
    design = np.hstack([pair, rng.standard_normal((80, 4))])
    target = pair.sum(axis=1) + 0.1 * rng.standard_normal(80)
    coef = Slope(0.3, lambdas="oscar").fit(design, target).coef_
    assert coef[0] == coef[1] > 0


def test_identity_denoises():
    rng = np.random.default_rng(0)
    signal = np.repeat([0.0, 3.0, 1.0], 40) + 0.4 * rng.standard_normal(120)
    model = FusedLasso(3.0 / 120, tv_ratio=1.0, fit_intercept=False)
    model.fit(sparse.eye_array(120, format="csc"), signal)
    np.testing.assert_allclose(model.coef_, prox_tv1d(signal, 3.0), atol=1e-8)
    changes = np.flatnonzero(np.diff(model.segments_)) + 1
    assert {40, 80} <= set(changes)
    np.testing.assert_array_equal(
        model.segments_, np.cumsum(np.r_[0, np.diff(model.coef_) != 0])
    )


def test_graph_as_edges_or_adjacency():
    rng = np.random.default_rng(1)
    at = np.arange(16).reshape(4, 4)
    edges = np.vstack(
        [
            np.column_stack([at[:-1].ravel(), at[1:].ravel()]),
            np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()]),
        ]
    )
    image = np.zeros((4, 4))
    image[1:3, 1:3] = 2.0
    design = rng.standard_normal((60, 16))
    target = design @ image.ravel() + 0.1 * rng.standard_normal(60)
    ones = np.ones(len(edges))
    adjacency = sparse.coo_array((ones, (edges[:, 0], edges[:, 1])), (16, 16))
    first = FusedLasso(0.2, graph=edges, tol=1e-9).fit(design, target)
    both_ways = sparse.csr_array(adjacency + adjacency.T)
    second = FusedLasso(0.2, graph=both_ways, tol=1e-9).fit(design, target)
    np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-6)
    inner = first.segments_.reshape(4, 4)[1:3, 1:3]
    assert len(np.unique(inner)) == 1


@pytest.mark.parametrize(
    "model",
    [
        SlopeCV(alphas=12, cv=3),
        SlopeCV(alphas=12, criterion="bic", noise_variance=0.5),
        FusedLassoCV(alphas=12, cv=3, tv_ratio=0.7),
        FusedLassoCV(alphas=12, criterion="bic", noise_variance=0.5),
        FusedLassoCV(alphas=6, cv=3, graph=[[0, 1], [1, 2], [2, 0]]),
    ],
    ids=["slope", "slope bic", "fused", "fused bic", "graph"],
)
def test_chosen_solution_is_that_of_the_single_estimator(model):
    model.fit(X, Y)
    assert model.alpha_ in model.alphas_
    if model.criterion is not None:
        assert model.alpha_ == model.alphas_[model.criterion_.argmin()]
        assert "mse_path_" not in vars(model)
    else:
        assert model.alpha_ == model.alphas_[model.mse_path_.mean(axis=1).argmin()]
    single = Slope if isinstance(model, SlopeCV) else FusedLasso
    shared = single().get_params().keys() & model.get_params().keys()
    parameters = {name: getattr(model, name) for name in shared}
    again = single(model.alpha_, **parameters).fit(X, Y)
    np.testing.assert_allclose(again.objective_, model.objective_, rtol=1e-5)
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_degrees_of_freedom_count_clusters():
    model = SlopeCV(lambdas="oscar", alphas=15, criterion="aic", noise_variance=1.0)
    model.fit(X, Y)
    coefs = model.path_coef_.toarray()
    sizes = [len(np.unique(np.abs(w[w != 0]).round(9))) for w in coefs.T]
    residual = Y[:, None] - X @ coefs - model.path_intercept_
    fits = (residual**2).sum(axis=0) + 2.0 * (np.array(sizes) + 1)
    differences = model.criterion_ - fits
    np.testing.assert_allclose(differences, differences[0], rtol=1e-9)


@pytest.mark.parametrize("cls", [Slope, FusedLasso])
def test_standardize_penalises_scaled_columns(cls):
    scales = np.geomspace(0.01, 100, 30)
    plain = cls(0.1, standardize=True, tol=1e-10).fit(X, Y)
    scaled = cls(0.1, standardize=True, tol=1e-10).fit(X * scales, Y)
    np.testing.assert_allclose(scaled.coef_ * scales, plain.coef_, atol=1e-6)
    if cls is FusedLasso:
        np.testing.assert_array_equal(plain.segments_, scaled.segments_)


@pytest.mark.parametrize(
    "model, message",
    [
        (Slope(lambdas=[1.0, 2.0]), r"lambdas must have shape \(30,\)"),
        (Slope(lambdas=np.arange(1.0, 31.0)), "not increasing"),
        (Slope(fdr=1.0), r"fdr must be a real number in \(0, 1\)"),
        (FusedLasso(graph=[[0, 40]]), r"graph must name features in \[0, 30\)"),
        (FusedLasso(graph=sparse.eye_array(3)), r"graph must have shape \(30, 30\)"),
        (FusedLasso(graph=[[0, 1, 2]]), r"graph must be an integer array-like"),
    ],
)
def test_errors(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)


def test_missed_tolerance_is_told():
    with pytest.warns(ConvergenceWarning, match="FusedLasso did not reach"):
        FusedLasso(1e-4, tol=1e-15, max_iter=1).fit(X, Y)
