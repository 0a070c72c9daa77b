"""Degenerate data give numbers, and impossible ones errors that name them."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import (
    BlockSparseBayesianRegression,
    MultiTaskSparseBayesianRegression,
    SparseBayesianRegression,
)

TASKS = MultiTaskSparseBayesianRegression(max_iter=60)
MODELS = {
    "coupled": SparseBayesianRegression(coupling=0.5, max_iter=60),
    "blocks": BlockSparseBayesianRegression(2, max_iter=60),
    "tasks": TASKS,
    "tasks, gamp": clone(TASKS).set_params(solver="gamp"),
    "time": clone(TASKS).set_params(temporal="ar1"),
    "time, em": clone(TASKS).set_params(temporal="ar1", solver="em"),
    "time, gamp": clone(TASKS).set_params(temporal="ar1", solver="gamp"),
    "time, full": clone(TASKS).set_params(temporal="full"),
}
IS_COMPLEX = {"real": 1.0, "complex": 1.0 + 0.5j}


def draw(m=20, n=6, n_targets=None):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((m, n)), rng.standard_normal((m, n_targets or 1))
    Y += X[:, :1]
    return X, Y if n_targets else Y[:, 0]


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.mark.parametrize("unit", IS_COMPLEX.values(), ids=IS_COMPLEX)
@pytest.mark.parametrize("noise_variance", ["auto", 0.1])
@pytest.mark.parametrize("name", MODELS)
def test_degenerate_data_give_numbers(name, noise_variance, unit):
    model = clone(MODELS[name])
    model.set_params(noise_variance=noise_variance, allow_complex=True)
    X, y = draw(n_targets=3 if name[0] == "t" else None)
    X, y = unit * X, unit * y
    repeated, empty = np.column_stack([X, X]), np.column_stack([X, 0 * X])
    for A, b in [
        (repeated, y), (repeated[:5], y[:5]), (empty, y), (X, 0 * y), (0 * X, y),
        (X[:1], y[:1]), (X[:, :1], y), (X, np.ones_like(y)), (X, 1e-100 * y),
    ]:  # fmt: skip
        fit = fitted(model, A, b)
        for value in (
            fit.coef_, fit.coef_std_, fit.intercept_, fit.prior_variance_,
            fit.log_evidence_, fit.noise_variance_, fit.stationarity_,
            fit.predict(A, return_std=True)[1],
        ):  # fmt: skip
            assert np.isfinite(value).all()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1j * np.nan])
def test_entries_that_are_no_numbers_are_named(name, bad):
    model = clone(MODELS[name]).set_params(allow_complex=True)
    X, y = draw(n_targets=3 if name[0] == "t" else None)
    kind = np.result_type(X, bad)
    for A, b, message in [(X, y.copy(), "y"), (X.copy(), y, "X")]:
        A, b = A.astype(kind), b.astype(kind)
        {"X": A, "y": b}[message].flat[3] = bad
        with pytest.raises(ValueError, match=rf"(?i){message}.*(NaN|infinity|finite)"):
            model.fit(A, b)


@pytest.mark.parametrize("name", MODELS)
def test_complex_data_and_wrong_shapes_are_named(name):
    model = clone(MODELS[name])
    X, y = draw(n_targets=3 if name[0] == "t" else None)
    with pytest.raises(ValueError, match="Complex data not supported"):
        model.fit(1j * X, y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples|one row"):
        model.fit(X, y[1:])
    with pytest.raises(ValueError, match=r"y must have shape|2d|1d"):
        model.fit(X, y[:, 0] if y.ndim == 2 else np.column_stack([y, y]))
