"""Truncation of next-token distributions, and sampling from what is left.

Prefixes of sorted probabilities are found by partial selection, thresholds in one
pass; no row is sorted.
"""

from __future__ import annotations

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils import check_random_state

from sparsestat.activations._distributions import COMMON, Distributions
from sparsestat.utils.validation import Interval, RandomState, check_parameters

__all__ = [
    "epsilon",
    "eta",
    "min_p",
    "sample",
    "top_k",
    "top_n_sigma",
    "top_p",
    "typical",
]

_SHARE = Interval(0, 1, closed="right")
_RULES = {
    **COMMON,
    "k": Interval(1, inf, closed="left", integer=True),
    "p": _SHARE,
    "epsilon": _SHARE,
    "n": Interval(0, inf, closed="left"),
    "size": Interval(1, inf, closed="left", integer=True) | None,
    "random_state": RandomState,
}


def top_k(
    P: ArrayLike,
    k: int,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep the k most probable tokens.

    .. math:: q_i \propto p_i \text{ for the } k \text{ largest } p_i

    Of equally probable tokens the first are kept.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    k : int
        Number of tokens, at least 1; at most as many are kept as have a positive
        probability.

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    bregman_decode : Chooses the number of tokens row by row.

    References
    ----------
    .. [1] Fan, A., Lewis, M. and Dauphin, Y. (2018). Hierarchical neural story
       generation. :arxiv:`1805.04833`

    Examples
    --------
    >>> from sparsestat.activations import top_k
    >>> top_k([0.5, 0.2, 0.15, 0.1, 0.05], k=2).round(3)
    array([0.714, 0.286, 0.   , 0.   , 0.   ])
    """
    given = _read("top_k", P, from_logits, temperature, output, k=k)
    return given.prefix(given.values, output, count=min(k, given.values.shape[1]))


def top_p(
    P: ArrayLike,
    p: float = 0.9,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep the fewest tokens that hold a share of the probability.

    .. math:: q_i \propto p_i \text{ for the shortest prefix of the sorted }
        p \text{ with a sum} \ge \pi

    Also called nucleus sampling. Of equally probable tokens the first are kept.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    p : float, default=0.9
        The share in (0, 1].

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    bregman_decode : Chooses the number of tokens row by row.

    References
    ----------
    .. [1] Holtzman, A., Buys, J., Du, L., Forbes, M. and Choi, Y. (2020). The curious
       case of neural text degeneration. :arxiv:`1904.09751`

    Examples
    --------
    >>> from sparsestat.activations import top_p
    >>> top_p([0.5, 0.2, 0.15, 0.1, 0.05], p=0.8).round(3)
    array([0.588, 0.235, 0.176, 0.   , 0.   ])
    """
    given = _read("top_p", P, from_logits, temperature, output, p=p)
    if p == 1.0:
        return given.keep(given.values > 0.0, output)
    return given.prefix(given.values, output, share=p)


def min_p(
    P: ArrayLike,
    p: float = 0.1,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep tokens with a share of the largest probability.

    .. math:: q_i \propto p_i \text{ where } p_i \ge \pi \max_j p_j

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    p : float, default=0.1
        The share in (0, 1].

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    bregman_decode : Chooses the number of tokens row by row.

    References
    ----------
    .. [1] Nguyen, M., Baker, A., Neo, C., Roush, A., Kirsch, A. and Shwartz-Ziv, R.
       (2025). Turning up the heat: min-p sampling for creative and coherent LLM
       outputs. :arxiv:`2407.01082`

    Examples
    --------
    >>> from sparsestat.activations import min_p
    >>> min_p([0.5, 0.2, 0.15, 0.1, 0.05], p=0.4).round(3)
    array([0.714, 0.286, 0.   , 0.   , 0.   ])
    """
    given = _read("min_p", P, from_logits, temperature, output, p=p)
    values = given.values
    least = values.dtype.type(p) * values.max(axis=1, keepdims=True, initial=0.0)
    return given.keep(values >= least, output)


def epsilon(
    P: ArrayLike,
    epsilon: float = 3e-4,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep tokens above a fixed probability.

    .. math:: q_i \propto p_i \text{ where } p_i \ge \epsilon

    The most probable token is kept in any case.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    epsilon : float, default=3e-4
        The least probability in (0, 1].

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    eta : A bound that depends on the entropy.

    References
    ----------
    .. [1] Hewitt, J., Manning, C. D. and Liang, P. (2022). Truncation sampling as
       language model desmoothing. :arxiv:`2210.15191`

    Examples
    --------
    >>> from sparsestat.activations import epsilon
    >>> epsilon([0.5, 0.2, 0.15, 0.1, 0.05], epsilon=0.2).round(3)
    array([0.714, 0.286, 0.   , 0.   , 0.   ])
    """
    given = _read("epsilon", P, from_logits, temperature, output, epsilon=epsilon)
    return given.keep(given.values >= epsilon, output)


def eta(
    P: ArrayLike,
    epsilon: float = 3e-4,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep tokens above a probability that falls with the entropy.

    .. math:: q_i \propto p_i \text{ where } p_i \ge
        \min(\epsilon, \sqrt{\epsilon} \, e^{-H(p)})

    with the entropy H in nats. The most probable token is kept in any case.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    epsilon : float, default=3e-4
        The least probability in (0, 1] of a row of low entropy.

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    epsilon : A fixed bound.

    References
    ----------
    .. [1] Hewitt, J., Manning, C. D. and Liang, P. (2022). Truncation sampling as
       language model desmoothing. :arxiv:`2210.15191`

    Examples
    --------
    >>> from sparsestat.activations import eta
    >>> eta([0.5, 0.2, 0.15, 0.1, 0.05], epsilon=0.2).round(3)
    array([0.588, 0.235, 0.176, 0.   , 0.   ])
    """
    given = _read("eta", P, from_logits, temperature, output, epsilon=epsilon)
    entropy = _surprise(given.values)[1]
    least = np.minimum(epsilon, np.sqrt(epsilon) * np.exp(-entropy))
    return given.keep(given.values >= least[:, None], output)


def top_n_sigma(
    P: ArrayLike,
    n: float = 1.0,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep tokens whose logits are close to the largest.

    .. math:: q_i \propto p_i \text{ where } z_i \ge \max_j z_j - n \sigma(z)

    with the logits z, or the logarithms of the probabilities given, and their standard
    deviation over the tokens that are not masked. The set does not depend on the
    temperature.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    n : float, default=1.0
        Width of the band in standard deviations.

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    min_p : The same with a fixed width.

    References
    ----------
    .. [1] Tang, C., Liu, J., Xu, H. and Huang, L. (2024). Top-n-sigma: not all logits
       are you need. :arxiv:`2411.07641`

    Examples
    --------
    >>> from sparsestat.activations import top_n_sigma
    >>> top_n_sigma([3.0, 2.5, 0.0, -1.0], n=1.0, from_logits=True).round(3)
    array([0.622, 0.378, 0.   , 0.   ])
    """
    given = _read("top_n_sigma", P, from_logits, temperature, output, n=n)
    if given.logits is None:
        logits = -_surprise(given.values)[0]
    else:
        logits = given.logits.astype(np.float64)
    finite = np.isfinite(logits)
    top = logits.max(axis=1, keepdims=True, initial=-inf)
    # Relative to the maximum, which is where the band begins.
    below = np.subtract(logits, top, out=np.zeros(logits.shape), where=finite)
    width = n * below.std(axis=1, keepdims=True, where=finite)
    return given.keep(finite & (below >= -width), output)


def typical(
    P: ArrayLike,
    p: float = 0.95,
    *,
    from_logits: bool = False,
    temperature: float = 1.0,
    output: Literal["dense", "csr"] = "dense",
) -> np.ndarray | sparse.csr_array:
    r"""Keep the tokens whose surprise is closest to the entropy.

    .. math:: q_i \propto p_i \text{ for the shortest prefix, sorted by }
        |{-\log p_i} - H(p)|, \text{ with a sum} \ge \pi

    Locally typical sampling. It may leave out the most probable token.

    Parameters
    ----------
    P : array-like of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions, or logits if `from_logits` is True.

    p : float, default=0.95
        The share of the probability in (0, 1].

    from_logits : bool, default=False
        Whether `P` holds logits, to which softmax is applied.

    temperature : float, default=1.0
        Divides logits; only used if `from_logits` is True.

    output : {"dense", "csr"}, default="dense"
        Whether to return an array or compressed sparse rows.

    Returns
    -------
    Q : ndarray of the shape of `P`, or csr_array of shape (n_rows, n_tokens)
        What is kept, renormalised; at least one token of each row.

    Raises
    ------
    ValueError
        If a row of `P` is no distribution or a parameter is out of its range.

    See Also
    --------
    top_p : The most probable tokens instead.

    References
    ----------
    .. [1] Meister, C., Pimentel, T., Wiher, G. and Cotterell, R. (2023). Locally
       typical sampling. :arxiv:`2202.00666`

    Examples
    --------
    >>> from sparsestat.activations import typical
    >>> typical([0.5, 0.2, 0.15, 0.1, 0.05], p=0.3).round(3)
    array([0.   , 0.571, 0.429, 0.   , 0.   ])
    """
    given = _read("typical", P, from_logits, temperature, output, p=p)
    if p == 1.0:
        return given.keep(given.values > 0.0, output)
    surprise, entropy = _surprise(given.values)
    order = -np.abs(surprise - entropy[:, None])
    return given.prefix(order, output, share=p)


def sample(
    Q: ArrayLike | sparse.csr_array,
    size: int | None = None,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> int | np.ndarray:
    """Draw tokens by inverting the cumulative distribution on the support.

    Parameters
    ----------
    Q : array-like or sparse array of shape (n_rows, n_tokens) or (n_tokens,)
        Distributions. Sums may differ from one; what has no probability is never drawn.

    size : int, default=None
        Number of independent draws from each row; None is a single one.

    random_state : int, RandomState instance or None, default=None
        Seed of the draws; pass an int for reproducible tokens.

    Returns
    -------
    tokens : int, or ndarray of shape (n_rows,), (size,) or (n_rows, size)
        Indices of tokens.

    Raises
    ------
    ValueError
        If a row has a negative or NaN entry or no positive one.

    See Also
    --------
    top_k : Truncates a distribution.

    References
    ----------
    .. [1] Devroye, L. (1986). Non-Uniform Random Variate Generation, section III.2.
       :doi:`10.1007/978-1-4613-8643-8`

    Examples
    --------
    >>> from sparsestat.activations import sample, top_k
    >>> sample(top_k([0.5, 0.2, 0.15, 0.1, 0.05], k=2), size=8, random_state=0)
    array([0, 1, 0, 0, 0, 0, 0, 1])
    """
    check_parameters(
        {"size": size, "random_state": random_state}, _RULES, name="sample"
    )
    many = sparse.issparse(Q) or np.ndim(Q) == 2
    if not sparse.issparse(Q):
        Q = np.atleast_2d(np.asarray(Q, dtype=np.float64))
    if Q.ndim != 2:
        raise ValueError(f"sample: Q must have one or two dimensions; got {Q.ndim}.")
    rows = sparse.csr_array(Q, dtype=np.float64)
    rows.sum_duplicates()
    if not (rows.data >= 0.0).all():
        raise ValueError("sample: Q must be >= 0 and not NaN.")
    rows.eliminate_zeros()
    starts, stops = rows.indptr[:-1], rows.indptr[1:]
    if (starts == stops).any():
        row = int((starts == stops).argmax())
        raise ValueError(f"sample: row {row} of Q has no positive entry.")
    draws = check_random_state(random_state).random_sample((rows.shape[0], size or 1))
    tokens = np.empty(draws.shape, dtype=np.intp)
    for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        cumulative = np.cumsum(rows.data[start:stop])
        found = np.searchsorted(cumulative, draws[row] * cumulative[-1], side="right")
        # The product may be rounded up to the sum.
        tokens[row] = rows.indices[start:stop][np.minimum(found, stop - start - 1)]
    if size is None:
        tokens = tokens[:, 0]
    if many:
        return tokens
    return int(tokens[0]) if size is None else tokens[0]


def _read(caller, P, from_logits, temperature, output, **parameters) -> Distributions:
    common = {"from_logits": from_logits, "temperature": temperature, "output": output}
    check_parameters({**parameters, **common}, _RULES, name=caller)
    return Distributions.read(caller, P, from_logits, temperature)


def _surprise(P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-log p, infinite where p = 0, and the entropy of every row, in float64."""
    surprise = np.full(P.shape, inf)
    positive = P > 0.0
    np.log(P, out=surprise, where=positive, dtype=np.float64)
    np.negative(surprise, out=surprise, where=positive)
    entropy = np.einsum("ij,ij->i", P, np.where(positive, surprise, 0.0))
    return surprise, entropy
