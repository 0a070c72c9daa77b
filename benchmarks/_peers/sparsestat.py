"""sparsestat itself, through its public interface."""

from __future__ import annotations

from benchmarks._peers import distribution_versions

NAME = "sparsestat"
TOLERANCES = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9]


def versions() -> dict[str, str]:
    """Versions of what runs."""
    import sparsestat

    own = {"sparsestat": sparsestat.__version__}
    return own | distribution_versions("scikit-learn", "numba", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Its defaults: the solver is left to choose by itself."""
    return {"default": {}}


def lasso_path(problem, tol: float):
    """Lasso path."""
    from sparsestat.linear_model import lasso_path

    return lasso_path(
        problem.X, problem.y, alphas=problem.alphas, fit_intercept=False, tol=tol
    )[1]


def logistic_path(problem, tol: float):
    """Path of logistic regression without intercept."""
    from sparsestat.linear_model import glm_path

    return glm_path(
        problem.X, problem.y, alphas=problem.alphas, fit_intercept=False, tol=tol
    )[1]


def class_fits(problem, tol: float):
    """Sparsemax classifiers, a fit for each strength."""
    import numpy as np

    from benchmarks._peers import Classifiers
    from sparsestat.linear_model import SparsemaxClassifier

    fits = [
        SparsemaxClassifier(alpha, tol=tol).fit(problem.X, problem.y)
        for alpha in problem.alphas
    ]
    coefs = np.stack([fit.coef_ for fit in fits])
    return Classifiers("sparsemax", coefs, np.stack([fit.intercept_ for fit in fits]))


def cox_path(problem, tol: float):
    """Path of proportional hazards."""
    from sparsestat.linear_model import cox_path

    return cox_path(problem.X, problem.y, alphas=problem.alphas, tol=tol)[1]


def huber_path(problem, tol: float):
    """Path of Huber's loss."""
    from benchmarks._certify_robust import THRESHOLD
    from sparsestat.optim import datafits

    return _l1_path(problem, datafits.Huber(THRESHOLD), tol)


def quantile_path(problem, tol: float):
    """Path of medians."""
    from sparsestat.optim import datafits

    return _l1_path(problem, datafits.Quantile(0.5), tol)


def _l1_path(problem, datafit, tol: float):
    from sparsestat.optim import path, penalties

    return path(
        problem.X,
        problem.y,
        datafit,
        penalties.L1(1.0),
        alphas=problem.alphas,
        fit_intercept=False,
        tol=tol,
    ).coefs


def mcp_path(problem, tol: float):
    """Path of the minimax concave penalty, gamma 3."""
    from sparsestat.optim import datafits, path, penalties

    return path(
        problem.X,
        problem.y,
        datafits.Quadratic(),
        penalties.MCP(1.0, 3.0),
        alphas=problem.alphas,
        fit_intercept=False,
        tol=tol,
    ).coefs


def group_path(problem, tol: float):
    """Group Lasso path."""
    from benchmarks._certify_blocks import GROUP_SIZE
    from sparsestat.linear_model import group_path

    return group_path(
        problem.X, problem.y, feature_groups=GROUP_SIZE, alphas=problem.alphas, tol=tol
    )[1]


def multi_task_path(problem, tol: float):
    """Multi-task Lasso path."""
    return lasso_path(problem, tol)


def lasso(problem, alpha: float, tol: float):
    """One Lasso fit."""
    from sparsestat.linear_model import Lasso

    return Lasso(alpha, fit_intercept=False, tol=tol).fit(problem.X, problem.y).coef_


def lasso_cv(problem, folds: int, tol: float, threads: int):
    """Mean squared errors of ``LassoCV`` over unshuffled folds."""
    from sparsestat.linear_model import LassoCV

    model = LassoCV(alphas=problem.alphas, cv=folds, tol=tol, n_jobs=threads)
    return model.fit(problem.X, problem.y).mse_path_.mean(axis=1)


def slope_path(problem, tol: float):
    """SLOPE path."""
    from benchmarks._certify_slope import bh_lambdas
    from sparsestat.optim import datafits, path, penalties

    penalty = penalties.SLOPE(1.0, bh_lambdas(problem.X.shape[1]))
    return path(
        problem.X,
        problem.y,
        datafits.Quadratic(),
        penalty,
        alphas=problem.alphas,
        fit_intercept=False,
        tol=tol,
    ).coefs


def denoise_line(signal, strength: float, tol: float):
    """Total variation on a line; the exact prox has no tolerance."""
    from sparsestat.optim.proximal import prox_tv1d

    return prox_tv1d(signal, strength)


def graphical_lasso(problem, tol: float):
    """Precision matrices for all strengths, each begun at the one before."""
    from sparsestat.covariance import graphical_lasso_path

    X = problem.X
    found = graphical_lasso_path(X.T @ X / len(X), alphas=problem.alphas, tol=tol)
    return [precision.toarray() for precision in found[1]]


def sqrt_path(problem, tol: float):
    """Square-root Lasso, one fit after another."""
    import numpy as np

    from sparsestat.linear_model import SqrtLasso

    model = SqrtLasso(fit_intercept=False, standardize=False, tol=tol, warm_start=True)
    fits = (model.set_params(alpha=a).fit(problem.X, problem.y) for a in problem.alphas)
    return np.column_stack([fit.coef_ for fit in fits])


def intervals(X, y, threads: int):
    """Lower and upper ends of 95 % intervals of all coefficients."""
    from sparsestat.linear_model import DebiasedLasso

    return DebiasedLasso(n_jobs=threads).fit(X, y).conf_int_.T


def sparsemax(Z) -> dict:
    """Sparsemax into an array that is there, and as sparse rows."""
    import numpy as np

    from sparsestat.activations import sparsemax

    out = np.empty_like(Z)
    return {
        NAME: lambda: sparsemax(Z, out=out),
        f"{NAME}, CSR": lambda: sparsemax(Z, output="csr"),
    }


def entmax15(Z) -> dict:
    """1.5-entmax into an array that is there."""
    return _entmax(Z, 1.5)


def entmax125(Z) -> dict:
    """1.25-entmax into an array that is there."""
    return _entmax(Z, 1.25)


def _entmax(Z, alpha: float) -> dict:
    import numpy as np

    from sparsestat.activations import entmax

    out = np.empty_like(Z)
    return {NAME: lambda: entmax(Z, alpha, out=out)}


def loss(Z) -> dict:
    """Sparsemax loss of labels, with its gradient."""
    import numpy as np

    from sparsestat.activations import fenchel_young_loss

    labels = np.arange(len(Z)) % Z.shape[1]
    return {NAME: lambda: fenchel_young_loss(Z, labels, return_grad=True)[0]}


def decode(P) -> dict:
    """Decoding with the default penalty, to sparse rows, of several divergences."""
    from sparsestat.activations import bregman_decode

    def call(kind: str, alpha: float):
        return lambda: bregman_decode(P, alpha=alpha, kind=kind, output="csr")[0]

    kinds = [("primal", alpha) for alpha in (1.0, 1.2, 1.5, 2.0)]
    kinds += [("dual", 1.2), ("dual", 1.5)]
    return {f"{NAME}, {kind} {alpha:g}": call(kind, alpha) for kind, alpha in kinds}
