"""Sparse Bayesian regression: automatic relevance determination with a certificate.

After Tipping (2001), Tipping and Faul (2003) and Wipf and Nagarajan (2008); by messages
after Al-Shoukairi, Schniter and Rao (2018), arXiv:1703.03044.
"""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.bayes._base import (
    TAIL,
    Data,
    Found,
    SparseBayesian,
    Summary,
    flat_start,
)
from sparsestat.bayes._coupling import Coupled
from sparsestat.bayes._structured import learn_structured
from sparsestat.utils.validation import Interval, OneOf, Rule, check_parameters

__all__ = ["SparseBayesianRegression"]


class SparseBayesianRegression(SparseBayesian):
    r"""Linear regression with a prior variance for each coefficient.

    Maximises the evidence of the model

    .. math:: y = X w + b + \varepsilon, \qquad w_j \sim N(0, g_j), \quad
        \varepsilon \sim N(0, \sigma^2 I)

    over the variances :math:`g_j \ge 0`, most of which become zero, that is, it
    minimises :math:`\log \det C + y^\top C^{-1} y` with the covariance C of the data;
    w is then estimated by its posterior mean.

    Parameters
    ----------
    solver : {"mm", "em", "mackay", "fast", "gamp"}, default="mm"
        - "mm": majorisation of log det. The cost never rises.
        - "em": expectation maximisation. The cost never rises, but variances fall
          slowly to zero.
        - "mackay": MacKay's fixed point; fast, and usually monotone.
        - "fast": features are added, changed and removed one at a time by what this
          gains exactly, and settled together by Newton's method. The cost never rises.
          Only features that come into question cost more than a look, sparse matrices
          are taken as they are; best where few features of many matter.
        - "gamp": expectation maximisation with messages in place of matrix inverses.
          It takes products with X only, sparse matrices and linear operators too. Its
          means are exact for its variances, the variances approximate.
    noise_variance : {"auto", "em", "cv", "discrepancy"} or float, default="auto"
        Variance of the noise (at least 1e-14 of the power of y), or how it is found:
        along with the prior ("em"), by the density of rows that were held out ("cv"),
        or such that the residual has the norm `noise_level`. With fewer rows than
        features "em" may explain all noise; "auto" is "em" where rows are twice as
        many, else "cv".
    noise_level : float, default=None
        Expected norm of the noise, for "discrepancy".
    noise_floor : float, default=1e-4
        Least variance that "em" may find, as a share of that of y.
    prune_tol : float, default=1e-8
        Variances below this share of the largest are set to zero, unless it pays to
        raise them again in the end; "fast" has exact zeros without.
    fit_intercept : bool, default=True
        Whether there is an intercept b, under a flat prior.
    coupling : float, default=0.0
        Share of a variance that lends itself to each of the two neighbours, which suits
        coefficients that come in patterns of unknown extent: the prior variances are
        :math:`g_j + \beta (g_{j-1} + g_{j+1})`. For "mm", "em" and "mackay".
    damping : "auto" or float, default="auto"
        For "gamp", share of each new message, in (0, 1]; "auto" is what converges, and
        rotates dense matrices to orthogonal rows where independent entries are far.
    max_iter : int, default=1000
        Iterations at most; of "fast", looks at all features.
    tol : float, default=1e-3
        Bound of `stationarity_`; for "gamp" of `fixed_point_residual_`.
    tol_step : float, default=1e-8
        Relative change of the variances at which to stop although `tol` is not reached.
    allow_complex : bool, default=False
        Whether X and y may be complex; the noise and the prior are circular then.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Posterior mean.
    intercept_ : float
        Intercept.
    coef_std_ : ndarray of shape (n_features,)
        Posterior standard deviations.
    prior_variance_ : ndarray of shape (n_features,)
        Prior variances.
    active_ : ndarray of shape (n_features,)
        Mask of those that are not zero.
    covariance_ : ndarray of shape (n_active, n_active) or None
        Posterior covariance of the active coefficients; None for linear operators.
    noise_variance_ : float
        Variance of the noise.
    log_evidence_ : float or None
        Logarithm of the density of y; None for linear operators.
    stationarity_ : float or None
        Largest violated condition of a local maximum of the evidence: the slope of the
        cost with respect to the logarithm of a variance; for those that are zero, by
        how much it would pay relatively to raise them. None for linear operators.
    fixed_point_residual_ : float
        Relative change that one more update would make; only if the solver is "gamp".
    history_ : dict of str to list
        ``"noise"``, ``"n_active"`` and ``"cost"`` (for "gamp" ``"residual"``) of the
        iterations; targets are scaled to unit power.
    n_iter_ : int
        Iterations.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        If X or y are not finite, of the wrong shape, or complex without
        `allow_complex`; if a parameter is outside its range.

    Warns
    -----
    ConvergenceWarning
        If the tolerance is missed, or the noise meets its floor.

    See Also
    --------
    BlockSparseBayesianRegression : Features in known blocks.
    KroneckerSparseBayesian : The matrix is a Kronecker product.
    MultiTaskSparseBayesianRegression : Several targets of one support.
    sklearn.linear_model.ARDRegression : Without a certificate.

    References
    ----------
    Tipping (2001), Sparse Bayesian learning and the relevance vector machine; Tipping
    and Faul (2003), Fast marginal likelihood maximisation; Wipf and Rao (2004),
    doi:10.1109/TSP.2004.831016; Wipf and Nagarajan (2008), A new view of automatic
    relevance determination; Al-Shoukairi, Schniter and Rao (2018), arXiv:1703.03044;
    Fang, Shen, Li and Li (2015), arXiv:1311.2150, for the coupling, there of
    precisions; Luo, Guo, Xi, Huang and Li (2021), arXiv:2101.09954, for the rotation.

    Examples
    --------
    >>> from sparsestat.bayes import SparseBayesianRegression
    >>> from sparsestat.datasets import make_sparse_regression
    >>> data = make_sparse_regression(
    ...     60, 100, n_nonzero_coefs=3, snr=100, random_state=0
    ... )
    >>> model = SparseBayesianRegression().fit(data.data, data.target)
    >>> bool(model.active_[data.support].all()), bool(model.stationarity_ <= 1e-3)
    (True, True)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "solver": OneOf("mm", "em", "mackay", "fast", "gamp"),
        "coupling": Interval(0, inf, closed="left"),
        **TAIL,
    }

    def __init__(
        self,
        solver="mm",
        *,
        noise_variance="auto",
        noise_level=None,
        noise_floor=1e-4,
        prune_tol=1e-8,
        fit_intercept=True,
        coupling=0.0,
        damping="auto",
        max_iter=1000,
        tol=1e-3,
        tol_step=1e-8,
        allow_complex=False,
        verbose=0,
    ):
        self.solver = solver
        self.noise_variance = noise_variance
        self.noise_level = noise_level
        self.noise_floor = noise_floor
        self.prune_tol = prune_tol
        self.fit_intercept = fit_intercept
        self.coupling = coupling
        self.damping = damping
        self.max_iter = max_iter
        self.tol = tol
        self.tol_step = tol_step
        self.allow_complex = allow_complex
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, LinearOperator} of shape (n_samples, n_features)
            Data; linear operators for "gamp" only. Sparse matrices stay sparse.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, inverse to the variance of the noise of a row; a weight of k
            equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self, self._rules)
        if self.coupling and self.solver not in ("mm", "em", "mackay"):
            raise ValueError(
                f"solver must be 'mm', 'em' or 'mackay' with coupling={self.coupling}; "
                f"got {self.solver!r}."
            )
        X, Y, self._dtype = self._validated(X, y, multi_output=False)
        return self._fit(X, Y, sample_weight)

    def _learn(self, data: Data, noise: float, is_fixed: bool) -> Found:
        if not self.coupling:
            return super()._learn(data, noise, is_fixed)
        structure = Coupled(data.columns, data.Y, data.n_rows, self.coupling)
        start = flat_start(data.columns, data.n_rows) / (1.0 + 2.0 * self.coupling)
        learnt = learn_structured(structure, start, noise, self._settings(is_fixed))
        structure.g, kept = learnt.g, np.flatnonzero(learnt.g)
        structure.restrict(kept)
        structure.look(learnt.g[kept], learnt.noise)
        means = structure.now.mean
        mean = np.zeros((len(start), means.shape[1]), dtype=means.dtype)
        mean[structure.features] = means
        return Found(
            structure.prior(learnt.g[kept]), mean, None, learnt.noise, learnt.n_iter,
            learnt.history, structure=structure,
        )  # fmt: skip

    def _summary(self, data: Data, found: Found) -> Summary:
        summary = super()._summary(data, found)
        if found.structure is None:
            return summary
        g, kept = found.structure.g, np.flatnonzero(found.structure.g)
        look = found.structure.look(g[kept], found.noise)
        slope = np.abs(look.share - look.power).max(initial=0.0)
        excess = found.structure.raising(g, found.noise).excess
        return summary._replace(stationarity=float(max(slope, excess)))

    def _shape_results(self, coef, intercept, std, found) -> None:
        self.coef_, self.coef_std_ = coef[0], std
        value = intercept[0]
        self.intercept_ = value if np.iscomplexobj(value) else coef.dtype.type(value)
