"""The report: JSON for machines and the documentation, Markdown and PNG for people.

The JSON holds ``family, title, machine`` and ``cases``, a record for each case with
``title, measured`` (date), ``settings`` and ``kind``:

- ``path``: ``problem`` (sizes), ``targets`` (gaps, the last one counts), ``peers``;
  a peer has ``name, status, versions, results`` (a row for each target with ``met,
  options, tol, gap, best, median, seconds``), ``sweep`` (all calibrating runs) and
  ``memory`` (peak beside X);
- ``grid``: ``cells`` of shape and strength with times of all peers, ``summary``;
- ``calls``: ``rows`` of arrays, ``per_row``, ``peers`` with ``name, status, versions,
  rows`` (an entry for each array and call with ``label, best, median, squares``);
- ``tables``: ``notes``, and ``tables`` with ``title, head, rows`` of text;
- ``cold``: ``imports`` and ``fits``;
- ``skipped``: ``reason``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import _tables

FORMAT = 1


class Report:
    """Results of one family, kept on disk after every case.

    Parameters
    ----------
    path : pathlib.Path
        The JSON file; table and plot are written beside it.
    content : dict
        ``format, family, title, machine, cases``.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content

    @classmethod
    def start(cls, path: Path, family: str, title: str, machine: dict) -> Report:
        """Continue the report at `path` if it is of this machine, else begin anew."""
        content = {
            "format": FORMAT,
            "family": family,
            "title": title,
            "machine": machine,
            "cases": {},
        }
        if path.exists():
            before = json.loads(path.read_text())
            same = ("cpu", "cores", "python")
            if before.get("format") == FORMAT and all(
                before["machine"].get(key) == machine.get(key) for key in same
            ):
                content["cases"] = before["cases"]
        return cls(path, content)

    def add(self, name: str, record: dict, order: Sequence[str]) -> None:
        """Put in the record of a case and save the JSON."""
        cases = {**self.content["cases"], name: record}
        self.content["cases"] = {key: cases[key] for key in order if key in cases}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.content, indent=1, allow_nan=False)
        self.path.write_text(text + "\n")

    def write(self) -> list[Path]:
        """Write table and plot; returns all files of the report."""
        table = self.path.with_suffix(".md")
        table.write_text(_tables.document(self.content))
        files = [self.path, table]
        try:
            from benchmarks._figure import draw
        except ImportError:
            print("no plot: matplotlib is not installed")
            return files
        picture = self.path.with_suffix(".png")
        if draw(self.content, picture):
            files.append(picture)
        return files


def lines(name: str, record: dict) -> list[str]:
    """Return a case's result for the screen."""
    return ["", *_tables.section(name, record), ""]
