"""Pages that are made from the code and from benchmark results, not written."""

import importlib
import inspect
import json
from pathlib import Path

__all__ = ["write_pages"]

_MODULES = (
    "linear_model",
    "datasets",
    "metrics",
    "plotting",
    "optim",
    "optim.penalties",
    "optim.datafits",
    "utils.criteria",
    "utils.discovery",
    "utils.dispatch",
    "utils.validation",
)


def write_pages(folder: Path) -> None:
    """Write the reference and the benchmark page."""
    (folder / "api.rst").write_text(_reference())
    (folder / "benchmarks.rst").write_text(_benchmarks(folder / "benchmarks"))


def _reference() -> str:
    lines = ["API", "===", ""]
    for short in _MODULES:
        name = f"sparsestat.{short}"
        module = importlib.import_module(name)
        summary = module.__doc__.splitlines()[0]
        lines += [name, "-" * len(name), "", summary, "", f".. currentmodule:: {name}"]
        lines += ["", ".. autosummary::", "   :toctree: api/generated", ""]
        for entry in module.__all__:
            value = getattr(module, entry)
            if inspect.isclass(value) or inspect.isroutine(value):
                lines.append(f"   {entry}")
        lines.append("")
    return "\n".join(lines)


def _benchmarks(folder: Path) -> str:
    lines = [
        "Benchmarks",
        "==========",
        "",
        "Every solver runs under the same conditions: one thread, a warm-up before the",
        "clock starts, and the tolerance of its own at which the *independently*",
        "computed duality gap, relative to the objective of the null model, meets the",
        "target.",
        "``make bench FAMILY=linear_model`` makes these tables anew.",
        "",
    ]
    for report in sorted(folder.glob("*.json")):
        facts = json.loads(report.read_text())
        title = facts.get("title", report.stem)
        lines += [title, "-" * len(title), ""]
        picture = report.with_suffix(".png")
        if picture.exists():
            lines += [f".. image:: benchmarks/{picture.name}", "   :width: 100%"]
            lines += [f"   :alt: {title}", ""]
        table = report.with_suffix(".md")
        if table.exists():
            lines += _rst_of_markdown(table.read_text())
    return "\n".join(lines) + "\n"


def _rst_of_markdown(text: str) -> list[str]:
    """The report's own Markdown: headings, paragraphs and pipe tables."""
    lines, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if rows:
            lines += [*_list_table(rows), ""]
            rows = []
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
            if line.startswith("## "):
                lines += ["", heading, "^" * len(heading), ""]
        else:
            lines.append(line)
    return lines


def _list_table(rows: list[list[str]]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for number, row in enumerate(rows):
        if number == 1:
            continue
        for column, cell in enumerate(row):
            lines.append(f"   {'*' if column == 0 else ' '} - {cell}")
    return lines
