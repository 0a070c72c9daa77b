"""Best subsets of features for proportional hazards."""

from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from sparsestat.linear_model._hazards import HazardPredictions
from sparsestat.linear_model._subset_likelihood import (
    LIKELIHOOD_RULES,
    LikelihoodSubset,
    predictions,
)
from sparsestat.optim.subset import HazardLikelihood
from sparsestat.utils.validation import OneOf, Rule

__all__ = ["BestSubsetCox"]


class BestSubsetCox(HazardPredictions, RegressorMixin, LikelihoodSubset):
    r"""Cox's proportional hazards on the best subset of features.

    The hazard of a sample is :math:`h_0(t) \exp(x^\top w)`. Minimises

    .. math::
        \frac{1}{\sum_i q_i} \sum_t \Big( D_t \log \frac{\sum_{j : t_j \ge t} q_j
        e^{x_j^\top w}}{D_t} - \sum_{i \in E_t} q_i x_i^\top w \Big)
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k,

    half the mean deviance of the partial likelihood: E_t are the events at time t, D_t
    is the sum of their weights, q the sample weights, and :math:`\sigma_j` the standard
    deviations of the features if they are standardised, else one.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter. With "efron" weights enter as in R's ``coxph``.
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n), with
        n the number of events.
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`: minus twice the log-likelihood and a price,
        as for :class:`BestSubsetRegressor`, with n the number of events.
    ic_coef : float, default=1.0
        Factor of the price.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest deviance that held-out samples add to that
        of the others, per sample.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        "splicing" stops after it; "swap" ends where none of the most promising
        exchanges helps; "exact" goes on with a branch and bound for every k, up to
        `max_nodes`; "auto" does so for the chosen k within 400 fits, of up to 20
        features or groups.
    exchange_max : int, default=5
        Features that splicing exchanges at a time, at most.
    n_sweeps : int, default=2
        Pairs of sweeps over k, at most.
    n_restarts : int, default=0
        Restarts for each k with a quarter of the features exchanged at random.
    feature_groups : int, array-like, list of array-likes or callable, default=None
        Groups of features that join and leave together, see :class:`GroupLasso`.
        Each counts as one, whatever its size, for what all of it explains.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where X is a data frame,
        the names of their columns; k counts them.
    alpha : float, default=0.0
        Strength of the ridge penalty.
    standardize : bool, default=True
        Whether the ridge penalises coefficients of features of unit variance.
    early_stopping : bool, default=True
        End the path where the criterion has not fallen for a quarter of its length, and
        five sizes at least; only if `n_nonzero_coefs` is None.
    path : {"sequence", "golden"}, default="sequence"
        "sequence" looks at all k, one after the other; "golden" at those of a
        golden-section search for the smallest criterion, each from the nearest one that
        is known: fewer, but a criterion that falls again is missed. With `cv` as well
        it is the criterion that leads to the k among which the folds choose.
    max_nodes : int, default=20_000
        Fits of the exact search, at most.
    time_limit : float, default=None
        Seconds of the exact search, at most.
    tol : float, default=1e-8
        Bound of `stationarity_`.
    max_iter : int, default=100
        Exchanges from one start, at most.
    init_support : array-like of int or str, default=None
        Features to start from, besides all else, by indices or names.
    warm_start : bool, default=False
        Go on from the subsets of the fit before, if it had as many features.
    random_state : int, RandomState instance or None, default=None
        For restarts.
    n_jobs : int, default=None
        Threads over folds; the result does not depend on it.
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
    support_ : ndarray of shape (n_chosen,)
        Chosen features, increasing.
    n_nonzero_coefs_ : int
        Chosen k.
    optimal_ : bool
        Whether no subset of that size is better, which has been proved.
    lower_bound_ : float
        No subset of that size has a smaller objective.
    optimality_gap_ : float
        How far the objective may be above the optimum, as a share of it.
    swap_gap_ : float
        What the best of the most promising exchanges of one feature would save, as a
        share of the objective.
    stationarity_ : float
        Largest derivative of the objective by a coefficient of a feature of unit
        deviation, relative to the mean size of the residuals of the null model.
    separated_ : bool
        Whether the likelihood has no maximum on the chosen features, which explain some
        of the data without error; then a ridge of 1e-6 was added.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    loss_ : ndarray of shape (n_sizes,)
        Half the mean deviances along it, without the ridge.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion along it.
    optimal_path_ : ndarray of shape (n_sizes,), bool
        Which of the subsets are proved to be best.
    lower_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the objective along the path.
    criterion_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the criterion of each size; -inf for none.
    path_coef_ : csc_array of shape (n_features, n_sizes)
        Coefficients along the path.
    path_intercept_ : ndarray of shape (n_sizes,)
        Intercepts along it.
    deviance_path_ : ndarray of shape (n_sizes, n_folds)
        Deviances that held-out samples add, per sample, only if `cv` is given.
    n_nodes_ : int
        Fits of the exact search.
    n_iter_ : int
        Fits of the other searches.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        For targets of another form, and sizes that no subset can have.

    Warns
    -----
    UserWarning
        Where fewer features than asked for help, and where `separated_`.
    ConvergenceWarning
        If `stationarity_` is above `tol`.

    See Also
    --------
    SparseCoxRegressor : The convex relaxation.
    sparsestat.metrics.concordance_index : What `score` returns.
    sklearn.linear_model.PoissonRegressor : Counts of events without times.

    Notes
    -----
    `y` is a structured array with a boolean field, the event, and a numeric one, the
    time, or has the times in column 0 and 0 or 1 for the event in column 1; times alone
    are all of events.

    Sample weights are frequencies: a weight of k equals k copies of a row, for the
    criterion too; but where Efron's ties share out denominators.

    The search is that of :class:`BestSubsetClassifier`.

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117;
    Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x; Furnival and Wilson (1974),
    doi:10.1080/00401706.1974.10489231.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import BestSubsetCox
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 20))
    >>> time = rng.exponential(np.exp(-X[:, 0] + X[:, 3]))
    >>> y = np.column_stack([np.minimum(time, 2.0), time <= 2.0])
    >>> model = BestSubsetCox().fit(X, y)
    >>> model.support_, round(model.score(X, y), 2)
    (array([0, 3]), 0.75)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **{k: rule for k, rule in LIKELIHOOD_RULES.items() if k != "fit_intercept"},
        "ties": OneOf("breslow", "efron"),
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        ties="breslow",
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        cv=None,
        solver="auto",
        exchange_max=5,
        n_sweeps=2,
        n_restarts=0,
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        standardize=True,
        early_stopping=True,
        path="sequence",
        max_nodes=20_000,
        time_limit=None,
        tol=1e-8,
        max_iter=100,
        init_support=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.ties = ties
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.cv = cv
        self.solver = solver
        self.exchange_max = exchange_max
        self.n_sweeps = n_sweeps
        self.n_restarts = n_restarts
        self.feature_groups = feature_groups
        self.always_select = always_select
        self.alpha = alpha
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.path = path
        self.max_nodes = max_nodes
        self.time_limit = time_limit
        self.tol = tol
        self.max_iter = max_iter
        self.init_support = init_support
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, offset=None):
        """Find the subsets, choose one, and fit the model to it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; only chosen columns are ever copied.
        y : array-like of shape (n_samples,) or (n_samples, 2), or structured
            Times and events, as described in the notes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row, but with Efron's
            ties.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
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
            for sizes that no subset can have, and for parameters or weights outside
            their range.
        """
        return self._fit(X, y, sample_weight, groups, offset)

    @property
    def _has_intercept(self) -> bool:
        return False

    @property
    def _centres(self) -> bool:
        return True  # predictions are relative

    def _likelihood(self, y, weight):
        time, event, offset = y.T.copy()
        offset = offset if offset.any() else None
        return HazardLikelihood(time, event > 0.0, self.ties, offset, weight)

    def _fold_losses(self, X, y, problem, found, inside, outside):
        everyone = self._likelihood(y, inside + outside)
        training = problem.likelihood
        losses = []
        for point in found.points:
            z = np.zeros((len(y), 1))
            z[everyone.rows] = predictions(X, problem, point, everyone.rows)
            more = everyone.deviance(everyone.value(z[everyone.rows]))
            losses.append(more - training.deviance(training.value(z[training.rows])))
        return np.array(losses) / outside.sum()

    def _take(self, problem, path, dtype) -> None:
        super()._take(problem, path, dtype)
        likelihood = problem.likelihood
        self.event_times_ = likelihood.sets.times
        self._hazards = [likelihood.hazard(point.z) for point in path.points]

    def _take_size(self, k: int) -> None:
        super()._take_size(k)
        self.baseline_hazard_ = self._hazards[k]
