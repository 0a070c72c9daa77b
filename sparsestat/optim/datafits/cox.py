"""Partial likelihood of proportional hazards, ties by Breslow or Efron, in linear time.

Samples are sorted by time once; sums over risk sets are then running sums from the end,
kept as logarithms so that no prediction over- or underflows.  Weights as in R's coxph.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["Cox", "RiskSets", "risk_sets"]

# Exponents of shares of a risk set are cut here.
_DEEPEST = 690.0


class Cox(NamedTuple):
    r"""Negative log partial likelihood, as half a mean deviance.

    .. math::
        F(z) = \frac{1}{\sum_i q_i} \sum_k \Big( D_k \log \frac{\sum_{j : t_j \ge t_k}
        q_j e^{z_j}}{D_k} - \sum_{i \in E_k} q_i z_i \Big)

    with E_k the events at the k-th time, D_k the sum of their weights q. It is zero for
    the saturated model and does not change when all weights are scaled. Efron's form
    takes a share l / d of the d tied events out of the l-th of d equal denominators.

    Parameters
    ----------
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.optim import solve
    >>> from sparsestat.optim.datafits import Cox
    >>> from sparsestat.optim.penalties import L1
    >>> X, time = np.array([[2.0], [1.0], [0.0]]), np.array([1.0, 2.0, 3.0])
    >>> bool(solve(X, time, Cox(), L1(0.05)).coef[0] > 1.0)
    True

    References
    ----------
    Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x; Breslow (1974),
    doi:10.2307/2529620; Efron (1977), doi:10.1080/01621459.1977.10480613.
    """

    ties: str = "breslow"


class RiskSets(NamedTuple):
    """Samples in order of time, events before censored ones of the same time.

    Parameters
    ----------
    order : ndarray of int64, shape (n_kept,)
        Samples of positive weight, sorted.
    weight : ndarray of shape (n_kept,)
        Their weights.
    total : float
        Sum of the weights.
    times : ndarray of shape (n_times,)
        Distinct times of events.
    start, size : ndarray of int64, shape (n_times,)
        The risk set k is ``order[start[k]:]``, its events are the first size[k].
    observed : ndarray of shape (n_kept,)
        Weights of events, zeros for censored samples.
    mass : ndarray of shape (n_times,)
        Sums of the weights of the events.
    row : ndarray of int64, shape (n_times + 1,)
        Denominators of time k are numbers row[k] to row[k + 1]: one by Breslow,
        size[k] by Efron.
    """

    order: Any
    weight: Any
    total: float
    times: Any
    start: Any
    size: Any
    observed: Any
    mass: Any
    row: Any


class Denominators(NamedTuple):
    """What sums over risk sets at a prediction are made of.

    Parameters
    ----------
    log_sum : ndarray of shape (n_rows,)
        Logarithms of the denominators.
    inside : ndarray of shape (n_rows,)
        Shares of the tied events in them.
    tied_mean, other_mean : ndarray of shape (n_times,)
        Means of z over tied events and over the others at risk, weighted by q exp(z).
    ratio : ndarray of shape (n_kept,)
        Share of each sample among itself and those after it; of tied events, among
        itself and the tied events after it.
    """

    log_sum: Any
    inside: Any
    tied_mean: Any
    other_mean: Any
    ratio: Any


def risk_sets(
    time: np.ndarray,
    event: np.ndarray,
    sample_weight: np.ndarray | None = None,
    ties: str = "breslow",
) -> RiskSets:
    """Sort samples for sums over risk sets.

    Parameters
    ----------
    time : ndarray of shape (n_samples,)
        Times of event or censoring.
    event : ndarray of shape (n_samples,), bool
        Whether the time is that of an event.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights; samples of weight zero are left out.
    ties : {"breslow", "efron"}, default="breslow"
        How tied events enter.

    Returns
    -------
    sets : RiskSets
    """
    weight = np.ones(len(time)) if sample_weight is None else sample_weight
    kept = np.flatnonzero(weight > 0.0)
    order = kept[np.lexsort((~event[kept], time[kept]))]
    sorted_time, sorted_event = time[order], event[order]
    times, size = np.unique(sorted_time[sorted_event], return_counts=True)
    start = np.searchsorted(sorted_time, times)
    weight = weight[order].astype(np.float64)
    observed = np.where(sorted_event, weight, 0.0)
    # Between the events of one time and those of the next there are only censored ones.
    mass = np.add.reduceat(observed, start)
    rows = size if ties == "efron" else np.ones(len(size), np.int64)
    return RiskSets(
        order,
        weight,
        float(weight.sum()),
        times,
        start.astype(np.int64),
        size.astype(np.int64),
        observed,
        mass,
        np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
    )


def denominators(sets: RiskSets, z: np.ndarray) -> Denominators:
    """Sums over all risk sets at predictions z, which are in the sets' order."""
    n_rows, n_times, n = int(sets.row[-1]), len(sets.times), len(sets.weight)
    found = Denominators(
        np.empty(n_rows),
        np.empty(n_rows),
        np.empty(n_times),
        np.empty(n_times),
        np.zeros(n),
    )
    _sum_risk_sets(sets.weight, sets.start, sets.size, sets.row, z, *found)
    return found


def loss(sets: RiskSets, z: np.ndarray, sums: Denominators) -> float:
    """Half the mean deviance at predictions z."""
    value = _loss(
        sets.weight, sets.start, sets.size, sets.mass, sets.row, z, sums.log_sum
    )
    return value / sets.total


def hazards(sets: RiskSets, z: np.ndarray, sums: Denominators) -> np.ndarray:
    """Expected events of each sample: the diagonal part of the Hessian, times total.

    Its difference to `observed` is the gradient, times total.
    """
    out = np.zeros(len(z))
    _expect(
        sets.weight, sets.start, sets.size, sets.mass, sets.row, z, sums.log_sum, out
    )
    return out


def dual_value(
    sets: RiskSets, z: np.ndarray, sums: Denominators, scale: float
) -> float:
    r"""Dual objective at `scale` times the negative gradient at predictions z.

    Each denominator stands for a distribution pi over its risk set, and the scaled
    gradient for p = scale pi + (1 - scale) e with e the one of the events alone. As
    log-sum-exp is the conjugate of entropy, -sum p log(p / weight) bounds its part of
    the loss from below, whatever z.

    Parameters
    ----------
    sets : RiskSets
    z : ndarray of shape (n_kept,)
        Predictions, in the sets' order.
    sums : Denominators
        At z.
    scale : float
        In [0, 1].

    Returns
    -------
    value : float
    """
    value = _dual(
        sets.weight, sets.start, sets.size, sets.mass, sets.row, z, *sums[:4], scale
    )
    return value / sets.total


def risk_means(
    sets: RiskSets, z: np.ndarray, sums: Denominators, columns: np.ndarray
) -> np.ndarray:
    """Means of features over the distributions of all denominators.

    Parameters
    ----------
    sets, z, sums : RiskSets, ndarray, Denominators
    columns : ndarray of shape (n_columns, n_kept)
        Features, in the sets' order.

    Returns
    -------
    means : ndarray of shape (n_columns, n_rows)
    """
    out = np.empty((len(columns), int(sets.row[-1])))
    _average(sets.start, sets.size, sets.row, sums.ratio, sums.inside, columns, out)
    return out


def bend(
    sets: RiskSets, z: np.ndarray, sums: Denominators, block: np.ndarray
) -> np.ndarray:
    """Products of the Hessian in z with some vectors, in time linear in their length.

    Parameters
    ----------
    sets, z, sums : RiskSets, ndarray, Denominators
    block : ndarray of shape (n_vectors, n_kept)
        Vectors, in the sets' order.

    Returns
    -------
    products : ndarray of shape (n_vectors, n_kept)
    """
    out = np.zeros(block.shape)
    means = risk_means(sets, z, sums, block)
    _bend(
        sets.weight, sets.start, sets.size, sets.mass, sets.row, sets.total, z,
        sums.log_sum, hazards(sets, z, sums), means, block, out,
    )  # fmt: skip
    return out


def row_masses(sets: RiskSets) -> np.ndarray:
    """Weights of the denominators: the mass of a time, shared by Efron's."""
    counts = np.diff(sets.row)
    return np.repeat(sets.mass / counts, counts)


def baseline_hazard(sets: RiskSets, sums: Denominators) -> np.ndarray:
    """Jumps of the cumulative hazard of a sample with z = 0, at the times of events."""
    jumps = row_masses(sets) * np.exp(-sums.log_sum)
    return np.add.reduceat(jumps, sets.row[:-1]) if len(jumps) else np.zeros(0)


# In all kernels l / d of the tied events is missing from denominator l of time k.


@kernel
def _log_add(a, b):
    top = max(a, b)
    if top == -np.inf:
        return top
    return top + np.log1p(np.exp(min(a, b) - top))


@kernel
def _sum_risk_sets(
    weight, start, size, row, z, log_sum, inside, tied_mean, other_mean, ratio
):
    stop = len(z)
    others, mean = -np.inf, 0.0
    for k in range(len(start) - 1, -1, -1):
        first = start[k] + size[k]
        for j in range(stop - 1, first - 1, -1):
            term = np.log(weight[j]) + z[j]
            others = _log_add(others, term)
            ratio[j] = np.exp(term - others)
            mean += ratio[j] * (z[j] - mean)
        tied, of_tied = -np.inf, 0.0
        for j in range(first - 1, start[k] - 1, -1):
            term = np.log(weight[j]) + z[j]
            tied = _log_add(tied, term)
            ratio[j] = np.exp(term - tied)
            of_tied += ratio[j] * (z[j] - of_tied)
        tied_mean[k], other_mean[k] = of_tied, mean
        d = row[k + 1] - row[k]
        for level in range(d):
            part = tied + np.log(1.0 - level / d)
            log_sum[row[k] + level] = _log_add(others, part)
            inside[row[k] + level] = np.exp(part - log_sum[row[k] + level])
        everyone = _log_add(others, tied)
        mean += np.exp(tied - everyone) * (of_tied - mean)
        others, stop = everyone, start[k]


@kernel
def _loss(weight, start, size, mass, row, z, log_sum):
    total = 0.0
    for k in range(len(start)):
        d = row[k + 1] - row[k]
        log_mass = np.log(mass[k])
        # Relative to one event's z: large predictions must not cancel.
        origin = z[start[k]]
        for level in range(d):
            excess = log_sum[row[k] + level] - origin - log_mass
            total += mass[k] / d * (excess - np.log(1.0 - level / d))
        for j in range(start[k], start[k] + size[k]):
            total -= weight[j] * (z[j] - origin)
    return total


@kernel
def _expect(weight, start, size, mass, row, z, log_sum, out):
    level_sum = -np.inf
    for k in range(len(start)):
        d = row[k + 1] - row[k]
        tied_sum = level_sum
        share = np.log(mass[k] / d)
        for level in range(d):
            term = share - log_sum[row[k] + level]
            level_sum = _log_add(level_sum, term)
            tied_sum = _log_add(tied_sum, term + np.log(1.0 - level / d))
        first = start[k] + size[k]
        stop = start[k + 1] if k + 1 < len(start) else len(z)
        for j in range(start[k], first):
            out[j] = weight[j] * np.exp(z[j] + tied_sum)
        for j in range(first, stop):
            out[j] = weight[j] * np.exp(z[j] + level_sum)


@kernel
def _dual(
    weight, start, size, mass, row, z, log_sum, inside, tied_mean, other_mean, scale
):
    total = 0.0
    log_scale = np.log(scale) if scale > 0.0 else 0.0
    for k in range(len(start)):
        d = row[k + 1] - row[k]
        log_mass = np.log(mass[k])
        for level in range(d):
            at = row[k] + level
            omega = 1.0 - level / d
            entropy = log_mass + np.log(omega)  # of the saturated model, taken off
            outside = scale * (1.0 - inside[at])
            if outside > 0.0:
                entropy += outside * (log_scale + other_mean[k] - log_sum[at])
            if scale == 1.0:
                entropy += inside[at] * (tied_mean[k] - log_sum[at])
            else:
                for j in range(start[k], start[k] + size[k]):
                    relative = scale * np.exp(z[j] - log_sum[at])
                    relative += (1.0 - scale) / (mass[k] * omega)
                    entropy += weight[j] * omega * relative * np.log(relative)
            total -= mass[k] / d * entropy
    return total


@kernel
def _average(start, size, row, ratio, inside, columns, out):
    for f in range(len(columns)):
        x = columns[f]
        stop, others = len(x), 0.0
        for k in range(len(start) - 1, -1, -1):
            first = start[k] + size[k]
            for j in range(stop - 1, first - 1, -1):
                others += ratio[j] * (x[j] - others)
            tied = 0.0
            for j in range(first - 1, start[k] - 1, -1):
                tied += ratio[j] * (x[j] - tied)
            for at in range(row[k], row[k + 1]):
                out[f, at] = others + inside[at] * (tied - others)
            others, stop = out[f, row[k]], start[k]


@kernel
def _bend(weight, start, size, mass, row, total, z, log_sum, hazard, means, block, out):
    top = z.max() if len(z) > 0 else 0.0
    share = np.empty(len(z))
    for j in range(len(z)):
        share[j] = weight[j] * np.exp(max(z[j] - top, -_DEEPEST))
    inverse = np.empty(len(log_sum))
    for at in range(len(log_sum)):
        inverse[at] = np.exp(min(top - log_sum[at], _DEEPEST))
    for f in range(len(block)):
        x, level_sum = block[f], 0.0
        for k in range(len(start)):
            d = row[k + 1] - row[k]
            tied_sum = level_sum
            for level in range(d):
                at = row[k] + level
                term = mass[k] / d * means[f, at] * inverse[at]
                level_sum += term
                tied_sum += term * (1.0 - level / d)
            first = start[k] + size[k]
            stop = start[k + 1] if k + 1 < len(start) else len(z)
            for j in range(start[k], first):
                out[f, j] = (hazard[j] * x[j] - share[j] * tied_sum) / total
            for j in range(first, stop):
                out[f, j] = (hazard[j] * x[j] - share[j] * level_sum) / total
