"""Confidence intervals of all coefficients: time, and how often they hold the truth."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks import _peers, _runner
from benchmarks._case import Case, Settings
from benchmarks._measure import OutOfTimeError, deadline, timed

N_SIGNALS = 5


def intervals_case(
    name: str, title: str, n_samples: int, n_features: int, n_draws: int
) -> Case:
    """Case that fits intervals of 95 % to several draws of a known truth.

    Parameters
    ----------
    name, title : str
        See `Case`.
    n_samples, n_features : int
        Shape of the design, whose neighbouring columns correlate by 0.5.
    n_draws : int
        Draws; the times are those of single fits.
    """

    def run(settings: Settings) -> dict:
        n, p, draws = n_samples, n_features, n_draws
        if settings.quick:
            n, p, draws = 60, 30, 2
        peers = {}
        for peer in settings.peers:
            module = _peers.load(peer)
            if not hasattr(module, "intervals"):
                continue
            events = _runner.measure(
                "benchmarks.linear_model._intervals:measure",
                {
                    "peer": peer,
                    "shape": [n, p],
                    "n_draws": draws,
                    "time_limit": settings.time_limit,
                    "threads": settings.threads,
                },
                interpreter=getattr(module, "interpreter", lambda: None)(),
                threads=settings.threads,
                timeout=2 * settings.time_limit + 60,
            )
            peers[peer] = {"name": module.NAME, **summary(events)}
        return {
            "kind": "intervals",
            "n_samples": n,
            "n_features": p,
            "n_signals": N_SIGNALS,
            "peers": peers,
        }

    return Case(name, title, run)


def summary(events: list[dict]) -> dict:
    """Times and means over the draws, or why there are none.

    Examples
    --------
    >>> draw = {"event": "draw", "seconds": 2.0, "all": 1.0, "signals": 0.8, "width": 1}
    >>> found = summary([draw, {**draw, "seconds": 4.0, "signals": 1.0}])
    >>> found["best"], found["signals"]
    (2.0, 0.9)
    """
    draws = [event for event in events if event["event"] == "draw"]
    found = {
        key: event[key]
        for event in events
        for key in ("versions", "reason")
        if key in event
    }
    if not draws:
        found.setdefault("reason", "no fit came back within the limit")
        return found
    seconds = [draw["seconds"] for draw in draws]
    means = {
        key: statistics.fmean(draw[key] for draw in draws)
        for key in ("all", "signals", "width")
    }
    return {
        **found,
        "n_draws": len(draws),
        "best": min(seconds),
        "median": statistics.median(seconds),
        **means,
    }


def measure(
    peer: str, shape: list[int], n_draws: int, time_limit: float, threads: int
) -> Iterator[dict]:
    """Fit draw after draw until the time is up; the first fit of all warms up."""
    module = _peers.load(peer)
    yield {"event": "versions", "versions": module.versions()}
    warnings.simplefilter("ignore")
    X, y, _ = draw(40, 10, seed=0)
    module.intervals(X, y, threads)
    spent = 0.0
    for seed in range(n_draws):
        X, y, coef = draw(*shape, seed=seed)
        try:
            with deadline(time_limit):
                taken = timed(module.intervals, X, y, threads)
        except OutOfTimeError:
            return
        spent += taken.seconds
        low, high = taken.value
        held = (low <= coef) & (coef <= high)
        yield {
            "event": "draw",
            "seconds": taken.seconds,
            "all": float(held.mean()),
            "signals": float(held[coef != 0].mean()),
            "width": float(np.mean(high - low)),
        }
        if spent > time_limit:
            return


def draw(n_samples: int, n_features: int, seed: int):
    """Correlated features, a few coefficients of one, noise of one."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = 0.5 * X[:, j - 1] + 0.75**0.5 * X[:, j]
    coef = np.zeros(n_features)
    coef[rng.choice(n_features, N_SIGNALS, replace=False)] = 1.0
    return X, X @ coef + rng.standard_normal(n_samples), coef
