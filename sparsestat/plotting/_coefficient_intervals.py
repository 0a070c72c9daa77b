"""Confidence intervals of coefficients."""

from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from sparsestat.plotting import _fitted, _style
from sparsestat.utils.validation import Boolean, Interval, check_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARAMETERS = {
    "n_features": Interval(1, inf, closed="left", integer=True) | None,
}


class CoefficientIntervalDisplay:
    """Coefficients with their confidence intervals, the clearest ones on top.

    Intervals that leave out zero are in colour, the others grey. Where there are
    simultaneous intervals too, thin lines show how much further they reach; hollow
    marks are the coefficients of a penalised fit.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    coef : array-like of shape (n_features,)
        Coefficients.

    conf_int : array-like of shape (n_features, 2)
        Lower and upper ends of their intervals; may be infinite.

    simultaneous_conf_int : array-like of shape (n_features, 2), default=None
        The same for intervals that hold all at once.

    shrunk_coef : array-like of shape (n_features,), default=None
        Coefficients of a penalised fit.

    confidence_level : float, default=None
        Level of the intervals, for the legend.

    feature_names : array-like of str of shape (n_features,), default=None
        Names; by default ``"x0"``, ``"x1"``, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the intervals.

    figure_ : matplotlib Figure
        Figure with the axes.

    features_ : ndarray of int
        Features drawn, from top to bottom.

    interval_lines_ : matplotlib LineCollection
        Intervals.

    simultaneous_lines_ : matplotlib LineCollection or None
        Simultaneous intervals.

    points_ : matplotlib PathCollection
        Coefficients.

    shrunk_points_ : matplotlib PathCollection or None
        Coefficients of the penalised fit.

    See Also
    --------
    sparsestat.linear_model.DebiasedLasso : An estimator with intervals.
    sparsestat.linear_model.DebiasedLogisticRegression : Another, for classes.
    sklearn.inspection.permutation_importance : Importance for predictions.

    References
    ----------
    .. [1] Cleveland, W. S. (1985). The Elements of Graphing Data. Wadsworth (the
       dot plot).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import CoefficientIntervalDisplay
    >>> display = CoefficientIntervalDisplay(
    ...     coef=[0.1, 2.0, -1.0],
    ...     conf_int=[[-0.5, 0.7], [1.5, 2.5], [-1.7, -0.3]],
    ...     feature_names=["age", "bmi", "bp"],
    ... ).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['bmi', 'bp', 'age']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        coef: ArrayLike,
        conf_int: ArrayLike,
        simultaneous_conf_int: ArrayLike | None = None,
        shrunk_coef: ArrayLike | None = None,
        confidence_level: float | None = None,
        feature_names: ArrayLike | None = None,
    ):
        self.coef = coef
        self.conf_int = conf_int
        self.simultaneous_conf_int = simultaneous_conf_int
        self.shrunk_coef = shrunk_coef
        self.confidence_level = confidence_level
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        confidence_level: float | None = None,
        simultaneous: bool = True,
        feature_names: ArrayLike | None = None,
        n_features: int | None = 20,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "CoefficientIntervalDisplay":
        """Draw the intervals of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``coef_debiased_`` and ``conf_int``, such as
            :class:`~sparsestat.linear_model.DebiasedLasso`; may be the last step of a
            pipeline, or the best of a search.

        confidence_level : float, default=None
            Level of the intervals; by default the estimator's.

        simultaneous : bool, default=True
            Draw simultaneous intervals too.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the coefficients; by default the estimator's, or the pipeline's.

        n_features : int, default=20
            How many features to draw at most, the clearest ones; None is all.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of the `LineCollection` of the intervals.

        Returns
        -------
        display : CoefficientIntervalDisplay
            The display, drawn.
        """
        caller = f"{cls.__name__}.from_estimator"
        check_parameters(
            {"simultaneous": simultaneous}, {"simultaneous": Boolean}, name=caller
        )
        model, before = _fitted.unwrap(estimator)
        _fitted.check_attributes(
            caller, model, ("coef_debiased_", "conf_int"), "DebiasedLasso"
        )
        if feature_names is None:
            feature_names = _fitted.names_of_features(
                model, before, len(model.coef_debiased_)
            )
        together = None
        if simultaneous:
            together = model.conf_int(confidence_level, simultaneous=True)
        level = model.confidence_level if confidence_level is None else confidence_level
        return cls(
            coef=model.coef_debiased_,
            conf_int=model.conf_int(confidence_level),
            simultaneous_conf_int=together,
            shrunk_coef=np.ravel(model.coef_),
            confidence_level=level,
            feature_names=feature_names,
        ).plot(ax, n_features=n_features, line_kw=line_kw)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        n_features: int | None = 20,
        line_kw: dict | None = None,
    ) -> "CoefficientIntervalDisplay":
        """Draw the intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        n_features : int, default=20
            How many features to draw at most: those whose coefficients are largest
            beside the widths of their intervals. None is all.

        line_kw : dict, default=None
            Options of the `LineCollection` of the intervals.

        Returns
        -------
        display : CoefficientIntervalDisplay
            The display itself.
        """
        from matplotlib.collections import LineCollection

        caller = f"{type(self).__name__}.plot"
        check_parameters({"n_features": n_features}, _PARAMETERS, name=caller)
        coef, intervals, together, shrunk, names = self._checked()
        self.features_ = chosen = _clearest(coef, intervals)[:n_features]
        self.ax_ = ax = _style.new_axes(caller, ax)
        self.figure_ = ax.figure
        places = np.arange(len(chosen))
        beyond = (intervals[chosen] > 0).all(axis=1) | (intervals[chosen] < 0).all(
            axis=1
        )
        colors = np.where(beyond, _style.COLORS[0], _style.GREY)
        ax.axvline(0.0, color=_style.DARK, linewidth=0.8, zorder=1)
        self.simultaneous_lines_ = None
        if together is not None:
            self.simultaneous_lines_ = LineCollection(
                _segments(together[chosen], places),
                colors=colors,
                linewidths=1.0,
                label=self._label("simultaneous"),
                zorder=2,
            )
            ax.add_collection(self.simultaneous_lines_)
        options = {"colors": colors, "linewidths": 3.0, **(line_kw or {})}
        self.interval_lines_ = LineCollection(
            _segments(intervals[chosen], places),
            label=self._label("each by itself"),
            zorder=3,
            **options,
        )
        ax.add_collection(self.interval_lines_)
        self.points_ = ax.scatter(
            coef[chosen], places, s=22, c=colors, zorder=4, label="debiased"
        )
        self.shrunk_points_ = None
        if shrunk is not None:
            self.shrunk_points_ = ax.scatter(
                shrunk[chosen],
                places,
                s=30,
                facecolors="white",
                edgecolors=_style.COLORS[1],
                linewidths=1.2,
                zorder=5,
                label="Lasso",
            )
        ax.set_yticks(places, [names[j] for j in chosen], fontsize="small")
        ax.set_ylim(len(chosen) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.autoscale_view(scaley=False)
        ax.set_xlabel("coefficient")
        self._name_marks(intervals if together is None else together)
        return self

    def _label(self, kind: str) -> str:
        if self.confidence_level is None:
            return kind
        return f"{100 * self.confidence_level:g} %, {kind}"

    def _name_marks(self, widest) -> None:
        marks = [
            mark
            for mark in (
                self.shrunk_points_,
                self.interval_lines_,
                self.simultaneous_lines_,
            )
            if mark is not None
        ]
        if len(marks) > 1:
            corner = _free_corner(self.ax_, widest[self.features_])
            legend = _style.legend(self.ax_, marks, loc=corner)
            for handle in legend.legend_handles[1 if self.shrunk_points_ else 0 :]:
                handle.set_color(_style.DARK)

    def _checked(self):
        coef = np.asarray(self.coef, dtype=np.float64)
        if coef.ndim != 1 or not coef.size:
            raise ValueError(
                f"coef must have shape (n_features,), not empty; got {coef.shape}."
            )
        intervals = _as_intervals("conf_int", self.conf_int, coef)
        together = self.simultaneous_conf_int
        if together is not None:
            together = _as_intervals("simultaneous_conf_int", together, coef)
        shrunk = self.shrunk_coef
        if shrunk is not None:
            shrunk = np.asarray(shrunk, dtype=np.float64)
            check_consistent_length(coef, shrunk)
        names = self.feature_names
        if names is None:
            names = [f"x{j}" for j in range(len(coef))]
        check_consistent_length(coef, names)
        return coef, intervals, together, shrunk, names


def _as_intervals(name, values, coef):
    intervals = np.asarray(values, dtype=np.float64)
    if intervals.shape != (len(coef), 2):
        raise ValueError(
            f"{name} must have shape ({len(coef)}, 2), as coef has {len(coef)} "
            f"entries; got {intervals.shape}."
        )
    if not (intervals[:, 0] <= intervals[:, 1]).all():
        raise ValueError(f"{name} must hold lower ends before upper ends, and no NaN.")
    return intervals


def _clearest(coef, intervals):
    """Sort features by their coefficients in units of their intervals' widths."""
    width = intervals[:, 1] - intervals[:, 0]
    ratio = np.divide(
        np.abs(coef), width, out=np.where(coef != 0.0, inf, 0.0), where=width > 0.0
    )
    return np.argsort(-ratio, kind="stable")


def _free_corner(ax, drawn):
    """Corner beside the lowest intervals, which are the least clear ones."""
    left, right = ax.get_xlim()
    lowest = drawn[-(len(drawn) // 4 + 1) :]
    lowest = lowest[np.isfinite(lowest).all(axis=1)]
    room_right = right - lowest[:, 1].max(initial=left)
    room_left = lowest[:, 0].min(initial=right) - left
    return "lower right" if room_right >= room_left else "lower left"


def _segments(intervals, places):
    """Horizontal lines; those without an end are left out."""
    finite = np.where(np.isfinite(intervals), intervals, np.nan)
    return [
        [(low, y), (high, y)] for (low, high), y in zip(finite, places, strict=True)
    ]
