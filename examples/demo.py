"""Certified sparse regression on real data, beside scikit-learn: ``make demo``.

Two tasks with data that scikit-learn bundles: the progression of diabetes, and the
malignancy of breast tumours scored linearly.  For each, a grid search over expansions
of the measurements (squares and products, or splines), each with LassoCV in a pipeline;
then single fits and whole paths beside scikit-learn's at equal certified gap.  Prints
a table and saves two plots.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import sklearn.linear_model as peer
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler
from threadpoolctl import threadpool_limits

matplotlib.use("agg")
import matplotlib.pyplot as plt

from sparsestat.linear_model import Lasso, LassoCV, lasso_path
from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay
from sparsestat.utils.dispatch import cache_folder

TOL = 1e-6  # the certified gap that all fits have to reach, relative to the null model
# Tolerances of the peer to try: the loosest that reaches the gap counts.
PEER_TOLS = TOL * 10.0 ** np.arange(1, -3, -0.5)
GREEN, ORANGE, DARK = "#009E73", "#D55E00", "#444444"
WIDTH = 88


class Task(NamedTuple):
    """Data, choices and the error that counts."""

    title: str
    data: tuple
    expansions: list
    error_name: str
    error: Callable


class Fit(NamedTuple):
    """What one solver did for one job."""

    solver: str
    coefs: np.ndarray  # a column for each strength
    gaps: np.ndarray
    seconds: float


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start()
    found = [explore(task) for task in tasks()]
    pictures = {
        "models.png": draw_models(found),
        "certificates.png": draw_certificates(found),
    }
    print("Plots")
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=150)
        print(f"  {folder / name}")


def start() -> None:
    """Tell what a cold start costs."""
    X, y = load_diabetes(return_X_y=True)
    cached = n_compiled()
    started = time.perf_counter()
    LassoCV().fit(X, y)
    cold = time.perf_counter() - started
    started = time.perf_counter()
    LassoCV().fit(X, y)
    warm = time.perf_counter() - started
    print(
        f"First LassoCV of this process: {cold:.2f} s, kernels compiled in it: "
        f"{n_compiled() - cached}; the second: {warm:.2f} s.\n"
        "All jobs below run in one thread, and once before their clock starts.\n"
    )


def n_compiled() -> int:
    """Number of kernels in the disk cache."""
    folder = cache_folder()
    return 0 if folder is None else len(list(folder.rglob("*.nbc")))


def tasks() -> list[Task]:
    diabetes = load_diabetes(return_X_y=True, as_frame=True)
    cancer = load_breast_cancer(return_X_y=True, as_frame=True)
    return [
        Task(
            "Diabetes: progression in a year",
            diabetes,
            # Sex has two values: all functions of it are collinear.
            expansions([name for name in diabetes[0].columns if name != "sex"]),
            "RMSE",
            lambda y, predicted: np.sqrt(np.mean((y - predicted) ** 2)),
        ),
        Task(
            "Breast cancer: benign (1) or malignant (0), scored linearly",
            cancer,
            expansions(list(cancer[0].columns)),
            "error rate",
            lambda y, predicted: np.mean((predicted > 0.5) != (y > 0.5)),
        ),
    ]


def expansions(columns: list[str]) -> list:
    """Transformers to choose from; other columns pass through."""
    return [
        make_column_transformer(
            (transformer, columns),
            remainder="passthrough",
            sparse_threshold=0.0,
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
        for transformer in (
            PolynomialFeatures(2, include_bias=False),
            SplineTransformer(n_knots=6, include_bias=False),
        )
    ]


def explore(task: Task) -> dict:
    """Choose expansion and strength, compare both solvers there, print."""
    X, y = task.data
    X_train, X_test, y_train, y_test = train_test_split(
        X, y.to_numpy(float), test_size=0.25, random_state=0
    )
    best, seconds = choose(task, X_train, y_train)
    alpha, alphas = best["lasso"].alpha_, best["lasso"].alphas_
    design, held_out = (
        np.asfortranarray(best[:-1].transform(part)) for part in (X_train, X_test)
    )
    print(
        f"{task.title}\n{'-' * WIDTH}\n"
        f"{len(y_train)} patients for training, {len(y_test)} for testing; "
        f"{X.shape[1]} measurements, {design.shape[1]} features.\n"
        f"Chosen: {name_of(best['expand'])}, alpha = {alpha:.3g}.\n"
        f"GridSearchCV over {len(task.expansions)} expansions, "
        f"{3 * len(task.expansions) + 1} fits of LassoCV with 5 folds "
        f"x {len(alphas)} strengths: {seconds:.2f} s.\n"
    )
    row("", task.error_name, "features", "certified gap", "time", "/ ours")
    fits = single_fits(design, y_train, alpha)
    for fit in fits:
        coef = fit.coefs[:, 0]
        intercept = y_train.mean() - design.mean(axis=0) @ coef
        error = task.error(y_test, held_out @ coef + intercept)
        size = np.count_nonzero(coef)
        row(f"{fit.solver}: one fit", f"{error:.4g}", str(size), *cells(fit, fits[0]))
    paths = whole_paths(design, y_train, alphas)
    for fit in paths:
        sizes = np.count_nonzero(fit.coefs, axis=0)
        span = f"{sizes[0]} to {sizes[-1]}"
        row(f"{fit.solver}: path of {len(sizes)}", "", span, *cells(fit, paths[0]))
    print()
    return {"task": task, "pipeline": best, "alphas": alphas, "paths": paths}


def choose(task: Task, X, y) -> tuple[Pipeline, float]:
    """Best pipeline of the grid search, and its seconds."""
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("expand", task.expansions[0]),
            ("standardize", StandardScaler()),
            ("lasso", LassoCV(eps=1e-3, tol=TOL, alpha_rule="1se")),
        ]
    ).set_output(transform="pandas")
    search = GridSearchCV(pipeline, {"expand": task.expansions}, cv=3)
    search, seconds = timed(lambda: search.fit(X, y), repeat=1)
    return search.best_estimator_, seconds


def name_of(expansion) -> str:
    return type(expansion.transformers[0][1]).__name__


def single_fits(X, y, alpha) -> list[Fit]:
    """The fit at one strength by both solvers."""
    alphas = np.array([alpha])

    def ours():
        return Lasso(alpha, tol=TOL).fit(X, y).coef_[:, None]

    def theirs(tol):
        return peer.Lasso(alpha, tol=tol, max_iter=100_000).fit(X, y).coef_[:, None]

    return compare(X, y, alphas, ours, theirs, repeat=9)


def whole_paths(X, y, alphas) -> list[Fit]:
    """The path by both solvers, on centred data as their functions expect."""
    X, y = X - X.mean(axis=0), y - y.mean()

    def ours():
        return lasso_path(X, y, alphas=alphas, tol=TOL)[1]

    def theirs(tol):
        return peer.lasso_path(X, y, alphas=alphas, tol=tol, max_iter=100_000)[1]

    return compare(X, y, alphas, ours, theirs, repeat=3)


def compare(X, y, alphas, ours, theirs, repeat) -> list[Fit]:
    """Both solvers at equal certified gap: the peer's loosest tolerance for it."""
    coefs, seconds = timed(ours, repeat)
    fits = [Fit("sparsestat", coefs, certified_gaps(X, y, alphas, coefs), seconds)]
    with warnings.catch_warnings():
        # Loose tolerances are meant to fail, and the certificate judges.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for tol in PEER_TOLS:
            gaps = certified_gaps(X, y, alphas, theirs(tol))
            if gaps.max() <= TOL:
                break
        coefs, seconds = timed(lambda: theirs(tol), repeat)
    return [*fits, Fit("scikit-learn", coefs, gaps, seconds)]


def certified_gaps(X, y, alphas, coefs) -> np.ndarray:
    """Duality gaps over the objective of the null model, from coefficients alone."""
    n = len(y)
    X, y = X - X.mean(axis=0), y - y.mean()
    residuals = y[:, None] - X @ coefs
    squares, products = (residuals**2).sum(axis=0), y @ residuals
    largest = np.abs(X.T @ residuals).max(axis=0) / (n * alphas)
    scales = np.clip(products / squares, -1 / largest, 1 / largest)
    primal = squares / (2 * n) + alphas * np.abs(coefs).sum(axis=0)
    dual = (scales * products - scales**2 * squares / 2) / n
    return (primal - dual) / (y @ y / (2 * n))


def timed(job: Callable, repeat: int):
    """Result and median seconds of a job, after one call that does not count."""
    job()
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        result = job()
        seconds.append(time.perf_counter() - started)
    return result, float(np.median(seconds))


def cells(fit: Fit, ours: Fit) -> tuple[str, str, str]:
    """Gap, time and the time relative to ours."""
    met = "" if fit.gaps.max() <= TOL else " (missed)"
    ratio = "" if fit is ours else f"{fit.seconds / ours.seconds:.2g}x"
    return f"{fit.gaps.max():.0e}{met}", duration(fit.seconds), ratio


def duration(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def row(*texts: str) -> None:
    print("{:<28}{:>11}{:>12}{:>16}{:>11}{:>8}".format(*texts).rstrip())


def draw_models(found: list[dict]):
    """Choice of the strength and coefficients, a row for each task."""
    figure, axes = plt.subplots(2, 2, figsize=(13.5, 9), layout="constrained")
    for (left, right), result in zip(axes, found, strict=True):
        CrossValidationDisplay.from_estimator(result["pipeline"], ax=left)
        path = CoefficientPathDisplay.from_estimator(
            result["pipeline"], n_labels=8, ax=right
        )
        right.legend(
            handles=[path.alpha_line_],
            loc="lower left",
            frameon=False,
            fontsize="small",
        )
        left.set_title(result["task"].title, loc="left", fontweight="bold", pad=30)
    return figure


def draw_certificates(found: list[dict]):
    """Certified gap along the path of both solvers, a panel for each task."""
    figure, axes = plt.subplots(1, 2, figsize=(13.5, 4.8), layout="constrained")
    floor = 1e-18
    for ax, result in zip(axes, found, strict=True):
        for fit, color in zip(result["paths"], (GREEN, ORANGE), strict=True):
            ax.plot(
                result["alphas"],
                np.maximum(fit.gaps, floor),
                "o",
                ms=3.5,
                color=color,
                label=f"{fit.solver}, {duration(fit.seconds)}",
            )
        ax.axhline(TOL, color=DARK, linestyle="--", linewidth=1)
        ax.text(result["alphas"][0], 2 * TOL, f"target {TOL:g}", color=DARK, size=9)
        ax.set(xscale="log", yscale="log", ylim=(floor / 3, 1e-4), xlabel="alpha")
        ax.set_title(result["task"].title, loc="left", fontweight="bold")
        ax.invert_xaxis()
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(title="path of 100 strengths", loc="center right", frameon=False)
    axes[0].set_ylabel("certified gap / objective of the null model")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="demo_output", type=Path)
    folder = parser.parse_args().folder
    with threadpool_limits(1):
        main(folder)
