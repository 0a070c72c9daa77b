"""Best subsets from shards: what is found, and what is sent for it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

CELLS = [
    {"n_shards": m, "n_features": 400, "correlation": r, "noise_scale": s}
    for r, s in ((0.5, 1.0), (0.5, 3.0), (0.8, 3.0))
    for m in (5, 20, 50)
]
# The debiased Lasso of statsmodels takes a minute a draw: one cell, few draws.
SLOW_CELL = {"n_shards": 5, "n_features": 100, "correlation": 0.5, "noise_scale": 1.0}
SLOW = "debiased Lasso, averaged (statsmodels)"


def run_child(call: str, settings: Settings, **kwargs) -> list[dict]:
    """Events of a measuring function of this family, or the reason there are none."""
    if "sparsestat" not in settings.peers:
        raise Skip("sparsestat was not asked for")
    events = _runner.measure(
        f"benchmarks.distributed.{call}",
        kwargs,
        threads=settings.threads,
        timeout=3600,
    )
    if events and events[-1]["event"] in ("missing", "error", "timeout"):
        raise Skip(events[-1]["reason"])
    return events


def _selection(settings: Settings) -> dict:
    cells = [SLOW_CELL, *CELLS]
    n_draws, tables = 10, []
    if settings.quick:
        cells, n_draws = [{**SLOW_CELL, "n_features": 30}], 1
    for cell in cells:
        slow = cell["n_features"] < 400
        events = run_child(
            "_selection:measure",
            settings,
            cell=cell,
            n_draws=n_draws,
            n_slow=min(n_draws, 3) if slow else 0,
        )
        title = (
            f"{cell['n_shards']} shards of {4000 // cell['n_shards']} rows, "
            f"p = {cell['n_features']}, correlation {cell['correlation']}, noise "
            f"{cell['noise_scale']}"
        )
        tables.append({"title": title, "head": HEAD, "rows": rows_of(events)})
    notes = [
        f"{n_draws} draws of `make_shards` with 4000 rows in all and 10 nonzero "
        "coefficients, the criterion GIC; the debiased Lasso of statsmodels in 3. "
        "Errors are distances of coefficients from the truth over those of least "
        "squares on the true features, means."
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


HEAD = [
    "", "error / oracle", "exact support", "as pooled", "true found", "false found",
    "rounds", "kB", "time",
]  # fmt: skip


def rows_of(events: Sequence[dict]) -> list[list[str]]:
    """A row for each method: means over draws."""
    rows = []
    for name in dict.fromkeys(event["method"] for event in events):
        own = [event for event in events if event["method"] == name]

        def mean(key, own=own):
            return float(np.mean([event[key] for event in own]))

        rows.append(
            [
                name,
                f"{mean('error'):.2f}",
                f"{mean('exact'):.2f}",
                f"{mean('pooled'):.2f}",
                f"{mean('hits'):.1f}",
                f"{mean('false'):.1f}",
                f"{mean('rounds'):.1f}",
                f"{mean('bytes') / 1e3:,.0f}",
                seconds(mean("time")),
            ]
        )
    return rows


def measure(cell: dict, n_draws: int, n_slow: int) -> Iterator[dict]:
    """All methods on all draws of a cell."""
    from sparsestat.datasets import make_shards

    warnings.simplefilter("ignore")
    methods = fits()
    draw = make_shards(4000, **cell, random_state=0)
    for fit in methods.values():
        fit(draw)  # kernels compile at first use
    for seed in range(n_draws):
        data = make_shards(4000, **cell, random_state=seed)
        truth = np.flatnonzero(data.coef)
        chosen = data.data[:, truth]
        oracle = np.zeros(len(data.coef))
        oracle[truth] = np.linalg.lstsq(chosen, data.target)[0]
        base = np.linalg.norm(oracle - data.coef)
        pooled = None
        for name, fit in methods.items():
            if name == SLOW and seed >= n_slow:
                continue
            start = time.perf_counter()
            coef, n_rounds, n_bytes = fit(data)
            elapsed = time.perf_counter() - start
            support = np.flatnonzero(coef)
            pooled = support if pooled is None else pooled
            yield {
                "event": "fit",
                "method": name,
                "error": float(np.linalg.norm(coef - data.coef) / base),
                "exact": np.array_equal(support, truth),
                "pooled": np.array_equal(support, pooled),
                "hits": len(np.intersect1d(support, truth)),
                "false": len(np.setdiff1d(support, truth)),
                "rounds": n_rounds,
                "bytes": n_bytes,
                "time": elapsed,
            }


def fits() -> dict[str, Callable]:
    """Functions of a draw to coefficients, rounds and bytes; the pooled one first."""
    return {
        "all rows in one place": lambda data: (*_pooled(data), 0, 0),
        "gram": lambda data: _distributed(data, algorithm="gram"),
        "columns": lambda data: _distributed(data, algorithm="columns"),
        "surrogate": lambda data: _distributed(data, algorithm="surrogate"),
        "surrogate, 1 round": lambda data: _distributed(
            data, algorithm="surrogate", max_rounds=1
        ),
        "surrogate, one-shot average": lambda data: _distributed(
            data, algorithm="surrogate", refine="average"
        ),
        "average of local fits": lambda data: _local(data, 0.0),
        "features of most local fits": lambda data: _local(data, 0.5),
        "largest shard alone": _leader,
        SLOW: _debiased,
    }


def _model(**parameters):
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    return DistributedBestSubsetRegressor(criterion="gic", **parameters)


def _pooled(data) -> tuple[np.ndarray]:
    return (_model().fit(data.data, data.target).coef_,)


def _distributed(data, **parameters):
    model = _model(**parameters).fit(data.shards)
    return model.coef_, model.n_rounds_, model.bytes_total_


def _local(data, share: float):
    """Mean of the shards' own subsets, of features in at least a share of them."""
    found = np.array([_model().fit([shard]).coef_ for shard in data.shards])
    kept = (found != 0.0).mean(axis=0) >= share
    return np.where(kept, found.mean(axis=0), 0.0), 1, 16 * np.count_nonzero(found)


def _leader(data):
    shard = max(data.shards, key=lambda shard: len(shard[1]))
    return _model().fit([shard]).coef_, 0, 0


def _debiased(data):
    """Each shard's debiased Lasso, averaged, then thresholded."""
    from statsmodels.base.distributed_estimation import DistributedModel

    m, p = len(data.shards), len(data.coef)
    alpha = 0.5 * np.sqrt(np.log(p) / (len(data.target) / m))
    model = DistributedModel(m)
    result = model.fit(((y, X) for X, y in data.shards), {"alpha": alpha})
    return np.asarray(result.params), 1, 8 * (2 * m * p + p * p + p)


def _sizes(settings: Settings) -> dict:
    points, n_draws = (4_000, 20_000, 100_000), 24
    if settings.quick:
        points, n_draws = (500, 1_000), 2
    events = run_child("_selection:measure_sizes", settings, points=points, n=n_draws)
    rows = []
    for criterion in dict.fromkeys(event["criterion"] for event in events):
        rates = [
            np.mean(
                [e["hit"] for e in events if (e["criterion"], e["n"]) == (criterion, n)]
            )
            for n in points
        ]
        rows.append([criterion.upper(), *(f"{rate:.2f}" for rate in rates)])
    table = {
        "title": "Share of draws whose support is exact",
        "head": ["", *(f"{n:,} rows" for n in points)],
        "rows": rows,
    }
    note = f"{n_draws} draws, p = 400, 10 nonzero coefficients, 20 shards."
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure_sizes(points: Sequence[int], n: int) -> Iterator[dict]:
    """Whether criteria find the true support."""
    from sparsestat.datasets import make_shards
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    warnings.simplefilter("ignore")
    for n_samples in points:
        for seed in range(n):
            data = make_shards(n_samples, 400, n_shards=20, random_state=seed)
            for criterion in ("gic", "ebic", "bic"):
                model = DistributedBestSubsetRegressor(
                    criterion=criterion, refine=None, max_nonzero_coefs=40
                ).fit(data.shards)
                hit = np.array_equal(model.support_, np.flatnonzero(data.coef))
                yield {
                    "event": "fit",
                    "criterion": criterion,
                    "n": n_samples,
                    "hit": bool(hit),
                }


CASES = [
    Case("A", "Best subsets of features on shards", _selection),
    Case("B", "How often criteria find the size", _sizes),
]
