"""Command line: ``python -m benchmarks FAMILY``, ``python -m benchmarks --list``."""

from __future__ import annotations

import argparse
import datetime
import importlib
import pkgutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks import _peers, _report, _runner
from benchmarks._case import Case, Settings, Skip

PEERS = (
    "sparsestat",
    "sklearn",
    "celer",
    "skglm",
    "adelie",
    "glmnet",
    "sortedl1",
    "skimage",
    "hidimstat",
    "numpy",
    "condat",
    "entmax",
)


def families() -> dict[str, ModuleType]:
    """Families that have benchmarks: the public subpackages of this one."""
    names = [
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.ispkg and not module.name.startswith("_")
    ]
    return {name: importlib.import_module(f"benchmarks.{name}") for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks of a family and write its report."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    known = families()
    if chosen.list or chosen.family is None:
        _list(known)
        return
    if chosen.family not in known:
        parser.error(f"no family {chosen.family!r}; there are {', '.join(known)}")
    family = known[chosen.family]
    cases = _select(parser, family.CASES, chosen.cases)
    unknown = set(chosen.peers) - set(PEERS)
    if unknown:
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {PEERS}")
    settings = Settings(
        peers=tuple(chosen.peers),
        repeat=chosen.repeat or (2 if chosen.quick else 5),
        threads=chosen.threads,
        time_limit=chosen.time_limit,
        quick=chosen.quick,
    )
    folder = chosen.out or Path(".out" if chosen.quick else "doc") / "benchmarks"
    report = _report.Report.start(
        folder / f"{chosen.family}.json",
        chosen.family,
        family.TITLE,
        _machine(settings),
    )
    for case in cases:
        print(f"{case.name}: {case.title}", flush=True)
        try:
            record = case.run(settings)
        except Skip as reason:
            record = {"kind": "skipped", "reason": str(reason)}
        record = {
            "title": case.title,
            "measured": datetime.date.today().isoformat(),
            "settings": {
                "repeat": settings.repeat,
                "threads": settings.threads,
                "time_limit": settings.time_limit,
                "quick": settings.quick,
            },
            **record,
        }
        report.add(case.name, record, order=[c.name for c in family.CASES])
        print("\n".join(_report.lines(case.name, record)), flush=True)
    print("written:", ", ".join(str(path) for path in report.write()))


def _machine(settings: Settings) -> dict:
    """Facts about the machine, from a process pinned as the measured ones are."""
    events = _runner.measure(
        "benchmarks._machine:measure",
        {"quick": settings.quick},
        threads=settings.threads,
    )
    facts = events[0]
    if facts.pop("event") != "machine":
        raise RuntimeError(f"the machine could not be described: {facts}")
    return facts


def _select(
    parser: argparse.ArgumentParser, cases: Sequence[Case], wanted: Sequence[str] | None
) -> list[Case]:
    """Cases named in full or by the part before the dot; all of them for None."""
    if wanted is None:
        return list(cases)
    for name in wanted:
        if not any(name in (c.name, c.name.split(".")[0]) for c in cases):
            parser.error(
                f"no case {name!r}; there are {', '.join(c.name for c in cases)}"
            )
    return [c for c in cases if {c.name, c.name.split(".")[0]} & set(wanted)]


def _list(known: dict[str, ModuleType]) -> None:
    for name, family in known.items():
        print(f"{name}: {family.TITLE}")
        for case in family.CASES:
            print(f"  {case.name:10} {case.title}")
    print("peers:", ", ".join(f"{p} ({_peers.load(p).NAME})" for p in PEERS))


def _parser() -> argparse.ArgumentParser:
    def words(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("family", nargs="?", help="what to measure, e.g. linear_model")
    add("--list", action="store_true", help="list families, cases and peers")
    add("--cases", type=words, help="comma-separated, e.g. A,C; default all")
    add("--peers", type=words, default=list(PEERS), help="comma-separated")
    add("--quick", action="store_true", help="small problems: does everything run?")
    add("--repeat", type=int, help="timed calls of each setting (5; quick 2)")
    add("--threads", type=int, default=1, help="threads of every solver (1)")
    add("--time-limit", type=float, default=60.0, help="seconds a call may take (60)")
    add(
        "--out",
        type=Path,
        help="folder of the report (doc/benchmarks; quick .out/benchmarks)",
    )
    return parser


if __name__ == "__main__":
    # an ended command ends its child too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    main()
