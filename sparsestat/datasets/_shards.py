"""A sparse regression whose rows lie in several places."""

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_random_state

from sparsestat.datasets import _designs
from sparsestat.utils.validation import (
    Each,
    Interval,
    OneOf,
    RandomState,
    check_parameters,
)

_PARAMETERS = {
    "n_samples": Interval(1, inf, closed="left", integer=True),
    "n_features": Interval(1, inf, closed="left", integer=True),
    "n_shards": Interval(1, inf, closed="left", integer=True),
    "n_nonzero_coefs": Interval(0, inf, closed="left", integer=True),
    "sizes": OneOf("equal", "unequal")
    | Each(Interval(1, inf, closed="left", integer=True)),
    "heterogeneity": Interval(0, 1),
    "correlation": Interval(-1, 1),
    "noise_scale": Interval(0, inf, closed="left"),
    "bias": Interval(-inf, inf, closed="neither"),
    "random_state": RandomState,
}


def make_shards(
    n_samples: int = 4000,
    n_features: int = 100,
    *,
    n_shards: int = 8,
    n_nonzero_coefs: int = 10,
    sizes: Literal["equal", "unequal"] | ArrayLike = "equal",
    heterogeneity: float = 0.0,
    correlation: float = 0.5,
    noise_scale: float = 1.0,
    bias: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Draw a sparse regression in shards that share coefficients, not distributions.

    .. math:: y = X w + b + \sigma \varepsilon, \qquad
        x_i \sim N(\mu_k, D_k \Sigma_k D_k) \text{ in shard } k

    with :math:`\Sigma_k` of entries :math:`r_k^{|j-l|}`, nonzero coefficients of random
    sign and uniform size in [0.5, 1], and standard normal noise.

    Parameters
    ----------
    n_samples : int, default=4000
        Rows of all shards. Not used where `sizes` is an array.

    n_features : int, default=100
        Number of columns.

    n_shards : int, default=8
        Number of shards. Not used where `sizes` is an array.

    n_nonzero_coefs : int, default=10
        Number of nonzero coefficients, at random places.

    sizes : {"equal", "unequal"} or array-like of int, default="equal"
        Rows of each shard: the same, in random proportions but one at least, or given.

    heterogeneity : float, default=0.0
        Between 0, all shards alike, and 1: then correlations of neighbours are uniform
        between 0 and `correlation`, means standard normal, and standard deviations
        log-normal around 1.

    correlation : float, default=0.5
        Correlation of neighbouring features.

    noise_scale : float, default=1.0
        Standard deviation of the noise.

    bias : float, default=0.0
        The intercept.

    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    data : Bunch
        With ``shards``, a list of tuples (X_k, y_k); ``coef`` and ``bias``, the truth;
        and ``data``, ``target``, all rows in the order of the shards.

    Raises
    ------
    ValueError
        If a parameter is out of range, or there are fewer rows than shards.

    See Also
    --------
    make_sparse_regression : Rows in one place, with more designs.

    References
    ----------
    The protocol of experiments follows Lan, Lin and Wang (2024), arXiv:2408.17276.

    Examples
    --------
    >>> from sparsestat.datasets import make_shards
    >>> data = make_shards(100, 20, n_shards=3, n_nonzero_coefs=2, random_state=0)
    >>> [X.shape for X, y in data.shards]
    [(33, 20), (33, 20), (34, 20)]
    """
    given = {name: value for name, value in locals().items() if name in _PARAMETERS}
    check_parameters(given, _PARAMETERS, name="make_shards")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    rows = _rows(sizes, n_samples, n_shards, rng)
    if n_nonzero_coefs > n_features:
        raise ValueError(
            f"n_nonzero_coefs must be at most n_features={n_features}; got "
            f"{n_nonzero_coefs}."
        )
    coef = np.zeros(n_features)
    support = rng.choice(n_features, n_nonzero_coefs, replace=False)
    sign = rng.choice([-1.0, 1.0], n_nonzero_coefs)
    coef[support] = sign * rng.uniform(0.5, 1.0, n_nonzero_coefs)
    shards = []
    for n in rows:
        share = 1.0 - heterogeneity * rng.uniform()
        design = _designs.AutoRegressive(n_features, correlation * share)
        X = np.ascontiguousarray(design.draw(rng, n, np.float64))
        if heterogeneity > 0.0:
            X *= np.exp(0.5 * heterogeneity * rng.standard_normal(n_features))
            X += heterogeneity * rng.standard_normal(n_features)
        noise = noise_scale * rng.standard_normal(n)
        shards.append((X, X @ coef + bias + noise))
    return Bunch(
        shards=shards,
        coef=coef,
        bias=bias,
        data=np.concatenate([X for X, _ in shards]),
        target=np.concatenate([y for _, y in shards]),
    )


def _rows(sizes, n_samples: int, n_shards: int, rng) -> np.ndarray:
    """Rows of each shard."""
    if not isinstance(sizes, str):
        return np.asarray(sizes)
    if n_samples < n_shards:
        raise ValueError(
            f"n_samples must be at least n_shards={n_shards}; got {n_samples}."
        )
    if sizes == "equal":
        return np.diff(np.arange(n_shards + 1) * n_samples // n_shards)
    shares = rng.dirichlet(np.ones(n_shards))
    return 1 + rng.multinomial(n_samples - n_shards, shares)
