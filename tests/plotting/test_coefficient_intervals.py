"""Confidence intervals of coefficients: what is drawn, and in which order."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import DebiasedLasso
from sparsestat.plotting import CoefficientIntervalDisplay, _style

plt = pytest.importorskip("matplotlib.pyplot")

COEF = np.array([0.1, 2.0, -1.0, 0.0])
INTERVALS = np.array([[-0.5, 0.7], [1.5, 2.5], [-1.7, -0.3], [-np.inf, np.inf]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_clearest_are_on_top_and_coloured():
    display = CoefficientIntervalDisplay(coef=COEF, conf_int=INTERVALS).plot()
    assert list(display.features_) == [1, 2, 0, 3]
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["x1", "x2", "x0", "x3"]
    assert display.ax_.yaxis_inverted()
    blue, grey = to_rgba(_style.COLORS[0]), to_rgba(_style.GREY)
    colors = display.interval_lines_.get_colors()
    np.testing.assert_allclose(colors, [blue, blue, grey, grey])
    first = display.interval_lines_.get_segments()[0]
    np.testing.assert_array_equal(first, [[1.5, 0.0], [2.5, 0.0]])
    np.testing.assert_array_equal(
        display.points_.get_offsets()[:, 0], COEF[[1, 2, 0, 3]]
    )
    assert display.simultaneous_lines_ is None
    assert display.shrunk_points_ is None
    low, high = display.ax_.get_xlim()
    assert -3 < low < high < 4


def test_fewer_features():
    display = CoefficientIntervalDisplay(coef=COEF, conf_int=INTERVALS)
    assert list(display.plot(n_features=2).features_) == [1, 2]
    assert len(display.plot(n_features=None).features_) == 4


def test_options_of_the_lines():
    display = CoefficientIntervalDisplay(coef=COEF, conf_int=INTERVALS)
    display.plot(line_kw={"colors": "red"})
    np.testing.assert_array_equal(
        display.interval_lines_.get_colors(), [to_rgba("red")]
    )


def test_from_estimator():
    data = make_sparse_regression(60, 30, n_nonzero_coefs=3, snr=8.0, random_state=0)
    frame = pd.DataFrame(data.data, columns=[f"gene {j}" for j in range(30)])
    model = DebiasedLasso().fit(frame, data.target)
    display = CoefficientIntervalDisplay.from_estimator(model, n_features=5)
    top = display.features_[0]
    label = display.ax_.get_yticklabels()[0].get_text()
    assert label == f"gene {top}"
    np.testing.assert_array_equal(display.conf_int, model.conf_int_)
    together = model.conf_int(simultaneous=True)
    segments = display.simultaneous_lines_.get_segments()
    np.testing.assert_allclose(segments[0][:, 0], together[top])
    shrunk = display.shrunk_points_.get_offsets()[0, 0]
    assert shrunk == model.coef_[top]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["Lasso", "95 %, each by itself", "95 %, simultaneous"]


def test_level_and_pipeline():
    data = make_sparse_regression(60, 10, n_nonzero_coefs=3, random_state=0)
    model = make_pipeline(StandardScaler(), DebiasedLasso())
    model.fit(data.data, data.target)
    display = CoefficientIntervalDisplay.from_estimator(
        model, confidence_level=0.5, simultaneous=False
    )
    np.testing.assert_array_equal(display.conf_int, model[-1].conf_int(0.5))
    assert display.simultaneous_conf_int is None
    assert display.confidence_level == 0.5


def test_other_estimators_are_refused():
    X, y = np.eye(4), np.arange(4.0)
    with pytest.raises(TypeError, match="coef_debiased_ and conf_int, such as Debia"):
        CoefficientIntervalDisplay.from_estimator(LinearRegression().fit(X, y))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"coef": [[1.0]]}, r"coef must have shape \(n_features,\)"),
        ({"conf_int": [[1.0, 2.0]]}, r"conf_int must have shape \(4, 2\)"),
        ({"conf_int": INTERVALS[:, ::-1]}, "lower ends before upper ends"),
        ({"simultaneous_conf_int": INTERVALS * np.nan}, "and no NaN"),
        ({"shrunk_coef": [1.0]}, "inconsistent"),
        ({"feature_names": ["a"]}, "inconsistent"),
    ],
)
def test_bad_values_are_refused(wrong, message):
    values = {"coef": COEF, "conf_int": INTERVALS, **wrong}
    with pytest.raises(ValueError, match=message):
        CoefficientIntervalDisplay(**values).plot()
