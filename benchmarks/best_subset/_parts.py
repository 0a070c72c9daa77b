"""Where a fit of best subsets takes its time, and what its products cost at least."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from unittest import mock

from benchmarks._machine import dgemm_speed, triad_bandwidth
from benchmarks._tables import seconds

PRODUCTS, SWEEPS, PASSES = "products", "sweeps", "passes"


def measure(call: Callable, shape: tuple[int, int], repeat: int) -> dict:
    """Seconds of the parts of the fastest of some calls.

    Parameters
    ----------
    call : callable
        A fit of a dense design.
    shape : tuple of int
        Of X.
    repeat : int

    Returns
    -------
    parts : dict
        Seconds by the names of parts and in "all", "flops" of products, and how many
        times they take all of X ("reads").
    """
    found = []
    for _ in range(repeat):
        parts = {PRODUCTS: 0.0, SWEEPS: 0.0, PASSES: 0.0, "flops": 0.0, "reads": 0}
        with _watched(parts, shape):
            start = time.perf_counter()
            call()
            parts["all"] = time.perf_counter() - start
        found.append(parts)
    return min(found, key=lambda parts: parts["all"])


def sentence(title: str, target: float, parts: dict, nbytes: int) -> str:
    """What a target that is missed is missed by, and why."""
    read = parts["reads"] * nbytes
    least = parts["flops"] / (dgemm_speed(1500) * 1e9)
    least += read / (triad_bandwidth(10_000_000) * 1e9)
    products, sweeps, passes = (parts[name] for name in (PRODUCTS, SWEEPS, PASSES))
    rest = parts["all"] - products - sweeps - passes
    return (
        f"{title}: {seconds(target)} are aimed at, and the fastest call in parts took "
        f"{seconds(parts['all'])}. Of it products with columns of X took "
        f"{seconds(products)}, for {parts['flops'] / 1e9:.2f} Gflop and all of X "
        f"{parts['reads']} times, {read / 1e6:.0f} MB; at the rates of dgemm and triad "
        f"they would take {seconds(least)}. Features outside the searched ones can be "
        "judged only by products with the subsets, and a better subset with new "
        f"features needs another pass. Sweeps over sizes took {seconds(sweeps)}, two "
        f"passes for means and correlations {seconds(passes)}, and the rest, which "
        f"judges features and calls from Python, {seconds(rest)}."
    )


@contextlib.contextmanager
def _watched(parts: dict, shape: tuple[int, int]) -> Iterator[None]:
    """Time the parts by wrapping what they call."""
    from sparsestat.linear_model import _subset_moments
    from sparsestat.optim.subset import _sweep, problem

    n, p = shape

    def timed(function, part, flops=None):
        def wrapped(*args, **kwargs):
            start = time.perf_counter()
            result = function(*args, **kwargs)
            parts[part] += time.perf_counter() - start
            if flops is not None:
                flops(*args)
            return result

        return wrapped

    def of_block(source, rows, cols):  # all columns are asked for by `fill_rows`
        symmetric = len(cols) == len(rows)
        parts["flops"] += n * len(rows) * len(cols) * (1 if symmetric else 2)

    def of_rows(source, features, out):
        parts["flops"] += 2 * n * len(features) * p
        parts["reads"] += 1

    def of_gram(design, weight):
        parts["flops"] += n * p**2
        parts["reads"] += 1

    with contextlib.ExitStack() as stack:
        for home, name, part, flops in (
            (problem.DesignSource, "block", PRODUCTS, of_block),
            (problem.DesignSource, "fill_rows", PRODUCTS, of_rows),
            (problem, "gram_matrix", PRODUCTS, of_gram),
            (_sweep.Sweep, "start", SWEEPS, None),
            (_sweep.Sweep, "run", SWEEPS, None),
            (problem, "correlate", PASSES, None),
            (_subset_moments, "make_design", PASSES, None),
        ):
            wrapped = timed(getattr(home, name), part, flops)
            stack.enter_context(mock.patch.object(home, name, wrapped))
        yield
