"""Helpers of the displays."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay
from sparsestat.plotting._style import COLORS, spread

unit = st.floats(0, 1).map(lambda value: round(value, 6))


@given(st.lists(unit, min_size=1, max_size=8), st.floats(0, 1))
def test_spread_labels_keep_their_distance_and_stay_inside(positions, share):
    positions = np.sort(positions)
    gap = share / max(1, len(positions) - 1)
    moved = spread(positions, gap)
    assert (np.diff(moved) >= gap - 1e-12).all()
    assert moved.min() >= 0 and moved.max() <= 1 + 1e-12
    if (np.diff(positions) >= gap).all():
        np.testing.assert_allclose(moved, positions, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_spread_moves_labels_as_little_as_possible(seed):
    rng = np.random.default_rng(seed)
    positions, gap = np.sort(rng.beta(0.5, 0.5, 6)), 0.15
    oracle = minimize(
        lambda moved: ((moved - positions) ** 2).sum(),
        np.linspace(0, 1, 6),
        jac=lambda moved: 2 * (moved - positions),
        bounds=[(0, 1)] * 6,
        constraints={"type": "ineq", "fun": lambda moved: np.diff(moved) - gap},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert oracle.success
    np.testing.assert_allclose(spread(positions, gap), oracle.x, atol=1e-6)


def test_colours_differ():
    assert len(set(COLORS)) == len(COLORS)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: CoefficientPathDisplay.from_path([1.0, 0.5], [[0.0, 1.0]]),
        lambda: CrossValidationDisplay(alphas=[1.0], scores=[[1.0, 2.0]]).plot(),
    ],
)
def test_without_matplotlib_the_extra_is_named(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plot needs matplotlib.*sparsestat\[plot\]"):
        draw()
