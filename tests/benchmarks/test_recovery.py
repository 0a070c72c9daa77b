"""Transitions are where their names say, and are drawn."""

import pytest

from benchmarks import _figure
from benchmarks.recovery import _transition


@pytest.mark.parametrize(
    "rates, expected",
    [
        ([1.0, 0.75, 0.25], 0.25),
        ([0.4, 0.0, 0.0], 0.1),
        ([1.0, 1.0, 0.9], 0.3),
        ([1.0, 0.5, 0.0], 0.2),
    ],
)
def test_half_of_the_signals(rates, expected):
    assert _transition.half([0.1, 0.2, 0.3], rates) == pytest.approx(expected)


def test_curves_are_panels_of_the_figure(tmp_path):
    lines = [["htp", [0.1, 0.2], [0.2, 0.3]]]
    panel = {"title": "flat", "x": "m / n", "y": "s / m", "lines": lines}
    case = {"kind": "tables", "curves": [panel], "settings": {"quick": False}}
    picture = tmp_path / "recovery.png"
    report = {"title": "Recovery", "cases": {"A": case}}
    assert _figure.draw(report, picture) and picture.exists()
    assert not _figure.draw({"title": "Recovery", "cases": {}}, picture)
