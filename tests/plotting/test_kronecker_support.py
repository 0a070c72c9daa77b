"""Prior variances of factors as they are drawn."""

import numpy as np
import pytest

from sparsestat.bayes import KroneckerSparseBayesian
from sparsestat.datasets import make_kronecker_sparse
from sparsestat.linear_model import Lasso
from sparsestat.plotting import KroneckerSupportDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_bars_are_relative_standard_deviations():
    data = make_kronecker_sparse((6, 7), (8, 9), n_nonzero_coefs=2, random_state=0)
    model = KroneckerSparseBayesian().fit(data.factors, data.target)
    display = KroneckerSupportDisplay.from_estimator(
        model, true_supports=data.supports, names=["rows", "columns"]
    )
    assert [len(bars) for bars in display.bars_] == [8, 9]
    for bars, g in zip(display.bars_, model.prior_variance_, strict=True):
        heights = np.array([bar.get_height() for bar in bars])
        np.testing.assert_allclose(heights / heights.max(), np.sqrt(g / g.max()))
    for dots, support in zip(display.truths_, data.supports, strict=True):
        np.testing.assert_array_equal(dots.get_xdata(), np.flatnonzero(support))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["rows", "columns"]
    assert display.ax_.get_legend() is not None


def test_nothing_known_and_nothing_found():
    _, ax = plt.subplots()
    display = KroneckerSupportDisplay(prior_variance=[[0.0, 0.0]])
    assert display.plot(ax).ax_ is ax
    assert [bar.get_height() for bar in display.bars_[0]] == [0.0, 0.0]
    assert not display.truths_
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"prior_variance": []}, "non-empty sequence of vectors"),
        ({"prior_variance": [[[1.0]]]}, r"got shapes \[\(1, 1\)\]"),
        ({"prior_variance": [[-1.0]]}, "finite and >= 0"),
        (
            {"prior_variance": [[1.0]], "true_supports": [[True, False]]},
            r"true_supports must have shapes \[\(1,\)\]; got \[\(2,\)\]",
        ),
        ({"prior_variance": [[1.0]], "names": []}, "names must have 1 entries"),
    ],
)
def test_wrong_input_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        KroneckerSupportDisplay(**parameters).plot()


def test_other_estimators_are_refused():
    model = Lasso(0.1).fit(np.eye(3), np.arange(3.0))
    with pytest.raises(TypeError, match="KroneckerSparseBayesian"):
        KroneckerSupportDisplay.from_estimator(model)
