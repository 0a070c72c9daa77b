"""The terms of constrained matrix factorisation: losses of bands and penalties.

Each loss is a concave function of the squared residual norms of the bands, hence below
its tangent, a weighted least squares problem: the half-quadratic form of correntropy
(Wang, Pan, Xiang and Zhu, 2015) and of the l2,1 norm (Zhu et al., 2014).
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "SOFT",
    "Scales",
    "band_loss",
    "band_weights",
    "endmember_coupling",
    "endmember_penalty",
    "good_limit",
    "powers_of",
    "scales_of",
    "sparsity",
    "sparsity_slopes",
]

# Added to abundances, so that the slope of a power is finite at zero.
SOFT = 1e-3
# Bands whose residual is this many deviations above the median are still good, and
# weigh at least this much of what the median band weighs: robust losses tell bad bands
# from good ones, not good ones from each other.
_DEVIATIONS, _GOOD = 3.0, 0.95
# From the median absolute deviation to the standard deviation of normal values.
_NORMAL = 1.4826
# The sparsest power: a norm of power zero would not tell abundances apart.
_PUREST = 0.95


class Scales(NamedTuple):
    """What the losses measure residuals by.

    Parameters
    ----------
    median : float
        Square of the median residual norm of the bands: a band that has it weighs one,
        so that a strength means the same for each loss, however many bands are bad.
    floor : float
        Square of the residual norm below which a band gains no more weight.
    variance : float
        Square of the width of the correntropy.
    trust : float or ndarray of shape (n_bands,)
        Factors of the bands in the robust losses: one unless their noise stands out.
    """

    median: float
    floor: float
    variance: float
    trust: float | np.ndarray = 1.0


def good_limit(squares: np.ndarray) -> tuple[float, float]:
    """Squares of the median norm and of the largest norm of a good band."""
    norms = np.sqrt(squares)
    middle = float(np.median(norms))
    deviation = _NORMAL * float(np.median(np.abs(norms - middle)))
    return middle**2, (middle + _DEVIATIONS * deviation) ** 2


def scales_of(
    squares: np.ndarray, theta: float, noise: np.ndarray | None = None
) -> Scales:
    """Scales from the squared residual norms of the bands, and those of their noise.

    A band whose noise alone exceeds the residual of a good one is trusted less, by the
    ratio of their squares. Residuals do not tell such bands if their noise is only a
    few times that of others: endmembers follow the noise, and the residual is gone.
    """
    median, good = good_limit(squares)
    trust: float | np.ndarray = 1.0
    if noise is not None and good > 0.0:
        # Not below the rounding of one: the steps for endmembers divide by it.
        trust = np.maximum(good / np.maximum(noise, good), 1e-16)
    floor = (_GOOD**2 * good - median) / (1.0 - _GOOD**2)
    variance = (good - median) / (-2.0 * float(np.log(_GOOD)))
    tiny = float(np.finfo(np.float64).tiny)
    return Scales(
        median,
        max(floor, median, tiny),
        max(theta * max(variance, median), tiny),
        trust,
    )


def band_loss(loss: str, squares: np.ndarray, scales: Scales) -> float:
    """Loss of all bands, from their squared residual norms."""
    if loss == "l21":
        level = float(np.sqrt(scales.median + scales.floor))
        return level * float((scales.trust * np.sqrt(squares + scales.floor)).sum())
    if loss == "correntropy":
        ratio = squares / (2.0 * scales.variance)
        gain = float(np.exp(scales.median / (2.0 * scales.variance)))
        losses = -scales.trust * np.expm1(-ratio)
        return gain * scales.variance * float(losses.sum())
    return 0.5 * float(squares.sum())


def band_weights(loss: str, squares: np.ndarray, scales: Scales) -> np.ndarray:
    """Twice the derivative of the loss in each squared norm."""
    if loss == "l21":
        level = scales.median + scales.floor
        return scales.trust * np.sqrt(level / (squares + scales.floor))
    if loss == "correntropy":
        ratio = (scales.median - squares) / (2.0 * scales.variance)
        # Not below the rounding of one: the steps for endmembers divide by it.
        return scales.trust * np.maximum(np.exp(ratio), 1e-16)
    return np.ones_like(squares)


def sparsity(abundances: np.ndarray, powers: float | np.ndarray) -> np.ndarray:
    """Powers of the abundances, of which the penalty is the sum."""
    shifted = abundances + SOFT
    if np.isscalar(powers):
        return np.sqrt(shifted) if powers == 0.5 else shifted**powers
    return np.exp(powers * np.log(shifted))


def sparsity_slopes(
    abundances: np.ndarray,
    powers: float | np.ndarray,
    values: np.ndarray | None = None,
) -> np.ndarray:
    """Derivatives of `sparsity`, whose values may be known."""
    values = sparsity(abundances, powers) if values is None else values
    return powers * values / (abundances + SOFT)


def powers_of(guide: str, abundances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Guidance map, 0 for mixed to 1 for pure pixels, and the powers 1 - map."""
    p = abundances.shape[1]
    total = abundances.sum(axis=1)
    safe = np.where(total > 0.0, total, 1.0)
    shares = abundances / safe[:, None]
    if p == 1:
        purity = np.ones(len(abundances))
    elif guide == "gini":
        ranks = p - np.arange(1, p + 1) + 0.5
        purity = 1.0 - 2.0 / p * (np.sort(shares, axis=1) @ ranks)
        purity *= p / (p - 1.0)
    elif guide == "entropy":
        logs = np.log(np.where(shares > 0.0, shares, 1.0))
        purity = 1.0 + (shares * logs).sum(axis=1) / np.log(p)
    else:
        norms = np.sqrt((shares * shares).sum(axis=1))
        ratio = 1.0 / np.where(total > 0.0, norms, 1.0 / np.sqrt(p))
        purity = (np.sqrt(p) - ratio) / (np.sqrt(p) - 1.0)
    purity = np.where(total > 0.0, purity, 0.0).clip(0.0, _PUREST)
    return purity, 1.0 - purity[:, None]


def endmember_penalty(kind: str, E: np.ndarray) -> float:
    """Penalty of the endmembers at strength one.

    dissimilarity: inner products of different endmembers, plus half the squares of
    their differences from band to band.  volume: half of log det(E E.T + I).
    """
    if kind == "volume":
        return 0.5 * float(np.linalg.slogdet(E @ E.T + np.eye(len(E)))[1])
    total = E.sum(axis=0)
    products = 0.5 * float(total @ total - (E * E).sum())
    return products + 0.5 * float(np.square(np.diff(E, axis=1)).sum())


def endmember_coupling(kind: str, E: np.ndarray) -> tuple[np.ndarray, float]:
    """A quadratic above `endmember_penalty` that touches it at E.

    Returns M and s: its gradient is M E + s D E, where D are second differences.
    """
    if kind == "volume":
        return np.linalg.inv(E @ E.T + np.eye(len(E))), 0.0
    return np.ones((len(E), len(E))) - np.eye(len(E)), 1.0
