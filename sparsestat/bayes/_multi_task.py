"""Sparse Bayesian regression of several targets that share their support.

After Wipf and Rao (2007); targets in time after Zhang and Rao (2011), by messages after
Al-Shoukairi, Schniter and Rao (2018), arXiv:1703.03044.
"""

from typing import ClassVar

import numpy as np

from sparsestat.bayes._base import (
    TAIL,
    Data,
    Found,
    SparseBayesian,
    Summary,
    flat_start,
    normal,
    root,
)
from sparsestat.bayes._correlation import ar1_matrix
from sparsestat.bayes._posterior import Learnt
from sparsestat.bayes._structured import learn_structured
from sparsestat.bayes._temporal import Temporal
from sparsestat.utils.validation import OneOf, Rule, check_parameters

__all__ = ["MultiTaskSparseBayesianRegression"]

# Solvers that cannot tell how targets correlate.
_UNFIT = {"none": (), "ar1": ("fast",), "full": ("fast", "gamp")}


class MultiTaskSparseBayesianRegression(SparseBayesian):
    r"""Linear regressions whose coefficients share their prior variances.

    Maximises the evidence of the model

    .. math:: Y = X W^\top + b + E, \qquad
        (w_{1 j}, \dots, w_{L j}) \sim N(0, g_j B), \quad e_{it} \sim N(0, \sigma^2)

    over the variances :math:`g_j \ge 0`, most of which become zero: a feature serves
    all targets or none. B is the identity, the correlation
    :math:`B_{st} = \beta^{|s - t|}` of targets that follow each other in time, or free.

    Parameters
    ----------
    temporal : {"none", "ar1", "full"}, default="none"
        How coefficients of different targets correlate; the correlation is estimated
        along. The noise is white whatever it is.

        - "none": not.
        - "ar1": as the values of a first-order autoregressive process, the targets in
          the order of time.
        - "full": in any way, by a matrix whose diagonal is 1 on average, drawn to the
          identity by a prior that weighs as one row. Not with ``solver="gamp"``.
    solver : {"mm", "em", "mackay", "fast", "gamp"}, default="mm"
        - "mm": majorisation of log det. The cost never rises.
        - "em": expectation maximisation. The cost never rises, but variances fall
          slowly to zero.
        - "mackay": MacKay's fixed point; fast, and usually monotone.
        - "fast": features are added, changed and removed one at a time by what this
          gains exactly, and settled together by Newton's method. The cost never rises.
          Sparse matrices are taken as they are; best where few features of many matter.
          Only with ``temporal="none"``.
        - "gamp": expectation maximisation with messages in place of matrix inverses.
          It takes products with X only, sparse matrices and linear operators too.
    noise_variance : {"auto", "em", "cv", "discrepancy"} or float, default="auto"
        Variance of the noise, or how it is found: along with the prior ("em"), by the
        density of rows that were held out ("cv"), or such that the residuals have the
        norm `noise_level`. "auto" is "em" where rows are twice as many as features,
        else "cv".
    noise_level : float, default=None
        Expected norm of the noise of all targets, for "discrepancy".
    noise_floor : float, default=1e-4
        Least variance that "em" may find, as a share of that of Y.
    prune_tol : float, default=1e-8
        Variances below this share of the largest are set to zero, unless it pays to
        raise them again in the end; "fast" has exact zeros without.
    fit_intercept : bool, default=True
        Whether there are intercepts b, under a flat prior.
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
        Whether X and Y may be complex; the noise and the prior are circular then.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        Posterior mean.
    intercept_ : ndarray of shape (n_targets,)
        Intercepts.
    coef_std_ : ndarray of shape (n_targets, n_features)
        Posterior standard deviations.
    prior_variance_ : ndarray of shape (n_features,)
        Prior variances.
    active_ : ndarray of shape (n_features,)
        Mask of those that are not zero.
    temporal_cov_ : ndarray of shape (n_targets, n_targets)
        The matrix B.
    covariance_ : ndarray of shape (n_active, n_active) or None
        Posterior covariance of the active coefficients of a target, the same for all
        with ``temporal="none"``, else one for each along a first axis; None for linear
        operators.
    noise_variance_ : float
        Variance of the noise.
    log_evidence_ : float or None
        Logarithm of the density of all targets, divided by their number; None for
        linear operators.
    stationarity_ : float or None
        Largest violated condition of a local maximum of the evidence: slopes with
        respect to the logarithms of the variances and to the correlation, for each
        coefficient; for variances that are zero, by how much it would pay relatively to
        raise them. None for linear operators.
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
        If X or Y are not finite, of the wrong shape, or complex without
        `allow_complex`; if a parameter is outside its range.

    Warns
    -----
    ConvergenceWarning
        If the tolerance is missed, or the noise meets its floor.

    See Also
    --------
    SparseBayesianRegression : One target.
    sklearn.linear_model.MultiTaskLasso : A penalty instead of a prior.

    References
    ----------
    Wipf and Rao (2007), doi:10.1109/TSP.2007.894265; Tipping and Faul (2003),
    Fast marginal likelihood maximisation, for "fast"; Zhang and Rao (2011),
    doi:10.1109/JSTSP.2011.2159773, whose T-MSBL drops B from the posterior, while here
    the evidence is exact; Al-Shoukairi, Schniter and Rao (2018), arXiv:1703.03044.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.bayes import MultiTaskSparseBayesianRegression
    >>> from sparsestat.datasets import make_mmv
    >>> data = make_mmv(40, 80, n_nonzero_coefs=4, random_state=3)
    >>> model = MultiTaskSparseBayesianRegression(
    ...     "ar1", noise_variance=data.noise_variance
    ... ).fit(data.data, data.target)
    >>> largest = np.argsort(np.linalg.norm(model.coef_, axis=0))[-4:]
    >>> np.array_equal(np.sort(largest), data.support)
    True
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "temporal": OneOf("none", "ar1", "full"),
        "solver": OneOf("mm", "em", "mackay", "fast", "gamp"),
        **TAIL,
    }

    def __init__(
        self,
        temporal="none",
        *,
        solver="mm",
        noise_variance="auto",
        noise_level=None,
        noise_floor=1e-4,
        prune_tol=1e-8,
        fit_intercept=True,
        damping="auto",
        max_iter=1000,
        tol=1e-3,
        tol_step=1e-8,
        allow_complex=False,
        verbose=0,
    ):
        self.temporal = temporal
        self.solver = solver
        self.noise_variance = noise_variance
        self.noise_level = noise_level
        self.noise_floor = noise_floor
        self.prune_tol = prune_tol
        self.fit_intercept = fit_intercept
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
        y : array-like of shape (n_samples, n_targets)
            Targets, in the order of time where `temporal` says so.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, inverse to the variance of the noise of a row; a weight of k
            equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self, self._rules)
        if self.solver in _UNFIT[self.temporal]:
            others = "" if self.temporal == "full" else ", 'gamp'"
            raise ValueError(
                f"solver must be 'mm', 'em', 'mackay'{others} with temporal="
                f"{self.temporal!r}; got {self.solver!r}."
            )
        X, Y, self._dtype = self._validated(X, y, multi_output=True)
        return self._fit(X, Y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _correlation(self):
        return "auto" if self.temporal == "ar1" else None

    def _learn(self, data: Data, noise: float, is_fixed: bool) -> Found:
        if self.temporal == "none" or self.solver == "gamp":
            return super()._learn(data, noise, is_fixed)
        structure = Temporal(data.columns, data.Y, data.n_rows, self.temporal)
        start = flat_start(data.columns, data.n_rows)
        learnt = learn_structured(structure, start, noise, self._settings(is_fixed))
        return self._found(structure, learnt)

    def _found(self, structure: Temporal, learnt: Learnt) -> Found:
        """Means in time, of all features."""
        g, kept = learnt.g, np.flatnonzero(learnt.g)
        structure.restrict(kept)
        rotated = structure.moments(g[kept], learnt.noise).mean
        mean = np.zeros((len(g), structure.T), dtype=rotated.dtype)
        mean[kept] = rotated @ structure.axes.T
        return Found(
            g, mean, None, learnt.noise, learnt.n_iter, learnt.history,
            structure=structure,
        )  # fmt: skip

    def _summary(self, data: Data, found: Found) -> Summary:
        if self.temporal == "none":
            return super()._summary(data, found)
        structure = found.structure
        if structure is None:  # of messages
            structure = Temporal(
                data.columns, data.Y, data.n_rows, "ar1", found.correlation
            )
        g, kept = found.g, np.flatnonzero(found.g)
        structure.restrict(kept)
        look = structure.look(g[kept], found.noise)
        along = structure.covariances(g[kept], found.noise)
        self._axes, self._along = structure.axes, data.scale**2 * along
        covariance = in_time(structure.axes, along)
        std = np.zeros((structure.T, len(g)))
        variances = np.einsum("tjj->tj", covariance).real
        std[:, kept] = np.sqrt(np.maximum(variances, 0.0))
        slope = np.abs(look.share - look.power).max(initial=structure.slope())
        excess = structure.raising(g, found.noise).excess
        return Summary(structure.now.cost, covariance, std, float(max(slope, excess)))

    def _spread(self, data: Data, found: Found) -> np.ndarray:
        if found.structure is None:
            return super()._spread(data, found)
        kept = np.flatnonzero(found.g)
        found.structure.restrict(kept)
        along = found.structure.covariances(found.g[kept], found.noise)
        return in_time(found.structure.axes, along)

    def _deviations(self, rng, n_samples: int) -> np.ndarray:
        if self.covariance_.ndim == 2:
            return super()._deviations(rng, n_samples)
        roots = root(self._along)
        draws = normal(rng, (n_samples, *self._along.shape[:2]), self._along)
        along = np.einsum("tij,stj->sti", roots, draws)
        return np.einsum("ut,stj->suj", self._axes, along)

    def _shape_results(self, coef, intercept, std, found) -> None:
        self.coef_, self.intercept_ = np.ascontiguousarray(coef), intercept
        self.coef_std_ = np.broadcast_to(std, coef.shape).copy()
        if found.structure is not None:
            B = found.structure.B
            scale = B.diagonal().real.mean()
            self.temporal_cov_ = B / scale
            self.prior_variance_ = scale * self.prior_variance_
        else:
            self.temporal_cov_ = ar1_matrix(found.correlation, len(coef))


def in_time(axes: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Covariances of each target from those along the axes of time."""
    return np.einsum("ut,tij->uij", np.abs(axes) ** 2, along)
