"""Paths of least squares with separable penalties that need not be convex.

For each strength: features whose proximal point leaves zero join a working set, the
problem is solved there, and the largest violated optimality condition over *all*
features certifies a stationary point or names the features that are missing.  Which
minimum is reached depends on the start, so that a single strength too is approached
from the largest useful one, along a path.  Value and prox are all that is needed of a
penalty; slope and curvature give it Newton steps.  The score of features is that of
Bertrand et al. (2022), arXiv:2204.07826.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.coordinate_descent import ResidualWorkingSet
from sparsestat.optim.correlations import Correlations, select_largest
from sparsestat.optim.general_working_set import GeneralWorkingSet, penalty_values
from sparsestat.optim.penalties import prox, restrict
from sparsestat.optim.problem import LeastSquares, fit_unpenalised
from sparsestat.optim.quadratic_path import PathSolver, Step
from sparsestat.utils.dispatch import kernel

__all__ = ["GeneralSolver", "smallest_strength"]

# Share of the tolerance to which a working set is solved, and rounds at most.
_INNER_SHARE = 0.8
_INNER_ROUNDS = 200
# Share of the gradient at zero, in proportion to the strength, that may be violated on
# the way to a strength that was asked for, and while features may be missing.
_STAGE_TOLERANCE = 1e-2
_LOOSE = 1e-3
# Passes over all features that a given start takes: until they move none by more than
# this share of the gradient at zero, or at most.
_SETTLED, _MOST_PASSES = 1e-4, 200
# What has to become of a violation in a round that finds nothing missing.
_ENOUGH = 0.5
# Stages are not cut in two for less than this excess of their length.
_SAME = 1e-6
# Error of sums of products, beside the norms of what they are made of, and the share
# of the tolerance that it may take before X decides.
_PRODUCT_ERROR = 8.0 * np.finfo(np.float64).eps
_SHARE_OF_ROUNDING = 0.1
# Where the search for the largest useful strength ends.
_MOST_ALPHA, _LEAST_ALPHA = 1e100, 1e-100


class GeneralSolver(PathSolver):
    """Solve least squares with any separable penalty, one strength after another.

    Parameters
    ----------
    problem : LeastSquares
        With known norms of the columns.
    method : {"face_newton", "cd"}
        Coordinate descent and Newton steps on the Gram matrix of a working set, or
        accelerated coordinate descent on the residual.
    n_path : int
        Strengths at least in which to come down from the largest useful one.
    gram : ndarray of shape (n_features, n_features), default=None
        Whole Gram matrix.
    """

    def __init__(
        self,
        problem: LeastSquares,
        method: str,
        n_path: int,
        gram: np.ndarray | None = None,
    ) -> None:
        self.problem = problem
        self._n_path = n_path
        self._everything = gram is not None
        if method == "cd":
            self._set = ResidualWorkingSet(problem)
        else:
            self._set = GeneralWorkingSet(problem, gram)
        self._correlations = _Scores(problem)
        self._started = False
        self._smallest: float | None = None

    def null(self, penalty: NamedTuple) -> tuple[float, float, float]:
        """Fit the unpenalised features alone, as the first step of a path.

        Returns
        -------
        scale : float
            What `tol` is relative to: the largest gradient at the null model.
        alpha_max : float
            Smallest strength at which all other coefficients stay at zero.
        loss : float
            Half the mean square that the null model leaves.
        """
        problem = self.problem
        coef, u = fit_unpenalised(problem, penalty)
        self._begin(problem.unpenalised, coef)
        self._correlations.refresh(u)
        others = ~problem.excluded
        others[problem.unpenalised] = False
        others = np.flatnonzero(others)
        gradient = self._correlations.values[others]
        self._scale = np.abs(gradient).max(initial=0.0)
        self._alpha_max = 0.0
        if not self._is_rounding(others):
            norm2 = problem.design.norm[others] ** 2
            self._alpha_max = smallest_strength(
                restrict(penalty, others), gradient, norm2
            )
        self._previous_alpha = self._alpha_max
        loss = 0.5 * float(u @ u)
        nonzero = np.flatnonzero(coef)
        features = problem.unpenalised[nonzero]
        self._null = Step(features, coef[nonzero], loss, loss, 0.0, 1.0, 1, True, 0.0)
        return self._scale, self._alpha_max, loss

    def aim(self, alpha: float) -> None:
        """Expect to be asked for strengths down to `alpha`.

        The way there is then taken in `n_path` equal steps at least, whatever is asked
        for on it.
        """
        self._smallest = alpha

    def solve(self, penalty: NamedTuple, target: float, max_iter: int) -> Step:
        """Solve until no optimality condition is violated by more than `target`.

        Parameters
        ----------
        penalty : NamedTuple
            Prepared; along a path only its alpha changes.
        target : float
            Absolute, in units of a gradient.
        max_iter : int
            Outer rounds.

        Returns
        -------
        step : Step
        """
        if self._alpha_max == 0.0:
            return self._null
        n_iter, alphas = 0, self._stages(penalty.alpha)
        for alpha in alphas:
            stage, wanted = penalty._replace(alpha=alpha), target
            if alpha != penalty.alpha:
                share = alpha / self._alpha_max
                wanted = max(target, _STAGE_TOLERANCE * share * self._scale)
            step = self._stage(stage, wanted, max_iter)
            n_iter += step.n_iter
            self._previous_alpha, self._started = alpha, False
        return step._replace(n_iter=n_iter)

    def _begin(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Take the coefficients of the null model."""
        if len(coef):
            self._take(features, coef)

    def _stages(self, alpha: float) -> np.ndarray:
        """Strengths on the way to `alpha`, equally spaced in the logarithm."""
        previous, smallest = self._previous_alpha, self._smallest
        if self._started or alpha >= previous:
            return np.array([alpha])
        smallest = alpha if smallest is None else min(alpha, smallest)
        share = np.log(previous / alpha) / np.log(self._alpha_max / smallest)
        n_stages = max(1, int(np.ceil(self._n_path * share - _SAME)))
        ratio = alpha / previous
        alphas = previous * ratio ** (np.arange(1, n_stages + 1) / n_stages)
        alphas[-1] = alpha
        return alphas

    def _stage(self, penalty, target: float, max_iter: int) -> Step:
        """Solve for one strength, from the solution of the one before."""
        inner, last = _INNER_SHARE * target, np.inf
        if self._started:
            self._cycle(penalty)
        self._add(self._proposed(penalty))
        share = min(penalty.alpha / self._alpha_max, 1.0)
        loose = max(inner, _LOOSE * share * self._scale)
        n_iter = 0
        while n_iter < max_iter:
            n_iter += 1
            working = self._set
            working.minimise(penalty, loose, _INNER_ROUNDS)
            u = working.residual()
            scores = self._correlations.scores(u, penalty, target, self._settled)
            missing = np.flatnonzero(scores > 1.0)
            self._refine(penalty, u, target)
            if len(missing) == 0 and loose == inner:
                if working.gap <= target or not working.gap < _ENOUGH * last:
                    break
                last = working.gap
            loose = inner
            self._add(select_largest(missing, scores, self._set.size))
        gap = max(working.gap, target * scores.max(initial=0.0))
        loss = 0.5 * float(u @ u)
        features, coef = working.support()
        value = float(penalty_values(restrict(penalty, features), coef).sum())
        converged = bool(gap <= target)
        return Step(
            features, coef, loss + value, loss, gap, 1.0, n_iter, converged, gap
        )

    def _cycle(self, penalty) -> None:
        """Pass over all features, in their order, until they are settled.

        From a start that was given this leads to where plain coordinate descent ends;
        a working set that grows only later could lead to another minimum.
        """
        problem, working = self.problem, self._set
        others = ~problem.excluded
        others[problem.unpenalised] = False
        everyone = ResidualWorkingSet(problem)
        everyone.add(np.append(problem.unpenalised, np.flatnonzero(others)))
        everyone.warm_start(*working.support())
        everyone.cycle(penalty, _SETTLED * self._scale, _MOST_PASSES)
        features, coef = everyone.support()
        self._add(features[~working.inside[features]])
        full = np.zeros(len(others))
        full[features] = coef
        working = self._set
        working.warm_start(working.features, full[working.features])
        self._correlations.refresh(everyone.residual())

    def _proposed(self, penalty) -> np.ndarray:
        """Features that enter if gradients go on changing as the strength does."""
        ahead = 2.0 * penalty.alpha - self._previous_alpha
        if self._started or ahead <= 0.0:
            ahead = penalty.alpha
        bold = penalty._replace(alpha=ahead)
        scores = self._correlations.last_scores(bold, self._settled)
        return select_largest(np.flatnonzero(scores), scores, self._set.size)

    def _refine(self, penalty, u, target: float) -> None:
        """Compute correlations from X where the Gram matrix is too coarse."""
        working = self._set
        if isinstance(working, ResidualWorkingSet):
            return
        spread = np.sqrt(working.diagonal)
        size = np.sqrt(self.problem.y2) + float(spread @ np.abs(working.w))
        rounding = _PRODUCT_ERROR * size * spread.max(initial=0.0)
        if rounding > _SHARE_OF_ROUNDING * target:
            working.q[:] = self.problem.correlations(u, working.features)
            working.gap = working.violation(penalty)


class _Scores(Correlations):
    """Fixed-point scores of coefficients at zero, in units of a tolerance."""

    _unit = 1.0

    def scores(self, u, penalty, unit: float, skip) -> np.ndarray:
        """Scores for a residual, exact where they are not below one."""
        self._unit = unit
        return self.gauges(u, penalty, skip)

    def last_scores(self, penalty, skip) -> np.ndarray:
        """Scores for the last correlations, without any bound of their errors."""
        self._unit = 1.0
        return self.last_gauges(penalty, skip)

    def _fill(self, penalty, skip: np.ndarray) -> None:
        lipschitz = self._norms**2
        fill_scores(
            penalty, self.values, self._slack, lipschitz, skip, self._unit, self._gauges
        )


def smallest_strength(
    penalty: NamedTuple, gradient: np.ndarray, lipschitz: np.ndarray
) -> float:
    """Smallest alpha at which zero is the proximal point of every coefficient.

    Parameters
    ----------
    penalty : NamedTuple
        Prepared; its own alpha does not matter.
    gradient, lipschitz : ndarray of shape (n_features,)
        Negative gradient of the smooth part at zero, and its second derivative.

    Returns
    -------
    alpha : float
        By bisection, a little on the safe side.
    """
    moving = np.flatnonzero(lipschitz > 0.0)

    def movers(alpha: float) -> np.ndarray:
        local = restrict(penalty._replace(alpha=alpha), moving)
        slack, nobody = np.zeros(len(moving)), np.zeros(len(moving), bool)
        out = np.empty(len(moving))
        fill_scores(local, gradient[moving], slack, lipschitz[moving], nobody, 1.0, out)
        return out != 0.0

    low, high = 1.0, 1.0
    while movers(high).any() and high < _MOST_ALPHA:
        low, high = high, 2.0 * high
    while not movers(low).any() and low > _LEAST_ALPHA:
        low, high = 0.5 * low, low
    for _ in range(60):
        middle = 0.5 * (low + high)
        found = movers(middle)
        if found.any():
            low, moving = middle, moving[found]  # the others never decide
        else:
            high = middle
    return high * (1.0 + 1e-12)  # gradients are computed anew, and round elsewhere


@kernel
def fill_scores(penalty, g, slack, lipschitz, skip, unit, out):
    """L_j |prox_j(g_j / L_j)| / unit, at most, for any correlation within g +- slack.

    Proximal operators are monotone, so that the ends of the interval decide.  Features
    in `skip` get zero.
    """
    for j in range(len(g)):
        out[j] = 0.0
        if lipschitz[j] > 0.0 and not skip[j]:
            step = 1.0 / lipschitz[j]
            right = abs(prox(penalty, (g[j] + slack[j]) * step, step, j))
            left = abs(prox(penalty, (g[j] - slack[j]) * step, step, j))
            out[j] = lipschitz[j] * max(left, right) / unit
