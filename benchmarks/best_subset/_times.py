"""Times of best subsets beside abess, with the residuals that each reaches."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds
from benchmarks.best_subset import _parts

# Seconds of all timed calls together, at least: short ones are disturbed easily.
_LONG_ENOUGH = 0.3


class Problem(NamedTuple):
    """A regression, and what either package is asked for."""

    title: str
    shape: tuple[int, int]
    n_nonzero: int
    ours: dict
    theirs: dict
    density: float = 1.0
    target: float | None = None  # seconds
    quick: tuple[int, int] = (60, 80)


PROBLEMS = [
    Problem("500 x 1000, path, GIC", (500, 1000), 10, {"criterion": "gic"},
            {"support_size": range(38), "ic_type": "gic"}, target=0.008),
    Problem("500 x 1000, ten features", (500, 1000), 10, {"n_nonzero_coefs": 10},
            {"support_size": 10}),
    Problem("1000 x 5000, path, GIC", (1000, 5000), 20, {"criterion": "gic"},
            {"support_size": range(61), "ic_type": "gic"}, target=0.06),
    Problem("5000 x 500, path, GIC", (5000, 500), 20, {"criterion": "gic"},
            {"support_size": range(41), "ic_type": "gic"}, target=0.04),
    Problem("300 x 20000, sizes 0 to 20", (300, 20000), 10,
            {"n_nonzero_coefs": list(range(21)), "criterion": "gic"},
            {"support_size": range(21), "ic_type": "gic"}, target=0.05),
    Problem("2000 x 1000, 1 % filled, sizes 0 to 20", (2000, 1000), 10,
            {"n_nonzero_coefs": list(range(21)), "criterion": "gic"},
            {"support_size": range(21), "ic_type": "gic"}, density=0.01),
    Problem("500 x 2000, 500 groups, sizes 0 to 10", (500, 2000), 10,
            {"n_nonzero_coefs": list(range(11)), "feature_groups": 4},
            {"support_size": range(11), "group": 4}),
    Problem("5000 x 500, five folds, sizes 0 to 30", (5000, 500), 20,
            {"n_nonzero_coefs": list(range(31)), "cv": 5},
            {"support_size": range(31), "cv": 5}, target=0.1),
]  # fmt: skip


def draw(problem: Problem, quick: bool):
    """Neighbours correlated by 0.5, signal to noise 5, signs at random."""
    from sparsestat.datasets import make_sparse_regression

    n, p = problem.quick if quick else problem.shape
    data = make_sparse_regression(
        n, p, n_nonzero_coefs=min(problem.n_nonzero, p // 8), snr=5.0, random_state=0,
        **({} if problem.density == 1.0 else {"density": problem.density,
                                             "design": "independent"}),
    )  # fmt: skip
    return data.data, data.target


def _run(settings: Settings) -> dict:
    events = _child("_times:measure", settings)
    rows, versions = [], events[0]["versions"]
    for event in events[1:]:
        ours, theirs = event["ours"], event["theirs"]
        rows.append(
            [
                event["title"],
                seconds(ours["best"]),
                "" if event["target"] is None else seconds(event["target"]),
                seconds(theirs["best"]) if theirs else event["reason"],
                f"{theirs['best'] / ours['best']:.1f}" if theirs else "",
                f"{ours['size']} / {theirs['size']}" if theirs else f"{ours['size']}",
                f"{event['ratio']:.6f}" if theirs else "",
            ]
        )
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    table = {
        "title": "Best of several calls after a warm-up",
        "head": ["", "sparsestat", "target", "abess", "ratio", "chosen", "RSS ratio"],
        "rows": rows,
    }
    note = (
        f"{names}. Chosen: features, or groups, of either. RSS ratio: ours over theirs "
        "at our number of features, for which abess is asked outside the timing; both "
        "refitted by least squares. Below one ours is the better subset."
    )
    missed = [event["missed"] for event in events[1:] if event["missed"]]
    return {"kind": "tables", "tables": [table], "notes": [note, *missed]}


def _child(call: str, settings: Settings, **kwargs) -> list[dict]:
    if "sparsestat" not in settings.peers:
        raise Skip("sparsestat was not asked for")
    events = _runner.measure(
        f"benchmarks.best_subset.{call}",
        {"repeat": settings.repeat, "quick": settings.quick, **kwargs},
        threads=settings.threads,
        timeout=3600,
    )
    if events and events[-1]["event"] in ("missing", "error", "timeout"):
        raise Skip(events[-1]["reason"])
    return events


def best_time(call: Callable, repeat: int):
    """Best of the calls after one, more of short ones, and what the last returned."""
    call()
    times: list[float] = []
    while len(times) < repeat or sum(times) < _LONG_ENOUGH:
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return {"best": min(times), "median": statistics.median(times)}, result


def rss(X, y, features) -> float:
    """Residual sum of squares of least squares with intercept."""
    Z = X[:, features]
    Z = Z.toarray() if hasattr(Z, "toarray") else Z
    Z = np.column_stack([np.ones(len(y)), Z])
    return float(((y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]) ** 2).sum())


def measure(repeat: int, quick: bool) -> Iterator[dict]:
    """Both packages on all problems."""
    from importlib.metadata import version

    import sparsestat
    from sparsestat.linear_model import BestSubsetRegressor

    warnings.simplefilter("ignore")
    try:
        from abess.linear import LinearRegression
    except ImportError:
        LinearRegression = None
    versions = {"sparsestat": sparsestat.__version__}
    if LinearRegression is not None:
        versions["abess"] = version("abess")
    yield {"event": "versions", "versions": versions}
    for problem in PROBLEMS:
        X, y = draw(problem, quick)
        model = BestSubsetRegressor(**problem.ours)
        if quick and "n_nonzero_coefs" in problem.ours:
            model.set_params(n_nonzero_coefs=2)
        ours, model = best_time(partial(model.fit, X, y), repeat)
        record = {"event": "timed", "title": problem.title, "theirs": None,
                  "reason": "absent", "ratio": None, "target": problem.target,
                  "missed": None}  # fmt: skip
        if problem.target is not None and ours["best"] > problem.target and not quick:
            parts = _parts.measure(partial(model.fit, X, y), X.shape, repeat)
            record["missed"] = _parts.sentence(
                problem.title, problem.target, parts, X.nbytes
            )
        record["ours"] = {**ours, "size": model.n_nonzero_coefs_}
        if LinearRegression is not None:
            options = dict(problem.theirs)
            width = options.pop("group", None)
            if width is not None:
                options["group"] = np.arange(X.shape[1]) // width
            if "ic_type" not in options and "cv" not in options:
                options["ic_type"] = "ebic"
            Z = X.tocsc() if hasattr(X, "tocsc") else X
            if quick:
                options["support_size"] = 2
            peer = LinearRegression(**options)
            theirs, peer = best_time(partial(peer.fit, Z, y), repeat)
            n_chosen = np.count_nonzero(peer.coef_) // (width or 1)
            options["support_size"] = model.n_nonzero_coefs_
            options.pop("cv", None)
            same = LinearRegression(**options).fit(Z, y)
            value = rss(X, y, model.support_)
            record["ratio"] = value / rss(X, y, np.flatnonzero(same.coef_))
            record["theirs"] = {**theirs, "size": int(n_chosen)}
        yield record


def _run_exact(settings: Settings) -> dict:
    events = _child("_times:measure_exact", settings)
    rows = [
        [
            e["title"],
            seconds(e["best"]),
            str(e["nodes"]),
            "yes" if e["optimal"] else "no",
        ]
        for e in events
    ]
    head = ["", "time", "nodes", "proved"]
    table = {"title": "Exact search, everything included", "head": head, "rows": rows}
    return {"kind": "tables", "tables": [table], "notes": []}


def measure_exact(repeat: int, quick: bool) -> Iterator[dict]:
    """Times of proofs."""
    from sklearn.datasets import load_diabetes

    from sparsestat.datasets import make_sparse_regression
    from sparsestat.linear_model import BestSubsetRegressor

    X, y = load_diabetes(return_X_y=True)
    pairs = [(i, j) for i in range(10) for j in range(i, 10) if not i == j == 1]
    Z = np.column_stack([X, *(X[:, i] * X[:, j] for i, j in pairs)])
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    problems = [
        (f"diabetes and its products, 442 x 64, k = {k}", Z, y, k)
        for k in ((4,) if quick else (4, 6, 8, 10))
    ]
    shapes = [(100, 25, 6, 0.95, 1), (200, 60, 8, 0.9, 1), (500, 100, 10, 0.5, 5),
              (1000, 200, 10, 0.5, 5), (1000, 300, 10, 0.0, 10),
              (500, 100, 10, 0.8, 1)]  # fmt: skip
    for n, p, k, rho, snr in shapes[: 1 if quick else None]:
        data = make_sparse_regression(
            n, p, n_nonzero_coefs=k, correlation=rho, snr=snr, random_state=0
        )
        title = f"{n} x {p}, k = {k}, correlation {rho}, signal to noise {snr}"
        problems.append((title, data.data, data.target, k))
    for title, X, y, k in problems:
        model = BestSubsetRegressor(k, solver="exact")
        timed, model = best_time(
            lambda model=model, X=X, y=y: model.fit(X, y), min(repeat, 3)
        )
        yield {
            "event": "timed",
            "title": title,
            "nodes": model.n_nodes_,
            "optimal": model.optimal_,
            **timed,
        }


CASE = Case("A", "Times beside abess", _run)
EXACT = Case("B", "Exact search", _run_exact)
