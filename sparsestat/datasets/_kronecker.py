"""Tensors observed through a Kronecker product of matrices, sparse in every mode."""

from collections.abc import Sequence
from math import inf
from typing import Literal

import numpy as np
from sklearn.utils import Bunch, check_random_state

from sparsestat.utils.validation import (
    Boolean,
    Each,
    Interval,
    OneOf,
    RandomState,
    check_parameters,
)

__all__ = ["make_irs_mimo", "make_kronecker_sparse"]

_COUNT = Interval(1, inf, closed="left", integer=True)
_SNR_DB = Interval(-inf, inf, closed="right")

_SPARSE_PARAMETERS = {
    "n_measurements": Each(_COUNT),
    "n_features": Each(_COUNT),
    "n_nonzero_coefs": _COUNT | Each(_COUNT),
    "coef_values": OneOf("rank_one", "normal"),
    "snr_db": _SNR_DB,
    "complex_data": Boolean,
    "random_state": RandomState,
}
_CHANNEL_PARAMETERS = {
    "n_patterns": _COUNT,
    "n_pilots": _COUNT,
    "n_mobile_antennas": _COUNT,
    "n_base_antennas": _COUNT,
    "n_elements": _COUNT,
    "n_angles": Interval(2, inf, closed="left", integer=True),
    "angular_spread": _COUNT,
    "snr_db": _SNR_DB,
    "sounding_state": RandomState,
    "random_state": RandomState,
}


def make_kronecker_sparse(
    n_measurements: Sequence[int] = (8, 12, 15),
    n_features: Sequence[int] = (15, 15, 15),
    *,
    n_nonzero_coefs: int | Sequence[int] = 3,
    coef_values: Literal["rank_one", "normal"] = "rank_one",
    snr_db: float = 25.0,
    complex_data: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Draw a sparse tensor seen through a Kronecker product of Gaussian matrices.

    .. math:: y = (A_1 \otimes \dots \otimes A_I) \, x + \varepsilon

    The support of x is a product of one index set for each mode. Nothing of the size of
    the Kronecker product is formed.

    Parameters
    ----------
    n_measurements : sequence of int, default=(8, 12, 15)
        Rows of each matrix.

    n_features : sequence of int, default=(15, 15, 15)
        Columns of each matrix.

    n_nonzero_coefs : int or sequence of int, default=3
        Size of the index set of each mode.

    coef_values : {"rank_one", "normal"}, default="rank_one"
        Whether the nonzero coefficients are products of standard normals of each mode,
        or independent standard normals.

    snr_db : float, default=25.0
        Mean power of the signal over the variance of the noise, in decibels; ``np.inf``
        for no noise.

    complex_data : bool, default=False
        Draw circular complex normals instead of real ones.

    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        factors : list of ndarray of shapes (n_measurements[i], n_features[i])
            The matrices, standard normal.
        target : ndarray of shape `n_measurements`
            The data; in C order, so the last mode runs fastest.
        coef : ndarray of shape (prod(n_features),)
            The truth.
        coef_tensor : ndarray of shape `n_features`
            The same as a tensor.
        supports : list of ndarray of shape (n_features[i],)
            Mask of the index set of each mode.
        noise_variance : float
            Variance of the noise.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or two do not go together.

    See Also
    --------
    sparsestat.metrics.nmse : Score an estimate of `coef`.
    make_irs_mimo : A wireless channel of this structure.
    sklearn.datasets.make_sparse_coded_signal : Sparse codes without structure.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.datasets import make_kronecker_sparse
    >>> dataset = make_kronecker_sparse((4, 5), (6, 7), snr_db=np.inf, random_state=0)
    >>> dataset.target.shape, int(np.count_nonzero(dataset.coef))
    ((4, 5), 9)
    >>> np.allclose(dataset.target.ravel(), np.kron(*dataset.factors) @ dataset.coef)
    True
    """
    check_parameters(dict(locals()), _SPARSE_PARAMETERS, name="make_kronecker_sparse")
    n_modes = len(n_features)
    if len(n_measurements) != n_modes:
        raise ValueError(
            "n_measurements must have as many entries as n_features, "
            f"{n_modes}; got {len(n_measurements)}."
        )
    sizes = np.broadcast_to(n_nonzero_coefs, np.shape(n_nonzero_coefs) or n_modes)
    if len(sizes) != n_modes or (sizes > np.asarray(n_features)).any():
        raise ValueError(
            f"n_nonzero_coefs must be at most n_features = {tuple(n_features)} in each "
            f"of the {n_modes} modes; got {n_nonzero_coefs}."
        )
    rng = _generator(random_state)
    normal = _complex_normal if complex_data else np.random.Generator.standard_normal
    factors = [
        normal(rng, (m, n)) for m, n in zip(n_measurements, n_features, strict=True)
    ]
    supports = []
    for n, size in zip(n_features, sizes, strict=True):
        supports.append(np.zeros(n, dtype=bool))
        supports[-1][rng.choice(n, size, replace=False)] = True
    shape = tuple(map(int, sizes))
    if coef_values == "rank_one":
        values = np.ones(())
        for size in shape:
            values = values[..., None] * normal(rng, size)
    else:
        values = normal(rng, shape)
    coef = np.zeros(tuple(n_features), dtype=values.dtype)
    coef[np.ix_(*supports)] = values
    target, noise_variance = _observe(factors, coef, snr_db, rng, normal)
    return Bunch(
        factors=factors,
        target=target,
        coef=coef.ravel(),
        coef_tensor=coef,
        supports=supports,
        noise_variance=noise_variance,
    )


def make_irs_mimo(
    *,
    n_patterns: int = 6,
    n_pilots: int = 3,
    n_mobile_antennas: int = 6,
    n_base_antennas: int = 16,
    n_elements: int = 256,
    n_angles: int = 18,
    angular_spread: int = 3,
    snr_db: float = 12.0,
    sounding_state: int | np.random.RandomState | None = 0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Draw the pilots that a base station receives by way of a reflecting surface.

    A mobile station sends pilots X to an intelligent reflecting surface, whose elements
    reflect them to the base station with the known phases :math:`\theta_k`:

    .. math:: Y_k = (H_2 \operatorname{diag}(\theta_k) H_1 X)^\top + E_k

    Both channels are sums of few directions on a grid of angles. The array is regular,
    so that all pairs of directions at the surface collapse to their differences, and
    the data are a Kronecker product of three matrices times a sparse tensor.

    Parameters
    ----------
    n_patterns : int, default=6
        Patterns of phases, one after another.

    n_pilots : int, default=3
        Pilot symbols sent with each pattern.

    n_mobile_antennas : int, default=6
        Antennas of the mobile station.

    n_base_antennas : int, default=16
        Antennas of the base station.

    n_elements : int, default=256
        Elements of the surface.

    n_angles : int, default=18
        Angles of the grid; their cosines are equidistant.

    angular_spread : int, default=3
        Neighbouring angles at which a wave arrives, at the surface and at the base.

    snr_db : float, default=12.0
        Mean power of the signal over the variance of the noise, in decibels.

    sounding_state : int, RandomState instance or None, default=0
        Seed of the pilots and of the patterns, which scenes usually share.

    random_state : int, RandomState instance or None, default=None
        Seed of the channels and the noise. Scenes of one seed differ in the level of
        the noise only.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        factors : list of three ndarray, each with `n_angles` columns
            For patterns, pilots and antennas of the base station.
        target : ndarray of shape (n_patterns, n_pilots, n_base_antennas)
            What is received.
        coef : ndarray of shape (n_angles**3,)
            The truth.
        supports : list of three ndarray of shape (n_angles,)
            Masks of the angles that occur.
        noise_variance : float
            Variance of the noise.
        channels : ndarray of shape (n_patterns, n_mobile_antennas, n_base_antennas)
            The channel of each pattern, transposed.
        channel_factors : list of three ndarray
            Their Kronecker product maps `coef` to the channels, so that
            ``model.predict(channel_factors)`` estimates them.

    Raises
    ------
    ValueError
        If a parameter is not allowed.

    See Also
    --------
    make_kronecker_sparse : Gaussian matrices of any number.
    sparsestat.metrics.qpsk_error_rate : What an estimate is worth to a link.
    sklearn.datasets.make_sparse_coded_signal : Sparse codes without structure.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> from sparsestat.datasets import make_irs_mimo
    >>> scene = make_irs_mimo(snr_db=20, random_state=0)
    >>> scene.target.shape, scene.coef.shape
    ((6, 3, 16), (5832,))
    >>> [int(support.sum()) for support in scene.supports]
    [3, 1, 3]
    """
    check_parameters(dict(locals()), _CHANNEL_PARAMETERS, name="make_irs_mimo")
    if angular_spread > n_angles:
        raise ValueError(
            f"angular_spread must be at most n_angles = {n_angles}; "
            f"got {angular_spread}."
        )
    signs, rng = [-1.0, 1.0], _generator(sounding_state)
    pilots = rng.choice(signs, (2, n_mobile_antennas, n_pilots))
    pilots = (pilots[0] + 1j * pilots[1]) / np.sqrt(2 * n_mobile_antennas)
    phases = rng.choice(signs, (n_elements, n_patterns)) / np.sqrt(n_elements)
    rng = _generator(random_state)

    leave_mobile, leave_surface = rng.integers(n_angles, size=2)
    spread = np.arange(angular_spread)
    reach_surface, reach_base = (
        rng.integers(n_angles - angular_spread + 1, size=2)[:, None] + spread
    )
    gains = _complex_normal(rng, (2, angular_spread))
    # Angles at the surface matter by their difference, on a circle.
    modes = [(reach_surface - leave_surface) % n_angles, [leave_mobile], reach_base]
    supports = []
    for mode in modes:
        supports.append(np.zeros(n_angles, dtype=bool))
        supports[-1][mode] = True
    power = n_elements * np.sqrt(n_mobile_antennas * n_base_antennas) / angular_spread
    coef = np.zeros((n_angles,) * 3, dtype=complex)
    coef[modes[0][:, None], leave_mobile, reach_base] = power * np.outer(*gains)

    mobile = _steering(n_mobile_antennas, n_angles)
    base = _steering(n_base_antennas, n_angles)
    turns = np.outer(np.arange(n_elements), np.arange(n_angles)) / n_angles
    surface = phases.T @ np.exp(2j * np.pi * turns) / n_elements
    factors = [surface, pilots.T @ mobile.conj(), base]
    channel_factors = [surface, mobile.conj(), base]
    target, noise_variance = _observe(factors, coef, snr_db, rng, _complex_normal)
    return Bunch(
        factors=factors,
        target=target,
        coef=coef.ravel(),
        supports=supports,
        noise_variance=noise_variance,
        channels=_expand(channel_factors, coef),
        channel_factors=channel_factors,
    )


def _generator(random_state):
    seed = check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed)


def _complex_normal(rng, shape):
    real, imaginary = (rng.standard_normal(shape) for _ in range(2))
    return (real + 1j * imaginary) / np.sqrt(2.0)


def _steering(n_antennas, n_angles):
    """Responses of a half-wavelength line array at cosines from -1 to below 1."""
    cosines = 2.0 * np.arange(n_angles) / n_angles - 1.0
    return np.exp(1j * np.pi * np.outer(np.arange(n_antennas), cosines)) / np.sqrt(
        n_antennas
    )


def _expand(factors, tensor):
    for mode, factor in enumerate(factors):
        tensor = np.moveaxis(np.tensordot(factor, tensor, (1, mode)), 0, mode)
    return tensor


def _observe(factors, coef, snr_db, rng, normal):
    """Data with noise, and its variance."""
    signal = _expand(factors, coef)
    variance = np.mean(np.abs(signal) ** 2) * 10.0 ** (-snr_db / 10.0)
    noise = np.sqrt(variance) * normal(rng, signal.shape)
    return signal + noise, float(variance)
