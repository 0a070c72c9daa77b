"""What the sparse Bayesian regressions share: data, policies of the noise, results."""

import warnings
from math import inf
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._data import N_FOLDS, Data, Found, Summary, folds_of, rows_of
from sparsestat.bayes._fast import learn_fast
from sparsestat.bayes._fast_workspace import Workspace
from sparsestat.bayes._gamp import GampSettings, fit_gamp
from sparsestat.bayes._kronecker_data import numbers
from sparsestat.bayes._posterior import (
    TINY_NOISE,
    Problem,
    learn,
    moments,
    violation,
)
from sparsestat.bayes._structured import Settings
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    RandomState,
    Rule,
    Verbosity,
    check_parameters,
    check_sample_weight,
)

__all__ = [
    "SAMPLING",
    "TAIL",
    "Data",
    "Found",
    "SparseBayesian",
    "Summary",
    "flat_start",
    "normal",
    "root",
    "variances",
]

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
SAMPLING: dict[str, Rule] = {
    "n_samples": Interval(1, inf, closed="left", integer=True),
    "random_state": RandomState,
}
# Solvers that take products with X only, whatever its storage.
_PRODUCTS = ("gamp", "fast")
# First guess of the noise, and the grid of cross-validation, as shares of the power.
_FIRST_NOISE, _GRID = 0.1, np.geomspace(1e-5, 0.5, 8)
# Violation up to which fits to folds are taken.
_FOLD_TOL = 0.3
# Numbers of rows and active features that are looked at together.
_ROWS = 2**18
# Bisections of the logarithm of the noise until its discrepancy is met.
_BISECTIONS = 30


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
        if isinstance(X, LinearOperator) and self.solver == "gamp":
            vars(self).pop("feature_names_in_", None)
            self.n_features_in_ = X.shape[1]
            y = numbers(y, "y", self.allow_complex)
        elif self.allow_complex and (np.iscomplexobj(X) or np.iscomplexobj(y)):
            if sparse.issparse(X):
                X = X if X.format in ("csc", "csr") else X.tocsc()
                numbers(X.data, "X", True)
            else:
                X = numbers(X, "X", True)
            y = numbers(y, "y", True)
            self.n_features_in_ = X.shape[1]
        else:
            X, y = validate_data(
                self, X, y, accept_sparse=("csc", "csr"), y_numeric=True,
                dtype=[np.float64, np.float32], multi_output=multi_output,
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
        if sparse.issparse(X) and self.solver not in _PRODUCTS:
            X = X.tocsc()
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
        return Data(Columns(X, mean, root), Y / scale, n_rows, rows, scale, offset, {})

    def _noise(self, data: Data) -> tuple[float, bool]:
        """Noise variance of unit-power data, and whether it stays."""
        policy = self.noise_variance
        n_features = data.columns.shape[1]
        if policy == "auto":
            policy = "em" if data.n_rows >= 2 * n_features else "cv"
            if data.n_rows < 2 * N_FOLDS or self._is_operator(data):
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
        return max(float(policy) / data.scale**2, TINY_NOISE), True

    @staticmethod
    def _is_operator(data: Data) -> bool:
        return isinstance(data.columns.X, LinearOperator)

    def _validated_noise(self, data: Data) -> float:
        """The value under which held-out rows have the highest density."""
        weight = data.weight
        folds = folds_of(data.columns.X, data.Y, weight)
        parts = []
        for fold in range(N_FOLDS):
            out, inside = folds == fold, (folds != fold) & (folds >= 0)
            if not out.any() or not inside.any():
                continue
            part = data._replace(
                columns=rows_of(data.columns, inside), Y=data.Y[inside],
                n_rows=float(weight[inside].sum()),
                kept={"tol": max(self.tol, _FOLD_TOL)},
            )  # fmt: skip
            held = rows_of(data.columns._replace(root=None), out)
            target = data.Y[out] / np.sqrt(weight[out])[:, None]
            parts.append((part, held, target, weight[out]))
        density = np.full(len(_GRID), -inf)
        # Much noise is fast to fit, and a start for less.
        for i in reversed(range(len(_GRID))):
            density[i] = sum(self._density(_GRID[i], *part) for part in parts)
            if i + 2 < len(_GRID) and density[i] < density[i + 1] < density[i + 2]:
                break
        return float(_GRID[density.argmax()])

    def _density(self, noise: float, part: Data, held: Columns, target, weight):
        """Logarithm of the density of held-out rows, but for constants."""
        found = self._learn(part, noise, True)
        kept = np.flatnonzero(found.g)
        variance = np.full((len(target), 1), noise)
        if len(kept):
            covariance = self._spread(part, found)
            variance = noise + variances(held, kept, covariance).reshape(
                len(target), -1
            )
        rest = np.abs(target - held.product(found.mean)) ** 2
        logs = np.log(variance) + rest / variance
        return -weight @ logs.sum(axis=1)

    def _spread(self, data: Data, found: Found) -> np.ndarray:
        """Covariance of coefficients that are not zero, of each target or of all."""
        kept = np.flatnonzero(found.g)
        inner = Problem(data.columns.pick(kept), data.Y, data.n_rows)
        return moments(inner, found.g[kept], found.noise).covariance()

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
        if self.solver == "fast":
            if "work" not in data.kept:
                data.kept["work"] = Workspace(columns, Y, data.n_rows)
            fit = learn_fast(
                data.kept["work"], noise, fixed_noise=is_fixed,
                noise_floor=self.noise_floor, max_iter=self.max_iter,
                tol=data.kept.get("tol", self.tol),
            )  # fmt: skip
            return Found(
                fit.g, fit.mean, None, fit.noise, fit.n_iter, fit.history,
                violation=fit.worst,
            )  # fmt: skip
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
        problem = Problem(columns, Y, data.n_rows)
        start = flat_start(columns, data.n_rows)
        learnt = learn(
            problem, start, noise, solver=self.solver, fixed_noise=is_fixed,
            noise_floor=self.noise_floor, prune_tol=self.prune_tol,
            max_iter=self.max_iter, tol=self.tol, tol_step=self.tol_step,
        )  # fmt: skip
        kept = np.flatnonzero(learnt.g)
        mean = np.zeros((len(start), Y.shape[1]), np.result_type(columns.dtype, Y))
        if len(kept):
            part = problem._replace(A=columns.pick(kept))
            mean[kept] = moments(part, learnt.g[kept], learnt.noise).mean
        return Found(learnt.g, mean, None, learnt.noise, learnt.n_iter, learnt.history)

    def _settings(self, is_fixed: bool) -> Settings:
        return Settings(
            self.solver, is_fixed, self.noise_floor, self.prune_tol, self.max_iter,
            self.tol, self.tol_step,
        )  # fmt: skip

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
        self.prior_variance_ = scale**2 * found.g
        self.active_ = found.g > 0.0
        self.noise_variance_ = float(scale**2 * found.noise)
        self._scale = scale
        self.history_, self.n_iter_ = found.history, found.n_iter
        vars(self).pop("fixed_point_residual_", None)
        if found.residual is not None:
            self.fixed_point_residual_ = float(found.residual)
        if self._is_operator(data):
            std = scale * np.sqrt(found.variance.mean(axis=1)) * self.active_
            self.covariance_ = None
            self.stationarity_ = self.log_evidence_ = None
        else:
            summary = self._summary(data, found)
            std = scale * summary.std
            self.covariance_ = (scale**2 * summary.covariance).astype(dtype)
            is_complex = coef.dtype.kind == "c"
            constant = np.log(np.pi if is_complex else 2.0 * np.pi)
            cost = summary.cost + data.n_rows * (2.0 * np.log(scale) + constant)
            self.log_evidence_ = float(-cost if is_complex else -0.5 * cost)
            self.stationarity_ = summary.stationarity
        self._shape_results(coef, intercept, std.astype(real), found)

    def _summary(self, data: Data, found: Found) -> Summary:
        """Evidence and posterior of independent coefficients."""
        kept, std = np.flatnonzero(found.g), np.zeros(len(found.g))
        problem = Problem(data.columns.pick(kept), data.Y, data.n_rows)
        now = moments(problem, found.g[kept], found.noise)
        std[kept] = np.sqrt(found.g[kept] * (1.0 - now.determined))
        worst = found.violation
        if worst is None:
            worst = violation(data.columns, data.Y, found.g, found.noise).worst
        return Summary(now.cost, now.covariance(), std, worst)

    def predict(self, X, return_std=False, return_cov=False):
        """Predict.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return the standard deviations of new targets too, noise
            included.
        return_cov : bool, default=False
            Whether to return the covariances of new targets too, noise included; not
            along with `return_std`.

        Returns
        -------
        y : ndarray of the shape of the targets
            Predictions.
        std : ndarray of the shape of y
            Standard deviations; only if `return_std`.
        cov : ndarray of shape (n_samples, n_samples) or (n_samples, n_samples, \
                n_targets)
            Covariances of the rows of each target; only if `return_cov`.

        Raises
        ------
        ValueError
            If both are asked for, or one after a fit of a LinearOperator.
        """
        check_is_fitted(self)
        if not isinstance(X, LinearOperator) and not (
            self.allow_complex and np.iscomplexobj(X)
        ):
            X = validate_data(
                self, X, accept_sparse=("csc", "csr"),
                dtype=[np.float64, np.float32], reset=False,
            )  # fmt: skip
        kept = np.flatnonzero(self.active_)
        return self._predict(X, self.coef_, kept, return_std, return_cov)

    def _predict(self, X, coef, kept, return_std: bool, return_cov: bool):
        """Predictions and their spread, which columns `kept` of X have a part in."""
        if return_std and return_cov:
            raise ValueError(
                "return_cov must be False where return_std is True; got True for both."
            )
        y = X @ coef.T + self.intercept_
        if not return_std and not return_cov:
            return y
        self._check_covariance("return_std" if return_std else "return_cov")
        columns = Columns(X, self._mean)
        if return_std:
            variance = variances(columns, kept, self.covariance_).T
            return y, self._by_target(np.sqrt(variance + self.noise_variance_), y)
        A = columns.take(kept).dense()
        cov = A @ self.covariance_ @ A.conj().T
        at = np.arange(len(A))
        cov[..., at, at] += self.noise_variance_
        return y, self._by_target(cov, y)

    def _by_target(self, values: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Targets last, where there are several; they may share the values."""
        if y.ndim == 1:
            return values
        if self.covariance_.ndim == 3:
            return np.ascontiguousarray(np.moveaxis(values, 0, -1))
        return np.repeat(values[..., None], y.shape[1], axis=-1)

    def _check_covariance(self, asked: str) -> None:
        if self.covariance_ is None:
            raise ValueError(
                f"{asked} needs a covariance, which fits of a LinearOperator lack."
            )

    def sample_posterior(self, n_samples=1, random_state=None):
        """Draw coefficients from their posterior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=None
            Seed.

        Returns
        -------
        coef : ndarray of shape (n_samples, n_features) or (n_samples, n_targets, \
                n_features)
            Draws of `coef_`. Coefficients whose prior variance is zero are zero.

        Raises
        ------
        ValueError
            After a fit of a LinearOperator.

        Examples
        --------
        >>> import numpy as np
        >>> from sparsestat.bayes import SparseBayesianRegression
        >>> X = np.random.default_rng(0).standard_normal((40, 3))
        >>> model = SparseBayesianRegression().fit(X, X[:, 0])
        >>> model.sample_posterior(5, random_state=0).shape
        (5, 3)
        """
        check_is_fitted(self)
        check_parameters(
            {"n_samples": n_samples, "random_state": random_state}, SAMPLING,
            name="sample_posterior",
        )  # fmt: skip
        self._check_covariance("sample_posterior")
        rng = check_random_state(random_state)
        coef = np.broadcast_to(self.coef_, (n_samples, *self.coef_.shape)).copy()
        coef[..., self.active_] += self._deviations(rng, n_samples).astype(coef.dtype)
        return coef

    def _deviations(self, rng, n_samples: int) -> np.ndarray:
        """Draws of the active coefficients about their mean."""
        shape = (n_samples, *self.coef_.shape[:-1], len(self.covariance_))
        return normal(rng, shape, self.covariance_) @ root(self.covariance_).T

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _report(self, found: Found, is_fixed: bool, n_rows: float) -> None:
        name = type(self).__name__
        messages = self.solver == "gamp"
        measure = "fixed_point_residual_" if messages else "stationarity_"
        reached, n_active = getattr(self, measure), np.count_nonzero(found.g)
        if self.verbose:
            print(
                f"{name}: {found.n_iter} iterations, {n_active} active, "
                f"noise variance {self.noise_variance_:.3g}, {measure} {reached:.1e} "
                f"(asked {self.tol:.1e})"
            )
        if reached > self.tol:
            advice = "Increase max_iter or tol" + {
                "gamp": ", or take damping='auto'.",
                "fast": ".",
            }.get(self.solver, ", or decrease tol_step.")
            self._warn(
                f"did not reach its tolerance: {measure} is {reached:.3e} after "
                f"{found.n_iter} iterations, asked were {self.tol:.3e}. {advice}"
            )
        # Where rows abound, noise at its floor is a target without noise, and so it is
        # where few features explain all; a handful of rows tells nothing.
        is_wide = 4 * N_FOLDS <= n_rows < 2 * len(found.g) and 4 * n_active > n_rows
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


def flat_start(columns: Columns, n_rows: float) -> np.ndarray:
    """Equal prior variances that explain data of unit power."""
    energy = columns.energies()
    total = energy.sum()
    return np.where(energy > 0.0, n_rows / total if total > 0.0 else 0.0, 0.0)


def variances(columns: Columns, kept: np.ndarray, covariance) -> np.ndarray:
    """Variances of noiseless predictions, (n_samples,) or (n_samples, n_targets).

    A few rows at a time: `columns` may be sparse, and not a matter of memory.
    """
    if sparse.issparse(columns.X):
        columns = columns._replace(X=columns.X.tocsr())
    n_rows, parts = columns.shape[0], []
    step = max(_ROWS // max(len(kept), 1), 1)
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        A = rows_of(columns, rows).take(kept).dense()
        variance = ((A @ covariance) * A.conj()).sum(axis=-1).real
        parts.append(np.maximum(variance, 0.0).T)
    return np.concatenate(parts)


def normal(rng, shape, like) -> np.ndarray:
    """Standard normals, circular ones where `like` is complex."""
    if not np.iscomplexobj(like):
        return rng.standard_normal(shape)
    pair = rng.standard_normal((2, *shape))
    return (pair[0] + 1j * pair[1]) / np.sqrt(2.0)


def root(covariance: np.ndarray) -> np.ndarray:
    """A square root F with F F^H the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]


def _row_mean(X, share) -> np.ndarray:
    if isinstance(X, LinearOperator):
        return (X.H @ share.astype(X.dtype)).conj()
    return np.asarray(X.T @ share.astype(np.float64))
