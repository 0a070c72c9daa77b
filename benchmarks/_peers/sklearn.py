"""scikit-learn: cyclic coordinate descent with gap-safe screening."""

from __future__ import annotations

from benchmarks._peers import decades, distribution_versions

NAME = "scikit-learn"
# its tol is relative to ||y||^2 / n, twice the null objective: these meet the
# decades of the certified gap without a margin
TOLERANCES = decades(3, 13, factor=4.99)

_MAX_ITER = 1_000_000
_LARGEST_GRAM = 2**30


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("scikit-learn", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """With and without Gram matrix; ``precompute="auto"`` is one of these two.

    It makes none for sparse designs.
    """
    if task == "graphical_lasso":
        return {f"enet_tol {ratio:g}": {"ratio": ratio} for ratio in (1e-1, 1e-3)}
    if task == "quantile_path":
        return {name: {"solver": name} for name in ("highs-ds", "highs-ipm")}
    if task == "multi_task_path":
        return {"default": {}}
    if task == "class_fits":
        return {name: {"solver": name} for name in ("lbfgs", "newton-cg")}
    if task == "logistic_path":
        return {name: {"solver": name} for name in ("liblinear", "saga")}
    choices = {"Gram": {"precompute": True}, "no Gram": {"precompute": False}}
    if sparse or 8 * n_features**2 > _LARGEST_GRAM:
        del choices["Gram"]
    elif n_features > n_samples:
        choices = dict(reversed(choices.items()))
    return choices


def lasso_path(problem, tol: float, precompute: bool):
    """Lasso path, without the copy of X."""
    from sklearn.linear_model import lasso_path

    return lasso_path(
        problem.X,
        problem.y,
        alphas=problem.alphas,
        precompute=precompute,
        copy_X=False,
        tol=tol,
        max_iter=_MAX_ITER,
    )[1]


def quantile_path(problem, tol: float, solver: str):
    """Medians, a linear program each; `tol` has no meaning."""
    import numpy as np
    from sklearn.linear_model import QuantileRegressor

    coefs = np.empty((problem.X.shape[1], len(problem.alphas)))
    for k, alpha in enumerate(problem.alphas):
        model = QuantileRegressor(alpha=alpha, fit_intercept=False, solver=solver)
        coefs[:, k] = model.fit(problem.X, problem.y).coef_
    return coefs


def multi_task_path(problem, tol: float):
    """Multi-task Lasso path."""
    from sklearn.linear_model import lasso_path

    return lasso_path(
        problem.X, problem.y, alphas=problem.alphas, tol=tol, max_iter=_MAX_ITER
    )[1]


def class_fits(problem, tol: float, solver: str):
    """Multinomial logistic regression, a fit for each strength."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from benchmarks._peers import Classifiers

    fits = []
    for alpha in problem.alphas:
        C = 1.0 / (alpha * len(problem.y))
        model = LogisticRegression(C=C, solver=solver, tol=tol, max_iter=_MAX_ITER)
        fits.append(model.fit(problem.X, problem.y))
    coefs = np.stack([fit.coef_ for fit in fits])
    return Classifiers("softmax", coefs, np.stack([fit.intercept_ for fit in fits]))


def logistic_path(problem, tol: float, solver: str):
    """Path of logistic regression; "saga" begins each fit at the one before."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        l1_ratio=1.0,
        solver=solver,
        fit_intercept=False,
        tol=tol,
        max_iter=_MAX_ITER,
        warm_start=solver == "saga",
        random_state=0,
    )
    coefs = []
    for alpha in problem.alphas:
        model.set_params(C=1.0 / (alpha * len(problem.y)))
        coefs.append(model.fit(problem.X, problem.y).coef_[0].copy())
    return np.column_stack(coefs)


def lasso(problem, alpha: float, tol: float, precompute: bool):
    """One Lasso fit."""
    from sklearn.linear_model import Lasso

    model = Lasso(
        alpha,
        fit_intercept=False,
        precompute=precompute,
        copy_X=False,
        tol=tol,
        max_iter=_MAX_ITER,
    )
    return model.fit(problem.X, problem.y).coef_


def lasso_cv(problem, folds: int, tol: float, threads: int, precompute: bool):
    """Mean squared errors of ``LassoCV`` over unshuffled folds."""
    from sklearn.linear_model import LassoCV

    model = LassoCV(
        alphas=problem.alphas,
        cv=folds,
        precompute=precompute,
        copy_X=False,
        tol=tol,
        max_iter=_MAX_ITER,
        n_jobs=threads,
    )
    return model.fit(problem.X, problem.y).mse_path_.mean(axis=1)


def graphical_lasso(problem, tol: float, ratio: float):
    """Precision matrices, each begun anew; ``tol`` is for a feature.

    The tolerance of the inner Lasso is a `ratio` of it: above, gaps stay away from
    zero however many sweeps there are.
    """
    from sklearn.covariance import graphical_lasso

    X = problem.X
    S = X.T @ X / len(X)
    return [
        graphical_lasso(S, alpha, tol=tol * len(S), enet_tol=ratio * tol)[1]
        for alpha in problem.alphas
    ]
