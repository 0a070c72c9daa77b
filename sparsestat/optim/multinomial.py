"""The multinomial loss, as `NewtonPath` asks for it.

Predictions of all classes are one vector: entry i * n_classes + k is that of class k
for sample i, as with the coefficients of `Tasks`.
"""

import numpy as np

from sparsestat.optim.datafits import Multinomial, dual_value, dual_variable, loss
from sparsestat.optim.datafits.multinomial import probabilities
from sparsestat.optim.working_columns import ClassMetric

__all__ = ["MultinomialLoss"]

_EPS = np.finfo(np.float64).eps
# Sums of generalised residuals below this multiple of that of their terms are zero.
_BALANCED = 100.0 * _EPS
_INTERCEPT_STEPS = 100
_HALVINGS = 40
# Eigenvalues that count as zero, relative to the largest.
_RANK = 1e-10


class MultinomialLoss:
    """sum_i s_i (log sum_k exp(z_ik) - z_iy) with an intercept for each class.

    Intercepts sum to zero, as equal changes of all of them do not matter.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Classes 0, 1, ..., as float or integer.
    n_classes : int
    offset : ndarray of shape (n_samples, n_classes) or None
    fit_intercept : bool
    sample_weight : ndarray of shape (n_samples,)
        Weights that sum to one; samples of weight zero are left out.
    """

    rounding = 64.0 * _EPS
    linear_means = True
    contraction = 0.2
    joins_late = False

    def __init__(self, y, n_classes: int, offset, fit_intercept: bool, sample_weight):
        kept = np.flatnonzero(sample_weight > 0.0)
        self.n_classes, self.fit_intercept = n_classes, fit_intercept
        self.rows = (kept[:, None] * n_classes + np.arange(n_classes)).ravel()
        self.y, self.weight = y[kept], sample_weight[kept]
        self.offset = None if offset is None else offset[kept]

    def null_intercept(self) -> np.ndarray:
        """Best constant predictions."""
        return self.best_intercept(np.zeros(len(self.rows)))

    def best_intercept(self, z: np.ndarray) -> np.ndarray:
        """Constants to add to predictions z so that their loss is least."""
        if not self.fit_intercept:
            return np.zeros(self.n_classes)
        return self._balance(self._shifted(z))[0]

    def spread(self, intercept: np.ndarray) -> np.ndarray:
        """The predictions that intercepts add."""
        return np.tile(intercept, len(self.y))

    def evaluate(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss, and minus its gradient."""
        self._z = self._shifted(z)
        self._point = None
        value, u = self._at(self._z)
        return value, u.ravel()

    def feasible(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The dual point of the best intercepts, all of which is feasible."""
        if not self.fit_intercept or self._is_balanced(self._by_class(u)):
            return u, 1.0
        if self._point is None:
            self._point = self._balance(self._z)[1].ravel()
        return self._point, 1.0

    def contains(self, u: np.ndarray) -> bool:
        """Whether u without a mean is a dual point."""
        return bool(np.isfinite(self.dual_value(u, 1.0)))

    def dual_value(self, u: np.ndarray, scale: float) -> float:
        """Dual objective at scale * u."""
        v = scale * self._by_class(u) / self.weight[:, None]
        value = float(self.weight @ dual_value(Multinomial(), self.y, v))
        if self.offset is None:
            return value
        return value - scale * float(u @ self.offset.ravel())

    def metric(self, safe: bool) -> ClassMetric:
        """Hessian with the intercepts minimised out; it descends with a line search."""
        p = probabilities(self._z)
        shape = len(self.y), self.n_classes
        if not self.fit_intercept:
            none = np.zeros(self.n_classes)
            empty = np.empty((*shape, 0))
            return ClassMetric(self.weight, p, empty, lambda *_: none, lambda u: u)
        root = self._inverse_root(p)
        # Mixed derivatives of predictions and intercepts, on these axes.
        weighted = self.weight[:, None] * p
        factors = weighted[:, :, None] * (root - (p @ root)[:, None])
        flat = factors.reshape(-1, root.shape[1])

        def shift(change, u):
            excess = self._by_class(u).sum(axis=0)
            return root @ (root.T @ excess - change @ flat)

        def reduce(u):
            return u - flat @ (root.T @ self._by_class(u).sum(axis=0))

        return ClassMetric(self.weight, p, factors, shift, reduce)

    def _shifted(self, z: np.ndarray) -> np.ndarray:
        z = self._by_class(z)
        return z if self.offset is None else z + self.offset

    def _by_class(self, v: np.ndarray) -> np.ndarray:
        return v.reshape(-1, self.n_classes)

    def _at(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        value = float(self.weight @ loss(Multinomial(), self.y, z))
        return value, self.weight[:, None] * dual_variable(Multinomial(), self.y, z)

    def _is_balanced(self, u: np.ndarray) -> bool:
        return bool(np.abs(u.sum(axis=0)).max() <= _BALANCED)

    def _inverse_root(self, p: np.ndarray) -> np.ndarray:
        """R such that R R.T is the inverse Hessian of the intercepts of sum zero."""
        weighted = p * self.weight[:, None]
        hessian = np.diag(weighted.sum(axis=0)) - weighted.T @ p
        values, vectors = np.linalg.eigh(hessian)
        kept = values > _RANK * values[-1]
        return vectors[:, kept] / np.sqrt(values[kept])

    def _balance(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intercepts at which residuals cancel, and these, by Newton steps."""
        b = np.zeros(self.n_classes)
        value, u = self._at(z)
        for _ in range(_INTERCEPT_STEPS):
            if self._is_balanced(u):
                break
            root = self._inverse_root(probabilities(z + b))
            step = root @ (root.T @ u.sum(axis=0))
            length = 1.0
            for _ in range(_HALVINGS):
                trial, moved = self._at(z + (b + length * step))
                if trial <= value + _BALANCED:
                    break
                length *= 0.5
            else:
                break
            b, value, u = b + length * step, trial, moved
        return b, u
