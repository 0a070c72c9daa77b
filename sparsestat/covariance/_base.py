"""What the estimators of sparse precision matrices share."""

import warnings
from math import inf

import numpy as np
from scipy import sparse
from sklearn.covariance import EmpiricalCovariance
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.covariance._blocks import Estimate, solve_blocks
from sparsestat.covariance._levels import (
    PENALTY,
    Levels,
    check_pair_weights,
    largest_correlation,
    largest_violation,
)
from sparsestat.optim.design import make_design, with_norms
from sparsestat.optim.log_det import log_det_objective
from sparsestat.optim.moments import gram_matrix
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    Jobs,
    Rule,
    Verbosity,
    check_sample_weight,
)

__all__ = [
    "TAIL",
    "SparsePrecision",
    "fit_levels",
    "log_likelihood",
    "moments",
    "reachable_tol",
    "second_moments",
    "shares",
    "solver_tol",
]

# Rules of the parameters that all of them have.
TAIL: dict[str, Rule] = {
    "penalty": PENALTY,
    "n_reweightings": Interval(1, inf, closed="left", integer=True) | None,
    "penalty_weights": ArrayLike | None,
    "standardize": Boolean,
    "assume_centered": Boolean,
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": Interval(0, inf, closed="neither"),
    "n_jobs": Jobs,
    "verbose": Verbosity,
}
# Relative tolerances below this are out of reach of float32 entries.
_FLOAT32_TOL = 1e-5
# Convex problems at most where stationarity decides.
_MOST_REWEIGHTINGS = 100
# Share of the tolerance to which each of them is solved.
_INNER_SHARE = 0.1


# Attributes of which a fit has one pair or the other.
_CERTIFICATES = ("dual_gap_", "dual_gap_tol_", "stationarity_", "stationarity_tol_")


class SparsePrecision(EmpiricalCovariance):
    """Base of the estimators: moments, one fit, certificates, scores."""

    def get_precision(self):
        """Return the precision matrix.

        Returns
        -------
        precision_ : ndarray of shape (n_features, n_features)
            The estimate.
        """
        check_is_fitted(self)
        return self.precision_

    def score(self, X_test, y=None, sample_weight=None):
        """Mean log-likelihood of samples under the estimated Gaussian.

        Parameters
        ----------
        X_test : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the samples.

        Returns
        -------
        score : float
            In nats a sample.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X_test,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            reset=False,
        )
        weight = shares(check_sample_weight(sample_weight, X), X.shape[0])
        location = self.location_.astype(np.float64)
        second = second_moments(X, weight, location)
        return log_likelihood(second, self.precision_.astype(np.float64))

    @property
    def partial_correlation_(self):
        """Correlations of pairs given all other features, ones on the diagonal."""
        spread = np.sqrt(self.precision_.diagonal())
        partial = -self.precision_ / np.outer(spread, spread)
        np.fill_diagonal(partial, 1.0)
        return partial

    @property
    def sparse_precision_(self):
        """Precision matrix as a `csc_array` of shape (n_features, n_features)."""
        return sparse.csc_array(self.precision_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _validated(self, X, sample_weight):
        X = validate_data(
            self,
            X,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
        )
        return X, check_sample_weight(sample_weight, X)

    def _levels(self, covariance: np.ndarray) -> Levels:
        """The penalty of the entries of this covariance matrix."""
        p = len(covariance)
        weights = check_pair_weights(self.penalty_weights, p)
        variances = covariance.diagonal()
        constant = (variances <= 0.0) & (weights.diagonal() == 0.0)
        if constant.any():
            raise ValueError(
                f"feature {int(constant.argmax())} is constant, so that its precision "
                "is unbounded; drop it, or penalise its diagonal entry by "
                "penalty_weights."
            )
        scale = np.sqrt(variances) if self.standardize else np.ones(p)
        return Levels(self.penalty, weights, scale)

    def _fit_levels(self, covariance, levels: Levels, alpha: float, dtype, start=None):
        """The estimate at one strength."""
        return fit_levels(
            covariance,
            levels,
            alpha,
            tol=solver_tol(self.tol, dtype),
            max_iter=self.max_iter,
            n_reweightings=self.n_reweightings,
            start=start,
            n_jobs=self.n_jobs,
        )

    def _take(self, covariance, levels: Levels, alpha: float, found, dtype) -> None:
        """Keep an estimate, in the precision of X, with its certificate."""
        estimate, slopes = found
        objective, gap = estimate.objective, estimate.gap
        precision = estimate.precision.astype(dtype, copy=False)
        if dtype != np.float64:
            # The dual point stays, so the gap grows by what the objective does.
            rounded = log_det_objective(covariance, slopes, precision.astype(float))
            objective, gap = rounded, gap + rounded - objective
        self.covariance_ = estimate.covariance.astype(dtype, copy=False)
        self.precision_ = precision
        self.labels_ = estimate.labels
        self.n_iter_ = estimate.n_iter
        for name in _CERTIFICATES:
            vars(self).pop(name, None)
        tol = reachable_tol(self.tol, dtype)
        if levels.is_convex:
            self.objective_, self.dual_gap_ = float(objective), float(gap)
            self.dual_gap_tol_ = tol * len(covariance)
            return
        self.objective_ = levels.objective(alpha, covariance, precision.astype(float))
        self.stationarity_ = self._violation(covariance, levels, alpha, estimate)
        self.stationarity_tol_ = tol * largest_correlation(covariance)

    def _violation(self, covariance, levels, alpha, estimate) -> float:
        """Violated stationarity at the entries that are kept."""
        precision, inverse = self.precision_.astype(float), estimate.covariance
        if self.precision_.dtype != np.float64:
            inverse = np.linalg.inv(precision)
        slopes = levels.at(alpha, precision)
        return largest_violation(covariance, slopes, precision, inverse)

    def _report(self, alpha: float) -> None:
        """Print a line if asked to; warn where the certificate misses its target."""
        if hasattr(self, "dual_gap_"):
            measure, value = "the duality gap", self.dual_gap_
            target = self.dual_gap_tol_
        else:
            measure, value = "the violated stationarity", self.stationarity_
            target = self.stationarity_tol_
        name = type(self).__name__
        if self.verbose:
            edges = (np.count_nonzero(self.precision_) - len(self.precision_)) // 2
            print(
                f"{name}: alpha={alpha:.6g}, {edges} edges, "
                f"{self.labels_.max() + 1} components, {measure.split()[-1]} "
                f"{value:.2e} (target {target:.2e}), {self.n_iter_} Newton steps"
            )
        if value > target and (self.n_reweightings is None or "gap" in measure):
            self._warn(alpha, measure, value, target)

    def _warn(self, alpha, measure, value, target, where="", stacklevel=4) -> None:
        warnings.warn(
            f"{type(self).__name__} did not reach its tolerance at alpha={alpha:.6g}"
            f"{where}: {measure} is {value:.3e}, asked were {target:.3e}. Increase "
            "max_iter or tol, or penalise more.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def fit_levels(
    covariance: np.ndarray,
    levels: Levels,
    alpha: float,
    *,
    tol: float,
    max_iter: int,
    n_reweightings: int | None,
    start: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> tuple[Estimate, np.ndarray]:
    """Solve for one strength: once if that is convex, else by tangents again and again.

    Returns the estimate and the levels that it belongs to.
    """

    def solve(slopes, start, violation=None):
        return solve_blocks(
            covariance, slopes, tol, max_iter,
            start=start, violation=violation, n_jobs=n_jobs,
        )  # fmt: skip

    slopes = levels.at(alpha)
    if levels.is_convex:
        return solve(slopes, start), slopes
    largest, precision, n_iter = largest_correlation(covariance), start, 0
    if start is None or n_reweightings is not None:
        estimate = solve(slopes, start)
        precision, n_iter = estimate.precision, estimate.n_iter
    for _ in range(n_reweightings or _MOST_REWEIGHTINGS):
        slopes = levels.at(alpha, precision)
        estimate = solve(slopes, precision, _INNER_SHARE * tol * largest)
        precision, n_iter = estimate.precision, n_iter + estimate.n_iter
        if n_reweightings is None:
            slopes = levels.at(alpha, precision)
            violation = largest_violation(
                covariance, slopes, precision, estimate.covariance
            )
            if violation <= tol * largest:
                break
    return estimate._replace(n_iter=n_iter), slopes


def reachable_tol(tol: float, dtype) -> float:
    """Relative tolerance that entries of a precision can reach."""
    return tol if dtype == np.float64 else max(tol, _FLOAT32_TOL)


def solver_tol(tol: float, dtype) -> float:
    """Relative tolerance to solve to, with room for the rounding of entries."""
    return tol if dtype == np.float64 else 0.5 * reachable_tol(tol, dtype)


def shares(sample_weight: np.ndarray | None, n_samples: int) -> np.ndarray:
    """Weights that sum to one."""
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    return sample_weight / sample_weight.sum()


def moments(X, weight: np.ndarray, centre: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means, or zeros, and second moments about them."""
    design = make_design(X, sample_weight=weight, fit_intercept=centre)
    return design.mean, gram_matrix(with_norms(design, weight), weight)


def second_moments(X, weight: np.ndarray, location: np.ndarray) -> np.ndarray:
    """Weighted second moments about a given location."""
    mean, covariance = moments(X, weight, True)
    return covariance + np.outer(mean - location, mean - location)


def log_likelihood(second: np.ndarray, precision: np.ndarray) -> float:
    """Mean log-likelihood of Gaussian samples with these second moments."""
    fit = log_det_objective(second, np.zeros_like(second), precision)
    return -0.5 * (fit + len(second) * np.log(2.0 * np.pi))
