"""What the sparse Bayesian regressions share: data, policies of the noise, results."""

import warnings
from math import inf
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._gamp import GampSettings, fit_gamp
from sparsestat.bayes._kronecker_data import numbers
from sparsestat.bayes._posterior import Problem, learn, moments, violation
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    Rule,
    Verbosity,
    check_sample_weight,
)

__all__ = ["TAIL", "SparseBayesian"]

# Rules of the parameters that these regressions have.
TAIL: dict[str, Rule] = {
    "noise_variance": OneOf("auto", "em", "cv", "discrepancy")
    | Interval(0, inf, closed="neither"),
    "noise_level": Interval(0, inf, closed="neither") | None,
    "noise_floor": Interval(0, 1, closed="left"),
    "prune_tol": Interval(0, 1, closed="left"),
    "fit_intercept": Boolean,
    "damping": OneOf("auto") | Interval(0, 1, closed="right"),
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "tol": Interval(0, inf, closed="neither"),
    "tol_step": Interval(0, inf, closed="left"),
    "allow_complex": Boolean,
    "verbose": Verbosity,
}
# First guess of the noise, and the grid of cross-validation, as shares of the power.
_FIRST_NOISE, _GRID, _FOLDS = 0.1, np.geomspace(1e-5, 0.5, 8), 4
# Bisections of the logarithm of the noise until its discrepancy is met.
_BISECTIONS = 30


class Data(NamedTuple):
    """Data of unit power, products with the matrix, and what leads back.

    Parameters
    ----------
    columns : Columns
        The matrix, centred and weighted implicitly.
    Y : ndarray of shape (n_samples, n_targets)
        Targets, centred, weighted and divided by `scale`.
    n_rows : float
        Sum of the weights.
    weight : ndarray of shape (n_samples,)
        Weights of the rows.
    scale : float
        Root mean square of the targets.
    offset : ndarray of shape (n_targets,)
        Means of the targets.
    """

    columns: Columns
    Y: np.ndarray
    n_rows: float
    weight: np.ndarray
    scale: float
    offset: np.ndarray


class Found(NamedTuple):
    """Prior variances and noise of unit-power data, with the posterior means.

    Parameters
    ----------
    g, mean, variance : ndarray
        Prior variances, means, and variances where only messages know them.
    noise : float
        Noise variance.
    n_iter : int
        Iterations.
    history : dict
        Of the iterations.
    residual : float or None
        Fixed-point residual of messages.
    correlation : float
        Of subsequent targets.
    """

    g: np.ndarray
    mean: np.ndarray
    variance: np.ndarray | None
    noise: float
    n_iter: int
    history: dict[str, list]
    residual: float | None = None
    correlation: float = 0.0


class SparseBayesian(RegressorMixin, BaseEstimator):
    """Base: `fit` on one or several targets, predictions with standard deviations."""

    _rules: ClassVar[dict[str, Rule]] = {}

    def _correlation(self) -> Any:
        """Correlation of subsequent targets, for messages."""
        return None

    def _fit(self, X, Y, sample_weight) -> "SparseBayesian":
        data = self._prepared(X, Y, sample_weight)
        noise, is_fixed = self._noise(data)
        found = self._learn(data, noise, is_fixed)
        self._take(data, found)
        self._report(found, is_fixed, data.n_rows)
        return self

    def _validated(self, X, y, *, multi_output: bool):
        """Matrix, targets as columns and the type of results."""
        storages = ("csc", "csr") if self.solver == "gamp" else False
        if isinstance(X, LinearOperator) and self.solver == "gamp":
            vars(self).pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
            y = numbers(y, "y", self.allow_complex)
        elif self.allow_complex and (np.iscomplexobj(X) or np.iscomplexobj(y)):
            if not sparse.issparse(X):
                X = numbers(X, "X", True)
            y = numbers(y, "y", True)
            self.n_features_in_ = X.shape[1]
        else:
            X, y = validate_data(
                self, X, y, accept_sparse=storages, dtype=[np.float64, np.float32],
                y_numeric=True, multi_output=multi_output,
            )  # fmt: skip
        if len(y) != X.shape[0]:
            raise ValueError(
                f"y must have one row for each of {X.shape[0]} rows of X; got {len(y)}."
            )
        if y.ndim != (2 if multi_output else 1):
            wanted = "(n_samples, n_targets)" if multi_output else "(n_samples,)"
            raise ValueError(f"y must have shape {wanted}; got {y.shape}.")
        kind = np.complex128 if np.iscomplexobj(y) else np.float64
        Y = y.reshape(len(y), -1).astype(kind)
        single = X.dtype in (np.float32, np.complex64)
        is_complex = np.iscomplexobj(Y) or X.dtype.kind == "c"
        dtype = np.result_type(
            np.float32 if single else np.float64, np.complex64 if is_complex else "f4"
        )
        return X, Y, dtype

    def _prepared(self, X, Y, sample_weight) -> Data:
        weight = check_sample_weight(sample_weight, X)
        n_rows = float(len(Y)) if weight is None else float(weight.sum())
        share = np.full(len(Y), 1.0 / n_rows) if weight is None else weight / n_rows
        mean, offset = None, np.zeros(Y.shape[1], Y.dtype)
        if self.fit_intercept:
            mean = _row_mean(X, share)
            offset = share @ Y
        root = None if weight is None else np.sqrt(weight)
        Y = Y - offset
        if root is not None:
            Y = root[:, None] * Y
        power = np.sum(np.abs(Y) ** 2) / (n_rows * Y.shape[1])
        scale = float(np.sqrt(power)) or 1.0
        self._mean, self._offset = mean, offset
        rows = np.ones(len(Y)) if weight is None else weight
        return Data(Columns(X, mean, root), Y / scale, n_rows, rows, scale, offset)

    def _noise(self, data: Data) -> tuple[float, bool]:
        """Noise variance of unit-power data, and whether it stays."""
        policy = self.noise_variance
        n_features = data.columns.X.shape[1]
        if policy == "auto":
            policy = "em" if data.n_rows >= 2 * n_features else "cv"
            if data.n_rows < 2 * _FOLDS or self._is_operator(data):
                policy = "em"
        if policy == "em":
            return _FIRST_NOISE, False
        if policy == "cv":
            if self._is_operator(data):
                raise ValueError(
                    "noise_variance must not be 'cv' where X is a LinearOperator."
                )
            return self._validated_noise(data), True
        if policy == "discrepancy":
            return self._discrepant_noise(data), True
        return float(policy) / data.scale**2, True

    @staticmethod
    def _is_operator(data: Data) -> bool:
        return isinstance(data.columns.X, LinearOperator)

    def _validated_noise(self, data: Data) -> float:
        """The value under which held-out rows have the highest density."""
        weight = data.weight
        folds = _folds(data.columns.X, data.Y, weight)
        density = np.zeros(len(_GRID))
        for fold in range(_FOLDS):
            out, inside = folds == fold, (folds != fold) & (folds >= 0)
            if not out.any() or not inside.any():
                continue
            part = data._replace(
                columns=_rows(data.columns, inside), Y=data.Y[inside],
                n_rows=float(weight[inside].sum()),
            )  # fmt: skip
            held = _rows(data.columns._replace(root=None), out)
            target = data.Y[out] / np.sqrt(weight[out])[:, None]
            for i, noise in enumerate(_GRID):
                found = self._learn(part, noise, True)
                kept = np.flatnonzero(found.g)
                A = held.take(kept).dense()
                variance = noise + self._spread(part, found, A)
                rest = np.abs(target - A @ found.mean[kept]) ** 2
                logs = np.log(variance)[:, None] + rest / variance[:, None]
                density[i] -= weight[out] @ logs.sum(axis=1)
        return float(_GRID[density.argmax()])

    def _spread(self, data: Data, found: Found, A) -> np.ndarray:
        """Variances of noiseless predictions at rows A of the kept columns."""
        kept = np.flatnonzero(found.g)
        if not len(kept):
            return np.zeros(len(A))
        inner = Problem(data.columns.take(kept).dense(), data.Y, data.n_rows)
        covariance = moments(inner, found.g[kept], found.noise).covariance()
        return np.maximum(((A @ covariance) * A.conj()).sum(axis=1).real, 0.0)

    def _discrepant_noise(self, data: Data) -> float:
        """The value at which the residual has the norm that was expected."""
        if self.noise_level is None:
            raise ValueError(
                "noise_level, the expected norm of the noise, must be given with "
                "noise_variance='discrepancy'; got None."
            )
        target = self.noise_level / data.scale
        low, high = np.log(1e-10), np.log(10.0)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            found = self._learn(data, np.exp(middle), True)
            rest = np.linalg.norm(data.Y - data.columns.product(found.mean))
            low, high = (middle, high) if rest < target else (low, middle)
        return float(np.exp(0.5 * (low + high)))

    def _learn(self, data: Data, noise: float, is_fixed: bool) -> Found:
        columns, Y = data.columns, data.Y
        if self.solver == "gamp":
            settings = GampSettings(
                damping=self.damping,
                fixed_noise=is_fixed,
                noise_floor=self.noise_floor,
                max_iter=self.max_iter,
                tol=self.tol,
                correlation=self._correlation(),
                n_rows=data.n_rows,
            )
            fit = fit_gamp(columns, Y, noise, settings)
            return Found(
                fit.prior_variance, fit.mean, fit.variance, fit.noise, fit.n_iter,
                fit.history, fit.residual, fit.correlation,
            )  # fmt: skip
        problem = Problem(columns.dense(), Y, data.n_rows)
        energy = np.sum(np.abs(problem.A) ** 2, axis=0)
        total = energy.sum()
        start = np.where(energy > 0.0, data.n_rows / total if total > 0.0 else 0.0, 0.0)
        learnt = learn(
            problem, start, noise, solver=self.solver, fixed_noise=is_fixed,
            noise_floor=self.noise_floor, prune_tol=self.prune_tol,
            max_iter=self.max_iter, tol=self.tol, tol_step=self.tol_step,
        )  # fmt: skip
        kept = np.flatnonzero(learnt.g)
        mean = np.zeros((len(start), Y.shape[1]), dtype=np.result_type(problem.A, Y))
        if len(kept):
            part = problem._replace(A=problem.A[:, kept])
            mean[kept] = moments(part, learnt.g[kept], learnt.noise).mean
        return Found(learnt.g, mean, None, learnt.noise, learnt.n_iter, learnt.history)

    def _take(self, data: Data, found: Found) -> None:
        scale, dtype = data.scale, self._dtype
        real = np.zeros((), dtype).real.dtype
        coef = (scale * found.mean).T.astype(dtype)
        intercept = data.offset.astype(coef.dtype)
        if self._mean is not None:
            intercept = (data.offset - (scale * found.mean).T @ self._mean).astype(
                dtype
            )
        else:
            intercept = np.zeros_like(intercept)
        kept = np.flatnonzero(found.g)
        self.prior_variance_ = scale**2 * found.g
        self.active_ = found.g > 0.0
        self.noise_variance_ = float(scale**2 * found.noise)
        self.history_, self.n_iter_ = found.history, found.n_iter
        vars(self).pop("fixed_point_residual_", None)
        if found.residual is not None:
            self.fixed_point_residual_ = float(found.residual)
        std = np.zeros(len(found.g))
        if self._is_operator(data):
            std[kept] = scale * np.sqrt(found.variance.mean(axis=1)[kept])
            self.covariance_ = None
            self.stationarity_ = self.log_evidence_ = None
        else:
            n = data.n_rows * (2.0 * np.log(scale))
            constant = np.log(np.pi if coef.dtype.kind == "c" else 2.0 * np.pi)
            cost = data.n_rows * np.log(found.noise) + np.vdot(data.Y, data.Y).real / (
                found.noise * data.Y.shape[1]
            )
            covariance = np.zeros((0, 0))
            if len(kept):
                problem = Problem(data.columns.take(kept).dense(), data.Y, data.n_rows)
                now = moments(problem, found.g[kept], found.noise)
                cost, covariance = now.cost, now.covariance()
                std[kept] = np.sqrt(found.g[kept] * (1.0 - now.determined)) * scale
            self.covariance_ = (scale**2 * covariance).astype(dtype)
            cost = cost + n + data.n_rows * constant
            half = 1.0 if coef.dtype.kind == "c" else 0.5
            self.log_evidence_ = float(-half * cost)
            self.stationarity_ = violation(
                data.columns, data.Y, found.g, found.noise
            ).worst
        self._shape_results(coef, intercept, std.astype(real), found)

    def predict(self, X, return_std=False):
        """Predict.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviations of new targets too, noise
            included.

        Returns
        -------
        y : ndarray of the shape of the targets
            Predictions.
        std : ndarray of shape (n_samples,)
            Standard deviations; only if `return_std`.
        """
        check_is_fitted(self)
        if not isinstance(X, LinearOperator) and not (
            self.allow_complex and np.iscomplexobj(X)
        ):
            X = validate_data(
                self, X, accept_sparse=("csc", "csr"),
                dtype=[np.float64, np.float32], reset=False,
            )  # fmt: skip
        y = X @ self.coef_.T + self.intercept_
        if not return_std:
            return y
        if self.covariance_ is None:
            raise ValueError("return_std must be False after fits of a LinearOperator.")
        A = Columns(X, self._mean).take(np.flatnonzero(self.active_)).dense()
        variance = ((A @ self.covariance_) * A.conj()).sum(axis=1).real
        return y, np.sqrt(np.maximum(variance, 0.0) + self.noise_variance_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver == "gamp"
        return tags

    def _report(self, found: Found, is_fixed: bool, n_rows: float) -> None:
        name = type(self).__name__
        messages = self.solver == "gamp"
        measure = "fixed_point_residual_" if messages else "stationarity_"
        reached = getattr(self, measure)
        if self.verbose:
            print(
                f"{name}: {found.n_iter} iterations, {int(self.active_.sum())} active, "
                f"noise variance {self.noise_variance_:.3g}, {measure} {reached:.1e} "
                f"(asked {self.tol:.1e})"
            )
        if reached > self.tol:
            advice = (
                "Increase max_iter or tol, or take damping='auto'."
                if messages
                else "Increase max_iter or tol, or decrease tol_step."
            )
            self._warn(
                f"did not reach its tolerance: {measure} is {reached:.3e} after "
                f"{found.n_iter} iterations, asked were {self.tol:.3e}. {advice}"
            )
        # Where rows abound, noise at its floor is a target without noise.
        is_wide = n_rows < 2 * len(self.active_) and self.active_.any()
        if not is_fixed and is_wide and found.noise <= self.noise_floor:
            self._warn(
                "cannot tell the noise from the signal: its variance has fallen to "
                f"noise_floor={self.noise_floor} of the power of y. Give "
                "noise_variance, or let it be 'cv'."
            )

    def _warn(self, message: str) -> None:
        warnings.warn(
            f"{type(self).__name__} {message}", ConvergenceWarning, stacklevel=5
        )


def _row_mean(X, share) -> np.ndarray:
    if isinstance(X, LinearOperator):
        return (X.H @ share.astype(X.dtype)).conj()
    return np.asarray(X.T @ share.astype(np.float64))


def _folds(X, Y, weight) -> np.ndarray:
    """Fold of each row; equal rows share one, and rows without weight have none (-1).

    So copies of a row and its weight come to the same.
    """
    rng = np.random.default_rng(0)
    rows = X @ rng.standard_normal(X.shape[1])
    values = (Y / np.sqrt(np.where(weight > 0.0, weight, 1.0))[:, None]) @ (
        rng.standard_normal(Y.shape[1])
    )
    keys = np.column_stack([rows.real, values.real]).astype(np.float64)
    size = np.abs(keys).max(axis=0)
    keys = np.round(keys / np.where(size > 0.0, size, 1.0), 9)[weight > 0.0]
    _, number = np.unique(keys, axis=0, return_inverse=True)
    number = number.ravel()
    order = rng.permutation(number.max() + 1)
    folds = np.full(len(weight), -1)
    folds[weight > 0.0] = order[number] % _FOLDS
    return folds


def _rows(columns: Columns, rows: np.ndarray) -> Columns:
    root = None if columns.root is None else columns.root[rows]
    X = columns.X
    if sparse.issparse(X):
        X = X.tocsr()
    return Columns(X[rows], columns.mean, root)
