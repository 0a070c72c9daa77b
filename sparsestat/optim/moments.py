"""Weighted second moments of a design: Gram matrices, whole and in blocks.

Gram entries are sum_i s_i x~_ij x~_ik in float64.  Dense rows are centred in small
blocks before they are multiplied: the product form X.T S X - mean mean.T would lose
everything when means are large beside deviations.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dsyrk

from sparsestat.optim.design import CSC, Dense, Design, columns
from sparsestat.utils.dispatch import kernel, operation

__all__ = [
    "Moments",
    "downdated_gram",
    "gram_block",
    "gram_matrix",
    "is_offset",
    "keeps_spread",
    "moments_of_rows",
    "symmetrise",
]

# Rows of a centred copy, in bytes: it stays in the cache of a core.
_BLOCK_BYTES = 1 << 22
# Largest mean^2 / variance at which the product form loses at most two digits.
_HARMLESS_OFFSET = 100.0
# The same for sparse columns, which have no other form: six digits.
_LARGEST_OFFSET = 1e6
# Least share of its spread that a column may keep in a fold, so that differences lose
# at most one digit.
_LEAST_SPREAD = 0.1


def gram_matrix(design: Design, weight: np.ndarray) -> np.ndarray:
    """X~.T diag(weight) X~ of all features.

    Parameters
    ----------
    design : Dense or CSC
    weight : ndarray of shape (n_samples,)
        Non-negative.

    Returns
    -------
    gram : ndarray of shape (n_features, n_features)

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import make_design
    >>> from sparsestat.optim.moments import gram_matrix
    >>> X = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> gram_matrix(make_design(X), np.full(2, 0.5))
    array([[1., 1.],
           [1., 1.]])
    """
    features = np.arange(len(design.mean))
    if isinstance(design, Dense):
        if _product_form_is_safe(design, weight):
            return _gram_of_products(design, weight[0])
        rows = np.arange(len(weight))
        return symmetrise(_gram_by_rows(design, weight, rows))
    return gram_block(design, weight, features, features)


def downdated_gram(
    whole: np.ndarray,
    design: Design,
    weight: np.ndarray,
    fold: Design,
    fold_weight: np.ndarray,
) -> np.ndarray:
    """The Gram matrix of a fold from that of all samples, less the rows left out.

    A tenth of the samples left out costs a tenth of a Gram matrix.

    Parameters
    ----------
    whole : ndarray of shape (n_features, n_features)
        Gram matrix of `design` and `weight`.
    design, weight : Design, ndarray of shape (n_samples,)
        All samples.
    fold, fold_weight : Design, ndarray of shape (n_samples,)
        The same X; weights in proportion to `weight`, but zero on the rows left out.
        Either weights sum to one.

    Returns
    -------
    gram : ndarray of shape (n_features, n_features)
        As `gram_matrix(fold, fold_weight)`, which also does the work where most rows
        are left out, X is sparse, or differences would lose more than a digit.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import make_design
    >>> from sparsestat.optim.moments import downdated_gram, gram_matrix
    >>> X = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 7.0]])
    >>> thirds, halves = np.full(3, 1 / 3), np.array([0.5, 0.5, 0.0])
    >>> design, fold = make_design(X), make_design(X, sample_weight=halves)
    >>> whole = gram_matrix(design, thirds)
    >>> downdated_gram(whole, design, thirds, fold, halves).round(12)
    array([[1., 1.],
           [1., 1.]])
    """
    left_out = np.flatnonzero((fold_weight == 0.0) & (weight > 0.0))
    if isinstance(design, CSC) or 2 * len(left_out) > len(weight):
        return gram_matrix(fold, fold_weight)
    gram = whole - symmetrise(_gram_by_rows(design, weight, left_out))
    gram /= 1.0 - weight[left_out].sum()
    shift = (fold.mean - design.mean) / design.scale
    gram -= np.outer(shift, shift)
    if not keeps_spread(gram, whole, fold.norm != 0.0):
        return gram_matrix(fold, fold_weight)
    ratio = design.scale / fold.scale
    if (ratio != 1.0).any():
        gram *= np.outer(ratio, ratio)
    return gram


def keeps_spread(gram: np.ndarray, whole: np.ndarray, some: np.ndarray) -> bool:
    """Whether differences lose at most one digit of the variances of some features."""
    spread, before = gram.diagonal(), whole.diagonal()
    return not (spread < _LEAST_SPREAD * before)[some].any()


class Moments(NamedTuple):
    """Sums over some samples, about centres that are the same for all samples.

    Parameters
    ----------
    mass : float
        Sum of the weights s_i.
    mean : ndarray of shape (n_features,)
        sum_i s_i x~_i.
    gram : ndarray of shape (n_features, n_features)
        sum_i s_i x~_i x~_i.T.
    target : ndarray of shape (n_targets,)
        sum_i s_i y_i.
    linear : ndarray of shape (n_targets, n_features)
        sum_i s_i y_i x~_i.T.
    squares : float
        sum_i s_i y_i^2, over all targets.
    """

    mass: float
    mean: np.ndarray
    gram: np.ndarray
    target: np.ndarray
    linear: np.ndarray
    squares: float

    def __add__(self, other: "Moments") -> "Moments":
        """Sums over the samples of both."""
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))

    def without(self, part: "Moments", centred: bool) -> "Moments":
        """Weighted means over the samples that are not in a part of them.

        Where `centred`, second moments are about the means of those samples.
        """
        share = 1.0 / (self.mass - part.mass)
        mean, target = (
            share * (self.mean - part.mean),
            share * (self.target - part.target),
        )
        linear = share * (self.linear - part.linear)
        squares = share * (self.squares - part.squares)
        gram, shift = np.empty_like(self.gram), mean if centred else np.zeros_like(mean)
        _less(self.gram, part.gram, shift, share, gram)
        if centred:
            linear -= np.outer(target, mean)
            squares -= target @ target
        return Moments(1.0, mean, gram, target, linear, squares)


def moments_of_rows(
    design: Dense, target: np.ndarray, weight: np.ndarray, rows: np.ndarray
) -> Moments:
    """Moments of some samples, about the centres of a design.

    Those of the parts of all samples add up to those of all: folds cost no more than
    one Gram matrix.

    Parameters
    ----------
    design : Dense
    target : ndarray of shape (n_samples, n_targets)
        Less whatever centre.
    weight : ndarray of shape (n_samples,)
    rows : ndarray of int
        Increasing.

    Returns
    -------
    moments : Moments

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import make_design
    >>> from sparsestat.optim.moments import moments_of_rows
    >>> X, y = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 8.0]]), np.ones((3, 1))
    >>> design, thirds = make_design(X), np.full(3, 1 / 3)
    >>> parts = [moments_of_rows(design, y, thirds, np.array(k)) for k in ([0, 1], [2])]
    >>> (parts[0] + parts[1]).gram.round(3)
    array([[0.667, 0.667],
           [0.667, 8.667]])
    >>> (parts[0] + parts[1]).without(parts[1], centred=True).gram.round(3)
    array([[1., 1.],
           [1., 1.]])
    """
    y, share = target[rows], weight[rows]
    extra = np.vstack([np.ones(len(rows)), y.T])
    gram, sums = _gram_by_rows(design, weight, rows, extra)
    return Moments(
        float(share.sum()), sums[0], symmetrise(gram), share @ y, sums[1:],
        float(share @ (y**2).sum(axis=1)),
    )  # fmt: skip


@operation
def gram_block(design: Design, weight, rows: np.ndarray, cols: np.ndarray):
    """The block of the Gram matrix of features `rows` against features `cols`."""
    raise TypeError(f"{type(design).__name__} is not a design.")


@gram_block.register(Dense)
def _(design, weight, rows, cols):
    block = np.zeros((len(rows), len(cols)))
    for part in _row_slices(design.X.shape[0], len(rows) + len(cols)):
        left = columns(design, rows, part)
        left *= weight[part]
        block += left @ columns(design, cols, part).T
    return block


@gram_block.register(CSC)
def _(design, weight, rows, cols):
    block = np.empty((len(rows), len(cols)))
    mean, scale = design.mean, design.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (mean / (design.norm * scale)) ** 2 > _HARMLESS_OFFSET
    # Columns that are far from zero have hardly any zeros: the others are filled too.
    filled = far[rows] | far[cols].any()
    _gram_block_csc(
        design.data, design.indices, design.indptr, weight, rows, cols, mean, filled,
        block,
    )  # fmt: skip
    if mean.any():
        mass = np.where(filled, 0.0, weight.sum())
        block -= np.outer(mass * mean[rows], mean[cols])
    if (scale != 1.0).any():
        block /= np.outer(scale[rows], scale[cols])
    return block


def is_offset(design: Design) -> bool:
    """Whether sparse columns lie too far from zero for products of them as they are.

    Their norms have to be known.
    """
    if isinstance(design, Dense):
        return False
    spread = design.norm * design.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (design.mean / spread) ** 2
    return bool((ratio[spread > 0.0] > _LARGEST_OFFSET).any())


def _product_form_is_safe(design: Dense, weight: np.ndarray) -> bool:
    if design.X.dtype != np.float64 or (weight != weight[0]).any():
        return False
    if not design.mean.any():
        return True
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = (design.mean / (design.norm * design.scale)) ** 2
    return bool((offset <= _HARMLESS_OFFSET).all())


def _gram_of_products(design: Dense, weight: float) -> np.ndarray:
    X = design.X
    gram = X.T @ X  # NumPy multiplies a matrix by its own transpose at half the cost.
    gram *= weight
    if design.mean.any():
        gram -= np.outer(design.mean, design.mean * (weight * X.shape[0]))
    if (design.scale != 1.0).any():
        gram /= np.outer(design.scale, design.scale)
    return gram


def _gram_by_rows(design: Dense, weight: np.ndarray, rows: np.ndarray, extra=None):
    """The lower triangle; with the products sum_i s_i e_i x~_i of `extra` if given."""
    p = design.X.shape[1]
    gram = np.zeros((p, p), order="F")
    sums = None if extra is None else np.zeros((len(extra), p))
    for part in _row_slices(len(rows), p):
        chosen = _as_slice(rows[part])
        block, root = columns(design, slice(None), chosen), np.sqrt(weight[chosen])
        block *= root
        # The transpose is in Fortran order, so BLAS takes it without a copy.
        gram = dsyrk(
            1.0, block.T, beta=1.0, c=gram, trans=True, overwrite_c=True, lower=True
        )
        if extra is not None:
            sums += (extra[:, part] * root) @ block.T
    return gram if extra is None else (gram, sums)


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """Neighbouring rows as a slice, which is read without gathering."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1)
    return rows


def symmetrise(gram: np.ndarray) -> np.ndarray:
    """Copy the lower triangle to the upper one, by blocks; in C order like all others.

    In place, for a matrix in Fortran order.
    """
    for i in range(0, len(gram), 256):
        stop = i + 256
        gram[i:stop, stop:] = gram[stop:, i:stop].T
        corner = np.tril(gram[i:stop, i:stop])
        gram[i:stop, i:stop] = corner + np.tril(corner, -1).T
    return gram.T


def _row_slices(n_samples: int, width: int) -> list[slice]:
    size = max(_BLOCK_BYTES // (8 * max(width, 1)), 16)
    return [slice(i, min(i + size, n_samples)) for i in range(0, n_samples, size)]


@kernel
def _gram_block_csc(data, indices, indptr, weight, rows, cols, mean, filled, block):
    """Products of raw columns; of centred ones in rows that are `filled`."""
    scattered = np.zeros(len(weight))
    for a in range(len(rows)):
        start, stop = indptr[rows[a]], indptr[rows[a] + 1]
        centre, rest = 0.0, 0.0
        if filled[a]:
            centre = mean[rows[a]]
            for i in range(len(weight)):
                scattered[i] = -centre * weight[i]
        for k in range(start, stop):
            scattered[indices[k]] = (data[k] - centre) * weight[indices[k]]
        if filled[a]:
            rest = scattered.sum()
        for b in range(len(cols)):
            first, last = indptr[cols[b]], indptr[cols[b] + 1]
            total = 0.0
            if filled[a]:
                other, zeros = mean[cols[b]], rest
                for k in range(first, last):
                    x = scattered[indices[k]]
                    total += (data[k] - other) * x
                    zeros -= x
                if last - first < len(weight):
                    total -= other * zeros
            else:
                for k in range(first, last):
                    total += data[k] * scattered[indices[k]]
            block[a, b] = total
        if filled[a]:
            for i in range(len(weight)):
                scattered[i] = 0.0
        else:
            for k in range(start, stop):
                scattered[indices[k]] = 0.0


@kernel
def _less(whole, part, shift, share, out):
    """Set `out` to share (whole - part) - shift shift.T."""
    for i in range(len(out)):
        a, b, row, x = whole[i], part[i], out[i], shift[i]
        for j in range(len(row)):
            row[j] = share * (a[j] - b[j]) - x * shift[j]
