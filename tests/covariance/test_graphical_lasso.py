"""Sparse precision matrices against closed forms, certificates and cvxpy."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import graphical_lasso
from sklearn.exceptions import ConvergenceWarning

from sparsestat.covariance import GraphicalLasso, graphical_lasso_path
from sparsestat.optim.log_det import log_det_objective, minimise_log_det
from sparsestat.optim.penalties import MCP, SCAD, LogSum


def make_data(n_samples=80, n_features=12, block=4, seed=0):
    """Samples whose features depend on each other within blocks alone."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(n_features):
        if j % block:
            X[:, j] += 0.8 * X[:, j - 1]
    return X * np.geomspace(0.5, 2.0, n_features) + 3.0


def covariance_of(X, weight=None):
    return np.cov(X.T, aweights=weight, bias=True)


def objective(S, T, levels):
    finite = np.where(T != 0.0, levels, 0.0)
    return -np.linalg.slogdet(T)[1] + np.sum(S * T) + np.sum(finite * np.abs(T))


def off_diagonal(alpha, p):
    return alpha * (1.0 - np.eye(p))


def duality_gap(S, T, levels):
    """Gap at the inverse, clipped; infinite where that is not positive definite."""
    W = np.clip(np.linalg.inv(T), S - levels, S + levels)
    if np.linalg.eigvalsh(W)[0] <= 0.0:
        return np.inf
    return objective(S, T, levels) - np.linalg.slogdet(W)[1] - len(S)


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sparse.csc_array])
def test_certificate_is_that_of_the_precision_matrix(alpha, storage):
    X = make_data()
    S = covariance_of(X)
    model = GraphicalLasso(alpha=alpha).fit(storage(X))
    levels = off_diagonal(alpha, 12)
    assert model.dual_gap_ <= model.dual_gap_tol_ == pytest.approx(1.2e-5)
    assert duality_gap(S, model.precision_, levels) <= 1.2e-5 + 1e-10
    assert model.objective_ == pytest.approx(objective(S, model.precision_, levels))
    np.testing.assert_array_equal(model.precision_, model.precision_.T)
    np.testing.assert_allclose(
        model.covariance_ @ model.precision_, np.eye(12), atol=1e-8
    )
    np.testing.assert_allclose(model.location_, X.mean(axis=0))


def test_cvxpy_agrees():
    cvxpy = pytest.importorskip("cvxpy")
    S = covariance_of(make_data(30, 6, block=3))
    weights = np.random.default_rng(0).uniform(0.2, 2.0, (6, 6))
    weights = weights + weights.T
    weights[0, 1] = weights[1, 0] = 0.0
    weights[2, 5] = weights[5, 2] = np.inf
    levels = 0.1 * weights
    T = cvxpy.Variable((6, 6), PSD=True)
    finite = np.where(np.isinf(levels), 0.0, levels)
    loss = -cvxpy.log_det(T) + cvxpy.trace(S @ T)
    loss += cvxpy.sum(cvxpy.multiply(finite, cvxpy.abs(T)))
    best = cvxpy.Problem(cvxpy.Minimize(loss), [T[2, 5] == 0]).solve(
        solver="SCS", eps=1e-9
    )
    model = GraphicalLasso(
        0.1, penalty_weights=weights, covariance="precomputed", tol=1e-10
    ).fit(S)
    assert model.precision_[2, 5] == 0.0
    assert model.precision_[0, 1] != 0.0
    assert model.objective_ == pytest.approx(best, abs=1e-5)
    np.testing.assert_allclose(model.precision_, T.value, atol=1e-3)


def test_two_features_are_soft_thresholding():
    S = np.array([[2.0, -1.5], [-1.5, 3.0]])
    for alpha, inner in ((0.5, -1.0), (1.4, -0.1), (1.6, 0.0)):
        model = GraphicalLasso(alpha, covariance="precomputed", tol=1e-12).fit(S)
        expected = np.array([[2.0, inner], [inner, 3.0]])
        np.testing.assert_allclose(model.covariance_, expected, atol=1e-6)
        assert model.partial_correlation_[0, 1] == pytest.approx(
            inner / np.sqrt(6.0), abs=1e-6
        )


def test_chains_have_a_closed_form():
    # Where only neighbours may be joined, shrunk correlations multiply along the chain.
    distance = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    S, shrunk = np.where(distance > 1, 0.0, 0.5**distance), 0.4**distance
    levels = np.where(distance > 1, np.inf, 0.1 * distance)
    found = minimise_log_det(S, levels, 1e-12, 100)
    assert found.converged
    np.testing.assert_allclose(found.covariance, shrunk, atol=1e-6)
    assert not found.precision[distance > 1].any()


def test_scikit_learn_agrees():
    S = covariance_of(make_data())
    found = GraphicalLasso(0.2, covariance="precomputed", tol=1e-10).fit(S)
    _, expected = graphical_lasso(S, 0.2, tol=1e-6, enet_tol=1e-10, max_iter=500)
    np.testing.assert_allclose(found.precision_, expected, atol=1e-4)


def test_components_are_independent_problems():
    X = make_data(400, 40, block=4)
    model = GraphicalLasso(0.4, tol=1e-9, standardize=True).fit(X)
    correlation = np.abs(np.corrcoef(X.T)) > 0.4
    for label in range(model.labels_.max() + 1):
        part = np.flatnonzero(model.labels_ == label)
        rest = np.flatnonzero(model.labels_ != label)
        assert not correlation[np.ix_(part, rest)].any()
        assert not model.precision_[np.ix_(part, rest)].any()
        alone = GraphicalLasso(0.4, tol=1e-9, standardize=True).fit(X[:, part])
        np.testing.assert_allclose(
            alone.precision_, model.precision_[np.ix_(part, part)], rtol=1e-4, atol=1e-5
        )
    assert 1 < model.labels_.max() + 1 < 40
    parallel = GraphicalLasso(0.4, tol=1e-9, standardize=True, n_jobs=2).fit(X)
    np.testing.assert_array_equal(parallel.precision_, model.precision_)


def test_scale_of_features_does_not_matter_when_standardized():
    X = make_data()
    scale = np.geomspace(1e-4, 1e4, 12)
    first = GraphicalLasso(0.1, standardize=True, tol=1e-9).fit(X)
    second = GraphicalLasso(0.1, standardize=True, tol=1e-9).fit(X * scale)
    np.testing.assert_allclose(
        second.precision_ * np.outer(scale, scale),
        first.precision_,
        rtol=1e-5,
        atol=1e-6,
    )
    assert second.dual_gap_ <= second.dual_gap_tol_


def test_order_of_features_does_not_matter():
    X = make_data()
    order = np.random.default_rng(0).permutation(12)
    first = GraphicalLasso(0.1, tol=1e-10).fit(X).precision_
    second = GraphicalLasso(0.1, tol=1e-10).fit(X[:, order]).precision_
    np.testing.assert_allclose(second, first[np.ix_(order, order)], atol=1e-5)


def test_weights_repeat_rows():
    X = make_data()
    counts = np.arange(80) % 4
    weighted = GraphicalLasso(0.1, tol=1e-10).fit(X, sample_weight=counts)
    repeated = GraphicalLasso(0.1, tol=1e-10).fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.precision_, repeated.precision_, atol=1e-6)
    np.testing.assert_allclose(
        weighted.score(X, sample_weight=counts),
        repeated.score(np.repeat(X, counts, axis=0)),
    )


def test_score_is_the_likelihood():
    X = make_data()
    model = GraphicalLasso(0.1).fit(X[:50])
    from scipy.stats import multivariate_normal

    law = multivariate_normal(model.location_, np.linalg.inv(model.precision_))
    assert model.score(X[50:]) == pytest.approx(law.logpdf(X[50:]).mean())


def test_no_penalty_is_the_inverse():
    X = make_data()
    model = GraphicalLasso(0.0).fit(X)
    np.testing.assert_allclose(model.precision_, np.linalg.inv(covariance_of(X)), 1e-8)
    assert model.dual_gap_ <= 1e-10
    with pytest.raises(ValueError, match="alpha must be > 0 where the covarian"):
        GraphicalLasso(0.0).fit(X[:10])


def test_more_features_than_samples_and_strong_factors():
    rng = np.random.default_rng(1)
    X = 0.3 * rng.standard_normal((20, 40))
    X += rng.standard_normal((20, 2)) @ rng.standard_normal((2, 40))
    model = GraphicalLasso(0.1, standardize=True, tol=1e-8).fit(X)
    R = np.corrcoef(X.T)
    spread = X.std(axis=0)
    T = model.precision_ * np.outer(spread, spread)
    assert duality_gap(R, T, off_diagonal(0.1, 40)) <= 4e-7 + 1e-9


def test_single_precision():
    X = make_data().astype(np.float32)
    model = GraphicalLasso(0.1).fit(X)
    assert model.precision_.dtype == model.covariance_.dtype == np.float32
    T, S = model.precision_.astype(float), covariance_of(X.astype(float))
    assert duality_gap(S, T, off_diagonal(0.1, 12)) <= model.dual_gap_tol_
    assert model.dual_gap_tol_ == pytest.approx(1.2e-4)


def test_next_fit_starts_from_the_last():
    X = make_data()
    model = GraphicalLasso(0.05, warm_start=True, tol=1e-9).fit(X)
    first, n_iter = model.precision_, model.n_iter_
    model.fit(X)
    assert model.n_iter_ <= 1 < n_iter
    np.testing.assert_allclose(model.precision_, first, atol=1e-5)


def slopes(penalty, T, alpha):
    size = np.abs(T)
    if isinstance(penalty, MCP):
        return np.maximum(alpha - size / penalty.gamma, 0.0)
    if isinstance(penalty, SCAD):
        falling = np.maximum(penalty.gamma * alpha - size, 0.0) / (penalty.gamma - 1.0)
        return np.minimum(alpha, falling)
    return alpha / (size + penalty.epsilon)


@pytest.mark.parametrize("penalty", [MCP(1.0, 4.0), SCAD(1.0, 3.7), LogSum(1.0, 0.5)])
def test_concave_penalties_end_at_stationary_points(penalty):
    X = make_data(200)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    S = covariance_of(X)
    model = GraphicalLasso(0.1, penalty=penalty).fit(X)
    T = model.precision_
    gradient, levels = S - np.linalg.inv(T), slopes(penalty, T, 0.1)
    np.fill_diagonal(levels, 0.0)
    violated = np.where(
        T != 0.0, np.abs(gradient + levels * np.sign(T)), np.abs(gradient) - levels
    ).max()
    target = 1e-6 * np.abs(S - np.diag(np.diag(S))).max()
    assert model.stationarity_tol_ == pytest.approx(target)
    assert violated <= 1.01 * target
    assert model.stationarity_ == pytest.approx(violated, rel=1e-3, abs=1e-12)
    assert not hasattr(model, "dual_gap_")
    plain = GraphicalLasso(0.1).fit(X)
    assert np.abs(T - np.diag(np.diag(T))).sum() > 0
    assert model.score(X) > plain.score(X)


def test_large_entries_are_those_of_maximum_likelihood():
    X = make_data(2000, 6, block=2)
    model = GraphicalLasso(0.15, penalty="mcp", standardize=True).fit(X)
    S = covariance_of(X)
    for j in range(0, 6, 2):
        pair = np.ix_([j, j + 1], [j, j + 1])
        np.testing.assert_allclose(model.precision_[pair], np.linalg.inv(S[pair]), 1e-4)
    assert (model.labels_ == [0, 0, 1, 1, 2, 2]).all()


def test_number_of_reweightings():
    X = make_data(200)
    adaptive = GraphicalLasso(0.1, penalty="log_sum", n_reweightings=1).fit(X)
    first = GraphicalLasso(0.1, tol=1e-9).fit(X)
    weights = 1.0 / (1.0 + np.abs(first.precision_))
    np.fill_diagonal(weights, 0.0)
    second = GraphicalLasso(0.1, penalty_weights=weights, tol=1e-9).fit(X)
    np.testing.assert_allclose(adaptive.precision_, second.precision_, atol=1e-3)
    assert adaptive.stationarity_ > adaptive.stationarity_tol_  # nor is it asked for


def test_missed_tolerance_is_told():
    X = make_data(15, 30)
    with pytest.warns(ConvergenceWarning, match="the duality gap is .*, asked were"):
        model = GraphicalLasso(0.01, max_iter=1).fit(X)
    assert np.isfinite(model.precision_).all()
    assert model.dual_gap_ > model.dual_gap_tol_
    with pytest.warns(ConvergenceWarning, match=r"alpha=0.01: .*, asked were 3"):
        graphical_lasso_path(covariance_of(X), alphas=[0.01], max_iter=1)
    assert duality_gap(covariance_of(X), model.precision_, off_diagonal(0.01, 30)) > 0


def test_path_is_that_of_single_fits():
    S = covariance_of(make_data())
    alphas, precisions, gaps = graphical_lasso_path(S, alphas=6, tol=1e-9)
    off = np.abs(S - np.diag(np.diag(S)))
    assert alphas[0] == pytest.approx(off.max())
    assert alphas[-1] == pytest.approx(0.05 * off.max())
    assert precisions[0].nnz == 12
    assert (gaps <= 12e-9).all()
    for alpha, precision in zip(alphas, precisions, strict=True):
        single = GraphicalLasso(alpha, covariance="precomputed", tol=1e-9).fit(S)
        np.testing.assert_allclose(precision.toarray(), single.precision_, atol=1e-3)
    below = graphical_lasso_path(S, alphas=[alphas[0] * 0.999], tol=1e-12)[1][0]
    assert below.nnz == 14


def test_path_with_unpenalised_entries_begins_where_others_are_zero():
    S = covariance_of(make_data())
    weights = 1.0 - np.eye(12)
    weights[0, 1] = weights[1, 0] = 0.0
    alphas, precisions, _ = graphical_lasso_path(S, alphas=3, penalty_weights=weights)
    assert precisions[0].nnz == 14
    top = graphical_lasso_path(S, alphas=[0.99 * alphas[0]], penalty_weights=weights)
    assert top[1][0].nnz == 16


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.ones((3, 3)), r"penalty_weights must have shape \(12, 12\)"),
        (-np.ones((12, 12)), "penalty_weights must be >= 0"),
        (np.triu(np.ones((12, 12))), r"must be symmetric; got .* at \(0, 1\)"),
        (np.full((12, 12), np.inf), "must be finite on the diagonal; got inf at feat"),
    ],
)
def test_wrong_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        GraphicalLasso(penalty_weights=weights).fit(make_data())


def test_wrong_data_are_named():
    X = make_data()
    X[:, 3] = 1.0
    with pytest.raises(ValueError, match="feature 3 is constant"):
        GraphicalLasso().fit(X)
    ridge = np.ones((12, 12))
    assert np.isfinite(
        GraphicalLasso(0.1, penalty_weights=ridge).fit(X).precision_
    ).all()
    given = GraphicalLasso(covariance="precomputed")
    with pytest.raises(ValueError, match="X must be a square covariance matrix"):
        given.fit(X)
    with pytest.raises(ValueError, match="X must be a symmetric covariance matrix"):
        given.fit(np.triu(np.ones((4, 4))))
    with pytest.raises(ValueError, match=r"positive semidefinite .* eigenvalue of -2"):
        given.fit(np.array([[1.0, 3.0], [3.0, 1.0]]))
    with pytest.raises(ValueError, match="sample_weight must be None"):
        given.fit(np.eye(3), sample_weight=np.ones(3))


def test_objective_of_indefinite_matrices_is_infinite():
    indefinite = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert log_det_objective(np.eye(2), np.zeros((2, 2)), indefinite) == np.inf
