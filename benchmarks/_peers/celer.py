"""celer: working sets with dual extrapolation."""

from __future__ import annotations

from benchmarks._peers import WithDuals, decades, distribution_versions

NAME = "celer"
# its tol is relative to ||y||^2 / n, twice the null objective: these meet the
# decades of the certified gap without a margin
TOLERANCES = decades(3, 13, factor=4.99)

_MAX_ITER = 1000
_MAX_EPOCHS = 1_000_000


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("celer", "scikit-learn", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Working sets that grow (its default for paths) or are pruned."""
    return {"growing": {"prune": 0}, "pruned": {"prune": 1}}


def lasso_path(problem, tol: float, prune: int):
    """Lasso path; its dual points, extrapolated ones included, cost nothing more."""
    from celer import celer_path

    _, coefs, _, thetas = celer_path(
        problem.X,
        problem.y,
        pb="lasso",
        # float64 alphas would promote its float32 state, which it then refuses
        alphas=problem.alphas.astype(problem.X.dtype),
        prune=prune,
        tol=tol,
        max_iter=_MAX_ITER,
        max_epochs=_MAX_EPOCHS,
        return_thetas=True,
    )
    return WithDuals(coefs, thetas.T)


def group_path(problem, tol: float, prune: int):
    """Group Lasso path."""
    import numpy as np
    from celer import celer_path

    from benchmarks._certify_blocks import GROUP_SIZE

    n_groups = problem.X.shape[1] // GROUP_SIZE
    return celer_path(
        problem.X,
        problem.y,
        pb="grouplasso",
        groups=GROUP_SIZE,
        weights=np.full(n_groups, GROUP_SIZE**0.5),
        alphas=problem.alphas,
        prune=prune,
        tol=tol,
        max_iter=_MAX_ITER,
        max_epochs=_MAX_EPOCHS,
    )[1]


def multi_task_path(problem, tol: float, prune: int):
    """Multi-task Lasso path."""
    from celer.homotopy import mtl_path

    return mtl_path(
        problem.X,
        problem.y,
        alphas=problem.alphas,
        prune=prune,
        tol=tol,
        max_iter=_MAX_ITER,
        max_epochs=_MAX_EPOCHS,
    )[1]


def logistic_path(problem, tol: float, prune: int):
    """Path of logistic regression; its objective is a sum, its penalty scaled along."""
    from celer import celer_path

    n = len(problem.y)
    return celer_path(
        problem.X,
        problem.y,
        pb="logreg",
        alphas=problem.alphas * n,
        prune=prune,
        tol=tol,
        max_iter=_MAX_ITER,
        max_epochs=_MAX_EPOCHS,
    )[1]


def lasso(problem, alpha: float, tol: float, prune: int):
    """One Lasso fit."""
    from celer import Lasso

    model = Lasso(
        alpha,
        fit_intercept=False,
        prune=bool(prune),
        tol=tol,
        max_iter=_MAX_ITER,
        max_epochs=_MAX_EPOCHS,
    )
    return model.fit(problem.X, problem.y).coef_
