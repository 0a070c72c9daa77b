"""What runs inside a child process: sweep, time, certify, weigh.

Each public function is a generator of events for `_runner.measure`.
"""

from __future__ import annotations

import gc
import math
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import _peers, _problem
from benchmarks._certify import worst_gap, worst_mcp_violation
from benchmarks._certify_blocks import worst_group_gap, worst_task_gap
from benchmarks._certify_classes import worst_class_gap
from benchmarks._certify_cox import worst_cox_gap
from benchmarks._certify_log_det import worst_log_det_gap
from benchmarks._certify_logistic import worst_logistic_gap
from benchmarks._certify_robust import huber_gap, quantile_gap
from benchmarks._certify_slope import worst_slope_gap
from benchmarks._certify_sqrt import worst_sqrt_gap
from benchmarks._sweep import Run, fastest, sweep

CLEARLY_SLOWER = 1.5
OVERTIME = 1.5
"""A call is interrupted after this many times the limit."""
_RING_AGAIN = 0.5
"""Seconds after which an interruption that went unnoticed is repeated."""


class OutOfTimeError(Exception):
    """Raised inside a call that takes too long."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End the block with `OutOfTimeError` after `seconds`.

    A call that stays in compiled code is only interrupted when it comes back.
    """

    def ring(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: an exception is lost where a finaliser happens to run.
    signal.setitimer(signal.ITIMER_REAL, seconds, _RING_AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Timing(NamedTuple):
    """A timed call.

    Attributes
    ----------
    seconds : float
        Wall-clock time.
    cpu : float or None
        Processor time of this process; less than `seconds` when the machine was
        busy with something else. None for a peer that measured itself elsewhere.
    value : object
        What the call returned.
    """

    seconds: float
    cpu: float | None
    value: Any


def timed(function: Callable, *args, **kwargs) -> Timing:
    """Call `function` and time it; a peer that runs elsewhere times itself."""
    gc.collect()
    return _timed(function, *args, **kwargs)


def _timed(function: Callable, *args, **kwargs) -> Timing:
    cpu = time.process_time()
    start = time.perf_counter()
    value = function(*args, **kwargs)
    seconds = time.perf_counter() - start
    cpu = time.process_time() - cpu
    if isinstance(value, _peers.Timed):
        return Timing(value.seconds, None, value.value)
    return Timing(seconds, cpu, value)


def attempt(
    solve: Callable[[float], Any],
    tol: float,
    certify: Callable[[Any], float],
    time_limit: float,
) -> Run:
    """Solve at `tol` and certify; a call far past the limit counts as unsolved."""
    longest = OVERTIME * time_limit
    gc.collect()  # not against the limit
    try:
        with deadline(longest):
            seconds, _, value = _timed(solve, tol)
    except OutOfTimeError:
        return Run(tol, longest, math.inf)
    return Run(tol, seconds, certify(value))


def certified(problem: _problem.Problem, coefs: Any, task: str = "lasso_path") -> float:
    """Worst relative gap of a path, with the solver's own dual points if any.

    With ``mcp_path``, which is not convex, the worst relative violation.
    """
    if task == "class_fits":
        return worst_class_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "cox_path":
        return worst_cox_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "group_path":
        return worst_group_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "multi_task_path":
        return worst_task_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "logistic_path":
        return worst_logistic_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "graphical_lasso":
        return worst_log_det_gap(problem.X, coefs, problem.alphas)
    if task == "mcp_path":
        return worst_mcp_violation(problem.X, problem.y, coefs, problem.alphas)
    if task == "huber_path":
        return huber_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "quantile_path":
        return quantile_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "slope_path":
        return worst_slope_gap(problem.X, problem.y, coefs, problem.alphas)
    if task == "sqrt_path":
        return worst_sqrt_gap(problem.X, problem.y, coefs, problem.alphas)
    duals = None
    if isinstance(coefs, _peers.WithDuals):
        coefs, duals = coefs
    return worst_gap(problem.X, problem.y, coefs, problem.alphas, duals=duals)


def repeat_timed(function: Callable, repeat: int, budget: float) -> list[Timing]:
    """Time up to `repeat` calls, fewer once `budget` seconds are spent."""
    done: list[Timing] = []
    while len(done) < repeat and sum(t.seconds for t in done) < budget:
        done.append(timed(function)._replace(value=None))
    return done


def path(
    peer: str,
    options: dict,
    folder: str,
    targets: Sequence[float],
    repeat: int,
    time_limit: float,
    best: Sequence[float | None],
    function: str = "lasso_path",
) -> Iterator[dict]:
    """Sweep the tolerance of one peer on a path, then time its best settings.

    `best` holds, for each target, the seconds of the fastest setting timed before;
    `function` is that of the peer and decides on the certificate.

    Yields ``versions``, ``memory``, a ``run`` for each tolerance and a ``timed``
    for each target that was met.
    """
    module = _peers.load(peer)
    yield {"event": "versions", "versions": module.versions()}
    problem = _problem.load(folder)

    def solve(tol: float, problem: _problem.Problem = problem):
        return getattr(module, function)(problem, tol, **options)

    solve(module.TOLERANCES[0], _problem.tiny(problem))
    memory = PeakMemory()

    def certify(coefs: Any) -> float:
        memory.close()
        return certified(problem, coefs, function)

    def run(tol: float) -> Run:
        return attempt(solve, tol, certify, time_limit)

    runs: list[Run] = []
    for latest in sweep(run, module.TOLERANCES, targets, time_limit=time_limit):
        if not runs and memory.extra is not None:
            yield {"event": "memory", "extra": memory.extra, "peak": memory.peak}
        runs.append(latest)
        yield {"event": "run", **latest._asdict()}
    yield from time_targets(runs, targets, best, solve, repeat, time_limit)


def time_targets(
    runs: Sequence[Run],
    targets: Sequence[float],
    best: Sequence[float | None],
    solve: Callable[[float], Any],
    repeat: int,
    time_limit: float,
) -> Iterator[dict]:
    """Repeat the fastest setting of each target; one tolerance is timed once.

    Not worth repeating is what took `CLEARLY_SLOWER` times the `best` before.
    """
    times: dict[float, list[Timing]] = {}
    for target, before in zip(targets, best, strict=True):
        found = fastest(runs, target)
        if found is None or (before and found.seconds > CLEARLY_SLOWER * before):
            continue
        tol = found.tol
        if tol not in times:
            times[tol] = repeat_timed(lambda tol=tol: solve(tol), repeat, time_limit)
        yield {
            "event": "timed",
            "target": target,
            "tol": tol,
            "gap": found.gap,
            "seconds": [t.seconds for t in times[tol]],
            "cpu": [t.cpu for t in times[tol]],
        }


class PeakMemory:
    """Peak resident memory above what the process held when this was made.

    Reads ``/proc``; where there is none, `extra` stays None and `peak` is the
    highest that the process ever held.
    """

    def __init__(self) -> None:
        self.extra: int | None = None
        self.peak: int | None = None
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._start = _status("VmRSS")
        except (OSError, KeyError):
            self._start = None

    def close(self) -> None:
        """Read the peak; only the first call counts."""
        if self.peak is not None:
            return
        if self._start is None:
            self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return
        self.peak = _status("VmHWM")
        self.extra = max(0, self.peak - self._start)


def _status(field: str) -> int:
    """Bytes in a field of ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of positive numbers.

    Examples
    --------
    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(sum(math.log(v) for v in values) / len(values))
