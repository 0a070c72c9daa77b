"""What a datafit must know: sum_i s_i f(y_i, z_i) with predictions z = X w + b.

A new datafit is a ``typing.NamedTuple`` with implementations of these operations,
registered by ``operation.register(cls)``; they take numbers or arrays.
"""

from typing import NamedTuple

from sparsestat.utils.dispatch import operation

__all__ = ["dual_value", "dual_variable", "loss"]


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
    """Dual objective -f*(y, -u) of a generalised residual."""
    raise TypeError(_missing("dual_value", datafit))


def _missing(name: str, datafit: NamedTuple) -> str:
    return (
        f"{type(datafit).__name__} is not a datafit: register "
        f"optim.datafits.{name} for it."
    )
