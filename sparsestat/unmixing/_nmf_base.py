"""What the estimators share that find endmembers and abundances at once."""

import warnings
from math import inf

import numpy as np
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import validate_data

from sparsestat.unmixing._base import Unmixer
from sparsestat.unmixing._extractor import N_COMPONENTS, number_of_endmembers
from sparsestat.unmixing._functions import fcls_gap, sunsal_gap
from sparsestat.unmixing._least_squares import shares
from sparsestat.unmixing._nmf_graph import homogeneity, image_graph, spectral_graph
from sparsestat.unmixing._nmf_solver import (
    Factors,
    Problem,
    abundances_given,
    factorise,
    penalised,
)
from sparsestat.unmixing._nmf_start import Start, start_from
from sparsestat.unmixing._subspace import band_noise
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    Jobs,
    OneOf,
    RandomState,
    Rule,
    Satisfies,
    Verbosity,
    check_parameters,
    check_weights,
)

__all__ = ["BlindUnmixer", "rules_of"]

_FLOATS = [np.float64, np.float32]
_STRENGTH = Interval(0, inf, closed="left")
_POSITIVE = Interval(0, inf, closed="neither")
_COUNT = Interval(1, inf, closed="left", integer=True)
_RULES: dict[str, Rule] = {
    "n_components": N_COMPONENTS,
    "loss": OneOf("frobenius", "l21", "correntropy"),
    "theta": _POSITIVE,
    "alpha": OneOf("hoyer") | _STRENGTH,
    "p": Interval(0, 1, closed="right"),
    "guide": OneOf("hoyer", "gini", "entropy", "spatial", None) | ArrayLike,
    "graph": OneOf("spectral", "spatial", None),
    "alpha_graph": _STRENGTH,
    "n_neighbors": _COUNT,
    "image_shape": Satisfies(
        lambda shape: (
            isinstance(shape, tuple)
            and len(shape) == 2
            and all(_COUNT.accepts(size) for size in shape)
        ),
        "a tuple of two integers >= 1",
    )
    | None,
    "endmember_penalty": OneOf("dissimilarity", "volume"),
    "alpha_endmember": _STRENGTH,
    "sum_to_one": OneOf("simplex", "soft", None),
    "asc_delta": _POSITIVE,
    "scale": OneOf("purest", "initial"),
    "init": OneOf("robust", "nfindr", "vca") | ArrayLike,
    "solver": OneOf("exact", "mu"),
    "max_iter": _COUNT,
    "tol": _POSITIVE,
    "tol_step": _STRENGTH,
    "normalize": Boolean,
    "warm_start": Boolean,
    "random_state": RandomState,
    "n_jobs": Jobs,
    "verbose": Verbosity,
}


def rules_of(*names: str) -> dict[str, Rule]:
    """Rules of some of the family's parameters."""
    return {name: _RULES[name] for name in names}


class BlindUnmixer(CallbackSupportMixin, Unmixer):
    """Base of constrained matrix factorisations; presets fix what they do not take."""

    loss = "frobenius"
    theta = 1.0
    alpha = 0.0
    p = 0.5
    guide = None
    graph = None
    alpha_graph = 0.0
    n_neighbors = 5
    image_shape = None
    endmember_penalty = "dissimilarity"
    alpha_endmember = 0.0
    sum_to_one = None
    asc_delta = 15.0
    scale = "purest"
    tol_step = 1e-6

    @with_callbacks
    def fit(self, X, y=None):
        """Find endmembers and abundances.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels, a spectrum in each row; negative values become zero, with a
            warning.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, parameters outside their range, more
            endmembers than pixels or bands can tell apart, and shapes that disagree.

        Warns
        -----
        UserWarning
            If values of `X` are negative.
        ConvergenceWarning
            If `tol` is missed.
        """
        check_parameters(self, self._rules)
        if self.solver == "mu" and self.sum_to_one == "simplex":
            raise ValueError(
                f"{type(self).__name__}: solver='mu' cannot keep sum_to_one="
                "'simplex'; take 'soft', or solver='exact'."
            )
        X = validate_data(self, X, dtype=_FLOATS)
        exact = _clipped(X, type(self).__name__, 5).astype(np.float64, copy=False)
        start = self._start(exact)
        problem = self._problem(exact, start)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)

        def on_step(E, A, objective, violation):
            task = context.subcontext("iteration")
            task.call_on_fit_task_begin(estimator=self)
            return task.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=y,
                reconstruction_attributes=lambda: {"components_": E},
            )

        found = factorise(
            exact,
            start.components,
            start.abundances,
            problem,
            solver=self.solver,
            max_iter=self.max_iter,
            tol=self.tol,
            tol_step=self.tol_step,
            n_jobs=self.n_jobs,
            on_step=on_step,
        )
        self._take(problem, found, X.dtype)
        self._report()
        context.call_on_fit_task_end(
            estimator=self,
            X=X,
            y=y,
            reconstruction_attributes=lambda: {"components_": self.components_},
        )
        return self

    def score(self, X, y=None):
        """Minus the root mean squared error of the reconstruction; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pixels.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In units of `X`.
        """
        X = self._pixels(X)
        residual = X - self._raw(X)[0] @ self._exact
        return -float(np.sqrt(np.mean(np.square(residual))))

    def _start(self, X) -> Start:
        init, name = self.init, type(self).__name__
        if self.warm_start and hasattr(self, "components_"):
            if self.components_.shape[1] != X.shape[1]:
                raise ValueError(
                    f"{name}: warm_start needs the {self.components_.shape[1]} bands "
                    f"of the last fit; got {X.shape[1]}."
                )
            init = self._exact
        elif not isinstance(init, str):
            init = np.asarray(init, dtype=np.float64)
            if init.ndim != 2 or init.shape[1] != X.shape[1] or not len(init):
                raise ValueError(
                    f"{name}: init must have a row for each endmember and the "
                    f"{X.shape[1]} bands of X; got shape {init.shape}."
                )
            if not np.isfinite(init).all() or (init < 0.0).any():
                raise ValueError(f"{name}: init must be finite and >= 0.")
        if not isinstance(init, str):
            if self.n_components not in ("auto", len(init)):
                raise ValueError(
                    f"{name}: n_components must be 'auto' or the number of rows of "
                    f"the endmembers to start with, {len(init)}; got "
                    f"{self.n_components}."
                )
            n_components = len(init)
        else:
            n_components = number_of_endmembers(
                name, self.n_components, X, X.shape[1] + 1
            )
        return start_from(X, n_components, init, self.random_state, self.n_jobs)

    def _problem(self, X, start: Start) -> Problem:
        n_components = len(start.components)
        guide, powers = self.guide, self.p
        if isinstance(guide, str) and guide == "spatial":
            guide, powers = None, 1.0 - homogeneity(X, self._shape(len(X)))[:, None]
        elif guide is not None and not isinstance(guide, str):
            purity = check_weights(guide, "guide", len(X), "sample")
            if purity.max() > 1.0:
                raise ValueError(
                    f"guide must be in [0, 1]; got {purity.max()} at index "
                    f"{int(purity.argmax())}."
                )
            guide, powers = None, 1.0 - purity[:, None]
        graph = None
        if self.graph == "spatial" and self.alpha_graph > 0.0:
            graph = image_graph(X, self._shape(len(X)))
        elif self.graph == "spectral" and self.alpha_graph > 0.0:
            graph = spectral_graph(X, n_components, self.n_neighbors)
        noise = None
        if self.loss != "frobenius":
            noise = band_noise(X) if start.noise is None else start.noise
        return Problem(
            loss=self.loss,
            alpha=_mean_sparseness(X) if self.alpha == "hoyer" else float(self.alpha),
            powers=np.maximum(powers, 0.05) if np.ndim(powers) else powers,
            guide=guide,
            graph=graph,
            alpha_graph=self.alpha_graph if graph is not None else 0.0,
            coupling=self.endmember_penalty,
            alpha_endmember=self.alpha_endmember,
            simplex=self.sum_to_one == "simplex",
            asc_delta=self.asc_delta if self.sum_to_one == "soft" else 0.0,
            theta=self.theta,
            measure=start.clean / np.count_nonzero(start.clean),
            scale=self.scale,
            noise=None if noise is None else len(X) * noise,
        )

    def _shape(self, n_pixels) -> tuple[int, int]:
        shape = (1, n_pixels) if self.image_shape is None else self.image_shape
        if shape[0] * shape[1] != n_pixels:
            raise ValueError(
                f"{type(self).__name__}: image_shape must hold the {n_pixels} pixels "
                f"of X; got {shape}."
            )
        return shape

    def _take(self, problem: Problem, found: Factors, dtype) -> None:
        self.components_ = found.components.astype(dtype)
        self.n_components_ = len(self.components_)
        raw = found.abundances
        self.abundances_raw_ = raw.astype(dtype)
        self.abundances_ = (shares(raw) if self.normalize else raw).astype(dtype)
        self.band_weights_ = np.minimum(found.weights / np.median(found.weights), 1.0)
        self.alpha_ = problem.alpha
        for name, value in (
            ("guidance_map_", found.guidance),
            ("sigma_", float(np.sqrt(found.scales.variance))),
        ):
            wanted = name == "guidance_map_" or self.loss == "correntropy"
            if value is not None and wanted:
                setattr(self, name, value)
            elif hasattr(self, name):
                delattr(self, name)
        self.objective_ = found.objective
        self.reconstruction_err_ = float(np.sqrt(found.squares.sum()))
        self.stationarity_ = found.stationarity
        self.n_iter_ = found.n_iter
        self._weights = found.weights
        # New pixels have neither neighbours nor a given map.
        powers = problem.powers if np.isscalar(problem.powers) else float(self.p)
        self._pixel_problem = problem._replace(
            graph=None, alpha_graph=0.0, powers=powers
        )

    def _report(self) -> None:
        name = type(self).__name__
        if self.verbose:
            print(
                f"{name}: {self.n_iter_} iterations, objective "
                f"{self.objective_[-1]:.6g}, stationarity_ {self.stationarity_:.1e} "
                f"(asked {self.tol:.1e})"
            )
        if self.stationarity_ > self.tol:
            warnings.warn(
                f"{name}: stationarity_ {self.stationarity_:.1e} is above "
                f"tol={self.tol:.1e} after {self.n_iter_} iterations. Increase "
                "max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _pixels(self, X):
        return _clipped(super()._pixels(X), type(self).__name__, 4)

    def _raw(self, X):
        """Abundances of checked pixels, and their last linear penalties."""
        exact = X.astype(np.float64, copy=False)
        return abundances_given(
            exact, self._exact, self._weights, self._pixel_problem, self.n_jobs
        )

    def _abundances(self, X):
        abundances = self._raw(X)[0]
        if self.normalize:
            abundances = shares(abundances)
        return abundances.astype(X.dtype, copy=False)

    def _gap(self, X, abundances):
        """Gap of the last convex problem of each pixel."""
        raw, linear = self._raw(X)
        problem = self._pixel_problem
        E, roots = penalised(self._exact, self._weights, problem.asc_delta)
        X = X.astype(np.float64, copy=False)
        if problem.asc_delta > 0.0:
            X = np.hstack([X, np.ones((len(X), 1))])
        X = X * roots
        if problem.simplex:
            return fcls_gap(X, E, raw, linear)
        return sunsal_gap(X, E, raw, linear)


def _clipped(X: np.ndarray, name: str, stacklevel: int) -> np.ndarray:
    """Pixels with zeros in place of negative values, of which there is a warning."""
    n_negative = np.count_nonzero(X < 0.0)
    if not n_negative:
        return X
    warnings.warn(
        f"{name}: {n_negative} negative values of X, of {X.size}, are taken as zero.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return np.maximum(X, 0.0)


def _mean_sparseness(X: np.ndarray) -> float:
    """Sum of the sparseness of the bands over the root of their number."""
    n, n_bands = X.shape
    norms = np.sqrt(np.einsum("nl,nl->l", X, X))
    if n == 1:
        return 0.0
    ratio = X.sum(axis=0) / np.where(norms > 0.0, norms, 1.0)
    sparseness = np.where(norms > 0.0, np.sqrt(n) - ratio, 0.0) / (np.sqrt(n) - 1.0)
    return float(np.maximum(sparseness, 0.0).sum() / np.sqrt(n_bands))
