"""Likelihoods of generalised linear models, as searches for subsets ask for them.

They are mean losses of linear predictions z of shape (n_kept, n_columns), with a column
for each parameter that a feature has: one, or one less than there are classes.
"""

from typing import Protocol

import numpy as np
from scipy.linalg import helmert

from sparsestat.optim.datafits import (
    Gamma,
    Logistic,
    Poisson,
    Quadratic,
    cox,
    least_loss,
)
from sparsestat.optim.generalized_linear import GeneralizedLinear
from sparsestat.optim.subset import _loss
from sparsestat.optim.subset._loss import Loss, aux_width, evaluate, sample_loss
from sparsestat.optim.subset._ordinal import thresholds_of

__all__ = [
    "HazardLikelihood",
    "Likelihood",
    "OrdinalLikelihood",
    "SampleLikelihood",
    "SoftmaxLikelihood",
]

# Columns of predictions above which the curvature of all their pairs is not formed.
MANY = 20

_KINDS = {
    Quadratic: _loss.GAUSSIAN,
    Logistic: _loss.LOGISTIC,
    Poisson: _loss.POISSON,
    Gamma: _loss.GAMMA,
}


class Likelihood(Protocol):
    """What a search asks of a loss.

    Attributes
    ----------
    loss : Loss
        For compiled code.
    rows : ndarray of int64, shape (n_kept,)
        Samples of positive weight in the order of the predictions.
    n_columns : int
        Predictions of a sample, and parameters of a feature.
    n_samples : float
        Samples for criteria: the sum of weights, or of those of events.
    n_nuisance : int
        Parameters besides those of features and intercepts.
    """

    loss: Loss
    rows: np.ndarray
    n_columns: int
    n_samples: float
    n_nuisance: int

    def start(self) -> np.ndarray:
        """Intercepts to start from, of shape (n_columns,)."""
        ...

    def deviance(self, value: float) -> float:
        """Minus twice the log-likelihood of all samples, up to a constant."""
        ...


class _Compiled:
    """Values and derivatives of a compiled loss."""

    loss: Loss
    n_columns: int
    n_nuisance: int = 0

    def value(self, z: np.ndarray) -> float:
        """Loss at predictions of shape (n_kept, n_columns), inf where it overflows."""
        return self.derivatives(z)[0]

    def derivatives(self, z: np.ndarray):
        """Loss, minus its gradient, of the shape of z, and what curvature is made of.

        Parameters
        ----------
        z : ndarray of shape (n_kept, n_columns)

        Returns
        -------
        value : float
        u : ndarray of shape (n_kept, n_columns)
        h, aux : ndarray
            See `optim.subset._loss`.
        """
        z = np.ascontiguousarray(np.asarray(z, np.float64).T)
        m, n = z.shape
        u, h = np.empty((m, n)), np.empty((m * (m + 1) // 2, n))
        aux = np.zeros((2, aux_width(self.loss)))
        value = evaluate(self.loss, z, u, h, aux)
        return value, np.ascontiguousarray(u.T), h, aux


class SampleLikelihood(_Compiled):
    """Losses of independent samples, from those of a saturated model.

    Parameters
    ----------
    datafit : Quadratic, Logistic, Poisson or Gamma
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
        self.datafit, self.fit_intercept = datafit, fit_intercept
        self._profile = profile
        self.n_samples = float(weight.sum())
        share = weight / self.n_samples
        self.rows = np.flatnonzero(weight > 0.0)
        kept, shares = y[self.rows], share[self.rows]
        self.loss = sample_loss(
            _KINDS[type(datafit)],
            kept,
            shares,
            None if offset is None else offset[self.rows],
            float(shares @ least_loss(datafit, kept)),
        )
        self._whole = y, offset, share

    def start(self) -> np.ndarray:
        y, offset, share = self._whole
        null = GeneralizedLinear(self.datafit, y, offset, self.fit_intercept, share)
        return np.array([null.null_intercept()])

    def deviance(self, value):
        scaled = 2.0 * value if self._profile is None else self._profile(value)
        return self.n_samples * scaled


class SoftmaxLikelihood(_Compiled):
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
        self.contrasts = helmert(n_classes).T
        self.n_columns = n_classes - 1
        self.loss = sample_loss(
            _loss.SOFTMAX,
            y[self.rows],
            weight[self.rows] / self.n_samples,
            None if offset is None else offset[self.rows].T,
            contrasts=self.contrasts,
        )

    def start(self):
        return np.zeros(self.n_columns)

    def deviance(self, value):
        return 2.0 * self.n_samples * value

    def softmax(self, scores: np.ndarray):
        """Loss, probabilities and minus the gradient at scores less offsets.

        Parameters
        ----------
        scores : ndarray of shape (n_classes, n_kept)
            Changed in place.

        Returns
        -------
        value : float
        P, U : ndarray of shape (n_classes, n_kept)
        """
        y, weight = self.loss.y.astype(np.int64), self.loss.weight
        own = y, np.arange(len(y))
        if len(self.loss.offset):
            scores += self.loss.offset
        # Relative to the observed class, so that small losses keep their accuracy.
        scores -= scores[own]
        top = np.maximum(scores.max(axis=0), 0.0)
        scores -= top
        P = np.exp(scores, out=scores)
        share = P[own]
        P[own] = 0.0
        rest = P.sum(axis=0)
        total = share + rest
        losses = np.where(top == 0.0, np.log1p(rest), top + np.log(total))
        value = float(weight @ losses)
        P /= total
        U = P * -weight
        U[own] = weight * rest / total
        P[own] = share / total
        return (value if np.isfinite(value) else np.inf), P, U

    def derivatives(self, z):
        if self.n_columns <= MANY:
            return super().derivatives(z)
        C = self.contrasts
        value, P, U = self.softmax(C @ np.asarray(z, np.float64).T)
        mean = C[:, 0] @ P
        h = self.loss.weight * (C[:, 0] ** 2 @ P - mean * mean)
        return value, U.T @ C, h[None], np.zeros((2, 0))


class HazardLikelihood(_Compiled):
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
        self.sets = sets = cox.risk_sets(time, event, weight, ties)
        self.rows = sets.order
        self.n_samples = float(sets.observed.sum())
        self._offset = None if offset is None else offset[self.rows]
        total = np.array([sets.total])
        loss = sample_loss(_loss.HAZARD, total, sets.weight, self._offset)
        self.loss = loss._replace(
            start=sets.start, size=sets.size, row=sets.row, mass=sets.mass
        )

    def start(self):
        return np.zeros(1)

    def deviance(self, value):
        return 2.0 * self.sets.total * value

    def hazard(self, z):
        """Jumps of the cumulative hazard at z = 0, at the times of events."""
        z = np.ascontiguousarray(z[:, 0])
        z = z if self._offset is None else z + self._offset
        return cox.baseline_hazard(self.sets, cox.denominators(self.sets, z))


class OrdinalLikelihood(_Compiled):
    """Proportional odds of ordered classes, thresholds at their best for every z.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Classes 0, 1, ..., all of which have samples of positive weight.
    n_classes : int
    offset : ndarray of shape (n_samples,) or None
    weight : ndarray of shape (n_samples,)
        Frequency weights.
    """

    n_columns = 1

    def __init__(self, y, n_classes: int, offset, weight) -> None:
        self.n_samples = float(weight.sum())
        self.n_nuisance = n_classes - 1
        kept = np.flatnonzero(weight > 0.0)
        self.rows = kept[np.argsort(y[kept], kind="stable")]
        y, weight = y[self.rows], weight[self.rows] / self.n_samples
        offset = None if offset is None else offset[self.rows]
        self.loss = sample_loss(_loss.ORDINAL, y, weight, offset)._replace(
            start=np.searchsorted(y, np.arange(n_classes + 1)).astype(np.int64),
            row=np.array([0, n_classes - 1]),
        )

    def start(self):
        return np.zeros(1)

    def deviance(self, value):
        return 2.0 * self.n_samples * value

    def thresholds(self, z):
        """The best thresholds for predictions z of shape (n_kept, 1)."""
        return thresholds_of(self.loss.start, self.derivatives(z)[3])
