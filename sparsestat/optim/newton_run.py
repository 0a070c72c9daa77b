"""One fit of `NewtonPath`: tolerance, grid and solutions, as `Run` has them."""

from typing import ClassVar, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.certificate import fill_curvatures, penalty_value
from sparsestat.optim.design import Design, make_design, predict, with_norms
from sparsestat.optim.duplicates import make_duplicates
from sparsestat.optim.group_descent import block_total, newton_system
from sparsestat.optim.newton_blocks import BlockNewtonPath
from sparsestat.optim.newton_concave import (
    ConcaveNewtonPath,
    concave_total,
    tangent_at_zero,
    violation,
)
from sparsestat.optim.newton_path import NewtonPath, NewtonStep
from sparsestat.optim.penalties import (
    feature_blocks,
    kind,
    prepare,
    restrict,
    restrict_blocks,
)
from sparsestat.optim.run import Run, mean_prediction
from sparsestat.optim.solution import PathSolution, Solution
from sparsestat.optim.tasks import Tasks, make_tasks
from sparsestat.optim.working_columns import columns_for

__all__ = ["NewtonRun"]

_SHORT = 4
# Kinds of penalties that any of these losses takes, beside convex separable ones.
_KINDS = "block", "general"
# Violations below this share of |x_j| are rounding.
_ROUNDING = 64.0 * np.finfo(np.float64).eps


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
    solver_class: ClassVar[type[NewtonPath]] = NewtonPath
    # Whether penalties on blocks, and without dual, are taken too.
    any_kind: ClassVar[bool] = True

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
        self.penalty = prepare(penalty, X.shape[1])
        self._kind = kind(self.penalty)
        short = n_alphas <= _SHORT and self._kind == "convex"
        if not short or np.isnan(design.norm).any():
            design = with_norms(design, self.weight)
        self.loss = make_loss(self.weight)
        owners = getattr(self.penalty, "features", None)
        if owners is not None and not np.array_equal(owners, np.arange(X.shape[1])):
            design = make_duplicates(design, owners)
        self._repeated, n_classes = self.penalty, getattr(self.loss, "n_classes", 1)
        if n_classes > 1:
            design = make_tasks(design, n_classes)
            self._repeated = _repeated(self.penalty, n_classes)
        self._screening = self._repeated
        self.solver = self._make_solver(design)
        self.problem = self.solver.problem
        self.max_iter = max_iter
        free = self._loss_of_intercept() if self.solver.is_free else 0.0
        self.null_objective, self.alpha_max = self.solver.null(
            self._screening, tol * free
        )
        if self.solver.is_free:
            self.null_objective = free
        if self.null_objective <= self.loss.rounding:
            self.alpha_max = self.solver.alpha_max = 0.0
        self._scale = self.solver.scale
        self.gap_tol = self.absolute_tol(tol)

    def _make_solver(self, design: Design) -> NewtonPath:
        """The solver for the kind of the penalty."""
        smooth, weight = self.loss, self.weight
        if self._kind == "convex":
            return self.solver_class(design, smooth, self._repeated, weight)
        if not self.any_kind or self._kind not in _KINDS:
            raise TypeError(
                "penalty must be separable and have a dual with "
                f"{type(smooth).__name__}; got {type(self.penalty).__name__}."
            )
        if self._kind == "block":
            return BlockNewtonPath(design, smooth, self._repeated, weight)
        concave = self._repeated
        self._screening = tangent_at_zero(concave)
        return ConcaveNewtonPath(design, smooth, self._screening, weight, concave)

    def _loss_of_intercept(self) -> float:
        """Least loss of constant predictions; the solver's state is kept."""
        smooth = self.loss
        intercept = smooth.best_intercept(np.zeros(len(smooth.rows)))
        zeros = np.zeros(len(smooth.rows))
        value, _ = smooth.evaluate(zeros + smooth.spread(intercept))
        smooth.evaluate(self.solver.z)
        return value

    def absolute_tol(self, tol: float) -> float:
        """What a relative tolerance allows a gap, or a violation, to be."""
        if self._kind != "general":
            return tol * self.null_objective
        norms = self.problem.design.norm.max(initial=0.0)
        return max(tol * self._scale, _ROUNDING * norms)

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
        penalty = self._screening._replace(alpha=float(alpha))
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
        return value + self._value(penalty, coef.ravel() * self.problem.design.scale)

    def stationarity_of(self, alpha: float, coef: np.ndarray) -> float:
        """Largest violated optimality condition at coefficients on the scale of X.

        Over all features, by one pass over X, with the best intercept.
        """
        if self.alpha_max == 0.0:
            return 0.0
        fitted = self.fitted(coef)[self.loss.rows]
        intercept = self.loss.best_intercept(fitted)
        _, inside = self.loss.evaluate(fitted + self.loss.spread(intercept))
        u = np.zeros(len(self.problem.root))
        u[self.loss.rows] = inside / self.problem.root[self.loss.rows]
        q = self.problem.correlations(u)
        kept = np.flatnonzero(~self.problem.excluded)
        local = restrict(self._repeated._replace(alpha=float(alpha)), kept)
        w = coef.ravel() * self.problem.design.scale
        return float(violation(local, w[kept], q[kept]))

    def _value(self, penalty: NamedTuple, w: np.ndarray) -> float:
        """Penalty of coefficients on the scale of the design."""
        if self._kind == "general":
            return concave_total(penalty, w)
        if self._kind != "block":
            return penalty_value(penalty, w)
        blocks = feature_blocks(penalty, np.ones(len(w), bool))
        everyone = np.arange(len(blocks.starts) - 1)
        penalty = restrict_blocks(penalty, everyone, blocks.features)
        return block_total(penalty, blocks.starts, w[blocks.features])

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
            self.solver.violation(self._screening._replace(alpha=self.penalty.alpha)),
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
        smooth = self._kind == "block" or getattr(self.penalty, "l1_ratio", 1.0) < 1.0
        if not smooth:
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
        penalty = self._repeated._replace(alpha=float(alpha))
        bent = hessian.copy()
        if self._kind == "block":
            self._bend(penalty, coef.ravel() * self.problem.design.scale, bent)
        else:
            ridge = np.zeros(len(support))
            fill_curvatures(restrict(penalty, support), ridge)
            bent += np.diag(ridge)
        return float(np.trace(np.linalg.solve(bent, hessian)))

    def _bend(self, penalty, w: np.ndarray, hessian: np.ndarray) -> None:
        """Add the Hessian of a penalty on blocks, in the nonzero coefficients."""
        blocks = feature_blocks(penalty, np.ones(len(w), bool))
        everyone = np.arange(len(blocks.starts) - 1)
        local = restrict_blocks(penalty, everyone, blocks.features)
        w = w[blocks.features]
        order = np.argsort(blocks.features[w != 0.0])  # blocks may be scattered
        inside, zeros = np.zeros_like(hessian), np.zeros(len(w))
        newton_system(local, blocks.starts, w, zeros, inside, zeros[: len(order)])
        hessian += inside[np.ix_(order, order)]

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


def _repeated(penalty: NamedTuple, n_classes: int) -> NamedTuple:
    """The penalty of features, for each of the classes; those of a group share it."""
    fields = {}
    if kind(penalty) != "block":
        fields["weights"] = np.repeat(penalty.weights, n_classes)
        return penalty._replace(**fields)
    for name in ("groups", "feature_weights"):
        if hasattr(penalty, name):
            fields[name] = np.repeat(getattr(penalty, name), n_classes)
    fields["features"] = np.arange(len(fields["groups"]))
    return penalty._replace(**fields)


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
