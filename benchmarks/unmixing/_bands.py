"""Synthetic scenes some of whose bands are bad, and the same without."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.base import clone

from benchmarks._case import Case, Settings
from benchmarks.unmixing._scenes import events_of, scores

METHODS = (
    "VCA + FCLS", "NMF", "sparse NMF", "guided NMF", "CorrentropyNMF", "RRLbS"
)  # fmt: skip
SIMPLEX = {"sum_to_one": "simplex"}
# Of the scenes of N.order and N.papers: how much noise the bad bands have.
WEAK = {"n_bad_bands": 20, "bad_band_snr_db": 5.0}
ORDER = {**SIMPLEX, "alpha": 0.05, "max_iter": 40}
PAPERS = {
    "init": "vca", "solver": "mu", "sum_to_one": "soft", "asc_delta": 15.0,
    "alpha": "hoyer", "max_iter": 300,
}  # fmt: skip
RATIOS = [10.0, 20.0, 30.0, 40.0]
_SCENE = (
    "64 x 64 pixels of five materials in 224 bands, blocks as in the papers' protocol, "
    "no pure pixels. Angle: mean spectral angle; error: root mean square of all "
    "abundances."
)
_SPARSE = "Sparse and guided: CorrentropyNMF and RRLbS with the squared loss."


def _scenes_of(n_bad, ratios, **more) -> dict:
    """Scenes by their labels."""
    return {
        f"{n_bad} bad, {snr_db:g} dB": {
            "n_bad_bands": n_bad, "snr_db": snr_db, **more
        }
        for snr_db in ratios
    }  # fmt: skip


def _bands(settings: Settings) -> dict:
    tables = {
        "Defaults": (
            {
                **_scenes_of(0, [10.0, 30.0]),
                **_scenes_of(20, RATIOS),
                **_scenes_of(25, [30.0]),
            },
            {},
        ),
        "Exact sums to one": (_scenes_of(20, [20.0, 30.0, 40.0]), SIMPLEX),
    }
    notes = [
        f"{_SCENE} Bad bands have additional noise of their own power. The same robust "
        "start for all but VCA.",
        "Bad bands, good bands: the largest weight of a bad one, and the 5 % quantile "
        "of the weights of the good ones; medians too.",
        _SPARSE,
    ]
    return _report(settings, tables, notes)


def _order(settings: Settings) -> dict:
    scenes = _scenes_of(20, RATIOS, bad_band_snr_db=5.0)
    light = {
        "20 bad, 30 dB, light down to 0.7": {
            **WEAK, "snr_db": 30.0, "illumination": 0.3
        }
    }  # fmt: skip
    tables = {
        "10 iterations": (scenes, {**ORDER, "max_iter": 10}),
        "40 iterations": (scenes, ORDER),
        "200 iterations": (
            _scenes_of(20, [10.0, 30.0], bad_band_snr_db=5.0),
            {**ORDER, "max_iter": 200},
        ),
        "Bad bands of 10 dB, 10 iterations": (
            _scenes_of(20, RATIOS, bad_band_snr_db=10.0),
            {**ORDER, "max_iter": 10},
        ),
        "From VCA on all bands, 10 iterations": (
            _scenes_of(20, [10.0, 30.0], bad_band_snr_db=5.0),
            {**ORDER, "max_iter": 10, "init": "vca"},
        ),
        "Changing light, exact sums to one": (light, ORDER),
        "Changing light, a weak sum to one": (
            light,
            {**ORDER, "sum_to_one": "soft", "asc_delta": 0.3},
        ),
    }
    notes = [
        f"{_SCENE} Bad bands have additional noise of a third of their power, 5 dB. "
        "The same robust start for all but VCA, exact sums to one, alpha 0.05, and "
        "the same number of iterations for all.",
        _SPARSE,
        "Plain least squares leaves even the truth for the noise of the bad bands, at "
        "every ratio, as the last table shows: within 40 iterations its angle exceeds "
        "that of VCA. The sparse and robust ones do not drift.",
    ]
    report = _report(settings, tables, notes)
    report["tables"].append(_from_the_truth(settings))
    return report


def _from_the_truth(settings: Settings) -> dict:
    n_seeds, steps = (1, (10,)) if settings.quick else (10, (10, 40, 200))
    rows = []
    for n_bad in (0, 20):
        scenes = _scenes_of(n_bad, RATIOS, bad_band_snr_db=5.0)
        for label, scene in list(scenes.items())[: 1 if settings.quick else None]:
            events = events_of(
                settings,
                "benchmarks.unmixing._bands:leave_the_truth",
                n_seeds=n_seeds,
                scene=scene,
                steps=steps,
            )
            rows.append([label])
            for step in (0, *steps):
                own = [e for e in events if e["step"] == step]
                angle, error = (
                    np.median([e[k] for e in own]) for k in ("angle", "error")
                )
                rows[-1].append(f"{angle:.3f} / {error:.3f}")
    return {
        "title": f"NMF from the true endmembers, angle / error: medians of {n_seeds} "
        "scenes",
        "head": ["", "truth + FCLS", *(f"{step} iterations" for step in steps)],
        "rows": rows,
    }


def _papers(settings: Settings) -> dict:
    scenes = _scenes_of(20, RATIOS, bad_band_snr_db=5.0)
    notes = [
        f"{_SCENE} Bad bands have additional noise of a third of their power, 5 dB. "
        "As in the papers all start from that VCA, one run on all bands, and multiply, "
        "300 times; the sum to one is a band of 15, the strength the mean sparseness "
        "of the bands.",
        _SPARSE,
        "Angles keep the order but for ties; errors of the sparse ones do not.",
    ]
    return _report(settings, {"300 multiplicative steps": (scenes, PAPERS)}, notes)


def _report(settings: Settings, problems: dict, notes: list[str]) -> dict:
    n_seeds = 1 if settings.quick else 10
    if settings.quick:
        title, (scenes, options) = next(iter(problems.items()))
        label = next(reversed(scenes))
        problems = {title: ({label: scenes[label]}, {**options, "max_iter": 20})}
    tables = []
    for title, (scenes, options) in problems.items():
        rows = []
        for label, scene in scenes.items():
            events = events_of(
                settings,
                "benchmarks.unmixing._bands:measure",
                n_seeds=n_seeds,
                scene=scene,
                options=options,
            )
            for method in METHODS:
                own = [e for e in events if e["method"] == method]
                rows.append([f"{label}, {method}", *_medians(own)])
        tables.append(
            {
                "title": f"{title}: medians of {n_seeds} scenes",
                "head": ["", "angle (rad)", "error", "bad bands", "good bands"],
                "rows": rows,
            }
        )
    return {"kind": "tables", "tables": tables, "notes": notes}


def _medians(events) -> list[str]:
    cells = []
    for key in ("angle", "error", "bad", "good"):
        values = [e[key] for e in events if e[key] is not None]
        cells.append(f"{np.median(values):.3f}" if values else "-")
    return cells


def measure(n_seeds: int, scene: dict, options: dict) -> Iterator[dict]:
    """Scores and weights of each method on each scene."""
    warnings.simplefilter("ignore")
    for seed in range(n_seeds):
        yield from fits(seed, scene, options)


def fits(seed: int, scene: dict, options: dict):
    """Scores and weights of each method on one scene."""
    from sparsestat.datasets import make_hyperspectral
    from sparsestat.unmixing import VCA, ConstrainedNMF, CorrentropyNMF, RRLbS

    data = make_hyperspectral(**scene, random_state=seed)
    X, p = np.maximum(data.X, 0.0), len(data.endmembers)
    from_vca = options.get("init") == "vca"
    vca = VCA(p, random_state=0, n_init=1 if from_vca else 10)
    A = vca.fit_transform(X)
    common = {"normalize": True, "max_iter": 200, **options}
    if from_vca:
        common["init"] = np.maximum(vca.components_, 1e-6)
    plain = {key: value for key, value in common.items() if key != "alpha"}
    robust = [
        ConstrainedNMF(p).set_params(**cls(p).get_params()).set_params(**common)
        for cls in (CorrentropyNMF, RRLbS)
    ]
    models = {
        "NMF": ConstrainedNMF(p, **plain),
        "sparse NMF": robust[0],
        "guided NMF": robust[1],
        "CorrentropyNMF": clone(robust[0]).set_params(loss="correntropy"),
        "RRLbS": clone(robust[1]).set_params(loss="l21"),
    }
    truth = data.endmembers, data.abundances
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
            if weights is not None and len(data.bad_bands)
            else None,
            "good": float(np.quantile(weights[good], 0.05))
            if weights is not None
            else None,
        }


def leave_the_truth(n_seeds: int, scene: dict, steps: list[int]) -> Iterator[dict]:
    """Scores of plain factorisations from the true endmembers, on each scene."""
    from sparsestat.datasets import make_hyperspectral
    from sparsestat.unmixing import ConstrainedNMF, fcls

    warnings.simplefilter("ignore")
    for seed in range(n_seeds):
        data = make_hyperspectral(**scene, random_state=seed)
        X, truth = np.maximum(data.X, 0.0), data.endmembers
        found = {0: (truth, fcls(X, truth))}
        for step in steps:
            model = ConstrainedNMF(init=truth, max_iter=step, **SIMPLEX).fit(X)
            found[step] = model.components_, model.abundances_
        for step, (E, A) in found.items():
            angle, error = scores(truth, data.abundances, E, A)
            yield {"event": "fit", "step": step, "angle": angle, "error": error}


CASES = [
    Case("N.bands", "Factorisations of scenes with bad bands", _bands),
    Case("N.order", "Robust, sparse, plain: the order of the methods", _order),
    Case("N.papers", "The same by the papers' own steps and start", _papers),
]
