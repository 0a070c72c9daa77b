"""Softmax, sparsemax and all between and beyond: maps from scores to probabilities.

Exact solutions without sorting, after Martins and Astudillo (2016) and Peters, Niculae
and Martins (2019).
"""

from __future__ import annotations

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from sparsestat.activations._rows import Rows, read_orders, to_rows
from sparsestat.optim.entmax import apply_entmax, sparse_entmax
from sparsestat.utils.validation import ArrayLike as AnArray
from sparsestat.utils.validation import Interval, Jobs, OneOf, check_parameters

__all__ = ["complain", "entmax", "softmax", "sparsemax"]

_RULES = {
    "alpha": Interval(1, inf) | AnArray,
    "axis": Interval(-inf, inf, integer=True),
    "temperature": Interval(0, inf, closed="neither"),
    "output": OneOf("dense", "csr"),
    "n_jobs": Jobs,
}


def sparsemax(
    Z: ArrayLike,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    out: np.ndarray | None = None,
    output: Literal["dense", "csr"] = "dense",
    n_jobs: int | None = None,
) -> np.ndarray | sparse.csr_array:
    r"""Probabilities with exact zeros: the closest point of the simplex.

    .. math:: \operatorname{sparsemax}(z) = \operatorname{argmin}_{p \in \Delta}
        \|p - z / T\|^2, \qquad p_k = (z_k / T - \tau)_+

    The threshold :math:`\tau` is found exactly, in linear time and without sorting.

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores. Entries of ``-inf`` are masked and get the probability zero. Numbers
        of float16 are computed in float32, integers in float64.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    temperature : float, default=1.0
        The T > 0 by which scores are divided. Low ones tend to one-hot vectors, high
        ones to uniform vectors.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or, for `Z` of at most two dimensions and its last
        axis, the nonzero probabilities in compressed sparse rows. Those of float16
        are then in float32.

    n_jobs : int, default=None
        Number of threads that share the rows; None is 1 unless in a
        ``joblib.parallel_config`` context. Results do not depend on it.

    Returns
    -------
    P : ndarray of the shape of `Z`, or csr_array of shape (n_rows, n_classes)
        Non-negative, with sums of one.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, or if a parameter is out of its
        range.
    TypeError
        If `Z` is sparse or does not hold real numbers.

    See Also
    --------
    entmax : The family between softmax and sparsemax, and beyond.
    fenchel_young_loss : The loss that belongs to it.

    References
    ----------
    .. [1] Martins, A. F. T. and Astudillo, R. F. (2016). From softmax to sparsemax: a
       sparse model of attention and multi-label classification. :arxiv:`1602.02068`

    Examples
    --------
    >>> from sparsestat.activations import sparsemax
    >>> sparsemax([1.2, 0.9, 0.1, -0.3])
    array([0.65, 0.35, 0.  , 0.  ])
    >>> sparsemax([[1.2, 0.9], [3.0, 1.0]], output="csr").nnz
    3
    """
    return _map("sparsemax", Z, 2.0, axis, temperature, out, output, n_jobs)


def entmax(
    Z: ArrayLike,
    alpha: float | ArrayLike = 1.5,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    out: np.ndarray | None = None,
    output: Literal["dense", "csr"] = "dense",
    n_jobs: int | None = None,
) -> np.ndarray | sparse.csr_array:
    r"""Probabilities of tunable sparsity, from softmax over sparsemax to argmax.

    .. math:: \operatorname{entmax}_\alpha(z) = \operatorname{argmax}_{p \in \Delta}
        \langle p, z / T \rangle - \frac{\sum_k p_k^\alpha - 1}{\alpha (\alpha - 1)},
        \qquad p_k = [(\alpha - 1) z_k / T - \tau]_+^{1 / (\alpha - 1)}

    The order :math:`\alpha = 1` is softmax, 2 is sparsemax, and infinity shares the
    probability among the largest scores. For any other order, too, the result is exact
    to rounding: entries near the maximum are filtered out, and Newton's method finds
    :math:`\tau` from one side.

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores. Entries of ``-inf`` are masked and get the probability zero. Numbers
        of float16 are computed in float32, integers in float64.

    alpha : float or array-like, default=1.5
        Order in [1, inf]; or one for each row, as an array that broadcasts to the shape
        of `Z` without its axis.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    temperature : float, default=1.0
        The T > 0 by which scores are divided.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or, for `Z` of at most two dimensions and its last
        axis, the nonzero probabilities in compressed sparse rows. Those of float16
        are then in float32.

    n_jobs : int, default=None
        Number of threads that share the rows; None is 1 unless in a
        ``joblib.parallel_config`` context. Results do not depend on it.

    Returns
    -------
    P : ndarray of the shape of `Z`, or csr_array of shape (n_rows, n_classes)
        Non-negative, with sums of one.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, or if a parameter is out of its
        range.
    TypeError
        If `Z` is sparse or does not hold real numbers.

    See Also
    --------
    sparsemax : The order 2.
    softmax : The order 1.
    entmax_jvp : Its derivative.
    fenchel_young_loss : The loss that belongs to it.

    References
    ----------
    .. [1] Peters, B., Niculae, V. and Martins, A. F. T. (2019). Sparse
       sequence-to-sequence models. :arxiv:`1905.05702`

    Examples
    --------
    >>> from sparsestat.activations import entmax
    >>> entmax([1.2, 0.9, 0.1, -0.3, -2.0], alpha=1.5).round(3)
    array([0.581, 0.374, 0.045, 0.   , 0.   ])
    >>> entmax([[1.2, 0.9], [1.2, 0.9]], alpha=[1.0, 2.0]).round(3)
    array([[0.574, 0.426],
           [0.65 , 0.35 ]])
    """
    return _map("entmax", Z, alpha, axis, temperature, out, output, n_jobs)


def softmax(
    Z: ArrayLike,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Probabilities proportional to the exponentials of scores.

    .. math:: p_k = \frac{e^{z_k / T}}{\sum_j e^{z_j / T}}

    Parameters
    ----------
    Z : array-like of shape (..., n_classes, ...)
        Scores. Entries of ``-inf`` are masked and get the probability zero. Numbers
        of float16 are computed in float32, integers in float64.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    temperature : float, default=1.0
        The T > 0 by which scores are divided.

    out : ndarray of the shape of `Z`, default=None
        Where to write the result, in its precision; may be `Z` itself. Its content is
        undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows; None is 1 unless in a
        ``joblib.parallel_config`` context. Results do not depend on it.

    Returns
    -------
    P : ndarray of the shape of `Z`
        Non-negative, with sums of one.

    Raises
    ------
    ValueError
        If a row holds NaN or ``inf`` or only ``-inf``, or if a parameter is out of its
        range.
    TypeError
        If `Z` is sparse or does not hold real numbers.

    See Also
    --------
    entmax : The family that begins with it.
    scipy.special.softmax : Without masks checked, temperature and threads.

    References
    ----------
    .. [1] Bridle, J. S. (1990). Probabilistic interpretation of feedforward
       classification network outputs. :doi:`10.1007/978-3-642-76153-9_28`

    Examples
    --------
    >>> from sparsestat.activations import softmax
    >>> softmax([1.2, 0.9, float("-inf")]).round(3)
    array([0.574, 0.426, 0.   ])
    """
    return _map("softmax", Z, 1.0, axis, temperature, out, "dense", n_jobs)


def _map(caller, Z, alpha, axis, temperature, out, output, n_jobs):
    given = {
        "alpha": alpha,
        "axis": axis,
        "temperature": temperature,
        "output": output,
        "n_jobs": n_jobs,
    }
    check_parameters(given, _RULES, name=caller)
    rows = to_rows(caller, "Z", Z, axis, out)
    alphas = read_orders(caller, alpha, rows)
    if output == "csr":
        return _to_csr(caller, rows, alphas, temperature, out, n_jobs)
    P = rows.room(caller, out, rows.values.dtype)
    bad = apply_entmax(rows.values, alphas, temperature, P, n_jobs=n_jobs)
    complain(caller, rows.values, bad)
    return rows.deliver(P, out)


def _to_csr(caller, rows: Rows, alphas, temperature, out, n_jobs):
    if out is not None:
        raise ValueError(f"{caller}: out must be None with output='csr'; got an array.")
    if len(rows.shape) > 2 or rows.axis != len(rows.shape) - 1:
        raise ValueError(
            f"{caller}: output='csr' needs Z of at most two dimensions and its last "
            f"axis; got {len(rows.shape)} dimensions and axis={rows.axis}."
        )
    P, bad = sparse_entmax(rows.values, alphas, temperature, n_jobs)
    complain(caller, rows.values, bad)
    return P


def complain(caller: str, Z: np.ndarray, row: int) -> None:
    """Say what is wrong with a row, if there is one of that number."""
    if row >= len(Z):
        return
    z = Z[row]
    if np.isneginf(z).all():
        raise ValueError(
            f"{caller}: every row of Z needs an entry that is not masked; got only "
            f"-inf in row {row}."
        )
    odd = z[np.isnan(z) | np.isposinf(z)][0]
    raise ValueError(f"{caller}: Z must not hold NaN or inf; got {odd} in row {row}.")
