"""Rounds of distributed best subsets for logistic regression.

Around a model the likelihood is a weighted least squares problem, whose second moments
propose supports; these are then judged by the likelihood itself, all sizes in the same
rounds of Newton's method.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.distributed import Shard
from sparsestat.linear_model._subset_rounds import (
    Rounds,
    Totals,
    about_zero,
    gram_problem,
    rows_of,
    symmetric,
)
from sparsestat.optim.design import make_design, predict
from sparsestat.optim.pooled_moments import merge_moments, moments_of_rows
from sparsestat.optim.subset import SubsetProblem

__all__ = ["LogisticFit", "fit_supports", "unique_labels", "working_problem"]

# Linear predictions beyond this say no more.
_LARGEST = 30.0
_MOST_STEPS = 60
_MOST_HALVINGS = 30
# Changes of the loss below this share of it are rounding.
_ROUNDING = 1e-13


class LogisticFit(NamedTuple):
    """Coefficients on a support, about the means of the features.

    Parameters
    ----------
    support : ndarray of int
    coef : ndarray of shape (len(support),)
    intercept : float
        At the means.
    loss : float
        Mean negative log-likelihood.
    objective : float
        With the ridge.
    gradient : float
        Largest entry of the gradient, features in units of their deviation.
    """

    support: Any
    coef: Any
    intercept: float
    loss: float
    objective: float
    gradient: float


def unique_labels(shard: Shard, message: Any) -> tuple[np.ndarray]:
    """Labels of a shard."""
    return (np.unique(np.asarray(shard.y)),)


def working_problem(
    rounds: Rounds, fit: LogisticFit, totals: Totals, ridge: np.ndarray, shards=None
) -> SubsetProblem:
    """Weighted least squares around a fit: the Gram matrix from one round.

    Returns
    -------
    problem : SubsetProblem
        In units of the mean likelihood; weights of its rows are those of the samples
        times the variances of their labels.
    """
    moments = rounds.ask(
        _working_moments,
        "working moments",
        merge_moments,
        shards,
        support=fit.support,
        coef=fit.coef,
        intercept=fit.intercept,
        mean=totals.mean,
    )
    problem, _ = gram_problem(rounds, 0.0, False, moments=moments)
    share = float(moments.counts[1]) / totals.weight
    return problem._replace(ridge=ridge / share, n_samples=totals.weight)


def fit_supports(
    rounds: Rounds, starts: list[LogisticFit], totals: Totals, ridge: np.ndarray,
    scale: np.ndarray, tol: float,
) -> list[LogisticFit]:  # fmt: skip
    """Maximum likelihood on several supports, by Newton's method in the same rounds.

    Parameters
    ----------
    rounds : Rounds
    starts : list of LogisticFit
        Supports with coefficients to start from.
    totals : Totals
    ridge, scale : ndarray of shape (n_features,)
        Ridge and deviations of all features.
    tol : float
        Bound of the gradients.

    Returns
    -------
    fits : list of LogisticFit
    """
    fits = list(starts)
    trials = {k: (fit.coef, fit.intercept, 1.0) for k, fit in enumerate(starts)}
    steps: dict[int, np.ndarray] = {}
    for k in trials:
        fits[k] = fits[k]._replace(objective=np.inf, gradient=np.inf)
    halvings = dict.fromkeys(trials, 0)
    for _ in range(_MOST_STEPS):
        if not trials:
            break
        told = [(fits[k].support, *trials[k][:2]) for k in trials]
        sums = rounds.ask(_newton, "newton", _add_all, models=told, mean=totals.mean)
        for k, (loss, g, H) in zip(list(trials), sums, strict=True):
            fit = fits[k]
            coef, intercept, length = trials.pop(k)
            D = ridge[fit.support]
            s = len(D)
            loss = float(loss[0]) / totals.weight
            value = loss + 0.5 * float(D @ coef**2)
            bound = fit.objective + _ROUNDING * abs(fit.objective)
            if not value <= bound and halvings[k] < _MOST_HALVINGS:
                halvings[k] += 1
                length *= 0.5
                trials[k] = (
                    fit.coef + length * steps[k][:s],
                    fit.intercept + length * steps[k][s],
                    length,
                )
                continue
            if not value <= bound:
                continue  # rounding: the last one stands
            halvings[k] = 0
            g, H = g / totals.weight, symmetric(H, s + 1) / totals.weight
            g[:s] += D * coef
            H[np.arange(s), np.arange(s)] += D
            if not rounds.centred:
                g[s], H[s, :s], H[:s, s], H[s, s] = 0.0, 0.0, 0.0, 1.0
            units = np.append(scale[fit.support], 1.0)
            largest = float(np.abs(g / np.where(units > 0.0, units, 1.0)).max())
            fits[k] = LogisticFit(fit.support, coef, intercept, loss, value, largest)
            steps[k] = -_solve(H, g)
            decrement = -float(g @ steps[k])
            stuck = decrement <= _ROUNDING * value and largest > 0.5 * fit.gradient
            if largest > 0.01 * tol and not stuck:
                trials[k] = coef + steps[k][:s], intercept + steps[k][s], 1.0
    return fits


def _solve(H: np.ndarray, g: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.maximum(H.diagonal(), np.finfo(np.float64).tiny))
    scaled = H / np.outer(size, size)
    try:
        return np.linalg.solve(scaled, g / size) / size
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(scaled, g / size, rcond=1e-12)[0] / size


def _add_all(first: list, second: list) -> list:
    return [
        tuple(a + b for a, b in zip(x, y, strict=True))
        for x, y in zip(first, second, strict=True)
    ]


# Functions of a shard ---------------------------------------------------------------


def _predictions(X, model, mean: np.ndarray) -> np.ndarray:
    """(x_i - mean) coef + intercept."""
    support, coef, intercept = model
    design = make_design(X, fit_intercept=False)
    z = predict(design, support, coef)
    return z - mean[support] @ coef + intercept


def _working_moments(shard: Shard, message: dict):
    """Moments of [X, working response] with the weights of the likelihood."""
    X, y, weight = rows_of(shard, message)
    model = message["support"], message["coef"], message["intercept"]
    z = np.clip(_predictions(X, model, message["mean"]), -_LARGEST, _LARGEST)
    share = 1.0 / (1.0 + np.exp(-z))
    variance = share * (1.0 - share)
    response = z + (y - share) / variance
    found = moments_of_rows(X, response[:, None], weight * variance)
    return found if message["centred"] else about_zero(found)


def _newton(shard: Shard, message: dict) -> list[tuple]:
    """Loss, gradient and packed Hessian of each model, intercepts last."""
    X, y, weight = rows_of(shard, message)
    mean, found = message["mean"], []
    for model in message["models"]:
        support = model[0]
        chosen = X[:, support]
        if hasattr(chosen, "toarray"):
            chosen = chosen.toarray()
        rows = np.column_stack([chosen - mean[support], np.ones(len(y))])
        z = rows @ np.append(model[1], model[2])
        # log(1 + exp(z)) - y z without overflow
        loss = np.logaddexp(0.0, z) - y * z
        share = np.exp(-np.logaddexp(0.0, -z))
        variance = weight * share * np.exp(-np.logaddexp(0.0, z))
        H = rows.T @ (variance[:, None] * rows)
        g = rows.T @ (weight * (share - y))
        found.append((np.array([weight @ loss]), g, H[np.triu_indices(len(H))]))
    return found
