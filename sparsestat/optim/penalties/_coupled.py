"""What a penalty must know that couples all coefficients and has solvers of its own.

It is a ``typing.NamedTuple`` with a field ``alpha``, positively homogeneous in w, and
registers the operations below, which take whole vectors.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.utils.dispatch import operation

__all__ = [
    "complete",
    "dual_norm",
    "is_coupled",
    "n_degrees",
    "structure",
    "total",
    "vector_prox",
]


@operation
def structure(penalty: NamedTuple) -> str:
    """Kind of the penalty, by which its solver is chosen."""
    raise TypeError(_missing("structure", penalty))


@operation
def complete(penalty: NamedTuple, n_features: int) -> NamedTuple:
    """The penalty with fields as solvers expect them, checked against n_features."""
    raise TypeError(_missing("complete", penalty))


@operation
def total(penalty: NamedTuple, w: np.ndarray) -> float:
    """Penalty pen(w) of all coefficients."""
    raise TypeError(_missing("total", penalty))


@operation
def vector_prox(penalty: NamedTuple, z: np.ndarray, step: float) -> np.ndarray:
    """Proximal operator: ``argmin_w |w - z|^2 / (2 step) + pen(w)``."""
    raise TypeError(_missing("vector_prox", penalty))


@operation
def dual_norm(penalty: NamedTuple, g: np.ndarray) -> float:
    """Smallest t >= 0 with g in t * subdifferential of pen at 0."""
    raise TypeError(_missing("dual_norm", penalty))


@operation
def n_degrees(penalty: NamedTuple, w: np.ndarray) -> int:
    """Degrees of freedom of a fit w: the number of values that are free to move."""
    raise TypeError(_missing("n_degrees", penalty))


def is_coupled(penalty: NamedTuple) -> bool:
    """Whether the penalty couples all coefficients."""
    return structure.registered(type(penalty))


def _missing(name: str, penalty: NamedTuple) -> str:
    return (
        f"{type(penalty).__name__} has no {name}: register one with "
        f"optim.penalties.{name}.register."
    )
