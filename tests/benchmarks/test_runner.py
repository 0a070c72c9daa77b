"""Child processes, and the whole command on problems that take no time."""

import json
import signal
import time
from functools import partial

import pytest

from benchmarks import __main__ as command
from benchmarks import _peers, _runner
from benchmarks._case import Case, Settings, Skip, best_rows, run_peer
from benchmarks._measure import OutOfTimeError, attempt, deadline
from benchmarks._problem import save
from benchmarks._report import Report
from benchmarks._tables import call_times, document, largest_difference
from benchmarks.activations._calls import Row, calls_case
from benchmarks.linear_model._cross_validation import cross_validation_case
from benchmarks.linear_model._generate import ar1
from benchmarks.linear_model._paths import path_case
from benchmarks.linear_model._single_fits import summary

SMALL = partial(ar1, 30, 12, n_spikes=3, n_alphas=4)
ONE_CALL = Settings(peers=("sklearn",), repeat=1)


def test_path_meets_the_gap_that_it_reports():
    case = path_case("X", "small", SMALL, SMALL, targets=(1e-2, 1e-6))
    record = case.run(ONE_CALL)
    peer = record["peers"]["sklearn"]
    assert peer["status"] == "ok"
    assert set(peer["versions"]) == {"scikit-learn", "numpy", "scipy"}
    loose, tight = peer["results"]
    assert loose["met"] and loose["gap"] <= 1e-2
    assert tight["met"] and 0 < tight["gap"] <= 1e-6
    assert {run["options"] for run in peer["sweep"]} == {"Gram", "no Gram"}
    text = "\n".join(command._report.lines("X", {"title": "small", **record}))
    assert "| scikit-learn |" in text


def test_cross_validation_errors_are_those_of_certified_coefficients():
    record = cross_validation_case("X", "small", SMALL, SMALL, folds=3).run(ONE_CALL)
    runs = record["peers"]["sklearn"]["sweep"]
    assert record["peers"]["sklearn"]["results"][-1]["met"]
    assert max(run["deviation"] for run in runs) < 1e-10


def test_absent_and_broken_peers_become_rows(tmp_path, monkeypatch):
    problem = save(SMALL(), tmp_path)
    monkeypatch.setattr(_peers.load("adelie"), "interpreter", _no_environment)
    record = run_peer("adelie", "lasso_path", "", problem, [1e-3], ONE_CALL)
    assert record["status"] == "missing"
    assert record["reason"] == "no environment"
    record = run_peer(
        "sklearn", "lasso_path", "benchmarks._measure:nothing", problem, [1.0], ONE_CALL
    )
    assert record["status"] == "error"
    assert "nothing" in record["reason"]
    assert record["results"] == []
    text = document(_report_of({"kind": "path", "targets": [1.0], "peers": {}}))
    assert text.startswith("# Title: benchmarks")


def _no_environment():
    raise ImportError("no environment")


def _report_of(record):
    settings = {"repeat": 1, "threads": 1, "time_limit": 1.0, "quick": True}
    problem = {
        "n_samples": 1,
        "n_features": 1,
        "n_alphas": 1,
        "alpha_ratio": 1.0,
        "dtype": "float64",
        "bytes": 8,
    }
    machine = dict.fromkeys(
        ["cpu", "cores", "memory_gib", "system", "python", "blas"], "?"
    )
    machine |= {"triad_gb_per_s": 1.0, "dgemm_gflop_per_s": 1.0}
    case = {"title": "case", "settings": settings, "problem": problem, **record}
    return {"title": "Title", "machine": machine, "cases": {"X": case}}


def test_child_is_pinned_and_ended_in_time():
    events = _runner.measure("benchmarks._machine:measure", {"quick": True}, threads=1)
    assert events[0]["event"] == "machine"
    assert events[0]["triad_gb_per_s"] > 0
    late = _runner.measure("benchmarks._machine:measure", {"quick": True}, timeout=0.01)
    assert late[-1]["event"] == "timeout"
    assert _runner.environment(threads=3)["OPENBLAS_NUM_THREADS"] == "3"


def test_a_call_far_past_its_limit_is_interrupted_and_unsolved():
    def endless(tol):
        while True:
            time.sleep(0.01)

    run = attempt(endless, 0.1, certify=lambda value: 0.0, time_limit=0.05)
    assert run.gap == float("inf")
    assert run.seconds > 0.05
    quick = attempt(lambda tol: 7.0, 0.1, certify=lambda value: value, time_limit=9.0)
    assert quick.gap == 7.0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_an_interruption_that_was_swallowed_is_repeated():
    swallowed = False
    with pytest.raises(OutOfTimeError), deadline(0.01):
        try:
            time.sleep(9.0)
        except OutOfTimeError:  # as it is while a finaliser runs
            swallowed = True
        time.sleep(9.0)
    assert swallowed
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_setting_of_a_tighter_target_may_serve_a_looser_one():
    loose = {"target": 1e-3, "gap": 5e-4, "best": 2.0}
    tight = {"target": 1e-6, "gap": 5e-7, "best": 1.0}
    rows = best_rows([loose, tight], [], [1e-3, 1e-6])
    assert [(row["target"], row["best"]) for row in rows] == [(1e-3, 1.0), (1e-6, 1.0)]


def test_a_missed_target_shows_the_most_accurate_run():
    sweeps = [
        {"options": "a", "tol": 0.1, "gap": 1e-2, "seconds": 1.0},
        {"options": "a", "tol": 0.01, "gap": None, "seconds": 1.0},
    ]
    (row,) = best_rows([], sweeps, [1e-6])
    assert not row["met"]
    assert row["gap"] == 1e-2


def test_cells_without_a_rival_do_not_count():
    ours = {"sparsestat": {"median": 2.0, "met": True}}
    rival = {"celer": {"median": 1.0, "met": True}}
    missed = {"celer": {"median": 1.0, "met": False}}
    cells = [{"peers": ours | rival}, {"peers": ours | missed}, {"peers": rival}]
    assert summary(cells) == pytest.approx(
        {"cells": 1, "geometric_mean": 2.0, "worst": 2.0, "within_slack": 0}
    )


def test_command_writes_json_table_and_plot(tmp_path, monkeypatch, capsys):
    def skip(settings):
        raise Skip("no data here")

    family = command.families()["linear_model"]
    case = path_case("X", "small", SMALL, SMALL, targets=(1e-2, 1e-6))
    monkeypatch.setattr(family, "CASES", [case, Case("Y.a", "absent", skip)])
    out = ["--out", str(tmp_path)]
    command.main(["linear_model", "--peers", "sklearn", "--quick", *out])
    report = json.loads((tmp_path / "linear_model.json").read_text())
    assert list(report["cases"]) == ["X", "Y.a"]
    assert report["cases"]["Y.a"]["reason"] == "no data here"
    assert "Skipped: no data here." in (tmp_path / "linear_model.md").read_text()
    assert (tmp_path / "linear_model.png").stat().st_size > 10_000
    assert str(tmp_path) not in (tmp_path / "linear_model.json").read_text()

    with pytest.raises(SystemExit):
        command.main(["linear_model", "--cases", "Z", *out])
    assert "no case 'Z'" in capsys.readouterr().err


def test_report_of_another_machine_is_not_continued(tmp_path):
    path = tmp_path / "family.json"
    here = {"cpu": "this", "cores": 2, "python": "3.11"}
    first = Report.start(path, "family", "Family", here)
    first.add("A", {"kind": "skipped", "reason": "x"}, order=["A", "B"])
    again = Report.start(path, "family", "Family", here)
    assert list(again.content["cases"]) == ["A"]
    elsewhere = Report.start(path, "family", "Family", {**here, "cpu": "that"})
    assert elsewhere.content["cases"] == {}


def test_list_names_families_cases_and_peers(capsys):
    command.main(["--list"])
    printed = capsys.readouterr().out
    for word in ("linear_model", "M.gravier", "glmnet", "adelie"):
        assert word in printed


def test_calls_agree_and_do_without_an_absent_peer(monkeypatch):
    monkeypatch.setattr(_peers.load("entmax"), "interpreter", _no_environment)
    case = calls_case("X", "small", "sparsemax", [Row(7, 12, 1.0), Row(3, 40, 5.0)])
    peers = ("sparsestat", "numpy", "entmax")
    record = case.run(Settings(peers=peers, repeat=1))
    calls = call_times(record)[1]
    assert list(calls) == [
        "sparsestat",
        "sparsestat, CSR",
        "NumPy, sort",
        "two reads, one write",
    ]
    assert largest_difference(record) < 1e-6
    text = "\n".join(command._report.lines("X", {"title": "small", **record}))
    assert "| 3 x 40, 5 |" in text
    assert "entmax: not installed (no environment)." in text
