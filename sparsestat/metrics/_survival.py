"""How well risks order survival times."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, column_or_1d

from sparsestat.utils.dispatch import kernel
from sparsestat.utils.survival import check_survival
from sparsestat.utils.validation import check_sample_weight


def concordance_index(
    y_true: ArrayLike, risk: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Share of comparable pairs of samples that their risks order as their times.

    .. math::
        C = \frac{\sum_{(i, j)} q_i q_j \left( [r_i > r_j] + \tfrac12 [r_i = r_j]
        \right)}{\sum_{(i, j)} q_i q_j}

    over pairs of which i had its event before j had its event or was censored; a
    sample that is censored at the time of an event outlives it. It is 1 for a perfect
    order, 1/2 for a random one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, 2), or structured
        Times of event or censoring and whether there was an event, as
        :class:`~sparsestat.linear_model.SparseCoxRegressor` takes them.

    risk : array-like of shape (n_samples,)
        Predicted risks, for example logarithms of hazards: higher is earlier.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights q of the samples.

    Returns
    -------
    score : float
        In [0, 1], higher is better; 1/2 where no pair is comparable.

    Raises
    ------
    ValueError
        If shapes do not fit or a value is not finite.

    See Also
    --------
    sklearn.metrics.roc_auc_score : The same for two classes instead of times.

    References
    ----------
    .. [1] Harrell, F. E., Lee, K. L. and Mark, D. B. (1996). Multivariable prognostic
       models. :doi:`10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4`

    Examples
    --------
    >>> from sparsestat.metrics import concordance_index
    >>> y = [[1.0, 1], [2.0, 0], [3.0, 1], [4.0, 1]]
    >>> concordance_index(y, [4.0, 1.0, 2.0, 3.0])
    0.75
    """
    time, event = check_survival(y_true)
    risk = column_or_1d(risk, dtype=np.float64)
    check_consistent_length(time, risk)
    if not np.isfinite(risk).all():
        raise ValueError("risk must be finite; got NaN or infinity.")
    weight = check_sample_weight(sample_weight, risk)
    weight = np.ones(len(risk)) if weight is None else weight
    order = np.lexsort((~event, -time))  # latest first, events first within a time
    levels, rank = np.unique(risk, return_inverse=True)
    good, even, total = _count_pairs(
        time[order], event[order], weight[order], rank[order] + 1, len(levels)
    )
    return float((good + 0.5 * even) / total) if total > 0.0 else 0.5


@kernel
def _count_pairs(time, event, weight, rank, n_levels):
    """Weights of concordant, tied and all pairs, by a Fenwick tree over ranks."""
    tree, level = np.zeros(n_levels + 1), np.zeros(n_levels + 1)
    good, even, total, seen = 0.0, 0.0, 0.0, 0.0
    n, i = len(time), 0
    while i < n:
        stop = i
        while stop < n and time[stop] == time[i]:
            stop += 1
        # Censored samples of a time outlive its events, so they enter first.
        for events in (False, True):
            if events:
                for a in range(i, stop):
                    if event[a]:
                        below, j = 0.0, rank[a] - 1
                        while j > 0:
                            below += tree[j]
                            j -= j & -j
                        good += weight[a] * below
                        even += weight[a] * level[rank[a]]
                        total += weight[a] * seen
            for a in range(i, stop):
                if event[a] == events:
                    seen += weight[a]
                    level[rank[a]] += weight[a]
                    j = rank[a]
                    while j <= n_levels:
                        tree[j] += weight[a]
                        j += j & -j
        i = stop
    return good, even, total
