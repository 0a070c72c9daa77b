"""One fit of `NewtonPath`: tolerance, grid and solutions, as `Run` has them."""

import numpy as np
from scipy import sparse

from sparsestat.optim.certificate import fill_curvatures, penalty_value
from sparsestat.optim.design import make_design, predict, with_norms
from sparsestat.optim.newton_path import NewtonPath, NewtonStep
from sparsestat.optim.penalties import prepare, restrict
from sparsestat.optim.run import Run, mean_prediction
from sparsestat.optim.solution import PathSolution, Solution
from sparsestat.optim.tasks import Tasks, make_tasks
from sparsestat.optim.working_columns import columns_for

__all__ = ["NewtonRun"]

_SHORT = 4


class NewtonRun(Run):
    """A smooth loss, its solver and its tolerance.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    make_loss : callable
        Maps weights that sum to one, of shape (n_samples,), to a `SmoothLoss`.
    penalty : NamedTuple
    sample_weight : ndarray of shape (n_samples,) or None
    fit_intercept, standardize : bool
    tol : float
        Bound of the gap, relative to the null model's loss.
    max_iter, n_alphas : int

    Attributes
    ----------
    penalty : NamedTuple
        Prepared.
    gap_tol, alpha_max, null_objective : float
        As for `Run`.
    """

    gram = None
    solver_class: type[NewtonPath] = NewtonPath

    def __init__(
        self, X, make_loss, penalty, sample_weight, fit_intercept, standardize, tol,
        max_iter, n_alphas,
    ):  # fmt: skip
        n = X.shape[0]
        weight = np.ones(n) if sample_weight is None else sample_weight
        self.weight = weight / weight.sum()
        design = make_design(
            X,
            sample_weight=self.weight,
            fit_intercept=fit_intercept,
            standardize=standardize,
        )
        if n_alphas > _SHORT or np.isnan(design.norm).any():
            design = with_norms(design, self.weight)
        self.loss = make_loss(self.weight)
        self.penalty = prepare(penalty, X.shape[1])
        self._repeated, n_classes = self.penalty, getattr(self.loss, "n_classes", 1)
        if n_classes > 1:
            design = make_tasks(design, n_classes)
            weights = np.repeat(self.penalty.weights, n_classes)
            self._repeated = self.penalty._replace(weights=weights)
        self.solver = self.solver_class(design, self.loss, self._repeated, self.weight)
        self.problem = self.solver.problem
        self.max_iter = max_iter
        self.null_objective, self.alpha_max = self.solver.null(self._repeated)
        if self.null_objective <= self.loss.rounding:
            self.alpha_max = self.solver.alpha_max = 0.0
        self.gap_tol = tol * self.null_objective

    def gram_without(self, *_):
        """There is no Gram matrix to share with folds."""
        return None

    def start(self, coef: np.ndarray) -> None:
        """Start from coefficients on the scale of X."""
        features = np.flatnonzero((coef != 0.0) & ~self.problem.excluded)
        self.solver.start(
            features, coef[features] * self.problem.design.scale[features]
        )

    def step(self, alpha: float) -> NewtonStep:
        """Solve for one strength."""
        if not alpha > 0.0:
            raise ValueError(
                f"alpha must be > 0 for losses other than least squares; got {alpha}."
            )
        penalty = self._repeated._replace(alpha=float(alpha))
        return self.solver.solve(penalty, self.gap_tol, self.max_iter)

    def explained_share(self, step: NewtonStep) -> float:
        """Share of the null model's loss that a step removes."""
        if self.null_objective <= 0.0:
            return 1.0
        return 1.0 - step.loss / self.null_objective

    def intercept_of(self, coef: np.ndarray) -> float:
        """Best intercept for coefficients on the scale of X."""
        fitted = self.fitted(coef)[self.loss.rows]
        return self._uncentred(self.loss.best_intercept(fitted), coef.ravel())

    def objective_of(self, alpha: float, coef: np.ndarray) -> float:
        """Objective at coefficients on the scale of X, with their best intercept."""
        fitted = self.fitted(coef)[self.loss.rows]
        intercept = self.loss.spread(self.loss.best_intercept(fitted))
        value, _ = self.loss.evaluate(fitted + intercept)
        penalty = self._repeated._replace(alpha=float(alpha))
        return value + penalty_value(penalty, coef.ravel() * self.problem.design.scale)

    def solution(self, step: NewtonStep) -> Solution:
        """The step on the scale of the data."""
        design = self.problem.design
        coef = np.zeros(len(self.problem.excluded))
        coef[step.features] = step.coef / design.scale[step.features]
        intercept, dual = self._uncentred(step.intercept, coef), step.dual
        if isinstance(design, Tasks):
            coef = coef.reshape(-1, design.n_tasks)
            dual = dual.reshape(-1, design.n_tasks)
        return Solution(
            coef,
            intercept,
            dual,
            step.objective,
            step.gap,
            self.solver.violation(self._repeated),
            step.n_iter,
            step.converged,
        )

    def path_solution(self, alphas: np.ndarray, steps: list) -> PathSolution:
        """All steps on the scale of the data."""
        return collect(self.problem.design, alphas, steps, self.gap_tol, self.solver)

    def degrees_of_freedom(self, found: PathSolution) -> np.ndarray:
        """Degrees of freedom of every solution of a path, without intercepts.

        The size of the support with an l1 penalty; else the trace of H (H + R)^-1 on
        it, with the Hessians of the loss, intercepts minimised out, and of the penalty.
        """
        if getattr(self.penalty, "l1_ratio", 1.0) == 1.0:
            return np.diff(found.coefs.indptr)
        return np.array(
            [
                self._freedom(alpha, found.coefs[:, [k]].toarray().ravel())
                for k, alpha in enumerate(found.alphas)
            ]
        )

    def _freedom(self, alpha: float, coef: np.ndarray) -> float:
        support = np.flatnonzero(coef)
        fitted = self.fitted(coef)[self.loss.rows]
        self.loss.evaluate(fitted + self.loss.spread(self.loss.best_intercept(fitted)))
        columns = columns_for(self.problem, self.loss)
        columns.add(support)
        columns.begin(self.loss.metric(safe=False))
        hessian = columns.hessian(0, len(support))
        ridge = np.zeros(len(support))
        local = restrict(self._repeated._replace(alpha=float(alpha)), support)
        fill_curvatures(local, ridge)
        return float(np.trace(np.linalg.solve(hessian + np.diag(ridge), hessian)))

    def _uncentred(self, intercept, coef: np.ndarray):
        """The intercept that goes with X as it is."""
        found = intercept - mean_prediction(self.problem.design, coef)
        return found if np.ndim(found) else float(found)

    def fitted(self, coef: np.ndarray) -> np.ndarray:
        """Predictions for coefficients on the scale of X, without an intercept."""
        scaled = coef.ravel().astype(np.float64) * self.problem.design.scale
        support = np.flatnonzero(scaled)
        if len(support) == 0:
            return np.zeros(len(self.problem.root))
        return predict(self.problem.design, support, scaled[support])


def collect(design, alphas, steps: list, gap_tol: float, solver) -> PathSolution:
    """Steps with intercepts of their own, on the scale of the data."""
    indices = np.concatenate([step.features for step in steps]).astype(np.int64)
    values = np.concatenate([step.coef for step in steps]) / design.scale[indices]
    indptr = np.concatenate([[0], np.cumsum([len(s.features) for s in steps])])
    shape = len(design.mean), len(steps)
    coefs = sparse.csc_array((values, indices, indptr), shape=shape)
    coefs.sort_indices()

    def values_of(name: str) -> np.ndarray:
        return np.array([getattr(step, name) for step in steps])

    return PathSolution(
        alphas,
        coefs,
        values_of("intercept").T - mean_prediction(design, coefs),
        values_of("objective"),
        values_of("loss"),
        values_of("gap"),
        gap_tol,
        values_of("n_iter"),
        solver.n_passes,
        values_of("converged"),
    )
