"""Factorisations in which similar pixels have similar abundances."""

from typing import ClassVar

from sparsestat.unmixing._nmf_base import BlindUnmixer, rules_of
from sparsestat.utils.validation import Rule

__all__ = ["GraphNMF", "LocalWeightNMF"]


class GraphNMF(BlindUnmixer):
    r"""Factorisation in which pixels of similar spectra have similar abundances.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2
        + \tfrac{\alpha_g}{4} \sum_{mn} s_{mn} \|a_m - a_n\|^2

    with heat kernels s of nearest neighbours in the space of the leading principal
    components, scaled to sums of one on average.
    The mean of each endmember is fixed as in :class:`ConstrainedNMF`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    alpha_graph : float, default=0.02
        Strength of that, in units of `X` squared.

    n_neighbors : int, default=5
        Neighbours of a pixel by spectra.

    alpha : float or "hoyer", default=0.0
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

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
    LocalWeightNMF : Neighbours in the image.
    ConstrainedNMF : All losses and penalties.

    References
    ----------
    Cai, He, Han and Huang (2011), doi:10.1109/TPAMI.2010.231.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import GraphNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = GraphNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    graph = "spectral"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "alpha_graph",
        "n_neighbors",
        "alpha",
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
        alpha_graph=0.02,
        n_neighbors=5,
        alpha=0.0,
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
        self.alpha_graph = alpha_graph
        self.n_neighbors = n_neighbors
        self.alpha = alpha
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


class LocalWeightNMF(BlindUnmixer):
    r"""Factorisation in which neighbours in the image have similar abundances.

    .. math::
        \min_{E \ge 0,\, A \ge 0} \tfrac12 \|X - A E\|_F^2
        + \tfrac{\alpha_g}{4} \sum_{mn} s_{mn} \|a_m - a_n\|^2

    with heat kernels s of the spectra of the four neighbours of a pixel, scaled to
    sums of one on average.
    The mean of each endmember is fixed as in :class:`ConstrainedNMF`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    image_shape : tuple of two ints, default=None
        Rows and columns of the image whose pixels, row by row, `X` holds; None takes
        them as one line.

    alpha_graph : float, default=0.02
        Strength of that, in units of `X` squared.

    alpha : float or "hoyer", default=0.0
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

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
    GraphNMF : Neighbours by spectra.
    DgSNMF : Takes homogeneous pixels as pure.

    References
    ----------
    Liu, Xia, Wang and Zhang (2012), doi:10.1109/JSTARS.2012.2199282.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import LocalWeightNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = LocalWeightNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    graph = "spatial"

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "image_shape",
        "alpha_graph",
        "alpha",
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
        image_shape=None,
        alpha_graph=0.02,
        alpha=0.0,
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
        self.image_shape = image_shape
        self.alpha_graph = alpha_graph
        self.alpha = alpha
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
