"""Best subsets of features for least squares, proved to be best where possible."""

from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils import Bunch

from sparsestat.linear_model._subset_model import SUBSET_RULES, SubsetModel
from sparsestat.utils.validation import Rule

__all__ = ["BestSubsetRegressor", "MultiTaskBestSubset", "best_subset_path"]


class BestSubsetRegressor(RegressorMixin, SubsetModel):
    r"""Least squares on the best subset of features, with a certificate.

    .. math::
        \min_{w, b} \; \sum_i s_i (y_i - x_i^\top w - b)^2
        + \alpha \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k

    with weights :math:`s_i` that sum to one, and :math:`\sigma_j` the standard
    deviations of the features if they are standardised, else one. Splicing finds a
    subset fast; exchanges of single features, all of them in one table, and sweeps over
    k in both directions improve it until no exchange does; leaps and bounds prove that
    there is no better one, or bound how much better it could be.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n), at most
        500 and n - 1.
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`. EBIC adds to
        n log RSS a price of k log n + 2 log binomial(p, k), GIC one of
        k log p log log n, "ebic_abess" one of k log n + 2 k log p.
    ic_coef : float, default=1.0
        Factor of the price.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest mean squared error on held-out samples.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        "splicing" stops after it; "swap" ends where no exchange helps; "exact" goes on
        with a proof for every k, up to `max_nodes`; "auto" does so for the chosen k,
        within 50,000 nodes. Proofs are by leaps and bounds, for "auto" up to 400
        features, where samples are more than features; with alpha > 0 by relaxations
        as well, for any number of features. With neither there is none.
    exchange_max : int, default=5
        Features that splicing exchanges at a time, at most.
    n_sweeps : int, default=2
        Pairs of sweeps over k, at most.
    n_restarts : int, default=0
        Restarts for each k with a quarter of the features exchanged at random.
    n_best : int, default=1
        Number of subsets of each k that :meth:`best_subsets` lists; more than one takes
        the exact search.
    feature_groups : int, array-like, list of array-likes or callable, default=None
        Groups of features that join and leave together, see :class:`GroupLasso`.
        Each counts as one, whatever its size, for what all of it explains.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where X is a data frame,
        the names of their columns; k counts them.
    alpha : float, default=0.0
        Strength of the ridge penalty.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
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
    max_nodes : int, default=2_000_000
        Nodes of the exact search, at most; a relaxation counts as 250, of more
        than 200 features for more.
    time_limit : float, default=None
        Seconds of the exact search, at most.
    tol : float, default=1e-9
        Bound of `stationarity_`; of float32 data 1e-5 at least.
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
        Coefficients, least squares on the support, in the precision of X.
    intercept_ : float
        Intercept.
    support_ : ndarray of shape (n_chosen,)
        Chosen features, increasing.
    n_nonzero_coefs_ : int
        Chosen k.
    optimal_ : bool
        Whether no subset of that size is better, which has been proved.
    lower_bound_ : float
        No subset of that size has a smaller objective times the sum of weights.
    optimality_gap_ : float
        How far the objective may be above the optimum, as a share of it: (value -
        ``lower_bound_``) / value.
    swap_gap_ : float
        What the best exchange of one feature would save, as a share of the objective.
    stationarity_ : float
        The same under the name that all estimators without a duality gap have.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    rss_ : ndarray of shape (n_sizes,)
        Residual sums of squares along it.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion along it.
    optimal_path_ : ndarray of shape (n_sizes,), bool
        Which of the subsets are proved to be best.
    lower_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds along the path.
    criterion_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the criterion of each size; -inf for none.
    path_coef_ : csc_array of shape (n_features, n_sizes)
        Coefficients along the path.
    path_intercept_ : ndarray of shape (n_sizes,)
        Intercepts along it.
    mse_path_ : ndarray of shape (n_sizes, n_folds)
        Mean squared errors on held-out samples, only if `cv` is given.
    gram_inaccurate_ : bool
        Whether coefficients from second moments differ from those of least squares on
        the columns of X by more than 1e-6. Then nothing counts as proved.
    n_nodes_ : int
        Nodes of the exact search.
    n_iter_ : int
        Supports visited and exchanges made.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        For sizes that no subset can have, features or groups out of range.

    Warns
    -----
    UserWarning
        Where fewer features than asked for are independent, or fit perfectly, and
        where `gram_inaccurate_`.
    ConvergenceWarning
        If `max_iter` ended the exchanges before `stationarity_` was below `tol`.

    See Also
    --------
    MultiTaskBestSubset : One subset for several targets.
    best_subset_path : Subsets of all sizes as arrays.
    Lasso : The convex relaxation.
    sklearn.linear_model.OrthogonalMatchingPursuit : Forward selection alone.

    Notes
    -----
    Sample weights are frequencies: a weight of k equals k copies of a row, for the
    criterion too.

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117; Furnival and
    Wilson (1974), doi:10.1080/00401706.1974.10489231; Hazimeh, Mazumder and Saab
    (2022), doi:10.1007/s10107-021-01712-4.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sparsestat.linear_model import BestSubsetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = BestSubsetRegressor(n_nonzero_coefs=3).fit(X, y)
    >>> model.support_, model.optimal_
    (array([2, 3, 8]), True)
    """

    _rules: ClassVar[dict[str, Rule]] = SUBSET_RULES

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        cv=None,
        solver="auto",
        exchange_max=5,
        n_sweeps=2,
        n_restarts=0,
        n_best=1,
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        path="sequence",
        max_nodes=2_000_000,
        time_limit=None,
        tol=1e-9,
        max_iter=100,
        init_support=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.cv = cv
        self.solver = solver
        self.exchange_max = exchange_max
        self.n_sweeps = n_sweeps
        self.n_restarts = n_restarts
        self.n_best = n_best
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


class MultiTaskBestSubset(RegressorMixin, SubsetModel):
    r"""Least squares for several targets on one best subset of features.

    .. math::
        \min_{W, b} \; \sum_i s_i \|y_i - W x_i - b\|^2
        + \alpha \sum_j \sigma_j^2 \|W_{:j}\|^2
        \quad \text{subject to} \quad \#\{j : W_{:j} \ne 0\} \le k

    See :class:`BestSubsetRegressor`, whose searches and certificates it shares.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from; None is all up to
        `max_nonzero_coefs`. With groups, the number of groups.
    max_nonzero_coefs : int, default=None
        Largest k if `n_nonzero_coefs` is None; None is n / (log p log log n).
    criterion : {"ebic", "gic", "bic", "aic", "aicc", "ebic_abess"}, default="ebic"
        Which k is chosen, unless by `cv`.
    ic_coef : float, default=1.0
        Factor of the price.
    cv : int, splitter or iterable, default=None
        Folds; k is the one of the smallest mean squared error on held-out samples.
    solver : {"auto", "splicing", "swap", "exact"}, default="auto"
        How hard to search, see :class:`BestSubsetRegressor`.
    exchange_max : int, default=5
        Features that splicing exchanges at a time, at most.
    n_sweeps : int, default=2
        Pairs of sweeps over k, at most.
    n_restarts : int, default=0
        Restarts for each k with a quarter of the features exchanged at random.
    n_best : int, default=1
        Number of subsets of each k that :meth:`best_subsets` lists.
    feature_groups : int, array-like, list of array-likes or callable, default=None
        Groups of features that join and leave together.
        Each counts as one, whatever its size, for what all of it explains.
    always_select : array-like of int or str, default=None
        Features that are in every subset, by their indices or, where X is a data frame,
        the names of their columns; k counts them.
    alpha : float, default=0.0
        Strength of the ridge penalty.
    fit_intercept : bool, default=True
        Fit intercepts, which are never penalised.
    standardize : bool, default=True
        Whether the ridge penalises coefficients of features of unit variance.
    early_stopping : bool, default=True
        End the path where the criterion has not fallen for long.
    path : {"sequence", "golden"}, default="sequence"
        Look at all k, or only at those of a golden-section search, see
        :class:`BestSubsetRegressor`.
    max_nodes : int, default=2_000_000
        Nodes of the exact search, at most; a relaxation counts as 250, of more
        than 200 features for more.
    time_limit : float, default=None
        Seconds of the exact search, at most.
    tol : float, default=1e-9
        Bound of `stationarity_`; of float32 data 1e-5 at least.
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
    coef_ : ndarray of shape (n_targets, n_features)
        Coefficients, least squares on the support, in the precision of X.
    intercept_ : ndarray of shape (n_targets,)
        Intercepts.
    support_ : ndarray of shape (n_chosen,)
        Chosen features, increasing.
    n_nonzero_coefs_ : int
        Chosen k.
    optimal_ : bool
        Whether no subset of that size is better, which has been proved.
    lower_bound_ : float
        No subset of that size has a smaller objective times the sum of weights.
    optimality_gap_ : float
        How far the objective may be above the optimum, as a share of it.
    swap_gap_ : float
        What the best exchange of one feature would save, as a share of the objective.
    stationarity_ : float
        The same under the name that all estimators without a duality gap have.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    rss_ : ndarray of shape (n_sizes,)
        Residual sums of squares along it, summed over targets.
    criterion_ : ndarray of shape (n_sizes,)
        Values of the criterion along it.
    optimal_path_ : ndarray of shape (n_sizes,), bool
        Which of the subsets are proved to be best.
    lower_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds along the path.
    criterion_bounds_ : ndarray of shape (n_sizes,)
        Lower bounds of the criterion of each size; -inf for none.
    path_coef_ : csc_array of shape (n_targets * n_features, n_sizes)
        Coefficients along the path, target after target.
    path_intercept_ : ndarray of shape (n_targets, n_sizes)
        Intercepts along it.
    mse_path_ : ndarray of shape (n_sizes, n_folds)
        Mean squared errors on held-out samples, only if `cv` is given.
    gram_inaccurate_ : bool
        Whether coefficients from second moments differ from those of least squares on
        the columns of X by more than 1e-6. Then nothing counts as proved.
    n_nodes_ : int
        Nodes of the exact search.
    n_iter_ : int
        Supports visited and exchanges made.
    sparse_coef_ : csr_array of shape (n_targets, n_features)
        Coefficients as sparse rows.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        For sizes that no subset can have, features or groups out of range.

    Warns
    -----
    UserWarning
        Where fewer features than asked for are independent, or fit perfectly, and
        where `gram_inaccurate_`.
    ConvergenceWarning
        If `max_iter` ended the exchanges before `stationarity_` was below `tol`.

    See Also
    --------
    BestSubsetRegressor : For one target.
    MultiTaskLasso : The convex relaxation.
    sklearn.linear_model.OrthogonalMatchingPursuit : A subset for each target.

    References
    ----------
    Zhu, Wen, Zhu, Zhang and Wang (2020), doi:10.1073/pnas.2014241117.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import MultiTaskBestSubset
    >>> X = np.random.default_rng(0).standard_normal((50, 6))
    >>> Y = np.column_stack([X[:, 1] - X[:, 4], X[:, 1] + X[:, 4]]) + 0.1 * X[:, :2]
    >>> MultiTaskBestSubset(n_nonzero_coefs=2).fit(X, Y).support_
    array([1, 4])
    """

    _rules: ClassVar[dict[str, Rule]] = SUBSET_RULES
    _multi_output: ClassVar[bool] = True

    def __init__(
        self,
        n_nonzero_coefs=None,
        *,
        max_nonzero_coefs=None,
        criterion="ebic",
        ic_coef=1.0,
        cv=None,
        solver="auto",
        exchange_max=5,
        n_sweeps=2,
        n_restarts=0,
        n_best=1,
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        fit_intercept=True,
        standardize=True,
        early_stopping=True,
        path="sequence",
        max_nodes=2_000_000,
        time_limit=None,
        tol=1e-9,
        max_iter=100,
        init_support=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_nonzero_coefs = n_nonzero_coefs
        self.max_nonzero_coefs = max_nonzero_coefs
        self.criterion = criterion
        self.ic_coef = ic_coef
        self.cv = cv
        self.solver = solver
        self.exchange_max = exchange_max
        self.n_sweeps = n_sweeps
        self.n_restarts = n_restarts
        self.n_best = n_best
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


def best_subset_path(X, y, *, sample_weight=None, **params) -> Bunch:
    """Best subsets of a range of sizes.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Target, or several.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0; a weight of k equals k copies of the row.
    **params
        Parameters of :class:`BestSubsetRegressor`.

    Returns
    -------
    path : Bunch
        With `sizes`, `supports`, `coefs` of shape (n_sizes, n_features) in compressed
        rows, target after target where there are several, `intercepts`, `rss`,
        `criterion`, `optimal`, `lower_bounds`, and `chosen`, the index of the smallest
        criterion or held-out error.

    Raises
    ------
    ValueError
        For data or parameters outside their range.

    See Also
    --------
    BestSubsetRegressor : The estimator, whose attributes hold the same.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sparsestat.linear_model import best_subset_path
    >>> path = best_subset_path(*load_diabetes(return_X_y=True), n_nonzero_coefs=[1, 2])
    >>> [support.tolist() for support in path.supports], path.rss.round()
    ([[2], [2, 8]], array([1719582., 1416694.]))
    """
    several = np.ndim(y) > 1
    model = (MultiTaskBestSubset if several else BestSubsetRegressor)(**params)
    model.fit(X, y, sample_weight)
    coefs = sparse.csr_array(model.path_coef_.T)
    p = model.n_features_in_
    return Bunch(
        sizes=model.sizes_,
        supports=[np.unique(coefs[[k]].indices % p) for k in range(len(model.sizes_))],
        coefs=coefs,
        intercepts=model.path_intercept_,
        rss=model.rss_,
        criterion=model.criterion_,
        optimal=model.optimal_path_,
        lower_bounds=model.lower_bounds_,
        chosen=int(np.flatnonzero(model.sizes_ == model.n_nonzero_coefs_)[0]),
    )
