"""Second moments of the data of a fit and of its folds, for best subsets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import Dense, Design, make_design
from sparsestat.optim.moments import (
    Moments,
    downdated_gram,
    keeps_spread,
    moments_of_rows,
)
from sparsestat.optim.subset import (
    MatrixSource,
    SubsetPath,
    SubsetProblem,
    problem_of_design,
)

__all__ = ["SubsetMoments"]

# The whole Gram matrix is formed at once up to this many features, dense and sparse.
_WHOLE_GRAM, _WHOLE_SPARSE = 4000, 600
# Numbers of the Gram matrices of all folds that are held at the same time.
_MOST_NUMBERS = 1 << 25


class SubsetMoments(NamedTuple):
    """Data of a fit as a design, and their second moments.

    Parameters
    ----------
    design : Dense or CSC
    target : ndarray of shape (n_samples, n_targets)
        About `target_mean`.
    target_mean : ndarray of shape (n_targets,)
    weight : ndarray of shape (n_samples,)
        Summing to one.
    problem : SubsetProblem
    parts : sequence of Moments
        Of the samples that each fold leaves out, if they were taken.
    whole : Moments or None
        Of all samples, if the parts were taken.
    """

    design: Design
    target: np.ndarray
    target_mean: np.ndarray
    weight: np.ndarray
    problem: SubsetProblem
    parts: Sequence[Moments] = ()
    whole: Moments | None = None

    @classmethod
    def of(cls, model, X, y, weight, training: Sequence = (), gram=None):
        """Moments of data, and of the samples left out of some training sets.

        Parameters
        ----------
        model : SubsetModel
        X : ndarray or sparse matrix of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        weight : ndarray of shape (n_samples,)
        training : sequence of array-like, default=()
            Indices of the samples of each training set.
        gram : callable, default=None
            Gives the Gram matrix of a design and weights, if it is known better.
        """
        share = weight / weight.sum()
        design = make_design(
            X,
            sample_weight=share,
            fit_intercept=model.fit_intercept,
            standardize=model.standardize,
        )
        targets = y.reshape(len(y), -1)
        target_mean = np.zeros(targets.shape[1])
        if model.fit_intercept:
            target_mean = share @ targets
        target = targets - target_mean
        p, n = X.shape[1], len(y)
        most = _WHOLE_SPARSE if sparse.issparse(X) else _WHOLE_GRAM
        whole, parts, total = gram is None and p <= min(n, most), [], None
        if whole and isinstance(design, Dense):
            parts = _parts(design, target, share, training)
        if parts:
            total = sum(parts[1:], parts[0])
        # Standardised designs have unit variances, so that the ridge is the same.
        problem = problem_of_design(
            design, target, share, weight.sum(), model.alpha, whole=whole and not parts
        )
        if total is not None:
            problem = problem._replace(source=MatrixSource(total.gram))
        if gram is not None:
            problem = problem._replace(source=MatrixSource(gram(design, share)))
        return cls(design, target, target_mean, share, problem, parts, total)

    @property
    def finite(self) -> bool:
        """Whether all moments are, as only those of finite data can be."""
        moments = self.problem.diagonal, self.problem.linear
        return all(bool(np.isfinite(array).all()) for array in moments)

    def fold(self, model, weight: np.ndarray, k: int) -> "SubsetMoments":
        """The moments of the k-th training set, from those of all less the others."""
        if self.whole is not None:
            fold = self._less(model, weight, self.parts[k])
            if fold is not None:
                return fold
        source, X = self.problem.source, self._data()
        y = self.target + self.target_mean
        if not isinstance(source, MatrixSource):
            return SubsetMoments.of(model, X, y, weight)

        def gram(design, share):
            return downdated_gram(
                source.matrix, self.design, self.weight, design, share
            )

        return SubsetMoments.of(model, X, y, weight, gram=gram)

    def _less(self, model, weight, part: Moments) -> "SubsetMoments | None":
        """All moments from differences, unless these lose more than a digit."""
        left, design = self.whole.without(part, model.fit_intercept), self.design
        if not keeps_spread(left.gram, self.whole.gram, design.norm != 0.0):
            return None
        variance = np.where(design.norm != 0.0, left.gram.diagonal(), 0.0)
        scale = np.ones_like(variance)
        if model.standardize:
            scale = np.where(variance > 0.0, np.sqrt(variance), 1.0)
            left.gram[:] /= np.outer(scale, scale)
        mean, target_mean = design.mean, self.target_mean
        if model.fit_intercept:
            mean = mean + design.scale * left.mean
            target_mean = target_mean + left.target
        design = design._replace(
            mean=mean, scale=design.scale * scale, norm=np.sqrt(variance) / scale
        )
        problem = SubsetProblem(
            MatrixSource(left.gram),
            left.linear / scale,
            design.norm**2,
            left.squares,
            float(weight.sum()),
            self.problem.ridge,
        )
        target = self.target + (self.target_mean - target_mean)
        share = weight / weight.sum()
        return SubsetMoments(design, target, target_mean, share, problem)

    def refit(self, support: np.ndarray) -> np.ndarray:
        """Least squares on the columns of a support, by an orthogonal factorisation."""
        varies = self.problem.diagonal[support] > 0.0
        used, root = support[varies], np.sqrt(self.weight)[:, None]
        columns, target = root * self._columns(used), root * self.target
        ridge = self.problem.ridge[used]
        if ridge.any():
            columns = np.vstack([columns, np.diag(np.sqrt(ridge))])
            target = np.vstack([target, np.zeros((len(used), target.shape[1]))])
        coef = np.zeros((target.shape[1], len(support)))
        coef[:, varies] = np.linalg.lstsq(columns, target, rcond=1e-10)[0].T
        return coef

    def errors(self, y, test, held, path: SubsetPath) -> np.ndarray:
        """Mean squared errors of the solutions of a path on some rows."""
        used = np.unique(np.concatenate([np.array([], np.int64), *path.supports]))
        truth = y.reshape(len(y), -1)[test] - self.target_mean
        coefs = np.zeros((len(path.supports), truth.shape[1], len(used)))
        for k, (A, b) in enumerate(zip(path.supports, path.coefs, strict=True)):
            coefs[k][:, np.searchsorted(used, A)] = b
        left = self._columns(used, test) @ coefs.reshape(-1, len(used)).T
        left = left.reshape(len(truth), len(coefs), -1) - truth[:, None]
        return held @ (left**2).mean(axis=2) / held.sum()

    def _data(self):
        design = self.design
        if isinstance(design, Dense):
            return design.X
        shape = (design.n_samples, len(design.mean))
        return sparse.csc_array((design.data, design.indices, design.indptr), shape)

    def _columns(self, features, rows=slice(None)) -> np.ndarray:
        X = self._data()[:, features]
        X = X.toarray() if sparse.issparse(X) else X
        X = X[rows].astype(np.float64) - self.design.mean[features]
        return X / self.design.scale[features]


def _parts(design: Dense, target, share, training: Sequence) -> list[Moments]:
    """Moments of what each training set leaves out, and of samples that none does.

    Empty where they overlap, do not fit into memory, or are most of the samples.
    """
    n, p = design.X.shape
    if not training or (1 + len(training)) * p**2 > _MOST_NUMBERS:
        return []
    taken, parts = np.zeros(n, np.int64), []
    for train in training:
        left_out = np.ones(n, np.bool_)
        left_out[np.arange(n)[train]] = False
        taken += left_out
        parts.append(np.flatnonzero(left_out))
    if taken.max(initial=0) > 1 or max(2 * len(rows) for rows in parts) > n:
        return []
    rest = np.flatnonzero(taken == 0)
    if len(rest):
        parts.append(rest)
    return [moments_of_rows(design, target, share, rows) for rows in parts]
