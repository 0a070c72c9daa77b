"""Derivatives of entmax, in time linear in the number of entries."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.activations._rows import read_orders, to_rows
from sparsestat.optim.entmax_rows import jacobian_rows, order_rows
from sparsestat.optim.row_blocks import run_blocks
from sparsestat.utils.validation import ArrayLike as AnArray
from sparsestat.utils.validation import Interval, Jobs, check_parameters

__all__ = ["entmax_alpha_derivative", "entmax_jvp", "entmax_vjp"]

_RULES = {
    "alpha": Interval(1, inf) | AnArray,
    "axis": Interval(-inf, inf, integer=True),
    "temperature": Interval(0, inf, closed="neither"),
    "n_jobs": Jobs,
}


def entmax_jvp(
    P: ArrayLike,
    V: ArrayLike,
    alpha: float | ArrayLike = 1.5,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Derivative of entmax in a direction, from its value alone.

    .. math:: J v = \tfrac1T \Big( s \odot v - \frac{\langle s, v \rangle}{\sum_k s_k} s
        \Big), \qquad s_k = p_k^{2 - \alpha} \text{ where } p_k > 0, \text{ else } 0

    This is the derivative where there is one; where a probability is about to become
    positive, it is the derivative on the side where it stays zero.

    Parameters
    ----------
    P : array-like of shape (..., n_classes, ...)
        Probabilities returned by :func:`entmax` with the same parameters.

    V : array-like of the same shape
        Directions in the scores.

    alpha : float or array-like, default=1.5
        Order in [1, inf], or one for each row.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    temperature : float, default=1.0
        The T > 0 by which scores were divided.

    out : ndarray of the shape of `P`, default=None
        Where to write the result, in its precision; may be `P` or `V` itself. Its
        content is undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    product : ndarray of the shape of `P`
        Changes of the probabilities, with sums of zero.

    Raises
    ------
    ValueError
        If shapes differ, a probability is negative or NaN, or all of a row are zero.

    See Also
    --------
    entmax_vjp : The same, since the Jacobian is symmetric.

    References
    ----------
    .. [1] Peters, B., Niculae, V. and Martins, A. F. T. (2019). Sparse
       sequence-to-sequence models. :arxiv:`1905.05702`

    Examples
    --------
    >>> from sparsestat.activations import entmax_jvp, sparsemax
    >>> entmax_jvp(sparsemax([1.2, 0.9, 0.1]), [1.0, 0.0, 5.0], alpha=2.0)
    array([ 0.5, -0.5,  0. ])
    """
    return _product("entmax_jvp", P, V, alpha, axis, temperature, out, n_jobs)


def entmax_vjp(
    P: ArrayLike,
    V: ArrayLike,
    alpha: float | ArrayLike = 1.5,
    *,
    axis: int = -1,
    temperature: float = 1.0,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Gradient in the scores of a function of entmax, from its gradient in `P`.

    The product :math:`J^\top v`. The Jacobian is symmetric, so this is
    :func:`entmax_jvp` under the name that backward passes know.

    Parameters
    ----------
    P : array-like of shape (..., n_classes, ...)
        Probabilities returned by :func:`entmax` with the same parameters.

    V : array-like of the same shape
        Gradients in the probabilities.

    alpha : float or array-like, default=1.5
        Order in [1, inf], or one for each row.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    temperature : float, default=1.0
        The T > 0 by which scores were divided.

    out : ndarray of the shape of `P`, default=None
        Where to write the result, in its precision; may be `P` or `V` itself. Its
        content is undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    product : ndarray of the shape of `P`
        Gradients in the scores.

    Raises
    ------
    ValueError
        If shapes differ, a probability is negative or NaN, or all of a row are zero.

    See Also
    --------
    entmax_jvp : The formula.

    References
    ----------
    .. [1] Peters, B., Niculae, V. and Martins, A. F. T. (2019). Sparse
       sequence-to-sequence models. :arxiv:`1905.05702`

    Examples
    --------
    >>> from sparsestat.activations import entmax_vjp, softmax
    >>> entmax_vjp(softmax([0.0, 0.0]), [1.0, 0.0], alpha=1.0)
    array([ 0.25, -0.25])
    """
    return _product("entmax_vjp", P, V, alpha, axis, temperature, out, n_jobs)


def entmax_alpha_derivative(
    P: ArrayLike,
    alpha: float | ArrayLike = 1.5,
    *,
    axis: int = -1,
    out: np.ndarray | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Derivative of entmax in its order, from its value alone: to learn an order.

    .. math:: \frac{\partial p_k}{\partial \alpha}
        = \frac{p_k - \tilde p_k}{(\alpha - 1)^2}
        - \frac{p_k \log p_k - \tilde p_k \sum_j p_j \log p_j}{\alpha - 1}, \qquad
        \tilde p_k = \frac{s_k}{\sum_j s_j}

    with the :math:`s_k` of :func:`entmax_jvp`. It holds at any temperature. At
    :math:`\alpha = 1` it is the limit from above, :math:`\frac{p_k}{2} (\sum_j p_j
    \log^2 p_j - \log^2 p_k)`, and no digits are lost on the way there. It is zero for
    :math:`\alpha = \infty` and where a row has one probability only.

    Parameters
    ----------
    P : array-like of shape (..., n_classes, ...)
        Probabilities returned by :func:`entmax` with the same order.

    alpha : float or array-like, default=1.5
        Order in [1, inf], or one for each row.

    axis : int, default=-1
        Axis along which probabilities sum to one.

    out : ndarray of the shape of `P`, default=None
        Where to write the result, in its precision; may be `P` itself. Its content is
        undefined if an error is raised.

    n_jobs : int, default=None
        Number of threads that share the rows.

    Returns
    -------
    derivative : ndarray of the shape of `P`
        Changes of the probabilities, with sums of zero. The gradient in the order of
        a function of `P` is the sum of its products with that function's gradient.

    Raises
    ------
    ValueError
        If a probability is negative or NaN, or all of a row are zero.

    See Also
    --------
    entmax_vjp : The gradient in the scores.

    References
    ----------
    .. [1] Correia, G. M., Niculae, V. and Martins, A. F. T. (2019). Adaptively sparse
       transformers. :arxiv:`1909.00015`

    Examples
    --------
    >>> from sparsestat.activations import entmax, entmax_alpha_derivative
    >>> P = entmax([1.2, 0.9, 0.1, -2.0], alpha=1.5)
    >>> entmax_alpha_derivative(P, alpha=1.5).round(3)
    array([ 0.241,  0.055, -0.296,  0.   ])
    """
    caller = "entmax_alpha_derivative"
    check_parameters(
        {"alpha": alpha, "axis": axis, "n_jobs": n_jobs}, _RULES, name=caller
    )
    rows = to_rows(caller, "P", P, axis, out)
    alphas = read_orders(caller, alpha, rows)
    _check_probabilities(caller, rows.values)
    derivative = rows.room(caller, out, rows.values.dtype)

    def run(block: slice) -> None:
        order_rows(rows.values[block], alphas[block], derivative[block])

    run_blocks(run, len(rows.values), n_jobs)
    return rows.deliver(derivative, out)


def _product(caller, P, V, alpha, axis, temperature, out, n_jobs):
    given = {"alpha": alpha, "axis": axis, "temperature": temperature, "n_jobs": n_jobs}
    check_parameters(given, _RULES, name=caller)
    rows = to_rows(caller, "P", P, axis, out)
    directions = to_rows(caller, "V", V, axis, out)
    if rows.shape != directions.shape:
        raise ValueError(
            f"{caller}: P and V must have one shape; got {np.shape(P)} and "
            f"{np.shape(V)}."
        )
    alphas = read_orders(caller, alpha, rows)
    values = rows.values
    _check_probabilities(caller, values)
    V = directions.values.astype(values.dtype, copy=False)
    V = V.view()
    V.flags.writeable = False
    product = rows.room(caller, out, values.dtype)

    def run(block: slice) -> None:
        jacobian_rows(values[block], V[block], alphas[block], product[block])

    run_blocks(run, len(values), n_jobs)
    if temperature != 1.0:
        product /= values.dtype.type(temperature)
    return rows.deliver(product, out)


def _check_probabilities(caller, values) -> None:
    odd = ~((values >= 0.0).all(axis=1) & (values.max(axis=1) > 0.0))
    if odd.any():
        raise ValueError(
            f"{caller}: P must hold probabilities; row {odd.argmax()} is negative, NaN "
            "or zero."
        )
