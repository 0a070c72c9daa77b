"""adelie: group elastic net with pivot screening, in C++.

It needs numpy < 2, so it lives in a virtual environment of its own: the one whose
Python the variable ``SPARSESTAT_ADELIE_PYTHON`` names, else ``.venv/bench-adelie``,
which is made on first use.
"""

from __future__ import annotations

from benchmarks._peers import decades, distribution_versions, own_environment

NAME = "adelie"
TOLERANCES = decades(6, 18)

_REQUIREMENTS = ("adelie==1.1.52", "numpy<2", "scipy", "threadpoolctl")


def interpreter() -> str:
    """Python of adelie's environment; ImportError if there is none."""
    return own_environment("adelie", "adelie", _REQUIREMENTS)


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("adelie", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Both screening rules; with n > p also its covariance method."""
    if task in ("cox_path", "logistic_path"):
        # the outer tolerance is on another scale than the inner
        return {f"outer {r:.0e}": {"outer": r} for r in (1e-5, 1e-3, 1e-2)}
    choices = {}
    if task == "lasso_path" and n_samples > n_features and not sparse:
        choices["covariance"] = {"screen_rule": "pivot", "covariance": True}
    choices["pivot"] = {"screen_rule": "pivot"}
    choices["strong"] = {"screen_rule": "strong"}
    return choices


def lasso_path(problem, tol: float, screen_rule: str, covariance: bool = False):
    """Lasso path on the given grid, all of it."""
    import adelie
    import numpy as np

    X, y = problem.X, problem.y
    common = {
        "lmda_path": problem.alphas.astype(X.dtype),
        "tol": tol,
        "screen_rule": screen_rule,
        "early_exit": False,
        "max_iters": 10_000_000,
        "progress_bar": False,
    }
    if covariance:
        gram = np.asfortranarray(X.T @ X / len(y))
        state = adelie.solver.gaussian_cov(gram, X.T @ y / len(y), **common)
    else:
        wrap = adelie.matrix.sparse if problem.is_sparse else adelie.matrix.dense
        state = adelie.grpnet(
            wrap(X),
            adelie.glm.gaussian(y=y, dtype=X.dtype.type),
            intercept=False,
            adev_tol=1.0,
            **common,
        )
    return state.betas.T


def group_path(problem, tol: float, screen_rule: str):
    """Group Lasso path; groups weigh the root of their size by default."""
    import adelie
    import numpy as np

    from benchmarks._certify_blocks import GROUP_SIZE

    state = adelie.grpnet(
        adelie.matrix.dense(problem.X),
        adelie.glm.gaussian(y=problem.y),
        groups=np.arange(0, problem.X.shape[1], GROUP_SIZE),
        lmda_path=problem.alphas,
        tol=tol,
        screen_rule=screen_rule,
        early_exit=False,
        adev_tol=1.0,
        max_iters=10_000_000,
        intercept=False,
        progress_bar=False,
    )
    return state.betas.T


def cox_path(problem, tol: float, outer: float):
    """Path of proportional hazards, ties by Breslow."""
    import adelie
    import numpy as np

    time, event = problem.y.T.copy()
    state = adelie.grpnet(
        adelie.matrix.dense(problem.X),
        adelie.glm.cox(
            start=np.zeros(len(time)), stop=time, status=event, tie_method="breslow"
        ),
        lmda_path=problem.alphas,
        tol=tol,
        irls_tol=outer * tol,
        irls_max_iters=1_000_000,
        max_iters=10_000_000,
        early_exit=False,
        adev_tol=1.0,
        intercept=False,
        progress_bar=False,
    )
    return state.betas.T


def logistic_path(problem, tol: float, outer: float):
    """Path of logistic regression without intercept."""
    import adelie
    import numpy as np

    state = adelie.grpnet(
        adelie.matrix.dense(problem.X),
        adelie.glm.binomial(y=(problem.y > 0.0).astype(np.float64), dtype=np.float64),
        lmda_path=problem.alphas,
        tol=tol,
        irls_tol=outer * tol,
        irls_max_iters=1_000_000,
        max_iters=10_000_000,
        early_exit=False,
        adev_tol=1.0,
        ddev_tol=0.0,
        intercept=False,
        progress_bar=False,
    )
    return state.betas.T
