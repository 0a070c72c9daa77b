"""The benchmarks page, from the JSON reports in ``doc/benchmarks``.

The marker ``<!-- reports -->`` in ``benchmarks.md`` becomes, for each report, a
summary, an account of what it says for and against us, its plot, its tables and its
machine.  All figures and comparisons are computed from the report; none is written by
hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks._tables import (
    OURS,
    call_times,
    factor,
    is_ours,
    our_best,
    result_at,
    seconds,
    section,
    table,
)

MARKER = "<!-- reports -->"
PAGE = "benchmarks"
FOLDER = "benchmarks"


def pages(folder: Path) -> Iterator[str]:
    """All reports of a folder, in Markdown."""
    reports = sorted(folder.glob("*.json"))
    if not reports:
        yield "There are no results in this checkout; `make bench` makes them."
    for path in reports:
        yield from account(json.loads(path.read_text()), path)


def account(report: dict, path: Path) -> Iterator[str]:
    """One report: summary, reading, plot, machine, tables."""
    cases = {k: v for k, v in report["cases"].items() if v["kind"] != "skipped"}
    yield f"## {report['title']}\n"
    if any(case["settings"]["quick"] for case in cases.values()):
        yield ":::{warning}\nA quick run: small problems, times mean nothing.\n:::\n"
    rows = [row for name, case in cases.items() if (row := summary(name, case))]
    head = ["case", "target gap", "sparsestat", "fastest peer", "peer / ours"]
    if rows:
        yield "\n".join(table(head, rows)) + "\n"
    if sentences := list(reading(cases)):
        yield "### What this says\n"
        yield "\n".join(f"- {sentence}" for sentence in sentences) + "\n"
    picture = path.with_suffix(".png")
    if picture.exists():
        yield f"```{{image}} {FOLDER}/{picture.name}"
        yield ":alt: Time of each library, a panel for each case"
        yield ":class: benchmark-plot\n```\n"
    yield "### Machine\n"
    yield "\n".join(machine(report["machine"], cases)) + "\n"
    for name, case in report["cases"].items():
        lines = section(name, case)
        yield "\n".join([f"### {lines[0].removeprefix('## ')}", *lines[1:]]) + "\n"
    yield f"All of it as JSON: {{download}}`{path.name} <{FOLDER}/{path.name}>`.\n"


def at_target(case: dict) -> tuple[dict | None, list[tuple[float, str]]]:
    """Our row at the target of a path, and the peers that met it, by time."""
    target = case["targets"][-1]
    ours = result_at(case["peers"].get(OURS, {}), target)
    rivals = []
    for key, peer in case["peers"].items():
        row = result_at(peer, target)
        if key != OURS and row is not None and row["met"]:
            rivals.append((row["best"], peer["name"]))
    return (ours if ours and ours["met"] else None), sorted(rivals)


def summary(name: str, case: dict) -> list[str] | None:
    """Row of a path: us beside the fastest peer that met the target."""
    if case["kind"] != "path":
        return None
    ours, rivals = at_target(case)
    cells = [f"{name}. {case['title']}", f"{case['targets'][-1]:g}"]
    cells.append(seconds(ours["best"]) if ours else "not reached")
    cells.append(f"{rivals[0][1]} {seconds(rivals[0][0])}" if rivals else "none met it")
    ratio = f"{rivals[0][0] / ours['best']:.2f}" if ours and rivals else ""
    return [*cells, ratio]


def reading(cases: dict[str, dict]) -> Iterator[str]:
    """Sentences that follow from the report, wins and losses alike."""
    paths = {name: case for name, case in cases.items() if case["kind"] == "path"}
    won, lost, missed, loose = [], [], [], []
    for name, case in paths.items():
        ours, rivals = at_target(case)
        if ours is None:
            missed.append(name)
        elif rivals:
            (won if ours["best"] <= rivals[0][0] else lost).append(name)
        loose += looser_losses(name, case)
    if won:
        yield f"sparsestat is the fastest that reaches the target in {_list(won)}."
    if lost:
        yield f"**A peer is faster** at the target in {_list(lost)}."
    if missed:
        yield f"**sparsestat misses the target** in {_list(missed)}."
    if loose:
        yield (
            "At looser gaps the order changes: "
            + "; ".join(loose)
            + ". Who needs no more than that has a faster choice there."
        )
    for name, case in cases.items():
        if case["kind"] == "grid" and case["summary"]:
            yield grid_sentence(name, case)
        if case["kind"] == "calls":
            yield from call_sentences(name, case)
        if case["kind"] == "cold" and case["fits"].get(OURS, {}).get("warm_cache"):
            yield cold_sentence(name, case)
    unmet = {
        peer["name"]
        for case in paths.values()
        for peer in case["peers"].values()
        if (row := result_at(peer, case["targets"][-1])) and not row["met"]
    }
    if unmet:
        yield (
            f"{_list(sorted(unmet))} did not reach the target everywhere within the "
            "limits of the sweep (gaps in italics below); such times are not compared."
        )


def looser_losses(name: str, case: dict) -> Iterator[str]:
    """Where a peer is faster at a gap that is looser than the target."""
    for target in case["targets"][:-1]:
        ours = result_at(case["peers"].get(OURS, {}), target)
        if not ours or not ours["met"]:
            continue
        faster = [
            (row["best"], peer["name"])
            for key, peer in case["peers"].items()
            if key != OURS and (row := result_at(peer, target)) and row["met"]
            if row["best"] < ours["best"]
        ]
        if faster:
            best, peer = min(faster)
            yield (
                f"in {name} at {target:g} {peer} takes {seconds(best)}, "
                f"sparsestat {seconds(ours['best'])}"
            )


def grid_sentence(name: str, case: dict) -> str:
    total = case["summary"]
    return (
        f"Single fits ({name}): the time over that of the fastest peer of each cell "
        f"has geometric mean {total['geometric_mean']:.2f}; in the worst cell it is "
        f"{total['worst']:.2f}, and {total['within_slack']} of {total['cells']} cells "
        "are within 1.25 times the fastest peer plus one millisecond."
    )


def call_sentences(name: str, case: dict) -> Iterator[str]:
    """How every other call compares with our best one, over the arrays of a case."""
    ratios: dict[str, list[float]] = {}
    for calls in call_times(case).values():
        ours = our_best(calls)
        for label, entry in calls.items():
            if ours and not is_ours(label):
                ratios.setdefault(label, []).append(entry["best"] / ours)
    for label, found in ratios.items():
        low, high = factor(min(found)), factor(max(found))
        span = f"{low} to {high}" if low != high else low
        yield f"{case['title']} ({name}): {label} takes {span} our time."


def cold_sentence(name: str, case: dict) -> str:
    fit = case["fits"][OURS]
    warm, cold = fit["warm_cache"], fit["no_cache"]
    return (
        f"Cold start ({name}): the first fit of a process takes "
        f"{seconds(warm['first'])} with a warm disk cache and {seconds(cold['first'])} "
        f"when everything has to be compiled; a second fit {seconds(warm['second'])}."
    )


def machine(facts: dict, cases: dict[str, dict]) -> Iterator[str]:
    """Facts that a reader needs to judge a time."""
    memory = f"{facts['memory_gib']} GiB" if facts["memory_gib"] else "size unknown"
    days = sorted({case["measured"] for case in cases.values()})
    threads = sorted({str(case["settings"]["threads"]) for case in cases.values()})
    yield f"- Processor: {facts['cpu']}, {facts['cores']} cores"
    yield f"- Memory: {memory}, measured at {facts['triad_gb_per_s']} GB/s (triad)"
    yield f"- Matrix product, measured: {facts['dgemm_gflop_per_s']} Gflop/s (dgemm)"
    yield f"- {facts['system']}, Python {facts['python']}, {facts['blas']}"
    yield f"- Threads of every solver: {_list(threads)}; measured on {_list(days)}"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def insert_reports(app, docname: str, source: list[str]) -> None:
    """Put the reports where the marker is."""
    if docname == PAGE:
        text = "\n".join(pages(Path(app.srcdir, FOLDER)))
        source[0] = source[0].replace(MARKER, text)


def note_reports(app, env, added, changed, removed) -> list[str]:
    """Read the page again at every build: the reports are not its source."""
    return [PAGE]


def setup(app) -> dict:
    app.connect("source-read", insert_reports)
    app.connect("env-get-outdated", note_reports)
    return {"parallel_read_safe": True}
