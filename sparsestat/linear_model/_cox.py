"""Proportional hazards with sparse coefficients."""

from functools import partial
from math import inf
from typing import ClassVar

from sklearn.callback import with_callbacks

from sparsestat.linear_model._glm_penalty import PENALTIES, PenaltyChoice
from sparsestat.linear_model._hazards import HazardPredictions
from sparsestat.linear_model._newton import SOLVING, NewtonRegressor
from sparsestat.optim.cox import PartialLikelihood
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    Rule,
    Verbosity,
)

__all__ = ["CoxMixin", "SparseCoxRegressor"]


class CoxMixin(PenaltyChoice, HazardPredictions):
    """Penalised partial likelihoods, and their baseline hazard."""

    def _make_loss(self, y):
        time, event, offset = y.T.copy()
        return partial(
            PartialLikelihood,
            time,
            event > 0.0,
            ties=self.ties,
            offset=offset if offset.any() else None,
        )

    def _take(self, run, alpha, coef, objective, gap, dtype) -> None:
        super()._take(run, alpha, coef, objective, gap, dtype)
        run.loss.evaluate(run.fitted(self._last_coef())[run.loss.rows])
        self.event_times_ = run.loss.sets.times
        self.baseline_hazard_ = run.loss.baseline_hazard()


class SparseCoxRegressor(CoxMixin, NewtonRegressor):
    r"""Cox's proportional hazards with an l1 or elastic-net penalty, certified.

    The hazard of a sample is :math:`h_0(t) \exp(x^\top w)`. Minimises

    .. math::
        \frac{1}{\sum_i q_i} \sum_k \Big( D_k \log \frac{\sum_{j : t_j \ge t_k} q_j
        e^{x_j^\top w}}{D_k} - \sum_{i \in E_k} q_i x_i^\top w \Big)
        + \alpha \sum_j v_j \Big( \rho |w_j| + \tfrac{1 - \rho}{2} w_j^2 \Big),

    the negative log partial likelihood less that of the saturated model: half the mean
    deviance. E_k are the events at the k-th distinct time, D_k is the sum of their
    weights, q the sample weights, v the penalty weights, :math:`\rho` is `l1_ratio`.

    Parameters
    ----------
    alpha : float, default=0.1
        Strength of the penalty, >= 0.
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter. With "efron" weights enter as in R's ``coxph``.
    l1_ratio : float, default=1.0
        Share of the l1 penalty; 1 is the Lasso, 0 ridge regression.
    penalty : str or NamedTuple, default="elasticnet"
        "elasticnet", the formula above, is the l1 norm with the default `l1_ratio`;
        "mcp" and "scad" shrink large coefficients less, or not at all; "group" and
        "sparse_group" are those of `GroupLasso` and `SparseGroupLasso`. Or an
        object of `sparsestat.optim.penalties`, whose alpha does not count.
    gamma : float, default=None
        Reciprocal of the concavity of "mcp", > 0, or the ratio at which the price of
        "scad" ends, > 2; None is 3 or 3.7.
    feature_groups : int, array-like, list of array-likes or callable, default=1
        Groups for "group" and "sparse_group": their size, a label for each feature,
        index arrays, or a callable from names of features to labels; -1, NaN or None
        leaves a feature unpenalised. See `GroupLasso`.
    group_weights : "sqrt" or array-like of shape (n_groups,), default="sqrt"
        Weights of the groups: 0 is unpenalised, inf excluded; "sqrt" are the square
        roots of the sizes.
    overlap : {"error", "latent"}, default="error"
        What index arrays that share features mean: an error, or that each group has
        coefficients of its own, whose sums are those of the features.
    penalty_weights : array-like of shape (n_features,), default=None
        The v_j >= 0: 0 leaves a coefficient unpenalised, inf excludes it; None is all
        ones. They are not rescaled.
    positive : bool, default=False
        Restrict the coefficients to w >= 0.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit (weighted) variance;
        `coef_` is on the scale of X all the same.
    max_iter : int, default=100
        Outer rounds at most; a few suffice.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the loss of the null model. float32
        data: at least 1e-5.
    warm_start : bool, default=False
        Start from the coefficients of the fit before.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X.
    intercept_ : float
        Minus the prediction of the mean sample, so that predictions are relative to it.
    event_times_ : ndarray of shape (n_times,)
        Distinct times of events.
    baseline_hazard_ : ndarray of shape (n_times,)
        Jumps of the cumulative hazard of the mean sample at these times, by Breslow's
        estimator, or Efron's for ``ties="efron"``.
    dual_gap_ : float
        Duality gap at `coef_`, in units of the objective: a bound of its distance to
        the optimum.
    dual_gap_tol_ : float
        Bound that was asked for: `tol` times the loss of the null model.
    stationarity_ : float
        Largest distance of a derivative of the loss from those of the penalty, in place
        of `dual_gap_`; only if the penalty is concave.
    stationarity_tol_ : float
        Bound that was asked for, `tol` times the largest derivative at the null model;
        only if the penalty is concave.
    feature_groups_ : list of n_groups ndarrays of int
        Features of each group, only if the penalty is on groups.
    latent_coef_ : ndarray of shape (n_members,)
        Coefficients of the groups, one after another, only if they overlap.
    objective_ : float
        Objective at `coef_`.
    n_iter_ : int
        Outer rounds taken.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    SparseCoxRegressorCV : The strength chosen by cross-validation.
    sparsestat.metrics.concordance_index : What `score` returns.
    sklearn.linear_model.Lasso : Least squares, without censoring.

    Notes
    -----
    `y` is a structured array with a boolean field, the event, and a numeric one, the
    time (as scikit-survival has it), or has the times in column 0 and 0 or 1 for the
    event in column 1; times alone are all of events.

    Newton steps with the exact Hessian on a working set, which costs as much as that of
    independent samples: risk sets are nested, so their means are running means. The gap
    needs one pass over the sorted samples, by the entropies of the risk sets.

    References
    ----------
    Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x; Tibshirani (1997),
    doi:10.1002/(SICI)1097-0258(19970228)16:4<385::AID-SIM380>3.0.CO;2-3; Simon,
    Friedman, Hastie and Tibshirani (2011), doi:10.18637/jss.v039.i05.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import SparseCoxRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> time = rng.exponential(np.exp(-X[:, 0]))
    >>> y = np.column_stack([np.minimum(time, 2.0), time <= 2.0])
    >>> model = SparseCoxRegressor(alpha=0.1).fit(X, y)
    >>> int(np.abs(model.coef_).argmax())
    0
    >>> model.predict_survival_function(X[:3], times=[0.5, 1.0]).shape
    (3, 2)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "alpha": Interval(0, inf, closed="left"),
        "ties": OneOf("breslow", "efron"),
        "l1_ratio": Interval(0, 1),
        **PENALTIES,
        **SOLVING,
        "warm_start": Boolean,
        "verbose": Verbosity,
    }

    def __init__(
        self,
        alpha=0.1,
        *,
        ties="breslow",
        l1_ratio=1.0,
        penalty="elasticnet",
        gamma=None,
        feature_groups=1,
        group_weights="sqrt",
        overlap="error",
        penalty_weights=None,
        positive=False,
        standardize=False,
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        verbose=0,
    ):
        self.alpha = alpha
        self.ties = ties
        self.l1_ratio = l1_ratio
        self.penalty = penalty
        self.gamma = gamma
        self.feature_groups = feature_groups
        self.group_weights = group_weights
        self.overlap = overlap
        self.penalty_weights = penalty_weights
        self.positive = positive
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, offset=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64.
        y : array-like of shape (n_samples,) or (n_samples, 2), or structured
            Times and events, as described in the notes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the logarithms of hazards; None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite or of wrong shape, for targets of another form,
            and for parameters or weights outside their range.
        """
        return self._fit(X, y, sample_weight, offset=offset)
