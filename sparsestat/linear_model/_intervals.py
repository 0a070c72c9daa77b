"""Confidence intervals and p-values of coefficients with normal errors."""

from math import inf

import numpy as np
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted

from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Interval,
    OneOf,
    RandomState,
    Rule,
    check_parameters,
)

__all__ = ["INFERENCE", "Intervals"]

_LEVEL = Interval(0, 1, closed="neither")
# Rules of the parameters that tell how certain coefficients are.
INFERENCE: dict[str, Rule] = {
    "precision": OneOf("nodewise") | ArrayLike,
    "alpha_nodewise": Interval(0, inf, closed="neither") | None,
    "confidence_level": _LEVEL,
    "n_bootstraps": Interval(1, inf, closed="left", integer=True),
    "random_state": RandomState,
}


class Intervals:
    """Mixin: corrected coefficients, their standard errors, and what follows.

    `_largest`, sorted draws of the largest statistic of all, comes from `fit`.
    """

    def conf_int(self, confidence_level=None, *, simultaneous=False):
        """Confidence intervals at any level, one by one or for all at once.

        Parameters
        ----------
        confidence_level : float, default=None
            Level in (0, 1); None is that of the constructor.
        simultaneous : bool, default=False
            Whether all intervals together shall hold their coefficients with that
            probability.

        Returns
        -------
        intervals : ndarray of shape (n_features, 2)
            Lower and upper ends.
        """
        check_is_fitted(self)
        level = self.confidence_level if confidence_level is None else confidence_level
        check_parameters(
            {"confidence_level": level, "simultaneous": simultaneous},
            {"confidence_level": _LEVEL, "simultaneous": Boolean},
            name=f"{type(self).__name__}.conf_int",
        )
        if simultaneous:
            width = np.quantile(self._largest, level, method="higher")
        else:
            width = norm.isf(0.5 * (1.0 - level))
        unknown = np.isinf(self.std_err_)
        reach = np.where(unknown, inf, width * np.where(unknown, 0.0, self.std_err_))
        ends = [self.coef_debiased_ - reach, self.coef_debiased_ + reach]
        return np.column_stack(ends).astype(self.std_err_.dtype)

    def _infer(self, coef, correction, error, found, design, dtype) -> None:
        """Keep corrected coefficients, how certain they are, and what follows.

        `correction` and `error`, of z_j.T u and on the scale of the design, are divided
        by the z_j.T x_j of the directions found.
        """
        scale, usable = design.scale, found.dots != 0.0
        dots = np.where(usable, found.dots, 1.0)
        change = np.where(usable, correction / dots, 0.0) / scale
        self.coef_debiased_ = (coef + change).astype(dtype)
        size = error / np.abs(dots) / scale
        self.std_err_ = np.where(usable, size, inf).astype(dtype)
        self.conf_int_ = self.conf_int()
        certain = np.where(self.coef_debiased_ != 0.0, inf, 0.0)
        statistics = np.abs(self.coef_debiased_.astype(np.float64))
        known = self.std_err_ > 0.0
        statistics = np.divide(statistics, self.std_err_, out=certain, where=known)
        self.pvalues_ = 2.0 * norm.sf(statistics)
        n_draws = len(self._largest)
        above = n_draws - np.searchsorted(self._largest, statistics)
        adjusted = (1.0 + above) / (1.0 + n_draws)
        self.adjusted_pvalues_ = np.maximum(adjusted, self.pvalues_)
