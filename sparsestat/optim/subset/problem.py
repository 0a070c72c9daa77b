"""The best-subset problem of least squares, in second moments alone.

    minimise over b   v/2 - c.T b + b.T (G + D) b / 2   with at most s nonzeros in b

with G = sum_i w_i x_i x_i.T, c = sum_i w_i x_i y_i and v = sum_i w_i y_i^2 of centred
data and weights that sum to one; D is a diagonal of ridge penalties.  Searches read
blocks of G from a source, so that no more of it is formed than they look at, be the
data on this machine or in shards elsewhere.
"""

from typing import NamedTuple, Protocol

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from sparsestat.optim.cholesky import PIVOT
from sparsestat.optim.design import Dense, Design, columns, correlate, with_norms
from sparsestat.optim.moments import gram_block, gram_matrix
from sparsestat.utils.dispatch import kernel

__all__ = [
    "GramSource",
    "MatrixSource",
    "SubsetProblem",
    "make_problem",
    "problem_of_design",
    "solve_moments",
]

# Means up to this many standard deviations lose no more than three digits.
_LARGEST_OFFSET = 1e3
# Columns that are copied at a time for the blocks of groups.
_COLUMNS = 128


class GramSource(Protocol):
    """Where blocks of G come from; they are not written to."""

    def block(self, rows: np.ndarray, cols: np.ndarray | None = None) -> np.ndarray:
        """Return G[rows][:, cols] in float64, all columns for None.

        Callers ask for all that they need in one call, for each may be a round of
        communication, and keep what they got.
        """
        ...


class SubsetProblem(NamedTuple):
    """Second moments of a regression, with a source of the Gram matrix.

    The units of the features are free; coefficients come in the same units.

    Parameters
    ----------
    source : GramSource
        Serves blocks of G, without the ridge.
    linear : ndarray of shape (n_targets, n_features)
        c, a row for each target.
    diagonal : ndarray of shape (n_features,)
        Of G, without the ridge; zero for constant features, which are never chosen.
    variance : float
        v, summed over targets.
    n_samples : float
        Number of samples or sum of frequency weights, for criteria and limits.
    ridge : ndarray of shape (n_features,)
        D, zeros for none.
    """

    source: GramSource
    linear: np.ndarray
    diagonal: np.ndarray
    variance: float
    n_samples: float
    ridge: np.ndarray

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.linear.shape[1]

    def without_rounding(self) -> "SubsetProblem":
        """The same with all moments of constant features zero, as their variances."""
        idle = self.diagonal <= 0.0
        if not idle.any():
            return self
        linear = np.where(idle, 0.0, self.linear)
        return self._replace(linear=linear, source=ZeroedSource(self.source, idle))

    def gram(self, features: np.ndarray) -> np.ndarray:
        """G + D of some features, of shape (n, n) for n features."""
        block = self.source.block(features, features)
        ridge = self.ridge[features]
        if ridge.any():
            block = np.array(block)
            block.flat[:: len(block) + 1] += ridge
        return block

    def fill_rows(self, features: np.ndarray, out: np.ndarray) -> None:
        """Set `out`, of shape (n, n_features), to the rows of G of n features."""
        if hasattr(self.source, "fill_rows"):
            self.source.fill_rows(features, out)
        else:
            out[:] = self.source.block(features)

    def blocks(self, groups: np.ndarray) -> np.ndarray:
        """G + D of each of several groups of features.

        Parameters
        ----------
        groups : ndarray of shape (n_groups, size)

        Returns
        -------
        blocks : ndarray of shape (n_groups, size, size)
        """
        if hasattr(self.source, "blocks"):
            blocks = self.source.blocks(groups)
        else:
            blocks = np.array([self.source.block(group, group) for group in groups])
        corner = np.arange(groups.shape[1])
        blocks[:, corner, corner] += self.ridge[groups]
        return blocks


class MatrixSource:
    """A Gram matrix that is there as a whole.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
        Symmetric.
    """

    def __init__(self, gram: np.ndarray) -> None:
        self.matrix = gram

    def block(self, rows, cols=None):
        """Return G[rows][:, cols]."""
        if cols is None:
            return self.matrix[rows]
        p = len(self.matrix)
        if len(rows) == len(cols) == p and (np.diff(rows) == 1).all():
            if cols is rows or (np.diff(cols) == 1).all():
                return self.matrix
        return self.matrix[rows[:, None], cols]


class ZeroedSource:
    """A source with zeros for some features, whose moments are but rounding.

    Parameters
    ----------
    source : GramSource
    idle : ndarray of shape (n_features,), bool
    """

    def __init__(self, source: GramSource, idle: np.ndarray) -> None:
        self.source, self.idle = source, idle

    def block(self, rows, cols=None):
        """Return G[rows][:, cols]."""
        block = np.array(self.source.block(rows, cols))
        block[self.idle[rows]] = 0.0
        block[:, self.idle if cols is None else self.idle[cols]] = 0.0
        return block


class DesignSource:
    """Blocks computed from a design when they are asked for.

    Parameters
    ----------
    design : Dense or CSC
        With known norms.
    weight : ndarray of shape (n_samples,)
        Summing to one.
    """

    def __init__(self, design: Design, weight: np.ndarray) -> None:
        self.design, self.weight = design, weight
        self._plain = isinstance(design, Dense) and design.X.dtype == np.float64
        if self._plain:
            spread = design.norm * design.scale
            with np.errstate(divide="ignore", invalid="ignore"):
                offset = np.abs(design.mean) / spread
            self._plain = not (offset[spread > 0.0] > _LARGEST_OFFSET).any()

    def block(self, rows, cols=None):
        """Return G[rows][:, cols]."""
        design, weight = self.design, self.weight
        p = len(design.mean)
        if len(rows) == p and (cols is None or len(cols) == p):
            gram = gram_matrix(design, weight)
            return gram[np.ix_(rows, np.arange(p) if cols is None else cols)]
        if not self._plain:
            return gram_block(
                design, weight, rows, np.arange(p) if cols is None else cols
            )
        if cols is rows:
            left = columns(design, rows, slice(None))
            left *= np.sqrt(weight)
            return left @ left.T
        if cols is None:
            block = np.empty((len(rows), p))
            self.fill_rows(rows, block)
            return block
        return self._product(rows, design.X[:, cols], cols)

    def fill_rows(self, features, out):
        """Set `out` to the rows of G of some features."""
        if self._plain:
            self._product(features, self.design.X, slice(None), out)
        else:
            everything = np.arange(len(self.design.mean))
            out[:] = self.block(features, everything)

    def _product(self, rows, X, cols, out=None):
        """G[rows][:, cols] by a product with some columns as they are."""
        left = columns(self.design, rows, slice(None))
        # Rows are centred, so the others need not be, up to the rounding of their sum.
        left *= self.weight
        total = left.sum(axis=1)
        block = np.matmul(left, X, out=out)
        _centre(block, total, self.design.mean[cols], self.design.scale[cols])
        return block

    def blocks(self, groups):
        """Return G[group][:, group] of each of some groups of one size."""
        root, (n_groups, size) = np.sqrt(self.weight), groups.shape
        blocks = np.empty((n_groups, size, size))
        step = max(_COLUMNS // size, 1)  # so that not all of X is copied
        for first in range(0, n_groups, step):
            some = slice(first, first + step)
            Z = columns(self.design, groups[some].ravel(), slice(None))
            Z *= root
            Z = Z.reshape(-1, size, len(root))
            np.matmul(Z, Z.transpose(0, 2, 1), out=blocks[some])
        return blocks


def make_problem(
    gram: np.ndarray,
    linear: np.ndarray,
    variance: float,
    n_samples: float,
    ridge: float | np.ndarray = 0.0,
) -> SubsetProblem:
    """Problem of a whole Gram matrix.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features)
    linear : ndarray of shape (n_features,) or (n_targets, n_features)
    variance : float
        v, summed over targets.
    n_samples : float
    ridge : float or ndarray of shape (n_features,), default=0.0

    Returns
    -------
    problem : SubsetProblem

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.subset import make_problem
    >>> make_problem(np.eye(2), np.array([1.0, 2.0]), 5.0, 10).n_features
    2
    """
    linear = np.atleast_2d(np.asarray(linear, dtype=np.float64))
    ridge = np.broadcast_to(np.asarray(ridge, dtype=np.float64), linear.shape[1:])
    return SubsetProblem(
        MatrixSource(gram),
        np.ascontiguousarray(linear),
        gram.diagonal().copy(),
        float(variance),
        float(n_samples),
        ridge.copy(),
    )


def problem_of_design(
    design: Design,
    target: np.ndarray,
    weight: np.ndarray,
    n_samples: float,
    ridge: float | np.ndarray = 0.0,
    *,
    whole: bool = False,
) -> SubsetProblem:
    """Problem of a design whose Gram matrix is formed as a whole or by blocks.

    Parameters
    ----------
    design : Dense or CSC
        Centred where there is an intercept.
    target : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Centred where there is an intercept.
    weight : ndarray of shape (n_samples,)
        Summing to one.
    n_samples : float
        Number of samples or sum of frequency weights.
    ridge : float or ndarray of shape (n_features,), default=0.0
    whole : bool, default=False
        Form the whole Gram matrix at once.

    Returns
    -------
    problem : SubsetProblem
    """
    design = with_norms(design, weight)
    targets = target.reshape(len(target), -1)
    weighted = weight[:, None] * targets
    linear = np.array([correlate(design, np.ascontiguousarray(u)) for u in weighted.T])
    variance = float((weighted * targets).sum())
    if whole:
        problem = make_problem(
            gram_matrix(design, weight), linear, variance, n_samples, ridge
        )
        return problem._replace(diagonal=design.norm**2)
    ridge = np.broadcast_to(np.asarray(ridge, dtype=np.float64), design.norm.shape)
    return SubsetProblem(
        DesignSource(design, weight),
        linear,
        design.norm**2,
        variance,
        float(n_samples),
        ridge.copy(),
    )


def solve_moments(M: np.ndarray, linear: np.ndarray, ridge: np.ndarray):
    """Least squares from G + D and c of some features, and its degrees of freedom."""
    lower, info = dpotrf(M, lower=True)
    if info == 0 and (lower.diagonal() ** 2 > PIVOT * M.diagonal()).all():
        coef, _ = dpotrs(lower, linear.T, lower=True)
        freedom = float(len(M))
        if ridge.any():
            freedom -= float(ridge @ dpotri(lower, lower=True)[0].diagonal())
        return np.ascontiguousarray(coef.T), freedom
    coef = np.linalg.lstsq(M, linear.T, rcond=1e-10)[0].T
    return coef, float(np.linalg.matrix_rank(M, hermitian=True))


@kernel
def _centre(block, total, mean, scale):
    """Products with raw columns to those with centred and scaled ones, in place."""
    for i in range(len(block)):
        row, x = block[i], total[i]
        for j in range(len(row)):
            row[j] = (row[j] - x * mean[j]) / scale[j]
