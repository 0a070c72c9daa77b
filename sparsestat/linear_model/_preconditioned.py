"""The Lasso after a change of basis, and whether that helps.

Puffer after Jia and Rohe (2015), deflation after Kneip and Sarda (2011); that a
preconditioner can make sparse regression easy after Chandrasekaran, Meka and
Stavropoulos (2025), arXiv:2511.06211.
"""

from collections.abc import Callable
from math import inf
from typing import Any, ClassVar, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from sparsestat.linear_model._base import TAIL, warn_unless_converged
from sparsestat.linear_model._path import GRID
from sparsestat.linear_model._routing import CrossValidated
from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.path import path
from sparsestat.optim.penalties import L1
from sparsestat.optim.solution import PathSolution
from sparsestat.utils.validation import (
    Interval,
    OneOf,
    Rule,
    Splitter,
    check_parameters,
    check_sample_weight,
)

__all__ = ["PreconditionedLasso"]

_NAMES = ("none", "puffer", "deflate", "difference")
_MOST_DIRECTIONS = 10
# Singular values, and eigenvalues of Gram matrices, below these shares are rounding.
_ROUNDING, _GRAM_ROUNDING = 1e-10, 1e-12


class PreconditionedLasso(CrossValidated, RegressorMixin, BaseEstimator):
    r"""Lasso in another basis, which cross-validation compares with the Lasso itself.

    Minimises over v, for each of a path of strengths,

    .. math::
        \tfrac12 \| F (\tilde y - \tilde X B v) \|_S^2 + \alpha \sum_j u_j |v_j|,
        \qquad w = B v + V_q c,

    with data centred by the weights S of the samples. F and B are the preconditioner:

    - "none": the Lasso.
    - "puffer": F = U D^-1 U' from the singular value decomposition X = U D V', so that
      all directions of X weigh the same, scaled to keep the size of X. It undoes
      correlation and magnifies noise in weak directions.
    - "deflate": F projects the q strongest directions out, whose coefficients c are
      least squares without a penalty; prices u_j are the shares that F leaves of the
      norms of columns.
    - "difference": B sums up, so that v are the differences of w along the columns.

    Where columns share strong factors or an order these may help. The Lasso at its best
    strength is hard to beat even there: look at `mse_path_` before you believe so.

    Parameters
    ----------
    preconditioner : {"auto", "none", "puffer", "deflate", "difference"}, default="auto"
        "auto" is the one with the smallest mean squared error in cross-validation.
    n_directions : int or "auto", default="auto"
        Directions q that "deflate" takes out; "auto" ends at the largest ratio of
        successive eigenvalues, among the first ten.
    floor : float, default=0.1
        Singular values below this share of the largest count as that share for
        "puffer", in (0, 1]; 1 is the Lasso.
    eps : float, default=None
        Length of the default grids, smallest over largest strength; None is 1e-4 if
        n_samples > n_features, else 1e-3.
    alphas : int or array-like of shape (n_alphas,), default=50
        Strengths, or how many on a grid for each preconditioner.
    cv : int, splitter or iterable, default=None
        Folds; None is 5 of them. Preconditioners are computed anew on each.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    tol : float, default=1e-6
        Bound of each duality gap, relative to the objective at v = 0.
    n_jobs : int, default=None
        Threads over preconditioners and folds; the result does not depend on it.

    Attributes
    ----------
    preconditioner_ : str
        The chosen one.
    alpha_ : float
        Chosen strength, in units of its own problem.
    preconditioners_ : list of str
        Those compared.
    alphas_ : ndarray of shape (n_preconditioners, n_alphas)
        Strengths tried, decreasing.
    mse_path_ : ndarray of shape (n_preconditioners, n_alphas, n_folds)
        Mean squared errors on held-out samples.
    coef_ : ndarray of shape (n_features,)
        Coefficients w, in the precision of X; dense where c or a sum enters.
    intercept_ : float
        Intercept.
    basis_coef_ : ndarray of shape (n_features,)
        The sparse v, in double precision.
    directions_ : ndarray of shape (n_directions, n_features)
        Rows of V_q', none unless "deflate" was chosen.
    objective_ : float
        Objective at `basis_coef_`, but for what no v can change.
    dual_gap_ : float
        Duality gap at `basis_coef_`, a bound of its distance to the optimum.
    dual_gap_tol_ : float
        Bound that was asked for.
    n_iter_ : int
        Outer rounds of the path on all data.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    LassoCV : Without a change of basis, and faster.
    FusedLasso : Differences along the columns, their level free of charge.
    sklearn.linear_model.LassoCV : The counterpart of "none".

    Notes
    -----
    A preconditioned sparse matrix is not sparse: with a sparse X "none" keeps it so,
    while "puffer" and "deflate" form dense matrices of shape (min(n_samples,
    n_features), n_features) from its Gram matrix. "difference" is for dense X, and
    "auto" leaves it out otherwise.

    References
    ----------
    Jia and Rohe (2015), doi:10.1214/15-EJS1029; Kneip and Sarda (2011),
    doi:10.1214/11-AOS905; Ahn and Horenstein (2013), doi:10.3982/ECTA8968, for the
    number of directions; Chandrasekaran, Meka and Stavropoulos (2025),
    arXiv:2511.06211, for the theory of preconditioning.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import PreconditionedLasso
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 30))
    >>> y = X[:, 10:20].sum(axis=1) + 0.1 * rng.standard_normal(60)
    >>> PreconditionedLasso(alphas=20).fit(X, y).preconditioner_
    'difference'
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "preconditioner": OneOf("auto", *_NAMES),
        "n_directions": OneOf("auto") | Interval(1, inf, closed="left", integer=True),
        "floor": Interval(0, 1, closed="right"),
        **GRID,
        "cv": Splitter,
        **{name: TAIL[name] for name in ("fit_intercept", "max_iter", "tol", "n_jobs")},
    }
    scoring: ClassVar[None] = None  # held-out errors are squares

    def __init__(
        self,
        preconditioner="auto",
        *,
        n_directions="auto",
        floor=0.1,
        eps=None,
        alphas=50,
        cv=None,
        fit_intercept=True,
        max_iter=100,
        tol=1e-6,
        n_jobs=None,
    ):
        self.preconditioner = preconditioner
        self.n_directions = n_directions
        self.floor = floor
        self.eps = eps
        self.alphas = alphas
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Compare preconditioners and strengths, keep the best.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, for the fits and the errors.
        groups : array-like of shape (n_samples,), default=None
            Groups of samples, for the splitter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For data, parameters or weights outside their range.
        """
        check_parameters(self, self._rules)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csc",
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        dtype = X.dtype
        X, y = X.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
        weight = check_sample_weight(sample_weight, X)
        weight = np.ones(len(y)) if weight is None else weight
        names = self._names(X)
        eps = self.eps
        if eps is None:
            eps = 1e-4 if np.count_nonzero(weight) > X.shape[1] else 1e-3
        for_split, _ = self._route(sample_weight, groups)
        folds = list(check_cv(self.cv).split(X, y, **for_split))
        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with threadpool_limits(limits=1, user_api="blas"):
            run = Parallel(n_jobs=self.n_jobs, require="sharedmem")
            pairs = run(
                delayed(self._on_all)(name, X, y, weight, eps) for name in names
            )
            bases, found = zip(*pairs, strict=True)
            columns = run(
                delayed(self._errors)(name, X, y, weight, k, fold, path.alphas)
                for name, path in zip(names, found, strict=True)
                for k, fold in enumerate(folds)
            )
        shape = len(names), len(folds), len(found[0].alphas)
        errors = np.array(columns).reshape(shape).transpose(0, 2, 1)
        best, at = np.unravel_index(int(errors.mean(axis=2).argmin()), errors.shape[:2])
        basis, solution = bases[best], found[best]
        coef = basis.restore(solution.coefs[:, [at]]).ravel()
        self.preconditioner_, self.preconditioners_ = names[best], names
        self.alphas_ = np.array([one.alphas for one in found])
        self.alpha_, self.mse_path_ = float(solution.alphas[at]), errors
        self.coef_ = coef.astype(dtype)
        self.intercept_ = float(basis.level - basis.mean @ coef)
        self.basis_coef_ = solution.coefs[:, [at]].toarray().ravel()
        self.directions_ = basis.directions
        self.objective_ = float(solution.objectives[at])
        self.dual_gap_ = float(solution.gaps[at])
        self.dual_gap_tol_ = 0.5 * float(basis.target @ basis.target) * self.tol
        self.n_iter_ = int(solution.n_iters.sum())
        if not solution.converged[at]:
            warn_unless_converged(self, self.alpha_, self.dual_gap_, self.dual_gap_tol_)
        return self

    def predict(self, X):
        """Predict the target: ``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc", "coo"),
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return X @ self.coef_ + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _names(self, X) -> list[str]:
        """The preconditioners to compare."""
        if self.preconditioner == "difference" and sparse.issparse(X):
            raise ValueError(
                "preconditioner must not be 'difference' with a sparse X, whose sums "
                "along the columns are dense; got 'difference'."
            )
        if self.preconditioner != "auto":
            return [self.preconditioner]
        return [n for n in _NAMES if n != "difference" or not sparse.issparse(X)]

    def _on_all(self, name: str, X, y, weight, eps: float):
        """The problem on all samples, and its path."""
        basis = self._basis(name, X, y, weight)
        return basis, self._path(basis, _grid(basis, self.alphas, eps))

    def _errors(self, name: str, X, y, weight, k: int, fold, alphas) -> np.ndarray:
        """Mean squared errors of a path on the held-out samples of a fold."""
        train, test = fold
        total = weight[test].sum()
        if not total > 0.0:
            raise ValueError(f"Fold {k} of cv holds no sample of weight > 0.")
        basis = self._basis(name, X[train], y[train], weight[train])
        coefs = basis.restore(self._path(basis, alphas).coefs)
        fitted = X[test] @ coefs + (basis.level - basis.mean @ coefs)
        rest = y[test][:, None] - fitted
        return weight[test] @ rest**2 / total

    def _basis(self, name: str, X, y, weight) -> "_Basis":
        """The problem that a preconditioner makes of samples."""
        if not weight.sum() > 0.0:
            raise ValueError("A training fold of cv holds no sample of weight > 0.")
        share = weight / weight.sum()
        mean, level = np.zeros(X.shape[1]), 0.0
        if self.fit_intercept:
            mean, level = X.T @ share, float(share @ y)
        centred = _Centred(X, share, mean, y - level)
        price, directions = np.ones(X.shape[1]), np.empty((0, X.shape[1]))
        rows, target, restore = centred, centred.target, _identity
        if name == "puffer":
            rows, target = _puffer(centred, self.floor)
        elif name == "deflate":
            rows, target, price, directions, restore = _deflate(
                centred, self.n_directions
            )
        elif name == "difference":
            rows = np.cumsum(centred.dense()[:, ::-1], axis=1)[:, ::-1]
            restore = _cumulated
        return _Basis(rows, target, price, directions, restore, mean, level)

    def _path(self, basis: "_Basis", alphas: np.ndarray) -> PathSolution:
        options = {"alphas": alphas, "tol": self.tol, "max_iter": self.max_iter}
        if isinstance(basis.rows, _Centred):
            rows = basis.rows
            return path(
                rows.X,
                rows.y,
                Quadratic(),
                L1(1.0),
                sample_weight=rows.share,
                fit_intercept=bool(self.fit_intercept),
                **options,
            )
        scale = np.sqrt(len(basis.target))  # the engine takes means over rows
        return path(
            np.asfortranarray(scale * basis.rows),
            scale * basis.target,
            Quadratic(),
            L1(1.0, basis.price),
            fit_intercept=False,
            **options,
        )


class _Centred(NamedTuple):
    """Samples less their means, times the roots of their shares; X stays as it is."""

    X: Any
    share: np.ndarray
    mean: np.ndarray
    y: np.ndarray

    @property
    def target(self) -> np.ndarray:
        return np.sqrt(self.share) * self.y

    @property
    def correlations(self) -> np.ndarray:
        """Products of the columns with the target."""
        weighted = self.share * self.y
        return self.X.T @ weighted - weighted.sum() * self.mean

    def dense(self) -> np.ndarray:
        """The rows, of a dense X."""
        return np.sqrt(self.share)[:, None] * (self.X - self.mean)

    def decompose(self):
        """Singular values but rounding, right vectors, the target in the left ones."""
        if not sparse.issparse(self.X):
            left, size, right = np.linalg.svd(self.dense(), full_matrices=False)
            kept = size > _ROUNDING * size.max(initial=0.0)
            return size[kept], right[kept], left[:, kept].T @ self.target
        n, p = self.X.shape
        root = np.sqrt(self.share)
        if n <= p:
            scaled = self.X.multiply(root[:, None]).tocsr()
            onto = root * (self.X @ self.mean)
            gram = (scaled @ scaled.T).toarray()
            gram -= np.outer(onto, root) + np.outer(root, onto)
            gram += (self.mean @ self.mean) * np.outer(root, root)
            size, left = _roots(gram)
            right = (scaled.T @ left - np.outer(self.mean, root @ left)).T
            return size, right / size[:, None], left.T @ self.target
        weighted = self.X.multiply(self.share[:, None]).tocsc()
        total = np.asarray(weighted.sum(axis=0)).ravel()
        gram = (self.X.T @ weighted).toarray()
        gram -= np.outer(self.mean, total) + np.outer(total, self.mean)
        gram += self.share.sum() * np.outer(self.mean, self.mean)
        size, right = _roots(gram)
        return size, right.T, (right.T @ self.correlations) / size


class _Basis(NamedTuple):
    """A Lasso problem, the way back to coefficients of X, and what was taken off."""

    rows: Any
    target: np.ndarray
    price: np.ndarray
    directions: np.ndarray
    restore: Callable
    mean: np.ndarray
    level: float


def _grid(basis: _Basis, alphas, eps: float) -> np.ndarray:
    """All strengths of a grid, so that preconditioners have the same number."""
    if not np.isscalar(alphas):
        return np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    rows = basis.rows
    centred = isinstance(rows, _Centred)
    size = np.abs(rows.correlations if centred else rows.T @ basis.target)
    # Prices are infinite for columns that are gone.
    top = float((size / basis.price).max())
    return np.geomspace(1.0, eps, int(alphas)) * (top if top > 0.0 else eps)


def _identity(coefs) -> np.ndarray:
    return coefs.toarray()


def _cumulated(coefs) -> np.ndarray:
    return np.cumsum(coefs.toarray(), axis=0)


def _roots(gram: np.ndarray):
    """Roots of the eigenvalues of a Gram matrix but rounding, and their vectors."""
    values, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(values > _GRAM_ROUNDING * values.max(initial=0.0))[::-1]
    return np.sqrt(values[kept]), vectors[:, kept]


def _puffer(centred: _Centred, floor: float):
    """Rows and target in the directions of X, their sizes equalised."""
    size, right, onto = centred.decompose()
    if len(size) == 0:
        return np.zeros((1, len(centred.mean))), np.zeros(1)
    gain = 1.0 / np.maximum(size, floor * size[0])
    gain *= np.sqrt((size @ size) / np.sum((gain * size) ** 2))
    return (gain * size)[:, None] * right, gain * onto


def _deflate(centred: _Centred, n_directions):
    """The problem without its strongest directions, which cost nothing."""
    size, right, onto = centred.decompose()
    p = len(centred.mean)
    if len(size) == 0:
        return np.zeros((1, p)), np.zeros(1), np.ones(p), right, _identity
    q = min(_n_factors(size) if n_directions == "auto" else n_directions, len(size))
    norm = np.sqrt(size**2 @ right**2)
    kept, rest_onto = size[q:, None] * right[q:], onto[q:]
    if q == len(size):
        kept, rest_onto = np.zeros((1, p)), np.zeros(1)
    rest = np.sqrt((kept**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where(rest > _ROUNDING * norm, rest / norm, inf)
    strong, directions = size[:q, None] * right[:q], right[:q]
    wanted = onto[:q]

    def restore(coefs) -> np.ndarray:
        v = coefs.toarray()
        return v + directions.T @ ((wanted[:, None] - strong @ v) / size[:q, None])

    return kept, rest_onto, price, directions, restore


def _n_factors(size: np.ndarray) -> int:
    """Where the ratio of successive eigenvalues is largest: Ahn and Horenstein."""
    most = min(max(len(size) // 2, 1), _MOST_DIRECTIONS, len(size) - 1)
    if most < 1:
        return 1
    return 1 + int(np.argmax(size[:most] / size[1 : most + 1]))
