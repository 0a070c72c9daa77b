"""The debiased Lasso: confidence intervals and p-values for every coefficient."""

from math import inf, log, sqrt
from typing import ClassVar

import numpy as np
from sklearn.callback import with_callbacks
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import (
    TAIL,
    SparseLinearRegressor,
    solver_tol,
    warn_unless_converged,
)
from sparsestat.linear_model._directions import (
    MOST_FEATURES,
    NODE_TOL,
    checked_matrix,
    given_directions,
    largest_statistics,
    node_strength,
    nodewise_directions,
)
from sparsestat.linear_model._intervals import INFERENCE, Intervals
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.penalties import L1
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.run import Run
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    Rule,
)

__all__ = ["DebiasedLasso"]

# Updates of the noise; where they cycle between supports, the largest of the last ones
# is taken.
_UPDATES = 50
_LAST = 10
_SAME_NOISE = 1e-8


class DebiasedLasso(Intervals, SparseLinearRegressor):
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
        **INFERENCE,
        "dof_adjustment": Boolean,
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
            matrix = checked_matrix(self.precision, X.shape[1])
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
            design, weight = run.problem.design, run.problem.root**2
            gram = run.gram
            if gram is None and X.shape[1] <= MOST_FEATURES:
                gram = gram_matrix(design, weight)
            strength = self.alpha_nodewise or node_strength(X.shape[1], n)
            if matrix is None:
                found = nodewise_directions(
                    X,
                    design,
                    weight,
                    gram,
                    float(strength),
                    max(self.tol, NODE_TOL),
                    self,
                )
            else:
                if gram is None:
                    gram = gram_matrix(design, weight)
                found = given_directions(gram, design, matrix)
            constant = design.norm == 0.0  # but for rounding
            found.squares[constant] = found.dots[constant] = 0.0
            residual = run.problem.residual(step.features, step.coef)
            correction = found.vectors.T @ run.problem.correlations(residual)
            # A row of weight q stands for q rows with noise of their own.
            size = np.linalg.norm(residual)
            noise = residual / size if size > 0.0 else residual
            self._largest = largest_statistics(
                design,
                found.vectors,
                np.sqrt(found.squares),
                noise,
                self.n_bootstraps,
                self.random_state,
            )
        solution = run.solution(step)
        self._take(run, alpha, solution.coef, solution.objective, solution.gap, X.dtype)
        self.alpha_, self.n_iter_ = alpha, solution.n_iter
        self.noise_ = _noise(step, n, self.fit_intercept)
        left = 1.0
        if self.dof_adjustment:
            left = max(1.0 - len(step.features) / n, 1.0 / n)
        error = self.noise_ * np.sqrt(found.squares / (left * n))
        self._infer(solution.coef, correction / left, error, found, design, X.dtype)
        for name in ("alpha_nodewise_", "nodewise_gap_"):
            vars(self).pop(name, None)
        if matrix is None:
            self.alpha_nodewise_, self.nodewise_gap_ = float(strength), found.gap
        if self.verbose:
            print(f"{self._summary(alpha)}, noise {self.noise_:.4g}")
        warn_unless_converged(self, alpha, self.dual_gap_, self.dual_gap_tol_)
        self._end(context, X, y, sample_weight)
        return self

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
            precompute=X.shape[1] <= MOST_FEATURES,
            n_alphas=n_alphas,
            **options,
        )


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
