"""Rounds of distributed best subsets for logistic regression of two and more classes.

Around a model the likelihood is nearly a weighted least squares problem, whose second
moments propose supports; these are then judged by the likelihood itself, all sizes in
the same rounds of Newton's method.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import helmert

from sparsestat.distributed import Shard
from sparsestat.linear_model._subset_rounds import (
    Rounds,
    ShardSource,
    Totals,
    about_zero,
    block_about,
    rows_of,
    symmetric,
    weighted_design,
)
from sparsestat.optim.design import correlate, is_constant, make_design, predict
from sparsestat.optim.pooled_moments import (
    Moments,
    merge_moments,
    moments_of_rows,
    scatter_matrix,
)
from sparsestat.optim.subset import MatrixSource, SubsetProblem

__all__ = [
    "SoftmaxFit",
    "WorkingProblem",
    "contrasts_of",
    "fit_supports",
    "hessian_of",
    "leader_problem",
    "unique_labels",
    "working_problem",
]

# Linear predictions beyond this say no more.
_LARGEST = 30.0
_MOST_STEPS = 60
_MOST_HALVINGS = 30
# Changes of the loss below this share of it are rounding.
_ROUNDING = 1e-13
# Weights of rows whose class is certain stay above this.
_CERTAIN = 1e-13


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


def contrasts_of(n_classes: int) -> np.ndarray:
    """From parameters of a feature to the scores of classes.

    The score of the second of two, or orthonormal contrasts of more.
    """
    return np.array([[0.0], [1.0]]) if n_classes == 2 else helmert(n_classes).T


def unique_labels(shard: Shard, message: Any) -> tuple[np.ndarray]:
    """Labels of a shard."""
    return (np.unique(np.asarray(shard.y)),)


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
        _working_moments if whole else _working_margins,
        "working moments" if whole else "working margins",
        _merge_whole if whole else _merge_margins,
        **told,
        mean=totals.mean,
    )
    p, m = len(ridge), fit.coef.shape[1]
    total, share = totals.weight, float(found.counts[1])
    root = _root(symmetric(found.shape, m) / share)
    residual = np.linalg.solve(root, found.gradient) / total
    mean = found.mean if rounds.centred else np.zeros(p)
    if whole:
        gram = scatter_matrix(Moments(*found[:3])) / total
        diagonal, source = gram.diagonal().copy(), MatrixSource(gram)
    else:
        diagonal = found.second / total
        place = Totals(totals.n_rows, total, mean, 0.0)
        told["model_mean"] = totals.mean
        source = ShardSource(rounds, place, None, _working_block, told)
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
        _working_moments if whole else _working_margins,
        "leader",
        _merge_whole if whole else _merge_margins,
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
    source = ShardSource(rounds, place, leader, _working_block, told)
    return working.problem._replace(source=source, diagonal=found.second / total)


def fit_supports(
    rounds: Rounds, starts: list[SoftmaxFit], totals: Totals, ridge: np.ndarray,
    scale: np.ndarray, tol: float,
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

    Returns
    -------
    fits : list of SoftmaxFit
    """
    fits = [fit._replace(objective=np.inf, gradient=np.inf) for fit in starts]
    trials = {k: (fit.coef, fit.intercept, 1.0) for k, fit in enumerate(starts)}
    steps: dict[int, np.ndarray] = {}
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
            s, m = coef.shape
            loss = float(loss[0]) / totals.weight
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
    ((_, g, H),) = rounds.ask(
        _newton,
        "exchanges",
        _add_all,
        models=[(features, theta[:-1], theta[-1])],
        mean=totals.mean,
    )
    return _of_objective(g, H, theta[:-1], ridge[features], totals.weight)


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


def _add_all(first: list, second: list) -> list:
    return [
        tuple(a + b for a, b in zip(x, y, strict=True))
        for x, y in zip(first, second, strict=True)
    ]


# Functions of a shard ---------------------------------------------------------------


class _Working(NamedTuple):
    """Second moments with the weights of the likelihood, and its first derivatives.

    `second` is the packed scatter about the mean, or its diagonal; `shape` and
    `pearson` are packed sums over rows, of curvatures and of squares of residuals;
    `size` is that of their absolute values.
    """

    counts: Any
    mean: Any
    second: Any
    gradient: Any
    shape: Any
    pearson: Any
    weight: Any
    size: Any


def _merge_whole(first: _Working, second: _Working) -> _Working:
    merged = merge_moments(Moments(*first[:3]), Moments(*second[:3]))
    return _Working(*merged, *_sums(first, second))


def _merge_margins(first: _Working, second: _Working) -> _Working:
    a, b = first.counts[1], second.counts[1]
    if a == 0.0 or b == 0.0:
        kept = first if b == 0.0 else second
        return _Working(*kept[:3], *_sums(first, second))
    gap = second.mean - first.mean
    return _Working(
        first.counts + second.counts,
        first.mean + gap * (b / (a + b)),
        first.second + second.second + (a * b / (a + b)) * gap**2,
        *_sums(first, second),
    )


def _sums(first: _Working, second: _Working) -> list:
    return [a + b for a, b in zip(first[3:], second[3:], strict=True)]


class _Rows(NamedTuple):
    """Probabilities and curvatures of rows."""

    share: Any  # (n, K)
    curvature: Any  # (n, m (m + 1) / 2), packed
    level: Any  # (n,), mean of its diagonal


def _differences(contrasts: np.ndarray) -> np.ndarray:
    """Products of differences of classes, packed, for each pair of classes."""
    K, m = contrasts.shape
    k, other = np.triu_indices(K, 1)
    gap = contrasts[k] - contrasts[other]
    a, b = np.triu_indices(m)
    return gap[:, a] * gap[:, b]


def _curvature(share: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """T.T (diag(p) - p p.T) T of each row, packed, without cancellation."""
    if share.shape[1] == 2:
        return (share[:, :1] * share[:, 1:]) * differences
    k, other = np.triu_indices(share.shape[1], 1)
    return (share[:, k] * share[:, other]) @ differences


def _contrasts(message: dict) -> np.ndarray:
    return contrasts_of(len(message["layout"].classes))


def _shares(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores - _log_sum_exp(scores)[:, None])


def _log_sum_exp(scores: np.ndarray) -> np.ndarray:
    """Of each row; SciPy's takes a tenth of a millisecond however few there are."""
    top = scores.max(axis=1)
    return top + np.log(np.exp(scores - top[:, None]).sum(axis=1))


def _working_rows(X, message: dict, mean: np.ndarray) -> _Rows:
    """Where the model of a message stands at each row."""
    contrasts, support = _contrasts(message), message["support"]
    design = make_design(X, fit_intercept=False)
    coef = message["coef"]
    z = [predict(design, support, np.ascontiguousarray(column)) for column in coef.T]
    z = np.column_stack(z) - mean[support] @ coef + message["intercept"]
    share = _shares(np.clip(z, -_LARGEST, _LARGEST) @ contrasts.T)
    curvature = _curvature(share, _differences(contrasts))
    m = contrasts.shape[1]
    a, b = np.triu_indices(m)
    level = np.maximum(curvature[:, a == b].mean(axis=1), _CERTAIN)
    return _Rows(share, curvature, level)


def _working(shard: Shard, message: dict, second) -> _Working:
    X, y, weight = rows_of(shard, message)
    rows, contrasts = _working_rows(X, message, message["mean"]), _contrasts(message)
    kept = weight * rows.level
    residual = (np.eye(len(contrasts))[y.astype(np.intp)] - rows.share) @ contrasts
    pull = weight[:, None] * residual
    design = make_design(X, fit_intercept=False)
    columns = [np.ascontiguousarray(column) for column in pull.T]
    gradient = np.array([correlate(design, column) for column in columns])
    gradient -= np.outer(pull.sum(axis=0), message["mean"])
    a, b = np.triu_indices(residual.shape[1])
    squares = (weight / rows.level) @ (residual[:, a] * residual[:, b])
    return _Working(
        *second(X, kept, message["centred"]),
        gradient,
        weight @ rows.curvature,
        squares,
        np.array([weight.sum()]),
        np.array([np.abs(pull).sum()]),
    )


def _working_moments(shard: Shard, message: dict) -> _Working:
    """With the whole scatter of the features."""

    def scatter(X, kept, centred):
        found = moments_of_rows(X, np.empty((X.shape[0], 0)), kept)
        return found if centred else about_zero(found)

    return _working(shard, message, scatter)


def _working_margins(shard: Shard, message: dict) -> _Working:
    """With its diagonal."""

    def squares(X, kept, centred):
        total = float(kept.sum())
        counts = np.array([np.count_nonzero(kept), total])
        if total == 0.0:
            return counts, np.zeros(X.shape[1]), np.zeros(X.shape[1])
        design = weighted_design(X, kept / total, centred)
        return counts, design.mean, total * design.norm**2

    return _working(shard, message, squares)


def _working_block(shard: Shard, message: dict) -> tuple[np.ndarray]:
    """A block of the scatter about the means of the weighted rows."""
    X, _, weight = rows_of(shard, message)
    rows = _working_rows(X, message, message["model_mean"])
    return block_about(X, weight * rows.level, message)


def _newton(shard: Shard, message: dict) -> list[tuple]:
    """Loss, gradient and packed Hessian of each model, intercepts last."""
    X, y, weight = rows_of(shard, message)
    mean, contrasts, found = message["mean"], _contrasts(message), []
    place, m = y.astype(np.intp), contrasts.shape[1]
    pairs = list(zip(*np.triu_indices(m), strict=True))
    own, differences = np.eye(len(contrasts))[place], _differences(contrasts)
    for support, coef, intercept in message["models"]:
        chosen = X[:, support]
        if hasattr(chosen, "toarray"):
            chosen = chosen.toarray()
        q = len(support) + 1
        rows = np.ones((len(y), q))
        np.subtract(chosen, mean[support], out=rows[:, :-1])
        scores = rows @ np.vstack([coef, intercept]) @ contrasts.T
        size = _log_sum_exp(scores)
        loss = size - (scores * own).sum(axis=1)
        share = np.exp(scores - size[:, None])
        g = rows.T @ (weight[:, None] * ((share - own) @ contrasts))
        curvature = weight[:, None] * _curvature(share, differences)
        H = np.empty((q, m, q, m))
        for c, (a, b) in enumerate(pairs):
            H[:, a, :, b] = H[:, b, :, a] = rows.T @ (curvature[:, [c]] * rows)
        upper = np.tri(q * m, dtype=bool).T
        found.append((np.array([weight @ loss]), g, H.reshape(q * m, q * m)[upper]))
    return found
