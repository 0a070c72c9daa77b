"""Sparse solutions of A x = b by thresholding and pursuit.

    minimise |A x - b|  subject to  at most s nonzeros in x

Each method is a generator of its iterates; one loop watches residuals, repeated
supports and cycles.  After Blumensath and Davies (2010), Foucart (2011), Bouchot,
Foucart and Hitczenko (2016), Needell and Tropp (2009), Dai and Milenkovic (2009), Li,
Liu and Mi (2014) and Han, Li and Song (2020).
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from sparsestat.optim.greedy_problem import (
    Images,
    Iterate,
    Problem,
    RecoveryResult,
    hard_threshold,
)
from sparsestat.optim.sensing import Sensing
from sparsestat.utils.topk import top_k

__all__ = ["GROWING", "SOLVERS", "RecoveryResult", "hard_threshold", "recover"]

# Supports among which a repetition is a cycle.
_MEMORY = 8
# Share of the largest step at which gradient steps certainly descend.
_SAFE = 0.99
# Gradient steps of fast HTP in place of least squares.
_INNER = 3
# Least share of a column that is not in the span of those chosen.
_CONDITION = 1e-10
# Change of an iterate, relative to its norm, that ends methods without least squares.
_SETTLED = 1e-12


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
    problem = Problem(A, b, n_nonzero_coefs, step, feedback)
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
    result = problem.result(best, n_iter, converged)
    # Least squares on the last support may be as good as asked for.
    return result._replace(converged=converged or result.residual_norm <= target)


def _iht(problem: Problem) -> Iterator[Iterate]:
    """x <- H_s(x + step A^H (b - A x)), a step that descends (Blumensath, Davies)."""
    if problem.automatic:
        problem.step = problem.safe_step
    found = problem.zero()
    while True:
        z = problem.propose(found)
        support = problem.largest(z)
        found = _moved(problem, found, support, z[support])
        yield found


def _niht(problem: Problem) -> Iterator[Iterate]:
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
        problem.step = float(mu)
        support = new
        found = _moved(problem, found, new, z[new])
        yield found


def _moved(problem, before: Iterate, support, values) -> Iterate:
    """An iterate without least squares; it settles where it hardly moves."""
    found = problem.at(support, values, finite=False)
    if np.array_equal(support, before.support):
        change = np.linalg.norm(values - before.values)
        if change <= _SETTLED * np.linalg.norm(values):
            return found._replace(settled=True)
    return found


def _htp(problem: Problem) -> Iterator[Iterate]:
    """Least squares on the support of the thresholded gradient step (Foucart)."""
    found = problem.zero()
    while True:
        found = problem.fit(problem.largest(problem.propose(found)))
        yield found


def _fhtp(problem: Problem) -> Iterator[Iterate]:
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


def _ghtp(problem: Problem) -> Iterator[Iterate]:
    """HTP whose support grows by one a step (Bouchot, Foucart, Hitczenko)."""
    found, last, images = problem.zero(), 0, Images(problem)
    for size in problem.sizes():
        z = problem.step * images.direction(found)
        z[found.support] += found.values
        found = problem.fit(problem.largest(z, size))
        yield found._replace(grown=size != last)
        if size == last and not problem.given:
            return
        last = size


def _cosamp(problem: Problem) -> Iterator[Iterate]:
    """Merge with 2 s correlations, least squares, prune to s (Needell, Tropp)."""
    problem.automatic = False
    yield from _merge_and_prune(problem, 2 * problem.size, refit=False)


def _sp(problem: Problem) -> Iterator[Iterate]:
    """Merge with s correlations, least squares, prune, refit (Dai, Milenkovic)."""
    problem.automatic = False
    yield from _merge_and_prune(problem, problem.size, refit=True)


def _merge_and_prune(problem, n_new: int, refit: bool) -> Iterator[Iterate]:
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


def _omp(problem: Problem) -> Iterator[Iterate]:
    """The column that correlates most with the residual, then least squares again."""
    A, images = problem.A, Images(problem)
    problem.automatic = False
    most, found = problem.size, problem.zero()
    chosen, barred = [], np.zeros(A.shape[1], bool)
    Q = np.empty((A.shape[0], most), problem.dtype, order="F")
    R = np.zeros((most, most), problem.dtype, order="F")
    parts = np.empty(most, problem.dtype)
    (solve,) = get_lapack_funcs(("trtrs",), (R,))
    while len(chosen) < most:
        sizes = np.abs(images.direction(found))
        sizes[barred] = -1.0
        j, k = int(sizes.argmax()), len(chosen)
        if sizes[j] <= 0.0:
            return
        barred[j] = True
        column = A.columns(np.array([j]))[:, 0]
        basis, rest, whole = Q[:, :k], column, np.linalg.norm(column)
        adjoint, norm, before = basis.conj().T, whole, np.inf
        while norm < 0.7 * before and norm**2 > _CONDITION * whole**2:
            inside = adjoint @ rest  # again where it cancels
            rest = rest - basis @ inside
            R[:k, k] += inside
            before, norm = norm, np.linalg.norm(rest)
        if norm**2 <= _CONDITION * whole**2:
            R[:k, k] = 0.0
            continue  # depends on the chosen ones
        R[k, k], Q[:, k] = norm, rest / norm
        parts[k] = np.vdot(Q[:, k], found.residual)
        chosen.append(j)
        found = Iterate(
            np.array(chosen),
            solve(R[: k + 1, : k + 1], parts[: k + 1])[0],
            found.residual - parts[k] * Q[:, k],
            finite=False,
            grown=True,
            settled=problem.given and k + 1 == most,
        )
        yield found


def _nst(problem: Problem) -> Iterator[Iterate]:
    """Null-space tuning, hard threshold, least squares feedback (Li, Liu, Mi)."""
    problem.tuned = True
    yield from _htp(problem)


def _nst_suboptimal(problem: Problem) -> Iterator[Iterate]:
    """The same with one gradient step as feedback."""
    problem.tuned = True
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


def _adptnst(problem: Problem) -> Iterator[Iterate]:
    """Null-space tuning with supports that grow (Han, Li, Song)."""
    problem.tuned = True
    yield from _ghtp(problem)


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
