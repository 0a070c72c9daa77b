"""Markdown tables of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OURS = "sparsestat"
DISTURBED = 1.1
"""Wall over processor time above which a measurement is called disturbed."""


def document(report: dict) -> str:
    """Return the whole report of a family in Markdown."""
    parts = [f"# {report['title']}: benchmarks", "", *_preface(report), ""]
    for name, record in report["cases"].items():
        parts += [*section(name, record), ""]
    return "\n".join(parts).rstrip() + "\n"


def section(name: str, record: dict) -> list[str]:
    """One case: its heading, its problem, its table."""
    render = {
        "path": _path,
        "calls": _calls,
        "cold": _cold,
        "grid": _grid,
        "intervals": _intervals,
        "tables": _ready,
        "skipped": lambda record: [f"Skipped: {record['reason']}."],
    }[record["kind"]]
    return [f"## {name}. {record['title']}", "", *render(record)]


def _preface(report: dict) -> list[str]:
    machine = report["machine"]
    memory = f"{machine['memory_gib']} GiB" if machine["memory_gib"] else "unknown"
    repeats = {c["settings"]["repeat"] for c in report["cases"].values()}
    threads = {c["settings"]["threads"] for c in report["cases"].values()}
    quick = any(c["settings"]["quick"] for c in report["cases"].values())
    text = [
        f"{machine['cpu']}, {machine['cores']} cores, memory {memory}, "
        f"{machine['system']}, Python {machine['python']}, {machine['blas']}. "
        f"Measured on it: {machine['triad_gb_per_s']} GB/s (triad), "
        f"{machine['dgemm_gflop_per_s']} Gflop/s (dgemm). "
        f"Threads of every solver: {_join(threads)}."
    ]
    if any(case["kind"] in ("path", "grid") for case in report["cases"].values()):
        text += [
            "",
            "Gap: duality gap of the returned coefficients, recomputed by one "
            "independent function in float64, relative to the objective of the null "
            "model, worst over the path. Each solver is swept over its own tolerances "
            "and settings; shown is the fastest whose gap meets the target, best and "
            f"median of {_join(repeats)} calls after a warm-up, in a fresh process. A "
            "gap in italics misses the target: it is the best that was reached. "
            "Settings that took over twice as long as the solver's best were not "
            "pursued.",
        ]
    if quick:
        text += ["", "**Quick run: small problems, times mean nothing.**"]
    return text


def _join(values: Iterable[object]) -> str:
    return ", ".join(str(v) for v in sorted(values))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Markdown table, first column left and the others right aligned.

    Examples
    --------
    >>> table(["a", "b"], [["x", "1"]])
    ['| a | b |', '|:--|--:|', '| x | 1 |']
    """
    rule = [":--", *["--:"] * (len(head) - 1)]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def seconds(value: float) -> str:
    """Time with three digits and a fitting unit.

    Examples
    --------
    >>> seconds(1.234), seconds(0.0123), seconds(4.2e-5)
    ('1.23 s', '12.3 ms', '42 µs')
    """
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if value * factor >= 1.0:
            return f"{value * factor:#.3g}".rstrip(".") + f" {unit}"
    return f"{value * 1e6:.0f} µs"


def megabytes(value: float) -> str:
    """Bytes as MB."""
    return f"{value / 1e6:.0f} MB"


def result_at(record: dict, target: float) -> dict | None:
    """Row of a peer for a target."""
    rows = [r for r in record.get("results", []) if r["target"] == target]
    return rows[0] if rows else None


def _path(record: dict) -> list[str]:
    targets, peers = record["targets"], record["peers"]
    main = targets[-1]
    ours = result_at(peers.get(OURS, {}), main)
    reference = ours["best"] if ours and ours["met"] else None
    memory = "memory_allowed" in record
    head = ["solver", "setting", "its tol", f"gap (target {main:g})", "best", "median"]
    head += ["x ours"] + [f"best at {t:g}" for t in targets[:-1]]
    head += ["memory beside X"] if memory else []
    rows, notes = [], []
    for peer in _by_time(peers, main):
        row = result_at(peer, main)
        if row is None:
            notes.append(_absence(peer))
            continue
        ratio = f"{row['best'] / reference:.2f}" if reference else ""
        gap = f"{row['gap']:.1e}" if row["met"] else f"*{row['gap']:.1e}*"
        cells = [peer["name"], row["options"], f"{row['tol']:.1e}", gap]
        cells += [seconds(row["best"]), seconds(row["median"])]
        cells += [ratio if row["met"] else f"(>{ratio})" if ratio else ""]
        for target in targets[:-1]:
            other = result_at(peer, target)
            cells.append(seconds(other["best"]) if other["met"] else "")
        if memory:
            cells.append(_memory(peer, row["options"]))
        rows.append(cells)
    out = [_describe(record["problem"]), "", *table(head, rows)]
    if memory:
        allowed = megabytes(record["memory_allowed"])
        out += ["", f"Allowed beside X: {allowed} (2.5 Gram caps + 100 MB)."]
    deviations = [
        f"{peer['name']} {worst:.0e}"
        for peer in peers.values()
        if (worst := _deviation(peer, main)) is not None
    ]
    if deviations:
        out += [
            "",
            "Largest relative difference between the reported cross-validation errors "
            f"and those of the certified coefficients: {', '.join(deviations)}.",
        ]
    disturbed = [
        peer["name"]
        for peer in peers.values()
        if (row := result_at(peer, main)) and row.get("cpu_of_best")
        if row["best"] > DISTURBED * row["cpu_of_best"]
    ]
    if disturbed:
        notes.append(
            "The machine was busy with something else: even the best call waited for "
            f"a processor, of {', '.join(disturbed)}."
        )
    if notes:
        out += ["", *notes]
    return out + _versions(peers)


def _by_time(peers: dict[str, dict], target: float) -> list[dict]:
    """Peers that met the target by time, then those that missed, then the absent."""

    def key(peer: dict) -> tuple:
        row = result_at(peer, target)
        return (2, 0.0) if row is None else (not row["met"], row["best"])

    return sorted(peers.values(), key=key)


def _absence(peer: dict) -> str:
    words = {"missing": "not installed", "timeout": "out of time", "error": "failed"}
    reason = peer.get("reason", "no result")
    return f"{peer['name']}: {words.get(peer['status'], peer['status'])} ({reason})."


def _memory(peer: dict, options: str) -> str:
    for entry in peer.get("memory", []):
        if entry["options"] == options and entry["extra"] is not None:
            return megabytes(entry["extra"])
    return ""


def _deviation(peer: dict, target: float) -> float | None:
    row = result_at(peer, target)
    for run in peer.get("sweep", []):
        if row and (run["options"], run["tol"]) == (row["options"], row["tol"]):
            return run.get("deviation")
    return None


def _describe(problem: dict) -> str:
    text = (
        f"n = {problem['n_samples']}, p = {problem['n_features']}, "
        f"{problem['dtype']}, X {megabytes(problem['bytes'])}"
    )
    if "nnz" in problem:
        text += f", {problem['nnz']} nonzeros"
    if "folds" in problem:
        text += f", {problem['folds']} folds"
    if problem["n_alphas"] == 1:
        return f"{text}, one strength."
    ratio = problem["alpha_ratio"]
    if "largest_alpha" in problem:
        largest = problem["largest_alpha"]
        return (
            f"{text}, {problem['n_alphas']} strengths from {largest:g} to "
            f"{ratio * largest:g}."
        )
    return (
        f"{text}, {problem['n_alphas']} strengths from alpha_max to "
        f"{ratio:g} alpha_max."
    )


def _versions(peers: dict[str, dict]) -> list[str]:
    parts = []
    for peer in peers.values():
        if peer.get("versions"):
            inner = ", ".join(f"{k} {v}" for k, v in peer["versions"].items())
            parts.append(inner)
    return ["", f"Versions: {'; '.join(parts)}."] if parts else []


def _calls(record: dict) -> list[str]:
    """Best times, a row for each array, or for each call where there is one array."""
    rows = record["rows"]
    times = call_times(record)
    best = {number: our_best(calls) for number, calls in times.items()}
    labels = list(dict.fromkeys(label for calls in times.values() for label in calls))
    unit = "a row" if record["per_row"] else "a call"
    out = [
        f"Best time of {unit} in a fresh process of each library after a warm-up, on "
        "the same arrays; in brackets over ours, the fastest of several.",
        "",
    ]

    def cell(number: int, label: str) -> str:
        entry = times.get(number, {}).get(label)
        if entry is None:
            return ""
        ratio = f" ({factor(entry['best'] / best[number])})" if best[number] else ""
        return seconds(entry["best"]) + ("" if is_ours(label) else ratio)

    if len(rows) == 1:
        calls = times.get(0, {})
        body = [
            [label, cell(0, label), seconds(calls[label]["median"])] for label in calls
        ]
        out += [_array(rows[0]) + ".", "", *table(["call", "best", "median"], body)]
    else:
        body = [
            [_array(row), *(cell(number, label) for label in labels)]
            for number, row in enumerate(rows)
        ]
        out += table(["rows x classes, scale", *labels], body)
    worst = largest_difference(record)
    if worst is not None:
        out += [
            "",
            "Sums of squares of the results differ between libraries by at most "
            f"{worst:.0e}, relative.",
        ]
    for peer in record["peers"].values():
        if peer["status"] != "ok":
            out += ["", _absence(peer)]
    return out + _versions(record["peers"])


def _ready(record: dict) -> list[str]:
    """Tables that the case has made itself, with notes before them."""
    out = [line for note in record["notes"] for line in (note, "")]
    for part in record["tables"]:
        out += [f"{part['title']}:", "", *table(part["head"], part["rows"]), ""]
    return out[:-1]


def is_ours(label: str) -> bool:
    """Whether a call is one of ours."""
    return label.split(",")[0] == OURS


def our_best(calls: dict[str, dict]) -> float | None:
    """Time of our plain call; of the fastest where all are variants."""
    if OURS in calls:
        return calls[OURS]["best"]
    return min((e["best"] for k, e in calls.items() if is_ours(k)), default=None)


def factor(ratio: float) -> str:
    """Ratio of two times, with two digits or as an integer.

    Examples
    --------
    >>> factor(0.0512), factor(7.13), factor(231.4)
    ('0.051x', '7.1x', '231x')
    """
    return f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.2g}x"


def call_times(record: dict) -> dict[int, dict[str, dict]]:
    """Entries of all peers by number of the array and label."""
    times: dict[int, dict[str, dict]] = {}
    for peer in record["peers"].values():
        for entry in peer["rows"]:
            times.setdefault(entry["row"], {})[entry["label"]] = entry
    return times


def largest_difference(record: dict) -> float | None:
    """Largest relative difference of sums of squares; None for divergent tasks."""
    worst = None
    for calls in call_times(record).values():
        known = [e["squares"] for e in calls.values() if e["squares"] is not None]
        if len(known) > 1 and not record["per_row"]:
            spread = (max(known) - min(known)) / max(known)
            worst = spread if worst is None else max(worst, spread)
    return worst


def _array(row: dict) -> str:
    return f"{row['n_rows']} x {row['n_classes']}, {row['scale']:g}"


def _cold(record: dict) -> list[str]:
    out = [
        f"Medians of {record['repeat']} fresh processes. Without a cache: the first "
        "process after an installation or an upgrade.",
        "",
    ]
    imports = [
        [f"`{what}`", seconds(times["import"])] if times else [f"`{what}`", "absent"]
        for what, times in record["imports"].items()
    ]
    out += [*table(["import", "time"], imports), ""]
    head = ["solver", "import", "first fit", "import + first fit", "second fit"]
    head += ["first fit, no cache"]
    rows = []
    for fit in record["fits"].values():
        warm, cold = fit.get("warm_cache"), fit.get("no_cache")
        if not warm or not cold:
            rows.append([fit["name"], *["not installed"], *[""] * 4])
            continue
        cells = [warm["import"], warm["first"], warm["import"] + warm["first"]]
        cells += [warm["second"], cold["first"]]
        rows.append([fit["name"], *map(seconds, cells)])
    return out + table(head, rows)


def _grid(record: dict) -> list[str]:
    cells = [cell for cell in record["cells"] if "peers" in cell]
    names = list(dict.fromkeys(peer for cell in cells for peer in cell["peers"]))
    head = ["n x p, alpha_max over", "support", *names, "ours / fastest peer"]
    rows = []
    for cell in cells:
        peers = cell["peers"]
        label = f"{cell['n_samples']} x {cell['n_features']}, {cell['divisor']}"
        row = [label, str(cell["support"])]
        for name in names:
            entry = peers.get(name)
            text = seconds(entry["median"]) if entry else ""
            row.append(text if not entry or entry["met"] else f"*{text}*")
        rivals = [e["median"] for k, e in peers.items() if k != OURS and e["met"]]
        ours = peers.get(OURS)
        ratio = (
            ours["median"] / min(rivals) if ours and ours["met"] and rivals else None
        )
        rows.append([*row, f"{ratio:.2f}" if ratio else ""])
    out = [
        f"Median of {record['repeat']} interleaved runs in one process, each solver at "
        f"its fastest setting whose certified gap is at most {record['target']:g} in "
        "that cell; in italics where none reached it.",
        "",
        *table(head, rows),
    ]
    summary = record["summary"]
    if summary:
        out += [
            "",
            "Ours over the fastest peer: geometric mean "
            f"{summary['geometric_mean']:.2f}, worst {summary['worst']:.2f}; "
            f"{summary['within_slack']} of {summary['cells']} cells "
            "within 1.25x + 1 ms.",
        ]
    for peer, reason in record["absent"].items():
        out += ["", f"{peer}: not installed ({reason})."]
    failed = [cell for cell in record["cells"] if "peers" not in cell]
    for cell in failed:
        reason = next(v["reason"] for v in cell.values() if isinstance(v, dict))
        out += ["", f"{cell['n_samples']} x {cell['n_features']}: {reason}"]
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    return [*out, "", f"Versions: {versions}."]


def _intervals(record: dict) -> list[str]:
    """Times of single fits, and shares of intervals that hold the truth."""
    head = ["solver", "best", "median", "x ours", "draws"]
    head += ["all hold", "signals hold", "mean width"]
    ours, rows, notes = record["peers"].get(OURS, {}).get("best"), [], []
    for peer in sorted(record["peers"].values(), key=lambda p: p.get("best", 1e99)):
        if "best" not in peer:
            notes.append(_absence({"status": "missing", **peer}))
            continue
        cells = [peer["name"], seconds(peer["best"]), seconds(peer["median"])]
        cells += [f"{peer['best'] / ours:.2f}" if ours else "", str(peer["n_draws"])]
        rows.append(cells + [f"{peer[key]:.3f}" for key in ("all", "signals", "width")])
    text = (
        f"{record['n_samples']} x {record['n_features']}, {record['n_signals']} "
        "coefficients of 1, noise of 1; intervals of 95 % for every coefficient. "
        "Widths compare only where the truth is held."
    )
    return [text, "", *table(head, rows), *([""] if notes else []), *notes]
