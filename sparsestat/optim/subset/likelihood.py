"""Likelihoods of generalised linear models, as searches for subsets ask for them.

They are mean losses of linear predictions z of shape (n_kept, n_columns), with a column
for each parameter that a feature has: one, or one less than there are classes.
"""

from typing import Any, Protocol

import numpy as np
from scipy.linalg import helmert

from sparsestat.optim.datafits import (
    Multinomial,
    cox,
    dual_variable,
    least_loss,
    loss,
    second_derivative,
)
from sparsestat.optim.datafits.multinomial import probabilities
from sparsestat.optim.generalized_linear import GeneralizedLinear

__all__ = ["HazardLikelihood", "Likelihood", "SampleLikelihood", "SoftmaxLikelihood"]


class Likelihood(Protocol):
    """What a search asks of a loss.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_kept,)
        Samples of positive weight in the order of the predictions.
    n_columns : int
        Predictions of a sample, and parameters of a feature.
    n_samples : float
        Samples for criteria: the sum of weights, or of those of events.
    """

    rows: np.ndarray
    n_columns: int
    n_samples: float

    def start(self) -> np.ndarray:
        """Intercepts to start from, of shape (n_columns,)."""
        ...

    def value(self, z: np.ndarray) -> float:
        """Loss, inf where it overflows."""
        ...

    def derivatives(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Minus the gradient, of the shape of z, and what `bend` needs."""
        ...

    def bend(self, curvature: Any, block: np.ndarray) -> np.ndarray:
        """Hessian times vectors (n_vectors, n_kept) that sit in one column of z.

        Entry (v, a, b) is column b of the product with vector v in column a.
        """
        ...

    def hessian(self, curvature: Any, block: np.ndarray) -> np.ndarray:
        """Hessian of coefficients of the vectors, square of n_vectors * n_columns."""
        ...

    def squares(self, curvature: Any, first, second) -> np.ndarray:
        """Its blocks of pairs of vectors, of shape (n_pairs, n_columns, n_columns)."""
        ...

    def deviance(self, value: float) -> float:
        """Minus twice the log-likelihood of all samples, up to a constant."""
        ...


class SampleLikelihood:
    """Losses of independent samples, from those of a saturated model.

    Parameters
    ----------
    datafit : NamedTuple
        From `optim.datafits`.
    y : ndarray of shape (n_samples,)
    offset : ndarray of shape (n_samples,) or None
    fit_intercept : bool
    weight : ndarray of shape (n_samples,)
        Frequency weights.
    profile : callable, default=None
        Minus twice the mean log-likelihood as a function of the loss, where there is a
        scale to estimate; None is twice the loss.
    """

    n_columns = 1

    def __init__(self, datafit, y, offset, fit_intercept, weight, profile=None):
        self.datafit, self.fit_intercept, self._profile = (
            datafit,
            fit_intercept,
            profile,
        )
        self.n_samples = float(weight.sum())
        share = weight / self.n_samples
        self.rows = np.flatnonzero(weight > 0.0)
        self._y, self._weight = y[self.rows], share[self.rows]
        self._offset = None if offset is None else offset[self.rows]
        self._least = float(self._weight @ least_loss(datafit, self._y))
        self._whole = y, offset, share

    def start(self) -> np.ndarray:
        y, offset, share = self._whole
        null = GeneralizedLinear(self.datafit, y, offset, self.fit_intercept, share)
        return np.array([null.null_intercept()])

    def value(self, z):
        with np.errstate(over="ignore", invalid="ignore"):
            losses = loss(self.datafit, self._y, self._shifted(z))
            value = float(self._weight @ losses) - self._least
        return max(value, 0.0) if np.isfinite(value) else np.inf

    def derivatives(self, z):
        z = self._shifted(z)
        u = self._weight * dual_variable(self.datafit, self._y, z)
        h = self._weight * second_derivative(self.datafit, self._y, z)
        return u[:, None], h

    def bend(self, curvature, block):
        return (block * curvature)[:, None, None]

    def hessian(self, curvature, block):
        scaled = block * np.sqrt(curvature)
        return scaled @ scaled.T

    def squares(self, curvature, first, second):
        return ((first * second) @ curvature)[:, None, None]

    def deviance(self, value):
        scaled = 2.0 * value if self._profile is None else self._profile(value)
        return self.n_samples * scaled

    def _shifted(self, z):
        z = z[:, 0]
        return z if self._offset is None else z + self._offset


class SoftmaxLikelihood:
    """The multinomial loss, on orthonormal contrasts of the classes.

    Contrasts leave out what all classes share, which does not matter, so that the
    coefficients of a feature sum to zero over the classes.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Classes 0, 1, ...
    n_classes : int
    offset : ndarray of shape (n_samples, n_classes) or None
    weight : ndarray of shape (n_samples,)
        Frequency weights.
    """

    def __init__(self, y, n_classes: int, offset, weight) -> None:
        self.n_samples = float(weight.sum())
        self.rows = np.flatnonzero(weight > 0.0)
        self._y = y[self.rows].astype(np.intp)
        self._weight = weight[self.rows] / self.n_samples
        self._offset = None if offset is None else offset[self.rows]
        self.contrasts = helmert(n_classes).T
        self.n_columns = n_classes - 1
        a, b = np.triu_indices(self.n_columns)
        self._products = self.contrasts[:, a] * self.contrasts[:, b]
        self._pairs = a, b
        # Where each pair of contrasts is among those of the upper triangle.
        self._packed = np.empty((self.n_columns, self.n_columns), np.intp)
        self._packed[a, b] = self._packed[b, a] = np.arange(len(a))

    def start(self):
        return np.zeros(self.n_columns)

    def value(self, z):
        return float(self._weight @ loss(Multinomial(), self._y, self._scores(z)))

    def derivatives(self, z):
        scores = self._scores(z)
        u = dual_variable(Multinomial(), self._y, scores) @ self.contrasts
        return self._weight[:, None] * u, probabilities(scores)

    def bend(self, curvature, block):
        return block[:, None, None] * self._spread(curvature)[self._packed]

    def hessian(self, curvature, block):
        # diag(p) - p p.T of every sample, on classes before it is on contrasts.
        K, n = curvature.shape[1], len(block)
        P = np.ascontiguousarray(curvature.T)
        root = np.sqrt(self._weight)
        mixed = (block[:, None] * (root * P)).reshape(n * K, -1)
        H = -(mixed @ mixed.T).reshape(n, K, n, K)
        for k in range(K):
            scaled = block * (root * np.sqrt(P[k]))
            H[:, k, :, k] += scaled @ scaled.T
        H = self.contrasts.T @ H.transpose(0, 2, 1, 3) @ self.contrasts
        size = n * self.n_columns
        return H.transpose(0, 2, 1, 3).reshape(size, size)

    def squares(self, curvature, first, second):
        return ((first * second) @ self._spread(curvature).T)[:, self._packed]

    def _spread(self, p):
        """Weighted covariances of pairs of contrasts, of shape (n_pairs, n_kept)."""
        a, b = self._pairs
        mean = p @ self.contrasts
        spread = p @ self._products - mean[:, a] * mean[:, b]
        return np.ascontiguousarray((self._weight[:, None] * spread).T)

    def deviance(self, value):
        return 2.0 * self.n_samples * value

    def _scores(self, z):
        scores = z @ self.contrasts.T
        return scores if self._offset is None else scores + self._offset


class HazardLikelihood:
    """Half the mean deviance of the partial likelihood of proportional hazards.

    Parameters
    ----------
    time, event : ndarray of shape (n_samples,)
    ties : {"breslow", "efron"}
    offset : ndarray of shape (n_samples,) or None
    weight : ndarray of shape (n_samples,)
        Frequency weights.
    """

    n_columns = 1

    def __init__(self, time, event, ties: str, offset, weight) -> None:
        self.sets = cox.risk_sets(time, event, weight, ties)
        self.rows = self.sets.order
        self.n_samples = float(self.sets.observed.sum())
        self._offset = None if offset is None else offset[self.rows]

    def start(self):
        return np.zeros(1)

    def value(self, z):
        z = self._shifted(z)
        return float(cox.loss(self.sets, z, cox.denominators(self.sets, z)))

    def derivatives(self, z):
        z = self._shifted(z)
        sums = cox.denominators(self.sets, z)
        expected = cox.hazards(self.sets, z, sums)
        u = (self.sets.observed - expected) / self.sets.total
        return u[:, None], (z, sums)

    def bend(self, curvature, block):
        block = np.ascontiguousarray(block)
        return cox.bend(self.sets, *curvature, block)[:, None, None]

    def hessian(self, curvature, block):
        return self.bend(curvature, block)[:, 0, 0] @ block.T

    def squares(self, curvature, first, second):
        bent = self.bend(curvature, first)[:, 0, 0]
        return (bent * second).sum(axis=1)[:, None, None]

    def deviance(self, value):
        return 2.0 * self.sets.total * value

    def hazard(self, z):
        """Jumps of the cumulative hazard at z = 0, at the times of events."""
        z = self._shifted(z)
        return cox.baseline_hazard(self.sets, cox.denominators(self.sets, z))

    def _shifted(self, z):
        z = np.ascontiguousarray(z[:, 0])
        return z if self._offset is None else z + self._offset
