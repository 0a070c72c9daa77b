"""Data that break solvers, for the estimators whose own tests do not have them."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from sparsestat.linear_model import (
    AdaptiveLasso,
    FusedLasso,
    GroupLasso,
    MCPRegressor,
    MultiTaskElasticNet,
    MultiTaskLasso,
    RelaxedLasso,
    SCADRegressor,
    Slope,
    SparseGroupLasso,
    SparseHuberRegressor,
    SparseLogisticRegression,
    SparseQuantileRegressor,
    SqrtLasso,
)

P = 24
HARD = {
    "one feature": lambda X: X[:, :1],
    "two samples": lambda X: X[:2],
    "all zero": np.zeros_like,
    "constant columns": lambda X: np.where(np.arange(P) < 5, 3.0, X),
    "duplicated columns": lambda X: X[:, np.arange(P) // 3],
    "offset": lambda X: X + 1e6,
    "tiny columns": lambda X: X * np.where(np.arange(P) < 2, 1e-12, 1.0),
    "read only": lambda X: _locked(X),
}
MODELS = {
    "groups": GroupLasso(alpha=0.05, feature_groups=3),
    "sparse groups": SparseGroupLasso(alpha=0.05, feature_groups=3),
    "tasks": MultiTaskLasso(alpha=0.05),
    "tasks, elastic": MultiTaskElasticNet(alpha=0.05),
    "square root": SqrtLasso(alpha=0.2),
    "slope": Slope(alpha=0.02, lambdas="oscar"),
    "fused": FusedLasso(alpha=0.05),
    "adaptive": AdaptiveLasso(alpha=0.05, init="ridge"),
    "relaxed": RelaxedLasso(alpha=0.1),
    "mcp": MCPRegressor(alpha=0.1),
    "scad": SCADRegressor(alpha=0.1),
    "huber": SparseHuberRegressor(alpha=0.1),
    "robust groups": SparseHuberRegressor(alpha=0.1, penalty="group", feature_groups=3),
    "quantile": SparseQuantileRegressor(alpha=0.1),
    "classes by group": SparseLogisticRegression(
        alpha=0.05, penalty="group", feature_groups=3
    ),
}


def _locked(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def data(name, n=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, P))
    y = X[:, :4] @ np.array([2.0, -1.5, 1.0, 1.0]) + 0.5 * rng.standard_normal(n)
    if name.startswith("tasks"):
        return X, np.column_stack([y, X[:, 5] - y])
    if name.startswith("classes"):
        return X, (y > y[:2].mean()).astype(int)
    return X, y


def reached(model):
    """The certificate and its bound."""
    if hasattr(model, "stationarity_"):
        return model.stationarity_, model.stationarity_tol_
    return model.dual_gap_, model.dual_gap_tol_


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("name", MODELS)
def test_every_estimator_is_certified(name, storage):
    for how, spoil in HARD.items():
        X, y = data(name)
        X = spoil(X)
        if how == "offset" and storage == "sparse":
            X = X - 1e6 + 1e3  # centring on the way rounds more than centred blocks
        y = y[: len(X)]
        given = sparse.csc_array(X) if storage == "sparse" else X
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Interpolation is told by some, which is right.
            warnings.filterwarnings("ignore", message=".*interpolat")
            model = MODELS[name].fit(given, y)
        value, bound = reached(model)
        assert 0.0 <= value <= bound + 1e-300, how
        assert np.isfinite(model.coef_).all(), how
        assert np.isfinite(model.predict(given)).all(), how
        constant = np.ptp(X, axis=0) == 0.0
        assert not np.atleast_2d(model.coef_)[:, constant].any(), how


@pytest.mark.parametrize("name", MODELS)
def test_odd_sparse_matrices_are_what_they_stand_for(name):
    X, y = data(name)
    X[np.abs(X) < 0.5] = 0.0
    plain = np.copy(MODELS[name].set_params(tol=1e-8).fit(X, y).coef_)
    odd = sparse.csc_array(X + 1.0)
    odd.data = (X.T[np.ones((P, len(X)), bool)]).copy()  # explicit zeros
    odd.indptr = odd.indptr.astype(np.int64)
    odd.indices = odd.indices.astype(np.int64)
    for j in range(P):
        part = slice(odd.indptr[j], odd.indptr[j + 1])
        odd.data[part], odd.indices[part] = (
            odd.data[part][::-1],
            odd.indices[part][::-1],
        )
    odd.has_sorted_indices = False
    np.testing.assert_array_equal(odd.toarray(), X)
    try:
        found = MODELS[name].fit(odd, y).coef_
    finally:
        MODELS[name].set_params(tol=1e-6)
    np.testing.assert_allclose(found, plain, atol=2e-3)


@pytest.mark.parametrize("name", MODELS)
def test_targets_without_anything_to_explain(name):
    X, y = data(name)
    if name.startswith("classes"):
        with pytest.raises(ValueError, match="at least two classes"):
            MODELS[name].fit(X, np.ones(len(X)))
        return
    model = MODELS[name].fit(X, np.full_like(y, 3.0))
    np.testing.assert_allclose(model.coef_, 0.0, atol=1e-10)
    np.testing.assert_allclose(model.predict(X), 3.0, rtol=1e-9)
