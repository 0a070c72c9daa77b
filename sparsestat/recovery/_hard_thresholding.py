"""Sparse solutions of linear systems by thresholding and pursuit."""

import warnings
from math import inf

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.exceptions import ConvergenceWarning

from sparsestat.optim.greedy import GROWING, SOLVERS, RecoveryResult, recover
from sparsestat.optim.sensing import Sensing, make_sensing
from sparsestat.utils.validation import Callable, Interval, OneOf, check_parameters

__all__ = ["hard_thresholding"]

_RULES = {
    "n_nonzero_coefs": Interval(1, inf, closed="left", integer=True) | None,
    "solver": OneOf(*SOLVERS),
    "step": Interval(0, inf, closed="neither") | OneOf("auto"),
    "tol": Interval(0, inf, closed="left"),
    "max_iter": Interval(1, inf, closed="left", integer=True),
    "noise_norm": Interval(0, inf, closed="left"),
    "feedback": Callable | None,
}


def hard_thresholding(
    A, b, n_nonzero_coefs=None, *, solver="htp", step="auto", tol=1e-8, max_iter=200,
    noise_norm=0.0, feedback=None,
) -> RecoveryResult:  # fmt: skip
    r"""Find a sparse x with A x = b, exactly or up to noise.

    .. math::
        \min_x \; \|A x - b\|_2 \quad \text{subject to} \quad \|x\|_0 \le s

    The problem has no convex certificate; what is returned is a fixed point of the
    method, told by `stationarity`, and its residual. Where the columns of A are nearly
    orthogonal in small numbers it is the sparsest solution.

    Parameters
    ----------
    A : ndarray, sparse matrix, LinearOperator or Sensing of shape (m, n)
        Sensing matrix, real or complex. An operator needs products with its adjoint.
        What :func:`~sparsestat.recovery.make_sensing` returns keeps norms, columns and
        factors for the next b.
    b : array-like of shape (m,)
        Measurements.
    n_nonzero_coefs : int, default=None
        The s, at most min(m, n). None only for solvers whose supports grow, "omp",
        "ghtp" and "adptnst", which then stop by the residual.
    solver : str, default="htp"
        - "htp": hard thresholding pursuit, a gradient step, then least squares on its
          largest entries; "fhtp" with three descent steps in place of least squares;
          "ghtp" with a support that grows by one a step.
        - "iht", "niht": iterative hard thresholding, with a fixed step that descends
          and with one that adapts.
        - "cosamp", "sp": compressive sampling matching pursuit, subspace pursuit.
        - "omp": orthogonal matching pursuit.
        - "nst": null-space tuning, A^+ in place of A^H, with least squares feedback;
          "nst_suboptimal" with a gradient step as feedback; "adptnst" with a support
          that grows. Best where amplitudes decay; they factor A A^H once.
    step : float or "auto", default="auto"
        Step along A^H or A^+. "auto" is one over the mean square norm of the columns,
        n / rank(A) for null-space tuning, halved where supports run in a cycle.
        1 is the step of the papers.
    tol : float, default=1e-8
        Residual, relative to the norm of b, that is enough.
    max_iter : int, default=200
        Steps at most; supports that grow take as many as they have to.
    noise_norm : float, default=0.0
        Norm of the noise in b: a residual of this size is enough.
    feedback : callable, default=None
        Size of the support at step k = 1, 2, ... of "ghtp" and "adptnst"; None is k.

    Returns
    -------
    result : RecoveryResult
        With `x`, `support`, `n_iter`, `residual_norm`, `converged`, `stationarity` and
        `normal_residual`.

    Warns
    -----
    ConvergenceWarning
        If supports run in a cycle or `max_iter` is reached; the iterate of smallest
        residual is returned.

    Raises
    ------
    ValueError
        For parameters out of range, data that are not finite and shapes that disagree.

    See Also
    --------
    sparsestat.linear_model.HardThresholdingRegressor : The same as an estimator.
    sklearn.linear_model.orthogonal_mp : Orthogonal matching pursuit.

    References
    ----------
    Foucart (2011), doi:10.1137/100806278; Bouchot, Foucart and Hitczenko (2016),
    doi:10.1016/j.acha.2016.03.002; Blumensath and Davies (2010),
    doi:10.1109/JSTSP.2010.2042411; Needell and Tropp (2009), arXiv:0803.2392; Dai and
    Milenkovic (2009), doi:10.1109/TIT.2009.2016006; Li, Liu and Mi (2014),
    arXiv:1204.3700; Han, Li and Song (2020), arXiv:2005.06693; Han, Li and Song (2021),
    doi:10.1007/s11075-021-01227-1; suboptimal feedback: arXiv:1711.02377.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.recovery import hard_thresholding
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((40, 100))
    >>> x = np.zeros(100)
    >>> x[[3, 50, 77]] = 1.0, -2.0, 0.5
    >>> result = hard_thresholding(A, A @ x, 3)
    >>> result.support
    array([ 3, 50, 77])
    >>> bool(np.allclose(result.x, x))
    True
    """
    given = {
        "n_nonzero_coefs": n_nonzero_coefs,
        "solver": solver,
        "step": step,
        "tol": tol,
        "max_iter": max_iter,
        "noise_norm": noise_norm,
        "feedback": feedback,
    }
    check_parameters(given, _RULES, name="hard_thresholding")
    A, b = _checked(A, b)
    if n_nonzero_coefs is None and solver not in GROWING:
        raise ValueError(
            f"n_nonzero_coefs must be given unless solver is one of {GROWING}; got "
            f"None with solver={solver!r}."
        )
    if n_nonzero_coefs is not None and n_nonzero_coefs > min(A.shape):
        raise ValueError(
            f"n_nonzero_coefs must be at most {min(A.shape)}, the smaller side of "
            f"A; got {n_nonzero_coefs}."
        )
    result = recover(A, b, **given)
    if not result.converged:
        warnings.warn(
            f"hard_thresholding: solver={solver!r} came to no fixed point in "
            f"{result.n_iter} steps; the residual is {result.residual_norm:.2e}, the "
            f"target {max(tol * np.linalg.norm(b), noise_norm):.2e}. Increase "
            "max_iter, shorten step, or take another solver.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return result


def _checked(A, b):
    """A as a sensing matrix and b to go with it, finite."""
    if not (isinstance(A, (LinearOperator, Sensing)) or sparse.issparse(A)):
        A = np.asarray(A)
    if len(A.shape) != 2 or 0 in A.shape:
        raise ValueError(f"A must have two dimensions, none of size 0; got {A.shape}.")
    operator = A if isinstance(A, LinearOperator) else None
    if not isinstance(A, Sensing):
        if operator is None:
            _check_numbers("A", A.data if sparse.issparse(A) else A)
        A = make_sensing(A)
    b = np.asarray(b)
    if b.shape != A.shape[:1]:
        raise ValueError(f"b must be of shape ({A.shape[0]},); got {b.shape}.")
    _check_numbers("b", b)
    if operator is not None:
        _check_products(operator, b)
    return A, b if b.dtype.kind == "c" else b.astype(np.float64)


def _check_numbers(name, values):
    if values.dtype.kind not in "biufc":
        raise ValueError(f"{name} must hold numbers; got {values.dtype}.")
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum()  # a pass without memory; it may overflow
    if not np.isfinite(total) and not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity.")


def _check_products(A, b):
    """That an operator has an adjoint, and finite products."""
    try:
        image = A.rmatvec(b)
    except NotImplementedError as error:
        raise ValueError(
            "A must have products with its adjoint; got a LinearOperator without "
            "rmatvec."
        ) from error
    if not np.isfinite(image).all():
        raise ValueError("A must have finite products; got NaN or infinity in A^H b.")
