"""Linear regression with a sparse truth: y = X w + b + noise, w with few nonzeros."""

from math import inf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy import sparse
from sklearn.utils import Bunch, check_random_state

from sparsestat.datasets import _designs
from sparsestat.utils import validation
from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    OneOf,
    RandomState,
    Satisfies,
    check_parameters,
)

_PARAMETERS = {
    "n_samples": Interval(2, inf, closed="left", integer=True),
    "n_features": Interval(1, inf, closed="left", integer=True),
    "n_nonzero_coefs": Interval(0, inf, closed="left", integer=True),
    "design": OneOf("ar1", "block", "factor", "independent", "toeplitz"),
    "correlation": Interval(-1, 1) | Each(Interval(-1, 1)),
    "group_size": Interval(1, inf, closed="left", integer=True),
    "n_factors": Interval(1, inf, closed="left", integer=True),
    "density": Interval(0, 1, closed="right") | None,
    "support": OneOf("random", "spaced", "first", "clustered", "groups")
    | validation.ArrayLike,
    "coef_values": OneOf("sign", "ones", "normal", "decay") | validation.ArrayLike,
    "bias": Interval(-inf, inf, closed="neither"),
    "snr": Interval(0, inf, closed="right"),
    "noise": OneOf("gaussian", "student", "laplace"),
    "df": Interval(0, inf, closed="neither"),
    "outliers": Interval(0, 1),
    "standardize": Boolean,
    "standardize_target": Boolean,
    "dtype": Satisfies(
        lambda dtype: str(getattr(dtype, "__name__", dtype)) in ("float32", "float64"),
        "np.float32 or np.float64",
    ),
    "random_state": RandomState,
    "return_X_y": Boolean,
}


def make_sparse_regression(
    n_samples: int = 100,
    n_features: int = 200,
    *,
    n_nonzero_coefs: int = 10,
    design: Literal["ar1", "block", "factor", "independent", "toeplitz"] = "ar1",
    correlation: float | ArrayLike = 0.5,
    group_size: int = 10,
    n_factors: int = 3,
    density: float | None = None,
    support: str | ArrayLike = "random",
    coef_values: str | ArrayLike = "sign",
    bias: float = 0.0,
    snr: float = 3.0,
    noise: Literal["gaussian", "student", "laplace"] = "gaussian",
    df: float = 3.0,
    outliers: float = 0.0,
    standardize: bool = False,
    standardize_target: bool = False,
    dtype: DTypeLike = np.float64,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    r"""Draw a linear regression with correlated features and a sparse truth.

    .. math:: y = X w + b + \varepsilon, \qquad x_i \sim N(0, \Sigma), \qquad
        \frac{\operatorname{var}(X w)}{\operatorname{var}(\varepsilon)} = \mathrm{snr}

    where the ratio of the variances holds in the sample, not only on average. Nothing
    of size (n_features, n_features) is formed.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows, at least 2.

    n_features : int, default=200
        Number of columns.

    n_nonzero_coefs : int, default=10
        Number of nonzero coefficients. Not used where `support` is an array.

    design : {"ar1", "block", "factor", "independent", "toeplitz"}, default="ar1"
        How features correlate; each has mean 0 and variance 1.

        - "ar1": neighbours by `correlation`, :math:`\Sigma_{jk} = r^{|j-k|}`;
        - "block": features of one group of `group_size` consecutive ones by
          `correlation`, others not at all. A single group gives equicorrelation;
        - "factor": `n_factors` common factors with random loadings explain the share
          `correlation` of the variance of each feature;
        - "independent": not at all;
        - "toeplitz": by distance; neighbours by `correlation`, others by the slow power
          law :math:`\Sigma_{jk} = (1 + |j - k|)^{\log_2 r}`. An array holds the
          autocorrelations at distances 1, 2, ...; further ones are zero.

    correlation : float or array-like, default=0.5
        Between 0 and 1, or between -1 and 1 for "ar1"; an array for "toeplitz" only.

    group_size : int, default=10
        Number of consecutive features in a group: the blocks of the design "block", the
        groups of the support "groups", and the `feature_groups` returned.

    n_factors : int, default=3
        Number of factors of the design "factor".

    density : float, default=None
        Share of nonzero entries: a CSC array is returned, whose nonzero entries are
        standard normal. For the design "independent" only.

    support : str or array-like, default="random"
        Which coefficients are not zero. An array holds their indices or is a boolean
        mask; a name stands for

        - "random": some at random;
        - "spaced": evenly spaced ones;
        - "first": the first ones;
        - "clustered": consecutive ones, at a random place;
        - "groups": whole groups at random, the last of which may be partial.

    coef_values : str or array-like, default="sign"
        Values of the nonzero coefficients. An array holds one for each, in the order
        of the features; a name stands for

        - "sign": -1 or 1 at random;
        - "ones": 1;
        - "normal": standard normal;
        - "decay": random signs, sizes that fall geometrically from 1 to 0.1.

    bias : float, default=0.0
        The intercept :math:`b`.

    snr : float, default=3.0
        Ratio of the variances of signal and noise; ``np.inf`` for no noise. Where the
        signal is constant the noise has variance 1.

    noise : {"gaussian", "student", "laplace"}, default="gaussian"
        Distribution of the noise.

    df : float, default=3.0
        Degrees of freedom of the noise "student".

    outliers : float, default=0.0
        Share of the samples to whose noise a gross error is added: ten standard
        deviations of the signal, with random sign. `snr` does not count them.

    standardize : bool, default=False
        Centre the columns and scale them to variance 1 (population variance, as
        :class:`~sklearn.preprocessing.StandardScaler`) before the target is formed.
        Columns of a sparse design are scaled only.

    standardize_target : bool, default=False
        Centre the target and scale it to variance 1, and the truth along with it.

    dtype : {np.float32, np.float64}, default=float64
        Type of `data` and `target`. The truth is always in double precision.

    random_state : int, RandomState instance or None, default=None
        Seed. Design, support, values and noise have streams of their own: other noise
        leaves the features as they are.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the whole.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        data : ndarray or csc_array of shape (n_samples, n_features)
            The features; an array is Fortran-ordered.
        target : ndarray of shape (n_samples,)
            Equal to ``data @ coef + intercept + noise``.
        coef : ndarray of shape (n_features,)
            The truth.
        intercept : float
            Its intercept.
        support : ndarray of shape (n_nonzero_coefs,)
            Indices of the nonzero coefficients, in increasing order.
        noise : ndarray of shape (n_samples,)
            The noise, gross errors included.
        noise_std : float
            Its standard deviation, gross errors left out.
        outliers : ndarray of shape (n_samples,)
            Mask of the samples with gross errors.
        covariance : callable
            ``covariance(indices)`` is the covariance of these features, without an
            argument that of all.
        feature_groups : ndarray of shape (n_features,)
            Group of each feature.
        feature_names : list of str
            ``"x0"``, ``"x1"``, ...
        DESCR : str
            What was drawn.

    (data, target) : tuple if `return_X_y`
        These two only.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or two do not go together.

    See Also
    --------
    sklearn.datasets.make_regression : Low-rank or independent features.
    sklearn.datasets.make_sparse_uncorrelated : Independent ones, four of them active.
    sparsestat.metrics.support_f1 : Score a support against the true one.
    sparsestat.metrics.prediction_error : Takes `covariance`.

    References
    ----------
    .. [1] Hastie, T., Tibshirani, R. and Tibshirani, R. (2020). Best subset, forward
       stepwise or Lasso? Analysis and recommendations based on extensive comparisons.
       :doi:`10.1214/19-STS733`
    .. [2] Dietrich, C. R. and Newsam, G. N. (1997). Fast and exact simulation of
       stationary Gaussian processes through circulant embedding of the covariance
       matrix. :doi:`10.1137/S1064827592240555`

    Examples
    --------
    >>> from sparsestat.datasets import make_sparse_regression
    >>> dataset = make_sparse_regression(
    ...     50, 1000, n_nonzero_coefs=4, support="spaced", random_state=0
    ... )
    >>> dataset.data.shape, dataset.support
    ((50, 1000), array([125, 375, 625, 875]))
    >>> signal = dataset.data @ dataset.coef
    >>> float(signal.var() / dataset.noise.var())
    3.0
    >>> dataset.covariance([0, 1, 2])
    array([[1.  , 0.5 , 0.25],
           [0.5 , 1.  , 0.5 ],
           [0.25, 0.5 , 1.  ]])
    """
    given = dict(locals())
    check_parameters(given, _PARAMETERS, name="make_sparse_regression")
    seeds = np.random.SeedSequence(
        check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    )
    design_rng, support_rng, values_rng, noise_rng, outlier_rng = map(
        np.random.default_rng, seeds.spawn(5)
    )
    given["dtype"] = np.dtype(dtype).name
    dtype = np.dtype(dtype).type

    model = _make_design(
        design, n_features, correlation, group_size, n_factors, density, design_rng
    )
    X = model.draw(design_rng, n_samples, dtype)
    covariance = model.covariance
    if standardize:
        X = _standardize(X)
        if density is not None:
            covariance = model._replace(density=None).covariance

    feature_groups = np.arange(n_features) // group_size
    indices = _draw_support(support, n_nonzero_coefs, feature_groups, support_rng)
    coef = np.zeros(n_features)
    coef[indices] = _draw_values(coef_values, indices.size, values_rng)

    signal = X[:, indices].astype(np.float64, copy=False) @ coef[indices]
    noise_std = _noise_std(signal, snr)
    epsilon = noise_std * _draw_noise(noise, df, n_samples, noise_rng)
    is_outlier = np.zeros(n_samples, dtype=bool)
    is_outlier[outlier_rng.permutation(n_samples)[: round(outliers * n_samples)]] = True
    signs = outlier_rng.choice([-1.0, 1.0], n_samples)
    epsilon[is_outlier] += 10 * (signal.std() or 1.0) * signs[is_outlier]

    target = signal + bias + epsilon
    intercept = float(bias)
    if standardize_target:
        mean, scale = target.mean(), target.std() or 1.0
        target, intercept = (target - mean) / scale, float((bias - mean) / scale)
        coef, epsilon, noise_std = coef / scale, epsilon / scale, noise_std / scale
    target = target.astype(dtype)

    if return_X_y:
        return X, target
    return Bunch(
        data=X,
        target=target,
        coef=coef,
        intercept=intercept,
        support=np.flatnonzero(coef),
        noise=epsilon,
        noise_std=float(noise_std),
        outliers=is_outlier,
        covariance=covariance,
        feature_groups=feature_groups,
        feature_names=[f"x{j}" for j in range(n_features)],
        DESCR=_describe(given, np.count_nonzero(coef)),
    )


def _make_design(design, n_features, correlation, group_size, n_factors, density, rng):
    if np.ndim(correlation) > 0:
        if design != "toeplitz":
            raise ValueError(
                "correlation must be a number unless design='toeplitz'; "
                f"got an array with design={design!r}."
            )
        correlation = np.asarray(correlation, dtype=np.float64)
    elif design not in ("ar1", "independent") and correlation < 0:
        raise ValueError(
            f"correlation must be in [0, 1] where design={design!r}; "
            f"got {correlation!r}."
        )
    if density is not None and design != "independent":
        raise ValueError(
            "density must be None unless design='independent'; "
            f"got {density!r} with design={design!r}."
        )
    match design:
        case "ar1":
            return _designs.AutoRegressive(n_features, correlation)
        case "block":
            return _designs.Block(n_features, correlation, group_size)
        case "factor":
            return _designs.Factor.create(rng, n_features, correlation, n_factors)
        case "toeplitz":
            return _designs.Toeplitz(n_features, correlation)
        case "independent":
            return _designs.Independent(n_features, density)


def _standardize(X):
    """Centre and scale columns to population variance 1; in place, where dense."""
    if sparse.issparse(X):
        mean = X.mean(axis=0, dtype=np.float64)
        square = X.multiply(X).mean(axis=0, dtype=np.float64)
        scale = np.sqrt(np.maximum(square - mean**2, 0.0))
        X.data /= np.repeat(scale, np.diff(X.indptr)).astype(X.dtype)
        return X
    for start in range(0, X.shape[1], 256):
        part = X[:, start : start + 256]
        centred = part - part.mean(axis=0, dtype=np.float64)
        scale = centred.std(axis=0)
        scale[scale == 0.0] = 1.0
        part[:] = centred / scale
    return X


def _draw_support(support, n_nonzero_coefs, feature_groups, rng):
    """Return the sorted indices of the nonzero coefficients."""
    n_features = feature_groups.size
    if not isinstance(support, str):
        return _check_support(support, n_features)
    k = n_nonzero_coefs
    if k > n_features:
        raise ValueError(
            f"n_nonzero_coefs must be at most n_features = {n_features}; got {k}."
        )
    match support:
        case "random":
            indices = rng.choice(n_features, k, replace=False)
        case "spaced":
            indices = (2 * np.arange(k) + 1) * n_features // max(2 * k, 1)
        case "first":
            indices = np.arange(k)
        case "clustered":
            indices = rng.integers(n_features - k + 1) + np.arange(k)
        case "groups":
            rank = rng.permutation(feature_groups[-1] + 1)
            indices = np.argsort(rank[feature_groups], kind="stable")[:k]
    return np.sort(indices)


def _check_support(support, n_features):
    indices = np.asarray(support)
    if indices.dtype == bool and indices.shape == (n_features,):
        return np.flatnonzero(indices)
    if indices.size == 0:
        return np.zeros(0, dtype=np.int64)
    if (
        indices.ndim != 1
        or indices.dtype.kind not in "iu"
        or indices.min() < 0
        or indices.max() >= n_features
        or np.unique(indices).size < indices.size
    ):
        raise ValueError(
            f"support must hold different indices in [0, {n_features}) or be a boolean "
            f"mask of shape ({n_features},); got {support!r}."
        )
    return np.sort(indices)


def _draw_values(coef_values, size, rng):
    """Return the nonzero coefficients, in the order of the features."""
    if not isinstance(coef_values, str):
        values = np.asarray(coef_values, dtype=np.float64)
        if values.shape != (size,) or not np.isfinite(values).all():
            raise ValueError(
                f"coef_values must hold {size} finite values, one for each nonzero "
                f"coefficient; got {coef_values!r}."
            )
        return values
    match coef_values:
        case "sign":
            return rng.choice([-1.0, 1.0], size)
        case "ones":
            return np.ones(size)
        case "normal":
            return rng.standard_normal(size)
        case "decay":
            return rng.choice([-1.0, 1.0], size) * np.geomspace(1.0, 0.1, size)


def _noise_std(signal, snr):
    if np.isinf(snr):
        return 0.0
    # Rounding leaves a constant signal with a tiny variance, not with none.
    spread = signal.std()
    constant = spread <= 1e-12 * np.abs(signal).max(initial=0.0)
    return 1.0 if constant else spread / np.sqrt(snr)


def _draw_noise(noise, df, n_samples, rng):
    """Return noise of standard deviation 1 in the sample."""
    match noise:
        case "gaussian":
            epsilon = rng.standard_normal(n_samples)
        case "student":
            epsilon = rng.standard_t(df, n_samples)
        case "laplace":
            epsilon = rng.laplace(size=n_samples)
    return epsilon / epsilon.std()


def _describe(given, n_nonzero):
    settings = "\n".join(
        f"    {key}: {value!r}"
        for key, value in given.items()
        if key not in ("n_nonzero_coefs", "return_X_y")
    )
    return (
        "Linear regression with a sparse truth, drawn at random.\n\n"
        f"{n_nonzero} of the {given['n_features']} coefficients are not zero.\n\n"
        f"Settings of make_sparse_regression:\n\n{settings}\n"
    )
