"""Plot of a report: times at equal certified gap, or curves, in panels by case."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks._tables import OURS, call_times, is_ours, our_best, result_at, seconds

_INK = "#22303c"
_MUTED = "#8a97a3"
_GRID = "#e6eaee"
_COLOUR = {
    "sparsestat": "#c8102e",
    "sklearn": "#e08a1e",
    "celer": "#3f7fbf",
    "skglm": "#4aa59a",
    "adelie": "#7a5ea8",
    "glmnet": "#6b7a87",
    "sortedl1": "#b5651d",
    "scikit-image": "#2f4f4f",
}
# Letters in a line of a panel's title.
_TITLE_WIDTH = 42
_STYLE = {
    "font.size": 9,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw(report: dict, path: Path, columns: int = 3) -> bool:
    """Draw the cases that can be drawn; returns whether there were any.

    Parameters
    ----------
    report : dict
        Content of the JSON file.
    path : pathlib.Path
        Picture to write.
    columns : int, default=3
        Panels in a row.
    """
    painters = {"path": _path, "calls": _calls, "cold": _cold, "grid": _grid}
    panels = []
    for name, record in report["cases"].items():
        painter = painters.get(record["kind"])
        if painter is not None and _has_results(record):
            panels.append((name, record, painter))
        panels += [(name, panel, _curves) for panel in record.get("curves", [])]
    if not panels:
        return False
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(4.4 * columns, 2.75 * rows + 0.9), layout="constrained"
        )
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for ax, (name, record, painter) in zip(axes, panels, strict=False):
            _clean(ax)
            ax.set_title(fill(f"{name}  {record['title']}", _TITLE_WIDTH))
            painter(ax, record)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        kinds = {record.get("kind") for _, record, _ in panels}
        heading = report["title"]
        if kinds & {"path", "grid"}:
            heading += ": time to an equal, independently certified gap"
        if any(case["settings"]["quick"] for case in report["cases"].values()):
            heading += " (quick run, small problems)"
        figure.suptitle(heading, fontsize=13, fontweight="bold", x=0.01, ha="left")
        if kinds & {"path", "grid"}:
            figure.legend(
                handles=_legend(), loc="outside lower left", ncols=4, frameon=False
            )
        figure.savefig(path, dpi=150, facecolor="white")
    return True


def _curves(ax, panel: dict) -> None:
    """Lines named at their ends, of one panel of a record."""
    for k, (label, x, y) in enumerate(panel["lines"]):
        colour = list(_COLOUR.values())[k % len(_COLOUR)]
        ax.plot(x, y, "o-", ms=4, lw=1.4, color=colour, label=label)
    ax.set(xlabel=panel["x"], ylabel=panel["y"])
    ax.legend(frameon=False, fontsize=8)
    ax.grid(axis="y", color=_GRID, linewidth=0.8)


def _has_results(record: dict) -> bool:
    if record["kind"] == "path":
        return any(peer.get("results") for peer in record["peers"].values())
    if record["kind"] == "calls":
        return bool(call_times(record))
    if record["kind"] == "cold":
        return any(fit.get("warm_cache") for fit in record["fits"].values())
    return any("peers" in cell for cell in record["cells"])


def _clean(ax) -> None:
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=_GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def _legend() -> list[Line2D]:
    def dot(label: str, size: float, face: str) -> Line2D:
        return Line2D(
            [], [], marker="o", ls="", ms=size, mfc=face, mec=_INK, label=label
        )

    return [
        dot("target gap of the case", 8, _INK),
        dot("looser gaps (1e-3, 1e-4)", 4.5, _INK),
        dot("target not reached: best gap beside it", 8, "white"),
    ]


def _path(ax, record: dict) -> None:
    """One row a solver: times at the looser gaps and at the target, joined."""
    targets = record["targets"]
    entries = []
    for key, peer in record["peers"].items():
        row = result_at(peer, targets[-1])
        if row is not None:
            entries.append((not row["met"], row["best"], key, peer, row))
    entries.sort(key=lambda e: e[:3], reverse=True)
    values: list[float] = []
    for y, (_, _, key, peer, row) in enumerate(entries):
        colour = _COLOUR.get(key, _MUTED)
        looser = [result_at(peer, target) for target in targets[:-1]]
        times = [r["best"] for r in looser if r["met"]]
        values += [*times, row["best"]]
        if times:
            ax.plot([min(times), row["best"]], [y, y], color=colour, lw=2, alpha=0.35)
            ax.plot(times, [y] * len(times), "o", ms=4.5, color=colour, alpha=0.6)
        face = colour if row["met"] else "white"
        ax.plot(row["best"], y, "o", ms=9, mfc=face, mec=colour, mew=1.6)
        text = seconds(row["best"])
        if not row["met"]:
            text += f" (gap {row['gap']:.0e})"
        ax.annotate(
            text,
            (row["best"], y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold" if key == OURS else "normal",
        )
    _label_rows(ax, [(e[2], e[3]["name"]) for e in entries])
    _log_time(ax, values, f"seconds at gap {targets[-1]:g}, best")


def _calls(ax, record: dict) -> None:
    """A line for each array, a dot for each call: time over our best."""
    times = call_times(record)
    labels = list(dict.fromkeys(label for calls in times.values() for label in calls))
    palette = [c for key, c in _COLOUR.items() if key != OURS]
    others = [label for label in labels if not is_ours(label)]
    for y, number in enumerate(reversed(sorted(times))):
        calls = times[number]
        unit = our_best(calls)
        for label in labels:
            if label in calls:
                ours = is_ours(label)
                at = others.index(label) % len(palette) if not ours else 0
                ax.plot(
                    calls[label]["best"] / (unit or 1.0),
                    y,
                    "o",
                    ms=8 if ours else 6,
                    color=_COLOUR[OURS] if ours else palette[at],
                    alpha=0.6 if ours and label != OURS else 1.0,
                    label=label if y == len(times) - 1 else None,
                )
    rows = [record["rows"][number] for number in reversed(sorted(times))]
    names = [f"{r['n_rows']} x {r['n_classes']}, {r['scale']:g}" for r in rows]
    _label_rows(ax, [("", name) for name in names])
    ax.axvline(1.0, color=_MUTED, lw=1)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("time over ours" if any(map(is_ours, labels)) else "seconds")
    ax.legend(
        fontsize=7,
        frameon=False,
        ncols=2,
        loc="upper left",
        bbox_to_anchor=(0, -0.3),
    )


def _cold(ax, record: dict) -> None:
    """Import and first fit: filled with a warm disk cache, hollow with none."""
    fits = {k: v for k, v in record["fits"].items() if v.get("warm_cache")}
    order = sorted(
        fits, key=lambda k: -sum(fits[k]["warm_cache"][s] for s in ("import", "first"))
    )
    values: list[float] = []
    for y, key in enumerate(order):
        colour = _COLOUR.get(key, _MUTED)
        warm, cold = (
            times["import"] + times["first"]
            for times in (fits[key]["warm_cache"], fits[key]["no_cache"])
        )
        values += [warm, cold]
        ax.plot([warm, cold], [y, y], color=colour, lw=2, alpha=0.35)
        ax.plot(cold, y, "o", ms=6, mfc="white", mec=colour, mew=1.4)
        ax.plot(warm, y, "o", ms=9, color=colour)
        ax.annotate(
            f"{seconds(warm)}, without cache {seconds(cold)}",
            (max(warm, cold), y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    _label_rows(ax, [(key, fits[key]["name"]) for key in order])
    _log_time(ax, values, "seconds, import and first fit")


def _grid(ax, record: dict) -> None:
    """Times of every cell relative to ours, or to the fastest where ours is absent."""
    cells = [cell["peers"] for cell in record["cells"] if "peers" in cell]
    names = list(dict.fromkeys(key for cell in cells for key in cell))
    base = OURS if OURS in names else None
    spread = np.linspace(-0.28, 0.28, max(2, len(cells)))
    for y, key in enumerate(reversed(names)):
        ratios, heights = [], []
        for cell, offset in zip(cells, spread, strict=False):
            if key not in cell or (base and base not in cell):
                continue
            fastest = min(entry["median"] for entry in cell.values())
            unit = cell[base]["median"] if base else fastest
            ratios.append(cell[key]["median"] / unit)
            heights.append(y + offset)
        ax.plot(ratios, heights, "o", ms=4, color=_COLOUR.get(key, _MUTED), alpha=0.75)
        middle = float(np.exp(np.mean(np.log(ratios))))
        ax.plot([middle] * 2, [y - 0.36, y + 0.36], color=_INK, lw=1.6)
        ax.annotate(
            f"{middle:.2g}x",
            (middle, y + 0.36),
            xytext=(3, 1),
            textcoords="offset points",
            fontsize=8,
        )
    _label_rows(ax, [(key, key) for key in reversed(names)])
    ax.axvline(1.0, color=_MUTED, lw=1)
    ax.set_xscale("log")
    ax.set_xlabel(f"time over that of {base or 'the fastest'}, a dot for each cell")


def _label_rows(ax, rows: list[tuple[str, str]]) -> None:
    ax.set_yticks(range(len(rows)), [name for _, name in rows])
    for label, (key, _) in zip(ax.get_yticklabels(), rows, strict=True):
        if key == OURS:
            label.set_fontweight("bold")
            label.set_color(_COLOUR[OURS])
    ax.set_ylim(-0.6, len(rows) - 0.4)


def _log_time(ax, values: list[float], label: str) -> None:
    ax.set_xscale("log")
    # room for the annotation right of the slowest
    low, high = min(values), max(values)
    ax.set_xlim(low / 1.4, high * max(2.5, (high / low) ** 0.45))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter("")
    ax.set_xlabel(label)
