"""Confidence intervals after sparse generalised linear models.

The relaxed Lasso of a loss is corrected by one Newton step for each coefficient, along
what its feature has that the others do not: node-wise Lassos on X weighted by the
curvatures of the loss.
After van de Geer, Bühlmann, Ritov and Dezeure (2014), doi:10.1214/14-AOS1221.
"""

from math import inf
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import TAIL, warn_unless_converged
from sparsestat.linear_model._directions import (
    MOST_FEATURES,
    NODE_TOL,
    checked_matrix,
    given_directions,
    largest_statistics,
    node_strength,
    nodewise_directions,
)
from sparsestat.linear_model._generalized import TargetWithOffset
from sparsestat.linear_model._intervals import INFERENCE, Intervals
from sparsestat.linear_model._newton import NewtonModel
from sparsestat.optim.datafits import second_derivative
from sparsestat.optim.design import Design, correlate, make_design
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.penalties import ElasticNet
from sparsestat.utils.validation import Interval, OneOf, Rule

__all__ = ["DebiasedModel", "DebiasedRegressor"]

_CRITERIA = "bic", "ebic"
_RULES: dict[str, Rule] = {
    "alpha": OneOf(*_CRITERIA, "cv") | Interval(0, inf, closed="left"),
    "phi": Interval(0, 1, closed="right"),
    "covariance": OneOf("fisher", "sandwich"),
    **INFERENCE,
    **{
        name: TAIL[name]
        for name in (
            "penalty_weights",
            "fit_intercept",
            "max_iter",
            "tol",
            "n_jobs",
            "verbose",
        )
    },
}


class Moments(NamedTuple):
    """Second moments of the score at a fit, on the scale of a design.

    Parameters
    ----------
    design : Design
        X centred at weighted means and of unit weighted variance.
    weight : ndarray of shape (n_samples,)
        These weights: expected curvatures, over their sum.
    total : float
        Their sum, for sample weights that sum to one.
    score : ndarray of shape (n_samples,)
        Minus the derivatives of the loss of each sample, times its share.
    """

    design: Design
    weight: np.ndarray
    total: float
    score: np.ndarray


class DebiasedModel(Intervals, TargetWithOffset, NewtonModel):
    """Base of the debiased generalised linear models."""

    standardize = True
    _rules: ClassVar[dict[str, Rule]] = _RULES
    # The estimators that select: by cross-validation or a criterion, or at a strength.
    _selectors: ClassVar[tuple[type, type]]
    # Whether the variance is that of the distribution times an unknown factor.
    _has_dispersion: ClassVar[bool] = False

    def __init__(
        self,
        alpha="bic",
        *,
        phi=0.1,
        precision="nodewise",
        alpha_nodewise=None,
        covariance="fisher",
        confidence_level=0.95,
        n_bootstraps=1000,
        penalty_weights=None,
        fit_intercept=True,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
        random_state=0,
        verbose=0,
    ):
        self.alpha = alpha
        self.phi = phi
        self.precision = precision
        self.alpha_nodewise = alpha_nodewise
        self.covariance = covariance
        self.confidence_level = confidence_level
        self.n_bootstraps = n_bootstraps
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, offset=None):
        """Select features, fit them, correct the bias, tell how certain that is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies >= 0: a weight of k equals k copies of the row.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions, such as the logarithm of an exposure;
            None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for a target
            that the model cannot have or that has no finite fit, and for parameters or
            weights outside their range.
        """
        X, y, sample_weight = self._validated(X, y, sample_weight, offset=offset)
        self._weighted_penalty(X.shape[1])
        matrix = None
        if not isinstance(self.precision, str):
            matrix = checked_matrix(self.precision, X.shape[1])
        context = self._begin(X, y, sample_weight)
        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            selection = self._select(X, self._target(y), sample_weight, offset)
            alpha, penalty = self._relaxed(selection, X.shape[1])
            run, solution = self._solve(X, y, sample_weight, penalty, None)
            coef = solution.coef.ravel()
            self._take(
                run, penalty.alpha, coef, solution.objective, solution.gap, X.dtype
            )
            self.alpha_, self.n_iter_ = alpha, solution.n_iter
            self._correct(X, y, sample_weight, run, coef, matrix)
        if self.verbose:
            print(self._summary(alpha))
        warn_unless_converged(self, penalty.alpha, *self._certificate)
        self._end(context, X, y, sample_weight)
        return self

    def _penalty(self, penalty_weights):
        return ElasticNet(1.0, 1.0, penalty_weights, False)

    def _select(self, X, target, sample_weight, offset):
        """The fitted Lasso that says which features matter."""
        one, several = self._selectors
        common = {
            "standardize": True,
            "penalty_weights": self.penalty_weights,
            "max_iter": self.max_iter,
            "tol": self.tol,
            **self._kept_parameters(),
        }
        if self.alpha in ("cv", *_CRITERIA):
            criterion = None if self.alpha == "cv" else self.alpha
            model = several(criterion=criterion, n_jobs=self.n_jobs, **common)
        elif self.alpha == 0.0:  # all features are selected
            return None
        else:
            model = one(float(self.alpha), **common)
        return model.fit(X, target, sample_weight, offset=offset)

    def _kept_parameters(self) -> dict:
        """Parameters that selection and fit have in common, by name."""
        return {"fit_intercept": self.fit_intercept}

    def _relaxed(self, selection, n_features: int):
        """Strength of the selection, and the penalty on what it selects."""
        penalty = self._weighted_penalty(n_features)
        if selection is None:
            return 0.0, penalty._replace(alpha=0.0)
        alpha = float(getattr(selection, "alpha_", self.alpha))
        weights = penalty.weights
        weights = np.ones(n_features) if weights is None else weights.copy()
        weights[(selection.coef_.ravel() == 0.0) & (weights > 0.0)] = inf
        return alpha, penalty._replace(alpha=self.phi * alpha, weights=weights)

    def _correct(self, X, y, sample_weight, run: NewtonRun, coef, matrix) -> None:
        """Correct the bias of the relaxed Lasso, with standard errors."""
        p = X.shape[1]
        n = float(len(y) if sample_weight is None else np.sum(sample_weight))
        moments = self._moments(X, run, coef)
        design, weight = moments.design, moments.weight
        gram = gram_matrix(design, weight) if p <= MOST_FEATURES else None
        strength = float(self.alpha_nodewise or node_strength(p, n))
        for name in ("alpha_nodewise_", "nodewise_gap_"):
            vars(self).pop(name, None)
        if matrix is None:
            tol = max(self.tol, NODE_TOL)
            found = nodewise_directions(X, design, weight, gram, strength, tol, self)
            self.alpha_nodewise_, self.nodewise_gap_ = strength, found.gap
        else:
            gram = gram_matrix(design, weight) if gram is None else gram
            found = given_directions(gram, design, matrix)
        constant = design.norm == 0.0  # but for rounding
        found.squares[constant] = found.dots[constant] = 0.0
        correction = found.vectors.T @ correlate(design, moments.score) / moments.total
        variances, noise = self._variances(X, run, moments, found, n)
        self._largest = largest_statistics(
            design,
            found.vectors,
            np.sqrt(n * variances),
            noise,
            self.n_bootstraps,
            self.random_state,
        )
        error = np.sqrt(variances) / moments.total
        self._infer(coef, correction, error, found, design, X.dtype)

    def _moments(self, X, run: NewtonRun, coef) -> Moments:
        """Expected curvatures and scores of all samples at the fit."""
        loss = run.loss
        fitted = run.fitted(coef)[loss.rows]
        z = fitted + loss.spread(loss.best_intercept(fitted))
        _, inside = loss.evaluate(z)
        h, score = np.zeros(X.shape[0]), np.zeros(X.shape[0])
        score[loss.rows] = inside
        h[loss.rows] = loss.weight * self._information(loss.y, loss.shifted(z))
        total = float(h.sum())
        weight = h / total
        fit_intercept = self.fit_intercept
        design = make_design(
            X, sample_weight=weight, fit_intercept=fit_intercept, standardize=True
        )
        return Moments(design, weight, total, score)

    def _information(self, y, z) -> np.ndarray:
        """Expected second derivatives of the loss of every sample."""
        return second_derivative(self._datafit, y, z)

    def _variances(self, X, run, moments: Moments, found, n: float):
        """Variances of the z_j.T score, and what to multiply by normal numbers."""
        share = run.weight
        dispersion = 1.0
        if self._has_dispersion:
            dispersion = self.dispersion_ = self._dispersion(run, moments, n)
        if self.covariance == "fisher":
            variances = dispersion * moments.total * found.squares / n
            return variances, np.sqrt(dispersion * moments.total * moments.weight)
        seen = share > 0.0
        squares = np.zeros(len(share))
        squares[seen] = moments.score[seen] ** 2 / share[seen]
        mass = float(squares.sum())
        if mass == 0.0:
            return np.zeros(X.shape[1]), squares
        about = _moments_about(moments.design, X, squares / mass, self.fit_intercept)
        vectors = found.vectors
        products = (vectors.T @ about).T
        if isinstance(vectors, np.ndarray):
            quadratic = np.einsum("ij,ij->j", vectors, products)
        else:
            quadratic = vectors.multiply(products).sum(axis=0)
        return np.maximum(quadratic, 0.0) * mass / n, np.sqrt(squares)

    def _dispersion(self, run, moments: Moments, n: float) -> float:
        """Pearson's estimate of the factor of the variance."""
        used = run.weight > 0.0
        squares = moments.score[used] ** 2 / run.weight[used]
        curvatures = moments.total * moments.weight[used] / run.weight[used]
        dof = np.count_nonzero(self.coef_) + self.fit_intercept
        return float(n * np.sum(squares / curvatures) / max(n - dof, 1.0))


class DebiasedRegressor(RegressorMixin, DebiasedModel):
    """Base of the regressors."""


def _moments_about(design: Design, X, weight: np.ndarray, fit_intercept: bool):
    """Second moments of a design under other weights, about its own means."""
    own = make_design(
        X, sample_weight=weight, fit_intercept=fit_intercept, standardize=True
    )
    ratio = own.scale / design.scale
    gram = gram_matrix(own, weight) * np.outer(ratio, ratio)
    shift = (own.mean - design.mean) / design.scale
    return gram + np.outer(shift, shift)
