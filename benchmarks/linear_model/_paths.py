"""Paths at equal certificates: every peer, the same grid, one number each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import _peers
from benchmarks._case import Case, Settings, facts, run_peer
from benchmarks._problem import Problem, save
from benchmarks._runner import scratch

TARGETS = (1e-3, 1e-4, 1e-6)


def path_case(
    name: str,
    title: str,
    make: Callable[[], Problem],
    make_small: Callable[[], Problem],
    targets: Sequence[float] = TARGETS,
    gram_cap: int | None = None,
    task: str = "lasso_path",
) -> Case:
    """Case that times a path on a problem.

    Parameters
    ----------
    name, title : str
        See `Case`.
    make, make_small : callable
        Generators of the problem and of its quick version.
    targets : sequence of float
        Certified gaps relative to the null model, the last is the one that counts.
    gram_cap : int, optional
        Bytes that a Gram matrix may take; makes memory part of the report, allowed
        are 2.5 times that and 100 MB beside X.
    task : str, default="lasso_path"
        Function of the peers. Gaps of "mcp_path" are violations of stationarity,
        relative to the largest gradient at zero.
    """

    def run(settings: Settings) -> dict:
        with scratch() as folder:
            problem = save((make_small if settings.quick else make)(), folder)
            peers = {
                peer: run_peer(
                    peer,
                    task,
                    "benchmarks._measure:path",
                    problem,
                    targets,
                    settings,
                    function=task,
                )
                for peer in settings.peers
                if hasattr(_peers.load(peer), task)
            }
        record = {
            "kind": "path",
            "problem": facts(problem),
            "targets": list(targets),
            "peers": peers,
        }
        if gram_cap is not None:
            record["memory_allowed"] = int(2.5 * gram_cap + 100e6)
        return record

    return Case(name, title, run)
