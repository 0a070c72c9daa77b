"""Slow and plain references of the maps, in extended precision."""

import numpy as np

__all__ = ["entmax"]


def entmax(z, alpha, n_halvings=200):
    """Entmax of a vector by bisection; -inf is masked."""
    z = np.asarray(z, dtype=np.longdouble)
    alpha = np.longdouble(alpha)
    z = z - z.max()
    if alpha == 1.0:
        p = np.exp(z)
        return (p / p.sum()).astype(float)
    x = (alpha - 1) * z
    power = 1 / (alpha - 1)
    if alpha <= 2.0:
        low, high = np.longdouble(-1), np.longdouble(0)
        for _ in range(n_halvings):
            tau = (low + high) / 2
            if (np.maximum(x - tau, 0) ** power).sum() > 1:
                low = tau
            else:
                high = tau
        return (np.maximum(x - low, 0) ** power).astype(float)
    # Halve the smallest probability v instead: x_k - tau = v^(1 / power) may be too
    # small to be seen in tau.
    levels = np.unique(x[np.isfinite(x)])[::-1]
    sums = [(np.maximum(x - level, 0) ** power).sum() for level in levels]
    least = levels[np.flatnonzero(np.array(sums) < 1)[-1]]
    above = x >= least
    gaps = np.where(above, x, least) - least

    def probabilities(v):
        larger = (gaps + v ** (1 / power)) ** power
        return np.where(above, np.where(gaps > 0, larger, v), 0)

    low, high = np.longdouble(0), np.longdouble(1)
    for _ in range(n_halvings):
        v = (low + high) / 2
        low, high = (v, high) if probabilities(v).sum() < 1 else (low, v)
    return probabilities(low).astype(float)
