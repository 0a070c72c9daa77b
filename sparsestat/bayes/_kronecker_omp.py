"""Orthogonal matching pursuit with one index set for each mode of a tensor.

After Caiafa and Cichocki (2013), doi:10.1162/NECO_a_00385.
"""

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.bayes._kronecker_data import check_factors, check_target
from sparsestat.bayes._kronecker_evidence import mode_product
from sparsestat.utils.validation import Each, Interval, check_parameters

__all__ = ["kron_omp"]

_COUNT = Interval(1, inf, closed="left", integer=True)
_PARAMETERS = {
    "n_nonzero_coefs": _COUNT | Each(_COUNT),
    "tol": Interval(0, 1, closed="left"),
}


def kron_omp(
    factors: Sequence[ArrayLike],
    y: ArrayLike,
    n_nonzero_coefs: int | Sequence[int] = 10,
    *,
    tol: float = 1e-2,
) -> np.ndarray:
    r"""Greedy sparse coefficients of a tensor in a Kronecker product of matrices.

    .. math:: y \approx (A_1 \otimes \dots \otimes A_I) \, x, \qquad
        x_{j_1 \dots j_I} = 0 \text{ unless } j_i \in S_i \text{ for all } i

    Each step takes the largest correlation of a column with the residual, adds its
    indices to the sets :math:`S_i` that have room, and solves least squares on all of
    their combinations, factor by factor.

    Parameters
    ----------
    factors : sequence of array-like of shapes (M_i, N_i)
        The matrices, real or complex.

    y : array-like of shape (M_1, ..., M_I) or (M_1 * ... * M_I,)
        Data; the last mode runs fastest.

    n_nonzero_coefs : int or sequence of int, default=10
        Largest size of each set.

    tol : float, default=1e-2
        Norm of the residual, relative to that of y, at which to stop.

    Returns
    -------
    coef : ndarray of shape (N_1, ..., N_I)
        Coefficients.

    Raises
    ------
    ValueError
        If shapes do not fit, entries are not finite, or a parameter is outside its
        range.

    See Also
    --------
    KroneckerSparseBayesian : Learns a prior instead.
    sklearn.linear_model.orthogonal_mp : Without structure.

    References
    ----------
    .. [1] Caiafa, C. F. and Cichocki, A. (2013). Computing sparse representations of
       multidimensional signals using Kronecker bases. :doi:`10.1162/NECO_a_00385`

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.bayes import kron_omp
    >>> from sparsestat.datasets import make_kronecker_sparse
    >>> data = make_kronecker_sparse(
    ...     (20, 20), (30, 30), n_nonzero_coefs=2, random_state=0
    ... )
    >>> coef = kron_omp(data.factors, data.target, 2)
    >>> np.array_equal(coef != 0, data.coef_tensor != 0)
    True
    """
    check_parameters(
        {"n_nonzero_coefs": n_nonzero_coefs, "tol": tol}, _PARAMETERS, name="kron_omp"
    )
    factors = check_factors(factors, "factors", allow_complex=True)
    y = check_target(y, factors, allow_complex=True)[0]
    if np.ndim(n_nonzero_coefs) and len(n_nonzero_coefs) != len(factors):
        raise ValueError(
            "n_nonzero_coefs must be a number or have one entry for each of "
            f"{len(factors)} factors; got {len(n_nonzero_coefs)}."
        )
    limits = np.broadcast_to(n_nonzero_coefs, len(factors))
    limits = [
        min(int(k), *factor.shape) for k, factor in zip(limits, factors, strict=True)
    ]
    sets: list[list[int]] = [[] for _ in factors]
    residual, coef = y, np.zeros((0,) * len(factors))
    while np.linalg.norm(residual) > tol * np.linalg.norm(y):
        found = _product([factor.conj().T for factor in factors], residual)
        best = np.unravel_index(np.argmax(np.abs(found)), found.shape)
        grown = False
        for chosen, index, limit in zip(sets, best, limits, strict=True):
            if index not in chosen and len(chosen) < limit:
                chosen.append(int(index))
                grown = True
        if not grown:
            break
        chosen = [factor[:, s] for factor, s in zip(factors, sets, strict=True)]
        coef = _product([np.linalg.pinv(columns) for columns in chosen], y)
        residual = y - _product(chosen, coef)
    full = np.zeros(
        [factor.shape[1] for factor in factors], np.result_type(y, *factors)
    )
    full[np.ix_(*sets)] = coef
    return full


def _product(matrices, tensor):
    for mode, matrix in enumerate(matrices):
        tensor = mode_product(tensor, matrix, mode)
    return tensor
