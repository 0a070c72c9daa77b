"""The partial likelihood: explicit risk sets, numeric conjugates, extremes."""

import numpy as np
import pytest

from sparsestat.optim.cox import PartialLikelihood
from sparsestat.optim.datafits import cox
from tests.naive import partial_likelihood

TIES = ["breslow", "efron"]


def cohort(n, seed=0, n_times=8):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, n_times, n).astype(float)
    event = rng.random(n) < 0.7
    event[0] = True
    weight = rng.integers(1, 4, n).astype(float)
    return time, event, weight, 2.0 * rng.standard_normal(n)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_loss_gradient_and_hessian_are_those_of_explicit_risk_sets(n, ties):
    time, event, weight, z = cohort(n, seed=n)
    value, gradient, hessian = partial_likelihood(time, event, weight, z, ties)
    smooth = PartialLikelihood(time, event, weight / weight.sum(), ties)
    found, u = smooth.evaluate(z[smooth.rows])
    assert found == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(-u, gradient[smooth.rows], atol=1e-14)
    X = np.random.default_rng(1).standard_normal((3, n))
    metric = smooth.metric(safe=False)
    sorted_X = np.ascontiguousarray(X[:, smooth.rows])
    means = metric.means(sorted_X)
    block = (sorted_X * metric.diagonal) @ sorted_X.T - (means * metric.mass) @ means.T
    np.testing.assert_allclose(block, X @ hessian @ X.T, atol=1e-13)


@pytest.mark.parametrize("ties", TIES)
def test_dual_is_the_loss_at_full_length_and_below_it_elsewhere(ties):
    time, event, weight, z = cohort(9)
    smooth = PartialLikelihood(time, event, weight / weight.sum(), ties)
    z = z[smooth.rows]
    value, u = smooth.evaluate(z)
    assert smooth.dual_value(u, 1.0) == pytest.approx(value + u @ z, abs=1e-13)
    bounds = {c: smooth.dual_value(u, c) for c in (0.0, 0.3, 0.7, 0.95, 1.0)}
    assert bounds[0.0] == pytest.approx(0.0, abs=1e-14)  # the saturated model
    rng = np.random.default_rng(2)
    for scale, bound in bounds.items():
        # -F*(-c u) <= F(z') + c <u, z'> for all z', whatever z' is.
        for _ in range(300):
            other = 3.0 * rng.standard_normal(len(z))
            assert bound <= smooth.evaluate(other)[0] + scale * u @ other + 1e-12
        smooth.evaluate(z)


def test_dual_of_one_risk_set_is_the_conjugate():
    """With a single event F* is known: the bound is not only valid but tight."""
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, False, False])
    smooth = PartialLikelihood(time, event, np.full(3, 1 / 3), "breslow")
    _, u = smooth.evaluate(np.array([0.3, -0.2, 1.0]))
    for scale in (0.2, 0.6, 0.99):
        p = np.array([1.0, 0.0, 0.0]) - 3.0 * scale * u
        exact = -np.sum(p * np.log(p)) / 3.0
        assert smooth.dual_value(u, scale) == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("ties", TIES)
def test_shift_and_scale_of_weights_change_nothing(ties):
    time, event, weight, z = cohort(30)
    first = PartialLikelihood(time, event, weight, ties)
    second = PartialLikelihood(time, event, 7.0 * weight, ties)
    z = z[first.rows]
    value, u = first.evaluate(z)
    shifted, v = second.evaluate(z + 1e3)
    assert shifted == pytest.approx(value, abs=1e-11)
    np.testing.assert_allclose(u, v, atol=1e-11)


def test_repeated_rows_are_weights_by_breslow():
    time, event, weight, z = cohort(30)
    copies = np.repeat(np.arange(30), weight.astype(int))
    weighted = PartialLikelihood(time, event, weight, "breslow")
    repeated = PartialLikelihood(
        time[copies], event[copies], np.ones(len(copies)), "breslow"
    )
    value, _ = weighted.evaluate(z[weighted.rows])
    assert repeated.evaluate(z[copies][repeated.rows])[0] == pytest.approx(value)


@pytest.mark.parametrize("ties", TIES)
def test_huge_predictions_neither_overflow_nor_cancel(ties):
    time, event, weight, z = cohort(30)
    smooth = PartialLikelihood(time, event, weight, ties)
    for size in (1e3, 1e6):
        value, u = smooth.evaluate(size * z[smooth.rows])
        assert np.isfinite(value) and value > 0.0
        assert np.isfinite(u).all()
        assert np.isfinite(smooth.dual_value(u, 0.5))


def test_without_events_there_is_no_loss():
    smooth = PartialLikelihood(
        np.arange(1.0, 5.0), np.zeros(4, bool), np.full(4, 0.25), "breslow"
    )
    value, u = smooth.evaluate(np.arange(4.0))
    assert value == 0.0
    np.testing.assert_array_equal(u, 0.0)


@pytest.mark.parametrize("ties", TIES)
def test_baseline_hazard_is_that_of_explicit_risk_sets(ties):
    time, event, weight, z = cohort(30)
    sets = cox.risk_sets(time, event, weight, ties)
    found = cox.baseline_hazard(sets, cox.denominators(sets, z[sets.order]))
    expected = []
    for t in np.unique(time[event]):
        tied = (time == t) & event
        d, mass = tied.sum(), weight[tied].sum()
        everyone, some = (
            (weight * np.exp(z))[chosen].sum() for chosen in (time >= t, tied)
        )
        if ties == "efron":
            levels = np.arange(d) / d
            expected.append((mass / d / (everyone - levels * some)).sum())
        else:
            expected.append(mass / everyone)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
