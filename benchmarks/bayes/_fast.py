"""Fast maximisation of the evidence, and relevance vector machines."""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.bayes._gamp import draw
from benchmarks.bayes._kronecker import run_child

SHAPES = [(400, 2000, 20), (2000, 500, 20)]
WIDTHS = (0.02, 0.05, 0.1, 0.3, 1.0)


def _evidence(settings: Settings) -> dict:
    shapes = [(40, 100, 4), (100, 30, 4)] if settings.quick else SHAPES
    tables = []
    for shape in shapes:
        events = run_child("_fast:measure_evidence", settings, shape=list(shape))
        slow = next(e["time"] for e in events)
        rows = [
            [
                e["method"], seconds(e["time"]), f"{slow / e['time']:.1f}",
                f"{e['noise']:.2g}", f"{e['evidence']:.1f}", str(e["n_active"]),
                f"{e['nmse']:.1e}",
            ]
            for e in events
        ]  # fmt: skip
        head = [
            "", "time", "times faster", "noise / true", "log evidence", "active",
            "error",
        ]  # fmt: skip
        m, n, k = shape
        title = f"{m} samples of {n} features, {k} nonzero, 30 dB"
        tables.append({"title": title, "head": head, "rows": rows})
    notes = [
        "Best of three fits. Evidences compare where the noise variance is the same; "
        "scikit-learn's maximises another one, with priors of the variances. The error "
        "is the normalised squared one of the coefficients."
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


def measure_evidence(shape: list[int]) -> Iterator[dict]:
    """Times, evidences and errors of ARDRegression and of the fast solver."""
    from sklearn.linear_model import ARDRegression

    from sparsestat.bayes import SparseBayesianRegression
    from sparsestat.metrics import nmse

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    small = rng.standard_normal((20, 30))
    SparseBayesianRegression("fast", noise_variance=0.1).fit(small, small[:, 0])
    X = rng.standard_normal(shape[:2])
    y, coef, noise = draw(X, rng, shape[2], 30.0)
    peer = ARDRegression()
    models = {"scikit-learn, ARDRegression": peer}
    for name, model in models.items():
        elapsed = _best(model, X, y)
        yield {
            "event": "fit", "method": name, "time": elapsed,
            "noise": 1 / peer.alpha_ / noise, "evidence": _evidence_of(peer, X, y),
            "n_active": int(np.count_nonzero(peer.coef_)),
            "nmse": nmse(coef, peer.coef_),
        }  # fmt: skip
    for name, given in {
        "fast, the noise of ARDRegression": 1 / peer.alpha_,
        "fast, the true noise": noise,
        'fast, noise_variance="auto"': "auto",
        'fast, noise_variance="em"': "em",
    }.items():
        model = SparseBayesianRegression("fast", noise_variance=given)
        elapsed = _best(model, X, y)
        yield {
            "event": "fit", "method": name, "time": elapsed,
            "noise": model.noise_variance_ / noise, "evidence": model.log_evidence_,
            "n_active": int(model.active_.sum()), "nmse": nmse(coef, model.coef_),
        }  # fmt: skip


def _best(model, X, y, count: int = 3) -> float:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        model.fit(X, y)
        times.append(time.perf_counter() - start)
    return min(times)


def _evidence_of(peer, X, y) -> float:
    """Log density of centred targets at the variances that scikit-learn found."""
    g = np.where(peer.coef_ != 0, 1.0 / peer.lambda_, 0.0)
    A, b = X - X.mean(axis=0), y - y.mean()
    C = np.eye(len(b)) / peer.alpha_ + (A * g) @ A.T
    size = np.linalg.slogdet(C)[1] + len(b) * np.log(2.0 * np.pi)
    return float(-0.5 * (size + b @ np.linalg.solve(C, b)))


def _regression(settings: Settings) -> dict:
    n_draws = 1 if settings.quick else 10
    events = run_child("_fast:measure_regression", settings, n_draws=n_draws)
    tables = []
    for problem in dict.fromkeys(e["problem"] for e in events):
        rows = []
        for name in dict.fromkeys(e["method"] for e in events):
            found = [
                e for e in events if (e["problem"], e["method"]) == (problem, name)
            ]
            if found:
                middle = {k: np.mean([e[k] for e in found]) for k in ("rmse", "n")}
                elapsed = seconds(np.median([e["time"] for e in found]))
                size = f"{middle['n']:.0f}"
                rows.append([name, f"{middle['rmse']:.3g}", size, elapsed])
        head = ["", "error of the mean", "vectors", "time of a fit"]
        tables.append({"title": problem, "head": head, "rows": rows})
    notes = [
        f"{n_draws} draws; root mean squared error against the noiseless function. "
        "Ridge strengths of kernel ridge by five-fold cross-validation, its time "
        "included; sklearn-rvm where it can be imported."
    ]
    return {"kind": "tables", "tables": tables, "notes": notes}


def measure_regression(n_draws: int) -> Iterator[dict]:
    """Errors, numbers of vectors and times on sinc and Friedman's function."""
    from sklearn.datasets import make_friedman1
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV

    from sparsestat.bayes import RelevanceVectorRegression

    warnings.simplefilter("ignore")
    try:
        peer = importlib.import_module("sklearn_rvm").EMRVR
    except ImportError:
        peer = None
    for seed in range(n_draws):
        x = np.linspace(-10, 10, 100)[:, None]
        f = np.sinc(x.ravel() / np.pi)
        y = f + 0.1 * np.random.default_rng(seed).standard_normal(100)
        X, z = make_friedman1(240, noise=1.0, random_state=seed)
        X_new, z_new = make_friedman1(1000, noise=0.0, random_state=1000 + seed)
        for problem, data, gamma in [
            ("sinc, 100 samples, deviation of the noise 0.1", (x, y, x, f), 0.1),
            ("Friedman 1, 240 samples, noise 1", (X, z, X_new, z_new), 0.5),
        ]:
            models = {
                "RelevanceVectorRegression": RelevanceVectorRegression(gamma=gamma),
                "scikit-learn, KernelRidge": GridSearchCV(
                    KernelRidge(kernel="rbf", gamma=gamma),
                    {"alpha": np.geomspace(1e-4, 10.0, 12)},
                ),
            }
            if peer is not None:
                models["sklearn-rvm, EMRVR"] = peer(kernel="rbf", gamma=gamma)
            for name, model in models.items():
                start = time.perf_counter()
                model.fit(data[0], data[1])
                elapsed = time.perf_counter() - start
                vectors = getattr(
                    model, "relevance_", getattr(model, "relevance_vectors_", data[0])
                )
                error = np.sqrt(np.mean((model.predict(data[2]) - data[3]) ** 2))
                yield {
                    "event": "fit", "problem": problem, "method": name,
                    "rmse": float(error), "n": len(vectors), "time": elapsed,
                }  # fmt: skip


def _classification(settings: Settings) -> dict:
    n_draws = 1 if settings.quick else 5
    events = run_child("_fast:measure_classification", settings, n_draws=n_draws)
    rows = []
    for problem in dict.fromkeys(e["problem"] for e in events):
        for name in dict.fromkeys(e["method"] for e in events):
            found = [
                e for e in events if (e["problem"], e["method"]) == (problem, name)
            ]
            middle = {k: np.mean([e[k] for e in found]) for k in ("brier", "loss", "n")}
            rows.append([
                problem, name, f"{middle['brier']:.4f}", f"{middle['loss']:.3f}",
                f"{middle['n']:.0f}", seconds(np.median([e["time"] for e in found])),
            ])  # fmt: skip
    head = ["", "", "Brier score", "log loss", "vectors", "time of the search"]
    note = (
        f"{n_draws} splits into 200 samples and a test set, the width of the kernel by "
        "five-fold cross-validation of the log loss; Platt scaling by "
        "CalibratedClassifierCV."
    )
    table = {"title": "Probabilities", "head": head, "rows": rows}
    return {"kind": "tables", "tables": [table], "notes": [note]}


def measure_classification(n_draws: int) -> Iterator[dict]:
    """Scores of probabilities, beside support vectors with Platt's scaling."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import load_breast_cancer, make_classification, make_moons
    from sklearn.metrics import brier_score_loss, log_loss
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from sparsestat.bayes import RelevanceVectorClassifier

    warnings.simplefilter("ignore")
    for seed in range(n_draws):
        for problem, (X, y) in {
            "moons": make_moons(600, noise=0.3, random_state=seed),
            "eight features": make_classification(
                600, 8, n_informative=4, class_sep=0.8, flip_y=0.1, random_state=seed
            ),
            "breast cancer": load_breast_cancer(return_X_y=True),
        }.items():
            order = np.random.default_rng(seed).permutation(len(y))
            train, test = order[:200], order[200:]
            X = StandardScaler().fit(X[train]).transform(X)
            for name, model, key in [
                ("RelevanceVectorClassifier", RelevanceVectorClassifier(), "gamma"),
                (
                    "SVC with Platt scaling",
                    CalibratedClassifierCV(SVC(), ensemble=False),
                    "estimator__gamma",
                ),
            ]:
                search = GridSearchCV(model, {key: WIDTHS}, scoring="neg_log_loss")
                start = time.perf_counter()
                search.fit(X[train], y[train])
                elapsed = time.perf_counter() - start
                p, best = search.predict_proba(X[test])[:, 1], search.best_estimator_
                if key == "gamma":
                    count = len(best.relevance_)
                else:
                    count = len(best.calibrated_classifiers_[0].estimator.support_)
                yield {
                    "event": "fit", "problem": problem, "method": name,
                    "brier": brier_score_loss(y[test], p),
                    "loss": log_loss(y[test], p), "n": count, "time": elapsed,
                }  # fmt: skip


CASES = [
    Case("K", "The fast solver beside scikit-learn's", _evidence),
    Case("L", "Regression by relevance vectors", _regression),
    Case("M", "Probabilities from relevance vectors", _classification),
]
