"""Multi-task Lasso and elastic net: certificates, scikit-learn, shapes."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model as theirs

from sparsestat.linear_model import (
    ElasticNet,
    Lasso,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    enet_path,
    lasso_path,
)
from sparsestat.linear_model._noise import degrees_of_freedom
from sparsestat.optim import datafits, penalties
from sparsestat.optim.run import Run
from tests.certificates import blocks_gap

N_TASKS = 3


def make_data(n=50, p=15):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    X[:, 1:] += 0.6 * X[:, :-1]
    W = np.zeros((p, N_TASKS))
    W[[1, 4, 9]] = rng.standard_normal((3, N_TASKS))
    return X, X @ W + rng.standard_normal((n, N_TASKS)) + [1.0, -2.0, 0.0]


@pytest.mark.parametrize("storage", ["F", "csc", "F32"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.6])
def test_fit_is_certified(storage, standardize, ratio):
    X, Y = make_data()
    p = X.shape[1]
    if storage == "csc":
        X[np.abs(X) < 0.4] = 0.0
    weight = 1.0 + np.arange(len(Y)) % 3
    prices = np.linspace(0.5, 2.0, p)
    prices[0], prices[1] = 0.0, np.inf
    make = {"F": np.asfortranarray, "csc": sparse.csc_array, "F32": np.float32}
    given = make[storage](X)
    model = MultiTaskElasticNet(
        0.2, l1_ratio=ratio, penalty_weights=prices, standardize=standardize
    ).fit(given, Y, sample_weight=weight)
    assert model.coef_.shape == (N_TASKS, p)
    assert not model.coef_[:, 1].any()
    assert model.coef_[:, 0].all()
    dense = given.toarray() if storage == "csc" else given.astype(float)
    share = weight / weight.sum()
    X, Y = dense - share @ dense, Y - share @ Y
    scale = np.sqrt(share @ X**2) if standardize else np.ones(p)
    root = np.sqrt(share)
    A = np.kron(root[:, None] * X / scale, np.eye(N_TASKS))
    b = (root[:, None] * Y).ravel()
    W = (model.coef_ * scale).T.astype(float)
    rows = [j * N_TASKS + np.arange(N_TASKS) for j in range(2, p)]
    gap = blocks_gap(
        A,
        b,
        W.ravel(),
        rows,
        0.2 * ratio * prices[2:],
        free=np.arange(N_TASKS),
        ridge=0.2 * (1 - ratio) * prices[2:] if ratio < 1.0 else None,
    )
    free = A[:, :N_TASKS]
    null = b - free @ np.linalg.lstsq(free, b)[0]
    tol = 1e-5 if storage == "F32" else 1e-6
    assert gap <= tol * (null @ null) / 2 * 1.001
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_objective_is_that_of_scikit_learn():
    X, Y = make_data()
    ours = MultiTaskLasso(0.2, tol=1e-10).fit(X, Y)
    their = theirs.MultiTaskLasso(0.2, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, their.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, their.intercept_, atol=1e-5)
    ours = MultiTaskElasticNet(0.2, l1_ratio=0.3, tol=1e-10).fit(X, Y)
    their = theirs.MultiTaskElasticNet(0.2, l1_ratio=0.3, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, their.coef_, atol=5e-5)
    np.testing.assert_allclose(ours.predict(X), their.predict(X), atol=1e-4)


def test_cross_validation_is_that_of_scikit_learn():
    X, Y = make_data()
    ours = MultiTaskLassoCV(alphas=20, eps=1e-2, tol=1e-9).fit(X, Y)
    their = theirs.MultiTaskLassoCV(alphas=20, eps=1e-2, tol=1e-9).fit(X, Y)
    np.testing.assert_allclose(ours.mse_path_, their.mse_path_, rtol=1e-4)
    np.testing.assert_allclose(ours.alpha_, their.alpha_)
    np.testing.assert_allclose(ours.coef_, their.coef_, atol=1e-4)
    k = int(np.flatnonzero(ours.alphas_ == ours.alpha_)[0])
    column = ours.path_coef_[:, [k]].toarray()
    np.testing.assert_array_equal(column.reshape(ours.coef_.shape), ours.coef_)
    np.testing.assert_array_equal(ours.path_intercept_[:, k], ours.intercept_)


@pytest.mark.parametrize("path", ["lasso_path", "enet_path"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_paths_take_several_tasks(path, dtype):
    X, Y = make_data()
    X = X.astype(dtype)
    ours = {"lasso_path": lasso_path, "enet_path": enet_path}[path]
    coefs = ours(X, Y, alphas=[0.5, 0.1])[1]
    their = getattr(theirs, path)(X.astype(float), Y, alphas=[0.5, 0.1], tol=1e-10)
    assert coefs.shape == (N_TASKS, X.shape[1], 2)
    assert coefs.dtype == dtype
    np.testing.assert_allclose(coefs, their[1], atol=0.02)
    with pytest.raises(ValueError, match="positive must be False with several tasks"):
        ours(X, Y, positive=True)


def test_one_task_is_the_lasso():
    X, Y = make_data()
    y = Y[:, 0]
    rows = MultiTaskLasso(0.2, tol=1e-10).fit(X, y[:, None])
    plain = Lasso(0.2, tol=1e-10).fit(X, y)
    assert rows.coef_.shape == (1, 15)
    np.testing.assert_allclose(rows.coef_[0], plain.coef_, atol=1e-5)
    assert rows.predict(X).shape == (50, 1)
    rows = MultiTaskElasticNet(0.2, tol=1e-10).fit(X, y[:, None])
    plain = ElasticNet(0.2, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(rows.coef_[0], plain.coef_, atol=1e-5)


@pytest.mark.parametrize("cls", [MultiTaskLasso, MultiTaskElasticNetCV])
def test_a_target_without_tasks_is_named(cls):
    X, Y = make_data()
    with pytest.raises(ValueError, match=r"\(n_samples, n_tasks\); got shape \(50,\)"):
        cls().fit(X, Y[:, 0])


def test_warm_start_and_least_squares():
    X, Y = make_data()
    model = MultiTaskLasso(0.1, warm_start=True, tol=1e-9).fit(X, Y)
    before = model.coef_.copy()
    assert model.fit(X, Y).n_iter_ == 1
    np.testing.assert_allclose(model.coef_, before, atol=1e-6)
    with pytest.warns(UserWarning, match="least squares"):
        free = MultiTaskLasso(0.0).fit(X, Y)
    ordinary = theirs.LinearRegression().fit(X, Y)
    np.testing.assert_allclose(free.coef_, ordinary.coef_, atol=1e-10)
    np.testing.assert_allclose(free.intercept_, ordinary.intercept_, atol=1e-10)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_degrees_of_freedom_are_the_divergence_of_the_fit(ratio):
    X, Y = make_data(n=20, p=10)
    penalty = penalties.RowL2(1.0, ratio)

    def follow(Y):
        run = Run(
            X, Y, datafits.Quadratic(), penalty, None, True, False, 1e-13, 100,
            "auto", "auto", 5,
        )  # fmt: skip
        found = run.follow(np.array([0.3, 0.1]))
        coefs = found.coefs.toarray().reshape(10, N_TASKS, -1)
        return run, found, np.einsum("ij,jtk->itk", X, coefs) + found.intercepts

    run, found, _ = follow(Y)
    divergence, step = np.zeros(2), 1e-4
    for i, t in np.ndindex(*Y.shape):
        shift = np.zeros(Y.shape)
        shift[i, t] = step
        change = follow(Y + shift)[2][i, t] - follow(Y - shift)[2][i, t]
        divergence += change / (2 * step)
    dof = degrees_of_freedom(run, found) + N_TASKS
    np.testing.assert_allclose(dof, divergence, rtol=1e-3)


@pytest.mark.parametrize("criterion", ["bic", "ebic"])
def test_criterion_finds_the_rows(criterion):
    X, Y = make_data(n=200)
    model = MultiTaskLassoCV(criterion=criterion, alphas=40).fit(X, Y)
    assert model.coef_[:, [1, 4, 9]].all()
    assert model.coef_.any(axis=0).sum() < 15
    assert model.noise_variance_ == pytest.approx(1.0, rel=0.2)
