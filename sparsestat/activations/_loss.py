"""Fenchel-Young losses: what entmax is trained with.

After Blondel, Martins and Niculae (2020).
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from sparsestat.activations._maps import complain
from sparsestat.activations._rows import to_rows
from sparsestat.optim.entmax import apply_entmax
from sparsestat.optim.entmax_rows import target_rows
from sparsestat.optim.row_blocks import run_blocks
from sparsestat.utils.validation import (
    Boolean,
    Interval,
    Jobs,
    check_parameters,
    check_sample_weight,
)

__all__ = ["fenchel_young_loss"]

_RULES = {
    "alpha": Interval(1, inf),
    "return_grad": Boolean,
    "n_jobs": Jobs,
}
# How far the sum of a target may be from one, by the bytes of its numbers.
_SLACK = {1: 1e-3, 2: 1e-3, 4: 1e-5, 8: 1e-6}


def fenchel_young_loss(
    Z: ArrayLike,
    Q: ArrayLike,
    alpha: float = 2.0,
    *,
    return_grad: bool = False,
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
):
    r"""Losses of scores against target distributions, zero where the map hits them.

    .. math:: L_\alpha(z, q) = \Omega_\alpha^*(z) + \Omega_\alpha(q)
        - \langle z, q \rangle, \qquad
        \Omega_\alpha(p) = \frac{\sum_k p_k^\alpha - 1}{\alpha (\alpha - 1)}

    with the convex conjugate :math:`\Omega_\alpha^*`. The loss is convex in z, never
    negative, zero if and only if :math:`\operatorname{entmax}_\alpha(z) = q`, and has
    the gradient :math:`\operatorname{entmax}_\alpha(z) - q`. It is the logistic loss
    for :math:`\alpha = 1`, the sparsemax loss for 2 and that of the perceptron for
    infinity. A label costs nothing once its score leads by :math:`1 / (\alpha - 1)`.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_classes)
        Scores; ``-inf`` masks a class.

    Q : array-like or sparse array
        Targets: the labels 0, 1, ... as integers of shape (n_samples,), or a
        distribution in each row of shape (n_samples, n_classes), dense or sparse.

    alpha : float, default=2.0
        Order in [1, inf], see :func:`entmax`.

    return_grad : bool, default=False
        Whether to return the gradients, too.

    sample_weight : array-like of shape (n_samples,), default=None
        Factors of losses and gradients.

    n_jobs : int, default=None
        Number of threads that share the rows; None is 1 unless in a
        ``joblib.parallel_config`` context. Results do not depend on it.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Always float64; infinite where a target gives weight to a masked class.

    grad : ndarray of shape (n_samples, n_classes)
        Gradients in Z, of its precision. Only returned if `return_grad` is True.

    Raises
    ------
    ValueError
        If a row of `Z` holds NaN or ``inf`` or only ``-inf``, if targets are no labels
        or distributions, or if shapes do not agree.
    TypeError
        If `Z` is sparse or does not hold real numbers.

    See Also
    --------
    entmax : The map whose loss it is.
    sklearn.metrics.log_loss : The loss for alpha=1, of probabilities.

    References
    ----------
    .. [1] Blondel, M., Martins, A. F. T. and Niculae, V. (2020). Learning with
       Fenchel-Young losses. JMLR 21. :arxiv:`1901.02324`

    Examples
    --------
    >>> from sparsestat.activations import fenchel_young_loss
    >>> Z = [[1.2, 0.9, 0.1], [2.0, 0.5, 0.0]]
    >>> losses, grad = fenchel_young_loss(Z, [1, 0], return_grad=True)
    >>> losses
    array([0.4225, 0.    ])
    >>> grad
    array([[ 0.65, -0.65,  0.  ],
           [ 0.  ,  0.  ,  0.  ]])
    """
    caller = "fenchel_young_loss"
    given = {"alpha": alpha, "return_grad": return_grad, "n_jobs": n_jobs}
    check_parameters(given, _RULES, name=caller)
    rows = to_rows(caller, "Z", Z, -1)
    scores = rows.values
    if len(rows.shape) != 2:
        raise ValueError(
            f"{caller}: Z must have shape (n_samples, n_classes); got {rows.shape}."
        )
    weights = check_sample_weight(sample_weight, scores)
    Q = _check_targets(caller, Q, scores)
    tops, losses = np.empty(len(scores)), np.empty(len(scores))
    P = np.empty(scores.shape if return_grad else (0, 0), scores.dtype)
    alphas = np.full(len(scores), float(alpha))
    bad = apply_entmax(
        scores, alphas, 1.0, P, tops=tops, conjugates=losses, n_jobs=n_jobs
    )
    complain(caller, scores, bad)
    losses += _target_terms(scores, Q, tops, float(alpha), n_jobs)
    # A sum of terms that cancel where the loss is zero.
    np.maximum(losses, 0.0, out=losses)
    if weights is not None:
        losses *= weights
    if not return_grad:
        return losses
    if isinstance(Q, _Entries):
        P[Q.rows, Q.columns] -= Q.values
    else:
        P -= Q
    if weights is not None:
        P *= weights[:, None].astype(P.dtype)
    return losses, P.astype(rows.dtype, copy=False)


class _Entries(NamedTuple):
    """Nonzero targets, those of labels too."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def _check_targets(caller: str, Q, Z: np.ndarray) -> _Entries | np.ndarray:
    """Targets as entries or, if they were given as distributions, in the type of Z."""
    n_samples, n_classes = Z.shape
    allowed = (
        f"{caller}: Q must be integer labels of shape ({n_samples},) or distributions "
        f"of shape {Z.shape}"
    )
    if not sparse.issparse(Q):
        Q = np.asarray(Q)
    if Q.ndim == 1 and Q.shape == (n_samples,) and Q.dtype.kind in "iu":
        outside = (Q < 0) | (Q >= n_classes)
        if outside.any():
            raise ValueError(
                f"{caller}: labels must be in 0, ..., {n_classes - 1}; got "
                f"{Q[outside][0]} at index {outside.argmax()}."
            )
        return _Entries(np.arange(n_samples), Q.astype(np.intp), np.ones(n_samples))
    if Q.shape != Z.shape or Q.dtype.kind not in "biuf":
        raise ValueError(f"{allowed}; got {Q.dtype} of shape {Q.shape}.")
    slack = _SLACK[min(Q.dtype.itemsize, 8)]
    if sparse.issparse(Q):
        Q = sparse.coo_array(sparse.csr_array(Q))
        values = Q.data.astype(np.float64)
        entries = _Entries(*Q.coords, values)
        sums = np.bincount(entries.rows, values, minlength=n_samples)
        negative = entries.rows[~(values >= 0.0)]
    else:
        Q = np.ascontiguousarray(Q, dtype=Z.dtype)
        entries, sums = None, Q.sum(axis=1, dtype=np.float64)
        negative = np.flatnonzero(~(Q >= 0.0).all(axis=1))
    if len(negative):
        raise ValueError(f"{caller}: Q must be >= 0; row {negative[0]} is not.")
    off = ~(np.abs(sums - 1.0) <= slack)
    if off.any():
        row = int(off.argmax())
        raise ValueError(
            f"{caller}: every row of Q must sum to one; row {row} sums to {sums[row]}."
        )
    return Q if entries is None else entries


def _target_terms(Z, Q, tops, alpha, n_jobs) -> np.ndarray:
    """Omega(q) - <q, z - max z> of every row."""
    out = np.empty(len(Z))
    if isinstance(Q, _Entries):
        scores = Z[Q.rows, Q.columns].astype(np.float64) - tops[Q.rows]
        positive = Q.values > 0.0
        terms = np.zeros(len(scores))
        q = Q.values[positive]
        terms[positive] = q * (_regulariser(q, alpha) - scores[positive])
        return np.bincount(Q.rows, terms, minlength=len(Z))

    def run(block):
        target_rows(Z[block], Q[block], tops[block], alpha, out[block])

    run_blocks(run, len(Z), n_jobs)
    return out


def _regulariser(p: np.ndarray, alpha: float) -> np.ndarray:
    """Omega(p) / p, entry by entry."""
    if alpha == 1.0:
        return np.log(p)
    if alpha == inf:
        return np.zeros_like(p)
    return np.expm1((alpha - 1.0) * np.log(p)) / (alpha * (alpha - 1.0))
