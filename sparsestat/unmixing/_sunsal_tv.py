"""Sparse unmixing of images whose abundances hardly differ between neighbours."""

from math import inf
from typing import ClassVar

import numpy as np

from sparsestat.optim.image_variation import Boundary, image_variation
from sparsestat.unmixing._functions import solve_nnls, sunsal_gap
from sparsestat.unmixing._scene import ENDMEMBERS, SceneEstimator, SceneSolution
from sparsestat.utils.validation import Interval, Jobs, OneOf, Rule, Satisfies

__all__ = ["SUnSALTV"]


def _is_shape(value: object) -> bool:
    whole = Interval(1, inf, closed="left", integer=True)
    return (
        isinstance(value, tuple) and len(value) == 2 and all(map(whole.accepts, value))
    )


class SUnSALTV(SceneEstimator):
    r"""Sparse unmixing with a total variation over the image.

    .. math:: \min_A \tfrac12 \|X - A E\|_F^2 + \alpha\, \sum_{nk} a_{nk}
        + \alpha_{tv} \sum_k \mathrm{TV}(A_k) \quad \text{subject to} \quad A \ge 0

    with a column :math:`A_k` for each spectrum of the library, an image whose variation
    is the sum of the differences of neighbours. `fit` solves the image; there is no
    `transform`, since a pixel elsewhere has no neighbours in it.

    Parameters
    ----------
    endmembers : array-like of shape (n_components, n_features), default=None
        Library E, a spectrum in each row; None for the endmembers that
        :class:`NFINDR` finds in the image.

    alpha : float, default=1e-3
        Strength of the penalty of abundances, in units of the spectra squared.

    alpha_tv : float, default=1e-3
        Strength of the penalty of differences; 0 is :class:`SUnSAL`.

    image_shape : tuple of int, default=None
        Rows and columns of the image, whose pixels follow each other along rows. None
        is a line of pixels.

    tv : {"anisotropic", "isotropic"}, default="anisotropic"
        Whether absolute differences down and across are summed, or the lengths of
        gradients.

    boundary : {"reflect", "periodic"}, default="reflect"
        Whether the image ends at its border, or goes on at the other side.

    max_iter : int, default=1000
        Iterations at most.

    tol : float, default=1e-4
        Largest duality gap, relative to half the squared norm of the pixels.
        float32 data: at least 1e-5.

    n_jobs : int, default=None
        Threads for ``alpha_tv=0``, as joblib counts them; the bits do not depend on it.

    Attributes
    ----------
    abundances_ : ndarray of shape (n_samples, n_components)
        Abundances A of the image.

    components_ : ndarray of shape (n_components, n_features)
        Library E.

    dual_gap_ : float
        Bound of the objective above its minimum, in units of `X` squared.

    n_iter_ : int
        Iterations.

    n_features_in_ : int
        Number of bands.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bands; only if the pixels had names.

    See Also
    --------
    SUnSAL : Each pixel alone.
    CLSUnSAL : Few spectra for all pixels together.

    References
    ----------
    Iordache, Bioucas-Dias and Plaza (2012), doi:10.1109/TGRS.2012.2191590.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.unmixing import SUnSALTV
    >>> model = SUnSALTV(
    ...     np.eye(2), alpha=0.1, alpha_tv=10.0, image_shape=(1, 2), tol=1e-9
    ... )
    >>> model.fit_transform([[1.0, 0.0], [0.8, 0.4]]).round(3)
    array([[0.8, 0.1],
           [0.8, 0.1]])
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "endmembers": ENDMEMBERS,
        "alpha": Interval(0, inf, closed="left"),
        "alpha_tv": Interval(0, inf, closed="left"),
        "image_shape": Satisfies(_is_shape, "a tuple of two positive integers") | None,
        "tv": OneOf("anisotropic", "isotropic"),
        "boundary": OneOf("reflect", "periodic"),
        "max_iter": Interval(1, inf, closed="left", integer=True),
        "tol": Interval(0, inf, closed="left"),
        "n_jobs": Jobs,
    }

    def __init__(
        self,
        endmembers=None,
        *,
        alpha=1e-3,
        alpha_tv=1e-3,
        image_shape=None,
        tv="anisotropic",
        boundary="reflect",
        max_iter=1000,
        tol=1e-4,
        n_jobs=None,
    ):
        self.endmembers = endmembers
        self.alpha = alpha
        self.alpha_tv = alpha_tv
        self.image_shape = image_shape
        self.tv = tv
        self.boundary = boundary
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def _solve(self, X, E, norm2, tol):
        alpha = float(self.alpha)
        shape = (len(X), 1) if self.image_shape is None else self.image_shape
        if shape[0] * shape[1] != len(X):
            raise ValueError(
                f"SUnSALTV: image_shape must have as many pixels as X, {len(X)}; got "
                f"{self.image_shape}."
            )
        if self.alpha_tv == 0.0:
            abundances = solve_nnls(X, E, alpha, n_jobs=self.n_jobs)
            gap = float(sunsal_gap(X, E, abundances, alpha).sum())
            return SceneSolution(abundances, gap, 1)
        products = X.astype(np.float64, copy=False) @ E.T
        found = image_variation(
            E @ E.T,
            products.reshape(*shape, len(E)),
            norm2,
            alpha,
            float(self.alpha_tv),
            Boundary(shape, self.boundary == "periodic"),
            isotropic=self.tv == "isotropic",
            tol=tol,
            max_iter=self.max_iter,
        )
        return SceneSolution(found.coef.reshape(len(X), -1), found.gap, found.n_iter)
