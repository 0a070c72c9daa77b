"""exp and log1p for loops against those of numpy in extended precision."""

import numpy as np
import pytest

from sparsestat.optim.elementary import exp, log1p
from sparsestat.utils.dispatch import kernel


@kernel
def exp_of(x, out):
    for i in range(len(x)):
        out[i] = exp(x[i])


@kernel
def log1p_of(x, out):
    for i in range(len(x)):
        out[i] = log1p(x[i])


def units_in_last_place(function, reference, x):
    out = np.empty_like(x)
    function(x, out)
    expected = reference(x.astype(np.longdouble))
    return np.abs(out - expected) / np.spacing(np.abs(expected.astype(float)))


@pytest.mark.parametrize(
    "low, high, bound",
    [
        (-1e-3, 1e-3, 1.2),
        (-1, 1, 1.2),
        (-40, 40, 1.2),
        (-708, 700, 2),
        (-746, 709.7, 3),
    ],
)
def test_exp(low, high, bound):
    x = np.random.default_rng(0).uniform(low, high, 100_001)
    assert units_in_last_place(exp_of, np.exp, x).max() < bound


@pytest.mark.parametrize("low, high", [(-745, -30), (-40, 0), (-1, 1), (0, 300)])
def test_log1p(low, high):
    x = np.exp(np.random.default_rng(0).uniform(low, high, 100_001))
    assert units_in_last_place(log1p_of, np.log1p, x).max() < 1.2


def test_extremes():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 709.79, -746.0, 1e300, -1e300])
    out = np.empty_like(x)
    exp_of(x, out)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out, np.exp(x))
    x = np.array([0.0, 5e-324, 1e-310, 1.0, np.nan, 1e308])
    out = np.empty_like(x)
    log1p_of(x, out)
    np.testing.assert_allclose(out, np.log1p(x), rtol=3e-16, atol=0.0)
    assert out[1] == 5e-324
