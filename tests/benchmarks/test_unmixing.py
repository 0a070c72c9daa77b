"""What the tables of unmixing say about results."""

import numpy as np
import pytest

from benchmarks.unmixing._calls import fcls_gaps, nnls_violation, repeated
from sparsestat.unmixing import fcls, nnls

RNG = np.random.default_rng(0)
E = RNG.random((4, 30))
X = RNG.random((50, 30))


def test_gaps_bound_what_is_lost():
    best = fcls(X, E)
    gap, breach = fcls_gaps(X, E, best)
    assert gap < 1e-12 and breach < 1e-12
    worse = 0.9 * best + 0.1 / 4
    loss = 0.5 * np.sum((X - worse @ E) ** 2 - (X - best @ E) ** 2, axis=1)
    assert fcls_gaps(X, E, worse)[0] > loss.max() > 1e-6
    assert fcls_gaps(X, E, best - 0.01)[1] == pytest.approx(0.04, rel=1e-3)


def test_violations_of_the_signs_show():
    best = nnls(X, E)
    assert nnls_violation(X, E, best) < 1e-10
    assert nnls_violation(X, E, 0.9 * best) > 1e-3


def test_calls_are_repeated_within_the_limit():
    calls = []
    assert len(repeated(lambda: calls.append(0), 3, 60.0)) == len(calls) == 20
    assert repeated(lambda: calls.append(0), 3, 0.0) == []
