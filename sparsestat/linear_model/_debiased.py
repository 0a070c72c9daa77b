"""The debiased Lasso: confidence intervals and p-values for every coefficient."""

from math import inf, log, sqrt
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.stats import norm
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import (
    TAIL,
    SparseLinearRegressor,
    solver_tol,
    warn_unless_converged,
)
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.design import columns, correlate
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.nodewise import Node, NodewiseLasso
from sparsestat.optim.penalties import L1
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.run import Run
from sparsestat.optim.tasks import make_tasks
from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    OneOf,
    RandomState,
    Rule,
    check_parameters,
)

__all__ = ["DebiasedLasso"]

_LEVEL = Interval(0, 1, closed="neither")
# Factor of the universal strength that suits the problems of single features.
_NODE_FACTOR = 0.5
# Updates of the noise; where they cycle between supports, the largest of the last ones
# is taken.
_UPDATES = 50
_LAST = 10
_SAME_NOISE = 1e-8
_NODE_TOL = 1e-4
# Features whose problems a thread takes at a time, whatever the number of threads.
_BLOCK = 64
# Beyond its cap of 512 MiB no Gram matrix is formed.
_MOST_FEATURES = 8192
# Draws of the bootstrap at a time.
_DRAWS = 250


class DebiasedLasso(SparseLinearRegressor):
    r"""Confidence intervals and p-values for every coefficient, beside the Lasso.

    The Lasso b shrinks; what the residual r = y - X b - b_0 still has in common with a
    feature, apart from all others, tells by how much:

    .. math::
        \hat\beta_j = b_j + \frac{z_j^\top S r}{z_j^\top S x_j}, \qquad
        \mathrm{se}_j = \frac{\hat\sigma}{\sqrt n} \,
        \frac{\|z_j\|_S}{|z_j^\top S x_j|}, \qquad S = \mathrm{diag}(q) / \sum_k q_k,

    with q the sample weights and :math:`z_j = x_j - X_{-j} g_j` the residual of feature
    j in its own Lasso on the others. For independent noise of one variance and a sparse
    truth :math:`(\hat\beta_j - \beta_j) / \mathrm{se}_j` is close to standard normal,
    also with more features than samples. Columns are taken at unit variance throughout,
    so that intervals do not depend on their units.

    Parameters
    ----------
    alpha : "scaled" or float, default="scaled"
        Strength of the Lasso, >= 0, on columns of unit variance. "scaled" is
        :math:`\hat\sigma \sqrt{2 \log p / n}`, found together with the noise.
    precision : "nodewise" or array-like, default="nodewise"
        Where the z_j come from: a Lasso for every feature, or X times the columns of a
        matrix of shape (n_features, n_features), an estimate of the inverse covariance
        of the features up to factors of the columns.
    alpha_nodewise : float, default=None
        Strength > 0 of the Lasso of each feature, on columns of unit variance; None is
        :math:`\tfrac12 \sqrt{2 \log p / n}`. Smaller values leave less bias, and wider
        intervals.
    confidence_level : float, default=0.95
        Level of `conf_int_`.
    dof_adjustment : bool, default=False
        Divide corrections by the share of degrees of freedom that the Lasso leaves,
        1 - k / n for k nonzero coefficients, and standard errors by its root. Matters
        where k is not small beside n.
    n_bootstraps : int, default=1000
        Draws of the multiplier bootstrap for simultaneous statements.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the Lasso's penalty: 0 is unpenalised, inf excluded from the Lasso.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    max_iter : int, default=100
        Outer rounds at most.
    tol : float, default=1e-6
        Bound of the duality gap of the Lasso, relative to the objective of the null
        model; the problems of the features are solved to 1e-4 or `tol`, whichever is
        larger. float32 data: at least 1e-5.
    solver : {"auto", "face_newton", "cd"}, default="auto"
        Solver of the Lasso; see :class:`Lasso`.
    n_jobs : int, default=None
        Threads over features; the result does not depend on it.
    random_state : int or RandomState, default=0
        Draws of the bootstrap.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_debiased_ : ndarray of shape (n_features,)
        The :math:`\hat\beta_j`.
    std_err_ : ndarray of shape (n_features,)
        Their standard errors; infinite for constant features.
    conf_int_ : ndarray of shape (n_features, 2)
        Confidence interval of each coefficient by itself, at `confidence_level`.
    pvalues_ : ndarray of shape (n_features,)
        Two-sided p-values of each coefficient being zero.
    adjusted_pvalues_ : ndarray of shape (n_features,)
        The same, valid for all coefficients at once: the probability, by the bootstrap,
        that the largest of all statistics comes out that large.
    noise_ : float
        Standard deviation of the noise, with n less the number of nonzero coefficients
        (and one for the intercept) as degrees of freedom. What shrinkage leaves in the
        residual counts as noise, so that it is rather too large than too small.
    alpha_ : float
        Strength of the Lasso.
    alpha_nodewise_ : float
        Strength of the problems of the features, only if `precision` is "nodewise".
    nodewise_gap_ : float
        Largest duality gap of these problems relative to their null models, only if
        `precision` is "nodewise".
    coef_ : ndarray of shape (n_features,)
        Coefficients of the Lasso, which predict.
    intercept_ : float
        Intercept of the Lasso.
    dual_gap_ : float
        Duality gap of the Lasso.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective of the Lasso.
    n_iter_ : int
        Outer rounds of the Lasso.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients of the Lasso as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    sparsestat.plotting.CoefficientIntervalDisplay : Draws the intervals.
    SqrtLasso : The noise along with the coefficients, without intervals.
    sklearn.linear_model.LinearRegression : Unbiased with fewer features than samples.

    Notes
    -----
    All problems of single features are solved on one Gram matrix, in threads that share
    it; beyond 8192 features, where it is not formed, each is a fit of its own. Sample
    weights count samples: a weight of k equals k copies.

    References
    ----------
    Zhang and Zhang (2014), doi:10.1111/rssb.12026; van de Geer, Buhlmann, Ritov and
    Dezeure (2014), doi:10.1214/14-AOS1221; for simultaneous intervals Dezeure, Buhlmann
    and Zhang (2017), doi:10.1007/s11749-017-0554-2; for the degrees of freedom Bellec
    and Zhang (2022), arXiv:1902.08885; for the scaled Lasso Sun and Zhang (2012),
    doi:10.1093/biomet/ass043.

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> from sparsestat.linear_model import DebiasedLasso
    >>> data = make_sparse_regression(
    ...     100, 150, n_nonzero_coefs=3, snr=10.0, random_state=0
    ... )
    >>> model = DebiasedLasso().fit(data.data, data.target)
    >>> set((model.adjusted_pvalues_ < 0.05).nonzero()[0]) == set(data.support)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": OneOf("scaled") | Interval(0, inf, closed="left"),
        "precision": OneOf("nodewise") | ArrayLike,
        "alpha_nodewise": Interval(0, inf, closed="neither") | None,
        "confidence_level": _LEVEL,
        "dof_adjustment": Boolean,
        "n_bootstraps": Interval(1, inf, closed="left", integer=True),
        **{
            name: TAIL[name]
            for name in (
                "penalty_weights",
                "fit_intercept",
                "max_iter",
                "tol",
                "solver",
                "n_jobs",
                "verbose",
            )
        },
        "random_state": RandomState,
    }

    def __init__(
        self,
        alpha="scaled",
        *,
        precision="nodewise",
        alpha_nodewise=None,
        confidence_level=0.95,
        dof_adjustment=False,
        n_bootstraps=1000,
        penalty_weights=None,
        fit_intercept=True,
        max_iter=100,
        tol=1e-6,
        solver="auto",
        n_jobs=None,
        random_state=0,
        verbose=0,
    ):
        self.alpha = alpha
        self.precision = precision
        self.alpha_nodewise = alpha_nodewise
        self.confidence_level = confidence_level
        self.dof_adjustment = dof_adjustment
        self.n_bootstraps = n_bootstraps
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Fit the Lasso, correct its bias, tell how certain that is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies >= 0: a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range.
        """
        X, y, sample_weight = self._validated(X, y, sample_weight)
        penalty = self._weighted_penalty(X.shape[1])
        matrix = None
        if not isinstance(self.precision, str):
            matrix = _checked_matrix(self.precision, X.shape[1])
        n = float(len(y) if sample_weight is None else sample_weight.sum())
        context = self._begin(X, y, sample_weight)
        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            run = self._run(X, y, sample_weight, penalty, n_alphas=1)
            universal = sqrt(2.0 * log(X.shape[1]) / n)
            if self.alpha == "scaled":
                alpha, step = _scaled_lasso(run, n, universal, self.fit_intercept)
            else:
                alpha, step = float(self.alpha), run.step(self.alpha)
            if matrix is None:
                strength = self.alpha_nodewise or _NODE_FACTOR * universal
                found = self._nodewise(X, run, sample_weight, float(strength))
            else:
                found = _given_directions(run, matrix)
            constant = run.problem.design.norm == 0.0  # but for rounding
            found.squares[constant] = found.dots[constant] = 0.0
            residual = run.problem.residual(step.features, step.coef)
            correction = found.vectors.T @ run.problem.correlations(residual)
            largest = self._largest_statistics(run, found, residual)
        self._largest = largest
        solution = run.solution(step)
        self._take(run, alpha, solution.coef, solution.objective, solution.gap, X.dtype)
        self.alpha_, self.n_iter_ = alpha, solution.n_iter
        self.noise_ = _noise(step, n, self.fit_intercept)
        left = 1.0
        if self.dof_adjustment:
            left = max(1.0 - len(step.features) / n, 1.0 / n)
        self._infer(solution.coef, correction / left, found, left * n, run, X.dtype)
        for name in ("alpha_nodewise_", "nodewise_gap_"):
            vars(self).pop(name, None)
        if matrix is None:
            self.alpha_nodewise_, self.nodewise_gap_ = float(strength), found.gap
        if self.verbose:
            print(f"{self._summary(alpha)}, noise {self.noise_:.4g}")
        warn_unless_converged(self, alpha, self.dual_gap_, self.dual_gap_tol_)
        self._end(context, X, y, sample_weight)
        return self

    def conf_int(self, confidence_level=None, *, simultaneous=False):
        """Confidence intervals at any level, one by one or for all at once.

        Parameters
        ----------
        confidence_level : float, default=None
            Level in (0, 1); None is that of the constructor.
        simultaneous : bool, default=False
            Whether all intervals together shall hold their coefficients with that
            probability.

        Returns
        -------
        intervals : ndarray of shape (n_features, 2)
            Lower and upper ends.
        """
        check_is_fitted(self)
        level = self.confidence_level if confidence_level is None else confidence_level
        check_parameters(
            {"confidence_level": level, "simultaneous": simultaneous},
            {"confidence_level": _LEVEL, "simultaneous": Boolean},
            name=f"{type(self).__name__}.conf_int",
        )
        if simultaneous:
            width = np.quantile(self._largest, level, method="higher")
        else:
            width = norm.isf(0.5 * (1.0 - level))
        unknown = np.isinf(self.std_err_)
        reach = np.where(unknown, inf, width * np.where(unknown, 0.0, self.std_err_))
        ends = [self.coef_debiased_ - reach, self.coef_debiased_ + reach]
        return np.column_stack(ends).astype(self.std_err_.dtype)

    def _penalty(self, penalty_weights):
        return L1(1.0, penalty_weights, False)

    def _run(self, X, y, sample_weight, penalty, n_alphas: int, **options) -> Run:
        return Run(
            X,
            y,
            Quadratic(),
            penalty,
            sample_weight,
            fit_intercept=self.fit_intercept,
            standardize=True,
            tol=solver_tol(self.tol, X.dtype),
            max_iter=self.max_iter,
            solver=self.solver,
            precompute=X.shape[1] <= _MOST_FEATURES,
            n_alphas=n_alphas,
            **options,
        )

    def _infer(self, coef, correction, found, n: float, run: Run, dtype) -> None:
        """Keep corrected coefficients, how certain they are, and what follows."""
        scale, usable = run.problem.design.scale, found.dots != 0.0
        dots = np.where(usable, found.dots, 1.0)
        change = np.where(usable, correction / dots, 0.0) / scale
        size = self.noise_ * np.sqrt(found.squares / n) / np.abs(dots) / scale
        self.coef_debiased_ = (coef + change).astype(dtype)
        self.std_err_ = np.where(usable, size, inf).astype(dtype)
        self.conf_int_ = self.conf_int()
        certain = np.where(self.coef_debiased_ != 0.0, inf, 0.0)
        statistics = np.abs(self.coef_debiased_.astype(np.float64))
        known = self.std_err_ > 0.0
        statistics = np.divide(statistics, self.std_err_, out=certain, where=known)
        self.pvalues_ = 2.0 * norm.sf(statistics)
        n_draws = len(self._largest)
        above = n_draws - np.searchsorted(self._largest, statistics)
        adjusted = (1.0 + above) / (1.0 + n_draws)
        self.adjusted_pvalues_ = np.maximum(adjusted, self.pvalues_)

    def _nodewise(self, X, run: Run, sample_weight, alpha: float) -> "_Directions":
        """What each feature has that the others do not, by its own Lasso."""
        p, tol = X.shape[1], max(self.tol, _NODE_TOL)
        if p <= _MOST_FEATURES:
            gram = _whole_gram(run)

            def solve_block(features):
                solver = NodewiseLasso(gram, alpha, tol)
                return [solver.solve(j) for j in features]
        else:

            def solve_block(features):
                return [
                    _node(X, run, sample_weight, self.fit_intercept, alpha, tol, j)
                    for j in features
                ]

        blocks = [range(i, min(i + _BLOCK, p)) for i in range(0, p, _BLOCK)]
        nodes = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(solve_block)(block) for block in blocks
        )
        return _directions([node for block in nodes for node in block])

    def _largest_statistics(self, run: Run, found: "_Directions", residual):
        """Sorted draws of the largest statistic over all features.

        Residuals, each times a standard normal number, stand for the noise; a row of
        weight q for q rows with numbers of their own.
        """
        rng = check_random_state(self.random_state)
        size, norms = np.linalg.norm(residual), np.sqrt(found.squares)
        usable = norms > 0.0
        if size == 0.0 or not usable.any():
            return np.zeros(self.n_bootstraps)
        largest = []
        for start in range(0, self.n_bootstraps, _DRAWS):
            n_draws = min(_DRAWS, self.n_bootstraps - start)
            noise = rng.standard_normal((n_draws, len(residual))) * (residual / size)
            tasks = make_tasks(run.problem.design, n_draws)
            products = correlate(tasks, noise.T.ravel()).reshape(-1, n_draws)
            products = np.abs((found.vectors.T @ products)[usable])
            largest.append((products / norms[usable, None]).max(axis=0))
        return np.sort(np.concatenate(largest))


class _Directions(NamedTuple):
    """The z_j = X~ vectors_j, all at once.

    Parameters
    ----------
    vectors : csc_array or ndarray of shape (n_features, n_features)
    squares, dots : ndarray of shape (n_features,)
        |z_j|^2 and z_j.T x~_j in the weighted inner product.
    gap : float
        Largest relative duality gap.
    """

    vectors: sparse.csc_array | np.ndarray
    squares: np.ndarray
    dots: np.ndarray
    gap: float


def _scaled_lasso(run: Run, n: float, universal: float, fit_intercept: bool):
    """Strength and solution of the Lasso at the noise that it leaves itself."""
    noise, found = sqrt(2.0 * run.null_objective), []
    for _ in range(_UPDATES):
        step = run.step(noise * universal)
        found.append(_noise(step, n, fit_intercept))
        if abs(found[-1] - noise) <= _SAME_NOISE * noise:
            return noise * universal, step
        noise = found[-1]
    alpha = universal * max(found[-_LAST:])
    return alpha, run.step(alpha)


def _noise(step: Step, n: float, fit_intercept: bool) -> float:
    """Standard deviation of the noise that a solution leaves."""
    dof = len(step.features) + fit_intercept
    return sqrt(2.0 * step.loss * n / max(n - dof, 1.0))


def _whole_gram(run: Run) -> np.ndarray:
    if run.gram is not None:
        return run.gram
    return gram_matrix(run.problem.design, run.problem.root**2)


def _node(X, run: Run, sample_weight, fit_intercept, alpha, tol, j: int) -> Node:
    """The Lasso of one feature as a fit of its own."""
    weights = np.ones(X.shape[1])
    weights[j] = inf
    column = columns(run.problem.design, np.array([j]), slice(None))[0]
    own = Run(
        X,
        column,
        Quadratic(),
        L1(1.0, weights),
        sample_weight,
        fit_intercept=fit_intercept,
        standardize=True,
        tol=tol,
        max_iter=run.max_iter,
        solver="auto",
        precompute=False,
        n_alphas=1,
    )
    step = own.step(alpha)
    rest = own.problem.residual(step.features, step.coef)
    null = own.null_objective
    return Node(
        step.features,
        step.coef,
        float(rest @ rest),
        float(rest @ own.problem.target),
        step.gap / null if null > 0.0 else 0.0,
    )


def _directions(nodes: list[Node]) -> _Directions:
    p = len(nodes)
    sizes = [len(node.features) + 1 for node in nodes]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    indices = np.concatenate(
        [part for j, node in enumerate(nodes) for part in ([j], node.features)]
    )
    values = np.concatenate([part for node in nodes for part in ([1.0], -node.coef)])
    return _Directions(
        sparse.csc_array((values, indices.astype(np.int64), indptr), shape=(p, p)),
        np.array([node.rest2 for node in nodes]),
        np.array([node.rest_dot for node in nodes]),
        max(node.gap for node in nodes),
    )


def _given_directions(run: Run, matrix: np.ndarray) -> _Directions:
    """Directions from a matrix on the scale of X."""
    design = run.problem.design
    vectors = matrix * design.scale[:, None]
    products = _whole_gram(run) @ vectors
    squares = np.maximum(np.einsum("ij,ij->j", vectors, products), 0.0)
    return _Directions(vectors, squares, products.diagonal().copy(), 0.0)


def _checked_matrix(values, n_features: int) -> np.ndarray:
    allowed = f"precision must be finite numbers of shape {(n_features, n_features)}"
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{allowed}; got {type(values).__name__}.") from None
    if matrix.shape != (n_features, n_features):
        raise ValueError(f"{allowed}; got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{allowed}; got NaN or infinity.")
    return matrix
