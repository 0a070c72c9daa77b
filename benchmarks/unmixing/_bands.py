"""Synthetic scenes some of whose bands are bad, and the same without."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks.unmixing._scenes import events_of, scores

METHODS = (
    "VCA + FCLS", "NMF", "sparse NMF", "guided NMF", "CorrentropyNMF", "RRLbS"
)  # fmt: skip


def _bands(settings: Settings) -> dict:
    n_seeds = 1 if settings.quick else 10
    problems = {  # bad bands, decibels, whether sums to one are exact
        "Defaults, 30 dB": [(0, 30.0, False), (20, 30.0, False), (25, 30.0, False)],
        "Exact sums to one, 30 dB": [(20, 30.0, True)],
        "Defaults, more noise": [(20, 20.0, False), (20, 10.0, False)],
    }
    if settings.quick:
        problems = {"Defaults, 30 dB": [(20, 30.0, False)]}
    tables = []
    for title, scenes in problems.items():
        rows = []
        for n_bad, snr_db, simplex in scenes:
            events = events_of(
                settings,
                "benchmarks.unmixing._bands:measure",
                n_seeds=n_seeds,
                n_bad=n_bad,
                snr_db=snr_db,
                simplex=simplex,
            )
            for method in METHODS:
                own = [e for e in events if e["method"] == method]
                label = f"{n_bad} bad, {snr_db:g} dB, {method}"
                rows.append([label, *_medians(own)])
        tables.append(
            {
                "title": f"{title}: medians of {n_seeds} scenes",
                "head": ["", "angle (rad)", "error", "bad bands", "good bands"],
                "rows": rows,
            }
        )
    notes = [
        "64 x 64 pixels of five materials in 224 bands, blocks "
        "as in the papers' protocol, no pure pixels; bad bands have additional noise "
        "of their own power. Angle: mean spectral angle; error: root mean square of "
        "all abundances. The same robust start for all but VCA.",
        "Bad bands, good bands: the largest weight of a bad one, and the 5 % quantile "
        "of the weights of the good ones; medians too.",
        "Sparse and guided: CorrentropyNMF and RRLbS with the squared loss.",
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


def _medians(events) -> list[str]:
    cells = []
    for key in ("angle", "error", "bad", "good"):
        values = [e[key] for e in events if e[key] is not None]
        cells.append(f"{np.median(values):.3f}" if values else "-")
    return cells


def measure(n_seeds: int, n_bad: int, snr_db: float, simplex: bool) -> Iterator[dict]:
    """Scores and weights of each method on each scene."""
    warnings.simplefilter("ignore")
    for seed in range(n_seeds):
        yield from fits(seed, n_bad, snr_db, simplex)


def fits(seed: int, n_bad: int, snr_db: float, simplex: bool):
    """Scores and weights of each method on one scene."""
    from sparsestat.datasets import make_hyperspectral
    from sparsestat.unmixing import VCA, ConstrainedNMF, CorrentropyNMF, RRLbS

    data = make_hyperspectral(n_bad_bands=n_bad, snr_db=snr_db, random_state=seed)
    X, p = np.maximum(data.X, 0.0), len(data.endmembers)
    common = {"normalize": True, "max_iter": 200}
    if simplex:
        common["sum_to_one"] = "simplex"
    robust = CorrentropyNMF(p, **common), RRLbS(p, **common)
    models = {
        "NMF": ConstrainedNMF(p, **common),
        "sparse NMF": ConstrainedNMF().set_params(**robust[0].get_params()),
        "guided NMF": ConstrainedNMF().set_params(**robust[1].get_params()),
        "CorrentropyNMF": robust[0],
        "RRLbS": robust[1],
    }
    truth = data.endmembers, data.abundances
    vca = VCA(p, random_state=0)
    A = vca.fit_transform(X)
    for method, model in {"VCA + FCLS": vca, **models}.items():
        if method != "VCA + FCLS":
            A = model.fit(X).abundances_
        angle, error = scores(*truth, model.components_, A)
        weights = getattr(model, "band_weights_", None)
        good = np.setdiff1d(np.arange(X.shape[1]), data.bad_bands)
        yield {
            "event": "fit",
            "method": method,
            "angle": angle,
            "error": error,
            "bad": float(weights[data.bad_bands].max())
            if weights is not None and n_bad
            else None,
            "good": float(np.quantile(weights[good], 0.05))
            if weights is not None
            else None,
        }


CASES = [Case("N.bands", "Factorisations of scenes with bad bands", _bands)]
