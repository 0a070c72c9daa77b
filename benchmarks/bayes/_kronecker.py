"""Kronecker-structured learning: a wireless channel, random tensors, a large one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import _runner
from benchmarks._case import Case, Settings, Skip
from benchmarks._tables import seconds

SNR_DB = (4, 8, 12, 16, 20)
# Means and medians over the authors' fifty stored trials (arXiv:2307.14719, their
# repository), on channels of their own draw.
PUBLISHED = {
    "SVD-KroSBL": ((0.609, 0.305, 0.194, 0.123, 0.105),
                   (0.431, 0.091, 0.0102, 0.0038, 0.0013)),
    "AM-KroSBL": ((0.714, 0.321, 0.197, 0.139, 0.070),
                  (0.949, 0.156, 0.0229, 0.0051, 0.0012)),
    "PC-KroSBL, 0.8": ((0.312, 0.132, 0.049, 0.0089, 0.0029),
                       (0.125, 0.037, 0.0120, 0.0042, 0.0015)),
    "PC-KroSBL, 0.5": ((0.324, 0.142, 0.061, 0.011, 0.0060), None),
    "SBL, expanded": ((0.953, 0.724, 0.463, 0.228, 0.144), None),
    "PC-SBL, expanded": ((1.0, 1.01, 0.90, 0.61, 0.37), None),
}  # fmt: skip
OURS = "sparsestat, mm"


def run_child(call: str, settings: Settings, **kwargs) -> list[dict]:
    """Events of a measuring function of this family, or the reason there are none."""
    if "sparsestat" not in settings.peers:
        raise Skip("sparsestat was not asked for")
    events = _runner.measure(
        f"benchmarks.bayes.{call}", kwargs, threads=settings.threads, timeout=3600
    )
    if events and events[-1]["event"] in ("missing", "error", "timeout"):
        raise Skip(events[-1]["reason"])
    return events


def _channel(settings: Settings) -> dict:
    n_scenes = 2 if settings.quick else 50
    events = run_child("_kronecker:measure_channel", settings, n_scenes=n_scenes)
    tables = []
    names = list(dict.fromkeys(event["method"] for event in events))
    for title, key in [
        ("Normalised squared error of the channel, mean", "nmse"),
        ("The same, median", "nmse"),
        ("QPSK symbol error rate, mean", "rate"),
    ]:
        middle = np.median if "median" in title else np.mean
        rows = []
        for name in names:
            values = [_values(events, name, snr, key) for snr in SNR_DB]
            rows.append([name, *(f"{middle(v):.2g}" for v in values)])
        if key == "nmse":
            which = 1 if middle is np.median else 0
            rows += [
                [f"{name} (published)", *(f"{v:.2g}" for v in row[which])]
                for name, row in PUBLISHED.items()
                if row[which] is not None
            ]
        tables.append({"title": title, "head": ["", *_heads()], "rows": rows})
    rows = []
    for name in names[:2]:
        values = [_values(events, name, snr, "nmse") for snr in SNR_DB]
        rows.append([name, *(_interval(v) for v in values)])
    tables.append(
        {
            "title": "Bootstrap intervals of 95 % of the mean error",
            "head": ["", *_heads()],
            "rows": rows,
        }
    )
    rows = []
    for name in names[1:]:
        wins = [
            np.sum(
                np.array(_values(events, OURS, snr, "nmse"))
                < _values(events, name, snr, "nmse")
            )
            for snr in SNR_DB
        ]
        rows.append([name, *(f"{int(w)} of {n_scenes}" for w in wins)])
    tables.append(
        {
            "title": f"Scenes in which {OURS} has the smaller error",
            "head": ["", *_heads()],
            "rows": rows,
        }
    )
    rows = [
        [
            name,
            *(seconds(np.median(_values(events, name, snr, "time"))) for snr in SNR_DB),
        ]
        for name in names
    ]
    tables.append(
        {"title": "Time of a fit, median", "head": ["", *_heads()], "rows": rows}
    )
    notes = [
        f"{n_scenes} scenes of `make_irs_mimo`, the noise known, the same scenes for "
        "all methods, one draw of pilots and patterns as in the paper. Means are heavy-"
        "tailed: a pattern with a weak channel weighs as much as the others. Published "
        "figures are of the authors' draw and of MATLAB; case O tells what that draw "
        "matters."
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


def _heads() -> list[str]:
    return [f"{snr} dB" for snr in SNR_DB]


def _values(events: Sequence[dict], name: str, point, key: str) -> list[float]:
    return [
        e[key] for e in events if (e.get("method"), e.get("point")) == (name, point)
    ]


def _interval(values: Sequence[float], n_draws: int = 2000) -> str:
    rng = np.random.default_rng(0)
    means = rng.choice(values, (n_draws, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{low:.2g} to {high:.2g}"


def measure_channel(
    n_scenes: int, sounding_state: int = 0, methods: dict | None = None
) -> Iterator[dict]:
    """Errors, symbol error rates and times of all methods on all scenes."""
    from benchmarks.bayes._methods import channel_methods
    from sparsestat.bayes import KroneckerSparseBayesian
    from sparsestat.datasets import make_irs_mimo
    from sparsestat.metrics import nmse, qpsk_error_rate

    warnings.simplefilter("ignore")
    for snr in SNR_DB:
        for seed in range(n_scenes):
            scene = make_irs_mimo(
                snr_db=snr, sounding_state=sounding_state, random_state=seed
            )
            for name, parameters in (methods or channel_methods()).items():
                model = KroneckerSparseBayesian(
                    noise_variance=scene.noise_variance,
                    allow_complex=True,
                    **parameters,
                )
                start = time.perf_counter()
                model.fit(scene.factors, scene.target)
                elapsed = time.perf_counter() - start
                found = model.predict(scene.channel_factors)
                errors = [
                    nmse(*pair) for pair in zip(scene.channels, found, strict=True)
                ]
                yield {
                    "event": "fit",
                    "method": name,
                    "point": snr,
                    "nmse": float(np.mean(errors)),
                    "rate": qpsk_error_rate(scene.channels, found, snr_db=snr),
                    "time": elapsed,
                }


SOUNDINGS = range(4)


def _soundings(settings: Settings) -> dict:
    """How much the one draw of pilots and patterns matters."""
    n_scenes = 1 if settings.quick else 30
    states = SOUNDINGS[:2] if settings.quick else SOUNDINGS
    events = run_child(
        "_kronecker:measure_soundings", settings, n_scenes=n_scenes, states=list(states)
    )
    names = list(dict.fromkeys(event["method"] for event in events))
    tables = []
    for title, middle, which in [("mean", np.mean, 0), ("median", np.median, 1)]:
        rows = []
        for name in names:
            cells = []
            for snr in SNR_DB:
                values = [
                    middle([
                        e["nmse"] for e in events
                        if (e["method"], e["point"], e["state"]) == (name, snr, state)
                    ])
                    for state in states
                ]  # fmt: skip
                cells.append(f"{min(values):.2g} to {max(values):.2g}")
            rows.append([name, *cells])
            if name in PUBLISHED:
                figures = [f"{v:.2g}" for v in PUBLISHED[name][which]]
                rows.append([f"{name} (published)", *figures])
        title = f"Normalised squared error, least to largest {title} of a draw"
        tables.append({"title": title, "head": ["", *_heads()], "rows": rows})
    note = (
        f"{len(states)} draws of pilots and patterns (`sounding_state`), {n_scenes} "
        "scenes each. The published figures are of one draw, which is not known."
    )
    return {"kind": "tables", "tables": tables, "notes": [note]}


def measure_soundings(n_scenes: int, states: Sequence[int]) -> Iterator[dict]:
    """Errors on the same scenes under other pilots and patterns."""
    from benchmarks.bayes._methods import channel_methods

    chosen = {
        name: parameters
        for name, parameters in channel_methods().items()
        if name in (OURS, "SVD-KroSBL", "AM-KroSBL")
    }
    for state in states:
        for event in measure_channel(n_scenes, sounding_state=state, methods=chosen):
            yield {**event, "state": state}


def tensors_case(name: str, title: str, label: str, points, options) -> Case:
    """Case over points, each with ``options(point)`` of `make_kronecker_sparse`."""

    def run(settings: Settings) -> dict:
        n_trials = 2 if settings.quick else 200
        events = []
        for point in points:
            found = run_child(
                "_kronecker:measure_tensors", settings,
                options=options(point), n_trials=n_trials, methods="tensor_methods",
            )  # fmt: skip
            events += [{**event, "point": point} for event in found]
        tables = tensor_tables(events, [(p, f"{label.format(p)}") for p in points])
        note = f"{n_trials} draws a point, the noise known."
        return {"kind": "tables", "tables": tables, "notes": [note]}

    return Case(name, title, run)


def tensor_tables(events: Sequence[dict], points) -> list[dict]:
    """Errors, supports and times, a row for each method."""
    names = list(dict.fromkeys(event["method"] for event in events))
    heads = ["", *(label for _, label in points)]

    def rows(key, middle, show):
        return [
            [name, *(show(middle(_values(events, name, p, key))) for p, _ in points)]
            for name in names
        ]

    return [
        {
            "title": "Normalised squared error, median",
            "head": heads,
            "rows": rows("nmse", np.median, "{:.2g}".format),
        },
        {
            "title": "Normalised squared error, mean",
            "head": heads,
            "rows": rows("nmse", np.mean, "{:.2g}".format),
        },
        {
            "title": "Support recovery rate, mean",
            "head": heads,
            "rows": rows("rate", np.mean, "{:.3f}".format),
        },
        {
            "title": "Time of a fit, median",
            "head": heads,
            "rows": rows("time", np.median, seconds),
        },
    ]


def measure_tensors(options: dict, n_trials: int, methods: str) -> Iterator[dict]:
    """Errors, support recovery rates and times of all methods on all draws."""
    from benchmarks.bayes import _methods
    from sparsestat.datasets import make_kronecker_sparse
    from sparsestat.metrics import nmse, support_recovery_rate

    warnings.simplefilter("ignore")
    chosen = getattr(_methods, methods)()
    for seed in range(n_trials):
        data = make_kronecker_sparse(**options, random_state=seed)
        for name, method in chosen.items():
            start = time.perf_counter()
            coef = method(data)
            yield {
                "event": "fit",
                "method": name,
                "time": time.perf_counter() - start,
                "nmse": nmse(data.coef, coef),
                "rate": support_recovery_rate(data.coef, coef),
            }


def _dense(settings: Settings) -> dict:
    points = [{"snr_db": snr} for snr in (10, 20, 30)]
    events, n_trials = [], 1 if settings.quick else 2
    for point in points[:1] if settings.quick else points:
        for methods in ("tensor_methods", "dense_methods"):
            options = dict(point)
            if settings.quick:
                options |= {"n_measurements": (4, 5, 6), "n_features": (6, 6, 6)}
            found = run_child(
                "_kronecker:measure_tensors", settings,
                options=options, n_trials=n_trials, methods=methods,
            )  # fmt: skip
            events += [{**event, "point": point["snr_db"]} for event in found]
    shown = [(p, f"{p} dB") for p in dict.fromkeys(e["point"] for e in events)]
    note = (
        f"{n_trials} draws a point; methods that expand the product stop after 20 "
        "iterations, which is before they converge."
    )
    return {"kind": "tables", "tables": tensor_tables(events, shown), "notes": [note]}


def _restarts(settings: Settings) -> dict:
    n_trials = 2 if settings.quick else 200
    events = run_child(
        "_kronecker:measure_tensors", settings,
        options={"snr_db": 20}, n_trials=n_trials, methods="restarted_methods",
    )  # fmt: skip
    rows = []
    for name in dict.fromkeys(event["method"] for event in events):
        errors = np.array([e["nmse"] for e in events if e["method"] == name])
        times = [e["time"] for e in events if e["method"] == name]
        rows.append(
            [
                name, f"{np.mean(errors > 0.05):.1%}", f"{errors.mean():.2g}",
                f"{np.median(errors):.2g}", seconds(np.median(times)),
            ]
        )  # fmt: skip
    head = ["", "error above 0.05", "mean error", "median", "time of a fit, median"]
    title = "Kronecker-sparse tensors at 20 dB"
    table = {"title": title, "head": head, "rows": rows}
    note = (
        f"{n_trials} draws. The evidence tells the optima apart: of several starts the "
        "one of the highest is kept, after twenty sweeps only the better half, and so "
        "on down to two."
    )
    return {"kind": "tables", "tables": [table], "notes": [note]}


def _large(settings: Settings) -> dict:
    sizes = (10, 15) if settings.quick else (40, 60)
    (event,) = run_child("_kronecker:measure_large", settings, sizes=sizes)
    rows = [
        [
            seconds(event["time"]), f"{event['memory'] / 1e6:.0f} MB",
            str(event["n_iter"]), f"{event['nmse']:.1e}", f"{event['rate']:.3f}",
        ]
    ]  # fmt: skip
    head = ["time of a fit", "peak memory beside the data", "iterations", "error"]
    head.append("support recovery rate")
    m, n = sizes
    title = f"{n}^3 unknowns, {m}^3 measurements"
    table = {"title": title, "head": head, "rows": rows}
    expanded = f"{m**3 * n**3 * 8 / 1e9:,.0f} GB"
    note = f"The expanded matrix would take {expanded}."
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure_large(sizes: Sequence[int]) -> Iterator[dict]:
    """One fit after a small one; the memory by the interpreter's own account."""
    import tracemalloc

    from sparsestat.bayes import KroneckerSparseBayesian
    from sparsestat.datasets import make_kronecker_sparse
    from sparsestat.metrics import nmse, support_recovery_rate

    warnings.simplefilter("ignore")
    small = make_kronecker_sparse(random_state=0)
    KroneckerSparseBayesian().fit(small.factors, small.target)
    m, n = sizes
    data = make_kronecker_sparse((m,) * 3, (n,) * 3, random_state=0)
    start = time.perf_counter()
    model = KroneckerSparseBayesian().fit(data.factors, data.target)
    elapsed = time.perf_counter() - start
    tracemalloc.start()
    model.fit(data.factors, data.target)
    memory = tracemalloc.get_traced_memory()[1]
    yield {
        "event": "fit",
        "time": elapsed,
        "memory": memory,
        "n_iter": model.n_iter_,
        "nmse": nmse(data.coef, model.coef_),
        "rate": support_recovery_rate(data.coef, model.coef_),
    }


CASES = [
    Case("A", "A channel by way of a reflecting surface", _channel),
    tensors_case(
        "B",
        "Tensors of 15^3 unknowns, 8 x 12 x 15 measurements, over the noise",
        "{} dB",
        (5, 10, 15, 20, 25, 30),
        lambda snr: {"snr_db": snr},
    ),
    tensors_case(
        "C",
        "The same at 25 dB, over the rows of the first factor",
        "{} rows",
        (6, 8, 10, 12, 14),
        lambda rows: {"n_measurements": (rows, 12, 15)},
    ),
    Case("D", "The same beside methods that expand the product", _dense),
    Case("E", "A tensor of 216000 unknowns", _large),
    Case("F", "What restarts are worth", _restarts),
    Case("O", "The channel under other pilots and patterns", _soundings),
]
