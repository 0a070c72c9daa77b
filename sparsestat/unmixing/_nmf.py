"""Matrix factorisation of a scene under constraints."""

from typing import ClassVar

from sparsestat.unmixing._nmf_base import BlindUnmixer, rules_of
from sparsestat.utils.validation import Rule

__all__ = ["ConstrainedNMF"]


class ConstrainedNMF(BlindUnmixer):
    r"""Endmembers and abundances of a scene at once, by constrained factorisation.

    .. math::
        \min_{E \ge 0,\, A \ge 0}
        D(X, A E) + \alpha \sum_{nk} (a_{nk} + \epsilon)^{p_n}
        + \tfrac{\alpha_g}{2} \operatorname{tr} A^T L A + \alpha_e\, \Omega(E)

    with :math:`\epsilon = 10^{-3}` and, for the norms r of the residuals of the bands,
    one of the losses

    .. math::
        D = \tfrac12 \sum_l r_l^2, \qquad
        D = \bar s \sum_l t_l (r_l^2 + \epsilon)^{1/2}, \qquad
        D = c\, \sigma^2 \sum_l t_l \bigl(1 - e^{-r_l^2 / 2 \sigma^2}\bigr)

    (``"frobenius"``, ``"l21"`` and ``"correntropy"``). The last two are robust: a bad
    band counts little, all good ones nearly the same, by the spread of the residuals;
    the factors s and c let the median band weigh one, as in least squares. Bands are
    trusted by :math:`t_l = \min(1, g^2 / n \nu_l)`, with the variance of their noise
    that the other bands do not predict (:func:`estimate_noise`), and the largest
    residual norm g of a good band, three deviations above the median: one where noise
    is no more than what the model misses. The published losses have no such factor;
    with it they find bands whose noise is only a few times that of others. L is the
    Laplacian of a graph of pixels; :math:`\Omega` is
    :math:`\sum_{j<k} e_j^T e_k + \tfrac12 \sum_{kl} (e_{kl} - e_{k,l-1})^2`, or
    :math:`\tfrac12 \log\det(E E^T + I)`.

    Penalties would let abundances shrink and endmembers grow without end. Unless
    abundances sum to one, the mean of each endmember over its bands is therefore fixed.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of endmembers; ``"auto"`` asks :func:`hysime`.

    loss : {"frobenius", "l21", "correntropy"}, default="frobenius"
        Of the residual norms of the bands: their squares, or one of the robust ones, in
        which a bad band counts little.

    theta : float, default=1.0
        Squared width of the correntropy, in units of that with which a band three
        deviations above the median residual weighs 0.95 of the median one, at least
        the median squared residual. Deviations are those of a normal distribution with
        the same median absolute one.

    alpha : float or "hoyer", default=0.0
        Strength of the penalty, in units of `X` squared; ``"hoyer"`` is the mean
        sparseness of the bands (Qian et al., 2011).

    p : float, default=0.5
        Power of the penalty, in (0, 1].

    guide : {"hoyer", "gini", "entropy", "spatial"}, array-like or None, default=None
        Map h from 0 for mixed to 1 for pure pixels, which makes the power of a pixel 1
        - h: learnt from the sparseness of its abundances by one of three measures, or
        how alike it is to its neighbours in the image, or given for each sample.

    graph : {"spectral", "spatial"} or None, default=None
        Pixels whose abundances should be alike: neighbours by their spectra, or in the
        image.

    alpha_graph : float, default=0.0
        Strength of that, in units of `X` squared.

    n_neighbors : int, default=5
        Neighbours of a pixel by spectra.

    image_shape : tuple of two ints, default=None
        Rows and columns of the image whose pixels, row by row, `X` holds; None takes
        them as one line.

    endmember_penalty : {"dissimilarity", "volume"}, default="dissimilarity"
        Of the endmembers: that they are smooth and differ, or that their simplex is
        small.

    alpha_endmember : float, default=0.0
        Strength of the penalty of the endmembers.

    sum_to_one : {"simplex", "soft"} or None, default=None
        Whether the abundances of a pixel sum to one: exactly, or as one more band; None
        leaves the light of a pixel free.

    asc_delta : float, default=15.0
        Value of the band that a soft sum to one adds, in units of `X`; the larger, the
        harder.

    scale : {"purest", "initial"}, default="purest"
        What fixes the brightness of an endmember where nothing else does: that its
        purest pixels have abundances of sum one, or the start.

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

    tol_step : float, default=1e-6
        Iterations end when the objective has changed by less, relative to the start,
        three times, and `tol` is met.

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
    RRLbS, CorrentropyNMF : Robust presets.
    L1NMF, LHalfNMF, DgSNMF, GraphNMF, LocalWeightNMF, EDCNMF, MinVolumeNMF : Others.
    sklearn.decomposition.NMF : Without constraints or robust losses.

    References
    ----------
    Wang, Pan, Xiang and Zhu (2015), arXiv:1305.7311; Zhu, Wang, Fan, Meng, Xiang and
    Pan (2014), arXiv:1409.0685; for the steps, Cichocki and Phan (2009),
    doi:10.1587/transfun.E92.A.708.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import ConstrainedNMF
    >>> rng = np.random.default_rng(0)
    >>> E = np.abs(np.cumsum(rng.standard_normal((3, 40)), axis=1))
    >>> X = rng.dirichlet([0.3, 0.3, 0.3], size=300) @ E
    >>> model = ConstrainedNMF(3).fit(X)
    >>> model.abundances_.shape
    (300, 3)
    """

    _rules: ClassVar[dict[str, Rule]] = rules_of(
        "n_components",
        "loss",
        "theta",
        "alpha",
        "p",
        "guide",
        "graph",
        "alpha_graph",
        "n_neighbors",
        "image_shape",
        "endmember_penalty",
        "alpha_endmember",
        "sum_to_one",
        "asc_delta",
        "scale",
        "init",
        "solver",
        "max_iter",
        "tol",
        "tol_step",
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
        loss="frobenius",
        theta=1.0,
        alpha=0.0,
        p=0.5,
        guide=None,
        graph=None,
        alpha_graph=0.0,
        n_neighbors=5,
        image_shape=None,
        endmember_penalty="dissimilarity",
        alpha_endmember=0.0,
        sum_to_one=None,
        asc_delta=15.0,
        scale="purest",
        init="robust",
        solver="exact",
        max_iter=500,
        tol=1e-3,
        tol_step=1e-6,
        normalize=False,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.loss = loss
        self.theta = theta
        self.alpha = alpha
        self.p = p
        self.guide = guide
        self.graph = graph
        self.alpha_graph = alpha_graph
        self.n_neighbors = n_neighbors
        self.image_shape = image_shape
        self.endmember_penalty = endmember_penalty
        self.alpha_endmember = alpha_endmember
        self.sum_to_one = sum_to_one
        self.asc_delta = asc_delta
        self.scale = scale
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.tol_step = tol_step
        self.normalize = normalize
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
