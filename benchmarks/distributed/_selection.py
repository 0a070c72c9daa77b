"""Best subsets from shards: what is found, and what is sent for it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

# The debiased Lasso of statsmodels takes long for a draw: one small cell, few draws.
SLOW_CELL = {"n_shards": 5, "n_features": 100, "correlation": 0.5, "noise_scale": 1.0}
ORACLE, POOLED, SURROGATE = "oracle", "all rows in one place", "surrogate"
FEW_COLUMNS = "columns, at most 20 features"
SLOW = "debiased Lasso, averaged (statsmodels)"
CUT = "the same, small ones set to zero"
# Features up to which searches take all for candidates.
_ALL_CANDIDATES = 600
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
            cell={k: v for k, v in cell.items() if k != "n_shards"},
            counts=[cell["n_shards"]],
            n_samples=4000,
            draws=list(range(n_draws)),
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
    n_features: int, correlation: float, noise_scale: float | None, counts, n_draws
) -> Callable[[Settings], dict]:
    """A case: some numbers of shards, 20,000 rows in all; classes without a noise."""

    def run(settings: Settings) -> dict:
        p = 30 if settings.quick else n_features
        cell = {"n_features": p, "correlation": correlation}
        if noise_scale is not None:
            cell["noise_scale"] = noise_scale
        events = run_child(
            f"_selection:measure{'_classes' * (noise_scale is None)}",
            settings,
            cell=cell,
            counts=counts[:1] if settings.quick else counts,
            n_samples=2_000 if settings.quick else 20_000,
            draws=list(range(1 if settings.quick else n_draws)),
        )
        note = (
            f"{n_draws} draws, each cut into m shards, 20,000 rows in all, 10 nonzero "
            "coefficients, the criterion GIC. Columns to the right are means over all "
            'm; "kB of a shard" counts what it sends and what it is told. The true '
            "positive rate is the true features found over 10, the false positive rate "
            f"the false ones over {p - 10}. The mean error of the oracle is "
            f"{np.mean([e['base'] for e in events]):.4f}."
        )
        if noise_scale is None:
            note += (
                " Labels are drawn by the logistic model. The oracle has no penalty. "
                "Local fits are those of `BestSubsetClassifier`."
            )
        return {
            "kind": "tables",
            "tables": grid_tables(events),
            "notes": [note, *claims(events)],
        }

    return run


GRID_HEAD = [
    "as pooled", "true found", "rounds", "kB of a shard", "time",
]  # fmt: skip


def grid_tables(events: list[dict]) -> list[dict]:
    """A row for each method, a column for each number of shards."""
    counts = list(dict.fromkeys(event["m"] for event in events))
    errors, false = [], []
    for name in dict.fromkeys(event["method"] for event in events):
        own = [event for event in events if event["method"] == name]
        row, wrong = [name], [name]
        for m in counts:
            here = [event for event in own if event["m"] == m]
            exact = np.mean([event["exact"] for event in here])
            error = np.mean([event["error"] for event in here])
            row.append(f"{error:.2f} ({exact:.2f})")
            wrong.append(f"{np.mean([event['false'] for event in here]):.2f}")
        for key, form in (("pooled", ".2f"), ("hits", ".2f"), ("rounds", ".1f")):
            row.append(f"{np.mean([event[key] for event in own]):{form}}")
        row.append(f"{np.mean([e['bytes'] / e['m'] for e in own]) / 1e3:,.1f}")
        row.append(seconds(float(np.mean([event["time"] for event in own]))))
        errors.append(row)
        false.append(wrong)
    head = ["", *(f"m = {m}" for m in counts)]
    return [
        {
            "title": "Error over that of the oracle (share of exact supports)",
            "head": head + GRID_HEAD,
            "rows": errors,
        },
        {"title": "False features found", "head": head, "rows": false},
    ]


def claims(events: list[dict]) -> list[str]:
    """How far surrogates are from all rows in one place, by the number of rounds."""
    told = []
    for name in dict.fromkeys(event["method"] for event in events):
        if not name.startswith(SURROGATE) or "average" in name:
            continue
        ratio, behind = 0.0, 0.0
        for m in dict.fromkeys(event["m"] for event in events):
            found = {
                key: [e for e in events if (e["method"], e["m"]) == (key, m)]
                for key in (name, POOLED)
            }
            error, exact = (
                {k: np.mean([e[what] for e in own]) for k, own in found.items()}
                for what in ("error", "exact")
            )
            ratio = max(ratio, error[name] / error[POOLED])
            behind = max(behind, exact[POOLED] - exact[name])
        told.append(f"{name}: {ratio:.3f} and {100.0 * behind:.0f}")
    return [
        "Mean error over that of all rows in one place, at most over all m, and points "
        f"by which the share of exact supports is lower, at most: {'; '.join(told)}."
    ]


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


def measure(
    cell: dict,
    counts: Sequence[int],
    n_samples: int,
    draws: Sequence[int],
    n_slow: int = 0,
) -> Iterator[dict]:
    """All methods on all draws of a cell, each draw cut into some numbers of shards."""
    from sparsestat.datasets import make_shards

    warnings.simplefilter("ignore")
    draw = make_shards(n_samples, **cell, n_shards=max(counts), random_state=0)
    _outcomes(draw, {}, None, slow=False)  # kernels compile at first use
    for seed in draws:
        data = make_shards(n_samples, **cell, n_shards=max(counts), random_state=seed)
        truth = np.flatnonzero(data.coef)
        oracle = np.zeros(len(data.coef))
        oracle[truth] = np.linalg.lstsq(data.data[:, truth], data.target)[0]
        yield from _events_of(data, seed, counts, oracle, _outcomes, seed < n_slow)


def measure_classes(
    cell: dict, counts: Sequence[int], n_samples: int, draws: Sequence[int]
) -> Iterator[dict]:
    """The same for two classes."""
    from sklearn.linear_model import LogisticRegression

    from sparsestat.datasets import make_shards

    warnings.simplefilter("ignore")
    exact = LogisticRegression(C=np.inf, solver="newton-cholesky")
    for k, seed in enumerate((draws[0], *draws)):
        data = make_shards(n_samples, **cell, n_shards=max(counts), random_state=seed)
        rng = np.random.default_rng(seed)
        odds = np.exp(-data.data @ data.coef)
        data.target = rng.uniform(size=len(odds)) < 1.0 / (1.0 + odds)
        truth = np.flatnonzero(data.coef)
        oracle = np.zeros(len(data.coef))
        oracle[truth] = exact.fit(data.data[:, truth], data.target).coef_[0]
        if k == 0:  # kernels compile at first use
            data.shards = [(data.data, data.target)]
            _outcomes_of_classes(data, {}, None, slow=False)
        else:
            yield from _events_of(
                data, seed, counts, oracle, _outcomes_of_classes, False
            )


def _events_of(data, seed: int, counts, oracle, outcomes, slow: bool) -> Iterator[dict]:
    """Events of all methods for one draw; what needs no shards is fitted once."""
    base = float(np.linalg.norm(oracle - data.coef))
    once: dict[str, tuple] = {}
    for m in counts:
        bounds = np.arange(m + 1) * len(data.target) // m
        parts = [slice(a, b) for a, b in pairwise(bounds)]
        data.shards = [(data.data[part], data.target[part]) for part in parts]
        found = {ORACLE: (oracle, 0, 0, 0.0), **outcomes(data, once, m, slow)}
        pooled = np.flatnonzero(found[POOLED][0])
        for name, (coef, *sent) in found.items():
            yield {
                "m": m,
                "draw": seed,
                **_event(name, coef, data.coef, pooled, base, *sent),
            }
            if name == SLOW:
                level = np.sqrt(2.0 * np.log(len(coef)) / len(data.target))
                cut = np.where(np.abs(coef) > level, coef, 0.0)
                yield {
                    "m": m,
                    "draw": seed,
                    **_event(CUT, cut, data.coef, pooled, base, *sent),
                }


def _event(
    name, coef, truth, pooled, base: float, n_rounds: int, n_bytes: int, elapsed: float
) -> dict:
    """What a method found, and what it sent."""
    support, true = np.flatnonzero(coef), np.flatnonzero(truth)
    return {
        "event": "fit",
        "method": name,
        "base": base,
        "error": float(np.linalg.norm(coef - truth) / base),
        "exact": np.array_equal(support, true),
        "pooled": np.array_equal(support, pooled),
        "hits": len(np.intersect1d(support, true)),
        "false": len(np.setdiff1d(support, true)),
        "rounds": n_rounds,
        "bytes": n_bytes,
        "time": elapsed,
    }


def _outcomes(data, once: dict, m: int | None, slow: bool) -> dict[str, tuple]:
    """Coefficients, rounds, bytes and seconds of every method."""
    from sparsestat.linear_model import BestSubsetRegressor

    def distributed(**parameters):
        return lambda: _sent(_model(**parameters).fit(data.shards))

    def pooled():
        model = BestSubsetRegressor(criterion="gic").fit(data.data, data.target)
        return model.coef_, 0, 0

    if POOLED not in once:
        once[POOLED] = _timed(pooled)
    local = _model(solver="swap", refine=None)
    found = {
        POOLED: once[POOLED],
        "gram": _timed(distributed(algorithm="gram")),
        "columns": _timed(distributed(algorithm="columns")),
        **_by_rounds(data.shards),
        f"{SURROGATE}, one-shot average": _timed(
            distributed(algorithm="surrogate", refine="average")
        ),
        **_of_local_fits(data.shards, lambda X, y: local.fit([(X, y)]).coef_),
    }
    if slow:
        found[SLOW] = _timed(lambda: _debiased(data))
    if len(data.coef) > _ALL_CANDIDATES:
        few = {"algorithm": "columns", "max_nonzero_coefs": 20}
        found[FEW_COLUMNS] = _timed(distributed(**few))
    return found


def _by_rounds(shards: list) -> dict[str, tuple]:
    """Surrogates of 1 to 4 rounds and of the default, equal ones fitted once."""
    found, settled = {}, False
    for k in (1, 2, 3, 4, 8):
        name = f"{SURROGATE}, {k} round{'s' * (k > 1)}" if k < 8 else SURROGATE
        if not settled:
            model = _model(algorithm="surrogate", max_rounds=k)
            last = _timed(lambda model=model: _sent(model.fit(shards)))
            purposes = [row["purpose"] for row in model.communication_]
            done = purposes.count("gradient") < k  # more would change nothing
            settled = done and model.swap_gap_ <= model.tol
        found[name] = last
    return found


def _outcomes_of_classes(data, once: dict, m, slow: bool) -> dict[str, tuple]:
    """The same for two classes."""
    from sparsestat.linear_model import (
        BestSubsetClassifier,
        DistributedBestSubsetClassifier,
    )

    options = {"criterion": "gic", "max_nonzero_coefs": 20}
    local = BestSubsetClassifier(solver="swap", **options)

    def distributed(**parameters):
        model = DistributedBestSubsetClassifier(**options, **parameters)
        return lambda: _sent(model.fit(data.shards))

    if POOLED not in once:
        once[POOLED] = _timed(
            lambda: (local.fit(data.data, data.target).coef_[0], 0, 0)
        )
    return {
        POOLED: once[POOLED],
        **{k: _timed(distributed(algorithm=k)) for k in ("gram", "columns")},
        SURROGATE: _timed(distributed(algorithm="surrogate")),
        f"{SURROGATE}, 1 round": _timed(
            distributed(algorithm="surrogate", max_rounds=1)
        ),
        f"{SURROGATE}, 3 rounds": _timed(
            distributed(algorithm="surrogate", max_rounds=3)
        ),
        **_of_local_fits(data.shards, lambda X, y: local.fit(X, y).coef_[0]),
    }


def _timed(fit: Callable) -> tuple:
    """Coefficients, rounds, bytes, and seconds that it took."""
    start = time.perf_counter()
    return *fit(), time.perf_counter() - start


def _sent(model) -> tuple:
    return np.ravel(model.coef_), model.n_rounds_, model.bytes_total_


def _model(**parameters):
    from sparsestat.linear_model import DistributedBestSubsetRegressor

    return DistributedBestSubsetRegressor(criterion="gic", **parameters)


def _of_local_fits(shards: list, fit: Callable) -> dict[str, tuple]:
    """Averages of the shards' own subsets, their votes, and the largest shard alone."""
    begin = time.perf_counter()
    local = np.array([fit(*shard) for shard in shards])
    elapsed = time.perf_counter() - begin
    mean, often = local.mean(axis=0), (local != 0.0).mean(axis=0) >= 0.5
    sent = 1, 16 * np.count_nonzero(local), elapsed
    largest = int(np.argmax([len(y) for _, y in shards]))
    return {
        "average of local fits": (mean, *sent),
        "features of most local fits": (np.where(often, mean, 0.0), *sent),
        "largest shard alone": (local[largest], 0, 0, elapsed / len(shards)),
    }


def _debiased(data):
    """Each shard's debiased Lasso, averaged."""
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
    *(
        Case(
            f"A.wide{sigma:.0f}",
            f"Over the number of shards: p = 1000, correlation 0.5, noise {sigma}",
            _grid(1000, 0.5, sigma, COUNTS, 5),
        )
        for sigma in (1.0, 3.0)
    ),
    *(
        Case(
            f"A.classes{10 * r:.0f}",
            f"Over the number of shards: two classes, p = 200, correlation {r}",
            _grid(200, r, None, COUNTS, 10),
        )
        for r in (0.0, 0.5, 0.8)
    ),
    Case(
        "A.classes.wide",
        "Over the number of shards: two classes, p = 1000, correlation 0.5",
        _grid(1000, 0.5, None, COUNTS, 3),
    ),
    Case("B", "How often criteria find the size", _sizes),
]
