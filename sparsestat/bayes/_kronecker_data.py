"""Checks of factors and data tensors, with errors that name the mode."""

from collections.abc import Sequence

import numpy as np

__all__ = ["are_factors", "check_factors", "check_target", "check_variances"]


def are_factors(X: object) -> bool:
    """Whether `X` is a list or tuple of matrices rather than one matrix."""
    return isinstance(X, list | tuple) and all(np.ndim(part) == 2 for part in X)


def check_factors(
    factors: Sequence, name: str, *, allow_complex: bool
) -> list[np.ndarray]:
    """Return finite matrices in double precision."""
    if not isinstance(factors, list | tuple) or not factors:
        raise ValueError(
            f"{name} must be a non-empty list of matrices; got "
            f"{type(factors).__name__}."
        )
    return [
        _matrix(factor, f"{name}[{mode}]", allow_complex)
        for mode, factor in enumerate(factors)
    ]


def check_target(
    y: object,
    factors: Sequence[np.ndarray],
    *,
    allow_complex: bool,
    multi: bool = False,
) -> tuple[np.ndarray, bool]:
    """Return the data as a tensor, and whether they came flat.

    With `multi` the first axis of `y` counts snapshots, which become the last.
    """
    y = numbers(y, "y", allow_complex)
    shape = tuple(len(factor) for factor in factors)
    size = int(np.prod(shape))
    lead = y.shape[:1] if multi else ()
    wanted = f"{('n_snapshots', *shape)} or (n_snapshots, {size})" if multi else (
        f"{shape} or ({size},)"
    )  # fmt: skip
    given = y.shape[1:] if multi else y.shape
    if (multi and y.ndim < 2) or 0 in y.shape:
        raise ValueError(f"y must have shape {wanted}; got {y.shape}.")
    if given not in (shape, (size,)):
        if len(given) == len(shape):
            pairs = enumerate(zip(given, shape, strict=True))
            mode, (got, rows) = next((i, p) for i, p in pairs if p[0] != p[1])
            where = f"; mode {mode} has {got} entries, its factor {rows} rows"
        else:
            where = ""
        raise ValueError(f"y must have shape {wanted}{where}; got {y.shape}.")
    tensor = y.reshape(*lead, *shape)
    is_flat = given == (size,)
    return (np.moveaxis(tensor, 0, -1) if multi else tensor), is_flat


def check_variances(given, factors, name: str) -> list[np.ndarray]:
    """Return variances of the coefficients of each factor."""
    if len(given) != len(factors):
        raise ValueError(
            f"{name} must have one entry for each of {len(factors)} factors; "
            f"got {len(given)}."
        )
    variances = []
    for mode, (values, factor) in enumerate(zip(given, factors, strict=True)):
        values = np.asarray(values, dtype=np.float64)
        if values.shape != factor.shape[1:]:
            raise ValueError(
                f"{name}[{mode}] must have shape {factor.shape[1:]}, one for "
                f"each column of the factor; got {values.shape}."
            )
        if not (np.isfinite(values) & (values >= 0.0)).all():
            raise ValueError(f"{name}[{mode}] must be finite and >= 0.")
        variances.append(values)
    return variances


def numbers(values: object, name: str, allow_complex: bool) -> np.ndarray:
    """Return finite numbers in double precision."""
    values = np.asarray(values)
    if values.dtype.kind == "c" and not allow_complex:
        raise ValueError(
            f"Complex data not supported: {name} is complex; set allow_complex=True."
        )
    if values.dtype.kind not in "biufc":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must hold numbers; got dtype {values.dtype}."
            ) from None
    kind = np.complex128 if values.dtype.kind == "c" else np.float64
    values = values.astype(kind, copy=False)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity.")
    return values


def _matrix(factor, name: str, allow_complex: bool) -> np.ndarray:
    matrix = numbers(factor, name, allow_complex)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"{name} must be a matrix with rows and columns; got shape {matrix.shape}."
        )
    return matrix
