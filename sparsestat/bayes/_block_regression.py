"""Sparse Bayesian regression of blocks of features that correlate within.

After Zhang and Rao (2013), doi:10.1109/TSP.2013.2241055.
"""

from typing import ClassVar

import numpy as np

from sparsestat.bayes._base import TAIL, Data, Found, SparseBayesian, Summary
from sparsestat.bayes._blocks import Blocks
from sparsestat.bayes._structured import learn_structured
from sparsestat.utils.feature_groups import FEATURE_GROUPS, check_feature_groups
from sparsestat.utils.validation import OneOf, Rule, check_parameters

__all__ = ["BlockSparseBayesianRegression"]


class BlockSparseBayesianRegression(SparseBayesian):
    r"""Linear regression with a prior variance for each block of coefficients.

    Maximises the evidence of the model

    .. math:: y = X w + b + \varepsilon, \qquad w_{(i)} \sim N(0, g_i B_{d_i}), \quad
        \varepsilon \sim N(0, \sigma^2 I)

    over the variances :math:`g_i \ge 0`, most of which become zero, so that blocks of
    coefficients vanish together, and over the correlation within. B depends on the size
    :math:`d_i` of a block only: it is the identity, :math:`B_{st} = \rho^{|s - t|}`
    with one :math:`\rho` for all sizes, or free for each size.

    Parameters
    ----------
    feature_groups : int, array-like, list of array-likes or callable, default=1
        An int is the size of blocks of neighbours, the last of which may be smaller. A
        1-D array holds a label for each feature. A list of arrays of indices or
        names holds the blocks themselves. A callable maps the names of the features to
        labels.
    intra : {"none", "ar1", "full"}, default="ar1"
        How coefficients of a block correlate; the correlation is estimated along.

        - "none": not.
        - "ar1": as the values of a first-order autoregressive process, in the order of
          the features.
        - "full": in any way, by a matrix for each size of blocks whose diagonal is 1 on
          average, drawn to the identity by a prior that weighs as one block.
    solver : {"mm", "em", "mackay"}, default="mm"
        - "mm": majorisation of log det. The cost never rises.
        - "em": expectation maximisation. The cost never rises, but variances fall
          slowly to zero.
        - "mackay": MacKay's fixed point; fast, and usually monotone.
    noise_variance : {"auto", "em", "cv", "discrepancy"} or float, default="auto"
        Variance of the noise, or how it is found: along with the prior ("em"), by the
        density of rows that were held out ("cv"), or such that the residual has the
        norm `noise_level`. With fewer rows than features "em" may explain all noise;
        "auto" is "em" where rows are twice as many, else "cv".
    noise_level : float, default=None
        Expected norm of the noise, for "discrepancy".
    noise_floor : float, default=1e-4
        Least variance that "em" may find, as a share of that of y.
    prune_tol : float, default=1e-8
        Variances below this share of the largest are set to zero, unless it pays to
        raise them again in the end.
    fit_intercept : bool, default=True
        Whether there is an intercept b, under a flat prior.
    max_iter : int, default=1000
        Iterations at most.
    tol : float, default=1e-3
        Bound of `stationarity_`.
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
        Prior variances of the coefficients.
    active_ : ndarray of shape (n_features,)
        Mask of those that are not zero.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each block.
    block_variance_ : ndarray of shape (n_groups,)
        The variances g_i.
    block_corr_ : list of n_groups ndarrays of shapes (size, size)
        The matrix B of each block.
    covariance_ : ndarray of shape (n_active, n_active)
        Posterior covariance of the active coefficients.
    noise_variance_ : float
        Variance of the noise.
    log_evidence_ : float
        Logarithm of the density of y.
    stationarity_ : float
        Largest violated condition of a local maximum of the evidence: slopes with
        respect to the logarithms of the variances and to the correlation, for each
        coefficient; for variances that are zero, by how much it would pay relatively to
        raise them.
    history_ : dict of str to list
        ``"noise"``, ``"n_active"`` blocks and ``"cost"`` of the iterations; targets are
        scaled to unit power.
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
        `allow_complex`; if a parameter is outside its range, or a feature has no block
        or several.

    Warns
    -----
    ConvergenceWarning
        If the tolerance is missed, or the noise meets its floor.

    See Also
    --------
    SparseBayesianRegression : Blocks of one feature, or coupled neighbours.
    sparsestat.linear_model.GroupLasso : A penalty instead of a prior.
    sklearn.linear_model.ARDRegression : Without blocks.

    References
    ----------
    Zhang and Rao (2013), doi:10.1109/TSP.2013.2241055, whose bound of the evidence this
    minimises in the variances and in the correlation alike.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.bayes import BlockSparseBayesianRegression
    >>> rng = np.random.default_rng(0)
    >>> X, coef = rng.standard_normal((40, 60)), np.zeros(60)
    >>> coef[8:12], coef[20:24] = [1, 2, 2, 1], [-2, -2, -1, -1]
    >>> y = X @ coef + 0.1 * rng.standard_normal(40)
    >>> model = BlockSparseBayesianRegression(4).fit(X, y)
    >>> np.flatnonzero(model.block_variance_ > 0.1)
    array([2, 5])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "feature_groups": FEATURE_GROUPS,
        "intra": OneOf("none", "ar1", "full"),
        "solver": OneOf("mm", "em", "mackay"),
        **{key: rule for key, rule in TAIL.items() if key != "damping"},
    }

    def __init__(
        self,
        feature_groups=1,
        *,
        intra="ar1",
        solver="mm",
        noise_variance="auto",
        noise_level=None,
        noise_floor=1e-4,
        prune_tol=1e-8,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-3,
        tol_step=1e-8,
        allow_complex=False,
        verbose=0,
    ):
        self.feature_groups = feature_groups
        self.intra = intra
        self.solver = solver
        self.noise_variance = noise_variance
        self.noise_level = noise_level
        self.noise_floor = noise_floor
        self.prune_tol = prune_tol
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.tol_step = tol_step
        self.allow_complex = allow_complex
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data. Sparse matrices stay sparse.
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
        X, Y, self._dtype = self._validated(X, y, multi_output=False)
        groups = check_feature_groups(
            self.feature_groups, X.shape[1], getattr(self, "feature_names_in_", None)
        )
        if (groups.labels < 0).any():
            free = int(np.flatnonzero(groups.labels < 0)[0])
            raise ValueError(
                "feature_groups must give each feature a block; feature "
                f"{free} has the label -1, NaN or None. A label of its own makes it a "
                "block of one."
            )
        self._sets = groups.sets()
        return self._fit(X, Y, sample_weight)

    def _learn(self, data: Data, noise: float, is_fixed: bool) -> Found:
        blocks = Blocks(data.columns, data.Y, data.n_rows, self._sets, self.intra)
        learnt = learn_structured(
            blocks, blocks.flat_start(), noise, self._settings(is_fixed)
        )
        kept = np.flatnonzero(learnt.g)
        blocks.restrict(kept)
        mean = blocks.coloured(blocks.moments(learnt.g[kept], learnt.noise).mean)
        blocks.g = learnt.g
        whole = np.zeros((data.columns.shape[1], 1), dtype=mean.dtype)
        g = np.zeros(len(whole))
        whole[blocks.features] = mean
        g[blocks.features] = blocks.prior_of(learnt.g[kept])
        return Found(
            g, whole, None, learnt.noise, learnt.n_iter, learnt.history,
            structure=blocks,
        )  # fmt: skip

    def _summary(self, data: Data, found: Found) -> Summary:
        blocks = found.structure
        g, kept = blocks.g, np.flatnonzero(blocks.g)
        excess = blocks.raising(g, found.noise).excess
        blocks.restrict(kept)
        look = blocks.look(g[kept], found.noise)
        slope = np.abs(look.share - look.power).max(initial=blocks.slope())
        covariance, std = self._covariance(blocks), np.zeros(len(found.g))
        variances = covariance.diagonal().real
        std[found.g > 0.0] = np.sqrt(np.maximum(variances, 0.0))
        return Summary(blocks.now.cost, covariance, std, float(max(slope, excess)))

    @staticmethod
    def _covariance(blocks: Blocks) -> np.ndarray:
        """Of the active coefficients in the order of the features."""
        half = blocks.coloured(blocks.now.covariance())
        covariance = blocks.coloured(half.conj().T).conj().T
        order = np.argsort(blocks.features)
        return covariance[np.ix_(order, order)]

    def _spread(self, data: Data, found: Found) -> np.ndarray:
        blocks = found.structure
        kept = np.flatnonzero(blocks.g)
        blocks.restrict(kept)
        blocks.now = blocks.moments(blocks.g[kept], found.noise)
        return self._covariance(blocks)

    def _shape_results(self, coef, intercept, std, found) -> None:
        blocks = found.structure
        scale = (self._scale**2) * blocks.diagonals()
        self.coef_, self.coef_std_ = coef[0], std
        value = intercept[0]
        self.intercept_ = value if np.iscomplexobj(value) else coef.dtype.type(value)
        self.feature_groups_ = self._sets
        self.block_variance_ = np.empty(len(blocks.g))
        self.block_variance_[blocks.order] = scale * blocks.g
        back = np.argsort(blocks.order)
        self.block_corr_ = [blocks.correlation(len(blocks.sets[i])) for i in back]
