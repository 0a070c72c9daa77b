"""One fit of the engine: choose a solver, set the tolerance, collect the solutions."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.certificate import penalty_value, stationarity
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.design import CSC, Dense, Design, make_design, with_norms
from sparsestat.optim.duplicates import (
    Duplicates,
    make_duplicates,
    on_features,
    rounded,
)
from sparsestat.optim.fused import FusedSolver
from sparsestat.optim.general import GeneralSolver
from sparsestat.optim.gradient import GRADIENT_METHODS, GradientSolver
from sparsestat.optim.group_descent import block_total
from sparsestat.optim.group_path import GroupPathSolver
from sparsestat.optim.moments import downdated_gram, gram_matrix, is_offset
from sparsestat.optim.penalties import (
    RowL2,
    feature_blocks,
    has_faces,
    is_coupled,
    kind,
    prepare,
    restrict_blocks,
    total,
)
from sparsestat.optim.problem import (
    allows_negative,
    least_squares,
    ordinary_least_squares,
)
from sparsestat.optim.quadratic_path import PathSolver, Step
from sparsestat.optim.slope import SlopeSolver
from sparsestat.optim.solution import PathSolution, Solution
from sparsestat.optim.tasks import Tasks, make_tasks, task_means

__all__ = ["Run", "mean_prediction"]

# Paths of more strengths than this take up-front costs that single fits do not.
_SHORT = 4
# A whole Gram matrix is formed up to this many features.
_WHOLE_GRAM = 4000
# Below this density, products with columns beat rows of a Gram matrix.
_SPARSE = 0.1
# Violations below this share of |x_j| |y| are rounding.
_ROUNDING = 64.0 * np.finfo(np.float64).eps
# Paths on a default grid stop where this share of the variance is left.
_INTERPOLATION = 1e-9


class Run:
    """A problem, its solver and its tolerance; see :func:`sparsestat.optim.path`.

    Attributes
    ----------
    penalty : NamedTuple
        Prepared.
    gap_tol : float
        Absolute bound of each step's gap.
    alpha_max : float
        Smallest strength that leaves only unpenalised coefficients.
    null_objective : float
        Objective of the model with intercept and unpenalised features alone.
    gram : ndarray of shape (n_features, n_features) or None
        The whole Gram matrix, where the solver works on one from the start.
    """

    def __init__(
        self, X, y, datafit, penalty, sample_weight, fit_intercept, standardize, tol,
        max_iter, solver="auto", precompute="auto", n_alphas=1, form_gram=None,
        n_path=30,
    ):  # fmt: skip
        if not isinstance(datafit, Quadratic):
            raise TypeError(f"datafit must be Quadratic(); got {datafit!r}.")
        weight = _shares(sample_weight)
        design = make_design(
            X,
            sample_weight=weight,
            fit_intercept=fit_intercept,
            standardize=standardize,
        )
        self.penalty = prepare(penalty, X.shape[1])
        self.n_path, general = n_path, kind(self.penalty) == "general"
        n_steps = max(n_alphas, n_path) if general else n_alphas
        method = self._method(design, X.shape[0], solver, precompute, n_steps)
        if general or method == "cd" or (method == "face_newton" and n_alphas > _SHORT):
            design = with_norms(design, weight)
        if isinstance(self.penalty, RowL2):
            y = y.reshape(len(y), -1)
            design = make_tasks(design, y.shape[1])
        owners = getattr(self.penalty, "features", None)
        if owners is not None and not np.array_equal(owners, np.arange(X.shape[1])):
            design = make_duplicates(design, owners)
        self.problem = least_squares(design, y, self.penalty, weight, fit_intercept)
        self.gram = None
        if method == "whole_gram":
            self.gram = (form_gram or gram_matrix)(design, self.problem.root**2)
        self.solver = self._make_solver(method)
        self.max_iter = max_iter
        self._scale, self.alpha_max, self.null_objective = self.solver.null(
            self.penalty
        )
        self.gap_tol = self.absolute_tol(tol)

    def _make_solver(self, method: str):
        return _SOLVERS[kind(self.penalty)](self, method)

    def _method(self, design: Design, n, solver, precompute, n_alphas) -> str:
        p = len(design.mean)
        if solver in GRADIENT_METHODS:
            if kind(self.penalty) != "general":
                raise ValueError(
                    f"solver={solver!r} is for separable penalties without dual; got "
                    f"{type(self.penalty).__name__}."
                )
            return solver
        if kind(self.penalty) == "general" and not has_faces(self.penalty):
            return "cd"
        if kind(self.penalty) == "block":
            return "face_newton"
        if is_coupled(self.penalty):
            return "cd"
        if isinstance(design, CSC):
            filled = len(design.data) < _SPARSE * n * p
            if solver == "cd" or (solver == "auto" and filled) or is_offset(design):
                return "cd"
        if solver == "cd":
            return "cd"
        worth = n_alphas > _SHORT and p <= min(n, _WHOLE_GRAM)
        if precompute is True or (precompute == "auto" and worth):
            return "whole_gram"
        single = n_alphas <= _SHORT and isinstance(design, Dense)
        return "auto" if precompute == "auto" and single else "face_newton"

    def absolute_tol(self, tol: float) -> float:
        """What a relative tolerance allows a gap, or a violation, to be."""
        if kind(self.penalty) != "general":
            return tol * self._scale
        norms = self.problem.design.norm.max(initial=0.0)
        return max(tol * self._scale, _ROUNDING * norms * np.sqrt(self.problem.y2))

    def start(self, coef: np.ndarray) -> None:
        """Start from coefficients on the scale of X."""
        features = np.flatnonzero((coef != 0.0) & ~self.problem.excluded)
        scaled = coef[features] * self.problem.design.scale[features]
        self.solver.start(features, scaled.astype(np.float64))

    def default_grid(self, n_alphas: int, eps: float | None) -> np.ndarray:
        """Strengths from alpha_max down, equally spaced in the logarithm."""
        design = self.problem.design
        if isinstance(design, Duplicates):
            design = design.base
        n, p = np.count_nonzero(self.problem.root), len(design.mean)
        if eps is None:
            eps = 1e-4 if n > p else 1e-3
        top = self.alpha_max
        if top <= 0.0:
            return np.full(n_alphas, np.finfo(np.float64).eps)
        return top * np.logspace(0.0, np.log10(eps), n_alphas)

    def step(self, alpha: float) -> Step:
        """Solve for one strength."""
        penalty = self.penalty._replace(alpha=float(alpha))
        if self.problem.is_rounding(self.null_objective):
            return self.solver.null_step()
        if alpha == 0.0:
            return self._unpenalised_step(penalty)
        return self.solver.solve(penalty, self.gap_tol, self.max_iter)

    def follow(
        self, alphas, eps=None, early_stopping=False, on_step=None
    ) -> PathSolution:
        """Solve along a grid; see :func:`sparsestat.optim.path`."""
        given = not np.isscalar(alphas)
        if given:
            grid = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
        else:
            grid = self.default_grid(int(alphas), eps)
        if isinstance(self.solver, GeneralSolver):
            self.solver.aim(min(grid[grid > 0.0], default=1.0))
        steps, explained = [], []
        for k, alpha in enumerate(grid):
            steps.append(self.step(alpha))
            if on_step is not None and on_step(k, steps[-1]):
                break
            explained.append(self.explained_share(steps[-1]))
            if not given and explained[-1] > 1.0 - _INTERPOLATION:
                break
            if early_stopping and _saturated(explained):
                break
        return self.path_solution(grid[: len(steps)], steps)

    def release(self) -> None:
        """Let go of the solver; the problem and a whole Gram matrix stay."""
        self.solver = None

    def gram_without(self, fold: Design, fold_weight: np.ndarray) -> np.ndarray:
        """The whole Gram matrix of the same data with weights of zero on some rows.

        Parameters
        ----------
        fold, fold_weight : Design, ndarray of shape (n_samples,)
            As for `downdated_gram`.

        Returns
        -------
        gram : ndarray of shape (n_features, n_features)
        """
        if self.gram is None:
            return gram_matrix(fold, fold_weight)
        design, weight = self.problem.design, self.problem.root**2
        return downdated_gram(self.gram, design, weight, fold, fold_weight)

    def explained_share(self, step: Step) -> float:
        """Share of the null model's loss that a step removes."""
        return (
            1.0 - step.loss / self.null_objective if self.null_objective > 0.0 else 1.0
        )

    def on_features(self, coefs):
        """Coefficients of features, from those of groups that may overlap."""
        return on_features(self.problem.design, coefs)

    def rounded(self, coef: np.ndarray, dtype) -> np.ndarray:
        """Coefficients whose values on the features have another precision."""
        return rounded(self.problem.design, coef, dtype)

    def intercept_of(self, coef: np.ndarray) -> float:
        """Best intercept for coefficients on the scale of X; 0 without one."""
        y_mean = self.problem.y_mean
        intercept = y_mean - mean_prediction(self.problem.design, coef)
        return intercept if np.ndim(y_mean) else float(intercept)

    def objective_of(self, alpha: float, coef: np.ndarray) -> float:
        """Objective at coefficients on the scale of X, with their best intercept."""
        scaled = coef * self.problem.design.scale
        support = np.flatnonzero(scaled)
        u = self.problem.residual(support, scaled[support])
        penalty = self.penalty._replace(alpha=float(alpha))
        if kind(penalty) == "block":
            blocks = feature_blocks(penalty, np.ones(len(scaled), bool))
            everyone = np.arange(len(blocks.starts) - 1)
            penalty = restrict_blocks(penalty, everyone, blocks.features)
            scaled = scaled[blocks.features]
            return 0.5 * float(u @ u) + block_total(penalty, blocks.starts, scaled)
        of_penalty = total if is_coupled(penalty) else penalty_value
        return 0.5 * float(u @ u) + of_penalty(penalty, scaled)

    def stationarity_of(self, alpha: float, coef: np.ndarray) -> float:
        """Largest violated optimality condition at coefficients on the scale of X.

        Over all features, by one pass over X; see `certificate.stationarity`.
        """
        problem = self.problem
        if problem.is_rounding(self.null_objective):
            return 0.0
        w = coef * problem.design.scale
        support = np.flatnonzero(w)
        q = problem.correlations(problem.residual(support, w[support]))
        penalty = self.penalty._replace(alpha=float(alpha))
        return stationarity(penalty, w, q, problem.design.norm**2)

    def solution(self, step: Step) -> Solution:
        """The step on the scale of the data."""
        problem = self.problem
        design = problem.design
        coef = np.zeros(len(problem.excluded))
        coef[step.features] = step.coef / design.scale[step.features]
        intercept = self.intercept_of(coef)
        residual = problem.residual_of_y(step.features, step.coef)
        if isinstance(design, Tasks):
            coef = coef.reshape(-1, design.n_tasks)
            residual = residual.reshape(-1, design.n_tasks)
        general = kind(self.penalty) == "general"
        return Solution(
            coef,
            intercept,
            step.shrink * residual,
            step.objective,
            np.inf if general else step.gap,
            self._stationarity(step),
            step.n_iter,
            step.converged,
        )

    def path_solution(self, alphas: np.ndarray, steps: list[Step]) -> PathSolution:
        """All steps on the scale of the data."""
        design = self.problem.design
        indices = np.concatenate([step.features for step in steps])
        values = np.concatenate([step.coef for step in steps]) / design.scale[indices]
        indptr = np.concatenate([[0], np.cumsum([len(s.features) for s in steps])])
        shape = len(design.mean), len(steps)
        coefs = sparse.csc_array((values, indices, indptr), shape=shape)
        coefs.sort_indices()
        return PathSolution(
            alphas,
            coefs,
            np.expand_dims(self.problem.y_mean, -1) - mean_prediction(design, coefs),
            np.array([step.objective for step in steps]),
            np.array([step.loss for step in steps]),
            np.array([step.gap for step in steps]),
            self.gap_tol,
            np.array([step.n_iter for step in steps]),
            self.solver.n_passes,
            np.array([step.converged for step in steps]),
        )

    def _unpenalised_step(self, penalty: NamedTuple) -> Step:
        """Least squares: of least norm, or non-negative; certified by projection."""
        problem = self.problem
        features = np.flatnonzero(~problem.excluded)
        matrix = problem.matrix(features)
        negative = allows_negative(penalty, features)
        coef = ordinary_least_squares(matrix, problem.target, negative)
        parts = problem.target.reshape(len(matrix), -1)
        u = parts - matrix @ coef.reshape(matrix.shape[1], -1)
        if negative:
            basis, singular, _ = np.linalg.svd(matrix, full_matrices=False)
            rank = singular > singular.max(initial=0.0) * max(matrix.shape) * 1e-15
            gap = 0.5 * float(np.sum((basis[:, rank].T @ u) ** 2))
            worst = np.abs(matrix.T @ u).max(initial=0.0)
        else:
            correlations = matrix.T @ u
            gap = max(0.0, -float(correlations[:, 0] @ coef))
            worst = correlations.max(initial=0.0)
        loss = 0.5 * float(np.vdot(u, u))
        if kind(penalty) == "general":
            gradient = (matrix.T @ u).ravel()
            free = negative | (coef != 0.0)
            violations = np.where(free, np.abs(gradient), np.maximum(gradient, 0.0))
            gap = worst = float(violations.max(initial=0.0))
        return Step(features, coef, loss, loss, gap, 1.0, 1, gap <= self.gap_tol, worst)

    def _stationarity(self, step: Step) -> float:
        if step.stationarity is not None:
            return step.stationarity
        return self.solver.violation(self.penalty)


def _path_solver(run: Run, method: str) -> PathSolver:
    return PathSolver(run.problem, method, run.gram)


def _general_solver(run: Run, method: str) -> GeneralSolver:
    if method in GRADIENT_METHODS:
        return GradientSolver(run.problem, method, run.n_path)
    return GeneralSolver(run.problem, method, run.n_path, run.gram)


def _group_solver(run: Run, method: str) -> GroupPathSolver:
    return GroupPathSolver(run.problem, run.penalty)


def _slope_solver(run: Run, method: str) -> SlopeSolver:
    return SlopeSolver(run.problem)


def _fused_solver(run: Run, method: str) -> FusedSolver:
    return FusedSolver(run.problem, run.penalty)


# What solves problems with a kind of penalty.
_SOLVERS = {
    "convex": _path_solver,
    "general": _general_solver,
    "block": _group_solver,
    "slope": _slope_solver,
    "fused": _fused_solver,
}


def mean_prediction(design: Design, coefs):
    """Mean predictions of coefficients on the scale of X."""
    means = task_means(design) if isinstance(design, Tasks) else design.mean
    return means @ coefs


def _saturated(explained: list[float]) -> bool:
    if explained[-1] > 0.999:
        return True
    return len(explained) > 5 and explained[-1] - explained[-6] < 1e-5 * explained[-1]


def _shares(sample_weight: np.ndarray | None) -> np.ndarray | None:
    """Weights that sum to one; None where all are equal."""
    if sample_weight is None or (sample_weight == sample_weight[0]).all():
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    return weight / weight.sum()
