"""Displays of maps and decoders, asked of their artists."""

import numpy as np
import pytest

from sparsestat.activations import bregman_decode, softmax, sparsemax, top_k
from sparsestat.plotting import DecoderDisplay, SimplexMapDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_curves_and_supports_of_a_map():
    display = SimplexMapDisplay.from_map(sparsemax, [0.0, 0.0], [1.0, -1.0])
    t = display.lines_[0].get_xdata()
    np.testing.assert_allclose(
        display.lines_[0].get_ydata(), np.clip(t + 0.5, 0, 1), atol=1e-15
    )
    # The first class is in the support from t = -1/2 on, the second up to 1/2.
    first, second = (bar.get_paths()[0].vertices[:, 0] for bar in display.supports_)
    assert first.min() == pytest.approx(-0.5, abs=0.02) and first.max() == 3.0
    assert second.max() == pytest.approx(0.5, abs=0.02) and second.min() == -3.0
    assert [label.get_text() for label in display.labels_] == ["0", "1"]


def test_options_of_a_map():
    _, ax = plt.subplots()
    display = SimplexMapDisplay.from_map(
        softmax,
        [0.0, 1.0, 0.5],
        [1.0, 0.0, 0.0],
        positions=[0.0, 1.0],
        class_names=["a", "b", "c"],
        ax=ax,
        line_kw={"linewidth": 5},
    )
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert display.lines_[2].get_label() == "c"
    assert display.lines_[0].get_linewidth() == 5


def test_what_decoders_keep():
    p = np.array([0.05, 0.5, 0.2, 0.15, 0.1])
    display = DecoderDisplay.from_decoders(
        p,
        {
            "top-2": lambda p: top_k(p, 2),
            "all": lambda p: bregman_decode(p, penalty=0.0)[0],
        },
    )
    assert display.sizes_ == {"top-2": 2, "all": 5}
    np.testing.assert_array_equal(display.line_.get_ydata(), np.sort(p)[::-1])
    two, every = display.decoded_lines_
    np.testing.assert_array_equal(two.get_xdata(), [1, 2])
    np.testing.assert_allclose(two.get_ydata(), np.array([0.5, 0.2]) / 0.7)
    np.testing.assert_allclose(every.get_ydata(), np.sort(p)[::-1])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["distribution, 5 tokens", "top-2, 2", "all, 5"]


def test_ranks_that_are_shown():
    p = np.arange(100.0, 0, -1) / 5050
    decoders = {"top-3": lambda p: top_k(p, 3)}
    display = DecoderDisplay.from_decoders(p, decoders)
    assert display.line_.get_xdata()[-1] == 12
    display = DecoderDisplay.from_decoders(
        p, decoders, max_rank=2, line_kw={"marker": "s"}
    )
    assert display.line_.get_xdata()[-1] == 2
    assert len(display.decoded_lines_[0].get_xdata()) == 2
    assert display.decoded_lines_[0].get_marker() == "s"
    alone = DecoderDisplay(probabilities=p, decoded={}).plot()
    assert alone.line_.get_xdata()[-1] == 100


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SimplexMapDisplay.from_map(sparsemax, [0.0], [1.0, 2.0]),
            r"shape \(n_classes,\)",
        ),
        (
            lambda: SimplexMapDisplay(positions=[1, 0], probabilities=[[1], [1]]),
            "positions must increase",
        ),
        (
            lambda: SimplexMapDisplay(positions=[0, 1], probabilities=[[1.0]]),
            r"probabilities must have shape \(2, n_classes\)",
        ),
        (
            lambda: SimplexMapDisplay(
                positions=[0, 1], probabilities=[[1.0], [1.0]], class_names=["a", "b"]
            ),
            "class_names must have shape",
        ),
        (
            lambda: DecoderDisplay(probabilities=[], decoded={}),
            "probabilities must have shape",
        ),
        (
            lambda: DecoderDisplay(probabilities=[1.0], decoded={"a": [0.5, 0.5]}),
            r"decoded\['a'\] must have shape",
        ),
        (
            lambda: DecoderDisplay.from_decoders([1.0], {}, max_rank=0),
            "max_rank must be",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call().plot()
