"""SLOPE and the fused Lasso in the engine: oracles, certificates, equivalences."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.datasets import load_diabetes

from sparsestat.optim import path, solve, to_cvxpy
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import (
    L1,
    SLOPE,
    TotalVariation,
    dual_norm,
    incidence,
    kind,
    n_degrees,
    prepare,
    segments,
    total,
    vector_prox,
)
from sparsestat.optim.proximal import prox_tv1d

STORAGES = {
    "F": np.asfortranarray,
    "C": np.ascontiguousarray,
    "csc": sparse.csc_array,
    "float32": lambda X: X.astype(np.float32),
}


def problem(n=40, p=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.5
    X[rng.random((n, p)) < 0.4] = 0.0
    X[:, 1] = X[:, 0] + 0.1 * rng.standard_normal(n)
    y = X @ np.repeat([2.0, 0.0, -1.0, 0.0, 0.0], p // 5) + rng.standard_normal(n)
    return X, y


def graph(p, seed=0):
    edges = np.random.default_rng(seed).integers(0, p, (2 * p, 2))
    return edges[edges[:, 0] != edges[:, 1]]


def coupled(p):
    return {
        "bh": SLOPE(0.1, np.linspace(3.0, 1.0, p)),
        "oscar": SLOPE(0.1, np.arange(p, 0.0, -1.0) / 10),
        "few": SLOPE(0.3, np.r_[np.ones(3), np.zeros(p - 3)]),
        "line": TotalVariation(0.2, 0.7),
        "variation": TotalVariation(0.2, 1.0),
        "graph": TotalVariation(0.1, 0.8, graph(p)),
        "graph variation": TotalVariation(0.1, 1.0, graph(p)),
    }


NAMES = list(coupled(5))


def independent_dual_norm(penalty, g):
    """The largest <g, w> at pen(w) = 1: by sorting, by intervals or by HiGHS."""
    if isinstance(penalty, SLOPE):
        lambdas = penalty.alpha * penalty.lambdas
        return max(np.cumsum(np.sort(np.abs(g))[::-1]) / np.cumsum(lambdas))
    t, s = penalty.alpha * penalty.tv_ratio, penalty.alpha * (1 - penalty.tv_ratio)
    if penalty.edges is None and s > 0:
        p = len(g)
        return max(
            abs(g[i:j].sum()) / (s * (j - i) + t * (int(i > 0) + int(j < p)))
            for i, j in itertools.combinations(range(p + 1), 2)
        )
    # Flows z and c with |z| <= c t, |g - D.T z| <= c s; the least c.
    D = incidence(penalty, len(g)).toarray()
    m, p = D.shape
    rows = [
        np.hstack([np.eye(m), -np.full((m, 1), t)]),
        np.hstack([-np.eye(m), -np.full((m, 1), t)]),
        np.hstack([D.T, -np.full((p, 1), s)]),
        np.hstack([-D.T, -np.full((p, 1), s)]),
    ]
    slack = 1e-9 * np.abs(g).max() if s == 0 else 0.0  # sums of g vanish up to rounding
    right = np.concatenate([np.zeros(2 * m), g + slack, -g + slack])
    cost = np.r_[np.zeros(m), 1.0]
    return linprog(cost, np.vstack(rows), right, bounds=(None, None)).fun


def gap_of(X, y, coef, penalty, sample_weight=None, fit_intercept=True):
    """Duality gap and the null model's objective, in plain numpy."""
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)
    n, p = X.shape
    s = np.full(n, 1 / n) if sample_weight is None else sample_weight
    s = s / s.sum()
    if fit_intercept:
        X, y = X - s @ X, y - s @ y
    X, y = np.sqrt(s)[:, None] * X, np.sqrt(s) * y
    penalty = prepare(penalty, p)
    u = y - X @ coef
    primal = u @ u / 2 + total(penalty, coef)
    null = y @ y / 2
    if getattr(penalty, "tv_ratio", 0.0) == 1.0:
        edges = penalty.edges
        parts = segments(np.zeros(p), edges)
        sums = X @ (parts[:, None] == np.unique(parts))
        basis = np.linalg.svd(sums, full_matrices=False)[0]
        u = u - basis @ (basis.T @ u)
        null = (y @ y - np.sum((basis.T @ y) ** 2)) / 2
    scale = min(u @ y / (u @ u), 1 / independent_dual_norm(penalty, X.T @ u))
    return primal - scale * (u @ y) + scale**2 * (u @ u) / 2, null


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [(40, 60), (80, 20)], ids=["wide", "tall"])
def test_certificate(name, storage, shape):
    X, y = problem(*shape)
    penalty = coupled(shape[1])[name]
    weight = np.arange(len(y)) % 4 + 0.0
    X = STORAGES[storage](X)
    for options in ({}, {"sample_weight": weight / weight.sum()}):
        found = solve(X, y, Quadratic(), penalty, tol=1e-6, **options)
        gap, null = gap_of(X, y, found.coef, penalty, **options)
        assert found.converged
        # HiGHS finds the dual norm of a graph, with its tolerance of 1e-7.
        slack = 1e-7 if "graph" in name or name == "variation" else 1e-12
        assert -slack * null <= gap <= (1e-6 + slack) * null


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_objective_is_that_of_cvxpy(name, fit_intercept):
    pytest.importorskip("cvxpy")
    X, y = problem()
    penalty = coupled(30)[name]
    found = solve(
        X, y, Quadratic(), penalty, fit_intercept=fit_intercept, tol=1e-9, max_iter=200
    )
    oracle, variables = to_cvxpy(
        X, y, Quadratic(), penalty, fit_intercept=fit_intercept
    )
    value = oracle.solve(solver="CLARABEL")
    np.testing.assert_allclose(found.objective, value, rtol=1e-7)
    np.testing.assert_allclose(found.coef, variables["coef"].value, atol=2e-3)


def standardized_diabetes():
    X, y = load_diabetes(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()


def test_golden_value_of_slope():
    X, y = standardized_diabetes()
    penalty = SLOPE(1.0, np.linspace(8, 2, 10))
    found = solve(X, y, Quadratic(), penalty, fit_intercept=False, tol=1e-12)
    np.testing.assert_allclose(found.objective, 1979.1774423808, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.coef[[1, 9]]), 1.82147, atol=5e-6)
    assert abs(found.coef[1]) == abs(found.coef[9])


@pytest.mark.parametrize("edges", [None, [[j, j + 1] for j in range(9)]])
def test_golden_value_of_the_fused_lasso(edges):
    X, y = standardized_diabetes()
    penalty = TotalVariation(5.0, 0.8, edges)
    found = solve(X, y, Quadratic(), penalty, fit_intercept=False, tol=1e-9)
    np.testing.assert_allclose(found.objective, 1872.9302119458, rtol=1e-11)
    labels = segments(found.coef, None if edges is None else np.array(edges))
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 2, 2, 2, 3, 3, 3])


@pytest.mark.parametrize(
    "penalty",
    [
        SLOPE(0.2, np.ones(30)),
        TotalVariation(0.2, 0.0),
        TotalVariation(0.2, 0.0, graph(30)),
    ],
    ids=["constant lambdas", "no variation", "no variation, graph"],
)
def test_degenerate_cases_are_the_lasso(penalty):
    X, y = problem()
    ours = solve(X, y, Quadratic(), penalty, tol=1e-12)
    lasso = solve(X, y, Quadratic(), L1(0.2), tol=1e-12)
    np.testing.assert_allclose(ours.coef, lasso.coef, atol=1e-5)
    np.testing.assert_allclose(ours.objective, lasso.objective, rtol=1e-10)


@pytest.mark.parametrize("lambdas", [np.linspace(1, 0.3, 200), np.arange(200, 0, -1)])
def test_slope_near_interpolation_does_not_stall(lambdas):
    # Random walks as features: as many clusters as samples, nearly collinear.
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.standard_normal((100, 1000)), axis=1) / 10
    X += rng.standard_normal(X.shape)
    y = 0.3 * (X[:, 150:200].sum(axis=1) - X[:, 600:650].sum(axis=1))
    y += rng.standard_normal(100)
    penalty = SLOPE(1.0, lambdas / lambdas[0])
    found = path(X[:, :200], y, Quadratic(), penalty, alphas=[0.3, 0.1, 0.05])
    assert found.converged.all()
    assert found.n_iters.max() <= 2  # without merging up to 31


def test_identity_is_the_proximal_operator():
    rng = np.random.default_rng(0)
    n = 400
    z = np.repeat([0.0, 2.0, 1.0, 4.0], 100) + rng.standard_normal(n)
    identity = sparse.eye_array(n, format="csc")
    found = solve(
        identity, z, Quadratic(), TotalVariation(5.0 / n, 1.0), fit_intercept=False,
        tol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(found.coef, prox_tv1d(z, 5.0), atol=1e-8)
    assert found.n_iter == 1


def test_repeated_rows_are_weights():
    X, y = problem()
    counts = np.arange(len(y)) % 3 + 1
    for name, penalty in coupled(30).items():
        options = {"tol": 1e-10, "max_iter": 200}
        weighted = solve(X, y, Quadratic(), penalty, sample_weight=counts / 1.0,
                         **options)  # fmt: skip
        repeated = solve(
            np.repeat(X, counts, axis=0), np.repeat(y, counts), Quadratic(), penalty,
            **options,
        )  # fmt: skip
        np.testing.assert_allclose(
            weighted.objective, repeated.objective, rtol=1e-8, err_msg=name
        )


@pytest.mark.parametrize("name", [name for name in NAMES if "graph" not in name])
def test_path_begins_where_coefficients_do(name):
    X, y = problem()
    penalty = coupled(30)[name]
    found = path(X, y, Quadratic(), penalty, alphas=15, eps=0.02)
    assert found.converged.all()
    first = found.coefs[:, [0]].toarray().ravel()
    alone = getattr(penalty, "tv_ratio", 0.0) == 1.0
    assert np.ptp(first) <= 1e-12 if alone else not first.any()
    just_below = found.alphas[0] * (1 - 1e-3)
    moved = path(X, y, Quadratic(), penalty, alphas=[just_below], tol=1e-9)
    moved = moved.coefs.toarray().ravel()
    assert np.ptp(moved) > 1e-6 if alone else moved.any()


def test_path_of_a_graph_begins_at_or_above_the_null_model():
    X, y = problem()
    for name in ("graph", "graph variation"):
        found = path(X, y, Quadratic(), coupled(30)[name], alphas=8, eps=0.05)
        assert found.converged.all()
        first = found.coefs[:, [0]].toarray().ravel()
        assert np.ptp(first) <= 1e-8 * np.abs(y).max()


@pytest.mark.parametrize("name", NAMES)
def test_warm_start_and_stationarity(name):
    X, y = problem()
    penalty = coupled(30)[name]
    cold = solve(X, y, Quadratic(), penalty, tol=1e-10, max_iter=200)
    warm = solve(X, y, Quadratic(), penalty, tol=1e-6, coef0=cold.coef)
    np.testing.assert_allclose(warm.objective, cold.objective, rtol=1e-5)
    assert 0.0 <= cold.stationarity < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_data(name):
    rng = np.random.default_rng(0)
    p = 10
    penalty = coupled(p)[name]
    X = rng.standard_normal((20, p))
    X[:, 3], X[:, 5] = X[:, 2], 1.0
    y = X[:, 0] + 0.1 * rng.standard_normal(20)
    cases = {
        "duplicated, constant": (X, y),
        "constant y": (X, np.full(20, 3.0)),
        "zero X": (np.zeros((20, p)), y),
        "two rows": (X[:2], y[:2]),
        "tiny column": (X * np.r_[1e-9, np.ones(p - 1)], y),
        "large offset": (X + 1e6, y),
    }
    for case, (design, target) in cases.items():
        found = solve(design, target, Quadratic(), penalty, tol=1e-6)
        assert np.isfinite(found.coef).all(), case
        assert found.converged, case
    one = SLOPE(0.1) if isinstance(penalty, SLOPE) else TotalVariation(0.1, 0.5)
    found = solve(X[:, :1], y, Quadratic(), one)
    lasso = L1(0.1 if isinstance(penalty, SLOPE) else 0.05)
    expected = solve(X[:, :1], y, Quadratic(), lasso)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if "graph" not in name])
def test_prox_dual_norm_and_value_agree(name):
    rng = np.random.default_rng(3)
    penalty = prepare(coupled(12)[name], 12)
    z = rng.standard_normal(12)
    w = vector_prox(penalty, z, 2.0)
    subgradient = (z - w) / 2.0
    np.testing.assert_allclose(subgradient @ w, total(penalty, w), atol=1e-10)
    assert dual_norm(penalty, subgradient) <= 1.0 + 1e-9
    g = z - z.mean() if name == "variation" else z
    np.testing.assert_allclose(
        dual_norm(penalty, g), independent_dual_norm(penalty, g), rtol=1e-7
    )


def test_kinds_and_degrees_of_freedom():
    assert kind(SLOPE(1.0)) == "slope"
    assert kind(TotalVariation(1.0, 0.5)) == "fused"
    w = np.array([1.0, -1.0, 0.0, 2.0, 2.0, 0.0])
    assert n_degrees(SLOPE(1.0), w) == 2
    assert n_degrees(TotalVariation(1.0, 0.5), w) == 3
    assert n_degrees(TotalVariation(1.0, 0.5), 0 * w) == 0


@pytest.mark.parametrize(
    "penalty, message",
    [
        (SLOPE(1.0, [1.0, 2.0]), "not increasing"),
        (SLOPE(1.0, [0.0, 0.0]), "the first one positive"),
        (SLOPE(1.0, [1.0]), r"must have shape \(2,\)"),
        (TotalVariation(1.0, 0.5, [[0, 1, 2]]), r"shape \(n_edges, 2\)"),
        (TotalVariation(1.0, 0.5, [[0, 2]]), r"features in \[0, 2\)"),
    ],
)
def test_errors(penalty, message):
    with pytest.raises(ValueError, match=message):
        solve(np.eye(3)[:, :2], np.ones(3), Quadratic(), penalty)


@pytest.mark.parametrize("alpha", [1e-3, 0.02, 0.2])
@pytest.mark.parametrize("multiple", [1.0, -2.5])
def test_centred_identity_takes_one_round(alpha, multiple):
    rng = np.random.default_rng(0)
    signal = np.repeat([1.0, 0.0, 3.0, 0.0, 0.0], 8) + 0.3 * rng.standard_normal(40)
    X = multiple * sparse.eye_array(40, format="csc")
    penalty = TotalVariation(alpha, 0.6)
    found = solve(X, signal, Quadratic(), penalty, tol=1e-10)
    assert found.n_iter == 1
    gap, null = gap_of(X, signal, found.coef, penalty)
    assert gap <= 1e-10 * null
    free = solve(X, signal, Quadratic(), penalty._replace(alpha=0.0), tol=1e-10)
    np.testing.assert_allclose(free.coef * multiple, signal - signal.mean(), atol=1e-12)
