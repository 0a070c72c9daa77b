"""Traces of the evidence as they are drawn."""

import numpy as np
import pytest

from sparsestat.bayes import (
    KroneckerSparseBayesian,
    MultiTaskSparseBayesianRegression,
    SparseBayesianRegression,
)
from sparsestat.datasets import make_mmv
from sparsestat.linear_model import Lasso
from sparsestat.plotting import EvidenceTraceDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    return make_mmv(30, 20, n_nonzero_coefs=3, random_state=0)


def test_curves_are_the_evidence_below_the_best(data):
    models = [
        SparseBayesianRegression(solver, noise_variance=data.noise_variance).fit(
            data.data, data.target[:, 0]
        )
        for solver in ("mm", "mackay")
    ]
    display = EvidenceTraceDisplay.from_estimators(models)
    costs = [np.array(model.history_["cost"]) for model in models]
    best = min(cost.min() for cost in costs)
    for line, cost in zip(display.lines_, costs, strict=True):
        below = 0.5 * (cost - best)
        np.testing.assert_allclose(line.get_ydata(), below[below > 0])
        np.testing.assert_array_equal(line.get_xdata(), 1 + np.flatnonzero(below > 0))
    assert [line.get_label() for line in display.lines_] == ["mm", "mackay"]
    assert display.ax_.get_legend() is not None
    assert np.diff(display.lines_[0].get_ydata()).max() <= 0


def test_several_targets_and_one_fit(data):
    model = MultiTaskSparseBayesianRegression(
        "ar1", noise_variance=data.noise_variance
    ).fit(data.data, data.target)
    _, ax = plt.subplots()
    display = EvidenceTraceDisplay.from_estimator(model, name="ar1", ax=ax)
    assert display.ax_ is ax and ax.get_legend() is None
    fall = 0.5 * 4 * (model.history_["cost"][0] - min(model.history_["cost"]))
    assert display.lines_[0].get_ydata()[0] == pytest.approx(fall)
    kronecker = KroneckerSparseBayesian().fit([data.data], data.target[:, 0])
    EvidenceTraceDisplay.from_estimator(kronecker)


def test_wrong_input_is_named(data):
    X, y = data.data, data.target[:, 0]
    messages = SparseBayesianRegression("gamp", noise_variance=1e-2).fit(X, y)
    with pytest.raises(ValueError, match="solver='gamp' does not leave"):
        EvidenceTraceDisplay.from_estimator(messages)
    with pytest.raises(TypeError, match="needs an estimator with history_"):
        EvidenceTraceDisplay.from_estimator(Lasso(alpha=0.1).fit(X, y))
    model = SparseBayesianRegression(noise_variance=1e-2).fit(X, y)
    with pytest.raises(ValueError, match="names must be 2 different ones"):
        EvidenceTraceDisplay.from_estimators([model, model])
    with pytest.raises(ValueError, match="non-empty vectors"):
        EvidenceTraceDisplay(evidences={}).plot()
    with pytest.raises(ValueError, match="must be finite"):
        EvidenceTraceDisplay(evidences={"a": [np.nan]}).plot()
