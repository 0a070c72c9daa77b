"""The same problems for cvxpy: an oracle for tests, a start for extra constraints."""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.datafits import (
    Cox,
    Gamma,
    Huber,
    Logistic,
    Multinomial,
    Poisson,
    Quadratic,
    Quantile,
    least_loss,
    risk_sets,
)
from sparsestat.optim.penalties import (
    L1,
    SLOPE,
    ElasticNet,
    TotalVariation,
    incidence,
    is_coupled,
    prepare,
)
from sparsestat.utils.survival import check_survival

__all__ = ["to_cvxpy"]

_KNOWN = Quadratic, Logistic, Multinomial, Poisson, Gamma, Huber, Quantile, Cox


def to_cvxpy(
    X,
    y: np.ndarray,
    datafit: NamedTuple,
    penalty: NamedTuple,
    *,
    offset: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
) -> tuple[Any, dict[str, Any]]:
    """Write a problem in cvxpy, for constraints of your own.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Data.
    y : ndarray of shape (n_samples,)
        Target; with `Cox` times and events, with `Multinomial` classes 0, 1, ...
    datafit : NamedTuple
        `optim.datafits.Quadratic`, `Logistic`, `Multinomial`, `Poisson`, `Gamma`,
        `Huber`, `Quantile` or `Cox`.
    penalty : NamedTuple
        `optim.penalties.L1`, `ElasticNet`, `SLOPE` or `TotalVariation`.
    offset : ndarray of shape (n_samples,), default=None
        Known part of the predictions; None is zero.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is never penalised; `Cox` has none.

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
    if not isinstance(datafit, _KNOWN):
        names = ", ".join(cls.__name__ for cls in _KNOWN[:-1])
        raise TypeError(
            f"datafit must be {names} or {_KNOWN[-1].__name__}; got {datafit!r}."
        )
    if not isinstance(penalty, L1 | ElasticNet | SLOPE | TotalVariation):
        raise TypeError(
            f"penalty must be L1, ElasticNet, SLOPE or TotalVariation; got {penalty!r}."
        )
    n, p = X.shape
    share = np.full(n, 1.0 / n) if sample_weight is None else np.array(sample_weight)
    share = share / share.sum()
    several = isinstance(datafit, Multinomial)
    coef = cp.Variable((p, int(np.max(y)) + 1) if several else p)
    variables: dict[str, Any] = {"coef": coef}
    fitted = X @ coef if offset is None else X @ coef + offset
    if fit_intercept and not isinstance(datafit, Cox):
        intercept = cp.Variable((1, coef.shape[1]) if several else ())
        variables["intercept"] = intercept
        fitted = fitted + (np.ones((n, 1)) @ intercept if several else intercept)
    loss = _loss(datafit, y, fitted, share)
    penalty = prepare(penalty, p)
    if is_coupled(penalty):
        size = _coupled(penalty, coef)
        return cp.Problem(cp.Minimize(loss + penalty.alpha * size)), variables
    excluded = np.isinf(penalty.weights)
    weights = np.where(excluded, 0.0, penalty.weights)
    ratio = getattr(penalty, "l1_ratio", 1.0)
    size = ratio * cp.sum(weights @ cp.abs(coef))
    if ratio < 1.0:
        size = size + 0.5 * (1.0 - ratio) * cp.sum(weights @ cp.square(coef))
    constraints = []
    if excluded.any():
        constraints.append(coef[np.flatnonzero(excluded)] == 0)
    if penalty.positive:
        constraints.append(coef >= 0)
    problem = cp.Problem(cp.Minimize(loss + penalty.alpha * size), constraints)
    return problem, variables


def _loss(datafit: NamedTuple, y: np.ndarray, fitted, share: np.ndarray):
    """The loss of predictions as an expression of cvxpy."""
    import cvxpy as cp

    if isinstance(datafit, Logistic | Multinomial | Poisson | Gamma):
        y = np.asarray(y, dtype=np.float64)
        return share @ _terms(datafit, y, fitted) - share @ least_loss(datafit, y)
    if isinstance(datafit, Cox):
        return _partial_likelihood(datafit, y, fitted, share)
    r = y - fitted
    if isinstance(datafit, Huber):
        return 0.5 * (share @ cp.huber(r, datafit.threshold))
    if isinstance(datafit, Quantile):
        q = datafit.quantile
        return share @ cp.maximum(q * r, (q - 1.0) * r)
    return 0.5 * (share @ cp.square(r))


def _terms(datafit: NamedTuple, y: np.ndarray, z):
    """Losses of all samples as an expression of cvxpy."""
    import cvxpy as cp

    if isinstance(datafit, Logistic):
        return cp.logistic(-cp.multiply(y, z))
    if isinstance(datafit, Multinomial):
        observed = np.equal.outer(y, np.arange(z.shape[1]))
        return cp.log_sum_exp(z, axis=1) - cp.sum(cp.multiply(observed, z), axis=1)
    if isinstance(datafit, Poisson):
        return cp.exp(z) - cp.multiply(y, z)
    return cp.multiply(y, cp.exp(-z)) + z


def _partial_likelihood(datafit: Cox, y: np.ndarray, fitted, share: np.ndarray):
    """Half the mean deviance, with an expression for each denominator."""
    import cvxpy as cp

    sets = risk_sets(*check_survival(y), share, datafit.ties)
    z = fitted[sets.order]
    parts = [-sets.observed @ z]
    for k, start in enumerate(sets.start):
        d = int(sets.row[k + 1] - sets.row[k])
        for level in range(d):
            left = np.ones(len(sets.weight) - start)
            left[: sets.size[k]] -= level / d
            shifts = np.log(left * sets.weight[start:])
            least = np.log(sets.mass[k] * left[0])
            total = cp.log_sum_exp(z[start:] + shifts) - least
            parts.append(sets.mass[k] / d * total)
    return sum(parts)


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
