"""Abundances of endmembers as images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sparsestat.plotting import _scenes, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = 2.3  # inches


class AbundanceMapDisplay:
    """Where in an image each material is: a map of abundances for each.

    All maps have one scale, from nothing to everything. Masked pixels are grey.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    abundance_maps : array-like of shape (n_rows, n_cols, n_components)
        Abundances; NaN where there are none.

    names : sequence of str, default=None
        Names of the endmembers; by default ``"endmember 1"``, ``"endmember 2"``, ...

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_components,)
        Axes of the maps.

    figure_ : matplotlib Figure
        Figure with the axes.

    images_ : list of matplotlib AxesImage
        The maps.

    colorbar_ : matplotlib Colorbar or None
        Scale of all maps; None if axes were given.

    See Also
    --------
    EndmemberDisplay : Spectra of the materials.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] Keshava, N. and Mustard, J. F. (2002). Spectral unmixing.
       :doi:`10.1109/79.974727`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.datasets import make_hyperspectral
    >>> from sparsestat.plotting import AbundanceMapDisplay
    >>> scene = make_hyperspectral(24, 24, endmembers=3, random_state=0)
    >>> display = AbundanceMapDisplay(abundance_maps=scene.abundance_maps).plot()
    >>> [ax.get_title() for ax in display.axes_]
    ['endmember 1', 'endmember 2', 'endmember 3']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, *, abundance_maps: ArrayLike, names: Sequence[str] | None = None
    ):
        self.abundance_maps = abundance_maps
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        image_shape: tuple[int, int] | None = None,
        *,
        mask: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        ax: "Sequence[Axes] | None" = None,
        image_kw: dict | None = None,
    ) -> "AbundanceMapDisplay":
        """Draw the abundances that a fitted estimator finds in pixels.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator whose `transform` gives abundances, such as
            :class:`~sparsestat.unmixing.NFINDR`, a pipeline that ends with one, or a
            search over either.

        X : array-like of shape (n_samples, n_features)
            Pixels, row by row.

        image_shape : (int, int), default=None
            Rows and columns of the image; not needed with `mask`.

        mask : array-like of bool of shape (n_rows, n_cols), default=None
            Which pixels of the image `X` holds; by default all.

        names : sequence of str, default=None
            Names of the endmembers.

        ax : sequence of matplotlib Axes, default=None
            Axes to draw on, one for each endmember; by default those of a new figure.

        image_kw : dict, default=None
            Options of ``Axes.imshow``.

        Returns
        -------
        display : AbundanceMapDisplay
            The display, drawn.
        """
        check_is_fitted(estimator)
        maps = _scenes.as_image(np.asarray(estimator.transform(X)), image_shape, mask)
        return cls(abundance_maps=maps, names=names).plot(ax, image_kw=image_kw)

    def plot(
        self,
        ax: "Sequence[Axes] | None" = None,
        *,
        image_kw: dict | None = None,
    ) -> "AbundanceMapDisplay":
        """Draw the maps.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, default=None
            Axes to draw on, one for each endmember; by default those of a new figure.

        image_kw : dict, default=None
            Options of ``Axes.imshow``.

        Returns
        -------
        display : AbundanceMapDisplay
            The display itself.
        """
        maps = np.asarray(self.abundance_maps, dtype=np.float64)
        if maps.ndim != 3 or not maps.size:
            raise ValueError(
                "abundance_maps must have shape (n_rows, n_cols, n_components); got "
                f"{maps.shape}."
            )
        p = maps.shape[2]
        names = _scenes.names_of(self.names, p)
        given = ax is not None
        self.axes_ = np.ravel(ax) if given else self._new_axes(p, maps.shape)
        if len(self.axes_) != p:
            raise ValueError(
                f"ax must hold axes for {p} endmembers; got {len(self.axes_)}."
            )
        self.figure_ = self.axes_[0].figure
        # Without a sum to one abundances may exceed one.
        top = max(1.0, np.nanmax(maps, initial=0.0))
        self.images_ = []
        for k, (axes, name) in enumerate(zip(self.axes_, names, strict=True)):
            image = _scenes.draw_image(
                axes, maps[:, :, k], image_kw, cmap="viridis", vmin=0.0, vmax=top
            )
            axes.set_title(name, fontsize="medium")
            self.images_.append(image)
        self.colorbar_ = None
        if not given:
            self.colorbar_ = self.figure_.colorbar(
                self.images_[0],
                ax=list(self.axes_),
                label="abundance",
                shrink=0.9,
                aspect=30,
            )
            self.colorbar_.outline.set_visible(False)
        return self

    def _new_axes(self, p, shape):
        n_rows = -(-p // 4)
        n_cols = -(-p // n_rows)
        height = _PANEL * min(max(shape[0] / shape[1], 0.4), 2.5) + 0.4
        plt = _style.pyplot(f"{type(self).__name__}.plot")
        _, axes = plt.subplots(
            n_rows,
            n_cols,
            figsize=(_PANEL * n_cols + 0.9, height * n_rows),
            layout="constrained",
            squeeze=False,
        )
        for unused in axes.flat[p:]:
            unused.remove()
        return axes.ravel()[:p]
