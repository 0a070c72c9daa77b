"""Sparse solutions of A x = b by thresholding and pursuit.

    minimise |A x - b|  subject to  at most s nonzeros in x

Each method is a generator of its iterates; one loop watches residuals, repeated
supports and cycles.  After Blumensath and Davies (2010), Foucart (2011), Bouchot,
Foucart and Hitczenko (2016), Needell and Tropp (2009), Dai and Milenkovic (2009), Li,
Liu and Mi (2014) and Han, Li and Song (2020).
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from sparsestat.optim.sensing import Sensing, square_norm
from sparsestat.utils.topk import top_k

__all__ = ["GROWING", "SOLVERS", "RecoveryResult", "hard_threshold", "recover"]

# Supports among which a repetition is a cycle.
_MEMORY = 8
# Share of the largest step at which gradient steps certainly descend.
_SAFE = 0.99
# Gradient steps of fast HTP in place of least squares.
_INNER = 3
# Least pivot of normal equations, relative to the largest, that is solved as it is.
_CONDITION = 1e-10
# Entries below this share of the largest are dropped by methods that find their size.
_NEGLIGIBLE = 1e-10
# Columns that are looked at together.
_BLOCK = 512
# Change of an iterate, relative to its norm, that ends methods without least squares.
_SETTLED = 1e-12


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


def recover(
    A: Sensing,
    b: np.ndarray,
    n_nonzero_coefs: int | None,
    solver: str = "htp",
    *,
    step: float | str = "auto",
    tol: float = 1e-8,
    max_iter: int = 200,
    noise_norm: float = 0.0,
    feedback: Callable[[int], int] | None = None,
) -> RecoveryResult:
    """Run one of the methods; see :func:`sparsestat.recovery.hard_thresholding`.

    Parameters
    ----------
    A : Sensing
        Of shape (m, n).
    b : ndarray of shape (m,)
    n_nonzero_coefs : int or None
        None only for those of `GROWING`, which then stop by the residual.
    solver : str, default="htp"
        One of `SOLVERS`.
    step : float or "auto", default="auto"
    tol : float, default=1e-8
        Residual, relative to b, that is enough.
    max_iter : int, default=200
        Steps, for methods whose supports do not grow.
    noise_norm : float, default=0.0
        Norm of a residual that is enough.
    feedback : callable, default=None
        Size of the support at step k.

    Returns
    -------
    result : RecoveryResult
    """
    problem = _Problem(A, b, n_nonzero_coefs, step, feedback)
    method = SOLVERS[solver](problem)
    target = max(tol * problem.b_norm, noise_norm)
    grows = solver in GROWING
    limit = max(max_iter, min(A.shape) + 1) if grows else max_iter
    best, seen, last = problem.zero(), deque(maxlen=_MEMORY), None
    best_norm, converged, n_iter = problem.b_norm, problem.b_norm <= target, 0
    if problem.b_norm == 0.0:
        return problem.result(best, 0, True)
    for found in method:
        n_iter += 1
        norm = float(np.linalg.norm(found.residual))
        if norm <= best_norm:
            best, best_norm = found, norm
        if norm <= target or found.settled:
            converged = True
            break
        if found.grown:
            seen.clear()
        elif found.finite:
            key = found.support.tobytes()
            if last is not None and key == last:
                best, converged = found, True
                break
            if key in seen and not problem.shorten():
                break  # a cycle that no shorter step leaves
            if key in seen:
                seen.clear()
            seen.append(key)
            last = key
        if n_iter >= limit:
            break
    return problem.result(best, n_iter, converged)


class _Iterate(NamedTuple):
    """An iterate: its support, the values there, and the residual.

    `finite`: the next one depends on this support alone, so a repetition ends it.
    `grown`: supports still change size.  `settled`: a fixed point up to rounding.
    """

    support: np.ndarray
    values: np.ndarray
    residual: np.ndarray
    finite: bool = True
    grown: bool = False
    settled: bool = False


class _Problem:
    """A, b and what the methods share: steps, proposals, least squares."""

    def __init__(self, A, b, n_nonzero_coefs, step, feedback):
        self.A, self.b, self.feedback = A, b, feedback
        self.dtype = np.result_type(A.dtype, b.dtype, np.float64)
        self.b_norm = float(np.linalg.norm(b))
        most = min(A.shape)
        self.size = most if n_nonzero_coefs is None else n_nonzero_coefs
        self.given = n_nonzero_coefs is not None
        self.automatic = step == "auto"
        self._step, self._safe, self._inverse = step, None, None
        self.proposal = self.gradient

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
        """The given step, or one over the mean square norm of the columns."""
        if self._step == "auto":
            mean = self.A.mean_square()
            self._step = 1.0 / mean if mean > 0.0 else 1.0
        return self._step

    def shorten(self) -> bool:
        """Halve an automatic step; returns whether it could be."""
        if not self.automatic or self.proposal is None:
            return False
        least = 1.0 if self.proposal == self.tuning else self.safe_step
        if self.step <= least:
            return False
        self._step = max(0.5 * self.step, least)
        return True

    def zero(self) -> _Iterate:
        return _Iterate(
            np.arange(0), np.zeros(0, self.dtype), self.b.astype(self.dtype)
        )

    def dense(self, found: _Iterate) -> np.ndarray:
        x = np.zeros(self.A.shape[1], self.dtype)
        x[found.support] = found.values
        return x

    def gradient(self, residual: np.ndarray) -> np.ndarray:
        """step A^H r."""
        return self.step * self.A.adjoint(residual)

    def tuning(self, residual: np.ndarray) -> np.ndarray:
        """step A^+ r, by one factorisation of A A^H."""
        if self._inverse is None:
            self._inverse, rank = _pseudoinverse(self.A)
            if self._step == "auto":
                self._step = self.A.shape[1] / max(rank, 1)
        return self._step * self._inverse(residual)

    def propose(self, found: _Iterate) -> np.ndarray:
        """x + step P (b - A x)."""
        z = self.proposal(found.residual).astype(self.dtype, copy=False)
        z[found.support] += found.values
        return z

    def largest(self, z: np.ndarray, size: int | None = None) -> np.ndarray:
        return top_k(np.abs(z), self.size if size is None else size)

    def fit(self, support: np.ndarray, **flags) -> _Iterate:
        """Least squares on a support."""
        matrix = self.A.columns(support)
        values = _least_squares(matrix, self.b).astype(self.dtype)
        return _Iterate(support, values, self.b - matrix @ values, **flags)

    def at(self, support: np.ndarray, values: np.ndarray, **flags) -> _Iterate:
        residual = self.b - self.A.times(support, values)
        return _Iterate(support, values, residual, **flags)

    def sizes(self) -> Iterator[int]:
        """Sizes of growing supports: k, or what `feedback` says, up to the most."""
        k = 0
        while True:
            k += 1
            wanted = k if self.feedback is None else int(self.feedback(k))
            if wanted < 1:
                raise ValueError(
                    f"feedback must return a size >= 1; got {wanted} at step {k}."
                )
            yield min(wanted, self.size, *self.A.shape)

    def result(self, found: _Iterate, n_iter: int, converged: bool) -> RecoveryResult:
        nonzero = found.values != 0.0
        if not self.given and nonzero.any():
            sizes = np.abs(found.values)
            nonzero = sizes > _NEGLIGIBLE * sizes.max()
        if not found.finite or not nonzero.all():
            found = self.fit(found.support[nonzero]) if nonzero.any() else self.zero()
        x = self.dense(found)
        norm, stationarity, normal = float(np.linalg.norm(x)), 0.0, 0.0
        if self.b_norm > 0.0:
            if self.proposal is None:
                self._step, self.proposal = self.safe_step, self.gradient
            size = len(found.support) if not self.given else self.size
            proposed = self.propose(found)
            if self.proposal == self.tuning:
                moved = self.dense(self.fit(self.largest(proposed, size)))
            else:
                moved = hard_threshold(proposed, size)
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


def _iht(problem: _Problem) -> Iterator[_Iterate]:
    """x <- H_s(x + step A^H (b - A x)), a step that descends (Blumensath, Davies)."""
    if problem.automatic:
        problem._step = problem.safe_step
    found = problem.zero()
    while True:
        z = problem.propose(found)
        support = problem.largest(z)
        found = _moved(problem, found, support, z[support])
        yield found


def _niht(problem: _Problem) -> Iterator[_Iterate]:
    """The same with steps that are exact on the support while it stays."""
    A, found = problem.A, problem.zero()
    support = problem.largest(A.adjoint(problem.b))
    while True:
        g = A.adjoint(found.residual).astype(problem.dtype, copy=False)
        image = A.times(support, g[support])
        bottom = np.vdot(image, image).real
        mu = np.vdot(g[support], g[support]).real / bottom if bottom > 0.0 else 1.0
        while True:
            z = mu * g
            z[found.support] += found.values
            new = problem.largest(z)
            if np.array_equal(new, found.support):
                break
            moved = np.union1d(new, found.support)
            change = np.zeros(A.shape[1], problem.dtype)
            change[new] = z[new]
            change[found.support] -= found.values
            image = A.times(moved, change[moved])
            top, bottom = np.vdot(change, change).real, np.vdot(image, image).real
            if mu * bottom <= _SAFE * top:
                break
            mu *= 0.5
        problem._step = float(mu)
        support = new
        found = _moved(problem, found, new, z[new])
        yield found


def _moved(problem, before: _Iterate, support, values) -> _Iterate:
    """An iterate without least squares; it settles where it hardly moves."""
    found = problem.at(support, values, finite=False)
    if np.array_equal(support, before.support):
        change = np.linalg.norm(values - before.values)
        if change <= _SETTLED * np.linalg.norm(values):
            return found._replace(settled=True)
    return found


def _htp(problem: _Problem) -> Iterator[_Iterate]:
    """Least squares on the support of the thresholded gradient step (Foucart)."""
    found = problem.zero()
    while True:
        found = problem.fit(problem.largest(problem.propose(found)))
        yield found


def _fhtp(problem: _Problem) -> Iterator[_Iterate]:
    """HTP with a few steepest descent steps in place of least squares."""
    A, found = problem.A, problem.zero()
    while True:
        before, z = found, problem.propose(found)
        support = problem.largest(z)
        matrix, values = A.columns(support), z[support]
        residual = problem.b - matrix @ values
        for _ in range(_INNER):
            g = matrix.conj().T @ residual
            image = matrix @ g
            bottom = np.vdot(image, image).real
            if bottom == 0.0:
                break
            mu = np.vdot(g, g).real / bottom
            values, residual = values + mu * g, residual - mu * image
        found = _moved(problem, before, support, values)
        yield found


def _ghtp(problem: _Problem) -> Iterator[_Iterate]:
    """HTP whose support grows by one a step (Bouchot, Foucart, Hitczenko)."""
    found, last = problem.zero(), 0
    for size in problem.sizes():
        found = problem.fit(problem.largest(problem.propose(found), size))
        yield found._replace(grown=size != last)
        if size == last and not problem.given:
            return
        last = size


def _cosamp(problem: _Problem) -> Iterator[_Iterate]:
    """Merge with 2 s correlations, least squares, prune to s (Needell, Tropp)."""
    problem.proposal = None
    yield from _merge_and_prune(problem, 2 * problem.size, refit=False)


def _sp(problem: _Problem) -> Iterator[_Iterate]:
    """Merge with s correlations, least squares, prune, refit (Dai, Milenkovic)."""
    problem.proposal = None
    yield from _merge_and_prune(problem, problem.size, refit=True)


def _merge_and_prune(problem, n_new: int, refit: bool) -> Iterator[_Iterate]:
    found, least = problem.zero(), np.inf
    while True:
        new = problem.largest(problem.A.adjoint(found.residual), n_new)
        merged = np.union1d(new, found.support)
        if len(merged) > problem.A.shape[0]:
            size = np.abs(problem.A.adjoint(found.residual))[merged]
            size[np.isin(merged, found.support)] = np.inf
            merged = merged[top_k(size, problem.A.shape[0])]
        values = problem.fit(merged).values
        kept = top_k(np.abs(values), problem.size)
        if refit:
            found = problem.fit(merged[kept])
        else:
            found = problem.at(merged[kept], values[kept], finite=False)
        norm = np.linalg.norm(found.residual)
        stuck = norm >= least * (1.0 - 1e-12)
        yield found._replace(settled=bool(stuck))
        least = min(least, norm)


def _omp(problem: _Problem) -> Iterator[_Iterate]:
    """The column that correlates most with the residual, then least squares again."""
    A, b = problem.A, problem.b
    problem.proposal = None
    most = problem.size
    chosen, barred = [], np.zeros(A.shape[1], bool)
    matrix = np.empty((A.shape[0], most), problem.dtype, order="F")
    factor = np.zeros((most, most), problem.dtype)
    residual = b.astype(problem.dtype)
    while len(chosen) < most:
        sizes = np.abs(A.adjoint(residual))
        sizes[barred] = -1.0
        j, k = int(sizes.argmax()), len(chosen)
        if sizes[j] <= 0.0:
            return
        barred[j] = True
        column = A.columns(np.array([j]))[:, 0]
        norm2 = np.vdot(column, column).real
        w = solve_triangular(
            factor[:k, :k], matrix[:, :k].conj().T @ column, lower=True
        )
        rest = norm2 - np.vdot(w, w).real
        if rest <= _CONDITION * norm2:
            continue  # depends on the chosen ones
        matrix[:, k] = column
        factor[k, :k], factor[k, k] = w.conj(), np.sqrt(rest)
        chosen.append(j)
        k += 1
        values = cho_solve((factor[:k, :k], True), matrix[:, :k].conj().T @ b)
        residual = b - matrix[:, :k] @ values
        correction = matrix[:, :k].conj().T @ residual
        values = values + cho_solve((factor[:k, :k], True), correction)
        residual = b - matrix[:, :k] @ values
        order = np.argsort(chosen)
        support = np.array(chosen)[order]
        done = problem.given and k == most
        yield _Iterate(support, values[order], residual, grown=True, settled=done)


def _nst(problem: _Problem) -> Iterator[_Iterate]:
    """Null-space tuning, hard threshold, least squares feedback (Li, Liu, Mi)."""
    problem.proposal = problem.tuning
    yield from _htp(problem)


def _nst_suboptimal(problem: _Problem) -> Iterator[_Iterate]:
    """The same with one gradient step as feedback."""
    problem.proposal = problem.tuning
    found, support, c = problem.zero(), None, 1.0
    while True:
        before, z = found, problem.propose(found)
        new = problem.largest(z)
        matrix = problem.A.columns(new)
        if support is None or not np.array_equal(new, support):
            eigenvalues = np.linalg.eigvalsh(matrix.conj().T @ matrix)
            c = 2.0 / max(eigenvalues[0] + eigenvalues[-1], np.finfo(float).tiny)
            support = new
        values = z[new] + c * (matrix.conj().T @ (problem.b - matrix @ z[new]))
        found = _moved(problem, before, new, values)
        yield found


def _adptnst(problem: _Problem) -> Iterator[_Iterate]:
    """Null-space tuning with supports that grow (Han, Li, Song)."""
    problem.proposal = problem.tuning
    yield from _ghtp(problem)


def _least_squares(matrix: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Coefficients by normal equations with a refinement, or of least norm by SVD."""
    if matrix.shape[1] == 0:
        return np.zeros(0, matrix.dtype)
    if matrix.shape[1] <= matrix.shape[0]:
        adjoint = matrix.conj().T
        gram = adjoint @ matrix
        try:
            factor = cho_factor(gram, lower=True)
            diagonal = np.abs(np.diag(factor[0])) ** 2
            if diagonal.min() > _CONDITION * gram.diagonal().real.max():
                values = cho_solve(factor, adjoint @ b)
                return values + cho_solve(factor, adjoint @ (b - matrix @ values))
        except LinAlgError:
            pass
    return np.linalg.lstsq(matrix, b)[0]


def _pseudoinverse(A: Sensing) -> tuple[Callable, int]:
    """r -> A^+ r and the rank of A, from the smaller of A A^H and A^H A."""
    wide = A.shape[0] <= A.shape[1]
    solve, rank = _inverse(_outer(A) if wide else _inner_products(A))
    if wide:
        return lambda r: A.adjoint(solve(r)), rank
    return lambda r: solve(A.adjoint(r)), rank


def _outer(A: Sensing) -> np.ndarray:
    """A A^H, by blocks of columns."""
    total = np.zeros((A.shape[0], A.shape[0]), A.dtype)
    for part in _blocks(A.shape[1]):
        block = A.columns(part)
        total += block @ block.conj().T
    return total


def _inner_products(A: Sensing) -> np.ndarray:
    """A^H A, by blocks of columns."""
    gram = np.empty((A.shape[1], A.shape[1]), A.dtype)
    for rows in _blocks(A.shape[1]):
        left = A.columns(rows).conj().T
        for cols in _blocks(A.shape[1]):
            gram[np.ix_(rows, cols)] = left @ A.columns(cols)
    return gram


def _blocks(n: int) -> list[np.ndarray]:
    return [np.arange(k, min(k + _BLOCK, n)) for k in range(0, n, _BLOCK)]


def _inverse(matrix: np.ndarray) -> tuple[Callable, int]:
    """v -> matrix^+ v for a Hermitian positive semidefinite matrix, and its rank."""
    try:
        factor = cho_factor(matrix, lower=True)
        diagonal = np.abs(np.diag(factor[0])) ** 2
        if diagonal.min() > _CONDITION * matrix.diagonal().real.max():
            return lambda v: cho_solve(factor, v), len(matrix)
    except LinAlgError:
        pass
    eigenvalues, vectors = np.linalg.eigh(matrix)
    kept = eigenvalues > _CONDITION * max(eigenvalues[-1], 0.0)
    basis, values = vectors[:, kept], eigenvalues[kept]
    return lambda v: basis @ ((basis.conj().T @ v) / values), int(kept.sum())


# Methods whose supports grow, which need no size but stop by the residual.
GROWING = ("omp", "ghtp", "adptnst")

SOLVERS: dict[str, Any] = {
    "htp": _htp,
    "fhtp": _fhtp,
    "ghtp": _ghtp,
    "iht": _iht,
    "niht": _niht,
    "cosamp": _cosamp,
    "sp": _sp,
    "omp": _omp,
    "nst": _nst,
    "nst_suboptimal": _nst_suboptimal,
    "adptnst": _adptnst,
}
