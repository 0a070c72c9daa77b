"""What a separable penalty must know: sum_j pen_j(w_j) with pen_j(0) = 0.

A new penalty is a ``typing.NamedTuple`` with a field ``alpha`` and implementations of
the operations below, registered by ``operation.register(cls)``.  `value` and `prox`
are enough to be minimised; `gauge` and `conjugate` make the fit certified by a duality
gap; `slope` and `curvature` let it use Newton steps on the current face, and
`concavity` the accelerated gradient method.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.optim.penalties._blocks import is_block, prepare_blocks
from sparsestat.optim.penalties._coupled import complete, is_coupled, structure
from sparsestat.utils.dispatch import operation

__all__ = [
    "concavity",
    "conjugate",
    "curvature",
    "gauge",
    "has_faces",
    "kind",
    "prepare",
    "prox",
    "restrict",
    "slope",
    "value",
]


@operation
def value(penalty: NamedTuple, w: float, j: int) -> float:
    """Penalty pen_j(w) of coefficient j."""
    raise TypeError(_missing("value", penalty))


@operation
def prox(penalty: NamedTuple, z: float, step: float, j: int) -> float:
    """Proximal operator: argmin_w (w - z)^2 / (2 step) + pen_j(w)."""
    raise TypeError(_missing("prox", penalty))


@operation
def gauge(penalty: NamedTuple, g: float, w: float, j: int) -> float:
    """How far g fills the subdifferential of pen_j less its quadratic part.

    For pen_j(w) = h_j(w) + curvature_j w^2 / 2 with h_j positively homogeneous:
    the smallest t >= 0 with g - curvature_j w in t * subdifferential of h_j at 0.
    Unpenalised coefficients (h_j = 0) return 0: the certificate projects them out.
    """
    raise TypeError(_missing("gauge", penalty))


@operation
def conjugate(penalty: NamedTuple, g: float, j: int) -> float:
    """Fenchel conjugate sup_w g w - pen_j(w), possibly infinite."""
    raise TypeError(_missing("conjugate", penalty))


@operation
def slope(penalty: NamedTuple, w: float, j: int) -> float:
    """Derivative of pen_j at w != 0."""
    raise TypeError(_missing("slope", penalty))


@operation
def curvature(penalty: NamedTuple, w: float, j: int) -> float:
    """Second derivative of pen_j at w != 0."""
    raise TypeError(_missing("curvature", penalty))


@operation
def concavity(penalty: NamedTuple, j: int) -> float:
    """Largest -pen_j'' away from zero: what makes a convex function of the penalty."""
    raise TypeError(_missing("concavity", penalty))


def has_faces(penalty: NamedTuple) -> bool:
    """Whether derivatives of a separable penalty are known, for Newton steps."""
    return slope.registered(type(penalty)) and curvature.registered(type(penalty))


def kind(penalty: NamedTuple) -> str:
    """How far a penalty can be certified and accelerated.

    Returns
    -------
    kind : {"convex", "general", "block"} or str
        ``"convex"`` when all operations are registered, so that duality gaps and
        Newton steps are available; ``"general"`` when only value and prox are;
        ``"block"`` for penalties on blocks of coefficients, which have operations of
        their own; else the structure of a penalty that couples all coefficients.
    """
    cls = type(penalty)
    if is_block(penalty):
        return "block"
    if is_coupled(penalty):
        return structure(penalty)
    if not (value.registered(cls) and prox.registered(cls)):
        raise TypeError(
            f"{cls.__name__} is not a penalty: register optim.penalties.value and "
            "optim.penalties.prox for it."
        )
    full = all(op.registered(cls) for op in (gauge, conjugate, slope, curvature))
    return "convex" if full else "general"


def prepare(penalty: NamedTuple, n_features: int) -> NamedTuple:
    """The penalty with float64 fields and an array of weights, as kernels expect it.

    Parameters
    ----------
    penalty : NamedTuple
        Numbers may be int or float; ``weights=None`` stands for ones.
    n_features : int
        Length of the weights.

    Returns
    -------
    penalty : NamedTuple
        Of the same class.

    Raises
    ------
    ValueError
        When an array field has another length than `n_features`.
    """
    if is_block(penalty):
        return prepare_blocks(penalty, n_features)
    if is_coupled(penalty):
        return complete(penalty, n_features)
    fields = {}
    for name, field in penalty._asdict().items():
        fields[name] = _as_field(name, field, n_features)
    return penalty._replace(**fields)


def _as_field(name: str, field: Any, n_features: int) -> Any:
    if isinstance(field, bool | np.bool_):
        return bool(field)
    if field is None:
        field = np.ones(n_features)
    array = np.array(field, dtype=np.float64)
    if array.ndim == 0:
        return float(array)
    if array.shape != (n_features,):
        raise ValueError(
            f"{name} must have shape ({n_features},), one value a feature; "
            f"got shape {array.shape}."
        )
    return array


def restrict(penalty: NamedTuple, features: np.ndarray) -> NamedTuple:
    """The penalty of a subset of the features, in the order given."""
    changed = {}
    for name, field in penalty._asdict().items():
        if isinstance(field, np.ndarray):
            changed[name] = field[features]
        elif isinstance(field, tuple):  # a penalty within one
            changed[name] = restrict(field, features)
    return penalty._replace(**changed)


def _missing(name: str, penalty: NamedTuple) -> str:
    return (
        f"{type(penalty).__name__} has no {name}: register one with "
        f"optim.penalties.{name}.register."
    )
