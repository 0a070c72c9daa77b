"""Solve one problem, or a path of them along decreasing strengths."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.losses import run_and_loss
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.penalties import kind
from sparsestat.optim.quadratic_path import Step
from sparsestat.optim.run import Run
from sparsestat.optim.solution import PathSolution, Solution

__all__ = ["path", "solve"]


def solve(
    X,
    y: np.ndarray,
    datafit: NamedTuple,
    penalty: NamedTuple,
    *,
    offset: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    coef0: np.ndarray | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
    solver: str = "auto",
    precompute: bool | str = "auto",
    n_path: int = 30,
) -> Solution:
    """Minimise sum_i s_i f(y_i, x_i w + b) + sum_j pen_j(w_j) over w and b.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        float32 or float64, finite.
    y : ndarray of shape (n_samples,)
        Target, finite; with `RowL2` of shape (n_samples, n_tasks), with `Cox` times
        and events as `SparseCoxRegressor` takes them.
    datafit : NamedTuple
        From `optim.datafits`. All but `Quadratic` take separable penalties with a dual,
        at strengths > 0, and have one solver each; `Cox` needs no intercept.
    penalty : NamedTuple
        From `optim.penalties`, or a class of your own with value and prox.
    offset : ndarray of shape (n_samples,), default=None
        Known part of the predictions; None is zero.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights; the s_i are these over their sum.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit variance.
    coef0 : ndarray of shape (n_features,), default=None
        Where to start, on the scale of X.
    tol : float, default=1e-6
        Bound of the duality gap, relative to the objective of the null model.  For
        penalties without dual, bound of the stationarity relative to the largest
        gradient of the null model.
    max_iter : int, default=100
        Outer rounds at most.
    solver : {"auto", "face_newton", "cd", "uag", "pncg"}, default="auto"
        Newton steps on the face with a Gram matrix of a working set, or coordinate
        descent on the residual; for separable penalties without dual also the unified
        accelerated gradient and proximal nonlinear conjugate gradients. Penalties on
        blocks have one solver, on a Gram matrix of a working set, whatever is asked for
        here and by `precompute`.
    precompute : {"auto", True, False}, default="auto"
        Whether face_newton forms the Gram matrix of all features first.
    n_path : int, default=30
        For penalties without dual, whose minimum depends on the start: strengths in
        which to come down from the largest useful one, unless `coef0` is given.

    Returns
    -------
    solution : Solution
        Coefficients with their certificate.

    Raises
    ------
    TypeError
        For another datafit or a penalty without what the solver needs of it.
    ValueError
        For "uag" and "pncg" with other penalties than theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import datafits, penalties, solve
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> y = np.array([0.0, 2.0, 4.0])
    >>> solve(X, y, datafits.Quadratic(), penalties.L1(0.5)).coef
    array([1.25])
    """
    run = _make_run(
        X, y, datafit, penalty, offset, sample_weight, fit_intercept, standardize, tol,
        max_iter, solver, precompute, n_alphas=1, n_path=n_path,
    )  # fmt: skip
    if coef0 is not None:
        run.start(coef0)
    step = run.step(run.penalty.alpha)
    return run.solution(step)


def path(
    X,
    y: np.ndarray,
    datafit: NamedTuple,
    penalty: NamedTuple,
    *,
    alphas: int | np.ndarray = 100,
    eps: float | None = None,
    offset: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    coef0: np.ndarray | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
    solver: str = "auto",
    precompute: bool | str = "auto",
    n_path: int = 30,
    early_stopping: bool = False,
    on_step: Callable[[int, Step], Any] | None = None,
) -> PathSolution:
    """Solve for a decreasing grid of strengths, each from the solution before.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        float32 or float64, finite.
    y : ndarray of shape (n_samples,)
        As for :func:`solve`.
    datafit : NamedTuple
        As for :func:`solve`.
    penalty : NamedTuple
        As for :func:`solve`; its own alpha does not matter.
    alphas : int or array-like of shape (n_alphas,), default=100
        The strengths, or how many between the smallest that leaves only unpenalised
        coefficients and `eps` times it, equally spaced in the logarithm.
    eps : float, default=None
        Length of the default grid; None is 1e-4 if n_samples > n_features else 1e-3.
    offset : ndarray of shape (n_samples,), default=None
        Known part of the predictions; None is zero.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights.
    fit_intercept : bool, default=True
        Fit b, which is never penalised.
    standardize : bool, default=False
        Penalise the coefficients of columns scaled to unit variance.
    coef0 : ndarray of shape (n_features,), default=None
        Where to start.
    tol : float, default=1e-6
        Bound of each duality gap, as for :func:`solve`.
    max_iter : int, default=100
        Outer rounds at most for each strength.
    solver : {"auto", "face_newton", "cd", "uag", "pncg"}, default="auto"
        As for :func:`solve`.
    precompute : {"auto", True, False}, default="auto"
        As for :func:`solve`; "auto" does with few features and many strengths.
    n_path : int, default=30
        For penalties without dual: strengths at least between the largest useful and
        the smallest one; where there are fewer, others are passed through.
    early_stopping : bool, default=False
        Stop once 99.9 % of the variance is explained, or five strengths together
        explain less than 1e-5 of it.
    on_step : callable, default=None
        Called with the number and the result of each strength; something true in
        return ends the path.

    Returns
    -------
    solution : PathSolution
        Grids given by number may end early, where the fit interpolates y.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import datafits, path, penalties
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> y = np.array([0.0, 2.0, 4.0])
    >>> found = path(X, y, datafits.Quadratic(), penalties.L1(1.0), alphas=[1.0, 0.5])
    >>> found.coefs.toarray()
    array([[0.5 , 1.25]])
    """
    n_alphas = int(alphas) if np.isscalar(alphas) else len(alphas)
    run = _make_run(
        X, y, datafit, penalty, offset, sample_weight, fit_intercept, standardize, tol,
        max_iter, solver, precompute, n_alphas=n_alphas, n_path=n_path,
    )  # fmt: skip
    if coef0 is not None:
        run.start(coef0)
    return run.follow(alphas, eps, early_stopping, on_step)


def _make_run(
    X, y, datafit, penalty, offset, sample_weight, fit_intercept, standardize, tol,
    max_iter, solver, precompute, n_alphas, n_path,
):  # fmt: skip
    """The run that serves a datafit."""
    if isinstance(datafit, Quadratic):
        if offset is not None:
            y = y - (offset if y.ndim == 1 else offset[:, None])
        return Run(
            X, y, datafit, penalty, sample_weight, fit_intercept, standardize, tol,
            max_iter, solver, precompute, n_alphas, n_path=n_path,
        )  # fmt: skip
    run_class, make_loss = run_and_loss(datafit, y, fit_intercept, offset)
    newton = run_class is NewtonRun and kind(penalty) in ("block", "general")
    if kind(penalty) != "convex" and not newton:
        raise TypeError(
            f"penalty must be separable and have a dual with {type(datafit).__name__}; "
            f"got {type(penalty).__name__}."
        )
    return run_class(
        X, make_loss, penalty, sample_weight, fit_intercept, standardize, tol,
        max_iter, n_alphas,
    )  # fmt: skip
