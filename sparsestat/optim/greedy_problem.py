"""A sparse recovery problem as greedy methods see it.

Iterates, what a gradient or null-space step proposes, least squares on a support, and
what is told about the iterate that is returned.
"""

from collections.abc import Iterator
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sparsestat.optim.sensing import square_norm
from sparsestat.utils.topk import top_k

__all__ = [
    "Images",
    "Iterate",
    "Problem",
    "RecoveryResult",
    "hard_threshold",
    "least_squares",
]

# Share of the largest step at which gradient steps certainly descend.
_SAFE = 0.99
# Least pivot of normal equations, relative to the largest, that is solved as it is.
_CONDITION = 1e-10
# Entries below this share of the largest are dropped by methods that find their size.
_NEGLIGIBLE = 1e-10
# Images of columns that are computed together, and how many numbers are kept of them.
_AHEAD = 16
_KEPT = 1 << 26
# Residuals below this many roots of the precision, relative to b, are multiplied by A^H
# itself: differences of images would cancel.
_CANCELS = 100.0
# Coefficients beyond which least squares are solved by conjugate gradients, and their
# gradient, relative to |A| |b|, that ends them.
_MANY = 2000
_SMALL_GRADIENT = 1e-13


def hard_threshold(x: np.ndarray, n_nonzero_coefs: int) -> np.ndarray:
    """Keep the entries of largest modulus; of equal ones those of lowest index.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Real or complex.
    n_nonzero_coefs : int
        How many to keep.

    Returns
    -------
    x : ndarray of shape (n,)
        A new array.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim.greedy import hard_threshold
    >>> hard_threshold(np.array([1.0, -3.0, 2.0, 3.0]), 2)
    array([ 0., -3.,  0.,  3.])
    """
    out = np.zeros_like(x)
    kept = top_k(np.abs(x), n_nonzero_coefs)
    out[kept] = x[kept]
    return out


class RecoveryResult(NamedTuple):
    """What a greedy method found.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Best iterate.
    support : ndarray of shape (n_nonzero,)
        Indices of its nonzeros, increasing.
    n_iter : int
        Steps taken.
    residual_norm : float
        Norm of b - A x.
    converged : bool
        Whether the residual is small enough or the method came to a fixed point.
    stationarity : float
        |x - H_s(x + step A^H (b - A x))| / |x|, with H_s the hard threshold; in
        null-space tuning A^+ takes the place of A^H and least squares on the support
        follows. 0 at fixed points.
    normal_residual : float
        Largest |a_j.T (b - A x)| / (|A_T| |b|) on the support T.
    """

    x: np.ndarray
    support: np.ndarray
    n_iter: int
    residual_norm: float
    converged: bool
    stationarity: float
    normal_residual: float


class Iterate(NamedTuple):
    """An iterate of a greedy method.

    Parameters
    ----------
    support : ndarray of shape (n_nonzero,)
        Indices of its nonzeros.
    values : ndarray of shape (n_nonzero,)
        What they are.
    residual : ndarray of shape (m,)
        b - A x.
    finite : bool
        Whether the next one depends on this support alone, so that a repetition ends
        the search.
    grown : bool
        Whether supports still change size.
    settled : bool
        Whether this is a fixed point up to rounding.
    """

    support: np.ndarray
    values: np.ndarray
    residual: np.ndarray
    finite: bool = True
    grown: bool = False
    settled: bool = False


class Problem:
    """A, b and what the methods share: steps, proposals, least squares."""

    def __init__(self, A, b, n_nonzero_coefs, step, feedback):
        self.A, self.b, self.feedback = A, b, feedback
        self.dtype = np.result_type(A.dtype, b.dtype, np.float64)
        self.b_norm = float(np.linalg.norm(b))
        most = min(A.shape)
        self.size = most if n_nonzero_coefs is None else n_nonzero_coefs
        self.given = n_nonzero_coefs is not None
        self.automatic = step == "auto"
        self._step, self._safe = step, None
        self.tuned = False

    @property
    def safe_step(self) -> float:
        """A step at which |A x - b| falls for certain."""
        if self._safe is None:
            norm2 = square_norm(self.A)
            # Power iteration ends a little below.
            self._safe = _SAFE / (1.01 * norm2) if norm2 > 0.0 else 1.0
        return self._safe

    @property
    def step(self) -> float:
        """The given step, or 1 / mean square norm of the columns; n / rank if tuned."""
        if self._step == "auto":
            if self.tuned:
                self._step = self.A.shape[1] / max(self.A.pseudoinverse[1], 1)
            else:
                mean = self.A.mean_square
                self._step = 1.0 / mean if mean > 0.0 else 1.0
        return self._step

    @step.setter
    def step(self, value: float) -> None:
        self._step = value

    def shorten(self) -> bool:
        """Halve an automatic step; returns whether it could be."""
        if not self.automatic:
            return False
        least = 1.0 if self.tuned else self.safe_step
        if self.step <= least:
            return False
        self.step = max(0.5 * self.step, least)
        return True

    def zero(self) -> Iterate:
        return Iterate(np.arange(0), np.zeros(0, self.dtype), self.b.astype(self.dtype))

    def dense(self, found: Iterate) -> np.ndarray:
        x = np.zeros(self.A.shape[1], self.dtype)
        x[found.support] = found.values
        return x

    def direction(self, R: np.ndarray) -> np.ndarray:
        """A^H R; A^+ R in null-space tuning, by one factorisation of A A^H."""
        return self.A.pseudoinverse[0](R) if self.tuned else self.A.adjoint(R)

    def propose(self, found: Iterate) -> np.ndarray:
        """x + step P (b - A x)."""
        z = (self.step * self.direction(found.residual)).astype(self.dtype, copy=False)
        z[found.support] += found.values
        return z

    def largest(self, z: np.ndarray, size: int | None = None) -> np.ndarray:
        return top_k(np.abs(z), self.size if size is None else size)

    def fit(self, support: np.ndarray, **flags) -> Iterate:
        """Least squares on a support."""
        matrix = self.A.columns(support)
        values = least_squares(matrix, self.b).astype(self.dtype)
        return Iterate(support, values, self.b - matrix @ values, **flags)

    def at(self, support: np.ndarray, values: np.ndarray, **flags) -> Iterate:
        residual = self.b - self.A.times(support, values)
        return Iterate(support, values, residual, **flags)

    def sizes(self) -> Iterator[int]:
        """Sizes of growing supports: k, or what `feedback` says, up to the most."""
        k = 0
        while True:
            k += 1
            wanted = k if self.feedback is None else self.feedback(k)
            if not (isinstance(wanted, Real) and 1 <= wanted < np.inf):
                raise ValueError(
                    f"feedback must return a size >= 1; got {wanted!r} at step {k}."
                )
            yield min(int(wanted), self.size, *self.A.shape)

    def result(self, found: Iterate, n_iter: int, converged: bool) -> RecoveryResult:
        nonzero = found.values != 0.0
        if not self.given and nonzero.any():
            sizes = np.abs(found.values)
            nonzero = sizes > _NEGLIGIBLE * sizes.max()
        if not found.finite or not nonzero.all():
            kept = np.sort(found.support[nonzero])
            found = self.fit(kept) if len(kept) else self.zero()
        x = self.dense(found)
        norm, stationarity, normal = float(np.linalg.norm(x)), 0.0, 0.0
        if self.b_norm > 0.0:
            size = len(found.support) if not self.given else self.size
            proposed = self.propose(found)
            if not self.tuned:
                moved = hard_threshold(proposed, size)
            elif np.array_equal(kept := self.largest(proposed, size), found.support):
                moved = x
            else:
                moved = self.dense(self.fit(kept))
            change = float(np.linalg.norm(moved - x))
            stationarity = change / (norm or float(np.linalg.norm(moved)) or 1.0)
        if len(found.support):
            matrix = self.A.columns(found.support)
            left = np.abs(matrix.conj().T @ found.residual).max()
            normal = left / (np.linalg.norm(matrix) * self.b_norm)
        residual = float(np.linalg.norm(found.residual))
        support = found.support.astype(np.intp)
        return RecoveryResult(
            x, support, n_iter, residual, bool(converged), stationarity, float(normal)
        )


class Images:
    """P (b - A x) = P b - P A x, P = A^H or A^+, for supports that grow.

    Columns of P A are computed as they join a support, together with some that are
    likely to follow: a pass over A for a dozen of them.
    """

    def __init__(self, problem: Problem) -> None:
        n = problem.A.shape[1]
        self.problem, self.start, self.last = problem, None, None
        self.most, self.n_kept = _KEPT // n, 0
        self.place = np.full(n, -1)
        self.images = np.empty((0, n), problem.dtype)
        eps = np.finfo(problem.A.dtype).eps
        self.near = _CANCELS * np.sqrt(eps) * problem.b_norm

    def direction(self, found: Iterate) -> np.ndarray:
        """P (b - A x), from images unless they cancel or are too many."""
        support, dtype = found.support, self.problem.dtype
        if self.start is None:
            self.start = self.last = self.problem.direction(self.problem.b).astype(
                dtype
            )
        if len(support) == 0:
            return self.start
        missing = support[self.place[support] < 0]
        cancels = np.linalg.norm(found.residual) < self.near
        if cancels or self.n_kept + len(missing) > self.most:
            return self.problem.direction(found.residual).astype(dtype)
        if len(missing):
            self._extend(missing)
        values = np.zeros(self.n_kept, dtype)
        values[self.place[support]] = found.values
        self.last = self.start - values @ self.images[: self.n_kept]
        return self.last

    def _extend(self, missing: np.ndarray) -> None:
        likely = np.abs(self.last)
        likely[self.place >= 0] = -1.0
        likely[missing] = np.inf
        room = min(max(_AHEAD, len(missing)), self.most - self.n_kept)
        new = top_k(likely, room)
        new = new[self.place[new] < 0]
        images = self.problem.direction(self.problem.A.columns(new)).T
        self.place[new] = self.n_kept + np.arange(len(new))
        self.n_kept += len(new)
        if self.n_kept > len(self.images):
            grown = np.empty((2 * self.n_kept, images.shape[1]), self.images.dtype)
            grown[: len(self.images)] = self.images
            self.images = grown
        self.images[self.n_kept - len(new) : self.n_kept] = images


def least_squares(matrix: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Least squares by normal equations with a refinement; by SVD where they fail.

    Large ones by conjugate gradients.
    """
    if matrix.shape[1] == 0:
        return np.zeros(0, matrix.dtype)
    if _MANY < matrix.shape[1] <= matrix.shape[0]:
        values, converged = _conjugate_gradients(matrix, b)
        if converged:
            return values
    if matrix.shape[1] <= matrix.shape[0]:
        adjoint = matrix.conj().T
        gram = adjoint @ matrix
        try:
            factor = cho_factor(gram, lower=True, check_finite=False)
            diagonal = np.abs(np.diag(factor[0])) ** 2
            if diagonal.min() > _CONDITION * gram.diagonal().real.max():
                values = cho_solve(factor, adjoint @ b, check_finite=False)
                left = adjoint @ (b - matrix @ values)
                return values + cho_solve(factor, left, check_finite=False)
        except LinAlgError:
            pass
    return np.linalg.lstsq(matrix, b)[0]


def _conjugate_gradients(matrix: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, bool]:
    """Least squares by products alone, with columns scaled to unit norm."""
    norms = np.linalg.norm(matrix, axis=0)
    if not norms.all():
        return norms, False
    x = np.zeros(len(norms), np.result_type(matrix, b))
    residual = b.astype(x.dtype)
    g = p = (matrix.conj().T @ residual) / norms
    square = np.vdot(g, g).real
    least = (_SMALL_GRADIENT * np.linalg.norm(b)) ** 2 * len(norms)
    for _ in range(len(norms)):
        if square <= least:
            return x / norms, True
        image = matrix @ (p / norms)
        step = square / np.vdot(image, image).real
        x = x + step * p
        residual = residual - step * image
        g = (matrix.conj().T @ residual) / norms
        last, square = square, np.vdot(g, g).real
        p = g + (square / last) * p
    return x / norms, False
