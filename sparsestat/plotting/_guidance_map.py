"""How sparse the abundances of each pixel are taken to be, as an image."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _scenes, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GuidanceMapDisplay:
    """Guidance of the sparsity over an image: 1 where a pixel is pure, 0 where mixed.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    guidance_map : array-like of shape (n_rows, n_cols)
        Levels of sparsity in [0, 1]; NaN where there are none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the map.

    figure_ : matplotlib Figure
        Figure with the axes.

    image_ : matplotlib AxesImage
        The map.

    colorbar_ : matplotlib Colorbar
        Its scale.

    See Also
    --------
    AbundanceMapDisplay : The abundances themselves.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] Zhu, F. et al. (2014). Effective spectral unmixing via robust representation
       and learning-based sparsity. :arxiv:`1409.0685`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import GuidanceMapDisplay
    >>> display = GuidanceMapDisplay(guidance_map=[[0.0, 0.5], [1.0, 0.2]]).plot()
    >>> display.image_.get_array().shape
    (2, 2)
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, guidance_map: ArrayLike):
        self.guidance_map = guidance_map

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        image_shape: tuple[int, int] | None = None,
        *,
        mask: ArrayLike | None = None,
        ax: "Axes | None" = None,
        image_kw: dict | None = None,
    ) -> "GuidanceMapDisplay":
        """Draw the guidance map of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``guidance_map_``, such as
            :class:`~sparsestat.unmixing.RRLbS`; may be the last step of a pipeline, or
            the best of a search.

        image_shape : (int, int), default=None
            Rows and columns of the image; not needed with `mask`.

        mask : array-like of bool of shape (n_rows, n_cols), default=None
            Which pixels of the image the estimator was fitted to; by default all.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        image_kw : dict, default=None
            Options of ``Axes.imshow``.

        Returns
        -------
        display : GuidanceMapDisplay
            The display, drawn.
        """
        model, _ = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(caller, model, ("guidance_map_",), "RRLbS")
        guidance = _scenes.as_image(model.guidance_map_, image_shape, mask)
        return cls(guidance_map=guidance).plot(ax, image_kw=image_kw)

    def plot(
        self, ax: "Axes | None" = None, *, image_kw: dict | None = None
    ) -> "GuidanceMapDisplay":
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        image_kw : dict, default=None
            Options of ``Axes.imshow``.

        Returns
        -------
        display : GuidanceMapDisplay
            The display itself.
        """
        guidance = np.asarray(self.guidance_map, dtype=np.float64)
        if guidance.ndim != 2 or not guidance.size:
            raise ValueError(
                f"guidance_map must have shape (n_rows, n_cols); got {guidance.shape}."
            )
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.image_ = _scenes.draw_image(
            ax, guidance, image_kw, cmap="magma", vmin=0.0, vmax=1.0
        )
        self.colorbar_ = self.figure_.colorbar(
            self.image_, ax=ax, label="mixed (0) to pure (1)"
        )
        self.colorbar_.outline.set_visible(False)
        return self
