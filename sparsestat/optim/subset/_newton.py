"""A likelihood maximised on given features, by Newton's method with halved steps."""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from sparsestat.optim.design import Design, columns, n_features
from sparsestat.optim.subset.likelihood import Likelihood

__all__ = ["RESCUE", "LikelihoodProblem", "Point", "curved", "maximise", "solver_of"]

# Ridge that is added where a likelihood has no maximum.
RESCUE = 1e-6
_RESCUED_TOL = 1e-13
# Change of a prediction by a Newton step at a gradient of zero that tells of none.
_ENDLESS = 1e-2
_STEPS, _HALVINGS = 60, 50
# Change of a prediction up to which the fall that a step promises is trusted.
_TRUSTED = 1.0
_ARMIJO = 1e-4
# Falls of a loss below this share of that of the null model are rounding.
_ROUNDING = 1e-14
# Share of the diagonal of a Hessian that is added to it against collinear features.
_JITTER = 1e-12


class Point(NamedTuple):
    """A likelihood maximised on the features of some units.

    Parameters
    ----------
    units, features : ndarray of int
        Units, increasing, and their features, unit after unit.
    coef : ndarray of shape (n_chosen, n_columns)
    intercept : ndarray of shape (n_columns,)
    loss, objective : float
        Loss, and that with the ridge.
    gradient : float
        Largest derivative of the objective by a coefficient or an intercept.
    margin : float
        By how much the objective may be above its minimum: the square of the length of
        the last Newton step in the metric of the Hessian.
    z : ndarray of shape (n_kept, n_columns)
        Linear predictions.
    separated : bool
        Whether the loss has no minimum, so that a small ridge was added.
    """

    units: Any
    features: Any
    coef: Any
    intercept: Any
    loss: float
    objective: float
    gradient: float
    margin: float
    z: Any
    separated: bool


class LikelihoodProblem:
    """A loss of the linear predictions of a design, on units of features.

    Parameters
    ----------
    design : Dense or CSC
        With features of unit deviation, or none, and known norms.
    likelihood : Likelihood
    ridge : ndarray of shape (n_features,)
        D in the penalty ``sum_j D_j |b_j|^2 / 2``.
    units : list of ndarray or None
        Features of each unit; None is a unit for each.
    fit_intercept : bool
    tol : float
        Bound of the derivatives, relative to the mean size of those of the null model's
        loss by its predictions.
    """

    def __init__(
        self,
        design: Design,
        likelihood: Likelihood,
        ridge: np.ndarray,
        units: list | None,
        fit_intercept: bool,
        tol: float,
    ) -> None:
        self.design, self.likelihood, self.ridge = design, likelihood, ridge
        self.units, self.fit_intercept = units, fit_intercept
        p = n_features(design)
        self.n_units = p if units is None else len(units)
        self.m = likelihood.n_columns
        self.usable = design.norm > 0.0
        self._place = np.full(p, -1)
        self._X = np.empty((0, len(likelihood.rows)))
        self._n_known = 0
        self.n_fits = 0
        intercept = likelihood.start() if fit_intercept else np.zeros(self.m)
        z = np.tile(intercept, (len(likelihood.rows), 1))
        self.null_loss = likelihood.value(z)
        size = float(np.abs(likelihood.derivatives(z)[0]).sum())
        self.scale = size if size > 0.0 else 1.0
        self.tol = tol * self.scale
        nothing = np.array([], np.int64)
        coef = np.empty((0, self.m))
        self.null = maximise(self, nothing, (nothing, coef, intercept))

    def features(self, units: np.ndarray) -> np.ndarray:
        """Features of some units, unit after unit."""
        if self.units is None or len(units) == 0:
            return np.asarray(units, np.int64)
        return np.concatenate([self.units[u] for u in units])

    def columns(self, features: np.ndarray) -> np.ndarray:
        """Columns of some features, as rows of shape (n, n_kept); read once each."""
        new = features[self._place[features] < 0]
        if len(new):
            new = np.unique(new)
            start, stop = self._n_known, self._n_known + len(new)
            if stop > len(self._X):
                room = np.empty((max(stop, 2 * len(self._X), 64), self._X.shape[1]))
                room[:start] = self._X[:start]
                self._X = room
            block = columns(self.design, new, slice(None))
            self._X[start:stop] = block[:, self.likelihood.rows]
            self._place[new] = np.arange(start, stop)
            self._n_known = stop
        return self._X[self._place[features]]

    def matrix(self, features: np.ndarray) -> np.ndarray:
        """Columns of some features, and of the intercept first if there is one."""
        block = self.columns(features)
        if not self.fit_intercept:
            return block
        return np.concatenate([np.ones((1, block.shape[1])), block])

    def penalty(self, features: np.ndarray, extra: float = 0.0) -> np.ndarray:
        """Ridge of the rows of `matrix`."""
        D = self.ridge[features] + extra
        return np.concatenate([[0.0], D]) if self.fit_intercept else D


def maximise(
    problem: LikelihoodProblem,
    units: np.ndarray,
    start,
    limit: float = np.inf,
    promised=None,
) -> Point | None:
    """Maximise the likelihood on the features of some units.

    Parameters
    ----------
    problem : LikelihoodProblem
    units : ndarray of int
    start : tuple of ndarray
        Features, coefficients and intercept to start from.
    limit : float, default=inf
        Give up where a Newton step does not promise to get below this objective.
    promised : tuple of ndarray, default=None
        Features, coefficients and intercept of the quadratic model's minimum, to start
        from in place of `start` if they are any good.

    Returns
    -------
    point : Point or None
        None where it gave up.
    """
    units = np.sort(np.asarray(units, np.int64))
    features = problem.features(units)
    first = int(problem.fit_intercept)
    B = problem.matrix(features)
    problem.n_fits += 1
    D = problem.penalty(features)
    theta, near = _parameters(problem, features, start), False
    if promised is not None:
        better = _parameters(problem, features, promised)
        value = problem.likelihood.value(B.T @ better)
        near = value <= max(problem.null_loss, limit if np.isfinite(limit) else 0.0)
        theta = better if near else theta
    run = _climb(problem, B, D, theta, limit, problem.tol, near)
    if run is None:
        return None
    separated = run[-1]
    if separated:
        D = problem.penalty(features, RESCUE)
        # The ridge hardly bends the objective: coefficients need a smaller gradient.
        tol = min(problem.tol, _RESCUED_TOL * problem.scale)
        run = _climb(problem, B, D, run[0], limit, tol, True)
        if run is None:
            return None
    theta, z, value, gradient, margin, _ = run
    return Point(
        units,
        features,
        theta[first:],
        theta[0] if first else np.zeros(problem.m),
        value,
        value + 0.5 * float(D @ (theta**2).sum(axis=1)),
        gradient,
        margin,
        z,
        separated,
    )


def _parameters(problem, features, start) -> np.ndarray:
    """Parameters of some features, zero where there is nothing to start from."""
    old, coef, intercept = start
    first = int(problem.fit_intercept)
    theta = np.zeros((first + len(features), problem.m))
    place = {int(j): k for k, j in enumerate(old)}
    for k, j in enumerate(features):
        if int(j) in place:
            theta[first + k] = coef[place[int(j)]]
    if first:
        theta[0] = intercept
    return theta


def _climb(problem, B, D, theta, limit, tol, near):
    """Newton's method; None where it gives up, after a step unless it starts near."""
    likelihood = problem.likelihood
    z = B.T @ theta
    value = likelihood.value(z)
    objective = value + 0.5 * float(D @ (theta**2).sum(axis=1))
    rounding = _ROUNDING * max(problem.null_loss, objective, 1e-300)
    margin, endless = 0.0, False
    for n_steps in range(_STEPS + 1):
        u, curvature = likelihood.derivatives(z)
        g = B @ u - D[:, None] * theta
        gradient = float(np.abs(g).max(initial=0.0))
        if gradient == 0.0:
            break
        H = curved(problem, curvature, B, D)
        step = solver_of(H)(g.ravel()).reshape(g.shape)
        margin = float((g * step).sum())
        change = B.T @ step
        longest = np.abs(change).max(initial=0.0)
        # A Newton step tells how far it is to the bottom where it is short.
        if (n_steps or near) and longest <= _TRUSTED and objective - margin > limit:
            return None
        if gradient <= tol:
            endless = longest > _ENDLESS
            break
        if n_steps == _STEPS:
            break
        length, moved = 1.0, None
        for _ in range(_HALVINGS):
            trial, at = theta + length * step, z + length * change
            new = likelihood.value(at)
            total = new + 0.5 * float(D @ (trial**2).sum(axis=1))
            if total <= objective - _ARMIJO * length * margin + rounding:
                moved = trial, at, new, total
                break
            length *= 0.5
        if moved is None:
            break
        theta, z, value, objective = moved
    return theta, z, value, gradient, margin, endless


def curved(problem, curvature, B, D) -> np.ndarray:
    """Hessian of the coefficients of the columns in B, with the ridge.

    Parameters
    ----------
    problem : LikelihoodProblem
    curvature : object
        From `Likelihood.derivatives`.
    B : ndarray of shape (n, n_kept)
    D : ndarray of shape (n,)

    Returns
    -------
    H : ndarray of shape (n * m, n * m)
    """
    H = problem.likelihood.hessian(curvature, B)
    H = 0.5 * (H + H.T)
    H[np.diag_indices_from(H)] += np.repeat(D, problem.m)
    return H


def solver_of(H: np.ndarray):
    """Solve with a Hessian, in its null space as if it were hardly curved."""
    if len(H) == 0:
        return lambda v: v.copy()
    size = H.diagonal().copy()
    least = max(float(size.max()) * np.finfo(np.float64).eps, 1e-300)
    jitter = _JITTER
    while True:
        M = H.copy()
        M.flat[:: len(M) + 1] += jitter * np.maximum(size, least)
        lower, info = dpotrf(M, lower=True)
        if info == 0:
            return lambda v: dpotrs(lower, v, lower=True)[0]
        jitter = max(jitter * 100.0, least)
