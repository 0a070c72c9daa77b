"""What a penalty on blocks of coefficients must know: sum_g pen_g(w_g), pen_g(0) = 0.

A block penalty is a ``typing.NamedTuple`` with a field ``alpha`` and implementations of
the operations below, which see one block at a time: its number g and the place `start`
of its first coefficient, for fields with one entry a block or a coefficient.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsestat.utils.dispatch import operation

__all__ = [
    "Blocks",
    "block_conjugate",
    "block_gauge",
    "block_hessian",
    "block_minimise",
    "block_prox",
    "block_reach",
    "block_ridge",
    "block_value",
    "feature_blocks",
    "is_block",
    "prepare_blocks",
    "price_of_features",
    "restrict_blocks",
]


class Blocks(NamedTuple):
    """A partition of features: block g is ``features[starts[g]:starts[g + 1]]``.

    Parameters
    ----------
    features : ndarray of shape (n_members,), int64
        Block after block.
    starts : ndarray of shape (n_blocks + 1,), int64
        Where each block begins; empty blocks are allowed.
    """

    features: Any
    starts: Any

    def members(self, blocks: np.ndarray) -> np.ndarray:
        """Places in `features` of all members of some blocks, in their order."""
        first, sizes = self.starts[blocks], np.diff(self.starts)[blocks]
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if len(ends) else 0
        return np.arange(total) + np.repeat(first - (ends - sizes), sizes)


@operation
def block_value(penalty: NamedTuple, w: np.ndarray, g: int, start: int) -> float:
    """Penalty pen_g(w) of block g."""
    raise TypeError(_missing("block_value", penalty))


@operation
def block_prox(penalty: NamedTuple, z, step: float, g: int, start: int, out) -> None:
    """Proximal operator: out = ``argmin_w |w - z|^2 / (2 step) + pen_g(w)``."""
    raise TypeError(_missing("block_prox", penalty))


@operation
def block_gauge(penalty: NamedTuple, x: np.ndarray, g: int, start: int) -> float:
    """The smallest t >= 0 with x in t * subdifferential of the norm in pen_g at 0."""
    raise TypeError(_missing("block_gauge", penalty))


@operation
def block_reach(penalty: NamedTuple, g: int, start: int, size: int) -> float:
    """A bound of `block_gauge` on the unit ball of the Euclidean norm."""
    raise TypeError(_missing("block_reach", penalty))


@operation
def block_ridge(penalty: NamedTuple, g: int) -> float:
    """Factor r of the part ``r |w|^2 / 2`` of pen_g; the rest is a norm."""
    raise TypeError(_missing("block_ridge", penalty))


@operation
def block_conjugate(penalty: NamedTuple, x: np.ndarray, g: int, start: int) -> float:
    """Fenchel conjugate sup_w <x, w> - pen_g(w), possibly infinite."""
    raise TypeError(_missing("block_conjugate", penalty))


@operation
def block_minimise(penalty: NamedTuple, gram, values, vectors, b, w, g: int, start):
    """w = argmin_w w.T gram w / 2 - b.T w + pen_g(w), in place, from w.

    `values` and `vectors` are the eigenvalues and eigenvectors of `gram`.
    """
    raise TypeError(_missing("block_minimise", penalty))


@operation
def block_hessian(penalty: NamedTuple, w, g: int, start: int, slope, hessian) -> None:
    """Gradient and Hessian of pen_g at w != 0, in the nonzero coefficients alone."""
    raise TypeError(_missing("block_hessian", penalty))


@operation
def price_of_features(penalty: NamedTuple) -> np.ndarray:
    """One number a feature: 0 where it is unpenalised, inf where excluded, else 1."""
    raise TypeError(_missing("price_of_features", penalty))


def is_block(penalty: NamedTuple) -> bool:
    """Whether the penalty is one on blocks of coefficients."""
    return block_value.registered(type(penalty))


def prepare_blocks(penalty: NamedTuple, n_features: int) -> NamedTuple:
    """The penalty with float64 numbers and arrays, its groups numbered from zero.

    Parameters
    ----------
    penalty : NamedTuple
        ``groups`` are labels of the coefficients, 0 to n_groups - 1, ``features``
        whose they are, None for one each; ``weights=None`` stands for the roots of the
        sizes, ``feature_weights=None`` for ones.
    n_features : int
        Number of features.

    Returns
    -------
    penalty : NamedTuple
        Of the same class.

    Raises
    ------
    ValueError
        When an array has another length than it should have.
    """
    fields = {"alpha": float(penalty.alpha)}
    if hasattr(penalty, "l1_ratio"):
        fields["l1_ratio"] = float(penalty.l1_ratio)
    if hasattr(penalty, "positive"):
        fields["positive"] = bool(penalty.positive)
    if not hasattr(penalty, "groups"):
        fields["weights"] = _vector("weights", penalty.weights, n_features, "feature")
        return penalty._replace(**fields)
    features = np.arange(n_features) if penalty.features is None else penalty.features
    features = np.array(features)
    wrong = features.ndim != 1 or features.dtype.kind not in "iu"
    if wrong or ((features < 0) | (features >= n_features)).any():
        raise ValueError(
            f"features must be a 1-D array of indices in [0, {n_features}), the "
            f"feature of each coefficient; got {features.dtype} of shape "
            f"{features.shape}."
        )
    n_coefs = len(features)
    groups = np.array(penalty.groups)
    if groups.shape != (n_coefs,) or groups.dtype.kind not in "iu":
        raise ValueError(
            f"groups must be integers of shape ({n_coefs},), the number of each "
            f"feature's group; got {groups.dtype} of shape {groups.shape}."
        )
    fields["features"] = features.astype(np.int64)
    fields["groups"] = groups.astype(np.int64)
    sizes = np.bincount(groups)
    weights = np.sqrt(sizes) if penalty.weights is None else penalty.weights
    fields["weights"] = _vector("weights", weights, len(sizes), "group")
    if hasattr(penalty, "feature_weights"):
        fields["feature_weights"] = _vector(
            "feature_weights", penalty.feature_weights, n_coefs, "feature"
        )
    prepared = penalty._replace(**fields)
    if fields.get("positive") and (price_of_features(prepared) == 0.0).any():
        raise ValueError(
            "positive needs a price of every coefficient; got weights of zero, or "
            "features outside all groups."
        )
    return prepared


def feature_blocks(penalty: NamedTuple, members: np.ndarray) -> Blocks:
    """The blocks of a prepared penalty, of some of the features only.

    Parameters
    ----------
    penalty : NamedTuple
    members : ndarray of shape (n_coefs,), bool
        Which coefficients belong to any block.

    Returns
    -------
    blocks : Blocks
    """
    features = np.flatnonzero(members)
    n_blocks = len(penalty.weights)
    labels = getattr(penalty, "groups", np.arange(n_blocks))
    labels = np.repeat(labels, len(members) // len(labels))[features]
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=n_blocks)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Blocks(features[order], starts)


def restrict_blocks(
    penalty: NamedTuple, blocks: np.ndarray, features: np.ndarray
) -> NamedTuple:
    """The penalty of some blocks, with `features` for their members in order."""
    fields = {"weights": penalty.weights[blocks]}
    if hasattr(penalty, "groups"):
        # Kernels go by the starts of blocks instead.
        fields["groups"] = fields["features"] = features
    if hasattr(penalty, "feature_weights"):
        fields["feature_weights"] = penalty.feature_weights[features]
    return penalty._replace(**fields)


def _vector(name: str, values: Any, length: int, owner: str) -> np.ndarray:
    array = np.ones(length) if values is None else np.array(values, dtype=np.float64)
    if array.shape != (length,):
        raise ValueError(
            f"{name} must have shape ({length},), one value a {owner}; got shape "
            f"{array.shape}."
        )
    return array


def _missing(name: str, penalty: NamedTuple) -> str:
    return f"{type(penalty).__name__} has no {name}: it is not a penalty on blocks."
