"""Factorisations with penalties of the endmembers."""

from typing import ClassVar

from sparsestat.unmixing._nmf_base import BlindUnmixer, rules_of
from sparsestat.utils.validation import Rule

__all__ = ["EDCNMF", "MinVolumeNMF"]


class EDCNMF(BlindUnmixer):
    r"""Factorisation whose endmembers are smooth and differ from each other.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2 + \alpha_e \Bigl(
        \sum_{j<k} e_j^T e_k + \tfrac12 \sum_{kl} (e_{kl} - e_{k,l-1})^2 \Bigr)

    The form of the penalty is ours, after the idea of the paper.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha_endmember : float, default=0.1
        Strength of the penalty of the endmembers.

    alpha : float or "hoyer", default=0.0
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
    MinVolumeNMF : A small simplex.
    ConstrainedNMF : All losses and penalties.

    References
    ----------
    Wang, Du and Zhang (2013), doi:10.1109/JSTARS.2013.2242255.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import EDCNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = EDCNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha_endmember",
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
        alpha_endmember=0.1,
        alpha=0.0,
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
        self.alpha_endmember = alpha_endmember
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


class MinVolumeNMF(BlindUnmixer):
    r"""Factorisation whose endmembers span a small simplex.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2
        + \tfrac{\alpha_e}{2} \log\det(E E^T + I)

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha_endmember : float, default=0.1
        Strength of the penalty of the endmembers.

    alpha : float or "hoyer", default=0.0
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    sum_to_one : {"simplex", "soft"} or None, default="simplex"
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
    EDCNMF : Endmembers that differ.
    NFINDR : The largest simplex among the pixels.

    References
    ----------
    Miao and Qi (2007), doi:10.1109/TGRS.2006.888466, for the idea; Fu, Huang, Yang, Ma
    and Sidiropoulos (2016), doi:10.1109/TSP.2016.2602800, for the logarithm.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import MinVolumeNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = MinVolumeNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    endmember_penalty = "volume"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha_endmember",
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
        alpha_endmember=0.1,
        alpha=0.0,
        p=0.5,
        sum_to_one="simplex",
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
        self.alpha_endmember = alpha_endmember
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
