"""Groups and concave penalties of generalised linear models."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sparsestat.linear_model import (
    SparseCoxRegressor,
    SparseCoxRegressorCV,
    SparseGammaRegressor,
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
    SparsePoissonRegressor,
    SparsePoissonRegressorCV,
    cox_path,
    glm_path,
)
from sparsestat.optim import datafits, path, penalties, solve

N, P, SIZE = 90, 18, 3
GROUPS = np.arange(P) // SIZE


def problem(family, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P)) + 0.2
    X[rng.random((N, P)) < 0.3] = 0.0
    z = 0.8 * X[:, :4] @ np.array([1.0, -1.0, 0.5, 1.0])
    if family == "logistic":
        return X, np.where(z + rng.logistic(size=N) > 0.0, 1.0, -1.0)
    if family == "multinomial":
        return X, np.digitize(z + rng.logistic(size=N), [-1.0, 1.0])
    if family == "poisson":
        return X, rng.poisson(np.exp(z)).astype(float)
    if family == "gamma":
        return X, rng.gamma(2.0, np.exp(z) / 2.0)
    time = rng.exponential(np.exp(-z))
    return X, np.column_stack([time, rng.random(N) < 0.7]).astype(float)


MODELS = {
    "logistic": SparseLogisticRegression,
    "multinomial": SparseLogisticRegression,
    "poisson": SparsePoissonRegressor,
    "gamma": SparseGammaRegressor,
    "cox": SparseCoxRegressor,
}
each_family = pytest.mark.parametrize("family", list(MODELS))


def mean_loss(family, X, y, w, b):
    """The loss as cvxpy has it."""
    z = X @ w + b
    if family == "logistic":
        return cp.sum(cp.logistic(-cp.multiply(y, z))) / N
    if family == "poisson":
        least = np.where(y > 0.0, y * np.log(np.maximum(y, 1.0)) - y, 0.0).sum()
        return (cp.sum(cp.exp(z) - cp.multiply(y, z)) + least) / N
    if family == "gamma":
        least = (1.0 + np.log(y)).sum()
        return (cp.sum(cp.multiply(y, cp.exp(-z)) + z) - least) / N
    onehot = np.eye(3)[y]
    return (cp.sum(cp.log_sum_exp(z, axis=1)) - cp.sum(cp.multiply(onehot, z))) / N


@pytest.mark.parametrize("family", ["logistic", "multinomial", "poisson", "gamma"])
@pytest.mark.parametrize("name", ["group", "sparse_group"])
def test_groups_reach_the_objective_of_cvxpy(family, name):
    X, y = problem(family)
    labels = GROUPS.astype(float)
    labels[-2:] = np.nan  # without a penalty
    ratio = 0.3 if name == "sparse_group" else 1.0
    model = MODELS[family](
        alpha=0.09, penalty=name, l1_ratio=ratio, feature_groups=labels, tol=1e-8
    ).fit(X, y)
    shape = (P, 3) if family == "multinomial" else (P, 1)
    w, b = cp.Variable(shape), cp.Variable((1, shape[1]))
    target = y if family == "multinomial" else y[:, None]
    share = 1.0 - ratio if name == "sparse_group" else 1.0
    price = 0
    for g in range(P // SIZE):
        members = np.flatnonzero(labels == g)
        size = np.sqrt(len(members))
        if len(members):
            price += share * size * cp.norm(cp.vec(w[members], order="C"))
    price += (1.0 - share) * cp.sum(cp.abs(w[:-2]))
    objective = mean_loss(family, X, target, w, b) + 0.09 * price
    best = cp.Problem(cp.Minimize(objective))
    best.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.objective_ == pytest.approx(best.value, rel=1e-7)
    # The gap is a bound: no less than what is missing to the optimum.
    assert model.objective_ - best.value <= model.dual_gap_ + 1e-8
    assert not hasattr(model, "stationarity_")
    coef = model.coef_.T
    assert len(model.feature_groups_) == P // SIZE
    assert any(not coef[members].any() for members in model.feature_groups_)


@pytest.mark.parametrize("family", ["logistic", "poisson", "gamma"])
@pytest.mark.parametrize("name", ["group", "sparse_group"])
def test_non_negative_groups_reach_the_objective_of_cvxpy(family, name):
    X, y = problem(family)
    ratio = 0.4 if name == "sparse_group" else 0.0
    options = {"l1_ratio": ratio} if ratio else {}
    model = MODELS[family](
        0.05, penalty=name, feature_groups=SIZE, positive=True, tol=1e-8, **options
    ).fit(X, y)
    w, b = cp.Variable(P, nonneg=True), cp.Variable()
    size = sum(cp.norm(w[g : g + SIZE]) for g in range(0, P, SIZE))
    price = (1.0 - ratio) * np.sqrt(SIZE) * size + ratio * cp.sum(w)
    loss = mean_loss(family, X, y, w, b)
    least = cp.Problem(cp.Minimize(loss + 0.05 * price)).solve(solver="CLARABEL")
    assert (model.coef_ >= 0.0).all() and model.coef_.any()
    assert model.dual_gap_ <= model.dual_gap_tol_
    np.testing.assert_allclose(model.objective_, least, atol=2e-7)


@each_family
def test_groups_of_one_are_the_l1_norm(family):
    X, y = problem(family)
    if family == "multinomial":
        y = (y > 0).astype(int)  # groups hold all classes
    plain = MODELS[family](alpha=0.05, tol=1e-10).fit(X, y)
    for name, ratio in (("group", 1.0), ("sparse_group", 0.4)):
        model = MODELS[family](
            alpha=0.05, penalty=name, l1_ratio=ratio, feature_groups=1, tol=1e-10
        ).fit(X, y)
        np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-5)
        assert model.objective_ == pytest.approx(plain.objective_, rel=1e-8)


@each_family
@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_hardly_concave_is_the_l1_norm(family, name):
    X, y = problem(family)
    plain = MODELS[family](alpha=0.05, tol=1e-10).fit(X, y)
    model = MODELS[family](alpha=0.05, penalty=name, gamma=1e9, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-5)
    assert not hasattr(model, "dual_gap_")


def gradient(family, model, X, y):
    """Minus the gradient of the loss, at the fit."""
    z = X @ model.coef_.ravel() + model.intercept_
    if family == "logistic":
        return X.T @ (y / (1.0 + np.exp(y * z))) / N
    if family == "poisson":
        return X.T @ (y - np.exp(z)) / N
    return X.T @ (y * np.exp(-z) - 1.0) / N


def concave_slope(name, size, alpha):
    """Derivative of the penalty by another formula than that of the engine."""
    if name == "mcp":
        return np.clip(alpha - size / 3.0, 0.0, None)
    ratio = (3.7 * alpha - size) / (3.7 - 1.0)
    return np.where(size <= alpha, alpha, np.clip(ratio, 0.0, None))


@pytest.mark.parametrize("family", ["logistic", "poisson", "gamma"])
@pytest.mark.parametrize("name", ["mcp", "scad"])
def test_concave_fits_are_stationary(family, name):
    X, y = problem(family)
    model = MODELS[family](alpha=0.08, penalty=name).fit(X, y)
    w, q = model.coef_.ravel(), gradient(family, model, X, y)
    slope = concave_slope(name, np.abs(w), 0.08)
    excess = np.where(
        w != 0.0, np.abs(q - np.sign(w) * slope), np.maximum(np.abs(q) - slope, 0.0)
    )
    assert excess.max() == pytest.approx(model.stationarity_, abs=1e-12)
    assert model.stationarity_ <= model.stationarity_tol_
    assert 0 < np.count_nonzero(w) < P


def descend(X, y, alpha, gamma, w, b, n_passes=1000):
    """Coordinate descent on the majorised logistic loss with MCP, exact each."""
    bound = (X**2).sum(axis=0) / (4.0 * N)
    z = X @ w + b
    for _ in range(n_passes):
        before = w.copy()
        b_step = 4.0 * np.mean(y / (1.0 + np.exp(y * z)))
        b, z = b + b_step, z + b_step
        for j in range(P):
            slope = X[:, j] @ (y / (1.0 + np.exp(y * z))) / N
            local = penalties.MCP(alpha, gamma, np.ones(P))
            new = penalties.prox(local, w[j] + slope / bound[j], 1.0 / bound[j], j)
            z, w[j] = z + (new - w[j]) * X[:, j], new
        if np.abs(w - before).max() < 1e-10:
            break
    return w, b


def logistic_objective(X, y, alpha, gamma, w, b):
    local = penalties.MCP(alpha, gamma, np.ones(P))
    price = sum(penalties.value(local, v, j) for j, v in enumerate(w))
    return np.logaddexp(0.0, -y * (X @ w + b)).mean() + price


@pytest.mark.parametrize("alpha", [0.12, 0.08, 0.05])
def test_coordinate_descent_along_a_path_is_never_better(alpha):
    gamma = 8.0
    for seed in range(2):
        X, y = problem("logistic", seed)
        model = SparseLogisticRegression(alpha, penalty="mcp", gamma=gamma).fit(X, y)
        w, b = np.zeros(P), 0.0
        for strength in np.geomspace(4.0 * alpha, alpha, 10):
            w, b = descend(X, y, strength, gamma, w, b, n_passes=200)
        theirs = logistic_objective(X, y, alpha, gamma, w, b)
        assert model.objective_ <= theirs + 1e-7
        # Nor does it find a way down from here.
        w, b = descend(
            X, y, alpha, gamma, model.coef_.ravel().copy(), float(model.intercept_[0])
        )
        ours = logistic_objective(X, y, alpha, gamma, w, b)
        assert ours == pytest.approx(model.objective_, abs=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*did not converge")
def test_skglm_is_never_better():
    skglm = pytest.importorskip("skglm")
    from skglm.datafits import Logistic
    from skglm.penalties import MCPenalty
    from skglm.solvers import ProxNewton

    for seed in range(2):
        X, y = problem("logistic", seed)
        X = X - X.mean(axis=0)
        model = SparseLogisticRegression(
            0.08, penalty="mcp", gamma=8.0, fit_intercept=False
        ).fit(X, y)
        theirs = skglm.GeneralizedLinearEstimator(
            Logistic(), MCPenalty(0.08, 8.0), ProxNewton(fit_intercept=False, tol=1e-7)
        ).fit(np.asfortranarray(X), y)
        value = logistic_objective(X, y, 0.08, 8.0, theirs.coef_.ravel(), 0.0)
        assert model.objective_ <= value + 1e-7


@each_family
@pytest.mark.parametrize("name", ["mcp", "group"])
def test_sparse_x_weights_and_precision(family, name):
    X, y = problem(family)
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 3, N).astype(float)
    model = MODELS[family](alpha=0.06, penalty=name, feature_groups=SIZE, tol=1e-8)
    dense = clone(model).fit(X, y, sample_weight=weight)
    scarce = clone(model).fit(sparse.csc_array(X), y, sample_weight=weight)
    np.testing.assert_allclose(scarce.coef_, dense.coef_, atol=2e-5)
    rows = np.repeat(np.arange(N), weight.astype(int))
    repeated = clone(model).fit(X[rows], y[rows])
    np.testing.assert_allclose(repeated.coef_, dense.coef_, atol=2e-5)
    single = clone(model).set_params(tol=1e-6).fit(X.astype(np.float32), y, weight)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, dense.coef_, atol=2e-2)


def test_paths_are_fits_at_their_strengths():
    X, y = problem("poisson")
    alphas, coefs, gaps = glm_path(
        X, y, family="poisson", penalty="group", feature_groups=SIZE, alphas=6, tol=1e-9
    )
    model = SparsePoissonRegressor(
        alphas[4], penalty="group", feature_groups=SIZE, tol=1e-9
    ).fit(X, y)
    np.testing.assert_allclose(coefs[:, 4], model.coef_, atol=1e-5)
    assert (gaps <= model.dual_gap_tol_).all()
    assert coefs[:, 0].max() == 0.0 and coefs[:, 1].any()
    X, y = problem("cox")
    alphas, coefs, violations = cox_path(X, y, penalty="scad", alphas=5)
    model = SparseCoxRegressor(alphas[3], penalty="scad").fit(X, y)
    assert violations.max() <= model.stationarity_tol_


@pytest.mark.parametrize("criterion", [None, "bic"])
def test_cross_validation_takes_all_penalties(criterion):
    for cls, family in (
        (SparseLogisticRegressionCV, "multinomial"),
        (SparsePoissonRegressorCV, "poisson"),
        (SparseCoxRegressorCV, "cox"),
    ):
        X, y = problem(family)
        options = {"alphas": 6, "eps": 0.1, "criterion": criterion}
        model = cls(penalty="mcp", **options).fit(X, y)
        assert model.stationarity_ <= model.stationarity_tol_
        model = cls(penalty="group", feature_groups=SIZE, **options).fit(X, y)
        assert model.dual_gap_ <= model.dual_gap_tol_
        model = cls(
            penalty="sparse_group", l1_ratio=[0.2, 0.8], feature_groups=SIZE, **options
        ).fit(X, y)
        assert model.l1_ratio_ in (0.2, 0.8)


def test_degrees_of_freedom_of_groups_are_the_trace_of_the_fit():
    X, y = problem("poisson")
    found = []
    for penalty, ratio in (("group", 1.0), ("elasticnet", 0.0)):
        model = SparsePoissonRegressorCV(
            penalty=penalty, l1_ratio=ratio, criterion="aic", alphas=[0.05]
        ).fit(X, y)
        found.append(model.criterion_[0])
    # Groups of one: the penalty is straight, so that the support counts.
    group = SparsePoissonRegressor(0.05, penalty="group").fit(X, y)
    z = X @ group.coef_ + group.intercept_
    loss = np.exp(z) - y * z - y + np.where(y > 0, y * np.log(np.maximum(y, 1)), 0)
    size = np.count_nonzero(group.coef_) + 1
    assert found[0] == pytest.approx(2.0 * loss.sum() + 2.0 * size, rel=1e-6)


def test_objects_of_the_engine_and_their_alpha():
    X, y = problem("logistic")
    named = SparseLogisticRegression(0.06, penalty="mcp", gamma=4.0).fit(X, y)
    given = SparseLogisticRegression(0.06, penalty=penalties.MCP(7.0, 4.0)).fit(X, y)
    np.testing.assert_array_equal(named.coef_, given.coef_)
    model = SparseLogisticRegression(0.02, penalty=penalties.LogSum(1.0, 0.5))
    assert model.fit(X, y).stationarity_ <= model.stationarity_tol_
    group = penalties.GroupL2(1.0, GROUPS)
    model = SparseLogisticRegression(0.06, penalty=group).fit(X, y)
    found = solve(X, y, datafits.Logistic(), group._replace(alpha=0.06))
    np.testing.assert_allclose(model.coef_.ravel(), found.coef, atol=1e-12)


def test_a_refit_forgets_the_other_certificate():
    X, y = problem("logistic")
    model = SparseLogisticRegression(0.06, penalty="mcp").fit(X, y)
    model.set_params(penalty="group", feature_groups=SIZE).fit(X, y)
    assert not hasattr(model, "stationarity_tol_") and model.feature_groups_
    model.set_params(penalty="elasticnet").fit(X, y)
    assert not hasattr(model, "feature_groups_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": "l0"}, "penalty must be"),
        ({"penalty": "mcp", "l1_ratio": 0.5}, "l1_ratio must be 1.0"),
        ({"penalty": "scad", "gamma": 2.0}, "gamma must be > 2"),
        ({"gamma": 3.0}, "gamma must be None"),
        (
            {"penalty": "group", "positive": True, "feature_groups": GROUPS - 1},
            "positive must be False where features have no price",
        ),
        ({"penalty": "group", "penalty_weights": np.ones(P)}, "penalty_weights must"),
        ({"penalty": "sparse_group"}, "l1_ratio must be < 1"),
        ({"penalty": "group", "feature_groups": [[0, 1], [1, 2]]}, "feature_groups"),
        ({"penalty": "group", "feature_groups": np.zeros(3)}, "feature_groups"),
        ({"penalty": penalties.MCP(1.0), "gamma": 2.0}, "gamma must be None"),
    ],
)
def test_wrong_combinations_are_told(options, message):
    X, y = problem("logistic")
    with pytest.raises(ValueError, match=message):
        SparseLogisticRegression(**options).fit(X, y)


def test_penalties_infinitely_steep_at_zero_are_refused():
    X, y = problem("logistic")
    with pytest.raises(TypeError, match="finite slope at zero"):
        SparseLogisticRegression(penalty=penalties.Lq(1.0, 0.5)).fit(X, y)
    with pytest.raises(TypeError, match="must be separable"):
        path(X, y, datafits.Huber(1.0), penalties.MCP(0.1), alphas=[0.1])
