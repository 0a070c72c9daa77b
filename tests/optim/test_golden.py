"""Golden-section search over sizes."""

from math import inf

import numpy as np
import pytest

from sparsestat.optim.subset._golden import golden_section


def search(values, *, widen=False, ends=lambda k: False):
    """The best index, and those that were looked at."""
    seen = []

    def value(k):
        if k not in seen:
            seen.append(k)
        return values[k]

    return golden_section(len(values), value, ends, widen), sorted(seen)


@pytest.mark.parametrize("widen", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 21, 300])
def test_least_of_a_unimodal_function(n, widen):
    for best in {0, n // 7, n // 3, n - 1}:
        found, seen = search(np.abs(np.arange(n) - best - 0.1), widen=widen)
        assert found == best
        assert {max(best - 1, 0), best, min(best + 1, n - 1)} <= set(seen)
        if n == 300:
            assert len(seen) <= 25


@pytest.mark.parametrize("widen", [False, True])
def test_other_functions_lead_to_a_local_minimum(widen):
    for seed in range(20):
        values = np.random.default_rng(seed).standard_normal(60)
        found, seen = search(values, widen=widen)
        around = values[max(found - 1, 0) : found + 2]
        assert values[found] == around.min() == values[seen].min()


def test_what_cannot_be_and_ends():
    values = np.append(50.0 - np.arange(30), np.full(70, inf))
    assert search(values)[0] == 29
    assert search(values, widen=True)[0] == 29
    _, seen = search(-np.arange(100.0), widen=True, ends=lambda k: k >= 8)
    assert max(seen) <= 9
