"""Slow and plain references: what the fast code must agree with.

Nothing here imports the package.  Penalties come in as functions of a number, designs
as explicit matrices.
"""

import itertools

import numpy as np

__all__ = [
    "conjugate",
    "coordinate_descent",
    "gauge_at_zero",
    "gram",
    "moments",
    "nonnegative_least_squares",
    "partial_likelihood",
    "prox",
    "transformed",
]


def prox(value, z, step, grid):
    """Minimiser over a grid of (w - z)^2 / (2 step) + value(w)."""
    return grid[np.argmin([(w - z) ** 2 / (2.0 * step) + value(w) for w in grid])]


def conjugate(value, g, grid):
    """Largest g w - value(w) over a grid."""
    return max(g * w - value(w) for w in grid)


def gauge_at_zero(value, g, tiny=1e-9):
    """Smallest t >= 0 with g in t times the subdifferential of value's kink at zero.

    The kink h is positively homogeneous, so that g d <= t h(d) in both directions d
    says it all.
    """
    slopes = {d: value(tiny * d) / tiny for d in (-1.0, 1.0)}
    ratios = [g * d / slope for d, slope in slopes.items() if g * d > 0.0]
    return max(ratios, default=0.0)


def moments(X, weight, centred):
    """Weighted means of the columns, or zeros, and mean squares about them."""
    X = np.asarray(X, dtype=np.longdouble)
    mean = weight @ X if centred else np.zeros(X.shape[1])
    return mean.astype(float), (weight @ (X - mean) ** 2).astype(float)


def transformed(X, weight, fit_intercept, standardize):
    """X centred at its weighted means and scaled to unit weighted variance."""
    mean, variance = moments(X, weight, fit_intercept)
    centred = (np.asarray(X, dtype=np.longdouble) - mean).astype(float)
    return centred / np.sqrt(variance) if standardize else centred


def gram(X, weight):
    """X.T diag(weight) X, entry by entry."""
    p = X.shape[1]
    return np.array(
        [[(weight * X[:, j] * X[:, k]).sum() for k in range(p)] for j in range(p)]
    )


def coordinate_descent(gram, c, prox, w=None, n_epochs=2000):
    """Minimise w.T gram w / 2 - c.T w + penalty by cycling through coordinates.

    `prox(z, step, j)` is the proximal operator of the penalty of coordinate j.
    """
    w = np.zeros(len(c)) if w is None else w.copy()
    for _ in range(n_epochs):
        before = w.copy()
        for j in range(len(c)):
            if gram[j, j] > 0.0:
                step = 1.0 / gram[j, j]
                w[j] = prox(w[j] + step * (c[j] - gram[j] @ w), step, j)
        if np.array_equal(w, before):
            break
    return w


def nonnegative_least_squares(matrix, target):
    """Coefficients >= 0 of least squares, by trying every support."""
    n_features = matrix.shape[1]
    best, smallest = np.zeros(n_features), target @ target
    for size in range(1, n_features + 1):
        for support in map(list, itertools.combinations(range(n_features), size)):
            coef = np.linalg.lstsq(matrix[:, support], target)[0]
            rest = target - matrix[:, support] @ coef
            if (coef >= 0.0).all() and rest @ rest < smallest:
                best, smallest = np.zeros(n_features), rest @ rest
                best[support] = coef
    return best


def partial_likelihood(time, event, weight, z, ties):
    """Loss, gradient and Hessian from one explicit distribution per denominator."""
    n, value = len(time), 0.0
    gradient, hessian = np.zeros(n), np.zeros((n, n))
    for t in np.unique(time[event]):
        at_risk, tied = time >= t, (time == t) & event
        d, mass = tied.sum(), weight[tied].sum()
        for level in range(d if ties == "efron" else 1):
            kept = np.where(tied, 1.0 - level / d, 1.0) * at_risk
            share = mass / d if ties == "efron" else mass
            terms = kept * weight * np.exp(z)
            pi = terms / terms.sum()
            value += share * (np.log(terms.sum() / mass) - np.log(1.0 - level / d))
            gradient += share * pi
            hessian += share * (np.diag(pi) - np.outer(pi, pi))
        value -= (weight * z)[tied].sum()
        gradient -= weight * tied
    total = weight.sum()
    return value / total, gradient / total, hessian / total
