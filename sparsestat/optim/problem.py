"""Penalised least squares as the solvers see it: weighted, centred, ready to solve."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import lsq_linear, nnls

from sparsestat.optim.design import Design, columns, correlate, n_samples, predict
from sparsestat.optim.penalties import (
    is_block,
    is_coupled,
    price_of_features,
    prox,
)
from sparsestat.optim.tasks import Tasks, base_features

__all__ = ["LeastSquares", "fit_unpenalised", "least_squares"]

# Deviations of y below this share of its size are rounding error.
_ROUNDING = 1e4 * np.finfo(np.float64).eps


class LeastSquares(NamedTuple):
    """minimise |root * (target - X~ w)|^2 / 2 + penalty(w).

    Parameters
    ----------
    design : Dense or CSC
    root : ndarray of shape (n_samples,)
        Square roots of the sample weights, which sum to one.
    target : ndarray of shape (n_samples,)
        root * (y - mean(y)), so that norms and products are plain ones.
    centred : ndarray of shape (n_samples,)
        y - mean(y).
    y2 : float
        Square norm of the target.
    y_mean : float or ndarray of shape (n_tasks,)
        Weighted mean of y, or 0 without intercept.
    excluded : ndarray of shape (n_features,), bool
        Features that stay at zero: infinite weight or a constant column.
    unpenalised : ndarray of int64
        Features of weight zero that are not excluded.
    """

    design: Design
    root: Any
    target: Any
    centred: Any
    y2: float
    y_mean: float
    excluded: Any
    unpenalised: Any

    def is_rounding(self, loss: float) -> bool:
        """Whether a mean square is rounding error of y: nothing left to explain."""
        return loss <= _ROUNDING**2 * (self.y2 + np.sum(np.square(self.y_mean)))

    def correlations(self, u: np.ndarray, features: np.ndarray | None = None):
        """x~_j.T u in the weighted inner product, for u on the target's scale."""
        return correlate(self.design, self.root * u, features)

    def matrix(self, features: np.ndarray) -> np.ndarray:
        """root * X~ of some features, in one task."""
        design, root = self.design, self.root
        if isinstance(design, Tasks):
            features, root = base_features(design, features), root[:: design.n_tasks]
            design = design.base
        return (columns(design, features, slice(None)) * root).T

    def residual(self, features: np.ndarray, coef: np.ndarray) -> np.ndarray:
        """target - root * X~ w for the given nonzero coefficients."""
        return self.root * self.residual_of_y(features, coef)

    def residual_of_y(self, features: np.ndarray, coef: np.ndarray) -> np.ndarray:
        """y - mean(y) - X~ w for the given nonzero coefficients."""
        if len(features) == 0:
            return self.centred.copy()
        return self.centred - predict(self.design, features, coef)


def least_squares(
    design: Design,
    y: np.ndarray,
    penalty: NamedTuple,
    sample_weight: np.ndarray | None,
    fit_intercept: bool,
) -> LeastSquares:
    """Bring y, weights and penalty to the form of the solvers.

    Parameters
    ----------
    design : Dense, CSC or Tasks
        Made with the same weights and intercept.
    y : ndarray of shape (n_samples,) or, for tasks, (n_samples, n_tasks)
    penalty : NamedTuple
        Prepared for the number of features.
    sample_weight : ndarray of shape (n_samples,) or None
        Summing to one.
    fit_intercept : bool

    Returns
    -------
    problem : LeastSquares
    """
    n, p = n_samples(design), len(design.mean)
    weights = np.full(n, 1.0 / n) if sample_weight is None else sample_weight
    y = y.astype(np.float64, copy=False)
    y_mean = np.zeros(y.shape[1:])
    if fit_intercept:
        y_mean = weights @ y
        y_mean = y_mean + weights @ (y - y_mean)  # removes the first sum's rounding
    root = np.sqrt(weights)
    centred = (y - y_mean).ravel()
    if y.ndim == 1:
        y_mean = float(y_mean)
    else:
        root = np.repeat(root, y.shape[1])
    target = root * centred
    feature_weights = _feature_weights(penalty, p)
    excluded = np.isinf(feature_weights) | (design.norm == 0.0)
    unpenalised = np.flatnonzero((feature_weights == 0.0) & ~excluded)
    return LeastSquares(
        design,
        root,
        target,
        centred,
        float(target @ target),
        y_mean,
        excluded,
        unpenalised,
    )


def fit_unpenalised(
    problem: LeastSquares, penalty: NamedTuple
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on the unpenalised features: the null model.

    Returns
    -------
    coef : ndarray of shape (n_unpenalised,)
        Of least norm, or non-negative where the penalty asks for it.
    residual : ndarray of shape (n_samples,)
        On the scale of the target.
    """
    free = problem.unpenalised
    if len(free) == 0:
        return np.empty(0), problem.target.copy()
    matrix = problem.matrix(free)
    negative = allows_negative(penalty, free)
    coef = ordinary_least_squares(matrix, problem.target, negative)
    return coef, problem.target - matrix @ coef


def _feature_weights(penalty: NamedTuple, n_features: int) -> np.ndarray:
    if is_block(penalty):
        prices = price_of_features(penalty)
        return np.repeat(prices, n_features // len(prices))
    return getattr(penalty, "weights", np.ones(n_features))


def allows_negative(penalty: NamedTuple, features: np.ndarray) -> bool:
    """Whether these features may have negative coefficients without a penalty.

    One of them speaks for all: features with infinite weight are not asked.
    """
    if is_block(penalty) or is_coupled(penalty):
        return not getattr(penalty, "positive", False)
    unpenalised = penalty._replace(alpha=0.0)
    return all(prox(unpenalised, -1.0, 1.0, j) < 0.0 for j in features[:1])


def ordinary_least_squares(matrix, target, negative: bool) -> np.ndarray:
    """Coefficients of least norm, or non-negative ones.

    The target may hold several tasks, next to each other for each row of the matrix.
    """
    if negative:
        return np.linalg.lstsq(matrix, target.reshape(len(matrix), -1))[0].ravel()
    coef = nnls(matrix, target)[0]
    # SciPy's nnls goes astray at times where a gradient is zero up to rounding.
    gradient = matrix.T @ (target - matrix @ coef)
    rounding = 1e-10 * np.linalg.norm(matrix, axis=0) * np.linalg.norm(target)
    if (np.where(coef > 0.0, np.abs(gradient), gradient) > rounding).any():
        coef = lsq_linear(matrix, target, (0.0, np.inf), "bvls", tol=1e-15).x
    return coef
