"""Factorisations with sparse abundances."""

from typing import ClassVar

from sparsestat.unmixing._nmf_base import BlindUnmixer, rules_of
from sparsestat.utils.validation import Rule

__all__ = ["L1NMF", "DgSNMF", "LHalfNMF"]


class L1NMF(BlindUnmixer):
    r"""Factorisation with a penalty on the sum of the abundances.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2 + \alpha \sum_{nk} a_{nk}

    Abundances sum to about one, unless `sum_to_one` says otherwise.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha : float or "hoyer", default=0.02
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    sum_to_one : {"simplex", "soft"} or None, default="soft"
        Whether the abundances of a pixel sum to one: exactly, or as one more band; None
        leaves the light of a pixel free.

    asc_delta : float, default=0.3
        Value of the band that a soft sum to one adds, in units of `X`; the larger, the
        harder.

    init : {"robust", "nfindr", "vca"} or array-like, default="robust"
        Endmembers to start with: by :class:`NFINDR` on the clean bands, whose signal
        stands out of the noise or whose noise does not stand out of that of others; on
        all bands; by :class:`VCA`; projected onto the signal. Or given.

    solver : {"exact", "mu"}, default="exact"
        Whether each step solves a quadratic problem, or multiplies as the papers do.

    max_iter : int, default=500
        Largest number of iterations.

    tol : float, default=1e-3
        Largest `stationarity_` of a fit that has converged.

    normalize : bool, default=False
        Divide abundances by their sum, which takes out the illumination of a pixel.

    warm_start : bool, default=False
        Whether to start from the endmembers of the last fit.

    random_state : int, RandomState instance or None, default=None
        Seed of ``init="vca"``.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    verbose : bool or int, default=0
        Whether to print how the fit ended.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E.

    abundances_ : ndarray of shape (n_samples, n_components)
        Abundances A of the pixels that were fitted, found together with E; `transform`
        starts anew, and takes each pixel on its own.

    abundances_raw_ : ndarray of shape (n_samples, n_components)
        The same before `normalize` divides them by their sums.

    band_weights_ : ndarray of shape (n_features,)
        Weight of each band relative to the median one, at most 1; small in bad bands.

    alpha_ : float
        Strength of the penalty.

    n_components_ : int
        Number of endmembers.

    objective_ : list of float
        Objective at the start and after each iteration; it never rises after the first
        ten, which learn the scales.

    reconstruction_err_ : float
        Frobenius norm of X - A E.

    stationarity_ : float
        Largest violation of the conditions of a stationary point, without units.

    n_iter_ : int
        Iterations.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    LHalfNMF : Sparser.
    sklearn.decomposition.NMF : Also penalises endmembers.

    References
    ----------
    Hoyer (2002), doi:10.1109/NNSP.2002.1030067.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import L1NMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = L1NMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    p = 1.0

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha",
        "sum_to_one",
        "asc_delta",
        "init",
        "solver",
        "max_iter",
        "tol",
        "normalize",
        "warm_start",
        "random_state",
        "n_jobs",
        "verbose",
    )

    def __init__(
        self,
        n_components="auto",
        *,
        alpha=0.02,
        sum_to_one="soft",
        asc_delta=0.3,
        init="robust",
        solver="exact",
        max_iter=500,
        tol=1e-3,
        normalize=False,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.sum_to_one = sum_to_one
        self.asc_delta = asc_delta
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.normalize = normalize
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose


class LHalfNMF(BlindUnmixer):
    r"""Factorisation with a penalty on the square roots of the abundances.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2
        + \alpha \sum_{nk} (a_{nk} + 10^{-3})^{1/2}

    Abundances sum to about one, unless `sum_to_one` says otherwise.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha : float or "hoyer", default=0.02
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    sum_to_one : {"simplex", "soft"} or None, default="soft"
        Whether the abundances of a pixel sum to one: exactly, or as one more band; None
        leaves the light of a pixel free.

    asc_delta : float, default=15.0
        Value of the band that a soft sum to one adds, in units of `X`; the larger, the
        harder.

    init : {"robust", "nfindr", "vca"} or array-like, default="robust"
        Endmembers to start with: by :class:`NFINDR` on the clean bands, whose signal
        stands out of the noise or whose noise does not stand out of that of others; on
        all bands; by :class:`VCA`; projected onto the signal. Or given.

    solver : {"exact", "mu"}, default="exact"
        Whether each step solves a quadratic problem, or multiplies as the papers do.

    max_iter : int, default=500
        Largest number of iterations.

    tol : float, default=1e-3
        Largest `stationarity_` of a fit that has converged.

    normalize : bool, default=False
        Divide abundances by their sum, which takes out the illumination of a pixel.

    warm_start : bool, default=False
        Whether to start from the endmembers of the last fit.

    random_state : int, RandomState instance or None, default=None
        Seed of ``init="vca"``.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    verbose : bool or int, default=0
        Whether to print how the fit ended.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E.

    abundances_ : ndarray of shape (n_samples, n_components)
        Abundances A of the pixels that were fitted, found together with E; `transform`
        starts anew, and takes each pixel on its own.

    abundances_raw_ : ndarray of shape (n_samples, n_components)
        The same before `normalize` divides them by their sums.

    band_weights_ : ndarray of shape (n_features,)
        Weight of each band relative to the median one, at most 1; small in bad bands.

    alpha_ : float
        Strength of the penalty.

    n_components_ : int
        Number of endmembers.

    objective_ : list of float
        Objective at the start and after each iteration; it never rises after the first
        ten, which learn the scales.

    reconstruction_err_ : float
        Frobenius norm of X - A E.

    stationarity_ : float
        Largest violation of the conditions of a stationary point, without units.

    n_iter_ : int
        Iterations.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    DgSNMF : A power for each pixel.
    CorrentropyNMF : Robust to bad bands.

    References
    ----------
    Qian, Jia, Zhou and Robles-Kelly (2011), doi:10.1109/TGRS.2011.2144605.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import LHalfNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = LHalfNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha",
        "p",
        "sum_to_one",
        "asc_delta",
        "init",
        "solver",
        "max_iter",
        "tol",
        "normalize",
        "warm_start",
        "random_state",
        "n_jobs",
        "verbose",
    )

    def __init__(
        self,
        n_components="auto",
        *,
        alpha=0.02,
        p=0.5,
        sum_to_one="soft",
        asc_delta=15.0,
        init="robust",
        solver="exact",
        max_iter=500,
        tol=1e-3,
        normalize=False,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.p = p
        self.sum_to_one = sum_to_one
        self.asc_delta = asc_delta
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.normalize = normalize
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose


class DgSNMF(BlindUnmixer):
    r"""Data-guided sparsity: the power of a pixel follows from its neighbours.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2
        + \alpha \sum_{nk} (a_{nk} + 10^{-3})^{1 - h_n}

    A pixel that is like its neighbours in the image, h near one, is taken as pure. New
    pixels have no neighbours: `transform` takes the power `p`.
    Abundances sum to about one, unless `sum_to_one` says otherwise.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    image_shape : tuple of two ints, default=None
        Rows and columns of the image whose pixels, row by row, `X` holds; None takes
        them as one line.

    alpha : float or "hoyer", default=0.02
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    sum_to_one : {"simplex", "soft"} or None, default="soft"
        Whether the abundances of a pixel sum to one: exactly, or as one more band; None
        leaves the light of a pixel free.

    asc_delta : float, default=0.3
        Value of the band that a soft sum to one adds, in units of `X`; the larger, the
        harder.

    init : {"robust", "nfindr", "vca"} or array-like, default="robust"
        Endmembers to start with: by :class:`NFINDR` on the clean bands, whose signal
        stands out of the noise or whose noise does not stand out of that of others; on
        all bands; by :class:`VCA`; projected onto the signal. Or given.

    solver : {"exact", "mu"}, default="exact"
        Whether each step solves a quadratic problem, or multiplies as the papers do.

    max_iter : int, default=500
        Largest number of iterations.

    tol : float, default=1e-3
        Largest `stationarity_` of a fit that has converged.

    normalize : bool, default=False
        Divide abundances by their sum, which takes out the illumination of a pixel.

    warm_start : bool, default=False
        Whether to start from the endmembers of the last fit.

    random_state : int, RandomState instance or None, default=None
        Seed of ``init="vca"``.

    n_jobs : int, default=None
        Threads, as joblib counts them; the bits do not depend on it.

    verbose : bool or int, default=0
        Whether to print how the fit ended.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Endmembers E.

    abundances_ : ndarray of shape (n_samples, n_components)
        Abundances A of the pixels that were fitted, found together with E; `transform`
        starts anew, and takes each pixel on its own.

    abundances_raw_ : ndarray of shape (n_samples, n_components)
        The same before `normalize` divides them by their sums.

    band_weights_ : ndarray of shape (n_features,)
        Weight of each band relative to the median one, at most 1; small in bad bands.

    alpha_ : float
        Strength of the penalty.

    n_components_ : int
        Number of endmembers.

    objective_ : list of float
        Objective at the start and after each iteration; it never rises after the first
        ten, which learn the scales.

    reconstruction_err_ : float
        Frobenius norm of X - A E.

    stationarity_ : float
        Largest violation of the conditions of a stationary point, without units.

    n_iter_ : int
        Iterations.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    RRLbS : Learns the map from the abundances.
    LocalWeightNMF : Makes abundances of neighbours alike.

    References
    ----------
    Zhu, Wang, Fan, Xiang, Meng and Pan (2014), doi:10.1109/TIP.2014.2363423,
    arXiv:1403.3155.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import DgSNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = DgSNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    guide = "spatial"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "image_shape",
        "alpha",
        "p",
        "sum_to_one",
        "asc_delta",
        "init",
        "solver",
        "max_iter",
        "tol",
        "normalize",
        "warm_start",
        "random_state",
        "n_jobs",
        "verbose",
    )

    def __init__(
        self,
        n_components="auto",
        *,
        image_shape=None,
        alpha=0.02,
        p=0.5,
        sum_to_one="soft",
        asc_delta=0.3,
        init="robust",
        solver="exact",
        max_iter=500,
        tol=1e-3,
        normalize=False,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.image_shape = image_shape
        self.alpha = alpha
        self.p = p
        self.sum_to_one = sum_to_one
        self.asc_delta = asc_delta
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.normalize = normalize
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
