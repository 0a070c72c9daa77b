"""Best subsets of features for generalised linear models."""

from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import digamma, gammaln, polygamma
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from sklearn.metrics import d2_tweedie_score
from sklearn.utils.validation import validate_data

from sparsestat.linear_model._generalized import Offsets
from sparsestat.linear_model._subset_likelihood import (
    LIKELIHOOD_RULES,
    LikelihoodSubset,
)
from sparsestat.optim.datafits import Gamma, Poisson, Quadratic
from sparsestat.optim.subset import SampleLikelihood
from sparsestat.utils.validation import (
    OneOf,
    ParameterError,
    Rule,
    check_offset,
    check_parameters,
    check_sample_weight,
)

__all__ = ["BestSubsetGLM"]


class BestSubsetGLM(RegressorMixin, Offsets, LikelihoodSubset):
    r"""Generalised linear model on the best subset of features.

    .. math::
        \min_{w, b} \; \tfrac12 \sum_i s_i \, d(y_i, \mu_i)
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k, \qquad
        g(\mu_i) = x_i^\top w + b + o_i,

    half the mean deviance d, with weights :math:`s_i` that sum to one, offsets o, and
    :math:`\sigma_j` the standard deviations of the features if they are standardised,
    else one. The link g is the logarithm, and the identity for "gaussian".

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
    family : {"poisson", "gamma", "gaussian"}, default="poisson"
        Distribution of y given its mean: counts, positive amounts, or least squares as
        in :class:`BestSubsetRegressor`, which is faster there. Ordered classes are
        those of :class:`BestSubsetOrdinal`.
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n).
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`: minus twice the log-likelihood and a price,
        as for :class:`BestSubsetRegressor`.
    ic_coef : float, default=1.0
        Factor of the price.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest mean deviance on held-out samples.
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
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
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
        Intercept.
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
        Mean deviances on held-out samples, only if `cv` is given.
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
        For a target that the family cannot have, and sizes that no subset can have.

    Warns
    -----
    UserWarning
        Where fewer features than asked for help, and where `separated_`.
    ConvergenceWarning
        If `stationarity_` is above `tol`.

    See Also
    --------
    BestSubsetRegressor : Least squares.
    SparsePoissonRegressor : The convex relaxation for counts.
    sklearn.linear_model.PoissonRegressor : All features.

    Notes
    -----
    Sample weights are frequencies: a weight of k equals k copies of a row, for the
    criterion too. The criterion of "gamma" and "gaussian" has the scale of y
    given its mean estimated for each subset.

    The search is that of :class:`BestSubsetClassifier`.

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117; for generalised
    linear models arXiv:2308.00251; Furnival and Wilson (1974),
    doi:10.1080/00401706.1974.10489231.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import BestSubsetGLM
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 10))
    >>> y = rng.poisson(np.exp(0.5 * X[:, 1] - 0.5 * X[:, 4]))
    >>> model = BestSubsetGLM().fit(X, y)
    >>> model.support_, model.optimal_
    (array([1, 4]), True)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **LIKELIHOOD_RULES,
        "family": OneOf("poisson", "gamma", "gaussian"),
    }

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        family="poisson",
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
        fit_intercept=True,
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
        self.family = family
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
        self.fit_intercept = fit_intercept
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
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions, such as the logarithm of an exposure;
            None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for a target
            that the family cannot have, for sizes that no subset can have, and for
            parameters or weights outside their range.
        """
        return self._fit(X, y, sample_weight, groups, offset)

    def predict(self, X, offset=None):
        """Predict means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions; None is zero.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            ``exp(X @ coef_ + intercept_ + offset)``, without the exponential for
            "gaussian".
        """
        z = self._linear_prediction(X, offset)
        return z if self.family == "gaussian" else np.exp(z)

    def score(self, X, y, sample_weight=None, offset=None):
        """Share of the deviance explained, D^2, of which R^2 is the square error's.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        offset : array-like of shape (n_samples,), default=None
            Known part of the linear predictions; None is zero.

        Returns
        -------
        score : float
            1 less the ratio of the deviances of predictions and of the mean of y.
        """
        predicted = self.predict(X, offset=offset)
        power = _FAMILIES[self.family].power
        return d2_tweedie_score(y, predicted, sample_weight=sample_weight, power=power)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.family != "gaussian"
        return tags

    def _validated(self, X, y, sample_weight, offset=None):
        """Checked parameters and data; y as two columns, target and offset."""
        if self.family == "ordinal":
            raise ParameterError(
                "family='ordinal' has classes and their probabilities, which only a "
                "classifier predicts: take BestSubsetOrdinal; family must be "
                f"{self._rules['family']}."
            )
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        y = y.astype(np.float64, copy=False)
        _check_target(self.family, y)
        columns = np.column_stack([y, check_offset(offset, X)])
        return X, columns, check_sample_weight(sample_weight, X)

    def _target(self, y):
        return y[:, 0]

    def _likelihood(self, y, weight):
        if self.family == "poisson" and self.fit_intercept:
            if not y[weight > 0.0, 0].any():
                raise ValueError(
                    "y must not be all zero where the weight is positive, in all or in "
                    "a fold: the best intercept is -inf then."
                )
        return self._likelihood_of_held_out(y, weight)

    def _likelihood_of_held_out(self, y, weight):
        target, offset = y[:, 0].copy(), y[:, 1].copy()
        family = _FAMILIES[self.family]
        return SampleLikelihood(
            family.datafit,
            target,
            offset if offset.any() else None,
            self.fit_intercept,
            weight,
            family.profile,
        )


class _Family(NamedTuple):
    """A datafit, its power of the mean as variance, and its profile likelihood."""

    datafit: NamedTuple
    power: int
    profile: object


def _gaussian_profile(value: float) -> float:
    """Log of the mean square of residuals, which is twice the loss."""
    return float(np.log(max(2.0 * value, np.finfo(np.float64).tiny)))


def _gamma_profile(value: float) -> float:
    """Minus twice the mean log-likelihood at the best shape, up to a constant.

    With v the shape and d the loss it is 2 (v (d + 1) - v log v + log Gamma(v)), least
    where log v - digamma(v) = d.
    """
    d = max(value, 1e-14)
    v = (3.0 - d + np.sqrt((d - 3.0) ** 2 + 24.0 * d)) / (12.0 * d)
    for _ in range(20):
        slope = 1.0 / v - polygamma(1, v)
        step = (np.log(v) - digamma(v) - d) / slope
        v = max(v - step, 0.1 * v)
        if abs(step) <= 1e-12 * v:
            break
    return float(2.0 * (v * (d + 1.0) - v * np.log(v) + gammaln(v)))


_FAMILIES = {
    "poisson": _Family(Poisson(), 1, None),
    "gamma": _Family(Gamma(), 2, _gamma_profile),
    "gaussian": _Family(Quadratic(), 0, _gaussian_profile),
}


def _check_target(family: str, y: np.ndarray) -> None:
    """Raise if some y cannot be."""
    if family == "poisson" and (y < 0.0).any():
        raise ValueError(
            f"y must be >= 0 with family='poisson'; got a value of {y.min()}."
        )
    if family == "gamma" and (y <= 0.0).any():
        raise ValueError(
            f"y must be > 0 with family='gamma'; got a value of {y.min()}."
        )
