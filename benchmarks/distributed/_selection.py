"""Best subsets from shards: what is found, and what is sent for it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

# The debiased Lasso of statsmodels takes long for a draw: one small cell, few draws.
SLOW_CELL = {"n_shards": 5, "n_features": 100, "correlation": 0.5, "noise_scale": 1.0}
SLOW = "debiased Lasso, averaged (statsmodels)"
CUT = "the same, small ones set to zero"
# Shards of 200 rows, where a surrogate has the least to go by.
SMALL_SHARDS = {**SLOW_CELL, "n_shards": 20, "n_features": 400}


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
    cells = [(SLOW_CELL, 10, 3), (SMALL_SHARDS, 40, 0)]
    if settings.quick:
        cells = [({**SLOW_CELL, "n_features": 30}, 1, 1)]
    tables = []
    for cell, n_draws, n_slow in cells:
        events = run_child(
            "_selection:measure",
            settings,
            cell=cell,
            n_samples=4000,
            n_draws=n_draws,
            n_slow=n_slow,
        )
        title = (
            f"{cell['n_shards']} shards of {4000 // cell['n_shards']} rows, "
            f"p = {cell['n_features']}, {n_draws} draws"
        )
        tables.append({"title": title, "head": HEAD, "rows": rows_of(events)})
    notes = [
        "Draws of `make_shards` with 4000 rows in all, 10 nonzero coefficients, "
        "correlation 0.5 and noise 1; the criterion is GIC. Errors are distances of "
        "coefficients from the truth over those of least squares on the true features, "
        f'means. "{SLOW}" is its `DistributedModel` with strength 0.5 (log p / n)^0.5, '
        "in the first 3 draws; zero is what is below (2 log p / N)^0.5."
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


def _grid(
    n_features: int, correlation: float, noise_scale: float, counts, n_draws: int
) -> Callable[[Settings], dict]:
    """A case: some numbers of shards, 20,000 rows in all."""

    def run(settings: Settings) -> dict:
        found = {}
        for m in counts[:1] if settings.quick else counts:
            cell = {
                "n_shards": m,
                "n_features": 30 if settings.quick else n_features,
                "correlation": correlation,
                "noise_scale": noise_scale,
            }
            found[m] = run_child(
                "_selection:measure",
                settings,
                cell=cell,
                n_samples=2_000 if settings.quick else 20_000,
                n_draws=1 if settings.quick else n_draws,
                n_slow=0,
            )
        table = {
            "title": "Error over that of the oracle (share of exact supports)",
            "head": ["", *(f"m = {m}" for m in found), *GRID_HEAD],
            "rows": grid_rows(found),
        }
        note = (
            f"{n_draws} draws for each number m of shards, 20,000 rows in all, 10 "
            "nonzero coefficients, the criterion GIC. Columns to the right are means "
            "over all m."
        )
        return {"kind": "tables", "tables": [table], "notes": [note]}

    return run


GRID_HEAD = ["as pooled", "true found", "false found", "rounds", "kB from a shard"]


def grid_rows(found: dict[int, list[dict]]) -> list[list[str]]:
    """A row for each method, a column for each number of shards."""
    everything = [{**e, "m": m} for m, events in found.items() for e in events]
    rows = []
    for name in dict.fromkeys(event["method"] for event in everything):
        own = [event for event in everything if event["method"] == name]
        row = [name]
        for m in found:
            error = np.mean([e["error"] for e in own if e["m"] == m])
            exact = np.mean([e["exact"] for e in own if e["m"] == m])
            row.append(f"{error:.2f} ({exact:.2f})")
        means = {k: np.mean([e[k] for e in own]) for k in ("pooled", "hits", "false")}
        row += [f"{means['pooled']:.2f}", f"{means['hits']:.1f}"]
        row.append(f"{means['false']:.1f}")
        row.append(f"{np.mean([e['rounds'] for e in own]):.1f}")
        row.append(f"{np.mean([e['bytes'] / e['m'] for e in own]) / 1e3:,.1f}")
        rows.append(row)
    return rows


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


def measure(cell: dict, n_samples: int, n_draws: int, n_slow: int) -> Iterator[dict]:
    """All methods on all draws of a cell."""
    from sparsestat.datasets import make_shards

    warnings.simplefilter("ignore")
    methods = fits()
    draw = make_shards(n_samples, **cell, random_state=0)
    for name, fit in methods.items():
        if name != SLOW:
            fit(draw)  # kernels compile at first use
    for seed in range(n_draws):
        data = make_shards(n_samples, **cell, random_state=seed)
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
            sent = n_rounds, n_bytes, time.perf_counter() - start
            pooled = np.flatnonzero(coef) if pooled is None else pooled
            yield _event(name, coef, data.coef, pooled, base, *sent)
            if name == SLOW:
                level = np.sqrt(2.0 * np.log(len(coef)) / n_samples)
                cut = np.where(np.abs(coef) > level, coef, 0.0)
                yield _event(CUT, cut, data.coef, pooled, base, *sent)


def _event(
    name, coef, truth, pooled, base: float, n_rounds: int, n_bytes: int, elapsed: float
) -> dict:
    """What a method found, and what it sent."""
    support, true = np.flatnonzero(coef), np.flatnonzero(truth)
    return {
        "event": "fit",
        "method": name,
        "error": float(np.linalg.norm(coef - truth) / base),
        "exact": np.array_equal(support, true),
        "pooled": np.array_equal(support, pooled),
        "hits": len(np.intersect1d(support, true)),
        "false": len(np.setdiff1d(support, true)),
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
    local = _model(solver="swap", refine=None)
    found = np.array([local.fit([shard]).coef_ for shard in data.shards])
    kept = (found != 0.0).mean(axis=0) >= share
    return np.where(kept, found.mean(axis=0), 0.0), 1, 16 * np.count_nonzero(found)


def _leader(data):
    shard = max(data.shards, key=lambda shard: len(shard[1]))
    return _model().fit([shard]).coef_, 0, 0


def _debiased(data):
    """Each shard's debiased Lasso, averaged."""
    from statsmodels.base.distributed_estimation import DistributedModel

    m, p = len(data.shards), len(data.coef)
    alpha = 0.5 * np.sqrt(np.log(p) / (len(data.target) / m))
    model = DistributedModel(m)
    result = model.fit(((y, X) for X, y in data.shards), {"alpha": alpha})
    return np.asarray(result.params), 1, 8 * (2 * m * p + p * p + p)


def _classes(settings: Settings) -> dict:
    counts = (5,) if settings.quick else (5, 20)
    found = {
        m: run_child(
            "_selection:measure_classes",
            settings,
            n_shards=m,
            n_features=20 if settings.quick else 200,
            n_samples=2_000 if settings.quick else 20_000,
            n_draws=1 if settings.quick else 3,
        )
        for m in counts
    }
    table = {
        "title": "Error over that of the oracle (share of exact supports)",
        "head": ["", *(f"m = {m}" for m in found), *GRID_HEAD],
        "rows": grid_rows(found),
    }
    note = (
        "3 draws for each number m of shards, 20,000 rows in all, p = 200, correlation "
        "0.5, 10 nonzero coefficients, labels by the logistic model, the criterion "
        "GIC. The oracle has no penalty. Columns to the right are means over all m."
    )
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure_classes(
    n_shards: int, n_features: int, n_samples: int, n_draws: int
) -> Iterator[dict]:
    """All algorithms for two classes, local fits and the largest shard."""
    from sklearn.linear_model import LogisticRegression

    from sparsestat.datasets import make_shards
    from sparsestat.linear_model import DistributedBestSubsetClassifier

    warnings.simplefilter("ignore")

    def model(**parameters):
        return DistributedBestSubsetClassifier(
            criterion="gic", max_nonzero_coefs=20, **parameters
        )

    def fitted(shards, **parameters):
        found = model(**parameters).fit(shards)
        return found.coef_[0], found.n_rounds_, found.bytes_total_

    for seed in range(n_draws):
        data = make_shards(n_samples, n_features, n_shards=n_shards, random_state=seed)
        rng = np.random.default_rng(seed)
        shards = [
            (X, rng.uniform(size=len(X)) < 1.0 / (1.0 + np.exp(-X @ data.coef)))
            for X, _ in data.shards
        ]
        everything = tuple(map(np.concatenate, zip(*shards, strict=True)))
        truth = np.flatnonzero(data.coef)
        oracle = np.zeros(n_features)
        exact = LogisticRegression(C=np.inf, solver="newton-cholesky")
        oracle[truth] = exact.fit(everything[0][:, truth], everything[1]).coef_[0]
        base = float(np.linalg.norm(oracle - data.coef))
        local = np.array([fitted([shard], max_rounds=2)[0] for shard in shards])
        often = (local != 0.0).mean(axis=0) >= 0.5
        sent = 1, 16 * np.count_nonzero(local)
        methods = {
            "all rows in one place": lambda e=everything: (*fitted([e])[:1], 0, 0),
            **{
                name: lambda s=shards, n=name: fitted(s, algorithm=n)
                for name in ("gram", "columns", "surrogate")
            },
            "average of local fits": lambda c=local, b=sent: (c.mean(axis=0), *b),
            "features of most local fits": lambda c=local, o=often, b=sent: (
                np.where(o, c.mean(axis=0), 0.0),
                *b,
            ),
            "largest shard alone": lambda c=local: (c[0], 0, 0),
        }
        pooled = None
        for name, fit in methods.items():
            start = time.perf_counter()
            coef, *told = fit()
            told.append(time.perf_counter() - start)
            pooled = np.flatnonzero(coef) if pooled is None else pooled
            yield _event(name, coef, data.coef, pooled, base, *told)


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


COUNTS = (5, 10, 20, 50, 100)
CASES = [
    Case(
        "A.peer", "Best subsets of features on shards, beside statsmodels", _selection
    ),
    *(
        Case(
            f"A.{10 * r:.0f}{sigma:.0f}",
            f"Over the number of shards: p = 200, correlation {r}, noise {sigma}",
            _grid(200, r, sigma, COUNTS, 20),
        )
        for r in (0.0, 0.5, 0.8)
        for sigma in (1.0, 3.0)
    ),
    Case(
        "A.wide",
        "Over the number of shards: p = 1000, correlation 0.5, noise 1",
        _grid(1000, 0.5, 1.0, (5, 20, 100), 5),
    ),
    Case("A.classes", "Over the number of shards: two classes", _classes),
    Case("B", "How often criteria find the size", _sizes),
]
