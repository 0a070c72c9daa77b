"""The search for the settings at which a solver meets a gap."""

import doctest
import importlib

import pytest

from benchmarks._sweep import STALL, Run, fastest, sweep


def solver(gap_of_tol):
    """Stand-in whose time grows with accuracy; counts its calls."""
    calls = []

    def run(tol):
        calls.append(tol)
        gap = gap_of_tol(tol)
        return Run(tol, 1.0 / max(gap, 1e-12), gap)

    return run, calls


DECADES = [10.0**-k for k in range(1, 12)]


def test_stops_once_the_tightest_target_is_met():
    run, calls = solver(lambda tol: 5 * tol)
    runs = list(sweep(run, DECADES, [1e-2, 1e-4], n_refinements=0))
    assert runs[-1].gap <= 1e-4
    assert min(calls) == pytest.approx(1e-5)


def test_refinement_approaches_the_targets_from_below():
    run, _ = solver(lambda tol: 5 * tol)
    runs = list(sweep(run, DECADES, [1e-2, 1e-4], n_refinements=6))
    for target, closeness in ((1e-2, 0.5), (1e-4, 0.9)):
        best = fastest(runs, target)
        assert closeness * target <= best.gap <= target


def test_gives_up_on_a_solver_that_no_longer_improves():
    run, calls = solver(lambda tol: max(tol, 1e-3))
    runs = list(sweep(run, DECADES, [1e-6]))
    assert fastest(runs, 1e-6) is None
    assert len(calls) == 3 + STALL


@pytest.mark.parametrize("target", [1e-4, 1e-9])
def test_time_limit_ends_the_sweep_whether_the_target_was_met_or_not(target):
    run, _ = solver(lambda tol: tol)
    runs = list(sweep(run, DECADES, [target], time_limit=5e3))
    assert [r.seconds > 5e3 for r in runs] == [False] * 3 + [True]


@pytest.mark.parametrize(
    "module",
    [
        "_certify",
        "_measure",
        "_peers",
        "_sweep",
        "_tables",
        "linear_model._single_fits",
    ],
)
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"benchmarks.{module}"))
    assert result.failed == 0
    assert result.attempted > 0
