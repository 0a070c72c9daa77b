"""Criterion against the size of best subsets, with what is proved of each."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What paths of held-out samples measure.
_HELD_OUT = {"mse_path_": "mean squared error", "deviance_path_": "mean deviance"}


class SubsetSizeDisplay:
    r"""Criterion along a path of best subsets, proved sizes filled, others open.

    A vertical line marks the chosen size. Where a subset is not proved to be the best
    one, a bar below its mark reaches down to the criterion of its lower bound, which
    lies :math:`n \log(\mathrm{rss} / \mathrm{bound})` below.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    sizes : array-like of shape (n_sizes,)
        Numbers of features.

    criterion : array-like of shape (n_sizes,)
        Value of the criterion, or another measure of each size.

    optimal : array-like of shape (n_sizes,)
        Whether each subset is proved to be the best of its size.

    chosen : int, default=None
        The chosen size.

    bounds : array-like of shape (n_sizes,), default=None
        Lower bounds of the criterion; infinite for none.

    criterion_name : str, default="criterion"
        Name of the criterion.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure with the axes.

    line_ : matplotlib Line2D
        Criterion against size.

    proved_ : matplotlib Line2D
        Marks of the sizes that are proved.

    open_ : matplotlib Line2D
        Marks of the others.

    bound_lines_ : matplotlib LineCollection or None
        Bars from the criterion to its bound.

    chosen_line_ : matplotlib Line2D or None
        Vertical line at the chosen size.

    See Also
    --------
    CrossValidationDisplay : Scores against the strength of a penalty.
    sklearn.model_selection.ValidationCurveDisplay : Any parameter of any estimator.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_diabetes
    >>> from sparsestat.linear_model import BestSubsetRegressor
    >>> from sparsestat.plotting import SubsetSizeDisplay
    >>> model = BestSubsetRegressor().fit(*load_diabetes(return_X_y=True))
    >>> display = SubsetSizeDisplay.from_estimator(model)
    >>> int(display.chosen), display.ax_.get_xlabel()
    (5, 'number of features')
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        sizes: ArrayLike,
        criterion: ArrayLike,
        optimal: ArrayLike,
        chosen: int | None = None,
        bounds: ArrayLike | None = None,
        criterion_name: str = "criterion",
    ):
        self.sizes = sizes
        self.criterion = criterion
        self.optimal = optimal
        self.chosen = chosen
        self.bounds = bounds
        self.criterion_name = criterion_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "SubsetSizeDisplay":
        """Draw the path of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~sparsestat.linear_model.BestSubsetRegressor`, or another
            with its path; may be the last step of a pipeline, or the best of a search.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the curve.

        Returns
        -------
        display : SubsetSizeDisplay
            The display, drawn.
        """
        model, _ = _fitted.unwrap(estimator)
        needed = ("sizes_", "criterion_", "optimal_path_", "criterion_bounds_")
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(caller, model, needed, "BestSubsetRegressor")
        values, name = model.criterion_, model.criterion.upper()
        bounds = model.criterion_bounds_
        for path, of in _HELD_OUT.items():
            if hasattr(model, path):
                values, bounds, name = getattr(model, path).mean(axis=1), None, of
        return cls(
            sizes=model.sizes_,
            criterion=values,
            optimal=model.optimal_path_,
            chosen=model.n_nonzero_coefs_,
            bounds=bounds,
            criterion_name=name,
        ).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict | None = None
    ) -> "SubsetSizeDisplay":
        """Draw the criterion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the curve.

        Returns
        -------
        display : SubsetSizeDisplay
            The display itself.
        """
        from matplotlib.ticker import MaxNLocator

        sizes, values, optimal, bounds = self._checked()
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        color = _style.COLORS[0]
        (self.line_,) = ax.plot(
            sizes, values, **{"color": color, "linewidth": 1.5, **(line_kw or {})}
        )
        marks = {"linestyle": "", "marker": "o", "color": self.line_.get_color()}
        (self.proved_,) = ax.plot(
            sizes[optimal], values[optimal], label="proved to be best", **marks
        )
        (self.open_,) = ax.plot(
            sizes[~optimal],
            values[~optimal],
            label="best known",
            markerfacecolor="white",
            **marks,
        )
        self.bound_lines_ = self._draw_bounds(sizes, values, bounds)
        self.chosen_line_ = None
        if self.chosen is not None:
            self.chosen_line_ = ax.axvline(
                self.chosen, color=_style.DARK, linestyle="--", linewidth=1, zorder=0
            )
            self.chosen_line_.set_label("chosen")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("number of features")
        ax.set_ylabel(self.criterion_name)
        shown = [m for m in (self.proved_, self.open_) if len(m.get_xdata())]
        if self.chosen_line_ is not None:
            shown.append(self.chosen_line_)
        ax.legend(handles=shown, frameon=False, fontsize=9)
        return self

    def _checked(self):
        sizes = np.asarray(self.sizes, dtype=np.float64)
        values = np.asarray(self.criterion, dtype=np.float64)
        optimal = np.asarray(self.optimal, dtype=bool)
        if sizes.ndim != 1 or not sizes.size:
            raise ValueError(
                f"sizes must have shape (n_sizes,), not empty; got {sizes.shape}."
            )
        bounds = np.full(sizes.shape, np.nan)
        if self.bounds is not None:
            bounds = np.asarray(self.bounds, dtype=np.float64)
        for name, array in [
            ("criterion", values),
            ("optimal", optimal),
            ("bounds", bounds),
        ]:
            if array.shape != sizes.shape:
                raise ValueError(
                    f"{name} must have shape {sizes.shape}; got {array.shape}."
                )
        return sizes, values, optimal, bounds

    def _draw_bounds(self, sizes, values, bounds):
        from matplotlib.collections import LineCollection

        shown = np.isfinite(bounds) & (bounds < values) & ~np.asarray(self.optimal)
        if not shown.any():
            return None
        ends = [((s, v), (s, b)) for s, v, b in zip(sizes, values, bounds, strict=True)]
        lines = LineCollection(
            [end for end, show in zip(ends, shown, strict=True) if show],
            colors=_style.GREY,
            linewidths=2.0,
            zorder=0,
        )
        self.ax_.add_collection(lines, autolim=False)
        return lines
