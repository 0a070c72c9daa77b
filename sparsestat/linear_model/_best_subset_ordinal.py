"""Best subsets of features for ordered classes, by proportional odds."""

import warnings
from typing import ClassVar

import numpy as np
from sklearn.callback import with_callbacks

from sparsestat.linear_model._classes import (
    CLASS_WEIGHT,
    ClassPredictions,
    check_present,
    times,
)
from sparsestat.linear_model._subset_likelihood import (
    LIKELIHOOD_RULES,
    LikelihoodSubset,
    predictions,
)
from sparsestat.optim.subset import OrdinalLikelihood
from sparsestat.utils.validation import ArrayLike, Rule, check_offset

__all__ = ["BestSubsetOrdinal"]


class BestSubsetOrdinal(ClassPredictions, LikelihoodSubset):
    r"""Proportional odds of ordered classes on the best subset of features.

    .. math::
        \min_{w, \theta} \; -\sum_i s_i \log \big( \sigma(\theta_{y_i} - x_i^\top w)
        - \sigma(\theta_{y_i - 1} - x_i^\top w) \big)
        + \frac{\alpha}{2} \sum_j \sigma_j^2 w_j^2
        \quad \text{subject to} \quad \|w\|_0 \le k, \quad
        \theta_1 < \dots < \theta_{K - 1},

    with classes :math:`y_i` in 1, ..., K, :math:`\sigma(t) = 1 / (1 + e^{-t})`,
    :math:`\theta_0 = -\infty`, :math:`\theta_K = \infty`, weights :math:`s_i` that sum
    to one, and :math:`\sigma_j` the standard deviations of the features if they are
    standardised, else one: the probability of a class of at most c is
    :math:`\sigma(\theta_c - x^\top w)`. All classes share the coefficients, of which
    :class:`BestSubsetClassifier` has a row for each class; of two classes it is the
    same model. Thresholds are never penalised.

    Parameters
    ----------
    n_nonzero_coefs : int or array-like of int, default=None
        Number k of features, or numbers to choose from by the criterion; None is all up
        to `max_nonzero_coefs`. With groups, the number of groups.
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
    class_order : array-like of shape (n_classes,), default=None
        Classes from the lowest to the highest; y need not have all of them. None is the
        order of y's categories if it is an ordered categorical of pandas, else that of
        their values.
    class_weight : dict or "balanced", default=None
        Weights of the classes; "balanced" gives all classes the same total weight.
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
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted by their values; the order of columns of probabilities.
    class_order_ : ndarray of shape (n_classes,)
        Classes from the lowest to the highest.
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the precision of X; positive where larger values of the feature
        make higher classes more probable.
    thresholds_ : ndarray of shape (n_classes - 1,)
        Thresholds between the classes, increasing.
    intercept_ : ndarray of shape (n_classes - 1,)
        Their negatives: logarithms of the odds of all classes above, where x = 0.
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
        Largest derivative of the objective, with thresholds at their best, by a
        coefficient of a feature of unit deviation, relative to the mean size of the
        residuals of the null model.
    separated_ : bool
        Whether the chosen features tell some samples' classes without error, so that
        the likelihood has no maximum; then a ridge of 1e-6 was added.
    sizes_ : ndarray of shape (n_sizes,)
        All k of the path.
    loss_ : ndarray of shape (n_sizes,)
        Mean losses along it, without the ridge.
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
    path_intercept_ : ndarray of shape (n_classes - 1, n_sizes)
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
        For one class, for an order that is not that of the classes, and sizes that no
        subset can have.

    Warns
    -----
    UserWarning
        Where more than two classes are strings whose order is not given, where fewer
        features than asked for help, and where `separated_`.
    ConvergenceWarning
        If `stationarity_` is above `tol`.

    See Also
    --------
    BestSubsetClassifier : Classes without an order.
    BestSubsetGLM : Counts and amounts.
    sklearn.linear_model.LogisticRegression : All features, classes without an order.

    Notes
    -----
    Sample weights are frequencies: a weight of k equals k copies of a row, for the
    criterion too, which counts the thresholds as parameters.

    Some tools of scikit-learn number the classes in the order of their values before
    they call `fit`: voting, stacking, bagging, and :func:`cross_val_predict` of
    probabilities. Give them numbers that increase with the classes.

    The search is that of :class:`BestSubsetClassifier`, with the likelihood at the best
    thresholds for every prediction.

    References
    ----------
    McCullagh (1980), doi:10.1111/j.2517-6161.1980.tb01109.x; Zhu, Wen, Zhu, Zhang and
    Wang (2020), doi:10.1073/pnas.2014241117; for generalised linear models
    arXiv:2308.00251; Furnival and Wilson (1974), doi:10.1080/00401706.1974.10489231.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import BestSubsetOrdinal
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 10))
    >>> latent = 2 * X[:, 1] - X[:, 4] + rng.logistic(size=300)
    >>> y = np.array(["bad", "fair", "good"])[np.digitize(latent, [-1.0, 1.0])]
    >>> model = BestSubsetOrdinal(class_order=["bad", "fair", "good"]).fit(X, y)
    >>> model.support_, model.optimal_
    (array([1, 4]), True)
    >>> model.coef_[[1, 4]].round(1), model.thresholds_.round(1)
    (array([ 1.8, -0.7]), array([-1.,  1.]))
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **{k: rule for k, rule in LIKELIHOOD_RULES.items() if k != "fit_intercept"},
        "class_order": ArrayLike | None,
        "class_weight": CLASS_WEIGHT,
    }

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
        feature_groups=None,
        always_select=None,
        alpha=0.0,
        class_order=None,
        class_weight=None,
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
        self.class_order = class_order
        self.class_weight = class_weight
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

    @property
    def thresholds_(self):
        """Thresholds between the classes, increasing."""
        return -self.intercept_

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, offset=None):
        """Find the subsets, choose one, and fit the model to it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, float32 or float64; only chosen columns are ever copied.
        y : array-like of shape (n_samples,)
            Classes: numbers, an ordered categorical of pandas, or whatever
            `class_order` lists.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.
        offset : array-like of shape (n_samples,), default=None
            Known part of ``X @ coef_``; None is zero.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data that are not finite, of wrong shape, complex or empty, for one
            class, for classes out of order, for sizes that no subset can have, and for
            parameters or weights outside their range.
        """
        return self._fit(X, y, sample_weight, groups, offset)

    def decision_function(self, X, offset=None):
        """Logarithms of the odds of the second class, or of all probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        offset : array-like of shape (n_samples,), default=None
            Known part of ``X @ coef_``; None is zero.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``X @ coef_ + offset - thresholds_`` of two classes, negative of that if the
            second one is the lower one; of more, logarithms of their probabilities.
        """
        z = self._linear_prediction(X, offset)
        upwards = self.classes_[-1] == self.class_order_[-1]
        if len(self.classes_) == 2:
            return z + self.intercept_ if upwards else -(z + self.intercept_)
        logs = _log_probabilities(z, self.thresholds_)
        return logs[:, np.argsort(self.class_order_)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of classes that have no order
        return tags

    def _validated(self, X, y, sample_weight, offset=None):
        order = self.class_order
        if order is None:
            order = _categories(y)
        X, columns, sample_weight = super()._validated(X, y, sample_weight, offset)
        if order is None:
            _warn_of_strings(self.classes_)
            self.class_order_ = self.classes_
        else:
            place = _places(self.classes_, order)
            columns[:, 0] = place[columns[:, 0].astype(np.intp)]
            self.class_order_ = self.classes_[np.argsort(place)]
        return X, columns, sample_weight

    def _target(self, y):
        return self.class_order_[y[:, 0].astype(np.intp)]

    def _checked_offset(self, offset, X):
        return check_offset(offset, X)

    def _shift(self, offset, X, z):
        return check_offset(offset, X)

    @property
    def _constant(self):
        return 0.0

    @property
    def _has_intercept(self) -> bool:
        return False

    @property
    def _centres(self) -> bool:
        return True  # thresholds follow

    def _weights(self, y, sample_weight):
        weight = times(sample_weight, y[:, 1])
        return np.ones(len(y)) if weight is None else weight

    def _likelihood(self, y, weight):
        check_present(y[:, 0], weight, self.class_order_)
        offset = self._offset_of(y)
        offset = offset if offset.any() else None
        return OrdinalLikelihood(y[:, 0], len(self.classes_), offset, weight)

    def _fold_losses(self, X, y, problem, found, inside, outside):
        rows = np.flatnonzero(outside > 0.0)
        index, offset = y[rows, 0].astype(np.intp), self._offset_of(y)[rows]
        losses = []
        for point in found.points:
            theta = problem.likelihood.thresholds(point.z)
            z = predictions(X, problem, point, rows)[:, 0] + offset
            logs = _log_probabilities(z, theta)[np.arange(len(rows)), index]
            losses.append(-2.0 * np.average(logs, weights=outside[rows]))
        return np.array(losses)

    def _on_data(self, problem, point):
        slopes, shift = super()._on_data(problem, point)
        return slopes, shift - problem.likelihood.thresholds(point.z)

    def _shaped_path(self, intercepts):
        return intercepts

    def _shaped(self, coef, intercept):
        return coef[0].astype(self._dtype), intercept.astype(self._dtype)


def _log_probabilities(z: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities of all classes, accurate however small."""
    above = theta - z[:, None]
    logs = np.zeros((len(z), len(theta) + 1), above.dtype)
    logs[:, :-1] -= np.logaddexp(0.0, -above)
    logs[:, 1:] -= np.logaddexp(0.0, above)
    gaps = np.maximum(np.diff(theta), np.finfo(theta.dtype).tiny)
    logs[:, 1:-1] += np.log(-np.expm1(-gaps))
    return logs


def _categories(y):
    """Categories that occur in an ordered categorical of pandas, or None."""
    dtype = getattr(y, "dtype", None)
    if not getattr(dtype, "ordered", False):
        return None
    present = set(np.asarray(y).tolist())
    return [label for label in dtype.categories if label in present]


def _places(classes: np.ndarray, order) -> np.ndarray:
    """Where each class is in an order of them and perhaps others."""
    labels = np.asarray(order)
    if labels.ndim != 1 or len(np.unique(labels)) < len(labels):
        raise ValueError(f"class_order must list every class once; got {order!r}.")
    present = set(classes.tolist())
    listed = [label for label in labels.tolist() if label in present]
    place = {label: k for k, label in enumerate(listed)}
    missing = [label for label in classes.tolist() if label not in place]
    if missing:
        hint = ""
        if labels.dtype.kind in "OUT" and classes.dtype.kind in "iu":
            hint = (
                " Where a tool has numbered the classes, give it numbers that increase "
                "with them, and no class_order."
            )
        raise ValueError(
            f"class_order must list all classes of y, {classes.tolist()}; got "
            f"{labels.tolist()}.{hint}"
        )
    return np.array([place[label] for label in classes.tolist()])


def _warn_of_strings(classes: np.ndarray) -> None:
    if len(classes) > 2 and classes.dtype.kind in "OUS":
        warnings.warn(
            f"BestSubsetOrdinal takes the classes {classes.tolist()} in alphabetic "
            "order, from the lowest to the highest. Set class_order if that is not "
            "theirs.",
            UserWarning,
            stacklevel=5,
        )
