"""Targets in time: how often the support is missed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.bayes._kronecker import run_child

OURS, SHARED, PUBLISHED = "sparsestat, ar1", "sparsestat, none (M-SBL)", "T-MSBL"


def time_case(name: str, n_nonzero: int, correlations: Sequence[float]) -> Case:
    """Case of `make_mmv` with some sources over their correlation in time."""

    def run(settings: Settings) -> dict:
        n_trials = 3 if settings.quick else 1000
        events = run_child(
            "_temporal:measure_time", settings,
            n_nonzero=n_nonzero, correlations=list(correlations), n_trials=n_trials,
        )  # fmt: skip
        heads = ["", *(f"{beta:g}" for beta in correlations)]
        names = list(dict.fromkeys(event["method"] for event in events))

        def rows(key, middle, show):
            return [
                [
                    name,
                    *(
                        show(middle([e[key] for e in events if _at(e, name, beta)]))
                        for beta in correlations
                    ),
                ]
                for name in names
            ]

        tables = [
            {"title": title, "head": heads, "rows": rows(*how)}
            for title, how in [
                ("Draws whose support is missed, over the correlation",
                 ("missed", np.mean, "{:.1%}".format)),
                ("Normalised squared error, mean", ("nmse", np.mean, "{:.2g}".format)),
                ("The same, median", ("nmse", np.median, "{:.2g}".format)),
                ("Correlation found, mean", ("found", np.mean, "{:.2f}".format)),
                ("Time of a fit, median", ("time", np.median, seconds)),
            ]
        ]  # fmt: skip
        note = (
            f"{n_trials} draws of 25 samples of 125 features at 4 times, {n_nonzero} "
            "nonzero, 25 dB, the noise known. A support is missed where the features "
            "with the largest coefficients are not the true ones. T-MSBL drops the "
            "correlation from its posterior, as published; all take majorised steps."
        )
        return {"kind": "tables", "tables": tables, "notes": [note]}

    return Case(name, f"{n_nonzero} sources that correlate in time", run)


def _at(event: dict, name: str, beta: float) -> bool:
    return (event["method"], event["beta"]) == (name, beta)


def measure_time(
    n_nonzero: int, correlations: Sequence[float], n_trials: int
) -> Iterator[dict]:
    """Misses, errors and times of all methods on all draws."""
    from sparsestat.datasets import make_mmv
    from sparsestat.metrics import nmse

    warnings.simplefilter("ignore")
    for beta in correlations:
        for seed in range(n_trials):
            data = make_mmv(
                n_nonzero_coefs=n_nonzero, temporal_correlation=beta, random_state=seed
            )
            for name, method in methods().items():
                start = time.perf_counter()
                coef, correlation = method(data)
                elapsed = time.perf_counter() - start
                largest = np.argsort(np.linalg.norm(coef, axis=0))[-n_nonzero:]
                yield {
                    "event": "fit",
                    "method": name,
                    "beta": beta,
                    "missed": not np.array_equal(np.sort(largest), data.support),
                    "nmse": nmse(data.coef, coef),
                    "found": float(correlation),
                    "time": elapsed,
                }


def methods() -> dict[str, Callable]:
    """Functions of a data set to its coefficients and their correlation, by name."""

    def ours(temporal):
        from sparsestat.bayes import MultiTaskSparseBayesianRegression

        def fit(data):
            model = MultiTaskSparseBayesianRegression(
                temporal, noise_variance=data.noise_variance,
                fit_intercept=False,
            ).fit(data.data, data.target)  # fmt: skip
            return model.coef_, model.temporal_cov_[0, 1]

        return fit

    def published(data):
        return t_msbl(data.data, data.target, data.noise_variance)

    return {OURS: ours("ar1"), PUBLISHED: published, SHARED: ours("none")}


def t_msbl(
    A, Y, noise: float, max_iter: int = 1000, tol: float = 1e-4,
    step: str = "mm", learns: bool = True,
):  # fmt: skip
    """Zhang and Rao (2011): M-SBL of whitened targets, B from the means.

    By majorised steps or, as published, by "em"; without a correlation it is M-SBL.
    Returns the coefficients and the correlation of neighbours.
    """
    L = Y.shape[1]
    at = np.arange(L)
    distance = np.abs(at[:, None] - at)
    B, r = np.eye(L), 0.0
    g, kept = np.ones(A.shape[1]), np.arange(A.shape[1])
    X = np.zeros((A.shape[1], L))
    for _ in range(max_iter):
        part = A[:, kept]
        C = (part * g[kept]) @ part.T
        C[np.diag_indices(len(C))] += noise
        inverse = np.linalg.inv(C)
        gain = inverse @ part
        means = g[kept, None] * (gain.T @ Y)
        share = g[kept] * (part * gain).sum(axis=0)
        power = (means * np.linalg.solve(B, means.T).T).sum(axis=1) / L
        moments = (means / g[kept, None]).T @ means
        if learns:
            r = moments.diagonal(1).mean() / moments.diagonal().mean()
            r = np.clip(r, -0.99, 0.99)
            B = np.float64(r) ** distance
        if step == "em":
            new = power + g[kept] * (1.0 - share)
        else:
            new = np.sqrt(power * g[kept] / share)
        change = np.linalg.norm(new - g[kept]) / np.linalg.norm(g[kept])
        g[kept] = new
        X[:] = 0.0
        X[kept] = means
        g[g < 1e-8 * g.max()] = 0.0
        kept = np.flatnonzero(g)
        if change < tol:
            break
    return X.T, r


def unit_sources(data, rng):
    """The data with sources of unit norm, and noise of the same level."""
    norms = np.linalg.norm(data.coef, axis=0)
    coef = data.coef / np.where(norms > 0.0, norms, 1.0)
    signal = data.data @ coef.T
    noise = float(np.mean(signal**2) * 10.0**-2.5)
    target = signal + np.sqrt(noise) * rng.standard_normal(signal.shape)
    return data.data, target, data.support, noise


def unit_methods() -> dict[str, Callable]:
    """Functions of a matrix, targets and noise to coefficients, by name."""
    from sparsestat.bayes import MultiTaskSparseBayesianRegression

    def ours(A, Y, noise):
        model = MultiTaskSparseBayesianRegression(
            "ar1", noise_variance=noise, fit_intercept=False
        )
        return model.fit(A, Y).coef_

    def published(learns, step):
        return lambda A, Y, noise: t_msbl(A, Y, noise, step=step, learns=learns)[0]

    return {
        OURS: ours,
        "T-MSBL, em": published(True, "em"),
        "T-MSBL, majorised": published(True, "mm"),
        "M-SBL, em": published(False, "em"),
        "M-SBL, majorised": published(False, "mm"),
    }


UNIT_POINTS = ((12, 0.0), (12, 0.9), (12, 0.99), (16, 0.9))


def _unit(settings: Settings) -> dict:
    n_trials = 3 if settings.quick else 1000
    events = []
    for n_nonzero, beta in UNIT_POINTS:
        found = run_child(
            "_temporal:measure_unit", settings,
            n_nonzero=n_nonzero, beta=beta, n_trials=n_trials,
        )  # fmt: skip
        events += [{**event, "point": (n_nonzero, beta)} for event in found]
    heads = ["", *(f"{k} sources, {beta:g}" for k, beta in UNIT_POINTS)]
    tables = []
    for title, key, middle, show in [
        ("Draws whose support is missed", "missed", np.mean, "{:.1%}".format),
        ("Time of a fit, median", "time", np.median, seconds),
    ]:
        rows = [
            [
                name,
                *(
                    show(middle([
                        e[key] for e in events
                        if (e["method"], e["point"]) == (name, point)
                    ]))
                    for point in UNIT_POINTS
                ),
            ]
            for name in dict.fromkeys(event["method"] for event in events)
        ]  # fmt: skip
        tables.append({"title": title, "head": heads, "rows": rows})
    note = (
        f"{n_trials} draws as in case I, but for the sources, each of which has unit "
        "norm over time: so no source hides in the noise, which is what most draws of "
        "case I are missed for. Here the published steps of expectation maximisation "
        "and the correlation pay as published."
    )
    return {"kind": "tables", "tables": tables, "notes": [note]}


def measure_unit(n_nonzero: int, beta: float, n_trials: int) -> Iterator[dict]:
    """Misses and times on sources of unit norm."""
    from sparsestat.datasets import make_mmv

    warnings.simplefilter("ignore")
    for seed in range(n_trials):
        data = make_mmv(
            n_nonzero_coefs=n_nonzero, temporal_correlation=beta, random_state=seed
        )
        A, Y, support, noise = unit_sources(data, np.random.default_rng(seed))
        for name, method in unit_methods().items():
            start = time.perf_counter()
            coef = method(A, Y, noise)
            elapsed = time.perf_counter() - start
            largest = np.argsort(np.linalg.norm(coef, axis=0))[-n_nonzero:]
            yield {
                "event": "fit",
                "method": name,
                "missed": not np.array_equal(np.sort(largest), support),
                "time": elapsed,
            }


CASES = [
    time_case("I", 12, (0.0, 0.9, 0.99)),
    time_case("J", 16, (0.9, 0.99)),
    Case("N", "Sources of unit norm that correlate in time", _unit),
]
