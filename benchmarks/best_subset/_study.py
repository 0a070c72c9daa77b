"""How often searches miss the best subset of six of 25 features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks.best_subset._times import _child, rss

SETTINGS = [(0.0, 1), (0.5, 1), (0.8, 1), (0.95, 1), (0.95, 5)]
N_DRAWS = 40


def _run(settings: Settings) -> dict:
    n_draws = 2 if settings.quick else N_DRAWS
    events = _child("_study:measure", settings, n_draws=n_draws)
    names = list(dict.fromkeys(event["name"] for event in events))
    tables = []
    for title, key, show in [
        (f"Draws of {n_draws} in which the optimum is missed", "missed", "{}"),
        ("Largest excess of the residual sum of squares", "excess", "{:.1%}"),
    ]:
        rows = []
        for name in names:
            cells = [
                show.format(e[key])
                for rho, snr in SETTINGS
                for e in events
                if (e["name"], e["rho"], e["snr"]) == (name, rho, snr)
            ]
            rows.append([name, *cells])
        heads = [f"{rho}, {snr}" for rho, snr in SETTINGS]
        tables.append({"title": title, "head": ["", *heads], "rows": rows})
    note = (
        "100 samples, correlation of neighbours and ratio of signal to noise in the "
        "heads; the optimum is proved by the exact search in every draw."
    )
    return {"kind": "tables", "tables": tables, "notes": [note]}


def measure(repeat: int, quick: bool, n_draws: int) -> Iterator[dict]:
    """Misses and largest excess of each search in each setting."""
    from sparsestat.datasets import make_sparse_regression
    from sparsestat.linear_model import BestSubsetRegressor

    try:
        from abess.linear import LinearRegression
    except ImportError:
        LinearRegression = None

    def ours(solver):
        return lambda X, y: BestSubsetRegressor(6, solver=solver).fit(X, y).support_

    def theirs(sizes):
        return lambda X, y: np.flatnonzero(
            LinearRegression(support_size=sizes).fit(X, y).coef_
        )

    searches = {
        f"sparsestat, {s}": ours(s) for s in ("exact", "auto", "swap", "splicing")
    }
    if LinearRegression is not None:
        searches["abess, one size"] = theirs(6)
    for rho, snr in SETTINGS:
        excess = {name: [] for name in searches}
        for seed in range(n_draws):
            data = make_sparse_regression(
                100, 25, n_nonzero_coefs=6, correlation=rho, snr=snr, random_state=seed
            )
            X, y = data.data, data.target
            best = BestSubsetRegressor(6, solver="exact").fit(X, y)
            if not best.optimal_:
                raise RuntimeError("the exact search did not finish")
            for name, search in searches.items():
                excess[name].append(rss(X, y, search(X, y)) / best.rss_[0] - 1.0)
        for name, values in excess.items():
            yield {
                "event": "study",
                "name": name,
                "rho": rho,
                "snr": snr,
                "missed": int(np.sum(np.array(values) > 1e-9)),
                "excess": max(max(values), 0.0),
            }


CASE = Case("C", "Missed optima", _run)
