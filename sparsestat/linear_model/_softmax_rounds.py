"""Rounds of distributed best subsets for logistic regression of two and more classes.

Around a model the likelihood is nearly a weighted least squares problem, whose second
moments propose supports; these are then judged by the likelihood itself, all sizes in
the same rounds of Newton's method.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.linear_model._softmax_shards import (
    Working,
    class_margins,
    contrasts_of,
    merge_class_margins,
    merge_working_margins,
    merge_working_moments,
    newton_sums,
    working_block,
    working_margins,
    working_moments,
    working_rows,
)
from sparsestat.linear_model._subset_rounds import (
    Margins,
    Rounds,
    ShardSource,
    Totals,
    symmetric,
)
from sparsestat.optim.design import is_constant
from sparsestat.optim.pooled_moments import Moments, scatter_matrix
from sparsestat.optim.subset import MatrixSource, SubsetProblem

__all__ = [
    "SoftmaxFit",
    "WorkingProblem",
    "fit_supports",
    "hessian_of",
    "leader_problem",
    "null_fit",
    "working_problem",
    "working_problems",
]

_MOST_STEPS = 60
_MOST_HALVINGS = 30
# Changes of the loss below this share of it are rounding.
_ROUNDING = 1e-13
# Share of the rows of a class that has no weight.
_NEVER = 1e-10


class SoftmaxFit(NamedTuple):
    """Coefficients on a support, about the means of the features.

    Parameters
    ----------
    support : ndarray of int
    coef : ndarray of shape (len(support), n_contrasts)
    intercept : ndarray of shape (n_contrasts,)
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
    intercept: Any
    loss: float
    objective: float
    gradient: float


class WorkingProblem(NamedTuple):
    """A quadratic model of the likelihood around a fit.

    The curvature of a row, a matrix of contrasts, is taken for its trace times the mean
    shape of all; coefficients are in units in which that shape is the identity.

    Parameters
    ----------
    problem : SubsetProblem
        In units of the mean likelihood.
    root : ndarray of shape (n_contrasts, n_contrasts)
        Of the mean shape: coefficients of the problem are root @ coef.T.
    coef : ndarray of shape (n_contrasts, n_chosen)
        Of the fit, in these units.
    residual : ndarray of shape (n_contrasts, n_features)
        Minus the gradient there, without the ridge.
    size : float
        Mean size of the residuals of a row, over contrasts.
    """

    problem: SubsetProblem
    root: np.ndarray
    coef: np.ndarray
    residual: np.ndarray
    size: float

    def coefs_of(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients (n_chosen, n_contrasts) from those of the problem."""
        return np.linalg.solve(self.root, coef).T


def null_fit(rounds: Rounds) -> tuple[Margins, SoftmaxFit]:
    """Margins, and the fit without features, whose intercepts are shares of classes."""
    margins, weights = rounds.ask(class_margins, "margins", merge_class_margins)
    K, total = len(weights), max(float(weights.sum()), np.finfo(np.float64).tiny)
    contrasts = contrasts_of(K)
    odds = np.zeros(K)
    if rounds.centred:
        odds = np.log(np.maximum(weights / total, _NEVER))
    share = np.exp(odds) / np.exp(odds).sum()
    loss = -float(weights @ np.log(share)) / total
    intercept = contrasts.T @ (odds - odds[0])
    none = np.array([], np.int64)
    empty = np.empty((0, contrasts.shape[1]))
    return margins, SoftmaxFit(none, empty, intercept, loss, loss, 0.0)


def working_problem(
    rounds: Rounds, fit: SoftmaxFit, totals: Totals, ridge: np.ndarray, whole: bool
) -> WorkingProblem:
    """The quadratic model around a fit: all of its Gram matrix, or blocks on request.

    Parameters
    ----------
    rounds : Rounds
    fit : SoftmaxFit
    totals : Totals
    ridge : ndarray of shape (n_features,)
    whole : bool
        One round with p (p + 1) / 2 numbers, or one with p and more for each block.

    Returns
    -------
    working : WorkingProblem
    """
    told = {name: getattr(fit, name) for name in ("support", "coef", "intercept")}
    found = rounds.ask(
        working_moments if whole else working_margins,
        "working moments" if whole else "working margins",
        merge_working_moments if whole else merge_working_margins,
        **told,
        mean=totals.mean,
    )
    if whole:
        gram = scatter_matrix(Moments(*found[:3])) / totals.weight
        source, diagonal = MatrixSource(gram), gram.diagonal().copy()
    else:
        source, diagonal = _asking(rounds, fit, totals, found)
    return _model_of(rounds, fit, totals, ridge, found, source, diagonal)


def working_problems(
    rounds: Rounds, fits: list[SoftmaxFit], totals: Totals, ridge: np.ndarray
) -> list[WorkingProblem]:
    """Those around several fits, with the blocks that exchanges of a feature need.

    One round, with p (s + 2) numbers and more for a fit of s features.
    """
    if not fits:
        return []
    models = [(fit.support, fit.coef, fit.intercept) for fit in fits]
    told = rounds.ask(working_rows, "working rows", models=models, mean=totals.mean)
    ends = np.cumsum([len(fit.support) for fit in fits])
    problems = []
    for k, fit in enumerate(fits):
        share, sums = float(told.total[k]), told.sums[k]
        rows = told.rows[ends[k] - len(fit.support) : ends[k]]
        mean, second = totals.mean, told.squares[k]
        if rounds.centred:  # from the means of all rows to those of the weighted ones
            mean, second = mean + sums / share, second - sums**2 / share
            rows = rows - np.outer(sums[fit.support], sums / share)
        counts = np.array([totals.n_rows, share])
        found = Working(
            counts, mean, second, told.gradient[k], told.shape[k], told.pearson[k],
            None, told.size[[k]],
        )  # fmt: skip
        source, diagonal = _asking(rounds, fit, totals, found)
        source.know(fit.support, rows / totals.weight)
        problems.append(_model_of(rounds, fit, totals, ridge, found, source, diagonal))
    return problems


def _asking(rounds, fit, totals, found) -> tuple[ShardSource, np.ndarray]:
    """Blocks of the Gram matrix on request, and its diagonal."""
    mean = found.mean if rounds.centred else np.zeros(len(totals.mean))
    place = Totals(totals.n_rows, totals.weight, mean, 0.0)
    told = {name: getattr(fit, name) for name in ("support", "coef", "intercept")}
    told["model_mean"] = totals.mean
    source = ShardSource(rounds, place, None, working_block, told)
    return source, found.second / totals.weight


def _model_of(rounds, fit, totals, ridge, found, source, diagonal) -> WorkingProblem:
    """The quadratic model from its first derivatives and a source of the second."""
    p, m = len(ridge), fit.coef.shape[1]
    total, share = totals.weight, float(found.counts[1])
    root = _root(symmetric(found.shape, m) / share)
    residual = np.linalg.solve(root, found.gradient) / total
    mean = found.mean if rounds.centred else np.zeros(p)
    still = is_constant(mean, diagonal * (total / share), int(totals.n_rows))
    coef = root @ fit.coef.T
    linear, size = residual, float(np.trace(_scaled(root, found.pearson, m))) / total
    if len(fit.support):
        block = source.block(fit.support)
        linear = residual + coef @ block
        size += float((coef * (linear + residual)[:, fit.support]).sum())
    inverse = np.linalg.inv(root)
    problem = SubsetProblem(
        source,
        np.ascontiguousarray(linear),
        np.where(still, 0.0, diagonal),
        max(size, np.finfo(np.float64).tiny),
        total,
        ridge * float((inverse**2).sum() / m),
    )
    return WorkingProblem(problem, root, coef, residual, float(found.size[0]) / total)


def leader_problem(
    rounds: Rounds, fit: SoftmaxFit, totals: Totals, working: WorkingProblem,
    leader, whole: bool,
) -> SubsetProblem:  # fmt: skip
    """The same with the Gram matrix of some shards, whole or by blocks."""
    told = {name: getattr(fit, name) for name in ("support", "coef", "intercept")}
    found = rounds.ask(
        working_moments if whole else working_margins,
        "leader",
        merge_working_moments if whole else merge_working_margins,
        leader,
        **told,
        mean=totals.mean,
    )
    total = float(found.weight[0])
    if whole:
        gram = scatter_matrix(Moments(*found[:3])) / total
        return working.problem._replace(
            source=MatrixSource(gram), diagonal=gram.diagonal().copy()
        )
    mean = found.mean if rounds.centred else np.zeros(len(totals.mean))
    place = Totals(float(found.counts[0]), total, mean, 0.0)
    told["model_mean"] = totals.mean
    source = ShardSource(rounds, place, leader, working_block, told)
    return working.problem._replace(source=source, diagonal=found.second / total)


def fit_supports(
    rounds: Rounds, starts: list[SoftmaxFit], totals: Totals, ridge: np.ndarray,
    scale: np.ndarray, tol: float, bars: dict[int, float] | None = None,
) -> list[SoftmaxFit]:  # fmt: skip
    """Maximum likelihood on several supports, by Newton's method in the same rounds.

    Parameters
    ----------
    rounds : Rounds
    starts : list of SoftmaxFit
        Supports with coefficients to start from.
    totals : Totals
    ridge, scale : ndarray of shape (n_features,)
        Ridge and deviations of all features.
    tol : float
        Bound of the gradients.
    bars : dict, default=None
        For some sizes the objective to fall below, where only the lowest fit of each
        size is of use; others are given up as soon as they are seen to stay above.

    Returns
    -------
    fits : list of SoftmaxFit
        With an infinite objective where they were given up.
    """
    fits = [fit._replace(objective=np.inf, gradient=np.inf) for fit in starts]
    trials = {k: (fit.coef, fit.intercept, 1.0) for k, fit in enumerate(starts)}
    steps: dict[int, np.ndarray] = {}
    falls: dict[int, float] = {}
    bars = None if bars is None else dict(bars)
    halvings = dict.fromkeys(trials, 0)
    for _ in range(_MOST_STEPS):
        if not trials:
            break
        told = [(fits[k].support, *trials[k][:2]) for k in trials]
        sums = _newton_sums(rounds, "newton", told, totals)
        for k, (loss, g, H) in zip(list(trials), sums, strict=True):
            fit = fits[k]
            coef, intercept, length = trials.pop(k)
            D = ridge[fit.support]
            s, m = coef.shape
            loss = loss / totals.weight
            value = loss + 0.5 * float((D @ coef**2).sum())
            bound = fit.objective + _ROUNDING * abs(fit.objective)
            if not value <= bound:
                if halvings[k] < _MOST_HALVINGS:  # else rounding: the last one stands
                    halvings[k] += 1
                    length *= 0.5
                    trials[k] = (
                        fit.coef + length * steps[k][:s],
                        fit.intercept + length * steps[k][s],
                        length,
                    )
                continue
            halvings[k] = 0
            g, H = _of_objective(g, H, coef, D, totals.weight)
            if not rounds.centred:
                g[s], H[s * m :], H[:, s * m :] = 0.0, 0.0, 0.0
                H[s * m :, s * m :] = np.eye(m)
            units = np.append(scale[fit.support], 1.0)
            units[units == 0.0] = 1.0
            largest = float(np.abs(g / units[:, None]).max())
            fits[k] = SoftmaxFit(fit.support, coef, intercept, loss, value, largest)
            steps[k] = -_solve(H, g.ravel()).reshape(s + 1, m)
            decrement = -float((g * steps[k]).sum())
            if bars is not None:
                bars[s] = min(bars.get(s, np.inf), value)
                # Twice what is promised, or what the last step made of its promise.
                ratio = (fit.objective - value) / falls[k] if k in falls else np.inf
                falls[k] = max(0.5 * decrement, np.finfo(np.float64).tiny)
                if value - 2.0 * falls[k] * max(ratio, 1.0) > bars[s]:
                    fits[k] = fits[k]._replace(objective=np.inf)
                    continue
            stuck = decrement <= _ROUNDING * value and largest > 0.5 * fit.gradient
            if largest > 0.01 * tol and not stuck:
                trials[k] = coef + steps[k][:s], intercept + steps[k][s], 1.0
    return fits


def hessian_of(
    rounds: Rounds, features: np.ndarray, theta: np.ndarray, totals: Totals, ridge
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of the objective for some features, from one round.

    Parameters
    ----------
    rounds : Rounds
    features : ndarray of int
    theta : ndarray of shape (len(features) + 1, n_contrasts)
        Their coefficients, and last the intercept at the means.
    totals : Totals
    ridge : ndarray of shape (n_features,)

    Returns
    -------
    gradient : ndarray of the shape of theta
    hessian : ndarray of shape (theta.size, theta.size)
        Contrasts of a feature side by side.
    """
    model = features, theta[:-1], theta[-1]
    ((_, g, H),) = _newton_sums(rounds, "exchanges", [model], totals)
    return _of_objective(g, H, theta[:-1], ridge[features], totals.weight)


def _newton_sums(rounds, purpose: str, models: list, totals) -> list[tuple]:
    """Loss, gradient (s + 1, m) and packed Hessian of each model, summed over rows."""
    loss, gradients, hessians = rounds.ask(
        newton_sums, purpose, models=models, mean=totals.mean
    )
    shapes = [(len(coef) + 1, coef.shape[1]) for _, coef, _ in models]
    sizes = np.array([q * m for q, m in shapes])
    gradients = np.split(gradients, np.cumsum(sizes)[:-1])
    hessians = np.split(hessians, np.cumsum(sizes * (sizes + 1) // 2)[:-1])
    return [
        (float(value), g.reshape(shape), H)
        for value, g, H, shape in zip(loss, gradients, hessians, shapes, strict=True)
    ]


def _of_objective(g, H, coef, D, weight) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows as derivatives of the mean loss with its ridge."""
    s, m = coef.shape
    g, H = g / weight, symmetric(H, (s + 1) * m) / weight
    g[:s] += D[:, None] * coef
    H[np.arange(s * m), np.arange(s * m)] += np.repeat(D, m)
    return g, H


def _solve(H: np.ndarray, g: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.maximum(H.diagonal(), np.finfo(np.float64).tiny))
    scaled = H / np.outer(size, size)
    try:
        return np.linalg.solve(scaled, g / size) / size
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(scaled, g / size, rcond=1e-12)[0] / size


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root, kept away from singular ones."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.sqrt(np.maximum(values, 1e-8 * values[-1]))
    return (vectors * values) @ vectors.T


def _scaled(root: np.ndarray, packed: np.ndarray, m: int) -> np.ndarray:
    half = np.linalg.solve(root, symmetric(packed, m))
    return np.linalg.solve(root, half.T)
