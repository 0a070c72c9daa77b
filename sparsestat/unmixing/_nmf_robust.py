"""Factorisations in which bad bands count little."""

from typing import ClassVar

from sparsestat.unmixing._nmf_base import BlindUnmixer, rules_of
from sparsestat.utils.validation import Rule

__all__ = ["CorrentropyNMF", "RRLbS"]


class CorrentropyNMF(BlindUnmixer):
    r"""Factorisation under the correntropy of band residuals: bad bands are left out.

    .. math::
        \min_{E \ge 0,\, A \ge 0}
        c\, \sigma^2 \sum_l t_l \bigl(1 - e^{-r_l^2 / 2 \sigma^2}\bigr)
        + \alpha \sum_{nk} (a_{nk} + 10^{-3})^p

    with the norms r of the residuals of the bands, c such that the median band weighs
    one, and factors t that are one unless the noise of a band stands out
    (:class:`ConstrainedNMF`). A weak sum to one keeps abundances apart from the
    brightness of materials, and still follows the light.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha : float or "hoyer", default=0.02
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    theta : float, default=1.0
        Squared width of the correntropy, in units of that with which a band three
        deviations above the median residual weighs 0.95 of the median one, at least
        the median squared residual. Deviations are those of a normal distribution with
        the same median absolute one.

    guide : {"hoyer", "gini", "entropy", "spatial"}, array-like or None, default=None
        Map h from 0 for mixed to 1 for pure pixels, which makes the power of a pixel 1
        - h: learnt from the sparseness of its abundances by one of three measures, or
        how alike it is to its neighbours in the image, or given for each sample.

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

    guidance_map_ : ndarray of shape (n_samples,)
        Purity of each pixel; only if there is a `guide`.

    sigma_ : float
        Width of the correntropy; only if it is the loss.

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
    RRLbS : Another robust loss, with a power for each pixel.
    ConstrainedNMF : All losses and penalties.

    References
    ----------
    Wang, Pan, Xiang and Zhu (2015), doi:10.1109/TIP.2015.2456508, arXiv:1305.7311; the
    rule of the width and the factors are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import CorrentropyNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = CorrentropyNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    loss = "correntropy"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha",
        "p",
        "theta",
        "guide",
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
        theta=1.0,
        guide=None,
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
        self.p = p
        self.theta = theta
        self.guide = guide
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


class RRLbS(BlindUnmixer):
    r"""Robust representation and learning-based sparsity: l2,1 loss, a power a pixel.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \bar s \sum_l t_l (r_l^2 + \epsilon)^{1/2}
        + \alpha \sum_{nk} (a_{nk} + 10^{-3})^{1 - h_n}

    with the norms r of the residuals of the bands and a guidance map h, near one for
    pure pixels, which is learnt in the first ten iterations. The floor :math:`\epsilon`
    is such that bands up to three deviations above the median residual weigh 0.95 of
    the median one, which :math:`\bar s` gives weight one. The factors t are one unless
    the noise of a band stands out.
    The mean of each endmember is fixed as in :class:`ConstrainedNMF`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha : float or "hoyer", default=0.02
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    guide : {"hoyer", "gini", "entropy", "spatial"}, array-like or None, default="hoyer"
        Map h from 0 for mixed to 1 for pure pixels, which makes the power of a pixel 1
        - h: learnt from the sparseness of its abundances by one of three measures, or
        how alike it is to its neighbours in the image, or given for each sample.

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    sum_to_one : {"simplex", "soft"} or None, default=None
        Whether the abundances of a pixel sum to one: exactly, or as one more band; None
        leaves the light of a pixel free.

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

    guidance_map_ : ndarray of shape (n_samples,)
        Purity of each pixel; only if there is a `guide`.

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
    CorrentropyNMF : Leaves bad bands out altogether.
    ConstrainedNMF : All losses and penalties.

    References
    ----------
    Zhu, Wang, Fan, Meng, Xiang and Pan (2014), arXiv:1409.0685; the rules of the map,
    of the floors and of the factors are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import RRLbS
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = RRLbS(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    loss = "l21"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha",
        "guide",
        "p",
        "sum_to_one",
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
        guide="hoyer",
        p=0.5,
        sum_to_one=None,
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
        self.guide = guide
        self.p = p
        self.sum_to_one = sum_to_one
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.normalize = normalize
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
