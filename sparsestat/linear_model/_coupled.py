"""What the estimators share whose penalty couples all coefficients."""

from typing import ClassVar

from sparsestat.linear_model._base import TAIL
from sparsestat.linear_model._path_cv import PathCV
from sparsestat.utils.validation import Rule

__all__ = ["COUPLED_TAIL", "CV_TAIL", "Coupled"]

# Rules of the parameters that all of these estimators have.
COUPLED_TAIL: dict[str, Rule] = {
    name: TAIL[name]
    for name in ("fit_intercept", "standardize", "max_iter", "tol", "verbose")
}
_OF_SEPARABLE = ("penalty_weights", "positive", "precompute", "solver")
CV_TAIL: dict[str, Rule] = {
    name: rule for name, rule in PathCV._rules.items() if name not in _OF_SEPARABLE
}


class Coupled:
    """Mixin: one solver for each penalty, and no weights of single features."""

    solver: ClassVar[str] = "auto"
    precompute: ClassVar[str] = "auto"

    def _weighted_penalty(self, n_features: int):
        return self._coupled_penalty(n_features)

    def _coupled_penalty(self, n_features: int):
        """The penalty of this estimator with alpha = 1."""
        raise TypeError(f"{type(self).__name__} has no penalty.")
