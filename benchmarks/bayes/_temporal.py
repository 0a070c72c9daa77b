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


def t_msbl(A, Y, noise: float, max_iter: int = 1000, tol: float = 1e-4):
    """Zhang and Rao (2011): M-SBL of whitened targets, B from the means; majorised.

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
        r = np.clip(moments.diagonal(1).mean() / moments.diagonal().mean(), -0.99, 0.99)
        B = np.float64(r) ** distance
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


CASES = [
    time_case("I", 12, (0.0, 0.9, 0.99)),
    time_case("J", 16, (0.9, 0.99)),
]
