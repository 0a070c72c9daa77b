"""Solve one problem, or a path of them along decreasing strengths."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.design import CSC, Dense, Design, make_design, with_norms
from sparsestat.optim.penalties import kind, prepare
from sparsestat.optim.problem import LeastSquares, least_squares
from sparsestat.optim.quadratic_path import PathSolver, Step
from sparsestat.optim.solution import PathSolution, Solution

__all__ = ["path", "solve"]

# A whole Gram matrix is formed up to this many features.
_WHOLE_GRAM = 4000
# Below this share of y's mean square the null model is exact up to rounding.
_NOTHING_LEFT = (64 * np.finfo(np.float64).eps) ** 2


def path(
    X,
    y: np.ndarray,
    datafit: NamedTuple,
    penalty: NamedTuple,
    *,
    alphas: int | np.ndarray = 100,
    eps: float | None = None,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    coef0: np.ndarray | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
    solver: str = "auto",
    precompute: bool | str = "auto",
    early_stopping: bool = False,
    on_step: Callable[[int, float], Any] | None = None,
) -> PathSolution:
    fit = _Fit(
        X, y, datafit, penalty, sample_weight, fit_intercept, standardize, solver,
        precompute, tol, max_iter, n_alphas=alphas if np.isscalar(alphas) else len(alphas),
    )  # fmt: skip
    if np.isscalar(alphas):
        n, p = X.shape
        if eps is None:
            eps = 1e-4 if n > p else 1e-3
        alphas = fit.alpha_max * np.logspace(0.0, np.log10(eps), int(alphas))
    else:
        alphas = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    steps = []
    for k, alpha in enumerate(alphas):
        steps.append(fit.step(alpha))
        if on_step is not None:
            on_step(k, alpha)
    return fit.collect(alphas[: len(steps)], steps)


class _Fit:
    def __init__(
        self, X, y, datafit, penalty, sample_weight, fit_intercept, standardize, solver,
        precompute, tol, max_iter, n_alphas,
    ):  # fmt: skip
        design = make_design(
            X,
            sample_weight=sample_weight,
            fit_intercept=fit_intercept,
            standardize=standardize,
        )
        if n_alphas > 4:
            n = X.shape[0]
            weights = np.full(n, 1.0 / n) if sample_weight is None else sample_weight
            design = with_norms(design, weights)
        n, p = X.shape
        self.penalty = prepare(penalty, p)
        self.problem = least_squares(
            design, y, self.penalty, sample_weight, fit_intercept
        )
        everything = n_alphas > 4 and p <= min(n, _WHOLE_GRAM)
        if solver == "auto":
            solver = "whole_gram" if everything else "face_newton"
        self.solver = PathSolver(self.problem, solver)
        self.tol, self.max_iter = tol, max_iter
        null_objective, gauges = self.solver.null(self.penalty._replace(alpha=1.0))
        self.gap_tol = tol * null_objective
        self.alpha_max = gauges.max(initial=0.0)

    def step(self, alpha):
        return self.solver.solve(
            self.penalty._replace(alpha=float(alpha)), self.gap_tol, self.max_iter
        )

    def collect(self, alphas, steps):
        design = self.problem.design
        p = len(design.mean)
        indices = np.concatenate([s.features for s in steps])
        values = np.concatenate([s.coef / design.scale[s.features] for s in steps])
        indptr = np.concatenate([[0], np.cumsum([len(s.features) for s in steps])])
        coefs = sparse.csc_array((values, indices, indptr), shape=(p, len(steps)))
        coefs.sort_indices()
        return PathSolution(
            alphas,
            coefs,
            self.problem.y_mean - design.mean @ coefs,
            np.array([s.objective for s in steps]),
            np.array([s.gap for s in steps]),
            self.gap_tol,
            np.array([s.n_iter for s in steps]),
            self.solver.n_passes,
            np.array([s.converged for s in steps]),
        )
