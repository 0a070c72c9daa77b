"""Sparse Bayesian learning of a tensor seen through a Kronecker product.

By majorisation on sums over the measurements; after He and Joseph (2024),
arXiv:2307.14719.
"""

import warnings
from math import inf
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.bayes._kronecker_data import (
    are_factors,
    check_factors,
    check_target,
    check_variances,
)
from sparsestat.bayes._kronecker_evidence import mode_product, outer, reduce_problem
from sparsestat.bayes._kronecker_posterior import Projector
from sparsestat.bayes._kronecker_solvers import (
    Fit,
    Settings,
    coupling_matrix,
    maximise_evidence,
)
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Each,
    Interval,
    OneOf,
    RandomState,
    Rule,
    Verbosity,
    check_parameters,
)

__all__ = ["KroneckerSparseBayesian"]

_COUNT = Interval(1, inf, closed="left", integer=True)
_POSITIVE = Interval(0, inf, closed="neither")
_SHARE = Interval(0, 1, closed="left")
_STRENGTH = Interval(0, inf, closed="left")
# First guess of the noise: share of the power of the data, as in the authors' code.
_FIRST_NOISE = 0.1
_PRUNE_TOL = {"mm": 0.1, "am": 0.01, "svd": 0.001}


class KroneckerSparseBayesian(RegressorMixin, BaseEstimator):
    r"""Sparse Bayesian learning with a Kronecker-structured matrix and prior.

    Maximises the evidence of the model

    .. math:: y = (A_1 \otimes \dots \otimes A_I) \, x + \varepsilon, \qquad
        x \sim N(0, \operatorname{diag}(g_1 \otimes \dots \otimes g_I)), \quad
        \varepsilon \sim N(0, \sigma^2 I)

    over the variances :math:`g_i \ge 0` of each factor, most of which become zero, that
    is, it minimises :math:`\log \det C + y^H C^{-1} y` with the covariance C of the
    data; x is then estimated by its posterior mean. Neither the Kronecker product nor a
    covariance is ever formed: with 40^3 measurements of 60^3 unknowns a sweep takes
    tens of milliseconds.

    Parameters
    ----------
    solver : {"mm", "am", "svd"}, default="mm"
        - "mm": majorisation of one factor after the other. The cost never rises.
        - "am": expectation maximisation whose M-step alternates over the factors;
          slower. The cost never rises if `prune_tol` is 0. With ``max_inner=1`` it is
          the predecessor known as KSBL.
        - "svd": its M-step replaced by factors of the nearest rank-one tensor, which
          suits coefficients that are such a product; promises nothing.
    coupling : float or sequence of float, default=0.0
        For each factor, weight at which the variances of neighbours add to one's own,
        :math:`g_i = C_i \gamma_i`: supports come in runs. Not for "svd".
    noise_variance : "em" or float, default="em"
        Variance of the noise, or "em" to estimate it along. Where there are more
        unknowns than data and only one factor, both cannot be told apart.
    noise_floor : float, default=1e-4
        Least estimated variance of the noise, as a share of the power of y.
    prune_tol : "auto", float or sequence of float, default="auto"
        For each factor, share of the largest variance below which others are set to
        zero. By "mm" at the end, where a variance earns less than one nat of evidence;
        "auto" is 0.1. By "am" and "svd" in each iteration whatever it costs, as
        published; "auto" is 0.01 and 0.001.
    init : "flat" or sequence of array-like of shapes (N_i,), default="flat"
        Prior variances to start from; "flat" are equal ones with the power of y. Zeros
        stay zero.
    n_init : int, default=1
        Number of starts; all after the first are `init` times random factors between
        0.01 and 100. After twenty sweeps the half of the lower costs goes on, of these
        half after forty more, and so on down to two. The lowest cost is kept.
    max_iter : int, default=500
        Iterations at most.
    tol : float, default=1e-3
        Bound of `stationarity_`.
    tol_step : float, default=1e-6
        Relative change of the variances at which to stop although `tol` is not reached.
    max_inner : int, default=50
        Alternations at most in an M-step of "am".
    inner_tol : float, default=1e-5
        Relative change of the variances at which these end.
    multi : bool, default=False
        Whether the first axis of y counts snapshots, each with coefficients of its own,
        which share their variances.
    allow_complex : bool, default=False
        Whether X and y may be complex; the noise and the prior are circular then.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts after the first.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (N_1 * ... * N_I,) or (n_snapshots, N_1 * ... * N_I)
        Posterior mean.
    coef_tensor_ : ndarray of shape (N_1, ..., N_I) or (n_snapshots, N_1, ..., N_I)
        The same as a tensor.
    coef_std_ : ndarray of shape (N_1 * ... * N_I,)
        Posterior standard deviations.
    prior_variance_ : list of ndarray of shapes (N_i,)
        Factors of the prior variances. All but the last have unit norm.
    supports_ : list of ndarray of shapes (N_i,)
        For each factor, which variances are not zero.
    noise_variance_ : float
        Variance of the noise.
    log_evidence_ : float
        Logarithm of the density of y, of a snapshot on average.
    stationarity_ : float
        Largest violated condition of a local maximum of the evidence: the derivative
        of the cost with respect to the logarithm of a variance, shared among the
        coefficients that it rules, or of the noise, shared among the data; for
        variances that the iteration has brought to zero, by how much it would pay
        relatively to raise them. Variances that `prune_tol` has removed do not count.
    history_ : dict of str to list
        ``"cost"``, ``"noise"`` and ``"n_active"`` after each iteration; the data are
        scaled to unit power.
    n_iter_ : int
        Iterations of the start that was kept.
    n_features_in_ : int
        Number of unknowns, N_1 * ... * N_I.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X is a table with string column names.

    Raises
    ------
    ValueError
        If X or y are not finite, of the wrong shape (the mode is named), or complex
        without `allow_complex`; if a parameter is outside its range.

    Warns
    -----
    ConvergenceWarning
        If `stationarity_` misses `tol`, the noise meets its floor, or nothing is left.

    See Also
    --------
    kron_posterior : The posterior at given variances.
    kron_omp : A greedy alternative.
    sklearn.linear_model.ARDRegression : One real matrix.

    Notes
    -----
    X may be a matrix of shape (n_samples, n_features) as everywhere; this is the case
    of one factor, plain sparse Bayesian learning without an intercept.

    With :math:`A_i \operatorname{diag}(g_i) A_i^H = U_i \operatorname{diag}(p_i)
    U_i^H`, the data rotated by all :math:`U_i` have independent entries of variance
    :math:`\sigma^2 + p_1 \otimes \dots \otimes p_I`. Sums over coefficients, of which
    the slopes of the evidence consist, reduce to sums over these entries.

    "em" names the noise policy, as elsewhere in this family; the step is that of
    majorisation, which has the same fixed points.

    References
    ----------
    He and Joseph (2024), arXiv:2307.14719; Wipf and Nagarajan (2008), A new view of
    automatic relevance determination; Fang, Shen, Li and Li (2015), arXiv:1311.2150,
    who couple precisions where `coupling` couples variances.

    Examples
    --------
    >>> from sparsestat.bayes import KroneckerSparseBayesian
    >>> from sparsestat.datasets import make_kronecker_sparse
    >>> from sparsestat.metrics import nmse
    >>> data = make_kronecker_sparse((8, 12, 15), (15, 15, 15), random_state=0)
    >>> model = KroneckerSparseBayesian().fit(data.factors, data.target)
    >>> nmse(data.coef, model.coef_) < 1e-3
    True
    >>> [int(support.sum()) for support in model.supports_]
    [3, 3, 3]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "solver": OneOf("mm", "am", "svd"),
        "coupling": _STRENGTH | Each(_STRENGTH),
        "noise_variance": OneOf("em") | _POSITIVE,
        "noise_floor": Interval(0, 1, closed="left"),
        "prune_tol": OneOf("auto") | _SHARE | Each(_SHARE),
        "init": OneOf("flat") | Each(ArrayLike),
        "n_init": _COUNT,
        "max_iter": _COUNT,
        "tol": _POSITIVE,
        "tol_step": _STRENGTH,
        "max_inner": _COUNT,
        "inner_tol": _POSITIVE,
        "multi": Boolean,
        "allow_complex": Boolean,
        "random_state": RandomState,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        solver="mm",
        *,
        coupling=0.0,
        noise_variance="em",
        noise_floor=1e-4,
        prune_tol="auto",
        init="flat",
        n_init=1,
        max_iter=500,
        tol=1e-3,
        tol_step=1e-6,
        max_inner=50,
        inner_tol=1e-5,
        multi=False,
        allow_complex=False,
        random_state=None,
        verbose=0,
    ):
        self.solver = solver
        self.coupling = coupling
        self.noise_variance = noise_variance
        self.noise_floor = noise_floor
        self.prune_tol = prune_tol
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.tol_step = tol_step
        self.max_inner = max_inner
        self.inner_tol = inner_tol
        self.multi = multi
        self.allow_complex = allow_complex
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of array-like
            One matrix, or matrices A_i of shapes (M_i, N_i).
        y : array-like of shape (M_1, ..., M_I) or (M_1 * ... * M_I,)
            Data; the last mode runs fastest. With `multi` there is one more axis, the
            first, of snapshots.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self, self._rules)
        factors, target, is_flat, dtype = self._validated(X, y)
        power = np.mean(np.abs(target) ** 2)
        scale = float(np.sqrt(power)) or 1.0
        problem = reduce_problem(factors, target / scale)
        settings = self._settings(factors)
        noise = _FIRST_NOISE
        if settings.fixed_noise:
            noise = float(self.noise_variance) / scale**2
        starts = _starts(self._first(factors, scale), self.n_init, self.random_state)
        best = maximise_evidence(problem, list(starts), noise, settings)
        if self.multi:
            is_flat = target.ndim == 2 or is_flat
        self._is_flat = is_flat
        self._take(best, scale, dtype)
        self._report(best, settings)
        return self

    def predict(self, X, return_std=False):
        """Predict the noiseless data, of the same or of other factors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of array-like
            One matrix, or matrices of shapes (M'_i, N_i).
        return_std : bool, default=False
            Whether to return the standard deviations of new data too, noise included.

        Returns
        -------
        y : ndarray of shape (M'_1, ..., M'_I), or flat if y was flat in fit
            Predictions; with `multi` there is one more axis, the first.
        std : ndarray of that shape, without snapshots
            Standard deviations; only if `return_std`.
        """
        check_is_fitted(self)
        factors = self._new_factors(X)
        tensor = self.coef_tensor_
        for mode, factor in enumerate(factors):
            tensor = mode_product(tensor, factor, mode + self.multi)
        if self._is_flat:
            tensor = tensor.reshape(*tensor.shape[: int(self.multi)], -1)
        if not np.iscomplexobj(tensor):
            tensor = tensor.astype(self.coef_.dtype, copy=False)
        if not return_std:
            return tensor
        variance = self._projector.predicted_variance(factors) + self.noise_variance_
        std = np.sqrt(variance)
        return tensor, std.ravel() if self._is_flat else std

    def score(self, X, y):
        """Share of the variance of y that predictions explain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or list of array-like
            One matrix, or matrices of shapes (M'_i, N_i).
        y : array-like of the shape of the predictions
            Data.

        Returns
        -------
        score : float
            Coefficient of determination; at most 1.
        """
        predicted = self.predict(X)
        y = np.asarray(y).reshape(predicted.shape)
        total = np.sum(np.abs(y - y.mean()) ** 2)
        rest = np.sum(np.abs(y - predicted) ** 2)
        return float(1.0 - rest / total) if total > 0.0 else float(rest == 0.0)

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
        coef : ndarray of shape (n_samples, N_1 * ... * N_I)
            Draws; with `multi` there is one more axis, the second, of snapshots.
        """
        check_is_fitted(self)
        rng = np.random.default_rng(
            check_random_state(random_state).randint(0, 2**32, 4, dtype=np.uint32)
        )
        lead = (n_samples, *self.coef_.shape[:-1])
        draws = self._projector.deviations(
            rng, int(np.prod(lead)), self.noise_variance_, np.iscomplexobj(self.coef_)
        )
        return draws.reshape(*lead, -1) + self.coef_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _validated(self, X, y):
        """Factors, data with snapshots last, whether flat, and the type of results."""
        if are_factors(X):
            given = [np.asarray(part) for part in X]
            factors = check_factors(given, "X", allow_complex=self.allow_complex)
            vars(self).pop("feature_names_in_", None)
            n_features_in = int(np.prod([f.shape[1] for f in factors]))
        elif self.allow_complex and np.iscomplexobj(X):
            given = [np.asarray(X)]
            factors = check_factors(given, "X", allow_complex=True)
            n_features_in = factors[0].shape[1]
        else:
            real = {"dtype": [np.float64, np.float32]}
            if self.multi or (self.allow_complex and np.iscomplexobj(y)):
                X = validate_data(self, X, **real)
            else:
                X, y = validate_data(self, X, y, y_numeric=True, **real)
            given, factors = [X], [X.astype(np.float64, copy=False)]
            n_features_in = X.shape[1]
        target, is_flat = check_target(
            y, factors, allow_complex=self.allow_complex, multi=self.multi
        )
        self.n_features_in_ = n_features_in
        single = all(part.dtype in (np.float32, np.complex64) for part in given)
        is_complex = np.iscomplexobj(target) or any(map(np.iscomplexobj, factors))
        dtype = np.result_type(
            np.float32 if single else np.float64, np.complex64 if is_complex else "f4"
        )
        if is_complex:
            factors = [f.astype(np.complex128, copy=False) for f in factors]
        return factors, target if self.multi else target[..., None], is_flat, dtype

    def _new_factors(self, X):
        sizes = [len(g) for g in self.prior_variance_]
        if are_factors(X) or (self.allow_complex and np.iscomplexobj(X)):
            factors = check_factors(
                list(X) if are_factors(X) else [X],
                "X",
                allow_complex=self.allow_complex,
            )
        else:
            X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
            factors = [X.astype(np.float64, copy=False)]
        found = [factor.shape[1] for factor in factors]
        if found != sizes:
            raise ValueError(
                f"X must hold {len(sizes)} factors with {sizes} columns, as in fit; "
                f"got {len(found)} with {found}."
            )
        return factors

    def _settings(self, factors) -> Settings:
        strengths = self._per_factor("coupling", self.coupling, len(factors))
        if any(strengths) and self.solver == "svd":
            raise ValueError(
                f"coupling must be 0 with solver='svd'; got {self.coupling}."
            )
        prune_tol = self.prune_tol
        if isinstance(prune_tol, str):
            prune_tol = _PRUNE_TOL[self.solver]
        pairs = zip(factors, strengths, strict=True)
        return Settings(
            solver=self.solver,
            coupling=tuple(coupling_matrix(f.shape[1], s) for f, s in pairs),
            prune_tol=self._per_factor("prune_tol", prune_tol, len(factors)),
            noise_floor=float(self.noise_floor),
            fixed_noise=self.noise_variance != "em",
            max_iter=self.max_iter,
            tol=self.tol,
            tol_step=self.tol_step,
            max_inner=self.max_inner,
            inner_tol=self.inner_tol,
        )

    def _first(self, factors, scale: float) -> list[np.ndarray]:
        """Prior variances to start from, of data divided by `scale`."""
        if isinstance(self.init, str):
            powers = [np.sum(np.abs(f) ** 2) / len(f) for f in factors]
            return [
                np.full(f.shape[1], 1.0 / p if p > 0.0 else 1.0)
                for f, p in zip(factors, powers, strict=True)
            ]
        variances = check_variances(self.init, factors, "init")
        for mode, g in enumerate(variances):
            if not g.any():
                raise ValueError(f"init[{mode}] must not be all zero.")
        return [*variances[:-1], variances[-1] / scale**2]

    def _per_factor(self, name, value, n_factors) -> tuple[float, ...]:
        if np.ndim(value) == 0:
            return (float(value),) * n_factors
        if len(value) != n_factors:
            raise ValueError(
                f"{name} must be a number or have one entry for each of {n_factors} "
                f"factors; got {len(value)}."
            )
        return tuple(map(float, value))

    def _take(self, fit: Fit, scale: float, dtype) -> None:
        evidence = fit.evidence
        evidence.refresh()
        mean = scale * evidence.mean()
        mean = np.moveaxis(mean, -1, 0) if self.multi else mean[..., 0]
        variances = [*evidence.variances[:-1], scale**2 * evidence.variances[-1]]
        std = np.sqrt(outer(variances) * (1.0 - evidence.determined()))
        n = evidence.weights.size + evidence.problem.n_outside
        is_complex = dtype.kind == "c"
        cost = (
            evidence.cost()
            + 2 * n * np.log(scale)
            + n * np.log(np.pi if is_complex else 2.0 * np.pi)
        )
        self.coef_tensor_ = np.ascontiguousarray(mean.astype(dtype))
        self.coef_ = self.coef_tensor_.reshape(*mean.shape[: int(self.multi)], -1)
        self.coef_std_ = std.ravel().astype(np.zeros((), dtype).real.dtype)
        self.prior_variance_ = variances
        self.supports_ = [g > 0.0 for g in variances]
        self.noise_variance_ = float(scale**2 * evidence.noise)
        self.log_evidence_ = float(-cost if is_complex else -0.5 * cost)
        self.stationarity_ = fit.stationarity
        self.history_ = fit.history
        self.n_iter_ = fit.n_iter
        self._projector = Projector.of(evidence, scale)

    def _report(self, fit: Fit, settings: Settings) -> None:
        name = type(self).__name__
        if self.verbose:
            print(
                f"{name}: {fit.n_iter} iterations, {fit.history['n_active'][-1]} "
                f"active, noise variance {self.noise_variance_:.3g}, stationarity "
                f"{fit.stationarity:.1e} (asked {self.tol:.1e})"
            )
        if fit.stationarity > self.tol:
            advice = (
                "Increase max_iter or tol, or decrease tol_step."
                if self.solver == "mm"
                else "Increase max_iter, decrease prune_tol, or take solver='mm'."
            )
            self._warn(
                f"did not reach its tolerance: stationarity_ is {fit.stationarity:.3e} "
                f"after {fit.n_iter} iterations, asked were {self.tol:.3e}. {advice}"
            )
        if not self.coef_.any():
            self._warn("found nothing but noise: all coefficients are zero.")
        elif not settings.fixed_noise and fit.evidence.noise <= settings.noise_floor:
            self._warn(
                "cannot tell the noise from the signal: its variance has fallen to "
                f"noise_floor={self.noise_floor} of the power of y. Give "
                "noise_variance."
            )

    def _warn(self, message: str) -> None:
        warnings.warn(
            f"{type(self).__name__} {message}", ConvergenceWarning, stacklevel=4
        )


def _starts(first, n_init: int, random_state):
    yield first
    rng = check_random_state(random_state)
    for _ in range(n_init - 1):
        yield [g * 10.0 ** rng.uniform(-2.0, 2.0, len(g)) for g in first]
