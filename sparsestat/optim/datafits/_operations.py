"""What a datafit must know: sum_i s_i f(y_i, z_i) with predictions z = X w + b.

A new datafit is a ``typing.NamedTuple`` with implementations of these operations,
registered by ``operation.register(cls)``; they take numbers or arrays.  f is convex and
smooth in z, and scaling a generalised residual by a factor in [0, 1] keeps it within
the domain of `dual_value`.
"""

from typing import NamedTuple

from sparsestat.utils.dispatch import operation

__all__ = ["dual_value", "dual_variable", "least_loss", "loss", "second_derivative"]


@operation
def loss(datafit: NamedTuple, y, z):
    """Loss f(y, z) of a prediction z."""
    raise TypeError(_missing("loss", datafit))


@operation
def dual_variable(datafit: NamedTuple, y, z):
    """Generalised residual u = -df/dz, which maps a prediction to the dual."""
    raise TypeError(_missing("dual_variable", datafit))


@operation
def dual_value(datafit: NamedTuple, y, u):
    """Dual objective -f*(y, -u) of a generalised residual; -inf outside its domain."""
    raise TypeError(_missing("dual_value", datafit))


@operation
def second_derivative(datafit: NamedTuple, y, z):
    """Curvature d^2 f / dz^2 >= 0."""
    raise TypeError(_missing("second_derivative", datafit))


@operation
def least_loss(datafit: NamedTuple, y):
    """Infimum of f(y, z) over z: the loss of a saturated model."""
    raise TypeError(_missing("least_loss", datafit))


def _missing(name: str, datafit: NamedTuple) -> str:
    return (
        f"{type(datafit).__name__} is not a datafit: register "
        f"optim.datafits.{name} for it."
    )
