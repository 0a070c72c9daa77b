"""sortedl1: SLOPE by hybrid coordinate descent over clusters, in C++."""

from __future__ import annotations

from benchmarks._peers import decades, distribution_versions

NAME = "sortedl1"
TOLERANCES = decades(2, 10)


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("sortedl1", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Its defaults: the hybrid solver with strong rules."""
    return {"default": {}}


def slope_path(problem, tol: float):
    """SLOPE path without early stopping, so that all strengths are solved."""
    import numpy as np
    from sortedl1 import Slope

    from benchmarks._certify_slope import bh_lambdas

    n_features = problem.X.shape[1]
    found = Slope(fit_intercept=False, tol=tol).path(
        problem.X,
        problem.y,
        lambdas=bh_lambdas(n_features),
        alphas=problem.alphas,
        tol_dev_change=0.0,
        tol_dev_ratio=1.0,
        max_clusters=n_features,
    )
    coefs = found.coefs
    coefs = coefs.todense() if hasattr(coefs, "todense") else coefs
    return np.asarray(coefs).reshape(n_features, -1)
