"""Criteria of best subsets as they are drawn."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from sparsestat.linear_model import BestSubsetRegressor, Lasso
from sparsestat.plotting import SubsetSizeDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    X, y = load_diabetes(return_X_y=True)
    return np.column_stack([X, X[:, :3] * X[:, 2:5], X[:, 4:8] ** 2]), y


def test_proved_sizes_are_filled(data):
    model = BestSubsetRegressor(solver="exact").fit(*data)
    display = SubsetSizeDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.line_.get_ydata(), model.criterion_)
    np.testing.assert_array_equal(display.proved_.get_xdata(), model.sizes_)
    assert display.chosen_line_.get_xdata()[0] == model.n_nonzero_coefs_
    assert display.bound_lines_ is None
    np.testing.assert_array_equal(model.criterion_bounds_, model.criterion_)


def test_bars_reach_bounds_below_every_subset(data):
    X, y = data
    stopped = BestSubsetRegressor(solver="exact", max_nodes=1).fit(X, y)
    display = SubsetSizeDisplay.from_estimator(stopped)
    open_sizes = stopped.sizes_[~stopped.optimal_path_]
    assert len(open_sizes)
    np.testing.assert_array_equal(display.open_.get_xdata(), open_sizes)
    bars = display.bound_lines_.get_segments()
    assert [bar[0, 0] for bar in bars] == open_sizes.tolist()
    full = BestSubsetRegressor(stopped.sizes_, solver="exact").fit(X, y)
    assert (stopped.criterion_bounds_ <= full.criterion_ + 1e-9).all()
    assert all(bar[1, 1] < bar[0, 1] for bar in bars)


def test_errors_of_folds(data):
    model = BestSubsetRegressor(cv=3, max_nonzero_coefs=5).fit(*data)
    _, ax = plt.subplots()
    display = SubsetSizeDisplay.from_estimator(model, ax=ax)
    assert display.ax_ is ax
    np.testing.assert_allclose(display.criterion, model.mse_path_.mean(axis=1))


def test_wrong_input_is_named(data):
    with pytest.raises(TypeError, match=r"sizes_ and criterion_.*BestSubsetRegressor"):
        SubsetSizeDisplay.from_estimator(Lasso().fit(*data))
    with pytest.raises(ValueError, match=r"criterion must have shape \(2,\)"):
        SubsetSizeDisplay(sizes=[1, 2], criterion=[1.0], optimal=[True, True]).plot()
    with pytest.raises(ValueError, match="sizes must have shape"):
        SubsetSizeDisplay(sizes=[], criterion=[], optimal=[]).plot()
