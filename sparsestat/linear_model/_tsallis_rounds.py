"""Rounds of weights, fixed effects and components of `TsallisMixedModel`."""

from math import inf
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.linear_model._elliptical import (
    Components,
    Groups,
    fit_components,
    likelihood,
    whiten,
)
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.path import solve
from sparsestat.optim.penalties import L1, value
from sparsestat.optim.pncg import fill_map

__all__ = ["MixedProblem", "State"]

# Rounds and their tolerance on the way to a strength.
_FEW, _LOOSE = 5, 1e-2
# Smaller strengths, in shares, from which a second way returns.
_BEYOND = 0.5, 0.2, 0.1, 0.2, 0.5


class State(NamedTuple):
    """A point and what follows from it."""

    w: np.ndarray  # intercept first, where there is one
    parts: Components
    weights: np.ndarray
    modes: np.ndarray
    objective: float = inf
    loss: float = inf
    stationarity: float = inf
    n_iter: int = 0


class MixedProblem:
    """Rounds of weights, fixed effects and components, none of which raises the
    objective."""

    def __init__(
        self, X, y, groups: Groups, penalty: Any, freedom: float | None, solver: str
    ) -> None:
        if len(penalty.weights) > X.shape[1]:
            ones = np.ones((X.shape[0], 1))
            stack = sparse.hstack if sparse.issparse(X) else np.hstack
            X = stack([ones, X])
        self.X = sparse.csc_array(X, dtype=float) if sparse.issparse(X) else X
        self.y, self.groups, self.penalty = y, groups, penalty
        self.freedom, self.solver = freedom, solver
        weight = groups.shares[groups.index]
        mean = float(weight @ y) / len(y)
        self.scale = float(weight @ (y - mean) ** 2) / len(y) or 1.0
        self.largest = 1.0

    def begin(self) -> State:
        """The model without penalised features, to which `tol` is relative."""
        excluded = self.penalty.weights > 0.0
        null = self.penalty._replace(weights=np.where(excluded, inf, 0.0))
        state = self._begin(null)
        self.largest = self._largest_gradient(state, excluded)
        return state

    def run(
        self, alpha: float, tol: float, max_iter: int, n_path: int, start: State
    ) -> State:
        """The better of two ways to one strength.

        One comes down from the null model, the other goes on to smaller strengths and
        returns: the noise that the null model leaves may be so large that nothing is
        worth its price.
        """
        down = np.geomspace(max(self.largest, alpha), alpha, n_path + 1)[1:-1]
        down = down[down > alpha]
        first = self.rounds(self._follow(start, down), alpha, tol, max_iter)
        if n_path == 0:
            return first
        further = alpha * np.array(_BEYOND)
        second = self.rounds(self._follow(first, further), alpha, tol, max_iter)
        n_iter = first.n_iter + second.n_iter
        best = min(first, second, key=lambda state: state.objective)
        return best._replace(n_iter=n_iter)

    def _follow(self, state: State, alphas) -> State:
        for alpha in alphas:
            state = self.rounds(state, alpha, _LOOSE, _FEW)
        return state

    def rounds(self, state: State, alpha: float, tol: float, max_iter: int) -> State:
        """Until stationarity is within the tolerance, relative to the null model."""
        penalty = self.penalty._replace(alpha=float(alpha))
        coef0 = state.w if state.w[penalty.weights > 0.0].any() else None
        for n_iter in range(1, max_iter + 1):
            w = self._fixed_effects(state, penalty, tol, coef0)
            state = self.certified(state._replace(w=w, n_iter=n_iter), penalty)
            coef0 = w
            if state.stationarity <= tol * self.largest:
                break
        return state

    def _begin(self, null) -> State:
        """The model without penalised features."""
        root = 0.5 * np.eye(self.groups.moments.shape[1])
        nu = 4.0 if self.freedom is None else self.freedom
        parts = Components(0.5 * self.scale, root, nu)
        weights = np.ones(len(self.groups.sizes))
        state = State(np.zeros(self.X.shape[1]), parts, weights, np.zeros(0))
        for _ in range(3):
            if (null.weights == 0.0).any():
                w = self._fixed_effects(state, null, 1e-3, None)
                state = state._replace(w=w)
            state = self._components(state)
        return state

    def _fixed_effects(self, state: State, penalty, tol, coef0) -> np.ndarray:
        X = whiten(self.groups, state.weights, state.parts, self.X)
        y = whiten(self.groups, state.weights, state.parts, self.y)
        X = X if sparse.issparse(X) else np.asfortranarray(X, dtype=np.float64)
        convex = isinstance(penalty, L1)
        found = solve(
            X,
            y,
            Quadratic(),
            penalty,
            fit_intercept=False,
            coef0=None if convex else coef0,
            # A gap is of second order in what stationarity is of first.
            tol=max(0.01 * tol, 1e-12) if convex else 0.01 * tol,
            max_iter=1000 if self.solver == "pncg" else 100,
            solver="auto" if convex else self.solver,
        )
        return found.coef

    def _components(self, state: State) -> State:
        residual = self.y - self.X @ state.w
        parts, _ = fit_components(
            self.groups, residual, state.parts, self.scale, self.freedom
        )
        found = likelihood(self.groups, residual, parts)
        return state._replace(parts=parts, weights=found.weights, modes=found.modes)

    def certified(self, state: State, penalty) -> State:
        """With the objective and the largest violated condition."""
        residual = self.y - self.X @ state.w
        parts, slope = fit_components(
            self.groups, residual, state.parts, self.scale, self.freedom
        )
        found = likelihood(self.groups, residual, parts)
        X, minus_gradient = self._gradient(found.weights, parts, residual)
        curvature = float((_squares(X).sum(axis=0) / len(self.y)).max()) or 1.0
        violation = np.empty(len(state.w))
        fill_map(penalty, state.w, minus_gradient, curvature, violation)
        used = np.flatnonzero(state.w)
        price = sum(value(penalty, state.w[j], j) for j in used)
        return state._replace(
            parts=parts,
            weights=found.weights,
            modes=found.modes,
            objective=found.value + float(price),
            loss=found.value,
            stationarity=max(float(np.abs(violation).max()), slope * self.largest),
        )

    def _gradient(self, weights, parts, residual):
        X = whiten(self.groups, weights, parts, self.X)
        r = whiten(self.groups, weights, parts, residual)
        return X, X.T @ r / len(r)

    def _largest_gradient(self, state: State, penalised) -> float:
        residual = self.y - self.X @ state.w
        _, gradient = self._gradient(state.weights, state.parts, residual)
        kept = penalised & np.isfinite(self.penalty.weights)
        return float(np.abs(gradient[kept]).max(initial=0.0)) or 1.0


def _squares(X):
    return X.multiply(X) if sparse.issparse(X) else X * X
