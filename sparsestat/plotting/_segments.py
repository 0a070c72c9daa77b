"""Segments of a fused fit along its features."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class SegmentDisplay:
    """Coefficients along a line as segments of equal value.

    Segments that are not zero are in colour, those at zero dark; thin lines mark where
    one ends and the next begins. Noisy observations and a known truth may be drawn
    behind.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    coef : array-like of shape (n_features,)
        Coefficients, in the order of the line.

    segments : array-like of shape (n_features,)
        Number of the segment of each.

    positions : array-like of shape (n_features,), default=None
        Where each stands on the horizontal axis, increasing; by default its index.

    observed : array-like of shape (n_features,), default=None
        Values to draw as points behind, such as the signal that was denoised.

    truth : array-like of shape (n_features,), default=None
        Values to draw as a thin line behind.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the segments.

    figure_ : matplotlib Figure
        Figure with the axes.

    segments_ : matplotlib LineCollection
        A horizontal line for each segment.

    jumps_ : matplotlib LineCollection
        Vertical lines between neighbours.

    observed_ : matplotlib Line2D or None
        The points.

    truth_ : matplotlib Line2D or None
        The line of the truth.

    See Also
    --------
    CoefficientPathDisplay : Coefficients against the strength of the penalty.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] Tibshirani, R., Saunders, M., Rosset, S., Zhu, J. and Knight, K. (2005).
       Sparsity and smoothness via the fused lasso.
       :doi:`10.1111/j.1467-9868.2005.00490.x`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import SegmentDisplay
    >>> display = SegmentDisplay(coef=[0.0, 0.0, 2.0, 2.0], segments=[0, 0, 1, 1])
    >>> len(display.plot().segments_.get_segments())
    2
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        coef: ArrayLike,
        segments: ArrayLike,
        positions: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        truth: ArrayLike | None = None,
    ):
        self.coef = coef
        self.segments = segments
        self.positions = positions
        self.observed = observed
        self.truth = truth

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        positions: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        truth: ArrayLike | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "SegmentDisplay":
        """Draw the segments of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``coef_`` and ``segments_``, such as
            :class:`~sparsestat.linear_model.FusedLasso`; may be the last step of a
            pipeline, or the best of a search.

        positions : array-like of shape (n_features,), default=None
            Where each coefficient stands; by default its index.

        observed : array-like of shape (n_features,), default=None
            Values to draw as points behind.

        truth : array-like of shape (n_features,), default=None
            Values to draw as a thin line behind.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of matplotlib's LineCollection for the segments.

        Returns
        -------
        display : SegmentDisplay
            The display, drawn.
        """
        model, _ = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(caller, model, ("coef_", "segments_"), "FusedLasso")
        return cls(
            coef=model.coef_,
            segments=model.segments_,
            positions=positions,
            observed=observed,
            truth=truth,
        ).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict | None = None
    ) -> "SegmentDisplay":
        """Draw the segments.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of matplotlib's LineCollection for the segments.

        Returns
        -------
        display : SegmentDisplay
            The display itself.
        """
        coef = self._vector("coef", self.coef, None)
        labels = self._vector("segments", self.segments, coef)
        x = np.arange(len(coef)) if self.positions is None else self.positions
        x = self._vector("positions", x, coef)
        if (np.diff(x) <= 0).any():
            raise ValueError("positions must increase.")
        edges = _edges(x)
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.observed_ = self._draw(x, "observed", self.observed, coef)
        self.truth_ = self._draw(x, "truth", self.truth, coef)
        starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
        stops = np.r_[starts[1:], len(coef)]
        self._collect(coef[starts], edges[starts], edges[stops], line_kw)
        ax.set_xlim(edges[0], edges[-1])
        ax.autoscale_view(scalex=False)
        ax.set_xlabel("feature" if self.positions is None else "position")
        ax.set_ylabel("coefficient")
        drawn = [line for line in (self.observed_, self.truth_) if line is not None]
        if drawn:
            _style.legend(ax, drawn)
        return self

    def _collect(self, level, start, stop, line_kw) -> None:
        from matplotlib.collections import LineCollection

        colors = np.where(level != 0, _style.COLORS[0], _style.DARK)
        ends = np.stack([np.stack([start, stop]), np.stack([level, level])], axis=-1)
        options = {"colors": colors, "linewidths": 2.2, "zorder": 4, **(line_kw or {})}
        self.segments_ = LineCollection(ends.transpose(1, 0, 2), **options)
        at = start[1:]
        ends = np.stack(
            [np.stack([at, at]), np.stack([level[:-1], level[1:]])], axis=-1
        )
        self.jumps_ = LineCollection(
            ends.transpose(1, 0, 2), colors=_style.COLORS[0], linewidths=0.8, zorder=3
        )
        self.ax_.add_collection(self.jumps_)
        self.ax_.add_collection(self.segments_)

    def _draw(self, x, name: str, values, coef):
        """Points or a thin line behind, or None."""
        if values is None:
            return None
        values = self._vector(name, values, coef)
        if name == "observed":
            style = {
                "marker": ".",
                "markersize": 3,
                "linestyle": "",
                "color": "#AAAAAA",
            }
        else:
            style = {"color": _style.COLORS[1], "linewidth": 1.2}
        return self.ax_.plot(x, values, label=name, zorder=2, **style)[0]

    @staticmethod
    def _vector(name: str, values, coef) -> np.ndarray:
        values = np.asarray(values)
        if (
            values.ndim != 1
            or not values.size
            or (coef is not None and values.shape != coef.shape)
        ):
            wanted = "(n_features,), not empty" if coef is None else f"{coef.shape}"
            raise ValueError(f"{name} must have shape {wanted}; got {values.shape}.")
        return values


def _edges(x: np.ndarray) -> np.ndarray:
    """Borders halfway between positions."""
    middle = 0.5 * (x[1:] + x[:-1])
    before = middle[0] - x[0] if len(middle) else 0.5
    after = x[-1] - middle[-1] if len(middle) else 0.5
    return np.r_[x[0] - before, middle, x[-1] + after]
