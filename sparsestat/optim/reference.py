"""The same problems for cvxpy: an oracle for tests, a start for extra constraints."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.datafits import Quadratic
from sparsestat.optim.penalties import (
    L1,
    SLOPE,
    ElasticNet,
    TotalVariation,
    incidence,
    is_coupled,
    prepare,
)

__all__ = ["to_cvxpy"]


def to_cvxpy(
    X,
    y: np.ndarray,
    datafit: NamedTuple,
    penalty: NamedTuple,
    *,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
) -> tuple[Any, dict[str, Any]]:
    """Write a problem in cvxpy, for constraints of your own.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Data.
    y : ndarray of shape (n_samples,)
        Target.
    datafit : NamedTuple
        `optim.datafits.Quadratic`.
    penalty : NamedTuple
        `optim.penalties.L1`, `ElasticNet`, `SLOPE` or `TotalVariation`.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is never penalised.

    Returns
    -------
    problem : cvxpy.Problem
        Its value is the objective of :func:`sparsestat.optim.solve`.
    variables : dict
        ``"coef"`` and, if fitted, ``"intercept"``.

    Raises
    ------
    ImportError
        Without cvxpy, which the extra ``sparsestat[cvxpy]`` installs.
    TypeError
        For a datafit or penalty without a translation.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import datafits, penalties, to_cvxpy
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 2.0, 4.0])
    >>> problem, variables = to_cvxpy(X, y, datafits.Quadratic(), penalties.L1(0.5))
    >>> value = problem.solve()
    >>> print(round(float(variables["coef"].value[0]), 4))
    1.25
    """
    try:
        import cvxpy as cp
    except ImportError as error:
        raise ImportError("to_cvxpy needs cvxpy: install sparsestat[cvxpy].") from error
    if not isinstance(datafit, Quadratic):
        raise TypeError(f"datafit must be Quadratic(); got {datafit!r}.")
    if not isinstance(penalty, L1 | ElasticNet | SLOPE | TotalVariation):
        raise TypeError(
            f"penalty must be L1, ElasticNet, SLOPE or TotalVariation; got {penalty!r}."
        )
    n, p = X.shape
    share = np.full(n, 1.0 / n) if sample_weight is None else np.array(sample_weight)
    share = share / share.sum()
    coef = cp.Variable(p)
    variables: dict[str, Any] = {"coef": coef}
    fitted = X @ coef
    if fit_intercept:
        variables["intercept"] = cp.Variable()
        fitted = fitted + variables["intercept"]
    loss = 0.5 * cp.sum(cp.multiply(share, cp.square(y - fitted)))
    penalty = prepare(penalty, p)
    if is_coupled(penalty):
        size = _coupled(penalty, coef)
        return cp.Problem(cp.Minimize(loss + penalty.alpha * size)), variables
    excluded = np.isinf(penalty.weights)
    weights = np.where(excluded, 0.0, penalty.weights)
    ratio = getattr(penalty, "l1_ratio", 1.0)
    size = ratio * (weights @ cp.abs(coef))
    if ratio < 1.0:
        size = size + 0.5 * (1.0 - ratio) * (weights @ cp.square(coef))
    constraints = []
    if excluded.any():
        constraints.append(coef[np.flatnonzero(excluded)] == 0)
    if penalty.positive:
        constraints.append(coef >= 0)
    problem = cp.Problem(cp.Minimize(loss + penalty.alpha * size), constraints)
    return problem, variables


def _coupled(penalty: SLOPE | TotalVariation, coef):
    """The penalty at strength 1 as an expression of cvxpy."""
    import cvxpy as cp

    size = cp.abs(coef)
    if isinstance(penalty, TotalVariation):
        jumps = incidence(penalty, coef.size) @ coef
        t = penalty.tv_ratio
        return t * cp.norm1(jumps) + (1.0 - t) * cp.sum(size)
    drops = penalty.lambdas - np.append(penalty.lambdas[1:], 0.0)
    parts = [penalty.lambdas[-1] * cp.sum(size)]
    for k in np.flatnonzero(drops[:-1]):
        parts.append(drops[k] * cp.sum_largest(size, int(k) + 1))
    return sum(parts)
