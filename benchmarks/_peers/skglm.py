"""skglm: working sets with Anderson-accelerated coordinate descent."""

from __future__ import annotations

from functools import cache

from benchmarks._peers import decades, distribution_versions

NAME = "skglm"
TOLERANCES = decades(3, 14)

_MAX_ITER = 1000


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("skglm", "scikit-learn", "numba", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Both scores of its working sets; on paths with n > p also its Gram form."""
    if task == "graphical_lasso":
        return {algo: {"algo": algo} for algo in ("primal", "dual")}
    if task == "quantile_path":
        return {"primal-dual": {"epochs": 1000}}
    if task == "logistic_path":
        choices = {f"{w} Newton": {"ws_strategy": w} for w in ("subdiff", "fixpoint")}
        return {**choices, "subdiff CD": {"ws_strategy": "subdiff", "newton": False}}
    choices = {}
    if task == "lasso_path" and n_samples > n_features and not sparse:
        choices["Gram"] = {"ws_strategy": "subdiff", "gram": True}
    if task == "sqrt_path":
        return {"default": {"ws_strategy": "subdiff"}}
    choices["subdiff"] = {"ws_strategy": "subdiff"}
    choices["fixpoint"] = {"ws_strategy": "fixpoint"}
    return choices


@cache
def _compiled(gram: bool, float32: bool, concave: bool = False):
    """Datafit and penalty; compiled once in a process, as its users would."""
    from skglm.datafits import Quadratic, QuadraticHessian
    from skglm.penalties import L1, MCPenalty
    from skglm.utils.jit_compilation import compiled_clone

    datafit = QuadraticHessian() if gram else Quadratic()
    penalty = MCPenalty(1.0, 3.0) if concave else L1(1.0)
    return tuple(compiled_clone(x, to_float32=float32) for x in (datafit, penalty))


def lasso_path(problem, tol: float, ws_strategy: str, gram: bool = False):
    """Warm-started Lasso path."""
    from skglm.solvers import AndersonCD

    datafit, penalty = _compiled(gram, problem.X.dtype == "float32")
    solver = AndersonCD(
        max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy, fit_intercept=False
    )
    X, y = problem.X, problem.y
    if gram:
        X, y = X.T @ X / len(y), -(X.T @ y) / len(y)
    return solver.path(X, y, datafit, penalty, alphas=problem.alphas)[1]


@cache
def _compiled_groups(n_groups: int, size: int):
    """Datafit and penalty of groups of one size."""
    import numpy as np
    from skglm.datafits import QuadraticGroup
    from skglm.penalties import WeightedGroupL2
    from skglm.utils.jit_compilation import compiled_clone

    indices = np.arange(n_groups * size, dtype=np.int32)
    starts = np.arange(0, n_groups * size + 1, size, dtype=np.int32)
    weights = np.full(n_groups, size**0.5)
    parts = (
        QuadraticGroup(starts, indices),
        WeightedGroupL2(1.0, weights, starts, indices),
    )
    return tuple(compiled_clone(part) for part in parts)


def group_path(problem, tol: float, ws_strategy: str):
    """Warm-started group Lasso path."""
    import numpy as np
    from skglm.solvers import GroupBCD

    from benchmarks._certify_blocks import GROUP_SIZE

    X, y = problem.X, problem.y
    datafit, penalty = _compiled_groups(X.shape[1] // GROUP_SIZE, GROUP_SIZE)
    solver = GroupBCD(max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy)
    w, coefs = np.zeros(X.shape[1]), []
    for alpha in problem.alphas:
        penalty.alpha = alpha
        w = solver.solve(X, y, datafit, penalty, w.copy(), X @ w)[0]
        coefs.append(w)
    return np.column_stack(coefs)


@cache
def _compiled_tasks():
    from skglm.datafits import QuadraticMultiTask
    from skglm.penalties import L2_1
    from skglm.utils.jit_compilation import compiled_clone

    return compiled_clone(QuadraticMultiTask()), compiled_clone(L2_1(1.0))


def multi_task_path(problem, tol: float, ws_strategy: str):
    """Warm-started multi-task Lasso path."""
    import numpy as np
    from skglm.solvers import MultiTaskBCD

    datafit, penalty = _compiled_tasks()
    solver = MultiTaskBCD(
        max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy, fit_intercept=False
    )
    Y = np.asfortranarray(problem.y)
    return solver.path(problem.X, Y, datafit, penalty, alphas=problem.alphas)[1]


@cache
def _logistic():
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.utils.jit_compilation import compiled_clone

    return compiled_clone(Logistic()), compiled_clone(L1(1.0))


def logistic_path(problem, tol: float, ws_strategy: str, newton: bool = True):
    """Path of logistic regression, each fit begun at the one before."""
    import numpy as np
    from skglm.solvers import AndersonCD, ProxNewton

    solver = (ProxNewton if newton else AndersonCD)(
        max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy, fit_intercept=False
    )
    datafit, penalty = _logistic()
    X, y, coefs = problem.X, problem.y, []
    w, fitted = np.zeros(X.shape[1]), np.zeros(len(y))
    for alpha in problem.alphas:
        penalty.alpha = alpha
        w = solver.solve(X, y, datafit, penalty, w_init=w.copy(), Xw_init=fitted)[0]
        fitted = X @ w
        coefs.append(w)
    return np.column_stack(coefs)


def mcp_path(problem, tol: float, ws_strategy: str):
    """Warm-started path of the minimax concave penalty, gamma 3."""
    from skglm.solvers import AndersonCD

    datafit, penalty = _compiled(False, problem.X.dtype == "float32", concave=True)
    solver = AndersonCD(
        max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy, fit_intercept=False
    )
    X, y = problem.X, problem.y
    return solver.path(X, y, datafit, penalty, alphas=problem.alphas)[1]


def huber_path(problem, tol: float, ws_strategy: str):
    """Warm-started path of Huber's loss."""
    from skglm.solvers import AndersonCD

    solver = AndersonCD(
        max_iter=_MAX_ITER, tol=tol, ws_strategy=ws_strategy, fit_intercept=False
    )
    datafit, penalty = _compiled_huber()
    X, y = problem.X, problem.y
    return solver.path(X, y, datafit, penalty, alphas=problem.alphas)[1]


@cache
def _compiled_huber():
    from skglm.datafits import Huber
    from skglm.penalties import L1
    from skglm.utils.jit_compilation import compiled_clone

    from benchmarks._certify_robust import THRESHOLD

    return compiled_clone(Huber(THRESHOLD)), compiled_clone(L1(1.0))


def quantile_path(problem, tol: float, epochs: int):
    """Medians by its primal-dual method, each from the solution before."""
    import numpy as np
    from skglm.experimental.pdcd_ws import PDCD_WS

    X, y = problem.X, problem.y
    datafit, penalty = _compiled_median()
    coefs, coef = np.zeros((X.shape[1], len(problem.alphas))), np.zeros(X.shape[1])
    for k, alpha in enumerate(problem.alphas):
        penalty.alpha = alpha * len(y)  # its loss is a sum
        solver = PDCD_WS(max_iter=_MAX_ITER, max_epochs=epochs, tol=tol)
        coef = solver.solve(X, y, datafit, penalty, coef.copy(), X @ coef)[0]
        coefs[:, k] = coef
    return coefs


@cache
def _compiled_median():
    from skglm.experimental.quantile_regression import Pinball
    from skglm.penalties import L1
    from skglm.utils.jit_compilation import compiled_clone

    return compiled_clone(Pinball(0.5)), compiled_clone(L1(1.0))


def lasso(problem, alpha: float, tol: float, ws_strategy: str):
    """One Lasso fit."""
    from skglm import Lasso

    model = Lasso(
        alpha,
        fit_intercept=False,
        ws_strategy=ws_strategy,
        tol=tol,
        max_iter=_MAX_ITER,
    )
    return model.fit(problem.X, problem.y).coef_


def graphical_lasso(problem, tol: float, algo: str):
    """Precision matrices, the primal algorithm's begun at the ones before."""
    from skglm.covariance import GraphicalLasso

    X = problem.X
    S = X.T @ X / len(X)
    model = GraphicalLasso(
        algo=algo, tol=tol, inner_tol=tol, warm_start=algo == "primal"
    )
    precisions = []
    for alpha in problem.alphas:
        model.alpha = alpha
        precisions.append(model.fit(S, mode="precomputed").precision_.copy())
    return precisions


def sqrt_path(problem, tol: float, ws_strategy: str):
    """Square-root Lasso with the path method of its estimator."""
    import numpy as np
    from skglm.experimental import SqrtLasso

    model = SqrtLasso(tol=tol, fit_intercept=False, max_iter=_MAX_ITER)
    root = np.sqrt(len(problem.y))  # it does not divide the norm by that
    return model.path(problem.X, problem.y, alphas=root * problem.alphas)[1].T
