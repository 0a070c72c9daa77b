"""Certified sparse regression on real data, beside scikit-learn.

Two tasks with data that scikit-learn bundles: the progression of diabetes from
quadratic and spline expansions of ten measurements, and the malignancy of breast
tumours, scored linearly, from quadratic expansions of their first ten measurements.

Each runs a pipeline with LassoCV and a grid search over the expansion, then fits
scikit-learn's Lasso at the same strength to the same certified duality gap.  Prints a
table and saves two plots.  Run by ``make demo``.
"""

import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Lasso as ScikitLearnLasso
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler

from sparsestat.linear_model import Lasso, LassoCV
from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay
from sparsestat.warmup import warm_up

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TOL = 1e-6
COLUMNS = "{:<34}{:>10}{:>10}{:>14}{:>10}"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    warm_up(["Lasso", "LassoCV"], verbose=False)
    print(
        f"Loading the compiled kernels took {time.perf_counter() - started:.1f} s "
        "(compiling them, on the very first run); no time below includes it.\n"
    )
    diabetes = explore(
        "Diabetes: quadratic and spline expansions",
        *load_diabetes(return_X_y=True, as_frame=True),
        expansions([c for c in load_diabetes().feature_names if c != "sex"], ["sex"]),
    )
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    names = list(X.columns[:10])
    cancer = explore(
        "Breast cancer: expansions of ten measurements",
        X[names],
        y.astype(float),
        expansions(names, []),
    )
    print("Plots")
    for name, draw in (
        ("coefficient_path.png", draw_path),
        ("cross_validation.png", draw_cross_validation),
    ):
        figure = draw(diabetes, cancer)
        figure.savefig(folder / name, dpi=150)
        print(f"  {folder / name}")


def expansions(smooth: list[str], plain: list[str]) -> list:
    """Expansions of the measurements to choose from."""

    def expand(transformer):
        return make_column_transformer(
            (transformer, smooth),
            (StandardScaler(), plain),
            sparse_threshold=0.0,
            verbose_feature_names_out=False,
        )

    return [
        PolynomialFeatures(2, include_bias=False),
        PolynomialFeatures(3, include_bias=False),
        expand(SplineTransformer(n_knots=6, include_bias=False)),
    ]


def explore(title, X, y, choices):
    """Choose an expansion and a strength, report, and return the fitted pipeline."""
    print(title)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, random_state=0
    )
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("expand", choices[0]),
            ("standardize", StandardScaler()),
            ("lasso", LassoCV(cv=5, eps=1e-3, tol=TOL, alpha_rule="1se")),
        ]
    ).set_output(transform="pandas")
    search = GridSearchCV(pipeline, {"expand": choices}, cv=3, n_jobs=1)
    started = time.perf_counter()
    search.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    best = search.best_estimator_
    model = best[-1]
    n_fits = len(choices) * 3 + 1
    print(
        f"  {len(X_train)} samples, {model.n_features_in_} features after "
        f"{type(best['expand']).__name__}; {n_fits} LassoCV fits (each 6 paths of 100 "
        f"strengths) in {seconds:.2f} s"
    )
    design, held_out = (
        np.asfortranarray(best[:-1].transform(part)) for part in (X_train, X_test)
    )
    target = y_train.to_numpy(float)
    print("  " + COLUMNS.format("at the chosen strength", "test R2", "features",
                                "gap / null", "ms"))  # fmt: skip
    ours = timed(lambda: Lasso(model.alpha_, tol=TOL).fit(design, target))
    report("sparsestat Lasso", ours, design, target, held_out, y_test)
    peer = timed(lambda: fit_peer(model.alpha_, design, target))
    report("scikit-learn Lasso, equal gap", peer, design, target, held_out, y_test)
    print()
    return best


def fit_peer(alpha, X, y):
    # scikit-learn's tol is relative to |y|^2 / n, twice the null model's objective.
    return ScikitLearnLasso(alpha, tol=0.5 * TOL, max_iter=1_000_000).fit(X, y)


def timed(fit, repeat=5):
    """Model and median seconds of some fits."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        model = fit()
        seconds.append(time.perf_counter() - started)
    return model, float(np.median(seconds))


def report(name, fitted, X, y, X_test, y_test) -> None:
    model, seconds = fitted
    print(
        "  "
        + COLUMNS.format(
            name,
            f"{r2_score(y_test, model.predict(X_test)):.4f}",
            f"{np.count_nonzero(model.coef_)}",
            f"{relative_gap(model, X, y):.1e}",
            f"{1e3 * seconds:.2f}",
        )
    )


def relative_gap(model, X, y) -> float:
    """Duality gap over the objective of the null model, from the definition."""
    n = len(y)
    X, y = X - X.mean(axis=0), y - y.mean()
    residual = y - X @ model.coef_
    largest = np.abs(X.T @ residual).max() / n / model.alpha
    t = np.clip(y @ residual / (residual @ residual), -1 / largest, 1 / largest)
    primal = residual @ residual / (2 * n) + model.alpha * np.abs(model.coef_).sum()
    dual = (t * (y @ residual) - t**2 * (residual @ residual) / 2) / n
    return (primal - dual) / (y @ y / (2 * n))


def draw_path(diabetes, cancer):
    figure, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    for ax, pipeline, title in zip(
        axes, (diabetes, cancer), ("Diabetes", "Breast cancer"), strict=True
    ):
        CoefficientPathDisplay.from_estimator(pipeline[-1], ax=ax)
        ax.set_title(title)
    return figure


def draw_cross_validation(diabetes, cancer):
    figure, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    for ax, pipeline, title in zip(
        axes, (diabetes, cancer), ("Diabetes", "Breast cancer"), strict=True
    ):
        CrossValidationDisplay.from_estimator(pipeline[-1], ax=ax)
        ax.set_title(title)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output"))
