"""Which loss, and which run, solves problems with a datafit."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from sparsestat.optim.cox import PartialLikelihood
from sparsestat.optim.datafits import (
    Cox,
    Huber,
    Multinomial,
    Quantile,
    dual_value,
    dual_variable,
    least_loss,
    loss,
    second_derivative,
)
from sparsestat.optim.generalized_linear import GeneralizedLinear
from sparsestat.optim.huber import FixedHuber
from sparsestat.optim.huber_path import HuberRun
from sparsestat.optim.multinomial import MultinomialLoss
from sparsestat.optim.newton_run import NewtonRun
from sparsestat.optim.quantile_run import CheckLoss, QuantileRun
from sparsestat.utils.dispatch import operation
from sparsestat.utils.survival import check_survival

__all__ = ["run_and_loss"]

_SMOOTH = loss, dual_variable, dual_value, second_derivative, least_loss


@operation
def run_and_loss(
    datafit: NamedTuple, y, fit_intercept: bool, offset=None
) -> tuple[type[NewtonRun], Callable]:
    """The run of a datafit, and a function from weights to the loss that it solves.

    The body serves all datafits that are sums over samples with every operation of
    `optim.datafits`; others register what they need.

    Parameters
    ----------
    datafit : NamedTuple
    y : ndarray of shape (n_samples,) or (n_samples, 2)
    fit_intercept : bool
    offset : ndarray of shape (n_samples,), default=None
        With classes of shape (n_samples, n_classes).

    Returns
    -------
    run_class, make_loss : type, callable
        The weights of `make_loss` sum to one.

    Raises
    ------
    TypeError
        For a datafit without a solver.
    """
    if not all(operation.registered(type(datafit)) for operation in _SMOOTH):
        raise TypeError(
            "datafit must be Quadratic, Logistic, Multinomial, Poisson, Gamma, Huber, "
            "Quantile, Cox, or a class with every operation of optim.datafits; got "
            f"{datafit!r}."
        )
    return NewtonRun, partial(GeneralizedLinear, datafit, y, offset, fit_intercept)


@run_and_loss.register(Huber)
def _(datafit, y, fit_intercept, offset=None):
    threshold = float(datafit.threshold)
    if not threshold > 0.0:
        raise ValueError(f"threshold must be > 0; got {threshold}.")
    y = y if offset is None else y - offset
    return HuberRun, lambda weight: FixedHuber(y, weight, threshold, fit_intercept)


@run_and_loss.register(Quantile)
def _(datafit, y, fit_intercept, offset=None):
    quantile = float(datafit.quantile)
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile must be in (0, 1); got {quantile}.")
    y = y if offset is None else y - offset
    return QuantileRun, lambda weight: CheckLoss(y, weight, quantile, fit_intercept)


@run_and_loss.register(Cox)
def _(datafit, y, fit_intercept, offset=None):
    if datafit.ties not in ("breslow", "efron"):
        raise ValueError(f"ties must be 'breslow' or 'efron'; got {datafit.ties!r}.")
    make_loss = partial(
        PartialLikelihood, *check_survival(y), ties=datafit.ties, offset=offset
    )
    return NewtonRun, make_loss


@run_and_loss.register(Multinomial)
def _(datafit, y, fit_intercept, offset=None):
    n_classes = int(y.max()) + 1
    if offset is not None and np.shape(offset) != (len(y), n_classes):
        raise ValueError(
            f"offset must have shape ({len(y)}, {n_classes}) with Multinomial; got "
            f"{np.shape(offset)}."
        )
    return NewtonRun, partial(MultinomialLoss, y, n_classes, offset, fit_intercept)
