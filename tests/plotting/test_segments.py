"""Segments as they are drawn."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.linear_model import FusedLasso, Lasso
from sparsestat.plotting import SegmentDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def fitted():
    signal = np.repeat([0.0, 2.0, 1.0], 10)
    model = FusedLasso(0.001, tv_ratio=0.9, fit_intercept=False)
    return model.fit(sparse.eye_array(30, format="csc"), signal), signal


def test_a_line_for_each_segment_and_jump():
    model, signal = fitted()
    display = SegmentDisplay.from_estimator(model, observed=signal, truth=signal)
    lines = display.segments_.get_segments()
    assert len(lines) == 3
    np.testing.assert_allclose(lines[1][:, 0], [9.5, 19.5])
    np.testing.assert_allclose(lines[1][:, 1], model.coef_[10])
    assert len(display.jumps_.get_segments()) == 2
    colors = display.segments_.get_colors()
    assert not np.array_equal(colors[0], colors[1])  # the first segment is at zero
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["observed", "truth"]


def test_positions():
    model, _ = fitted()
    display = SegmentDisplay.from_estimator(model, positions=np.linspace(0, 1, 30))
    assert display.ax_.get_xlabel() == "position"
    assert display.observed_ is display.truth_ is None
    assert display.ax_.get_xlim()[1] < 1.1


def test_errors():
    model, _ = fitted()
    with pytest.raises(ValueError, match=r"observed must have shape \(30,\)"):
        SegmentDisplay.from_estimator(model, observed=[1.0])
    with pytest.raises(ValueError, match="positions must increase"):
        SegmentDisplay.from_estimator(model, positions=np.zeros(30))
    with pytest.raises(ValueError, match="coef must have shape"):
        SegmentDisplay(coef=[], segments=[]).plot()
    with pytest.raises(TypeError, match="segments_"):
        SegmentDisplay.from_estimator(Lasso(0.1).fit(np.eye(3), [1.0, 2.0, 4.0]))
