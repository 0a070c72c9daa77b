"""How much each band counts in a robust fit."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _scenes, _style
from sparsestat.plotting._endmember import kept_bands, restricted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class BandWeightDisplay:
    """Weights of the bands, from 0 to 1; those below a threshold stand out.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    band_weights : array-like of shape (n_bands,)
        Weights, the largest 1.

    wavelengths : array-like of shape (n_bands,), default=None
        In nm; by default bands are counted.

    threshold : float, default=0.5
        Bands of a smaller weight stand out.

    bad_bands : array-like of int, default=None
        Indices of bands that are known to be bad, marked below the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the weights.

    figure_ : matplotlib Figure
        Figure with the axes.

    stems_ : matplotlib LineCollection
        A vertical line for each band.

    points_ : matplotlib PathCollection
        A point for each band.

    truth_ : matplotlib Line2D or None
        Marks of the bad bands.

    See Also
    --------
    EndmemberDisplay : Spectra of the same bands.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] Wang, Y., Pan, C., Xiang, S. and Zhu, F. (2015). Robust hyperspectral
       unmixing with correntropy-based metric. :arxiv:`1305.7311`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import BandWeightDisplay
    >>> display = BandWeightDisplay(band_weights=[1.0, 0.9, 0.1, 1.0]).plot()
    >>> len(display.points_.get_offsets())
    4
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        band_weights: ArrayLike,
        wavelengths: ArrayLike | None = None,
        threshold: float = 0.5,
        bad_bands: ArrayLike | None = None,
    ):
        self.band_weights = band_weights
        self.wavelengths = wavelengths
        self.threshold = threshold
        self.bad_bands = bad_bands

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        wavelengths: ArrayLike | None = None,
        threshold: float = 0.5,
        bad_bands: ArrayLike | None = None,
        ax: "Axes | None" = None,
        point_kw: dict | None = None,
    ) -> "BandWeightDisplay":
        """Draw the weights of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``band_weights_``, such as
            :class:`~sparsestat.unmixing.RRLbS`; may be the last step of a pipeline, or
            the best of a search.

        wavelengths : array-like of shape (n_bands,), default=None
            In nm, of all bands, those left out by a pipeline too.

        threshold : float, default=0.5
            Bands of a smaller weight stand out.

        bad_bands : array-like of int, default=None
            Indices, among those that the estimator saw, of bands known to be bad.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        point_kw : dict, default=None
            Options of ``Axes.scatter``.

        Returns
        -------
        display : BandWeightDisplay
            The display, drawn.
        """
        model, before = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(caller, model, ("band_weights_",), "RRLbS")
        kept = kept_bands(before, len(model.band_weights_))
        return cls(
            band_weights=model.band_weights_,
            wavelengths=restricted(wavelengths, kept),
            threshold=threshold,
            bad_bands=bad_bands,
        ).plot(ax, point_kw=point_kw)

    def plot(
        self, ax: "Axes | None" = None, *, point_kw: dict | None = None
    ) -> "BandWeightDisplay":
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        point_kw : dict, default=None
            Options of ``Axes.scatter``.

        Returns
        -------
        display : BandWeightDisplay
            The display itself.
        """
        weights = np.asarray(self.band_weights, dtype=np.float64)
        if weights.ndim != 1 or not weights.size or not np.isfinite(weights).all():
            raise ValueError(
                "band_weights must be finite of shape (n_bands,); got shape "
                f"{weights.shape}."
            )
        x, _ = _scenes.positions_of(self.wavelengths, len(weights))
        bad = np.asarray([] if self.bad_bands is None else self.bad_bands, dtype=int)
        if bad.size and not (0 <= bad.min() and bad.max() < len(weights)):
            raise ValueError(
                f"bad_bands must be indices of the {len(weights)} bands; got {bad}."
            )
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        low = weights < self.threshold
        colors = np.where(low, _style.COLORS[1], _style.COLORS[0])
        self.stems_ = ax.vlines(x, 0.0, weights, colors=colors, linewidth=0.8)
        options = {"s": 14, "c": colors, "zorder": 3, **(point_kw or {})}
        self.points_ = ax.scatter(x, weights, **options)
        ax.axhline(self.threshold, color=_style.GREY, linewidth=0.8, zorder=0)
        self.truth_ = None
        if bad.size:
            (self.truth_,) = ax.plot(
                x[bad],
                np.full(len(bad), -0.05),
                linestyle="none",
                marker="^",
                markersize=4,
                color=_style.DARK,
                label="bad bands",
            )
            _style.legend(
                ax, [self.truth_], loc="lower right", bbox_to_anchor=(1.0, 1.0)
            )
        ax.set_ylim(-0.1 if bad.size else 0.0, max(1.05, 1.05 * weights.max()))
        _scenes.band_axis(ax, x, self.wavelengths)
        ax.set_ylabel("weight of the band")
        return self
