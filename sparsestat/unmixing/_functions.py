"""Abundances under known endmembers, each row of X solved exactly."""

import warnings
from math import inf

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from sparsestat.optim.gram_qp import BLOCK, GramQP, gram_qp, simplex_gap
from sparsestat.utils.validation import Boolean, Interval, Jobs, check_parameters

__all__ = [
    "fcls",
    "fcls_gap",
    "lasso_gap",
    "least_squares_gap",
    "nnls",
    "nnls_gap",
    "solve_fcls",
    "solve_lasso",
    "solve_nnls",
    "solve_ucls",
    "sunsal",
    "sunsal_gap",
    "thin_product",
]

_RULES = {
    "alpha": Interval(0, inf, closed="left"),
    "sum_to_one": Boolean,
    "return_gap": Boolean,
    "n_jobs": Jobs,
}
_FLOATS = [np.float64, np.float32]


def fcls(
    X: ArrayLike,
    components: ArrayLike,
    *,
    return_gap: bool = False,
    n_jobs: int | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    r"""Fully constrained least squares: abundances on the simplex.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2
        \quad \text{subject to} \quad a \ge 0,\ 1^T a = 1

    for each pixel x, by an exact active-set method.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.
    components : array-like of shape (n_components, n_features)
        Endmembers E, in units of `X`.
    return_gap : bool, default=False
        Whether to return duality gaps as well.
    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Returns
    -------
    abundances : ndarray of shape (n_samples, n_components)
        In the precision of `X`.
    gap : ndarray of shape (n_samples,)
        Bounds of how far each objective is above its minimum; only if `return_gap`.

    Raises
    ------
    ValueError
        For data that are not finite or whose numbers of bands differ.

    See Also
    --------
    FCLS : The same as a transformer.
    nnls : Without the sum.

    References
    ----------
    Heinz and Chang (2001), doi:10.1109/36.911111.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import fcls
    >>> fcls([[1.2, 0.3, -0.5]], np.eye(3))
    array([[0.95, 0.05, 0.  ]])
    """
    X, E = _checked("fcls", X, components, return_gap=return_gap, n_jobs=n_jobs)
    abundances = solve_fcls(X, E, n_jobs=n_jobs)
    return (abundances, fcls_gap(X, E, abundances)) if return_gap else abundances


def nnls(
    X: ArrayLike,
    components: ArrayLike,
    *,
    return_gap: bool = False,
    n_jobs: int | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    r"""Non-negative least squares for each pixel.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 \quad \text{subject to} \quad a \ge 0

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.
    components : array-like of shape (n_components, n_features)
        Endmembers E, in units of `X`.
    return_gap : bool, default=False
        Whether to return duality gaps as well.
    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Returns
    -------
    abundances : ndarray of shape (n_samples, n_components)
        In the precision of `X`.
    gap : ndarray of shape (n_samples,)
        Bounds of how far each objective is above its minimum, only if `return_gap`.
        Where an endmember's bands do not sum to more than zero, the largest violated
        optimality condition in their place.

    Raises
    ------
    ValueError
        For data that are not finite or whose numbers of bands differ.

    See Also
    --------
    NNLS : The same as a transformer.
    scipy.optimize.nnls : One pixel at a time.

    References
    ----------
    Lawson and Hanson (1974), Solving Least Squares Problems.

    Examples
    --------
    >>> from sparsestat.unmixing import nnls
    >>> nnls([[1.0, -0.5]], [[1.0, 0.0], [1.0, 1.0]])
    array([[1., 0.]])
    """
    X, E = _checked("nnls", X, components, return_gap=return_gap, n_jobs=n_jobs)
    abundances = solve_nnls(X, E, n_jobs=n_jobs)
    return (abundances, nnls_gap(X, E, abundances)) if return_gap else abundances


def sunsal(
    X: ArrayLike,
    components: ArrayLike,
    alpha: float,
    *,
    sum_to_one: bool = False,
    return_gap: bool = False,
    n_jobs: int | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    r"""Sparse unmixing of each pixel under non-negative abundances.

    .. math:: \min_a \tfrac12 \|x - E^T a\|^2 + \alpha\, 1^T a
        \quad \text{subject to} \quad a \ge 0

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels, a spectrum in each row.
    components : array-like of shape (n_components, n_features)
        Spectra E of a library, in units of `X`.
    alpha : float
        Strength of the penalty, in units of `X` squared.
    sum_to_one : bool, default=False
        Whether abundances sum to one, as in :func:`fcls`; the penalty is constant
        then.
    return_gap : bool, default=False
        Whether to return duality gaps as well.
    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    Returns
    -------
    abundances : ndarray of shape (n_samples, n_components)
        In the precision of `X`.
    gap : ndarray of shape (n_samples,)
        Bounds of how far each objective is above its minimum; only if `return_gap`.

    Raises
    ------
    ValueError
        For data that are not finite, whose numbers of bands differ, or for a
        negative `alpha`.

    Warns
    -----
    UserWarning
        If `sum_to_one` leaves a positive `alpha` without effect.

    See Also
    --------
    SUnSAL : The same as a transformer.

    References
    ----------
    Bioucas-Dias and Figueiredo (2010), doi:10.1109/WHISPERS.2010.5594963, for the
    model; solved by an active-set method here.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import sunsal
    >>> sunsal([[1.0, 0.3, 0.1]], np.eye(3), alpha=0.2)
    array([[0.8, 0.1, 0. ]])
    """
    flags = {"sum_to_one": sum_to_one, "return_gap": return_gap, "n_jobs": n_jobs}
    X, E = _checked("sunsal", X, components, alpha=alpha, **flags)
    if sum_to_one:
        warn_constant_penalty("sunsal", alpha)
        return fcls(X, E, return_gap=return_gap, n_jobs=n_jobs)
    abundances = solve_nnls(X, E, alpha, n_jobs)
    return (
        (abundances, sunsal_gap(X, E, abundances, alpha)) if return_gap else abundances
    )


def thin_product(X: np.ndarray, E: np.ndarray) -> np.ndarray:
    """X @ E.T in the precision of X, in the order that is faster for a few rows E."""
    E = E.astype(X.dtype, copy=False)
    return X @ E.T if X.dtype == np.float32 else (E @ X.T).T


def solve_fcls(
    X: np.ndarray,
    E: np.ndarray,
    linear: float | np.ndarray = 0.0,
    n_jobs: int | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Abundances on the simplex.

    Spectra are taken from the mean endmember, which changes nothing on the simplex
    and saves the digits that a common level would cost.
    """
    centre = E.mean(axis=0, dtype=np.float64)
    centred = E - centre
    products, gram = thin_product(X, centred), centred @ centred.T
    options = {"start": start, "tol": _tol(X), "n_jobs": n_jobs}
    options["linear"] = linear + centred @ centre
    found = gram_qp(gram, products, sum_to_one=True, **options)
    return _abundances(found, X, "fcls")


def solve_nnls(
    X: np.ndarray,
    E: np.ndarray,
    linear: float | np.ndarray = 0.0,
    n_jobs: int | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Non-negative abundances under a linear penalty."""
    exact = E.astype(np.float64, copy=False)
    products = thin_product(X, E)
    options = {"start": start, "tol": _tol(X), "n_jobs": n_jobs, "linear": linear}
    found = gram_qp(exact @ exact.T, products, **options)
    return _abundances(found, X, "nnls")


def solve_lasso(
    X: np.ndarray,
    E: np.ndarray,
    linear: float | np.ndarray,
    n_jobs: int | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Abundances of any sign under a penalty of their absolute values.

    They are differences of non-negative ones of the spectra and of their negatives, of
    which a positive penalty leaves one in each pair.
    """
    linear = np.concatenate([linear, linear], axis=-1)
    if start is not None:
        start = np.hstack([start, -start])
    both = solve_nnls(X, np.vstack([E, -E]), linear, n_jobs, start)
    return both[:, : len(E)] - both[:, len(E) :]


def solve_ucls(X: np.ndarray, E: np.ndarray) -> np.ndarray:
    """Abundances without constraints, of least norm."""
    return (X @ np.linalg.pinv(E).astype(X.dtype)).astype(X.dtype)


def fcls_gap(
    X: np.ndarray,
    E: np.ndarray,
    abundances: np.ndarray,
    linear: float | np.ndarray = 0.0,
) -> np.ndarray:
    """Duality gap of abundances on the simplex, one for each pixel."""

    def gap(x, a, r, penalties):
        return simplex_gap(penalties - r @ E.T, a)

    return _by_blocks(gap, X, E, abundances, linear)


def nnls_gap(X: np.ndarray, E: np.ndarray, abundances: np.ndarray) -> np.ndarray:
    """Duality gap of non-negative abundances, or the violation where none is known.

    The residual less a constant over the bands is feasible for the dual problem where
    the bands of every endmember sum to more than zero.
    """
    total = E.sum(axis=1)

    def gap(x, a, r, penalties):
        slopes = r @ E.T
        if (total <= 0.0).any():
            return np.maximum(slopes.max(axis=1), np.abs((slopes * a).sum(axis=1)))
        shift = np.maximum(0.0, (slopes / total).max(axis=1))
        slack = shift[:, None] * total - slopes
        return 0.5 * shift**2 * E.shape[1] + (slack * a).sum(axis=1)

    return _by_blocks(gap, X, E, abundances)


def sunsal_gap(
    X: np.ndarray, E: np.ndarray, abundances: np.ndarray, alpha: float | np.ndarray
) -> np.ndarray:
    """Duality gap of non-negative abundances under a penalty of their sum.

    The dual point is the residual, scaled until it is feasible; all terms of the gap
    are non-negative, so that no digits cancel.
    """
    if not np.any(alpha):
        return nnls_gap(X, E, abundances)

    def gap(x, a, r, penalties):
        slopes = r @ E.T
        norm = (r * r).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(slopes > 0.0, penalties / slopes, inf).min(axis=1)
            best = np.where(norm > 0.0, (r * x).sum(axis=1) / norm, 0.0)
        scale = np.clip(best, 0.0, bound)
        slack = penalties - scale[:, None] * slopes
        return 0.5 * (1.0 - scale) ** 2 * norm + (slack * a).sum(axis=1)

    return _by_blocks(gap, X, E, abundances, alpha)


def lasso_gap(
    X: np.ndarray, E: np.ndarray, abundances: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """Duality gap of abundances under a penalty of their absolute values."""
    signed = np.hstack([np.maximum(abundances, 0.0), np.maximum(-abundances, 0.0)])
    alpha = np.concatenate([alpha, alpha], axis=-1)
    return sunsal_gap(X, np.vstack([E, -E]), signed, alpha)


def least_squares_gap(
    X: np.ndarray,
    E: np.ndarray,
    abundances: np.ndarray,
    directions: np.ndarray | None = None,
) -> np.ndarray:
    """What moves along some spectra, or all, would still gain for each pixel."""
    directions = E if directions is None else directions
    _, singular, basis = np.linalg.svd(directions, full_matrices=False)
    basis = basis[singular > len(E) * np.finfo(float).eps * singular.max(initial=0.0)]

    def gap(x, a, r, penalties):
        return 0.5 * np.square(r @ basis.T).sum(axis=1)

    return _by_blocks(gap, X, E, abundances)


def warn_constant_penalty(name: str, alpha: float) -> None:
    """Say that a penalty of the sum does nothing where the sum is fixed."""
    if alpha > 0.0:
        warnings.warn(
            f"{name}: sum_to_one makes the sum of the abundances constant, so "
            f"alpha={alpha:g} has no effect.",
            UserWarning,
            stacklevel=3,
        )


def _checked(name, X, components, **parameters):
    """Validated parameters and data."""
    check_parameters(parameters, _RULES, name=name)
    X = check_array(X, dtype=_FLOATS, input_name="X")
    E = check_array(components, dtype=_FLOATS, input_name="components")
    if X.shape[1] != E.shape[1]:
        raise ValueError(
            f"{name}: components must have the {X.shape[1]} bands of X; got "
            f"shape {E.shape}."
        )
    return X, E.astype(np.float64, copy=False)


def _tol(X: np.ndarray) -> float:
    """Slopes below this share of the largest product are rounding."""
    return 1e-12 if X.dtype == np.float64 else 1e-6


def _abundances(found: GramQP, X: np.ndarray, name: str) -> np.ndarray:
    if not found.solved.all():
        first = int(np.argmin(found.solved))
        warnings.warn(
            f"{name}: {np.count_nonzero(~found.solved)} pixels are not solved, the "
            f"first in row {first}, after {found.n_moves[first]} moves; ask for their "
            "duality gaps, and drop spectra that hardly differ.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return found.coef.astype(X.dtype, copy=False)


def _by_blocks(gap, X, E, abundances, linear=0.0):
    """Gaps of pixels, abundances, residuals and penalties, a block at a time."""
    gaps = np.empty(len(X))
    linear = np.broadcast_to(linear, abundances.shape)
    for first in range(0, len(X), BLOCK):
        rows = slice(first, first + BLOCK)
        x, a = X[rows].astype(np.float64), abundances[rows].astype(np.float64)
        gaps[rows] = gap(x, a, x - a @ E, linear[rows])
    return gaps
