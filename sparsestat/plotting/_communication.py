"""Error of distributed fits against what they had to send."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class CommunicationDisplay:
    """Error of several ways to fit shards against the bytes that they send.

    One point for each method, both axes logarithmic: down and to the left is better. A
    horizontal line may mark the error of the fit on all rows.

    Use :meth:`from_estimators` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    bytes_total : array-like of shape (n_methods,)
        Bytes that each method sends, in both directions.

    errors : array-like of shape (n_methods,)
        Error of each.

    names : list of str, default=None
        Names of the methods; None numbers them.

    n_rounds : array-like of int of shape (n_methods,), default=None
        Rounds of each, told with the names.

    pooled_error : float, default=None
        Error of the fit on all rows in one place.

    error_name : str, default="error"
        What the error is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.

    figure_ : matplotlib Figure
        Figure with the axes.

    points_ : list of matplotlib Line2D
        One for each method.

    pooled_ : matplotlib Line2D or None
        The line of the pooled fit.

    See Also
    --------
    sparsestat.linear_model.DistributedBestSubsetRegressor : Keeps account of its bytes.
    sklearn.model_selection.LearningCurveDisplay : Scores against training rows.

    References
    ----------
    .. [1] Jordan, M., Lee, J. and Yang, Y. (2019). Communication-efficient distributed
       statistical inference. :doi:`10.1080/01621459.2018.1429274`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import CommunicationDisplay
    >>> display = CommunicationDisplay(
    ...     bytes_total=[1e6, 1e4], errors=[0.1, 0.2], names=["gram", "surrogate"]
    ... ).plot()
    >>> len(display.points_)
    2
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        bytes_total: ArrayLike,
        errors: ArrayLike,
        names: list[str] | None = None,
        n_rounds: ArrayLike | None = None,
        pooled_error: float | None = None,
        error_name: str = "error",
    ):
        self.bytes_total = bytes_total
        self.errors = errors
        self.names = names
        self.n_rounds = n_rounds
        self.pooled_error = pooled_error
        self.error_name = error_name

    @classmethod
    def from_estimators(
        cls,
        estimators: dict[str, BaseEstimator],
        coef: ArrayLike,
        *,
        pooled_error: float | None = None,
        ax: "Axes | None" = None,
        marker_kw: dict | None = None,
    ) -> "CommunicationDisplay":
        """Draw the errors of coefficients of fitted estimators.

        Parameters
        ----------
        estimators : dict of str to estimator
            Fitted estimators with ``coef_``, ``bytes_total_`` and ``n_rounds_``, such
            as :class:`~sparsestat.linear_model.DistributedBestSubsetRegressor`, by the
            name to draw.

        coef : array-like of shape (n_features,)
            The true coefficients.

        pooled_error : float, default=None
            Error of the fit on all rows in one place.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default new ones.

        marker_kw : dict, default=None
            Options of the points.

        Returns
        -------
        display : CommunicationDisplay
            The display, drawn.
        """
        fitted = []
        for estimator in estimators.values():
            model, _ = _fitted.unwrap(estimator)
            _fitted.check_attributes(
                cls.__name__,
                model,
                ["coef_", "bytes_total_", "n_rounds_"],
                "DistributedBestSubsetRegressor",
            )
            fitted.append(model)
        truth = np.asarray(coef, dtype=np.float64)
        display = cls(
            bytes_total=[model.bytes_total_ for model in fitted],
            errors=[float(np.linalg.norm(model.coef_ - truth)) for model in fitted],
            names=list(estimators),
            n_rounds=[model.n_rounds_ for model in fitted],
            pooled_error=pooled_error,
            error_name="distance of the coefficients from the truth",
        )
        return display.plot(ax=ax, marker_kw=marker_kw)

    def plot(
        self, *, ax: "Axes | None" = None, marker_kw: dict | None = None
    ) -> "CommunicationDisplay":
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default new ones.

        marker_kw : dict, default=None
            Options of the points.

        Returns
        -------
        display : CommunicationDisplay
            The display itself.
        """
        sizes = np.asarray(self.bytes_total, dtype=np.float64)
        errors = np.asarray(self.errors, dtype=np.float64)
        if sizes.ndim != 1 or sizes.shape != errors.shape or not len(sizes):
            raise ValueError(
                "bytes_total and errors must have one shape (n_methods,), not empty; "
                f"got {sizes.shape} and {errors.shape}."
            )
        ax = _style.new_axes(type(self).__name__, ax)
        names = self.names or [str(k) for k in range(len(sizes))]
        self.points_, self.pooled_ = [], None
        if self.pooled_error is not None:
            self.pooled_ = ax.axhline(
                self.pooled_error, color=_style.GREY, linestyle="--", zorder=0
            )
            self.pooled_.set_label("all rows in one place")
        for k, name in enumerate(names):
            rounds = "" if self.n_rounds is None else _told(self.n_rounds[k])
            (point,) = ax.plot(
                sizes[k],
                errors[k],
                **{
                    "marker": "o",
                    "linestyle": "none",
                    "markersize": 8,
                    "color": _style.COLORS[k % len(_style.COLORS)],
                    "label": f"{name}{rounds}",
                    **(marker_kw or {}),
                },
            )
            self.points_.append(point)
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="bytes sent, both directions",
            ylabel=self.error_name,
        )
        ax.legend(frameon=False, fontsize=9)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _told(rounds: int) -> str:
    return f", {int(rounds)} round" + ("s" if rounds != 1 else "")
