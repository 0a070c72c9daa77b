"""Relevance vector classification: kernels at samples, few of which are kept.

After Tipping (2001) and Tipping and Faul (2003): Laplace's approximation around the
most probable coefficients, and the evidence of this quadratic model for the prior
variances.
"""

import warnings
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsestat.bayes._columns import Columns
from sparsestat.bayes._fast import learn_fast, worst_violation
from sparsestat.bayes._fast_workspace import Workspace
from sparsestat.bayes._kernel_basis import KERNEL_RULES, make_basis
from sparsestat.bayes._relevance_vectors import values_at
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Rule,
    Verbosity,
    check_parameters,
    check_sample_weight,
)

__all__ = ["RelevanceVectorClassifier"]

# Newton steps to the most probable coefficients, halvings of one, and its tolerance.
_NEWTON, _HALVINGS, _MODE = 100, 30, 1e-8
# Least curvature of the likelihood of a sample.
_FLAT = 1e-10
# Looks at all kernels between two modes, what is left of a variance that leaves slowly,
# and the number of quadratic models from which on all steps shrink.
_LOOKS, _LEAVE, _LONG = 2, 0.1, 20


class RelevanceVectorClassifier(ClassifierMixin, BaseEstimator):
    r"""Kernel classification in which few samples matter, with honest probabilities.

    Maximises the evidence of the model

    .. math:: P(y_i = 1) = \frac{1}{1 + e^{-f_i}}, \qquad
        f_i = \sum_j k(x_i, x_j) w_j + b, \qquad w_j \sim N(0, g_j)

    over the prior variances :math:`g_j \ge 0`, approximated by Laplace's method: that
    of the quadratic model around the most probable coefficients, whose curvature is
    taken as given. Most variances become zero; samples whose variance does not are the
    relevance vectors. Probabilities are averaged over the posterior of f. Of more than
    two classes, each is told from all others, and probabilities are divided by their
    sum.

    Parameters
    ----------
    kernel : str or callable, default="rbf"
        "rbf", "laplacian", "poly", "polynomial", "sigmoid", "linear", "cosine",
        "precomputed", or a function of two rows.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of "rbf", "laplacian", "poly" and "sigmoid"; "scale" is 1 /
        (n_features * X.var()), "auto" 1 / n_features.
    degree : float, default=3
        Of "poly".
    coef0 : float, default=1
        Constant of "poly" and "sigmoid".
    kernel_params : dict, default=None
        Further arguments of a callable.
    fit_intercept : bool, default=True
        Whether there is an intercept b, under a flat prior.
    max_iter : int, default=200
        Quadratic models at most, for each class.
    tol : float, default=1e-3
        Bound of `stationarity_`.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes.
    relevance_ : ndarray of shape (n_relevance,)
        Which samples are relevance vectors, of any class.
    relevance_vectors_ : {ndarray, sparse matrix} of shape (n_relevance, n_features)
        These; not with ``kernel="precomputed"``.
    dual_coef_ : ndarray of shape (1, n_relevance) or (n_classes, n_relevance)
        Most probable coefficients.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    prior_variance_ : ndarray of shape (1, n_relevance) or (n_classes, n_relevance)
        Prior variances.
    covariances_ : list of ndarray
        Posterior covariances of the coefficients that are not zero, and of the
        intercept at last, where there is one.
    log_evidence_ : ndarray of shape (1,) or (n_classes,)
        Logarithm of the probability of the labels, by Laplace's approximation with a
        flat prior of the intercept.
    stationarity_ : float
        Largest violated condition of a local maximum of the evidence of the quadratic
        model around the most probable coefficients.
    n_iter_ : ndarray of shape (1,) or (n_classes,)
        Quadratic models.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    Raises
    ------
    ValueError
        If X is not finite or of the wrong shape, y has one class; if a parameter is
        outside its range.

    Warns
    -----
    ConvergenceWarning
        If the tolerance is missed.

    See Also
    --------
    RelevanceVectorRegression : Numbers instead of classes.
    sklearn.gaussian_process.GaussianProcessClassifier : Keeps all samples.
    sklearn.svm.SVC : Support vectors, whose margins need calibration.

    References
    ----------
    Tipping (2001), Sparse Bayesian learning and the relevance vector machine; Tipping
    and Faul (2003), Fast marginal likelihood maximisation; MacKay (1992),
    doi:10.1162/neco.1992.4.5.720, for the average over the posterior.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sparsestat.bayes import RelevanceVectorClassifier
    >>> X, y = make_moons(200, noise=0.3, random_state=0)
    >>> model = RelevanceVectorClassifier().fit(X, y)
    >>> len(model.relevance_) < 20, bool(model.score(X, y) > 0.85)
    (True, True)
    """

    _rules: ClassVar[dict[str, Rule]] = {
        **KERNEL_RULES,
        "fit_intercept": Boolean,
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="neither"),
        "verbose": Verbosity,
    }

    def __init__(
        self,
        kernel="rbf",
        *,
        gamma="scale",
        degree=3,
        coef0=1,
        kernel_params=None,
        fit_intercept=True,
        max_iter=200,
        tol=1e-3,
        verbose=0,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.kernel_params = kernel_params
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_samples) with ``kernel="precomputed"``.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; a weight of k equals k copies of the row.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self, X, y, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32]
        )
        check_classification_targets(y)
        weight = check_sample_weight(sample_weight, X)
        weight = np.ones(len(y)) if weight is None else weight
        classes, labels = np.unique(y, return_inverse=True)
        present = np.unique(labels[weight > 0.0])
        if len(present) < 2:
            raise ValueError(
                "y must have at least 2 classes among samples that have weight; got "
                f"one class, {classes[present[0]]}."
            )
        basis = make_basis(self, X, weight)
        rows = weight > 0.0
        values = basis.values if rows.all() else basis.values[rows]
        told = [1] if len(classes) == 2 else range(len(classes))
        fits = [
            learn_classes(
                values, (labels[rows] == c).astype(np.float64), weight[rows], self
            )
            for c in told
        ]
        self._take(X, classes, basis, fits)
        self._report(fits)
        return self

    def _take(self, X, classes, basis, fits) -> None:
        kept = np.flatnonzero(np.any([fit.g > 0.0 for fit in fits], axis=0))
        kept = kept[np.argsort(basis.centres[kept])]
        dtype = X.dtype
        self.classes_, self._gamma = classes, basis.gamma
        self.relevance_ = basis.centres[kept]
        vars(self).pop("relevance_vectors_", None)
        if self.kernel != "precomputed":
            self.relevance_vectors_ = X[self.relevance_]
        self.dual_coef_ = np.array([fit.coef[kept] for fit in fits]).astype(dtype)
        self.intercept_ = np.array([fit.intercept for fit in fits]).astype(dtype)
        self.prior_variance_ = np.array([fit.g[kept] for fit in fits])
        self.covariances_ = []
        for fit in fits:
            position = np.searchsorted(np.flatnonzero(fit.g), kept[fit.g[kept] > 0.0])
            if self.fit_intercept:
                position = np.append(position, len(fit.covariance) - 1)
            self.covariances_.append(fit.covariance[np.ix_(position, position)])
        self.log_evidence_ = np.array([fit.log_evidence for fit in fits])
        self.n_iter_ = np.array([fit.n_iter for fit in fits])
        self.stationarity_ = max(fit.worst for fit in fits)

    def _report(self, fits) -> None:
        name = type(self).__name__
        if self.verbose:
            print(
                f"{name}: {self.n_iter_.max()} iterations, {len(self.relevance_)} "
                f"relevance vectors, stationarity_ {self.stationarity_:.1e} "
                f"(asked {self.tol:.1e})"
            )
        if self.stationarity_ > self.tol:
            warnings.warn(
                f"{name} did not reach its tolerance: stationarity_ is "
                f"{self.stationarity_:.3e} after {self.n_iter_.max()} iterations, "
                f"asked were {self.tol:.3e}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _values(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32],
            reset=False,
        )  # fmt: skip
        return values_at(self, X)

    def decision_function(self, X):
        """Values of f, most probable ones over the growth of their deviation.

        Their logistic functions are the probabilities, of several classes before these
        are divided by their sum.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_fitted) with ``kernel="precomputed"``.

        Returns
        -------
        f : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of the second of two classes, or of each class.
        """
        values = self._values(X)
        f = values @ self.dual_coef_.T + self.intercept_
        for c, covariance in enumerate(self.covariances_):
            A = values[:, self.prior_variance_[c] > 0.0].astype(np.float64)
            if self.fit_intercept:
                A = np.column_stack([A, np.ones(len(A))])
            variance = np.maximum(((A @ covariance) * A).sum(axis=1), 0.0)
            f[:, c] /= np.sqrt(1.0 + np.pi / 8.0 * variance)
        return f[:, 0] if len(self.classes_) == 2 else f

    def predict_proba(self, X):
        """Probabilities of the classes, averaged over the posterior.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_fitted) with ``kernel="precomputed"``.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        f = self.decision_function(X)
        if f.ndim == 1:
            return np.column_stack([expit(-f), expit(f)])
        # Relative to the largest, as all may be tiny.
        logs = log_expit(f)
        p = np.exp(logs - logs.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Most probable classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; (n_samples, n_fitted) with ``kernel="precomputed"``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        f = self.decision_function(X)
        if f.ndim == 1:
            return self.classes_[(f > 0.0).astype(int)]
        return self.classes_[f.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


class ClassFit(NamedTuple):
    """One class told from the others.

    Parameters
    ----------
    g, coef : ndarray of shape (n_centres,)
        Prior variances and most probable coefficients.
    intercept : float
        Intercept.
    covariance : ndarray
        Posterior covariance of what is not zero, the intercept last.
    log_evidence : float
        By Laplace's approximation.
    worst : float
        Largest violated condition.
    n_iter : int
        Quadratic models.
    """

    g: np.ndarray
    coef: np.ndarray
    intercept: float
    covariance: np.ndarray
    log_evidence: float
    worst: float
    n_iter: int


def learn_classes(values, target, weight, model) -> ClassFit:
    """Alternate between the mode and the prior variances of the model around it."""
    n, with_intercept = values.shape[1], model.fit_intercept
    g, kept, pace = np.zeros(n), np.zeros(0, dtype=np.int64), _Pace(n)
    x = np.zeros(int(with_intercept))
    for n_iter in range(1, model.max_iter + 1):
        A = values[:, kept].astype(np.float64)
        if with_intercept:
            A = np.column_stack([A, np.ones(len(A))])
        mode = find_mode(A, target, weight, g[kept], x)
        x = mode.x
        work = _quadratic(values, A @ x, target, weight, with_intercept)
        if len(kept):
            work.add(kept, g[kept])
        worst = worst_violation(work, 1.0, model.tol)
        if worst <= model.tol or n_iter == model.max_iter:
            break
        fit = learn_fast(
            work, 1.0, fixed_noise=True, noise_floor=0.0, max_iter=_LOOKS, tol=model.tol
        )
        g = pace(g, fit.g, work.energy, model.tol)
        kept = np.flatnonzero(g)
        start = fit.mean[kept, 0]
        x = np.append(start, x[-1]) if with_intercept else start
    coef = np.zeros(n)
    coef[kept] = x[: len(kept)]
    prior = 0.5 * (coef[kept] ** 2 / g[kept] + np.log(g[kept])).sum()
    flat = 0.5 * np.log(2.0 * np.pi) if with_intercept else 0.0
    evidence = mode.value - prior + mode.half_log_det + flat
    intercept = float(x[-1]) if with_intercept else 0.0
    return ClassFit(
        g, coef, intercept, mode.covariance, float(evidence), float(worst), n_iter
    )


class _Pace:
    """How far each variance goes: steps that turn back shrink, others grow again.

    Whole steps may go round in circles, as the curvature moves.
    """

    def __init__(self, n: int) -> None:
        self.share, self.last, self.n_calls = np.ones(n), np.zeros(n), 0

    def __call__(self, before, after, energy, tol: float) -> np.ndarray:
        turn = np.sign(after - before)
        same = turn * self.last
        self.share[same < 0.0] *= 0.5
        self.share[same > 0.0] = np.minimum(1.5 * self.share[same > 0.0], 1.0)
        self.last, self.n_calls = (
            np.where(turn == 0.0, self.last, turn),
            self.n_calls + 1,
        )
        share = np.minimum(self.share, _LONG / max(self.n_calls, _LONG))
        g = before ** (1.0 - share) * after**share
        enters, leaves = (
            (before == 0.0) & (after > 0.0),
            (before > 0.0) & (after == 0.0),
        )
        g[enters] = (share * after)[enters]
        g[leaves] = (_LEAVE**share * before)[leaves]
        g[leaves & ((share == 1.0) | (g * energy < tol))] = 0.0
        return g


class Mode(NamedTuple):
    """Most probable coefficients, the likelihood and the covariance around these."""

    x: np.ndarray
    value: float
    covariance: np.ndarray
    half_log_det: float


def find_mode(A, target, weight, g, x) -> Mode:
    """Newton's method; coefficients beyond those of `g` have a flat prior."""
    precision = np.zeros(A.shape[1])
    precision[: len(g)] = 1.0 / g
    sign = 2.0 * target - 1.0

    def value(x):
        likelihood = weight @ log_expit(sign * (A @ x))
        return likelihood - 0.5 * precision @ x**2

    now = value(x)
    if not now > value(np.zeros_like(x)):
        x, now = np.zeros_like(x), value(np.zeros_like(x))
    for _ in range(_NEWTON):
        p = expit(A @ x)
        slope = A.T @ (weight * (target - p)) - precision * x
        B = np.maximum(weight * p * (1.0 - p), _FLAT)
        factor, covariance = _inverse((A.T * B) @ A, precision)
        step = covariance @ slope
        decrement = slope @ step
        if decrement <= _MODE**2 * (1.0 + abs(now)):
            break
        size = 1.0
        for _ in range(_HALVINGS):
            if value(x + size * step) > now:
                break
            size *= 0.5
        else:
            break
        x = x + size * step
        now = value(x)
    likelihood = weight @ log_expit(sign * (A @ x))
    return Mode(x, float(likelihood), covariance, factor)


def _inverse(hessian, precision) -> tuple[float, np.ndarray]:
    """Half the logarithm of the determinant of the inverse, and the inverse.

    Scaled by the roots of the prior variances, so that tiny ones do no harm.
    """
    root = np.where(
        precision > 0.0, 1.0 / np.sqrt(np.where(precision > 0, precision, 1)), 1
    )
    scaled = root[:, None] * hessian * root
    scaled.flat[:: len(root) + 1] += np.where(precision > 0.0, 1.0, 0.0)
    if not len(root):
        return 0.0, scaled
    scaled.flat[:: len(root) + 1] *= 1.0 + 1e-14
    factor = cho_factor(scaled, lower=True)
    inverse = cho_solve(factor, np.eye(len(root)))
    half = np.log(root).sum() - np.log(factor[0].diagonal()).sum()
    return float(half), root[:, None] * inverse * root


def _quadratic(values, f, target, weight, with_intercept: bool) -> Workspace:
    """The model around f as least squares with noise of variance one."""
    p = expit(f)
    B = np.maximum(weight * p * (1.0 - p), _FLAT)
    z = f + weight * (target - p) / B
    mean = None
    if with_intercept:
        share = B / B.sum()
        mean, z = share @ values, z - share @ z
    root = np.sqrt(B)
    return Workspace(Columns(values, mean, root), (root * z)[:, None], len(z))
